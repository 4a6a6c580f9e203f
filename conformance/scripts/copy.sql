-- COPY in text, CSV and binary; options; errors with their context.
CREATE TABLE t (a int, b text, c numeric(6,2), d date);
COPY t FROM stdin;
1	one	1.5	2020-01-01
2	two\twith\ttabs\\and\nlines	\N	\N
3	\x41\102ä	-3.25	1999-12-31
\.
COPY t (b, a) FROM stdin WITH (DELIMITER '|', NULL 'nil');
four|4
a\|b|5
\.
COPY t (a) FROM stdin;
6
\.
SELECT * FROM t ORDER BY a;
COPY t TO stdout;
COPY t (b, a) TO stdout WITH (DELIMITER ',', NULL 'nil');
COPY t TO stdout WITH (FORMAT csv, HEADER);
COPY t TO stdout WITH (FORMAT csv, FORCE_QUOTE *, NULL 'NULL');
COPY t TO stdout WITH (FORMAT csv, FORCE_QUOTE (b), QUOTE '''', ESCAPE '\', DELIMITER ';');
COPY t TO stdout WITH (HEADER);
COPY (SELECT a, b FROM t WHERE a < 3 ORDER BY a DESC) TO stdout;
COPY (INSERT INTO t VALUES (7, 'seven') RETURNING a, b) TO stdout CSV;
COPY (UPDATE t SET b = 'SEVEN' WHERE a = 7 RETURNING *) TO stdout CSV;
COPY (DELETE FROM t WHERE a = 7 RETURNING a) TO stdout;
COPY (VALUES (1, NULL::text), (2, 'x')) TO stdout;

-- CSV
CREATE TABLE c (a text, b text, n int);
COPY c FROM stdin WITH (FORMAT csv, HEADER true);
x,y,z
"one, two","say ""hi""",1
,"",2
"multi
line",last,
\.
SELECT a, b, a IS NULL AS an, b IS NULL AS bn, n FROM c ORDER BY n;
DELETE FROM c;
COPY c FROM stdin WITH (FORMAT csv, FORCE_NOT_NULL (a), FORCE_NULL (b));
,"",3
\.
SELECT a, b, a IS NULL AS an, b IS NULL AS bn, n FROM c ORDER BY n;
COPY c FROM stdin WITH (FORMAT csv, HEADER match);
a,b,n
q,w,4
\.
COPY c FROM stdin WITH (FORMAT csv, HEADER match);
a,wrong,n
q,w,5
\.
COPY c FROM stdin WITH (FORMAT csv, HEADER match);
a,b
q,w,5
\.
COPY c FROM stdin CSV;
"unterminated
\.
SELECT count(*) FROM c;

-- Errors, and where they happened
COPY t FROM stdin;
10	ok	1	2020-01-01
11	bad	x	2020-01-01
\.
COPY t FROM stdin;
10	ok	1	2020-01-01
11
\.
COPY t FROM stdin;
10	ok	1	2020-01-01	more
\.
COPY t FROM stdin;
10	ok	1	2020-01-01
10	again	1	2020-01-01
\.
COPY t FROM stdin;
10	ok	1	2020-01-01
-1	negative	1	2020-01-01
\.
COPY t FROM stdin;
12	\N	1	2020-01-01
\.
COPY t (a, b) FROM stdin;
\N	x
\.
COPY t (a, b, c) FROM stdin;
13	too big	123456.78
\.
COPY t FROM stdin;
abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz	x	1	2020-01-01
\.
SELECT count(*) FROM t;

-- WHERE
COPY t (a, b) FROM stdin WHERE a % 2 = 0 AND b <> 'skip';
20	yes
21	no
22	skip
24	yes
\.
SELECT a, b FROM t WHERE a >= 20 ORDER BY a;
COPY t FROM stdin WHERE x > 1;
COPY t FROM stdin WHERE a;
COPY t FROM stdin WHERE a IN (SELECT 1);
COPY t FROM stdin WHERE sum(a) > 1;

-- Generated columns and identity
CREATE TABLE g (a int);
COPY g FROM stdin;
1
2
\.
SELECT * FROM g ORDER BY a;
COPY g TO stdout;
COPY g (b) FROM stdin;
COPY g (b) TO stdout;
COPY g FROM stdin WHERE b > 1;

-- Foreign keys
CREATE TABLE parent (id int);
CREATE TABLE child (id int);
COPY parent FROM stdin;
1
\.
COPY child FROM stdin;
1
\N
\.
COPY child FROM stdin;
2
\.
SELECT * FROM child ORDER BY id;

-- Options that do not fit
COPY t FROM stdin (FORMAT 'x');
COPY t FROM stdin (DELIMITER 'ab');
COPY t FROM stdin (FORMAT csv, FORMAT csv);
COPY t FROM stdin (bogus 1);
COPY t FROM stdin (HEADER 3);
COPY t FROM stdin (HEADER match, FORMAT binary);
COPY t TO stdout (HEADER match);
COPY t FROM stdin (FORCE_QUOTE (a));
COPY t FROM stdin (FORMAT csv, QUOTE 'xy');
COPY t FROM stdin (ESCAPE 'x');
COPY t TO stdout (FORMAT csv, FORCE_NULL (a));
COPY t FROM stdin (FORMAT binary, DELIMITER 'x');
COPY t FROM stdin (DELIMITER 'a');
COPY t FROM stdin (NULL E'\n');
COPY t FROM stdin (NULL 'a,', FORMAT csv);
COPY t FROM stdin (DELIMITER '"', FORMAT csv);
COPY t FROM stdin (ENCODING 'foo');
COPY t FROM stdin (FORMAT csv, FORCE_NULL a);
COPY t FROM stdin (FORMAT csv, FORCE_NULL (z));
COPY t (a) FROM stdin (FORMAT csv, FORCE_NULL (b));
COPY t (a, a) FROM stdin;
COPY t (z) FROM stdin;
COPY nope FROM stdin;
COPY nope.nope TO stdout;
COPY (INSERT INTO t VALUES (1)) TO stdout;
COPY t TO 'relative';
COPY t FROM '/nowhere/at/all';
COPY t FROM '/tmp';
COPY t TO '/nowhere/at/all';
COPY (SELECT 1 AS x) TO stdout (FORMAT csv, FORCE_QUOTE (y));

-- Inside a block, and several statements in one message
BEGIN;
COPY parent FROM stdin;
2
3
\.
SELECT count(*) FROM parent;
ROLLBACK;
SELECT count(*) FROM parent;
BEGIN READ ONLY;
COPY parent FROM stdin;
ROLLBACK;
SELECT 1 \; COPY parent TO stdout \; SELECT 2;
