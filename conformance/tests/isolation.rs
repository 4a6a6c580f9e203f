//! Several sessions at once: what each of them sees, waits for and is refused.
//!
//! A scenario is a list of steps, each by one session. A step may end as told, or block until a later one
//! lets it go: whether it is blocked is asked of the server (`pg_blocking_pids`), not guessed from the
//! time that has passed. The outcomes are PostgreSQL 15.18's.

use redoubt_conformance::{Server, scratch_dir};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// How long a step may neither end nor block before the test fails.
const STEP_LIMIT: Duration = Duration::from_secs(60);
/// Follows the output of each step.
const MARK: &str = "--step done--";

/// One psql, fed step by step.
struct Session {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    pid: i32,
    /// Output of the step so far.
    lines: Vec<String>,
}

impl Session {
    fn open(server: &Server) -> Session {
        let mut command = server.psql_command();
        // Errors go where the rows go, with their SQLSTATE.
        command.args(["-Atq", "-v", "VERBOSITY=verbose"]);
        let shell = format!("exec {} 2>&1", shell_words(&command));
        let mut child = std::process::Command::new("sh")
            .args(["-c", &shell])
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let input = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, output) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut session = Session { child, input, output, pid: 0, lines: Vec::new() };
        session.send("SELECT pg_backend_pid()");
        let answer = session.wait();
        session.pid = answer.parse().unwrap_or_else(|_| panic!("no process id: {answer}"));
        session
    }

    fn send(&mut self, sql: &str) {
        self.lines.clear();
        writeln!(self.input, "{sql};\n\\echo {MARK}").expect("psql reads its input");
    }

    /// The step's output, if it has ended.
    fn poll(&mut self) -> Option<String> {
        loop {
            match self.output.try_recv() {
                Ok(line) if line == MARK => return Some(outcome(&self.lines)),
                Ok(line) => self.lines.push(line),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => panic!("psql ended: {:?}", self.lines),
            }
        }
    }

    fn wait(&mut self) -> String {
        let deadline = Instant::now() + STEP_LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(line) if line == MARK => return outcome(&self.lines),
                Ok(line) => self.lines.push(line),
                Err(_) => panic!("a step does not end; so far: {:?}", self.lines),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The command as a shell would read it.
fn shell_words(command: &std::process::Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| format!("'{}'", word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// Rows separated by blanks; of an error its first line.
fn outcome(lines: &[String]) -> String {
    let error = lines.iter().find(|line| line.contains("ERROR:"));
    match error {
        Some(line) => line[line.find("ERROR:").expect("just found")..].replace("ERROR:  ", ""),
        None => lines.join(" "),
    }
}

/// What a step comes to.
enum Expect {
    /// It ends with this output.
    Ends(&'static str),
    /// It blocks.
    Blocks,
}
use Expect::{Blocks, Ends};

/// One step: session, statement, outcome, and which blocked session it lets go, with what output.
type Step = (usize, &'static str, Expect, Option<(usize, &'static str)>);

fn check(name: &str, server: &Server, setup: &str, steps: &[Step]) {
    server.psql(setup);
    let count = steps.iter().map(|step| step.0).max().expect("there are steps") + 1;
    let mut sessions: Vec<Session> = (0..count).map(|_| Session::open(server)).collect();
    for (number, (who, sql, expect, released)) in steps.iter().enumerate() {
        let place = format!("{name}, step {number} ({sql})");
        sessions[*who].send(sql);
        match expect {
            Ends(expected) => assert_eq!(sessions[*who].wait(), *expected, "{place}"),
            Blocks => wait_until_blocked(server, &mut sessions[*who], &place),
        }
        if let Some((other, expected)) = released {
            assert_eq!(sessions[*other].wait(), *expected, "{place} lets session {other} go");
        }
    }
}

fn wait_until_blocked(server: &Server, session: &mut Session, place: &str) {
    let deadline = Instant::now() + STEP_LIMIT;
    let question = format!("SELECT cardinality(pg_blocking_pids({})) > 0", session.pid);
    while server.psql(&question) != "t" {
        if let Some(answer) = session.poll() {
            panic!("{place}: should block, but ended with {answer:?}");
        }
        assert!(Instant::now() < deadline, "{place}: neither ends nor blocks");
    }
}

const SETUP: &str = "DROP TABLE IF EXISTS account; CREATE TABLE account (id int, owner text, balance int); \
     INSERT INTO account VALUES (1, 'ann', 100), (2, 'bob', 200), (3, 'cid', 300)";

const CONFLICT: &str = "40001: could not serialize access due to concurrent update";
const GONE: &str = "40001: could not serialize access due to concurrent delete";

fn server(name: &str) -> Server {
    Server::start(&scratch_dir(name).join("data"))
}

#[test]
fn read_committed_takes_the_newest_version_that_still_qualifies() {
    let server = server("recheck");
    check(
        "an update builds on the other's",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = balance - 50 WHERE id = 1", Ends(""), None),
            (1, "UPDATE account SET balance = balance + 7 WHERE id = 1 RETURNING balance", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, "57"))),
            (0, "SELECT balance FROM account WHERE id = 1", Ends("57"), None),
        ],
    );
    check(
        "a row that does not qualify any more is left alone",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = balance - 50 WHERE id = 1", Ends(""), None),
            (1, "UPDATE account SET owner = 'rich' WHERE balance >= 100 RETURNING id", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, "2 3"))),
            (0, "SELECT owner FROM account ORDER BY id", Ends("ann rich rich"), None),
        ],
    );
    check(
        "a row that was rolled back is as it was",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = 0", Ends(""), None),
            (1, "DELETE FROM account WHERE balance > 100 RETURNING id", Blocks, None),
            (0, "ROLLBACK", Ends(""), Some((1, "2 3"))),
        ],
    );
    check(
        "a deleted row is gone",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "DELETE FROM account WHERE id = 2", Ends(""), None),
            (1, "UPDATE account SET balance = balance + 1 RETURNING id", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, "1 3"))),
        ],
    );
    check(
        "a joined row keeps its version, the target has its newest",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = balance + 1000 WHERE id IN (1, 2)", Ends(""), None),
            (
                1,
                "UPDATE account a SET balance = a.balance + b.balance FROM account b \
                 WHERE a.id = 1 AND b.id = 2 RETURNING a.balance, b.balance",
                Blocks,
                None,
            ),
            (0, "COMMIT", Ends(""), Some((1, "1300|200"))),
        ],
    );
    check(
        "a subquery is asked again for the newest version",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = 250 WHERE id = 1", Ends(""), None),
            (
                1,
                "DELETE FROM account a WHERE a.id = 1 AND \
                 (SELECT count(*) FROM account b WHERE b.balance > a.balance) = 2 RETURNING a.balance",
                Blocks,
                None,
            ),
            (0, "COMMIT", Ends(""), Some((1, ""))),
        ],
    );
}

