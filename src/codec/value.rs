//! One element's value, between its plain form and the form that a dialect gives it.

use super::check;
use super::fault::Fault;
use crate::dialect::{Content, Filler, Form, Layout, Prefix};

/// What a prefix says, and what stands behind it.
#[inline]
pub(super) fn measure(layout: Layout, rest: &[u8]) -> Result<(usize, &[u8]), Fault> {
    let max = usize::from(layout.max);
    let (len, rest) = match layout.prefix {
        Prefix::None => return Ok((max, rest)),
        Prefix::Ascii(width) => {
            let (field, rest) =
                rest.split_at_checked(usize::from(width)).ok_or(Fault::Truncated)?;
            if !check::digits(field) {
                return Err(Fault::LengthDigits);
            }
            (field.iter().fold(0, |len, digit| len * 10 + usize::from(digit & 15)), rest)
        }
        Prefix::Bcd(width) => {
            let (field, rest) =
                rest.split_at_checked(usize::from(width)).ok_or(Fault::Truncated)?;
            if !check::packed(field) {
                return Err(Fault::LengthDigits);
            }
            let pair = |byte: &u8| usize::from(byte >> 4) * 10 + usize::from(byte & 15);
            (field.iter().fold(0, |len, byte| len * 100 + pair(byte)), rest)
        }
        Prefix::Binary(width) => {
            let (field, rest) =
                rest.split_at_checked(usize::from(width)).ok_or(Fault::Truncated)?;
            (field.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)), rest)
        }
    };
    let len = match layout.form {
        Form::HexByDigits if len % 2 == 1 => return Err(Fault::HalfByte { len }),
        Form::HexByDigits if 2 * max < len => return Err(Fault::TooLong { len, max: 2 * max }),
        Form::HexByDigits => len / 2,
        _ => len,
    };
    if max < len { Err(Fault::TooLong { len, max }) } else { Ok((len, rest)) }
}

/// How many bytes a value of `units` takes on the wire.
#[inline]
pub(super) const fn wire_len(form: Form, units: usize) -> usize {
    match form {
        Form::PackedDigits(_) | Form::PackedTrack(_) => units.div_ceil(2),
        // A byte of sign; half a byte for each further unit.
        Form::PackedSigned(_) => {
            if units == 0 {
                0
            } else {
                1 + units / 2
            }
        }
        Form::Hex | Form::HexByDigits => 2 * units,
        _ => units,
    }
}

/// Whether a value on the wire consists of what it may.
#[inline]
pub(super) fn is_well_formed(form: Form, units: usize, wire: &[u8]) -> bool {
    match form {
        Form::Text | Form::Raw => true,
        Form::Digits => check::digits(wire),
        Form::PackedDigits(filler) => packed(filler, units, wire, check::packed),
        Form::PackedTrack(filler) => packed(filler, units, wire, check::packed_track),
        Form::Alphanumeric => check::alphanumeric(wire),
        Form::Track => check::track(wire),
        Form::Letters => check::letters(wire),
        Form::NumericSpecial => check::no_letters(wire),
        Form::Hex | Form::HexByDigits => check::hex(wire),
        Form::Signed => wire.is_empty() || check::signed(wire),
        Form::PackedSigned(filler) => match wire {
            [] => true,
            [b'C' | b'D', digits @ ..] => packed(filler, units - 1, digits, check::packed),
            _ => false,
        },
    }
}

/// Packed digits with their filler. Any digit may fill on the way in; what is sent is the filler of the dialect.
#[inline]
fn packed(filler: Filler, units: usize, wire: &[u8], check: impl Fn(&[u8]) -> bool) -> bool {
    match (filler, wire) {
        (Filler::RightF, [digits @ .., last]) if units % 2 == 1 => {
            check(digits)
                && check(&[last & 0xF0])
                && (check::packed(&[last & 0x0F]) || last & 0x0F == 0x0F)
        }
        (Filler::RightZero, [digits @ .., last]) if units % 2 == 1 => {
            check(digits) && check(&[last & 0xF0]) && check::packed(&[last & 0x0F])
        }
        (Filler::LeftZero, [first, digits @ ..]) if units % 2 == 1 => {
            check(digits) && check(&[first & 0x0F]) && check::packed(&[first >> 4])
        }
        _ => check(wire),
    }
}

/// Appends the plain form of a well-formed value.
pub(super) fn unpack(form: Form, units: usize, wire: &[u8], out: &mut Vec<u8>) {
    match form {
        Form::PackedDigits(filler) | Form::PackedTrack(filler) => nibbles(filler, units, wire, out),
        Form::PackedSigned(filler) => {
            if let [sign, digits @ ..] = wire {
                out.push(*sign);
                nibbles(filler, units - 1, digits, out);
            }
        }
        Form::Hex | Form::HexByDigits => out.extend(wire.chunks(2).map(hex_byte)),
        _ => out.extend_from_slice(wire),
    }
}

