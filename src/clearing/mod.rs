//! The day's files and positions: what was captured becomes bytes for the issuers and sums for people.
//!
//! Pure: it yields contents in pieces and others write them; it knows no disk, no clock and no journal.
//! The files are IPM-compatible in the sense of cardutil: records of an ISO 8583:1993 kind, each behind
//! its length, with or without blocks of 1,014 bytes, in latin-1 or EBCDIC.

mod account;
pub mod answers;
mod batch;
mod calendar;
mod capture;
mod check;
pub mod claim;
mod csv;
mod fees;
mod file;
mod frame;
mod grid;
mod ipm;
mod letters;
mod line;
mod pain;
mod positions;
mod reconcile;
mod text;

use crate::iso::{Currency, NotOne};
use crate::record::TxnId;

pub use account::{Account, Bic, Holder};
pub use batch::{
    BatchAsk, BatchProfile, BatchTotals, BatchVerdict, Mismatch, NUMBER_MAX, NoPetition, Petition,
    Total, TotalField, TotalKind, Upload, Words,
};
pub use calendar::{Calendar, Weekday};
pub use capture::{Capture, Flow, Kind, Part, Terms, claims};
pub use check::Checker;
pub use csv::{Csv, Sheet};
pub use fees::{Charge, Exact, Fare, FeeTable, Fees, Priced, RATE_PPM_MAX, Rounding, Rule, Tariff};
pub use file::{File, FileId, Head, Sum, Sums, Totals};
pub use frame::{Framer, Unframer, guess, records, unblock};
pub use grid::{Cell, Column, Form, Grid};
pub use ipm::{BadIpm, CONTAINERS, ICC, IpmRecord, Shape, parts, read, rewrite, shape};
pub use letters::{currency, decimal, from_decimal, letters};
pub use line::{Line, Reference, Turn};
pub use pain::{Transfer, Transfers, escaped};
pub use positions::{Balanced, Filed, Held, Positions};
pub use reconcile::{
    HostClaim, HostProfile, HostVerdict, Net, Settled, Share, Tally, TallyClass, taken_back_here,
};
pub use text::{Charset, csv_cell, visible};

/// What kind of file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// IPM-compatible records.
    #[default]
    Ipm,
    /// Lines of comma-separated values.
    Csv,
}

impl Format {
    /// Of such a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Ipm, Self::Csv].into_iter().find(|format| format.word() == word)
    }

    /// As file names end.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ipm => "ipm",
            Self::Csv => "csv",
        }
    }
}

/// How the files are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What they are.
    pub format: Format,
    /// The characters outside of bitmaps and lengths.
    pub charset: Charset,
    /// Whether the file is cut into blocks of 1,014 bytes.
    pub blocked: bool,
    /// Who makes the files: part of each file's id.
    pub processor: Digits<11>,
    /// The acquirer whom reference numbers and originator elements name.
    pub acquirer_bin: Digits<6>,
    /// The first three digits of each file's id.
    pub file_type: Digits<3>,
    /// The merchant category of a transaction that names none in element 18.
    pub merchant_type: Digits<4>,
    /// The country, ISO 3166 alpha-3, of a merchant whose element 43 names none.
    pub country: Country,
    /// What element 25 says of a claim that is one of several of one authorization: more follow.
    pub share_more: Digits<4>,
    /// The same of the last of them.
    pub share_last: Digits<4>,
    /// What it says of a second presentment; the reason of the chargeback where none is set.
    pub second_reason: Option<Digits<4>>,
    /// Whether the files say that they are meant: `P`, else `T` for test.
    pub production: bool,
}

/// A number of exactly `N` digits, leading zeros included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits<const N: usize>([u8; N]);

/// A country as three upper-case letters (ISO 3166 alpha-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country([u8; 3]);

