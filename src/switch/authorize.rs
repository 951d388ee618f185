//! An authorization, 0100 or 0200, top to bottom: the request, the answer, the time-out.

use std::sync::Arc;

use crate::iso::{
    BusinessDate, ElementNo, ElementSet, Elements, Function, Mono, Mti, ResponseCode, Wall,
};
use crate::planted::{self, Bug};
use crate::record::{
    Approval, LinkId, Outcome, Owing, Reason, Record, Sent, Standing, Trace, TxnId, Unanswered,
    Verdict,
};
use crate::seal::Tag;
use crate::tranlog::Ask;

use super::compare::{
    NEVER_ADDED, added, another_card, element_not_repeated, first_difference,
    is_the_answer_that_stands,
};
use super::effect::{Action, Effects, Mark, Note, Why};
use super::engine::Engine;
use super::increment::says_what_it_raises;
use super::input::{Arrival, CardOf, SessionId, naming};
use super::inquiry::Known;
use super::named::Named;
use super::reply::code_alone;
use super::settings::AnswerOn;
use super::timers::{Timer, TimerId};
use super::translate::rename;

pub(super) use super::compare::code_of;

/// A request in flight: who waits, and on what it left.
#[derive(Debug)]
pub(super) struct Waiting {
    #[expect(clippy::vec_box, reason = "they are large, and stay in the boxes that they came in")]
    pub(super) askers: Vec<Box<Arrival>>,
    pub(super) issuer_session: SessionId,
    /// The first of them is still here as it came: its request may be needed once more.
    pub(super) whole: bool,
    /// The links to which it went after it was withdrawn.
    pub(super) again: Vec<LinkId>,
    /// The request names its card in element 2, so that its answer has to repeat it.
    names_card: bool,
    pub(super) deadline: TimerId,
    sent_at: Mono,
}

/// Where a request goes, and what goes there.
pub(super) struct Forwarding {
    pub(super) issuer: LinkId,
    /// The authorization that it raises.
    raises: Option<TxnId>,
    /// How it names there what it is about.
    named: Elements,
    session: SessionId,
    pub(super) trace: Trace,
    body: Vec<u8>,
}

/// Why a request goes nowhere: the code, and the reason for people.
pub(super) type Refusal = (ResponseCode, Why);

impl Engine {
    /// A request: new, a copy of one in memory, or to be looked up.
    pub(super) fn request(&mut self, arrival: Box<Arrival>, known: &Known, fx: &mut Effects) {
        let key = match Self::identity(&arrival) {
            Ok(key) => key,
            Err((code, why)) => return self.refuse(&arrival, code, why, fx),
        };
        // Mistakes on purpose: the answer of the books before the window, and a copy as if it were new.
        let overlooked = (planted::is(Bug::LookUpRace) && known.has(key))
            || (planted::is(Bug::RepeatForwarded) && arrival.mti().is_repeat());
        if let Some(txn) = self.log.by_key(key).filter(|_| !overlooked) {
            let limited = planted::is(Bug::RepeatLimited);
            if let Some(Err(why)) = limited.then(|| self.within_rate(&arrival, fx)) {
                return self.decline_unsent(&arrival, key, why, fx);
            }
            return self.repeated(arrival, txn, fx);
        }
        let arrival = match self.inquiries.join(key, arrival) {
            Ok(()) => return,
            Err(arrival) => arrival,
        };
        if let Some((code, same)) = self.held.get(key, arrival.content) {
            return self.held_again(&arrival, code, same, fx);
        }
        if arrival.is_repeat() && !known.has(key) && !overlooked {
            return self.inquire(arrival, known, Ask::Key(key), fx);
        }
        // An increment names the authorization that it raises; an older one is in the books.
        let raised = arrival.original_key.filter(|_| says_what_it_raises(&arrival));
        if let Some(ask) = raised.and_then(|original| self.to_be_asked(original, known)) {
            return self.inquire(arrival, known, ask, fx);
        }
        match self.forwarding(&arrival, fx) {
            Ok((forwarding, whole)) => self.forward(arrival, (key, whole), forwarding, fx),
            Err(refusal) if refusal.0 == ResponseCode::UNAVAILABLE => {
                // Only what would have gone, had anybody been there.
                let in_place =
                    self.admission(&arrival).ok().and_then(|()| self.stands_in(&arrival));
                match in_place {
                    Some(Ok(issuer)) => self.stand_in(arrival, key, issuer, fx),
                    Some(Err(refusal)) => self.decline_unsent(&arrival, key, refusal, fx),
                    None => self.decline_unsent(&arrival, key, refusal, fx),
                }
            }
            Err(refusal) => self.decline_unsent(&arrival, key, refusal, fx),
        }
    }

