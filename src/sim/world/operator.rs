//! An operator who now and then has a dead letter sent again or writes it off, and sometimes orders what makes no sense.
//! Acts by what the books show, on a stream of chances of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::planted::{self, Bug};
use crate::record::{Closing, Debt, DebtState, Lsn, Owing, Remark, Ruling, Standing, TxnId};
use crate::switch::{Denied, Input, Order, OrderId, OrderResult};

use super::reached::Rare;
use super::rng::Rng;
use super::{Event, World};

/// So many orders are given at once, and none of them is one too many.
const AT_ONCE: usize = 60;

/// What is asked for: which record's, which debt.
type About = (Lsn, Option<Owing>);

/// One operator.
#[derive(Debug)]
pub(super) struct Operator {
    rng: Rng,
    /// How often orders are given, milliseconds; 0 is never.
    every_ms: u64,
    /// Orders that were given and not answered by the process that lives.
    pub(super) waiting: BTreeMap<OrderId, Order>,
    /// The last of them.
    last: Option<Order>,
    /// What was sent again when everything had come to rest.
    again: BTreeSet<About>,
}

impl Operator {
    /// One who acts in one of three worlds.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6f70_6572_6174_6f72);
        let every_ms = rng.pick(&[0, 0, 0, 0, 600, 3_000]).unwrap_or(0);
        Self { rng, every_ms, waiting: BTreeMap::new(), last: None, again: BTreeSet::new() }
    }
}

impl World {
    /// The next order, if there is anybody who gives orders.
    pub(super) fn later_rule(&mut self) {
        if self.operator.every_ms > 0 {
            let wait = self.operator.rng.around(self.operator.every_ms);
            self.later(wait, Event::Rule);
        }
    }

    /// The operator looks at the list and orders something.
    pub(super) fn rule(&mut self) {
        if self.healed {
            return;
        }
        let order = self.thought_of();
        if let Some(order) = order {
            let twice = self.operator.rng.chance(300);
            self.order(order.clone());
            if twice {
                self.order(order);
            }
        }
        self.later_rule();
    }

    /// Once everything has come to rest, each dead letter goes once more. Says whether that is still going on.
    pub(super) fn operates_at_rest(&mut self) -> bool {
        if self.operator.every_ms == 0 || self.host.engine.is_none() {
            return false;
        }
        if !self.operator.waiting.is_empty() {
            return true;
        }
        let mut fresh = self.dead_letters();
        fresh.retain(|about| !self.operator.again.contains(about));
        fresh.truncate(AT_ONCE);
        let Some(words) = words().filter(|_| !fresh.is_empty()) else { return false };
        for (about, owing) in fresh {
            self.operator.again.insert((about, owing));
            self.order(Order::Requeue { txn: TxnId(about.0), owing, by: words.by.clone() });
        }
        self.calm = 0;
        true
    }

    /// What is on the list, by the books.
    fn dead_letters(&self) -> Vec<About> {
        let of = |standing: &Standing| {
            let debts = [(Owing::Advice, &standing.advice), (Owing::Reversal, &standing.reversal)];
            let dead = |debt: &Option<Debt>| {
                debt.as_ref().is_some_and(|debt| debt.state == DebtState::Closed(Closing::Dead))
            };
            debts.map(|(owing, debt)| dead(debt).then_some((Lsn(standing.id.0), Some(owing))))
        };
        let pasts = self.books.pasts.values();
        pasts.flat_map(|past| of(&past.standing)).flatten().collect()
    }

    fn thought_of(&mut self) -> Option<Order> {
        let (dead, txns) = (self.dead_letters(), self.books.pasts.len());
        let orphans = self.books.listed.iter().filter(|(_, written_off)| !**written_off);
        let orphans: Vec<Lsn> = orphans.map(|(lsn, _)| *lsn).collect();
        let rng = &mut self.operator.rng;
        let about = match rng.below(10) {
            // Something that may be anything.
            0 => {
                let known = self.books.pasts.keys().nth(rng.index(txns.max(1)));
                let owing = rng.pick(&[Owing::Advice, Owing::Reversal]);
                (known.map(|txn| Lsn(txn.0))?, owing)
            }
            1 => return self.operator.last.clone(),
            2 | 3 => (rng.pick(&orphans)?, None),
            _ => rng.pick(&dead)?,
        };
        let (about, owing) = about;
        let Ruling { by, why } = words()?;
        Some(if rng.chance(600) && owing.is_some() {
            Order::Requeue { txn: TxnId(about.0), owing, by }
        } else {
            Order::WriteOff { about, owing, ruling: Ruling { by, why } }
        })
    }

    fn order(&mut self, order: Order) {
        if self.host.engine.is_none() {
            return;
        }
        let id = self.host.next_order();
        self.story.tell(self.time, None, || format!("order {}: {order:?}", id.0));
        self.operator.last = Some(order.clone());
        self.operator.waiting.insert(id, order.clone());
        self.feed(Input::Ordered { id, order });
    }

    /// An order is done; says whether it was the operator's. What is told is durable.
    pub(super) fn operator_heard(&mut self, id: OrderId, result: &OrderResult) -> bool {
        let Some(order) = self.operator.waiting.remove(&id) else { return false };
        let wrong = match (&order, result) {
            (_, OrderResult::Denied(denied)) => {
                self.reached.count(Rare::OrderDenied);
                *denied == Denied::Unknown && !planted::is(Bug::TornInput)
            }
            (Order::Requeue { txn, .. }, OrderResult::Requeued { owing }) => {
                !self.truth.requeued.contains(&(*txn, *owing))
            }
            (Order::WriteOff { about, .. }, OrderResult::WrittenOff { owing: None }) => {
                self.truth.listed.get(about) != Some(&true)
            }
            (Order::WriteOff { about, .. }, OrderResult::WrittenOff { owing: Some(owing) }) => {
                !self.truth.written_off.contains(&(TxnId(about.0), *owing))
            }
            _ => true,
        };
        if wrong {
            self.blame(None, || format!("{order:?} is answered {result:?}, and is not durable"));
        }
        true
    }
}

/// Who orders, and why.
fn words() -> Option<Ruling> {
    let (by, why) = (Remark::name("operator").ok()?, Remark::reason("settled by hand").ok()?);
    Some(Ruling { by, why })
}
