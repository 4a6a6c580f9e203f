//! Types, enums, ranges, casts, collations, conversions.

use super::catalog_row;
use crate::acl::Acl;
use redoubt_functions::Oid;
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_type`.
    PgType: 1247, "pg_type" {
        oid: Oid = OID,
        typname: Arc<str> = NAME,
        typnamespace: Oid = OID,
        typowner: Oid = OID,
        typlen: i16 = INT2,
        typbyval: bool = BOOL,
        typtype: char = CHAR,
        typcategory: char = CHAR,
        typispreferred: bool = BOOL,
        typisdefined: bool = BOOL,
        typdelim: char = CHAR,
        typrelid: Oid = OID,
        typsubscript: Oid = REGPROC,
        typelem: Oid = OID,
        typarray: Oid = OID,
        typinput: Oid = REGPROC,
        typoutput: Oid = REGPROC,
        typreceive: Oid = REGPROC,
        typsend: Oid = REGPROC,
        typmodin: Oid = REGPROC,
        typmodout: Oid = REGPROC,
        typanalyze: Oid = REGPROC,
        typalign: char = CHAR,
        typstorage: char = CHAR,
        typnotnull: bool = BOOL,
        typbasetype: Oid = OID,
        typtypmod: i32 = INT4,
        typndims: i32 = INT4,
        typcollation: Oid = OID,
        typdefaultbin: Option<Arc<str>> = PG_NODE_TREE,
        typdefault: Option<Arc<str>> = TEXT,
        typacl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_enum`.
    PgEnum: 3501, "pg_enum" {
        oid: Oid = OID,
        enumtypid: Oid = OID,
        enumsortorder: f32 = FLOAT4,
        enumlabel: Arc<str> = NAME,
    }
}

catalog_row! {
    /// A row of `pg_range`.
    PgRange: 3541, "pg_range" {
        rngtypid: Oid = OID,
        rngsubtype: Oid = OID,
        rngmultitypid: Oid = OID,
        rngcollation: Oid = OID,
        rngsubopc: Oid = OID,
        rngcanonical: Oid = REGPROC,
        rngsubdiff: Oid = REGPROC,
    }
}

catalog_row! {
    /// A row of `pg_cast`.
    PgCast: 2605, "pg_cast" {
        oid: Oid = OID,
        castsource: Oid = OID,
        casttarget: Oid = OID,
        castfunc: Oid = OID,
        castcontext: char = CHAR,
        castmethod: char = CHAR,
    }
}

catalog_row! {
    /// A row of `pg_transform`.
    PgTransform: 3576, "pg_transform" {
        oid: Oid = OID,
        trftype: Oid = OID,
        trflang: Oid = OID,
        trffromsql: Oid = REGPROC,
        trftosql: Oid = REGPROC,
    }
}

catalog_row! {
    /// A row of `pg_collation`.
    PgCollation: 3456, "pg_collation" {
        oid: Oid = OID,
        collname: Arc<str> = NAME,
        collnamespace: Oid = OID,
        collowner: Oid = OID,
        collprovider: char = CHAR,
        collisdeterministic: bool = BOOL,
        collencoding: i32 = INT4,
        collcollate: Option<Arc<str>> = TEXT,
        collctype: Option<Arc<str>> = TEXT,
        colliculocale: Option<Arc<str>> = TEXT,
        collversion: Option<Arc<str>> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_conversion`.
    PgConversion: 2607, "pg_conversion" {
        oid: Oid = OID,
        conname: Arc<str> = NAME,
        connamespace: Oid = OID,
        conowner: Oid = OID,
        conforencoding: i32 = INT4,
        contoencoding: i32 = INT4,
        conproc: Oid = REGPROC,
        condefault: bool = BOOL,
    }
}
