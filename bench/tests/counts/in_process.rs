//! A server in the test's own process, so that the test's allocator counts what it allocates. It is put together as
//! `redoubt start` does it.

use redoubt_access::Engine;
use redoubt_buffer::{PageVolume, report_volume_error};
use redoubt_catalog::Catalog;
use redoubt_client::Volume;
use redoubt_conformance::{Server, unused_port};
use redoubt_embedded::{ClusterHandle, EmbeddedCluster, EmbeddedOptions};
use redoubt_error::PgResult;
use redoubt_page::Lsn;
use redoubt_session::settings::{Parameter, Settings, Source};
use redoubt_session::{Durability, Instance};
use redoubt_wire::{DEFAULT_HBA_FILE, Door, HbaRules, Listeners, Rules};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Sessions' stacks, as the real server's.
const STACK_BYTES: usize = 16 << 20;

/// A server that ends when it is dropped.
pub struct InProcess {
    /// How clients find it.
    pub server: Server,
    instance: Arc<Instance>,
    runtime: Option<Runtime>,
    _nodes: ClusterHandle,
}

impl InProcess {
    /// Makes a cluster in a directory and serves it.
    pub fn start(home: &Path) -> InProcess {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .expect("threads can be started");
        redoubt_session::set_blocking_hook(|wait| tokio::task::block_in_place(wait));
        let mut settings = Settings::default();
        settings.set_base("autovacuum", "off", Source::CommandLine).expect("a known setting");
        let (volume, nodes) =
            EmbeddedCluster::create(&home.join("volume"), EmbeddedOptions::default()).expect("a new volume");
        let pages = settings.int(Parameter::SharedBuffers) as usize;
        let shared: Arc<dyn PageVolume> = Arc::new(volume.clone());
        let engine = Engine::open(shared, pages, 1).expect("an engine");
        redoubt_catalog::bootstrap(&engine).expect("catalogs");
        volume.wait_durable_blocking(engine.txns().last_commit()).expect("durable catalogs");
        let hba = HbaRules::parse(DEFAULT_HBA_FILE).expect("the default rules are valid");
        let door = Door::new(Rules { hba, tls: None }, 10);
        let instance = Instance::new(engine, Catalog::new(), settings, Box::new(End(volume)));
        let (port, here) = (unused_port(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        let listeners = runtime.block_on(Listeners::bind(&[here], &[], port)).expect("the port is free");
        runtime.spawn(listeners.serve(instance.clone(), door, std::future::pending()));
        let server = Server::in_this_process(&home.join("volume"), port);
        InProcess { server, instance, runtime: Some(runtime), _nodes: nodes }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.instance.shut_down();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }
}

/// The volume's end, as sessions' answers wait for it.
struct End(Volume);

impl Durability for End {
    fn vdl(&self) -> Lsn {
        self.0.vdl()
    }

    fn wait(&self, lsn: Lsn) -> Pin<Box<dyn Future<Output = PgResult<()>> + Send + '_>> {
        Box::pin(async move { self.0.wait_durable(lsn).await.map_err(report_volume_error) })
    }
}
