//! Stand-in: while no issuer of a card can be asked, or when one was asked and did not answer in time, small requests are approved
//! in its place, within limits that each card has for each day, and the issuer is owed an advice of every one.
//!
//! After a time-out the issuer may hold the amount already, and books it once in one of two ways, as the route says.
//!
//! `Reverse`: there are two transactions. What was sent keeps its pair, and is undone like any request without an answer,
//! whatever its issuer says of it later. The approval is one of its own, which has the asker's key from then on: repeats and reversals
//! find it, it clears, and its advice follows the reversal of what was sent. A late approval cannot be taken in place of the advice: its
//! reversal left at the time-out, and nobody can call that back.
//!
//! `Match`: there is one transaction. Nothing is reversed; the advice names what was sent, and the issuer makes one of both,
//! whatever it decided, and in whichever order they come. So a late approval owes nothing while the approval here stands: the advice
//! is what stands for it. Who takes it back takes back what was sent, by the name that the issuer knows in any case.

use std::sync::Arc;

use crate::codec::{EncodeError, Fault};
use crate::iso::{ElementNo, Elements, ResponseCode};
use crate::mapping::Tongue;
use crate::planted::{self, Bug};
use crate::record::{Approval, LinkId, Owing, Record, Sent, Standing, Trace, TxnId};
use crate::route::Picked;
use crate::seal::Tag;
use crate::tranlog;

use super::authorize::{Refusal, Waiting};
use super::choose::routed;
use super::effect::{Effects, Mark, Note, Why};
use super::engine::Engine;
use super::input::{Arrival, CardOf};
use super::translate::{TOO_LONG, rename};

/// How far the switch goes in place of the issuers of a route. Amounts are in minor units of the one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandIn {
    /// Element 49 of what may be approved.
    pub currency: [u8; 3],
    /// The largest amount of one request.
    pub amount_max: u64,
    /// How many requests of a card on one business day.
    pub count_max: u32,
    /// For how much in all, of a card on one business day.
    pub total_max: u64,
    /// How element 3 of what may be approved begins, two digits each.
    pub kinds: Vec<[u8; 2]>,
    /// Whether it does so while none of them can be asked.
    pub while_down: bool,
    /// Whether it does so when one was asked and did not answer in time.
    pub after_timeout: bool,
    /// What becomes then of what the issuer may approve late.
    pub late: LateApproval,
}

/// How an issuer comes to book once what it was sent, and what was approved in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateApproval {
    /// What was sent is reversed, and the advice is one of its own.
    #[default]
    Reverse,
    /// Nothing is reversed: the advice names what was sent, and the issuer matches both.
    Match,
}

/// For so many cards something is approved on one business day: a few megabytes in memory and in each carry.
const CARDS_MAX: usize = 100_000;
/// 54, expired card.
const EXPIRED: &[u8] = b"54";
/// 61, exceeds the amount limit.
const TOO_MUCH: &[u8] = b"61";
/// 65, exceeds the count limit.
const TOO_OFTEN: &[u8] = b"65";
const EXPIRY: ElementNo = ElementNo::of(14);
const PIN: ElementNo = ElementNo::of(52);

impl Engine {
    /// Whether a request whose issuers are all away may be approved here: none when that is nobody's business, else for whom, or
    /// why not.
    pub(super) fn stands_in(&self, arrival: &Arrival) -> Option<Result<LinkId, Refusal>> {
        let (picked, limits) = self.route_of(arrival)?;
        if !limits.while_down || picked.to.iter().any(|link| self.peers.reachable(*link)) {
            return None;
        }
        let issuer = *picked.to.first()?;
        let asked = suited(arrival, limits)?;
        Some(self.within_limits(arrival, limits, asked).map(|()| issuer))
    }

    /// The route of a request, where something may be approved on it.
    fn route_of(&self, arrival: &Arrival) -> Option<(Picked<'_>, &StandIn)> {
        let picked = routed(&self.settings.routes, arrival).ok()?;
        let limits = self.settings.stand_in.get(picked.rule)?.as_ref()?;
        Some((picked, limits))
    }

