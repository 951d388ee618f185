//! What merchants claim: the records of `capture-1`, and what decides over each; knows neither the ledger nor a disk.
//!
//! A file is CSV or JSON Lines with the same fields. What cannot be counted refuses the file; any other fault costs its record.

mod authorization;
mod fields;
mod judge;
mod whole;

use crate::iso::{BusinessDate, Currency};

pub use authorization::{Authorization, Over, Stands};
pub use fields::COLUMNS;
pub use judge::{
    Late, Note, Past, Reason, Rules, Span, Tally, Tolerance, Used, Validity, Verdict, adjust,
    capture, choose, names_it, refund, reversal,
};
pub use whole::{FileFault, Head, Intake, Limits, Line, Tail, fuzz_claims};

/// What a record asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Money of an authorization, all of it or a part.
    Capture,
    /// Money back to the card.
    Refund,
    /// An earlier claim is taken back.
    Reversal,
    /// An earlier capture is for another amount: a tip.
    Adjust,
}

/// One record, as its merchant wrote it. Texts have no blanks around them; what was left empty is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its number in the file.
    pub seq: u64,
    /// The line that it begins on.
    pub line: u64,
    /// `merchant_id`.
    pub merchant: Option<String>,
    /// `terminal_id`.
    pub terminal: Option<String>,
    /// `op`.
    pub op: String,
    /// `capture_ref`: the merchant's own name for this record.
    pub reference: String,
    /// `orig_ref`.
    pub original: Option<String>,
    /// `rrn`, element 37.
    pub rrn: Option<String>,
    /// `stan`, element 11.
    pub stan: Option<String>,
    /// `auth_code`, element 38.
    pub approval: Option<String>,
    /// `pan_token`.
    pub token: Option<String>,
    /// `amount`, minor units; never negative.
    pub amount: i64,
    /// `currency`, as it was written.
    pub currency: String,
    /// `local_dt`, as it was written.
    pub local: Option<String>,
    /// `mcc`.
    pub mcc: Option<String>,
    /// `entry`.
    pub entry: Option<String>,
    /// What the texts mean; or the first that means nothing.
    pub said: Result<Said, Misfit>,
}

/// What the texts of a record mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it asks for.
    pub op: Op,
    /// Whose minor units the amount is in.
    pub currency: Currency,
    /// The day of `local_dt`.
    pub day: Option<BusinessDate>,
    /// Whether it is the last capture of its authorization. It is, unless the record says `N`.
    pub last: bool,
    /// `tip`: how much of the amount.
    pub tip: i64,
    /// `orig_amount`: what was authorized, as the merchant remembers it.
    pub original_amount: Option<i64>,
}

/// A field that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// Which.
    pub field: &'static str,
    /// What it should say.
    pub expected: &'static str,
    /// What it says, as far as that may be shown.
    pub got: String,
}

impl Op {
    /// As files have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
            Self::Adjust => "adjust",
        }
    }

    /// The one of that word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [Self::Capture, Self::Refund, Self::Reversal, Self::Adjust];
        all.into_iter().find(|op| op.word() == word)
    }
}

impl Claim {
    /// The texts that make two records of one reference the same, and the numbers. Where they stand, and whether the file or
    /// each record names the merchant, does not.
    pub fn content(&self) -> ([&str; 11], [i64; 4]) {
        let texts = [
            &self.op,
            text(self.terminal.as_ref()),
            text(self.original.as_ref()),
            text(self.rrn.as_ref()),
            text(self.stan.as_ref()),
            text(self.approval.as_ref()),
            text(self.token.as_ref()),
            &self.currency,
            text(self.local.as_ref()),
            text(self.mcc.as_ref()),
            text(self.entry.as_ref()),
        ];
        let numbers = self.said.as_ref().map_or([0; 3], |said| {
            [i64::from(said.last), said.tip, said.original_amount.unwrap_or(-1)]
        });
        let [last, tip, original] = numbers;
        (texts, [self.amount, last, tip, original])
    }
}

fn text(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

#[cfg(test)]
mod tests;
