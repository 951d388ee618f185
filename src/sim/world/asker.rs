//! Askers: shops and terminals that want to be paid, repeat themselves, change their mind and lose their connections.

use crate::codec::Message;
use crate::iso::{Class, ElementNo, Elements, Wall};
use crate::switch::Duplicate;

use super::issuer::{code_of, number};
use super::mix::{ASKERS, Plan};
use super::net::ConnId;
use super::reached::Rare;
use super::reconcile::Hosts;
use super::story::{self, PurchaseId, text};
use super::{Event, World, mti_of};

/// A message that an asker sent.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) conn: ConnId,
    pub(super) at: u64,
    /// With another amount.
    pub(super) altered: bool,
    pub(super) answered: bool,
}

/// How a copy is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Without a repeat digit.
    Plain,
    /// With one.
    Repeat,
    /// With one, and with another amount.
    Altered,
}

/// What an asker was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) code: Vec<u8>,
    pub(super) approval: Vec<u8>,
}

/// An asker's own reversal of a purchase.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    mti: u16,
    elements: Elements,
    copies: Vec<Copy>,
    /// Of a partial one, what is left of the purchase.
    pub(super) left: Option<i64>,
    /// What the switch said to it, and when that was read.
    pub(super) acked: Option<(Vec<u8>, u64)>,
}

/// A decline of what was never forwarded: it is remembered in memory only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    pub(super) life: u32,
    pub(super) at: u64,
    pub(super) wall_steps: u64,
    pub(super) count: u64,
}

/// Something that an asker wants.
#[derive(Clone, Debug)]
pub(super) struct Purchase {
    /// Whose, by its place among the plans.
    pub(super) link: usize,
    pub(super) mti: u16,
    pub(super) elements: Elements,
    pub(super) amount: i64,
    pub(super) copies: Vec<Copy>,
    pub(super) approved: Option<Words>,
    pub(super) declined: Option<Words>,
    pub(super) undo: Option<Undo>,
    pub(super) unsent: Option<Unsent>,
    /// The process in which a transaction was opened for it.
    pub(super) opened: Option<u32>,
    /// A copy came that no rule covers: what it brought about is not judged.
    pub(super) stale: bool,
    /// Its asker wants no answer any more.
    given_up: bool,
    old_due: bool,
    /// The first authorization, of one that raises it.
    pub(super) raises: Option<PurchaseId>,
}

/// Whether the sender of such a message says it until it is taken.
pub(super) const fn stores(mti: u16) -> bool {
    matches!(mti, 120 | 220)
}

impl Undo {
    /// One that leaves so much.
    pub(super) const fn partial(mti: u16, elements: Elements, left: i64) -> Self {
        Self { mti, elements, copies: Vec::new(), left: Some(left), acked: None }
    }

    /// What it says.
    pub(super) const fn message(&self) -> (u16, &Elements) {
        (self.mti, &self.elements)
    }
}

impl Purchase {
    /// One of which nobody has heard yet.
    pub(super) const fn new((link, mti): (usize, u16), elements: Elements, amount: i64) -> Self {
        Self {
            link,
            mti,
            elements,
            amount,
            copies: Vec::new(),
            approved: None,
            declined: None,
            undo: None,
            unsent: None,
            opened: None,
            stale: false,
            given_up: false,
            old_due: false,
            raises: None,
        }
    }

    /// Whether its asker was told anything.
    pub(super) const fn answered(&self) -> bool {
        self.approved.is_some() || self.declined.is_some()
    }

    /// The reversal of all of it, if its asker wanted one.
    pub(super) fn undone(&self) -> Option<&Undo> {
        self.undo.as_ref().filter(|undo| undo.left.is_none())
    }

