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
    /// Why the last file that was due was not begun, until somebody asks.
    postponed: Option<JournalError>,
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
        if let Some(newest) = names.last() {
            sync(directory, *newest)?;
        }
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
        let journal = Self {
            settings: settings.clone(),
            file,
            next,
            followed: None,
            postponed: None,
            poisoned: false,
        };
        Ok((journal, Recovery { commits, next }))
    }

    /// Makes a commit durable: it is when this returns. After an error nothing is taken any more.
    ///
    /// A commit with a carry, of a later day than the file's, begins a new file. Where none can be begun, for want of
    /// descriptors or whatever else, the old one is as good as before: it goes on, and the next carry tries again.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), JournalError> {
        if self.poisoned {
            return Err(JournalError::Poisoned);
        }
        let done = self.try_commit(commit);
        self.poisoned = done.is_err();
        done
    }

    /// Why a file that was due was not begun, if so; each time is told once.
    pub const fn take_postponed(&mut self) -> Option<JournalError> {
        self.postponed.take()
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
        match &self.file {
            Some(file) if !(commit.carry && file.name.day < commit.day) => file.append(commit)?,
            _ => self.rotate(commit)?,
        }
        self.next = Lsn(commit.last().0.saturating_add(1));
        Ok(())
    }

    /// Begins a file with a commit, and unlinks what is too old.
    fn rotate(&mut self, commit: &Commit) -> Result<(), JournalError> {
        let name = Name { day: commit.day, first: commit.first };
        let file = match (self.begin(name)?, &self.file) {
            (Ok(file), _) => file,
            (Err(fault), None) => return Err(fault),
            (Err(fault), Some(old)) => {
                old.append(commit)?;
                self.postponed = Some(fault);
                return Ok(());
            }
        };
        file.append(commit)?;
        // Only now: closing the old one checkpoints it, and whatever that does, its commits are durable.
        drop(self.file.replace(file));
        self.retire(commit.day)
    }

    /// A new file; or why there is none, as if it had never been tried. An error when it may lie there all the same: recovery
    /// would go on in it.
    fn begin(&self, name: Name) -> Result<Result<File, JournalError>, JournalError> {
        let directory = &self.settings.directory;
        let fault = |source| JournalError::Io { what: "sync", path: directory.clone(), source };
        // Held already when descriptors are short.
        let held = match fs::File::open(directory) {
            Ok(held) => held,
            Err(source) => return Ok(Err(fault(source))),
        };
        let made =
            File::create(directory, name).and_then(|()| File::open(directory, name, Access::Write));
        if made.is_err() {
            for part in ["", "-wal", "-shm"] {
                remove(&directory.join(format!("{}{part}", name.text())))?;
            }
            held.sync_all().map_err(fault)?;
        }
        Ok(made)
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

/// What a process that was killed had written, and maybe not synced, is durable before anybody makes anything of it. Before
/// `SQLite` has it: closing a file that it has open would let go of its locks.
fn sync(directory: &Path, name: Name) -> Result<(), JournalError> {
    for part in ["", "-wal"] {
        let path = directory.join(format!("{}{part}", name.text()));
        match fs::File::open(&path).and_then(|file| file.sync_all()) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
            other => {
                other.map_err(|source| JournalError::Io { what: "sync", path, source })?;
            }
        }
    }
    Ok(())
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
        let here = file.read(next, usize::MAX, &mut Vec::new())?;
        next = here.last().map_or(next, |commit| Lsn(commit.last().0.saturating_add(1)));
        commits.extend(here);
    }
    match commits.first() {
        Some(first) if carries.contains(&from) && !(first.carry && first.first == from) => {
            Err(oldest.damaged(from, "no carry is where the list of carries says"))
        }
        _ => Ok(commits),
    }
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

#[cfg(test)]
mod tests {
    use super::super::{Reader, verify};
    use super::*;

    const DAY: u32 = 20_780;

    fn settings(directory: &Path) -> Settings {
        Settings { directory: directory.join("journal"), retention_days: 2 }
    }

    /// `count` records; their bytes are nobody's business here.
    fn commit(first: u64, count: u32, carry: bool, day: u32) -> Commit {
        let byte = u8::try_from(first % 251).unwrap();
        Commit { first: Lsn(first), count, carry, day, blob: vec![byte; 40 * count as usize] }
    }

    fn write(settings: &Settings, commits: &[Commit]) {
        let (mut journal, _) = Journal::open(settings).unwrap();
        for commit in commits {
            journal.commit(commit).unwrap();
        }
    }

