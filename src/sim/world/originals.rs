//! Messages that name another one than the first of their key did, or another card; advices of what was declined; and answers
//! that come again in other words. Written from the standard, not from the engine.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::{Draft, Message};
use crate::iso::{Class, ElementNo, Elements, Function};
use crate::mapping::Tongue;
use crate::record::{Opening, Standing};

use super::asker::{Purchase, Undo};
use super::follow::Past;
use super::increments::raising;
use super::issuer::{Key, Says, number};
use super::net::ConnId;
use super::reached::Rare;
use super::rng::Rng;
use super::story::{PurchaseId, text};
use super::{Event, World, mti_of};

/// References from here on are of messages that must bring nothing about: those of purchases, and this much.
const IDLE: PurchaseId = 1_000_000_000;

/// The code of what was declined where it was asked.
const DECLINED: &[u8] = b"05";

/// A card that nobody here has.
const OTHER_CARD: &[u8] = b"5900000000000099";

/// How often askers and issuers do so, in a thousand. It draws by itself, so that worlds go on as they did before there was any of
/// this.
#[derive(Debug)]
pub(super) struct Naming {
    rng: Rng,
    /// Of approved authorizations that are completed, of copies that name another message, of reversals that are to be taken back.
    asking: u64,
    /// Of answers that come again in other words, and of acknowledgements of another card.
    answering: u64,
    /// Of advices, how many tell of what was declined.
    declined: u64,
    /// What was granted of what was asked.
    granted: BTreeMap<PurchaseId, i64>,
    completions: BTreeMap<PurchaseId, Completes>,
    /// Those whose reversal names what was granted.
    named: BTreeSet<PurchaseId>,
}

/// What a completion names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Completes {
    /// An authorization of its card.
    Its,
    /// One of another card.
    OfAnotherCard,
    /// One that nobody knows.
    Unknown,
}

impl Naming {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x6e61_6d69_6e67_2121);
        let mut often = || rng.pick(&[0, 0, 50, 200, 500]).unwrap_or(0);
        let (asking, answering, declined) = (often(), often(), often());
        Self {
            rng,
            asking,
            answering,
            declined,
            granted: BTreeMap::new(),
            completions: BTreeMap::new(),
            named: BTreeSet::new(),
        }
    }
}

impl Purchase {
    /// Whether it tells its issuer of what was declined where it was asked: no money moves.
    pub(super) fn tells_decline(&self) -> bool {
        self.elements.get(ElementNo::RESPONSE_CODE).is_some()
    }
}

/// What askers do.
impl World {
    /// An advice may be one of a decline.
    pub(super) fn may_tell_decline(&mut self, mti: u16, elements: &mut Elements) {
        let naming = &mut self.lowering.naming;
        if matches!(mti, 120 | 220) && naming.rng.chance(naming.declined / 2) {
            elements.set(ElementNo::RESPONSE_CODE, DECLINED);
        }
    }

    /// An asker heard an approval, for so much: it may complete it later; of what was granted in part it may want nothing, and its
    /// reversal name the amount. What is no completion may be said again as one of something else.
    pub(super) fn may_complete(&mut self, conn: ConnId, id: PurchaseId, message: &Message) {
        let naming = &mut self.lowering.naming;
        if text(message, ElementNo::RESPONSE_CODE) == b"10" {
            naming.granted.insert(id, number(message, ElementNo::AMOUNT));
        }
        if naming.completions.get(&id) == Some(&Completes::Unknown) {
            let first = self.purchase_ref(id).map(|one| (one.mti, one.elements.clone()));
            return self.may_misname((conn, id), first);
        }
        let is_open = self.purchase_ref(id).is_some_and(|one| one.mti == 100);
        let naming = &mut self.lowering.naming;
        let in_part = naming.granted.contains_key(&id);
        if (is_open || in_part) && naming.rng.chance(naming.asking) {
            let longest = naming.rng.pick(&[5, 2_000, 30_000]).unwrap_or(50);
            let wait = 1 + naming.rng.below(longest);
            self.later(wait, Event::Complete { id });
        }
    }

