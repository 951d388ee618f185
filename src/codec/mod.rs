//! Bytes to messages and back, by a dialect; knows no links and no money.

mod check;
mod draft;
mod fault;
mod plain;
mod value;
mod walk;

use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::dialect::{Dialect, Layout};
use crate::iso::{ElementNo, ElementSet, Elements, Mti};

use self::walk::{Head, Starts, Stop};

pub use draft::Draft;
pub use fault::{DecodeError, EncodeError, Fault};
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
        Err((mti, stop)) => Err(failed(mti, Elements::default(), stop)),
    }
}

/// A message by what precedes its elements; made where it is returned and filled there, since it is dear to copy.
fn filled(dialect: &Arc<Dialect>, body: Bytes, head: Head) -> Result<Message, DecodeError> {
    let (mti, present, begin) = head;
    let dialect = Arc::clone(dialect);
    let mut result = Ok(Message { body, dialect, mti, present, starts: [0; 129] });
    if let Ok(message) = &mut result {
        let walked =
            walk::walk(&message.dialect, &message.body, (present, begin), &mut message.starts);
        if let Err((read, stop)) = walked {
            let salvaged = message.elements(read);
            result = Err(failed(Some(mti), salvaged, stop));
        }
    }
    result
}

/// What is wrong with a message, and what could be read of it.
#[cold]
fn failed(mti: Option<Mti>, salvaged: Elements, stop: Stop) -> DecodeError {
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
        let mut body = Vec::with_capacity(self.spans(to).map(|(from, to)| to - from).sum());
        let mut starts: Starts = [0; 129];
        let (mut places, mut end) = (starts.iter_mut(), 0);
        for (from, to) in self.spans(to) {
            body.extend_from_slice(self.body.get(from..to).unwrap_or_default());
            if let Some(start) = places.next() {
                *start = end;
            }
            // No longer than the body that it is taken from.
            end = u16::try_from(body.len()).unwrap_or(u16::MAX);
        }
        if let Some(last) = places.next() {
            *last = end;
        }
        (self.present, self.starts, self.body) = (self.present.and(to), starts, Bytes::from(body));
    }

    /// The plain values of those of the set that are present.
    pub fn elements(&self, set: ElementSet) -> Elements {
        // Packed digits take twice their bytes, and each value its length.
        let capacity = 2 * self.body.len() + 32;
        let mut spans = self.spans(set);
        Elements::collect(self.present.and(set), capacity, |no, out| {
            if let (Some((start, end)), Some(layout)) = (spans.next(), self.dialect.layout(no)) {
                unpack(layout, self.body.get(start..end).unwrap_or_default(), out);
            }
        })
    }

    /// Where each element of the set that is present begins and ends, ascending.
    fn spans(&self, set: ElementSet) -> impl Iterator<Item = (usize, usize)> {
        let ends = self.starts.iter().skip(1);
        let spans = self.present.iter().zip(self.starts.iter().zip(ends));
        spans
            .filter(move |(no, _)| set.has(*no))
            .map(|(_, (start, end))| (usize::from(*start), usize::from(*end)))
    }

    /// An element with its length field, as it lies on the wire, and its layout.
    fn whole(&self, no: ElementNo) -> Option<(Layout, &[u8])> {
        let (start, end) = self.span(no)?;
        Some((self.dialect.layout(no)?, self.body.get(start..end)?))
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
fn unpack(layout: Layout, whole: &[u8], out: &mut Vec<u8>) {
    if let Some((units, wire)) = value::measured(layout, whole) {
        value::unpack(layout.form, units, wire, out);
    }
}

/// Values may be secrets: the numbers of the elements are shown, and no more.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.mti, self.present)
    }
}

/// What a fuzzer attacks: any bytes are a message or an error, and a message survives being written again.
///
/// The first byte chooses the dialect it is read by, and the one it is re-coded to.
#[doc(hidden)]
pub fn fuzz_decode_encode_decode(data: &[u8]) {
    static DIALECTS: LazyLock<Vec<Arc<Dialect>>> = LazyLock::new(|| {
        let shipped = Dialect::shipped_names().iter().filter_map(|name| Dialect::shipped(name));
        shipped.map(Arc::new).collect()
    });
    let [choice, body @ ..] = data else { return };
    let choose = |choice: u8| DIALECTS.get(usize::from(choice) % DIALECTS.len());
    let (Some(dialect), Some(other)) = (choose(*choice), choose(choice / 16)) else { return };
    let message = match decode(dialect, Bytes::copy_from_slice(body)) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= body.len(), "a fault lies within the message");
            return;
        }
    };
    let own = message.elements(ElementSet::from_bits(u128::MAX));
    assert_eq!(own.present(), message.present());
    let draft = Draft { mti: message.mti(), own: &own, copied: None };
    let mut bytes = Vec::new();
    assert!(draft.encode(dialect, &mut bytes).is_ok(), "what was read can be written");
    let again = decode(dialect, Bytes::from(bytes.clone()));
    assert!(again.is_ok_and(|again| again.elements(again.present()) == own), "and read again");
    let nothing = Elements::default();
    let copy = Draft { own: &nothing, copied: Some((&message, message.present())), ..draft };
    let mut copied = Vec::new();
    assert!(copy.encode(dialect, &mut copied).is_ok(), "a copy can be written");
    let again = decode(dialect, Bytes::from(copied));
    assert!(again.is_ok_and(|again| again.elements(again.present()) == own), "and says the same");
    let mut recoded = Vec::new();
    if copy.encode(other, &mut recoded).is_ok() {
        let again = decode(other, Bytes::from(recoded));
        assert!(
            again.is_ok_and(|again| again.present() == own.present()),
            "other dialects read what we write"
        );
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

    fn shipped() -> impl Iterator<Item = Arc<Dialect>> {
        Dialect::shipped_names().iter().map(|name| Arc::new(Dialect::shipped(name).unwrap()))
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
                    assert_eq!(*error.salvaged, message.elements(message.present().below(no)));
                    assert_eq!(error.mti, Some(message.mti()));
                }
            }
        }
    }

    #[test]
    fn a_reduced_message_is_what_is_left_of_it() {
        for dialect in shipped() {
            for set in [&[2, 3, 11, 41, 54, 90][..], &[2], &[90], &[], &[100]] {
                let (whole, mut reduced) = (sale(&dialect), sale(&dialect));
                let set = ElementSet::of(set);
                reduced.reduce(set);
                assert_eq!(reduced.elements(ElementSet::from_bits(u128::MAX)), whole.elements(set));
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

    #[test]
    fn own_elements_win_and_unlike_rows_are_recoded() {
        let [ascii, _, bcd, _] = &shipped().collect::<Vec<_>>()[..] else {
            panic!("four dialects")
        };
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
