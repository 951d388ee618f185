//! What was presented of a claim, and whose authorization was reversed or lowered since: it is taken back, once, and no more of it
//! than exceeds what the authorization still stands for. Looks only at what was reversed since the last cut.

use rusqlite::{OptionalExtension as _, params};

use super::Gathering;
use crate::clearing::{ClearingError, Flow};
use crate::iso::{Currency, ElementNo};
use crate::ledger::chain;
use crate::ledger::claims::{UNDONE, UNTOLD};
use crate::ledger::cut::CutError;
use crate::ledger::fate::{self, Decision, Fate};
use crate::ledger::tables::day;
use crate::planted::{self, Bug};
use crate::record::{LinkId, Standing, TxnId};

impl Gathering<'_, '_> {
    /// Claims of authorizations that were undone or lowered: what was presented of them is taken back. Before merchants' claims
    /// are looked at, so that nothing is refunded that is taken back just now.
    pub(in crate::ledger) fn undone(&mut self) -> Result<(), CutError> {
        if planted::is(Bug::ClaimKeptThoughUndone) {
            return Ok(());
        }
        for key in [UNDONE, UNTOLD] {
            let mut after = i64::MIN;
            loop {
                let page = self.listed_under(key, after)?;
                let Some(last) = page.last() else { break };
                after = *last;
                let (count, still) = (page.len(), self.books.still()?);
                for txn in page {
                    // Books that are built anew may not have it yet.
                    let txn = TxnId(txn.cast_unsigned());
                    let Some(standing) = self.books.standing(txn)? else { continue };
                    let untold = !standing.told && standing.stands_approved();
                    if key == UNTOLD && untold {
                        continue;
                    }
                    // Claims of what it raises are claims of all.
                    let first = match standing.sent().and_then(|sent| sent.raises()) {
                        Some(first) => self.books.standing(first)?,
                        None => Some(standing),
                    };
                    // What a refund keeps from being taken back is looked at again: the refund may be taken back, too.
                    if let Some(first) = first
                        && self.undo(&first)?
                    {
                        continue;
                    }
                    let sql = "DELETE FROM keys WHERE key = ? AND txn = ?";
                    let values = (key, txn.0.cast_signed());
                    self.rows.laid_down()?.prepare_cached(sql)?.execute(values)?;
                }
                drop(still);
                self.next(count)?;
            }
        }
        Ok(())
    }

    fn listed_under(&self, key: i64, after: i64) -> Result<Vec<i64>, CutError> {
        let sql = "SELECT txn FROM keys WHERE key = ? AND txn > ? ORDER BY txn LIMIT ?";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        let txns = ask.query_map((key, after, self.page()), |row| row.get(0))?;
        Ok(txns.collect::<Result<_, _>>()?)
    }

    /// Of a sale that its merchant refunded, and that was taken back after its cut, no more is taken back than the card does not have.
    /// True when that was all there is to do.
    pub(super) fn takes_back_the_rest(&mut self, standing: &Standing) -> Result<bool, CutError> {
        let refunded = fate::refunded(self.rows.laid_down()?, standing.id.0.cast_signed())?;
        if refunded == 0 || is_refund(standing) {
            return Ok(false);
        }
        self.undo(standing)?;
        Ok(true)
    }

