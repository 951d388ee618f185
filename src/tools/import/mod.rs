//! Other products' packager files as dialects: what is the same for all of them. Knows no product's notation.
//!
//! A file is read as a whole: either it is none, and all of its faults are told; or it becomes the text of a dialect that
//! parses, and a remark says of each thing that could not be taken over why, and what to do about it.

mod fit;
mod jpos;
mod jpos_class;
mod jpos_parts;
mod json;
mod moov;
mod moov_parts;
mod parts;
mod place;
mod pyiso8583;
mod secret;

use std::collections::BTreeMap;
use std::ops::Range;

use super::sheet::Sheet;
use crate::dialect::{
    BitmapCoding, Contents, Dialect, Fault, Inside, MtiCoding, Row, Second, Third,
};
use crate::iso::{ElementNo, ElementSet};
use fit::{Described, one_line};
use place::Text;

/// Whose packager file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A `GenericPackager` of jPOS, as XML.
    Jpos,
    /// A message specification of moov's iso8583, as JSON.
    Moov,
    /// A specification of pyiso8583, as JSON.
    Pyiso8583,
}

/// A dialect that was made of a packager file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The text of a dialect file; it parses.
    pub text: String,
    /// How many elements have a row.
    pub elements: usize,
    /// How many have none, though the packager file describes them.
    pub left_out: usize,
    /// What was not taken over, or not as it stood, in the order of the file.
    pub remarks: Vec<Remark>,
}

/// Something that whoever uses the dialect should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The line of the packager file, from 1.
    pub line: usize,
    /// What it is about, e.g. `element 48` or `header`.
    pub about: String,
    /// Whether the dialect does without it.
    pub left_out: bool,
    /// Why, and what to do about it; one line.
    pub message: String,
}

/// The longest packager file that is read, in bytes.
pub const IMPORT_BYTES_MAX: usize = 4 << 20;

/// Makes the text of a dialect called `name` of a packager file; `file` is what people call it.
///
/// What the file leaves open is as in `base`, and without one as in `iso87-ascii`. Faults lie within the file's text, with
/// U+FFFD for what is not UTF-8. Nothing but `bytes` is read, whatever it refers to.
pub fn import_dialect(
    product: Product,
    base: Option<Dialect>,
    name: &str,
    file: &str,
    bytes: &[u8],
) -> Result<Imported, Vec<Fault>> {
    let lossy = String::from_utf8_lossy(bytes);
    let text = Text(&lossy);
    if IMPORT_BYTES_MAX < bytes.len() {
        let message = format!("longer than {IMPORT_BYTES_MAX} bytes, which no packager file is");
        return Err(vec![text.fault(0..0, message, "")]);
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        let help = "convert the file, e.g. with iconv -f latin1 -t utf-8";
        return Err(vec![text.fault(at..at, "this is not UTF-8".to_owned(), help)]);
    }
    let Some(base) = base.or_else(|| Dialect::shipped(BASE)) else {
        return Err(vec![text.fault(
            0..0,
            format!("no dialect {BASE} comes with the program"),
            "",
        )]);
    };
    let mut collected = Collected::new(text, base);
    match product {
        Product::Jpos => jpos::read(&mut collected),
        Product::Moov => moov::read(&mut collected),
        Product::Pyiso8583 => pyiso8583::read(&mut collected),
    }
    collected.finish(product, name, file)
}

/// How many faults are told of one file.
const FAULTS_MAX: usize = 100;

/// The element that some networks use as their third bitmap.
const EXTENDED: ElementNo = ElementNo::of(65);

/// The first element of a third bitmap.
const BEYOND_TWO: ElementNo = ElementNo::of(129);

/// The dialect that says what a packager file does not, where nobody names another.
const BASE: &str = "iso87-ascii";

/// What was read of a packager file so far.
struct Collected<'t> {
    text: Text<'t>,
    base: Dialect,
    faults: Vec<Fault>,
    remarks: Vec<Remark>,
    /// The numbers that were described, and where.
    seen: BTreeMap<u16, usize>,
    rows: BTreeMap<ElementNo, Row>,
    insides: BTreeMap<ElementNo, Inside>,
    /// How many more parts of elements are read.
    parts_left: usize,
    /// The numbers of elements that no dialect has, and where the first of them was.
    beyond: (Vec<u16>, usize),
    mti: Option<MtiCoding>,
    bitmap: Option<BitmapCoding>,
    second: Second,
    /// What bit 65 means to the product; elements beyond 128 are told apart at the end.
    third: Third,
}

impl<'t> Collected<'t> {
    const fn new(text: Text<'t>, base: Dialect) -> Self {
        Self {
            text,
            base,
            faults: Vec::new(),
            remarks: Vec::new(),
            seen: BTreeMap::new(),
            rows: BTreeMap::new(),
            insides: BTreeMap::new(),
            parts_left: parts::PARTS_MAX,
            beyond: (Vec::new(), 0),
            mti: None,
            bitmap: None,
            second: Second::AsNeeded,
            third: Third::Refused,
        }
    }

