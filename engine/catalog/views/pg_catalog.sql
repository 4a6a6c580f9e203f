-- The system views of schema pg_catalog. Their columns' names and types are facts (../facts); what they
-- compute is said here, over catalogs and functions. Each is read with pg_catalog as its search path.

CREATE VIEW pg_roles AS
SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit,
       CAST('********' AS text), rolvaliduntil, rolbypassrls, setconfig, a.oid
FROM pg_authid a LEFT JOIN pg_db_role_setting s ON s.setrole = a.oid AND s.setdatabase = 0;

CREATE VIEW pg_shadow AS
SELECT rolname, a.oid, rolcreatedb, rolsuper, rolreplication, rolbypassrls, rolpassword, rolvaliduntil, setconfig
FROM pg_authid a LEFT JOIN pg_db_role_setting s ON s.setrole = a.oid AND s.setdatabase = 0
WHERE rolcanlogin;

CREATE VIEW pg_group AS
SELECT rolname, oid, ARRAY(SELECT member FROM pg_auth_members WHERE roleid = a.oid)
FROM pg_authid a WHERE NOT rolcanlogin;

CREATE VIEW pg_user AS
SELECT usename, usesysid, usecreatedb, usesuper, userepl, usebypassrls, CAST('********' AS text), valuntil, useconfig
FROM pg_shadow;

CREATE VIEW pg_policies AS
SELECT n.nspname, c.relname, p.polname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
       CASE WHEN p.polroles = CAST('{0}' AS oid[]) THEN CAST(CAST('{public}' AS text[]) AS name[])
            ELSE ARRAY(SELECT rolname FROM pg_authid WHERE oid = ANY (p.polroles) ORDER BY rolname) END,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                     WHEN '*' THEN 'ALL' END,
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace;

CREATE VIEW pg_rules AS
SELECT n.nspname, c.relname, r.rulename, pg_get_ruledef(r.oid)
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rulename <> '_RETURN';

CREATE VIEW pg_views AS
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), pg_get_viewdef(c.oid)
FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'v';

CREATE VIEW pg_tables AS
SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) AS tableowner,
       t.spcname AS tablespace, c.relhasindex AS hasindexes, c.relhasrules AS hasrules,
       c.relhastriggers AS hastriggers, c.relrowsecurity AS rowsecurity
FROM pg_class c
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE c.relkind IN ('r', 'p');

CREATE VIEW pg_matviews AS
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), t.spcname, c.relhasindex, c.relispopulated,
       pg_get_viewdef(c.oid)
FROM pg_class c
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE c.relkind = 'm';

CREATE VIEW pg_indexes AS
SELECT n.nspname AS schemaname, c.relname AS tablename, i.relname AS indexname, t.spcname AS tablespace,
       pg_get_indexdef(i.oid) AS indexdef
FROM pg_index x
     JOIN pg_class c ON c.oid = x.indrelid
     JOIN pg_class i ON i.oid = x.indexrelid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_tablespace t ON t.oid = i.reltablespace
WHERE c.relkind IN ('r', 'm', 'p') AND i.relkind IN ('i', 'I');

CREATE VIEW pg_sequences AS
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), CAST(s.seqtypid AS regtype), s.seqstart, s.seqmin,
       s.seqmax, s.seqincrement, s.seqcycle, s.seqcache,
       CASE WHEN has_sequence_privilege(c.oid, 'SELECT,USAGE') THEN pg_sequence_last_value(CAST(c.oid AS regclass)) END
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT pg_is_other_temp_schema(n.oid) AND c.relkind = 'S';

