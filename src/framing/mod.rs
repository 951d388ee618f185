//! Where a message ends in a stream of bytes, and what precedes it; knows no elements.

mod tpdu;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

pub use tpdu::Tpdu;

/// How a link cuts its stream into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How the length before each message is written.
    pub length: Length,
    /// The TPDU of the messages that we begin; `None` when the link has no TPDUs at all.
    pub tpdu: Option<Tpdu>,
    /// The longest frame, length field apart, in bytes, 1 to 65,535.
    pub frame_len_max: usize,
}

/// How the length of a frame is written. It counts what follows it, never itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Two bytes, high byte first: 0 to 65,535.
    Binary2,
    /// Four ASCII digits: 0 to 9,999.
    Ascii4,
}

/// What precedes a message's body: nothing, or a TPDU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head(Option<Tpdu>);

/// One frame: what preceded the body, and the body as it lay in the stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What preceded the body.
    pub head: Head,
    /// From the MTI on; never empty.
    pub body: Bytes,
}

/// A link's way of cutting frames; both halves of a `tokio_util` codec.
#[derive(Clone, Debug)]
pub struct Framing {
    settings: Settings,
    keepalives: u64,
}

/// Why a stream cannot be cut any further: its sender is lost, the connection has to go.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length that is not four digits.
    #[error("the frame's length is not four digits")]
    NotDigits,
    /// A length beyond the limit, or, when sending, beyond what the length field holds.
    #[error("a frame of {len} bytes exceeds the limit of {limit}")]
    TooLong {
        /// The length that was announced, or was to be sent.
        len: usize,
        /// The longest that is accepted.
        limit: usize,
    },
    /// A frame without room for the TPDU that the link has.
    #[error("a frame of {len} bytes has no room for a TPDU of 5 and a message")]
    TooShort {
        /// The length that was announced.
        len: usize,
    },
    /// The socket's own trouble.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Settings {
    /// The longest frame unless the configuration says otherwise.
    pub const FRAME_LEN_MAX: usize = 8192;
}

impl Default for Settings {
    fn default() -> Self {
        Self { length: Length::Binary2, tpdu: None, frame_len_max: Self::FRAME_LEN_MAX }
    }
}

impl Length {
    /// Bytes of the length field itself.
    pub const fn width(self) -> usize {
        match self {
            Self::Binary2 => 2,
            Self::Ascii4 => 4,
        }
    }

    /// The largest that it can say.
    pub const fn max(self) -> usize {
        match self {
            Self::Binary2 => 65_535,
            Self::Ascii4 => 9999,
        }
    }

    /// Reads the field; `None` while it is not all there.
    fn read(self, stream: &[u8]) -> Result<Option<usize>, FrameError> {
        match self {
            Self::Binary2 => {
                Ok(stream.first_chunk().map(|field| usize::from(u16::from_be_bytes(*field))))
            }
            Self::Ascii4 => {
                // A byte that is no digit is told at once: its sender may be waiting for the answer to garbage.
                let mut len = 0;
                for digit in stream.iter().take(4) {
                    if !digit.is_ascii_digit() {
                        return Err(FrameError::NotDigits);
                    }
                    len = len * 10 + usize::from(digit - b'0');
                }
                Ok((4 <= stream.len()).then_some(len))
            }
        }
    }

    /// Appends the field; the caller has seen that it fits.
    fn write(self, len: usize, out: &mut BytesMut) {
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        match self {
            Self::Binary2 => out.extend_from_slice(&len.to_be_bytes()),
            Self::Ascii4 => {
                let digit = |place| b'0' + u8::try_from(len / place % 10).unwrap_or(0);
                out.extend_from_slice(&[1000, 100, 10, 1].map(digit));
            }
        }
    }
}

impl Head {
    /// Nothing precedes the body.
    pub const NONE: Self = Self(None);

    /// A TPDU precedes the body.
    pub const fn tpdu(tpdu: Tpdu) -> Self {
        Self(Some(tpdu))
    }

    /// What precedes the answer to a message with this head: source and destination swapped.
    #[must_use]
    pub fn reply(self) -> Self {
        Self(self.0.map(Tpdu::reply))
    }

    /// The bytes, none or five.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], Tpdu::as_bytes)
    }
}

impl Framing {
    /// A fresh one; a connection has its own.
    pub const fn new(settings: Settings) -> Self {
        Self { settings, keepalives: 0 }
    }

    /// The head of messages that we begin; an answer has `Head::reply` of what it answers.
    pub const fn head(&self) -> Head {
        Head(self.settings.tpdu)
    }

    /// What it was made of.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many frames of length zero the decoder has skipped: keep-alives, never messages.
    pub const fn keepalives(&self) -> u64 {
        self.keepalives
    }

    /// Appends a frame; on an error nothing is appended.
    pub fn put(&self, head: Head, body: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
        let head = head.as_bytes();
        let len = head.len() + body.len();
        let limit = self.limit();
        if limit < len {
            return Err(FrameError::TooLong { len, limit });
        }
        out.reserve(self.settings.length.width() + len);
        self.settings.length.write(len, out);
        out.extend_from_slice(head);
        out.extend_from_slice(body);
        Ok(())
    }

    fn limit(&self) -> usize {
        self.settings.frame_len_max.min(self.settings.length.max())
    }
}

