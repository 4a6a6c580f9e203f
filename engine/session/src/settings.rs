//! The session's configuration parameters: values, where they came from, and how they roll back.
//!
//! `SET` inside a transaction is undone when the transaction aborts, `SET LOCAL` whenever it ends
//! (documentation, "SET"). Each change leaves an undo entry with the nesting level it was made at;
//! ending a level replays the entries backwards.

pub mod datestyle;
mod identifiers;
mod reload;
mod reports;
pub mod table;
pub mod value;

pub use identifiers::split_identifiers;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ByteaOutput, IntervalStyle, Settings as FormatSettings, timezone::Zone};
use std::collections::BTreeMap;
use std::sync::Arc;
pub use table::{Context, DEFINITIONS, Definition, Parameter};
use value::Value;

/// Where a value came from (`pg_settings.source`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The built-in default.
    Default,
    /// `postgresql.conf`.
    ConfigurationFile,
    /// The server's command line.
    CommandLine,
    /// ALTER ROLE ALL SET.
    Global,
    /// ALTER DATABASE ... SET.
    Database,
    /// ALTER ROLE ... SET.
    User,
    /// ALTER ROLE ... IN DATABASE ... SET.
    DatabaseUser,
    /// The connection's startup packet.
    Client,
    /// SET.
    Session,
}

impl Source {
    /// The words in `pg_settings.source`.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Default => "default",
            Source::ConfigurationFile => "configuration file",
            Source::CommandLine => "command line",
            Source::Global => "global",
            Source::Database => "database",
            Source::User => "user",
            Source::DatabaseUser => "database user",
            Source::Client => "client",
            Source::Session => "session",
        }
    }
}

/// Which parameter an undo entry is about; custom ones (`a.b`) have no definition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Known(Parameter),
    Custom(String),
}

#[derive(Clone, Debug)]
struct Undo {
    level: u32,
    local: bool,
    target: Target,
    previous: Option<(Value, Source)>,
}

/// All parameters of one session.
#[derive(Clone, Debug)]
pub struct Settings {
    values: Vec<(Value, Source)>,
    reset: Vec<(Value, Source)>,
    custom: BTreeMap<String, (Value, Source)>,
    undo: Vec<Undo>,
    formats: Arc<FormatSettings>,
    search_path: Arc<[String]>,
    reported: Vec<Parameter>,
}

impl Default for Settings {
    fn default() -> Self {
        let values: Vec<(Value, Source)> = DEFINITIONS
            .iter()
            .map(|definition| {
                let value = value::parse(definition, definition.default).expect("defaults are valid");
                (value, Source::Default)
            })
            .collect();
        let mut settings = Settings {
            reset: values.clone(),
            values,
            custom: BTreeMap::new(),
            undo: Vec::new(),
            formats: Arc::default(),
            search_path: Arc::from([]),
            reported: Vec::new(),
        };
        settings.refresh();
        settings
    }
}

impl Settings {
    /// Sets a value below the session: configuration file, command line, startup packet. It
    /// becomes what RESET returns to.
    pub fn set_base(&mut self, name: &str, text: &str, source: Source) -> PgResult<()> {
        if is_custom(name) && Parameter::by_name(name).is_none() {
            self.custom.insert(name.to_ascii_lowercase(), (Value::Text(text.to_string()), source));
            return Ok(());
        }
        let parameter = Parameter::by_name(name).ok_or_else(|| unrecognized(name))?;
        if parameter.definition().context == Context::Internal {
            check_context(parameter, true)?;
        }
        let value = self.check(parameter, text)?;
        self.reset[parameter as usize] = (value.clone(), source);
        self.values[parameter as usize] = (value, source);
        self.refresh();
        Ok(())
    }

    /// As [`Settings::set_base`], asked for by a client when it connects: what it may not SET, it may not start with.
    ///
    /// # Errors
    /// `42501`, `55P02` for parameters that are not the client's; `42704`, `22023`.
    pub fn set_startup(&mut self, name: &str, text: &str, superuser: bool) -> PgResult<()> {
        if let Some(parameter) = Parameter::by_name(name) {
            check_context(parameter, superuser)?;
        }
        self.set_base(name, text, Source::Client)
    }

