//! Rows of `transactions`: written from standings, and read back. The standing itself is kept beside what people see.

use rusqlite::{Connection, OptionalExtension as _};

use super::columns::{Changing, Lasting, ms};
use super::pens::{Pen, Text};
use super::{Books, BooksError, tables};
use crate::clearing;
use crate::iso::BusinessDate;
use crate::record::{self, Approval, Lsn, Opening, Outcome, Record, Standing, TxnId, Verdict};
use crate::seal::Keys;

/// How many ordinary rows one statement writes: its cursors are opened once for all of them. Of more, `SQLite` keeps the values
/// outside the memory that a connection has at hand.
pub(super) const GROUP: usize = if cfg!(test) { 3 } else { 16 };

/// What the rows of a flush are written with.
pub(super) struct Pens<'a> {
    keys: &'a Keys,
    /// Writes `GROUP` rows at once.
    ordinary: Pen<'a>,
    /// How many rows are still to be written with it. Ordinary ones that come after them fill no group.
    grouped: usize,
    insert: Pen<'a>,
    update: Pen<'a>,
    blob: Vec<u8>,
}

impl Pens<'_> {
    /// Every row that was put is in the table.
    pub(super) fn lay_down(self) {
        let empty = [&self.ordinary, &self.insert, &self.update].iter().all(|pen| pen.is_empty());
        assert!(empty, "a row is not in the books");
    }
}

/// A transaction on its way into the tables.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) standing: Standing,
    /// The day in whose clearing it is claimed.
    pub(super) captured: Option<BusinessDate>,
    /// The day in whose clearing the claim is taken back.
    pub(super) opposed: Option<BusinessDate>,
    /// The day from whose clearing on no more is claimed than a partial reversal left. After the day of the claim, the difference
    /// is taken back on it.
    pub(super) lowered: Option<BusinessDate>,
    /// Whether the tables know it.
    pub(super) stored: bool,
    /// Whether this batch changed it.
    pub(super) changed: bool,
}

impl Row {
    pub(super) const fn new(standing: Standing) -> Self {
        Self {
            standing,
            captured: None,
            opposed: None,
            lowered: None,
            stored: false,
            changed: true,
        }
    }

    /// Whether no record is likely to change it any more.
    pub(super) fn is_over(&self) -> bool {
        self.standing.told && !self.standing.is_open()
    }

    /// Whether it is new, and a request that was approved and told and nothing else: so it is with nearly all.
    pub(super) fn is_ordinary(&self) -> bool {
        let Standing { opening, outcome, heard, told, .. } = &self.standing;
        let is_approved = matches!(opening, Opening::Request(_))
            && matches!(outcome, Outcome::Answered { verdict: Verdict::Approved, .. })
            && *heard == Approval::Approved
            && *told;
        let Standing { advice, reversal, undone_by, lowered, .. } = &self.standing;
        let is_all = advice.is_none() && reversal.is_none() && undone_by.is_none();
        let is_whole = lowered.is_none() && self.lowered.is_none() && self.opposed.is_none();
        !self.stored && is_approved && is_all && is_whole
    }

    /// Whether, and on which day, it clears. What was cut stays as it was cut: a claim that falls later is
    /// taken back on the next day that is cut.
    pub(super) fn capture(&mut self, cut: BusinessDate) {
        let claims = clearing::claims(&self.standing);
        match self.captured {
            None if claims => {
                self.captured = self.standing.date().map(|date| date.max(cut.next()));
            }
            Some(day) if !claims && cut < day => self.captured = None,
            Some(_) if !claims && self.opposed.is_none() => self.opposed = Some(cut.next()),
            _ => {}
        }
        let lowered = self.captured.filter(|_| self.standing.lowered.is_some());
        self.lowered = lowered.map(|day| self.lowered.unwrap_or_else(|| day.max(cut.next())));
    }

    /// The day in whose clearing the difference is taken back, of what was lowered after it was claimed.
    pub(super) fn difference_day(&self) -> Option<BusinessDate> {
        self.lowered.filter(|day| self.captured.is_some_and(|captured| captured < *day))
    }

    /// The day in whose clearing it is, when that is its own: so it is with nearly all.
    pub(super) fn ordinary_day(&self) -> Option<BusinessDate> {
        self.captured.filter(|day| self.standing.date() == Some(*day))
    }