    /// Whether so many faults were found that a reader need not look for more: finding a fault's line takes its time.
    fn is_hopeless(&self) -> bool {
        FAULTS_MAX <= self.faults.len()
    }

    fn fault(&mut self, span: Range<usize>, message: impl Into<String>, help: &str) {
        self.faults.push(self.text.fault(span, message.into(), help));
    }

    /// That a number is described here; a fault when it was before.
    fn sees(&mut self, number: u16, span: Range<usize>) -> bool {
        let Some(before) = self.seen.insert(number, span.start) else { return true };
        let line = self.text.line(before);
        let message = format!("{number} a second time; the first is on line {line}");
        self.fault(span, message, "describe it once");
        false
    }

    /// Gives an element, from 2 on, its row, or says why it gets none; whether it got one.
    fn element(
        &mut self,
        number: u16,
        at: usize,
        described: Result<Described<'_>, String>,
    ) -> bool {
        let Some(no) = u8::try_from(number).ok().and_then(|no| ElementNo::new(no).ok()) else {
            let (numbers, first) = &mut self.beyond;
            if numbers.is_empty() {
                *first = at;
            }
            numbers.push(number);
            return false;
        };
        match described.and_then(|described| fit::fit(no, &described, self.base.row(no))) {
            Ok((row, notes)) => {
                for note in notes {
                    self.remark(at, &format!("element {no}"), &note);
                }
                self.rows.insert(no, row);
                true
            }
            Err(why) => {
                self.leave_out(number, at, &why);
                false
            }
        }
    }

    /// Takes an element's row away again.
    fn take_back(&mut self, no: ElementNo, why: &str) {
        if self.rows.remove(&no).is_some() {
            self.insides.remove(&no);
            let number = u16::from(no.get());
            let at = self.seen.get(&number).copied().unwrap_or_default();
            self.leave_out(number, at, why);
        }
    }

    /// Takes the rows of this element and of all behind it away again.
    fn take_back_from(&mut self, first: ElementNo, why: &str) {
        let numbers: Vec<ElementNo> = self.rows.range(first..).map(|(no, _)| *no).collect();
        for no in numbers {
            self.take_back(no, why);
        }
    }

    /// What bit 65 is to mean, now that all elements are known.
    fn settle_third(&mut self) {
        if self.third == Third::Contiguous {
            self.take_back(EXTENDED, "bit 65 announces a third bitmap");
            if self.rows.range(BEYOND_TWO..).next().is_none() {
                self.third = Third::Refused;
            }
            return;
        }
        self.take_back_from(BEYOND_TWO, "no third bitmap announces it");
        if !self.rows.contains_key(&EXTENDED) {
            self.third = Third::Refused;
        }
    }

    fn leave_out(&mut self, number: u16, at: usize, why: &str) {
        self.remark(at, &format!("element {number}"), why);
        if let Some(remark) = self.remarks.last_mut() {
            remark.left_out = true;
        }
    }

    fn remark(&mut self, at: usize, about: &str, message: &str) {
        self.remarks.push(Remark {
            line: self.text.line(at),
            about: about.to_owned(),
            left_out: false,
            message: one_line(message),
        });
    }

    /// One remark for all elements that no dialect has; how many elements were left out.
    fn count_left_out(&mut self) -> usize {
        let left_out = self.remarks.iter().filter(|remark| remark.left_out).count();
        let (mut numbers, at) = std::mem::take(&mut self.beyond);
        numbers.sort_unstable();
        if let (Some(first), Some(last)) = (numbers.first(), numbers.last()) {
            let message = format!("{} of them; dialects end at element 192", numbers.len());
            let about = format!("elements {first} to {last}");
            self.remark(at, &about, &message);
            self.remarks.last_mut().into_iter().for_each(|remark| remark.left_out = true);
        }
        left_out + numbers.len()
    }

