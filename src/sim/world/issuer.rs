//! Issuers: each has a ledger, and the ledgers are the truth about money. Written from the standard, not from the engine.
//!
//! An issuer may be slow, silent, late, forgetful or wrong about elements; it never denies what it approved.

use std::collections::BTreeMap;

use crate::codec::{Draft, Message};
use crate::iso::{Class, ElementNo, Elements, Function, Mti, ResponseCode};
use crate::record::Trace;

use super::lowering;
use super::net::ConnId;
use super::originals::tells_decline;
use super::reached::Rare;
use super::stand_in::{named_in, named_request};
use super::story::{self, PurchaseId, text};
use super::{Event, World};

/// What an issuer tells one message from another by: class, element 7 and element 11, as numbers.
pub(super) type Key = (u8, u64, u32);

/// A line of a ledger: what an issuer decided about a request, or booked for an advice.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a small fact of its own about a decision"
)]
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// For which purchase.
    pub(super) purchase: PurchaseId,
    /// What was approved, in minor units.
    pub(super) amount: i64,
    /// Whether it moves money by itself.
    pub(super) financial: bool,
    /// Whether it was approved.
    pub(super) approved: bool,
    /// Whether that was undone.
    pub(super) reversed: bool,
    /// Whether a partial reversal left less of it: `amount`.
    pub(super) lowered: bool,
    /// Whether a whole and right approval was ever said on the issuer's own link.
    pub(super) said: bool,
    pub(super) code: &'static str,
    /// What the message said: card, amount, terminal.
    content: Vec<u8>,
    /// The request that an advice names as the one of which it is.
    pub(super) names: Option<Key>,
}

/// A message of ours that is owed, as the issuer saw it.
#[derive(Clone, Debug)]
struct OwedSeen {
    original: Vec<u8>,
    firsts: u32,
    /// Its answer, once it was processed.
    settled: Option<&'static str>,
}

/// One issuer.
#[derive(Debug)]
pub(super) struct Issuer {
    /// Its link, by its place among the plans.
    pub(super) link: usize,
    /// What it decided.
    pub(super) ledger: BTreeMap<Key, Entry>,
    owed: BTreeMap<Key, OwedSeen>,
    /// Originals that were reversed before they came, where it remembers that.
    pub(super) forestalled: BTreeMap<Key, Option<PurchaseId>>,
    pub(super) network_stan: u32,
    /// When the last of its answers so far is due.
    answers_until: u64,
}

impl Issuer {
    /// An issuer with an empty ledger.
    pub(super) const fn new(link: usize) -> Self {
        Self {
            link,
            ledger: BTreeMap::new(),
            owed: BTreeMap::new(),
            forestalled: BTreeMap::new(),
            network_stan: 0,
            answers_until: 0,
        }
    }
}

/// How one request is answered.
#[derive(Debug)]
pub(super) struct Manner {
    code: Option<&'static str>,
    amount: Option<i64>,
    stan: Option<Vec<u8>>,
    /// Over which link, if not its own.
    over: Option<usize>,
    /// Under which pair of that link's, if not its own.
    pair: Option<Trace>,
    delay: u64,
    again: bool,
    /// With so much to say that not every frame holds it.
    wordy: bool,
    /// Without element 2.
    nameless: bool,
}

impl World {
    /// A message reaches an issuer.
    pub(super) fn issuer_reads(&mut self, conn: ConnId, issuer: usize, message: Message) {
        let mti = message.mti();
        self.check_signed_off(conn, mti.class());
        let owed = mti.class() == Class::Reversal || mti.function() == Function::Advice;
        if owed && mti.class() != Class::Network && self.mistakes_card(conn, &message) {
            return;
        }
        match (mti.class(), mti.function()) {
            (Class::Network, _) => self.network_reads(conn, &message),
            (Class::Authorization | Class::Financial, Function::Request) => {
                let slow = if self.rng.chance(self.mix.issuing.slow) {
                    // Never longer than `settle`: beyond that no rule helps.
                    self.rng.below(self.mix.settle_ms() / 3)
                } else {
                    0
                };
                self.later(1 + slow, Event::Decide { conn, issuer, message: Box::new(message) });
            }
            (Class::Authorization | Class::Financial, Function::Advice) => {
                let slow =
                    if self.rng.chance(self.mix.issuing.slow) { self.rng.below(8_000) } else { 0 };
                self.later(1 + slow, Event::Decide { conn, issuer, message: Box::new(message) });
            }
            (Class::Reversal, Function::Request | Function::Advice) => {
                self.issuer_reverses(conn, issuer, &message);
            }
            _ => self.blame(story::purchase_of(&message), || format!("an issuer got an {mti}")),
        }
    }

