//! What a walk over a message needs of an element, flattened from its layout.

use super::row::{Content, Counts, Filler, Form, Layout, Prefix};

/// How to find the end of an element from its first eight bytes, and what can be seen in them of its being right.
///
/// Of the eight bytes, the first the highest, `flip` turns digits into their values; then each nibble of `taken` must be 0 to 9,
/// and those of `zero` 0. They are those of the length field, or of a value that has none and is short.
///
/// The number in the length field, at most `limit`, makes `((number << left) + up) >> 1` bytes besides `base`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What turns digits into values: 30 hexadecimal for each ASCII digit, F0 for each EBCDIC one.
    pub flip: u64,
    /// The bits that hold values.
    pub taken: u64,
    /// The bits that must then be zero: the high nibble of each digit.
    pub zero: u64,
    /// How the number in the length field is read.
    pub lead: Lead,
    /// By how many bits the length field lies too high in the eight bytes.
    pub down: u8,
    /// 1 for a byte a unit, 0 for half of one, 2 for two.
    pub left: u8,
    /// 1 where half a byte takes a whole one.
    pub up: u8,
    /// 1 where the number must be even.
    pub even: u8,
    /// The largest number that the length field may hold.
    pub limit: u16,
    /// How many bytes the element takes apart from those that the length field counts.
    pub base: u16,
}

/// How the number in a length field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// There is no length field.
    None,
    /// One to three digits, a byte each.
    Digits,
    /// One or two bytes of packed digits.
    Packed,
    /// One or two bytes of a number.
    Binary,
    /// In a way that is not told here: by its layout, if it has one.
    Other,
}

/// An element that a message may not have.
pub(super) const UNKNOWN: Step = Step {
    flip: 0,
    taken: 0,
    zero: 0,
    lead: Lead::Other,
    down: 0,
    left: 0,
    up: 0,
    even: 0,
    limit: 0,
    base: 0,
};

const ASCII: u64 = 0x3030_3030_3030_3030;
const EBCDIC: u64 = 0xF0F0_F0F0_F0F0_F0F0;
const HIGH_NIBBLES: u64 = 0xF0F0_F0F0_F0F0_F0F0;

impl Layout {
    /// The element for a walk.
    pub(super) fn step(self) -> Step {
        let (lead, width, flip, zero) = match self.prefix {
            Prefix::None => return self.whole(),
            Prefix::Ascii(width @ 1..=3) => (Lead::Digits, width, ASCII, HIGH_NIBBLES),
            Prefix::Ebcdic(width @ 1..=3) => (Lead::Digits, width, EBCDIC, HIGH_NIBBLES),
            Prefix::Bcd(width @ 1..=2) => (Lead::Packed, width, 0, 0),
            Prefix::Binary(width @ 1..=2) => (Lead::Binary, width, 0, 0),
            _ => return UNKNOWN,
        };
        let (left, up, even) = match (self.counts, self.form) {
            (Counts::Units, Form::PackedDigits(_) | Form::PackedTrack(_)) => (0, 1, 0),
            (Counts::Units, Form::PackedSigned(_) | Form::Zoned(_)) => return UNKNOWN,
            (Counts::Units, Form::Hex(_)) => (2, 0, 0),
            (Counts::Units, _) => (1, 0, 0),
            (Counts::Wire, Form::Hex(_)) => (1, 0, 1),
            (Counts::Nibbles, _) => (0, 0, 1),
            _ => return UNKNOWN,
        };
        let Ok(limit) = u16::try_from(self.counted(usize::from(self.max))) else { return UNKNOWN };
        if self.own != 0 {
            return UNKNOWN;
        }
        // A number may have any nibbles.
        let taken = if lead == Lead::Binary { 0 } else { first(width.into()) };
        Step {
            flip,
            taken,
            zero,
            lead,
            down: 64 - 8 * width,
            left,
            up,
            even,
            limit,
            base: width.into(),
        }
    }

    /// An element without a length field.
    fn whole(self) -> Step {
        let (flip, zero) = self.mask().unwrap_or_default();
        let taken = if self.mask().is_some() { first(self.wire) } else { 0 };
        Step { flip, taken, zero, lead: Lead::None, base: self.wire, ..UNKNOWN }
    }

    /// How digits are told from other bytes, where that is all there is to check of a value of up to eight bytes.
    const fn mask(self) -> Option<(u64, u64)> {
        match (self.prefix, self.form) {
            (Prefix::None, _) if 8 < self.wire => None,
            (Prefix::None, Form::PackedDigits(Filler::LeftZero | Filler::RightZero)) => {
                Some((0, 0))
            }
            (Prefix::None, Form::Digits) => Some((ASCII, HIGH_NIBBLES)),
            (Prefix::None, Form::Ebcdic(_, Content::Digits)) => Some((EBCDIC, HIGH_NIBBLES)),
            _ => None,
        }
    }

    /// The element for a walk that takes its value as it comes.
    pub(super) fn step_unchecked(self) -> Step {
        match self.prefix {
            Prefix::None => Step { flip: 0, taken: 0, zero: 0, ..self.whole() },
            _ => self.step(),
        }
    }

    /// Whether a walk that checks contents has not seen all that may be wrong with such a value.
    pub(super) const fn is_unseen(self) -> bool {
        let any = matches!(self.form, Form::Text | Form::Raw | Form::Ebcdic(_, Content::Text));
        !any && self.mask().is_none()
    }

    /// Whether wrong bytes in such a value would be read as other digits than were meant.
    pub(super) const fn misleads(self) -> bool {
        matches!(self.form, Form::Zoned(_) | Form::Hex(_))
    }
}

/// The first bytes of eight.
fn first(bytes: u16) -> u64 {
    u64::MAX.checked_shl(64 - 8 * u32::from(bytes)).unwrap_or(0)
}
