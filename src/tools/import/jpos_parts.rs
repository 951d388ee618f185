//! What lies within the elements of jPOS's packager files: an `isofieldpackager` and the fields in it.

use roxmltree::Node;

use super::fit::{Described, Says};
use super::jpos::{LENGTH_MAX, OWN, describe, says_true, short};
use super::jpos_class::{Named, named};
use super::parts::{Divider, deeper};
use super::secret;
use crate::dialect::{
    Alphabet, CodePage, Coding, Inside, Length, LengthCoding, Part, Scheme, TagCoding, Tagged,
};

/// A sub-element: its number, and where the file describes it.
type Sub<'a, 'i> = (u16, Node<'a, 'i>);

/// Packagers that find sub-elements by place or by a bitmap.
const PLACES: [&str; 4] =
    ["GenericSubFieldPackager", "GenericPackager", "GenericValidatingPackager", BASE_1];

/// The one whose bitmap is always its field 0.
const BASE_1: &str = "Base1SubFieldPackager";

/// The parts of what `node` describes, which is what `path` leads to; or why no `parts` line can say them.
pub(super) fn inside(
    to: &mut Divider<'_>,
    node: Node<'_, '_>,
    path: &str,
) -> Result<Inside, String> {
    let packager = node.attribute("packager").unwrap_or_default().trim();
    if packager.is_empty() {
        return Err("its packager is not named".to_owned());
    }
    let unknown = || format!("what the packager {} does is not known here", short(packager));
    let name = packager.strip_prefix("org.jpos.").ok_or_else(unknown)?;
    let name = name.rsplit('.').next().unwrap_or_default();
    match name {
        "BERTLVBinaryPackager" => return Ok(Inside { scheme: Scheme::Ber, parts: to.objects() }),
        "BERTLVAsciiHexPackager" | "BERTLVEbcdicHexPackager" => {
            return Err("its objects are written in hexadecimal digits".to_owned());
        }
        _ => {}
    }
    let subs = subs(node)?;
    if subs.iter().any(|(_, sub)| class(*sub).and_then(tag).is_some()) {
        return by_tag(to, path, &subs);
    }
    if PLACES.contains(&name) { by_place(to, node, path, &subs) } else { Err(unknown()) }
}

/// The sub-elements, in ascending order.
fn subs<'a, 'i>(node: Node<'a, 'i>) -> Result<Vec<Sub<'a, 'i>>, String> {
    let mut subs = Vec::new();
    for sub in node.children().filter(Node::is_element) {
        let id = sub.attribute("id").unwrap_or_default().trim();
        let Ok(number) = id.parse::<u16>() else {
            return Err(format!("\"{}\" is no sub-element's number", short(id)));
        };
        subs.push((number, sub));
    }
    subs.sort_by_key(|(id, _)| *id);
    let twice = subs.iter().zip(subs.iter().skip(1)).find(|((a, _), (b, _))| a == b);
    match twice {
        Some(((id, _), _)) => Err(format!("sub-element {id} is described twice")),
        None if subs.is_empty() => Err("the file describes none".to_owned()),
        None => Ok(subs),
    }
}

/// The name of a class of jPOS's own, its package left out.
fn class<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.attribute("class")?.trim().strip_prefix(OWN)
}

// --- by place ---

