//! Whether the kernel lets this process have rings.

use io_uring::{IoUring, Probe, opcode};
use rustix::process::{Resource, getrlimit};

/// What glommio asks of RLIMIT_MEMLOCK before it makes a ring.
const MEMLOCK_BYTES: u64 = 512 << 10;

/// Why a shard cannot have a ring here, in words for the log; nothing when it can.
///
/// A bare ring is asked for first: glommio panics in places where the kernel, or a seccomp filter, refuses it
/// one. Only then a whole executor is made, and given back.
pub(crate) fn refusal() -> Option<String> {
    bare_ring_refusal().or_else(locked_memory).or_else(|| {
        let made = super::executor();
        made.err().map(|error| format!("glommio cannot start: {error}"))
    })
}

/// Why the kernel lets this process have no ring, or none that can do what files need.
pub(crate) fn bare_ring_refusal() -> Option<String> {
    let ring = match IoUring::new(4) {
        Ok(ring) => ring,
        Err(error) => return Some(format!("io_uring is refused: {error}")),
    };
    let mut probe = Probe::new();
    if let Err(error) = ring.submitter().register_probe(&mut probe) {
        return Some(format!("io_uring cannot be probed: {error}"));
    }
    let needed = [
        ("read", opcode::Read::CODE),
        ("fixed read", opcode::ReadFixed::CODE),
        ("write", opcode::Write::CODE),
        ("fixed write", opcode::WriteFixed::CODE),
        ("fsync", opcode::Fsync::CODE),
        ("open", opcode::OpenAt::CODE),
        ("close", opcode::Close::CODE),
        ("statx", opcode::Statx::CODE),
        ("timeout", opcode::Timeout::CODE),
        ("poll", opcode::PollAdd::CODE),
    ];
    let missing = needed.iter().find(|(_, code)| !probe.is_supported(*code));
    missing.map(|(name, _)| format!("this kernel's io_uring has no {name}"))
}

fn locked_memory() -> Option<String> {
    let limit = getrlimit(Resource::Memlock).current?;
    (limit < MEMLOCK_BYTES).then(|| {
        format!("at most {} KiB of memory may be locked, and 512 KiB are needed (ulimit -l)", limit >> 10)
    })
}
