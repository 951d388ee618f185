//! The text of a dialect, line by line; finds everything that is wrong in one pass.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{digit1, space0};
use nom::combinator::{all_consuming, map, map_res, opt, value};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::fault::meant;
use super::{
    Alphabet, BitmapCoding, Class, CodePage, Coding, Content, Counts, Dialect, Fault, Filler,
    Layout, Length, LengthCoding, MtiCoding, Quick, Row, Second,
};
use crate::iso::{ElementNo, ElementSet, ResponseCode};

/// The words that a line may begin with, besides an element's number.
const HEADERS: [&str; 10] = [
    "dialect", "extends", "mti", "bitmap", "second", "third", "echo", "approve", "accept", "retry",
];

/// Parses and checks a whole text.
pub(super) fn parse(text: &str) -> Result<Dialect, Vec<Fault>> {
    let mut reader = Reader::default();
    let mut offset = 0;
    for (at, line) in text.split('\n').enumerate() {
        let words = words(line, at + 1, offset);
        offset += line.len() + 1;
        if let [first, rest @ ..] = words.as_slice() {
            let mut rest = Words { last: *first, rest };
            if first.text.starts_with(|letter: char| letter.is_ascii_digit()) {
                reader.row(*first, &mut rest);
            } else {
                reader.header(*first, &mut rest);
            }
        }
    }
    reader.finish()
}

/// A word of the text, and where it stands.
#[derive(Clone, Copy, Debug, Default)]
struct Word<'a> {
    text: &'a str,
    line: usize,
    column: usize,
    offset: usize,
}

/// The words of one line that are still to be read.
struct Words<'a, 'w> {
    last: Word<'a>,
    rest: &'w [Word<'a>],
}

/// What was read so far.
#[derive(Default)]
struct Reader<'a> {
    faults: Vec<Fault>,
    seen: Vec<(&'static str, Word<'a>)>,
    name: Option<&'a str>,
    base: Option<Dialect>,
    mti: Option<MtiCoding>,
    bitmap: Option<BitmapCoding>,
    second: Option<Second>,
    third: Option<bool>,
    echo: Option<Vec<(ElementNo, Word<'a>)>>,
    approve: Option<Vec<ResponseCode>>,
    accept: Option<Vec<ResponseCode>>,
    retry: Option<Vec<ResponseCode>>,
    rows: Vec<(ElementNo, Word<'a>, Row)>,
}

/// The words of a line, up to its comment.
fn words(line: &str, number: usize, offset: usize) -> Vec<Word<'_>> {
    let mut rest = line;
    let mut words = Vec::new();
    while let Ok((after, text)) = word(rest) {
        if text.starts_with('#') {
            break;
        }
        let at = line.len() - after.len() - text.len();
        let column = line.get(..at).map_or(0, |before| before.chars().count()) + 1;
        words.push(Word { text, line: number, column, offset: offset + at });
        rest = after;
    }
    words
}

/// One word and the blanks before it.
fn word(text: &str) -> IResult<&str, &str> {
    let blanks = preceded(space0, opt(tag("\r")));
    preceded(blanks, take_while1(|letter: char| !letter.is_ascii_whitespace())).parse(text)
}

/// `n..19`, `n12`, or `n` with its length in the next word: content, whether the length varies, length.
fn notation(text: &str) -> IResult<&str, (Content, bool, Option<u16>)> {
    let content = alt((
        value(Content::Signed, tag("x+n")),
        value(Content::Alphanumeric, tag("anp")),
        value(Content::Text, tag("ans")),
        value(Content::Alphanumeric, tag("an")),
        value(Content::Letters, tag("a")),
        value(Content::NumericSpecial, tag("ns")),
        value(Content::Digits, tag("n")),
        value(Content::Track, tag("z")),
        value(Content::Bytes, tag("b")),
    ));
    let varies = map(opt(tag("..")), |dots| dots.is_some());
    let max = opt(map_res(digit1, str::parse));
    all_consuming((content, varies, max)).parse(text)
}

impl Word<'_> {
    fn fault(self, message: impl Into<String>, help: Option<String>) -> Fault {
        let Word { text, line, column, offset } = self;
        Fault { line, column, offset, len: text.len(), message: message.into(), help }
    }
}