    /// The issuer decides about a request or books an advice.
    pub(super) fn decide(&mut self, conn: ConnId, issuer: usize, message: &Message) {
        let key = key_of(message);
        let Some(purchase) = story::purchase_of(message) else {
            return self.blame(None, || "a request without its reference".to_owned());
        };
        let advice = message.mti().function() == Function::Advice;
        self.check_forwarded(issuer, &key, message, purchase);
        self.check_raises(issuer, message, purchase);
        let content = content_of(message);
        if !advice && self.has_booked(conn, issuer, message) {
            return;
        }
        let Some(bank) = self.issuers.get_mut(issuer) else { return };
        let known = bank.ledger.get(&key);
        if let Some(entry) = known {
            let same = entry.content == content && advice;
            if !same {
                let what = format!("one pair carried two messages: {}", story::Shown(message));
                return self.blame(Some(purchase), || what);
            }
        }
        if advice {
            return self.book(conn, issuer, message);
        }
        let forestalled = bank.forestalled.keys().any(|named| names(*named, key));
        let issuing = &self.mix.issuing;
        let asked = number(message, ElementNo::AMOUNT);
        let (code, amount) = if forestalled || self.rng.chance(issuing.decline) {
            (if self.rng.chance(500) { "51" } else { "05" }, 0)
        } else if self.rng.chance(issuing.partial) && asked > 1 {
            ("10", asked / 2)
        } else {
            ("00", asked)
        };
        let entry = Entry {
            purchase,
            amount,
            financial: message.mti().class() == Class::Financial,
            approved: matches!(code, "00" | "10"),
            reversed: false,
            lowered: false,
            said: false,
            code,
            content,
            names: None,
        };
        let shown = format!("issuer {issuer} decides {code} for {}", story::Shown(message));
        self.story.tell(self.time, Some(purchase), || shown);
        let manner = self.manner(issuer, &entry, message);
        if let Some(bank) = self.issuers.get_mut(issuer) {
            bank.ledger.insert(key, entry);
        }
        if let Some(manner) = manner {
            self.answer(conn, issuer, message, &manner);
        }
    }

    /// Whether, when and how a decision is told.
    pub(super) fn manner(
        &mut self,
        issuer: usize,
        entry: &Entry,
        message: &Message,
    ) -> Option<Manner> {
        let issuing = self.mix.issuing.clone();
        if self.rng.chance(issuing.silent) {
            self.reached.count(Rare::AnswerWithheld);
            return None;
        }
        let mut manner = Manner {
            code: Some(entry.code),
            amount: (entry.code == "10").then_some(entry.amount),
            stan: None,
            over: None,
            pair: None,
            delay: self.rng.below(30),
            again: self.rng.chance(issuing.twice),
            wordy: self.rng.chance(issuing.wordy),
            nameless: false,
        };
        if self.rng.chance(issuing.late) {
            self.reached.count(Rare::AnswerLate);
            manner.delay = self.rng.between((500, 9_000));
        }
        if self.rng.chance(issuing.wrong_stan) {
            let stan = (number(message, ElementNo::STAN) + 500_000) % 1_000_000;
            manner.stan = Some(format!("{stan:06}").into_bytes());
        } else if self.rng.chance(issuing.other_content) {
            if message.present().has(ElementNo::PAN) && self.rng.chance(500) {
                manner.nameless = true;
            } else {
                manner.amount = Some(number(message, ElementNo::AMOUNT) + 100);
            }
        } else if self.rng.chance(issuing.no_code) {
            manner.code = None;
        } else if manner.amount.is_none() && self.rng.chance(issuing.other_link) {
            // Not a partial approval: of a request under the same pair it may be the very answer.
            self.goes_astray(issuer, message.mti().class(), &mut manner);
        }
        Some(manner)
    }

    /// It goes over another link than its issuer's, and maybe under a pair that was given there.
    fn goes_astray(&mut self, issuer: usize, class: Class, manner: &mut Manner) {
        let own = self.issuers.get(issuer).map(|issuer| issuer.link);
        let links = self.mix.issuers().map(|(link, plan)| (link, plan.settings.id));
        let others: Vec<_> = links.filter(|(link, _)| Some(*link) != own).collect();
        let Some((over, id)) = self.rng.pick(&others) else { return };
        self.reached.count(Rare::AnswerAstray);
        manner.over = Some(over);
        if self.rng.chance(500) {
            manner.pair = self.truth.recent_pair(id, class, self.rng.index(10));
        }
    }

