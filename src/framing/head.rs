//! The header before a message: of which kind it is, how it is read, written and answered.

use std::fmt;

use bytes::{Buf, Bytes};

use super::fixed::unhex;
use super::{FrameError, Tpdu};
use crate::iso::NotOne;

/// What precedes a message's body: nothing, or a header of some kind.
///
/// Aligned, because every frame moves one, and whole words move faster.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(8))]
pub struct Head {
    kind: Kind,
    len: u8,
    bytes: [u8; Self::LEN_MAX],
}

/// What a header's bytes mean, and so what its answer's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Destination and source, swapped in the answer.
    Tpdu,
    /// Twenty-two bytes with a length and two stations, which are swapped in the answer.
    Visa,
    /// `ISO` and nine digits, of which the answer has our code in the last, that of the responder.
    Base24 {
        /// The digit that is our code; 0 when we have none.
        ours: u8,
    },
    /// Any bytes, the same in the answer.
    Echo,
    /// The link's own bytes before everything that we send, whatever the peer writes.
    Constant,
}

/// What was read of a header.
pub(super) enum Read {
    /// The header; the message is left.
    Head(Head),
    /// What follows is a message of ours that the network did not take, with its reason.
    Rejected { code: u16 },
}

impl Head {
    /// Nothing precedes the body.
    pub const NONE: Self = Self { kind: Kind::Constant, len: 0, bytes: [0; Self::LEN_MAX] };
    /// The longest header, in bytes: with it a head has 32 bytes.
    pub const LEN_MAX: usize = 29;
    /// What a header's text looks like, for people.
    pub const SHAPE: &str = "a header: visa:DESTINATION:SOURCE of six digits each, base24:ISO025000050, \
        echo:BYTES or constant:BYTES of 1 to 29 bytes, two hexadecimal digits each";

    /// Bytes of a header of Visa's.
    const VISA_LEN: usize = 22;
    /// Bytes of a header of BASE24's.
    const BASE24_LEN: usize = 12;

    /// A TPDU precedes the body.
    pub fn tpdu(tpdu: Tpdu) -> Self {
        let mut head = Self { kind: Kind::Tpdu, len: 5, ..Self::NONE };
        if let Some(bytes) = head.bytes.first_chunk_mut() {
            *bytes = tpdu.to_bytes();
        }
        head
    }

