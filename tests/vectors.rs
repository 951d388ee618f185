//! Messages that other people's encoders made: each good one is read element by element and written
//! again byte for byte, each bad one is refused. `tests/vectors/README.md` says which program made which.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use iso8583d::codec::{Draft, Fault, Message, Piece, decode, join};
use iso8583d::dialect::{Coding, Content, Dialect, Third};
use iso8583d::iso::{ElementNo, ElementSet, Elements, Mti};
use iso8583d::tools::{decode_line, encode_line};
use serde_json::Value;

/// A vector file, the dialect that it is in, and how many bytes precede each message.
struct Set {
    file: &'static str,
    dialect: Arc<Dialect>,
    head: usize,
}

fn sets() -> Vec<Set> {
    let shipped = |name| Arc::new(Dialect::shipped(name).unwrap());
    let own = |text| match Dialect::parse(text) {
        Ok(dialect) => Arc::new(dialect),
        Err(faults) => panic!("{faults:#?}"),
    };
    let set = |file, dialect, head| Set { file, dialect, head };
    vec![
        set("py_ascii_hexbm", shipped("iso87-ascii"), 0),
        set("py_ascii_binbm", shipped("iso87-ascii-binary-bitmap"), 0),
        set("py_cp500_binbm", shipped("iso87-ebcdic"), 0),
        set("py_bcd_right0", own(include_str!("dialects/pyiso8583-bcd-right0.dialect")), 0),
        set("py_tpdu_bcd", shipped("iso87-bcd-left"), 5),
        set("py_tpdu_bcd", own(include_str!("dialects/pyiso8583-three-bitmaps.dialect")), 5),
        set("py_tpdu_iso87_bcd_left", shipped("iso87-bcd-left"), 5),
        set("py_tpdu_iso87_bcd", shipped("iso87-bcd"), 5),
        set("py_iso93_ascii", shipped("iso93-ascii"), 0),
        set("py_iso93_bcd", shipped("iso93-bcd"), 0),
        set("py_iso93_ebcdic", shipped("iso93-ebcdic"), 0),
        set("py_iso2003_binary", shipped("iso2003-binary"), 0),
        set("npm_def", own(include_str!("dialects/npm-iso8583.dialect")), 0),
        set("sim_ascii_hex", own(include_str!("dialects/iso8583sim.dialect")), 0),
        set("ipm_latin1", shipped("ipm-latin1"), 0),
        set("py_visa_base1_like", shipped("visa-base1-like"), 0),
        set("py_mastercard_like", shipped("mastercard-like"), 0),
        set("py_base24_like", shipped("base24-like"), 0),
        set("py_postilion_like", shipped("postilion-like"), 0),
        set("cardutil_ipm_latin1", shipped("ipm-latin1"), 0),
        set("cardutil_ipm_cp500", shipped("ipm-cp500"), 0),
        set("cardutil_parts_latin1", shipped("ipm-latin1"), 0),
        set("cardutil_parts_cp500", shipped("ipm-cp500"), 0),
    ]
}

