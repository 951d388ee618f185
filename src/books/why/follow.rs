//! The records of some transactions out of the journal, and how they stand by books and journal together. Puts nothing in words.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::params;

use super::Archive;
use crate::books::BooksError;
use crate::books::rows::{self, Row};
use crate::clearing;
use crate::iso::{BusinessDate, Class, Wall};
use crate::record::{self, LinkId, Lsn, Opening, Record, Standing, Trace, TxnId};
use crate::tranlog;

/// How much of the journal is read at once.
const STEP_BYTES: usize = 4 << 20;

/// For so long after its last change what belongs to a transaction and changes nothing is still looked for, milliseconds.
const AFTERWARDS_MS: u64 = 600_000;

/// How many transactions are told as one life.
const FAMILY_MAX: usize = 64;

/// Records with their positions, in order.
pub(super) type Records = Vec<(Lsn, Record)>;

/// A transaction with those that it reverses, completes, or is reversed or completed by.
pub(super) struct Family {
    pub(super) rows: BTreeMap<TxnId, Row>,
    /// The last day that is cut.
    pub(super) cut: BusinessDate,
    /// Of the days on which they clear, those that are cut: by which record, and when.
    pub(super) cuts: BTreeMap<BusinessDate, (Lsn, Wall)>,
}

impl Archive {
    /// Everything from a position on, until `each` has seen enough. What a running daemon adds meanwhile is not waited for.
    pub(super) fn scan(
        &self,
        from: Lsn,
        mut each: impl FnMut(Lsn, &Record) -> bool,
    ) -> Result<(), BooksError> {
        let mut reader = self.reader();
        let Some((oldest, newest)) = reader.oldest()?.zip(reader.newest()?) else { return Ok(()) };
        let from = from.max(oldest);
        let mut last = Lsn(from.0.saturating_sub(1));
        while last < newest {
            let commits = reader.after(last, STEP_BYTES)?;
            let Some(end) = commits.last().map(crate::journal::Commit::last) else { break };
            for commit in &commits {
                let (mut rest, mut lsn) = (&*commit.blob, commit.first);
                while !rest.is_empty() {
                    let (record, after) = record::decode(rest, lsn)?;
                    if from <= lsn && !each(lsn, &record) {
                        return Ok(());
                    }
                    (rest, lsn) = (after, Lsn(lsn.0.saturating_add(1)));
                }
            }
            last = end;
        }
        Ok(())
    }

    /// Transactions as they stand: by the books, and by what the journal has beyond them.
    pub(super) fn rows(&self, ids: &BTreeSet<TxnId>) -> Result<Family, BooksError> {
        let mut family =
            Family { rows: BTreeMap::new(), cut: BusinessDate(0), cuts: BTreeMap::new() };
        let mut position = Lsn(0);
        if let Some(books) = &self.books {
            // Where the follower stands, and what it wrote up to there, are seen at one moment.
            let moment = books.unchecked_transaction()?;
            let state = self.state()?;
            (position, family.cut) = (state.position, state.cut);
            for txn in ids {
                family.rows.extend(rows::row(books, *txn)?.map(|row| (*txn, row)));
            }
            moment.commit()?;
        }
        let after = Lsn(position.0.saturating_add(1));
        self.scan(after, |lsn, record| {
            family.take(ids, lsn, record);
            true
        })?;
        for row in family.rows.values_mut() {
            row.capture(family.cut);
        }
        self.find_cuts(&mut family)?;
        Ok(family)
    }

    /// A transaction and all that is related to it.
    pub(super) fn family(&self, of: TxnId) -> Result<Family, BooksError> {
        let mut ids = BTreeSet::from([of]);
        loop {
            let family = self.rows(&ids)?;
            let before = ids.len();
            for row in family.rows.values() {
                let standing = &row.standing;
                ids.extend(standing.undone_by);
                match &standing.opening {
                    Opening::Request(sent) | Opening::Advice(sent) => {
                        ids.extend(sent.completes);
                        ids.extend(self.completions(standing)?);
                    }
                    Opening::Reversal(undo) => ids.extend(undo.original),
                }
            }
            if ids.len() == before || FAMILY_MAX <= ids.len() {
                return Ok(family);
            }
        }
    }

