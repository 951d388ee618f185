//! One clearing record as bytes: type, sixteen bytes of bitmap, elements in ascending order; knows nothing
//! of what a record is for.

use std::fmt;

use super::Charset;
use super::text::decimal;
use crate::iso::{ElementNo, ElementSet, Elements};

/// A record of a clearing file: its values in latin-1, but for ICC data in 55, which is bytes. Not to be shown: it is
/// full of card numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct IpmRecord {
    /// Four digits.
    pub mti: [u8; 4],
    /// Its elements, 2 to 127.
    pub elements: Elements,
}

/// Why bytes are no clearing record. Names places, never values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element {element}, byte {offset}: {fault}")]
pub struct BadIpm {
    /// Which element; 0 for the message type, 1 for the bitmap.
    pub element: u8,
    /// Where in the record.
    pub offset: usize,
    /// What is wrong.
    pub fault: &'static str,
}

/// How long an element is, and how its length is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Always this many characters.
    Fixed(usize),
    /// Two digits of length, and up to this many characters.
    Two(usize),
    /// Three digits of length, and up to this many characters.
    Three(usize),
}

/// Appends a record, its texts in characters that every reader can tell. An element that the table does not know, that is
/// empty or that does not fit its place is named instead: readers would cut it silently.
pub(super) fn write(
    mti: [u8; 4],
    elements: &Elements,
    charset: Charset,
    out: &mut Vec<u8>,
) -> Result<(), ElementNo> {
    put((mti, elements), out, |text, out| charset.write(text, out))
}

/// Appends a record as it is, character by character. Else as `write`.
pub fn rewrite(record: &IpmRecord, charset: Charset, out: &mut Vec<u8>) -> Result<(), ElementNo> {
    put((record.mti, &record.elements), out, |text, out| charset.put(text, out))
}

fn put(
    (mti, elements): ([u8; 4], &Elements),
    out: &mut Vec<u8>,
    characters: impl Fn(&[u8], &mut Vec<u8>),
) -> Result<(), ElementNo> {
    characters(&mti, out);
    let [first, second, _] = elements.present().bitmaps();
    // Bit 1 says that the second half of the bitmap is there; it always is.
    out.extend_from_slice(&(first | 1 << 63).to_be_bytes());
    out.extend_from_slice(&second.to_be_bytes());
    for (no, value) in elements.iter() {
        let len = value.len();
        match shape(no) {
            Some(Shape::Fixed(fixed)) if len == fixed => {}
            Some(Shape::Two(max)) if (1..=max).contains(&len) => {
                characters(&decimal::<2>(u64::try_from(len).unwrap_or(0)), out);
            }
            Some(Shape::Three(max)) if (1..=max).contains(&len) => {
                characters(&decimal::<3>(u64::try_from(len).unwrap_or(0)), out);
            }
            _ => return Err(no),
        }
        if no == ICC {
            out.extend_from_slice(value);
        } else {
            characters(value, out);
        }
    }
    Ok(())
}

/// Reads a record. What is behind its last element belongs to nothing, and so the whole is none.
pub fn read(bytes: &[u8], charset: Charset) -> Result<IpmRecord, BadIpm> {
    let bad = |element, rest: &[u8], fault| {
        let offset = bytes.len().saturating_sub(rest.len());
        Err(BadIpm { element, offset, fault })
    };
    let Some((mti, rest)) = bytes.split_first_chunk::<4>() else {
        return bad(0, bytes, "it ends within the message type");
    };
    let mut room = Vec::new();
    let mti = charset.read(mti, &mut room);
    let mti = mti.first_chunk::<4>().filter(|mti| mti.iter().all(u8::is_ascii_digit));
    let Some(mti) = mti.copied() else {
        return bad(0, bytes, "the message type is no four digits of this character set");
    };
    let Some((bitmap, mut rest)) = rest.split_first_chunk::<16>() else {
        return bad(1, rest, "it ends within the bitmap, which is sixteen bytes");
    };
    let [first, second] = halves(*bitmap);
    if first >> 63 == 0 {
        return bad(1, rest, "bit 1 of the bitmap is not set: the second half is always there");
    }
    // Each value has two bytes of length beside it, which in the record are there only where it varies.
    let mut elements = Elements::with_capacity(rest.len() + 32);
    for no in ElementSet::from_bitmaps([first & !(1 << 63), second, 0]).iter() {
        let Some(shape) = shape(no) else {
            return bad(no.get(), rest, "no clearing record has this element");
        };
        let Some((value, tail)) = shape.split(rest, charset) else {
            return bad(no.get(), rest, "its length is no number, or more than is left or allowed");
        };
        if no == ICC {
            elements.set(no, value);
        } else {
            elements.set(no, charset.read(value, &mut room));
        }
        rest = tail;
    }
    if !rest.is_empty() {
        return bad(128, rest, "bytes behind the last element");
    }
    Ok(IpmRecord { mti, elements })
}

