//! One journal file: its name, its tables, its checksums; knows nothing of its neighbours.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};

use super::{Commit, JournalError};
use crate::iso::BusinessDate;
use crate::record::Lsn;

/// The format of the tables below, in each file's `user_version`.
const FORMAT: i64 = 1;

/// `PRAGMA application_id`, so that `file` and people can tell what it is: "8583".
const APPLICATION: i64 = 0x3835_3833;

/// Bytes of a page.
const PAGE_BYTES: u32 = 8192;

/// After so many pages the write-ahead log is copied into the file.
const CHECKPOINT_PAGES: u32 = 1000;

/// How long the write-ahead log grows, but for the commit that ends it.
pub const WAL_BYTES: u64 = PAGE_BYTES as u64 * CHECKPOINT_PAGES as u64;

/// `carries` says where recovery may begin without reading a blob.
const TABLES: &str = "
    CREATE TABLE commits (
        first INTEGER PRIMARY KEY, count INTEGER NOT NULL, day INTEGER NOT NULL,
        carry INTEGER NOT NULL, crc INTEGER NOT NULL, blob BLOB NOT NULL
    ) STRICT;
    CREATE TABLE carries (first INTEGER PRIMARY KEY) STRICT;
";

/// What a file is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The UTC day on which it was begun, as days since 1970.
    pub(super) day: u32,
    /// The position of its first record.
    pub(super) first: Lsn,
}

/// An open file.
pub(super) struct File {
    pub(super) name: Name,
    connection: Connection,
}

/// What a connection may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
}

impl Name {
    /// `journal-20261123-00000000000000000001.db`.
    pub(super) fn text(self) -> String {
        let (year, month, day) = BusinessDate(self.day).parts();
        format!("journal-{year:04}{month:02}{day:02}-{:020}.db", self.first.0)
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (date, first) = text.strip_prefix("journal-")?.strip_suffix(".db")?.split_once('-')?;
        if date.len() != 8 || first.len() != 20 || !text.is_ascii() {
            return None;
        }
        let (year, month_day) = date.split_at_checked(4)?;
        let (month, day) = month_day.split_at_checked(2)?;
        let day = BusinessDate::from_text(&format!("{year}-{month}-{day}")).ok()?;
        let name = Self { day: day.0, first: Lsn(first.parse().ok()?) };
        (name.text() == text).then_some(name)
    }
}

/// The files of a directory, oldest first.
pub(super) fn list(directory: &Path) -> Result<Vec<Name>, JournalError> {
    let fault = |source| JournalError::Io { what: "list", path: directory.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        names.extend(entry.file_name().to_str().and_then(Name::from_text));
    }
    names.sort_by_key(|name| name.first);
    Ok(names)
}

/// Makes the directory's entries durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), JournalError> {
    let fault = |source| JournalError::Io { what: "sync", path: directory.to_owned(), source };
    fs::File::open(directory).and_then(|file| file.sync_all()).map_err(fault)
}

impl File {
    /// Makes an empty file. It appears under its name with its tables in it, or not at all.
    pub(super) fn create(directory: &Path, name: Name) -> Result<(), JournalError> {
        let path = directory.join(name.text());
        let unborn = directory.join(format!("{}.new", name.text()));
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { what, path, source }
        };
        // What an earlier process left of it has no commits: those come after the rename.
        for leftover in ["", "-wal", "-shm", "-journal"] {
            let leftover = directory.join(format!("{}.new{leftover}", name.text()));
            if leftover.exists() {
                fs::remove_file(&leftover).map_err(io("remove", &leftover))?;
            }
        }
        // SQLite gives the files beside it the same mode.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unborn);
        let file = file.map_err(io("create", &unborn))?;
        let fill = || {
            let connection =
                Connection::open_with_flags(&unborn, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            connection.pragma_update(None, "application_id", APPLICATION)?;
            connection.pragma_update(None, "user_version", FORMAT)?;
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.execute_batch(TABLES)?;
            connection.close().map_err(|(_, fault)| fault)
        };
        fill().map_err(|source| name.fault(source))?;
        file.sync_all().map_err(io("sync", &unborn))?;
        fs::rename(&unborn, &path).map_err(io("rename", &unborn))?;
        sync_directory(directory)
    }

    /// Opens a file that `create` made.
    pub(super) fn open(directory: &Path, name: Name, access: Access) -> Result<Self, JournalError> {
        let flags = match access {
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let connect = || {
            let connection = Connection::open_with_flags(
                directory.join(name.text()),
                flags | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            )?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "trusted_schema", false)?;
            if access == Access::Write {
                connection.pragma_update(None, "synchronous", "FULL")?;
                connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
                // A reader may have held a checkpoint up; the file then shrinks again.
                connection
                    .pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
            }
            let format = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            Ok((connection, format))
        };
        let (connection, found) = connect().map_err(|source| name.fault(source))?;
        if found != FORMAT {
            return Err(JournalError::Format { file: name.text(), found, known: FORMAT });
        }
        Ok(Self { name, connection })
    }

    /// Appends a commit. It is durable when this returns.
    pub(super) fn append(&self, commit: &Commit) -> Result<(), JournalError> {
        self.try_append(commit).map_err(|source| self.name.fault(source))
    }

