//! The one error type that SQL clients see, and PostgreSQL's SQLSTATE codes.
//!
//! Everything above the page engine reports failures as [`PgError`]; the wire front end turns its
//! fields into an `ErrorResponse` (PostgreSQL documentation, "Error and Notice Message Fields").
//! The crate stands alone, so that the statement layer can report positions without importing
//! any other part of the engine.

mod sqlstate;

pub use sqlstate::{SqlState, code};

use std::fmt;

/// How loud a report is. Errors abort the statement, `Fatal` ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Developer detail, hidden by the default `client_min_messages`.
    Debug,
    /// Information that is sent to the client whatever `client_min_messages` says.
    Info,
    /// Something worth knowing, such as a skipped `IF EXISTS`.
    Notice,
    /// A likely mistake that was carried out all the same.
    Warning,
    /// The statement failed; the transaction is aborted.
    Error,
    /// The session ends.
    Fatal,
    /// The server goes down.
    Panic,
}

impl Severity {
    /// The word PostgreSQL prints for this severity.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Notice => "NOTICE",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Panic => "PANIC",
        }
    }
}

/// An error or notice report with PostgreSQL's fields.
///
/// The payload is boxed so that `Result<T, PgError>` stays one word wide on hot paths.
#[derive(Clone, PartialEq, Eq)]
pub struct PgError(Box<Report>);

/// The fields of a report; see [`PgError`] for the builder methods that fill them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Loudness.
    pub severity: Severity,
    /// The five-character SQLSTATE.
    pub code: SqlState,
    /// Primary message, in PostgreSQL's wording.
    pub message: String,
    /// Secondary message with more detail.
    pub detail: Option<String>,
    /// Advice on what to do about it.
    pub hint: Option<String>,
    /// Byte offset (0-based) into the statement's text; the wire turns it into a 1-based
    /// character position.
    pub position: Option<usize>,
    /// The call context, one line per level.
    pub context: Option<String>,
    /// Schema of the object concerned.
    pub schema: Option<String>,
    /// Table concerned.
    pub table: Option<String>,
    /// Column concerned.
    pub column: Option<String>,
    /// Data type concerned.
    pub data_type: Option<String>,
    /// Constraint concerned.
    pub constraint: Option<String>,
    /// The statement of the server's own (a function's) that the report is about, and where in it, in bytes.
    pub internal_query: Option<(String, Option<usize>)>,
}

impl PgError {
    /// An `ERROR` with a code and a primary message.
    pub fn new(code: SqlState, message: impl Into<String>) -> Self {
        Self::report(Severity::Error, code, message)
    }

    /// A report of any severity.
    pub fn report(severity: Severity, code: SqlState, message: impl Into<String>) -> Self {
        PgError(Box::new(Report {
            severity,
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            context: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            internal_query: None,
        }))
    }

    /// `0A000`: a feature that is not built yet, named.
    pub fn unsupported(feature: impl fmt::Display) -> Self {
        Self::new(code::FEATURE_NOT_SUPPORTED, format!("{feature} is not supported yet"))
    }

    /// `XX000`: something that should not be possible at run time but is not worth a crash.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(code::INTERNAL_ERROR, message)
    }

    /// Adds the DETAIL line.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the HINT line.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the byte offset into the statement, unless a deeper level has already set one.
    pub fn at(mut self, position: Option<usize>) -> Self {
        if self.0.position.is_none() {
            self.0.position = position;
        }
        self
    }

    /// Appends a line to the CONTEXT field.
    pub fn context(mut self, line: impl Into<String>) -> Self {
        let line = line.into();
        self.0.context = Some(match self.0.context.take() {
            Some(before) => format!("{before}\n{line}"),
            None => line,
        });
        self
    }

    /// Names the table concerned, with its schema.
    pub fn table(mut self, schema: impl Into<String>, table: impl Into<String>) -> Self {
        self.0.schema = Some(schema.into());
        self.0.table = Some(table.into());
        self
    }

    /// Names the data type concerned, with its schema.
    pub fn data_type(mut self, schema: impl Into<String>, data_type: impl Into<String>) -> Self {
        self.0.schema = Some(schema.into());
        self.0.data_type = Some(data_type.into());
        self
    }

    /// The report is about a statement that the client has not sent: a position so far is one in it.
    pub fn in_internal_query(mut self, query: impl Into<String>) -> Self {
        let position = self.0.position.take();
        self.0.internal_query.get_or_insert_with(|| (query.into(), position));
        self
    }

    /// Moves the position by so many bytes, as when the text was cut out of another.
    pub fn moved_by(mut self, bytes: usize) -> Self {
        self.0.position = self.0.position.map(|position| position + bytes);
        self
    }

    /// Names the column concerned.
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.0.column = Some(column.into());
        self
    }

    /// Names the constraint concerned.
    pub fn constraint(mut self, constraint: impl Into<String>) -> Self {
        self.0.constraint = Some(constraint.into());
        self
    }

    /// Changes the severity, for reports that start as errors and are sent as `FATAL`.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// The SQLSTATE.
    pub fn code(&self) -> SqlState {
        self.0.code
    }

    /// The primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// All fields.
    pub fn fields(&self) -> &Report {
        &self.0
    }
}

impl fmt::Debug for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgError({} {}: {})", self.0.severity.as_str(), self.0.code, self.0.message)
    }
}

impl fmt::Display for PgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:  {} ({})", self.0.severity.as_str(), self.0.message, self.0.code)
    }
}

impl std::error::Error for PgError {}

/// The result type of everything that can fail towards a client.
pub type PgResult<T> = Result<T, PgError>;