    /// What completes or raises an authorization, as far as the books have it: it is of the same card.
    fn completions(&self, standing: &Standing) -> Result<Vec<TxnId>, BooksError> {
        let authorization = standing.sent().filter(|sent| sent.mti.class() == Class::Authorization);
        let card = authorization.and_then(|sent| Some((sent.asker, sent.card.as_ref()?.token)));
        let (Some(books), Some((asker, token))) = (&self.books, card) else {
            return Ok(Vec::new());
        };
        let mut ask = books.prepare_cached(
            "SELECT txn, standing FROM transactions
                WHERE txn > ? AND opening <> 'reversal' AND asker = ? AND token = ? ORDER BY txn",
        )?;
        let values = params![standing.id.0.cast_signed(), asker.0, token.0.to_be_bytes()];
        let mut rows = ask.query(values)?;
        let mut completions = Vec::new();
        while let Some(row) = rows.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let completes = rows::standing(txn, blob)?.sent().and_then(|sent| sent.completes);
            if completes == Some(standing.id) && completions.len() < FAMILY_MAX {
                completions.push(txn);
            }
        }
        Ok(completions)
    }

    /// When the days were cut on which these clear, as far as the books know.
    pub(super) fn find_cuts(&self, family: &mut Family) -> Result<(), BooksError> {
        let Some(books) = &self.books else { return Ok(()) };
        let days: BTreeSet<BusinessDate> = family.days().collect();
        for day in days {
            // A day without a cut of its own is in the next one.
            let mut ask = books.prepare_cached(
                "SELECT lsn, at FROM cuts WHERE date >= ? AND previous < ? ORDER BY date LIMIT 1",
            )?;
            let number = crate::books::tables::day(day);
            let mut rows = ask.query([number, number])?;
            if let Some(row) = rows.next()? {
                let lsn = Lsn(row.get::<_, i64>(0)?.cast_unsigned());
                family.cuts.insert(day, (lsn, Wall(row.get::<_, i64>(1)?.cast_unsigned())));
            }
        }
        Ok(())
    }

    /// Every record about a family, in order, as far as the journal still has them. Relatives that only the journal knows join.
    pub(super) fn records(&self, family: &mut Family) -> Result<Records, BooksError> {
        loop {
            let (records, relatives) = self.records_and_relatives(family)?;
            if relatives.is_empty() || FAMILY_MAX <= family.rows.len() {
                return Ok(records);
            }
            let ids = family.rows.keys().copied().chain(relatives).collect();
            let before = family.rows.len();
            *family = self.rows(&ids)?;
            if family.rows.len() == before {
                // Neither books nor journal have them any more.
                return Ok(records);
            }
        }
    }

    fn records_and_relatives(
        &self,
        family: &Family,
    ) -> Result<(Records, BTreeSet<TxnId>), BooksError> {
        let (mut records, mut relatives, mut pairs) =
            (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let Some(first) = family.rows.keys().next().copied() else {
            return Ok((records, relatives));
        };
        let (mut live, mut quiet) = (BTreeMap::new(), None::<Wall>);
        self.scan(Lsn(first.0), |lsn, record| {
            if let (Some(quiet), Some(at)) = (quiet, at(record))
                && quiet.0.saturating_add(AFTERWARDS_MS) < at.0
            {
                return false;
            }
            if family.concerns(lsn, record, &pairs) {
                if record.opens() && !family.rows.contains_key(&TxnId(lsn.0)) {
                    relatives.insert(TxnId(lsn.0));
                }
                if let Record::StoodInAfter { attempt, .. } = record
                    && !family.rows.contains_key(attempt)
                {
                    relatives.insert(*attempt);
                }
                follow(&mut live, lsn, record);
                pairs.extend(pair_of(record, &live));
                if !matches!(record, Record::Carried(_)) {
                    records.push((lsn, record.clone()));
                }
                quiet = if family.is_settled(&live) { at(record).or(quiet) } else { None };
            }
            true
        })?;
        Ok((records, relatives))
    }
}