    /// States a fact about the session, such as `is_superuser`; not subject to SET's rules.
    pub fn set_fact(&mut self, parameter: Parameter, text: &str) {
        let value = value::parse(parameter.definition(), text).expect("facts are valid values");
        self.reset[parameter as usize].0 = value.clone();
        self.values[parameter as usize].0 = value;
        self.note_report(parameter);
    }

    /// SET or SET LOCAL at a transaction nesting level (0: outside a block, 1: in one, ...).
    /// `None` is DEFAULT or RESET.
    pub fn set(
        &mut self,
        name: &str,
        text: Option<&str>,
        local: bool,
        level: u32,
        superuser: bool,
    ) -> PgResult<()> {
        let Some(parameter) = Parameter::by_name(name) else {
            return self.set_custom(name, text, local, level);
        };
        check_context(parameter, superuser)?;
        let new = match text {
            Some(text) => (self.check(parameter, text)?, Source::Session),
            None => self.reset[parameter as usize].clone(),
        };
        let previous = std::mem::replace(&mut self.values[parameter as usize], new);
        self.undo.push(Undo { level, local, target: Target::Known(parameter), previous: Some(previous) });
        self.note_report(parameter);
        self.refresh();
        Ok(())
    }

    fn set_custom(&mut self, name: &str, text: Option<&str>, local: bool, level: u32) -> PgResult<()> {
        if !is_custom(name) {
            return Err(unrecognized(name));
        }
        let key = name.to_ascii_lowercase();
        let previous = match text {
            Some(text) => self.custom.insert(key.clone(), (Value::Text(text.to_string()), Source::Session)),
            None => self.custom.insert(key.clone(), (Value::Text(String::new()), Source::Session)),
        };
        self.undo.push(Undo { level, local, target: Target::Custom(key), previous });
        Ok(())
    }

    /// Whether SET may name a parameter at all.
    ///
    /// # Errors
    /// `42704` for a name nobody knows, those of a parameter that cannot be set now or by this user.
    pub fn check_may_set(&self, name: &str, superuser: bool) -> PgResult<()> {
        match Parameter::by_name(name) {
            Some(parameter) => check_context(parameter, superuser),
            None if is_custom(name) => Ok(()),
            None => Err(unrecognized(name)),
        }
    }

    /// RESET ALL: every parameter a user may set goes back to its reset value.
    pub fn reset_all(&mut self, level: u32, superuser: bool) {
        for parameter in table::ALL {
            let keep = matches!(
                parameter,
                Parameter::TransactionIsolation
                    | Parameter::TransactionReadOnly
                    | Parameter::TransactionDeferrable
                    | Parameter::SessionAuthorization
                    | Parameter::Role
            );
            let index = *parameter as usize;
            if !keep
                && self.values[index].0 != self.reset[index].0
                && check_context(*parameter, superuser).is_ok()
            {
                let previous = std::mem::replace(&mut self.values[index], self.reset[index].clone());
                let target = Target::Known(*parameter);
                self.undo.push(Undo { level, local: false, target, previous: Some(previous) });
                self.note_report(*parameter);
            }
        }
        self.refresh();
    }

    /// Ends the levels at and above `level`. On commit of a subtransaction its entries pass to
    /// the level below; on commit of the transaction (`level` 1 or 0) only SET LOCAL is undone.
    pub fn end_level(&mut self, level: u32, commit: bool) {
        if self.undo.is_empty() {
            return;
        }
        if commit && level > 1 {
            for entry in &mut self.undo {
                entry.level = entry.level.min(level - 1);
            }
            return;
        }
        // A committed SET keeps its value against all that came before it; what came after it
        // (SET LOCALs) has been undone by the time it is met.
        let mut settled: Vec<Target> = Vec::new();
        while self.undo.last().is_some_and(|entry| entry.level >= level || commit) {
            let entry = self.undo.pop().expect("just seen");
            if commit && settled.contains(&entry.target) {
                continue;
            }
            if commit && !entry.local {
                settled.push(entry.target);
            } else {
                self.restore(entry);
            }
        }
        self.refresh();
    }

