//! Serial columns: integers that are NOT NULL and whose default is the next value of a sequence of their own.

use super::sequence::SequenceToMake;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::Ddl;
use redoubt_catalog::names::quote_qualified;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Oid, quote_literal, types};
use redoubt_sql::tree::{Expr, TypeName};

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

impl Session {
    /// Makes the sequences of serial columns, given by their places and types, and the columns' defaults.
    pub(crate) fn add_serials(&self, table: Oid, serials: &[(usize, Oid)]) -> PgResult<()> {
        for &(at, type_oid) in serials {
            let access = Access::current(self)?;
            let relation = access.relation(table)?;
            let column = &relation.attributes[at].attname;
            let name = access.catalog().choose_relation_name(
                &relation.name,
                Some(column),
                "seq",
                relation.namespace,
                false,
            )?;
            let (sequence, _) = self.make_sequence(
                &access,
                &SequenceToMake {
                    namespace: relation.namespace,
                    name: &name,
                    owner: relation.owner,
                    options: &[],
                    type_oid,
                    for_identity: false,
                },
            )?;
            let owner = Some((table, at as i16 + 1));
            Ddl::new(access.store(), &access.path).set_sequence_owner_column(sequence, owner, false)?;
            let qualified = quote_qualified(Some(&self.schema_of(&relation)?), &name);
            let default = next_value(&qualified)?;
            self.add_defaults(table, &[(at, default)])?;
        }
        Ok(())
    }
}

/// `nextval('schema.sequence'::regclass)`.
fn next_value(sequence: &str) -> PgResult<Expr> {
    redoubt_sql::parse_expression(&format!("pg_catalog.nextval({}::regclass)", quote_literal(sequence)))
}
