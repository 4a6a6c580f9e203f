//! What an index is over: columns and expressions with their collations, operator classes and order
//! (PostgreSQL's `ComputeIndexAttrs`).

use super::create_index::method_lacks;
use super::stored_text::{canonical, shape_of, with_analysis};
use crate::access::Access;
use redoubt_analyze::query::{ColumnType, Expr};
use redoubt_analyze::{
    References, analyze_index_expression, analyze_index_predicate, index_column_name, references_of,
    resolve_collation,
};
use redoubt_catalog::ddl::NewIndexColumn;
use redoubt_catalog::rows::PgOpclass;
use redoubt_catalog::{BTREE, IndexMethod, Relation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree as ast;
use redoubt_sql::tree::{CreateIndex, IndexElement, ObjectName, SortDirection};
use std::sync::Arc;

/// `pg_namespace.oid` of `pg_catalog`.
const PG_CATALOG: Oid = 11;

/// Columns of an index, resolved.
#[derive(Default)]
pub(crate) struct IndexColumns {
    /// Key columns, then included ones.
    pub columns: Vec<NewIndexColumn>,
    /// How many are key columns.
    pub key_columns: usize,
    /// What expressions and the condition refer to.
    pub references: References,
    /// The condition of a partial index, as canonical text.
    pub predicate: Option<Arc<str>>,
}

impl IndexColumns {
    /// Resolves the columns of CREATE INDEX.
    pub(crate) fn resolve(
        access: &Access<'_>,
        table: &Relation,
        method: &IndexMethod,
        create: &CreateIndex,
    ) -> PgResult<IndexColumns> {
        let mut index = IndexColumns { key_columns: create.columns.len(), ..IndexColumns::default() };
        if let Some(condition) = &create.where_clause {
            let shape = shape_of(table);
            let expr = with_analysis(access, |context| analyze_index_predicate(condition, &shape, context))?;
            index.references.add(references_of(&expr));
            index.predicate = Some(canonical(access, &expr, Some(&shape))?);
        }
        for element in &create.columns {
            index.add_key(access, table, method, element)?;
        }
        for element in &create.include {
            index.add_included(table, element)?;
        }
        Ok(index)
    }

    /// Key columns by name, in the default order: a constraint's.
    pub(crate) fn of_constraint(
        access: &Access<'_>,
        table: &Relation,
        keys: &[Arc<str>],
        include: &[Arc<str>],
    ) -> PgResult<IndexColumns> {
        let mut index = IndexColumns { key_columns: keys.len(), ..IndexColumns::default() };
        for name in keys {
            let attnum = column_number(table, name)?;
            let ty = redoubt_plan::facts::column_type(&table.desc, attnum);
            let class = class_of(access, BTREE, None, ty.type_oid)?;
            index.columns.push(NewIndexColumn {
                name: name.clone(),
                attnum,
                expression: None,
                opclass: class.oid,
                collation: ty.collation,
                descending: false,
                nulls_first: false,
            });
        }
        for name in include {
            index.columns.push(included(name.clone(), column_number(table, name)?));
        }
        index.name_columns();
        Ok(index)
    }

    fn add_key(
        &mut self,
        access: &Access<'_>,
        table: &Relation,
        method: &IndexMethod,
        element: &IndexElement,
    ) -> PgResult<()> {
        if !element.opclass_options.is_empty() {
            let class = element.opclass.as_ref().map_or_else(String::new, ObjectName::dotted);
            let message = format!("operator class {class} has no options");
            return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
        }
        let (name, attnum, expression, ty) = self.key_source(access, table, element)?;
        let collation = key_collation(access, element, ty)?;
        let class = class_of(access, method.oid, element.opclass.as_ref(), ty.type_oid)?;
        if !method.can_order {
            check_no_order(access, method, element)?;
        }
        let descending = element.direction == SortDirection::Desc;
        self.columns.push(NewIndexColumn {
            name: unused_name(&self.columns, &name),
            attnum,
            expression: expression.map(|text| (text, ty.type_oid, ty.typmod)),
            opclass: class.oid,
            collation,
            descending,
            nulls_first: element.nulls_first.unwrap_or(descending),
        });
        Ok(())
    }

    /// Name, attribute number or expression, and type of what a key column is over.
    fn key_source(
        &mut self,
        access: &Access<'_>,
        table: &Relation,
        element: &IndexElement,
    ) -> PgResult<(Arc<str>, i16, Option<Arc<str>>, ColumnType)> {
        if let Some(name) = plain_column(&element.expr) {
            let attnum = column_number(table, name)?;
            let ty = redoubt_plan::facts::column_type(&table.desc, attnum);
            return Ok((name.into(), attnum, None, ty));
        }
        let shape = shape_of(table);
        let expr = with_analysis(access, |context| analyze_index_expression(&element.expr, &shape, context))?;
        // A column in parentheses is a column.
        if let Expr::Var(var) = &expr
            && var.attno > 0
        {
            let name = table.desc.attrs[var.attno as usize - 1].name.clone();
            return Ok((name, var.attno, None, expr.ty()));
        }
        self.references.add(references_of(&expr));
        let name = index_column_name(&element.expr, &expr).unwrap_or_else(|| "expr".into());
        let text = canonical(access, &expr, Some(&shape))?;
        Ok((name, 0, Some(text), expr.ty()))
    }

    fn add_included(&mut self, table: &Relation, element: &IndexElement) -> PgResult<()> {
        let unsupported = |what: &str| {
            let message = format!("including column does not support {what}");
            Err(PgError::new(code::INVALID_OBJECT_DEFINITION, message))
        };
        if element.collation.is_some() {
            return unsupported("a collation");
        }
        if element.opclass.is_some() {
            return unsupported("an operator class");
        }
        if element.direction == SortDirection::Desc || element.direction == SortDirection::Asc {
            return unsupported("ASC/DESC options");
        }
        if element.nulls_first.is_some() {
            return unsupported("NULLS FIRST/LAST options");
        }
        let Some(name) = plain_column(&element.expr) else {
            let message = "expressions are not supported in included columns";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        };
        let attnum = column_number(table, name)?;
        let name = unused_name(&self.columns, name);
        self.columns.push(included(name, attnum));
        Ok(())
    }

    /// No two columns of an index have one name.
    fn name_columns(&mut self) {
        let mut named: Vec<NewIndexColumn> = Vec::with_capacity(self.columns.len());
        for column in std::mem::take(&mut self.columns) {
            let name = unused_name(&named, &column.name);
            named.push(NewIndexColumn { name, ..column });
        }
        self.columns = named;
    }

    /// What the names of the key columns add to the name of an index (`ChooseIndexNameAddition`).
    pub(crate) fn name_addition(&self) -> String {
        let mut name = String::new();
        for column in &self.columns {
            if !name.is_empty() {
                name.push('_');
            }
            name.push_str(&column.name);
            if name.len() >= 64 {
                break;
            }
        }
        name
    }
}

fn included(name: Arc<str>, attnum: i16) -> NewIndexColumn {
    NewIndexColumn {
        name,
        attnum,
        expression: None,
        opclass: 0,
        collation: 0,
        descending: false,
        nulls_first: false,
    }
}

/// The name of a column, if the expression is no more than that.
fn plain_column(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Column(column) if column.parts.len() == 1 && !column.star => {
            Some(column.parts[0].as_str())
        }
        _ => None,
    }
}

