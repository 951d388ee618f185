//! The rows that claims are, with what became of them; those that are ordinary are written some at a time, by one statement that
//! opens what it writes into once for all of them. Decides nothing.

use std::cell::RefCell;

use rusqlite::Connection;

use super::super::LedgerError;
use super::matching::{Matched, told};
use crate::books::Pen;
use crate::clearing::claim::{Claim, Verdict};
use crate::record::TxnId;
use crate::seal::Keys;

/// A claim with what became of it.
pub(super) struct Row {
    /// Its number.
    pub(super) id: i64,
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
    last: i64,
    rows: Vec<Row>,
    /// Write `GROUP` rows at once, and what a cut is to take of them.
    group: (Pen<'a>, Pen<'a>),
    /// Write one.
    one: (Pen<'a>, Pen<'a>),
    /// Writes one whose reference cannot stand there.
    alone: Pen<'a>,
}

/// How many rows one statement writes.
const GROUP: usize = if cfg!(test) { 3 } else { 16 };

/// All columns but one, in the order of the table.
const ROW: &str = "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,NULL)";

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
        let last = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        // What has the reference of one that stands is left out, and told.
        let pens = |rows: usize| {
            let (claims, marks) = ([ROW].repeat(rows).join(","), ["(?)"].repeat(rows).join(","));
            let claims =
                Pen::new(connection, &format!("INSERT OR IGNORE INTO claims VALUES {claims}"))?;
            let marks = Pen::new(connection, &format!("INSERT INTO to_cut VALUES {marks}"))?;
            Ok::<_, rusqlite::Error>((claims, marks))
        };
        let (group, one) = (pens(GROUP)?, pens(1)?);
        let alone = Pen::new(connection, &format!("INSERT INTO claims VALUES {ROW}"))?;
        let waiting = Waiting { last, rows: Vec::with_capacity(GROUP), group, one, alone };
        Ok(Self { connection, waiting: RefCell::new(waiting) })
    }

    /// A number for the next claim.
    pub(super) fn next_id(&self) -> i64 {
        let mut waiting = self.waiting.borrow_mut();
        waiting.last += 1;
        waiting.last
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

    /// Writes what waits. Gives those whose references stood there before: these are not written.
    pub(super) fn lay_down(&self, merchant: &str) -> Result<Vec<Row>, LedgerError> {
        let Waiting { rows, group, one, .. } = &mut *self.waiting.borrow_mut();
        let mut left = Vec::new();
        if rows.is_empty() {
            return Ok(left);
        }
        let (claims, marks) = if rows.len() == GROUP { group } else { one };
        let before = self.connection.total_changes();
        rows.iter().try_for_each(|row| row.write(merchant, claims))?;
        let written = self.connection.total_changes() - before;
        if u64::try_from(rows.len()).is_ok_and(|len| len == written) {
            rows.drain(..).try_for_each(|row| marks.fresh(row.id)?.write())?;
            return Ok(left);
        }
        let mut is_there =
            self.connection.prepare_cached("SELECT 1 FROM claims WHERE claim = ?")?;
        for row in rows.drain(..) {
            if is_there.exists([row.id])? {
                to_cut(self.connection, row.id)?;
            } else {
                left.push(row);
            }
        }
        Ok(left)
    }

    /// Writes one alone. Nothing waits.
    pub(super) fn insert(&self, merchant: &str, row: &Row) -> Result<(), LedgerError> {
        row.write(merchant, &mut self.waiting.borrow_mut().alone)?;
        if is_to_cut(&row.matched.verdict) {
            to_cut(self.connection, row.id)?;
        }
        Ok(())
    }
}

impl Row {
    fn write(&self, merchant: &str, pen: &mut Pen<'_>) -> rusqlite::Result<()> {
        fn word<'w, 'a>(
            pen: &'w mut Pen<'a>,
            text: Option<&str>,
        ) -> rusqlite::Result<&'w mut Pen<'a>> {
            pen.word(text.map(str::as_bytes))
        }
        let Self { claim, matched, .. } = self;
        let (state, note) = told(&matched.verdict);
        let said = claim.said.as_ref().ok();
        pen.fresh(self.id)?.number(Some(self.submission))?;
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
        pen.number(matched.txn.map(|txn| txn.0.cast_signed()))?.number(matched.original)?.write()
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
