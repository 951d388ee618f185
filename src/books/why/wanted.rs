//! What somebody has in hand of a transaction, as conditions: `stan=000123 link=shops`. Knows no tables.

use crate::books::columns;
use crate::iso::{BusinessDate, ElementNo, Stan, Wall};
use crate::record::{LinkId, Opening, Outcome, Standing, Trace, TxnId};

/// Conditions that a transaction has to meet, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub(super) txn: Option<TxnId>,
    pub(super) stan: Option<Stan>,
    /// Element 7 as it is written; it names no year.
    pub(super) transmission: Option<String>,
    pub(super) rrn: Option<String>,
    pub(super) approval: Option<String>,
    pub(super) terminal: Option<String>,
    pub(super) merchant: Option<String>,
    pub(super) card: Option<String>,
    pub(super) amount: Option<i64>,
    pub(super) date: Option<BusinessDate>,
    pub(super) link: Option<LinkId>,
    /// The names of what was given, for saying what was searched for.
    names: Vec<&'static str>,
}

/// Why a condition is none. It repeats no value: that may be a card number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotWanted {
    /// Nothing was given.
    #[error("say what to look for: a transaction's number, or conditions: {CONDITIONS}")]
    Nothing,
    /// It is neither a number nor `name=value`.
    #[error(
        "argument {0} is neither a transaction's number nor name=value\nhelp: conditions are {CONDITIONS}"
    )]
    Shape(usize),
    /// Nothing is found by that.
    #[error("argument {0}: nothing is found by that name\nhelp: conditions are {CONDITIONS}")]
    Name(usize),
    /// The value is none of its kind.
    #[error("`{name}` wants {wants}")]
    Value {
        /// Which condition.
        name: &'static str,
        /// What belongs there.
        wants: &'static str,
    },
    /// It stands twice.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
}

const CONDITIONS: &str = "txn=, stan= (element 11), de7= (element 7), rrn= (37), approval= (38), terminal= (41), \
     merchant= (42), card= (masked), amount= (minor units), date=YYYY-MM-DD, link=NAME";

/// Every name, and what belongs there.
const NAMES: [(&str, &str); 11] = [
    ("txn", "a transaction's number"),
    ("stan", "up to six digits: element 11, as asked for or as the issuer saw it"),
    ("de7", "ten digits MMDDhhmmss: element 7, as asked for or as the issuer saw it"),
    ("rrn", "the text of element 37"),
    ("approval", "the text of element 38"),
    ("terminal", "the text of element 41"),
    ("merchant", "the text of element 42"),
    ("card", "a card masked as logs show it, like 541333******4111: never the whole number"),
    ("amount", "minor units: 1250 is 12.50"),
    ("date", "a day as YYYY-MM-DD: the business day, or the day in UTC"),
    ("link", "the name of the asker's link or of the issuer's"),
];

impl Wanted {
    /// From the words of a command line.
    pub fn parse(words: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, NotWanted> {
        let mut wanted = Self::default();
        for (at, word) in (1..).zip(words) {
            let word = word.as_ref();
            let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            let (name, value) = match word.split_once('=') {
                Some(both) => both,
                None if is_number => ("txn", word),
                None => return Err(NotWanted::Shape(at)),
            };
            let known = NAMES.iter().find(|(known, _)| *known == name);
            let (name, wants) = *known.ok_or(NotWanted::Name(at))?;
            if wanted.names.contains(&name) {
                return Err(NotWanted::Twice(name));
            }
            wanted.put(name, value).ok_or(NotWanted::Value { name, wants })?;
            wanted.names.push(name);
        }
        if wanted.names.is_empty() { Err(NotWanted::Nothing) } else { Ok(wanted) }
    }

    fn put(&mut self, name: &str, value: &str) -> Option<()> {
        let text = || {
            let value = value.trim();
            let fits = (1..=40).contains(&value.len()) && !value.chars().any(char::is_control);
            fits.then(|| value.to_owned())
        };
        match name {
            "txn" => self.txn = Some(TxnId(value.parse().ok()?)),
            "stan" if value.len() <= 6 => {
                self.stan = Some(Stan::from_ascii(format!("{value:0>6}").as_bytes()).ok()?);
            }
            "de7" if value.len() == 10 && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.transmission = Some(value.to_owned());
            }
            "rrn" => self.rrn = Some(text()?),
            "approval" => self.approval = Some(text()?),
            "terminal" => self.terminal = Some(text()?),
            "merchant" => self.merchant = Some(text()?),
            "card" => self.card = text().filter(|card| card.contains('*')).map(Some)?,
            "amount" => self.amount = Some(value.parse().ok()?),
            "date" => self.date = Some(BusinessDate::from_text(value).ok()?),
            "link" => self.link = Some(LinkId::of_name(&text()?)),
            _ => return None,
        }
        Some(())
    }

    /// What was given, by name: `stan, link`.
    pub fn named(&self) -> String {
        self.names.join(", ")
    }

    /// Whether a part of a pair was given.
    pub(super) const fn has_pair(&self) -> bool {
        self.stan.is_some() || self.transmission.is_some()
    }

