//! The system catalogs' own descriptors and indexes, known without reading a page.
//!
//! Something must be known before the catalogs can be read; these are facts, the same in every database.

use crate::facts;
use crate::rows::{CATALOGS, CatalogColumns, PgAttribute, PgClass, PgIndex};
use redoubt_functions::{Attribute, Oid, TupleDesc};
use std::sync::LazyLock;

/// A system catalog.
#[derive(Debug)]
pub struct SystemCatalog {
    /// `pg_class.oid`, and its relfilenode.
    pub oid: Oid,
    /// Its name, in schema `pg_catalog`.
    pub name: &'static str,
    /// One for the whole cluster (`pg_class.relisshared`).
    pub shared: bool,
    /// Its columns.
    pub desc: TupleDesc,
    /// Names and types of the columns, and what to call the catalog in an error.
    pub columns: &'static CatalogColumns,
    /// Its indexes, in order of OID.
    pub indexes: Vec<SystemIndex>,
}

/// An index of a system catalog. All are btrees over plain columns, ascending, NULLs last.
#[derive(Clone, Debug)]
pub struct SystemIndex {
    /// `pg_class.oid`, and its relfilenode.
    pub oid: Oid,
    /// Its name.
    pub name: std::sync::Arc<str>,
    /// The catalog.
    pub catalog: Oid,
    /// Positions of the key columns in the catalog's rows, from 0.
    pub key: Vec<usize>,
    /// No two live rows have the same key.
    pub unique: bool,
}

static SYSTEM: LazyLock<Vec<SystemCatalog>> = LazyLock::new(read_facts);

/// Every system catalog, in order of OID.
pub fn system_catalogs() -> &'static [SystemCatalog] {
    &SYSTEM
}

/// The system catalog with this OID.
pub fn system_catalog(oid: Oid) -> Option<&'static SystemCatalog> {
    let at = SYSTEM.binary_search_by_key(&oid, |catalog| catalog.oid).ok()?;
    Some(&SYSTEM[at])
}

/// Whether a relation of this OID is a system catalog or an index of one.
pub fn is_system_relation(oid: Oid) -> bool {
    system_catalog(oid).is_some()
        || SYSTEM.iter().any(|catalog| catalog.indexes.iter().any(|index| index.oid == oid))
}

impl SystemCatalog {
    /// The index of this catalog with this OID.
    ///
    /// # Panics
    /// If there is none: the OID is a constant of this crate.
    pub fn index_of(&self, oid: Oid) -> &SystemIndex {
        self.indexes.iter().find(|index| index.oid == oid).expect("the catalog has the index")
    }

    /// The index by `oid`, if the catalog's objects have one.
    pub fn oid_index(&self) -> Option<&SystemIndex> {
        let has_oid = self.columns.columns[0].0 == "oid";
        self.indexes.iter().find(|index| has_oid && index.unique && index.key == [0])
    }

    /// Position of a column, from 0.
    ///
    /// # Panics
    /// If there is none of that name.
    pub fn column(&self, name: &str) -> usize {
        self.columns
            .columns
            .iter()
            .position(|(column, _)| *column == name)
            .expect("the catalog has the column")
    }
}

fn read_facts() -> Vec<SystemCatalog> {
    let classes: Vec<PgClass> = facts::typed();
    let attributes: Vec<PgAttribute> = facts::typed();
    let indexes: Vec<PgIndex> = facts::typed();
    let class = |oid| {
        let at = classes.binary_search_by_key(&oid, |class: &PgClass| class.oid);
        &classes[at.expect("every catalog and index has its row in pg_class")]
    };
    let mut catalogs: Vec<SystemCatalog> = CATALOGS
        .iter()
        .map(|columns| SystemCatalog {
            oid: columns.oid,
            name: columns.name,
            shared: class(columns.oid).relisshared,
            desc: descriptor(columns.oid, &attributes),
            columns,
            indexes: indexes
                .iter()
                .filter(|index| index.indrelid == columns.oid)
                .map(|index| SystemIndex {
                    oid: index.indexrelid,
                    name: class(index.indexrelid).relname.clone(),
                    catalog: columns.oid,
                    key: index.indkey.iter().map(|attnum| *attnum as usize - 1).collect(),
                    unique: index.indisunique,
                })
                .collect(),
        })
        .collect();
    catalogs.sort_unstable_by_key(|catalog| catalog.oid);
    catalogs
}

fn descriptor(relation: Oid, attributes: &[PgAttribute]) -> TupleDesc {
    let own = attributes.iter().filter(|a| a.attrelid == relation && a.attnum > 0);
    TupleDesc::new(own.map(attribute).collect::<Vec<Attribute>>())
}

/// A column as functions and executors see it.
pub(crate) fn attribute(row: &PgAttribute) -> Attribute {
    let flag = |c: char| u8::try_from(c).unwrap_or(0);
    Attribute {
        typmod: row.atttypmod,
        collation: row.attcollation,
        not_null: row.attnotnull,
        dropped: row.attisdropped,
        has_default: row.atthasdef,
        identity: flag(row.attidentity),
        generated: flag(row.attgenerated),
        missing: None,
        ..Attribute::new(row.attname.clone(), row.atttypid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catalogs_have_their_indexes() {
        let class = system_catalog(1259).unwrap();
        assert_eq!(class.name, "pg_class");
        assert!(!class.shared);
        let by_name = class.index_of(2663);
        assert_eq!((&*by_name.name, by_name.unique), ("pg_class_relname_nsp_index", true));
        assert_eq!(by_name.key, [class.column("relname"), class.column("relnamespace")]);
        assert!(system_catalog(1262).unwrap().shared);
        assert!(is_system_relation(2663) && !is_system_relation(16384));
        assert_eq!(system_catalogs().len(), 64);
    }
}
