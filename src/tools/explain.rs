//! A message told to people: each element with its place, bytes, coding and meaning; on a fault, where and why.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::meaning::{self, Sense};
use super::wrong::{self, Wrong};
use super::{Line, sheet, show};
use crate::codec::{self, DecodeError, Fault, Pieces, Salvaged};
use crate::dialect::{Dialect, MtiCoding};
use crate::framing::Head;
use crate::iso::{ElementNo, ElementSet, Mti};

/// How a message is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Cards, tracks and PIN blocks in clear.
    pub unmask: bool,
    /// With the colours of a terminal.
    pub colours: bool,
}

/// Tells a message of an input, or why it is none, in several lines.
pub fn explain(
    dialect: &Arc<Dialect>,
    place: &str,
    found: Result<(Head, Bytes), String>,
    style: Style,
) -> Line {
    let mut page = Page { text: String::new(), dialect, style };
    let ok = match found {
        Ok((head, body)) => page.message(place, head, &body),
        Err(fault) => {
            page.line(&format!("{place}:"));
            let fault = page.paint(RED, &format!("error: {fault}"));
            page.line(&fault);
            false
        }
    };
    Line { ok, text: page.text }
}

struct Page<'a> {
    text: String,
    dialect: &'a Arc<Dialect>,
    style: Style,
}

/// How many bytes are in a line.
const BYTES_A_LINE: usize = 16;

/// Why a message with a fault has no values.
const MASKED: &str = "help: values are masked, for what is read at a wrong place may be a secret; --unmask shows them";

/// Why a message with a fault has not even an MTI.
const NO_HEAD: &str = "       its MTI is none of this dialect's, so that it and the bitmaps may be anything, a card number too; --unmask shows them";

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";

/// A message as far as it can be read.
struct Reading {
    mti: Option<Mti>,
    read: Salvaged,
    error: Option<DecodeError>,
}

impl Reading {
    fn of(dialect: &Arc<Dialect>, body: &Bytes) -> Self {
        match codec::decode(dialect, body.clone()) {
            Ok(message) => {
                let announced = message.present();
                let spans = message.spans(announced).collect();
                let read = Salvaged { elements: message.elements(announced), spans, announced };
                Self { mti: Some(message.mti()), read, error: None }
            }
            Err(mut error) => {
                let read = std::mem::take(&mut *error.salvaged);
                Self { mti: error.mti, read, error: Some(error) }
            }
        }
    }

    /// Where the bitmaps end; none when they could not be read.
    fn bitmaps_end(&self, body: &Bytes) -> Option<usize> {
        let Some(error) = &self.error else {
            return Some(self.read.spans.first().map_or(body.len(), |(start, _)| *start));
        };
        let is_read =
            !self.read.announced.is_empty() || matches!(error.fault, Fault::Trailing { .. });
        is_read.then(|| self.read.spans.first().map_or(error.offset, |(start, _)| *start))
    }
}

