//! Whether bytes are what an element may consist of, eight bytes at a time.

use super::value::translated;
use crate::dialect::{CodePage, Content, Step};

/// The highest bit of each of eight bytes.
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Every byte is an ASCII digit.
#[inline]
pub(super) fn digits(bytes: &[u8]) -> bool {
    eights(bytes, |eight, taken| beyond_digits(eight, taken) == 0)
}

/// Every byte is an EBCDIC digit.
#[inline]
pub(super) fn ebcdic_digits(bytes: &[u8]) -> bool {
    // They are F0 to F9 in all code pages.
    const TO_ASCII: u64 = 0xC0C0_C0C0_C0C0_C0C0;
    eights(bytes, |eight, taken| beyond_digits(eight ^ TO_ASCII, taken) == 0)
}

/// Every byte stands for a character of this content in a code page of EBCDIC.
#[inline]
pub(super) fn ebcdic(page: CodePage, content: Content, bytes: &[u8]) -> bool {
    // Letters, digits, blank and `=` are the same in all code pages.
    let letter = |byte| matches!(byte, 0x81..=0x89 | 0x91..=0x99 | 0xA2..=0xA9 | 0xC1..=0xC9 | 0xD1..=0xD9 | 0xE2..=0xE9);
    let digit = |byte| matches!(byte, 0xF0..=0xF9);
    match content {
        Content::Text | Content::Bytes => true,
        Content::Digits => ebcdic_digits(bytes),
        Content::Letters => each(bytes, |byte| letter(byte) || byte == 0x40),
        Content::Alphanumeric => {
            ebcdic_digits(bytes) || each(bytes, |byte| letter(byte) || digit(byte) || byte == 0x40)
        }
        Content::NumericSpecial => each(bytes, |byte| !letter(byte)),
        // D and the equals sign.
        Content::Track => each(bytes, |byte| digit(byte) || matches!(byte, 0xC4 | 0x7E)),
        Content::Signed => match bytes {
            [] => true,
            [sign, digits @ ..] => {
                matches!(translated(page.characters(), *sign), b'C' | b'D') && ebcdic_digits(digits)
            }
        },
    }
}

/// Every byte is a hexadecimal digit in EBCDIC.
pub(super) fn ebcdic_hex_digits(bytes: &[u8]) -> bool {
    each(bytes, |byte| matches!(byte, 0xF0..=0xF9 | 0xC1..=0xC6 | 0x81..=0x86))
}

/// Every nibble is 0 to 9.
#[inline]
pub(super) fn packed(bytes: &[u8]) -> bool {
    eights(bytes, |eight, taken| beyond_nine(eight & taken) == 0)
}

/// Every nibble is 0 to 9, or D, the separator of tracks.
#[inline]
pub(super) fn packed_track(bytes: &[u8]) -> bool {
    eights(bytes, |eight, taken| beyond_nine(eight & taken) & !separators(eight) == 0)
}

/// Every byte is a digit or a separator of tracks.
#[inline]
pub(super) fn track(bytes: &[u8]) -> bool {
    eights(bytes, |eight, taken| {
        let separators = equal(eight, b'=') | equal(eight, b'D');
        beyond_digits(eight, taken) & !separators == 0
    })
}

/// Every byte is a letter or a blank.
#[inline]
pub(super) fn letters(bytes: &[u8]) -> bool {
    each(bytes, |byte| byte.is_ascii_alphabetic() || byte == b' ')
}

