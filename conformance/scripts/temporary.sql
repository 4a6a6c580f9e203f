-- Temporary tables, views and sequences.
CREATE TABLE t (a int);
INSERT INTO t VALUES (1);
CREATE TEMP TABLE t (a text PRIMARY KEY, b serial);
INSERT INTO t VALUES ('temporary');
SELECT * FROM t;
SELECT * FROM public.t;
SELECT * FROM pg_temp.t;
SELECT relname, relpersistence FROM pg_class WHERE relnamespace = pg_my_temp_schema() ORDER BY 1;
SELECT pg_is_other_temp_schema(pg_my_temp_schema());
CREATE TEMP TABLE IF NOT EXISTS t (x int);
CREATE TEMP TABLE t (x int);
CREATE TEMP TABLE public.u (x int);
CREATE TABLE pg_temp.u (x int);
SELECT relpersistence FROM pg_class WHERE relname = 'u';
CREATE UNLOGGED TABLE pg_temp.w (x int);
CREATE TABLE w (x int) ON COMMIT DELETE ROWS;
CREATE VIEW v AS SELECT * FROM u;
CREATE TEMP VIEW v2 AS SELECT * FROM public.t;
CREATE OR REPLACE TEMP VIEW v2 AS SELECT a FROM public.t;
SELECT relname, relpersistence FROM pg_class WHERE relname IN ('v', 'v2') ORDER BY 1;
CREATE TEMP SEQUENCE s START 5;
SELECT nextval('s'), nextval('pg_temp.s');
DROP TABLE t;
SELECT * FROM t;
DROP TABLE t;
DROP TABLE t;
-- ON COMMIT.
CREATE TEMP TABLE del (a int PRIMARY KEY, b text) ON COMMIT DELETE ROWS;
CREATE TEMP TABLE keep (a int) ON COMMIT PRESERVE ROWS;
INSERT INTO del VALUES (1, 'gone at once');
SELECT * FROM del;
BEGIN;
INSERT INTO del VALUES (1, 'one');
INSERT INTO keep VALUES (1);
CREATE TEMP TABLE dropped (a int) ON COMMIT DROP;
INSERT INTO dropped VALUES (1);
SELECT * FROM del, keep, dropped;
COMMIT;
SELECT * FROM del;
SELECT * FROM keep;
SELECT * FROM dropped;
BEGIN;
CREATE TEMP TABLE undone (a int) ON COMMIT DROP;
ROLLBACK;
BEGIN;
SAVEPOINT sp;
CREATE TEMP TABLE undone (a int) ON COMMIT DELETE ROWS;
ROLLBACK TO sp;
INSERT INTO del VALUES (2, 'two');
COMMIT;
INSERT INTO del VALUES (1, 'one') RETURNING *;
-- Search path.
CREATE TABLE shadow (p int);
CREATE TEMP TABLE shadow (t int);
SET search_path = public, pg_temp;
\d public.shadow
SELECT * FROM shadow;
SET search_path = pg_temp, public;
CREATE TABLE made (x int);
SELECT relpersistence FROM pg_class WHERE relname = 'made';
RESET search_path;
SELECT * FROM shadow;
-- Foreign keys.
CREATE TEMP TABLE pk (a int PRIMARY KEY);
CREATE TABLE fk (a int REFERENCES pk);
CREATE TABLE ppk (a int PRIMARY KEY);
CREATE TEMP TABLE fk (a int REFERENCES ppk);
-- Another session sees none of it, and finds what it leaves gone.
SELECT count(*) > 0 AS there FROM pg_class WHERE relpersistence = 't';
\c
SELECT pg_my_temp_schema();
SELECT * FROM shadow;
CREATE ROLE nobody_temp;
SELECT current_database() AS db \gset
REVOKE TEMP ON DATABASE :"db" FROM PUBLIC;
SET ROLE nobody_temp;
CREATE TEMP TABLE x (a int);
RESET ROLE;
GRANT TEMP ON DATABASE :"db" TO PUBLIC;
SET ROLE nobody_temp;
CREATE TEMP TABLE x (a int);
INSERT INTO x VALUES (1);
SELECT * FROM x;
RESET ROLE;
DISCARD TEMP;
SELECT * FROM x;
DROP ROLE nobody_temp;
