SELECT sum(id / (small - 7)) FROM facts;
SELECT sum(id + 2147483000) FROM facts;
SELECT sum(big * 9223372036854775) FROM facts;
SELECT count(*) FROM facts WHERE 1.0 / (price - price) > 0;
SELECT kind, sum(1e308 * ratio) FROM facts GROUP BY kind;
SELECT sum(small * small) FROM facts;
SELECT sum(kind::int) FROM facts WHERE id = 1;
SELECT count(*) FROM facts f JOIN dims d ON f.grp = d.grp AND f.id / (d.grp - 5) > 1;
SELECT id FROM facts ORDER BY id LIMIT -1;
