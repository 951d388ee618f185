//! What is found in frames of every framing and dialect, in captures that are not perfect, and in garbage.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::codec::Draft;
use crate::framing::{Counts, Fixed, Framing, Length};
use crate::iso::{ElementNo, Elements, Mti};

fn suspects() -> Vec<Suspect> {
    let shipped = Dialect::shipped_names().iter();
    shipped
        .map(|name| Suspect {
            name: (*name).to_owned(),
            dialect: Arc::new(Dialect::shipped(name).unwrap()),
        })
        .collect()
}

/// A message as a terminal writes it, different from number to number.
fn message(dialect: &str, number: u32) -> Vec<u8> {
    message_of(&Dialect::shipped(dialect).unwrap(), "4000000000000002", number)
}

fn message_of(dialect: &Dialect, card: &str, number: u32) -> Vec<u8> {
    let mut own = Elements::default();
    for (no, value) in [
        (2, card),
        (3, "000000"),
        (4, &*format!("{:012}", 100 + number)),
        (7, "1123184000"),
        (11, &*format!("{number:06}")),
        (12, "184000"),
        (13, "1123"),
        (32, "12345678901"),
        (37, "000000000001"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "CORNER SHOP             GENT          BE"),
        (49, "978"),
    ] {
        if !number.is_multiple_of(3) || no != 43 {
            own.set(ElementNo::of(no), value.as_bytes());
        }
    }
    let mut body = Vec::new();
    let mti = Mti::of(if number.is_multiple_of(2) { 200 } else { 100 });
    Draft { mti, own: &own, copied: None }.encode(dialect, &mut body).unwrap();
    body
}

fn found(pieces: &[Vec<u8>]) -> Diagnosis {
    let mut sample = Sample::default();
    for piece in pieces {
        let found = Ok((Head::NONE, Bytes::from(piece.clone())));
        sample.take(Piece { place: String::from("byte 0"), found });
    }
    diagnose(&sample, &suspects())
}

/// The settings that it found, without the comments.
fn lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Framings of the field, as a link's lines say them.
const FRAMINGS: &[&[&str]] = &[
    &["length = \"binary-2\""],
    &["length = \"binary-2\"", "tpdu = \"6000010007\""],
    &["length = \"bcd-2\"", "tpdu = \"6000010007\""],
    &["length = \"binary-2\"", "length_counts = [\"itself\", \"header\"]"],
    &["length = \"binary-3\""],
    &["length = \"binary-4\""],
    &["length = \"binary-2-le\""],
    &["length = \"binary-4-le\""],
    &["length = \"ascii-4\""],
    &["length = \"ascii-6\""],
    &["length = \"hex-4\""],
    &["length = \"ebcdic-4\""],
    &["length = \"bcd-2\""],
    &["length = \"binary-2\"", "reserved = \"0000\"", "header = \"visa:400001:500002\""],
    &["length = \"binary-2\"", "length_counts = [\"header\", \"trailer\"]", "trailer = \"03\""],
    &[
        "length = \"binary-2\"",
        "length_counts = [\"header\", \"trailer\"]",
        "header = \"base24:ISO025000050\"",
        "trailer = \"03\"",
    ],
    &["length = \"bcd-2\"", "prefix = \"02\"", "trailer = \"03\"", "lrc = true"],
    &["length = \"binary-2\"", "prefix = \"D04A\"", "reserved = \"0000\""],
    &["length = \"binary-2\"", "header = \"echo:0A020B040C060D\""],
    &["length = \"none\""],
];

/// Framings that only dialects of text have.
const ENDED: &[&[&str]] = &[
    &["length = \"none\"", "trailer = \"03\""],
    &["length = \"none\"", "header = \"base24:ISO025000050\"", "trailer = \"03\""],
    &["length = \"none\"", "prefix = \"02\"", "trailer = \"03\"", "lrc = true"],
    &["length = \"none\"", "trailer = \"0D0A\""],
];

fn settings(lines: &[&str]) -> Settings {
    let mut settings = Settings { frame_len_max: 65_535, ..Settings::default() };
    for line in lines {
        let (key, value) = line.split_once(" = ").unwrap();
        let value = value.trim_matches('"');
        match key {
            "length" => settings.length = Length::from_text(value).unwrap(),
            "length_counts" => {
                let parts = value.replace(['[', ']', '"'], "");
                settings.counts = Counts::from_text(&parts).unwrap();
            }
            "prefix" => settings.prefix = Fixed::from_text(value).unwrap(),
            "reserved" => settings.reserved = Fixed::from_text(value).unwrap(),
            "trailer" => settings.trailer = Fixed::from_text(value).unwrap(),
            "tpdu" => settings.header = Head::tpdu(Tpdu::from_text(value).unwrap()),
            "header" => settings.header = Head::from_text(value).unwrap(),
            "lrc" => settings.lrc = true,
            key => panic!("{key}"),
        }
    }
    settings
}

