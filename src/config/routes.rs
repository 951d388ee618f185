//! `[[routes]]`: which cards and messages go to which links; finds rules that contradict each other.

use super::links::Known;
use super::read::{Section, Spot};
use super::report::meant;
use crate::iso::Class;
use crate::route::{CardRange, Rule};

/// The rules in the order of the file.
pub(super) fn read(root: &Section<'_>, links: &[Known]) -> Vec<Rule> {
    let sections = root.array_sections("routes");
    if sections.is_empty() {
        root.missing("routes", "[[routes]] with bin = \"541333\" and to = [\"issuer-a\"]");
    }
    let mut rules = Vec::new();
    let mut ranges = Vec::new();
    for section in sections {
        let rule = read_one(&section, links, &mut ranges, rules.len());
        section.end();
        rules.push(rule);
    }
    contradictions(root, &rules, ranges);
    rules
}

/// A card range, the rule that has it, and where it stands.
struct Placed {
    range: CardRange,
    rule: usize,
    text: Spot<String>,
}

fn read_one(section: &Section<'_>, links: &[Known], ranges: &mut Vec<Placed>, rule: usize) -> Rule {
    let mut cards = Vec::new();
    for text in section.texts("bin") {
        match CardRange::parse(text.value) {
            Ok(range) => {
                cards.push(range);
                let text = Spot { value: text.value.to_owned(), span: text.span };
                ranges.push(Placed { range, rule, text });
            }
            Err(fault) => {
                let title = format!("`bin` cannot be {:?}", text.value);
                let fault = section.faults().at(text.span, title).label(fault.to_string());
                section.faults().tell(fault);
            }
        }
    }
    let class = section.choice("class", CLASSES);
    let processing_code = section.word("processing_code", |text| {
        let digits = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits {
            Ok(text.as_bytes().to_vec())
        } else {
            Err("up to six digits: how element 3 begins")
        }
    });
    let to = destinations(section, links);
    Rule {
        cards,
        class,
        processing_code: processing_code.map(|code| code.value).unwrap_or_default(),
        to,
    }
}

fn destinations(section: &Section<'_>, links: &[Known]) -> Vec<crate::record::LinkId> {
    let names = section.texts("to");
    if names.is_empty() {
        section.missing("to", "to = [\"issuer-a\"]");
    }
    let mut to = Vec::new();
    for name in names {
        let Some(link) = links.iter().find(|link| link.name == name.value) else {
            let issuers = || links.iter().filter(|link| link.answers);
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

/// Ranges of which one hides the other, or which cross. One within another is fine: the narrower wins.
fn contradictions(root: &Section<'_>, rules: &[Rule], mut ranges: Vec<Placed>) {
    ranges.sort_by_key(|placed| (placed.range, placed.rule));
    for (at, placed) in ranges.iter().enumerate() {
        let rest = ranges.iter().skip(at + 1);
        for other in rest.take_while(|other| placed.range.overlaps(other.range)) {
            let (Some(one), Some(two)) = (rules.get(placed.rule), rules.get(other.rule)) else {
                continue;
            };
            let (earlier, later) =
                if placed.rule <= other.rule { (placed, other) } else { (other, placed) };
            let title = if placed.range == other.range {
                let (first, second) =
                    if placed.rule <= other.rule { (one, two) } else { (two, one) };
                if !covers(first, second) {
                    continue;
                }
                format!("`bin` {:?} never gets here", later.text.value)
            } else if placed.range.contains(other.range) || other.range.contains(placed.range) {
                continue;
            } else if covers(one, two) || covers(two, one) {
                format!("`bin` {:?} and {:?} overlap", earlier.text.value, later.text.value)
            } else {
                continue;
            };
            let fault = root.faults().at(later.text.span.clone(), title);
            let fault =
                fault.besides(earlier.text.span.clone(), "this rule has these cards already");
            let fault = fault.label("the same cards again");
            root.faults().tell(fault.help("let the ranges lie apart, or one within the other"));
        }
    }
}

/// Whether every message that the second rule wants, cards apart, is wanted by the first as well.
fn covers(first: &Rule, second: &Rule) -> bool {
    (first.class.is_none() || first.class == second.class)
        && second.processing_code.starts_with(&first.processing_code)
}

const CLASSES: &[(&str, Class)] =
    &[("authorization", Class::Authorization), ("financial", Class::Financial)];