CREATE VIEW pg_stats AS
SELECT n.nspname, c.relname, a.attname, s.stainherit, s.stanullfrac, s.stawidth, s.stadistinct,
       CASE 1 WHEN s.stakind1 THEN s.stavalues1 WHEN s.stakind2 THEN s.stavalues2 WHEN s.stakind3 THEN s.stavalues3
              WHEN s.stakind4 THEN s.stavalues4 WHEN s.stakind5 THEN s.stavalues5 END,
       CASE 1 WHEN s.stakind1 THEN s.stanumbers1 WHEN s.stakind2 THEN s.stanumbers2 WHEN s.stakind3 THEN s.stanumbers3
              WHEN s.stakind4 THEN s.stanumbers4 WHEN s.stakind5 THEN s.stanumbers5 END,
       CASE 2 WHEN s.stakind1 THEN s.stavalues1 WHEN s.stakind2 THEN s.stavalues2 WHEN s.stakind3 THEN s.stavalues3
              WHEN s.stakind4 THEN s.stavalues4 WHEN s.stakind5 THEN s.stavalues5 END,
       CASE 3 WHEN s.stakind1 THEN s.stanumbers1[1] WHEN s.stakind2 THEN s.stanumbers2[1]
              WHEN s.stakind3 THEN s.stanumbers3[1] WHEN s.stakind4 THEN s.stanumbers4[1]
              WHEN s.stakind5 THEN s.stanumbers5[1] END,
       CASE 4 WHEN s.stakind1 THEN s.stavalues1 WHEN s.stakind2 THEN s.stavalues2 WHEN s.stakind3 THEN s.stavalues3
              WHEN s.stakind4 THEN s.stavalues4 WHEN s.stakind5 THEN s.stavalues5 END,
       CASE 4 WHEN s.stakind1 THEN s.stanumbers1 WHEN s.stakind2 THEN s.stanumbers2 WHEN s.stakind3 THEN s.stanumbers3
              WHEN s.stakind4 THEN s.stanumbers4 WHEN s.stakind5 THEN s.stanumbers5 END,
       CASE 5 WHEN s.stakind1 THEN s.stanumbers1 WHEN s.stakind2 THEN s.stanumbers2 WHEN s.stakind3 THEN s.stanumbers3
              WHEN s.stakind4 THEN s.stanumbers4 WHEN s.stakind5 THEN s.stanumbers5 END
FROM pg_statistic s
     JOIN pg_class c ON c.oid = s.starelid
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = s.staattnum
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT a.attisdropped AND has_column_privilege(c.oid, a.attnum, 'select')
      AND (NOT c.relrowsecurity OR NOT row_security_active(c.oid));

CREATE VIEW pg_publication_tables AS
SELECT p.pubname, n.nspname, c.relname,
       (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = t.relid AND (a.attnum = ANY (t.attrs) OR t.attrs IS NULL AND a.attnum > 0 AND NOT a.attisdropped)),
       pg_get_expr(t.qual, t.relid)
FROM pg_publication p CROSS JOIN LATERAL pg_get_publication_tables(CAST(p.pubname AS text)) t
     JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace;

CREATE VIEW pg_locks AS
SELECT l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid,
       l.objsubid, l.virtualtransaction, l.pid, l.mode, l.granted, l.fastpath, l.waitstart
FROM pg_lock_status() l;

CREATE VIEW pg_cursors AS
SELECT c.name, c.statement, c.is_holdable, c.is_binary, c.is_scrollable, c.creation_time FROM pg_cursor() c;

CREATE VIEW pg_available_extensions AS
SELECT e.name, e.default_version, x.extversion, e.comment
FROM pg_available_extensions() e LEFT JOIN pg_extension x ON x.extname = e.name;

CREATE VIEW pg_available_extension_versions AS
SELECT e.name, e.version, x.extname IS NOT NULL, e.superuser, e.trusted, e.relocatable, e.schema, e.requires, e.comment
FROM pg_available_extension_versions() e
     LEFT JOIN pg_extension x ON x.extname = e.name AND x.extversion = e.version;

CREATE VIEW pg_prepared_xacts AS
SELECT p.transaction, p.gid, p.prepared, r.rolname, d.datname
FROM pg_prepared_xact() p LEFT JOIN pg_authid r ON r.oid = p.ownerid LEFT JOIN pg_database d ON d.oid = p.dbid;

CREATE VIEW pg_prepared_statements AS
SELECT p.name, p.statement, p.prepare_time, p.parameter_types, p.from_sql, p.generic_plans, p.custom_plans
FROM pg_prepared_statement() p;

CREATE VIEW pg_settings AS
SELECT s.name, s.setting, s.unit, s.category, s.short_desc, s.extra_desc, s.context, s.vartype, s.source, s.min_val,
       s.max_val, s.enumvals, s.boot_val, s.reset_val, s.sourcefile, s.sourceline, s.pending_restart
