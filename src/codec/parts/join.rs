//! Parts put together to the plain value of the element that holds them.

use std::collections::HashMap;
use std::fmt;

use super::{
    Alphabet, CodePage, DEPTH, Fault, Inside, Length, Part, Scheme, TagCoding, Tagged, ber, take,
    value,
};
use crate::codec::check;

/// Parts that cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinError {
    /// The keys that lead to the part, without the element's number.
    pub path: String,
    /// Why.
    pub fault: JoinFault,
}

/// Why parts cannot be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinFault {
    /// The part cannot be written so.
    Value(Fault),
    /// A part before the one that is given is not.
    Missing(String),
    /// The dialect has no such part.
    Unknown,
    /// A value, and parts of it.
    Both,
    /// It ends at a character that it holds.
    HoldsItsEnd,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {}: ", self.path)?;
        match &self.fault {
            JoinFault::Value(fault) => fault.fmt(f),
            JoinFault::Missing(before) => write!(f, "part {before} before it is missing"),
            JoinFault::Unknown => f.write_str("the dialect has no such part"),
            JoinFault::Both => f.write_str("there is a value, and there are parts of it"),
            JoinFault::HoldsItsEnd => f.write_str("it holds the character that ends it"),
        }
    }
}

impl std::error::Error for JoinError {}

/// The plain value of an element that consists of these parts: the keys that lead to each, apart by dots, and its plain value.
///
/// Parts with tags come in the order in which they are given; a further one by the same key is told by `#2` behind it, and so on.
pub fn join(inside: &Inside, parts: &[(String, Vec<u8>)]) -> Result<Vec<u8>, JoinError> {
    let parts: Vec<_> =
        parts.iter().map(|(path, plain)| (path.as_str(), plain.as_slice())).collect();
    within(inside, &parts, 0)
}

/// What is given for one key: a value, or parts of it.
struct Group<'a> {
    name: &'a str,
    /// How many keys precede it: no more than are read again.
    depth: usize,
    value: Option<&'a [u8]>,
    parts: Vec<(&'a str, &'a [u8])>,
}

impl Group<'_> {
    fn key(&self) -> &str {
        self.name.split_once('#').map_or(self.name, |(key, _)| key)
    }

    /// Which of several by the same key, from 1.
    fn which(&self) -> usize {
        self.name.split_once('#').and_then(|(_, which)| which.parse().ok()).unwrap_or(1)
    }

    fn error(&self, fault: JoinFault) -> JoinError {
        JoinError { path: self.name.to_owned(), fault }
    }
}

fn within(inside: &Inside, parts: &[(&str, &[u8])], depth: usize) -> Result<Vec<u8>, JoinError> {
    let groups = grouped(parts, depth)?;
    match inside.scheme {
        Scheme::Positional { .. } => positional(inside, groups),
        Scheme::Tagged(tagged) => {
            let mut out = Vec::new();
            for group in &groups {
                write_tagged(inside, tagged, group, &mut out)?;
            }
            Ok(out)
        }
        Scheme::Ber => {
            let mut out = Vec::new();
            for group in &groups {
                write_ber(inside, group, &mut out)?;
            }
            Ok(out)
        }
        Scheme::Bitmap { hex, bytes } => bitmap(inside, (hex, usize::from(bytes)), groups),
        Scheme::Tokens => tokens(inside, &groups),
    }
}

