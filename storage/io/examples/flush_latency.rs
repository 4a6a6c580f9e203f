//! How long a log's write and flush take by each device, and how much processor time.
//!
//! `cargo run --release -p redoubt-io --example flush_latency -- [directory] [bytes] [rounds]`
//!
//! The devices take turns, so that both meet what else the machine is doing.

use std::path::PathBuf;
use std::time::Instant;

use redoubt_io::portable::PortableOptions;
use redoubt_io::{Device, DiskStorage, IoBuf, IoMethod, LogDevice, Storage};
use rustix::time::{ClockId, clock_gettime};

const LOG_BYTES: u64 = 16 << 20;
/// Writes of one device before the other has its turn.
const TURN: u64 = 200;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().map_or_else(|| std::env::temp_dir().join("redoubt-flush"), PathBuf::from);
    let mut number = |default| arguments.next().map_or(default, |text| text.parse().expect("a number"));
    let (bytes, rounds) = (number(24 << 10), number(10));
    let best = IoMethod::Auto.choose().expect("there is always one");
    println!("best device: {best}; {bytes} bytes and a flush each");
    let devices = [Device::Glommio, Device::Portable];
    let devices = &devices[usize::from(best.device == Device::Portable)..];
    let mut taken_us = [Vec::new(), Vec::new()];
    let mut busy_us = [0; 2];
    for _ in 0..rounds {
        for (at, device) in devices.iter().enumerate() {
            let storage = DiskStorage::open(&root, *device, PortableOptions::default()).expect("opened");
            let before_us = processor_us();
            let used = storage.clone();
            let turn = async move {
                let log = used.open_log("log", LOG_BYTES).await.expect("opened");
                let mut taken_us = Vec::new();
                for step in 0..TURN {
                    let offset = step * bytes % (LOG_BYTES - bytes) / 4096 * 4096;
                    let begun = Instant::now();
                    let buffer = IoBuf::zeroed(bytes as usize);
                    log.write_at_and_flush(offset, buffer).await.expect("written and flushed");
                    taken_us.push(begun.elapsed().as_micros() as u64);
                }
                taken_us
            };
            taken_us[at].extend(storage.drive(turn).expect("an executor"));
            busy_us[at] += processor_us() - before_us;
        }
    }
    println!("device     p50_us  p90_us  p99_us  cpu_us");
    for (at, device) in devices.iter().enumerate() {
        let times = &mut taken_us[at];
        times.sort_unstable();
        let quantile = |percent: usize| times[(times.len() - 1) * percent / 100];
        let name = format!("{device:?}");
        let cpu_us = busy_us[at] / times.len() as u64;
        println!("{name:<9} {:>7} {:>7} {:>7} {cpu_us:>7}", quantile(50), quantile(90), quantile(99));
    }
    std::fs::remove_dir_all(&root).expect("removed");
}

/// Processor time of this process, all threads together.
fn processor_us() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}
