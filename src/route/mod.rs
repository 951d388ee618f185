//! Which links may answer a request, in order of preference; knows no sockets and not who is up.

use crate::iso::Class;
use crate::record::LinkId;

/// One rule: what it matches, and where it leads. Every condition must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Card ranges, any of which matches; none at all match every card, and messages without one.
    pub cards: Vec<CardRange>,
    /// The class of the message, if only one.
    pub class: Option<Class>,
    /// The first digits of element 3, if only some: 0 to 6 digits.
    pub processing_code: Vec<u8>,
    /// Where it leads, best first.
    pub to: Vec<LinkId>,
}

/// Card numbers from a first to a last, both within, as their first nineteen digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CardRange {
    first: u64,
    last: u64,
}

/// Why a text is no card range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Neither a prefix nor a pair of prefixes.
    #[error(
        "a card range is a prefix like 541333 or a pair like 400000-499999, of 1 to 19 digits each"
    )]
    Shape,
    /// It ends before it begins.
    #[error("the range ends before it begins")]
    Backwards,
}

/// The rules, made ready for looking up: the narrowest range wins, and among equals the first rule.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rules: Vec<Rule>,
    /// Where each stretch of card numbers begins, ascending, and the rules that hold in it, best first.
    stretches: Vec<(u64, Vec<u32>)>,
    /// The rules without a card range, in order.
    cardless: Vec<u32>,
}

impl CardRange {
    /// From a prefix (`541333`) or a pair of prefixes (`400000-499999`), 1 to 19 digits each.
    pub fn parse(text: &str) -> Result<Self, BadRange> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let range = Self { first: padded(first, b'0')?, last: padded(last, b'9')? };
        if range.last < range.first { Err(BadRange::Backwards) } else { Ok(range) }
    }

    /// Whether every card of the other lies in this one.
    pub const fn contains(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether the two share a card.
    pub const fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl Table {
    /// From rules in the order of the configuration.
    pub fn new(rules: Vec<Rule>) -> Self {
        let numbered = || rules.iter().zip(0_u32..);
        let mut starts: Vec<u64> = vec![0];
        for range in rules.iter().flat_map(|rule| &rule.cards) {
            starts.push(range.first);
            starts.push(range.last + 1);
        }
        starts.sort_unstable();
        starts.dedup();
        let stretches = starts.into_iter().map(|start| {
            let mut here: Vec<(u64, u32)> = numbered()
                .flat_map(|(rule, number)| rule.cards.iter().map(move |range| (range, number)))
                .filter(|(range, _)| range.first <= start && start <= range.last)
                .map(|(range, number)| (range.last - range.first, number))
                .collect();
            here.sort_unstable();
            (start, here.into_iter().map(|(_, number)| number).collect())
        });
        let stretches = stretches.collect();
        let cardless = numbered()
            .filter(|(rule, _)| rule.cards.is_empty())
            .map(|(_, number)| number)
            .collect();
        Self { rules, stretches, cardless }
    }

    /// Where a message may go, best first; empty when no rule holds. `pan` and `processing_code` are digits.
    pub fn pick(&self, pan: Option<&[u8]>, class: Class, processing_code: &[u8]) -> &[LinkId] {
        let of_card = pan.and_then(|digits| {
            let number = digits_padded(digits, b'0')?;
            let after = self.stretches.partition_point(|(start, _)| *start <= number);
            self.stretches.get(after.checked_sub(1)?).map(|(_, rules)| rules.as_slice())
        });
        of_card
            .unwrap_or_default()
            .iter()
            .chain(&self.cardless)
            .filter_map(|number| self.rules.get(usize::try_from(*number).ok()?))
            .find(|rule| {
                rule.class.is_none_or(|wanted| wanted == class)
                    && processing_code.starts_with(&rule.processing_code)
            })
            .map_or(&[], |rule| &rule.to)
    }
}

fn padded(prefix: &str, filler: u8) -> Result<u64, BadRange> {
    digits_padded(prefix.trim().as_bytes(), filler).ok_or(BadRange::Shape)
}

/// The number that a prefix of 1 to 19 digits becomes with a filler up to nineteen.
fn digits_padded(digits: &[u8], filler: u8) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let rest = std::iter::repeat_n(&filler, 19 - digits.len());
    Some(digits.iter().chain(rest).fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(cards: &[&str], class: Option<Class>, code: &str, to: u32) -> Rule {
        Rule {
            cards: cards.iter().map(|text| CardRange::parse(text).unwrap()).collect(),
            class,
            processing_code: code.as_bytes().to_vec(),
            to: vec![LinkId(to)],
        }
    }

    #[test]
    fn the_narrowest_range_wins_and_then_the_first_rule() {
        let table = Table::new(vec![
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
            let picked = table.pick(Some(pan.as_bytes()), class, code.as_bytes());
            assert_eq!(picked.first().map(|link| link.0), to, "{pan} {class:?} {code}");
        }
        assert_eq!(table.pick(None, Class::Network, b"").len(), 1);
    }

    #[test]
    fn ranges_that_are_none() {
        for (text, fault) in [
            ("", BadRange::Shape),
            ("54133a", BadRange::Shape),
            ("12345678901234567890", BadRange::Shape),
            ("5-4", BadRange::Backwards),
        ] {
            assert_eq!(CardRange::parse(text), Err(fault));
        }
    }
}
