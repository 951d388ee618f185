//! The books for those who only read them: a connection of its own, so that a long look holds up neither the follower nor a
//! look-up of the engine. Writes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction};

use super::captures::{self, Cut, Member};
use super::{BooksError, rows, tables};
use crate::iso::BusinessDate;
use crate::record::{LinkId, Lsn, Standing, TxnId};
use crate::seal::Keys;

/// The books as they are at each look. What the follower commits meanwhile is seen by the next statement.
pub struct View {
    connection: Connection,
    keys: Arc<Keys>,
}

/// Books that stand still. The follower goes on writing; what he writes meanwhile is not seen.
#[must_use]
pub struct Still<'a>(#[expect(dead_code, reason = "it ends when it is dropped")] Transaction<'a>);

/// A transaction that names a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfTerminal {
    /// Which.
    pub txn: TxnId,
    /// Whose.
    pub asker: LinkId,
    /// Element 41 without its padding; empty where there is none.
    pub terminal: String,
    /// Element 42 without its padding; empty where there is none.
    pub merchant: String,
}

/// A transaction as a terminal's batch has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which.
    pub txn: TxnId,
    /// Whose.
    pub of: OfTerminal,
    /// The terminal's element 11.
    pub stan: Option<String>,
    /// Element 37.
    pub rrn: Option<String>,
    /// What stands, minor units.
    pub amount: i64,
    /// Element 49.
    pub currency: String,
    /// Whether the card gets it.
    pub refund: bool,
    /// In the clearing of which day it is claimed; none where nothing is, or where that is taken back.
    pub captured: Option<BusinessDate>,
    /// Whether its answer is still waited for.
    pub in_flight: bool,
    /// Whether it was authorized (0100): it is paid when somebody claims it.
    pub authorized: bool,
}

impl Line {
    /// Whether it is paid: a batch has it.
    pub const fn counts(&self) -> bool {
        self.captured.is_some()
    }

    /// Whether a terminal of a link sent it. Keyed hashes may meet; names do not.
    pub fn is_of(&self, link: LinkId, terminal: &str, merchant: &str) -> bool {
        self.of.asker == link && self.of.terminal == terminal && self.of.merchant == merchant
    }
}

/// How much of the books is kept in memory: authorizations are looked up in no order.
const CACHE_KIB: i64 = 16_384;

impl View {
    /// The transactions after one, that one left out, in order, at most so many.
    pub fn opened_after(&self, after: i64, at_most: usize) -> Result<Vec<OfTerminal>, BooksError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT txn, asker, terminal, merchant FROM transactions WHERE txn > ? ORDER BY txn LIMIT ?",
        )?;
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let found = ask.query_map([after, at_most], |row| of_terminal(row, 0))?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    /// A transaction as a batch has it; none where the books do not have it.
    pub fn line(&self, txn: TxnId) -> Result<Option<Line>, BooksError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT txn, asker, terminal, merchant, stan, rrn, amount, currency, processing_code LIKE '2%',
                CASE WHEN opposed IS NULL THEN captured END, outcome = 'in_flight', outcome IN ('approved', 'stored') AND mti LIKE '_1%' FROM transactions WHERE txn = ?",
        )?;
        let line = ask.query_row([txn.0.cast_signed()], |row| {
            Ok(Line {
                txn,
                of: of_terminal(row, 0)?,
                stan: row.get(4)?,
                rrn: row.get::<_, Option<String>>(5)?.map(|rrn| rrn.trim().to_owned()),
                amount: row.get::<_, Option<i64>>(6)?.unwrap_or(0),
                currency: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
                refund: row.get::<_, Option<bool>>(8)?.unwrap_or(false),
                captured: row.get::<_, Option<i64>>(9)?.and_then(tables::date),
                in_flight: row.get(10)?,
                authorized: row.get(11)?,
            })
        });
        Ok(line.optional()?)
    }

    /// By what the transactions of a terminal are found.
    pub fn terminal_key(&self, asker: LinkId, terminal: &str, merchant: &str) -> i64 {
        let parts = [&asker.0.to_be_bytes()[..], terminal.as_bytes(), merchant.as_bytes()];
        let tag = self.keys.tag("terminal", &parts).0.to_be_bytes();
        tag.first_chunk().map_or(0, |half| i64::from_be_bytes(*half))
    }

    /// The last day that was cut; day 0 before the first.
    pub fn last_cut(&self) -> Result<BusinessDate, BooksError> {
        Ok(tables::state(&self.connection)?.cut)
    }

    /// Opens the books of a directory for reading; they have to be there.
    pub fn open(directory: &Path, keys: Arc<Keys>) -> Result<Self, BooksError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(directory.join("books.db"), flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(32);
        // A plan holds for all values: what has a `LIMIT ?` would be planned anew for each.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        Ok(Self { connection, keys })
    }

    /// The books as they are now, until this is let go of: many looks at one moment cost less than each at its own.
    pub fn still(&self) -> Result<Still<'_>, BooksError> {
        Ok(Still(self.connection.unchecked_transaction()?))
    }

    /// The last record that is in the books.
    pub fn position(&self) -> Result<Lsn, BooksError> {
        Ok(tables::state(&self.connection)?.position)
    }

    /// How a transaction stands; none when the books do not have it.
    pub fn standing(&self, txn: TxnId) -> Result<Option<Standing>, BooksError> {
        rows::standing_of(&self.connection, txn)
    }

    /// A day's cut; none when the books do not know of one.
    pub fn cut_of(&self, date: BusinessDate) -> Result<Option<Cut>, BooksError> {
        captures::cut_of(&self.connection, date)
    }

    /// The days that were cut, ascending.
    pub fn cuts(&self) -> Result<Vec<Cut>, BooksError> {
        captures::cuts(&self.connection)
    }

    /// The days whose files were written before the ledger kept them, ascending. Books that were built anew know of none.
    pub fn earlier(&self) -> Result<Vec<BusinessDate>, BooksError> {
        captures::earlier(&self.connection)
    }

    /// Gives each member of a cut day, one after the other and always in the same order, for as long as `each` wants more; its first
    /// fault ends it.
    pub fn members<E: From<BooksError>>(
        &self,
        date: BusinessDate,
        each: impl FnMut(Member) -> Result<bool, E>,
    ) -> Result<(), E> {
        captures::members(&self.connection, date, each)
    }

    /// The transactions after one, ascending, each as it stands now, and at most so many; gives how many there were.
    pub fn standings_after(
        &self,
        after: TxnId,
        limit: u32,
        each: &mut dyn FnMut(Standing),
    ) -> Result<u32, BooksError> {
        let sql = "SELECT txn, standing FROM transactions WHERE txn > ? ORDER BY txn LIMIT ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query((after.0.cast_signed(), limit))?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            each(rows::standing(txn, blob)?);
            count += 1;
        }
        Ok(count)
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What opens cards.
    pub const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }
}

fn of_terminal(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<OfTerminal> {
    let name = |column: usize| -> rusqlite::Result<String> {
        let text: Option<String> = row.get(column)?;
        Ok(text.map(|text| text.trim().to_owned()).unwrap_or_default())
    };
    Ok(OfTerminal {
        txn: TxnId(row.get::<_, i64>(from)?.cast_unsigned()),
        asker: LinkId(row.get(from + 1)?),
        terminal: name(from + 2)?,
        merchant: name(from + 3)?,
    })
}
