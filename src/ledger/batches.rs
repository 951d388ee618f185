//! Terminals' batches: their totals held against the books, what they upload, and how each batch ends. Each answer follows from what
//! is written, so that a repeat hears the same. Knows no messages.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::claims::{OfBatch, claim_uploads};
use super::{Ledger, LedgerError};
use crate::books::{Line, View};
use crate::clearing::{
    BatchAsk, BatchProfile, BatchTotals, BatchVerdict, Mismatch, NUMBER_MAX, Petition, Total,
    Upload, Words,
};
use crate::iso::{Currency, ResponseCode, Wall};
use crate::planted::{self, Bug};
use crate::record::{LinkId, TxnId};

/// 77: the totals differ, and nothing is to be uploaded.
const DIFFER: ResponseCode = ResponseCode::of(*b"77");
/// 80: no such batch.
const BAD_BATCH: ResponseCode = ResponseCode::of(*b"80");
/// 95: the totals differ; the transactions are to be uploaded.
const UPLOAD: ResponseCode = ResponseCode::of(*b"95");

/// So many transactions of one batch may be uploaded.
const UPLOADS_MAX: i64 = 50_000;

/// A batch for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BatchLine {
    /// Its terminal.
    pub terminal: String,
    /// The terminal's merchant.
    pub merchant: String,
    /// Its number.
    pub number: u32,
    /// `uploading` or `closed`.
    pub state: &'static str,
    /// ISO 4217, three digits.
    pub currency: String,
    /// What cards paid, as its terminal says: how many.
    pub sales: i64,
    /// And how much, minor units.
    pub sales_amount: i64,
    /// What cards got back: how many.
    pub refunds: i64,
    /// And how much, minor units.
    pub refunds_amount: i64,
    /// How many transactions were uploaded.
    pub uploaded: i64,
}

/// Whose batch.
#[derive(Clone, Copy)]
struct Till<'a> {
    link: LinkId,
    petition: &'a Petition,
    profile: &'a BatchProfile,
    now: Wall,
}

/// A batch as it is written.
#[derive(Debug)]
struct Batch {
    id: i64,
    number: u32,
    /// No transaction before this one is in it, or in a later one.
    first: TxnId,
    totals: BatchTotals,
    currency: String,
    closed: bool,
}

impl Ledger {
    /// What a terminal hears that wants something of its batch. Durable when it is given.
    pub fn batch(
        &mut self,
        link: LinkId,
        petition: &Petition,
        profile: &BatchProfile,
        now: Wall,
    ) -> Result<BatchVerdict, LedgerError> {
        self.index_terminals()?;
        let till = Till { link, petition, profile, now };
        let whole = self.connection.transaction()?;
        let desk = Desk { connection: &whole, books: &self.books, till };
        let verdict = match &petition.ask {
            BatchAsk::Settle { number, totals, currency } => {
                desk.settle(*number, (totals, *currency))?
            }
            BatchAsk::Close { number, totals, currency } => {
                desk.close(*number, (totals, *currency))?
            }
            BatchAsk::Upload(upload) => desk.upload(upload)?,
        };
        whole.commit()?;
        // What it uploaded of authorizations may be matched.
        self.is_fresh |= matches!(petition.ask, BatchAsk::Close { .. });
        Ok(verdict)
    }

    /// The last batches, open ones first, at most so many.
    pub fn batches(&self, at_most: u32) -> Result<Vec<BatchLine>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT terminal, merchant, number, closed IS NULL, currency, ifnull(sales, 0), ifnull(sales_amount, 0),
                ifnull(refunds, 0), ifnull(refunds_amount, 0), (SELECT count(*) FROM uploads WHERE uploads.batch = batches.batch)
                FROM batches ORDER BY closed IS NOT NULL, batch DESC LIMIT ?",
        )?;
        let lines = ask.query_map([at_most], |row| {
            Ok(BatchLine {
                terminal: row.get(0)?,
                merchant: row.get(1)?,
                number: row.get(2)?,
                state: if row.get(3)? { "uploading" } else { "closed" },
                currency: row.get(4)?,
                sales: row.get(5)?,
                sales_amount: row.get(6)?,
                refunds: row.get(7)?,
                refunds_amount: row.get(8)?,
                uploaded: row.get(9)?,
            })
        })?;
        Ok(lines.collect::<Result<_, _>>()?)
    }

    /// Takes note of which terminal each transaction is of that the books have and this does not know yet.
    fn index_terminals(&mut self) -> Result<(), LedgerError> {
        const AT_ONCE: usize = 10_000;
        loop {
            let whole = self.connection.transaction()?;
            let after =
                whole
                    .query_row("SELECT terminals_indexed FROM batch_state", [], |row| row.get(0))?;
            let opened = self.books.opened_after(after, AT_ONCE)?;
            let mut insert =
                whole.prepare_cached("INSERT OR IGNORE INTO terminals VALUES (?, ?)")?;
            for one in &opened {
                let key = self.books.terminal_key(one.asker, &one.terminal, &one.merchant);
                insert.execute(params![key, one.txn.0.cast_signed()])?;
            }
            drop(insert);
            if let Some(last) = opened.last() {
                whole.execute(
                    "UPDATE batch_state SET terminals_indexed = ?",
                    [last.txn.0.cast_signed()],
                )?;
            }
            whole.commit()?;
            if opened.len() < AT_ONCE {
                return Ok(());
            }
        }
    }
}

