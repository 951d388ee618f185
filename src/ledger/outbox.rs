//! The directory that issuers' files leave from: each file appears whole, or not at all. Knows no contents.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::LedgerError;

/// SHA-256 of a file's contents.
pub(super) type Hash = [u8; 32];

/// Files under hidden names, until they are shown.
pub(super) struct Outbox<'a> {
    directory: &'a Path,
    names: Vec<String>,
}

/// One hidden file. Only its owner reads it: it holds cards.
pub(super) struct Part {
    path: PathBuf,
    file: fs::File,
    digest: Sha256,
    unsynced: usize,
}

/// So many bytes go to the disk at once: the journal's own way there is through the same queue.
const SYNC_LEN: usize = 4 << 20;

impl<'a> Outbox<'a> {
    /// Makes the directory where it is missing, and removes what a crash left there under hidden names.
    pub(super) fn open(directory: &'a Path) -> Result<Self, LedgerError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| disk("make", directory, source))?;
        for entry in fs::read_dir(directory).map_err(|source| disk("read", directory, source))? {
            let path = entry.map_err(|source| disk("read", directory, source))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let ours = name.starts_with(".clearing-") || name.starts_with(".positions-");
            if ours && name.ends_with(HIDDEN) {
                fs::remove_file(&path).map_err(|source| disk("remove", &path, source))?;
            }
        }
        Ok(Self { directory, names: Vec::new() })
    }

    /// A file will have this name; gives the hidden one.
    pub(super) fn named(&mut self, name: &str) -> PathBuf {
        self.names.push(name.to_owned());
        self.hidden(name)
    }

    /// Gives each its name, in the order in which they were named, durably; tells of each.
    pub(super) fn show(&mut self, mut shown: impl FnMut()) -> Result<(), LedgerError> {
        for name in &self.names {
            let (from, to) = (self.hidden(name), self.directory.join(name));
            fs::rename(&from, &to).map_err(|source| disk("rename to", &to, source))?;
            shown();
        }
        self.names.clear();
        let directory = fs::File::open(self.directory).and_then(|directory| directory.sync_all());
        directory.map_err(|source| disk("sync", self.directory, source))
    }

    /// Takes away what was not shown.
    pub(super) fn clear(self) {
        for name in &self.names {
            if fs::remove_file(self.hidden(name)).is_err() {
                // The next cut removes it.
            }
        }
    }

    fn hidden(&self, name: &str) -> PathBuf {
        self.directory.join(format!(".{name}{HIDDEN}"))
    }
}

impl Part {
    pub(super) fn create(path: &Path) -> Result<Self, LedgerError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|source| disk("create", path, source))?;
        Ok(Self { path: path.to_owned(), file, digest: Sha256::new(), unsynced: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), LedgerError> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(|source| disk("write", &self.path, source))?;
        self.unsynced += bytes.len();
        if self.unsynced >= SYNC_LEN {
            self.file.sync_data().map_err(|source| disk("sync", &self.path, source))?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Makes the contents durable and gives their digest.
    pub(super) fn end(self) -> Result<Hash, LedgerError> {
        self.file.sync_all().map_err(|source| disk("sync", &self.path, source))?;
        Ok(self.digest.finalize().into())
    }
}

fn disk(what: &'static str, path: &Path, source: io::Error) -> LedgerError {
    LedgerError::Io { what, path: path.to_owned(), source }
}

/// How the hidden names end.
const HIDDEN: &str = ".part";
