//! The links as their operator knows them, for whoever lists or names them; exchanged when the configuration is read again.

use std::sync::{Arc, PoisonError, RwLock};

use super::listing::Entry;

/// Every link of the configuration that holds.
pub(super) struct Board(RwLock<Arc<[Entry]>>);

impl Board {
    pub(super) fn new(entries: Vec<Entry>) -> Self {
        Self(RwLock::new(entries.into()))
    }

    pub(super) fn entries(&self) -> Arc<[Entry]> {
        // One pointer: what a dead thread left is whole.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, entries: Vec<Entry>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = entries.into();
    }
}