    fn within_limits(
        &self,
        arrival: &Arrival,
        limits: &StandIn,
        (card, amount): (Tag, u64),
    ) -> Result<(), Refusal> {
        let no = |code: &[u8], why| {
            (ResponseCode::new(code).unwrap_or(ResponseCode::UNAVAILABLE), Why::Said(why))
        };
        let month = self.now.wall.date().yymmdd();
        let month = month.first_chunk::<4>().copied().unwrap_or_default();
        if expiry_of(arrival).is_some_and(|expiry| expiry < month) {
            return Err(no(EXPIRED, "its issuer is away, and its card has expired"));
        }
        if limits.amount_max < amount {
            return Err(no(
                TOO_MUCH,
                "its issuer is away, and it asks for more than is approved in its place",
            ));
        }
        let spent = self.log.spent(card, limits.currency);
        if self.log.cards_spent() >= CARDS_MAX {
            return Err(no(
                TOO_MUCH,
                "its issuer is away, and for as many cards as may be something was approved today in their issuers' place",
            ));
        }
        if planted::is(Bug::StandInUnlimited) {
            return Ok(());
        }
        if limits.count_max <= spent.count {
            return Err(no(
                TOO_OFTEN,
                "its issuer is away, and enough was approved of this card today in its place",
            ));
        }
        if limits.total_max < spent.total.saturating_add(amount) {
            return Err(no(
                TOO_MUCH,
                "its issuer is away, and as much as may be was approved of this card today in its place",
            ));
        }
        Ok(())
    }

    /// Approves a request in its issuer's place: the advice is owed before its asker hears.
    pub(super) fn stand_in(
        &mut self,
        mut arrival: Box<Arrival>,
        key: Tag,
        issuer: LinkId,
        fx: &mut Effects,
    ) {
        let approvable = self.raised(&arrival).and_then(|first| {
            // Its issuer has to know what it raises.
            let issuer = first.and_then(|first| self.issuer_of(first)).unwrap_or(issuer);
            if first.is_some_and(|first| self.looks_like_a_match(&arrival, first)) {
                let why = "its issuer is away, and would match the advice of it with what it raises: they have the same element 37, or none";
                return Err((ResponseCode::UNAVAILABLE, Why::Said(why)));
            }
            let trace = self.approvable(&arrival, issuer)?;
            let named = self.peers.settings(issuer).map(|link| self.named_there(&arrival, first, link));
            let mut sent = self.sent(&mut arrival, key, (issuer, trace));
            sent.completes = first;
            rename(&mut sent.elements, named.transpose()?.as_ref());
            self.approval(sent)
        });
        let (sent, added) = match approvable {
            Ok(both) => both,
            Err(why) => return self.decline_unsent(&arrival, key, why, fx),
        };
        let (asker, issuer) = (arrival.link, sent.issuer);
        let record = Record::StoodIn { sent, added: Arc::clone(&added) };
        let txn = TxnId(self.append(record, fx).0);
        fx.notes.push(Note::StoodIn { asker, issuer, txn });
        if !planted::is(Bug::StandInUntold) {
            self.post_owed(txn, Owing::Advice, fx);
        }
        if self.tell(&arrival, &self.dated(&arrival, &added, txn), Mark::Approval(txn), fx) {
            self.untold.insert(txn, 1);
        } else {
            self.reached_nobody(txn, fx);
        }
    }

    /// Whether the advice of what raises another looks like the advice of that other: it names it, and the reference does not tell
    /// them apart either. An issuer that matches would hold the amount of the one for both.
    pub(super) fn looks_like_a_match(&self, arrival: &Arrival, first: TxnId) -> bool {
        let matches =
            self.route_of(arrival).is_some_and(|(_, limits)| limits.late == LateApproval::Match);
        let first = self.log.standing(first).and_then(Standing::sent);
        let same = |first: &Arc<Sent>| {
            first.elements.get(ElementNo::RRN) == arrival.get(ElementNo::RRN).as_deref()
        };
        matches && first.is_some_and(same)
    }

    /// What was sent is over, and its reversal is owed: what is approved in its issuer's place instead, if anything.
    pub(super) fn in_place_after(
        &self,
        attempt: TxnId,
        waiting: &mut Waiting,
    ) -> Option<(Arc<Sent>, Arc<Elements>)> {
        let standing = self.log.standing(attempt)?;
        // One that is too long for the issuer's frames is given up at once: then both might stand.
        let is_undone = standing.open_debt(Owing::Reversal).is_some();
        // A completion that has named it would complete what stands no more, and nothing would complete what is approved instead.
        let unanswered = standing
            .sent()
            .filter(|_| standing.completed_by.is_none())
            .filter(|_| is_undone || planted::is(Bug::StandInAndAttemptBothStand))?;
        let trace = self.approvable_after(unanswered, waiting, LateApproval::Reverse)?;
        let (date, at) = (self.today(), self.now.wall);
        self.approval(Sent { trace, date, at, ..(**unanswered).clone() }).ok()
    }

