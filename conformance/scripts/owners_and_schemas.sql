-- CREATE SCHEMA with elements; what roles own; default privileges; sequences that restart.
CREATE ROLE owner_a;
CREATE ROLE owner_b;
CREATE SCHEMA filled
    CREATE VIEW v AS SELECT a, b FROM t
    CREATE INDEX t_b ON t (b)
    CREATE TABLE t (a int PRIMARY KEY, b text)
    CREATE SEQUENCE s
    GRANT SELECT ON v TO owner_a;
\d filled.t
\d filled.v
SELECT relname, relacl FROM pg_class WHERE relnamespace = 'filled'::regnamespace AND relkind IN ('r', 'v', 'S') ORDER BY 1;
CREATE SCHEMA wrong CREATE TABLE filled.x (a int);
CREATE SCHEMA AUTHORIZATION owner_a CREATE TABLE theirs (a int);
SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname = 'owner_a';
SELECT relowner::regrole FROM pg_class WHERE relname = 'theirs';
CREATE SCHEMA IF NOT EXISTS filled;
CREATE SCHEMA broken CREATE TABLE x (a nosuch);
SELECT count(*) FROM pg_namespace WHERE nspname = 'broken';
SELECT current_schema;
CREATE TABLE outside (a int);
SELECT relnamespace::regnamespace FROM pg_class WHERE relname = 'outside';
-- Ownership.
CREATE TABLE owned_t (a serial, b text);
ALTER TABLE owned_t OWNER TO owner_a;
GRANT SELECT ON outside TO owner_a;
GRANT SELECT (a), INSERT (a) ON outside TO owner_b;
REASSIGN OWNED BY owner_a TO owner_b;
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('theirs', 'owned_t', 'owned_t_a_seq') ORDER BY 1;
SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'owner_a';
DROP OWNED BY owner_b;
DROP OWNED BY owner_b CASCADE;
SELECT relname FROM pg_class WHERE relname IN ('theirs', 'owned_t', 'owned_t_a_seq') ORDER BY 1;
SELECT relacl FROM pg_class WHERE relname = 'outside';
SELECT attacl FROM pg_attribute WHERE attrelid = 'outside'::regclass AND attnum = 1;
DROP OWNED BY owner_a;
SELECT relacl FROM pg_class WHERE relname = 'outside';
SET ROLE owner_a;
DROP OWNED BY owner_b;
REASSIGN OWNED BY owner_b TO owner_a;
REASSIGN OWNED BY owner_a TO owner_b;
RESET ROLE;
-- Default privileges.
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO owner_a;
CREATE TABLE d1 (a serial);
SELECT relname, relacl FROM pg_class WHERE relname IN ('d1', 'd1_a_seq') ORDER BY 1;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT ON TABLES TO owner_b;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO owner_b;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO owner_b;
CREATE SEQUENCE d2_a_seq;
CREATE TABLE d2 (a int);
CREATE SCHEMA ds;
SELECT relname, relacl FROM pg_class WHERE relname IN ('d2', 'd2_a_seq') ORDER BY 1;
SELECT nspacl FROM pg_namespace WHERE nspname = 'ds';
\ddp
DROP ROLE owner_b;
ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM owner_a;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE INSERT ON TABLES FROM owner_b;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SEQUENCES FROM owner_b;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON SCHEMAS FROM owner_b;
\ddp
ALTER DEFAULT PRIVILEGES FOR ROLE owner_a GRANT ALL ON TABLES TO PUBLIC;
SET ROLE owner_a;
CREATE TEMP TABLE d3 (a int);
SELECT relacl FROM pg_class WHERE relname = 'd3';
RESET ROLE;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SCHEMAS TO owner_b;
ALTER DEFAULT PRIVILEGES GRANT SELECT (a) ON TABLES TO owner_b;
ALTER DEFAULT PRIVILEGES FOR ROLE nosuch GRANT SELECT ON TABLES TO owner_b;
DROP OWNED BY owner_a, owner_b CASCADE;
DROP TABLE d1, d2;
DROP SEQUENCE d2_a_seq;
DROP SCHEMA ds;
DROP ROLE owner_a, owner_b;
-- What needs no transaction is not undone by the next failure.
CREATE ROLE passing;
SET ROLE passing;
RESET ROLE;
SELECT 1 / 0;
SELECT current_user;
DROP ROLE passing;
-- Sequences that restart.
CREATE TABLE r (a serial, b int GENERATED ALWAYS AS IDENTITY (START 10), c text);
INSERT INTO r (c) VALUES ('x'), ('y');
TRUNCATE r;
INSERT INTO r (c) VALUES ('z') RETURNING *;
TRUNCATE r RESTART IDENTITY;
INSERT INTO r (c) VALUES ('z') RETURNING *;
BEGIN;
TRUNCATE r RESTART IDENTITY;
INSERT INTO r (c) VALUES ('w') RETURNING *;
ROLLBACK;
INSERT INTO r (c) VALUES ('v') RETURNING *;
-- EXPLAIN of what makes a table makes none.
EXPLAIN (COSTS OFF) CREATE TABLE none AS SELECT 1;
EXPLAIN (COSTS OFF) CREATE MATERIALIZED VIEW none AS SELECT * FROM r;
SELECT count(*) FROM pg_class WHERE relname = 'none';
-- ON COMMIT and foreign keys.
CREATE TEMP TABLE p (a int PRIMARY KEY) ON COMMIT DELETE ROWS;
BEGIN;
CREATE TEMP TABLE f (a int REFERENCES p);
COMMIT;
