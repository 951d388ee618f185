//! Whether a refund may go out: what it gives back must have been taken, and not be given back already.

use rusqlite::OptionalExtension as _;

use super::Gathering;
use crate::clearing::{self, ClearingError};
use crate::iso::Currency;
use crate::ledger::chain::{self, Left};
use crate::ledger::cut::CutError;
use crate::ledger::fate::{self, Decision, Fate};
use crate::record::{Standing, TxnId};

/// What a refund says.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Minor units.
    pub(super) amount: i64,
    /// None where it is none.
    pub(super) currency: Option<Currency>,
    /// The claim that it names.
    pub(super) names: Option<i64>,
}

/// Whether a refund may go out.
pub(super) enum Refund {
    /// In this cut.
    Now,
    /// Not before what it gives back was taken.
    Later,
    /// Not at all, for such a reason.
    Never(&'static str),
    /// Only so much of it might, minor units.
    Over(i128),
}

/// What its merchant has of a purchase, minor units.
struct Has {
    /// Of all of it: what a person decides about, and what is in suspense, is not his.
    all: i128,
    /// Of the claim that is named, where one is.
    named: Named,
    /// Whether its issuer did not take some of it and nobody has decided about that, or a refund of it may come back: it may be his yet.
    may_be_more: bool,
    /// Whether anything was presented.
    any: bool,
}

enum Named {
    /// None is.
    Nobody,
    /// It waits for its authorization, to be presented, or in suspense.
    Waits,
    /// It was never presented.
    Never,
    /// So much is left of it, before what was refunded.
    Has(i128),
}

impl Gathering<'_, '_> {
    /// Of a purchase; or, without one, by an authorization of its own, which may name a claim of a purchase all the same.
    pub(super) fn may_refund(
        &self,
        wanted: Wanted,
        of: Option<(&Standing, &Left)>,
    ) -> Result<Refund, CutError> {
        if let Some((standing, left)) = of {
            return self.may_refund_of(wanted, standing, left);
        }
        let sql =
            "SELECT txn, currency FROM claims WHERE claim = ? AND op IN ('capture', 'adjust')";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        let named = ask.query_row([wanted.names], |row| {
            let currency = Currency::from_ascii(row.get_ref(1)?.as_bytes()?).ok();
            Ok((row.get::<_, Option<i64>>(0)?, currency))
        });
        let Some((txn, currency)) = named.optional()? else { return Ok(Refund::Now) };
        // Amounts of two currencies cannot be held against each other.
        if currency != wanted.currency {
            return Ok(Refund::Never("CURRENCY"));
        }
        let standing = match txn {
            Some(txn) => self.books.standing(TxnId(txn.cast_unsigned()))?,
            None => None,
        };
        let Some(standing) = standing else {
            let named = self.replaced(wanted.names)?;
            let waits = named.map_or(Ok(false), |claim| self.waits(claim))?;
            return Ok(if waits { Refund::Later } else { Refund::Never("NOT_PRESENTED") });
        };
        let left = chain::left(self.rows.laid_down()?, self.books, &standing)?;
        self.may_refund_of(wanted, &standing, &left)
    }

    fn may_refund_of(
        &self,
        wanted: Wanted,
        standing: &Standing,
        left: &Left,
    ) -> Result<Refund, CutError> {
        let txn = standing.id.0.cast_signed();
        let refunded = fate::refunded(self.rows.laid_down()?, txn)?;
        let has = self.has(wanted, (txn, left), refunded)?;
        let named = match has.named {
            Named::Nobody => i128::MAX,
            Named::Waits => return Ok(Refund::Later),
            Named::Never if standing.stands_approved() || has.any => {
                return Ok(Refund::Never("NOT_PRESENTED"));
            }
            Named::Never => return Ok(Refund::Never("REVERSED")),
            Named::Has(0) => return Ok(Refund::Never("TAKEN_BACK")),
            Named::Has(left) => left - self.refunded_of_claim(wanted.names)?,
        };
        Ok(if has.all > 0 {
            let left = named.min(has.all - refunded).max(0);
            if i128::from(wanted.amount) <= left {
                Refund::Now
            } else if has.may_be_more {
                Refund::Later
            } else {
                Refund::Over(left)
            }
        } else if has.may_be_more {
            Refund::Later
        } else if has.any {
            Refund::Never("TAKEN_BACK")
        } else if !standing.stands_approved() {
            Refund::Never("REVERSED")
        } else if self.is_to_be_presented(standing)? {
            Refund::Later
        } else {
            Refund::Never("NOT_PRESENTED")
        })
    }

