//! What must hold when everything has come to rest, and after each recovery: ledgers, journal, askers and files against
//! each other. Changes nothing.

use crate::iso::BusinessDate;
use crate::planted::{self, Bug};
use crate::record::{
    Approval, Closing, Debt, DebtState, LinkId, Outcome, Reason, Standing, TxnId, Unanswered,
};
use crate::switch::Undelivered;

use super::World;
use super::asker::Purchase;
use super::follow::{self, Past, approved_amount};
use super::issuer::Entry;
use super::mix::ASKERS;
use super::reached::Rare;
use super::story::{PurchaseId, outcome_line};

/// How long a healed world may take to come to rest, milliseconds.
const REST_MS: u64 = 60 * 60_000;
/// For how many seconds nothing may be open before a world is at rest: longer than an issuer dawdles.
const CALM: u32 = 20;

impl World {
    /// Every approval in a ledger clears, or is reversed, or is pending, or is on the operator's list.
    pub(super) fn audit_ledgers(&mut self, strictly: bool) {
        let mut wrong = None;
        for (place, issuer) in self.issuers.iter().enumerate() {
            let Some(link) = self.link_of(place) else { continue };
            for (key, entry) in issuer.ledger.iter().filter(|(_, entry)| entry.approved) {
                let stale =
                    self.purchase_ref(entry.purchase).is_some_and(|purchase| purchase.stale);
                let fault = match self.truth.of_pair(link, *key) {
                    None => Some("approved by its issuer, and no record knows it".to_owned()),
                    Some(past) => wrong_standing(&past.standing, entry, strictly),
                };
                if let Some(fault) = fault.filter(|_| !stale && wrong.is_none()) {
                    wrong = Some((entry.purchase, fault));
                }
            }
        }
        if let Some((purchase, fault)) = wrong {
            self.blame(Some(purchase), || fault);
        }
    }

    /// Whether faults have been on for long enough after the last purchase.
    pub(super) fn faults_had_time(&self) -> bool {
        self.time >= self.last_purchase_at + 12_000
    }

    /// Looks whether everything has come to rest; then cuts what is left, and ends.
    pub(super) fn rest(&mut self) {
        let waits = self.purchases.iter().position(Purchase::waits);
        let open = self.host.engine.as_ref().and_then(|engine| engine.tranlog().open().next());
        let stuck = open.map(|standing| (standing.id, outcome_line(&standing.outcome)));
        let busy =
            self.host.engine.is_none() || !self.disk.quiet() || !self.host.questions.is_empty();
        let late = self.time > self.healed_at + REST_MS;
        if waits.is_none() && stuck.is_none() && !busy {
            self.calm += 1;
        } else {
            self.calm = 0;
        }
        if late && self.calm == 0 {
            let about = stuck.as_ref().and_then(|(txn, _)| self.truth.purchase(*txn));
            let about = about.or_else(|| waits.and_then(|place| u32::try_from(place + 1).ok()));
            let asker = waits.map(|place| place + 1);
            return self.blame(about, || {
                format!(
                    "an hour after the last fault, still open: {stuck:?}; an asker waits: {asker:?}"
                )
            });
        }
        if self.calm < CALM || self.host.ordering || self.operates_at_rest() {
            return;
        }
        if self.last_cuts < 2 {
            self.last_cuts += 1;
            self.order_cut();
        } else if self.books.position == self.disk.durable() {
            self.quiet = true;
        } else {
            self.follow_later();
        }
    }

    /// A cut's files are written; the books froze its membership at its record, unless a mistake is planted.
    pub(super) fn write_files(&mut self, date: BusinessDate) {
        if planted::is(Bug::CutFromLaggingBooks) {
            self.books.freeze_late(date);
        }
    }

