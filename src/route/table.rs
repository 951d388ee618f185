//! The rules made ready for looking up: a million card ranges in few bytes, and few steps to the one that holds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::{Conditions, Facts, Rule, Share, padded};
use crate::iso::ElementSet;
use crate::record::LinkId;

/// The rules, made ready for looking up: the narrowest range wins, and among equals the first rule.
///
/// Card numbers fall into stretches in which the same rules hold. What holds in one is a chain of rules, best first, and chains
/// share their ends: the million ranges of one rule have one chain.
#[derive(Clone, Debug)]
pub struct Table {
    rules: Vec<Direction>,
    /// Where each stretch begins, ascending.
    starts: Vec<u64>,
    /// Every `BLOCK`th of them: most of a look-up's steps stay within these few.
    blocks: Vec<u64>,
    /// Where the chain of each stretch begins.
    heads: Vec<u32>,
    chain: Vec<Piece>,
    /// The chain of the rules without a range: of messages without a card, and the end of all others.
    cardless: u32,
    needs: ElementSet,
}

/// What a look-up finds of a rule.
#[derive(Clone, Debug)]
struct Direction {
    when: Conditions,
    to: Vec<LinkId>,
    share: Share,
    stays: bool,
}

/// A rule that holds, and what holds besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    rule: u32,
    next: u32,
}

/// The rule that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked<'t> {
    /// Which it is of the rules, from 0 on.
    pub rule: usize,
    /// Where it leads, best first.
    pub to: &'t [LinkId],
    /// Which of these gets a request.
    pub share: &'t Share,
    /// Whether a request that never left stays where it was sent.
    pub stays: bool,
}

/// Where a chain ends.
const END: u32 = u32::MAX;

/// Two cache lines of beginnings: each line that is not in the caches costs as much as all other steps.
const BLOCK: usize = 16;

impl Table {
    /// From rules in the order of the configuration.
    pub fn new(rules: &[Rule]) -> Self {
        let mut chains = Chains::default();
        let numbers = 0..u32::try_from(rules.len()).unwrap_or(u32::MAX);
        let cardless =
            numbers.rev().zip(rules.iter().rev()).filter(|(_, rule)| rule.cards.is_empty());
        let cardless = cardless.fold(END, |next, (rule, _)| chains.piece(rule, next));
        let (mut starts, mut heads) = sweep(rules, cardless, &mut chains);
        starts.shrink_to_fit();
        heads.shrink_to_fit();
        Self {
            rules: rules.iter().map(Direction::of).collect(),
            blocks: starts.iter().step_by(BLOCK).copied().collect(),
            starts,
            heads,
            chain: chains.pieces,
            cardless,
            needs: rules.iter().fold(ElementSet::EMPTY, |set, rule| set.or(rule.when.needs())),
        }
    }

    /// The elements that its rules look at, cards apart.
    pub const fn needs(&self) -> ElementSet {
        self.needs
    }

