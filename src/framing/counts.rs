//! What a length counts besides the message.

use std::fmt;

use crate::iso::NotOne;

/// A part of a frame that a length may count, besides the message, which it always counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The bytes before the length.
    Prefix,
    /// The length field.
    Itself,
    /// The bytes between the length and the header.
    Reserved,
    /// The header before the message.
    Header,
    /// The bytes behind the message, and its LRC.
    Trailer,
}

/// The parts that a length counts besides the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counts(u8);

impl Part {
    /// Each part, as people write it, in the order of the stream.
    pub const NAMES: &[(&str, Self)] = &[
        ("prefix", Self::Prefix),
        ("itself", Self::Itself),
        ("reserved", Self::Reserved),
        ("header", Self::Header),
        ("trailer", Self::Trailer),
    ];
}

impl Counts {
    /// Nothing but the message.
    pub const NONE: Self = Self(0);
    /// What the parts look like, for people.
    pub const SHAPE: &str = "some of prefix, itself, reserved, header, trailer";

    /// From the names of its parts with commas between; nothing at all is the message alone.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        let parts = text.split(',').map(str::trim).filter(|_| !text.trim().is_empty());
        let part = |name: &str| Part::NAMES.iter().find(|(known, _)| *known == name);
        parts
            .map(|name| part(name).map(|(_, part)| *part).ok_or(NotOne { expected: Self::SHAPE }))
            .try_fold(Self::NONE, |counts, part| part.map(|part| counts.with(part)))
    }

    /// And this part as well.
    #[must_use]
    pub const fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    /// Whether it counts a part.
    pub const fn has(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }
}

/// Header and message, as most networks count.
impl Default for Counts {
    fn default() -> Self {
        Self::NONE.with(Part::Header)
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = Part::NAMES.iter().filter(|(_, part)| self.has(*part));
        f.debug_set().entries(counted.map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_one_by_one() {
        let counts = Counts::NONE.with(Part::Itself).with(Part::Trailer);
        let has: Vec<_> = Part::NAMES.iter().map(|(_, part)| counts.has(*part)).collect();
        assert_eq!(has, [false, true, false, false, true]);
        assert_eq!(format!("{:?}", Counts::default()), r#"{"header"}"#);
        assert_eq!(Counts::from_text("itself, trailer"), Ok(counts));
        assert_eq!(Counts::from_text(""), Ok(Counts::NONE));
        for bad in [",", "itself,", "length", "itself trailer"] {
            assert!(Counts::from_text(bad).is_err(), "{bad}");
        }
    }
}
