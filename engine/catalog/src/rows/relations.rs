//! Relations: tables, columns, indexes, constraints, rules, triggers, inheritance.

use super::catalog_row;
use crate::acl::Acl;
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_class`.
    PgClass: 1259, "pg_class" {
        oid: Oid = OID,
        relname: Arc<str> = NAME,
        relnamespace: Oid = OID,
        reltype: Oid = OID,
        reloftype: Oid = OID,
        relowner: Oid = OID,
        relam: Oid = OID,
        relfilenode: Oid = OID,
        reltablespace: Oid = OID,
        relpages: i32 = INT4,
        reltuples: f32 = FLOAT4,
        relallvisible: i32 = INT4,
        reltoastrelid: Oid = OID,
        relhasindex: bool = BOOL,
        relisshared: bool = BOOL,
        relpersistence: char = CHAR,
        relkind: char = CHAR,
        relnatts: i16 = INT2,
        relchecks: i16 = INT2,
        relhasrules: bool = BOOL,
        relhastriggers: bool = BOOL,
        relhassubclass: bool = BOOL,
        relrowsecurity: bool = BOOL,
        relforcerowsecurity: bool = BOOL,
        relispopulated: bool = BOOL,
        relreplident: char = CHAR,
        relispartition: bool = BOOL,
        relrewrite: Oid = OID,
        relfrozenxid: Oid = XID,
        relminmxid: Oid = XID,
        relacl: Option<Acl> = ACLITEM_ARRAY,
        reloptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
        relpartbound: Option<Arc<str>> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_attribute`.
    PgAttribute: 1249, "pg_attribute" {
        attrelid: Oid = OID,
        attname: Arc<str> = NAME,
        atttypid: Oid = OID,
        attstattarget: i32 = INT4,
        attlen: i16 = INT2,
        attnum: i16 = INT2,
        attndims: i32 = INT4,
        attcacheoff: i32 = INT4,
        atttypmod: i32 = INT4,
        attbyval: bool = BOOL,
        attalign: char = CHAR,
        attstorage: char = CHAR,
        attcompression: char = CHAR,
        attnotnull: bool = BOOL,
        atthasdef: bool = BOOL,
        atthasmissing: bool = BOOL,
        attidentity: char = CHAR,
        attgenerated: char = CHAR,
        attisdropped: bool = BOOL,
        attislocal: bool = BOOL,
        attinhcount: i32 = INT4,
        attcollation: Oid = OID,
        attacl: Option<Acl> = ACLITEM_ARRAY,
        attoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
        attfdwoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
        attmissingval: Datum = ANYARRAY,
    }
}

