//! The books are asked for what has left memory; what comes meanwhile under the same key waits.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::iso::{Class, Function, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn, Record, Standing, TxnId};
use crate::seal::Tag;
use crate::tranlog::{Ask, Asked, Found, Spread};

use super::effect::{Action, Effects, Note, Question, QuestionId};
use super::engine::Engine;
use super::input::Arrival;

/// What the books were asked for on behalf of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Known(Vec<Ask>);

impl Known {
    pub(super) fn has(&self, key: Tag) -> bool {
        self.has_asked(Ask::Key(key))
    }

    pub(super) fn has_asked(&self, ask: Ask) -> bool {
        self.0.contains(&ask)
    }
}

#[derive(Debug)]
struct Inquiry {
    ask: Ask,
    /// The books stood here, or later, when they answered.
    from: Lsn,
    /// The journal ended here as the message came: what was opened later is not what it answers.
    arrived: Lsn,
    /// The message that it is about, and what was asked for before.
    first: Box<Arrival>,
    known: Known,
    /// Messages under a key that is being looked up.
    joined: VecDeque<Box<Arrival>>,
    keys: Vec<Tag>,
}

/// The questions that are open.
#[derive(Debug, Default)]
pub(super) struct Inquiries {
    open: BTreeMap<QuestionId, Inquiry>,
    /// The question about what an operator's order names.
    ordered: Option<QuestionId>,
    /// Never iterated.
    by_key: HashMap<Tag, QuestionId, Spread>,
    asked: u64,
    waiting: usize,
    /// What those take in memory, about.
    waiting_bytes: usize,
    /// Of each link, how many.
    by_link: BTreeMap<LinkId, usize>,
    /// What left memory while a question was open: an older answer is not believed.
    moved: BTreeMap<TxnId, Lsn>,
    /// Up to here more has moved than is remembered one by one: no answer from before is believed.
    moved_any: Lsn,
}

/// How many transactions are remembered one by one as moved; books that do not get on must not fill memory.
const MOVED_MAX: usize = 100_000;

/// How many messages may wait for the books.
const WAITING_MAX: usize = 10_000;

/// Of one link no more than one part in so many: it does not keep the others out.
const LINK_SHARE: usize = 4;

/// How many bytes of them.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// What a message takes in memory, about: as it came, and its elements.
fn weight(arrival: &Arrival) -> usize {
    512 + 2 * arrival.message.body().len()
}

impl Inquiries {
    /// A transaction left memory when the journal ended here.
    pub(super) fn moved(&mut self, txn: TxnId, tail: Lsn) {
        if self.waits() {
            if self.moved.len() >= MOVED_MAX {
                self.moved.clear();
                self.moved_any = tail;
            }
            self.moved.insert(txn, tail);
        }
    }

    /// Whether an answer from books that stood at `from` may be older than the transaction's last change.
    pub(super) fn has_moved(&self, txn: TxnId, from: Lsn) -> bool {
        self.moved_any > from || self.moved.get(&txn).is_some_and(|at| *at > from)
    }

    /// Whether any answer is waited for.
    fn waits(&self) -> bool {
        !self.open.is_empty() || self.ordered.is_some()
    }

    /// A question is closed: with the last of them goes what has moved meanwhile.
    fn closed(&mut self) {
        if !self.waits() {
            self.moved.clear();
        }
    }

    /// Lets a message wait for the answer about its key, if there is a question about it; else gives it back.
    pub(super) fn join(&mut self, key: Tag, arrival: Box<Arrival>) -> Result<(), Box<Arrival>> {
        let id = self.by_key.get(&key).copied().filter(|id| self.open.contains_key(id));
        let Some(id) = id else { return Err(arrival) };
        if self.is_full(arrival.link) {
            // It is lost like a message that the network lost: its sender repeats it.
            return Ok(());
        }
        self.comes(&arrival);
        if let Some(inquiry) = self.open.get_mut(&id) {
            // A copy of what waits waits with it.
            if let Some(own) = arrival.key.filter(|own| !self.by_key.contains_key(own)) {
                self.by_key.insert(own, id);
                inquiry.keys.push(own);
            }
            inquiry.joined.push_back(arrival);
        }
        Ok(())
    }

    fn is_full(&self, link: LinkId) -> bool {
        self.waiting >= WAITING_MAX
            || self.waiting_bytes >= WAITING_BYTES_MAX
            || self.by_link.get(&link).is_some_and(|count| *count >= WAITING_MAX / LINK_SHARE)
    }

    fn comes(&mut self, arrival: &Arrival) {
        self.waiting += 1;
        self.waiting_bytes += weight(arrival);
        *self.by_link.entry(arrival.link).or_default() += 1;
    }

