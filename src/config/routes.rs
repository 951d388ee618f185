//! `[[routes]]`: which cards and messages go to which links.

use std::fmt;
use std::path::Path;

use super::bins::{self, Placed, Places};
use super::links::Known;
use super::reach;
use super::read::{Limit, Section};
use super::report::meant;
use super::stand_in;
use crate::iso::{Class, Currency};
use crate::route::{CardRange, Conditions, Rule, Share};
use crate::switch::StandIn;

/// The rules in the order of the file, the line of each, and how far the switch goes in place of its issuers. Relative paths
/// begin at `home`.
pub(super) fn read(
    root: &Section<'_>,
    links: &[Known],
    home: &Path,
) -> (Vec<Rule>, Vec<usize>, Vec<Option<StandIn>>) {
    let sections = root.array_sections("routes");
    if sections.is_empty() {
        root.missing("routes", "[[routes]] with bin = \"541333\" and to = [\"issuer-a\"]");
    }
    let (mut rules, mut lines, mut line, mut read_to) = (Vec::new(), Vec::new(), 1, 0);
    let mut places = Places::new(root.faults());
    let (mut cardless, mut in_place) = (Vec::new(), Vec::new());
    for (section, number) in sections.into_iter().zip(0_u32..) {
        let start = section.span().start;
        let since = root.faults().text().get(read_to..start).unwrap_or_default();
        (line, read_to) = (line + since.matches('\n').count(), start.max(read_to));
        lines.push(line);
        let before = (section.faults().count(), places.list.len());
        let when = conditions(&section);
        let sound = before.0 == section.faults().count();
        let cards = cards(&section, home, number, &mut places);
        let to = destinations(&section, links);
        let share = share(&section);
        let stays = !section.flag("reroute", true);
        in_place.push(stand_in::read(&section, links));
        if !sound {
            // What it was meant to take from others is not known.
            places.list.truncate(before.1);
        } else if section.has("bin").is_none() && section.has("bins").is_none() {
            cardless.push((number, section.span()));
        }
        section.end();
        rules.push(Rule { cards, when, to, share, stays });
    }
    reach::contradictions(root.faults(), &rules, places, &cardless);
    (rules, lines, in_place)
}

/// `bin` and the files of `bins`.
fn cards(section: &Section<'_>, home: &Path, rule: u32, places: &mut Places) -> Vec<CardRange> {
    let mut cards = Vec::new();
    for text in section.texts("bin") {
        match CardRange::parse(text.value) {
            Ok(range) => {
                cards.push(range);
                places.list.push(Placed::new(range, rule, 0, &text.span));
            }
            Err(fault) => {
                let title = format!("`bin` cannot be {:?}", text.value);
                let fault = section.faults().at(text.span, title).label(fault.to_string());
                section.faults().tell(fault);
            }
        }
    }
    for file in section.texts("bins") {
        bins::read(section, &file, (home, rule), places, &mut cards);
    }
    for key in ["bin", "bins"] {
        not_empty(section, key);
    }
    cards.shrink_to_fit();
    cards
}

fn conditions(section: &Section<'_>) -> Conditions {
    let code = section.word("processing_code", |text| {
        let fits = text.len() <= 6 && is_digits(text);
        fits.then(|| text.as_bytes().to_vec()).ok_or("up to six digits: how element 3 begins")
    });
    let mut conditions = Conditions {
        class: section.choice("class", CLASSES),
        processing_code: code.map(|code| code.value).unwrap_or_default(),
        amount: None,
        merchant_types: words(section, "mcc", merchant_types),
        entry_modes: words(section, "entry_mode", |text| {
            let mode = <[u8; 2]>::try_from(text.as_bytes()).ok().filter(|_| is_digits(text));
            mode.ok_or("two digits: how element 22 begins")
        }),
        acquirers: words(section, "acquirer", |text| {
            let fits = (1..=11).contains(&text.len()) && is_digits(text);
            fits.then(|| text.as_bytes().to_vec()).ok_or("1 to 11 digits: element 32 as it comes")
        }),
        merchants: words(section, "merchant", |text| {
            let id = text.trim_ascii_end();
            let fits =
                (1..=15).contains(&id.len()) && id.bytes().all(|byte| !byte.is_ascii_control());
            fits.then(|| id.as_bytes().to_vec())
                .ok_or("1 to 15 characters: element 42 without the blanks at its end")
        }),
        currencies: words(section, "currency", |text| {
            Currency::from_ascii(text.as_bytes())
                .or(Err("three digits, the number of a currency: 978 is the euro"))
        }),
    };
    conditions.amount = amount(section, !conditions.currencies.is_empty());
    for list in [&mut conditions.acquirers, &mut conditions.merchants] {
        list.sort_unstable();
        list.dedup();
    }
    conditions
}