    /// From its kind and what that needs, see [`Self::SHAPE`].
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        let head = match kind {
            "visa" => value.split_once(':').and_then(|(to, from)| Self::visa(to, from)),
            // Messages that we begin have our code in the last digit but one, that of the originator.
            "base24" => {
                value.bytes().rev().nth(1).and_then(|ours| Self::base24(value.as_bytes(), ours))
            }
            "echo" => Self::opaque(Kind::Echo, value),
            "constant" => Self::opaque(Kind::Constant, value),
            _ => None,
        };
        head.ok_or(NotOne { expected: Self::SHAPE })
    }

    fn of(kind: Kind, from: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self { kind, len: u8::try_from(from.len()).ok()?, bytes })
    }

    fn opaque(kind: Kind, text: &str) -> Option<Self> {
        let mut bytes = [0; Self::LEN_MAX];
        let len = unhex(text, &mut bytes).filter(|len| *len != 0)?;
        Self::of(kind, bytes.get(..len)?)
    }

    fn base24(bytes: &[u8], ours: u8) -> Option<Self> {
        let digits = bytes.strip_prefix(b"ISO")?;
        let fits = bytes.len() == Self::BASE24_LEN && digits.iter().all(u8::is_ascii_digit);
        fits.then(|| Self::of(Kind::Base24 { ours }, bytes)).flatten()
    }

    /// Format 1, text format 2, no flags; the total length is written with each message.
    fn visa(destination: &str, source: &str) -> Option<Self> {
        let mut head = [0; Self::VISA_LEN];
        let [len, format, text, _, _, stations @ ..] = &mut head;
        (*len, *format, *text) = (0x16, 1, 2);
        for (station, place) in [destination, source].into_iter().zip(stations.chunks_mut(3)) {
            let digits = station.bytes().all(|digit| digit.is_ascii_digit());
            (digits && unhex(station, place) == Some(3)).then_some(())?;
        }
        Self::of(Kind::Visa, &head)
    }

    /// What precedes the answer to a message with this head.
    #[must_use]
    pub fn reply(mut self) -> Self {
        let (destination, source) = match self.kind {
            Kind::Tpdu => (1..3, 3),
            Kind::Visa => (5..8, 8),
            Kind::Base24 { ours } if ours != b'0' => {
                self.bytes
                    .iter_mut()
                    .skip(Self::BASE24_LEN - 1)
                    .take(1)
                    .for_each(|code| *code = ours);
                return self;
            }
            Kind::Base24 { .. } | Kind::Echo | Kind::Constant => return self,
        };
        for (to, from) in destination.zip(source..) {
            self.bytes.swap(to, from);
        }
        self
    }

    /// The bytes, none to twenty-nine.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len()).unwrap_or_default()
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing precedes the body.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is a TPDU.
    pub fn is_tpdu(&self) -> bool {
        self.kind == Kind::Tpdu
    }

    /// Whether it says its own length, so that nobody else knows it beforehand.
    pub(super) fn says_its_length(&self) -> bool {
        self.kind == Kind::Visa
    }

    /// Whether any byte may stand in it, whatever a peer means by it.
    pub(super) fn is_binary(&self) -> bool {
        matches!(self.kind, Kind::Tpdu | Kind::Visa)
    }

    /// Another head of this kind, of other bytes; none when they are not of its kind.
    pub fn with_bytes(self, bytes: &[u8]) -> Option<Self> {
        if self.kind != Kind::Visa && bytes.len() != self.len() {
            return None;
        }
        match self.kind {
            Kind::Base24 { ours } => Self::base24(bytes, ours),
            Kind::Visa => Self::of(Kind::Visa, bytes).filter(|head| head.len() == Self::VISA_LEN),
            Kind::Tpdu | Kind::Echo | Kind::Constant => Self::of(self.kind, bytes),
        }
    }

    /// Takes a head of this kind from the front of a frame that is at least as long as this one.
    pub(super) fn take(self, frame: &mut Bytes) -> Result<Read, FrameError> {
        if let (Kind::Tpdu, Some(tpdu)) = (self.kind, frame.first_chunk()) {
            let head = Self::tpdu(Tpdu::new(*tpdu));
            frame.advance(Tpdu::LEN);
            return Ok(Read::Head(head));
        }
        if self.kind == Kind::Visa {
            return take_visa(frame);
        }
        let bytes = frame.get(..self.len()).unwrap_or_default();
        let head = if self.kind == Kind::Constant { Some(self) } else { self.with_bytes(bytes) };
        let head = head.ok_or(FrameError::Foreign { part: "header" })?;
        frame.advance(self.len().min(frame.len()));
        Ok(Read::Head(head))
    }

    /// The bytes as they precede a message of this length.
    pub(super) fn before(mut self, message: usize) -> Self {
        if self.kind == Kind::Visa {
            let total = u16::try_from(self.len() + message).unwrap_or(u16::MAX).to_be_bytes();
            self.bytes.iter_mut().skip(3).zip(total).for_each(|(byte, part)| *byte = part);
        }
        self
    }
}