/// The number of a column that an index may be over.
pub(crate) fn column_number(table: &Relation, name: &str) -> PgResult<i16> {
    match table.desc.position(name) {
        Some(at) => Ok(at as i16 + 1),
        None if redoubt_catalog::ddl::system_column(name).is_some() => Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            "index creation on system columns is not supported",
        )),
        None => Err(PgError::new(code::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))),
    }
}

/// A name that no column has yet: the one wanted, or that with a number (`ChooseIndexColumnNames`).
fn unused_name(columns: &[NewIndexColumn], wanted: &str) -> Arc<str> {
    let is_free = |name: &str| columns.iter().all(|column| &*column.name != name);
    if is_free(wanted) {
        return wanted.into();
    }
    let numbered = (1..).map(|number: u32| {
        let digits = number.to_string();
        let mut end = wanted.len().min(redoubt_catalog::ddl::MAX_NAME_BYTES - digits.len());
        while !wanted.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{digits}", &wanted[..end])
    });
    numbered.into_iter().find(|name| is_free(name)).expect("numbers do not end").into()
}

fn key_collation(access: &Access<'_>, element: &IndexElement, ty: ColumnType) -> PgResult<Oid> {
    let info = access.catalog().type_info_must(ty.type_oid)?;
    let collatable = info.collation != 0;
    if let Some(name) = &element.collation {
        if !collatable {
            let name = access.catalog().format_type(ty.type_oid, None, &access.path)?;
            let message = format!("collations are not supported by type {name}");
            return Err(PgError::new(code::DATATYPE_MISMATCH, message));
        }
        return with_analysis(access, |context| resolve_collation(name, context));
    }
    if collatable && ty.collation == 0 {
        let message = "could not determine which collation to use for index expression";
        return Err(PgError::new(code::INDETERMINATE_COLLATION, message)
            .hint("Use the COLLATE clause to set the collation explicitly."));
    }
    Ok(if collatable { ty.collation } else { 0 })
}

