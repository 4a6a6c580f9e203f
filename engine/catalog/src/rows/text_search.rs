//! Text search: parsers, templates, dictionaries, configurations.

use super::catalog_row;
use redoubt_functions::Oid;
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_ts_config`.
    PgTsConfig: 3602, "pg_ts_config" {
        oid: Oid = OID,
        cfgname: Arc<str> = NAME,
        cfgnamespace: Oid = OID,
        cfgowner: Oid = OID,
        cfgparser: Oid = OID,
    }
}

catalog_row! {
    /// A row of `pg_ts_config_map`.
    PgTsConfigMap: 3603, "pg_ts_config_map" {
        mapcfg: Oid = OID,
        maptokentype: i32 = INT4,
        mapseqno: i32 = INT4,
        mapdict: Oid = OID,
    }
}

catalog_row! {
    /// A row of `pg_ts_dict`.
    PgTsDict: 3600, "pg_ts_dict" {
        oid: Oid = OID,
        dictname: Arc<str> = NAME,
        dictnamespace: Oid = OID,
        dictowner: Oid = OID,
        dicttemplate: Oid = OID,
        dictinitoption: Option<Arc<str>> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_ts_parser`.
    PgTsParser: 3601, "pg_ts_parser" {
        oid: Oid = OID,
        prsname: Arc<str> = NAME,
        prsnamespace: Oid = OID,
        prsstart: Oid = REGPROC,
        prstoken: Oid = REGPROC,
        prsend: Oid = REGPROC,
        prsheadline: Oid = REGPROC,
        prslextype: Oid = REGPROC,
    }
}

catalog_row! {
    /// A row of `pg_ts_template`.
    PgTsTemplate: 3764, "pg_ts_template" {
        oid: Oid = OID,
        tmplname: Arc<str> = NAME,
        tmplnamespace: Oid = OID,
        tmplinit: Oid = REGPROC,
        tmpllexize: Oid = REGPROC,
    }
}
