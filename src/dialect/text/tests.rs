//! What a dialect's text may say, and what is said of what it may not.

use super::*;
use crate::dialect::{CodePage, Content, Counts, Filler, Form, Layout, Prefix};

const HEAD: &str = "dialect d\nmti bcd\nbitmap hex\necho 3\napprove 00\naccept 00\nretry 91\n3 n 6 - bcd keep code\n";

fn faults(text: &str) -> Vec<String> {
    parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn what_comes_with_the_program_is_whole() {
    for name in Dialect::shipped_names() {
        let dialect = Dialect::shipped(name).unwrap();
        assert_eq!(dialect.name(), *name);
        for secret in [2, 35, 36, 45, 52, 55] {
            assert!(!dialect.keeps().has(ElementNo::of(secret)));
        }
        // A code that approves, one that declines, and one after which an advice goes again.
        let [approved, declined, again] = match dialect.version() {
            // Records of files: whoever made them knows which elements they have, and nobody answers.
            Version::Of1993 if name.starts_with("ipm-") => continue,
            Version::Of1987 => ["00", "05", "91"],
            Version::Of1993 => ["000", "100", "911"],
            Version::Of2003 => ["0000", "1001", "9106"],
        };
        let two = ElementSet::ALL.below(ElementNo::of(129));
        assert_eq!(dialect.defined(), two.without(EXTENDED));
        assert!(dialect.row(EXTENDED).is_some(), "all rows are there, 65 for those who want it");
        assert!(dialect.echoes_transmission());
        let digits = dialect.row(ElementNo::RESPONSE_CODE).unwrap().max;
        for code in dialect.approve.iter().chain(&dialect.accept).chain(&dialect.retry) {
            assert_eq!(code.as_bytes().len(), usize::from(digits), "{name}");
        }
        for (code, is) in [
            (approved, (true, true, false)),
            (declined, (false, false, false)),
            (again, (false, false, true)),
        ] {
            let code = ResponseCode::new(code.as_bytes()).unwrap();
            let was = (dialect.approves(code), dialect.accepts(code), dialect.retries(code));
            assert_eq!(was, is, "{name} {code:?}");
        }
    }
    let ascii = Dialect::shipped("iso87-ascii").unwrap();
    let binary = Dialect::shipped("iso87-ascii-binary-bitmap").unwrap();
    let unlike = ascii.defined().minus(ascii.same_rows(&binary));
    assert_eq!(unlike, ElementSet::of(&[52, 55, 64, 96, 128]));
}

#[test]
fn a_row_in_each_notation() {
    use CodePage::{Cp037, Cp500, Cp1047};
    const ASCII: Alphabet = Alphabet::Ascii;
    let page = Form::Ebcdic;
    for (row, prefix, form, max) in [
        ("n 6 - ascii", Prefix::None, Form::Digits, 6),
        ("n6 - bcd", Prefix::None, Form::PackedDigits(Filler::LeftZero), 6),
        ("n3 - bcd r0", Prefix::None, Form::PackedDigits(Filler::RightZero), 3),
        ("z..37 bcd 1 bcd rF", Prefix::Bcd(1), Form::PackedTrack(Filler::RightF), 37),
        ("ans..999 ascii 3 ascii", Prefix::Ascii(3), Form::Text, 999),
        ("anp 12 - ascii", Prefix::None, Form::Alphanumeric, 12),
        ("b..255 binary 2 raw", Prefix::Binary(2), Form::Raw, 255),
        ("b..255 ascii 3 wire hex", Prefix::Ascii(3), Form::Hex(ASCII), 255),
        ("b..255 ascii 3 hex", Prefix::Ascii(3), Form::Hex(ASCII), 255),
        ("b 8 - hex-ebcdic", Prefix::None, Form::Hex(Alphabet::Ebcdic), 8),
        ("ans..9998 ebcdic 6 cp037", Prefix::Ebcdic(6), page(Cp037, Content::Text), 9998),
        ("n 6 - cp500", Prefix::None, page(Cp500, Content::Digits), 6),
        ("x+n 8 - cp1047", Prefix::None, page(Cp1047, Content::Signed), 9),
        ("an..60 hex 2 ascii", Prefix::Hex(2), Form::Alphanumeric, 60),
        ("ans..999 binary 4 ascii", Prefix::Binary(4), Form::Text, 999),
        ("n..99 bcd 3 bcd l0", Prefix::Bcd(3), Form::PackedDigits(Filler::LeftZero), 99),
        ("x+n 8 - bcd", Prefix::None, Form::PackedSigned(Filler::LeftZero), 9),
        ("x+n 8 - ascii", Prefix::None, Form::Signed, 9),
        ("ns..28 bcd 1 ascii", Prefix::Bcd(1), Form::NumericSpecial, 28),
        ("a 3 - ascii", Prefix::None, Form::Letters, 3),
    ] {
        let dialect = parse(&format!("{HEAD}4 {row} - a name # comment\r\n")).unwrap();
        let wire = u16::try_from(form.wire_len(max)).unwrap();
        let max = u16::try_from(max).unwrap();
        let counts = if row.contains("wire") { Counts::Wire } else { Counts::Units };
        let layout = Layout { prefix, form, counts, own: 0, max, wire };
        assert_eq!(dialect.layout(ElementNo::AMOUNT), Some(layout), "{row}");
        assert_eq!(dialect.row(ElementNo::AMOUNT).unwrap().name, "a name");
    }
}

#[test]
fn each_fault_has_its_place_and_its_cure() {
    for (line, fault) in [
        ("4 n 12 - bdc keep x", "9:10: \"bdc\" is not a coding; did you mean \"bcd\"?"),
        (
            "4 n..19 asci 2 ascii keep x",
            "9:9: \"asci\" is not a length's coding; did you mean \"ascii\"?",
        ),
        (
            "4 n..19 bcd 4 ascii keep x",
            "9:13: \"4\" is not a width of this length field in bytes; one of: 1 2 3",
        ),
        (
            "4 n..19 - ascii keep x",
            "9:9: a length that varies needs a length field; e.g. \"ascii 2\", \"bcd 1\" or \"binary 2\"",
        ),
        ("4 n 12 bcd 1 bcd keep x", "9:8: a fixed length has no length field; write - here"),
        (
            "4 n..100 ascii 2 ascii keep x",
            "9:10: a length of up to 100 does not fit a length field that ends at 99; a wider length field, or a shorter content",
        ),
        (
            "4 b..500 ascii 3 wire hex keep x",
            "9:10: a length of up to 1000 does not fit a length field that ends at 999; a wider length field, or a shorter content",
        ),
        ("4 ans 12 - bcd keep x", "9:12: content ans cannot be written so; ascii or a code page"),
        ("4 b 8 - ascii keep x", "9:9: content b cannot be written so; raw, hex or hex-ebcdic"),
        (
            "4 n 3 - bcd keep x",
            "9:12: the filler of an odd number of digits is missing; one of: l0 r0 rF lF",
        ),
        (
            "4 q 3 - bcd keep x",
            "9:3: \"q\" is no content; the standard's notation: a n an anp ans ns z b x+n, then a length or .. and the longest",
        ),
        ("4 n 0 - ascii keep x", "9:5: a length must be a number from 1 to 32000"),
        ("4 n 12 - ascii kept x", "9:16: \"kept\" is not a class; did you mean \"keep\"?"),
        ("4 n 12 - ascii keep", "9:20: the element's name is missing"),
        ("4 n 12", "9:7: a length's coding is missing; one of: - ascii bcd binary ebcdic hex"),
        ("4 ans 12 - ascii pan x", "9:3: a PAN has up to 19 digits; n..19"),
        ("193 n 12 - ascii keep x", "9:1: \"193\" is not an element number from 2 to 192"),
        (
            "129 n 12 - ascii keep x",
            "9:1: element 129 is announced by a third bitmap; `third contiguous` says that there is one",
        ),
        (
            "third contiguous\n65 b 8 - raw - x",
            "10:1: element 65 is the third bitmap, as `third contiguous` says; take the row out, or write `third element`",
        ),
        (
            "third contiguous\nsecond never",
            "10:1: a third bitmap follows a second one; \"second never\" and \"third contiguous\" exclude each other",
        ),
        (
            "3 n 6 - ascii keep x",
            "9:1: element 3 a second time; the first is on line 8; one row an element",
        ),
        ("aprove 00", "9:1: unknown word \"aprove\"; did you mean \"approve\"?"),
        ("mti bcd", "9:1: \"mti\" a second time; the first is on line 2"),
        ("contents some", "9:10: \"some\" is not a rule; one of: checked unchecked"),
        ("second maybe", "9:8: \"maybe\" is not a rule; one of: as-needed always fixed never"),
        (
            "extends iso87-bdc",
            "9:9: no dialect \"iso87-bdc\" comes with the program; did you mean \"iso87-bcd\"?",
        ),
        ("extends d", "9:9: a dialect cannot extend itself"),
        ("third refused now", "9:15: \"now\" is one word too many"),
    ] {
        assert_eq!(faults(&format!("{HEAD}{line}\n")), [fault], "{line}");
    }
}

#[test]
fn what_follows_from_a_fault_is_none_of_its_own() {
    let shipped = Dialect::shipped_names().join(" ");
    for (text, fault) in [
        (
            "dialect d\necho 3 4\nparts 48 positional\n129 n 3 - ascii keep x\nextends ./acme.dialect\n".to_owned(),
            format!("5:9: no dialect \"./acme.dialect\" comes with the program; one of: {shipped}"),
        ),
        (
            format!("{HEAD}third yes\n129 n 3 - ascii keep x\n"),
            "9:7: \"yes\" is not a rule; one of: refused element contiguous".to_owned(),
        ),
        (
            HEAD.replace("3 n 6 - bcd", "3 n 6 - bdc"),
            "8:9: \"bdc\" is not a coding; did you mean \"bcd\"?".to_owned(),
        ),
    ] {
        assert_eq!(faults(&text), [fault], "{text}");
    }
}

#[test]
fn what_headers_name_has_to_be_there() {
    let echo = HEAD.replace("echo 3", "echo 3 4");
    assert_eq!(faults(&echo), ["4:8: element 4 has no row; give it a row, or leave it out here"]);
    let codes = HEAD.replace("approve 00", "approve 00 0-");
    assert_eq!(faults(&codes), ["5:12: \"0-\" is not a response code of 1 to 4 letters or digits"]);
}

#[test]
fn all_faults_in_one_report() {
    let text =
        "dialect d\nmti ebdcic\nbitmpa hex\n2 n..19 bcd 1 bcd pan x\n3 n 6 - bcd keep code\n";
    let lines: Vec<_> =
        parse(text).unwrap_err().iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(lines, [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1), (2, 5), (3, 1), (4, 18)]);
    let fault = &parse(&format!("{HEAD}\u{e9} 4")).unwrap_err()[0];
    assert_eq!((fault.column, fault.offset, fault.len), (1, HEAD.len(), 2));
}

