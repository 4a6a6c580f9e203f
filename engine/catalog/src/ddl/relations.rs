//! Making and changing relations as a whole: the `pg_class` row and what comes with it.

use super::columns::NewColumn;
use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::acl::{Acl, AclObject};
use crate::index_oids as index;
use crate::relation::{Relation, has_storage};
use crate::rows::{PgClass, PgType};
use redoubt_buffer::RelNode;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use std::sync::Arc;

/// `pg_am.oid` of heap.
const HEAP: Oid = 2;

/// A relation to be made; its indexes, constraints and defaults follow.
#[derive(Clone, Debug)]
pub struct NewRelation {
    /// Its name.
    pub name: Arc<str>,
    /// Its schema.
    pub namespace: Oid,
    /// `pg_class.relkind`.
    pub kind: char,
    /// Its owner.
    pub owner: Oid,
    /// `p`, `u` or `t`.
    pub persistence: char,
    /// Access method of a table or materialised view; 0 elsewhere.
    pub method: Oid,
    /// Tablespace, 0 for the database's.
    pub tablespace: Oid,
    /// Its columns.
    pub columns: Vec<NewColumn>,
    /// `reloptions`.
    pub options: Option<Vec<Arc<str>>>,
    /// The composite type of a typed table, or 0.
    pub of_type: Oid,
    /// A partition of something.
    pub is_partition: bool,
    /// Its privileges, if not the default.
    pub acl: Option<Acl>,
}

impl NewRelation {
    /// A permanent relation of a kind, with no columns.
    pub fn new(kind: char, namespace: Oid, name: impl Into<Arc<str>>, owner: Oid) -> Self {
        NewRelation {
            name: name.into(),
            namespace,
            kind,
            owner,
            persistence: 'p',
            method: if matches!(kind, 'r' | 'm' | 't') { HEAP } else { 0 },
            tablespace: 0,
            columns: Vec::new(),
            options: None,
            of_type: 0,
            is_partition: false,
            acl: None,
        }
    }
}

/// What there is no row type for.
fn has_row_type(kind: char) -> bool {
    !matches!(kind, 'S' | 't' | 'i' | 'I')
}

