//! The rows that claims are, with what became of them; those that are ordinary are written some at a time, by one statement that
//! opens what it writes into once for all of them. Decides nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::LedgerError;
use super::Counted;
use super::matching::{Matched, told};
use crate::books::Pen;
use crate::clearing::claim::{Claim, Verdict};
use crate::record::TxnId;
use crate::seal::Keys;

/// A claim with what became of it.
pub(super) struct Row {
    pub(super) submission: i64,
    pub(super) claim: Box<Claim>,
    /// What makes two of one reference the same.
    pub(super) digest: [u8; 16],
    pub(super) matched: Matched,
}

/// Claims on their way into the table.
pub(super) struct Rows<'a> {
    connection: &'a Connection,
    waiting: RefCell<Waiting<'a>>,
}

struct Waiting<'a> {
    /// The number of the last claim that was there before.
    before: i64,
    /// The number of the last claim in the table.
    last: i64,
    rows: Vec<Row>,
    /// Write `GROUP` rows at once, and what a cut is to take of them.
    group: (Pen<'a>, Pen<'a>),
    /// Write one.
    one: (Pen<'a>, Pen<'a>),
    /// Writes one by itself, and finds out whether it is the first of its authorization: a reference that stands already is a fault.
    strict: Pen<'a>,
    counts: Option<Counts>,
}

/// How many were written in each state, and their sums: by state and currency.
type Counts = BTreeMap<&'static str, BTreeMap<String, (i64, i64)>>;

/// How many rows one statement writes.
const GROUP: usize = if cfg!(test) { 3 } else { 16 };

/// All columns but `claim` and `voided`, in the order of the table. `SQLite` gives the next number, as is done here: where it is told one, it keeps each
/// page that it changes, to undo the statement if that is no number.
const COLUMNS: &str = "submission, seq, place, merchant, terminal, op, reference, original_reference, original_amount, rrn, stan, approval,
    token, amount, currency, local, mcc, final, tip, entry, digest, state, reason, field, expected, got, txn, original, opens";

const ROW: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

/// The same, but the table tells whether it is the first of its authorization: value 27, in the order of `COLUMNS`.
const STRICT_ROW: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?27,?,
    iif(?27 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM claims AS one WHERE one.txn = ?27), 1, NULL))";

/// The claim of a merchant that stands under a reference, with what makes another one the same.
pub(super) const STANDS: &str =
    "SELECT claim, digest FROM claims WHERE merchant = ? AND reference = ?
    AND state NOT IN ('rejected', 'duplicate') LIMIT 1";

/// What makes two records of one reference the same.
pub(super) fn digest(keys: &Keys, claim: &Claim) -> [u8; 16] {
    let (texts, numbers) = claim.content();
    let numbers = numbers.map(i64::to_be_bytes);
    let mut parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    parts.extend(numbers.iter().map(<[u8; 8]>::as_slice));
    keys.tag("claim", &parts).0.to_be_bytes()
}

impl<'a> Rows<'a> {
    pub(super) fn new(connection: &'a Connection) -> Result<Self, LedgerError> {
        let sql = "SELECT ifnull(max(claim), 0) FROM claims";
        let before = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        let last = before;
        // What has the reference of one that stands is left out, and told.
        let pens = |rows: usize| {
            let (claims, marks) = ([ROW].repeat(rows).join(","), ["(?)"].repeat(rows).join(","));
            let sql = format!("INSERT OR IGNORE INTO claims ({COLUMNS}) VALUES {claims}");
            let claims = Pen::new(connection, &sql)?;
            let marks = Pen::new(connection, &format!("INSERT INTO to_cut VALUES {marks}"))?;
            Ok::<_, rusqlite::Error>((claims, marks))
        };
        let (group, one) = (pens(GROUP)?, pens(1)?);
        let strict =
            Pen::new(connection, &format!("INSERT INTO claims ({COLUMNS}) VALUES {STRICT_ROW}"))?;
        let waiting = Waiting {
            before,
            last,
            rows: Vec::with_capacity(GROUP),
            group,
            one,
            strict,
            counts: Some(Counts::new()),
        };
        Ok(Self { connection, waiting: RefCell::new(waiting) })
    }

    /// Whether a claim of this reference waits.
    pub(super) fn has_reference(&self, reference: &str) -> bool {
        self.waiting.borrow().rows.iter().any(|row| row.claim.reference == reference)
    }

    /// Whether a claim of this transaction waits.
    pub(super) fn has_txn(&self, txn: TxnId) -> bool {
        self.waiting.borrow().rows.iter().any(|row| row.matched.txn == Some(txn))
    }

    /// An ordinary claim waits until there are as many as one statement writes. Gives whether there are.
    pub(super) fn put(&self, row: Row) -> bool {
        let rows = &mut self.waiting.borrow_mut().rows;
        rows.push(row);
        rows.len() >= GROUP
    }