impl<'a> Words<'a, '_> {
    fn next(&mut self) -> Option<Word<'a>> {
        let (first, rest) = self.rest.split_first()?;
        (self.last, self.rest) = (*first, rest);
        Some(*first)
    }

    /// The place behind the last word, where one is missing.
    fn missing(&self, what: &str) -> Fault {
        let mut place = self.last;
        place.offset += place.text.len();
        place.column += place.text.chars().count();
        place.text = "";
        place.fault(format!("{what} is missing"), None)
    }

    /// The next word, one of `choices`.
    fn choose<T: Copy>(&mut self, what: &str, choices: &[(&str, T)]) -> Result<T, Fault> {
        let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let Some(word) = self.next() else {
            let mut fault = self.missing(what);
            fault.help = Some(format!("one of: {}", names().join(" ")));
            return Err(fault);
        };
        let choice = choices.iter().find(|(name, _)| *name == word.text);
        choice.map(|(_, choice)| *choice).ok_or_else(|| {
            let message = format!("\"{}\" is not {what}", word.text);
            word.fault(message, Some(meant(word.text, &names())))
        })
    }

    /// The line must be over.
    fn end(&mut self) -> Result<(), Fault> {
        self.next().map_or(Ok(()), |word| {
            Err(word.fault(format!("\"{}\" is one word too many", word.text), None))
        })
    }
}

impl<'a> Reader<'a> {
    fn header(&mut self, first: Word<'a>, rest: &mut Words<'a, '_>) {
        let Some(header) = HEADERS.iter().find(|header| **header == first.text) else {
            let help = meant(first.text, &HEADERS);
            self.faults.push(first.fault(format!("unknown word \"{}\"", first.text), Some(help)));
            return;
        };
        if let Some((_, before)) = self.seen.iter().find(|(seen, _)| seen == header) {
            let message =
                format!("\"{header}\" a second time; the first is on line {}", before.line);
            self.faults.push(first.fault(message, None));
            return;
        }
        self.seen.push((header, first));
        let read = match *header {
            "dialect" => self.name(rest),
            "extends" => self.extends(rest),
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
                .choose("a rule", &[("as-needed", Second::AsNeeded), ("always", Second::Always)])
                .map(|second| self.second = Some(second)),
            "third" => rest
                .choose("a rule", &[("refused", false), ("element", true)])
                .map(|third| self.third = Some(third)),
            "echo" => numbers(rest).map(|echo| self.echo = Some(echo)),
            "approve" => codes(rest).map(|codes| self.approve = Some(codes)),
            "accept" => codes(rest).map(|codes| self.accept = Some(codes)),
            _ => codes(rest).map(|codes| self.retry = Some(codes)),
        };
        if let Err(fault) = read.and_then(|()| rest.end()) {
            self.faults.push(fault);
        }
    }

