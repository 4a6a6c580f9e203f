//! The raw parse tree: what the text says, before any name is looked up.
//!
//! It has PostgreSQL's distinctions (parsenodes.h) rather than a dialect-neutral parser's, and
//! every node that an error message may point at carries the byte offset PostgreSQL would point
//! at. Fields bear the grammar's own names.

pub mod expr;
pub mod object;
pub mod query;
pub mod routine;
pub mod session;
pub mod statement;
pub mod table;
pub mod utility;

pub use expr::*;
pub use object::*;
pub use query::*;
pub use routine::*;
pub use session::*;
pub use statement::*;
pub use table::*;
pub use utility::*;