/// What belongs to each key, in the order of their first appearance.
fn grouped<'a>(parts: &[(&'a str, &'a [u8])], depth: usize) -> Result<Vec<Group<'a>>, JoinError> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (path, plain) in parts {
        let (name, rest) =
            path.split_once('.').map_or((*path, None), |(name, rest)| (name, Some(rest)));
        let at = *places.entry(name).or_insert_with(|| {
            groups.push(Group { name, depth, value: None, parts: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(at) {
            match rest {
                Some(rest) => group.parts.push((rest, plain)),
                None => group.value = Some(plain),
            }
            if group.value.is_some() && !group.parts.is_empty() {
                return Err(group.error(JoinFault::Both));
            }
        }
    }
    Ok(groups)
}

/// The plain value of a part: what is given, or its own parts put together.
fn plain(group: &Group<'_>, inside: Option<&Inside>) -> Result<Vec<u8>, JoinError> {
    match (group.value, inside) {
        (Some(value), _) => Ok(value.to_vec()),
        (None, Some(_)) if group.depth == DEPTH => {
            Err(group.error(JoinFault::Value(Fault::TooDeep)))
        }
        (None, Some(inside)) => within(inside, &group.parts, group.depth + 1)
            .map_err(|error| JoinError { path: format!("{}.{}", group.name, error.path), ..error }),
        (None, None) => Err(group.error(JoinFault::Unknown)),
    }
}

/// Appends a part as its row says.
fn write(group: &Group<'_>, part: &Part, out: &mut Vec<u8>) -> Result<(), JoinError> {
    let plain = plain(group, part.inside.as_ref())?;
    let fail = |fault| group.error(JoinFault::Value(fault));
    let mut layout = part.row.layout().ok_or_else(|| group.error(JoinFault::Unknown))?;
    let max = usize::from(layout.max);
    if let Length::Rest | Length::Until(_) = part.row.length {
        if max < plain.len() {
            return Err(fail(Fault::TooLong { len: plain.len(), max }));
        }
        // No longer than the longest, so that nothing is padded.
        layout.max = u16::try_from(plain.len()).unwrap_or(layout.max);
    }
    let start = out.len();
    value::pack(layout, &plain, out).map_err(fail)?;
    if let Length::Until(end) = part.row.length {
        if out.get(start..).unwrap_or_default().contains(&end) {
            return Err(group.error(JoinFault::HoldsItsEnd));
        }
        out.push(end);
    }
    Ok(())
}

fn positional(inside: &Inside, mut groups: Vec<Group<'_>>) -> Result<Vec<u8>, JoinError> {
    let place = |key: &str| inside.parts.iter().position(|part| part.key == key);
    groups.sort_by_cached_key(|group| (group.which(), place(group.key())));
    let mut out = Vec::new();
    let (mut expected, mut which) = (0, 1);
    for group in &groups {
        let at = place(group.key()).ok_or_else(|| group.error(JoinFault::Unknown))?;
        if which < group.which() && expected == inside.parts.len() {
            (expected, which) = (0, which + 1);
        }
        let part = inside.parts.get(at).filter(|_| at == expected && which == group.which());
        let before = || JoinFault::Missing((expected + 1).to_string());
        write(group, part.ok_or_else(|| group.error(before()))?, &mut out)?;
        expected += 1;
    }
    Ok(out)
}

fn bitmap(
    inside: &Inside,
    (hex, bytes): (bool, usize),
    mut groups: Vec<Group<'_>>,
) -> Result<Vec<u8>, JoinError> {
    groups.sort_by_key(|group| group.key().parse::<usize>().unwrap_or(0));
    let mut bits = vec![0_u8; bytes];
    let mut behind = Vec::new();
    for group in &groups {
        let part = inside.part(group.name).ok_or_else(|| group.error(JoinFault::Unknown))?;
        let bit = part.key.parse::<usize>().unwrap_or(1) - 1;
        if let Some(byte) = bits.get_mut(bit / 8) {
            *byte |= 0x80 >> (bit % 8);
        }
        write(group, part, &mut behind)?;
    }
    if hex {
        bits = bits.iter().flat_map(|byte| [byte >> 4, byte & 15].map(value::hex_digit)).collect();
    }
    bits.extend_from_slice(&behind);
    Ok(bits)
}

/// The bytes of a part whose length stands beside its tag; one without a row is taken as it is.
fn open_value(inside: &Inside, group: &Group<'_>) -> Result<Vec<u8>, JoinError> {
    let Some(part) = inside.part(group.key()) else { return plain(group, None) };
    let mut out = Vec::new();
    write(group, part, &mut out)?;
    Ok(out)
}

fn write_tagged(
    inside: &Inside,
    tagged: Tagged,
    group: &Group<'_>,
    out: &mut Vec<u8>,
) -> Result<(), JoinError> {
    let data = open_value(inside, group)?;
    if group.name == "lead" && 0 < tagged.lead {
        out.extend_from_slice(&data);
        return Ok(());
    }
    let tag = tag(tagged, group.key()).ok_or_else(|| group.error(JoinFault::Unknown))?;
    let mut len = data.len();
    if tagged.counts_tag {
        len += tag.len();
    }
    if tagged.counts_itself {
        len += usize::from(tagged.length_width);
    }
    let prefix = tagged.length.prefix(tagged.length_width);
    let longest = tagged.length.longest(tagged.length_width);
    if longest < len {
        return Err(group.error(JoinFault::Value(Fault::TooLong { len, max: longest })));
    }
    if tagged.length_first {
        value::prefix_digits(prefix, len, out);
        out.extend_from_slice(&tag);
    } else {
        out.extend_from_slice(&tag);
        value::prefix_digits(prefix, len, out);
    }
    out.extend_from_slice(&data);
    Ok(())
}

/// A tag as it lies on the wire.
fn tag(tagged: Tagged, key: &str) -> Option<Vec<u8>> {
    let width = usize::from(tagged.tag_width);
    let mut tag = match tagged.tag {
        TagCoding::Characters(_) => key.as_bytes().to_vec(),
        TagCoding::Bcd => check::digits(key.as_bytes()).then(|| hex(key))??,
        TagCoding::Binary => hex(key)?,
    };
    if matches!(tagged.tag, TagCoding::Characters(Alphabet::Ebcdic)) {
        value::translate(CodePage::Cp037, &mut tag);
    }
    (tag.len() == width).then_some(tag)
}

/// The bytes of hexadecimal digits.
fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if !check::hex(digits) || !digits.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes = Vec::new();
    value::unpack(super::Form::Hex(Alphabet::Ascii), digits.len() / 2, digits, &mut bytes);
    Some(bytes)
}

fn write_ber(inside: &Inside, group: &Group<'_>, out: &mut Vec<u8>) -> Result<(), JoinError> {
    let tag = hex(group.key()).ok_or_else(|| group.error(JoinFault::Unknown))?;
    let constructed = tag.first().is_some_and(|first| first & 0x20 != 0);
    let part = inside.part(group.key());
    let data = if constructed && group.value.is_none() {
        // Objects within it are known by the same rows, unless it has its own.
        plain(group, Some(part.and_then(|part| part.inside.as_ref()).unwrap_or(inside)))?
    } else {
        open_value(inside, group)?
    };
    out.extend_from_slice(&tag);
    ber::write_length(data.len(), out);
    out.extend_from_slice(&data);
    Ok(())
}

fn tokens(inside: &Inside, groups: &[Group<'_>]) -> Result<Vec<u8>, JoinError> {
    let mut behind = Vec::new();
    for group in groups {
        let data = open_value(inside, group)?;
        let name = Some(group.key()).filter(|key| key.len() == 2);
        let name = name.ok_or_else(|| group.error(JoinFault::Unknown))?;
        behind.extend_from_slice(format!("! {name}{:05} ", data.len()).as_bytes());
        behind.extend_from_slice(&data);
    }
    let total = take::TOKEN_HEADER + behind.len();
    let mut out = format!("& {:05}{total:05}", groups.len() + 1).into_bytes();
    out.extend_from_slice(&behind);
    Ok(out)
}
