//! What lies within the fields of moov's specifications: sub-fields by place, by tag, by basic encoding rules or by bitmap.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::fit::{Described, Says, words};
use super::json;
use super::moov::{
    Encoding, Field, Map, Pad, Tag, encoding, fixed, length, nibbles, plain, quoted, unlike,
};
use super::parts::{Divider, deeper};
use super::secret;
use crate::dialect::{
    Alphabet, CodePage, Coding, Content, Counts, Filler, Inside, Length, LengthCoding, Part, Row,
    Scheme, TagCoding, Tagged,
};

/// What the plain value of a composite is: its parts lie in it, not on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// What is on the wire.
    Wire,
    /// Characters, from a code page.
    Page(CodePage),
    /// Digits, which are packed on the wire.
    Digits,
}

/// The composite itself, one value: characters when all of its parts are, else bytes. Its length field is yet to be said.
pub(super) fn composite<'f>(
    field: &'f Field<'_>,
    parts: &RawValue,
    base: Option<&Row>,
) -> (Described<'f>, Whole) {
    let mut leaves = Leaves::default();
    leaves.add_field(field, parts, 0);
    let all = |wanted: Encoding| {
        !leaves.encodings.is_empty()
            && leaves.encodings.iter().all(|encoding| *encoding == Some(wanted))
    };
    let page = [CodePage::Cp500, CodePage::Cp1047]
        .into_iter()
        .find(|page| all(Encoding::Ebcdic(*page)) && leaves.translates);
    let whole = Described {
        name: &field.description,
        says: Says::Bytes,
        length: Length::Fixed,
        coding: Coding::Raw,
        max: field.length,
    };
    // Such as a processing code of three times two packed digits, whose length is that of its bytes.
    let digits = base.filter(|row| row.content == Content::Digits).map(|row| u32::from(row.max));
    let packed = fixed(field)
        && leaves.even
        && all(Encoding::Packed(Filler::LeftZero))
        && digits == Some(leaves.length)
        && leaves.length / 2 == field.length;
    let of = |says, coding, max| Described { says, coding, max, ..whole };
    match page {
        _ if all(Encoding::Ascii) => (of(Says::Parts, Coding::Ascii, field.length), Whole::Wire),
        Some(page) => (of(Says::Parts, Coding::Ebcdic(page), field.length), Whole::Page(page)),
        None if packed => {
            (of(Says::Digits, Coding::Bcd(Filler::LeftZero), leaves.length), Whole::Digits)
        }
        None => (whole, Whole::Wire),
    }
}

/// What the innermost sub-fields of a composite have in common.
struct Leaves {
    encodings: Vec<Option<Encoding>>,
    /// The sum of the lengths.
    length: u32,
    /// Whether all of them are of an even fixed length.
    even: bool,
    /// Whether all that lies between them is in EBCDIC, too.
    translates: bool,
}

impl Default for Leaves {
    fn default() -> Self {
        Self { encodings: Vec::new(), length: 0, even: true, translates: true }
    }
}

/// How deep composites may lie within one another.
const DEPTH_MAX: u32 = 8;

impl Leaves {
    fn add_field(&mut self, field: &Field<'_>, parts: &RawValue, depth: u32) {
        if let Some(enc) = field.tag.as_ref().and_then(|tag| tag.enc.as_deref()) {
            self.encodings.push(encoding(enc));
        }
        if let Some(map) = &field.bitmap {
            self.encodings.push(map.enc.as_deref().and_then(encoding));
        }
        for (_, part) in json::members_of(parts.get()).unwrap_or_default() {
            // What cannot be read may be anything: bytes.
            let Ok(part) = serde_json::from_str::<Field<'_>>(part) else {
                self.encodings.push(None);
                continue;
            };
            let prefix = part.prefix.as_deref().and_then(length);
            self.translates &= matches!(
                prefix,
                Some(Ok(Length::Fixed | Length::Prefixed { digits: LengthCoding::Ebcdic, .. }))
            );
            match part.subfields {
                Some(parts) if depth < DEPTH_MAX => self.add_field(&part, parts, depth + 1),
                _ => {
                    self.encodings.push(part.enc.as_deref().and_then(encoding));
                    self.length = self.length.saturating_add(part.length);
                    self.even &= part.length.is_multiple_of(2) && fixed(&part);
                }
            }
        }
    }
}

