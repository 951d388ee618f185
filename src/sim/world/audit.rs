//! What must hold: at each message, at each effect, after each recovery, and strictly at the end. Changes nothing.

use crate::codec::Message;
use crate::iso::{Class, ElementNo, Function};
use crate::record::{
    Approval, Closing, DebtState, LinkId, Lsn, Opening, Outcome, Owing, Reason, Record, Standing,
    Trace, TxnId, Verdict,
};
use crate::switch::{Action, Duplicate, Effects, Mark, Note};

use super::World;
use super::asker::{Copy, Purchase, Unsent, Words};
use super::follow::{self, Past};
use super::issuer::{self, Entry, Key, code_of, key_of, original_key};
use super::mix::{ASKERS, Plan};
use super::net::Conn;
use super::reached::Rare;
use super::story::{self, PurchaseId, text};

/// An approval of a request that reached the switch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    link: LinkId,
    key: Key,
    purchase: Option<PurchaseId>,
    life: u32,
}

fn is_lack_of_room(code: &[u8]) -> bool {
    matches!(code, b"91" | b"96")
}

impl World {
    /// Remembers an approval that reaches the switch: it must never be forgotten.
    pub(super) fn note_heard(&mut self, link: LinkId, message: &Message) {
        let mti = message.mti();
        let answers = matches!(mti.class(), Class::Authorization | Class::Financial)
            && mti.function() == Function::RequestResponse;
        let approves = code_of(message).is_none_or(|code| message.dialect().approves(code));
        if answers && approves {
            let (key, life) = (key_of(message), self.host.life);
            self.heard.push(Heard { link, key, purchase: story::purchase_of(message), life });
        }
    }

    /// What reached the switch in its last life is known to be approved, or is on the operator's list.
    pub(super) fn forgotten(&self) -> Option<(Option<PurchaseId>, String)> {
        self.heard.iter().filter(|heard| heard.life == self.host.life).find_map(|heard| {
            let untimed = self.untimed.contains(&heard.link);
            let past = if untimed {
                self.truth.of_stan(heard.link, heard.key)
            } else {
                self.truth.of_pair(heard.link, heard.key)
            };
            let (class, transmission, stan) = heard.key;
            let listed = self.truth.orphans.iter().any(|(link, trace)| {
                let same = |trace: &Trace| {
                    let (_, given, number) = follow::wire_key(Class::Financial, *trace);
                    number == stan && (untimed || given == transmission)
                };
                *link == heard.link && trace.as_ref().is_none_or(same)
            });
            let known = past.is_some_and(|past| past.standing.heard == Approval::Approved);
            let what = if past.is_some() { "is not written down" } else { "is on nobody's list" };
            let fault = format!("an approval of class {class} with element 11 {stan:06} reached the switch and {what}");
            (!known && !listed).then_some((heard.purchase, fault))
        })
    }

