//! One element's value, between its plain form and the form that a dialect gives it.

use super::check;
use super::fault::Fault;
use crate::dialect::{Alphabet, CodePage, Content, Counts, Filler, Form, Layout, Prefix};

/// How many units the value of an element has, how many bytes it takes, and what stands behind the length field.
pub(super) fn measure(layout: Layout, rest: &[u8]) -> Result<(usize, usize, &[u8]), Fault> {
    let max = usize::from(layout.max);
    if layout.prefix == Prefix::None {
        return Ok((max, usize::from(layout.wire), rest));
    }
    let (field, behind) = rest.split_at_checked(layout.prefix.width()).ok_or(Fault::Truncated)?;
    if !is_length(layout.prefix, field) {
        return Err(Fault::LengthDigits);
    }
    let counted = number(layout.prefix, field);
    let len = counted.checked_sub(usize::from(layout.own)).ok_or(Fault::LengthShort { counted })?;
    let units = counted_units(layout, len, behind)?;
    if max < units {
        return Err(Fault::TooLong { len: counted, max: layout.counted(max) });
    }
    Ok((units, layout.form.wire_len(units), behind))
}

/// Whether a length field holds a number.
pub(super) fn is_length(prefix: Prefix, field: &[u8]) -> bool {
    match prefix {
        Prefix::Ascii(_) => check::digits(field),
        Prefix::Ebcdic(_) => check::ebcdic_digits(field),
        Prefix::Bcd(_) => check::packed(field),
        Prefix::Hex(_) => check::hex(field),
        Prefix::None | Prefix::Binary(_) => true,
    }
}

/// How many units a value has by what its length field counted.
fn counted_units(layout: Layout, len: usize, behind: &[u8]) -> Result<usize, Fault> {
    let halves = || if len.is_multiple_of(2) { Ok(len / 2) } else { Err(Fault::HalfByte { len }) };
    match (layout.counts, layout.form) {
        (Counts::Units, _) => Ok(len),
        (Counts::Wire, Form::PackedDigits(filler) | Form::PackedTrack(filler)) => {
            Ok(packed_units(layout, filler, behind.get(..len).unwrap_or_default(), len))
        }
        (Counts::Even, Form::PackedDigits(filler) | Form::PackedTrack(filler)) => {
            let len = halves()?;
            Ok(packed_units(layout, filler, behind.get(..len).unwrap_or_default(), len))
        }
        _ => halves(),
    }
}

/// How many digits so many packed bytes hold. A filler of F tells itself; one of zero is taken for a digit, unless there would be
/// one too many with it.
pub(super) fn packed_units(layout: Layout, filler: Filler, wire: &[u8], len: usize) -> usize {
    let digits = 2 * len;
    let filled = match (filler, wire) {
        (Filler::RightF, [.., last]) => last & 0x0F == 0x0F,
        (Filler::LeftF, [first, ..]) => first >> 4 == 0x0F,
        _ => digits == usize::from(layout.max) + 1,
    };
    digits - usize::from(filled)
}

/// The number in a length field that holds one.
pub(super) fn number(prefix: Prefix, field: &[u8]) -> usize {
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
    if layout.counts_units() {
        return Some((number(layout.prefix, field), wire));
    }
    let (units, _, wire) = measure(layout, whole).ok()?;
    Some((units, wire))
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
        Form::Zoned(alphabet) => {
            if let [digits @ .., last] = wire {
                let (sign, last) = zoned_last(alphabet, *last).unwrap_or((b'C', b'0'));
                out.push(sign);
                out.extend(digits.iter().map(|digit| b'0' + (digit & 15)));
                out.push(last);
            }
        }
        Form::Hex(Alphabet::Ascii) => out.extend(wire.chunks(2).map(hex_byte)),
        Form::Hex(Alphabet::Ebcdic) => out.extend(wire.chunks(2).map(ebcdic_hex_byte)),
        Form::Ebcdic(page, _) => {
            out.extend(wire.iter().map(|byte| translated(page.characters(), *byte)));
        }
        _ => out.extend_from_slice(wire),
    }
}

