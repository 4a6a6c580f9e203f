//! Definitions of views, constraints and indexes, as `pg_get_viewdef`, `pg_get_constraintdef` and
//! `pg_get_indexdef` show them.

use super::{DeparseContext, deparse_expr, deparse_query};
use crate::Place;
use crate::default_expr::{TableShape, analyze_expression};
use crate::domain::{domain_shape, with_capitals};
use crate::params::Params;
use crate::query::{CallForm, Expr, Query};
use crate::statement::{AnalyzeContext, analyze_statement};
use crate::view::PG_CATALOG;
use redoubt_catalog::names::{quote_identifier, quote_qualified};
use redoubt_catalog::rows::PgConstraint;
use redoubt_catalog::{Index, IndexColumn, Relation};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;
use redoubt_sql::tree as ast;
use std::fmt::Write;
use std::sync::Arc;

impl<'a> DeparseContext<'a> {
    fn again(&self) -> DeparseContext<'a> {
        DeparseContext { catalog: self.catalog, env: self.env, path: self.path, pretty: self.pretty }
    }

    /// How what is stored about an object of a schema is to be read.
    fn reading<'b>(&self, path: &'b [Oid]) -> AnalyzeContext<'b>
    where
        'a: 'b,
    {
        AnalyzeContext { catalog: self.catalog, env: self.env, path, params: Params::fixed(Vec::new()) }
    }

    /// A view's query (`pg_get_viewdef`).
    ///
    /// # Errors
    /// Those of reading the catalogs; `XX000` when the relation has no query.
    pub fn view_definition(&self, view: &Relation) -> PgResult<String> {
        let damaged = || PgError::internal(format!("view \"{}\" has no query", view.name));
        let text = view.view_definition().ok_or_else(damaged)?;
        let statements = redoubt_sql::parse(text)?;
        let [ast::Statement { kind, .. }] = statements.as_slice() else { return Err(damaged()) };
        let path = [PG_CATALOG, view.namespace];
        let query: Query = analyze_statement(&kind.as_dml().ok_or_else(damaged)?, self.reading(&path))?.0;
        let live = view.desc.attrs.iter().filter(|attribute| !attribute.dropped);
        let names: Vec<Arc<str>> = live.map(|attribute| attribute.name.clone()).collect();
        Ok(deparse_query(&query, Some(&names), self.again())? + ";")
    }

    /// A stored expression (`pg_get_expr`): a default, a condition, an index's expression.
    ///
    /// # Errors
    /// Those of reading the catalogs.
    pub fn stored_expression(&self, text: &str, table: Option<&Relation>) -> PgResult<String> {
        let expr = self.read_expression(text, table)?;
        self.print_expression(&expr, table)
    }

    fn read_expression(&self, text: &str, table: Option<&Relation>) -> PgResult<Expr> {
        let raw = redoubt_sql::parse_expression(text)?;
        let shape = table.map(shape_of);
        match table {
            Some(table) => {
                let path = [PG_CATALOG, table.namespace];
                analyze_expression(&raw, Place::Other, shape.as_ref(), self.reading(&path))
            }
            None => analyze_expression(&raw, Place::Other, None, self.reading(&[PG_CATALOG])),
        }
    }

    fn print_expression(&self, expr: &Expr, table: Option<&Relation>) -> PgResult<String> {
        deparse_expr(expr, table.map(shape_of).as_ref(), self.again())
    }

    fn relation(&self, oid: Oid) -> PgResult<Arc<Relation>> {
        self.catalog
            .relation_by_oid(oid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for relation {oid}")))
    }

    /// A constraint, as it would stand in CREATE TABLE (`pg_get_constraintdef`).
    ///
    /// # Errors
    /// Those of reading the catalogs; `0A000` for an exclusion constraint.
    pub fn constraint_definition(&self, constraint: &PgConstraint) -> PgResult<String> {
        let mut out = match constraint.contype {
            'c' => self.check_definition(constraint)?,
            'f' => self.foreign_key_definition(constraint)?,
            'p' | 'u' => self.key_definition(constraint)?,
            't' => "TRIGGER".to_string(),
            _ => return Err(PgError::unsupported("printing an exclusion constraint")),
        };
        if constraint.condeferrable {
            out += " DEFERRABLE";
        }
        if constraint.condeferred {
            out += " INITIALLY DEFERRED";
        }
        if !constraint.convalidated {
            out += " NOT VALID";
        }
        Ok(out)
    }

    fn check_definition(&self, constraint: &PgConstraint) -> PgResult<String> {
        let table = match constraint.conrelid {
            0 => None,
            oid => Some(self.relation(oid)?),
        };
        let text = constraint.conbin.as_deref().unwrap_or_default();
        let printed = match constraint.contypid {
            0 => self.stored_expression(text, table.as_deref())?,
            domain => self.domain_condition(text, domain)?,
        };
        Ok(format!("CHECK ({printed}){}", if constraint.connoinherit { " NO INHERIT" } else { "" }))
    }

    fn domain_condition(&self, text: &str, domain: Oid) -> PgResult<String> {
        let shape = domain_shape(&self.catalog.type_must(domain)?.row, &self.catalog)?;
        let raw = redoubt_sql::parse_expression(text)?;
        let expr = analyze_expression(&raw, Place::Other, Some(&shape), self.reading(&[PG_CATALOG]))?;
        Ok(with_capitals(&deparse_expr(&expr, Some(&shape), self.again())?))
    }

    fn foreign_key_definition(&self, constraint: &PgConstraint) -> PgResult<String> {
        let (table, target) = (self.relation(constraint.conrelid)?, self.relation(constraint.confrelid)?);
        let own = columns(&table, constraint.conkey.as_deref());
        let name = self.catalog.relation_name(&target, self.path)?;
        let keys = columns(&target, constraint.confkey.as_deref());
        let mut out = format!("FOREIGN KEY ({own}) REFERENCES {name}({keys})");
        out += match constraint.confmatchtype {
            'f' => " MATCH FULL",
            'p' => " MATCH PARTIAL",
            _ => "",
        };
        for (event, action) in [("UPDATE", constraint.confupdtype), ("DELETE", constraint.confdeltype)] {
            let action = match action {
                'r' => "RESTRICT",
                'c' => "CASCADE",
                'n' => "SET NULL",
                'd' => "SET DEFAULT",
                _ => continue,
            };
            write!(out, " ON {event} {action}").expect("a String takes all writes");
        }
        if let Some(set) = constraint.confdelsetcols.as_deref().filter(|set| !set.is_empty()) {
            write!(out, " ({})", columns(&table, Some(set))).expect("a String takes all writes");
        }
        Ok(out)
    }

    fn key_definition(&self, constraint: &PgConstraint) -> PgResult<String> {
        let table = self.relation(constraint.conrelid)?;
        let index = self.catalog.index_by_oid(constraint.conindid)?;
        let mut out = if constraint.contype == 'p' { "PRIMARY KEY" } else { "UNIQUE" }.to_string();
        if index.as_ref().is_some_and(|index| index.row.indnullsnotdistinct) {
            out += " NULLS NOT DISTINCT";
        }
        write!(out, " ({})", columns(&table, constraint.conkey.as_deref()))
            .expect("a String takes all writes");
        if let Some(index) = index.filter(|index| index.columns.len() > index.key_columns) {
            let included: Vec<i16> = index.columns[index.key_columns..].iter().map(|c| c.attnum).collect();
            write!(out, " INCLUDE ({})", columns(&table, Some(&included)))
                .expect("a String takes all writes");
        }
        Ok(out)
    }

    /// CREATE INDEX as it would be written (`pg_get_indexdef`).
    ///
    /// # Errors
    /// Those of reading the catalogs.
    pub fn index_definition(&self, index: &Index) -> PgResult<String> {
        let table = self.relation(index.table)?;
        let class = self.relation(index.oid)?;
        let table_name = match self.pretty {
            true => self.catalog.relation_name(&table, self.path)?,
            false => self.catalog.quote_in_schema(Some(table.namespace), &table.name)?,
        };
        let method = self.catalog.access_method_by_oid(index.method)?;
        let mut out = format!(
            "CREATE {}INDEX {} ON {}{table_name} USING {} (",
            if index.row.indisunique { "UNIQUE " } else { "" },
            quote_identifier(&index.name),
            if class.kind == 'I' { "ONLY " } else { "" },
            method.map_or_else(|| "???".into(), |method| quote_identifier(&method.amname)),
        );
        for (at, column) in index.columns.iter().enumerate() {
            if at == index.key_columns {
                out += ") INCLUDE (";
            } else if at > 0 {
                out += ", ";
            }
            out += &self.index_column(&table, column)?;
            if at < index.key_columns {
                out += &self.index_order(&table, column)?;
            }
        }
        out += ")";
        if index.row.indnullsnotdistinct {
            out += " NULLS NOT DISTINCT";
        }
        if !index.options.is_empty() {
            let options: Vec<String> = index.options.iter().map(|option| printed_option(option)).collect();
            write!(out, " WITH ({})", options.join(", ")).expect("a String takes all writes");
        }
        if let Some(predicate) = &index.predicate {
            write!(out, " WHERE {}", self.stored_expression(predicate, Some(&table))?)
                .expect("a String takes all writes");
        }
        Ok(out)
    }

    /// What one column of an index is over (`pg_get_indexdef` with a column's number); `None` if there is
    /// no such column.
    ///
    /// # Errors
    /// Those of reading the catalogs.
    pub fn index_column_definition(&self, index: &Index, number: usize) -> PgResult<Option<String>> {
        let table = self.relation(index.table)?;
        let column = number.checked_sub(1).and_then(|at| index.columns.get(at));
        column.map(|column| self.index_column(&table, column)).transpose()
    }

    fn index_column(&self, table: &Relation, column: &IndexColumn) -> PgResult<String> {
        let Some(text) = &column.expression else {
            return Ok(columns(table, Some(&[column.attnum])));
        };
        let expr = self.read_expression(text, Some(table))?;
        let printed = self.print_expression(&expr, Some(table))?;
        Ok(if looks_like_a_call(&expr) { printed } else { format!("({printed})") })
    }

    /// Collation, operator class and order, as far as they are not what would be assumed.
    fn index_order(&self, table: &Relation, column: &IndexColumn) -> PgResult<String> {
        let mut out = String::new();
        // The index may store something else than what it is over: a hash code, a key that its class makes.
        let (own_type, own_collation) = match &column.expression {
            None => usize::try_from(column.attnum - 1)
                .ok()
                .and_then(|at| table.desc.attrs.get(at))
                .map_or((0, 0), |attribute| (attribute.type_oid, attribute.collation)),
            Some(text) => {
                let ty = self.read_expression(text, Some(table))?.ty();
                (ty.type_oid, ty.collation)
            }
        };
        if column.collation != 0 && column.collation != own_collation {
            let collation = self.catalog.collation_by_oid(column.collation)?;
            let name =
                collation.map_or_else(|| "???".into(), |collation| quote_identifier(&collation.collname));
            write!(out, " COLLATE {name}").expect("a String takes all writes");
        }
        if let Some(class) = self.catalog.opclass_by_oid(column.opclass)? {
            let default = self.catalog.default_opclass(class.opcmethod, own_type)?;
            if default.is_none_or(|default| default.oid != class.oid) {
                let visible = class.opcnamespace == PG_CATALOG || self.path.contains(&class.opcnamespace);
                let schema = match visible {
                    true => None,
                    false => self.catalog.namespace_by_oid(class.opcnamespace)?,
                };
                let schema = schema.as_ref().map(|schema| &*schema.nspname);
                write!(out, " {}", quote_qualified(schema, &class.opcname))
                    .expect("a String takes all writes");
            }
        }
        out += match (column.descending, column.nulls_first) {
            (false, false) => "",
            (false, true) => " NULLS FIRST",
            (true, true) => " DESC",
            (true, false) => " DESC NULLS LAST",
        };
        Ok(out)
    }
}

fn shape_of(table: &Relation) -> TableShape {
    TableShape {
        name: table.name.clone(),
        relid: table.oid,
        desc: table.desc.clone(),
        row_type: table.class.reltype,
    }
}

/// Names of a table's columns.
fn columns(table: &Relation, numbers: Option<&[i16]>) -> String {
    let name = |number: &i16| {
        let attribute = usize::try_from(*number - 1).ok().and_then(|at| table.desc.attrs.get(at));
        attribute.map_or_else(|| "???".to_string(), |attribute| quote_identifier(&attribute.name))
    };
    numbers.unwrap_or_default().iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Such an expression needs no parentheses around it in an index.
fn looks_like_a_call(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => matches!(call.form, CallForm::Function | CallForm::SqlSyntax),
        expr => matches!(
            expr,
            Expr::Coalesce { .. } | Expr::MinMax { .. } | Expr::NullIf { .. } | Expr::SqlValue { .. }
        ),
    }
}

/// `name=value` with the value quoted unless it is a plain identifier.
fn printed_option(option: &str) -> String {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let quoted = quote_identifier(value);
    let value = if quoted == value { quoted } else { format!("'{}'", value.replace('\'', "''")) };
    format!("{}={value}", quote_identifier(name))
}
