//! What became of everything that was approved on a day: each approval is in exactly one line, and the lines add up.

use std::collections::BTreeMap;

use super::{Ask, Out, days_before, exponent};
use crate::books::Approved;
use crate::clearing::{Cell, Column};
use crate::iso::{BusinessDate, Currency};
use crate::ledger::chain::{self, Whole};
use crate::ledger::{Ledger, LedgerError};

pub(super) const COLUMNS: &[Column] =
    &["became", "flow", "currency", "exponent", "count", "authorized", "claimed", "not_claimed"];

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

/// What is claimed of an authorization, of what pays the card or of what does not: neither taken back nor to be taken back. Columns
/// `amount`, `count`.
const CLAIMED: &str = "SELECT ifnull(sum(amount), 0), count(*) FROM claims
    WHERE txn = ?1 AND op IN ('capture', 'adjust', 'refund') AND (op = 'refund') = ?2
        AND state IN ('accepted', 'warned') AND voided IS NULL
        AND NOT EXISTS (SELECT 1 FROM claims AS back WHERE back.original = claims.claim AND back.op = 'reversal'
            AND back.state IN ('accepted', 'warned'))";

/// Which way money goes: to the merchant, or to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Purchase,
    Refund,
}

impl Way {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Refund => "refund",
        }
    }
}

/// By currency, none where element 49 said none, and by way.
type Fates = BTreeMap<(Option<Currency>, Way), [Fate; 5]>;

impl Ledger {
    pub(super) fn proof(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        for (key, fates) in self.fates(ask.day, ask)? {
            let mut all = Fate { word: "authorized", count: 0, amount: 0, claimed: 0 };
            for fate in fates {
                all.count += fate.count;
                all.amount += fate.amount;
                all.claimed += fate.claimed;
                out.row(&line(fate, key))?;
            }
            out.row(&line(all, key))?;
        }
        Ok(())
    }

    /// What became of the approvals of a day, by currency and way.
    pub(super) fn fates(&self, date: BusinessDate, ask: &Ask) -> Result<Fates, LedgerError> {
        let expired = date < days_before(ask.today, ask.authorization_days);
        let mut fates = Fates::new();
        let mut claims = self.connection.prepare_cached(CLAIMED)?;
        let mut count = |approved: Approved| -> Result<(), LedgerError> {
            // What raised or completed an authorization is in its line.
            let Some(Whole { approved: one, completed }) =
                chain::approved(&self.connection, &self.books, approved)?
            else {
                return Ok(());
            };
            let values = (one.txn.0.cast_signed(), one.pays_card);
            let (claimed, count) =
                claims.query_row(values, |row| Ok::<(i64, i64), _>((row.get(0)?, row.get(1)?)))?;
            // What a reversal has lowered has no tolerance: more than is left is taken back by a cut.
            let at_most = if one.stands < one.amount { one.stands } else { i64::MAX };
            let (place, claimed) = match completed {
                Some(by) => (1, by.saturating_add(claimed)),
                None if one.stands == 0 && one.amount > 0 => (4, 0),
                None if one.clears => (0, one.stands),
                None if count > 0 => (0, claimed.min(at_most)),
                None if expired => (3, 0),
                None => (2, 0),
            };
            let way = if one.pays_card { Way::Refund } else { Way::Purchase };
            let words = FATES.map(|word| Fate { word, count: 0, amount: 0, claimed: 0 });
            let fates: &mut [Fate; 5] = fates.entry((one.currency, way)).or_insert(words);
            if let Some(fate) = fates.get_mut(place) {
                fate.count += 1;
                fate.amount += i128::from(one.amount);
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

fn line(fate: Fate, (currency, way): (Option<Currency>, Way)) -> [Cell; 8] {
    [
        fate.word.into(),
        way.word().into(),
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
