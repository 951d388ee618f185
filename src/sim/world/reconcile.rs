//! Hosts that reconcile: what a host was told is in the books that its totals are held against, and what it hears is what the
//! comparison came to. Reversals are in no totals here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::clearing::{HostProfile, HostVerdict, Settled, Share, Tally, TallyClass, Total};
use crate::codec::Message;
use crate::iso::{BusinessDate, Currency, ElementNo, Elements, ResponseCode};
use crate::record::{LinkId, Outcome, Standing};
use crate::switch::{HostQuestion, PetitionId};

use super::follow::{Past, approved_amount, purchase_of};
use super::issuer::{code_of, number};
use super::mix::Plan;
use super::net::ConnId;
use super::reached::Rare;
use super::rng::Rng;
use super::story::PurchaseId;
use super::{Event, World, mti_of};

/// How often hosts reconcile. It draws by itself, so that worlds go on as they did before there was any of this.
#[derive(Debug)]
pub(super) struct Hosts {
    rng: Rng,
    /// Of those who heard an approval, in a thousand.
    often: u64,
    asked: u32,
    /// What the switch asks the ledger, until the books have followed.
    questions: Vec<HostQuestion>,
    /// What the ledger says to each.
    verdicts: BTreeMap<PetitionId, HostVerdict>,
    /// Who waits for an answer.
    waiting: Vec<Waits>,
}

/// A host that waits.
#[derive(Debug)]
struct Waits {
    conn: ConnId,
    stan: i64,
    /// The purchases that it was told are approved, of the day that it named.
    heard: BTreeSet<PurchaseId>,
    /// What the ledger said, once it did.
    said: Option<HostVerdict>,
}

/// The trace numbers of totals: no purchase here has one of these.
const STANS: u32 = 900_000;

impl Hosts {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x7265_636f_6e63_696c);
        let often = rng.pick(&[0, 30, 150]).unwrap_or(0);
        Self {
            rng,
            often,
            asked: 0,
            questions: Vec::new(),
            verdicts: BTreeMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Whether the switch waits for the books.
    pub(super) const fn wait(&self) -> bool {
        !self.questions.is_empty()
    }

    /// The process has ended: nobody answers what it was asked.
    pub(super) fn forget(&mut self) {
        self.questions.clear();
        self.verdicts.clear();
    }

    /// What the ledger says to a question, if a host asked it.
    pub(super) fn said(&mut self, id: PetitionId) -> Option<HostVerdict> {
        self.verdicts.remove(&id)
    }

    /// Whether an answer is to totals of a host.
    pub(super) fn is_its(message: &Message) -> bool {
        i64::from(STANS) <= number(message, ElementNo::STAN)
    }
}

/// How the hosts of these worlds write their totals.
pub(super) fn profile(asks: bool) -> Option<Arc<HostProfile>> {
    let currency = Currency::new(978).ok().filter(|_| asks)?;
    Some(Arc::new(HostProfile::usual(Some(currency))))
}

impl World {
    /// A host heard an approval, and may say what the day of that comes to so far.
    pub(super) fn may_reconcile(&mut self, conn: ConnId, id: PurchaseId) {
        if !self.batches.hosts.rng.chance(self.batches.hosts.often) {
            return;
        }
        let plan = self.conns.get(conn).and_then(|conn| self.mix.plans.get(conn.link));
        if plan.is_none_or(Plan::speaks_later) {
            return;
        }
        let Some(link) = self.purchase_ref(id).map(|purchase| purchase.link) else { return };
        let Some(date) = self.day_of(id) else { return };
        let (mut heard, mut own) = (BTreeSet::new(), Tally::default());
        for (place, one) in (1..).zip(&self.purchases) {
            let told = one.link == link && one.approved.is_some() && !one.stale;
            if told && self.day_of(place) == Some(date) {
                heard.insert(place);
                let refund = one
                    .elements
                    .get(ElementNo::PROCESSING_CODE)
                    .is_some_and(|code| code.starts_with(b"2"));
                let class = match one.mti {
                    100..=199 => TallyClass::Authorizations,
                    _ if refund => TallyClass::Credits,
                    _ => TallyClass::Debits,
                };
                let minor = self.approved_for(place).unwrap_or(one.amount);
                if own.count(Share { class, minor, currency: None }).is_none() {
                    return;
                }
            }
        }
        self.batches.hosts.asked += 1;
        let stan = STANS + self.batches.hosts.asked % 100_000;
        let elements = totals(&own, date, stan);
        self.batches.hosts.waiting.push(Waits { conn, stan: i64::from(stan), heard, said: None });
        self.story.tell(self.time, Some(id), || format!("asker reconciles {date} on {conn}"));
        self.say(conn, mti_of(500), &elements);
    }

    /// For how much a purchase was approved, whatever a partial reversal took off since.
    fn approved_for(&self, id: PurchaseId) -> Option<i64> {
        let mut all = self.truth.of_purchase(id).map(|past| &past.standing);
        let counted = all.find(|standing| Share::of(standing).is_some())?;
        approved_amount(&Standing { lowered: None, ..counted.clone() })
    }

    /// The day of what was approved for a purchase.
    fn day_of(&self, id: PurchaseId) -> Option<BusinessDate> {
        let answered =
            self.truth.of_purchase(id).filter(|past| Share::of(&past.standing).is_some());
        answered.filter_map(|past| past.standing.date()).min()
    }

