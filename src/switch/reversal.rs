//! A reversal, 0400 or 0420, from whoever asks: one original has one reversal.

use std::sync::Arc;

use crate::iso::{Class, ElementNo, ElementSet, Function, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{Opening, Outcome, Owing, Reason, Record, Sent, TxnId, Unanswered, Undo};
use crate::seal::Tag;
use crate::tranlog::Ask;

use super::authorize::Refusal;
use super::effect::{Effects, Note, Why};
use super::engine::Engine;
use super::input::{Arrival, mti_named, replacement};
use super::inquiry::Known;
use super::named::Named;

impl Engine {
    /// A reversal: of a transaction in memory, of one to be looked up, or of one never seen.
    pub(super) fn reversal(&mut self, arrival: Box<Arrival>, known: &Known, fx: &mut Effects) {
        let key = match Self::identity(&arrival) {
            Ok(key) => key,
            Err((code, why)) => return self.refuse(&arrival, code, why, fx),
        };
        if let Some(txn) = self.log.by_key(key) {
            return self.repeated(arrival, txn, fx);
        }
        let arrival = match self.inquiries.join(key, arrival) {
            Ok(()) => return,
            Err(arrival) => arrival,
        };
        if arrival.names_itself() && !known.has(key) {
            // A repeat that names its first, which may be in the books.
            return self.inquire(arrival, known, Ask::Key(key), fx);
        }
        let original = match Self::original_of(&arrival) {
            Ok(original) => original,
            Err((code, why)) => return self.refuse(&arrival, code, why, fx),
        };
        let arrival = match self.inquiries.join(original, arrival) {
            Ok(()) => return,
            Err(arrival) => arrival,
        };
        if let Some(amounts) = replacement(&arrival.message).map(|amounts| amounts.to_vec()) {
            return self.lower(arrival, (key, original), (&amounts, known), fx);
        }
        match self.log.by_key(original) {
            Some(txn) => self.reverse(&arrival, (key, original), txn, fx),
            // What was declined without being forwarded is not in the books either.
            None if known.has(original) || self.held.get(original, arrival.content).is_some() => {
                if self.disk_low {
                    return self.no_room_for_unseen(&arrival, fx);
                }
                self.reverse_unseen(&arrival, (key, original), fx);
            }
            None => self.inquire(arrival, known, Ask::Key(original), fx),
        }
    }

    fn original_of(arrival: &Arrival) -> Result<Tag, Refusal> {
        let original = arrival.original_key.ok_or((
            ResponseCode::FORMAT,
            Why::Said("element 90 does not say what it reverses: MTI, element 11, element 7 and element 32 (or zeros) of the original"),
        ))?;
        let named = arrival.get(ElementNo::ORIGINAL).as_deref().and_then(mti_named);
        if named.is_some_and(|mti| mti.class() == Class::Reversal)
            && !planted::is(Bug::ReversalTakenBack)
        {
            let why = "its element 90 names a reversal, which cannot be taken back";
            return Err((ResponseCode::INVALID, Why::Said(why)));
        }
        Ok(original)
    }

    /// Reverses what is in memory.
    fn reverse(&mut self, arrival: &Arrival, keys: (Tag, Tag), original: TxnId, fx: &mut Effects) {
        let Some(standing) = self.log.standing(original) else { return };
        let Some(sent) = standing.sent() else {
            let Opening::Reversal(undo) = &standing.opening else { return };
            // Somebody reversed the unseen original before: it is done, and stays so.
            let code = undo.code;
            return self.decline(arrival, code, fx);
        };
        // One original has one reversal: after a partial one there is none of the rest.
        let granted = standing.granted().filter(|_| !planted::is(Bug::ReversalNamesWhatWasAsked));
        if !speaks_of(arrival, sent, &[granted]) || standing.lowered.is_some() {
            fx.notes.push(Note::OtherContent {
                asker: arrival.link,
                of: Box::new(Named::arrived(arrival)),
            });
            return self.decline(arrival, ResponseCode::DUPLICATE, fx);
        }
        let in_flight = standing.outcome == Outcome::InFlight;
        let owes = standing.stands_approved();
        fx.notes.push(Note::Undone { asker: arrival.link, known: true, in_flight, of: None });
        let again = planted::is(Bug::TwoReversals) && standing.reversal.is_some();
        self.undone(arrival, keys, (Some(original), ResponseCode::APPROVED), fx);
        if in_flight {
            self.end_unanswered(original, Unanswered::Reversed, Some(Reason::Asked), fx);
        } else if owes || again {
            self.untold.remove(&original);
            self.owe(original, Reason::Asked, fx);
        }
        self.decline(arrival, ResponseCode::APPROVED, fx);
    }

    /// Reverses what was never seen: if it comes, it is declined for ever.
    fn reverse_unseen(&mut self, arrival: &Arrival, keys: (Tag, Tag), fx: &mut Effects) {
        let of = Some(Box::new(Named::arrived(arrival)));
        fx.notes.push(Note::Undone { asker: arrival.link, known: false, in_flight: false, of });
        if !planted::is(Bug::ReversalForgotten) {
            self.undone(arrival, keys, (None, ResponseCode::NOT_FOUND), fx);
        }
        self.decline(arrival, ResponseCode::NOT_FOUND, fx);
    }

    /// Below the reserve the room is for money that moved. Its sender says it again, so the decline is not held.
    fn no_room_for_unseen(&self, arrival: &Arrival, fx: &mut Effects) {
        let (asker, code) = (arrival.link, ResponseCode::MALFUNCTION);
        let why = Why::Said("its original was never seen, and the journal's disk is nearly full");
        fx.notes.push(Note::Overload { asker });
        fx.notes.push(Note::Declined { asker, of: Box::new(Named::arrived(arrival)), code, why });
        self.decline(arrival, code, fx);
    }

    fn undone(
        &mut self,
        arrival: &Arrival,
        keys: (Tag, Tag),
        outcome: (Option<TxnId>, ResponseCode),
        fx: &mut Effects,
    ) {
        let undo = self.undo(arrival, keys, outcome);
        self.append(Record::Undone(Arc::new(undo)), fx);
    }

    /// What is written down of a reversal: who said what of which original, and what it hears.
    pub(super) fn undo(
        &self,
        arrival: &Arrival,
        (key, original_key): (Tag, Tag),
        (original, code): (Option<TxnId>, ResponseCode),
    ) -> Undo {
        const SAID: ElementSet = ElementSet::of(&[3, 4, 49]);
        let named = arrival.get(ElementNo::ORIGINAL).as_deref().and_then(mti_named);
        Undo {
            asker: arrival.link,
            key,
            content: arrival.content,
            mti: arrival.mti(),
            original_key,
            original,
            of_advice: named.is_some_and(|mti| mti.function() == Function::Advice),
            says_all: arrival.card.one().is_some() && arrival.present().and(SAID) == SAID,
            code,
            at: self.now.wall,
        }
    }

    /// From now on a reversal of this transaction is owed to its issuer, under a fresh pair, whatever was owed before.
    pub(super) fn owe(&mut self, txn: TxnId, reason: Reason, fx: &mut Effects) {
        let Some(standing) = self.log.standing(txn) else { return };
        let Some(issuer) = standing.sent().map(|sent| sent.issuer) else { return };
        let old = standing.reversal.as_ref().map(|debt| debt.trace);
        let trace = match old.filter(|_| planted::is(Bug::ReopenedUnderTheSameKey)) {
            Some(old) => Some(old),
            None => self.log.fresh_trace(issuer, Class::Reversal, self.now.wall),
        };
        let Some(trace) = trace else { return };
        fx.notes.push(Note::Owed { issuer, reason });
        self.append(Record::Owed { txn, at: self.now.wall, trace, reason }, fx);
        self.post_owed(txn, Owing::Reversal, fx);
    }
}

/// Whether a message names no other card than an earlier one.
pub(super) fn is_of_one_card(arrival: &Arrival, sent: &Sent) -> bool {
    match (arrival.card.one(), &sent.card) {
        (Some(named), Some(card)) => named.token == card.token,
        _ => true,
    }
}

/// Whether a reversal speaks of this original: what it repeats is the same. In element 4 it may say one of these amounts, too: what
/// was granted of what was asked, and a partial one, what is left, as networks of 1993 do.
pub(super) fn speaks_of(arrival: &Arrival, sent: &Sent, amounts: &[Option<u64>]) -> bool {
    let same = |no| match (arrival.get(no), sent.elements.get(no)) {
        (Some(named), Some(original)) => *named == *original,
        _ => true,
    };
    let said = arrival.get(ElementNo::AMOUNT);
    let says = |amount: &u64| said.as_deref() == Some(format!("{amount:012}").as_bytes());
    let of_amount = same(ElementNo::AMOUNT) || amounts.iter().flatten().any(says);
    is_of_one_card(arrival, sent) && of_amount && same(ElementNo::CURRENCY)
}
