//! The process begins again: what was unanswered is reversed, what is owed goes again as a repeat.

use crate::iso::BusinessDate;
use crate::planted::{self, Bug};
use crate::record::{
    Closing, DebtState, Lsn, Outcome, Owing, Reason, Record, Standing, Trace, TxnId, Unanswered,
};

use super::effect::{Effects, Note};
use super::engine::Engine;
use super::settings::Undelivered;

impl Engine {
    /// After the journal was replayed, once, before any other input.
    pub(super) fn start(&mut self, fx: &mut Effects) {
        let behind = self.log.last_at().0.saturating_sub(self.now.wall.0);
        if behind > 0 {
            fx.notes.push(Note::ClockBehind { ms: behind });
        }
        // Recovery begins with a carry, so a journal does too.
        if self.log.tail() == Lsn(0) {
            self.carry(fx);
        }
        if self.log.date() == BusinessDate(0) {
            self.open_day(self.settings.day.by_clock(self.now.wall), fx);
        }
        self.resume_debts();
        self.owe_unanswered(fx);
        self.list_unresolved(fx);
        if self.settings.undelivered == Undelivered::Reverse {
            self.reverse_untold(fx);
        }
        // Nobody may have been told of a cut-over in the middle of which the process ended.
        if self.log.closing().is_some() {
            self.announce(self.log.date(), fx);
        }
        // It may have been down at the hour.
        self.day_due(fx);
        self.carry(fx);
        // Totals of the last day may not have been added up, or be owed yet.
        self.want_totals(self.log.cut(), fx);
    }

    /// Approvals that matched nothing and were being looked up: nobody hears the books' answer now, so people must look.
    fn list_unresolved(&mut self, fx: &mut Effects) {
        let orphans: Vec<Record> = self.log.unresolved(self.now.wall, true).collect();
        for orphan in orphans {
            let Record::Unmatched { link, .. } = orphan else { continue };
            let at = self.append(orphan, fx);
            fx.notes.push(Note::Orphan { link, at });
        }
    }

    /// What was in flight may have been approved: it is reversed.
    fn owe_unanswered(&mut self, fx: &mut Effects) {
        let in_flight = |standing: &&Standing| standing.outcome == Outcome::InFlight;
        let txns: Vec<TxnId> =
            self.log.open().filter(in_flight).map(|standing| standing.id).collect();
        let owed = (!planted::is(Bug::NoReversalAtRestart)).then_some(Reason::Unanswered);
        for txn in txns {
            self.end_unanswered(txn, Unanswered::Restart, owed, fx);
        }
        if planted::is(Bug::AdviceReversedAtRestart) {
            let unsettled = |standing: &&Standing| standing.open_debt(Owing::Advice).is_some();
            let txns: Vec<TxnId> =
                self.log.open().filter(unsettled).map(|standing| standing.id).collect();
            for txn in txns {
                self.owe(txn, Reason::Unanswered, fx);
            }
        }
    }

    /// What was owed before counts as sent: it goes again as a repeat, in the order of its traces.
    fn resume_debts(&mut self) {
        let mut debts: Vec<(Trace, TxnId, Owing)> = Vec::new();
        let mut provisional = Vec::new();
        for standing in self.log.open() {
            for (owing, debt) in
                [(Owing::Advice, &standing.advice), (Owing::Reversal, &standing.reversal)]
            {
                match debt.as_ref().map(|debt| (debt.state, debt.trace)) {
                    Some((DebtState::Open, trace)) => debts.push((trace, standing.id, owing)),
                    Some((DebtState::Closed(Closing::Provisional), trace)) => {
                        provisional.push((standing.id, trace));
                    }
                    Some((DebtState::Closed(_), _)) | None => {}
                }
            }
        }
        debts.sort_unstable();
        for (_, txn, owing) in debts {
            self.enqueue(txn, owing, None, 1);
        }
        for (txn, trace) in provisional {
            if let Some(issuer) = self.issuer_of(txn) {
                self.await_settling(txn, issuer, trace);
            }
        }
    }

    /// Approvals of which no copy is known to have been begun are reversed, if the configuration says so.
    fn reverse_untold(&mut self, fx: &mut Effects) {
        let untold: Vec<TxnId> = self
            .log
            .in_memory()
            .into_iter()
            .filter(|standing| {
                matches!(standing.outcome, Outcome::Answered { .. })
                    && standing.stands_approved()
                    && !standing.told
            })
            .map(|standing| standing.id)
            .collect();
        for txn in untold {
            self.owe(txn, Reason::Undelivered, fx);
        }
    }
}
