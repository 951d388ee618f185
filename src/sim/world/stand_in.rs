//! What the switch approves in issuers' places, held against limits that are counted here from all that ever was durable.

use std::collections::BTreeMap;

use crate::iso::{BusinessDate, ElementNo};
use crate::record::{Record, Standing, TxnId};
use crate::switch::StandIn;
use crate::tranlog::Spent;

use super::World;
use super::mix::Mix;
use super::reached::Rare;

/// A card and the currency.
type Purse = (u128, [u8; 3]);

impl Mix {
    /// In a third of all worlds two of the three routes have limits, in half of these also after a time-out. Seeds decide by themselves, as they do about editions.
    pub(super) fn standing_in(mut self, seed: u64) -> Self {
        if seed.is_multiple_of(3) {
            let limits = StandIn {
                currency: *b"978",
                amount_max: 900_000,
                count_max: 2,
                total_max: 1_300_000,
                kinds: vec![*b"00"],
                while_down: true,
                after_timeout: seed.is_multiple_of(2),
            };
            self.settings.stand_in = vec![Some(limits.clone()), Some(limits)];
        }
        self
    }
}

impl World {
    /// A record about what was approved in an issuer's place is durable, and the truth has followed it.
    pub(super) fn check_stand_in(&mut self, txn: TxnId, record: &Record) {
        let Some(past) = self.truth.pasts.get(&txn).filter(|past| past.standing.stood_in()) else {
            return;
        };
        let (about, today) = (self.truth.purchase(txn), self.host.shadow_date());
        let mine = purse_of(&past.standing);
        let after = matches!(record, Record::StoodInAfter { .. });
        let fresh = after || matches!(record, Record::StoodIn { .. });
        if matches!(record, Record::Lowered { .. }) {
            self.reached.count(Rare::LoweredStandIn);
        } else if fresh {
            self.reached.count(if after { Rare::StoodInAfter } else { Rare::StoodIn });
        } else if past.standing.date() == Some(today) {
            self.reached.count(Rare::StandInReleased);
        }
        let spent = self.spent_on(today);
        let Some(purse) = mine else { return };
        let counted = spent.get(&purse).copied().unwrap_or_default();
        let limits = self.mix.settings.stand_in.iter().flatten().next();
        let over = limits.is_some_and(|limits| {
            limits.count_max < counted.count || limits.total_max < counted.total
        });
        if fresh && over {
            return self.blame(about, || {
                format!("more is approved in an issuer's place than a card may have: {counted:?}")
            });
        }
        let kept = self.host.shadow_spent(purse);
        if kept != counted {
            self.blame(about, || {
                format!("a card has spent {counted:?}, and the engine counts {kept:?}")
            });
        }
    }

    /// What stands of it on a day, by card and currency.
    fn spent_on(&self, today: BusinessDate) -> BTreeMap<Purse, Spent> {
        let mut all: BTreeMap<Purse, Spent> = BTreeMap::new();
        for past in self.truth.pasts.values() {
            let standing = &past.standing;
            let counts =
                standing.stood_in() && !standing.is_undone() && standing.date() == Some(today);
            let Some((purse, amount)) =
                purse_of(standing).zip(amount_of(standing)).filter(|_| counts)
            else {
                continue;
            };
            let spent = all.entry(purse).or_default();
            spent.count += 1;
            spent.total += amount;
        }
        all
    }
}

/// The transaction that a record about a stand-in is about: it opens it, lowers it, or owes its reversal.
pub(super) fn subject(lsn: u64, record: &Record) -> Option<TxnId> {
    match record {
        Record::StoodIn { .. } | Record::StoodInAfter { .. } => Some(TxnId(lsn)),
        Record::Owed { txn, .. } => Some(*txn),
        Record::Lowered { undo, .. } => undo.original,
        _ => None,
    }
}

fn purse_of(standing: &Standing) -> Option<Purse> {
    let sent = standing.sent()?;
    let currency = *sent.elements.get(ElementNo::CURRENCY)?.first_chunk::<3>()?;
    Some((sent.card.as_ref()?.token.0, currency))
}

fn amount_of(standing: &Standing) -> Option<u64> {
    if standing.lowered.is_some() {
        return standing.lowered;
    }
    std::str::from_utf8(standing.sent()?.elements.get(ElementNo::AMOUNT)?).ok()?.parse().ok()
}
