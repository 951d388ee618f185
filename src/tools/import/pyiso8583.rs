//! Specifications of pyiso8583, as JSON: each key's coding, length and counting are said, its content is not.

use std::ops::Range;

use serde::Deserialize;

use super::Collected;
use super::fit::{Described, Says};
use super::json;
use crate::dialect::{
    Alphabet, BitmapCoding, CodePage, Coding, Content, Counts, Filler, Length, LengthCoding,
    MtiCoding, Row, Third,
};
use crate::iso::ElementNo;

/// One key's description. Lengths are bytes, or nibbles where it says so.
#[derive(Deserialize)]
struct Field {
    data_enc: String,
    len_enc: String,
    /// How many bytes the length field has; 0 for a fixed length.
    len_type: u32,
    max_len: u32,
    #[serde(default)]
    desc: String,
    #[serde(default)]
    len_count: Option<String>,
    #[serde(default)]
    left_pad: Option<String>,
    #[serde(default)]
    right_pad: Option<String>,
}

/// What a codec's name means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Codec {
    /// The bytes themselves, which the product shows as hexadecimal digits.
    Bytes,
    Ascii,
    Ebcdic(CodePage),
}

/// The longest length that the product takes; far beyond what a row can say.
const LENGTH_MAX: u32 = 9_999_999;

pub(super) fn read(to: &mut Collected<'_>) {
    let text = to.text;
    let members = match json::members(text, text.0.trim_start_matches('\u{feff}')) {
        Ok(members) => members,
        Err(fault) => {
            to.faults.push(fault);
            return;
        }
    };
    to.third = Third::Contiguous;
    let mut second = None;
    for (key, part) in members {
        if to.is_hopeless() {
            return;
        }
        let span = text.span(part);
        let number = number(&key);
        if number.is_none() && !matches!(key.as_str(), "h" | "t" | "p") {
            let message = format!("{} is not a key of a specification", quoted(&key));
            to.fault(span, message, "the keys are \"h\", \"t\", \"p\" and \"1\" to \"192\"");
            continue;
        }
        let field = match json::value::<Field>(text, part) {
            Ok(field) => field,
            Err(mut fault) => {
                fault.message = format!("key \"{key}\": {}", fault.message);
                fault.help =
                    Some("each has data_enc, len_enc, len_type, max_len and desc".to_owned());
                to.faults.push(fault);
                continue;
            }
        };
        unknown(to, &key, part, span.start);
        match number {
            None => head(to, &key, &field, span),
            Some(number) if !to.sees(number, span.clone()) => {}
            Some(1) => second = bitmap(to, &field, span),
            Some(number) => element(to, number, &field, span),
        }
    }
    if let (Some(first), Some((second, span))) = (to.bitmap, second.zip(to.seen.get(&1).copied()))
        && first != second
    {
        to.fault(
            span..span,
            "the second bitmap is written otherwise than the first",
            "a dialect has one coding for both: describe \"1\" as \"p\"",
        );
    }
}

/// Members that mean nothing: the product looks past them, so a misspelt one changes nothing there, either.
fn unknown(to: &mut Collected<'_>, key: &str, part: &str, at: usize) {
    const KNOWN: [&str; 8] = [
        "data_enc",
        "len_enc",
        "len_type",
        "max_len",
        "desc",
        "len_count",
        "left_pad",
        "right_pad",
    ];
    let names = json::members_of(part).unwrap_or_default();
    let names = names.iter().map(|(name, _)| name.as_str());
    let names: Vec<_> = names.filter(|name| !KNOWN.contains(name)).take(8).map(quoted).collect();
    if !names.is_empty() {
        let verb = if names.len() == 1 { "means" } else { "mean" };
        let message = format!("{} {verb} nothing to the source, nor here", names.join(" and "));
        to.remark(at, &format!("key \"{key}\""), &message);
    }
}

/// A fault for each spelling that the product does not know, or that no dialect has; whether there is none.
fn is_known(to: &mut Collected<'_>, number: u16, field: &Field, span: &Range<usize>) -> bool {
    let before = to.faults.len();
    let mut tell = |member: &str, word: &str, help: &str| {
        let message = format!("key \"{number}\": {member} {} is unknown", quoted(word));
        to.fault(span.clone(), message, help);
    };
    if codec(&field.data_enc).is_none() {
        tell("data_enc", &field.data_enc, CODECS);
    }
    if field.len_type != 0 && digits(&field.len_enc).is_none() {
        tell("len_enc", &field.len_enc, "known are b, bcd, ascii, cp037, cp500 and cp1047");
    }
    if let Some(other) = field.len_count.as_deref()
        && !matches!(other, "bytes" | "nibbles")
    {
        tell("len_count", other, "bytes or nibbles");
    }
    before == to.faults.len()
}