    /// Writes what waits. Where a reference stood there before, or one was taken for the first of its authorization and is not, nothing
    /// is written and all of them are given back.
    pub(super) fn lay_down(&self, merchant: &str) -> Result<Vec<Row>, LedgerError> {
        let Waiting { last, rows, group, one, counts, .. } = &mut *self.waiting.borrow_mut();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let first = *last + 1;
        let (claims, marks) = if rows.len() == GROUP { group } else { one };
        let before = self.connection.total_changes();
        for row in &*rows {
            row.fill(merchant, claims)?.number(Some(1))?.write()?;
        }
        let written = self.connection.total_changes() - before;
        if u64::try_from(rows.len()).is_ok_and(|len| len == written) {
            rows.drain(..).for_each(|row| count(counts, &row));
            *last = self.connection.last_insert_rowid();
            let expected = first + written.cast_signed() - 1;
            if *last != expected {
                let why = format!("claim {expected} has the number {last}");
                return Err(LedgerError::Unbalanced(why));
            }
            (first..=*last).try_for_each(|id| marks.fresh(id)?.write())?;
            return Ok(Vec::new());
        }
        self.connection.execute("DELETE FROM claims WHERE claim >= ?", [first])?;
        Ok(std::mem::take(rows))
    }

    /// The numbers of the first and the last claim that were written.
    pub(super) fn range(&self) -> Option<(i64, i64)> {
        let waiting = self.waiting.borrow();
        (waiting.before < waiting.last).then_some((waiting.before + 1, waiting.last))
    }

    /// Writes one by itself, and gives its number. Nothing waits.
    pub(super) fn insert(&self, merchant: &str, row: &Row) -> Result<i64, LedgerError> {
        let Waiting { last, strict, counts, .. } = &mut *self.waiting.borrow_mut();
        row.fill(merchant, strict)?.write()?;
        count(counts, row);
        *last = self.connection.last_insert_rowid();
        if is_to_cut(&row.matched.verdict) {
            to_cut(self.connection, *last)?;
        }
        Ok(*last)
    }

    /// A claim that was written has another state now.
    pub(super) fn miscount(&self) {
        self.waiting.borrow_mut().counts = None;
    }

    /// What was written, in the order of states and currencies; none where that has changed since.
    pub(super) fn counted(&self) -> Option<Vec<Counted>> {
        let waiting = self.waiting.borrow();
        let mut all = Vec::new();
        for (state, currencies) in waiting.counts.as_ref()? {
            for (currency, (count, amount)) in currencies {
                let (state, currency) = ((*state).to_owned(), currency.clone());
                all.push(Counted { state, currency, count: *count, amount: *amount });
            }
        }
        Some(all)
    }
}

fn count(counts: &mut Option<Counts>, row: &Row) {
    let Some(counts) = counts else { return };
    let currencies = counts.entry(told(&row.matched.verdict).0).or_default();
    if !currencies.contains_key(&row.claim.currency) {
        currencies.insert(row.claim.currency.clone(), (0, 0));
    }
    if let Some((count, amount)) = currencies.get_mut(&row.claim.currency) {
        *count += 1;
        *amount = amount.saturating_add(row.claim.amount);
    }
}

impl Row {
    /// Fills all columns in but the last, whether it is the first of its authorization, and gives the pen back for that.
    fn fill<'p, 'c>(
        &self,
        merchant: &str,
        pen: &'p mut Pen<'c>,
    ) -> rusqlite::Result<&'p mut Pen<'c>> {
        fn word<'w, 'a>(
            pen: &'w mut Pen<'a>,
            text: Option<&str>,
        ) -> rusqlite::Result<&'w mut Pen<'a>> {
            pen.word(text.map(str::as_bytes))
        }
        let Self { claim, matched, .. } = self;
        let (state, note) = told(&matched.verdict);
        let said = claim.said.as_ref().ok();
        pen.number(Some(self.submission))?;
        pen.fresh(claim.seq.cast_signed())?.fresh(claim.line.cast_signed())?;
        word(pen, Some(claim.merchant.as_deref().unwrap_or(merchant)))?;
        word(word(pen, claim.terminal.as_deref())?, Some(&claim.op))?;
        pen.fresh(&claim.reference)?;
        word(pen, claim.original.as_deref())?;
        pen.number(said.and_then(|said| said.original_amount))?;
        pen.fresh(&claim.rrn)?.fresh(&claim.stan)?.fresh(&claim.approval)?;
        word(pen, claim.token.as_deref())?.number(Some(claim.amount))?;
        word(word(pen, Some(&claim.currency))?, claim.local.as_deref())?;
        word(pen, claim.mcc.as_deref())?;
        pen.number(Some(said.is_none_or(|said| said.last).into()))?;
        pen.number(Some(said.map_or(0, |said| said.tip)))?;
        word(pen, claim.entry.as_deref())?.fresh(self.digest)?;
        word(word(pen, Some(state))?, note.map(|note| note.reason.word()))?;
        word(word(pen, note.map(|note| note.field))?, note.map(|note| &*note.expected))?;
        word(pen, note.map(|note| &*note.got))?;
        pen.number(matched.txn.map(|txn| txn.0.cast_signed()))?.number(matched.original)
    }
}

/// Whether a cut is to take it.
pub(super) const fn is_to_cut(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted | Verdict::Warned(_))
}

/// A cut is to take this claim.
pub(super) fn to_cut(connection: &Connection, claim: i64) -> Result<(), LedgerError> {
    connection.prepare_cached("INSERT INTO to_cut VALUES (?)")?.execute([claim])?;
    Ok(())
}

/// No cut takes this claim any more.
pub(in crate::ledger) fn not_to_cut(
    connection: &Connection,
    claim: i64,
) -> Result<(), LedgerError> {
    connection.prepare_cached("DELETE FROM to_cut WHERE claim = ?")?.execute([claim])?;
    Ok(())
}
