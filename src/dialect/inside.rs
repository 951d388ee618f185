//! What lies within an element: sub-elements by place, by tag or by bitmap.
//!
//! An inside is laid out over the plain value of what holds it, so that one description serves whatever the element is written in.

use super::row::{Alphabet, Class, Content, LengthCoding, Row};

/// How the inside of an element, or of one of its parts, is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// How its parts are found.
    pub scheme: Scheme,
    /// The parts that are known, in the order of their places, or else of the file.
    pub parts: Vec<Part>,
}

/// A known part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is called by: the number of its place or bit, or its tag as people write it, e.g. `9F02`.
    pub key: String,
    /// How it is written.
    pub row: Row,
    /// What lies within it, if anything.
    pub inside: Option<Inside>,
}

/// How parts are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// One behind the other, by number from 1; the last ones may be missing.
    Positional {
        /// Whether they begin again behind the last, until the value ends.
        repeated: bool,
    },
    /// Each with a tag and a length.
    Tagged(Tagged),
    /// Tag, length and value by the basic encoding rules (ITU-T X.690), with fillers of 00 and FF between objects.
    Ber,
    /// A bitmap, then the parts that it announces, without a bit for a further bitmap.
    Bitmap {
        /// Bytes, or hexadecimal digits.
        hex: bool,
        /// How many bytes it stands for, 1 to 16.
        bytes: u8,
    },
    /// The tokens of BASE24: a header with their number and length, then each with its name and length.
    Tokens,
}

/// A tag and a length before each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// How many bytes precede the first part; they are the part `lead`.
    pub lead: u16,
    /// How a tag is written.
    pub tag: TagCoding,
    /// In how many bytes, 1 to 8.
    pub tag_width: u8,
    /// How a length is written.
    pub length: LengthCoding,
    /// In how many bytes.
    pub length_width: u8,
    /// Whether the length precedes the tag.
    pub length_first: bool,
    /// Whether the length counts the tag.
    pub counts_tag: bool,
    /// Whether the length counts its own bytes.
    pub counts_itself: bool,
}

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagCoding {
    /// One character a byte.
    Characters(Alphabet),
    /// Two digits a byte, told as digits.
    Bcd,
    /// Bytes, told as hexadecimal digits.
    Binary,
}

impl Inside {
    /// The part of this key.
    pub fn part(&self, key: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.key == key)
    }

    /// The part that a path leads to: keys apart by dots.
    pub fn find(&self, path: &str) -> Option<&Part> {
        let (key, rest) = split(path);
        let part = self.part(key)?;
        match rest {
            None => Some(part),
            Some(rest) => part.inside.as_ref()?.find(rest),
        }
    }

    /// What the part consists of that a path leads to, known or not.
    pub fn content_at(&self, path: &str) -> Content {
        let (mut inside, mut path) = (self, path);
        loop {
            let (key, rest) = split(path);
            let part = inside.part(any_of(key));
            let Some(rest) = rest else {
                return part.map_or_else(|| inside.scheme.unknown(), |part| part.row.content);
            };
            // Objects within an object are known by the same rows.
            inside = part.and_then(|part| part.inside.as_ref()).unwrap_or(inside);
            path = rest;
        }
    }

    /// What may become of the part that a path leads to: what its row says, or else is said of what holds it.
    pub fn class_at(&self, path: &str, holder: Class) -> Class {
        let (mut inside, mut path, mut class) = (self, path, holder);
        loop {
            let (key, rest) = split(path);
            let part = inside.part(any_of(key));
            class = part.map_or(class, |part| part.row.class);
            let Some(rest) = rest else { return class };
            inside = part.and_then(|part| part.inside.as_ref()).unwrap_or(inside);
            path = rest;
        }
    }

    pub(super) fn find_mut(&mut self, path: &[&str]) -> Option<&mut Part> {
        let (key, rest) = path.split_first()?;
        let part = self.parts.iter_mut().find(|part| part.key == *key)?;
        if rest.is_empty() { Some(part) } else { part.inside.as_mut()?.find_mut(rest) }
    }
}

/// The first key of a path, and the path within that part.
fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(key, rest)| (key, Some(rest)))
}

/// The key without the number that tells several by the same key apart, as in `9F02#2`.
fn any_of(key: &str) -> &str {
    key.split_once('#').map_or(key, |(key, _)| key)
}

impl Scheme {
    /// Whether parts are known by a number, 1 to this.
    pub const fn numbered(self) -> Option<u16> {
        match self {
            Self::Positional { .. } => Some(999),
            Self::Bitmap { bytes, .. } => Some(8 * bytes as u16),
            Self::Tagged(_) | Self::Ber | Self::Tokens => None,
        }
    }

    /// What a part without a row consists of.
    pub const fn unknown(self) -> Content {
        match self {
            Self::Ber | Self::Tagged(Tagged { tag: TagCoding::Binary, .. }) => Content::Bytes,
            _ => Content::Text,
        }
    }

    /// Whether it says the length of each part, so that the part need not.
    pub const fn gives_length(self) -> bool {
        matches!(self, Self::Tagged(_) | Self::Ber | Self::Tokens)
    }
}