FROM pg_show_all_settings() s;

CREATE VIEW pg_file_settings AS
SELECT s.sourcefile, s.sourceline, s.seqno, s.name, s.setting, s.applied, s.error FROM pg_show_all_file_settings() s;

CREATE VIEW pg_hba_file_rules AS
SELECT h.line_number, h.type, h.database, h.user_name, h.address, h.netmask, h.auth_method, h.options, h.error
FROM pg_hba_file_rules() h;

CREATE VIEW pg_ident_file_mappings AS
SELECT i.line_number, i.map_name, i.sys_name, i.pg_username, i.error FROM pg_ident_file_mappings() i;

CREATE VIEW pg_timezone_abbrevs AS
SELECT t.abbrev, t.utc_offset, t.is_dst FROM pg_timezone_abbrevs() t;

CREATE VIEW pg_timezone_names AS
SELECT t.name, t.abbrev, t.utc_offset, t.is_dst FROM pg_timezone_names() t;

CREATE VIEW pg_config AS
SELECT c.name, c.setting FROM pg_config() c;

CREATE VIEW pg_shmem_allocations AS
SELECT m.name, m.off, m.size, m.allocated_size FROM pg_get_shmem_allocations() m;

CREATE VIEW pg_backend_memory_contexts AS
SELECT m.name, m.ident, m.parent, m.level, m.total_bytes, m.total_nblocks, m.free_bytes, m.free_chunks, m.used_bytes
FROM pg_get_backend_memory_contexts() m;

CREATE VIEW pg_stat_all_tables AS
SELECT c.oid, n.nspname, c.relname, pg_stat_get_numscans(c.oid), pg_stat_get_tuples_returned(c.oid),
       CAST(sum(pg_stat_get_numscans(i.indexrelid)) AS bigint),
       CAST(sum(pg_stat_get_tuples_fetched(i.indexrelid)) AS bigint) + pg_stat_get_tuples_fetched(c.oid),
       pg_stat_get_tuples_inserted(c.oid), pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid),
       pg_stat_get_tuples_hot_updated(c.oid), pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid),
       pg_stat_get_mod_since_analyze(c.oid), pg_stat_get_ins_since_vacuum(c.oid), pg_stat_get_last_vacuum_time(c.oid),
       pg_stat_get_last_autovacuum_time(c.oid), pg_stat_get_last_analyze_time(c.oid),
       pg_stat_get_last_autoanalyze_time(c.oid), pg_stat_get_vacuum_count(c.oid), pg_stat_get_autovacuum_count(c.oid),
       pg_stat_get_analyze_count(c.oid), pg_stat_get_autoanalyze_count(c.oid)
FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 't', 'm', 'p')
GROUP BY c.oid, n.nspname, c.relname;

CREATE VIEW pg_stat_sys_tables AS
SELECT * FROM pg_stat_all_tables
WHERE schemaname IN ('pg_catalog', 'information_schema') OR schemaname ~ '^pg_toast';

CREATE VIEW pg_stat_user_tables AS
SELECT * FROM pg_stat_all_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_toast';

CREATE VIEW pg_stat_xact_all_tables AS
SELECT c.oid, n.nspname, c.relname, pg_stat_get_xact_numscans(c.oid), pg_stat_get_xact_tuples_returned(c.oid),
       CAST(sum(pg_stat_get_xact_numscans(i.indexrelid)) AS bigint),
       CAST(sum(pg_stat_get_xact_tuples_fetched(i.indexrelid)) AS bigint) + pg_stat_get_xact_tuples_fetched(c.oid),
       pg_stat_get_xact_tuples_inserted(c.oid), pg_stat_get_xact_tuples_updated(c.oid),
       pg_stat_get_xact_tuples_deleted(c.oid), pg_stat_get_xact_tuples_hot_updated(c.oid)
FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 't', 'm', 'p')
GROUP BY c.oid, n.nspname, c.relname;

CREATE VIEW pg_stat_xact_sys_tables AS
SELECT * FROM pg_stat_xact_all_tables
WHERE schemaname IN ('pg_catalog', 'information_schema') OR schemaname ~ '^pg_toast';