/// A text or a list of texts, each of which means something.
fn words<T, E: fmt::Display>(
    section: &Section<'_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut values = Vec::new();
    for text in section.texts(key) {
        match parse(text.value) {
            Ok(value) => values.push(value),
            Err(fault) => {
                let title = format!("`{key}` cannot be {:?}", text.value);
                let fault = section.faults().at(text.span, title).label(fault.to_string());
                section.faults().tell(fault);
            }
        }
    }
    not_empty(section, key);
    values
}

/// An empty list would hold always, and is meant to hold never.
fn not_empty(section: &Section<'_>, key: &'static str) {
    if let Some(span) = section.has_empty(key) {
        let fault = section.faults().at(span, format!("`{key}` has no value"));
        section.faults().tell(fault.label("name one, or take the line out"));
    }
}

/// A merchant category code, or the first and the last of some.
fn merchant_types(text: &str) -> Result<(u16, u16), &'static str> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| {
        let text = text.trim();
        text.parse().ok().filter(|_| text.len() == 4 && is_digits(text))
    };
    match (code(from), code(to)) {
        (Some(from), Some(to)) if from <= to => Ok((from, to)),
        (Some(_), Some(_)) => Err("the range ends before it begins"),
        _ => Err("four digits like 5411, or a range like 5411-5499: element 18"),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// From what to what, in minor units: of which currency must be said.
fn amount(section: &Section<'_>, has_currency: bool) -> Option<(u64, u64)> {
    let from = section.number("amount_from", Limit { default: 0, ..AMOUNT });
    let to = section.number("amount_to", AMOUNT);
    let given = section.has("amount_from").or_else(|| section.has("amount_to"))?;
    if !has_currency {
        let fault = section.faults().at(given.clone(), "an amount of no currency");
        let fault = fault.label("minor units of what?");
        section.faults().tell(fault.help("add a line like: currency = \"978\""));
    }
    if to < from {
        let fault = section.faults().at(given, "`amount_to` is less than `amount_from`");
        section.faults().tell(fault.label("no amount is both"));
    }
    Some((from, to))
}

fn destinations(section: &Section<'_>, links: &[Known]) -> Vec<crate::record::LinkId> {
    let names = section.texts("to");
    if names.is_empty() {
        section.missing("to", "to = [\"issuer-a\"]");
    }
    let mut to = Vec::new();
    for name in names {
        let Some(link) = links.iter().find(|link| link.name == name.value) else {
            // What was meant is worked out for those that are shown.
            let known = if section.faults().is_full() { &[][..] } else { links };
            let issuers = || known.iter().filter(|link| link.answers);
            let list = || issuers().map(|link| link.name.as_str());
            let title = format!("there is no link {:?}", name.value);
            let fault = section.faults().at(name.span, title).label("nowhere to go");
            section.faults().tell(match meant(name.value, list()) {
                Some(known) => fault.help(format!("did you mean \"{known}\"?")),
                None => fault
                    .help(format!("links that answer: {}", list().collect::<Vec<_>>().join(", "))),
            });
            continue;
        };
        if link.answers {
            to.push(link.id);
        } else {
            let title = format!("link {:?} does not answer requests", name.value);
            let fault = section.faults().at(name.span, title).label("its role is \"asker\"");
            let fault =
                fault.help("role = \"issuer\" or role = \"both\" there, or another link here");
            section.faults().tell(fault.besides(link.span.clone(), "this link"));
        }
    }
    to
}

/// Which of `to` gets a request.
fn share(section: &Section<'_>) -> Share {
    let share = section.choice("share", SHARES);
    let weights = section.numbers("weights", WEIGHT);
    let Some(span) = section.has("weights") else {
        return if share == Some(true) { Share::Turns } else { Share::First };
    };
    let (links, count) = (section.texts("to").len(), weights.len());
    let is_list = 0 < count || section.has_empty("weights").is_some();
    if section.has("share").is_some() {
        let fault = section.faults().at(span, "`share` and `weights` both say who gets a request");
        section.faults().tell(fault.label("keep the one or the other"));
    } else if is_list && links != count && 0 < links {
        let title = "`weights` has not one weight for each link of `to`";
        let fault = section.faults().at(span, title);
        section.faults().tell(fault.label(format!("{count} here, {links} there")));
    }
    let weight = |weight: u64| u32::try_from(weight).unwrap_or(u32::MAX);
    Share::Weights(weights.into_iter().map(weight).collect())
}

/// Whether links take turns.
const SHARES: &[(&str, bool)] = &[("first", false), ("turns", true)];
const WEIGHT: Limit = Limit::new(1, 1, 1000);
const CLASSES: &[(&str, Class)] =
    &[("authorization", Class::Authorization), ("financial", Class::Financial)];
/// Twelve digits, as element 4 has them.
const AMOUNT: Limit = Limit::new(999_999_999_999, 0, 999_999_999_999);
