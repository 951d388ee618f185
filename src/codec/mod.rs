//! Bytes to messages and back, by a dialect; knows no links and no money.

mod check;
mod draft;
mod fault;
mod fuzz;
mod measure;
mod parts;
mod plain;
mod value;
mod walk;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::dialect::{Dialect, Layout};
use crate::iso::{ElementNo, ElementSet, Elements, Mti};

use self::walk::{Head, Starts, Stop};

pub use draft::Draft;
pub use fault::{DecodeError, EncodeError, Fault, Salvaged};
#[doc(hidden)]
pub use fuzz::fuzz_decode_encode_decode;
pub use parts::{JoinError, JoinFault, Piece, PieceFault, Pieces, join, pieces};
pub use plain::Plain;

/// A message as it came: its bytes, and where each element lies in them.
#[derive(Clone)]
pub struct Message {
    body: Bytes,
    dialect: Arc<Dialect>,
    mti: Mti,
    present: ElementSet,
    starts: Starts,
}

/// Reads a whole message and checks every part of it. Copies nothing; allocates only for an error.
pub fn decode(dialect: &Arc<Dialect>, body: Bytes) -> Result<Message, DecodeError> {
    match walk::head(dialect, &body) {
        Ok(head) => filled(dialect, body, head),
        Err((mti, stop)) => Err(failed(mti, Salvaged::default(), stop)),
    }
}

/// A message by what precedes its elements; made where it is returned and filled there, since it is dear to copy.
fn filled(dialect: &Arc<Dialect>, body: Bytes, head: Head) -> Result<Message, DecodeError> {
    let (mti, present, _) = head;
    let dialect = Arc::clone(dialect);
    let mut result = Ok(Message { body, dialect, mti, present, starts: walk::NOWHERE });
    if let Ok(message) = &mut result {
        let walked = walk::walk(&message.dialect, &message.body, head, &mut message.starts);
        if let Err((read, stop)) = walked {
            let salvaged = message.salvaged(read);
            result = Err(failed(Some(mti), salvaged, stop));
        }
    }
    result
}

/// What is wrong with a message, and what could be read of it.
#[cold]
fn failed(mti: Option<Mti>, salvaged: Salvaged, stop: Stop) -> DecodeError {
    let Stop { element, offset, fault } = stop;
    DecodeError { mti, element, offset, fault, salvaged: Box::new(salvaged) }
}

impl Message {
    /// What it is.
    pub const fn mti(&self) -> Mti {
        self.mti
    }

    /// The elements that it has.
    pub const fn present(&self) -> ElementSet {
        self.present
    }

    /// How it is written.
    pub const fn dialect(&self) -> &Arc<Dialect> {
        &self.dialect
    }

    /// Its bytes, from the MTI on.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// An element's value as it lies on the wire, without its length field.
    pub fn wire(&self, no: ElementNo) -> Option<&[u8]> {
        let (layout, whole) = self.whole(no)?;
        whole.get(layout.prefix.width()..)
    }

