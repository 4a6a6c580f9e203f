-- RENAME, SET SCHEMA, OWNER TO, and what is stored about the renamed.
CREATE SCHEMA s1;
CREATE TABLE s1.base (a int PRIMARY KEY, b text DEFAULT 'x', c int CHECK (c > 0), d int GENERATED ALWAYS AS (c * 2) STORED);
CREATE INDEX base_expr ON s1.base ((c + 1)) WHERE b <> 'no';
INSERT INTO s1.base VALUES (1, 'one', 10), (2, 'two', 20);
CREATE TABLE s1.other (a int, e text);
INSERT INTO s1.other VALUES (1, 'eins'), (3, 'drei');
CREATE VIEW s1.v AS SELECT a, b, c + d AS sum FROM s1.base WHERE c > 5;
CREATE VIEW s1.j AS SELECT * FROM s1.base JOIN s1.other USING (a);
CREATE VIEW s1.aliased AS SELECT x.a, x.b, (SELECT count(*) FROM s1.base y WHERE y.a <= x.a) AS n FROM s1.base x;
CREATE VIEW s1.over AS SELECT v.a, v.sum FROM s1.v WHERE v.b <> 'zwei';
CREATE VIEW s1.twice AS SELECT a FROM s1.base WHERE EXISTS (SELECT 1 FROM s1.base WHERE a > 1);
CREATE VIEW s1.whole AS SELECT base FROM s1.base;
-- Columns.
ALTER TABLE s1.base RENAME COLUMN a TO id;
ALTER TABLE s1.base RENAME c TO cc;
ALTER VIEW s1.v RENAME COLUMN sum TO total;
SELECT pg_get_viewdef('s1.v');
SELECT pg_get_viewdef('s1.j');
SELECT pg_get_viewdef('s1.aliased');
SELECT pg_get_viewdef('s1.over');
\d s1.base
SELECT * FROM s1.v ORDER BY 1;
SELECT * FROM s1.j ORDER BY 1;
SELECT * FROM s1.over ORDER BY 1;
SELECT * FROM s1.whole ORDER BY 1;
-- Relations.
ALTER TABLE s1.base RENAME TO renamed;
ALTER VIEW s1.v RENAME TO w;
ALTER INDEX s1.base_expr RENAME TO renamed_expr;
ALTER TABLE s1.renamed RENAME CONSTRAINT base_c_check TO positive;
ALTER TABLE s1.renamed RENAME CONSTRAINT base_pkey TO renamed_pkey;
SELECT pg_get_viewdef('s1.w');
SELECT pg_get_viewdef('s1.aliased');
SELECT pg_get_viewdef('s1.over');
SELECT pg_get_viewdef('s1.whole');
SELECT pg_get_viewdef('s1.twice');
ALTER TABLE s1.renamed RENAME TO base;
SELECT pg_get_viewdef('s1.twice');
ALTER TABLE s1.base RENAME TO renamed;
SELECT * FROM s1.aliased ORDER BY 1;
INSERT INTO s1.renamed VALUES (3, DEFAULT, -1);
INSERT INTO s1.renamed VALUES (3, DEFAULT, 30) RETURNING *;
-- Schemas.
ALTER SCHEMA s1 RENAME TO s2;
SELECT pg_get_viewdef('s2.w');
SELECT * FROM s2.over ORDER BY 1;
CREATE SCHEMA s3;
CREATE TABLE s2.counted (n serial, i int DEFAULT 7);
INSERT INTO s2.counted DEFAULT VALUES;
CREATE VIEW s2.counts AS SELECT n, nextval('s2.counted_n_seq') AS next FROM s2.counted;
ALTER TABLE s2.counted SET SCHEMA s3;
ALTER TABLE s2.renamed SET SCHEMA s3;
\d s3.counted
\d s3.renamed
INSERT INTO s3.counted DEFAULT VALUES;
SELECT * FROM s3.counted ORDER BY n;
SELECT pg_get_viewdef('s2.counts');
SELECT pg_get_viewdef('s2.w');
SELECT * FROM s2.over ORDER BY 1;
ALTER SEQUENCE s3.counted_n_seq RENAME TO numbers;
INSERT INTO s3.counted DEFAULT VALUES RETURNING n;
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 's3.counted'::regclass ORDER BY adnum;
-- Refusals.
ALTER TABLE s3.renamed RENAME id TO b;
ALTER TABLE s3.renamed RENAME nosuch TO x;
ALTER TABLE s3.renamed RENAME ctid TO x;
ALTER TABLE s3.renamed RENAME b TO xmin;
ALTER TABLE s3.nosuch RENAME TO x;
ALTER TABLE IF EXISTS s3.nosuch RENAME TO x;
ALTER TABLE IF EXISTS s3.nosuch RENAME a TO x;
ALTER TABLE s3.renamed RENAME TO counted;
ALTER TABLE s3.renamed RENAME CONSTRAINT nosuch TO x;
ALTER VIEW s3.renamed RENAME TO x;
ALTER SEQUENCE s3.renamed RENAME TO x;
ALTER TABLE s3.numbers RENAME last_value TO x;
ALTER SEQUENCE s3.numbers SET SCHEMA s2;
ALTER TABLE s3.renamed_pkey SET SCHEMA s2;
ALTER SCHEMA s2 RENAME TO s3;
ALTER SCHEMA s2 RENAME TO pg_x;
ALTER SCHEMA nosuch RENAME TO x;
ALTER TABLE pg_class RENAME TO x;
-- Owners.
CREATE ROLE renamer;
ALTER TABLE s3.counted OWNER TO renamer;
SELECT relname, relowner::regrole FROM pg_class WHERE relname IN ('counted', 'numbers') ORDER BY 1;
SELECT typname, typowner::regrole FROM pg_type WHERE typname IN ('counted', '_counted') ORDER BY 1;
ALTER SEQUENCE s3.numbers OWNER TO renamer;
ALTER SEQUENCE s3.numbers OWNER TO CURRENT_USER;
ALTER INDEX s3.renamed_pkey OWNER TO renamer;
GRANT USAGE ON SCHEMA s3 TO renamer;
SET ROLE renamer;
ALTER TABLE s3.counted OWNER TO postgres;
ALTER TABLE s3.renamed RENAME TO mine;
ALTER TABLE s3.counted RENAME TO mine;
RESET ROLE;
ALTER SCHEMA s3 OWNER TO renamer;
-- Types share their tables' names.
CREATE TABLE arr (id int);
ALTER TABLE arr RENAME TO _arr;
SELECT typname FROM pg_type WHERE oid = '_arr[]'::regtype;
DROP TABLE _arr;
-- In a transaction that fails nothing is renamed.
BEGIN;
ALTER TABLE s3.renamed RENAME TO gone;
ALTER TABLE s3.gone RENAME b TO gone;
SELECT pg_get_viewdef('s2.aliased');
ROLLBACK;
SELECT pg_get_viewdef('s2.aliased');
-- Constants are kept as no setting can read them otherwise.
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
CREATE TABLE dated (d date DEFAULT DATE '02/01/2020', i interval DEFAULT INTERVAL '-1 day 2 hours', r regclass DEFAULT 'dated'::regclass);
RESET datestyle;
RESET intervalstyle;
SET search_path = s2;
INSERT INTO public.dated DEFAULT VALUES RETURNING *;
RESET search_path;
DROP TABLE dated;
DROP SCHEMA s2 CASCADE;
DROP SCHEMA s3 CASCADE;
DROP ROLE renamer;