    /// The rule for a message; none when no rule holds.
    #[inline]
    pub fn pick(&self, facts: &Facts<'_>) -> Option<Picked<'_>> {
        let card = facts.pan.and_then(|digits| padded(digits, b'0'));
        let mut at = card.and_then(|card| self.head(card)).unwrap_or(self.cardless);
        while let Some(piece) = self.chain.get(at as usize) {
            let rule = piece.rule as usize;
            let direction = self.rules.get(rule)?;
            if direction.when.fails(facts).is_none() {
                let Direction { to, share, stays, .. } = direction;
                return Some(Picked { rule, to, share, stays: *stays });
            }
            at = piece.next;
        }
        None
    }

    /// Where the chain of a card begins; none before the first range.
    fn head(&self, card: u64) -> Option<u32> {
        let block = self.blocks.partition_point(|start| *start <= card).checked_sub(1)? * BLOCK;
        let end = self.starts.len().min(block + BLOCK);
        let within = self.starts.get(block..end)?.partition_point(|start| *start <= card);
        self.heads.get(block + within.checked_sub(1)?).copied()
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new(&[])
    }
}

impl Direction {
    fn of(rule: &Rule) -> Self {
        let (when, to, share) = (rule.when.clone(), rule.to.clone(), rule.share.clone());
        Self { when, to, share, stays: rule.stays }
    }
}

/// Chains in the making: no two alike.
#[derive(Default)]
struct Chains {
    pieces: Vec<Piece>,
    known: HashMap<(u32, u32), u32>,
    /// The last one that was asked for: neighbours are mostly of one rule.
    last: Option<(Piece, u32)>,
}

impl Chains {
    /// The chain that begins with a rule and goes on with another chain.
    fn piece(&mut self, rule: u32, next: u32) -> u32 {
        let piece = Piece { rule, next };
        if let Some((_, at)) = self.last.filter(|(last, _)| *last == piece) {
            return at;
        }
        // One range within another of the same rule says nothing new.
        let follows = self.pieces.get(next as usize);
        if follows.is_some_and(|follows| follows.rule == rule) {
            return next;
        }
        let pieces = &mut self.pieces;
        let at = *self.known.entry((rule, next)).or_insert_with(|| {
            pieces.push(piece);
            u32::try_from(pieces.len() - 1).unwrap_or(END)
        });
        self.last = Some((piece, at));
        at
    }
}

/// A range that holds where the sweep is.
struct Active {
    width: u64,
    rule: u32,
    /// The chain from it on.
    head: u32,
}

/// Goes through the card numbers once: where each stretch begins, and its chain.
///
/// A range within all that hold is one step on top. Only ranges that cross make a step cost more, by one for each that they cross.
fn sweep(rules: &[Rule], cardless: u32, chains: &mut Chains) -> (Vec<u64>, Vec<u32>) {
    let of_rule = |(rule, number): (&Rule, u32)| {
        let ranges: Vec<_> = rule.cards.iter().map(|range| (*range, number)).collect();
        ranges
    };
    let mut ranges: Vec<_> = rules.iter().zip(0_u32..).flat_map(of_rule).collect();
    ranges.sort_unstable();
    let (mut starts, mut heads) = (Vec::new(), Vec::new());
    let mut ends = BinaryHeap::new();
    let mut active: Vec<Active> = Vec::new();
    let mut coming = ranges.iter().peekable();
    loop {
        let next_end = ends.peek().map(|Reverse((last, _, _))| last + 1);
        let next_start = coming.peek().map(|(range, _)| range.first);
        let Some(here) = next_end.into_iter().chain(next_start).min() else { break };
        let mut changed = active.len();
        while let Some(&Reverse((last, width, rule))) = ends.peek()
            && last + 1 == here
        {
            ends.pop();
            let at = place(&active, width, rule);
            active.remove(at);
            changed = changed.min(at);
        }
        while let Some((range, rule)) = coming.next_if(|(range, _)| range.first == here) {
            let (width, rule) = (range.width(), *rule);
            ends.push(Reverse((range.last, width, rule)));
            let at = place(&active, width, rule);
            active.insert(at, Active { width, rule, head: END });
            changed = changed.min(at);
        }
        rechain(&mut active, changed, cardless, chains);
        let head = active.last().map_or(cardless, |top| top.head);
        if heads.last().copied().unwrap_or(cardless) != head {
            starts.push(here);
            heads.push(head);
        }
    }
    (starts, heads)
}

/// Where a range stands among those that hold: the best is the last.
fn place(active: &[Active], width: u64, rule: u32) -> usize {
    active.partition_point(|other| (width, rule) < (other.width, other.rule))
}

/// What stands from here on follows something else than before.
fn rechain(active: &mut [Active], from: usize, cardless: u32, chains: &mut Chains) {
    let below = from.checked_sub(1).and_then(|below| active.get(below));
    let mut next = below.map_or(cardless, |below| below.head);
    for one in active.iter_mut().skip(from) {
        one.head = chains.piece(one.rule, next);
        next = one.head;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{CardRange, explain};
    use super::*;
    use crate::iso::Class;

    fn rule(cards: &[&str], class: Option<Class>, code: &str, to: u32) -> Rule {
        let when = Conditions {
            class,
            processing_code: code.as_bytes().to_vec(),
            ..Conditions::default()
        };
        let cards = cards.iter().map(|text| CardRange::parse(text).unwrap()).collect();
        Rule { cards, when, to: vec![LinkId(to)], ..Rule::default() }
    }

    fn facts<'m>(pan: Option<&'m str>, class: Class, code: &'m str) -> Facts<'m> {
        let mut values: [&[u8]; 7] = [&[]; 7];
        values[0] = code.as_bytes();
        Facts::new(class, pan.map(str::as_bytes), values)
    }

    #[test]
    fn the_narrowest_range_wins_and_then_the_first_rule() {
        let table = Table::new(&[
            rule(&["4"], None, "", 1),
            rule(&["400000-409999"], None, "", 2),
            rule(&["400123"], Some(Class::Financial), "20", 3),
            rule(&["400123"], Some(Class::Financial), "", 4),
            rule(&[], Some(Class::Network), "", 5),
        ]);
        for (pan, class, code, to) in [
            ("4001230000000000", Class::Financial, "200000", Some(3)),
            ("4001230000000000", Class::Financial, "000000", Some(4)),
            ("4001230000000000", Class::Authorization, "000000", Some(2)),
            ("4100000000000000", Class::Authorization, "000000", Some(1)),
            ("4999999999999999999", Class::Authorization, "000000", Some(1)),
            ("5000000000000000", Class::Authorization, "000000", None),
            ("5000000000000000", Class::Network, "", Some(5)),
        ] {
            let picked = table.pick(&facts(Some(pan), class, code));
            let link = picked.and_then(|picked| picked.to.first());
            assert_eq!(link.map(|link| link.0), to, "{pan} {class:?} {code}");
        }
        assert!(table.pick(&facts(None, Class::Network, "")).is_some());
        assert!(table.pick(&facts(None, Class::Financial, "")).is_none());
        assert_eq!(table.needs(), ElementSet::of(&[3]));
    }

    /// A million ranges of one rule are one chain, and ranges that touch are one stretch.
    #[test]
    fn ranges_of_one_rule_cost_one_chain() {
        let many = |step: u32| {
            let texts: Vec<_> =
                (0..50_000).map(|at: u32| format!("{:06}", 100_000 + at * step)).collect();
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            Table::new(&[rule(&texts, None, "", 1), rule(&["1"], None, "", 2)])
        };
        assert_eq!((many(1).chain.len(), many(1).starts.len()), (2, 3));
        assert_eq!((many(2).chain.len(), many(2).starts.len()), (2, 100_001));
    }

    fn conditions() -> impl Strategy<Value = Conditions> {
        let class = prop_oneof![Just(None), Just(Some(Class::Financial))];
        let code = prop_oneof![Just(""), Just("0"), Just("2")];
        (class, code).prop_map(|(class, code)| Conditions {
            class,
            processing_code: code.as_bytes().to_vec(),
            ..Conditions::default()
        })
    }

    prop_compose! {
        fn range()(first in 0_u64..60, len in 0_u64..30) -> CardRange {
            let unit = 10_u64.pow(17);
            CardRange { first: first * unit, last: (first + len + 1) * unit - 1 }
        }
    }

    prop_compose! {
        fn any_rule()(cards in prop::collection::vec(range(), 0..4), when in conditions()) -> Rule {
            Rule { cards, when, ..Rule::default() }
        }
    }

    proptest! {
        /// Whatever the ranges, the rule is the one that a search through all of them finds.
        #[test]
        fn as_a_search_through_all_rules_finds(
            rules in prop::collection::vec(any_rule(), 0..9),
            cards in prop::collection::vec((0_u64..95, any::<bool>(), any::<bool>()), 20),
        ) {
            let table = Table::new(&rules);
            for (card, financial, refund) in cards {
                let pan = format!("{card:02}00000000000000");
                let class = if financial { Class::Financial } else { Class::Authorization };
                let facts = facts(Some(&pan), class, if refund { "200000" } else { "000000" });
                let number = padded(pan.as_bytes(), b'0').unwrap();
                let best = |(at, rule): (usize, &Rule)| {
                    let holds = |range: &&CardRange| range.first <= number && number <= range.last;
                    let width = rule.cards.iter().filter(holds).map(|range| range.width()).min();
                    let width = if rule.cards.is_empty() { Some(u64::MAX) } else { width };
                    width.filter(|_| rule.when.fails(&facts).is_none()).map(|width| (width, at))
                };
                let found = rules.iter().enumerate().filter_map(best).min().map(|(_, at)| at);
                prop_assert_eq!(table.pick(&facts).map(|picked| picked.rule), found);
                prop_assert_eq!(explain(&rules, &facts).chosen(), found);
            }
        }
    }
}
