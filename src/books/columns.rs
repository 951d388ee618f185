//! What people see of a transaction: its standing as columns. Shows no card in clear.

use std::borrow::Cow;

use crate::iso::{BusinessDate, ElementNo, Elements, Wall};
use crate::record::{Debt, DebtState, LinkId, Opening, Outcome, Standing, TxnId, Verdict};

/// The columns that the opening record settles. What a reversal does not have is none. Values of elements are as they came: see
/// `plain`.
pub(super) struct Lasting<'a> {
    pub(super) asker: LinkId,
    pub(super) issuer: Option<LinkId>,
    pub(super) mti: [u8; 4],
    pub(super) processing_code: Option<&'a [u8]>,
    pub(super) stan: Option<&'a [u8]>,
    pub(super) rrn: Option<&'a [u8]>,
    pub(super) terminal: Option<&'a [u8]>,
    pub(super) merchant: Option<&'a [u8]>,
    pub(super) card: Option<&'a [u8]>,
    pub(super) token: Option<[u8; 16]>,
    pub(super) currency: Option<&'a [u8]>,
    pub(super) date: Option<BusinessDate>,
    pub(super) at: Wall,
    pub(super) original: Option<TxnId>,
}

/// The columns that a later record may change.
pub(super) struct Changing<'a> {
    pub(super) amount: Option<i64>,
    /// What was approved of something that was lowered since.
    pub(super) amount_before: Option<i64>,
    pub(super) outcome: &'static str,
    pub(super) outcome_at: Option<i64>,
    pub(super) code: Option<&'a [u8]>,
    pub(super) approval: Option<&'a [u8]>,
    pub(super) advice: Option<&'static str>,
    pub(super) reversal: Option<&'static str>,
    pub(super) untold: Option<i64>,
    pub(super) owes: Option<i64>,
}

impl<'a> Lasting<'a> {
    pub(super) fn of(standing: &'a Standing) -> Self {
        let sent = match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => sent,
            Opening::Reversal(undo) => {
                return Self {
                    asker: undo.asker,
                    issuer: None,
                    mti: undo.mti.ascii(),
                    processing_code: None,
                    stan: None,
                    rrn: None,
                    terminal: None,
                    merchant: None,
                    card: None,
                    token: None,
                    currency: None,
                    date: None,
                    at: undo.at,
                    original: undo.original,
                };
            }
        };
        let [processing_code, stan, rrn, terminal, merchant, currency] = sent.elements.pick([
            ElementNo::PROCESSING_CODE,
            ElementNo::STAN,
            ElementNo::RRN,
            ElementNo::TERMINAL,
            ElementNo::MERCHANT,
            ElementNo::CURRENCY,
        ]);
        Self {
            asker: sent.asker,
            issuer: Some(sent.issuer),
            mti: sent.mti.ascii(),
            processing_code,
            stan,
            rrn,
            terminal,
            merchant,
            card: sent.card.as_ref().map(|card| card.masked.as_bytes()),
            token: sent.card.as_ref().map(|card| card.token.0.to_be_bytes()),
            currency,
            date: Some(sent.date),
            at: sent.at,
            original: None,
        }
    }
}

impl<'a> Changing<'a> {
    pub(super) fn of(standing: &'a Standing) -> Self {
        let (added, outcome_at) = match &standing.outcome {
            Outcome::Answered { added, at, .. } => (Some(&**added), Some(*at)),
            Outcome::Over { at, .. } => (None, Some(*at)),
            Outcome::InFlight | Outcome::Stored => (None, None),
        };
        let said = [ElementNo::APPROVAL_CODE, ElementNo::RESPONSE_CODE];
        let [approval, code] = added.map_or([None; 2], |added| added.pick(said));
        let code = match &standing.opening {
            Opening::Reversal(undo) => Some(undo.code.as_bytes()),
            Opening::Request(_) | Opening::Advice(_) => code,
        };
        let approved =
            matches!(&standing.outcome, Outcome::Answered { verdict: Verdict::Approved, .. });
        let untold = approved && !standing.told && !standing.is_undone();
        let listed = |debt: &Option<Debt>| {
            debt.as_ref().filter(|debt| is_listed(debt.state)).map(|debt| debt.since)
        };
        let owes = listed(&standing.advice).into_iter().chain(listed(&standing.reversal)).min();
        Self {
            amount: amount(standing),
            amount_before: standing
                .lowered
                .and_then(|_| standing.granted())
                .and_then(|amount| i64::try_from(amount).ok()),
            outcome: standing.outcome.word(),
            outcome_at: outcome_at.map(ms),
            code,
            approval,
            advice: standing.advice.as_ref().map(|debt| debt.state.word()),
            reversal: standing.reversal.as_ref().map(|debt| debt.state.word()),
            untold: outcome_at.filter(|_| untold).map(ms),
            owes: owes.map(ms),
        }
    }
}

/// Whether a debt is for the operator's eyes: everything but what is settled for good or written off.
pub(super) const fn is_listed(state: DebtState) -> bool {
    use crate::record::Closing;
    match state {
        DebtState::Open | DebtState::Closed(Closing::Provisional | Closing::Dead) => true,
        DebtState::Closed(Closing::Final | Closing::WrittenOff) => false,
    }
}

/// What was asked for, or granted by a partial approval, or left by a partial reversal.
pub(super) fn amount(standing: &Standing) -> Option<i64> {
    i64::try_from(standing.lowered.or_else(|| standing.granted())?).ok()
}

/// An element as text without its padding.
pub(super) fn text(elements: &Elements, no: ElementNo) -> Option<Cow<'_, str>> {
    match plain(elements.get(no)?) {
        Cow::Borrowed(text) => std::str::from_utf8(text).ok().map(Cow::Borrowed),
        Cow::Owned(text) => String::from_utf8(text).ok().map(Cow::Owned),
    }
}

/// The same of an element's value: UTF-8.
#[inline]
pub(super) fn plain(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if value.is_ascii() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
}

pub(super) fn ms(wall: Wall) -> i64 {
    i64::try_from(wall.0).unwrap_or(i64::MAX)
}
