-- Views: definition, replacement, use, change through them.
CREATE TABLE t (a int NOT NULL, b text, c numeric(8,2));
INSERT INTO t VALUES (1, 'one', 1.5), (2, 'two', 2.5), (3, 'three', 3.5);
CREATE VIEW v AS SELECT a, b FROM t WHERE a > 1;
SELECT * FROM v ORDER BY a;
CREATE VIEW named (x, y) AS SELECT a, upper(b), c FROM t;
SELECT x, y, c FROM named ORDER BY x;
CREATE VIEW over AS SELECT v.a, n.y, count(*) FROM v JOIN named n ON n.x = v.a GROUP BY 1, 2;
SELECT * FROM over ORDER BY 1;
SELECT attname, atttypid::regtype, atttypmod FROM pg_attribute WHERE attrelid = 'named'::regclass AND attnum > 0 ORDER BY attnum;
-- Replacement.
CREATE OR REPLACE VIEW v AS SELECT a, b, c FROM t WHERE a < 3;
SELECT * FROM v ORDER BY a;
CREATE OR REPLACE VIEW v AS SELECT a FROM t;
CREATE OR REPLACE VIEW v AS SELECT a, b AS bb, c FROM t;
CREATE OR REPLACE VIEW v AS SELECT a::text, b, c FROM t;
CREATE OR REPLACE VIEW t AS SELECT 1;
CREATE VIEW v AS SELECT 1;
CREATE VIEW bad (x, y) AS SELECT 1;
CREATE VIEW bad AS SELECT;
CREATE VIEW bad AS SELECT nosuch FROM t;
CREATE VIEW bad AS SELECT 1 AS a, 2 AS a;
CREATE VIEW bad WITH (nosuch) AS SELECT 1;
CREATE VIEW bad WITH (security_barrier=maybe) AS SELECT 1;
CREATE VIEW bad WITH (check_option=maybe) AS SELECT a FROM t;
CREATE VIEW agg AS SELECT count(*) FROM t WITH CHECK OPTION;
-- Changing what is under a view.
INSERT INTO v VALUES (0, 'zero', 0);
UPDATE v SET b = 'eins' WHERE a = 1;
DELETE FROM v WHERE a = 2;
SELECT * FROM t ORDER BY a;
INSERT INTO over VALUES (1);
CREATE RECURSIVE VIEW nums (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM nums WHERE n < 5;
SELECT * FROM nums ORDER BY n;
-- Dependencies.
DROP TABLE t;
DROP VIEW named;
DROP VIEW nosuch;
DROP VIEW IF EXISTS nosuch;
DROP VIEW t;
DROP TABLE v;
DROP VIEW v CASCADE;
DROP TABLE t CASCADE;
SELECT * FROM named;
