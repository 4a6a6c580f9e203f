//! A shard on a thread of its own.

use std::io;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redoubt_io::Storage;
use redoubt_node::{Outbound, Shard, ShardError, ShardHandle, ShardIdentity, ShardOptions};
use redoubt_protocol::NodeId;

/// How often the nodes look whether a full device has space again.
const NUDGE_INTERVAL: Duration = Duration::from_secs(1);

/// Keeps a shard running. It stops, after what was asked of it before, when this is dropped.
pub struct ShardThread {
    handle: ShardHandle,
    thread: Option<JoinHandle<Result<(), ShardError>>>,
    /// Dropping it ends the thread that nudges the nodes.
    nudging: Option<mpsc::Sender<()>>,
}

impl ShardThread {
    /// Makes a shard when an identity is given, or else opens the one that is there, and runs it. When it has ended,
    /// `on_end` is told how, on its thread.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub fn start<S, O>(
        storage: S,
        identity: Option<ShardIdentity>,
        options: ShardOptions,
        handle: ShardHandle,
        outbound: O,
        on_end: impl FnOnce(&Result<(), ShardError>) + Send + 'static,
    ) -> Result<Self, ShardError>
    where
        S: Storage + Send + 'static,
        O: Outbound + Send + 'static,
    {
        let (started, wait_started) = mpsc::channel();
        let shard_handle = handle.clone();
        let thread = thread::Builder::new().name("redoubt-shard".into()).spawn(move || {
            let storage = Rc::new(storage);
            let refused = started.clone();
            let run = run(Rc::clone(&storage), identity, options, shard_handle, outbound, started, on_end);
            storage.drive(run).unwrap_or_else(|error| {
                let _ = refused.send(Err(error.into()));
                Ok(())
            })
        })?;
        let nudging = Some(start_nudging(handle.clone())?);
        let running = Self { handle, thread: Some(thread), nudging };
        match wait_started.recv() {
            Ok(Ok(())) => Ok(running),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the shard's thread ended while it was starting").into()),
        }
    }

    /// The way into the shard.
    pub fn handle(&self) -> &ShardHandle {
        &self.handle
    }

    /// Stops the shard after what was asked of it before.
    ///
    /// # Errors
    /// Why it had stopped already, if it had.
    pub fn stop(mut self) -> Result<(), ShardError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ShardError> {
        self.nudging = None;
        self.handle.close();
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for ShardThread {
    fn drop(&mut self) {
        if thread::panicking() {
            self.handle.close();
            return;
        }
        // The failure was reported when it happened.
        let _ = self.end();
    }
}

/// A shard's life, as its thread's executor runs it.
async fn run<S: Storage, O: Outbound + 'static>(
    storage: Rc<S>,
    identity: Option<ShardIdentity>,
    options: ShardOptions,
    handle: ShardHandle,
    outbound: O,
    started: mpsc::Sender<Result<(), ShardError>>,
    on_end: impl FnOnce(&Result<(), ShardError>),
) -> Result<(), ShardError> {
    let outbound = Box::new(outbound);
    let shard = match identity {
        Some(identity) => Shard::create(storage, identity, options, handle, outbound).await,
        None => Shard::open(storage, options, handle, outbound).await,
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
    let result = shard.run().await;
    on_end(&result);
    result
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

/// A fresh identity for a shard of these nodes.
///
/// # Errors
/// When the system has no random numbers.
pub fn new_identity(nodes: Vec<NodeId>, chunk_bytes: usize) -> io::Result<ShardIdentity> {
    let number = || random().map(u64::from_le_bytes);
    let nodes = nodes.into_iter().map(|node| Ok((node, number()?)));
    Ok(ShardIdentity { log_id: number()?, chunk_bytes, nodes: nodes.collect::<io::Result<Vec<_>>>()? })
}

/// Random bytes from the system.
///
/// # Errors
/// When it has none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
