//! PostgreSQL's SQLSTATE codes under its own condition names (appendix "PostgreSQL Error Codes").

use std::fmt;

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Makes a code from its five characters; panics at compile time on anything else.
    pub const fn new(code: &str) -> Self {
        let b = code.as_bytes();
        assert!(b.len() == 5);
        SqlState([b[0], b[1], b[2], b[3], b[4]])
    }

    /// The five characters.
    pub fn as_str(&self) -> &str {
        // The constructors admit ASCII only.
        std::str::from_utf8(&self.0).expect("a SQLSTATE is ASCII")
    }

    /// The condition name, such as `division_by_zero`, if PostgreSQL has one.
    pub fn condition(&self) -> Option<&'static str> {
        code::ALL.iter().find(|(code, _)| code == self).map(|(_, name)| *name)
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The codes, one constant per condition name.
#[allow(missing_docs)]
pub mod code {
    use super::SqlState;

    pub const SUCCESSFUL_COMPLETION: SqlState = SqlState::new("00000");
    pub const WARNING: SqlState = SqlState::new("01000");
    pub const WARNING_DYNAMIC_RESULT_SETS_RETURNED: SqlState = SqlState::new("0100C");
    pub const WARNING_IMPLICIT_ZERO_BIT_PADDING: SqlState = SqlState::new("01008");
    pub const WARNING_NULL_VALUE_ELIMINATED_IN_SET_FUNCTION: SqlState = SqlState::new("01003");
    pub const WARNING_PRIVILEGE_NOT_GRANTED: SqlState = SqlState::new("01007");
    pub const WARNING_PRIVILEGE_NOT_REVOKED: SqlState = SqlState::new("01006");
    pub const WARNING_STRING_DATA_RIGHT_TRUNCATION: SqlState = SqlState::new("01004");
    pub const WARNING_DEPRECATED_FEATURE: SqlState = SqlState::new("01P01");
    pub const NO_DATA: SqlState = SqlState::new("02000");
    pub const NO_ADDITIONAL_DYNAMIC_RESULT_SETS_RETURNED: SqlState = SqlState::new("02001");
    pub const SQL_STATEMENT_NOT_YET_COMPLETE: SqlState = SqlState::new("03000");
    pub const CONNECTION_EXCEPTION: SqlState = SqlState::new("08000");
    pub const CONNECTION_DOES_NOT_EXIST: SqlState = SqlState::new("08003");
    pub const CONNECTION_FAILURE: SqlState = SqlState::new("08006");
    pub const SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION: SqlState = SqlState::new("08001");
    pub const SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION: SqlState = SqlState::new("08004");
    pub const TRANSACTION_RESOLUTION_UNKNOWN: SqlState = SqlState::new("08007");
    pub const PROTOCOL_VIOLATION: SqlState = SqlState::new("08P01");
    pub const TRIGGERED_ACTION_EXCEPTION: SqlState = SqlState::new("09000");
    pub const FEATURE_NOT_SUPPORTED: SqlState = SqlState::new("0A000");
    pub const INVALID_TRANSACTION_INITIATION: SqlState = SqlState::new("0B000");
    pub const LOCATOR_EXCEPTION: SqlState = SqlState::new("0F000");
    pub const L_E_INVALID_SPECIFICATION: SqlState = SqlState::new("0F001");
    pub const INVALID_GRANTOR: SqlState = SqlState::new("0L000");
    pub const INVALID_GRANT_OPERATION: SqlState = SqlState::new("0LP01");
    pub const INVALID_ROLE_SPECIFICATION: SqlState = SqlState::new("0P000");
    pub const DIAGNOSTICS_EXCEPTION: SqlState = SqlState::new("0Z000");
    pub const STACKED_DIAGNOSTICS_ACCESSED_WITHOUT_ACTIVE_HANDLER: SqlState = SqlState::new("0Z002");
    pub const CASE_NOT_FOUND: SqlState = SqlState::new("20000");
    pub const CARDINALITY_VIOLATION: SqlState = SqlState::new("21000");
    pub const DATA_EXCEPTION: SqlState = SqlState::new("22000");
    pub const ARRAY_ELEMENT_ERROR: SqlState = SqlState::new("2202E");
    pub const ARRAY_SUBSCRIPT_ERROR: SqlState = SqlState::new("2202E");
    pub const CHARACTER_NOT_IN_REPERTOIRE: SqlState = SqlState::new("22021");
    pub const DATETIME_FIELD_OVERFLOW: SqlState = SqlState::new("22008");
    pub const DATETIME_VALUE_OUT_OF_RANGE: SqlState = SqlState::new("22008");
    pub const DIVISION_BY_ZERO: SqlState = SqlState::new("22012");
    pub const ERROR_IN_ASSIGNMENT: SqlState = SqlState::new("22005");
    pub const ESCAPE_CHARACTER_CONFLICT: SqlState = SqlState::new("2200B");
    pub const INDICATOR_OVERFLOW: SqlState = SqlState::new("22022");
    pub const INTERVAL_FIELD_OVERFLOW: SqlState = SqlState::new("22015");
    pub const INVALID_ARGUMENT_FOR_LOG: SqlState = SqlState::new("2201E");
    pub const INVALID_ARGUMENT_FOR_NTILE: SqlState = SqlState::new("22014");
    pub const INVALID_ARGUMENT_FOR_NTH_VALUE: SqlState = SqlState::new("22016");
    pub const INVALID_ARGUMENT_FOR_POWER_FUNCTION: SqlState = SqlState::new("2201F");
    pub const INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION: SqlState = SqlState::new("2201G");
    pub const INVALID_CHARACTER_VALUE_FOR_CAST: SqlState = SqlState::new("22018");
    pub const INVALID_DATETIME_FORMAT: SqlState = SqlState::new("22007");
    pub const INVALID_ESCAPE_CHARACTER: SqlState = SqlState::new("22019");
    pub const INVALID_ESCAPE_OCTET: SqlState = SqlState::new("2200D");
    pub const INVALID_ESCAPE_SEQUENCE: SqlState = SqlState::new("22025");
    pub const NONSTANDARD_USE_OF_ESCAPE_CHARACTER: SqlState = SqlState::new("22P06");
    pub const INVALID_INDICATOR_PARAMETER_VALUE: SqlState = SqlState::new("22010");
    pub const INVALID_PARAMETER_VALUE: SqlState = SqlState::new("22023");
    pub const INVALID_PRECEDING_OR_FOLLOWING_SIZE: SqlState = SqlState::new("22013");
    pub const INVALID_REGULAR_EXPRESSION: SqlState = SqlState::new("2201B");
    pub const INVALID_ROW_COUNT_IN_LIMIT_CLAUSE: SqlState = SqlState::new("2201W");
    pub const INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE: SqlState = SqlState::new("2201X");
    pub const INVALID_TABLESAMPLE_ARGUMENT: SqlState = SqlState::new("2202H");
    pub const INVALID_TABLESAMPLE_REPEAT: SqlState = SqlState::new("2202G");
    pub const INVALID_TIME_ZONE_DISPLACEMENT_VALUE: SqlState = SqlState::new("22009");
    pub const INVALID_USE_OF_ESCAPE_CHARACTER: SqlState = SqlState::new("2200C");
    pub const MOST_SPECIFIC_TYPE_MISMATCH: SqlState = SqlState::new("2200G");
    pub const NULL_VALUE_NOT_ALLOWED: SqlState = SqlState::new("22004");
    pub const NULL_VALUE_NO_INDICATOR_PARAMETER: SqlState = SqlState::new("22002");
    pub const NUMERIC_VALUE_OUT_OF_RANGE: SqlState = SqlState::new("22003");
    pub const SEQUENCE_GENERATOR_LIMIT_EXCEEDED: SqlState = SqlState::new("2200H");
    pub const STRING_DATA_LENGTH_MISMATCH: SqlState = SqlState::new("22026");
    pub const STRING_DATA_RIGHT_TRUNCATION: SqlState = SqlState::new("22001");
    pub const SUBSTRING_ERROR: SqlState = SqlState::new("22011");
    pub const TRIM_ERROR: SqlState = SqlState::new("22027");
    pub const UNTERMINATED_C_STRING: SqlState = SqlState::new("22024");
    pub const ZERO_LENGTH_CHARACTER_STRING: SqlState = SqlState::new("2200F");
    pub const FLOATING_POINT_EXCEPTION: SqlState = SqlState::new("22P01");
    pub const INVALID_TEXT_REPRESENTATION: SqlState = SqlState::new("22P02");
    pub const INVALID_BINARY_REPRESENTATION: SqlState = SqlState::new("22P03");
    pub const BAD_COPY_FILE_FORMAT: SqlState = SqlState::new("22P04");
    pub const UNTRANSLATABLE_CHARACTER: SqlState = SqlState::new("22P05");
    pub const NOT_AN_XML_DOCUMENT: SqlState = SqlState::new("2200L");
    pub const INVALID_XML_DOCUMENT: SqlState = SqlState::new("2200M");
    pub const INVALID_XML_CONTENT: SqlState = SqlState::new("2200N");
    pub const INVALID_XML_COMMENT: SqlState = SqlState::new("2200S");
    pub const INVALID_XML_PROCESSING_INSTRUCTION: SqlState = SqlState::new("2200T");
    pub const DUPLICATE_JSON_OBJECT_KEY_VALUE: SqlState = SqlState::new("22030");
    pub const INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION: SqlState = SqlState::new("22031");
    pub const INVALID_JSON_TEXT: SqlState = SqlState::new("22032");
    pub const INVALID_SQL_JSON_SUBSCRIPT: SqlState = SqlState::new("22033");
    pub const MORE_THAN_ONE_SQL_JSON_ITEM: SqlState = SqlState::new("22034");
    pub const NO_SQL_JSON_ITEM: SqlState = SqlState::new("22035");
    pub const NON_NUMERIC_SQL_JSON_ITEM: SqlState = SqlState::new("22036");
    pub const NON_UNIQUE_KEYS_IN_A_JSON_OBJECT: SqlState = SqlState::new("22037");
    pub const SINGLETON_SQL_JSON_ITEM_REQUIRED: SqlState = SqlState::new("22038");
    pub const SQL_JSON_ARRAY_NOT_FOUND: SqlState = SqlState::new("22039");
    pub const SQL_JSON_MEMBER_NOT_FOUND: SqlState = SqlState::new("2203A");
    pub const SQL_JSON_NUMBER_NOT_FOUND: SqlState = SqlState::new("2203B");
    pub const SQL_JSON_OBJECT_NOT_FOUND: SqlState = SqlState::new("2203C");
    pub const TOO_MANY_JSON_ARRAY_ELEMENTS: SqlState = SqlState::new("2203D");
    pub const TOO_MANY_JSON_OBJECT_MEMBERS: SqlState = SqlState::new("2203E");
    pub const SQL_JSON_SCALAR_REQUIRED: SqlState = SqlState::new("2203F");
    pub const SQL_JSON_ITEM_CANNOT_BE_CAST_TO_TARGET_TYPE: SqlState = SqlState::new("2203G");
    pub const INTEGRITY_CONSTRAINT_VIOLATION: SqlState = SqlState::new("23000");
    pub const RESTRICT_VIOLATION: SqlState = SqlState::new("23001");
    pub const NOT_NULL_VIOLATION: SqlState = SqlState::new("23502");
    pub const FOREIGN_KEY_VIOLATION: SqlState = SqlState::new("23503");
    pub const UNIQUE_VIOLATION: SqlState = SqlState::new("23505");
    pub const CHECK_VIOLATION: SqlState = SqlState::new("23514");
    pub const EXCLUSION_VIOLATION: SqlState = SqlState::new("23P01");
    pub const INVALID_CURSOR_STATE: SqlState = SqlState::new("24000");
    pub const INVALID_TRANSACTION_STATE: SqlState = SqlState::new("25000");
    pub const ACTIVE_SQL_TRANSACTION: SqlState = SqlState::new("25001");
    pub const BRANCH_TRANSACTION_ALREADY_ACTIVE: SqlState = SqlState::new("25002");
    pub const HELD_CURSOR_REQUIRES_SAME_ISOLATION_LEVEL: SqlState = SqlState::new("25008");
    pub const INAPPROPRIATE_ACCESS_MODE_FOR_BRANCH_TRANSACTION: SqlState = SqlState::new("25003");
    pub const INAPPROPRIATE_ISOLATION_LEVEL_FOR_BRANCH_TRANSACTION: SqlState = SqlState::new("25004");
    pub const NO_ACTIVE_SQL_TRANSACTION_FOR_BRANCH_TRANSACTION: SqlState = SqlState::new("25005");
    pub const READ_ONLY_SQL_TRANSACTION: SqlState = SqlState::new("25006");
    pub const SCHEMA_AND_DATA_STATEMENT_MIXING_NOT_SUPPORTED: SqlState = SqlState::new("25007");
    pub const NO_ACTIVE_SQL_TRANSACTION: SqlState = SqlState::new("25P01");
    pub const IN_FAILED_SQL_TRANSACTION: SqlState = SqlState::new("25P02");
    pub const IDLE_IN_TRANSACTION_SESSION_TIMEOUT: SqlState = SqlState::new("25P03");
    pub const INVALID_SQL_STATEMENT_NAME: SqlState = SqlState::new("26000");
    pub const TRIGGERED_DATA_CHANGE_VIOLATION: SqlState = SqlState::new("27000");
    pub const INVALID_AUTHORIZATION_SPECIFICATION: SqlState = SqlState::new("28000");
    pub const INVALID_PASSWORD: SqlState = SqlState::new("28P01");
    pub const DEPENDENT_PRIVILEGE_DESCRIPTORS_STILL_EXIST: SqlState = SqlState::new("2B000");
    pub const DEPENDENT_OBJECTS_STILL_EXIST: SqlState = SqlState::new("2BP01");
    pub const INVALID_TRANSACTION_TERMINATION: SqlState = SqlState::new("2D000");
    pub const SQL_ROUTINE_EXCEPTION: SqlState = SqlState::new("2F000");
    pub const S_R_E_FUNCTION_EXECUTED_NO_RETURN_STATEMENT: SqlState = SqlState::new("2F005");
    pub const S_R_E_MODIFYING_SQL_DATA_NOT_PERMITTED: SqlState = SqlState::new("2F002");
    pub const S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED: SqlState = SqlState::new("2F003");
    pub const S_R_E_READING_SQL_DATA_NOT_PERMITTED: SqlState = SqlState::new("2F004");
    pub const INVALID_CURSOR_NAME: SqlState = SqlState::new("34000");
    pub const EXTERNAL_ROUTINE_EXCEPTION: SqlState = SqlState::new("38000");
    pub const E_R_E_CONTAINING_SQL_NOT_PERMITTED: SqlState = SqlState::new("38001");
    pub const E_R_E_MODIFYING_SQL_DATA_NOT_PERMITTED: SqlState = SqlState::new("38002");
    pub const E_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED: SqlState = SqlState::new("38003");
    pub const E_R_E_READING_SQL_DATA_NOT_PERMITTED: SqlState = SqlState::new("38004");
    pub const EXTERNAL_ROUTINE_INVOCATION_EXCEPTION: SqlState = SqlState::new("39000");
    pub const E_R_I_E_INVALID_SQLSTATE_RETURNED: SqlState = SqlState::new("39001");
    pub const E_R_I_E_NULL_VALUE_NOT_ALLOWED: SqlState = SqlState::new("39004");
    pub const E_R_I_E_TRIGGER_PROTOCOL_VIOLATED: SqlState = SqlState::new("39P01");
    pub const E_R_I_E_SRF_PROTOCOL_VIOLATED: SqlState = SqlState::new("39P02");
    pub const E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED: SqlState = SqlState::new("39P03");
    pub const SAVEPOINT_EXCEPTION: SqlState = SqlState::new("3B000");
    pub const S_E_INVALID_SPECIFICATION: SqlState = SqlState::new("3B001");
    pub const INVALID_CATALOG_NAME: SqlState = SqlState::new("3D000");
    pub const INVALID_SCHEMA_NAME: SqlState = SqlState::new("3F000");
    pub const TRANSACTION_ROLLBACK: SqlState = SqlState::new("40000");
    pub const T_R_INTEGRITY_CONSTRAINT_VIOLATION: SqlState = SqlState::new("40002");
    pub const T_R_SERIALIZATION_FAILURE: SqlState = SqlState::new("40001");
    pub const T_R_STATEMENT_COMPLETION_UNKNOWN: SqlState = SqlState::new("40003");
    pub const T_R_DEADLOCK_DETECTED: SqlState = SqlState::new("40P01");
    pub const SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION: SqlState = SqlState::new("42000");
    pub const SYNTAX_ERROR: SqlState = SqlState::new("42601");
    pub const INSUFFICIENT_PRIVILEGE: SqlState = SqlState::new("42501");
    pub const CANNOT_COERCE: SqlState = SqlState::new("42846");
    pub const GROUPING_ERROR: SqlState = SqlState::new("42803");
    pub const WINDOWING_ERROR: SqlState = SqlState::new("42P20");
    pub const INVALID_RECURSION: SqlState = SqlState::new("42P19");
    pub const INVALID_FOREIGN_KEY: SqlState = SqlState::new("42830");
    pub const INVALID_NAME: SqlState = SqlState::new("42602");
    pub const NAME_TOO_LONG: SqlState = SqlState::new("42622");
    pub const RESERVED_NAME: SqlState = SqlState::new("42939");
    pub const DATATYPE_MISMATCH: SqlState = SqlState::new("42804");
    pub const INDETERMINATE_DATATYPE: SqlState = SqlState::new("42P18");
    pub const COLLATION_MISMATCH: SqlState = SqlState::new("42P21");
    pub const INDETERMINATE_COLLATION: SqlState = SqlState::new("42P22");
    pub const WRONG_OBJECT_TYPE: SqlState = SqlState::new("42809");
    pub const GENERATED_ALWAYS: SqlState = SqlState::new("428C9");
    pub const UNDEFINED_COLUMN: SqlState = SqlState::new("42703");
    pub const UNDEFINED_CURSOR: SqlState = SqlState::new("34000");
    pub const UNDEFINED_DATABASE: SqlState = SqlState::new("3D000");
    pub const UNDEFINED_FUNCTION: SqlState = SqlState::new("42883");
    pub const UNDEFINED_PSTATEMENT: SqlState = SqlState::new("26000");
    pub const UNDEFINED_SCHEMA: SqlState = SqlState::new("3F000");
    pub const UNDEFINED_TABLE: SqlState = SqlState::new("42P01");
    pub const UNDEFINED_PARAMETER: SqlState = SqlState::new("42P02");
    pub const UNDEFINED_OBJECT: SqlState = SqlState::new("42704");
    pub const DUPLICATE_COLUMN: SqlState = SqlState::new("42701");
    pub const DUPLICATE_CURSOR: SqlState = SqlState::new("42P03");
    pub const DUPLICATE_DATABASE: SqlState = SqlState::new("42P04");
    pub const DUPLICATE_FUNCTION: SqlState = SqlState::new("42723");
    pub const DUPLICATE_PSTATEMENT: SqlState = SqlState::new("42P05");
    pub const DUPLICATE_SCHEMA: SqlState = SqlState::new("42P06");
    pub const DUPLICATE_TABLE: SqlState = SqlState::new("42P07");
    pub const DUPLICATE_ALIAS: SqlState = SqlState::new("42712");
    pub const DUPLICATE_OBJECT: SqlState = SqlState::new("42710");
    pub const AMBIGUOUS_COLUMN: SqlState = SqlState::new("42702");
    pub const AMBIGUOUS_FUNCTION: SqlState = SqlState::new("42725");
    pub const AMBIGUOUS_PARAMETER: SqlState = SqlState::new("42P08");
    pub const AMBIGUOUS_ALIAS: SqlState = SqlState::new("42P09");
    pub const INVALID_COLUMN_REFERENCE: SqlState = SqlState::new("42P10");
    pub const INVALID_COLUMN_DEFINITION: SqlState = SqlState::new("42611");
    pub const INVALID_CURSOR_DEFINITION: SqlState = SqlState::new("42P11");
    pub const INVALID_DATABASE_DEFINITION: SqlState = SqlState::new("42P12");
    pub const INVALID_FUNCTION_DEFINITION: SqlState = SqlState::new("42P13");
    pub const INVALID_PSTATEMENT_DEFINITION: SqlState = SqlState::new("42P14");
    pub const INVALID_SCHEMA_DEFINITION: SqlState = SqlState::new("42P15");
    pub const INVALID_TABLE_DEFINITION: SqlState = SqlState::new("42P16");
    pub const INVALID_OBJECT_DEFINITION: SqlState = SqlState::new("42P17");
    pub const WITH_CHECK_OPTION_VIOLATION: SqlState = SqlState::new("44000");
    pub const INSUFFICIENT_RESOURCES: SqlState = SqlState::new("53000");
    pub const DISK_FULL: SqlState = SqlState::new("53100");
    pub const OUT_OF_MEMORY: SqlState = SqlState::new("53200");
    pub const TOO_MANY_CONNECTIONS: SqlState = SqlState::new("53300");
    pub const CONFIGURATION_LIMIT_EXCEEDED: SqlState = SqlState::new("53400");
    pub const PROGRAM_LIMIT_EXCEEDED: SqlState = SqlState::new("54000");
    pub const STATEMENT_TOO_COMPLEX: SqlState = SqlState::new("54001");
    pub const TOO_MANY_COLUMNS: SqlState = SqlState::new("54011");
    pub const TOO_MANY_ARGUMENTS: SqlState = SqlState::new("54023");
    pub const OBJECT_NOT_IN_PREREQUISITE_STATE: SqlState = SqlState::new("55000");
    pub const OBJECT_IN_USE: SqlState = SqlState::new("55006");
    pub const CANT_CHANGE_RUNTIME_PARAM: SqlState = SqlState::new("55P02");
    pub const LOCK_NOT_AVAILABLE: SqlState = SqlState::new("55P03");
    pub const UNSAFE_NEW_ENUM_VALUE_USAGE: SqlState = SqlState::new("55P04");
    pub const OPERATOR_INTERVENTION: SqlState = SqlState::new("57000");
    pub const QUERY_CANCELED: SqlState = SqlState::new("57014");
    pub const ADMIN_SHUTDOWN: SqlState = SqlState::new("57P01");
    pub const CRASH_SHUTDOWN: SqlState = SqlState::new("57P02");
    pub const CANNOT_CONNECT_NOW: SqlState = SqlState::new("57P03");
    pub const DATABASE_DROPPED: SqlState = SqlState::new("57P04");
    pub const IDLE_SESSION_TIMEOUT: SqlState = SqlState::new("57P05");
    pub const SYSTEM_ERROR: SqlState = SqlState::new("58000");
    pub const IO_ERROR: SqlState = SqlState::new("58030");
    pub const UNDEFINED_FILE: SqlState = SqlState::new("58P01");
    pub const DUPLICATE_FILE: SqlState = SqlState::new("58P02");
    pub const SNAPSHOT_TOO_OLD: SqlState = SqlState::new("72000");
    pub const CONFIG_FILE_ERROR: SqlState = SqlState::new("F0000");
    pub const LOCK_FILE_EXISTS: SqlState = SqlState::new("F0001");
    pub const FDW_ERROR: SqlState = SqlState::new("HV000");
    pub const FDW_COLUMN_NAME_NOT_FOUND: SqlState = SqlState::new("HV005");
    pub const FDW_DYNAMIC_PARAMETER_VALUE_NEEDED: SqlState = SqlState::new("HV002");
    pub const FDW_FUNCTION_SEQUENCE_ERROR: SqlState = SqlState::new("HV010");
    pub const FDW_INCONSISTENT_DESCRIPTOR_INFORMATION: SqlState = SqlState::new("HV021");
    pub const FDW_INVALID_ATTRIBUTE_VALUE: SqlState = SqlState::new("HV024");
    pub const FDW_INVALID_COLUMN_NAME: SqlState = SqlState::new("HV007");
    pub const FDW_INVALID_COLUMN_NUMBER: SqlState = SqlState::new("HV008");
    pub const FDW_INVALID_DATA_TYPE: SqlState = SqlState::new("HV004");
    pub const FDW_INVALID_DATA_TYPE_DESCRIPTORS: SqlState = SqlState::new("HV006");
    pub const FDW_INVALID_DESCRIPTOR_FIELD_IDENTIFIER: SqlState = SqlState::new("HV091");
    pub const FDW_INVALID_HANDLE: SqlState = SqlState::new("HV00B");
    pub const FDW_INVALID_OPTION_INDEX: SqlState = SqlState::new("HV00C");
    pub const FDW_INVALID_OPTION_NAME: SqlState = SqlState::new("HV00D");
    pub const FDW_INVALID_STRING_LENGTH_OR_BUFFER_LENGTH: SqlState = SqlState::new("HV090");
    pub const FDW_INVALID_STRING_FORMAT: SqlState = SqlState::new("HV00A");
    pub const FDW_INVALID_USE_OF_NULL_POINTER: SqlState = SqlState::new("HV009");
    pub const FDW_TOO_MANY_HANDLES: SqlState = SqlState::new("HV014");
    pub const FDW_OUT_OF_MEMORY: SqlState = SqlState::new("HV001");
    pub const FDW_NO_SCHEMAS: SqlState = SqlState::new("HV00P");
    pub const FDW_OPTION_NAME_NOT_FOUND: SqlState = SqlState::new("HV00J");
    pub const FDW_REPLY_HANDLE: SqlState = SqlState::new("HV00K");
    pub const FDW_SCHEMA_NOT_FOUND: SqlState = SqlState::new("HV00Q");
    pub const FDW_TABLE_NOT_FOUND: SqlState = SqlState::new("HV00R");
    pub const FDW_UNABLE_TO_CREATE_EXECUTION: SqlState = SqlState::new("HV00L");
    pub const FDW_UNABLE_TO_CREATE_REPLY: SqlState = SqlState::new("HV00M");
    pub const FDW_UNABLE_TO_ESTABLISH_CONNECTION: SqlState = SqlState::new("HV00N");
    pub const PLPGSQL_ERROR: SqlState = SqlState::new("P0000");
    pub const RAISE_EXCEPTION: SqlState = SqlState::new("P0001");
    pub const NO_DATA_FOUND: SqlState = SqlState::new("P0002");
    pub const TOO_MANY_ROWS: SqlState = SqlState::new("P0003");
    pub const ASSERT_FAILURE: SqlState = SqlState::new("P0004");
    pub const INTERNAL_ERROR: SqlState = SqlState::new("XX000");
    pub const DATA_CORRUPTED: SqlState = SqlState::new("XX001");
    pub const INDEX_CORRUPTED: SqlState = SqlState::new("XX002");