    /// The asker's key; or why a message without one, or with two cards, is refused.
    pub(super) fn identity(arrival: &Arrival) -> Result<Tag, Refusal> {
        if arrival.card == CardOf::Contradiction {
            return Err((
                ResponseCode::FORMAT,
                Why::Said("elements 2 and 35 name no card, or two"),
            ));
        }
        if !arrival.present().has(ElementNo::STAN) {
            return Err((ResponseCode::FORMAT, Why::Said("it has no element 11")));
        }
        arrival.key.ok_or((
            ResponseCode::FORMAT,
            Why::Said(
                "nothing says when it was asked: it has neither element 7 nor elements 12 and 13",
            ),
        ))
    }

    /// Where a new request goes, and whether it may be needed once more as it came.
    fn forwarding(
        &mut self,
        arrival: &Arrival,
        fx: &mut Effects,
    ) -> Result<(Forwarding, bool), Refusal> {
        self.admission(arrival)?;
        self.share(arrival.link)?;
        self.within_rate(arrival, fx)?;
        let (issuer, whole) = match self.raised(arrival)? {
            Some(first) => (self.issuer_of_raised(first)?, true),
            None => self.issuer_now(arrival)?,
        };
        let (today, now) = (self.today(), self.now.wall);
        let forwarding = self.forwarding_to(issuer, (arrival, today, now), fx)?;
        Ok((forwarding, whole))
    }

    /// What goes to a link, on one of its sessions and under a fresh pair, of a request that was accepted on that day and at that time.
    pub(super) fn forwarding_to(
        &mut self,
        issuer: LinkId,
        (arrival, date, at): (&Arrival, BusinessDate, Wall),
        fx: &mut Effects,
    ) -> Result<Forwarding, Refusal> {
        let session = self
            .peers
            .pick(issuer, self.now.mono)
            .ok_or((ResponseCode::UNAVAILABLE, Why::Said("its issuer is down")))?;
        let trace = self.log.fresh_trace(issuer, arrival.mti().class(), self.now.wall).ok_or((
            ResponseCode::MALFUNCTION,
            Why::Said("every trace number of its issuer's link is taken"),
        ))?;
        let link = self
            .peers
            .settings(issuer)
            .ok_or((ResponseCode::NO_ROUTE, Why::Said("its issuer is gone")))?;
        let raises = self.raised(arrival)?;
        let named = self.named_there(arrival, raises, link)?;
        let room = fx.room(arrival.message.body().len() + 64);
        let body = self.translated(arrival, (link, &named), (trace, date, at), room)?;
        Ok(Forwarding { issuer, raises, named, session, trace, body })
    }

    /// Whether anything new is accepted at all.
    pub(super) fn admission(&self, arrival: &Arrival) -> Result<(), Refusal> {
        if self.draining {
            return Err((ResponseCode::UNAVAILABLE, Why::Said("the switch is about to stop")));
        }
        if let Some(why) = self.peers.closed_to(arrival.session) {
            return Err((ResponseCode::UNAVAILABLE, Why::Said(why)));
        }
        if self.disk_low {
            return Err((
                ResponseCode::MALFUNCTION,
                Why::Said("the journal's disk is nearly full"),
            ));
        }
        if self.log.in_flight_total() >= self.settings.in_flight_max {
            return Err((
                ResponseCode::MALFUNCTION,
                Why::Said("as many requests as allowed are in flight"),
            ));
        }
        Ok(())
    }

