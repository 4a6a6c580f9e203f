//! Constraints of tables and domains.

use super::{Ddl, DependencyKind, NewForeignKey, ObjectAddress, class};
use crate::index_oids as index;
use crate::rows::{PgClass, PgConstraint};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid};
use std::sync::Arc;

/// A constraint to be made.
#[derive(Clone, Debug)]
pub struct NewConstraint {
    /// Its name.
    pub name: Arc<str>,
    /// `c`heck, `f`oreign key, `p`rimary key, `u`nique, `x` exclusion, constraint `t`rigger.
    pub kind: char,
    /// Its schema: the table's or the domain's.
    pub namespace: Oid,
    /// The table, or 0.
    pub relation: Oid,
    /// The domain, or 0.
    pub domain: Oid,
    /// The index that enforces it, or that a foreign key refers to; 0 if it has none (yet).
    pub index: Oid,
    /// Attribute numbers: the key's, or those that a CHECK mentions.
    pub columns: Vec<i16>,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub deferred: bool,
    /// False for NOT VALID.
    pub validated: bool,
    /// Defined here, not only inherited.
    pub is_local: bool,
    /// How many parents have it.
    pub inherited_count: i32,
    /// NO INHERIT.
    pub no_inherit: bool,
    /// The parent's constraint that a partition's belongs to, or 0.
    pub parent: Oid,
    /// A CHECK's condition, as canonical SQL text.
    pub expression: Option<Arc<str>>,
    /// An exclusion constraint's operators.
    pub exclusion_operators: Option<Vec<Oid>>,
    /// What a foreign key refers to.
    pub foreign: Option<NewForeignKey>,
    /// Objects that the condition refers to; columns of the table itself come from `columns`.
    pub referenced: Vec<ObjectAddress>,
}

impl NewConstraint {
    /// A validated constraint of a table.
    pub fn new(kind: char, namespace: Oid, relation: Oid, name: impl Into<Arc<str>>) -> Self {
        NewConstraint {
            name: name.into(),
            kind,
            namespace,
            relation,
            domain: 0,
            index: 0,
            columns: Vec::new(),
            deferrable: false,
            deferred: false,
            validated: true,
            is_local: true,
            inherited_count: 0,
            no_inherit: kind != 'c',
            parent: 0,
            expression: None,
            exclusion_operators: None,
            foreign: None,
            referenced: Vec::new(),
        }
    }
}