impl Page<'_> {
    fn message(&mut self, place: &str, head: Head, body: &Bytes) -> bool {
        self.line(&format!("{place}: {} bytes, {}", body.len(), self.dialect.name()));
        if !head.as_bytes().is_empty() {
            self.line(&format!("       before the message   {}", pairs(head.as_bytes(), false)));
        }
        let reading = Reading::of(self.dialect, body);
        let is_head = |mti: &Mti| {
            self.style.unmask || reading.error.is_none() || wrong::is_head(self.dialect, body, *mti)
        };
        if let Some(mti) = reading.mti.filter(is_head) {
            let width = mti_width(self.dialect);
            self.entry(0, &format!("MTI {mti}"), &meaning::mti(mti));
            let bytes = body.get(..width).unwrap_or_default();
            self.bytes(sheet::mti(self.dialect.mti()), &pairs(bytes, false));
            if !meaning::is_edition(mti, self.dialect) {
                let (digit, year) = meaning::edition(self.dialect);
                self.line(&format!(
                    "       note: this dialect is of {year}, whose MTIs begin with {digit}: its elements may mean something else in this message"
                ));
            }
            if let Some(end) = reading.bitmaps_end(body) {
                self.bitmaps(body, width..end, reading.read.announced);
            }
            self.elements(body, mti, &reading);
        } else if reading.mti.is_some() {
            self.line(NO_HEAD);
        }
        let Some(error) = reading.error else { return true };
        self.fault(body, &reading.read, &error);
        false
    }

    /// Each bitmap and the elements that it announces.
    fn bitmaps(&mut self, body: &Bytes, place: Range<usize>, announced: ElementSet) {
        let coding = sheet::bitmap(self.dialect.bitmap());
        let width = wrong::bitmap_width(self.dialect);
        let [first, second, third] = announced.bitmaps();
        let maps = [
            ("bitmap", [first, 0, 0]),
            ("second bitmap", [0, second, 0]),
            ("third bitmap", [0, 0, third]),
        ];
        for (start, (name, map)) in place.clone().step_by(width).zip(maps) {
            self.entry(start, name, &numbers(ElementSet::from_bitmaps(map)));
            let bytes = body.get(start..place.end.min(start + width)).unwrap_or_default();
            self.bytes(coding, &pairs(bytes, false));
        }
    }

    /// Each element that was read; without its value where that is masked, or the message is wrong.
    fn elements(&mut self, body: &Bytes, mti: Mti, Reading { read, error, .. }: &Reading) {
        let dialect = Arc::clone(self.dialect);
        let is_trusted = error.as_ref().is_none_or(wrong::is_whole);
        let sense = Sense { dialect: &dialect, mti, elements: &read.elements };
        for ((no, value), (start, end)) in read.elements.iter().zip(&read.spans) {
            let row = dialect.row(no);
            let is_open =
                (is_trusted || self.style.unmask) && show::is_open(no, row, self.style.unmask);
            let mut shown = if is_trusted || self.style.unmask {
                show::harmless(&show::value(no, row, value, self.style.unmask))
            } else {
                format!("<{} bytes>", value.len())
            };
            if let Some(said) = sense.of(no).filter(|_| is_open) {
                shown = format!("{shown}  ({said})");
            }
            let name = row.map_or("", |row| row.name.as_str());
            self.entry(*start, &format!("{no:>3}  {name}", no = no.get()), &shown);
            let whole = body.get(*start..*end).unwrap_or_default();
            let (length, wire) =
                whole.split_at_checked(prefix_width(&dialect, no)).unwrap_or_default();
            let bytes = [pairs(length, false), pairs(wire, !is_open)].join(" ");
            self.bytes(&row.map_or_else(String::new, show::notation), bytes.trim());
            if is_trusted || self.style.unmask {
                self.parts(no, value, *start + length.len());
            }
        }
    }

    /// What lies within an element, each part with its place where it lies in the message as it is.
    fn parts(&mut self, no: ElementNo, value: &[u8], start: usize) {
        let dialect = Arc::clone(self.dialect);
        let (Some(inside), Some(row)) = (dialect.inside(no), dialect.row(no)) else { return };
        let in_place = dialect.layout(no).is_some_and(|layout| layout.form.is_in_place());
        let Pieces { pieces, fault } = codec::pieces(no, inside, row.class, value);
        for piece in pieces {
            let at = piece.at.as_ref().filter(|_| in_place);
            let place = at.map_or_else(String::new, |at| (start + at.start).to_string());
            let shown = if piece.divided {
                String::new()
            } else {
                show::harmless(&show::piece(&piece, self.style.unmask))
            };
            let name = piece.row.map_or("", |row| row.name.as_str());
            let path = self.paint(BOLD, &format!("{:<9} {name}", piece.path));
            self.line(&format!("{place:>5}       {path}: {shown}"));
        }
        if let Some(fault) = fault {
            let told = self.paint(RED, &format!("within {fault}"));
            self.line(&format!("            {told}"));
        }
    }

    /// What is wrong, the bytes around it with a caret below the first wrong one, and what was expected.
    fn fault(&mut self, body: &Bytes, read: &Salvaged, error: &DecodeError) {
        let told = self.paint(RED, &format!("error: {error}"));
        self.line(&told);
        let name = error.element.and_then(|no| ElementNo::new(no).ok());
        if let Some(row) = name.and_then(|no| self.dialect.row(no)) {
            self.line(&format!("       {}: {}", row.name, show::notation(row)));
        }
        let Wrong { at, len } = wrong::place(self.dialect, body, error);
        let is_head = error.mti.is_some_and(|mti| wrong::is_head(self.dialect, body, mti));
        let visible = wrong::Visible { read, dialect: self.dialect, error, wrong: at, is_head };
        let from = at.saturating_sub(BYTES_A_LINE / 2);
        let to = body.len().min(at + BYTES_A_LINE / 2);
        let mut shown = String::new();
        for place in from..to {
            let byte = body.get(place..=place).unwrap_or_default();
            shown.push_str(&pairs(byte, !self.style.unmask && !visible.has(place)));
            shown.push(' ');
        }
        self.line(&format!("{from:>5}  {}", shown.trim_end()));
        let caret = "^".repeat((3 * len).saturating_sub(1).clamp(2, 3 * BYTES_A_LINE / 2 - 1));
        let caret = self.paint(RED, &caret);
        let blanks = " ".repeat(3 * (at - from));
        self.line(&format!("       {blanks}{caret} offset {at}"));
        self.line(&format!("help: {}", wrong::expected(self.dialect, body, read.announced, error)));
        if !self.style.unmask && !wrong::is_whole(error) {
            self.line(MASKED);
        }
    }

    /// A part of the message, its offset before it.
    fn entry(&mut self, offset: usize, name: &str, value: &str) {
        let name = self.paint(BOLD, name);
        self.line(&format!("{offset:>5}  {name}: {value}"));
    }

    /// How a part is coded and its bytes, so many in a line.
    fn bytes(&mut self, coding: &str, pairs: &str) {
        let indent = " ".repeat(12);
        let width = 3 * BYTES_A_LINE;
        let lines: Vec<String> = pairs
            .as_bytes()
            .chunks(width)
            .map(|line| String::from_utf8_lossy(line).trim_end().to_owned())
            .collect();
        if let [line] = lines.as_slice() {
            let text = self.paint(DIM, &format!("{coding}   {line}"));
            return self.line(&format!("{indent}{text}"));
        }
        for line in std::iter::once(coding).chain(lines.iter().map(String::as_str)) {
            let text = self.paint(DIM, line);
            self.line(&format!("{indent}{text}"));
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.style.colours {
            format!("\u{1B}[{colour}m{text}\u{1B}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// How many bytes the MTI has.
pub(super) fn mti_width(dialect: &Dialect) -> usize {
    if dialect.mti() == MtiCoding::Bcd { 2 } else { 4 }
}

/// How many bytes an element's length field has.
pub(super) fn prefix_width(dialect: &Dialect, no: ElementNo) -> usize {
    dialect.layout(no).map_or(0, |layout| layout.prefix.width())
}

/// Bytes as pairs of digits, or of stars.
fn pairs(bytes: &[u8], masked: bool) -> String {
    let pair = |byte: &u8| if masked { String::from("**") } else { show::hex(&[*byte]) };
    bytes.iter().map(pair).collect::<Vec<_>>().join(" ")
}

/// The numbers of a set.
fn numbers(set: ElementSet) -> String {
    let numbers: Vec<String> = set.iter().map(|no| no.get().to_string()).collect();
    if numbers.is_empty() { String::from("no elements") } else { numbers.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hex: &str, style: Style) -> Line {
        told_by(&Arc::new(Dialect::shipped("iso87-bcd").unwrap()), hex, style)
    }

    fn told_by(dialect: &Arc<Dialect>, hex: &str, style: Style) -> Line {
        let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(super::super::byte).collect();
        explain(dialect, "line 1", Ok((Head::NONE, Bytes::from(bytes.unwrap()))), style)
    }

    /// Elements 2, 4, 41 and 52.
    const SALE: &str =
        "0200500000000080100016541333000000411100000000100054455241303030310123456789ABCDEF";

    #[test]
    fn a_message_is_told_from_its_first_byte_to_its_last() {
        let page = told(SALE, Style::default());
        assert!(page.ok);
        assert_eq!(
            page.text,
            "\
line 1: 41 bytes, iso87-bcd
    0  MTI 0200: ISO 8583:1987, financial, request, from the acquirer
            bcd   02 00
    2  bitmap: 2 4 41 52
            binary   50 00 00 00 00 80 10 00
   10    2  primary account number: 541333******4111
            n..19, length bcd 1, bcd r0   16 ** ** ** ** ** ** ** **
   19    4  amount, transaction: 000000001000
            n 12, bcd   00 00 00 00 10 00
   25   41  card acceptor terminal identification: TERA0001
            ans 8, ascii   54 45 52 41 30 30 30 31
   33   52  PIN data: <sensitive 8 bytes>
            b 8, raw   ** ** ** ** ** ** ** **
"
        );
        let open = told(SALE, Style { unmask: true, colours: false }).text;
        assert!(
            open.contains("16 54 13 33 00 00 00 41 11\n")
                && open.contains("01 23 45 67 89 AB CD EF\n"),
            "{open}"
        );
        let painted = told(SALE, Style { unmask: false, colours: true }).text;
        let plain: String =
            painted
                .split('\u{1B}')
                .map(|part| {
                    part.split_once('m').map_or(part, |(code, rest)| {
                        if code.starts_with('[') { rest } else { part }
                    })
                })
                .collect();
        assert!(painted.len() > plain.len());
        assert_eq!(plain, page.text);
    }

    /// What of a sale is changed into what, and what is told of it.
    const FAULTS: [(&str, &str, &str); 6] = [
            (
                "000000001000",
                "0000000010B0",
                "\
error: element 4 at offset 19: the value is not of content n
       amount, transaction: n 12, bcd
   16  ** ** ** ** ** ** ** ** B0 ** ** ** ** ** ** **
                               ^^ offset 24
help: expected digits
",
            ),
            (
                "16541333",
                "1A541333",
                "\
error: element 2 at offset 10: the length is not digits
       primary account number: n..19, length bcd 1, bcd r0
    2  50 00 00 00 00 80 10 00 1A ** ** ** ** ** ** **
                               ^^ offset 10
help: expected a length field, bcd 1; is what precedes it written otherwise?
",
            ),
            (
                "16541333",
                "1654A333",
                "\
error: element 2 at offset 10: the value is not of content n
       primary account number: n..19, length bcd 1, bcd r0
    4  00 00 00 80 10 00 16 ** A3 ** ** ** ** ** ** **
                               ^^ offset 12
help: expected digits
",
            ),
            (
                "89ABCDEF",
                "89ABCDEF5413",
                "\
error: offset 41: 2 bytes behind the last element
   33  ** ** ** ** ** ** ** ** 54 **
                               ^^ offset 41
help: expected the end of the message behind element 52, the last one announced
",
            ),
            (
                "89ABCDEF",
                "",
                "\
error: element 52 at offset 33: the message ends early
       PIN data: b 8, raw
   29  ** ** ** ** ** ** ** **
                               ^^ offset 37
help: expected b 8, raw; 4 bytes of it are there
",
            ),
            (
                "02005000",
                "0B005000",
                "\
error: offset 0: the MTI is not four digits
    0  0B ** ** ** ** ** ** **
       ^^ offset 0
help: expected four digits, bcd; is this the dialect, and does a length or a TPDU precede the message?
",
            ),
    ];

    #[test]
    fn what_a_rule_wants_is_told_and_the_rest_is_shown() {
        for (rule, wanted) in [
            ("mandatory 02xx 11", "error: element 11 at offset 41: the dialect wants this element"),
            ("forbidden 0200 52", "error: element 52 at offset 33: the dialect does not allow"),
        ] {
            let text = format!("dialect own\nextends iso87-bcd\n{rule}\n");
            let page = told_by(&Arc::new(Dialect::parse(&text).unwrap()), SALE, Style::default());
            assert!(!page.ok && page.text.contains(wanted), "{}", page.text);
            assert!(page.text.contains("4  amount, transaction: 000000001000\n"), "{}", page.text);
            assert!(!page.text.contains(" 01 23") && !page.text.contains("01 **"), "{}", page.text);
            assert!(page.text.contains("take it out of the dialect's `"), "{}", page.text);
        }
    }

    #[test]
    fn a_message_of_another_edition_is_noted() {
        let sale = told(SALE, Style::default());
        assert!(sale.ok && !sale.text.contains("note:"), "{}", sale.text);
        let other = told(&SALE.replacen("0200", "1200", 1), Style::default());
        let note = "note: this dialect is of 1987, whose MTIs begin with 0: its elements may mean";
        assert!(other.ok && other.text.contains(note), "{}", other.text);
    }

    /// A frame that is cut at a wrong place may begin with a card number.
    #[test]
    fn a_card_number_in_the_place_of_the_head_is_not_shown() {
        for (dialect, body) in [
            ("iso87-bcd", "54133300896041110000000000000012".to_owned()),
            ("iso2003-binary", "22213300896041110000000000000012".to_owned()),
            ("iso87-ascii", show::hex(b"5413330089604111=2912201000001234")),
            ("iso87-ascii-binary-bitmap", show::hex(b"5413330089604111=2912201000001234")),
        ] {
            let dialect = Arc::new(Dialect::shipped(dialect).unwrap());
            let line = told_by(&dialect, &body, Style::default());
            assert!(!line.ok, "{}", line.text);
            for piece in ["5413", "35 34", "54 13", "2221", "22 21", "33 00", "3300"] {
                assert!(!line.text.contains(piece), "{piece}: {}", line.text);
            }
            let open = told_by(&dialect, &body, Style { unmask: true, colours: false });
            assert!(
                open.text.contains("54 13")
                    || open.text.contains("22 21")
                    || open.text.contains("35"),
                "{}",
                open.text
            );
        }
    }

    #[test]
    fn a_fault_has_a_caret_below_it() {
        for (from, to, wanted) in FAULTS {
            assert!(SALE.contains(from));
            let page = told(&SALE.replacen(from, to, 1), Style::default());
            assert!(!page.ok);
            let fault = page.text.find("error:").and_then(|at| page.text.get(at..)).unwrap();
            assert_eq!(fault, format!("{wanted}{MASKED}\n"), "{}", page.text);
        }
        // What was read before it is told, but its value may be something else.
        let page = told(&SALE.replacen("89ABCDEF", "", 1), Style::default());
        assert!(page.text.contains("card acceptor terminal identification: <8 bytes>\n"));
        let style = Style { unmask: true, colours: false };
        let open = told(&SALE.replacen("89ABCDEF", "", 1), style).text;
        assert!(open.contains("identification: TERA0001\n") && !open.contains(MASKED), "{open}");
        assert!(open.contains("   29  30 30 30 31 01 23 45 67\n"), "{open}");
    }
}
