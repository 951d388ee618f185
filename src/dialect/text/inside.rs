//! What lies within elements: `parts` lines, and rows whose numbers have dots.

use super::columns::{Columns, columns, impossible};
use super::word::{Word, Words};
use crate::dialect::{
    Alphabet, Class, Dialect, Fault, Inside, Length, LengthCoding, Part, Row, Scheme, TagCoding,
    Tagged,
};
use crate::iso::ElementNo;

/// How deep a path may go: the element and three keys.
const DEPTH: usize = 4;

/// How many parts one file may describe: more than any network has.
const PARTS_MAX: usize = 4096;

fn too_many(at: Word<'_>) -> Fault {
    let help = "parts without a row are read all the same where they have tags";
    at.fault(format!("more than {PARTS_MAX} parts of elements"), Some(help.to_owned()))
}

/// The lines about insides, until all elements are known.
#[derive(Default)]
pub(super) struct Lines<'a> {
    schemes: Vec<(Word<'a>, Option<Scheme>)>,
    rows: Vec<(Word<'a>, Row, Word<'a>)>,
}

impl<'a> Lines<'a> {
    /// `parts 48 tag ascii 2 length ascii 2`, behind its first word.
    pub(super) fn line(&mut self, rest: &mut Words<'a, '_>) -> Result<(), Fault> {
        let at = rest.next().ok_or_else(|| rest.missing("an element, e.g. 48"))?;
        path(at)?;
        if let Some((before, _)) = self.schemes.iter().find(|(seen, _)| seen.text == at.text) {
            let message =
                format!("a second such line for {}; the first is on line {}", at.text, before.line);
            return Err(at.fault(message, None));
        }
        let scheme = scheme(rest)?;
        if self.schemes.len() == PARTS_MAX {
            return Err(too_many(at));
        }
        self.schemes.push((at, scheme));
        Ok(())
    }

