//! The end of a day: what arrives belongs to the next, and when nothing of the day is in flight it is cut, once.
//!
//! An operator, the clock or a peer ends it. The date only goes forward: a clock that steps back opens nothing.

use crate::iso::BusinessDate;
use crate::planted::{self, Bug};
use crate::record::Record;

use super::effect::{Action, Effects, Note};
use super::engine::Engine;
use super::input::{OrderId, OrderResult};
use super::timers::Timer;

/// Who waits for which day to be cut.
#[derive(Debug, Default)]
pub(super) struct Cutover {
    waiting: Vec<(OrderId, BusinessDate)>,
}

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
    }

    /// Cuts the day that is closing, if nothing of it is in flight any more.
    pub(super) fn cut_if_quiet(&mut self, fx: &mut Effects) {
        let Some(date) = self.log.closing() else { return };
        if self.log.in_flight(date) > 0 && !planted::is(Bug::CutInFlight) {
            return;
        }
        let at = self.append(Record::Cut { date, at: self.now.wall }, fx);
        fx.notes.push(Note::DayCut { date });
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
