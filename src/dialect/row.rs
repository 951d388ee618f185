//! One element's row in a dialect, as independent axes: what it may hold, how long, how its length and its value are written.

use super::page::CodePage;

/// How one network writes one element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What people call it, e.g. `amount, transaction`.
    pub name: String,
    /// What its value may consist of.
    pub content: Content,
    /// Whether its length is fixed, or else how it is written.
    pub length: Length,
    /// How its value is written.
    pub coding: Coding,
    /// What may become of its value here.
    pub class: Class,
    /// The longest value, in characters, digits or (content `b`) bytes; of a fixed length, the length. The sign of `x+n` counts.
    pub max: u16,
}

/// The standard's notation for what a value may consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `a`: letters and blanks.
    Letters,
    /// `n`: digits.
    Digits,
    /// `an` and `anp`: letters, digits and the blanks that pad them.
    Alphanumeric,
    /// `ans`: any character.
    Text,
    /// `ns`: any character but letters.
    NumericSpecial,
    /// `z`: digits and separators of tracks 2 and 3.
    Track,
    /// `b`: bytes.
    Bytes,
    /// `x+n`: C or D, then digits.
    Signed,
}

/// Whether an element has a length field, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// None: always the same length.
    Fixed,
    /// None: a part takes what is left of what holds it.
    Rest,
    /// None: a part ends before this byte.
    Until(u8),
    /// A length field before the value.
    Prefixed {
        /// How the length is written.
        digits: LengthCoding,
        /// How many bytes the field has: up to 6 digits, 3 bytes of packed digits, or 4 bytes of a number.
        width: u8,
        /// What it counts.
        counts: Counts,
        /// Whether it counts its own bytes too.
        itself: bool,
    },
}

/// How the number in a length field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthCoding {
    /// One ASCII digit a byte.
    Ascii,
    /// Two digits a byte.
    Bcd,
    /// A number, high byte first.
    Binary,
    /// One EBCDIC digit a byte, the same in all code pages.
    Ebcdic,
    /// A number, high byte first, each byte as two ASCII hexadecimal digits.
    Hex,
}

/// What a length field counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Characters of text, digits of packed numbers, bytes of binary values.
    Units,
    /// `wire`: bytes as they lie on the wire: both characters of each hexadecimal byte, one for two packed digits.
    Wire,
    /// `nibbles`: two for each byte of a binary value.
    Nibbles,
    /// `even`: digits of packed numbers, the filler among them.
    Even,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// One byte a character: ASCII, above it latin-1.
    Ascii,
    /// Two digits a byte; a sign is one ASCII byte before them.
    Bcd(Filler),
    /// The bytes themselves.
    Raw,
    /// Two hexadecimal digits a byte.
    Hex(Alphabet),
    /// One byte a character, in a code page of EBCDIC.
    Ebcdic(CodePage),
    /// One byte a digit, and a negative amount told from a positive one by the zone of the last: content `x+n`.
    Zoned(Alphabet),
}

/// What hexadecimal or zoned digits are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// ASCII.
    Ascii,
    /// EBCDIC, the same in all code pages.
    Ebcdic,
}

/// Where the nibble goes that an odd number of packed digits leaves over, and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filler {
    /// `l0`: a zero on the left.
    LeftZero,
    /// `r0`: a zero on the right.
    RightZero,
    /// `rF`: an F on the right.
    RightF,
    /// `lF`: an F on the left.
    LeftF,
}

/// What may become of an element's value within the house.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `keep`: may be journaled and shown.
    Keep,
    /// `pan`: journaled sealed, shown masked.
    Pan,
    /// `sensitive`: never journaled, shown as its length.
    Sensitive,
    /// `-`: not journaled.
    Unkept,
}

/// A row, flattened for the codec: everything that it must know of an element, in twelve bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The length field.
    pub prefix: Prefix,
    /// How the value is checked and measured.
    pub form: Form,
    /// What the length field counts.
    pub counts: Counts,
    /// How many bytes of itself the length field counts; mostly none.
    pub own: u8,
    /// The longest value, in units of the plain value.
    pub max: u16,
    /// How many bytes `max` units take on the wire, length field apart.
    pub wire: u16,
}

