//! The configuration parameters there are, under PostgreSQL's names, defaults and limits
//! (documentation, "Server Configuration"; `pg_settings`).
//!
//! A parameter is listed only if something honours it, or if the values it admits leave nothing
//! to honour (`Only`): setting one of those to another value is refused with 0A000.

/// When a parameter may change (`pg_settings.context`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// Never; it tells a fact.
    Internal,
    /// At server start only.
    Postmaster,
    /// When the configuration file is read again.
    Sighup,
    /// By superusers.
    Superuser,
    /// By anyone, at any time.
    User,
}

impl Context {
    /// The word in `pg_settings.context`.
    pub fn as_str(self) -> &'static str {
        match self {
            Context::Internal => "internal",
            Context::Postmaster => "postmaster",
            Context::Sighup => "sighup",
            Context::Superuser => "superuser",
            Context::User => "user",
        }
    }
}

/// The unit an integer is stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    None,
    /// Milliseconds.
    Ms,
    /// Seconds.
    S,
    /// Kibibytes.
    KB,
    /// Pages of 8 KiB.
    Pages,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `on` or `off`.
    Bool,
    /// An integer within limits.
    Int(i64, i64, Unit),
    /// A number within limits.
    Real(f64, f64),
    /// One of these words; aliases map to the same word by position in `ENUM_ALIASES`.
    Enum(&'static [&'static str]),
    /// Text, checked by the parameter's own hook.
    Text,
    /// Accepted only with these values, because nothing else is built.
    Only(&'static [&'static str]),
}

/// One parameter.
#[derive(Debug)]
pub struct Definition {
    /// Its name as `SHOW` prints it.
    pub name: &'static str,
    /// Its values.
    pub kind: Kind,
    /// Its default.
    pub default: &'static str,
    /// When it may change.
    pub context: Context,
    /// Reported to the client when it changes.
    pub report: bool,
    /// Its heading in `pg_settings`.
    pub category: &'static str,
    /// What it does, in our words.
    pub description: &'static str,
}

const ISOLATION: Kind =
    Kind::Enum(&["serializable", "repeatable read", "read committed", "read uncommitted"]);
const MESSAGE_LEVELS: Kind =
    Kind::Enum(&["debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"]);
const METHODS: &str = "Query Tuning / Planner Method Configuration";
const COSTS: &str = "Query Tuning / Planner Cost Constants";
const PLANNING: &str = "Query Tuning / Other Planner Options";
const MAX_INT: i64 = i32::MAX as i64;
const LOCALE: &str = "Client Connection Defaults / Locale and Formatting";
const BEHAVIOR: &str = "Client Connection Defaults / Statement Behavior";
const AUTOVACUUM: &str = "Autovacuum";
const PRESET: &str = "Preset Options";
const COMPATIBILITY: &str = "Version and Platform Compatibility / Previous PostgreSQL Versions";
const CONNECTION: &str = "Connections and Authentication / Connection Settings";
const AUTHENTICATION: &str = "Connections and Authentication / Authentication";
const SSL: &str = "Connections and Authentication / SSL";
const FILES: &str = "File Locations";
const PARALLEL: &str = "Resource Usage / Asynchronous Behavior";

macro_rules! parameters {
    ($($id:ident $name:literal $kind:expr, $default:literal, $context:ident, $report:literal, $category:expr, $description:literal;)*) => {
        /// A parameter, by position in [`DEFINITIONS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        #[repr(usize)]
        pub enum Parameter { $($id),* }

        /// Every parameter, in the order of [`Parameter`].
        pub static DEFINITIONS: &[Definition] = &[$(Definition {
            name: $name, kind: $kind, default: $default, context: Context::$context, report: $report,
            category: $category, description: $description,
        }),*];

        /// Every parameter.
        pub const ALL: &[Parameter] = &[$(Parameter::$id),*];
    };
}