/// Appends the characters of packed digits, without the filler.
fn nibbles(filler: Filler, units: usize, wire: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // Nibble D is the separator, and 0x30 + 13 is its character.
    out.extend(wire.iter().flat_map(|byte| [b'0' + (byte >> 4), b'0' + (byte & 15)]));
    if units % 2 == 1 {
        match filler {
            Filler::LeftZero => {
                out.remove(start);
            }
            Filler::RightZero | Filler::RightF => {
                out.pop();
            }
        }
    }
}

/// The byte of two hexadecimal digits.
fn hex_byte(pair: &[u8]) -> u8 {
    pair.iter().fold(0, |byte, digit| byte << 4 | nibble(*digit))
}

/// The value of a hexadecimal digit; 0 for anything else, which a check has refused before.
pub(super) fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'A'..=b'F' => digit - b'A' + 10,
        b'a'..=b'f' => digit - b'a' + 10,
        _ => 0,
    }
}

/// Appends a plain value as a dialect writes it, with its length field. Content is checked strictly.
pub(super) fn pack(layout: Layout, value: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let max = usize::from(layout.max);
    if max < value.len() {
        return Err(Fault::TooLong { len: value.len(), max });
    }
    let content = content(layout.form);
    if !is_plain(content, value) {
        return Err(Fault::Content(content));
    }
    let units = match layout.prefix {
        Prefix::None => max,
        prefix => {
            let counted =
                if layout.form == Form::HexByDigits { 2 * value.len() } else { value.len() };
            prefix_digits(prefix, counted, out);
            value.len()
        }
    };
    let pad = units - value.len();
    if pad != 0 && (value.is_empty() || matches!(content, Content::Bytes | Content::Track)) {
        return Err(Fault::TooShort { len: value.len(), fixed: max });
    }
    let (sign, value) = match (content, value) {
        (Content::Signed, [sign, digits @ ..]) => (Some(*sign), digits),
        _ => (None, value),
    };
    out.extend(sign);
    let zeros = if matches!(content, Content::Digits | Content::Signed) { pad } else { 0 };
    match layout.form {
        Form::PackedDigits(filler) | Form::PackedTrack(filler) | Form::PackedSigned(filler) => {
            pack_nibbles(filler, zeros, value, out);
        }
        Form::Hex | Form::HexByDigits => {
            out.extend(value.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
        }
        _ => {
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend_from_slice(value);
            out.extend(std::iter::repeat_n(b' ', pad - zeros));
        }
    }
    Ok(())
}

/// Appends zeros and digits, two a byte.
fn pack_nibbles(filler: Filler, zeros: usize, value: &[u8], out: &mut Vec<u8>) {
    let odd = (zeros + value.len()) % 2;
    let (left, right) = if filler == Filler::LeftZero { (odd, 0) } else { (0, odd) };
    let fill = if filler == Filler::RightF { 0x0F } else { 0 };
    let mut high = None;
    let digits = value.iter().map(|digit| if *digit == b'D' { 0x0D } else { digit & 15 });
    let all =
        std::iter::repeat_n(0, left + zeros).chain(digits).chain(std::iter::repeat_n(fill, right));
    for nibble in all {
        match high.take() {
            None => high = Some(nibble << 4),
            Some(byte) => out.push(byte | nibble),
        }
    }
}

/// Appends a length field; the dialect's check has seen that the longest value fits it.
fn prefix_digits(prefix: Prefix, len: usize, out: &mut Vec<u8>) {
    let low = |value: usize| u8::try_from(value % 256).unwrap_or(0);
    match prefix {
        Prefix::None => {}
        Prefix::Ascii(width) => {
            let digit = |place| b'0' + low(len / 10_usize.pow(place) % 10);
            out.extend((0..u32::from(width)).rev().map(digit));
        }
        Prefix::Bcd(width) => {
            let pair = |place| len / 100_usize.pow(place) % 100;
            out.extend(
                (0..u32::from(width))
                    .rev()
                    .map(|place| low(pair(place) / 10 * 16 + pair(place) % 10)),
            );
        }
        Prefix::Binary(width) => {
            out.extend((0..u32::from(width)).rev().map(|place| low(len >> (8 * place))));
        }
    }
}

/// An upper-case hexadecimal digit.
pub(super) const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' - 10 + nibble }
}

/// What a form holds.
pub(super) const fn content(form: Form) -> Content {
    match form {
        Form::Digits | Form::PackedDigits(_) => Content::Digits,
        Form::Letters => Content::Letters,
        Form::Alphanumeric => Content::Alphanumeric,
        Form::NumericSpecial => Content::NumericSpecial,
        Form::Text => Content::Text,
        Form::Track | Form::PackedTrack(_) => Content::Track,
        Form::Signed | Form::PackedSigned(_) => Content::Signed,
        Form::Raw | Form::Hex | Form::HexByDigits => Content::Bytes,
    }
}

/// Whether a plain value consists of what it may.
fn is_plain(content: Content, value: &[u8]) -> bool {
    match content {
        Content::Text | Content::Bytes => true,
        Content::Digits => check::digits(value),
        Content::Letters => check::letters(value),
        Content::Alphanumeric => check::alphanumeric(value),
        Content::NumericSpecial => check::no_letters(value),
        Content::Track => check::track(value),
        Content::Signed => value.is_empty() || check::signed(value),
    }
}