    #[test]
    fn recovery_begins_at_the_last_carry_but_one() {
        for (carries, begins) in [
            (&[][..], 0),
            (&[0], 0),
            (&[1], 0),
            (&[0, 3], 0),
            (&[0, 3, 5], 3),
            (&[0, 3, 5, 7], 5),
            (&[6, 7], 6),
        ] {
            let scratch = tempfile::tempdir().unwrap();
            let settings = settings(scratch.path());
            let commits: Vec<_> = (0..8_u64)
                .map(|at| {
                    commit(
                        1 + at * 3,
                        3,
                        carries.contains(&at),
                        DAY + u32::try_from(at / 4).unwrap(),
                    )
                })
                .collect();
            write(&settings, &commits);
            let (_, recovery) = Journal::open(&settings).unwrap();
            assert_eq!(recovery.commits, commits[begins..], "carries at {carries:?}");
            assert_eq!(recovery.next, Lsn(25));
        }
    }

    #[test]
    fn a_later_day_begins_a_file_at_its_first_carry() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        let commits = [
            commit(1, 2, true, DAY),
            commit(3, 1, false, DAY + 1),
            commit(4, 5, true, DAY + 1),
            commit(9, 1, true, DAY),
            commit(10, 1, true, DAY + 2),
        ];
        write(&settings, &commits);
        let names: Vec<_> =
            file::list(&settings.directory).unwrap().iter().map(|name| name.first.0).collect();
        assert_eq!(names, [1, 4, 10]);
        let (_, recovery) = Journal::open(&settings).unwrap();
        assert_eq!(recovery.commits, commits[3..]);
        let mut reader = Reader::open(&settings.directory);
        for (after, limit, seen) in [
            (0, 1, 0..1),
            (0, usize::MAX, 0..2),
            (2, 1, 1..2),
            (3, 1, 2..3),
            (5, 999, 2..4),
            (9, 9, 4..5),
            (10, 9, 5..5),
        ] {
            assert_eq!(reader.after(Lsn(after), limit).unwrap(), commits[seen], "after {after}");
        }
    }

    #[test]
    fn a_reader_follows_the_writer_over_files() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        let mut reader = Reader::open(&settings.directory);
        let (mut journal, recovery) = Journal::open(&settings).unwrap();
        assert_eq!(recovery, Recovery { commits: Vec::new(), next: Lsn(1) });
        let mut seen = Lsn(0);
        for at in 0..20_u64 {
            assert!(reader.after(seen, usize::MAX).unwrap().is_empty());
            let commit = commit(1 + at * 7, 7, at % 5 == 0, DAY + u32::try_from(at / 6).unwrap());
            journal.commit(&commit).unwrap();
            assert_eq!(reader.after(seen, usize::MAX).unwrap(), std::slice::from_ref(&commit));
            seen = commit.last();
        }
        assert_eq!(journal.next(), Lsn(141));
    }

    #[test]
    fn a_file_that_cannot_begin_is_begun_later() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        let mut reader = Reader::open(&settings.directory);
        let (mut journal, _) = Journal::open(&settings).unwrap();
        let commits = [
            commit(1, 2, true, DAY),
            commit(3, 2, true, DAY + 1),
            commit(5, 1, false, DAY + 1),
            commit(6, 1, true, DAY + 1),
            commit(7, 1, false, DAY + 1),
        ];
        // A directory lies where the file would be made.
        let (due, later) =
            (Name { day: DAY + 1, first: Lsn(3) }, Name { day: DAY + 1, first: Lsn(6) });
        fs::create_dir_all(settings.directory.join(format!("{}.new", due.text()))).unwrap();
        let mut seen = Lsn(0);
        for (at, commit) in commits.iter().enumerate() {
            journal.commit(commit).unwrap();
            let told = journal.take_postponed().map(|fault| fault.to_string());
            assert_eq!(told.is_some_and(|told| told.contains(&due.text())), at == 1);
            assert_eq!(reader.after(seen, usize::MAX).unwrap(), std::slice::from_ref(commit));
            seen = commit.last();
        }
        let names = file::list(&settings.directory).unwrap();
        assert_eq!(names, [Name { day: DAY, first: Lsn(1) }, later]);
        drop(journal);
        fs::remove_dir(settings.directory.join(format!("{}.new", due.text()))).unwrap();
        assert_eq!(Journal::open(&settings).unwrap().1.commits, commits[1..]);
    }

    /// Made and named, and then it cannot be opened: it must not lie there, because recovery would go on in it.
    #[test]
    fn a_file_that_cannot_be_opened_is_taken_back() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        let (mut journal, _) = Journal::open(&settings).unwrap();
        journal.commit(&commit(1, 2, true, DAY)).unwrap();
        // No write-ahead log can be made beside it.
        let due = Name { day: DAY + 1, first: Lsn(3) };
        let log = settings.directory.join(format!("{}-wal", due.text()));
        fs::create_dir(&log).unwrap();
        assert!(journal.commit(&commit(3, 2, true, DAY + 1)).is_err(), "the log is in the way");
        assert!(!settings.directory.join(due.text()).exists());
    }

    #[test]
    fn old_files_go_unless_somebody_needs_them() {
        for (followed, oldest) in [(None, 7), (Some(0), 1), (Some(3), 4), (Some(9), 7)] {
            let scratch = tempfile::tempdir().unwrap();
            let settings = settings(scratch.path());
            let (mut journal, _) = Journal::open(&settings).unwrap();
            for (at, day) in [0, 1, 4, 6].into_iter().enumerate() {
                if let Some(lsn) = followed {
                    journal.followed(Lsn(lsn));
                }
                journal.commit(&commit(1 + 3 * at as u64, 3, true, DAY + day)).unwrap();
            }
            let mut reader = Reader::open(&settings.directory);
            assert_eq!(reader.oldest().unwrap(), Some(Lsn(oldest)));
            if oldest > 1 {
                assert!(matches!(reader.after(Lsn(0), 1), Err(JournalError::Gone { .. })));
            }
            drop(journal);
            assert_eq!(Journal::open(&settings).unwrap().1.commits.len(), 2);
        }
    }

    #[test]
    fn a_commit_out_of_order_poisons() {
        for bad in [commit(3, 1, false, DAY), commit(5, 1, false, DAY), commit(4, 0, false, DAY)] {
            let scratch = tempfile::tempdir().unwrap();
            let (mut journal, _) = Journal::open(&settings(scratch.path())).unwrap();
            journal.commit(&commit(1, 3, true, DAY)).unwrap();
            assert!(matches!(journal.commit(&bad), Err(JournalError::OutOfOrder { .. })));
            assert!(matches!(
                journal.commit(&commit(4, 1, false, DAY)),
                Err(JournalError::Poisoned)
            ));
        }
    }

    #[test]
    fn a_crash_while_a_file_begins() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        let commits = [commit(1, 2, true, DAY), commit(3, 2, true, DAY)];
        write(&settings, &commits);
        // Made and renamed, and no commit in it; another one half made; the companion of one that is gone.
        let empty = Name { day: DAY + 1, first: Lsn(5) };
        File::create(&settings.directory, empty).unwrap();
        let unborn = Name { day: DAY + 2, first: Lsn(6) };
        let leftovers = [
            format!("{}.new", unborn.text()),
            format!("{}.new-wal", unborn.text()),
            format!("{}-wal", Name { day: DAY, first: Lsn(77) }.text()),
        ];
        for leftover in &leftovers {
            fs::write(settings.directory.join(leftover), b"half").unwrap();
        }
        let (mut journal, recovery) = Journal::open(&settings).unwrap();
        assert_eq!(recovery, Recovery { commits: commits.to_vec(), next: Lsn(5) });
        assert!(leftovers.iter().all(|leftover| !settings.directory.join(leftover).exists()));
        journal.commit(&commit(5, 1, false, DAY + 1)).unwrap();
        drop(journal);
        assert_eq!(Journal::open(&settings).unwrap().1.commits.len(), 3);
    }

    #[test]
    fn a_missing_file_is_noticed() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        let commits: Vec<_> =
            (0..3_u32).map(|at| commit(1 + u64::from(at), 1, at != 2, DAY + at)).collect();
        write(&settings, &commits);
        let gone = Name { day: DAY, first: Lsn(1) }.text();
        fs::rename(settings.directory.join(&gone), scratch.path().join(&gone)).unwrap();
        // The carry in the second file is enough, and a reader is told what is missing.
        assert_eq!(Journal::open(&settings).unwrap().1.commits, commits[1..]);
        let mut reader = Reader::open(&settings.directory);
        assert!(matches!(reader.after(Lsn(0), 1), Err(JournalError::Gone { .. })));
        assert!(matches!(verify(&settings.directory), Err(JournalError::Damaged { .. })));
    }

    #[test]
    fn another_format_is_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let settings = settings(scratch.path());
        write(&settings, &[commit(1, 1, true, DAY)]);
        let path = settings.directory.join(Name { day: DAY, first: Lsn(1) }.text());
        let connection = rusqlite::Connection::open(path).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        drop(connection);
        assert!(matches!(Journal::open(&settings), Err(JournalError::Format { found: 2, .. })));
    }
}
