//! How a transaction stands now, in words: what its asker has, what its issuer is owed, in which clearing it is.

use std::fmt::Write as _;

use super::Archive;
use super::follow::Family;
use crate::books::rows::Row;
use crate::books::{BooksError, tables};
use crate::clearing;
use crate::iso::{BusinessDate, Class};
use crate::record::{
    Approval, Closing, Debt, DebtState, LinkId, Opening, Outcome, Sent, Standing, TxnId,
    Unanswered, Verdict,
};

/// How one transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Which.
    pub txn: TxnId,
    /// In a word: `in_flight`, `approved`, `captured`, `cleared`, `held`, `taken_back`, `declined`, `reversed`,
    /// `owed`, `unconfirmed`, `given_up`, `written_off`, `stored`, `accepted`, `unknown_original`.
    pub state: &'static str,
    /// The clearing that it is in, or will be.
    pub date: Option<BusinessDate>,
    /// In a sentence.
    pub said: String,
    /// What is still open.
    pub open: Vec<String>,
}

impl Archive {
    /// How each of a family stands.
    pub(super) fn now(&self, family: &Family) -> Result<Vec<Now>, BooksError> {
        family.rows.values().map(|row| self.now_of(family, row)).collect()
    }

    fn now_of(&self, family: &Family, row: &Row) -> Result<Now, BooksError> {
        let standing = &row.standing;
        let txn = standing.id;
        let sent = match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => sent,
            Opening::Reversal(undo) => {
                let (state, said) = match undo.original {
                    Some(original) => match lowered_by(family, txn, original) {
                        Some(left) => {
                            ("accepted", format!("it lowers transaction {} to {left}", original.0))
                        }
                        None => ("accepted", format!("it reverses transaction {}", original.0)),
                    },
                    None => (
                        "unknown_original",
                        format!("answered {}: should its original come, it is declined", undo.code),
                    ),
                };
                return Ok(Now { txn, state, date: None, said, open: Vec::new() });
            }
        };
        let open = open(standing, &self.name(sent.issuer));
        let mut said = outcome(standing);
        let state = state(standing);
        if let (Some(left), Some(granted)) = (standing.lowered, standing.granted()) {
            let lowered = format!("; lowered from {granted} to {left} by a partial reversal");
            said.push_str(&lowered);
        }
        if let Some(reversal) = &standing.reversal {
            said.push_str("; ");
            said.push_str(&undone(reversal, standing));
        }
        let mut now = Now { txn, state, date: None, said, open };
        self.tell_clearing((family, row, sent), &mut now)?;
        if row.captured.is_none() && standing.stands_approved() {
            now.said.push_str(why_it_clears_not(standing, sent));
        }
        Ok(now)
    }

    /// In which clearing it is, or will be, and what is open there.
    fn tell_clearing(
        &self,
        (family, row, sent): (&Family, &Row, &Sent),
        now: &mut Now,
    ) -> Result<(), BooksError> {
        let standing = &row.standing;
        let clears = [
            (row.captured, "captured", "cleared", "captured", "presentment"),
            (
                row.difference_day(),
                "cleared",
                "cleared",
                "the difference taken back, but for what was refunded",
                "lowered",
            ),
            (
                row.opposed,
                "taken_back",
                "taken_back",
                "taken back, but for what was refunded",
                "opposite",
            ),
        ];
        let is_settled = |debt: &Debt| debt.lowers() || is_final(debt.state);
        let speaks = standing.reversal.as_ref().is_none_or(is_settled);
        for (day, before, after, what, kind) in clears {
            let Some(day) = day else { continue };
            now.date = Some(day);
            let (mut state, txn) = (before, now.txn.0);
            let said = if family.cuts.contains_key(&day) {
                state = after;
                match self.filed((now.txn, sent.issuer), day, kind)? {
                    Filed::In(file) => format!("in the clearing of {day}{file}"),
                    Filed::Held { fault, open } => {
                        state = "held";
                        if open {
                            now.open.push(format!(
                                "the exception that it is held: `iso8583d clearing explain txn:{txn}` tells it"
                            ));
                        }
                        format!("held at the cut of {day}, and in no file: {fault}")
                    }
                    Filed::Unknown => format!(
                        "in the day {day}, which is cut: `iso8583d clearing explain txn:{txn}` tells what clearing made of it"
                    ),
                }
            } else {
                now.open.push(format!("the day {day} is not cut yet"));
                format!("to be in the clearing of {day}")
            };
            if speaks {
                now.state = state;
            }
            write!(now.said, "; {what}, {said}").ok();
        }
        Ok(())
    }

    /// Where it went when its day was cut.
    pub(super) fn filed(
        &self,
        (txn, issuer): (TxnId, LinkId),
        day: BusinessDate,
        kind: &str,
    ) -> Result<Filed, BooksError> {
        if let Some(filing) = &self.filing {
            if let Some(name) = filing.file_of(txn, kind) {
                return Ok(Filed::In(format!(", file {name}")));
            }
            if let Some((fault, open)) = filing.held_of(txn, kind) {
                return Ok(Filed::Held { fault, open });
            }
        }
        let Some(books) = &self.books else { return Ok(Filed::Unknown) };
        let mut ask = books.prepare_cached(
            "SELECT name FROM earlier_files WHERE name LIKE 'clearing-%'
                AND date = (SELECT min(date) FROM cuts WHERE date >= ?1 AND previous < ?1) ORDER BY name",
        )?;
        let names = ask.query_map([tables::day(day)], |row| row.get::<_, String>(0))?;
        let names: Vec<String> = names.collect::<Result<_, _>>()?;
        // Links may have other names in clearing files: then all of the day are named.
        let own = format!("clearing-{}-", self.name(issuer));
        Ok(match names.iter().find(|name| name.starts_with(&own)) {
            Some(name) => Filed::In(format!(", file {name}")),
            None if names.is_empty() => Filed::Unknown,
            None => Filed::In(format!(", one of the files {}", names.join(", "))),
        })
    }
}