/// Reads headers until one says that it is the last. One that wraps a rejected message ends the reading.
fn take_visa(frame: &mut Bytes) -> Result<Read, FrameError> {
    const FOREIGN: FrameError = FrameError::Foreign { part: "header" };
    loop {
        let len = usize::from(*frame.first().ok_or(FOREIGN)?);
        // At least its own bytes, and behind it a message.
        let header = frame.get(..len).filter(|_| len < frame.len()).ok_or(FOREIGN)?;
        let mut own = header.get(..Head::VISA_LEN).and_then(|own| Head::of(Kind::Visa, own));
        let rejected = header.get(22).is_some_and(|bitmap| bitmap & 0x80 != 0);
        if let (true, Some(code)) = (rejected, header.get(24..26)) {
            let digits = code.iter().flat_map(|pair| [pair >> 4, pair & 0x0F]);
            let code = digits.fold(0, |code, digit| code * 10 + u16::from(digit));
            return Ok(Read::Rejected { code });
        }
        let more = header.get(1).is_some_and(|format| format & 0x80 != 0);
        frame.advance(len);
        if let Some(own) = own.as_mut().filter(|_| !more) {
            // What a longer one had besides is not for the answer.
            own.bytes.iter_mut().take(1).for_each(|len| *len = 0x16);
            return Ok(Read::Head(own.before(frame.len())));
        }
        if !more {
            return Err(FOREIGN);
        }
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}(", self.kind)?;
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISA: &[u8] = b"\x16\x01\x02\0\0\x11\x11\x11\x22\x22\x22\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn each_kind_and_its_answer() {
        for (text, bytes, reply) in [
            (
                "visa:111111:222222",
                VISA,
                &b"\x16\x01\x02\0\0\x22\x22\x22\x11\x11\x11\0\0\0\0\0\0\0\0\0\0\0"[..],
            ),
            ("base24:ISO025000050", b"ISO025000050", b"ISO025000055"),
            ("base24:ISO016000000", b"ISO016000000", b"ISO016000000"),
            ("echo:0102", b"\x01\x02", b"\x01\x02"),
            ("constant:FF", b"\xFF", b"\xFF"),
        ] {
            let head = Head::from_text(text).unwrap();
            assert!(!head.is_tpdu());
            assert_eq!((head.as_bytes(), head.reply().as_bytes()), (bytes, reply), "{text}");
        }
        for bad in [
            "",
            "visa",
            "tpdu:6000010002",
            "visa:111111",
            "visa:1111:222222",
            "visa:11111A:222222",
            "base24:ISO02500005",
            "base24:OSI025000050",
            "echo:",
            "echo:0",
            "constant:00000000000000000000000000000000000000000000000000000000000000",
            "other:00",
        ] {
            assert!(Head::from_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_head_is_taken_from_a_frame() {
        for (text, frame, head, body) in [
            ("base24:ISO025000050", &b"ISO016000070m"[..], &b"ISO016000070"[..], "m"),
            ("echo:0102", b"\x03\x04m", b"\x03\x04", "m"),
            ("constant:0102", b"\x03\x04m", b"\x01\x02", "m"),
        ] {
            let mut frame = Bytes::from_static(frame);
            let Ok(Read::Head(read)) = Head::from_text(text).unwrap().take(&mut frame) else {
                panic!("{text}")
            };
            assert_eq!((read.as_bytes(), &frame[..]), (head, body.as_bytes()), "{text}");
        }
        let tpdu = Head::tpdu(Tpdu::from_text("6000010002").unwrap());
        let mut frame = Bytes::from_static(b"\x68\0\x07\0\x08m");
        let Ok(Read::Head(read)) = tpdu.take(&mut frame) else { panic!("any five bytes") };
        assert_eq!((read.reply().as_bytes(), &frame[..]), (&b"\x68\0\x08\0\x07"[..], &b"m"[..]));
        let mut foreign = Bytes::from_static(b"0200016000070m");
        assert!(Head::from_text("base24:ISO025000050").unwrap().take(&mut foreign).is_err());
    }

    /// A header may be longer, and one behind another; a wrapper around what was rejected is no message.
    #[test]
    fn headers_of_visa() {
        let own = Head::from_text("visa:111111:222222").unwrap();
        let long = [&b"\x18"[..], &VISA[1..], b"\0\0"].concat();
        let first = [&b"\x16\x81"[..], &VISA[2..]].concat();
        let reject = [&b"\x1A\x81"[..], &VISA[2..], b"\x80\0\x02\x91"].concat();
        let take = |headers: &[&[u8]]| {
            let mut frame = Bytes::from([headers.concat(), b"m".to_vec()].concat());
            own.take(&mut frame).map(|read| match read {
                Read::Head(head) => (head.as_bytes().to_vec(), frame.to_vec(), 0),
                Read::Rejected { code } => (Vec::new(), Vec::new(), code),
            })
        };
        // The total length is that of what is left, one header and the message.
        let taken = (own.before(1).as_bytes().to_vec(), b"m".to_vec(), 0);
        assert_eq!(take(&[VISA]).unwrap(), taken);
        assert_eq!(take(&[&long]).unwrap(), taken);
        assert_eq!(take(&[&first, VISA]).unwrap(), taken);
        assert_eq!(take(&[&reject, VISA]).unwrap(), (Vec::new(), Vec::new(), 291));
        for bad in [&b"\x00"[..], b"\x15", b"\xFF", &first, &VISA[..21]] {
            assert!(take(&[bad]).is_err(), "{bad:02X?}");
        }
        assert_eq!(own.before(100).as_bytes()[3..5], [0, 122]);
    }
}
