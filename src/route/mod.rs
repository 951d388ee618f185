//! Which links may answer a request, in order of preference; knows no sockets and not who is up.

mod conditions;
mod explain;
mod table;

use std::fmt;

use crate::record::LinkId;

pub use conditions::{Condition, Conditions, Facts};
pub use explain::{Step, Tried, explain};
pub use table::{Picked, Table};

/// One rule: what it matches, and where it leads. Cards and every condition must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Card ranges, any of which matches; none at all match every card, and messages without one.
    pub cards: Vec<CardRange>,
    /// What else a message must have.
    pub when: Conditions,
    /// Where it leads, best first.
    pub to: Vec<LinkId>,
    /// Which of these gets a request.
    pub share: Share,
    /// Whether a request that never left stays where it was sent, and is declined; else it goes on elsewhere.
    pub stays: bool,
}

/// Which of a rule's links gets a request: always one that is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Share {
    /// The first.
    #[default]
    First,
    /// Each in its turn.
    Turns,
    /// Each in proportion to its weight, one for each link.
    Weights(Vec<u32>),
}

/// Card numbers from a first to a last, both within, as their first nineteen digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CardRange {
    first: u64,
    last: u64,
}

/// Why a text is no card range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Neither a prefix nor a pair of prefixes.
    #[error(
        "a card range is a prefix like 541333 or a pair like 400000-499999, of 1 to 19 digits each"
    )]
    Shape,
    /// It ends before it begins.
    #[error("the range ends before it begins")]
    Backwards,
}

impl CardRange {
    /// From a prefix (`541333`) or a pair of prefixes (`400000-499999`), 1 to 19 digits each.
    pub fn parse(text: &str) -> Result<Self, BadRange> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Self::between(first.trim().as_bytes(), last.trim().as_bytes())
    }

    /// From the first cards of one prefix to the last cards of another, 1 to 19 digits each.
    pub fn between(first: &[u8], last: &[u8]) -> Result<Self, BadRange> {
        let first = padded(first, b'0').ok_or(BadRange::Shape)?;
        let last = padded(last, b'9').ok_or(BadRange::Shape)?;
        if last < first { Err(BadRange::Backwards) } else { Ok(Self { first, last }) }
    }

    /// Whether every card of the other lies in this one.
    pub const fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether the two share a card, and each has some that the other has not.
    pub const fn crosses(self, other: Self) -> bool {
        let overlap = self.first <= other.last && other.first <= self.last;
        overlap && !self.contains(other) && !other.contains(self)
    }

    /// The number of the first card, with zeros up to nineteen digits.
    pub const fn first(self) -> u64 {
        self.first
    }

    /// The number of the last card, with nines up to nineteen digits.
    pub const fn last(self) -> u64 {
        self.last
    }

    /// How far it reaches: of two ranges with the same card, the one that reaches less far is preferred.
    const fn width(self) -> u64 {
        self.last - self.first
    }
}

/// `541333`, or `400000-499999`: as few digits as say it.
impl fmt::Display for CardRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (format!("{:019}", self.first), format!("{:019}", self.last));
        let fillers = first.bytes().rev().zip(last.bytes().rev());
        let fillers = fillers.take_while(|pair| *pair == (b'0', b'9')).count();
        let digits = 19_usize.saturating_sub(fillers).max(1);
        if first.get(..digits) == last.get(..digits) {
            return f.write_str(first.get(..digits).unwrap_or_default());
        }
        write!(f, "{first:.digits$}-{last:.digits$}")
    }
}

/// The number that 1 to 19 digits become with a filler up to nineteen.
fn padded(digits: &[u8], filler: u8) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rest = std::iter::repeat_n(&filler, 19 - digits.len());
    Some(digits.iter().chain(rest).fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_shown_as_they_are_written() {
        for text in ["541333", "400000-409999", "5000", "222100-272099", "1234567890123456789"] {
            let shown = CardRange::parse(text).unwrap().to_string();
            assert_eq!(CardRange::parse(&shown), CardRange::parse(text), "{text} as {shown}");
            assert!(shown.len() <= text.len(), "{text} as {shown}");
        }
        assert_eq!(CardRange::parse("0-9").unwrap().to_string(), "0-9");
    }

    #[test]
    fn ranges_that_are_none() {
        for (text, fault) in [
            ("", BadRange::Shape),
            ("54133a", BadRange::Shape),
            ("12345678901234567890", BadRange::Shape),
            ("5-4", BadRange::Backwards),
        ] {
            assert_eq!(CardRange::parse(text), Err(fault));
        }
    }
}
