//! An advice, 0120 or 0220: a fact. It is stored, acknowledged, and owed to its issuer.

use std::sync::Arc;

use crate::codec::{EncodeError, Fault};
use crate::iso::{Class, ElementNo, Function, ResponseCode};
use crate::mapping::Tongue;
use crate::planted::{self, Bug};
use crate::record::{Owing, Record, Sent, TxnId};
use crate::seal::Tag;
use crate::tranlog::{self, Ask};

use super::authorize::Refusal;
use super::effect::{Effects, Mark, Note, Why};
use super::engine::Engine;
use super::increment::is_of_one_purchase;
use super::input::Arrival;
use super::inquiry::Known;
use super::reply::code_alone;
use super::reversal::is_of_one_card;
use super::translate::{TOO_LONG, is_of_one_flow, rename};

/// With these in its element 39 an advice tells of an approval, besides those that its asker's dialect lists: the codes of ISO
/// 8583:1987 and of the networks that list more, and those that a chip gives offline (EMV Book 4, annex A).
const APPROVALS: [&[u8]; 9] = [b"00", b"08", b"10", b"11", b"16", b"85", b"87", b"Y1", b"Y3"];

impl Engine {
    /// An advice: new, a copy of one in memory, or to be looked up.
    pub(super) fn advice(&mut self, arrival: Box<Arrival>, known: &Known, fx: &mut Effects) {
        let key = match Self::identity(&arrival) {
            Ok(key) => key,
            Err((code, why)) => return self.refuse(&arrival, code, why, fx),
        };
        if let Some(txn) = self.log.by_key(key) {
            return self.repeated(arrival, txn, fx);
        }
        let mut arrival = match self.inquiries.join(key, arrival) {
            Ok(()) => return,
            Err(arrival) => arrival,
        };
        if let Some((code, same)) = self.held.get(key, arrival.content) {
            return self.held_again(&arrival, code, same, fx);
        }
        if arrival.is_repeat() && !known.has(key) {
            return self.inquire(arrival, known, Ask::Key(key), fx);
        }
        // A completion names its authorization in element 90; an older one is in the books.
        if let Some(ask) =
            arrival.original_key.and_then(|original| self.to_be_asked(original, known))
        {
            return self.inquire(arrival, known, ask, fx);
        }
        match self.storable(&mut arrival, key) {
            Ok(sent) => self.store(&arrival, sent, fx),
            Err((code, why)) => self.decline_unsent(&arrival, key, (code, why), fx),
        }
    }

    fn storable(&self, arrival: &mut Arrival, key: Tag) -> Result<Arc<Sent>, Refusal> {
        self.admission(arrival)?;
        // Before its card is taken out of it.
        let completes = self.completed(arrival);
        let issuer = match completes.and_then(|txn| self.issuer_of(txn)) {
            Some(issuer) => issuer,
            None => self.issuer_in_time(arrival)?,
        };
        let full = (
            ResponseCode::MALFUNCTION,
            Why::Said("as many advices as allowed are owed to its issuer"),
        );
        if self.owes_enough(issuer) {
            return Err(full);
        }
        let taken = (
            ResponseCode::MALFUNCTION,
            Why::Said("every trace number of its issuer's link is taken"),
        );
        let trace =
            self.log.fresh_trace(issuer, arrival.mti().class(), self.now.wall).ok_or(taken)?;
        let link = self
            .peers
            .settings(issuer)
            .ok_or((ResponseCode::NO_ROUTE, Why::Said("its issuer is gone")))?;
        // What cannot be said to its issuer is refused now, while its sender still listens.
        let needed =
            self.sayable(arrival, link)?.minus(link.dialect().defined().or(link.tongue.dropped()));
        if let Some(element) = needed.minus(Tongue::NAMES).iter().next() {
            let fault = EncodeError { element, fault: Fault::Undefined };
            return Err((ResponseCode::FORMAT, Why::Unsayable { issuer, fault }));
        }
        let declined = self.tells_decline(arrival);
        let named = self.named_there(arrival, completes, link)?;
        let mut sent = self.sent(arrival, key, (issuer, trace));
        // What was declined completes nothing.
        (sent.completes, sent.declined) = (completes.filter(|_| !declined), declined);
        if !planted::is(Bug::CompletionUnnamed) {
            rename(&mut sent.elements, Some(&named));
        }
        let sent = Arc::new(sent);
        let opened = tranlog::opened(TxnId::default(), &Record::Stored(Arc::clone(&sent)));
        let too_long = |standing| self.owed_body(&standing, Owing::Advice, true).is_none();
        if opened.is_none_or(too_long) { Err(TOO_LONG) } else { Ok(sent) }
    }

    /// The authorization that a completion completes. One that is told as an 0120 and names another raises that, as a request
    /// does; it is a fact, so that it is only not tied where it would not be accepted.
    fn completed(&self, arrival: &Arrival) -> Option<TxnId> {
        let first = self.first_named(arrival.original_key?)?;
        let sent = first.sent().filter(|sent| sent.mti.class() == Class::Authorization)?;
        let fits = match arrival.mti().class() {
            Class::Authorization => first.stands_approved() && is_of_one_purchase(arrival, sent),
            // Of another card it is a purchase of its own, and goes to that card's issuer. What gives money back completes nothing
            // that takes it.
            _ => {
                is_of_one_flow(arrival, sent)
                    && (is_of_one_card(arrival, sent) || planted::is(Bug::CompletionOfAnyCard))
            }
        };
        fits.then_some(first.id)
    }

    /// Whether it is an advice of what was declined where it was asked. One without element 39 tells of an approval.
    pub(super) fn tells_decline(&self, arrival: &Arrival) -> bool {
        let code = arrival.get(ElementNo::RESPONSE_CODE).unwrap_or_default();
        let code = code.trim_ascii();
        let house = self.peers.settings(arrival.link).map(|link| link.tongue.house());
        let approves = || {
            let code = ResponseCode::new(code);
            house.is_some_and(|house| code.is_ok_and(|code| house.approves(code)))
        };
        arrival.mti().function() == Function::Advice
            && !code.is_empty()
            && !APPROVALS.contains(&code)
            && !approves()
            && !planted::is(Bug::AdvisedDeclineClears)
    }

    fn store(&mut self, arrival: &Arrival, sent: Arc<Sent>, fx: &mut Effects) {
        let issuer = sent.issuer;
        let txn = TxnId(self.append(Record::Stored(sent), fx).0);
        fx.notes.push(Note::Stored { asker: arrival.link, issuer });
        let added = code_alone(ResponseCode::APPROVED);
        if !planted::is(Bug::AdviceUnanswered) {
            self.tell(arrival, &self.dated(arrival, &added, txn), Mark::Plain, fx);
        }
        self.post_owed(txn, Owing::Advice, fx);
    }
}
