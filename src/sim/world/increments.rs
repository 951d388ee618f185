//! Askers that want more than was authorized: further authorizations that name the first, sent when that was approved.

use std::collections::BTreeSet;

use crate::codec::Message;
use crate::iso::{ElementNo, Elements};
use crate::record::{Opening, Standing};

use super::asker::Purchase;
use super::follow::{self, Past, approved_amount};
use super::issuer::{self, Key, original_key};
use super::ledgers::is_listed;
use super::reached::Rare;
use super::rng::Rng;
use super::story::{PurchaseId, text};
use super::{Event, World};

/// How often askers want more. It draws by itself, so that worlds go on as they did before there was any of this.
#[derive(Debug)]
pub(super) struct Raising {
    rng: Rng,
    /// Of those who heard an approval of an authorization, in a thousand.
    often: u64,
    /// The purchases of which more is wanted.
    wanted: BTreeSet<PurchaseId>,
}

impl Raising {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x7261_6973_696e_6721);
        let often = rng.pick(&[0, 0, 100, 500, 900]).unwrap_or(0);
        Self { rng, often, wanted: BTreeSet::new() }
    }
}

impl World {
    /// An asker heard an approval, and may want more: soon, or when the process has died. Sometimes of what is no authorization.
    pub(super) fn may_want_more(&mut self, id: PurchaseId) {
        let Some(mti) = self.purchase_ref(id).map(|purchase| purchase.mti) else { return };
        let raising = &mut self.lowering.raising;
        let often = match mti {
            100 => raising.often,
            200 => raising.often / 20,
            _ => 0,
        };
        if raising.rng.chance(often) {
            let longest = raising.rng.pick(&[5, 2_000, 30_000]).unwrap_or(50);
            let wait = 1 + raising.rng.below(longest);
            raising.wanted.insert(id);
            self.later(wait, Event::Lower { id });
        }
    }

    /// It does; says whether that was what it wanted.
    pub(super) fn wants_more(&mut self, id: PurchaseId) -> bool {
        if !self.lowering.raising.wanted.remove(&id) {
            return false;
        }
        let amount = 1 + self.lowering.raising.rng.below(90_000);
        let number = self.begun + 1;
        let Some(purchase) = self.purchase_ref(id) else { return true };
        let link = purchase.link;
        let first = purchase.raises.unwrap_or(id);
        let elements = raising(purchase, (id, number), (amount, self.now().wall));
        if self.healed || self.begun >= self.mix.txns || !self.has_room(id, &elements) {
            return true;
        }
        self.begun = number;
        self.last_purchase_at = self.time;
        let amount = i64::try_from(amount).unwrap_or(1);
        let mut increment = Purchase::new((link, 100), elements, amount);
        increment.raises = Some(first);
        self.purchases.push(increment);
        self.story.tell(self.time, Some(number), || format!("it raises purchase {first}"));
        self.ask_again(number);
        true
    }

    /// An increment as it reaches its issuer: it names the authorization that it raises, as that issuer knows it.
    pub(super) fn check_raises(&mut self, issuer: usize, message: &Message, id: PurchaseId) {
        let Some(first) = self.purchase_ref(id).and_then(|purchase| purchase.raises) else {
            return;
        };
        let named = original_key(&text(message, ElementNo::ORIGINAL));
        let link = self.link_of(issuer);
        let is_named = |past: &Past| {
            past.standing.sent().is_some_and(|sent| {
                let real = follow::wire_key(sent.mti.class(), sent.trace);
                Some(sent.issuer) == link && named.is_some_and(|named| issuer::names(named, real))
            })
        };
        if !self.truth.of_purchase(first).any(is_named) {
            return self.blame(Some(id), || {
                "an increment does not name what it raises as its issuer knows it".to_owned()
            });
        }
        self.reached.count(Rare::Raised);
    }

    /// What is wrong with an increment when everything has come to rest: what it is tied to, and the sum of all of them.
    pub(super) fn wrong_increment(&self, purchase: &Purchase, id: PurchaseId) -> Option<String> {
        let first = purchase.raises?;
        let is_first = |txn| self.truth.of_purchase(first).any(|past| past.standing.id == txn);
        for past in self.truth.of_purchase(id) {
            let raises = past.standing.sent()?.raises();
            if !raises.is_some_and(is_first) {
                return Some(format!("#{} is tied to {raises:?}", past.standing.id.0));
            }
        }
        let chain: Vec<PurchaseId> = (1..)
            .zip(&self.purchases)
            .filter(|(of, one)| *of == first || one.raises == Some(first))
            .map(|(of, _)| of)
            .collect();
        let of_chain = |of: &PurchaseId| self.truth.of_purchase(*of);
        // What an operator has to look at, and what no rule covers, may differ.
        let uncertain = |of: &PurchaseId| {
            of_chain(of).any(|past| is_listed(&past.standing))
                || self.purchase_ref(*of).is_none_or(|one| one.stale)
        };
        if chain.iter().any(uncertain) {
            return None;
        }
        let stands = |standing: &Standing| standing.stands_approved();
        let here: i64 = chain
            .iter()
            .flat_map(of_chain)
            .filter(|past| stands(&past.standing))
            .filter_map(|past| approved_amount(&past.standing))
            .sum();
        // What was sent and approved twice, and is on the operator's list, counts once.
        let for_people = |place: usize, key: Key| {
            let link = self.link_of(place);
            let past = link.and_then(|link| self.truth.of_pair(link, key));
            past.is_some_and(|past| is_listed(&past.standing))
        };
        let mut there = 0;
        for (place, issuer) in self.issuers.iter().enumerate() {
            for (key, entry) in &issuer.ledger {
                let stands = entry.approved && !entry.reversed && !for_people(place, *key);
                if stands && chain.contains(&entry.purchase) {
                    there += entry.amount;
                }
            }
        }
        (here != there).then(|| {
            format!("its authorizations stand for {here}, and for {there} at their issuer")
        })
    }
}

/// What raises a purchase: of the same card, currency and merchant, under a trace number and reference of its own.
pub(super) fn raising(
    purchase: &Purchase,
    (id, number): (PurchaseId, PurchaseId),
    (amount, wall): (u64, crate::iso::Wall),
) -> Elements {
    // A reversal names its original, and so does what raises it.
    let mut elements = purchase.reversal(id, 0, wall);
    elements.set(ElementNo::STAN, format!("{:06}", (number * 7) % 1_000_000).as_bytes());
    elements.set(ElementNo::RRN, format!("{number:012}").as_bytes());
    elements.set(ElementNo::AMOUNT, format!("{amount:012}").as_bytes());
    elements
}

/// What is wrong with a request that raises another when it is accepted: only what stands approved is raised, and of one card.
pub(super) fn wrongly_raised(standing: &Standing, first: Option<&Past>) -> Option<&'static str> {
    let Opening::Request(sent) = &standing.opening else { return None };
    sent.raises()?;
    let Some(first) = first.map(|past| &past.standing).filter(|first| first.stands_approved())
    else {
        return Some("it raises what does not stand approved");
    };
    let token = |of: &Standing| of.sent()?.card.as_ref().map(|card| card.token);
    (token(standing) != token(first)).then_some("it raises an authorization of another card")
}
