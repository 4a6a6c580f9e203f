//! The options of CREATE and ALTER DATABASE.

use crate::functions::encoding_by_name;
use crate::options::option_boolean;
use redoubt_catalog::rows::PgDatabase;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{DefElem, DefValue};

/// What both statements can say.
#[derive(Debug, Default)]
pub(super) struct DatabaseOptions {
    pub is_template: Option<bool>,
    pub allow_connections: Option<bool>,
    pub connection_limit: Option<i32>,
}

/// What CREATE DATABASE can say.
#[derive(Debug, Default)]
pub(super) struct NewDatabaseOptions {
    pub changes: DatabaseOptions,
    pub owner: Option<String>,
    pub template: Option<String>,
    /// `LC_COLLATE` and `LC_CTYPE`.
    collate: Option<String>,
    ctype: Option<String>,
}

fn not_recognized(option: &DefElem) -> PgError {
    let message = format!("option \"{}\" not recognized", option.name.name);
    PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos))
}

fn check_once(options: &[DefElem]) -> PgResult<()> {
    for (at, option) in options.iter().enumerate() {
        if options[..at].iter().any(|other| other.name.name == option.name.name) {
            let message = "conflicting or redundant options";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos)));
        }
    }
    Ok(())
}

impl DatabaseOptions {
    /// ALTER DATABASE's.
    pub(super) fn read(options: &[DefElem]) -> PgResult<Self> {
        check_once(options)?;
        let mut read = DatabaseOptions::default();
        for option in options {
            if option.name.as_str() == "tablespace" {
                return Err(PgError::unsupported("tablespaces"));
            }
            if !read.take(option)? {
                return Err(not_recognized(option));
            }
        }
        Ok(read)
    }

    /// Takes an option; false for one that is not among them. DEFAULT is what is so without the option.
    fn take(&mut self, option: &DefElem) -> PgResult<bool> {
        let said = option.value.is_some();
        match option.name.as_str() {
            "is_template" if said => self.is_template = Some(option_boolean(option)?),
            "allow_connections" if said => self.allow_connections = Some(option_boolean(option)?),
            "connection_limit" if said => {
                let Some(DefValue::Integer(limit)) = option.value else {
                    let message = format!("{} requires an integer value", option.name.as_str());
                    return Err(PgError::new(code::SYNTAX_ERROR, message));
                };
                if limit < -1 {
                    let message = format!("invalid connection limit: {limit}");
                    return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
                }
                self.connection_limit = Some(limit);
            }
            "is_template" => self.is_template = Some(false),
            "allow_connections" => self.allow_connections = Some(true),
            "connection_limit" => self.connection_limit = Some(-1),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl NewDatabaseOptions {
    /// CREATE DATABASE's.
    pub(super) fn read(options: &[DefElem]) -> PgResult<Self> {
        check_once(options)?;
        let mut read = NewDatabaseOptions::default();
        for option in options {
            if read.changes.take(option)? {
                continue;
            }
            let text = option.string();
            match option.name.as_str() {
                "owner" => read.owner = text,
                "template" => read.template = text,
                "encoding" => check_encoding(text.as_deref()).map_err(|error| error.at(Some(option.pos)))?,
                "locale" => {
                    if options.iter().any(|o| matches!(o.name.as_str(), "lc_collate" | "lc_ctype")) {
                        let message = "conflicting or redundant options";
                        return Err(PgError::new(code::SYNTAX_ERROR, message)
                            .detail("LOCALE cannot be specified together with LC_COLLATE or LC_CTYPE."));
                    }
                    (read.collate, read.ctype) = (text.clone(), text);
                }
                "lc_collate" => read.collate = text,
                "lc_ctype" => read.ctype = text,
                "locale_provider" => check_provider(text.as_deref())?,
                "tablespace" => match text.as_deref() {
                    None | Some("pg_default") => {}
                    Some(_) => return Err(PgError::unsupported("tablespaces")),
                },
                "strategy" => check_strategy(text.as_deref())?,
                "icu_locale" => return Err(PgError::unsupported("ICU_LOCALE")),
                "collation_version" => return Err(PgError::unsupported("COLLATION_VERSION")),
                "oid" => return Err(PgError::unsupported("CREATE DATABASE with an OID")),
                _ => return Err(not_recognized(option)),
            }
        }
        Ok(read)
    }

    /// A copy has the locale of what it is copied from: another one would put indexes out of order.
    pub(super) fn check_against(&self, template: &PgDatabase) -> PgResult<()> {
        let wanted = [(&self.collate, &template.datcollate), (&self.ctype, &template.datctype)];
        match wanted.into_iter().find_map(|(said, is)| said.as_ref().filter(|said| said[..] != **is)) {
            Some(locale) => Err(PgError::unsupported(format!("locale \"{locale}\""))),
            None => Ok(()),
        }
    }
}

/// All is UTF-8; by name or by its number.
fn check_encoding(said: Option<&str>) -> PgResult<()> {
    let Some(name) = said else { return Ok(()) };
    let known = encoding_by_name(name);
    const UTF8: i32 = 6;
    match (name.parse::<i32>(), known) {
        (Ok(UTF8), _) | (_, Some(UTF8)) => Ok(()),
        (Err(_), None) => {
            Err(PgError::new(code::UNDEFINED_OBJECT, format!("{name} is not a valid encoding name")))
        }
        _ => Err(PgError::unsupported(format!("encoding {name}"))),
    }
}

fn check_provider(said: Option<&str>) -> PgResult<()> {
    match said.map(str::to_ascii_lowercase).as_deref() {
        None | Some("libc") => Ok(()),
        Some("icu") => Err(PgError::unsupported("locale provider icu")),
        Some(_) => Err(PgError::new(
            code::INVALID_OBJECT_DEFINITION,
            format!("unrecognized locale provider: {}", said.unwrap_or_default()),
        )),
    }
}

/// Pages are always copied through the log.
fn check_strategy(said: Option<&str>) -> PgResult<()> {
    match said.map(str::to_ascii_lowercase).as_deref() {
        None | Some("wal_log") => Ok(()),
        Some("file_copy") => Err(PgError::unsupported("STRATEGY FILE_COPY")),
        Some(_) => {
            let message = format!("invalid create database strategy \"{}\"", said.unwrap_or_default());
            Err(PgError::new(code::INVALID_PARAMETER_VALUE, message)
                .hint("Valid strategies are \"wal_log\" and \"file_copy\"."))
        }
    }
}