fn framed(lines: &[&str], bodies: &[Vec<u8>]) -> Vec<u8> {
    let framing = Framing::new(settings(lines));
    let mut out = BytesMut::new();
    for body in bodies {
        framing.put(framing.head(), body, &mut out).unwrap();
    }
    out.to_vec()
}

#[test]
fn each_framing_and_dialect_is_found() {
    for dialect in
        ["iso87-ascii", "iso87-ascii-binary-bitmap", "iso87-bcd", "iso87-bcd-left", "iso87-ebcdic"]
    {
        let text = matches!(dialect, "iso87-ascii");
        let framings = FRAMINGS.iter().chain(ENDED.iter().filter(|_| text));
        for framing in framings {
            for messages in [1, 5] {
                let bodies: Vec<_> =
                    (1..=messages).map(|number| message(dialect, number)).collect();
                let told = found(&[framed(framing, &bodies)]);
                let name = format!("dialect = \"{dialect}\"");
                let mut wanted = vec![name.as_str()];
                wanted.extend(*framing);
                // Of one header that nobody knows only the length is sure.
                if messages == 1 && framing.iter().any(|line| line.contains("echo")) {
                    wanted.pop();
                    wanted.push("header = \"echo:00000000000000\"");
                }
                assert_eq!(lines(&told.text), wanted, "{}", told.text);
                assert!(told.fits);
            }
        }
    }
}

/// A header is nobody's, and may be a card number.
#[test]
fn no_header_is_shown_that_may_hold_a_card_number() {
    let bodies: Vec<_> = (1..=5).map(|number| message("iso87-bcd", number)).collect();
    for (header, shown) in [
        // A card number in ASCII, in EBCDIC, packed, and packed from half a byte on.
        ("35343133333938373635343332313020", false),
        ("41F5F4F1F3F3F9F8F7F6F5F4F3F2F1F0", false),
        ("5413339876543210", false),
        ("A5413339876543210B", false),
        ("A54133398765B210", true),
        ("0000000000000000", true),
        ("0A020B040C060D", true),
    ] {
        let line = format!("header = \"echo:{header}\"");
        let told = found(&[framed(&["length = \"binary-2\"", &line], &bodies)]);
        assert_eq!(told.text.contains(header), shown, "{}", told.text);
        if !shown {
            let zeros = format!("header = \"echo:{}\"", "0".repeat(header.len()));
            assert!(lines(&told.text).contains(&zeros.as_str()), "{}", told.text);
            assert!(told.text.contains("maybe a card number"), "{}", told.text);
        }
    }
}

/// Messages of other people's encoders, in frames; what those encoders make up for dates and cards is no date and no card.
#[test]
fn messages_of_other_encoders_in_frames() {
    for (set, dialect, framing) in [
        (
            include_str!("../../../tests/vectors/ok_py_ascii_hexbm.jsonl"),
            "iso87-ascii",
            FRAMINGS[8],
        ),
        (
            include_str!("../../../tests/vectors/ok_py_cp500_binbm.jsonl"),
            "iso87-ebcdic",
            FRAMINGS[11],
        ),
        (
            include_str!("../../../tests/vectors/ok_py_tpdu_iso87_bcd_left.jsonl"),
            "iso87-bcd-left",
            FRAMINGS[0],
        ),
        (include_str!("../../../tests/vectors/ok_py_iso93_bcd.jsonl"), "iso93-bcd", FRAMINGS[6]),
        (
            include_str!("../../../tests/vectors/ok_py_iso2003_binary.jsonl"),
            "iso2003-binary",
            FRAMINGS[5],
        ),
        (
            include_str!("../../../tests/vectors/ok_cardutil_ipm_cp500.jsonl"),
            "ipm-cp500",
            FRAMINGS[5],
        ),
    ] {
        let hex = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let digits = line["hex"].as_str().unwrap().as_bytes();
            digits.chunks(2).map(|pair| crate::tools::byte(pair).unwrap()).collect::<Vec<_>>()
        };
        // Four digits say no more.
        let bodies: Vec<_> = set.lines().map(hex).filter(|body| body.len() < 9999).collect();
        let told = found(&[framed(framing, &bodies)]);
        let lines = lines(&told.text);
        let name = format!("dialect = \"{dialect}\"");
        assert_eq!(lines[..2], [name.as_str(), framing[0]], "{}", told.text);
        assert!(told.text.contains("100.0 % of the bytes"), "{}", told.text);
    }
}

