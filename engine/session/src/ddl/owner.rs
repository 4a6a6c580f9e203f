//! Who owns what, and refusing those who do not.

use super::object_names::kind_word;
use crate::access::Access;
use crate::session::Session;
use redoubt_catalog::ddl::{ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;

impl Session {
    /// Whether the current role owns the object; for dropping, owning its schema is as good.
    ///
    /// # Errors
    /// `42501` when it does not.
    pub(crate) fn check_object_owner(
        &self,
        access: &Access<'_>,
        address: ObjectAddress,
        or_its_schema: bool,
    ) -> PgResult<()> {
        if self.facts.superuser {
            return Ok(());
        }
        let Some((owner, schema, words)) = self.owner_of(access, address)? else { return Ok(()) };
        let catalog = access.catalog();
        let role = self.facts.user_oid;
        if catalog.has_privileges_of(role, owner)? {
            return Ok(());
        }
        if or_its_schema
            && let Some(schema) = catalog.namespace_by_oid(schema)?
            && catalog.has_privileges_of(role, schema.nspowner)?
        {
            return Ok(());
        }
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, format!("must be owner of {words}")))
    }

    /// An object's owner, schema (0 for none) and what messages call it.
    pub(crate) fn owner_of(
        &self,
        access: &Access<'_>,
        address: ObjectAddress,
    ) -> PgResult<Option<(Oid, Oid, String)>> {
        let catalog = access.catalog();
        let oid = address.object;
        Ok(match address.class {
            class::RELATION => catalog
                .relation_by_oid(oid)?
                .map(|row| (row.owner, row.namespace, format!("{} {}", kind_word(row.kind), row.name))),
            class::TYPE => match catalog.type_by_oid(oid)? {
                Some(found) => {
                    let shown = catalog.format_type(oid, None, &access.path)?;
                    Some((found.row.typowner, found.row.typnamespace, format!("type {shown}")))
                }
                None => None,
            },
            class::PROC => catalog.proc_by_oid(oid)?.map(|row| {
                let word = match row.prokind {
                    'a' => "aggregate",
                    'p' => "procedure",
                    _ => "function",
                };
                (row.proowner, row.pronamespace, format!("{word} {}", row.proname))
            }),
            class::NAMESPACE => {
                catalog.namespace_by_oid(oid)?.map(|row| (row.nspowner, 0, format!("schema {}", row.nspname)))
            }
            class::DATABASE => {
                catalog.database_by_oid(oid)?.map(|row| (row.datdba, 0, format!("database {}", row.datname)))
            }
            _ => None,
        })
    }
}