    /// Counts the rare states that the engine says it met.
    pub(super) fn count_note(&mut self, note: &Note) {
        let restarted = self.host.life > 0;
        let rare = match note {
            Note::Replayed { .. } => {
                if restarted {
                    self.reached.count(Rare::ReplayedAfterRestart);
                }
                Rare::Replayed
            }
            Note::Late { approved, after_close, .. } => {
                if *approved {
                    self.reached.count(Rare::LateApproval);
                }
                if *approved && *after_close {
                    self.reached.count(Rare::LateAfterClose);
                }
                Rare::Late
            }
            Note::Undone { known: false, .. } => Rare::ReversalFirst,
            Note::Undone { in_flight: true, .. } => Rare::ReversedInFlight,
            Note::Owed { reason: Reason::Settle, .. } => Rare::Settled,
            Note::Owed { reason: Reason::Lowered, .. } => Rare::Lowered,
            Note::OwedSent { repeat: true, .. } => Rare::Retried,
            Note::Joined { .. } => Rare::Joined,
            Note::OtherContent { .. } => Rare::OtherContent,
            Note::TimedOut { .. } => Rare::TimedOut,
            Note::TooLong { .. } => Rare::TooLong,
            Note::Withdrawn { .. } => Rare::Withdrawn,
            Note::Rerouted { from, to } if from == to => Rare::Rerouted,
            Note::Rerouted { .. } => Rare::ReroutedToAnotherLink,
            Note::Undelivered { .. } => Rare::Undelivered,
            Note::Mismatched { .. } => Rare::Mismatched,
            Note::Unmatched { .. } => Rare::Unmatched,
            Note::Orphan { .. } => Rare::Orphan,
            Note::Stored { .. } => Rare::Stored,
            Note::Dead { .. } => Rare::Dead,
            Note::Requeued { owing: Owing::Advice, .. } => Rare::AdviceRequeued,
            Note::Requeued { owing: Owing::Reversal, .. } => Rare::ReversalRequeued,
            Note::WrittenOff { owing: None, .. } => Rare::OrphanWrittenOff,
            Note::WrittenOff { .. } => Rare::WrittenOff,
            Note::Unreadable { .. } => Rare::Unreadable,
            Note::Refused { .. } => Rare::Refused,
            Note::CutOverHeard { fresh: false, .. } => Rare::CutOverAgain,
            Note::CutOverTold { .. } => Rare::CutOverTold,
            Note::Limited { .. } => Rare::Limited,
            Note::CutOff { .. } => Rare::CutOff,
            Note::OnTrial { .. } => Rare::OnTrial,
            Note::AnswersAgain { .. } => Rare::AnswersAgain,
            Note::Foreign { .. } => Rare::Foreign,
            Note::Overload { .. } => Rare::Overload,
            Note::Declined { .. } => {
                self.host.declines += 1;
                Rare::Declined
            }
            Note::Restored => Rare::Restored,
            _ => return,
        };
        self.reached.count(rare);
    }

    /// What was written down, in the story.
    pub(super) fn tell_records(&mut self, records: &[Record], tail: Lsn) {
        let first = (tail.0 + 1).saturating_sub(u64::try_from(records.len()).unwrap_or(0));
        for (record, lsn) in records.iter().zip(first..) {
            let about = self.about_record(lsn, record);
            self.story
                .tell(self.time, about, || format!("        {}", story::record_line(lsn, record)));
        }
    }

    /// The purchase that a record is about; remembers what it opens.
    fn about_record(&mut self, lsn: u64, record: &Record) -> Option<PurchaseId> {
        let subject = match record {
            Record::Sent(sent) | Record::Stored(sent) | Record::StoodInAfter { sent, .. } => {
                let purchase = story::number(sent.elements.get(ElementNo::RRN)?)?;
                self.subjects.insert(TxnId(lsn), purchase);
                return Some(purchase);
            }
            Record::Undone(undo) | Record::Lowered { undo, .. } => undo.original?,
            Record::Rerouted { txn, .. }
            | Record::StoodInMatched { txn, .. }
            | Record::Answered { txn, .. }
            | Record::Over { txn, .. }
            | Record::Late { txn, .. }
            | Record::Owed { txn, .. }
            | Record::Closed { txn, .. }
            | Record::Requeued { txn, .. }
            | Record::WrittenOff { txn, .. } => *txn,
            Record::Told { txns } => *txns.first()?,
            Record::Restored(standing) | Record::Carried(standing) => standing.id,
            Record::Unmatched { .. } => return Some(0),
            _ => return None,
        };
        self.subjects.get(&subject).copied().or(Some(0))
    }

    /// Remembers in which process a purchase was opened, and whether its trace numbers wrapped.
    pub(super) fn note_record(&mut self, record: &Record) {
        if let Record::Undone(undo) | Record::Lowered { undo, .. } = record {
            self.known_keys.extend([undo.key, undo.original_key]);
        }
        if let Record::Answered { txn, .. } = record {
            self.answered_in.insert(*txn, self.host.life);
        }
        self.note_ruled(record);
        if let Record::Owed { reason: Reason::Lowered, .. } = record {
            self.reached.count(Rare::LoweredBehind);
        }
        let (Record::Sent(sent) | Record::Stored(sent)) = record else { return };
        self.known_keys.insert(sent.key);
        if sent.trace.stan.get() == 1 && !self.mix.stans.is_empty() {
            self.reached.count(Rare::Wrapped);
        }
        let life = self.host.life;
        let purchase = sent.elements.get(ElementNo::RRN).and_then(story::number);
        if let Some(purchase) = purchase.and_then(|id| self.purchase_mut(id)) {
            purchase.opened = Some(life);
        }
    }

