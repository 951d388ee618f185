//! The life of one transaction, for people: found by what they have in hand, told from journal and books. Reads beside a
//! running daemon, or without one, and changes nothing.

mod find;
mod follow;
mod stand;
mod step;
mod tell;
mod wanted;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::tables;
use super::{BooksError, State};
use crate::iso::Wall;
use crate::journal::Reader;
use crate::record::{LinkId, Lsn, TxnId};

pub use find::{Found, Listed, Stray};
pub use stand::Now;
pub use step::Step;
pub use tell::Life;
pub use wanted::{NotWanted, Wanted};

/// Journal and books of a state directory, as somebody who only reads sees them.
pub struct Archive {
    /// None where there are no books: the journal alone is searched then.
    books: Option<Connection>,
    journal: PathBuf,
    names: BTreeMap<LinkId, String>,
    filing: Option<Box<dyn Filing>>,
}

/// Who knows in which file a transaction went to its issuer, or was taken back: neither journal nor books do.
pub trait Filing {
    /// The file's name; none where it is in none. What is asked for is a `presentment`, the `lowered` part, or the `opposite`.
    fn file_of(&self, txn: TxnId, what: &str) -> Option<String>;

    /// Why it is in none, where a cut held it, and whether the exception that tells of it is open.
    fn held_of(&self, txn: TxnId, what: &str) -> Option<(String, bool)>;
}

/// How far back it is possible to look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// The records that the journal still has, first and last; none in an empty one.
    pub journal: Option<(Lsn, Lsn)>,
    /// When the first of them that has a time was written.
    pub journal_since: Option<Wall>,
    /// When the first and the last transaction in the books began.
    pub books: Option<(Wall, Wall)>,
}

impl Archive {
    /// Of a state directory.
    pub fn open(state: &Path) -> Result<Self, BooksError> {
        let path = state.join("books.db");
        let books = if path.exists() { Some(connect(&path)?) } else { None };
        let (journal, names) = (state.join("journal"), BTreeMap::new());
        let mut archive = Self { books, journal, names, filing: None };
        // Whoever names the wrong directory is told so at once.
        archive.reader().oldest()?;
        if let Some(books) = &archive.books {
            let mut ask = books.prepare("SELECT link, name FROM links")?;
            let names = ask.query_map([], |row| Ok((LinkId(row.get(0)?), row.get(1)?)))?;
            archive.names = names.collect::<Result<_, _>>()?;
        }
        Ok(archive)
    }

    /// With somebody who knows the files.
    #[must_use]
    pub fn with_filing(mut self, filing: Box<dyn Filing>) -> Self {
        self.filing = Some(filing);
        self
    }

    /// How far back journal and books reach.
    pub fn reach(&self) -> Result<Reach, BooksError> {
        let reader = self.reader();
        let mut reach =
            Reach { journal: reader.oldest()?.zip(reader.newest()?), ..Reach::default() };
        if reach.journal.is_some() {
            self.scan(Lsn(0), |_, record| {
                reach.journal_since = follow::at(record);
                reach.journal_since.is_none()
            })?;
        }
        if let Some(books) = &self.books {
            let at = |sql| {
                let mut ask = books.prepare(sql)?;
                let mut rows = ask.query([])?;
                let at = rows.next()?.map(|row| row.get::<_, i64>(0)).transpose()?;
                Ok::<_, BooksError>(at.map(|at| Wall(at.cast_unsigned())))
            };
            let first = at("SELECT at FROM transactions ORDER BY txn LIMIT 1")?;
            let last = at("SELECT at FROM transactions ORDER BY txn DESC LIMIT 1")?;
            reach.books = first.zip(last);
        }
        Ok(reach)
    }

    /// A link as people know it.
    fn name(&self, link: LinkId) -> String {
        self.names.get(&link).cloned().unwrap_or_else(|| format!("link {:08x}", link.0))
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.journal)
    }

    /// Where the books' follower stands; nothing is followed where there are none.
    fn state(&self) -> Result<State, BooksError> {
        self.books.as_ref().map_or(Ok(State::default()), tables::state)
    }
}

/// What was searched, and how far back that reaches: for whoever finds nothing.
impl std::fmt::Display for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.books {
            Some((first, last)) => write!(f, "the books have transactions from {first} to {last}")?,
            None => f.write_str("there are no books, or they are empty")?,
        }
        match (self.journal, self.journal_since) {
            (Some((first, last)), Some(since)) => {
                write!(f, ", the journal records {} to {}, from {since} on", first.0, last.0)
            }
            (Some((first, last)), None) => {
                write!(f, ", the journal records {} to {}", first.0, last.0)
            }
            (None, _) => f.write_str(", the journal is empty"),
        }
    }
}

/// Opens the books for reading.
fn connect(path: &Path) -> Result<Connection, BooksError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == tables::FORMAT {
        Ok(connection)
    } else {
        Err(BooksError::Format { found, known: tables::FORMAT })
    }
}