CREATE VIEW pg_stat_xact_user_tables AS
SELECT * FROM pg_stat_xact_all_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_toast';

CREATE VIEW pg_statio_all_tables AS
SELECT c.oid, n.nspname, c.relname, pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid),
       pg_stat_get_blocks_hit(c.oid),
       (SELECT CAST(sum(pg_stat_get_blocks_fetched(i.indexrelid) - pg_stat_get_blocks_hit(i.indexrelid)) AS bigint)
        FROM pg_index i WHERE i.indrelid = c.oid),
       (SELECT CAST(sum(pg_stat_get_blocks_hit(i.indexrelid)) AS bigint) FROM pg_index i WHERE i.indrelid = c.oid),
       pg_stat_get_blocks_fetched(t.oid) - pg_stat_get_blocks_hit(t.oid), pg_stat_get_blocks_hit(t.oid),
       (SELECT CAST(sum(pg_stat_get_blocks_fetched(i.indexrelid) - pg_stat_get_blocks_hit(i.indexrelid)) AS bigint)
        FROM pg_index i WHERE i.indrelid = t.oid),
       (SELECT CAST(sum(pg_stat_get_blocks_hit(i.indexrelid)) AS bigint) FROM pg_index i WHERE i.indrelid = t.oid)
FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 't', 'm');

CREATE VIEW pg_statio_sys_tables AS
SELECT * FROM pg_statio_all_tables
WHERE schemaname IN ('pg_catalog', 'information_schema') OR schemaname ~ '^pg_toast';

CREATE VIEW pg_statio_user_tables AS
SELECT * FROM pg_statio_all_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_toast';

CREATE VIEW pg_stat_all_indexes AS
SELECT c.oid, i.oid, n.nspname, c.relname, i.relname, pg_stat_get_numscans(i.oid), pg_stat_get_tuples_returned(i.oid),
       pg_stat_get_tuples_fetched(i.oid)
FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 't', 'm');

CREATE VIEW pg_stat_sys_indexes AS
SELECT * FROM pg_stat_all_indexes
WHERE schemaname IN ('pg_catalog', 'information_schema') OR schemaname ~ '^pg_toast';

CREATE VIEW pg_stat_user_indexes AS
SELECT * FROM pg_stat_all_indexes
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_toast';

CREATE VIEW pg_statio_all_indexes AS
SELECT c.oid, i.oid, n.nspname, c.relname, i.relname, pg_stat_get_blocks_fetched(i.oid) - pg_stat_get_blocks_hit(i.oid),
       pg_stat_get_blocks_hit(i.oid)
FROM pg_class c JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
     LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 't', 'm');

CREATE VIEW pg_statio_sys_indexes AS
SELECT * FROM pg_statio_all_indexes
WHERE schemaname IN ('pg_catalog', 'information_schema') OR schemaname ~ '^pg_toast';

CREATE VIEW pg_statio_user_indexes AS
SELECT * FROM pg_statio_all_indexes
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_toast';

CREATE VIEW pg_statio_all_sequences AS
SELECT c.oid, n.nspname, c.relname, pg_stat_get_blocks_fetched(c.oid) - pg_stat_get_blocks_hit(c.oid),
       pg_stat_get_blocks_hit(c.oid)
FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'S';

CREATE VIEW pg_statio_sys_sequences AS
SELECT * FROM pg_statio_all_sequences
WHERE schemaname IN ('pg_catalog', 'information_schema') OR schemaname ~ '^pg_toast';

CREATE VIEW pg_statio_user_sequences AS
SELECT * FROM pg_statio_all_sequences
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname !~ '^pg_toast';

CREATE VIEW pg_stat_activity AS
SELECT s.datid, d.datname, s.pid, s.leader_pid, s.usesysid, u.rolname, s.application_name, s.client_addr,
       s.client_hostname, s.client_port, s.backend_start, s.xact_start, s.query_start, s.state_change,
       s.wait_event_type, s.wait_event, s.state, s.backend_xid, s.backend_xmin, s.query_id, s.query, s.backend_type
FROM pg_stat_get_activity(CAST(NULL AS integer)) s
     LEFT JOIN pg_database d ON d.oid = s.datid LEFT JOIN pg_authid u ON u.oid = s.usesysid;

