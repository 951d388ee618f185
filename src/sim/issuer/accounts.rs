//! An issuer's own books: what it approved, declined and took back. Knows no socket.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::iso::{Class, ElementNo, Elements, Function, Mti};
use crate::sim::terminal::{REPLACEMENT, masked};

/// Whom a message is from, as the switch named it: MTI class, elements 7 and 11.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Name {
    class: u8,
    transmission: Vec<u8>,
    stan: Vec<u8>,
}

/// By what an advice and its request know each other: MTI class, element 11 and element 37.
type Reference = (u8, Vec<u8>, Vec<u8>);

/// How something stands in the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Approved,
    Declined,
    Reversed,
}

/// A line in the books.
struct Entry {
    state: State,
    code: Vec<u8>,
    approval: Option<String>,
    /// Minor units, below zero for a refund; nothing for a mere authorization.
    amount: i64,
    currency: String,
    /// What a partial reversal left of it, minor units.
    left: Option<u64>,
    /// Element 37.
    rrn: Vec<u8>,
}

/// All that an issuer knows.
#[derive(Default)]
pub struct Accounts {
    entries: HashMap<Name, Entry>,
    /// Entries by the reference of another message that is one with theirs: an advice that was matched, or a request that one names.
    others: HashMap<Reference, Name>,
    approvals: u64,
}

/// What an issuer says, apart from echoes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Element 39.
    pub code: Vec<u8>,
    /// Element 38.
    pub approval: Option<String>,
}

/// One line of the ledger: a financial effect, written before the answer is sent. Its card is masked.
#[derive(Clone, Debug, Serialize)]
pub struct Effect {
    /// Who.
    pub issuer: String,
    /// `approved`, `declined`, `reversed`, `lowered`, `unknown` (a reversal of what was never seen), `refused` (a partial reversal that does not fit),
    /// `matched` (an advice of a request that was seen before: one effect, of this amount) or `again` (a message that was seen before, or
    /// that an advice named, without effect).
    pub effect: &'static str,
    /// The message's type.
    pub mti: String,
    /// Element 7, as the switch sent it.
    pub transmission: String,
    /// Element 11, as the switch sent it.
    pub stan: String,
    /// Element 37: the same from end to end.
    pub rrn: String,
    /// Element 41.
    pub terminal: String,
    /// Element 42, without blanks at its end.
    pub merchant: String,
    /// Element 2, masked.
    pub card: String,
    /// Element 3.
    pub processing_code: String,
    /// Element 4.
    pub amount: String,
    /// Element 49.
    pub currency: String,
    /// Element 39 of the answer.
    pub code: String,
    /// Element 38 of the answer.
    pub approval: Option<String>,
    /// Element 90: what a reversal undoes.
    pub original: Option<String>,
    /// Element 95: what a partial reversal leaves, in minor units.
    pub left: Option<u64>,
    /// When, as the journal writes it.
    pub at: String,
}

impl Accounts {
    /// Takes a request, an advice or a reversal; `decline` is the code of a request that is not approved.
    pub fn take(
        &mut self,
        issuer: &str,
        mti: Mti,
        elements: &Elements,
        decline: Option<&[u8]>,
    ) -> (Word, Effect) {
        let (effect, word) = if mti.class() == Class::Reversal {
            self.reverse(elements)
        } else {
            self.book(mti, elements, decline)
        };
        let text = |no| elements.get(no).map(|value| String::from_utf8_lossy(value).into_owned());
        let line = Effect {
            issuer: issuer.to_owned(),
            effect,
            mti: mti.to_string(),
            transmission: text(ElementNo::TRANSMISSION).unwrap_or_default(),
            stan: text(ElementNo::STAN).unwrap_or_default(),
            rrn: text(ElementNo::RRN).unwrap_or_default(),
            terminal: text(ElementNo::TERMINAL).unwrap_or_default(),
            merchant: text(ElementNo::MERCHANT).unwrap_or_default().trim_end().to_owned(),
            card: masked(elements),
            processing_code: text(ElementNo::PROCESSING_CODE).unwrap_or_default(),
            amount: text(ElementNo::AMOUNT).unwrap_or_default(),
            currency: text(ElementNo::CURRENCY).unwrap_or_default(),
            code: String::from_utf8_lossy(&word.code).into_owned(),
            approval: word.approval.clone(),
            original: text(ElementNo::ORIGINAL),
            left: left(elements).filter(|_| mti.class() == Class::Reversal),
            at: crate::sim::clock::wall().to_string(),
        };
        (word, line)
    }