fn rows(kind: &str, file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{kind}_{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap().to_ascii_uppercase();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A row's message without what precedes it.
fn body(set: &Set, row: &Value) -> Bytes {
    let bytes = bytes(row["hex"].as_str().unwrap());
    Bytes::from(bytes).split_off(set.head.min(row["hex"].as_str().unwrap().len() / 2))
}

/// A value as the vector files show it.
fn shown(dialect: &Dialect, no: ElementNo, plain: &[u8]) -> String {
    let row = dialect.row(no).unwrap();
    if row.content == Content::Bytes {
        return hex(plain);
    }
    plain.iter().copied().map(char::from).collect()
}

/// The elements of a good row by number; packed tracks with `=`.
fn expected(dialect: &Dialect, row: &Value) -> Vec<(u16, String)> {
    let mut fields: Vec<(u16, String)> = row["fields"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(no, value)| (no.parse().unwrap(), value.as_str().unwrap().to_owned()))
        .collect();
    fields.sort();
    for (no, value) in &mut fields {
        let no = u8::try_from(*no).ok().and_then(|no| ElementNo::new(no).ok());
        let row = no.and_then(|no| dialect.row(no));
        if row.is_some_and(|row| {
            row.content == Content::Track && matches!(row.coding, Coding::Bcd(_))
        }) {
            *value = value.replace('D', "=");
        }
    }
    fields
}

fn all() -> ElementSet {
    ElementSet::ALL
}

fn written(draft: Draft<'_>, dialect: &Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    draft.encode(dialect, &mut out).unwrap();
    out
}

#[test]
fn good_messages_are_read_and_written_again_byte_for_byte() {
    let mut tallies: BTreeMap<String, (u32, ElementSet)> = BTreeMap::new();
    for set in sets() {
        let mut read = 0;
        let (all_read, met) = tallies.entry(set.dialect.name().to_owned()).or_default();
        for row in rows("ok", set.file) {
            let expected = expected(&set.dialect, &row);
            let body = body(&set, &row);
            let result = decode(&set.dialect, body.clone());
            // The third bitmap, and npm's nested element 127, belong to dialects that say so.
            let beyond = expected.iter().any(|(no, _)| {
                *no > 128 && set.dialect.third() == Third::Refused
                    || (*no == 127 && set.file == "npm_def")
            });
            if beyond && set.file != "npm_def" {
                let error = result.unwrap_err();
                assert_eq!((error.element, error.fault), (Some(65), Fault::Undefined));
                continue;
            }
            if beyond {
                continue;
            }
            let message = result.unwrap_or_else(|error| panic!("{}: {error}", set.file));
            assert_eq!(message.mti().to_string(), row["mti"].as_str().unwrap());
            let own = message.elements(all());
            let seen: Vec<(u16, String)> = own
                .iter()
                .map(|(no, plain)| (u16::from(no.get()), shown(&set.dialect, no, plain)))
                .collect();
            assert_eq!(seen, expected, "{}", set.file);
            let draft = Draft { mti: message.mti(), own: &own, copied: None };
            assert_eq!(written(draft, &set.dialect), body, "{}", set.file);
            let copied = Some((&message, all()));
            let copy = Draft { own: &Elements::default(), copied, ..draft };
            assert_eq!(written(copy, &set.dialect), body, "{}", set.file);
            read += 1;
            *met = met.or(message.present());
        }
        assert!(read >= 20, "{read} of {}", set.file);
        if set.dialect.third() == Third::Contiguous {
            assert_eq!(
                (read, met.minus(ElementSet::ALL.below(ElementNo::of(129))).len()),
                (60, 61)
            );
        }
        *all_read += read;
    }
    for name in Dialect::shipped_names() {
        let (read, met) = tallies[*name];
        assert!(read >= 40, "{read} messages in {name}");
        assert_eq!(
            Dialect::shipped(name).unwrap().defined().minus(met),
            ElementSet::EMPTY,
            "{name}"
        );
    }
}

/// What lies within elements is read part by part, and put together to the same values.
#[test]
fn parts_are_read_and_put_together_again() {
    for set in sets() {
        let (mut read, mut met) = (0, BTreeSet::new());
        for row in rows("ok", set.file) {
            let Some(parts) = row.get("parts").and_then(Value::as_object) else { continue };
            let message = decode(&set.dialect, body(&set, &row)).unwrap();
            let mut seen = BTreeMap::new();
            let elements: BTreeSet<u8> = parts.keys().map(|path| first(path)).collect();
            for no in elements.into_iter().map(ElementNo::of) {
                let pieces = message.pieces(no).unwrap();
                assert_eq!(pieces.fault, None, "{}", set.file);
                let own: Vec<_> =
                    pieces.pieces.into_iter().filter(|piece| !piece.divided).collect();
                met.extend(own.iter().map(|piece| piece.path.clone()));
                seen.extend(own.iter().map(|piece| (piece.path.clone(), told(piece))));
                let keys = |path: &str| path.split_once('.').unwrap().1.to_owned();
                let own: Vec<_> =
                    own.into_iter().map(|piece| (keys(&piece.path), piece.plain)).collect();
                let joined = join(set.dialect.inside(no).unwrap(), &own).unwrap();
                assert_eq!(joined, *message.get(no).unwrap(), "{}", set.file);
            }
            let expected: BTreeMap<_, _> = parts
                .iter()
                .map(|(path, value)| (path.clone(), value.as_str().unwrap().to_owned()))
                .collect();
            assert_eq!(seen, expected, "{}", set.file);
            read += usize::from(!parts.is_empty());
        }
        if set.file.ends_with("_like") || set.file.contains("_parts_") {
            assert!(
                read >= 30 && met.len() >= 14,
                "{read} messages, {} parts of {}",
                met.len(),
                set.file
            );
        }
    }
}

/// The element that a path begins with.
fn first(path: &str) -> u8 {
    path.split('.').next().unwrap().parse().unwrap()
}

/// A part's value as the vector files show it.
fn told(piece: &Piece<'_>) -> String {
    match piece.content {
        Content::Bytes => hex(&piece.plain),
        _ => piece.plain.iter().copied().map(char::from).collect(),
    }
}

/// `encode` after `decode --unmask` gives the line that went in.
#[test]
fn the_tools_give_each_line_back() {
    for set in sets() {
        for row in rows("ok", set.file) {
            let body = body(&set, &row);
            let hex = hex(&body);
            let shown = decode_line(&set.dialect, None, &hex, true);
            if shown.ok {
                let back = encode_line(&set.dialect, None, &shown.text);
                assert_eq!((back.ok, back.text), (true, hex));
            } else {
                assert!(decode(&set.dialect, body).is_err());
            }
        }
    }
}

/// Through another dialect and back: nothing changes that both can say.
#[test]
fn good_messages_survive_another_dialect() {
    let mut through = 0;
    let sets = sets();
    for set in &sets {
        for row in rows("ok", set.file) {
            let Ok(message) = decode(&set.dialect, body(set, &row)) else { continue };
            for other in &sets {
                let draft = Draft {
                    mti: message.mti(),
                    own: &Elements::default(),
                    copied: Some((&message, all())),
                };
                let mut there = Vec::new();
                if draft.encode(&other.dialect, &mut there).is_err() {
                    continue;
                }
                let there = decode(&other.dialect, Bytes::from(there)).unwrap();
                compare(&message, &there);
                through += 1;
            }
        }
    }
    assert!(through > 500, "{through} messages were re-coded");
}

/// The same values, apart from how an over-short fixed value is padded and how a track is separated.
fn compare(here: &Message, there: &Message) {
    assert_eq!(here.present(), there.present());
    let content = |message: &Message, no| message.dialect().row(no).unwrap().content;
    let normal = |message: &Message, no| {
        let plain = message.get(no).unwrap();
        // What is an amount with a sign to one of them may be any text to the other.
        let signed = [here, there].iter().any(|message| content(message, no) == Content::Signed);
        let content = if signed { Content::Signed } else { content(message, no) };
        let text: String = plain.iter().copied().map(char::from).collect();
        match content {
            Content::Track => text.replace('D', "=").trim_start_matches('0').to_owned(),
            Content::Digits => text.trim_start_matches('0').to_owned(),
            Content::Signed => {
                let (sign, digits) = text.split_at(1.min(text.len()));
                format!("{sign}{}", digits.trim_start_matches('0'))
            }
            _ => text.trim_end_matches(' ').trim_start_matches('0').to_owned(),
        }
    };
    for no in here.present().iter() {
        assert_eq!(normal(here, no), normal(there, no), "element {no}");
    }
}

#[test]
fn bad_messages_are_refused() {
    for set in sets() {
        let (mut refused, mut taken) = (0, 0);
        for row in rows("bad", set.file) {
            let body = body(&set, &row);
            let len = body.len();
            match (decode(&set.dialect, body), row["expect"].as_str().unwrap()) {
                (Err(error), "reject") => {
                    assert!(error.offset <= len, "{error}");
                    refused += 1;
                }
                (Ok(_), "accept") => taken += 1,
                (result, expect) => {
                    panic!("{} {}: expected {expect}, got {result:?}", set.file, row["mutation"])
                }
            }
        }
        assert!(refused >= 20, "{refused} refused, {taken} taken of {}", set.file);
    }
}

/// Every shorter message is refused, and what was read before its end is kept.
#[test]
fn cut_messages_are_refused_with_what_was_read() {
    for set in sets() {
        for row in rows("ok", set.file).iter().take(10) {
            let body = body(&set, row);
            let Ok(message) = decode(&set.dialect, body.clone()) else { continue };
            let own = message.elements(all());
            for cut in 0..body.len() {
                let error = decode(&set.dialect, body.slice(..cut)).unwrap_err();
                assert!(error.offset <= cut);
                for (no, value) in error.salvaged.elements.iter() {
                    assert_eq!(own.get(no), Some(value));
                }
                if 20 < cut {
                    assert_eq!(error.mti, Some(message.mti()));
                }
            }
        }
    }
}

/// The table of a dialect, walked: each defined element alone, shortest and longest.
#[test]
fn each_element_alone_at_its_shortest_and_longest() {
    for set in sets() {
        for no in set.dialect.defined().iter() {
            let row = set.dialect.row(no).unwrap();
            let max = usize::from(row.max);
            for len in [0, 1, 2.min(max), max - 1, max] {
                let filling = if row.content == Content::Letters { b'x' } else { b'7' };
                let mut value = vec![filling; len];
                if let (Content::Signed, Some(sign)) = (row.content, value.first_mut()) {
                    *sign = b'D';
                }
                let mut own = Elements::default();
                own.set(no, &value);
                let draft = Draft { mti: Mti::new(200).unwrap(), own: &own, copied: None };
                let mut out = Vec::new();
                if draft.encode(&set.dialect, &mut out).is_err() {
                    // Only a fixed value that is too short to be padded.
                    assert!(
                        row.length == iso8583d::dialect::Length::Fixed && len < max,
                        "{no} {len}"
                    );
                    assert!(out.is_empty());
                    continue;
                }
                let message = decode(&set.dialect, Bytes::from(out)).unwrap();
                let plain = message.get(no).unwrap();
                if row.length != iso8583d::dialect::Length::Fixed || len == max {
                    assert_eq!(*plain, *value, "element {no}");
                } else {
                    assert_eq!(plain.len(), max, "element {no}");
                }
            }
            let mut own = Elements::default();
            own.set(no, &vec![b'1'; max + 1]);
            let draft = Draft { mti: Mti::new(200).unwrap(), own: &own, copied: None };
            let error = draft.encode(&set.dialect, &mut Vec::new()).unwrap_err();
            assert_eq!((error.element, error.fault), (no, Fault::TooLong { len: max + 1, max }));
        }
    }
}
