//! The follower: records become rows. What a batch holds and how far it goes are written in one transaction.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};

use super::columns::{Changing, ms, text};
use super::{Books, BooksError, State, tables};
use crate::clearing;
use crate::iso::{BusinessDate, Class, ElementNo, Wall};
use crate::journal::Reader;
use crate::record::{self, LinkId, Lsn, Opening, Record, Sent, Standing, Trace, TxnId, Undo};
use crate::seal::Tag;
use crate::tranlog;

/// How much of the journal becomes one transaction.
const BATCH_BYTES: usize = 8 << 20;

/// How many transactions are remembered between batches.
const RECENT_MAX: usize = 1 << 16;

/// Keys are random; within a bucket of this many records, as a power of two, they stay in the page cache.
pub(super) const BUCKET_BITS: u32 = 20;

/// How far a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last record that is in the books.
    pub position: Lsn,
    /// How many this call took; with none there was nothing new.
    pub records: u64,
}

/// Transactions that the next records are likely to change, as the tables have them.
pub(super) type Recent = HashMap<TxnId, Row>;

/// A transaction on its way into the tables.
#[derive(Clone, Debug)]
pub(super) struct Row {
    standing: Standing,
    captured: Option<BusinessDate>,
    opposed: Option<BusinessDate>,
    /// Whether the tables know it.
    stored: bool,
    /// Whether this batch changed it.
    changed: bool,
}

