//! What a packager file says of one element, fitted into a dialect's row; or why it does not fit. Knows no product.

use super::secret;
use crate::dialect::{Alphabet, Class, Coding, Content, Counts, Filler, Length, LengthCoding, Row};
use crate::iso::ElementNo;

/// One element, as independent axes.
#[derive(Clone, Copy)]
pub(super) struct Described<'a> {
    /// What people call it; may be empty.
    pub(super) name: &'a str,
    pub(super) says: Says,
    pub(super) length: Length,
    pub(super) coding: Coding,
    /// The longest value, in the units of the coding: characters, digits, bytes. A sign counts.
    pub(super) max: u32,
}

/// What a packager file says of an element's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// Nothing.
    Nothing,
    /// Characters, of whatever kind.
    Text,
    /// Characters that sub-elements are made of.
    Parts,
    /// Digits, or a track.
    Digits,
    /// C or D, and digits.
    Signed,
    /// A track.
    Track,
    /// Bytes.
    Bytes,
}

/// The longest value that a row can say, in the standard's count.
const MAX: u32 = 32_000;

/// The row, and what to look at; `base` is the element's row in ISO 8583:1987.
pub(super) fn fit(
    no: ElementNo,
    described: &Described<'_>,
    base: Option<&Row>,
) -> Result<(Row, Vec<String>), String> {
    let Described { name, says, mut length, mut coding, mut max } = *described;
    let mut notes = Vec::new();
    possible(length)?;
    if let Some(alphabet) = hexadecimal(described, base) {
        (coding, max) = (Coding::Hex(alphabet), max / 2);
        if let Length::Prefixed { counts, .. } = &mut length {
            *counts = Counts::Wire;
        }
        notes.push(format!("its characters are taken as the hexadecimal digits of {max} bytes"));
    }
    let content = content(no, &Described { length, coding, max, ..*described }, base)?;
    if says == Says::Nothing
        && content == Content::Text
        && let Some(row) = base.filter(|row| row.content == Content::Digits)
    {
        let standard = format!("ISO 8583:1987 has n {} here", row.max);
        notes.push(format!("{standard}; the length is another, so it is taken as text"));
    }
    max = clamp(content, length, coding, max, &mut notes)?;
    if let Coding::Bcd(filler) = &mut coding {
        let digits = if content == Content::Signed { max - 1 } else { max };
        if length == Length::Fixed && digits.is_multiple_of(2) {
            // Nothing is left over; all dialects write it so.
            *filler = Filler::LeftZero;
        }
    }
    let mut class = base.map_or(Class::Unkept, |row| row.class);
    if class == Class::Pan && (content != Content::Digits || 19 < max) {
        class = Class::Sensitive;
        notes.push("it is not the n..19 that a card number is, so it is never kept".to_owned());
    }
    let known = base.and_then(|row| secret::spoken(&row.name, row.max.into()));
    let what = secret::spoken(name, max).filter(|what| known != Some(what));
    if let (Some(what), Class::Keep | Class::Unkept) = (what, class) {
        class = Class::Sensitive;
        notes.push(speaks_of(what));
    }
    if !is_told(length, coding, class) {
        return Err("whether its last or first digit is a filler cannot be told".to_owned());
    }
    let Ok(max) = u16::try_from(max) else {
        return Err(format!("its length {max} is out of range"));
    };
    let row = Row { name: title(name, no, base), content, length, coding, class, max };
    if row.layout().is_none() {
        return Err(format!("content {} cannot be written so", content.notation()));
    }
    Ok((row, notes))
}

/// The row of a part, and what to look at. The standard says nothing of it, so what the source leaves open is text.
pub(super) fn part(path: &str, described: &Described<'_>) -> Result<(Row, Vec<String>), String> {
    let Described { name, length, mut coding, mut max, .. } = *described;
    let mut notes = Vec::new();
    possible(length)?;
    // Which element it is of does not matter where the standard is not asked.
    let content = content(ElementNo::of(48), described, None)?;
    max = clamp(content, length, coding, max, &mut notes)?;
    if let Coding::Bcd(filler) = &mut coding
        && length == Length::Fixed
        && (max - u32::from(content == Content::Signed)).is_multiple_of(2)
    {
        *filler = Filler::LeftZero;
    }
    if !is_told(length, coding, Class::Unkept) {
        return Err("whether its last or first digit is a filler cannot be told".to_owned());
    }
    let Ok(max) = u16::try_from(max) else {
        return Err(format!("its length {max} is out of range"));
    };
    let name = Some(words(name)).filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| format!("part {path}"));
    let row = Row { name, content, length, coding, class: Class::Unkept, max };
    if row.layout().is_none() {
        return Err(format!("content {} cannot be written so", content.notation()));
    }
    Ok((row, notes))
}