    fn name(&mut self, rest: &mut Words<'a, '_>) -> Result<(), Fault> {
        let name = rest.next().ok_or_else(|| rest.missing("the dialect's name"))?;
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
            let message = format!("\"{}\" is not an element number from 2 to 128", first.text);
            self.faults.push(first.fault(message, None));
            return;
        };
        if let Some((_, before, _)) = self.rows.iter().find(|(seen, _, _)| *seen == no) {
            let message =
                format!("element {no} a second time; the first is on line {}", before.line);
            self.faults.push(first.fault(message, Some("one row an element".to_owned())));
        }
        match columns(rest) {
            Ok((row, at)) => {
                impossible(&row, at, &mut self.faults);
                if row.class == Class::Keep && NEVER_KEPT.has(no) {
                    let message = format!("element {no} may not be stored, not even encrypted");
                    let help = Some("the class `sensitive` instead of `keep`".to_owned());
                    self.faults.push(at.content.fault(message, help));
                }
                self.rows.push((no, first, row));
            }
            Err(fault) => self.faults.push(fault),
        }
    }

    /// The dialect, once everything has been read; or all faults.
    fn finish(mut self) -> Result<Dialect, Vec<Fault>> {
        let base = self.base.take();
        for header in ["dialect", "mti", "bitmap", "echo", "approve", "accept", "retry"] {
            let given = self.seen.iter().any(|(seen, _)| *seen == header);
            if !given && (base.is_none() || header == "dialect") {
                let help = format!("begin the file with a line like: {}", example(header));
                self.faults.push(
                    Word { line: 1, column: 1, ..Word::default() }
                        .fault(format!("no line \"{header}\""), Some(help)),
                );
            }
        }
        let mut dialect = base.unwrap_or_else(|| Dialect {
            name: String::new(),
            mti: MtiCoding::Ascii,
            bitmap: BitmapCoding::Binary,
            second: Second::AsNeeded,
            echo: ElementSet::EMPTY,
            keeps: ElementSet::EMPTY,
            defined: ElementSet::EMPTY,
            approve: Vec::new(),
            accept: Vec::new(),
            retry: Vec::new(),
            rows: Vec::new(),
            layouts: [None; 129],
            quick: [[Quick::default(); 64]; 2],
        });
        self.name.unwrap_or_default().clone_into(&mut dialect.name);
        dialect.mti = self.mti.unwrap_or(dialect.mti);
        dialect.bitmap = self.bitmap.unwrap_or(dialect.bitmap);
        dialect.second = self.second.unwrap_or(dialect.second);
        dialect.approve = self.approve.unwrap_or(dialect.approve);
        dialect.accept = self.accept.unwrap_or(dialect.accept);
        dialect.retry = self.retry.unwrap_or(dialect.retry);
        let third = self.third.unwrap_or_else(|| dialect.defined.has(EXTENDED));
        for (no, _, row) in self.rows {
            match dialect.rows.binary_search_by_key(&no, |(no, _)| *no) {
                Ok(at) => {
                    if let Some(old) = dialect.rows.get_mut(at) {
                        *old = (no, row);
                    }
                }
                Err(at) => dialect.rows.insert(at, (no, row)),
            }
        }
        flatten(&mut dialect, third);
        if let Some(echo) = self.echo {
            for (_, word) in echo.iter().filter(|(no, _)| !dialect.defined.has(*no)) {
                let message = format!("element {} has no row", word.text);
                self.faults.push(
                    word.fault(message, Some("give it a row, or leave it out here".to_owned())),
                );
            }
            dialect.echo = echo.iter().map(|(no, _)| *no).collect();
        }
        if self.faults.is_empty() {
            return Ok(dialect);
        }
        self.faults.sort_by_key(|fault| (fault.line, fault.column));
        Err(self.faults)
    }
}

/// The element that some networks use as their third bitmap.
const EXTENDED: ElementNo = ElementNo::of(65);

/// Fills what the codec and the switch ask for from the rows.
fn flatten(dialect: &mut Dialect, third: bool) {
    dialect.layouts = [None; 129];
    dialect.quick = [[Quick::default(); 64]; 2];
    dialect.defined = ElementSet::EMPTY;
    dialect.keeps = ElementSet::EMPTY;
    for (no, row) in &dialect.rows {
        if *no == EXTENDED && !third {
            continue;
        }
        if let Some(layout) = dialect.layouts.get_mut(usize::from(no.get())) {
            *layout = row.layout();
        }
        let quick = row.layout().map_or_else(Quick::default, Layout::quick);
        if let Some(entry) = dialect.quick.as_flattened_mut().get_mut(usize::from(no.get()) - 1) {
            *entry = quick;
        }
        dialect.defined = dialect.defined.with(*no);
        if row.class == Class::Keep {
            dialect.keeps = dialect.keeps.with(*no);
        }
    }
}

/// Where in its line each column of a row stands, for faults about their combination.
#[derive(Clone, Copy)]
struct Columns<'a> {
    content: Word<'a>,
    length: Word<'a>,
    coding: Word<'a>,
}

