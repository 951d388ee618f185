//! The caller's side of the control socket: a command to the daemon of a state directory, and the lines of its answer.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream as Caller;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::control::Command;
use super::state::State;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error(
        "no daemon answers on {}: {source}. Is it running, with this `state`, and is this the same user?",
        path.display()
    )]
    Away {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the daemon went away in the middle of its answer")]
    Broken,
    /// Somebody listens and says nothing.
    #[error("the daemon has not answered for {} s. The process lives and does nothing: is it stopped, or its disk? Whether the order is carried out is not known", PATIENCE.as_secs())]
    Silent,
    /// The daemon refused.
    #[error("{0}")]
    Refused(String),
    /// The configuration has faults, or what only a restart can change; each is told, and nothing has changed.
    #[error("{0}")]
    Configuration(String),
}

/// How long an answer is awaited that needs no work.
const PATIENCE: Duration = Duration::from_secs(30);

impl Command {
    /// How long its answer may take. What waits for messages in flight, or reads and writes files, takes as long as it takes.
    const fn patience(&self) -> Option<Duration> {
        match self {
            Self::Links
            | Self::Link { .. }
            | Self::Owed { .. }
            | Self::Day
            | Self::Status
            | Self::Requeue { .. }
            | Self::WriteOff { .. } => Some(PATIENCE),
            _ => None,
        }
    }
}

/// Asks the daemon of a state directory, and gives the lines of its answer, the last with `"ok":true`.
pub fn ask(state: &Path, command: &Command) -> Result<Vec<Value>, ControlError> {
    ask_within(command.patience(), state, command)
}

fn ask_within(
    patience: Option<Duration>,
    state: &Path,
    command: &Command,
) -> Result<Vec<Value>, ControlError> {
    let path = State::socket(state);
    let away = |source| ControlError::Away { path: path.clone(), source };
    let mut socket = Caller::connect(&path).map_err(away)?;
    socket.set_read_timeout(patience).or(Err(ControlError::Broken))?;
    let line = serde_json::to_string(command).or(Err(ControlError::Broken))?;
    writeln!(socket, "{line}").or(Err(ControlError::Broken))?;
    let mut lines = Vec::new();
    for line in BufReader::new(socket).lines() {
        let line = line.map_err(|fault| match fault.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ControlError::Silent,
            _ => ControlError::Broken,
        })?;
        let value: Value = serde_json::from_str(&line).or(Err(ControlError::Broken))?;
        if value.get("ok") == Some(&Value::Bool(false)) {
            let error = value.get("error").and_then(Value::as_str).unwrap_or_default().to_owned();
            let faults = value.get("faults") == Some(&Value::Bool(true));
            let refused = if faults { ControlError::Configuration } else { ControlError::Refused };
            return Err(refused(error));
        }
        lines.push(value);
    }
    let whole = lines.last().is_some_and(|last| last.get("ok") == Some(&Value::Bool(true)));
    if whole { Ok(lines) } else { Err(ControlError::Broken) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_says_nothing_is_not_waited_for() {
        let state = tempfile::tempdir().unwrap();
        let _listening =
            std::os::unix::net::UnixListener::bind(State::socket(state.path())).unwrap();
        let patience = Some(Duration::from_millis(20));
        let fault = ask_within(patience, state.path(), &Command::Links).unwrap_err();
        assert!(matches!(fault, ControlError::Silent), "{fault}");
        assert!(
            Command::Links.patience().is_some()
                && Command::Batches { limit: 1 }.patience().is_none()
        );
    }
}
