//! Whether an answer fits its request, and what it adds to it.

use crate::iso::{ElementNo, ElementSet, Elements, Pan, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::{Card, Outcome, Secret, Sent, Standing, Verdict};
use crate::seal::Keys;

use super::input::Arrival;
use super::settings::LinkSettings;

/// Element 39, if it can be read.
pub(super) fn code_of(arrival: &Arrival) -> Option<ResponseCode> {
    arrival.get(ElementNo::RESPONSE_CODE).and_then(|code| ResponseCode::new(&code).ok())
}

/// What an answer has in common with its request, where its network repeats it: processing code, amount, currency.
const COMPARED: ElementSet = ElementSet::of(&[3, 4, 49]);

/// The first of PAN, processing code, amount and currency that the network repeats and this answer does not.
pub(super) fn first_difference(
    (sent, names_card): (&Sent, bool),
    (arrival, added): (&Arrival, &Elements),
    link: &LinkSettings,
) -> Option<ElementNo> {
    let echo = link.dialect().echo();
    // A request by track alone has no element 2 that could be repeated; an answer may name the card all the same.
    let named = |card| match arrival.get(ElementNo::PAN) {
        Some(pan) => is_of(card, &pan),
        None => !names_card || planted::is(Bug::AbsentCardAccepted),
    };
    if echo.has(ElementNo::PAN) && sent.card.as_ref().is_some_and(|card| !named(card)) {
        return Some(ElementNo::PAN);
    }
    element_not_repeated(sent, (arrival, added), link)
}

/// The first of processing code, amount and currency that the network repeats and this answer does not.
pub(super) fn element_not_repeated(
    sent: &Sent,
    (arrival, added): (&Arrival, &Elements),
    link: &LinkSettings,
) -> Option<ElementNo> {
    let echo = link.dialect().echo();
    let repeated = COMPARED.and(echo).and(sent.elements.present());
    let other = added.present().or(sent.elements.present().minus(arrival.present()));
    repeated.and(other).iter().find(|no| *no != ElementNo::AMOUNT || !is_partial(sent, arrival))
}

/// The first of these that an acknowledgement has, and has otherwise: it may leave them out, and that of a partial reversal may
/// name the amount to which its original was lowered.
pub(super) fn named_otherwise(
    standing: &Standing,
    arrival: &Arrival,
    (link, lowered): (&LinkSettings, Option<u64>),
) -> Option<ElementNo> {
    let sent = standing.sent()?.elements.present();
    let named = COMPARED.and(link.dialect().echo()).and(sent).and(arrival.present());
    let lowered = lowered.map(|amount| format!("{amount:012}").into_bytes());
    let is_lowered =
        lowered.is_some() && arrival.get(ElementNo::AMOUNT).as_deref() == lowered.as_deref();
    let otherwise = added(standing, arrival).present().and(named);
    otherwise.iter().find(|no| *no != ElementNo::AMOUNT || !is_lowered)
}

/// The element in which an answer names another card, where its network repeats that. Some networks hide the number: by
/// what is no digit, or by others where logs have stars.
pub(super) fn another_card(
    standing: &Standing,
    arrival: &Arrival,
    (link, keys): (&LinkSettings, &Keys),
) -> Option<ElementNo> {
    let card = standing.sent()?.card.as_ref()?;
    let pan = Pan::new(&arrival.get(ElementNo::PAN)?).ok()?;
    let hidden = pan.masked() == card.masked || pan.expose().iter().all(|digit| *digit == b'0');
    let other = keys.tag("card", &[pan.expose()]) != card.token && !hidden;
    let other = other && !planted::is(Bug::AcknowledgementOfAnyCard);
    (other && link.dialect().echo().has(ElementNo::PAN)).then_some(ElementNo::PAN)
}

/// Whether an approval is for less than was asked: digits of one length compare like their numbers.
fn is_partial(sent: &Sent, arrival: &Arrival) -> bool {
    let answered = arrival.get(ElementNo::AMOUNT);
    code_of(arrival) == Some(ResponseCode::PARTIAL)
        && answered.is_some()
        && answered.as_deref() <= sent.elements.get(ElementNo::AMOUNT)
}

/// Whether digits are those of a card. What waits for an answer has its card in clear.
fn is_of(card: &Card, digits: &[u8]) -> bool {
    match &card.secret {
        Secret::Clear(pan) => pan.expose() == digits,
        Secret::Sealed(_) => false,
    }
}

/// The pair, the card, what the issuer calls another message, and what is good for one link only.
pub(super) const NEVER_ADDED: ElementSet = ElementSet::of(&[2, 7, 11, 35, 36, 45, 52, 64, 90, 128]);

/// What an answer adds to its request, or changes of it; never the pair, nor the card.
pub(super) fn added(standing: &Standing, arrival: &Arrival) -> Elements {
    let Some(sent) = standing.sent() else { return Elements::default() };
    let there = arrival.present().minus(NEVER_ADDED);
    let same = |(no, was): &(ElementNo, &[u8])| {
        there.has(*no) && arrival.get(*no).is_some_and(|value| *value == **was)
    };
    let repeated: ElementSet = sent.elements.iter().filter(same).map(|(no, _)| no).collect();
    // The code is the answer, whatever the request says in its place.
    arrival.message.elements(there.minus(repeated.without(ElementNo::RESPONSE_CODE)))
}

/// Whether an answer that came again adds what the one that stands already added.
pub(super) fn is_the_answer_that_stands(standing: &Standing, again: &Elements) -> bool {
    let Outcome::Answered { verdict, added, .. } = &standing.outcome else { return false };
    if standing.stood_in() {
        // What stands is not its issuer's word.
        return false;
    }
    let stands = standing.stands_approved() || *verdict == Verdict::Declined;
    let same_code = added.get(ElementNo::RESPONSE_CODE) == again.get(ElementNo::RESPONSE_CODE);
    // One of them may lack the approval code; with two it was approved twice.
    let approved = |answer: &Elements| {
        let code = answer.get(ElementNo::APPROVAL_CODE).map(<[u8]>::trim_ascii);
        code.filter(|code| !code.is_empty()).map(<[u8]>::to_vec)
    };
    let twice = approved(added).zip(approved(again)).is_some_and(|(one, other)| one != other);
    let lacks_it = approved(added).is_some() && approved(again).is_none();
    let twice = twice || lacks_it && planted::is(Bug::CopyWithoutItsCodeUndoes);
    stands && same_code && !twice
}
