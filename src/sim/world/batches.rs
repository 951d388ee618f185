//! Terminals that close their batch: what a terminal was told before it asked is in the books that its totals are held against.

use std::sync::Arc;

use crate::clearing::{BatchProfile, BatchVerdict};
use crate::codec::Message;
use crate::iso::{Currency, ElementNo, Elements, ResponseCode};
use crate::record::Outcome;
use crate::switch::{BatchQuestion, Input, PetitionId};

use super::issuer::{code_of, number};
use super::mix::Plan;
use super::net::ConnId;
use super::reached::Rare;
use super::reconcile::Hosts;
use super::rng::Rng;
use super::story::PurchaseId;
use super::{Event, World, mti_of};

/// How often terminals close a batch. It draws by itself, so that worlds go on as they did before there was any of this.
#[derive(Debug)]
pub(super) struct Batches {
    rng: Rng,
    /// Of those who heard an approval, in a thousand.
    often: u64,
    /// What the switch asks the ledger, until the books have followed.
    questions: Vec<BatchQuestion>,
    /// Who waits for an answer: the connection, and the purchase whose number names the batch.
    waiting: Vec<(ConnId, PurchaseId)>,
    /// Hosts that reconcile.
    pub(super) hosts: Hosts,
}

impl Batches {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6261_7463_6865_7321);
        let often = rng.pick(&[0, 20, 100]).unwrap_or(0);
        Self { rng, often, questions: Vec::new(), waiting: Vec::new(), hosts: Hosts::new(seed) }
    }

    /// Whether the switch waits for the books.
    pub(super) const fn wait(&self) -> bool {
        !self.questions.is_empty() || self.hosts.wait()
    }

    /// The process has ended: nobody answers what it was asked.
    pub(super) fn forget(&mut self) {
        self.questions.clear();
        self.hosts.forget();
    }
}

/// How the terminals of these worlds write their batches.
pub(super) fn profile() -> Option<Arc<BatchProfile>> {
    Currency::new(978).ok().map(|euro| Arc::new(BatchProfile::usual(euro)))
}

impl World {
    /// A terminal heard an approval, and may close its batch: the number of the batch is that of the purchase.
    pub(super) fn may_close_batch(&mut self, conn: ConnId, id: PurchaseId) {
        if !self.batches.rng.chance(self.batches.often) {
            return;
        }
        let plan = self.conns.get(conn).and_then(|conn| self.mix.plans.get(conn.link));
        if plan.is_none_or(Plan::speaks_later) {
            return;
        }
        let Some(purchase) = self.purchase_ref(id) else { return };
        let mut elements = Elements::default();
        elements.set(ElementNo::PROCESSING_CODE, b"920000");
        elements.set(ElementNo::STAN, format!("{:06}", id % 1_000_000).as_bytes());
        for no in [ElementNo::TERMINAL, ElementNo::MERCHANT] {
            elements.set(no, purchase.elements.get(no).unwrap_or_default());
        }
        elements.set(ElementNo::of(60), format!("{id:06}").as_bytes());
        elements.set(ElementNo::of(63), &[b'0'; 30]);
        self.batches.waiting.push((conn, id));
        self.story.tell(self.time, Some(id), || format!("asker closes its batch on {conn}"));
        self.say(conn, mti_of(500), &elements);
    }

    /// The switch asks the ledger, which looks into the books as they are, or waits for them.
    pub(super) fn batch_asked(&mut self, question: BatchQuestion) {
        self.batches.questions.push(question);
        self.compare_batches();
        if self.batches.wait() {
            self.follow_later();
        }
    }

    /// The books have followed as far as the switch wanted.
    pub(super) fn compare_batches(&mut self) {
        let position = self.books.position;
        let open = std::mem::take(&mut self.batches.questions);
        let (ready, rest): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|question| question.from <= position);
        self.batches.questions = rest;
        for question in ready {
            let id = question.number();
            let known = self
                .books
                .of_purchase(id)
                .any(|past| !matches!(past.standing.outcome, Outcome::InFlight));
            // What its asker took back before it came was never opened.
            let judged = self.purchase_ref(id).is_some_and(|one| !one.stale && one.undo.is_none());
            if judged && !known {
                self.blame(Some(id), || {
                    "a batch was compared with books that lack what its terminal had been told"
                        .to_owned()
                });
            }
            self.reached.count(Rare::BatchCompared);
            let wait = self.batches.rng.below(20);
            self.later(wait, Event::BatchSaid { life: self.host.life, id: question.id });
        }
        self.compare_totals();
    }

    /// The ledger's answer reaches the switch.
    pub(super) fn batch_said(&mut self, life: u32, id: PetitionId) {
        if life != self.host.life {
            return;
        }
        if let Some(verdict) = self.batches.hosts.said(id) {
            self.feed(Input::Reconciled { id, verdict });
        } else {
            let verdict = BatchVerdict { code: ResponseCode::APPROVED, text: None };
            self.feed(Input::BatchAnswered { id, verdict });
        }
    }

    /// The switch's answer reaches the terminal: its own, once.
    pub(super) fn batch_told(&mut self, conn: ConnId, message: &Message) {
        let stan = number(message, ElementNo::STAN);
        let is_its = |(waits, id): &(ConnId, PurchaseId)| *waits == conn && i64::from(*id) == stan;
        let Some(place) = self.batches.waiting.iter().position(is_its) else {
            return self.blame(None, || "a batch was answered where nobody asked".to_owned());
        };
        let (_, id) = self.batches.waiting.remove(place);
        // 96 is said where there is no room, and asked again by a terminal that is not in a hurry.
        if !matches!(code_of(message), Some(ResponseCode::APPROVED | ResponseCode::MALFUNCTION)) {
            self.blame(Some(id), || "a batch was answered neither 00 nor 96".to_owned());
        }
    }
}