    /// What reverses it, under its asker's so many-th trace number for it.
    pub(super) fn reversal(&self, id: PurchaseId, number: u32, wall: Wall) -> Elements {
        let old = &self.elements;
        let mut elements = old.clone();
        let mut original = format!("{:04}", self.mti).into_bytes();
        original.extend_from_slice(old.get(ElementNo::STAN).unwrap_or_default());
        original.extend_from_slice(old.get(ElementNo::TRANSMISSION).unwrap_or(b"0000000000"));
        original.extend_from_slice(b"00000123456");
        original.extend_from_slice(b"00000000000");
        elements.set(ElementNo::ORIGINAL, &original);
        elements.remove(ElementNo::RESPONSE_CODE);
        let stan = (id * 7 + number) % 1_000_000;
        elements.set(ElementNo::STAN, format!("{stan:06}").as_bytes());
        if old.get(ElementNo::TRANSMISSION).is_some() {
            elements.set(ElementNo::TRANSMISSION, &wall.transmission().ascii());
        }
        elements
    }

    /// Whether its asker still waits for something.
    pub(super) fn waits(&self) -> bool {
        let undoing = self.undo.as_ref().is_some_and(|undo| undo.acked.is_none());
        undoing || (!self.answered() && !self.given_up && self.undo.is_none())
    }
}

impl World {
    /// An asker begins something new.
    pub(super) fn purchase(&mut self, link: usize) {
        if self.begun >= self.mix.txns {
            return;
        }
        self.begun += 1;
        self.last_purchase_at = self.time;
        let id = self.begun;
        let asking = self.mix.asking.clone();
        let gap = self.rng.around(asking.gap_ms);
        self.later(gap, Event::Purchase { link });
        let advice = self.rng.chance(asking.advice);
        let mti = match (advice, self.rng.chance(300)) {
            (false, false) => 200,
            (false, true) => 100,
            (true, false) => 220,
            (true, true) => 120,
        };
        let amount = i64::try_from(self.rng.between((2, 900_000))).unwrap_or(2);
        let mut elements = self.elements_of(id, link, amount);
        self.may_tell_decline(mti, &mut elements);
        self.purchases.push(Purchase::new((link, mti), elements, amount));
        if self.rng.chance(asking.undo_first) {
            self.undo(id);
            if self.rng.chance(500) {
                self.send_undo(id);
            }
        }
        self.ask_again(id);
        if self.rng.chance(asking.garbage) {
            self.reached.count(Rare::Garbage);
            self.garbage(id);
        }
    }

    fn elements_of(&mut self, id: PurchaseId, link: usize, amount: i64) -> Elements {
        let range = self.rng.pick(&["50", "50", "51", "51", "52"]).unwrap_or("50");
        let range = if self.rng.chance(10) { "59" } else { range };
        let card = format!("{range}{:014}", self.rng.below(6) + 1);
        let code = if self.rng.chance(100) { "200000" } else { "000000" };
        let currency = if self.rng.chance(200) { "840" } else { "978" };
        let transmission = self.now().wall.transmission().ascii();
        let (date, time) = transmission.split_at(4);
        let stan = (id * 7) % 1_000_000;
        let dated = self.rng.chance(950);
        let track = self.rng.chance(150);
        let mut elements = Elements::with_capacity(256);
        let mut set = |no: u8, value: &[u8]| elements.set(ElementNo::of(no), value);
        if !track {
            set(2, card.as_bytes());
        }
        set(3, code.as_bytes());
        set(4, format!("{amount:012}").as_bytes());
        if dated {
            set(7, &transmission);
        }
        set(11, format!("{stan:06}").as_bytes());
        set(12, time);
        set(13, date);
        set(18, b"5411");
        set(22, b"051");
        set(25, b"00");
        set(32, b"123456");
        if track {
            set(35, format!("{card}=29122010000000000").as_bytes());
        }
        set(37, format!("{id:012}").as_bytes());
        set(41, format!("TERM{:04}", id % 20 + u32::try_from(link).unwrap_or(0) * 100).as_bytes());
        set(42, b"MERCHANT0000001");
        set(49, currency.as_bytes());
        elements
    }

