//! The options of CREATE and ALTER FUNCTION.

use super::function_parameters::invalid;
use crate::session::Session;
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{FunctionOption, FunctionOptionKind as Kind, SetStatement};
use std::mem::discriminant;

/// What the options say.
#[derive(Default)]
pub(super) struct FunctionOptions<'a> {
    pub language: Option<String>,
    /// AS.
    pub body: Option<&'a [String]>,
    /// Where the body begins in the statement, if its characters stand there as they are.
    pub body_begins: Option<usize>,
    volatility: Option<char>,
    strict: Option<bool>,
    security_definer: Option<bool>,
    leakproof: Option<bool>,
    cost: Option<f32>,
    rows: Option<f32>,
    parallel: Option<char>,
    settings: Vec<&'a SetStatement>,
}

impl<'a> FunctionOptions<'a> {
    pub(super) fn read(options: &'a [FunctionOption], is_procedure: bool) -> PgResult<FunctionOptions<'a>> {
        let mut read = FunctionOptions::default();
        for (at, option) in options.iter().enumerate() {
            let again = |other: &FunctionOption| discriminant(&other.kind) == discriminant(&option.kind);
            if !matches!(option.kind, Kind::Set(_)) && options[..at].iter().any(again) {
                let message = "conflicting or redundant options";
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos)));
            }
            let for_functions_only = !matches!(
                option.kind,
                Kind::As(..) | Kind::Language(_) | Kind::Set(_) | Kind::SecurityDefiner(_)
            );
            if is_procedure && for_functions_only {
                let message = "invalid attribute in procedure definition";
                return Err(invalid(message).at(Some(option.pos)));
            }
            read.take(&option.kind)?;
        }
        Ok(read)
    }

    fn take(&mut self, kind: &'a Kind) -> PgResult<()> {
        match kind {
            Kind::As(parts, begins) => (self.body, self.body_begins) = (Some(parts.as_slice()), *begins),
            Kind::Language(name) => self.language = Some(name.to_lowercase()),
            Kind::Volatility(volatility) => self.volatility = Some(*volatility),
            Kind::Strict(strict) => self.strict = Some(*strict),
            Kind::SecurityDefiner(definer) => self.security_definer = Some(*definer),
            Kind::Leakproof(leakproof) => self.leakproof = Some(*leakproof),
            Kind::Window => return Err(PgError::unsupported("window functions of users")),
            Kind::Cost(text) => self.cost = Some(positive(text, "COST")?),
            Kind::Rows(text) => self.rows = Some(positive(text, "ROWS")?),
            Kind::Support(_) => return Err(PgError::unsupported("SUPPORT functions of users")),
            Kind::Set(setting) => self.settings.push(setting),
            Kind::Parallel(word) => {
                self.parallel = Some(match word.as_str() {
                    "safe" => 's',
                    "unsafe" => 'u',
                    "restricted" => 'r',
                    _ => {
                        let message = "parameter \"parallel\" must be SAFE, RESTRICTED, or UNSAFE";
                        return Err(PgError::new(code::SYNTAX_ERROR, message));
                    }
                });
            }
            Kind::Transform(_) => return Err(PgError::unsupported("TRANSFORM FOR TYPE")),
        }
        Ok(())
    }

    /// Changes a function's row as the options say.
    pub(super) fn apply(&self, session: &Session, row: &mut PgProc) -> PgResult<()> {
        row.provolatile = self.volatility.unwrap_or(row.provolatile);
        row.proisstrict = self.strict.unwrap_or(row.proisstrict);
        row.prosecdef = self.security_definer.unwrap_or(row.prosecdef);
        row.proparallel = self.parallel.unwrap_or(row.proparallel);
        row.procost = self.cost.unwrap_or(row.procost);
        if let Some(leakproof) = self.leakproof {
            if leakproof && !session.facts.superuser {
                let message = "only superuser can define a leakproof function";
                return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
            }
            row.proleakproof = leakproof;
        }
        if let Some(rows) = self.rows {
            if !row.proretset {
                let message = "ROWS is not applicable when function does not return a set";
                return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
            }
            row.prorows = rows;
        }
        for setting in &self.settings {
            let list = session.changed_settings_list(row.proconfig.take().unwrap_or_default(), setting)?;
            if let Some(other) = list.iter().find(|setting| !setting.starts_with("search_path=")) {
                let name = other.split_once('=').map_or(&**other, |(name, _)| name);
                return Err(PgError::unsupported(format!("SET {name} of a function")));
            }
            row.proconfig = (!list.is_empty()).then_some(list);
        }
        Ok(())
    }
}

fn positive(text: &str, what: &str) -> PgResult<f32> {
    match text.parse::<f32>() {
        Ok(value) if value > 0.0 => Ok(value),
        _ => Err(PgError::new(code::INVALID_PARAMETER_VALUE, format!("{what} must be positive"))),
    }
}