    fn finish(mut self, product: Product, name: &str, file: &str) -> Result<Imported, Vec<Fault>> {
        if self.is_hopeless() {
            let message = format!("{FAULTS_MAX} faults in this file; no more of it was read");
            self.fault(0..0, message, "is it of the product that was named?");
        }
        if self.second == Second::Never {
            self.take_back_from(EXTENDED, "it is beyond the one bitmap that there is");
        }
        self.settle_third();
        let left_out = self.count_left_out();
        self.remarks.sort_by_key(|remark| remark.line);
        let (mti, bitmap) = (self.mti, self.bitmap);
        for (missing, what) in [(mti.is_none(), "MTI is"), (bitmap.is_none(), "bitmaps are")] {
            if missing && self.faults.is_empty() {
                self.fault(0..0, format!("nothing says how {what} written"), "");
            }
        }
        let rows: Vec<(ElementNo, Row)> = std::mem::take(&mut self.rows).into_iter().collect();
        let numbers: ElementSet = rows.iter().map(|(no, _)| *no).collect();
        let echo = self.base.echo().and(numbers);
        if echo.is_empty() && self.faults.is_empty() {
            let message = "none of the elements that a response repeats can be taken over";
            let list: Vec<_> = self.base.echo().iter().map(|no| no.to_string()).collect();
            let help = format!("describe at least one of {}", list.join(" "));
            self.faults.push(self.text.fault(0..0, message.to_owned(), &help));
        }
        let (Some(mti), Some(bitmap), true) = (mti, bitmap, self.faults.is_empty()) else {
            self.faults.sort_by_key(|fault| fault.offset);
            return Err(self.faults);
        };
        let sheet = Sheet {
            remarks: comment(product, self.base.name(), file, &self.remarks),
            name: word(name),
            mti,
            bitmap,
            version: self.base.version(),
            second: self.second,
            third: self.third,
            contents: Contents::Checked,
            echo,
            approve: self.base.approve_codes().to_vec(),
            accept: self.base.accept_codes().to_vec(),
            retry: self.base.retry_codes().to_vec(),
            rules: Vec::new(),
            rows,
            insides: std::mem::take(&mut self.insides).into_iter().collect(),
        };
        let text = sheet.to_string();
        match Dialect::parse(&text) {
            Ok(_) => {
                Ok(Imported { text, elements: sheet.rows.len(), left_out, remarks: self.remarks })
            }
            // Every row was fitted, so nobody should ever read this; but a wrong file is never written.
            Err(faults) => {
                let why = faults.first().map(ToString::to_string).unwrap_or_default();
                let message = format!("what became of it is no dialect: {why}");
                Err(vec![self.text.fault(0..0, message, "")])
            }
        }
    }
}

/// What a dialect's file says of where it comes from.
fn comment(product: Product, base: &str, file: &str, remarks: &[Remark]) -> Vec<String> {
    let mut lines = vec![
        format!("From {} {}.", product.file(), one_line(file)),
        "It says neither what a response repeats nor what response codes mean: echo, approve, accept and".to_owned(),
        format!("retry are those of {base}, and so is the class of each element. Compare them with the network's manual."),
    ];
    for (left_out, title) in
        [(true, "Not taken over:"), (false, "Taken over, but to be looked at:")]
    {
        let mut told = remarks.iter().filter(|remark| remark.left_out == left_out).peekable();
        if told.peek().is_some() {
            lines.extend([String::new(), title.to_owned()]);
            lines.extend(told.map(|remark| format!("  {}: {}", remark.about, remark.message)));
        }
    }
    lines
}

/// A name as the one word that a dialect's file has for it.
fn word(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.') {
            letter
        } else {
            '-'
        }
    };
    let word: String = name.trim().chars().take(60).map(plain).collect();
    if word.is_empty() { "imported".to_owned() } else { word }
}

impl Product {
    /// What such a file is called.
    const fn file(self) -> &'static str {
        match self {
            Self::Jpos => "the jPOS packager",
            Self::Moov => "the moov specification",
            Self::Pyiso8583 => "the pyiso8583 specification",
        }
    }
}

/// What a fuzzer attacks: whatever the bytes, they are a dialect that parses, or faults that lie within them.
fn fuzz(product: Product, data: &[u8]) {
    match import_dialect(product, None, "fuzzed", "fuzzed", data) {
        Ok(imported) => {
            let dialect = Dialect::parse(&imported.text);
            let rows = dialect.as_ref().map_or(0, |dialect| dialect.rows().len());
            assert!(rows == imported.elements && 0 < rows, "{dialect:?}");
            for remark in &imported.remarks {
                assert!(!remark.message.contains('\n') && 0 < remark.line, "{remark:?}");
            }
        }
        Err(faults) => {
            let text = String::from_utf8_lossy(data);
            assert!(!faults.is_empty(), "neither a dialect nor a fault");
            for fault in faults {
                assert!(text.get(fault.offset..fault.offset + fault.len).is_some(), "{fault:?}");
            }
        }
    }
}

/// Any bytes as a packager of jPOS.
#[doc(hidden)]
pub fn fuzz_import_jpos(data: &[u8]) {
    fuzz(Product::Jpos, data);
}

/// Any bytes as a specification of moov's.
#[doc(hidden)]
pub fn fuzz_import_moov(data: &[u8]) {
    fuzz(Product::Moov, data);
}

/// Any bytes as a specification of pyiso8583.
#[doc(hidden)]
pub fn fuzz_import_pyiso8583(data: &[u8]) {
    fuzz(Product::Pyiso8583, data);
}