/// How many sub-fields a field has.
pub(super) fn count(field: &Field<'_>) -> usize {
    let members = field.subfields.and_then(|parts| json::members_of(parts.get()));
    members.map_or(0, |members| members.len())
}

/// What may not be shown among the sub-fields of a field, whether they can be taken over or not.
pub(super) fn secret(field: &Field<'_>, depth: u32) -> Option<&'static str> {
    let members = field.subfields.and_then(|parts| json::members_of(parts.get()))?;
    members.iter().find_map(|(_, part)| {
        let sub = serde_json::from_str::<Field<'_>>(part).ok()?;
        let max = if sub.length == 0 { u32::MAX } else { sub.length };
        let own = secret::spoken(&sub.description, max);
        own.or_else(|| if depth < DEPTH_MAX { secret(&sub, depth + 1) } else { None })
    })
}

/// A sub-field: what it is called by, and what it is.
type Sub<'t> = (String, Field<'t>);

/// The parts of a field that is `whole`, to which `path` leads; or why no `parts` line can say them.
pub(super) fn inside(
    to: &mut Divider<'_>,
    field: &Field<'_>,
    whole: Whole,
    path: &str,
) -> Result<Inside, String> {
    let mut subs: Vec<Sub<'_>> = Vec::new();
    let mut seen = BTreeSet::new();
    let members = field.subfields.and_then(|parts| json::members_of(parts.get()));
    for (key, part) in members.ok_or("its sub-elements are no object")? {
        let Ok(sub) = serde_json::from_str::<Field<'_>>(part) else {
            return Err(format!("sub-element {} is not described", quoted(&key)));
        };
        // "1" and "01" are one number.
        if !seen.insert(key.trim_start_matches('0').to_owned()) {
            return Err(format!("sub-element {} is described twice", quoted(&key)));
        }
        subs.push((key, sub));
    }
    if subs.is_empty() {
        return Err("the file describes none".to_owned());
    }
    match (&field.bitmap, &field.tag) {
        (Some(map), _) => by_bitmap(to, map, whole, path, subs),
        (None, Some(tag)) if is_ber(tag) => by_object(to, whole, path, field.length, subs),
        (None, Some(tag)) if tag.enc.is_some() || 0 < tag.length => {
            by_tag(to, tag, whole, path, &subs)
        }
        _ => by_place(to, whole, path, subs),
    }
}

fn by_place(
    to: &mut Divider<'_>,
    whole: Whole,
    path: &str,
    mut subs: Vec<Sub<'_>>,
) -> Result<Inside, String> {
    // Numbers by their value, whatever they are called; the source wants one of two orders, which differ beyond 9 only.
    if let Some((key, _)) = subs.iter().find(|(key, _)| key.parse::<u32>().is_err()) {
        return Err(format!("sub-element {} has no number to stand by", quoted(key)));
    }
    subs.sort_by_key(|(key, _)| key.parse().unwrap_or(u32::MAX));
    let mut parts = Vec::new();
    for (at, (key, sub)) in subs.iter().enumerate() {
        let of = |why| format!("sub-element {key}: {why}");
        let place = deeper(path, &(at + 1).to_string())?;
        let (described, within) = described(sub, whole).map_err(of)?;
        parts.push(part(to, &place, sub, (described, within), false).map_err(of)?);
    }
    let numbers = subs.iter().map(|(key, _)| key.parse().unwrap_or(0));
    if let (Some((first, _)), Some((last, _)), false) =
        (subs.first(), subs.last(), numbers.eq(1..=subs.len()))
    {
        let count = subs.len();
        to.note(
            path,
            format!("its sub-elements {first} to {last} are the parts 1 to {count} here"),
        );
    }
    Ok(Inside { scheme: Scheme::Positional { repeated: false }, parts })
}