/// The columns of a row behind its number: content, length, coding, class, name.
fn columns<'a>(rest: &mut Words<'a, '_>) -> Result<(Row, Columns<'a>), Fault> {
    let content_at =
        rest.next().ok_or_else(|| rest.missing("the content, e.g. n..19 or an 12,"))?;
    let (content, varies, max) = read_content(content_at, rest)?;
    let length_at = rest.rest.first().copied().unwrap_or(rest.last);
    let length = read_length(rest)?;
    let coding_at = rest.rest.first().copied().unwrap_or(rest.last);
    let coding = read_coding(rest, varies || max % 2 == 1)?;
    let class = rest.choose(
        "a class",
        &[
            ("keep", Class::Keep),
            ("pan", Class::Pan),
            ("sensitive", Class::Sensitive),
            ("-", Class::Unkept),
        ],
    )?;
    let mut name = String::new();
    while let Some(word) = rest.next() {
        let blank = if name.is_empty() { "" } else { " " };
        name.push_str(blank);
        name.push_str(word.text);
    }
    if name.is_empty() {
        return Err(rest.missing("the element's name"));
    }
    if varies == matches!(length, Length::Fixed) {
        let message = if varies {
            "a length that varies needs a length field"
        } else {
            "a fixed length has no length field"
        };
        let help =
            if varies { "e.g. \"ascii 2\", \"bcd 1\" or \"binary 2\"" } else { "write - here" };
        return Err(length_at.fault(message, Some(help.to_owned())));
    }
    // The standard counts the digits of x+n, and the sign comes on top.
    let max = if content == Content::Signed { max.saturating_add(1) } else { max };
    let at = Columns { content: content_at, length: length_at, coding: coding_at };
    Ok((Row { name, content, length, coding, class, max }, at))
}

/// `n..19`, `n12` or `n 12`.
fn read_content<'a>(at: Word<'a>, rest: &mut Words<'a, '_>) -> Result<(Content, bool, u16), Fault> {
    let Ok((_, (content, varies, max))) = notation(at.text) else {
        let help = "the standard's notation: a n an anp ans ns z b x+n, then a length or .. and the longest";
        return Err(at.fault(format!("\"{}\" is no content", at.text), Some(help.to_owned())));
    };
    let (max_at, max) = if let Some(max) = max {
        (at, max)
    } else {
        let word = rest.next().ok_or_else(|| rest.missing("the length"))?;
        (word, word.text.parse().unwrap_or(0))
    };
    if !(1..=9998).contains(&max) {
        return Err(max_at.fault("a length must be a number from 1 to 9998", None));
    }
    Ok((content, varies, max))
}

/// `-`, or a coding and a width, and what it counts when that is not units.
fn read_length(rest: &mut Words<'_, '_>) -> Result<Length, Fault> {
    const WIDTHS: [(&str, u8); 6] = [("1", 1), ("2", 2), ("3", 3), ("4", 4), ("5", 5), ("6", 6)];
    let digits = rest.choose(
        "a length's coding",
        &[
            ("-", None),
            ("ascii", Some(LengthCoding::Ascii)),
            ("bcd", Some(LengthCoding::Bcd)),
            ("binary", Some(LengthCoding::Binary)),
            ("ebcdic", Some(LengthCoding::Ebcdic)),
            ("hex", Some(LengthCoding::Hex)),
        ],
    )?;
    let Some(digits) = digits else { return Ok(Length::Fixed) };
    let widths = match digits {
        LengthCoding::Ascii | LengthCoding::Ebcdic => WIDTHS.as_slice(),
        LengthCoding::Bcd => WIDTHS.get(..3).unwrap_or_default(),
        LengthCoding::Binary => WIDTHS.get(..4).unwrap_or_default(),
        LengthCoding::Hex => &[("2", 2), ("4", 4), ("6", 6), ("8", 8)],
    };
    let width = rest.choose("a width of this length field in bytes", widths)?;
    let counts = match rest.rest {
        [Word { text: "wire", .. }, ..] => {
            rest.next();
            Counts::Wire
        }
        _ => Counts::Units,
    };
    Ok(Length::Prefixed { digits, width, counts })
}

