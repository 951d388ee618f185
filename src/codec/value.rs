//! One element's value, between its plain form and the form that a dialect gives it.

use super::check;
use super::fault::Fault;
use crate::dialect::{Alphabet, CodePage, Content, Filler, Form, Layout, Prefix};

/// How many units the value of an element has, how many bytes it takes, and what stands behind the length field.
pub(super) fn measure(layout: Layout, rest: &[u8]) -> Result<(usize, usize, &[u8]), Fault> {
    let max = usize::from(layout.max);
    let split = |width: u8| rest.split_at_checked(usize::from(width)).ok_or(Fault::Truncated);
    let (field, behind) = match layout.prefix {
        Prefix::None => return Ok((max, usize::from(layout.wire), rest)),
        Prefix::Ascii(width) => split(width).and_then(|(field, behind)| {
            check::digits(field).then_some((field, behind)).ok_or(Fault::LengthDigits)
        })?,
        Prefix::Bcd(width) => split(width).and_then(|(field, behind)| {
            check::packed(field).then_some((field, behind)).ok_or(Fault::LengthDigits)
        })?,
        Prefix::Binary(width) => split(width)?,
        Prefix::Ebcdic(width) => split(width).and_then(|(field, behind)| {
            check::ebcdic_digits(field).then_some((field, behind)).ok_or(Fault::LengthDigits)
        })?,
        Prefix::Hex(width) => split(width).and_then(|(field, behind)| {
            check::hex(field).then_some((field, behind)).ok_or(Fault::LengthDigits)
        })?,
    };
    let len = number(layout.prefix, field);
    // What is counted in the digits of hexadecimal bytes may be twice as many, and comes in pairs.
    let pairs = layout.form.counted();
    if !len.is_multiple_of(pairs) {
        return Err(Fault::HalfByte { len });
    }
    if max * pairs < len {
        return Err(Fault::TooLong { len, max: max * pairs });
    }
    Ok((len / pairs, layout.form.wire_len(len / pairs), behind))
}

/// The number in a length field that holds one.
fn number(prefix: Prefix, field: &[u8]) -> usize {
    field.iter().fold(0, |number, byte| match prefix {
        Prefix::Ascii(_) | Prefix::Ebcdic(_) => number * 10 + usize::from(byte & 15),
        Prefix::Hex(_) => number << 4 | usize::from(nibble(*byte)),
        Prefix::Bcd(_) => number * 100 + usize::from(byte >> 4) * 10 + usize::from(byte & 15),
        Prefix::None | Prefix::Binary(_) => number << 8 | usize::from(*byte),
    })
}

/// How many units an element has that was measured before, and its value, from the element with its length field.
pub(super) fn measured(layout: Layout, whole: &[u8]) -> Option<(usize, &[u8])> {
    let width = match layout.prefix {
        Prefix::None => return Some((usize::from(layout.max), whole)),
        prefix => prefix.width(),
    };
    let (field, wire) = whole.split_at_checked(width)?;
    Some((number(layout.prefix, field) / layout.form.counted(), wire))
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
        Form::Hex(Alphabet::Ascii, _) => out.extend(wire.chunks(2).map(hex_byte)),
        Form::Hex(Alphabet::Ebcdic, _) => out.extend(wire.chunks(2).map(ebcdic_hex_byte)),
        Form::Ebcdic(page, _) => {
            out.extend(wire.iter().map(|byte| translated(page.characters(), *byte)));
        }
        _ => out.extend_from_slice(wire),
    }
}

/// A byte's counterpart in a code page's table.
#[inline]
pub(super) fn translated(table: &[u8; 256], byte: u8) -> u8 {
    table.get(usize::from(byte)).copied().unwrap_or_default()
}

/// The ASCII character of an EBCDIC hexadecimal digit. Of other bytes, a character that is none.
#[inline]
pub(super) fn ebcdic_hex(digit: u8) -> u8 {
    translated(CodePage::Cp037.characters(), digit)
}

/// Appends the characters of packed digits, without the filler.
fn nibbles(filler: Filler, units: usize, wire: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + units, 0);
    nibbles_into(filler, wire, out.get_mut(start..).unwrap_or_default());
}

