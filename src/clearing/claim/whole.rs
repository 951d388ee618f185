//! A whole file of claims, record by record as its bytes come: its shape, its header, its trailer, its sums. Remembers no record.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::fields::{COLUMNS, Control, Count, Fields, NoRecord, amount_of, for_each_cell};
use super::{Claim, Op};
use crate::iso::looks_like_a_card;

/// What a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes.
    pub bytes_max: u64,
    /// How many records, header and trailer included.
    pub records_max: u64,
    /// Whether files are meant; else they are tests.
    pub live: bool,
}

/// The first record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The merchant's own name for the file.
    pub file: String,
    /// Whose file it is; none where its records say it.
    pub merchant: Option<String>,
}

/// The last record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// How many records, header and trailer included.
    pub records: u64,
    /// The sum of all amounts, whatever they are for and in whichever currency.
    pub amount: i128,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The first.
    Head(Head),
    /// What is claimed.
    Claim(Box<Claim>),
    /// The last.
    Tail(Tail),
}

/// Why a whole file is refused. Shows no card number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: expected {expected}{}", of(*.field), but(got))]
pub struct FileFault {
    /// The line on which the record begins.
    pub line: u64,
    /// In which field.
    pub field: Option<&'static str>,
    /// What should be there.
    pub expected: String,
    /// What is there, as far as that may be shown.
    pub got: String,
}

fn of(field: Option<&str>) -> String {
    field.map(|field| format!(", {field}")).unwrap_or_default()
}

fn but(got: &str) -> String {
    if got.is_empty() { String::new() } else { format!(", got {got}") }
}

/// No line of a file is longer, in bytes.
const LINE_LEN_MAX: usize = 16_384;

/// What a file may begin with before its first character.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file on its way in: bytes are fed, and records come out.
pub struct Intake {
    limits: Limits,
    buffer: Vec<u8>,
    /// Where in the buffer the next record begins, and how far its end was looked for.
    begins: usize,
    looked: usize,
    /// Whether what was looked at last is within quotes.
    quoted: bool,
    bytes: u64,
    closed: bool,
    /// The line on which the next record begins.
    line: u64,
    form: Option<Form>,
    file: Option<String>,
    is_over: bool,
    sums: Sums,
}

