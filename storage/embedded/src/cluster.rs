//! Starting and stopping an embedded cluster.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redoubt_client::{MetadataStore, OpenError, Receiver, Volume, VolumeShape};
use redoubt_io::portable::{PortableOptions, PortableStorage};
use redoubt_io::{DirectoryLock, LockError, Storage};
use redoubt_node::{Counters, Shard, ShardError, ShardHandle, ShardIdentity};
use redoubt_protocol::{NodeId, VolumeId, Zone};

use crate::executor::block_on;
use crate::metadata::ControlFileMetadata;
use crate::options::{DeviceKind, EmbeddedOptions, OnFailure};
use crate::wiring::{VolumeOutbound, connect};

/// Six copies of everything, two in each of three zones.
const NODES: u16 = 6;
const ZONES: u16 = 3;

/// How often the nodes look whether a full device has space again.
const NUDGE_INTERVAL: Duration = Duration::from_secs(1);

/// Why a cluster could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The directory is in use, or cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The directory cannot be used.
    #[error("data directory: {0}")]
    Storage(#[from] io::Error),
    /// The storage nodes could not be started.
    #[error("storage nodes: {0}")]
    Nodes(#[from] ShardError),
    /// The volume could not be made or opened.
    #[error(transparent)]
    Volume(#[from] OpenError),
    /// The options contradict themselves or each other.
    #[error("{0}")]
    Options(&'static str),
}

/// A cluster in one process.
pub struct EmbeddedCluster;

/// Keeps a cluster running. The nodes stop, after what was asked of them before, when it is dropped.
pub struct ClusterHandle {
    handle: ShardHandle,
    thread: Option<JoinHandle<Result<(), ShardError>>>,
    /// Dropping it ends the thread that nudges the nodes.
    nudging: Option<mpsc::Sender<()>>,
    /// Given up last: another process may open the directory from then on.
    _lock: Option<DirectoryLock>,
}

impl EmbeddedCluster {
    /// Makes a cluster with an empty volume in a directory, which is created when it is missing.
    ///
    /// # Errors
    /// When the directory is in use or holds a cluster already, or when it cannot be written.
    pub fn create(
        directory: &Path,
        options: EmbeddedOptions,
    ) -> Result<(Volume, ClusterHandle), ClusterError> {
        options.check()?;
        std::fs::create_dir_all(directory)?;
        let lock = DirectoryLock::acquire(directory)?;
        let storage = open_storage(directory, options.device)?;
        let (volume, mut handle) = Self::create_on(storage, options)?;
        handle._lock = Some(lock);
        Ok((volume, handle))
    }

    /// Opens the cluster in a directory: takes the directory's lock and the next volume epoch, and recovers.
    ///
    /// # Errors
    /// When the directory is in use, holds no cluster, or one that cannot be recovered.
    pub fn open(directory: &Path, options: EmbeddedOptions) -> Result<(Volume, ClusterHandle), ClusterError> {
        options.check()?;
        let lock = DirectoryLock::acquire(directory)?;
        let storage = open_storage(directory, options.device)?;
        let (volume, mut handle) = Self::open_on(storage, options)?;
        handle._lock = Some(lock);
        Ok((volume, handle))
    }

    /// As `create`, on any storage. Nothing here keeps others from using the same storage.
    ///
    /// # Errors
    /// As `create`.
    pub fn create_on<S>(storage: S, options: EmbeddedOptions) -> Result<(Volume, ClusterHandle), ClusterError>
    where
        S: Storage + Clone + Send + 'static,
    {
        let shape = VolumeShape {
            volume: VolumeId::new(random()?),
            segment_pages: options.segment_pages,
            allocation_limit: options.allocation_limit,
            nodes: (0..NODES).map(|node| (NodeId::new(node), Zone::new((node % ZONES) as u8))).collect(),
        };
        // An attempt that failed halfway may have left the nodes.
        let is_new = block_on(ShardIdentity::read(&storage))?.is_none();
        let receiver = Receiver::new();
        let handle = ClusterHandle::start(storage.clone(), options, &receiver, is_new)?;
        let metadata: Arc<dyn MetadataStore> = Arc::new(ControlFileMetadata::new(storage));
        let transport = connect(&handle.handle, &receiver);
        let volume = Volume::create(&shape, options.writer, metadata, transport, &receiver)?;
        Ok((volume, handle))
    }

    /// As `open`, on any storage. Nothing here keeps others from using the same storage.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_on<S>(storage: S, options: EmbeddedOptions) -> Result<(Volume, ClusterHandle), ClusterError>
    where
        S: Storage + Clone + Send + 'static,
    {
        let receiver = Receiver::new();
        let handle = ClusterHandle::start(storage.clone(), options, &receiver, false)?;
        let metadata: Arc<dyn MetadataStore> = Arc::new(ControlFileMetadata::new(storage));
        let transport = connect(&handle.handle, &receiver);
        let volume = Volume::open(options.writer, metadata, transport, &receiver)?;
        Ok((volume, handle))
    }
}

impl ClusterHandle {
    /// Starts the six nodes on a thread of their own.
    fn start<S>(
        storage: S,
        options: EmbeddedOptions,
        receiver: &Receiver,
        is_new: bool,
    ) -> Result<Self, ClusterError>
    where
        S: Storage + Clone + Send + 'static,
    {
        let handle = ShardHandle::new();
        let (started, wait_started) = mpsc::channel();
        let identity = if is_new { Some(new_identity(options.shard.chunk_bytes)?) } else { None };
        let (shard_handle, receiver) = (handle.clone(), receiver.clone());
        let thread = thread::Builder::new().name("redoubt-shard".into()).spawn(move || {
            let outbound = Box::new(VolumeOutbound { receiver: receiver.clone() });
            let storage = Rc::new(storage);
            let shard = match identity {
                Some(identity) => {
                    block_on(Shard::create(storage, identity, options.shard, shard_handle, outbound))
                }
                None => block_on(Shard::open(storage, options.shard, shard_handle, outbound)),
            };
            let shard = match shard {
                Ok(shard) => shard,
                Err(error) => {
                    // Whoever started this waits for exactly this.
                    let _ = started.send(Err(error));
                    return Ok(());
                }
            };
            let _ = started.send(Ok(()));
            let result = block_on(shard.run());
            match &result {
                Ok(()) => receiver.fail("the storage nodes were shut down".into()),
                Err(error) => fail(error, options.on_failure, &receiver),
            }
            result
        })?;
        let nudging = Some(start_nudging(handle.clone())?);
        let handle = Self { handle, thread: Some(thread), nudging, _lock: None };
        match wait_started.recv() {
            Ok(Ok(())) => Ok(handle),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(io::Error::other("the shard's thread ended while it was starting").into()),
        }
    }

    /// What the nodes have done so far.
    pub fn counters(&self) -> Counters {
        self.handle.counters()
    }

    /// Stops the nodes after what was asked of them before.
    ///
    /// # Errors
    /// Why they had stopped already, if they had.
    pub fn shutdown(mut self) -> Result<(), ShardError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), ShardError> {
        self.nudging = None;
        self.handle.close();
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for ClusterHandle {
    fn drop(&mut self) {
        if thread::panicking() {
            self.handle.close();
            return;
        }
        // The failure was reported when it happened.
        let _ = self.stop();
    }
}

/// Lets the nodes look every now and then whether a full device has space again.
fn start_nudging(handle: ShardHandle) -> io::Result<mpsc::Sender<()>> {
    let (keep, ended) = mpsc::channel::<()>();
    thread::Builder::new().name("redoubt-nudge".into()).spawn(move || {
        while ended.recv_timeout(NUDGE_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
            handle.nudge();
        }
    })?;
    Ok(keep)
}

fn open_storage(directory: &Path, device: DeviceKind) -> io::Result<PortableStorage> {
    let direct_log = device == DeviceKind::Portable;
    PortableStorage::open(directory, PortableOptions { direct_log, ..PortableOptions::default() })
}

/// The shard cannot go on: what is durable is known only from media now.
fn fail(error: &ShardError, on_failure: OnFailure, receiver: &Receiver) {
    match on_failure {
        OnFailure::FailVolume => receiver.fail(error.to_string()),
        OnFailure::StopProcess => {
            eprintln!("redoubt: storage failed, stopping: {error}");
            std::process::exit(1);
        }
    }
}

fn new_identity(chunk_bytes: usize) -> io::Result<ShardIdentity> {
    let number = || random().map(u64::from_le_bytes);
    let nodes = (0..NODES).map(|node| Ok((NodeId::new(node), number()?)));
    Ok(ShardIdentity { log_id: number()?, chunk_bytes, nodes: nodes.collect::<io::Result<Vec<_>>>()? })
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
