//! Foreign data, publications and subscriptions.

use super::catalog_row;
use crate::acl::Acl;
use redoubt_functions::Oid;
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_foreign_data_wrapper`.
    PgForeignDataWrapper: 2328, "pg_foreign_data_wrapper" {
        oid: Oid = OID,
        fdwname: Arc<str> = NAME,
        fdwowner: Oid = OID,
        fdwhandler: Oid = OID,
        fdwvalidator: Oid = OID,
        fdwacl: Option<Acl> = ACLITEM_ARRAY,
        fdwoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_foreign_server`.
    PgForeignServer: 1417, "pg_foreign_server" {
        oid: Oid = OID,
        srvname: Arc<str> = NAME,
        srvowner: Oid = OID,
        srvfdw: Oid = OID,
        srvtype: Option<Arc<str>> = TEXT,
        srvversion: Option<Arc<str>> = TEXT,
        srvacl: Option<Acl> = ACLITEM_ARRAY,
        srvoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_foreign_table`.
    PgForeignTable: 3118, "pg_foreign_table" {
        ftrelid: Oid = OID,
        ftserver: Oid = OID,
        ftoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_user_mapping`.
    PgUserMapping: 1418, "pg_user_mapping" {
        oid: Oid = OID,
        umuser: Oid = OID,
        umserver: Oid = OID,
        umoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_publication`.
    PgPublication: 6104, "pg_publication" {
        oid: Oid = OID,
        pubname: Arc<str> = NAME,
        pubowner: Oid = OID,
        puballtables: bool = BOOL,
        pubinsert: bool = BOOL,
        pubupdate: bool = BOOL,
        pubdelete: bool = BOOL,
        pubtruncate: bool = BOOL,
        pubviaroot: bool = BOOL,
    }
}

catalog_row! {
    /// A row of `pg_publication_rel`.
    PgPublicationRel: 6106, "pg_publication_rel" {
        oid: Oid = OID,
        prpubid: Oid = OID,
        prrelid: Oid = OID,
        prqual: Option<Arc<str>> = PG_NODE_TREE,
        prattrs: Option<Vec<i16>> = INT2VECTOR,
    }
}

catalog_row! {
    /// A row of `pg_publication_namespace`.
    PgPublicationNamespace: 6237, "pg_publication_namespace" {
        oid: Oid = OID,
        pnpubid: Oid = OID,
        pnnspid: Oid = OID,
    }
}

catalog_row! {
    /// A row of `pg_subscription`.
    PgSubscription: 6100, "pg_subscription" {
        oid: Oid = OID,
        subdbid: Oid = OID,
        subskiplsn: u64 = PG_LSN,
        subname: Arc<str> = NAME,
        subowner: Oid = OID,
        subenabled: bool = BOOL,
        subbinary: bool = BOOL,
        substream: bool = BOOL,
        subtwophasestate: char = CHAR,
        subdisableonerr: bool = BOOL,
        subconninfo: Arc<str> = TEXT,
        subslotname: Option<Arc<str>> = NAME,
        subsynccommit: Arc<str> = TEXT,
        subpublications: Vec<Arc<str>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_subscription_rel`.
    PgSubscriptionRel: 6102, "pg_subscription_rel" {
        srsubid: Oid = OID,
        srrelid: Oid = OID,
        srsubstate: char = CHAR,
        srsublsn: Option<u64> = PG_LSN,
    }
}
