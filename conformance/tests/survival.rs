//! A row survives: `kill -9` under load, again and again, loses nothing that was acknowledged and
//! shows nothing that was not whole.

use redoubt_conformance::noting::{NOTED_TABLE, NotingClients, check_noted};
use redoubt_conformance::{Server, scratch_dir};

const CLIENTS: u64 = 4;
const ROUNDS: u64 = 10;
/// Acknowledged transactions per client before the server is killed.
const BEFORE_KILL: u64 = 40;

#[test]
fn acknowledged_rows_survive_kill_9() {
    let dir = scratch_dir("survival").join("data");
    let server = Server::start(&dir);
    server.psql(NOTED_TABLE);
    drop(server);
    let mut noted = Vec::new();
    for turn in 0..ROUNDS {
        let server = Server::start(&dir);
        let clients = NotingClients::start(&server, CLIENTS, turn * 1_000_000);
        clients.wait_for(CLIENTS * BEFORE_KILL, &server);
        server.kill();
        noted.extend(clients.finish());
        check_noted(&Server::start(&dir), &noted, &format!("after round {turn}"));
    }
}