/// What is said of an element or a part whose name is all that tells that it may not be shown.
pub(super) fn speaks_of(what: &str) -> String {
    format!(
        "its name speaks of {what}, so its class is `sensitive`: never kept, and shown as its length"
    )
}

/// Words apart by single blanks, without what ends a line or begins a comment; not longer than a line of people's text.
pub(super) fn one_line(text: &str) -> String {
    let clean: String =
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    words.join(" ").chars().take(240).collect()
}

/// What people call the element, as a row can say it.
fn title(name: &str, no: ElementNo, base: Option<&Row>) -> String {
    match (words(name), base) {
        (title, Some(row)) if title.is_empty() => row.name.clone(),
        (title, None) if title.is_empty() => format!("element {no}"),
        (title, _) => title,
    }
}

/// What a name says, as the last column of a row can have it; may be empty.
pub(super) fn words(name: &str) -> String {
    // A word that begins with # would be a comment.
    let line = one_line(name);
    let words: Vec<&str> = line
        .split(' ')
        .map(|word| word.trim_start_matches('#'))
        .filter(|word| !word.is_empty())
        .collect();
    let words: String = words.join(" ").chars().take(100).collect();
    words.trim().to_owned()
}

/// Bytes that the source writes as text twice as long as the standard has them are hexadecimal digits.
fn hexadecimal(described: &Described<'_>, base: Option<&Row>) -> Option<Alphabet> {
    let bytes = base.filter(|row| row.content == Content::Bytes)?;
    let text = matches!(described.says, Says::Nothing | Says::Text);
    let twice = u32::from(bytes.max) * 2 == described.max;
    match described.coding {
        Coding::Ascii if text && twice => Some(Alphabet::Ascii),
        Coding::Ebcdic(_) if text && twice => Some(Alphabet::Ebcdic),
        _ => None,
    }
}

/// The content that the source says; where it says too little, the one that ISO 8583:1987 has under this number.
fn content(
    no: ElementNo,
    described: &Described<'_>,
    base: Option<&Row>,
) -> Result<Content, String> {
    let Described { says, length, coding, max, .. } = *described;
    let fixed = length == Length::Fixed;
    let standard = base.map(|row| row.content);
    let same =
        base.is_some_and(|row| (row.length == Length::Fixed) == fixed && u32::from(row.max) == max);
    let digits = if standard == Some(Content::Track) { Content::Track } else { Content::Digits };
    Ok(match (coding, says) {
        (Coding::Raw | Coding::Hex(_), _) => Content::Bytes,
        (Coding::Bcd(_), Says::Bytes | Says::Parts) => {
            return Err("its packed digits are more than a number".to_owned());
        }
        (Coding::Zoned(_), _) | (_, Says::Signed) => Content::Signed,
        (_, Says::Track) => Content::Track,
        (Coding::Bcd(_), _) | (_, Says::Digits) => digits,
        (_, Says::Bytes) => return Err("its bytes are written as characters".to_owned()),
        (_, Says::Nothing | Says::Text | Says::Parts) => match standard {
            None | Some(Content::Bytes) => Content::Text,
            Some(Content::Digits) => {
                // A number is a number in any length that varies; text may be one where it is as long as one.
                let counted = same || (says == Says::Nothing && !fixed);
                if counted || no == ElementNo::PAN { Content::Digits } else { Content::Text }
            }
            Some(Content::Signed) if !same => Content::Text,
            Some(other) => other,
        },
    })
}

/// The longest value that row and length field can say, if the source's is longer.
fn clamp(
    content: Content,
    length: Length,
    coding: Coding,
    max: u32,
    notes: &mut Vec<String>,
) -> Result<u32, String> {
    let sign = u32::from(content == Content::Signed);
    if max <= sign {
        return Err("it has no length".to_owned());
    }
    let holds = longest(length, coding);
    if let Some(holds) = holds.filter(|holds| *holds < max.min(MAX)) {
        notes.push(format!("its length field ends at {holds}, so that {max} became {holds}"));
        return Ok(holds);
    }
    if MAX + sign < max {
        if length == Length::Fixed {
            return Err(format!("it is longer than the {MAX} that a row can say"));
        }
        notes.push(format!("a row says no more than {MAX}, so that {max} became {MAX}"));
        return Ok(MAX + sign);
    }
    Ok(max)
}

