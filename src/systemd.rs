//! The service manager: what we tell systemd, and the credentials it hands us; knows nothing of what is served.
//!
//! Outside a service every call does nothing, so that the daemon need not ask where it runs.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sd_notify::NotifyState;

/// Start-up is over: sockets are bound, the journal is recovered.
pub fn ready() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Ready])
}

/// The configuration is being read again; [`ready`] ends that.
pub fn reloading() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?])
}

/// The daemon drains and then ends.
pub fn stopping() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Stopping])
}

/// One line for `systemctl status`. It may hold no secrets.
pub fn status(line: &str) -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Status(&line.replace('\n', " "))])
}

/// Still alive, and still making progress.
pub fn alive() -> io::Result<()> {
    sd_notify::notify(&[NotifyState::Watchdog])
}

/// Start-up or drain takes longer than the unit allows, and goes on: `more` from now.
pub fn patience(more: Duration) -> io::Result<()> {
    let usec = u32::try_from(more.as_micros()).unwrap_or(u32::MAX);
    sd_notify::notify(&[NotifyState::ExtendTimeoutUsec(usec)])
}

/// How often [`alive`] is due: half of the unit's `WatchdogSec`; none when it has no watchdog.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}

/// Where a credential of this name lies (`LoadCredential=` of the unit); none outside a service with credentials.
pub fn credential(name: &str) -> Option<PathBuf> {
    if name.is_empty() || name.contains('/') || name == ".." {
        return None;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the service manager's door: the directory of this service's credentials"
    )]
    let directory = std::env::var("CREDENTIALS_DIRECTORY").ok()?;
    Some(PathBuf::from(directory).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_a_service_nothing_happens() {
        ready().unwrap();
        reloading().unwrap();
        status("two\nlines").unwrap();
        patience(Duration::MAX).unwrap();
        assert_eq!(credential("../../etc/passwd"), None);
        assert_eq!(credential(""), None);
    }
}
