//! Who talks to whom.

use std::fmt;

use redoubt_page::VolumeEpoch;
use redoubt_protocol::Origin;

/// Someone who sends and receives messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The nodes on a host.
    Host(usize),
    /// A compute process, named by the epoch it took.
    Compute(VolumeEpoch),
    /// The simulation itself, which asks a host without a network in between.
    Gossip(usize),
    /// As that, for the checkers.
    Probe(usize),
}

const KIND: u64 = 1 << 40;

impl Party {
    /// The number under which nodes know this party.
    pub fn origin(self) -> Origin {
        Origin::new(match self {
            Party::Compute(epoch) => epoch.get(),
            Party::Host(at) => KIND + at as u64,
            Party::Gossip(at) => 2 * KIND + at as u64,
            Party::Probe(at) => 3 * KIND + at as u64,
        })
    }

    /// The party known under a number.
    pub fn of(origin: Origin) -> Party {
        let (kind, at) = (origin.get() / KIND, origin.get() % KIND);
        match kind {
            0 => Party::Compute(VolumeEpoch::new(at)),
            1 => Party::Host(at as usize),
            2 => Party::Gossip(at as usize),
            _ => Party::Probe(at as usize),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Host(at) => write!(f, "host {at}"),
            Party::Compute(epoch) => write!(f, "writer e{epoch}"),
            Party::Gossip(at) => write!(f, "gossip {at}"),
            Party::Probe(at) => write!(f, "probe {at}"),
        }
    }
}