    /// Under which pair an issuer is told that what it did not answer is approved in its place, if that is so, on a route with
    /// this way of it.
    fn approvable_after(
        &self,
        unanswered: &Sent,
        waiting: &mut Waiting,
        late: LateApproval,
    ) -> Option<Trace> {
        let mut sessions = waiting.askers.iter().map(|asker| asker.session);
        let heard = sessions.any(|session| self.peers.lives(session));
        if !waiting.whole || !heard || self.draining || self.disk_low {
            return None;
        }
        let asker = waiting.askers.first_mut()?;
        // Routes and limits look at the card, which went into the record.
        asker.card = unanswered.card.clone().map_or(CardOf::None, CardOf::One);
        let (picked, limits) = self.route_of(asker)?;
        // The route may lead elsewhere since a reload: who was asked has then agreed to nothing.
        let agreed = late != LateApproval::Match || picked.to.contains(&unanswered.issuer);
        let asked = suited(asker, limits)
            .filter(|_| limits.after_timeout && limits.late == late && agreed)?;
        self.within_limits(asker, limits, asked).ok()?;
        self.approvable(asker, unanswered.issuer).ok()
    }

    /// Approves in its issuer's place what was sent there and not answered in time, where the issuer matches the advice of that
    /// with what was sent: then nothing is undone. Says whether it did.
    pub(super) fn stand_in_matched(&mut self, txn: TxnId, fx: &mut Effects) -> bool {
        let Some(mut waiting) = self.waiting.remove(&txn) else { return false };
        let matched = self.matched(txn, &mut waiting);
        let asker = waiting.askers.first().map(|asker| asker.link);
        self.waiting.insert(txn, waiting);
        let (Some((trace, added)), Some(asker)) = (matched, asker) else { return false };
        let Some(issuer) = self.issuer_of(txn) else { return false };
        let (at, said) = (self.now.wall, Arc::clone(&added));
        self.append(Record::StoodInMatched { txn, at, trace, added: said }, fx);
        fx.notes.push(Note::StoodIn { asker, issuer, txn });
        // On the session that carried the request, so that it rarely overtakes that.
        self.post_owed(txn, Owing::Advice, fx);
        if let Some(waiting) = self.no_longer_waiting(txn) {
            self.tell_approval(txn, &added, &waiting, fx);
        }
        true
    }

    /// The pair of an advice that names what was sent, and what the asker hears.
    fn matched(&self, txn: TxnId, waiting: &mut Waiting) -> Option<(Trace, Arc<Elements>)> {
        let standing = self.log.standing(txn)?;
        let sent = standing.sent()?;
        let link = self.peers.settings(sent.issuer)?;
        // The issuer tells by the reference that the advice does not raise or complete what it names; and what names another
        // message already has no element left. What a card has spent counts for the day of the request.
        let is_matchable = link.tongue.names_requests()
            && sent.elements.get(ElementNo::RRN).is_some()
            && sent.named.is_none()
            && !Tongue::names_another(&sent.elements)
            && sent.date == self.today();
        let trace =
            self.approvable_after(sent, waiting, LateApproval::Match).filter(|_| is_matchable)?;
        let added = Arc::new(approved_by(trace));
        let record =
            Record::StoodInMatched { txn, at: self.now.wall, trace, added: Arc::clone(&added) };
        let mut after = standing.clone();
        tranlog::fold(&mut after, self.log.tail(), &record);
        self.owed_body(&after, Owing::Advice, true).map(|_| (trace, added))
    }

    /// The issuer answered late what was approved in its place and stands, and matches that with the advice of it. An approval
    /// owes nothing; but of what was lowered here it is for all. A decline changes nothing either: the asker has an approval.
    /// Copies of what it was `heard` to say before are nothing new.
    pub(super) fn late_though_matched(
        &mut self,
        (txn, issuer): (TxnId, LinkId),
        (approved, heard): (bool, Approval),
        fx: &mut Effects,
    ) {
        if approved {
            if heard != Approval::Approved {
                self.lower_again(txn, fx);
            }
        } else if heard != Approval::Declined && !planted::is(Bug::LateDeclineUnsaid) {
            fx.notes.push(Note::LateDecline { issuer, txn });
        }
    }

    /// A mistake on purpose: what is approved in its issuer's place leaves what was sent as it is.
    pub(super) fn both_stand(&mut self, attempt: TxnId) -> bool {
        if !planted::is(Bug::StandInAndAttemptBothStand) {
            return false;
        }
        let Some(mut waiting) = self.waiting.remove(&attempt) else { return false };
        let approves = self.in_place_after(attempt, &mut waiting).is_some();
        self.waiting.insert(attempt, waiting);
        approves
    }

