//! Our totals of a day for issuers that want them (0500, 0520): the ledger adds them up and keeps them owed; here they go out, again
//! and again under their own pair until they are answered. Nothing of it is journaled.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clearing::{HostProfile, HostVerdict, Settled};
use crate::iso::{BusinessDate, Class, ElementNo, Elements, Function, Mti};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn};

use super::authorize::code_of;
use super::effect::{Action, Effects, Mark, Note};
use super::engine::Engine;
use super::input::Arrival;
use super::timers::{Timer, TimerId};

/// A day that was cut: what it came to with an issuer is wanted, and whatever else is owed to that one of the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalsQuestion {
    /// With whom.
    pub link: LinkId,
    /// Of which day.
    pub date: BusinessDate,
    /// How its network writes totals.
    pub profile: Arc<HostProfile>,
    /// How far the books must have followed: up to the cut.
    pub from: Lsn,
}

/// Totals that are owed, as they are said each time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedTotals {
    /// Their number.
    pub totals: u64,
    /// Whether a process before this one may have said them.
    pub again: bool,
    /// 0500 or 0520.
    pub mti: Mti,
    /// All that they say, elements 7 and 11 included.
    pub elements: Elements,
}

/// What an issuer answered to totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotalsAnswer {
    /// Whose.
    pub link: LinkId,
    /// To which.
    pub totals: u64,
    /// Whether it has the same.
    pub verdict: HostVerdict,
}

/// Totals that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Sendings {
    open: BTreeMap<u64, Sending>,
}

#[derive(Debug)]
struct Sending {
    link: LinkId,
    owed: OwedTotals,
    timer: TimerId,
}

impl Engine {
    /// A day was cut, or the process begins: the ledger is asked for what is owed to each issuer that wants totals.
    pub(super) fn want_totals(&self, date: BusinessDate, fx: &mut Effects) {
        if date == BusinessDate(0) {
            return;
        }
        for link in self.settings.links.iter().filter(|link| link.answers) {
            if let Some(profile) = link.reconciliation.clone().filter(|it| it.send.is_some()) {
                let (link, from) = (link.id, self.log.tail());
                fx.actions.push(Action::Totals(TotalsQuestion { link, date, profile, from }));
            }
        }
    }

    /// The ledger has them, written down as owed.
    pub(super) fn totals_owed(&mut self, link: LinkId, owed: Vec<OwedTotals>, fx: &mut Effects) {
        for owed in owed {
            let (number, timer) =
                (owed.totals, self.timers.set(self.now.mono, Timer::Totals(owed.totals)));
            if self.sendings.open.contains_key(&number) {
                self.timers.cancel(timer);
                continue;
            }
            self.sendings.open.insert(number, Sending { link, owed, timer });
            self.send_totals(number, fx);
        }
    }

    /// Sends totals, if anybody is there, and sets the time at which they go again.
    pub(super) fn send_totals(&mut self, number: u64, fx: &mut Effects) {
        let Some(open) = self.sendings.open.get_mut(&number) else { return };
        self.timers.cancel(open.timer);
        let Some(settings) = self.peers.settings(open.link) else {
            // The link is gone. They stay owed in the ledger.
            self.sendings.open.remove(&number);
            return;
        };
        let again = self.now.mono.plus(settings.owed.repeat_ms);
        open.timer = self.timers.set(again, Timer::Totals(number));
        let (tongue, head, link) = (settings.tongue.clone(), settings.head, open.link);
        let Some(session) = self.peers.pick(link, self.now.mono) else { return };
        let mti = if open.owed.again { open.owed.mti.repeated() } else { open.owed.mti };
        let body = tongue.write_what_fits(mti, &open.owed.elements, self.now.wall);
        let fits = self.peers.settings(link).is_some_and(|link| link.frames(head, &body));
        if body.is_empty() || !fits {
            fx.notes.push(Note::TooLong { link });
            return;
        }
        open.owed.again = true;
        fx.actions.push(Action::Send { session, head, body, mark: Mark::Plain });
    }

    /// Whether a response is to totals of ours.
    pub(super) fn answers_totals(&self, arrival: &Arrival) -> Option<u64> {
        let class = arrival.mti().class() == Class::Other(5);
        let is_its = |sending: &Sending| {
            let same = |no| {
                let said = sending.owed.elements.get(no);
                arrival.get(no).is_none_or(|told| said == Some(&*told))
            };
            let function = match sending.owed.mti.function() {
                Function::Advice => Function::AdviceResponse,
                _ => Function::RequestResponse,
            };
            sending.link == arrival.link
                && arrival.mti().function() == function
                && arrival.present().has(ElementNo::STAN)
                && same(ElementNo::STAN)
                && same(ElementNo::TRANSMISSION)
        };
        let mut open = self.sendings.open.iter().filter(|_| class);
        open.find(|(_, sending)| is_its(sending)).map(|(number, _)| *number)
    }

    /// An issuer has answered totals: the ledger is told, unless it wants them again.
    pub(super) fn totals_answered(&mut self, arrival: &Arrival, number: u64, fx: &mut Effects) {
        let Some(settings) = self.peers.settings(arrival.link) else { return };
        let code = code_of(arrival);
        if code.is_some_and(|code| settings.dialect().retries(code)) {
            // It goes again at its time.
            return;
        }
        let Some(profile) = settings.reconciliation.clone() else { return };
        let Some(sending) = self.sendings.open.remove(&number) else { return };
        self.timers.cancel(sending.timer);
        let said = profile.settlement.and_then(|no| arrival.get(no));
        let verdict = profile.verdict_of(code, said.as_deref());
        let verdict = if planted::is(Bug::TotalsAnswerTaken) {
            HostVerdict { settled: Settled::InBalance, ..verdict }
        } else {
            verdict
        };
        fx.notes.push(Note::TotalsAnswered { issuer: arrival.link, verdict });
        let answer = TotalsAnswer { link: arrival.link, totals: number, verdict };
        fx.actions.push(Action::TotalsAnswered(answer));
    }
}
