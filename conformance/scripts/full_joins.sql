-- Full joins: keys of two types, no keys, conditions that are constant.
CREATE TABLE a (x int8, n text);
CREATE TABLE b (x int4, m text);
INSERT INTO a VALUES (1, 'one'), (2, 'two'), (2, 'zwei'), (NULL, 'none'), (5000000000, 'much');
INSERT INTO b VALUES (2, 'deux'), (3, 'trois'), (NULL, 'rien');
SELECT * FROM a FULL JOIN b USING (x) ORDER BY 1, 2, 3;
SELECT * FROM a FULL JOIN b USING (x) WHERE x = 2 ORDER BY 1, 2, 3;
SELECT * FROM a FULL JOIN b USING (x) JOIN b c USING (x) ORDER BY 1, 2, 3, 4;
SELECT x, c.m FROM (SELECT coalesce(x, 0) AS x FROM a) s FULL JOIN (SELECT coalesce(x, -1) AS x FROM b) t USING (x)
  JOIN b c USING (x) ORDER BY 1, 2;
SELECT x, c.m FROM (SELECT coalesce(x, 0) AS x FROM a) s FULL JOIN (SELECT coalesce(x, -1)::int8 AS x FROM b) t USING (x)
  JOIN b c USING (x) ORDER BY 1, 2;
EXPLAIN (COSTS OFF) SELECT * FROM a FULL JOIN b ON true;
SELECT a.x, b.x FROM a FULL JOIN b ON true ORDER BY 1, 2;
SELECT a.x, b.x FROM a FULL JOIN b ON false ORDER BY 1, 2;
SELECT a.x, b.x FROM a FULL JOIN b ON a.x = b.x AND false ORDER BY 1, 2;
SELECT a.x, b.x FROM (SELECT * FROM a WHERE x < 0) a FULL JOIN b ON true ORDER BY 1, 2;
SELECT a.x, b.x FROM a FULL JOIN (SELECT * FROM b WHERE x < 0) b ON true ORDER BY 1, 2;
SELECT a.x, b.x FROM a FULL JOIN b ON a.x < b.x;
WITH r(v) AS (VALUES (row(1, 2, 3))) SELECT * FROM r, coalesce(v) AS c(d int, e int, f int);
WITH r(v) AS (VALUES (row(1, 2, 3))) SELECT * FROM r, coalesce(v) AS c(d int, e int, f float);
WITH r(v) AS (VALUES (row(1, 2, 3))) SELECT * FROM r, coalesce(v) AS c(d int, e int);
SELECT 'a' || 1::int4 || true, 2 || 'b'::text;
EXPLAIN (COSTS OFF) SELECT FROM a WHERE n || x = x || n AND n || (x = 1) <> '';
-- A side of an outer join that is one row without a table must stay.
SELECT * FROM (SELECT 1 AS x) s LEFT JOIN (SELECT 2 AS y, 42 AS z) t ON s.x = t.y;
SELECT * FROM (SELECT 1 AS x) s LEFT JOIN (SELECT u.x, coalesce(t.z, 1) AS w FROM (SELECT 1 AS x) u
  LEFT JOIN (SELECT 2 AS y, 42 AS z) t ON u.x = t.y) v ON s.x = v.x;
SELECT s.x FROM (SELECT 2 AS x) s WHERE x IN (SELECT x FROM a);
SELECT s.x FROM (SELECT 3 AS x) s WHERE NOT EXISTS (SELECT FROM a WHERE a.x = s.x);
SELECT s.x, b.m FROM (SELECT 7 AS x) s LEFT JOIN b ON b.x = s.x;
-- Rows without columns.
SELECT UNION SELECT;
SELECT INTERSECT SELECT;
SELECT FROM b;
-- WITH queries inside the recursive term start over in each round.
WITH RECURSIVE r(i) AS (
  SELECT 1 UNION ALL (
    WITH c AS MATERIALIZED (SELECT i FROM r WHERE i < 5), d AS MATERIALIZED (SELECT max(i) AS m FROM c)
    SELECT c.i + 1 FROM c, d WHERE d.m = c.i))
SELECT * FROM r;
DROP TABLE a, b;
