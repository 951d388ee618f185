//! What is to happen later, in the order of its time.

use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;

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

/// Timers in order; those of one moment in the order of their setting.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<TimerId, Timer>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Mono, timer: Timer) -> TimerId {
        self.set += 1;
        self.due.insert((at, self.set), timer);
        (at, self.set)
    }

    pub(super) fn cancel(&mut self, id: TimerId) {
        self.due.remove(&id);
    }

    /// The next one that is due, taken out.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Timer> {
        self.due.first_entry().filter(|first| first.key().0 <= now).map(OccupiedEntry::remove)
    }

    pub(super) fn next(&self) -> Option<Mono> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }
}
