//! `read`, `write`, `codes` and `network_mti` of a link: what stands between its peers' words and the house's.

use std::sync::Arc;

use super::read::{Limit, Section, Spot};
use super::report::Fault;
use crate::codec::{self, Draft};
use crate::dialect::{Class, Content, Dialect, Version};
use crate::iso::{self, ElementNo, ElementSet, Elements, Function, Mti};
use crate::mapping::{Change, Changes, Codes, Condition, Settings};

/// What no change may touch: what the books count with, what a card and a message are known by, and what is said of its outcome.
const UNTOUCHABLE: ElementSet = ElementSet::of(&[2, 3, 4, 7, 11, 12, 13, 35, 39, 49, 56, 90]);

/// What a message that comes in is also known by: it may be put in where it is missing, and is not changed.
const KNOWN_BY: ElementSet = ElementSet::of(&[32, 41, 42]);

/// What a reversal names of its original: changed in all messages, or in none.
const NAMED: ElementSet = ElementSet::of(&[32, 33]);

/// Elements that a message may have.
const NUMBERS: Limit = Limit::new(2, 2, 128);

/// Which way a change goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Read,
    Write,
}

/// All of it; `dialect` is the one on the wire.
pub(super) fn read(section: &Section<'_>, dialect: &Arc<Dialect>) -> Settings {
    let later = dialect.version() == Version::Of1993;
    Settings {
        codes: codes(section, later),
        network: network(section, later),
        read: changes(section, dialect, Way::Read),
        write: changes(section, dialect, Way::Write),
    }
}

fn codes(section: &Section<'_>, later: bool) -> Codes {
    let mut codes = Codes::default();
    if let (Some(span), false) = (section.has("codes"), later) {
        let fault = section.faults().at(span, "`codes` is for links of ISO 8583:1993");
        section
            .faults()
            .tell(fault.help("remove this line: the codes of 1987 are passed on as they are"));
    }
    for (code, action) in section.texts_by_text("codes") {
        if let Err(why) = codes.add(code.value, action.value) {
            let title = format!("`codes` cannot say that {:?} is {:?}", code.value, action.value);
            section.faults().tell(section.faults().at(code.span, title).label(why.to_string()));
        }
    }
    codes
}

/// The MTI of what we send for network management.
fn network(section: &Section<'_>, later: bool) -> Option<Mti> {
    let usual = if later { "1804 or 1820" } else { "0800 or 0820" };
    let fits = |mti: &Mti| {
        mti.class() == iso::Class::Network
            && matches!(mti.function(), Function::Request | Function::Advice)
            && mti.version() == u8::from(later)
            && !mti.is_repeat()
    };
    let mti = section.word("network_mti", |text| {
        let mti = Mti::from_ascii(text.as_bytes()).ok().filter(fits);
        mti.ok_or_else(|| format!("the MTI of a network management request, like {usual}"))
    });
    mti.map(|mti| mti.value)
}

fn changes(section: &Section<'_>, dialect: &Arc<Dialect>, way: Way) -> Changes {
    let key = if way == Way::Read { "read" } else { "write" };
    let mut all = Vec::new();
    for part in section.array_sections(key) {
        let change = Change {
            messages: messages(&part, dialect),
            when: when(&part, dialect, way),
            drop: drop(&part, dialect, way),
            copy: copy(&part, dialect, way),
            set: values(&part, "set", dialect, way),
            default: values(&part, "default", dialect, way),
        };
        if ["set", "copy", "default", "drop"].iter().all(|key| part.has(key).is_none()) {
            let fault = part.faults().at(part.span(), format!("[[{key}]] changes nothing"));
            part.faults().tell(fault.help("say `set`, `copy`, `default` or `drop`, or remove it"));
        }
        one_way(&part, &change, way);
        part.end();
        all.push(change);
    }
    Changes::new(all)
}

/// What messages are known by, and what a reversal names of its original, is the same in all of them.
fn one_way(part: &Section<'_>, change: &Change, way: Way) {
    let fixed = if way == Way::Read { KNOWN_BY } else { NAMED };
    let touched = change.puts().or(change.drop).and(fixed);
    let span = part.has("messages").or_else(|| part.has("when"));
    if let (Some(no), Some(span)) = (touched.iter().next(), span) {
        let title = format!("element {no} is changed in some messages and not in others");
        let fault = part.faults().at(span, title);
        let fault = fault.label("a reversal names its original by it");
        part.faults().tell(fault.help("change it in a table without `messages` and `when`"));
    }
}

fn messages(part: &Section<'_>, dialect: &Arc<Dialect>) -> Vec<Mti> {
    let version = u8::from(dialect.version() == Version::Of1993);
    let mut all = Vec::new();
    for text in part.texts("messages") {
        let mti = Mti::from_ascii(text.value.as_bytes()).ok();
        if let Some(mti) = mti.filter(|mti| mti.version() == version && !mti.is_repeat()) {
            all.push(mti);
            continue;
        }
        let title = format!("`messages` cannot be {:?}", text.value);
        let label = format!(
            "an MTI of the link's own edition, like {version}200; repeats are meant with it"
        );
        part.faults().tell(part.faults().at(text.span, title).label(label));
    }
    all
}

fn when(part: &Section<'_>, dialect: &Arc<Dialect>, way: Way) -> Vec<Condition> {
    let texts = part.texts_by_number("when", NUMBERS);
    let conditions = texts.into_iter().filter_map(|(number, text)| {
        let element = element(number)?;
        if way == Way::Read {
            defined(part, dialect, (element, "when"), text.span.clone());
        }
        Some(Condition { element, begins: text.value.as_bytes().to_vec() })
    });
    conditions.collect()
}

