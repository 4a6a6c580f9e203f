//! A recording proxy: it stands between psql and a server, changes nothing, and notes every
//! exchange. A statement that gets no sign of life for longer than the limit is a hang: it is noted
//! as such and both connections are closed, so that the client ends.

use crate::messages::{complete, startup_length};
use crate::recording::{Ended, Exchange};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long the recording of one file waits for connections whose client has already ended.
const CLOSING_LIMIT: Duration = Duration::from_secs(5);
/// How often a silent connection is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// A listening proxy. It serves until the process ends.
pub struct Proxy {
    /// Where clients connect.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    upstream_port: u16,
    hang_limit: Duration,
    log: Mutex<Log>,
    closed: Condvar,
}

#[derive(Default)]
struct Log {
    exchanges: Vec<Exchange>,
    open_connections: usize,
}

/// One connection's state, shared by its two directions.
struct Connection {
    /// The exchange that is under way.
    current: Option<Exchange>,
    last_activity: Instant,
    /// The client has said goodbye, so that the end of the connection is no loss.
    leaving: bool,
}

impl Proxy {
    /// Listens on a port of its own and forwards to `upstream_port`.
    pub fn start(upstream_port: u16, hang_limit: Duration) -> std::io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream_port,
            hang_limit,
            log: Mutex::new(Log::default()),
            closed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                shared.lock().open_connections += 1;
                std::thread::spawn(move || {
                    serve(&shared, &client);
                    shared.lock().open_connections -= 1;
                    shared.closed.notify_all();
                });
            }
        });
        Ok(Proxy { port, shared })
    }

    /// What was exchanged since the last call. Waits for connections that are still closing.
    pub fn take(&self) -> Vec<Exchange> {
        let log = self.shared.lock();
        let (mut log, _) = self
            .shared
            .closed
            .wait_timeout_while(log, CLOSING_LIMIT, |log| log.open_connections > 0)
            .expect("the log's lock is not poisoned");
        std::mem::take(&mut log.exchanges)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("the log's lock is not poisoned")
    }
}

/// Serves one client to its end. A server that cannot be reached looks to the client like one that
/// hangs up.
fn serve(shared: &Shared, client: &TcpStream) {
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream_port)) else {
        return;
    };
    let configured = client.set_nodelay(true).and_then(|()| server.set_nodelay(true));
    if configured.and_then(|()| server.set_read_timeout(Some(GLANCE))).is_err() {
        return;
    }
    let connection = Mutex::new(Connection { current: None, last_activity: Instant::now(), leaving: false });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            forward_requests(client, &server, &connection);
            // Already closed is what this is to bring about.
            let _closed = server.shutdown(Shutdown::Write);
        });
        forward_answers(shared, &server, client, &connection);
        let _client_closed = client.shutdown(Shutdown::Both);
        let _server_closed = server.shutdown(Shutdown::Both);
    });
    let rest = locked(&connection).current.take();
    if let Some(exchange) = rest {
        shared.lock().exchanges.push(exchange);
    }
}

fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().expect("a connection's lock is not poisoned")
}

/// Client to server, until the client ends. Every message is noted before it is forwarded.
fn forward_requests(mut client: &TcpStream, mut server: &TcpStream, connection: &Mutex<Connection>) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    let mut started = false;
    loop {
        let count = match client.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(count) => count,
        };
        buffer.extend_from_slice(&chunk[..count]);
        let mut taken = 0;
        if !started {
            let Some(length) = startup_length(&buffer) else { continue };
            started = true;
            taken = length;
        }
        let rest = complete(&buffer[taken..], |message| {
            let mut connection = locked(connection);
            connection.last_activity = Instant::now();
            match message.kind {
                b'X' => connection.leaving = true,
                // A password belongs to the login, which is not compared.
                b'p' => {}
                _ => connection.current.get_or_insert_default().note_request(&message),
            }
        });
        let Ok(rest) = rest else { return };
        taken += rest;
        if server.write_all(&buffer[..taken]).is_err() {
            return;
        }
        buffer.drain(..taken);
    }
}

/// Server to client, until the server ends or hangs. Every message is noted before it is forwarded.
fn forward_answers(
    shared: &Shared,
    mut server: &TcpStream,
    mut client: &TcpStream,
    connection: &Mutex<Connection>,
) {
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = match server.read(&mut chunk) {
            Ok(0) => return note_end(connection, Ended::Lost),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let silent = locked(connection);
                let waits = silent.current.is_some() && silent.last_activity.elapsed() > shared.hang_limit;
                drop(silent);
                if waits {
                    return note_end(connection, Ended::Hung);
                }
                continue;
            }
            Err(_) => return note_end(connection, Ended::Lost),
        };
        buffer.extend_from_slice(&chunk[..count]);
        let taken = complete(&buffer, |message| {
            let mut connection = locked(connection);
            connection.last_activity = Instant::now();
            // Before the first request there is only the login.
            let Some(current) = connection.current.as_mut() else { return };
            if current.note_answer(&message) {
                let finished = connection.current.take().unwrap_or_default();
                drop(connection);
                shared.lock().exchanges.push(finished);
            }
        });
        let Ok(taken) = taken else { return note_end(connection, Ended::Lost) };
        if client.write_all(&buffer[..taken]).is_err() {
            return;
        }
        buffer.drain(..taken);
    }
}

fn note_end(connection: &Mutex<Connection>, ended: Ended) {
    let mut connection = locked(connection);
    let leaving = connection.leaving;
    let Some(current) = connection.current.as_mut() else { return };
    current.ended = match ended {
        Ended::Lost if leaving || current.was_told_why() => Ended::Closed,
        ended => ended,
    };
}
