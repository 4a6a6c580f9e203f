-- GiST indexes over points, boxes, polygons and circles: what they find is what a look at every row finds.
CREATE TABLE g (id int, p point, b box, y polygon, c circle);
INSERT INTO g
SELECT i, point(i % 61, i / 61), box(point(i % 61, i / 61), point(i % 61 + i % 4, i / 61 + i % 3)),
       polygon(box(point(i % 53, i / 53), point(i % 53 + 1 + i % 2, i / 53 + 1))), circle(point(i % 47, i / 47), i % 5)
FROM generate_series(0, 2999) i;
INSERT INTO g (id) VALUES (5000), (5001);
INSERT INTO g (id, p) VALUES (6003, '(0.0000005,0)');
CREATE INDEX g_p ON g USING gist (p);
CREATE INDEX g_b ON g USING gist (b box_ops) WITH (fillfactor = 50);
CREATE INDEX g_y ON g USING gist (y) WITH (buffering = on, fillfactor = 70);
CREATE INDEX g_c ON g USING gist (c circle_ops) WITH (buffering = off);
CREATE INDEX g_some ON g USING gist (p) WHERE id < 100;
ANALYZE g;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id, p FROM g WHERE p <@ box '((3,3),(5,5))' AND b IS NOT NULL;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id, c FROM g WHERE c && circle '((10,10),2)';
SELECT id FROM g WHERE p <@ box '((3,3),(5,4))' ORDER BY id;
SELECT id FROM g WHERE box '((3,3),(5,4))' @> p ORDER BY id;
SELECT id FROM g WHERE p <@ circle '((20,20),2)' ORDER BY id;
SELECT id FROM g WHERE p ~= point '(7,7)' ORDER BY id;
SELECT id FROM g WHERE p ~= point '(0,0)' ORDER BY id;
SELECT count(*) FROM g WHERE p << point '(5,5)';
SELECT count(*) FROM g WHERE p >> point '(55,5)';
SELECT count(*) FROM g WHERE p <<| point '(5,5)';
SELECT count(*) FROM g WHERE p |>> point '(5,45)';
SELECT count(*) FROM g WHERE p <^ point '(5,5)';
SELECT count(*) FROM g WHERE p >^ point '(5,45)';
SELECT id FROM g WHERE p IS NULL ORDER BY id;
SELECT count(*) FROM g WHERE p IS NOT NULL;
SELECT id FROM g WHERE p <@ NULL::box;
EXPLAIN (COSTS OFF) SELECT id FROM g WHERE b && box '((30,30),(32,31))' AND id % 2 = 0;
SELECT id FROM g WHERE b && box '((30,30),(32,31))' ORDER BY id;
SELECT count(*) FROM g WHERE b << box '((9,9),(10,10))';
SELECT count(*) FROM g WHERE b &< box '((9,9),(10,10))';
SELECT count(*) FROM g WHERE b &> box '((50,9),(51,10))';
SELECT count(*) FROM g WHERE b >> box '((50,9),(51,10))';
SELECT count(*) FROM g WHERE b ~= box '((9,9),(9,9))';
SELECT count(*) FROM g WHERE b @> box '((9,9),(10,10))';
SELECT count(*) FROM g WHERE b <@ box '((9,9),(19,19))';
SELECT count(*) FROM g WHERE b &<| box '((9,9),(10,10))';
SELECT count(*) FROM g WHERE b <<| box '((9,9),(10,10))';
SELECT count(*) FROM g WHERE b |>> box '((9,39),(10,40))';
SELECT count(*) FROM g WHERE b |&> box '((9,39),(10,40))';
SELECT count(*) FROM g WHERE y << polygon '((9,9),(10,10),(9,11))';
SELECT count(*) FROM g WHERE y &< polygon '((9,9),(10,10),(9,11))';
SELECT count(*) FROM g WHERE y &> polygon '((39,9),(40,10),(39,11))';
SELECT count(*) FROM g WHERE y >> polygon '((39,9),(40,10),(39,11))';
SELECT count(*) FROM g WHERE y ~= polygon(box '((9,9),(10,10))');
SELECT count(*) FROM g WHERE y &<| polygon '((9,9),(10,10),(9,11))';
SELECT count(*) FROM g WHERE y <<| polygon '((9,9),(10,10),(9,11))';
SELECT count(*) FROM g WHERE y |>> polygon '((9,39),(10,40),(9,41))';
SELECT count(*) FROM g WHERE y |&> polygon '((9,39),(10,40),(9,41))';
SELECT count(*) FROM g WHERE c << circle '((9,9),1)';
SELECT count(*) FROM g WHERE c &< circle '((9,9),1)';
SELECT count(*) FROM g WHERE c && circle '((9,9),1)';
SELECT count(*) FROM g WHERE c &> circle '((40,9),1)';
SELECT count(*) FROM g WHERE c >> circle '((40,9),1)';
SELECT count(*) FROM g WHERE c ~= circle '((9,9),2)';
SELECT count(*) FROM g WHERE c @> circle '((9,9),1)';
SELECT count(*) FROM g WHERE c <@ circle '((9,9),6)';
SELECT count(*) FROM g WHERE c &<| circle '((9,9),1)';
SELECT count(*) FROM g WHERE c <<| circle '((9,9),1)';
SELECT count(*) FROM g WHERE c |>> circle '((9,49),1)';
SELECT count(*) FROM g WHERE c |&> circle '((9,49),1)';
SELECT id FROM g WHERE id < 100 AND p <@ box '((0,0),(1,1))' ORDER BY id;
RESET enable_bitmapscan;
SET enable_indexscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM g WHERE b && box '((30,30),(32,31))';
SELECT id FROM g WHERE b && box '((30,30),(32,31))' ORDER BY id;
EXPLAIN (COSTS OFF) SELECT count(*) FROM g WHERE y ~= polygon(box '((9,9),(10,10))') OR c @> circle '((9,9),1)';
SELECT count(*) FROM g WHERE y ~= polygon(box '((9,9),(10,10))') OR c @> circle '((9,9),1)';
RESET enable_indexscan;
-- Rows of one table look up those of another.
SET enable_bitmapscan = off;
SET enable_hashagg = off;
EXPLAIN (COSTS OFF) SELECT q.n, sum(g.id) FROM (VALUES (1, box '((0,0),(2,2))'), (2, box '((10,10),(13,11))')) q(n, area)
JOIN g ON g.b <@ q.area GROUP BY q.n;
SELECT q.n, sum(g.id) FROM (VALUES (1, box '((0,0),(2,2))'), (2, box '((10,10),(13,11))')) q(n, area)
JOIN g ON g.b <@ q.area GROUP BY q.n ORDER BY 1;
-- Rows that change, go and come back.
UPDATE g SET p = point(1000, id) WHERE id % 50 = 0;
SELECT count(*) FROM g WHERE p <@ box '((999,0),(1001,3000))';
DELETE FROM g WHERE id % 3 = 0;
VACUUM g;
SELECT count(*) FROM g WHERE p <@ box '((999,0),(1001,3000))';
SELECT count(*) FROM g WHERE c @> circle '((9,9),1)';
INSERT INTO g SELECT i, point(i, i), box(point(i, i), point(i, i)) FROM generate_series(10000, 11000) i;
SELECT count(*) FROM g WHERE b && box '((10100,10100),(10200,10200))';
BEGIN;
INSERT INTO g (id, p) VALUES (1, point(-7, -7));
SELECT id FROM g WHERE p ~= point '(-7,-7)';
ROLLBACK;
SELECT id FROM g WHERE p ~= point '(-7,-7)';
REINDEX TABLE g;
SELECT count(*) FROM g WHERE p <@ box '((999,0),(1001,3000))';
TRUNCATE g;
INSERT INTO g (id, p) VALUES (1, point(1, 1));
SELECT id FROM g WHERE p <@ box '((0,0),(2,2))';
-- Several columns and expressions.
CREATE TABLE m (p point, c circle, n int);
INSERT INTO m SELECT point(i % 40, i / 40), CASE WHEN i % 10 > 0 THEN circle(point(i % 30, i / 30), 1) END, i FROM generate_series(1, 1500) i;
CREATE INDEX m_pc ON m USING gist (p, c);
CREATE INDEX m_expr ON m USING gist (circle(p, 1)) WHERE n > 10;
EXPLAIN (COSTS OFF) SELECT n FROM m WHERE p <@ box '((5,5),(9,9))' AND c IS NULL;
SELECT n FROM m WHERE p <@ box '((5,5),(9,9))' AND c IS NULL ORDER BY n;
SELECT count(*) FROM m WHERE c && circle '((10,10),3)';
SELECT count(*) FROM m WHERE c IS NULL;
SELECT count(*) FROM m WHERE circle(p, 1) @> circle(point(4, 4), 0.95) AND n > 10;
RESET enable_bitmapscan;
RESET enable_seqscan;
-- What there is to see, and what there is not.
\d g
\d g_p
\d m_pc
SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('g', 'm') ORDER BY indexname;
CREATE UNIQUE INDEX ON g USING gist (p);
CREATE INDEX ON g USING gist (p DESC);
CREATE INDEX ON g USING gist (p NULLS LAST);
CREATE INDEX ON g USING gist (id);
CREATE INDEX ON g USING gist (p box_ops);
CREATE INDEX ON g USING gist (p) WITH (buffering = invalid_value);
CREATE INDEX ON g USING gist (p) WITH (fillfactor = 9);
SELECT i, p.name, pg_index_has_property(i, p.name)
FROM unnest(ARRAY['g_p']::regclass[]) i, unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) p(name)
ORDER BY 1, 2;
SELECT i, c, p.name, pg_index_column_has_property(i, c, p.name)
FROM unnest(ARRAY['g_p', 'g_b', 'g_c', 'm_pc']::regclass[]) i, generate_series(1, 2) c,
     unnest(ARRAY['asc', 'orderable', 'distance_orderable', 'returnable', 'search_array', 'search_nulls']) p(name)
ORDER BY 1, 2, 3;
DROP TABLE g, m;
