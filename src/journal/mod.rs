//! Records in order, durable in groups: `SQLite` files of one row a commit. Must not know what a record means.
//!
//! A file is named after the UTC day and the position it begins at, and begins with a carry; a commit lies in one file.
//! [`Journal`] is the one writer; a [`Reader`] follows it over its own connection; [`verify()`] reads everything.

mod file;
mod reader;
mod verify;
mod writer;

use std::path::PathBuf;

use crate::record::Lsn;

pub use file::WAL_BYTES;
pub use reader::Reader;
pub use verify::{Summary, verify};
pub use writer::{Journal, Recovery};

/// Where the journal lies and how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The directory of its files; made when it is missing.
    pub directory: PathBuf,
    /// Files older than this many days are unlinked, 1 to 3650.
    pub retention_days: u32,
}

/// Records that become durable together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The position of the first.
    pub first: Lsn,
    /// How many there are, from 1 on.
    pub count: u32,
    /// Whether a whole carry is among them, so that recovery may begin here.
    pub carry: bool,
    /// The UTC day of the newest, as days since 1970.
    pub day: u32,
    /// Their bytes, as `record::encode` wrote them.
    pub blob: Vec<u8>,
}

/// What went wrong with the journal. The daemon ends with exit code 74 on any of these.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("the journal cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `SQLite` refused: a full disk, a damaged file, a lock.
    #[error(
        "journal file {file}: {source}; nothing after the last good commit was acknowledged. Look at the disk, then run `journal verify`"
    )]
    Sqlite {
        /// The file's name.
        file: String,
        /// What it said.
        source: Box<rusqlite::Error>,
    },
    /// A row is not what was written.
    #[error(
        "journal file {file}, lsn {}: {what}. It is refused as a whole, nothing was changed: restore this file from a copy, or run `journal verify` to see what else is damaged",
        lsn.0
    )]
    Damaged {
        /// The file's name.
        file: String,
        /// The first position that cannot be trusted.
        lsn: Lsn,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A program of another time wrote it.
    #[error(
        "journal file {file} has format {found}, and this program reads format {known}: use the program that wrote it"
    )]
    Format {
        /// The file's name.
        file: String,
        /// The format it says it has.
        found: i64,
        /// The format that is known here.
        known: i64,
    },
    /// The position is older than the oldest file.
    #[error("lsn {} is no longer in the journal: the oldest file begins at lsn {}", lsn.0, oldest.0)]
    Gone {
        /// What was asked for.
        lsn: Lsn,
        /// The first that is there.
        oldest: Lsn,
    },
    /// A commit does not begin where the last one ended: a mistake of the caller.
    #[error("a commit of {count} records at lsn {} was handed over, and lsn {} is next", got.0, expected.0)]
    OutOfOrder {
        /// The next free position.
        expected: Lsn,
        /// Where it begins.
        got: Lsn,
        /// How many records it has.
        count: u32,
    },
    /// An earlier commit failed, and a failed sync is never retried.
    #[error("an earlier commit failed: this journal takes no more until the process begins again")]
    Poisoned,
}

impl Commit {
    /// The position of its last record.
    pub const fn last(&self) -> Lsn {
        Lsn(self.first.0.saturating_add(self.count as u64).saturating_sub(1))
    }
}
