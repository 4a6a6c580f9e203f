//! The kinds of faults, which of them a seed has and how strong, and how often each really happened.

use std::collections::BTreeMap;
use std::fmt;

use crate::rng::Rng;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $word:literal mean_ms $mean:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// All kinds.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)*];

            /// Its name, in traces and on the command line.
            pub fn word(self) -> &'static str {
                match self { $(Fault::$name => $word,)* }
            }

            /// The mean interval at full strength between two of its kind, in milliseconds of virtual time; zero
            /// for what happens to single messages.
            fn mean_ms(self) -> u64 {
                match self { $(Fault::$name => $mean,)* }
            }
        }
    };
}

faults! {
    /// A message is lost.
    Loss "loss" mean_ms 0,
    /// A message arrives twice.
    Duplicate "duplicate" mean_ms 0,
    /// A message takes much longer than those after it.
    Delay "delay" mean_ms 0,
    /// Some parties and the others do not hear each other.
    Partition "partition" mean_ms 150,
    /// One party is not heard by another, which it hears.
    OneWay "one-way" mean_ms 60,
    /// A host is killed; what it had not flushed is lost, kept or torn, and it starts again.
    Kill "kill" mean_ms 80,
    /// All hosts of a zone are killed and stay away for a while.
    ZoneLoss "zone-loss" mean_ms 400,
    /// A host takes long for everything it flushes.
    Slow "slow" mean_ms 150,
    /// A host's process stops for a while, and goes on as if nothing had been.
    Pause "pause" mean_ms 150,
    /// A flush fails, and the data are gone although everything looks clean afterwards.
    FlushError "flush-error" mean_ms 300,
    /// A write fails.
    WriteError "write-error" mean_ms 400,
    /// A read fails.
    ReadError "read-error" mean_ms 200,
    /// A sector that was durable holds something else.
    Rot "rot" mean_ms 300,
    /// There is no space on a host's disk for a while.
    DiskFull "disk-full" mean_ms 300,
    /// The writer is killed; another one recovers the volume.
    WriterKill "writer-kill" mean_ms 250,
    /// Another writer takes over from one that lives and does not know.
    Takeover "takeover" mean_ms 250,
    /// A host loses its disk, and returns with nothing.
    Wipe "wipe" mean_ms 500,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which faults a seed has, and how strong: from 1 to 3.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    strength: BTreeMap<Fault, u64>,
    /// Whether logs are small and go round. Nodes do not send pages in the place of records that they gave up yet,
    /// so a segment that has fallen behind by more than a log cannot come back: such seeds have no faults by which
    /// one does, and only they have disks that are full, where nodes give up what they can.
    pub is_tight: bool,
    /// Whether it is one small log for the nodes of all hosts, as in the embedded cluster. Segments that share it
    /// never fall behind by more than it holds, so their host may be killed while it goes round.
    pub is_together: bool,
    /// Whether what happens is told by a script: no faults by chance, a host for each node, several groups.
    pub is_scripted: bool,
}

/// The faults of seeds with small logs.
const IN_TIGHT_LOGS: &[Fault] =
    &[Fault::Duplicate, Fault::ReadError, Fault::DiskFull, Fault::WriterKill, Fault::Takeover];

/// Those of seeds with one small log for all nodes.
const IN_ONE_TIGHT_LOG: &[Fault] = &[
    Fault::Duplicate,
    Fault::Kill,
    Fault::FlushError,
    Fault::WriteError,
    Fault::ReadError,
    Fault::DiskFull,
    Fault::WriterKill,
    Fault::Takeover,
];

impl FaultPlan {
    /// Draws the faults of a seed; those in `without` are left out, and change nothing about the others.
    pub fn draw(seed: u64, without: &[Fault]) -> FaultPlan {
        let mut rng = Rng::new(seed, 1);
        // Some seeds are calm and some are storms: with the same weights everywhere bugs hide.
        let likely = [250, 450, 650][rng.below(3)];
        let is_tight = rng.permille(250);
        let is_together = is_tight && Rng::new(seed, 10).permille(400);
        let mut strength = BTreeMap::new();
        for fault in Fault::ALL {
            let (is_on, how) = (rng.permille(likely), 1 + rng.below(3) as u64);
            let fits = match (is_tight, is_together) {
                (true, true) => IN_ONE_TIGHT_LOG.contains(fault),
                (true, false) => IN_TIGHT_LOGS.contains(fault),
                (false, _) => *fault != Fault::DiskFull,
            };
            if is_on && fits && !without.contains(fault) {
                strength.insert(*fault, how);
            }
        }
        FaultPlan { strength, is_tight, is_together, is_scripted: false }
    }

    /// No faults by chance. Every other seed has small logs.
    pub fn scripted(seed: u64) -> FaultPlan {
        let is_tight = Rng::new(seed, 1).permille(500);
        FaultPlan { strength: BTreeMap::new(), is_tight, is_together: false, is_scripted: true }
    }

    /// How strong a fault is; zero when the seed does not have it.
    pub fn strength(&self, fault: Fault) -> u64 {
        self.strength.get(&fault).copied().unwrap_or(0)
    }

    /// The faults there are.
    pub fn present(&self) -> impl Iterator<Item = Fault> {
        self.strength.keys().copied()
    }

    /// The mean interval between two faults of a kind, in microseconds; none for what happens to messages or is
    /// not in the plan.
    pub fn mean_us(&self, fault: Fault) -> Option<u64> {
        let strength = self.strength(fault);
        (strength > 0 && fault.mean_ms() > 0).then(|| fault.mean_ms() * 3000 / strength)
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.strength.is_empty() {
            return f.write_str("no faults");
        }
        let words: Vec<String> = self.strength.iter().map(|(fault, how)| format!("{fault} {how}")).collect();
        f.write_str(&words.join(", "))
    }
}

/// How often something happened in a run, by name.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
}

impl Coverage {
    /// It happened.
    pub fn hit(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// It happened so many times.
    pub fn add(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    /// How often it happened.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Adds another run's.
    pub fn merge(&mut self, other: &Coverage) {
        other.counts.iter().for_each(|(what, count)| self.add(what, *count));
    }

    /// All of it, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.iter().map(|(what, count)| (*what, *count))
    }
}

/// What must have happened in a long enough range of seeds, or the range has proved nothing: every fault, and what
/// the protocol is there for.
pub const MUST_HAPPEN: &[&str] = &[
    "message lost",
    "message duplicated",
    "message overtaken",
    "message blocked by a partition",
    "message blocked one way",
    "host killed",
    "host killed with writes in flight",
    "zone lost",
    "slow host flushed",
    "host paused",
    "flush failed",
    "write failed",
    "read failed",
    "sector rotted",
    "segment found damaged",
    "disk full",
    "writer killed",
    "writer overtaken",
    "zombie appended after being overtaken",
    "writer fenced",
    "volume opened",
    "disk wiped",
    "segment replaced",
    "records void in the end",
    "gap filled by a peer",
    "page read and compared",
    "read refused: behind",
    "log recycled",
    "mini-transaction over several groups acknowledged",
];