    /// An element's plain value; `None` when it is absent.
    #[inline]
    pub fn get(&self, no: ElementNo) -> Option<Plain<'_>> {
        let (layout, whole) = self.whole(no)?;
        Plain::of(layout, whole)
    }

    /// Each element of the set that is present and its plain value, ascending.
    pub fn iter(&self, set: ElementSet) -> impl Iterator<Item = (ElementNo, Plain<'_>)> {
        self.present.and(set).iter().zip(self.spans(set)).filter_map(|(no, (start, end))| {
            Some((no, Plain::of(self.dialect.layout(no)?, self.body.get(start..end)?)?))
        })
    }

    /// Keeps these elements and lets go of all others, in bytes of its own: a message that waits holds neither secrets that
    /// nobody needs any more nor the piece of the stream that it came in. What preceded the elements is gone from its body.
    pub fn reduce(&mut self, to: ElementSet) {
        let mut body = Vec::with_capacity(self.wire_len(to));
        let mut starts = walk::NOWHERE;
        let mut places = starts.iter_mut();
        for (from, to) in self.stretches(to) {
            // What lies side by side stays so; no longer than the body that it is taken from.
            let begins = u16::try_from(body.len()).unwrap_or(u16::MAX);
            let began = self.starts.get(from).copied().unwrap_or_default();
            let here = self.starts.get(from..to).unwrap_or_default();
            for (start, place) in here.iter().zip(places.by_ref()) {
                *place = start - began + begins;
            }
            body.extend_from_slice(self.stretch(from, to));
        }
        if let Some(last) = places.next() {
            *last = u16::try_from(body.len()).unwrap_or(u16::MAX);
        }
        (self.present, self.starts, self.body) = (self.present.and(to), starts, Bytes::from(body));
    }

    /// The plain values of those of the set that are present.
    pub fn elements(&self, set: ElementSet) -> Elements {
        let set = self.present.and(set);
        // Packed digits take twice their bytes, and each value its length.
        let packed = set.and(self.dialect.packed());
        let more = if packed.is_empty() { 0 } else { self.wire_len(packed) };
        let bytes = self.wire_len(set) + more + 2 * set.len() as usize;
        Elements::collect(set, bytes, |no, out| {
            let rank = self.present.rank(no);
            if let Some(layout) = self.dialect.layout(no) {
                unpack(layout, self.stretch(rank, rank + 1), out);
            }
        })
    }

    /// What was read of a message that is wrong behind these elements.
    #[cold]
    fn salvaged(&self, read: ElementSet) -> Salvaged {
        Salvaged {
            elements: self.elements(read),
            spans: self.spans(read).collect(),
            announced: self.present,
        }
    }

    /// Where each element of the set that is present begins and ends in the body, length field included, ascending.
    pub fn spans(&self, set: ElementSet) -> impl Iterator<Item = (usize, usize)> {
        let ends = self.starts.iter().skip(1);
        let spans = self.present.iter().zip(self.starts.iter().zip(ends));
        spans
            .filter(move |(no, _)| set.has(*no))
            .map(|(_, (start, end))| (usize::from(*start), usize::from(*end)))
    }

    /// What lies within an element, where its dialect says so and the message has it.
    pub fn pieces(&self, no: ElementNo) -> Option<Pieces<'_>> {
        let (inside, row) = (self.dialect.inside(no)?, self.dialect.row(no)?);
        Some(pieces(no, inside, row.class, &self.get(no)?))
    }

    /// An element with its length field, as it lies on the wire, and its layout.
    fn whole(&self, no: ElementNo) -> Option<(Layout, &[u8])> {
        let (start, end) = self.span(no)?;
        Some((self.dialect.layout(no)?, self.body.get(start..end)?))
    }

    /// The elements of the set that are present as stretches that lie side by side: from one rank up to another. Of few, each
    /// is one.
    fn stretches(&self, set: ElementSet) -> impl Iterator<Item = (usize, usize)> {
        let present = self.present;
        let set = present.and(set);
        let few = 2 * set.len() < present.len();
        let mut few_of_them = if few { set } else { ElementSet::EMPTY }.iter();
        let mut breaks = if few { ElementSet::EMPTY } else { present.minus(set) }.iter();
        let (mut from, end) = (0, if few { 0 } else { present.len() as usize });
        std::iter::from_fn(move || {
            if let Some(no) = few_of_them.next() {
                let rank = present.rank(no);
                return Some((rank, rank + 1));
            }
            while from < end {
                let to = breaks.next().map_or(end, |no| present.rank(no));
                let stretch = (from, to);
                from = to + 1;
                if stretch.0 < to {
                    return Some(stretch);
                }
            }
            None
        })
    }

    /// How many bytes the elements of the set that are present take.
    fn wire_len(&self, set: ElementSet) -> usize {
        self.stretches(set).map(|(from, to)| self.stretch(from, to).len()).sum()
    }

    /// The bytes of some elements that lie side by side, by their ranks.
    fn stretch(&self, from: usize, to: usize) -> &[u8] {
        let place = |rank| self.starts.get(rank).map(|start| usize::from(*start));
        place(from)
            .zip(place(to))
            .and_then(|(from, to)| self.body.get(from..to))
            .unwrap_or_default()
    }

    /// Where an element begins and ends.
    fn span(&self, no: ElementNo) -> Option<(usize, usize)> {
        if !self.present.has(no) {
            return None;
        }
        let rank = self.present.rank(no);
        let [start, end] = self.starts.get(rank..)?.first_chunk::<2>()?;
        Some((usize::from(*start), usize::from(*end)))
    }
}

