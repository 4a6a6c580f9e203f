//! Comments on objects.

use super::{Ddl, ObjectAddress};
use crate::index_oids as index;
use crate::rows::{PgDescription, PgShdescription};
use redoubt_error::PgResult;
use redoubt_functions::Datum;

impl Ddl<'_> {
    /// Sets or removes the comment on an object; one of a shared catalog has it in `pg_shdescription`.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn set_comment(&self, object: ObjectAddress, comment: Option<&str>) -> PgResult<()> {
        let shared = crate::system::system_catalog(object.class).is_some_and(|catalog| catalog.shared);
        let mut key = vec![Datum::Oid(object.object), Datum::Oid(object.class)];
        if shared {
            self.remove_all::<PgShdescription>(index::SHDESCRIPTION_OBJECT, &key)?;
        } else {
            key.push(Datum::Int4(object.sub));
            self.remove_all::<PgDescription>(index::DESCRIPTION_OBJECT, &key)?;
        }
        let Some(text) = comment.filter(|text| !text.is_empty()) else { return Ok(()) };
        if shared {
            self.insert(&PgShdescription {
                objoid: object.object,
                classoid: object.class,
                description: text.into(),
            })?;
        } else {
            self.insert(&PgDescription {
                objoid: object.object,
                classoid: object.class,
                objsubid: object.sub,
                description: text.into(),
            })?;
        }
        Ok(())
    }

    /// Removes the comments on an object that goes, and on its columns.
    pub(super) fn remove_comments(&self, object: ObjectAddress) -> PgResult<()> {
        let mut key = vec![Datum::Oid(object.object), Datum::Oid(object.class)];
        if object.sub != 0 {
            key.push(Datum::Int4(object.sub));
        }
        self.remove_all::<PgDescription>(index::DESCRIPTION_OBJECT, &key)
    }
}