    fn forward(
        &mut self,
        mut arrival: Box<Arrival>,
        (key, whole): (Tag, bool),
        forwarding: Forwarding,
        fx: &mut Effects,
    ) {
        let (asker, issuer) = (arrival.link, forwarding.issuer);
        let mut sent = self.sent(&mut arrival, key, (issuer, forwarding.trace));
        sent.completes = forwarding.raises;
        // What it only mentions is said to whom it goes, and not kept: it may go elsewhere.
        let named = forwarding.raises.map(|_| &forwarding.named);
        rename(&mut sent.elements, named);
        let sent = Arc::new(sent);
        let txn = TxnId(self.append(Record::Sent(sent), fx).0);
        let timeout_ms = self.peers.settings(issuer).map_or(0, |link| link.timeout_ms);
        let deadline = self.timers.set(self.now.mono.plus(timeout_ms), Timer::Deadline(txn));
        let names_card = arrival.present().has(ElementNo::PAN);
        if whole {
            arrival.message.reduce(arrival.present());
        } else {
            Self::set_down(&mut arrival);
        }
        let waiting = Waiting {
            askers: vec![arrival],
            issuer_session: forwarding.session,
            whole,
            again: Vec::new(),
            names_card,
            deadline,
            sent_at: self.now.mono,
        };
        self.leaves((txn, asker), waiting, forwarding, fx);
        fx.notes.push(Note::Forwarded { asker, issuer });
    }

    /// A request leaves for its issuer: for the first time, or once more after it was withdrawn.
    pub(super) fn leaves(
        &mut self,
        (txn, asker): (TxnId, LinkId),
        waiting: Waiting,
        Forwarding { issuer, session, body, .. }: Forwarding,
        fx: &mut Effects,
    ) {
        let Some(link) = self.peers.link_mut(issuer) else { return };
        link.in_flight += 1;
        let head = link.settings.head;
        if let Some(asker) = self.peers.link_mut(asker) {
            asker.asking += 1;
        }
        self.waiting.insert(txn, Waiting { issuer_session: session, ..waiting });
        self.breaker_tried(issuer, txn);
        fx.actions.push(Action::Send { session, head, body, mark: Mark::Request(txn) });
    }

    /// What waits for an answer may wait for long: only what its answer repeats stays of it.
    pub(super) fn set_down(asker: &mut Arrival) {
        let echo = asker.message.dialect().echo();
        asker.message.reduce(echo);
    }

    /// What is written down of an accepted message; it is taken out of what came in.
    pub(super) fn sent(
        &self,
        arrival: &mut Arrival,
        key: Tag,
        (issuer, trace): (LinkId, Trace),
    ) -> Sent {
        let card = match std::mem::replace(&mut arrival.card, CardOf::None) {
            CardOf::One(card) => Some(card),
            CardOf::None | CardOf::Contradiction => None,
        };
        Sent {
            asker: arrival.link,
            key,
            content: arrival.content,
            mti: arrival.mti(),
            issuer,
            trace,
            date: self.today(),
            at: self.now.wall,
            card,
            elements: std::mem::take(&mut arrival.kept),
            completes: None,
            named: arrival.named,
            declined: false,
        }
    }

    /// A decline of what nothing left for: counted, not journaled, and held so that a copy hears the same.
    pub(super) fn decline_unsent(
        &mut self,
        arrival: &Arrival,
        key: Tag,
        (code, why): Refusal,
        fx: &mut Effects,
    ) {
        if code == ResponseCode::MALFUNCTION {
            fx.notes.push(Note::Overload { asker: arrival.link });
        }
        fx.notes.push(Note::Declined {
            asker: arrival.link,
            of: Box::new(Named::arrived(arrival)),
            code,
            why,
        });
        if holds(arrival.mti(), code) && !planted::is(Bug::DeclineForgotten) {
            self.held.put(self.now.wall, key, arrival.content, code);
        }
        self.decline(arrival, code, fx);
    }

