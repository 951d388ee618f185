//! Store-and-forward: what is owed to an issuer goes out x0 and then x1, in order per card, until it is settled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::iso::{ElementNo, ElementSet, Elements, Mti, ResponseCode, Wall};
use crate::planted::{self, Bug};
use crate::record::{
    Approval, Closing, Debt, DebtState, LinkId, Opening, Outcome, Owing, Reason, Record, Sent,
    Standing, Trace, TxnId, Unanswered,
};
use crate::seal::{Keys, Tag};

use super::compare::{another_card, code_of, named_otherwise};
use super::effect::{Action, Effects, Mark, Note};
use super::engine::Engine;
use super::input::{Arrival, SessionId};
use super::lowering::{REPLACEMENT, replacement_amounts};
use super::timers::{Timer, TimerId};
use super::translate::original_data;

/// What is owed, by link and by card.
#[derive(Debug, Default)]
pub(super) struct Post {
    links: BTreeMap<LinkId, Lanes>,
}

/// How soon and how late the age of what is owed is looked at again: the wall clock may jump meanwhile.
const AGE_LOOK_MS_MIN: u64 = 1_000;
const AGE_LOOK_MS_MAX: u64 = 60_000;

/// What is owed on one link: a lane for each card, in order within, side by side.
#[derive(Debug, Default)]
struct Lanes {
    by_card: BTreeMap<Tag, VecDeque<Item>>,
    /// Lanes whose first item may go, in their turn; some have nothing to send any more.
    ready: VecDeque<Tag>,
    /// The lanes in `ready`: with an issuer down for long there are too many to look through.
    listed: BTreeSet<Tag>,
    in_flight: u32,
    /// How many of all are advices.
    advices: usize,
    /// All of them by age, so that what grows too old is found without looking at the others.
    by_age: BTreeSet<(Wall, TxnId, Owing)>,
    /// Whether a timer looks after their age.
    aging: bool,
}

#[derive(Debug)]
struct Item {
    txn: TxnId,
    owing: Owing,
    /// Since when it is owed under its present trace.
    since: Wall,
    /// How often it went out under that, as far as this process knows.
    sends: u32,
    /// The session that carried the request: there a reversal cannot overtake it.
    prefer: Option<SessionId>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may go when its lane's turn comes.
    Idle,
    /// It went out, and is sent again when the timer fires.
    Waiting(TimerId),
    /// It is to be sent again when the timer fires.
    Resting(TimerId),
}

impl Lanes {
    fn item(&mut self, lane: Tag, txn: TxnId, owing: Owing) -> Option<&mut Item> {
        self.by_card.get_mut(&lane)?.iter_mut().find(|item| item.txn == txn && item.owing == owing)
    }

    /// Makes an item idle again; gives the timer to cancel.
    fn rest(&mut self, lane: Tag, txn: TxnId, owing: Owing) -> Option<TimerId> {
        let item = self.item(lane, txn, owing)?;
        let state = std::mem::replace(&mut item.state, State::Idle);
        match state {
            State::Idle => None,
            State::Resting(timer) => Some(timer),
            State::Waiting(timer) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                Some(timer)
            }
        }
    }

    /// Puts a debt at the end of its lane; one that is there already begins anew at its place.
    fn put(&mut self, lane: Tag, fresh: Item) {
        let (txn, owing, since) = (fresh.txn, fresh.owing, fresh.since);
        if let Some(item) = self.item(lane, txn, owing) {
            let before = std::mem::replace(item, fresh).since;
            self.by_age.remove(&(before, txn, owing));
        } else {
            self.advices += usize::from(owing == Owing::Advice);
            let items = self.by_card.entry(lane).or_default();
            if planted::is(Bug::OwedOutOfOrder) {
                items.push_front(fresh);
            } else {
                items.push_back(fresh);
            }
        }
        self.by_age.insert((since, txn, owing));
    }

    fn wake(&mut self, lane: Tag) {
        let idle = self
            .by_card
            .get(&lane)
            .and_then(VecDeque::front)
            .is_some_and(|item| item.state == State::Idle);
        if idle && self.listed.insert(lane) {
            self.ready.push_back(lane);
        }
    }

    /// The lane whose turn it is.
    fn next(&mut self) -> Option<Tag> {
        let lane = self.ready.pop_front()?;
        self.listed.remove(&lane);
        Some(lane)
    }

    fn remove(&mut self, lane: Tag, txn: TxnId, owing: Owing) -> Option<TimerId> {
        let timer = self.rest(lane, txn, owing);
        if let Some(since) = self.item(lane, txn, owing).map(|item| item.since) {
            self.by_age.remove(&(since, txn, owing));
            self.advices -= usize::from(owing == Owing::Advice);
        }
        if let Some(items) = self.by_card.get_mut(&lane) {
            items.retain(|item| item.txn != txn || item.owing != owing);
            if items.is_empty() {
                self.by_card.remove(&lane);
            }
        }
        self.wake(lane);
        timer
    }
}

