//! Where in a message the first wrong byte is, what was expected there, and which bytes around it may be shown.

use std::mem::discriminant;
use std::sync::Arc;

use bytes::Bytes;

use super::sheet::{self, Columns};
use super::{explain, meaning, show};
use crate::codec::{self, DecodeError, Fault, Salvaged};
use crate::dialect::{BitmapCoding, Content, Dialect};
use crate::iso::{ElementNo, ElementSet, Mti};

/// The first wrong byte, and how many belong to what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) len: usize,
}

/// Finds the first wrong byte of a message with this fault.
pub(super) fn place(dialect: &Arc<Dialect>, body: &Bytes, error: &DecodeError) -> Wrong {
    let start = error.offset;
    let prefix = element(error).map_or(0, |no| explain::prefix_width(dialect, no));
    let end = match error.fault {
        Fault::Mti => explain::mti_width(dialect),
        Fault::Bitmap => start + bitmap_width(dialect),
        Fault::LengthDigits => start + prefix,
        Fault::Content(_) => {
            let layout = element(error).and_then(|no| dialect.layout(no));
            let longest = layout.map_or(0, |layout| usize::from(layout.wire));
            return searched(dialect, body, error, (start + prefix, start + prefix + longest));
        }
        Fault::Truncated => return Wrong { at: body.len(), len: 1 },
        Fault::TooLong { .. } | Fault::HalfByte { .. } | Fault::LengthShort { .. } => {
            return Wrong { at: start, len: prefix.max(1) };
        }
        Fault::SecondBitmap
        | Fault::Undefined
        | Fault::NoCounterpart
        | Fault::TooShort { .. }
        | Fault::Trailing { .. }
        | Fault::Missing
        | Fault::Forbidden
        | Fault::Unended
        | Fault::Disagrees
        | Fault::TooDeep => return Wrong { at: start, len: 1 },
    };
    searched(dialect, body, error, (start, end))
}

/// Finds the first wrong byte between two places by what the codec itself says: as much of the bytes is right as can
/// stand before others that are right, with the same fault gone.
fn searched(
    dialect: &Arc<Dialect>,
    body: &Bytes,
    error: &DecodeError,
    (start, end): (usize, usize),
) -> Wrong {
    let end = end.min(body.len());
    let is_right = |upto: &usize| {
        RIGHT.iter().any(|right| {
            // What stands behind cannot matter.
            let mut tried = body.get(..end).unwrap_or_default().to_vec();
            tried.get_mut(*upto..).unwrap_or_default().fill(*right);
            let again = codec::decode(dialect, Bytes::from(tried)).err();
            !again.is_some_and(|again| {
                (again.element, again.offset) == (error.element, error.offset)
                    && discriminant(&again.fault) == discriminant(&error.fault)
            })
        })
    };
    let ends: Vec<usize> = (start + 1..=end).collect();
    let right = ends.partition_point(is_right);
    Wrong { at: if right == ends.len() { start } else { start + right }, len: 1 }
}

/// Bytes of which at least one is right in every content and coding: a zero and a blank in ASCII and in EBCDIC.
/// Two packed digits have the ASCII zero too.
const RIGHT: [u8; 4] = [b'0', 0xF0, b' ', 0x40];

/// Whether all bytes of the message are right, and only the choice of its elements is not.
pub(super) const fn is_whole(error: &DecodeError) -> bool {
    matches!(error.fault, Fault::Missing | Fault::Forbidden)
}

fn element(error: &DecodeError) -> Option<ElementNo> {
    error.element.and_then(|no| ElementNo::new(no).ok())
}

pub(super) fn bitmap_width(dialect: &Dialect) -> usize {
    if dialect.bitmap() == BitmapCoding::Binary { 8 } else { 16 }
}

/// Which bytes of a message with a fault may be shown. Nobody knows what its bytes are, not even those before the fault:
/// a bit too many in a bitmap, and a piece of a track is read as a date. So that no values are shown, but what is wrong
/// in one byte, and what tells where values lie: MTI, bitmaps and length fields.
pub(super) struct Visible<'a> {
    pub(super) read: &'a Salvaged,
    pub(super) dialect: &'a Dialect,
    pub(super) error: &'a DecodeError,
    /// The first wrong byte.
    pub(super) wrong: usize,
    /// Whether MTI and bitmaps are what they seem.
    pub(super) is_head: bool,
}

