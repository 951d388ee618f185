//! The wall clock of simulated peers, read in one place; knows nothing else.

use crate::iso::Wall;

/// What the wall says now.
#[expect(clippy::disallowed_methods, reason = "the one place where simulated peers read the wall")]
pub fn wall() -> Wall {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Wall(since.ok().and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or(0))
}