/// One batch.
struct Batch<'a> {
    books: &'a Books,
    state: State,
    rows: HashMap<TxnId, Row>,
    keys: Vec<(i64, [u8; 16], TxnId)>,
    traces: Vec<(LinkId, u8, Trace, TxnId)>,
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
        let rows = std::mem::take(&mut self.recent);
        // An error rolls the transaction back as it is dropped, and the rows in memory go with it.
        let whole = self.connection.unchecked_transaction()?;
        let mut batch = Batch { books: self, state, rows, keys: Vec::new(), traces: Vec::new() };
        for commit in &commits {
            let records = record::decode_all(&commit.blob, commit.first)?;
            for (lsn, record) in (commit.first.0..).map(Lsn).zip(records) {
                if lsn > batch.state.position {
                    batch.take(lsn, &record)?;
                    batch.state.position = lsn;
                }
            }
        }
        batch.flush()?;
        batch.write_state()?;
        let (state, mut rows) = (batch.state, batch.rows);
        whole.commit()?;
        rows.retain(|_, row| row.standing.is_open() || !row.standing.told);
        if rows.len() > RECENT_MAX {
            rows.clear();
        }
        (self.state, self.recent) = (state, rows);
        Ok(Progress {
            position: state.position,
            records: state.position.0.saturating_sub(before.0),
        })
    }

    /// A transaction as the tables have it.
    fn row(&self, txn: TxnId) -> Result<Option<Row>, BooksError> {
        let mut ask = self
            .connection
            .prepare_cached("SELECT standing, captured, opposed FROM transactions WHERE txn = ?")?;
        let found = ask
            .query_row([txn.0.cast_signed()], |row| {
                Ok((row.get_ref(0)?.as_blob()?.to_vec(), row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((blob, captured, opposed)) = found else { return Ok(None) };
        let standing = standing(txn, &blob)?;
        let date = |day: Option<i64>| day.and_then(tables::date);
        let (captured, opposed) = (date(captured), date(opposed));
        Ok(Some(Row { standing, captured, opposed, stored: true, changed: false }))
    }
}

/// A standing from the books.
pub(super) fn standing(txn: TxnId, blob: &[u8]) -> Result<Standing, BooksError> {
    let lsn = Lsn(txn.0);
    match record::decode(blob, lsn)? {
        (Record::Carried(standing), _) => Ok(*standing),
        _ => Err(record::BadRecord { lsn, what: "it is no standing" }.into()),
    }
}

impl Batch<'_> {
    fn take(&mut self, lsn: Lsn, record: &Record) -> Result<(), BooksError> {
        match record {
            Record::Sent(sent) | Record::Stored(sent) => {
                self.open(lsn, record);
                self.index_sent(TxnId(lsn.0), sent);
            }
            Record::Undone(undo) => {
                self.open(lsn, record);
                self.index_undo(TxnId(lsn.0), undo);
                if let Some(original) = undo.original {
                    self.change(lsn, original, record)?;
                }
            }
            Record::Answered { txn, .. }
            | Record::Over { txn, .. }
            | Record::Late { txn, .. }
            | Record::Closed { txn, .. } => {
                self.change(lsn, *txn, record)?;
            }
            Record::Owed { txn, trace, .. } => {
                let issuer = self.change(lsn, *txn, record)?;
                self.traces
                    .extend(issuer.map(|issuer| (issuer, Class::Reversal.digit(), *trace, *txn)));
            }
            Record::Told { txns } => {
                for txn in txns {
                    self.change(lsn, *txn, record)?;
                }
            }
            Record::Restored(standing) | Record::Carried(standing) => self.carried(standing)?,
            Record::Unmatched { orphan: true, .. } => self.orphan(lsn, record)?,
            Record::Cut { date, at } => self.cut(lsn, *date, *at)?,
            Record::CarryBegins { cut, .. } => self.state.cut = self.state.cut.max(*cut),
            Record::Unmatched { .. } | Record::Opened { .. } | Record::CarryEnds { .. } => {}
        }
        Ok(())
    }

    fn open(&mut self, lsn: Lsn, record: &Record) {
        let txn = TxnId(lsn.0);
        if let Some(standing) = tranlog::opened(txn, record) {
            self.rows.insert(txn, Row::new(standing));
        }
    }

    /// Folds a record into its transaction; gives the issuer, where there is one.
    fn change(
        &mut self,
        lsn: Lsn,
        txn: TxnId,
        record: &Record,
    ) -> Result<Option<LinkId>, BooksError> {
        if !self.rows.contains_key(&txn) {
            match self.books.row(txn)? {
                Some(row) => drop(self.rows.insert(txn, row)),
                // It opened in a file that is gone, and was closed before the first carry that was followed.
                None if txn.0 < self.state.since.0 => return Ok(None),
                None => return Err(BooksError::Unknown { lsn, txn }),
            }
        }
        let Some(row) = self.rows.get_mut(&txn) else { return Ok(None) };
        tranlog::fold(&mut row.standing, lsn, record);
        row.changed = true;
        Ok(row.standing.sent().map(|sent| sent.issuer))
    }

    /// A transaction from before the first record that was followed. Others are here already, and equal.
    fn carried(&mut self, standing: &Standing) -> Result<(), BooksError> {
        let txn = standing.id;
        if txn.0 >= self.state.since.0
            || self.rows.contains_key(&txn)
            || self.books.row(txn)?.is_some()
        {
            return Ok(());
        }
        let mut row = Row::new(standing.clone());
        // The clearing of a day that was cut had it already.
        row.captured =
            standing.date().filter(|date| *date <= self.state.cut && clearing::claims(standing));
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => self.index_sent(txn, sent),
            Opening::Reversal(undo) => self.index_undo(txn, undo),
        }
        if let (Some(sent), Some(debt)) = (standing.sent(), &standing.reversal) {
            self.traces.push((sent.issuer, Class::Reversal.digit(), debt.trace, txn));
        }
        self.rows.insert(txn, row);
        Ok(())
    }

    /// What stands now is what clears: rows and membership are settled before the day counts as cut.
    fn cut(&mut self, lsn: Lsn, date: BusinessDate, at: Wall) -> Result<(), BooksError> {
        self.flush()?;
        self.books
            .connection
            .prepare_cached(
                "INSERT OR IGNORE INTO cuts (date, previous, lsn, at) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![
                tables::day(date),
                tables::day(self.state.cut),
                lsn.0.cast_signed(),
                ms(at)
            ])?;
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

    fn index_sent(&mut self, txn: TxnId, sent: &Arc<Sent>) {
        self.key(sent.key, txn);
        self.traces.push((sent.issuer, sent.mti.class().digit(), sent.trace, txn));
    }

    fn index_undo(&mut self, txn: TxnId, undo: &Undo) {
        self.key(undo.key, txn);
        // An original that was never seen is found by its key: it never will be approved.
        if undo.original.is_none() {
            self.key(undo.original_key, txn);
        }
    }

    fn key(&mut self, key: Tag, txn: TxnId) {
        self.keys.push(((txn.0 >> BUCKET_BITS).cast_signed(), key.0.to_be_bytes(), txn));
    }

    /// Writes what changed, in the order of the tables.
    fn flush(&mut self) -> Result<(), BooksError> {
        let cut = self.state.cut;
        let mut changed: Vec<&mut Row> = self.rows.values_mut().filter(|row| row.changed).collect();
        changed.sort_unstable_by_key(|row| row.standing.id);
        let mut blob = Vec::with_capacity(1024);
        for row in changed {
            row.capture(cut);
            self.books.write(row, &mut blob)?;
            (row.stored, row.changed) = (true, false);
        }
        let connection = &self.books.connection;
        self.keys.sort_unstable();
        let mut insert =
            connection.prepare_cached("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)")?;
        for (bucket, key, txn) in self.keys.drain(..) {
            insert.execute(params![bucket, key, txn.0.cast_signed()])?;
        }
        self.traces.sort_unstable();
        let mut insert =
            connection.prepare_cached("INSERT OR REPLACE INTO traces VALUES (?, ?, ?, ?, ?)")?;
        for (link, class, trace, txn) in self.traces.drain(..) {
            let (transmission, stan) = (trace.transmission.0, trace.stan.get());
            insert.execute(params![link.0, class, transmission, stan, txn.0.cast_signed()])?;
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

impl Row {
    const fn new(standing: Standing) -> Self {
        Self { standing, captured: None, opposed: None, stored: false, changed: true }
    }

    /// Whether, and on which day, it clears. What was cut stays as it was cut: a claim that falls later is
    /// taken back on the next day that is cut.
    fn capture(&mut self, cut: BusinessDate) {
        let claims = clearing::claims(&self.standing);
        match self.captured {
            None if claims => self.captured = self.standing.date().map(|date| date.max(cut.next())),
            Some(day) if !claims && cut < day => self.captured = None,
            Some(_) if !claims && self.opposed.is_none() => self.opposed = Some(cut.next()),
            _ => {}
        }
    }
}

impl Books {
    fn write(&self, row: &Row, blob: &mut Vec<u8>) -> Result<(), BooksError> {
        let standing = &row.standing;
        let id = standing.id.0.cast_signed();
        let now = Changing::of(standing);
        let (captured, opposed) = (row.captured.map(tables::day), row.opposed.map(tables::day));
        let undone_by = standing.undone_by.map(|txn| txn.0.cast_signed());
        let heard = standing.heard.word();
        blob.clear();
        // The bytes of a carry: the card is sealed already, so the position does not matter.
        record::encode(
            &Record::Carried(Box::new(standing.clone())),
            Lsn(standing.id.0),
            &self.keys,
            blob,
        );
        let blob = blob.as_slice();
        if row.stored {
            self.connection.prepare_cached(UPDATE)?.execute(params![
                now.amount,
                now.outcome,
                now.outcome_at,
                now.code,
                now.approval,
                heard,
                standing.told,
                now.advice,
                now.reversal,
                now.untold,
                now.owes,
                captured,
                opposed,
                undone_by,
                blob,
                id
            ])?;
            return Ok(());
        }
        let mut insert = self.connection.prepare_cached(INSERT)?;
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                let of = |no| text(&sent.elements, no);
                let card = sent.card.as_ref();
                let masked = card.and_then(|card| std::str::from_utf8(card.masked.as_bytes()).ok());
                insert.execute(params![
                    id,
                    standing.opening.word(),
                    sent.asker.0,
                    sent.issuer.0,
                    digits(&sent.mti.ascii()),
                    of(ElementNo::PROCESSING_CODE),
                    of(ElementNo::STAN),
                    of(ElementNo::RRN),
                    of(ElementNo::TERMINAL),
                    of(ElementNo::MERCHANT),
                    masked,
                    card.map(|card| card.token.0.to_be_bytes()),
                    of(ElementNo::CURRENCY),
                    tables::day(sent.date),
                    ms(sent.at),
                    now.amount,
                    now.outcome,
                    now.outcome_at,
                    now.code,
                    now.approval,
                    heard,
                    standing.told,
                    now.advice,
                    now.reversal,
                    now.untold,
                    now.owes,
                    captured,
                    opposed,
                    undone_by,
                    blob,
                    None::<i64>
                ])?
            }
            Opening::Reversal(undo) => {
                let none = None::<&str>;
                let original = undo.original.map(|txn| txn.0.cast_signed());
                insert.execute(params![
                    id,
                    standing.opening.word(),
                    undo.asker.0,
                    None::<u32>,
                    digits(&undo.mti.ascii()),
                    none,
                    none,
                    none,
                    none,
                    none,
                    none,
                    None::<[u8; 16]>,
                    none,
                    None::<i64>,
                    ms(undo.at),
                    now.amount,
                    now.outcome,
                    now.outcome_at,
                    now.code,
                    now.approval,
                    heard,
                    standing.told,
                    now.advice,
                    now.reversal,
                    now.untold,
                    now.owes,
                    captured,
                    opposed,
                    undone_by,
                    blob,
                    original
                ])?
            }
        };
        Ok(())
    }
}

fn digits(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}

const INSERT: &str = "INSERT INTO transactions (
    txn, opening, asker, issuer, mti, processing_code, stan, rrn, terminal, merchant, card, token, currency, date, at,
    amount, outcome, outcome_at, code, approval, heard, told, advice, reversal, untold, owes, captured, opposed,
    undone_by, standing, original
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

const UPDATE: &str = "UPDATE transactions SET
    amount = ?, outcome = ?, outcome_at = ?, code = ?, approval = ?, heard = ?, told = ?, advice = ?, reversal = ?,
    untold = ?, owes = ?, captured = ?, opposed = ?, undone_by = ?, standing = ?
WHERE txn = ?";
