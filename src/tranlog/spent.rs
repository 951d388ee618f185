//! What was approved in issuers' places on the day in force, by card: a fold over records, so that it survives.

use std::collections::BTreeMap;

use crate::iso::{BusinessDate, ElementNo};
use crate::planted::{self, Bug};
use crate::record::{Sent, Spending};
use crate::seal::Tag;

/// How often and for how much, of one card and currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// How many requests.
    pub count: u32,
    /// For how much, in minor units.
    pub total: u64,
}

/// All cards of one day.
#[derive(Debug, Default)]
pub(super) struct Purse {
    cards: BTreeMap<(Tag, [u8; 3]), Spent>,
}

impl Purse {
    pub(super) fn of(&self, card: Tag, currency: [u8; 3]) -> Spent {
        self.cards.get(&(card, currency)).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.cards.len()
    }

    /// Another day begins, or a carry says it all again.
    pub(super) fn clear(&mut self) {
        self.cards.clear();
    }

    /// A request was approved in its issuer's place.
    pub(super) fn add(&mut self, sent: &Sent) {
        let Some((key, amount)) = spent_by(sent) else { return };
        let spent = self.cards.entry(key).or_default();
        spent.count = spent.count.saturating_add(1);
        spent.total = spent.total.saturating_add(amount);
    }

    /// So much of it is reversed on its own day, in minor units; `whole` when nothing of it is left.
    pub(super) fn release(&mut self, sent: &Sent, (back, whole): (u64, bool), today: BusinessDate) {
        let Some((key, _)) = spent_by(sent).filter(|_| sent.date == today) else { return };
        let Some(spent) = self.cards.get_mut(&key) else { return };
        if planted::is(Bug::StandInNotReleased) {
            return;
        }
        spent.count = spent.count.saturating_sub(u32::from(whole));
        spent.total = spent.total.saturating_sub(back);
        if *spent == Spent::default() {
            self.cards.remove(&key);
        }
    }

    pub(super) fn restore(&mut self, cards: &[Spending]) {
        for Spending { card, currency, count, total } in cards {
            self.cards.insert((*card, *currency), Spent { count: *count, total: *total });
        }
    }

    /// In order; none when nothing was spent.
    pub(super) fn carried(&self) -> Vec<Spending> {
        let cards = self.cards.iter();
        let one = |((card, currency), spent): (&(Tag, [u8; 3]), &Spent)| Spending {
            card: *card,
            currency: *currency,
            count: spent.count,
            total: spent.total,
        };
        cards.map(one).collect()
    }
}

/// The card and currency of a request, and its amount.
fn spent_by(sent: &Sent) -> Option<((Tag, [u8; 3]), u64)> {
    let card = sent.card.as_ref()?.token;
    let currency = *sent.elements.get(ElementNo::CURRENCY)?.first_chunk::<3>()?;
    let digits = sent.elements.get(ElementNo::AMOUNT)?;
    let amount = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(((card, currency), amount))
}
