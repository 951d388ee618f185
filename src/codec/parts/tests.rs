//! Insides read and put together again; what is wrong is found at its place.

use super::*;
use crate::dialect::Dialect;

const HEAD: &str = "dialect d\nmti ascii\nbitmap hex\necho 3\napprove 00\naccept 00\nretry 91\n3 n 6 - ascii keep code\n";

fn dialect(lines: &str) -> Dialect {
    Dialect::parse(&format!("{HEAD}{lines}")).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The paths and values of an element's parts, bytes as hexadecimal digits, and the fault behind them.
fn read(dialect: &Dialect, no: u8, plain: &[u8]) -> (Vec<(String, String)>, Option<String>) {
    let no = ElementNo::of(no);
    let class = dialect.row(no).unwrap().class;
    let Pieces { pieces, fault } = pieces(no, dialect.inside(no).unwrap(), class, plain);
    let shown = pieces.into_iter().map(|piece| {
        let value = match piece.content {
            _ if piece.divided => "...".to_owned(),
            Content::Bytes => hex(&piece.plain),
            _ => piece.plain.iter().copied().map(char::from).collect(),
        };
        (piece.path, value)
    });
    (shown.collect(), fault.map(|fault| fault.to_string()))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(value::hex_digit(nibble));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Reads an element, finds these parts in it, and puts them together to the same bytes.
fn both_ways(dialect: &Dialect, no: u8, plain: &[u8], parts: &[(&str, &str)]) {
    let (found, fault) = read(dialect, no, plain);
    assert_eq!(fault, None);
    let found: Vec<_> = found.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    assert_eq!(found, parts);
    let no = ElementNo::of(no);
    let inside = dialect.inside(no).unwrap();
    let own: Vec<_> = pieces(no, inside, Class::Keep, plain)
        .pieces
        .into_iter()
        .filter(|piece| !piece.divided)
        .map(|piece| (piece.path.split_once('.').unwrap().1.to_owned(), piece.plain))
        .collect();
    assert_eq!(join(inside, &own).unwrap(), plain, "{own:?}");
}

#[test]
fn parts_by_their_place() {
    let dialect = dialect(
        "parts 3 positional\n3.1 n 2 - ascii keep type\n3.2 n 2 - ascii keep from\n3.3 n 2 - ascii keep to\n\
         43 ans..99 ascii 2 ascii keep name\nparts 43 positional\n43.1 ans..83 until \\ ascii keep name\n43.2 ans..40 until \\ ascii keep city\n43.3 ans..10 - ascii keep rest\n\
         54 an..120 ascii 3 ascii keep amounts\nparts 54 positional repeated\n54.1 n 2 - ascii keep account\n54.2 x+n 4 - ascii keep amount\n",
    );
    both_ways(&dialect, 3, b"003000", &[("3.1", "00"), ("3.2", "30"), ("3.3", "00")]);
    both_ways(
        &dialect,
        43,
        b"SHOP\\BERLIN\\DE",
        &[("43.1", "SHOP"), ("43.2", "BERLIN"), ("43.3", "DE")],
    );
    both_ways(&dialect, 43, b"SHOP\\", &[("43.1", "SHOP")]);
    let two = [("54.1", "10"), ("54.2", "C0001"), ("54.1#2", "20"), ("54.2#2", "D0002")];
    both_ways(&dialect, 54, b"10C000120D0002", &two);
    for (no, plain, fault) in [
        (3, &b"0x3000"[..], "3.1, 0 bytes into the value: the value is not of content n"),
        (3, b"00300", "3.3, 4 bytes into the value: the message ends early"),
        (
            43,
            b"SHOP",
            "43.1, 0 bytes into the value: the character that ends the part does not come",
        ),
        (54, b"10C000120", "54.2, 9 bytes into the value: the message ends early"),
    ] {
        assert_eq!(read(&dialect, no, plain).1.as_deref(), Some(fault));
    }
}

#[test]
fn parts_by_tag_in_each_order() {
    let dialect = dialect(
        "48 ans..999 ascii 3 ascii - private\nparts 48 lead 1 tag ascii 2 length ascii 2\n48.lead a 1 - ascii keep category\n48.42 an..7 - ascii keep level\n\
         62 ans..999 ascii 3 ascii - private\nparts 62 tag ascii 4 length ascii 3\n62.0158 ans..30 - ascii keep business\nparts 62.0158 positional\n62.0158.1 an 3 - ascii keep brand\n62.0158.2 an..9 - ascii keep rest\n\
         63 ans..999 ascii 3 ascii - private\nparts 63 length ascii 2 with-tag tag ascii 2\n\
         104 b..999 ascii 3 hex - data sets\nparts 104 tag binary 1 length binary 2\n104.71 b..99 - raw - data set\nparts 104.71 ber\n104.71.D5 n 4 - bcd keep number\n\
         105 b..999 ascii 3 hex - private\nparts 105 length bcd 2 itself with-tag tag bcd 1\n106 b..99 ascii 2 raw - ebcdic\nparts 106 tag ebcdic 2 length ebcdic 2\n106.23 ans..4 - cp037 keep text\n",
    );
    both_ways(&dialect, 48, b"T420500123", &[("48.lead", "T"), ("48.42", "00123")]);
    let twice = [("48.lead", "T"), ("48.42", "AB"), ("48.42#2", "CD"), ("48.99", "")];
    both_ways(&dialect, 48, b"T4202AB4202CD9900", &twice);
    let nested =
        [("62.0158", "..."), ("62.0158.1", "MCC"), ("62.0158.2", "XY"), ("62.0023", "CT ")];
    both_ways(&dialect, 62, b"0158005MCCXY0023003CT ", &nested);
    // The length comes first and counts the tag: six for four characters of data.
    both_ways(&dialect, 63, b"0623data0299", &[("63.23", "data"), ("63.99", "")]);
    let set = b"\x71\x00\x07\xD5\x02\x12\x34\xC0\x01\xFF";
    both_ways(&dialect, 104, set, &[("104.71", "..."), ("104.71.D5", "1234"), ("104.71.C0", "FF")]);
    both_ways(&dialect, 105, b"\x00\x05\x07ab\x00\x03\x99", &[("105.07", "ab"), ("105.99", "")]);
    both_ways(&dialect, 106, b"\xF2\xF3\xF0\xF2\xC1\xC2", &[("106.23", "AB")]);
    for (no, plain, fault) in [
        (48, &b"T42X5001"[..], "48, 1 bytes into the value: the length is not digits"),
        (48, b"T42090012", "48.42, 1 bytes into the value: the message ends early"),
        (48, b"T420812345678", "48.42, 1 bytes into the value: length 8 exceeds 7"),
        (48, b"T42", "48, 1 bytes into the value: the message ends early"),
        (48, b"T\x00\x0105xx", "48, 1 bytes into the value: the value is not of content ans"),
        (
            63,
            b"0123",
            "63, 0 bytes into the value: length 1 is shorter than the length field that it counts",
        ),
    ] {
        assert_eq!(read(&dialect, no, plain).1.as_deref(), Some(fault), "{plain:?}");
    }
}

#[test]
fn objects_by_the_basic_encoding_rules() {
    let dialect = dialect(
        "55 b..255 ascii 3 hex sensitive ICC data\nparts 55 ber\n55.9F02 n 12 - bcd keep amount\n55.5A n..19 - bcd rF pan PAN\n55.84 b..16 - raw keep name\n",
    );
    let plain = b"\x9F\x02\x06\0\0\0\0\x10\0\x5A\x08\x54\x13\x33\0\0\0\x41\x1F\x00\x70\x05\x84\x01\xA0\x84\x00\xDF\x81\x01\x02\x12\x34";
    let (found, fault) = read(&dialect, 55, plain);
    assert_eq!(fault, None);
    let found: Vec<_> = found.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    let wanted = [
        ("55.9F02", "000000001000"),
        ("55.5A", "541333000000411"),
        ("55.70", "..."),
        ("55.70.84", "A0"),
        ("55.70.84#2", ""),
        ("55.DF8101", "1234"),
    ];
    assert_eq!(found, wanted);
    let no = ElementNo::of(55);
    let classes = pieces(no, dialect.inside(no).unwrap(), Class::Sensitive, plain).pieces;
    let classes: Vec<_> = classes.iter().map(|piece| piece.class).collect();
    let (keep, secret) = (Class::Keep, Class::Sensitive);
    assert_eq!(
        classes,
        [keep, Class::Pan, secret, keep, keep, secret],
        "what has no row is as secret as what holds it"
    );

    let long = [&b"\x84\x81\x80"[..], &[7; 128]].concat();
    assert_eq!(
        read(&dialect, 55, &long).1.as_deref(),
        Some("55.84, 0 bytes into the value: length 128 exceeds 16")
    );
    for (plain, fault) in [
        (&b"\x9F"[..], "55, 0 bytes into the value: the message ends early"),
        (b"\x84\x80\x00", "55, 0 bytes into the value: the length is not digits"),
        (b"\x84\x02\x00", "55.84, 0 bytes into the value: the message ends early"),
        (
            b"\xDF\xFF\xFF\xFF\x01\x00",
            "55, 0 bytes into the value: a count or length does not agree with what follows",
        ),
        (b"\x9F\x02\x01\x00", "55.9F02, 0 bytes into the value: length 1 is not 6"),
    ] {
        assert_eq!(read(&dialect, 55, plain).1.as_deref(), Some(fault), "{plain:?}");
    }
    let mut deep = vec![];
    for len in (0..40).map(|level| 2 * level) {
        deep = [&[0x70, len][..], &deep].concat();
    }
    let (found, fault) = read(&dialect, 55, &deep);
    assert_eq!(found.len(), DEPTH + 1);
    assert!(fault.unwrap().ends_with("objects lie too deep within one another"));

    let constructed = [("70.84".to_owned(), vec![0xA0]), ("70.5F20".to_owned(), vec![0x20; 200])];
    let joined = join(dialect.inside(no).unwrap(), &constructed).unwrap();
    assert_eq!(joined[..9], *b"\x70\x81\xCF\x84\x01\xA0\x5F\x20\x81");
}

#[test]
fn parts_by_bitmap() {
    let dialect = dialect(
        "127 ans..32000 ascii 6 ascii sensitive private\nparts 127 bitmap hex 8\n127.2 ans..32 ascii 2 ascii keep key\n127.3 ans 4 - ascii keep routing\n\
         127.25 ans..9999 ascii 4 ascii sensitive ICC data\nparts 127.25 bitmap hex 8\n127.25.2 n 12 - ascii keep amount\n\
         126 b..255 binary 1 raw - private\nparts 126 bitmap binary 3\n126.1 n 2 - bcd keep first\n126.24 b 1 - raw keep last\n",
    );
    let outer = b"600000800000000002ABSRC 00284000000000000000000000001000";
    let parts =
        [("127.2", "AB"), ("127.3", "SRC "), ("127.25", "..."), ("127.25.2", "000000001000")];
    both_ways(&dialect, 127, outer, &parts);
    both_ways(&dialect, 126, b"\x80\x00\x01\x12\xFF", &[("126.1", "12"), ("126.24", "FF")]);
    both_ways(&dialect, 126, b"\0\0\0", &[]);
    for (no, plain, fault) in [
        (126, &b"\x40\0\0"[..], "126.2, 3 bytes into the value: the dialect has no such element"),
        (126, b"\x80\0", "126, 0 bytes into the value: the message ends early"),
        (126, b"\0\0\0x", "126, 3 bytes into the value: 1 bytes behind the last element"),
        (
            127,
            b"40000000000000G0",
            "127, 0 bytes into the value: the bitmap is not hexadecimal digits",
        ),
        (127, b"400000000000000004AB", "127.2, 16 bytes into the value: the message ends early"),
        (
            127,
            b"00000080000000000016G000000000000000",
            "127.25, 20 bytes into the value: the bitmap is not hexadecimal digits",
        ),
    ] {
        assert_eq!(read(&dialect, no, plain).1.as_deref(), Some(fault), "{plain:?}");
    }
}

#[test]
fn tokens() {
    let dialect = dialect(
        "63 ans..999 ascii 3 ascii - tokens\nparts 63 tokens\n63.B4 ans..20 - ascii keep entry mode\n",
    );
    both_ways(
        &dialect,
        63,
        b"& 0000300037! B400005 05102! C000000 ",
        &[("63.B4", "05102"), ("63.C0", "")],
    );
    for (plain, fault) in [
        (
            &b"& 0000300034! B400005 05102"[..],
            "63, 0 bytes into the value: a count or length does not agree with what follows",
        ),
        (
            b"& 0000300027! B400005 05102",
            "63, 0 bytes into the value: a count or length does not agree with what follows",
        ),
        (b"& 0000200027! B400009 05102", "63.B4, 12 bytes into the value: the message ends early"),
        (
            b"& 0000200027? B400005 05102",
            "63, 12 bytes into the value: a count or length does not agree with what follows",
        ),
        (b"& 00002", "63, 0 bytes into the value: the message ends early"),
    ] {
        assert_eq!(read(&dialect, 63, plain).1.as_deref(), Some(fault), "{plain:?}");
    }
}

/// The elements whose insides the shipped dialects of 1993 and of clearing records describe.
#[test]
fn insides_of_1993() {
    let pos: Vec<(String, String)> =
        (1..=12).map(|no| (format!("22.{no}"), "A".to_owned())).collect();
    let pos: Vec<(&str, &str)> =
        pos.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
    for name in ["iso93-ascii", "iso93-bcd", "iso93-ebcdic", "ipm-latin1", "ipm-cp500"] {
        let dialect = Dialect::shipped(name).unwrap();
        both_ways(&dialect, 3, b"003000", &[("3.1", "00"), ("3.2", "30"), ("3.3", "00")]);
        both_ways(&dialect, 22, &[b'A'; 12], &pos);
        both_ways(
            &dialect,
            30,
            b"000000001000000000002000",
            &[("30.1", "000000001000"), ("30.2", "000000002000")],
        );
        both_ways(
            &dialect,
            43,
            b"SHOP\\1 HIGH ST\\LEEDS\\LS1 1AA   YORGBR",
            &[
                ("43.1", "SHOP"),
                ("43.2", "1 HIGH ST"),
                ("43.3", "LEEDS"),
                ("43.4", "LS1 1AA   "),
                ("43.5", "YOR"),
                ("43.6", "GBR"),
            ],
        );
        both_ways(
            &dialect,
            54,
            b"0002978C0000000010001001978D000000002000",
            &[
                ("54.1", "00"),
                ("54.2", "02"),
                ("54.3", "978"),
                ("54.4", "C000000001000"),
                ("54.1#2", "10"),
                ("54.2#2", "01"),
                ("54.3#2", "978"),
                ("54.4#2", "D000000002000"),
            ],
        );
        both_ways(&dialect, 55, b"\x9F\x1A\x02\x08\x26", &[("55.9F1A", "826")]);
    }
}

/// What clearing records have no element for.
#[test]
fn fees_and_original_elements_of_1993() {
    for name in ["iso93-ascii", "iso93-bcd", "iso93-ebcdic"] {
        let dialect = Dialect::shipped(name).unwrap();
        for (no, what) in [(46, "46"), (66, "66")] {
            let paths: Vec<String> = (1..=6).map(|part| format!("{what}.{part}")).collect();
            let values = ["00", "978", "D00000100", "00000000", "D00000000", "978"];
            let parts: Vec<_> = paths.iter().map(String::as_str).zip(values).collect();
            both_ways(&dialect, no, b"00978D0000010000000000D00000000978", &parts);
        }
        both_ways(
            &dialect,
            56,
            b"120000012324013112000006123450",
            &[("56.1", "1200"), ("56.2", "000123"), ("56.3", "240131120000"), ("56.4", "123450")],
        );
    }
}

/// Amounts of 2003 begin with their currency and its decimals.
#[test]
fn insides_of_2003() {
    let dialect = Dialect::shipped("iso2003-binary").unwrap();
    for (no, path) in [(4, "4"), (5, "5"), (6, "6")] {
        let paths: Vec<String> = (1..=3).map(|part| format!("{path}.{part}")).collect();
        let parts: Vec<_> =
            paths.iter().map(String::as_str).zip(["978", "2", "000000001000"]).collect();
        both_ways(&dialect, no, b"9782000000001000", &parts);
    }
    both_ways(&dialect, 3, b"0A3000", &[("3.1", "0A"), ("3.2", "30"), ("3.3", "00")]);
    both_ways(
        &dialect,
        30,
        b"97820000000010008402000000002000",
        &[
            ("30.1", "978"),
            ("30.2", "2"),
            ("30.3", "000000001000"),
            ("30.4", "840"),
            ("30.5", "2"),
            ("30.6", "000000002000"),
        ],
    );
    both_ways(
        &dialect,
        54,
        b"00029782C000000001000",
        &[
            ("54.1", "00"),
            ("54.2", "02"),
            ("54.3", "978"),
            ("54.4", "2"),
            ("54.5", "C000000001000"),
        ],
    );
    both_ways(
        &dialect,
        56,
        b"22000000000001232024013112000012345",
        &[
            ("56.1", "2200"),
            ("56.2", "000000000123"),
            ("56.3", "20240131120000"),
            ("56.4", "12345"),
        ],
    );
}

#[test]
fn a_tag_that_no_path_could_name_ends_the_reading() {
    let dialect = dialect(
        "48 ans..999 ascii 3 ascii - private\nparts 48 tag ascii 4 length ascii 3\n48.0001 an..9 - ascii keep x\n",
    );
    for tag in ["00.1", "00#1"] {
        let plain = format!("0001001A{tag}001B");
        let (found, fault) = read(&dialect, 48, plain.as_bytes());
        assert_eq!(found, [("48.0001".to_owned(), "A".to_owned())]);
        let fault = fault.unwrap();
        assert!(fault.starts_with("48, 8 bytes into the value: "), "{fault}");
    }
}

#[test]
fn what_cannot_be_put_together_says_why() {
    let dialect = dialect(
        "parts 3 positional\n3.1 n 2 - ascii keep type\n3.2 n 2 - ascii keep from\n\
         43 ans..99 ascii 2 ascii keep name\nparts 43 positional\n43.1 ans..83 until \\ ascii keep name\n\
         48 ans..999 ascii 3 ascii - private\nparts 48 tag ascii 2 length ascii 2\n48.42 an..7 - ascii keep level\nparts 48.42 positional\n48.42.1 n 1 - ascii keep first\n\
         126 b..255 binary 1 raw - private\nparts 126 bitmap binary 3\n126.1 n 2 - bcd keep first\n",
    );
    for (no, parts, error) in [
        (3, &[("2", "00")][..], "part 2: part 1 before it is missing"),
        (3, &[("4", "00")], "part 4: the dialect has no such part"),
        (3, &[("1", "000")], "part 1: length 3 exceeds 2"),
        (3, &[("1", "x0")], "part 1: the value is not of content n"),
        (43, &[("1", "A\\B")], "part 1: it holds the character that ends it"),
        (48, &[("4", "A")], "part 4: the dialect has no such part"),
        (48, &[("42", "1"), ("42.1", "1")], "part 42: there is a value, and there are parts of it"),
        (48, &[("42.2", "1")], "part 42.2: the dialect has no such part"),
        (48, &[("43.2", "1")], "part 43: the dialect has no such part"),
        (48, &[("42", "12345678")], "part 42: length 8 exceeds 7"),
        (126, &[("2", "1")], "part 2: the dialect has no such part"),
    ] {
        let parts: Vec<_> = parts
            .iter()
            .map(|(path, value)| ((*path).to_owned(), value.as_bytes().to_vec()))
            .collect();
        let inside = dialect.inside(ElementNo::of(no)).unwrap();
        assert_eq!(join(inside, &parts).unwrap_err().to_string(), error);
    }
    let long = vec![("99".to_owned(), vec![b'x'; 100])];
    let error = join(dialect.inside(ElementNo::of(48)).unwrap(), &long).unwrap_err();
    assert_eq!(error.to_string(), "part 99: length 100 exceeds 99");
}