fn drop(part: &Section<'_>, dialect: &Arc<Dialect>, way: Way) -> ElementSet {
    let span = part.has("drop").unwrap_or_else(|| part.span());
    let elements = part.numbers("drop", NUMBERS).into_iter().filter_map(element);
    let elements = elements.filter(|element| {
        touchable(part, (*element, "drop"), (way, true), span.clone())
            && (way == Way::Write || defined(part, dialect, (*element, "drop"), span.clone()))
    });
    elements.collect()
}

fn copy(part: &Section<'_>, dialect: &Arc<Dialect>, way: Way) -> Vec<(ElementNo, ElementNo)> {
    let mut all = Vec::new();
    for (to, from) in part.numbers_by_number("copy", NUMBERS) {
        let (Some(to), Some(source)) = (element(to), element(from.value)) else { continue };
        let sound = touchable(part, (to, "copy"), (way, true), from.span.clone())
            && defined(part, dialect, (to, "copy"), from.span.clone())
            && (way == Way::Write || defined(part, dialect, (source, "copy"), from.span.clone()))
            && showable(part, dialect, (source, to), from.span);
        if sound {
            all.push((to, source));
        }
    }
    all
}

/// Secrets of one element may not become another's, whose row knows nothing of that.
fn showable(
    part: &Section<'_>,
    dialect: &Arc<Dialect>,
    (source, to): (ElementNo, ElementNo),
    span: std::ops::Range<usize>,
) -> bool {
    const SECRET: ElementSet = ElementSet::of(&[2, 34, 35, 36, 45, 52, 53, 55, 64, 96, 128]);
    let class = |no| dialect.row(no).map_or(Class::Unkept, |row| row.class);
    let written_down = class(source) == Class::Unkept && class(to) == Class::Keep;
    let secret = SECRET.has(source)
        || matches!(class(source), Class::Pan | Class::Sensitive)
        || written_down;
    if secret {
        let title = format!("element {source} cannot be copied");
        let fault = part
            .faults()
            .at(span, title)
            .label("it may hold what the other's row would let be written down");
        part.faults().tell(fault);
    }
    !secret
}

fn values(
    part: &Section<'_>,
    key: &'static str,
    dialect: &Arc<Dialect>,
    way: Way,
) -> Vec<(ElementNo, Vec<u8>)> {
    let mut all = Vec::new();
    for (number, text) in part.texts_by_number(key, NUMBERS) {
        let Some(element) = element(number) else { continue };
        let Spot { value, span } = text;
        if !touchable(part, (element, key), (way, key == "set"), span.clone())
            || !defined(part, dialect, (element, key), span.clone())
        {
            continue;
        }
        match plain(dialect, element, value) {
            Ok(value) => all.push((element, value)),
            Err(why) => {
                let title = format!("`{key}` cannot put {value:?} into element {element}");
                part.faults().tell(part.faults().at(span, title).label(why));
            }
        }
    }
    all
}

/// A value as the house has it: of binary elements the bytes that its hexadecimal digits say.
fn plain(dialect: &Arc<Dialect>, element: ElementNo, text: &str) -> Result<Vec<u8>, String> {
    let binary = dialect.row(element).is_some_and(|row| row.content == Content::Bytes);
    let value = if binary {
        bytes(text).ok_or("an even number of hexadecimal digits")?
    } else {
        text.as_bytes().to_vec()
    };
    let mut own = Elements::default();
    own.set(element, &value);
    let mut out = Vec::new();
    let draft = Draft { mti: Mti::of(0), own: &own, copied: None };
    draft.encode(dialect, &mut out).map_err(|error| error.fault.to_string())?;
    // As a peer would repeat it: padded to its length.
    let read = codec::decode(dialect, out.into()).map_err(|error| error.fault.to_string())?;
    Ok(read.get(element).map_or(value, |value| value.to_vec()))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let byte = |pair: &[u32]| pair.iter().fold(0, |sum, digit| sum * 16 + digit);
    digits.chunks(2).map(|pair| u8::try_from(byte(pair)).ok()).collect()
}

fn element(number: u64) -> Option<ElementNo> {
    u8::try_from(number).ok().and_then(|number| ElementNo::new(number).ok())
}

/// Whether a change may touch an element; told if not.
fn touchable(
    part: &Section<'_>,
    (element, key): (ElementNo, &str),
    (way, replaces): (Way, bool),
    span: std::ops::Range<usize>,
) -> bool {
    let known_by = way == Way::Read && replaces && KNOWN_BY.has(element);
    let untouchable = UNTOUCHABLE.has(element) || known_by;
    if untouchable {
        let title = format!("`{key}` may not touch element {element}");
        let fault = part.faults().at(span, title);
        let fault = fault.label("messages are known by it, or the books count with it");
        part.faults().tell(fault.help("response codes have a table of their own: `codes`"));
    }
    !untouchable
}

fn defined(
    part: &Section<'_>,
    dialect: &Arc<Dialect>,
    (element, key): (ElementNo, &str),
    span: std::ops::Range<usize>,
) -> bool {
    let there = dialect.defined().has(element);
    if !there {
        let title = format!("`{key}` speaks of element {element}, which the link does not have");
        let label = format!("no row of {} is of it", dialect.name());
        let fault: Fault = part.faults().at(span, title).label(label);
        part.faults().tell(fault);
    }
    there
}
