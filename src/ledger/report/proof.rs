//! What became of everything that was approved on a day: each approval is in exactly one line, and the lines add up.

use std::collections::BTreeMap;

use super::{Ask, Out, days_before, exponent};
use crate::books::Approved;
use crate::clearing::{Cell, Column};
use crate::iso::{BusinessDate, Currency};
use crate::ledger::chain::{self, Whole};
use crate::ledger::claims::are_any_related;
use crate::ledger::fate;
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

/// What was presented of an approval.
#[derive(Clone, Copy, Debug, Default)]
struct Presented {
    /// Whether a cut presented it, whatever became of that, or held it: it does not by itself come again.
    is_settled: bool,
    /// Whether any of it was not taken back whole, given up or not.
    stands: bool,
    /// Minor units, less what was taken back or given up.
    amount: i64,
    /// Whether its merchant called some of it the last.
    is_over: bool,
}

/// What an approval can have become, in the order of the report.
const FATES: [&str; 5] = ["captured", "completed", "open", "expired", "reversed"];

/// Which way money goes: to the merchant, or to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Purchase,
    Refund,
}

impl Way {
    pub(super) const fn of(pays_card: bool) -> Self {
        if pays_card { Self::Refund } else { Self::Purchase }
    }

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
        let related = are_any_related(&self.connection)?;
        let mut count = |approved: Approved| -> Result<(), LedgerError> {
            let whole = if related {
                chain::approved(&self.connection, &self.books, approved)?
            } else {
                Some(Whole { approved, completions: Vec::new(), is_completed: false })
            };
            // What raised or completed an authorization is in its line.
            let Some(whole) = whole else { return Ok(()) };
            let (place, claimed) = self.became(&whole, expired)?;
            let one = whole.approved;
            let words = FATES.map(|word| Fate { word, count: 0, amount: 0, claimed: 0 });
            let fates: &mut [Fate; 5] =
                fates.entry((one.currency, Way::of(one.pays_card))).or_insert(words);
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

    /// What became of one, as a place among the fates, and how much of it is claimed: what its issuer was presented and was not taken back,
    /// and what the next cut presents.
    fn became(&self, whole: &Whole, expired: bool) -> Result<(usize, i64), LedgerError> {
        let Whole { approved: one, completions, is_completed } = whole;
        let own = self.presented(one)?;
        if !completions.is_empty() {
            let mut claimed = own.amount;
            for by in completions {
                let presented = self.presented(by)?;
                // Where its authorization was presented, what completes that is held; what waits of its claims is not presented.
                let waits = !presented.is_settled && !own.stands;
                claimed = claimed.saturating_add(if waits { by.stands } else { presented.amount });
            }
            return Ok((1, claimed));
        }
        let is_undone = one.stands == 0 && one.amount > 0;
        let waiting = match () {
            () if is_undone || *is_completed || one.clears && own.is_settled => None,
            () if one.clears => Some(one.stands),
            () => self.waiting(one, own.amount)?,
        };
        let claimed = own.amount.saturating_add(waiting.unwrap_or(0));
        let place = match () {
            () if is_undone => 4,
            () if own.amount > 0 || waiting.is_some() => 0,
            // What its merchant had called the last of it was taken back, or given up.
            () if own.is_over => 4,
            () if expired => 3,
            () => 2,
        };
        Ok((place, claimed))
    }

    /// What its issuer was presented of an approval.
    fn presented(&self, one: &Approved) -> Result<Presented, LedgerError> {
        let sql = format!(
            "SELECT p.amount - (SELECT ifnull(sum(back.amount), 0) FROM items AS back
                    WHERE back.kind IN ('lowered', 'opposite', 'given_up')
                        AND back.about IN {}), final,
                NOT EXISTS (SELECT 1 FROM items AS back WHERE back.about = p.item AND back.kind = 'opposite')
            FROM items AS p LEFT JOIN claims USING (claim)
            WHERE item IN (SELECT item FROM of_txn WHERE txn = ?1) AND kind = 'presentment' AND refund = ?2",
            fate::PRESENTED
        );
        let mut ask = self.connection.prepare_cached(&sql)?;
        let mut rows = ask.query((one.txn.0.cast_signed(), one.pays_card))?;
        let mut presented = Presented::default();
        while let Some(row) = rows.next()? {
            let (amount, is_last): (i64, Option<bool>) = (row.get(0)?, row.get(1)?);
            presented.is_settled = true;
            presented.stands |= row.get::<_, bool>(2)?;
            presented.is_over |= is_last.unwrap_or(true);
            presented.amount = presented.amount.saturating_add(amount.max(0));
        }
        if one.clears && !presented.is_settled {
            let sql = "SELECT 1 FROM held WHERE txn = ? AND kind = 'presentment'";
            let mut ask = self.connection.prepare_cached(sql)?;
            presented.is_settled = ask.exists([one.txn.0.cast_signed()])?;
        }
        Ok(presented)
    }

    /// How much the next cut presents of what was claimed of an authorization; none where nothing is. What was lowered has no tolerance: what
    /// exceeds it is not presented.
    fn waiting(&self, one: &Approved, presented: i64) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT amount FROM claims CROSS JOIN to_cut USING (claim)
            WHERE txn = ?1 AND op IN ('capture', 'adjust', 'refund') AND (op = 'refund') = ?2 ORDER BY claim";
        let at_most = if one.stands < one.amount { one.stands } else { i64::MAX };
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query((one.txn.0.cast_signed(), one.pays_card))?;
        let (mut sum, mut before) = (None, presented.min(at_most));
        while let Some(row) = rows.next()? {
            let amount: i64 = row.get(0)?;
            let with = before.saturating_add(amount);
            if with <= at_most {
                before = with;
                sum = Some(sum.unwrap_or(0_i64).saturating_add(amount));
            }
        }
        Ok(sum)
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