    /// Sends the first copy of a message, or a repeat of it, and decides when to come back to it.
    pub(super) fn ask_again(&mut self, id: PurchaseId) {
        let patience = self.rng.between(self.mix.asking.patience_ms);
        let asking = self.mix.asking.clone();
        let healed = self.healed;
        let Some(purchase) = self.purchase_mut(id) else { return };
        let undoing = purchase.undo.as_ref().is_some_and(|undo| undo.acked.is_none());
        let first = purchase.copies.is_empty();
        let unanswered = !purchase.answered() && !purchase.given_up;
        let (copies, undone) = (purchase.copies.len(), purchase.undo.is_some());
        if undoing {
            self.send_undo(id);
        }
        if first || unanswered && !undone {
            self.send_copy(id, if first { How::Plain } else { How::Repeat });
            if first && self.rng.chance(asking.hasty) {
                let plain = self.rng.chance(asking.plain);
                self.send_copy(id, if plain { How::Plain } else { How::Repeat });
            }
            let impatient = !first && copies > 1 && self.rng.chance(asking.undo);
            if impatient || !healed && copies > 12 && self.rng.chance(300) {
                self.undo(id);
            }
        }
        if self.purchase_ref(id).is_some_and(Purchase::waits) || first {
            self.later(patience, Event::Ask { id });
        }
    }

    /// Sends a copy on some connection; without one, nothing.
    fn send_copy(&mut self, id: PurchaseId, how: How) {
        let altered = how == How::Altered;
        let Some(purchase) = self.purchase_ref(id) else { return };
        let (link, mti) = (purchase.link, purchase.mti);
        let mut elements = purchase.elements.clone();
        if altered {
            elements.set(ElementNo::AMOUNT, format!("{:012}", purchase.amount + 1).as_bytes());
        }
        let standing = self.standing(link);
        let Some(conn) = self.rng.pick(&standing) else { return };
        let at = self.time;
        if let Some(purchase) = self.purchase_mut(id) {
            purchase.copies.push(Copy { conn, at, altered, answered: false });
        }
        let again = self.purchase_ref(id).is_some_and(|purchase| purchase.copies.len() > 1);
        self.reached.add(Rare::AskedAgain, u64::from(again));
        let mti = mti + u16::from(how != How::Plain);
        self.story.tell(at, Some(id), || {
            let what = if altered { " with another amount" } else { "" };
            format!("asker sends {mti:04}{what} on {conn}")
        });
        self.say(conn, mti_of(mti), &elements);
    }

    /// The asker wants it undone.
    pub(super) fn undo(&mut self, id: PurchaseId) {
        let mti = if self.rng.chance(500) { 400 } else { 420 };
        let wall = self.now().wall;
        let Some(purchase) = self.purchase_mut(id) else { return };
        if purchase.undo.is_some() {
            return;
        }
        let mut elements = purchase.reversal(id, 3, wall);
        self.may_name_granted(id, &mut elements);
        let Some(purchase) = self.purchase_mut(id) else { return };
        purchase.undo = Some(Undo { mti, elements, copies: Vec::new(), left: None, acked: None });
    }

    fn send_undo(&mut self, id: PurchaseId) {
        let Some((link, undo)) = self
            .purchase_ref(id)
            .and_then(|purchase| Some((purchase.link, purchase.undo.clone()?)))
        else {
            return;
        };
        let standing = self.standing(link);
        let Some(conn) = self.rng.pick(&standing) else { return };
        let mti = undo.mti + u16::from(!undo.copies.is_empty());
        let at = self.time;
        if let Some(undo) = self.purchase_mut(id).and_then(|purchase| purchase.undo.as_mut()) {
            undo.copies.push(Copy { conn, at, altered: false, answered: false });
        }
        self.story.tell(at, Some(id), || format!("asker sends {mti:04} on {conn}"));
        if undo.copies.is_empty() {
            self.may_take_back(conn, id);
        }
        self.say(conn, mti_of(mti), &undo.elements);
    }

