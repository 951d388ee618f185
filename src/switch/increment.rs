//! An increment, an 0100 that names an earlier one: it raises it, goes where that went, and names it as its issuer knows it.
//!
//! Each is approved, reversed and lowered by itself; together they are what may be captured. One that names an increment
//! raises the first authorization, which is all that is remembered, and all that its issuer is told.

use crate::iso::{Class, ElementNo, Function, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn, Sent, Standing, TxnId};
use crate::seal::Tag;
use crate::tranlog::Ask;

use super::authorize::Refusal;
use super::effect::Why;
use super::engine::Engine;
use super::input::Arrival;
use super::inquiry::Known;

impl Engine {
    /// What the books have to be asked before it is known which authorization a message names; none when memory knows, or they
    /// were asked.
    pub(super) fn to_be_asked(&self, original: Tag, known: &Known) -> Option<Ask> {
        let Some(named) = self.log.by_key(original) else {
            return (!known.has(original)).then_some(Ask::Key(original));
        };
        let first = self.log.standing(named).and_then(Standing::sent)?.raises()?;
        let ask = Ask::Record(Lsn(first.0));
        (self.log.standing(first).is_none() && !known.has_asked(ask)).then_some(ask)
    }

    /// The transaction that a message names; of an increment, the first authorization.
    pub(super) fn first_named(&self, original: Tag) -> Option<&Standing> {
        let named = self.log.standing(self.log.by_key(original)?)?;
        match named.sent().and_then(|sent| sent.raises()) {
            Some(first) => self.log.standing(first),
            None => Some(named),
        }
    }

    /// What a request has to be tied to: the authorization that it raises, where it says that it raises one; or why it is
    /// declined. What is not known to stand open is not raised: nobody could ever claim it.
    pub(super) fn raised(&self, arrival: &Arrival) -> Result<Option<TxnId>, Refusal> {
        if !says_what_it_raises(arrival) || planted::is(Bug::IncrementUntied) {
            return Ok(None);
        }
        let no = |code, why| Err((code, Why::Said(why)));
        let Some(original) = arrival.original_key else {
            let why = "element 90 does not say what it raises: MTI, element 11, element 7 and element 32 (or zeros) of the first authorization";
            return no(ResponseCode::FORMAT, why);
        };
        let Some(first) = self.first_named(original) else {
            if arrival.repeats_itself() {
                // A repeat never seen is something new.
                return Ok(None);
            }
            return no(ResponseCode::NOT_FOUND, "the authorization that it raises is not known");
        };
        let Some(sent) = first.sent() else {
            return no(ResponseCode::NOT_FOUND, "what it raises was reversed before it came");
        };
        if sent.mti.class() != Class::Authorization {
            return no(ResponseCode::INVALID, "what it raises is no authorization");
        }
        if !is_of_one_purchase(arrival, sent) {
            let why = "what it raises is of another card, currency, merchant or processing code";
            return no(ResponseCode::INVALID, why);
        }
        if !first.stands_approved() {
            return no(ResponseCode::NOT_FOUND, "what it raises does not stand approved");
        }
        if self.is_completed(first) {
            return no(ResponseCode::INVALID, "what it raises is completed");
        }
        Ok(Some(first.id))
    }

    /// Whether a completion stands, as far as memory knows.
    fn is_completed(&self, first: &Standing) -> bool {
        let undone = |by| self.log.standing(by).is_some_and(Standing::is_undone);
        first.completed_by.is_some_and(|by| !undone(by))
    }

    /// The issuer for an increment: where the first authorization went, and nobody else.
    pub(super) fn issuer_of_raised(&self, first: TxnId) -> Result<LinkId, Refusal> {
        let issuer = self
            .issuer_of(first)
            .filter(|issuer| self.peers.settings(*issuer).is_some())
            .ok_or((ResponseCode::NO_ROUTE, Why::Said("the issuer of what it raises is gone")))?;
        if !self.peers.reachable(issuer) {
            let why = "the issuer of what it raises is not up";
            return Err((ResponseCode::UNAVAILABLE, Why::Said(why)));
        }
        if !self.peers.can_take(issuer) {
            let why = "as many requests as its issuer's link allows are in flight";
            return Err((ResponseCode::MALFUNCTION, Why::Said(why)));
        }
        Ok(issuer)
    }
}

/// Whether a request says that it raises another authorization: an 0100 with an element 90 that is more than zeros. Of 1993 that
/// is an 1100 with a function code of supplementary authorizations (`mapping`).
pub(super) fn says_what_it_raises(arrival: &Arrival) -> bool {
    let mti = arrival.mti();
    mti.class() == Class::Authorization
        && mti.function() == Function::Request
        // Some networks have a repeat name its first.
        && arrival.original_key != arrival.key
        && arrival
            .get(ElementNo::ORIGINAL)
            .is_some_and(|original| original.iter().any(|digit| *digit != b'0'))
}

/// Whether a message says the same of card, currency, merchant and kind as the authorization that it names.
pub(super) fn is_of_one_purchase(arrival: &Arrival, sent: &Sent) -> bool {
    let card = |card: Option<&crate::record::Card>| card.map(|card| card.token);
    let kind = |code: &[u8]| code.first_chunk::<2>().copied();
    let same = |no| arrival.get(no).as_deref() == sent.elements.get(no);
    card(arrival.card.one()) == card(sent.card.as_ref())
        && same(ElementNo::CURRENCY)
        && same(ElementNo::MERCHANT)
        && arrival.get(ElementNo::PROCESSING_CODE).as_deref().and_then(kind)
            == sent.elements.get(ElementNo::PROCESSING_CODE).and_then(kind)
}