    /// Whether a transaction meets every condition.
    pub(super) fn is_met_by(&self, standing: &Standing) -> bool {
        self.is_met_but_for_pair(standing) && (!self.has_pair() || self.is_pair_of(standing))
    }

    /// Whether a pair is the one that is wanted.
    pub(super) fn is_pair(&self, trace: Trace) -> bool {
        let written = trace.transmission.ascii();
        self.stan.is_none_or(|stan| stan == trace.stan)
            && self.transmission.as_ref().is_none_or(|wanted| wanted.as_bytes() == written)
    }

    /// Elements 7 and 11 as its asker said them, or as its issuer sees or saw them.
    fn is_pair_of(&self, standing: &Standing) -> bool {
        let Some(sent) = standing.sent() else { return false };
        let said = |no, wanted: Option<&[u8]>| {
            wanted.is_none_or(|wanted| sent.elements.get(no) == Some(wanted))
        };
        let stan = self.stan.map(Stan::ascii);
        let asked = said(ElementNo::STAN, stan.as_ref().map(|stan| &stan[..]))
            && said(ElementNo::TRANSMISSION, self.transmission.as_deref().map(str::as_bytes));
        let ours = [Some(sent.trace), standing.reversal.as_ref().map(|debt| debt.trace)];
        asked || ours.into_iter().flatten().any(|trace| self.is_pair(trace))
    }

    /// Whether it meets every condition that is not about elements 7 and 11.
    pub(super) fn is_met_but_for_pair(&self, standing: &Standing) -> bool {
        if self.txn.is_some_and(|txn| txn != standing.id) {
            return false;
        }
        let (asker, at) = match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => (sent.asker, sent.at),
            Opening::Reversal(undo) => (undo.asker, undo.at),
        };
        let sent = standing.sent();
        let is_of = |link| asker == link || sent.is_some_and(|sent| sent.issuer == link);
        let is_on = |date| sent.is_some_and(|sent| sent.date == date) || Wall::date(at) == date;
        self.link.is_none_or(is_of) && self.date.is_none_or(is_on) && self.says(standing)
    }

    /// Whether what it says is what is wanted.
    fn says(&self, standing: &Standing) -> bool {
        let texts = [
            (&self.rrn, ElementNo::RRN),
            (&self.approval, ElementNo::APPROVAL_CODE),
            (&self.terminal, ElementNo::TERMINAL),
            (&self.merchant, ElementNo::MERCHANT),
        ];
        let Some(sent) = standing.sent() else {
            // Of a reversal the journal keeps what it reverses, and none of these.
            return texts.iter().all(|(wanted, _)| wanted.is_none())
                && self.card.is_none()
                && self.amount.is_none();
        };
        let added = match &standing.outcome {
            Outcome::Answered { added, .. } => Some(&**added),
            Outcome::InFlight | Outcome::Over { .. } | Outcome::Stored => None,
        };
        let same = |wanted: &Option<String>, no| {
            wanted.as_deref().is_none_or(|wanted| {
                let said = [added, Some(&sent.elements)].into_iter().flatten();
                said.filter_map(|elements| columns::text(elements, no)).any(|text| text == wanted)
            })
        };
        let card = sent.card.as_ref().map(|card| card.masked.as_bytes());
        texts.iter().all(|(wanted, no)| same(wanted, *no))
            && self.card.as_ref().is_none_or(|wanted| card == Some(wanted.as_bytes()))
            && self.amount.is_none_or(|wanted| columns::amount(standing) == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_and_faults_repeat_no_value() {
        let wanted = Wanted::parse(["stan=123", "rrn=632718000123", "date=2026-11-23"]).unwrap();
        assert_eq!(wanted.stan, Some(Stan::new(123).unwrap()));
        assert_eq!(
            (wanted.rrn.as_deref(), wanted.named().as_str()),
            (Some("632718000123"), "stan, rrn, date")
        );
        assert_eq!(Wanted::parse(["17"]).unwrap().txn, Some(TxnId(17)));
        for (words, said) in [
            (&["stan=1234567"][..], "`stan` wants up to six digits"),
            (&["stan=12x"], "`stan` wants"),
            (&["de7=1123"], "`de7` wants ten digits"),
            (&["card=5413330000004111"], "masked as logs show it"),
            (&["date=23.11."], "YYYY-MM-DD"),
            (&["amount=12.50"], "minor units"),
            (&["5413330000004111=1"], "argument 1: nothing is found by that name"),
            (&["rrn=1", "5413330000004111x"], "argument 2 is neither"),
            (&["rrn=1", "rrn=1"], "`rrn` is given twice"),
            (&["txn=1", "17"], "`txn` is given twice"),
            (&["rrn="], "`rrn` wants"),
            (&[], "say what to look for"),
        ] {
            let fault = Wanted::parse(words.iter().copied()).unwrap_err().to_string();
            assert!(fault.contains(said) && !fault.contains("0000004111"), "{words:?}: {fault}");
        }
    }
}
