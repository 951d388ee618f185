//! What the books have of a day that was cut: claimed of its issuer, or taken back from him, without anybody claiming it.

use rusqlite::params;

use super::undone::is_refund;
use super::{Gathering, New};
use crate::books::Member;
use crate::clearing::{Capture, ClearingError, Kind, Part, Reference};
use crate::iso::BusinessDate;
use crate::ledger::ahead::{Scout, ahead};
use crate::ledger::cut::CutError;
use crate::ledger::fate::{self, Decision};
use crate::ledger::tables::day;
use crate::record::Standing;

/// A member, with what it would say in a file.
type Shown = (Member, Result<Capture, ClearingError>);

impl Scout {
    /// Reads the members of a day, so many at once, as long as somebody wants them.
    fn members(
        &self,
        date: BusinessDate,
        at_once: u32,
        give: &mut dyn FnMut(Vec<Shown>) -> bool,
    ) -> Result<(), CutError> {
        let mut page = Vec::new();
        self.books.members(date, |member| {
            let capture = Capture::of(&member.standing, member.part, self.books.keys());
            page.push((member, capture));
            let is_full = u32::try_from(page.len()).is_ok_and(|len| len >= at_once);
            Ok::<_, CutError>(!is_full || give(std::mem::take(&mut page)))
        })?;
        give(page);
        Ok(())
    }
}

impl Gathering<'_, '_> {
    /// What the books have of the day.
    pub(super) fn members(&mut self) -> Result<(), CutError> {
        let scout = self.ledger.scout()?;
        let (date, at_once) = (self.cycle.date, self.page());
        let read =
            move |give: &mut dyn FnMut(Vec<Shown>) -> bool| scout.members(date, at_once, give);
        ahead(read, |page| {
            let count = page.len();
            for (member, capture) in page {
                self.member(&member, capture)?;
            }
            self.next(count)
        })
    }

    fn member(
        &mut self,
        member: &Member,
        capture: Result<Capture, ClearingError>,
    ) -> Result<(), CutError> {
        let standing = &member.standing;
        let kind = match (member.kind, member.part) {
            (Kind::Presentment, _) => "presentment",
            (Kind::Opposite, Part::Difference) => "lowered",
            (Kind::Opposite, _) => "opposite",
        };
        if self.resumed && self.is_gathered(standing, kind)? {
            return Ok(());
        }
        if member.kind == Kind::Opposite && self.was_held(standing)? {
            // It never left: nothing is taken back.
            return Ok(());
        }
        let capture = match capture {
            Ok(capture) => capture,
            // The wrong key would hold back everything: that is for the operator to put right first.
            Err(fault @ ClearingError::Card { .. }) => return Err(fault.into()),
            Err(fault) => return self.hold(standing, kind, &fault),
        };
        if member.kind == Kind::Presentment && self.was_claimed(standing)? {
            return self.hold(standing, kind, &ClearingError::Claimed { txn: standing.id });
        }
        let (mut about, mut reference) = (None, None);
        if member.kind == Kind::Opposite {
            if self.takes_back_the_rest(standing)? {
                self.any = true;
                return Ok(());
            }
            let fate = fate::of_member(self.rows.laid_down()?, standing.id.0.cast_signed())?;
            if fate.as_ref().is_some_and(|fate| fate.opposed) {
                return Ok(());
            }
            match fate.as_ref().map(|fate| (fate.rejected, fate.charged_back)) {
                Some((Some(Decision::None), _)) if kind == "opposite" => {
                    return self.give_up(fate.map_or(0, |fate| fate.live));
                }
                // Its merchant has paid for it already.
                Some((Some(Decision::GivenUp), _)) if kind == "opposite" => return Ok(()),
                Some((Some(_), _)) => {
                    let fault = ClearingError::Rejected { txn: standing.id };
                    return self.hold_once(standing, kind, &fault);
                }
                Some((None, true)) => {
                    let fault = ClearingError::ChargedBack { txn: standing.id };
                    return self.hold_once(standing, kind, &fault);
                }
                Some((None, false)) | None => {}
            }
            (about, reference) =
                fate.map_or((None, None), |fate| (Some(fate.item), fate.reference));
            // Claimed by a program that kept no ledger: under its transaction's own number.
            let acquirer = &self.outgoing.settings(capture.issuer()).acquirer_bin;
            let earlier = || Reference::new(acquirer, capture.date(), standing.id.0).to_string();
            reference = reference.or_else(|| Some(earlier()));
        }
        let (claim, entry) = (None, None);
        self.put(New { kind, about, claim, capture, standing, reference, entry })
    }

    /// Whether an earlier step of this cut has seen to a member. What came to nothing there comes to nothing again.
    fn is_gathered(&self, standing: &Standing, kind: &str) -> Result<bool, CutError> {
        // Not by its day, which has all of them.
        let sql = "SELECT EXISTS (SELECT 1 FROM items WHERE txn = ?1 AND kind = ?2 AND claim IS NULL AND +day = ?3 AND +cycle = ?4)
            OR EXISTS (SELECT 1 FROM held WHERE day = ?3 AND cycle = ?4 AND txn = ?1 AND kind = ?2)";
        let (txn, day) = (standing.id.0.cast_signed(), day(self.cycle.date));
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        Ok(ask.query_row(params![txn, kind, day, self.cycle.number], |row| row.get(0))?)
    }

    /// Whether a transaction was held when it was to be presented.
    pub(super) fn was_held(&self, standing: &Standing) -> Result<bool, CutError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM held WHERE txn = ? AND kind = 'presentment')";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        Ok(ask.query_row([standing.id.0.cast_signed()], |row| row.get(0))?)
    }

    /// Its issuer did not take it, and it was reversed since: it leaves suspense at its merchant's cost, and its issuer hears nothing.
    pub(super) fn give_up(&mut self, about: i64) -> Result<(), CutError> {
        let (item, day, cycle) = (self.next_item(), day(self.cycle.date), self.cycle.number);
        let sql = "INSERT INTO items (item, kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc, amount, currency,
                refund, day, cycle, state)
            SELECT ?1, 'given_up', item, txn, issuer, merchant, terminal, card, rrn, approval, mcc, amount, currency,
                refund, ?2, ?3, 'accepted' FROM items WHERE item = ?4";
        self.rows.laid_down()?.prepare_cached(sql)?.execute((item, day, cycle, about))?;
        Ok(())
    }

    /// Whether an advice completes an authorization that its merchant claimed, and that was presented so.
    fn was_claimed(&self, standing: &Standing) -> Result<bool, CutError> {
        let Some(completes) = standing.sent().and_then(|sent| sent.completed()) else {
            return Ok(false);
        };
        let (rows, pays_card) = (self.rows.laid_down()?, is_refund(standing));
        let claimed = fate::of_claims(rows, completes.0.cast_signed(), pays_card)?;
        // Also where that was given up: some of it may have been refunded, and a person has to see it.
        Ok(claimed.iter().any(|fate| !fate.opposed))
    }
}