CREATE VIEW pg_stat_replication AS
SELECT s.pid, s.usesysid, u.rolname, s.application_name, s.client_addr, s.client_hostname, s.client_port,
       s.backend_start, s.backend_xmin, w.state, w.sent_lsn, w.write_lsn, w.flush_lsn, w.replay_lsn, w.write_lag,
       w.flush_lag, w.replay_lag, w.sync_priority, w.sync_state, w.reply_time
FROM pg_stat_get_activity(CAST(NULL AS integer)) s JOIN pg_stat_get_wal_senders() w ON w.pid = s.pid
     LEFT JOIN pg_authid u ON u.oid = s.usesysid;

CREATE VIEW pg_stat_slru AS
SELECT s.name, s.blks_zeroed, s.blks_hit, s.blks_read, s.blks_written, s.blks_exists, s.flushes, s.truncates, s.stats_reset
FROM pg_stat_get_slru() s;

CREATE VIEW pg_stat_wal_receiver AS
SELECT s.pid, s.status, s.receive_start_lsn, s.receive_start_tli, s.written_lsn, s.flushed_lsn, s.received_tli,
       s.last_msg_send_time, s.last_msg_receipt_time, s.latest_end_lsn, s.latest_end_time, s.slot_name, s.sender_host,
       s.sender_port, s.conninfo
FROM pg_stat_get_wal_receiver() s
WHERE s.pid IS NOT NULL;

CREATE VIEW pg_stat_recovery_prefetch AS
SELECT s.stats_reset, s.prefetch, s.hit, s.skip_init, s.skip_new, s.skip_fpw, s.skip_rep, s.wal_distance,
       s.block_distance, s.io_depth
FROM pg_stat_get_recovery_prefetch() s;

CREATE VIEW pg_stat_subscription AS
SELECT u.oid, u.subname, s.pid, s.relid, s.received_lsn, s.last_msg_send_time, s.last_msg_receipt_time, s.latest_end_lsn,
       s.latest_end_time
FROM pg_subscription u LEFT JOIN pg_stat_get_subscription(CAST(NULL AS oid)) s ON s.subid = u.oid;

CREATE VIEW pg_stat_ssl AS
SELECT s.pid, s.ssl, s.sslversion, s.sslcipher, s.sslbits, s.ssl_client_dn, s.ssl_client_serial, s.ssl_issuer_dn
FROM pg_stat_get_activity(CAST(NULL AS integer)) s
WHERE s.client_port IS NOT NULL;

CREATE VIEW pg_stat_gssapi AS
SELECT s.pid, s.gss_auth, s.gss_princ, s.gss_enc
FROM pg_stat_get_activity(CAST(NULL AS integer)) s
WHERE s.client_port IS NOT NULL;

CREATE VIEW pg_replication_slots AS
SELECT l.slot_name, l.plugin, l.slot_type, l.datoid, d.datname, l.temporary, l.active, l.active_pid, l.xmin,
       l.catalog_xmin, l.restart_lsn, l.confirmed_flush_lsn, l.wal_status, l.safe_wal_size, l.two_phase
FROM pg_get_replication_slots() l LEFT JOIN pg_database d ON d.oid = l.datoid;

CREATE VIEW pg_stat_replication_slots AS
SELECT s.slot_name, s.spill_txns, s.spill_count, s.spill_bytes, s.stream_txns, s.stream_count, s.stream_bytes,
       s.total_txns, s.total_bytes, s.stats_reset
FROM pg_replication_slots r CROSS JOIN LATERAL pg_stat_get_replication_slot(CAST(r.slot_name AS text)) s
WHERE r.datoid IS NOT NULL;

