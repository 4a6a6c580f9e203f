//! Functions, procedures and aggregates.

use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::acl::AclObject;
use crate::index_oids as index;
use crate::rows::{PgAggregate, PgProc};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};

/// A function to be made, or to take the place of one.
#[derive(Clone, Debug)]
pub struct NewFunction {
    /// Its row; `oid` is filled in for a new one.
    pub row: PgProc,
    /// What makes it an aggregate; `aggfnoid` is filled in.
    pub aggregate: Option<PgAggregate>,
    /// Objects that its body or its defaults refer to.
    pub referenced: Vec<ObjectAddress>,
}

impl Ddl<'_> {
    /// The function of this name with these argument types, in this schema.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn find_function(&self, schema: Oid, name: &str, arguments: &[Oid]) -> PgResult<Option<Oid>> {
        let procs = self.view().procs_by_name(name)?;
        let found = procs.iter().find(|row| row.pronamespace == schema && row.proargtypes == arguments);
        Ok(found.map(|row| row.oid))
    }

    /// Makes a function, or puts it in the place of `replaces`, and returns its OID. Whether it may
    /// take that place is the caller's to check.
    ///
    /// # Errors
    /// `23505` when the schema has one with the same arguments; those of writing pages.
    pub fn create_function(&self, new: &NewFunction, replaces: Option<Oid>) -> PgResult<Oid> {
        let oid = match replaces {
            Some(oid) => {
                self.change::<PgProc>(index::PROC_OID, oid, |row| {
                    *row =
                        PgProc { oid, proowner: row.proowner, proacl: row.proacl.clone(), ..new.row.clone() }
                })?;
                let address = ObjectAddress::new(class::PROC, oid);
                for kind in [DependencyKind::Normal, DependencyKind::Auto] {
                    self.forget_dependencies(address, Some(kind), None)?;
                }
                self.remove_all::<PgAggregate>(index::AGGREGATE_FNOID, &[Datum::Oid(oid)])?;
                oid
            }
            None => {
                let oid = self.allocate_oid()?;
                let proacl = match &new.row.proacl {
                    Some(acl) => Some(acl.clone()),
                    None => {
                        let row = &new.row;
                        self.acl_of_new('f', AclObject::Function, row.proowner, row.pronamespace)?
                    }
                };
                let address = ObjectAddress::new(class::PROC, oid);
                let roles = proacl.as_ref().map(super::relations::acl_roles).unwrap_or_default();
                self.insert(&PgProc { oid, proacl, ..new.row.clone() })?;
                self.record_owner(address, new.row.proowner)?;
                self.record_acl_roles(address, new.row.proowner, &roles)?;
                oid
            }
        };
        if let Some(aggregate) = &new.aggregate {
            self.insert(&PgAggregate { aggfnoid: oid, ..aggregate.clone() })?;
        }
        self.record_function_dependencies(new, oid)?;
        Ok(oid)
    }

    fn record_function_dependencies(&self, new: &NewFunction, oid: Oid) -> PgResult<()> {
        let row = &new.row;
        let mut referenced = new.referenced.clone();
        referenced.push(ObjectAddress::new(class::NAMESPACE, row.pronamespace));
        referenced.push(ObjectAddress::new(class::LANGUAGE, row.prolang));
        referenced.push(ObjectAddress::type_(row.prorettype));
        let arguments = row.proallargtypes.as_ref().unwrap_or(&row.proargtypes);
        referenced.extend(arguments.iter().map(|oid| ObjectAddress::type_(*oid)));
        referenced.push(ObjectAddress::new(class::PROC, row.prosupport));
        if let Some(aggregate) = &new.aggregate {
            let functions = [
                aggregate.aggtransfn,
                aggregate.aggfinalfn,
                aggregate.aggcombinefn,
                aggregate.aggserialfn,
                aggregate.aggdeserialfn,
                aggregate.aggmtransfn,
                aggregate.aggminvtransfn,
                aggregate.aggmfinalfn,
            ];
            referenced.extend(functions.map(|oid| ObjectAddress::new(class::PROC, oid)));
            referenced.push(ObjectAddress::new(class::OPERATOR, aggregate.aggsortop));
        }
        self.record_dependencies(ObjectAddress::new(class::PROC, oid), &referenced, DependencyKind::Normal)
    }

    /// Changes a function's row.
    ///
    /// # Errors
    /// `XX000` when there is no such function; those of writing pages.
    pub fn change_function(&self, oid: Oid, edit: impl FnOnce(&mut PgProc)) -> PgResult<()> {
        self.change(index::PROC_OID, oid, edit)
    }
}
