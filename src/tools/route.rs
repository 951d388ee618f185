//! Why a message goes where it goes: the facts that routes look at, the rules in turn, the links.

use crate::iso::{Class, ElementNo, ElementSet, Pan};
use crate::record::LinkId;
use crate::route::{Condition, Facts, Rule, Share, Step, explain};
use crate::switch::{Arrival, CardOf};

use super::show;

/// What is told about routes besides what they want.
pub struct Roads<'r> {
    /// The routes, in the order of the configuration.
    pub rules: &'r [Rule],
    /// The line of each in the configuration.
    pub lines: &'r [usize],
    /// The links' numbers and names.
    pub names: &'r [(LinkId, &'r str)],
}

/// Why a message is not routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRouted {
    /// It is no request and no advice of a payment.
    #[error(
        "this message is not routed: only requests and advices of the classes 1 and 2 are\n\
         help: answers go to who asked, a reversal goes where its original went, and network management is answered here"
    )]
    Kind,
    /// It is refused before it is routed.
    #[error(
        "this message is refused with 30 before it is routed: elements 2 and 35 name no card, or two\n\
         help: `iso8583d decode --explain` shows both"
    )]
    Card,
}

/// The story of one look-up, a line each, and whether a route was found. The card is masked.
pub fn explain_route(arrival: &Arrival, roads: &Roads<'_>) -> Result<(String, bool), NotRouted> {
    let mti = arrival.mti();
    let routed = matches!(mti.class(), Class::Authorization | Class::Financial);
    if mti.is_response() || !routed {
        return Err(NotRouted::Kind);
    }
    if arrival.card == CardOf::Contradiction {
        return Err(NotRouted::Card);
    }
    let sets = roads.rules.iter().map(|rule| rule.when.needs());
    let needs = sets.fold(ElementSet::EMPTY, ElementSet::or);
    let mut lines = vec![format!("message  {mti}, class {}", class(mti.class()))];
    let tried = arrival.with_facts(needs, |facts| {
        let pan = facts.pan.map(|digits| {
            Pan::new(digits).map_or_else(|_| String::from("****"), |pan| pan.to_string())
        });
        lines.push(format!("card     {}", pan.as_deref().unwrap_or("none")));
        lines.extend(needs.iter().map(|no| fact(arrival, no)));
        let tried = explain(roads.rules, facts);
        lines.extend(tried.steps.iter().map(|step| told(step, facts, roads)));
        tried
    });
    if 0 < tried.other_cards {
        lines.push(format!("besides  {} for other cards", counted(tried.other_cards, "route")));
    }
    let chosen = tried.chosen().and_then(|rule| roads.rules.get(rule));
    match chosen {
        None => lines.push(String::from("chosen   none: its asker hears 92")),
        Some(rule) => lines.extend(links(rule, roads)),
    }
    lines.push(String::new());
    Ok((lines.join("\n"), chosen.is_some()))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

const fn class(class: Class) -> &'static str {
    match class {
        Class::Authorization => "authorization",
        Class::Financial => "financial",
        Class::Reversal => "reversal",
        Class::Network => "network",
        Class::Other(_) => "other",
    }
}

/// An element that some route looks at.
fn fact(arrival: &Arrival, no: ElementNo) -> String {
    let row = arrival.message.dialect().row(no);
    let value = arrival.get(no).map(|value| show::value(no, row, &value, false));
    let value = value.as_deref().map(show::harmless);
    format!("DE {:<5} {}", no.get(), value.as_deref().unwrap_or("none"))
}

/// `route 2 (line 31), cards 400123: passed over, mcc is not among those that it asks for`.
fn told(step: &Step, facts: &Facts<'_>, roads: &Roads<'_>) -> String {
    let line =
        roads.lines.get(step.rule).map_or_else(String::new, |line| format!(" (line {line})"));
    let cards =
        step.cards.map_or_else(|| String::from("all cards"), |range| format!("cards {range}"));
    let why = match step.fails {
        None => String::from("chosen"),
        Some(condition) => format!("passed over, {}", because(condition, facts)),
    };
    format!("route {:<2} {cards}{line}: {why}", step.rule + 1)
}

fn because(condition: Condition, facts: &Facts<'_>) -> String {
    let absent = |value: &[u8]| value.is_empty();
    let (element, missing) = match condition {
        Condition::Class => return String::from("`class` is the other one"),
        Condition::ProcessingCode => (3, absent(facts.processing_code)),
        Condition::Amount => (4, absent(facts.amount)),
        Condition::MerchantType => (18, absent(facts.merchant_type)),
        Condition::EntryMode => (22, absent(facts.entry_mode)),
        Condition::Acquirer => (32, absent(facts.acquirer)),
        Condition::Merchant => (42, absent(facts.merchant)),
        Condition::Currency => (49, absent(facts.currency)),
    };
    if missing {
        format!("`{condition}` is asked for and element {element} is not there")
    } else {
        format!("`{condition}` does not have what element {element} says")
    }
}

/// Where the chosen rule leads.
fn links(rule: &Rule, roads: &Roads<'_>) -> Vec<String> {
    let name = |link: &LinkId| {
        let known = roads.names.iter().find(|(id, _)| id == link);
        known.map_or("a link that is gone", |(_, name)| name)
    };
    let weight = |at: usize| match &rule.share {
        Share::Weights(weights) => {
            let all: u32 = weights.iter().sum();
            weights.get(at).map_or_else(String::new, |weight| format!(", {weight} of {all}"))
        }
        Share::First | Share::Turns => String::new(),
    };
    let links = rule.to.iter().enumerate();
    let mut lines: Vec<_> = links
        .map(|(at, link)| format!("link {:<3} {}{}", at + 1, name(link), weight(at)))
        .collect();
    let share = match rule.share {
        Share::First => "the first of these that is ready and has room gets a request",
        Share::Turns => "those of these that are ready and have room take turns",
        Share::Weights(_) => {
            "those of these that are ready and have room share requests by their weights"
        }
    };
    lines
        .push(format!("share    {share}; an advice goes to the first, or where its original went"));
    lines
}
