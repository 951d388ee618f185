//! What was decided, in words for people.

use crate::record::{Closing, Owing, Reason, Unanswered, Verdict};

fn code_of(elements: &[(u8, String)]) -> &str {
    elements.iter().find(|(no, _)| *no == 39).map_or("no code", |(_, code)| code)
}

pub(super) fn answer_in_words(verdict: Verdict, added: &[(u8, String)], ms: u64) -> String {
    let code = code_of(added);
    match verdict {
        Verdict::Approved => format!("approved with {code} after {ms} ms"),
        Verdict::Declined => format!("declined with {code} after {ms} ms"),
        Verdict::Mismatched => format!(
            "{code} after {ms} ms, and it does not repeat what was asked or has no code that can be read: taken for a decline that may be an approval"
        ),
    }
}

pub(super) fn told_in_words(verdict: Verdict, told: &[(u8, String)], undelivered: bool) -> String {
    let code = code_of(told);
    match verdict {
        Verdict::Approved if undelivered => "no connection of the asker could be told".to_owned(),
        Verdict::Approved | Verdict::Declined => {
            format!("{code} to the asker: the answer of its issuer")
        }
        Verdict::Mismatched => format!("{code} to the asker: the answer does not fit its request"),
    }
}

pub(super) fn over_in_words(why: Unanswered, issuer: &str, ms: u64) -> String {
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    match why {
        Unanswered::Deadline => format!(
            "91 (or the `timeout_code` of the configuration) to the asker: {issuer} did not answer in {seconds}.{tenths} s"
        ),
        Unanswered::StoodIn => format!(
            "{issuer} did not answer in {seconds}.{tenths} s: approved in its place, and what was sent is undone"
        ),
        Unanswered::Restart => {
            "the switch began again while it was in flight: over, and whoever asks again hears 91 (or the `timeout_code`)".to_owned()
        }
        Unanswered::Reversed => {
            "91 (or the `timeout_code`) to the asker of the request: it was reversed while it was in flight".to_owned()
        }
        Unanswered::NeverBegun => {
            format!("91 to the asker: not a byte of it left for {issuer}, so nothing is owed")
        }
    }
}

pub(super) fn matched_in_words(issuer: &str, ms: u64) -> String {
    let (seconds, tenths) = (ms / 1000, ms % 1000 / 100);
    format!(
        "{issuer} did not answer in {seconds}.{tenths} s: approved in its place, within the limits of its route, and what was sent is not reversed"
    )
}

pub(super) const fn late_in_words(approved: bool) -> &'static str {
    if approved {
        "a late approval, or what may be one: it is never told"
    } else {
        "a late decline: there is nothing to undo because of it"
    }
}

/// The same, of what was approved in its issuer's place by an advice that names it.
pub(super) const fn late_of_matched_in_words(approved: bool) -> &'static str {
    if approved {
        "a late approval of the request or of its advice, or what may be one: it is never told, and its issuer has both as one"
    } else {
        "a late decline: its asker was told an approval, which stands by the advice of it"
    }
}

pub(super) const fn owed_in_words(reason: Reason) -> &'static str {
    match reason {
        Reason::Unanswered => "a reversal is owed: the request was sent, and not answered",
        Reason::Mismatched => "a reversal is owed: the answer does not fit its request",
        Reason::Undelivered => "a reversal is owed: the approval reached nobody",
        Reason::Asked => "a reversal is owed: the asker wants it undone",
        Reason::Lowered => "a partial reversal is owed: the asker wants it for less",
        Reason::Late => "a late approval is reversed, under a fresh key",
        Reason::Settle => {
            "the reversal goes once more, under a fresh key: the first one may have overtaken the request"
        }
    }
}

pub(super) fn requeued_in_words(owing: Owing, by: &str) -> String {
    match owing {
        Owing::Advice => format!(
            "sent again until it is acknowledged, ordered by {by}: under its own elements 7 and 11, so that whoever booked it knows it again"
        ),
        Owing::Reversal => format!(
            "sent again until it is acknowledged, ordered by {by}: under a fresh key, so that no answer to the old one closes it"
        ),
    }
}

pub(super) fn closed_in_words(owing: Owing, closing: Closing, code: Option<&str>) -> String {
    let what = owing.word();
    match (closing, code) {
        (Closing::Final, Some(code)) => format!("{what} acknowledged {code}: settled"),
        (Closing::Final, None) => format!("{what} settled"),
        (Closing::Provisional, _) => format!(
            "{what} acknowledged {}, while the request itself may still be on its way: it goes once more later",
            code.unwrap_or("without a code")
        ),
        (Closing::WrittenOff, _) => format!("{what} given up, and written off by an operator"),
        (Closing::Dead, Some(code)) => {
            format!("{what} refused with {code} for good: given up, on the operator's list")
        }
        (Closing::Dead, None) => format!(
            "{what} given up (sent too often, grown too old, or longer than the issuer's frames): on the operator's list"
        ),
    }
}
