//! Whether the rows that use a domain obey what it is to ask for from now on (`validateDomainConstraint`).

use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::class;
use redoubt_catalog::ddl::{Ddl, ObjectAddress};
use redoubt_catalog::has_storage;
use redoubt_catalog::names::quote_identifier;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_txn::LockMode;

/// What no value may do.
pub(super) enum Violation<'a> {
    /// Be NULL.
    Null,
    /// Fail a condition about `value`.
    Check(&'a str),
}

/// A column of a domain: its table, and its place.
struct Column {
    table: Oid,
    attnum: i16,
}

impl Session {
    /// Looks through every table that has a column of the domain, or of a domain over it.
    pub(super) fn check_rows_of_domain(&self, domain: Oid, violation: &Violation<'_>) -> PgResult<()> {
        let mut columns = Vec::new();
        let access = Access::current(self)?;
        let shown = access.catalog().format_type(domain, None, &access.path)?;
        self.columns_of_type(&access, domain, false, &shown, &mut columns)?;
        for column in columns {
            self.lock_relation(&access, column.table, LockMode::Share)?;
            let access = Access::current(self)?;
            let Some(table) = access.catalog().relation_by_oid(column.table)? else { continue };
            if !has_storage(table.kind) {
                continue;
            }
            let attribute = &table.desc.attrs[column.attnum as usize - 1];
            let (name, from) = (quote_identifier(&attribute.name), self.qualified(&table)?);
            let base = access.catalog().base_type(attribute.type_oid, -1)?.0;
            let base = access.catalog().format_type(base, None, &[11])?;
            let (text, what, code) = match violation {
                Violation::Null => (
                    format!("SELECT 1 FROM ONLY {from} WHERE {name} IS NULL"),
                    "contains null values",
                    code::NOT_NULL_VIOLATION,
                ),
                Violation::Check(condition) => (
                    format!(
                        "SELECT 1 FROM (SELECT {name}::{base} AS value FROM ONLY {from}) AS rows_of_domain \
                         WHERE NOT ({condition})"
                    ),
                    "contains values that violate the new constraint",
                    code::CHECK_VIOLATION,
                ),
            };
            if self.query_latest(&text, 1)?.is_empty() {
                continue;
            }
            let message = format!("column \"{}\" of table \"{}\" {what}", attribute.name, table.name);
            let error = PgError::new(code, message).table(self.schema_of(&table)?, &*table.name);
            return Err(error.column(&*attribute.name));
        }
        Ok(())
    }

    /// Columns of a type, and of domains over it. `inside` a composite or array type nobody can look.
    fn columns_of_type(
        &self,
        access: &Access<'_>,
        type_oid: Oid,
        inside: bool,
        domain: &str,
        found: &mut Vec<Column>,
    ) -> PgResult<()> {
        let catalog = access.catalog();
        for row in Ddl::new(access.store(), &access.path).dependents_of(ObjectAddress::type_(type_oid))? {
            if row.classid == class::TYPE {
                let dependent = catalog.type_must(row.objid)?;
                let through = inside || dependent.row.typtype != 'd';
                self.columns_of_type(access, row.objid, through, domain, found)?;
                continue;
            }
            if row.classid != class::RELATION || row.objsubid == 0 {
                continue;
            }
            let Some(table) = catalog.relation_by_oid(row.objid)? else { continue };
            let attribute = &table.desc.attrs[row.objsubid as usize - 1];
            if table.kind == 'c' {
                self.columns_of_type(access, table.class.reltype, true, domain, found)?;
            } else if inside {
                let message = format!(
                    "cannot alter type \"{domain}\" because column \"{}.{}\" uses it",
                    table.name, attribute.name
                );
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
            } else {
                found.push(Column { table: row.objid, attnum: row.objsubid as i16 });
            }
        }
        Ok(())
    }
}