/// `1` to `192`, written as the product writes it.
fn number(key: &str) -> Option<u16> {
    let number = key.parse().ok().filter(|number: &u16| (1..=192).contains(number))?;
    (key == number.to_string()).then_some(number)
}

/// What precedes the elements: a header, the MTI, the first bitmap.
fn head(to: &mut Collected<'_>, key: &str, field: &Field, span: Range<usize>) {
    match key {
        "h" if field.max_len == 0 && field.len_type == 0 => {}
        "h" => to.remark(
            span.start,
            "header",
            "what precedes the MTI is no part of a dialect; a TPDU is set with the link's `tpdu`",
        ),
        "t" if to.mti.is_some() => to.fault(span, "\"t\" a second time", "describe it once"),
        "t" => {
            to.mti = match codec(&field.data_enc) {
                Some(Codec::Bytes) => Some(MtiCoding::Bcd),
                Some(Codec::Ascii) => Some(MtiCoding::Ascii),
                Some(Codec::Ebcdic(_)) => Some(MtiCoding::Ebcdic),
                None => None,
            };
            if to.mti.is_none() {
                to.fault(span, format!("the MTI in {}", quoted(&field.data_enc)), CODECS);
            }
        }
        _ if to.bitmap.is_some() => to.fault(span, "\"p\" a second time", "describe it once"),
        _ => to.bitmap = bitmap(to, field, span),
    }
}

fn bitmap(to: &mut Collected<'_>, field: &Field, span: Range<usize>) -> Option<BitmapCoding> {
    match codec(&field.data_enc) {
        Some(Codec::Bytes) => Some(BitmapCoding::Binary),
        Some(Codec::Ascii) => Some(BitmapCoding::Hex(Alphabet::Ascii)),
        Some(Codec::Ebcdic(_)) => Some(BitmapCoding::Hex(Alphabet::Ebcdic)),
        None => {
            to.fault(span, format!("a bitmap in {}", quoted(&field.data_enc)), CODECS);
            None
        }
    }
}

fn element(to: &mut Collected<'_>, number: u16, field: &Field, span: Range<usize>) {
    if !(1..=LENGTH_MAX).contains(&field.max_len) {
        let message = format!("key \"{number}\": max_len {} is out of range", field.max_len);
        to.fault(span, message, "an element has a length of 1 at least");
        return;
    }
    if !is_known(to, number, field, &span) {
        return;
    }
    if number == 65 {
        to.leave_out(65, span.start, "bit 65 announces a third bitmap");
        return;
    }
    let no = u8::try_from(number).ok().and_then(|no| ElementNo::new(no).ok());
    let base = no.and_then(|no| to.base.row(no)).cloned();
    if codec(&field.data_enc).is_some() && field.data_enc.to_ascii_lowercase().starts_with("utf") {
        let about = format!("element {number}");
        to.remark(span.start, &about, "UTF-8 is taken as ASCII: a character beyond it is several");
    }
    let mut notes = Vec::new();
    let described = describe(field, base.as_ref(), &mut notes);
    let taken = to.element(number, span.start, described);
    for note in notes.iter().filter(|_| taken) {
        to.remark(span.start, &format!("element {number}"), note);
    }
}

/// The element's axes; or why no row can say them.
fn describe<'f>(
    field: &'f Field,
    base: Option<&Row>,
    notes: &mut Vec<String>,
) -> Result<Described<'f>, String> {
    let nibbles = field.len_count.as_deref() == Some("nibbles");
    let length = length(field)?;
    let codec = codec(&field.data_enc).ok_or(CODECS)?;
    let whole = Described {
        name: &field.desc,
        says: Says::Nothing,
        length,
        coding: Coding::Raw,
        max: field.max_len,
    };
    match codec {
        Codec::Bytes if nibbles => packed(field, whole, base, notes),
        Codec::Bytes => Ok(unpacked(whole, base, notes)),
        _ if nibbles => Err("it counts nibbles of characters".to_owned()),
        Codec::Ascii => Ok(Described { coding: Coding::Ascii, ..whole }),
        Codec::Ebcdic(page) => Ok(Described { coding: Coding::Ebcdic(page), ..whole }),
    }
}

