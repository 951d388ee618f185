//! What the engine is told at its start, and again at a reload.

use std::sync::Arc;

use crate::clearing::{BatchProfile, HostProfile};
use crate::dialect::Dialect;
use crate::framing::{Fixed, Head};
use crate::iso::ResponseCode;
use crate::mapping::Tongue;
use crate::record::LinkId;
use crate::route::Table;

use super::breaker::BreakerSettings;
use super::buckets::Rate;
use super::day::DaySettings;
use super::stand_in::StandIn;

/// Everything that the engine is told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The links, each named once.
    pub links: Vec<LinkSettings>,
    /// Where requests go.
    pub routes: Table,
    /// How long a closed transaction is remembered in memory, milliseconds.
    pub window_ms: u64,
    /// How many transactions are remembered in memory.
    pub entries_max: usize,
    /// What a copy without a repeat digit gets.
    pub duplicate: Duplicate,
    /// What happens at a restart to approvals that may not have reached their asker.
    pub undelivered: Undelivered,
    /// What an asker hears when its issuer does not answer.
    pub timeout_code: ResponseCode,
    /// After how many records everything open is written down again.
    pub carry_every: u64,
    /// How many requests may be in flight in all; beyond it they are declined.
    pub in_flight_max: u32,
    /// When a business day ends by the clock.
    pub day: DaySettings,
    /// For each route, how far the switch goes in its issuers' place; none where it does not, or beyond the end.
    pub stand_in: Vec<Option<StandIn>>,
}

/// One link, as the engine sees it.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Its number.
    pub id: LinkId,
    /// Its name, for what people read.
    pub name: String,
    /// How its network writes.
    pub tongue: Tongue,
    /// What precedes the messages that we begin.
    pub head: Head,
    /// The longest message, head included, that its peers take.
    pub frame_len_max: usize,
    /// Bytes that no message to it may have within, because they end its frames; mostly none.
    pub delimiter: Fixed,
    /// Whether it may send requests.
    pub asks: bool,
    /// Whether requests may be sent to it.
    pub answers: bool,
    /// Its network management.
    pub network: NetworkSettings,
    /// How long an answer is waited for, milliseconds.
    pub timeout_ms: u64,
    /// Longer than the issuer's network can hold a request, milliseconds.
    pub settle_ms: u64,
    /// How many requests may be in flight on it, and how many that it asked; beyond it they are declined.
    pub in_flight_max: u32,
    /// How many new requests a second it may ask; beyond it they are declined.
    pub rate: Rate,
    /// How many of them each of its merchants may, element 42.
    pub merchant_rate: Rate,
    /// When it is cut off because its issuer does not answer.
    pub breaker: BreakerSettings,
    /// Which sessions may bring an answer.
    pub answer_on: AnswerOn,
    /// How what is owed to it is sent.
    pub owed: OwedSettings,
    /// Whether it gets element 15, the business date, where nobody else said one: with requests and advices that are sent to
    /// it, and with answers to its own.
    pub stamps_date: bool,
    /// How its terminals write their batches; none where it has none.
    pub batches: Option<Arc<BatchProfile>>,
    /// How its host writes the totals of a day; none where it does not reconcile.
    pub reconciliation: Option<Arc<HostProfile>>,
}

/// Store-and-forward on one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwedSettings {
    /// How many owed messages may wait for their answers at once.
    pub in_flight_max: u32,
    /// After how long without an answer one is sent again, milliseconds.
    pub repeat_ms: u64,
    /// How often one is sent in one run of the process before it is a dead letter.
    pub attempts_max: u32,
    /// How old one may become before it is a dead letter, milliseconds of wall time.
    pub age_ms_max: u64,
    /// How many advices may be owed; beyond it new ones are declined. Reversals are owed whatever else is.
    pub advices_max: usize,
}

impl LinkSettings {
    /// The dialect by which the house knows it, one of 1987.
    #[inline]
    pub fn dialect(&self) -> &Arc<Dialect> {
        self.tongue.house()
    }

    /// Whether a message goes into one frame.
    pub(super) fn frames(&self, head: Head, body: &[u8]) -> bool {
        head.len() + body.len() <= self.frame_len_max && !self.delimiter.cuts(body)
    }
}

/// Network management on one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Who signs on.
    pub sign_on: SignOn,
    /// Whether what one session says of signing on and off holds for all sessions of the link.
    pub shared: bool,
    /// An echo test is sent after this long without a message, milliseconds; 0 is never.
    pub echo_after_ms: u64,
    /// How long an answer is waited for, and after how long a sign-on that was not accepted goes again, milliseconds.
    pub timeout_ms: u64,
    /// What element 70 says.
    pub codes: NetworkCodes,
    /// Who tells whom that the business day ends.
    pub cut_over: CutOver,
}

/// Element 70, or of a link of 1993 element 24; three digits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkCodes {
    /// Sign-on.
    pub sign_on: [u8; 3],
    /// Sign-off.
    pub sign_off: [u8; 3],
    /// Echo test.
    pub echo: [u8; 3],
    /// Cut-over: the business day ends.
    pub cut_over: [u8; 3],
}

impl NetworkCodes {
    /// What most networks say (ISO 8583:1987, element 70).
    pub const USUAL: Self =
        Self { sign_on: *b"001", sign_off: *b"002", echo: *b"301", cut_over: *b"201" };

    /// What element 24 says in networks of 1993 (801, 802, 831 and 821 of its function codes).
    pub const USUAL_1993: Self =
        Self { sign_on: *b"801", sign_off: *b"802", echo: *b"831", cut_over: *b"821" };
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            sign_on: SignOn::None,
            shared: false,
            echo_after_ms: 0,
            timeout_ms: 10_000,
            codes: NetworkCodes::USUAL,
            cut_over: CutOver::None,
        }
    }
}

/// Who tells whom that the business day ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOver {
    /// Nobody.
    None,
    /// The peer tells us, and ours ends.
    Accept,
    /// We tell the peer when ours ends.
    Send,
}

/// Who signs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignOn {
    /// Nobody: a session is ready when it is up.
    None,
    /// We send a sign-on and are ready when it is accepted.
    Send,
    /// The peer sends one and is ready when we answer it.
    Await,
}

/// Which sessions of a link may bring the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerOn {
    /// Any.
    Link,
    /// The one that carried the request.
    Session,
}

/// What a copy without a repeat digit gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicate {
    /// What a repeat gets: the outcome as it stands.
    Replay,
    /// 94.
    Refuse,
}

/// What happens at a restart to approvals that may not have reached their asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undelivered {
    /// They are listed and left alone.
    Leave,
    /// They are reversed; one of them may have been told.
    Reverse,
}