    /// Counts the rare states that a durable record shows.
    pub(super) fn count_record(&mut self, record: &Record) {
        let gave_way = |txn: &TxnId| self.truth.standing(*txn).is_some_and(Standing::gave_way);
        let matched = |txn: &TxnId| self.truth.standing(*txn).is_some_and(Standing::is_matched);
        match record {
            Record::Cut { .. } => self.reached.count(Rare::Cut),
            Record::Answered { txn, verdict: Verdict::Approved, .. }
                if self.truth.rerouted.contains(txn) =>
            {
                self.reached.count(Rare::ReroutedApproved);
            }
            Record::Late { txn, approved: true, .. } if gave_way(txn) => {
                self.reached.count(Rare::StandInAttemptApproved);
            }
            Record::Late { txn, approved, .. } if matched(txn) => {
                let rare = if *approved { Rare::MatchedApproved } else { Rare::MatchedDeclined };
                self.reached.count(rare);
            }
            _ => {}
        }
    }

    /// What became of what an operator decided about.
    fn note_ruled(&mut self, record: &Record) {
        let before = |txn: &TxnId, owing| match (self.truth.standing(*txn)?, owing) {
            (standing, Owing::Advice) => standing.advice.as_ref(),
            (standing, Owing::Reversal) => standing.reversal.as_ref(),
        };
        let written_off = DebtState::Closed(Closing::WrittenOff);
        match record {
            Record::Closed { txn, owing, closing: Closing::Final, .. }
                if before(txn, *owing).is_some_and(|debt| debt.requeued) =>
            {
                self.reached.count(Rare::RequeuedSettled);
            }
            Record::Owed { txn, .. }
                if before(txn, Owing::Reversal).is_some_and(|debt| debt.state == written_off) =>
            {
                self.reached.count(Rare::WrittenOffReopened);
            }
            _ => {}
        }
    }

    /// An effect as it is made: an approval that stands, a debt that is open.
    pub(super) fn check_made(&mut self, action: &Action, records: &[Record]) {
        let Action::Send { session, body, mark, .. } = action else { return };
        if let Some(conn) = self.host.sessions.get(session) {
            self.check_in_service(*conn, *mark);
        }
        let Some(engine) = self.host.engine.as_ref() else { return };
        let standing = |txn: TxnId| engine.tranlog().standing(txn);
        match *mark {
            Mark::Approval(txn) => {
                // What has left memory, or was reversed, within the same input stood when it was told.
                let owed =
                    |record: &Record| matches!(record, Record::Owed { txn: of, .. } if *of == txn);
                let stands = standing(txn).is_none_or(Standing::stands_approved);
                if !stands && !records.iter().any(owed) {
                    let purchase = standing(txn).and_then(follow::purchase_of);
                    self.blame(purchase, || "an approval is told that does not stand".to_owned());
                }
            }
            Mark::Owed(txn, owing, _) => {
                if standing(txn).is_some_and(|standing| standing.open_debt(owing).is_none()) {
                    let purchase = standing(txn).and_then(follow::purchase_of);
                    self.blame(purchase, || format!("{owing:?} sent, and none is owed"));
                }
            }
            Mark::Request(_) => {}
            Mark::Plain => {
                let Some(conn) = self.host.sessions.get(session).and_then(|id| self.conns.get(*id))
                else {
                    return;
                };
                let link = conn.link;
                if link < ASKERS && !conn.is_strange() {
                    let body = body.clone();
                    self.note_unsent(link, body);
                }
            }
        }
    }

