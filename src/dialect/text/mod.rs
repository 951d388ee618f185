//! The text of a dialect, line by line; finds everything that is wrong in one pass.

mod columns;
mod inside;
mod word;

use super::fault::meant;
use super::step;
use super::{
    Alphabet, BitmapCoding, Class, Contents, Dialect, Fault, Form, Layout, MtiCoding, MtiPattern,
    Row, Rule, Second, Third, Version,
};
use crate::iso::{ElementNo, ElementSet, ResponseCode};

use self::columns::{NEVER_KEPT, columns, impossible};
use self::word::{Word, Words, words};

/// The words that a line may begin with, besides an element's number.
const HEADERS: [&str; 15] = [
    "dialect",
    "extends",
    "version",
    "mti",
    "bitmap",
    "second",
    "third",
    "contents",
    "echo",
    "approve",
    "accept",
    "retry",
    "mandatory",
    "forbidden",
    "parts",
];

/// Those that may stand several times, each for something else.
const REPEATED: [&str; 3] = ["mandatory", "forbidden", "parts"];

/// How many faults are told.
const FAULTS_MAX: usize = 100;

/// The longest name of a dialect.
const NAME_LEN_MAX: usize = 64;

/// How many lines may say what messages must or may not have: each message is held against all of them.
const RULES_MAX: usize = 1000;

/// Parses and checks a whole text.
pub(super) fn parse(text: &str) -> Result<Dialect, Vec<Fault>> {
    let mut reader = Reader::default();
    let mut offset = 0;
    for (at, line) in text.split('\n').enumerate() {
        if FAULTS_MAX <= reader.faults.len() {
            let word = Word { line: at + 1, column: 1, offset, ..Word::default() };
            let message = format!("{FAULTS_MAX} faults and more: the file was read up to here");
            reader.faults.push(word.fault(message, None));
            return Err(reader.faults);
        }
        let words = words(line, at + 1, offset);
        offset += line.len() + 1;
        if let [first, rest @ ..] = words.as_slice() {
            let mut rest = Words { last: *first, rest };
            if first.text.starts_with(|letter: char| letter.is_ascii_digit()) {
                if first.text.contains('.') {
                    reader.insides.row(*first, &mut rest, &mut reader.faults);
                } else {
                    reader.row(*first, &mut rest);
                }
            } else {
                reader.header(*first, &mut rest);
            }
        }
    }
    reader.finish()
}

