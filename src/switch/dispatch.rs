//! Which story a message belongs to, and what a frame that is no message gets.

use crate::iso::{Class, ElementNo, Function, Mti, ResponseCode, Stan, Transmission};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Owing, Record, Trace, TxnId};
use crate::tranlog::{Ask, Asked};

use super::authorize::code_of;
use super::effect::{Effects, Note, Why};
use super::engine::Engine;
use super::input::{Arrival, Unreadable};
use super::inquiry::Known;
use super::named::Named;

/// The version of ISO 8583 that is switched, as the first digit of an MTI: 1987.
const VERSION: u8 = 0;

/// The last origin that is defined, without its repeat digit: others.
const ORIGIN_MAX: u8 = 4;

impl Engine {
    /// A message came in.
    pub(super) fn arrived(&mut self, arrival: Box<Arrival>, fx: &mut Effects) {
        if let Some(session) = self.peers.session_mut(arrival.session) {
            session.heard_at = self.now.mono;
        }
        if arrival.mti().is_response() {
            self.response(arrival, fx);
        } else if let Some(element) = self.speaks_for_another(&arrival) {
            self.not_permitted(&arrival, element, fx);
        } else {
            fx.note_withheld(arrival.link, arrival.withheld);
            self.asked(arrival, &Known::default(), fx);
        }
    }

    /// A message that wants an answer; `known` are the keys that the books were asked for already.
    pub(super) fn asked(&mut self, arrival: Box<Arrival>, known: &Known, fx: &mut Effects) {
        let mti = arrival.mti();
        let asks = self.peers.settings(arrival.link).is_some_and(|link| link.asks);
        match (mti.class(), mti.function()) {
            (_, Function::Request | Function::Advice) if mti.version() != VERSION => self.refuse(
                &arrival,
                ResponseCode::FORMAT,
                "its MTI is of another version than 1987: the first digit is not 0",
                fx,
            ),
            (_, Function::Request | Function::Advice) if ORIGIN_MAX < mti.origin() => self.refuse(
                &arrival,
                ResponseCode::FORMAT,
                "the last digit of its MTI says of no origin: it is not 0 to 5",
                fx,
            ),
            (Class::Network, Function::Request | Function::Advice) => {
                self.network_asked(&arrival, fx);
            }
            (_, Function::Other(_)) => {
                // Notifications and the like are not answered, and nothing here wants one.
                if planted::is(Bug::NotificationAnswered) {
                    self.decline(&arrival, ResponseCode::FORMAT, fx);
                }
                fx.notes.push(Note::Refused {
                    asker: arrival.link,
                    of: Box::new(Named::arrived(&arrival)),
                    why: Why::Said("nothing answers this message function"),
                });
            }
            _ if asks && self.is_of_reconciliation(&arrival) => self.reconcile_asked(arrival, fx),
            _ if asks && self.is_of_batch(&arrival) => self.batch_asked(arrival, fx),
            _ if !asks => self.refuse(
                &arrival,
                ResponseCode::INVALID,
                "this link may not ask: its role is issuer",
                fx,
            ),
            (Class::Authorization | Class::Financial, Function::Request) => {
                self.request(arrival, known, fx);
            }
            (Class::Authorization | Class::Financial, Function::Advice) => {
                self.advice(arrival, known, fx);
            }
            (Class::Reversal, Function::Request | Function::Advice) => {
                self.reversal(arrival, known, fx);
            }
            _ => self.refuse(
                &arrival,
                ResponseCode::FORMAT,
                "no such message type is switched here",
                fx,
            ),
        }
    }

