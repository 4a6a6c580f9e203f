-- Hash indexes: what can be made, what they find, what plans show.
CREATE TABLE h (id int4, small int2, big int8, t text, v varchar(20), n name, b bpchar(8), f float8, num numeric,
                u uuid, m macaddr, d date, ok bool, arr int4[], j jsonb, ip inet);
INSERT INTO h
SELECT i, (i % 100)::int2, i::int8 * 1000000007, 't' || i, 'v' || i % 50, ('n' || i)::name, 'b' || i % 7,
       i / 4.0, i / 3.0, ('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid,
       ('08:00:2b:01:' || lpad(to_hex(i / 256), 2, '0') || ':' || lpad(to_hex(i % 256), 2, '0'))::macaddr,
       date '2000-01-01' + i, i % 2 = 0, ARRAY[i, i % 3], jsonb_build_object('k', i % 10),
       ('10.0.' || i / 256 || '.' || i % 256)::inet
FROM generate_series(1, 2000) i;
CREATE INDEX h_id ON h USING hash (id);
CREATE INDEX h_small ON h USING hash (small int2_ops) WITH (fillfactor = 60);
CREATE INDEX h_big ON h USING hash (big);
CREATE INDEX h_t ON h USING hash (t);
CREATE INDEX h_v ON h USING hash (v);
CREATE INDEX h_n ON h USING hash (n name_ops);
CREATE INDEX h_b ON h USING hash (b);
CREATE INDEX h_f ON h USING hash (f float8_ops);
CREATE INDEX h_num ON h USING hash (num);
CREATE INDEX h_u ON h USING hash (u);
CREATE INDEX h_m ON h USING hash (m macaddr_ops);
CREATE INDEX h_d ON h USING hash (d);
CREATE INDEX h_ok ON h USING hash (ok) WHERE id > 1990;
CREATE INDEX h_arr ON h USING hash (arr);
CREATE INDEX h_j ON h USING hash (j);
CREATE INDEX h_ip ON h USING hash (ip);
CREATE INDEX h_lower ON h USING hash (lower(t));
ANALYZE h;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM h WHERE id = 77;
SELECT id, t FROM h WHERE id = 77;
SELECT id, t FROM h WHERE id = 77::int8;
SELECT id, t FROM h WHERE id = 77::int2;
SELECT id, t FROM h WHERE id = 7700000000;
SELECT count(*) FROM h WHERE small = 5;
SELECT count(*) FROM h WHERE small = 5::int8;
SELECT id FROM h WHERE big = 1000000007;
SELECT id FROM h WHERE big = 42;
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE t = 't12';
SELECT id FROM h WHERE t = 't12';
SELECT id FROM h WHERE t = 't12'::name;
SELECT count(*) FROM h WHERE v = 'v12';
SELECT id FROM h WHERE n = 'n12';
SELECT id FROM h WHERE n = 'n12'::text;
SELECT count(*) FROM h WHERE b = 'b1';
SELECT id FROM h WHERE f = 2.5;
SELECT id FROM h WHERE f = 2.5::float4;
SELECT id FROM h WHERE num = 1;
SELECT id FROM h WHERE num = 1.000;
SELECT id FROM h WHERE u = '00000000-0000-0000-0000-000000000123';
SELECT id FROM h WHERE m = '08:00:2b:01:01:01';
SELECT id FROM h WHERE d = '2000-01-31';
SELECT count(*) FROM h WHERE ok AND id > 1990;
SELECT id FROM h WHERE arr = '{5,2}';
SELECT count(*) FROM h WHERE j = '{"k": 3}';
SELECT id FROM h WHERE ip = '10.0.1.1';
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE lower(t) = 't99';
SELECT id FROM h WHERE lower(t) = 't99';
-- Nothing but equality, and never an order.
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE t > 't12';
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE t IS NULL;
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE t = 't12' ORDER BY id;
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE id = 3 ORDER BY id;
RESET enable_bitmapscan;
SET enable_indexscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE small = 7;
SELECT count(*) FROM h WHERE small = 7;
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE id = ANY ('{3,1,4,1,5}');
SELECT id FROM h WHERE id IN (3, 1, 4, 1, 5, NULL) ORDER BY id;
EXPLAIN (COSTS OFF) SELECT id FROM h WHERE t = 't8' OR id = 9;
SELECT id FROM h WHERE t = 't8' OR id = 9 ORDER BY id;
SELECT count(*) FROM h WHERE small = 8 AND v = 'v8';
RESET enable_indexscan;
RESET enable_seqscan;
-- Joins look up rows by hash codes.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM generate_series(1, 3) g(x) JOIN h ON h.id = g.x;
SELECT count(*), sum(h.id) FROM generate_series(1, 3) g(x) JOIN h ON h.id = g.x;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
-- Rows that change, go and come back.
SET enable_seqscan = off;
UPDATE h SET t = 'changed' WHERE id % 100 = 0;
SELECT count(*) FROM h WHERE t = 'changed';
SELECT count(*) FROM h WHERE t = 't100';
DELETE FROM h WHERE id % 2 = 0;
VACUUM h;
SELECT count(*) FROM h WHERE t = 'changed';
SELECT count(*) FROM h WHERE small = 6;
INSERT INTO h (id, t) VALUES (77, NULL), (NULL, 'null id');
SELECT id, t FROM h WHERE id = 77 ORDER BY t;
BEGIN;
INSERT INTO h (id) VALUES (-5);
SELECT id FROM h WHERE id = -5;
ROLLBACK;
SELECT id FROM h WHERE id = -5;
REINDEX INDEX h_id;
SELECT id, t FROM h WHERE id = 77 ORDER BY t;
ALTER TABLE h ALTER COLUMN id TYPE int8;
SELECT id, t FROM h WHERE id = 77 ORDER BY t;
-- There and back in a cursor.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT v FROM h WHERE v = 'v11';
FETCH 3 FROM c;
MOVE FORWARD ALL FROM c;
FETCH BACKWARD 2 FROM c;
COMMIT;
RESET enable_seqscan;
-- What there is to see.
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'h' ORDER BY indexname;
\d h_id
\d h_small
SELECT c.relname, a.amname, o.opcname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
JOIN pg_opclass o ON o.oid = i.indclass[0] WHERE c.relname LIKE 'h\_%' ORDER BY 1;
CREATE TABLE l (LIKE h INCLUDING INDEXES);
SELECT indexdef FROM pg_indexes WHERE tablename = 'l' ORDER BY 1 LIMIT 3;
DROP TABLE l;
-- What they cannot do.
CREATE UNIQUE INDEX ON h USING hash (id);
CREATE INDEX ON h USING hash (id, t);
CREATE INDEX ON h USING hash (id) INCLUDE (t);
CREATE INDEX ON h USING hash (id DESC);
CREATE INDEX ON h USING hash (id ASC);
CREATE INDEX ON h USING hash (id NULLS FIRST);
CREATE INDEX ON h USING hash (id text_ops);
CREATE INDEX ON h USING hash (id no_ops);
CREATE INDEX ON h USING hash (id) WITH (fillfactor = 9);
CREATE INDEX ON h USING hash (id) WITH (deduplicate_items = off);
CREATE INDEX ON h USING nothing (id);
CREATE TABLE p (x point, b bit(3));
CREATE INDEX ON p USING hash (x);
CREATE INDEX ON p USING hash (b);
ALTER TABLE h ADD UNIQUE USING INDEX h_id;
ALTER INDEX h_id SET (fillfactor = 101);
ALTER INDEX h_id SET (fillfactor = 70);
\d+ h_id
INSERT INTO h (id) VALUES (1) ON CONFLICT (id) DO NOTHING;
-- Access methods and their properties.
CREATE INDEX h_btree ON h (id DESC, t) INCLUDE (v);
SELECT a.amname, p.name, pg_indexam_has_property(a.oid, p.name)
FROM pg_am a, unnest(ARRAY['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include', 'asc', 'bogus']) p(name)
ORDER BY 1, 2;
SELECT i, p.name, pg_index_has_property(i, p.name)
FROM unnest(ARRAY['h_id', 'h_btree', 'h']::regclass[]) i, unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan', 'can_order', 'asc']) p(name)
ORDER BY 1, 2;
SELECT i, c, p.name, pg_index_column_has_property(i, c, p.name)
FROM unnest(ARRAY['h_id', 'h_btree']::regclass[]) i, generate_series(0, 4) c,
     unnest(ARRAY['asc', 'desc', 'nulls_first', 'nulls_last', 'orderable', 'distance_orderable', 'returnable',
                  'search_array', 'search_nulls', 'clusterable']) p(name)
ORDER BY 1, 2, 3;
DROP TABLE h, p;
