//! What an operator decides about dead letters and approvals that answer nothing: sent again, or written off. One order
//! after the other, so that what one changes is seen by the next.

use std::collections::VecDeque;

use crate::iso::Class;
use crate::planted::{self, Bug};
use crate::record::{
    Closing, Debt, DebtState, LinkId, Lsn, Opening, Owing, Record, Remark, Ruling, Standing, Trace,
    TxnId,
};
use crate::tranlog::{Asked, Found};

use super::effect::{Action, Effects, Note};
use super::engine::Engine;
use super::input::{Order, OrderId, OrderResult};

/// So many orders may wait for the books.
const WAITING_MAX: usize = 64;

/// The orders that wait, the first of them maybe for the books.
#[derive(Debug, Default)]
pub(super) struct Docket {
    waiting: VecDeque<(OrderId, Order)>,
    /// The books were asked about the first, and have to have followed up to here.
    asked: Option<Lsn>,
}

/// Why an order about a dead letter is not carried out. Repeats no number that was given: it may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Journal and books do not know it.
    #[error(
        "neither a transaction nor an orphan has this number, as far as journal and books reach: `iso8583d ctl owed` shows it as `txn` or `lsn`"
    )]
    Unknown,
    /// It is an asker's reversal, which owes nothing by itself.
    #[error("this is an asker's reversal, and its issuer is owed nothing for it{}", of(*.0))]
    IsReversal(Option<TxnId>),
    /// Nothing was ever owed for it.
    #[error("its issuer was never owed {} for it", .0.map_or("an advice or a reversal", what))]
    NeverOwed(Option<Owing>),
    /// It has two debts.
    #[error("both an advice and a reversal were owed for it: say which by --owing")]
    Which,
    /// It is sent by itself.
    #[error(
        "its {} is still going: it is sent until it is acknowledged, and becomes a dead letter if it never is", .0.word()
    )]
    StillGoing(Owing),
    /// It is sent once more by itself.
    #[error("its {} is acknowledged, and goes once more by itself when `settle_ms` have passed", .0.word())]
    Unconfirmed(Owing),
    /// Nothing is open.
    #[error("its {} is settled: the issuer acknowledged it", .0.word())]
    Settled(Owing),
    /// An operator wrote it off.
    #[error("its {} was written off, and is not sent again", .0.word())]
    WrittenOff(Owing),
    /// It must not be booked any more.
    #[error(
        "its advice was reversed: sent now, its issuer would book what is undone. Write the advice off; if its issuer may have booked it, see that the reversal is acknowledged"
    )]
    Reversed,
    /// Its partial reversal would be there before it.
    #[error(
        "its partial reversal is still going, and would reach the issuer before it: order it when that is settled or given up"
    )]
    Lowering,
    /// The configuration has no such link.
    #[error(
        "its issuer's link is no longer in the configuration: write it off, or bring the link back"
    )]
    NoLink,
    /// On a link without element 7 its number was given again.
    #[error(
        "its element 11 is in use for another transaction, and its issuer's network does not repeat element 7: try again later"
    )]
    NumberTaken,
    /// No number is free.
    #[error("every trace number of its issuer's link is taken: try again later")]
    NoNumber,
    /// An orphan was never sent.
    #[error(
        "this is an approval of something that was never sent: there is nothing to send again; write it off when it is settled"
    )]
    IsOrphan,
    /// An orphan has no debts.
    #[error(
        "this is an approval of something that was never sent: it has no advice and no reversal, so leave --owing out"
    )]
    OrphanOwesNothing,
    /// Too much is asked for at once.
    #[error("{WAITING_MAX} orders wait for the books already: try again later")]
    Busy,
}

fn of(original: Option<TxnId>) -> String {
    original.map_or_else(String::new, |txn| format!(": it reverses transaction {}", txn.0))
}

const fn what(owing: Owing) -> &'static str {
    match owing {
        Owing::Advice => "an advice",
        Owing::Reversal => "a reversal",
    }
}

/// What is to be done to a dead letter.
enum Deed {
    Requeue {
        trace: Trace,
        by: Remark,
    },
    WriteOff {
        trace: Trace,
        ruling: Ruling,
    },
    /// An earlier order did it.
    Nothing,
}

impl Order {
    /// The record that opened or listed what it is about; none for a day or a link.
    const fn about(&self) -> Option<Lsn> {
        match self {
            Self::Cut(_) | Self::Link(..) => None,
            Self::Requeue { txn, .. } => Some(Lsn(txn.0)),
            Self::WriteOff { about, .. } => Some(*about),
        }
    }

