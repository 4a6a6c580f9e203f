//! CREATE VIEW (PostgreSQL's src/backend/commands/view.c). A view's query is kept as the canonical text of
//! its analyzed tree, with every name qualified, and read back whenever the view is used.

use super::stored_text::canonical_query;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::query::{Query, TargetEntry};
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement, references_of_query};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, NewColumn, NewRelation, ObjectAddress, class};
use redoubt_catalog::names::quote_identifier;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, parse_bool, types};
use redoubt_sql::tree::{CheckOption, CreateView, DefElem, DmlStatement, Persistence, StatementKind};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    pub(crate) fn create_view(&mut self, create: &CreateView) -> PgResult<()> {
        if create.persistence == Persistence::Unlogged {
            let message = "views cannot be unlogged because they do not have storage";
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        self.ensure_transaction()?;
        let raw = if create.recursive { recursive_query(create)? } else { create.query.clone() };
        let query = loop {
            let access = Access::current(self)?;
            let query = analyzed(&access, raw.clone())?;
            // What is read must not be renamed or dropped before the view says that it depends on it. A lock that is
            // new may have been waited for: names may mean something else by then.
            if !self.lock_referenced(&access, &references_of_query(&query))? {
                break query;
            }
        };
        let access = Access::current(self)?;
        let columns = view_columns(&access, create, &query)?;
        let options = view_options(&create.options, create.check_option)?;
        if options.iter().any(|option| option.starts_with("check_option="))
            && let Some(reason) = redoubt_analyze::not_updatable(&query)
        {
            let message = "WITH CHECK OPTION is supported only on automatically updatable views";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).hint(reason));
        }
        let options = (!options.is_empty()).then_some(options);
        let references = references_of_query(&query);
        let mut persistence = create.persistence;
        if persistence != Persistence::Temporary && self.uses_temporary(&access, &references)? {
            self.note(
                code::SUCCESSFUL_COMPLETION,
                format!("view \"{}\" will be a temporary view", create.name.last().name),
            );
            persistence = Persistence::Temporary;
        }
        let place = self.place_for(&access, &create.name, persistence)?;
        let existing = match create.or_replace {
            true => access.catalog().relation_by_name(place.namespace, &place.name)?,
            false => None,
        };
        let ddl = Ddl::new(access.store(), &access.path);
        let view = match existing {
            Some(view) => {
                self.replace_view(&access, &view, &columns, options)?;
                view.oid
            }
            None => {
                let owner = self.facts.user_oid;
                let mut relation = NewRelation::new('v', place.namespace, &*place.name, owner);
                relation.columns = columns.clone();
                relation.persistence = place.persistence;
                relation.options = options;
                ddl.create_relation(&relation)?
            }
        };
        let names: Vec<Arc<str>> = columns.iter().map(|column| column.name.clone()).collect();
        let text = canonical_query(&access, &query, &names)?;
        ddl.set_view_query(view, &text, &references)
    }

    /// Locks the relations that a query reads; says whether some lock is new.
    pub(super) fn lock_referenced(
        &self,
        access: &Access<'_>,
        references: &[ObjectAddress],
    ) -> PgResult<bool> {
        let mut any_new = false;
        for object in references.iter().filter(|object| object.class == class::RELATION && object.sub == 0) {
            any_new |= self.lock_relation(access, object.object, LockMode::AccessShare)?;
        }
        Ok(any_new)
    }

    /// Whether a query reads something that goes with the session.
    pub(super) fn uses_temporary(&self, access: &Access<'_>, references: &[ObjectAddress]) -> PgResult<bool> {
        for object in references.iter().filter(|object| object.class == class::RELATION) {
            let relation = access.catalog().relation_by_oid(object.object)?;
            if relation.is_some_and(|relation| relation.persistence == 't') {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// OR REPLACE: the old columns stay as they are, new ones may follow.
    fn replace_view(
        &self,
        access: &Access<'_>,
        view: &Relation,
        columns: &[NewColumn],
        options: Option<Vec<Arc<str>>>,
    ) -> PgResult<()> {
        self.lock_relation(access, view.oid, LockMode::AccessExclusive)?;
        if view.kind != 'v' {
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("\"{}\" is not a view", view.name)));
        }
        self.check_object_owner(access, ObjectAddress::relation(view.oid), false)?;
        let fixed = |message: String| PgError::new(code::INVALID_TABLE_DEFINITION, message);
        if columns.len() < view.attributes.len() {
            return Err(fixed("cannot drop columns from view".into()));
        }
        for (old, new) in view.attributes.iter().zip(columns) {
            if *old.attname != *new.name {
                let (old, new) = (&old.attname, &new.name);
                let message = format!("cannot change name of view column \"{old}\" to \"{new}\"");
                return Err(fixed(message)
                    .hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
            }
            if (old.atttypid, old.atttypmod) != (new.type_oid, new.typmod) {
                let shown =
                    |type_oid, typmod| access.catalog().format_type(type_oid, Some(typmod), &access.path);
                return Err(fixed(format!(
                    "cannot change data type of view column \"{}\" from {} to {}",
                    old.attname,
                    shown(old.atttypid, old.atttypmod)?,
                    shown(new.type_oid, new.typmod)?
                )));
            }
            if old.attcollation != new.collation {
                let name = |oid| -> PgResult<String> {
                    let row = access.catalog().collation_by_oid(oid)?;
                    Ok(row.map_or_else(String::new, |row| row.collname.to_string()))
                };
                return Err(fixed(format!(
                    "cannot change collation of view column \"{}\" from \"{}\" to \"{}\"",
                    old.attname,
                    name(old.attcollation)?,
                    name(new.collation)?
                )));
            }
        }
        let ddl = Ddl::new(access.store(), &access.path);
        for column in &columns[view.attributes.len()..] {
            ddl.add_column(view.oid, column)?;
        }
        ddl.change_relation(view.oid, |class| class.reloptions = options)
    }
}

fn analyzed(access: &Access<'_>, raw: Box<redoubt_sql::tree::Query>) -> PgResult<Query> {
    let env = access.env();
    let params = Params::fixed(Vec::new());
    let context = AnalyzeContext { catalog: access.catalog(), env: &env, path: &access.path, params };
    Ok(analyze_statement(&DmlStatement::Select(raw), context)?.0)
}

/// `CREATE RECURSIVE VIEW v (a, b) AS q` is short for a view of
/// `WITH RECURSIVE v (a, b) AS (q) SELECT a, b FROM v`.
fn recursive_query(create: &CreateView) -> PgResult<Box<redoubt_sql::tree::Query>> {
    let name = quote_identifier(create.name.last().as_str());
    let columns: Vec<String> =
        create.columns.iter().map(|column| quote_identifier(column.as_str())).collect();
    let columns = columns.join(", ");
    let text = format!("WITH RECURSIVE {name} ({columns}) AS (SELECT 1) SELECT {columns} FROM {name}");
    let mut statements = redoubt_sql::parse(&text)?;
    let lost = || PgError::internal("a recursive view's query has another shape");
    let StatementKind::Query(mut query) = statements.pop().ok_or_else(lost)?.kind else {
        return Err(lost());
    };
    let cte = query.with.as_mut().and_then(|with| with.ctes.first_mut()).ok_or_else(lost)?;
    cte.query = DmlStatement::Select(create.query.clone());
    Ok(query)
}

/// The view's columns: named by the statement as far as it goes, then by the query.
fn view_columns(access: &Access<'_>, create: &CreateView, query: &Query) -> PgResult<Vec<NewColumn>> {
    let shown: Vec<&TargetEntry> = query.target_list.iter().filter(|entry| !entry.junk).collect();
    if create.columns.len() > shown.len() {
        let message = "CREATE VIEW specifies more column names than columns";
        return Err(PgError::new(code::SYNTAX_ERROR, message));
    }
    let mut columns = Vec::with_capacity(shown.len());
    for (at, entry) in shown.iter().enumerate() {
        let name: Arc<str> = match create.columns.get(at) {
            Some(name) => name.name.clone(),
            None => entry.name.clone(),
        };
        let ty = entry.expr.ty();
        let type_oid: Oid = if ty.type_oid == types::UNKNOWN { types::TEXT } else { ty.type_oid };
        let collatable = access.catalog().type_info_must(type_oid)?.collation != 0;
        if collatable && ty.collation == 0 {
            let message = format!("could not determine which collation to use for view column \"{name}\"");
            return Err(PgError::new(code::INDETERMINATE_COLLATION, message)
                .hint("Use the COLLATE clause to set the collation explicitly."));
        }
        columns.push(NewColumn::new(name, type_oid, ty.typmod, ty.collation));
    }
    Ok(columns)
}

/// `reloptions` of a view.
pub(crate) fn view_options(options: &[DefElem], check: Option<CheckOption>) -> PgResult<Vec<Arc<str>>> {
    let invalid = |message: String| PgError::new(code::INVALID_PARAMETER_VALUE, message);
    let mut texts: Vec<Arc<str>> = Vec::new();
    for option in options {
        let name = option.name.as_str();
        if let Some(space) = &option.namespace {
            let message = format!("unrecognized parameter namespace \"{}\"", space.name);
            return Err(invalid(message));
        }
        let value = option.string().unwrap_or_else(|| "true".into());
        match name {
            "security_barrier" | "security_invoker" if parse_bool(&value).is_none() => {
                let message = format!("invalid value for boolean option \"{name}\": {value}");
                return Err(invalid(message));
            }
            "security_barrier" | "security_invoker" => {}
            "check_option" if !matches!(value.as_str(), "local" | "cascaded") => {
                let message = format!("invalid value for enum option \"check_option\": {value}");
                return Err(invalid(message).detail("Valid values are \"local\" and \"cascaded\"."));
            }
            "check_option" => {}
            _ => return Err(invalid(format!("unrecognized parameter \"{name}\""))),
        }
        if texts.iter().any(|text| text.split('=').next() == Some(name)) {
            return Err(invalid(format!("parameter \"{name}\" specified more than once")));
        }
        texts.push(format!("{name}={value}").into());
    }
    if let Some(check) = check {
        if texts.iter().any(|text| text.starts_with("check_option=")) {
            return Err(invalid("parameter \"check_option\" specified more than once".into()));
        }
        texts.push(match check {
            CheckOption::Local => "check_option=local".into(),
            CheckOption::Cascaded => "check_option=cascaded".into(),
        });
    }
    Ok(texts)
}
