//! The judges: tests that look at the project from outside, through the real binary and PostgreSQL's
//! real clients (see `tests/`). This library starts, kills and questions servers for them, and holds
//! the harness of PostgreSQL's own suites (`README.md`).

mod chart;
mod compare;
mod executors;
pub mod members;
mod messages;
mod metrics;
pub mod noting;
mod proxy;
mod random_queries;
pub mod raw_client;
mod recording;
mod reference;
mod regress;
mod score;
mod server;
mod session;
mod side_by_side;
mod skipped;
mod smith;
mod suite;
mod target;
mod todo;

pub use chart::draw;
pub use compare::{Compared, compare};
pub use executors::{BothExecutors, Disagreement, ExecutorTally};
pub use metrics::metrics;
pub use random_queries::{RandomQueries, TABLES};
pub use recording::{Ended, Exchange};
pub use reference::{Reference, readable_copy};
pub use regress::{FileRun, Run, SpecRun};
pub use score::{FileScore, Score, judge};
pub use server::{Exit, Server, pgbench, psql_version, redoubt_binary, scratch_dir, unused_port};
pub use session::OpenSession;
pub use side_by_side::{Answers, SideBySide, Tally, plain_number};
pub use skipped::say_skipped;
pub use smith::{Outcome, Smith, SmithScore};
pub use suite::{Suite, shown};
pub use target::Target;
pub use todo::Todo;