fn by_bitmap(
    to: &mut Divider<'_>,
    map: &Map,
    whole: Whole,
    path: &str,
    mut subs: Vec<Sub<'_>>,
) -> Result<Inside, String> {
    let hex = match map.enc.as_deref().and_then(encoding) {
        Some(Encoding::Binary) => false,
        Some(Encoding::Hexadecimal) => true,
        _ => return Err("its bitmap is neither binary nor hexadecimal digits".to_owned()),
    };
    let bytes = if map.length == 0 { 8 } else { map.length };
    subs.sort_by_key(|(key, _)| key.parse().unwrap_or(u32::MAX));
    let mut parts = Vec::new();
    for (key, sub) in &subs {
        let Ok(bit) = key.parse::<u16>() else {
            return Err(format!("sub-element {}: no bit has such a number", quoted(key)));
        };
        let place = deeper(path, &bit.to_string())?;
        let made =
            described(sub, whole).and_then(|described| part(to, &place, sub, described, false));
        match made {
            Ok(part) => parts.push(part),
            Err(why) => to.note(path, format!("its sub-element {bit} is left out: {why}")),
        }
    }
    Ok(Inside { scheme: Scheme::Bitmap { hex, bytes }, parts })
}

fn by_tag(
    to: &mut Divider<'_>,
    tag: &Tag,
    whole: Whole,
    path: &str,
    subs: &[Sub<'_>],
) -> Result<Inside, String> {
    let mut parts = Vec::new();
    let mut scheme: Option<Scheme> = None;
    for (key, sub) in subs {
        let of = |why| format!("sub-element {}: {why}", quoted(key));
        let this = Scheme::Tagged(tagged(tag, sub, whole).map_err(of)?);
        if scheme.is_some_and(|scheme| scheme != this) {
            return Err(of("its length is written otherwise than before".to_owned()));
        }
        scheme = Some(this);
        if !counts_bytes(sub) {
            return Err(of(DIGITS_COUNTED.to_owned()));
        }
        let place = deeper(path, &key_of(tag, key))?;
        let (mut described, within) = value(sub, whole).map_err(of)?;
        described.length = Length::Rest;
        parts.push(part(to, &place, sub, (described, within), false).map_err(of)?);
    }
    let scheme = scheme.ok_or("the file describes none")?;
    Ok(Inside { scheme, parts })
}

/// Whether tags are those of the basic encoding rules.
fn is_ber(tag: &Tag) -> bool {
    tag.enc.as_deref().is_some_and(|enc| enc.eq_ignore_ascii_case("BerTLVTag"))
}

/// Objects of the basic encoding rules say their own length, so the file may leave it open: then they are as long as what
/// holds them, `longest`. An object that cannot be said costs its own row, not the others'.
fn by_object(
    to: &mut Divider<'_>,
    whole: Whole,
    path: &str,
    longest: u32,
    subs: Vec<Sub<'_>>,
) -> Result<Inside, String> {
    let mut parts = Vec::new();
    for (key, mut sub) in subs {
        if !sub.prefix.as_deref().is_some_and(|prefix| prefix.eq_ignore_ascii_case("BerTLV")) {
            let why = "its length is not written as BER does, though its tag is";
            return Err(format!("sub-element {}: {why}", quoted(&key)));
        }
        let key = key.to_ascii_uppercase();
        let place = deeper(path, &key)?;
        let known = to.known(&place);
        if let (Some(known), true) = (&known, sub.length == 0 || is_bytes_as_text(&sub)) {
            parts.push(named(known.clone(), &sub));
            continue;
        }
        if sub.length == 0 {
            sub.length = longest;
        }
        match object(to, &place, &sub, whole) {
            Ok(part) => parts.push(part),
            Err(why) => {
                let instead = known.map(|known| named(known, &sub));
                let row = if instead.is_some() { "the row of its tag" } else { "no row" };
                to.note(path, format!("its object {} has {row}: {why}", quoted(&key)));
                parts.extend(instead);
            }
        }
    }
    Ok(Inside { scheme: Scheme::Ber, parts })
}

/// An object as the file describes it; or why no row can say it.
fn object(
    to: &mut Divider<'_>,
    place: &str,
    sub: &Field<'_>,
    whole: Whole,
) -> Result<Part, String> {
    let key = place.rsplit('.').next().unwrap_or_default();
    let digits = key.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !digits || !matches!(key.len(), 2 | 4 | 6 | 8) {
        return Err("that is not a tag".to_owned());
    }
    if !counts_bytes(sub) {
        return Err(DIGITS_COUNTED.to_owned());
    }
    let (mut described, within) = value(sub, whole)?;
    described.length = Length::Rest;
    if is_bytes_as_text(sub) {
        (described.says, described.coding) = (Says::Bytes, Coding::Raw);
    }
    part(to, place, sub, (described, within), true)
}

/// Whether the file calls the bytes of an object a text, which most of them are not.
fn is_bytes_as_text(sub: &Field<'_>) -> bool {
    let binary = sub.enc.as_deref().and_then(encoding) == Some(Encoding::Binary);
    sub.subfields.is_none() && binary && sub.kind == "String"
}

/// The part under the name that the file has for it.
fn named(mut part: Part, sub: &Field<'_>) -> Part {
    let name = words(&sub.description);
    if !name.is_empty() {
        part.row.name = name;
    }
    part
}

const DIGITS_COUNTED: &str = "its length counts digits, and one beside a tag counts bytes";

/// The tag as a dialect's paths have it.
fn key_of(tag: &Tag, key: &str) -> String {
    if tag.enc.as_deref().and_then(encoding) == Some(Encoding::Nibbles) {
        return key.to_ascii_uppercase();
    }
    let width = usize::from(tag.length);
    let pad = tag.padding.as_ref().and_then(|padding| {
        let left = padding.kind.to_ascii_lowercase().starts_with("left");
        let pad = match &padding.pad {
            Pad::Text(text) => text.chars().next(),
            Pad::Code(code) => char::from_u32(*code),
        };
        pad.filter(|_| left)
    });
    let missing = width.saturating_sub(key.len());
    pad.map_or_else(String::new, |pad| std::iter::repeat_n(pad, missing).collect()) + key
}

/// How tag and length of a sub-field are written.
fn tagged(tag: &Tag, sub: &Field<'_>, whole: Whole) -> Result<Tagged, String> {
    let (coding, tag_width) = match tag.enc.as_deref().and_then(encoding) {
        Some(Encoding::Ascii) => (TagCoding::Characters(Alphabet::Ascii), tag.length),
        Some(Encoding::Ebcdic(_)) => match whole {
            Whole::Page(_) => (TagCoding::Characters(Alphabet::Ascii), tag.length),
            _ => (TagCoding::Characters(Alphabet::Ebcdic), tag.length),
        },
        Some(Encoding::Packed(_)) if tag.length.is_multiple_of(2) => {
            (TagCoding::Bcd, tag.length / 2)
        }
        Some(Encoding::Nibbles) => (TagCoding::Binary, tag.length),
        _ => return Err("no `parts` line can say how its tag is written".to_owned()),
    };
    let field = sub.prefix.as_deref().and_then(length).ok_or("its prefix is unknown")??;
    let Length::Prefixed { digits, width, .. } = in_plain(field, whole) else {
        return Err("it has a tag and no length".to_owned());
    };
    if digits == LengthCoding::Hex {
        return Err("its length is written in hexadecimal digits".to_owned());
    }
    Ok(Tagged {
        lead: 0,
        tag: coding,
        tag_width,
        length: digits,
        length_width: width,
        length_first: false,
        counts_tag: false,
        counts_itself: false,
    })
}

/// Whether a length counts bytes as they are on the wire: it counts what is there before it is encoded.
fn counts_bytes(sub: &Field<'_>) -> bool {
    sub.subfields.is_some()
        || matches!(
            sub.enc.as_deref().and_then(encoding),
            Some(Encoding::Ascii | Encoding::Ebcdic(_) | Encoding::Binary)
        )
}

/// What a sub-field is, its length field included; and, of a composite, what its plain value is.
fn described<'f>(
    sub: &'f Field<'_>,
    whole: Whole,
) -> Result<(Described<'f>, Option<Whole>), String> {
    let prefix = sub.prefix.as_deref().and_then(length);
    let mut field = prefix.ok_or("its prefix is missing or unknown")??;
    if let (Length::Prefixed { counts, .. }, true) = (&mut field, nibbles(sub)) {
        *counts = Counts::Nibbles;
    }
    let (described, within) = value(sub, whole)?;
    Ok((Described { length: in_plain(field, whole), ..described }, within))
}

