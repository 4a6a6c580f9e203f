//! PostgreSQL's grammar (src/backend/parser/gram.y) by recursive descent over the token stream.
//!
//! Every rule reports the first token that cannot continue it, as bison does, so that syntax
//! errors name the same token as PostgreSQL's.

mod call;
mod expr;
mod from;
mod insert;
mod literal;
mod operator;
mod primary;
mod select;
mod special;
mod types;
mod update;
mod window;
