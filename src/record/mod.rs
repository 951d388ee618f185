//! What can happen, as values and as versioned bytes; knows no disks.
//!
//! A record is written once and read for years: kinds and fields are only ever added.

mod bytes;
mod codes;
mod reader;
mod remark;
mod standing;
mod words;

use std::sync::Arc;

use crate::iso::{
    BusinessDate, Class, Elements, Function, MaskedPan, Mti, Pan, ResponseCode, Stan, Transmission,
    Wall,
};
use crate::seal::{Keys, SealError, Sealed, Tag};

pub use bytes::{BadRecord, decode, decode_all, encode, encode_standing, fuzz_records};
pub use remark::{NoRemark, Remark};
pub use standing::{Approval, Debt, DebtState, Opening, Outcome, Standing};

/// The position of a record in the journal: a counter from 1 on, never wall time. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lsn(pub u64);

/// A transaction, by the position of the record that opened it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxnId(pub u64);

/// A link, by a number that stays the same as long as its name does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// The pair that we give a message on a link: elements 11 and 7. It never recurs there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Trace {
    /// Element 7.
    pub transmission: Transmission,
    /// Element 11.
    pub stan: Stan,
}

/// A card in a record: shown masked, compared by token, opened only with the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What people see.
    pub masked: MaskedPan,
    /// What machines compare.
    pub token: Tag,
    /// The digits, clear in memory until they are written.
    pub secret: Secret,
}

/// The digits of a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In clear: it came with a message of this run.
    Clear(Pan),
    /// Sealed: it came from the journal or the books.
    Sealed(Sealed),
}

/// A message that was accepted from an asker, and where it goes. It opens a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who asked: the link.
    pub asker: LinkId,
    /// Who asked: keyed hash of link, MTI class, 11, 41, 42, 32 and 7, or else 12 and 13.
    pub key: Tag,
    /// Keyed hash of PAN, 3, 4, 49, 41 and 42.
    pub content: Tag,
    /// The message's own MTI, repeat digit included.
    pub mti: Mti,
    /// The link it goes to.
    pub issuer: LinkId,
    /// Elements 7 and 11 towards that link.
    pub trace: Trace,
    /// The day it belongs to.
    pub date: BusinessDate,
    /// When it was accepted.
    pub at: Wall,
    /// The card; none when the message names none.
    pub card: Option<Card>,
    /// The asker's elements that may be kept, without element 2.
    pub elements: Elements,
    /// The authorization that it names, where one is known: a completion completes it, another authorization raises it. Of one
    /// that was raised before, the first.
    pub completes: Option<TxnId>,
    /// Keyed hash of what its element 90 names, where that is another message: a copy of it names the same.
    pub named: Option<Tag>,
    /// Whether it is an advice of what was declined where it was asked: its issuer is told, and no money moves.
    pub declined: bool,
}

/// An asker's reversal. It opens a transaction of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Who asked: the link.
    pub asker: LinkId,
    /// The reversal's own key.
    pub key: Tag,
    /// The reversal's own content.
    pub content: Tag,
    /// The reversal's own MTI.
    pub mti: Mti,
    /// The key of what it reverses.
    pub original_key: Tag,
    /// What it reverses; none when that was never seen, and then it never will be approved.
    pub original: Option<TxnId>,
    /// Its element 90 names an advice. An earlier version wrote none down as such.
    pub of_advice: bool,
    /// It says card, kind, amount and currency, so that its content is that of what it reverses, or it means another.
    pub says_all: bool,
    /// What the asker is told.
    pub code: ResponseCode,
    /// When it was accepted.
    pub at: Wall,
}

/// How an issuer's answer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The dialect lists its code as an approval.
    Approved,
    /// It says no.
    Declined,
    /// Its key fits and its content does not, or its code cannot be read: a decline to the asker, and maybe an approval.
    Mismatched,
}

/// Why a request is over without an answer that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Its deadline passed.
    Deadline,
    /// The process began again.
    Restart,
    /// Its asker reversed it.
    Reversed,
    /// It was never begun: nothing left for the issuer.
    NeverBegun,
    /// Its deadline passed, and it was approved in its issuer's place: by another transaction, which has its asker's key.
    StoodIn,
}

/// Why a reversal is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The request timed out, or was cut off by a restart.
    Unanswered,
    /// The answer did not fit.
    Mismatched,
    /// Nobody heard the approval.
    Undelivered,
    /// The asker wants it undone.
    Asked,
    /// An approval came after the end.
    Late,
    /// The first acknowledgement may have overtaken the request.
    Settle,
    /// The asker wants it for a lower amount: a partial reversal, and the only one that leaves the original approved.
    Lowered,
}

/// Which of a transaction's two debts to its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owing {
    /// The message itself, an 0120 or 0220.
    Advice,
    /// A reversal of it, an 0420.
    Reversal,
}