/// A length field: its coding, and its width where that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// None; the length is `max`, or of a part what is left for it.
    None,
    /// This many ASCII digits, 1 to 6.
    Ascii(u8),
    /// This many bytes of packed digits, 1 to 3.
    Bcd(u8),
    /// This many bytes of a number, 1 to 4.
    Binary(u8),
    /// This many EBCDIC digits, 1 to 6.
    Ebcdic(u8),
    /// This many ASCII hexadecimal digits, 2 to 8.
    Hex(u8),
}

/// Content and coding together: only the combinations that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `n` as characters.
    Digits,
    /// `a` as characters.
    Letters,
    /// `an` as characters.
    Alphanumeric,
    /// `ns` as characters.
    NumericSpecial,
    /// `ans` as characters.
    Text,
    /// `z` as characters.
    Track,
    /// `x+n` as characters.
    Signed,
    /// `n` packed.
    PackedDigits(Filler),
    /// `z` packed, the separator as nibble D.
    PackedTrack(Filler),
    /// `x+n`: a character, then packed digits.
    PackedSigned(Filler),
    /// `b` as it is.
    Raw,
    /// `b` as hexadecimal digits.
    Hex(Alphabet),
    /// `x+n` as digits, the sign in the last.
    Zoned(Alphabet),
    /// Any content but `b`, as characters of a code page.
    Ebcdic(CodePage, Content),
}

impl Row {
    /// The row for the codec; `None` when content, length and coding do not go together.
    pub fn layout(&self) -> Option<Layout> {
        let (prefix, counts, own) = match self.length {
            Length::Fixed | Length::Rest | Length::Until(_) => (Prefix::None, Counts::Units, 0),
            Length::Prefixed { digits, width, counts, itself } => {
                (digits.prefix(width), counts, if itself { width } else { 0 })
            }
        };
        let form = form(self.content, self.coding)?;
        let counts = counted(form, counts)?;
        let wire = u16::try_from(form.wire_len(usize::from(self.max))).ok()?;
        Some(Layout { prefix, form, counts, own, max: self.max, wire })
    }
}

impl Layout {
    /// Whether the length field says how many units the value has, and nothing else.
    #[inline]
    pub const fn counts_units(self) -> bool {
        matches!(self.counts, Counts::Units) && self.own == 0
    }

    /// What the length field says of a value of so many units.
    pub const fn counted(self, units: usize) -> usize {
        let counted = match self.counts {
            Counts::Units => units,
            Counts::Wire => self.form.wire_len(units),
            Counts::Nibbles => 2 * units,
            Counts::Even => units.next_multiple_of(2),
        };
        counted + self.own as usize
    }
}

impl Prefix {
    /// How many bytes it has.
    #[inline]
    pub const fn width(self) -> usize {
        match self {
            Self::None => 0,
            Self::Ascii(width)
            | Self::Bcd(width)
            | Self::Binary(width)
            | Self::Ebcdic(width)
            | Self::Hex(width) => width as usize,
        }
    }
}

impl Form {
    /// Whether two digits share a byte.
    #[inline]
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::PackedDigits(_) | Self::PackedTrack(_) | Self::PackedSigned(_))
    }

    /// Whether the plain value lies on the wire as it is.
    #[inline]
    pub const fn is_plain(self) -> bool {
        !self.is_packed() && !matches!(self, Self::Hex(_) | Self::Ebcdic(..) | Self::Zoned(_))
    }

    /// Whether each byte of the plain value has its byte on the wire, the same or another.
    #[inline]
    pub const fn is_in_place(self) -> bool {
        self.is_plain() || matches!(self, Self::Ebcdic(..))
    }

    /// How many bytes a value of so many units takes on the wire.
    #[inline]
    pub const fn wire_len(self, units: usize) -> usize {
        match self {
            Self::PackedDigits(_) | Self::PackedTrack(_) => units.div_ceil(2),
            // A byte of sign; half a byte for each further unit.
            Self::PackedSigned(_) => {
                if units == 0 {
                    0
                } else {
                    1 + units / 2
                }
            }
            Self::Hex(_) => 2 * units,
            // The sign takes no byte of its own.
            Self::Zoned(_) => units.saturating_sub(1),
            _ => units,
        }
    }
}