impl Ddl<'_> {
    /// Makes a relation with its row type, columns, storage and dependencies, and returns its OID.
    ///
    /// # Errors
    /// `42P07` when the schema has a relation of that name, `42710` when it has such a type, those of
    /// checking columns.
    pub fn create_relation(&self, new: &NewRelation) -> PgResult<Oid> {
        self.check_columns(new.kind, &new.columns)?;
        self.check_relation_name(new.namespace, &new.name)?;
        if has_row_type(new.kind) {
            self.check_row_type_name(new.namespace, &new.name)?;
        }
        let oid = self.allocate_oid()?;
        let (array, row_type) =
            if has_row_type(new.kind) { (self.allocate_oid()?, self.allocate_oid()?) } else { (0, 0) };
        if has_storage(new.kind) {
            self.store.create_storage(RelNode(oid), oid, None)?;
        }
        // Of two that make a table of one name at once, the second fails at its row type, as in PostgreSQL.
        if row_type != 0 {
            self.create_row_type(new, oid, row_type, array)?;
        }
        let with_acl;
        let new = match self.acl_of_new_relation(new)? {
            Some(acl) => {
                with_acl = NewRelation { acl: Some(acl), ..new.clone() };
                &with_acl
            }
            None => new,
        };
        self.insert(&class_row(new, oid, row_type))?;
        self.insert_columns(oid, new.kind, &new.columns)?;
        self.record_relation_dependencies(new, oid)?;
        Ok(oid)
    }

    /// What ALTER DEFAULT PRIVILEGES has said about such relations of such owners.
    fn acl_of_new_relation(&self, new: &NewRelation) -> PgResult<Option<Acl>> {
        match new.kind {
            _ if new.acl.is_some() => Ok(None),
            'S' => self.acl_of_new('S', AclObject::Sequence, new.owner, new.namespace),
            'r' | 'v' | 'm' | 'p' | 'f' => self.acl_of_new('r', AclObject::Table, new.owner, new.namespace),
            _ => Ok(None),
        }
    }

    /// Whether a schema has a relation of this name.
    ///
    /// # Errors
    /// `42P07` when it has.
    pub fn check_relation_name(&self, namespace: Oid, name: &str) -> PgResult<()> {
        match self.view().relation_oid(namespace, name)? {
            Some(_) => {
                Err(PgError::new(code::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")))
            }
            None => Ok(()),
        }
    }

    fn check_row_type_name(&self, namespace: Oid, name: &str) -> PgResult<()> {
        let Some(found) = self.view().type_by_name(namespace, name)? else { return Ok(()) };
        if self.move_array_type_away(&found.row)? {
            return Ok(());
        }
        Err(PgError::new(code::DUPLICATE_OBJECT, format!("type \"{name}\" already exists")).hint(
            "A relation has an associated type of the same name, \
             so you must use a name that doesn't conflict with any existing type.",
        ))
    }

    fn create_row_type(&self, new: &NewRelation, relation: Oid, row_type: Oid, array: Oid) -> PgResult<()> {
        let row = PgType {
            typrelid: relation,
            typarray: array,
            ..super::types::composite_row(row_type, &new.name, new.namespace, new.owner)
        };
        self.insert(&row)?;
        let address = ObjectAddress::type_(row_type);
        if new.kind == 'c' {
            // A free-standing composite type is the object; the relation is its part.
            self.record_dependency(ObjectAddress::relation(relation), address, DependencyKind::Internal)?;
            self.record_dependency(
                address,
                ObjectAddress::new(class::NAMESPACE, new.namespace),
                DependencyKind::Normal,
            )?;
            self.record_owner(address, new.owner)?;
        } else {
            self.record_dependency(address, ObjectAddress::relation(relation), DependencyKind::Internal)?;
        }
        self.create_array_type(array, &row)
    }

    fn record_relation_dependencies(&self, new: &NewRelation, oid: Oid) -> PgResult<()> {
        if matches!(new.kind, 'c' | 't' | 'i' | 'I') {
            return Ok(());
        }
        let address = ObjectAddress::relation(oid);
        let on = |referenced| self.record_dependency(address, referenced, DependencyKind::Normal);
        on(ObjectAddress::new(class::NAMESPACE, new.namespace))?;
        self.record_owner(address, new.owner)?;
        if new.of_type != 0 {
            on(ObjectAddress::type_(new.of_type))?;
        }
        if new.method != 0 {
            on(ObjectAddress::new(class::ACCESS_METHOD, new.method))?;
        }
        if let Some(acl) = &new.acl {
            self.record_acl_roles(address, new.owner, &acl_roles(acl))?;
        }
        Ok(())
    }

    /// Changes a relation's `pg_class` row.
    ///
    /// # Errors
    /// `XX000` when there is no such relation; those of writing pages.
    pub fn change_relation(&self, oid: Oid, edit: impl FnOnce(&mut PgClass)) -> PgResult<()> {
        self.change(index::CLASS_OID, oid, edit)
    }

    /// Changes hints and statistics in a relation's `pg_class` row where it lies, for everybody and for good.
    ///
    /// # Errors
    /// `XX000` when there is no such relation; those of writing pages.
    pub fn note_in_relation(&self, oid: Oid, edit: impl FnOnce(&mut PgClass)) -> PgResult<()> {
        self.overwrite(index::CLASS_OID, oid, edit)
    }

    /// Renames a relation, its row type, and an index's constraint.
    ///
    /// # Errors
    /// `42P07` when the schema has a relation of the new name; `42710` when it has such a type.
    pub fn rename_relation(&self, oid: Oid, name: &str) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgClass>(index::CLASS_OID, oid)?;
        self.check_relation_name(old.relnamespace, name)?;
        self.change_relation(oid, |row| row.relname = name.into())?;
        if old.reltype != 0 {
            self.rename_type(old.reltype, name)?;
        }
        if matches!(old.relkind, 'i' | 'I')
            && let Some(constraint) = self.constraint_of_index(oid)?
        {
            self.rename_constraint_row(constraint, name)?;
        }
        Ok(())
    }

    /// Moves a relation to another schema, with its row type; indexes, constraints and owned sequences
    /// are the caller's to move too.
    ///
    /// # Errors
    /// `42P07` when that schema has a relation of the name.
    pub fn move_relation(&self, oid: Oid, namespace: Oid) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgClass>(index::CLASS_OID, oid)?;
        if self.view().relation_oid(namespace, &old.relname)?.is_some() {
            let schema = self.view().namespace_by_oid(namespace)?;
            return Err(PgError::new(
                code::DUPLICATE_TABLE,
                format!(
                    "relation \"{}\" already exists in schema \"{}\"",
                    old.relname,
                    schema.map_or_else(String::new, |schema| schema.nspname.to_string())
                ),
            ));
        }
        self.change_relation(oid, |row| row.relnamespace = namespace)?;
        let schema = |oid| ObjectAddress::new(class::NAMESPACE, oid);
        if !matches!(old.relkind, 'i' | 'I' | 'c') {
            self.move_dependency(ObjectAddress::relation(oid), schema(old.relnamespace), schema(namespace))?;
        }
        if old.reltype != 0 {
            self.move_type_rows(old.reltype, namespace)?;
        }
        Ok(())
    }

    /// Gives a relation and its row type to another role.
    ///
    /// # Errors
    /// `XX000` when there is no such relation; those of writing pages.
    pub fn change_relation_owner(&self, oid: Oid, owner: Oid) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgClass>(index::CLASS_OID, oid)?;
        let acl = old.relacl.as_ref().map(|acl| acl.with_owner(old.relowner, owner));
        self.change_relation(oid, |row| {
            row.relowner = owner;
            row.relacl = acl.clone();
        })?;
        if !matches!(old.relkind, 'i' | 'I' | 'c') {
            let address = ObjectAddress::relation(oid);
            self.change_owner_note(address, owner)?;
            if let Some(acl) = &acl {
                self.record_acl_roles(address, owner, &acl_roles(acl))?;
            }
        }
        if old.reltype != 0 {
            self.change_type_owner_rows(old.reltype, owner)?;
        }
        for (_, row) in
            self.find::<crate::rows::PgIndex>(index::INDEX_INDRELID, &[redoubt_functions::Datum::Oid(oid)])?
        {
            self.change_relation(row.indexrelid, |row| row.relowner = owner)?;
        }
        Ok(())
    }

    /// Sets a relation's privileges (NULL: the default).
    ///
    /// # Errors
    /// `XX000` when there is no such relation; those of writing pages.
    pub fn set_relation_acl(&self, oid: Oid, acl: Option<Acl>) -> PgResult<()> {
        let (_, old) = self.find_oid::<PgClass>(index::CLASS_OID, oid)?;
        let roles = acl.as_ref().map(acl_roles).unwrap_or_default();
        self.change_relation(oid, |row| row.relacl = acl)?;
        self.record_acl_roles(ObjectAddress::relation(oid), old.relowner, &roles)
    }

    /// Gives a relation new, empty storage in the place of the old, and returns where it is: for TRUNCATE
    /// and for whatever makes an index again.
    ///
    /// # Errors
    /// `XX000` when there is no such relation; those of writing pages.
    pub fn replace_storage(&self, oid: Oid) -> PgResult<RelNode> {
        let node = self.new_storage(oid)?;
        self.adopt_storage(oid, node)?;
        Ok(node)
    }

    /// New, empty storage for a relation that keeps its old until [`Ddl::adopt_storage`]: for what reads the one while
    /// it writes the other.
    ///
    /// # Errors
    /// As for [`Ddl::replace_storage`].
    pub fn new_storage(&self, oid: Oid) -> PgResult<RelNode> {
        let relation = self.relation_must(oid)?;
        let node = RelNode(self.allocate_oid()?);
        let kind = match relation.kind {
            'i' => Some(self.index_kind(relation.class.relam)?),
            _ => None,
        };
        self.store.create_storage(node, oid, kind)?;
        Ok(node)
    }

    /// Puts storage that [`Ddl::new_storage`] has made in the place of a relation's old, which is given up.
    ///
    /// # Errors
    /// As for [`Ddl::replace_storage`].
    pub fn adopt_storage(&self, oid: Oid, node: RelNode) -> PgResult<()> {
        let relation = self.relation_must(oid)?;
        self.store.drop_storage(relation.node)?;
        self.change_relation(oid, |row| {
            row.relfilenode = node.0;
            row.relpages = 0;
            row.reltuples = -1.0;
            row.relallvisible = 0;
        })
    }

    fn relation_must(&self, oid: Oid) -> PgResult<Arc<Relation>> {
        let relation = self.view().relation_by_oid(oid)?;
        relation.ok_or_else(|| PgError::internal(format!("could not open relation with OID {oid}")))
    }

    /// Makes one table inherit from, or be a partition of, another.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn add_inheritance(&self, child: Oid, parent: Oid, sequence: i32, partition: bool) -> PgResult<()> {
        self.insert(&crate::rows::PgInherits {
            inhrelid: child,
            inhparent: parent,
            inhseqno: sequence,
            inhdetachpending: false,
        })?;
        let kind = if partition { DependencyKind::Auto } else { DependencyKind::Normal };
        self.record_dependency(ObjectAddress::relation(child), ObjectAddress::relation(parent), kind)?;
        self.change_relation(parent, |row| row.relhassubclass = true)
    }
}

