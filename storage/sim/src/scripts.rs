//! Scripts: what faults by chance bring about too rarely. The rest of a run is as in any other: what must hold is checked
//! all the time, then everything heals.

use redoubt_page::{PgId, VolumeEpoch};

use crate::party::Party;
use crate::world::World;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Two nodes lag, a third one loses its disk and returns; the next opener reaches these three only in one group.
    /// Then the new segments are filled, and hosts at both ends are killed meanwhile.
    WipedWhileTwoLag,
    /// A writer reaches three nodes of a group, the next opener the other three.
    ThreeAndThree,
}

impl Script {
    /// All scripts.
    pub const ALL: &'static [Script] = &[Script::WipedWhileTwoLag, Script::ThreeAndThree];

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Script::WipedWhileTwoLag => "wiped-while-two-lag",
            Script::ThreeAndThree => "three-and-three",
        }
    }
}

/// The group that parts of are cut off.
const GROUP: PgId = PgId::new(1);
/// Those that have what is acknowledged.
const AHEAD: [usize; 3] = [0, 1, 2];
/// Those that lag.
const LAGGING: [usize; 2] = [3, 4];
/// The one that loses its disk.
const WIPED: usize = 5;

impl World {
    /// Plays a script.
    pub(crate) fn play(&mut self, script: Script) {
        self.run_until(100_000);
        assert!(self.writer_epoch().is_some(), "nothing is wrong, and the volume does not open");
        match script {
            Script::WipedWhileTwoLag => self.wiped_while_two_lag(),
            Script::ThreeAndThree => self.three_and_three(),
        }
    }

    fn go_on_for(&mut self, for_us: u64) {
        self.run_until(self.now_us + for_us);
    }

    /// The epoch of the newest writer, if its volume is open.
    fn writer_epoch(&self) -> Option<VolumeEpoch> {
        let newest = self.computes.last().filter(|c| c.is_alive && c.writer.is_some());
        newest.map(|compute| compute.epoch)
    }

    /// Cuts hosts off from others, in the group.
    fn cut(&mut self, id: u64, hosts: &[usize], others: &[Party]) {
        for host in hosts {
            let apart = others.iter().filter(|other| **other != Party::Host(*host));
            apart.for_each(|other| self.network.block(id, Party::Host(*host), *other, Some(GROUP)));
        }
    }

    fn wiped_while_two_lag(&mut self) {
        let writer = Party::Compute(self.writer_epoch().expect("it was looked at"));
        let all: Vec<Party> = (0..self.places.len()).map(Party::Host).collect();
        let lag = self.network.new_block();
        self.cut(lag, &LAGGING, &all);
        self.cut(lag, &LAGGING, &[writer]);
        self.go_on_for(150_000);
        let empty = self.network.new_block();
        self.cut(empty, &[WIPED], &all);
        self.wipe(WIPED);
        let is_named = |world: &World| world.metadata.memberships.iter().all(|m| m.alternatives().len() > 1);
        for _ in 0..100 {
            if is_named(self) {
                break;
            }
            self.go_on_for(10_000);
        }
        assert!(is_named(self), "the lost segments are not replaced");
        // The next one hears those who have everything in the other groups only.
        let next = Party::Compute(self.metadata.epoch.next());
        let hidden = self.network.new_block();
        self.cut(hidden, &AHEAD, &[next]);
        self.start_compute();
        self.go_on_for(200_000);
        [lag, empty, hidden].into_iter().for_each(|id| self.network.unblock(id));
        for _ in 0..6 {
            let delay_us = self.strikes.between(3_000, 60_000);
            self.go_on_for(delay_us);
            let host = [WIPED, WIPED, AHEAD[0], AHEAD[1]][self.strikes.below(4)];
            self.kill_for(host, 5_000, "host killed");
        }
        self.go_on_for(100_000);
    }

    fn three_and_three(&mut self) {
        let writer = Party::Compute(self.writer_epoch().expect("it was looked at"));
        let far: Vec<usize> = LAGGING.into_iter().chain([WIPED]).collect();
        let others: Vec<Party> = far.iter().copied().map(Party::Host).collect();
        let apart = self.network.new_block();
        self.cut(apart, &AHEAD, &others);
        self.cut(apart, &AHEAD, &[writer]);
        self.go_on_for(100_000);
        let next = Party::Compute(self.metadata.epoch.next());
        self.cut(apart, &far, &[next]);
        self.start_compute();
        self.go_on_for(200_000);
        self.network.unblock(apart);
        self.go_on_for(100_000);
    }
}
