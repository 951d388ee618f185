//! The words that people read for what a record says: in exports, in the books, in the log. They do not change.

use super::{
    Approval, Closing, DebtState, Opening, Outcome, Owing, Reason, Record, Unanswered, Verdict,
};

impl Record {
    /// What kind of record it is.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Sent(_) => "sent",
            Self::Stored(_) => "stored",
            Self::StoodIn { .. } => "stood_in",
            Self::StoodInAfter { .. } => "stood_in_after",
            Self::StoodInMatched { .. } => "stood_in_matched",
            Self::Spent { .. } => "spent",
            Self::Undone(_) => "undone",
            Self::Lowered { .. } => "lowered",
            Self::Rerouted { .. } => "rerouted",
            Self::Answered { .. } => "answered",
            Self::Told { .. } => "told",
            Self::Over { .. } => "over",
            Self::Late { .. } => "late",
            Self::Owed { .. } => "owed",
            Self::Closed { .. } => "closed",
            Self::Requeued { .. } => "requeued",
            Self::WrittenOff { .. } => "written_off",
            Self::OrphanWrittenOff { .. } => "orphan_written_off",
            Self::Unmatched { .. } => "unmatched",
            Self::Restored(_) => "restored",
            Self::Opened { .. } => "opened",
            Self::Cut { .. } => "cut",
            Self::CarryBegins { .. } => "carry_begins",
            Self::Carried(_) => "carried",
            Self::CarryEnds { .. } => "carry_ends",
        }
    }
}

impl Opening {
    /// What kind of transaction it is.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::Advice(_) => "advice",
            Self::Reversal(_) => "reversal",
        }
    }
}

impl Outcome {
    /// What its asker heard.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::InFlight => "in_flight",
            Self::Answered { verdict, .. } => verdict.word(),
            Self::Over { why, .. } => why.word(),
            Self::Stored => "stored",
        }
    }
}

impl DebtState {
    /// How far it is.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed(closing) => closing.word(),
        }
    }
}

/// Gives the choices of an enum their words.
macro_rules! worded {
    ($($name:ident { $($choice:ident = $word:literal),+ })+) => {$(
        impl $name {
            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$choice => $word),+ }
            }
        }
    )+};
}

worded! {
    Verdict { Approved = "approved", Declined = "declined", Mismatched = "mismatched" }
    Unanswered { Deadline = "deadline", Restart = "restart", Reversed = "reversed", NeverBegun = "never_begun", StoodIn = "stood_in" }
    Reason {
        Unanswered = "unanswered", Mismatched = "mismatched", Undelivered = "undelivered",
        Asked = "asked", Late = "late", Settle = "settle", Lowered = "lowered"
    }
    Owing { Advice = "advice", Reversal = "reversal" }
    Closing { Final = "final", Provisional = "provisional", Dead = "dead", WrittenOff = "written_off" }
    Approval { Never = "never", Declined = "declined", Approved = "approved" }
}