/// What was read so far.
#[derive(Default)]
struct Reader<'a> {
    faults: Vec<Fault>,
    seen: Vec<(&'static str, Word<'a>)>,
    name: Option<&'a str>,
    base: Option<Dialect>,
    version: Option<Version>,
    mti: Option<MtiCoding>,
    bitmap: Option<BitmapCoding>,
    second: Option<Second>,
    third: Option<Third>,
    contents: Option<Contents>,
    echo: Option<Vec<(ElementNo, Word<'a>)>>,
    approve: Option<Vec<ResponseCode>>,
    accept: Option<Vec<ResponseCode>>,
    retry: Option<Vec<ResponseCode>>,
    rules: Vec<Rule>,
    rows: Vec<(ElementNo, Word<'a>, Row)>,
    /// The elements whose rows have faults.
    torn: ElementSet,
    insides: inside::Lines<'a>,
}

impl<'a> Reader<'a> {
    fn header(&mut self, first: Word<'a>, rest: &mut Words<'a, '_>) {
        let Some(header) = HEADERS.iter().find(|header| **header == first.text) else {
            let help = meant(first.text, &HEADERS);
            self.faults.push(first.fault(format!("unknown word \"{}\"", first.text), Some(help)));
            return;
        };
        if !REPEATED.contains(header) {
            if let Some((_, before)) = self.seen.iter().find(|(seen, _)| seen == header) {
                let message =
                    format!("\"{header}\" a second time; the first is on line {}", before.line);
                self.faults.push(first.fault(message, None));
                return;
            }
            self.seen.push((header, first));
        }
        let read = match *header {
            "dialect" => self.name(rest),
            "extends" => self.extends(rest),
            "mandatory" => self.rule(rest, true),
            "forbidden" => self.rule(rest, false),
            "parts" => self.insides.line(rest),
            _ => self.coding(header, rest),
        };
        if let Err(fault) = read.and_then(|()| rest.end()) {
            self.faults.push(fault);
        }
    }

    /// A header that says how all messages are written, or what their response codes mean.
    fn coding(&mut self, header: &str, rest: &mut Words<'a, '_>) -> Result<(), Fault> {
        match header {
            "version" => rest
                .choose(
                    "a version of ISO 8583",
                    &[
                        ("1987", Version::Of1987),
                        ("1993", Version::Of1993),
                        ("2003", Version::Of2003),
                    ],
                )
                .map(|version| self.version = Some(version)),
            "mti" => rest
                .choose(
                    "an MTI coding",
                    &[
                        ("ascii", MtiCoding::Ascii),
                        ("bcd", MtiCoding::Bcd),
                        ("ebcdic", MtiCoding::Ebcdic),
                    ],
                )
                .map(|mti| self.mti = Some(mti)),
            "bitmap" => rest
                .choose(
                    "a bitmap coding",
                    &[
                        ("binary", BitmapCoding::Binary),
                        ("hex", BitmapCoding::Hex(Alphabet::Ascii)),
                        ("hex-ebcdic", BitmapCoding::Hex(Alphabet::Ebcdic)),
                    ],
                )
                .map(|bitmap| self.bitmap = Some(bitmap)),
            "second" => rest
                .choose(
                    "a rule",
                    &[
                        ("as-needed", Second::AsNeeded),
                        ("always", Second::Always),
                        ("fixed", Second::Fixed),
                        ("never", Second::Never),
                    ],
                )
                .map(|second| self.second = Some(second)),
            "third" => rest
                .choose(
                    "a rule",
                    &[
                        ("refused", Third::Refused),
                        ("element", Third::Element),
                        ("contiguous", Third::Contiguous),
                    ],
                )
                .map(|third| self.third = Some(third)),
            "contents" => rest
                .choose(
                    "a rule",
                    &[("checked", Contents::Checked), ("unchecked", Contents::Unchecked)],
                )
                .map(|contents| self.contents = Some(contents)),
            "echo" => numbers(rest).map(|echo| self.echo = Some(echo)),
            "approve" => codes(rest).map(|codes| self.approve = Some(codes)),
            "accept" => codes(rest).map(|codes| self.accept = Some(codes)),
            _ => codes(rest).map(|codes| self.retry = Some(codes)),
        }
    }

    /// What messages of some MTIs must have, or may not have.
    fn rule(&mut self, rest: &mut Words<'a, '_>, mandatory: bool) -> Result<(), Fault> {
        let word = rest.next().ok_or_else(|| rest.missing("an MTI"))?;
        let pattern = MtiPattern::parse(word.text).ok_or_else(|| {
            let message = format!("\"{}\" is not four digits of an MTI", word.text);
            word.fault(message, Some("x stands for any digit, e.g. 02x0".to_owned()))
        })?;
        if self.rules.iter().any(|rule| rule.is(pattern, mandatory)) {
            let message = format!("a second such line for {}", word.text);
            return Err(word.fault(message, Some("one line with all elements".to_owned())));
        }
        if self.rules.len() == RULES_MAX {
            let message =
                format!("more than {RULES_MAX} lines of what messages must or may not have");
            return Err(word.fault(message, Some("x in an MTI stands for any digit".to_owned())));
        }
        let elements = numbers(rest)?.iter().map(|(no, _)| *no).collect();
        self.rules.push(Rule { pattern, mandatory, elements });
        Ok(())
    }

    fn name(&mut self, rest: &mut Words<'a, '_>) -> Result<(), Fault> {
        let name = rest.next().ok_or_else(|| rest.missing("the dialect's name"))?;
        // People see it on their terminals, and files and links are called by it.
        let plain =
            |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if NAME_LEN_MAX < name.text.len() || !name.text.chars().all(plain) {
            let message = "this is no name of a dialect".to_owned();
            let help = format!("up to {NAME_LEN_MAX} letters, digits, `-`, `_` and `.`");
            return Err(name.fault(message, Some(help)));
        }
        self.name = Some(name.text);
        Ok(())
    }

    fn extends(&mut self, rest: &mut Words<'a, '_>) -> Result<(), Fault> {
        let base = rest
            .next()
            .ok_or_else(|| rest.missing("the name of the dialect that this one extends"))?;
        // A dialect cannot be its own foundation, nor that of one that it extends.
        if self.name == Some(base.text) {
            return Err(base.fault("a dialect cannot extend itself", None));
        }
        let dialect = Dialect::shipped(base.text).ok_or_else(|| {
            let help = meant(base.text, Dialect::shipped_names());
            base.fault(format!("no dialect \"{}\" comes with the program", base.text), Some(help))
        })?;
        self.base = Some(dialect);
        Ok(())
    }

    fn row(&mut self, first: Word<'a>, rest: &mut Words<'a, '_>) {
        let no = first.text.parse().ok().and_then(|no| ElementNo::new(no).ok());
        let Some(no) = no else {
            let message = format!("\"{}\" is not an element number from 2 to 192", first.text);
            self.faults.push(first.fault(message, None));
            return;
        };
        if let Some((_, before, _)) = self.rows.iter().find(|(seen, _, _)| *seen == no) {
            let message =
                format!("element {no} a second time; the first is on line {}", before.line);
            self.faults.push(first.fault(message, Some("one row an element".to_owned())));
        }
        match columns(rest, false) {
            Ok((row, at)) => {
                impossible(&row, at, &mut self.faults);
                if row.class == Class::Keep && NEVER_KEPT.has(no) {
                    let message = format!("element {no} may not be stored, not even encrypted");
                    let help = Some("the class `sensitive` instead of `keep`".to_owned());
                    self.faults.push(at.content.fault(message, help));
                }
                self.rows.push((no, first, row));
            }
            Err(fault) => {
                self.torn = self.torn.with(no);
                self.faults.push(fault);
            }
        }
    }

    /// Whether there is such a line, good or not.
    fn has(&self, header: &str) -> bool {
        self.seen.iter().any(|(seen, _)| *seen == header)
    }

    /// The dialect, once everything has been read; or all faults.
    fn finish(mut self) -> Result<Dialect, Vec<Fault>> {
        let base = self.base.take();
        // Where one of these lines is wrong, what follows from its lack is no fault of its own.
        let torn = self.has("extends") && base.is_none();
        let torn_bitmaps = self.has("second") && self.second.is_none()
            || self.has("third") && self.third.is_none();
        self.tell_missing(base.is_some() || torn);
        if torn {
            return Err(in_order(self.faults));
        }
        let mut dialect = base.unwrap_or_else(|| Dialect {
            name: String::new(),
            version: Version::Of1987,
            mti: MtiCoding::Ascii,
            bitmap: BitmapCoding::Binary,
            second: Second::AsNeeded,
            third: Third::Refused,
            contents: Contents::Checked,
            echo: ElementSet::EMPTY,
            keeps: ElementSet::EMPTY,
            defined: ElementSet::EMPTY,
            approve: Vec::new(),
            accept: Vec::new(),
            retry: Vec::new(),
            rules: Vec::new(),
            rows: Vec::new(),
            insides: Vec::new(),
            layouts: [None; ElementNo::MAX as usize + 1],
            steps: [[step::UNKNOWN; 64]; 3],
            unseen: ElementSet::EMPTY,
            packed: ElementSet::EMPTY,
        });
        self.name.unwrap_or_default().clone_into(&mut dialect.name);
        dialect.version = self.version.unwrap_or(dialect.version);
        dialect.mti = self.mti.unwrap_or(dialect.mti);
        dialect.bitmap = self.bitmap.unwrap_or(dialect.bitmap);
        dialect.second = self.second.unwrap_or(dialect.second);
        dialect.approve = self.approve.unwrap_or(dialect.approve);
        dialect.accept = self.accept.unwrap_or(dialect.accept);
        dialect.retry = self.retry.unwrap_or(dialect.retry);
        dialect.third = self.third.unwrap_or(dialect.third);
        dialect.contents = self.contents.unwrap_or(dialect.contents);
        if !torn_bitmaps {
            self.faults.extend(beyond_bitmaps(&dialect, &self.rows, &self.seen));
        }
        for (no, _, row) in self.rows {
            put(&mut dialect.rows, no, row);
        }
        flatten(&mut dialect);
        for rule in self.rules {
            dialect.rules.retain(|old| !old.is(rule.pattern, rule.mandatory));
            dialect.rules.push(rule);
        }
        self.insides.finish(&mut dialect, &mut self.faults);
        if let Some(echo) = self.echo {
            let missing = |no: ElementNo| !dialect.defined.has(no) && !self.torn.has(no);
            for (_, word) in echo.iter().filter(|(no, _)| missing(*no) && !torn_bitmaps) {
                let message = format!("element {} has no row", word.text);
                self.faults.push(
                    word.fault(message, Some("give it a row, or leave it out here".to_owned())),
                );
            }
            dialect.echo = echo.iter().map(|(no, _)| *no).collect();
        }
        if self.faults.is_empty() { Ok(dialect) } else { Err(in_order(self.faults)) }
    }

    /// The lines that no file can do without, or none that extends no other.
    fn tell_missing(&mut self, extends: bool) {
        for header in ["dialect", "mti", "bitmap", "echo", "approve", "accept", "retry"] {
            if !self.has(header) && (!extends || header == "dialect") {
                let help = format!("begin the file with a line like: {}", example(header));
                self.faults.push(
                    Word { line: 1, column: 1, ..Word::default() }
                        .fault(format!("no line \"{header}\""), Some(help)),
                );
            }
        }
    }
}

/// Faults as they stand in the file.
fn in_order(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| (fault.line, fault.column));
    faults
}

