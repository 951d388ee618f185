//! The state directory: one process at a time, and where its parts lie.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A state directory that is ours until this is dropped, or the process ends however it ends.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    /// Locked.
    _lock: File,
}

/// Why a state directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another process has it.
    #[error(
        "the state directory {} is in use by another iso8583d{}: one switch, one directory. Stop that one, or give this one another `state`",
        directory.display(),
        pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    Taken {
        /// Which.
        directory: PathBuf,
        /// Who, if that can be read.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl State {
    /// Makes the directory if it is missing, and takes it.
    pub fn take(directory: &Path) -> Result<Self, StateError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { doing, path, source }
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(io("make", directory))?;
        let path = directory.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Who it is only makes the message better.
                let pid = fs::read_to_string(&path).ok().and_then(|pid| pid.trim().parse().ok());
                return Err(StateError::Taken { directory: directory.to_owned(), pid });
            }
            Err(TryLockError::Error(fault)) => return Err(io("lock", &path)(fault)),
        }
        let mut write = || {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        write().map_err(io("write", &path))?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where commands are taken.
    pub fn socket(directory: &Path) -> PathBuf {
        directory.join("control.sock")
    }

    /// Where the tags of frames lie that broke the switch.
    pub(super) fn quarantine(&self) -> PathBuf {
        self.directory.join("quarantine")
    }

    /// Free bytes where the directory lies.
    pub(super) fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.directory)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Removes what an earlier process left at a path, if anything.
    pub(super) fn clear(path: &Path) -> Result<(), StateError> {
        match fs::remove_file(path) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                Err(StateError::Io { doing: "remove", path: path.to_owned(), source: fault })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_one_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let first = State::take(&path).unwrap();
        assert!(first.free().unwrap() > 0);
        let fault = State::take(&path).unwrap_err().to_string();
        assert!(fault.contains(&format!("process {}", std::process::id())), "{fault}");
        drop(first);
        State::take(&path).unwrap();
    }
}