/// Whether a message with a fault begins with an MTI that exists. Otherwise it may be anything, cut anywhere: a card number too.
pub(super) fn is_head(dialect: &Dialect, body: &[u8], mti: Mti) -> bool {
    let [_, class, function, origin] = mti.ascii();
    let is_known = meaning::is_edition(mti, dialect)
        && matches!(class, b'1'..=b'8')
        && matches!(function, b'0'..=b'7')
        && matches!(origin, b'0'..=b'5');
    // Cards begin with any digit but 0, and consist of digits.
    is_known && (mti.version() == 0 || !is_decimal_bitmap(dialect, body))
}

/// Whether the first bitmap could as well be decimal digits.
fn is_decimal_bitmap(dialect: &Dialect, body: &[u8]) -> bool {
    let start = explain::mti_width(dialect);
    let bitmap = body.get(start..start + bitmap_width(dialect)).unwrap_or_default();
    let is_low = |byte: &u8| byte & 0x0F < 10;
    match dialect.bitmap() {
        BitmapCoding::Binary => bitmap.iter().all(|byte| is_low(byte) && byte >> 4 < 10),
        BitmapCoding::Hex(_) => {
            bitmap.iter().all(|byte| is_low(byte) && matches!(byte >> 4, 3 | 15))
        }
    }
}

impl Visible<'_> {
    pub(super) fn has(&self, place: usize) -> bool {
        let (start, fault) = (self.error.offset, self.error.fault);
        if place == self.wrong && !is_whole(self.error) {
            return true;
        }
        let begin = self.read.spans.first().map_or(start, |(begin, _)| *begin);
        if !self.is_head && (place < begin || matches!(fault, Fault::Mti | Fault::Bitmap)) {
            return false;
        }
        if place < start {
            return self.is_no_value(place);
        }
        let prefix = element(self.error).map_or(0, |no| explain::prefix_width(self.dialect, no));
        let is_head = matches!(fault, Fault::Mti | Fault::Bitmap);
        place < start + prefix || is_head && place < self.wrong
    }

    /// Whether a byte before the fault is one of MTI, bitmaps or length fields.
    fn is_no_value(&self, place: usize) -> bool {
        let mut elements = self.read.elements.present().iter().zip(&self.read.spans);
        let holds = elements.find(|(_, (start, end))| (*start..*end).contains(&place));
        holds.is_none_or(|(no, (start, _))| place < start + explain::prefix_width(self.dialect, no))
    }
}

/// What was expected, and where to look.
pub(super) fn expected(
    dialect: &Dialect,
    body: &Bytes,
    announced: ElementSet,
    error: &DecodeError,
) -> String {
    let no = element(error);
    let row = no.and_then(|no| dialect.row(no));
    let length = row.map(|row| Columns::of(row).length).unwrap_or_default();
    match error.fault {
        Fault::Truncated => {
            let left = body.len().saturating_sub(error.offset);
            let what = match (error.element, row) {
                (_, Some(row)) => show::notation(row),
                (None, _) => format!("an MTI of {} bytes", explain::mti_width(dialect)),
                _ => format!("a bitmap of {} bytes", bitmap_width(dialect)),
            };
            format!("expected {what}; {left} bytes of it are there")
        }
        Fault::Mti => format!(
            "expected four digits, {}; is this the dialect, and does a length or a TPDU precede the message?",
            sheet::mti(dialect.mti())
        ),
        Fault::Bitmap => {
            String::from("expected 16 hexadecimal digits; is the bitmap written as bytes?")
        }
        Fault::NoCounterpart => error.fault.to_string(),
        Fault::Undefined => format!(
            "{} has no such element: give it a row, or look whether what precedes it is written otherwise",
            dialect.name()
        ),
        Fault::LengthDigits => {
            format!("expected a length field, {length}; is what precedes it written otherwise?")
        }
        Fault::HalfByte { .. } => format!("expected a length field, {length}, with an even number"),
        Fault::TooLong { max, .. } => match row {
            Some(_) => format!(
                "expected a length field, {length}, of at most {max}; is it coded otherwise, or what precedes it?"
            ),
            None => format!("expected a message of at most {max} bytes"),
        },
        Fault::LengthShort { .. } => {
            format!("expected a length field, {length}, that counts itself; or does it not?")
        }
        Fault::SecondBitmap => {
            format!("{} says `second never`; is there a second bitmap?", dialect.name())
        }
        Fault::Missing => {
            String::from("expected the element; or take it out of the dialect's `mandatory` line")
        }
        Fault::Forbidden => String::from(
            "expected no such element; or take it out of the dialect's `forbidden` line",
        ),
        Fault::Unended | Fault::Disagrees | Fault::TooDeep => {
            String::from("expected the parts that the dialect says")
        }
        Fault::TooShort { fixed, .. } => format!("expected a length of {fixed}"),
        Fault::Content(content) => format!("expected {}", consists_of(content)),
        Fault::Trailing { .. } => match announced.iter().last() {
            Some(last) => format!(
                "expected the end of the message behind element {last}, the last one announced",
                last = last.get()
            ),
            None => String::from("expected the end of the message: no elements are announced"),
        },
    }
}

