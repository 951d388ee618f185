//! The length field: how a number is written in one to six bytes; knows not what the number counts.

use std::fmt;

use bytes::BytesMut;

use super::FrameError;
use crate::iso::NotOne;

/// How the length of a frame is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Length {
    coding: Coding,
    /// In bytes, 1 to 6; 0 when there is no field.
    width: u8,
}

/// How each byte of the field is written, and in which order they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// High byte first.
    Binary,
    /// Low byte first.
    LowFirst,
    /// Decimal digits.
    Ascii,
    /// Decimal digits in EBCDIC.
    Ebcdic,
    /// Hexadecimal digits in ASCII, written upper case, read in either.
    Hex,
    /// Two decimal digits a byte.
    Bcd,
}

/// Every length that there is, as people write it: coding, and width in bytes.
const NAMES: [(&str, Length); 26] = [
    ("none", Length::NONE),
    ("binary-1", Length::of(Coding::Binary, 1)),
    ("binary-2", Length::BINARY_2),
    ("binary-3", Length::of(Coding::Binary, 3)),
    ("binary-4", Length::of(Coding::Binary, 4)),
    ("binary-2-le", Length::of(Coding::LowFirst, 2)),
    ("binary-3-le", Length::of(Coding::LowFirst, 3)),
    ("binary-4-le", Length::of(Coding::LowFirst, 4)),
    ("ascii-2", Length::of(Coding::Ascii, 2)),
    ("ascii-3", Length::of(Coding::Ascii, 3)),
    ("ascii-4", Length::ASCII_4),
    ("ascii-5", Length::of(Coding::Ascii, 5)),
    ("ascii-6", Length::of(Coding::Ascii, 6)),
    ("ebcdic-2", Length::of(Coding::Ebcdic, 2)),
    ("ebcdic-3", Length::of(Coding::Ebcdic, 3)),
    ("ebcdic-4", Length::of(Coding::Ebcdic, 4)),
    ("ebcdic-5", Length::of(Coding::Ebcdic, 5)),
    ("ebcdic-6", Length::of(Coding::Ebcdic, 6)),
    ("hex-2", Length::of(Coding::Hex, 2)),
    ("hex-3", Length::of(Coding::Hex, 3)),
    ("hex-4", Length::of(Coding::Hex, 4)),
    ("hex-5", Length::of(Coding::Hex, 5)),
    ("hex-6", Length::of(Coding::Hex, 6)),
    ("bcd-1", Length::of(Coding::Bcd, 1)),
    ("bcd-2", Length::of(Coding::Bcd, 2)),
    ("bcd-3", Length::of(Coding::Bcd, 3)),
];

impl Length {
    /// No field at all: the trailer ends a frame.
    pub const NONE: Self = Self::of(Coding::Binary, 0);
    /// Two bytes, high byte first: 0 to 65,535.
    pub const BINARY_2: Self = Self::of(Coding::Binary, 2);
    /// Four ASCII digits: 0 to 9,999.
    pub const ASCII_4: Self = Self::of(Coding::Ascii, 4);
    /// What a length's name looks like, for people.
    pub const SHAPE: &str = "a length: binary-1 to binary-4, binary-2-le to binary-4-le (low byte first), \
        ascii-2 to ascii-6, ebcdic-2 to ebcdic-6, hex-2 to hex-6, bcd-1 to bcd-3, or none";

    /// Bytes of the longest field.
    const WIDTH_MAX: usize = 6;

    const fn of(coding: Coding, width: u8) -> Self {
        Self { coding, width }
    }