/// Appends the plain value of an element that was read before.
#[inline]
fn unpack(layout: Layout, whole: &[u8], out: &mut Vec<u8>) {
    if layout.form.is_plain() {
        out.extend_from_slice(whole.get(layout.prefix.width()..).unwrap_or_default());
    } else if let Some((units, wire)) = value::measured(layout, whole) {
        value::unpack(layout.form, units, wire, out);
    }
}

/// Values may be secrets: the numbers of the elements are shown, and no more.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.mti, self.present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Content;

    const SALE: [(u8, &str); 13] = [
        (2, "5413330000004111"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1123183400"),
        (11, "000123"),
        (22, "051"),
        (32, "12345678901"),
        (35, "5413330000004111=2912201000001234567"),
        (37, "632718000123"),
        (41, "TERM0001"),
        (49, "978"),
        (54, ""),
        (90, "020000012311231834000000012345600000000000"),
    ];

    fn sale(dialect: &Arc<Dialect>) -> Message {
        let mut own = Elements::default();
        for (no, value) in SALE {
            own.set(ElementNo::of(no), value.as_bytes());
        }
        let mut out = Vec::new();
        let mti = Mti::new(200).unwrap();
        Draft { mti, own: &own, copied: None }.encode(dialect, &mut out).unwrap();
        let message = decode(dialect, Bytes::from(out)).unwrap();
        assert_eq!(message.elements(message.present()), own);
        message
    }

    /// Those of the version that the sale is of.
    fn shipped() -> impl Iterator<Item = Arc<Dialect>> {
        let names = Dialect::shipped_names().iter().filter(|name| name.starts_with("iso87-"));
        names.map(|name| Arc::new(Dialect::shipped(name).unwrap()))
    }

    /// Blanks in numeric elements pass, but for amounts and currencies; what is wrong with lengths is wrong all the same.
    #[test]
    fn unchecked_values_are_taken_as_they_come() {
        for shipped in shipped() {
            let text = format!("dialect loose\nextends {}\ncontents unchecked", shipped.name());
            let loose = Arc::new(Dialect::parse(&text).unwrap());
            let message = sale(&shipped);
            for (no, _) in SALE {
                let no = ElementNo::of(no);
                let (start, end) = message.span(no).unwrap();
                let prefix = shipped.layout(no).unwrap().prefix.width();
                let added_up = matches!(no, ElementNo::AMOUNT | ElementNo::CURRENCY)
                    && shipped.row(no).unwrap().content == Content::Digits;
                for at in start..end {
                    let mut body = message.body().to_vec();
                    body[at] = 0xAB;
                    let result = decode(&loose, Bytes::from(body));
                    if at < start + prefix || added_up {
                        assert_eq!(result.unwrap_err().element, Some(no.get()), "{no} at {at}");
                    } else {
                        let taken = result.unwrap();
                        assert!(taken.wire(no).unwrap().contains(&0xAB));
                        assert_eq!(taken.spans(ElementSet::ALL).count(), SALE.len());
                    }
                }
            }
        }
    }

    #[test]
    fn one_wrong_byte_is_found_in_its_element() {
        for dialect in shipped() {
            let message = sale(&dialect);
            for (no, _) in SALE {
                let no = ElementNo::of(no);
                let (start, end) = message.span(no).unwrap();
                let text = matches!(dialect.row(no).unwrap().content, Content::Text);
                let prefix = dialect.layout(no).unwrap().prefix.width();
                for at in start..end {
                    let mut body = message.body().to_vec();
                    body[at] = 0xFF;
                    let result = decode(&dialect, Bytes::from(body));
                    if text && prefix <= at - start {
                        assert!(result.is_ok(), "any text is text");
                        continue;
                    }
                    let error = result.unwrap_err();
                    assert_eq!((error.element, error.offset), (Some(no.get()), start), "{error}");
                    let before = message.present().below(no);
                    let salvaged = Salvaged {
                        elements: message.elements(before),
                        spans: message.spans(before).collect(),
                        announced: message.present(),
                    };
                    assert_eq!(*error.salvaged, salvaged);
                    assert_eq!(error.mti, Some(message.mti()));
                }
            }
        }
    }

    #[test]
    fn a_reduced_message_is_what_is_left_of_it() {
        for dialect in shipped() {
            for set in [
                &[2, 3, 11, 41, 54, 90][..],
                &[3, 4, 11, 22, 32, 37, 41, 49],
                &[2, 3, 4, 7, 11, 22, 32, 37, 41, 49, 54, 90],
                &[2],
                &[90],
                &[],
                &[100],
            ] {
                let (whole, mut reduced) = (sale(&dialect), sale(&dialect));
                let set = ElementSet::of(set);
                reduced.reduce(set);
                assert_eq!(reduced.elements(ElementSet::ALL), whole.elements(set));
                let nothing = Elements::default();
                let [copied, expected] = [&reduced, &whole].map(|message| {
                    let mut out = Vec::new();
                    let copied = Some((message, set));
                    let draft = Draft { mti: whole.mti(), own: &nothing, copied };
                    draft.encode(&dialect, &mut out).unwrap();
                    out
                });
                assert_eq!(copied, expected);
                assert!(!reduced.body().windows(8).any(|bytes| bytes == b"29122010"));
            }
        }
    }

    #[test]
    fn what_a_message_shows_holds_no_value() {
        let dialect = shipped().next().unwrap();
        let message = sale(&dialect);
        assert!(format!("{message:?}").starts_with("0200 {DE 2, DE 3, DE 4,"));
        let cut = decode(&dialect, message.body().slice(..100)).unwrap_err();
        assert!(!format!("{cut} {cut:?}").contains("5413"));
    }

    #[test]
    fn faults_have_their_words() {
        let bcd = Arc::new(Dialect::shipped("iso87-bcd").unwrap());
        let ascii = Arc::new(Dialect::shipped("iso87-ascii").unwrap());
        for (dialect, body, words) in [
            (&bcd, &b""[..], "offset 0: the message ends early"),
            (&bcd, b"\x02\xA0", "offset 0: the MTI is not four digits"),
            (&ascii, b"02000000000000000000x", "offset 20: 1 bytes behind the last element"),
            (
                &ascii,
                b"0200000000000000000G",
                "element 1 at offset 4: the bitmap is not hexadecimal digits",
            ),
            (&ascii, b"02008000000000000000", "element 1 at offset 20: the message ends early"),
            (
                &bcd,
                b"\x02\0\x80\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0",
                "element 65 at offset 18: the dialect has no such element",
            ),
            (
                &bcd,
                b"\x02\0\0\0\0\0\x20\0\0\0\x41",
                "element 35 at offset 10: length 41 exceeds 37",
            ),
            (
                &bcd,
                b"\x02\0\0\0\0\0\x20\0\0\0\x4A",
                "element 35 at offset 10: the length is not digits",
            ),
            (
                &bcd,
                b"\x02\0\x20\0\0\0\0\0\0\0\x12\x34",
                "element 3 at offset 10: the message ends early",
            ),
            (
                &bcd,
                b"\x02\0\x20\0\0\0\0\0\0\0\x12\x34\x5A",
                "element 3 at offset 10: the value is not of content n",
            ),
            (
                &ascii,
                b"02000000000000000200009",
                "element 55 at offset 20: 9 hexadecimal digits are no whole bytes",
            ),
        ] {
            let error = decode(dialect, Bytes::copy_from_slice(body)).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
        let long = decode(&bcd, Bytes::from(vec![0; 70_000])).unwrap_err();
        assert_eq!(long.to_string(), "offset 0: length 70000 exceeds 65534");
    }

    /// A value, what it looks like on the wire, and the row that says so.
    #[test]
    fn each_way_of_writing() {
        for (row, plain, wire) in [
            (
                "n..19 bcd 1 wire bcd rF pan",
                "541333000000411",
                "\x08\x54\x13\x33\x00\x00\x00\x41\x1F",
            ),
            (
                "n..19 bcd 1 wire bcd rF pan",
                "5413330000004111",
                "\x08\x54\x13\x33\x00\x00\x00\x41\x11",
            ),
            ("n..9 ascii 2 even bcd lF -", "123", "04\u{F1}\x23"),
            ("n..9 bcd 1 wire bcd l0 -", "1234", "\x02\x12\x34"),
            ("b..40 bcd 1 nibbles raw -", "AB", "\x04AB"),
            ("ans..90 ascii 2 itself ascii -", "ABC", "05ABC"),
            ("b..90 binary 2 wire itself hex -", "\x12\u{FF}", "\0\x0612FF"),
            ("ans..90 hex 2 ascii -", "0123456789ABCDEF", "100123456789ABCDEF"),
            ("x+n 4 - zoned -", "C0012", "001B"),
            ("x+n 4 - zoned -", "D0010", "001}"),
            ("x+n 4 - zoned-ebcdic -", "D0019", "\u{F0}\u{F0}\u{F1}\u{D9}"),
            ("x+n 4 - zoned-ebcdic -", "C0010", "\u{F0}\u{F0}\u{F1}\u{C0}"),
            ("x+n..8 ascii 2 zoned -", "C7", "02G"),
            ("x+n 3 - bcd lF -", "D123", "D\u{F1}\x23"),
            ("n 3 - bcd lF -", "123", "\u{F1}\x23"),
            ("z..37 bcd 1 bcd lF sensitive", "5=12", "\x04\x5D\x12"),
            ("z..37 bcd 1 bcd lF sensitive", "5=123", "\x05\u{F5}\u{D1}\x23"),
        ] {
            let latin = |text: &str| {
                text.chars().map(|letter| u8::try_from(letter).unwrap()).collect::<Vec<_>>()
            };
            let dialect = one_row(2, row);
            let mut own = Elements::default();
            own.set(ElementNo::PAN, &latin(plain));
            let mut out = Vec::new();
            let mti = Mti::new(200).unwrap();
            Draft { mti, own: &own, copied: None }.encode(&dialect, &mut out).unwrap();
            let wanted = [b"0200\x40\0\0\0\0\0\0\0".to_vec(), latin(wire)].concat();
            // The length counts the sign of a signed number too.
            assert_eq!(out, wanted, "{row}");
            let message = decode(&dialect, Bytes::from(out)).unwrap();
            assert_eq!(&*message.get(ElementNo::PAN).unwrap(), latin(plain), "{row}");
            assert_eq!(message.elements(message.present()), own, "{row}");
        }
    }

    #[test]
    fn lengths_that_cannot_be() {
        for (row, wire, words) in [
            (
                "ans..90 ascii 2 itself ascii -",
                "01",
                "length 1 is shorter than the length field that it counts",
            ),
            ("b..40 bcd 1 nibbles raw -", "\x03AB", "3 hexadecimal digits are no whole bytes"),
            (
                "n..9 ascii 2 even bcd lF -",
                "03\u{F1}\x23",
                "3 hexadecimal digits are no whole bytes",
            ),
            ("n..9 bcd 1 wire bcd rF -", "\x06\x12\x34\x56\x78\x11\x12", "length 6 exceeds 5"),
            ("x+n 4 - zoned -", "0010", "the value is not of content x+n"),
            ("x+n 4 - zoned-ebcdic -", "0010", "the value is not of content x+n"),
            ("n 3 - bcd lF -", "\u{E1}\x23", "the value is not of content n"),
        ] {
            let wire = wire.chars().map(|letter| u8::try_from(letter).unwrap());
            let body: Vec<u8> = b"0200\x40\0\0\0\0\0\0\0".iter().copied().chain(wire).collect();
            let error = decode(&one_row(2, row), Bytes::from(body)).unwrap_err();
            assert_eq!(error.to_string(), format!("element 2 at offset 12: {words}"), "{row}");
        }
    }

    fn one_row(no: u8, row: &str) -> Arc<Dialect> {
        one_row_and(no, row, "")
    }

    fn one_row_and(no: u8, row: &str, lines: &str) -> Arc<Dialect> {
        let text = format!(
            "dialect d\nmti ascii\nbitmap binary\necho 11\napprove 00\naccept 00\nretry 91\n11 n 6 - ascii keep STAN\n{no} {row} a name\n{lines}"
        );
        Arc::new(Dialect::parse(&text).unwrap_or_else(|faults| panic!("{faults:#?}")))
    }

    #[test]
    fn what_the_dialect_wants_must_be_there() {
        let lines = "mandatory 02xx 11\nforbidden 02x0 39\n";
        let dialect = one_row_and(39, "an 2 - ascii keep", lines);
        for (body, words) in [
            (&b"0200\0\x20\0\0\0\0\0\x00123456"[..], None),
            (b"0100\0\0\0\0\x02\0\0\x0000", None),
            (b"0201\0\x20\0\0\x02\0\0\x0012345600", None),
            (
                b"0200\0\x20\0\0\x02\0\0\x0012345600",
                Some(
                    "element 39 at offset 18: the dialect does not allow this element in such a message",
                ),
            ),
            (
                b"0201\0\0\0\0\x02\0\0\x0000",
                Some("element 11 at offset 14: the dialect wants this element in such a message"),
            ),
        ] {
            let result = decode(&dialect, Bytes::copy_from_slice(body));
            assert_eq!(result.as_ref().err().map(ToString::to_string).as_deref(), words);
            if let Err(error) = result {
                assert!(
                    error.salvaged.elements.get(ElementNo::RESPONSE_CODE).is_some(),
                    "what was read is kept"
                );
            }
        }
    }

    #[test]
    fn second_bitmaps_by_each_rule() {
        let body = |maps: &[u8]| Bytes::from([b"0800", maps, b"123456"].concat());
        let one = body(b"\0\x20\0\0\0\0\0\0");
        let unannounced = body(b"\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        let announced = body(b"\x80\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
        for (rule, read, written) in [
            ("as-needed", [true, false, true], &one),
            ("always", [true, false, true], &announced),
            ("fixed", [false, true, true], &announced),
            ("never", [true, false, false], &one),
        ] {
            let dialect = one_row_and(12, "n 6 - ascii keep", &format!("second {rule}\n"));
            let results =
                [&one, &unannounced, &announced].map(|body| decode(&dialect, body.clone()));
            assert_eq!(results.each_ref().map(Result::is_ok), read, "{rule}");
            let mut own = Elements::default();
            own.set(ElementNo::STAN, b"123456");
            let mut out = Vec::new();
            let mti = Mti::new(800).unwrap();
            Draft { mti, own: &own, copied: None }.encode(&dialect, &mut out).unwrap();
            assert_eq!(out, *written, "{rule}");
        }
        let never = one_row_and(12, "n 6 - ascii keep", "second never\n");
        assert_eq!(
            decode(&never, announced).unwrap_err().to_string(),
            "element 1 at offset 4: the dialect has no second bitmap, and bit 1 announces one"
        );
    }

    #[test]
    fn own_elements_win_and_unlike_rows_are_recoded() {
        let [ascii, bcd] =
            &["iso87-ascii", "iso87-bcd"].map(|name| Arc::new(Dialect::shipped(name).unwrap()));
        let message = sale(bcd);
        let mut own = Elements::default();
        own.set(ElementNo::STAN, b"777");
        own.set(ElementNo::RESPONSE_CODE, b"00");
        own.set(ElementNo::MERCHANT, b"SHORT");
        let copied = Some((&message, ElementSet::of(&[2, 3, 4, 11, 35, 90, 100])));
        let draft = Draft { mti: Mti::new(210).unwrap(), own: &own, copied };
        for dialect in [ascii, bcd] {
            let mut out = vec![7];
            draft.encode(dialect, &mut out).unwrap();
            assert_eq!(out.remove(0), 7);
            let there = decode(dialect, Bytes::from(out)).unwrap();
            assert_eq!(there.present(), ElementSet::of(&[2, 3, 4, 11, 35, 39, 42, 90]));
            let seen = there.elements(there.present());
            for (no, value) in
                [(11, &b"000777"[..]), (42, b"SHORT          "), (2, b"5413330000004111")]
            {
                assert_eq!(seen.get(ElementNo::of(no)), Some(value));
            }
            let kept = message.elements(ElementSet::of(&[35, 90]));
            assert_eq!(seen.only(kept.present()), kept);
        }
        let mut long = own.clone();
        long.set(ElementNo::STAN, b"1234567");
        let draft = Draft { own: &long, ..draft };
        let mut out = vec![7];
        let error = draft.encode(bcd, &mut out).unwrap_err();
        assert_eq!((error.to_string().as_str(), out.len()), ("element 11: length 7 exceeds 6", 1));
    }
}
