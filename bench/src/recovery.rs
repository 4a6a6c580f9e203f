//! How long a server takes from its start after kill -9 to its first answer.

use crate::cell::{Cell, Load, Protocol};
use crate::peer::Peer;
use redoubt_conformance::Suite;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often it is looked whether the load still runs.
const LOOK: Duration = Duration::from_millis(200);

/// Kills the peer under full load after some seconds of it; says how many seconds it then takes to be ready.
pub fn measure(suite: &Suite, peer: &mut Peer, seconds: u32, clients: u32) -> Result<f64, String> {
    let cell = Cell { load: Load::Tpcb, protocol: Protocol::Prepared, clients, idle: 0 };
    let mut load = suite.program("pgbench");
    load.args(["-n", "-b", cell.load.script(), "-M", cell.protocol.as_str(), "-c", &clients.to_string()]);
    // Longer than it can last: its end is the server's.
    load.args(["-j", "2", "-T", &(seconds * 10 + 60).to_string(), "-h", "127.0.0.1"]);
    load.args(["-p", &peer.port().to_string(), "-U", "postgres", "postgres"]);
    load.stdout(Stdio::null()).stderr(Stdio::null());
    let mut load = load.spawn().map_err(|error| format!("pgbench: {error}"))?;
    let until = Instant::now() + Duration::from_secs(u64::from(seconds));
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if let Some(status) = load.try_wait().map_err(|error| error.to_string())? {
            return Err(format!("the load on {} ended by itself: {status}", peer.name));
        }
        std::thread::park_timeout(left.min(LOOK));
    }
    let started = Instant::now();
    peer.kill_and_start()?;
    peer.wait_until_ready(suite)?;
    let ready = started.elapsed().as_secs_f64();
    let _ended = load.kill();
    load.wait().map_err(|error| error.to_string())?;
    Ok(ready)
}