fn by_place(
    to: &mut Divider<'_>,
    node: Node<'_, '_>,
    path: &str,
    subs: &[Sub<'_, '_>],
) -> Result<Inside, String> {
    let says = |name| node.attribute(name).map(str::trim).filter(|value| !value.is_empty());
    let name = says("packager").and_then(|name| name.rsplit('.').next());
    let bitmap_of = |wanted: u16| {
        let (_, sub) = subs.iter().find(|(id, _)| *id == wanted)?;
        let hex = match named(class(*sub)?, false)? {
            Named::Bitmap(Alphabet::Ascii) => Some(true),
            Named::Bitmap(Alphabet::Ebcdic) => None,
            Named::BinaryBitmap => Some(false),
            _ => return None,
        };
        Some((hex, sub.attribute("length").unwrap_or_default().trim()))
    };
    let base_1 = name == Some(BASE_1);
    let number = |name, default| says(name).map_or(Some(default), |value| value.parse().ok());
    let bitmap_at = if base_1 { Some(0) } else { number("bitmapField", 1) };
    let bitmap_at = bitmap_at.ok_or("its bitmapField is no number")?;
    let bitmap = bitmap_of(bitmap_at);
    let emits = match says("emitBitmap") {
        _ if base_1 => bitmap.is_some(),
        Some(value) => value.eq_ignore_ascii_case("true"),
        None => true,
    };
    let usual = match () {
        () if base_1 => u16::from(emits),
        () if subs.first().is_some_and(|(id, sub)| *id == 0 && is_nested(*sub)) => 0,
        () if bitmap_of(1).is_some() => 2,
        () => 1,
    };
    let first: u16 = number("firstField", usual).ok_or("its firstField is no number")?;
    // A whole message within: what stands in the place of an MTI comes first, unless it has no bytes.
    let message = matches!(name, Some("GenericPackager" | "GenericValidatingPackager"));
    let head = subs.iter().find(|(id, sub)| *id == 0 && message && !is_empty(*sub));
    if emits && head.is_some() {
        return Err("a field precedes its bitmap".to_owned());
    }
    let skipped = |(id, sub): &&Sub<'_, '_>| {
        *id < first && head.is_none() && !is_empty(*sub) && !(emits && *id == bitmap_at)
    };
    if let Some((id, _)) = subs.iter().find(skipped) {
        to.note(path, format!("its sub-element {id} is left out: jPOS begins with {first} here"));
    }
    let placed: Vec<Sub<'_, '_>> = subs
        .iter()
        .filter(|(id, _)| first <= *id || (*id == 0 && head.is_some()))
        .filter(|(id, _)| !(emits && *id == bitmap_at))
        .filter(|(_, sub)| !is_empty(*sub))
        .copied()
        .collect();
    if emits {
        let (hex, length) = bitmap.ok_or_else(|| {
            let why = format!("its field {bitmap_at} is no bitmap");
            match bitmap_of(0) {
                Some(_) => format!("{why}, but field 0 is one: is bitmapField=\"0\" missing?"),
                None => why,
            }
        })?;
        let hex = hex.ok_or("its bitmap is written in EBCDIC")?;
        announced(to, path, &placed, (hex, length))
    } else {
        placed_ones(to, path, &placed)
    }
}

/// Whether a field has fields of its own.
fn is_nested(sub: Node<'_, '_>) -> bool {
    sub.tag_name().name() == "isofieldpackager"
}

/// Whether a field takes no bytes.
fn is_empty(sub: Node<'_, '_>) -> bool {
    class(sub) == Some("IF_NOP") || sub.attribute("length").map(str::trim) == Some("0")
}

fn placed_ones(to: &mut Divider<'_>, path: &str, placed: &[Sub<'_, '_>]) -> Result<Inside, String> {
    let mut parts = Vec::new();
    for (at, (id, sub)) in placed.iter().enumerate() {
        let key = (at + 1).to_string();
        let last = at + 1 == placed.len();
        let part = part(to, path, &key, *sub, last);
        parts.push(part.map_err(|why| format!("sub-element {id}: {why}"))?);
    }
    let numbers = placed.iter().map(|(id, _)| usize::from(*id));
    if let (Some((first, _)), Some((last, _)), false) =
        (placed.first(), placed.last(), numbers.eq(1..=placed.len()))
    {
        let count = placed.len();
        to.note(
            path,
            format!("its sub-elements {first} to {last} are the parts 1 to {count} here"),
        );
    }
    Ok(Inside { scheme: Scheme::Positional { repeated: false }, parts })
}

fn announced(
    to: &mut Divider<'_>,
    path: &str,
    placed: &[Sub<'_, '_>],
    (hex, length): (bool, &str),
) -> Result<Inside, String> {
    let last = placed.last().map_or(0, |(id, _)| *id);
    let bytes = match length.parse() {
        Ok(bytes @ 1..=8) => bytes,
        // The second half is there only for fields from 65 on.
        Ok(16) if last <= 64 => 8,
        _ => return Err(format!("its bitmap of {} bytes announces another", short(length))),
    };
    let mut parts = Vec::new();
    for (id, sub) in placed {
        if class(*sub) == Some("IF_UNUSED") {
            continue;
        }
        match part(to, path, &id.to_string(), *sub, false) {
            Ok(part) => parts.push(part),
            Err(why) => to.note(path, format!("its sub-element {id} is left out: {why}")),
        }
    }
    Ok(Inside { scheme: Scheme::Bitmap { hex, bytes }, parts })
}