    fn restore(&mut self, entry: Undo) {
        match (entry.target, entry.previous) {
            (Target::Known(parameter), Some(previous)) => {
                self.values[parameter as usize] = previous;
                self.note_report(parameter);
            }
            (Target::Known(_), None) => unreachable!("known parameters always have a value"),
            (Target::Custom(name), Some(previous)) => {
                self.custom.insert(name, previous);
            }
            // PostgreSQL keeps the placeholder, empty, once it has been named.
            (Target::Custom(name), None) => {
                self.custom.insert(name, (Value::Text(String::new()), Source::Session));
            }
        }
    }

    /// The text `SHOW` prints; an error for a name nobody knows.
    pub fn show(&self, name: &str) -> PgResult<String> {
        match Parameter::by_name(name) {
            Some(parameter) => Ok(self.show_parameter(parameter)),
            None => match self.custom.get(&name.to_ascii_lowercase()) {
                Some((value, _)) => Ok(value::show_raw(value)),
                None => Err(unrecognized(name)),
            },
        }
    }

    /// The text `SHOW` prints for a known parameter.
    pub fn show_parameter(&self, parameter: Parameter) -> String {
        value::show(parameter.definition(), &self.values[parameter as usize].0)
    }

    /// The value of a Boolean parameter.
    pub fn bool(&self, parameter: Parameter) -> bool {
        match &self.values[parameter as usize].0 {
            Value::Bool(on) => *on,
            other => unreachable!("{parameter:?} is not Boolean: {other:?}"),
        }
    }

    /// The value of an integer parameter, in its own unit.
    pub fn int(&self, parameter: Parameter) -> i64 {
        match &self.values[parameter as usize].0 {
            Value::Int(number) => *number,
            other => unreachable!("{parameter:?} is not an integer: {other:?}"),
        }
    }

    /// The value of a parameter that is a number with a fraction.
    pub fn real(&self, parameter: Parameter) -> f64 {
        match &self.values[parameter as usize].0 {
            Value::Real(number) => *number,
            other => unreachable!("{parameter:?} is not a real number: {other:?}"),
        }
    }

    /// The value of a text or enum parameter.
    pub fn text(&self, parameter: Parameter) -> &str {
        match &self.values[parameter as usize].0 {
            Value::Text(text) => text,
            other => unreachable!("{parameter:?} is not text: {other:?}"),
        }
    }

    /// The current, reset and source values for `pg_settings`.
    pub fn row(&self, parameter: Parameter) -> (String, String, Source) {
        let index = parameter as usize;
        let (value, source) = &self.values[index];
        (value::show_raw(value), value::show_raw(&self.reset[index].0), *source)
    }

    /// What types' input and output depend on.
    pub fn formats(&self) -> &Arc<FormatSettings> {
        &self.formats
    }

    /// The schemas of `search_path` as written, `$user` unresolved.
    pub fn search_path(&self) -> &Arc<[String]> {
        &self.search_path
    }

    /// Checks a value, with the hooks of the parameters whose text has a structure.
    fn check(&self, parameter: Parameter, text: &str) -> PgResult<Value> {
        let definition = parameter.definition();
        match parameter {
            Parameter::DateStyle => datestyle::parse(text, self.formats.date_format, self.formats.date_order)
                .map(|(format, order)| Value::Text(datestyle::show(format, order)))
                .map_err(|key| {
                    invalid_value(definition, text).detail(format!("Unrecognized key word: \"{key}\"."))
                }),
            Parameter::TimeZone => match zone_by_name(text) {
                Some(zone) => Ok(Value::Text(zone.name().to_string())),
                None => Err(invalid_value(definition, text)),
            },
            Parameter::SearchPath => match split_identifiers(text) {
                Some(_) => Ok(Value::Text(text.to_string())),
                None => Err(invalid_value(definition, text).detail("List syntax is invalid.")),
            },
            _ => value::parse(definition, text),
        }
    }