impl Engine {
    /// Something is owed from now on, or is owed anew under a fresh trace.
    pub(super) fn post_owed(&mut self, txn: TxnId, owing: Owing, fx: &mut Effects) {
        let prefer = self.waiting.get(&txn).map(|waiting| waiting.issuer_session);
        self.enqueue(txn, owing, prefer, 0);
        if let Some(issuer) = self.issuer_of(txn) {
            self.pump(issuer, fx);
        }
    }

    /// Puts a debt into its lane; one that is there already begins anew at its place.
    pub(super) fn enqueue(
        &mut self,
        txn: TxnId,
        owing: Owing,
        prefer: Option<SessionId>,
        sends: u32,
    ) {
        let Some((issuer, lane)) = self.lane_of(txn) else { return };
        let debt = self.log.standing(txn).and_then(|standing| standing.open_debt(owing));
        let Some(since) = debt.map(|debt| debt.since) else { return };
        let lanes = self.post.links.entry(issuer).or_default();
        if let Some(timer) = lanes.rest(lane, txn, owing) {
            self.timers.cancel(timer);
        }
        lanes.put(lane, Item { txn, owing, since, sends, prefer, state: State::Idle });
        lanes.wake(lane);
        self.look_after_age(issuer);
    }

    /// Whether as many advices are owed on a link as may be.
    pub(super) fn owes_enough(&self, issuer: LinkId) -> bool {
        let owed = self.post.links.get(&issuer).map_or(0, |lanes| lanes.advices);
        let full = self.peers.settings(issuer).is_some_and(|link| link.owed.advices_max <= owed);
        full && !planted::is(Bug::OwedUnbounded)
    }

    /// Sets the timer that looks after the age of what is owed on a link, unless one is set or nothing is owed.
    pub(super) fn look_after_age(&mut self, issuer: LinkId) {
        let Some(age_ms_max) = self.peers.settings(issuer).map(|link| link.owed.age_ms_max) else {
            return;
        };
        let Some(lanes) = self.post.links.get_mut(&issuer).filter(|lanes| !lanes.aging) else {
            return;
        };
        let Some((since, ..)) = lanes.by_age.first() else { return };
        let left = since.0.saturating_add(age_ms_max).saturating_sub(self.now.wall.0);
        lanes.aging = true;
        let wait = left.saturating_add(1).clamp(AGE_LOOK_MS_MIN, AGE_LOOK_MS_MAX);
        self.timers.set(self.now.mono.plus(wait), Timer::Age(issuer));
    }

    /// What grew too old is given up, whether or not its issuer is there; what is on its way may still be answered.
    pub(super) fn aged(&mut self, issuer: LinkId, fx: &mut Effects) {
        let Some(lanes) = self.post.links.get_mut(&issuer) else { return };
        lanes.aging = false;
        let Some(limits) = self.peers.settings(issuer).map(|link| link.owed) else { return };
        let oldest = Wall(self.now.wall.0.saturating_sub(limits.age_ms_max));
        let too_old: Vec<(TxnId, Owing)> = lanes
            .by_age
            .iter()
            .take_while(|(since, ..)| *since < oldest)
            .map(|(_, txn, owing)| (*txn, *owing))
            .collect();
        for (txn, owing) in too_old {
            self.give_up_if_idle(txn, owing, fx);
        }
        self.look_after_age(issuer);
        self.pump(issuer, fx);
    }