    /// What is approved and not reversed, financial messages only: minor units by currency, refunds
    /// taken off.
    pub fn sums(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for entry in self.entries.values().filter(|entry| entry.state == State::Approved) {
            *sums.entry(entry.currency.clone()).or_default() += entry.amount;
        }
        sums
    }

    /// How many financial messages stand approved.
    pub fn standing(&self) -> usize {
        let counts = |entry: &&Entry| entry.state == State::Approved && entry.amount != 0;
        self.entries.values().filter(counts).count()
    }

    fn book(
        &mut self,
        mti: Mti,
        elements: &Elements,
        decline: Option<&[u8]>,
    ) -> (&'static str, Word) {
        let name = Name::of(mti.class(), elements);
        let rrn = elements.get(ElementNo::RRN).unwrap_or_default();
        let other = || self.entries.get(self.others.get(&name.reference(rrn))?);
        if let Some(entry) = self.entries.get(&name).or_else(other) {
            return ("again", entry.word());
        }
        let is_advice = mti.function() == Function::Advice && !rrn.is_empty();
        if let Some(named) = Name::of_request(mti.class(), elements).filter(|_| is_advice) {
            if let Some(word) = self.match_with(&name, (&named, rrn), elements) {
                return ("matched", word);
            }
            self.others.insert(named.reference(rrn), name.clone());
        }
        // An advice is a fact: an issuer cannot decline it.
        let decline = decline.filter(|_| mti.function() != Function::Advice);
        let state = if decline.is_some() { State::Declined } else { State::Approved };
        let approval = decline.is_none().then(|| {
            self.approvals += 1;
            format!("{:06}", self.approvals % 1_000_000)
        });
        let entry = Entry {
            state,
            code: decline.unwrap_or(b"00").to_vec(),
            approval,
            amount: booked(mti.class().digit(), elements),
            currency: String::from_utf8_lossy(
                elements.get(ElementNo::CURRENCY).unwrap_or_default(),
            )
            .into_owned(),
            left: None,
            rrn: rrn.to_vec(),
        };
        let word = entry.word();
        self.entries.insert(name, entry);
        (if state == State::Approved { "approved" } else { "declined" }, word)
    }

    /// An advice names a request of its class and its reference: both are one effect, whatever was decided about the request. An
    /// advice of another reference raises or completes what it names, and is an effect of its own.
    fn match_with(
        &mut self,
        name: &Name,
        (named, rrn): (&Name, &[u8]),
        elements: &Elements,
    ) -> Option<Word> {
        let line = self.known_as(named.clone(), rrn)?;
        let entry = self.entries.get_mut(&line).filter(|entry| entry.rrn == rrn)?;
        self.others.insert(name.reference(rrn), line);
        if entry.state != State::Reversed && entry.left.is_none() {
            (entry.state, entry.code) = (State::Approved, b"00".to_vec());
            entry.amount = booked(name.class, elements);
        }
        Some(entry.word())
    }

    /// The name of what a reversal means, or an advice. Who is of 1993 names no element 7: its trace number alone tells, the latest
    /// of it.
    fn known_as(&self, name: Name, rrn: &[u8]) -> Option<Name> {
        if let Some(line) = self.others.get(&name.reference(rrn)) {
            return Some(line.clone());
        }
        if name.transmission.iter().any(|digit| *digit != b'0') {
            return Some(name);
        }
        let same = |known: &&Name| known.class == name.class && known.stan == name.stan;
        self.entries.keys().filter(same).max().cloned()
    }

    fn reverse(&mut self, elements: &Elements) -> (&'static str, Word) {
        let word = |code: &[u8]| Word { code: code.to_vec(), approval: None };
        let named = elements.get(ElementNo::ORIGINAL).and_then(Name::of_original);
        let rrn = elements.get(ElementNo::RRN).unwrap_or_default();
        let named = named.and_then(|name| self.known_as(name, rrn));
        let entry = named.and_then(|name| self.entries.get_mut(&name));
        match entry {
            None => ("unknown", word(b"25")),
            Some(entry) if left(elements).is_some() => entry.lower(left(elements)),
            Some(entry) if entry.state == State::Approved => {
                entry.state = State::Reversed;
                ("reversed", word(b"00"))
            }
            Some(_) => ("again", word(b"00")),
        }
    }
}

