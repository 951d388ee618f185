//! How the log names a message, so that somebody finds it in the journal of a terminal or a host. Must not know why it is named.

use std::fmt;

use super::input::Arrival;
use crate::iso::{ElementSet, Elements, Mti};
use crate::record::TxnId;

/// A message, as far as the log may name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its MTI.
    pub mti: Mti,
    /// Its elements 11, 37 and 41: those of them that may be kept, and in which no card's number stands.
    pub elements: Elements,
    /// What the journal calls it, where it is written there.
    pub txn: Option<TxnId>,
}

impl Named {
    pub(super) fn new(mti: Mti, kept: &Elements, txn: Option<TxnId>) -> Self {
        Self { mti, elements: kept.only(ElementSet::of(&[11, 37, 41])), txn }
    }

    /// One that is written nowhere.
    pub(super) fn arrived(arrival: &Arrival) -> Self {
        Self::new(arrival.mti(), &arrival.kept, None)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mti)?;
        for (no, value) in self.elements.iter() {
            write!(f, " {no}={}", value.escape_ascii())?;
        }
        self.txn.map_or(Ok(()), |txn| write!(f, " txn:{}", txn.0))
    }
}
