//! Naming any object in a database, and how objects depend on each other.

use redoubt_functions::Oid;

/// Any object: its catalog, its OID, and for a column its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectAddress {
    /// OID of the catalog, see [`crate::ddl::class`].
    pub class: Oid,
    /// OID of the object.
    pub object: Oid,
    /// Attribute number of a column, 0 for the whole object.
    pub sub: i32,
}

impl ObjectAddress {
    /// An object as a whole.
    pub const fn new(class: Oid, object: Oid) -> Self {
        ObjectAddress { class, object, sub: 0 }
    }

    /// A column.
    pub const fn column(relation: Oid, attnum: i16) -> Self {
        ObjectAddress { class: super::class::RELATION, object: relation, sub: attnum as i32 }
    }

    /// A relation.
    pub const fn relation(oid: Oid) -> Self {
        Self::new(super::class::RELATION, oid)
    }

    /// A type.
    pub const fn type_(oid: Oid) -> Self {
        Self::new(super::class::TYPE, oid)
    }

    /// Whether it is part of the system, which cannot lose it.
    pub fn is_pinned(&self) -> bool {
        // The schema public and the databases are made by initdb for the user to drop.
        let exempt = self.class == super::class::DATABASE
            || (self.class == super::class::NAMESPACE && self.object == 2200);
        self.object < super::FIRST_UNPINNED_OID && !exempt
    }
}

/// What happens to the dependent object when the referenced one is dropped (`pg_depend.deptype`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DependencyKind {
    /// It must be dropped first, or CASCADE said.
    Normal,
    /// It goes without being asked for.
    Auto,
    /// It is part of the referenced object, and cannot be dropped by itself.
    Internal,
    /// It belongs to a partition and to its partitioned parent: the latter's share.
    PartitionPrimary,
    /// The same: the partition's share.
    PartitionSecondary,
    /// It belongs to the extension.
    Extension,
    /// It goes with the extension, but may be dropped by itself.
    AutoExtension,
}

impl DependencyKind {
    /// The letter in `deptype`.
    pub fn letter(self) -> char {
        match self {
            DependencyKind::Normal => 'n',
            DependencyKind::Auto => 'a',
            DependencyKind::Internal => 'i',
            DependencyKind::PartitionPrimary => 'P',
            DependencyKind::PartitionSecondary => 'S',
            DependencyKind::Extension => 'e',
            DependencyKind::AutoExtension => 'x',
        }
    }

    /// What the letter stands for.
    pub fn from_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'n' => DependencyKind::Normal,
            'a' => DependencyKind::Auto,
            'i' => DependencyKind::Internal,
            'P' => DependencyKind::PartitionPrimary,
            'S' => DependencyKind::PartitionSecondary,
            'e' => DependencyKind::Extension,
            'x' => DependencyKind::AutoExtension,
            _ => return None,
        })
    }
}