#[test]
fn a_dialect_may_extend_another_and_change_rows() {
    let text =
        "dialect mine\nextends iso87-bcd\nthird element\nsecond always\n3 an 6 - ascii - code\n";
    let mine = parse(text).unwrap();
    let base = Dialect::shipped("iso87-bcd").unwrap();
    let changed = ElementSet::of(&[3, 65]);
    assert_eq!(mine.defined().minus(mine.same_rows(&base)), changed);
    assert!(mine.keeps().has(ElementNo::AMOUNT) && !mine.keeps().has(ElementNo::PROCESSING_CODE));
    assert_eq!((mine.name(), mine.second(), mine.echo()), ("mine", Second::Always, base.echo()));
}

#[test]
fn lengths_count_in_many_ways() {
    let packed = Form::PackedDigits(Filler::RightF);
    for (row, form, counts, own) in [
        ("n..19 bcd 1 wire bcd rF", packed, Counts::Wire, 0),
        ("n..19 ascii 2 even bcd lF", Form::PackedDigits(Filler::LeftF), Counts::Even, 0),
        ("b..40 bcd 1 nibbles raw", Form::Raw, Counts::Nibbles, 0),
        ("ans..97 ascii 2 itself ascii", Form::Text, Counts::Units, 2),
        ("ans..97 ascii 2 wire itself ascii", Form::Text, Counts::Units, 2),
        ("b..100 binary 2 wire itself hex", Form::Hex(Alphabet::Ascii), Counts::Wire, 2),
        ("x+n 8 - zoned-ebcdic", Form::Zoned(Alphabet::Ebcdic), Counts::Units, 0),
    ] {
        let dialect = parse(&format!("{HEAD}4 {row} - a name\n")).unwrap();
        let layout = dialect.layout(ElementNo::AMOUNT).unwrap();
        assert_eq!((layout.form, layout.counts, layout.own), (form, counts, own), "{row}");
    }
    for (line, fault) in [
        (
            "4 ans..98 ascii 2 itself ascii - x",
            "9:11: a length of up to 100 does not fit a length field that ends at 99; a wider length field, or a shorter content",
        ),
        (
            "4 b..50 bcd 1 nibbles raw - x",
            "9:9: a length of up to 100 does not fit a length field that ends at 99; a wider length field, or a shorter content",
        ),
        (
            "4 ans..50 bcd 1 nibbles ascii - x",
            "9:11: \"nibbles\" counts raw bytes, and this is something else; leave \"nibbles\" out",
        ),
        (
            "4 n..9 bcd 1 even ascii - x",
            "9:8: \"even\" counts packed digits, and this is something else; leave \"even\" out",
        ),
        (
            "4 n..9 bcd 1 wire bcd r0 - x",
            "9:19: whether the filler is a digit cannot be told where bytes are counted; rF or lF",
        ),
        (
            "2 n..19 bcd 1 wire bcd l0 pan x",
            "9:20: whether the filler is a digit cannot be told where bytes are counted; rF or lF",
        ),
        (
            "4 n..9 until x ascii - x",
            "9:8: \"until\" is not a length's coding; one of: - ascii bcd binary ebcdic hex",
        ),
    ] {
        assert_eq!(faults(&format!("{HEAD}{line}\n")), [fault], "{line}");
    }
}

