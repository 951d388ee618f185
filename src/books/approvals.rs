//! Everything that was approved on a day, and what became of it by the books alone; knows no claims.

use std::collections::BTreeSet;

use super::view::View;
use super::{BooksError, rows, tables};
use crate::clearing;
use crate::iso::{BusinessDate, Class, Currency, ElementNo};
use crate::record::{Standing, TxnId};

/// An approval of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approved {
    /// Which transaction.
    pub txn: TxnId,
    /// What was approved, minor units.
    pub amount: i64,
    /// Whose; none where element 49 says none.
    pub currency: Option<Currency>,
    /// What of it stands, after reversals.
    pub stands: i64,
    /// Whether it clears by itself, without a claim.
    pub clears: bool,
    /// Whether an advice completed it: that one clears in its place.
    pub completed: bool,
    /// The first authorization, of one that raises it.
    pub raises: Option<TxnId>,
}

impl View {
    /// Each authorization, request and advice of a day that was approved and moves money, transactions ascending.
    pub fn approvals(
        &self,
        date: BusinessDate,
        each: &mut dyn FnMut(Approved),
    ) -> Result<(), BooksError> {
        let after = self.before(date)?;
        let completed = self.completed(after)?;
        let sql = "SELECT txn, standing FROM transactions WHERE txn > ? AND date = ? AND opening <> 'reversal' ORDER BY txn";
        let mut ask = self.connection().prepare_cached(sql)?;
        let mut found = ask.query((after, tables::day(date)))?;
        while let Some(row) = found.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let standing =
                rows::standing(txn, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
            if let Some(mut approved) = approved(&standing) {
                approved.completed = completed.contains(&txn);
                each(approved);
            }
        }
        Ok(())
    }

    /// A transaction by itself, if it was approved and moves money; whether it was completed is not looked at.
    pub fn approved(&self, txn: TxnId) -> Result<Option<Approved>, BooksError> {
        Ok(self.standing(txn)?.as_ref().and_then(approved))
    }

    /// A record before all transactions of a day: a day begins when the one before it closes, and that is after the one before
    /// that was cut. What is stored later under its date is behind it, too.
    fn before(&self, date: BusinessDate) -> Result<i64, BooksError> {
        let sql = "SELECT ifnull((SELECT lsn FROM cuts WHERE date < ? ORDER BY date DESC LIMIT 1 OFFSET 1), 0)";
        let mut ask = self.connection().prepare_cached(sql)?;
        Ok(ask.query_row([tables::day(date)], |row| row.get(0))?)
    }

    /// The authorizations that advices completed, of those that began behind a record.
    fn completed(&self, after: i64) -> Result<BTreeSet<TxnId>, BooksError> {
        let sql = "SELECT txn, standing FROM transactions WHERE txn > ? AND opening = 'advice'";
        let mut ask = self.connection().prepare_cached(sql)?;
        let mut found = ask.query([after])?;
        let mut completed = BTreeSet::new();
        while let Some(row) = found.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let standing =
                rows::standing(txn, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
            if standing.stands_approved() {
                completed.extend(standing.sent().and_then(|sent| sent.completed()));
            }
        }
        Ok(completed)
    }
}

/// None for what was never approved, or moves no money.
fn approved(standing: &Standing) -> Option<Approved> {
    let sent = standing.sent()?;
    let ever = Standing { reversal: None, ..standing.clone() }.stands_approved();
    let moves = sent
        .elements
        .get(ElementNo::PROCESSING_CODE)
        .is_none_or(|code| clearing::Flow::of(code) != Some(clearing::Flow::None));
    let money = matches!(sent.mti.class(), Class::Financial | Class::Authorization);
    if !(ever && moves && money) {
        return None;
    }
    let minor = |amount: Option<u64>| amount.and_then(|amount| i64::try_from(amount).ok());
    let amount = minor(standing.granted()).unwrap_or_default();
    let stands = if standing.is_undone() { 0 } else { minor(standing.lowered).unwrap_or(amount) };
    let currency = sent.elements.get(ElementNo::CURRENCY);
    Some(Approved {
        txn: standing.id,
        amount,
        currency: currency.and_then(|currency| Currency::from_ascii(currency).ok()),
        stands,
        clears: clearing::claims(standing),
        completed: false,
        raises: sent.raises(),
    })
}
