//! Sequences: a relation of one row, and its parameters.

use super::{Ddl, DependencyKind, NewColumn, NewRelation, ObjectAddress, class};
use crate::index_oids as index;
use crate::rows::PgSequence;
use redoubt_error::PgResult;
use redoubt_functions::{Oid, types as t};

/// A sequence to be made. Its row (last value, log count, whether called) is the caller's to write.
#[derive(Clone, Debug)]
pub struct NewSequence {
    /// The relation: kind `S`, without columns.
    pub relation: NewRelation,
    /// Its parameters; `seqrelid` is filled in.
    pub parameters: PgSequence,
}

impl Ddl<'_> {
    /// Makes a sequence and returns its OID.
    ///
    /// # Errors
    /// Those of [`Ddl::create_relation`].
    pub fn create_sequence(&self, new: &NewSequence) -> PgResult<Oid> {
        let column = |name: &str, type_oid| NewColumn::new(name, type_oid, -1, 0).not_null();
        let columns =
            vec![column("last_value", t::INT8), column("log_cnt", t::INT8), column("is_called", t::BOOL)];
        let oid = self.create_relation(&NewRelation { columns, ..new.relation.clone() })?;
        self.insert(&PgSequence { seqrelid: oid, ..new.parameters.clone() })?;
        Ok(oid)
    }

    /// Changes a sequence's parameters.
    ///
    /// # Errors
    /// `XX000` when there is no such sequence; those of writing pages.
    pub fn change_sequence(&self, oid: Oid, edit: impl FnOnce(&mut PgSequence)) -> PgResult<()> {
        self.change(index::SEQUENCE_SEQRELID, oid, edit)
    }

    /// Makes a column own a sequence, or no column own it. An identity column's sequence is part of it.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn set_sequence_owner_column(
        &self,
        sequence: Oid,
        column: Option<(Oid, i16)>,
        is_identity: bool,
    ) -> PgResult<()> {
        let address = ObjectAddress::relation(sequence);
        for kind in [DependencyKind::Auto, DependencyKind::Internal] {
            self.forget_dependencies(address, Some(kind), Some(class::RELATION))?;
        }
        let Some((relation, attnum)) = column else { return Ok(()) };
        let kind = if is_identity { DependencyKind::Internal } else { DependencyKind::Auto };
        self.record_dependency(address, ObjectAddress::column(relation, attnum), kind)
    }

    /// The sequences that a table's column owns, with whether each is its identity's.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn sequences_of_column(&self, relation: Oid, attnum: i16) -> PgResult<Vec<(Oid, bool)>> {
        let mut sequences = Vec::new();
        for row in self.dependents_of(ObjectAddress::column(relation, attnum))? {
            let owned =
                row.classid == class::RELATION && row.objsubid == 0 && matches!(row.deptype, 'a' | 'i');
            let relation = if owned { self.view().relation_by_oid(row.objid)? } else { None };
            if relation.is_some_and(|relation| relation.kind == 'S') {
                sequences.push((row.objid, row.deptype == 'i'));
            }
        }
        Ok(sequences)
    }
}
