//! The state directory: one process at a time, and where its parts lie.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::seal::Keys;

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
    /// Other keys sealed its cards and made its hashes.
    #[error(
        "the state directory {} belongs to the key {held}, and the key at hand is {given}: repeats would be taken for new \
         payments. Give it its own key",
        directory.display()
    )]
    OtherKey {
        /// Which.
        directory: PathBuf,
        /// The key that it belongs to, as its id says.
        held: String,
        /// The key at hand.
        given: String,
    },
    /// It would be made where nothing is.
    #[error(
        "the state directory {} is missing, and so is the one that it would be made in. Is its disk mounted? A switch that begins without \
         its journal takes repeats for new payments: make the directory if that is meant",
        directory.display()
    )]
    NoParent {
        /// Which.
        directory: PathBuf,
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
    /// Makes the directory if it is missing, though not what it lies in, and takes it.
    pub fn take(directory: &Path) -> Result<Self, StateError> {
        let io = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { doing, path, source }
        };
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => tracing::warn!(
                directory = %directory.display(),
                "the state directory was missing and is new: nothing is known of what was before"
            ),
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {}
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                return Err(StateError::NoParent { directory: directory.to_owned() });
            }
            Err(fault) => return Err(io("make", directory)(fault)),
        }
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

    /// Ties the directory to a key, or sees that it is tied to this one. The id says nothing about the key.
    pub fn belongs_to(&self, keys: &Keys) -> Result<(), StateError> {
        let path = self.directory.join("key.id");
        let given = format!("{:08x}", keys.id());
        match fs::read_to_string(&path) {
            Ok(held) if held.trim() == given => Ok(()),
            Ok(held) => {
                let held = held.trim().to_owned();
                Err(StateError::OtherKey { directory: self.directory.clone(), held, given })
            }
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                fs::write(&path, format!("{given}\n")).map_err(|source| StateError::Io {
                    doing: "write",
                    path,
                    source,
                })
            }
            Err(source) => Err(StateError::Io { doing: "read", path, source }),
        }
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
        first.belongs_to(&Keys::new(&[1; 32])).unwrap();
        drop(first);
        let again = State::take(&path).unwrap();
        again.belongs_to(&Keys::new(&[1; 32])).unwrap();
        assert!(matches!(again.belongs_to(&Keys::new(&[2; 32])), Err(StateError::OtherKey { .. })));
        // A disk that is not mounted is no empty directory.
        let fault = State::take(&directory.path().join("disk/state")).unwrap_err();
        assert!(fault.to_string().contains("Is its disk mounted?"), "{fault}");
        assert!(!directory.path().join("disk").exists());
    }
}