    /// Takes back what is claimed of one authorization beyond what it and its increments stand for: of the claims that were presented
    /// last, first. A sale that was refunded is one, too. Whether a refund keeps something of it from being taken back.
    fn undo(&mut self, standing: &Standing) -> Result<bool, CutError> {
        let chain::Left { stands, at_most } =
            chain::left(self.rows.laid_down()?, self.books, standing)?;
        if stands && at_most.is_none() {
            return Ok(false);
        }
        let txn = standing.id.0.cast_signed();
        let pays_card = is_refund(standing);
        let mut fates = fate::of_claims(self.rows.laid_down()?, txn, pays_card)?;
        if !pays_card && fate::was_refunded(self.rows.laid_down()?, txn)? {
            fates.extend(fate::of_member(self.rows.laid_down()?, txn)?);
        }
        // It is being presented just now: it is taken back by the next cut.
        let now = (day(self.cycle.date), self.cycle.number);
        if fates.iter().any(|fate| fate.cut == (Some(now.0), Some(i64::from(now.1)))) {
            return Ok(true);
        }
        let mut claims = Vec::new();
        for fate in fates {
            let left = fate::left(self.rows.laid_down()?, &fate)?;
            claims.push((fate, left));
        }
        let left = at_most.filter(|_| stands).unwrap_or(0);
        // What was refunded the card has back already.
        let refunded = if pays_card { 0 } else { fate::refunded(self.rows.laid_down()?, txn)? };
        let keeps = i128::from(left).max(refunded);
        let mut waits = i128::from(left) < refunded;
        let mut excess = claims.iter().map(|(_, left)| i128::from(*left)).sum::<i128>() - keeps;
        for (fate, left) in claims {
            let part = excess.min(i128::from(left)).max(0);
            let part = i64::try_from(part).unwrap_or(left);
            let all = part == left;
            if fate.opposed || fate.rejected == Some(Decision::GivenUp) {
                continue;
            }
            // Somebody has to see to what was charged back, as with what clears without a claim.
            let is_for_a_person = fate.charged_back && (!stands || part > 0);
            if is_for_a_person {
                waits = false;
                let kind = if stands { "lowered" } else { "opposite" };
                let fault = ClearingError::ChargedBack { txn: standing.id };
                self.hold_once(standing, kind, &fault)?;
            } else if part > 0 && fate.rejected.is_some() && all {
                self.give_up(fate.live)?;
            } else if part > 0 && fate.rejected.is_some() {
                self.hold_once(standing, "lowered", &ClearingError::Rejected { txn: standing.id })?;
            } else if part > 0 && fate::is_lowered_by(self.rows.laid_down()?, &fate, now)? {
                waits = true;
            } else if part > 0 {
                self.back(&fate, if all { "opposite" } else { "lowered" }, part)?;
            }
            excess -= i128::from(part);
        }
        Ok(waits)
    }

    /// Takes back so much of what was presented, under its reference.
    fn back(&mut self, fate: &Fate, kind: &str, amount: i64) -> Result<(), CutError> {
        let sql = "SELECT issuer, currency, claim FROM items WHERE item = ?";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        let (issuer, currency, claim): (u32, String, Option<i64>) =
            ask.query_row([fate.item], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let currency = Currency::from_ascii(currency.as_bytes())
            .or(Err(ClearingError::Overflow { what: "currency" }))?;
        let (place, item) = (self.place(LinkId(issuer), currency)?, self.next_item());
        let sql = "INSERT INTO items (item, kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc, amount,
                currency, refund, day, cycle, file, number, reference, state)
            SELECT ?1, ?2, item, txn, issuer, merchant, terminal, card, rrn, approval, mcc, ?3,
                currency, refund, ?4, ?5, ?6, ?7, reference, 'presented' FROM items WHERE item = ?8";
        let (day, cycle) = (day(self.cycle.date), self.cycle.number);
        let (file, number) = (place.file, place.number);
        let values = params![item, kind, amount, day, cycle, file, number, fate.item];
        self.rows.laid_down()?.prepare_cached(sql)?.execute(values)?;
        self.draft_row(item, LinkId(issuer), currency)?;
        let sql = "INSERT INTO events (at, claim, kind, detail) VALUES (?, ?, 'taken_back', ?)";
        let detail = format!(
            "{amount} by item {item}: its authorization was {}",
            match kind {
                "opposite" => "reversed, or lowered below it",
                _ => "lowered, or reversed and refunded in part",
            }
        );
        let at = self.now.0.cast_signed();
        self.rows.laid_down()?.prepare_cached(sql)?.execute((at, claim, detail))?;
        Ok(())
    }

    /// Of several claims of one authorization one is enough to say so.
    pub(super) fn hold_once(
        &mut self,
        standing: &Standing,
        kind: &str,
        fault: &ClearingError,
    ) -> Result<(), CutError> {
        let sql = "SELECT 1 FROM held WHERE day = ? AND cycle = ? AND txn = ? AND kind = ?";
        let txn = standing.id.0.cast_signed();
        let values = (day(self.cycle.date), self.cycle.number, txn, kind);
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        if ask.query_row(values, |_| Ok(())).optional()?.is_none() {
            self.any = true;
            self.hold(standing, kind, fault)?;
        }
        Ok(())
    }
}

/// Whether a transaction pays the card.
pub(super) fn is_refund(standing: &Standing) -> bool {
    let code = standing.sent().and_then(|sent| sent.elements.get(ElementNo::PROCESSING_CODE));
    code.and_then(Flow::of) == Some(Flow::Refund)
}