/// Bytes that are counted by nibbles: digits where the standard has some, else an even number of hexadecimal digits.
fn packed<'f>(
    field: &Field,
    whole: Described<'f>,
    base: Option<&Row>,
    notes: &mut Vec<String>,
) -> Result<Described<'f>, String> {
    let standard = base.map(|row| row.content);
    let fixed = whole.length == Length::Fixed;
    if matches!(standard, Some(Content::Digits | Content::Track | Content::Alphanumeric)) {
        if standard == Some(Content::Alphanumeric) {
            notes.push(
                "ISO 8583:1987 has letters and digits here; packed, they are digits".to_owned(),
            );
        }
        let filler = filler(field)?;
        if filler.is_none() && (!fixed || whole.max % 2 == 1) {
            notes.push(
                "the source names no filler for odd numbers of digits: a zero on the right"
                    .to_owned(),
            );
        }
        let coding = Coding::Bcd(filler.unwrap_or(Filler::RightZero));
        return Ok(Described { says: Says::Digits, coding, ..whole });
    }
    if fixed && !whole.max.is_multiple_of(2) {
        return Err("an odd number of nibbles that are not a number".to_owned());
    }
    let length = counting(whole.length, Counts::Nibbles);
    Ok(Described { says: Says::Bytes, length, max: whole.max / 2, ..whole })
}

/// Bytes that are counted as bytes: of a fixed length they are packed digits where the standard has as many.
fn unpacked<'f>(
    whole: Described<'f>,
    base: Option<&Row>,
    notes: &mut Vec<String>,
) -> Described<'f> {
    let Some(base) = base else { return whole };
    let digits = match base.content {
        // The sign is a byte of its own.
        Content::Signed => base.max.saturating_add(1),
        Content::Digits | Content::Track => base.max,
        _ => return Described { says: Says::Bytes, ..whole },
    };
    if whole.length != Length::Fixed {
        if base.content == Content::Signed {
            return Described { says: Says::Bytes, ..whole };
        }
        notes.push(UNFILLED.to_owned());
        let same = u32::from(digits.div_ceil(2)) == whole.max;
        let max = if same { u32::from(digits) } else { 2 * whole.max };
        let (length, coding) = (counting(whole.length, Counts::Wire), Coding::Bcd(Filler::RightF));
        return Described { says: Says::Digits, length, coding, max, ..whole };
    }
    let coding = Coding::Bcd(Filler::LeftZero);
    if u32::from(digits.div_ceil(2)) != whole.max {
        if base.content == Content::Signed {
            return Described { says: Says::Bytes, ..whole };
        }
        return Described { says: Says::Digits, coding, max: 2 * whole.max, ..whole };
    }
    if base.content != Content::Signed && digits % 2 == 1 {
        notes.push(format!(
            "taken as n {digits} with a zero on the left; the source shows all {} nibbles",
            digits + 1
        ));
    }
    let says = if base.content == Content::Signed { Says::Signed } else { Says::Digits };
    Described { says, coding, max: u32::from(base.max), ..whole }
}

/// What is said where a length counts the bytes of packed digits.
const UNFILLED: &str =
    "the source does not say what fills odd numbers of digits: an F on the right";

/// The same length field, counting something else.
const fn counting(length: Length, counts: Counts) -> Length {
    match length {
        Length::Prefixed { digits, width, itself, .. } => {
            Length::Prefixed { digits, width, counts, itself }
        }
        other => other,
    }
}

fn filler(field: &Field) -> Result<Option<Filler>, String> {
    let given = |pad: &Option<String>| pad.clone().filter(|pad| !pad.is_empty());
    match (given(&field.left_pad).as_deref(), given(&field.right_pad).as_deref()) {
        // The product prefers the left one.
        (Some("0"), _) => Ok(Some(Filler::LeftZero)),
        (Some("f" | "F"), _) => Ok(Some(Filler::LeftF)),
        (None, Some("0")) => Ok(Some(Filler::RightZero)),
        (None, Some("f" | "F")) => Ok(Some(Filler::RightF)),
        (None, None) => Ok(None),
        (Some(pad), _) | (None, Some(pad)) => Err(format!(
            "its odd digits are filled with {}; a row has l0, r0, rF and lF",
            quoted(pad)
        )),
    }
}

fn length(field: &Field) -> Result<Length, String> {
    if field.len_type == 0 {
        return Ok(Length::Fixed);
    }
    let digits = digits(&field.len_enc).ok_or(CODECS)?;
    let width = u8::try_from(field.len_type).unwrap_or(u8::MAX);
    Ok(Length::Prefixed { digits, width, counts: Counts::Units, itself: false })
}

/// How a length is written.
fn digits(name: &str) -> Option<LengthCoding> {
    match name.to_ascii_lowercase().as_str() {
        "b" => Some(LengthCoding::Binary),
        "bcd" => Some(LengthCoding::Bcd),
        name => match codec(name)? {
            Codec::Ebcdic(_) => Some(LengthCoding::Ebcdic),
            Codec::Ascii => Some(LengthCoding::Ascii),
            Codec::Bytes => None,
        },
    }
}

