//! Tags and lengths by the basic encoding rules (ITU-T X.690, 8.1), as ICC data has them (EMV Book 3, annex B).

use super::Fault;

/// The head of an object.
pub(super) struct Object {
    /// Its tag as upper-case hexadecimal digits.
    pub(super) tag: String,
    /// Whether it consists of objects.
    pub(super) constructed: bool,
    /// How many bytes tag and length take.
    pub(super) head: usize,
    /// How many bytes its value has.
    pub(super) len: usize,
}

/// The longest tag, in bytes.
const TAG_MAX: usize = 4;

/// The object at the front.
pub(super) fn object(rest: &[u8]) -> Result<Object, Fault> {
    let first = *rest.first().ok_or(Fault::Truncated)?;
    let mut width = 1;
    if first & 0x1F == 0x1F {
        // Further bytes follow while their highest bit is set.
        while rest.get(width).ok_or(Fault::Truncated)? & 0x80 != 0 {
            width += 1;
            if TAG_MAX <= width {
                return Err(Fault::Disagrees);
            }
        }
        width += 1;
    }
    let (tag, behind) = rest.split_at_checked(width).ok_or(Fault::Truncated)?;
    let (len, bytes) = length(behind)?;
    let digit = |nibble: u8| char::from(super::value::hex_digit(nibble));
    let tag = tag.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    Ok(Object { tag, constructed: first & 0x20 != 0, head: width + bytes, len })
}

/// The length at the front, and how many bytes it takes itself. Lengths without an end are not meant here.
fn length(rest: &[u8]) -> Result<(usize, usize), Fault> {
    match rest {
        [short @ 0..=0x7F, ..] => Ok((usize::from(*short), 1)),
        [long @ 0x81..=0x84, bytes @ ..] => {
            let width = usize::from(long & 0x0F);
            let bytes = bytes.get(..width).ok_or(Fault::Truncated)?;
            Ok((bytes.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), 1 + width))
        }
        [] => Err(Fault::Truncated),
        _ => Err(Fault::LengthDigits),
    }
}

/// Appends a length in as few bytes as can be.
pub(super) fn write_length(len: usize, out: &mut Vec<u8>) {
    let bytes = len.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = bytes.get(zeros..).unwrap_or_default();
    if let (Ok(short @ ..=0x7F), true) = (u8::try_from(len), bytes.len() <= 1) {
        out.push(short);
        return;
    }
    // No value has more than four bytes of length.
    out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0));
    out.extend_from_slice(bytes);
}