    /// Everything has come to rest: every purchase, every ledger and every line is held against the others.
    pub(super) fn audit_end(&mut self) {
        self.audit_ledgers(true);
        self.check_probed();
        if let Some((purchase, fault)) = self.forgotten() {
            return self.blame(purchase, || fault);
        }
        for (place, id) in (0..self.purchases.len()).zip(1..) {
            let Some(purchase) = self.purchases.get(place).filter(|purchase| !purchase.stale)
            else {
                continue;
            };
            if let Some(wrong) = self.wrong_end(purchase, id) {
                return self.blame(Some(id), || wrong);
            }
        }
        let mut wrong = None;
        for (txn, past) in &self.truth.pasts {
            let fault = self.wrong_lines(*txn, past);
            wrong = wrong.or_else(|| Some((follow::purchase_of(&past.standing), fault?)));
        }
        self.reached.add(Rare::LoweredAfterCut, self.books.lowered_late);
        let opposites = self.books.lines.iter().filter(|line| line.opposite).count();
        self.reached.add(Rare::Opposite, u64::try_from(opposites).unwrap_or(0));
        if let Some((purchase, fault)) = wrong {
            self.blame(purchase, || fault);
        }
    }

    fn wrong_end(&self, purchase: &Purchase, id: PurchaseId) -> Option<String> {
        let stands = |past: &&Past| past.standing.stands_approved();
        let standing = self.truth.of_purchase(id).filter(stands).count();
        if standing > 1 {
            return Some("one purchase is approved twice".to_owned());
        }
        let unheard = |past: &Past| {
            past.standing.stands_approved()
                && self.answered_in.get(&past.standing.id) == Some(&self.host.life)
                && !self.begun_approvals.contains(&past.standing.id)
        };
        if self.truth.of_purchase(id).any(unheard) {
            return Some("an approval stands of which no copy was ever begun".to_owned());
        }
        let undone = purchase.undone().is_some_and(|undo| undo.acked.is_some());
        if undone && standing > 0 {
            return Some("reversed by its asker, and it clears".to_owned());
        }
        if let Some(wrong) =
            self.wrong_lowering(purchase, id).or_else(|| self.wrong_increment(purchase, id))
        {
            return Some(wrong);
        }
        if purchase.tells_decline() {
            return (standing > 0)
                .then(|| "a decline that its issuer was told of stands".to_owned());
        }
        if purchase.approved.is_none() || purchase.undone().is_some() || standing == 1 {
            return None;
        }
        let reason = self.truth.of_purchase(id).find_map(|past| past.first_reason);
        let as_configured = self.undone_as_configured(id);
        (!as_configured).then(|| format!("told approved, and then undone: {reason:?}"))
    }

    /// Whether a restart reversed what may not have been heard, as its operator wants it: its asker may hear both.
    pub(super) fn undone_as_configured(&self, id: PurchaseId) -> bool {
        let reason = self.truth.of_purchase(id).find_map(|past| past.first_reason);
        reason == Some(Reason::Undelivered)
            && self.mix.settings.undelivered == Undelivered::Reverse
            && self.host.life > 0
    }