const fn consists_of(content: Content) -> &'static str {
    match content {
        Content::Letters => "letters and blanks",
        Content::Digits => "digits",
        Content::Alphanumeric => "letters, digits and blanks",
        Content::Text => "any characters",
        Content::NumericSpecial => "no letters",
        Content::Track => "digits and separators, = or D",
        Content::Bytes => "bytes, as pairs of hexadecimal digits",
        Content::Signed => "C or D, then digits",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Draft, Message};
    use crate::iso::{Elements, Mti};

    /// One value of each content, as every shipped dialect can write it.
    const VALUES: [(u8, &str); 9] = [
        (2, "5413330000004111"),
        (3, "000000"),
        (22, "051"),
        (28, "C00000012"),
        (32, "12345678901"),
        (34, "123=4"),
        (35, "5413330000004111=29122010000"),
        (37, "632718000123"),
        (90, "020000012311231834000000012345600000000000"),
    ];

    fn messages() -> impl Iterator<Item = (Arc<Dialect>, Message)> {
        Dialect::shipped_names().iter().filter(|name| name.starts_with("iso87-")).map(|name| {
            let dialect = Arc::new(Dialect::shipped(name).unwrap());
            let mut own = Elements::default();
            for (no, value) in VALUES {
                own.set(ElementNo::of(no), value.as_bytes());
            }
            let mut out = Vec::new();
            Draft { mti: Mti::of(200), own: &own, copied: None }
                .encode(&dialect, &mut out)
                .unwrap();
            let message = codec::decode(&dialect, Bytes::from(out)).unwrap();
            (dialect, message)
        })
    }

    fn span(message: &Message, no: ElementNo) -> (usize, usize) {
        message.spans(ElementSet::of(&[no.get()])).next().unwrap()
    }

    /// Where a wrong byte is a fault just there: everywhere but in bitmaps of bytes and in text.
    fn places(dialect: &Dialect, message: &Message) -> Vec<usize> {
        let (first, _) = span(message, ElementNo::PAN);
        let head = if dialect.bitmap() == BitmapCoding::Binary {
            explain::mti_width(dialect)
        } else {
            first
        };
        (0..head).chain(first..message.body().len()).collect()
    }

    #[test]
    fn the_caret_stands_below_each_wrong_byte() {
        let mut tried = 0;
        for (dialect, message) in messages() {
            for at in places(&dialect, &message) {
                let mut body = message.body().to_vec();
                // No digit, no letter, no hexadecimal digit in either alphabet, and no packed digits.
                body[at] = 0xFF;
                let body = Bytes::from(body);
                let Some(error) = codec::decode(&dialect, body.clone()).err() else { continue };
                if matches!(
                    error.fault,
                    Fault::Content(_) | Fault::LengthDigits | Fault::Mti | Fault::Bitmap
                ) {
                    let Wrong { at: found, .. } = place(&dialect, &body, &error);
                    assert_eq!(found, at, "{}: {error}", dialect.name());
                    tried += 1;
                }
            }
        }
        assert!(tried > 500, "only {tried}");
    }

    #[test]
    fn no_byte_of_a_value_is_shown_but_the_wrong_one() {
        let mut tried = 0;
        for (dialect, message) in messages() {
            let broken = |at: usize| {
                let mut body = message.body().to_vec();
                body[at] = 0xFF;
                Bytes::from(body)
            };
            let places = places(&dialect, &message);
            let cut = (0..message.body().len()).map(|at| message.body().slice(..at));
            let long = Bytes::from([&message.body()[..], b"5413330000004111"].concat());
            for body in places.into_iter().map(broken).chain(cut).chain([long]) {
                // Content ns takes any byte that is no letter.
                let Err(error) = codec::decode(&dialect, body.clone()) else { continue };
                tried += 1;
                let wrong = place(&dialect, &body, &error).at;
                let read = &error.salvaged;
                let visible =
                    Visible { read, dialect: &dialect, error: &error, wrong, is_head: true };
                for no in message.present().iter() {
                    let (start, end) = span(&message, no);
                    let value = start + explain::prefix_width(&dialect, no)..end;
                    let shown: Vec<_> = value.filter(|place| visible.has(*place)).collect();
                    let other = shown.iter().any(|place| *place != wrong);
                    assert!(!other, "{}: shows {shown:?}: {error}", dialect.name());
                }
            }
        }
        assert!(tried > 1000, "only {tried}");
    }
}