    /// The issuer answers: in time, or after the end.
    pub(super) fn answered(
        &mut self,
        arrival: Box<Arrival>,
        txn: TxnId,
        trace: Trace,
        fx: &mut Effects,
    ) {
        let Some(standing) = self.log.standing(txn) else { return };
        if standing.outcome != Outcome::InFlight {
            return self.late(&arrival, (txn, trace), fx);
        }
        let Some(link) = self.peers.settings(arrival.link) else { return };
        let waiting = self.waiting.get(&txn);
        let carried_by = waiting.map(|waiting| waiting.issuer_session);
        let names_card = waiting.is_some_and(|waiting| waiting.names_card);
        if link.answer_on == AnswerOn::Session && carried_by != Some(arrival.session) {
            let why =
                "another session of the link carried its request, and answer_on is \"session\"";
            return self.unmatched(arrival, Some(trace), why, fx);
        }
        let code = code_of(&arrival);
        let added = added(standing, &arrival);
        let differs = standing
            .sent()
            .and_then(|sent| first_difference((sent, names_card), (&arrival, &added), link));
        let live = Arc::new(self.with_unechoed(added, standing, &arrival));
        let verdict = match code {
            _ if differs.is_some() && !planted::is(Bug::MismatchAccepted) => Verdict::Mismatched,
            None if planted::is(Bug::UnknownCodeIsDecline) => Verdict::Declined,
            None => Verdict::Mismatched,
            Some(code) if link.dialect().approves(code) => Verdict::Approved,
            Some(_) => Verdict::Declined,
        };
        let card = standing.sent().and_then(|sent| sent.card.as_ref());
        let withheld = card.map_or(ElementSet::EMPTY, |card| naming(card, &live, link.dialect()));
        let keeps = link.dialect().keeps().minus(withheld);
        let all_kept = live.present().minus(keeps).is_empty();
        let kept = if all_kept { Arc::clone(&live) } else { Arc::new(live.only(keeps)) };
        if verdict == Verdict::Mismatched {
            let element = differs.map_or(0, ElementNo::get);
            fx.notes.push(Note::Mismatched { issuer: arrival.link, element, txn });
        }
        self.append(Record::Answered { txn, at: self.now.wall, verdict, added: kept }, fx);
        self.breaker_answered(arrival.link, fx);
        fx.note_withheld(arrival.link, withheld);
        let Some(waiting) = self.no_longer_waiting(txn) else { return };
        let ms = self.now.mono.0.saturating_sub(waiting.sent_at.0);
        fx.notes.push(Note::Answered { issuer: arrival.link, verdict, code, ms });
        self.tell_verdict(txn, (verdict, &live), &waiting, fx);
    }

    /// With what the issuer repeats unchanged and its asker's network does not repeat: the asker hears that, too.
    fn with_unechoed(
        &self,
        mut added: Elements,
        standing: &Standing,
        arrival: &Arrival,
    ) -> Elements {
        let asker = standing.sent().and_then(|sent| self.peers.settings(sent.asker));
        let echoed = asker.map_or(ElementSet::EMPTY, |asker| asker.dialect().echo());
        let unechoed = arrival.present().minus(NEVER_ADDED).minus(added.present()).minus(echoed);
        for (no, value) in arrival.message.iter(unechoed) {
            added.set(no, &value);
        }
        added
    }

    fn tell_verdict(
        &mut self,
        txn: TxnId,
        (verdict, added): (Verdict, &Elements),
        waiting: &Waiting,
        fx: &mut Effects,
    ) {
        match verdict {
            Verdict::Approved => self.tell_approval(txn, added, waiting, fx),
            Verdict::Declined => {
                for asker in &waiting.askers {
                    self.tell(asker, &self.dated(asker, added, txn), Mark::Plain, fx);
                }
            }
            Verdict::Mismatched => {
                if !planted::is(Bug::UnknownCodeIsDecline) {
                    self.owe(txn, Reason::Mismatched, fx);
                }
                self.decline_all(txn, waiting, ResponseCode::MALFUNCTION, fx);
            }
        }
    }