    /// By its name, e.g. `binary-2`: its coding and its width in bytes.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, length)| *length).ok_or(NotOne { expected: Self::SHAPE })
    }

    /// Every name that there is.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, length)| *length == self).map_or("", |(name, _)| name)
    }

    /// Bytes of the field itself.
    pub const fn width(self) -> usize {
        self.width as usize
    }

    /// Whether there is no field.
    pub const fn is_none(self) -> bool {
        self.width == 0
    }

    /// Whether it is decimal digits in ASCII.
    pub const fn is_ascii(self) -> bool {
        matches!(self.coding, Coding::Ascii)
    }

    /// The largest number that it can say; without a field nothing is limited.
    pub const fn max(self) -> usize {
        if self.is_none() { usize::MAX } else { self.coding.base().pow(self.width as u32) - 1 }
    }

    /// Reads the field at the beginning of a stream; `None` while it is not all there. A byte that cannot stand in it is told
    /// at once: its sender may be waiting for the answer to garbage.
    #[inline]
    pub(super) fn read(self, stream: &[u8]) -> Result<Option<usize>, FrameError> {
        match (self, stream.first_chunk()) {
            (Self::BINARY_2, field) => Ok(field.map(|field| u16::from_be_bytes(*field).into())),
            _ => self.read_any(stream),
        }
    }

    /// The same, for any of them.
    fn read_any(self, stream: &[u8]) -> Result<Option<usize>, FrameError> {
        let field = stream.get(..self.width()).unwrap_or(stream);
        let bytes = field.iter().copied();
        let number = match self.coding {
            Coding::Binary => number::<256>(bytes, |byte| Some(byte.into())),
            Coding::LowFirst => number::<256>(bytes.rev(), |byte| Some(byte.into())),
            Coding::Ascii => number::<10>(bytes, |byte| digit(byte, 10)),
            Coding::Hex => number::<16>(bytes, |byte| digit(byte, 16)),
            Coding::Ebcdic => number::<10>(bytes, |byte| match byte {
                0xF0..=0xF9 => Some((byte & 0x0F).into()),
                _ => None,
            }),
            Coding::Bcd => number::<100>(bytes, |byte| {
                let (high, low) = (byte >> 4, byte & 0x0F);
                (high <= 9 && low <= 9).then(|| (high * 10 + low).into())
            }),
        };
        let number = number.ok_or(FrameError::NotDigits { length: self })?;
        Ok((field.len() == self.width()).then_some(number))
    }

    /// Appends the field; the caller has seen that the number fits.
    #[inline]
    pub(super) fn write(self, number: usize, out: &mut BytesMut) {
        match (self, u16::try_from(number)) {
            (Self::BINARY_2, Ok(number)) => out.extend_from_slice(&number.to_be_bytes()),
            _ => self.write_any(number, out),
        }
    }

    /// The same, for any of them.
    fn write_any(self, number: usize, out: &mut BytesMut) {
        let mut room = [0; Self::WIDTH_MAX];
        let field = room.get_mut(..self.width()).unwrap_or_default();
        match self.coding {
            Coding::Binary | Coding::LowFirst => fill::<256>(field, number, |value| value),
            Coding::Ascii => fill::<10>(field, number, |value| b'0' + value),
            Coding::Ebcdic => fill::<10>(field, number, |value| 0xF0 + value),
            Coding::Hex => fill::<16>(field, number, |value| match value {
                0..10 => b'0' + value,
                _ => b'A' + value - 10,
            }),
            Coding::Bcd => fill::<100>(field, number, |value| ((value / 10) << 4) | (value % 10)),
        }
        if self.coding != Coding::LowFirst {
            field.reverse();
        }
        out.extend_from_slice(field);
    }
}

impl Coding {
    /// How many values a byte of the field has.
    const fn base(self) -> usize {
        match self {
            Self::Binary | Self::LowFirst => 256,
            Self::Ascii | Self::Ebcdic => 10,
            Self::Hex => 16,
            Self::Bcd => 100,
        }
    }
}

/// The number that these bytes say, the most significant first; none when one of them cannot stand there.
#[inline]
fn number<const BASE: usize>(
    field: impl Iterator<Item = u8>,
    value: impl Fn(u8) -> Option<usize>,
) -> Option<usize> {
    let mut number = 0;
    for byte in field {
        number = number * BASE + value(byte)?;
    }
    Some(number)
}