    /// What became of it when it is carried out.
    const fn result(&self, owing: Owing) -> OrderResult {
        match self {
            Self::Requeue { .. } => OrderResult::Requeued { owing },
            _ => OrderResult::WrittenOff { owing: Some(owing) },
        }
    }
}

impl Engine {
    /// An operator orders something.
    pub(super) fn ordered(&mut self, id: OrderId, order: Order, fx: &mut Effects) {
        match order {
            Order::Cut(date) => return self.cut_ordered(id, date, fx),
            Order::Link(link, order) => {
                let result = self.link_ordered(link, order, fx);
                return fx.actions.push(Action::Done { id, result });
            }
            Order::Requeue { .. } | Order::WriteOff { .. } => {}
        }
        if self.docket.waiting.len() >= WAITING_MAX {
            let result = OrderResult::Denied(Denied::Busy);
            return fx.actions.push(Action::Done { id, result });
        }
        self.docket.waiting.push_back((id, order));
        self.decide_what_waits(fx);
    }

    /// Decides about one order after the other, until one has to wait for the books.
    fn decide_what_waits(&mut self, fx: &mut Effects) {
        while self.docket.asked.is_none()
            && let Some(about) = self.docket.waiting.front().and_then(|(_, order)| order.about())
        {
            if let Some(standing) = self.log.standing(TxnId(about.0)) {
                let standing = Box::new(standing.clone());
                self.decide_first(Found::Transaction(standing), fx);
            } else if about == Lsn(0) || self.log.tail() < about {
                self.decide_first(Found::Nothing, fx);
            } else {
                self.docket.asked = Some(self.inquire_for_order(about, fx));
            }
        }
    }

    /// The books have answered about the first order.
    pub(super) fn order_looked_up(&mut self, found: Found, fx: &mut Effects) {
        let Some(from) = self.docket.asked.take() else { return };
        let moved = match &found {
            Found::Transaction(standing) => {
                self.log.standing(standing.id).is_none()
                    && self.inquiries.has_moved(standing.id, from)
            }
            Found::Nothing | Found::Orphan { .. } => false,
        };
        self.order_answered();
        // What memory knows is newer; what came and went meanwhile is asked for once more.
        let known = self.docket.waiting.front().and_then(|(_, order)| order.about());
        let in_memory = known.is_some_and(|about| self.log.standing(TxnId(about.0)).is_some());
        if !moved && !in_memory {
            self.decide_first(found, fx);
        }
        self.decide_what_waits(fx);
    }

    fn decide_first(&mut self, found: Found, fx: &mut Effects) {
        let Some((id, order)) = self.docket.waiting.pop_front() else { return };
        let result = match found {
            Found::Nothing => Err(Denied::Unknown),
            Found::Orphan { written_off } => self.decide_about_orphan(&order, written_off, fx),
            Found::Transaction(standing) => self.decide_about(&order, standing, fx),
        };
        let result = result.unwrap_or_else(OrderResult::Denied);
        fx.actions.push(Action::Done { id, result });
    }

    fn decide_about_orphan(
        &mut self,
        order: &Order,
        written_off: bool,
        fx: &mut Effects,
    ) -> Result<OrderResult, Denied> {
        let Order::WriteOff { about, owing, ruling } = order else { return Err(Denied::IsOrphan) };
        if owing.is_some() {
            return Err(Denied::OrphanOwesNothing);
        }
        if !written_off || planted::is(Bug::OrderedTwice) {
            let (orphan, at, ruling) = (*about, self.now.wall, ruling.clone());
            let boxed = Box::new(ruling.clone());
            self.append(Record::OrphanWrittenOff { orphan, at, ruling: boxed }, fx);
            fx.notes.push(Note::WrittenOff { issuer: None, about: orphan, owing: None, ruling });
        }
        Ok(OrderResult::WrittenOff { owing: None })
    }

    fn decide_about(
        &mut self,
        order: &Order,
        standing: Box<Standing>,
        fx: &mut Effects,
    ) -> Result<OrderResult, Denied> {
        let (txn, at) = (standing.id, self.now.wall);
        let (issuer, owing, deed) = self.deed(order, &standing)?;
        if matches!(deed, Deed::Nothing) {
            return Ok(order.result(owing));
        }
        if self.log.standing(txn).is_none() {
            fx.notes.push(Note::Restored);
            self.append(Record::Restored(standing), fx);
        }
        match deed {
            Deed::Requeue { trace, by } => {
                fx.notes.push(Note::Requeued { issuer, txn, owing, by: by.clone() });
                self.append(Record::Requeued { txn, at, owing, trace, by }, fx);
                self.post_owed(txn, owing, fx);
                if owing == Owing::Advice {
                    // Whoever books it now books all of it.
                    self.lower_again(txn, fx);
                }
            }
            Deed::WriteOff { trace, ruling } => {
                let boxed = Box::new(ruling.clone());
                self.append(Record::WrittenOff { txn, at, owing, trace, ruling: boxed }, fx);
                let (issuer, owing) = (Some(issuer), Some(owing));
                fx.notes.push(Note::WrittenOff { issuer, about: Lsn(txn.0), owing, ruling });
            }
            Deed::Nothing => {}
        }
        Ok(order.result(owing))
    }

