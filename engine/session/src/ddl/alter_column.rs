//! ALTER TABLE on columns: ADD COLUMN, DROP COLUMN, and what ALTER COLUMN says of defaults and NULLs; and DROP
//! CONSTRAINT.

use super::drop::behavior_of;
use super::new_column::Constraints;
use super::row_type::check_no_member_of_itself;
use super::stored_text::{read_generated, with_analysis};
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::query::Expr as Analyzed;
use redoubt_analyze::{analyze_column_default, analyze_default, visit};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, NewColumn, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Relations;
use redoubt_functions::{Attribute, Oid};
use redoubt_sql::tree::{ColumnDef, DropBehavior, Expr, Ident};

impl Session {
    /// ADD COLUMN. Rows that are there show the default as it is now, and stay as they are; only a column that each row
    /// must compute for itself has them rewritten.
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
        let mut computed =
            new.generated != '\0' || !constraints.serials.is_empty() || !constraints.identities.is_empty();
        if has_rows
            && !computed
            && let Some((_, raw)) = constraints.defaults.first()
        {
            let expr = default_of_new(&access, &new, raw)?;
            computed = is_volatile(&expr);
            if !computed {
                new.missing = Some(self.evaluate(&access, &expr)?).filter(|value| !value.is_null());
            }
        }
        check_no_member_of_itself(&access, &relation, new.type_oid)?;
        let attnum = Ddl::new(access.store(), &access.path).add_column(table, &new)?;
        drop(access);
        self.add_serials(table, &constraints.serials)?;
        self.add_identities(table, &constraints.identities)?;
        self.add_defaults(table, &constraints.defaults)?;
        if has_rows && computed {
            self.fill_column(table, attnum)?;
        } else if new.not_null && new.missing.is_none() {
            self.check_no_nulls(&*self.current(table)?, name)?;
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

    /// Gives a new column its values in the rows that are there, each row its own.
    fn fill_column(&self, table: Oid, attnum: i16) -> PgResult<()> {
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        let attribute = &relation.desc.attrs[attnum as usize - 1];
        let value = match (attribute.generated, relation.default_of(attnum)) {
            (0, _) => with_analysis(&access, |context| analyze_column_default(&relation, attnum, context))?,
            (_, Some(stored)) => Some(read_generated(&access, &stored.expression, attribute, &relation)?),
            _ => None,
        };
        let value = value.ok_or_else(|| PgError::internal("a column that is computed has no expression"))?;
        drop(access);
        self.rewrite_table(table, &[(attnum, value)], &relation.desc)?;
        self.rebuild_indexes(table)
    }

    /// DROP COLUMN.
    pub(crate) fn drop_column(
        &self,
        table: Oid,
        name: &Ident,
        if_exists: bool,
        behavior: DropBehavior,
    ) -> PgResult<()> {
        let relation = self.current(table)?;
        if redoubt_catalog::ddl::system_column(name.as_str()).is_some() {
            let message = format!("cannot drop system column \"{}\"", name.name);
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
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
        let access = Access::current(self)?;
        let dropped = Ddl::new(access.store(), &access.path).drop_objects(&[part], behavior_of(behavior))?;
        self.notices.borrow_mut().extend(dropped.notices);
        Ok(())
    }

    /// SET DEFAULT, or with `None` DROP DEFAULT.
    pub(crate) fn set_column_default(&self, table: Oid, name: &Ident, expr: Option<&Expr>) -> PgResult<()> {
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        let attribute = &relation.desc.attrs[attnum as usize - 1];
        let instead = match (attribute.identity, attribute.generated) {
            (0, 0) => None,
            (0, _) => Some(("a generated column", "EXPRESSION")),
            _ => Some(("an identity column", "IDENTITY")),
        };
        if let Some((what, word)) = instead {
            let message = format!("column \"{}\" of relation \"{}\" is {what}", name.name, relation.name);
            let error = PgError::new(code::SYNTAX_ERROR, message);
            if expr.is_some() {
                return Err(error);
            }
            return Err(error.hint(format!("Use ALTER TABLE ... ALTER COLUMN ... DROP {word} instead.")));
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
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        if relation.desc.attrs[attnum as usize - 1].not_null == not_null {
            return Ok(());
        }
        if !not_null && relation.desc.attrs[attnum as usize - 1].identity != 0 {
            let message =
                format!("column \"{}\" of relation \"{}\" is an identity column", name.name, relation.name);
            return Err(PgError::new(code::SYNTAX_ERROR, message));
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
}

/// A new column's default, cast to its type.
fn default_of_new(access: &Access<'_>, new: &NewColumn, raw: &Expr) -> PgResult<Analyzed> {
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
    with_analysis(access, |context| analyze_default(raw, &attribute, context))
}

/// Whether each row must compute it for itself.
fn is_volatile(expr: &Analyzed) -> bool {
    visit::any(expr, &mut |node, _| matches!(node, Analyzed::Call(call) if call.volatility == 'v'))
}

/// The number of a column that a user may change.
pub(super) fn column_number(relation: &Relation, name: &Ident) -> PgResult<i16> {
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
