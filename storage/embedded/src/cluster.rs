//! Starting and stopping an embedded cluster.

use std::io;
use std::path::Path;
use std::sync::Arc;

use redoubt_client::{MetadataStore, OpenError, Receiver, Volume, VolumeShape};
use redoubt_io::portable::PortableOptions;
use redoubt_io::{Device, DirectoryLock, DiskStorage, LockError, Storage, block_on};
use redoubt_node::{Counters, ShardError, ShardHandle, ShardIdentity};
use redoubt_protocol::{NodeId, VolumeId, Zone};

use crate::metadata::ControlFileMetadata;
use crate::options::{EmbeddedOptions, OnFailure};
use crate::shard_thread::{ShardThread, new_identity, random};
use crate::wiring::{VolumeOutbound, connect};

/// Six copies of everything, two in each of three zones.
const NODES: u16 = 6;
const ZONES: u16 = 3;

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
    shard: ShardThread,
    /// Given up last: another process may open the directory from then on.
    _lock: Option<DirectoryLock>,
}

impl EmbeddedCluster {
    /// The nodes of an embedded cluster, and their zones.
    pub fn nodes() -> impl Iterator<Item = (NodeId, Zone)> {
        (0..NODES).map(|node| (NodeId::new(node), Zone::new((node % ZONES) as u8)))
    }

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
            nodes: Self::nodes().collect(),
        };
        // An attempt that failed halfway may have left the nodes.
        let is_new = block_on(ShardIdentity::read(&storage))?.is_none();
        let receiver = Receiver::new();
        let handle = ClusterHandle::start(storage.clone(), options, &receiver, is_new)?;
        let metadata: Arc<dyn MetadataStore> = Arc::new(ControlFileMetadata::new(storage));
        let transport = connect(handle.shard.handle(), &receiver);
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
        let transport = connect(handle.shard.handle(), &receiver);
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
        let nodes = (0..NODES).map(NodeId::new).collect();
        let identity = if is_new { Some(new_identity(nodes, options.shard.chunk_bytes)?) } else { None };
        let outbound = VolumeOutbound { receiver: receiver.clone() };
        let ended = receiver.clone();
        let on_end = move |result: &Result<(), ShardError>| match result {
            Ok(()) => ended.fail("the storage nodes were shut down".into()),
            Err(error) => fail(error, options.on_failure, &ended),
        };
        let shard =
            ShardThread::start(storage, identity, options.shard, ShardHandle::new(), outbound, on_end)?;
        Ok(Self { shard, _lock: None })
    }

    /// What the nodes have done so far.
    pub fn counters(&self) -> Counters {
        self.shard.handle().counters()
    }

    /// The way into the nodes' shard.
    pub fn shard(&self) -> ShardHandle {
        self.shard.handle().clone()
    }

    /// Stops the nodes after what was asked of them before.
    ///
    /// # Errors
    /// Why they had stopped already, if they had.
    pub fn shutdown(self) -> Result<(), ShardError> {
        self.shard.stop()
    }
}

fn open_storage(directory: &Path, device: Device) -> io::Result<DiskStorage> {
    DiskStorage::open(directory, device, PortableOptions::default())
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
