//! Identity columns: integers that are NOT NULL and whose values come from a sequence that is a part of the column.

use super::alter_column::column_number;
use super::serial::OwnedSequence;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Behavior, Ddl, DependencyKind, ObjectAddress};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{Ident, ObjectName, SequenceOption, SequenceOptionKind};

/// GENERATED ... AS IDENTITY as a statement says it.
#[derive(Clone, Debug)]
pub(crate) struct IdentitySpec {
    /// The column's place.
    pub at: usize,
    /// What is said of the sequence.
    pub options: Vec<SequenceOption>,
}

impl IdentitySpec {
    /// The sequence's name, if it is said, and the other options.
    fn split(&self) -> (Option<&ObjectName>, Vec<SequenceOption>) {
        let mut name = None;
        let mut others = Vec::with_capacity(self.options.len());
        for option in &self.options {
            match &option.kind {
                SequenceOptionKind::SequenceName(said) => name = Some(said),
                _ => others.push(option.clone()),
            }
        }
        (name, others)
    }
}

impl Session {
    /// Makes the sequences of identity columns that are there.
    pub(crate) fn add_identities(&self, table: Oid, specs: &[IdentitySpec]) -> PgResult<()> {
        for spec in specs {
            let (name, options) = spec.split();
            let access = Access::current(self)?;
            let relation = access.relation(table)?;
            let type_oid = relation.attributes[spec.at].atttypid;
            let sequence =
                OwnedSequence { at: spec.at, name, options: &options, type_oid, for_identity: true };
            self.make_owned_sequence(&access, &relation, &sequence)?;
        }
        Ok(())
    }

    /// ALTER COLUMN ... ADD GENERATED ... AS IDENTITY.
    pub(super) fn add_identity(
        &self,
        table: Oid,
        name: &Ident,
        always: bool,
        options: &[SequenceOption],
    ) -> PgResult<()> {
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        let attribute = &relation.attributes[attnum as usize - 1];
        let unfit = |what: &str| {
            let message = format!("column \"{}\" of relation \"{}\" {what}", name.name, relation.name);
            Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
        };
        if !attribute.attnotnull {
            return unfit("must be declared NOT NULL before identity can be added");
        }
        if attribute.attidentity != '\0' {
            return unfit("is already an identity column");
        }
        if attribute.atthasdef {
            return unfit("already has a default value");
        }
        self.set_letter(table, attnum, letter(always))?;
        let spec = IdentitySpec { at: attnum as usize - 1, options: options.to_vec() };
        self.add_identities(table, &[spec])
    }

    /// ALTER COLUMN ... SET GENERATED, SET option, RESTART.
    pub(super) fn set_identity(
        &self,
        table: Oid,
        name: &Ident,
        always: Option<bool>,
        options: &[SequenceOption],
    ) -> PgResult<()> {
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        let access = Access::current(self)?;
        let Some(sequence) = identity_sequence(&access, &relation, attnum)? else {
            return Err(not_identity(&relation, name));
        };
        if let Some(always) = always {
            self.set_letter(table, attnum, letter(always))?;
        }
        if options.is_empty() {
            return Ok(());
        }
        let access = Access::current(self)?;
        self.redefine_sequence(&access, sequence, options, true)
    }

    /// ALTER COLUMN ... DROP IDENTITY.
    pub(super) fn drop_identity(&self, table: Oid, name: &Ident, if_exists: bool) -> PgResult<()> {
        let relation = self.current(table)?;
        let attnum = column_number(&relation, name)?;
        let access = Access::current(self)?;
        let Some(sequence) = identity_sequence(&access, &relation, attnum)? else {
            let error = not_identity(&relation, name);
            if !if_exists {
                return Err(error);
            }
            self.note(code::SUCCESSFUL_COMPLETION, format!("{}, skipping", error.message()));
            return Ok(());
        };
        self.set_letter(table, attnum, '\0')?;
        let ddl = Ddl::new(access.store(), &access.path);
        let sequence = ObjectAddress::relation(sequence);
        // A part cannot be dropped alone.
        ddl.forget_dependencies(sequence, Some(DependencyKind::Internal), None)?;
        ddl.drop_objects(&[sequence], Behavior::Restrict)?;
        Ok(())
    }

    fn set_letter(&self, table: Oid, attnum: i16, letter: char) -> PgResult<()> {
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_column(table, attnum, |row| row.attidentity = letter)
    }
}

/// `pg_attribute.attidentity`.
pub(super) fn letter(always: bool) -> char {
    if always { 'a' } else { 'd' }
}

/// The sequence of an identity column; none if the column is none.
pub(super) fn identity_sequence(
    access: &Access<'_>,
    relation: &Relation,
    attnum: i16,
) -> PgResult<Option<Oid>> {
    if relation.attributes[attnum as usize - 1].attidentity == '\0' {
        return Ok(None);
    }
    let ddl = Ddl::new(access.store(), &access.path);
    let owned = ddl.sequences_of_column(relation.oid, attnum)?;
    Ok(owned.into_iter().find(|(_, is_identity)| *is_identity).map(|(oid, _)| oid))
}

fn not_identity(relation: &Relation, name: &Ident) -> PgError {
    let message =
        format!("column \"{}\" of relation \"{}\" is not an identity column", name.name, relation.name);
    PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}
