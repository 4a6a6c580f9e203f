-- Subqueries as arguments of calls that have nodes of their own.
SELECT unnest(array(SELECT 7));
SELECT unnest(array(SELECT g FROM generate_series(1, 3) g)) AS x, generate_series(1, (SELECT 2));
SELECT sum((SELECT 3)) FROM generate_series(1, 4);
SELECT max((SELECT g + 1)) FROM generate_series(1, 4) g;
SELECT sum((3 = ANY (SELECT generate_series(1, 4)))::int);
SELECT g % 2 AS k, count(*) FILTER (WHERE g > (SELECT 2)) FROM generate_series(1, 5) g GROUP BY 1 ORDER BY 1;
SELECT g, lead(g, (SELECT 1)) OVER (ORDER BY g) FROM generate_series(1, 3) g ORDER BY g;
SELECT (SELECT max(x) FROM (VALUES (1), (5)) v(x)) AS m, count(*) FROM generate_series(1, 2);