/// The longest value that a length field can say, in units of the coding.
fn longest(length: Length, coding: Coding) -> Option<u32> {
    let Length::Prefixed { width, counts, itself, .. } = length else { return None };
    let own = if itself { usize::from(width) } else { 0 };
    let holds = length.holds()?.saturating_sub(own);
    let longest = match (counts, coding) {
        (Counts::Wire, Coding::Hex(_)) | (Counts::Nibbles, _) => holds / 2,
        (Counts::Wire, Coding::Bcd(_)) => holds.saturating_mul(2),
        (Counts::Even, _) => holds - holds % 2,
        (Counts::Units | Counts::Wire, _) => holds,
    };
    Some(u32::try_from(longest).unwrap_or(u32::MAX))
}

/// Whether a filler can be told from a digit: a length that counts bytes or even digits does not say, and no length neither.
fn is_told(length: Length, coding: Coding, class: Class) -> bool {
    if !matches!(
        length,
        Length::Prefixed { counts: Counts::Wire | Counts::Even, .. }
            | Length::Rest
            | Length::Until(_)
    ) {
        return true;
    }
    match coding {
        Coding::Bcd(Filler::RightZero) => false,
        // A zero before a number changes nothing, but one before a card's number names another card.
        Coding::Bcd(Filler::LeftZero) => class != Class::Pan,
        _ => true,
    }
}

