//! A look-up told step by step, for people: slow, from the rules themselves, and with the same end as the table's.

use super::{CardRange, Condition, Facts, Rule, padded};

/// What a look-up goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// The rules for the card, in the order in which they are tried; the last one is chosen if nothing of it fails.
    pub steps: Vec<Step>,
    /// How many rules are for other cards.
    pub other_cards: usize,
}

/// A rule that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which it is of the rules, from 0 on.
    pub rule: usize,
    /// The narrowest of its ranges that has the card; none when it is for all cards.
    pub cards: Option<CardRange>,
    /// What does not hold; none for the rule that is chosen.
    pub fails: Option<Condition>,
}

/// Tries rules one by one.
pub fn explain(rules: &[Rule], facts: &Facts<'_>) -> Tried {
    let card = facts.pan.and_then(|digits| padded(digits, b'0'));
    let mut coming = Vec::new();
    let mut tried = Tried::default();
    for (at, rule) in rules.iter().enumerate() {
        let has =
            |range: &&CardRange| card.is_some_and(|card| range.first <= card && card <= range.last);
        let cards = rule.cards.iter().filter(has).min_by_key(|range| range.width());
        if rule.cards.is_empty() || cards.is_some() {
            coming.push((cards.map_or(u64::MAX, |range| range.width()), at, cards.copied(), rule));
        } else {
            tried.other_cards += 1;
        }
    }
    coming.sort_by_key(|(width, at, ..)| (*width, *at));
    for (_, rule, cards, what) in coming {
        let fails = what.when.fails(facts);
        tried.steps.push(Step { rule, cards, fails });
        if fails.is_none() {
            break;
        }
    }
    tried
}

impl Tried {
    /// The rule that is chosen.
    pub fn chosen(&self) -> Option<usize> {
        self.steps.last().filter(|step| step.fails.is_none()).map(|step| step.rule)
    }
}
