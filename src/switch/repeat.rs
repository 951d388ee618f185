//! A copy of a message hears its outcome as it stands, whether or not it says that it is a repeat.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::iso::{Class, ElementNo, Function, ResponseCode, Wall};
use crate::planted::{self, Bug};
use crate::record::{Opening, Outcome, Sent, Standing, TxnId, Verdict};
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

/// Whether what a message names is another one than the first of its key named; or one, where that named none.
fn names_other_than(first: &Sent, named: Option<Tag>) -> bool {
    let Some(named) = named else { return false };
    // An earlier version wrote down no hash of what it named.
    let named_before =
        first.completes.is_some() || first.elements.get(ElementNo::ORIGINAL).is_some();
    first.named.map_or(!named_before, |first| first != named)
}

/// Whether an advice that its reversal has overtaken is another one than was reversed: the two do not cancel out.
fn was_not_meant(reversed: &Standing, arrival: &Arrival) -> bool {
    matches!(&reversed.opening, Opening::Reversal(undo) if undo.says_all && undo.content != arrival.content)
        && arrival.mti().function() == Function::Advice
        && !planted::is(Bug::ForestalledAdviceSwallowed)
}

/// How many copies of one request may wait for its answer; beyond it the oldest gets none.
const ASKERS_MAX: usize = 8;

impl Engine {
    /// A copy of a message in memory.
    pub(super) fn repeated(&mut self, arrival: Box<Arrival>, txn: TxnId, fx: &mut Effects) {
        let Some(standing) = self.log.standing(txn) else { return };
        // Its original was reversed before it came: whatever it says, it is declined.
        let forestalled = matches!(&standing.opening, Opening::Reversal(undo) if Some(undo.original_key) == arrival.key);
        let another = if forestalled {
            was_not_meant(standing, &arrival)
        } else {
            self.is_another(standing, &arrival)
        };
        if another && !planted::is(Bug::ContentIgnored) {
            fx.notes.push(Note::OtherContent {
                asker: arrival.link,
                of: Box::new(Named::arrived(&arrival)),
            });
            return self.decline(&arrival, ResponseCode::DUPLICATE, fx);
        }
        if !forestalled
            && !arrival.is_repeat()
            && self.settings.duplicate == Duplicate::Refuse
            && !planted::is(Bug::DuplicateServed)
        {
            fx.notes.push(Note::Declined {
                asker: arrival.link,
                of: Box::new(Named::arrived(&arrival)),
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

    /// Whether a message under the key of an earlier one is another one: what it wants is not done, so that it must not hear
    /// what became of the first.
    fn is_another(&self, standing: &Standing, copy: &Arrival) -> bool {
        let (code, declines) = (copy.get(ElementNo::RESPONSE_CODE), self.tells_decline(copy));
        let named = copy.named.filter(|_| !planted::is(Bug::CopyNamesAnother));
        match &standing.opening {
            Opening::Reversal(undo) => {
                let named = copy.original_key.filter(|_| named.is_some());
                undo.content != copy.content
                    || named.is_some_and(|named| named != undo.original_key)
            }
            Opening::Request(sent) | Opening::Advice(sent) => {
                let another = sent.content != copy.content || names_other_than(sent, named);
                if sent.mti.function() == Function::Request {
                    let may_stand =
                        standing.outcome == Outcome::InFlight || standing.was_approved();
                    return another || (declines && may_stand);
                }
                // A fact is no answer to a question. What tells of which is a matter of settings, too, which may have changed.
                let same_code = sent.elements.get(ElementNo::RESPONSE_CODE) == code.as_deref();
                let asks = copy.mti().function() == Function::Request;
                another || asks || (sent.declined != declines && !same_code)
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
            // It and its reversal cancel out, and an advice cannot be refused. The reversal of a request says nothing of what was
            // approved elsewhere when that had failed: whoever tells of it has to hear that it is not taken.
            (Opening::Reversal(undo), _)
                if mti.function() == Function::Advice
                    && (undo.of_advice || planted::is(Bug::ForestalledAdviceSwallowed)) =>
            {
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
        fx.notes.push(Note::OtherContent {
            asker: arrival.link,
            of: Box::new(Named::arrived(arrival)),
        });
        self.decline(arrival, ResponseCode::DUPLICATE, fx);
    }
}
