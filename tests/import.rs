//! Packager files of other products, written here for what the shipped dialects say: imported, they say it again, row by row;
//! and messages that pyiso8583 made are read by what its specifications became.
#![cfg(test)]

use std::fmt::Write as _;
use std::sync::Arc;

use iso8583d::dialect::{
    Alphabet, BitmapCoding, CodePage, Coding, Content, Counts, Dialect, Filler, Length,
    LengthCoding, MtiCoding, Row,
};
use iso8583d::framing::Head;
use iso8583d::iso::{ElementNo, ElementSet};
use iso8583d::tools::{Imported, Product, Show, decode_line, decode_piece, import_dialect};
use serde_json::{Map, Value, json};

const NAMES: [&str; 3] = ["iso87-ascii", "iso87-bcd", "iso87-ebcdic"];

fn shipped(name: &str) -> Dialect {
    Dialect::shipped(name).unwrap()
}

fn import(product: Product, text: &str) -> (Imported, Dialect) {
    let imported = import_dialect(product, None, "imported", "a file", text.as_bytes());
    let imported = imported.unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"));
    let dialect = Dialect::parse(&imported.text).unwrap();
    assert_eq!(imported.elements, dialect.rows().len());
    (imported, dialect)
}

/// The elements that both have and do not write alike, or that one of them does not have.
fn unlike(here: &Dialect, there: &Dialect) -> ElementSet {
    let numbers = |dialect: &Dialect| dialect.rows().iter().map(|(no, _)| *no).collect();
    let (ours, theirs): (ElementSet, ElementSet) = (numbers(here), numbers(there));
    let alike = |no: &ElementNo| {
        let axes = |dialect: &Dialect| {
            dialect.row(*no).map(|row| (row.layout(), row.length, row.coding, row.class))
        };
        axes(here) == axes(there) && here.row(*no).is_some()
    };
    let all = ours.or(theirs);
    all.iter().filter(|no| !alike(no)).collect()
}

/// The shipped dialect and the imported one say the same; and `same_rows` agrees.
fn same(shipped: &Dialect, imported: &Dialect, but: &[u8]) {
    let but = ElementSet::of(but);
    assert_eq!(unlike(shipped, imported), but, "{}", shipped.name());
    let alike = shipped.same_rows(imported);
    assert_eq!(shipped.defined().minus(alike).minus(but), ElementSet::EMPTY);
    assert_eq!(
        (imported.mti(), imported.bitmap(), imported.echo()),
        (shipped.mti(), shipped.bitmap(), shipped.echo())
    );
    assert_eq!(imported.approve_codes(), shipped.approve_codes());
}

// --- pyiso8583 ---

fn codec(page: CodePage) -> &'static str {
    match page {
        CodePage::Cp037 => "cp037",
        CodePage::Cp500 => "cp500",
        CodePage::Cp1047 => "cp1047",
    }
}

/// What pyiso8583 says of a row.
fn pyiso8583_key(row: &Row) -> Value {
    let (len_enc, len_type) = match row.length {
        Length::Prefixed { digits: LengthCoding::Ascii, width, .. } => ("ascii", width),
        Length::Prefixed { digits: LengthCoding::Ebcdic, width, .. } => ("cp500", width),
        Length::Prefixed { digits: LengthCoding::Bcd, width, .. } => ("bcd", width),
        Length::Prefixed { digits: _, width, .. } => ("b", width),
        _ => ("ascii", 0),
    };
    let (data_enc, max_len, pads) = match row.coding {
        Coding::Ascii => ("ascii", row.max, None),
        Coding::Ebcdic(page) => (codec(page), row.max, None),
        Coding::Raw => ("b", row.max, None),
        Coding::Hex(_) => ("ascii", 2 * row.max, None),
        Coding::Bcd(_) if row.content == Content::Signed => ("b", row.max.div_ceil(2), None),
        Coding::Bcd(Filler::LeftZero) => ("b", row.max, Some(("left_pad", "0"))),
        Coding::Bcd(Filler::RightZero) => ("b", row.max, Some(("right_pad", "0"))),
        Coding::Bcd(Filler::RightF) => ("b", row.max, Some(("right_pad", "F"))),
        Coding::Bcd(Filler::LeftF) => ("b", row.max, Some(("left_pad", "F"))),
        Coding::Zoned(_) => panic!("pyiso8583 has no zoned digits"),
    };
    let mut key = json!({
        "data_enc": data_enc, "len_enc": len_enc, "len_type": len_type, "max_len": max_len, "desc": row.name,
    });
    if let (Some((side, pad)), Some(key)) = (pads, key.as_object_mut()) {
        key.insert(side.to_owned(), pad.into());
        key.insert("len_count".to_owned(), "nibbles".into());
    }
    key
}