    fn has(
        &self,
        wanted: Wanted,
        (txn, left): (i64, &Left),
        refunded: i128,
    ) -> Result<Has, CutError> {
        let rows = self.rows.laid_down()?;
        let mut fates = Vec::new();
        for fate in fate::of_purchase(rows, txn)? {
            let is_taken = fate.rejected.is_none();
            let left = if is_taken { i128::from(fate::left(rows, &fate)?) } else { 0 };
            fates.push((fate, left));
        }
        // What was charged back and then undone or lowered is held, or will be: a person decides about it, and nothing of it is refunded.
        // Otherwise what was charged back is the card's, but for what was presented a second time.
        let sum: i128 = fates.iter().map(|(_, left)| *left).sum();
        let exceeds = |at_most: u64| sum > refunded.max(i128::from(at_most));
        let sql = "SELECT 1 FROM held WHERE txn = ? AND fault = ?";
        let fault = ClearingError::ChargedBack { txn: TxnId(txn.cast_unsigned()) }.to_string();
        let is_held = !left.stands
            || left.at_most.is_some_and(exceeds)
            || rows.prepare_cached(sql)?.exists((txn, fault))?;
        for (fate, left) in &mut fates {
            if fate.charged_back && is_held {
                *left = 0;
            }
        }
        let may_be = |fate: &Fate| !fate.opposed && fate.rejected == Some(Decision::None);
        let named = match self.replaced(wanted.names)? {
            None => Named::Nobody,
            Some(claim) => match fates.iter().find(|(fate, _)| fate.claim == Some(claim)) {
                Some((fate, _)) if may_be(fate) => Named::Waits,
                Some((_, left)) => Named::Has(*left),
                None if self.waits(claim)? => Named::Waits,
                None => Named::Never,
            },
        };
        Ok(Has {
            all: fates.iter().map(|(_, left)| *left).sum(),
            named,
            may_be_more: fates.iter().any(|(fate, _)| may_be(fate))
                || fate::may_return_refund(rows, txn)?,
            any: !fates.is_empty(),
        })
    }

    /// A claim, or what an adjustment put in its place.
    fn replaced(&self, claim: Option<i64>) -> Result<Option<i64>, CutError> {
        let sql = "WITH RECURSIVE later(claim) AS (
                SELECT ?
                UNION SELECT by.claim FROM later JOIN claims AS one ON one.claim = later.claim
                    JOIN claims AS by ON by.claim = one.voided AND by.op = 'adjust')
            SELECT max(claim) FROM later";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        Ok(ask.query_row([claim], |row| row.get(0))?)
    }

    fn waits(&self, claim: i64) -> Result<bool, CutError> {
        let sql = "SELECT 1 FROM claims WHERE claim = ? AND (state = 'pending' OR claim IN (SELECT claim FROM to_cut))";
        Ok(self.rows.laid_down()?.prepare_cached(sql)?.exists([claim])?)
    }

    /// How much was given back of a claim, under whichever of its names.
    pub(super) fn refunded_of_claim(&self, claim: Option<i64>) -> Result<i128, CutError> {
        let sql = format!(
            "WITH RECURSIVE names(claim) AS (
                SELECT ?
                UNION SELECT by.claim FROM names JOIN claims AS one ON one.claim = names.claim
                    JOIN claims AS by ON by.claim = one.voided AND by.op = 'adjust'
                UNION SELECT one.claim FROM names JOIN claims AS by ON by.claim = names.claim AND by.op = 'adjust'
                    JOIN claims AS one ON one.claim = by.original AND one.voided = by.claim)
            SELECT ifnull(sum(max(0, amount - (SELECT ifnull(sum(back.amount), 0) FROM items AS back
                    WHERE back.kind IN ('lowered', 'opposite', 'given_up')
                        AND back.about IN {}))), 0)
            FROM items AS p WHERE kind = 'presentment' AND refund = 1 AND p.claim IN
                (SELECT r.claim FROM names JOIN claims AS r ON r.original = names.claim AND r.op = 'refund')",
            fate::PRESENTED
        );
        let mut ask = self.rows.laid_down()?.prepare_cached(&sql)?;
        let sum: i64 = ask.query_row([claim], |row| row.get(0))?;
        Ok(i128::from(sum))
    }

    /// Whether something of it may be presented yet: it clears by itself and was not held, or a claim of it waits.
    fn is_to_be_presented(&self, standing: &Standing) -> Result<bool, CutError> {
        if clearing::claims(standing) {
            return Ok(!self.was_held(standing)?);
        }
        let sql = "SELECT 1 FROM claims CROSS JOIN to_cut USING (claim)
            WHERE txn = ? AND op IN ('capture', 'adjust')";
        Ok(self.rows.laid_down()?.prepare_cached(sql)?.exists([standing.id.0.cast_signed()])?)
    }

    /// What becomes of a record that takes back a purchase: the card must not have twice what was given back to it already. It waits for what
    /// is in suspense, and for refunds that are taken back themselves.
    pub(super) fn may_take_back(&self, fate: &Fate) -> Result<Refund, CutError> {
        let rows = self.rows.laid_down()?;
        let sql = "SELECT coalesce(c.txn, i.txn), i.refund FROM items AS i LEFT JOIN claims AS c USING (claim) WHERE item = ?";
        let found =
            rows.prepare_cached(sql)?.query_row([fate.item], |row| Ok((row.get(0)?, row.get(1)?)));
        let (Some(txn), false) = found? else { return Ok(Refund::Now) };
        let refunded = fate::refunded(rows, txn)?;
        if refunded == 0 {
            return Ok(Refund::Now);
        }
        let may_return = fate::may_return_refund(rows, txn)?;
        // What was refunded by its name is not taken back out of another one.
        if self.refunded_of_claim(fate.claim)? > 0 {
            return Ok(if may_return { Refund::Later } else { Refund::Over(0) });
        }
        let (mut keeps, mut may_be_more) = (0, may_return);
        for other in fate::of_purchase(rows, txn)?.iter().filter(|other| other.item != fate.item) {
            match other.rejected {
                None => keeps += i128::from(fate::left(rows, other)?),
                Some(Decision::None) => may_be_more |= !other.opposed,
                Some(Decision::GivenUp) => {}
            }
        }
        Ok(if refunded <= keeps {
            Refund::Now
        } else if may_be_more {
            Refund::Later
        } else {
            Refund::Over(keeps)
        })
    }
}
