//! Functions, aggregates, operators, operator classes and families, languages.

use super::catalog_row;
use crate::acl::Acl;
use redoubt_functions::Oid;
use std::sync::Arc;

catalog_row! {
    /// A row of `pg_proc`.
    PgProc: 1255, "pg_proc" {
        oid: Oid = OID,
        proname: Arc<str> = NAME,
        pronamespace: Oid = OID,
        proowner: Oid = OID,
        prolang: Oid = OID,
        procost: f32 = FLOAT4,
        prorows: f32 = FLOAT4,
        provariadic: Oid = OID,
        prosupport: Oid = REGPROC,
        prokind: char = CHAR,
        prosecdef: bool = BOOL,
        proleakproof: bool = BOOL,
        proisstrict: bool = BOOL,
        proretset: bool = BOOL,
        provolatile: char = CHAR,
        proparallel: char = CHAR,
        pronargs: i16 = INT2,
        pronargdefaults: i16 = INT2,
        prorettype: Oid = OID,
        proargtypes: Vec<Oid> = OIDVECTOR,
        proallargtypes: Option<Vec<Oid>> = OID_ARRAY,
        proargmodes: Option<Vec<char>> = CHAR_ARRAY,
        proargnames: Option<Vec<Arc<str>>> = TEXT_ARRAY,
        proargdefaults: Option<Arc<str>> = PG_NODE_TREE,
        protrftypes: Option<Vec<Oid>> = OID_ARRAY,
        prosrc: Arc<str> = TEXT,
        probin: Option<Arc<str>> = TEXT,
        prosqlbody: Option<Arc<str>> = PG_NODE_TREE,
        proconfig: Option<Vec<Arc<str>>> = TEXT_ARRAY,
        proacl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_aggregate`.
    PgAggregate: 2600, "pg_aggregate" {
        aggfnoid: Oid = REGPROC,
        aggkind: char = CHAR,
        aggnumdirectargs: i16 = INT2,
        aggtransfn: Oid = REGPROC,
        aggfinalfn: Oid = REGPROC,
        aggcombinefn: Oid = REGPROC,
        aggserialfn: Oid = REGPROC,
        aggdeserialfn: Oid = REGPROC,
        aggmtransfn: Oid = REGPROC,
        aggminvtransfn: Oid = REGPROC,
        aggmfinalfn: Oid = REGPROC,
        aggfinalextra: bool = BOOL,
        aggmfinalextra: bool = BOOL,
        aggfinalmodify: char = CHAR,
        aggmfinalmodify: char = CHAR,
        aggsortop: Oid = OID,
        aggtranstype: Oid = OID,
        aggtransspace: i32 = INT4,
        aggmtranstype: Oid = OID,
        aggmtransspace: i32 = INT4,
        agginitval: Option<Arc<str>> = TEXT,
        aggminitval: Option<Arc<str>> = TEXT,
    }
}

catalog_row! {
    /// A row of `pg_language`.
    PgLanguage: 2612, "pg_language" {
        oid: Oid = OID,
        lanname: Arc<str> = NAME,
        lanowner: Oid = OID,
        lanispl: bool = BOOL,
        lanpltrusted: bool = BOOL,
        lanplcallfoid: Oid = OID,
        laninline: Oid = OID,
        lanvalidator: Oid = OID,
        lanacl: Option<Acl> = ACLITEM_ARRAY,
    }
}

catalog_row! {
    /// A row of `pg_operator`.
    PgOperator: 2617, "pg_operator" {
        oid: Oid = OID,
        oprname: Arc<str> = NAME,
        oprnamespace: Oid = OID,
        oprowner: Oid = OID,
        oprkind: char = CHAR,
        oprcanmerge: bool = BOOL,
        oprcanhash: bool = BOOL,
        oprleft: Oid = OID,
        oprright: Oid = OID,
        oprresult: Oid = OID,
        oprcom: Oid = OID,
        oprnegate: Oid = OID,
        oprcode: Oid = REGPROC,
        oprrest: Oid = REGPROC,
        oprjoin: Oid = REGPROC,
    }
}

catalog_row! {
    /// A row of `pg_opclass`.
    PgOpclass: 2616, "pg_opclass" {
        oid: Oid = OID,
        opcmethod: Oid = OID,
        opcname: Arc<str> = NAME,
        opcnamespace: Oid = OID,
        opcowner: Oid = OID,
        opcfamily: Oid = OID,
        opcintype: Oid = OID,
        opcdefault: bool = BOOL,
        opckeytype: Oid = OID,
    }
}

catalog_row! {
    /// A row of `pg_opfamily`.
    PgOpfamily: 2753, "pg_opfamily" {
        oid: Oid = OID,
        opfmethod: Oid = OID,
        opfname: Arc<str> = NAME,
        opfnamespace: Oid = OID,
        opfowner: Oid = OID,
    }
}

catalog_row! {
    /// A row of `pg_amop`.
    PgAmop: 2602, "pg_amop" {
        oid: Oid = OID,
        amopfamily: Oid = OID,
        amoplefttype: Oid = OID,
        amoprighttype: Oid = OID,
        amopstrategy: i16 = INT2,
        amoppurpose: char = CHAR,
        amopopr: Oid = OID,
        amopmethod: Oid = OID,
        amopsortfamily: Oid = OID,
    }
}

catalog_row! {
    /// A row of `pg_amproc`.
    PgAmproc: 2603, "pg_amproc" {
        oid: Oid = OID,
        amprocfamily: Oid = OID,
        amproclefttype: Oid = OID,
        amprocrighttype: Oid = OID,
        amprocnum: i16 = INT2,
        amproc: Oid = REGPROC,
    }
}