/// What became of it when its day was cut.
pub(super) enum Filed {
    /// `, file clearing-bank-978-2026-11-23.ipm`.
    In(String),
    /// It could not be presented, or not be taken back.
    Held {
        /// Why.
        fault: String,
        /// Whether nobody has closed the exception that tells of it.
        open: bool,
    },
    /// Neither is known: its files are not written yet, or its ledger is not there, or what came later settled it.
    Unknown,
}

/// To how much a reversal lowered its original; none when it reversed all of it.
pub(super) fn lowered_by(family: &Family, undo: TxnId, original: TxnId) -> Option<u64> {
    let standing = &family.rows.get(&original)?.standing;
    standing.lowered.filter(|_| standing.undone_by == Some(undo))
}

fn is_final(state: DebtState) -> bool {
    state == DebtState::Closed(Closing::Final)
}

/// In a word, clearing apart.
fn state(standing: &Standing) -> &'static str {
    let owed = |debt: &Debt| match debt.state {
        DebtState::Open => "owed",
        DebtState::Closed(Closing::Provisional) => "unconfirmed",
        DebtState::Closed(Closing::Dead) => "given_up",
        DebtState::Closed(Closing::WrittenOff) => "written_off",
        DebtState::Closed(Closing::Final) if debt.lowers() => "approved",
        DebtState::Closed(Closing::Final) => "reversed",
    };
    match (&standing.reversal, &standing.outcome) {
        (Some(debt), _) => owed(debt),
        (None, Outcome::InFlight) => "in_flight",
        (None, Outcome::Answered { verdict: Verdict::Approved, .. }) => "approved",
        (None, Outcome::Answered { .. } | Outcome::Over { .. }) => "declined",
        (None, Outcome::Stored) => match &standing.advice {
            Some(debt) if !is_final(debt.state) => owed(debt),
            _ => "stored",
        },
    }
}

