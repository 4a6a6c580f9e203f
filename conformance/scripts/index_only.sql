-- Index-only scans: what the map of visible blocks says is kept up with what happens to the rows.
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(10, 3), c float8, d char(5), e int[]);
INSERT INTO t SELECT i, 'text ' || i % 13, i / 8.0, i / 4.0, 'c' || i % 7, ARRAY[i, -i] FROM generate_series(1, 2000) i;
CREATE INDEX t_a ON t (a DESC, id) INCLUDE (b, c);
CREATE INDEX t_b ON t (b, d) INCLUDE (e);
VACUUM ANALYZE t;
EXPLAIN (COSTS OFF) SELECT count(*) FROM t WHERE id > 10;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM t;
SELECT count(*), min(id), max(id) FROM t;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT a, id, b, c FROM t WHERE a = 'text 3' AND id < 60;
SELECT a, id, b, c FROM t WHERE a = 'text 3' AND id < 60 ORDER BY id;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT b, d, e FROM t WHERE b BETWEEN 1 AND 2;
SELECT b, d, e FROM t WHERE b BETWEEN 1 AND 2 ORDER BY b;
-- Changed rows are looked up in the table; so are all of their block.
BEGIN;
UPDATE t SET a = 'changed' WHERE id = 16;
SELECT a, id, b, c FROM t WHERE a = 'text 3' AND id < 60 ORDER BY id;
SELECT a, id FROM t WHERE a = 'changed';
DELETE FROM t WHERE id = 29;
SELECT a, id, b, c FROM t WHERE a = 'text 3' AND id < 60 ORDER BY id;
SELECT count(*) FROM t WHERE id < 100;
ROLLBACK;
SELECT a, id, b, c FROM t WHERE a = 'text 3' AND id < 60 ORDER BY id;
SELECT count(*) FROM t WHERE id < 100;
-- An included column's change needs a new entry.
UPDATE t SET b = -1 WHERE id = 3;
SELECT id, b FROM t WHERE a = 'text 3' AND id < 20 ORDER BY id;
VACUUM t;
SELECT id, b FROM t WHERE a = 'text 3' AND id < 20 ORDER BY id;
SELECT b, d, e FROM t WHERE b < 0;
INSERT INTO t VALUES (2001, NULL, NULL, NULL, NULL, NULL);
VACUUM t;
SELECT id, a, b, c FROM t WHERE a IS NULL;
SELECT b, d, e FROM t WHERE b IS NULL;
DELETE FROM t WHERE id % 2 = 0;
SELECT count(*) FROM t WHERE id > 0;
VACUUM t;
SELECT count(*) FROM t WHERE id > 0;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM t WHERE id > 0;
-- Values that no entry holds.
CREATE TABLE long (k int, v text);
CREATE INDEX long_k ON long (k) INCLUDE (v);
INSERT INTO long SELECT i, repeat('v', 100 * i) FROM generate_series(1, 20) i;
VACUUM long;
SELECT k, length(v) FROM long WHERE k BETWEEN 3 AND 12 ORDER BY k;
SELECT k FROM long ORDER BY k DESC LIMIT 3;
DROP TABLE t, long;