/// How records are written.
enum Form {
    /// CSV, with the columns that the header row names.
    Csv(Option<Vec<&'static str>>),
    /// JSON Lines.
    Json,
}

#[derive(Default)]
struct Sums {
    records: u64,
    amount: i128,
    /// By currency, as the records write it.
    control: BTreeMap<String, Control>,
}

impl Intake {
    /// Of a file that may be so large.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            begins: 0,
            looked: 0,
            quoted: false,
            bytes: 0,
            closed: false,
            line: 1,
            form: None,
            file: None,
            is_over: false,
            sums: Sums::default(),
        }
    }

    /// The next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.begins.min(self.buffer.len()));
        self.looked -= self.begins;
        self.begins = 0;
        self.buffer.extend_from_slice(bytes);
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// There are no more bytes.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// The next record; none when more bytes are needed, or, of a closed file, when it was all of it.
    pub fn next_record(&mut self) -> Result<Option<Line>, FileFault> {
        if self.bytes > self.limits.bytes_max {
            let expected = format!("no more than {} bytes", self.limits.bytes_max);
            return Err(self.fault(None, expected, ""));
        }
        while let Some((end, next)) = self.find_end()? {
            let buffer = std::mem::take(&mut self.buffer);
            let line = buffer.get(self.begins..end).unwrap_or_default();
            let lines = line.split(|byte| *byte == b'\n').count();
            let read = self.read(line);
            self.buffer = buffer;
            (self.begins, self.looked) = (next, next);
            self.line = self.line.saturating_add(u64::try_from(lines).unwrap_or(1));
            if let Some(line) = read? {
                return Ok(Some(line));
            }
        }
        if self.closed && !self.is_over {
            return Err(self.fault(
                Some("type"),
                "a trailer, T, as the last record",
                "the end of the file",
            ));
        }
        Ok(None)
    }

    /// Where the next record ends, and where the one behind it begins.
    fn find_end(&mut self) -> Result<Option<(usize, usize)>, FileFault> {
        let rest = self.buffer.get(self.looked..).unwrap_or_default();
        // In JSON a line break cannot be within a text.
        let quotes = !matches!(self.form, Some(Form::Json));
        for (at, byte) in rest.iter().enumerate() {
            let at = self.looked + at;
            match byte {
                b'"' if quotes && !self.is_json_so_far(at) => self.quoted = !self.quoted,
                b'\n' if !self.quoted => return Ok(Some((at, at + 1))),
                _ if at - self.begins >= LINE_LEN_MAX => {
                    self.looked = at;
                    let expected = "a record of no more than 16384 bytes; is a quote not closed?";
                    return Err(self.fault(None, expected, ""));
                }
                _ => {}
            }
        }
        self.looked = self.buffer.len();
        let whole = self.closed && self.begins < self.looked;
        if whole && self.quoted {
            return Err(self.fault(None, "a quote that closes the field", "the end of the file"));
        }
        Ok(whole.then_some((self.looked, self.looked)))
    }

    /// Whether the first line, of which nothing is known yet, is JSON.
    fn is_json_so_far(&self, at: usize) -> bool {
        self.form.is_none()
            && self.buffer.get(self.begins..at).is_some_and(|line| {
                let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
                line.trim_ascii_start().starts_with(b"{")
            })
    }

    fn read(&mut self, line: &[u8]) -> Result<Option<Line>, FileFault> {
        let first = self.form.is_none();
        let line = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| first).unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            return Err(self.fault(None, "UTF-8", "bytes that are none"));
        };
        if text.trim().is_empty() {
            return Ok(None);
        }
        if first {
            let json = text.trim_start().starts_with('{');
            self.form = Some(if json { Form::Json } else { Form::Csv(None) });
        }
        let fields = match &self.form {
            Some(Form::Csv(None)) => {
                let columns = self.header_row(text)?;
                self.form = Some(Form::Csv(Some(columns)));
                return Ok(None);
            }
            Some(Form::Csv(Some(columns))) => Fields::csv(text, columns),
            Some(Form::Json) | None => Fields::json(text),
        };
        let fields = fields.map_err(|fault| self.no_record(fault))?;
        self.record(fields).map(Some)
    }

    fn record(&mut self, fields: Fields<'_>) -> Result<Line, FileFault> {
        if let Some(column) = fields.card() {
            let expected =
                "no card number in clear: digits 13 to 19 long whose last is their check digit";
            return Err(self.fault(Some(column), expected, ""));
        }
        if self.is_over {
            return Err(self.fault(Some("type"), "nothing behind the trailer", "another record"));
        }
        self.sums.records += 1;
        if self.sums.records > self.limits.records_max {
            let expected = format!("no more than {} records", self.limits.records_max);
            return Err(self.fault(None, expected, ""));
        }
        let seq = fields.seq.parse::<u64>().ok();
        if seq != Some(self.sums.records) {
            let expected = format!("{}: records are numbered from 1 on", self.sums.records);
            return Err(self.fault(Some("seq"), expected, &fields.seq));
        }
        match (&*fields.kind, self.file.is_some()) {
            ("H", false) => self.head(&fields),
            ("D", true) => self.detail(fields),
            ("T", true) => self.tail(&fields),
            (kind, begun) => {
                let expected =
                    if begun { "D, or T as the last record" } else { "H as the first record" };
                Err(self.fault(Some("type"), expected, kind))
            }
        }
    }

    fn head(&mut self, fields: &Fields<'_>) -> Result<Line, FileFault> {
        let file = &*fields.reference;
        if file.is_empty() || file.len() > 64 || file.chars().any(char::is_control) {
            let expected = "the file's id, up to 64 bytes, in the header";
            return Err(self.fault(Some("capture_ref"), expected, ""));
        }
        let ours = if self.limits.live { "live" } else { "test" };
        if !fields.op.is_empty() && fields.op != ours {
            let expected = format!("{ours}, or nothing: `production` in [clearing] says which");
            return Err(self.fault(Some("op"), expected, &fields.op));
        }
        if fields.merchant.len() > 64 || fields.merchant.chars().any(char::is_control) {
            return Err(self.fault(Some("merchant_id"), "up to 64 bytes", ""));
        }
        self.file = Some(file.to_owned());
        let merchant = (!fields.merchant.is_empty()).then(|| fields.merchant.clone().into_owned());
        Ok(Line::Head(Head { file: file.to_owned(), merchant }))
    }

    fn detail(&mut self, fields: Fields<'_>) -> Result<Line, FileFault> {
        // Without its amount there is no telling whether the trailer is right.
        let Some(amount) = amount_of(&fields.amount) else {
            let expected = "up to twelve digits of minor units";
            return Err(self.fault(Some("amount"), expected, &fields.amount));
        };
        let claim = fields.claim((self.sums.records, self.line), amount);
        self.sums.amount += i128::from(amount);
        if matches!(self.form, Some(Form::Json)) {
            let control = match self.sums.control.get_mut(&claim.currency) {
                Some(control) => control,
                None => self.sums.control.entry(claim.currency.clone()).or_default(),
            };
            let refund = Op::of(&claim.op) == Some(Op::Refund);
            let count = if refund { &mut control.refunds } else { &mut control.captures };
            *count = Count { n: count.n + 1, amt: count.amt + i128::from(amount) };
        }
        Ok(Line::Claim(Box::new(claim)))
    }

    fn tail(&mut self, fields: &Fields<'_>) -> Result<Line, FileFault> {
        if self.file.as_deref() != Some(&*fields.reference) {
            let expected = "the file's id, as in the header";
            return Err(self.fault(Some("capture_ref"), expected, &fields.reference));
        }
        let told = fields.amount.parse::<u64>().ok().map(i128::from);
        if told != Some(self.sums.amount) {
            let expected = format!("{}, the sum of all amounts", self.sums.amount);
            return Err(self.fault(Some("amount"), expected, &fields.amount));
        }
        if let Some(control) = &fields.control
            && *control != self.sums.control
        {
            let expected = "the counts and sums of captures and of refunds in each currency";
            return Err(self.fault(Some("control"), expected, "others"));
        }
        self.is_over = true;
        Ok(Line::Tail(Tail { records: self.sums.records, amount: self.sums.amount }))
    }

    /// The columns that the first row names, in any order.
    fn header_row(&self, text: &str) -> Result<Vec<&'static str>, FileFault> {
        let mut columns = Vec::with_capacity(COLUMNS.len());
        let mut other = None;
        let mut column = |cell: Cow<'_, str>| {
            let known = COLUMNS.iter().copied().find(|column| *column == cell.trim());
            match known.filter(|column| !columns.contains(column)) {
                Some(fresh) => columns.push(fresh),
                None => drop(other.get_or_insert_with(|| cell.into_owned())),
            }
            Ok(())
        };
        for_each_cell(text, &mut column).map_err(|fault| self.no_record(fault))?;
        if let Some(other) = other {
            let expected = "a header row with the columns of capture-1, each once";
            return Err(self.fault(None, expected, &other));
        }
        for needed in ["type", "seq", "op", "capture_ref", "amount", "currency"] {
            if !columns.contains(&needed) {
                return Err(self.fault(Some(needed), "this column in the header row", ""));
            }
        }
        Ok(columns)
    }

    fn no_record(&self, fault: NoRecord) -> FileFault {
        self.fault(fault.field, fault.expected, "")
    }

    fn fault(
        &self,
        field: Option<&'static str>,
        expected: impl Into<String>,
        got: &str,
    ) -> FileFault {
        // No card's number in a log or a report, not even one with a wrong digit.
        let got = if looks_like_a_card(got) { "" } else { got };
        let got: String = got.chars().take(32).filter(|char| !char.is_control()).collect();
        FileFault { line: self.line, field, expected: expected.into(), got }
    }
}

/// What a fuzzer attacks: bytes in pieces of any length say what they say as a whole, or are refused; the first byte is the length.
#[doc(hidden)]
pub fn fuzz_claims(data: &[u8]) {
    let Some((piece, bytes)) = data.split_first() else { return };
    let read = |piece: usize| {
        let limits = Limits { bytes_max: u64::MAX, records_max: u64::MAX, live: true };
        let mut intake = Intake::new(limits);
        let mut lines = Vec::new();
        for piece in bytes.chunks(piece.max(1)).map(Some).chain([None]) {
            match piece {
                Some(piece) => intake.feed(piece),
                None => intake.close(),
            }
            while let Some(line) = intake.next_record()? {
                lines.push(line);
            }
        }
        Ok::<_, FileFault>(lines)
    };
    let whole = read(bytes.len());
    assert_eq!(whole, read(usize::from(*piece)));
    if let Ok(lines) = whole {
        assert!(matches!(lines.first(), Some(Line::Head(_))));
        assert!(
            matches!(lines.last(), Some(Line::Tail(tail)) if usize::try_from(tail.records) == Ok(lines.len()))
        );
    }
}
