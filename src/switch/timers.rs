//! What is to happen later, in the order of its time.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use crate::iso::Mono;
use crate::record::{LinkId, Owing, Trace, TxnId};

use super::input::SessionId;

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The issuer had its time.
    Deadline(TxnId),
    /// An owed message was not answered.
    Resend(TxnId, Owing),
    /// The issuer's network cannot hold the request any longer.
    Settle(TxnId, Trace),
    /// Something owed on a link may have grown too old.
    Age(LinkId),
    /// The business day may be over.
    Day,
    /// A peer that is to hear of a cut-over has not said that it did.
    CutOver(LinkId),
    /// A link that is cut off may have an issuer again.
    Probe(LinkId),
    /// Totals of ours that an issuer has not answered.
    Totals(u64),
    /// A session may be idle, or its peer silent.
    Session(SessionId),
}

/// When a timer is due, and which one of that moment.
pub(super) type TimerId = (Mono, u64);

/// Timers in order; those of one moment in the order of their setting. Nearly all are deadlines, set at the end and cancelled
/// soon: those of one moment lie in a row, so that neither searches among all of them.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<Mono, Moment>,
    set: u64,
}

/// What is due at one moment; never nothing.
#[derive(Debug, Default)]
struct Moment {
    /// By their numbers, ascending; cancelled ones are empty.
    row: VecDeque<(u64, Option<Timer>)>,
    /// How many are not.
    left: usize,
}

/// A row may have so many places for each timer that is not cancelled, or so many at all.
const EMPTY_MAX: usize = 4;
const EMPTY_MORE: usize = 32;

impl Timers {
    pub(super) fn set(&mut self, at: Mono, timer: Timer) -> TimerId {
        self.set += 1;
        let moment = self.due.entry(at).or_default();
        moment.row.push_back((self.set, Some(timer)));
        moment.left += 1;
        (at, self.set)
    }

    pub(super) fn cancel(&mut self, (at, number): TimerId) {
        if let Entry::Occupied(mut due) = self.due.entry(at) {
            due.get_mut().cancel(number);
            if due.get().left == 0 {
                due.remove();
            }
        }
    }

    /// The next one that is due, taken out.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Timer> {
        let mut due = self.due.first_entry().filter(|first| *first.key() <= now)?;
        let moment = due.get_mut();
        let next = std::iter::from_fn(|| moment.row.pop_front()).find_map(|(_, timer)| timer);
        moment.left -= usize::from(next.is_some());
        if moment.left == 0 {
            due.remove();
        }
        next
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.due.first_key_value().map(|(at, _)| *at)
    }
}

impl Moment {
    fn cancel(&mut self, number: u64) {
        let place = self.row.binary_search_by_key(&number, |(number, _)| *number);
        let known = place.ok().and_then(|place| self.row.get_mut(place));
        let timer = known.and_then(|(_, timer)| timer.take());
        self.left -= usize::from(timer.is_some());
        // One that nobody cancels must not keep the places of all who were due with it.
        if EMPTY_MORE.max(EMPTY_MAX * self.left) < self.row.len() {
            self.row.retain(|(_, timer)| timer.is_some());
            self.row.shrink_to(2 * self.left);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As a list of all of them would do it.
        #[test]
        fn in_the_order_of_time_and_then_of_setting(steps in prop::collection::vec((0..3_u8, 0..6_u64), 0..80)) {
            let (mut timers, mut model, mut ids) = (Timers::default(), Vec::new(), Vec::new());
            for (number, (step, at)) in (0_u64..).zip(steps) {
                match step {
                    0 => {
                        let id = timers.set(Mono(at), Timer::Totals(number));
                        ids.push(id);
                        model.push((id, Timer::Totals(number)));
                        model.sort_by_key(|(id, _)| *id);
                    }
                    1 => {
                        // What has gone off, or was cancelled before, is cancelled in vain.
                        if let Some(id) = ids.get(usize::try_from(at).unwrap() % ids.len().max(1)) {
                            timers.cancel(*id);
                            model.retain(|(known, _)| known != id);
                        }
                    }
                    _ => {
                        let due = model.first().is_some_and(|((due, _), _)| *due <= Mono(at));
                        let expected = due.then(|| model.remove(0).1);
                        prop_assert_eq!(timers.pop(Mono(at)), expected);
                    }
                }
                prop_assert_eq!(timers.next(), model.first().map(|((due, _), _)| *due));
            }
        }

        /// However many there are, and in whatever order they are cancelled.
        #[test]
        fn cancelled_ones_take_no_places(count in 1..400_u64, order in any::<u64>(), kept in 0..20_usize) {
            let mut timers = Timers::default();
            let mut ids: Vec<_> =
                (0..count).map(|number| timers.set(Mono(7), Timer::Totals(number))).collect();
            ids.sort_by_key(|(_, number)| number.wrapping_mul(order | 1));
            let mut kept = ids.split_off(ids.len().saturating_sub(kept));
            for id in ids {
                timers.cancel(id);
                let moment = timers.due.get(&Mono(7));
                let (places, left) = moment.map_or((0, 0), |moment| (moment.row.len(), moment.left));
                prop_assert!(places <= EMPTY_MORE.max(EMPTY_MAX * left), "{places} places for {left}");
            }
            kept.sort_unstable();
            let due: Vec<_> = std::iter::from_fn(|| timers.pop(Mono(7))).collect();
            let left = kept.into_iter().map(|(_, number)| Timer::Totals(number - 1));
            prop_assert_eq!(due, left.collect::<Vec<_>>());
            prop_assert!(timers.due.is_empty());
        }
    }
}