    /// `48.42 an..7 - ascii - name`, behind its first word.
    pub(super) fn row(
        &mut self,
        first: Word<'a>,
        rest: &mut Words<'a, '_>,
        faults: &mut Vec<Fault>,
    ) {
        if let Some((before, _, _)) = self.rows.iter().find(|(seen, _, _)| seen.text == first.text)
        {
            let message =
                format!("part {} a second time; the first is on line {}", first.text, before.line);
            faults.push(first.fault(message, Some("one row a part".to_owned())));
        }
        match path(first).and_then(|_| columns(rest, true)) {
            Ok((row, at)) => {
                impossible(&row, at, faults);
                let Columns { content, length, .. } = at;
                faults.extend(never_kept(first, &row, content));
                if self.rows.len() < PARTS_MAX {
                    self.rows.push((first, row, length));
                } else {
                    faults.push(too_many(first));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }

    /// Puts what was read into the dialect, over what it has from the one that it extends.
    pub(super) fn finish(mut self, dialect: &mut Dialect, faults: &mut Vec<Fault>) {
        let before = faults.len();
        // What holds a part comes before the part.
        self.rows.sort_by_key(|(at, _, _)| at.text.matches('.').count());
        self.schemes.sort_by_key(|(at, _)| at.text.matches('.').count());
        let mut rows = self.rows.into_iter().peekable();
        for depth in 0..DEPTH {
            for (at, scheme) in
                self.schemes.iter().filter(|(at, _)| at.text.matches('.').count() == depth)
            {
                faults.extend(lay_out(dialect, *at, *scheme).err());
            }
            while let Some((at, row, length)) =
                rows.next_if(|(at, _, _)| at.text.matches('.').count() == depth + 1)
            {
                faults.extend(add(dialect, at, row, length).err());
            }
        }
        if before < faults.len() {
            return;
        }
        for (no, inside) in &dialect.insides {
            let at = self
                .schemes
                .iter()
                .find(|(at, _)| at.text.split('.').next() == Some(&no.to_string()));
            let class = dialect.row(*no).map_or(Class::Sensitive, |row| row.class);
            if let Some(message) = gap(inside).or_else(|| uncovered(inside, class)) {
                // What comes with the program has none: the fault is in a line of this file, or beside one.
                let at = at
                    .map_or_else(|| Word { line: 1, column: 1, ..Word::default() }, |(at, _)| *at);
                faults.push(at.fault(format!("element {no}: {message}"), None));
            }
        }
    }
}

/// An element's number and the keys behind it.
fn path(at: Word<'_>) -> Result<(ElementNo, Vec<&str>), Fault> {
    let mut keys = at.text.split('.');
    let no = keys.next().and_then(|no| no.parse().ok()).and_then(|no| ElementNo::new(no).ok());
    let keys: Vec<_> = keys.collect();
    match no {
        Some(no) if keys.len() < DEPTH && keys.iter().all(|key| !key.is_empty()) => Ok((no, keys)),
        _ => {
            let message = format!("\"{}\" is no part of an element", at.text);
            let help = "the element's number, then up to three keys, e.g. 48.42 or 127.25.3";
            Err(at.fault(message, Some(help.to_owned())))
        }
    }
}

/// How parts are found; none for `none`.
fn scheme(rest: &mut Words<'_, '_>) -> Result<Option<Scheme>, Fault> {
    #[derive(Clone, Copy)]
    enum Kind {
        None,
        Positional,
        Tagged,
        Ber,
        Bitmap,
        Tokens,
    }
    let before = rest.rest;
    let kind = rest.choose(
        "a way to find parts",
        &[
            ("positional", Kind::Positional),
            ("tag", Kind::Tagged),
            ("length", Kind::Tagged),
            ("lead", Kind::Tagged),
            ("ber", Kind::Ber),
            ("bitmap", Kind::Bitmap),
            ("tokens", Kind::Tokens),
            ("none", Kind::None),
        ],
    )?;
    Ok(match kind {
        Kind::None => None,
        Kind::Ber => Some(Scheme::Ber),
        Kind::Tokens => Some(Scheme::Tokens),
        Kind::Positional => Some(Scheme::Positional { repeated: rest.take("repeated") }),
        Kind::Bitmap => {
            let hex = rest.choose("a bitmap coding", &[("binary", false), ("hex", true)])?;
            Some(Scheme::Bitmap { hex, bytes: number(rest, "how many bytes it stands for", 16)? })
        }
        Kind::Tagged => {
            rest.rest = before;
            Some(Scheme::Tagged(tagged(rest)?))
        }
    })
}

/// `[lead 1] tag ascii 2 length ascii 2`, or the length first; the order of the words is that on the wire.
fn tagged(rest: &mut Words<'_, '_>) -> Result<Tagged, Fault> {
    let lead =
        if rest.take("lead") { number(rest, "how many bytes precede the parts", 255)? } else { 0 };
    let length_first = rest.take("length");
    let (tag, length, counts_itself, counts_tag);
    if length_first {
        (length, counts_itself, counts_tag) = counted(rest)?;
        expect(rest, "tag")?;
        tag = tag_width(rest)?;
    } else {
        expect(rest, "tag")?;
        tag = tag_width(rest)?;
        expect(rest, "length")?;
        (length, counts_itself, counts_tag) = counted(rest)?;
    }
    Ok(Tagged {
        lead: u16::from(lead),
        tag: tag.0,
        tag_width: tag.1,
        length: length.0,
        length_width: length.1,
        length_first,
        counts_tag,
        counts_itself,
    })
}

/// A length with what it counts besides the value: itself, the tag.
fn counted(rest: &mut Words<'_, '_>) -> Result<((LengthCoding, u8), bool, bool), Fault> {
    let length = length_width(rest)?;
    Ok((length, rest.take("itself"), rest.take("with-tag")))
}

fn expect(rest: &mut Words<'_, '_>, word: &'static str) -> Result<(), Fault> {
    rest.choose("the next word", &[(word, ())])
}

/// The coding and width of a tag.
fn tag_width(rest: &mut Words<'_, '_>) -> Result<(TagCoding, u8), Fault> {
    let coding = rest.choose(
        "a tag's coding",
        &[
            ("ascii", TagCoding::Characters(Alphabet::Ascii)),
            ("ebcdic", TagCoding::Characters(Alphabet::Ebcdic)),
            ("bcd", TagCoding::Bcd),
            ("binary", TagCoding::Binary),
        ],
    )?;
    Ok((coding, number(rest, "a width of the tag in bytes", 8)?))
}

/// The coding and width of the length behind or before a tag.
fn length_width(rest: &mut Words<'_, '_>) -> Result<(LengthCoding, u8), Fault> {
    let coding = rest.choose(
        "a length's coding",
        &[
            ("ascii", LengthCoding::Ascii),
            ("ebcdic", LengthCoding::Ebcdic),
            ("bcd", LengthCoding::Bcd),
            ("binary", LengthCoding::Binary),
        ],
    )?;
    let most = match coding {
        LengthCoding::Bcd => 3,
        LengthCoding::Binary => 4,
        _ => 6,
    };
    Ok((coding, number(rest, "a width of this length in bytes", most)?))
}

/// A number from 1 on.
fn number(rest: &mut Words<'_, '_>, what: &str, most: u8) -> Result<u8, Fault> {
    let word = rest.next().ok_or_else(|| rest.missing(what))?;
    word.text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or_else(|| {
        word.fault(
            format!("\"{}\" is not {what}", word.text),
            Some(format!("a number from 1 to {most}")),
        )
    })
}

/// Gives an element, or a part that is known by now, its way to find parts.
fn lay_out(dialect: &mut Dialect, at: Word<'_>, scheme: Option<Scheme>) -> Result<(), Fault> {
    let (no, keys) = path(at)?;
    let inside = scheme.map(|scheme| Inside { scheme, parts: Vec::new() });
    let unknown = || {
        let help = "give it a row, or leave this line out".to_owned();
        at.fault(format!("{} has no row", at.text), Some(help))
    };
    if !keys.is_empty() {
        let part = inside_mut(dialect, no)
            .and_then(|inside| inside.find_mut(&keys))
            .ok_or_else(unknown)?;
        part.inside = inside;
        return Ok(());
    }
    dialect.row(no).ok_or_else(unknown)?;
    let place = dialect.insides.binary_search_by_key(&no, |(no, _)| *no);
    match (place, inside) {
        (Ok(place), Some(inside)) => {
            if let Some((_, old)) = dialect.insides.get_mut(place) {
                *old = inside;
            }
        }
        (Ok(place), None) => {
            dialect.insides.remove(place);
        }
        (Err(place), Some(inside)) => dialect.insides.insert(place, (no, inside)),
        (Err(_), None) => {}
    }
    Ok(())
}

fn inside_mut(dialect: &mut Dialect, no: ElementNo) -> Option<&mut Inside> {
    let place = dialect.insides.binary_search_by_key(&no, |(no, _)| *no).ok()?;
    dialect.insides.get_mut(place).map(|(_, inside)| inside)
}

/// Adds a part to what holds it.
fn add(dialect: &mut Dialect, at: Word<'_>, row: Row, length: Word<'_>) -> Result<(), Fault> {
    let (no, keys) = path(at)?;
    let Some((key, holder)) = keys.split_last() else { return Ok(()) };
    let inside = inside_mut(dialect, no).and_then(|inside| match holder {
        [] => Some(inside),
        holder => inside.find_mut(holder)?.inside.as_mut(),
    });
    let Some(inside) = inside else {
        let (holder, _) = at.text.rsplit_once('.').unwrap_or((at.text, ""));
        let help = format!(
            "a line \"parts {holder}\" says how they are found, e.g. parts {holder} positional"
        );
        return Err(
            at.fault(format!("what the parts of {holder} are found by is not said"), Some(help))
        );
    };
    check_key(inside.scheme, key).map_err(|(message, help)| at.fault(message, Some(help)))?;
    if inside.scheme.gives_length()
        && *key != LEAD
        && !matches!(row.length, Length::Fixed | Length::Rest)
    {
        let help = "write - here".to_owned();
        return Err(length.fault("the length stands beside the tag", Some(help)));
    }
    let part = Part { key: (*key).to_owned(), row, inside: None };
    let place = inside.parts.iter().position(|part| part.key == *key);
    match place.and_then(|place| inside.parts.get_mut(place)) {
        Some(old) => *old = Part { inside: old.inside.take(), ..part },
        None => inside.parts.push(part),
    }
    if inside.scheme.numbered().is_some() {
        inside.parts.sort_by_key(|part| part.key.parse::<u16>().unwrap_or(0));
    }
    Ok(())
}

/// The key of what precedes the first tag.
const LEAD: &str = "lead";

/// Whether a key can occur, or else why not and what could.
fn check_key(scheme: Scheme, key: &str) -> Result<(), (String, String)> {
    let digits =
        |len: usize, good: fn(&u8) -> bool| key.len() == len && key.bytes().all(|byte| good(&byte));
    let hex = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'A'..=b'F');
    let wrong = |message: String, help: &str| Err((message, help.to_owned()));
    match scheme {
        Scheme::Positional { .. } | Scheme::Bitmap { .. } => {
            let most = scheme.numbered().unwrap_or_default();
            let number = key.parse().ok().filter(|number| (1..=most).contains(number));
            if number.is_some_and(|number| number.to_string() == key) {
                return Ok(());
            }
            wrong(format!("\"{key}\" is not the number of a part"), &format!("from 1 to {most}"))
        }
        Scheme::Tagged(Tagged { lead: 1.., .. }) if key == LEAD => Ok(()),
        Scheme::Tagged(Tagged { tag, tag_width, .. }) => {
            let width = usize::from(tag_width);
            let right = match tag {
                TagCoding::Characters(_) => key.len() == width,
                TagCoding::Bcd => digits(2 * width, u8::is_ascii_digit),
                TagCoding::Binary => digits(2 * width, hex),
            };
            if right {
                Ok(())
            } else {
                wrong(
                    format!("\"{key}\" is not a tag of {width} bytes"),
                    "as many characters, or two digits for each packed or binary byte",
                )
            }
        }
        Scheme::Ber => {
            if key.len().is_multiple_of(2)
                && (2..=8).contains(&key.len())
                && key.bytes().all(|byte| hex(&byte))
            {
                return Ok(());
            }
            wrong(format!("\"{key}\" is not a tag"), "upper-case hexadecimal digits, e.g. 9F02")
        }
        Scheme::Tokens => {
            if key.len() == 2 {
                Ok(())
            } else {
                wrong(format!("\"{key}\" is not a token's name"), "two characters, e.g. B4")
            }
        }
    }
}

/// What is missing among parts that are found by their place.
fn gap(inside: &Inside) -> Option<String> {
    let positional = matches!(inside.scheme, Scheme::Positional { .. });
    for (at, part) in inside.parts.iter().enumerate() {
        if positional && part.key != (at + 1).to_string() {
            return Some(format!("part {} is missing before part {}", at + 1, part.key));
        }
        let last = at + 1 == inside.parts.len();
        let open = part.row.length == Length::Rest && !inside.scheme.gives_length();
        let repeated = inside.scheme == Scheme::Positional { repeated: true };
        if open && (!last || repeated || !positional) {
            return Some(format!("part {} has no length, and others may follow", part.key));
        }
        if let Some(message) = part.inside.as_ref().and_then(gap) {
            return Some(message);
        }
    }
    (positional && inside.parts.is_empty()).then(|| "it has no part".to_owned())
}

/// A part that may not be shown, within what is shown whole.
fn uncovered(inside: &Inside, holder: Class) -> Option<String> {
    if matches!(holder, Class::Sensitive) {
        return None;
    }
    secret_part(inside).map(|key| {
        format!(
            "its part {key} may not be shown, and the whole of it is: its class must be `sensitive`"
        )
    })
}

/// The keys that lead to a part that may not be shown.
fn secret_part(inside: &Inside) -> Option<String> {
    inside.parts.iter().find_map(|part| {
        if matches!(part.row.class, Class::Sensitive | Class::Pan) {
            return Some(part.key.clone());
        }
        let within = part.inside.as_ref().and_then(secret_part)?;
        Some(format!("{}.{within}", part.key))
    })
}

/// Tags of ICC data that hold what may never be stored: track equivalents, PIN data (EMV Book 3, annex A; PCI DSS 4.0.1, 3.3.1).
const NEVER_KEPT_TAGS: [&str; 6] = ["56", "57", "99", "9F1F", "9F20", "9F6B"];

fn never_kept(at: Word<'_>, row: &Row, content: Word<'_>) -> Option<Fault> {
    let tag = at.text.rsplit('.').next().filter(|tag| NEVER_KEPT_TAGS.contains(tag));
    let held =
        super::NEVER_KEPT.iter().any(|no| at.text.split('.').next() == Some(&no.to_string()));
    let tag_of_icc = tag.is_some() && at.text.starts_with("55.");
    (row.class == Class::Keep && (tag_of_icc || held)).then(|| {
        let help = "the class `sensitive` instead of `keep`".to_owned();
        content.fault(format!("part {} may not be stored, not even encrypted", at.text), Some(help))
    })
}
