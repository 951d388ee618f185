//! What messages of some MTIs must have, and what they may not have.

use crate::iso::{ElementSet, Mti};

/// Elements that messages of some MTIs must have, or may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which messages.
    pub pattern: MtiPattern,
    /// Whether the elements must be there; else they may not.
    pub mandatory: bool,
    /// Which elements.
    pub elements: ElementSet,
}

/// Four digits of an MTI, any of them left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MtiPattern([u8; 4]);

impl Rule {
    /// Whether it says the same kind of thing of the same messages.
    pub(super) fn is(&self, pattern: MtiPattern, mandatory: bool) -> bool {
        self.pattern == pattern && self.mandatory == mandatory
    }
}

impl MtiPattern {
    /// `0200`, or with `x` for any digit: `02x0`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 4] = text.as_bytes().try_into().ok()?;
        digits.iter().all(|digit| digit.is_ascii_digit() || *digit == b'x').then_some(Self(digits))
    }

    /// Whether an MTI is such.
    pub fn fits(self, mti: Mti) -> bool {
        self.0.into_iter().zip(mti.ascii()).all(|(wanted, digit)| wanted == b'x' || wanted == digit)
    }

    /// As a dialect's file writes it.
    pub fn as_text(&self) -> String {
        self.0.iter().copied().map(char::from).collect()
    }
}
