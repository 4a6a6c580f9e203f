//! A network that loses, repeats, delays and reorders, and parts of which do not hear others.

use std::collections::BTreeMap;

use redoubt_page::PgId;

use crate::faults::{Coverage, Fault, FaultPlan};
use crate::party::Party;
use crate::rng::Rng;

/// One direction that nothing passes.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Names the blocks that end together.
    pub id: u64,
    from: Party,
    to: Party,
    /// Only messages about this group, or all.
    pg: Option<PgId>,
    is_one_way: bool,
}

/// See the module.
pub struct Network {
    rng: Rng,
    loss_permille: u64,
    duplicate_permille: u64,
    delay_permille: u64,
    latency_us: u64,
    blocks: Vec<Block>,
    next_block: u64,
    /// The newest message delivered, by direction.
    delivered: BTreeMap<(Party, Party), u64>,
}

impl Network {
    /// A network with a seed's faults.
    pub fn new(seed: u64, plan: &FaultPlan) -> Network {
        let mut rng = Rng::new(seed, 2);
        let latency_us = [60, 150, 400][rng.below(3)];
        Network {
            rng,
            loss_permille: [0, 5, 30, 120][plan.strength(Fault::Loss) as usize],
            duplicate_permille: [0, 5, 30, 100][plan.strength(Fault::Duplicate) as usize],
            delay_permille: [0, 5, 20, 60][plan.strength(Fault::Delay) as usize],
            latency_us,
            blocks: Vec::new(),
            next_block: 1,
            delivered: BTreeMap::new(),
        }
    }

    /// After how long a message arrives, and arrives again; nothing when it is lost.
    pub fn send(&mut self, coverage: &mut Coverage) -> (Option<u64>, Option<u64>) {
        if self.rng.permille(self.loss_permille) {
            coverage.hit("message lost");
            return (None, None);
        }
        let again = self.rng.permille(self.duplicate_permille);
        let first = self.latency();
        if again {
            coverage.hit("message duplicated");
        }
        (Some(first), again.then(|| self.latency()))
    }

    fn latency(&mut self) -> u64 {
        let usual = self.rng.between(self.latency_us / 2, self.latency_us * 2);
        if self.rng.permille(self.delay_permille) { usual * self.rng.between(10, 400) } else { usual }
    }

    /// Whether a message passes now.
    pub fn passes(&self, from: Party, to: Party, pg: PgId, coverage: &mut Coverage) -> bool {
        let is_blocked = |b: &&Block| b.from == from && b.to == to && b.pg.is_none_or(|only| only == pg);
        match self.blocks.iter().find(is_blocked) {
            None => true,
            Some(block) => {
                coverage.hit(if block.is_one_way {
                    "message blocked one way"
                } else {
                    "message blocked by a partition"
                });
                false
            }
        }
    }

    /// Notes an arrival; `number` rises with the order of sending.
    pub fn arrived(&mut self, from: Party, to: Party, number: u64, coverage: &mut Coverage) {
        let newest = self.delivered.entry((from, to)).or_default();
        if number < *newest {
            coverage.hit("message overtaken");
        }
        *newest = number.max(*newest);
    }

    /// A name for blocks that end together.
    pub fn new_block(&mut self) -> u64 {
        self.next_block += 1;
        self.next_block
    }

    /// Nothing passes from one to the other any more.
    pub fn block_one_way(&mut self, id: u64, from: Party, to: Party, pg: Option<PgId>) {
        self.blocks.push(Block { id, from, to, pg, is_one_way: true });
    }

    /// Nothing passes between the two any more.
    pub fn block(&mut self, id: u64, a: Party, b: Party, pg: Option<PgId>) {
        for (from, to) in [(a, b), (b, a)] {
            self.blocks.push(Block { id, from, to, pg, is_one_way: false });
        }
    }

    /// Ends a block.
    pub fn unblock(&mut self, id: u64) {
        self.blocks.retain(|block| block.id != id);
    }

    /// From now on everything arrives.
    pub fn heal(&mut self) {
        self.blocks.clear();
        (self.loss_permille, self.duplicate_permille, self.delay_permille) = (0, 0, 0);
    }
}
