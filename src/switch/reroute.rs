//! A request of which no byte left before its session ended goes elsewhere: to another session of its link, or to another link
//! of its route. Where there is none, it is declined and nothing is owed.

use std::sync::Arc;

use crate::iso::ResponseCode;
use crate::planted::{self, Bug};
use crate::record::{Record, Standing, TxnId, Unanswered};

use super::authorize::{Forwarding, Waiting};
use super::effect::{Effects, Note};
use super::engine::Engine;
use super::input::{CardOf, SessionId};
use super::timers::Timer;

impl Engine {
    /// No byte of a request was begun on a session, which has ended.
    pub(super) fn withdrawn(&mut self, txn: TxnId, session: SessionId, fx: &mut Effects) {
        let was_there = |waiting: &Waiting| waiting.issuer_session == session;
        if !self.waiting.get(&txn).is_some_and(was_there) {
            return;
        }
        let goes_on = self.may_go_on(txn);
        // What it took of its link is free before another one is chosen.
        let Some(mut waiting) = self.no_longer_waiting(txn) else { return };
        if goes_on && let Some(forwarding) = self.elsewhere(txn, &mut waiting, fx) {
            return self.reroute(txn, waiting, forwarding, fx);
        }
        if let Some(issuer) = self.issuer_of(txn) {
            fx.notes.push(Note::Withdrawn { issuer });
        }
        let why = Unanswered::NeverBegun;
        self.append(Record::Over { txn, at: self.now.wall, why }, fx);
        self.decline_all(txn, &waiting, ResponseCode::UNAVAILABLE, fx);
    }

    /// Whether its time is not up, somebody waits for the answer, what is new is accepted at all, and no completion has named it
    /// yet to the issuer that it was meant for.
    fn may_go_on(&self, txn: TxnId) -> bool {
        let is_named = |standing: &Standing| standing.completed_by.is_some();
        if self.log.standing(txn).is_some_and(is_named) {
            return false;
        }
        self.waiting.get(&txn).is_some_and(|waiting| {
            let mut sessions = waiting.askers.iter().map(|asker| asker.session);
            waiting.whole
                && self.now.mono < waiting.deadline.0
                && sessions.any(|session| self.peers.lives(session))
                && !self.draining
                && !self.disk_low
        })
    }

    /// Where a request can go instead: to no link more often than once, so that this ends.
    fn elsewhere(
        &mut self,
        txn: TxnId,
        waiting: &mut Waiting,
        fx: &mut Effects,
    ) -> Option<Forwarding> {
        let sent = self.log.standing(txn).and_then(Standing::sent).map(Arc::clone)?;
        let Waiting { askers, again, .. } = waiting;
        let asker = askers.first_mut()?;
        // Routes look at the card, which went into the record.
        asker.card = sent.card.clone().map_or(CardOf::None, CardOf::One);
        // An increment is nothing to an issuer that does not know what it raises.
        let elsewhere = sent.raises().is_none();
        while let Some(issuer) = self.issuer_again(asker, (sent.issuer, again), elsewhere) {
            again.push(issuer);
            // One that cannot be told of it, or has no number left, is passed over.
            if let Ok(forwarding) = self.forwarding_to(issuer, (asker, sent.date, sent.at), fx) {
                return Some(forwarding);
            }
        }
        None
    }

    /// Its asker waits since it came, and its new link may give less time.
    fn reroute(
        &mut self,
        txn: TxnId,
        mut waiting: Waiting,
        mut forwarding: Forwarding,
        fx: &mut Effects,
    ) {
        let Some(sent) = self.log.standing(txn).and_then(Standing::sent).map(Arc::clone) else {
            return;
        };
        let (at, issuer) = (self.now.wall, forwarding.issuer);
        // A session that ends may leave a thousand behind: more than the outbox of one other holds.
        self.peers.turn(issuer);
        if planted::is(Bug::ReroutedUnderTheSamePair) {
            forwarding.trace = sent.trace;
        }
        let trace = forwarding.trace;
        self.append(Record::Rerouted { txn, at, issuer, trace }, fx);
        let timeout_ms = self.peers.settings(issuer).map_or(0, |link| link.timeout_ms);
        let due = waiting.deadline.0.min(self.now.mono.plus(timeout_ms));
        waiting.deadline = self.timers.set(due, Timer::Deadline(txn));
        fx.notes.push(Note::Rerouted { from: sent.issuer, to: issuer });
        self.leaves((txn, sent.asker), waiting, forwarding, fx);
    }
}
