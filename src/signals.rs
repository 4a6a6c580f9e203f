//! When to stop: at SIGINT, at SIGTERM, and, for a member that another process owns, when that process has gone.

use std::io::Read;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// Completes at SIGINT or SIGTERM; with `owned`, also when standard input ends, which its owner holds open.
pub(crate) async fn told_to_stop(owned: bool) {
    let orphaned =
        async move { if owned { standard_input_ends().await } else { std::future::pending().await } };
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    match (interrupt, terminate) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = orphaned => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be received; stopping");
        }
    }
}

/// SIGHUPs as they come: nothing if the process cannot have them.
pub(crate) fn told_to_reload() -> Option<Signal> {
    match signal(SignalKind::hangup()) {
        Ok(told) => Some(told),
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be received");
            None
        }
    }
}

async fn standard_input_ends() {
    let (ended, wait) = oneshot::channel();
    let watch = move || {
        let mut bytes = [0; 64];
        while std::io::stdin().read(&mut bytes).is_ok_and(|count| count > 0) {}
        // Nobody waits any more when the process is ending anyway.
        let _ = ended.send(());
    };
    match std::thread::Builder::new().name("redoubt-owner".into()).spawn(watch) {
        Ok(_) => {
            let _ = wait.await;
        }
        Err(_) => std::future::pending().await,
    }
}

/// Blocks until told to stop.
pub(crate) fn wait(owned: bool) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(told_to_stop(owned)),
        Err(error) => tracing::error!(%error, "signals cannot be received; stopping"),
    }
}