    /// Puts it into the table; at the latest as the last row of its group is put there.
    pub(super) fn write(&mut self, pens: &mut Pens<'_>) -> Result<(), BooksError> {
        pens.blob.clear();
        record::encode_standing(&self.standing, pens.keys, &mut pens.blob);
        if self.stored {
            self.change(&mut pens.update, &pens.blob)?;
        } else if pens.grouped > 0 && self.is_ordinary() {
            pens.grouped -= 1;
            self.ordinary(&mut pens.ordinary, &pens.blob)?;
        } else {
            self.insert(&mut pens.insert, &pens.blob)?;
        }
        (self.stored, self.changed) = (true, false);
        Ok(())
    }

    /// All columns, in the order of the table: so `SQLite` need not put them into it.
    fn insert(&self, pen: &mut Pen<'_>, blob: &[u8]) -> rusqlite::Result<()> {
        let standing = &self.standing;
        let (of, now) = (Lasting::of(standing), Changing::of(standing));
        pen.fresh(number(standing.id))?.word(Some(standing.opening.word().as_bytes()))?;
        asked(&of, now.amount, pen)?;
        pen.word(Some(now.outcome.as_bytes()))?.number(now.outcome_at)?;
        pen.common(now.code)?.own(now.approval)?;
        pen.word(Some(standing.heard.word().as_bytes()))?.number(Some(standing.told.into()))?;
        pen.word(now.advice.map(str::as_bytes))?.word(now.reversal.map(str::as_bytes))?;
        pen.number(now.untold)?.number(now.owes)?;
        pen.day(self.captured)?.day(self.opposed)?;
        pen.number(of.original.map(number))?.number(standing.undone_by.map(number))?;
        pen.fresh(blob)?.day(self.lowered)?.number(now.amount_before)?.write()
    }

    /// The columns of an ordinary row that the statement does not name itself, in the same order.
    fn ordinary(&self, pen: &mut Pen<'_>, blob: &[u8]) -> rusqlite::Result<()> {
        let (of, now) = (Lasting::of(&self.standing), Changing::of(&self.standing));
        pen.fresh(number(self.standing.id))?;
        asked(&of, now.amount, pen)?;
        pen.number(now.outcome_at)?.common(now.code)?.own(now.approval)?;
        pen.day(self.captured)?.fresh(blob)?.write()
    }

    /// The columns that any record may change.
    fn change(&self, pen: &mut Pen<'_>, blob: &[u8]) -> rusqlite::Result<()> {
        let standing = &self.standing;
        let now = Changing::of(standing);
        pen.number(now.amount)?.word(Some(now.outcome.as_bytes()))?.number(now.outcome_at)?;
        pen.common(now.code)?.own(now.approval)?;
        pen.word(Some(standing.heard.word().as_bytes()))?.number(Some(standing.told.into()))?;
        pen.word(now.advice.map(str::as_bytes))?.word(now.reversal.map(str::as_bytes))?;
        pen.number(now.untold)?.number(now.owes)?;
        pen.day(self.captured)?.day(self.opposed)?;
        pen.number(standing.undone_by.map(number))?;
        pen.fresh(blob)?.day(self.lowered)?.number(now.amount_before)?;
        pen.fresh(number(standing.id))?.write()
    }
}

/// Who asked what, and when: what stands in the middle of every new row, in the order of the table.
fn asked(of: &Lasting<'_>, amount: Option<i64>, pen: &mut Pen<'_>) -> rusqlite::Result<()> {
    pen.number(Some(of.asker.0.into()))?.number(of.issuer.map(|link| link.0.into()))?;
    pen.word(Some(&of.mti))?.common(of.processing_code)?;
    pen.own(of.stan)?.own(of.rrn)?;
    pen.own(of.terminal)?.own(of.merchant)?;
    pen.fresh(Text(of.card))?.fresh(of.token)?;
    pen.number(amount)?.common(of.currency)?;
    pen.day(of.date)?.fresh(ms(of.at))?;
    Ok(())
}

