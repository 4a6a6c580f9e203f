-- Changes to tables without keys.
CREATE TABLE t (a int NOT NULL, b text);
INSERT INTO t VALUES (1,'one'),(2,NULL),(3,'three') RETURNING a, b;
UPDATE t SET b = 'two' WHERE a = 2 RETURNING *;
UPDATE t SET a = a + 10 WHERE a > 1;
DELETE FROM t WHERE a = 13 RETURNING b;
SELECT * FROM t ORDER BY a;
BEGIN;
DELETE FROM t;
SELECT count(*) FROM t;
ROLLBACK;
SELECT count(*) FROM t;
UPDATE t SET a = NULL;
UPDATE t SET nope = 1;
DELETE FROM t USING (VALUES (12)) v(x) WHERE t.a = v.x;
SELECT * FROM t ORDER BY a;
SELECT a, rank() OVER (ORDER BY a) FROM t ORDER BY a;
SELECT * FROM t FOR UPDATE;
