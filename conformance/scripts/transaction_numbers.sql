-- Transactions' numbers, as bigint and as xid8.
SELECT txid_current() > 0, pg_typeof(txid_current()), pg_typeof(pg_current_xact_id());
BEGIN;
SELECT txid_current_if_assigned() IS NULL, pg_current_xact_id_if_assigned() IS NULL;
SELECT txid_current() = txid_current(), txid_current()::text = pg_current_xact_id()::text;
SELECT txid_current_if_assigned() = txid_current();
COMMIT;
