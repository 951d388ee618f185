//! A copy of a message hears its outcome as it stands, whether or not it says that it is a repeat.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::iso::{Class, ElementNo, Elements, Function, ResponseCode, Wall};
use crate::planted::{self, Bug};
use crate::record::{Opening, Outcome, Standing, TxnId, Verdict};
use crate::seal::Tag;
use crate::tranlog::Spread;

use super::effect::{Effects, Mark, Note, Why};
use super::engine::Engine;
use super::input::Arrival;
use super::named::Named;
use super::reply::code_alone;
use super::settings::Duplicate;

/// Declines of what was never forwarded. They are not journaled, so they live here for a window.
#[derive(Debug)]
pub(super) struct Held {
    by_key: HashMap<Tag, (Tag, ResponseCode), Spread>,
    order: VecDeque<(Wall, Tag)>,
    window_ms: u64,
    entries_max: usize,
}

impl Held {
    pub(super) fn new(window_ms: u64, entries_max: usize) -> Self {
        Self { by_key: HashMap::default(), order: VecDeque::new(), window_ms, entries_max }
    }

    pub(super) fn put(&mut self, wall: Wall, key: Tag, content: Tag, code: ResponseCode) {
        let oldest = Wall(wall.0.saturating_sub(self.window_ms));
        while let Some((since, key)) = self.order.front().copied() {
            if since >= oldest && self.order.len() < self.entries_max.max(1) {
                break;
            }
            self.order.pop_front();
            self.by_key.remove(&key);
        }
        if self.by_key.insert(key, (content, code)).is_none() {
            self.order.push_back((wall, key));
        }
    }

    /// The decline of a key, and whether the content is the same.
    pub(super) fn get(&self, key: Tag, content: Tag) -> Option<(ResponseCode, bool)> {
        self.by_key.get(&key).map(|(held, code)| (*code, *held == content))
    }
}

/// How many copies of one request may wait for its answer; beyond it the oldest gets none.
const ASKERS_MAX: usize = 8;