impl Decoder for Framing {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, stream: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let width = self.settings.length.width();
        loop {
            let Some(len) = self.settings.length.read(stream)? else { return Ok(None) };
            if len == 0 {
                stream.advance(width);
                self.keepalives = self.keepalives.saturating_add(1);
                continue;
            }
            let limit = self.limit();
            if limit < len {
                return Err(FrameError::TooLong { len, limit });
            }
            if self.settings.tpdu.is_some() && len <= Tpdu::LEN {
                return Err(FrameError::TooShort { len });
            }
            if stream.len() < width + len {
                // Bounded by the limit, however much the peer announced.
                stream.reserve(width + len - stream.len());
                return Ok(None);
            }
            stream.advance(width);
            let mut body = stream.split_to(len).freeze();
            let mut head = Head::NONE;
            if self.settings.tpdu.is_some() {
                head = Head(body.first_chunk().map(|bytes| Tpdu::new(*bytes)));
                body.advance(Tpdu::LEN);
            }
            return Ok(Some(Frame { head, body }));
        }
    }
}

impl Encoder<&Frame> for Framing {
    type Error = FrameError;

    fn encode(&mut self, frame: &Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        self.put(frame.head, &frame.body, out)
    }
}

impl Encoder<Frame> for Framing {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, out: &mut BytesMut) -> Result<(), FrameError> {
        self.put(frame.head, &frame.body, out)
    }
}

/// A body holds secrets: only its length is shown.
impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({:?}, {} bytes)", self.head, self.body.len())
    }
}

/// What a fuzzer attacks: any bytes, in pieces of any size, under each framing. Frames that come out go in again.
///
/// The first byte chooses the framing, the second how large the pieces are.
#[doc(hidden)]
pub fn fuzz_frame_split(data: &[u8]) {
    let [choice, piece, stream @ ..] = data else { return };
    let tpdu = Tpdu::from_text("6000010002").ok().filter(|_| choice & 1 == 1);
    let length = if choice & 2 == 2 { Length::Ascii4 } else { Length::Binary2 };
    let settings = Settings { length, tpdu, frame_len_max: 512 };
    let whole = split(settings, stream, stream.len().max(1));
    let pieces = split(settings, stream, usize::from(*piece).max(1));
    assert_eq!(whole, pieces, "the same stream gives the same frames however it arrives");
    let mut again = BytesMut::new();
    let framing = Framing::new(settings);
    for frame in &whole {
        assert!(
            framing.put(frame.head, &frame.body, &mut again).is_ok(),
            "what was read can be sent"
        );
    }
    let len = again.len().max(1);
    assert_eq!(whole, split(settings, &again, len), "what was sent is read again");
}

/// The frames of a stream that arrives in pieces, up to its first fault.
fn split(settings: Settings, stream: &[u8], piece: usize) -> Vec<Frame> {
    let mut framing = Framing::new(settings);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            match framing.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(_) => return frames,
            }
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(length: Length, tpdu: bool) -> Settings {
        let tpdu = tpdu.then(|| Tpdu::from_text("6000010002").unwrap());
        Settings { length, tpdu, frame_len_max: 20 }
    }

    #[test]
    fn frames_and_keepalives() {
        for (length, tpdu, stream, bodies, keepalives) in [
            (Length::Binary2, false, &b"\0\x03abc\0\0\0\x01d\0\x02e"[..], &["abc", "d"][..], 1),
            (Length::Ascii4, false, b"000000000003abc0001d00", &["abc", "d"], 2),
            (Length::Binary2, true, b"\0\x06\x60\0\x01\0\x02x", &["x"], 0),
            (Length::Ascii4, true, b"0007\x60\0\x01\0\x02xy0000", &["xy"], 1),
        ] {
            for piece in 1..=stream.len() {
                let mut framing = Framing::new(settings(length, tpdu));
                let mut buffer = BytesMut::new();
                let mut seen = Vec::new();
                for bytes in stream.chunks(piece) {
                    buffer.extend_from_slice(bytes);
                    while let Some(frame) = framing.decode(&mut buffer).unwrap() {
                        assert_eq!(frame.head, if tpdu { framing.head() } else { Head::NONE });
                        seen.push(String::from_utf8(frame.body.to_vec()).unwrap());
                    }
                }
                assert_eq!(
                    (&seen[..], framing.keepalives()),
                    (&bodies.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..], keepalives)
                );
            }
        }
    }

    #[test]
    fn faults_are_told_apart_before_anything_is_reserved() {
        for (length, tpdu, stream, fault) in [
            (Length::Ascii4, false, &b"+"[..], "the frame's length is not four digits"),
            (Length::Ascii4, false, b"00 6", "the frame's length is not four digits"),
            (Length::Ascii4, false, b"9999", "a frame of 9999 bytes exceeds the limit of 20"),
            (Length::Binary2, false, b"\xFF\xFF", "a frame of 65535 bytes exceeds the limit of 20"),
            (
                Length::Binary2,
                true,
                b"\0\x05",
                "a frame of 5 bytes has no room for a TPDU of 5 and a message",
            ),
        ] {
            let mut buffer = BytesMut::from(stream);
            let before = buffer.capacity();
            let error = Framing::new(settings(length, tpdu)).decode(&mut buffer).unwrap_err();
            assert_eq!((error.to_string().as_str(), buffer.capacity()), (fault, before));
        }
    }

    #[test]
    fn a_reply_goes_back_where_its_request_came_from() {
        let framing = Framing::new(settings(Length::Binary2, true));
        let mut out = BytesMut::new();
        framing.put(framing.head().reply(), b"m", &mut out).unwrap();
        assert_eq!(&out[..], b"\0\x06\x60\0\x02\0\x01m");
        assert!(framing.put(framing.head(), &[0; 16], &mut out).is_err());
        assert_eq!(out.len(), 8);
    }

    #[test]
    fn the_buffer_of_a_frame_is_not_copied() {
        let mut buffer = BytesMut::from(&b"\0\x03abc"[..]);
        let at = buffer.as_ptr().addr();
        let frame = Framing::new(Settings::default()).decode(&mut buffer).unwrap().unwrap();
        assert_eq!(frame.body.as_ptr().addr(), at + 2);
    }
}