/// A sub-element that says its own length.
fn part(
    to: &mut Divider<'_>,
    holder: &str,
    key: &str,
    node: Node<'_, '_>,
    last: bool,
) -> Result<Part, String> {
    let path = deeper(holder, key)?;
    let described = measured(node, last)?;
    let part = to.part(&path, &described)?;
    Ok(divided(to, &path, node, part))
}

/// What may not be shown among the fields within a field, whether they can be taken over or not.
pub(super) fn secret(node: Node<'_, '_>) -> Option<&'static str> {
    node.descendants().skip(1).filter(Node::is_element).find_map(|sub| {
        let max = length(sub).unwrap_or(LENGTH_MAX);
        secret::spoken(sub.attribute("name").unwrap_or_default(), max)
    })
}

/// A part with what lies within it, if that can be said.
fn divided(to: &mut Divider<'_>, path: &str, node: Node<'_, '_>, mut part: Part) -> Part {
    if !is_nested(node) {
        return part;
    }
    to.cover(path, &mut part, secret(node));
    match inside(to, node, path) {
        Ok(inside) => Part { inside: Some(inside), ..part },
        Err(why) => {
            to.note(path, format!("its sub-elements are not taken over, it is one value: {why}"));
            part
        }
    }
}

fn measured<'n>(node: Node<'n, '_>, last: bool) -> Result<Described<'n>, String> {
    let own = own(node)?;
    let length = length(node)?;
    if own == "IF_TCHAR" {
        let Some([end @ 0x21..=0x7E]) = node.attribute("token").map(str::as_bytes) else {
            return Err("it ends at a token that is not one character".to_owned());
        };
        let name = node.attribute("name").unwrap_or_default();
        let length_field = Length::Until(*end);
        return Ok(Described {
            name,
            says: Says::Text,
            length: length_field,
            coding: Coding::Ascii,
            max: length,
        });
    }
    let named = named(own, says_true(node, "pad"))
        .ok_or_else(|| format!("jPOS has no field packager {}", short(own)))?;
    let nested = node.tag_name().name() == "isofieldpackager";
    let mut described =
        describe(node, nested, named, length).map_err(|why| format!("{}: {why}", short(own)))?;
    if described.length == Length::Fixed && last && says_true(node, "trim") {
        described.length = Length::Rest;
    }
    Ok(described)
}

fn own<'n>(node: Node<'n, '_>) -> Result<&'n str, String> {
    class(node).ok_or_else(|| {
        let class = node.attribute("class").unwrap_or_default();
        format!("\"{}\" is no class of jPOS's own", short(class.trim()))
    })
}

fn length(node: Node<'_, '_>) -> Result<u32, String> {
    let text = node.attribute("length").unwrap_or_default().trim();
    let length = text.parse().ok().filter(|length| (1..=LENGTH_MAX).contains(length));
    length.ok_or_else(|| match text {
        "" => "it has no length".to_owned(),
        text => format!("\"{}\" is not a length from 1 to {LENGTH_MAX}", short(text)),
    })
}

// --- by tag ---

/// A class whose name says a tag: how tag and length are written, and how the value is.
struct Tag {
    tagged: Tagged,
    coding: Coding,
    /// Whether the tag is a word of its own, else the sub-element's number.
    word: bool,
}

const ASCII: TagCoding = TagCoding::Characters(Alphabet::Ascii);
const EBCDIC: TagCoding = TagCoding::Characters(Alphabet::Ebcdic);

