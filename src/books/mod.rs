//! The books: what people and clearing ask, kept in a database behind the journal; knows no sockets.

mod cut;

pub use cut::{CutError, CutReport, Each, Frozen, Hash, Order, write_files};
