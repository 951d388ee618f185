//! The end of a day: what arrives belongs to the next, and when nothing of the day is in flight it is cut, once.
//!
//! An operator, the clock or a peer ends it. The date only goes forward: a clock that steps back opens nothing.

use std::collections::BTreeMap;

use crate::iso::{BusinessDate, ElementNo, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Record};

use super::authorize::Refusal;
use super::effect::{Action, Effects, Note, Why};
use super::engine::Engine;
use super::input::{Arrival, OrderId, OrderResult, SessionId};
use super::settings::{CutOver, LinkSettings};
use super::timers::{Timer, TimerId};

/// Who waits for which day to be cut, and who has yet to hear that one ended.
#[derive(Debug, Default)]
pub(super) struct Cutover {
    waiting: Vec<(OrderId, BusinessDate)>,
    untold: BTreeMap<LinkId, Untold>,
}

/// A peer that has yet to hear that a day ended.
#[derive(Debug)]
struct Untold {
    /// The date that opened.
    date: BusinessDate,
    /// How often it was told.
    times: u32,
    /// Where it was told last.
    session: Option<SessionId>,
    timer: Option<TimerId>,
}

/// How often a peer is told that a day ended.
const TELL_MAX: u32 = 5;
/// How soon it is looked again for a session on which nothing else is asked.
const BUSY_MS: u64 = 1_000;
/// How many days ahead a peer may say that the next business day is: longer than holidays are.
const AHEAD_MAX: u32 = 15;

/// How soon and how late it is looked again whether the day is over: the wall clock may jump meanwhile.
const LOOK_MS_MIN: u64 = 1_000;
const LOOK_MS_MAX: u64 = 60_000;

impl Engine {
    /// An operator orders the cut of a day.
    pub(super) fn cut_ordered(&mut self, id: OrderId, date: BusinessDate, fx: &mut Effects) {
        let current = self.log.date();
        if date > current {
            fx.actions.push(Action::Done { id, result: OrderResult::NotBegun { current } });
            return;
        }
        if date <= self.log.cut() || (date < current && self.log.closing() != Some(date)) {
            fx.actions.push(Action::Done { id, result: OrderResult::AlreadyCut });
            return;
        }
        self.cutover.waiting.push((id, date));
        self.close_if_ordered(fx);
    }

    /// Opens the next day when the one in force is to be cut and no other cut is under way.
    fn close_if_ordered(&mut self, fx: &mut Effects) {
        let current = self.log.date();
        let ordered = self.cutover.waiting.iter().any(|(_, date)| *date == current);
        if ordered && self.log.closing().is_none() {
            let calendar = self.settings.day.calendar(self.now.wall);
            self.open_day(current.next().max(calendar), fx);
        }
    }

    /// Opens the next day when the clock says that the one in force is over. A clock that jumped over several opens the last.
    pub(super) fn day_by_clock(&mut self, fx: &mut Effects) {
        let day = self.settings.day;
        let current = self.log.date();
        if day.cut_at_ms.is_none() || current == BusinessDate(0) || self.log.closing().is_some() {
            return;
        }
        let date = day.by_clock(self.now.wall);
        if current < date || (date < current && planted::is(Bug::DayReopened)) {
            self.open_day(date, fx);
        }
    }

    /// The day may be over; looks again when it should be, or soon when the wall may jump.
    pub(super) fn day_due(&mut self, fx: &mut Effects) {
        self.day_by_clock(fx);
        let Some(end) = self.settings.day.ends_at(self.log.date()) else { return };
        let left = end.0.saturating_sub(self.now.wall.0);
        let wait = left.clamp(LOOK_MS_MIN, LOOK_MS_MAX);
        self.timers.set(self.now.mono.plus(wait), Timer::Day);
    }

    /// From now on everything belongs to this date.
    pub(super) fn open_day(&mut self, date: BusinessDate, fx: &mut Effects) {
        let ends = self.log.date();
        self.append(Record::Opened { date, at: self.now.wall }, fx);
        fx.notes.push(Note::DayOpened { date, ends });
        if ends != BusinessDate(0) {
            self.announce(date, fx);
        }
    }

    /// A peer says that the day ends. Its element 15 names the date that opens; one that is open already was said before.
    /// Without it the date of the next noon opens, so that a message that comes again changes nothing.
    pub(super) fn cut_over_asked(
        &mut self,
        arrival: &Arrival,
        fx: &mut Effects,
    ) -> Result<(), Refusal> {
        let link = arrival.link;
        let accepts = self.peers.settings(link).map(|link| link.network.cut_over);
        if accepts != Some(CutOver::Accept) {
            let why =
                "its element 70 says that the day ends, and this link has no cut_over = \"accept\"";
            return Err((ResponseCode::INVALID, Why::Said(why)));
        }
        let current = self.log.date();
        // However often it is said, and by whomever: the calendar bounds it.
        let today = self.settings.day.calendar(self.now.wall);
        let date = match arrival.get(ElementNo::SETTLEMENT_DATE) {
            Some(text) => BusinessDate::from_mmdd(&text, current)
                .ok()
                .filter(|date| date.0 <= today.0.saturating_add(AHEAD_MAX))
                .ok_or((
                    ResponseCode::FORMAT,
                    Why::Said("its element 15 is no date within the next 15 days"),
                ))?,
            None => self.settings.day.by_noon(self.now.wall),
        };
        let again = date <= current;
        if again && !planted::is(Bug::CutOverTwice) {
            fx.notes.push(Note::CutOverHeard { link, date: current, fresh: false });
            return Ok(());
        }
        if self.log.closing().is_some() {
            let why = "the day before is not cut yet: something of it is in flight";
            return Err((ResponseCode::CUT_OVER, Why::Said(why)));
        }
        let date = if again { current.next() } else { date };
        self.open_day(date, fx);
        fx.notes.push(Note::CutOverHeard { link, date, fresh: true });
        Ok(())
    }