/// Writes the characters of packed digits, without the filler: as many as `out` has places.
pub(super) fn nibbles_into(filler: Filler, wire: &[u8], out: &mut [u8]) {
    let (mut packed, mut places) = (wire, out);
    // A filler on the left is the first of an odd number of nibbles; one on the right finds no place.
    if let (1, Filler::LeftZero, [low, rest @ ..]) = (places.len() % 2, filler, wire)
        && let Some((first, behind)) = std::mem::take(&mut places).split_first_mut()
    {
        *first = b'0' + (low & 15);
        (packed, places) = (rest, behind);
    }
    let (eights, last) = places.as_chunks_mut();
    let (fours, _) = packed.as_chunks();
    let rest = packed.get(4 * eights.len()..).unwrap_or_default();
    for (eight, four) in eights.iter_mut().zip(fours) {
        *eight = eight_digits(*four);
    }
    let (pairs, odd) = last.as_chunks_mut();
    let odd_one = rest.get(pairs.len());
    for (pair, byte) in pairs.iter_mut().zip(rest) {
        *pair = [b'0' + (byte >> 4), b'0' + (byte & 15)];
    }
    if let ([place], Some(byte)) = (odd, odd_one) {
        *place = b'0' + (byte >> 4);
    }
}

/// The characters of eight packed digits. Nibble D is the separator of tracks, and 30 hexadecimal + D its character.
const fn eight_digits(packed: [u8; 4]) -> [u8; 8] {
    let packed = u32::from_be_bytes(packed) as u64;
    let pairs = (packed | packed << 16) & 0x0000_FFFF_0000_FFFF;
    let bytes = (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FF;
    let digits = (bytes | bytes << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    (digits | 0x3030_3030_3030_3030).to_be_bytes()
}

/// The byte of two hexadecimal digits.
fn hex_byte(pair: &[u8]) -> u8 {
    pair.iter().fold(0, |byte, digit| byte << 4 | nibble(*digit))
}

/// The byte of two hexadecimal digits in EBCDIC.
fn ebcdic_hex_byte(pair: &[u8]) -> u8 {
    pair.iter().fold(0, |byte, digit| byte << 4 | nibble(ebcdic_hex(*digit)))
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
            prefix_digits(prefix, layout.form.counted() * value.len(), out);
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
    let zeros = if matches!(content, Content::Digits | Content::Signed) { pad } else { 0 };
    let start = out.len();
    out.extend(sign);
    match layout.form {
        Form::PackedDigits(filler) | Form::PackedTrack(filler) | Form::PackedSigned(filler) => {
            pack_nibbles(filler, zeros, value, out);
        }
        Form::Hex(..) => {
            out.extend(value.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(byte & 15)]));
        }
        _ => {
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend_from_slice(value);
            out.extend(std::iter::repeat_n(b' ', pad - zeros));
        }
    }
    let page = match layout.form {
        Form::Ebcdic(page, _) => page,
        // All pages have the same hexadecimal digits.
        Form::Hex(Alphabet::Ebcdic, _) => CodePage::Cp037,
        _ => return Ok(()),
    };
    translate(page, out.get_mut(start..).unwrap_or_default());
    Ok(())
}

/// Turns characters of latin-1 into bytes of a code page.
pub(super) fn translate(page: CodePage, characters: &mut [u8]) {
    for byte in characters {
        *byte = translated(page.bytes(), *byte);
    }
}

/// Appends zeros and digits, two a byte.
fn pack_nibbles(filler: Filler, zeros: usize, value: &[u8], out: &mut Vec<u8>) {
    let odd = (zeros + value.len()) % 2;
    let left = zeros + if filler == Filler::LeftZero { odd } else { 0 };
    let fill = if filler == Filler::RightF { 0x0F } else { 0 };
    let nibble = |digit: u8| if digit == b'D' { 0x0D } else { digit & 15 };
    out.extend(std::iter::repeat_n(0, left / 2));
    let mut digits = value;
    if let (1, [first, rest @ ..]) = (left % 2, value) {
        out.push(nibble(*first));
        digits = rest;
    }
    let (pairs, last) = digits.as_chunks();
    out.extend(pairs.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)));
    out.extend(last.iter().map(|digit| nibble(*digit) << 4 | fill));
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
        Prefix::Ebcdic(width) => {
            let digit = |place| 0xF0 + low(len / 10_usize.pow(place) % 10);
            out.extend((0..u32::from(width)).rev().map(digit));
        }
        Prefix::Hex(width) => {
            let digit = |place| hex_digit(low(len >> (4 * place) & 15));
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
        Form::Raw | Form::Hex(..) => Content::Bytes,
        Form::Ebcdic(_, content) => content,
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