impl Entry {
    /// A partial reversal: of what stands, once, to less. In a refund the sign stays.
    fn lower(&mut self, left: Option<u64>) -> (&'static str, Word) {
        let word = |code: &[u8]| Word { code: code.to_vec(), approval: None };
        if self.left == left || self.state == State::Reversed {
            return ("again", word(b"00"));
        }
        let amount = left.and_then(|left| i64::try_from(left).ok()).unwrap_or(i64::MAX);
        let fits = self.amount == 0 || amount < self.amount.abs();
        if self.state != State::Approved || self.left.is_some() || !fits {
            return ("refused", word(b"13"));
        }
        self.left = left;
        self.amount = self.amount.signum() * amount;
        ("lowered", word(b"00"))
    }

    fn word(&self) -> Word {
        Word { code: self.code.clone(), approval: self.approval.clone() }
    }
}

impl Name {
    fn of(class: Class, elements: &Elements) -> Self {
        let of = |no| elements.get(no).unwrap_or_default().to_vec();
        Self {
            class: class.digit(),
            transmission: of(ElementNo::TRANSMISSION),
            stan: of(ElementNo::STAN),
        }
    }

    fn reference(&self, rrn: &[u8]) -> Reference {
        (self.class, self.stan.clone(), rrn.to_vec())
    }

    /// The message of its own class that an advice names: by element 90, or 56 of 1993 (MTI 4, STAN 6, then no element 7).
    fn of_request(class: Class, elements: &Elements) -> Option<Self> {
        let later = || {
            let original = elements.get(ORIGINAL_OF_1993)?;
            Self::of_original(&[original.get(..10)?, b"0000000000"].concat())
        };
        let named = elements.get(ElementNo::ORIGINAL).and_then(Self::of_original).or_else(later);
        named.filter(|named| named.class == class.digit())
    }

    /// From element 90: MTI 4, STAN 6, element 7 10.
    fn of_original(original: &[u8]) -> Option<Self> {
        let class = Mti::from_ascii(original.get(..4)?).ok()?.class().digit();
        let stan = original.get(4..10)?.to_vec();
        Some(Self { class, transmission: original.get(10..20)?.to_vec(), stan })
    }
}

/// Element 56 of 1993, where the house keeps it.
const ORIGINAL_OF_1993: ElementNo = ElementNo::of(128 + 56);

/// What a message books: an authorization nothing.
fn booked(class: u8, elements: &Elements) -> i64 {
    if class == Class::Financial.digit() { signed(elements) } else { 0 }
}

/// Element 4, below zero for the refunds of processing code 20 to 29.
fn signed(elements: &Elements) -> i64 {
    let amount = amount(elements);
    let amount = i64::try_from(amount).unwrap_or(i64::MAX);
    let refund =
        elements.get(ElementNo::PROCESSING_CODE).is_some_and(|code| code.starts_with(b"2"));
    if refund { -amount } else { amount }
}

/// What a partial reversal leaves: the first twelve digits of element 95; none where they are zeros, or absent.
fn left(elements: &Elements) -> Option<u64> {
    let digits = elements.get(REPLACEMENT)?.get(..12)?;
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|left| *left > 0)
}

