//! Rows of `transactions`: written from standings, and read back. The standing itself is kept beside what people see.

use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Statement, ToSql};

use super::columns::{Changing, ms, text};
use super::{Books, BooksError, tables};
use crate::clearing;
use crate::iso::{BusinessDate, ElementNo};
use crate::record::{self, Lsn, Opening, Record, Standing, TxnId};
use crate::seal::Keys;

/// What rows are written with.
pub(super) struct Pens<'a> {
    keys: &'a Keys,
    insert: CachedStatement<'a>,
    update: CachedStatement<'a>,
    blob: Vec<u8>,
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

    /// Puts it into the table.
    pub(super) fn write(&mut self, pens: &mut Pens<'_>) -> Result<(), BooksError> {
        pens.blob.clear();
        record::encode_standing(&self.standing, pens.keys, &mut pens.blob);
        if self.stored {
            let mut values = Values { statement: &mut pens.update, count: 0 };
            self.changing(&mut values, &pens.blob)?;
            values.put(self.standing.id.0.cast_signed())?;
            pens.update.raw_execute()?;
        } else {
            let mut values = Values { statement: &mut pens.insert, count: 0 };
            self.changing(&mut values, &pens.blob)?;
            self.lasting(&mut values)?;
            pens.insert.raw_execute()?;
        }
        (self.stored, self.changed) = (true, false);
        Ok(())
    }

    /// The columns that any record may change.
    fn changing(&self, values: &mut Values<'_, '_>, blob: &[u8]) -> rusqlite::Result<()> {
        let now = Changing::of(&self.standing);
        values.put(now.amount)?.put(now.outcome)?.put(now.outcome_at)?;
        values.put(now.code)?.put(now.approval)?;
        values.put(self.standing.heard.word())?.put(self.standing.told)?;
        values.put(now.advice)?.put(now.reversal)?.put(now.untold)?.put(now.owes)?;
        values.put(self.captured.map(tables::day))?.put(self.opposed.map(tables::day))?;
        values.put(self.lowered.map(tables::day))?.put(now.amount_before)?;
        values.put(self.standing.undone_by.map(|txn| txn.0.cast_signed()))?.put(blob)?;
        Ok(())
    }

    /// The columns that the opening record settles. What a reversal does not have stays null.
    fn lasting(&self, values: &mut Values<'_, '_>) -> rusqlite::Result<()> {
        let standing = &self.standing;
        values.put(standing.id.0.cast_signed())?.put(standing.opening.word())?;
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                let of = |no| text(&sent.elements, no);
                let card = sent.card.as_ref();
                values.put(sent.asker.0)?.put(digits(&sent.mti.ascii()))?.put(ms(sent.at))?;
                values.put(sent.issuer.0)?.put(tables::day(sent.date))?;
                values.put(of(ElementNo::PROCESSING_CODE))?.put(of(ElementNo::STAN))?;
                values.put(of(ElementNo::RRN))?.put(of(ElementNo::TERMINAL))?;
                values.put(of(ElementNo::MERCHANT))?.put(of(ElementNo::CURRENCY))?;
                values.put(card.map(|card| digits(card.masked.as_bytes())))?;
                values.put(card.map(|card| card.token.0.to_be_bytes()))?.put(None::<i64>)?;
            }
            Opening::Reversal(undo) => {
                values.put(undo.asker.0)?.put(digits(&undo.mti.ascii()))?.put(ms(undo.at))?;
                for _ in 0..10 {
                    values.put(None::<i64>)?;
                }
                values.put(undo.original.map(|txn| txn.0.cast_signed()))?;
            }
        }
        Ok(())
    }
}

impl Books {
    /// What rows are written with: statements are looked up once for many rows.
    pub(super) fn pens(&self) -> Result<Pens<'_>, BooksError> {
        let insert = self.connection.prepare_cached(INSERT)?;
        let update = self.connection.prepare_cached(UPDATE)?;
        Ok(Pens { keys: &self.keys, insert, update, blob: Vec::with_capacity(1024) })
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

/// A standing from the books.
pub(super) fn standing(txn: TxnId, blob: &[u8]) -> Result<Standing, BooksError> {
    let lsn = Lsn(txn.0);
    match record::decode(blob, lsn)? {
        (Record::Carried(standing), _) => Ok(*standing),
        _ => Err(record::BadRecord { lsn, what: "it is no standing" }.into()),
    }
}

/// Values for a statement, one after the other.
struct Values<'a, 'c> {
    statement: &'a mut Statement<'c>,
    count: usize,
}

impl Values<'_, '_> {
    fn put(&mut self, value: impl ToSql) -> rusqlite::Result<&mut Self> {
        self.count += 1;
        self.statement.raw_bind_parameter(self.count, value)?;
        Ok(self)
    }
}

fn digits(ascii: &[u8]) -> &str {
    std::str::from_utf8(ascii).unwrap_or_default()
}

const INSERT: &str = "INSERT INTO transactions (
    amount, outcome, outcome_at, code, approval, heard, told, advice, reversal, untold, owes, captured, opposed,
    lowered, amount_before, undone_by, standing, txn, opening, asker, mti, at, issuer, date, processing_code, stan, rrn, terminal, merchant,
    currency, card, token, original
) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";

const UPDATE: &str = "UPDATE transactions SET
    amount = ?, outcome = ?, outcome_at = ?, code = ?, approval = ?, heard = ?, told = ?, advice = ?, reversal = ?,
    untold = ?, owes = ?, captured = ?, opposed = ?, lowered = ?, amount_before = ?, undone_by = ?, standing = ?
WHERE txn = ?";
