//! Where a message ends in a stream of bytes, and what stands around it; knows no elements.
//!
//! A frame is, in the order of the stream: prefix, length, reserved bytes, header, message, trailer, LRC. Each part may be
//! missing, and what the length counts is said apart from how it is written. Without a length the trailer ends a message;
//! without both, whoever can read it finds its end.

mod counts;
mod fixed;
mod fuzz;
mod head;
mod length;
mod settings;
mod tpdu;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

pub use counts::{Counts, Part};
pub use fixed::Fixed;
#[doc(hidden)]
pub use fuzz::fuzz_frame_split;
pub use head::Head;
pub use length::Length;
pub use settings::{Impossible, KeepAlive, Settings};
pub use tpdu::Tpdu;

/// One frame: what preceded the body, and the body as it lay in the stream.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// What preceded the body.
    pub head: Head,
    /// From the MTI on; never empty.
    pub body: Bytes,
}

/// Who finds the end of a message by reading it, for streams in which nothing else says where it is.
pub trait Measure: std::fmt::Debug + Send + Sync {
    /// Where the message at the front of a stream ends, which is at least one byte behind its beginning; none while the
    /// stream is too short to tell. An error says why nobody can tell.
    fn end(&self, stream: &[u8]) -> Result<Option<usize>, String>;
}

/// A link's way of cutting frames; both halves of a `tokio_util` codec.
#[derive(Clone, Debug)]
pub struct Framing {
    settings: Settings,
    measure: Option<Arc<dyn Measure>>,
    /// Bytes before the header.
    before: usize,
    /// Bytes behind the message.
    behind: usize,
    /// Bytes of header, and behind the message.
    around: usize,
    /// Bytes before the header that the length counts.
    counted_before: usize,
    /// Bytes from the header on that the length does not count.
    uncounted_behind: usize,
    /// The most bytes from the header on.
    limit: usize,
    /// Bytes in which no trailer begins that would end the next frame.
    searched: usize,
    keepalives: u64,
    echo: BytesMut,
    rejects: Rejects,
}

/// Messages of ours that a network sent back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejects {
    /// How many.
    pub count: u64,
    /// The network's reason for the last of them, four digits.
    pub code: u16,
}

/// Why a stream cannot be cut any further: its sender is lost, the connection has to go.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A length with a byte that cannot stand in it.
    #[error("the frame's length is not {length}")]
    NotDigits {
        /// The length that should be there, by its name.
        length: Length,
    },
    /// A length beyond the limit, or, when sending, beyond what the length field holds.
    #[error("a frame of {len} bytes exceeds the limit of {limit}")]
    TooLong {
        /// The length that was announced, or was to be sent, from the header on.
        len: usize,
        /// The longest that is accepted.
        limit: usize,
    },
    /// A frame without room for what the link has around a message.
    #[error(
        "a frame of {len} bytes has no room for {around} bytes around a message, and the message"
    )]
    TooShort {
        /// The length that was announced.
        len: usize,
        /// Bytes of header and trailer, and of what else the length counts.
        around: usize,
    },
    /// Bytes that are not those of the link.
    #[error("the frame has the wrong {part}")]
    Foreign {
        /// Which part, e.g. `prefix`.
        part: &'static str,
    },
    /// The LRC is not that of the frame.
    #[error("the frame's LRC is wrong")]
    Lrc,
    /// A keep-alive on a link that hangs up on them.
    #[error("a keep-alive, and this link takes none")]
    KeepAlive,
    /// A message to be sent has the trailer's bytes in it, and no length says where it ends.
    #[error("the message has the trailer's bytes in it: its reader would end it there")]
    Trailer,
    /// Where a message ends cannot be read in it.
    #[error("it cannot be read where the message ends: {why}")]
    Endless {
        /// Why not.
        why: String,
    },
    /// The socket's own trouble.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// What a stream begins with.
enum Cut {
    /// Nothing whole; a frame has so many bytes in all, or 0 when nobody can tell yet.
    More(usize),
    /// A keep-alive of so many bytes.
    Empty(usize),
    /// A frame; so many bytes from the header on.
    Whole(usize),
}

impl Framing {
    /// A fresh one; a connection has its own.
    pub fn new(settings: Settings) -> Self {
        let Settings { prefix, length, reserved, .. } = settings;
        Self {
            settings,
            measure: None,
            before: prefix.len() + length.width() + reserved.len(),
            behind: settings.behind(),
            around: settings.header.len() + settings.behind(),
            counted_before: settings.counted_before(),
            uncounted_behind: settings.uncounted(),
            limit: settings.frame_len_max.min(settings.frame_len_most()),
            searched: 0,
            keepalives: 0,
            echo: BytesMut::new(),
            rejects: Rejects::default(),
        }
    }

