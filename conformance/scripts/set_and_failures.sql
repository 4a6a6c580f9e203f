-- A SET that has succeeded outlives the failure of what follows it.
SET statement_timeout = '1min';
SELECT 1 / 0;
SHOW statement_timeout;
SET work_mem = '5MB'\; SELECT 1 / 0;
SHOW work_mem;
BEGIN;
SET work_mem = '6MB';
SELECT 1 / 0;
ROLLBACK;
SHOW work_mem;
SET LOCAL work_mem = '7MB';
SHOW work_mem;
RESET ALL;
SELECT 1 / 0;
SHOW statement_timeout;
