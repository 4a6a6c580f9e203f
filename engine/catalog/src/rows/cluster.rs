//! What the whole cluster shares: databases, roles, tablespaces, and their dependencies.

use super::catalog_row;
use crate::acl::Acl;
use redoubt_functions::Oid;
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_authid`.
    PgAuthid: 1260, "pg_authid" {
        oid: Oid = OID,
        rolname: Arc<str> = NAME,
        rolsuper: bool = BOOL,
        rolinherit: bool = BOOL,
        rolcreaterole: bool = BOOL,
        rolcreatedb: bool = BOOL,
        rolcanlogin: bool = BOOL,
        rolreplication: bool = BOOL,
        rolbypassrls: bool = BOOL,
        rolconnlimit: i32 = INT4,
        rolpassword: Option<Arc<str>> = TEXT,
        rolvaliduntil: Option<i64> = TIMESTAMPTZ,
    }
}

catalog_row! {
    /// A row of `pg_auth_members`.
    PgAuthMembers: 1261, "pg_auth_members" {
        roleid: Oid = OID,
        member: Oid = OID,
        grantor: Oid = OID,
        admin_option: bool = BOOL,
    }
}

catalog_row! {
    /// A row of `pg_database`.
    PgDatabase: 1262, "pg_database" {
        oid: Oid = OID,
        datname: Arc<str> = NAME,
        datdba: Oid = OID,
        encoding: i32 = INT4,
        datlocprovider: char = CHAR,
        datistemplate: bool = BOOL,
        datallowconn: bool = BOOL,
        datconnlimit: i32 = INT4,
        datfrozenxid: Oid = XID,
        datminmxid: Oid = XID,
        dattablespace: Oid = OID,
        datcollate: Arc<str> = TEXT,
        datctype: Arc<str> = TEXT,
        daticulocale: Option<Arc<str>> = TEXT,
        datcollversion: Option<Arc<str>> = TEXT,
        datacl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_tablespace`.
    PgTablespace: 1213, "pg_tablespace" {
        oid: Oid = OID,
        spcname: Arc<str> = NAME,
        spcowner: Oid = OID,
        spcacl: Option<Acl> = ACLITEM_ARRAY,
        spcoptions: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_db_role_setting`.
    PgDbRoleSetting: 2964, "pg_db_role_setting" {
        setdatabase: Oid = OID,
        setrole: Oid = OID,
        setconfig: Option<Vec<Arc<str>>> = TEXT_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_parameter_acl`.
    PgParameterAcl: 6243, "pg_parameter_acl" {
        oid: Oid = OID,
        parname: Arc<str> = TEXT,
        paracl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_shdepend`.
    PgShdepend: 1214, "pg_shdepend" {
        dbid: Oid = OID,
        classid: Oid = OID,
        objid: Oid = OID,
        objsubid: i32 = INT4,
        refclassid: Oid = OID,
        refobjid: Oid = OID,
        deptype: char = CHAR,
    }
}

catalog_row! {
    /// A row of `pg_shdescription`.
    PgShdescription: 2396, "pg_shdescription" {
        objoid: Oid = OID,
        classoid: Oid = OID,
        description: Arc<str> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_shseclabel`.
    PgShseclabel: 3592, "pg_shseclabel" {
        objoid: Oid = OID,
        classoid: Oid = OID,
        provider: Arc<str> = TEXT,
        label: Arc<str> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_replication_origin`.
    PgReplicationOrigin: 6000, "pg_replication_origin" {
        roident: Oid = OID,
        roname: Arc<str> = TEXT,
    }
}
