//! A terminal's batch: the ledger compares it with the books, and closes it. Nothing here is journaled: the ledger has written what
//! it answers, and answers a repeat with the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clearing::{BatchAsk, BatchProfile, BatchVerdict, Petition};
use crate::iso::{Class, ElementNo, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn};

use super::effect::{Action, Effects, Mark, Note};
use super::engine::Engine;
use super::input::Arrival;
use super::reply::code_alone;

/// The number of a question to the ledger, repeated by its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PetitionId(pub u64);

/// A question to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchQuestion {
    /// Its number.
    pub id: PetitionId,
    /// Whose terminal asks.
    pub link: LinkId,
    /// What it wants.
    pub petition: Petition,
    /// How its network writes batches.
    pub profile: Arc<BatchProfile>,
    /// How far the books must have followed before it is compared with them: whatever was told before it came.
    pub from: Lsn,
}

impl BatchQuestion {
    /// The number of the batch; 0 of an uploaded transaction, which names none.
    pub const fn number(&self) -> u32 {
        match self.petition.ask {
            BatchAsk::Settle { number, .. } | BatchAsk::Close { number, .. } => number,
            BatchAsk::Upload(_) => 0,
        }
    }
}

/// The messages that wait for the ledger.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: BTreeMap<PetitionId, Box<Arrival>>,
    asked: u64,
    all: Waiting,
    by_link: BTreeMap<LinkId, Waiting>,
    /// The totals of a host's day that are compared now, of each link.
    hosts: BTreeMap<LinkId, PetitionId>,
}

/// How many wait, and how many bytes of them.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    count: usize,
    bytes: usize,
}

/// How many may wait.
const WAITING_MAX: Waiting = Waiting { count: 10_000, bytes: 16 << 20 };

/// Of one link no more than one part in so many: it does not keep the others out.
const LINK_SHARE: usize = 4;

impl Waiting {
    const fn has_room(self, weight: usize, share: usize) -> bool {
        self.count < WAITING_MAX.count / share && self.bytes + weight <= WAITING_MAX.bytes / share
    }

    const fn comes(&mut self, weight: usize) {
        self.count += 1;
        self.bytes += weight;
    }

    const fn goes(&mut self, weight: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(weight);
    }
}

impl Batches {
    fn comes(&mut self, link: LinkId, weight: usize) -> bool {
        let of_link = self.by_link.entry(link).or_default();
        let fits = self.all.has_room(weight, 1) && of_link.has_room(weight, LINK_SHARE);
        if fits {
            of_link.comes(weight);
            self.all.comes(weight);
        }
        fits
    }

    /// Whether totals of a link's host are compared now.
    pub(super) fn host_waits(&self, link: LinkId) -> bool {
        self.hosts.contains_key(&link)
    }

    /// Totals of a link's host are compared from now on, until the ledger has answered.
    pub(super) fn host_asks(&mut self, link: LinkId, id: PetitionId) {
        self.hosts.insert(link, id);
    }

    fn goes(&mut self, link: LinkId, weight: usize) {
        self.all.goes(weight);
        if let Some(of_link) = self.by_link.get_mut(&link) {
            of_link.goes(weight);
            if of_link.count == 0 {
                self.by_link.remove(&link);
            }
        }
    }
}

impl Engine {
    /// Whether a message is about a batch, and its link has batches.
    pub(super) fn is_of_batch(&self, arrival: &Arrival) -> bool {
        matches!(arrival.mti().class(), Class::Other(3 | 5))
            && self.peers.settings(arrival.link).is_some_and(|link| link.batches.is_some())
    }

    /// Totals, or a transaction that is uploaded: the ledger is asked.
    pub(super) fn batch_asked(&mut self, arrival: Box<Arrival>, fx: &mut Effects) {
        let Some(profile) = self.peers.settings(arrival.link).and_then(|link| link.batches.clone())
        else {
            return;
        };
        let elements = arrival.message.elements(profile.needs());
        let petition = match profile.read(arrival.mti(), &elements, arrival.card.one()) {
            Ok(petition) => petition,
            Err(fault) => return self.refuse(&arrival, ResponseCode::FORMAT, fault.why, fx),
        };
        let Some((id, link)) = self.waits_for_ledger(arrival, fx) else { return };
        let from =
            if planted::is(Bug::BatchAgainstLaggingBooks) { Lsn(0) } else { self.log.tail() };
        fx.actions.push(Action::Batch(BatchQuestion { id, link, petition, profile, from }));
    }

    /// Keeps a message until the ledger has answered; none where there is no room, and its asker was told so.
    pub(super) fn waits_for_ledger(
        &mut self,
        arrival: Box<Arrival>,
        fx: &mut Effects,
    ) -> Option<(PetitionId, LinkId)> {
        if self.draining || self.disk_low {
            let why = "the switch stops, or its disk is nearly full";
            self.refuse(&arrival, ResponseCode::MALFUNCTION, why, fx);
            return None;
        }
        let weight = arrival.message.body().len() + 512;
        if !self.batches.comes(arrival.link, weight) {
            fx.notes.push(Note::Overload { asker: arrival.link });
            let why = "too many messages wait for the ledger";
            self.refuse(&arrival, ResponseCode::MALFUNCTION, why, fx);
            return None;
        }
        self.batches.asked += 1;
        let (id, link) = (PetitionId(self.batches.asked), arrival.link);
        self.batches.open.insert(id, arrival);
        Some((id, link))
    }

    /// Whose message the ledger has answered; none when it does not wait any more.
    pub(super) fn ledger_answered(&mut self, id: PetitionId) -> Option<Box<Arrival>> {
        let arrival = self.batches.open.remove(&id)?;
        self.batches.goes(arrival.link, arrival.message.body().len() + 512);
        self.batches.hosts.retain(|_, waits| *waits != id);
        Some(arrival)
    }

    /// The ledger has answered, and has written down what it answers.
    pub(super) fn batch_answered(
        &mut self,
        id: PetitionId,
        verdict: &BatchVerdict,
        fx: &mut Effects,
    ) {
        let Some(arrival) = self.ledger_answered(id) else { return };
        let mut added = code_alone(verdict.code);
        // An answer repeats the kind of message, whatever else its network repeats.
        if let Some(code) = arrival.get(ElementNo::PROCESSING_CODE) {
            added.set(ElementNo::PROCESSING_CODE, &code);
        }
        let profile = self.peers.settings(arrival.link).and_then(|link| link.batches.clone());
        if let (Some(text), Some(profile)) = (&verdict.text, profile) {
            added.set(profile.totals, text.as_bytes());
        }
        fx.notes.push(Note::Batch { asker: arrival.link, code: verdict.code });
        self.tell(&arrival, &added, Mark::Plain, fx);
    }
}
