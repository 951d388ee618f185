//! What a link did on a business day: what it asked, and what it reversed. Writes nothing.

use rusqlite::{Connection, params};

use super::{BooksError, View, captures, rows, tables};
use crate::iso::BusinessDate;
use crate::record::{LinkId, Lsn, Opening, Standing, TxnId};

/// Something that a link did.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A request or an advice that belongs to the day.
    Asked(Standing),
    /// A reversal that came on the day, of what this is.
    Reversed {
        /// The reversal.
        by: TxnId,
        /// What it reversed.
        original: Standing,
    },
    /// What came between the cut before the day and its own, and belongs to another day.
    Beside(Standing),
}

/// Between which records a day lies.
struct Span {
    /// Nothing of the day is before the cut that came before the last one before it.
    begins: Lsn,
    /// The cut before it: what reverses comes after that.
    after: Lsn,
    /// Its own cut; none where it has none yet.
    until: Option<Lsn>,
}

/// Which of a transaction's two links.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Asker,
    Issuer,
}

impl View {
    /// Gives what a link did on a day, in order, and how far the books were; none when they do not have all of that day. A
    /// reversal is of the day that is cut next.
    pub fn deeds(
        &self,
        asker: LinkId,
        date: BusinessDate,
        each: &mut dyn FnMut(Deed),
    ) -> Result<Option<Lsn>, BooksError> {
        self.deeds_of((asker, Side::Asker), date, each)
    }

    /// The same of what an issuer was asked.
    pub fn issuer_deeds(
        &self,
        issuer: LinkId,
        date: BusinessDate,
        each: &mut dyn FnMut(Deed),
    ) -> Result<Option<Lsn>, BooksError> {
        self.deeds_of((issuer, Side::Issuer), date, each)
    }

    fn deeds_of(
        &self,
        (link, side): (LinkId, Side),
        date: BusinessDate,
        each: &mut dyn FnMut(Deed),
    ) -> Result<Option<Lsn>, BooksError> {
        // One look: the follower may commit meanwhile.
        let look = self.connection().unchecked_transaction()?;
        let state = tables::state(&look)?;
        let Some(span) = span(&look, date, state.cut)? else { return Ok(None) };
        if span.begins.0 + 1 < state.since.0 {
            return Ok(None);
        }
        // Of a reversal the tables do not say to whom it went: its original does.
        let mut ask = look.prepare_cached(match side {
            Side::Asker => {
                "SELECT txn, date, standing FROM transactions WHERE txn > ?1 AND txn <= ?2 AND asker = ?3
                    AND (date = ?4 OR txn > ?5) ORDER BY txn"
            }
            Side::Issuer => {
                "SELECT txn, date, standing FROM transactions WHERE txn > ?1 AND txn <= ?2
                    AND (issuer = ?3 AND (date = ?4 OR txn > ?5) OR issuer IS NULL AND original IS NOT NULL AND txn > ?5) ORDER BY txn"
            }
        })?;
        let until = span.until.map_or(i64::MAX, |until| until.0.cast_signed());
        let (begins, after) = (span.begins.0.cast_signed(), span.after.0.cast_signed());
        let mut found = ask.query(params![begins, until, link.0, tables::day(date), after])?;
        while let Some(row) = found.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let day: Option<i64> = row.get(1)?;
            let blob = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            let standing = rows::standing(txn, blob)?;
            let Opening::Reversal(undo) = &standing.opening else {
                let of_day = day == Some(tables::day(date));
                each(if of_day { Deed::Asked(standing) } else { Deed::Beside(standing) });
                continue;
            };
            // Whatever comes after the first one says the same once more.
            let original = match undo.original {
                Some(original) if first_reversal(&look, original)? == Some(txn) => {
                    rows::standing_of(&look, original)?
                }
                _ => None,
            };
            let is_its = |original: &Standing| {
                let issuer = original.sent().map(|sent| sent.issuer);
                side == Side::Asker || issuer == Some(link)
            };
            if let Some(original) = original.filter(is_its) {
                each(Deed::Reversed { by: txn, original });
            }
        }
        Ok(Some(state.position))
    }

    /// The name of a link, as the journal has it.
    pub fn link_name(&self, link: LinkId) -> Result<Option<String>, BooksError> {
        let mut ask = self.connection().prepare_cached("SELECT name FROM links WHERE link = ?")?;
        let mut found = ask.query([link.0])?;
        Ok(found.next()?.map(|row| row.get(0)).transpose()?)
    }
}

/// The first reversal that names a transaction.
fn first_reversal(connection: &Connection, original: TxnId) -> Result<Option<TxnId>, BooksError> {
    let mut ask =
        connection.prepare_cached("SELECT min(txn) FROM transactions WHERE original = ?")?;
    let first: Option<i64> = ask.query_row([original.0.cast_signed()], |row| row.get(0))?;
    Ok(first.map(|txn| TxnId(txn.cast_unsigned())))
}

/// Where a day lies; none when the books do not know where it began or ended.
fn span(
    connection: &Connection,
    date: BusinessDate,
    last: BusinessDate,
) -> Result<Option<Span>, BooksError> {
    let cut = captures::cut_of(connection, date)?;
    let previous = match cut {
        Some(cut) => cut.previous,
        None if date <= last => return Ok(None),
        None => last,
    };
    let until = cut.map(|cut| cut.lsn);
    if previous == BusinessDate(0) {
        return Ok(Some(Span { begins: Lsn(0), after: Lsn(0), until }));
    }
    let Some(before) = captures::cut_of(connection, previous)? else { return Ok(None) };
    // While a day ends, what comes is stamped with the next one already.
    let begins = match before.previous {
        BusinessDate(0) => Some(Lsn(0)),
        earlier => captures::cut_of(connection, earlier)?.map(|cut| cut.lsn),
    };
    Ok(begins.map(|begins| Span { begins, after: before.lsn, until }))
}