    /// It does: of its card or of another one, sometimes to say that this was declined, sometimes of what nobody knows. A part it does
    /// not want.
    pub(super) fn complete(&mut self, id: PurchaseId) {
        let naming = &self.lowering.naming;
        if !self.healed && naming.granted.contains_key(&id) {
            self.undo(id);
            return self.ask_again(id);
        }
        let number = self.begun + 1;
        let wall = self.now().wall;
        let Some(purchase) = self.purchase_ref(id) else { return };
        let (link, amount) = (purchase.link, purchase.amount);
        let worth = u64::try_from(amount).unwrap_or(1);
        let mut elements = raising(purchase, (id, number), (worth, wall));
        let rng = &mut self.lowering.naming.rng;
        let completes = match rng.below(10) {
            0..3 => Completes::OfAnotherCard,
            3..5 => Completes::Unknown,
            _ => Completes::Its,
        };
        if completes == Completes::OfAnotherCard {
            let range = rng.pick(&["50", "51", "52"]).unwrap_or("50");
            let card = format!("{range}{:014}", rng.below(6) + 7);
            elements.remove(ElementNo::TRACK2);
            elements.set(ElementNo::PAN, card.as_bytes());
        } else if completes == Completes::Unknown {
            rename(&mut elements, id * 7 + 1);
        }
        if rng.chance(200) {
            elements.set(ElementNo::RESPONSE_CODE, DECLINED);
        }
        if self.healed || self.begun >= self.mix.txns || !self.has_room(id, &elements) {
            return;
        }
        self.begun = number;
        self.last_purchase_at = self.time;
        self.lowering.naming.completions.insert(number, completes);
        self.purchases.push(Purchase::new((link, 220), elements, amount));
        self.story.tell(self.time, Some(number), || {
            format!("it names purchase {id} as what it completes: {completes:?}")
        });
        self.ask_again(number);
    }

    /// A reversal may name what was granted, rather than what was asked.
    pub(super) fn may_name_granted(&mut self, id: PurchaseId, elements: &mut Elements) {
        let naming = &mut self.lowering.naming;
        if let Some(granted) = naming.granted.get(&id).copied()
            && naming.rng.chance(800)
        {
            naming.named.insert(id);
            elements.set(ElementNo::AMOUNT, format!("{granted:012}").as_bytes());
        }
    }

    /// An asker's reversal was answered. It may come again under its trace number and name another message; or somebody wants it
    /// away.
    pub(super) fn undone_heard(&mut self, conn: ConnId, id: PurchaseId) {
        self.reached.add(Rare::GrantedNamed, u64::from(self.lowering.naming.named.contains(&id)));
        // A partial one that names what nobody knows is only held, and not told from its copies by what those name.
        let undo = self.purchase_ref(id).and_then(Purchase::undone).map(Undo::message);
        let undo = undo.map(|(mti, elements)| (mti, elements.clone()));
        self.may_misname((conn, id), undo);
        self.may_take_back(conn, id);
    }

    /// What was answered comes again and names another message, which is none.
    fn may_misname(&mut self, (conn, id): (ConnId, PurchaseId), first: Option<(u16, Elements)>) {
        let naming = &mut self.lowering.naming;
        if self.healed || !naming.rng.chance(naming.asking) {
            return;
        }
        let Some((mti, mut elements)) = first else { return };
        rename(&mut elements, id * 7 + 6);
        self.say_idly((conn, id), mti + 1, elements);
    }

    /// A reversal of a reversal, which may still be on its way.
    pub(super) fn may_take_back(&mut self, conn: ConnId, id: PurchaseId) {
        let naming = &mut self.lowering.naming;
        if self.healed || !naming.rng.chance(naming.asking) {
            return;
        }
        let mti = if naming.rng.chance(500) { 400 } else { 420 };
        let wall = self.now().wall;
        let Some(purchase) = self.purchase_ref(id) else { return };
        let Some((undo, said)) = purchase.undo.as_ref().map(Undo::message) else { return };
        let mut elements = purchase.reversal(id, 4, wall);
        let mut original = format!("{undo:04}").into_bytes();
        original.extend_from_slice(said.get(ElementNo::STAN).unwrap_or_default());
        original.extend_from_slice(said.get(ElementNo::TRANSMISSION).unwrap_or(b"0000000000"));
        original.extend_from_slice(b"0000012345600000000000");
        elements.set(ElementNo::ORIGINAL, &original);
        self.say_idly((conn, id), mti, elements);
    }