/// What such a class's name stands for; none for another class.
fn tag(own: &str) -> Option<Tag> {
    let (stem, rest) = own.split_once('_')?;
    let behind = rest.trim_start_matches('T');
    let tail = behind.trim_start_matches('L');
    let tag_run = u8::try_from(rest.len() - behind.len()).ok()?;
    let run = u8::try_from(behind.len() - tail.len()).ok()?;
    let text = match tail {
        "CHAR" => true,
        "BINARY" => false,
        _ => return None,
    };
    let (ascii, ebcdic) = (LengthCoding::Ascii, LengthCoding::Ebcdic);
    let page = Coding::Ebcdic(CodePage::Cp1047);
    let (tag, tag_width, length, length_first, coding) = match (stem, tag_run, run, text) {
        ("IFEP", 0, 2, true) => (ASCII, 2, ascii, true, Coding::Ascii),
        ("IFEP", 0, 3, true) => (EBCDIC, 2, ebcdic, true, Coding::Ascii),
        ("IFEP", 0, 3, false) => (EBCDIC, 2, ebcdic, true, Coding::Raw),
        ("IFELPE", 0, 3, true) => (EBCDIC, 2, ebcdic, true, page),
        ("IFMC", 0, 2 | 3, true) => (ASCII, 2, ascii, false, Coding::Ascii),
        ("IFMC", 0, 2 | 3, false) => (ASCII, 2, ascii, false, Coding::Raw),
        ("IFEMC", 0, 2, true) => (ASCII, 2, ebcdic, false, page),
        ("IFEMC", 0, 3, true) => (EBCDIC, 4, ebcdic, false, page),
        ("IFEPE", 0, 2, true) => (EBCDIC, 2, ebcdic, false, page),
        ("IFEPE", 0, 2, false) => (EBCDIC, 2, ebcdic, false, Coding::Raw),
        ("IFEPE", 0, 3, true) => (EBCDIC, 3, ebcdic, false, page),
        ("IFIPM", 0, 3, true) => (ASCII, 4, ascii, false, Coding::Ascii),
        ("IFA", 2 | 3, 1..=4, true) => (ASCII, tag_run, ascii, false, Coding::Ascii),
        ("IFA", 2 | 3, 1..=4, false) => (ASCII, tag_run, ascii, false, Coding::Raw),
        _ => return None,
    };
    let tagged = Tagged {
        lead: 0,
        tag,
        tag_width,
        length,
        length_width: run,
        length_first,
        // Those that have it first count the tag behind it.
        counts_tag: length_first,
        counts_itself: false,
    };
    Some(Tag { tagged, coding, word: stem == "IFA" })
}

fn by_tag(to: &mut Divider<'_>, path: &str, subs: &[Sub<'_, '_>]) -> Result<Inside, String> {
    let mut parts = Vec::new();
    let mut lead = 0;
    let mut scheme: Option<Tagged> = None;
    for (id, sub) in subs {
        let of = |why: String| format!("sub-element {id}: {why}");
        let Some(tag) = class(*sub).and_then(tag) else {
            if *id != 0 {
                return Err(of("it has no tag, and others have".to_owned()));
            }
            if is_empty(*sub) {
                continue;
            }
            let first = part(to, path, "lead", *sub, false).map_err(of)?;
            if first.row.length != Length::Fixed || first.inside.is_some() {
                return Err(of("what precedes the first tag has no fixed length".to_owned()));
            }
            lead = first.row.layout().map_or(0, |layout| layout.wire);
            parts.push(first);
            continue;
        };
        if scheme.is_some_and(|scheme| scheme != tag.tagged) {
            return Err(of("its tag or its length is written otherwise than before".to_owned()));
        }
        scheme = Some(tag.tagged);
        let width = usize::from(tag.tagged.tag_width);
        let key = match sub.attribute("token").map(str::trim) {
            Some(token) if tag.word && !token.is_empty() => token.to_owned(),
            _ if tag.word => {
                let why =
                    "its tag is known only to the packager's tag mapper; write its row by hand";
                to.note(path, format!("its sub-element {id} has no row: {why}"));
                continue;
            }
            _ => format!("{id:0width$}"),
        };
        if key.len() != width || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(of(format!("\"{}\" is no tag of {width} characters", short(&key))));
        }
        parts.push(tagged_part(to, path, &key, *sub, tag.coding).map_err(of)?);
    }
    let scheme = scheme.ok_or("the file describes none")?;
    Ok(Inside { scheme: Scheme::Tagged(Tagged { lead, ..scheme }), parts })
}