/// Sign and digit of the last byte of a zoned amount; none if it is no such byte.
pub(super) const fn zoned_last(alphabet: Alphabet, byte: u8) -> Option<(u8, u8)> {
    // In ASCII the bytes are the characters that EBCDIC has at C0 to C9 and D0 to D9.
    let zoned = match (alphabet, byte) {
        (Alphabet::Ebcdic, byte) => byte,
        (Alphabet::Ascii, b'{') => 0xC0,
        (Alphabet::Ascii, b'}') => 0xD0,
        (Alphabet::Ascii, b'A'..=b'I') => byte - b'A' + 0xC1,
        (Alphabet::Ascii, b'J'..=b'R') => byte - b'J' + 0xD1,
        _ => 0,
    };
    match zoned {
        0xC0..=0xC9 => Some((b'C', b'0' + (zoned & 15))),
        0xD0..=0xD9 => Some((b'D', b'0' + (zoned & 15))),
        _ => None,
    }
}

/// The last byte of a zoned amount.
const fn zoned_byte(alphabet: Alphabet, sign: u8, digit: u8) -> u8 {
    let digit = digit & 15;
    match (alphabet, sign) {
        (Alphabet::Ebcdic, b'D') => 0xD0 + digit,
        (Alphabet::Ebcdic, _) => 0xC0 + digit,
        (Alphabet::Ascii, b'D') if digit == 0 => b'}',
        (Alphabet::Ascii, b'D') => b'J' - 1 + digit,
        (Alphabet::Ascii, _) if digit == 0 => b'{',
        (Alphabet::Ascii, _) => b'A' - 1 + digit,
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
    if let (1, Filler::LeftZero | Filler::LeftF, [low, rest @ ..]) =
        (places.len() % 2, filler, wire)
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
    (spread(packed) | 0x3030_3030_3030_3030).to_be_bytes()
}

/// Each nibble as a byte of its own, the first as the highest.
const fn spread(packed: [u8; 4]) -> u64 {
    let packed = u32::from_be_bytes(packed) as u64;
    let pairs = (packed | packed << 16) & 0x0000_FFFF_0000_FFFF;
    let bytes = (pairs | pairs << 8) & 0x00FF_00FF_00FF_00FF;
    (bytes | bytes << 4) & 0x0F0F_0F0F_0F0F_0F0F
}

/// The hexadecimal digits of four bytes, in capitals.
pub(super) const fn hex_digits(bytes: [u8; 4]) -> [u8; 8] {
    let nibbles = spread(bytes);
    // Six more than ten carries into the next nibble; letters begin seven behind the digits.
    let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    (nibbles + 0x3030_3030_3030_3030 + 7 * letters).to_be_bytes()
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
            prefix_digits(prefix, layout.counted(value.len()), out);
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
    if let Form::Zoned(alphabet) = layout.form {
        pack_zoned(alphabet, sign.unwrap_or(b'C'), zeros, value, out);
        return Ok(());
    }
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
        Form::Hex(Alphabet::Ebcdic) => CodePage::Cp037,
        _ => return Ok(()),
    };
    translate(page, out.get_mut(start..).unwrap_or_default());
    Ok(())
}

/// Appends zeros and digits, a byte each, the sign in the last.
fn pack_zoned(alphabet: Alphabet, sign: u8, zeros: usize, value: &[u8], out: &mut Vec<u8>) {
    let zone = match alphabet {
        Alphabet::Ascii => 0x30,
        Alphabet::Ebcdic => 0xF0,
    };
    out.extend(std::iter::repeat_n(zone, zeros));
    out.extend(value.iter().map(|digit| zone | digit & 15));
    if let (Some(last), 1..) = (out.last_mut(), zeros + value.len()) {
        *last = zoned_byte(alphabet, sign, *last);
    }
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
    let on_left = matches!(filler, Filler::LeftZero | Filler::LeftF);
    let left = zeros + if on_left { odd } else { 0 };
    let start = out.len();
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
    if let (Filler::LeftF, 1, Some(first)) = (filler, odd, out.get_mut(start)) {
        *first |= 0xF0;
    }
}

/// Appends a length field; the dialect's check has seen that the longest value fits it.
pub(super) fn prefix_digits(prefix: Prefix, len: usize, out: &mut Vec<u8>) {
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
        Form::Signed | Form::PackedSigned(_) | Form::Zoned(_) => Content::Signed,
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