/// Two dialects that write what is there alike: both are named, with what would tell them apart.
#[test]
fn dialects_that_nothing_tells_apart() {
    let mut own = Elements::default();
    for (no, value) in [(3, "000000"), (7, "1123184000"), (11, "000001"), (70, "301")] {
        own.set(ElementNo::of(no), value.as_bytes());
    }
    let dialect = Dialect::shipped("iso87-bcd").unwrap();
    let mut body = Vec::new();
    Draft { mti: Mti::of(800), own: &own, copied: None }.encode(&dialect, &mut body).unwrap();
    let told = found(&[framed(FRAMINGS[0], &[body])]);
    assert_eq!(lines(&told.text), ["dialect = \"iso87-bcd\"", "length = \"binary-2\""]);
    let alike = "fits as well: dialect = \"iso87-bcd-left\"\n#   a message with one of these tells them apart: elements 2 28-";
    assert!(told.text.contains(alike), "{}", told.text);
}

/// What is lost in the middle or cut off at the end, another stream, and messages that are wrong: it fits nevertheless.
#[test]
fn a_sample_that_is_not_perfect() {
    let bodies: Vec<_> = (1..=20).map(|number| message("iso87-bcd", number)).collect();
    let whole = framed(FRAMINGS[1], &bodies);
    let mut wrong = bodies;
    wrong[4].truncate(30);
    let wrong = framed(FRAMINGS[1], &wrong);
    let cut = whole[..whole.len() - 7].to_vec();
    let alive = [&[0, 0][..], &whole].concat();
    for (pieces, part) in [
        (vec![cut], "19 of 19 messages read whole"),
        (vec![wrong], "19 of 20 messages read whole"),
        (
            vec![whole[60..].to_vec(), whole.clone()],
            "left out, for they are not ISO 8583: 1 of 2 pieces: no message was read of it (1)",
        ),
        (vec![alive], "1 frame without a message"),
    ] {
        let told = found(&pieces);
        assert!(told.fits && told.text.contains(part), "{part}\n{}", told.text);
        let wanted = ["dialect = \"iso87-bcd\"", "length = \"binary-2\"", "tpdu = \"6000010007\""];
        assert_eq!(lines(&told.text), wanted, "{}", told.text);
    }
}

/// Health checks and scans of the port before the connection are what they are, in any order and number.
#[test]
fn what_else_came_by_the_port() {
    let bodies: Vec<_> = (1..=20).map(|number| message("iso87-ascii", number)).collect();
    let whole = framed(FRAMINGS[8], &bodies);
    let hello = [&[0x16, 3, 1, 0, 100][..], &[7; 100]].concat();
    let http = b"GET /health HTTP/1.1\r\nHost: switch\r\n\r\n".to_vec();
    let strange: Vec<Vec<u8>> = (1..9).map(|byte| vec![byte; 300]).collect();
    let wanted = ["dialect = \"iso87-ascii\"", "length = \"ascii-4\""];
    for (noise, said) in [
        (vec![http.clone(); 4], "4 of 5 pieces: HTTP (4)"),
        (vec![hello.clone(); 9], "9 of 10 pieces: TLS (9)"),
        (vec![vec![0x1B]; 4], "4 of 5 pieces: too short for a message (4)"),
        (strange, "8 of 9 pieces: no message was read of it (8)"),
        (
            vec![hello, http, vec![1; 300]],
            "3 of 4 pieces: TLS (1), HTTP (1), no message was read of it (1)",
        ),
    ] {
        for place in [0, noise.len() / 2, noise.len()] {
            let mut pieces = noise.clone();
            pieces.insert(place, whole.clone());
            let told = found(&pieces);
            assert_eq!(lines(&told.text), wanted, "{}", told.text);
            for part in [said, "20 of 20 messages read whole, 100.0 %"] {
                assert!(told.text.contains(part), "{part}\n{}", told.text);
            }
        }
    }
}

/// One line read among many that are not is chance.
#[test]
fn many_pieces_are_not_left_out_for_one_message() {
    let mut pieces: Vec<Vec<u8>> = (1..9).map(|byte| vec![byte; 300]).collect();
    pieces.push(framed(FRAMINGS[8], &[message("iso87-ascii", 1)]));
    let told = found(&pieces);
    assert!(!told.fits && !told.text.contains("left out"), "{}", told.text);
}

