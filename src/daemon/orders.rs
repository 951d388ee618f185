//! Operators' orders that wait for the engine.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::switch::{OrderId, OrderResult};

/// The orders that wait, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Orders {
    given: AtomicU64,
    waiting: Mutex<HashMap<OrderId, oneshot::Sender<OrderResult>>>,
}

impl Orders {
    /// A number for an order, and where its result will be.
    pub(super) fn give(&self) -> (OrderId, oneshot::Receiver<OrderResult>) {
        let id = OrderId(self.given.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        (id, receiver)
    }

    /// An order is done. Whoever gave it may have left.
    pub(super) fn done(&self, id: OrderId, result: OrderResult) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let Some(sender) = waiting {
            // An answer that nobody waits for any more is dropped.
            sender.send(result).ok();
        }
    }
}