/// One petition while it is looked at.
struct Desk<'a> {
    connection: &'a Connection,
    books: &'a View,
    till: Till<'a>,
}

impl Desk<'_> {
    /// Totals that ask to close a batch.
    fn settle(
        &self,
        number: u32,
        (said, currency): (&BatchTotals, Currency),
    ) -> Result<BatchVerdict, LedgerError> {
        let batch = match self.batch_of(number, (said, currency))? {
            Ok(batch) => batch,
            Err(verdict) => return Ok(verdict),
        };
        let lines = self.lines(&batch)?;
        self.begin_upload(&batch, (said, currency))?;
        if sums(&lines, currency).as_ref() == Some(said) {
            self.end(&batch, &lines)?;
            return Ok(self.say(ResponseCode::APPROVED, Words::Accepted, number));
        }
        // It is uploaded from its beginning: what the terminal has dropped since is in it no more.
        self.connection.execute("DELETE FROM uploads WHERE batch = ?", [batch.id])?;
        Ok(self.say(UPLOAD, Words::Differ, number))
    }

    /// Totals that end an upload.
    fn close(
        &self,
        number: u32,
        (said, currency): (&BatchTotals, Currency),
    ) -> Result<BatchVerdict, LedgerError> {
        let open = self.open()?.filter(|open| open.number == number);
        let Some(batch) = open else { return self.settle(number, (said, currency)) };
        let uploads = self.uploads(batch.id)?;
        let mut sum = Some(BatchTotals::default());
        for upload in &uploads {
            let counts = upload.currency == currency.to_string();
            sum = sum.and_then(|mut sum| {
                counts.then(|| sum.count(upload.amount, upload.refund))??;
                Some(sum)
            });
        }
        let agrees = sum.as_ref() == Some(said);
        if !agrees {
            self.except(
                "batch_differs",
                &batch,
                (None, None),
                "what was uploaded does not come to the terminal's totals",
            )?;
            if self.till.profile.mismatch == Mismatch::Refuse {
                return Ok(self.say(DIFFER, Words::Differ, number));
            }
        }
        self.begin_upload(&batch, (said, currency))?;
        let lines = self.lines(&batch)?;
        let (held, uploads): (Vec<_>, Vec<_>) =
            uploads.into_iter().partition(|upload| upload.is_held(&lines));
        self.claim(&batch, &lines, &held)?;
        self.reconcile(&batch, &lines, &uploads)?;
        self.end(&batch, &lines)?;
        Ok(self.say(ResponseCode::APPROVED, Words::Accepted, number))
    }

    /// A transaction that is uploaded: kept under its original's name, however often it comes.
    fn upload(&self, upload: &Upload) -> Result<BatchVerdict, LedgerError> {
        let Some(batch) = self.open()? else {
            // A copy of one that the last batch has: its answer was lost.
            let last = self.last()?;
            let has = last.map(|last| self.has(last.id, upload)).transpose()?.unwrap_or(false);
            let code = if has { ResponseCode::APPROVED } else { BAD_BATCH };
            return Ok(BatchVerdict { code, text: None });
        };
        let count: i64 = self.connection.query_row(
            "SELECT count(*) FROM uploads WHERE batch = ?",
            [batch.id],
            |row| row.get(0),
        )?;
        if count >= UPLOADS_MAX && !self.has(batch.id, upload)? {
            return Ok(BatchVerdict { code: ResponseCode::MALFUNCTION, text: None });
        }
        let mut put = self.connection.prepare_cached(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let again = planted::is(Bug::UploadCountedTwice) && self.has(batch.id, upload)?;
        let stan = if again { format!("{}again", upload.stan) } else { upload.stan.clone() };
        put.execute(params![
            batch.id,
            mti_of(upload),
            stan,
            upload.rrn,
            upload.amount.minor,
            upload.amount.currency.to_string(),
            upload.refund,
            upload.approval,
            upload.card.as_ref().map(|(masked, _)| masked.to_string()),
            upload.tip,
        ])?;
        Ok(BatchVerdict { code: ResponseCode::APPROVED, text: None })
    }

    /// The batch that a number names: the one that is open, or the next; or what its terminal hears instead.
    fn batch_of(
        &self,
        number: u32,
        (said, currency): (&BatchTotals, Currency),
    ) -> Result<Result<Batch, BatchVerdict>, LedgerError> {
        if let Some(open) = self.open()? {
            let named = open.number == number;
            return Ok(if named {
                Ok(open)
            } else {
                Err(self.say(BAD_BATCH, Words::None, number))
            });
        }
        let last = self.last()?;
        if let Some(last) = last.as_ref().filter(|last| last.number == number) {
            let same = last.totals == *said && last.currency == currency.to_string();
            let (code, words) = if same {
                (ResponseCode::APPROVED, Words::Duplicate)
            } else {
                (DIFFER, Words::Differ)
            };
            return Ok(Err(self.say(code, words, number)));
        }
        if last.as_ref().is_some_and(|last| number != last.number % NUMBER_MAX + 1) {
            return Ok(Err(self.say(BAD_BATCH, Words::None, number)));
        }
        let first = last.map_or(TxnId(0), |last| last.first);
        self.connection.execute(
            "INSERT INTO batches (link, terminal, merchant, number, first, currency, opened) VALUES (?, ?, ?, ?, ?, ?, ?)",
            params![
                self.till.link.0,
                self.till.petition.terminal,
                self.till.petition.merchant,
                number,
                first.0.cast_signed(),
                currency.to_string(),
                self.till.now.0.cast_signed(),
            ],
        )?;
        let id = self.connection.last_insert_rowid();
        let (totals, currency) = (*said, currency.to_string());
        Ok(Ok(Batch { id, number, first, totals, currency, closed: false }))
    }

    /// The terminal's batch that is not closed.
    fn open(&self) -> Result<Option<Batch>, LedgerError> {
        Ok(self.last_of_all()?.filter(|batch| !batch.closed))
    }

    /// The terminal's batch that was closed last.
    fn last(&self) -> Result<Option<Batch>, LedgerError> {
        Ok(self.last_of_all()?.filter(|batch| batch.closed))
    }

    fn last_of_all(&self) -> Result<Option<Batch>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT batch, number, first, currency, sales, sales_amount, refunds, refunds_amount, closed IS NOT NULL
                FROM batches WHERE link = ? AND terminal = ? AND merchant = ? ORDER BY batch DESC LIMIT 1",
        )?;
        let Petition { terminal, merchant, .. } = self.till.petition;
        Ok(ask.query_row(params![self.till.link.0, terminal, merchant], read_batch).optional()?)
    }

    /// Its transactions that no batch has yet, and those of which nobody knows yet how they end.
    fn lines(&self, batch: &Batch) -> Result<Vec<Line>, LedgerError> {
        let Petition { terminal, merchant, .. } = self.till.petition;
        let key = self.books.terminal_key(self.till.link, terminal, merchant);
        let mut ask = self.connection.prepare_cached(
            "SELECT txn FROM terminals WHERE key = ? AND txn >= ? AND txn NOT IN (SELECT txn FROM batched) ORDER BY txn",
        )?;
        let txns =
            ask.query_map(params![key, batch.first.0.cast_signed()], |row| row.get::<_, i64>(0))?;
        let mut lines = Vec::new();
        for txn in txns {
            let line = self.books.line(TxnId(txn?.cast_unsigned()))?;
            lines.extend(line.filter(|line| line.is_of(self.till.link, terminal, merchant)));
        }
        if batch.first == TxnId(0) {
            // Its first batch: what was cleared before there were any is not in it.
            let cut = self.books.last_cut()?;
            for line in lines.iter_mut().filter(|line| line.captured.is_some_and(|day| day <= cut))
            {
                line.captured = None;
            }
        }
        Ok(lines)
    }

    fn uploads(&self, batch: i64) -> Result<Vec<Uploaded>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT mti, stan, rrn, amount, currency, refund, approval, card, tip FROM uploads WHERE batch = ? ORDER BY mti, stan",
        )?;
        let uploads = ask.query_map([batch], |row| {
            Ok(Uploaded {
                mti: row.get(0)?,
                stan: row.get(1)?,
                rrn: row.get(2)?,
                amount: row.get(3)?,
                currency: row.get(4)?,
                refund: row.get(5)?,
                approval: row.get(6)?,
                card: row.get(7)?,
                tip: row.get(8)?,
            })
        })?;
        Ok(uploads.collect::<Result<_, _>>()?)
    }

    fn has(&self, batch: i64, upload: &Upload) -> Result<bool, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT 1 FROM uploads WHERE batch = ? AND mti = ? AND stan = ? AND amount = ? AND refund = ?",
        )?;
        let values =
            params![batch, mti_of(upload), upload.stan, upload.amount.minor, upload.refund];
        Ok(ask.exists(values)?)
    }

    fn begin_upload(
        &self,
        batch: &Batch,
        (said, currency): (&BatchTotals, Currency),
    ) -> Result<(), LedgerError> {
        let (sales, refunds) = (said.sales, said.refunds);
        self.connection.execute(
            "UPDATE batches SET currency = ?, sales = ?, sales_amount = ?, refunds = ?, refunds_amount = ? WHERE batch = ?",
            params![
                currency.to_string(),
                sales.count.cast_signed(),
                sales.minor,
                refunds.count.cast_signed(),
                refunds.minor,
                batch.id
            ],
        )?;
        Ok(())
    }

    /// What was uploaded of authorizations is claimed, as a merchant's file would do it.
    fn claim(&self, batch: &Batch, lines: &[Line], held: &[Uploaded]) -> Result<(), LedgerError> {
        let Petition { terminal, merchant, .. } = self.till.petition;
        let (id, number, now) = (batch.id, batch.number, self.till.now);
        let of = OfBatch { id, number, terminal, merchant, now };
        let claims: Vec<_> =
            held.iter().map(|upload| (upload, upload.authorization(lines))).collect();
        claim_uploads(self.connection, self.books.keys(), of, &claims)
    }

    /// What was uploaded against what the books have: each difference is for a person.
    fn reconcile(
        &self,
        batch: &Batch,
        lines: &[Line],
        uploads: &[Uploaded],
    ) -> Result<(), LedgerError> {
        let mut by_stan: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line.counts()) {
            by_stan.entry(line.stan.as_deref().unwrap_or_default()).or_default().push(line);
        }
        let mut found = BTreeSet::new();
        for upload in uploads {
            let same = by_stan.get(upload.stan.as_str()).into_iter().flatten();
            let mut ours = same.filter(|line| upload.may_be(line));
            let about = Some((upload.amount, upload.currency.as_str()));
            match (ours.next(), ours.next()) {
                (Some(line), None) => {
                    found.insert(line.txn);
                    let same = (line.amount, line.refund, line.currency.as_str())
                        == (upload.amount, upload.refund, upload.currency.as_str());
                    if !same {
                        let what = "the terminal has another amount than what was approved";
                        self.except("amount_differs", batch, (Some(line.txn), about), what)?;
                    }
                }
                (Some(_), Some(_)) => {
                    let what = upload.said("several transactions have its trace number");
                    self.except("upload_ambiguous", batch, (None, about), what)?;
                }
                (None, _) => {
                    let what = upload.said("the terminal has it, and it was not approved here");
                    self.except("uploaded_unknown", batch, (None, about), what)?;
                }
            }
        }
        for line in lines.iter().filter(|line| line.counts() && !found.contains(&line.txn)) {
            let what = "approved here, and its terminal does not have it";
            let about = Some((line.amount, line.currency.as_str()));
            self.except("not_uploaded", batch, (Some(line.txn), about), what)?;
        }
        Ok(())
    }

    /// Closes a batch: what it has is in no later one.
    fn end(&self, batch: &Batch, lines: &[Line]) -> Result<(), LedgerError> {
        let mut put = self.connection.prepare_cached("INSERT INTO batched VALUES (?, ?)")?;
        let kept = |line: &&Line| line.counts() && !planted::is(Bug::BatchClosedTwice);
        for line in lines.iter().filter(kept) {
            put.execute(params![line.txn.0.cast_signed(), batch.id])?;
        }
        // What is in flight may be approved yet: the next batch looks from there on.
        let open = lines.iter().find(|line| line.in_flight).map(|line| line.txn);
        let open = open.filter(|_| !planted::is(Bug::InFlightLeftOut));
        let after = if planted::is(Bug::BatchClosedTwice) { None } else { lines.last() };
        let next = open.or_else(|| after.map(|line| TxnId(line.txn.0 + 1)));
        let next = next.unwrap_or(batch.first).0.max(1);
        self.connection.execute(
            "UPDATE batches SET closed = ?, first = ? WHERE batch = ?",
            params![self.till.now.0.cast_signed(), next.cast_signed(), batch.id],
        )?;
        Ok(())
    }

    /// Something that a person has to look at: once, however often it is said.
    fn except(
        &self,
        kind: &str,
        batch: &Batch,
        (txn, about): (Option<TxnId>, Option<(i64, &str)>),
        what: impl std::fmt::Display,
    ) -> Result<(), LedgerError> {
        let Petition { terminal, merchant, .. } = self.till.petition;
        let which = txn.map_or_else(String::new, |txn| format!(", transaction {}", txn.0));
        let detail =
            format!("batch {} of terminal {terminal} of {merchant}{which}: {what}", batch.number);
        let (amount, currency) = about.unzip();
        self.connection.execute(
            "INSERT OR IGNORE INTO exceptions (opened, kind, amount, currency, detail) VALUES (?, ?, ?, ?, ?)",
            params![self.till.now.0.cast_signed(), kind, amount, currency, detail],
        )?;
        Ok(())
    }

    fn say(&self, code: ResponseCode, words: Words, number: u32) -> BatchVerdict {
        self.till.profile.verdict(code, words, number)
    }
}

