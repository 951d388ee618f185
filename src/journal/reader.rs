//! A follower's view: commits after a position, over the boundaries of files; never changes anything.

use std::path::{Path, PathBuf};

use super::file::{self, Access, File};
use super::{Commit, JournalError};
use crate::record::Lsn;

/// Reads a journal beside its writer, over a connection of its own.
pub struct Reader {
    directory: PathBuf,
    file: Option<File>,
    /// Where the bytes of commits were that were given back.
    room: Vec<Vec<u8>>,
}

impl Reader {
    /// A reader of a directory. The directory may still be empty, or missing.
    pub fn open(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), file: None, room: Vec::new() }
    }

    /// The first position that is there; none in an empty journal.
    pub fn oldest(&self) -> Result<Option<Lsn>, JournalError> {
        Ok(file::list(&self.directory)?.first().map(|name| name.first))
    }

    /// The last position that is there; none in an empty journal.
    pub fn newest(&self) -> Result<Option<Lsn>, JournalError> {
        let Some(name) = file::list(&self.directory)?.pop() else { return Ok(None) };
        let end = File::open(&self.directory, name, Access::Read)?.end()?;
        Ok(Some(Lsn(end.0.saturating_sub(1))))
    }

    /// The durable commits after a position, in order, until they are more than `limit_bytes`; nothing when
    /// there are none yet. The first one begins at or before the position after `lsn`, so that nothing is skipped.
    pub fn after(&mut self, lsn: Lsn, limit_bytes: usize) -> Result<Vec<Commit>, JournalError> {
        let from = Lsn(lsn.0.saturating_add(1));
        if let Some(file) = self.file.as_ref().filter(|file| file.name.first <= from) {
            let commits = file.read(from, limit_bytes, &mut self.room)?;
            if !commits.is_empty() {
                return Ok(commits);
            }
        }
        let names = file::list(&self.directory)?;
        let Some(name) = names.iter().rev().find(|name| name.first <= from) else {
            return match names.first() {
                Some(oldest) => Err(JournalError::Gone { lsn: from, oldest: oldest.first }),
                None => Ok(Vec::new()),
            };
        };
        if self.file.as_ref().is_none_or(|file| file.name != *name) {
            self.file = Some(File::open(&self.directory, *name, Access::Read)?);
        }
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        let commits = file.read(from, limit_bytes, &mut self.room)?;
        let newest = names.last() == Some(name);
        if commits.is_empty() && !newest {
            return Err(file.damaged(from, "it ends before the next file begins"));
        }
        Ok(commits)
    }

    /// Takes back what was read and is not needed any more: the next commits lie in the same memory, and who follows for ever
    /// does not fetch it anew, page by page, for each batch.
    pub fn give_back(&mut self, commits: Vec<Commit>) {
        self.room = commits.into_iter().map(|commit| commit.blob).collect();
    }
}
