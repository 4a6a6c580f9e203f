//! How long a commit's write and flush take: one 4 KiB block at a time, in a directory given as the argument.
//!
//! `cargo run --release -p redoubt-io --example flush_speed -- DIRECTORY`

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use redoubt_io::portable::{PortableOptions, PortableStorage};
use redoubt_io::{IO_ALIGNMENT, IoBuf, LogDevice, Storage};

const ROUNDS: usize = 2000;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1).unwrap_or_else(|| String::from("."));
    for direct_log in [true, false] {
        let options = PortableOptions { direct_log, ..PortableOptions::default() };
        let storage = PortableStorage::open(Path::new(&directory), options)?;
        let log = block_on(storage.open_log("flush-speed", 64 << 20))?;
        for in_one_call in [true, false] {
            let mut taken_us: Vec<u128> = Vec::with_capacity(ROUNDS);
            for round in 0..ROUNDS {
                let (offset, block) =
                    ((round * IO_ALIGNMENT) as u64, IoBuf::from_slice(&[round as u8; IO_ALIGNMENT]));
                let start = Instant::now();
                block_on(async {
                    if in_one_call {
                        return log.write_at_and_flush(offset, block).await;
                    }
                    log.write_at(offset, block).await?;
                    log.flush().await
                })?;
                taken_us.push(start.elapsed().as_micros());
            }
            taken_us.sort_unstable();
            let at = |percent: usize| taken_us[ROUNDS * percent / 100];
            println!("direct {direct_log:5} one call {in_one_call:5}: p50 {} us, p99 {} us", at(50), at(99));
        }
        block_on(storage.remove("flush-speed"))?;
    }
    Ok(())
}