#[test]
fn parts_have_rows_too() {
    let text = format!(
        "{HEAD}parts 3 positional\n3.2 n 4 - ascii keep rest\n3.1 n 2 - ascii keep type\n\
         127.25.1 n 2 - ascii keep inner\n127.25 ans..99 ascii 2 ascii - outer\nparts 127.25 positional\nparts 127 bitmap hex 8\n127 ans..999 ascii 3 ascii - private\n"
    );
    let base = parse(&text).unwrap();
    let keys = |no: u8| -> Vec<String> {
        let inside = base.inside(ElementNo::of(no)).unwrap();
        inside.parts.iter().map(|part| part.key.clone()).collect()
    };
    assert_eq!((keys(3), keys(127)), (vec!["1".to_owned(), "2".to_owned()], vec!["25".to_owned()]));
    let nested = base.inside(ElementNo::of(127)).unwrap().find("25.1").unwrap();
    assert_eq!(nested.row.name, "inner");
}

#[test]
fn faults_of_parts_have_their_place_and_their_cure() {
    for (lines, fault) in [
        (
            "3.1 n 2 - ascii keep x",
            "9:1: what the parts of 3 are found by is not said; a line \"parts 3\" says how they are found, e.g. parts 3 positional",
        ),
        (
            "parts 3 positionl",
            "9:9: \"positionl\" is not a way to find parts; did you mean \"positional\"?",
        ),
        ("parts 3 positional", "9:7: element 3: it has no part"),
        ("parts 48 ber", "9:7: 48 has no row; give it a row, or leave this line out"),
        ("parts 3.1 ber", "9:7: 3.1 has no row; give it a row, or leave this line out"),
        ("parts 3 ber\nparts 3 ber", "10:7: a second such line for 3; the first is on line 9"),
        (
            "parts 3 positional\n3.1 n 2 - ascii keep x\n3.1 n 2 - ascii keep x",
            "11:1: part 3.1 a second time; the first is on line 10; one row a part",
        ),
        (
            "parts 3 positional\n3.2 n 2 - ascii keep x",
            "9:7: element 3: part 1 is missing before part 2",
        ),
        (
            "parts 3 positional\n3.1 n..2 - ascii keep x\n3.2 n 2 - ascii keep x",
            "9:7: element 3: part 1 has no length, and others may follow",
        ),
        (
            "parts 3 positional\n3.01 n 2 - ascii keep x",
            "10:1: \"01\" is not the number of a part; from 1 to 999",
        ),
        (
            "parts 3 bitmap hex 1\n3.9 n 2 - ascii keep x",
            "10:1: \"9\" is not the number of a part; from 1 to 8",
        ),
        (
            "parts 3 bitmap hex 17",
            "9:20: \"17\" is not how many bytes it stands for; a number from 1 to 16",
        ),
        (
            "parts 3 tag ascii 2 length ascii 2\n3.123 n 2 - ascii keep x",
            "10:1: \"123\" is not a tag of 2 bytes; as many characters, or two digits for each packed or binary byte",
        ),
        (
            "parts 3 tag ascii 2 length ascii 2\n3.12 n..2 ascii 2 ascii keep x",
            "10:11: the length stands beside the tag; write - here",
        ),
        (
            "parts 3 tag ascii 2 len ascii 2",
            "9:21: \"len\" is not the next word; did you mean \"length\"?",
        ),
        (
            "parts 3 ber\n3.9f02 n 2 - ascii keep x",
            "10:1: \"9f02\" is not a tag; upper-case hexadecimal digits, e.g. 9F02",
        ),
        (
            "parts 3 tokens\n3.B n 2 - ascii keep x",
            "10:1: \"B\" is not a token's name; two characters, e.g. B4",
        ),
    ] {
        let all = faults(&format!("{HEAD}{lines}\n"));
        assert_eq!(all.first().map(String::as_str), Some(fault), "{lines}");
    }
}

