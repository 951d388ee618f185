//! What became of everything that was approved on a day: each approval is in exactly one line, and the lines add up.

use std::collections::BTreeMap;

use super::{Ask, Out, days_before, exponent};
use crate::books::Approved;
use crate::clearing::{Cell, Column};
use crate::iso::{BusinessDate, Currency};
use crate::ledger::{Ledger, LedgerError, chain};

pub(super) const COLUMNS: &[Column] =
    &["became", "currency", "exponent", "count", "authorized", "claimed", "not_claimed"];

/// How many became what, and how much was approved and claimed of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) word: &'static str,
    pub(super) count: i64,
    pub(super) amount: i128,
    pub(super) claimed: i128,
}

/// What an approval can have become, in the order of the report.
const FATES: [&str; 5] = ["captured", "completed", "open", "expired", "reversed"];

/// By currency; none where element 49 said none.
type Fates = BTreeMap<Option<Currency>, [Fate; 5]>;

impl Ledger {
    pub(super) fn proof(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        for (currency, fates) in self.fates(ask.day, ask)? {
            let mut all = Fate { word: "authorized", count: 0, amount: 0, claimed: 0 };
            for fate in fates {
                all.count += fate.count;
                all.amount += fate.amount;
                all.claimed += fate.claimed;
                out.row(&line(fate, currency))?;
            }
            out.row(&line(all, currency))?;
        }
        Ok(())
    }

    /// What became of the approvals of a day, by currency.
    pub(super) fn fates(&self, date: BusinessDate, ask: &Ask) -> Result<Fates, LedgerError> {
        let expired = date < days_before(ask.today, ask.authorization_days);
        let mut fates = Fates::new();
        let mut claim = self.connection.prepare_cached(
            "SELECT ifnull(sum(amount), 0), count(*) FROM claims WHERE txn = ? AND op IN ('capture', 'refund')
                AND state IN ('accepted', 'warned') AND voided IS NULL",
        )?;
        let mut count = |approved: Approved| -> Result<(), LedgerError> {
            // What raised an authorization is in its line.
            let Some(approved) = chain::approved(&self.connection, &self.books, approved)? else {
                return Ok(());
            };
            let (claimed, claims) = claim.query_row([approved.txn.0.cast_signed()], |row| {
                Ok::<(i64, i64), _>((row.get(0)?, row.get(1)?))
            })?;
            let claimed = if approved.clears { approved.stands } else { claimed };
            let place = match &approved {
                // What was claimed before it was reversed was claimed.
                _ if claims > 0 || approved.clears => 0,
                _ if approved.stands == 0 && approved.amount > 0 => 4,
                approved if approved.completed => 1,
                _ if expired => 3,
                _ => 2,
            };
            let words = FATES.map(|word| Fate { word, count: 0, amount: 0, claimed: 0 });
            let fates: &mut [Fate; 5] = fates.entry(approved.currency).or_insert(words);
            if let Some(fate) = fates.get_mut(place) {
                fate.count += 1;
                fate.amount += i128::from(approved.amount);
                fate.claimed += i128::from(claimed);
            }
            Ok(())
        };
        let mut fault = None;
        self.books.approvals(date, &mut |approved: Approved| {
            if fault.is_none() {
                fault = count(approved).err();
            }
        })?;
        match fault {
            Some(fault) => Err(fault),
            None => Ok(fates),
        }
    }
}

fn line(fate: Fate, currency: Option<Currency>) -> [Cell; 7] {
    [
        fate.word.into(),
        currency.map(|currency| currency.to_string()).into(),
        currency.map_or(Cell::Nothing, exponent),
        fate.count.into(),
        sum(fate.amount, currency),
        sum(fate.claimed, currency),
        sum(fate.amount - fate.claimed, currency),
    ]
}

/// Minor units, also of nobody knows what.
pub(super) fn sum(amount: i128, currency: Option<Currency>) -> Cell {
    currency.map_or_else(
        || Cell::Number(i64::try_from(amount).unwrap_or(i64::MAX)),
        |currency| Cell::Minor(amount, currency),
    )
}
