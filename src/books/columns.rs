//! What people see of a transaction: its standing as columns. Shows no card in clear.

use std::borrow::Cow;

use crate::iso::{ElementNo, Elements, Wall};
use crate::record::{Debt, DebtState, Opening, Outcome, Standing, Verdict};

/// The columns that a later record may change.
pub(super) struct Changing<'a> {
    pub(super) amount: Option<i64>,
    /// What was approved of something that was lowered since.
    pub(super) amount_before: Option<i64>,
    pub(super) outcome: &'static str,
    pub(super) outcome_at: Option<i64>,
    pub(super) code: Option<Cow<'a, str>>,
    pub(super) approval: Option<Cow<'a, str>>,
    pub(super) advice: Option<&'static str>,
    pub(super) reversal: Option<&'static str>,
    pub(super) untold: Option<i64>,
    pub(super) owes: Option<i64>,
}

impl<'a> Changing<'a> {
    pub(super) fn of(standing: &'a Standing) -> Self {
        let added = match &standing.outcome {
            Outcome::Answered { added, .. } => Some(&**added),
            Outcome::InFlight | Outcome::Over { .. } | Outcome::Stored => None,
        };
        let outcome_at = match &standing.outcome {
            Outcome::Answered { at, .. } | Outcome::Over { at, .. } => Some(*at),
            Outcome::InFlight | Outcome::Stored => None,
        };
        let code = match &standing.opening {
            Opening::Reversal(undo) => Some(Cow::Owned(undo.code.to_string())),
            Opening::Request(_) | Opening::Advice(_) => {
                added.and_then(|added| text(added, ElementNo::RESPONSE_CODE))
            }
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
            approval: added.and_then(|added| text(added, ElementNo::APPROVAL_CODE)),
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
    let value = elements.get(no)?.trim_ascii();
    if value.is_ascii() {
        return std::str::from_utf8(value).ok().map(Cow::Borrowed);
    }
    Some(value.iter().map(|byte| char::from(*byte)).collect::<String>().into())
}

pub(super) fn ms(wall: Wall) -> i64 {
    i64::try_from(wall.0).unwrap_or(i64::MAX)
}