    /// Every code with its condition name.
    pub static ALL: &[(SqlState, &str)] = &[
        (SUCCESSFUL_COMPLETION, "successful_completion"),
        (WARNING, "warning"),
        (WARNING_DYNAMIC_RESULT_SETS_RETURNED, "warning_dynamic_result_sets_returned"),
        (WARNING_IMPLICIT_ZERO_BIT_PADDING, "warning_implicit_zero_bit_padding"),
        (WARNING_NULL_VALUE_ELIMINATED_IN_SET_FUNCTION, "warning_null_value_eliminated_in_set_function"),
        (WARNING_PRIVILEGE_NOT_GRANTED, "warning_privilege_not_granted"),
        (WARNING_PRIVILEGE_NOT_REVOKED, "warning_privilege_not_revoked"),
        (WARNING_STRING_DATA_RIGHT_TRUNCATION, "warning_string_data_right_truncation"),
        (WARNING_DEPRECATED_FEATURE, "warning_deprecated_feature"),
        (NO_DATA, "no_data"),
        (NO_ADDITIONAL_DYNAMIC_RESULT_SETS_RETURNED, "no_additional_dynamic_result_sets_returned"),
        (SQL_STATEMENT_NOT_YET_COMPLETE, "sql_statement_not_yet_complete"),
        (CONNECTION_EXCEPTION, "connection_exception"),
        (CONNECTION_DOES_NOT_EXIST, "connection_does_not_exist"),
        (CONNECTION_FAILURE, "connection_failure"),
        (SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION, "sqlclient_unable_to_establish_sqlconnection"),
        (
            SQLSERVER_REJECTED_ESTABLISHMENT_OF_SQLCONNECTION,
            "sqlserver_rejected_establishment_of_sqlconnection",
        ),
        (TRANSACTION_RESOLUTION_UNKNOWN, "transaction_resolution_unknown"),
        (PROTOCOL_VIOLATION, "protocol_violation"),
        (TRIGGERED_ACTION_EXCEPTION, "triggered_action_exception"),
        (FEATURE_NOT_SUPPORTED, "feature_not_supported"),
        (INVALID_TRANSACTION_INITIATION, "invalid_transaction_initiation"),
        (LOCATOR_EXCEPTION, "locator_exception"),
        (L_E_INVALID_SPECIFICATION, "l_e_invalid_specification"),
        (INVALID_GRANTOR, "invalid_grantor"),
        (INVALID_GRANT_OPERATION, "invalid_grant_operation"),
        (INVALID_ROLE_SPECIFICATION, "invalid_role_specification"),
        (DIAGNOSTICS_EXCEPTION, "diagnostics_exception"),
        (
            STACKED_DIAGNOSTICS_ACCESSED_WITHOUT_ACTIVE_HANDLER,
            "stacked_diagnostics_accessed_without_active_handler",
        ),
        (CASE_NOT_FOUND, "case_not_found"),
        (CARDINALITY_VIOLATION, "cardinality_violation"),
        (DATA_EXCEPTION, "data_exception"),
        (ARRAY_ELEMENT_ERROR, "array_element_error"),
        (ARRAY_SUBSCRIPT_ERROR, "array_subscript_error"),
        (CHARACTER_NOT_IN_REPERTOIRE, "character_not_in_repertoire"),
        (DATETIME_FIELD_OVERFLOW, "datetime_field_overflow"),
        (DATETIME_VALUE_OUT_OF_RANGE, "datetime_value_out_of_range"),
        (DIVISION_BY_ZERO, "division_by_zero"),
        (ERROR_IN_ASSIGNMENT, "error_in_assignment"),
        (ESCAPE_CHARACTER_CONFLICT, "escape_character_conflict"),
        (INDICATOR_OVERFLOW, "indicator_overflow"),
        (INTERVAL_FIELD_OVERFLOW, "interval_field_overflow"),
        (INVALID_ARGUMENT_FOR_LOG, "invalid_argument_for_log"),
        (INVALID_ARGUMENT_FOR_NTILE, "invalid_argument_for_ntile"),
        (INVALID_ARGUMENT_FOR_NTH_VALUE, "invalid_argument_for_nth_value"),
        (INVALID_ARGUMENT_FOR_POWER_FUNCTION, "invalid_argument_for_power_function"),
        (INVALID_ARGUMENT_FOR_WIDTH_BUCKET_FUNCTION, "invalid_argument_for_width_bucket_function"),
        (INVALID_CHARACTER_VALUE_FOR_CAST, "invalid_character_value_for_cast"),
        (INVALID_DATETIME_FORMAT, "invalid_datetime_format"),
        (INVALID_ESCAPE_CHARACTER, "invalid_escape_character"),
        (INVALID_ESCAPE_OCTET, "invalid_escape_octet"),
        (INVALID_ESCAPE_SEQUENCE, "invalid_escape_sequence"),
        (NONSTANDARD_USE_OF_ESCAPE_CHARACTER, "nonstandard_use_of_escape_character"),
        (INVALID_INDICATOR_PARAMETER_VALUE, "invalid_indicator_parameter_value"),
        (INVALID_PARAMETER_VALUE, "invalid_parameter_value"),
        (INVALID_PRECEDING_OR_FOLLOWING_SIZE, "invalid_preceding_or_following_size"),
        (INVALID_REGULAR_EXPRESSION, "invalid_regular_expression"),
        (INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "invalid_row_count_in_limit_clause"),
        (INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "invalid_row_count_in_result_offset_clause"),
        (INVALID_TABLESAMPLE_ARGUMENT, "invalid_tablesample_argument"),
        (INVALID_TABLESAMPLE_REPEAT, "invalid_tablesample_repeat"),
        (INVALID_TIME_ZONE_DISPLACEMENT_VALUE, "invalid_time_zone_displacement_value"),
        (INVALID_USE_OF_ESCAPE_CHARACTER, "invalid_use_of_escape_character"),
        (MOST_SPECIFIC_TYPE_MISMATCH, "most_specific_type_mismatch"),
        (NULL_VALUE_NOT_ALLOWED, "null_value_not_allowed"),
        (NULL_VALUE_NO_INDICATOR_PARAMETER, "null_value_no_indicator_parameter"),
        (NUMERIC_VALUE_OUT_OF_RANGE, "numeric_value_out_of_range"),
        (SEQUENCE_GENERATOR_LIMIT_EXCEEDED, "sequence_generator_limit_exceeded"),
        (STRING_DATA_LENGTH_MISMATCH, "string_data_length_mismatch"),
        (STRING_DATA_RIGHT_TRUNCATION, "string_data_right_truncation"),
        (SUBSTRING_ERROR, "substring_error"),
        (TRIM_ERROR, "trim_error"),
        (UNTERMINATED_C_STRING, "unterminated_c_string"),
        (ZERO_LENGTH_CHARACTER_STRING, "zero_length_character_string"),
        (FLOATING_POINT_EXCEPTION, "floating_point_exception"),
        (INVALID_TEXT_REPRESENTATION, "invalid_text_representation"),
        (INVALID_BINARY_REPRESENTATION, "invalid_binary_representation"),
        (BAD_COPY_FILE_FORMAT, "bad_copy_file_format"),
        (UNTRANSLATABLE_CHARACTER, "untranslatable_character"),
        (NOT_AN_XML_DOCUMENT, "not_an_xml_document"),
        (INVALID_XML_DOCUMENT, "invalid_xml_document"),
        (INVALID_XML_CONTENT, "invalid_xml_content"),
        (INVALID_XML_COMMENT, "invalid_xml_comment"),
        (INVALID_XML_PROCESSING_INSTRUCTION, "invalid_xml_processing_instruction"),
        (DUPLICATE_JSON_OBJECT_KEY_VALUE, "duplicate_json_object_key_value"),
        (INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION, "invalid_argument_for_sql_json_datetime_function"),
        (INVALID_JSON_TEXT, "invalid_json_text"),
        (INVALID_SQL_JSON_SUBSCRIPT, "invalid_sql_json_subscript"),
        (MORE_THAN_ONE_SQL_JSON_ITEM, "more_than_one_sql_json_item"),
        (NO_SQL_JSON_ITEM, "no_sql_json_item"),
        (NON_NUMERIC_SQL_JSON_ITEM, "non_numeric_sql_json_item"),
        (NON_UNIQUE_KEYS_IN_A_JSON_OBJECT, "non_unique_keys_in_a_json_object"),
        (SINGLETON_SQL_JSON_ITEM_REQUIRED, "singleton_sql_json_item_required"),
        (SQL_JSON_ARRAY_NOT_FOUND, "sql_json_array_not_found"),
        (SQL_JSON_MEMBER_NOT_FOUND, "sql_json_member_not_found"),
        (SQL_JSON_NUMBER_NOT_FOUND, "sql_json_number_not_found"),
        (SQL_JSON_OBJECT_NOT_FOUND, "sql_json_object_not_found"),
        (TOO_MANY_JSON_ARRAY_ELEMENTS, "too_many_json_array_elements"),
        (TOO_MANY_JSON_OBJECT_MEMBERS, "too_many_json_object_members"),
        (SQL_JSON_SCALAR_REQUIRED, "sql_json_scalar_required"),
        (SQL_JSON_ITEM_CANNOT_BE_CAST_TO_TARGET_TYPE, "sql_json_item_cannot_be_cast_to_target_type"),
        (INTEGRITY_CONSTRAINT_VIOLATION, "integrity_constraint_violation"),
        (RESTRICT_VIOLATION, "restrict_violation"),
        (NOT_NULL_VIOLATION, "not_null_violation"),
        (FOREIGN_KEY_VIOLATION, "foreign_key_violation"),
        (UNIQUE_VIOLATION, "unique_violation"),
        (CHECK_VIOLATION, "check_violation"),
        (EXCLUSION_VIOLATION, "exclusion_violation"),
        (INVALID_CURSOR_STATE, "invalid_cursor_state"),
        (INVALID_TRANSACTION_STATE, "invalid_transaction_state"),
        (ACTIVE_SQL_TRANSACTION, "active_sql_transaction"),
        (BRANCH_TRANSACTION_ALREADY_ACTIVE, "branch_transaction_already_active"),
        (HELD_CURSOR_REQUIRES_SAME_ISOLATION_LEVEL, "held_cursor_requires_same_isolation_level"),
        (
            INAPPROPRIATE_ACCESS_MODE_FOR_BRANCH_TRANSACTION,
            "inappropriate_access_mode_for_branch_transaction",
        ),
        (
            INAPPROPRIATE_ISOLATION_LEVEL_FOR_BRANCH_TRANSACTION,
            "inappropriate_isolation_level_for_branch_transaction",
        ),
        (
            NO_ACTIVE_SQL_TRANSACTION_FOR_BRANCH_TRANSACTION,
            "no_active_sql_transaction_for_branch_transaction",
        ),
        (READ_ONLY_SQL_TRANSACTION, "read_only_sql_transaction"),
        (SCHEMA_AND_DATA_STATEMENT_MIXING_NOT_SUPPORTED, "schema_and_data_statement_mixing_not_supported"),
        (NO_ACTIVE_SQL_TRANSACTION, "no_active_sql_transaction"),
        (IN_FAILED_SQL_TRANSACTION, "in_failed_sql_transaction"),
        (IDLE_IN_TRANSACTION_SESSION_TIMEOUT, "idle_in_transaction_session_timeout"),
        (INVALID_SQL_STATEMENT_NAME, "invalid_sql_statement_name"),
        (TRIGGERED_DATA_CHANGE_VIOLATION, "triggered_data_change_violation"),
        (INVALID_AUTHORIZATION_SPECIFICATION, "invalid_authorization_specification"),
        (INVALID_PASSWORD, "invalid_password"),
        (DEPENDENT_PRIVILEGE_DESCRIPTORS_STILL_EXIST, "dependent_privilege_descriptors_still_exist"),
        (DEPENDENT_OBJECTS_STILL_EXIST, "dependent_objects_still_exist"),
        (INVALID_TRANSACTION_TERMINATION, "invalid_transaction_termination"),
        (SQL_ROUTINE_EXCEPTION, "sql_routine_exception"),
        (S_R_E_FUNCTION_EXECUTED_NO_RETURN_STATEMENT, "s_r_e_function_executed_no_return_statement"),
        (S_R_E_MODIFYING_SQL_DATA_NOT_PERMITTED, "s_r_e_modifying_sql_data_not_permitted"),
        (S_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED, "s_r_e_prohibited_sql_statement_attempted"),
        (S_R_E_READING_SQL_DATA_NOT_PERMITTED, "s_r_e_reading_sql_data_not_permitted"),
        (INVALID_CURSOR_NAME, "invalid_cursor_name"),
        (EXTERNAL_ROUTINE_EXCEPTION, "external_routine_exception"),
        (E_R_E_CONTAINING_SQL_NOT_PERMITTED, "e_r_e_containing_sql_not_permitted"),
        (E_R_E_MODIFYING_SQL_DATA_NOT_PERMITTED, "e_r_e_modifying_sql_data_not_permitted"),
        (E_R_E_PROHIBITED_SQL_STATEMENT_ATTEMPTED, "e_r_e_prohibited_sql_statement_attempted"),
        (E_R_E_READING_SQL_DATA_NOT_PERMITTED, "e_r_e_reading_sql_data_not_permitted"),
        (EXTERNAL_ROUTINE_INVOCATION_EXCEPTION, "external_routine_invocation_exception"),
        (E_R_I_E_INVALID_SQLSTATE_RETURNED, "e_r_i_e_invalid_sqlstate_returned"),
        (E_R_I_E_NULL_VALUE_NOT_ALLOWED, "e_r_i_e_null_value_not_allowed"),
        (E_R_I_E_TRIGGER_PROTOCOL_VIOLATED, "e_r_i_e_trigger_protocol_violated"),
        (E_R_I_E_SRF_PROTOCOL_VIOLATED, "e_r_i_e_srf_protocol_violated"),
        (E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED, "e_r_i_e_event_trigger_protocol_violated"),
        (SAVEPOINT_EXCEPTION, "savepoint_exception"),
        (S_E_INVALID_SPECIFICATION, "s_e_invalid_specification"),
        (INVALID_CATALOG_NAME, "invalid_catalog_name"),
        (INVALID_SCHEMA_NAME, "invalid_schema_name"),
        (TRANSACTION_ROLLBACK, "transaction_rollback"),
        (T_R_INTEGRITY_CONSTRAINT_VIOLATION, "t_r_integrity_constraint_violation"),
        (T_R_SERIALIZATION_FAILURE, "t_r_serialization_failure"),
        (T_R_STATEMENT_COMPLETION_UNKNOWN, "t_r_statement_completion_unknown"),
        (T_R_DEADLOCK_DETECTED, "t_r_deadlock_detected"),
        (SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION, "syntax_error_or_access_rule_violation"),
        (SYNTAX_ERROR, "syntax_error"),
        (INSUFFICIENT_PRIVILEGE, "insufficient_privilege"),
        (CANNOT_COERCE, "cannot_coerce"),
        (GROUPING_ERROR, "grouping_error"),
        (WINDOWING_ERROR, "windowing_error"),
        (INVALID_RECURSION, "invalid_recursion"),
        (INVALID_FOREIGN_KEY, "invalid_foreign_key"),
        (INVALID_NAME, "invalid_name"),
        (NAME_TOO_LONG, "name_too_long"),
        (RESERVED_NAME, "reserved_name"),
        (DATATYPE_MISMATCH, "datatype_mismatch"),
        (INDETERMINATE_DATATYPE, "indeterminate_datatype"),
        (COLLATION_MISMATCH, "collation_mismatch"),
        (INDETERMINATE_COLLATION, "indeterminate_collation"),
        (WRONG_OBJECT_TYPE, "wrong_object_type"),
        (GENERATED_ALWAYS, "generated_always"),
        (UNDEFINED_COLUMN, "undefined_column"),
        (UNDEFINED_CURSOR, "undefined_cursor"),
        (UNDEFINED_DATABASE, "undefined_database"),
        (UNDEFINED_FUNCTION, "undefined_function"),
        (UNDEFINED_PSTATEMENT, "undefined_pstatement"),
        (UNDEFINED_SCHEMA, "undefined_schema"),
        (UNDEFINED_TABLE, "undefined_table"),
        (UNDEFINED_PARAMETER, "undefined_parameter"),
        (UNDEFINED_OBJECT, "undefined_object"),
        (DUPLICATE_COLUMN, "duplicate_column"),
        (DUPLICATE_CURSOR, "duplicate_cursor"),
        (DUPLICATE_DATABASE, "duplicate_database"),
        (DUPLICATE_FUNCTION, "duplicate_function"),
        (DUPLICATE_PSTATEMENT, "duplicate_pstatement"),
        (DUPLICATE_SCHEMA, "duplicate_schema"),
        (DUPLICATE_TABLE, "duplicate_table"),
        (DUPLICATE_ALIAS, "duplicate_alias"),
        (DUPLICATE_OBJECT, "duplicate_object"),
        (AMBIGUOUS_COLUMN, "ambiguous_column"),
        (AMBIGUOUS_FUNCTION, "ambiguous_function"),
        (AMBIGUOUS_PARAMETER, "ambiguous_parameter"),
        (AMBIGUOUS_ALIAS, "ambiguous_alias"),
        (INVALID_COLUMN_REFERENCE, "invalid_column_reference"),
        (INVALID_COLUMN_DEFINITION, "invalid_column_definition"),
        (INVALID_CURSOR_DEFINITION, "invalid_cursor_definition"),
        (INVALID_DATABASE_DEFINITION, "invalid_database_definition"),
        (INVALID_FUNCTION_DEFINITION, "invalid_function_definition"),
        (INVALID_PSTATEMENT_DEFINITION, "invalid_pstatement_definition"),
        (INVALID_SCHEMA_DEFINITION, "invalid_schema_definition"),
        (INVALID_TABLE_DEFINITION, "invalid_table_definition"),
        (INVALID_OBJECT_DEFINITION, "invalid_object_definition"),
        (WITH_CHECK_OPTION_VIOLATION, "with_check_option_violation"),
        (INSUFFICIENT_RESOURCES, "insufficient_resources"),
        (DISK_FULL, "disk_full"),
        (OUT_OF_MEMORY, "out_of_memory"),
        (TOO_MANY_CONNECTIONS, "too_many_connections"),
        (CONFIGURATION_LIMIT_EXCEEDED, "configuration_limit_exceeded"),
        (PROGRAM_LIMIT_EXCEEDED, "program_limit_exceeded"),
        (STATEMENT_TOO_COMPLEX, "statement_too_complex"),
        (TOO_MANY_COLUMNS, "too_many_columns"),
        (TOO_MANY_ARGUMENTS, "too_many_arguments"),
        (OBJECT_NOT_IN_PREREQUISITE_STATE, "object_not_in_prerequisite_state"),
        (OBJECT_IN_USE, "object_in_use"),
        (CANT_CHANGE_RUNTIME_PARAM, "cant_change_runtime_param"),
        (LOCK_NOT_AVAILABLE, "lock_not_available"),
        (UNSAFE_NEW_ENUM_VALUE_USAGE, "unsafe_new_enum_value_usage"),
        (OPERATOR_INTERVENTION, "operator_intervention"),
        (QUERY_CANCELED, "query_canceled"),
        (ADMIN_SHUTDOWN, "admin_shutdown"),
        (CRASH_SHUTDOWN, "crash_shutdown"),
        (CANNOT_CONNECT_NOW, "cannot_connect_now"),
        (DATABASE_DROPPED, "database_dropped"),
        (IDLE_SESSION_TIMEOUT, "idle_session_timeout"),
        (SYSTEM_ERROR, "system_error"),
        (IO_ERROR, "io_error"),
        (UNDEFINED_FILE, "undefined_file"),
        (DUPLICATE_FILE, "duplicate_file"),
        (SNAPSHOT_TOO_OLD, "snapshot_too_old"),
        (CONFIG_FILE_ERROR, "config_file_error"),
        (LOCK_FILE_EXISTS, "lock_file_exists"),
        (FDW_ERROR, "fdw_error"),
        (FDW_COLUMN_NAME_NOT_FOUND, "fdw_column_name_not_found"),
        (FDW_DYNAMIC_PARAMETER_VALUE_NEEDED, "fdw_dynamic_parameter_value_needed"),
        (FDW_FUNCTION_SEQUENCE_ERROR, "fdw_function_sequence_error"),
        (FDW_INCONSISTENT_DESCRIPTOR_INFORMATION, "fdw_inconsistent_descriptor_information"),
        (FDW_INVALID_ATTRIBUTE_VALUE, "fdw_invalid_attribute_value"),
        (FDW_INVALID_COLUMN_NAME, "fdw_invalid_column_name"),
        (FDW_INVALID_COLUMN_NUMBER, "fdw_invalid_column_number"),
        (FDW_INVALID_DATA_TYPE, "fdw_invalid_data_type"),
        (FDW_INVALID_DATA_TYPE_DESCRIPTORS, "fdw_invalid_data_type_descriptors"),
        (FDW_INVALID_DESCRIPTOR_FIELD_IDENTIFIER, "fdw_invalid_descriptor_field_identifier"),
        (FDW_INVALID_HANDLE, "fdw_invalid_handle"),
        (FDW_INVALID_OPTION_INDEX, "fdw_invalid_option_index"),
        (FDW_INVALID_OPTION_NAME, "fdw_invalid_option_name"),
        (FDW_INVALID_STRING_LENGTH_OR_BUFFER_LENGTH, "fdw_invalid_string_length_or_buffer_length"),
        (FDW_INVALID_STRING_FORMAT, "fdw_invalid_string_format"),
        (FDW_INVALID_USE_OF_NULL_POINTER, "fdw_invalid_use_of_null_pointer"),
        (FDW_TOO_MANY_HANDLES, "fdw_too_many_handles"),
        (FDW_OUT_OF_MEMORY, "fdw_out_of_memory"),
        (FDW_NO_SCHEMAS, "fdw_no_schemas"),
        (FDW_OPTION_NAME_NOT_FOUND, "fdw_option_name_not_found"),
        (FDW_REPLY_HANDLE, "fdw_reply_handle"),
        (FDW_SCHEMA_NOT_FOUND, "fdw_schema_not_found"),
        (FDW_TABLE_NOT_FOUND, "fdw_table_not_found"),
        (FDW_UNABLE_TO_CREATE_EXECUTION, "fdw_unable_to_create_execution"),
        (FDW_UNABLE_TO_CREATE_REPLY, "fdw_unable_to_create_reply"),
        (FDW_UNABLE_TO_ESTABLISH_CONNECTION, "fdw_unable_to_establish_connection"),
        (PLPGSQL_ERROR, "plpgsql_error"),
        (RAISE_EXCEPTION, "raise_exception"),
        (NO_DATA_FOUND, "no_data_found"),
        (TOO_MANY_ROWS, "too_many_rows"),
        (ASSERT_FAILURE, "assert_failure"),
        (INTERNAL_ERROR, "internal_error"),
        (DATA_CORRUPTED, "data_corrupted"),
        (INDEX_CORRUPTED, "index_corrupted"),
    ];
}