fn halves(bitmap: [u8; 16]) -> [u64; 2] {
    let both = u128::from_be_bytes(bitmap).to_be_bytes();
    let (halves, _) = both.as_chunks::<8>();
    let [first, second] = halves else { return [0; 2] };
    [u64::from_be_bytes(*first), u64::from_be_bytes(*second)]
}

/// How an element is written; none for one that no clearing record has.
pub fn shape(no: ElementNo) -> Option<Shape> {
    SHAPE.get(usize::from(no.get())).copied().flatten()
}

impl Shape {
    /// A value of this shape, and what is behind it.
    fn split(self, bytes: &[u8], charset: Charset) -> Option<(&[u8], &[u8])> {
        let (digits, max) = match self {
            Self::Fixed(len) => return bytes.split_at_checked(len),
            Self::Two(max) => (2, max),
            Self::Three(max) => (3, max),
        };
        let (length, rest) = bytes.split_at_checked(digits)?;
        let len =
            length.iter().try_fold(0, |len, digit| Some(len * 10 + charset.digit(*digit)?))?;
        if (1..=max).contains(&len) { rest.split_at_checked(len) } else { None }
    }
}

/// For people: `12 characters`, `1 to 19 characters`.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(len) => write!(f, "{len} characters"),
            Self::Two(max) | Self::Three(max) => write!(f, "1 to {max} characters"),
        }
    }
}

/// Private data subelements: tag, length and value of each, as the value of one element. Tags ascend.
pub(super) fn subelements(parts: &[(u16, &[u8])]) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    for (tag, part) in parts {
        value.extend_from_slice(&decimal::<4>(u64::from(*tag)));
        value.extend_from_slice(&decimal::<3>(u64::try_from(part.len()).unwrap_or(0)));
        value.extend_from_slice(part);
    }
    value
}

/// Tag and value of each subelement of a container; none when it does not consist of such, or has one twice.
pub fn parts(value: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u16>().ok();
    let mut parts: Vec<(u16, &[u8])> = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let (head, tail) = rest.split_first_chunk::<7>()?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let (tag, len) = head.split_at(4);
        let (tag, len) = (number(tag)?, number(len)?);
        let (part, tail) = tail.split_at_checked(usize::from(len))?;
        if parts.iter().any(|(known, _)| *known == tag) {
            return None;
        }
        parts.push((tag, part));
        rest = tail;
    }
    Some(parts)
}

impl IpmRecord {
    /// A private data subelement, in whichever container it is.
    pub fn part(&self, tag: u16) -> Option<&[u8]> {
        CONTAINERS
            .iter()
            .filter_map(|no| parts(self.elements.get(*no)?))
            .find_map(|parts| parts.iter().find(|(known, _)| *known == tag).map(|(_, part)| *part))
    }
}

/// The elements that hold private data subelements, in the order in which they are filled.
pub const CONTAINERS: [ElementNo; 5] = [
    ElementNo::of(48),
    ElementNo::of(62),
    ElementNo::of(123),
    ElementNo::of(124),
    ElementNo::of(125),
];

/// ICC data: bytes in either character set, behind a length in characters.
pub const ICC: ElementNo = ElementNo::of(55);

/// The elements of clearing records. We write some of them; the others come in files of others.
const SHAPES: [(u8, Shape); 45] = [
    (2, Shape::Two(19)),
    (3, Shape::Fixed(6)),
    (4, Shape::Fixed(12)),
    (5, Shape::Fixed(12)),
    (6, Shape::Fixed(12)),
    (9, Shape::Fixed(8)),
    (10, Shape::Fixed(8)),
    (12, Shape::Fixed(12)),
    (14, Shape::Fixed(4)),
    (22, Shape::Fixed(12)),
    (23, Shape::Fixed(3)),
    (24, Shape::Fixed(3)),
    (25, Shape::Fixed(4)),
    (26, Shape::Fixed(4)),
    (30, Shape::Fixed(24)),
    (31, Shape::Two(23)),
    (32, Shape::Two(11)),
    (33, Shape::Two(11)),
    (37, Shape::Fixed(12)),
    (38, Shape::Fixed(6)),
    (40, Shape::Fixed(3)),
    (41, Shape::Fixed(8)),
    (42, Shape::Fixed(15)),
    (43, Shape::Two(99)),
    (48, Shape::Three(999)),
    (49, Shape::Fixed(3)),
    (50, Shape::Fixed(3)),
    (51, Shape::Fixed(3)),
    (54, Shape::Three(240)),
    (55, Shape::Three(255)),
    (62, Shape::Three(999)),
    (63, Shape::Three(16)),
    (71, Shape::Fixed(8)),
    (72, Shape::Three(999)),
    (73, Shape::Fixed(6)),
    (93, Shape::Two(11)),
    (94, Shape::Two(11)),
    (95, Shape::Two(10)),
    (100, Shape::Two(11)),
    (105, Shape::Three(999)),
    (111, Shape::Three(12)),
    (123, Shape::Three(999)),
    (124, Shape::Three(999)),
    (125, Shape::Three(999)),
    (127, Shape::Three(999)),
];

