//! One clearing record as bytes: type, sixteen bytes of bitmap, elements in ascending order; knows nothing
//! of what a record is for.

use super::Charset;
use crate::iso::{ElementNo, Elements};

/// How long an element is, and how its length is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Always this many characters.
    Fixed(usize),
    /// Two digits of length, and up to this many characters.
    Two(usize),
    /// Three digits of length, and up to this many characters.
    Three(usize),
}

/// Appends a record. An element that the table does not know, that is empty or that does not fit its
/// place is named instead: readers would cut it silently.
pub(super) fn write(
    mti: [u8; 4],
    elements: &Elements,
    charset: Charset,
    out: &mut Vec<u8>,
) -> Result<(), ElementNo> {
    charset.write(&mti, out);
    let [first, second, _] = elements.present().bitmaps();
    // Bit 1 says that the second half of the bitmap is there; it always is.
    out.extend_from_slice(&(first | 1 << 63).to_be_bytes());
    out.extend_from_slice(&second.to_be_bytes());
    for (no, value) in elements.iter() {
        let len = value.len();
        let shape = SHAPES.iter().find(|(known, _)| *known == no.get()).map(|(_, shape)| *shape);
        match shape {
            Some(Shape::Fixed(fixed)) if len == fixed => {}
            Some(Shape::Two(max)) if (1..=max).contains(&len) => {
                charset.write(format!("{len:02}").as_bytes(), out);
            }
            Some(Shape::Three(max)) if (1..=max).contains(&len) => {
                charset.write(format!("{len:03}").as_bytes(), out);
            }
            _ => return Err(no),
        }
        charset.write(value, out);
    }
    Ok(())
}

/// Private data subelements: tag, length and value of each, as the value of one element. Tags ascend.
pub(super) fn subelements(parts: &[(u16, &[u8])]) -> Vec<u8> {
    let mut value = Vec::with_capacity(64);
    for (tag, part) in parts {
        value.extend_from_slice(format!("{tag:04}{:03}", part.len()).as_bytes());
        value.extend_from_slice(part);
    }
    value
}

/// The elements that we write.
const SHAPES: [(u8, Shape); 22] = [
    (2, Shape::Two(19)),
    (3, Shape::Fixed(6)),
    (4, Shape::Fixed(12)),
    (12, Shape::Fixed(12)),
    (14, Shape::Fixed(4)),
    (22, Shape::Fixed(12)),
    (23, Shape::Fixed(3)),
    (24, Shape::Fixed(3)),
    (26, Shape::Fixed(4)),
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
    (71, Shape::Fixed(8)),
    (94, Shape::Two(11)),
];

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