    /// Something comes back to an asker's mind: a message that was answered long ago.
    pub(super) fn remember(&mut self, id: PurchaseId) {
        let asking = self.mix.asking.clone();
        if self.healed {
            return;
        }
        let Some(purchase) = self.purchase_ref(id) else { return };
        let approved = purchase.approved.is_some();
        if approved && self.rng.chance(asking.altered) {
            self.send_copy(id, How::Altered);
        } else if approved && self.rng.chance(asking.undo) {
            self.undo(id);
            self.ask_again(id);
        } else {
            self.send_copy(id, How::Repeat);
        }
    }

    /// A frame that is no message, and messages that nobody can accept.
    fn garbage(&mut self, id: PurchaseId) {
        let Some(link) = self.purchase_ref(id).map(|purchase| purchase.link) else { return };
        let standing = self.standing(link);
        let Some(conn) = self.rng.pick(&standing) else { return };
        if self.rng.chance(500) {
            // An MTI, and a bitmap that ends early.
            let ascii = link + 1 < ASKERS;
            self.peer_writes(conn, if ascii { b"0200F0" } else { &[0x02, 0x00, 0xf0] });
        } else {
            let mut own = Elements::default();
            own.set(ElementNo::PROCESSING_CODE, b"000000");
            own.set(ElementNo::STAN, b"999999");
            self.say(conn, mti_of(200), &own);
        }
    }

    /// A message reaches an asker.
    pub(super) fn asker_reads(&mut self, conn: ConnId, message: &Message) {
        if message.mti().class() == Class::Network {
            return self.network_reads(conn, message);
        }
        if message.mti().class() == Class::Other(5) {
            let is_host = Hosts::is_its(message);
            return if is_host {
                self.host_told(conn, message);
            } else {
                self.batch_told(conn, message);
            };
        }
        if self.is_strange(conn) {
            return self.stranger_reads(message);
        }
        let Some(id) = story::purchase_of(message) else {
            // The answer to garbage has no reference; its code is all that can be asked of it.
            let code = code_of(message).map(|code| code.to_string());
            // Where the network names the year, a message without a date gets one, and lacks but a card.
            let plan = self.conns.get(conn).and_then(|conn| self.mix.plans.get(conn.link));
            let dated = plan.is_some_and(Plan::speaks_later) && code.as_deref() != Some("00");
            if code.as_deref() != Some("30") && !dated {
                self.blame(None, || format!("garbage was answered {code:?}"));
            }
            return;
        };
        if self.idly_answered(id, message) {
            return;
        }
        let link = self.conns.get(conn).map(|conn| conn.link);
        if self.purchase_ref(id).map(|purchase| purchase.link) != link {
            return self
                .blame(Some(id), || "an answer reached another link than the asker's".to_owned());
        }
        if message.mti().class() == Class::Reversal {
            if !self.second_answered(id, message) {
                self.undo_acked(conn, id, message);
            }
        } else {
            self.told(conn, id, message);
        }
    }

    fn undo_acked(&mut self, conn: ConnId, id: PurchaseId, message: &Message) {
        let now = self.time;
        let replays = self.mix.settings.duplicate == Duplicate::Replay;
        let Some(undo) = self.purchase_mut(id).and_then(|purchase| purchase.undo.as_mut()) else {
            return;
        };
        let asked = undo.copies.iter_mut().find(|copy| copy.conn == conn && !copy.answered);
        let Some(asked) = asked else {
            return self
                .blame(Some(id), || "a reversal was answered where nobody asked".to_owned());
        };
        asked.answered = true;
        let code = text(message, ElementNo::RESPONSE_CODE);
        let right = text(message, ElementNo::STAN)
            == undo.elements.get(ElementNo::STAN).unwrap_or_default();
        if !right {
            return self
                .blame(Some(id), || "a reversal's answer has another trace number".to_owned());
        }
        if code == b"94" && undo.acked.is_none() && replays {
            return self.blame(Some(id), || "a true reversal was called another's copy".to_owned());
        }
        // 96 and 91 are no answers: the asker says it again.
        let final_words: &[&[u8]] =
            if undo.left.is_some() { &[b"00", b"25", b"13", b"30"] } else { &[b"00", b"25"] };
        if !final_words.contains(&code.as_slice()) {
            return;
        }
        match &undo.acked {
            None => {
                let (left, accepted) = (undo.left, code == b"00");
                undo.acked = Some((code, now));
                self.undone_heard(conn, id);
                match left {
                    Some(left) if accepted => self.may_want_even_less(conn, id, left),
                    Some(_) => self.reached.count(Rare::NotLowered),
                    None => {}
                }
            }
            Some((before, _)) if *before == code => {}
            // What its issuer's link cannot say is refused for as long as the link is there and the refusal is remembered. One that
            // was taken out owes it.
            Some((before, _)) if undo.left.is_some() && before == b"30" && code == b"00" => {
                undo.acked = Some((code, now));
            }
            Some((before, _)) => {
                let what = format!(
                    "a reversal was answered {} and then {}",
                    before.escape_ascii(),
                    code.escape_ascii()
                );
                self.blame(Some(id), || what);
            }
        }
    }