/// What its asker has.
fn outcome(standing: &Standing) -> String {
    match &standing.outcome {
        Outcome::InFlight => "in flight: its issuer was asked and has not answered".to_owned(),
        Outcome::Answered { verdict, added, .. } => {
            let code = crate::books::columns::text(added, crate::iso::ElementNo::RESPONSE_CODE);
            let code = code.as_deref().unwrap_or("no code");
            match verdict {
                Verdict::Approved if standing.is_matched() => {
                    format!("approved with {code} in its issuer's place{}", matched(standing))
                }
                Verdict::Approved => format!("approved with {code}"),
                Verdict::Declined => format!("declined by its issuer with {code}"),
                Verdict::Mismatched => "declined: its issuer's answer did not fit".to_owned(),
            }
        }
        Outcome::Over { why, .. } => match why {
            Unanswered::Deadline => "declined: its issuer did not answer in time",
            Unanswered::Restart => "declined: the switch began again while it was in flight",
            Unanswered::Reversed => "declined: its asker reversed it while it was in flight",
            Unanswered::StoodIn => {
                "not answered in time, and approved in its issuer's place: its asker has that"
            }
            Unanswered::NeverBegun => "declined: it never left for its issuer",
        }
        .to_owned(),
        Outcome::Stored => match standing.advice.as_ref().map(|debt| debt.state) {
            Some(DebtState::Closed(Closing::Final)) => "stored, and its issuer has it",
            Some(DebtState::Closed(Closing::Dead)) => "stored, and its issuer did not take it",
            Some(DebtState::Closed(Closing::WrittenOff)) => {
                "stored, not taken by its issuer, and written off by an operator"
            }
            _ => "stored, and its issuer does not have it yet",
        }
        .to_owned(),
    }
}

/// Whether its issuer has the advice by which it knows that what it was sent is approved, and what else it said.
fn matched(standing: &Standing) -> &'static str {
    match (standing.advice.as_ref().map(|debt| debt.state), standing.heard) {
        (Some(DebtState::Closed(Closing::Final)), _) => ", and its issuer has the advice of it",
        (_, Approval::Declined) => ", though its issuer declined it late",
        (_, Approval::Approved) => ", and its issuer approved it late",
        (_, Approval::Never) => "",
    }
}

/// How far its reversal is.
fn undone(debt: &Debt, standing: &Standing) -> String {
    let code = debt.code.map_or_else(String::new, |code| format!(" with {code}"));
    match debt.state {
        DebtState::Open if debt.lowers() => "such a reversal is owed to its issuer".to_owned(),
        DebtState::Closed(Closing::Final) if debt.lowers() => {
            format!("its issuer has acknowledged that{code}")
        }
        DebtState::Open => "a reversal is owed to its issuer".to_owned(),
        DebtState::Closed(Closing::Provisional) => {
            format!("its reversal is acknowledged{code}, and goes once more to be sure")
        }
        DebtState::Closed(Closing::Final) if standing.heard == Approval::Approved => {
            format!("reversed, acknowledged{code}")
        }
        DebtState::Closed(Closing::Final) => format!("its reversal is acknowledged{code}"),
        DebtState::Closed(Closing::WrittenOff) => {
            "its reversal was given up, and written off by an operator".to_owned()
        }
        DebtState::Closed(Closing::Dead) => {
            format!("its reversal was given up, answered{code}: on the operator's list")
                .replace(", answered:", ", never answered:")
        }
    }
}

/// What is still open.
fn open(standing: &Standing, issuer: &str) -> Vec<String> {
    let mut open = Vec::new();
    if standing.outcome == Outcome::InFlight {
        open.push(format!("the answer of {issuer}"));
    }
    for (debt, what) in [(&standing.advice, "advice"), (&standing.reversal, "reversal")] {
        let Some(debt) = debt else { continue };
        let (transmission, stan) = super::step::pair(debt.trace);
        match debt.state {
            DebtState::Open => open.push(format!(
                "the {what} is owed to {issuer} since {}, under 7={transmission} 11={stan}",
                debt.since
            )),
            DebtState::Closed(Closing::Provisional) => open.push(format!(
                "the {what} goes to {issuer} once more when `settle_ms` have passed"
            )),
            DebtState::Closed(Closing::Dead) => {
                open.push(format!(
                    "the {what} was given up: settle it with {issuer}, then have it sent again or write it off (ctl requeue, ctl write-off)"
                ));
            }
            DebtState::Closed(Closing::Final | Closing::WrittenOff) => {}
        }
    }
    let approved = matches!(&standing.outcome, Outcome::Answered { .. });
    if approved && standing.stands_approved() && !standing.told {
        open.push("it is not known whether its asker heard the approval".to_owned());
    }
    open
}

/// Why an approval that stands is in no clearing.
fn why_it_clears_not(standing: &Standing, sent: &Sent) -> &'static str {
    if clearing::claims(standing) {
        // A claim without a day is one that the books have not looked at.
        ""
    } else if sent.mti.class() == Class::Authorization {
        "; an authorization clears by its completion, or by what its merchant claims of it: `iso8583d clearing explain txn:NUMBER` tells that"
    } else {
        "; it moves no money, and clears nothing"
    }
}
