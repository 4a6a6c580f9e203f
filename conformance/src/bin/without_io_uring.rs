//! Runs a program to which the kernel refuses io_uring, as the default profiles of container runtimes do:
//! `without_io_uring PROGRAM ARGUMENT...`. The program takes this process's place and keeps its number.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// `io_uring_setup`, `io_uring_enter` and `io_uring_register`, the same numbers on every architecture.
const IO_URING_CALLS: [i64; 3] = [425, 426, 427];
const EPERM: u32 = 1;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: without_io_uring PROGRAM ARGUMENT...");
        return ExitCode::FAILURE;
    };
    if let Err(error) = refuse_io_uring() {
        eprintln!("without_io_uring: {error}");
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("without_io_uring: {}: {error}", program.display());
    ExitCode::FAILURE
}

fn refuse_io_uring() -> Result<(), Box<dyn std::error::Error>> {
    let always = IO_URING_CALLS.into_iter().map(|call| (call, Vec::new()));
    let rules: BTreeMap<i64, Vec<_>> = always.collect();
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(EPERM), ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}