#[test]
fn parts_that_may_not_be_shown() {
    for (lines, fault) in [
        (
            "48 ans..99 ascii 2 ascii - x\nparts 48 tag ascii 2 length ascii 2\n48.92 n 3 - ascii sensitive x",
            "10:7: element 48: its part 92 may not be shown, and the whole of it is: its class must be `sensitive`",
        ),
        (
            "parts 3 tokens\n3..1 n 2 - ascii keep x",
            "10:1: \"3..1\" is no part of an element; the element's number, then up to three keys, e.g. 48.42 or 127.25.3",
        ),
        (
            "55 b..255 ascii 3 hex sensitive x\nparts 55 ber\n55.57 b..19 - raw keep x",
            "11:7: part 55.57 may not be stored, not even encrypted; the class `sensitive` instead of `keep`",
        ),
    ] {
        let all = faults(&format!("{HEAD}{lines}\n"));
        assert_eq!(all.first().map(String::as_str), Some(fault), "{lines}");
    }
}

#[test]
fn parts_are_inherited_changed_and_dropped() {
    let mine = parse("dialect mine\nextends iso87-bcd\n48 ans..999 bcd 2 ascii - x\nparts 48 tag ascii 2 length ascii 2\n48.42 an..7 - ascii - y\n").unwrap();
    let text = mine.inside(ElementNo::of(48)).unwrap();
    assert_eq!(text.parts.len(), 1);
    assert_eq!(
        mine.inside(ElementNo::of(3)),
        Dialect::shipped("iso87-bcd").unwrap().inside(ElementNo::of(3))
    );
    let none =
        parse("dialect mine\nextends iso87-bcd\nparts 3 none\n3 an 6 - ascii keep code\n").unwrap();
    assert_eq!(none.inside(ElementNo::of(3)), None);
}