parameters! {
    ApplicationName "application_name" Kind::Text, "", User, true, "Reporting and Logging / What to Log", "Name the client gives itself, shown in pg_stat_activity.";
    ArrayNulls "array_nulls" Kind::Bool, "on", User, false, COMPATIBILITY, "Reads an unquoted NULL in array text as a null element.";
    AuthenticationTimeout "authentication_timeout" Kind::Int(1, 600, Unit::S), "60", Sighup, false, AUTHENTICATION, "Longest time a client may take to authenticate.";
    Autovacuum "autovacuum" Kind::Bool, "on", Postmaster, false, AUTOVACUUM, "Whether tables that changed much are vacuumed and analyzed automatically.";
    AutovacuumAnalyzeScaleFactor "autovacuum_analyze_scale_factor" Kind::Real(0.0, 100.0), "0.1", Postmaster, false, AUTOVACUUM, "Fraction of a table's rows that may change before it is analyzed.";
    AutovacuumAnalyzeThreshold "autovacuum_analyze_threshold" Kind::Int(0, MAX_INT, Unit::None), "50", Postmaster, false, AUTOVACUUM, "Rows that may change besides before a table is analyzed.";
    AutovacuumNaptime "autovacuum_naptime" Kind::Int(1, 2147483, Unit::S), "60", Postmaster, false, AUTOVACUUM, "Time between two looks at all tables.";
    AutovacuumVacuumInsertScaleFactor "autovacuum_vacuum_insert_scale_factor" Kind::Real(0.0, 100.0), "0.2", Postmaster, false, AUTOVACUUM, "Fraction of a table's rows that may be inserted before it is vacuumed.";
    AutovacuumVacuumInsertThreshold "autovacuum_vacuum_insert_threshold" Kind::Int(-1, MAX_INT, Unit::None), "1000", Postmaster, false, AUTOVACUUM, "Rows that may be inserted besides before a table is vacuumed; -1 is any number.";
    AutovacuumVacuumScaleFactor "autovacuum_vacuum_scale_factor" Kind::Real(0.0, 100.0), "0.2", Postmaster, false, AUTOVACUUM, "Fraction of a table's rows that may die before it is vacuumed.";
    AutovacuumVacuumThreshold "autovacuum_vacuum_threshold" Kind::Int(0, MAX_INT, Unit::None), "50", Postmaster, false, AUTOVACUUM, "Rows that may die besides before a table is vacuumed.";
    BlockSize "block_size" Kind::Int(8192, 8192, Unit::None), "8192", Internal, false, PRESET, "Bytes in a page.";
    ByteaOutput "bytea_output" Kind::Enum(&["escape", "hex"]), "hex", User, false, BEHAVIOR, "Text form of bytea values.";
    ClientEncoding "client_encoding" Kind::Only(&["UTF8"]), "UTF8", User, true, LOCALE, "Character set of the client; UTF8 is the one there is.";
    ClientMinMessages "client_min_messages" MESSAGE_LEVELS, "notice", User, false, BEHAVIOR, "Quietest messages that are sent to the client.";
    ConfigFile "config_file" Kind::Text, "", Internal, false, FILES, "The server's main configuration file.";
    DataDirectory "data_directory" Kind::Text, "", Internal, false, FILES, "The server's data directory.";
    DateStyle "DateStyle" Kind::Text, "ISO, MDY", User, true, LOCALE, "Text form of dates and times, and the order of ambiguous fields.";
    DeadlockTimeout "deadlock_timeout" Kind::Int(1, MAX_INT, Unit::Ms), "1000", Superuser, false, "Lock Management", "How long a lock is waited for before a deadlock is looked for.";
    DebugAssertions "debug_assertions" Kind::Bool, "off", Internal, false, PRESET, "Whether this build checks its debug assertions.";
    DefaultStatisticsTarget "default_statistics_target" Kind::Int(1, 10000, Unit::None), "100", User, false, PLANNING, "Most common values and histogram bins that ANALYZE keeps of a column.";
    DefaultTableAccessMethod "default_table_access_method" Kind::Only(&["heap"]), "heap", User, false, BEHAVIOR, "Table access method of new tables.";
    DefaultTablespace "default_tablespace" Kind::Only(&["", "pg_default"]), "", User, false, BEHAVIOR, "Tablespace of new tables; the volume is the one there is.";
    DefaultTransactionDeferrable "default_transaction_deferrable" Kind::Bool, "off", User, false, BEHAVIOR, "Whether new transactions are deferrable.";
    DefaultTransactionIsolation "default_transaction_isolation" ISOLATION, "read committed", User, false, BEHAVIOR, "Isolation level of new transactions.";
    DefaultTransactionReadOnly "default_transaction_read_only" Kind::Bool, "off", User, true, BEHAVIOR, "Whether new transactions may only read.";
    ExtraFloatDigits "extra_float_digits" Kind::Int(-15, 3, Unit::None), "1", User, false, LOCALE, "Digits of floating-point output; above 0 the shortest exact form.";
    Fsync "fsync" Kind::Only(&["on"]), "on", Sighup, false, "Write-Ahead Log / Settings", "Log flushes reach the disk; they always do.";
    HbaFile "hba_file" Kind::Text, "", Internal, false, FILES, "The server's host-based authentication file.";
    IdleInTransactionSessionTimeout "idle_in_transaction_session_timeout" Kind::Int(0, MAX_INT, Unit::Ms), "0", User, false, BEHAVIOR, "Longest idle time inside a transaction; 0 is no limit.";
    IdleSessionTimeout "idle_session_timeout" Kind::Int(0, MAX_INT, Unit::Ms), "0", User, false, BEHAVIOR, "Longest idle time outside a transaction; 0 is no limit.";
    InHotStandby "in_hot_standby" Kind::Bool, "off", Internal, true, PRESET, "Whether this instance is a reader.";
    IntegerDatetimes "integer_datetimes" Kind::Bool, "on", Internal, true, PRESET, "Times are stored as integers.";
    IntervalStyle "IntervalStyle" Kind::Enum(&["postgres", "postgres_verbose", "sql_standard", "iso_8601"]), "postgres", User, true, LOCALE, "Text form of intervals.";
    LcCollate "lc_collate" Kind::Text, "C", Internal, false, PRESET, "Collation order of the database.";
    LcCtype "lc_ctype" Kind::Text, "C", Internal, false, PRESET, "Character classes of the database.";
    LcMessages "lc_messages" Kind::Only(&["C", "en_US.UTF-8", ""]), "C", Superuser, false, LOCALE, "Language of messages.";
    LcMonetary "lc_monetary" Kind::Only(&["C"]), "C", User, false, LOCALE, "Form of amounts of money.";
    LcNumeric "lc_numeric" Kind::Only(&["C"]), "C", User, false, LOCALE, "Form of numbers.";
    LcTime "lc_time" Kind::Only(&["C"]), "C", User, false, LOCALE, "Names of days and months.";
    ListenAddresses "listen_addresses" Kind::Text, "127.0.0.1", Postmaster, false, CONNECTION, "Addresses to listen on.";
    LockTimeout "lock_timeout" Kind::Int(0, MAX_INT, Unit::Ms), "0", User, false, BEHAVIOR, "Longest wait for a lock; 0 is no limit.";
    MaxConnections "max_connections" Kind::Int(1, 262_143, Unit::None), "100", Postmaster, false, CONNECTION, "Most sessions at once.";
    MaxIdentifierLength "max_identifier_length" Kind::Int(63, 63, Unit::None), "63", Internal, false, PRESET, "Bytes in an identifier.";
    MaxIndexKeys "max_index_keys" Kind::Int(32, 32, Unit::None), "32", Internal, false, PRESET, "Columns in an index.";
    PasswordEncryption "password_encryption" Kind::Only(&["scram-sha-256"]), "scram-sha-256", User, false, AUTHENTICATION, "How passwords are stored.";
    Port "port" Kind::Int(1, 65535, Unit::None), "5432", Postmaster, false, CONNECTION, "TCP port to listen on.";
    IoMethod "redoubt.io_method" Kind::Enum(&["auto", "glommio", "portable"]), "portable", Postmaster, false, "Redoubt", "How storage nodes reach their disk: blocking calls, io_uring by glommio, or glommio where the kernel allows it.";
    LogLazySize "redoubt.log_lazy_size" Kind::Int(16_384, MAX_INT, Unit::KB), "524288", Postmaster, false, "Redoubt", "Log that may fill before storage nodes make page images of it.";
    LogSize "redoubt.log_size" Kind::Int(131_072, MAX_INT, Unit::KB), "2097152", Postmaster, false, "Redoubt", "The most that the log of a group of storage nodes on one device may grow to.";
    Role "role" Kind::Text, "none", User, false, "Ungrouped", "The role that SET ROLE has chosen.";
    RowSecurity "row_security" Kind::Bool, "on", User, false, BEHAVIOR, "Row security applies; there are no policies yet, so that it changes nothing.";
    MetricsAddress "redoubt.metrics_address" Kind::Text, "", Postmaster, false, "Reporting and Logging", "Address and port of the HTTP server for /metrics, /healthz and /readyz; none if empty.";
    SearchPath "search_path" Kind::Text, "\"$user\", public", User, false, BEHAVIOR, "Schemas searched for unqualified names.";
    ServerEncoding "server_encoding" Kind::Text, "UTF8", Internal, true, PRESET, "Character set of the database.";
    ServerVersion "server_version" Kind::Text, "15.18 (Redoubt)", Internal, true, PRESET, "The PostgreSQL version this server behaves as.";
    ServerVersionNum "server_version_num" Kind::Int(150_018, 150_018, Unit::None), "150018", Internal, false, PRESET, "The same as a number.";
    SessionAuthorization "session_authorization" Kind::Text, "", User, true, "Ungrouped", "The session's user.";
    SharedBuffers "shared_buffers" Kind::Int(16, 1_073_741_823, Unit::Pages), "16384", Postmaster, false, "Resource Usage / Memory", "Pages the buffer pool holds.";
    IsSuperuser "is_superuser" Kind::Bool, "off", Internal, true, "Ungrouped", "Whether the current user is a superuser.";
    Ssl "ssl" Kind::Bool, "off", Sighup, false, SSL, "Whether connections may be encrypted.";
    SslCertFile "ssl_cert_file" Kind::Text, "server.crt", Sighup, false, SSL, "The server's certificate and its chain, from the data directory if relative.";
    SslKeyFile "ssl_key_file" Kind::Text, "server.key", Sighup, false, SSL, "The certificate's private key, from the data directory if relative.";
    StandardConformingStrings "standard_conforming_strings" Kind::Only(&["on"]), "on", User, true, COMPATIBILITY, "Backslashes are ordinary characters in plain string constants.";
    StatementTimeout "statement_timeout" Kind::Int(0, MAX_INT, Unit::Ms), "0", User, false, BEHAVIOR, "Longest run of a statement; 0 is no limit.";
    SuperuserReservedConnections "superuser_reserved_connections" Kind::Int(0, 262_143, Unit::None), "3", Postmaster, false, CONNECTION, "Sessions kept free for superusers.";
    SynchronousCommit "synchronous_commit" Kind::Enum(&["local", "remote_write", "remote_apply", "on", "off"]), "on", User, false, "Write-Ahead Log / Settings", "Whether COMMIT waits for a write quorum.";
    TimeZone "TimeZone" Kind::Text, "GMT", User, true, LOCALE, "Zone in which timestamps are shown and read.";
    TransactionDeferrable "transaction_deferrable" Kind::Bool, "off", User, false, BEHAVIOR, "Whether the current transaction is deferrable.";
    TransactionIsolation "transaction_isolation" ISOLATION, "read committed", User, false, BEHAVIOR, "Isolation level of the current transaction.";
    TransactionReadOnly "transaction_read_only" Kind::Bool, "off", User, false, BEHAVIOR, "Whether the current transaction may only read.";
    UnixSocketDirectories "unix_socket_directories" Kind::Text, "/tmp", Postmaster, false, CONNECTION, "Directories of the Unix-domain sockets.";
    WorkMem "work_mem" Kind::Int(64, MAX_INT, Unit::KB), "4096", User, false, "Resource Usage / Memory", "Memory of one sort or hash before it spills.";
    QuoteAllIdentifiers "quote_all_identifiers" Kind::Bool, "off", User, false, COMPATIBILITY, "Quotes every identifier in generated SQL.";
    XmlOption "xmloption" Kind::Only(&["content"]), "content", User, false, BEHAVIOR, "How XML text is read; XML is not built.";
    Jit "jit" Kind::Only(&["off"]), "off", User, false, PLANNING, "Compiles expressions to machine code; there is no compiler.";
    Geqo "geqo" Kind::Only(&["off"]), "off", User, false, "Query Tuning / Genetic Query Optimizer", "Plans large joins by a genetic search; every join is searched in full up to join_collapse_limit.";
    MaxParallelWorkers "max_parallel_workers" Kind::Int(0, 1024, Unit::None), "8", User, false, PARALLEL, "Most parallel workers at once; a statement takes none yet.";
    MaxParallelWorkersPerGather "max_parallel_workers_per_gather" Kind::Int(0, 1024, Unit::None), "2", User, false, PARALLEL, "Most parallel workers of a plan node; a statement takes none yet.";
    SessionReplicationRole "session_replication_role" Kind::Only(&["origin"]), "origin", Superuser, false, BEHAVIOR, "For which rows triggers and rules fire.";
    TransformNullEquals "transform_null_equals" Kind::Only(&["off"]), "off", User, false, COMPATIBILITY, "Reads expr = NULL as expr IS NULL.";
    CheckFunctionBodies "check_function_bodies" Kind::Bool, "on", User, false, BEHAVIOR, "Check routine bodies during CREATE FUNCTION and CREATE PROCEDURE.";
    SynchronizeSeqscans "synchronize_seqscans" Kind::Only(&["off"]), "off", User, false, COMPATIBILITY, "Scans start where another one is; here every scan starts at the first page.";
    EnableBitmapscan "enable_bitmapscan" Kind::Bool, "on", User, false, METHODS, "Lets the planner use bitmap scans.";
    EnableHashagg "enable_hashagg" Kind::Bool, "on", User, false, METHODS, "Lets the planner group by hashing.";
    EnableHashjoin "enable_hashjoin" Kind::Bool, "on", User, false, METHODS, "Lets the planner use hash joins.";
    EnableIndexonlyscan "enable_indexonlyscan" Kind::Bool, "on", User, false, METHODS, "Lets the planner use index-only scans.";
    EnableIndexscan "enable_indexscan" Kind::Bool, "on", User, false, METHODS, "Lets the planner use index scans.";
    EnableMaterial "enable_material" Kind::Bool, "on", User, false, METHODS, "Lets the planner keep rows for reading again.";
    EnableMergejoin "enable_mergejoin" Kind::Bool, "on", User, false, METHODS, "Lets the planner use merge joins.";
    EnableNestloop "enable_nestloop" Kind::Bool, "on", User, false, METHODS, "Lets the planner use nested loops.";
    EnableSeqscan "enable_seqscan" Kind::Bool, "on", User, false, METHODS, "Lets the planner read tables from end to end.";
    EnableSort "enable_sort" Kind::Bool, "on", User, false, METHODS, "Lets the planner sort.";
    EnableTidscan "enable_tidscan" Kind::Bool, "on", User, false, METHODS, "Lets the planner read rows by ctid.";
    SeqPageCost "seq_page_cost" Kind::Real(0.0, f64::MAX), "1", User, false, COSTS, "Cost of a page read in sequence.";
    RandomPageCost "random_page_cost" Kind::Real(0.0, f64::MAX), "4", User, false, COSTS, "Cost of a page read out of sequence.";
    CpuTupleCost "cpu_tuple_cost" Kind::Real(0.0, f64::MAX), "0.01", User, false, COSTS, "Cost of a row.";
    CpuIndexTupleCost "cpu_index_tuple_cost" Kind::Real(0.0, f64::MAX), "0.005", User, false, COSTS, "Cost of an index entry.";
    CpuOperatorCost "cpu_operator_cost" Kind::Real(0.0, f64::MAX), "0.0025", User, false, COSTS, "Cost of an operator or function call.";
    EffectiveCacheSize "effective_cache_size" Kind::Int(1, MAX_INT, Unit::Pages), "524288", User, false, COSTS, "Pages that are expected to be in memory.";
    MaintenanceWorkMem "maintenance_work_mem" Kind::Int(1024, MAX_INT, Unit::KB), "65536", User, false, "Resource Usage / Memory", "Memory of an index build's sort before it spills.";
    TempFileLimit "temp_file_limit" Kind::Int(-1, MAX_INT, Unit::KB), "-1", Superuser, false, "Resource Usage / Disk", "Temporary files that a session may have; -1 is no limit.";
    StatementMemory "redoubt.statement_memory" Kind::Int(1024, MAX_INT, Unit::KB), "1048576", Superuser, false, "Resource Usage / Memory", "Memory of a session's statements for what cannot be written to temporary files.";
    HashMemMultiplier "hash_mem_multiplier" Kind::Real(1.0, 1000.0), "2", User, false, "Resource Usage / Memory", "How many times work_mem a hash table may take.";
    CursorTupleFraction "cursor_tuple_fraction" Kind::Real(0.0, 1.0), "0.1", User, false, PLANNING, "Share of a cursor's rows that is expected to be fetched.";
    FromCollapseLimit "from_collapse_limit" Kind::Int(1, MAX_INT, Unit::None), "8", User, false, PLANNING, "FROM items above which subqueries are not pulled up.";
    JoinCollapseLimit "join_collapse_limit" Kind::Int(1, MAX_INT, Unit::None), "8", User, false, PLANNING, "FROM items above which explicit joins keep their order.";
    RedoubtExecutor "redoubt.executor" Kind::Enum(&["auto", "row", "datafusion"]), "auto", User, false, PLANNING, "Who runs queries: the row executor, DataFusion, or whichever the planner expects to be faster.";
    RedoubtDatafusionAboveCost "redoubt.datafusion_above_cost" Kind::Real(-1.0, f64::MAX), "10000", User, false, COSTS, "Estimated cost from which a query may run in DataFusion; -1 is never.";
    RedoubtDatafusionMem "redoubt.datafusion_mem" Kind::Int(1024, MAX_INT, Unit::KB), "262144", User, false, "Resource Usage / Memory", "The most memory that a query may take in DataFusion.";
}

impl Parameter {
    /// Its definition.
    pub fn definition(self) -> &'static Definition {
        &DEFINITIONS[self as usize]
    }

    /// Whether it tells of the machine the server runs on, which is not for every user to know
    /// (PostgreSQL's `GUC_SUPERUSER_ONLY`).
    pub fn tells_of_the_machine(self) -> bool {
        use Parameter::{ConfigFile, DataDirectory, HbaFile, UnixSocketDirectories};
        matches!(self, ConfigFile | DataDirectory | HbaFile | UnixSocketDirectories)
    }

    /// Looks a parameter up by name, whatever the case; `TIME ZONE`-like spellings are the
    /// statement layer's business.
    pub fn by_name(name: &str) -> Option<Parameter> {
        ALL.iter().copied().find(|parameter| parameter.definition().name.eq_ignore_ascii_case(name))
    }
}
