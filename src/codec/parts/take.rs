//! Heads, tags and values of parts, at the front of what is left.

use super::{
    Alphabet, CodePage, Content, Fault, Form, Length, LengthCoding, Row, TagCoding, Tagged, value,
};
use crate::codec::{check, walk};
use crate::dialect::Layout;

/// How many bytes a part's head, its value and its end take.
pub(super) struct Taken {
    pub(super) head: usize,
    pub(super) len: usize,
    pub(super) tail: usize,
}

/// A part's plain value, and whether it lies on the wire as it is.
pub(super) struct Unpacked {
    pub(super) plain: Vec<u8>,
    pub(super) in_place: bool,
}

/// A part that says its own length.
pub(super) fn part(row: &Row, rest: &[u8]) -> Result<Taken, Fault> {
    let layout = layout(row)?;
    let (head, len, tail) = match row.length {
        Length::Fixed => (0, usize::from(layout.wire), 0),
        Length::Rest => (0, rest.len(), 0),
        Length::Until(end) => {
            let len = rest.iter().position(|byte| *byte == end).ok_or(Fault::Unended)?;
            (0, len, 1)
        }
        Length::Prefixed { .. } => {
            let (_, len, behind) = value::measure(layout, rest)?;
            (rest.len() - behind.len(), len, 0)
        }
    };
    if rest.len() < head + len + tail {
        Err(Fault::Truncated)
    } else {
        Ok(Taken { head, len, tail })
    }
}

/// The plain value of a part whose bytes these are, if it is as the row says.
pub(super) fn unpacked(row: &Row, wire: &[u8]) -> Result<Unpacked, Fault> {
    let layout = layout(row)?;
    let max = usize::from(layout.max);
    let units = match row.length {
        Length::Fixed if wire.len() != usize::from(layout.wire) => {
            return Err(Fault::TooShort { len: wire.len(), fixed: usize::from(layout.wire) });
        }
        Length::Fixed => max,
        _ => units(layout, wire)?,
    };
    if max < units {
        return Err(Fault::TooLong { len: units, max });
    }
    if !walk::is_right(layout.form, units, wire) {
        return Err(Fault::Content(value::content(layout.form)));
    }
    let mut plain = Vec::with_capacity(units);
    value::unpack(layout.form, units, wire, &mut plain);
    Ok(Unpacked { plain, in_place: layout.form.is_in_place() })
}

fn layout(row: &Row) -> Result<Layout, Fault> {
    // The dialect's check has seen that there is one.
    row.layout().ok_or(Fault::Undefined)
}

/// How many units these bytes are.
fn units(layout: Layout, wire: &[u8]) -> Result<usize, Fault> {
    let len = wire.len();
    match layout.form {
        Form::PackedDigits(filler) | Form::PackedTrack(filler) => {
            Ok(value::packed_units(layout, filler, wire, len))
        }
        Form::PackedSigned(_) => Ok(if len == 0 { 0 } else { 2 * len - 1 }),
        Form::Hex(_) if !len.is_multiple_of(2) => Err(Fault::HalfByte { len }),
        Form::Hex(_) => Ok(len / 2),
        Form::Zoned(_) => Ok(if len == 0 { 0 } else { len + 1 }),
        _ => Ok(len),
    }
}

/// Whether a bit of a bitmap is set; bit 0 is the first.
pub(super) fn bit(hex: bool, field: &[u8], bit: usize) -> bool {
    let (width, digit) = if hex {
        (4, field.get(bit / 4).map(|digit| value::nibble(*digit)))
    } else {
        (8, field.get(bit / 8).copied())
    };
    digit.is_some_and(|digit| digit >> (width - 1 - bit % width) & 1 == 1)
}

/// The tag and length at the front: the tag as people write it, how many bytes both take, and the length of the value.
pub(super) fn tag(tagged: Tagged, rest: &[u8]) -> Result<(String, usize, usize), Fault> {
    let (tag_width, length_width) =
        (usize::from(tagged.tag_width), usize::from(tagged.length_width));
    let head = tag_width + length_width;
    let field = rest.get(..head).ok_or(Fault::Truncated)?;
    let (first, second) =
        field.split_at(if tagged.length_first { length_width } else { tag_width });
    let (tag, length) = if tagged.length_first { (second, first) } else { (first, second) };
    let mut counted = 0;
    if tagged.counts_tag {
        counted += tag_width;
    }
    if tagged.counts_itself {
        counted += length_width;
    }
    let len = number(tagged.length, length)?;
    let len = len.checked_sub(counted).ok_or(Fault::LengthShort { counted: len })?;
    Ok((key(tagged.tag, tag)?, head, len))
}

/// The number in a length field.
fn number(coding: LengthCoding, field: &[u8]) -> Result<usize, Fault> {
    let width = u8::try_from(field.len()).unwrap_or(u8::MAX);
    let prefix = coding.prefix(width);
    value::is_length(prefix, field).then(|| value::number(prefix, field)).ok_or(Fault::LengthDigits)
}

/// A tag as people write it.
fn key(coding: TagCoding, tag: &[u8]) -> Result<String, Fault> {
    let hex = |byte: &u8| [byte >> 4, byte & 15].map(|nibble| char::from(value::hex_digit(nibble)));
    match coding {
        TagCoding::Characters(alphabet) => {
            let character = |byte: &u8| match alphabet {
                Alphabet::Ascii => *byte,
                Alphabet::Ebcdic => value::translated(CodePage::Cp037.characters(), *byte),
            };
            let letters: Vec<u8> = tag.iter().map(character).collect();
            // A path could not name one with a dot, nor one with the sign before a number.
            let right = letters
                .iter()
                .all(|letter| (b' '..=b'~').contains(letter) && !matches!(letter, b'.' | b'#'));
            if right {
                Ok(letters.into_iter().map(char::from).collect())
            } else {
                Err(Fault::Content(Content::Text))
            }
        }
        TagCoding::Bcd if !check::packed(tag) => Err(Fault::Content(Content::Digits)),
        TagCoding::Bcd | TagCoding::Binary => Ok(tag.iter().flat_map(hex).collect()),
    }
}

/// How many bytes the header of all tokens takes: `& `, how many tokens there are with it, how many bytes.
pub(super) const TOKEN_HEADER: usize = 12;

/// How many bytes precede each token's value: `! `, its name, its length, a blank.
pub(super) const TOKEN_HEAD: usize = 10;

/// How many tokens there are, the header among them, and how many bytes they take with it.
pub(super) fn token_header(rest: &[u8]) -> Result<(usize, usize), Fault> {
    let header: &[u8; TOKEN_HEADER] = rest.first_chunk().ok_or(Fault::Truncated)?;
    let [b'&', b' ', digits @ ..] = header else { return Err(Fault::Disagrees) };
    let (count, total) = digits.split_at(5);
    Ok((number(LengthCoding::Ascii, count)?, number(LengthCoding::Ascii, total)?))
}

/// The name and the length of the token at the front.
pub(super) fn token(rest: &[u8]) -> Result<(String, usize), Fault> {
    let head: &[u8; TOKEN_HEAD] = rest.first_chunk().ok_or(Fault::Truncated)?;
    let [b'!', b' ', first, second, digits @ .., b' '] = head else { return Err(Fault::Disagrees) };
    let name = key(TagCoding::Characters(Alphabet::Ascii), &[*first, *second])?;
    Ok((name, number(LengthCoding::Ascii, digits)?))
}
