//! Message specifications of moov's iso8583, as its builder exports them to JSON; older exports spell some words otherwise.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Collected;
use super::fit::{Described, Says};
use super::json;
use super::moov_parts;
use crate::dialect::{
    Alphabet, BitmapCoding, CodePage, Coding, Content, Counts, Filler, Length, LengthCoding,
    MtiCoding, Row, Second, Third,
};
use crate::iso::ElementNo;

/// A specification; further members say nothing of the wire.
#[derive(Deserialize)]
struct Specification<'t> {
    #[serde(borrow)]
    fields: &'t RawValue,
}

/// One field's description. Its length counts what is encoded: digits of packed numbers, bytes, characters.
#[derive(Deserialize)]
pub(super) struct Field<'t> {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) length: u32,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) enc: Option<String>,
    #[serde(default)]
    pub(super) prefix: Option<String>,
    #[serde(default, borrow)]
    pub(super) subfields: Option<&'t RawValue>,
    #[serde(default)]
    pub(super) tag: Option<Tag>,
    #[serde(default)]
    pub(super) padding: Option<Padding>,
    #[serde(default)]
    pub(super) bitmap: Option<Map>,
    #[serde(default, alias = "disableautoexpand", rename = "disableAutoExpand")]
    pub(super) one_bitmap: bool,
}

/// How the sub-fields of a composite are told apart.
#[derive(Deserialize)]
pub(super) struct Tag {
    #[serde(default)]
    pub(super) length: u8,
    #[serde(default)]
    pub(super) padding: Option<Padding>,
    #[serde(default)]
    pub(super) enc: Option<String>,
}

/// The bitmap that announces the sub-fields of a composite.
#[derive(Deserialize)]
pub(super) struct Map {
    #[serde(default)]
    pub(super) length: u8,
    #[serde(default)]
    pub(super) enc: Option<String>,
}

/// What a value that is too short is filled with, and on which side.
#[derive(Deserialize)]
pub(super) struct Padding {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) pad: Pad,
}

/// A character, in older exports its number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Pad {
    Text(String),
    Code(u32),
}

impl Default for Pad {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// How a value is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Ascii,
    Ebcdic(CodePage),
    Packed(Filler),
    /// The bytes themselves.
    Binary,
    /// Bytes, each as two digits.
    Hexadecimal,
    /// Hexadecimal digits, two of them as a byte.
    Nibbles,
}

/// The longest length that is taken for one; far beyond what a row can say.
const LENGTH_MAX: u32 = 9_999_999;

pub(super) fn read(to: &mut Collected<'_>) {
    let text = to.text;
    let part = text.0.trim_start_matches('\u{feff}');
    let specification = json::value::<Specification<'_>>(text, part);
    let fields = specification.and_then(|it| json::members(text, it.fields.get()));
    let fields = match fields {
        Ok(fields) => fields,
        Err(mut fault) => {
            fault.help = Some(
                "a specification is {\"name\": ..., \"fields\": {\"0\": {...}, ...}}".to_owned(),
            );
            to.faults.push(fault);
            return;
        }
    };
    for (key, part) in fields {
        if to.is_hopeless() {
            return;
        }
        let span = text.span(part);
        let Some(number) = number(&key) else {
            to.fault(
                span,
                format!("{} is not the number of a field", quoted(&key)),
                "e.g. \"2\", or \"Field002\"",
            );
            continue;
        };
        if !to.sees(number, span.clone()) {
            continue;
        }
        match json::value::<Field<'_>>(text, part) {
            Ok(field) => match number {
                0 => mti(to, &field, span),
                1 => bitmap(to, &field, span),
                _ => element(to, number, &field, span),
            },
            Err(mut fault) => {
                fault.message = format!("field {number}: {}", fault.message);
                to.faults.push(fault);
            }
        }
    }
    for (number, what) in [(0, "MTI"), (1, "bitmap")] {
        if !to.seen.contains_key(&number) {
            to.fault(
                0..0,
                format!("no field \"{number}\", so nothing says how the {what} is written"),
                "",
            );
        }
    }
}

