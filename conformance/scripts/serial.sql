-- Serial columns.
CREATE TABLE t (id serial PRIMARY KEY, b bigserial, s smallserial, x text);
INSERT INTO t (x) VALUES ('one'), ('two') RETURNING *;
INSERT INTO t VALUES (DEFAULT, DEFAULT, 9, 'three') RETURNING *;
INSERT INTO t (id, x) VALUES (NULL, 'four');
SELECT nextval('t_id_seq'), currval('t_b_seq'), pg_get_serial_sequence('t', 'id');
\d t
\d t_id_seq
CREATE TABLE t_x (id serial NULL);
CREATE TABLE t_x (id serial DEFAULT 3);
CREATE TABLE t_x (id serial[]);
CREATE SEQUENCE u_id_seq;
CREATE TABLE u (id serial);
\d u
DROP SEQUENCE t_id_seq;
COPY t (x) FROM stdin;
five
six
\.
SELECT * FROM t ORDER BY id;
ALTER TABLE t DROP COLUMN id;
SELECT nextval('t_id_seq');
DROP TABLE t;
SELECT nextval('t_b_seq');
CREATE SCHEMA other;
CREATE TABLE other.v (id serial, x int);
INSERT INTO other.v (x) VALUES (1), (2);
SELECT * FROM other.v;
BEGIN;
INSERT INTO other.v (x) VALUES (3);
ROLLBACK;
INSERT INTO other.v (x) VALUES (4) RETURNING id;