/// What was uploaded, as it is written.
pub(super) struct Uploaded {
    pub(super) mti: String,
    pub(super) stan: String,
    pub(super) rrn: Option<String>,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) refund: bool,
    pub(super) approval: Option<String>,
    pub(super) card: Option<String>,
    pub(super) tip: i64,
}

impl Uploaded {
    /// Whether its original is an authorization, as far as its terminal and these lines say; and names one.
    fn is_held(&self, lines: &[Line]) -> bool {
        let says = self.mti.as_bytes().get(1) == Some(&b'1');
        let paid = || lines.iter().any(|line| line.counts() && self.may_be(line));
        let named = self.rrn.is_some() || self.card.is_some() && self.approval.is_some();
        if says {
            self.authorization(lines).is_some() || named && !paid()
        } else {
            self.authorization(lines).is_some() && !paid()
        }
    }

    /// The one authorization of this batch that it may be.
    fn authorization(&self, lines: &[Line]) -> Option<TxnId> {
        let mut all = lines.iter().filter(|line| line.authorized && self.may_be(line));
        all.next().filter(|_| all.next().is_none()).map(|line| line.txn)
    }

    /// By its trace number, and by its reference where both have one.
    fn may_be(&self, line: &Line) -> bool {
        let named = self.rrn.is_none() || line.rrn.is_none() || self.rrn == line.rrn;
        line.stan.as_deref() == Some(&*self.stan) && named
    }

