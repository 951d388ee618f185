//! What an operator says with an order: one line of text, bounded, and never a card number.

use std::fmt;

use crate::iso;

/// One line of an operator's: who orders, or why.
#[derive(Clone, PartialEq, Eq)]
pub struct Remark(Box<str>);

/// Why a text is no remark. Shows none of it: it may hold a card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRemark {
    /// There is none.
    #[error("it is empty")]
    Empty,
    /// It is too long.
    #[error("it is longer than {0} characters")]
    TooLong(usize),
    /// It would not be one line, or not be what it seems.
    #[error("it holds a line break or another control character")]
    Control,
    /// It would put a card number into journal, books and log.
    #[error(
        "it holds what looks like a card number, and would stand in journal, books and log: name the transaction by its number"
    )]
    Card,
}

impl Remark {
    /// The longest reason, in characters.
    pub const REASON_MAX: usize = 200;
    /// The longest name, in characters.
    pub const NAME_MAX: usize = 64;

    /// Why something is ordered.
    pub fn reason(text: &str) -> Result<Self, NoRemark> {
        Self::new(text, Self::REASON_MAX)
    }

    /// Who orders it.
    pub fn name(text: &str) -> Result<Self, NoRemark> {
        Self::new(text, Self::NAME_MAX)
    }

    fn new(text: &str, chars_max: usize) -> Result<Self, NoRemark> {
        let text = text.trim();
        if iso::looks_like_a_card(text) {
            return Err(NoRemark::Card);
        }
        Self::checked(text, chars_max)
    }

    /// Back from the journal.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Self::checked(std::str::from_utf8(bytes).ok()?, Self::REASON_MAX).ok()
    }

    fn checked(text: &str, chars_max: usize) -> Result<Self, NoRemark> {
        // Some characters of format turn the direction of what follows them.
        let unseen = |char: char| {
            char.is_control()
                || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        if text.is_empty() {
            Err(NoRemark::Empty)
        } else if text.chars().count() > chars_max {
            Err(NoRemark::TooLong(chars_max))
        } else if text.chars().any(unseen) {
            Err(NoRemark::Control)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_one_short_line_without_a_card() {
        for (text, fault) in [
            ("settled with the bank by phone, ticket 4711", None),
            ("RRN 632718000001, 2026-11-23", None),
            ("card 541333******4111", None),
            ("", Some(NoRemark::Empty)),
            (" \t ", Some(NoRemark::Empty)),
            ("two\nlines", Some(NoRemark::Control)),
            ("\u{1b}[2J", Some(NoRemark::Control)),
            ("turned \u{202e}round", Some(NoRemark::Control)),
            ("card 5413330000004111", Some(NoRemark::Card)),
            ("card 4111-1111-1111-1111, paid", Some(NoRemark::Card)),
        ] {
            assert_eq!(Remark::reason(text).err(), fault, "{text:?}");
            assert_eq!(Remark::name(text).err(), fault, "{text:?}");
        }
        let long = "\u{e4}".repeat(200);
        assert_eq!(Remark::reason(&long).map(|remark| remark.as_str().len()), Ok(400));
        assert_eq!(Remark::name(&long), Err(NoRemark::TooLong(64)));
        assert_eq!(Remark::reason(&(long + "x")), Err(NoRemark::TooLong(200)));
        assert_eq!(Remark::reason(" anna ").map(|remark| remark.to_string()), Ok("anna".into()));
    }
}