/// The roles that a list of privileges names.
pub(super) fn acl_roles(acl: &Acl) -> Vec<Oid> {
    acl.0.iter().flat_map(|item| [item.grantee, item.grantor]).collect()
}

/// The `pg_class` row of a new relation.
pub(super) fn class_row(new: &NewRelation, oid: Oid, row_type: Oid) -> PgClass {
    let frozen = u32::from(matches!(new.kind, 'r' | 'm' | 't'));
    let (pages, tuples) = match new.kind {
        'S' => (1, 1.0),
        'i' => (0, 0.0),
        _ => (0, -1.0),
    };
    PgClass {
        oid,
        relname: new.name.clone(),
        relnamespace: new.namespace,
        reltype: row_type,
        reloftype: new.of_type,
        relowner: new.owner,
        relam: new.method,
        relfilenode: if has_storage(new.kind) { oid } else { 0 },
        reltablespace: new.tablespace,
        relpages: pages,
        reltuples: tuples,
        relallvisible: 0,
        reltoastrelid: 0,
        relhasindex: false,
        relisshared: false,
        relpersistence: new.persistence,
        relkind: new.kind,
        relnatts: new.columns.len() as i16,
        relchecks: 0,
        relhasrules: false,
        relhastriggers: false,
        relhassubclass: false,
        relrowsecurity: false,
        relforcerowsecurity: false,
        relispopulated: true,
        relreplident: if matches!(new.kind, 'r' | 'm' | 'p') { 'd' } else { 'n' },
        relispartition: new.is_partition,
        relrewrite: 0,
        relfrozenxid: frozen * 3,
        relminmxid: frozen,
        relacl: new.acl.clone(),
        reloptions: new.options.clone(),
        relpartbound: None,
    }
}
