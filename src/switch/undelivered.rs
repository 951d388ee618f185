//! Sessions that end: what was never begun is taken back, and an approval that reached nobody is reversed.

use crate::planted::{self, Bug};
use crate::record::{LinkId, Reason, Record, Standing, TxnId, Unanswered};

use super::effect::{Effects, Mark, Note};
use super::engine::Engine;
use super::input::SessionId;

impl Engine {
    /// From now on nothing is sent there.
    pub(super) fn session_lost(&mut self, session: SessionId, fx: &mut Effects) {
        let was_ready = self.peers.is_ready(session);
        self.peers.lost(session);
        if let Some(link) =
            self.peers.session(session).map(|session| session.link).filter(|_| was_ready)
        {
            fx.notes.push(Note::SignedOff { session, link });
        }
        if planted::is(Bug::NotWithdrawn) {
            for txn in self.waiting_on(session) {
                self.end_unanswered(txn, Unanswered::NeverBegun, None, fx);
            }
        }
    }

    /// Everything made for the session has been written, or is in `never_begun`.
    pub(super) fn session_drained(
        &mut self,
        session: SessionId,
        never_begun: Vec<Mark>,
        fx: &mut Effects,
    ) {
        for mark in never_begun {
            match mark {
                Mark::Plain => {}
                Mark::Request(txn) => self.withdrawn(txn, session, fx),
                Mark::Approval(txn) => self.copy_not_begun(txn, fx),
                Mark::Owed(txn, owing, trace) => self.owed_not_begun((txn, owing, trace), fx),
            }
        }
        if planted::is(Bug::ReroutedThoughBegun) {
            for txn in self.waiting_on(session) {
                self.withdrawn(txn, session, fx);
            }
        }
        self.peers.drained(session);
    }

    /// The requests that wait for an answer to what a session carried, in order. For mistakes on purpose: it looks at all.
    fn waiting_on(&self, session: SessionId) -> Vec<TxnId> {
        let there = self.waiting.iter().filter(|(_, waiting)| waiting.issuer_session == session);
        let mut there: Vec<TxnId> = there.map(|(txn, _)| *txn).collect();
        there.sort_unstable();
        there
    }

    /// One copy of an approval never left. When none did, nobody knows of it.
    fn copy_not_begun(&mut self, txn: TxnId, fx: &mut Effects) {
        if planted::is(Bug::ToldThenReversed) {
            self.untold.insert(txn, 1);
        }
        let Some(copies) = self.untold.get_mut(&txn) else { return };
        *copies = copies.saturating_sub(1);
        if *copies == 0 {
            self.untold.remove(&txn);
            self.reached_nobody(txn, fx);
        }
    }

    /// An approval that nobody heard is reversed, unless something reverses it already.
    pub(super) fn reached_nobody(&mut self, txn: TxnId, fx: &mut Effects) {
        let stands = self.log.standing(txn).is_some_and(Standing::stands_approved);
        if !stands || planted::is(Bug::UndeliveredLeft) {
            return;
        }
        if let Some(issuer) = self.issuer_of(txn) {
            fx.notes.push(Note::Undelivered { issuer, txn });
        }
        self.owe(txn, Reason::Undelivered, fx);
    }

    /// Copies of answers were handed to sockets: from now on they count as told.
    pub(super) fn begun(&mut self, marks: &[Mark], fx: &mut Effects) {
        let mut txns = Vec::new();
        for mark in marks {
            if let Mark::Approval(txn) = mark
                && self.untold.remove(txn).is_some()
            {
                txns.push(*txn);
            }
        }
        if !txns.is_empty() {
            self.append(Record::Told { txns }, fx);
        }
    }

    pub(super) fn issuer_of(&self, txn: TxnId) -> Option<LinkId> {
        self.log.standing(txn).and_then(Standing::sent).map(|sent| sent.issuer)
    }
}