    /// Tells all who wait of an approval; when that reaches nobody, it is reversed.
    pub(super) fn tell_approval(
        &mut self,
        txn: TxnId,
        added: &Elements,
        waiting: &Waiting,
        fx: &mut Effects,
    ) {
        let mut copies = 0;
        for asker in &waiting.askers {
            let added = self.dated(asker, added, txn);
            copies += u32::from(self.tell(asker, &added, Mark::Approval(txn), fx));
        }
        if copies > 0 {
            self.untold.insert(txn, copies);
            return;
        }
        self.reached_nobody(txn, fx);
        // Whoever lives and could not be told hears what every copy hears from now on.
        if waiting.askers.iter().any(|asker| self.peers.lives(asker.session)) {
            self.decline_all(txn, waiting, self.settings.timeout_code, fx);
        }
    }

    /// The issuer did not answer in time: what was sent is undone, and those who wait hear a decline, or an approval in its place.
    pub(super) fn timed_out(&mut self, txn: TxnId, fx: &mut Effects) {
        let Some(issuer) = self.log.standing(txn).and_then(Standing::sent).map(|sent| sent.issuer)
        else {
            return;
        };
        fx.notes.push(Note::TimedOut { issuer, txn });
        self.breaker_missed(issuer, txn, fx);
        if self.stand_in_matched(txn, fx) {
            return;
        }
        let owes = !planted::is(Bug::TimeOutOwesNothing) && !self.both_stand(txn);
        let Some(mut waiting) =
            self.over(txn, Unanswered::Deadline, owes.then_some(Reason::Unanswered), fx)
        else {
            return;
        };
        match self.in_place_after(txn, &mut waiting) {
            Some(approval) => self.stand_in_after(txn, approval, &waiting, fx),
            None => self.decline_all(txn, &waiting, self.settings.timeout_code, fx),
        }
    }

    /// Ends a request without an answer: all who wait hear a decline, and maybe a reversal is owed.
    pub(super) fn end_unanswered(
        &mut self,
        txn: TxnId,
        why: Unanswered,
        owed: Option<Reason>,
        fx: &mut Effects,
    ) {
        let code = self.code_when_over(why);
        if let Some(waiting) = self.over(txn, why, owed, fx) {
            self.decline_all(txn, &waiting, code, fx);
        }
    }

    /// The same, and nobody hears of it yet; gives those who wait.
    fn over(
        &mut self,
        txn: TxnId,
        why: Unanswered,
        owed: Option<Reason>,
        fx: &mut Effects,
    ) -> Option<Waiting> {
        let in_flight = |standing: &Standing| standing.outcome == Outcome::InFlight;
        if !self.log.standing(txn).is_some_and(in_flight) {
            return None;
        }
        self.append(Record::Over { txn, at: self.now.wall, why }, fx);
        if let Some(reason) = owed {
            self.owe(txn, reason, fx);
        }
        self.no_longer_waiting(txn)
    }

    pub(super) fn code_when_over(&self, why: Unanswered) -> ResponseCode {
        match why {
            Unanswered::NeverBegun => ResponseCode::UNAVAILABLE,
            Unanswered::Deadline
            | Unanswered::Restart
            | Unanswered::Reversed
            | Unanswered::StoodIn => self.settings.timeout_code,
        }
    }

    pub(super) fn decline_all(
        &self,
        txn: TxnId,
        waiting: &Waiting,
        code: ResponseCode,
        fx: &mut Effects,
    ) {
        let added = code_alone(code);
        let nothing = Elements::default();
        let kept = self.log.standing(txn).and_then(Standing::sent).map(|sent| &sent.elements);
        for asker in &waiting.askers {
            fx.notes.push(Note::Declined {
                asker: asker.link,
                of: Box::new(Named::new(asker.mti(), kept.unwrap_or(&nothing), Some(txn))),
                code,
                why: Why::Said("its issuer gave no answer that stands"),
            });
            self.tell(asker, &self.dated(asker, &added, txn), Mark::Plain, fx);
        }
    }