    fn give_up_if_idle(&mut self, txn: TxnId, owing: Owing, fx: &mut Effects) {
        let Some((issuer, lane)) = self.lane_of(txn) else { return };
        let item = self.post.links.get_mut(&issuer).and_then(|lanes| lanes.item(lane, txn, owing));
        if item.is_none_or(|item| matches!(item.state, State::Waiting(_))) {
            return;
        }
        let debt = self.log.standing(txn).and_then(|standing| standing.open_debt(owing));
        if let Some(trace) = debt.map(|debt| debt.trace) {
            self.close_one((txn, owing, trace), Closing::Dead, None, fx);
        }
    }

    /// Sends what may go on a link, as far as its limit and its sessions allow.
    pub(super) fn pump(&mut self, issuer: LinkId, fx: &mut Effects) {
        let Some(limits) = self.peers.settings(issuer).map(|link| link.owed) else { return };
        while let Some(lanes) = self.post.links.get_mut(&issuer) {
            if lanes.in_flight >= limits.in_flight_max.min(self.peers.owed_room(issuer)) {
                return;
            }
            let Some(lane) = lanes.next() else { return };
            let first = lanes.by_card.get(&lane).and_then(VecDeque::front);
            let Some(item) = first.filter(|item| item.state == State::Idle) else { continue };
            let (txn, owing, sends, prefer) = (item.txn, item.owing, item.sends, item.prefer);
            let Some((trace, since, requeued)) = self.log.standing(txn).and_then(|standing| {
                standing.open_debt(owing).map(|debt| (debt.trace, debt.since, debt.requeued))
            }) else {
                // Settled meanwhile; nothing is owed here.
                self.post.links.get_mut(&issuer).and_then(|lanes| lanes.remove(lane, txn, owing));
                continue;
            };
            let age = self.now.wall.0.saturating_sub(since.0);
            if sends >= limits.attempts_max || age > limits.age_ms_max {
                // Many may have grown too old together: each closes here, not within the other.
                self.close_one((txn, owing, trace), Closing::Dead, None, fx);
                continue;
            }
            // What was given up and is sent again under its own pair may have reached its issuer before.
            let under_its_own = requeued && owing == Owing::Advice;
            let repeat = sends > 0 || under_its_own && !planted::is(Bug::RequeuedAsNew);
            let repeat = repeat && !planted::is(Bug::RepeatAsNew);
            let standing = self.log.standing(txn);
            let body = standing.and_then(|standing| self.owed_body(standing, owing, repeat));
            match body {
                Some(body) => {
                    let message = (prefer, repeat, body);
                    self.send_owed((issuer, lane), (txn, owing, trace), message, fx);
                }
                None => self.close_one((txn, owing, trace), Closing::Dead, None, fx),
            }
        }
    }

    /// An owed message as its issuer's network writes it; none when it cannot say that, or it is longer than the issuer's frames.
    pub(super) fn owed_body(
        &self,
        standing: &Standing,
        owing: Owing,
        repeat: bool,
    ) -> Option<Vec<u8>> {
        let sent = standing.sent()?;
        let link = self.peers.settings(sent.issuer)?;
        let aside = link.tongue.repeated_aside();
        let (mti, mut elements) = owed_message(standing, (owing, repeat), aside, &self.keys)?;
        let names = owing == Owing::Advice && standing.is_matched();
        let names = names && !planted::is(Bug::MatchUnnamed);
        if owing == Owing::Advice {
            link.stamp(&mut elements, sent);
            if names {
                let data = original_data(standing, sent);
                link.tongue.mention(&mut elements, &data, (&sent.elements, sent.at));
            }
        } else if let Some(debt) = &standing.reversal {
            if debt.lowers() && !link.tongue.says_partial() {
                // Its link said so when it was accepted, and a reload or a restart had it unlearn it: without that it would undo all.
                return None;
            }
            if !planted::is(Bug::ReasonUnsaid) {
                link.tongue.set_reason(&mut elements, debt.reason);
            }
        }
        let (body, said) = link.tongue.write_what_is_said(mti, &elements, sent.at);
        // Its network may have no place for what this one names, or have unlearned it since: all would be booked twice.
        if names && !link.tongue.still_names_request(&elements, &said) {
            return None;
        }
        link.frames(link.head, &body).then_some(body)
    }

