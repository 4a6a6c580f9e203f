//! Reads for peers that are catching up: many stretches of a file at a time, by a thread that does nothing else.
//!
//! A shard commits between two looks at its ring; reading a segment's worth of pages for a peer there would make
//! commits wait behind it. So such reads have a thread of their own, with a runtime on tokio-uring, which has all of a
//! request's reads in the kernel at once. It is started by the first request. Where the kernel refuses rings, blocking
//! calls on the storage's threads for pages take its place. What shards themselves use has no influence on this.
//!
//! The peer's end, quinn, needs nothing of this runtime: bytes come back to whoever asked, in memory that a message
//! can take over.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;

use futures_channel::oneshot;
use futures_util::future::try_join_all;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_uring::buf::BoundedBuf;

use crate::portable::Threads;

/// The most bytes that one request may ask for: what is read is in memory at once.
pub const SHIPMENT_BYTES: usize = 4 << 20;
/// Reads of one request that are in the kernel at once, and entries of the ring.
const IN_FLIGHT: usize = 64;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub len: usize,
}

/// Refuses a request for more than [`SHIPMENT_BYTES`].
pub(crate) fn check_size(stretches: &[Stretch]) -> io::Result<()> {
    let bytes = stretches.iter().fold(0_usize, |sum, stretch| sum.saturating_add(stretch.len));
    if bytes <= SHIPMENT_BYTES {
        return Ok(());
    }
    let text = format!("{bytes} bytes are more than the {SHIPMENT_BYTES} that are read at a time");
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// Who reads. Clones share it.
#[derive(Clone)]
pub(crate) struct Shipping(Arc<Reader>);

struct Reader {
    /// Why there is no ring, as far as the kernel says so when it is asked.
    refusal: Option<String>,
    /// The way to the thread, once there was a request; why there is no thread, if it could not be started.
    ring: OnceLock<Result<UnboundedSender<Request>, String>>,
    threads: Arc<Threads>,
}

struct Request {
    file: File,
    stretches: Vec<Stretch>,
    answer: oneshot::Sender<io::Result<Vec<Vec<u8>>>>,
}

impl Shipping {
    /// Asks the kernel for a ring, and gives it back.
    pub(crate) fn new(refusal: Option<String>, threads: Arc<Threads>) -> Self {
        Self(Arc::new(Reader { refusal, ring: OnceLock::new(), threads }))
    }

    /// Reads every stretch of a file, in the order in which they are given. The file is a handle of the request's own.
    pub(crate) async fn read(&self, file: File, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
        let stretches = stretches.to_vec();
        let Some(ring) = self.0.ring() else {
            return self.0.threads.run(move || read_blocking(&file, &stretches)).await;
        };
        let (answer, answered) = oneshot::channel();
        let ended = |_| io::Error::other("the thread that reads for peers has ended");
        // An answer that is dropped with the request says the same.
        let _ = ring.send(Request { file, stretches, answer });
        answered.await.map_err(ended)?
    }
}

impl fmt::Display for Shipping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.0.ring.get().and_then(|ring| ring.as_ref().err());
        match self.0.refusal.as_ref().or(failed) {
            Some(reason) => write!(f, "portable, because {reason}"),
            None => f.write_str("tokio-uring"),
        }
    }
}

impl fmt::Debug for Shipping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shipping({self})")
    }
}

impl Reader {
    /// The thread with the ring, which the first caller starts; nothing where there cannot be one.
    fn ring(&self) -> Option<&UnboundedSender<Request>> {
        if self.refusal.is_some() {
            return None;
        }
        self.ring
            .get_or_init(|| start().map_err(|error| format!("tokio-uring cannot start: {error}")))
            .as_ref()
            .ok()
    }
}

/// Starts the thread. It ends with the last storage and the last file that can ask it.
fn start() -> io::Result<UnboundedSender<Request>> {
    let (ask, requests) = unbounded_channel();
    let (started, wait_started) = mpsc::channel();
    thread::Builder::new().name("redoubt-ship".into()).spawn(move || serve(requests, &started))?;
    wait_started.recv().unwrap_or_else(|_| Err(io::Error::other("its thread panicked")))?;
    Ok(ask)
}

fn serve(mut requests: UnboundedReceiver<Request>, started: &mpsc::Sender<io::Result<()>>) {
    let runtime = match tokio_uring::Runtime::new(tokio_uring::builder().entries(IN_FLIGHT as u32)) {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error));
            return;
        }
    };
    let _ = started.send(Ok(()));
    runtime.block_on(async move {
        while let Some(request) = requests.recv().await {
            tokio_uring::spawn(async move {
                let read = read_by_ring(request.file, &request.stretches).await;
                // Nobody may be waiting any more, which is their decision.
                let _ = request.answer.send(read);
            });
        }
    });
}

async fn read_by_ring(file: File, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
    let file = tokio_uring::fs::File::from_std(file);
    let mut all = Vec::with_capacity(stretches.len());
    for some in stretches.chunks(IN_FLIGHT) {
        let reads = some.iter().map(|stretch| read_stretch(&file, *stretch));
        all.extend(try_join_all(reads).await?);
    }
    file.close().await?;
    Ok(all)
}

async fn read_stretch(file: &tokio_uring::fs::File, stretch: Stretch) -> io::Result<Vec<u8>> {
    if stretch.len == 0 {
        return Ok(Vec::new());
    }
    let buffer = vec![0; stretch.len].slice(..stretch.len);
    let (read, buffer) = file.read_exact_at(buffer, stretch.offset).await;
    read.map(|()| buffer.into_inner())
}

fn read_blocking(file: &File, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
    let read = |stretch: &Stretch| {
        let mut bytes = vec![0; stretch.len];
        file.read_exact_at(&mut bytes, stretch.offset).map(|()| bytes)
    };
    stretches.iter().map(read).collect()
}