/// Whether there is such a length field.
fn possible(length: Length) -> Result<(), String> {
    let Length::Prefixed { digits, width, .. } = length else { return Ok(()) };
    let possible = match digits {
        LengthCoding::Ascii | LengthCoding::Ebcdic => matches!(width, 1..=6),
        LengthCoding::Bcd => matches!(width, 1..=3),
        LengthCoding::Binary => matches!(width, 1..=4),
        LengthCoding::Hex => matches!(width, 2 | 4 | 6 | 8),
    };
    if possible {
        Ok(())
    } else {
        Err(format!("no row can say a length field of {width} bytes so"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{CodePage, Dialect};
    use crate::tools::sheet::Columns;

    const FIELD: fn(LengthCoding, u8) -> Length =
        |digits, width| Length::Prefixed { digits, width, counts: Counts::Units, itself: false };

    fn counted(digits: LengthCoding, width: u8, counts: Counts) -> Length {
        Length::Prefixed { digits, width, counts, itself: false }
    }

    /// What becomes of one element: its row in text, and how many notes there are; or why there is none.
    fn fitted(no: u8, says: Says, length: Length, coding: Coding, max: u32) -> String {
        let base = Dialect::shipped("iso87-ascii").unwrap();
        let no = ElementNo::of(no);
        let described = Described { name: "", says, length, coding, max };
        match fit(no, &described, base.row(no)) {
            Ok((row, notes)) => {
                let Columns { content, length, coding, class, .. } = Columns::of(&row);
                format!("{content}, {length}, {coding}, {class}; {}", notes.len())
            }
            Err(why) => why,
        }
    }

    #[test]
    fn what_the_source_says_comes_first() {
        let (fixed, ascii) = (Length::Fixed, Coding::Ascii);
        let field = FIELD(LengthCoding::Ascii, 3);
        let packed = Coding::Bcd(Filler::RightZero);
        for (no, says, length, coding, max, row) in [
            (2, Says::Nothing, field, ascii, 19, "n..19, ascii 3, ascii, pan; 0"),
            (2, Says::Text, field, ascii, 19, "n..19, ascii 3, ascii, pan; 0"),
            (2, Says::Digits, field, ascii, 28, "n..28, ascii 3, ascii, sensitive; 1"),
            (3, Says::Nothing, fixed, ascii, 6, "n 6, -, ascii, keep; 0"),
            (3, Says::Parts, fixed, ascii, 6, "n 6, -, ascii, keep; 0"),
            (22, Says::Nothing, fixed, ascii, 12, "ans 12, -, ascii, keep; 1"),
            (49, Says::Text, fixed, ascii, 3, "n 3, -, ascii, keep; 0"),
            (49, Says::Text, fixed, ascii, 4, "ans 4, -, ascii, keep; 0"),
            (49, Says::Digits, fixed, packed, 3, "n 3, -, bcd r0, keep; 0"),
            (4, Says::Digits, fixed, packed, 12, "n 12, -, bcd, keep; 0"),
            (28, Says::Text, fixed, ascii, 9, "x+n 8, -, ascii, keep; 0"),
            (28, Says::Text, fixed, ascii, 12, "ans 12, -, ascii, keep; 0"),
            (28, Says::Signed, fixed, packed, 9, "x+n 8, -, bcd, keep; 0"),
            (35, Says::Digits, field, packed, 37, "z..37, ascii 3, bcd r0, sensitive; 0"),
            (
                37,
                Says::Text,
                fixed,
                Coding::Ebcdic(CodePage::Cp1047),
                12,
                "an 12, -, cp1047, keep; 0",
            ),
            (52, Says::Text, fixed, ascii, 16, "b 8, -, hex, sensitive; 1"),
            (52, Says::Text, fixed, ascii, 8, "ans 8, -, ascii, sensitive; 0"),
            (52, Says::Bytes, fixed, Coding::Raw, 8, "b 8, -, raw, sensitive; 0"),
            (55, Says::Nothing, field, ascii, 510, "b..255, ascii 3 wire, hex, sensitive; 1"),
            (48, Says::Text, field, ascii, 9999, "ans..999, ascii 3, ascii, -; 1"),
            (
                48,
                Says::Text,
                FIELD(LengthCoding::Ascii, 6),
                ascii,
                999_999,
                "ans..32000, ascii 6, ascii, -; 1",
            ),
            (
                48,
                Says::Text,
                fixed,
                ascii,
                32_001,
                "it is longer than the 32000 that a row can say",
            ),
            (
                48,
                Says::Text,
                FIELD(LengthCoding::Bcd, 4),
                ascii,
                9,
                "no row can say a length field of 4 bytes so",
            ),
            (48, Says::Parts, field, packed, 9, "its packed digits are more than a number"),
            (28, Says::Signed, fixed, ascii, 1, "it has no length"),
        ] {
            assert_eq!(fitted(no, says, length, coding, max), row, "{no} {says:?}");
        }
    }

    #[test]
    fn lengths_that_count_otherwise() {
        let packed = Coding::Bcd(Filler::RightZero);
        let fixed = Length::Fixed;
        for (no, says, length, coding, max, row) in [
            (
                48,
                Says::Bytes,
                counted(LengthCoding::Bcd, 1, Counts::Nibbles),
                Coding::Raw,
                99,
                "b..49, bcd 1 nibbles, raw, -; 1",
            ),
            (
                32,
                Says::Digits,
                counted(LengthCoding::Ebcdic, 2, Counts::Wire),
                Coding::Bcd(Filler::RightF),
                11,
                "n..11, ebcdic 2 wire, bcd rF, keep; 0",
            ),
            (
                32,
                Says::Digits,
                counted(LengthCoding::Ascii, 1, Counts::Even),
                Coding::Bcd(Filler::LeftZero),
                11,
                "n..8, ascii 1 even, bcd l0, keep; 1",
            ),
            (
                32,
                Says::Digits,
                counted(LengthCoding::Ascii, 2, Counts::Even),
                packed,
                11,
                "whether its last or first digit is a filler cannot be told",
            ),
            (
                2,
                Says::Digits,
                counted(LengthCoding::Ascii, 2, Counts::Even),
                Coding::Bcd(Filler::LeftZero),
                19,
                "whether its last or first digit is a filler cannot be told",
            ),
            (
                28,
                Says::Signed,
                fixed,
                Coding::Zoned(Alphabet::Ebcdic),
                9,
                "x+n 8, -, zoned-ebcdic, keep; 0",
            ),
        ] {
            assert_eq!(fitted(no, says, length, coding, max), row, "{no} {says:?}");
        }
    }

    #[test]
    fn nothing_that_may_not_be_stored_is_kept() {
        for no in (2..=128).filter(|no| *no != 65) {
            let row = fitted(no, Says::Text, FIELD(LengthCoding::Ascii, 3), Coding::Ascii, 99);
            let secret = [2, 34, 35, 36, 45, 52, 53, 55, 96].contains(&no);
            let private =
                [46, 47, 48, 64, 102, 103].contains(&no) || (56..64).contains(&no) || 105 <= no;
            assert_eq!(row.contains(", keep;"), !secret && !private, "{no}: {row}");
        }
    }

    #[test]
    fn names_cannot_become_anything_else() {
        let base = Dialect::shipped("iso87-ascii").unwrap();
        for (name, title) in [
            ("", "amount, transaction"),
            (" # ", "amount, transaction"),
            ("A\tB\n99 n 3", "A B 99 n 3"),
            ("#1 Amount #2", "1 Amount 2"),
            ("PAN (#3)", "PAN (#3)"),
        ] {
            assert_eq!(super::title(name, ElementNo::AMOUNT, base.row(ElementNo::AMOUNT)), title);
        }
    }
}
