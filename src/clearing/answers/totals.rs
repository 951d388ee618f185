//! Whether what an issuer says that it took is what was sent to it: totals, line by line, and where they differ by how much.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Layout, digits, number};
use crate::clearing::IpmRecord;
use crate::iso::ElementNo;

/// One record of totals. What it does not narrow down, it counts all of.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Line {
    /// Messages of this type and function code, `1240200`.
    pub function: Option<String>,
    /// Those with this processing code.
    pub code: Option<String>,
    /// In this currency.
    pub currency: String,
    /// What the side that is called debits adds up to.
    pub debits: Option<i64>,
    /// What the side that is called credits adds up to.
    pub credits: Option<i64>,
    /// Credits less debits.
    pub net: Option<i64>,
    /// How many debits.
    pub debit_count: Option<i64>,
    /// How many credits.
    pub credit_count: Option<i64>,
    /// How many of both.
    pub count: Option<i64>,
}

/// Items of a kind in a file that were not rejected, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Which presentment of its transaction.
    pub turn: Turn,
    /// Whether the transaction pays the card.
    pub refund: bool,
    /// Whether it takes back what was presented.
    pub takes_back: bool,
    /// ISO 4217, three digits.
    pub currency: String,
    /// How many.
    pub count: i64,
    /// Minor units.
    pub amount: i64,
}

/// Which presentment of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// 1240/200.
    First,
    /// 1240/205 or 282: after a charge-back.
    Second,
}

/// What comparing told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// There are no totals.
    Untold,
    /// All that was sent is told, as it was sent.
    Whole,
    /// Something is not, and what.
    Differs(String),
}

impl Line {
    /// The line of a record; what is wrong with it when it is none.
    pub(super) fn read(record: &IpmRecord) -> Result<Self, &'static str> {
        let get = |no| record.elements.get(ElementNo::of(no));
        let own = [380, 381, 384].iter().any(|tag| record.part(*tag).is_some());
        // The currency of transactions, else that of reconciliation.
        let (tags, currency) = if own {
            ([380, 381, 384], get(49))
        } else {
            ([390, 392, 394], get(50).or_else(|| get(49)))
        };
        let Some(currency) = digits(currency, 3) else {
            return Err("totals without a currency of three digits in element 49 or 50");
        };
        let [debits, credits, net] = tags.map(|tag| signed(record.part(tag)));
        let (debits, credits, net) = (debits?, credits?, net?);
        if debits.is_none() && credits.is_none() && net.is_none() {
            return Err(
                "totals without an amount in subelement 0380, 0381, 0384, 0390, 0392 or 0394",
            );
        }
        let count = |tag| match record.part(tag) {
            None => Ok(None),
            Some(text) => number(Some(text)).map(Some).ok_or("a count of totals that is no number"),
        };
        let [debit_count, credit_count, all] = [400, 401, 402].map(count);
        let narrowed = |tag, len, fault| match record.part(tag) {
            None => Ok(None),
            part => digits(part, len).map(Some).ok_or(fault),
        };
        Ok(Self {
            function: narrowed(372, 7, "subelement 0372 of totals is not seven digits")?,
            code: narrowed(374, 6, "subelement 0374 of totals is not six digits")?,
            currency,
            // Each says itself which side it is on.
            debits: debits.map(|amount| amount.checked_neg().unwrap_or(i64::MAX)),
            credits,
            net,
            debit_count: debit_count?,
            credit_count: credit_count?,
            count: all?,
        })
    }

    fn narrowed(&self) -> (bool, bool) {
        (self.function.is_some(), self.code.is_some())
    }

    /// What it counts, without its sums.
    fn class(&self) -> Class {
        let turn = match self.function.as_deref() {
            None => Which::All,
            Some("1240200") => Which::Only(Turn::First),
            Some("1240205" | "1240282") => Which::Only(Turn::Second),
            Some(_) => Which::None,
        };
        let refund = self.code.as_deref().map(|code| matches!(code.get(..2), Some("20" | "28")));
        Class { turn, refund, currency: self.currency.clone() }
    }

    fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<i64>, b: Option<i64>| Some(a?.saturating_add(b?));
        Self {
            debits: sum(self.debits, other.debits),
            credits: sum(self.credits, other.credits),
            net: sum(self.net, other.net),
            debit_count: sum(self.debit_count, other.debit_count),
            credit_count: sum(self.credit_count, other.credit_count),
            count: sum(self.count, other.count),
            ..self.clone()
        }
    }
}

