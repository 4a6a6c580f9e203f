//! How many mini-transactions an embedded cluster makes durable, and how long each takes.
//!
//! `cargo run --release -p redoubt-embedded --example commit_rate -- [directory] [seconds] [method] [committers...]`, where
//! the method is that of `redoubt.io_method`: auto, glommio or portable

use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redoubt_client::{PendingRecord, Volume};
use redoubt_embedded::{EmbeddedCluster, EmbeddedOptions};
use redoubt_io::IoMethod;
use redoubt_page::{Lsn, Op, OpsBuf, PageId, PageKind};

/// Pages a committer changes in turn; three records each time, as a small transaction does.
const PAGES_EACH: u64 = 300;
const ITEM_BYTES: usize = 120;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory =
        arguments.next().map_or_else(|| std::env::temp_dir().join("redoubt-commit-rate"), PathBuf::from);
    let seconds = arguments.next().map_or(5, |text| text.parse().expect("a number of seconds"));
    let method = arguments.next().unwrap_or_else(|| "auto".into());
    let method = IoMethod::from_name(&method).expect("auto, glommio or portable");
    let choice = method.choose().expect("a device");
    println!("device: {choice}");
    let options = EmbeddedOptions { device: choice.device, ..EmbeddedOptions::default() };
    let mut committers: Vec<u64> =
        arguments.map(|text| text.parse().expect("a number of committers")).collect();
    if committers.is_empty() {
        committers = vec![1, 4, 16, 64];
    }
    let _ = std::fs::remove_dir_all(&directory);
    let (volume, cluster) = EmbeddedCluster::create(&directory, options).expect("a new cluster");
    println!("committers  mtr/s  p50_us  p99_us  max_us  mtr/write");
    for count in committers {
        run(&volume, &cluster, count, Duration::from_secs(seconds));
    }
    println!("{:?}", cluster.counters());
    cluster.shutdown().expect("a clean end");
    let begun = Instant::now();
    let (volume, cluster) = EmbeddedCluster::open(&directory, options).expect("opened again");
    println!("opened in {} ms, VDL {}", begun.elapsed().as_millis(), volume.vdl());
    cluster.shutdown().expect("a clean end");
    let _ = std::fs::remove_dir_all(&directory);
}

fn run(volume: &Volume, cluster: &redoubt_embedded::ClusterHandle, count: u64, time: Duration) {
    let (is_over, all_read) = (AtomicBool::new(false), Barrier::new(count as usize + 1));
    let mut writes_before = 0;
    let mut taken_us: Vec<u64> = std::thread::scope(|scope| {
        let committers: Vec<_> = (0..count)
            .map(|number| {
                let (volume, is_over, all_read) = (volume.clone(), &is_over, &all_read);
                scope.spawn(move || commit_until_over(&volume, number, all_read, is_over))
            })
            .collect();
        all_read.wait();
        writes_before = cluster.counters().log_writes;
        std::thread::sleep(time);
        is_over.store(true, Ordering::Relaxed);
        committers.into_iter().flat_map(|thread| thread.join().expect("a committer ends")).collect()
    });
    let writes = cluster.counters().log_writes - writes_before;
    taken_us.sort_unstable();
    let at = |part: f64| taken_us[((taken_us.len() - 1) as f64 * part) as usize];
    println!(
        "{count:>10} {:>6.0} {:>7} {:>7} {:>7} {:>10.1}",
        taken_us.len() as f64 / time.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0),
        taken_us.len() as f64 / writes as f64
    );
}

fn commit_until_over(volume: &Volume, number: u64, all_read: &Barrier, is_over: &AtomicBool) -> Vec<u64> {
    let first = number * PAGES_EACH;
    volume.reserve_pages(PageId::new(first + PAGES_EACH)).expect("the volume grows");
    let mut lsns = vec![Lsn::ZERO; PAGES_EACH as usize];
    // Pages of an earlier round are begun anew: their versions are read once.
    for (at, lsn) in lsns.iter_mut().enumerate() {
        let page = volume.read_page(PageId::new(first + at as u64), volume.vdl()).expect("readable");
        *lsn = page.lsn();
    }
    // From here on nobody reads, and the read floor rises.
    all_read.wait();
    let (item, mut taken_us, mut turn) = ([7_u8; ITEM_BYTES], Vec::new(), 0_usize);
    while !is_over.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let places: Vec<usize> = (0..3).map(|at| (turn + at * 97) % lsns.len()).collect();
        turn += 1;
        let mut records: Vec<PendingRecord> = places
            .iter()
            .map(|place| {
                let mut ops = OpsBuf::new();
                ops.push(&Op::Initialise { kind: PageKind::new(1), special: &[] });
                ops.push(&Op::InsertItem { slot: 0, bytes: &item, shift: true });
                let page = PageId::new(first + *place as u64);
                PendingRecord { page, prev_page_lsn: lsns[*place], ops }
            })
            .collect();
        let bytes: usize = records.iter().map(|record| record.ops.len_bytes()).sum();
        let reservation = volume.reserve(3, bytes as u32).expect("there is room");
        let appended = volume.append(reservation, &mut records, |at, lsn| lsns[places[at]] = lsn);
        volume.wait_durable_blocking(appended.cpl).expect("durable");
        volume.set_read_floor(appended.cpl);
        taken_us.push(begun.elapsed().as_micros() as u64);
    }
    taken_us
}
