-- TABLESAMPLE: how many rows, which arguments, and how it is written back.
CREATE TABLE sampled (id int PRIMARY KEY, filler text);
INSERT INTO sampled SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g;
SELECT count(*) FROM sampled TABLESAMPLE bernoulli (100);
SELECT count(*) FROM sampled TABLESAMPLE system (0);
SELECT count(*) BETWEEN 2200 AND 2800 AS about_half FROM sampled TABLESAMPLE bernoulli (50);
SELECT count(*) BETWEEN 1 AND 4999 AS some_blocks FROM sampled TABLESAMPLE system (50) REPEATABLE (3);
-- The same seed chooses the same rows, another one others.
SELECT (SELECT array_agg(id) FROM sampled TABLESAMPLE bernoulli (10) REPEATABLE (1))
     = (SELECT array_agg(id) FROM sampled TABLESAMPLE bernoulli (10) REPEATABLE (1)) AS same,
       (SELECT array_agg(id) FROM sampled TABLESAMPLE bernoulli (10) REPEATABLE (1))
     = (SELECT array_agg(id) FROM sampled TABLESAMPLE bernoulli (10) REPEATABLE (2)) AS other;
-- An index finds rows that are no part of the sample.
EXPLAIN (COSTS OFF) SELECT * FROM sampled TABLESAMPLE bernoulli (0) WHERE id = 7;
SELECT * FROM sampled TABLESAMPLE bernoulli (0) WHERE id = 7;
EXPLAIN (COSTS OFF) SELECT * FROM sampled s TABLESAMPLE system (1.5) REPEATABLE (4);
-- Arguments.
SELECT id FROM sampled TABLESAMPLE bernoulli (-1);
SELECT id FROM sampled TABLESAMPLE system (100.1);
SELECT id FROM sampled TABLESAMPLE bernoulli (NULL);
SELECT id FROM sampled TABLESAMPLE bernoulli (5) REPEATABLE (NULL);
SELECT id FROM sampled TABLESAMPLE foobar (1);
SELECT id FROM sampled TABLESAMPLE system (1, 2);
WITH c AS (SELECT 1) SELECT * FROM c TABLESAMPLE system (1);
PREPARE part (real) AS SELECT count(*) FROM sampled TABLESAMPLE bernoulli ($1);
EXECUTE part (0);
EXECUTE part (100);
-- Views.
CREATE VIEW over_sample AS SELECT id FROM sampled TABLESAMPLE system (10 * 2) REPEATABLE (2);
SELECT pg_get_viewdef('over_sample'::regclass);
SELECT count(*) FROM over_sample TABLESAMPLE system (1);
DELETE FROM over_sample;
DROP TABLE sampled CASCADE;
