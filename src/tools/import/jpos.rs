//! jPOS's `GenericPackager` files, as XML. Entities are never expanded and no other file is ever read.

use std::ops::Range;

use roxmltree::{Document, Node, ParsingOptions};

use super::fit::{Described, Says};
use super::jpos_class::{Measure, Named, named};
use super::jpos_parts;
use super::place::Text;
use super::{Collected, EXTENDED};
use crate::dialect::{BitmapCoding, Coding, Length, LengthCoding, MtiCoding, Second, Third};
use crate::iso::ElementNo;

/// How many elements, attributes and texts a file may have.
const NODES_MAX: u32 = 100_000;

/// How many attributes a tag may have.
const ATTRIBUTES_MAX: usize = 1000;

/// How many namespaces a file may declare.
const NAMESPACES_MAX: usize = 20;

/// The longest length that is taken for one: what six digits say.
pub(super) const LENGTH_MAX: u32 = 999_999;

/// What the remark on a third bitmap is about, and why it is none of ours.
const THIRD: &str = "third bitmap";
const BEYOND: &str = "a dialect's third bitmap lies right behind the second one; here there is none, so a message that sets bit 65 is refused";

/// How a DTD declares an entity.
const DECLARATION: &str = "<!ENTITY";

/// The package of jPOS's own classes.
pub(super) const OWN: &str = "org.jpos.iso.";

