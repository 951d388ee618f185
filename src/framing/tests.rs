//! Streams as peers write them, byte for byte, and the same streams in pieces of every size.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use tokio_util::codec::{Decoder as _, Encoder as _};

use super::*;

/// A small framing with this length, and TPDUs or not.
fn settings(length: Length, tpdu: bool) -> Settings {
    let header = if tpdu { header("tpdu:6000010002") } else { Head::NONE };
    Settings { length, header, frame_len_max: 20, ..Settings::default() }
}

fn header(text: &str) -> Head {
    text.strip_prefix("tpdu:").map_or_else(
        || Head::from_text(text).unwrap(),
        |tpdu| Head::tpdu(Tpdu::from_text(tpdu).unwrap()),
    )
}

fn fixed(text: &str) -> Fixed {
    Fixed::from_text(text).unwrap()
}

/// A framing by the name of its length.
fn by_name(length: &str) -> Settings {
    let length = Length::from_text(length).unwrap();
    Settings { length, frame_len_max: 100, ..Settings::default() }
}

fn counting(parts: &[Part]) -> Counts {
    parts.iter().fold(Counts::NONE, |counts, part| counts.with(*part))
}

#[test]
fn frames_and_keepalives() {
    for (length, tpdu, stream, bodies, keepalives) in [
        (Length::BINARY_2, false, &b"\0\x03abc\0\0\0\x01d\0\x02e"[..], &["abc", "d"][..], 1),
        (Length::ASCII_4, false, b"000000000003abc0001d00", &["abc", "d"], 2),
        (Length::BINARY_2, true, b"\0\x06\x60\0\x01\0\x02x", &["x"], 0),
        (Length::ASCII_4, true, b"0007\x60\0\x01\0\x02xy0000", &["xy"], 1),
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

/// Lengths of the field: what is written for the message `abc`, and a keep-alive.
#[test]
fn a_message_behind_each_length() {
    let two = by_name("binary-2");
    let inclusive = counting(&[Part::Itself, Part::Header]);
    let framings: [(_, _, &[u8], &[u8]); _] = [
        ("two bytes", two, b"\0\x03abc", b"\0\0"),
        (
            "two bytes that count themselves",
            Settings { counts: inclusive, ..two },
            b"\0\x05abc",
            b"\0\0",
        ),
        ("the same, empty", Settings { counts: inclusive, ..two }, b"\0\x05abc", b"\0\x02"),
        ("two bytes, low first", by_name("binary-2-le"), b"\x03\0abc", b"\0\0"),
        ("three bytes", by_name("binary-3"), b"\0\0\x03abc", b"\0\0\0"),
        ("four bytes", by_name("binary-4"), b"\0\0\0\x03abc", b"\0\0\0\0"),
        ("two of BCD", by_name("bcd-2"), b"\0\x03abc", b"\0\0"),
        ("four digits", by_name("ascii-4"), b"0003abc", b"0000"),
        (
            "four digits that count themselves",
            Settings { counts: inclusive, ..by_name("ascii-4") },
            b"0007abc",
            b"0000",
        ),
        ("four hexadecimal digits", by_name("hex-4"), b"0003abc", b"0000"),
        ("digits in EBCDIC", by_name("ebcdic-4"), b"\xF0\xF0\xF0\xF3abc", b"\xF0\xF0\xF0\xF0"),
    ];
    for (what, settings, frame, keepalive) in framings {
        written_and_read(what, settings, frame, keepalive);
    }
}

#[test]
fn a_message_between_prefix_and_reserved_bytes() {
    let two = by_name("binary-2");
    let framings: [(_, _, &[u8], &[u8]); _] = [
        (
            "two and two reserved",
            Settings { reserved: fixed("0000"), ..two },
            b"\0\x03\0\0abc",
            b"\0\0\0\0",
        ),
        (
            "the same, a heartbeat",
            Settings { reserved: fixed("0000"), ..two },
            b"\0\x03\0\0abc",
            b"\0\0\0\x20",
        ),
        (
            "two zeros and two",
            Settings { prefix: fixed("0000"), ..two },
            b"\0\0\0\x03abc",
            b"\0\0\0\0",
        ),
        (
            "a magic number, a length, a flag",
            Settings { prefix: fixed("D04A"), reserved: fixed("0000"), ..two },
            b"\xD0\x4A\0\x03\0\0abc",
            b"\xD0\x4A\0\0\0\0",
        ),
        (
            "all of it counted",
            Settings {
                prefix: fixed("D04A"),
                reserved: fixed("0000"),
                counts: counting(&[Part::Prefix, Part::Itself, Part::Reserved]),
                ..two
            },
            b"\xD0\x4A\0\x09\0\0abc",
            b"\xD0\x4A\0\x06\0\0",
        ),
    ];
    for (what, settings, frame, keepalive) in framings {
        written_and_read(what, settings, frame, keepalive);
    }
}

#[test]
fn a_message_behind_each_header() {
    let two = by_name("binary-2");
    let framings: [(_, _, &[u8], &[u8]); _] = [
        (
            "a TPDU that is counted",
            Settings { header: header("tpdu:6000010002"), ..two },
            b"\0\x08\x60\0\x01\0\x02abc",
            b"\0\0",
        ),
        (
            "a TPDU that is not",
            Settings { header: header("tpdu:6000010002"), counts: Counts::NONE, ..two },
            b"\0\x03\x60\0\x01\0\x02abc",
            b"\0\0",
        ),
        (
            "Visa",
            Settings { reserved: fixed("0000"), header: header("visa:111111:222222"), ..two },
            b"\0\x19\0\0\x16\x01\x02\0\x19\x11\x11\x11\x22\x22\x22\0\0\0\0\0\0\0\0\0\0\0abc",
            b"\0\0\0\0",
        ),
    ];
    for (what, settings, frame, keepalive) in framings {
        written_and_read(what, settings, frame, keepalive);
    }
}

#[test]
fn a_message_before_each_trailer() {
    let two = by_name("binary-2");
    let etx = fixed("03");
    let framings: [(_, _, &[u8], &[u8]); _] = [
        (
            "a counted ETX",
            Settings { trailer: etx, counts: counting(&[Part::Trailer]), ..two },
            b"\0\x04abc\x03",
            b"\0\0",
        ),
        ("an ETX that is not counted", Settings { trailer: etx, ..two }, b"\0\x03abc\x03", b"\0\0"),
        ("an ETX alone", Settings { trailer: etx, ..by_name("none") }, b"abc\x03", b"\x03"),
        ("lines", Settings { trailer: fixed("0D0A"), ..by_name("none") }, b"abc\r\n", b"\r\n"),
        (
            "STX, ETX, LRC",
            Settings { prefix: fixed("02"), trailer: etx, lrc: true, ..by_name("none") },
            b"\x02abc\x03\x63",
            b"\x02\x03\x03",
        ),
        (
            "STX, length, ETX, LRC",
            Settings { prefix: fixed("02"), trailer: etx, lrc: true, ..by_name("bcd-2") },
            b"\x02\0\x03abc\x03\x60",
            b"\x02\0\0",
        ),
        (
            "BASE24 with ETX",
            Settings { trailer: etx, header: header("base24:ISO025000050"), ..by_name("none") },
            b"ISO025000050abc\x03",
            b"\x03",
        ),
    ];
    for (what, settings, frame, keepalive) in framings {
        written_and_read(what, settings, frame, keepalive);
    }
}

/// The message `abc` is written so, and read again among keep-alives, in pieces of any size.
fn written_and_read(what: &str, settings: Settings, frame: &[u8], keepalive: &[u8]) {
    assert_eq!(settings.impossible(), [], "{what}");
    let framing = Framing::new(settings);
    let mut out = BytesMut::new();
    framing.put(framing.head(), b"abc", &mut out).unwrap();
    assert_eq!(out, frame, "{what}");
    let stream = [keepalive, frame, keepalive, keepalive, frame].concat();
    for piece in 1..=stream.len() {
        let frames = fuzz::split(settings, &stream, piece);
        let bodies: Vec<_> = frames.iter().map(|frame| &frame.body[..]).collect();
        assert_eq!(bodies, [b"abc", b"abc"], "{what}, in pieces of {piece}");
    }
    let mut framing = Framing::new(settings);
    framing.decode(&mut BytesMut::from(&stream[..])).unwrap();
    assert_eq!(framing.keepalives(), 1, "{what}");
}

#[test]
fn what_is_done_about_keep_alives() {
    for (keep_alive, echo, fault) in [
        (KeepAlive::Ignore, None, None),
        (KeepAlive::Echo, Some(&b"\0\0\0\x20\0\0\0\0"[..]), None),
        (KeepAlive::Close, None, Some("a keep-alive, and this link takes none")),
    ] {
        let mut framing =
            Framing::new(Settings { keep_alive, reserved: fixed("0000"), ..by_name("binary-2") });
        let decoded = framing.decode(&mut BytesMut::from(&b"\0\0\0\x20\0\0\0\0\0"[..]));
        assert_eq!(decoded.err().map(|fault| fault.to_string()).as_deref(), fault);
        assert_eq!(framing.take_echo().as_deref(), echo);
        assert_eq!(framing.take_echo(), None);
    }
}

#[test]
fn faults_are_told_apart_before_anything_is_reserved() {
    let etx = Settings { trailer: fixed("03"), frame_len_max: 5, ..by_name("none") };
    let visa = Settings { header: header("visa:111111:222222"), ..by_name("binary-2") };
    let inclusive = counting(&[Part::Itself, Part::Header]);
    let tpdu = settings(Length::BINARY_2, true);
    for (settings, stream, fault) in [
        (settings(Length::ASCII_4, false), &b"+"[..], "the frame's length is not ascii-4"),
        (settings(Length::ASCII_4, false), b"00 6", "the frame's length is not ascii-4"),
        (
            settings(Length::ASCII_4, false),
            b"9999",
            "a frame of 9999 bytes exceeds the limit of 20",
        ),
        (
            settings(Length::BINARY_2, false),
            b"\xFF\xFF",
            "a frame of 65535 bytes exceeds the limit of 20",
        ),
        (
            by_name("binary-4"),
            b"\xFF\xFF\xFF\xFF",
            "a frame of 4294967295 bytes exceeds the limit of 100",
        ),
        (
            tpdu,
            b"\0\x05",
            "a frame of 5 bytes has no room for 5 bytes around a message, and the message",
        ),
        (
            Settings { counts: inclusive, ..tpdu },
            b"\0\x07",
            "a frame of 7 bytes has no room for 7 bytes around a message, and the message",
        ),
        (
            Settings { counts: inclusive, ..tpdu },
            b"\0\x01",
            "a frame of 1 bytes has no room for 7 bytes around a message, and the message",
        ),
        (Settings { prefix: fixed("D04A"), ..tpdu }, b"\xD0\x4B", "the frame has the wrong prefix"),
        (
            Settings { reserved: fixed("0000"), ..by_name("binary-2") },
            b"\0\x01\x01",
            "the frame has the wrong reserved bytes",
        ),
        (
            Settings { trailer: fixed("03"), ..by_name("binary-2") },
            b"\0\x01a\x04",
            "the frame has the wrong trailer",
        ),
        (
            Settings { prefix: fixed("02"), lrc: true, ..etx },
            b"\x02a\x03\x00",
            "the frame's LRC is wrong",
        ),
        (etx, b"abcde", "a frame of 6 bytes exceeds the limit of 5"),
        (etx, b"abcdef\x03", "a frame of 7 bytes exceeds the limit of 5"),
        (visa, &[&b"\0\x17\x15"[..], &[0; 22]].concat(), "the frame has the wrong header"),
        (
            Settings { header: header("base24:ISO025000050"), ..by_name("binary-2") },
            b"\0\x0D0200ISO025000",
            "the frame has the wrong header",
        ),
    ] {
        let mut buffer = BytesMut::from(stream);
        let before = buffer.capacity();
        let error = Framing::new(settings).decode(&mut buffer).unwrap_err();
        assert_eq!(error.to_string(), fault);
        assert!(buffer.capacity() <= before, "{fault}");
    }
}

/// A message of ours that comes back with a reason is counted and skipped.
#[test]
fn a_rejected_message_is_no_message() {
    let settings = Settings { header: header("visa:111111:222222"), ..by_name("binary-2") };
    let mut framing = Framing::new(settings);
    let mut stream = BytesMut::new();
    framing.put(framing.head(), b"abc", &mut stream).unwrap();
    let own = stream.split_off(2);
    let wrapper = [&b"\x1A\x81"[..], &own[2..22], b"\x80\0\x02\x91"].concat();
    stream.clear();
    stream.extend_from_slice(&[b"\0\x33", &wrapper[..], &own, b"\0\x19", &own].concat());
    let frame = framing.decode(&mut stream).unwrap().unwrap();
    assert_eq!(
        (&frame.body[..], framing.rejects()),
        (&b"abc"[..], Rejects { count: 1, code: 291 })
    );
    assert!(stream.is_empty());
}

#[test]
fn a_reply_goes_back_where_its_request_came_from() {
    let framing = Framing::new(settings(Length::BINARY_2, true));
    let mut out = BytesMut::new();
    framing.put(framing.head().reply(), b"m", &mut out).unwrap();
    assert_eq!(&out[..], b"\0\x06\x60\0\x02\0\x01m");
    assert!(framing.put(framing.head(), &[0; 16], &mut out).is_err());
    assert_eq!(out.len(), 8);
}

#[test]
fn what_cannot_be_sent_is_told() {
    let short = Settings { counts: counting(&[Part::Itself]), ..by_name("ascii-2") };
    let etx = Settings { trailer: fixed("03"), ..by_name("none") };
    for (settings, body, fault) in [
        (short, &[b'a'; 98][..], Some("a frame of 98 bytes exceeds the limit of 97")),
        (short, &[b'a'; 97], None),
        (
            etx,
            b"a\x03b",
            Some("the message has the trailer's bytes in it: its reader would end it there"),
        ),
        (etx, &[b'a'; 100], Some("a frame of 101 bytes exceeds the limit of 100")),
    ] {
        let framing = Framing::new(settings);
        let mut out = BytesMut::from(&b"x"[..]);
        let put = framing.put(Head::NONE, body, &mut out);
        assert_eq!(put.err().map(|fault| fault.to_string()).as_deref(), fault);
        assert_eq!(out.len() == 1, fault.is_some());
        assert_eq!(
            body.len() <= framing.message_len_max(),
            framing.delimiter().cuts(body) || fault.is_none()
        );
    }
}

/// What is asked of whoever reads messages, and what becomes of the answers.
#[test]
fn streams_in_which_only_the_messages_say_where_they_end() {
    let none = by_name("none");
    let tpdu = Settings { header: header("tpdu:6000010002"), ..none };
    let stx = Settings { prefix: fixed("02"), lrc: true, ..none };
    for (settings, stream, bodies) in [
        (none, &b"\x02ab\0\x01c\x03"[..], &[&b"\x02ab"[..], b"\0", b"\x01c"][..]),
        (tpdu, b"\x60\0\x01\0\x02\x01m\x60", &[b"\x01m"]),
        (stx, b"\x02\x01m\x6C\x02", &[b"\x01m"]),
    ] {
        for piece in 1..=stream.len() {
            let frames = fuzz::split(settings, stream, piece);
            let read: Vec<_> = frames.iter().map(|frame| &frame.body[..]).collect();
            assert_eq!(read, bodies, "in pieces of {piece}");
        }
    }
    let small = Settings { frame_len_max: 5, ..none };
    for (settings, stream, fault) in [
        (
            none,
            &b"\xF0"[..],
            "it cannot be read where the message ends: its first byte says nothing",
        ),
        (small, b"\x05", "a frame of 6 bytes exceeds the limit of 5"),
        (
            Settings { header: header("echo:0000000000"), ..small },
            b"12345",
            "a frame of 6 bytes exceeds the limit of 5",
        ),
        (stx, b"\x02\x01m\x6D", "the frame's LRC is wrong"),
    ] {
        let mut framing = Framing::new(settings).measured_by(Arc::new(fuzz::Counted));
        let fault_read = framing.decode(&mut BytesMut::from(stream)).unwrap_err();
        assert_eq!(fault_read.to_string(), fault);
    }
    assert!(Framing::new(none).decode(&mut BytesMut::from(&b"\0"[..])).is_err(), "nobody reads it");
}

#[test]
fn settings_that_do_not_go_together() {
    let none = by_name("none");
    let etx = Settings { trailer: fixed("03"), ..none };
    let prefixed = counting(&[Part::Prefix, Part::Reserved, Part::Trailer]);
    for (settings, keys) in [
        (none, &[][..]),
        (Settings { keep_alive: KeepAlive::Echo, ..none }, &["keep_alive"]),
        (Settings { keep_alive: KeepAlive::Echo, ..etx }, &[]),
        (
            Settings { counts: Counts::NONE, reserved: fixed("00"), ..etx },
            &["length_counts", "reserved"],
        ),
        (Settings { header: header("tpdu:6000010002"), ..etx }, &["tpdu"]),
        (Settings { header: header("tpdu:6000010002"), ..none }, &[]),
        (Settings { header: header("visa:000001:000002"), ..etx }, &["header"]),
        (Settings { header: header("visa:000001:000002"), ..none }, &["header"]),
        (Settings { header: header("echo:0103"), ..etx }, &["header"]),
        (Settings { counts: prefixed, ..by_name("binary-2") }, &["length_counts"; 3]),
        (
            Settings {
                header: header("visa:000001:000002"),
                counts: Counts::NONE,
                ..by_name("binary-2")
            },
            &["length_counts"],
        ),
    ] {
        let found: Vec<_> = settings.impossible().iter().map(|found| found.key).collect();
        assert_eq!(found, keys, "{settings:?}");
    }
}

#[test]
fn the_buffer_of_a_frame_is_not_copied() {
    let mut buffer = BytesMut::from(&b"\0\x03abc"[..]);
    let at = buffer.as_ptr().addr();
    let frame = Framing::new(Settings::default()).decode(&mut buffer).unwrap().unwrap();
    assert_eq!(frame.body.as_ptr().addr(), at + 2);
}

const HEADERS: &[&str] = &[
    "",
    "tpdu:6000010002",
    "visa:111111:222222",
    "base24:ISO025000050",
    "echo:010203",
    "constant:FFFE",
];

/// Any framing that is possible.
fn any_settings() -> impl Strategy<Value = Settings> {
    let length = prop::sample::select(Length::names().collect::<Vec<_>>());
    let counts = prop::sample::subsequence(Part::NAMES.to_vec(), 0..=Part::NAMES.len());
    let fixed = |texts: &'static [&'static str]| prop::sample::select(texts);
    let parts =
        (fixed(&["", "02", "D04A"]), fixed(&["", "0000"]), fixed(&["", "03", "0D0A", "0303"]));
    (length, counts, parts, prop::sample::select(HEADERS), any::<bool>())
        .prop_map(|(length, counts, (prefix, reserved, trailer), header, lrc)| Settings {
            counts: counts.iter().fold(Counts::NONE, |counts, (_, part)| counts.with(*part)),
            prefix: Fixed::from_text(prefix).unwrap_or_default(),
            reserved: Fixed::from_text(reserved).unwrap_or_default(),
            trailer: Fixed::from_text(trailer).unwrap_or_default(),
            header: if header.is_empty() { Head::NONE } else { self::header(header) },
            lrc,
            frame_len_max: 300,
            ..by_name(length)
        })
        .prop_filter("possible", |settings| settings.impossible().is_empty())
}

proptest! {
    /// Whatever is sent is read again, wherever the stream is split.
    #[test]
    fn a_stream_split_anywhere_gives_its_frames(
        settings in any_settings(),
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..60), 1..8),
        pieces in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let mut framing = Framing::new(settings).measured_by(Arc::new(fuzz::Counted));
        let (mut stream, mut sent) = (BytesMut::new(), Vec::new());
        for mut body in bodies {
            if settings.reads_messages() {
                body.truncate(16);
                body[0] = u8::try_from(body.len() - 1).unwrap();
            }
            let head = framing.head().before(body.len());
            let frame = Frame { head, body: Bytes::from(body) };
            let before = stream.len();
            if framing.encode(&frame, &mut stream).is_ok() {
                sent.push(frame);
            } else {
                prop_assert_eq!(stream.len(), before);
            }
        }
        let (mut buffer, mut read, mut rest) = (BytesMut::new(), Vec::new(), &stream[..]);
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(*piece));
            buffer.extend_from_slice(now);
            while let Some(frame) = framing.decode(&mut buffer).unwrap() {
                read.push(frame);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, sent);
        prop_assert!(buffer.is_empty());
    }

    /// Whatever arrives, it is cut in the same way in pieces as in one, and nothing panics.
    #[test]
    fn garbage_is_cut_alike_however_it_arrives(
        settings in any_settings(),
        stream in prop::collection::vec(prop::sample::select(&b"\0\x01\x02\x03\x16ISO05\x80\xF0\xD0\x4A\x0D\x0A"[..]), 1..200),
        piece in 1_usize..20,
    ) {
        prop_assert_eq!(fuzz::split(settings, &stream, stream.len()), fuzz::split(settings, &stream, piece));
    }
}