    fn send_owed(
        &mut self,
        (issuer, lane): (LinkId, Tag),
        (txn, owing, trace): (TxnId, Owing, Trace),
        (prefer, repeat, body): (Option<SessionId>, bool, Vec<u8>),
        fx: &mut Effects,
    ) {
        let session = prefer
            .filter(|session| self.peers.is_ready(*session))
            .or_else(|| self.peers.pick(issuer, self.now.mono));
        let Some(session) = session else { return };
        let Some(lanes) = self.post.links.get_mut(&issuer) else { return };
        let Some(item) = lanes.item(lane, txn, owing) else { return };
        let Some(link) = self.peers.settings(issuer) else { return };
        let timer =
            self.timers.set(self.now.mono.plus(link.owed.repeat_ms), Timer::Resend(txn, owing));
        item.sends += 1;
        item.state = State::Waiting(timer);
        lanes.in_flight += 1;
        fx.actions.push(Action::Send {
            session,
            head: link.head,
            body,
            mark: Mark::Owed(txn, owing, trace),
        });
        fx.notes.push(Note::OwedSent { issuer, owing, repeat });
    }

    /// The timer of an owed message fired: it goes again when its lane's turn comes.
    pub(super) fn unacknowledged(&mut self, txn: TxnId, owing: Owing, fx: &mut Effects) {
        let Some((issuer, lane)) = self.lane_of(txn) else { return };
        if let Some(lanes) = self.post.links.get_mut(&issuer) {
            lanes.rest(lane, txn, owing);
            lanes.wake(lane);
        }
        self.pump(issuer, fx);
    }

    /// No byte of an owed message left: it does not count as sent.
    pub(super) fn owed_not_begun(
        &mut self,
        (txn, owing, trace): (TxnId, Owing, Trace),
        fx: &mut Effects,
    ) {
        let now_under = |standing: &Standing| standing.open_debt(owing).map(|debt| debt.trace);
        if self.log.standing(txn).and_then(now_under) != Some(trace) {
            // It was replaced by one under a fresh pair, which may have left already.
            return;
        }
        let Some((issuer, lane)) = self.lane_of(txn) else { return };
        let Some(lanes) = self.post.links.get_mut(&issuer) else { return };
        if let Some(item) = lanes.item(lane, txn, owing) {
            item.sends = item.sends.saturating_sub(1);
        }
        if let Some(timer) = lanes.rest(lane, txn, owing) {
            self.timers.cancel(timer);
        }
        lanes.wake(lane);
        self.pump(issuer, fx);
    }

    /// The issuer answers an owed message.
    pub(super) fn acknowledged(
        &mut self,
        arrival: &Arrival,
        (txn, owing, trace): (TxnId, Owing, Trace),
        fx: &mut Effects,
    ) {
        let Some(standing) = self.log.standing(txn) else { return };
        let Some(link) = self.peers.settings(arrival.link) else { return };
        let lowered = standing.lowered.filter(|_| owing == Owing::Reversal);
        let otherwise = named_otherwise(standing, arrival, (link, lowered))
            .or_else(|| another_card(standing, arrival, (link, &self.keys)));
        if let Some(element) = otherwise
            && !planted::is(Bug::StrayAcknowledgementTaken)
        {
            // It acknowledges something else; ours goes again.
            return fx.notes.push(Note::Misacknowledged { issuer: arrival.link, element, txn });
        }
        let code = code_of(arrival);
        let open = standing.open_debt(owing).map(|debt| debt.trace);
        // A network without element 7 brings back the number only.
        let is_open =
            open.is_some_and(|open| open == trace || !link.dialect().echoes_transmission());
        let (Some(open), true) = (open, is_open) else {
            return self.acknowledged_late((txn, owing), code, arrival.link, fx);
        };
        let accepted = code.is_some_and(|code| link.dialect().accepts(code));
        let again = code.is_none_or(|code| link.dialect().retries(code));
        let closing = match owing {
            Owing::Advice if accepted => Closing::Final,
            Owing::Reversal => match taken(standing, accepted, code) {
                Some(closing) => closing,
                None if again => return self.again_later(txn, owing),
                None => Closing::Dead,
            },
            Owing::Advice if again => return self.again_later(txn, owing),
            Owing::Advice => Closing::Dead,
        };
        self.close((txn, owing, open), closing, code, fx);
    }