    pub(super) fn answer(
        &mut self,
        conn: ConnId,
        issuer: usize,
        message: &Message,
        manner: &Manner,
    ) {
        let Some(own_link) = self.issuers.get(issuer).map(|issuer| issuer.link) else { return };
        let Some(plan) = self.mix.plans.get(manner.over.unwrap_or(own_link)) else { return };
        let (tongue, dialect) = (plan.tongue.clone(), plan.settings.dialect());
        let mut own = message.elements(dialect.echo());
        if let Some(code) = manner.code {
            own.set(ElementNo::RESPONSE_CODE, code.as_bytes());
            if matches!(code, "00" | "10") {
                let approval = format!("{:06}", self.rng.below(1_000_000));
                own.set(ElementNo::APPROVAL_CODE, approval.as_bytes());
            }
        }
        if let Some(amount) = manner.amount {
            own.set(ElementNo::AMOUNT, format!("{amount:012}").as_bytes());
        }
        if let Some(stan) = &manner.stan {
            own.set(ElementNo::STAN, stan);
        }
        if let Some(pair) = manner.pair {
            own.set(ElementNo::STAN, &pair.stan.ascii());
            if dialect.echoes_transmission() {
                own.set(ElementNo::TRANSMISSION, &pair.transmission.ascii());
            }
        }
        if manner.wordy {
            own.set(ElementNo::of(54), &[b'x'; 120]);
        }
        if manner.nameless {
            own.remove(ElementNo::PAN);
        }
        let Some(mti) = message.mti().response() else { return };
        let mut body = Vec::new();
        let draft = Draft { mti, own: &own, copied: None };
        if tongue.write(&draft, self.now().wall, &mut body).is_err() {
            return self.blame(story::purchase_of(message), || {
                "an issuer cannot write its answer".to_owned()
            });
        }
        let right = manner.stan.is_none()
            && manner.over.is_none()
            && !manner.nameless
            && manner.amount.is_none_or(|amount| amount <= number(message, ElementNo::AMOUNT))
            && manner.code.is_some();
        self.reached.add(Rare::AnswerSpoilt, u64::from(!right && manner.over.is_none()));
        let due = self.time + manner.delay;
        if let Some(issuer) = self.issuers.get_mut(issuer) {
            self.reached.add(Rare::AnswerReordered, u64::from(due < issuer.answers_until));
            issuer.answers_until = issuer.answers_until.max(due);
        }
        let says = Says {
            link: manner.over.unwrap_or(own_link),
            conn: manner.over.is_none().then_some(conn),
            body,
            vouches: right.then(|| (issuer, key_of(message))),
            once_heard: None,
        };
        let of_a_part = manner.code == Some("10") && self.grants_again();
        if manner.again || of_a_part {
            self.reached.count(Rare::AnswerTwice);
            let after = manner.delay + 1 + self.rng.below(3_000);
            let again = self.said_again(&says, (message, own), &tongue);
            self.later(after, Event::Say(Box::new(again)));
        }
        self.later(manner.delay, Event::Say(Box::new(says)));
    }

    /// The issuer books an advice, or refuses it.
    fn book(&mut self, conn: ConnId, issuer: usize, message: &Message) {
        let key = key_of(message);
        let Some(purchase) = story::purchase_of(message) else { return };
        let original = content_of(message);
        if !self.check_owed(issuer, &key, message, &original) {
            return;
        }
        let refused = self.refusal();
        let declined = tells_decline(message);
        let Some(bank) = self.issuers.get_mut(issuer) else { return };
        let Some(seen) = bank.owed.get_mut(&key) else { return };
        let fresh = seen.settled.is_none();
        let code = seen.settled.or(refused).unwrap_or("00");
        if !matches!(code, "91" | "96") {
            seen.settled = Some(code);
        }
        if fresh && code == "00" {
            let matched = bank.enter(
                key,
                Entry {
                    purchase,
                    amount: number(message, ElementNo::AMOUNT),
                    financial: message.mti().class() == Class::Financial,
                    approved: !declined,
                    reversed: false,
                    lowered: false,
                    said: true,
                    code: if declined { "05" } else { "00" },
                    content: original,
                    names: named_request(message),
                },
            );
            self.reached.add(Rare::Matched, u64::from(matched));
            self.reached.add(Rare::DeclineAdvised, u64::from(declined));
        }
        self.acknowledge(conn, issuer, message, code);
    }