catalog_row! {
    /// A row of `pg_attrdef`.
    PgAttrdef: 2604, "pg_attrdef" {
        oid: Oid = OID,
        adrelid: Oid = OID,
        adnum: i16 = INT2,
        adbin: Arc<str> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_constraint`.
    PgConstraint: 2606, "pg_constraint" {
        oid: Oid = OID,
        conname: Arc<str> = NAME,
        connamespace: Oid = OID,
        contype: char = CHAR,
        condeferrable: bool = BOOL,
        condeferred: bool = BOOL,
        convalidated: bool = BOOL,
        conrelid: Oid = OID,
        contypid: Oid = OID,
        conindid: Oid = OID,
        conparentid: Oid = OID,
        confrelid: Oid = OID,
        confupdtype: char = CHAR,
        confdeltype: char = CHAR,
        confmatchtype: char = CHAR,
        conislocal: bool = BOOL,
        coninhcount: i32 = INT4,
        connoinherit: bool = BOOL,
        conkey: Option<Vec<i16>> = INT2_ARRAY,
        confkey: Option<Vec<i16>> = INT2_ARRAY,
        conpfeqop: Option<Vec<Oid>> = OID_ARRAY,
        conppeqop: Option<Vec<Oid>> = OID_ARRAY,
        conffeqop: Option<Vec<Oid>> = OID_ARRAY,
        confdelsetcols: Option<Vec<i16>> = INT2_ARRAY,
        conexclop: Option<Vec<Oid>> = OID_ARRAY,
        conbin: Option<Arc<str>> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_index`.
    PgIndex: 2610, "pg_index" {
        indexrelid: Oid = OID,
        indrelid: Oid = OID,
        indnatts: i16 = INT2,
        indnkeyatts: i16 = INT2,
        indisunique: bool = BOOL,
        indnullsnotdistinct: bool = BOOL,
        indisprimary: bool = BOOL,
        indisexclusion: bool = BOOL,
        indimmediate: bool = BOOL,
        indisclustered: bool = BOOL,
        indisvalid: bool = BOOL,
        indcheckxmin: bool = BOOL,
        indisready: bool = BOOL,
        indislive: bool = BOOL,
        indisreplident: bool = BOOL,
        indkey: Vec<i16> = INT2VECTOR,
        indcollation: Vec<Oid> = OIDVECTOR,
        indclass: Vec<Oid> = OIDVECTOR,
        indoption: Vec<i16> = INT2VECTOR,
        indexprs: Option<Arc<str>> = PG_NODE_TREE,
        indpred: Option<Arc<str>> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_inherits`.
    PgInherits: 2611, "pg_inherits" {
        inhrelid: Oid = OID,
        inhparent: Oid = OID,
        inhseqno: i32 = INT4,
        inhdetachpending: bool = BOOL,
    }
}

catalog_row! {
    /// A row of `pg_sequence`.
    PgSequence: 2224, "pg_sequence" {
        seqrelid: Oid = OID,
        seqtypid: Oid = OID,
        seqstart: i64 = INT8,
        seqincrement: i64 = INT8,
        seqmax: i64 = INT8,
        seqmin: i64 = INT8,
        seqcache: i64 = INT8,
        seqcycle: bool = BOOL,
    }
}

catalog_row! {
    /// A row of `pg_partitioned_table`.
    PgPartitionedTable: 3350, "pg_partitioned_table" {
        partrelid: Oid = OID,
        partstrat: char = CHAR,
        partnatts: i16 = INT2,
        partdefid: Oid = OID,
        partattrs: Vec<i16> = INT2VECTOR,
        partclass: Vec<Oid> = OIDVECTOR,
        partcollation: Vec<Oid> = OIDVECTOR,
        partexprs: Option<Arc<str>> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_rewrite`.
    PgRewrite: 2618, "pg_rewrite" {
        oid: Oid = OID,
        rulename: Arc<str> = NAME,
        ev_class: Oid = OID,
        ev_type: char = CHAR,
        ev_enabled: char = CHAR,
        is_instead: bool = BOOL,
        ev_qual: Arc<str> = PG_NODE_TREE,
        ev_action: Arc<str> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_trigger`.
    PgTrigger: 2620, "pg_trigger" {
        oid: Oid = OID,
        tgrelid: Oid = OID,
        tgparentid: Oid = OID,
        tgname: Arc<str> = NAME,
        tgfoid: Oid = OID,
        tgtype: i16 = INT2,
        tgenabled: char = CHAR,
        tgisinternal: bool = BOOL,
        tgconstrrelid: Oid = OID,
        tgconstrindid: Oid = OID,
        tgconstraint: Oid = OID,
        tgdeferrable: bool = BOOL,
        tginitdeferred: bool = BOOL,
        tgnargs: i16 = INT2,
        tgattr: Vec<i16> = INT2VECTOR,
        tgargs: Vec<u8> = BYTEA,
        tgqual: Option<Arc<str>> = PG_NODE_TREE,
        tgoldtable: Option<Arc<str>> = NAME,
        tgnewtable: Option<Arc<str>> = NAME,
    }
}

catalog_row! {
    /// A row of `pg_policy`.
    PgPolicy: 3256, "pg_policy" {
        oid: Oid = OID,
        polname: Arc<str> = NAME,
        polrelid: Oid = OID,
        polcmd: char = CHAR,
        polpermissive: bool = BOOL,
        polroles: Vec<Oid> = OID_ARRAY,
        polqual: Option<Arc<str>> = PG_NODE_TREE,
        polwithcheck: Option<Arc<str>> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_am`.
    PgAm: 2601, "pg_am" {
        oid: Oid = OID,
        amname: Arc<str> = NAME,
        amhandler: Oid = REGPROC,
        amtype: char = CHAR,
    }
}