#[test]
fn row_locks_wait_skip_or_refuse() {
    let server = server("rowlocks");
    check(
        "FOR UPDATE shows the newest version",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = 1 WHERE id = 1", Ends(""), None),
            (1, "SELECT id, balance FROM account WHERE id < 3 ORDER BY id FOR UPDATE", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, "1|1 2|200"))),
        ],
    );
    check(
        "a locked row that does not qualify any more is left out",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = 1 WHERE id = 1", Ends(""), None),
            (1, "SELECT id FROM account WHERE balance >= 100 ORDER BY id FOR SHARE", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, "2 3"))),
        ],
    );
    check(
        "NOWAIT and SKIP LOCKED",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "SELECT id FROM account WHERE id = 2 FOR UPDATE", Ends("2"), None),
            (
                1,
                "SELECT id FROM account ORDER BY id FOR UPDATE NOWAIT",
                Ends("55P03: could not obtain lock on row in relation \"account\""),
                None,
            ),
            (1, "SELECT id FROM account ORDER BY id FOR UPDATE SKIP LOCKED", Ends("1 3"), None),
            (1, "SELECT id FROM account ORDER BY id", Ends("1 2 3"), None),
            (0, "COMMIT", Ends(""), None),
            (1, "SELECT id FROM account ORDER BY id FOR UPDATE SKIP LOCKED", Ends("1 2 3"), None),
        ],
    );
    check(
        "which locks go together",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "SELECT id FROM account WHERE id = 1 FOR SHARE", Ends("1"), None),
            (1, "SELECT id FROM account WHERE id = 1 FOR SHARE NOWAIT", Ends("1"), None),
            (1, "SELECT id FROM account WHERE id = 1 FOR KEY SHARE NOWAIT", Ends("1"), None),
            (
                1,
                "SELECT id FROM account WHERE id = 1 FOR NO KEY UPDATE NOWAIT",
                Ends("55P03: could not obtain lock on row in relation \"account\""),
                None,
            ),
            (0, "ROLLBACK", Ends(""), None),
            (0, "BEGIN", Ends(""), None),
            (0, "SELECT id FROM account WHERE id = 1 FOR NO KEY UPDATE", Ends("1"), None),
            (1, "SELECT id FROM account WHERE id = 1 FOR KEY SHARE NOWAIT", Ends("1"), None),
            (1, "UPDATE account SET balance = 5 WHERE id = 1", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, ""))),
        ],
    );
}

