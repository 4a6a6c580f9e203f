//! What processes have cost, by the kernel's accounting (proc(5)).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Kernel clock ticks in a second, as `/proc` counts (USER_HZ; 100 on every Linux that runs this).
const TICKS_PER_SECOND: u64 = 100;

/// What all processes of a server have used so far, those that have ended and were waited for included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time, user and system.
    pub cpu_us: u64,
    /// Bytes sent to storage.
    pub written_bytes: u64,
}

/// The fields of `/proc/pid/stat` that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
}

/// Reads one line of `/proc/pid/stat`. The name, in parentheses, may contain anything.
fn parse_stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line[line.rfind(')')? + 1..].split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // utime, stime and the same of children that were waited for.
    let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
    Some(Stat { parent: u32::try_from(number(1)?).ok()?, ticks })
}

fn all_stats() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
        .collect()
}

/// A process and all its descendants.
pub fn tree(root: u32) -> Vec<u32> {
    tree_in(&all_stats(), root)
}

/// Whether a process still has its memory, files and locks; one that nobody has waited for yet has not.
pub fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rfind(')').is_some_and(|end| !matches!(stat[end + 1..].trim_start().chars().next(), Some('Z' | 'X')))
}

fn tree_in(stats: &HashMap<u32, Stat>, root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while next < all.len() {
        let parent = all[next];
        all.extend(stats.iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    all
}

/// What the processes below `roots` have used.
pub fn used(roots: &[u32]) -> Used {
    let stats = all_stats();
    let mut used = Used::default();
    for pid in roots.iter().flat_map(|root| tree_in(&stats, *root)) {
        let ticks = stats.get(&pid).map_or(0, |stat| stat.ticks);
        used.cpu_us += ticks * 1_000_000 / TICKS_PER_SECOND;
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
        used.written_bytes += field(&io, "write_bytes:").unwrap_or(0);
    }
    used
}

/// Memory of the processes below `roots`, in KiB: what is their own, and the largest shared part once.
pub fn memory_kb(roots: &[u32]) -> u64 {
    let stats = all_stats();
    let (mut own, mut shared) = (0, 0);
    for pid in roots.iter().flat_map(|root| tree_in(&stats, *root)) {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        own += field(&status, "RssAnon:").unwrap_or(0);
        shared = shared.max(field(&status, "RssShmem:").unwrap_or(0));
    }
    own + shared
}

/// Bytes that have gone over the loopback device: what clients and servers said to each other, and servers among
/// themselves, headers included.
pub fn loopback_bytes() -> u64 {
    let text = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    text.lines().find_map(|line| field(line.trim_start(), "lo:")).unwrap_or(0)
}

/// How often the block device below a path has been told to flush its cache, if the kernel counts that for it. Flushes
/// that the kernel has put together count once.
pub fn device_flushes(path: &Path) -> Option<u64> {
    let device = fs::metadata(path).ok()?.dev();
    // As makedev(3) puts them together.
    let major = ((device >> 32) & 0xffff_f000) | ((device >> 8) & 0xfff);
    let minor = ((device >> 12) & 0xffff_ff00) | (device & 0xff);
    let mut place = fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    // The whole disk counts for its partitions.
    if place.join("partition").exists() {
        place.pop();
    }
    parse_flushes(&fs::read_to_string(place.join("stat")).ok()?)
}

/// The sixteenth number of a block device's `stat`, which older kernels do not have.
fn parse_flushes(stat: &str) -> Option<u64> {
    stat.split_ascii_whitespace().nth(15)?.parse().ok()
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let check = |line: &str, expect: Option<(u32, u64)>| {
            assert_eq!(parse_stat(line).map(|stat| (stat.parent, stat.ticks)), expect, "{line}");
        };
        check("7 (a) S 3 7 7 0 -1 0 0 0 0 0 10 20 30 40 20 0", Some((3, 100)));
        check("7 (a) b) c) S 3 7 7 0 -1 0 0 0 0 0 1 2 3 4 20 0", Some((3, 10)));
        check("7 (a) S 3", None);
        check("", None);
    }

    #[test]
    fn trees_and_fields() {
        let stat = |parent| Stat { parent, ticks: 0 };
        let stats = HashMap::from([(2, stat(1)), (3, stat(2)), (4, stat(2)), (5, stat(4)), (6, stat(1))]);
        let mut found = tree_in(&stats, 2);
        found.sort_unstable();
        assert_eq!(found, [2, 3, 4, 5]);
        assert_eq!(field("rchar: 5\nwrite_bytes: 4096\n", "write_bytes:"), Some(4096));
        assert_eq!(field("RssAnon:\t  12 kB\n", "RssAnon:"), Some(12));
        assert_eq!(field("nothing\n", "RssAnon:"), None);
        assert_eq!(parse_flushes(" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n"), Some(16));
        assert_eq!(parse_flushes("1 2 3 4 5 6 7 8 9 10 11"), None);
        // This very process has used something.
        assert!(memory_kb(&[std::process::id()]) > 0);
        assert!(is_running(std::process::id()));
    }
}
