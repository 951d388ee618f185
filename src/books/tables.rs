//! The tables and views, and the connection's settings; knows nothing of what is written into them.

use std::time::Duration;

use rusqlite::Connection;

use super::{BooksError, State};
use crate::iso::BusinessDate;
use crate::record::Lsn;

/// The format of these tables, in the file's `user_version`.
pub(super) const FORMAT: i64 = 5;

/// The oldest format that is brought up to date.
const FORMAT_OLDEST: i64 = 2;

/// The first that knew of partial reversals.
const FORMAT_LOWERED: i64 = 4;

/// Bytes of a page.
const PAGE_BYTES: u32 = 16_384;

/// After so many pages the write-ahead log is copied into the file. The journal's commits wait for the disk meanwhile: 4 MiB
/// are a few milliseconds.
const CHECKPOINT_PAGES: u32 = 250;

/// How long the write-ahead log grows, but for the batch that ends it.
pub const WAL_BYTES: u64 = PAGE_BYTES as u64 * CHECKPOINT_PAGES as u64;

/// Days are numbers like 20261123, times milliseconds since 1970, amounts minor units, links the numbers of their names.
///
/// The follower only appends: an index with an entry for each transaction would cost as much as its row. So keys lie
/// packed in drawers (`keys.rs`), pairs are found by marks (`traces.rs`), the members of a cut between its first and its
/// last, and the partial indexes hold only what is out of the ordinary.
const TABLES: &str = "
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, since INTEGER NOT NULL, cut INTEGER NOT NULL
) STRICT;
INSERT INTO state VALUES (1, 0, 0, 0);

