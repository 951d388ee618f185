//! The one writer: commits in order, a new file a day, old files unlinked, and where recovery begins.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::file::{self, Access, File, Name};
use super::{Commit, JournalError, Settings};
use crate::record::Lsn;

/// The one writer.
pub struct Journal {
    settings: Settings,
    file: Option<File>,
    next: Lsn,
    /// What the followers have read; none when nobody has said so.
    followed: Option<Lsn>,
    poisoned: bool,
}

/// What a process that begins must know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The commits from the last carry but one on, from the first there is when there are fewer: at least one
    /// interval between carries, so that the duplicate window can be rebuilt.
    pub commits: Vec<Commit>,
    /// The next free position.
    pub next: Lsn,
}

impl Journal {
    /// Opens the journal of a directory, or begins one.
    pub fn open(settings: &Settings) -> Result<(Self, Recovery), JournalError> {
        let directory = &settings.directory;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| JournalError::Io { what: "make", path: directory.clone(), source })?;
        sweep(directory)?;
        let names = file::list(directory)?;
        let mut files = Vec::new();
        let mut carries = Vec::new();
        for name in names.iter().rev() {
            let file = File::open(directory, *name, Access::Write)?;
            carries.extend(file.carries(2_usize.saturating_sub(carries.len()))?);
            files.push(file);
            if 2 <= carries.len() {
                break;
            }
        }
        files.reverse();
        let commits = recovered(&files, &carries)?;
        let file = files.pop();
        let next = file.as_ref().map_or(Ok(Lsn(1)), File::end)?;
        let journal =
            Self { settings: settings.clone(), file, next, followed: None, poisoned: false };
        Ok((journal, Recovery { commits, next }))
    }

    /// Makes a commit durable: it is when this returns. After an error nothing is taken any more.
    ///
    /// A commit with a carry, of a later day than the file's, begins a new file.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let done = self.try_commit(commit);
        self.poisoned = done.is_err();
        done
    }

    /// The next free position.
    pub const fn next(&self) -> Lsn {
        self.next
    }

    /// Says how far the followers have read: no file with anything after that is unlinked.
    pub const fn followed(&mut self, lsn: Lsn) {
        self.followed = Some(lsn);
    }

    fn try_commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        // Positions are signed in SQLite; a counter does not get there.
        let fits = i64::try_from(commit.last().0).is_ok();
        if commit.first != self.next || commit.count == 0 || !fits {
            let (expected, got, count) = (self.next, commit.first, commit.count);
            return Err(JournalError::OutOfOrder { expected, got, count });
        }
        match &mut self.file {
            Some(file) if !(commit.carry && file.name.day < commit.day) => file.append(commit)?,
            _ => self.rotate(commit)?,
        }
        self.next = Lsn(commit.last().0.saturating_add(1));
        Ok(())
    }

    /// Begins a file with a commit, and unlinks what is too old.
    fn rotate(&mut self, commit: &Commit) -> Result<(), JournalError> {
        let directory = &self.settings.directory;
        let name = Name { day: commit.day, first: commit.first };
        File::create(directory, name)?;
        let file = File::open(directory, name, Access::Write)?;
        file.append(commit)?;
        // Only now: closing the old one checkpoints it, and whatever that does, its commits are durable.
        drop(self.file.replace(file));
        self.retire(commit.day)
    }

    /// Recovery needs two carries, and each file begins with one: the newest two always stay.
    fn retire(&self, today: u32) -> Result<(), JournalError> {
        let directory = &self.settings.directory;
        let names = file::list(directory)?;
        let newest_to_go = names.len().saturating_sub(2);
        for (name, later) in names.iter().zip(names.iter().skip(1)).take(newest_to_go) {
            let kept = name.day.saturating_add(self.settings.retention_days) >= today;
            let unread =
                self.followed.is_some_and(|followed| followed.0.saturating_add(1) < later.first.0);
            if kept || unread {
                break;
            }
            for part in ["", "-wal", "-shm"] {
                remove(&directory.join(format!("{}{part}", name.text())))?;
            }
        }
        file::sync_directory(directory)
    }
}

/// The commits from the last carry but one. `files` are in order and gapless, `carries` newest first.
fn recovered(files: &[File], carries: &[Lsn]) -> Result<Vec<Commit>, JournalError> {
    let Some(oldest) = files.first() else { return Ok(Vec::new()) };
    let from = match carries {
        [_, last_but_one, ..] => *last_but_one,
        // Fewer, and nothing was unlinked: all there is.
        _ if oldest.name.first == Lsn(1) => Lsn(1),
        [only] => *only,
        [] => return Err(oldest.damaged(oldest.name.first, "no carry is left to begin from")),
    };
    let mut commits: Vec<Commit> = Vec::new();
    let mut next = from;
    for file in files {
        if next < file.name.first {
            return Err(file.damaged(next, "records are missing before it"));
        }
        let here = file.read(next, usize::MAX)?;
        next = here.last().map_or(next, |commit| Lsn(commit.last().0.saturating_add(1)));
        commits.extend(here);
    }
    Ok(commits)
}

/// Removes what a crash left: files that were being made, and companions of files that were unlinked.
fn sweep(directory: &Path) -> Result<(), JournalError> {
    let fault = |source| JournalError::Io { what: "list", path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let owner = ["-wal", "-shm"].iter().find_map(|part| name.strip_suffix(part));
        let orphan = owner.is_some_and(|owner| {
            Name::from_text(owner).is_some() && !directory.join(owner).exists()
        });
        let unborn =
            name.split_once(".new").is_some_and(|(born, _)| Name::from_text(born).is_some());
        if orphan || unborn {
            remove(&directory.join(name))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| JournalError::Io {
            what: "remove",
            path: path.to_owned(),
            source,
        }),
    }
}
