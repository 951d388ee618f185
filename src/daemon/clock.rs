//! The two clocks of the process, and the one place where wall time enters it.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::iso::{Mono, Now, Wall};

/// The clocks, since the process began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    began: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { began: Instant::now() }
    }

    pub(super) fn now(self) -> Now {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one door through which wall time comes in; everybody else is told"
        )]
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = Wall(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX));
        Now { mono: Mono(self.ms()), wall }
    }

    /// Milliseconds since the process began.
    pub(super) fn ms(self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
