//! An authorization and its increments: one sum, against which all that is claimed of any of them is held.
//!
//! Each of them is approved, lowered and undone by itself; what stands of all of them is what may be captured.

use rusqlite::Connection;

use super::LedgerError;
use super::claims::{completions, increments};
use crate::books::{Approved, View};
use crate::clearing::claim::{Authorization, Over, Stands};
use crate::planted::{self, Bug};
use crate::record::{Standing, TxnId};

/// What is left of an authorization and its increments.
pub(super) struct Left {
    /// Whether any of them stands.
    pub(super) stands: bool,
    /// How much, when that is less than was approved.
    pub(super) at_most: Option<u64>,
}

impl Left {
    /// Of an authorization that nothing raises.
    pub(super) fn alone(standing: &Standing) -> Self {
        Self { stands: standing.stands_approved(), at_most: standing.lowered }
    }
}

fn authorization(books: &View, txn: TxnId) -> Result<Option<Authorization>, LedgerError> {
    Ok(books.standing(txn)?.as_ref().and_then(Authorization::of))
}

/// The first authorization of what one raises, for the sum of all of them; any other transaction as it is.
pub(super) fn whole(
    connection: &Connection,
    books: &View,
    mut it: Authorization,
) -> Result<Authorization, LedgerError> {
    if let Some(first) = it.raises
        && let Some(first) = authorization(books, first)?
    {
        it = first;
    }
    if planted::is(Bug::IncrementForgotten) {
        return Ok(it);
    }
    for txn in increments(connection, it.txn)? {
        let Some(one) = authorization(books, txn)? else { continue };
        match one.stands {
            Stands::InFlight => it.waits = true,
            Stands::Declined => {}
            Stands::Reversed => it.over = Over::Never,
            Stands::Approved => {
                if it.stands != Stands::Approved {
                    // It was undone alone: what raised it stands.
                    if it.stands == Stands::Reversed {
                        it.over = Over::Never;
                    }
                    (it.stands, it.amount, it.granted) = (Stands::Approved, 0, 0);
                }
                if one.over == Over::Never {
                    it.over = Over::Never;
                }
                it.amount = it.amount.saturating_add(one.amount);
                it.granted = it.granted.saturating_add(one.granted);
            }
        }
    }
    Ok(it)
}

/// What is left of an authorization and its increments, as it is to be presented.
pub(super) fn left(
    connection: &Connection,
    books: &View,
    first: &Standing,
) -> Result<Left, LedgerError> {
    let increments = increments(connection, first.id)?;
    if increments.is_empty() || planted::is(Bug::IncrementForgotten) {
        return Ok(Left::alone(first));
    }
    let mut stands = false;
    let (mut granted, mut sum) = (0_i64, 0_i64);
    let mut count = |one: Option<Authorization>| {
        let Some(one) = one else { return };
        if matches!(one.stands, Stands::Approved | Stands::Reversed) {
            granted = granted.saturating_add(one.granted);
        }
        if one.stands == Stands::Approved {
            stands = true;
            sum = sum.saturating_add(one.amount);
        }
    };
    count(Authorization::of(first));
    for txn in increments {
        count(authorization(books, txn)?);
    }
    let at_most = (sum < granted).then(|| u64::try_from(sum).unwrap_or(0));
    Ok(Left { stands, at_most })
}

/// An approval with all that raised it, and with what completed it.
pub(super) struct Whole {
    /// The first one; its amount and what stands are those of all.
    pub(super) approved: Approved,
    /// The advices that completed it and stand, in its currency and its way; they clear in its place.
    pub(super) completions: Vec<Approved>,
    /// Whether any does, in whatever currency: then no claim of it is presented.
    pub(super) is_completed: bool,
}

/// An approval with all that belongs to it; none where it belongs to an earlier one that was approved: it is in the line of that.
pub(super) fn approved(
    connection: &Connection,
    books: &View,
    mut one: Approved,
) -> Result<Option<Whole>, LedgerError> {
    if let Some(of) = one.completes.map_or(Ok(None), |of| books.approved(of))?
        && completions_of(connection, books, &of)?.contains(&one)
    {
        return Ok(None);
    }
    if !planted::is(Bug::IncrementForgotten) {
        if let Some(first) = one.raises
            && increments(connection, first)?.contains(&one.txn)
        {
            return Ok(None);
        }
        for txn in increments(connection, one.txn)? {
            if let Some(more) = books.approved(txn)? {
                one.amount = one.amount.saturating_add(more.amount);
                one.stands = one.stands.saturating_add(more.stands);
            }
        }
    }
    let mut is_completed = false;
    for txn in completions(connection, one.txn)? {
        is_completed |= books.approved(txn)?.is_some_and(|by| by.clears);
    }
    let completions = completions_of(connection, books, &one)?;
    Ok(Some(Whole { approved: one, completions, is_completed }))
}

/// The advices that complete an authorization, as far as they stand and are of its currency and way: what is not adds up to nothing
/// with it. Of those that name it, only as many as are looked at: the others are told by themselves.
fn completions_of(
    connection: &Connection,
    books: &View,
    of: &Approved,
) -> Result<Vec<Approved>, LedgerError> {
    let mut all = Vec::new();
    for txn in completions(connection, of.txn)? {
        let alike = |by: &Approved| (by.currency, by.pays_card) == (of.currency, of.pays_card);
        all.extend(books.approved(txn)?.filter(|by| by.clears && alike(by)));
    }
    Ok(all)
}
