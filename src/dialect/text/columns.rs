//! The columns of a row behind its number: content, length, coding, class, name.

use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::digit1;
use nom::combinator::{all_consuming, map, map_res, opt, value};
use nom::{IResult, Parser};

use super::word::{Word, Words};
use crate::dialect::{
    Alphabet, Class, CodePage, Coding, Content, Counts, Fault, Filler, Length, LengthCoding, Row,
};
use crate::iso::ElementSet;

/// Where in its line each column of a row stands, for faults about their combination.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) content: Word<'a>,
    pub(super) length: Word<'a>,
    pub(super) coding: Word<'a>,
}

/// Reads them. A part of an element may do without a length field: it then takes what is left.
pub(super) fn columns<'a>(
    rest: &mut Words<'a, '_>,
    of_part: bool,
) -> Result<(Row, Columns<'a>), Fault> {
    let content_at =
        rest.next().ok_or_else(|| rest.missing("the content, e.g. n..19 or an 12,"))?;
    let (content, varies, max) = read_content(content_at, rest)?;
    let length_at = rest.rest.first().copied().unwrap_or(rest.last);
    let length = read_length(rest, of_part)?;
    let length = match length {
        Length::Fixed if varies && of_part => Length::Rest,
        length => length,
    };
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

/// The longest value: twice as many hexadecimal digits still fit a message.
const LONGEST: u16 = 32_000;

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
    if !(1..=LONGEST).contains(&max) {
        let message = format!("a length must be a number from 1 to {LONGEST}");
        return Err(max_at.fault(message, None));
    }
    Ok((content, varies, max))
}

/// `-`, or a coding and a width, and what it counts when that is not units; `until` and a character for a part.
fn read_length(rest: &mut Words<'_, '_>, of_part: bool) -> Result<Length, Fault> {
    const WIDTHS: [(&str, u8); 6] = [("1", 1), ("2", 2), ("3", 3), ("4", 4), ("5", 5), ("6", 6)];
    if of_part && rest.take("until") {
        let word = rest.next().ok_or_else(|| rest.missing("the character that ends the part"))?;
        return match word.text.as_bytes() {
            [end] => Ok(Length::Until(*end)),
            _ => Err(word.fault("a part ends at one character of ASCII", None)),
        };
    }
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
    let counts = match () {
        () if rest.take("wire") => Counts::Wire,
        () if rest.take("nibbles") => Counts::Nibbles,
        () if rest.take("even") => Counts::Even,
        () => Counts::Units,
    };
    let itself = rest.take("itself");
    Ok(Length::Prefixed { digits, width, counts, itself })
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
            ("zoned", Coding::Zoned(Alphabet::Ascii)),
            ("zoned-ebcdic", Coding::Zoned(Alphabet::Ebcdic)),
        ],
    )?;
    let filler = match (coding, rest.rest) {
        (Coding::Bcd(_), [Word { text: "l0", .. }, ..]) => Filler::LeftZero,
        (Coding::Bcd(_), [Word { text: "r0", .. }, ..]) => Filler::RightZero,
        (Coding::Bcd(_), [Word { text: "rF", .. }, ..]) => Filler::RightF,
        (Coding::Bcd(_), [Word { text: "lF", .. }, ..]) => Filler::LeftF,
        (Coding::Bcd(_), _) if odd => {
            let mut fault = rest.missing("the filler of an odd number of digits");
            fault.help = Some("one of: l0 r0 rF lF".to_owned());
            return Err(fault);
        }
        _ => return Ok(coding),
    };
    rest.next();
    Ok(Coding::Bcd(filler))
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

/// Tracks and the PIN: sensitive authentication data (PCI DSS 4.0.1, 3.3.1).
pub(super) const NEVER_KEPT: ElementSet = ElementSet::of(&[35, 36, 45, 52]);

/// Columns that are right one by one and impossible together.
pub(super) fn impossible(row: &Row, at: Columns<'_>, faults: &mut Vec<Fault>) {
    match row.layout() {
        None => faults.push(unwritable(row, at)),
        Some(layout) => {
            let longest = layout.counted(usize::from(row.max));
            if let Some(holds) = row.length.holds().filter(|holds| *holds < longest) {
                let message = format!(
                    "a length of up to {longest} does not fit a length field that ends at {holds}"
                );
                let help = "a wider length field, or a shorter content".to_owned();
                faults.push(at.length.fault(message, Some(help)));
            }
        }
    }
    if let Some(fault) = ambiguous(row, at) {
        faults.push(fault);
    }
    if row.class == Class::Pan && (row.content != Content::Digits || 19 < row.max) {
        faults.push(at.content.fault("a PAN has up to 19 digits", Some("n..19".to_owned())));
    }
}

/// Why content, length and coding do not go together.
fn unwritable(row: &Row, at: Columns<'_>) -> Fault {
    let counts = match row.length {
        Length::Prefixed { counts, .. } => counts,
        _ => Counts::Units,
    };
    let possible = Row { length: Length::Fixed, ..row.clone() }.layout().is_some();
    let (word, help) = match counts {
        Counts::Wire => ("wire", "hexadecimal bytes and packed digits"),
        Counts::Nibbles => ("nibbles", "raw bytes"),
        Counts::Even => ("even", "packed digits"),
        Counts::Units => ("", ""),
    };
    if possible && counts != Counts::Units {
        let message = format!("\"{word}\" counts {help}, and this is something else");
        return at.length.fault(message, Some(format!("leave \"{word}\" out")));
    }
    let help = match row.content {
        Content::Bytes => "raw, hex or hex-ebcdic",
        Content::Digits | Content::Track => "ascii, a code page or bcd",
        Content::Signed => "ascii, a code page, bcd, zoned or zoned-ebcdic",
        _ => "ascii or a code page",
    };
    let message = format!("content {} cannot be written so", row.content.notation());
    at.coding.fault(message, Some(help.to_owned()))
}

/// A length that counts packed bytes says nothing of a filler: only one that tells itself can be taken off again.
fn ambiguous(row: &Row, at: Columns<'_>) -> Option<Fault> {
    let bytes = matches!(
        row.length,
        Length::Prefixed { counts: Counts::Wire | Counts::Even, .. }
            | Length::Rest
            | Length::Until(_)
    );
    let (Coding::Bcd(filler), true) = (row.coding, bytes) else { return None };
    let told = match filler {
        Filler::RightF | Filler::LeftF => true,
        // A zero before a number changes nothing, but one before a card's number names another card.
        Filler::LeftZero => row.class != Class::Pan,
        Filler::RightZero => false,
    };
    let message = "whether the filler is a digit cannot be told where bytes are counted";
    (!told).then(|| at.coding.fault(message, Some("rF or lF".to_owned())))
}