/// How an answer to an owed message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Settled for good.
    Final,
    /// Settled, unless the request is still on its way: asked once more after `settle`.
    Provisional,
    /// Refused for good, or given up: on the operator's list.
    Dead,
    /// It was on the operator's list, and an operator took it off.
    WrittenOff,
}

impl Closing {
    /// Whether the issuer is not known to have it, and it is not sent any more.
    pub const fn is_given_up(self) -> bool {
        matches!(self, Self::Dead | Self::WrittenOff)
    }
}

/// What was approved in issuers' places for one card on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spending {
    /// The card.
    pub card: Tag,
    /// Element 49.
    pub currency: [u8; 3],
    /// How many requests.
    pub count: u32,
    /// For how much, in minor units.
    pub total: u64,
}

/// An operator's word on what is taken off the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Who.
    pub by: Remark,
    /// Why.
    pub why: Remark,
}

/// Something that happened. `at` is wall time for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A request was accepted and leaves for its issuer. Opens a transaction.
    Sent(Arc<Sent>),
    /// An advice was accepted; its issuer is owed it, under `trace`. Opens a transaction.
    Stored(Arc<Sent>),
    /// A request was approved in its issuer's place; the issuer is owed an advice of it, under `trace`. Opens a transaction.
    StoodIn {
        /// The request, its own MTI and all.
        sent: Arc<Sent>,
        /// What its asker hears.
        added: Arc<Elements>,
    },
    /// A request that its issuer did not answer in time was approved in the issuer's place, and the issuer is owed an advice of
    /// that, under `trace`. Opens a transaction, which has the asker's key from now on; what was sent stays one of its own.
    StoodInAfter {
        /// What was sent and not answered: it is over, and its reversal is owed.
        attempt: TxnId,
        /// The request, its own MTI and all.
        sent: Arc<Sent>,
        /// What its asker hears.
        added: Arc<Elements>,
    },
    /// A request that its issuer did not answer in time was approved in the issuer's place, and stays one transaction with what
    /// was sent: nothing is reversed, and the advice that is owed of it names what was sent.
    StoodInMatched {
        /// Whose. It was in flight.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Elements 7 and 11 of the advice.
        trace: Trace,
        /// What its asker hears.
        added: Arc<Elements>,
    },
    /// A reversal was accepted. Opens a transaction.
    Undone(Arc<Undo>),
    /// A partial reversal was accepted: its original stands for less from now on, and its issuer is owed a message that says
    /// so. Opens a transaction.
    Lowered {
        /// The asker's reversal. It names its original: nothing else can be lowered.
        undo: Arc<Undo>,
        /// For how much the original stands, in minor units, 1 and more.
        amount: u64,
        /// Elements 7 and 11 of the message to the issuer.
        trace: Trace,
    },
    /// A request of which no byte left goes to another session, of this link, under a fresh trace. The old trace is spent.
    Rerouted {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// The link it goes to from now on; the same as before, when another session of that lives.
        issuer: LinkId,
        /// Elements 7 and 11 towards that link.
        trace: Trace,
    },
    /// The first answer of the issuer, in time.
    Answered {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// How it is taken.
        verdict: Verdict,
        /// What the answer adds or changes, as far as it may be kept.
        added: Arc<Elements>,
    },
    /// Copies of the answer were handed to a socket. Written lazily.
    Told {
        /// Whose.
        txns: Vec<TxnId>,
    },
    /// The request is over; its asker hears a decline.
    Over {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Why.
        why: Unanswered,
    },
    /// An answer came after the end.
    Late {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Whether it approves, or might.
        approved: bool,
    },
    /// A reversal is owed from now on, under a fresh trace.
    Owed {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Elements 7 and 11 of the reversal.
        trace: Trace,
        /// Why.
        reason: Reason,
    },
    /// An owed message is settled, or given up.
    Closed {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Which debt.
        owing: Owing,
        /// Under which trace: an older one changes nothing.
        trace: Trace,
        /// How.
        closing: Closing,
        /// What the issuer said; none when it was given up.
        code: Option<ResponseCode>,
    },
    /// An operator has a dead letter sent again: it is owed from now on.
    Requeued {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Which debt.
        owing: Owing,
        /// Under which trace it goes: an advice under its own, a reversal under a fresh one.
        trace: Trace,
        /// Who ordered it.
        by: Remark,
    },
    /// An operator took a dead letter off the list.
    WrittenOff {
        /// Whose.
        txn: TxnId,
        /// When.
        at: Wall,
        /// Which debt.
        owing: Owing,
        /// Under which trace it was given up.
        trace: Trace,
        /// Who, and why.
        ruling: Box<Ruling>,
    },
    /// An operator took an approval that answers nothing off the list.
    OrphanWrittenOff {
        /// The record that put it there.
        orphan: Lsn,
        /// When.
        at: Wall,
        /// Who, and why.
        ruling: Box<Ruling>,
    },
    /// A response that nothing waits for.
    Unmatched {
        /// Which link brought it.
        link: LinkId,
        /// When.
        at: Wall,
        /// Its MTI.
        mti: Mti,
        /// Its elements 7 and 11, where it has them.
        trace: Option<Trace>,
        /// Whether it approves, or might.
        approved: bool,
        /// Whether the books were asked and know nothing of it: on the operator's list.
        orphan: bool,
    },
    /// A transaction that had left memory is needed again: this is how it stands.
    Restored(Box<Standing>),
    /// What is accepted from now on belongs to this day.
    Opened {
        /// The day.
        date: BusinessDate,
        /// When.
        at: Wall,
    },
    /// The day is over: what stands now is what clears.
    Cut {
        /// The day.
        date: BusinessDate,
        /// When.
        at: Wall,
    },
    /// A carry begins: the counters, and how many `Carried` follow.
    CarryBegins {
        /// When.
        at: Wall,
        /// The day in force.
        date: BusinessDate,
        /// The last day that was cut.
        cut: BusinessDate,
        /// The day that is to be cut as soon as nothing of it is in flight.
        closing: Option<BusinessDate>,
        /// The last trace given on each link, by link.
        traces: Vec<(LinkId, Trace)>,
        /// How many transactions are open.
        open: u32,
    },
    /// What was approved in issuers' places for cards on the day in force. Part of a carry.
    Spent {
        /// Each card and currency once, in order.
        cards: Vec<Spending>,
    },
    /// An open transaction.
    Carried(Box<Standing>),
    /// The carry is complete: recovery may begin at its beginning.
    CarryEnds {
        /// How many transactions it carried.
        open: u32,
    },
}