/// The same by number.
#[expect(clippy::indexing_slicing, reason = "it is done while compiling")]
const SHAPE: [Option<Shape>; 129] = {
    let mut shapes = [None; 129];
    let mut at = 0;
    while at < SHAPES.len() {
        let (no, shape) = SHAPES[at];
        shapes[no as usize] = Some(shape);
        at += 1;
    }
    shapes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_written_as_others_write_it() {
        let mut elements = Elements::default();
        elements.set(ElementNo::of(24), b"697");
        let parts: [(u16, &[u8]); 2] = [(105, b"0022611220000001234500001"), (122, b"T")];
        elements.set(ElementNo::of(48), &subelements(&parts));
        elements.set(ElementNo::of(71), b"00000001");
        let mut out = Vec::new();
        write(*b"1644", &elements, Charset::Latin1, &mut out).unwrap();
        // The bytes that cardutil 0.7.3 writes for the same values.
        let bitmap = [0x80, 0, 1, 0, 0, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
        let text = b"697040010502500226112200000012345000010122001T00000001";
        assert_eq!(out, [&b"1644"[..], &bitmap, text].concat());
        out.clear();
        write(*b"1644", &elements, Charset::Cp500, &mut out).unwrap();
        assert_eq!(
            (&out[..4], &out[4..20], out.len()),
            (&[0xf1, 0xf6, 0xf4, 0xf4][..], &bitmap[..], 74)
        );
    }

    #[test]
    fn what_is_written_is_read_in_either_set() {
        let mut elements = Elements::default();
        for (no, value) in [
            (2, &b"5413330000000001"[..]),
            (3, b"000000"),
            (43, b"Caf\xe9 [1]!\\ \\Bonn\\          NRWDEU"),
            (48, b"01220011"),
            (55, &[0x9f, 0x26, 0x01, 0x00, 0xff]),
            (127, b"x"),
        ] {
            elements.set(ElementNo::of(no), value);
        }
        let record = IpmRecord { mti: *b"1240", elements };
        for charset in [Charset::Latin1, Charset::Cp500] {
            let mut out = Vec::new();
            rewrite(&record, charset, &mut out).unwrap();
            assert!(read(&out, charset) == Ok(record.clone()), "{charset:?}");
            for cut in 0..out.len() {
                assert!(read(&out[..cut], charset).is_err(), "{charset:?} {cut}");
            }
            out.push(0x40);
            let behind = BadIpm {
                element: 128,
                offset: out.len() - 1,
                fault: "bytes behind the last element",
            };
            assert!(read(&out, charset) == Err(behind));
        }
        assert!(record.part(122) == Some(b"1") && record.part(105).is_none());
    }

    #[test]
    fn what_is_no_record_says_where() {
        let mut record = b"1240\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        assert!(read(&record, Charset::Latin1).is_ok());
        let at = |bytes: &[u8]| {
            read(bytes, Charset::Latin1).map_err(|bad| (bad.element, bad.offset)).err()
        };
        record[4] = 0;
        assert_eq!(at(&record), Some((1, 20)), "without bit 1");
        record[4] = 0xc0;
        assert_eq!(at(&record), Some((2, 20)), "without its element");
        assert_eq!(at(&[&record[..], b"x6"].concat()), Some((2, 20)));
        assert_eq!(at(&[&record[..], b"00"].concat()), Some((2, 20)), "empty");
        assert_eq!(at(&[&record[..], b"20", &[b'1'; 20]].concat()), Some((2, 20)), "too long");
        record[4] = 0x81;
        assert_eq!(at(&[&record[..], b"1"].concat()), Some((8, 20)), "an element of no record");
        record[0] = 0xf1;
        assert_eq!(at(&record), Some((0, 0)));
    }

    #[test]
    fn a_container_is_its_parts_or_is_none() {
        assert_eq!(parts(b"01220011"), Some(vec![(122, &b"1"[..])]));
        assert_eq!(parts(b""), Some(vec![]));
        for none in [&b"0122"[..], b"0122002x", b"0122x011", b"0122001101220011", b"012200"] {
            assert_eq!(parts(none), None, "{none:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (no, value) in
            [(2, ""), (2, "12345678901234567890"), (4, "1234567890123"), (3, "00"), (39, "00")]
        {
            let mut elements = Elements::default();
            elements.set(ElementNo::of(no), value.as_bytes());
            let written = write(*b"1240", &elements, Charset::Latin1, &mut Vec::new());
            assert_eq!(written, Err(ElementNo::of(no)));
        }
    }
}
