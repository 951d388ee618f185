//! Bytes to messages and back, by a dialect; knows no links and no money.

mod check;
mod draft;
mod fault;
mod value;

use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::dialect::{BitmapCoding, Dialect, Layout, MtiCoding, Prefix};
use crate::iso::{ElementNo, ElementSet, Elements, Mti};

pub use draft::Draft;
pub use fault::{DecodeError, EncodeError, Fault};

/// A message as it came: its bytes, and where each element lies in them.
#[derive(Clone)]
pub struct Message {
    body: Bytes,
    dialect: Arc<Dialect>,
    mti: Mti,
    present: ElementSet,
    starts: Starts,
}

/// Where the elements that are present begin, length fields included, by their rank; behind the last, where it ends.
type Starts = [u16; 129];

/// The longest body in bytes: offsets have sixteen bits.
const BODY_LEN_MAX: usize = 65_535;

/// What was read, and what stands behind it.
type Behind<'a, T> = (T, &'a [u8]);

/// The element whose bit announces a third bitmap, where it is no element.
const EXTENDED: ElementNo = ElementNo::of(65);

/// Reads a whole message and checks every part of it. Copies nothing; allocates only for an error.
pub fn decode(dialect: &Arc<Dialect>, body: Bytes) -> Result<Message, DecodeError> {
    let mut walk = Walk { mti: None, read: ElementSet::EMPTY, starts: [0; 129] };
    match walk.all(dialect, &body) {
        Ok(mti) => Ok(Message {
            body,
            dialect: Arc::clone(dialect),
            mti,
            present: walk.read,
            starts: walk.starts,
        }),
        Err(stop) => Err(walk.fail(dialect, body, stop)),
    }
}

/// A message while it is read.
struct Walk {
    mti: Option<Mti>,
    read: ElementSet,
    starts: Starts,
}

/// Where a walk ended before the message did.
#[derive(Clone, Copy)]
struct Stop {
    element: Option<u8>,
    offset: usize,
    fault: Fault,
}

impl Walk {
    #[inline]
    fn all(&mut self, dialect: &Dialect, body: &[u8]) -> Result<Mti, Stop> {
        let len = body.len();
        let stop = |rest: &[u8], element, fault| Stop { element, offset: len - rest.len(), fault };
        if BODY_LEN_MAX < len {
            return Err(stop(body, None, Fault::TooLong { len, max: BODY_LEN_MAX }));
        }
        let (mti, rest) = read_mti(dialect.mti(), body).map_err(|fault| stop(body, None, fault))?;
        self.mti = Some(mti);
        let (present, mut rest) = read_bitmaps(dialect.bitmap(), rest)
            .map_err(|(fault, rest)| stop(rest, Some(1), fault))?;
        if present.has(EXTENDED) && dialect.layout(EXTENDED).is_none() {
            // Who sets this bit sends a third bitmap here: nothing behind it lies where we would look.
            return Err(stop(rest, Some(EXTENDED.get()), Fault::Undefined));
        }
        let mut starts = self.starts.iter_mut();
        let mut mark = |rest: &[u8]| {
            if let (Some(start), Ok(offset)) = (starts.next(), u16::try_from(len - rest.len())) {
                *start = offset;
            }
        };
        for no in present.iter() {
            mark(rest);
            let layout = dialect.layout(no);
            rest = layout.map_or(Err(Fault::Undefined), |layout| element(layout, rest)).map_err(
                |fault| {
                    self.read = present.below(no);
                    stop(rest, Some(no.get()), fault)
                },
            )?;
        }
        mark(rest);
        self.read = present;
        if rest.is_empty() {
            Ok(mti)
        } else {
            Err(stop(rest, None, Fault::Trailing { bytes: rest.len() }))
        }
    }

    #[cold]
    fn fail(self, dialect: &Arc<Dialect>, body: Bytes, stop: Stop) -> DecodeError {
        let Stop { element, offset, fault } = stop;
        let salvaged = self.mti.map_or_else(Elements::default, |mti| {
            let dialect = Arc::clone(dialect);
            Message { body, dialect, mti, present: self.read, starts: self.starts }
                .elements(self.read)
        });
        DecodeError { mti: self.mti, element, offset, fault, salvaged: Box::new(salvaged) }
    }
}