    /// The same, where messages may have to be read to find where they end; see [`Settings::reads_messages`].
    #[must_use]
    pub fn measured_by(mut self, measure: Arc<dyn Measure>) -> Self {
        self.measure = Some(measure);
        self
    }

    /// The head of messages that we begin; an answer has `Head::reply` of what it answers.
    pub const fn head(&self) -> Head {
        self.settings.header
    }

    /// What it was made of.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The most bytes that header and message have together.
    pub const fn message_len_max(&self) -> usize {
        self.limit.saturating_sub(self.behind)
    }

    /// Bytes that no message may hold, because nothing else says where it ends; mostly none.
    pub const fn delimiter(&self) -> Fixed {
        if self.settings.length.is_none() { self.settings.trailer } else { Fixed::NONE }
    }

    /// Another stream begins: what was seen of a frame is forgotten.
    pub const fn restart(&mut self) {
        self.searched = 0;
    }

    /// How many frames without a message the decoder has skipped: keep-alives.
    pub const fn keepalives(&self) -> u64 {
        self.keepalives
    }

    /// The keep-alives that are to go back as they came; each is told once.
    pub fn take_echo(&mut self) -> Option<BytesMut> {
        (!self.echo.is_empty()).then(|| std::mem::take(&mut self.echo))
    }

    /// The messages of ours that came back rejected; the decoder skips them, and their deadlines decide.
    pub const fn rejects(&self) -> Rejects {
        self.rejects
    }

    /// Appends a frame; on an error nothing is appended.
    pub fn put(&self, head: Head, body: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
        let Settings { prefix, length, reserved, trailer, lrc, .. } = &self.settings;
        let len = head.len() + body.len() + self.behind;
        if self.limit < len {
            return Err(FrameError::TooLong { len, limit: self.limit });
        }
        if length.is_none() && trailer.cuts(body) {
            return Err(FrameError::Trailer);
        }
        out.reserve(self.before + len);
        let begins = out.len() + prefix.len();
        if !prefix.is_empty() {
            out.extend_from_slice(prefix.as_bytes());
        }
        length.write((len + self.counted_before).saturating_sub(self.uncounted_behind), out);
        if !reserved.is_empty() {
            out.extend_from_slice(reserved.as_bytes());
        }
        if !head.is_empty() {
            out.extend_from_slice(head.before(body.len()).as_bytes());
        }
        out.extend_from_slice(body);
        if self.behind != 0 {
            out.extend_from_slice(trailer.as_bytes());
            if *lrc {
                let sum = xor(out.get(begins..).unwrap_or_default());
                out.extend_from_slice(&[sum]);
            }
        }
        Ok(())
    }

    /// Whether bytes may be the beginning of the prefix.
    fn check_prefix(&self, stream: &[u8]) -> Result<(), FrameError> {
        let begins = self.settings.prefix.begins(stream);
        begins.then_some(()).ok_or(FrameError::Foreign { part: "prefix" })
    }

    /// The next cut where a length says it.
    #[inline]
    fn by_length(&self, stream: &[u8]) -> Result<Cut, FrameError> {
        let Settings { prefix, length, reserved, .. } = &self.settings;
        if !prefix.is_empty() {
            self.check_prefix(stream)?;
        }
        let field = stream.get(prefix.len()..).unwrap_or_default();
        let Some(said) = length.read(field)? else { return Ok(Cut::More(0)) };
        if said == 0 || said == self.counted_before {
            let whole = self.before <= stream.len();
            return Ok(if whole { Cut::Empty(self.before) } else { Cut::More(0) });
        }
        let around = self.around;
        let len = (said + self.uncounted_behind).saturating_sub(self.counted_before);
        if len <= around {
            let around = (around + self.counted_before).saturating_sub(self.uncounted_behind);
            return Err(FrameError::TooShort { len: said, around });
        }
        if self.limit < len {
            return Err(FrameError::TooLong { len, limit: self.limit });
        }
        if !reserved.is_empty() && !reserved.begins(field.get(length.width()..).unwrap_or_default())
        {
            return Err(FrameError::Foreign { part: "reserved bytes" });
        }
        let whole = self.before + len <= stream.len();
        Ok(if whole { Cut::Whole(len) } else { Cut::More(self.before + len) })
    }

