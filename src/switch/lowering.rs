//! A partial reversal, 0400 or 0420 with replacement amounts: its original stays approved, for less.

use std::sync::Arc;

use crate::iso::{Class, ElementNo, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{Debt, Outcome, Owing, Reason, Record, Standing, TxnId};
use crate::seal::Tag;
use crate::tranlog::{self, Ask};

use super::authorize::Refusal;
use super::effect::{Effects, Note, Why};
use super::engine::Engine;
use super::input::Arrival;
use super::inquiry::Known;
use super::named::Named;
use super::reversal::speaks_of;
use super::translate::TOO_LONG;

impl Engine {
    /// A partial reversal that is new: of a transaction in memory, or of one to be looked up. `amounts` is element 95.
    pub(super) fn lower(
        &mut self,
        arrival: Box<Arrival>,
        (key, original): (Tag, Tag),
        (amounts, known): (&[u8], &Known),
        fx: &mut Effects,
    ) {
        // What was refused is refused again, in the same words.
        if let Some((code, same)) = self.held.get(key, arrival.content) {
            return self.held_again(&arrival, code, same, fx);
        }
        let Some(left) = minor_units(amounts) else {
            let why = "element 95 does not begin with twelve digits";
            return self.refuse(&arrival, ResponseCode::FORMAT, why, fx);
        };
        match self.log.by_key(original) {
            // Maybe by this very message, long ago: its outcome is in the books.
            Some(txn) if self.is_lowered(txn) && !known.has(key) => {
                self.inquire(arrival, known, Ask::Key(key), fx);
            }
            Some(txn) => self.lower_known(&arrival, (key, original), (txn, left), fx),
            None if known.has(original) || self.held.get(original, arrival.content).is_some() => {
                // Nobody who heard an approval can mean this one, so that it is not declined should it ever come.
                let of = Some(Box::new(Named::arrived(&arrival)));
                fx.notes.push(Note::Undone {
                    asker: arrival.link,
                    known: false,
                    in_flight: false,
                    of,
                });
                let why = Why::Said("the original of a partial reversal was never seen");
                self.decline_unsent(&arrival, key, (ResponseCode::NOT_FOUND, why), fx);
            }
            None => self.inquire(arrival, known, Ask::Key(original), fx),
        }
    }

    fn is_lowered(&self, txn: TxnId) -> bool {
        self.log.standing(txn).is_some_and(|standing| standing.lowered.is_some())
    }

    fn lower_known(
        &mut self,
        arrival: &Arrival,
        keys: (Tag, Tag),
        (original, left): (TxnId, u64),
        fx: &mut Effects,
    ) {
        let Some(standing) = self.log.standing(original) else { return };
        if standing.outcome == Outcome::InFlight {
            // Nobody knows yet what it would be lowered from. Its sender says it again, so the decline is not held.
            let (asker, code) = (arrival.link, ResponseCode::MALFUNCTION);
            let why = Why::Said("the original of a partial reversal is not answered yet");
            fx.notes.push(Note::Declined {
                asker,
                of: Box::new(Named::arrived(arrival)),
                code,
                why,
            });
            return self.decline(arrival, code, fx);
        }
        let lowering = match self.lowering(arrival, keys, (standing, left)) {
            Ok(lowering) => lowering,
            Err((code, why)) => {
                if code == ResponseCode::DUPLICATE {
                    fx.notes.push(Note::OtherContent {
                        asker: arrival.link,
                        of: Box::new(Named::arrived(arrival)),
                    });
                }
                if code == ResponseCode::MALFUNCTION {
                    fx.notes.push(Note::Declined {
                        asker: arrival.link,
                        of: Box::new(Named::arrived(arrival)),
                        code,
                        why,
                    });
                    return self.decline(arrival, code, fx);
                }
                return self.decline_unsent(arrival, keys.0, (code, why), fx);
            }
        };
        fx.notes.push(Note::Undone {
            asker: arrival.link,
            known: true,
            in_flight: false,
            of: None,
        });
        if let Some(issuer) = self.issuer_of(original) {
            fx.notes.push(Note::Owed { issuer, reason: Reason::Lowered });
        }
        self.append(lowering, fx);
        self.untold.remove(&original);
        self.post_owed(original, Owing::Reversal, fx);
        self.decline(arrival, ResponseCode::APPROVED, fx);
    }

    /// The record that lowers an original to what is left of it; or why it is not lowered.
    fn lowering(
        &self,
        arrival: &Arrival,
        keys: (Tag, Tag),
        (standing, left): (&Standing, u64),
    ) -> Result<Record, Refusal> {
        let says = |code, why| Err((code, Why::Said(why)));
        let Some(sent) = standing.sent() else {
            return says(ResponseCode::NOT_FOUND, "its original was reversed before it came");
        };
        if !speaks_of(arrival, sent, &[Some(left), standing.granted()]) {
            return says(
                ResponseCode::DUPLICATE,
                "its original had another card, amount or currency",
            );
        }
        if !standing.stands_approved() {
            return says(ResponseCode::NOT_FOUND, "its original does not stand approved");
        }
        if standing.lowered.is_some() && !planted::is(Bug::LoweredTwice) {
            return says(ResponseCode::DUPLICATE, "another partial reversal lowered its original");
        }
        let granted = standing.granted().unwrap_or(0);
        if granted <= left && !planted::is(Bug::RaisedByReversal) {
            return says(
                ResponseCode::INVALID_AMOUNT,
                "its replacement amount is not below what was approved",
            );
        }
        // What its issuer cannot be told is refused now, while its sender still listens. A link that a reload took away owes it
        // like any reversal, until it is back.
        let link = self.peers.settings(sent.issuer);
        if link.is_some_and(|link| !link.tongue.says_partial()) {
            return says(ResponseCode::INVALID, "its issuer's network knows no partial reversals");
        }
        let trace = self.log.fresh_trace(sent.issuer, Class::Reversal, self.now.wall).ok_or((
            ResponseCode::MALFUNCTION,
            Why::Said("every trace number of its issuer's link is taken"),
        ))?;
        let undo = self.undo(arrival, keys, (Some(standing.id), ResponseCode::APPROVED));
        let record = Record::Lowered { undo: Arc::new(undo), amount: left, trace };
        let mut after = standing.clone();
        tranlog::fold(&mut after, self.log.tail(), &record);
        let sayable = self.owed_body(&after, Owing::Reversal, true).is_some();
        if sayable || link.is_none() { Ok(record) } else { Err(TOO_LONG) }
    }

    /// What was lowered is lowered at its issuer once more, under a fresh pair: the issuer may have booked all of it meanwhile.
    pub(super) fn lower_again(&mut self, txn: TxnId, fx: &mut Effects) {
        let lowers = |standing: &Standing| standing.reversal.as_ref().is_some_and(Debt::lowers);
        if self.log.standing(txn).is_some_and(lowers) {
            self.owe(txn, Reason::Lowered, fx);
        }
    }
}

/// The first twelve digits of element 95.
fn minor_units(amounts: &[u8]) -> Option<u64> {
    let digits = amounts.get(..12).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Element 95 of what an original stands for: the other amounts and the fees are not known here, and are zeros.
pub(super) fn replacement_amounts(left: u64) -> Vec<u8> {
    format!("{left:012}{:030}", 0).into_bytes()
}

/// Element 95, replacement amounts.
pub(super) const REPLACEMENT: ElementNo = ElementNo::of(95);
