-- bit strings, money, hardware and network addresses in tables, indexes and sorts
CREATE TABLE addresses (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8, b bit(8), v bit varying(12), cash money);
INSERT INTO addresses VALUES
  (1, '192.168.1.226/24', '192.168.1', '08:00:2b:01:02:03', '08:00:2b:01:02:03', B'10101010', B'101', '$1,234.56'),
  (2, '10.1.2.3', '10/8', '0800.2b01.0204', '08002b:fffe010204', X'0F', B'', '-5'),
  (3, '10:23::f1/64', '10:23::/64', '08002b-010205', '08-00-2b-ff-fe-01-02-05', B'00000000', B'111111111111', '(0.995)'),
  (4, '::ffff:1.2.3.4', '::/0', NULL, NULL, B'11111111', B'1110', '92233720368547758.07'),
  (5, '10.0.0.0/8', '10.1.0.0/16', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff:ff:ff', B'01010101', B'0', '0');
SELECT id, i, c, m, m8, b, v, cash FROM addresses ORDER BY i;
CREATE INDEX addresses_i ON addresses (i);
CREATE INDEX addresses_m ON addresses (m DESC);
CREATE INDEX addresses_v ON addresses (v, cash);
ANALYZE addresses;
SET enable_seqscan = off;
SELECT id FROM addresses WHERE i > '10.1.2.3' ORDER BY i DESC;
SELECT id FROM addresses WHERE m > '08:00:2b:01:02:03' ORDER BY m;
SELECT id FROM addresses WHERE v = B'101';
RESET enable_seqscan;
SELECT id, i << '10/8', i <<= '10/8', i >>= '10.0.0.0/9', i && c FROM addresses ORDER BY id;
SELECT host(i), text(i), abbrev(c), family(i), masklen(i), broadcast(i), network(i), netmask(i), hostmask(i) FROM addresses ORDER BY id;
SELECT i + 1, i - 1, ~i, i & '255.255.0.0' FROM addresses WHERE family(i) = 4 ORDER BY id;
SELECT inet '10.0.0.5' - inet '10.0.0.1', inet_merge('192.168.1.5/24', '192.168.2.5/24'), set_masklen('1.2.3.4'::cidr, 16);
SELECT trunc(m), ~m, m & 'ff:00:ff:00:ff:00', m::macaddr8, macaddr8_set7bit(m8) FROM addresses ORDER BY id;
SELECT b & B'11110000', b | B'00001111', b # B'11111111', ~b, b << 2, b >> 3, v || b, substring(b FROM 2 FOR 3), position(B'01' IN b) FROM addresses ORDER BY id;
SELECT get_bit(b, 0), set_bit(b, 7, 1), length(v), octet_length(v), bit_count(v), overlay(b PLACING B'000' FROM 2), b::int, 44::bit(10), (-44)::bit(12)::int FROM addresses ORDER BY id;
SELECT cash + '1', cash - '0.01', cash * 2, cash / 3, cash * 0.5::float8, cash_words(cash), cash::numeric FROM addresses WHERE id <> 4 ORDER BY id;
SELECT max(i), min(i), max(cash), min(cash), sum(cash), bit_and(b), bit_or(b), bit_xor(b) FROM addresses WHERE id <> 4;
SELECT count(DISTINCT m), count(DISTINCT i), count(DISTINCT cash) FROM addresses;
UPDATE addresses SET v = v || B'1', cash = cash + '0.10' WHERE id = 5 RETURNING v, cash;
-- what PostgreSQL refuses
INSERT INTO addresses (id, b) VALUES (6, B'101');
INSERT INTO addresses (id, v) VALUES (6, B'1010101010101');
SELECT '1234::1234::1234'::inet;
SELECT '192.168.1.2/24'::cidr;
SELECT '08:00:2b:01:02:ZZ'::macaddr;
SELECT '0800:2b01:0203'::macaddr8;
SELECT 'b012'::bit(3);
SELECT '92233720368547758.08'::money;
SELECT '$1'::money / 0;
SELECT inet '255.255.255.255' + 1;
SELECT B'101' & B'11';
SELECT get_bit(B'101', 3);
DROP TABLE addresses;
