//! What opening costs: bytes, counted, not time. Nothing is replayed, however much of the log has not been made into
//! images.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redoubt_embedded::{EmbeddedCluster, EmbeddedOptions};
use redoubt_io::forgetting::{ForgettingLog, ForgettingPages, ForgettingStorage};
use redoubt_io::{IoBuf, LogDevice, PageDevice, Storage, block_on};
use redoubt_node::ShardOptions;
use redoubt_page::PageId;

use crate::model::{Model, small_options};

const CHUNK_BYTES: usize = 1 << 20;
/// A chunk ends in a footer of this length.
const SECTOR_BYTES: usize = 512;
/// After this long a test fails: indexing takes milliseconds.
const INDEXED_WITHIN: Duration = Duration::from_secs(60);
/// What is read of a full chunk: its beginning, its first block if that is longer, its footer, and its summary, of which
/// the Bloom filter is most.
const MOST_OF_A_FULL_CHUNK: u64 = 4096 + (20 << 10) + 512 + (48 << 10);

/// A storage that counts what is read of logs and of page files.
#[derive(Clone, Default)]
struct Counting {
    storage: ForgettingStorage,
    log_bytes: Arc<AtomicU64>,
    page_bytes: Arc<AtomicU64>,
}

struct Counted<D> {
    device: D,
    bytes: Arc<AtomicU64>,
}

impl Storage for Counting {
    type Log = Counted<ForgettingLog>;
    type Pages = Counted<ForgettingPages>;

    async fn open_log(&self, name: &str, len_bytes: u64) -> io::Result<Self::Log> {
        let device = self.storage.open_log(name, len_bytes).await?;
        Ok(Counted { device, bytes: Arc::clone(&self.log_bytes) })
    }

    async fn open_pages(&self, name: &str) -> io::Result<Self::Pages> {
        let device = self.storage.open_pages(name).await?;
        Ok(Counted { device, bytes: Arc::clone(&self.page_bytes) })
    }

    async fn write_control(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.storage.write_control(name, bytes).await
    }

    async fn read_control(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.storage.read_control(name).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(name).await
    }

    async fn names(&self) -> io::Result<Vec<String>> {
        self.storage.names().await
    }
}

impl LogDevice for Counted<ForgettingLog> {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.device.write_at(offset, bytes).await
    }

    async fn flush(&self) -> io::Result<()> {
        self.device.flush().await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        self.device.read_at(offset, len).await
    }

    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }
}

impl PageDevice for Counted<ForgettingPages> {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.device.write_at(offset, bytes).await
    }

    async fn flush(&self) -> io::Result<()> {
        self.device.flush().await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        self.device.read_at(offset, len).await
    }

    async fn grow(&self, len_bytes: u64) -> io::Result<()> {
        self.device.grow(len_bytes).await
    }

    fn len_bytes(&self) -> u64 {
        self.device.len_bytes()
    }
}

/// A ring in which so much may fill up before images are made of it.
fn lazy_options(lazy_chunks: usize) -> EmbeddedOptions {
    let shard = ShardOptions {
        log_bytes: 4 * (lazy_chunks * CHUNK_BYTES) as u64,
        chunk_bytes: CHUNK_BYTES,
        lazy_chunks,
        ..small_options().shard
    };
    EmbeddedOptions { shard, ..small_options() }
}

/// Waits until so many chunks have their index on the medium: it is written in the background.
fn wait_until_indexed(storage: &ForgettingStorage, chunks: usize) {
    let deadline = Instant::now() + INDEXED_WITHIN;
    let mut waiting: Vec<String> = block_on(storage.names()).expect("lists");
    waiting.retain(|name| name.starts_with("log/"));
    let free = waiting.len() - chunks;
    let has_index = |name: &String| {
        let bytes = storage.durable(name).expect("chunks stay");
        bytes[bytes.len() - SECTOR_BYTES..][4..8] == *b"RdFt"
    };
    loop {
        waiting.retain(|name| !has_index(name));
        if waiting.len() <= free {
            return;
        }
        assert!(Instant::now() < deadline, "full chunks are not indexed");
        thread::yield_now();
    }
}

/// Fills so many chunks, kills the machine, and counts what opening reads of the log and of the images.
fn cost_of_opening(chunks: u64) -> (u64, u64) {
    let options = lazy_options(chunks as usize + 8);
    let (counting, mut model) = (Counting::default(), Model::default());
    let (volume, cluster) = EmbeddedCluster::create_on(counting.clone(), options).expect("a new cluster");
    let mut step = 0;
    while cluster.counters().chunks_in_use < chunks {
        let pages = [PageId::new(step % 16), PageId::new(16 + step % 30)];
        let last = model.put(&volume, &pages, &[b'a' + (step % 26) as u8; 700]);
        if step % 16 == 0 {
            volume.wait_durable_blocking(last).expect("durable");
            volume.set_read_floor(last);
            model.forget_below(last);
        }
        step += 1;
    }
    wait_until_indexed(&counting.storage, chunks as usize - 1);
    let acknowledged = volume.vdl();
    assert_eq!(cluster.counters().chunks_recycled, 0, "everything is still in the log");
    counting.storage.kill(chunks);
    drop(cluster);
    counting.log_bytes.store(0, Ordering::Relaxed);
    counting.page_bytes.store(0, Ordering::Relaxed);
    let (volume, cluster) = EmbeddedCluster::open_on(counting.clone(), options).expect("opened again");
    let read = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
    let cost = (read(&counting.log_bytes), read(&counting.page_bytes));
    assert!(volume.vdl() >= acknowledged);
    assert_eq!(cluster.counters().images_written, 0, "nothing was replayed");
    model.roll_back_to(volume.vdl());
    model.check_all(&volume, volume.vdl());
    cost
}

#[test]
fn opening_reads_the_tail_of_the_log_and_the_summaries_of_the_rest() {
    for chunks in [24, 48] {
        let (log_bytes, page_bytes) = cost_of_opening(chunks);
        // The chunk that was being written, one that may have been filled meanwhile, and two that are kept free: a chunk
        // that was never begun is looked through.
        let most = 4 * CHUNK_BYTES as u64 + chunks * MOST_OF_A_FULL_CHUNK;
        assert!(log_bytes <= most, "{log_bytes} bytes were read of {chunks} chunks, {most} are enough");
        assert!(page_bytes <= 6 * 64 * 1024, "{page_bytes} bytes of page files were read");
    }
}
