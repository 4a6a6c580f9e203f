//! Schemas, dependencies, descriptions, labels, extensions, statistics, large objects.

use super::catalog_row;
use crate::acl::Acl;
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_namespace`.
    PgNamespace: 2615, "pg_namespace" {
        oid: Oid = OID,
        nspname: Arc<str> = NAME,
        nspowner: Oid = OID,
        nspacl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_depend`.
    PgDepend: 2608, "pg_depend" {
        classid: Oid = OID,
        objid: Oid = OID,
        objsubid: i32 = INT4,
        refclassid: Oid = OID,
        refobjid: Oid = OID,
        refobjsubid: i32 = INT4,
        deptype: char = CHAR,
    }
}

catalog_row! {
    /// A row of `pg_description`.
    PgDescription: 2609, "pg_description" {
        objoid: Oid = OID,
        classoid: Oid = OID,
        objsubid: i32 = INT4,
        description: Arc<str> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_seclabel`.
    PgSeclabel: 3596, "pg_seclabel" {
        objoid: Oid = OID,
        classoid: Oid = OID,
        objsubid: i32 = INT4,
        provider: Arc<str> = TEXT,
        label: Arc<str> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_init_privs`.
    PgInitPrivs: 3394, "pg_init_privs" {
        objoid: Oid = OID,
        classoid: Oid = OID,
        objsubid: i32 = INT4,
        privtype: char = CHAR,
        initprivs: Acl = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_default_acl`.
    PgDefaultAcl: 826, "pg_default_acl" {
        oid: Oid = OID,
        defaclrole: Oid = OID,
        defaclnamespace: Oid = OID,
        defaclobjtype: char = CHAR,
        defaclacl: Acl = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_extension`.
    PgExtension: 3079, "pg_extension" {
        oid: Oid = OID,
        extname: Arc<str> = NAME,
        extowner: Oid = OID,
        extnamespace: Oid = OID,
        extrelocatable: bool = BOOL,
        extversion: Arc<str> = TEXT,
        extconfig: Option<Vec<Oid>> = OID_ARRAY,
        extcondition: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_statistic`.
    PgStatistic: 2619, "pg_statistic" {
        starelid: Oid = OID,
        staattnum: i16 = INT2,
        stainherit: bool = BOOL,
        stanullfrac: f32 = FLOAT4,
        stawidth: i32 = INT4,
        stadistinct: f32 = FLOAT4,
        stakind1: i16 = INT2,
        stakind2: i16 = INT2,
        stakind3: i16 = INT2,
        stakind4: i16 = INT2,
        stakind5: i16 = INT2,
        staop1: Oid = OID,
        staop2: Oid = OID,
        staop3: Oid = OID,
        staop4: Oid = OID,
        staop5: Oid = OID,
        stacoll1: Oid = OID,
        stacoll2: Oid = OID,
        stacoll3: Oid = OID,
        stacoll4: Oid = OID,
        stacoll5: Oid = OID,
        stanumbers1: Option<Vec<f32>> = FLOAT4_ARRAY,
        stanumbers2: Option<Vec<f32>> = FLOAT4_ARRAY,
        stanumbers3: Option<Vec<f32>> = FLOAT4_ARRAY,
        stanumbers4: Option<Vec<f32>> = FLOAT4_ARRAY,
        stanumbers5: Option<Vec<f32>> = FLOAT4_ARRAY,
        stavalues1: Datum = ANYARRAY,
        stavalues2: Datum = ANYARRAY,
        stavalues3: Datum = ANYARRAY,
        stavalues4: Datum = ANYARRAY,
        stavalues5: Datum = ANYARRAY,
    }
}

catalog_row! {
    /// A row of `pg_statistic_ext`.
    PgStatisticExt: 3381, "pg_statistic_ext" {
        oid: Oid = OID,
        stxrelid: Oid = OID,
        stxname: Arc<str> = NAME,
        stxnamespace: Oid = OID,
        stxowner: Oid = OID,
        stxstattarget: i32 = INT4,
        stxkeys: Vec<i16> = INT2VECTOR,
        stxkind: Vec<char> = CHAR_ARRAY,
        stxexprs: Option<Arc<str>> = PG_NODE_TREE,
    }
}

catalog_row! {
    /// A row of `pg_statistic_ext_data`.
    PgStatisticExtData: 3429, "pg_statistic_ext_data" {
        stxoid: Oid = OID,
        stxdinherit: bool = BOOL,
        stxdndistinct: Datum = PG_NDISTINCT,
        stxddependencies: Datum = PG_DEPENDENCIES,
        stxdmcv: Datum = PG_MCV_LIST,
        stxdexpr: Datum = PG_STATISTIC_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_largeobject`.
    PgLargeobject: 2613, "pg_largeobject" {
        loid: Oid = OID,
        pageno: i32 = INT4,
        data: Vec<u8> = BYTEA,
    }
}

catalog_row! {
    /// A row of `pg_largeobject_metadata`.
    PgLargeobjectMetadata: 2995, "pg_largeobject_metadata" {
        oid: Oid = OID,
        lomowner: Oid = OID,
        lomacl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_event_trigger`.
    PgEventTrigger: 3466, "pg_event_trigger" {
        oid: Oid = OID,
        evtname: Arc<str> = NAME,
        evtevent: Arc<str> = NAME,
        evtowner: Oid = OID,
        evtfoid: Oid = OID,
        evtenabled: char = CHAR,
        evttags: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}
