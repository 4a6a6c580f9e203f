//! The announcement that a worker thread is about to block.
//!
//! The engine is synchronous and runs on the threads of an asynchronous runtime. Wherever it may wait for
//! long (a page from storage, a lock, durability), it says so, and the runtime moves the other tasks of that
//! thread elsewhere. Only the binary knows the runtime; it hands in a hook once.

use std::sync::OnceLock;

/// Runs the closure it is given exactly once, after having told the runtime that the thread may block.
pub type BlockingHook = fn(&mut dyn FnMut());

static HOOK: OnceLock<BlockingHook> = OnceLock::new();

/// Installs the hook; the first call wins and returns `true`. Without one, [`blocking`] just calls.
pub fn set_blocking_hook(hook: BlockingHook) -> bool {
    HOOK.set(hook).is_ok()
}

/// Runs `wait`, announced to the runtime as something that may block this thread.
///
/// # Panics
/// In debug builds, when the calling thread holds a page latch: nobody waits under a latch
/// (README, rule 2).
pub fn blocking<R>(wait: impl FnOnce() -> R) -> R {
    crate::latch::assert_no_latch_held("a blocking wait");
    let Some(hook) = HOOK.get() else { return wait() };
    let mut wait = Some(wait);
    let mut result = None;
    hook(&mut || {
        let wait = wait.take().expect("the blocking hook calls its closure once");
        result = Some(wait());
    });
    result.expect("the blocking hook calls its closure")
}