/// A letter and up to sixteen digits: credits are positive.
fn signed(text: Option<&[u8]>) -> Result<Option<i64>, &'static str> {
    let fault = "an amount of totals is not C or D and digits";
    let Some((sign, rest)) = text.map(|text| text.split_first().ok_or(fault)).transpose()? else {
        return Ok(None);
    };
    let amount: i64 = number(Some(rest)).ok_or(fault)?;
    match sign {
        b'C' => Ok(Some(amount)),
        b'D' => Ok(Some(amount.checked_neg().ok_or(fault)?)),
        _ => Err(fault),
    }
}

/// Which presentments a line counts. A function that no message of ours has is about none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    All,
    Only(Turn),
    None,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    turn: Which,
    refund: Option<bool>,
    currency: String,
}

impl Class {
    fn holds(&self, sent: &Sent) -> bool {
        self.currency == sent.currency
            && (self.turn == Which::All || self.turn == Which::Only(sent.turn))
            && self.refund.is_none_or(|refund| refund == sent.refund)
    }

    fn name(&self) -> String {
        let turn = match self.turn {
            Which::All => "",
            Which::Only(Turn::First) => "first presentments, ",
            Which::Only(Turn::Second) => "second presentments, ",
            Which::None => "messages that we do not send, ",
        };
        let refund = match self.refund {
            None => "",
            Some(false) => "purchases, ",
            Some(true) => "refunds, ",
        };
        format!("{turn}{refund}currency {}", self.currency)
    }
}

/// Compares the lines that were told of a file, each once, with what it held and was not rejected. Lines that narrow down more are
/// compared apart from those that narrow down less: both say everything.
pub fn compare(told: &BTreeSet<Line>, sent: &[Sent], layout: &Layout) -> Agreement {
    if told.is_empty() {
        return Agreement::Untold;
    }
    let mut levels: BTreeMap<(bool, bool), BTreeMap<Class, Line>> = BTreeMap::new();
    for line in told {
        let level = levels.entry(line.narrowed()).or_default();
        match level.entry(line.class()) {
            Entry::Occupied(mut sum) => *sum.get_mut() = sum.get().plus(line),
            Entry::Vacant(none) => drop(none.insert(line.clone())),
        }
    }
    let mut differences = String::new();
    let mut whole = false;
    let mut untold = String::new();
    for level in levels.values() {
        for (class, line) in level {
            let ours =
                expected(&sent.iter().filter(|sent| class.holds(sent)).collect::<Vec<_>>(), layout);
            difference(&class.name(), line, &ours, &mut differences);
        }
        let missing = sent
            .iter()
            .filter(|sent| !level.keys().any(|class| class.holds(sent)) && sent.count > 0);
        let mut all = true;
        for sent in missing {
            all = false;
            write!(
                untold,
                "{} items of currency {}, {} in all, are not in the totals; ",
                sent.count, sent.currency, sent.amount
            )
            .ok();
        }
        whole |= all;
    }
    if !whole {
        differences.push_str(&untold);
    }
    match differences.strip_suffix("; ") {
        None => Agreement::Whole,
        Some(text) => Agreement::Differs(text.to_owned()),
    }
}

