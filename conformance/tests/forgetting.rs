//! The whole server over a storage that forgets: at every kill, whatever was not flushed is lost, kept or torn, sector by
//! sector. `kill -9` of a process alone does not do that: the kernel keeps what was written.

use redoubt_access::Engine;
use redoubt_buffer::PageVolume;
use redoubt_catalog::Catalog;
use redoubt_client::Volume;
use redoubt_conformance::noting::{NOTED_TABLE, NotingClients, check_noted};
use redoubt_conformance::{Server, scratch_dir, unused_port};
use redoubt_embedded::{ClusterHandle, EmbeddedCluster, EmbeddedOptions, OnFailure};
use redoubt_error::PgResult;
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_node::ShardOptions;
use redoubt_page::Lsn;
use redoubt_session::settings::Settings;
use redoubt_session::{Durability, Instance};
use redoubt_wire::{DEFAULT_HBA_FILE, HbaRules, Listeners};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

const ROUNDS: u64 = 12;
const CLIENTS: u64 = 4;
/// Acknowledged transactions of each client before each kill.
const BEFORE_KILL: u64 = 15;
/// Pages the engine keeps: few, so that it reads from the nodes.
const BUFFERS: usize = 256;
const STACK_BYTES: usize = 16 << 20;

/// Small segments and a small ring, so that a short test meets many groups and goes round the log.
fn options() -> EmbeddedOptions {
    let shard =
        ShardOptions { log_bytes: 64 << 20, chunk_bytes: 4 << 20, lazy_chunks: 2, ..ShardOptions::default() };
    let on_failure = OnFailure::FailVolume;
    EmbeddedOptions { segment_pages: 128, shard, on_failure, ..EmbeddedOptions::default() }
}

/// What sessions wait for.
struct VolumeEnd(Volume);

impl Durability for VolumeEnd {
    fn vdl(&self) -> Lsn {
        self.0.vdl()
    }

    fn wait(&self, lsn: Lsn) -> Pin<Box<dyn Future<Output = PgResult<()>> + Send + '_>> {
        Box::pin(async move { self.0.wait_durable(lsn).await.map_err(redoubt_buffer::report_volume_error) })
    }
}

/// A server in this process. Its machine is the storage's.
struct Machine {
    server: Server,
    storage: ForgettingStorage,
    serving: JoinHandle<()>,
    cluster: ClusterHandle,
}

impl Machine {
    /// Makes a cluster in an empty storage, or opens the one that is there.
    fn start(storage: &ForgettingStorage, dir: &Path, is_new: bool) -> Machine {
        let opened = match is_new {
            true => EmbeddedCluster::create_on(storage.clone(), options()),
            false => EmbeddedCluster::open_on(storage.clone(), options()),
        };
        let (volume, cluster) = opened.expect("the cluster opens");
        let port = unused_port();
        let sockets = dir.to_path_buf();
        let serving = std::thread::spawn(move || serve(&volume, &sockets, port, is_new));
        let server = Server::in_this_process(dir, port);
        Machine { server, storage: storage.clone(), serving, cluster }
    }

    /// The machine stops at this instant, and forgets by the seed.
    fn kill(self, seed: u64) {
        self.storage.kill(seed);
        // The nodes fail at their next write or flush, then the volume, and everyone who waits for it.
        self.serving.join().expect("the server ends without a panic");
        drop(self.cluster);
    }
}

/// Serves until the volume ends.
fn serve(volume: &Volume, sockets: &Path, port: u16, is_new: bool) {
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all();
    let runtime = { runtime }.build().expect("threads");
    redoubt_session::set_blocking_hook(|wait| tokio::task::block_in_place(wait));
    let pages: Arc<dyn PageVolume> = Arc::new(volume.clone());
    let engine = Engine::open(pages, BUFFERS, 1).expect("the engine opens");
    if is_new {
        redoubt_catalog::bootstrap(&engine).expect("catalogs are made");
        volume.wait_durable_blocking(engine.txns().last_commit()).expect("durable");
    }
    engine.sweep_storage().expect("storage is swept");
    let end = Box::new(VolumeEnd(volume.clone()));
    let instance = Instance::new(engine, Catalog::new(), Settings::default(), end);
    let addresses = [[127, 0, 0, 1].into()];
    let listeners = runtime.block_on(Listeners::bind(&addresses, &[sockets.to_path_buf()], port));
    let hba = Arc::new(HbaRules::parse(DEFAULT_HBA_FILE).expect("the default rules are valid"));
    let ended = async {
        // The last of all numbers is never reached: this ends when the volume does.
        let _ = volume.wait_durable(Lsn::MAX).await;
    };
    runtime.block_on(listeners.expect("a free port").serve(instance.clone(), hba, ended));
    instance.shut_down();
    runtime.shutdown_timeout(Duration::from_secs(10));
}

/// A load that writes all the time, so that kills meet unflushed writes: rows that are updated over and over, and pages
/// that split.
const CHURN: &str = "INSERT INTO churn SELECT g, g FROM generate_series(1, 200) g \
     ON CONFLICT (k) DO UPDATE SET v = churn.v + 1";

#[test]
fn nothing_acknowledged_is_missing_when_the_device_forgets() {
    let dir = scratch_dir("forgetting");
    let storage = ForgettingStorage::new();
    let machine = Machine::start(&storage, &dir, true);
    machine.server.psql(NOTED_TABLE);
    machine.server.psql("CREATE INDEX kept_both ON kept (client, number, half)");
    machine.server.psql("CREATE TABLE churn (k int PRIMARY KEY, v int)");
    machine.kill(0);
    let mut noted = Vec::new();
    for turn in 0..ROUNDS {
        let machine = Machine::start(&storage, &dir, false);
        let clients = NotingClients::start(&machine.server, CLIENTS, turn * 1_000_000);
        let churns = 1 + turn % 3;
        for _ in 0..churns {
            machine.server.psql(CHURN);
        }
        clients.wait_for(CLIENTS * BEFORE_KILL, &machine.server);
        machine.kill(turn + 1);
        noted.extend(clients.finish());

        let machine = Machine::start(&storage, &dir, false);
        let when = format!("after kill {turn}");
        check_noted(&machine.server, &noted, &when);
        let by_table = machine.server.psql("SELECT count(*), sum(number) FROM kept");
        let by_index = "SET enable_seqscan = off; SELECT count(*), sum(number) FROM kept WHERE client >= 0";
        assert_eq!(machine.server.psql(by_index), by_table, "{when}: table and index disagree");
        let churned = machine.server.psql("SELECT count(*), count(DISTINCT v - k) FROM churn");
        assert_eq!(churned, "200|1", "{when}: a statement is half there");
        machine.kill(1000 + turn);
    }
}