    /// Peers that want to hear of it are told that a day ended, each once.
    pub(super) fn announce(&mut self, date: BusinessDate, fx: &mut Effects) {
        let told = |link: &&LinkSettings| link.network.cut_over == CutOver::Send;
        let links: Vec<LinkId> = self.settings.links.iter().filter(told).map(|it| it.id).collect();
        for link in links {
            let fresh = Untold { date, times: 0, session: None, timer: None };
            let before = self.cutover.untold.insert(link, fresh);
            if let Some(timer) = before.and_then(|untold| untold.timer) {
                self.timers.cancel(timer);
            }
            self.tell_cut_over(link, fx);
        }
    }

    /// Tells a peer that a day ended, when it has yet to be told: on a session of its own that waits for no other answer.
    pub(super) fn tell_cut_over(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(untold) = self.cutover.untold.get_mut(&link) else { return };
        if untold.timer.is_some() {
            return;
        }
        if untold.times >= TELL_MAX {
            let (date, times) = (untold.date, untold.times);
            self.cutover.untold.remove(&link);
            return fx.notes.push(Note::CutOverUnheard { link, date, times });
        }
        let Some(network) = self.peers.settings(link).map(|link| link.network) else { return };
        let ready = self.peers.of_link(link).into_iter().filter(|id| self.peers.is_ready(*id));
        let ready: Vec<SessionId> = ready.collect();
        if ready.is_empty() {
            // The next session that is signed on is told.
            return;
        }
        let idle = |id: &&SessionId| self.peers.session(**id).is_some_and(|it| it.asked.is_none());
        let session = ready.iter().find(idle).copied();
        let wait = if session.is_some() { network.timeout_ms } else { BUSY_MS };
        let date = untold.date;
        untold.times += u32::from(session.is_some());
        untold.session = session;
        if let Some(session) = session {
            self.ask_network_of(session, (network.codes.cut_over, Some(date)), fx);
        }
        // Behind the session's own timer, which makes it free for the next message.
        let timer = self.timers.set(self.now.mono.plus(wait), Timer::CutOver(link));
        if let Some(untold) = self.cutover.untold.get_mut(&link) {
            untold.timer = Some(timer);
        }
    }

    /// Its link is gone: there is nobody to tell.
    pub(super) fn forget_cut_over(&mut self, link: LinkId) {
        let untold = self.cutover.untold.remove(&link);
        if let Some(timer) = untold.and_then(|untold| untold.timer) {
            self.timers.cancel(timer);
        }
    }

    /// A peer did not say that it heard of the cut-over.
    pub(super) fn cut_over_unheard(&mut self, link: LinkId, fx: &mut Effects) {
        if let Some(untold) = self.cutover.untold.get_mut(&link) {
            untold.timer = None;
        }
        self.tell_cut_over(link, fx);
    }

    /// A peer says that it heard of the cut-over.
    pub(super) fn cut_over_heard(&mut self, session: SessionId, link: LinkId, fx: &mut Effects) {
        let last = |untold: &&Untold| untold.session == Some(session);
        let Some(untold) = self.cutover.untold.get(&link).filter(last) else { return };
        let (date, timer) = (untold.date, untold.timer);
        self.cutover.untold.remove(&link);
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        fx.notes.push(Note::CutOverTold { link, date });
    }

    /// Cuts the day that is closing, if nothing of it is in flight any more.
    pub(super) fn cut_if_quiet(&mut self, fx: &mut Effects) {
        let Some(date) = self.log.closing() else { return };
        if self.log.in_flight(date) > 0 && !planted::is(Bug::CutInFlight) {
            return;
        }
        let at = self.append(Record::Cut { date, at: self.now.wall }, fx);
        fx.notes.push(Note::DayCut { date });
        self.want_totals(date, fx);
        let mut ordered = false;
        self.cutover.waiting.retain(|(id, wanted)| {
            if *wanted == date {
                ordered = true;
                fx.actions.push(Action::Done { id: *id, result: OrderResult::Cut { at } });
            }
            *wanted != date
        });
        if !ordered {
            fx.actions.push(Action::DayCut { date, at });
        }
        self.close_if_ordered(fx);
    }
}
