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
    let mut own = Elements::default();
    for (no, value) in [
        (2, "4000000000000002"),
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
        if number % 3 != 0 || no != 43 {
            own.set(ElementNo::of(no), value.as_bytes());
        }
    }
    let mut body = Vec::new();
    let mti = Mti::of(if number % 2 == 0 { 200 } else { 100 });
    let dialect = Dialect::shipped(dialect).unwrap();
    Draft { mti, own: &own, copied: None }.encode(&dialect, &mut body).unwrap();
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
    &["length = \"binary-2\"", "header = \"echo:01020304050607\""],
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
    let mut settings = Settings::default();
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
