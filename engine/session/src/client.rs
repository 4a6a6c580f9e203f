//! What a session says to its client, as calls: the wire front end turns them into messages.

use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Env, Oid};
use redoubt_page::Lsn;

/// Text (0) or binary (1) representation of a value on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// The type's output function.
    #[default]
    Text,
    /// The type's send function.
    Binary,
}

/// One column of a result, as `RowDescription` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// Column name.
    pub name: std::sync::Arc<str>,
    /// Table the column comes from, 0 if it is an expression.
    pub table_oid: Oid,
    /// Attribute number in that table, 0 if it is an expression.
    pub attribute: i16,
    /// `pg_type.oid`.
    pub type_oid: Oid,
    /// `pg_type.typlen`.
    pub type_length: i16,
    /// Type modifier, -1 if none.
    pub typmod: i32,
    /// How values are sent.
    pub format: Format,
}

/// What the client said next while it was to send COPY's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyData {
    /// Some bytes, which have been appended.
    Some,
    /// There are no more.
    Done,
    /// The client gives up, and says why.
    Failed(String),
    /// The session has been interrupted while it waited.
    Interrupted,
}

/// The receiving end of a session's answers.
///
/// Calls append to one buffer; nothing leaves before the position given to `hold_until` is
/// durable on a write quorum, so that an answer never tells of a commit that a crash could undo.
pub trait Client {
    /// Columns of the rows to follow.
    fn row_description(&mut self, columns: &[OutputColumn]);
    /// One row. Errors come from the types' output functions, or from a connection that is gone.
    fn data_row(&mut self, columns: &[OutputColumn], values: &[Datum], env: &dyn Env) -> PgResult<()>;
    /// A statement is done; `tag` is its command tag.
    fn command_complete(&mut self, tag: &str);
    /// The statement text was empty.
    fn empty_query(&mut self);
    /// A notice, warning or error.
    fn report(&mut self, report: &PgError, statement: &str);
    /// A reported setting has a new value.
    fn parameter_status(&mut self, name: &str, value: &str);
    /// The answer to Parse.
    fn parse_complete(&mut self);
    /// The answer to Bind.
    fn bind_complete(&mut self);
    /// The answer to Close.
    fn close_complete(&mut self);
    /// The described statement or portal returns no rows.
    fn no_data(&mut self);
    /// Parameter types of a described statement.
    fn parameter_description(&mut self, types: &[Oid]);
    /// Execute stopped at its row limit.
    fn portal_suspended(&mut self);
    /// Asks for COPY's data, of this many columns; the client is told at once.
    fn copy_in(&mut self, format: Format, columns: usize) -> PgResult<()>;
    /// Waits (announced as blocking) for COPY's data and appends what there is to `data`. Errors mean that the
    /// connection is over.
    fn read_copy(&mut self, data: &mut Vec<u8>) -> PgResult<CopyData>;
    /// COPY's data follow, of this many columns.
    fn copy_out(&mut self, format: Format, columns: usize);
    /// A piece of COPY's data.
    fn copy_data(&mut self, data: &[u8]) -> PgResult<()>;
    /// COPY's data are complete.
    fn copy_done(&mut self);
    /// Another session, with this process id, has sent a notification.
    fn notification(&mut self, process_id: i32, channel: &str, payload: &str);
    /// Nothing written so far or later may leave before the volume is durable up to here.
    fn hold_until(&mut self, lsn: Lsn);
}
