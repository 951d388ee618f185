//! The state machine of one transaction: its standing, changed by one record at a time.

use std::sync::Arc;

use crate::iso::{Elements, Wall};
use crate::planted::{self, Bug};
use crate::record::{
    Approval, Closing, Debt, DebtState, LinkId, Lsn, Opening, Outcome, Owing, Reason, Record,
    Standing, Trace, TxnId, Unanswered, Verdict,
};

/// The standing that a record opens; none for the others.
pub fn opened(id: TxnId, record: &Record) -> Option<Standing> {
    let standing = |opening, outcome, advice| Standing {
        id,
        opening,
        outcome,
        heard: Approval::Never,
        told: false,
        advice,
        reversal: None,
        undone_by: None,
        lowered: None,
        completed_by: None,
    };
    match record {
        Record::Sent(sent) => {
            Some(standing(Opening::Request(Arc::clone(sent)), Outcome::InFlight, None))
        }
        Record::Stored(sent) => {
            let debt = Some(advice_of(sent.trace, sent.at));
            Some(standing(Opening::Advice(Arc::clone(sent)), Outcome::Stored, debt))
        }
        Record::StoodIn { sent, added } | Record::StoodInAfter { sent, added, .. } => {
            let outcome = Outcome::Answered {
                verdict: Verdict::Approved,
                added: Arc::clone(added),
                at: sent.at,
            };
            let debt = Some(advice_of(sent.trace, sent.at));
            Some(standing(Opening::Advice(Arc::clone(sent)), outcome, debt))
        }
        Record::Undone(undo) | Record::Lowered { undo, .. } => {
            Some(standing(Opening::Reversal(Arc::clone(undo)), Outcome::Stored, None))
        }
        Record::Restored(standing) | Record::Carried(standing) => Some((**standing).clone()),
        Record::Rerouted { .. }
        | Record::StoodInMatched { .. }
        | Record::Answered { .. }
        | Record::Told { .. }
        | Record::Over { .. }
        | Record::Late { .. }
        | Record::Owed { .. }
        | Record::Closed { .. }
        | Record::Requeued { .. }
        | Record::WrittenOff { .. }
        | Record::OrphanWrittenOff { .. }
        | Record::Unmatched { .. }
        | Record::Opened { .. }
        | Record::Cut { .. }
        | Record::CarryBegins { .. }
        | Record::Spent { .. }
        | Record::CarryEnds { .. } => None,
    }
}

/// The advice that is owed of a message from the record on that accepted it.
const fn advice_of(trace: Trace, since: Wall) -> Debt {
    debt_of(trace, since, Reason::Asked)
}

/// Changes a standing by the record about it that stands at `lsn`. A record that cannot follow what went before is a broken
/// invariant: it stops the process, with the journal intact.
pub fn fold(standing: &mut Standing, lsn: Lsn, record: &Record) {
    match record {
        Record::Rerouted { issuer, trace, .. } => reroute(standing, (*issuer, *trace)),
        Record::Answered { at, verdict, added, .. } => {
            assert!(standing.outcome == Outcome::InFlight, "{:?} was answered twice", standing.id);
            standing.heard = standing.heard.max(match verdict {
                Verdict::Approved | Verdict::Mismatched => Approval::Approved,
                Verdict::Declined => Approval::Declined,
            });
            standing.outcome =
                Outcome::Answered { verdict: *verdict, added: Arc::clone(added), at: *at };
        }
        Record::Told { .. } => standing.told = true,
        Record::Over { at, why, .. } => {
            assert!(standing.outcome == Outcome::InFlight, "{:?} was over already", standing.id);
            standing.outcome = Outcome::Over { why: *why, at: *at };
        }
        Record::StoodInAfter { .. } => give_way(standing),
        Record::StoodInMatched { at, trace, added, .. } => {
            stand_in(standing, added, (*trace, *at));
        }
        Record::Late { approved, .. } => {
            assert!(standing.outcome != Outcome::InFlight, "{:?} is not over yet", standing.id);
            let heard = if *approved { Approval::Approved } else { Approval::Declined };
            standing.heard = standing.heard.max(heard);
        }
        Record::Owed { at, trace, reason, .. } => {
            standing.reversal = Some(debt_of(*trace, *at, *reason));
        }
        Record::Closed { owing, trace, closing, code, .. } => {
            let debt = debt_mut(standing, *owing);
            if let Some(debt) =
                debt.filter(|debt| debt.trace == *trace && debt.state == DebtState::Open)
            {
                debt.state = DebtState::Closed(*closing);
                debt.code = *code;
                if *owing == Owing::Advice && *closing == Closing::Final {
                    standing.heard = Approval::Approved;
                }
            }
        }
        Record::Requeued { at, owing, trace, .. } => {
            rule_on(standing, *owing, |debt| {
                (debt.trace, debt.since, debt.code) = (*trace, *at, None);
                (debt.state, debt.requeued) = (DebtState::Open, true);
            });
        }
        Record::WrittenOff { owing, .. } => {
            rule_on(standing, *owing, |debt| debt.state = DebtState::Closed(Closing::WrittenOff));
        }
        Record::Undone(_) => standing.undone_by = Some(TxnId(lsn.0)),
        Record::Lowered { undo, amount, trace } => {
            standing.undone_by = Some(TxnId(lsn.0));
            lower(standing, *amount, (*trace, undo.at));
        }
        Record::Stored(_) => standing.completed_by = Some(TxnId(lsn.0)),
        Record::Sent(_)
        | Record::StoodIn { .. }
        | Record::Spent { .. }
        | Record::OrphanWrittenOff { .. }
        | Record::Unmatched { .. }
        | Record::Restored(_)
        | Record::Opened { .. }
        | Record::Cut { .. }
        | Record::CarryBegins { .. }
        | Record::Carried(_)
        | Record::CarryEnds { .. } => {}
    }
}