    /// Rebuilds what is derived from the values.
    fn refresh(&mut self) {
        let (date_format, date_order) = datestyle::parse(
            self.text(Parameter::DateStyle),
            self.formats.date_format,
            self.formats.date_order,
        )
        .expect("checked when it was set");
        let interval_style = match self.text(Parameter::IntervalStyle) {
            "postgres" => IntervalStyle::Postgres,
            "postgres_verbose" => IntervalStyle::PostgresVerbose,
            "sql_standard" => IntervalStyle::SqlStandard,
            _ => IntervalStyle::Iso8601,
        };
        let bytea_output =
            if self.text(Parameter::ByteaOutput) == "hex" { ByteaOutput::Hex } else { ByteaOutput::Escape };
        self.formats = Arc::new(FormatSettings {
            date_format,
            date_order,
            interval_style,
            timezone: zone_by_name(self.text(Parameter::TimeZone)).expect("checked when it was set"),
            extra_float_digits: self.int(Parameter::ExtraFloatDigits) as i32,
            bytea_output,
            array_nulls: self.bool(Parameter::ArrayNulls),
            quote_all_identifiers: self.bool(Parameter::QuoteAllIdentifiers),
        });
        self.search_path =
            split_identifiers(self.text(Parameter::SearchPath)).expect("checked when it was set").into();
    }
}

/// A zone by its name in the tz database or its POSIX rule, or a number of hours east of UTC.
fn zone_by_name(text: &str) -> Option<Arc<Zone>> {
    const MAX_HOURS: f64 = 168.0;
    const SECONDS_PER_HOUR: f64 = 3600.0;
    match text.trim().parse::<f64>() {
        Ok(hours) => {
            (hours.abs() <= MAX_HOURS).then(|| Zone::fixed((hours * SECONDS_PER_HOUR).round() as i32))
        }
        Err(_) => Zone::load(text.trim()).or_else(|| fixed_by_name(text.trim())),
    }
}

/// The canonical name of a fixed zone, `<-07>+07`, read back.
fn fixed_by_name(text: &str) -> Option<Arc<Zone>> {
    let inside = text.strip_prefix('<')?.split_once('>')?.0;
    let (sign, clock) = match inside.split_at_checked(1)? {
        ("+", clock) => (1, clock),
        ("-", clock) => (-1, clock),
        _ => return None,
    };
    let mut seconds = 0;
    for (part, unit) in clock.split(':').zip([3600, 60, 1]) {
        seconds += part.parse::<i32>().ok()? * unit;
    }
    let zone = Zone::fixed(sign * seconds);
    (zone.name() == text).then_some(zone)
}

fn is_custom(name: &str) -> bool {
    name.contains('.')
}

fn unrecognized(name: &str) -> PgError {
    PgError::new(code::UNDEFINED_OBJECT, format!("unrecognized configuration parameter \"{name}\""))
}

fn invalid_value(definition: &Definition, text: &str) -> PgError {
    PgError::new(
        code::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{}\": \"{text}\"", definition.name),
    )
}

