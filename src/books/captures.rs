//! What clears: the days that were cut, and the members of each, frozen by the record that cut it. Writes nothing.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{BooksError, rows, tables};
use crate::clearing::{Kind, Part};
use crate::iso::{BusinessDate, Wall};
use crate::record::{Lsn, Standing, TxnId};

/// A day that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The day.
    pub date: BusinessDate,
    /// The day that was cut before it; day 0 for the first. What is captured after that day, up to this one, clears.
    pub previous: BusinessDate,
    /// The record that cut it.
    pub lsn: Lsn,
    /// When.
    pub at: Wall,
}

/// A transaction that a cut day claims of its issuer, or takes back.
#[derive(Clone, Debug)]
pub struct Member {
    /// Claimed or taken back.
    pub kind: Kind,
    /// How much of it.
    pub part: Part,
    /// How it stands. What came after the cut, such as a reversal, is in it, and changes nothing of what the day claims.
    pub standing: Standing,
}

/// A day's cut; none when the books do not know of one.
pub(super) fn cut_of(
    connection: &Connection,
    date: BusinessDate,
) -> Result<Option<Cut>, BooksError> {
    let sql = "SELECT date, previous, lsn, at FROM cuts WHERE date = ?";
    let mut ask = connection.prepare_cached(sql)?;
    Ok(ask.query_row([tables::day(date)], read_cut).optional()?)
}

/// The days that were cut, ascending.
pub(super) fn cuts(connection: &Connection) -> Result<Vec<Cut>, BooksError> {
    let sql = "SELECT date, previous, lsn, at FROM cuts ORDER BY date";
    let mut ask = connection.prepare_cached(sql)?;
    let cuts = ask.query_map([], read_cut)?;
    Ok(cuts.collect::<Result<_, _>>()?)
}

/// The days whose files were written before the ledger kept them.
pub(super) fn earlier(connection: &Connection) -> Result<Vec<BusinessDate>, BooksError> {
    let sql = "SELECT DISTINCT date FROM earlier_files ORDER BY date";
    let mut ask = connection.prepare_cached(sql)?;
    let days = ask.query_map([], |row| row.get(0).map(tables::date))?;
    Ok(days.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn read_cut(row: &Row<'_>) -> rusqlite::Result<Cut> {
    Ok(Cut {
        date: tables::date(row.get(0)?).unwrap_or_default(),
        previous: tables::date(row.get(1)?).unwrap_or_default(),
        lsn: Lsn(row.get::<_, i64>(2)?.cast_unsigned()),
        at: Wall(row.get::<_, i64>(3)?.cast_unsigned()),
    })
}

/// Gives each member of a cut day, one after the other and always in the same order, for as long as `each` wants more; its first fault
/// ends it.
pub(super) fn members<E: From<BooksError>>(
    connection: &Connection,
    date: BusinessDate,
    mut each: impl FnMut(Member) -> Result<bool, E>,
) -> Result<(), E> {
    let sql = "SELECT captures.txn, captures.kind, standing, ifnull(lowered > captured, 0), ifnull(lowered = opposed, 0)
        FROM captures CROSS JOIN transactions ON transactions.txn = captures.txn WHERE captures.date = ?";
    let fault = |fault: rusqlite::Error| E::from(BooksError::from(fault));
    let mut ask = connection.prepare_cached(sql).map_err(fault)?;
    let mut rows = ask.query([tables::day(date)]).map_err(fault)?;
    while let Some(row) = rows.next().map_err(fault)? {
        if !each(member(row)?)? {
            break;
        }
    }
    Ok(())
}

fn member(row: &Row<'_>) -> Result<Member, BooksError> {
    let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
    let word = row.get_ref(1)?;
    // What was lowered after it was claimed had been claimed for all that was approved.
    let (kind, part) = match word.as_str().map_err(rusqlite::Error::from)? {
        "presentment" if row.get(3)? => (Kind::Presentment, Part::Approved),
        "presentment" => (Kind::Presentment, Part::Standing),
        "lowered" => (Kind::Opposite, Part::Difference),
        _ if row.get(3)? && row.get(4)? => (Kind::Opposite, Part::Approved),
        _ => (Kind::Opposite, Part::Standing),
    };
    let blob = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
    Ok(Member { kind, part, standing: rows::standing(txn, blob)? })
}
