//! What the ledger promises, told as stories.

mod batches;
