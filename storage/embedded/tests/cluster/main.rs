//! An embedded cluster from the outside: what the engine may rely on.

mod basics;
mod kills;
mod model;
