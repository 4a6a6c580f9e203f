//! Relations by name, and range-table entries for them
//! (PostgreSQL's parserOpenTable and addRangeTableEntryFor...).

use crate::analyzer::Analyzer;
use crate::query::{ColumnType, Perms, Query, RangeTblEntry, RteKind};
use crate::scope::NsItem;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

impl Analyzer<'_> {
    /// The relation that a name means, which must be one that has rows.
    pub(crate) fn open_relation(&self, name: &ast::ObjectName) -> PgResult<Arc<Relation>> {
        let position = Some(name.pos());
        let relation = self.find_relation(name)?;
        let Some(relation) = relation else {
            let message = format!("relation \"{}\" does not exist", relation_words(name));
            let error = PgError::new(code::UNDEFINED_TABLE, message).at(position);
            let bare = &name.last().name;
            let is_future = || self.levels.iter().any(|level| level.scope.future_ctes.contains(bare));
            if name.schema().is_none() && is_future() {
                return Err(error
                    .detail(format!(
                        "There is a WITH item named \"{bare}\", but it cannot be referenced from this part of \
                         the query."
                    ))
                    .hint("Use WITH RECURSIVE, or re-order the WITH items to remove forward references."));
            }
            return Err(error);
        };
        let wrong = |what: &str| {
            let message = format!("\"{}\" is {what}", relation.name);
            Err(PgError::new(code::WRONG_OBJECT_TYPE, message).at(position))
        };
        match relation.kind {
            'i' | 'I' => wrong("an index"),
            'c' => wrong("a composite type"),
            _ => Ok(relation),
        }
    }

    /// The schema of this name; `pg_temp` is the session's own.
    pub(crate) fn namespace_named(&self, name: &str) -> PgResult<Option<Oid>> {
        if name != "pg_temp" {
            let namespace = self.catalog.namespace_by_name(name)?.map(|namespace| namespace.oid);
            if let Some(namespace) = namespace {
                self.env.check_schema_usage(namespace, self.path)?;
            }
            return Ok(namespace);
        }
        for schema in self.path {
            let namespace = self.catalog.namespace_by_oid(*schema)?;
            if namespace.is_some_and(|namespace| namespace.nspname.starts_with("pg_temp_")) {
                return Ok(Some(*schema));
            }
        }
        Ok(None)
    }

    /// The relation that a name means, if there is one (`RangeVarGetRelid`).
    pub(crate) fn find_relation(&self, name: &ast::ObjectName) -> PgResult<Option<Arc<Relation>>> {
        let last = &name.last().name;
        if let Some(database) = name.catalog()
            && !self.is_current_database(&database.name)?
        {
            let message = format!("cross-database references are not implemented: \"{}\"", name.dotted());
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(name.pos())));
        }
        match name.schema() {
            Some(schema) => {
                match self.namespace_named(&schema.name).map_err(|error| error.at(Some(name.pos())))? {
                    Some(namespace) => self.catalog.relation_by_name(namespace, last),
                    None => Ok(None),
                }
            }
            None => self.catalog.relation_in_path(self.path, last),
        }
    }

    /// Adds a table (or anything with rows of its own) to the range table. The item is not in the
    /// scope yet.
    pub(crate) fn add_relation(
        &mut self,
        relation: &Relation,
        alias: Option<&ast::Alias>,
        perms: Perms,
    ) -> PgResult<NsItem> {
        let desc = relation.desc.clone();
        let columns = desc
            .attrs
            .iter()
            .map(|a| ColumnType { type_oid: a.type_oid, typmod: a.typmod, collation: a.collation })
            .collect();
        let names = desc.attrs.iter().map(|a| if a.dropped { "".into() } else { a.name.clone() }).collect();
        let kind = RteKind::Relation { relid: relation.oid, relkind: relation.kind, desc };
        let mut item = self.add_entry(kind, &relation.name, names, columns, alias)?;
        let entry = &mut self.level().rtable[item.rt];
        entry.required_perms = perms;
        entry.perms_relid = relation.oid;
        item.relid = if alias.is_none() { relation.oid } else { 0 };
        item.row_type = relation.class.reltype;
        Ok(item)
    }

    /// Adds a subquery to the range table.
    pub(crate) fn add_subquery(
        &mut self,
        query: Query,
        name: &Arc<str>,
        alias: Option<&ast::Alias>,
        lateral: bool,
    ) -> PgResult<NsItem> {
        let shown = query.target_list.iter().filter(|entry| !entry.junk);
        let (names, columns) = shown.map(|entry| (entry.name.clone(), entry.expr.ty())).unzip();
        let item = self.add_entry(RteKind::Subquery(Box::new(query)), name, names, columns, alias)?;
        self.level().rtable[item.rt].lateral = lateral;
        Ok(item)
    }

    /// Adds an entry of any kind; an alias renames it and its first columns (`buildRelationAliases`).
    pub(crate) fn add_entry(
        &mut self,
        kind: RteKind,
        name: &Arc<str>,
        mut column_names: Vec<Arc<str>>,
        columns: Vec<ColumnType>,
        alias: Option<&ast::Alias>,
    ) -> PgResult<NsItem> {
        let name = alias.map_or(name, |alias| &alias.name.name).clone();
        if let Some(alias) = alias {
            rename_columns(&name, &mut column_names, &alias.columns)?;
        }
        let level = self.level();
        level.rtable.push(RangeTblEntry {
            kind,
            alias: name.clone(),
            column_names,
            columns,
            lateral: false,
            security_barrier: false,
            in_from_clause: true,
            required_perms: Perms::default(),
            selected_columns: Vec::new(),
            modified_columns: Vec::new(),
            perms_relid: 0,
            check_as_user: 0,
            sample: None,
        });
        Ok(NsItem::of_entry(name, level.rtable.len() - 1, types::RECORD))
    }

    /// No two items of a scope may have one name (`checkNameSpaceConflicts`).
    pub(crate) fn check_conflicts(left: &[NsItem], right: &[NsItem]) -> PgResult<()> {
        for a in left.iter().filter(|item| item.rel_visible) {
            for b in right.iter().filter(|item| item.rel_visible && item.name == a.name) {
                // The same name in two schemas is no conflict while neither has an alias.
                if a.relid != 0 && b.relid != 0 && a.relid != b.relid {
                    continue;
                }
                let message = format!("table name \"{}\" specified more than once", a.name);
                return Err(PgError::new(code::DUPLICATE_ALIAS, message));
            }
        }
        Ok(())
    }
}

/// Gives the first live columns other names. Dropped columns have empty names and take none.
pub(crate) fn rename_columns(relation: &str, names: &mut [Arc<str>], aliases: &[ast::Ident]) -> PgResult<()> {
    let mut aliases = aliases.iter();
    let given = aliases.len();
    let mut available = 0;
    for name in names.iter_mut().filter(|name| !name.is_empty()) {
        available += 1;
        if let Some(alias) = aliases.next() {
            *name = alias.name.clone();
        }
    }
    if given > available {
        let message =
            format!("table \"{relation}\" has {available} columns available but {given} columns specified");
        return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message));
    }
    Ok(())
}

/// The name as messages quote it: schema and relation.
fn relation_words(name: &ast::ObjectName) -> String {
    match name.schema() {
        Some(schema) => format!("{}.{}", schema.name, name.last().name),
        None => name.last().name.to_string(),
    }
}