    /// An answer to an advice that is closed. An acceptance means that it was booked after all.
    fn acknowledged_late(
        &mut self,
        (txn, owing): (TxnId, Owing),
        code: Option<ResponseCode>,
        link: LinkId,
        fx: &mut Effects,
    ) {
        let Some(standing) = self.log.standing(txn) else { return };
        let dead = |standing: &Standing| {
            let closed = standing.advice.as_ref().map(|debt| debt.state);
            matches!(closed, Some(DebtState::Closed(closing)) if closing.is_given_up())
        };
        // What is matched may have been heard of by its request, and undone since.
        let known = standing.heard == Approval::Approved && !standing.is_matched();
        if owing != Owing::Advice || !dead(standing) || known {
            return;
        }
        let Some(settings) = self.peers.settings(link) else { return };
        if !code.is_none_or(|code| settings.dialect().accepts(code)) {
            return;
        }
        let (reversed, undone) = (standing.reversal.is_some(), standing.is_undone());
        fx.notes.push(Note::Late { issuer: link, approved: true, after_close: reversed, txn });
        self.append(Record::Late { txn, at: self.now.wall, approved: true }, fx);
        if undone && !planted::is(Bug::DeadAdviceRevived) {
            self.owe(txn, Reason::Late, fx);
        } else {
            self.lower_again(txn, fx);
        }
    }

    /// The issuer says "not now".
    fn again_later(&mut self, txn: TxnId, owing: Owing) {
        let Some((issuer, lane)) = self.lane_of(txn) else { return };
        let Some(repeat_ms) = self.peers.settings(issuer).map(|link| link.owed.repeat_ms) else {
            return;
        };
        let Some(lanes) = self.post.links.get_mut(&issuer) else { return };
        if let Some(timer) = lanes.rest(lane, txn, owing) {
            self.timers.cancel(timer);
        }
        let timer = self.timers.set(self.now.mono.plus(repeat_ms), Timer::Resend(txn, owing));
        if let Some(item) = lanes.item(lane, txn, owing) {
            item.state = State::Resting(timer);
        }
    }

    /// A debt is settled, or given up; what waited behind it may go.
    fn close(
        &mut self,
        debt: (TxnId, Owing, Trace),
        closing: Closing,
        code: Option<ResponseCode>,
        fx: &mut Effects,
    ) {
        self.close_one(debt, closing, code, fx);
        if let Some(issuer) = self.issuer_of(debt.0) {
            self.pump(issuer, fx);
        }
    }

    fn close_one(
        &mut self,
        (txn, owing, trace): (TxnId, Owing, Trace),
        closing: Closing,
        code: Option<ResponseCode>,
        fx: &mut Effects,
    ) {
        let Some((issuer, lane)) = self.lane_of(txn) else { return };
        self.append(Record::Closed { txn, at: self.now.wall, owing, trace, closing, code }, fx);
        if let Some(lanes) = self.post.links.get_mut(&issuer)
            && let Some(timer) = lanes.remove(lane, txn, owing)
        {
            self.timers.cancel(timer);
        }
        match closing {
            Closing::Dead | Closing::WrittenOff => {
                fx.notes.push(Note::Dead { issuer, owing, code, txn });
            }
            Closing::Final | Closing::Provisional => {
                let provisional = closing == Closing::Provisional;
                fx.notes.push(Note::OwedClosed { issuer, owing, provisional, txn });
                if provisional {
                    self.await_settling(txn, issuer, trace);
                }
            }
        }
    }

    /// Asks once more when the issuer's network can no longer hold the request; of a link that is not known, once it is.
    pub(super) fn await_settling(&mut self, txn: TxnId, issuer: LinkId, trace: Trace) {
        let Some(settle_ms) = self.peers.settings(issuer).map(|link| link.settle_ms) else {
            return;
        };
        self.timers.set(self.now.mono.plus(settle_ms), Timer::Settle(txn, trace));
    }

    /// The issuer's network cannot hold the request any longer: what was provisional is asked once more.
    pub(super) fn settled(&mut self, txn: TxnId, trace: Trace, fx: &mut Effects) {
        let provisional =
            self.log.standing(txn).and_then(|standing| standing.reversal.as_ref()).is_some_and(
                |debt| debt.trace == trace && debt.state == DebtState::Closed(Closing::Provisional),
            );
        if provisional {
            self.owe(txn, Reason::Settle, fx);
        }
    }