fn check_context(parameter: Parameter, superuser: bool) -> PgResult<()> {
    let definition = parameter.definition();
    let name = definition.name;
    let (code, message) = match definition.context {
        Context::User => return Ok(()),
        Context::Superuser if superuser => return Ok(()),
        Context::Superuser => {
            (code::INSUFFICIENT_PRIVILEGE, format!("permission denied to set parameter \"{name}\""))
        }
        Context::Internal => {
            (code::CANT_CHANGE_RUNTIME_PARAM, format!("parameter \"{name}\" cannot be changed"))
        }
        Context::Postmaster => (
            code::CANT_CHANGE_RUNTIME_PARAM,
            format!("parameter \"{name}\" cannot be changed without restarting the server"),
        ),
        Context::Sighup => {
            (code::CANT_CHANGE_RUNTIME_PARAM, format!("parameter \"{name}\" cannot be changed now"))
        }
    };
    Err(PgError::new(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work_mem(settings: &Settings) -> String {
        settings.show("work_mem").expect("known")
    }

    #[test]
    fn set_and_set_local_end_with_their_transaction() {
        let mut settings = Settings::default();
        let set = |s: &mut Settings, text, local, level| {
            s.set("work_mem", Some(text), local, level, false).expect(text)
        };
        set(&mut settings, "1MB", false, 1);
        settings.end_level(1, false);
        assert_eq!(work_mem(&settings), "4MB");
        set(&mut settings, "1MB", false, 1);
        set(&mut settings, "2MB", true, 1);
        assert_eq!(work_mem(&settings), "2MB");
        settings.end_level(1, true);
        assert_eq!(work_mem(&settings), "1MB");
        set(&mut settings, "2MB", true, 1);
        set(&mut settings, "3MB", false, 1);
        settings.end_level(1, true);
        assert_eq!(work_mem(&settings), "3MB");
        set(&mut settings, "5MB", false, 1);
        set(&mut settings, "6MB", false, 2);
        settings.end_level(2, false);
        assert_eq!(work_mem(&settings), "5MB");
        set(&mut settings, "7MB", false, 2);
        settings.end_level(2, true);
        settings.end_level(1, false);
        assert_eq!(work_mem(&settings), "3MB");
        settings.reset_all(0, false);
        settings.end_level(0, true);
        assert_eq!(work_mem(&settings), "4MB");
    }

    /// Expectations taken from PostgreSQL 15.18.
    #[test]
    fn refusals() {
        let check = |name: &str, text: &str, superuser: bool, expect: &str| {
            let error = Settings::default().set(name, Some(text), false, 0, superuser).expect_err(name);
            assert_eq!(format!("{} {}", error.code(), error.message()), expect);
        };
        check("foo", "1", true, "42704 unrecognized configuration parameter \"foo\"");
        check("port", "1", true, "55P02 parameter \"port\" cannot be changed without restarting the server");
        check("server_version", "1", true, "55P02 parameter \"server_version\" cannot be changed");
        check("fsync", "off", true, "55P02 parameter \"fsync\" cannot be changed now");
        check(
            "deadlock_timeout",
            "1",
            false,
            "42501 permission denied to set parameter \"deadlock_timeout\"",
        );
        check("datestyle", "foo", false, "22023 invalid value for parameter \"DateStyle\": \"foo\"");
        check("timezone", "foo/bar", false, "22023 invalid value for parameter \"TimeZone\": \"foo/bar\"");
        check("search_path", "a,,b", false, "22023 invalid value for parameter \"search_path\": \"a,,b\"");
    }

    /// Expectations taken from PostgreSQL 15.18.
    #[test]
    fn zones() {
        let check = |text: &str, expect: &str| {
            let mut settings = Settings::default();
            settings.set("timezone", Some(text), false, 0, false).expect(text);
            assert_eq!(settings.show("timezone").expect("known"), expect);
        };
        check("europe/berlin", "Europe/Berlin");
        check("UTC", "UTC");
        check("-7", "<-07>+07");
        check("<-07>+07", "<-07>+07");
        check("5.5", "<+05:30>-05:30");
    }

    #[test]
    fn custom_parameters_and_reports() {
        let mut settings = Settings::default();
        settings.set("a.b", Some("x"), false, 0, false).expect("custom");
        assert_eq!(settings.show("A.B").expect("set"), "x");
        settings.set("application_name", Some("me"), false, 0, false).expect("set");
        settings.set("datestyle", Some("german"), false, 0, false).expect("set");
        assert_eq!(
            settings.take_reports(),
            vec![("application_name", "me".to_string()), ("DateStyle", "German, DMY".to_string())]
        );
    }
}
