//! OIDs of the built-in types, as in PostgreSQL 15's `pg_type` (facts; one constant per type).

use crate::Oid;

/// `bool`
pub const BOOL: Oid = 16;
/// `bytea`
pub const BYTEA: Oid = 17;
/// `"char"`
pub const CHAR: Oid = 18;
/// `name`
pub const NAME: Oid = 19;
/// `int8`
pub const INT8: Oid = 20;
/// `int2`
pub const INT2: Oid = 21;
/// `int2vector`
pub const INT2VECTOR: Oid = 22;
/// `int4`
pub const INT4: Oid = 23;
/// `regproc`
pub const REGPROC: Oid = 24;
/// `text`
pub const TEXT: Oid = 25;
/// `oid`
pub const OID: Oid = 26;
/// `tid`
pub const TID: Oid = 27;
/// `xid`
pub const XID: Oid = 28;
/// `cid`
pub const CID: Oid = 29;
/// `oidvector`
pub const OIDVECTOR: Oid = 30;
/// `pg_ddl_command`
pub const PG_DDL_COMMAND: Oid = 32;
/// `json`
pub const JSON: Oid = 114;
/// `xml`
pub const XML: Oid = 142;
/// `xml[]`
pub const XML_ARRAY: Oid = 143;
/// `pg_node_tree`
pub const PG_NODE_TREE: Oid = 194;
/// `json[]`
pub const JSON_ARRAY: Oid = 199;
/// `table_am_handler`
pub const TABLE_AM_HANDLER: Oid = 269;
/// `xid8[]`
pub const XID8_ARRAY: Oid = 271;
/// `index_am_handler`
pub const INDEX_AM_HANDLER: Oid = 325;
/// `point`
pub const POINT: Oid = 600;
/// `lseg`
pub const LSEG: Oid = 601;
/// `path`
pub const PATH: Oid = 602;
/// `box`
pub const BOX: Oid = 603;
/// `polygon`
pub const POLYGON: Oid = 604;
/// `line`
pub const LINE: Oid = 628;
/// `line[]`
pub const LINE_ARRAY: Oid = 629;
/// `cidr`
pub const CIDR: Oid = 650;
/// `cidr[]`
pub const CIDR_ARRAY: Oid = 651;
/// `float4`
pub const FLOAT4: Oid = 700;
/// `float8`
pub const FLOAT8: Oid = 701;
/// `unknown`
pub const UNKNOWN: Oid = 705;
/// `circle`
pub const CIRCLE: Oid = 718;
/// `circle[]`
pub const CIRCLE_ARRAY: Oid = 719;
/// `macaddr8`
pub const MACADDR8: Oid = 774;
/// `macaddr8[]`
pub const MACADDR8_ARRAY: Oid = 775;
/// `money`
pub const MONEY: Oid = 790;
/// `money[]`
pub const MONEY_ARRAY: Oid = 791;
/// `macaddr`
pub const MACADDR: Oid = 829;
/// `inet`
pub const INET: Oid = 869;
/// `bool[]`
pub const BOOL_ARRAY: Oid = 1000;
/// `bytea[]`
pub const BYTEA_ARRAY: Oid = 1001;
/// `char[]`
pub const CHAR_ARRAY: Oid = 1002;
/// `name[]`
pub const NAME_ARRAY: Oid = 1003;
/// `int2[]`
pub const INT2_ARRAY: Oid = 1005;
/// `int2vector[]`
pub const INT2VECTOR_ARRAY: Oid = 1006;
/// `int4[]`
pub const INT4_ARRAY: Oid = 1007;
/// `regproc[]`
pub const REGPROC_ARRAY: Oid = 1008;
/// `text[]`
pub const TEXT_ARRAY: Oid = 1009;
/// `tid[]`
pub const TID_ARRAY: Oid = 1010;
/// `xid[]`
pub const XID_ARRAY: Oid = 1011;
/// `cid[]`
pub const CID_ARRAY: Oid = 1012;
/// `oidvector[]`
pub const OIDVECTOR_ARRAY: Oid = 1013;
/// `bpchar[]`
pub const BPCHAR_ARRAY: Oid = 1014;
/// `varchar[]`
pub const VARCHAR_ARRAY: Oid = 1015;
/// `int8[]`
pub const INT8_ARRAY: Oid = 1016;
/// `point[]`
pub const POINT_ARRAY: Oid = 1017;
/// `lseg[]`
pub const LSEG_ARRAY: Oid = 1018;
/// `path[]`
pub const PATH_ARRAY: Oid = 1019;
/// `box[]`
pub const BOX_ARRAY: Oid = 1020;
/// `float4[]`
pub const FLOAT4_ARRAY: Oid = 1021;
/// `float8[]`
pub const FLOAT8_ARRAY: Oid = 1022;
/// `polygon[]`
pub const POLYGON_ARRAY: Oid = 1027;
/// `oid[]`
pub const OID_ARRAY: Oid = 1028;
/// `aclitem`
pub const ACLITEM: Oid = 1033;
/// `aclitem[]`
pub const ACLITEM_ARRAY: Oid = 1034;
/// `macaddr[]`
pub const MACADDR_ARRAY: Oid = 1040;
/// `inet[]`
pub const INET_ARRAY: Oid = 1041;
/// `bpchar`
pub const BPCHAR: Oid = 1042;
/// `varchar`
pub const VARCHAR: Oid = 1043;
/// `date`
pub const DATE: Oid = 1082;
/// `time`
pub const TIME: Oid = 1083;
/// `timestamp`
pub const TIMESTAMP: Oid = 1114;
/// `timestamp[]`
pub const TIMESTAMP_ARRAY: Oid = 1115;
/// `date[]`
pub const DATE_ARRAY: Oid = 1182;
/// `time[]`
pub const TIME_ARRAY: Oid = 1183;
/// `timestamptz`
pub const TIMESTAMPTZ: Oid = 1184;
/// `timestamptz[]`
pub const TIMESTAMPTZ_ARRAY: Oid = 1185;
/// `interval`
pub const INTERVAL: Oid = 1186;
/// `interval[]`
pub const INTERVAL_ARRAY: Oid = 1187;
/// `numeric[]`
pub const NUMERIC_ARRAY: Oid = 1231;
/// `cstring[]`
pub const CSTRING_ARRAY: Oid = 1263;
/// `timetz`
pub const TIMETZ: Oid = 1266;
/// `timetz[]`
pub const TIMETZ_ARRAY: Oid = 1270;
/// `bit`
pub const BIT: Oid = 1560;
/// `bit[]`
pub const BIT_ARRAY: Oid = 1561;
/// `varbit`
pub const VARBIT: Oid = 1562;
/// `varbit[]`
pub const VARBIT_ARRAY: Oid = 1563;
/// `numeric`
pub const NUMERIC: Oid = 1700;
/// `refcursor`
pub const REFCURSOR: Oid = 1790;
/// `refcursor[]`
pub const REFCURSOR_ARRAY: Oid = 2201;
/// `regprocedure`
pub const REGPROCEDURE: Oid = 2202;
/// `regoper`
pub const REGOPER: Oid = 2203;
/// `regoperator`
pub const REGOPERATOR: Oid = 2204;
/// `regclass`
pub const REGCLASS: Oid = 2205;
/// `regtype`
pub const REGTYPE: Oid = 2206;
/// `regprocedure[]`
pub const REGPROCEDURE_ARRAY: Oid = 2207;
/// `regoper[]`
pub const REGOPER_ARRAY: Oid = 2208;
/// `regoperator[]`
pub const REGOPERATOR_ARRAY: Oid = 2209;
/// `regclass[]`
pub const REGCLASS_ARRAY: Oid = 2210;
/// `regtype[]`
pub const REGTYPE_ARRAY: Oid = 2211;
/// `record`
pub const RECORD: Oid = 2249;
/// `cstring`
pub const CSTRING: Oid = 2275;
/// `any`
pub const ANY: Oid = 2276;
/// `anyarray`
pub const ANYARRAY: Oid = 2277;
/// `void`
pub const VOID: Oid = 2278;
/// `trigger`
pub const TRIGGER: Oid = 2279;
/// `language_handler`
pub const LANGUAGE_HANDLER: Oid = 2280;
/// `internal`
pub const INTERNAL: Oid = 2281;
/// `anyelement`
pub const ANYELEMENT: Oid = 2283;
/// `record[]`
pub const RECORD_ARRAY: Oid = 2287;
/// `anynonarray`
pub const ANYNONARRAY: Oid = 2776;
/// `txid_snapshot[]`
pub const TXID_SNAPSHOT_ARRAY: Oid = 2949;
/// `uuid`
pub const UUID: Oid = 2950;
/// `uuid[]`
pub const UUID_ARRAY: Oid = 2951;
/// `txid_snapshot`
pub const TXID_SNAPSHOT: Oid = 2970;
/// `fdw_handler`
pub const FDW_HANDLER: Oid = 3115;
/// `pg_lsn`
pub const PG_LSN: Oid = 3220;
/// `pg_lsn[]`
pub const PG_LSN_ARRAY: Oid = 3221;
/// `tsm_handler`
pub const TSM_HANDLER: Oid = 3310;
/// `pg_ndistinct`
pub const PG_NDISTINCT: Oid = 3361;
/// `pg_dependencies`
pub const PG_DEPENDENCIES: Oid = 3402;
/// `anyenum`
pub const ANYENUM: Oid = 3500;
/// `tsvector`
pub const TSVECTOR: Oid = 3614;
/// `tsquery`
pub const TSQUERY: Oid = 3615;
/// `gtsvector`
pub const GTSVECTOR: Oid = 3642;
/// `tsvector[]`
pub const TSVECTOR_ARRAY: Oid = 3643;
/// `gtsvector[]`
pub const GTSVECTOR_ARRAY: Oid = 3644;
/// `tsquery[]`
pub const TSQUERY_ARRAY: Oid = 3645;
/// `regconfig`
pub const REGCONFIG: Oid = 3734;
/// `regconfig[]`
pub const REGCONFIG_ARRAY: Oid = 3735;
/// `regdictionary`
pub const REGDICTIONARY: Oid = 3769;
/// `regdictionary[]`
pub const REGDICTIONARY_ARRAY: Oid = 3770;
/// `jsonb`
pub const JSONB: Oid = 3802;
/// `jsonb[]`
pub const JSONB_ARRAY: Oid = 3807;
/// `anyrange`
pub const ANYRANGE: Oid = 3831;
/// `event_trigger`
pub const EVENT_TRIGGER: Oid = 3838;
/// `int4range`
pub const INT4RANGE: Oid = 3904;
/// `int4range[]`
pub const INT4RANGE_ARRAY: Oid = 3905;
/// `numrange`
pub const NUMRANGE: Oid = 3906;
/// `numrange[]`
pub const NUMRANGE_ARRAY: Oid = 3907;
/// `tsrange`
pub const TSRANGE: Oid = 3908;
/// `tsrange[]`
pub const TSRANGE_ARRAY: Oid = 3909;
/// `tstzrange`
pub const TSTZRANGE: Oid = 3910;
/// `tstzrange[]`
pub const TSTZRANGE_ARRAY: Oid = 3911;
/// `daterange`
pub const DATERANGE: Oid = 3912;
/// `daterange[]`
pub const DATERANGE_ARRAY: Oid = 3913;
/// `int8range`
pub const INT8RANGE: Oid = 3926;
/// `int8range[]`
pub const INT8RANGE_ARRAY: Oid = 3927;
/// `jsonpath`
pub const JSONPATH: Oid = 4072;
/// `jsonpath[]`
pub const JSONPATH_ARRAY: Oid = 4073;
/// `regnamespace`
pub const REGNAMESPACE: Oid = 4089;
/// `regnamespace[]`
pub const REGNAMESPACE_ARRAY: Oid = 4090;
/// `regrole`
pub const REGROLE: Oid = 4096;
/// `regrole[]`
pub const REGROLE_ARRAY: Oid = 4097;
/// `regcollation`
pub const REGCOLLATION: Oid = 4191;
/// `regcollation[]`
pub const REGCOLLATION_ARRAY: Oid = 4192;
/// `int4multirange`
pub const INT4MULTIRANGE: Oid = 4451;
/// `nummultirange`
pub const NUMMULTIRANGE: Oid = 4532;
/// `tsmultirange`
pub const TSMULTIRANGE: Oid = 4533;
/// `tstzmultirange`
pub const TSTZMULTIRANGE: Oid = 4534;
/// `datemultirange`
pub const DATEMULTIRANGE: Oid = 4535;
/// `int8multirange`
pub const INT8MULTIRANGE: Oid = 4536;
/// `anymultirange`
pub const ANYMULTIRANGE: Oid = 4537;
/// `anycompatiblemultirange`
pub const ANYCOMPATIBLEMULTIRANGE: Oid = 4538;
/// `pg_brin_bloom_summary`
pub const PG_BRIN_BLOOM_SUMMARY: Oid = 4600;
/// `pg_brin_minmax_multi_summary`
pub const PG_BRIN_MINMAX_MULTI_SUMMARY: Oid = 4601;
/// `pg_mcv_list`
pub const PG_MCV_LIST: Oid = 5017;
/// `pg_snapshot`
pub const PG_SNAPSHOT: Oid = 5038;
/// `pg_snapshot[]`
pub const PG_SNAPSHOT_ARRAY: Oid = 5039;
/// `xid8`
pub const XID8: Oid = 5069;
/// `anycompatible`
pub const ANYCOMPATIBLE: Oid = 5077;
/// `anycompatiblearray`
pub const ANYCOMPATIBLEARRAY: Oid = 5078;
/// `anycompatiblenonarray`
pub const ANYCOMPATIBLENONARRAY: Oid = 5079;
/// `anycompatiblerange`
pub const ANYCOMPATIBLERANGE: Oid = 5080;
/// `int4multirange[]`
pub const INT4MULTIRANGE_ARRAY: Oid = 6150;
/// `nummultirange[]`
pub const NUMMULTIRANGE_ARRAY: Oid = 6151;
/// `tsmultirange[]`
pub const TSMULTIRANGE_ARRAY: Oid = 6152;
/// `tstzmultirange[]`
pub const TSTZMULTIRANGE_ARRAY: Oid = 6153;
/// `datemultirange[]`
pub const DATEMULTIRANGE_ARRAY: Oid = 6155;
/// `int8multirange[]`
pub const INT8MULTIRANGE_ARRAY: Oid = 6157;
