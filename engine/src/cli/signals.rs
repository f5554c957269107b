//! Ctrl-C and SIGTERM.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::task::JoinSet;

use super::say;
use crate::RunStopper;

/// Watches for signals while it lives: the first stops the run, which rolls back; the second exits at once.
pub(super) struct Signals {
    code: Arc<AtomicU8>,
    _watch: JoinSet<()>,
}

impl Signals {
    /// Stops a run at the first signal.
    pub(super) fn stop(stopper: RunStopper) -> Self {
        let code = Arc::new(AtomicU8::new(0));
        let mut watch = JoinSet::new();
        let received = Arc::clone(&code);
        watch.spawn(async move {
            loop {
                let signal = next_signal().await;
                if received.swap(signal, Ordering::Relaxed) != 0 {
                    std::process::exit(i32::from(signal));
                }
                say("stopping: what is open is rolled back; press Ctrl-C again to exit at once");
                stopper.stop();
            }
        });
        Self { code, _watch: watch }
    }

    /// The exit code of the signal that came, if one did: 130 for Ctrl-C, 143 for SIGTERM.
    pub(super) fn received(&self) -> Option<u8> {
        match self.code.load(Ordering::Relaxed) {
            0 => None,
            code => Some(code),
        }
    }
}

/// Waits for a signal and gives its exit code.
#[cfg(unix)]
pub(super) async fn next_signal() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}

/// Waits for Ctrl-C and gives its exit code.
#[cfg(not(unix))]
pub(super) async fn next_signal() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 130,
        Err(_) => std::future::pending().await,
    }
}