fn method_name(access: &Access<'_>, method: Oid) -> PgResult<Arc<str>> {
    let row = access.catalog().access_method_by_oid(method)?;
    row.map(|row| row.amname.clone()).ok_or_else(|| PgError::internal(format!("no access method {method}")))
}

/// An order is nothing that an index without one could have.
fn check_no_order(access: &Access<'_>, method: &IndexMethod, element: &IndexElement) -> PgResult<()> {
    let refuse = |what| Err(method_lacks(&method_name(access, method.oid)?, what));
    if element.direction != SortDirection::Default {
        return refuse("ASC/DESC options");
    }
    if element.nulls_first.is_some() {
        return refuse("NULLS FIRST/LAST options");
    }
    Ok(())
}

/// The operator class of a key column (`ResolveOpClass`).
fn class_of(
    access: &Access<'_>,
    method: Oid,
    name: Option<&ObjectName>,
    type_oid: Oid,
) -> PgResult<Arc<PgOpclass>> {
    let catalog = access.catalog();
    let type_name = || catalog.format_type(type_oid, None, &access.path);
    let Some(name) = name else {
        let Some(class) = catalog.default_opclass(method, type_oid)? else {
            let message = format!(
                "data type {} has no default operator class for access method \"{}\"",
                type_name()?,
                method_name(access, method)?
            );
            return Err(PgError::new(code::UNDEFINED_OBJECT, message).hint(
                "You must specify an operator class for the index or define a default operator class for the \
                 data type.",
            ));
        };
        return Ok(class);
    };
    let wanted = name.last().as_str();
    let schemas: Vec<Oid> = match name.schema() {
        None => access.path.clone(),
        Some(schema) => match catalog.namespace_by_name(schema.as_str())? {
            Some(namespace) => vec![namespace.oid],
            None => {
                let message = format!("schema \"{}\" does not exist", schema.name);
                return Err(PgError::new(code::INVALID_SCHEMA_NAME, message));
            }
        },
    };
    let classes = catalog.opclasses_of(method)?;
    let found = schemas.iter().find_map(|schema| {
        classes.iter().find(|class| class.opcnamespace == *schema && &*class.opcname == wanted)
    });
    let Some(class) = found else {
        let (class, method) = (name.dotted(), method_name(access, method)?);
        let message = format!("operator class \"{class}\" does not exist for access method \"{method}\"");
        return Err(PgError::new(code::UNDEFINED_OBJECT, message));
    };
    if !catalog.is_binary_coercible(type_oid, class.opcintype)? {
        let message = format!("operator class \"{wanted}\" does not accept data type {}", type_name()?);
        return Err(PgError::new(code::DATATYPE_MISMATCH, message));
    }
    // Keys are ordered as the type's default class orders values; the pattern classes order bytes, which under the
    // collation C is the same.
    let default = catalog.default_opclass(method, type_oid)?;
    let same = default.is_some_and(|default| default.oid == class.oid) || wanted.ends_with("_pattern_ops");
    if !same && class.opcnamespace == PG_CATALOG && wanted.ends_with("image_ops") || class.oid >= 16384 {
        return Err(PgError::unsupported(format!("operator class \"{wanted}\" of indexes")));
    }
    Ok(class.clone())
}