    /// A decline for lack of room is said to an advice only when there is no room now: never because there was none before.
    pub(super) fn check_room(&mut self, fx: &Effects) {
        let no_room = |note: &&Note| match note {
            Note::Declined { code, .. } => is_lack_of_room(code.as_bytes()),
            Note::Overload { .. } => true,
            _ => false,
        };
        let mut lacks = fx.notes.iter().filter(no_room).count();
        for action in &fx.actions {
            let Action::Send { session, body, mark: Mark::Plain, .. } = action else { continue };
            let conn = self.host.sessions.get(session).and_then(|id| self.conns.get(*id));
            let plan = conn.and_then(|conn| self.mix.plans.get(conn.link));
            let Some(plan) = plan.filter(|plan| plan.settings.asks) else { continue };
            let body = body.clone().into();
            let Ok(message) = plan.tongue.read(body) else { continue };
            if message.mti().function() != Function::AdviceResponse
                || message.mti().class() == Class::Reversal
                || !is_lack_of_room(&text(&message, ElementNo::RESPONSE_CODE))
            {
                continue;
            }
            if lacks == 0 {
                return self.blame(story::purchase_of(&message), || {
                    "an advice is declined for a lack of room that is past".to_owned()
                });
            }
            lacks -= 1;
        }
    }

    /// A decline of what was never forwarded is remembered in memory only; the audit must know which.
    fn note_unsent(&mut self, link: usize, body: Vec<u8>) {
        let Some(plan) = self.mix.plans.get(link) else { return };
        let Ok(message) = plan.tongue.read(body.into()) else { return };
        let Some(id) = story::purchase_of(&message) else { return };
        let declines =
            code_of(&message).is_some_and(|code| !plan.settings.dialect().approves(code));
        if !declines || message.mti().class() == Class::Reversal {
            return;
        }
        let (life, at, wall_steps) = (self.host.life, self.time, self.host.wall_steps);
        let journaled = self.truth.of_purchase(id).next().is_some();
        let count = self.host.declines;
        let Some(purchase) = self.purchase_mut(id) else { return };
        // What is told again does not stay in memory for longer.
        let again = purchase.unsent.is_some_and(|unsent| unsent.life == life);
        if !journaled && !again && purchase.opened != Some(life) {
            purchase.unsent = Some(Unsent { life, at, wall_steps, count });
        }
    }

    /// Whether a decline may have been forgotten meanwhile.
    fn may_be_forgotten(&self, unsent: Unsent) -> bool {
        let settings = &self.mix.settings;
        let others = usize::try_from(self.host.declines - unsent.count).unwrap_or(usize::MAX);
        unsent.life != self.host.life
            || unsent.wall_steps != self.host.wall_steps
            || self.time - unsent.at >= settings.window_ms
            || others + 2 >= settings.entries_max
    }

    /// What an asker is told: the same words, and approvals that are durable and true.
    pub(super) fn check_words(&mut self, id: PurchaseId, asked: &Copy, words: &Words) {
        let Some(purchase) = self.purchase_ref(id) else { return };
        let code = words.code.as_slice();
        let approves = matches!(code, b"00" | b"08" | b"10" | b"11");
        let wrong = if asked.altered {
            approves.then(|| "a copy with another amount was approved".to_owned())
        } else if code == b"94" {
            let plain =
                purchase.copies.len() > 1 && self.mix.settings.duplicate == Duplicate::Refuse;
            (!plain).then(|| "a true copy was called a duplicate".to_owned())
        } else if approves {
            self.wrong_approval(purchase, id, asked, words)
        } else {
            self.wrong_decline(purchase, id, words)
        };
        if let Some(wrong) = wrong {
            self.blame(Some(id), || wrong);
        }
    }

