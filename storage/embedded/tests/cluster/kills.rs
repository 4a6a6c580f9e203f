//! Machines killed at any moment: nothing acknowledged is missing, and no half of a mini-transaction is there.

use redoubt_embedded::EmbeddedCluster;
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_page::{Lsn, PageId};

use crate::model::{Model, small_options};

/// A small generator of numbers, so that a seed replays its run.
pub struct Seeded(u64);

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// Mini-transactions over two or three groups between kills; after each kill everything is checked.
fn run(seed: u64, max_steps: u64) {
    let mut random = Seeded::new(seed);
    let storage = ForgettingStorage::new();
    let mut model = Model::default();
    let (mut volume, mut cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    for kill in 0..4 {
        let mut acknowledged = volume.vdl();
        for step in 0..random.below(max_steps) {
            let text = vec![b'a' + (step % 26) as u8; 1 + random.below(700) as usize];
            // Always one page in group 0 and one in group 1, so that a half would show.
            let mut pages = vec![PageId::new(random.below(16)), PageId::new(16 + random.below(16))];
            if random.below(4) == 0 {
                pages.push(PageId::new(32 + random.below(16)));
            }
            let cpl = model.put(&volume, &pages, &text);
            if random.below(3) == 0 {
                volume.wait_durable_blocking(cpl).expect("durable");
                acknowledged = acknowledged.max(volume.vdl());
                let page = PageId::new(random.below(32));
                let read = volume.read_page(page, cpl).expect("readable");
                assert!(read == model.page_at(page, cpl), "seed {seed}: page {page} as of {cpl}");
                if random.below(2) == 0 {
                    volume.set_read_floor(cpl);
                    model.forget_below(cpl);
                }
            }
        }
        acknowledged = acknowledged.max(volume.vdl());
        storage.kill(seed * 16 + kill);
        drop(cluster);
        (volume, cluster) = EmbeddedCluster::open_on(storage.clone(), small_options())
            .unwrap_or_else(|error| panic!("seed {seed}: not opened after kill {kill}: {error}"));
        let vdl = volume.vdl();
        assert!(vdl >= acknowledged, "seed {seed}: {acknowledged} was acknowledged, {vdl} is left");
        let is_consistent = vdl == Lsn::ZERO || model.mtrs.contains_key(&vdl);
        assert!(is_consistent, "seed {seed}: {vdl} ends no mini-transaction");
        model.roll_back_to(vdl);
        model.check_all(&volume, vdl);
    }
    cluster.shutdown().expect("a clean end");
}

#[test]
fn nothing_acknowledged_is_lost_and_no_half_is_kept() {
    for seed in 0..100 {
        run(seed, 60);
    }
}

/// Long enough between kills for the log to go round: images, switches and recycled chunks are cut short.
#[test]
fn nor_when_the_log_goes_round() {
    for seed in 100..112 {
        run(seed, 3000);
    }
}