    /// An answer: to what?
    fn response(&mut self, arrival: Box<Arrival>, fx: &mut Effects) {
        if arrival.mti().class() == Class::Network {
            if arrival.mti().version() == VERSION {
                return self.network_answered(&arrival, fx);
            }
            let (link, mti) = (arrival.link, arrival.mti());
            let why =
                "it is of another version than what we send: the first digit of its MTI is not 0";
            fx.notes.push(Note::Unmatched {
                link,
                mti,
                trace: None,
                why,
                nearest: None,
                pending: 0,
            });
            return;
        }
        if let Some(number) = self.answers_totals(&arrival) {
            return self.totals_answered(&arrival, number, fx);
        }
        let answers = self.peers.settings(arrival.link).is_some_and(|link| link.answers);
        if !answers && self.log.last_trace(arrival.link) == Trace::default() {
            // Nothing was ever sent there: what it answers is no money of anybody's, and nothing to write down.
            let (link, mti) = (arrival.link, arrival.mti());
            if planted::is(Bug::ResponseAnswered) {
                self.decline(&arrival, ResponseCode::FORMAT, fx);
            }
            let why = "nothing is asked of this link: its role is asker";
            fx.notes.push(Note::Unmatched {
                link,
                mti,
                trace: None,
                why,
                nearest: None,
                pending: 0,
            });
            return;
        }
        let trace = match self.trace_of(&arrival) {
            Ok(trace) => trace,
            Err(why) => return self.unmatched(arrival, None, why, fx),
        };
        let found = self.find(arrival.link, arrival.mti().class(), trace);
        if let Some(why) = found.and_then(|found| self.no_answer(arrival.mti(), found)) {
            return self.unmatched(arrival, Some(trace), why, fx);
        }
        match found {
            Some((txn, Asked::Request)) => self.answered(arrival, txn, trace, fx),
            Some((txn, Asked::Owed(owing))) => self.acknowledged(&arrival, (txn, owing, trace), fx),
            None => {
                let other = [Class::Authorization, Class::Financial, Class::Reversal]
                    .into_iter()
                    .any(|class| self.log.by_trace(arrival.link, class, trace).is_some());
                let why = if other {
                    "its elements 7 and 11 belong to a message of another class: the second digit of its MTI differs"
                } else {
                    "nothing here was sent with its elements 7 and 11, or it was closed long ago"
                };
                self.unmatched(arrival, Some(trace), why, fx);
            }
        }
    }