fn tagged_part(
    to: &mut Divider<'_>,
    holder: &str,
    key: &str,
    node: Node<'_, '_>,
    coding: Coding,
) -> Result<Part, String> {
    let path = deeper(holder, key)?;
    let says = if coding == Coding::Raw { Says::Bytes } else { Says::Text };
    let name = node.attribute("name").unwrap_or_default();
    let max = length(node)?;
    let part = to.part(&path, &Described { name, says, length: Length::Rest, coding, max })?;
    Ok(divided(to, &path, node, part))
}

#[cfg(test)]
mod tests {
    use super::super::{Product, import_dialect};

    const HEAD: &str = "<isopackager>\n<isofield id=\"0\" length=\"4\" class=\"org.jpos.iso.IFB_NUMERIC\"/>\n<isofield id=\"1\" length=\"16\" class=\"org.jpos.iso.IFB_BITMAP\"/>\n<isofield id=\"4\" length=\"12\" class=\"org.jpos.iso.IFB_NUMERIC\"/>\n";

    fn sub(id: u16, length: u16, class: &str) -> String {
        format!(
            "<isofield id=\"{id}\" length=\"{length}\" name=\"x\" class=\"org.jpos.iso.{class}\"/>"
        )
    }

    fn holder(no: u16, class: &str, packager: &str, subs: &[String]) -> String {
        format!(
            "<isofieldpackager id=\"{no}\" length=\"99\" name=\"x\" class=\"org.jpos.iso.{class}\" packager=\"org.jpos.iso.packager.{packager}>{}</isofieldpackager>",
            subs.concat()
        )
    }

    /// What the dialect says of the inside, line by line, and the remarks.
    fn within(field: &str) -> (String, String) {
        let text = format!("{HEAD}{field}\n</isopackager>");
        let made = import_dialect(Product::Jpos, None, "made", "made.xml", text.as_bytes());
        let made = made.unwrap_or_else(|faults| panic!("{faults:?} {field}"));
        let lines = made.text.lines().skip_while(|line| !line.starts_with("parts "));
        let lines = lines.filter(|line| !line.is_empty());
        let lines: Vec<_> =
            lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let said: Vec<_> = made
            .remarks
            .iter()
            .map(|remark| format!("{}: {}", remark.about, remark.message))
            .collect();
        (lines.join("\n"), said.join("\n"))
    }

    fn taken(field: &str, lines: &str, said: &str) {
        assert_eq!(within(field), (lines.to_owned(), said.to_owned()), "{field}");
    }

    /// That a field is one value, and why.
    fn one_value(field: &str, count: u8, why: &str) {
        let (lines, said) = within(field);
        assert!(lines.is_empty(), "{lines} {field}");
        let count = match count {
            0 => String::new(),
            1 => "its sub-element is not taken over, ".to_owned(),
            _ => format!("its {count} sub-elements are not taken over, "),
        };
        let wanted = format!("{count}it is one value: {why}");
        assert_eq!(said.split_once(": ").unwrap().1, wanted, "{field}");
    }

