//! Foreign keys: what they refer to, and the triggers that enforce them.

use super::{Ddl, DependencyKind, ObjectAddress, class};
use crate::index_oids as index;
use crate::rows::{PgConstraint, PgTrigger};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;

/// What a foreign key refers to, and how.
#[derive(Clone, Debug)]
pub struct NewForeignKey {
    /// The referenced table.
    pub table: Oid,
    /// Its columns.
    pub columns: Vec<i16>,
    /// ON UPDATE: `a` no action, `r`estrict, `c`ascade, set `n`ull, set `d`efault.
    pub on_update: char,
    /// ON DELETE: the same.
    pub on_delete: char,
    /// MATCH: `f`ull or `s`imple.
    pub match_type: char,
    /// Columns that ON DELETE SET NULL or SET DEFAULT sets, if not all.
    pub set_columns: Option<Vec<i16>>,
    /// `=` from referenced to referencing column, one for each.
    pub pk_fk_operators: Vec<Oid>,
    /// `=` among referenced columns.
    pub pk_pk_operators: Vec<Oid>,
    /// `=` among referencing columns.
    pub fk_fk_operators: Vec<Oid>,
}

/// OIDs of the `RI_FKey_*` functions.
const CHECK_INSERT: Oid = 1644;
const CHECK_UPDATE: Oid = 1645;

/// The bits of `tgtype` (PostgreSQL's catalog/pg_trigger.h).
const ROW: i16 = 1;
const INSERT: i16 = 4;
const DELETE: i16 = 8;
const UPDATE: i16 = 16;

/// The function for an action on delete; the one for update follows it.
fn action_function(action: char) -> PgResult<Oid> {
    Ok(match action {
        'c' => 1646,
        'r' => 1648,
        'n' => 1650,
        'd' => 1652,
        'a' => 1654,
        other => return Err(PgError::internal(format!("unrecognized FK action type: {other}"))),
    })
}

impl Ddl<'_> {
    /// Adds the triggers that enforce a foreign key: two on the referenced table, two on the referencing.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn create_foreign_key_triggers(&self, constraint: Oid) -> PgResult<()> {
        let (_, row) = self.find_oid::<PgConstraint>(index::CONSTRAINT_OID, constraint)?;
        let on_delete = action_function(row.confdeltype)?;
        let on_update = action_function(row.confupdtype)? + 1;
        self.add_action_trigger(&row, on_delete, DELETE, row.confdeltype)?;
        self.add_action_trigger(&row, on_update, UPDATE, row.confupdtype)?;
        self.add_check_trigger(&row, CHECK_INSERT, INSERT)?;
        self.add_check_trigger(&row, CHECK_UPDATE, UPDATE)?;
        self.change_relation(row.confrelid, |class| class.relhastriggers = true)?;
        self.change_relation(row.conrelid, |class| class.relhastriggers = true)
    }

    fn add_action_trigger(
        &self,
        row: &PgConstraint,
        function: Oid,
        event: i16,
        action: char,
    ) -> PgResult<()> {
        // Only "no action" waits for the end of the transaction.
        let deferrable = action == 'a' && row.condeferrable;
        let trigger = trigger_row(row, function, event, deferrable);
        let trigger = PgTrigger { tgrelid: row.confrelid, tgconstrrelid: row.conrelid, ..trigger };
        self.add_constraint_trigger(row.oid, trigger, 'a')
    }

    fn add_check_trigger(&self, row: &PgConstraint, function: Oid, event: i16) -> PgResult<()> {
        let trigger = trigger_row(row, function, event, row.condeferrable);
        let trigger = PgTrigger { tgrelid: row.conrelid, tgconstrrelid: row.confrelid, ..trigger };
        self.add_constraint_trigger(row.oid, trigger, 'c')
    }

    fn add_constraint_trigger(&self, constraint: Oid, trigger: PgTrigger, letter: char) -> PgResult<()> {
        let oid = self.allocate_oid()?;
        let name = format!("RI_ConstraintTrigger_{letter}_{oid}");
        self.insert(&PgTrigger { oid, tgname: name.into(), ..trigger })?;
        self.record_dependency(
            ObjectAddress::new(class::TRIGGER, oid),
            ObjectAddress::new(class::CONSTRAINT, constraint),
            DependencyKind::Internal,
        )
    }

    /// Adds a trigger (its `oid` is filled in) and returns its OID.
    ///
    /// # Errors
    /// `23505` when the table has one of that name; those of writing pages.
    pub fn create_trigger(&self, trigger: &PgTrigger, referenced: &[ObjectAddress]) -> PgResult<Oid> {
        let oid = self.allocate_oid()?;
        self.insert(&PgTrigger { oid, ..trigger.clone() })?;
        let address = ObjectAddress::new(class::TRIGGER, oid);
        let function = ObjectAddress::new(class::PROC, trigger.tgfoid);
        self.record_dependency(address, function, DependencyKind::Normal)?;
        if trigger.tgconstraint == 0 {
            self.record_dependency(address, ObjectAddress::relation(trigger.tgrelid), DependencyKind::Auto)?;
            self.record_dependency(
                address,
                ObjectAddress::relation(trigger.tgconstrrelid),
                DependencyKind::Auto,
            )?;
        } else {
            // The constraint is made for a constraint trigger, and goes with it.
            self.record_dependency(
                ObjectAddress::new(class::CONSTRAINT, trigger.tgconstraint),
                address,
                DependencyKind::Internal,
            )?;
        }
        self.record_dependencies(address, referenced, DependencyKind::Normal)?;
        self.change_relation(trigger.tgrelid, |class| class.relhastriggers = true)?;
        Ok(oid)
    }
}

fn trigger_row(row: &PgConstraint, function: Oid, event: i16, deferrable: bool) -> PgTrigger {
    PgTrigger {
        oid: 0,
        tgrelid: 0,
        tgparentid: 0,
        tgname: "".into(),
        tgfoid: function,
        tgtype: ROW | event,
        tgenabled: 'O',
        tgisinternal: true,
        tgconstrrelid: 0,
        tgconstrindid: row.conindid,
        tgconstraint: row.oid,
        tgdeferrable: deferrable,
        tginitdeferred: deferrable && row.condeferred,
        tgnargs: 0,
        tgattr: Vec::new(),
        tgargs: Vec::new(),
        tgqual: None,
        tgoldtable: None,
        tgnewtable: None,
    }
}