impl Family {
    /// The days on which they clear, or are taken back.
    fn days(&self) -> impl Iterator<Item = BusinessDate> + '_ {
        self.rows.values().flat_map(|row| [row.captured, row.opposed, row.lowered]).flatten()
    }

    /// A record beyond the books, about some of `ids` or about all days.
    fn take(&mut self, ids: &BTreeSet<TxnId>, lsn: Lsn, record: &Record) {
        if let Record::Cut { date, at } = record {
            for row in self.rows.values_mut() {
                row.capture(self.cut);
            }
            let before = self.cut;
            self.cut = before.max(*date);
            let cut: BTreeSet<_> =
                self.days().filter(|day| before < *day && *day <= *date).collect();
            self.cuts.extend(cut.into_iter().map(|day| (day, (lsn, *at))));
        }
        if let Record::CarryBegins { cut, .. } = record {
            self.cut = self.cut.max(*cut);
        }
        let opened = tranlog::opened(TxnId(lsn.0), record);
        if let Some(standing) = opened.filter(|standing| ids.contains(&standing.id)) {
            // The clearing of a day that was cut had what was carried over it.
            let is_older = !record.opens();
            let date = standing.date().filter(|date| is_older && *date <= self.cut);
            let captured = date.filter(|_| clearing::claims(&standing));
            let lowered = captured.filter(|_| standing.lowered.is_some());
            let row = Row { captured, lowered, ..Row::new(standing) };
            self.rows.entry(row.standing.id).or_insert(row);
        }
        for txn in record.changes() {
            if let Some(row) = self.rows.get_mut(&txn) {
                tranlog::fold(&mut row.standing, lsn, record);
            }
        }
    }

    /// Whether a record is about one of the family, or makes another transaction one of it.
    fn concerns(&self, lsn: Lsn, record: &Record, pairs: &BTreeSet<(LinkId, Trace)>) -> bool {
        let is_known = |txn: &TxnId| self.rows.contains_key(txn);
        match record {
            Record::Unmatched { link, trace: Some(trace), .. } => pairs.iter().any(|(to, pair)| {
                // A network without element 7 brings back the number only.
                let timed = trace.transmission.0 != 0;
                to == link && pair.stan == trace.stan && (!timed || pair == trace)
            }),
            Record::StoodInAfter { attempt, .. } => is_known(&TxnId(lsn.0)) || is_known(attempt),
            Record::Sent(sent) | Record::Stored(sent) | Record::StoodIn { sent, .. } => {
                is_known(&TxnId(lsn.0)) || sent.completes.as_ref().is_some_and(is_known)
            }
            Record::Undone(undo) | Record::Lowered { undo, .. } => {
                is_known(&TxnId(lsn.0)) || undo.original.as_ref().is_some_and(is_known)
            }
            Record::Restored(standing) | Record::Carried(standing) => is_known(&standing.id),
            _ => record.changes().iter().any(is_known),
        }
    }

    /// Whether nothing that comes later changes how they stand.
    fn is_settled(&self, live: &BTreeMap<TxnId, Standing>) -> bool {
        self.rows.iter().all(|(txn, row)| {
            let now = &row.standing;
            live.get(txn).is_some_and(|then| {
                (&then.outcome, then.heard, then.told) == (&now.outcome, now.heard, now.told)
                    && (&then.advice, &then.reversal) == (&now.advice, &now.reversal)
                    && (then.undone_by, then.lowered) == (now.undone_by, now.lowered)
                    && !now.is_open()
            })
        })
    }
}

/// How transactions stand after a record about them.
fn follow(live: &mut BTreeMap<TxnId, Standing>, lsn: Lsn, record: &Record) {
    if let Some(standing) = tranlog::opened(TxnId(lsn.0), record) {
        live.entry(standing.id).or_insert(standing);
    }
    for txn in record.changes() {
        if let Some(standing) = live.get_mut(&txn) {
            tranlog::fold(standing, lsn, record);
        }
    }
}

/// When a record was written, where it says so.
pub(super) fn at(record: &Record) -> Option<Wall> {
    match record {
        Record::Sent(sent)
        | Record::Stored(sent)
        | Record::StoodIn { sent, .. }
        | Record::StoodInAfter { sent, .. } => Some(sent.at),
        Record::Undone(undo) | Record::Lowered { undo, .. } => Some(undo.at),
        Record::Rerouted { at, .. }
        | Record::StoodInMatched { at, .. }
        | Record::Answered { at, .. }
        | Record::Over { at, .. }
        | Record::Late { at, .. }
        | Record::Owed { at, .. }
        | Record::Closed { at, .. }
        | Record::Requeued { at, .. }
        | Record::WrittenOff { at, .. }
        | Record::OrphanWrittenOff { at, .. }
        | Record::Unmatched { at, .. }
        | Record::Opened { at, .. }
        | Record::Cut { at, .. }
        | Record::CarryBegins { at, .. } => Some(*at),
        Record::Told { .. }
        | Record::Restored(_)
        | Record::Carried(_)
        | Record::Spent { .. }
        | Record::CarryEnds { .. } => None,
    }
}

/// The pair under which a record has something sent to an issuer.
fn pair_of(record: &Record, live: &BTreeMap<TxnId, Standing>) -> Option<(LinkId, Trace)> {
    match record {
        Record::Sent(sent)
        | Record::Stored(sent)
        | Record::StoodIn { sent, .. }
        | Record::StoodInAfter { sent, .. } => Some((sent.issuer, sent.trace)),
        Record::Rerouted { issuer, trace, .. } => Some((*issuer, *trace)),
        Record::Lowered { undo, trace, .. } => {
            Some((live.get(&undo.original?)?.sent()?.issuer, *trace))
        }
        Record::StoodInMatched { txn, trace, .. }
        | Record::Owed { txn, trace, .. }
        | Record::Requeued { txn, trace, .. } => Some((live.get(txn)?.sent()?.issuer, *trace)),
        Record::Restored(standing) | Record::Carried(standing) => {
            standing.sent().map(|sent| (sent.issuer, sent.trace))
        }
        _ => None,
    }
}