#[test]
fn repeatable_read_refuses_rows_that_changed_since() {
    let server = server("repeatable");
    check(
        "an update of a changed row",
        &server,
        SETUP,
        &[
            (0, "BEGIN ISOLATION LEVEL REPEATABLE READ", Ends(""), None),
            (0, "SELECT sum(balance) FROM account", Ends("600"), None),
            (1, "UPDATE account SET balance = 0 WHERE id = 1", Ends(""), None),
            (0, "SELECT sum(balance) FROM account", Ends("600"), None),
            (0, "UPDATE account SET balance = 9 WHERE id = 2", Ends(""), None),
            (0, "UPDATE account SET balance = 9 WHERE id = 1", Ends(CONFLICT), None),
            (0, "ROLLBACK", Ends(""), None),
            (0, "SELECT balance FROM account ORDER BY id", Ends("0 200 300"), None),
        ],
    );
    check(
        "after waiting for it",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = 1 WHERE id = 1", Ends(""), None),
            (1, "BEGIN ISOLATION LEVEL REPEATABLE READ", Ends(""), None),
            (1, "DELETE FROM account WHERE id = 1", Blocks, None),
            (0, "COMMIT", Ends(""), Some((1, CONFLICT))),
            (1, "ROLLBACK", Ends(""), None),
        ],
    );
    check(
        "not if the other one rolled back",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (0, "UPDATE account SET balance = 1 WHERE id = 1", Ends(""), None),
            (1, "BEGIN ISOLATION LEVEL REPEATABLE READ", Ends(""), None),
            (1, "UPDATE account SET balance = balance + 1 WHERE id = 1 RETURNING balance", Blocks, None),
            (0, "ROLLBACK", Ends(""), Some((1, "101"))),
            (1, "COMMIT", Ends(""), None),
        ],
    );
    check(
        "a deleted row, and locks",
        &server,
        SETUP,
        &[
            (0, "BEGIN ISOLATION LEVEL REPEATABLE READ", Ends(""), None),
            (0, "SELECT count(*) FROM account", Ends("3"), None),
            (1, "DELETE FROM account WHERE id = 1", Ends(""), None),
            (0, "UPDATE account SET balance = 1 WHERE id = 1", Ends(GONE), None),
            (0, "ROLLBACK", Ends(""), None),
            (0, "BEGIN ISOLATION LEVEL REPEATABLE READ", Ends(""), None),
            (0, "SELECT count(*) FROM account", Ends("2"), None),
            (1, "UPDATE account SET balance = 0 WHERE id = 2", Ends(""), None),
            (0, "SELECT id FROM account WHERE id = 2 FOR SHARE", Ends(CONFLICT), None),
            (0, "ROLLBACK", Ends(""), None),
        ],
    );
}

#[test]
fn a_deadlock_ends_one_of_its_sessions() {
    let server = server("deadlock");
    check(
        "two rows in two orders",
        &server,
        SETUP,
        &[
            (0, "BEGIN", Ends(""), None),
            (1, "BEGIN", Ends(""), None),
            (0, "SET LOCAL deadlock_timeout = '100s'", Ends(""), None),
            (1, "SET LOCAL deadlock_timeout = '10ms'", Ends(""), None),
            (0, "UPDATE account SET balance = 0 WHERE id = 1", Ends(""), None),
            (1, "UPDATE account SET balance = 0 WHERE id = 2", Ends(""), None),
            (0, "UPDATE account SET balance = 0 WHERE id = 2 RETURNING id", Blocks, None),
            (
                1,
                "UPDATE account SET balance = 0 WHERE id = 1",
                Ends("40P01: deadlock detected"),
                Some((0, "2")),
            ),
            (0, "COMMIT", Ends(""), None),
            (1, "ROLLBACK", Ends(""), None),
        ],
    );
}