/// A specification of pyiso8583 for a dialect.
fn pyiso8583(dialect: &Dialect) -> String {
    let key = |data_enc: &str, max_len: u16| json!({"data_enc": data_enc, "len_enc": "ascii", "len_type": 0, "max_len": max_len, "desc": ""});
    let mut keys = Map::new();
    keys.insert("h".to_owned(), key("ascii", 0));
    let (mti, len) = match dialect.mti() {
        MtiCoding::Ascii => ("ascii", 4),
        MtiCoding::Bcd => ("b", 2),
        MtiCoding::Ebcdic => ("cp500", 4),
    };
    keys.insert("t".to_owned(), key(mti, len));
    let (bitmap, len) = match dialect.bitmap() {
        BitmapCoding::Binary => ("b", 8),
        BitmapCoding::Hex(Alphabet::Ascii) => ("ascii", 16),
        BitmapCoding::Hex(Alphabet::Ebcdic) => ("cp500", 16),
    };
    keys.insert("p".to_owned(), key(bitmap, len));
    keys.insert("1".to_owned(), key(bitmap, len));
    for (no, row) in dialect.rows() {
        keys.insert(no.to_string(), pyiso8583_key(row));
    }
    Value::Object(keys).to_string()
}

#[test]
fn what_pyiso8583_says_of_the_shipped_dialects_is_them() {
    for name in NAMES {
        let dialect = shipped(name);
        let (made, imported) = import(Product::Pyiso8583, &pyiso8583(&dialect));
        // Bit 65 announces a third bitmap there.
        same(&dialect, &imported, &[65]);
        let left_out: Vec<_> = made
            .remarks
            .iter()
            .filter(|remark| remark.left_out)
            .map(|remark| &remark.about)
            .collect();
        assert_eq!(left_out, ["element 65"]);
        assert_eq!(imported.row(ElementNo::AMOUNT).unwrap().name, "amount, transaction");
    }
}

/// Whatever pyiso8583 wrote by its specifications is read by what they became; those with a third bitmap are refused as ever.
#[test]
fn messages_of_pyiso8583_are_read_by_what_its_specifications_became() {
    let shipped = |name| Box::new(shipped(name));
    let own = |text| Box::new(Dialect::parse(text).unwrap());
    for (file, dialect, head) in [
        ("py_ascii_hexbm", shipped("iso87-ascii"), 0),
        ("py_ascii_binbm", shipped("iso87-ascii-binary-bitmap"), 0),
        ("py_cp500_binbm", shipped("iso87-ebcdic"), 0),
        ("py_bcd_right0", own(include_str!("dialects/pyiso8583-bcd-right0.dialect")), 0),
        ("py_tpdu_bcd", shipped("iso87-bcd-left"), 10),
    ] {
        let (_, imported) = import(Product::Pyiso8583, &pyiso8583(&dialect));
        let read = read_vectors(imported, file, head);
        assert!(20 <= read, "{read} of {file}");
    }
}

/// Reads a set of pyiso8583's messages by a dialect, each value as it is written down; how many there were. Those with a third
/// bitmap must be refused.
fn read_vectors(dialect: Dialect, file: &str, head: usize) -> usize {
    let dialect = Arc::new(dialect);
    let path = format!("{}/tests/vectors/ok_{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut read = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let fields = row["fields"].as_object().unwrap();
        let wire = row["hex"].as_str().unwrap().split_at(head).1;
        let shown = decode_line(&dialect, None, wire, true);
        let beyond = fields.keys().any(|no| no.parse::<u16>().unwrap() > 128);
        assert_eq!(shown.ok, !beyond, "{file}: {}", shown.text);
        if beyond {
            continue;
        }
        let shown: Value = serde_json::from_str(&shown.text).unwrap();
        assert_eq!(shown["mti"], row["mti"]);
        let shown = shown["fields"].as_object().unwrap();
        for (no, value) in shown {
            // The separator of a packed track is a D there.
            let plain = |value: &Value| value.as_str().unwrap().replace('D', "=");
            assert_eq!(plain(value), plain(&fields[no]), "{file}: {no}");
        }
        assert_eq!(shown.len(), fields.len());
        read += 1;
    }
    read
}

