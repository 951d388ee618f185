//! Askers that want less than was approved: partial reversals, sent when an approval was heard. Written from the standard.

use crate::codec::{Draft, Message};
use crate::iso::{ElementNo, Elements};

use super::asker::{Purchase, Undo};
use super::follow::{self, Past};
use super::increments::Raising;
use super::issuer::Entry;
use super::net::ConnId;
use super::originals::Naming;
use super::reached::Rare;
use super::rng::Rng;
use super::story::{PurchaseId, text};
use super::{Event, World, mti_of};

/// Element 95, replacement amounts: of the transaction and of the settlement 12 digits, two fees of 9.
const REPLACEMENT: ElementNo = ElementNo::of(95);

/// How long a head may be, bytes.
const HEAD_LEN_MAX: usize = 10;

/// How often askers want less. It draws by itself, so that worlds go on as they did before there was any of this.
#[derive(Debug)]
pub(super) struct Lowering {
    rng: Rng,
    /// Of those who heard an approval, in a thousand.
    often: u64,
    /// And how often they want more.
    pub(super) raising: Raising,
    /// And what names another message than it is about.
    pub(super) naming: Naming,
    /// Of those whose partial reversal was accepted and who ask for another one, in a thousand.
    greedy: u64,
}

impl Lowering {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6c6f_7765_7269_6e67);
        let often = rng.pick(&[0, 0, 30, 150, 400]).unwrap_or(0);
        let greedy = rng.pick(&[0, 300]).unwrap_or(0);
        Self { rng, often, greedy, raising: Raising::new(seed), naming: Naming::new(seed) }
    }
}

impl World {
    /// An asker heard an approval, and may want it for less: soon, or when the day was cut or the process has died.
    pub(super) fn may_want_less(&mut self, id: PurchaseId) {
        let lowering = &mut self.lowering;
        if lowering.rng.chance(lowering.often) {
            let longest = lowering.rng.pick(&[5, 2_000, 30_000]).unwrap_or(50);
            let wait = 1 + lowering.rng.below(longest);
            self.later(wait, Event::Lower { id });
        }
    }

    /// It does; or it wants more.
    pub(super) fn wants_less(&mut self, id: PurchaseId) {
        if self.wants_more(id) {
            return;
        }
        let mti = if self.lowering.rng.chance(500) { 400 } else { 420 };
        let draw = self.lowering.rng.below(1_000_000);
        let Some(purchase) = self.purchase_ref(id) else { return };
        let below = u64::try_from(purchase.amount).unwrap_or(0).max(2) - 1;
        // Sometimes as much as was asked for, or more: nothing to lower.
        let left = if draw.is_multiple_of(20) { below + 1 + draw % 3 } else { 1 + draw % below };
        if purchase.undo.is_some() {
            return;
        }
        let elements = self.reversal_of(id, (3, left));
        if !self.has_room(id, &elements) {
            return;
        }
        let Some(purchase) = self.purchase_mut(id) else { return };
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        purchase.undo = Some(Undo::partial(mti, elements, left));
        self.ask_again(id);
    }

    /// A partial reversal of a purchase, under a trace number of its own; without anything left, of all of it.
    fn reversal_of(&self, id: PurchaseId, (number, left): (u32, u64)) -> Elements {
        let Some(purchase) = self.purchase_ref(id) else { return Elements::default() };
        let wall = self.now().wall;
        let mut elements = purchase.reversal(id, number, wall);
        if left > 0 {
            elements.set(REPLACEMENT, format!("{left:012}{:030}", 0).as_bytes());
        }
        elements
    }

    /// Whether its asker's frames hold a message: some have no room for more than a request and a reversal of all of it.
    pub(super) fn has_room(&self, id: PurchaseId, elements: &Elements) -> bool {
        let link = self.purchase_ref(id).map(|purchase| purchase.link);
        let Some(plan) = link.and_then(|link| self.mix.plans.get(link)) else { return false };
        let Some(mti) = mti_of(420) else { return false };
        let mut body = Vec::new();
        let draft = Draft { mti, own: elements, copied: None };
        plan.tongue.write(&draft, self.now().wall, &mut body).is_ok()
            && body.len() + HEAD_LEN_MAX <= plan.settings.frame_len_max
    }

    /// A partial reversal was accepted; its asker may try another one.
    pub(super) fn may_want_even_less(&mut self, conn: ConnId, id: PurchaseId, left: i64) {
        if self.healed || !self.lowering.rng.chance(self.lowering.greedy) {
            return;
        }
        let less = if left > 1 && self.lowering.rng.chance(500) { left - 1 } else { 0 };
        let elements = self.reversal_of(id, (5, u64::try_from(less).unwrap_or(0)));
        self.story.tell(self.time, Some(id), || format!("asker wants {less} after {left}"));
        self.say(conn, mti_of(420), &elements);
    }

    /// An answer to such a one; says whether it is that. One original has one reversal.
    pub(super) fn second_answered(&mut self, id: PurchaseId, message: &Message) -> bool {
        if text(message, ElementNo::STAN) != format!("{:06}", (id * 7 + 5) % 1_000_000).as_bytes() {
            return false;
        }
        self.reached.count(Rare::LoweredAgain);
        if text(message, ElementNo::RESPONSE_CODE) == b"00" {
            self.blame(Some(id), || "one original has two reversals".to_owned());
        }
        true
    }

    /// What an asker believes of a purchase that it wanted for less, against what stands.
    pub(super) fn wrong_lowering(&self, purchase: &Purchase, id: PurchaseId) -> Option<String> {
        let undo = purchase.undo.as_ref()?;
        let (left, (code, _)) = (undo.left?, undo.acked.as_ref()?);
        let stands = |past: &&Past| past.standing.stands_approved();
        let standing = self.truth.of_purchase(id).find(stands).map(|past| &past.standing);
        let amount = standing.and_then(follow::approved_amount);
        let lowered = standing.and_then(|standing| standing.lowered);
        let wrong = match code.as_slice() {
            b"00" => amount != Some(left) || lowered.is_none(),
            b"25" => standing.is_some(),
            _ => lowered.is_some(),
        };
        let code = code.escape_ascii();
        wrong.then(|| {
            format!("its partial reversal to {left} was answered {code}, and {amount:?} stands")
        })
    }
}

/// An issuer lowers a line of its ledger; or what is wrong with that. The same under a fresh pair is the same.
pub(super) fn lower(entry: &mut Entry, left: i64) -> Option<String> {
    let fits = if entry.lowered { entry.amount == left } else { left < entry.amount };
    if !fits && (!entry.approved || entry.code == "10") {
        // It holds less than was approved in its place, and refused the advice of that: an operator knows.
        return None;
    }
    let wrong = (!fits).then(|| format!("an issuer is to lower {} to {left}", entry.amount));
    (entry.amount, entry.lowered) = (left, true);
    wrong
}