    fn told(&mut self, conn: ConnId, id: PurchaseId, message: &Message) {
        let amount = number(message, ElementNo::AMOUNT);
        let Some(purchase) = self.purchase_mut(id) else { return };
        let altered = amount == purchase.amount + 1;
        let restored = [ElementNo::STAN, ElementNo::TRANSMISSION, ElementNo::TERMINAL]
            .into_iter()
            .all(|no| purchase.elements.get(no).unwrap_or_default() == text(message, no));
        let asked = purchase
            .copies
            .iter_mut()
            .find(|copy| copy.conn == conn && !copy.answered && copy.altered == altered);
        let Some(asked) = asked else {
            return self
                .blame(Some(id), || format!("an answer on connection {conn}, where nobody asked"));
        };
        asked.answered = true;
        let asked = asked.clone();
        if !restored {
            return self.blame(Some(id), || {
                "elements 7, 11 or 41 of an answer are not the asker's".to_owned()
            });
        }
        self.check_told_date(id, message);
        let words = Words {
            code: text(message, ElementNo::RESPONSE_CODE),
            approval: text(message, ElementNo::APPROVAL_CODE),
        };
        self.check_words(id, &asked, &words);
        let old = self.mix.asking.old;
        let again = self.rng.chance(old);
        let wait = self.rng.around(4_000);
        let Some(purchase) = self.purchase_mut(id) else { return };
        if stores(purchase.mti) && matches!(words.code.as_slice(), b"91" | b"96") {
            // There is no room just now: it is stored, and said again.
            return;
        }
        let approves = matches!(words.code.as_slice(), b"00" | b"08" | b"10" | b"11");
        if approves {
            let first = purchase.approved.is_none();
            purchase.approved = purchase.approved.take().or(Some(words));
            if first {
                self.may_want_less(id);
                self.may_want_more(id);
                self.may_complete(conn, id, message);
                self.may_close_batch(conn, id);
                self.may_reconcile(conn, id);
            }
        } else if words.code != b"94" {
            let not_raised = purchase.raises.is_some() && matches!(&*words.code, b"25" | b"12");
            purchase.declined = Some(words);
            self.reached.add(Rare::NotRaised, u64::from(not_raised));
        }
        let due = self.purchase_mut(id).map(|purchase| &mut purchase.old_due);
        if let Some(due) = due.filter(|due| again && !**due) {
            *due = true;
            self.later(wait, Event::Remember { id });
        }
    }

    /// A purchase by its number.
    pub(super) fn purchase_ref(&self, id: PurchaseId) -> Option<&Purchase> {
        self.purchases.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// A purchase by its number.
    pub(super) fn purchase_mut(&mut self, id: PurchaseId) -> Option<&mut Purchase> {
        self.purchases.get_mut(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// A copy came that no rule covers.
    pub(super) fn stale(&mut self, id: PurchaseId) {
        self.story.tell(self.time, Some(id), || {
            "the window has forgotten this key, and no digit says that it is a copy".to_owned()
        });
        if let Some(purchase) = self.purchase_mut(id) {
            purchase.stale = true;
        }
    }
}