/// The element that some networks use as their third bitmap.
const EXTENDED: ElementNo = ElementNo::of(65);

/// Elements that are given a row, or a third bitmap, where no bitmap announces them.
fn beyond_bitmaps(
    dialect: &Dialect,
    rows: &[(ElementNo, Word<'_>, Row)],
    seen: &[(&str, Word<'_>)],
) -> Option<Fault> {
    let contiguous = dialect.third == Third::Contiguous;
    if contiguous && dialect.second == Second::Never {
        let (_, word) = seen.iter().rfind(|(header, _)| matches!(*header, "second" | "third"))?;
        let help = "\"second never\" and \"third contiguous\" exclude each other";
        return Some(word.fault("a third bitmap follows a second one", Some(help.to_owned())));
    }
    // A row of 65 from the dialect that this one extends is for those who want it; one in this file would never be used.
    if let Some((_, word, _)) = rows.iter().find(|(no, ..)| *no == EXTENDED).filter(|_| contiguous)
    {
        let help = "take the row out, or write `third element`".to_owned();
        let message = "element 65 is the third bitmap, as `third contiguous` says";
        return Some(word.fault(message, Some(help)));
    }
    let (no, word, _) = rows.iter().find(|(no, ..)| 128 < no.get()).filter(|_| !contiguous)?;
    let help = Some("`third contiguous` says that there is one".to_owned());
    Some(word.fault(format!("element {no} is announced by a third bitmap"), help))
}

/// Puts an element's row among the others, in the place of the one that it had.
fn put(rows: &mut Vec<(ElementNo, Row)>, no: ElementNo, row: Row) {
    match rows.binary_search_by_key(&no, |(no, _)| *no) {
        Ok(at) => {
            if let Some(old) = rows.get_mut(at) {
                *old = (no, row);
            }
        }
        Err(at) => rows.insert(at, (no, row)),
    }
}

/// Fills what the codec and the switch ask for from the rows.
fn flatten(dialect: &mut Dialect) {
    dialect.layouts = [None; ElementNo::MAX as usize + 1];
    dialect.steps = [[step::UNKNOWN; 64]; 3];
    (dialect.unseen, dialect.packed) = (ElementSet::EMPTY, ElementSet::EMPTY);
    dialect.defined = ElementSet::EMPTY;
    dialect.keeps = ElementSet::EMPTY;
    for (no, row) in &dialect.rows {
        let beyond = match no.get() {
            65.. if dialect.second == Second::Never => true,
            65 => dialect.third != Third::Element,
            129.. => dialect.third != Third::Contiguous,
            _ => false,
        };
        if beyond {
            continue;
        }
        if let Some(layout) = dialect.layouts.get_mut(usize::from(no.get())) {
            *layout = row.layout();
        }
        // The books add up amounts by currency.
        let added_up = matches!(*no, ElementNo::AMOUNT | ElementNo::CURRENCY);
        let checked = dialect.contents == Contents::Checked || added_up;
        let step = if checked { Layout::step } else { Layout::step_unchecked };
        let step = row.layout().map_or(step::UNKNOWN, step);
        if let Some(entry) = dialect.steps.as_flattened_mut().get_mut(usize::from(no.get()) - 1) {
            *entry = step;
        }
        let looked_at = |layout: &Layout| checked || layout.misleads();
        if row.layout().filter(looked_at).is_some_and(Layout::is_unseen) {
            dialect.unseen = dialect.unseen.with(*no);
        }
        let longer =
            |layout: &Layout| layout.form.is_packed() || matches!(layout.form, Form::Zoned(_));
        if row.layout().as_ref().is_some_and(longer) {
            dialect.packed = dialect.packed.with(*no);
        }
        dialect.defined = dialect.defined.with(*no);
        if row.class == Class::Keep {
            dialect.keeps = dialect.keeps.with(*no);
        }
    }
}

/// Numbers of elements, at least one.
fn numbers<'a>(rest: &mut Words<'a, '_>) -> Result<Vec<(ElementNo, Word<'a>)>, Fault> {
    let mut numbers = Vec::new();
    while let Some(word) = rest.next() {
        let no = word.text.parse().ok().and_then(|no| ElementNo::new(no).ok());
        let no = no.ok_or_else(|| {
            word.fault(format!("\"{}\" is not an element number from 2 to 192", word.text), None)
        })?;
        numbers.push((no, word));
    }
    if numbers.is_empty() { Err(rest.missing("the number of an element")) } else { Ok(numbers) }
}

/// Response codes, at least one.
fn codes(rest: &mut Words<'_, '_>) -> Result<Vec<ResponseCode>, Fault> {
    let mut codes = Vec::new();
    while let Some(word) = rest.next() {
        let code = ResponseCode::new(word.text.as_bytes());
        codes
            .push(code.map_err(|fault| word.fault(format!("\"{}\" is {fault}", word.text), None))?);
    }
    if codes.is_empty() { Err(rest.missing("a response code")) } else { Ok(codes) }
}

/// What a header line looks like.
fn example(header: &str) -> &'static str {
    match header {
        "dialect" => "dialect my-network",
        "mti" => "mti ascii",
        "bitmap" => "bitmap binary",
        "echo" => "echo 2 3 4 7 11 12 13 32 37 41 42 49",
        "approve" => "approve 00 08 10 11",
        "accept" => "accept 00",
        _ => "retry 19 91 96",
    }
}

#[cfg(test)]
mod tests;