pub(super) fn read(to: &mut Collected<'_>) {
    let text = to.text;
    if let Some((at, message, help)) = burden(text.0) {
        to.fault(at, message, help);
        return;
    }
    let options =
        ParsingOptions { allow_dtd: true, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
    let document = match Document::parse_with_options(text.0, options) {
        Ok(document) => document,
        Err(error) => {
            let place = error.pos();
            let at = text.at(usize_of(place.row), usize_of(place.col));
            // Its own line and column, which the fault has, stand at the end.
            let message = error.to_string();
            let message = message.rsplit_once(" at ").map_or(message.as_str(), |(what, _)| what);
            to.fault(at..at, format!("not XML: {message}"), "");
            return;
        }
    };
    let root = document.root_element();
    if root.tag_name().name() != "isopackager" {
        let message = format!("<{}> where <isopackager> should be", root.tag_name().name());
        to.fault(tag(text, root), message, "give the file of a GenericPackager");
        return;
    }
    packager(to, root);
    for node in root.children().filter(Node::is_element) {
        if to.is_hopeless() {
            return;
        }
        match node.tag_name().name() {
            "isofield" | "isofieldpackager" => field(to, node),
            other => {
                let message = format!("<{other}> is no element of a packager");
                to.fault(tag(text, node), message, "known are isofield and isofieldpackager");
            }
        }
    }
    if to.remarks.iter().any(|remark| remark.about == THIRD) {
        to.take_back(EXTENDED, "bit 65 announces a third bitmap");
    }
    for (number, what) in [(0, "MTI"), (1, "bitmap")] {
        if !to.seen.contains_key(&number) {
            let message = format!(
                "no isofield has the id {number}, so nothing says how the {what} is written"
            );
            to.fault(tag(text, root), message, "");
        }
    }
}

/// What no packager's file has, and what would cost a parser more than the file's length; where, and what to do.
fn burden(text: &str) -> Option<(Range<usize>, &'static str, &'static str)> {
    // A declared entity may stand for another file, or for more text than anyone can hold. Where none is declared, none is
    // ever expanded; and no DTD can declare one in other words.
    if let Some(at) = text.find(DECLARATION) {
        let help = "write what it stands for in its place; &amp; &lt; &gt; &quot; &apos; may stay";
        return Some((at..at + DECLARATION.len(), "entities are not expanded", help));
    }
    // Each element has the namespaces of all that it lies in.
    if let Some((at, name)) = text.match_indices("xmlns").nth(NAMESPACES_MAX) {
        let help = "a packager has none";
        return Some((at..at + name.len(), "too many namespaces are declared", help));
    }
    // Each attribute is compared with all others of its tag, and no tag has a < within.
    let mut at = 0;
    for tag in text.split_inclusive('<') {
        let bytes = tag.as_bytes();
        let ends =
            bytes.iter().zip(bytes.iter().skip(1)).filter(|(a, b)| **a == b'=' && **b != b'=');
        if !tag.starts_with('!') && ATTRIBUTES_MAX < ends.count() {
            let start = at.max(1) - 1;
            let help = "an isofield has about ten";
            return Some((start..start + 1, "a tag with too many attributes", help));
        }
        at += tag.len();
    }
    None
}

/// What the packager itself says.
fn packager(to: &mut Collected<'_>, root: Node<'_, '_>) {
    let span = tag(to.text, root);
    let says = |name| root.attribute(name).map(str::trim);
    if says("emitBitmap") == Some("false") {
        to.fault(
            span.clone(),
            "emitBitmap=\"false\": a message without a bitmap",
            "a dialect's messages have one",
        );
    }
    if says("bitmapField").is_some_and(|number| number != "1") {
        to.fault(
            span.clone(),
            "the bitmap is another element than 1",
            "a dialect has it behind the MTI",
        );
    }
    if says("headerLength").is_some_and(|length| !matches!(length, "" | "0" | "-1")) {
        to.remark(
            span.start,
            "header",
            "what precedes the MTI is no part of a dialect; a TPDU is set with the link's `tpdu`",
        );
    }
    let third = says("thirdBitmapField").filter(|number| !matches!(*number, "" | "-1" | "-999"));
    if let Some(number) = third {
        let message = format!("thirdBitmapField=\"{}\": {BEYOND}", short(number));
        to.remark(span.start, THIRD, &message);
    }
}

fn field(to: &mut Collected<'_>, node: Node<'_, '_>) {
    let span = tag(to.text, node);
    let id = node.attribute("id").unwrap_or_default().trim();
    let Ok(number) = id.parse::<u16>() else {
        to.fault(
            span,
            format!("\"{}\" is not the number of an element", id.escape_debug()),
            "give it an id from 0 on",
        );
        return;
    };
    if !to.sees(number, span.clone()) {
        return;
    }
    let Some(class) = node.attribute("class").map(str::trim).filter(|class| !class.is_empty())
    else {
        to.fault(
            span,
            format!("element {number} has no class"),
            "e.g. class=\"org.jpos.iso.IFA_NUMERIC\"",
        );
        return;
    };
    let Some(own) = class.strip_prefix(OWN) else {
        let short = short(class);
        let why = format!(
            "{short} is a class of somebody's own; ask them for its layout, and write a row"
        );
        custom(to, number, span, &why);
        return;
    };
    let Some(named) = named(own, says_true(node, "pad")) else {
        let message = format!("element {number}: jPOS has no field packager {}", short(own));
        to.fault(
            span,
            message,
            "docs/dialects.md lists what is known; correct the name, or take the element out",
        );
        return;
    };
    if named == Named::Unused {
        return;
    }
    let text = node.attribute("length").unwrap_or_default().trim();
    let length = text.parse().ok().filter(|length| (1..=LENGTH_MAX).contains(length));
    // What gets no row needs no length either.
    let length = length.or_else(|| matches!(named, Named::Unsayable(_)).then_some(0));
    let Some(length) = length else {
        let (message, help) = if text.is_empty() {
            (format!("element {number} has no length"), "e.g. length=\"12\", its longest value")
        } else {
            let text = short(text);
            let message = "is not a length from 1 to";
            (format!("element {number}: \"{text}\" {message} {LENGTH_MAX}"), "")
        };
        to.fault(span, message, help);
        return;
    };
    match number {
        0 => mti(to, named, length, span),
        1 => bitmap(to, named, length, span),
        _ => element(to, node, number, (own, named, length)),
    }
}

/// A class that nobody here can know: its element is left out, and MTI and bitmap cannot be.
fn custom(to: &mut Collected<'_>, number: u16, span: Range<usize>, why: &str) {
    match number {
        0 => to.fault(span, format!("the MTI: {why}"), "e.g. class=\"org.jpos.iso.IFA_NUMERIC\""),
        1 => to.fault(span, format!("the bitmap: {why}"), "e.g. class=\"org.jpos.iso.IFB_BITMAP\""),
        _ => to.leave_out(number, span.start, why),
    }
}

fn mti(to: &mut Collected<'_>, named: Named, length: u32, span: Range<usize>) {
    let coding = match named {
        Named::Row(class) if class.length == Length::Fixed && length == 4 => match class.coding {
            Coding::Ascii => Some(MtiCoding::Ascii),
            Coding::Bcd(_) => Some(MtiCoding::Bcd),
            Coding::Ebcdic(_) => Some(MtiCoding::Ebcdic),
            Coding::Raw | Coding::Hex(_) | Coding::Zoned(_) => None,
        },
        _ => None,
    };
    to.mti = coding.or(to.mti);
    if coding.is_none() {
        let help = "IFA_NUMERIC, IFB_NUMERIC or IFE_NUMERIC with length=\"4\"";
        to.fault(span, "the MTI is not four digits as a dialect can say them", help);
    }
}

fn bitmap(to: &mut Collected<'_>, named: Named, length: u32, span: Range<usize>) {
    let coding = match named {
        Named::Bitmap(alphabet) => Some(BitmapCoding::Hex(alphabet)),
        Named::BinaryBitmap => Some(BitmapCoding::Binary),
        _ => None,
    };
    to.bitmap = coding.or(to.bitmap);
    match (coding, length) {
        (None, _) => to.fault(
            span,
            "the bitmap is none that a dialect can say",
            "IFA_BITMAP, IFB_BITMAP or IFE_BITMAP",
        ),
        (_, 8) => to.second = Second::Never,
        (_, 16) => {}
        (_, 24) => to.third = Third::Contiguous,
        _ => to.remark(span.start, THIRD, &format!("length=\"{length}\": {BEYOND}")),
    }
}

/// The class that an element has, what it stands for, and the length.
type Shape<'n> = (&'n str, Named, u32);