    #[test]
    fn places_are_taken_over() {
        let plain = "GenericSubFieldPackager\" emitBitmap=\"false\"";
        let text = "IFA_LLCHAR";
        let bytes = "IFB_LLHBINARY";
        let inner = holder(3, text, plain, &[sub(1, 2, "IFA_NUMERIC"), sub(2, 3, "IF_CHAR")]);
        let token = sub(1, 9, "IF_TCHAR").replace("class=", "token=\"\\\" class=");
        for (field, lines, said) in [
            (
                holder(48, text, plain, &[sub(2, 3, "IFA_LLCHAR"), sub(1, 2, "IFA_NUMERIC")]),
                "parts 48 positional\n48.1 n 2 - ascii - x\n48.2 ans..3 ascii 2 ascii - x",
                "",
            ),
            (
                holder(
                    48,
                    text,
                    &format!("{plain} firstField=\"0\""),
                    &[
                        sub(0, 2, "IFA_NUMERIC"),
                        sub(1, 8, "IF_CHAR").replace("class=", "trim=\"true\" class="),
                    ],
                ),
                "parts 48 positional\n48.1 n 2 - ascii - x\n48.2 ans..8 - ascii - x",
                "element 48: its sub-elements 0 to 1 are the parts 1 to 2 here",
            ),
            // Without firstField, jPOS never looks at field 0.
            (
                holder(48, text, plain, &[sub(0, 2, "IFA_NUMERIC"), sub(1, 4, "IF_CHAR")]),
                "parts 48 positional\n48.1 ans 4 - ascii - x",
                "element 48: its sub-element 0 is left out: jPOS begins with 1 here",
            ),
            (
                holder(
                    48,
                    bytes,
                    plain,
                    &[sub(1, 3, "IFB_NUMERIC"), sub(2, 9, "IFB_LLCHAR"), sub(3, 4, "IFE_CHAR")],
                ),
                "parts 48 positional\n48.1 n 3 - bcd r0 - x\n48.2 ans..9 bcd 1 ascii - x\n48.3 ans 4 - cp1047 - x",
                "",
            ),
            (
                holder(48, text, plain, &[token, sub(2, 3, "IF_CHAR")]),
                "parts 48 positional\n48.1 ans..9 until \\ ascii - x\n48.2 ans 3 - ascii - x",
                "",
            ),
            (
                holder(48, text, plain, &[sub(1, 1, "IF_CHAR"), sub(2, 1, "IF_CHAR"), inner]),
                "parts 48 positional\n48.1 ans 1 - ascii - x\n48.2 ans 1 - ascii - x\n48.3 ans..99 ascii 2 ascii - x\nparts 48.3 positional\n48.3.1 n 2 - ascii - x\n48.3.2 ans 3 - ascii - x",
                "",
            ),
        ] {
            taken(&field, lines, said);
        }
    }

    #[test]
    fn names_make_secrets_of_parts_and_of_what_holds_them() {
        let secret = sub(92, 3, "IFMC_LLCHAR").replace("name=\"x\"", "name=\"CVC2\"");
        let other = sub(7, 3, "IFMC_LLCHAR");
        let field = holder(48, "IFA_LLCHAR", "EuroSubFieldPackager\"", &[secret.clone(), other]);
        let (lines, said) = within(&field);
        assert!(lines.ends_with("\n48.07 ans..3 - ascii - x\n48.92 ans..3 - ascii sensitive CVC2"));
        assert!(said.contains("element 48.92: its name speaks of a card verification value"));
        assert!(said.contains("element 48: a card verification value lies within it"), "{said}");
        // Of a packager that nobody here knows, names are all there is.
        let field = holder(48, "IFA_LLCHAR", "Odd\"", &[secret]);
        let text = format!("{HEAD}{field}\n</isopackager>");
        let made = import_dialect(Product::Jpos, None, "made", "made.xml", text.as_bytes());
        let made = made.unwrap().text;
        assert!(
            made.contains("\n   48  ans..99   ascii 2       ascii    sensitive  x\n"),
            "{made}"
        );
    }

    #[test]
    fn tags_are_taken_over() {
        let (text, bytes) = ("IFA_LLCHAR", "IFB_LLHBINARY");
        let named = sub(1, 9, "IFA_TTLLCHAR").replace("class=", "token=\"AB\" class=");
        for (field, lines, said) in [
            (
                holder(
                    48,
                    text,
                    "EuroSubFieldPackager\"",
                    &[
                        sub(0, 1, "IFMC_TCC"),
                        sub(42, 7, "IFMC_LLCHAR"),
                        sub(52, 8, "IFMC_LLBINARY"),
                    ],
                ),
                "parts 48 lead 1 tag ascii 2 length ascii 2\n48.lead ans 1 - ascii - x\n48.42 ans..7 - ascii - x\n48.52 b..8 - raw - x",
                "",
            ),
            (
                holder(48, text, "EuroSubFieldPackager\"", &[sub(7, 7, "IFEP_LLCHAR")]),
                "parts 48 length ascii 2 with-tag tag ascii 2\n48.07 ans..7 - ascii - x",
                "",
            ),
            (
                holder(
                    48,
                    bytes,
                    "MasterCardEBCDICSubFieldPackager\"",
                    &[sub(7, 7, "IFEPE_LLCHAR")],
                ),
                "parts 48 tag ebcdic 2 length ebcdic 2\n48.07 ans..7 - cp1047 - x",
                "",
            ),
            (
                holder(48, bytes, "EuroSubFieldPackager\"", &[sub(23, 3, "IFEMC_LLLCHAR")]),
                "parts 48 tag ebcdic 4 length ebcdic 3\n48.0023 ans..3 - cp1047 - x",
                "",
            ),
            (
                holder(48, text, "EuroSubFieldPackager\"", &[sub(105, 25, "IFIPM_LLLCHAR")]),
                "parts 48 tag ascii 4 length ascii 3\n48.0105 ans..25 - ascii - x",
                "",
            ),
            (
                holder(
                    48,
                    text,
                    "GenericTaggedFieldsPackager\" tagMapper=\"a.B\"",
                    &[named, sub(2, 9, "IFA_TTLLCHAR")],
                ),
                "parts 48 tag ascii 2 length ascii 2\n48.AB ans..9 - ascii - x",
                "element 48: its sub-element 2 has no row: its tag is known only to the packager's tag mapper; write its row by hand",
            ),
        ] {
            taken(&field, lines, said);
        }
    }