    fn goes(&mut self, arrival: &Arrival) {
        self.waiting = self.waiting.saturating_sub(1);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(weight(arrival));
        if let Some(count) = self.by_link.get_mut(&arrival.link) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Engine {
    /// Asks the books on behalf of a message. It waits, and so does what comes under its key or the key asked for.
    pub(super) fn inquire(
        &mut self,
        arrival: Box<Arrival>,
        known: &Known,
        ask: Ask,
        fx: &mut Effects,
    ) {
        if self.inquiries.is_full(arrival.link) {
            fx.notes.push(Note::Overload { asker: arrival.link });
            if let Ask::Trace { .. } = ask {
                // Nobody sends it again: an approval that cannot be looked up is for the operator.
                return self.unmatched_looked_up(arrival, (ask, false), self.log.tail(), fx);
            }
            return self.refuse(
                &arrival,
                ResponseCode::MALFUNCTION,
                "too many messages wait for the books",
                fx,
            );
        }
        let mut keys: Vec<Tag> = arrival.key.into_iter().collect();
        if let Ask::Key(key) = ask {
            keys.push(key);
        }
        self.inquiries.asked += 1;
        let id = QuestionId(self.inquiries.asked);
        if !planted::is(Bug::LookUpRace) {
            for key in &keys {
                self.inquiries.by_key.insert(*key, id);
            }
        }
        self.inquiries.comes(&arrival);
        let from = self.log.tail();
        let (known, joined) = (known.clone(), VecDeque::new());
        let inquiry = Inquiry { ask, from, arrived: from, first: arrival, known, joined, keys };
        self.inquiries.open.insert(id, inquiry);
        fx.actions.push(Action::Ask(Question { id, ask, from }));
        fx.notes.push(Note::Asked);
    }

    /// Asks the books about what an operator's order names; gives how far they have to have followed.
    pub(super) fn inquire_for_order(&mut self, about: Lsn, fx: &mut Effects) -> Lsn {
        self.inquiries.asked += 1;
        let (id, from) = (QuestionId(self.inquiries.asked), self.log.tail());
        self.inquiries.ordered = Some(id);
        fx.actions.push(Action::Ask(Question { id, ask: Ask::Record(about), from }));
        fx.notes.push(Note::Asked);
        from
    }

    /// The answer for an order has come.
    pub(super) fn order_answered(&mut self) {
        self.inquiries.ordered = None;
        self.inquiries.closed();
    }

    /// The answer is older than the last change of what it tells: the same is asked once more.
    fn inquire_again(&mut self, old: QuestionId, mut inquiry: Inquiry, fx: &mut Effects) {
        self.inquiries.asked += 1;
        let id = QuestionId(self.inquiries.asked);
        inquiry.from = self.log.tail();
        for key in &inquiry.keys {
            if let Some(asked) = self.inquiries.by_key.get_mut(key).filter(|asked| **asked == old) {
                *asked = id;
            }
        }
        fx.actions.push(Action::Ask(Question { id, ask: inquiry.ask, from: inquiry.from }));
        self.inquiries.open.insert(id, inquiry);
    }

    /// The books have answered. The window is asked first: what it knows is newer.
    pub(super) fn looked_up(&mut self, question: QuestionId, found: Found, fx: &mut Effects) {
        if self.inquiries.ordered == Some(question) {
            return self.order_looked_up(found, fx);
        }
        let standing = found.standing();
        let Some(inquiry) = self.inquiries.open.remove(&question) else { return };
        let changed = |standing: &Standing| {
            self.log.standing(standing.id).is_none()
                && self.inquiries.has_moved(standing.id, inquiry.from)
        };
        if standing.as_deref().is_some_and(changed) {
            return self.inquire_again(question, inquiry, fx);
        }
        self.inquiries.closed();
        let Inquiry { ask, from: _, arrived, first, mut known, joined, keys } = inquiry;
        for key in &keys {
            if self.inquiries.by_key.get(key) == Some(&question) {
                self.inquiries.by_key.remove(key);
            }
        }
        for one in std::iter::once(&first).chain(&joined) {
            self.inquiries.goes(one);
        }
        // Without element 7 the same number may have been given since.
        let found = standing.as_deref().is_some_and(|standing| standing.id.0 <= arrived.0);
        if let Some(standing) = standing
            && self.log.standing(standing.id).is_none()
        {
            fx.notes.push(Note::Restored);
            self.append(Record::Restored(standing), fx);
        }
        if let Ask::Trace { .. } = ask {
            return self.unmatched_looked_up(first, (ask, found), arrived, fx);
        }
        known.0.push(ask);
        for (arrival, known) in std::iter::once((first, known))
            .chain(joined.into_iter().map(|arrival| (arrival, Known::default())))
        {
            // A request whose asker has gone is not begun; what states a fact is taken all the same.
            let gone = !self.peers.lives(arrival.session)
                && arrival.mti().function() == Function::Request
                && arrival.mti().class() != Class::Reversal;
            if !gone {
                self.asked(arrival, &known, fx);
            }
        }
    }

    fn unmatched_looked_up(
        &mut self,
        arrival: Box<Arrival>,
        (ask, found): (Ask, bool),
        arrived: Lsn,
        fx: &mut Effects,
    ) {
        let Ask::Trace { link, class, trace } = ask else { return };
        let asked = self.log.by_trace(link, class, trace).filter(|(txn, _)| txn.0 <= arrived.0);
        match asked {
            Some(found) if self.no_answer(arrival.mti(), found).is_some() => {
                self.orphaned(&arrival, trace, fx);
            }
            // A reload took its link away meanwhile: nobody is left who could undo it there.
            Some(_) if self.peers.settings(link).is_none() => {
                self.orphaned(&arrival, trace, fx);
            }
            Some((txn, Asked::Request)) => self.answered(arrival, txn, trace, fx),
            Some((txn, Asked::Owed(owing))) => self.acknowledged(&arrival, (txn, owing, trace), fx),
            // Known, but under a pair that was replaced since: its successor decides.
            None if found => {}
            None => self.orphaned(&arrival, trace, fx),
        }
    }
}
