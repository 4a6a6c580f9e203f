-- geometric types: text forms, stored values, comparisons
SET extra_float_digits = 0;
CREATE TABLE shapes (id int, p point, s lseg, l line, b box, pa path, po polygon, c circle);
INSERT INTO shapes VALUES
  (1, '(1,2)', '[(0,0),(3,4)]', '{1,-1,0}', '(1,1),(0,0)', '[(0,0),(3,4),(3,0)]', '((0,0),(4,0),(4,3))', '<(0,0),5>'),
  (2, '-0.5, 1e10', '1,2,3,4', '(0,0),(0,1)', '(0,3),(2,1)', '((0,0),(3,0),(3,4))', '(1,2),(3,4)', '((1,1),2)'),
  (3, NULL, NULL, '[(1,5),(2,5)]', '(Infinity,1),(0,NaN)', '(1,2)', '((7,8))', '3,4,0');
SELECT * FROM shapes ORDER BY id;
SELECT p + '(1,1)', p - '(1,1)', p * '(0,1)', p / '(2,0)', p <-> '(0,0)', p << '(5,5)', p >> '(0,0)', p |>> '(0,0)', p ~= '(1,2)', p <@ b FROM shapes WHERE id < 3 ORDER BY id;
SELECT length(s), @@ s, point(s), ?- s, ?| s, s = '[(0,0),(3,4)]', s < '[(0,0),(9,9)]' FROM shapes ORDER BY id;
SELECT l = '{2,-2,0}', ?| l, ?- l FROM shapes ORDER BY id;
SELECT area(b), width(b), height(b), center(b), diagonal(b), b && '(2,2),(1,1)', b @> point '(1,1)', b + '(1,1)', b # '(1.5,1.5),(0,0)', polygon(b), circle(b) FROM shapes WHERE id < 3 ORDER BY id;
SELECT isopen(pa), isclosed(pa), npoints(pa), length(pa), area(pa), pclose(pa), popen(pa), pa + '(1,1)' FROM shapes ORDER BY id;
SELECT npoints(po), box(po), path(po), center(po), po ~= '((4,0),(4,3),(0,0))', po << '((9,9),(10,10))' FROM shapes ORDER BY id;
SELECT center(c), radius(c), diameter(c), area(c), c <-> '<(20,0),1>', c @> point '(3,4)', c = '<(9,9),5>', c < '<(0,0),3>', box(c) FROM shapes ORDER BY id;
SELECT '(1,2'::point;
SELECT '{0,0,1}'::line;
SELECT '[(1,2),(1,2)]'::line;
SELECT '<(1,2),-1>'::circle;
SELECT '(1,2,3)'::polygon;
SELECT * FROM shapes ORDER BY p;
DROP TABLE shapes;