impl Ddl<'_> {
    /// Adds a constraint and returns its OID. For a key, make the index afterwards, with
    /// [`Ddl::create_index`], and give it to [`Ddl::set_constraint_index`]; for a foreign key, its
    /// triggers with [`Ddl::create_foreign_key_triggers`].
    ///
    /// # Errors
    /// `42710` when the table or domain has one of that name.
    pub fn create_constraint(&self, new: &NewConstraint) -> PgResult<Oid> {
        self.check_constraint_name(new.relation, new.domain, &new.name)?;
        let oid = self.allocate_oid()?;
        self.insert(&constraint_row(new, oid))?;
        let address = ObjectAddress::new(class::CONSTRAINT, oid);
        if new.relation != 0 {
            let mut columns: Vec<ObjectAddress> =
                new.columns.iter().map(|attnum| ObjectAddress::column(new.relation, *attnum)).collect();
            if columns.is_empty() {
                columns.push(ObjectAddress::relation(new.relation));
            }
            self.record_dependencies(address, &columns, DependencyKind::Auto)?;
        }
        self.record_dependency(address, ObjectAddress::type_(new.domain), DependencyKind::Auto)?;
        self.record_constraint_dependencies(new, address)?;
        if new.kind == 'c' && new.relation != 0 {
            self.change_relation(new.relation, |row| row.relchecks += 1)?;
        }
        Ok(oid)
    }

    fn record_constraint_dependencies(&self, new: &NewConstraint, address: ObjectAddress) -> PgResult<()> {
        let mut referenced = new.referenced.clone();
        if let Some(operators) = &new.exclusion_operators {
            referenced.extend(operators.iter().map(|oid| ObjectAddress::new(class::OPERATOR, *oid)));
        }
        if let Some(foreign) = &new.foreign {
            referenced
                .extend(foreign.columns.iter().map(|attnum| ObjectAddress::column(foreign.table, *attnum)));
            referenced.push(ObjectAddress::relation(new.index));
            let operators = [&foreign.pk_fk_operators, &foreign.pk_pk_operators, &foreign.fk_fk_operators];
            let operators = operators.into_iter().flatten();
            referenced.extend(operators.map(|oid| ObjectAddress::new(class::OPERATOR, *oid)));
        }
        self.record_dependencies(address, &referenced, DependencyKind::Normal)
    }

    /// Whether a table (or a domain, the other being 0) can have a constraint of this name.
    ///
    /// # Errors
    /// `42710` when it has one.
    pub fn check_constraint_name(&self, relation: Oid, domain: Oid, name: &str) -> PgResult<()> {
        if self.find_constraint(relation, domain, name)?.is_none() {
            return Ok(());
        }
        let of = if relation != 0 {
            let (_, row) = self.find_oid::<PgClass>(index::CLASS_OID, relation)?;
            format!("relation \"{}\"", row.relname)
        } else {
            format!("domain {}", self.view().format_type(domain, None, self.path)?)
        };
        Err(PgError::new(code::DUPLICATE_OBJECT, format!("constraint \"{name}\" for {of} already exists")))
    }

    /// The constraint of this name of a table (or a domain, the other being 0).
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn find_constraint(&self, relation: Oid, domain: Oid, name: &str) -> PgResult<Option<PgConstraint>> {
        let key = [Datum::Oid(relation), Datum::Oid(domain), Datum::text(name)];
        Ok(self.find(index::CONSTRAINT_CONRELID, &key)?.pop().map(|(_, row)| row))
    }

    /// Names the index that enforces a constraint.
    ///
    /// # Errors
    /// `XX000` when there is no such constraint; those of writing pages.
    pub fn set_constraint_index(&self, constraint: Oid, index: Oid) -> PgResult<()> {
        self.change_constraint(constraint, |row| row.conindid = index)
    }

    /// Changes a constraint's row.
    ///
    /// # Errors
    /// `XX000` when there is no such constraint; those of writing pages.
    pub fn change_constraint(&self, oid: Oid, edit: impl FnOnce(&mut PgConstraint)) -> PgResult<()> {
        self.change(index::CONSTRAINT_OID, oid, edit)
    }

    /// Renames a constraint, and the index that enforces it.
    ///
    /// # Errors
    /// `42710` when there is one of the new name, `42P07` for such an index.
    pub fn rename_constraint(&self, oid: Oid, name: &str) -> PgResult<()> {
        let (_, row) = self.find_oid::<PgConstraint>(index::CONSTRAINT_OID, oid)?;
        if matches!(row.contype, 'p' | 'u' | 'x') && row.conindid != 0 {
            return self.rename_relation(row.conindid, name);
        }
        self.rename_constraint_row(oid, name)
    }

    pub(super) fn rename_constraint_row(&self, oid: Oid, name: &str) -> PgResult<()> {
        let (_, row) = self.find_oid::<PgConstraint>(index::CONSTRAINT_OID, oid)?;
        self.check_constraint_name(row.conrelid, row.contypid, name)?;
        self.change_constraint(oid, |row| row.conname = name.into())
    }

    /// Removes a constraint's row and its table's count of it.
    pub(super) fn remove_constraint_row(&self, oid: Oid) -> PgResult<()> {
        let (id, row) = self.find_oid::<PgConstraint>(index::CONSTRAINT_OID, oid)?;
        if row.conrelid != 0 && row.contype == 'c' {
            self.change_relation(row.conrelid, |class| class.relchecks -= 1)?;
        }
        self.remove(id, &row)
    }
}

fn constraint_row(new: &NewConstraint, oid: Oid) -> PgConstraint {
    let foreign = new.foreign.as_ref();
    let letter = |get: fn(&NewForeignKey) -> char| foreign.map_or(' ', get);
    let operators = |get: fn(&NewForeignKey) -> &Vec<Oid>| foreign.map(|foreign| get(foreign).clone());
    PgConstraint {
        oid,
        conname: new.name.clone(),
        connamespace: new.namespace,
        contype: new.kind,
        condeferrable: new.deferrable,
        condeferred: new.deferred,
        convalidated: new.validated,
        conrelid: new.relation,
        contypid: new.domain,
        conindid: new.index,
        conparentid: new.parent,
        confrelid: foreign.map_or(0, |foreign| foreign.table),
        confupdtype: letter(|foreign| foreign.on_update),
        confdeltype: letter(|foreign| foreign.on_delete),
        confmatchtype: letter(|foreign| foreign.match_type),
        conislocal: new.is_local,
        coninhcount: new.inherited_count,
        connoinherit: new.no_inherit,
        conkey: (!new.columns.is_empty()).then(|| new.columns.clone()),
        confkey: foreign.map(|foreign| foreign.columns.clone()),
        conpfeqop: operators(|foreign| &foreign.pk_fk_operators),
        conppeqop: operators(|foreign| &foreign.pk_pk_operators),
        conffeqop: operators(|foreign| &foreign.fk_fk_operators),
        confdelsetcols: foreign.and_then(|foreign| foreign.set_columns.clone()),
        conexclop: new.exclusion_operators.clone(),
        conbin: new.expression.clone(),
    }
}
