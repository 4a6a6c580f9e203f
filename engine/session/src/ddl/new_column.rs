//! A column as CREATE TABLE and ALTER TABLE ADD COLUMN describe it: its type, and what its constraints ask for.

use super::check_constraint::CheckSpec;
use super::foreign_key::ForeignKeySpec;
use super::identity::IdentitySpec;
use super::key_constraint::KeySpec;
use super::serial::serial_type;
use super::stored_text::{canonical, shape_of, with_analysis};
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::{
    analyze_default, analyze_generated, references_of, resolve_collation, resolve_type_name,
};
use redoubt_catalog::ddl::{Ddl, NewColumn, ObjectAddress};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{
    ColumnConstraint, ColumnConstraintKind, ColumnDef, Expr, ObjectName, TableConstraint, TableConstraintKind,
};

/// What stands behind columns and between them, sorted by what it becomes.
#[derive(Default)]
pub(crate) struct Constraints {
    /// Defaults and generation expressions, by the column's place.
    pub defaults: Vec<(usize, Expr)>,
    /// Serial columns: places and integer types.
    pub serials: Vec<(usize, Oid)>,
    /// Identity columns.
    pub identities: Vec<IdentitySpec>,
    /// CHECK.
    pub checks: Vec<CheckSpec>,
    /// PRIMARY KEY and UNIQUE.
    pub keys: Vec<KeySpec>,
    /// FOREIGN KEY.
    pub foreign_keys: Vec<ForeignKeySpec>,
}

impl Session {
    /// A column, whose constraints are added to `constraints`. `at` is its place among the table's columns.
    pub(crate) fn new_column(
        &self,
        access: &Access<'_>,
        column: &ColumnDef,
        at: usize,
        table: &str,
        constraints: &mut Constraints,
    ) -> PgResult<NewColumn> {
        let type_name =
            column.type_name.as_ref().ok_or_else(|| PgError::unsupported("columns of typed tables"))?;
        if column.storage.is_some() || column.compression.is_some() {
            return Err(PgError::unsupported("STORAGE and COMPRESSION of columns"));
        }
        let serial = serial_type(type_name)?;
        let (type_oid, typmod) = match serial {
            Some(integer) => (integer, -1),
            None => with_analysis(access, |context| resolve_type_name(type_name, context))?,
        };
        let collation = column_collation(access, type_oid, column.collation.as_ref(), Some(column.pos))?;
        let mut new = NewColumn::new(column.name.as_str(), type_oid, typmod, collation);
        new.dimensions = type_name.array_bounds.len() as i32;
        let mut said = Said { serial: serial.is_some(), ..Said::default() };
        for constraint in &column.constraints {
            said.take(&mut new, column, constraint, at, table, constraints)?;
        }
        said.check_exclusive(&new, column, table)?;
        if let Some(integer) = serial {
            constraints.serials.push((at, integer));
        }
        new.not_null = said.not_null == Some(true) || serial.is_some() || new.identity != '\0';
        Ok(new)
    }

    /// Adds the defaults and generation expressions of columns that are there, given by their places.
    pub(crate) fn add_defaults(&self, table: Oid, defaults: &[(usize, Expr)]) -> PgResult<()> {
        for (at, raw) in defaults {
            let access = Access::current(self)?;
            let relation = access.relation(table)?;
            let attribute = &relation.desc.attrs[*at];
            let shape = shape_of(&relation);
            let expr = with_analysis(&access, |context| match attribute.generated {
                0 => analyze_default(raw, attribute, context),
                _ => analyze_generated(raw, attribute, &shape, context),
            })?;
            let is_null =
                matches!(&expr, redoubt_analyze::query::Expr::Const { value, .. } if value.is_null());
            if attribute.generated == 0 && is_null && !super::is_domain(&access, attribute.type_oid)? {
                // DEFAULT NULL is no default.
                continue;
            }
            let references = references_of(&expr);
            let mut objects = references.objects;
            let columns = references.columns.into_iter().filter(|attnum| *attnum > 0);
            objects.extend(columns.map(|attnum| ObjectAddress::column(table, attnum)));
            let text = canonical(&access, &expr, Some(&shape))?;
            Ddl::new(access.store(), &access.path).add_default(table, *at as i16 + 1, &text, &objects)?;
        }
        Ok(())
    }
}

/// The collation of a column of a type: its own, or the one that is said.
///
/// # Errors
/// `42804` for types that have none; `42704`.
pub(super) fn column_collation(
    access: &Access<'_>,
    type_oid: Oid,
    said: Option<&ObjectName>,
    position: Option<usize>,
) -> PgResult<Oid> {
    let own = access.catalog().type_info_must(type_oid)?.collation;
    let Some(name) = said else { return Ok(own) };
    if own == 0 {
        let name = access.catalog().format_type(type_oid, None, &access.path)?;
        let message = format!("collations are not supported by type {name}");
        return Err(PgError::new(code::DATATYPE_MISMATCH, message).at(position));
    }
    with_analysis(access, |context| resolve_collation(name, context))
}

/// What a column's constraints have said so far.
#[derive(Default)]
struct Said {
    serial: bool,
    not_null: Option<bool>,
    default: Option<usize>,
    /// Where the column is said to be an identity.
    identity: Option<usize>,
}