impl Engine {
    /// A copy of a message in memory.
    pub(super) fn repeated(&mut self, arrival: Box<Arrival>, txn: TxnId, fx: &mut Effects) {
        let Some(standing) = self.log.standing(txn) else { return };
        let forestalled = matches!(&standing.opening, Opening::Reversal(undo) if Some(undo.original_key) == arrival.key);
        let content = match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => sent.content,
            // Its original was reversed before it came: whatever it says, it is declined.
            Opening::Reversal(_) if forestalled => arrival.content,
            Opening::Reversal(undo) => undo.content,
        };
        let names_another = !forestalled && self.names_another(standing, &arrival);
        if (content != arrival.content || names_another) && !planted::is(Bug::ContentIgnored) {
            fx.notes.push(Note::OtherContent { asker: arrival.link, of: Named::arrived(&arrival) });
            return self.decline(&arrival, ResponseCode::DUPLICATE, fx);
        }
        if !forestalled
            && !arrival.mti().is_repeat()
            && self.settings.duplicate == Duplicate::Refuse
            && !planted::is(Bug::DuplicateServed)
        {
            fx.notes.push(Note::Declined {
                asker: arrival.link,
                of: Named::arrived(&arrival),
                code: ResponseCode::DUPLICATE,
                why: Why::Said("a copy without a repeat digit, and duplicate is \"94\""),
            });
            return self.decline(&arrival, ResponseCode::DUPLICATE, fx);
        }
        if standing.outcome == Outcome::InFlight {
            return self.join(arrival, txn, fx);
        }
        fx.notes.push(Note::Replayed { asker: arrival.link });
        self.answer_again(&arrival, txn, fx);
    }

    /// Whether a copy is about another message than the first of its key was: what it would undo, complete or raise is not done.
    fn names_another(&self, standing: &Standing, copy: &Arrival) -> bool {
        /// MTI, element 11 and element 7: what stands behind them may be zeros, or not.
        const NAME_LEN: usize = 20;
        // Some networks have a repeat name its own first.
        let Some(named) = copy.original_key.filter(|named| Some(*named) != copy.key) else {
            return false;
        };
        let key = |standing: &Standing| standing.sent().map(|sent| sent.key);
        match &standing.opening {
            Opening::Reversal(undo) => undo.original_key != named,
            Opening::Request(sent) | Opening::Advice(sent) => {
                // Its issuer knows it by our pair, which stands in its element 90 since.
                if let Some(first) = sent.completes {
                    let known = self.log.standing(first).and_then(key);
                    let named = self.first_named(named).and_then(key);
                    return known.zip(named).is_some_and(|(known, named)| known != named);
                }
                let name = |elements: &Elements| {
                    elements.get(ElementNo::ORIGINAL)?.get(..NAME_LEN).map(<[u8]>::to_vec)
                };
                name(&copy.kept) != name(&sent.elements)
            }
        }
    }

    /// Waits for the one answer, with whoever waits already.
    fn join(&mut self, mut asker: Box<Arrival>, txn: TxnId, fx: &mut Effects) {
        let Some(waiting) = self.waiting.get_mut(&txn) else { return };
        if waiting.askers.len() >= ASKERS_MAX {
            // A decline now and an approval later would be two different words for one request.
            fx.notes.push(Note::Overload { asker: asker.link });
            waiting.askers.remove(usize::from(waiting.whole));
        }
        fx.notes.push(Note::Joined { asker: asker.link });
        Self::set_down(&mut asker);
        waiting.askers.push(asker);
    }

    fn answer_again(&mut self, asker: &Arrival, txn: TxnId, fx: &mut Effects) {
        let mti = asker.mti();
        let Some(standing) = self.log.standing(txn) else { return };
        let code = |code| Arc::new(code_alone(code));
        let replay_reversed = planted::is(Bug::ReplayAfterReversal);
        let added = match (&standing.opening, &standing.outcome) {
            (Opening::Reversal(undo), _) if mti.class() == Class::Reversal => code(undo.code),
            // It and its reversal cancel out, and an advice cannot be refused.
            (Opening::Reversal(_), _) if mti.function() == Function::Advice => {
                code(ResponseCode::APPROVED)
            }
            (Opening::Advice(_), Outcome::Stored) => code(ResponseCode::APPROVED),
            (
                Opening::Request(_) | Opening::Advice(_),
                Outcome::Answered { verdict: Verdict::Approved, added, .. },
            ) if (!standing.is_undone() || replay_reversed)
                && !planted::is(Bug::RepeatDeclined) =>
            {
                let added = Arc::clone(added);
                if self.tell(asker, &self.dated(asker, &added, txn), Mark::Approval(txn), fx)
                    && let Some(copies) = self.untold.get_mut(&txn)
                {
                    *copies += 1;
                }
                return;
            }
            (Opening::Request(_), Outcome::Answered { verdict: Verdict::Declined, added, .. }) => {
                Arc::clone(added)
            }
            (Opening::Request(_), Outcome::Answered { verdict: Verdict::Mismatched, .. }) => {
                code(ResponseCode::MALFUNCTION)
            }
            (Opening::Request(_), Outcome::Over { why, .. }) => code(self.code_when_over(*why)),
            _ => code(self.settings.timeout_code),
        };
        self.tell(asker, &self.dated(asker, &added, txn), Mark::Plain, fx);
    }

    /// A copy of what was declined without being forwarded.
    pub(super) fn held_again(
        &self,
        arrival: &Arrival,
        code: ResponseCode,
        same: bool,
        fx: &mut Effects,
    ) {
        if same {
            fx.notes.push(Note::Replayed { asker: arrival.link });
            return self.decline(arrival, code, fx);
        }
        fx.notes.push(Note::OtherContent { asker: arrival.link, of: Named::arrived(arrival) });
        self.decline(arrival, ResponseCode::DUPLICATE, fx);
    }
}