    fn wrong_approval(
        &self,
        purchase: &Purchase,
        id: PurchaseId,
        asked: &Copy,
        words: &Words,
    ) -> Option<String> {
        let approved = |past: &&Past| match &past.standing.outcome {
            Outcome::Answered { verdict, .. } => *verdict == Verdict::Approved,
            Outcome::Stored => true,
            Outcome::InFlight | Outcome::Over { .. } => false,
        };
        let Some(past) = self.truth.of_purchase(id).find(approved) else {
            // An advice whose reversal came before it cancels out, and is answered 00 though nothing was stored.
            let forestalled = matches!(purchase.mti, 120 | 220) && purchase.undone().is_some();
            return (!forestalled)
                .then(|| "told approved, and no durable record says so".to_owned());
        };
        if !self.vouched(&past.standing) {
            return Some("told approved, and no issuer said so on its own link".to_owned());
        }
        // With a reversal on its way, connections may bring the words out of order.
        if let Some(before) = &purchase.declined
            && purchase.undone().is_none()
            && !purchase.unsent.is_some_and(|unsent| self.may_be_forgotten(unsent))
            && !self.undone_as_configured(id)
        {
            return Some(format!("told {} and then approved", before.code.escape_ascii()));
        }
        if let Some(before) = &purchase.approved
            && before != words
        {
            return Some("approved twice, with different words".to_owned());
        }
        let request = matches!(purchase.mti, 100 | 200);
        let undone = purchase.undone().and_then(|undo| undo.acked.as_ref());
        if let Some((_, at)) = undone
            && request
            && *at < asked.at
        {
            return Some("approved after its reversal was acknowledged".to_owned());
        }
        None
    }

    /// Whether the issuer of an approved request ever said so, rightly and on its own link.
    fn vouched(&self, standing: &Standing) -> bool {
        let Opening::Request(sent) = &standing.opening else { return true };
        if standing.stood_in() {
            return true;
        }
        let key = follow::wire_key(sent.mti.class(), sent.trace);
        let own = |entry: Option<&Entry>| entry.is_some_and(|entry| entry.said);
        self.issuers.iter().any(|issuer| {
            let link = self.mix.plans.get(issuer.link).map(|plan| plan.settings.id);
            link == Some(sent.issuer) && own(issuer.ledger.get(&key))
        })
    }

    fn wrong_decline(&self, purchase: &Purchase, id: PurchaseId, words: &Words) -> Option<String> {
        let undone = |past: &Past| {
            let standing = &past.standing;
            standing.is_undone() || standing.undone_by.is_some() && standing.lowered.is_none()
        };
        // An advice that finds no room is taken later, and on another connection the later word may come first.
        let no_room = matches!(purchase.mti, 120 | 220) && is_lack_of_room(&words.code);
        if let Some(before) = &purchase.approved
            && !no_room
            && !self.truth.of_purchase(id).any(undone)
            && purchase.undone().is_none()
            && purchase.unsent.is_none()
        {
            let (before, now) = (before.code.escape_ascii(), words.code.escape_ascii());
            return Some(format!("told {before} and then {now}, and nothing was reversed"));
        }
        let said = self.truth.of_purchase(id).find_map(|past| match &past.standing.outcome {
            Outcome::Answered { verdict: Verdict::Declined, added, .. } => {
                added.get(ElementNo::RESPONSE_CODE).map(<[u8]>::to_vec)
            }
            _ => None,
        });
        // A decline that memory forgot may still be on its way when the issuer has decided.
        let other = said.filter(|said| *said != words.code && purchase.unsent.is_none())?;
        Some(format!(
            "the issuer declined with {}, and the asker heard {}",
            other.escape_ascii(),
            words.code.escape_ascii()
        ))
    }

    /// A request or an advice as it reaches its issuer: durable, and what its asker asked.
    pub(super) fn check_forwarded(
        &mut self,
        issuer: usize,
        key: &Key,
        message: &Message,
        id: PurchaseId,
    ) {
        let Some(link) = self.link_of(issuer) else { return };
        let Some(past) = self.truth.of_pair(link, *key) else {
            return self
                .blame(Some(id), || "a message left before its record was durable".to_owned());
        };
        let standing = past.standing.clone();
        self.check_dated(issuer, &standing, message);
        self.check_routed(issuer, message, id);
        let Some(purchase) = self.purchase_ref(id) else { return };
        // Networks of 1993 have no element for what 25 says, on either side.
        let links = [ASKERS + issuer, purchase.link];
        let later = links.map(|link| self.mix.plans.get(link).is_some_and(Plan::speaks_later));
        let speaks_later = later.contains(&true);
        let same = [3, 4, 12, 13, 18, 22, 25, 32, 41, 42, 49].into_iter().find(|no| {
            let no = ElementNo::of(*no);
            !(speaks_later && no.get() == 25)
                && purchase.elements.get(no).unwrap_or_default() != text(message, no)
        });
        if let Some(no) = same {
            self.blame(Some(id), || format!("element {no} is not what its asker wrote"));
        }
        if later == [true, false] || later == [false, true] {
            self.reached.count(Rare::OtherEdition);
        }
    }

