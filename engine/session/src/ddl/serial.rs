//! Serial columns: integers that are NOT NULL and whose default is the next value of a sequence of their own.

use super::sequence::SequenceToMake;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::Ddl;
use redoubt_catalog::names::quote_qualified;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Oid, quote_literal, types};
use redoubt_sql::tree::{Expr, ObjectName, SequenceOption, TypeName};

/// The integer type behind a serial type's name; none for other types.
///
/// # Errors
/// `0A000` for arrays of serial.
pub(crate) fn serial_type(name: &TypeName) -> PgResult<Option<Oid>> {
    if name.name.schema().is_some() || name.setof || name.pct_type {
        return Ok(None);
    }
    let found = match name.name.last().as_str() {
        "smallserial" | "serial2" => types::INT2,
        "serial" | "serial4" => types::INT4,
        "bigserial" | "serial8" => types::INT8,
        _ => return Ok(None),
    };
    if !name.array_bounds.is_empty() {
        let message = "array of serial is not implemented";
        return Err(PgError::new(redoubt_error::code::FEATURE_NOT_SUPPORTED, message).at(Some(name.pos)));
    }
    Ok(Some(found))
}

/// A sequence that belongs to a column, to be made.
pub(crate) struct OwnedSequence<'a> {
    /// The column's place.
    pub at: usize,
    /// Its name, if the statement says one.
    pub name: Option<&'a ObjectName>,
    pub options: &'a [SequenceOption],
    pub type_oid: Oid,
    /// It is a part of an identity column.
    pub for_identity: bool,
}

impl Session {
    /// Makes the sequences of serial columns, given by their places and types, and the columns' defaults.
    pub(crate) fn add_serials(&self, table: Oid, serials: &[(usize, Oid)]) -> PgResult<()> {
        for &(at, type_oid) in serials {
            let access = Access::current(self)?;
            let relation = access.relation(table)?;
            let sequence = OwnedSequence { at, name: None, options: &[], type_oid, for_identity: false };
            let name = self.make_owned_sequence(&access, &relation, &sequence)?;
            let qualified = quote_qualified(Some(&self.schema_of(&relation)?), &name);
            let default = next_value(&qualified)?;
            self.add_defaults(table, &[(at, default)])?;
        }
        Ok(())
    }

    /// Makes a column's sequence, which goes with the column, and gives its name.
    pub(crate) fn make_owned_sequence(
        &self,
        access: &Access<'_>,
        relation: &Relation,
        new: &OwnedSequence<'_>,
    ) -> PgResult<String> {
        let column = &relation.attributes[new.at].attname;
        let schema = new.name.and_then(|name| name.schema());
        let namespace = match schema {
            Some(schema) => access.schema_named(schema.as_str())?,
            None => relation.namespace,
        };
        let name = match new.name {
            Some(name) => name.last().name.to_string(),
            None => access.catalog().choose_relation_name(
                &relation.name,
                Some(column),
                "seq",
                namespace,
                false,
            )?,
        };
        let (sequence, _) = self.make_sequence(
            access,
            &SequenceToMake {
                namespace,
                name: &name,
                owner: relation.owner,
                persistence: relation.persistence,
                options: new.options,
                type_oid: new.type_oid,
                for_identity: new.for_identity,
            },
        )?;
        let owner = Some((relation.oid, new.at as i16 + 1));
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.set_sequence_owner_column(sequence, owner, new.for_identity)?;
        Ok(name)
    }
}

/// `nextval('schema.sequence'::regclass)`.
fn next_value(sequence: &str) -> PgResult<Expr> {
    redoubt_sql::parse_expression(&format!("pg_catalog.nextval({}::regclass)", quote_literal(sequence)))
}