impl Books {
    /// What rows are written with, so many of them ordinary: statements are looked up once for many rows.
    pub(super) fn pens(&self, ordinary: usize) -> Result<Pens<'_>, BooksError> {
        let pen = |sql: &str| Pen::new(&self.connection, sql);
        Ok(Pens {
            keys: &self.keys,
            ordinary: pen(&insert(GROUP, |(_, ordinary)| ordinary))?,
            grouped: ordinary / GROUP * GROUP,
            insert: pen(&insert(1, |_| "?"))?,
            update: pen(UPDATE)?,
            blob: Vec::with_capacity(1024),
        })
    }

    /// A transaction as the tables have it.
    pub(super) fn row(&self, txn: TxnId) -> Result<Option<Row>, BooksError> {
        row(&self.connection, txn)
    }
}

/// A transaction as the tables have it.
pub(super) fn row(connection: &Connection, txn: TxnId) -> Result<Option<Row>, BooksError> {
    let sql = "SELECT standing, captured, opposed, lowered FROM transactions WHERE txn = ?";
    let mut ask = connection.prepare_cached(sql)?;
    let found = ask.query_row([txn.0.cast_signed()], |row| {
        Ok((row.get_ref(0)?.as_blob()?.to_vec(), row.get(1)?, row.get(2)?, row.get(3)?))
    });
    let Some((blob, captured, opposed, lowered)) = found.optional()? else { return Ok(None) };
    let standing = standing(txn, &blob)?;
    let date = |day: Option<i64>| day.and_then(tables::date);
    let (captured, opposed, lowered) = (date(captured), date(opposed), date(lowered));
    Ok(Some(Row { standing, captured, opposed, lowered, stored: true, changed: false }))
}

/// How a transaction stands, as the tables have it.
pub(super) fn standing_of(
    connection: &Connection,
    txn: TxnId,
) -> Result<Option<Standing>, BooksError> {
    let mut ask = connection.prepare_cached("SELECT standing FROM transactions WHERE txn = ?")?;
    let mut rows = ask.query([txn.0.cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let blob = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
    standing(txn, blob).map(Some)
}

/// A standing from the books.
pub(super) fn standing(txn: TxnId, blob: &[u8]) -> Result<Standing, BooksError> {
    let lsn = Lsn(txn.0);
    match record::decode(blob, lsn)? {
        (Record::Carried(standing), _) => Ok(*standing),
        _ => Err(record::BadRecord { lsn, what: "it is no standing" }.into()),
    }
}

fn number(txn: TxnId) -> i64 {
    txn.0.cast_signed()
}

/// The statement that writes so many new rows, with these values of its columns.
fn insert(rows: usize, value: fn((&str, &'static str)) -> &'static str) -> String {
    let names = COLUMNS.map(|(name, _)| name).join(",");
    let row = format!("({})", COLUMNS.map(value).join(","));
    format!("INSERT INTO transactions ({names}) VALUES {}", vec![row; rows].join(","))
}

/// The columns in their order, and what they hold in an ordinary row.
const COLUMNS: [(&str, &str); 33] = [
    ("txn", "?"),
    ("opening", "'request'"),
    ("asker", "?"),
    ("issuer", "?"),
    ("mti", "?"),
    ("processing_code", "?"),
    ("stan", "?"),
    ("rrn", "?"),
    ("terminal", "?"),
    ("merchant", "?"),
    ("card", "?"),
    ("token", "?"),
    ("amount", "?"),
    ("currency", "?"),
    ("date", "?"),
    ("at", "?"),
    ("outcome", "'approved'"),
    ("outcome_at", "?"),
    ("code", "?"),
    ("approval", "?"),
    ("heard", "'approved'"),
    ("told", "1"),
    ("advice", "NULL"),
    ("reversal", "NULL"),
    ("untold", "NULL"),
    ("owes", "NULL"),
    ("captured", "?"),
    ("opposed", "NULL"),
    ("original", "NULL"),
    ("undone_by", "NULL"),
    ("standing", "?"),
    ("lowered", "NULL"),
    ("amount_before", "NULL"),
];

const UPDATE: &str = "UPDATE transactions SET
    amount = ?, outcome = ?, outcome_at = ?, code = ?, approval = ?, heard = ?, told = ?, advice = ?, reversal = ?,
    untold = ?, owes = ?, captured = ?, opposed = ?, undone_by = ?, standing = ?, lowered = ?, amount_before = ?
WHERE txn = ?";