CREATE VIEW pg_stat_database AS
SELECT d.oid, d.datname, CASE WHEN d.oid = 0 THEN 0 ELSE pg_stat_get_db_numbackends(d.oid) END,
       pg_stat_get_db_xact_commit(d.oid), pg_stat_get_db_xact_rollback(d.oid),
       pg_stat_get_db_blocks_fetched(d.oid) - pg_stat_get_db_blocks_hit(d.oid), pg_stat_get_db_blocks_hit(d.oid),
       pg_stat_get_db_tuples_returned(d.oid), pg_stat_get_db_tuples_fetched(d.oid), pg_stat_get_db_tuples_inserted(d.oid),
       pg_stat_get_db_tuples_updated(d.oid), pg_stat_get_db_tuples_deleted(d.oid), pg_stat_get_db_conflict_all(d.oid),
       pg_stat_get_db_temp_files(d.oid), pg_stat_get_db_temp_bytes(d.oid), pg_stat_get_db_deadlocks(d.oid),
       pg_stat_get_db_checksum_failures(d.oid), pg_stat_get_db_checksum_last_failure(d.oid),
       pg_stat_get_db_blk_read_time(d.oid), pg_stat_get_db_blk_write_time(d.oid), pg_stat_get_db_session_time(d.oid),
       pg_stat_get_db_active_time(d.oid), pg_stat_get_db_idle_in_transaction_time(d.oid), pg_stat_get_db_sessions(d.oid),
       pg_stat_get_db_sessions_abandoned(d.oid), pg_stat_get_db_sessions_fatal(d.oid),
       pg_stat_get_db_sessions_killed(d.oid), pg_stat_get_db_stat_reset_time(d.oid)
FROM (SELECT CAST(0 AS oid) AS oid, CAST(NULL AS name) AS datname
      UNION ALL
      SELECT oid, datname FROM pg_database) d;

CREATE VIEW pg_stat_database_conflicts AS
SELECT d.oid, d.datname, pg_stat_get_db_conflict_tablespace(d.oid), pg_stat_get_db_conflict_lock(d.oid),
       pg_stat_get_db_conflict_snapshot(d.oid), pg_stat_get_db_conflict_bufferpin(d.oid),
       pg_stat_get_db_conflict_startup_deadlock(d.oid)
FROM pg_database d;

CREATE VIEW pg_stat_user_functions AS
SELECT p.oid, n.nspname, p.proname, pg_stat_get_function_calls(p.oid), pg_stat_get_function_total_time(p.oid),
       pg_stat_get_function_self_time(p.oid)
FROM pg_proc p LEFT JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prolang <> 12 AND pg_stat_get_function_calls(p.oid) IS NOT NULL;

CREATE VIEW pg_stat_xact_user_functions AS
SELECT p.oid, n.nspname, p.proname, pg_stat_get_xact_function_calls(p.oid), pg_stat_get_xact_function_total_time(p.oid),
       pg_stat_get_xact_function_self_time(p.oid)
FROM pg_proc p LEFT JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prolang <> 12 AND pg_stat_get_xact_function_calls(p.oid) IS NOT NULL;

CREATE VIEW pg_stat_archiver AS
SELECT s.archived_count, s.last_archived_wal, s.last_archived_time, s.failed_count, s.last_failed_wal,
       s.last_failed_time, s.stats_reset
FROM pg_stat_get_archiver() s;

CREATE VIEW pg_stat_bgwriter AS
SELECT pg_stat_get_bgwriter_timed_checkpoints(), pg_stat_get_bgwriter_requested_checkpoints(),
       pg_stat_get_checkpoint_write_time(), pg_stat_get_checkpoint_sync_time(),
       pg_stat_get_bgwriter_buf_written_checkpoints(), pg_stat_get_bgwriter_buf_written_clean(),
       pg_stat_get_bgwriter_maxwritten_clean(), pg_stat_get_buf_written_backend(), pg_stat_get_buf_fsync_backend(),
       pg_stat_get_buf_alloc(), pg_stat_get_bgwriter_stat_reset_time();

CREATE VIEW pg_stat_wal AS
SELECT w.wal_records, w.wal_fpi, w.wal_bytes, w.wal_buffers_full, w.wal_write, w.wal_sync, w.wal_write_time,
       w.wal_sync_time, w.stats_reset
FROM pg_stat_get_wal() w;

CREATE VIEW pg_stat_progress_analyze AS
SELECT s.pid, s.datid, d.datname, s.relid,
       CASE s.param1 WHEN 0 THEN 'initializing' WHEN 1 THEN 'acquiring sample rows'
            WHEN 2 THEN 'acquiring inherited sample rows' WHEN 3 THEN 'computing statistics'
            WHEN 4 THEN 'computing extended statistics' WHEN 5 THEN 'finalizing analyze' END,
       s.param2, s.param3, s.param4, s.param5, s.param6, s.param7, CAST(s.param8 AS oid)
