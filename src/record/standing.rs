//! How a transaction stands: the sum of its records, in one value.

use std::sync::Arc;

use super::{Closing, Reason, Sent, Trace, TxnId, Unanswered, Undo, Verdict};
use crate::iso::{BusinessDate, ElementNo, Elements, Function, ResponseCode, Wall};

/// How a transaction stands. `tranlog` folds records into it; carries and books hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub id: TxnId,
    /// What opened it.
    pub opening: Opening,
    /// What its asker hears, or heard.
    pub outcome: Outcome,
    /// What its issuer ever said, in time or late.
    pub heard: Approval,
    /// Whether a copy of the answer was handed to a socket, as far as the journal knows.
    pub told: bool,
    /// The advice that is owed to the issuer; none for a request, unless that was approved in its issuer's place.
    pub advice: Option<Debt>,
    /// The reversal that is, or was, owed to the issuer.
    pub reversal: Option<Debt>,
    /// The asker's reversal, where there is one.
    pub undone_by: Option<TxnId>,
    /// For how much an approval stands since a partial reversal, in minor units, less than was approved; none where there was
    /// no such reversal. What is reversed in full keeps it: it stood for that.
    pub lowered: Option<u64>,
    /// The completion of an authorization, the last where there are several.
    pub completed_by: Option<TxnId>,
}

/// What opened a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A request, 0100 or 0200.
    Request(Arc<Sent>),
    /// An advice, 0120 or 0220; or a request that was approved in its issuer's place, of which an advice is owed.
    Advice(Arc<Sent>),
    /// An asker's reversal, 0400 or 0420.
    Reversal(Arc<Undo>),
}

/// What the asker of a request hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    InFlight,
    /// The issuer's answer.
    Answered {
        /// How it was taken.
        verdict: Verdict,
        /// What it adds or changes.
        added: Arc<Elements>,
        /// When it came.
        at: Wall,
    },
    /// A decline of our own.
    Over {
        /// Why.
        why: Unanswered,
        /// When.
        at: Wall,
    },
    /// "I have stored it": an advice or a reversal, from its first record on.
    Stored,
}

/// What an issuer ever said to a request or an advice. An approval is never forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Approval {
    /// Nothing.
    #[default]
    Never,
    /// No.
    Declined,
    /// Yes, or something that might be a yes.
    Approved,
}

/// A message that we owe the issuer until it acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debt {
    /// Elements 7 and 11 under which it goes out now; only an answer to these closes it.
    pub trace: Trace,
    /// Since when, under this trace.
    pub since: Wall,
    /// Why; an advice is owed because it was asked for.
    pub reason: Reason,
    /// How far it is.
    pub state: DebtState,
    /// The code of the last answer that closed it.
    pub code: Option<ResponseCode>,
    /// Whether an operator had it sent again after it had been given up.
    pub requeued: bool,
}

/// How far a debt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebtState {
    /// To be sent until it is answered.
    Open,
    /// Answered.
    Closed(Closing),
}

impl Standing {
    /// The message that opened it, unless that was a reversal.
    pub const fn sent(&self) -> Option<&Arc<Sent>> {
        match &self.opening {
            Opening::Request(sent) | Opening::Advice(sent) => Some(sent),
            Opening::Reversal(_) => None,
        }
    }

    /// Whether it was approved in its issuer's place: a request whose issuer is owed an advice of it.
    pub fn stood_in(&self) -> bool {
        let unsent = matches!(&self.opening, Opening::Advice(sent) if sent.mti.function() == Function::Request);
        unsent || self.is_matched()
    }

    /// Whether that was after it had been sent and not answered, and its issuer matches the advice with what was sent.
    pub const fn is_matched(&self) -> bool {
        matches!(self.opening, Opening::Request(_)) && self.advice.is_some()
    }

    /// Whether it was approved in its issuer's place after it had not been answered: another transaction has its asker's key.
    pub const fn gave_way(&self) -> bool {
        matches!(self.outcome, Outcome::Over { why: Unanswered::StoodIn, .. })
    }

    /// The day it belongs to; none for a reversal.
    pub fn date(&self) -> Option<BusinessDate> {
        self.sent().map(|sent| sent.date)
    }

    /// Whether it must be carried: in flight, or owing, or to be asked once more.
    pub fn is_open(&self) -> bool {
        let owes = |debt: &Option<Debt>| {
            debt.as_ref().is_some_and(|debt| {
                matches!(debt.state, DebtState::Open | DebtState::Closed(Closing::Provisional))
            })
        };
        matches!(self.outcome, Outcome::InFlight) || owes(&self.advice) || owes(&self.reversal)
    }

    /// Whether a reversal undoes all of it. A partial one does not.
    pub fn is_undone(&self) -> bool {
        self.reversal.as_ref().is_some_and(|debt| !debt.lowers())
    }

    /// What was approved, in minor units: what was asked for, or what a partial approval granted of it; none where element 4
    /// says no amount.
    pub fn granted(&self) -> Option<u64> {
        let answer = match &self.outcome {
            Outcome::Answered { added, .. } => Some(&**added),
            Outcome::InFlight | Outcome::Over { .. } | Outcome::Stored => None,
        };
        self.sent()?.granted(answer)
    }

    /// Whether the asker may be told "approved": an approval stands, and nothing undoes it.
    pub fn stands_approved(&self) -> bool {
        self.was_approved() && !self.is_undone()
    }

    /// Whether it is an advice of what was declined.
    pub fn tells_decline(&self) -> bool {
        self.sent().is_some_and(|sent| sent.declined)
    }

    /// Whether it was approved, or is an advice of what was; whatever undid it since.
    pub fn was_approved(&self) -> bool {
        match &self.outcome {
            Outcome::Answered { verdict, .. } => *verdict == Verdict::Approved,
            Outcome::Stored => self.advice.is_some() && !self.tells_decline(),
            Outcome::InFlight | Outcome::Over { .. } => false,
        }
    }
}

impl Sent {
    /// What an answer approves of it, in minor units: what it grants where it approves a part, and else what was asked for; none
    /// where element 4 says no amount.
    pub fn granted(&self, answer: Option<&Elements>) -> Option<u64> {
        let is_partial = |answer: &&Elements| {
            answer.get(ElementNo::RESPONSE_CODE) == Some(ResponseCode::PARTIAL.as_bytes())
        };
        let part = answer.filter(is_partial).and_then(|answer| answer.get(ElementNo::AMOUNT));
        let amount = part.or_else(|| self.elements.get(ElementNo::AMOUNT))?;
        std::str::from_utf8(amount).ok()?.parse().ok()
    }
}

impl Debt {
    /// Whether it is a partial reversal, which leaves its original approved.
    pub fn lowers(&self) -> bool {
        self.reason == Reason::Lowered
    }
}