    /// A reversal: of what is in the ledger, or of something that the issuer does not know.
    fn issuer_reverses(&mut self, conn: ConnId, issuer: usize, message: &Message) {
        let key = key_of(message);
        let original = text(message, ElementNo::ORIGINAL);
        if !self.check_owed(issuer, &key, message, &original) {
            return;
        }
        let refused = self.refusal();
        let forgets = self.rng.chance(600);
        let says_not_found = self.rng.chance(self.mix.issuing.not_found);
        let Some(named) = original_key(&original) else {
            return self.blame(story::purchase_of(message), || {
                "a reversal without its original".to_owned()
            });
        };
        let (left, of) = (left_of(message), story::purchase_of(message));
        let Some(bank) = self.issuers.get_mut(issuer) else { return };
        let Some(seen) = bank.owed.get_mut(&key) else { return };
        let (mut undid_late, mut wrong) = (false, None);
        let code = if let Some(code) = seen.settled {
            code
        } else if let Some(code) = refused {
            code
        } else if let (Some(left), Some(entry)) = (left, named_in(&mut bank.ledger, named, of)) {
            wrong = lowering::lower(entry, left);
            self.reached.count(Rare::LoweredAtIssuer);
            "00"
        } else if let Some(entry) = named_in(&mut bank.ledger, named, of) {
            undid_late = entry.approved
                && !entry.reversed
                && bank
                    .owed
                    .values()
                    .any(|other| other.original == original && other.settled.is_some());
            entry.reversed = entry.approved;
            "00"
        } else {
            if !forgets && left.is_none() {
                bank.forestalled.insert(named, of);
            }
            self.reached.count(Rare::ReversalFirstAtIssuer);
            if says_not_found { "25" } else { "00" }
        };
        if let Some(wrong) = wrong {
            return self.blame(story::purchase_of(message), || wrong);
        }
        if undid_late {
            self.reached.count(Rare::SettleFound);
        }
        if let Some(seen) = bank.owed.get_mut(&key)
            && !matches!(code, "91" | "96")
        {
            seen.settled = Some(code);
        }
        self.acknowledge(conn, issuer, message, code);
    }

    /// Why an owed message is refused this time, if it is.
    fn refusal(&mut self) -> Option<&'static str> {
        if self.rng.chance(self.mix.issuing.retry) {
            return self.rng.pick(&["91", "96"]);
        }
        if self.rng.chance(self.mix.issuing.refuse) {
            return self.rng.pick(&["12", "30"]);
        }
        None
    }

    /// Whether an owed message may come like this: one original under one pair, and x0 at most once.
    fn check_owed(&mut self, issuer: usize, key: &Key, message: &Message, original: &[u8]) -> bool {
        let purchase = story::purchase_of(message);
        let first = !message.mti().is_repeat();
        let Some(bank) = self.issuers.get_mut(issuer) else { return false };
        let fresh = !bank.owed.contains_key(key);
        let seen = bank.owed.entry(*key).or_insert_with(|| OwedSeen {
            original: original.to_vec(),
            firsts: 0,
            settled: None,
        });
        seen.firsts += u32::from(first);
        if seen.original != original {
            self.blame(purchase, || "one pair carried two owed messages".to_owned());
            return false;
        }
        if seen.firsts > 1 {
            self.blame(purchase, || {
                "an owed message went out twice without a repeat digit".to_owned()
            });
            return false;
        }
        if fresh {
            self.check_owed_order(issuer, key, message);
        }
        true
    }

    fn acknowledge(&mut self, conn: ConnId, issuer: usize, message: &Message, code: &'static str) {
        let purchase = story::purchase_of(message);
        let shown = format!("issuer {issuer} says {code} to {}", story::Shown(message));
        self.story.tell(self.time, purchase, || shown);
        if self.rng.chance(self.mix.issuing.silent) {
            self.reached.count(Rare::AnswerWithheld);
            return;
        }
        let delay = if self.rng.chance(self.mix.issuing.late) {
            self.reached.count(Rare::AnswerLate);
            self.rng.below(6_000)
        } else {
            self.rng.below(20)
        };
        let mut manner = Manner {
            code: Some(code),
            amount: None,
            stan: None,
            over: None,
            pair: None,
            delay,
            again: self.rng.chance(self.mix.issuing.twice / 2),
            wordy: false,
            nameless: false,
        };
        if self.rng.chance(self.mix.issuing.other_link / 2) {
            self.goes_astray(issuer, message.mti().class(), &mut manner);
        }
        self.answer(conn, issuer, message, &manner);
    }

    /// An issuer speaks: on the connection that asked while that stands, else on another one of the link.
    pub(super) fn issuer_says(&mut self, says: &Says) {
        if says.once_heard.is_some_and(|line| !self.is_heard(line)) {
            return;
        }
        let asked = says.conn.filter(|conn| self.conns.get(*conn).is_some_and(|conn| conn.peer_up));
        let standing = self.standing(says.link);
        let elsewhere = self.rng.chance(100);
        let conn = asked.filter(|_| !elsewhere).or_else(|| self.rng.pick(&standing)).or(asked);
        let Some(conn) = conn else { return };
        if let Some((issuer, key)) = &says.vouches
            && let Some(entry) =
                self.issuers.get_mut(*issuer).and_then(|bank| bank.ledger.get_mut(key))
        {
            entry.said = true;
        }
        self.peer_writes(conn, &says.body);
    }

    /// A peer writes a message of these elements.
    pub(super) fn say(&mut self, conn: ConnId, mti: Option<Mti>, own: &Elements) {
        let Some(plan) = self.conns.get(conn).and_then(|conn| self.mix.plans.get(conn.link)) else {
            return;
        };
        let mut body = Vec::new();
        let written = mti.map(|mti| {
            plan.tongue.write(&Draft { mti, own, copied: None }, self.now().wall, &mut body)
        });
        match written {
            Some(Ok(())) => self.peer_writes(conn, &body),
            _ => self.blame(None, || format!("a peer cannot write an {mti:?}: {written:?}")),
        }
    }
}

