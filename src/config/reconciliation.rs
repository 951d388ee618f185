//! `reconciliation` of a link: how its host writes the totals of a day.

use std::sync::Arc;

use super::read::{Limit, Section};
use crate::clearing::{HostProfile, Net};
use crate::dialect::{Dialect, Version};
use crate::iso::{Currency, ElementNo, Mti, ResponseCode};
use crate::mapping::house_element;

/// None where the link has none.
pub(super) fn read(
    link: &Section<'_>,
    (asks, answers): (bool, bool),
    dialect: &Dialect,
) -> Option<Arc<HostProfile>> {
    let span = link.has("reconciliation")?;
    let section = link.section("reconciliation");
    let currency = section.word("currency", |text| {
        Currency::from_ascii(text.as_bytes())
            .or(Err("three digits, the number of a currency: 978 is the euro"))
    });
    let later = dialect.version() == Version::Of1993;
    let day = element(&section, "day", if later { 28 } else { 15 }, dialect);
    let number = section.has("number").map(|_| element(&section, "number", 29, dialect));
    if number == Some(day) {
        let fault = section.faults().at(section.span(), "`number` and `day` are the same element");
        section.faults().tell(fault.label("no message could say both"));
    }
    let needed = [74, 76, 86, 88, 97].into_iter().chain((!later).then_some(66));
    for no in needed {
        if dialect.layout(ElementNo::of(no)).is_none() {
            let title = format!("the dialect of this link has no element {no}");
            let fault = section.faults().at(section.span(), title);
            section.faults().tell(fault.label("no totals can be said, or answered, without it"));
        }
    }
    let send = section.choice("send", SENDS).flatten();
    if !asks && send.is_none() {
        let fault = link.faults().at(span.clone(), "this `reconciliation` is of no use");
        let fault = fault.label("no host reconciles at a link that only answers");
        link.faults().tell(fault.help("send = \"0520\" has the switch say its own totals there"));
    }
    if send.is_some() && !answers {
        let fault = link.faults().at(span, "`send` is for links that answer");
        link.faults().tell(fault.label("this link only asks: nothing was approved there"));
    }
    let profile = HostProfile {
        currency: currency.map(|currency| currency.value),
        day: house_element(dialect, day),
        number: number.map(|no| house_element(dialect, no)),
        number_max: section.number_u32("number_max", Limit::new(999, 1, 999_999)),
        settlement: (!later).then(|| ElementNo::of(66)),
        net: section.choice("net", NETS).unwrap_or(Net::Credits),
        differs: code(&section, "differs", *b"95"),
        wrong_number: code(&section, "wrong_number", *b"80"),
        send,
    };
    section.end();
    Some(Arc::new(profile))
}

fn code(section: &Section<'_>, key: &'static str, standard: [u8; 2]) -> ResponseCode {
    let read = |text: &str| {
        let two: Option<[u8; 2]> = text.as_bytes().try_into().ok();
        let two = two.filter(|two| two.iter().all(u8::is_ascii_alphanumeric));
        two.map(ResponseCode::of).ok_or("two letters or digits in quotes: a code of element 39")
    };
    section.word(key, read).map_or_else(|| ResponseCode::of(standard), |code| code.value)
}

/// An element that the link's dialect has.
fn element(section: &Section<'_>, key: &'static str, standard: u8, dialect: &Dialect) -> ElementNo {
    let number = section.number(key, Limit::new(u64::from(standard), 2, 128));
    let no = ElementNo::of(u8::try_from(number).unwrap_or(standard));
    if dialect.layout(no).is_none() {
        let span = section.has(key).unwrap_or_else(|| section.span());
        let title = format!("the dialect of this link has no element {no}");
        let fault = section.faults().at(span, title);
        section.faults().tell(fault.label(format!("`{key}` is element {no} here")));
    }
    no
}

const SENDS: &[(&str, Option<Mti>)] =
    &[("no", None), ("0500", Some(Mti::of(500))), ("0520", Some(Mti::of(520)))];
const NETS: &[(&str, Net)] =
    &[("credits-less-debits", Net::Credits), ("debits-less-credits", Net::Debits)];
