//! ALTER TABLE on columns: ADD COLUMN, DROP COLUMN, and what ALTER COLUMN says of defaults and NULLs; and DROP
//! CONSTRAINT.

use super::index_columns::{canonical, with_analysis};
use super::new_column::Constraints;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::query::Expr as Analyzed;
use redoubt_analyze::{analyze_default, visit};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Behavior, Ddl, NewColumn, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Relations;
use redoubt_functions::{Attribute, Datum, Oid, types};
use redoubt_sql::tree::{ColumnDef, DropBehavior, Expr, Ident};
use std::sync::Arc;

/// `pg_namespace.oid` of `pg_catalog`.
const PG_CATALOG: Oid = 11;

impl Session {
    /// ADD COLUMN. Rows that are there show the default as it is now; nothing is rewritten.
    pub(crate) fn add_table_column(
        &self,
        table: Oid,
        column: &ColumnDef,
        if_not_exists: bool,
    ) -> PgResult<()> {
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        let name = column.name.as_str();
        if if_not_exists && relation.desc.position(name).is_some() {
            let message =
                format!("column \"{name}\" of relation \"{}\" already exists, skipping", relation.name);
            self.note(code::DUPLICATE_COLUMN, message);
            return Ok(());
        }
        let at = relation.desc.len();
        let mut constraints = Constraints::default();
        let mut new = self.new_column(&access, column, at, &relation.name, &mut constraints)?;
        let has_rows = access.open(table)?.heap.nblocks() > 0;
        if new.generated != '\0' && has_rows {
            return Err(PgError::unsupported("adding a generated column to a table with rows"));
        }
        if has_rows && !constraints.serials.is_empty() {
            return Err(PgError::unsupported("adding a serial column to a table with rows"));
        }
        if has_rows && let Some((_, raw)) = constraints.defaults.first() {
            new.missing = self.value_for_old_rows(&access, &new, raw)?;
        }
        Ddl::new(access.store(), &access.path).add_column(table, &new)?;
        drop(access);
        self.add_serials(table, &constraints.serials)?;
        self.add_defaults(table, &constraints.defaults)?;
        if new.not_null && new.missing.is_none() {
            self.check_no_nulls(&*self.current_relation(table)?, name)?;
        }
        self.add_checks(table, &constraints.checks, true)?;
        for key in &constraints.keys {
            self.add_key(table, key, true)?;
        }
        for key in &constraints.foreign_keys {
            self.add_foreign_key(table, key, true)?;
        }
        Ok(())
    }

    /// What a new column's default is now, for the rows that are there already.
    fn value_for_old_rows(
        &self,
        access: &Access<'_>,
        new: &NewColumn,
        raw: &Expr,
    ) -> PgResult<Option<Datum>> {
        let attribute = Attribute {
            name: new.name.clone(),
            type_oid: new.type_oid,
            typmod: new.typmod,
            collation: new.collation,
            not_null: false,
            dropped: false,
            has_default: true,
            identity: 0,
            generated: 0,
            missing: None,
        };
        let expr = with_analysis(access, |context| analyze_default(raw, &attribute, context))?;
        if visit::any(&expr, &mut |node, _| matches!(node, Analyzed::Call(call) if call.volatility == 'v')) {
            return Err(PgError::unsupported("adding a column with a volatile default to a table with rows"));
        }
        let text = canonical(access, &expr, None)?;
        if new.typmod >= 0 && matches!(new.type_oid, types::VARCHAR | types::BPCHAR) {
            // A cast would cut what an assignment refuses.
            return Err(PgError::unsupported(
                "adding a column of limited length with a default to a table with rows",
            ));
        }
        let name = access.catalog().format_type(new.type_oid, Some(new.typmod), &[PG_CATALOG])?;
        let row = self.query_latest(&format!("SELECT CAST({text} AS {name})"), 1)?.pop();
        Ok(row.and_then(|mut row| row.pop()).filter(|value| !value.is_null()))
    }