/// `ascii`, a code page, `raw`, `hex`, or `bcd` and where its filler goes.
fn read_coding(rest: &mut Words<'_, '_>, odd: bool) -> Result<Coding, Fault> {
    let coding = rest.choose(
        "a coding",
        &[
            ("ascii", Coding::Ascii),
            ("bcd", Coding::Bcd(Filler::LeftZero)),
            ("raw", Coding::Raw),
            ("hex", Coding::Hex(Alphabet::Ascii)),
            ("hex-ebcdic", Coding::Hex(Alphabet::Ebcdic)),
            ("cp037", Coding::Ebcdic(CodePage::Cp037)),
            ("cp500", Coding::Ebcdic(CodePage::Cp500)),
            ("cp1047", Coding::Ebcdic(CodePage::Cp1047)),
        ],
    )?;
    let filler = match (coding, rest.rest) {
        (Coding::Bcd(_), [Word { text: "l0", .. }, ..]) => Filler::LeftZero,
        (Coding::Bcd(_), [Word { text: "r0", .. }, ..]) => Filler::RightZero,
        (Coding::Bcd(_), [Word { text: "rF", .. }, ..]) => Filler::RightF,
        (Coding::Bcd(_), _) if odd => {
            let mut fault = rest.missing("the filler of an odd number of digits");
            fault.help = Some("one of: l0 r0 rF".to_owned());
            return Err(fault);
        }
        _ => return Ok(coding),
    };
    rest.next();
    Ok(Coding::Bcd(filler))
}

