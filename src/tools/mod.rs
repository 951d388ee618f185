//! What people do with messages and journals without running a switch.

pub mod journal;
