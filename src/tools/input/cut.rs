//! Bytes into messages: by a framing, or as one.

use std::io::{BufRead, Read as _};

use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder as _;

use super::{InputError, Piece, Sink, UNCUT_LEN_MAX};
use crate::framing::{Framing, Head, Length, Settings};

/// The longest message without a framing in bytes: more than any message has, so that a longer one is told as too long.
const MESSAGE_LEN_MAX: usize = 1 << 17;

/// The one message of these bytes.
pub(super) fn only(framing: Option<&Framing>, bytes: Vec<u8>) -> Found {
    let Some(framing) = framing else { return Ok((Head::NONE, Bytes::from(bytes))) };
    let mut stream = BytesMut::from(Bytes::from(bytes));
    let frame = framing.clone().decode(&mut stream);
    match frame {
        Ok(Some(frame)) if stream.is_empty() => Ok((frame.head, frame.body)),
        Ok(Some(_)) => Err(format!("{} bytes behind the frame", stream.len())),
        Ok(None) => Err("the frame ends early".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The length by which these bytes are whole frames from their first byte to their last, though none was said.
pub(super) fn seems_framed(bytes: &[u8]) -> Option<&'static str> {
    [("ascii-4", Length::ASCII_4), ("binary-2", Length::BINARY_2)].into_iter().find_map(
        |(name, length)| {
            let mut framing = Framing::new(Settings { length, ..Settings::default() });
            let mut stream = BytesMut::from(bytes);
            while let Ok(Some(_)) = framing.decode(&mut stream) {}
            (!bytes.is_empty() && stream.is_empty()).then_some(name)
        },
    )
}

/// A stream that is being cut.
pub(super) struct Cutter {
    /// Without one the stream is gathered from its beginning, and not cut.
    framing: Option<Framing>,
    buffer: BytesMut,
    /// How many more bytes are gathered.
    room: usize,
    /// How many bytes were cut off before the buffer.
    at: u64,
}

/// What preceded a message and its bytes, or why there is none.
pub(super) type Found = Result<(Head, Bytes), String>;

/// Where in the stream a frame begins, and what it holds.
pub(super) type Cut = (u64, Found);

impl Cutter {
    pub(super) fn new(framing: &Framing) -> Self {
        Self { framing: Some(framing.clone()), ..Self::uncut() }
    }

    /// One that gathers the beginning of the stream.
    pub(super) fn uncut() -> Self {
        Self { framing: None, buffer: BytesMut::new(), room: UNCUT_LEN_MAX, at: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.framing.is_some() {
            self.buffer.extend_from_slice(bytes);
            return;
        }
        let taken = bytes.get(..self.room).unwrap_or(bytes);
        self.buffer.extend_from_slice(taken);
        self.room -= taken.len();
    }

    /// Bytes of the stream are missing here: what was gathered, and nothing behind it, because nobody knows where a frame
    /// begins there.
    pub(super) fn broken(&mut self) -> Option<Cut> {
        if self.framing.is_some() {
            return None;
        }
        self.room = 0;
        self.end()
    }

    /// The next frame that is complete. After a fault, what is there is lost: nobody knows where the next frame begins.
    pub(super) fn next(&mut self) -> Option<Cut> {
        let (at, before) = (self.at, self.buffer.len());
        match self.framing.as_mut()?.decode(&mut self.buffer) {
            Ok(frame) => {
                self.at += u64::try_from(before - self.buffer.len()).unwrap_or(0);
                frame.map(|frame| (at, Ok((frame.head, frame.body))))
            }
            Err(error) => {
                self.lose();
                let cure = "if the length before each message is written otherwise, say --framing";
                Some((at, Err(format!("{error}; {cure}"))))
            }
        }
    }

    /// The stream ends: what is left of a frame.
    pub(super) fn end(&mut self) -> Option<Cut> {
        if self.framing.is_none() {
            let (at, bytes) = (self.at, self.buffer.split().freeze());
            return (!bytes.is_empty()).then_some((at, Ok((Head::NONE, bytes))));
        }
        let (at, len) = (self.at, self.lose());
        (0 < len).then(|| (at, Err(format!("the frame ends early, after {len} bytes"))))
    }

    /// Drops what is left of a frame; gives how many bytes that is.
    pub(super) fn lose(&mut self) -> usize {
        let len = self.buffer.len();
        self.at += u64::try_from(len).unwrap_or(0);
        self.buffer.clear();
        if let Some(framing) = &mut self.framing {
            framing.restart();
        }
        len
    }
}

/// All of the input: a stream of frames, or one message.
pub(super) fn raw(
    input: &mut dyn BufRead,
    framing: Option<&Framing>,
    sink: &mut Sink<'_>,
) -> Result<(), InputError> {
    let Some(framing) = framing else { return one(input, sink) };
    let mut cutter = Cutter::new(framing);
    loop {
        let some = input.fill_buf().map_err(InputError::Read)?;
        let len = some.len();
        if len == 0 {
            return cutter.end().map_or(Ok(()), |cut| show(cut, sink));
        }
        cutter.push(some);
        input.consume(len);
        while let Some(cut) = cutter.next() {
            let is_fault = cut.1.is_err();
            show(cut, sink)?;
            if is_fault {
                return Ok(());
            }
        }
    }
}

fn show((at, found): Cut, sink: &mut Sink<'_>) -> Result<(), InputError> {
    sink(Piece { place: format!("byte {at}"), found }).map_err(InputError::Show)
}

/// What the input begins with, as it is.
pub(super) fn beginning(input: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), InputError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(UNCUT_LEN_MAX).unwrap_or(u64::MAX);
    input.take(most).read_to_end(&mut bytes).map_err(InputError::Read)?;
    if bytes.is_empty() {
        return Ok(());
    }
    show((0, Ok((Head::NONE, Bytes::from(bytes)))), sink)
}

/// All of the input as one message.
fn one(input: &mut dyn BufRead, sink: &mut Sink<'_>) -> Result<(), InputError> {
    let mut bytes = Vec::new();
    loop {
        let some = input.fill_buf().map_err(InputError::Read)?;
        let len = some.len();
        if len == 0 {
            break;
        }
        bytes.extend_from_slice(some);
        input.consume(len);
        if MESSAGE_LEN_MAX < bytes.len() {
            return Err(InputError::Bad {
                place: format!("byte {MESSAGE_LEN_MAX}"),
                why: String::from("no message is this long"),
                cure: String::from(
                    "if this is a stream of messages, say how it is cut: --framing binary-2",
                ),
            });
        }
    }
    if bytes.is_empty() {
        return Ok(());
    }
    let found = Ok((Head::NONE, Bytes::from(bytes)));
    show((0, found), sink)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, repeat};

    use super::*;

    #[test]
    fn a_stream_in_pieces_of_any_size() {
        let framing = Framing::new(Settings { length: Length::ASCII_4, ..Settings::default() });
        let stream = b"0003abc00000001d0002ef00";
        for piece in 1..=stream.len() {
            let mut seen = Vec::new();
            raw(
                &mut BufReader::with_capacity(piece, Cursor::new(stream)),
                Some(&framing),
                &mut |piece| {
                    let text =
                        piece.found.map(|(_, body)| String::from_utf8(body.to_vec()).unwrap());
                    seen.push((piece.place, text));
                    Ok(())
                },
            )
            .unwrap();
            let (last, whole) = seen.split_last().unwrap();
            let bodies: Vec<_> = whole.iter().map(|(_, body)| body.clone().unwrap()).collect();
            assert_eq!(bodies, ["abc", "d", "ef"]);
            assert_eq!(
                *last,
                ("byte 22".to_owned(), Err("the frame ends early, after 2 bytes".to_owned()))
            );
        }
    }

    #[test]
    fn frames_are_known_by_their_length() {
        for (bytes, name) in [
            (&b"0003abc"[..], Some("ascii-4")),
            (b"0003abc0001d", Some("ascii-4")),
            (b"\0\x03abc\0\x01d", Some("binary-2")),
            (b"0003abcd", None),
            (b"\0\x03ab", None),
            (b"0800", None),
            (b"", None),
        ] {
            assert_eq!(seems_framed(bytes), name, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_stream_ends_at_its_first_fault() {
        let framing = Framing::new(Settings::default());
        let mut seen = Vec::new();
        raw(&mut Cursor::new(b"\0\x01a\xFF\xFFbcd"), Some(&framing), &mut |piece| {
            seen.push(format!("{}: {:?}", piece.place, piece.found));
            Ok(())
        })
        .unwrap();
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen[1].starts_with("byte 3: Err(\"a frame of 65535 bytes"), "{seen:?}");
        assert!(seen[1].contains("--framing"), "{seen:?}");
    }

    #[test]
    fn nothing_endless_is_kept() {
        let error = raw(&mut BufReader::new(repeat(2)), None, &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("--framing"), "{error}");
    }
}
