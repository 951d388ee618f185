//! When a simulation that started others is told to end; those others end with it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::SimError;

/// Ctrl-C, SIGTERM, or a terminal that is closed; one that comes while nobody listens is kept.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stop {
    /// Begins to listen; within a runtime.
    pub(super) fn listen() -> Result<Self, SimError> {
        let listen = |kind| {
            signal(kind)
                .map_err(|source| SimError::System { what: "listening for signals", source })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them.
    pub(super) async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
