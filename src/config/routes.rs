//! `[[routes]]`: which cards and messages go to which links; finds rules that contradict each other.

use std::collections::{BTreeSet, HashMap};

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

/// Ranges of which one hides the other, or which cross. One within another is fine: the narrower wins.
///
/// Each is told against one other, and ranges that are the same are compared by what their rules want: a file of tens of
/// thousands of rules is looked through in one pass.
fn contradictions(root: &Section<'_>, rules: &[Rule], mut ranges: Vec<Placed>) {
    ranges.sort_by_key(|placed| (placed.range, placed.rule));
    let groups: Vec<&[Placed]> = ranges.chunk_by(|one, two| one.range == two.range).collect();
    for group in &groups {
        hidden(root, rules, group);
    }
    let (mut told, mut looks) = (BTreeSet::new(), 0_usize);
    for (at, group) in groups.iter().enumerate() {
        let Some(range) = group.first().map(|placed| placed.range) else { continue };
        for (other_at, other) in groups.iter().enumerate().skip(at + 1) {
            let Some(first) = other.first().filter(|other| range.overlaps(other.range)) else {
                break;
            };
            looks += 1;
            if range.contains(first.range)
                || first.range.contains(range)
                || told.contains(&other_at)
            {
                continue;
            }
            let pairs = group.iter().flat_map(|one| other.iter().map(move |two| (one, two)));
            let rule = |placed: &Placed| rules.get(placed.rule);
            let crosses = |(one, two): &(&Placed, &Placed)| {
                looks += 1;
                let both = rule(one).zip(rule(two));
                both.is_some_and(|(one, two)| covers(one, two) || covers(two, one))
            };
            if let Some((one, two)) = pairs.take(LOOKS_MAX).find(crosses) {
                told.insert(other_at);
                let (earlier, later) = if one.rule <= two.rule { (one, two) } else { (two, one) };
                let (first, second) = (&earlier.text.value, &later.text.value);
                tell(root, earlier, later, format!("`bin` {first:?} and {second:?} overlap"));
            }
            if LOOKS_MAX < looks {
                let title = "too many ranges of `bin` overlap to be compared";
                let fault = root.faults().at(first.text.span.clone(), title).label("from here on");
                let help = "let ranges lie apart, or one within the other";
                return root.faults().tell(fault.help(help));
            }
        }
    }
}

/// How many ranges are compared with one another before it is given up: more than any table of card ranges that is meant.
const LOOKS_MAX: usize = 4_000_000;

/// Rules for the same cards of which an earlier one wants all that a later one wants.
fn hidden<'p>(root: &Section<'_>, rules: &'p [Rule], group: &'p [Placed]) {
    let mut wanted: HashMap<(Option<Class>, &[u8]), &Placed> = HashMap::new();
    for later in group {
        let Some(rule) = rules.get(later.rule) else { continue };
        let code = rule.processing_code.as_slice();
        let wider = (0..=code.len()).filter_map(|len| code.get(..len));
        let wider = wider.flat_map(|code| [(None, code), (rule.class, code)]);
        let earlier = wider.filter_map(|wish| wanted.get(&wish)).min_by_key(|placed| placed.rule);
        if let Some(earlier) = earlier {
            tell(root, earlier, later, format!("`bin` {:?} never gets here", later.text.value));
        }
        wanted.entry((rule.class, code)).or_insert(later);
    }
}

fn tell(root: &Section<'_>, earlier: &Placed, later: &Placed, title: String) {
    let fault = root.faults().at(later.text.span.clone(), title).label("the same cards again");
    let fault = fault.besides(earlier.text.span.clone(), "this rule has these cards already");
    root.faults().tell(fault.help("let the ranges lie apart, or one within the other"));
}

/// Whether every message that the second rule wants, cards apart, is wanted by the first as well.
fn covers(first: &Rule, second: &Rule) -> bool {
    (first.class.is_none() || first.class == second.class)
        && second.processing_code.starts_with(&first.processing_code)
}

const CLASSES: &[(&str, Class)] =
    &[("authorization", Class::Authorization), ("financial", Class::Financial)];
