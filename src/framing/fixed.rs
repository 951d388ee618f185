//! Bytes that are the same in every frame of a link, and bytes as people write them.

use std::fmt;

use crate::iso::NotOne;

/// Up to eight bytes that are the same in every frame.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixed {
    len: u8,
    bytes: [u8; Self::LEN_MAX],
}

impl Fixed {
    /// None at all.
    pub const NONE: Self = Self { len: 0, bytes: [0; Self::LEN_MAX] };
    /// The most bytes.
    pub const LEN_MAX: usize = 8;

    /// From two hexadecimal digits a byte, one to eight bytes, e.g. `D04A`.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        let mut bytes = [0; Self::LEN_MAX];
        let len = unhex(text, &mut bytes).and_then(|len| u8::try_from(len).ok());
        let len = len.filter(|len| *len != 0);
        let len = len.ok_or(NotOne { expected: "one to eight bytes, two hexadecimal digits each" });
        Ok(Self { len: len?, bytes })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a stream begins with them, as far as both go.
    pub(super) fn begins(&self, stream: &[u8]) -> bool {
        self.as_bytes().iter().zip(stream).all(|(wanted, byte)| wanted == byte)
    }
}

impl Fixed {
    /// Where they stand first in a stream, from a place on.
    pub(super) fn found(&self, stream: &[u8], from: usize) -> Option<usize> {
        let (fixed, mut at) = (self.as_bytes(), from);
        let first = fixed.first()?;
        loop {
            let rest = stream.get(at..)?;
            at += rest.iter().position(|byte| byte == first)?;
            if stream.get(at..)?.starts_with(fixed) {
                return Some(at);
            }
            at += 1;
        }
    }

    /// Whether the bytes stand in a message, or begin in it and end in themselves: a reader would end it there.
    pub fn cuts(&self, message: &[u8]) -> bool {
        let fixed = self.as_bytes();
        if fixed.first().is_none_or(|first| !message.contains(first)) {
            return false;
        }
        let behind = |at: usize| at.checked_sub(message.len()).and_then(|at| fixed.get(at));
        let byte = |at: usize| message.get(at).or_else(|| behind(at));
        let begins = |at: usize| (at..).zip(fixed).all(|(at, wanted)| byte(at) == Some(wanted));
        (0..message.len()).any(begins)
    }
}

/// Fills the beginning of a place from two hexadecimal digits a byte of either case; gives how many bytes there are. None when it
/// is something else, or too long.
pub(super) fn unhex(text: &str, into: &mut [u8]) -> Option<usize> {
    let pairs = text.as_bytes().chunks(2);
    let len = pairs.len();
    let into = into.get_mut(..len)?;
    for (byte, pair) in into.iter_mut().zip(pairs) {
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?;
        let digit = |digit| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    Some(len)
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_there_and_back() {
        for text in ["03", "D04A", "0102030405060708"] {
            let fixed = Fixed::from_text(text).unwrap();
            assert_eq!((fixed.to_string().as_str(), 2 * fixed.len()), (text, text.len()));
        }
        for bad in ["", "3", "D04", "0G", "+1", "010203040506070809"] {
            assert!(Fixed::from_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_is_cut_where_the_bytes_begin_in_it() {
        for (text, message, cuts) in [
            ("03", &b"a\x03b"[..], true),
            ("03", b"ab", false),
            ("0D0A", b"a\x0Ab\x0D", false),
            ("0D0A", b"a\x0D\x0Ab", true),
            // The last byte of the message and the first of the two are taken for the end.
            ("0303", b"a\x03", true),
        ] {
            assert_eq!(Fixed::from_text(text).unwrap().cuts(message), cuts, "{text}");
        }
        assert!(!Fixed::NONE.cuts(b"abc"));
    }

    #[test]
    fn where_they_stand_in_a_stream() {
        for (text, stream, from, at) in [
            ("03", &b"a\x03b\x03"[..], 0, Some(1)),
            ("03", b"a\x03b\x03", 2, Some(3)),
            ("03", b"a\x03", 2, None),
            ("0D0A", b"\x0D\x0D\x0Ab", 0, Some(1)),
            ("0D0A", b"ab\x0D", 0, None),
        ] {
            assert_eq!(Fixed::from_text(text).unwrap().found(stream, from), at, "{text}");
        }
        assert_eq!(Fixed::NONE.found(b"a", 0), None);
    }

    #[test]
    fn a_stream_begins_with_them_as_far_as_both_go() {
        let fixed = Fixed::from_text("D04A").unwrap();
        for (stream, begins) in
            [(&b""[..], true), (b"\xD0", true), (b"\xD0\x4A\0", true), (b"\xD1", false)]
        {
            assert_eq!((fixed.begins(stream), Fixed::NONE.begins(stream)), (begins, true));
        }
    }
}