FROM pg_stat_get_progress_info('ANALYZE') s LEFT JOIN pg_database d ON d.oid = s.datid;

CREATE VIEW pg_stat_progress_vacuum AS
SELECT s.pid, s.datid, d.datname, s.relid,
       CASE s.param1 WHEN 0 THEN 'initializing' WHEN 1 THEN 'scanning heap' WHEN 2 THEN 'vacuuming indexes'
            WHEN 3 THEN 'vacuuming heap' WHEN 4 THEN 'cleaning up indexes' WHEN 5 THEN 'truncating heap'
            WHEN 6 THEN 'performing final cleanup' END,
       s.param2, s.param3, s.param4, s.param5, s.param6, s.param7
FROM pg_stat_get_progress_info('VACUUM') s LEFT JOIN pg_database d ON d.oid = s.datid;

CREATE VIEW pg_stat_progress_cluster AS
SELECT s.pid, s.datid, d.datname, s.relid,
       CASE s.param1 WHEN 1 THEN 'CLUSTER' WHEN 2 THEN 'VACUUM FULL' END,
       CASE s.param2 WHEN 0 THEN 'initializing' WHEN 1 THEN 'seq scanning heap' WHEN 2 THEN 'index scanning heap'
            WHEN 3 THEN 'sorting tuples' WHEN 4 THEN 'writing new heap' WHEN 5 THEN 'swapping relation files'
            WHEN 6 THEN 'rebuilding index' WHEN 7 THEN 'performing final cleanup' END,
       CAST(s.param3 AS oid), s.param4, s.param5, s.param6, s.param7, s.param8
FROM pg_stat_get_progress_info('CLUSTER') s LEFT JOIN pg_database d ON d.oid = s.datid;

CREATE VIEW pg_stat_progress_create_index AS
SELECT s.pid, s.datid, d.datname, s.relid, CAST(s.param7 AS oid),
       CASE s.param1 WHEN 1 THEN 'CREATE INDEX' WHEN 2 THEN 'CREATE INDEX CONCURRENTLY' WHEN 3 THEN 'REINDEX'
            WHEN 4 THEN 'REINDEX CONCURRENTLY' END,
       CASE s.param10 WHEN 0 THEN 'initializing' WHEN 1 THEN 'waiting for writers before build'
            WHEN 2 THEN 'building index' WHEN 3 THEN 'waiting for writers before validation'
            WHEN 4 THEN 'index validation: scanning index' WHEN 5 THEN 'index validation: sorting tuples'
            WHEN 6 THEN 'index validation: scanning table' WHEN 7 THEN 'waiting for old snapshots'
            WHEN 8 THEN 'waiting for readers before marking dead' WHEN 9 THEN 'waiting for readers before dropping' END,
       s.param4, s.param5, s.param6, s.param16, s.param17, s.param12, s.param13, s.param14, s.param15
FROM pg_stat_get_progress_info('CREATE INDEX') s LEFT JOIN pg_database d ON d.oid = s.datid;

CREATE VIEW pg_stat_progress_basebackup AS
SELECT s.pid,
       CASE s.param1 WHEN 0 THEN 'initializing' WHEN 1 THEN 'waiting for checkpoint to finish'
            WHEN 2 THEN 'estimating backup size' WHEN 3 THEN 'streaming database files'
            WHEN 4 THEN 'waiting for wal archiving to finish' WHEN 5 THEN 'transferring wal files' END,
       CASE s.param2 WHEN -1 THEN NULL ELSE s.param2 END, s.param3, s.param4, s.param5
FROM pg_stat_get_progress_info('BASEBACKUP') s;

CREATE VIEW pg_stat_progress_copy AS
SELECT s.pid, s.datid, d.datname, s.relid,
       CASE s.param5 WHEN 1 THEN 'COPY FROM' WHEN 2 THEN 'COPY TO' END,
       CASE s.param6 WHEN 1 THEN 'FILE' WHEN 2 THEN 'PROGRAM' WHEN 3 THEN 'PIPE' WHEN 4 THEN 'CALLBACK' END,
       s.param1, s.param2, s.param3, s.param4
