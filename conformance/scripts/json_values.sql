-- json and jsonb in tables, indexes, sorts and queries
CREATE TABLE docs (id int PRIMARY KEY, j json, b jsonb);
INSERT INTO docs VALUES
  (1, '{"b": 1, "a": [1, 2.50, null]}', '{"b": 1, "a": [1, 2.50, null]}'),
  (2, '[]', '[]'), (3, '"x"', '"x"'), (4, 'null', 'null'), (5, '{}', '{}'),
  (6, '{"a": 1, "a": 2}', '{"a": 1, "a": 2}'), (7, '[true, {"k": "\u00e4"}]', '[true, {"k": "\u00e4"}]'),
  (8, '12345678901234567890.1234567890', '12345678901234567890.1234567890'), (9, NULL, NULL);
INSERT INTO docs SELECT 100 + n, NULL, jsonb_build_object('n', n, 'list', jsonb_build_array(n, n + 1)) FROM generate_series(1, 500) n;
SELECT * FROM docs WHERE id < 100 ORDER BY b NULLS FIRST, id;
CREATE UNIQUE INDEX docs_b ON docs (b);
ANALYZE docs;
SELECT id FROM docs WHERE b = '{"n": 77, "list": [77, 78]}';
SELECT id FROM docs WHERE b < '[true]' ORDER BY b, id;
INSERT INTO docs VALUES (10, NULL, '{ "a" : 2 }');
SELECT count(*), count(DISTINCT b) FROM docs;
SELECT b -> 'list' -> 1 AS second, count(*) FROM docs WHERE id IN (101, 102, 103) GROUP BY 1 ORDER BY 1;
UPDATE docs SET b = jsonb_set(b, '{list,0}', '"first"') WHERE id = 101 RETURNING b;
UPDATE docs SET b = b - 'list' || '{"more": {"x": [1, 2]}}' WHERE id = 102 RETURNING b, b['more']['x'][-1], b #>> '{more,x,0}';
SELECT id, key, value FROM docs, jsonb_each(b) WHERE id IN (1, 6) ORDER BY id, key;
SELECT x.* FROM docs, json_to_record(j) AS x(a json, b int, c text) WHERE id = 1;
SELECT * FROM jsonb_to_recordset('[{"a": 1, "b": {"c": 2}}, {"b": "two", "a": null}]') AS x(a int, b text);
SELECT * FROM jsonb_to_recordset('[{"a": [1, 2]}, {"a": "{3,4}"}]') AS x(a int[]);
SELECT * FROM ROWS FROM (json_to_recordset('[{"a": [[1, 2], [3, 4]]}]') AS (a int[]), generate_series(1, 2)) AS x;
SELECT json_agg(d ORDER BY id) FROM (SELECT id, b FROM docs WHERE id IN (3, 4, 7)) d;
SELECT jsonb_object_agg(id, b) FROM docs WHERE id BETWEEN 2 AND 5;
SELECT row_to_json(docs) FROM docs WHERE id = 7;
SELECT array_to_json(ARRAY[[1, 2], [3, NULL]], true), to_json('infinity'::float8), to_jsonb(date '2020-02-29'), to_json(timestamptz '2020-02-29 12:00+00');
SELECT json_build_object('k', 1, 2, NULL, true, ARRAY['x']), jsonb_build_array('a', 1.50, NULL, row(1, 'z'));
SELECT jsonb_pretty(b) FROM docs WHERE id = 1;
SELECT b @> '{"a": [1]}', b ? 'b', b ?| '{x,b}', b ?& '{a,b}' FROM docs WHERE id = 1;
-- what PostgreSQL refuses
SELECT '{"a": 1,}'::json;
SELECT '[1, 2'::jsonb;
SELECT '"\u0000"'::jsonb;
SELECT jsonb_array_elements('{"a": 1}');
SELECT jsonb_set('[1]', '{x}', '2');
SELECT '1'::jsonb::bool;
SELECT ('{"a": 1}'::jsonb)['a':'b'];
SELECT * FROM json_to_record('[1]') AS x(a int);
SELECT json_populate_recordset(1, '[]');
SELECT DISTINCT j FROM docs;
SELECT * FROM docs ORDER BY j;
DROP TABLE docs;