    #[test]
    fn bitmaps_and_objects_are_taken_over() {
        let bytes = "IFB_LLHBINARY";
        for (field, lines, said) in [
            (
                holder(
                    62,
                    bytes,
                    "Base1SubFieldPackager\"",
                    &[sub(0, 8, "IFB_BITMAP"), sub(1, 1, "IFE_CHAR"), sub(64, 4, "IFB_NUMERIC")],
                ),
                "parts 62 bitmap binary 8\n62.1 ans 1 - cp1047 - x\n62.64 n 4 - bcd - x",
                "",
            ),
            (
                holder(
                    127,
                    "IFA_LLLLLLBINARY",
                    "GenericPackager\"",
                    &[
                        sub(0, 0, "IF_CHAR"),
                        sub(1, 16, "IFA_BITMAP"),
                        sub(2, 32, "IFA_LLCHAR"),
                        sub(3, 9, "IFIPM_LLLCHAR").replace("IFIPM", "IF"),
                        sub(4, 3, "IF_UNUSED"),
                    ],
                ),
                "parts 127 bitmap hex 8\n127.2 ans..32 ascii 2 ascii - x",
                "element 127: its sub-element 3 is left out: jPOS has no field packager IF_LLLCHAR",
            ),
        ] {
            taken(&field, lines, said);
        }
        let tlv = holder(55, "IFA_LLLBINARY", "x\"", &[]).replace(
            "org.jpos.iso.packager.x",
            "org.jpos.tlv.packager.bertlv.BERTLVBinaryPackager",
        );
        let (lines, said) = within(&tlv);
        assert!(lines.starts_with("parts 55 ber\n") && said.is_empty(), "{lines} {said}");
        assert!(lines.contains("\n55.9F02 n 12 - bcd keep amount, authorised\n"), "{lines}");
    }

    #[test]
    fn what_parts_cannot_say_is_one_value() {
        let plain = "GenericSubFieldPackager\" emitBitmap=\"false\"";
        let text = "IFA_LLCHAR";
        let hexadecimal = holder(48, text, "x\"", &[]).replace(
            "org.jpos.iso.packager.x",
            "org.jpos.tlv.packager.bertlv.BERTLVAsciiHexPackager",
        );
        for (field, count, why) in [
            (
                holder(48, text, "x\"", &[]).replace("org.jpos.iso.packager.x", "com.foo.Packager"),
                0,
                "what the packager com.foo.Packager does is not known here",
            ),
            (holder(48, text, plain, &[]), 0, "the file describes none"),
            (hexadecimal, 0, "its objects are written in hexadecimal digits"),
            (
                holder(48, text, plain, &[sub(1, 3, "IF_CHAR"), sub(1, 3, "IF_CHAR")]),
                2,
                "sub-element 1 is described twice",
            ),
            (
                holder(48, text, plain, &[sub(1, 3, "IF_CHAR").replace("\"1\"", "\"one\"")]),
                1,
                "\"one\" is no sub-element's number",
            ),
            (
                holder(48, text, plain, &[sub(1, 3, "IFA_FLLCHAR")]),
                1,
                "sub-element 1: IFA_FLLCHAR: its value is filled up to the longest, whatever its length says, which no row can say",
            ),
            (
                holder(48, text, plain, &[sub(1, 3, "IF_TCHAR")]),
                1,
                "sub-element 1: it ends at a token that is not one character",
            ),
        ] {
            one_value(&field, count, why);
        }
    }

