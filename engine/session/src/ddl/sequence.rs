//! CREATE and ALTER SEQUENCE.

use super::object_names::relation_words;
use super::sequence_options::{Definition, define};
use crate::access::Access;
use crate::sequence::{ROW, SequenceRow};
use crate::session::Session;
use redoubt_access::{FetchBuf, InsertOptions, TableId};
use redoubt_analyze::{AnalyzeContext, Params, resolve_type_name};
use redoubt_buffer::RelNode;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, NewRelation, NewSequence, ObjectAddress};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree::{AlterSequence, CreateSequence, ObjectName, SequenceOption, TypeName};
use redoubt_txn::LockMode;
use std::sync::Arc;

/// A sequence to be made, by CREATE SEQUENCE or for a serial or identity column.
pub(crate) struct SequenceToMake<'a> {
    pub namespace: Oid,
    pub name: &'a str,
    pub owner: Oid,
    /// `pg_class.relpersistence`.
    pub persistence: char,
    pub options: &'a [SequenceOption],
    /// The type unless the options say one.
    pub type_oid: Oid,
    pub for_identity: bool,
}

impl Session {
    pub(crate) fn create_sequence(&mut self, create: &CreateSequence) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let place = self.place_for(&access, &create.name, create.persistence)?;
        if create.if_not_exists && access.catalog().relation_oid(place.namespace, &place.name)?.is_some() {
            self.note(code::DUPLICATE_TABLE, format!("relation \"{}\" already exists, skipping", place.name));
            return Ok(());
        }
        let new = SequenceToMake {
            namespace: place.namespace,
            name: &place.name,
            owner: self.facts.user_oid,
            persistence: place.persistence,
            options: &create.options,
            type_oid: types::INT8,
            for_identity: false,
        };
        let (oid, owned_by) = self.make_sequence(&access, &new)?;
        if let Some(column) = owned_by {
            let access = Access::current(self)?;
            self.set_owned_by(&access, oid, &column)?;
        }
        Ok(())
    }

    /// Makes a sequence with its row and gives its OID and what OWNED BY said. A serial or identity
    /// column's owner note is the caller's: [`Ddl::set_sequence_owner_column`].
    pub(crate) fn make_sequence(
        &self,
        access: &Access<'_>,
        new: &SequenceToMake<'_>,
    ) -> PgResult<(Oid, Option<ObjectName>)> {
        let Definition { parameters, row, owned_by } =
            define(new.options, None, new.type_oid, new.for_identity, |name| sequence_type(access, name))?;
        let mut relation = NewRelation::new('S', new.namespace, new.name, new.owner);
        relation.persistence = new.persistence;
        let ddl = Ddl::new(access.store(), &access.path);
        let oid = ddl.create_sequence(&NewSequence { relation, parameters })?;
        let row = row.expect("a new sequence has a row to write");
        // New storage bears its relation's OID.
        self.write_sequence_row(RelNode(oid), oid, row)?;
        Ok((oid, owned_by))
    }

    /// Writes the row of a sequence into new storage.
    fn write_sequence_row(&self, node: RelNode, oid: Oid, row: SequenceRow) -> PgResult<()> {
        let table = TableId { database: self.facts.database, relation: oid };
        let heap = self.facts.instance.engine.heap(node, table)?;
        let tid = heap.insert(self.txn(), &mut row.form()?, InsertOptions::default())?;
        assert_eq!(tid, ROW, "a sequence's row is the first of its storage");
        Ok(())
    }

    pub(crate) fn alter_sequence(&mut self, alter: &AlterSequence) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        if alter.if_exists && access.find_relation(&alter.name)?.is_none() {
            let name = relation_words(&alter.name);
            self.note(code::SUCCESSFUL_COMPLETION, format!("relation \"{name}\" does not exist, skipping"));
            return Ok(());
        }
        let sequence = access.relation_named(&alter.name)?;
        if sequence.kind != 'S' {
            let message = format!("\"{}\" is not a sequence", sequence.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        self.check_object_owner(&access, ObjectAddress::relation(sequence.oid), false)?;
        self.lock_relation(&access, sequence.oid, LockMode::ShareRowExclusive)?;
        // The lock may have had to wait for another ALTER.
        let access = Access::current(self)?;
        self.redefine_sequence(&access, sequence.oid, &alter.options, false)
    }

    /// Applies options to a sequence: its parameters change with the transaction, and so does its row,
    /// which is written into new storage.
    pub(crate) fn redefine_sequence(
        &self,
        access: &Access<'_>,
        oid: Oid,
        options: &[SequenceOption],
        for_identity: bool,
    ) -> PgResult<()> {
        let gone = || PgError::internal(format!("could not open relation with OID {oid}"));
        let sequence = access.catalog().relation_by_oid(oid)?.ok_or_else(gone)?;
        let old = sequence.sequence.as_ref().ok_or_else(gone)?;
        let row = self.sequence_row(&sequence)?;
        let new = define(options, Some((old, row)), old.seqtypid, for_identity, |name| {
            sequence_type(access, name)
        })?;
        let ddl = Ddl::new(access.store(), &access.path);
        if let Some(row) = new.row {
            let node = ddl.replace_storage(oid)?;
            ddl.change_relation(oid, |class| {
                class.relpages = 1;
                class.reltuples = 1.0;
            })?;
            self.write_sequence_row(node, oid, row)?;
            ddl.change_sequence(oid, |parameters| *parameters = new.parameters.clone())?;
        }
        match &new.owned_by {
            Some(column) => self.set_owned_by(access, oid, column),
            None => Ok(()),
        }
    }

    /// Sets a sequence to its start, as TRUNCATE ... RESTART IDENTITY does.
    pub(crate) fn restart_sequence(&self, access: &Access<'_>, sequence: &Relation) -> PgResult<()> {
        let start = sequence.sequence.as_ref().map_or(1, |parameters| parameters.seqstart);
        let node = Ddl::new(access.store(), &access.path).replace_storage(sequence.oid)?;
        self.write_sequence_row(node, sequence.oid, SequenceRow::starting_at(start))
    }

    fn sequence_row(&self, sequence: &Relation) -> PgResult<SequenceRow> {
        let heap = self.facts.instance.engine.heap(sequence.node, sequence.table_id())?;
        let mut found = FetchBuf::default();
        if !heap.fetch_any(ROW, &mut found)? {
            let message = format!("sequence \"{}\" has no row", sequence.name);
            return Err(PgError::new(code::DATA_CORRUPTED, message));
        }
        SequenceRow::read(found.tuple())
    }

    /// OWNED BY: ties the sequence to a column, or to none.
    fn set_owned_by(&self, access: &Access<'_>, oid: Oid, column: &ObjectName) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        let gone = || PgError::internal(format!("could not open relation with OID {oid}"));
        let sequence = access.catalog().relation_by_oid(oid)?.ok_or_else(gone)?;
        let target = self.owning_column(access, &sequence, column)?;
        for row in ddl.dependencies_of(ObjectAddress::relation(oid))? {
            if row.deptype == 'i' && row.refclassid == redoubt_catalog::ddl::class::RELATION {
                let table = access.catalog().relation_by_oid(row.refobjid)?.ok_or_else(gone)?;
                return Err(PgError::new(
                    code::FEATURE_NOT_SUPPORTED,
                    "cannot change ownership of identity sequence",
                )
                .detail(format!("Sequence \"{}\" is linked to table \"{}\".", sequence.name, table.name)));
            }
        }
        ddl.set_sequence_owner_column(oid, target, false)
    }

    fn owning_column(
        &self,
        access: &Access<'_>,
        sequence: &Relation,
        column: &ObjectName,
    ) -> PgResult<Option<(Oid, i16)>> {
        let [qualifiers @ .., last] = column.parts.as_slice() else {
            unreachable!("a name has at least one part")
        };
        if qualifiers.is_empty() {
            if last.as_str() == "none" {
                return Ok(None);
            }
            return Err(PgError::new(code::SYNTAX_ERROR, "invalid OWNED BY option")
                .hint("Specify OWNED BY table.column or OWNED BY NONE."));
        }
        let table: Arc<Relation> = access.relation_named(&ObjectName { parts: qualifiers.to_vec() })?;
        self.lock_relation(access, table.oid, LockMode::AccessShare)?;
        if !matches!(table.kind, 'r' | 'f' | 'v' | 'p') {
            let message = format!("sequence cannot be owned by relation \"{}\"", table.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message)
                .detail(super::object_names::not_for(table.kind)));
        }
        let unfit = |what: &str| {
            let message = format!("sequence must {what} as table it is linked to");
            Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message))
        };
        if table.owner != sequence.owner {
            return unfit("have same owner");
        }
        if table.namespace != sequence.namespace {
            return unfit("be in same schema");
        }
        let found = table.attributes.iter().find(|row| !row.attisdropped && *row.attname == *last.name);
        let attnum = found.map(|row| row.attnum).ok_or_else(|| {
            let message = format!("column \"{}\" of relation \"{}\" does not exist", last.name, table.name);
            PgError::new(code::UNDEFINED_COLUMN, message)
        })?;
        Ok(Some((table.oid, attnum)))
    }
}

/// AS type.
fn sequence_type(access: &Access<'_>, name: &TypeName) -> PgResult<Oid> {
    let env = access.env();
    let params = Params::fixed(Vec::new());
    let context = AnalyzeContext { catalog: access.catalog(), env: &env, path: &access.path, params };
    Ok(resolve_type_name(name, context)?.0)
}