    /// An asker says what must bring nothing about. The answer is told from others by its reference.
    fn say_idly(&mut self, (conn, id): (ConnId, PurchaseId), mti: u16, mut elements: Elements) {
        elements.set(ElementNo::RRN, format!("{:012}", IDLE + id).as_bytes());
        self.story.tell(self.time, Some(id), || {
            let original = elements.get(ElementNo::ORIGINAL).unwrap_or_default();
            format!("asker sends {mti:04} on {conn}, naming {}", original.escape_ascii())
        });
        self.say(conn, mti_of(mti), &elements);
    }

    /// Whether a reversal may have come before the advice that this answers: then it and its reversal cancel out, whatever is
    /// said under its key, and an advice hears 00.
    fn may_be_undone_ahead(&self, id: PurchaseId, answer: &Message) -> bool {
        let undone = self.purchase_ref(id).is_some_and(|purchase| purchase.undo.is_some());
        undone && answer.mti().class() != Class::Reversal
    }

    /// The answer to such a message; says whether it is that.
    pub(super) fn idly_answered(&mut self, of: PurchaseId, message: &Message) -> bool {
        let Some(id) = of.checked_sub(IDLE) else { return false };
        let code = text(message, ElementNo::RESPONSE_CODE);
        let stan = format!("{:06}", (id * 7 + 4) % 1_000_000);
        let takes_back = message.mti().class() == Class::Reversal
            && text(message, ElementNo::STAN) == stan.as_bytes();
        if takes_back && matches!(code.as_slice(), b"00" | b"25") {
            self.blame(Some(id), || {
                format!("a reversal of a reversal is answered {}", code.escape_ascii())
            });
        } else if code == b"00" && !self.may_be_undone_ahead(id, message) {
            self.blame(Some(id), || {
                "a copy that names another message is answered like the first".to_owned()
            });
        }
        let rare = if takes_back { Rare::NotTakenBack } else { Rare::OtherOriginal };
        self.reached.count(rare);
        true
    }
}

/// What issuers do, and what reaches them.
impl World {
    /// A request or an advice at an issuer: it is of a card of that issuer, whatever it names.
    pub(super) fn check_routed(&mut self, issuer: usize, message: &Message, id: PurchaseId) {
        let pan = text(message, ElementNo::PAN);
        let own = match pan.get(..2) {
            Some(b"50") => issuer < 2,
            Some(b"51") => issuer == 1,
            Some(b"52") => issuer == 2 % self.issuers.len(),
            _ => true,
        };
        if !own {
            self.blame(Some(id), || "a message is at an issuer that has no such card".to_owned());
        }
        match self.lowering.naming.completions.get(&id) {
            Some(Completes::Its) => self.reached.count(Rare::Completed),
            Some(Completes::OfAnotherCard) => self.reached.count(Rare::CompletedOfAnotherCard),
            Some(Completes::Unknown) | None => {}
        }
    }

    /// An issuer's network mistakes an owed message for one of another card, and says that it is taken; the issuer never sees it. Says
    /// whether it is so.
    pub(super) fn mistakes_card(&mut self, conn: ConnId, message: &Message) -> bool {
        let naming = &mut self.lowering.naming;
        if self.healed || !naming.rng.chance(naming.answering / 4) {
            return false;
        }
        let Some(plan) = self.conns.get(conn).and_then(|conn| self.mix.plans.get(conn.link)) else {
            return false;
        };
        let dialect = plan.settings.dialect();
        if !dialect.echo().has(ElementNo::PAN) || !message.present().has(ElementNo::PAN) {
            return false;
        }
        let mut own = message.elements(dialect.echo());
        own.set(ElementNo::RESPONSE_CODE, b"00");
        own.set(ElementNo::PAN, OTHER_CARD);
        self.reached.count(Rare::OwedOfAnotherCard);
        self.story.tell(self.time, super::story::purchase_of(message), || {
            format!("{} is acknowledged as one of another card, and lost", message.mti())
        });
        self.say(conn, message.mti().response(), &own);
        true
    }

