//! The bodies of `ipm cat|check|convert`: clearing files as JSON lines and back, looked through, and in another form. A bad
//! record is told and passed over; a file that cannot be cut into records ends there.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};

use super::encode::Fields;
use crate::clearing::{
    BadIpm, CONTAINERS, Charset, Checker, ClearingError, Framer, ICC, IpmRecord, Unframer, guess,
    parts, read, rewrite, shape,
};
use crate::iso::{ElementNo, Elements, Pan, has_check_digit, looks_like_a_card};

/// What is known of a file; what is not is found out by its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// Its character set.
    pub charset: Option<Charset>,
    /// Whether it is cut into blocks of 1,014 bytes.
    pub blocked: Option<bool>,
}

/// Why a clearing file could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum IpmError {
    /// The operating system refused.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// Nobody reads what is written.
    #[error("the output cannot be written: {0}")]
    Write(io::Error),
    /// It is no such file, or it is damaged; records before that were told.
    #[error(transparent)]
    Frame(#[from] ClearingError),
    /// It does not begin as one.
    #[error(
        "it is no clearing file: a length of four bytes and then four digits, in latin-1 or EBCDIC, are expected at its beginning\nhelp: --charset and --blocks say what it is, where that cannot be seen"
    )]
    Foreign,
}

/// How much of it there was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Records, the bad ones included.
    pub records: u64,
    /// Those in which something is wrong.
    pub bad: u64,
}

/// A record as it was met.
struct Met<'a> {
    /// From 1 on.
    number: u64,
    /// Where in the file its length stands.
    offset: u64,
    found: Result<&'a IpmRecord, BadIpm>,
}

/// So much is read at once, and is looked at for what the file is.
const PIECE: usize = 1 << 16;

