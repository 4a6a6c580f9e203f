//! CHECK constraints.

use super::stored_text::{canonical, shape_of, with_analysis};
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::{analyze_check, references_of};
use redoubt_catalog::ddl::{Ddl, NewConstraint};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{ConstraintAttributes, Expr};
use std::sync::Arc;

/// CHECK as a statement says it.
#[derive(Clone, Debug)]
pub(crate) struct CheckSpec {
    /// CONSTRAINT name.
    pub name: Option<Arc<str>>,
    /// The condition.
    pub expr: Expr,
    /// NO INHERIT.
    pub no_inherit: bool,
    /// NOT VALID and the like.
    pub attributes: ConstraintAttributes,
    /// Where it is in the statement.
    pub pos: usize,
}

impl Session {
    /// Adds CHECK constraints to a table that the transaction has locked. With `check` its rows must satisfy those
    /// that are not NOT VALID.
    pub(crate) fn add_checks(&self, table: Oid, specs: &[CheckSpec], check: bool) -> PgResult<()> {
        let mut named: Vec<String> =
            specs.iter().filter_map(|spec| Some(spec.name.as_ref()?.to_string())).collect();
        for (at, name) in named.iter().enumerate() {
            if named[..at].contains(name) {
                let message = format!("check constraint \"{name}\" already exists");
                return Err(PgError::new(code::DUPLICATE_OBJECT, message));
            }
        }
        for spec in specs {
            let name = self.add_check(table, spec, &named, check)?;
            named.push(name);
        }
        Ok(())
    }

    fn add_check(&self, table: Oid, spec: &CheckSpec, taken: &[String], check: bool) -> PgResult<String> {
        if spec.attributes.deferrable == Some(true) || spec.attributes.initially_deferred == Some(true) {
            let message = "CHECK constraints cannot be marked DEFERRABLE";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(spec.pos)));
        }
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        let shape = shape_of(&relation);
        let expr = with_analysis(&access, |context| analyze_check(&spec.expr, &shape, context))?;
        let references = references_of(&expr);
        let name = match &spec.name {
            Some(name) => name.to_string(),
            None => {
                let column = match references.columns.as_slice() {
                    [only] if *only > 0 => Some(&*relation.desc.attrs[*only as usize - 1].name),
                    _ => None,
                };
                let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
                let catalog = access.catalog();
                catalog.choose_constraint_name(&relation.name, column, "check", relation.namespace, &taken)?
            }
        };
        let text = canonical(&access, &expr, Some(&shape))?;
        let validate = check && !spec.attributes.not_valid;
        Ddl::new(access.store(), &access.path).create_constraint(&NewConstraint {
            columns: references.columns.into_iter().filter(|attnum| *attnum > 0).collect(),
            no_inherit: spec.no_inherit || spec.attributes.no_inherit,
            // A table that has no rows yet satisfies everything.
            validated: validate || !check,
            expression: Some(text.clone()),
            referenced: references.objects,
            ..NewConstraint::new('c', relation.namespace, table, name.as_str())
        })?;
        if validate {
            self.check_rows_satisfy(&relation, &name, &text)?;
        }
        Ok(name)
    }
}
