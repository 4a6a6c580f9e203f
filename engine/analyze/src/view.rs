//! Views in FROM: the view's query, read from its text, in place of the view.

use crate::analyzer::Analyzer;
use crate::query::{Perms, Query};
use crate::scope::NsItem;
use crate::updatable_view::is_invoker;
use crate::visit;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree as ast;

/// `pg_namespace.oid` of `pg_catalog`.
pub(crate) const PG_CATALOG: Oid = 11;

impl Analyzer<'_> {
    /// Adds a view to the range table as a subquery. Privileges on the view are the user's
    /// business, those on what it reads its owner's (unless it says `security_invoker`).
    pub(crate) fn range_view(&mut self, view: &Relation, alias: Option<&ast::Alias>) -> PgResult<NsItem> {
        let mut query = self.view_query(view)?;
        let columns = view.desc.attrs.iter().filter(|attribute| !attribute.dropped);
        for (entry, column) in query.target_list.iter_mut().filter(|entry| !entry.junk).zip(columns) {
            entry.name = column.name.clone();
        }
        if !is_invoker(view) {
            let owner = view.owner;
            visit::each_query(&mut query, 0, &mut |query, _| {
                for entry in &mut query.rtable {
                    if entry.perms_relid != 0 && entry.check_as_user == 0 {
                        entry.check_as_user = owner;
                    }
                }
            });
        }
        let mut item = self.add_subquery(query, &view.name, alias, false)?;
        let entry = &mut self.level().rtable[item.rt];
        entry.perms_relid = view.oid;
        entry.security_barrier = view.boolean_option("security_barrier") == Some(true);
        entry.required_perms = Perms::SELECT;
        item.relid = if alias.is_none() { view.oid } else { 0 };
        item.row_type = view.class.reltype;
        Ok(item)
    }

    /// A view's text is analyzed by itself: names in it are qualified, or are found in `pg_catalog`
    /// or else in the view's own schema, whatever the session's search path is.
    ///
    /// # Errors
    /// `42P17` for a view that reads itself, which CREATE OR REPLACE VIEW can make.
    pub(crate) fn view_query(&mut self, view: &Relation) -> PgResult<Query> {
        let damaged = || PgError::internal(format!("view \"{}\" has no query", view.name));
        let text = view.view_definition().ok_or_else(damaged)?;
        let statements = redoubt_sql::parse(text).map_err(without_position)?;
        let [ast::Statement { kind: ast::StatementKind::Query(raw), .. }] = statements.as_slice() else {
            return Err(damaged());
        };
        if self.views.contains(&view.oid) {
            let message = format!("infinite recursion detected in rules for relation \"{}\"", view.name);
            return Err(PgError::new(code::INVALID_OBJECT_DEFINITION, message));
        }
        let path = [PG_CATALOG, view.namespace];
        let mut inner = self.detached(&path);
        inner.views.push(view.oid);
        // Positions in the view's text mean nothing in the statement's.
        inner.analyze_subquery(raw, true).map_err(without_position)
    }
}

/// The same error without its position, which is one in another text than the client's statement.
pub fn without_position(error: PgError) -> PgError {
    let fields = error.fields().clone();
    let mut plain = PgError::report(fields.severity, fields.code, fields.message);
    if let Some(detail) = fields.detail {
        plain = plain.detail(detail);
    }
    if let Some(hint) = fields.hint {
        plain = plain.hint(hint);
    }
    plain
}
