//! SHOW, and who may see which parameter.

use crate::access::Access;
use crate::client::{Client, Format, OutputColumn};
use crate::session::Session;
use crate::settings::{Parameter, table::ALL};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, types};

/// `pg_authid.oid` of `pg_read_all_settings`.
const PG_READ_ALL_SETTINGS: Oid = 3374;

impl Access<'_> {
    /// Whether the current role may see a parameter: some tell of the machine (PostgreSQL's `GUC_SUPERUSER_ONLY`).
    ///
    /// # Errors
    /// Those of reading pages.
    pub(crate) fn may_examine(&self, parameter: Parameter) -> PgResult<bool> {
        let facts = self.facts();
        Ok(!parameter.tells_of_the_machine()
            || facts.superuser
            || self.catalog().has_privileges_of(facts.user_oid, PG_READ_ALL_SETTINGS)?)
    }

    /// As [`Access::may_examine`], for a parameter asked for by name.
    ///
    /// # Errors
    /// `42501` when the role may not see it.
    pub(crate) fn check_may_examine(&self, name: &str) -> PgResult<()> {
        let Some(parameter) = Parameter::by_name(name) else { return Ok(()) };
        if self.may_examine(parameter)? {
            return Ok(());
        }
        let name = parameter.definition().name;
        let message =
            format!("must be superuser or have privileges of pg_read_all_settings to examine \"{name}\"");
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }
}

impl Session {
    /// Whether SHOW will have something to tell: its columns go out before its rows, but not before that is known.
    pub(crate) fn check_show(&mut self, name: Option<&str>) -> PgResult<()> {
        let Some(name) = name else { return Ok(()) };
        self.settings.show(name)?;
        self.ensure_transaction()?;
        Access::current(self)?.check_may_examine(name)
    }

    /// SHOW name, or SHOW ALL. The client has been told the columns.
    pub(crate) fn show(&mut self, name: Option<&str>, client: &mut dyn Client) -> PgResult<()> {
        self.check_show(name)?;
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let env = access.env();
        if let Some(name) = name {
            let value = self.settings.show(name)?;
            return client.data_row(&columns(Some(name)), &[Datum::text(value)], &env);
        }
        let columns = columns(None);
        let mut sorted: Vec<Parameter> = ALL.to_vec();
        sorted.sort_by_key(|parameter| parameter.definition().name.to_lowercase());
        for parameter in sorted {
            if access.may_examine(parameter)? {
                let definition = parameter.definition();
                let value = self.settings.show_parameter(parameter);
                let row =
                    [Datum::text(definition.name), Datum::text(value), Datum::text(definition.description)];
                client.data_row(&columns, &row, &env)?;
            }
        }
        Ok(())
    }
}

/// SHOW's columns: the parameter under its own name, or the three of SHOW ALL.
pub(crate) fn columns(name: Option<&str>) -> Vec<OutputColumn> {
    let Some(name) = name else { return ["name", "setting", "description"].map(text_column).to_vec() };
    vec![text_column(Parameter::by_name(name).map_or(name, |parameter| parameter.definition().name))]
}

fn text_column(name: &str) -> OutputColumn {
    OutputColumn {
        name: name.into(),
        table_oid: 0,
        attribute: 0,
        type_oid: types::TEXT,
        type_length: -1,
        typmod: -1,
        format: Format::Text,
    }
}
