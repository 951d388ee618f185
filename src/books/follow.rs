//! The follower: records become rows. What a batch holds and how far it goes are written in one transaction.

use std::collections::BTreeMap;

use rusqlite::params;

use super::columns::ms;
use super::keys::Entry;
use super::rows::Row;
use super::traces::{Given, Pairs};
use super::{Books, BooksError, State, tables};
use crate::clearing;
use crate::iso::{BusinessDate, Class, Wall};
use crate::journal::Reader;
use crate::record::{
    self, LinkId, Lsn, Opening, Owing, Record, Sent, Standing, Trace, TxnId, Undo,
};
use crate::tranlog::{self, Shelf};

/// How much of the journal becomes one transaction: enough to fill pages, little enough for the disk to write at once.
const BATCH_BYTES: usize = 4 << 20;

/// After so many rows that had to be read back, a batch ends: each may lie on a page of its own, which is written as a whole.
pub(super) const BACK_MAX: usize = if cfg!(test) { 3 } else { 500 };

/// How much the write-ahead log takes for one batch, about: rows are longer than their records, and have indexes.
pub const BATCH_WAL_BYTES: u64 = 4 * BATCH_BYTES as u64;

/// So many rows that are over are written at once, while what they were made of is still in the processor's caches.
const STEP: usize = if cfg!(test) { 7 } else { 2048 };

/// How many transactions are remembered between batches.
const RECENT_MAX: usize = 1 << 16;

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last record that is in the books.
    pub position: Lsn,
    /// How many this call took; with none there was nothing new.
    pub records: u64,
}

/// Transactions that the next records are likely to change, as the tables have them.
pub(super) type Recent = Shelf<Row>;

/// One batch.
struct Batch<'a> {
    books: &'a Books,
    state: State,
    rows: Recent,
    /// Those of `rows` that the tables have otherwise.
    changed: Vec<TxnId>,
    /// How many of these were looked at and left for later.
    left: usize,
    /// How many rows were read back from the tables.
    back: usize,
    keys: Vec<Entry>,
    given: Given,
    pairs: Pairs,
}

impl Books {
    /// Takes what the journal has, at most some megabytes of it. Either all of that counts, or nothing.
    pub fn follow(&mut self, reader: &mut Reader) -> Result<Progress, BooksError> {
        let mut state = self.state;
        if state.since == Lsn(0) {
            let Some(oldest) = reader.oldest()? else {
                return Ok(Progress { position: state.position, records: 0 });
            };
            state.since = oldest;
            state.position = Lsn(oldest.0.saturating_sub(1));
        }
        let commits = reader.after(state.position, BATCH_BYTES)?;
        let before = state.position;
        let (rows, given) = (std::mem::take(&mut self.recent), std::mem::take(&mut self.given));
        // An error rolls the transaction back as it is dropped, and what memory knew of the tables goes with it.
        let whole = self.connection.unchecked_transaction()?;
        let (changed, keys, pairs) = (Vec::new(), Vec::new(), Pairs::default());
        let mut batch =
            Batch { books: self, state, rows, changed, left: 0, back: 0, keys, given, pairs };
        for commit in &commits {
            if BACK_MAX <= batch.back {
                break;
            }
            let (mut rest, mut lsn) = (&*commit.blob, commit.first);
            while !rest.is_empty() {
                let (record, after) = record::decode(rest, lsn)?;
                if lsn > batch.state.position {
                    batch.take(lsn, &record)?;
                    batch.state.position = lsn;
                }
                (rest, lsn) = (after, Lsn(lsn.0.saturating_add(1)));
            }
            batch.flush_over()?;
        }
        reader.give_back(commits);
        batch.flush()?;
        batch.write_state()?;
        let Batch { state, mut rows, keys, given, pairs, .. } = batch;
        let keys = self.write_keys(&keys, state.position)?;
        self.write_pairs(pairs)?;
        whole.commit()?;
        self.keep_keys(keys);
        if rows.len() > RECENT_MAX {
            rows = Recent::default();
        }
        (self.state, self.recent, self.given) = (state, rows, given);
        Ok(Progress {
            position: state.position,
            records: state.position.0.saturating_sub(before.0),
        })
    }
}

