//! Transactions by the pair of elements 7 and 11 that an issuer's link saw. What opens a transaction takes ascending
//! pairs on its link: one mark a stretch of the journal finds all of them. Any other pair has a row of its own.

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, params};

use super::{Books, BooksError};
use crate::iso::{Class, Stan, Transmission};
use crate::record::{LinkId, Sent, Standing, Trace, TxnId};
use crate::tranlog::Spread;

/// How many records a mark stands for: so many transactions are looked at, at most, to find a pair.
pub(super) const STRETCH: u64 = if cfg!(test) { 16 } else { 256 };

/// The last pair of each link, as far as the tables and the batch at work know.
pub(super) type Given = HashMap<LinkId, Last, Spread>;

/// The last pair that opened a transaction on a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    trace: Trace,
    /// Where its stretch began.
    mark: TxnId,
}

/// The pairs of a batch, for the tables.
#[derive(Default)]
pub(super) struct Pairs {
    marks: Vec<(LinkId, Trace, TxnId)>,
    others: Vec<(LinkId, u8, Trace, TxnId)>,
    spent: Vec<(LinkId, u8, Trace)>,
}

impl Pairs {
    /// A pair that opened a transaction, where `last` was given on the link before. Gives what is the last one now.
    pub(super) fn open(&mut self, txn: TxnId, sent: &Sent, last: Option<Last>) -> Last {
        let (link, trace) = (sent.issuer, sent.trace);
        match last {
            // It never happens as pairs are given; if it did, marks would mislead.
            Some(last) if trace <= last.trace => {
                self.other(link, sent.mti.class(), trace, txn);
                last
            }
            Some(last) if txn.0.saturating_sub(last.mark.0) < STRETCH => Last { trace, ..last },
            _ => {
                self.marks.push((link, trace, txn));
                Last { trace, mark: txn }
            }
        }
    }

    /// A pair that is found by itself.
    pub(super) fn other(&mut self, link: LinkId, class: Class, trace: Trace, txn: TxnId) {
        self.others.push((link, class.digit(), trace, txn));
    }

    /// A pair by which nothing is found any more.
    pub(super) fn spend(&mut self, link: LinkId, class: Class, trace: Trace) {
        self.spent.push((link, class.digit(), trace));
    }
}

impl Books {
    pub(super) fn write_pairs(&self, mut pairs: Pairs) -> Result<(), BooksError> {
        let mut mark = self
            .connection
            .prepare_cached("INSERT INTO stretches (link, pair, txn) VALUES (?, ?, ?)")?;
        for (link, trace, txn) in pairs.marks {
            mark.execute(params![link.0, pair(trace), txn.0.cast_signed()])?;
        }
        pairs.others.sort_unstable();
        let mut insert = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO traces (link, class, pair, txn) VALUES (?, ?, ?, ?)",
        )?;
        for (link, class, trace, txn) in pairs.others {
            insert.execute(params![link.0, class, pair(trace), txn.0.cast_signed()])?;
        }
        for (link, class, trace) in pairs.spent {
            self.connection
                .prepare_cached("DELETE FROM traces WHERE link = ? AND class = ? AND pair = ?")?
                .execute(params![link.0, class, pair(trace)])?;
        }
        Ok(())
    }

    /// The last pair that opened a transaction on a link, from the tables.
    pub(super) fn last_given(&self, link: LinkId) -> Result<Option<Last>, BooksError> {
        let Some((mark, first)) = self.mark(link, i64::MAX)? else { return Ok(None) };
        let traces = self.stretch(link, mark)?;
        // What was marked may have gone to another link.
        let last = traces.iter().filter_map(|standing| Some(standing.sent()?.trace)).max();
        Ok(last.max(first).map(|trace| Last { trace, mark }))
    }

    /// The transaction that was given this pair on this link.
    pub(super) fn by_trace(
        &self,
        link: LinkId,
        class: Class,
        trace: Trace,
    ) -> Result<Option<Standing>, BooksError> {
        let other = self
            .connection
            .prepare_cached("SELECT txn FROM traces WHERE link = ? AND class = ? AND pair = ?")?
            .query_row(params![link.0, class.digit(), pair(trace)], |row| row.get::<_, i64>(0))
            .optional()?;
        if let Some(txn) = other {
            return self.standing(TxnId(txn.cast_unsigned()));
        }
        let Some((mark, _)) = self.mark(link, pair(trace))? else { return Ok(None) };
        let is_it = |standing: &Standing| {
            standing.sent().is_some_and(|sent| sent.trace == trace && sent.mti.class() == class)
        };
        Ok(self.stretch(link, mark)?.into_iter().find(is_it))
    }

    /// Where the stretch begins in which a pair was given, and with which pair.
    fn mark(&self, link: LinkId, pair: i64) -> Result<Option<(TxnId, Option<Trace>)>, BooksError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT txn, pair FROM stretches WHERE link = ? AND pair <= ? ORDER BY pair DESC LIMIT 1",
        )?;
        let found = ask.query_row(params![link.0, pair], |row| {
            Ok((TxnId(row.get::<_, i64>(0)?.cast_unsigned()), trace(row.get(1)?)))
        });
        Ok(found.optional()?)
    }

    /// What a link was sent in a stretch.
    fn stretch(&self, link: LinkId, mark: TxnId) -> Result<Vec<Standing>, BooksError> {
        let end = mark.0.saturating_add(STRETCH).cast_signed();
        self.standings(
            "SELECT txn, standing FROM transactions WHERE txn >= ? AND txn < ? AND issuer = ?",
            params![mark.0.cast_signed(), end, link.0],
        )
    }
}

/// The elements that such a number stands for.
fn trace(pair: i64) -> Option<Trace> {
    let transmission = Transmission(u32::try_from(pair / 1_000_000).ok()?);
    let stan = Stan::new(u32::try_from(pair % 1_000_000).ok()?).ok()?;
    Some(Trace { transmission, stan })
}

/// Both elements as one number in their order: element 7 as seconds, then the six digits of element 11.
pub(super) fn pair(trace: Trace) -> i64 {
    i64::from(trace.transmission.0) * 1_000_000 + i64::from(trace.stan.get())
}