    /// An owed message as it reaches its issuer for the first time: durable, about a real original, in its card's order.
    pub(super) fn check_owed_order(&mut self, issuer: usize, key: &Key, message: &Message) {
        let purchase = story::purchase_of(message);
        let Some(link) = self.link_of(issuer) else { return };
        let Some(past) = self.truth.of_pair(link, *key) else {
            return self.blame(purchase, || {
                "an owed message left before its record was durable".to_owned()
            });
        };
        let Some(sent) = past.standing.sent() else { return };
        let mut wrong = None;
        if message.mti().class() == Class::Reversal {
            let named = original_key(&text(message, ElementNo::ORIGINAL));
            let real = follow::wire_key(sent.mti.class(), sent.trace);
            let declined = matches!(
                &past.standing.outcome,
                Outcome::Answered { verdict: Verdict::Declined, .. }
            );
            if !named.is_some_and(|named| issuer::names(named, real)) {
                wrong = Some("element 90 names another message than the one it reverses");
            } else if declined && past.standing.heard == Approval::Declined {
                wrong = Some("a request that was declined in time is reversed");
            }
        }
        let debt_at = |past: &Past| {
            past.owed_at.first().filter(|_| past.owed_at.len() == 1).map(|(_, at)| *at)
        };
        let mine = debt_at(past);
        let token = sent.card.as_ref().map(|card| card.token);
        let overtaken = token.is_some()
            && mine.is_some()
            && self.truth.pasts.values().any(|other| {
                let same_card = other.standing.sent().is_some_and(|other| {
                    other.issuer == sent.issuer
                        && other.card.as_ref().map(|card| card.token) == token
                });
                let open = [Owing::Advice, Owing::Reversal]
                    .iter()
                    .any(|owing| other.standing.open_debt(*owing).is_some());
                same_card
                    && open
                    && other.standing.id != past.standing.id
                    && debt_at(other).is_some_and(|at| Some(at) < mine)
            });
        if overtaken {
            wrong = Some("what is owed for one card went out of order");
        }
        if let Some(wrong) = wrong {
            self.blame(purchase, || wrong.to_owned());
        }
    }

    /// What is bounded stays within its bounds.
    pub(super) fn check_bounds(&mut self) {
        let Some(engine) = self.host.engine.as_ref() else { return };
        let (log, settings) = (engine.tranlog(), &self.mix.settings);
        let open = log.open().count();
        let untold = |conn: &Conn| conn.outbox.len() + conn.never_begun.len();
        // However many connections have come since, one that stands holds what it holds.
        let sessions = self.host.sessions.values().filter_map(|id| self.conns.get(*id));
        let on_their_way = self.host.begun.len() + sessions.map(untold).sum::<usize>();
        if log.len() > settings.entries_max + open + on_their_way + self.host.waiting() + 64 {
            let len = log.len();
            return self
                .blame(None, || format!("{len} transactions in memory, {open} of them open"));
        }
        let in_flight = |standing: &&Standing| standing.outcome == Outcome::InFlight;
        let total = log.open().filter(in_flight).count();
        let over = settings.links.iter().any(|link| {
            let on_it =
                |standing: &&Standing| standing.sent().is_some_and(|sent| sent.issuer == link.id);
            let count = log.open().filter(in_flight).filter(on_it).count();
            count > usize::try_from(link.in_flight_max).unwrap_or(usize::MAX)
        });
        if over || total > usize::try_from(settings.in_flight_max).unwrap_or(usize::MAX) {
            self.blame(None, || format!("{total} requests in flight, beyond a limit"));
        }
    }
}