impl Batch<'_> {
    fn take(&mut self, lsn: Lsn, record: &Record) -> Result<(), BooksError> {
        match record {
            Record::Sent(sent)
            | Record::Stored(sent)
            | Record::StoodIn { sent, .. }
            | Record::StoodInAfter { sent, .. } => {
                self.open(lsn, record);
                self.keys.push(Entry::new(sent.key, TxnId(lsn.0)));
                self.give(TxnId(lsn.0), sent)?;
                for txn in record.changes() {
                    self.change(lsn, txn, record)?;
                }
            }
            Record::Undone(undo) => {
                self.open(lsn, record);
                self.index_undo(TxnId(lsn.0), undo);
                if let Some(original) = undo.original {
                    self.change(lsn, original, record)?;
                }
            }
            Record::Rerouted { txn, .. } => self.rerouted(lsn, *txn, record)?,
            Record::Lowered { undo, trace, .. } => {
                self.open(lsn, record);
                self.index_undo(TxnId(lsn.0), undo);
                if let Some(original) = undo.original
                    && let Some(issuer) = self.change(lsn, original, record)?
                {
                    self.pairs.other(issuer, Class::Reversal, *trace, original);
                }
            }
            Record::StoodInMatched { txn, trace, .. } => {
                self.advised(lsn, (*txn, *trace), record)?;
            }
            Record::Answered { txn, .. }
            | Record::Over { txn, .. }
            | Record::Late { txn, .. }
            | Record::Closed { txn, .. } => {
                self.change(lsn, *txn, record)?;
            }
            Record::Owed { txn, trace, .. } => {
                if let Some(issuer) = self.change(lsn, *txn, record)? {
                    self.pairs.other(issuer, Class::Reversal, *trace, *txn);
                }
            }
            Record::Requeued { txn, owing, trace, .. } => {
                let issuer = self.change(lsn, *txn, record)?;
                if let Some(issuer) = issuer.filter(|_| *owing == Owing::Reversal) {
                    self.pairs.other(issuer, Class::Reversal, *trace, *txn);
                }
                self.books.put_order(lsn, record)?;
            }
            Record::WrittenOff { txn, .. } => {
                self.change(lsn, *txn, record)?;
                self.books.put_order(lsn, record)?;
            }
            Record::OrphanWrittenOff { .. } => self.books.put_order(lsn, record)?,
            Record::Told { txns } => {
                for txn in txns {
                    self.change(lsn, *txn, record)?;
                }
            }
            Record::Restored(standing) | Record::Carried(standing) => self.carried(standing)?,
            Record::Unmatched { orphan: true, .. } => self.orphan(lsn, record)?,
            Record::Cut { date, at } => self.cut(lsn, *date, *at)?,
            Record::CarryBegins { cut, .. } => self.state.cut = self.state.cut.max(*cut),
            Record::Unmatched { .. }
            | Record::Opened { .. }
            | Record::Spent { .. }
            | Record::CarryEnds { .. } => {}
        }
        Ok(())
    }

    fn open(&mut self, lsn: Lsn, record: &Record) {
        let txn = TxnId(lsn.0);
        if let Some(standing) = tranlog::opened(txn, record) {
            self.rows.insert(txn, Row::new(standing));
            self.changed.push(txn);
        }
    }

    /// Folds a record into its transaction; gives the issuer, where there is one.
    fn change(
        &mut self,
        lsn: Lsn,
        txn: TxnId,
        record: &Record,
    ) -> Result<Option<LinkId>, BooksError> {
        let Some(row) = self.row_of(lsn, txn)? else { return Ok(None) };
        tranlog::fold(&mut row.standing, lsn, record);
        let issuer = row.standing.sent().map(|sent| sent.issuer);
        if !std::mem::replace(&mut row.changed, true) {
            self.changed.push(txn);
        }
        Ok(issuer)
    }

    /// A transaction, from the tables if need be; none when it opened before what was followed.
    fn row_of(&mut self, lsn: Lsn, txn: TxnId) -> Result<Option<&mut Row>, BooksError> {
        if self.rows.get(txn).is_none() {
            match self.books.row(txn)? {
                Some(row) => {
                    self.rows.insert(txn, row);
                    self.back += 1;
                }
                // It opened in a file that is gone, and was closed before the first carry that was followed.
                None if txn.0 < self.state.since.0 => return Ok(None),
                None => return Err(BooksError::Unknown { lsn, txn }),
            }
        }
        Ok(self.rows.get_mut(txn))
    }

    /// A request goes elsewhere: it is found by the pair that it was given for that, and not by the one before.
    fn rerouted(&mut self, lsn: Lsn, txn: TxnId, record: &Record) -> Result<(), BooksError> {
        let Some(row) = self.row_of(lsn, txn)? else { return Ok(()) };
        let before = row.standing.sent().map(|sent| (sent.issuer, sent.trace));
        let stored = row.stored;
        self.change(lsn, txn, record)?;
        let sent = self.rows.get(txn).and_then(|row| row.standing.sent());
        let (Some(sent), Some((link, trace))) = (sent, before) else { return Ok(()) };
        let class = sent.mti.class();
        self.pairs.spend(link, class, trace);
        self.pairs.other(sent.issuer, class, sent.trace, txn);
        if stored {
            // Of all that its opening record settles, this alone may change, and seldom does.
            self.books
                .connection
                .prepare_cached("UPDATE transactions SET issuer = ? WHERE txn = ?")?
                .execute(params![sent.issuer.0, txn.0.cast_signed()])?;
        }
        Ok(())
    }

    /// A request is found by the pair of its advice, too.
    fn advised(
        &mut self,
        lsn: Lsn,
        (txn, trace): (TxnId, Trace),
        record: &Record,
    ) -> Result<(), BooksError> {
        self.change(lsn, txn, record)?;
        if let Some(sent) = self.rows.get(txn).and_then(|row| row.standing.sent()) {
            self.pairs.other(sent.issuer, sent.mti.class(), trace, txn);
        }
        Ok(())
    }

    /// A transaction from before the first record that was followed. Others are here already, and equal.
    fn carried(&mut self, standing: &Standing) -> Result<(), BooksError> {
        let txn = standing.id;
        if txn.0 >= self.state.since.0
            || self.rows.get(txn).is_some()
            || self.books.row(txn)?.is_some()
        {
            return Ok(());
        }
        let mut row = Row::new(standing.clone());
        // The clearing of a day that was cut had it already.
        row.captured =
            standing.date().filter(|date| *date <= self.state.cut && clearing::claims(standing));
        row.lowered = row.captured.filter(|_| standing.lowered.is_some());
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                self.keys.push(Entry::new(sent.key, txn));
                self.pairs.other(sent.issuer, sent.mti.class(), sent.trace, txn);
            }
            Opening::Reversal(undo) => self.index_undo(txn, undo),
        }
        let matched = standing.advice.as_ref().filter(|_| standing.is_matched());
        if let (Some(sent), Some(debt)) = (standing.sent(), matched) {
            self.pairs.other(sent.issuer, sent.mti.class(), debt.trace, txn);
        }
        if let (Some(sent), Some(debt)) = (standing.sent(), &standing.reversal) {
            self.pairs.other(sent.issuer, Class::Reversal, debt.trace, txn);
        }
        self.rows.insert(txn, row);
        self.changed.push(txn);
        Ok(())
    }

    /// What stands now is what clears: rows and membership are settled before the day counts as cut.
    fn cut(&mut self, lsn: Lsn, date: BusinessDate, at: Wall) -> Result<(), BooksError> {
        self.flush()?;
        let (after, to) = (tables::day(self.state.cut), tables::day(date));
        let connection = &self.books.connection;
        connection
            .prepare_cached(
                "INSERT OR IGNORE INTO cuts (date, previous, lsn, at, first, last)
                    SELECT ?2, ?1, ?3, ?4, min(first), max(last) FROM days WHERE date > ?1 AND date <= ?2",
            )?
            .execute(params![after, to, lsn.0.cast_signed(), ms(at)])?;
        connection.prepare_cached("DELETE FROM days WHERE date <= ?")?.execute([to])?;
        self.state.cut = self.state.cut.max(date);
        Ok(())
    }

    fn orphan(&self, lsn: Lsn, record: &Record) -> Result<(), BooksError> {
        let Record::Unmatched { link, at, mti, trace, .. } = record else { return Ok(()) };
        self.books
            .connection
            .prepare_cached(
                "INSERT INTO orphans (lsn, link, at, mti, transmission, stan) VALUES (?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                lsn.0.cast_signed(),
                link.0,
                ms(*at),
                mti.to_string(),
                trace.map(|trace| trace.transmission.0),
                trace.map(|trace| trace.stan.get())
            ])?;
        Ok(())
    }

    fn index_undo(&mut self, txn: TxnId, undo: &Undo) {
        self.keys.push(Entry::new(undo.key, txn));
        // An original that was never seen is found by its key: it never will be approved.
        if undo.original.is_none() {
            self.keys.push(Entry::new(undo.original_key, txn));
        }
    }

    /// A pair was given to what opens.
    fn give(&mut self, txn: TxnId, sent: &Sent) -> Result<(), BooksError> {
        if let Some(last) = self.given.get_mut(&sent.issuer) {
            *last = self.pairs.open(txn, sent, Some(*last));
            return Ok(());
        }
        let last = self.pairs.open(txn, sent, self.books.last_given(sent.issuer)?);
        self.given.insert(sent.issuer, last);
        Ok(())
    }

    /// Writes what is over, where it is worth while. What is not is likely to change again in this batch.
    fn flush_over(&mut self) -> Result<(), BooksError> {
        if self.changed.len() < self.left.saturating_add(STEP) {
            return Ok(());
        }
        let is_over = |txn: &TxnId| self.rows.get(*txn).is_some_and(Row::is_over);
        let (over, rest): (_, Vec<_>) = self.changed.drain(..).partition(is_over);
        (self.left, self.changed) = (rest.len(), rest);
        self.write(over)
    }

    /// Writes all that changed.
    fn flush(&mut self) -> Result<(), BooksError> {
        let changed = std::mem::take(&mut self.changed);
        self.left = 0;
        self.write(changed)
    }

    /// Writes rows in the order of the table. What is over leaves memory with that.
    fn write(&mut self, mut txns: Vec<TxnId>) -> Result<(), BooksError> {
        let cut = self.state.cut;
        txns.sort_unstable();
        txns.dedup();
        let mut ordinary = 0;
        for txn in &txns {
            let Some(row) = self.rows.get_mut(*txn) else { continue };
            row.capture(cut);
            ordinary += usize::from(row.is_ordinary());
        }
        let mut pens = self.books.pens(ordinary)?;
        let mut days = BTreeMap::new();
        for txn in txns {
            let Some(row) = self.rows.get_mut(txn) else { continue };
            row.write(&mut pens)?;
            if let Some(day) = row.ordinary_day().filter(|day| *day > cut) {
                days.entry(day).or_insert((txn, txn)).1 = txn;
            }
            if row.is_over() {
                self.rows.remove(txn);
            }
        }
        pens.lay_down();
        let mut widen = self.books.connection.prepare_cached(
            "INSERT INTO days (date, first, last) VALUES (?, ?, ?)
                ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last)",
        )?;
        for (day, (first, last)) in days {
            widen.execute(params![
                tables::day(day),
                first.0.cast_signed(),
                last.0.cast_signed()
            ])?;
        }
        Ok(())
    }

    fn write_state(&self) -> Result<(), BooksError> {
        let State { position, since, cut } = self.state;
        self.books
            .connection
            .prepare_cached("UPDATE state SET position = ?, since = ?, cut = ?")?
            .execute(params![position.0.cast_signed(), since.0.cast_signed(), tables::day(cut)])?;
        Ok(())
    }
}
