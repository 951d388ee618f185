//! The books: what follows from the journal, in one `SQLite` file for people and for clearing. Knows no sockets.
//!
//! A follower writes rows and its position in one transaction, so each record counts exactly once; a file that is
//! lost is built again from the journal. Everything here can be read with `sqlite3 -readonly books.db`.

mod approvals;
mod captures;
mod columns;
mod deeds;
mod follow;
mod keys;
mod lists;
mod orders;
mod pens;
mod rows;
mod tables;
mod traces;
mod view;
pub mod why;

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::iso::BusinessDate;
use crate::journal::JournalError;
use crate::record::{BadRecord, Lsn, TxnId};
use crate::seal::Keys;

pub use approvals::Approved;
pub use captures::{Cut, Member};
pub use deeds::Deed;
pub use follow::{BATCH_WAL_BYTES, Progress};
pub use lists::{Orphan, Totals};
pub use orders::Ordered;
pub(crate) use pens::Pen;
pub use tables::WAL_BYTES;
pub use view::{Line, OfTerminal, Still, View};

/// The books of a state directory; one thread owns them.
pub struct Books {
    connection: Connection,
    keys: Arc<Keys>,
    /// What the tables hold, and where the follower stands.
    state: State,
    /// Transactions as the tables have them, which the next records are likely to change.
    recent: follow::Recent,
    /// The keys that are in no drawer yet, as the tables have them.
    fresh: Vec<keys::Entry>,
    /// The last pair of each link, as far as it was asked for.
    given: traces::Given,
}

/// Where the follower stands; a row of its own, written with the rows that it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// The last record that is in the tables.
    position: Lsn,
    /// The first record that was followed: what opened before it may be unknown here.
    since: Lsn,
    /// The last day that was cut; day 0 before the first.
    cut: BusinessDate,
}

/// What went wrong with the books. The journal is not touched by any of these.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The operating system refused.
    #[error("the books cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("books.db: {0}: make room, and start the daemon again; nothing is lost")]
    Full(Box<rusqlite::Error>),
    /// `SQLite` refused.
    #[error(
        "books.db: {0}; the journal is the truth: stop the daemon, move books.db* away and start it again, and they are rebuilt"
    )]
    Sqlite(Box<rusqlite::Error>),
    /// A program of another time wrote them.
    #[error(
        "books.db has format {found}, and this program writes format {known}: its next `run` takes formats 2 to 4 over as they are; of another one move books.db* away, and they are rebuilt from the journal"
    )]
    Format {
        /// The format they say they have.
        found: i64,
        /// The format that is known here.
        known: i64,
    },
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record in the journal, or a standing in the books, is damaged.
    #[error(transparent)]
    Record(#[from] BadRecord),
    /// A record changes a transaction that should be here and is not.
    #[error("lsn {}: transaction {} is not in the books; move books.db* away and they are rebuilt from the journal", lsn.0, txn.0)]
    Unknown {
        /// The record.
        lsn: Lsn,
        /// The transaction.
        txn: TxnId,
    },
}

impl From<rusqlite::Error> for BooksError {
    fn from(source: rusqlite::Error) -> Self {
        if source.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            return Self::Full(Box::new(source));
        }
        Self::Sqlite(Box::new(source))
    }
}

impl Books {
    /// Opens the books of a directory, or begins them.
    pub fn open(directory: &Path, keys: Arc<Keys>) -> Result<Self, BooksError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| BooksError::Io { what: "make", path: directory.to_owned(), source })?;
        let path = directory.join("books.db");
        // `SQLite` gives the files beside it the same mode.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| BooksError::Io { what: "open", path: path.clone(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        tables::prepare(&connection)?;
        let state = tables::state(&connection)?;
        let (recent, given) = (follow::Recent::default(), traces::Given::default());
        let fresh = Vec::new();
        let mut books = Self { connection, keys, state, recent, fresh, given };
        books.fresh = books.fresh_keys()?;
        Ok(books)
    }

    /// The last record that is in the books.
    pub const fn position(&self) -> Lsn {
        self.state.position
    }

    /// The last day that was cut, as far as the books have followed; day 0 before the first.
    pub const fn cut(&self) -> BusinessDate {
        self.state.cut
    }
}

#[cfg(test)]
mod tests;
