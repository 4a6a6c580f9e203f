//! Where the pages of a relation are: the storage number for its database and relfilenode.
//!
//! Storage numbers belong to the volume, not to a database. A user's relation has a relfilenode that is
//! unique in the volume, and that is its number. The system relations have the same relfilenodes in every
//! database, and must be found before any catalog can be read, so their numbers are computed: `template1`
//! and the shared catalogs have their relfilenodes themselves, every other database a block of its own.

use crate::rows::PgClass;
use crate::system::system_catalogs;
use redoubt_buffer::{FIRST_ORDINARY_NODE, RelNode};
use redoubt_functions::Oid;
use std::sync::LazyLock;

/// `pg_database.oid` of `template1`.
pub const TEMPLATE1: Oid = 1;
/// `pg_database.oid` of `template0`.
pub const TEMPLATE0: Oid = 4;
/// `pg_database.oid` of `postgres`.
pub const POSTGRES: Oid = 5;

/// Numbers in a database's block: more than there are system relations, so that there can be more.
pub(crate) const NODES_PER_DATABASE: u32 = 512;
/// Where the blocks of the databases made by bootstrap start: above all system relations' OIDs.
const BOOTSTRAP_BLOCKS: u32 = 8192;

/// OIDs of the system catalogs and their indexes, sorted: a relation's place here is its place in a block.
static SYSTEM_RELATIONS: LazyLock<Vec<Oid>> = LazyLock::new(|| {
    let mut oids: Vec<Oid> = Vec::new();
    for catalog in system_catalogs() {
        oids.push(catalog.oid);
        oids.extend(catalog.indexes.iter().map(|index| index.oid));
    }
    oids.sort_unstable();
    assert!(oids.len() <= NODES_PER_DATABASE as usize, "a block has room for the system relations");
    assert!(oids.iter().all(|oid| *oid < BOOTSTRAP_BLOCKS), "blocks lie above the system relations");
    oids
});

/// The storage number of a system relation in a database (0 for a shared one).
///
/// # Panics
/// If there is no such system relation.
pub(crate) fn system_node(database: Oid, relation: Oid) -> RelNode {
    let place = SYSTEM_RELATIONS.binary_search(&relation).expect("a system relation");
    let block = match database {
        0 | TEMPLATE1 => return RelNode(relation),
        TEMPLATE0 => BOOTSTRAP_BLOCKS,
        POSTGRES => BOOTSTRAP_BLOCKS + NODES_PER_DATABASE,
        // An ordinary database has its OID and those behind it to itself.
        ordinary => ordinary,
    };
    RelNode(block + place as u32)
}

/// The storage number of a relation by its `pg_class` row in a database.
pub(crate) fn node_of(class: &PgClass, database: Oid) -> RelNode {
    let number = if class.relfilenode == 0 { class.oid } else { class.relfilenode };
    let is_system = number < FIRST_ORDINARY_NODE && SYSTEM_RELATIONS.binary_search(&number).is_ok();
    if is_system {
        system_node(if class.relisshared { 0 } else { database }, number)
    } else {
        RelNode(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_system_relations_share_a_number() {
        let mut seen = HashSet::new();
        for database in [TEMPLATE1, TEMPLATE0, POSTGRES, 20_000, 20_512] {
            for relation in SYSTEM_RELATIONS.iter() {
                assert!(seen.insert(system_node(database, *relation)), "{database} {relation}");
            }
        }
        assert_eq!(system_node(TEMPLATE1, 1259), RelNode(1259));
        assert_eq!(system_node(0, 1260), RelNode(1260));
        assert!(seen.iter().all(|RelNode(n)| *n < FIRST_ORDINARY_NODE || (20_000..21_024).contains(n)));
    }
}
