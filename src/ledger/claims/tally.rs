//! What was claimed of each authorization, while a file is taken or a page of what waits is looked at: counted once, and carried on with
//! each claim, so that many claims of one authorization take no longer than as many of several. Looks nothing up.

use std::collections::BTreeMap;

use crate::clearing::claim::{Past, Tally};
use crate::record::TxnId;

/// Of the authorizations that were looked at last.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    known: BTreeMap<TxnId, Tally>,
    /// So many claims more are counted from their rows, before one is taken for the first of its authorization unseen.
    doubts: Doubts,
}

/// How long they last.
#[derive(Debug)]
enum Doubts {
    For(u32),
    Always,
}

impl Default for Doubts {
    fn default() -> Self {
        Self::For(0)
    }
}

/// So many are remembered.
const TALLIES_MAX: usize = if cfg!(test) { 2 } else { 10_000 };

/// Where one was not the first of its authorization, those after it may not be either.
const DOUBTS: u32 = if cfg!(test) { 3 } else { 1_000 };

impl Tallies {
    /// Of claims whose rows are there: none of them can be taken for the first.
    pub(super) const fn doubting() -> Self {
        Self { known: BTreeMap::new(), doubts: Doubts::Always }
    }

    pub(super) fn of(&self, txn: TxnId) -> Option<Tally> {
        self.known.get(&txn).copied()
    }

    /// Whether the next claim may be taken for the first of its authorization: nothing is known against that. Who asks has one doubt less.
    pub(super) fn take_for_first(&mut self, txn: TxnId) -> bool {
        match &mut self.doubts {
            Doubts::For(0) => !self.known.contains_key(&txn),
            Doubts::For(left) => {
                *left -= 1;
                false
            }
            Doubts::Always => false,
        }
    }

    /// One was not what it was taken for.
    pub(super) const fn doubt(&mut self) {
        if let Doubts::For(left) = &mut self.doubts {
            *left = DOUBTS;
        }
    }

    /// Remembers what was counted from its rows, or is assumed.
    pub(super) fn keep(&mut self, txn: TxnId, tally: Tally) {
        if self.known.len() >= TALLIES_MAX {
            self.known.clear();
        }
        self.known.insert(txn, tally);
    }

    /// It is counted from its rows when it is wanted again.
    pub(super) fn forget(&mut self, txn: TxnId) {
        self.known.remove(&txn);
    }

    /// A claim counts from now on.
    pub(super) fn comes(&mut self, txn: TxnId, one: Past) {
        if let Some(tally) = self.known.get_mut(&txn) {
            tally.count(one, 1);
        }
    }

    /// A claim that counted does so no more.
    pub(super) fn goes(&mut self, txn: TxnId, one: Past) {
        if let Some(tally) = self.known.get_mut(&txn) {
            tally.count(one, -1);
        }
    }
}