/// Every byte is a letter, a digit or a blank.
#[inline]
pub(super) fn alphanumeric(bytes: &[u8]) -> bool {
    // The usual reference numbers are digits throughout.
    digits(bytes) || each(bytes, |byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

/// No byte is a letter.
#[inline]
pub(super) fn no_letters(bytes: &[u8]) -> bool {
    each(bytes, |byte| !byte.is_ascii_alphabetic())
}

/// Every byte is a hexadecimal digit of either case.
#[inline]
pub(super) fn hex(bytes: &[u8]) -> bool {
    each(bytes, |byte| byte.is_ascii_hexdigit())
}

/// The number that eight hexadecimal digits of either case are.
#[inline]
pub(super) fn hex_number(digits: [u8; 8]) -> Option<u32> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let digits = u64::from_be_bytes(digits);
    // In ASCII, bit 6 tells letters from digits, and the low nibble of A is 1.
    let letters = digits >> 6 & EACH;
    let low = digits & (15 * EACH);
    let zones = (digits | letters << 5) & (0xF0 * EACH);
    // A digit is up to 9, a letter from 1 up to 6: what is beyond carries into the next bit.
    let beyond = (low + 6 * EACH + 3 * letters) >> 4 & EACH;
    let some = (low + 15 * EACH) >> 4 & EACH;
    if zones != 0x30 * (EACH + letters) || beyond | (letters & !some) != 0 {
        return None;
    }
    let nibbles = low + 9 * letters;
    let bytes = (nibbles | nibbles >> 4) & 0x00FF_00FF_00FF_00FF;
    let words = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    u32::try_from((words | words >> 16) & 0xFFFF_FFFF).ok()
}

/// C or D, then digits.
#[inline]
pub(super) fn signed(bytes: &[u8]) -> bool {
    matches!(bytes, [b'C' | b'D', rest @ ..] if digits(rest))
}

/// Gathers what is wrong with elements, to be looked at once: where the next one begins does not depend on it.
#[derive(Clone, Copy, Default)]
pub(super) struct Gathered {
    nines: u64,
    zeros: u64,
    odd: u64,
    beyond: u64,
}

impl Gathered {
    /// Adds the first eight bytes of an element.
    #[inline]
    pub(super) const fn values(&mut self, eight: u64, step: &Step) {
        let values = (eight ^ step.flip) & step.taken;
        self.nines |= (values >> 3) & ((values >> 2) | (values >> 1));
        self.zeros |= values & step.zero;
    }

    /// Adds the number in the length field of an element.
    #[inline]
    pub(super) fn number(&mut self, number: u64, step: &Step) {
        self.odd |= number & u64::from(step.even);
        // Less than nothing has its highest bit set.
        self.beyond |= u64::from(step.limit).wrapping_sub(number);
    }

    /// Whether nothing is wrong.
    #[inline]
    pub(super) const fn is_right(self) -> bool {
        // The shifts brought bits of other nibbles beside the lowest of each.
        self.nines & 0x1111_1111_1111_1111 | self.zeros | self.odd | self.beyond >> 63 == 0
    }
}

/// Whether each byte is right, sixteen or eight of them at a time: no branch depends on what one of them is.
#[inline]
fn each(bytes: &[u8], right: impl Fn(u8) -> bool) -> bool {
    let all = |some: &[u8]| some.iter().fold(true, |so_far, byte| so_far & right(*byte));
    // The last ones may be looked at twice.
    if let Some(last) = bytes.last_chunk::<16>() {
        let (sixteens, _) = bytes.as_chunks::<16>();
        return sixteens.iter().all(|sixteen| all(sixteen)) && all(last);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => all(first) && all(last),
        _ => all(bytes),
    }
}

/// Applies a check to eight bytes at a time; of the last ones, `taken` masks those that count.
#[inline]
fn eights(bytes: &[u8], check: impl Fn(u64, u64) -> bool) -> bool {
    let (chunks, rest) = bytes.as_chunks();
    if !chunks.iter().all(|chunk| check(u64::from_be_bytes(*chunk), u64::MAX)) {
        return false;
    }
    let (eight, taken) = front(rest);
    check(eight, taken)
}

/// Up to seven bytes as the low bytes of a number, and the mask of those that count.
///
/// Two overlapping loads of four, two or one bytes, in place of a loop over them.
#[inline]
fn front(rest: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        let eight =
            u64::from(u32::from_be_bytes(*first)) << 32 | u64::from(u32::from_be_bytes(*last));
        return (eight, u64::MAX);
    }
    match *rest {
        [a, b, c] => (u64::from_be_bytes([0, 0, 0, 0, 0, a, b, c]), 0xFF_FFFF),
        [a, b] => (u64::from_be_bytes([0, 0, 0, 0, 0, 0, a, b]), 0xFFFF),
        [a] => (u64::from(a), 0xFF),
        _ => (0, 0),
    }
}

