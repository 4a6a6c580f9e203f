//! One file as its readers see it, as it is on the medium, and all that lies between.

use std::collections::BTreeMap;

/// What a device writes or does not write, if it does not tear.
const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// A file. Both images are whole sectors, so that the last one is like the others.
#[derive(Debug)]
pub(super) struct Image {
    name: String,
    len_bytes: u64,
    durable_len_bytes: u64,
    /// What reads return.
    current: Vec<u8>,
    /// What is on the medium for certain.
    durable: Vec<u8>,
    /// The contents that unflushed sectors have had, each with its time, oldest first.
    unflushed: BTreeMap<usize, Vec<(u64, Box<Sector>)>>,
    /// The lengths since the last flush, each with its time.
    growths: Vec<(u64, u64)>,
}

impl Image {
    pub(super) fn new(name: &str, len_bytes: u64) -> Self {
        let blank = vec![0; padded(len_bytes)];
        Self {
            name: name.to_owned(),
            len_bytes,
            durable_len_bytes: len_bytes,
            current: blank.clone(),
            durable: blank,
            unflushed: BTreeMap::new(),
            growths: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub(super) fn contains(&self, offset: u64, len: usize) -> bool {
        offset.checked_add(len as u64).is_some_and(|end| end <= self.len_bytes)
    }

    pub(super) fn read(&self, offset: u64, len: usize) -> Option<&[u8]> {
        // What is contained is in memory, so its offset is a size.
        self.contains(offset, len).then(|| &self.current[offset as usize..][..len])
    }

    /// Writes within the file.
    pub(super) fn write(&mut self, time: u64, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        self.current[start..end].copy_from_slice(bytes);
        for sector in start / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let contents = Box::new(sector_of(&self.current, sector));
            self.unflushed.entry(sector).or_default().push((time, contents));
        }
    }

    pub(super) fn grow(&mut self, time: u64, len_bytes: u64) {
        self.len_bytes = len_bytes;
        self.current.resize(padded(len_bytes), 0);
        self.growths.push((time, len_bytes));
    }

    /// Makes durable what was written before the time `up_to`, and nothing later.
    pub(super) fn flush(&mut self, up_to: u64) {
        self.settle(|image| {
            if let Some((_, len_bytes)) = take_last_before(&mut image.growths, up_to) {
                image.set_durable_len(len_bytes);
            }
            image.unflushed.retain(|&sector, versions| {
                if let Some((_, contents)) = take_last_before(versions, up_to) {
                    put_sector(&mut image.durable, sector, &contents);
                }
                !versions.is_empty()
            });
        });
    }

    /// Marks everything clean without storing it: what a kernel does when write-back fails.
    pub(super) fn lose_unflushed(&mut self) {
        self.unflushed.clear();
        // The length is in the file system's journal, and not lost with the data.
        if let Some((_, len_bytes)) = std::mem::take(&mut self.growths).pop() {
            self.set_durable_len(len_bytes);
        }
    }

    pub(super) fn damage(&mut self, offset: u64, bytes: &[u8]) {
        assert!(self.contains(offset, bytes.len()), "damage beyond the end of {:?}", self.name);
        let start = offset as usize;
        self.current[start..start + bytes.len()].copy_from_slice(bytes);
        let durable_end = self.durable.len().clamp(start, start + bytes.len());
        self.durable[start.min(durable_end)..durable_end].copy_from_slice(&bytes[..durable_end - start]);
    }

    pub(super) fn durable(&self) -> Vec<u8> {
        self.durable[..self.durable_len_bytes as usize].to_vec()
    }

    /// Decides what is left. `now` is the time of the kill.
    pub(super) fn kill(&mut self, random: &mut Seeded, now: u64) {
        // The way of losing is drawn once for the file: sector by sector, whole batches would almost never be
        // lost or kept together, and those are the cases a log must tell apart.
        let fate = [Fate::AllLost, Fate::AllKept, Fate::CutInTime, Fate::Mixed, Fate::Torn][random.below(5)];
        let first =
            self.unflushed.values().filter_map(|versions| Some(versions.first()?.0)).min().unwrap_or(now);
        let cut = first + random.below((now - first) as usize + 1) as u64;
        self.settle(|image| {
            let mut growths = std::mem::take(&mut image.growths);
            let kept = match fate {
                Fate::AllLost => None,
                Fate::AllKept => growths.pop(),
                Fate::CutInTime => take_last_before(&mut growths, cut),
                Fate::Mixed | Fate::Torn => growths.into_iter().nth(random.below(4)),
            };
            if let Some((_, len_bytes)) = kept {
                image.set_durable_len(len_bytes);
            }
            for (sector, mut versions) in std::mem::take(&mut image.unflushed) {
                if (sector + 1) * SECTOR_BYTES > image.durable.len() {
                    break;
                }
                let old = sector_of(&image.durable, sector);
                let contents = match fate {
                    Fate::AllLost => None,
                    Fate::AllKept => versions.pop().map(|(_, contents)| *contents),
                    Fate::CutInTime => take_last_before(&mut versions, cut).map(|(_, contents)| *contents),
                    Fate::Mixed => pick(random, &versions, old),
                    Fate::Torn => {
                        let (one, other) = (pick(random, &versions, old), pick(random, &versions, old));
                        Some(tear(random, one.unwrap_or(old), other.unwrap_or(old)))
                    }
                };
                if let Some(contents) = contents {
                    put_sector(&mut image.durable, sector, &contents);
                }
            }
        });
        self.len_bytes = self.durable_len_bytes;
        self.current.clone_from(&self.durable);
    }

    /// Runs a step and checks what must hold between the two images afterwards.
    fn settle(&mut self, step: impl FnOnce(&mut Self)) {
        step(self);
        assert!(
            self.durable_len_bytes <= self.len_bytes,
            "the durable part of {:?} is no longer than it",
            self.name
        );
        assert_eq!(self.durable.len(), padded(self.durable_len_bytes));
    }

    fn set_durable_len(&mut self, len_bytes: u64) {
        self.durable_len_bytes = len_bytes;
        self.durable.resize(padded(len_bytes), 0);
    }
}

#[derive(Clone, Copy)]
enum Fate {
    AllLost,
    AllKept,
    /// What was written up to some moment is there, and nothing later.
    CutInTime,
    /// Each sector for itself.
    Mixed,
    /// Each sector for itself, and torn inside.
    Torn,
}

/// Removes all entries before `up_to` and returns the last of them.
fn take_last_before<T>(entries: &mut Vec<(u64, T)>, up_to: u64) -> Option<(u64, T)> {
    let count = entries.partition_point(|(time, _)| *time <= up_to);
    entries.drain(..count).next_back()
}

fn pick(random: &mut Seeded, versions: &[(u64, Box<Sector>)], old: Sector) -> Option<Sector> {
    Some(versions.get(random.below(versions.len() + 1)).map_or(old, |(_, contents)| **contents))
}

fn tear(random: &mut Seeded, one: Sector, other: Sector) -> Sector {
    let mut torn = one;
    let at = random.below(SECTOR_BYTES);
    torn[at..].copy_from_slice(&other[at..]);
    torn
}

fn sector_of(bytes: &[u8], sector: usize) -> Sector {
    let mut contents = [0; SECTOR_BYTES];
    contents.copy_from_slice(&bytes[sector * SECTOR_BYTES..][..SECTOR_BYTES]);
    contents
}

fn put_sector(bytes: &mut [u8], sector: usize, contents: &Sector) {
    bytes[sector * SECTOR_BYTES..][..SECTOR_BYTES].copy_from_slice(contents);
}

/// A length in whole sectors, as a size in memory.
fn padded(len_bytes: u64) -> usize {
    usize::try_from(len_bytes).expect("a simulated file fits into memory").next_multiple_of(SECTOR_BYTES)
}

/// A seeded generator (SplitMix64, Steele and others, OOPSLA 2014): the same seed, the same loss.
pub(super) struct Seeded(u64);

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}