/// Something that an issuer is about to say.
#[derive(Clone, Debug)]
pub(super) struct Says {
    link: usize,
    conn: Option<ConnId>,
    pub(super) body: Vec<u8>,
    /// The ledger line that it tells rightly, if it does.
    pub(super) vouches: Option<(usize, Key)>,
    /// The ledger line whose approval must have been heard before.
    pub(super) once_heard: Option<(usize, Key)>,
}

/// What an issuer tells a message by.
pub(super) fn key_of(message: &Message) -> Key {
    let class = message.mti().class().digit();
    let transmission = digits(&text(message, ElementNo::TRANSMISSION)).unwrap_or(0);
    (class, transmission, stan_of(&text(message, ElementNo::STAN)).unwrap_or(0))
}

/// Digits as a number.
pub(super) fn digits(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn stan_of(text: &[u8]) -> Option<u32> {
    u32::try_from(digits(text)?).ok()
}

/// The message that element 90 names: MTI, element 11, element 7.
pub(super) fn original_key(original: &[u8]) -> Option<Key> {
    let class = Mti::from_ascii(original.get(..4)?).ok()?.class().digit();
    Some((class, digits(original.get(10..20)?)?, stan_of(original.get(4..10)?)?))
}

/// Whether a reversal that names so means this message. Who is of 1993 names no element 7; numbers do not come twice in a world.
pub(super) const fn names(named: Key, real: Key) -> bool {
    named.0 == real.0 && named.2 == real.2 && (named.1 == real.1 || named.1 == 0)
}

/// What a message asks for: card, processing code, amount, currency, terminal and reference.
fn content_of(message: &Message) -> Vec<u8> {
    let mut content = Vec::new();
    for no in [2, 3, 4, 37, 41, 42, 49] {
        content.extend(text(message, ElementNo::of(no)));
        content.push(0);
    }
    content
}

/// An element as a number; 0 when it is none.
pub(super) fn number(message: &Message, no: ElementNo) -> i64 {
    digits(&text(message, no)).and_then(|number| i64::try_from(number).ok()).unwrap_or(0)
}

/// What a partial reversal leaves: the first twelve digits of element 95; none where it says nothing, or all of it is reversed.
fn left_of(message: &Message) -> Option<i64> {
    let amounts = text(message, ElementNo::of(95));
    let left = i64::try_from(digits(amounts.get(..12)?)?).ok()?;
    (left > 0).then_some(left)
}

/// A response code, if a message has a readable one.
pub(super) fn code_of(message: &Message) -> Option<ResponseCode> {
    ResponseCode::new(&text(message, ElementNo::RESPONSE_CODE)).ok()
}