/// Fills bytes with a number, the least significant first.
#[inline]
fn fill<const BASE: usize>(field: &mut [u8], mut number: usize, byte: impl Fn(u8) -> u8) {
    for place in field {
        *place = byte(u8::try_from(number % BASE).unwrap_or(0));
        number /= BASE;
    }
}

/// The value of an ASCII digit.
fn digit(byte: u8, radix: u32) -> Option<usize> {
    char::from(byte).to_digit(radix).and_then(|digit| usize::try_from(digit).ok())
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_as_each_length_writes_it() {
        for (name, number, field) in [
            ("binary-1", 200, &b"\xC8"[..]),
            ("binary-2", 291, b"\x01\x23"),
            ("binary-3", 291, b"\0\x01\x23"),
            ("binary-4", 291, b"\0\0\x01\x23"),
            ("binary-2-le", 291, b"\x23\x01"),
            ("binary-3-le", 291, b"\x23\x01\0"),
            ("binary-4-le", 65_539, b"\x03\0\x01\0"),
            ("ascii-2", 42, b"42"),
            ("ascii-3", 123, b"123"),
            ("ascii-4", 123, b"0123"),
            ("ascii-5", 12_345, b"12345"),
            ("ascii-6", 123, b"000123"),
            ("ebcdic-2", 42, b"\xF4\xF2"),
            ("ebcdic-4", 123, b"\xF0\xF1\xF2\xF3"),
            ("ebcdic-6", 908_070, b"\xF9\xF0\xF8\xF0\xF7\xF0"),
            ("hex-2", 254, b"FE"),
            ("hex-4", 123, b"007B"),
            ("hex-6", 0x00AB_CDEF, b"ABCDEF"),
            ("bcd-1", 42, b"\x42"),
            ("bcd-2", 123, b"\x01\x23"),
            ("bcd-3", 123_456, b"\x12\x34\x56"),
        ] {
            let length = Length::from_text(name).unwrap();
            let mut out = BytesMut::new();
            length.write(number, &mut out);
            assert_eq!(&out[..], field, "{name}");
            assert_eq!(length.read(field).unwrap(), Some(number), "{name}");
            assert_eq!(length.read(&field[1..]).unwrap(), None, "{name}");
        }
        assert_eq!(Length::from_text("hex-4").unwrap().read(b"007b").unwrap(), Some(123));
    }

    #[test]
    fn every_length_there_and_back() {
        for (name, length) in NAMES {
            assert_eq!((Length::from_text(name), length.name()), (Ok(length), name));
            if length.is_none() {
                continue;
            }
            let max = length.max();
            for number in [0, 1, 9, 10, 41, max / 2, max - 1, max] {
                let mut out = BytesMut::new();
                length.write(number, &mut out);
                assert_eq!(out.len(), length.width(), "{name}");
                assert_eq!(length.read(&out).unwrap(), Some(number), "{name}");
            }
        }
    }

    /// One byte that cannot stand in the field, wherever it stands and however little is there.
    #[test]
    fn what_is_no_length() {
        for (name, field) in [
            ("ascii-4", &b"+"[..]),
            ("ascii-4", b"00 6"),
            ("ascii-2", b"1A"),
            ("ebcdic-4", b"0"),
            ("ebcdic-4", b"\xF0\xFA"),
            ("hex-4", b"00g"),
            ("bcd-2", b"\x0A"),
            ("bcd-2", b"\x00\xA0"),
        ] {
            let fault = Length::from_text(name).unwrap().read(field).unwrap_err();
            assert_eq!(fault.to_string(), format!("the frame's length is not {name}"));
        }
        for text in ["", "binary", "binary-0", "binary-5", "binary-1-le", "ascii-7", "BCD-2"] {
            assert!(Length::from_text(text).is_err(), "{text}");
        }
    }
}