/// Checks the element at the front of `rest`; gives what stands behind it.
#[inline]
fn element(layout: Layout, rest: &[u8]) -> Result<&[u8], Fault> {
    let (units, rest) = value::measure(layout, rest)?;
    let (wire, rest) =
        rest.split_at_checked(value::wire_len(layout.form, units)).ok_or(Fault::Truncated)?;
    if value::is_well_formed(layout.form, units, wire) {
        Ok(rest)
    } else {
        Err(Fault::Content(value::content(layout.form)))
    }
}

/// The MTI at the front of a message.
#[inline]
fn read_mti(coding: MtiCoding, body: &[u8]) -> Result<(Mti, &[u8]), Fault> {
    match coding {
        MtiCoding::Ascii => {
            let (digits, rest) = body.split_first_chunk::<4>().ok_or(Fault::Truncated)?;
            Ok((Mti::from_ascii(digits).or(Err(Fault::Mti))?, rest))
        }
        MtiCoding::Bcd => {
            let ([high, low], rest) = body.split_first_chunk::<2>().ok_or(Fault::Truncated)?;
            if !check::packed(&[*high, *low]) {
                return Err(Fault::Mti);
            }
            let pair = |byte: u8| u16::from(byte >> 4) * 10 + u16::from(byte & 15);
            Ok((Mti::new(pair(*high) * 100 + pair(*low)).or(Err(Fault::Mti))?, rest))
        }
    }
}

/// One or two bitmaps, without the bit that says which; on a fault, what the faulty one begins.
#[inline]
fn read_bitmaps(
    coding: BitmapCoding,
    rest: &[u8],
) -> Result<Behind<'_, ElementSet>, Behind<'_, Fault>> {
    let (first, behind) = read_bitmap(coding, rest).map_err(|fault| (fault, rest))?;
    let bits = u128::from(first) << 64;
    if first >> 63 == 0 {
        return Ok((ElementSet::from_bits(bits), behind));
    }
    let (second, end) = read_bitmap(coding, behind).map_err(|fault| (fault, behind))?;
    Ok((ElementSet::from_bits((bits | u128::from(second)) & (u128::MAX >> 1)), end))
}

/// 64 bits.
#[inline]
fn read_bitmap(coding: BitmapCoding, rest: &[u8]) -> Result<(u64, &[u8]), Fault> {
    match coding {
        BitmapCoding::Binary => {
            let (bytes, rest) = rest.split_first_chunk::<8>().ok_or(Fault::Truncated)?;
            Ok((u64::from_be_bytes(*bytes), rest))
        }
        BitmapCoding::Hex => {
            let (digits, rest) = rest.split_first_chunk::<16>().ok_or(Fault::Truncated)?;
            if !check::hex(digits) {
                return Err(Fault::Bitmap);
            }
            Ok((
                digits.iter().fold(0, |bits, digit| bits << 4 | u64::from(value::nibble(*digit))),
                rest,
            ))
        }
    }
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
        whole.get(prefix_len(layout.prefix)..)
    }

    /// Appends an element's plain value; says whether the element is there.
    pub fn value(&self, no: ElementNo, out: &mut Vec<u8>) -> bool {
        let read = self.whole(no).and_then(|(layout, whole)| {
            let (units, wire) = value::measure(layout, whole).ok()?;
            value::unpack(layout.form, units, wire, out);
            Some(())
        });
        read.is_some()
    }

    /// The plain values of those of the set that are present.
    pub fn elements(&self, set: ElementSet) -> Elements {
        // Packed digits take twice their bytes, and each value its length.
        let mut elements = Elements::with_capacity(2 * self.body.len() + 32);
        for no in self.present.and(set).iter() {
            elements.append(no, |out| {
                self.value(no, out);
            });
        }
        elements
    }

    /// An element with its length field, as it lies on the wire, and its layout.
    fn whole(&self, no: ElementNo) -> Option<(Layout, &[u8])> {
        if !self.present.has(no) {
            return None;
        }
        let (start, end) = self.span(no)?;
        Some((self.dialect.layout(no)?, self.body.get(start..end)?))
    }

    /// Where a present element begins and ends.
    fn span(&self, no: ElementNo) -> Option<(usize, usize)> {
        let rank = self.present.rank(no);
        let [start, end] = self.starts.get(rank..)?.first_chunk::<2>()?;
        Some((usize::from(*start), usize::from(*end)))
    }
}

/// How many bytes a length field has.
const fn prefix_len(prefix: Prefix) -> usize {
    match prefix {
        Prefix::None => 0,
        Prefix::Ascii(width) | Prefix::Bcd(width) | Prefix::Binary(width) => width as usize,
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