    #[test]
    fn bitmaps_and_tags_that_parts_cannot_say_are_one_value() {
        let (plain, text) = ("GenericSubFieldPackager\" emitBitmap=\"false\"", "IFA_LLCHAR");
        for (field, count, why) in [
            (
                holder(
                    48,
                    "IFB_LLHBINARY",
                    "GenericSubFieldPackager\"",
                    &[sub(1, 16, "IFB_BITMAP"), sub(65, 3, "IF_CHAR")],
                ),
                2,
                "its bitmap of 16 bytes announces another",
            ),
            (
                holder(
                    48,
                    "IFB_LLHBINARY",
                    "GenericPackager\"",
                    &[sub(0, 4, "IF_CHAR"), sub(1, 8, "IFB_BITMAP"), sub(2, 3, "IF_CHAR")],
                ),
                3,
                "a field precedes its bitmap",
            ),
            (
                holder(
                    48,
                    "IFB_LLHBINARY",
                    "Base1SubFieldPackager\"",
                    &[sub(0, 8, "IFE_BITMAP"), sub(2, 3, "IF_CHAR")],
                ),
                2,
                "its bitmap is written in EBCDIC",
            ),
            (
                holder(
                    48,
                    text,
                    "EuroSubFieldPackager\"",
                    &[sub(1, 3, "IFMC_LLCHAR"), sub(2, 3, "IFMC_LLLCHAR")],
                ),
                2,
                "sub-element 2: its tag or its length is written otherwise than before",
            ),
            (
                holder(
                    48,
                    text,
                    "EuroSubFieldPackager\"",
                    &[sub(1, 3, "IFMC_LLCHAR"), sub(2, 3, "IF_CHAR")],
                ),
                2,
                "sub-element 2: it has no tag, and others have",
            ),
            (
                holder(48, text, "EuroSubFieldPackager\"", &[sub(100, 3, "IFMC_LLCHAR")]),
                1,
                "sub-element 100: \"100\" is no tag of 2 characters",
            ),
            (
                holder(48, text, "EuroSubFieldPackager\"", &[sub(1, 3, "IF_CHAR")]),
                1,
                "what the packager org.jpos.iso.packager.EuroSubFieldPackager does is not known here",
            ),
            (
                holder(2, "IFA_LLNUM", plain, &[sub(1, 3, "IFA_NUMERIC")]).replace("99", "19"),
                1,
                "a card number is sealed as a whole",
            ),
        ] {
            one_value(&field, count, why);
        }
    }

    #[test]
    fn what_lies_too_deep_is_one_value() {
        let plain = "GenericSubFieldPackager\" emitBitmap=\"false\"";
        let deep =
            |inner: &str| holder(2, "IFA_LLCHAR", plain, &[sub(1, 1, "IF_CHAR"), inner.to_owned()]);
        // What lies too deep is one value, what holds it is not.
        let field = deep(&deep(&deep(&deep("")))).replacen("\"2\"", "\"48\"", 1);
        let (lines, said) = within(&field);
        assert!(lines.contains("parts 48.2.2 positional\n48.2.2.1 ans 1"), "{lines}");
        assert!(!lines.contains("parts 48.2.2.2"), "{lines}");
        assert!(said.contains("element 48.2.2.2: its sub-elements are not taken over"), "{said}");
    }

    #[test]
    fn parts_are_bounded() {
        let subs: Vec<String> = (1..=999).map(|id| sub(id, 1, "IF_CHAR")).collect();
        let plain = "GenericSubFieldPackager\" emitBitmap=\"false\"";
        let fields: String = (112..117).map(|no| holder(no, "IFA_LLCHAR", plain, &subs)).collect();
        let (lines, said) = within(&fields);
        assert_eq!(lines.matches("parts ").count(), 4);
        assert!(said.contains("more than 4000 sub-elements"), "{said}");
    }
}