impl Record {
    /// Whether it opens a transaction that is named after its position.
    pub const fn opens(&self) -> bool {
        matches!(
            self,
            Self::Sent(_)
                | Self::Stored(_)
                | Self::StoodIn { .. }
                | Self::StoodInAfter { .. }
                | Self::Undone(_)
                | Self::Lowered { .. }
        )
    }

    /// The transactions that were open before it and are changed by it.
    pub fn changes(&self) -> Vec<TxnId> {
        match self {
            Self::Rerouted { txn, .. }
            | Self::StoodInMatched { txn, .. }
            | Self::Answered { txn, .. }
            | Self::Over { txn, .. }
            | Self::Late { txn, .. }
            | Self::Owed { txn, .. }
            | Self::Closed { txn, .. }
            | Self::Requeued { txn, .. }
            | Self::WrittenOff { txn, .. } => vec![*txn],
            Self::StoodInAfter { attempt, .. } => vec![*attempt],
            Self::Told { txns } => txns.clone(),
            Self::Undone(undo) | Self::Lowered { undo, .. } => undo.original.into_iter().collect(),
            Self::Stored(sent) => sent.completed().into_iter().collect(),
            Self::Sent(_)
            | Self::StoodIn { .. }
            | Self::Spent { .. }
            | Self::OrphanWrittenOff { .. }
            | Self::Unmatched { .. }
            | Self::Restored(_)
            | Self::Opened { .. }
            | Self::Cut { .. }
            | Self::CarryBegins { .. }
            | Self::Carried(_)
            | Self::CarryEnds { .. } => Vec::new(),
        }
    }
}

impl Sent {
    /// The authorization that it completes.
    pub fn completed(&self) -> Option<TxnId> {
        self.completes.filter(|_| self.mti.class() != Class::Authorization)
    }

    /// The first authorization, of one that raises it.
    pub fn raises(&self) -> Option<TxnId> {
        self.completes.filter(|_| self.mti.class() == Class::Authorization)
    }

    /// The MTI of the advice that tells its issuer of it: its own, or of a request that was approved in the issuer's place the one
    /// for that, 0220 for 0200.
    pub fn advice_mti(&self) -> Mti {
        let own = self.mti.plain();
        match own.function() {
            Function::Request => Mti::new(own.number() + 20).unwrap_or(own),
            _ => own,
        }
    }
}

impl LinkId {
    /// The number of a link's name: 32 bits of FNV-1a. `check` refuses two names with one number.
    pub fn of_name(name: &str) -> Self {
        Self(
            name.bytes()
                .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)),
        )
    }
}

impl Card {
    /// The digits in clear.
    pub fn open(&self, keys: &Keys) -> Result<Pan, SealError> {
        match &self.secret {
            Secret::Clear(pan) => Ok(pan.clone()),
            Secret::Sealed(sealed) => keys.open(sealed),
        }
    }
}
