//! What the switch approves in issuers' places, held against limits that are counted here from all that ever was durable.

use std::collections::BTreeMap;

use crate::codec::Message;
use crate::iso::{BusinessDate, ElementNo, Mti};
use crate::record::{Record, Standing, TxnId};
use crate::switch::{LateApproval, StandIn};
use crate::tranlog::Spent;

use super::World;
use super::issuer::{Entry, Issuer, Key, digits, key_of, names, original_key};
use super::mix::Mix;
use super::net::ConnId;
use super::reached::Rare;
use super::story::{self, PurchaseId, text};

/// A card and the currency.
type Purse = (u128, [u8; 3]);

impl Mix {
    /// In a third of all worlds two of the three routes have limits, in half of these also after a time-out; then one of the two, or
    /// both, have their issuers match. Seeds decide by themselves, as they do about editions.
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
                late: LateApproval::Match,
            };
            let other = if seed.is_multiple_of(4) { LateApproval::Reverse } else { limits.late };
            self.settings.stand_in =
                vec![Some(limits.clone()), Some(StandIn { late: other, ..limits })];
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
        let fresh = match record {
            Record::StoodIn { .. } => Some(Rare::StoodIn),
            Record::StoodInAfter { .. } => Some(Rare::StoodInAfter),
            Record::StoodInMatched { .. } => Some(Rare::StoodInMatched),
            _ => None,
        };
        if matches!(record, Record::Lowered { .. }) {
            self.reached.count(Rare::LoweredStandIn);
        } else if let Some(rare) = fresh {
            self.reached.count(rare);
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
        if fresh.is_some() && over {
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

/// Issuers here match the advice of what was approved in their place with the request that it names.
impl World {
    /// A request reaches its issuer behind the advice that names it: it is that payment, and no other one. Says whether it is so.
    pub(super) fn has_booked(&mut self, conn: ConnId, issuer: usize, message: &Message) -> bool {
        let Some(bank) = self.issuers.get(issuer) else { return false };
        let (key, of) = (key_of(message), story::purchase_of(message));
        if bank.ledger.contains_key(&key) {
            return false;
        }
        let booked = booked_ahead(&bank.ledger, key, of).and_then(|key| bank.ledger.get(&key));
        let Some(mut entry) = booked.cloned() else { return false };
        self.reached.count(Rare::MatchedBefore);
        if entry.reversed {
            entry.code = "05";
        }
        if let Some(manner) = self.manner(issuer, &entry, message) {
            self.answer(conn, issuer, message, &manner);
        }
        true
    }
}

impl Issuer {
    /// Books an advice: as one with the request that it names, whatever was decided about that, else by itself. Says whether there
    /// was such a request.
    pub(super) fn enter(&mut self, key: Key, entry: Entry) -> bool {
        let of = Some(entry.purchase);
        if let Some(named) = entry.names {
            let mut undone = self.forestalled.iter();
            if undone.any(|(other, whose)| alike(*other, named) && *whose == of) {
                return true;
            }
            let line = named_in(&mut self.ledger, named, of);
            if let Some(line) = line.filter(|line| Some(line.purchase) == of) {
                if !line.reversed && !line.lowered {
                    (line.approved, line.code, line.amount) = (true, "00", entry.amount);
                }
                return true;
            }
        }
        self.ledger.entry(key).or_insert(entry);
        false
    }

    /// Its line for a request, which may stand under the advice that names it.
    pub(super) fn line(&self, key: Key, of: Option<PurchaseId>) -> Option<&Entry> {
        let ahead = || self.ledger.get(&booked_ahead(&self.ledger, key, of)?);
        self.ledger.get(&key).or_else(ahead)
    }
}

/// The line of a ledger that a reversal means, or the advice of a request.
pub(super) fn named_in(
    ledger: &mut BTreeMap<Key, Entry>,
    named: Key,
    of: Option<PurchaseId>,
) -> Option<&mut Entry> {
    let own = ledger.keys().find(|key| names(named, **key)).copied();
    let key = own.or_else(|| booked_ahead(ledger, named, of))?;
    ledger.get_mut(&key)
}

/// The line of an advice that names a request which was not here before it.
pub(super) fn booked_ahead(
    ledger: &BTreeMap<Key, Entry>,
    named: Key,
    of: Option<PurchaseId>,
) -> Option<Key> {
    let is_of = |entry: &Entry| {
        Some(entry.purchase) == of && entry.names.is_some_and(|names| alike(names, named))
    };
    ledger.iter().find(|(_, entry)| is_of(entry)).map(|(key, _)| *key)
}

/// The message of its own class that an advice names. Which of them is a request that was approved in its issuer's place, and
/// which one that is raised, its reference tells.
pub(super) fn named_request(message: &Message) -> Option<Key> {
    let original = text(message, ElementNo::ORIGINAL);
    let later = text(message, ORIGINAL_OF_1993);
    let named = original_key(&original).or_else(|| {
        let class = Mti::from_ascii(later.get(..4)?).ok()?.class().digit();
        Some((class, 0, u32::try_from(digits(later.get(4..10)?)?).ok()?))
    });
    named.filter(|(class, ..)| *class == message.mti().class().digit())
}

/// Element 56 of 1993, where the house keeps it.
const ORIGINAL_OF_1993: ElementNo = ElementNo::of(128 + 56);

/// Whether both name one message: who is of 1993 names no element 7.
const fn alike(one: Key, other: Key) -> bool {
    one.0 == other.0 && one.2 == other.2 && (one.1 == other.1 || one.1 == 0 || other.1 == 0)
}

/// The transaction that a record about a stand-in is about: it opens it, lowers it, or owes its reversal.
pub(super) fn subject(lsn: u64, record: &Record) -> Option<TxnId> {
    match record {
        Record::StoodIn { .. } | Record::StoodInAfter { .. } => Some(TxnId(lsn)),
        Record::StoodInMatched { txn, .. } | Record::Owed { txn, .. } => Some(*txn),
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