/// Card numbers of odd length with their filler on the other side than the dialect that fits has it.
#[test]
fn card_numbers_with_another_filler() {
    let text =
        "dialect peer\nextends iso87-bcd\n 2 n..19 bcd 1 bcd l0 pan primary account number\n";
    let peer = Dialect::parse(text).unwrap();
    let card = |number: u32| {
        if number.is_multiple_of(2) { "4000000000000000006" } else { "4000000000000002" }
    };
    let bodies: Vec<_> = (1..=9).map(|number| message_of(&peer, card(number), number)).collect();
    let bytes = Bytes::from(framed(FRAMINGS[0], &bodies));
    let mut sample = Sample::default();
    sample.take(Piece { place: String::new(), found: Ok((Head::NONE, bytes)) });
    // Which fills all odd numbers on the left, and reads element 32 as another number.
    let known: Vec<_> =
        suspects().into_iter().filter(|suspect| suspect.name != "iso87-bcd-left").collect();
    let told = diagnose(&sample, &known);
    let wanted = ["dialect = \"./peer.dialect\"", "length = \"binary-2\""];
    assert_eq!(lines(&told.text), wanted, "{}", told.text);
    for part in [
        "card numbers pass Luhn's check: 5 of 9",
        "with the coding `bcd l0` for element 2\n# 9 of 9 pass Luhn's check",
        "\n#   dialect  peer\n#   extends  iso87-bcd\n#     2  n..19     bcd 1         bcd l0   pan        primary account number\n",
    ] {
        assert!(told.text.contains(part), "{part}\n{}", told.text);
    }
    // What it says to write is a dialect that reads them.
    let file: Vec<_> = told
        .text
        .lines()
        .skip_while(|line| !line.starts_with("#   dialect"))
        .map_while(|line| line.strip_prefix("#"))
        .collect();
    let own = Suspect {
        name: String::from("./peer.dialect"),
        dialect: Arc::new(Dialect::parse(&file.join("\n")).unwrap()),
    };
    let told = diagnose(&sample, &[&[own][..], &known].concat());
    assert!(told.text.contains("Luhn's check: 9 of 9"), "{}", told.text);
    assert_eq!(lines(&told.text), wanted, "{}", told.text);
}

/// Messages that were read as what they are not come after a dialect that knows their edition and gets stuck.
#[test]
fn the_closest_is_not_what_reads_most() {
    let rows = [2, 32].map(|no| {
        format!(
            "{no} n..{} binary 1 bcd r0 {} x\n",
            if no == 2 { 19 } else { 11 },
            if no == 2 { "pan" } else { "keep" }
        )
    });
    let text = format!("dialect peer\nextends iso87-bcd\n{}", rows.concat());
    let peer = Dialect::parse(&text).unwrap();
    let bodies: Vec<_> =
        (1..=9).map(|number| message_of(&peer, "4000000000000002", number)).collect();
    let told = found(&[framed(FRAMINGS[0], &bodies)]);
    assert!(!told.text.contains("closest: iso93"), "{}", told.text);
}

#[test]
fn nothing_fits_garbage() {
    let mut noise = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        noise.to_be_bytes()[0]
    })
    .take(3000)
    .collect();
    let text = b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".to_vec();
    for piece in
        [noise, text, vec![0; 500], vec![0xFF; 500], vec![b'0'; 500], vec![2], vec![0x16, 1]]
    {
        let told = found(&[piece]);
        assert!(!told.fits && lines(&told.text).is_empty(), "{}", told.text);
        assert!(told.text.contains("nothing fits"), "{}", told.text);
    }
    assert!(Sample::default().is_empty() && !found(&[]).fits);
}

/// How far it came, where, and what to do about it.
#[test]
fn how_far_it_came() {
    let mut body = message("iso87-bcd", 1);
    // Element 4, behind MTI, bitmap, card and processing code.
    body[22] = 0xEE;
    let told = found(&[framed(FRAMINGS[0], &[body])]);
    assert!(!told.fits);
    for part in [
        "closest: iso87-bcd, --length binary-2: 0 of 1 message",
        "message 1 was not read: element 4 at offset 22: the value is not of content n",
        "try: iso8583d decode --explain --dialect iso87-bcd --length binary-2 FILE",
    ] {
        assert!(told.text.contains(part), "{part}\n{}", told.text);
    }
}
