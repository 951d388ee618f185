//! The end of a day: what arrives belongs to the next, and when nothing of the day is in flight it is cut, once.

use crate::iso::BusinessDate;
use crate::planted::{self, Bug};
use crate::record::Record;

use super::effect::{Action, Effects};
use super::engine::Engine;
use super::input::{OrderId, OrderResult};

/// Who waits for which day to be cut.
#[derive(Debug, Default)]
pub(super) struct Cutover {
    waiting: Vec<(OrderId, BusinessDate)>,
}

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
            let date = current.next().max(self.now.wall.date());
            self.append(Record::Opened { date, at: self.now.wall }, fx);
        }
    }

    /// Cuts the day that is closing, if nothing of it is in flight any more.
    pub(super) fn cut_if_quiet(&mut self, fx: &mut Effects) {
        let Some(date) = self.log.closing() else { return };
        if self.log.in_flight(date) > 0 && !planted::is(Bug::CutInFlight) {
            return;
        }
        let at = self.append(Record::Cut { date, at: self.now.wall }, fx);
        self.cutover.waiting.retain(|(id, wanted)| {
            if *wanted == date {
                fx.actions.push(Action::Done { id: *id, result: OrderResult::Cut { at } });
            }
            *wanted != date
        });
        self.close_if_ordered(fx);
    }
}
