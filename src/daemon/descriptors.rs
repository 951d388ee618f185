//! Limits of the process: file descriptors, how many a configuration may need and how many there may be; and no cores.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Place};

/// What the switch needs for itself: its threads, the journal's files beside one that begins, the books, the console's and the
/// control socket's callers, and what peers are not given.
const OWN: u64 = 192;

/// How many descriptors a configuration may come to need, with every session that it allows.
pub fn needed(config: &Config) -> u64 {
    let sessions = |place: &Place| match place {
        Place::Listen { sessions_max, .. } => 1 + *sessions_max,
        Place::Dial { sessions, .. } => *sessions,
    };
    let sessions: usize = config.links.iter().map(|link| sessions(&link.place)).sum();
    OWN.saturating_add(u64::try_from(sessions).unwrap_or(u64::MAX))
}

/// What to do when a configuration may need more than a process may have, which is its hard limit; else nothing.
pub fn shortage(config: &Config) -> Option<String> {
    let (needed, allowed) = (needed(config), getrlimit(Resource::Nofile).maximum?);
    (allowed < needed).then(|| {
        format!(
            "with every session that the links allow the switch needs {needed} file descriptors, and may have {allowed}: \
             raise the limit (LimitNOFILE= in the unit, `ulimit -Hn` in a shell), or lower sessions_max"
        )
    })
}

/// No core of this process is written, whatever its service manager or shell says: cards in flight and keys would lie in it.
pub fn forbid_cores() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Raises the soft limit to the hard one: the usual soft one of 1,024 is for programs of another time.
pub fn raise() -> std::io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return Ok(());
    }
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    Ok(())
}