    /// Approves in its issuer's place what was sent there and not answered in time.
    pub(super) fn stand_in_after(
        &mut self,
        attempt: TxnId,
        (sent, added): (Arc<Sent>, Arc<Elements>),
        waiting: &Waiting,
        fx: &mut Effects,
    ) {
        let (asker, issuer) = (sent.asker, sent.issuer);
        let record = Record::StoodInAfter { attempt, sent, added: Arc::clone(&added) };
        let txn = TxnId(self.append(record, fx).0);
        fx.notes.push(Note::StoodIn { asker, issuer, txn });
        self.post_owed(txn, Owing::Advice, fx);
        self.tell_approval(txn, &added, waiting, fx);
    }

    /// The pair of the advice that its issuer is owed of it; or why the issuer could not be told of it.
    fn approvable(&self, arrival: &Arrival, issuer: LinkId) -> Result<Trace, Refusal> {
        let full = |why| (ResponseCode::MALFUNCTION, Why::Said(why));
        if self.owes_enough(issuer) {
            return Err(full("as many advices as allowed are owed to its issuer"));
        }
        let class = arrival.mti().class();
        let trace = self
            .log
            .fresh_trace(issuer, class, self.now.wall)
            .ok_or_else(|| full("every trace number of its issuer's link is taken"))?;
        let link = self
            .peers
            .settings(issuer)
            .ok_or((ResponseCode::NO_ROUTE, Why::Said("its issuer is gone")))?;
        let needed =
            self.sayable(arrival, link)?.minus(link.dialect().defined().or(link.tongue.dropped()));
        if let Some(element) = needed.minus(Tongue::NAMES).iter().next() {
            let fault = EncodeError { element, fault: Fault::Undefined };
            return Err((ResponseCode::FORMAT, Why::Unsayable { issuer, fault }));
        }
        Ok(trace)
    }

    /// What is written down, and what the asker hears; or that the advice has no room in the issuer's frames.
    fn approval(&self, sent: Sent) -> Result<(Arc<Sent>, Arc<Elements>), Refusal> {
        let (added, sent) = (Arc::new(approved_by(sent.trace)), Arc::new(sent));
        let record = Record::StoodIn { sent: Arc::clone(&sent), added: Arc::clone(&added) };
        let opened = tranlog::opened(TxnId::default(), &record);
        let too_long = |standing| self.owed_body(&standing, Owing::Advice, true).is_none();
        if opened.is_none_or(too_long) { Err(TOO_LONG) } else { Ok((sent, added)) }
    }
}

/// What the asker hears: 00, and an approval code that is ours.
fn approved_by(trace: Trace) -> Elements {
    let mut added = Elements::default();
    added.set(ElementNo::APPROVAL_CODE, &trace.stan.ascii());
    added.set(ElementNo::RESPONSE_CODE, ResponseCode::APPROVED.as_bytes());
    added
}

/// The card and the amount of a request of a kind that can be decided without its issuer: nobody here knows a PIN.
fn suited(arrival: &Arrival, limits: &StandIn) -> Option<(Tag, u64)> {
    let code = arrival.get(ElementNo::PROCESSING_CODE);
    let kind = code.as_deref().and_then(|code| code.first_chunk::<2>());
    let suits = kind.is_some_and(|kind| limits.kinds.contains(kind))
        && arrival.get(ElementNo::CURRENCY).is_some_and(|currency| *currency == limits.currency)
        && !arrival.present().has(PIN);
    let card = arrival.card.one().map(|card| card.token);
    card.zip(amount_of(arrival)).filter(|_| suits)
}

/// Element 4, more than nothing.
fn amount_of(arrival: &Arrival) -> Option<u64> {
    let digits = arrival.get(ElementNo::AMOUNT)?;
    let amount = std::str::from_utf8(&digits).ok()?.parse().ok()?;
    (0 < amount).then_some(amount)
}

/// `YYMM`: element 14, or what follows the card's number on its track.
fn expiry_of(arrival: &Arrival) -> Option<[u8; 4]> {
    if let Some(expiry) = arrival.get(EXPIRY) {
        return expiry.first_chunk::<4>().copied();
    }
    let track = arrival.get(ElementNo::TRACK2)?;
    let behind = track.iter().position(|byte| *byte == b'=')?;
    let date = track.get(behind + 1..)?.first_chunk::<4>().copied()?;
    date.iter().all(u8::is_ascii_digit).then_some(date)
}
