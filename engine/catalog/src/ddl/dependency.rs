//! Recording who depends on whom: `pg_depend` within a database, `pg_shdepend` on roles and tablespaces.

use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::index_oids as index;
use crate::rows::{PgDepend, PgShdepend};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};

/// `pg_shdepend.deptype` for the owner.
const OWNER: char = 'o';
/// `pg_shdepend.deptype` for a role in the object's privileges.
const ACL: char = 'a';

impl Ddl<'_> {
    /// Notes that `dependent` needs `referenced`. What the system itself consists of needs no note.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn record_dependency(
        &self,
        dependent: ObjectAddress,
        referenced: ObjectAddress,
        kind: DependencyKind,
    ) -> PgResult<()> {
        if referenced.is_pinned() || referenced.object == 0 {
            return Ok(());
        }
        self.insert(&PgDepend {
            classid: dependent.class,
            objid: dependent.object,
            objsubid: dependent.sub,
            refclassid: referenced.class,
            refobjid: referenced.object,
            refobjsubid: referenced.sub,
            deptype: kind.letter(),
        })?;
        Ok(())
    }

    /// As [`Ddl::record_dependency`] for several referenced objects, each noted once.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn record_dependencies(
        &self,
        dependent: ObjectAddress,
        referenced: &[ObjectAddress],
        kind: DependencyKind,
    ) -> PgResult<()> {
        let mut unique = referenced.to_vec();
        unique.sort_unstable();
        unique.dedup();
        unique.iter().try_for_each(|object| self.record_dependency(dependent, *object, kind))
    }

    /// What an object's rows say that it depends on.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn dependencies_of(&self, object: ObjectAddress) -> PgResult<Vec<PgDepend>> {
        let rows = self.find(index::DEPEND_DEPENDER, &object_key(object))?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The notes that say that something depends on the object, or on a column of it.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn dependents_of(&self, object: ObjectAddress) -> PgResult<Vec<PgDepend>> {
        let rows = self.find(index::DEPEND_REFERENCE, &object_key(object))?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Forgets everything an object depends on (with its columns, if it is whole); with a `kind`, only
    /// dependencies of that kind, and with a class only those on objects of that class.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn forget_dependencies(
        &self,
        object: ObjectAddress,
        kind: Option<DependencyKind>,
        referenced_class: Option<Oid>,
    ) -> PgResult<()> {
        for (id, row) in self.find::<PgDepend>(index::DEPEND_DEPENDER, &object_key(object))? {
            if kind.is_none_or(|kind| kind.letter() == row.deptype)
                && referenced_class.is_none_or(|class| class == row.refclassid)
            {
                self.remove(id, &row)?;
            }
        }
        Ok(())
    }

    /// Makes dependencies on one object be dependencies on another.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn move_dependency(
        &self,
        dependent: ObjectAddress,
        from: ObjectAddress,
        to: ObjectAddress,
    ) -> PgResult<()> {
        if from.is_pinned() {
            return self.record_dependency(dependent, to, DependencyKind::Normal);
        }
        for (id, row) in self.find::<PgDepend>(index::DEPEND_DEPENDER, &object_key(dependent))? {
            if (row.refclassid, row.refobjid, row.refobjsubid) != (from.class, from.object, from.sub) {
                continue;
            }
            if to.is_pinned() {
                self.remove(id, &row)?;
            } else {
                let new = PgDepend { refobjid: to.object, refobjsubid: to.sub, ..row.clone() };
                self.update(id, &row, &new)?;
            }
        }
        Ok(())
    }

    /// Notes an object's owner.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn record_owner(&self, object: ObjectAddress, owner: Oid) -> PgResult<()> {
        self.record_role(object, owner, OWNER)
    }

    /// Notes an object's new owner in place of the old.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn change_owner_note(&self, object: ObjectAddress, owner: Oid) -> PgResult<()> {
        self.forget_roles(object, Some(OWNER))?;
        self.record_owner(object, owner)
    }

    /// Notes the roles that an object's privileges name, other than its owner.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn record_acl_roles(&self, object: ObjectAddress, owner: Oid, roles: &[Oid]) -> PgResult<()> {
        self.forget_roles(object, Some(ACL))?;
        let mut roles: Vec<Oid> = roles.iter().copied().filter(|role| *role != 0 && *role != owner).collect();
        roles.sort_unstable();
        roles.dedup();
        roles.iter().try_for_each(|role| self.record_role(object, *role, ACL))
    }

    fn record_role(&self, object: ObjectAddress, role: Oid, deptype: char) -> PgResult<()> {
        if ObjectAddress::new(class::ROLE, role).is_pinned() {
            return Ok(());
        }
        self.insert(&PgShdepend {
            dbid: self.database_of(object),
            classid: object.class,
            objid: object.object,
            objsubid: object.sub,
            refclassid: class::ROLE,
            refobjid: role,
            deptype,
        })?;
        Ok(())
    }

    /// Forgets the roles that an object depends on: all of it, with its columns, or only what one letter
    /// stands for, of exactly this object.
    ///
    /// # Errors
    /// Those of writing pages.
    pub(crate) fn forget_roles(&self, object: ObjectAddress, deptype: Option<char>) -> PgResult<()> {
        let mut key = vec![Datum::Oid(self.database_of(object))];
        key.extend(object_key(object));
        for (id, row) in self.find::<PgShdepend>(index::SHDEPEND_DEPENDER, &key)? {
            if deptype.is_none_or(|deptype| (deptype, object.sub) == (row.deptype, row.objsubid)) {
                self.remove(id, &row)?;
            }
        }
        Ok(())
    }

    /// The database that `pg_shdepend` files the object under: 0 for what is shared itself.
    fn database_of(&self, object: ObjectAddress) -> Oid {
        let shared = crate::system::system_catalog(object.class).is_some_and(|catalog| catalog.shared);
        if shared { 0 } else { self.view().database() }
    }
}

/// The leading columns of both indexes of `pg_depend` for an object: a whole one includes its columns.
fn object_key(object: ObjectAddress) -> Vec<Datum> {
    let mut key = vec![Datum::Oid(object.class), Datum::Oid(object.object)];
    if object.sub != 0 {
        key.push(Datum::Int4(object.sub));
    }
    key
}
