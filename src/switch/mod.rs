//! The engine: inputs in, effects out; one story per kind of message. Knows no tokio, no files, no clock.
//!
//! `handle` never blocks, never fails and reads nothing but its arguments. State that must survive
//! changes only in `Tranlog::apply`; what is only here (sessions, waiters, timers) dies with the process.
//!
//! The stories: `authorize` (request, answer, time-out), `repeat`, `advice`, `reversal`, `owed`
//! (store-and-forward), `docket` (what an operator decides about dead letters), `network`, `inquiry` (the books are asked),
//! `cutover`, `recovery`.

mod advice;
mod authorize;
mod cutover;
mod dispatch;
mod docket;
mod effect;
mod engine;
mod input;
mod inquiry;
mod nearest;
mod network;
mod owed;
mod peers;
mod permit;
mod recovery;
mod repeat;
mod reply;
mod reversal;
mod settings;
mod share;
mod timers;
mod undelivered;

pub use docket::Denied;
pub use effect::{Action, Effects, Mark, Note, Question, QuestionId, Why};
pub use engine::Engine;
pub use input::{
    Arrival, CardOf, Input, LinkOrder, Order, OrderId, OrderResult, SessionId, Unreadable,
};
pub use nearest::{Differs, Nearest};
pub use peers::{LinkState, LinkView, SessionState};
pub use permit::{Grant, Permit};
pub use settings::{
    AnswerOn, Duplicate, LinkSettings, NetworkCodes, NetworkSettings, OwedSettings, Settings,
    SignOn, Undelivered,
};
