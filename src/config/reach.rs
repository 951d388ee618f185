//! Routes that contradict each other: rules that no message can reach, and card ranges that cross.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use super::bins::{Placed, Places};
use super::report::Faults;
use crate::iso::{Class, Currency};
use crate::route::{Conditions, Rule};

/// Ranges of which one hides the other, or which cross, and rules for all cards of which one hides the other. A range within
/// another is fine: the narrower wins.
///
/// Each is told against one other. Ranges are gone through once in their order; only those that cross, and rules for the same
/// cards, are compared with one another.
pub(super) fn contradictions(
    faults: &Faults,
    rules: &[Rule],
    mut places: Places,
    cardless: &[(u32, Range<usize>)],
) {
    let mut looks = Looks { rules, left: LOOKS_MAX };
    unreached(faults, &mut looks, cardless);
    let mut list = std::mem::take(&mut places.list);
    list.sort_unstable_by_key(|placed| {
        let (first, last) = (placed.range.first(), placed.range.last());
        (first, Reverse(last), placed.rule)
    });
    // Ranges that hold here, the one that ends last first.
    let mut open: Vec<&[Placed]> = Vec::new();
    for group in list.chunk_by(|one, two| one.range == two.range) {
        let Some(here) = group.first() else { continue };
        if faults.is_full() {
            return;
        }
        hidden(faults, &places, &mut looks, group);
        let last = |group: &[Placed]| group.first().map_or(0, |placed| placed.range.last());
        while open.pop_if(|open| last(open) < here.range.first()).is_some() {}
        // Whatever began before and ends within crosses it.
        let ends_within = open.iter().rev().take_while(|open| last(open) < here.range.last());
        let crossed = ends_within.clone().find_map(|open| looks.contradict(open, group));
        if let Some((one, two)) = crossed {
            let (earlier, later) = if one.rule <= two.rule { (one, two) } else { (two, one) };
            let title =
                format!("{} and {} overlap", places.written(&earlier), places.written(&later));
            tell(faults, &places, &earlier, &later, title);
        }
        let at = open.len() - ends_within.count();
        open.insert(at, group);
        if looks.left == 0 {
            let title = "too many ranges or rules overlap to be compared";
            let Some(fault) = places.fault(here, title.to_owned()) else { return };
            let fault = fault.label("from here on");
            return faults.tell(fault.help("let ranges lie apart, or one within the other"));
        }
    }
}

/// How often rules are compared with one another before it is given up: more than for any table that is meant.
const LOOKS_MAX: u32 = 4_000_000;

/// The rules, and how often they may still be compared.
struct Looks<'r> {
    rules: &'r [Rule],
    left: u32,
}

impl<'r> Looks<'r> {
    fn conditions(&self, rule: u32) -> Option<&'r Conditions> {
        self.rules.get(rule as usize).map(|rule| &rule.when)
    }

    /// Whether the one covers the other; yes, too, when it is given up.
    fn covers(&mut self, one: &Conditions, two: &Conditions) -> bool {
        self.left = self.left.saturating_sub(1);
        one.cover(two)
    }

    /// Two of ranges that cross of which the one wants all that the other wants.
    fn contradict(&mut self, ones: &[Placed], others: &[Placed]) -> Option<(Placed, Placed)> {
        for one in ones {
            for other in others {
                if self.left == 0 {
                    return None;
                }
                let both = self.conditions(one.rule).zip(self.conditions(other.rule));
                let (first, second) = both?;
                if self.covers(first, second) || self.covers(second, first) {
                    return Some((*one, *other));
                }
            }
        }
        None
    }
}

/// Rules for the same cards of which an earlier one wants all that a later one wants.
fn hidden(faults: &Faults, places: &Places, looks: &mut Looks<'_>, group: &[Placed]) {
    if group.len() < 2 {
        return;
    }
    let mut reach = Reach::default();
    for later in group {
        let Some(when) = looks.conditions(later.rule) else { continue };
        let Some(at) = reach.hides(looks, when) else {
            reach.put(later, when);
            continue;
        };
        let Some(earlier) = reach.kept.get(at).map(|(earlier, _)| **earlier) else { continue };
        // A table that somebody else made may say a thing twice.
        if !(earlier.rule == later.rule && earlier.is_in_file() && later.is_in_file()) {
            tell(
                faults,
                places,
                &earlier,
                later,
                format!("{} never gets here", places.written(later)),
            );
        }
    }
}

