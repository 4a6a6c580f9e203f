-- Columns that a primary key determines: the query depends on the key.
CREATE TABLE articles (id int CONSTRAINT articles_key PRIMARY KEY, title text, body text);
INSERT INTO articles VALUES (1, 'one', 'a'), (2, 'two', 'b');
CREATE VIEW grouped AS SELECT id, title FROM articles GROUP BY id;
CREATE VIEW inside AS SELECT * FROM articles WHERE title IN (SELECT title FROM articles GROUP BY id);
ALTER TABLE articles DROP CONSTRAINT articles_key RESTRICT;
DROP VIEW grouped;
ALTER TABLE articles DROP CONSTRAINT articles_key RESTRICT;
DROP VIEW inside;
PREPARE grouped AS SELECT id, title FROM articles GROUP BY id ORDER BY id;
EXECUTE grouped;
ALTER TABLE articles DROP CONSTRAINT articles_key RESTRICT;
EXECUTE grouped;
-- HAVING without grouping needs no rows.
SELECT 1 AS one FROM articles WHERE 1 / (id - id) = 1 HAVING 1 < 2;
SELECT 1 AS one FROM articles HAVING 1 > 2;
SELECT count(*) AS n FROM articles HAVING 1 < 2;
EXPLAIN (COSTS OFF) SELECT 1 FROM articles HAVING 1 < 2;
-- Defaults keep the casts that were written, or not.
CREATE TABLE defaults (b bit varying(5) DEFAULT B'0101', t varchar DEFAULT 'x'::text);
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'defaults'::regclass ORDER BY adnum;
-- Domains over arrays with modifiers, and rows of tables that have lost a column.
CREATE DOMAIN words AS varchar(4)[2];
CREATE TABLE sayings (w words, gone int, n int);
INSERT INTO sayings VALUES ('{"a   b", cd}', 1, 2);
INSERT INTO sayings VALUES ('{ab, cd}', 1, 2);
SELECT w, w[2] FROM sayings;
ALTER TABLE sayings DROP COLUMN gone;
CREATE FUNCTION all_sayings() RETURNS SETOF sayings LANGUAGE sql AS 'SELECT * FROM sayings';
SELECT * FROM all_sayings();
SELECT * FROM ROWS FROM (all_sayings(), generate_series(1, 2)) WITH ORDINALITY;
CREATE FUNCTION endless(int) RETURNS int LANGUAGE sql AS 'SELECT endless($1 + 1)';
\set VERBOSITY terse
SELECT endless(1);
\set VERBOSITY default
CREATE FUNCTION first_of(anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1[1]';
SELECT first_of(most_common_vals) FROM pg_stats;
COPY (SELECT 1 INTO t) TO stdout;
DROP TABLE articles, defaults, sayings CASCADE;
-- NULLIF of rows has the rows' type.
CREATE TYPE pair AS (a int, b text);
SELECT pg_typeof(NULLIF(ROW(1, 'x')::pair, NULL::pair)), coalesce(NULLIF(ROW(1, 'x')::pair, ROW(1, 'x')::pair), ROW(2, 'y')::pair);
SELECT r::pair FROM (SELECT ROW(1, 'x') AS r OFFSET 0) s;
DROP TYPE pair;