/// Packager files as other products have them, and what they did not say of pyiso8583's messages.
#[test]
fn packager_files_read_the_messages_that_they_describe() {
    for (product, text, file, looked_at) in [
        (
            Product::Pyiso8583,
            include_str!("packagers/ascii.pyiso8583.json"),
            "py_ascii_hexbm",
            &["52", "55", "64", "96", "128"][..],
        ),
        (
            Product::Moov,
            include_str!("packagers/ascii-binary-bitmap.moov.json"),
            "py_ascii_binbm",
            &[],
        ),
        (Product::Moov, include_str!("packagers/ebcdic.moov-old.json"), "py_cp500_binbm", &[]),
        (Product::Jpos, include_str!("packagers/packed.jpos.xml"), "py_bcd_right0", &[]),
    ] {
        let (made, imported) = import(product, text);
        assert_eq!((made.elements, made.left_out), (126, 0), "{file}");
        let said: Vec<_> = made
            .remarks
            .iter()
            .filter_map(|remark| remark.about.strip_prefix("element "))
            .collect();
        assert_eq!(said, looked_at, "{file}: {:#?}", made.remarks);
        assert_eq!(read_vectors(imported, file, 0), 60);
    }
}

// --- moov ---

/// What moov's iso8583 says of a row; nothing of a sign before packed digits.
fn moov_field(row: &Row) -> Option<Value> {
    let kind = match row.content {
        Content::Digits => "Numeric",
        Content::Track => "Track2",
        Content::Bytes
            if row.coding == Coding::Hex(Alphabet::Ascii) && row.length != Length::Fixed =>
        {
            "String"
        }
        Content::Bytes => "Binary",
        _ => "String",
    };
    let (enc, length) = match row.coding {
        Coding::Ascii => ("ASCII", row.max),
        Coding::Ebcdic(CodePage::Cp1047) => ("EBCDIC1047", row.max),
        Coding::Ebcdic(_) => ("EBCDIC", row.max),
        Coding::Raw => ("Binary", row.max),
        Coding::Hex(_) if kind == "String" => ("ASCII", 2 * row.max),
        Coding::Hex(_) => ("HexToASCII", row.max),
        Coding::Zoned(_) => return None,
        Coding::Bcd(_) if row.content == Content::Signed => return None,
        Coding::Bcd(Filler::LeftZero) => ("BCD", row.max),
        Coding::Bcd(_) => ("LBCD", row.max),
    };
    let prefix = match row.length {
        Length::Prefixed { digits, width, .. } => {
            let (family, run) = match digits {
                LengthCoding::Ascii => ("ASCII", width),
                LengthCoding::Ebcdic => ("EBCDIC", width),
                LengthCoding::Bcd => ("BCD", 2 * width),
                LengthCoding::Binary => ("Binary", width),
                LengthCoding::Hex => ("Hex", width / 2),
            };
            format!("{family}.{}", "L".repeat(usize::from(run)))
        }
        _ => "ASCII.Fixed".to_owned(),
    };
    Some(
        json!({"type": kind, "length": length, "description": row.name, "enc": enc, "prefix": prefix}),
    )
}

/// A specification for moov's iso8583; `old` spells it as older exports do.
fn moov(dialect: &Dialect, old: bool) -> String {
    let mti = match dialect.mti() {
        MtiCoding::Ascii => "ASCII",
        MtiCoding::Bcd => "BCD",
        MtiCoding::Ebcdic => "EBCDIC",
    };
    let bitmap = if dialect.bitmap() == BitmapCoding::Binary { "Binary" } else { "HexToASCII" };
    let mut fields = vec![
        (0, json!({"type": "String", "length": 4, "enc": mti, "prefix": "ASCII.Fixed"})),
        (1, json!({"type": "Bitmap", "length": 8, "enc": bitmap, "prefix": "Hex.Fixed"})),
    ];
    for (no, row) in dialect.rows().iter().filter(|(no, _)| no.get() != 65) {
        fields.extend(moov_field(row).map(|field| (no.get(), field)));
    }
    let mut members = Map::new();
    for (no, mut field) in fields {
        let mut key = no.to_string();
        if old {
            let enc = field["enc"].as_str().unwrap();
            let spelt = match enc {
                "LBCD" => "lBCD".to_owned(),
                "HexToASCII" => "hexToASCII".to_owned(),
                other => other.to_lowercase(),
            };
            field["enc"] = format!("{spelt}Encoder").into();
            field["prefix"] = field["prefix"].as_str().unwrap().replace("Fixed", "fixed").into();
            field["padding"] = json!({"type": "leftPadder", "pad": 48});
            key = format!("Field{no:03}");
        }
        members.insert(key, field);
    }
    json!({"name": dialect.name(), "fields": members}).to_string()
}