    /// Why a response is none to what was asked under its pair, if so: 0210 answers 0200, 0212 answers 0202, 0230 answers 0220.
    /// To a reversal either will do, 0410 or 0430; and whoever repeats the repeat digit (0431) means the same.
    pub(super) fn no_answer(
        &self,
        response: Mti,
        (txn, asked): (TxnId, Asked),
    ) -> Option<&'static str> {
        let right = match asked {
            Asked::Request => response.function() == Function::RequestResponse,
            Asked::Owed(Owing::Advice) => response.function() == Function::AdviceResponse,
            Asked::Owed(Owing::Reversal) => true,
        };
        if !right {
            return Some(
                "its elements 7 and 11 belong to a message of another function: the third digit of its MTI differs",
            );
        }
        if planted::is(Bug::AnswerOfAnyOrigin) {
            return None;
        }
        if response.version() != VERSION {
            return Some(
                "its elements 7 and 11 belong to a message of another version: the first digit of its MTI differs",
            );
        }
        // A reversal is our own, as an acquirer's.
        let sent = match asked {
            Asked::Owed(Owing::Reversal) => None,
            _ => self.log.standing(txn).and_then(|standing| standing.sent()),
        };
        let origin = sent.map_or(0, |sent| sent.mti.origin());
        (response.origin() != origin).then_some(
            "its elements 7 and 11 belong to a message of another origin: the last digit of its MTI differs",
        )
    }

    fn find(&self, link: LinkId, class: Class, trace: Trace) -> Option<(TxnId, Asked)> {
        let own = self.log.by_trace(link, class, trace);
        if own.is_none() && planted::is(Bug::AnswerFromAnotherLink) {
            let mut others = self.settings.links.iter().filter(|other| other.answers);
            return others.find_map(|other| self.log.by_trace(other.id, class, trace));
        }
        own
    }

    /// Elements 7 and 11 of a response as the pair that we gave; or what is wrong with them, for people.
    fn trace_of(&self, arrival: &Arrival) -> Result<Trace, &'static str> {
        let link = arrival.link;
        let stan = arrival.get(ElementNo::STAN).ok_or("it has no element 11")?;
        let stan = Stan::from_ascii(&stan).or(Err("its element 11 is no trace number"))?;
        let timed =
            self.peers.settings(link).is_some_and(|link| link.dialect().echoes_transmission());
        let last = self.log.last_trace(link).transmission;
        let transmission = match arrival.get(ElementNo::TRANSMISSION) {
            Some(text) if timed => Transmission::from_ascii(&text, last)
                .or(Err("its element 7 is no date and time"))?,
            None if timed => {
                return Err(
                    "it has no element 7; if this network does not echo it, take 7 out of the dialect's `echo`",
                );
            }
            _ => Transmission::default(),
        };
        Ok(Trace { transmission, stan })
    }

    /// A response that nothing waits for: written down, explained, and looked up when it approves.
    pub(super) fn unmatched(
        &mut self,
        arrival: Box<Arrival>,
        trace: Option<Trace>,
        why: &'static str,
        fx: &mut Effects,
    ) {
        let (link, mti) = (arrival.link, arrival.mti());
        let nearest = self.nearest(&arrival, trace).filter(|_| !planted::is(Bug::NearestUntold));
        let pending = self.peers.link(link).map_or(0, |link| link.in_flight);
        fx.notes.push(Note::Unmatched { link, mti, trace, why, nearest, pending });
        let approved = self.may_approve(&arrival);
        let orphan = approved && trace.is_none();
        // Below the reserve the room is for money: what names no approval is counted and logged, no more.
        if orphan || !self.disk_low {
            let at = self.now.wall;
            let record = Record::Unmatched { link, at, mti, trace, approved, orphan };
            let at = self.append(record, fx);
            if orphan {
                fx.notes.push(Note::Orphan { link, at });
            }
        }
        let Some(trace) = trace.filter(|_| approved && !planted::is(Bug::UnmatchedNotLookedUp))
        else {
            return;
        };
        let ask = Ask::Trace { link, class: mti.class(), trace };
        self.inquire(arrival, &Known::default(), ask, fx);
    }

    /// An approval that belongs to nothing we know of: the operator's list has it.
    pub(super) fn orphaned(&mut self, arrival: &Arrival, trace: Trace, fx: &mut Effects) {
        let (link, mti, at) = (arrival.link, arrival.mti(), self.now.wall);
        let trace = Some(trace);
        let record = Record::Unmatched { link, at, mti, trace, approved: true, orphan: true };
        let at = self.append(record, fx);
        fx.notes.push(Note::Orphan { link, at });
    }

    /// Whether a response moves money, or might: an approval of a request, or the acceptance of an advice.
    fn may_approve(&self, arrival: &Arrival) -> bool {
        let Some(link) = self.peers.settings(arrival.link) else { return false };
        let code = code_of(arrival);
        match (arrival.mti().class(), arrival.mti().function()) {
            (Class::Authorization | Class::Financial, Function::RequestResponse) => {
                code.is_none_or(|code| link.dialect().approves(code))
            }
            (Class::Authorization | Class::Financial, Function::AdviceResponse) => {
                code.is_none_or(|code| link.dialect().accepts(code))
            }
            _ => false,
        }
    }

    /// A frame that is no message: a request whose MTI can be read is answered 30, everything else is left alone.
    pub(super) fn unreadable(&self, unreadable: &Unreadable, fx: &mut Effects) {
        let Some(link) = self.peers.session(unreadable.session).map(|session| session.link) else {
            return;
        };
        fx.notes.push(Note::Unreadable { link });
        let Some(mti) = unreadable.mti.filter(|mti| !mti.is_response()) else { return };
        let answered = !planted::is(Bug::UnreadableUnanswered);
        if answered && matches!(mti.function(), Function::Request | Function::Advice) {
            self.decline_unreadable(unreadable, (mti, link), ResponseCode::FORMAT, fx);
        }
    }
}