    /// The next cut where the trailer ends a frame.
    fn by_trailer(&mut self, stream: &[u8]) -> Result<Cut, FrameError> {
        self.check_prefix(stream)?;
        let trailer = self.settings.trailer.as_bytes();
        let rest = stream.get(self.before..).unwrap_or_default();
        let Some(message) = self.settings.trailer.found(rest, self.searched) else {
            self.searched = rest.len().saturating_sub(trailer.len().saturating_sub(1));
            if self.limit <= rest.len() {
                return Err(FrameError::TooLong { len: rest.len() + 1, limit: self.limit });
            }
            return Ok(Cut::More(0));
        };
        let len = message + self.behind;
        self.searched = message;
        if self.limit < len {
            return Err(FrameError::TooLong { len, limit: self.limit });
        }
        if rest.len() < len {
            return Ok(Cut::More(self.before + len));
        }
        self.searched = 0;
        if message == 0 {
            return Ok(Cut::Empty(self.before + len));
        }
        let around = self.around;
        if len <= around { Err(FrameError::TooShort { len, around }) } else { Ok(Cut::Whole(len)) }
    }

    /// The next cut where the message itself says where it ends.
    fn by_message(&self, stream: &[u8]) -> Result<Cut, FrameError> {
        self.check_prefix(stream)?;
        let begins = self.before + self.settings.header.len();
        let message = stream.get(begins..).unwrap_or_default();
        let endless = |why| FrameError::Endless { why };
        let measure = self.measure.as_ref().ok_or_else(|| endless("nobody reads it".to_owned()))?;
        let Some(end) = measure.end(message).map_err(endless)? else {
            if self.limit <= stream.len().saturating_sub(self.before) {
                return Err(FrameError::TooLong { len: self.limit + 1, limit: self.limit });
            }
            return Ok(Cut::More(0));
        };
        let len = self.settings.header.len() + end + self.behind;
        if self.limit < len {
            return Err(FrameError::TooLong { len, limit: self.limit });
        }
        let whole = self.before + len <= stream.len();
        Ok(if whole { Cut::Whole(len) } else { Cut::More(self.before + len) })
    }

    /// Whether a whole frame ends as it should.
    fn check_end(&self, frame: &[u8]) -> Result<(), FrameError> {
        let Settings { prefix, trailer, lrc, .. } = &self.settings;
        let summed = frame.get(prefix.len()..).unwrap_or_default();
        let (summed, right) = match summed.split_last() {
            Some((sum, summed)) if *lrc => (summed, *sum == xor(summed)),
            _ => (summed, true),
        };
        if !summed.ends_with(trailer.as_bytes()) {
            return Err(FrameError::Foreign { part: "trailer" });
        }
        right.then_some(()).ok_or(FrameError::Lrc)
    }

    /// Takes what stands around the message off a frame; none when the message is one of ours that came back.
    fn open(&mut self, frame: &mut Bytes) -> Result<Option<Head>, FrameError> {
        frame.truncate(frame.len() - self.behind);
        match self.settings.header.take(frame)? {
            head::Read::Head(head) => Ok(Some(head)),
            head::Read::Rejected { code } => {
                let count = self.rejects.count.saturating_add(1);
                self.rejects = Rejects { count, code };
                Ok(None)
            }
        }
    }

    /// Takes a keep-alive from the stream.
    fn keep_alive(&mut self, stream: &mut BytesMut, len: usize) -> Result<(), FrameError> {
        match self.settings.keep_alive {
            KeepAlive::Ignore => {}
            KeepAlive::Echo => self.echo.extend_from_slice(stream.get(..len).unwrap_or_default()),
            KeepAlive::Close => return Err(FrameError::KeepAlive),
        }
        stream.advance(len);
        self.keepalives = self.keepalives.saturating_add(1);
        Ok(())
    }
}

impl Decoder for Framing {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, stream: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        loop {
            let cut = if !self.settings.length.is_none() {
                self.by_length(stream)?
            } else if self.settings.reads_messages() {
                self.by_message(stream)?
            } else {
                self.by_trailer(stream)?
            };
            match cut {
                Cut::Whole(len) => {
                    if self.behind != 0 {
                        self.check_end(stream.get(..self.before + len).unwrap_or_default())?;
                    }
                    stream.advance(self.before);
                    let mut body = stream.split_to(len).freeze();
                    // Mostly there is nothing around a message, or a TPDU.
                    let head = match self.around {
                        0 => Some(Head::NONE),
                        _ => self.open(&mut body)?,
                    };
                    if let Some(head) = head {
                        return Ok(Some(Frame { head, body }));
                    }
                }
                Cut::Empty(len) => self.keep_alive(stream, len)?,
                Cut::More(len) => {
                    // Bounded by the limit, however much the peer announced.
                    stream.reserve(len.saturating_sub(stream.len()));
                    return Ok(None);
                }
            }
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

/// The exclusive or of all bytes.
fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

#[cfg(test)]
mod tests;