    fn try_append(&self, commit: &Commit) -> rusqlite::Result<()> {
        let first = commit.first.0.cast_signed();
        // A row alone is its own transaction; a carry is two rows in one.
        let whole =
            if commit.carry { Some(self.connection.unchecked_transaction()?) } else { None };
        self.connection
            .prepare_cached("INSERT INTO commits (first, count, day, carry, crc, blob) VALUES (?, ?, ?, ?, ?, ?)")?
            .execute(params![first, commit.count, commit.day, commit.carry, checksum(commit), commit.blob])?;
        let Some(whole) = whole else { return Ok(()) };
        self.connection
            .prepare_cached("INSERT INTO carries (first) VALUES (?)")?
            .execute([first])?;
        whole.commit()
    }

    /// The positions of the newest carries, newest first, at most `limit`.
    pub(super) fn carries(&self, limit: usize) -> Result<Vec<Lsn>, JournalError> {
        let read = || -> rusqlite::Result<_> {
            let mut ask =
                self.connection.prepare("SELECT first FROM carries ORDER BY first DESC LIMIT ?")?;
            let rows =
                ask.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))?;
            rows.map(|first| first.map(|first: i64| Lsn(first.cast_unsigned())))
                .collect::<Result<_, _>>()
        };
        read().map_err(|source| self.name.fault(source))
    }

    /// The position after its last record; its first when it is empty.
    pub(super) fn end(&self) -> Result<Lsn, JournalError> {
        let last = self
            .connection
            .query_row("SELECT first, count FROM commits ORDER BY first DESC LIMIT 1", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, u32>(1)?))
            })
            .optional()
            .map_err(|source| self.name.fault(source))?;
        let Some((first, count)) = last else { return Ok(self.name.first) };
        Ok(Lsn(first.cast_unsigned().saturating_add(u64::from(count))))
    }

    /// The commits from the one that holds `from` on, until they are more than `limit_bytes` (one is always given),
    /// checked: checksums, and that each begins where the one before it ended. Their bytes are put where there is room.
    pub(super) fn read(
        &self,
        from: Lsn,
        limit_bytes: usize,
        room: &mut Vec<Vec<u8>>,
    ) -> Result<Vec<Commit>, JournalError> {
        let sql = "SELECT first, count, day, carry, crc, blob FROM commits
            WHERE first >= ifnull((SELECT max(first) FROM commits WHERE first <= ?1), ?1) ORDER BY first";
        let fault = |source| self.name.fault(source);
        let mut ask = self.connection.prepare_cached(sql).map_err(fault)?;
        let mut rows = ask.query([from.0.cast_signed()]).map_err(fault)?;
        let mut commits = Vec::new();
        let mut bytes = 0;
        let mut expected = None;
        while let Some(row) = rows.next().map_err(fault)? {
            let (commit, crc) = commit(row, room.pop().unwrap_or_default()).map_err(fault)?;
            self.check(&commit, crc, expected)?;
            expected = Some(Lsn(commit.last().0.saturating_add(1)));
            if commit.last() < from {
                continue;
            }
            bytes = commit.blob.len().saturating_add(bytes);
            commits.push(commit);
            if limit_bytes <= bytes {
                break;
            }
        }
        match commits.first() {
            Some(first) if first.first > from => {
                Err(self.damaged(from, "the commit that holds it is missing"))
            }
            _ => Ok(commits),
        }
    }

    fn check(&self, commit: &Commit, crc: u32, expected: Option<Lsn>) -> Result<(), JournalError> {
        if crc != checksum(commit) {
            return Err(self.damaged(commit.first, "its checksum does not fit"));
        }
        if commit.count == 0 || expected.is_some_and(|expected| expected != commit.first) {
            return Err(self.damaged(expected.unwrap_or(commit.first), "records are missing there"));
        }
        Ok(())
    }

    pub(super) fn damaged(&self, lsn: Lsn, what: &'static str) -> JournalError {
        JournalError::Damaged { file: self.name.text(), lsn, what }
    }
}

impl Name {
    pub(super) fn fault(self, source: rusqlite::Error) -> JournalError {
        JournalError::Sqlite { file: self.text(), source: Box::new(source) }
    }
}

fn commit(row: &Row<'_>, mut blob: Vec<u8>) -> rusqlite::Result<(Commit, u32)> {
    blob.clear();
    blob.extend_from_slice(row.get_ref(5)?.as_blob()?);
    let first = Lsn(row.get::<_, i64>(0)?.cast_unsigned());
    Ok((
        Commit { first, count: row.get(1)?, day: row.get(2)?, carry: row.get(3)?, blob },
        row.get(4)?,
    ))
}

/// Over everything that the row says, so that no column of it can be exchanged.
fn checksum(commit: &Commit) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&commit.first.0.to_le_bytes());
    crc.update(&commit.count.to_le_bytes());
    crc.update(&commit.day.to_le_bytes());
    crc.update(&[u8::from(commit.carry)]);
    crc.update(&commit.blob);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        let name = Name { day: 20_780, first: Lsn(42) };
        assert_eq!(name.text(), "journal-20261123-00000000000000000042.db");
        assert_eq!(Name::from_text(&name.text()), Some(name));
        for bad in [
            "journal-20261123-00000000000000000042.db-wal",
            "journal-20261123-00000000000000000042.db.new",
            "journal-20261331-00000000000000000042.db",
            "journal-20261123-42.db",
            "journal-20261123-+0000000000000000042.db",
            "books.db",
        ] {
            assert_eq!(Name::from_text(bad), None, "{bad}");
        }
    }
}
