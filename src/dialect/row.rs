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
    /// A length field before the value.
    Prefixed {
        /// How the length is written.
        digits: LengthCoding,
        /// How many bytes the field has: up to 6 digits, 3 bytes of packed digits, or 4 bytes of a number.
        width: u8,
        /// What it counts.
        counts: Counts,
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
    /// Bytes as they lie on the wire: both characters of each hexadecimal byte.
    Wire,
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
}

/// What hexadecimal digits are written in.
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

/// A row, flattened for the codec: everything that it must know of an element, in ten bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The length field.
    pub prefix: Prefix,
    /// How the value is checked and measured.
    pub form: Form,
    /// The longest value, in units of the plain value.
    pub max: u16,
    /// How many bytes `max` units take on the wire, length field apart.
    pub wire: u16,
}

/// What a walk needs of an element whose length is fixed and whose check is a mask over its first eight bytes.
///
/// Most elements of most messages are such: no branch depends on what they hold. Of the eight bytes, the first the
/// highest, `flip` turns digits into their values; then each nibble of `taken` must be 0 to 9, and those of `zero` 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quick {
    /// What turns digits into values: 30 hexadecimal for each ASCII digit, F0 for each EBCDIC one.
    pub flip: u64,
    /// The bits that hold values.
    pub taken: u64,
    /// The bits that must then be zero: the high nibble of each digit.
    pub zero: u64,
    /// How many bytes the element takes; 0 for an element that is not such.
    pub wire: u16,
}

/// A length field: its coding, and its width where that varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// None; the length is `max`.
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
    /// `b` as hexadecimal digits, and what is counted: bytes, or digits.
    Hex(Alphabet, Counts),
    /// Any content but `b`, as characters of a code page.
    Ebcdic(CodePage, Content),
}

impl Row {
    /// The row for the codec; `None` when content, length and coding do not go together.
    pub fn layout(&self) -> Option<Layout> {
        let (prefix, counts) = match self.length {
            Length::Fixed => (Prefix::None, Counts::Units),
            Length::Prefixed { digits, width, counts } => {
                let prefix = match digits {
                    LengthCoding::Ascii => Prefix::Ascii(width),
                    LengthCoding::Bcd => Prefix::Bcd(width),
                    LengthCoding::Binary => Prefix::Binary(width),
                    LengthCoding::Ebcdic => Prefix::Ebcdic(width),
                    LengthCoding::Hex => Prefix::Hex(width),
                };
                (prefix, counts)
            }
        };
        let form = form(self.content, self.coding, counts)?;
        let wire = u16::try_from(form.wire_len(usize::from(self.max))).ok()?;
        Some(Layout { prefix, form, max: self.max, wire })
    }
}

impl Layout {
    /// The element as a mask, if it is one.
    pub fn quick(self) -> Quick {
        let first = u64::MAX.checked_shl(64 - 8 * u32::from(self.wire.min(8))).unwrap_or(0);
        let (flip, taken, zero) = match self.form {
            Form::Text | Form::Raw | Form::Ebcdic(_, Content::Text) => (0, 0, 0),
            Form::PackedDigits(Filler::LeftZero | Filler::RightZero) if self.wire <= 8 => {
                (0, first, 0)
            }
            Form::Digits if self.wire <= 8 => (0x3030_3030_3030_3030, first, 0xF0F0_F0F0_F0F0_F0F0),
            Form::Ebcdic(_, Content::Digits) if self.wire <= 8 => {
                (0xF0F0_F0F0_F0F0_F0F0, first, 0xF0F0_F0F0_F0F0_F0F0)
            }
            _ => return Quick::default(),
        };
        match self.prefix {
            Prefix::None => Quick { flip, taken, zero, wire: self.wire },
            _ => Quick::default(),
        }
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
        !self.is_packed() && !matches!(self, Self::Hex(..) | Self::Ebcdic(..))
    }

    /// How many a length field counts for each unit of the plain value.
    #[inline]
    pub const fn counted(self) -> usize {
        if matches!(self, Self::Hex(_, Counts::Wire)) { 2 } else { 1 }
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
            Self::Hex(..) => 2 * units,
            _ => units,
        }
    }
}

impl Length {
    /// The largest number that the length field holds, in what it counts; none for a fixed length.
    pub fn holds(self) -> Option<u32> {
        let Self::Prefixed { digits, width, .. } = self else { return None };
        let width = u32::from(width);
        Some(match digits {
            LengthCoding::Ascii | LengthCoding::Ebcdic => 10_u32.saturating_pow(width) - 1,
            LengthCoding::Bcd => 10_u32.saturating_pow(2 * width) - 1,
            LengthCoding::Binary => 256_u32.saturating_pow(width).saturating_sub(1),
            LengthCoding::Hex => 16_u32.saturating_pow(width).saturating_sub(1),
        })
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
const fn form(content: Content, coding: Coding, counts: Counts) -> Option<Form> {
    Some(match (content, coding, counts) {
        (Content::Digits, Coding::Ascii, _) => Form::Digits,
        (Content::Letters, Coding::Ascii, _) => Form::Letters,
        (Content::Alphanumeric, Coding::Ascii, _) => Form::Alphanumeric,
        (Content::NumericSpecial, Coding::Ascii, _) => Form::NumericSpecial,
        (Content::Text, Coding::Ascii, _) => Form::Text,
        (Content::Track, Coding::Ascii, _) => Form::Track,
        (Content::Signed, Coding::Ascii, _) => Form::Signed,
        (Content::Digits, Coding::Bcd(filler), Counts::Units) => Form::PackedDigits(filler),
        (Content::Track, Coding::Bcd(filler), Counts::Units) => Form::PackedTrack(filler),
        (Content::Signed, Coding::Bcd(filler), Counts::Units) => Form::PackedSigned(filler),
        (Content::Bytes, Coding::Raw, _) => Form::Raw,
        (Content::Bytes, Coding::Hex(alphabet), counts) => Form::Hex(alphabet, counts),
        (Content::Bytes, Coding::Ebcdic(_), _) => return None,
        (content, Coding::Ebcdic(page), _) => Form::Ebcdic(page, content),
        _ => return None,
    })
}
