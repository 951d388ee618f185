//! Bytes to messages and back, by a dialect; knows no links and no money.

mod check;
mod draft;
mod fault;
mod value;
mod walk;

use std::fmt;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;

use crate::dialect::{Dialect, Layout, Prefix};
use crate::iso::{ElementNo, ElementSet, Elements, Mti};

use self::walk::{Found, Starts, Stop, walk};

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

/// Reads a whole message and checks every part of it. Copies nothing; allocates only for an error.
pub fn decode(dialect: &Arc<Dialect>, body: Bytes) -> Result<Message, DecodeError> {
    let mut found = Found { mti: None, read: ElementSet::EMPTY };
    let mut starts = [0; 129];
    let walked = walk(dialect, &body, &mut found, &mut starts);
    let message = |mti| {
        let dialect = Arc::clone(dialect);
        Message { body, dialect, mti, present: found.read, starts }
    };
    match (walked, found.mti) {
        (Ok(()), Some(mti)) => Ok(message(mti)),
        (Ok(()), None) => Err(failed(None, Stop { element: None, offset: 0, fault: Fault::Mti })),
        (Err(stop), mti) => Err(failed(mti.map(message), stop)),
    }
}

/// What is wrong with a message, and what could be read of it.
#[cold]
fn failed(read: Option<Message>, stop: Stop) -> DecodeError {
    let Stop { element, offset, fault } = stop;
    let salvaged = read.as_ref().map(|message| message.elements(message.present));
    let mti = read.as_ref().map(Message::mti);
    DecodeError { mti, element, offset, fault, salvaged: Box::new(salvaged.unwrap_or_default()) }
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
            let (units, wire) = value::measured(layout, whole)?;
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