/// `2`, or in older exports `Field002`.
fn number(key: &str) -> Option<u16> {
    let digits = key.strip_prefix("Field").or_else(|| key.strip_prefix("field")).unwrap_or(key);
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn mti(to: &mut Collected<'_>, field: &Field<'_>, span: Range<usize>) {
    let coding = field.enc.as_deref().and_then(encoding).filter(|_| field.length == 4);
    let coding = match coding {
        Some(Encoding::Ascii) => Some(MtiCoding::Ascii),
        Some(Encoding::Packed(_)) => Some(MtiCoding::Bcd),
        Some(Encoding::Ebcdic(_)) => Some(MtiCoding::Ebcdic),
        _ => None,
    };
    to.mti = coding;
    if coding.is_none() {
        to.fault(
            span,
            "the MTI is not four digits as a dialect can say them",
            "length 4, and enc ASCII, BCD or EBCDIC",
        );
    }
}

fn bitmap(to: &mut Collected<'_>, field: &Field<'_>, span: Range<usize>) {
    let coding = match field.enc.as_deref().and_then(encoding) {
        Some(Encoding::Binary) => Some(BitmapCoding::Binary),
        Some(Encoding::Hexadecimal) => Some(BitmapCoding::Hex(Alphabet::Ascii)),
        _ => None,
    };
    to.bitmap = coding;
    if coding.is_none() {
        to.fault(span, "the bitmap is none that a dialect can say", "enc Binary or HexToASCII");
    } else if field.one_bitmap {
        // The first bit announces nothing: one bitmap, or both always.
        to.second = if field.length < 16 { Second::Never } else { Second::Fixed };
    } else {
        to.third = Third::Contiguous;
    }
}

fn element(to: &mut Collected<'_>, number: u16, field: &Field<'_>, span: Range<usize>) {
    if !(1..=LENGTH_MAX).contains(&field.length) {
        let message = format!("field {number}: length {} is out of range", field.length);
        to.fault(span, message, "an element has a length of 1 at least");
        return;
    }
    let Some(length) = field.prefix.as_deref().and_then(length) else {
        let given = field.prefix.as_deref().map_or_else(
            || "is missing".to_owned(),
            |prefix| format!("{} is unknown", quoted(prefix)),
        );
        to.fault(
            span,
            format!("field {number}: prefix {given}"),
            "e.g. ASCII.Fixed, ASCII.LL, BCD.LLL, Binary.L, EBCDIC.LL, Hex.L",
        );
        return;
    };
    let no = u8::try_from(number).ok().and_then(|no| ElementNo::new(no).ok());
    let base = no.and_then(|no| to.base.row(no)).cloned();
    let mut notes = Vec::new();
    let mut whole = None;
    let described = match &field.subfields {
        Some(parts) => {
            let (described, form) = moov_parts::composite(field, parts, base.as_ref());
            whole = Some(form);
            Ok(described)
        }
        None if number == 65 || field.kind == "Bitmap" => {
            Err("bit 65 announces a third bitmap".to_owned())
        }
        None => match field.enc.as_deref().map(|enc| (enc, encoding(enc))) {
            Some((_, Some(encoding))) => plain(field, encoding),
            Some((enc, None)) => {
                let message = format!("field {number}: enc {} is unknown", quoted(enc));
                to.fault(span, message, ENCODINGS);
                return;
            }
            None => {
                to.fault(span, format!("field {number}: enc is missing"), ENCODINGS);
                return;
            }
        },
    };
    let described = described.and_then(|described| {
        let mut length = length?;
        if let (Length::Prefixed { counts, .. }, true) = (&mut length, nibbles(field)) {
            *counts = Counts::Nibbles;
        }
        Ok(Described { length, ..described })
    });
    // The product's EBCDIC is 500 but for one sign and what lies beyond ASCII.
    let cp500 = |described: &Described<'_>| described.coding == Coding::Ebcdic(CodePage::Cp500);
    if described.as_ref().is_ok_and(cp500)
        && !to.remarks.iter().any(|remark| remark.about == EBCDIC)
    {
        to.remark(span.start, EBCDIC, "the source's EBCDIC is taken as cp500; they differ in the vertical bar and beyond ASCII");
    }
    if !to.element(number, span.start, described) {
        return;
    }
    let row = no.and_then(|no| to.rows.get(&no));
    notes.extend(field.padding.as_ref().zip(row).and_then(|(padding, row)| unlike(padding, row)));
    for note in notes {
        to.remark(span.start, &format!("element {number}"), &note);
    }
    if let (Some(no), Some(whole)) = (no, whole) {
        let within = (moov_parts::count(field), moov_parts::secret(field, 0));
        to.divide(no, span.start, within, |to, path| moov_parts::inside(to, field, whole, path));
    }
}

/// What to look at where a dialect does not fill a value up as the source does.
pub(super) fn unlike(padding: &Padding, row: &Row) -> Option<String> {
    let kind = padding.kind.to_ascii_lowercase();
    let side = kind.strip_suffix("padder").unwrap_or(&kind);
    if matches!(side, "" | "none") {
        return None;
    }
    let pad = match &padding.pad {
        Pad::Text(text) => text.chars().next(),
        Pad::Code(code) => char::from_u32(*code),
    };
    let ours = match row.content {
        Content::Digits | Content::Signed => ("left", Some('0')),
        Content::Bytes | Content::Track => ("", None),
        _ => ("right", Some(' ')),
    };
    let pad = pad.map(String::from).unwrap_or_default();
    let theirs = format!("the source fills it up with {} on the {side}", quoted(&pad));
    match row.length {
        Length::Prefixed { .. } => {
            Some(format!("{theirs} to its longest; here it is as long as its value"))
        }
        _ if ours == (side, pad.chars().next()) => None,
        _ => Some(format!(
            "{theirs}; a row fills digits with zeros on the left and text with blanks on the right"
        )),
    }
}

/// What the remark on the code page is about.
const EBCDIC: &str = "code page";

/// A field without sub-fields. Its length field is yet to be said.
pub(super) fn plain<'f>(field: &'f Field<'_>, encoding: Encoding) -> Result<Described<'f>, String> {
    let says = match field.kind.as_str() {
        "Numeric" => Says::Digits,
        "Track2" | "Track3" => Says::Track,
        "Binary" | "Hex" => Says::Bytes,
        "String" | "Track1" => Says::Text,
        other => return Err(format!("its type is {}, which nobody here knows", quoted(other))),
    };
    let bytes = says == Says::Bytes;
    let (says, coding, max) = match encoding {
        Encoding::Ascii if bytes && field.kind == "Binary" => (says, Coding::Raw, field.length),
        Encoding::Ebcdic(page) => (says, Coding::Ebcdic(page), field.length),
        Encoding::Packed(_) if bytes => return Err("its bytes are packed digits".to_owned()),
        Encoding::Packed(filler) => {
            let says = if says == Says::Text { Says::Digits } else { says };
            (says, Coding::Bcd(filler), field.length)
        }
        Encoding::Binary if bytes => (says, Coding::Raw, field.length),
        Encoding::Ascii | Encoding::Binary => (says, Coding::Ascii, field.length),
        Encoding::Hexadecimal if bytes => (says, Coding::Hex(Alphabet::Ascii), field.length),
        Encoding::Hexadecimal => {
            return Err("its characters are hexadecimal digits of characters".to_owned());
        }
        Encoding::Nibbles if !field.length.is_multiple_of(2) => {
            return Err("an odd number of hexadecimal digits".to_owned());
        }
        Encoding::Nibbles => (Says::Bytes, Coding::Raw, field.length / 2),
    };
    if says == Says::Bytes && matches!(coding, Coding::Ascii | Coding::Ebcdic(_)) {
        return Err("its bytes are written as characters".to_owned());
    }
    Ok(Described { name: &field.description, says, length: Length::Fixed, coding, max })
}

/// Whether a length counts the hexadecimal digits of bytes.
pub(super) fn nibbles(field: &Field<'_>) -> bool {
    field.subfields.is_none() && field.enc.as_deref().and_then(encoding) == Some(Encoding::Nibbles)
}

pub(super) fn fixed(field: &Field<'_>) -> bool {
    field.prefix.as_deref().and_then(length) == Some(Ok(Length::Fixed))
}

/// `ASCII.LL`, `BCD.Fixed` and so on; none for what is no prefix, an error for one that no row can say.
pub(super) fn length(prefix: &str) -> Option<Result<Length, String>> {
    let prefix = prefix.to_ascii_lowercase();
    if prefix == "bertlv" {
        return Some(Err("its length is written as BER does".to_owned()));
    }
    let (family, size) = prefix.split_once('.')?;
    let digits = match family {
        "ascii" => LengthCoding::Ascii,
        "ebcdic" | "ebcdic1047" => LengthCoding::Ebcdic,
        "bcd" => LengthCoding::Bcd,
        "binary" => LengthCoding::Binary,
        "hex" => LengthCoding::Hex,
        "none" if size == "fixed" => return Some(Ok(Length::Fixed)),
        _ => return None,
    };
    if size == "fixed" {
        return Some(Ok(Length::Fixed));
    }
    let run = u8::try_from(size.len()).ok().filter(|run| (1..=6).contains(run))?;
    if size.bytes().any(|letter| letter != b'l') {
        return None;
    }
    let width = match digits {
        LengthCoding::Bcd => run.div_ceil(2),
        LengthCoding::Hex => 2 * run,
        LengthCoding::Ascii | LengthCoding::Ebcdic | LengthCoding::Binary => run,
    };
    Some(Ok(Length::Prefixed { digits, width, counts: Counts::Units, itself: false }))
}

const ENCODINGS: &str =
    "known are ASCII, BCD, LBCD, EBCDIC, EBCDIC1047, Binary, HexToASCII and ASCIIToHex";

/// `ASCII`, in older exports `asciiEncoder`.
pub(super) fn encoding(name: &str) -> Option<Encoding> {
    let name = name.to_ascii_lowercase();
    Some(match name.strip_suffix("encoder").unwrap_or(&name) {
        "ascii" => Encoding::Ascii,
        "ebcdic" => Encoding::Ebcdic(CodePage::Cp500),
        "ebcdic1047" => Encoding::Ebcdic(CodePage::Cp1047),
        "bcd" => Encoding::Packed(Filler::LeftZero),
        "lbcd" => Encoding::Packed(Filler::RightZero),
        "binary" => Encoding::Binary,
        "hextoascii" | "hex" => Encoding::Hexadecimal,
        "asciitohex" => Encoding::Nibbles,
        _ => return None,
    })
}

pub(super) fn quoted(word: &str) -> String {
    let short: String = word.chars().take(40).collect();
    format!("\"{}\"", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::super::{Imported, Product, import_dialect};

    const HEAD: &str = concat!(
        r#"{"name":"n","fields":{"0":{"type":"String","length":4,"enc":"BCD","prefix":"BCD.Fixed"},"#,
        "\n",
        r#""1":{"type":"Bitmap","length":8,"enc":"Binary","prefix":"Binary.Fixed"},"#,
        "\n",
        r#""4":{"type":"Numeric","length":12,"enc":"BCD","prefix":"BCD.Fixed"},"#,
        "\n"
    );

    fn import(rest: &str) -> Result<Imported, Vec<String>> {
        let text = format!("{HEAD}{rest}}}}}");
        let made = import_dialect(Product::Moov, None, "made", "made.json", text.as_bytes());
        made.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    fn field(kind: &str, length: u32, enc: &str, prefix: &str) -> String {
        format!(
            r#""type":"{kind}","length":{length},"description":"x","enc":"{enc}","prefix":"{prefix}""#
        )
    }

    /// The row of one field, and what is said of it.
    fn row(no: u8, field: &str) -> String {
        let made = import(&format!("\"{no}\":{{{field}}}")).unwrap();
        let start = format!("{no:>5} ");
        let row = made.text.lines().find(|line| line.starts_with(&start));
        let row: Vec<_> = row.unwrap_or_default().split_whitespace().collect();
        let said: Vec<_> = made.remarks.iter().map(|remark| remark.message.as_str()).collect();
        format!("{}|{}", row.get(1..).unwrap_or_default().join(" "), said.join("|"))
    }

    #[test]
    fn fields_and_their_rows() {
        let parts = |enc: &str| {
            let part = |key: u8, enc: &str| {
                format!("\"{key}\":{{{}}}", field("String", 2, enc, "ASCII.Fixed"))
            };
            format!(",\"subfields\":{{{},{},{}}}", part(1, enc), part(2, enc), part(3, enc))
        };
        let composite = |length: u32, prefix: &str| {
            format!(r#""type":"Composite","length":{length},"description":"x","prefix":"{prefix}""#)
        };
        for (no, field, wanted) in [
            (2, field("String", 19, "ASCII", "ASCII.LL"), "n..19 ascii 2 ascii pan x|".to_owned()),
            (2, field("String", 19, "LBCD", "BCD.LL"), "n..19 bcd 1 bcd r0 pan x|".to_owned()),
            (35, field("Track2", 37, "bcdEncoder", "BCD.ll"), "z..37 bcd 1 bcd l0 sensitive x|".to_owned()),
            (43, field("String", 40, "EBCDIC1047", "EBCDIC.Fixed"), "ans 40 - cp1047 keep x|".to_owned()),
            (48, field("String", 999, "ASCII", "Binary.LL"), "ans..999 binary 2 ascii - x|".to_owned()),
            (48, field("String", 255, "ASCII", "Hex.L"), "ans..255 hex 2 ascii - x|".to_owned()),
            (52, field("Binary", 8, "HexToASCII", "ASCII.Fixed"), "b 8 - hex sensitive x|".to_owned()),
            (52, field("Hex", 8, "Binary", "Binary.Fixed"), "b 8 - raw sensitive x|".to_owned()),
            (52, field("String", 16, "ASCIIToHex", "Hex.Fixed"), "b 8 - raw sensitive x|".to_owned()),
            (3, composite(6, "ASCII.Fixed") + &parts("ASCII"), "n 6 - ascii keep x|".to_owned()),
            (3, composite(3, "BCD.Fixed") + &parts("BCD"), "n 6 - bcd keep x|".to_owned()),
            (48, composite(999, "ASCII.LLL") + &parts("Binary"), "b..999 ascii 3 raw - x|".to_owned()),
            (
                44,
                field("String", 25, "EBCDIC", "EBCDIC.LL"),
                "ans..25 ebcdic 2 cp500 keep x|the source's EBCDIC is taken as cp500; they differ in the vertical bar and beyond ASCII".to_owned(),
            ),
            (
                41,
                field("String", 8, "ASCII", "ASCII.Fixed") + r#","padding":{"type":"Right","pad":" "}"#,
                "ans 8 - ascii keep x|".to_owned(),
            ),
            (
                11,
                field("String", 6, "ASCII", "ASCII.fixed") + r#","padding":{"type":"leftPadder","pad":48}"#,
                "n 6 - ascii keep x|".to_owned(),
            ),
            (
                41,
                field("String", 8, "ASCII", "ASCII.Fixed") + r#","padding":{"type":"Left","pad":" "}"#,
                "ans 8 - ascii keep x|the source fills it up with \" \" on the left; a row fills digits with zeros on the left and text with blanks on the right".to_owned(),
            ),
            (
                2,
                field("String", 19, "ASCII", "ASCII.LL") + r#","padding":{"type":"leftPadder","pad":48}"#,
                "n..19 ascii 2 ascii pan x|the source fills it up with \"0\" on the left to its longest; here it is as long as its value".to_owned(),
            ),
            (48, field("String", 98, "ASCIIToHex", "BCD.LL"), "b..49 bcd 1 nibbles raw - x|".to_owned()),
            (48, field("String", 99, "ASCIIToHex", "BCD.LL"), "|an odd number of hexadecimal digits".to_owned()),
            (48, field("Binary", 99, "BCD", "BCD.LL"), "|its bytes are packed digits".to_owned()),
            (48, field("Secret", 99, "BCD", "BCD.LL"), "|its type is \"Secret\", which nobody here knows".to_owned()),
            (48, field("String", 99, "ASCII", "BerTLV"), "|its length is written as BER does".to_owned()),
            (65, field("Bitmap", 8, "Binary", "Binary.Fixed"), "|bit 65 announces a third bitmap".to_owned()),
        ] {
            assert_eq!(row(no, &field), wanted, "{no} {field}");
        }
    }

    #[test]
    fn a_bitmap_that_announces_none() {
        for (length, second) in [(8, "never"), (16, "fixed")] {
            let text = format!("{HEAD}\"11\":{{{}}}}}}}", field("Numeric", 6, "BCD", "BCD.Fixed"));
            let bitmap = format!("\"length\":{length},\"disableAutoExpand\":true,\"enc\":\"Bin");
            let text = text.replace("\"length\":8,\"enc\":\"Bin", &bitmap);
            let made =
                import_dialect(Product::Moov, None, "made", "made.json", text.as_bytes()).unwrap();
            assert!(made.text.contains(&format!("\nsecond   {second}\n")), "{}", made.text);
        }
    }

    #[test]
    fn faults_have_their_place() {
        for (rest, fault) in [
            (
                format!("\"48\":{{{}}}", field("String", 99, "ASCI", "ASCII.LL")),
                "4:6: field 48: enc \"ASCI\" is unknown; known are ASCII, BCD, LBCD, EBCDIC, EBCDIC1047, Binary, HexToASCII and ASCIIToHex",
            ),
            (
                format!("\"48\":{{{}}}", field("String", 99, "ASCII", "ASCII.XX")),
                "4:6: field 48: prefix \"ASCII.XX\" is unknown; e.g. ASCII.Fixed, ASCII.LL, BCD.LLL, Binary.L, EBCDIC.LL, Hex.L",
            ),
            (
                format!("\"48\":{{{}}}", field("String", 0, "ASCII", "ASCII.LL")),
                "4:6: field 48: length 0 is out of range; an element has a length of 1 at least",
            ),
            (
                format!("\"Field004\":{{{}}}", field("String", 9, "ASCII", "ASCII.LL")),
                "4:12: 4 a second time; the first is on line 3; describe it once",
            ),
            (
                "\"x\":{}".to_owned(),
                "4:5: \"x\" is not the number of a field; e.g. \"2\", or \"Field002\"",
            ),
            (
                "\"48\":{\"length\":-1}".to_owned(),
                "4:17: field 48: invalid value: integer `-1`, expected u32",
            ),
        ] {
            assert_eq!(import(&rest).unwrap_err(), [fault], "{rest}");
        }
        for text in ["", "[]", "{}", "{\"fields\":[]}", "{\"fields\":{}}"] {
            let made = import_dialect(Product::Moov, None, "made", "made.json", text.as_bytes());
            assert!(!made.unwrap_err().is_empty(), "{text}");
        }
    }
}