FROM pg_stat_get_progress_info('COPY') s LEFT JOIN pg_database d ON d.oid = s.datid;

CREATE VIEW pg_user_mappings AS
SELECT u.oid, s.oid, s.srvname, u.umuser, CASE WHEN u.umuser = 0 THEN 'public' ELSE a.rolname END,
       CASE WHEN u.umuser <> 0 AND a.rolname = current_user
                 AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE'))
              OR u.umuser = 0 AND pg_has_role(s.srvowner, 'USAGE')
              OR (SELECT rolsuper FROM pg_authid WHERE rolname = current_user) THEN u.umoptions END
FROM pg_user_mapping u JOIN pg_foreign_server s ON s.oid = u.umserver LEFT JOIN pg_authid a ON a.oid = u.umuser;

CREATE VIEW pg_replication_origin_status AS
SELECT o.local_id, o.external_id, o.remote_lsn, o.local_lsn FROM pg_show_replication_origin_status() o;

CREATE VIEW pg_stat_subscription_stats AS
SELECT s.oid, s.subname, t.apply_error_count, t.sync_error_count, t.stats_reset
FROM pg_subscription s CROSS JOIN LATERAL pg_stat_get_subscription_stats(s.oid) t;

CREATE VIEW pg_seclabels AS
SELECT l.objoid, l.classoid, l.objsubid,
       CASE WHEN l.objsubid <> 0 THEN 'column'
            WHEN c.relkind IN ('r', 'p') THEN 'table' WHEN c.relkind = 'v' THEN 'view'
            WHEN c.relkind = 'm' THEN 'materialized view' WHEN c.relkind = 'S' THEN 'sequence'
            WHEN c.relkind = 'f' THEN 'foreign table' END,
       c.relnamespace,
       CASE WHEN pg_table_is_visible(c.oid) THEN quote_ident(c.relname)
            ELSE quote_ident(n.nspname) || '.' || quote_ident(c.relname) END
       || CASE WHEN l.objsubid = 0 THEN '' ELSE '.' || quote_ident(a.attname) END,
       l.provider, l.label
FROM pg_seclabel l JOIN pg_class c ON c.oid = l.objoid AND l.classoid = 1259
     JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
UNION ALL
SELECT l.objoid, l.classoid, l.objsubid,
       CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'f' THEN 'function' WHEN 'p' THEN 'procedure' WHEN 'w' THEN 'window' END,
       p.pronamespace, CAST(CAST(p.oid AS regprocedure) AS text), l.provider, l.label
FROM pg_seclabel l JOIN pg_proc p ON p.oid = l.objoid AND l.classoid = 1255
UNION ALL
SELECT l.objoid, l.classoid, l.objsubid, CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.typnamespace,
       format_type(t.oid, NULL), l.provider, l.label
FROM pg_seclabel l JOIN pg_type t ON t.oid = l.objoid AND l.classoid = 1247
UNION ALL
SELECT l.objoid, l.classoid, l.objsubid, 'schema', n.oid, quote_ident(n.nspname), l.provider, l.label
FROM pg_seclabel l JOIN pg_namespace n ON n.oid = l.objoid AND l.classoid = 2615
UNION ALL
SELECT l.objoid, l.classoid, 0, 'database', CAST(NULL AS oid), quote_ident(d.datname), l.provider, l.label
FROM pg_shseclabel l JOIN pg_database d ON d.oid = l.objoid AND l.classoid = 1262
UNION ALL
SELECT l.objoid, l.classoid, 0, 'tablespace', CAST(NULL AS oid), quote_ident(t.spcname), l.provider, l.label
FROM pg_shseclabel l JOIN pg_tablespace t ON t.oid = l.objoid AND l.classoid = 1213
UNION ALL
SELECT l.objoid, l.classoid, 0, 'role', CAST(NULL AS oid), quote_ident(r.rolname), l.provider, l.label
FROM pg_shseclabel l JOIN pg_authid r ON r.oid = l.objoid AND l.classoid = 1260;
