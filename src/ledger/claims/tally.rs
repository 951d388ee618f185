//! What was claimed of each authorization, while a file is taken or a page of what waits is looked at: counted once, and carried on with
//! each claim, so that many claims of one authorization take no longer than as many of several. Looks nothing up.

use std::collections::BTreeMap;

use crate::clearing::claim::{Past, Tally};
use crate::record::TxnId;

/// Of the authorizations that were looked at last.
#[derive(Debug, Default)]
pub(super) struct Tallies(BTreeMap<TxnId, Tally>);

/// So many are remembered.
const TALLIES_MAX: usize = 10_000;

impl Tallies {
    pub(super) fn of(&self, txn: TxnId) -> Option<Tally> {
        self.0.get(&txn).copied()
    }

    /// Remembers what was counted from its rows.
    pub(super) fn keep(&mut self, txn: TxnId, tally: Tally) {
        if self.0.len() >= TALLIES_MAX {
            self.0.clear();
        }
        self.0.insert(txn, tally);
    }

    /// A claim counts from now on.
    pub(super) fn comes(&mut self, txn: TxnId, one: Past) {
        if let Some(tally) = self.0.get_mut(&txn) {
            tally.count(one, 1);
        }
    }

    /// A claim that counted does so no more.
    pub(super) fn goes(&mut self, txn: TxnId, one: Past) {
        if let Some(tally) = self.0.get_mut(&txn) {
            tally.count(one, -1);
        }
    }
}
