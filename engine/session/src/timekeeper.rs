//! Timers of running statements: one thread for all sessions, asleep while no timer runs.
//!
//! A statement keeps its session's thread, so that somebody else has to look at the clock.

use crate::session::Session;
use crate::settings::Parameter;
use parking_lot::{Condvar, Mutex};
use redoubt_error::{PgError, PgResult};
use redoubt_txn::{Interrupt, Interrupts};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The timers of one server. Dropping it ends the thread.
#[derive(Default)]
pub(crate) struct Timekeeper(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// By when they are due; the number tells timers of one moment apart.
    due: BTreeMap<(Instant, u64), (Arc<Interrupts>, Interrupt)>,
    next: u64,
    /// There is a thread.
    started: bool,
    over: bool,
}

/// A timer that runs; dropping it stops it and withdraws what it has raised.
pub(crate) struct Timer {
    shared: Arc<Shared>,
    key: (Instant, u64),
    interrupts: Arc<Interrupts>,
    interrupt: Interrupt,
}

impl Timekeeper {
    /// Raises an interrupt after a while, unless the timer is dropped before.
    ///
    /// # Errors
    /// `XX000` when there can be no thread.
    pub(crate) fn start(
        &self,
        after: Duration,
        interrupts: &Arc<Interrupts>,
        interrupt: Interrupt,
    ) -> PgResult<Timer> {
        let mut state = self.0.state.lock();
        if !state.started {
            let shared = self.0.clone();
            let thread = std::thread::Builder::new().name("redoubt-timers".into());
            thread
                .spawn(move || shared.run())
                .map_err(|error| PgError::internal(format!("timers cannot run: {error}")))?;
            state.started = true;
        }
        let key = (Instant::now() + after, state.next);
        state.next += 1;
        let is_first = state.due.first_key_value().is_none_or(|(first, _)| key < *first);
        state.due.insert(key, (interrupts.clone(), interrupt));
        drop(state);
        if is_first {
            self.0.changed.notify_one();
        }
        Ok(Timer { shared: self.0.clone(), key, interrupts: interrupts.clone(), interrupt })
    }
}

impl Drop for Timekeeper {
    fn drop(&mut self) {
        self.0.state.lock().over = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        // Interrupts are raised under the lock: if it is not there any more, it has been raised.
        if state.due.remove(&self.key).is_none() {
            self.interrupts.clear(self.interrupt);
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state.lock();
        while !state.over {
            let Some((&(at, _), _)) = state.due.first_key_value() else {
                self.changed.wait(&mut state);
                continue;
            };
            if at > Instant::now() {
                self.changed.wait_until(&mut state, at);
            } else if let Some((_, (interrupts, interrupt))) = state.due.pop_first() {
                interrupts.raise(interrupt);
            }
        }
    }
}

impl Session {
    /// A statement begins, or the first message about one: `statement_timeout` runs, unless it runs already.
    ///
    /// # Errors
    /// `XX000` when there can be no thread for timers.
    pub(crate) fn start_statement_timer(&mut self) -> PgResult<()> {
        let timeout_ms = self.settings.int(Parameter::StatementTimeout) as u64;
        if timeout_ms > 0 && self.statement_timer.is_none() {
            let interrupts = self.facts.backend.interrupts();
            let timekeeper = &self.facts.instance.timekeeper;
            let after = Duration::from_millis(timeout_ms);
            self.statement_timer = Some(timekeeper.start(after, interrupts, Interrupt::StatementTimeout)?);
        }
        Ok(())
    }

    /// The statement is over.
    pub(crate) fn stop_statement_timer(&mut self) {
        self.statement_timer = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_raise_in_time_and_not_when_dropped() {
        let keeper = Timekeeper::default();
        let interrupts: Arc<Interrupts> = Arc::default();
        let long = keeper.start(Duration::from_secs(3600), &interrupts, Interrupt::Cancel).expect("started");
        let short = keeper.start(Duration::from_millis(1), &interrupts, Interrupt::StatementTimeout);
        // Sleeps until something is raised.
        assert!(!interrupts.wait(None, || false));
        assert_eq!(
            interrupts.check().expect_err("raised").message(),
            "canceling statement due to statement timeout"
        );
        let again = keeper.start(Duration::ZERO, &interrupts, Interrupt::StatementTimeout).expect("started");
        assert!(!interrupts.wait(None, || false));
        drop((short, again, long));
        assert!(interrupts.check().is_ok());
        assert!(keeper.0.state.lock().due.is_empty());
    }
}
