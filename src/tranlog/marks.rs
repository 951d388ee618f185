//! What the indexes need to know of a transaction, and when a record happened.
#![deny(clippy::wildcard_enum_match_arm, reason = "a new record must be thought about here")]

use crate::iso::{BusinessDate, Class, Wall};
use crate::record::{Debt, DebtState, LinkId, Opening, Outcome, Owing, Record, Standing, Trace};

/// What the indexes know of a standing.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) open: bool,
    pub(super) in_flight: bool,
    pub(super) request: Option<Trace>,
    pub(super) advice: Option<Trace>,
    pub(super) reversal: Option<Trace>,
}

/// What the indexes need of a message that was accepted.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) issuer: LinkId,
    pub(super) class: Class,
    pub(super) date: BusinessDate,
}

impl Standing {
    pub(super) fn about(&self) -> Option<About> {
        let sent = self.sent()?;
        Some(About { issuer: sent.issuer, class: sent.mti.class(), date: sent.date })
    }

    pub(super) fn marks(&self) -> Marks {
        Marks {
            open: self.is_open(),
            in_flight: matches!(self.outcome, Outcome::InFlight),
            request: match &self.opening {
                Opening::Request(sent) => Some(sent.trace),
                Opening::Advice(_) | Opening::Reversal(_) => None,
            },
            advice: self.advice.as_ref().map(|debt| debt.trace),
            reversal: self.reversal.as_ref().map(|debt| debt.trace),
        }
    }

    /// The debt of a kind, while it is open.
    pub fn open_debt(&self, owing: Owing) -> Option<&Debt> {
        match owing {
            Owing::Advice => self.advice.as_ref(),
            Owing::Reversal => self.reversal.as_ref(),
        }
        .filter(|debt| debt.state == DebtState::Open)
    }
}

/// When a record happened, where it says.
pub(super) const fn at(record: &Record) -> Option<Wall> {
    match record {
        Record::Rerouted { at, .. }
        | Record::StoodInMatched { at, .. }
        | Record::Answered { at, .. }
        | Record::Over { at, .. }
        | Record::Late { at, .. }
        | Record::Owed { at, .. }
        | Record::Closed { at, .. }
        | Record::Requeued { at, .. }
        | Record::WrittenOff { at, .. }
        | Record::OrphanWrittenOff { at, .. }
        | Record::Unmatched { at, .. }
        | Record::Opened { at, .. }
        | Record::Cut { at, .. }
        | Record::CarryBegins { at, .. } => Some(*at),
        Record::Sent(_)
        | Record::Stored(_)
        | Record::StoodIn { .. }
        | Record::StoodInAfter { .. }
        | Record::Spent { .. }
        | Record::Undone(_)
        | Record::Lowered { .. }
        | Record::Told { .. }
        | Record::Restored(_)
        | Record::Carried(_)
        | Record::CarryEnds { .. } => None,
    }
}