/// Takes the records of a file one by one. Gives their character set, and how many bytes behind the end are no fill.
fn each_record(
    input: &mut impl Read,
    known: Known,
    mut each: impl FnMut(Met<'_>) -> Result<(), IpmError>,
) -> Result<u64, IpmError> {
    let mut piece = Vec::with_capacity(PIECE);
    next_piece(input, &mut piece)?;
    let (charset, blocked) = guess(&piece, piece.len() < PIECE);
    let charset = known.charset.or(charset).ok_or(IpmError::Foreign)?;
    let mut unframer = Unframer::new(known.blocked.unwrap_or(blocked));
    let mut number = 0;
    while !piece.is_empty() {
        unframer.push(&piece);
        while let Some((offset, bytes)) = unframer.record()? {
            number += 1;
            let found = read(bytes, charset);
            each(Met { number, offset, found: found.as_ref().map_err(|bad| *bad) })?;
        }
        next_piece(input, &mut piece)?;
    }
    Ok(unframer.end()?)
}

fn next_piece(input: &mut impl Read, piece: &mut Vec<u8>) -> Result<(), IpmError> {
    piece.clear();
    input.take(PIECE as u64).read_to_end(piece).map_err(IpmError::Read)?;
    Ok(())
}

/// A line of JSON a record; cards are masked unless they are to be shown.
pub fn cat(
    input: &mut impl Read,
    known: Known,
    unmask: bool,
    out: &mut impl Write,
) -> Result<Seen, IpmError> {
    let mut seen = Seen::default();
    let mut line = String::new();
    let beyond = each_record(input, known, |met| {
        seen.records = met.number;
        line.clear();
        match met.found {
            Ok(record) => show(met.number, record, unmask, &mut line),
            Err(bad) => {
                seen.bad += 1;
                let BadIpm { element, offset, fault } = bad;
                line = serde_json::json!({"ok": false, "record": met.number, "at": met.offset,
                    "error": {"element": element, "offset": offset, "fault": fault}})
                .to_string();
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes()).map_err(IpmError::Write)
    })?;
    if 0 < beyond {
        seen.bad += 1;
        let fault = format!("{beyond} bytes behind the terminator belong to no record");
        let line = serde_json::json!({"ok": false, "error": {"fault": fault}});
        writeln!(out, "{line}").map_err(IpmError::Write)?;
    }
    Ok(seen)
}

/// A line for each thing that is wrong, and one on the whole.
pub fn check(input: &mut impl Read, known: Known, out: &mut impl Write) -> Result<Seen, IpmError> {
    let mut seen = Seen::default();
    let mut checker = Checker::default();
    let beyond = each_record(input, known, |met| {
        seen.records = met.number;
        let mut faults = Vec::new();
        match met.found {
            Ok(record) => checker.record(record, |fault| faults.push(fault)),
            Err(bad) => faults.push(bad.to_string()),
        }
        seen.bad += u64::from(!faults.is_empty());
        faults.iter().try_for_each(|fault| {
            let place = format_args!("record {} at byte {}", met.number, met.offset);
            writeln!(out, "{place}: {fault}").map_err(IpmError::Write)
        })
    })?;
    let behind =
        (0 < beyond).then(|| format!("{beyond} bytes behind the terminator belong to no record"));
    for fault in checker.end().map(str::to_owned).into_iter().chain(behind) {
        seen.bad += 1;
        writeln!(out, "at its end: {fault}").map_err(IpmError::Write)?;
    }
    if 0 < checker.uncompared() {
        let text = "reference numbers were not looked for among those before: there are too many";
        writeln!(out, "note: {} {text}", checker.uncompared()).map_err(IpmError::Write)?;
    }
    if seen.bad == 0 {
        let text = "logical files in order";
        writeln!(out, "{} records, {} {text}", seen.records, checker.files())
            .map_err(IpmError::Write)?;
    }
    Ok(seen)
}

/// Writes a file of another form. What it is made of is a clearing file, or the lines of `cat` with cards unmasked; a bad record
/// is left out and told.
pub fn convert(
    input: &mut impl Read,
    known: Known,
    (charset, blocked): (Charset, bool),
    out: &mut impl Write,
    mut tell: impl FnMut(&str),
) -> Result<Seen, IpmError> {
    let mut seen = Seen::default();
    let mut framer = Framer::new(blocked);
    let mut bytes = Vec::new();
    let mut first = [0];
    let begun = input.read(&mut first).map_err(IpmError::Read)?;
    let mut input = first.get(..begun).unwrap_or_default().chain(input);
    let mut put = |number: u64, found: Result<&IpmRecord, String>| -> Result<(), IpmError> {
        seen.records = number;
        bytes.clear();
        let written = found.and_then(|record| {
            rewrite(record, charset, &mut bytes).map_err(unfit)?;
            if framer.record(&bytes) {
                Ok(())
            } else {
                Err("it is longer than 6000 bytes".to_owned())
            }
        });
        if let Err(fault) = written {
            seen.bad += 1;
            tell(&format!("record {number}: {fault}; it is left out"));
        }
        if PIECE <= framer.ready_len() {
            out.write_all(&framer.take()).map_err(IpmError::Write)?;
        }
        Ok(())
    };
    let beyond = if first == *b"{" {
        let mut lines = BufReader::new(input);
        let (mut number, mut line) = (0, String::new());
        while next_line(&mut lines, &mut line)? {
            if !line.trim().is_empty() {
                number += 1;
                let record = record_of(&line);
                put(number, record.as_ref().map_err(Clone::clone))?;
            }
        }
        0
    } else {
        each_record(&mut input, known, |met| {
            put(met.number, met.found.map_err(|bad| bad.to_string()))
        })?
    };
    if 0 < beyond {
        seen.bad += 1;
        tell(&format!(
            "{beyond} bytes behind the terminator belong to no record; they are left out"
        ));
    }
    framer.end();
    out.write_all(&framer.take()).map_err(IpmError::Write)?;
    Ok(seen)
}

/// A line; no when there is none.
fn next_line(lines: &mut impl BufRead, line: &mut String) -> Result<bool, IpmError> {
    line.clear();
    let read = lines.take(LINE_BYTES_MAX).read_line(line).map_err(IpmError::Read)?;
    if LINE_BYTES_MAX <= u64::try_from(read).unwrap_or(u64::MAX) {
        let fault = "a line of more than a megabyte is no record";
        return Err(IpmError::Read(io::Error::new(io::ErrorKind::InvalidData, fault)));
    }
    Ok(0 < read)
}

/// A record of 6,000 bytes is less than this, however it is escaped.
const LINE_BYTES_MAX: u64 = 1 << 20;

fn unfit(no: ElementNo) -> String {
    match shape(no) {
        Some(shape) => format!("element {no} is not of {shape}"),
        None => format!("no clearing record has element {no}"),
    }
}

/// One line: number, type, and elements by number; subelements of private data behind a point, `48.0105`.
fn show(number: u64, record: &IpmRecord, unmask: bool, line: &mut String) {
    let mti = record.mti.escape_ascii();
    write!(line, r#"{{"ok":true,"record":{number},"mti":"{mti}","fields":{{"#).ok();
    let card = record.elements.get(ElementNo::PAN).and_then(|card| Pan::new(card).ok());
    let mut first = true;
    let mut field = |key: std::fmt::Arguments<'_>, value: &str| {
        let comma = if std::mem::take(&mut first) { "" } else { "," };
        let value = serde_json::Value::from(value);
        write!(line, r#"{comma}"{key}":{value}"#).ok();
    };
    for (no, value) in record.elements.iter() {
        if no == ICC {
            let mut hex = String::with_capacity(2 * value.len());
            super::push_hex(value, &mut hex);
            let named = card.as_ref().is_some_and(|card| card.stands_packed_in(value));
            let secret = !unmask && (named || icc_names_a_card(value));
            field(format_args!("{no}"), if secret { WITHHELD } else { &hex });
            continue;
        }
        let text = |value: &[u8]| {
            if unmask { plain(value) } else { masked(no, value, card.as_ref()) }
        };
        match parts(value).filter(|_| CONTAINERS.contains(&no)) {
            Some(parts) => {
                for (tag, part) in parts {
                    field(format_args!("{no}.{tag:04}"), &text(part));
                }
            }
            None => field(format_args!("{no}"), &text(value)),
        }
    }
    line.push_str("}}");
}

/// In place of a value in which a card's number stands.
const WITHHELD: &str = "<a card number stands in it>";

fn plain(value: &[u8]) -> String {
    value.iter().map(|byte| char::from(*byte)).collect()
}

/// A value without card numbers: that of element 2 masked, others withheld when a card's number stands in them, this record's
/// or any that its check digit makes likely.
fn masked(no: ElementNo, value: &[u8], card: Option<&Pan>) -> String {
    if no == ElementNo::PAN {
        return match card {
            Some(card) => card.masked().to_string(),
            None => format!("<{} characters>", value.len()),
        };
    }
    let free = FREE_TEXT.contains(&no.get());
    if card.is_some_and(|card| card.stands_in(value))
        || free && looks_like_a_card(&plain(value))
        || holds_a_likely_card(value)
    {
        return WITHHELD.to_owned();
    }
    plain(value)
}

/// Elements in which people write what they like, and in which thirteen digits are no reference.
const FREE_TEXT: [u8; 5] = [43, 72, 105, 111, 127];

/// Whether digits, together or in groups, are a card number by their length, beginning and check digit.
fn holds_a_likely_card(value: &[u8]) -> bool {
    let mut run = Vec::new();
    let likely = |run: &[u8]| {
        matches!(run, [b'2'..=b'6', ..]) && (13..=19).contains(&run.len()) && has_check_digit(run)
    };
    for byte in value {
        match byte {
            b'0'..=b'9' => run.push(*byte),
            b' ' | b'-' | b'.' | b'/' => {}
            _ if likely(&run) => return true,
            _ => run.clear(),
        }
    }
    likely(&run)
}

/// Whether ICC data names a card: by the tags for its number or its track, or because it cannot be read.
fn icc_names_a_card(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some((first, tail)) = rest.split_first() {
        let mut tail = tail;
        let mut second = 0;
        if first & 0x1f == 0x1f {
            let Some((more, after)) = tail.split_first() else { return true };
            (second, tail) = (*more, after);
        }
        if matches!((first, second), (0x5a | 0x57, 0)) {
            return true;
        }
        let Some((len, after)) = tail.split_first() else { return true };
        let (len, after) = match (len, after) {
            (0x81, [len, after @ ..]) => (len, after),
            (0x80.., _) => return true,
            short => short,
        };
        // What is constructed is looked into.
        let skipped = if first & 0x20 == 0 { usize::from(*len) } else { 0 };
        let Some(after) = after.get(skipped..) else { return true };
        rest = after;
    }
    false
}

/// What `cat` shows of a record.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = r#"a record, e.g. {"mti":"1644","fields":{"24":"697"}}"#)]
struct Shown {
    #[serde(default = "yes")]
    ok: bool,
    #[serde(default, rename = "record")]
    _record: u64,
    #[serde(default)]
    mti: String,
    #[serde(default)]
    fields: Fields,
    /// Of a record that is none: where it was met, and what is wrong.
    #[serde(default, rename = "at")]
    _at: u64,
    #[serde(default, rename = "error")]
    _error: Option<serde_json::Value>,
}

const fn yes() -> bool {
    true
}

/// The record of a line of `cat`.
fn record_of(line: &str) -> Result<IpmRecord, String> {
    let shown: Shown = serde_json::from_str(line)
        .map_err(|error| format!("not a record as JSON: {}", super::encode::told(&error)))?;
    if !shown.ok {
        return Err("this line says that it is no record".to_owned());
    }
    let mti = <[u8; 4]>::try_from(shown.mti.as_bytes()).ok();
    let mti = mti.filter(|mti| mti.iter().all(u8::is_ascii_digit));
    let mti = mti.ok_or("mti: not four digits")?;
    let mut elements = Elements::default();
    for (key, text) in shown.fields.iter() {
        let (number, tag) = key.split_once('.').map_or((key, None), |(no, tag)| (no, Some(tag)));
        let no = number.parse().ok().and_then(|no| ElementNo::new(no).ok());
        let no = no.filter(|no| shape(*no).is_some()).ok_or_else(|| {
            format!("\"{}\" is not an element of clearing records", super::encode::shown(number))
        })?;
        let value =
            if no == ICC { super::encode::unhex(text) } else { super::encode::characters(text) };
        let value = value.map_err(|fault| format!("element {no}: {fault}"))?;
        if text == WITHHELD || no == ElementNo::PAN && Pan::new(&value).is_err() {
            return Err(format!(
                "element {no} is masked, or no card number: `ipm cat --unmask` shows what can be written again"
            ));
        }
        let Some(tag) = tag else {
            elements.set(no, &value);
            continue;
        };
        let digits = tag.len() == 4 && tag.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || !CONTAINERS.contains(&no) || 999 < value.len() {
            return Err(format!(
                "element {no}: a subelement is a tag of four digits and up to 992 characters, in 48, 62 or 123 to 125"
            ));
        }
        let mut whole = elements.get(no).unwrap_or_default().to_vec();
        whole.extend_from_slice(format!("{tag}{:03}", value.len()).as_bytes());
        whole.extend_from_slice(&value);
        elements.set(no, &whole);
    }
    Ok(IpmRecord { mti, elements })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catted(file: &[u8], unmask: bool) -> (Result<Seen, String>, String) {
        let mut out = Vec::new();
        let seen = cat(&mut &*file, Known::default(), unmask, &mut out);
        (seen.map_err(|fault| fault.to_string()), String::from_utf8(out).unwrap())
    }

    /// What became of these lines as a file, and what was told.
    fn filed(lines: &str, charset: Charset) -> (Seen, Vec<u8>, Vec<String>) {
        let (mut out, mut told) = (Vec::new(), Vec::new());
        let form = (charset, true);
        let tell = |fault: &str| told.push(fault.to_owned());
        let seen = convert(&mut lines.as_bytes(), Known::default(), form, &mut out, tell).unwrap();
        (seen, out, told)
    }

    const LINES: &str = concat!(
        r#"{"ok":true,"record":1,"mti":"1644","fields":{"24":"697","48.0105":"0022611220000001234500001","48.0122":"T","71":"00000001"}}"#,
        "\n",
        r#"{"ok":true,"record":2,"mti":"1240","fields":{"2":"5413330000000001","43":"Café \\ \\","55":"9F260100FF","63":" 54133300000000","71":"00000002","72":"of 5413330000000001 and \"more\"","123":"no parts"}}"#,
        "\n"
    );

    #[test]
    fn lines_become_a_file_and_the_file_the_same_lines() {
        for charset in [Charset::Latin1, Charset::Cp500] {
            let (seen, file, told) = filed(LINES, charset);
            assert_eq!((seen, told), (Seen { records: 2, bad: 0 }, vec![]));
            let (again, lines) = catted(&file, true);
            assert_eq!((again, lines.as_str()), (Ok(seen), LINES));
        }
    }

    #[test]
    fn cards_are_masked_and_a_masked_one_is_not_written() {
        let (_, lines) = catted(&filed(LINES, Charset::Cp500).1, false);
        assert!(lines.contains(r#""2":"541333******0001""#), "{lines}");
        assert!(lines.contains(r#""72":"<a card number stands in it>""#), "{lines}");
        assert!(lines.contains(r#""48.0105":"0022611220000001234500001""#), "{lines}");
        assert!(!lines.contains("5413330000000001"), "{lines}");
        let (seen, file, told) = filed(&lines, Charset::Latin1);
        assert_eq!(seen, Seen { records: 2, bad: 1 });
        assert_eq!(
            told,
            [
                "record 2: element 2 is masked, or no card number: `ipm cat --unmask` shows what can be written again; it is left out"
            ]
        );
        assert_eq!(catted(&file, true).1.lines().count(), 1);
    }

    #[test]
    fn cards_are_found_in_any_writing() {
        for (no, value) in [
            (72, &b"4111 1111 1111 1111"[..]),
            (43, b"4111-1111-1111-1111"),
            (72, b"0004111111111111111"),
            (63, b"4111.1111.1111.1111"),
            (94, b"x4111111111111111"),
        ] {
            assert_eq!(masked(ElementNo::of(no), value, None), WITHHELD, "{no}");
        }
        for (no, value) in
            [(31, &b"29999996326000000000016"[..]), (37, b"632718000001"), (43, b"RUE 12\\NICE")]
        {
            assert_eq!(masked(ElementNo::of(no), value, None), plain(value));
        }
        let icc = |hex: &str| icc_names_a_card(&super::super::encode::unhex(hex).unwrap());
        for card in [
            "5A084111111111111111",
            "9F260100570A41111111111111112912",
            "700A5A084111111111111111",
            "9F2608",
            "9F",
            "8281",
        ] {
            assert!(icc(card), "{card}");
        }
        assert!(!icc("9F26081122334455667788") && !icc("82025C00") && !icc(""));
    }

    /// A record that is none is told and passed over; a length that is none ends the file.
    #[test]
    fn a_bad_record_holds_nobody() {
        let mut framer = Framer::new(false);
        for record in [&b"1240"[..], b"x", &[b"1240\x80".as_slice(), &[0; 15]].concat()] {
            assert!(framer.record(record));
        }
        let head = framer.take();
        framer.end();
        let whole = [&head[..], &framer.take()].concat();
        let (seen, lines) = catted(&whole, false);
        assert_eq!(seen, Ok(Seen { records: 3, bad: 2 }));
        let at = r#"{"at":0,"error":{"element":1,"fault":"it ends within the bitmap, which is sixteen bytes","offset":4},"ok":false,"record":1}"#;
        assert_eq!(lines.lines().next(), Some(at));
        let last = r#"{"ok":true,"record":3,"mti":"1240","fields":{}}"#;
        assert_eq!(lines.lines().last(), Some(last));
        let fault = |file: &[u8]| catted(file, false).0.unwrap_err();
        assert!(fault(&[&head[..], b"\x7f\xff\xff\xff"].concat()).contains("more than 6000 bytes"));
        assert!(fault(&head).contains("without a terminator"));
        assert!(fault(b"MZ......").contains("no clearing file"));
        assert!(fault(b"").contains("no clearing file"));
        let more = [&whole[..], b"\0\0more"].concat();
        assert_eq!(catted(&more, false).0, Ok(Seen { records: 3, bad: 3 }));
    }

    #[test]
    fn lines_that_are_no_records_say_why_and_show_no_value() {
        for (line, why) in [
            (r#"{"mti":"124","fields":{}}"#, "mti: not four digits"),
            (r#"{"ok":false,"record":1,"at":0,"error":{}}"#, "this line says that it is no record"),
            (r#"{"mti":"1240","fields":{"39":"00"}}"#, r#""39" is not an element"#),
            (r#"{"mti":"1240","fields":{"PAN":"00"}}"#, r#""<16 characters>" is not an element"#),
            (r#"{"mti":"1240","fields":{"3":"00"}}"#, "element 3 is not of 6 characters"),
            (r#"{"mti":"1240","fields":{"2":"541333******0001"}}"#, "element 2 is masked"),
            (r#"{"mti":"1240","fields":{"48.1":"x"}}"#, "element 48: a subelement is"),
            (r#"{"mti":"1240","fields":{"3.0001":"x"}}"#, "element 3: a subelement is"),
            (r#"{"mti":"1240","fields":{"55":"9F2"}}"#, "element 55: not an even number"),
            (r#"{"mti":"1240","fields":{"2":PAN}}"#, "not a record as JSON: expected a string"),
        ] {
            let (seen, _, told) = filed(&line.replace("PAN", "5413330000000001"), Charset::Latin1);
            assert_eq!(seen, Seen { records: 1, bad: 1 }, "{line}");
            assert!(told[0].contains(why) && !told[0].contains("5413330000000001"), "{told:?}");
        }
    }
}