/// The same for rules that are for all cards.
fn unreached(faults: &Faults, looks: &mut Looks<'_>, cardless: &[(u32, Range<usize>)]) {
    let mut reach = Reach::default();
    for later in cardless {
        let Some(when) = looks.conditions(later.0) else { continue };
        let Some(at) = reach.hides(looks, when) else {
            reach.put(later, when);
            continue;
        };
        let Some((earlier, _)) = reach.kept.get(at) else { continue };
        let fault = faults.at(later.1.clone(), "no message gets to this route");
        let fault = fault.label("the same messages again");
        let fault = fault.besides(earlier.1.clone(), "this route takes them already");
        faults
            .tell(fault.help("put the route that asks for more before the other, or take it out"));
    }
}

fn tell(faults: &Faults, places: &Places, earlier: &Placed, later: &Placed, title: String) {
    let Some(fault) = places.fault(later, title) else { return };
    let fault = fault.label("the same cards again");
    let fault = places.besides(fault, earlier, "this rule has these cards already");
    faults.tell(fault.help("let the ranges lie apart, or one within the other"));
}

/// Rules that no other hides, so that those which may hide a further one are found without looking at all of them.
struct Reach<'r, T> {
    kept: Vec<(&'r T, &'r Conditions)>,
    /// By class, processing code, and one value of a list that they ask for: each rule stands under all values of its first list.
    index: HashMap<Wanted<'r>, Vec<usize>>,
}

type Wanted<'r> = (Option<Class>, &'r [u8], Value<'r>);

/// A value that a rule asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Value<'r> {
    Any,
    Merchant(&'r [u8]),
    Acquirer(&'r [u8]),
    EntryMode([u8; 2]),
    Currency(Currency),
}

impl<T> Default for Reach<'_, T> {
    fn default() -> Self {
        Self { kept: Vec::new(), index: HashMap::new() }
    }
}

impl<'r, T> Reach<'r, T> {
    fn put(&mut self, what: &'r T, when: &'r Conditions) {
        let at = self.kept.len();
        self.kept.push((what, when));
        let lists = lists(when);
        let first = lists.into_iter().find(|list| !list.is_empty());
        for value in first.unwrap_or_else(|| vec![Value::Any]) {
            let key = (when.class, when.processing_code.as_slice(), value);
            self.index.entry(key).or_default().push(at);
        }
    }

    /// The first rule that lets through all that these conditions let through.
    fn hides(&self, looks: &mut Looks<'_>, when: &Conditions) -> Option<usize> {
        let code = when.processing_code.as_slice();
        let classes = [None, when.class];
        let classes = if when.class.is_none() { classes.get(..1)? } else { classes.get(..)? };
        let firsts = lists(when).into_iter().filter_map(|list| list.first().copied());
        let values: Vec<Value<'_>> = firsts.chain([Value::Any]).collect();
        let mut best: Option<usize> = None;
        for class in classes {
            for code in (0..=code.len()).filter_map(|len| code.get(..len)) {
                for value in &values {
                    for at in self.index.get(&(*class, code, *value)).into_iter().flatten() {
                        let covers = |(_, kept): &(&T, &Conditions)| looks.covers(kept, when);
                        if best.is_none_or(|best| *at < best)
                            && self.kept.get(*at).is_some_and(covers)
                        {
                            best = Some(*at);
                        }
                    }
                }
            }
        }
        best
    }
}

/// The lists of values that a rule asks for.
fn lists(when: &Conditions) -> [Vec<Value<'_>>; 4] {
    [
        when.merchants.iter().map(|id| Value::Merchant(id)).collect(),
        when.acquirers.iter().map(|id| Value::Acquirer(id)).collect(),
        when.entry_modes.iter().map(|mode| Value::EntryMode(*mode)).collect(),
        when.currencies.iter().map(|currency| Value::Currency(*currency)).collect(),
    ]
}
