-- Changing rows of a table without indexes.
CREATE TABLE item (id int NOT NULL, name text, qty int, price numeric(10,2));
INSERT INTO item (id, name, qty) VALUES (1,'bolt',10),(2,'nut',20),(3,'screw',30),(4,NULL,40) RETURNING *;
INSERT INTO item SELECT g, 'n' || g, g * 10, g / 4.0 FROM generate_series(5, 8) g RETURNING id, price AS cost, id + qty;
UPDATE item SET qty = qty + 1 WHERE id IN (1, 3) RETURNING id, qty;
UPDATE item SET (name, qty) = (upper(name), -qty) WHERE id = 2 RETURNING *;
UPDATE item SET (name, qty) = (SELECT 'sub' || max(id), count(*) FROM item) WHERE id = 4 RETURNING *;
UPDATE item SET qty = DEFAULT, price = DEFAULT WHERE id = 8 RETURNING *;
UPDATE item AS i SET qty = i.id WHERE i.id > 7 RETURNING i.*, i.qty * 2 AS twice;
UPDATE item SET qty = v.q FROM (VALUES (5, 500), (6, 600)) v(k, q) WHERE item.id = v.k RETURNING item.*, v.*;
UPDATE item a SET qty = b.qty FROM item b WHERE a.id = b.id + 1 AND b.id = 5 RETURNING a.id, b.id, a.qty;
-- Several matches: one of them is taken, once.
WITH u AS (UPDATE item SET qty = v.q FROM (VALUES (7, 1), (7, 1)) v(k, q) WHERE id = v.k RETURNING item.id) SELECT count(*) FROM u;
DELETE FROM item WHERE id = 8 RETURNING *;
DELETE FROM item USING (VALUES (7), (6)) d(k) WHERE d.k = item.id RETURNING item.id, d.k;
DELETE FROM item a USING item b WHERE a.id = b.id + 1 AND b.id = 4 RETURNING a.id AS gone, b.id AS kept;
SELECT * FROM item ORDER BY id;
-- What a statement has written it does not see.
INSERT INTO item SELECT id + 100, name, qty, price FROM item;
UPDATE item SET id = id + 1;
SELECT id, qty FROM item ORDER BY id;
-- Subqueries.
UPDATE item SET qty = (SELECT max(i.qty) FROM item i WHERE i.id < item.id) WHERE id > 100;
DELETE FROM item WHERE id > 100 AND NOT EXISTS (SELECT FROM item i WHERE i.id = item.id - 100);
DELETE FROM item WHERE qty = ANY (SELECT qty FROM item WHERE id = 2) AND id > 2 RETURNING id;
SELECT id, qty FROM item ORDER BY id;
-- System columns.
SELECT ctid, tableoid::regclass FROM item WHERE id = 2;
SELECT count(*) FROM item WHERE ctid = (SELECT ctid FROM item WHERE id = 2);
UPDATE item SET qty = 77 WHERE ctid = (SELECT ctid FROM item WHERE id = 2) RETURNING id, qty, tableoid::regclass;
-- Whole rows.
UPDATE item SET qty = 78 WHERE id = 2 RETURNING item;
DELETE FROM item WHERE id = 3 RETURNING item.*, item;
-- Errors.
UPDATE item SET id = NULL WHERE id = 2;
UPDATE item SET price = 123456789.5 WHERE id = 2;
UPDATE item SET qty = 'x' WHERE id = 2;
UPDATE item SET qty = 1, qty = 2;
UPDATE item SET (qty, name) = (1) ;
UPDATE item SET qty = sum(qty);
UPDATE item SET item.qty = 1;
UPDATE nothere SET a = 1;
DELETE FROM item WHERE nope;
DELETE FROM item RETURNING nope;
INSERT INTO item (id, id) VALUES (1, 2);
INSERT INTO item (id) VALUES (1, 2);
INSERT INTO item (id, qty) VALUES (1);
INSERT INTO item (id) VALUES (NULL);
-- Row locks.
SELECT id FROM item WHERE id = 2 FOR UPDATE;
SELECT id FROM item WHERE id = 2 FOR NO KEY UPDATE;
SELECT id FROM item WHERE id = 2 FOR SHARE NOWAIT;
SELECT id FROM item WHERE id = 2 FOR KEY SHARE SKIP LOCKED;
SELECT a.id, b.id FROM item a LEFT JOIN item b ON a.id = b.id + 1000 WHERE a.id = 2 FOR UPDATE OF a;
SELECT a.id, b.id FROM item a LEFT JOIN item b ON a.id = b.id + 1000 WHERE a.id = 2 FOR UPDATE;
SELECT count(*) FROM item FOR UPDATE;
SELECT DISTINCT id FROM item FOR UPDATE;
SELECT id FROM item GROUP BY id FOR UPDATE;
SELECT id FROM item UNION SELECT 1 FOR UPDATE;
SELECT 1 FOR UPDATE OF nope;
SELECT id FROM item ORDER BY id LIMIT 1 FOR UPDATE;
SELECT * FROM (SELECT id FROM item FOR UPDATE) s WHERE id = 2;
-- Data-modifying WITH.
WITH gone AS (DELETE FROM item WHERE id = 2 RETURNING *), back AS (INSERT INTO item SELECT id + 50, name, qty, price FROM gone RETURNING id)
SELECT gone.id, back.id FROM gone, back;
WITH x AS (UPDATE item SET qty = 0) SELECT count(*) FROM item WHERE qty = 0;
SELECT count(*) FROM item WHERE qty = 0;
WITH ins AS (INSERT INTO item VALUES (900, 'n') RETURNING id), del AS (DELETE FROM item WHERE id = 900 RETURNING id) SELECT (SELECT count(*) FROM ins), (SELECT count(*) FROM del);
TABLE item ORDER BY id;
BEGIN; DELETE FROM item; INSERT INTO item VALUES (1); SELECT count(*) FROM item; ROLLBACK; SELECT count(*) FROM item;
