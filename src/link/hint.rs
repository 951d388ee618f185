//! What a stream that cannot be cut says about its sender, and which setting to look at; knows no sockets.

use crate::framing::{FrameError, Length, Settings};

/// What to do about a fault, for people.
pub(super) fn about(fault: &FrameError, framing: &Settings) -> &'static str {
    match fault {
        FrameError::TooLong { len, .. } => too_long(*len, framing.length),
        FrameError::NotDigits { .. } => {
            "check `length` on both sides: does its peer write `binary-2`, another coding, or no length at all?"
        }
        FrameError::TooShort { .. } if !framing.header.is_empty() => {
            "does its peer write the header that this link has? See `tpdu`, `header` and `length_counts`"
        }
        FrameError::TooShort { .. } => {
            "check `length_counts`: its peer may count less than this link thinks"
        }
        FrameError::Foreign { .. } => {
            "check `length`, `length_counts` and what stands around a message on both sides"
        }
        FrameError::Lrc => "does its peer begin its LRC at another byte, or send none? See `lrc`",
        FrameError::KeepAlive => "keep_alive = \"ignore\" or \"echo\" takes them",
        FrameError::Endless { .. } => {
            "without a length the dialect has to fit exactly: check `dialect` and `length`"
        }
        FrameError::Trailer | FrameError::Io(_) => "",
    }
}

/// A length that is too large is mostly one that is written in another way.
fn too_long(len: usize, length: Length) -> &'static str {
    let Some(field) = (length == Length::BINARY_2).then(|| u16::try_from(len).ok()).flatten()
    else {
        return if length.is_none() {
            "its messages do not end where this link looks: check `trailer` and `length`, or raise frame_len_max"
        } else {
            "check `length` on both sides, or raise frame_len_max"
        };
    };
    let [high, low] = field.to_be_bytes();
    if high.is_ascii_digit() && low.is_ascii_digit() {
        "the length looks like ASCII digits: does its peer write `length = \"ascii-4\"`?"
    } else if (0xF0..=0xF9).contains(&high) && (0xF0..=0xF9).contains(&low) {
        "the length looks like EBCDIC digits: does its peer write `length = \"ebcdic-4\"`?"
    } else if (b' '..=b'~').contains(&high) && (b' '..=b'~').contains(&low) {
        "the length looks like ASCII text: is its peer one that speaks ISO 8583?"
    } else if high == 0x16 && low == 0x03 {
        "the length looks like the beginning of TLS: its peer wants to encrypt, and this link does not: give it a table [links.NAME.tls]"
    } else if high == 0x02 {
        "the length looks like STX and a message: does its peer write `prefix = \"02\"` and `trailer = \"03\"`?"
    } else if usize::from(field.swap_bytes()) <= 4096 {
        "the length would be plausible with its bytes swapped: does its peer write `length = \"binary-2-le\"`?"
    } else {
        "check `length` on both sides, or raise frame_len_max"
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use tokio_util::codec::Decoder as _;

    use super::*;
    use crate::framing::{Fixed, Framing, Head};

    /// What a link that expects one way of writing is told when another comes.
    #[test]
    fn each_stream_and_what_is_said_about_it() {
        let plain = Settings::default();
        let none = Settings { length: Length::NONE, frame_len_max: 10, ..plain };
        let named = |name| Settings { length: Length::from_text(name).unwrap(), ..plain };
        let header = Head::from_text("base24:ISO025000050").unwrap();
        let lines = Settings { trailer: Fixed::from_text("0A").unwrap(), ..none };
        for (framing, stream, said) in [
            (plain, &b"0123"[..], "ascii-4"),
            (plain, b"\xF0\xF1", "ebcdic-4"),
            (plain, b"GET /", "ASCII text"),
            (Settings { frame_len_max: 500, ..plain }, b"\x16\x03\x01", "TLS"),
            (Settings { frame_len_max: 500, ..plain }, b"\x02\x30", "`prefix = \"02\"`"),
            (plain, b"\x80\x01", "binary-2-le"),
            (plain, b"\xFF\xFF", "raise frame_len_max"),
            (named("ascii-4"), b"\0", "`binary-2`"),
            (named("binary-4"), b"0123", "`length` on both sides"),
            (Settings { header, ..plain }, b"\0\x05", "the header that this link has"),
            (Settings { header, ..plain }, b"\0\x0D0200123456789", "stands around a message"),
            (lines, b"0123456789A", "`trailer`"),
            (none, b"0", "the dialect has to fit"),
        ] {
            let fault = Framing::new(framing).decode(&mut BytesMut::from(stream)).unwrap_err();
            let hint = about(&fault, &framing);
            assert!(hint.contains(said), "{fault}: {hint}");
        }
    }
}