    /// DROP COLUMN.
    pub(crate) fn drop_column(
        &self,
        table: Oid,
        name: &Ident,
        if_exists: bool,
        behavior: DropBehavior,
    ) -> PgResult<()> {
        let relation = self.current_relation(table)?;
        let attnum = match column_number(&relation, name) {
            Ok(attnum) => attnum,
            Err(error) if if_exists && error.code() == code::UNDEFINED_COLUMN => {
                self.note(code::SUCCESSFUL_COMPLETION, format!("{}, skipping", error.message()));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.drop_part(ObjectAddress::column(table, attnum), behavior)
    }

    /// DROP CONSTRAINT.
    pub(crate) fn drop_constraint(
        &self,
        table: Oid,
        name: &Ident,
        if_exists: bool,
        behavior: DropBehavior,
    ) -> PgResult<()> {
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        let found = Ddl::new(access.store(), &access.path).find_constraint(table, 0, name.as_str())?;
        let Some(constraint) = found else {
            let message =
                format!("constraint \"{}\" of relation \"{}\" does not exist", name.name, relation.name);
            if !if_exists {
                return Err(PgError::new(code::UNDEFINED_OBJECT, message));
            }
            self.note(code::SUCCESSFUL_COMPLETION, format!("{message}, skipping"));
            return Ok(());
        };
        drop(access);
        self.drop_part(ObjectAddress::new(class::CONSTRAINT, constraint.oid), behavior)
    }

    fn drop_part(&self, part: ObjectAddress, behavior: DropBehavior) -> PgResult<()> {
        let behavior = match behavior {
            DropBehavior::Restrict => Behavior::Restrict,
            DropBehavior::Cascade => Behavior::Cascade,
        };
        let access = Access::current(self)?;
        let dropped = Ddl::new(access.store(), &access.path).drop_objects(&[part], behavior)?;
        self.notices.borrow_mut().extend(dropped.notices);
        Ok(())
    }

    /// SET DEFAULT, or with `None` DROP DEFAULT.
    pub(crate) fn set_column_default(&self, table: Oid, name: &Ident, expr: Option<&Expr>) -> PgResult<()> {
        let relation = self.current_relation(table)?;
        let attnum = column_number(&relation, name)?;
        let attribute = &relation.desc.attrs[attnum as usize - 1];
        if attribute.generated != 0 {
            let message =
                format!("column \"{}\" of relation \"{}\" is a generated column", name.name, relation.name);
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        if let Some(old) = relation.defaults.iter().find(|default| default.attnum == attnum) {
            self.drop_part(ObjectAddress::new(class::ATTRDEF, old.oid), DropBehavior::Restrict)?;
        }
        match expr {
            Some(expr) => self.add_defaults(table, &[(attnum as usize - 1, expr.clone())]),
            None => Ok(()),
        }
    }

    /// SET NOT NULL and DROP NOT NULL.
    pub(crate) fn set_column_not_null(&self, table: Oid, name: &Ident, not_null: bool) -> PgResult<()> {
        let relation = self.current_relation(table)?;
        let attnum = column_number(&relation, name)?;
        if relation.desc.attrs[attnum as usize - 1].not_null == not_null {
            return Ok(());
        }
        let access = Access::current(self)?;
        if not_null {
            self.check_no_nulls(&relation, name.as_str())?;
        } else if let Some(key) = relation.primary_key
            && let Some(index) = access.catalog().index_by_oid(key)?
            && index.columns[..index.key_columns].iter().any(|column| column.attnum == attnum)
        {
            let message = format!("column \"{}\" is in a primary key", name.name);
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        Ddl::new(access.store(), &access.path).change_column(table, attnum, |row| row.attnotnull = not_null)
    }

    fn current_relation(&self, table: Oid) -> PgResult<Arc<Relation>> {
        Access::current(self)?.relation(table)
    }
}

/// The number of a column that a user may change.
fn column_number(relation: &Relation, name: &Ident) -> PgResult<i16> {
    if let Some((attnum, _)) = redoubt_catalog::ddl::system_column(name.as_str()) {
        debug_assert!(attnum < 0);
        let message = format!("cannot alter system column \"{}\"", name.name);
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
    }
    relation.desc.position(name.as_str()).map(|at| at as i16 + 1).ok_or_else(|| {
        let message = format!("column \"{}\" of relation \"{}\" does not exist", name.name, relation.name);
        PgError::new(code::UNDEFINED_COLUMN, message)
    })
}