#[test]
fn shipped_dialects_say_what_lies_within() {
    for name in Dialect::shipped_names().iter().filter(|name| name.starts_with("iso87-")) {
        let dialect = Dialect::shipped(name).unwrap();
        let inside = |no| dialect.inside(ElementNo::of(no)).unwrap();
        assert_eq!(inside(55).find("5A").unwrap().row.class, Class::Pan);
        assert_eq!(inside(90).find("2").unwrap().row.name, "original systems trace audit number");
        for (no, whole) in [(3, 6), (22, 3), (43, 40), (90, 42), (95, 42)] {
            let parts: u16 = inside(no).parts.iter().map(|part| part.row.max).sum();
            assert_eq!(parts, whole, "the parts of {no} are the whole of it");
        }
    }
}

#[test]
fn messages_must_have_some_elements_and_not_others() {
    let text = format!("{HEAD}39 an 2 - ascii keep code\nmandatory 02xx 3\nforbidden 02x0 39\n");
    let dialect = parse(&text).unwrap();
    assert_eq!(dialect.rules().len(), 2);
    for (line, fault) in [
        (
            "mandatory 2xx 3",
            "9:11: \"2xx\" is not four digits of an MTI; x stands for any digit, e.g. 02x0",
        ),
        ("mandatory 0200", "9:15: the number of an element is missing"),
        (
            "forbidden 0200 3\nforbidden 0200 4",
            "10:11: a second such line for 0200; one line with all elements",
        ),
    ] {
        assert_eq!(faults(&format!("{HEAD}{line}\n")), [fault], "{line}");
    }
}

#[test]
fn no_element_beyond_64_without_a_second_bitmap() {
    let dialect = parse(&format!("{HEAD}90 n 42 - ascii keep x\nsecond never\n")).unwrap();
    assert_eq!(dialect.defined(), ElementSet::of(&[3]));
}

#[test]
fn a_name_is_one_that_can_be_shown() {
    for (name, good) in [
        ("my-network_2.1", true),
        ("a\u{1b}[31mred", false),
        ("caf\u{e9}", false),
        ("a/b", false),
        (&"x".repeat(65), false),
    ] {
        let parsed = Dialect::parse(&format!("dialect {name}\nextends iso87-bcd\n"));
        assert_eq!(parsed.is_ok(), good, "{name:?}");
        if let Err(faults) = parsed {
            assert_eq!(faults[0].message, "this is no name of a dialect");
        }
    }
}
