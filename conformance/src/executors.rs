//! Every query of the suite in both executors: a proxy that asks twice before it forwards.
//!
//! It stands between psql and the server. Before a query goes to the server as psql sent it, the proxy asks the same
//! with `redoubt.executor` set to `datafusion`, and if that ran, to `row`, each behind a savepoint that is taken
//! back. So both see the same transaction, and the file's run is what it would be without them. DataFusion forced falls back to
//! nothing: what it refuses has not run, and what it answers it has computed.

mod answer;
mod connection;
mod statement;

use answer::Answer;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

/// How DataFusion's refusal ends (SQLSTATE `0A000`); what stands before it is the reason.
const REFUSAL: &str = " in DataFusion is not supported yet";

/// A query whose answers differ.
#[derive(Clone, Debug)]
pub struct Disagreement {
    /// The suite's file.
    pub file: String,
    /// The query.
    pub statement: String,
    /// What the row executor answers, a line a row.
    pub row: String,
    /// What DataFusion answers.
    pub datafusion: String,
}

/// What came of the queries so far.
#[derive(Clone, Debug, Default)]
pub struct ExecutorTally {
    /// Queries met.
    pub queries: usize,
    /// Those that DataFusion ran to their end.
    pub ran: usize,
    /// Those that fail, in the same way in both.
    pub failed_alike: usize,
    /// Why DataFusion did not run the others, counted.
    pub refused: BTreeMap<String, usize>,
    /// Those whose answers differ.
    pub disagreements: Vec<Disagreement>,
}

impl ExecutorTally {
    /// How many queries did not get as far as running in DataFusion.
    pub fn not_run(&self) -> usize {
        self.refused.values().sum()
    }

    /// The counts and the commonest reasons, as text.
    pub fn table(&self, reasons: usize) -> String {
        let mut out = format!(
            "queries {}\n  ran in DataFusion {}\n  failed alike in both executors {}\n  did not run in DataFusion {}\n",
            self.queries,
            self.ran,
            self.failed_alike,
            self.not_run()
        );
        let mut counted: Vec<(&String, &usize)> = self.refused.iter().collect();
        counted.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (reason, count) in counted.iter().take(reasons) {
            out.push_str(&format!("    {count:>6} {reason}\n"));
        }
        if counted.len() > reasons {
            let rest: usize = counted[reasons..].iter().map(|(_, count)| **count).sum();
            out.push_str(&format!("    {rest:>6} for {} other reasons\n", counted.len() - reasons));
        }
        out.push_str(&format!("disagreements {}\n", self.disagreements.len()));
        out
    }

    fn note(&mut self, file: &str, statement: &str, found: Found) {
        self.queries += 1;
        match found {
            Found::NotAsked(reason) => *self.refused.entry(reason).or_default() += 1,
            Found::Asked(answers) => {
                let [datafusion, row] = *answers;
                if !datafusion.agrees_with(&row, statement::is_ordered(statement)) {
                    self.disagreements.push(Disagreement {
                        file: file.to_string(),
                        statement: statement.to_string(),
                        row: row.shown(),
                        datafusion: datafusion.shown(),
                    });
                } else if datafusion.error.is_some() {
                    self.failed_alike += 1;
                } else {
                    self.ran += 1;
                }
            }
        }
    }
}

/// What came of one query.
enum Found {
    /// It did not run in DataFusion, for this reason.
    NotAsked(String),
    /// DataFusion and the row executor have answered.
    Asked(Box<[Answer; 2]>),
}

/// A listening proxy. It serves until the process ends.
pub struct BothExecutors {
    /// Where clients connect.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream_port: u16,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: String,
    tally: ExecutorTally,
}

impl BothExecutors {
    /// Listens on a port of its own in front of the server on `upstream_port`.
    pub fn start(upstream_port: u16) -> std::io::Result<BothExecutors> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared { upstream_port, state: Mutex::default() });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || connection::serve(&shared, client).ok());
            }
        });
        Ok(BothExecutors { port, shared })
    }

    /// Names the file that is run from now on.
    pub fn begin(&self, file: &str) {
        self.shared.lock().file = file.to_string();
    }

    /// What has come of all queries.
    pub fn tally(&self) -> ExecutorTally {
        self.shared.lock().tally.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the tally's lock is not poisoned")
    }

    fn note(&self, statement: &str, found: Found) {
        let mut state = self.lock();
        let State { file, tally } = &mut *state;
        tally.note(file, statement, found);
    }
}