fn element(to: &mut Collected<'_>, node: Node<'_, '_>, number: u16, shape: Shape<'_>) {
    let at = node.range().start;
    let (own, named, length) = shape;
    let nested = node.tag_name().name() == "isofieldpackager";
    let described =
        describe(node, nested, named, length).map_err(|why| format!("{}: {why}", short(own)));
    // jPOS takes 65 like any other element.
    if number == 65 && described.is_ok() && to.third == Third::Refused {
        to.third = Third::Element;
    }
    let fixed = described.as_ref().is_ok_and(|described| described.length == Length::Fixed);
    if !to.element(number, at, described) {
        return;
    }
    let about = format!("element {number}");
    if let (true, Some(no)) =
        (nested, u8::try_from(number).ok().and_then(|no| ElementNo::new(no).ok()))
    {
        let parts = node.children().filter(Node::is_element).count();
        to.divide(no, at, (parts, jpos_parts::secret(node)), |to, path| {
            jpos_parts::inside(to, node, path)
        });
    }
    if fixed && says_true(node, "trim") {
        to.remark(at, &about, "trim=\"true\": the source writes it without padding; here it always has its whole length");
    }
}

pub(super) fn describe<'n>(
    node: Node<'n, '_>,
    nested: bool,
    named: Named,
    length: u32,
) -> Result<Described<'n>, String> {
    let class = match named {
        Named::Row(class) => class,
        Named::Bitmap(_) | Named::BinaryBitmap => {
            return Err("dialects have a bitmap as element 1 only".to_owned());
        }
        Named::Unused => return Err("no message may have it".to_owned()),
        Named::Unsayable(why) => return Err(format!("{why}, which no row can say")),
    };
    let mut length_field = class.length;
    if says_true(node, "inclusive") {
        match &mut length_field {
            Length::Prefixed { digits: LengthCoding::Binary, itself, .. }
                if class.says == Says::Bytes =>
            {
                *itself = true;
            }
            _ => return Err("inclusive=\"true\" says nothing in this class".to_owned()),
        }
    }
    if let Some(encoding) = node.attribute("encoding") {
        return Err(format!("it has an encoding of its own, {}", short(encoding)));
    }
    let max = match class.measure {
        Measure::Units => length,
        Measure::Signless => length + 1,
        Measure::Nibbles if length % 2 == 1 => {
            return Err("an odd number of hexadecimal digits, which no row can say".to_owned());
        }
        Measure::Nibbles => length / 2,
    };
    // What is packed is a number also where it has parts.
    let packed = matches!(class.coding, Coding::Bcd(_));
    let parts = nested && !packed && class.says != Says::Bytes;
    let says = if parts { Says::Parts } else { class.says };
    let name = node.attribute("name").unwrap_or_default();
    Ok(Described { name, says, length: length_field, coding: class.coding, max })
}

