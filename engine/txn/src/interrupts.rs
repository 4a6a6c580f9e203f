//! What may end a statement or a connection from outside, and the condition that waiters sleep on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use redoubt_error::{PgError, PgResult, Severity, code};

/// A reason to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Interrupt {
    /// A cancel request (`pg_cancel_backend`, the protocol's CancelRequest).
    Cancel = 1,
    /// `statement_timeout` has passed.
    StatementTimeout = 2,
    /// `pg_terminate_backend`, or the server goes down.
    Terminate = 4,
    /// `idle_in_transaction_session_timeout` has passed.
    IdleInTransactionTimeout = 8,
    /// `idle_session_timeout` has passed.
    IdleSessionTimeout = 16,
    /// The client has gone away.
    ClientGone = 32,
}

/// One connection's pending interrupts. Anyone may raise one; the connection's own thread checks.
#[derive(Default)]
pub struct Interrupts {
    pending: AtomicU32,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Interrupts {
    /// Raises an interrupt and wakes the connection if it waits.
    pub fn raise(&self, interrupt: Interrupt) {
        self.pending.fetch_or(interrupt as u32, Ordering::SeqCst);
        self.wake();
    }

    /// Withdraws an interrupt, for timers that are switched off and cancels that came too late.
    pub fn clear(&self, interrupt: Interrupt) {
        self.pending.fetch_and(!(interrupt as u32), Ordering::SeqCst);
    }

    /// Whether anything is pending.
    #[inline]
    pub fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Relaxed) != 0
    }

    /// One load when nothing is pending. What ends only the statement is consumed by being reported.
    ///
    /// # Errors
    /// `57P01` and its kin, `FATAL`, when the connection must end; `57014` when the statement must.
    #[inline]
    pub fn check(&self) -> PgResult<()> {
        if self.is_pending() { self.report() } else { Ok(()) }
    }

    #[cold]
    fn report(&self) -> PgResult<()> {
        let pending = self.pending.load(Ordering::SeqCst);
        let is = |interrupt: Interrupt| pending & interrupt as u32 != 0;
        let fatal = |code, message: &str| Err(PgError::report(Severity::Fatal, code, message));
        if is(Interrupt::ClientGone) {
            return fatal(code::CONNECTION_FAILURE, "connection to client lost");
        }
        if is(Interrupt::Terminate) {
            return fatal(code::ADMIN_SHUTDOWN, "terminating connection due to administrator command");
        }
        if is(Interrupt::IdleInTransactionTimeout) {
            return fatal(
                code::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout",
            );
        }
        if is(Interrupt::IdleSessionTimeout) {
            return fatal(code::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout");
        }
        for (interrupt, message) in [
            (Interrupt::StatementTimeout, "canceling statement due to statement timeout"),
            (Interrupt::Cancel, "canceling statement due to user request"),
        ] {
            if is(interrupt) {
                self.clear(interrupt);
                return Err(PgError::new(code::QUERY_CANCELED, message));
            }
        }
        Ok(())
    }

    /// Wakes the connection if it waits, so that it looks at its condition again.
    pub fn wake(&self) {
        // Taking the lock makes sure that a waiter has either seen the change or sleeps already.
        drop(self.lock.lock());
        self.changed.notify_all();
    }

    /// Sleeps until `is_done`, an interrupt, or `until`. Returns whether it is done.
    pub fn wait(&self, until: Option<Instant>, is_done: impl Fn() -> bool) -> bool {
        let mut guard = self.lock.lock();
        loop {
            if is_done() {
                return true;
            }
            if self.pending.load(Ordering::SeqCst) != 0 {
                return false;
            }
            match until {
                None => self.changed.wait(&mut guard),
                Some(until) => {
                    if self.changed.wait_until(&mut guard, until).timed_out() {
                        return is_done();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported() {
        for (interrupt, code, again) in [
            (Interrupt::Cancel, "57014", false),
            (Interrupt::StatementTimeout, "57014", false),
            (Interrupt::Terminate, "57P01", true),
            (Interrupt::IdleInTransactionTimeout, "25P03", true),
            (Interrupt::IdleSessionTimeout, "57P05", true),
            (Interrupt::ClientGone, "08006", true),
        ] {
            let interrupts = Interrupts::default();
            assert!(interrupts.check().is_ok());
            interrupts.raise(interrupt);
            assert!(!interrupts.wait(None, || false));
            assert_eq!(interrupts.check().unwrap_err().code().as_str(), code);
            assert_eq!(interrupts.check().is_err(), again, "{interrupt:?}");
        }
    }
}