/// A length field as it is in the plain value of what holds it.
const fn in_plain(field: Length, whole: Whole) -> Length {
    match (field, whole) {
        (
            Length::Prefixed { digits: LengthCoding::Ebcdic, width, counts, itself },
            Whole::Page(_),
        ) => Length::Prefixed { digits: LengthCoding::Ascii, width, counts, itself },
        (field, _) => field,
    }
}

/// What a sub-field's value is.
fn value<'f>(sub: &'f Field<'_>, whole: Whole) -> Result<(Described<'f>, Option<Whole>), String> {
    let (described, within) = match sub.subfields {
        Some(_) if whole == Whole::Digits => {
            return Err("it is packed together with others".to_owned());
        }
        Some(parts) => {
            let (described, within) = composite(sub, parts, None);
            (described, Some(within))
        }
        None => {
            let encoding = sub.enc.as_deref().and_then(encoding);
            (plain(sub, encoding.ok_or("its enc is missing or unknown")?)?, None)
        }
    };
    let coding = match (described.coding, whole) {
        (Coding::Ebcdic(_), Whole::Page(_)) | (Coding::Bcd(_), Whole::Digits) => Coding::Ascii,
        (coding, _) => coding,
    };
    Ok((Described { coding, ..described }, within))
}

/// A sub-field with what lies within it, if that can be said.
fn part(
    to: &mut Divider<'_>,
    path: &str,
    sub: &Field<'_>,
    (described, within): (Described<'_>, Option<Whole>),
    is_object: bool,
) -> Result<Part, String> {
    let mut part = if is_object { to.object(path, &described) } else { to.part(path, &described) }?;
    if let Some(note) = sub.padding.as_ref().and_then(|padding| unlike(padding, &part.row)) {
        to.note(path, note);
    }
    if let Some(within) = within {
        to.cover(path, &mut part, secret(sub, 0));
        match inside(to, sub, within, path) {
            Ok(inside) => part.inside = Some(inside),
            Err(why) => to
                .note(path, format!("its sub-elements are not taken over, it is one value: {why}")),
        }
    }
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::super::{Product, import_dialect};

    const HEAD: &str = r#"{"name":"n","fields":{"0":{"type":"String","length":4,"enc":"BCD","prefix":"BCD.Fixed"},"1":{"type":"Bitmap","length":8,"enc":"Binary","prefix":"Binary.Fixed"},"4":{"type":"Numeric","length":12,"enc":"BCD","prefix":"BCD.Fixed"},"#;

    fn sub(key: &str, kind: &str, length: u32, enc: &str, prefix: &str) -> String {
        format!(
            r#""{key}":{{"type":"{kind}","length":{length},"description":"x","enc":"{enc}","prefix":"{prefix}"}}"#
        )
    }

    fn composite(no: u8, prefix: &str, rest: &str, subs: &[String]) -> String {
        format!(
            r#""{no}":{{"type":"Composite","length":99,"description":"x","prefix":"{prefix}"{rest},"subfields":{{{}}}}}"#,
            subs.join(",")
        )
    }

    /// The element's own row, what the dialect says of its inside, and the remarks.
    fn within(field: &str) -> (String, String) {
        let text = format!("{HEAD}{field}}}}}");
        let made = import_dialect(Product::Moov, None, "made", "made.json", text.as_bytes());
        let made = made.unwrap_or_else(|faults| panic!("{faults:?} {field}"));
        let rows = made.text.lines().skip_while(|line| !line.starts_with("#  no")).skip(2);
        let rows = rows.filter(|line| !line.is_empty());
        let rows: Vec<_> =
            rows.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let said = made.remarks.iter().filter(|remark| remark.about != "code page");
        let said: Vec<_> =
            said.map(|remark| format!("{}: {}", remark.about, remark.message)).collect();
        (rows.join("\n"), said.join("\n"))
    }

    const BY_TAG: &str = r#","tag":{"length":2,"enc":"ASCII","padding":{"type":"Left","pad":"0"},"sort":"StringsByInt"}"#;
    const BY_BITMAP: &str = r#","bitmap":{"type":"Bitmap","length":8,"enc":"Binary","prefix":"Binary.Fixed","disableAutoExpand":true}"#;
    const BER: &str = r#","tag":{"enc":"BerTLVTag","sort":"StringsByHex"}"#;

    fn taken(field: &str, rows: &str, said: &str) {
        assert_eq!(within(field), (rows.to_owned(), said.to_owned()), "{field}");
    }

    #[test]
    fn places_and_tags_are_taken_over() {
        let inner = composite(3, "ASCII.LL", "", &[sub("1", "String", 3, "ASCII", "ASCII.Fixed")]);
        for (field, rows, said) in [
            (
                composite(
                    48,
                    "ASCII.LL",
                    r#","tag":{"sort":"StringsByInt"}"#,
                    &[
                        sub("10", "String", 2, "ASCII", "ASCII.LL"),
                        sub("9", "Numeric", 3, "ASCII", "ASCII.Fixed"),
                    ],
                ),
                "48 ans..99 ascii 2 ascii - x\nparts 48 positional\n48.1 n 3 - ascii - x\n48.2 ans..2 ascii 2 ascii - x",
                "element 48: its sub-elements 9 to 10 are the parts 1 to 2 here",
            ),
            // Characters of EBCDIC are characters in the plain value, and so are their lengths.
            (
                composite(
                    48,
                    "EBCDIC.LL",
                    BY_TAG.replace("ASCII", "EBCDIC").as_str(),
                    &[sub("7", "String", 9, "EBCDIC", "EBCDIC.LL")],
                ),
                "48 ans..99 ebcdic 2 cp500 - x\nparts 48 tag ascii 2 length ascii 2\n48.07 ans..9 - ascii - x",
                "",
            ),
            // With a length of bytes among them, nothing can be translated as a whole.
            (
                composite(48, "EBCDIC.LL", "", &[sub("1", "String", 9, "EBCDIC", "Binary.L")]),
                "48 b..99 ebcdic 2 raw - x\nparts 48 positional\n48.1 ans..9 binary 1 cp500 - x",
                "",
            ),
            (
                composite(
                    48,
                    "Binary.L",
                    "",
                    &[
                        sub("1", "Numeric", 3, "BCD", "BCD.Fixed"),
                        sub("2", "Hex", 4, "Binary", "Binary.Fixed"),
                        inner,
                    ],
                ),
                "48 b..99 binary 1 raw - x\nparts 48 positional\n48.1 n 3 - bcd l0 - x\n48.2 b 4 - raw - x\n48.3 ans..99 ascii 2 ascii - x\nparts 48.3 positional\n48.3.1 ans 3 - ascii - x",
                "",
            ),
            (
                composite(
                    48,
                    "ASCII.LL",
                    BY_TAG,
                    &[
                        sub("7", "String", 9, "ASCII", "ASCII.LL"),
                        composite(
                            42,
                            "ASCII.LL",
                            BY_TAG,
                            &[sub("01", "String", 3, "ASCII", "ASCII.LL")],
                        ),
                    ],
                ),
                "48 ans..99 ascii 2 ascii - x\nparts 48 tag ascii 2 length ascii 2\n48.07 ans..9 - ascii - x\n48.42 ans..99 - ascii - x\nparts 48.42 tag ascii 2 length ascii 2\n48.42.01 ans..3 - ascii - x",
                "",
            ),
        ] {
            taken(&field, rows, said);
        }
    }

    #[test]
    fn objects_and_bitmaps_are_taken_over() {
        let text = |key: &str, prefix: &str| sub(key, "String", 3, "ASCII", prefix);
        for (field, rows, said) in [
            (
                composite(
                    55,
                    "ASCII.LL",
                    BER,
                    &[
                        sub("9F02", "Hex", 6, "Binary", "BerTLV"),
                        sub("9f26", "Binary", 8, "Binary", "BerTLV"),
                    ],
                ),
                "55 b..99 ascii 2 raw sensitive x\nparts 55 ber\n55.9F02 b..6 - raw keep x\n55.9F26 b..8 - raw sensitive x",
                "",
            ),
            // BER says the length; what the file calls text is bytes, or what the tag means.
            (
                composite(
                    55,
                    "ASCII.LL",
                    BER,
                    &[
                        r#""9a":{"type":"String","description":"date","enc":"Binary","prefix":"BerTLV"}"#.to_owned(),
                        r#""9F02":{"type":"Hex","description":"amount","enc":"HexToASCII","prefix":"BerTLV"}"#.to_owned(),
                        r#""DF01":{"type":"String","description":"own","enc":"Binary","prefix":"BerTLV"}"#.to_owned(),
                        r#""DF02":{"type":"String","description":"own text","enc":"ASCII","prefix":"BerTLV"}"#.to_owned(),
                        sub("DF03", "String", 6, "Binary", "BerTLV"),
                        sub("5A", "String", 10, "Binary", "BerTLV"),
                        sub("9F03", "Numeric", 12, "BCD", "BerTLV"),
                        sub("DF04", "Numeric", 12, "BCD", "BerTLV"),
                        sub("XX", "String", 12, "ASCII", "BerTLV"),
                    ],
                ),
                "55 b..99 ascii 2 raw sensitive x\nparts 55 ber\n55.9A n 6 - bcd keep date\n55.9F02 n 12 - bcd keep amount\n55.DF01 b..99 - raw sensitive own\n55.DF02 ans..99 - ascii sensitive own text\n55.DF03 b..6 - raw sensitive x\n55.5A n..19 - bcd rF pan x\n55.9F03 n 12 - bcd keep x",
                "element 55: its object \"9F03\" has the row of its tag: its length counts digits, and one beside a tag counts bytes\nelement 55: its object \"DF04\" has no row: its length counts digits, and one beside a tag counts bytes\nelement 55: its object \"XX\" has no row: that is not a tag",
            ),
            // A card number that is bytes cannot be masked; and what is no object has no tag of ICC data.
            (
                composite(55, "ASCII.LL", BER, &[sub("5A", "Hex", 10, "Binary", "BerTLV")]),
                "55 b..99 ascii 2 raw sensitive x\nparts 55 ber\n55.5A b..10 - raw sensitive x",
                "",
            ),
            (
                composite(55, "ASCII.LL", BY_TAG, &[text("82", "ASCII.LL")]),
                "55 ans..99 ascii 2 ascii sensitive x\nparts 55 tag ascii 2 length ascii 2\n55.82 ans..3 - ascii sensitive x",
                "",
            ),
            (
                composite(
                    62,
                    "Binary.L",
                    BY_BITMAP,
                    &[
                        sub("1", "String", 1, "EBCDIC", "EBCDIC.Fixed"),
                        sub("3", "Numeric", 3, "BCD", "BCD.Fixed"),
                        sub("4", "Odd", 3, "BCD", "BCD.Fixed"),
                    ],
                ),
                "62 b..99 binary 1 raw - x\nparts 62 bitmap binary 8\n62.1 ans 1 - cp500 - x\n62.3 n 3 - bcd l0 - x",
                "element 62: its sub-element 4 is left out: its type is \"Odd\", which nobody here knows",
            ),
        ] {
            taken(&field, rows, said);
        }
    }

    #[test]
    fn names_make_secrets_of_parts_and_of_what_holds_them() {
        let named = |key: &str, prefix: &str, name: &str| {
            sub(key, "String", 3, "ASCII", prefix).replace("\"x\"", &format!("\"{name}\""))
        };
        let holder = |no: u8, subs: &[String]| composite(no, "ASCII.LL", BY_TAG, subs);
        let inner = holder(71, &[named("01", "ASCII.LL", "CVV2")]);
        let said = "its name speaks of a card verification value, so its class is `sensitive`: never kept, and shown as its length";
        let held = "a card verification value lies within it, so its class is `sensitive`, too: it is shown whole";
        for (field, rows, said) in [
            (
                holder(48, &[named("92", "ASCII.LL", "CVV2"), named("7", "ASCII.LL", "other")]),
                "48 ans..99 ascii 2 ascii sensitive x\nparts 48 tag ascii 2 length ascii 2\n48.92 ans..3 - ascii sensitive CVV2\n48.07 ans..3 - ascii - other",
                format!("element 48.92: {said}\nelement 48: {held}"),
            ),
            (
                holder(48, &[inner]),
                "48 ans..99 ascii 2 ascii sensitive x\nparts 48 tag ascii 2 length ascii 2\n48.71 ans..99 - ascii sensitive x\nparts 48.71 tag ascii 2 length ascii 2\n48.71.01 ans..3 - ascii sensitive CVV2",
                format!("element 48.71: {held}\nelement 48.71.01: {said}\nelement 48: {held}"),
            ),
            // What is not taken over is shown whole.
            (
                holder(48, &[named("92", "ASCII.Fixed", "CVV2")]),
                "48 ans..99 ascii 2 ascii sensitive x",
                format!(
                    "element 48: {held}\nelement 48: its sub-element is not taken over, it is one value: sub-element \"92\": it has a tag and no length"
                ),
            ),
            (
                named("61", "ASCII.Fixed", "CVC2"),
                "61 ans 3 - ascii sensitive CVC2",
                format!("element 61: {said}"),
            ),
            // The base says of this element that it may be kept, and under the same name.
            (
                sub("20", "Numeric", 3, "ASCII", "ASCII.Fixed").replace("\"x\"", "\"PAN country\""),
                "20 n 3 - ascii keep PAN country",
                String::new(),
            ),
        ] {
            taken(&field, rows, &said);
        }
    }

    #[test]
    fn parts_that_do_not_fill_their_element_are_told() {
        let part = |key: &str| sub(key, "Numeric", 2, "BCD", "BCD.Fixed");
        let field = composite(3, "BCD.Fixed", "", &[part("1"), part("2"), part("3")]);
        let (rows, said) = within(&field.replace("99", "6"));
        assert!(rows.ends_with("\nparts 3 positional\n3.1 n 2 - bcd keep x\n3.2 n 2 - bcd keep x\n3.3 n 2 - bcd keep x"), "{rows}");
        assert_eq!(
            said,
            "element 3: its parts are 3 long together, and it is 6: ask which is right"
        );
        assert_eq!(within(&field.replace("99", "3")).1, "");
    }

    #[test]
    fn what_parts_cannot_say_is_one_value() {
        let text = |key: &str, prefix: &str| sub(key, "String", 3, "ASCII", prefix);
        for (field, why) in [
            (composite(48, "ASCII.LL", "", &[]), "|the file describes none"),
            (
                composite(48, "ASCII.LL", "", &[text("A", "ASCII.L")]),
                "its sub-element is not taken over, |sub-element \"A\" has no number to stand by",
            ),
            (
                composite(48, "ASCII.LL", BY_TAG, &[text("1", "ASCII.LL"), text("2", "ASCII.L")]),
                "its 2 sub-elements are not taken over, |sub-element \"2\": its length is written otherwise than before",
            ),
            (
                composite(48, "ASCII.LL", BY_TAG, &[text("1", "ASCII.LL"), text("01", "ASCII.LL")]),
                "its 2 sub-elements are not taken over, |sub-element \"01\" is described twice",
            ),
            (
                composite(48, "ASCII.LL", BY_TAG, &[text("1", "ASCII.Fixed")]),
                "its sub-element is not taken over, |sub-element \"1\": it has a tag and no length",
            ),
            (
                composite(48, "ASCII.LL", BY_TAG, &[sub("1", "String", 9, "BCD", "ASCII.LL")]),
                "its sub-element is not taken over, |sub-element \"1\": its length counts digits, and one beside a tag counts bytes",
            ),
            (
                composite(48, "ASCII.LL", BY_TAG, &[text("123", "ASCII.LL")]),
                "its sub-element is not taken over, |\"123\" is not a tag of 2 bytes",
            ),
            (
                composite(55, "ASCII.LL", BER, &[text("9F02", "ASCII.LL")]),
                "its sub-element is not taken over, |sub-element \"9F02\": its length is not written as BER does, though its tag is",
            ),
            (
                composite(48, "ASCII.LL", "", &[text("1", "BerTLV")]),
                "its sub-element is not taken over, |sub-element 1: its length is written as BER does",
            ),
            (
                composite(
                    62,
                    "Binary.L",
                    &BY_BITMAP.replace("\"Binary\"", "\"EBCDIC\""),
                    &[text("1", "ASCII.L")],
                ),
                "its sub-element is not taken over, |its bitmap is neither binary nor hexadecimal digits",
            ),
            (
                composite(62, "Binary.L", BY_BITMAP, &[text("65", "ASCII.L")]),
                "its sub-element is not taken over, |\"65\" is not the number of a part",
            ),
        ] {
            let (rows, said) = within(&field);
            assert!(!rows.contains("parts"), "{rows} {field}");
            let (count, why) = why.split_once('|').unwrap();
            let wanted = format!("{count}it is one value: {why}");
            assert_eq!(said.split_once(": ").unwrap().1, wanted, "{field}");
        }
    }
}
