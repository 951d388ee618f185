//! The totals of a host's day: the ledger compares them with the books. Nothing here is journaled: the ledger has written what it
//! answers, and answers a repeat with the same.

use std::sync::Arc;

use crate::clearing::{HostClaim, HostProfile, HostVerdict};
use crate::iso::{Class, ElementNo, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn};

use super::batch::PetitionId;
use super::effect::{Action, Effects, Mark, Note, Why};
use super::engine::Engine;
use super::input::Arrival;
use super::settings::LinkSettings;

/// A question to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostQuestion {
    /// Its number.
    pub id: PetitionId,
    /// Whose host asks.
    pub link: LinkId,
    /// What it says.
    pub claim: HostClaim,
    /// How its network writes totals.
    pub profile: Arc<HostProfile>,
    /// How far the books must have followed before they are compared: whatever was told before the totals came.
    pub from: Lsn,
}

/// What a terminal's totals do not have.
const NET: ElementNo = ElementNo::of(97);

impl Engine {
    /// Whether a message is about the totals of a day, and its link reconciles.
    pub(super) fn is_of_reconciliation(&self, arrival: &Arrival) -> bool {
        // Beside terminals, a host is who says a net.
        let says = |link: &LinkSettings| {
            link.reconciliation.is_some() && (link.batches.is_none() || arrival.present().has(NET))
        };
        arrival.mti().class() == Class::Other(5)
            && self.peers.settings(arrival.link).is_some_and(says)
    }

    /// Totals of a host: the ledger is asked.
    pub(super) fn reconcile_asked(&mut self, arrival: Box<Arrival>, fx: &mut Effects) {
        let Some(profile) =
            self.peers.settings(arrival.link).and_then(|link| link.reconciliation.clone())
        else {
            return;
        };
        if let Err((code, why)) = self.within_rate(&arrival, fx) {
            return self.refuse(&arrival, code, why, fx);
        }
        // Each is a look through a day, and the ledger does one after the other: one of a link at a time.
        if self.batches.host_waits(arrival.link) {
            fx.notes.push(Note::Overload { asker: arrival.link });
            let why = "totals of its link are compared just now: again later";
            return self.refuse(&arrival, ResponseCode::MALFUNCTION, why, fx);
        }
        let elements = arrival.message.elements(profile.needs());
        let claim = match profile.read(arrival.mti(), &elements, self.today()) {
            Ok(claim) => claim,
            Err(fault) => {
                let why = Why::Element { element: fault.element, why: fault.why };
                return self.refuse(&arrival, ResponseCode::FORMAT, why, fx);
            }
        };
        let Some((id, link)) = self.waits_for_ledger(arrival, fx) else { return };
        self.batches.host_asks(link, id);
        let lagging = planted::is(Bug::ReconciledAgainstLaggingBooks);
        let from = if lagging { Lsn(0) } else { self.log.tail() };
        fx.actions.push(Action::Reconcile(HostQuestion { id, link, claim, profile, from }));
    }

    /// The ledger has answered, and has written down what it answers.
    pub(super) fn reconciled(&mut self, id: PetitionId, verdict: HostVerdict, fx: &mut Effects) {
        let Some(arrival) = self.ledger_answered(id) else { return };
        let settings = self.peers.settings(arrival.link);
        let Some(profile) = settings.and_then(|link| link.reconciliation.clone()) else {
            // The link has other settings by now: its host asks again.
            return self.decline(&arrival, ResponseCode::MALFUNCTION, fx);
        };
        let asked = arrival.message.elements(profile.needs());
        fx.notes.push(Note::Reconciled { asker: arrival.link, verdict });
        self.tell(&arrival, &profile.answer(&asked, &verdict), Mark::Plain, fx);
    }
}
