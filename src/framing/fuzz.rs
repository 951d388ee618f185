//! What a fuzzer attacks: any bytes, in pieces of any size, under each framing.

use std::sync::Arc;

use bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use super::{
    Counts, Fixed, Frame, Framing, Head, KeepAlive, Length, Measure, Part, Settings, Tpdu,
};

/// Cuts a stream whole and in pieces: the same frames come out; and what came out goes in again.
///
/// The first byte chooses the framing, the second how large the pieces are. From 128 on the first byte has two more behind the
/// second, for what the plain framings do not have.
#[doc(hidden)]
pub fn fuzz_frame_split(data: &[u8]) {
    let (settings, piece, stream) = match data {
        [choice, piece, length, around, stream @ ..] if 0x80 <= *choice => {
            (composed(*choice, *length, *around), piece, stream)
        }
        [choice, piece, stream @ ..] => (plain(*choice), piece, stream),
        _ => return,
    };
    if !settings.impossible().is_empty() {
        return;
    }
    let whole = split(settings, stream, stream.len().max(1));
    let pieces = split(settings, stream, usize::from(*piece).max(1));
    assert_eq!(whole, pieces, "the same stream gives the same frames however it arrives");
    let mut again = BytesMut::new();
    let framing = Framing::new(settings);
    for frame in &whole {
        let sent = framing.put(frame.head, &frame.body, &mut again);
        assert!(sent.is_ok(), "what was read can be sent");
    }
    let len = again.len().max(1);
    assert_eq!(whole, split(settings, &again, len), "what was sent is read again");
}

/// A length, and perhaps a TPDU.
fn plain(choice: u8) -> Settings {
    let header = Tpdu::from_text("6000010002").map(Head::tpdu);
    let header = header.ok().filter(|_| choice & 1 == 1).unwrap_or_default();
    let length = if choice & 2 == 2 { Length::ASCII_4 } else { Length::BINARY_2 };
    Settings { length, header, frame_len_max: 512, ..Settings::default() }
}

/// Any length, counting anything, with anything around the message.
fn composed(choice: u8, length: u8, around: u8) -> Settings {
    let bit = |of: u8, at: u8| of >> at & 1 == 1;
    let fixed =
        |wanted, text| Fixed::from_text(text).ok().filter(|_| wanted).unwrap_or(Fixed::NONE);
    let name = Length::names().cycle().nth(usize::from(length));
    let counted = Part::NAMES.iter().zip(0..).filter(|(_, at)| bit(choice, *at));
    let headers = [
        "",
        "6000010002",
        "visa:111111:222222",
        "base24:ISO025000050",
        "echo:010203",
        "constant:FF",
    ];
    let header = headers.iter().cycle().nth(usize::from(around >> 5)).copied().unwrap_or_default();
    let other = Head::from_text(header).unwrap_or_default();
    Settings {
        prefix: fixed(bit(around, 0), "02"),
        length: name.and_then(|name| Length::from_text(name).ok()).unwrap_or(Length::NONE),
        counts: counted.fold(Counts::NONE, |counts, ((_, part), _)| counts.with(*part)),
        reserved: fixed(bit(around, 1), "0000"),
        header: Tpdu::from_text(header).map_or(other, Head::tpdu),
        trailer: fixed(bit(around, 2), if bit(choice, 6) { "0D0A" } else { "03" }),
        lrc: bit(around, 3),
        keep_alive: if bit(around, 4) { KeepAlive::Echo } else { KeepAlive::Ignore },
        frame_len_max: 512,
    }
}

/// Messages whose first byte says in its low half how many follow; with a high half of ones it says nothing.
#[derive(Debug)]
pub(super) struct Counted;

impl Measure for Counted {
    fn end(&self, stream: &[u8]) -> Result<Option<usize>, String> {
        match stream.first() {
            Some(0xF0..) => Err("its first byte says nothing".to_owned()),
            first => Ok(first.map(|first| 1 + usize::from(first & 0x0F))),
        }
    }
}

/// The frames of a stream that arrives in pieces, up to its first fault.
pub(super) fn split(settings: Settings, stream: &[u8], piece: usize) -> Vec<Frame> {
    let mut framing = Framing::new(settings).measured_by(Arc::new(Counted));
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