    fn said(&self, what: &str) -> String {
        format!("{} {}: {what}", self.mti, self.stan)
    }
}

/// What counts of some lines, in one currency; none when another currency is among them or a sum does not fit.
fn sums(lines: &[Line], currency: Currency) -> Option<BatchTotals> {
    let mut totals = BatchTotals::default();
    for line in lines.iter().filter(|line| line.counts()) {
        if line.currency != currency.to_string() {
            return None;
        }
        totals.count(line.amount, line.refund)?;
    }
    Some(totals)
}

fn mti_of(upload: &Upload) -> String {
    String::from_utf8_lossy(&upload.mti.ascii()).into_owned()
}

fn read_batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let total = |count: usize| -> rusqlite::Result<Total> {
        Ok(Total {
            count: row.get::<_, Option<i64>>(count)?.unwrap_or(0).cast_unsigned(),
            minor: row.get::<_, Option<i64>>(count + 1)?.unwrap_or(0),
        })
    };
    Ok(Batch {
        id: row.get(0)?,
        number: row.get(1)?,
        first: TxnId(row.get::<_, i64>(2)?.cast_unsigned()),
        currency: row.get(3)?,
        totals: BatchTotals { sales: total(4)?, refunds: total(6)? },
        closed: row.get(8)?,
    })
}
