//! `redoubt start`: from a directory to a server, and back.
//!
//! Nothing is touched before the directory, the settings and the port have been found usable; every
//! refusal is one line.

use crate::control::Control;
use crate::directory::{self, Found, Mode};
use crate::metrics::MetricsServer;
use crate::{Start, ctl, settings, signals};
use redoubt_access::Engine;
use redoubt_buffer::PageVolume;
use redoubt_catalog::Catalog;
use redoubt_client::Volume;
use redoubt_embedded::EmbeddedCluster;
use redoubt_error::PgResult;
use redoubt_page::Lsn;
use redoubt_protocol::NodeId;
use redoubt_session::settings::{Parameter, Settings};
use redoubt_session::{Durability, Instance};
use redoubt_wire::{DEFAULT_HBA_FILE, Door, Listeners};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

/// Sessions run on stacks of this size: statements nest as deeply as PostgreSQL's do.
const STACK_BYTES: usize = 16 << 20;

/// What a new data directory's `postgresql.conf` says: everything is at its default.
pub(crate) const DEFAULT_CONFIGURATION: &str = "\
# Settings, one `name = value` a line, under PostgreSQL's names. Everything is at its default;
# SHOW ALL lists what there is.
";

/// A volume, and what keeps it running.
pub(crate) struct Storage {
    pub(crate) volume: Volume,
    /// The nodes and their zones, to be shown.
    pub(crate) zones: Vec<(NodeId, char)>,
    /// Stops what runs in this process, once the engine has stopped.
    pub(crate) stop: Box<dyn FnOnce() -> Result<(), String>>,
}

/// Runs an embedded server until it is told to stop. The error is the one line that the user sees.
pub(crate) fn run(start: &Start) -> Result<(), String> {
    let found = directory::examine(&start.directory, Mode::Embedded)?;
    let home = start.directory.clone();
    serve(start, &found, Mode::Embedded, false, &home, |found, settings| {
        open_embedded(start, found, settings)
    })
}

/// Looks whether a server could be started so, without touching anything.
pub(crate) fn check_start(start: &Start, found: &Found) -> Result<(), String> {
    let (settings, _) = settings::load(start, found)?;
    settings::shard_options(&settings)?;
    settings::device(&settings)?;
    let port = settings.int(Parameter::Port) as u16;
    for address in listen_addresses(&settings)? {
        std::net::TcpListener::bind((address, port))
            .map_err(|error| format!("could not bind {address}:{port}: {error}"))?;
    }
    Ok(())
}

/// Runs an engine on the storage that `open` gives, until it is told to stop or is fenced.
pub(crate) fn serve(
    start: &Start,
    found: &Found,
    mode: Mode,
    owned: bool,
    home: &Path,
    open: impl FnOnce(&Found, &Settings) -> Result<Storage, String>,
) -> Result<(), String> {
    let started = Instant::now();
    let (settings, rules) = settings::load(start, found)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| format!("could not start threads: {error}"))?;
    redoubt_session::set_blocking_hook(|wait| tokio::task::block_in_place(wait));
    let listeners = runtime.block_on(bind(&settings)).map_err(|error| error.to_string())?;
    let metrics_address = settings.text(Parameter::MetricsAddress);
    let metrics = match metrics_address {
        "" => None,
        address => Some(runtime.block_on(MetricsServer::bind(address))?),
    };

    let Storage { volume, zones, stop } = open(found, &settings)?;
    let engine = open_engine(&volume, &settings)?;
    let catalog = Catalog::new();
    if *found != Found::Cluster {
        redoubt_catalog::bootstrap(&engine).map_err(|error| format!("initialisation failed: {error}"))?;
        volume.wait_durable_blocking(engine.txns().last_commit()).map_err(|error| error.to_string())?;
        directory::finish(&start.directory, mode).map_err(|error| {
            format!("could not finish directory \"{}\": {error}", start.directory.display())
        })?;
    }
    engine.sweep_storage().map_err(|error| format!("storage could not be freed: {}", error.message()))?;
    let port = settings.int(Parameter::Port);
    let door = Door::new(rules, settings.int(Parameter::MaxConnections) as usize);
    let instance = Instance::new(engine.clone(), catalog, settings, Box::new(VolumeEnd(volume.clone())));
    if let Err(error) = instance.sweep_temporary() {
        tracing::warn!(error = error.message(), "temporary tables that a crash has left were not dropped");
    }
    let (again, entrance) = (start.clone(), door.clone());
    instance.on_reload(move |instance| reload(&again, instance, &entrance));
    instance.start_autovacuum().map_err(|error| format!("could not start threads: {error}"))?;
    let shown = volume.clone();
    let control = Control::serve(home, move || ctl::describe(&shown, &zones, port));
    tracing::info!(
        port,
        ready_after_ms = started.elapsed().as_millis() as u64,
        "ready to accept connections"
    );
    let serving = runtime.enter();
    let metrics = metrics.map(|metrics| metrics.serve(volume.clone(), engine, instance.clone()));
    drop(serving);
    let ended = async {
        tokio::select! {
            () = signals::told_to_stop(owned) => {}
            // The last of all numbers is never reached: this ends when the volume does.
            _ = volume.wait_durable(Lsn::MAX) => {}
        }
    };
    let reloads = runtime.spawn(reload_when_told(instance.clone()));
    runtime.block_on(listeners.serve(instance.clone(), door, ended));
    reloads.abort();

    let fenced = volume.ended();
    match &fenced {
        Some(error) => tracing::error!(%error, "stopping"),
        None => tracing::info!("stopping"),
    }
    drop(metrics);
    drop(control);
    instance.shut_down();
    // Sessions end at their next check; what they had not committed is undone.
    runtime.shutdown_timeout(std::time::Duration::from_secs(10));
    drop(instance);
    stop()?;
    fenced.map_or(Ok(()), |error| Err(error.to_string()))
}

