//! CREATE TABLE ... (LIKE source INCLUDING ...): a table's columns, and as much of what hangs on them as is asked for
//! (PostgreSQL's `transformTableLikeClause` and `expandTableLikeClause`).

use super::check_constraint::CheckSpec;
use super::identity::{IdentitySpec, identity_sequence};
use super::new_column::Constraints;
use super::object_names::{kind_word, not_for};
use super::recreate::{comment_on, name_of, parsed_constraint, parsed_index};
use super::stored_text::read_expression;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::references_of;
use redoubt_catalog::Relation;
use redoubt_catalog::acl::Privileges;
use redoubt_catalog::ddl::{Ddl, NewColumn, ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{
    ConstraintAttributes, CreateIndex, LikeClause, LikeOption, SequenceOption, SequenceOptionKind as Kind,
};
use redoubt_txn::LockMode;
use std::sync::Arc;

/// What is to be added when the new table is there.
#[derive(Default)]
pub(super) struct AfterLike {
    indexes: Vec<(CreateIndex, Option<Arc<str>>)>,
    column_comments: Vec<(i16, Arc<str>)>,
    constraint_comments: Vec<(Arc<str>, Arc<str>)>,
}

impl Session {
    /// Adds the columns of a LIKE clause to those of a new table.
    pub(super) fn take_like(
        &self,
        like: &LikeClause,
        columns: &mut Vec<NewColumn>,
        constraints: &mut Constraints,
        after: &mut AfterLike,
    ) -> PgResult<()> {
        let source = self
            .lock_existing(&like.source, LockMode::AccessShare)
            .map_err(|error| error.at(Some(like.source.pos())))?;
        let access = Access::current(self)?;
        self.check_like_source(&access, &source, like)?;
        let including = included(like);
        // Dropped columns leave no gaps in the new table.
        for row in source.attributes.iter().filter(|row| !row.attisdropped) {
            let at = columns.len();
            let mut new = NewColumn::new(row.attname.clone(), row.atttypid, row.atttypmod, row.attcollation);
            new.dimensions = row.attndims;
            new.not_null = row.attnotnull;
            new.storage = including.contains(&LikeOption::Storage).then_some(row.attstorage);
            if including.contains(&LikeOption::Compression) {
                new.compression = row.attcompression;
            }
            let wanted = if row.attgenerated == '\0' { LikeOption::Defaults } else { LikeOption::Generated };
            if let Some(default) = source.default_of(row.attnum).filter(|_| including.contains(&wanted)) {
                new.generated = row.attgenerated;
                constraints.defaults.push((at, redoubt_sql::parse_expression(&default.expression)?));
            }
            if including.contains(&LikeOption::Identity)
                && let Some(sequence) = identity_sequence(&access, &source, row.attnum)?
            {
                new.identity = row.attidentity;
                let options = sequence_options(&*access.relation(sequence)?);
                constraints.identities.push(IdentitySpec { at, options });
            }
            if including.contains(&LikeOption::Comments)
                && let Some(text) = comment_on(&access, ObjectAddress::column(source.oid, row.attnum))?
            {
                after.column_comments.push((at as i16 + 1, text));
            }
            columns.push(new);
        }
        if including.contains(&LikeOption::Constraints) {
            self.take_checks(&access, &source, &including, constraints, after)?;
        }
        if including.contains(&LikeOption::Indexes) {
            self.take_indexes(&access, &source, &including, constraints, after)?;
        }
        Ok(())
    }

    fn check_like_source(&self, access: &Access<'_>, source: &Relation, like: &LikeClause) -> PgResult<()> {
        if !matches!(source.kind, 'r' | 'v' | 'm' | 'c' | 'f' | 'p') {
            let message = format!("relation \"{}\" is invalid in LIKE clause", source.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message)
                .detail(not_for(source.kind))
                .at(Some(like.source.pos())));
        }
        let held = access.catalog().privileges_on_relation(self.facts.user_oid, source)?;
        if !held.contains(Privileges::SELECT) && !self.facts.superuser {
            let message = format!("permission denied for {} {}", kind_word(source.kind), source.name);
            return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
        }
        Ok(())
    }

    fn take_checks(
        &self,
        access: &Access<'_>,
        source: &Relation,
        including: &[LikeOption],
        constraints: &mut Constraints,
        after: &mut AfterLike,
    ) -> PgResult<()> {
        for row in source.checks() {
            let text = row.conbin.as_deref().unwrap_or_default();
            if references_of(&read_expression(access, text, source)?).columns.contains(&0) {
                let message = "cannot convert whole-row table reference";
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).detail(format!(
                    "Constraint \"{}\" contains a whole-row reference to table \"{}\".",
                    row.conname, source.name
                )));
            }
            constraints.checks.push(CheckSpec {
                name: Some(row.conname.clone()),
                expr: redoubt_sql::parse_expression(text)?,
                no_inherit: row.connoinherit,
                attributes: ConstraintAttributes::default(),
                pos: 0,
            });
            let address = ObjectAddress::new(class::CONSTRAINT, row.oid);
            if including.contains(&LikeOption::Comments)
                && let Some(text) = comment_on(access, address)?
            {
                after.constraint_comments.push((row.conname.clone(), text));
            }
        }
        Ok(())
    }

    fn take_indexes(
        &self,
        access: &Access<'_>,
        source: &Relation,
        including: &[LikeOption],
        constraints: &mut Constraints,
        after: &mut AfterLike,
    ) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        for index in access.catalog().indexes_of(source)? {
            let comment = match including.contains(&LikeOption::Comments) {
                true => comment_on(access, ObjectAddress::relation(index.oid))?,
                false => None,
            };
            let constraint = match ddl.constraint_of_index(index.oid)? {
                Some(oid) => access.catalog().constraint_by_oid(oid)?,
                None => None,
            };
            match constraint {
                Some(row) => {
                    let mut constraint = parsed_constraint(access, &row)?;
                    constraint.name = None;
                    constraints.take(&constraint)?;
                }
                None => {
                    let mut create = parsed_index(access, &index)?;
                    create.name = None;
                    after.indexes.push((create, comment));
                }
            }
        }
        Ok(())
    }

    /// Adds what LIKE clauses ask for beyond columns and constraints.
    pub(super) fn finish_like(&self, table: Oid, after: AfterLike) -> PgResult<()> {
        let relation = self.current(table)?;
        let schema = self.schema_of(&relation)?;
        for (mut create, comment) in after.indexes {
            create.relation.name = name_of(&schema, &relation.name);
            let made = self.make_index(&create)?;
            if let (Some(oid), Some(text)) = (made, comment) {
                self.comment(ObjectAddress::relation(oid), &text)?;
            }
        }
        for (attnum, text) in after.column_comments {
            self.comment(ObjectAddress::column(table, attnum), &text)?;
        }
        let relation = self.current(table)?;
        for (name, text) in after.constraint_comments {
            if let Some(row) = relation.constraints.iter().find(|row| row.conname == name) {
                self.comment(ObjectAddress::new(class::CONSTRAINT, row.oid), &text)?;
            }
        }
        Ok(())
    }

    fn comment(&self, object: ObjectAddress, text: &str) -> PgResult<()> {
        let access = Access::current(self)?;
        Ddl::new(access.store(), &access.path).set_comment(object, Some(text))
    }
}