    pub(super) fn no_longer_waiting(&mut self, txn: TxnId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&txn)?;
        self.timers.cancel(waiting.deadline);
        let sent = self.log.standing(txn).and_then(Standing::sent);
        let (issuer, asker) = sent.map(|sent| (sent.issuer, sent.asker)).unzip();
        if let Some(link) = issuer.and_then(|issuer| self.peers.link_mut(issuer)) {
            link.in_flight = link.in_flight.saturating_sub(1);
        }
        if let Some(issuer) = issuer {
            self.breaker_over(issuer, txn);
        }
        if let Some(link) = asker.and_then(|asker| self.peers.link_mut(asker)) {
            link.asking = link.asking.saturating_sub(1);
        }
        Some(waiting)
    }

    /// An answer after the end. It is never told; an approval that is not the answer that stands is reversed, unless its issuer
    /// matches it with the advice of what stands. One
    /// that repeats another amount than was asked is no approval of what stands approved: undoing that would take
    /// from its asker what it was told, so it is for the operator.
    fn late(&mut self, arrival: &Arrival, (txn, trace): (TxnId, Trace), fx: &mut Effects) {
        let Some(standing) = self.log.standing(txn) else { return };
        let Some(link) = self.peers.settings(arrival.link) else { return };
        let approved = code_of(arrival).is_none_or(|code| link.dialect().approves(code));
        let added = added(standing, arrival);
        let sent = standing.sent();
        let differs = sent
            .and_then(|sent| element_not_repeated(sent, (arrival, &added), link))
            .or_else(|| another_card(standing, arrival, (link, &self.keys)));
        let said = self.with_unechoed(added, standing, arrival);
        let same_amount = sent.and_then(|sent| sent.granted(Some(&said))) == standing.granted();
        if differs.is_none() && same_amount && is_the_answer_that_stands(standing, &said) {
            return;
        }
        let after_close =
            standing.reversal.is_some() && standing.open_debt(Owing::Reversal).is_none();
        let (heard, matched) = (standing.heard, standing.is_matched());
        let stands_matched = matched && standing.stands_approved();
        if differs.is_some() && !approved {
            // A decline of something else: whether its issuer has answered this request is as open as before.
            fx.notes.push(Note::Late { issuer: arrival.link, approved, after_close, txn });
            if stands_matched {
                self.late_though_matched((txn, arrival.link), (approved, heard), fx);
            }
            return;
        }
        let other_amount = approved
            && standing.stands_approved()
            && !standing.stood_in()
            && !same_amount
            && !planted::is(Bug::OtherPartUndoes);
        if let Some(element) = differs.or_else(|| other_amount.then_some(ElementNo::AMOUNT)) {
            fx.notes.push(Note::Mismatched { issuer: arrival.link, element: element.get(), txn });
            if standing.stands_approved() && !planted::is(Bug::StrayApprovalUndoes) {
                return self.orphaned(arrival, trace, fx);
            }
        }
        let was_over = matches!(standing.outcome, Outcome::Over { .. });
        fx.notes.push(Note::Late { issuer: arrival.link, approved, after_close, txn });
        let said_before = stands_matched && !approved && heard == Approval::Declined;
        if (approved || was_over || matched) && !said_before {
            self.append(Record::Late { txn, at: self.now.wall, approved }, fx);
        }
        if stands_matched && !planted::is(Bug::MatchedApprovalReversed) {
            return self.late_though_matched((txn, arrival.link), (approved, heard), fx);
        }
        let undone = approved || planted::is(Bug::LateDeclineReversed);
        if undone && !planted::is(Bug::LateApprovalIgnored) {
            let reason = if differs.is_some() { Reason::Mismatched } else { Reason::Late };
            self.owe(txn, reason, fx);
        }
    }
}

/// Whether a decline is held against copies. The sender of an advice stores it and says it until it is taken: that there
/// was no room then is no reason not to take it now.
fn holds(mti: Mti, code: ResponseCode) -> bool {
    let for_lack_of_room = matches!(code, ResponseCode::MALFUNCTION | ResponseCode::UNAVAILABLE);
    mti.function() != Function::Advice || !for_lack_of_room || planted::is(Bug::LackOfRoomHeld)
}