    /// What an order does to a transaction: nothing but to a dead letter, and nothing twice.
    fn deed(&self, order: &Order, standing: &Standing) -> Result<(LinkId, Owing, Deed), Denied> {
        let sent = match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => sent,
            Opening::Reversal(undo) => return Err(Denied::IsReversal(undo.original)),
        };
        let wanted = match order {
            Order::Requeue { owing, .. } | Order::WriteOff { owing, .. } => *owing,
            Order::Cut(_) | Order::Link(..) => None,
        };
        let (owing, debt) = named(standing, wanted)?;
        let deed = match (order, debt.state) {
            (Order::Requeue { by, .. }, DebtState::Closed(Closing::Dead)) => {
                let trace = self.trace_again(standing, (sent.issuer, owing, debt))?;
                Deed::Requeue { trace, by: by.clone() }
            }
            (Order::WriteOff { ruling, .. }, DebtState::Closed(Closing::Dead)) => {
                Deed::WriteOff { trace: debt.trace, ruling: ruling.clone() }
            }
            (Order::WriteOff { .. }, DebtState::Closed(Closing::WrittenOff)) => Deed::Nothing,
            (_, DebtState::Closed(Closing::WrittenOff)) => return Err(Denied::WrittenOff(owing)),
            (Order::Requeue { .. }, _) if debt.requeued => Deed::Nothing,
            (_, DebtState::Open) => return Err(Denied::StillGoing(owing)),
            (_, DebtState::Closed(Closing::Provisional)) => {
                return Err(Denied::Unconfirmed(owing));
            }
            (_, DebtState::Closed(_)) => return Err(Denied::Settled(owing)),
        };
        Ok((sent.issuer, owing, deed))
    }

    /// Under which pair a dead letter goes again. An advice keeps its own: whoever booked it once knows it by that, and
    /// its reversal names it. A reversal takes a fresh one, so that no answer to the old one closes it.
    fn trace_again(
        &self,
        standing: &Standing,
        (issuer, owing, debt): (LinkId, Owing, &Debt),
    ) -> Result<Trace, Denied> {
        let Some(link) = self.peers.settings(issuer) else { return Err(Denied::NoLink) };
        if owing == Owing::Reversal {
            if planted::is(Bug::RequeuedUnderTheSameKey) {
                return Ok(debt.trace);
            }
            let fresh = self.log.fresh_trace(issuer, Class::Reversal, self.now.wall);
            return fresh.ok_or(Denied::NoNumber);
        }
        if standing.is_undone() && !planted::is(Bug::RequeuedThoughReversed) {
            return Err(Denied::Reversed);
        }
        if standing.open_debt(Owing::Reversal).is_some_and(Debt::lowers) {
            return Err(Denied::Lowering);
        }
        let class = standing.sent().map_or(Class::Financial, |sent| sent.mti.class());
        let mine = (standing.id, Asked::Owed(Owing::Advice));
        let holder = self.log.by_trace(issuer, class, debt.trace);
        // In memory and not to be found by its number: somebody had that when it came back, and may again.
        let lost = self.log.standing(standing.id).is_some() && holder != Some(mine);
        let taken = lost || holder.is_some_and(|holder| holder != mine);
        if taken && !link.dialect().echoes_transmission() {
            return Err(Denied::NumberTaken);
        }
        Ok(debt.trace)
    }
}

/// The debt that an order names. Where there are two it has to say which: one may have become a dead letter meanwhile.
fn named(standing: &Standing, wanted: Option<Owing>) -> Result<(Owing, &Debt), Denied> {
    let debts = [(Owing::Advice, &standing.advice), (Owing::Reversal, &standing.reversal)];
    let mut fits = debts
        .into_iter()
        .filter(|(owing, _)| wanted.is_none_or(|wanted| wanted == *owing))
        .filter_map(|(owing, debt)| Some((owing, debt.as_ref()?)));
    match (fits.next(), fits.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Denied::NeverOwed(wanted)),
        (Some(_), Some(_)) => Err(Denied::Which),
    }
}
