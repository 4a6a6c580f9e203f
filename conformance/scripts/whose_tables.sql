-- VACUUM, ANALYZE and TRUNCATE of tables of others.
CREATE ROLE regress_tenant;
CREATE TABLE estate (a int);
INSERT INTO estate VALUES (1);
SET ROLE regress_tenant;
VACUUM estate;
ANALYZE estate;
VACUUM pg_class;
ANALYZE pg_authid;
TRUNCATE estate;
RESET ROLE;
GRANT TRUNCATE ON estate TO regress_tenant;
SET ROLE regress_tenant;
TRUNCATE estate;
TRUNCATE pg_class;
RESET ROLE;
SELECT count(*) FROM estate;
DROP TABLE estate;
DROP ROLE regress_tenant;
