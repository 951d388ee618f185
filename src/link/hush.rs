//! At most so many log lines a while, so that one bad peer does not drown the others; knows no peers.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Says whether one more line may be logged.
#[derive(Debug, Default)]
pub struct Hush(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    said: u32,
    kept: u64,
}

impl Hush {
    /// Lines that one while may have.
    const LINES_MAX: u32 = 10;
    const WHILE: Duration = Duration::from_secs(10);

    /// Whether a line may be logged now; and then how many were kept back since the last while.
    pub fn may_say(&self) -> Option<u64> {
        let now = Instant::now();
        // A poisoned count of log lines is still a count of log lines.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.since.is_none_or(|since| Self::WHILE <= now.duration_since(since)) {
            let kept = state.kept;
            *state = State { since: Some(now), said: 1, kept: 0 };
            return Some(kept);
        }
        if state.said < Self::LINES_MAX {
            state.said += 1;
            return Some(0);
        }
        state.kept += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_lines_and_then_a_count() {
        let hush = Hush::default();
        for _ in 0..10 {
            assert_eq!(hush.may_say(), Some(0));
        }
        assert_eq!((hush.may_say(), hush.may_say()), (None, None));
        tokio::time::advance(Hush::WHILE).await;
        assert_eq!((hush.may_say(), hush.may_say()), (Some(2), Some(0)));
    }
}