#[test]
fn what_moov_says_of_the_shipped_dialects_is_them() {
    for (name, but) in [
        ("iso87-ascii", &[65][..]),
        ("iso87-bcd", &[28, 29, 30, 31, 65, 97]),
        ("iso87-ebcdic", &[65]),
    ] {
        let dialect = shipped(name);
        let (_, imported) = import(Product::Moov, &moov(&dialect, false));
        same(&dialect, &imported, but);
        let (_, old) = import(Product::Moov, &moov(&dialect, true));
        assert_eq!(old.rows(), imported.rows());
    }
}

// --- jPOS ---

/// What jPOS says of a row: class, `pad`, length.
fn jpos_class(row: &Row) -> (String, &'static str, u16) {
    let (family, run, behind) = match row.length {
        Length::Prefixed { digits: LengthCoding::Ascii, width, .. } => ("IFA_", width, ""),
        Length::Prefixed { digits: LengthCoding::Ebcdic, width, .. } => ("IFE_", width, ""),
        Length::Prefixed { digits: LengthCoding::Bcd, width, .. } => ("IFB_", width + 1, ""),
        Length::Prefixed { digits: _, width, .. } => ("IFB_", width + 1, "H"),
        _ => ("", 0, ""),
    };
    let data = match (row.content, row.coding) {
        (Content::Bytes, Coding::Hex(_)) if family.is_empty() => "IFA_BINARY",
        (Content::Bytes, Coding::Raw) if family.is_empty() => "IFB_BINARY",
        (Content::Digits | Content::Track, Coding::Bcd(_)) if family.is_empty() => "IFB_NUMERIC",
        (Content::Digits, Coding::Ascii) if family.is_empty() => "IFA_NUMERIC",
        (Content::Digits, _) if family.is_empty() => "IFE_NUMERIC",
        (Content::Signed, Coding::Bcd(_)) => "IFB_AMOUNT",
        (Content::Signed, Coding::Ascii) => "IFA_AMOUNT",
        (Content::Signed, _) => "IFE_AMOUNT",
        (_, Coding::Ascii) if family.is_empty() => "IF_CHAR",
        (_, _) if family.is_empty() => "IFE_CHAR",
        (Content::Bytes, Coding::Raw) => "BINARY",
        (Content::Digits, _) | (_, Coding::Bcd(_)) => "NUM",
        _ => "CHAR",
    };
    let max = match (row.coding, row.length) {
        // As characters: there is no class whose length counts hexadecimal digits.
        (Coding::Hex(_), Length::Prefixed { counts: Counts::Wire, .. }) => 2 * row.max,
        _ => row.max,
    };
    let pad = match row.coding {
        Coding::Bcd(Filler::LeftZero) => " pad=\"true\"",
        Coding::Bcd(_) => " pad=\"false\"",
        _ => "",
    };
    (format!("{family}{}{behind}{data}", "L".repeat(usize::from(run))), pad, max)
}

fn jpos(dialect: &Dialect) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE isopackager PUBLIC \"-//jPOS/jPOS Generic Packager DTD 1.0//EN\" \"http://127.0.0.1:1/nobody.dtd\">\n<isopackager>\n",
    );
    let mut field = |no: u8, name: &str, class: &str, rest: &str, length: u16| {
        let line = format!(
            "<isofield id=\"{no}\" length=\"{length}\" name=\"{name}\" class=\"org.jpos.iso.{class}\"{rest}/>"
        );
        writeln!(text, "  {line}").unwrap();
    };
    let (mti, bitmap) = match dialect.mti() {
        MtiCoding::Ascii => ("IFA_NUMERIC", "IFA_BITMAP"),
        MtiCoding::Bcd => ("IFB_NUMERIC", "IFB_BITMAP"),
        MtiCoding::Ebcdic => ("IFE_NUMERIC", "IFB_BITMAP"),
    };
    field(0, "MTI", mti, "", 4);
    field(1, "BITMAP", bitmap, "", 16);
    for (no, row) in dialect.rows() {
        let (class, pad, length) = jpos_class(row);
        field(no.get(), &row.name, &class, pad, length);
    }
    text + "</isopackager>\n"
}