/// Numbers of elements, at least one.
fn numbers<'a>(rest: &mut Words<'a, '_>) -> Result<Vec<(ElementNo, Word<'a>)>, Fault> {
    let mut numbers = Vec::new();
    while let Some(word) = rest.next() {
        let no = word.text.parse().ok().and_then(|no| ElementNo::new(no).ok());
        let no = no.ok_or_else(|| {
            word.fault(format!("\"{}\" is not an element number from 2 to 128", word.text), None)
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

/// Tracks and the PIN: sensitive authentication data (PCI DSS 4.0.1, 3.3.1).
const NEVER_KEPT: ElementSet = ElementSet::of(&[35, 36, 45, 52]);

/// Columns that are right one by one and impossible together.
fn impossible(row: &Row, at: Columns<'_>, faults: &mut Vec<Fault>) {
    let content = row.content.notation();
    if row.layout().is_none() {
        let cannot = format!("content {content} cannot be written so");
        let (message, help) = match (row.content, row.coding) {
            (Content::Bytes, _) => (cannot, "raw, hex or hex-ebcdic"),
            (Content::Digits | Content::Track | Content::Signed, Coding::Bcd(_)) => {
                ("packed digits are counted in digits".to_owned(), "leave \"wire\" out")
            }
            (Content::Digits | Content::Track | Content::Signed, _) => {
                (cannot, "ascii, a code page or bcd")
            }
            _ => (cannot, "ascii or a code page"),
        };
        faults.push(at.coding.fault(message, Some(help.to_owned())));
    }
    let wire = matches!(row.length, Length::Prefixed { counts: Counts::Wire, .. });
    let longest = if wire && matches!(row.coding, Coding::Hex(_)) {
        2 * u32::from(row.max)
    } else {
        u32::from(row.max)
    };
    if let Some(holds) = row.length.holds().filter(|holds| *holds < longest) {
        let message =
            format!("a length of up to {longest} does not fit a length field that ends at {holds}");
        faults.push(
            at.length.fault(message, Some("a wider length field, or a shorter content".to_owned())),
        );
    }
    if row.class == Class::Pan && (row.content != Content::Digits || 19 < row.max) {
        faults.push(at.content.fault("a PAN has up to 19 digits", Some("n..19".to_owned())));
    }
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
mod tests {
    use super::*;
    use crate::dialect::{Form, Layout, Prefix};

    const HEAD: &str = "dialect d\nmti bcd\nbitmap hex\necho 3\napprove 00\naccept 00\nretry 91\n3 n 6 - bcd keep code\n";

    fn faults(text: &str) -> Vec<String> {
        parse(text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_comes_with_the_program_is_whole() {
        for name in Dialect::shipped_names() {
            let dialect = Dialect::shipped(name).unwrap();
            assert_eq!(dialect.name(), *name);
            assert_eq!(dialect.defined(), ElementSet::from_bits(u128::MAX >> 1).without(EXTENDED));
            assert!(
                dialect.row(EXTENDED).is_some(),
                "all rows are there, 65 for those who want it"
            );
            assert!(dialect.echoes_transmission());
            for secret in [2, 35, 36, 45, 52, 55] {
                assert!(!dialect.keeps().has(ElementNo::of(secret)));
            }
            for (code, approves, retries) in [
                ("00", true, false),
                ("10", true, false),
                ("05", false, false),
                ("91", false, true),
            ] {
                let code = ResponseCode::new(code.as_bytes()).unwrap();
                assert_eq!((dialect.approves(code), dialect.retries(code)), (approves, retries));
                assert_eq!(dialect.accepts(code), code == ResponseCode::APPROVED);
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
            ("b..255 ascii 3 wire hex", Prefix::Ascii(3), Form::Hex(ASCII, Counts::Wire), 255),
            ("b..255 ascii 3 hex", Prefix::Ascii(3), Form::Hex(ASCII, Counts::Units), 255),
            ("b 8 - hex-ebcdic", Prefix::None, Form::Hex(Alphabet::Ebcdic, Counts::Units), 8),
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
            assert_eq!(
                dialect.layout(ElementNo::AMOUNT),
                Some(Layout { prefix, form, max, wire }),
                "{row}"
            );
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
            (
                "4 ans 12 - bcd keep x",
                "9:12: content ans cannot be written so; ascii or a code page",
            ),
            ("4 b 8 - ascii keep x", "9:9: content b cannot be written so; raw, hex or hex-ebcdic"),
            (
                "4 n..9 bcd 1 wire bcd r0 keep x",
                "9:19: packed digits are counted in digits; leave \"wire\" out",
            ),
            (
                "4 n 3 - bcd keep x",
                "9:12: the filler of an odd number of digits is missing; one of: l0 r0 rF",
            ),
            (
                "4 q 3 - bcd keep x",
                "9:3: \"q\" is no content; the standard's notation: a n an anp ans ns z b x+n, then a length or .. and the longest",
            ),
            ("4 n 0 - ascii keep x", "9:5: a length must be a number from 1 to 9998"),
            ("4 n 12 - ascii kept x", "9:16: \"kept\" is not a class; did you mean \"keep\"?"),
            ("4 n 12 - ascii keep", "9:20: the element's name is missing"),
            ("4 n 12", "9:7: a length's coding is missing; one of: - ascii bcd binary ebcdic hex"),
            ("4 ans 12 - ascii pan x", "9:3: a PAN has up to 19 digits; n..19"),
            ("129 n 12 - ascii keep x", "9:1: \"129\" is not an element number from 2 to 128"),
            (
                "3 n 6 - ascii keep x",
                "9:1: element 3 a second time; the first is on line 8; one row an element",
            ),
            ("aprove 00", "9:1: unknown word \"aprove\"; did you mean \"approve\"?"),
            ("mti bcd", "9:1: \"mti\" a second time; the first is on line 2"),
            ("second maybe", "9:8: \"maybe\" is not a rule; one of: as-needed always"),
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
    fn what_headers_name_has_to_be_there() {
        let echo = HEAD.replace("echo 3", "echo 3 4");
        assert_eq!(
            faults(&echo),
            ["4:8: element 4 has no row; give it a row, or leave it out here"]
        );
        let codes = HEAD.replace("approve 00", "approve 00 0-");
        assert_eq!(
            faults(&codes),
            ["5:12: \"0-\" is not a response code of 1 to 4 letters or digits"]
        );
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
        let text = "dialect mine\nextends iso87-bcd\nthird element\nsecond always\n3 an 6 - ascii - code\n";
        let mine = parse(text).unwrap();
        let base = Dialect::shipped("iso87-bcd").unwrap();
        let changed = ElementSet::of(&[3, 65]);
        assert_eq!(mine.defined().minus(mine.same_rows(&base)), changed);
        assert!(
            mine.keeps().has(ElementNo::AMOUNT) && !mine.keeps().has(ElementNo::PROCESSING_CODE)
        );
        assert_eq!(
            (mine.name(), mine.second(), mine.echo()),
            ("mine", Second::Always, base.echo())
        );
    }
}