    /// Whether an issuer that grants a part says something about that again.
    pub(super) fn grants_again(&mut self) -> bool {
        let naming = &mut self.lowering.naming;
        naming.rng.chance(naming.answering)
    }

    /// What an issuer says the second time: the same, or the same without its approval code; or, once it was heard, that it granted
    /// another part, or something to another card.
    pub(super) fn said_again(
        &mut self,
        says: &Says,
        (message, mut own): (&Message, Elements),
        tongue: &Tongue,
    ) -> Says {
        let mut again = says.clone();
        let naming = &mut self.lowering.naming;
        let asks = message.mti().function() == Function::Request
            && matches!(message.mti().class(), Class::Authorization | Class::Financial);
        if !asks || says.vouches.is_none() || !naming.rng.chance(naming.answering) {
            return again;
        }
        let rare = if naming.rng.chance(200) && own.present().has(ElementNo::PAN) {
            own.set(ElementNo::PAN, OTHER_CARD);
            own.set(ElementNo::APPROVAL_CODE, b"999999");
            again.once_heard = again.vouches.take();
            Rare::AnswerOfAnotherCard
        } else if own.get(ElementNo::RESPONSE_CODE) == Some(b"10") {
            let (asked, granted) = (number(message, ElementNo::AMOUNT), asked_half(message));
            let (code, amount) =
                if naming.rng.chance(300) { (b"00", asked) } else { (b"10", granted / 2 + 1) };
            if amount == granted {
                return again;
            }
            own.set(ElementNo::RESPONSE_CODE, code);
            own.set(ElementNo::AMOUNT, format!("{amount:012}").as_bytes());
            again.once_heard = again.vouches.take();
            Rare::AnswerOfAnotherPart
        } else {
            own.remove(ElementNo::APPROVAL_CODE);
            Rare::AnswerWithoutItsCode
        };
        let Some(mti) = message.mti().response() else { return again };
        let mut body = Vec::new();
        let draft = Draft { mti, own: &own, copied: None };
        if tongue.write(&draft, self.now().wall, &mut body).is_err() {
            return says.clone();
        }
        self.reached.count(rare);
        again.body = body;
        again
    }

    /// Whether an issuer's approval was heard, and stands.
    pub(super) fn is_heard(&self, (issuer, key): (usize, Key)) -> bool {
        let past = self.link_of(issuer).and_then(|link| self.truth.of_pair(link, key));
        past.is_some_and(|past| past.standing.stands_approved() && !past.standing.stood_in())
    }
}

/// What an issuer grants of a request that it approves in part.
fn asked_half(message: &Message) -> i64 {
    number(message, ElementNo::AMOUNT) / 2
}

/// Whether an advice tells its issuer of what was declined where it was asked.
pub(super) fn tells_decline(message: &Message) -> bool {
    text(message, ElementNo::RESPONSE_CODE) == DECLINED
}

/// Names a message with another element 11 than this one does.
fn rename(elements: &mut Elements, stan: u32) {
    let mut original = elements.get(ElementNo::ORIGINAL).unwrap_or_default().to_vec();
    if let Some(digits) = original.get_mut(4..10) {
        digits.copy_from_slice(format!("{:06}", stan % 1_000_000).as_bytes());
    }
    elements.set(ElementNo::ORIGINAL, &original);
}

/// What is wrong with an advice that is tied to an authorization: it is a fact, of that one's card, and no decline.
pub(super) fn wrongly_tied(standing: &Standing, first: Option<&Past>) -> Option<&'static str> {
    let Opening::Advice(sent) = &standing.opening else { return None };
    let first = first.filter(|_| sent.mti.class() == Class::Financial)?;
    if sent.elements.get(ElementNo::RESPONSE_CODE) == Some(DECLINED) {
        return Some("what was declined completes an authorization");
    }
    let token = |of: &Standing| of.sent()?.card.as_ref().map(|card| card.token);
    (token(standing) != token(&first.standing))
        .then_some("a completion is tied to an authorization of another card")
}
