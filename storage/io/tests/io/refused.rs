//! io_uring refused by a seccomp filter, as container runtimes' default profiles do. The filter is this thread's and
//! that of the threads it starts.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::io::ErrorKind;
use std::thread;

use redoubt_io::portable::PortableOptions;
use redoubt_io::{Device, DiskStorage, IoMethod, Storage};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::contract;

/// `io_uring_setup`, `io_uring_enter` and `io_uring_register`, the same numbers on every architecture.
const IO_URING_CALLS: [i64; 3] = [425, 426, 427];
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

fn refuse_io_uring(errno: u32) {
    let rules: BTreeMap<i64, Vec<_>> = IO_URING_CALLS.into_iter().map(|call| (call, Vec::new())).collect();
    let arch = ARCH.try_into().expect("an architecture that has filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(errno), arch);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    apply_filter(&program).expect("a thread may limit itself");
}

#[test]
fn the_portable_device_is_chosen_says_why_and_keeps_the_contract() {
    for (errno, reason) in [(EPERM, "Operation not permitted"), (ENOSYS, "Function not implemented")] {
        let limited = thread::spawn(move || {
            refuse_io_uring(errno);
            let choice = IoMethod::Auto.choose().expect("there is always one");
            assert_eq!(choice.device, Device::Portable);
            let said = choice.to_string();
            let expected = format!("portable, because io_uring is refused: {reason}");
            assert!(said.starts_with(&expected), "{said}");
            let refused = IoMethod::Glommio.choose().expect_err("forced and impossible");
            assert_eq!(refused.kind(), ErrorKind::Unsupported);
            assert!(refused.to_string().starts_with(&format!("io_uring is refused: {reason}")), "{refused}");
            let directory = tempfile::tempdir().expect("a temporary directory");
            let options = PortableOptions::default();
            let storage = DiskStorage::open(directory.path(), choice.device, options).expect("opens");
            let checked = storage.clone();
            let reader = storage.reader_for_peers();
            assert!(reader.starts_with(&expected), "{reader}");
            storage.drive(async move { contract::check_all(&checked).await }).expect("driven");
        });
        limited.join().expect("no panic");
    }
}