impl Length {
    /// The largest number that the length field holds, in what it counts; none without one.
    pub fn holds(self) -> Option<usize> {
        let Self::Prefixed { digits, width, .. } = self else { return None };
        Some(digits.longest(width))
    }
}

impl LengthCoding {
    /// A length field of so many bytes.
    pub const fn prefix(self, width: u8) -> Prefix {
        match self {
            Self::Ascii => Prefix::Ascii(width),
            Self::Bcd => Prefix::Bcd(width),
            Self::Binary => Prefix::Binary(width),
            Self::Ebcdic => Prefix::Ebcdic(width),
            Self::Hex => Prefix::Hex(width),
        }
    }

    /// The largest number that so many bytes hold.
    pub const fn longest(self, width: u8) -> usize {
        let width = width as u32;
        match self {
            Self::Ascii | Self::Ebcdic => 10_usize.saturating_pow(width) - 1,
            Self::Bcd => 100_usize.saturating_pow(width) - 1,
            Self::Binary => 256_usize.saturating_pow(width) - 1,
            Self::Hex => 16_usize.saturating_pow(width) - 1,
        }
    }
}

impl Content {
    /// As the standard writes it.
    pub const fn notation(self) -> &'static str {
        match self {
            Self::Letters => "a",
            Self::Digits => "n",
            Self::Alphanumeric => "an",
            Self::Text => "ans",
            Self::NumericSpecial => "ns",
            Self::Track => "z",
            Self::Bytes => "b",
            Self::Signed => "x+n",
        }
    }
}

/// The combinations that exist.
const fn form(content: Content, coding: Coding) -> Option<Form> {
    Some(match (content, coding) {
        (Content::Digits, Coding::Ascii) => Form::Digits,
        (Content::Letters, Coding::Ascii) => Form::Letters,
        (Content::Alphanumeric, Coding::Ascii) => Form::Alphanumeric,
        (Content::NumericSpecial, Coding::Ascii) => Form::NumericSpecial,
        (Content::Text, Coding::Ascii) => Form::Text,
        (Content::Track, Coding::Ascii) => Form::Track,
        (Content::Signed, Coding::Ascii) => Form::Signed,
        (Content::Digits, Coding::Bcd(filler)) => Form::PackedDigits(filler),
        (Content::Track, Coding::Bcd(filler)) => Form::PackedTrack(filler),
        (Content::Signed, Coding::Bcd(filler)) => Form::PackedSigned(filler),
        (Content::Signed, Coding::Zoned(alphabet)) => Form::Zoned(alphabet),
        (Content::Bytes, Coding::Raw) => Form::Raw,
        (Content::Bytes, Coding::Hex(alphabet)) => Form::Hex(alphabet),
        (Content::Bytes, Coding::Ebcdic(_)) => return None,
        (content, Coding::Ebcdic(page)) => Form::Ebcdic(page, content),
        _ => return None,
    })
}

/// What a length field counts of a form, where it can be that: one name for what comes to the same.
const fn counted(form: Form, counts: Counts) -> Option<Counts> {
    match (counts, form) {
        (Counts::Units, _)
        | (Counts::Wire, Form::Hex(_) | Form::PackedDigits(_) | Form::PackedTrack(_))
        | (Counts::Nibbles, Form::Raw)
        | (Counts::Even, Form::PackedDigits(_) | Form::PackedTrack(_)) => Some(counts),
        (Counts::Wire, Form::PackedSigned(_) | Form::Zoned(_)) => None,
        (Counts::Wire, _) => Some(Counts::Units),
        _ => None,
    }
}
