//! What people have to see to: open exceptions with their age, and charge-backs with the day by which they are to be answered.

use rusqlite::Row;

use super::{Moment, day_number};
use crate::ledger::{Ledger, LedgerError};
use crate::record::LinkId;

/// An exception that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its number.
    pub exception: i64,
    /// When it was found, milliseconds since 1970.
    pub opened: i64,
    /// For how many days it has been open.
    pub days: i64,
    /// What is wrong.
    pub kind: String,
    /// Whose.
    pub issuer: Option<LinkId>,
    /// What it is about: names of columns and numbers.
    pub about: Vec<(&'static str, i64)>,
    /// Minor units.
    pub amount: Option<i64>,
    /// ISO 4217, three digits.
    pub currency: Option<String>,
    /// For people.
    pub detail: String,
}

/// A charge-back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Its number.
    pub item: i64,
    /// What it charges back.
    pub about: i64,
    /// Whose card it was.
    pub issuer: LinkId,
    /// Who was paid.
    pub merchant: String,
    /// The card, masked.
    pub card: Option<String>,
    /// The reference of what was presented.
    pub reference: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, three digits.
    pub currency: String,
    /// Why, as a code.
    pub reason: Option<String>,
    /// The last day on which it may be answered, like 20261123.
    pub due: i64,
    /// `open`, `late` when that day is over, or `answered`.
    pub state: &'static str,
    /// The second presentment that answers it.
    pub answered_by: Option<i64>,
}

const DAY_MS: i64 = 86_400_000;

impl Ledger {
    /// The open exceptions, oldest first, and how many there are in all.
    pub fn exceptions(
        &self,
        limit: u32,
        moment: Moment,
    ) -> Result<(Vec<Exception>, u64), LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT exception, opened, kind, issuer, amount, currency, detail,
                 claim, item, file, answer, place, start, length
             FROM exceptions WHERE closed IS NULL ORDER BY opened, exception LIMIT ?",
        )?;
        let rows = ask.query_map([limit], |row| {
            let opened: i64 = row.get(1)?;
            let mut about = Vec::new();
            let names = ["claim", "item", "file", "answer", "record", "byte", "length"];
            for (at, name) in (7..).zip(names) {
                about.extend(row.get::<_, Option<i64>>(at)?.map(|number| (name, number)));
            }
            Ok(Exception {
                exception: row.get(0)?,
                opened,
                days: moment.at().saturating_sub(opened).max(0) / DAY_MS,
                kind: row.get(2)?,
                issuer: row.get::<_, Option<u32>>(3)?.map(LinkId),
                about,
                amount: row.get(4)?,
                currency: row.get(5)?,
                detail: row.get(6)?,
            })
        })?;
        let list = rows.collect::<Result<_, _>>()?;
        Ok((list, self.exceptions_open()?))
    }

    /// How many exceptions nobody has closed.
    pub fn exceptions_open(&self) -> Result<u64, LedgerError> {
        let count = "SELECT count(*) FROM exceptions WHERE closed IS NULL";
        let all: i64 = self.connection.query_row(count, [], |row| row.get(0))?;
        Ok(all.cast_unsigned())
    }

    /// The charge-backs, those that are to be answered first, in the order of their due dates; how many there are in all, and how many
    /// of those are not answered.
    pub fn chargebacks(
        &self,
        limit: u32,
        moment: Moment,
    ) -> Result<(Vec<Charged>, [u64; 2]), LedgerError> {
        let today = day_number(moment.day);
        let mut ask = self.connection.prepare_cached(
            "SELECT c.item, c.about, c.issuer, c.merchant, c.card, c.reference, c.amount, c.currency, c.reason, c.due, r.item
             FROM items c LEFT JOIN items r ON r.about = c.item AND r.kind = 'representment'
             WHERE c.kind = 'chargeback' AND c.amount > 0
             ORDER BY r.item IS NOT NULL, c.due, c.item LIMIT ?",
        )?;
        let rows = ask.query_map([limit], |row| {
            let (due, answered_by): (i64, Option<i64>) = (row.get(9)?, row.get(10)?);
            let state = match answered_by {
                Some(_) => "answered",
                None if due < today => "late",
                None => "open",
            };
            Ok(Charged {
                item: row.get(0)?,
                about: row.get(1)?,
                issuer: LinkId(row.get(2)?),
                merchant: row.get(3)?,
                card: row.get(4)?,
                reference: row.get(5)?,
                amount: row.get(6)?,
                currency: row.get(7)?,
                reason: row.get(8)?,
                due,
                state,
                answered_by,
            })
        })?;
        let list = rows.collect::<Result<_, _>>()?;
        let count_sql = "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS
                (SELECT 1 FROM items AS r WHERE r.about = items.item AND r.kind = 'representment'))
            FROM items WHERE kind = 'chargeback' AND amount > 0";
        let count =
            |row: &Row<'_>| Ok([row.get::<_, i64>(0)?, row.get(1)?].map(i64::cast_unsigned));
        let counts = self.connection.query_row(count_sql, [], count)?;
        Ok((list, counts))
    }
}
