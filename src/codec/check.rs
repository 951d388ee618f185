//! Whether bytes are what an element may consist of: eight at a time where that pays.

/// Every byte is an ASCII digit.
#[inline]
pub(super) fn digits(bytes: &[u8]) -> bool {
    eights(
        bytes,
        |eight| {
            eight & 0xF0F0_F0F0_F0F0_F0F0 == 0x3030_3030_3030_3030
                && eight.wrapping_add(0x0606_0606_0606_0606) & 0xF0F0_F0F0_F0F0_F0F0
                    == 0x3030_3030_3030_3030
        },
        |byte| byte.is_ascii_digit(),
    )
}

/// Every nibble is 0 to 9.
#[inline]
pub(super) fn packed(bytes: &[u8]) -> bool {
    eights(bytes, |eight| beyond_nine(eight) == 0, |byte| beyond_nine(u64::from(byte)) == 0)
}

/// Every nibble is 0 to 9, or D, the separator of tracks.
#[inline]
pub(super) fn packed_track(bytes: &[u8]) -> bool {
    let wrong = |eight| beyond_nine(eight) & !separators(eight) == 0;
    eights(bytes, wrong, |byte| wrong(u64::from(byte)))
}

/// Every byte is a digit or a separator of tracks.
#[inline]
pub(super) fn track(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'=' | b'D'))
}

/// Every byte is a letter or a blank.
#[inline]
pub(super) fn letters(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b' ')
}

/// Every byte is a letter, a digit or a blank.
#[inline]
pub(super) fn alphanumeric(bytes: &[u8]) -> bool {
    // The usual reference numbers are digits throughout.
    digits(bytes) || bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b' ')
}

/// No byte is a letter.
#[inline]
pub(super) fn no_letters(bytes: &[u8]) -> bool {
    !bytes.iter().any(u8::is_ascii_alphabetic)
}

/// Every byte is a hexadecimal digit of either case.
#[inline]
pub(super) fn hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

/// C or D, then digits.
#[inline]
pub(super) fn signed(bytes: &[u8]) -> bool {
    matches!(bytes, [b'C' | b'D', rest @ ..] if digits(rest))
}

/// Applies a check to eight bytes at a time; the last eight may overlap those before them.
#[inline]
fn eights(bytes: &[u8], eight: impl Fn(u64) -> bool, one: impl Fn(u8) -> bool) -> bool {
    let Some(last) = bytes.last_chunk() else { return bytes.iter().all(|byte| one(*byte)) };
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().all(|chunk| eight(u64::from_ne_bytes(*chunk))) && eight(u64::from_ne_bytes(*last))
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
}