/// Why a capture, a file or a day's positions cannot be. Names elements and transactions, never their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClearingError {
    /// An advice completes what its merchant has claimed, and what was presented so.
    #[error("transaction {}: its merchant claimed what it completes, and that was presented: it would be paid twice", txn.0)]
    Claimed {
        /// Which.
        txn: TxnId,
    },
    /// What was charged back is reversed, or lowered.
    #[error("transaction {}: it was charged back, and taken back since: its card would be paid twice", txn.0)]
    ChargedBack {
        /// Which.
        txn: TxnId,
    },
    /// A part is taken back of what its issuer rejected.
    #[error("transaction {}: its issuer rejected it, and nobody has decided what becomes of it: present it again or give it up", txn.0)]
    Rejected {
        /// Which.
        txn: TxnId,
    },
    /// A transaction lacks what every presentment has.
    #[error("transaction {}: element {element} is missing", txn.0)]
    Missing {
        /// Which.
        txn: TxnId,
        /// What it lacks.
        element: u8,
    },
    /// A transaction has an element that no presentment can carry.
    #[error("transaction {}: element {element} is not {expected}", txn.0)]
    Unfit {
        /// Which.
        txn: TxnId,
        /// Which element.
        element: u8,
        /// What it should have been.
        expected: &'static str,
    },
    /// The card of a transaction does not open.
    #[error("transaction {}: {source}", txn.0)]
    Card {
        /// Which.
        txn: TxnId,
        /// Why.
        source: crate::seal::SealError,
    },
    /// A transaction was not answered with an approval, nor is it an advice.
    #[error("transaction {}: nothing was approved", txn.0)]
    NotApproved {
        /// Which.
        txn: TxnId,
    },
    /// A line in the file of another issuer, or of another currency.
    #[error("transaction {} belongs to another file", txn.0)]
    OtherFile {
        /// Which.
        txn: TxnId,
    },
    /// A file's number within its day, 1 to 99,999.
    #[error("file number {sequence} is not from 1 to 99999")]
    Sequence {
        /// The number.
        sequence: u32,
    },
    /// A sum or a count does not fit its field.
    #[error("the {what} of a file or a position does not fit")]
    Overflow {
        /// Which sum.
        what: &'static str,
    },
    /// A record of ours is not one: a fault of this program, found before it left.
    #[error("record {number}: element {element} does not fit its place")]
    Unwritable {
        /// Which record of the file, from 1.
        number: u32,
        /// Which element.
        element: u8,
    },
    /// The positions are not what the files say.
    #[error("the files and the positions of {party} differ in currency {currency}: no file leaves")]
    Unequal {
        /// Whose.
        party: String,
        /// In which currency.
        currency: Currency,
    },
    /// The positions of all do not add up to nothing.
    #[error("the positions in currency {currency} add up to {net} instead of 0: no file leaves")]
    Unbalanced {
        /// In which currency.
        currency: Currency,
        /// What is over, minor units.
        net: i64,
    },
    /// A file that is no clearing file.
    #[error("byte {offset} of a clearing file: {fault}")]
    File {
        /// Where in the unblocked file.
        offset: usize,
        /// What is wrong.
        fault: &'static str,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Ipm,
            charset: Charset::Latin1,
            blocked: true,
            processor: Digits(*b"00000000001"),
            acquirer_bin: Digits(*b"999999"),
            file_type: Digits(*b"002"),
            merchant_type: Digits(*b"5999"),
            // User-assigned for ever, so nobody's.
            country: Country(*b"ZZZ"),
            share_more: Digits(*b"1403"),
            share_last: Digits(*b"1404"),
            second_reason: None,
            production: false,
        }
    }
}

impl<const N: usize> Digits<N> {
    /// From exactly `N` ASCII digits.
    pub fn new(text: &str) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a number of exactly as many digits as its place has" };
        let digits: [u8; N] = text.as_bytes().try_into().or(Err(fault))?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(fault) }
    }

    /// The digits.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl Country {
    /// From three upper-case ASCII letters.
    pub fn new(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a country of three upper-case letters" };
        let letters: [u8; 3] = text.try_into().or(Err(fault))?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(fault) }
    }

    /// The letters.
    pub const fn as_bytes(&self) -> &[u8; 3] {
        &self.0
    }
}
