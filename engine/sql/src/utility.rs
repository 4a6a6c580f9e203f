//! Parsers of the statements that are carried out, not planned.

mod alter;
mod alter_table;
mod comment;
mod constraint;
mod copy;
mod create;
mod create_table;
mod drop;
mod grant;
mod maintenance;
mod options;
mod prepared;
mod role;
mod routine;
mod sequence;
mod set;
mod statement;
mod transaction;