/// The highest bit of each taken byte that is no ASCII digit, and perhaps of others beside it.
///
/// A carry can only come out of a byte that is itself no digit and no separator.
const fn beyond_digits(eight: u64, taken: u64) -> u64 {
    let values = (eight ^ 0x3030_3030_3030_3030) & taken;
    (values | values.wrapping_add(0x7676_7676_7676_7676)) & HIGH
}

/// The highest bit of each byte that is this one.
const fn equal(eight: u64, byte: u8) -> u64 {
    let zeros = eight ^ u64::from_ne_bytes([byte; 8]);
    !(((zeros & !HIGH).wrapping_add(!HIGH)) | zeros) & HIGH
}

/// The lowest bit of each nibble that is 10 or more.
const fn beyond_nine(nibbles: u64) -> u64 {
    (nibbles >> 3) & ((nibbles >> 2) | (nibbles >> 1)) & 0x1111_1111_1111_1111
}

/// The lowest bit of each nibble that is D.
const fn separators(nibbles: u64) -> u64 {
    (nibbles >> 3) & (nibbles >> 2) & !(nibbles >> 1) & nibbles & 0x1111_1111_1111_1111
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each check agrees with its definition for each byte at each place of each length.
    #[test]
    fn one_wrong_byte_anywhere_is_seen() {
        type Check = fn(&[u8]) -> bool;
        let nibbles = |byte: u8, good: fn(u8) -> bool| good(byte >> 4) && good(byte & 15);
        for len in 0..=19 {
            for at in 0..len {
                for byte in 0..=255_u8 {
                    let cases: [(Check, u8, bool); 7] = [
                        (digits, b'7', byte.is_ascii_digit()),
                        (packed, 0x79, nibbles(byte, |nibble| nibble < 10)),
                        (packed_track, 0x79, nibbles(byte, |nibble| nibble < 10 || nibble == 13)),
                        (track, b'7', byte.is_ascii_digit() || byte == b'=' || byte == b'D'),
                        (alphanumeric, b'7', byte.is_ascii_alphanumeric() || byte == b' '),
                        (letters, b'x', byte.is_ascii_alphabetic() || byte == b' '),
                        (hex, b'a', byte.is_ascii_hexdigit()),
                    ];
                    for (case, (check, filling, right)) in cases.into_iter().enumerate() {
                        let mut bytes = vec![filling; len];
                        bytes[at] = byte;
                        assert_eq!(
                            check(&bytes),
                            right,
                            "check {case} of {byte:#04X} at {at} of {len}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_sign_comes_first() {
        for (text, right) in [
            ("C00000012", true),
            ("D1", true),
            ("C", true),
            ("", false),
            ("X1", false),
            ("1C", false),
        ] {
            assert_eq!(signed(text.as_bytes()), right, "{text}");
        }
    }

    #[test]
    fn eight_hexadecimal_digits_are_a_number_and_nothing_else_is() {
        assert_eq!(hex_number(*b"00000000"), Some(0));
        assert_eq!(hex_number(*b"fEDcBA98"), Some(0xFEDC_BA98));
        assert_eq!(hex_number(*b"01234567"), Some(0x0123_4567));
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut digits = *b"a0F9c3D1";
                digits[at] = byte;
                let text = str::from_utf8(&digits).ok().filter(|_| byte.is_ascii_hexdigit());
                let number = text.map(|text| u32::from_str_radix(text, 16).unwrap());
                assert_eq!(hex_number(digits), number, "{byte:02X} at {at}");
            }
        }
    }
}