    fn lane_of(&self, txn: TxnId) -> Option<(LinkId, Tag)> {
        let sent = self.log.standing(txn)?.sent()?;
        let lane = sent.card.as_ref().map_or_else(|| Tag(u128::from(txn.0)), |card| card.token);
        Some((sent.issuer, lane))
    }
}

/// How an answer to a reversal is taken; none when it is neither an acceptance nor "not found" that can be believed.
fn taken(standing: &Standing, accepted: bool, code: Option<ResponseCode>) -> Option<Closing> {
    if planted::is(Bug::RefusedAcknowledgementTaken) {
        return Some(Closing::Final);
    }
    let approved = standing.heard == Approval::Approved && !planted::is(Bug::NotFoundBelieved);
    let unknown_to_issuer = code == Some(ResponseCode::NOT_FOUND) && !approved;
    // What was lowered stands: an issuer that does not know it is wrong, or never took the advice of it.
    let lowers = standing.reversal.as_ref().is_some_and(Debt::lowers);
    if !accepted && (lowers || !unknown_to_issuer) {
        return None;
    }
    let begun = !matches!(standing.outcome, Outcome::Over { why: Unanswered::NeverBegun, .. });
    let reason = standing.reversal.as_ref().map(|debt| debt.reason);
    // What did not fit may have been the answer to something else.
    let never_answered = matches!(standing.opening, Opening::Request(_))
        && begun
        && !lowers
        && (standing.heard == Approval::Never || reason == Some(Reason::Mismatched));
    let confirmed = reason == Some(Reason::Settle);
    if never_answered && !confirmed && !planted::is(Bug::NoSettle) {
        Some(Closing::Provisional)
    } else {
        Some(Closing::Final)
    }
}

/// The message that is owed.
fn owed_message(
    standing: &Standing,
    (owing, repeat): (Owing, bool),
    aside: ElementSet,
    keys: &Keys,
) -> Option<(Mti, Elements)> {
    let sent = standing.sent()?;
    let trace = standing.open_debt(owing)?.trace;
    let (mti, mut elements) = match owing {
        Owing::Advice => advice_of(standing, sent),
        Owing::Reversal => {
            let mti = Mti::new(u16::from(sent.mti.version()) * 1000 + 420).ok()?;
            (mti, reversal_of(standing, sent, aside))
        }
    };
    if let Some(Ok(pan)) = sent.card.as_ref().map(|card| card.open(keys)) {
        elements.set(ElementNo::PAN, pan.expose());
    }
    elements.set(ElementNo::TRANSMISSION, &trace.transmission.ascii());
    elements.set(ElementNo::STAN, &trace.stan.ascii());
    Some((if repeat { mti.repeated() } else { mti }, elements))
}

/// The message itself; of a request that was approved in its issuer's place, what was asked and what was said.
fn advice_of(standing: &Standing, sent: &Sent) -> (Mti, Elements) {
    let elements = match &standing.outcome {
        Outcome::Answered { added, .. } => sent.elements.overlaid(added),
        Outcome::InFlight | Outcome::Over { .. } | Outcome::Stored => sent.elements.clone(),
    };
    (sent.advice_mti(), elements)
}

/// What a reversal repeats of its original, and element 90 (facts on 1987 reversals: all but 7 and 11 unchanged).
fn reversal_of(standing: &Standing, sent: &Sent, aside: ElementSet) -> Elements {
    const REPEATED: ElementSet = ElementSet::of(&[
        3, 4, 5, 6, 12, 13, 18, 19, 22, 23, 25, 32, 33, 37, 38, 41, 42, 43, 49, 50, 51,
    ]);
    let mut elements = sent.elements.only(REPEATED.or(aside));
    if let Outcome::Answered { added, .. } = &standing.outcome {
        for no in [ElementNo::RRN, ElementNo::APPROVAL_CODE] {
            if let Some(value) = added.get(no) {
                elements.set(no, value);
            }
        }
    }
    elements.set(ElementNo::ORIGINAL, &original_data(standing, sent));
    if let (Some(left), true) =
        (standing.lowered, standing.reversal.as_ref().is_some_and(Debt::lowers))
    {
        elements.set(REPLACEMENT, &replacement_amounts(left));
    }
    elements
}
