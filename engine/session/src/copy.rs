//! COPY: rows from and to the client or a file of the server, in PostgreSQL's three forms
//! (documentation, "COPY").

mod binary;
mod fields;
mod files;
mod from;
mod input;
mod lines;
mod options;
mod to;

use crate::access::Access;
use crate::client::Client;
use crate::session::Session;
use options::CopyOptions;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Attribute;
use redoubt_sql::tree::{Copy, CopySource, Ident, ObjectName, RelationName};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    /// Runs COPY and gives its command tag.
    ///
    /// # Errors
    /// PostgreSQL's; `0A000` for PROGRAM and for encodings other than UTF8.
    pub(crate) fn copy(&mut self, copy: &Copy, client: &mut dyn Client) -> PgResult<String> {
        self.ensure_transaction()?;
        // It may take long, and waits for the client.
        let rows = redoubt_buffer::blocking(|| {
            let options = CopyOptions::read(&copy.options, copy.is_from)?;
            match &copy.source {
                CopySource::Relation { name, columns } if copy.is_from => {
                    self.copy_from(copy, options, name, columns, client)
                }
                _ => self.copy_to(copy, options, client),
            }
        })?;
        Ok(format!("COPY {rows}"))
    }
}

/// The table copied.
struct Target {
    relation: Arc<Relation>,
    schema: Arc<str>,
    /// The columns copied, by position in the table.
    columns: Vec<usize>,
}

impl Target {
    /// Finds a table by name, locks it, and finds its columns (all that are not generated, if none
    /// is named).
    fn find(
        session: &Session,
        access: &Access<'_>,
        name: &ObjectName,
        columns: &[Ident],
        mode: LockMode,
    ) -> PgResult<Target> {
        let relation = find_relation(access, name)?;
        session.lock_relation(access, relation.oid, mode)?;
        // What the name meant may have changed until the lock was granted.
        let access = Access::current(session)?;
        let relation = find_relation(&access, name)?;
        let schema = access.catalog().namespace_by_oid(relation.namespace)?;
        let schema = schema.map_or_else(|| "".into(), |row| row.nspname.clone());
        let mut target = Target { relation, schema, columns: Vec::new() };
        if columns.is_empty() {
            let all = target.relation.desc.attrs.iter().enumerate();
            target.columns = all
                .filter(|(_, attribute)| !attribute.dropped && attribute.generated == 0)
                .map(|(at, _)| at)
                .collect();
        }
        for column in columns {
            let at = target.column(column.as_str())?;
            if target.attribute(at).generated != 0 {
                let column = column.as_str();
                let message = format!("column \"{column}\" is a generated column");
                return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message)
                    .detail("Generated columns cannot be used in COPY."));
            }
            if target.columns.contains(&at) {
                let column = column.as_str();
                let message = format!("column \"{column}\" specified more than once");
                return Err(PgError::new(code::DUPLICATE_COLUMN, message));
            }
            target.columns.push(at);
        }
        Ok(target)
    }

    fn attribute(&self, at: usize) -> &Attribute {
        &self.relation.desc.attrs[at]
    }

    fn column(&self, name: &str) -> PgResult<usize> {
        let attributes = self.relation.desc.attrs.iter();
        let mut found = attributes.enumerate().filter(|(_, column)| !column.dropped && *column.name == *name);
        match found.next() {
            Some((at, _)) => Ok(at),
            None => {
                let message =
                    format!("column \"{name}\" of relation \"{}\" does not exist", self.relation.name);
                Err(PgError::new(code::UNDEFINED_COLUMN, message))
            }
        }
    }

    /// The table as a statement names it, whatever the search path.
    fn range_name(&self) -> RelationName {
        let parts = vec![named(&self.schema), named(&self.relation.name)];
        RelationName { name: ObjectName { parts }, inherit: false, alias: None }
    }

    fn refuse_kinds_to_fill(&self) -> PgResult<()> {
        let name = &self.relation.name;
        let what = match self.relation.kind {
            'r' => return Ok(()),
            'p' => return Err(PgError::unsupported("COPY to a partitioned table")),
            'f' => return Err(PgError::unsupported("COPY to a foreign table")),
            'v' => {
                return Err(wrong_kind(format!("cannot copy to view \"{name}\""))
                    .hint("To enable copying to a view, provide an INSTEAD OF INSERT trigger."));
            }
            'm' => "materialized view",
            'S' => "sequence",
            _ => return Err(wrong_kind(format!("cannot copy to non-table relation \"{name}\""))),
        };
        Err(wrong_kind(format!("cannot copy to {what} \"{name}\"")))
    }

    fn refuse_kinds_to_read(&self) -> PgResult<()> {
        let name = &self.relation.name;
        let what = match self.relation.kind {
            'r' => return Ok(()),
            'v' => "view",
            'm' => "materialized view",
            'f' => "foreign table",
            'S' => return Err(wrong_kind(format!("cannot copy from sequence \"{name}\""))),
            'p' => "partitioned table",
            _ => return Err(wrong_kind(format!("cannot copy from non-table relation \"{name}\""))),
        };
        Err(wrong_kind(format!("cannot copy from {what} \"{name}\""))
            .hint("Try the COPY (SELECT ...) TO variant."))
    }
}

fn find_relation(access: &Access<'_>, name: &ObjectName) -> PgResult<Arc<Relation>> {
    let relation = access.relation_named(name)?;
    match relation.kind {
        'i' | 'I' => Err(wrong_kind(format!("\"{}\" is an index", relation.name))),
        'c' => Err(wrong_kind(format!("\"{}\" is a composite type", relation.name))),
        _ => Ok(relation),
    }
}

fn wrong_kind(message: String) -> PgError {
    PgError::new(code::WRONG_OBJECT_TYPE, message)
}

/// A name that nobody has written.
fn named(name: &Arc<str>) -> Ident {
    Ident { name: name.clone(), pos: 0 }
}

/// What the operating system says, as C's strerror words it.
fn os_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_string(),
        None => text,
    }
}