/// What a line should say.
fn expected(sent: &[&Sent], layout: &Layout) -> Line {
    let (mut sides, mut counts) = ([0_i64; 2], [0_i64; 2]);
    for sent in sent {
        let pays_us = sent.refund == sent.takes_back;
        let [debits, credits] = &mut sides;
        let [debit_count, credit_count] = &mut counts;
        let (side, count) = if pays_us == layout.purchases_are_credits {
            (credits, credit_count)
        } else {
            (debits, debit_count)
        };
        *side = side.saturating_add(sent.amount);
        *count = count.saturating_add(sent.count);
    }
    let ([debits, credits], [debit_count, credit_count]) = (sides, counts);
    Line {
        debits: Some(debits),
        credits: Some(credits),
        net: Some(credits.saturating_sub(debits)),
        debit_count: Some(debit_count),
        credit_count: Some(credit_count),
        count: Some(debit_count.saturating_add(credit_count)),
        ..Line::default()
    }
}

fn difference(name: &str, told: &Line, ours: &Line, text: &mut String) {
    for (what, told, ours) in [
        ("debits", told.debits, ours.debits),
        ("credits", told.credits, ours.credits),
        ("net", told.net, ours.net),
        ("number of debits", told.debit_count, ours.debit_count),
        ("number of credits", told.credit_count, ours.credit_count),
        ("number", told.count, ours.count),
    ] {
        if let (Some(told), Some(ours)) = (told, ours)
            && told != ours
        {
            let over = i128::from(told) - i128::from(ours);
            write!(text, "{name}: {what} {told} instead of {ours}, {over:+}; ").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent((refund, takes_back): (bool, bool), count: i64, amount: i64) -> Sent {
        Sent { turn: Turn::First, refund, takes_back, currency: "978".to_owned(), count, amount }
    }

    fn line(code: Option<&str>, debits: i64, credits: i64, count: i64) -> Line {
        Line {
            function: Some("1240200".to_owned()),
            code: code.map(str::to_owned),
            currency: "978".to_owned(),
            debits: Some(debits),
            credits: Some(credits),
            net: Some(credits - debits),
            count: Some(count),
            ..Line::default()
        }
    }

    #[test]
    fn totals_agree_or_say_where_not() {
        let ours = [
            sent((false, false), 3, 3_000),
            sent((true, false), 1, 250),
            sent((false, true), 1, 100),
        ];
        let layout = Layout::default();
        let compared = |lines: &[Line]| compare(&lines.iter().cloned().collect(), &ours, &layout);
        assert_eq!(compared(&[]), Agreement::Untold);
        assert_eq!(compared(&[line(None, 350, 3_000, 5)]), Agreement::Whole);
        // By processing code, in two lines that both are purchases.
        let apart = [
            line(Some("000000"), 100, 2_000, 3),
            line(Some("010000"), 0, 1_000, 1),
            line(Some("200000"), 250, 0, 1),
        ];
        assert_eq!(compared(&apart), Agreement::Whole);
        let both = [&apart[..], &[line(None, 350, 3_000, 5)]].concat();
        assert_eq!(compared(&both), Agreement::Whole);
        for (lines, told) in [
            (vec![line(None, 350, 2_999, 5)], "credits 2999 instead of 3000, -1"),
            (vec![line(None, 350, 3_000, 4)], "number 4 instead of 5, -1"),
            (apart[..2].to_vec(), "1 items of currency 978, 250 in all, are not in the totals"),
            (
                vec![Line { currency: "840".to_owned(), ..line(None, 0, 1, 1) }],
                "currency 840: credits 1 instead of 0, +1",
            ),
            (
                vec![Line { function: Some("1442450".to_owned()), ..line(None, 0, 7, 1) }],
                "messages that we do not send",
            ),
        ] {
            let Agreement::Differs(text) = compared(&lines) else { panic!("{lines:?}") };
            assert!(text.contains(told), "{text}");
        }
        // An issuer that sees purchases as debits.
        let other = Layout { purchases_are_credits: false, ..layout };
        let turned = Line {
            debits: Some(3_000),
            credits: Some(350),
            net: Some(-2_650),
            ..line(None, 0, 0, 5)
        };
        assert_eq!(compare(&[turned].into(), &ours, &other), Agreement::Whole);
    }
}
