-- A million facts and some thousand dimensions by arithmetic, so that every server makes the same ones,
-- and a table of what is special in each type.
CREATE TABLE facts (id int NOT NULL, grp int NOT NULL, kind text, small int2, big int8, price numeric(12,2),
    ratio float8, day date, at timestamp, good bool, note text);
INSERT INTO facts
SELECT i, (i::int8 * 7919 % 1000)::int, 'k' || i % 97, (i % 30011 - 15000)::int2, i::int8 * 1000003,
    (i::int8 * 37 % 100000)::numeric / 100, (i::int8 * 17 % 1000)::float8 / 8, date '2000-01-01' + i % 3000,
    timestamp '2001-02-03 04:05:06' + i % 86400 * interval '1 second', i % 3 = 0,
    CASE WHEN i % 10 = 0 THEN NULL ELSE 'n' || i % 50 END
FROM generate_series(1, 1000000) i;
CREATE TABLE dims (grp int PRIMARY KEY, region text, weight numeric, big int8, maybe int);
INSERT INTO dims
SELECT i, 'r' || i % 7, (i % 13)::numeric / 4, i::int8 * 3, CASE WHEN i % 5 = 0 THEN NULL ELSE i % 11 END
FROM generate_series(0, 1999) i;
CREATE TABLE empty (a int, b text, c numeric, d float8);
CREATE TABLE special (n int, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, num numeric, t text, c char(5), v varchar(9),
    b bytea, d date, ts timestamp, tz timestamptz, u uuid, bo bool, iv interval, ti time);
INSERT INTO special VALUES
(1, -32768, -2147483648, -9223372036854775808, '-infinity', '-infinity', '-infinity', '', '', '', '', '-infinity',
 '-infinity', '-infinity', '00000000-0000-0000-0000-000000000000', false, '-178000000 years', '00:00'),
(2, 32767, 2147483647, 9223372036854775807, 'infinity', 'infinity', 'infinity', 'z', 'z', 'z', '\xff', 'infinity',
 'infinity', 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', true, '178000000 years', '24:00'),
(3, 0, 0, 0, 'nan', 'nan', 'nan', 'a', 'a', 'a', '\x00', '2000-01-01', '2000-01-01', '2000-01-01 00:00+00',
 '80000000-0000-0000-0000-000000000000', true, '30 days', '12:00'),
(4, 0, 0, 0, '-0', '-0', '0', 'a ', 'a ', 'a ', '\x0000', '2000-01-01', '2000-01-01', '2000-01-01 01:00+01',
 '80000000-0000-0000-0000-000000000000', false, '1 month', '12:00'),
(5, 0, 0, 0, '0', '0', '0.000', 'A', 'A', 'A', '\x00', '1999-12-31', '1999-12-31 23:59:59.999999',
 '1999-12-31 23:59:59.999999+00', '7fffffff-ffff-ffff-ffff-ffffffffffff', NULL, '720 hours', '11:59:59.999999'),
(6, 1, 1, 1, '1e-45', '5e-324', '1e-400', 'ä', 'ä', 'ä', '\x01', '4713-01-01 BC', '0001-01-01', '0001-01-01 00:00+00',
 NULL, NULL, '-1 day +24 hours', NULL),
(7, -1, -1, -1, '-3.4028235e38', '-1.7976931348623157e308', '-1e400', E'\n', 'é', NULL, '\x', '5874897-12-31',
 '294276-12-31 23:59:59.999999', NULL, '00000000-0000-0000-0000-000000000001', true, '0', '00:00:00.000001'),
(8, 7, 7, 7, '1.5', '1.5', '1.50', 'aa', 'aa', 'aa', '\x61', '2020-02-29', '2020-02-29 12:00', '2020-02-29 12:00+00',
 '11111111-1111-1111-1111-111111111111', true, '1 year', '23:59:60'),
(9, 7, 7, 7, '1.5', '1.5', '1.5', 'aa', 'aa ', 'aa', '\x61', '2020-02-29', '2020-02-29 12:00', '2020-02-29 13:00+01',
 '11111111-1111-1111-1111-111111111111', true, '12 months', '24:00'),
(10, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(11, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
ANALYZE;