/// A request that never left goes elsewhere. Its old pair is spent.
fn reroute(standing: &mut Standing, (issuer, trace): (LinkId, Trace)) {
    assert!(standing.outcome == Outcome::InFlight, "{:?} is not in flight", standing.id);
    if let Opening::Request(sent) = &mut standing.opening {
        let sent = Arc::make_mut(sent);
        (sent.issuer, sent.trace) = (issuer, trace);
    }
}

/// What was not answered in time is approved in its issuer's place, by another transaction.
fn give_way(standing: &mut Standing) {
    let unanswered = matches!(standing.outcome, Outcome::Over { why: Unanswered::Deadline, .. });
    assert!(unanswered, "{:?} did not time out", standing.id);
    if let Outcome::Over { why, .. } = &mut standing.outcome {
        *why = Unanswered::StoodIn;
    }
}

/// What was not answered in time is approved in its issuer's place, as the transaction that it is. What its issuer ever said is
/// left alone: nothing, so far.
fn stand_in(standing: &mut Standing, added: &Arc<Elements>, (trace, at): (Trace, Wall)) {
    assert!(standing.outcome == Outcome::InFlight, "{:?} is not in flight", standing.id);
    let added = Arc::clone(added);
    standing.outcome = Outcome::Answered { verdict: Verdict::Approved, added, at };
    standing.advice = Some(advice_of(trace, at));
}

/// It stands for so much from now on, and its issuer is owed a message that says so.
fn lower(standing: &mut Standing, amount: u64, (trace, at): (Trace, Wall)) {
    let stands = standing.stands_approved() && standing.lowered.is_none();
    assert!(
        stands || planted::is(Bug::LoweredTwice),
        "{:?} is lowered, and does not stand for what was approved",
        standing.id
    );
    standing.lowered = Some(amount);
    // Whoever wants it lowered has heard it.
    standing.told |= !planted::is(Bug::LoweredUnheard);
    let all = planted::is(Bug::PartialUndoesAll);
    let reason = if all { Reason::Asked } else { Reason::Lowered };
    standing.reversal = Some(debt_of(trace, at, reason));
}

/// What is owed from now on.
const fn debt_of(trace: Trace, since: Wall, reason: Reason) -> Debt {
    Debt { trace, since, reason, state: DebtState::Open, code: None, requeued: false }
}

const fn debt_mut(standing: &mut Standing, owing: Owing) -> Option<&mut Debt> {
    match owing {
        Owing::Advice => standing.advice.as_mut(),
        Owing::Reversal => standing.reversal.as_mut(),
    }
}

/// An operator decided about a dead letter: nothing else may be sent again, or written off.
fn rule_on(standing: &mut Standing, owing: Owing, change: impl FnOnce(&mut Debt)) {
    let id = standing.id;
    let debt = debt_mut(standing, owing);
    let dead = DebtState::Closed(Closing::Dead);
    assert!(
        debt.as_ref().is_some_and(|debt| debt.state == dead),
        "the {} of {id:?} is no dead letter",
        owing.word()
    );
    if let Some(debt) = debt {
        change(debt);
    }
}