pub(super) fn says_true(node: Node<'_, '_>, attribute: &str) -> bool {
    node.attribute(attribute).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Where the start tag of a node lies, at most to the end of its line.
fn tag(text: Text<'_>, node: Node<'_, '_>) -> Range<usize> {
    let range = node.range();
    let whole = text.0.get(range.clone()).unwrap_or_default();
    let tag = whole.split_inclusive('>').next().unwrap_or_default();
    range.start..range.start + tag.lines().next().unwrap_or_default().len()
}

/// A word of the file, bounded and without what would disturb a line.
pub(super) fn short(word: &str) -> String {
    let short: String = word.chars().take(60).collect();
    short.escape_debug().to_string()
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{Imported, Product, import_dialect};
    use super::THIRD;

    fn file(rows: &str) -> String {
        format!(
            "<isopackager>\n<isofield id=\"0\" length=\"4\" class=\"org.jpos.iso.IFB_NUMERIC\"/>\n<isofield id=\"1\" length=\"16\" class=\"org.jpos.iso.IFB_BITMAP\"/>\n<isofield id=\"4\" length=\"12\" class=\"org.jpos.iso.IFB_NUMERIC\"/>\n{rows}\n</isopackager>\n"
        )
    }

    fn import(text: &str) -> Result<Imported, Vec<String>> {
        let made = import_dialect(Product::Jpos, None, "made", "made.xml", text.as_bytes());
        made.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    /// What is said of element 48 when it is this, and its row.
    fn about(row: &str) -> (String, String) {
        let made = import(&file(row)).unwrap();
        let said: Vec<_> = made
            .remarks
            .iter()
            .map(|remark| {
                assert_eq!((remark.line, remark.about.as_str()), (5, "element 48"));
                format!("{}{}", if remark.left_out { "left out: " } else { "" }, remark.message)
            })
            .collect();
        let row = made.text.lines().find(|line| line.starts_with("   48 ")).unwrap_or_default();
        let row: Vec<_> = row.split_whitespace().skip(1).collect();
        (said.join("; "), row.join(" "))
    }

    #[test]
    fn what_cannot_be_taken_over_is_told_and_does_without_a_row() {
        let field = |class: &str, rest: &str| {
            format!(
                "<isofield id=\"48\" length=\"99\" name=\"#48\tmine\" class=\"{class}\"{rest}/>"
            )
        };
        for (row, said, kept) in [
            (field("org.jpos.iso.IFA_LLCHAR", ""), "", "ans..99 ascii 2 ascii - 48 mine"),
            (field("org.jpos.iso.IF_UNUSED", ""), "", ""),
            (
                field("com.foo.Packager", ""),
                "left out: com.foo.Packager is a class of somebody's own; ask them for its layout, and write a row",
                "",
            ),
            (
                field("org.jpos.iso.IF_TCHAR", " token=\"*\""),
                "left out: IF_TCHAR: it ends at a token and has no length, which no row can say",
                "",
            ),
            (
                field("org.jpos.iso.IFB_LLHBINARY", " inclusive=\"true\""),
                "",
                "b..99 binary 1 itself raw - 48 mine",
            ),
            (
                field("org.jpos.iso.IFA_LLCHAR", " inclusive=\"true\""),
                "left out: IFA_LLCHAR: inclusive=\"true\" says nothing in this class",
                "",
            ),
            (
                field("org.jpos.iso.IFE_SIGNED_NUMERIC", "").replace("99", "9"),
                "",
                "x+n 9 - zoned-ebcdic - 48 mine",
            ),
            (
                field("org.jpos.iso.IFA_LLCHAR", " encoding=\"org.jpos.iso.Foo\""),
                "left out: IFA_LLCHAR: it has an encoding of its own, org.jpos.iso.Foo",
                "",
            ),
            (
                field("org.jpos.iso.IFB_HEX", ""),
                "left out: IFB_HEX: an odd number of hexadecimal digits, which no row can say",
                "",
            ),
            (
                field("org.jpos.iso.IFB_LLCHAR", "").replace("99", "255"),
                "its length field ends at 99, so that 255 became 99",
                "ans..99 bcd 1 ascii - 48 mine",
            ),
        ] {
            assert_eq!(about(&row), (said.to_owned(), kept.to_owned()), "{row}");
        }
        for (number, said) in [
            (193, "#   elements 193 to 193: 1 of them; dialects end at element 192\n"),
            (129, "element 129: no third bitmap announces it\n"),
        ] {
            let row = format!(
                "<isofield id=\"{number}\" length=\"8\" class=\"org.jpos.iso.IFB_BINARY\"/>"
            );
            let made = import(&file(&row)).unwrap();
            assert!(made.text.contains(said), "{}", made.text);
        }
    }

    #[test]
    fn what_a_row_does_not_say_is_told() {
        for (row, said, kept) in [
            (
                "<isofieldpackager id=\"48\" length=\"999\" name=\"parts\" class=\"org.jpos.iso.IFA_LLLBINARY\" packager=\"org.jpos.iso.packager.GenericSubFieldPackager\"><isofield id=\"0\" length=\"1\" class=\"x\"/><isofield id=\"1\" length=\"1\" class=\"x\"/></isofieldpackager>",
                "its 2 sub-elements are not taken over, it is one value: its field 1 is no bitmap",
                "b..999 ascii 3 raw - parts",
            ),
            (
                "<isofieldpackager id=\"48\" length=\"999\" name=\"parts\" class=\"org.jpos.iso.IFA_LLLBINARY\" packager=\"org.jpos.iso.packager.GenericSubFieldPackager\"><isofield id=\"0\" length=\"8\" class=\"org.jpos.iso.IFB_BITMAP\"/></isofieldpackager>",
                "its sub-element is not taken over, it is one value: its field 1 is no bitmap, but field 0 is one: is bitmapField=\"0\" missing?",
                "b..999 ascii 3 raw - parts",
            ),
            (
                "<isofieldpackager id=\"48\" length=\"7\" name=\"packed\" class=\"org.jpos.iso.IFB_NUMERIC\"/>",
                "it is one value: its packager is not named",
                "n 7 - bcd r0 - packed",
            ),
            (
                "<isofield id=\"48\" length=\"99\" name=\"short\" class=\"org.jpos.iso.IF_CHAR\" trim=\"true\"/>",
                "trim=\"true\": the source writes it without padding; here it always has its whole length",
                "ans 99 - ascii - short",
            ),
        ] {
            assert_eq!(about(row), (said.to_owned(), kept.to_owned()), "{row}");
        }
    }

    #[test]
    fn element_65_is_one_like_others_unless_it_announces_more() {
        let row = "<isofield id=\"65\" length=\"8\" name=\"x\" class=\"org.jpos.iso.IFB_BINARY\"/>";
        let made = import(&file(row)).unwrap();
        assert!(made.text.contains("\nthird    element\n") && made.text.contains("\n   65  b 8 "));
        let beyond = row.replace("65", "129");
        let long = file(&format!("{row}{beyond}")).replace("length=\"16\"", "length=\"24\"");
        let named = file(row).replace("<isopackager>", "<isopackager thirdBitmapField=\"65\">");
        for (text, third, said) in
            [(long, "contiguous", &["element 65"][..]), (named, "refused", &[THIRD, "element 65"])]
        {
            let made = import(&text).unwrap();
            assert!(made.text.contains(&format!("\nthird    {third}\n")), "{}", made.text);
            assert_eq!(made.text.contains("\n  129  b 8 "), third == "contiguous");
            assert!(!made.text.contains("\n   65 "));
            let about: Vec<_> = made.remarks.iter().map(|remark| remark.about.as_str()).collect();
            assert_eq!((&about[..], made.left_out), (said, 1));
            if said.len() == 2 {
                let message = "thirdBitmapField=\"65\": a dialect's third bitmap lies right behind the second one; here there is none, so a message that sets bit 65 is refused";
                assert_eq!(made.remarks[0].message, message);
            }
        }
    }

    #[test]
    fn one_bitmap_alone_is_one_alone() {
        let row = "<isofield id=\"70\" length=\"3\" class=\"org.jpos.iso.IFB_NUMERIC\"/>";
        let made = import(&file(row).replace("length=\"16\"", "length=\"8\"")).unwrap();
        assert!(made.text.contains("\nsecond   never\n") && made.text.contains("\necho     4\n"));
        let said: Vec<_> = made.remarks.iter().map(|remark| remark.message.as_str()).collect();
        assert_eq!((said, made.left_out), (vec!["it is beyond the one bitmap that there is"], 1));
    }

    #[test]
    fn faults_have_their_place() {
        let field = |id: &str, length: &str, class: &str| {
            file(&format!("<isofield id=\"{id}\" length=\"{length}\" class=\"{class}\"/>"))
        };
        for (text, fault) in [
            (String::new(), "1:1: not XML: the document does not have a root node"),
            ("{}".to_owned(), "1:1: not XML: unknown token"),
            (
                "<a/>".to_owned(),
                "1:1: <a> where <isopackager> should be; give the file of a GenericPackager",
            ),
            (
                file("<isofeild/>"),
                "5:1: <isofeild> is no element of a packager; known are isofield and isofieldpackager",
            ),
            (
                field("4", "12", "org.jpos.iso.IFB_NUMERIC"),
                "5:1: 4 a second time; the first is on line 4; describe it once",
            ),
            (
                field("x", "12", "org.jpos.iso.IFB_NUMERIC"),
                "5:1: \"x\" is not the number of an element; give it an id from 0 on",
            ),
            (
                field("5", "0", "org.jpos.iso.IFB_NUMERIC"),
                "5:1: element 5: \"0\" is not a length from 1 to 999999",
            ),
            (
                field("5", "", "org.jpos.iso.IFB_NUMERIC"),
                "5:1: element 5 has no length; e.g. length=\"12\", its longest value",
            ),
            (
                field("5", "-1", "org.jpos.iso.IFB_NUMERIC"),
                "5:1: element 5: \"-1\" is not a length from 1 to 999999",
            ),
            (
                field("5", "6", "org.jpos.iso.IFB_NUMRIC"),
                "5:1: element 5: jPOS has no field packager IFB_NUMRIC; docs/dialects.md lists what is known; correct the name, or take the element out",
            ),
            (
                field("5", "6", ""),
                "5:1: element 5 has no class; e.g. class=\"org.jpos.iso.IFA_NUMERIC\"",
            ),
            (
                file("").replace("IFB_BITMAP", "X92_BITMAP"),
                "3:1: the bitmap is none that a dialect can say; IFA_BITMAP, IFB_BITMAP or IFE_BITMAP",
            ),
            (
                file("").replace("<isopackager>", "<isopackager emitBitmap=\"false\">"),
                "1:1: emitBitmap=\"false\": a message without a bitmap; a dialect's messages have one",
            ),
            (
                file("").replace("id=\"4\"", "id=\"5\""),
                "1:1: none of the elements that a response repeats can be taken over; describe at least one of 2 3 4 7 11 12 13 24 32 33 37 41 42 49 70 90",
            ),
        ] {
            assert_eq!(import(&text).unwrap_err(), [fault], "{text}");
        }
        let two = import("<isopackager></isopackager>").unwrap_err();
        assert_eq!(two.len(), 2, "{two:?}");
    }

    #[test]
    fn what_would_cost_too_much_is_refused_at_its_place() {
        let many = |what: &str, count: usize| {
            (0..count).map(|no| what.replace('#', &no.to_string())).collect::<String>()
        };
        let with = |rest: &str| file("").replace("<isopackager>", &format!("<isopackager{rest}>"));
        assert!(import(&with(&many(" a#=''", 1000))).is_ok());
        assert!(import(&with(&many(" xmlns:a#='u'", 20))).is_ok());
        assert!(import(&file(&format!("<!-- {} -->", "= ".repeat(2000)))).is_ok());
        for (text, fault) in [
            (
                with(&many(" a#=''", 1001)),
                "1:1: a tag with too many attributes; an isofield has about ten",
            ),
            (
                with(&many("\nxmlns:a#='u'", 21)),
                "22:1: too many namespaces are declared; a packager has none",
            ),
        ] {
            assert_eq!(import(&text).unwrap_err(), [fault]);
        }
    }

    #[test]
    fn no_entity_is_expanded_and_no_file_is_read() {
        let head = |inner: &str| {
            format!("<!DOCTYPE isopackager SYSTEM \"file:///etc/passwd\" [{inner}]>\n")
        };
        let named = |name: &str| {
            file(&format!(
                "<isofield id=\"5\" name=\"{name}\" length=\"12\" class=\"org.jpos.iso.IFB_NUMERIC\"/>"
            ))
        };
        // A DTD is nobody's business; XML's own entities are.
        let made =
            import(&(head("<!ELEMENT isopackager ANY>") + &named("a &amp; b &#65;"))).unwrap();
        assert!(made.text.contains(" a & b A\n"), "{}", made.text);
        for (inner, name, place) in [
            ("<!ENTITY secret SYSTEM \"file:///etc/passwd\">", "&secret;", "1:52"),
            ("<!ENTITY a \"aaaaaaaaaa\">", "x", "1:52"),
            ("\n<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;\">", "&b;", "2:1"),
            ("<!ENTITY % a \"<!ATTLIST isofield name CDATA 'x'>\"> %a;", "x", "1:52"),
        ] {
            let faults = import(&(head(inner) + &named(name))).unwrap_err();
            let wanted = format!("{place}: entities are not expanded; write what");
            assert!(faults.len() == 1 && faults[0].starts_with(&wanted), "{faults:?}");
        }
        let faults =
            import(&(head("<!ELEMENT isopackager ANY>") + &named("&secret;"))).unwrap_err();
        let unknown = "not XML: unknown entity reference 'secret'";
        assert!(faults.len() == 1 && faults[0].starts_with("6:"), "{faults:?}");
        assert!(faults[0].ends_with(unknown), "{faults:?}");
        // What is no reference is none.
        let made = import(&file("<!-- AT&T's; &secret; -->")).unwrap();
        assert_eq!(made.remarks, []);
    }
}
