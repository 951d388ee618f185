//! What is wrong with a message: which element, where, what; never its bytes.

use std::fmt;

use crate::dialect::Content;
use crate::iso::{ElementNo, ElementSet, Elements, Mti};

/// What is wrong at one place of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The message ends before it is complete.
    Truncated,
    /// The MTI is not four digits.
    Mti,
    /// A bitmap is not hexadecimal digits.
    Bitmap,
    /// The dialect has no such element.
    Undefined,
    /// The message is for a link of another edition of the standard, which has nothing that means this element.
    NoCounterpart,
    /// A length field holds something else than digits.
    LengthDigits,
    /// A length that counts itself, and is shorter than that.
    LengthShort {
        /// What it counts.
        counted: usize,
    },
    /// An odd number of hexadecimal digits or nibbles.
    HalfByte {
        /// How many there are.
        len: usize,
    },
    /// A value, or a whole message, longer than it may be.
    TooLong {
        /// How long it is.
        len: usize,
        /// How long it may be.
        max: usize,
    },
    /// A value of fixed length that cannot be padded to it.
    TooShort {
        /// How long it is.
        len: usize,
        /// How long it must be.
        fixed: usize,
    },
    /// A second bitmap, where the dialect has none.
    SecondBitmap,
    /// An element that the dialect wants in such a message is missing.
    Missing,
    /// An element that the dialect does not allow in such a message.
    Forbidden,
    /// A part that ends at a character which does not come.
    Unended,
    /// A count or a length within a value that does not agree with what is there.
    Disagrees,
    /// Objects within objects, deeper than anyone means them.
    TooDeep,
    /// A character or nibble that the element's content does not allow.
    Content(Content),
    /// Bytes behind the last element.
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Bytes that are no message of the dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The MTI, where it can be read: enough to answer a request with a format error.
    pub mti: Option<Mti>,
    /// The element, 1 to 128; none when the MTI or the message as a whole is wrong.
    pub element: Option<u8>,
    /// Where in the body, in bytes: where the element begins.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
    /// What precedes the fault.
    pub salvaged: Box<Salvaged>,
}

/// What could be read of a message before its fault; nothing when its MTI or its bitmaps are wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// The elements before the fault; their values are not shown.
    pub elements: Elements,
    /// Where each of them begins and ends in the body, length field included, ascending.
    pub spans: Vec<(usize, usize)>,
    /// The elements that the bitmaps announce.
    pub announced: ElementSet,
}

/// Elements that cannot be said in the dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element {element}: {fault}")]
pub struct EncodeError {
    /// The first element that cannot be said.
    pub element: ElementNo,
    /// Why.
    pub fault: Fault,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends early"),
            Self::Mti => f.write_str("the MTI is not four digits"),
            Self::Bitmap => f.write_str("the bitmap is not hexadecimal digits"),
            Self::Undefined => f.write_str("the dialect has no such element"),
            Self::NoCounterpart => f.write_str(
                "nothing in the other edition of the standard means this element: `drop` it, or `copy` it into another, for that link",
            ),
            Self::LengthDigits => f.write_str("the length is not digits"),
            Self::SecondBitmap => {
                f.write_str("the dialect has no second bitmap, and bit 1 announces one")
            }
            Self::Missing => f.write_str("the dialect wants this element in such a message"),
            Self::Forbidden => {
                f.write_str("the dialect does not allow this element in such a message")
            }
            Self::Unended => f.write_str("the character that ends the part does not come"),
            Self::Disagrees => f.write_str("a count or length does not agree with what follows"),
            Self::TooDeep => f.write_str("objects lie too deep within one another"),
            Self::LengthShort { counted } => {
                write!(f, "length {counted} is shorter than the length field that it counts")
            }
            Self::HalfByte { len } => write!(f, "{len} hexadecimal digits are no whole bytes"),
            Self::TooLong { len, max } => write!(f, "length {len} exceeds {max}"),
            Self::TooShort { len, fixed } => write!(f, "length {len} is not {fixed}"),
            Self::Content(content) => {
                write!(f, "the value is not of content {}", content.notation())
            }
            Self::Trailing { bytes } => write!(f, "{bytes} bytes behind the last element"),
        }
    }
}

/// `element 35 at offset 57: length 41 exceeds 37`
impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            Some(element) => {
                write!(f, "element {element} at offset {}: {}", self.offset, self.fault)
            }
            None => write!(f, "offset {}: {}", self.offset, self.fault),
        }
    }
}

impl std::error::Error for DecodeError {}
