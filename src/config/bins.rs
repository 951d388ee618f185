//! `bins = "visa.csv"`: card ranges from files, a million lines of them, and where each range is written.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::read::{Section, Spot};
use super::report::{Fault, Faults, Source};
use crate::route::CardRange;

/// Card ranges in the order in which they were read, and the texts that they stand in.
pub(super) struct Places {
    /// The configuration is the first.
    sources: Vec<Arc<Source>>,
    pub(super) list: Vec<Placed>,
}

/// A card range, the rule that has it, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    pub(super) range: CardRange,
    pub(super) rule: u32,
    source: u32,
    start: u32,
    len: u32,
}

impl Places {
    pub(super) fn new(faults: &Faults) -> Self {
        Self { sources: vec![Arc::clone(faults.source())], list: Vec::new() }
    }

    /// A fault of a range, where it is written.
    pub(super) fn fault(&self, placed: &Placed, title: String) -> Option<Fault> {
        let source = self.sources.get(placed.source as usize)?;
        Some(Fault::new(source, placed.span(), title))
    }

    /// With where another range is written.
    pub(super) fn besides(&self, fault: Fault, placed: &Placed, label: &str) -> Fault {
        match self.sources.get(placed.source as usize) {
            Some(source) => fault.beside(source, placed.span(), label),
            None => fault,
        }
    }

    /// The range as it is written, with the key that it is a value of.
    pub(super) fn written(&self, placed: &Placed) -> String {
        let source = self.sources.get(placed.source as usize);
        let text = source.and_then(|source| source.text.get(placed.span())).unwrap_or_default();
        if placed.is_in_file() { format!("`bins` {text:?}") } else { format!("`bin` {text}") }
    }
}

impl Placed {
    pub(super) fn new(range: CardRange, rule: u32, source: u32, span: &Range<usize>) -> Self {
        let short = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { range, rule, source, start: short(span.start), len: short(span.len()) }
    }

    pub(super) const fn is_in_file(&self) -> bool {
        self.source != 0
    }

    const fn span(&self) -> Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }
}

/// The ranges of one file, which a rule names.
pub(super) fn read(
    section: &Section<'_>,
    file: &Spot<&str>,
    (home, rule): (&Path, u32),
    places: &mut Places,
    cards: &mut Vec<CardRange>,
) {
    let path = home.join(file.value);
    let told = |title: &str, label: String, help: &str| {
        let fault = section.faults().at(file.span.clone(), title);
        section.faults().tell(fault.label(label).help(help));
    };
    let text = match open(&path) {
        Ok(text) => text,
        Err(fault) => {
            let help = "a file of lines like 400000,499999 or 541333; a relative path begins where the configuration lies";
            return told("`bins` names a file that cannot be read", fault.to_string(), help);
        }
    };
    let source = Arc::new(Source { name: path.display().to_string(), text });
    let number = u32::try_from(places.sources.len()).unwrap_or(u32::MAX);
    places.sources.push(Arc::clone(&source));
    let before = (cards.len(), section.faults().count());
    let lines = source.text.len() / 16;
    places.list.reserve(lines);
    cards.reserve(lines);
    each_range(&source, section.faults(), |range, span| {
        cards.push(range);
        places.list.push(Placed::new(range, rule, number, &span));
    });
    if before == (cards.len(), section.faults().count()) {
        let help = "without any the route would take no card: add some, or take the route out";
        told("`bins` names a file without card ranges", format!("{} has none", source.name), help);
    }
}

/// The whole of a text file, as far as there is memory for it.
fn open(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let len = file.metadata()?.len().min(BYTES_MAX);
    let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default() + 1);
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if BYTES_MAX < bytes.len() as u64 {
        return Err(io::Error::other("it is larger than 256 MiB"));
    }
    String::from_utf8(bytes).map_err(|fault| {
        let at = fault.utf8_error().valid_up_to();
        let before = fault.as_bytes().get(..at).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        io::Error::other(format!("it is not text in UTF-8: see its line {line}"))
    })
}

/// Eight million ranges, written at length.
const BYTES_MAX: u64 = 256 << 20;

/// Each range and where it stands; lines that are none are told, as many as are told at all.
fn each_range(
    source: &Arc<Source>,
    faults: &Faults,
    mut each: impl FnMut(CardRange, Range<usize>),
) {
    let (mut start, mut first) = (0, true);
    for line in source.text.split_inclusive('\n') {
        let span = content(source.text.as_bytes(), start..start + line.len());
        // Some editors put a mark before the text.
        let span =
            if start == 0 && line.starts_with('\u{feff}') { 3..span.end.max(3) } else { span };
        start += line.len();
        if span.is_empty() {
            continue;
        }
        let is_head = std::mem::take(&mut first) && is_head(&source.text, &span);
        if is_head {
            continue;
        }
        match range(source, span.clone()) {
            Ok(range) => each(range, span),
            Err(fault) => faults.tell(*fault),
        }
        if faults.is_full() {
            return;
        }
    }
}

/// Whether the first line names columns.
fn is_head(text: &str, span: &Range<usize>) -> bool {
    let line = text.get(span.clone()).unwrap_or_default();
    line.trim_start_matches(['"', ' ']).starts_with(|first: char| first.is_alphabetic())
}

/// A line without what is said about it, and without blanks at its ends.
fn content(text: &[u8], span: Range<usize>) -> Range<usize> {
    let line = text.get(span.clone()).unwrap_or_default();
    let end = line.iter().position(|byte| *byte == b'#').unwrap_or(line.len());
    trimmed(text, span.start..span.start + end)
}

fn trimmed(text: &[u8], span: Range<usize>) -> Range<usize> {
    let bytes = text.get(span.clone()).unwrap_or_default();
    let kept = bytes.trim_ascii_start();
    let start = span.start + bytes.len() - kept.len();
    start..start + kept.trim_ascii_end().len()
}

/// `first,last` or a prefix alone.
fn range(source: &Arc<Source>, line: Range<usize>) -> Result<CardRange, Box<Fault>> {
    let text = source.text.as_bytes();
    let bytes = text.get(line.clone()).unwrap_or_default();
    let comma = bytes.iter().position(|byte| *byte == b',').map(|at| line.start + at);
    let (first, last) = match comma {
        None => (cell(text, line.clone()), None),
        Some(at) => (cell(text, line.start..at), Some(cell(text, at + 1..line.end))),
    };
    let digits = |span: &Range<usize>| text.get(span.clone()).unwrap_or_default();
    let found = CardRange::between(digits(&first), digits(last.as_ref().unwrap_or(&first)));
    found.map_err(|fault| {
        let good = |span: &Range<usize>| {
            (1..=19).contains(&span.len()) && digits(span).iter().all(u8::is_ascii_digit)
        };
        // The cell that is to blame.
        let bad = if good(&first) { last.unwrap_or(first) } else { first };
        let at = if bad.is_empty() { line } else { bad };
        let told = Fault::new(source, at, String::from("this is no card range"));
        let told = told.label(fault.to_string().replace('-', ","));
        Box::new(told.help(HELP))
    })
}

const HELP: &str = "a line has a prefix, or a first and a last with a comma between, and nothing else; a comment begins with #";

/// A cell without blanks and quotes around it.
fn cell(text: &[u8], span: Range<usize>) -> Range<usize> {
    let span = trimmed(text, span);
    match text.get(span.clone()) {
        Some([b'"', .., b'"']) => span.start + 1..span.end - 1,
        _ => span,
    }
}
