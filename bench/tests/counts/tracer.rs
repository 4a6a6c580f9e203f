//! Counting the system calls of another process, whatever the machine: by ptrace(2), as strace does, of a process that
//! is this one's child.

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

/// System calls have lower numbers than this on every architecture.
const NUMBERS: usize = 512;

/// System calls that servers make for transactions, to be shown.
const NAMES: &[(libc::c_long, &str)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_read, "read"),
    (libc::SYS_write, "write"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_writev, "writev"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_preadv2, "preadv2"),
    (libc::SYS_pwritev2, "pwritev2"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
    (libc::SYS_sched_yield, "sched_yield"),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_fdatasync, "fdatasync"),
];

/// How often each system call has been made.
#[derive(Clone, Debug, Default)]
pub struct Calls(BTreeMap<usize, f64>);

impl Calls {
    /// What has been made since an earlier state.
    pub fn beyond(&self, earlier: &Calls) -> Calls {
        self.each_beyond(earlier, 1)
    }

    /// For each of `transactions`, what a run made more than a shorter one.
    pub fn each_beyond(&self, shorter: &Calls, transactions: u32) -> Calls {
        let of = |calls: &Calls, number: &usize| calls.0.get(number).copied().unwrap_or_default();
        let each = |number: &usize| (of(self, number) - of(shorter, number)) / f64::from(transactions);
        Calls(self.0.keys().map(|number| (*number, each(number))).collect())
    }

    /// All of them.
    pub fn total(&self) -> f64 {
        self.0.values().sum()
    }

    /// Those that send a file to the device.
    pub fn flushes(&self) -> f64 {
        let of = |number: libc::c_long| self.0.get(&(number as usize)).copied().unwrap_or_default();
        of(libc::SYS_fsync) + of(libc::SYS_fdatasync)
    }
}

impl std::fmt::Display for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, count) in self.0.iter().filter(|(_, count)| **count >= 0.01) {
            let known = NAMES.iter().find(|(known, _)| *known as usize == *number);
            match known {
                Some((_, name)) => write!(f, "{name} {count:.2} ")?,
                None => write!(f, "number {number} {count:.2} ")?,
            }
        }
        Ok(())
    }
}

/// Counts from its making until the process ends.
pub struct Tracer(Arc<[AtomicU64]>);

impl Tracer {
    /// Begins to count the calls of a process and all its threads.
    ///
    /// # Errors
    /// When the kernel allows no tracing here.
    pub fn attach(pid: u32) -> Result<Tracer, String> {
        let counts: Arc<[AtomicU64]> = (0..NUMBERS).map(|_| AtomicU64::new(0)).collect();
        let (tell, told) = mpsc::channel();
        let counted = counts.clone();
        // The kernel knows a tracer by its thread: the one that attaches is the one that waits.
        std::thread::spawn(move || {
            let attached = attach_all(pid);
            let go_on = attached.is_ok();
            if tell.send(attached).is_ok() && go_on {
                follow(&counted);
            }
        });
        told.recv().map_err(|_| "the tracing thread died".to_string())??;
        Ok(Tracer(counts))
    }

    /// What has been counted so far.
    pub fn calls(&self) -> Calls {
        let read = |(number, count): (usize, &AtomicU64)| (number, count.load(Ordering::SeqCst) as f64);
        Calls(self.0.iter().enumerate().map(read).filter(|(_, count)| *count > 0.0).collect())
    }
}

/// Attaches to every thread there is. Those that a traced one starts are traced from their beginning.
fn attach_all(pid: u32) -> Result<(), String> {
    let options = Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_TRACESYSGOOD;
    let mut attached = Vec::new();
    loop {
        let threads = threads_of(pid).map_err(|error| format!("/proc/{pid}/task: {error}"))?;
        let new: Vec<Pid> = threads.into_iter().filter(|thread| !attached.contains(thread)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for thread in new {
            match ptrace::seize(thread, options) {
                // It has ended, or was attached as the child of one that had been.
                Err(Errno::ESRCH) => continue,
                Err(Errno::EPERM) if !attached.is_empty() => {}
                Err(error) => return Err(format!("ptrace is not allowed: {error}")),
                // From this stop on it is followed from call to call.
                Ok(()) => drop(ptrace::interrupt(thread)),
            }
            attached.push(thread);
        }
    }
}

fn threads_of(pid: u32) -> std::io::Result<Vec<Pid>> {
    let mut threads = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        threads.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()).map(Pid::from_raw));
    }
    Ok(threads)
}

/// Follows all threads until they have ended.
fn follow(counts: &[AtomicU64]) {
    // Only this thread's tracees: the test has other children, and others wait for them.
    let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
    loop {
        let (pid, signal) = match waitpid(None, Some(flags)) {
            Ok(WaitStatus::PtraceSyscall(pid)) => {
                if let Some(number) = entered(pid) {
                    counts[number.min(NUMBERS - 1)].fetch_add(1, Ordering::SeqCst);
                }
                (pid, None)
            }
            Ok(WaitStatus::PtraceEvent(pid, ..)) => (pid, None),
            Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
            Ok(_) => continue,
            Err(Errno::EINTR) => continue,
            // Nobody is left.
            Err(_) => return,
        };
        // A thread that was killed in the meantime is waited for above.
        let _gone = ptrace::syscall(pid, signal);
    }
}

/// The number of the call that a thread stands at the entry of; nothing at its exit.
fn entered(pid: Pid) -> Option<usize> {
    let info = ptrace::syscall_info(pid).ok()?;
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    let registers = ptrace::getregs(pid).ok()?;
    #[cfg(target_arch = "x86_64")]
    let number = registers.orig_rax;
    #[cfg(target_arch = "aarch64")]
    let number = registers.regs[8];
    usize::try_from(number).ok()
}
