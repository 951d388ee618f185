//! What issuers send back about our files: their records as values, what follows from the set of these, and files of such records
//! for banks that are played; knows no disk and no rows.

mod fold;
mod read;
mod totals;
mod write;

use serde::{Deserialize, Serialize};

pub use fold::{FileVerdict, FileWord, ItemVerdict, ItemWord, Key, Presented, Stand, file, item};
pub use read::{Head, Reader, Step};
pub use totals::{Agreement, Line, Sent, Turn, compare};
pub use write::{Answers, ChargeBack, Form};

/// Where in their records issuers put what no public description settles: numbers of private data subelements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// What is wrong with a message or a file: sets of fourteen characters.
    pub errors: u16,
    /// Which message of ours: its element 71.
    pub number: u16,
    /// Which file of ours a rejection is about: its id.
    pub file: u16,
    /// Which file of ours totals are about: its id.
    pub reconciled: u16,
    /// Whether totals call purchases credits, as those see them who are paid; else debits.
    pub purchases_are_credits: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { errors: 5, number: 138, file: 280, reconciled: 300, purchases_are_credits: true }
    }
}

/// What one record says of what we sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The record's own number, element 71.
    pub number: u32,
    /// What it says.
    pub word: Word,
    /// Its type and function code, `1442/450`.
    pub function: String,
    /// The id of our file.
    pub about_file: Option<String>,
    /// The number of our message in it.
    pub about_number: Option<u32>,
    /// The reference of our presentment, element 31.
    pub reference: Option<String>,
    /// The card, masked.
    pub card: Option<String>,
    /// Minor units of the currency.
    pub amount: Option<i64>,
    /// ISO 4217, three digits.
    pub currency: Option<String>,
    /// Why, as a code.
    pub reason: Option<String>,
    /// What else it says; without card numbers.
    pub detail: Option<String>,
    /// What it adds up, in totals.
    pub line: Option<Line>,
}

/// What a record may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Word {
    /// 1644/699: none of a file was taken.
    RejectsFile,
    /// 1644/691: one message was not taken.
    Rejects,
    /// 1644/680, 685 or 688: what was taken, added up.
    Totals,
    /// 1442/450, 453, 451 or 454: a presentment is charged back.
    ChargesBack,
    /// The same with a reversal indicator: a charge-back is taken back.
    TakesBack,
    /// 1644/603: what the cardholder signed is asked for.
    Asks,
    /// 1644/693: a text.
    Text,
    /// 1740: a fee is collected.
    Collects,
}

impl Word {
    /// As the ledger writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RejectsFile => "rejects_file",
            Self::Rejects => "rejects",
            Self::Totals => "totals",
            Self::ChargesBack => "charges_back",
            Self::TakesBack => "takes_back",
            Self::Asks => "asks",
            Self::Text => "text",
            Self::Collects => "collects",
        }
    }
}

/// The most characters of a text that are kept.
const TEXT_CHARS_MAX: usize = 200;

/// In place of a text in which a card's number may stand.
pub const WITHHELD: &str = "<a card number may stand in it>";

/// A text of somebody else's, fit to be kept and shown: one line, bounded, without what may be a card number.
pub fn fit_to_show(text: &[u8]) -> String {
    let text: String = text.iter().map(|byte| char::from(*byte)).collect();
    if crate::iso::looks_like_a_card(&text) {
        return WITHHELD.to_owned();
    }
    let visible = |char: char| if char.is_control() { '.' } else { char };
    text.trim().chars().take(TEXT_CHARS_MAX).map(visible).collect()
}

/// A number of digits alone that fits.
fn number<N: std::str::FromStr>(digits: Option<&[u8]>) -> Option<N> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// So many digits, as a text.
fn digits(value: Option<&[u8]>, len: usize) -> Option<String> {
    let fits = |value: &&[u8]| value.len() == len && value.iter().all(u8::is_ascii_digit);
    value.filter(fits).map(|value| value.escape_ascii().to_string())
}