/// Element 4 in minor units; 0 when it is absent.
pub(super) fn amount(elements: &Elements) -> u64 {
    let digits = elements.get(ElementNo::AMOUNT).unwrap_or_default();
    digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit.saturating_sub(b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::Wall;
    use crate::sim::purchase::{Sale, Shop};

    fn sale(processing_code: [u8; 6], stan: u32) -> Elements {
        Shop::numbered(1).sale(&Sale {
            pan: b"5413330000004110",
            processing_code: &processing_code,
            amount: 1250,
            currency: b"978",
            stan,
            rrn: u64::from(stan),
            at: Wall(1_795_372_440_000),
        })
    }

    #[test]
    fn every_effect_once() {
        let mut accounts = Accounts::default();
        let mti = |number| Mti::new(number).unwrap();
        let buy = sale(*b"000000", 1);
        let undo = Shop::reversal(&buy, mti(200), 9, Wall(1_795_372_441_000));
        let declined = Some(&b"51"[..]);
        for (number, elements, decline, effect, code, sum) in [
            (200, &buy, None, "approved", "00", 1250),
            (201, &buy, declined, "again", "00", 1250),
            (200, &sale(*b"200000", 2), None, "approved", "00", 0),
            (200, &sale(*b"000000", 3), declined, "declined", "51", 0),
            (220, &sale(*b"000000", 4), declined, "approved", "00", 1250),
            (100, &sale(*b"000000", 5), None, "approved", "00", 1250),
            (420, &undo, None, "reversed", "00", 0),
            (421, &undo, None, "again", "00", 0),
            (
                420,
                &Shop::reversal(&sale(*b"000000", 7), mti(200), 8, Wall(0)),
                None,
                "unknown",
                "25",
                0,
            ),
        ] {
            let (word, line) = accounts.take("A", mti(number), elements, decline);
            assert_eq!((line.effect, line.code.as_str()), (effect, code), "{number}");
            assert_eq!(word.code, code.as_bytes());
            assert_eq!(accounts.sums().get("978").copied().unwrap_or(0), sum, "{number} {effect}");
        }
        assert_eq!(accounts.standing(), 2);
    }

    /// A request and the advice that names it, in either order and whatever was decided, are one effect under both names.
    #[test]
    fn an_advice_that_names_a_request_is_one_with_it() {
        let mti = |number| Mti::new(number).unwrap();
        let buy = sale(*b"000000", 1);
        let mut advice = sale(*b"000000", 1);
        advice.set(ElementNo::STAN, b"000007");
        let original = Shop::reversal(&buy, mti(200), 9, Wall(1_795_372_441_000));
        advice.set(ElementNo::ORIGINAL, original.get(ElementNo::ORIGINAL).unwrap());
        let (request, told) = ((200, &buy), (220, &advice));
        for (first, decline, second, effects) in [
            (request, None, told, ["approved", "matched"]),
            (request, Some(&b"51"[..]), told, ["declined", "matched"]),
            (told, None, request, ["approved", "again"]),
        ] {
            let mut accounts = Accounts::default();
            let said =
                [(first, decline), (second, Some(&b"51"[..])), (told, None), (request, None)].map(
                    |((number, elements), decline)| {
                        accounts.take("A", mti(number), elements, decline).1.effect
                    },
                );
            assert_eq!(said, [effects[0], effects[1], "again", "again"]);
            assert_eq!((accounts.standing(), accounts.sums()["978"]), (1, 1250));
            assert_eq!(accounts.take("A", mti(420), &original, None).1.effect, "reversed");
            assert_eq!(accounts.standing(), 0);
        }
        // Of another reference it is a payment of its own.
        let mut accounts = Accounts::default();
        accounts.take("A", mti(200), &buy, None);
        advice.set(ElementNo::RRN, b"000000000002");
        assert_eq!(accounts.take("A", mti(220), &advice, None).1.effect, "approved");
        assert_eq!(accounts.standing(), 2);
    }

    #[test]
    fn a_partial_reversal_leaves_what_it_says() {
        let mut accounts = Accounts::default();
        let mti = |number| Mti::new(number).unwrap();
        let buy = sale(*b"000000", 1);
        accounts.take("A", mti(200), &buy, None);
        for (stan, amount, effect, code, sum) in [
            (8, 1300, "refused", "13", 1250),
            (9, 400, "lowered", "00", 400),
            (10, 400, "again", "00", 400),
            (11, 300, "refused", "13", 400),
        ] {
            let mut undo = Shop::reversal(&buy, mti(200), stan, Wall(1_795_372_441_000));
            undo.set(REPLACEMENT, format!("{amount:012}{:030}", 0).as_bytes());
            let (word, line) = accounts.take("A", mti(420), &undo, None);
            assert_eq!((line.effect, word.code.as_slice()), (effect, code.as_bytes()), "{amount}");
            assert_eq!(accounts.sums()["978"], sum);
        }
    }
}
