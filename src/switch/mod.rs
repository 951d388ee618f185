//! The engine: inputs in, effects out; one story per kind of message. Knows no tokio, no files, no clock.
//!
//! `handle` never blocks, never fails and reads nothing but its arguments. State that must survive
//! changes only in `Tranlog::apply`; what is only here (sessions, waiters, timers) dies with the process.
//!
//! The stories: `authorize` (request, answer, time-out), `increment` (a request that raises an earlier one), `reroute` (what never left goes elsewhere), `stand_in` (in the issuer's place), `repeat`, `advice`, `reversal`, `owed`
//! (store-and-forward), `docket` (what an operator decides about dead letters), `network`, `inquiry` (the books are asked),
//! `batch` and `reconcile` (the ledger is asked), `cutover`, `recovery`, `reload` (other settings while it runs). Who asks too much is stopped by `buckets`, who answers nothing by `breaker`.

mod advice;
mod authorize;
mod batch;
mod breaker;
mod buckets;
mod choose;
mod compare;
mod cutover;
mod day;
mod dispatch;
mod docket;
mod effect;
mod engine;
mod increment;
mod input;
mod inquiry;
mod lowering;
mod named;
mod nearest;
mod network;
mod owed;
mod peers;
mod permit;
mod reconcile;
mod recovery;
mod reload;
mod repeat;
mod reply;
mod reroute;
mod reversal;
mod settings;
mod share;
mod stamp;
mod stand_in;
mod timers;
mod totals;
mod translate;
mod undelivered;

pub use batch::{BatchQuestion, PetitionId};
pub use breaker::{Breaker, BreakerSettings};
pub use buckets::{Limit, Rate};
pub use day::{DaySettings, DayView, has_date};
pub use docket::Denied;
pub use effect::{Action, Effects, Mark, Note, Question, QuestionId, Why};
pub use engine::Engine;
pub use input::{
    Arrival, CardOf, Input, LinkOrder, Order, OrderId, OrderResult, SessionId, Unreadable,
};
pub use named::Named;
pub use nearest::{Differs, Nearest};
pub use peers::{LinkState, LinkView, SessionState};
pub use permit::{Grant, Permit};
pub use reconcile::HostQuestion;
pub use reload::{Change, NotReloaded, Owes};
pub use settings::{
    AnswerOn, CutOver, Duplicate, LinkSettings, NetworkCodes, NetworkSettings, OwedSettings,
    Settings, SignOn, Undelivered,
};
pub use stand_in::{LateApproval, StandIn};
pub use totals::{OwedTotals, TotalsAnswer, TotalsQuestion};