/// What is to be copied: later options override earlier ones.
fn included(like: &LikeClause) -> Vec<LikeOption> {
    const ALL: [LikeOption; 9] = [
        LikeOption::Comments,
        LikeOption::Compression,
        LikeOption::Constraints,
        LikeOption::Defaults,
        LikeOption::Generated,
        LikeOption::Identity,
        LikeOption::Indexes,
        LikeOption::Statistics,
        LikeOption::Storage,
    ];
    let mut including = Vec::new();
    for (option, include) in &like.options {
        let these: &[LikeOption] =
            if *option == LikeOption::All { &ALL } else { std::slice::from_ref(option) };
        including.retain(|known| !these.contains(known));
        if *include {
            including.extend_from_slice(these);
        }
    }
    including
}

/// A sequence's parameters, said as options.
fn sequence_options(sequence: &Relation) -> Vec<SequenceOption> {
    let Some(of) = &sequence.sequence else { return Vec::new() };
    let kinds = [
        Kind::Cache(of.seqcache.to_string()),
        Kind::Cycle(of.seqcycle),
        Kind::Increment(of.seqincrement.to_string()),
        Kind::MaxValue(Some(of.seqmax.to_string())),
        Kind::MinValue(Some(of.seqmin.to_string())),
        Kind::Start(of.seqstart.to_string()),
    ];
    kinds.into_iter().map(|kind| SequenceOption { kind, pos: 0 }).collect()
}