const CODECS: &str = "known are b, ascii, latin-1, utf-8, cp037, cp500 and cp1047";

/// The codecs of Python that a dialect has, under their usual names.
fn codec(name: &str) -> Option<Codec> {
    let plain = name.chars().filter(|letter| !matches!(letter, '-' | '_' | ' '));
    let plain: String = plain.map(|letter| letter.to_ascii_lowercase()).collect();
    Some(match plain.as_str() {
        "b" => Codec::Bytes,
        "ascii" | "usascii" | "646" | "latin1" | "latin" | "l1" | "8859" | "iso88591" | "cp819"
        | "utf8" | "u8" | "utf" => Codec::Ascii,
        "cp037" | "037" | "ibm037" | "ibm039" => Codec::Ebcdic(CodePage::Cp037),
        "cp500" | "500" | "ibm500" | "ebcdiccpbe" | "ebcdiccpch" => Codec::Ebcdic(CodePage::Cp500),
        "cp1047" | "1047" | "ibm1047" => Codec::Ebcdic(CodePage::Cp1047),
        _ => return None,
    })
}

fn quoted(word: &str) -> String {
    let short: String = word.chars().take(40).collect();
    format!("\"{}\"", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::super::{Imported, Product, import_dialect};

    const HEAD: &str = concat!(
        r#"{"h":{"data_enc":"b","len_enc":"ascii","len_type":0,"max_len":0},"#,
        "\n",
        r#""t":{"data_enc":"b","len_enc":"ascii","len_type":0,"max_len":2},"#,
        "\n",
        r#""p":{"data_enc":"b","len_enc":"ascii","len_type":0,"max_len":8},"#,
        "\n",
        r#""4":{"data_enc":"ascii","len_enc":"ascii","len_type":0,"max_len":12},"#,
        "\n"
    );

    fn import(rest: &str) -> Result<Imported, Vec<String>> {
        let text = format!("{HEAD}{rest}}}");
        let made = import_dialect(Product::Pyiso8583, None, "made", "made.json", text.as_bytes());
        made.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    /// The row of one key, or what is said of it.
    fn row(no: u8, key: &str) -> String {
        let made = import(&format!("\"{no}\":{{{key}}}")).unwrap();
        let start = format!("{no:>5} ");
        let row = made.text.lines().find(|line| line.starts_with(&start));
        let row: Vec<_> = row.unwrap_or_default().split_whitespace().collect();
        let columns = row.get(1..row.len().min(7)).unwrap_or_default().join(" ");
        let said: Vec<_> = made
            .remarks
            .iter()
            .map(|remark| {
                assert_eq!(remark.line, 5);
                remark.message.clone()
            })
            .collect();
        format!("{columns}|{}", said.join("|"))
    }

    fn key(data: &str, len: &str, len_type: u32, max_len: u32) -> String {
        format!(
            r#""data_enc":"{data}","len_enc":"{len}","len_type":{len_type},"max_len":{max_len},"desc":"x""#
        )
    }

    #[test]
    fn keys_and_their_rows() {
        let nibbles = |rest: &str, key: String| format!(r#"{key},"len_count":"nibbles"{rest}"#);
        for (no, key, wanted) in [
            (2, key("ascii", "ascii", 2, 19), "n..19 ascii 2 ascii pan x|"),
            (2, key("latin_1", "b", 1, 19), "n..19 binary 1 ascii pan x|"),
            (2, key("IBM037", "cp037", 2, 19), "n..19 ebcdic 2 cp037 pan x|"),
            (2, nibbles(r#","left_pad":"0""#, key("b", "bcd", 1, 19)), "n..19 bcd 1 bcd l0 pan|"),
            (2, nibbles(r#","right_pad":"f""#, key("b", "bcd", 1, 19)), "n..19 bcd 1 bcd rF pan|"),
            (
                19,
                key("b", "bcd", 0, 2),
                "n 3 - bcd l0 keep|taken as n 3 with a zero on the left; the source shows all 4 nibbles",
            ),
            (22, key("b", "bcd", 0, 6), "n 12 - bcd keep x|"),
            (28, key("b", "bcd", 0, 5), "x+n 8 - bcd keep x|"),
            (
                40,
                nibbles(r#","left_pad":"0""#, key("b", "bcd", 0, 3)),
                "n 3 - bcd l0 keep|ISO 8583:1987 has letters and digits here; packed, they are digits",
            ),
            (48, nibbles("", key("b", "bcd", 0, 8)), "b 4 - raw - x|"),
            (52, key("b", "bcd", 0, 8), "b 8 - raw sensitive x|"),
            (
                52,
                key("ascii", "bcd", 0, 16),
                "b 8 - hex sensitive x|its characters are taken as the hexadecimal digits of 8 bytes",
            ),
            (
                2,
                key("b", "bcd", 1, 10),
                "n..19 bcd 1 wire bcd rF|the source does not say what fills odd numbers of digits: an F on the right",
            ),
            (
                35,
                key("b", "b", 1, 19),
                "z..37 binary 1 wire bcd rF|the source does not say what fills odd numbers of digits: an F on the right",
            ),
            (48, nibbles("", key("b", "bcd", 2, 99)), "b..49 bcd 2 nibbles raw -|"),
            (
                48,
                nibbles("", key("b", "bcd", 0, 7)),
                "|an odd number of nibbles that are not a number",
            ),
            (2, nibbles(r#","left_pad":"F""#, key("b", "bcd", 1, 19)), "n..19 bcd 1 bcd lF pan|"),
            (
                48,
                key("ascii", "ascii", 2, 9) + r#","maxlen":7,"note":"x""#,
                "ans..9 ascii 2 ascii - x|\"maxlen\" and \"note\" mean nothing to the source, nor here",
            ),
            (48, key("ascii", "ascii", 7, 9), "|no row can say a length field of 7 bytes so"),
            (
                48,
                key("ascii", "ascii", 2, 999),
                "ans..99 ascii 2 ascii - x|its length field ends at 99, so that 999 became 99",
            ),
            (
                2,
                nibbles(r#","left_pad":"A""#, key("b", "bcd", 1, 19)),
                "|its odd digits are filled with \"A\"; a row has l0, r0, rF and lF",
            ),
            (65, key("b", "bcd", 0, 8), "|bit 65 announces a third bitmap"),
        ] {
            assert_eq!(row(no, &key), wanted, "{no} {key}");
        }
    }

    #[test]
    fn faults_have_their_place() {
        let good = key("ascii", "ascii", 2, 9);
        for (rest, fault) in [
            (
                "\"48\":7".to_owned(),
                "5:6: key \"48\": invalid type: integer `7`, expected struct Field; each has data_enc, len_enc, len_type, max_len and desc",
            ),
            (
                "\"48\":{\"data_enc\":\"b\"}".to_owned(),
                "5:21: key \"48\": missing field `len_enc`; each has data_enc, len_enc, len_type, max_len and desc",
            ),
            (
                format!("\"4\":{{{good}}}"),
                "5:5: 4 a second time; the first is on line 4; describe it once",
            ),
            (
                format!("\"193\":{{{good}}}"),
                "5:7: \"193\" is not a key of a specification; the keys are \"h\", \"t\", \"p\" and \"1\" to \"192\"",
            ),
            (
                format!("\"048\":{{{good}}}"),
                "5:7: \"048\" is not a key of a specification; the keys are \"h\", \"t\", \"p\" and \"1\" to \"192\"",
            ),
            (
                format!("\"48\":{{{}}}", key("ascii", "ascii", 2, 0)),
                "5:6: key \"48\": max_len 0 is out of range; an element has a length of 1 at least",
            ),
            (
                format!("\"1\":{{{}}}", key("ascii", "ascii", 0, 16)),
                "5:5: the second bitmap is written otherwise than the first; a dialect has one coding for both: describe \"1\" as \"p\"",
            ),
            ("\"48\"".to_owned(), "5:5: expected `:`"),
            (
                format!("\"48\":{{{}}}", key("rot13", "ascii", 2, 9)),
                "5:6: key \"48\": data_enc \"rot13\" is unknown; known are b, ascii, latin-1, utf-8, cp037, cp500 and cp1047",
            ),
            (
                format!("\"48\":{{{}}}", key("ascii", "asci", 2, 9)),
                "5:6: key \"48\": len_enc \"asci\" is unknown; known are b, bcd, ascii, cp037, cp500 and cp1047",
            ),
            (
                format!("\"48\":{{{good},\"len_count\":\"bits\"}}"),
                "5:6: key \"48\": len_count \"bits\" is unknown; bytes or nibbles",
            ),
        ] {
            assert_eq!(import(&rest).unwrap_err(), [fault], "{rest}");
        }
        for text in ["", "[]", "{}", "\u{feff}{}", "null"] {
            let made =
                import_dialect(Product::Pyiso8583, None, "made", "made.json", text.as_bytes());
            assert!(!made.unwrap_err().is_empty(), "{text}");
        }
    }
}
