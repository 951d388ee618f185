//! Everything that was approved on a day, and what became of it by the books alone; knows no claims.

use super::view::View;
use super::{BooksError, rows, tables};
use crate::clearing::{self, Flow};
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
    /// Whether it pays the card: a refund.
    pub pays_card: bool,
    /// The first authorization, of one that raises it.
    pub raises: Option<TxnId>,
    /// The authorization that it completes, of an advice: it clears in its place.
    pub completes: Option<TxnId>,
}

impl View {
    /// Each authorization, request and advice of a day that was approved and moves money, transactions ascending.
    pub fn approvals(
        &self,
        date: BusinessDate,
        each: &mut dyn FnMut(Approved),
    ) -> Result<(), BooksError> {
        let after = self.before(date)?;
        let sql = "SELECT txn, standing FROM transactions WHERE txn > ? AND date = ? AND opening <> 'reversal' ORDER BY txn";
        let mut ask = self.connection().prepare_cached(sql)?;
        let mut found = ask.query((after, tables::day(date)))?;
        while let Some(row) = found.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let standing =
                rows::standing(txn, row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?;
            approved(&standing).into_iter().for_each(&mut *each);
        }
        Ok(())
    }

    /// A transaction by itself, if it was approved and moves money.
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
}

/// None for what was never approved, or moves no money.
fn approved(standing: &Standing) -> Option<Approved> {
    let sent = standing.sent()?;
    let flow = sent.elements.get(ElementNo::PROCESSING_CODE).and_then(Flow::of);
    let moves = flow != Some(Flow::None);
    let money = matches!(sent.mti.class(), Class::Financial | Class::Authorization);
    if !(standing.was_approved() && moves && money) {
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
        pays_card: flow == Some(Flow::Refund),
        raises: sent.raises(),
        completes: sent.completed(),
    })
}