#[test]
fn what_jpos_says_of_the_shipped_dialects_is_them() {
    for name in NAMES {
        // What jPOS calls EBCDIC is code page 1047.
        let text = Dialect::shipped_text(name).unwrap().replace("cp500 ", "cp1047");
        let dialect = Dialect::parse(&text).unwrap();
        let (made, imported) = import(Product::Jpos, &jpos(&dialect));
        same(&dialect, &imported, &[]);
        assert!(imported.defined().has(ElementNo::of(65)), "jPOS has 65 as an element like others");
        assert!(made.remarks.iter().all(|remark| !remark.left_out), "{:#?}", made.remarks);
        assert_eq!(
            import(Product::Jpos, &jpos(&dialect)).0,
            made,
            "the same file, the same dialect"
        );
    }
}

/// Bytes put together by hand after jPOS's classes.
#[test]
fn a_message_of_mixed_classes_is_read() {
    let fields = [
        (0, 4, "IFE_NUMERIC"),
        (1, 8, "IFB_BITMAP"),
        (2, 19, "IFE_LLNUM"),
        (4, 12, "IFB_NUMERIC"),
        (23, 3, "IFB_NUMERIC"),
        (28, 9, "IFB_AMOUNT"),
        (41, 8, "IFE_CHAR"),
        (44, 25, "IFAE_LLCHAR"),
        (48, 255, "IFB_LLHECHAR"),
        (52, 8, "IFE_BINARY"),
        (60, 99, "IFA_LLABINARY"),
        (61, 50, "IFA_LLLBINARY"),
    ];
    let mut text = String::from("<isopackager>\n");
    for (id, length, class) in fields {
        writeln!(
            text,
            "<isofield id=\"{id}\" length=\"{length}\" class=\"org.jpos.iso.{class}\"/>"
        )
        .unwrap();
    }
    let (made, dialect) = import(Product::Jpos, &(text + "</isopackager>"));
    assert_eq!((made.elements, made.left_out), (10, 0));
    let wire = [
        "F0F2F0F0",
        "5000021000911018",
        "F1F6F9F9F9F9F9F9F0F0F0F0F0F0F0F0F1F9",
        "000000012345",
        "0120",
        "4400000120",
        "E3C5D9D440F0F0F1",
        "3032D6D2",
        // The brackets are where code page 1047 has them, and 500 has not.
        "04ADC1C2BD",
        "F0F1F2F3F4F5F6F7F8F9C1C2C3C4C5C6",
        "30313146",
        "303032FF00",
    ];
    let shown = decode_line(&Arc::new(dialect), None, &wire.concat(), true);
    assert!(shown.ok, "{}", shown.text);
    let shown: Value = serde_json::from_str(&shown.text).unwrap();
    let wanted = json!({
        "2": "9999990000000019", "4": "000000012345", "23": "012", "28": "D00000120", "41": "TERM 001",
        "44": "OK", "48": "[AB]", "52": "0123456789ABCDEF", "60": "1F", "61": "FF00",
    });
    assert_eq!((&shown["mti"], &shown["fields"]), (&json!("0200"), &wanted));
}