/// The volume's end, as sessions' answers wait for it.
struct VolumeEnd(Volume);

impl Durability for VolumeEnd {
    fn vdl(&self) -> Lsn {
        self.0.vdl()
    }

    fn wait(&self, lsn: Lsn) -> Pin<Box<dyn Future<Output = PgResult<()>> + Send + '_>> {
        Box::pin(async move { self.0.wait_durable(lsn).await.map_err(redoubt_buffer::report_volume_error) })
    }
}

/// Reads settings and rules again. What cannot be read leaves everything as it was.
fn reload(start: &Start, instance: &Instance, door: &Door) {
    match settings::load_again(start) {
        Ok((settings, rules)) => {
            for parameter in instance.adopt_settings(&settings) {
                tracing::warn!(parameter, "cannot be changed without restarting the server");
            }
            door.replace(rules);
            tracing::info!("the configuration has been read again");
        }
        Err(error) => tracing::error!(error, "the configuration has not been read again"),
    }
}

/// SIGHUP means what `pg_reload_conf` means.
async fn reload_when_told(instance: Arc<Instance>) {
    let Some(mut told) = signals::told_to_reload() else { return };
    while told.recv().await.is_some() {
        instance.reload();
    }
}

fn listen_addresses(settings: &Settings) -> Result<Vec<IpAddr>, String> {
    let mut addresses = Vec::new();
    for word in
        settings.text(Parameter::ListenAddresses).split(',').map(str::trim).filter(|word| !word.is_empty())
    {
        match word {
            "*" => addresses.extend([IpAddr::from([0; 4]), IpAddr::from([0; 16])]),
            "localhost" => addresses.push(IpAddr::from([127, 0, 0, 1])),
            other => addresses.push(
                other.parse().map_err(|_| format!("listen_addresses: \"{other}\" is not an IP address"))?,
            ),
        }
    }
    Ok(addresses)
}

async fn bind(settings: &Settings) -> Result<Listeners, String> {
    let addresses = listen_addresses(settings)?;
    let directories: Vec<PathBuf> = settings
        .text(Parameter::UnixSocketDirectories)
        .split(',')
        .map(str::trim)
        .filter(|directory| !directory.is_empty())
        .map(PathBuf::from)
        .collect();
    let port = settings.int(Parameter::Port) as u16;
    Listeners::bind(&addresses, &directories, port).await.map_err(|error| error.to_string())
}

fn open_embedded(start: &Start, found: &Found, settings: &Settings) -> Result<Storage, String> {
    let dir = &start.directory;
    let device = settings::device(settings)?;
    let options = settings::embedded_options(start, settings, &device)?;
    let volume = directory::volume_dir(dir);
    let opened = match found {
        Found::Cluster => EmbeddedCluster::open(&volume, options),
        Found::Empty | Found::Unfinished => {
            directory::begin(dir, DEFAULT_CONFIGURATION, DEFAULT_HBA_FILE)
                .map_err(|error| format!("could not make directory \"{}\": {error}", dir.display()))?;
            EmbeddedCluster::create(&volume, options)
        }
    };
    let (volume, cluster) = opened.map_err(|error| match error {
        redoubt_embedded::ClusterError::Lock(_) => {
            format!("directory \"{}\" is in use by another server", dir.display())
        }
        other => format!("directory \"{}\": {other}", dir.display()),
    })?;
    tracing::info!(%device, "storage nodes are open");
    let zones = EmbeddedCluster::nodes().map(|(node, zone)| (node, char::from(b'a' + zone.get()))).collect();
    let stop = Box::new(|| cluster.shutdown().map_err(|error| format!("storage nodes: {error}")));
    Ok(Storage { volume, zones, stop })
}

fn open_engine(volume: &Volume, settings: &Settings) -> Result<Arc<Engine>, String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
    let pages = settings.int(Parameter::SharedBuffers) as usize;
    let volume: Arc<dyn PageVolume> = Arc::new(volume.clone());
    Engine::open(volume, pages, u64::from_le_bytes(bytes)).map_err(|error| error.to_string())
}