impl Said {
    fn take(
        &mut self,
        new: &mut NewColumn,
        column: &ColumnDef,
        constraint: &ColumnConstraint,
        at: usize,
        table: &str,
        constraints: &mut Constraints,
    ) -> PgResult<()> {
        let name = constraint.name.as_ref().map(|name| name.name.clone());
        let serial = self.serial;
        let again = |what: &str| {
            let message = format!("multiple {what} for column \"{}\" of table \"{table}\"", column.name.name);
            // A serial column's own clauses stand nowhere in the text.
            let position = (!serial).then_some(constraint.pos);
            Err(PgError::new(code::SYNTAX_ERROR, message).at(position))
        };
        match &constraint.kind {
            ColumnConstraintKind::NotNull => self.say(true, column, constraint, table)?,
            ColumnConstraintKind::Null => self.say(false, column, constraint, table)?,
            ColumnConstraintKind::Default(expr) => {
                if self.default.is_some() || self.serial {
                    return again("default values specified");
                }
                self.default = Some(constraint.pos);
                constraints.defaults.push((at, expr.clone()));
            }
            ColumnConstraintKind::Generated { expr } => {
                if new.generated != '\0' {
                    return again("generation clauses specified");
                }
                new.generated = 's';
                constraints.defaults.push((at, expr.clone()));
            }
            ColumnConstraintKind::Identity { always, options } => {
                if new.identity != '\0' {
                    return again("identity specifications");
                }
                if self.not_null == Some(false) {
                    return Err(conflicting_null(column, table).at(Some(constraint.pos)));
                }
                new.identity = super::identity::letter(*always);
                self.identity = Some(constraint.pos);
                constraints.identities.push(IdentitySpec { at, options: options.clone() });
            }
            ColumnConstraintKind::Check { expr, no_inherit } => constraints.checks.push(CheckSpec {
                name,
                expr: expr.clone(),
                no_inherit: *no_inherit,
                attributes: constraint.attributes,
                pos: constraint.pos,
            }),
            ColumnConstraintKind::Unique(index) | ColumnConstraintKind::PrimaryKey(index) => {
                constraints.keys.push(KeySpec {
                    name,
                    primary: matches!(constraint.kind, ColumnConstraintKind::PrimaryKey(_)),
                    columns: vec![column.name.clone()],
                    index: index.clone(),
                    attributes: constraint.attributes,
                    pos: constraint.pos,
                });
            }
            ColumnConstraintKind::References(references) => constraints.foreign_keys.push(ForeignKeySpec {
                name,
                columns: vec![column.name.clone()],
                references: references.clone(),
                attributes: constraint.attributes,
            }),
        }
        Ok(())
    }

    /// A column has its value from one source.
    fn check_exclusive(&self, new: &NewColumn, column: &ColumnDef, table: &str) -> PgResult<()> {
        let has_default = self.default.is_some() || self.serial;
        let both = match (has_default, new.identity != '\0', new.generated != '\0') {
            (true, true, _) => "default and identity",
            (true, _, true) => "default and generation expression",
            (_, true, true) => "identity and generation expression",
            _ => return Ok(()),
        };
        let message =
            format!("both {both} specified for column \"{}\" of table \"{table}\"", column.name.name);
        // A serial column's default stands nowhere in the text.
        let position = if self.serial { None } else { self.identity.or(self.default) };
        Err(PgError::new(code::SYNTAX_ERROR, message).at(position))
    }

    fn say(
        &mut self,
        not_null: bool,
        column: &ColumnDef,
        at: &ColumnConstraint,
        table: &str,
    ) -> PgResult<()> {
        let must_have_values = self.serial || self.identity.is_some();
        if self.not_null.is_some_and(|said| said != not_null) || (must_have_values && !not_null) {
            let position = (!self.serial).then_some(at.pos);
            return Err(conflicting_null(column, table).at(position));
        }
        self.not_null = Some(not_null);
        Ok(())
    }
}

fn conflicting_null(column: &ColumnDef, table: &str) -> PgError {
    let message = format!(
        "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{table}\"",
        column.name.name
    );
    PgError::new(code::SYNTAX_ERROR, message)
}

impl Constraints {
    /// Takes a constraint of the table.
    pub(crate) fn take(&mut self, constraint: &TableConstraint) -> PgResult<()> {
        let name = constraint.name.as_ref().map(|name| name.name.clone());
        let attributes = constraint.attributes;
        match &constraint.kind {
            TableConstraintKind::Check { expr } => self.checks.push(CheckSpec {
                name,
                expr: expr.clone(),
                no_inherit: attributes.no_inherit,
                attributes,
                pos: constraint.pos,
            }),
            TableConstraintKind::Unique { columns, index }
            | TableConstraintKind::PrimaryKey { columns, index } => self.keys.push(KeySpec {
                name,
                primary: matches!(constraint.kind, TableConstraintKind::PrimaryKey { .. }),
                columns: columns.clone(),
                index: index.clone(),
                attributes,
                pos: constraint.pos,
            }),
            TableConstraintKind::ForeignKey { columns, references } => {
                self.foreign_keys.push(ForeignKeySpec {
                    name,
                    columns: columns.clone(),
                    references: references.clone(),
                    attributes,
                })
            }
            TableConstraintKind::Exclude { .. } => {
                return Err(PgError::unsupported("exclusion constraints"));
            }
        }
        Ok(())
    }
}