CREATE TABLE links (link INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;

CREATE TABLE transactions (
    txn INTEGER PRIMARY KEY,
    opening TEXT NOT NULL,      -- request, advice, reversal
    asker INTEGER NOT NULL, issuer INTEGER,
    mti TEXT NOT NULL, processing_code TEXT, stan TEXT, rrn TEXT, terminal TEXT, merchant TEXT,
    card TEXT, token BLOB,      -- masked; keyed hash
    amount INTEGER, currency TEXT,
    date INTEGER, at INTEGER NOT NULL,
    outcome TEXT NOT NULL,      -- in_flight, approved, declined, mismatched, deadline, restart, reversed, never_begun, stood_in, stored
    outcome_at INTEGER, code TEXT, approval TEXT,
    heard TEXT NOT NULL,        -- what the issuer ever said: never, declined, approved
    told INTEGER NOT NULL,
    advice TEXT, reversal TEXT, -- open, final, provisional, dead, written_off
    untold INTEGER,             -- since when an approval is not known to have been delivered
    owes INTEGER,               -- since when something is owed, given up or unconfirmed
    captured INTEGER,           -- the day in whose clearing it is claimed
    opposed INTEGER,            -- the day in whose clearing that claim is taken back
    original INTEGER, undone_by INTEGER,
    standing BLOB NOT NULL      -- all of it, as a journal record
) STRICT;
CREATE INDEX by_owes ON transactions (owes) WHERE owes IS NOT NULL;
CREATE INDEX by_untold ON transactions (untold) WHERE untold IS NOT NULL;
CREATE INDEX by_other_day ON transactions (captured) WHERE captured <> date;
CREATE INDEX by_opposed ON transactions (opposed) WHERE opposed IS NOT NULL;

CREATE TABLE keys (drawer INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
CREATE TABLE fresh_keys (batch INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
CREATE TABLE stretches (link INTEGER, pair INTEGER, txn INTEGER NOT NULL, PRIMARY KEY (link, pair)) STRICT, WITHOUT ROWID;
CREATE TABLE traces (
    link INTEGER, class INTEGER, pair INTEGER, txn INTEGER NOT NULL, PRIMARY KEY (link, class, pair)
) STRICT, WITHOUT ROWID;

CREATE TABLE orphans (
    lsn INTEGER PRIMARY KEY, link INTEGER NOT NULL, at INTEGER NOT NULL, mti TEXT NOT NULL,
    transmission INTEGER, stan INTEGER
) STRICT;

-- What is captured on its own day lies between the first and the last of that day.
CREATE TABLE days (date INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
CREATE TABLE cuts (
    date INTEGER PRIMARY KEY, previous INTEGER NOT NULL, lsn INTEGER NOT NULL, at INTEGER NOT NULL,
    first INTEGER, last INTEGER
) STRICT;

CREATE VIEW owed AS
    SELECT txn, card, (SELECT name FROM links WHERE link = issuer) AS issuer, mti, amount, currency, outcome, heard,
        advice, reversal, datetime(owes / 1000, 'unixepoch') AS since
    FROM transactions WHERE owes IS NOT NULL;
";

/// What came with format 4: what partial reversals lowered. What was lowered before it was claimed is claimed for what is left;
/// of what was lowered later the difference is taken back, and what is undone before that is cut is taken back at once.
const LOWERED: &str = "
ALTER TABLE transactions ADD COLUMN lowered INTEGER;       -- the day from whose clearing on no more is claimed than is left
ALTER TABLE transactions ADD COLUMN amount_before INTEGER; -- what had been approved
CREATE INDEX by_lowered ON transactions (lowered) WHERE lowered > captured;
DROP VIEW IF EXISTS positions;
DROP VIEW IF EXISTS batches;
DROP VIEW IF EXISTS captures;
CREATE VIEW captures AS
    SELECT cuts.date, txn, 'presentment' AS kind, issuer, merchant,
        CASE WHEN lowered > captured THEN amount_before ELSE amount END AS amount, currency,
        processing_code LIKE '2%' AS refund
    FROM cuts CROSS JOIN transactions ON txn >= first AND txn <= last AND captured > previous AND captured <= cuts.date
    WHERE captured = transactions.date
    UNION ALL
    SELECT cuts.date, txn, 'presentment', issuer, merchant,
        CASE WHEN lowered > captured THEN amount_before ELSE amount END, currency, processing_code LIKE '2%'
    FROM cuts CROSS JOIN transactions ON captured > previous AND captured <= cuts.date
    WHERE captured <> transactions.date
    UNION ALL
    SELECT cuts.date, txn, 'opposite', issuer, merchant,
        CASE WHEN lowered > captured AND lowered = opposed THEN amount_before ELSE amount END, currency,
        processing_code LIKE '2%'
    FROM cuts CROSS JOIN transactions ON opposed > previous AND opposed <= cuts.date WHERE opposed IS NOT NULL
    UNION ALL
    SELECT cuts.date, txn, 'lowered', issuer, merchant, amount_before - amount, currency, processing_code LIKE '2%'
    FROM cuts CROSS JOIN transactions ON lowered > previous AND lowered <= cuts.date
    WHERE lowered > captured AND lowered IS NOT opposed;
CREATE VIEW batches AS
    SELECT date, issuer, currency, kind, refund, count(*) AS count, sum(amount) AS amount
    FROM captures GROUP BY date, issuer, currency, kind, refund;
CREATE VIEW positions AS
    SELECT date, (SELECT name FROM links WHERE link = issuer) AS issuer, currency,
        sum(CASE WHEN refund = (kind <> 'presentment') THEN amount ELSE -amount END) AS owes
    FROM captures GROUP BY date, issuer, currency;
";

/// What came with format 3: what operators ordered about dead letters and orphans.
const ORDERS: &str = "
CREATE TABLE orders (
    lsn INTEGER PRIMARY KEY, at INTEGER NOT NULL,
    kind TEXT NOT NULL,         -- requeued, written_off, orphan_written_off
    about INTEGER NOT NULL,     -- the transaction, or the lsn of the orphan
    owing TEXT,                 -- advice, reversal; null for an orphan
    who TEXT NOT NULL, reason TEXT
) STRICT;
CREATE INDEX by_about ON orders (about);
ALTER TABLE orphans ADD COLUMN written_off INTEGER;
";

/// What came with format 5: files are the ledger's. What was written before it kept them is known by its name.
const EARLIER: &str = "
CREATE TABLE earlier_files (date INTEGER, name TEXT, PRIMARY KEY (date, name)) STRICT, WITHOUT ROWID;
";

/// Which reversals name a transaction. Books that were begun before there was this get it when they are opened.
const BY_ORIGINAL: &str =
    "CREATE INDEX IF NOT EXISTS by_original ON transactions (original) WHERE original IS NOT NULL;";

/// What the books knew of files before.
const FORGET_FILES: &str = "
INSERT INTO earlier_files SELECT date, name FROM files;
DROP TABLE files;
DROP TABLE sequences;
";

/// Settings, and the tables where there are none.
pub(super) fn prepare(connection: &Connection) -> Result<(), BooksError> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // A power cut takes back whole transactions, position included: they are followed again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", -65_536)?;
    connection.set_prepared_statement_cache_capacity(32);
    let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found == 0 {
        let whole = connection.unchecked_transaction()?;
        connection.execute_batch(TABLES)?;
        connection.execute_batch(ORDERS)?;
        connection.execute_batch(LOWERED)?;
        connection.execute_batch(EARLIER)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        whole.commit()?;
    } else if (FORMAT_OLDEST..FORMAT).contains(&found) {
        let whole = connection.unchecked_transaction()?;
        if found == FORMAT_OLDEST {
            connection.execute_batch(ORDERS)?;
        }
        if found < FORMAT_LOWERED {
            connection.execute_batch(LOWERED)?;
        }
        connection.execute_batch(EARLIER)?;
        connection.execute_batch(FORGET_FILES)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
        whole.commit()?;
    } else if found != FORMAT {
        return Err(BooksError::Format { found, known: FORMAT });
    }
    connection.execute_batch(BY_ORIGINAL)?;
    Ok(())
}

/// Where the follower stands.
pub(super) fn state(connection: &Connection) -> Result<State, BooksError> {
    let read = |row: &rusqlite::Row<'_>| {
        let lsn = |value: i64| Lsn(value.cast_unsigned());
        Ok(State {
            position: lsn(row.get(0)?),
            since: lsn(row.get(1)?),
            cut: date(row.get(2)?).unwrap_or_default(),
        })
    };
    Ok(connection.query_row("SELECT position, since, cut FROM state", [], read)?)
}

/// A day as people and tables have it: 20261123. 0 stands for no day.
pub(super) fn day(date: BusinessDate) -> i64 {
    let (year, month, day) = date.parts();
    i64::from(if date.0 == 0 { 0 } else { year * 10_000 + month * 100 + day })
}

/// The day of such a number.
pub(super) fn date(day: i64) -> Option<BusinessDate> {
    let text = format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100);
    BusinessDate::from_text(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_there_and_back() {
        for days in [1, 59, 20_780, 40_000] {
            assert_eq!(date(day(BusinessDate(days))), Some(BusinessDate(days)));
        }
        assert_eq!((day(BusinessDate(20_780)), day(BusinessDate(0))), (20_261_123, 0));
        assert_eq!(date(0), None);
    }
}
