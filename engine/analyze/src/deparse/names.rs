//! Names: of relations in scope, and of objects, qualified where they must be.

use super::Printer;
use super::joins::visible;
use crate::default_expr::TableShape;
use crate::query::{Expr, Query, RteKind, SortGroup, TargetEntry, WindowClause};
use redoubt_catalog::names::quote_identifier;
use redoubt_catalog::rows::{PgOperator, PgProc};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;
use std::sync::Arc;

/// What the variables of one query level refer to.
pub(super) struct Scope {
    /// Per range-table entry: the name it goes by, if it has one, and its columns.
    pub entries: Vec<(Option<String>, Vec<Arc<str>>)>,
    /// WITH queries, which hide relations of the same name, and their columns.
    pub ctes: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// Windows, for OVER.
    pub windows: Vec<WindowClause>,
    /// Grouping keys, for GROUPING.
    pub group_by: Vec<SortGroup>,
    /// What windows and grouping keys refer to; empty if there are none.
    pub targets: Vec<TargetEntry>,
    /// Values that go by a join's column.
    pub join_columns: Vec<JoinColumn>,
}

/// A column of a join that hides what it is made of: the join has an alias, or the column is both
/// sides' at once.
#[derive(Clone)]
pub(super) struct JoinColumn {
    /// What the tree has in its place.
    pub value: Expr,
    /// The join's alias.
    pub relation: Option<String>,
    pub name: Arc<str>,
}

impl Scope {
    pub(super) fn of_table(table: &TableShape) -> Scope {
        let columns = table.desc.attrs.iter().map(|attribute| attribute.name.clone()).collect();
        Scope {
            entries: vec![(Some(table.name.to_string()), columns)],
            ctes: Vec::new(),
            windows: Vec::new(),
            group_by: Vec::new(),
            targets: Vec::new(),
            join_columns: Vec::new(),
        }
    }
}

impl Printer<'_> {
    /// Gives every entry of a query a name that no other entry has, here or further out.
    pub(super) fn scope_of(&self, query: &Query) -> Scope {
        let mut taken: Vec<String> = self
            .scopes
            .iter()
            .flat_map(|scope| scope.entries.iter().filter_map(|(name, _)| name.clone()))
            .collect();
        let mut entries = Vec::with_capacity(query.rtable.len());
        for entry in &query.rtable {
            let named = entry.in_from_clause
                && !(matches!(entry.kind, RteKind::Join) && &*entry.alias == "unnamed_join");
            let name = named.then(|| unique_name(&entry.alias, &taken));
            taken.extend(name.clone());
            entries.push((name, entry.column_names.clone()));
        }
        let join_columns =
            query.jointree.items.iter().flat_map(|item| visible(item, query, &entries)).collect();
        let needs_targets = !query.windows.is_empty() || !query.group_by.is_empty();
        Scope {
            entries,
            ctes: query.ctes.iter().map(|cte| (cte.name.clone(), cte.column_names.clone())).collect(),
            windows: query.windows.clone(),
            group_by: query.group_by.clone(),
            targets: if needs_targets { query.target_list.clone() } else { Vec::new() },
            join_columns,
        }
    }

    pub(super) fn ident(&mut self, name: &str) {
        self.out.push_str(&quote_identifier(name));
    }

    /// A relation's name: qualified if the path does not find it, or a WITH query hides it.
    pub(super) fn relation_name(&self, relid: Oid) -> PgResult<(String, Arc<str>)> {
        let relation = self
            .context
            .catalog
            .relation_by_oid(relid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for relation {relid}")))?;
        let hidden =
            self.scopes.iter().any(|scope| scope.ctes.iter().any(|(name, _)| *name == relation.name));
        let printed = match hidden {
            true => self.context.catalog.quote_in_schema(Some(relation.namespace), &relation.name)?,
            false => self.context.catalog.relation_name(&relation, self.context.path)?,
        };
        Ok((printed, relation.name.clone()))
    }

    pub(super) fn type_name(&mut self, oid: Oid, typmod: i32) -> PgResult<()> {
        let name = self.context.catalog.format_type(oid, Some(typmod), self.context.path)?;
        self.text(&name);
        Ok(())
    }

    pub(super) fn proc(&self, oid: Oid) -> PgResult<Arc<PgProc>> {
        self.context
            .catalog
            .proc_by_oid(oid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for function {oid}")))
    }

    /// A function's name, qualified unless the path finds this one first among those of its name and
    /// argument types.
    pub(super) fn proc_name(&self, proc: &PgProc) -> PgResult<String> {
        let same_name = self.context.catalog.procs_by_name(&proc.proname)?;
        let first = self.context.path.iter().find_map(|schema| {
            same_name.iter().find(|p| p.pronamespace == *schema && p.proargtypes == proc.proargtypes)
        });
        let visible = first.is_some_and(|found| found.oid == proc.oid);
        // Unqualified, these would start a grouping set.
        let reserved = self.in_group_by && matches!(&*proc.proname, "cube" | "rollup");
        let schema = (!visible || reserved).then_some(proc.pronamespace);
        self.context.catalog.quote_in_schema(schema, &proc.proname)
    }

    pub(super) fn operator(&self, oid: Oid) -> PgResult<Arc<PgOperator>> {
        self.context
            .catalog
            .operator_by_oid(oid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for operator {oid}")))
    }

    /// An operator's symbol, as `OPERATOR(schema.op)` unless the path finds this one first.
    pub(super) fn operator_name(&self, oid: Oid) -> PgResult<String> {
        let operator = self.operator(oid)?;
        let same_name = self.context.catalog.operators_by_name(&operator.oprname)?;
        let first = self.context.path.iter().find_map(|schema| {
            same_name.iter().find(|o| {
                o.oprnamespace == *schema && (o.oprleft, o.oprright) == (operator.oprleft, operator.oprright)
            })
        });
        if first.is_some_and(|found| found.oid == oid) {
            return Ok(operator.oprname.to_string());
        }
        let schema = self.context.catalog.namespace_by_oid(operator.oprnamespace)?;
        let schema = schema.map_or_else(|| "???".into(), |schema| quote_identifier(&schema.nspname));
        Ok(format!("OPERATOR({schema}.{})", operator.oprname))
    }

    pub(super) fn collation_name(&self, oid: Oid) -> PgResult<String> {
        let Some(collation) = self.context.catalog.collation_by_oid(oid)? else { return Ok("???".into()) };
        let same_name = self.context.catalog.collations_by_name(&collation.collname)?;
        let first =
            self.context.path.iter().find_map(|schema| same_name.iter().find(|c| c.collnamespace == *schema));
        let visible = first.is_some_and(|found| found.oid == oid);
        self.context
            .catalog
            .quote_in_schema((!visible).then_some(collation.collnamespace), &collation.collname)
    }
}

/// The name, with a number behind it if it is taken.
fn unique_name(name: &str, taken: &[String]) -> String {
    let is_free = |candidate: &str| !taken.iter().any(|other| other == candidate);
    if is_free(name) {
        return name.to_string();
    }
    (1..)
        .map(|number| format!("{name}_{number}"))
        .find(|candidate| is_free(candidate))
        .expect("numbers do not end")
}