/// Sub-elements by place, by tag, by basic encoding rules, by bitmap, and of sub-elements. The bytes are put together by hand.
#[test]
fn sub_elements_are_taken_over() {
    let digits =
        |text: &str| text.bytes().fold(String::new(), |all, byte| all + &format!("{byte:02X}"));
    let tagged = "42070103210".to_owned() + "7102OK";
    for (product, text, lead) in [
        (Product::Jpos, include_str!("packagers/parts.jpos.xml"), "R"),
        (Product::Moov, include_str!("packagers/parts.moov.json"), ""),
    ] {
        let (made, dialect) = import(product, text);
        let about: Vec<_> = made.remarks.iter().map(|remark| remark.about.as_str()).collect();
        assert_eq!((about, made.left_out), (vec![], 0), "{:#?}", made.remarks);
        let elements: Vec<u8> = dialect.rows().iter().map(|(no, _)| no.get()).collect();
        let divided = elements.iter().filter(|no| dialect.inside(ElementNo::of(**no)).is_some());
        assert_eq!(divided.copied().collect::<Vec<_>>(), [3, 48, 55, 62]);
        let element48 = format!("{lead}{tagged}");
        let wire = [
            digits("0100"),
            "2020000000010204".to_owned(),
            digits("003000"),
            digits("000123"),
            digits(&format!("{:03}{element48}", element48.len())),
            digits("020"),
            "9F02060000000123459F26080123456789ABCDEF".to_owned(),
            "0BA000000000000000E30123".to_owned(),
        ]
        .concat();
        let show = Show { unmask: true, parts: true };
        let bytes: Vec<u8> = (0..wire.len() / 2)
            .map(|at| u8::from_str_radix(wire.get(2 * at..2 * at + 2).unwrap(), 16).unwrap())
            .collect();
        let shown = decode_piece(&Arc::new(dialect), Ok((Head::default(), bytes.into())), show);
        assert!(shown.ok && !shown.text.contains("within"), "{}", shown.text);
        let shown: Value = serde_json::from_str(&shown.text).unwrap();
        let mut wanted = vec![
            ("3.1", "00"),
            ("3.2", "30"),
            ("3.3", "00"),
            ("48.42.01", "210"),
            ("48.71", "OK"),
            ("55.9F02", "000000012345"),
            ("55.9F26", "0123456789ABCDEF"),
            ("62.1", "T"),
            ("62.3", "123"),
        ];
        if !lead.is_empty() {
            wanted.push(("48.lead", lead));
        }
        for (path, value) in wanted {
            assert_eq!(shown["fields"][path], json!(value), "{path} {shown}");
        }
    }
}

/// Whatever stands in a file, it costs a bounded time and a bounded number of faults.
#[test]
fn hostile_files_are_refused_soon() {
    let nested = |open: &str, close: &str, deep: usize| {
        format!("<isopackager>{}{}</isopackager>", open.repeat(deep), close.repeat(deep))
    };
    let attributes: String = (0..200_000).fold(String::new(), |mut text, no| {
        write!(text, " a{no}=\"\"").unwrap();
        text
    });
    let key = "\"9\":0,";
    let deep = "{\"fields\":{\"2\":".repeat(200_000);
    let parts = format!("{{\"subfields\":{{\"1\":{}0}}}}", "{\"subfields\":".repeat(200_000));
    let many = format!(
        "{{\"length\":9,\"prefix\":\"ASCII.LL\",\"subfields\":{{{}\"1\":0}}}}",
        key.repeat(500_000)
    );
    for (product, text) in [
        (Product::Jpos, nested("<isofieldpackager>", "</isofieldpackager>", 90_000)),
        (Product::Jpos, nested("<a>", "", 1_000_000)),
        (Product::Jpos, nested("<isofield/>", "", 300_000)),
        (Product::Jpos, nested("<isofield/>", "", 50_000)),
        (Product::Jpos, format!("<isopackager{attributes}/>")),
        (Product::Jpos, "&".repeat(4 << 20)),
        (Product::Jpos, "<!DOCTYPE a [".repeat(200_000)),
        (Product::Moov, format!("{{\"fields\":{{{}\"9\":0}}}}", key.repeat(600_000))),
        (Product::Moov, deep),
        (Product::Moov, format!("{{\"fields\":{{\"48\":{parts}}}}}")),
        (Product::Moov, format!("{{\"fields\":{{\"48\":{many}}}}}")),
        (Product::Moov, "[".repeat(4 << 20)),
        (Product::Pyiso8583, format!("{{{}\"9\":0}}", key.repeat(600_000))),
        (Product::Pyiso8583, format!("{{\"2\":{}", "[".repeat(4_000_000))),
        (Product::Pyiso8583, "{".repeat(4 << 20)),
    ] {
        let start = text.get(..60).unwrap_or(&text).to_owned();
        let faults =
            import_dialect(product, None, "hostile", "a file", text.as_bytes()).unwrap_err();
        assert!((1..=101).contains(&faults.len()), "{start}: {}", faults.len());
        assert!(faults.iter().all(|fault| fault.offset <= text.len()), "{start}");
    }
}