    /// The switch asks the ledger, which looks into the books as they are, or waits for them.
    pub(super) fn reconcile_asked(&mut self, question: HostQuestion) {
        self.batches.hosts.questions.push(question);
        self.compare_totals();
        if self.batches.wait() {
            self.follow_later();
        }
    }

    /// The books have followed as far as the switch wanted.
    pub(super) fn compare_totals(&mut self) {
        let position = self.books.position;
        let open = std::mem::take(&mut self.batches.hosts.questions);
        let (ready, rest): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|question| question.from <= position);
        self.batches.hosts.questions = rest;
        for question in ready {
            let verdict = self.compare(&question);
            self.reached.count(Rare::HostReconciled);
            let wait = self.batches.hosts.rng.below(20);
            self.batches.hosts.verdicts.insert(question.id, verdict);
            self.later(wait, Event::BatchSaid { life: self.host.life, id: question.id });
        }
    }

    /// Holds totals against the books, and the books against what the host was told.
    fn compare(&mut self, question: &HostQuestion) -> HostVerdict {
        let (own, ours) = self.tally(question.link, question.claim.date);
        let differences = question.claim.differences(&own);
        let settled =
            if differences.is_empty() { Settled::InBalance } else { Settled::OutOfBalance };
        let code =
            if differences.is_empty() { ResponseCode::APPROVED } else { question.profile.differs };
        let verdict = HostVerdict { code, settled, expected: None };
        let named =
            |waits: &&mut Waits| question.claim.key.contains(&format!(" {:06} ", waits.stan));
        let Some(waits) = self.batches.hosts.waiting.iter_mut().find(named) else {
            self.blame(None, || "totals were compared that no host sent".to_owned());
            return verdict;
        };
        waits.said = Some(verdict);
        let heard = waits.heard.clone();
        let missing = heard.difference(&ours).copied().find(|id| !self.may_be_missing(*id));
        if let Some(id) = missing {
            self.blame(Some(id), || {
                "totals were compared with books that lack what their host had been told".to_owned()
            });
        } else if heard == ours && !differences.is_empty() {
            self.blame(None, || {
                format!("a host that was told just what is in the books has other totals: {differences:?}")
            });
        }
        verdict
    }

    /// What a day comes to in the books, and of which purchases.
    fn tally(&self, link: LinkId, date: BusinessDate) -> (Tally, BTreeSet<PurchaseId>) {
        let (mut own, mut ours) = (Tally::default(), BTreeSet::new());
        for past in self.books.pasts.values() {
            let is_its =
                past.standing.sent().is_some_and(|sent| sent.asker == link && sent.date == date);
            let purchase = purchase_of(&past.standing);
            let stale = purchase.and_then(|id| self.purchase_ref(id)).is_some_and(|one| one.stale);
            if let (true, false, Some(share)) = (is_its, stale, Share::of(&past.standing))
                && own.count(share).is_some()
            {
                ours.extend(purchase);
            }
        }
        (own, ours)
    }

    /// Whether the books may have nothing of what a host was told: what is undone as configured, or was taken back before it came.
    fn may_be_missing(&self, id: PurchaseId) -> bool {
        let judged = self.purchase_ref(id).is_some_and(|one| !one.stale && one.undo.is_none());
        let known = |past: &Past| !matches!(past.standing.outcome, Outcome::InFlight);
        let undone = |past: &Past| past.standing.is_undone();
        !judged || (self.books.of_purchase(id).any(known) && self.books.of_purchase(id).any(undone))
    }

    /// The switch's answer reaches the host: its own, once, and what the comparison came to.
    pub(super) fn host_told(&mut self, conn: ConnId, message: &Message) {
        let stan = number(message, ElementNo::STAN);
        let is_its = |waits: &Waits| waits.conn == conn && waits.stan == stan;
        let Some(place) = self.batches.hosts.waiting.iter().position(is_its) else {
            return self.blame(None, || "totals were answered where nobody asked".to_owned());
        };
        let waits = self.batches.hosts.waiting.remove(place);
        let code = code_of(message);
        if code == Some(ResponseCode::MALFUNCTION) {
            // There is no room just now: it asks again later.
            return;
        }
        let settled = message.get(ElementNo::of(66)).map(|text| text.to_vec());
        let right = waits.said.is_some_and(|said| {
            code == Some(said.code) && settled.as_deref() == Some(said.settled.digit())
        });
        if !right {
            self.blame(None, || "a host heard otherwise than its totals were compared".to_owned());
        }
    }
}

/// The totals of a day, without reversals.
fn totals(own: &Tally, date: BusinessDate, stan: u32) -> Elements {
    let mut elements = Elements::default();
    let mut set = |no, text: String| elements.set(ElementNo::of(no), text.as_bytes());
    set(11, format!("{stan:06}"));
    set(15, String::from_utf8_lossy(&date.mmdd()).into_owned());
    set(50, "978".to_owned());
    let of = |class| -> Total { own.of(class) };
    let (credits, debits) = (of(TallyClass::Credits), of(TallyClass::Debits));
    set(74, format!("{:010}", credits.count));
    set(76, format!("{:010}", debits.count));
    set(81, format!("{:010}", of(TallyClass::Authorizations).count));
    set(86, format!("{:016}", credits.minor));
    set(88, format!("{:016}", debits.minor));
    let net = credits.minor - debits.minor;
    set(97, format!("{}{:016}", if net < 0 { 'D' } else { 'C' }, net.abs()));
    elements
}
