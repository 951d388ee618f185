//! The ledger: what merchants claim, what becomes of each claim, and who owes whom, in one `SQLite` file, `clearing.db`.
//!
//! It is a truth of its own, beside the journal: what is told is on the disk. It reads the books and never writes them; it writes
//! the files that issuers get, and reads those that they send. Knows no sockets and no engine.

mod ahead;
mod answers;
mod batches;
mod chain;
mod claims;
mod cut;
mod draft;
mod explain;
mod fate;
mod files;
mod funds;
mod gather;
mod inbox;
mod origin;
mod outbox;
mod payouts;
mod pricing;
mod reconciliations;
mod report;
mod settlement;
mod shelf;
mod status;
mod tables;
mod totals;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use crate::books::{BooksError, View};
use crate::clearing::ClearingError;
use crate::iso::looks_like_a_card;
use crate::record::Lsn;
use crate::seal::Keys;

pub use answers::{
    AnswerSettings, Charged, Exception, FileReport, Moment, OfFile, Ordered, Quarantined,
    Represent, TakeReport, day_text,
};
pub use batches::BatchLine;
pub use claims::{CaptureSettings, Counted, Taken, Unlinked};
pub use cut::{Asked, CutError, CutReport, Cycle, Order, Outgoing};
pub use explain::{NotWanted, Step, Wanted};
pub use funds::{Booked, Fund};
pub use inbox::{Fate, Inbox};
pub use origin::Beside;
pub use payouts::{Debtor, Held, PaidFile, PaidOut, PayOut, Settling};
pub use reconciliations::{ClassLine, ReconciliationLine};
pub use report::{Ask, Kind, Written};
pub use shelf::Shelf;
pub use status::Count;
pub use totals::{Owing, Owings, TotalsLine};

/// The ledger of a state directory; one thread owns it.
pub struct Ledger {
    directory: PathBuf,
    connection: Connection,
    books: View,
    /// Whether claims that wait may find what they wait for since they were looked at last.
    is_fresh: bool,
    /// Whether the books knew more than this as they were looked at last.
    knows_less: bool,
    /// How far claims that wait are looked at in this round.
    round: Option<Round>,
    /// After how many things a cut commits.
    step: usize,
}

/// A cut commits so many things at once, some mebibytes: what waits behind that on the disk waits for hundredths of a second.
const STEP: usize = 2_048;

/// The file's name in the state directory.
const FILE: &str = "clearing.db";

/// A look at all claims that wait, page by page.
#[derive(Clone, Copy)]
struct Round {
    /// The last one that was looked at.
    after: i64,
    /// Whether all are looked at, or only those that have waited for long enough.
    all: bool,
}

/// What went wrong with the ledger. Journal and books are not touched by any of these.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The operating system refused.
    #[error("the ledger cannot {what} {}: {source}", shown(path))]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("clearing.db: {0}: make room, and start the daemon again; nothing is lost")]
    Full(Box<rusqlite::Error>),
    /// `SQLite` refused.
    #[error("clearing.db: {0}")]
    Sqlite(Box<rusqlite::Error>),
    /// A program of another time wrote it.
    #[error("clearing.db has format {found}, and this program writes format {known}")]
    Format {
        /// The format it says it has.
        found: i64,
        /// The format that is known here.
        known: i64,
    },
    /// The books could not be read.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// A fee or a sum cannot be.
    #[error(transparent)]
    Clearing(#[from] ClearingError),
    /// What was asked for cannot be done; it says why, and what to do.
    #[error("{0}")]
    Refused(String),
    /// Sums that must be alike are not: nothing leaves.
    #[error("the ledger does not close, so nothing leaves: {0}")]
    Unbalanced(String),
}

/// A path for people and logs: others choose the names of files.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if looks_like_a_card(&text) {
        let parent = path.parent().unwrap_or(path);
        return format!("a file in {} whose name holds a card number", parent.display());
    }
    text.chars().map(|char| if char.is_control() { '?' } else { char }).collect()
}

impl LedgerError {
    /// The system gave no thread.
    fn thread(source: std::io::Error) -> Self {
        Self::Io { what: "start a thread beside", path: FILE.into(), source }
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(source: rusqlite::Error) -> Self {
        if source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
            return Self::Full(Box::new(source));
        }
        Self::Sqlite(Box::new(source))
    }
}

impl Ledger {
    /// Opens the ledger of a directory, or begins it. The books are there already.
    pub fn open(directory: &Path, keys: Arc<Keys>) -> Result<Self, LedgerError> {
        let path = directory.join(FILE);
        // `SQLite` gives the files beside it the same mode.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| LedgerError::Io { what: "open", path: path.clone(), source })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        tables::prepare(&connection)?;
        let (directory, books) = (directory.to_owned(), View::open(directory, keys)?);
        let ledger = Self {
            directory,
            connection,
            books,
            is_fresh: true,
            knows_less: false,
            round: None,
            step: STEP,
        };
        ledger.take_over()?;
        Ok(ledger)
    }

    /// Whether a directory has one.
    pub fn is_in(directory: &Path) -> bool {
        directory.join(FILE).exists()
    }

    /// Whether the last look at what waits found that the books know more than this.
    pub const fn knows_less(&self) -> bool {
        self.knows_less
    }

    /// The last position of the journal that it knows anything of; 0 before the first.
    pub fn seen(&self) -> Result<Lsn, LedgerError> {
        let sql = "SELECT max((SELECT indexed FROM state), (SELECT ifnull(max(lsn), 0) FROM cuts))";
        let seen: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(Lsn(seen.cast_unsigned()))
    }

    /// The books as they are now.
    pub const fn books(&self) -> &View {
        &self.books
    }
}

#[cfg(test)]
mod tests;