    /// Each approved financial transaction is in one cut, and its opposite in another; the sums are the issuer's.
    fn wrong_lines(&self, txn: TxnId, past: &Past) -> Option<String> {
        let standing = &past.standing;
        let stale = follow::purchase_of(standing)
            .and_then(|id| self.purchase_ref(id))
            .is_some_and(|purchase| purchase.stale);
        if !follow::is_financial(standing) || stale {
            return None;
        }
        let of = |opposite| {
            let mine = move |line: &&follow::Line| line.txn == txn && line.opposite == opposite;
            let lines = self.books.lines.iter().filter(mine);
            lines.fold((0, 0), |(count, sum), line| (count + 1, sum + line.amount))
        };
        let ((there, claimed), (back, taken_back)) = (of(false), of(true));
        // What came after the last cut is taken back by the next one.
        let taken_back = taken_back + self.books.to_take_back(txn);
        // The difference of a partial reversal, and what that left, may be taken back one after the other.
        let most = if standing.lowered.is_some() { 2 } else { 1 };
        if there > 1 || back > most * there || taken_back > claimed {
            return Some(format!(
                "#{} is cleared {there} times and taken back {back} times",
                txn.0
            ));
        }
        let clears = claimed > taken_back;
        if clears != standing.stands_approved() {
            return Some(format!(
                "#{}: clears {clears}, stands {}",
                txn.0,
                standing.stands_approved()
            ));
        }
        let sent = standing.sent()?;
        let key = follow::wire_key(sent.mti.class(), sent.trace);
        let bank = self
            .issuers
            .iter()
            .enumerate()
            .find(|(place, _)| self.link_of(*place) == Some(sent.issuer))?;
        let stands = |entry: &&Entry| entry.approved && !entry.reversed;
        let booked = bank.1.line(key, follow::purchase_of(standing)).filter(stands);
        let advice = standing.advice.as_ref().filter(|_| standing.is_matched());
        let advised = advice.map(|debt| follow::wire_key(sent.mti.class(), debt.trace));
        let both = advised.is_some_and(|advised| bank.1.ledger.contains_key(&advised))
            && bank.1.ledger.contains_key(&key);
        if both {
            return Some(format!("#{}: its issuer made two of request and advice", txn.0));
        }
        if is_listed(standing) {
            return None;
        }
        let cleared = clears.then_some(claimed - taken_back);
        let stands = approved_amount(standing).filter(|_| clears);
        if cleared != stands {
            return Some(format!("#{}: the files have {cleared:?}, {stands:?} stands", txn.0));
        }
        let booked = booked.filter(|entry| entry.financial).map(|entry| entry.amount);
        (cleared != booked)
            .then(|| format!("#{}: the file has {cleared:?}, the issuer {booked:?}", txn.0))
    }

    /// The link of an issuer.
    pub(super) fn link_of(&self, issuer: usize) -> Option<LinkId> {
        self.mix.plans.get(issuer + ASKERS).map(|plan| plan.settings.id)
    }
}

/// What is wrong with the standing of something that its issuer approved.
fn wrong_standing(standing: &Standing, entry: &Entry, strictly: bool) -> Option<String> {
    let clears = standing.stands_approved();
    let told = || {
        let reversal = standing.reversal.as_ref().map(|debt| (debt.reason, debt.state, debt.code));
        format!("{}, reversal {reversal:?}", outcome_line(&standing.outcome))
    };
    if entry.lowered && standing.lowered != u64::try_from(entry.amount).ok() {
        let stands = standing.lowered;
        return Some(format!("lowered to {} at its issuer, and to {stands:?} here", entry.amount));
    }
    if entry.reversed {
        return clears.then(|| format!("reversed at its issuer, and it clears: {}", told()));
    }
    let state = |debt: &Option<Debt>| debt.as_ref().map(|debt| debt.state);
    let reversal = state(&standing.reversal);
    let pending =
        matches!(reversal, Some(DebtState::Open | DebtState::Closed(Closing::Provisional)))
            || standing.outcome == Outcome::InFlight;
    let settled = reversal == Some(DebtState::Closed(Closing::Final));
    if standing.lowered.is_some() && clears && settled && !entry.lowered && !is_listed(standing) {
        return Some(format!("lowered here, and not at its issuer: {}", told()));
    }
    let booked_late = standing.advice.is_some()
        && standing.is_undone()
        && reversal == Some(DebtState::Closed(Closing::Final))
        && standing.heard == Approval::Approved;
    if booked_late {
        return Some(format!(
            "an advice that was booked after its reversal is not reversed again: {}",
            told()
        ));
    }
    let begun = !matches!(&standing.outcome, Outcome::Over { why: Unanswered::NeverBegun, .. });
    if clears || is_listed(standing) || (pending && begun && !strictly) {
        return None;
    }
    Some(format!("approved by its issuer, and neither cleared nor reversed: {}", told()))
}

/// Whether it is on the operator's list, or was until an operator wrote it off.
pub(super) fn is_listed(standing: &Standing) -> bool {
    let dead = |debt: &Option<Debt>| {
        debt.as_ref().is_some_and(
            |debt| matches!(debt.state, DebtState::Closed(closing) if closing.is_given_up()),
        )
    };
    dead(&standing.advice) || dead(&standing.reversal)
}
