//! PostgreSQL types and functions: values, descriptors, formats, comparison, keys, and the table
//! of built-in functions by `pg_proc.prosrc`.
//!
//! Everything here is a scalar core without knowledge of plans, pages or sessions; what a
//! function needs of the session or the catalog it asks through [`Env`]. Two drivers call it: the
//! row executor one row at a time, and kernels over columns.

pub mod aggregate;
mod aggregate_collect;
mod aggregate_float;
mod aggregate_numeric;
mod aggregate_simple;
mod args;
mod array_io;
mod array_ops;
mod array_search;
mod binary;
mod bit;
mod boolean;
mod bytea;
mod calendar;
mod catalog_types;
pub mod compare;
mod composite;
mod date;
mod date_ops;
mod datetime_compare;
mod datetime_decode;
mod datetime_fields;
mod datetime_format;
mod datetime_number;
mod datetime_scan;
mod datetime_zone;
mod datum;
mod descriptor;
mod encoding;
mod enum_ops;
mod env;
mod float;
mod float_math;
mod float_ops;
mod float_shortest;
mod format_datetime;
mod format_datetime_scan;
mod format_number;
mod format_number_picture;
mod format_number_scan;
mod format_picture;
mod hash;
mod inet;
mod inet_text;
mod integer;
mod integer_ops;
mod interval;
mod interval_ops;
mod interval_parse;
pub mod io;
mod io_functions;
mod json_build;
mod json_get;
mod json_io;
mod json_parse;
mod json_populate;
mod json_text;
mod jsonb;
mod jsonb_ops;
mod jsonb_set;
mod jsonpath;
mod jsonpath_exec;
mod jsonpath_functions;
mod jsonpath_item;
mod jsonpath_lex;
mod jsonpath_parse;
mod jsonpath_predicate;
mod jsonpath_regex;
pub mod key;
mod keywords;
mod like;
mod macaddr;
mod money;
pub mod numeric;
mod numeric_arith;
mod numeric_io;
mod numeric_math;
mod numeric_ops;
mod plain_env;
mod quote;
pub mod random;
mod record_io;
mod reg;
mod regex;
mod regex_basic;
mod regex_bracket;
mod regex_functions;
mod regex_parse;
mod regex_syntax_tree;
mod registry;
mod series;
mod set_returning;
mod string_ops;
mod system_types;
pub mod text;
pub mod timestamp;
mod timestamp_ops;
pub mod timezone;
mod timezone_abbreviations;
mod timezone_rules;
mod type_info;
mod type_modifiers;
mod type_name;
mod type_table;
pub mod types;

pub use aggregate::{AggState, CombineFn, FinalFn, InternalState, TransFn};
pub use array_ops::{assign_element, assign_slice, slice};
pub use boolean::parse_bool;
pub use composite::{ArrayValue, Dimension, MAX_ARRAY_SIZE, MAX_DIMENSIONS, RecordValue, element_count};
pub use datum::{BitString, Datum, EnumValue, Interval, TidValue, TimeTz};
pub use descriptor::{Attribute, TupleDesc};
pub use env::{ByteaOutput, CallContext, DateFormat, DateOrder, Env, IntervalStyle, RegKind, Settings};
pub use inet::Inet;
pub use jsonb::Jsonb;
pub use jsonb_set::assign_jsonb;
pub use jsonpath::JsonPath;
pub use plain_env::PlainEnv;
pub use quote::{quote_identifier, quote_literal};
pub use registry::{ScalarFn, builtin, builtin_names};
pub use set_returning::{Rows, SrfFn, set_returning};
pub use type_info::{
    TypeInfo, TypeRef, builtin_array_of, builtin_type, builtin_type_by_name, builtin_types, is_string_type,
};

pub use type_name::{builtin_type_name, type_name};

/// An object identifier, as in PostgreSQL's catalogs.
pub type Oid = u32;
