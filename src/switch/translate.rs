//! A request in its issuer's words: what of it may be said there, and how.

use crate::clearing::Flow;
use crate::codec::Draft;
use crate::iso::{
    BusinessDate, Class, ElementNo, ElementSet, Elements, Function, ResponseCode, Wall,
};
use crate::mapping::Tongue;
use crate::planted::{self, Bug};
use crate::record::{Opening, Sent, Standing, Trace, TxnId};

use super::authorize::Refusal;
use super::effect::Why;
use super::engine::Engine;
use super::input::Arrival;
use super::reversal::is_of_one_card;
use super::settings::LinkSettings;

/// What could be accepted, and never sent.
pub(super) const TOO_LONG: Refusal = (
    ResponseCode::FORMAT,
    Why::Said("it is longer than its issuer's frames: raise that link's frame_len_max"),
);

impl Engine {
    /// The request as its issuer's network writes it, under our pair, accepted at that time: its reversal names it. It is put
    /// into `body`, which is empty.
    pub(super) fn translated(
        &self,
        arrival: &Arrival,
        (link, named): (&LinkSettings, &Elements),
        (trace, date, at): (Trace, BusinessDate, Wall),
        mut body: Vec<u8>,
    ) -> Result<Vec<u8>, Refusal> {
        const OURS: ElementSet = ElementSet::of(&[7, 11]);
        let mut own = Elements::with_capacity(32);
        own.set(ElementNo::TRANSMISSION, &trace.transmission.ascii());
        own.set(ElementNo::STAN, &trace.stan.ascii());
        if link.stamps_date && !arrival.present().has(ElementNo::SETTLEMENT_DATE) {
            own.set(ElementNo::SETTLEMENT_DATE, &date.mmdd());
        }
        for (no, value) in named.iter() {
            own.set(no, value);
        }
        let copied =
            self.sayable(arrival, link)?.minus(OURS.or(Tongue::NAMES)).minus(own.present());
        let copied = Some((&arrival.message, copied));
        let draft = Draft { mti: arrival.mti().plain(), own: &own, copied };
        link.tongue
            .write(&draft, at, &mut body)
            .map_err(|fault| (ResponseCode::FORMAT, Why::Unsayable { issuer: link.id, fault }))?;
        if !link.frames(link.head, &body) {
            return Err(TOO_LONG);
        }
        Ok(body)
    }

    /// The elements that name, towards `link`, what a message completes or raises, or else what it mentions of its own card, as
    /// the link's peers know that. None where it is not known: by its asker's pair they might find another one.
    pub(super) fn named_there(
        &self,
        arrival: &Arrival,
        tied: Option<TxnId>,
        link: &LinkSettings,
    ) -> Result<Elements, Refusal> {
        let mut named = Elements::default();
        let names_another = arrival.named.is_some() || tied.is_some();
        let Some(original) = arrival.original_key.filter(|_| names_another) else {
            return Ok(named);
        };
        if tied.is_some()
            && arrival.mti().function() == Function::Request
            && !link.tongue.names_originals()
        {
            let why = "its issuer's network has no element that names what it raises";
            return Err((ResponseCode::INVALID, Why::Said(why)));
        }
        let first = tied.map_or_else(|| self.first_named(original), |tied| self.log.standing(tied));
        let Some((first, sent)) = first.and_then(|first| Some((first, first.sent()?))) else {
            return Ok(named);
        };
        let (data, said) = (original_data(first, sent), (&sent.elements, sent.at));
        let (class, of) = (arrival.mti().class(), sent.mti.class());
        // Where it is of one class and reference with what it names, issuers that match advices with requests take it for that.
        let reference = arrival.get(ElementNo::RRN);
        let is_matched = class == of && reference.as_deref() == sent.elements.get(ElementNo::RRN);
        let is_findable = sent.issuer == link.id && link.tongue.names_originals();
        if tied.is_some() {
            // A fact that raises it is stored all the same, and told by itself.
            let advises = arrival.mti().function() == Function::Advice;
            if advises && class == of && self.looks_like_a_match(arrival, first.id) {
                return Ok(named);
            }
            link.tongue.name_original(&mut named, &data, said);
        } else if is_findable && !is_matched && is_of_one_card(arrival, sent) {
            let completes = (class, of) == (Class::Financial, Class::Authorization);
            if completes && is_of_one_flow(arrival, sent) {
                // A request that completes: of 1993 its function code says so.
                link.tongue.name_original(&mut named, &data, said);
            } else {
                link.tongue.mention(&mut named, &data, said);
            }
        }
        Ok(named)
    }

    /// What of a message its issuer may be told: not what only its asker's own edition of the standard says, and what may not
    /// be left out refuses it.
    pub(super) fn sayable(
        &self,
        arrival: &Arrival,
        link: &LinkSettings,
    ) -> Result<ElementSet, Refusal> {
        let Some(asker) = self.peers.settings(arrival.link) else { return Ok(arrival.present()) };
        asker
            .tongue
            .sayable(arrival.present(), &link.tongue)
            .map_err(|fault| (ResponseCode::FORMAT, Why::Unsayable { issuer: link.id, fault }))
    }
}

/// Whether a message gives money back where what it names does, and takes it where that takes it.
pub(super) fn is_of_one_flow(arrival: &Arrival, sent: &Sent) -> bool {
    let gives_back = |code: &[u8]| Flow::of(code) == Some(Flow::Refund);
    let code = arrival.get(ElementNo::PROCESSING_CODE);
    let of = sent.elements.get(ElementNo::PROCESSING_CODE);
    // What says nothing of it follows what it names.
    code.as_deref().is_none_or(|code| gives_back(code) == of.is_some_and(gives_back))
}

/// What is written down of a message names what its receiver finds by it, and nothing else.
pub(super) fn rename(elements: &mut Elements, named: Option<&Elements>) {
    for no in Tongue::NAMES.iter() {
        match named.and_then(|named| named.get(no)) {
            Some(value) => elements.set(no, value),
            None => elements.remove(no),
        }
    }
}

/// Element 90 of what is about a message, as its issuer knows that: MTI, our pair, acquirer and forwarder.
pub(super) fn original_data(standing: &Standing, sent: &Sent) -> Vec<u8> {
    // What was approved in its issuer's place reached the issuer as an advice alone, unless it was sent before.
    let advised = matches!(standing.opening, Opening::Advice(_));
    let mti = if advised { sent.advice_mti() } else { sent.mti.plain() };
    let trace = match &standing.advice {
        // A mistake on purpose.
        Some(debt) if standing.is_undone() && planted::is(Bug::MatchedNamedByItsAdvice) => {
            debt.trace
        }
        _ => sent.trace,
    };
    let mut original = Vec::with_capacity(42);
    original.extend_from_slice(&mti.ascii());
    original.extend_from_slice(&trace.stan.ascii());
    original.extend_from_slice(&trace.transmission.ascii());
    for institution in [ElementNo::ACQUIRER, ElementNo::FORWARDER] {
        let id = sent.elements.get(institution).filter(|id| id.len() <= 11).unwrap_or_default();
        original.extend(std::iter::repeat_n(b'0', 11 - id.len()));
        original.extend_from_slice(id);
    }
    original
}
