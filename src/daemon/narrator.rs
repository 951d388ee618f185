//! What happened, for counters and for people: one line each, rate-limited by link, with no more of a message than what names it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clearing::{HostVerdict, Settled};
use crate::codec::DecodeError;
use crate::config::Link;
use crate::iso::ResponseCode;
use crate::link::{Hush, Session};
use crate::meter::{self, LinkMeter, Meter};
use crate::record::{LinkId, Owing, Trace, TxnId, Verdict};
use crate::switch::{Limit, Mark, Nearest, Note, Why};

/// Tells notes to the counters and to the log.
pub(super) struct Narrator {
    meter: Meter,
    links: HashMap<LinkId, Arc<Voice>>,
}

/// One link: its name, and how much it has said. Each level has lines of its own, so that what is routine keeps no trouble
/// out of the log.
struct Voice {
    name: String,
    meter: LinkMeter,
    info: Hush,
    warn: Hush,
    error: Hush,
}

impl Voice {
    fn new(name: String, meter: LinkMeter) -> Self {
        let [info, warn, error] = <[Hush; 3]>::default();
        Self { name, meter, info, warn, error }
    }
}

/// Says a line about a link, unless it has said enough of its level for a while.
macro_rules! say {
    ($level:ident, $voice:expr, $line:literal $(, $($field:tt)*)?) => {
        if let Some(voice) = $voice && let Some(kept) = voice.$level.may_say() {
            tracing::$level!(link = voice.name, $($($field)*,)? kept, $line);
        }
    };
}

/// Totals that are not the same on both sides.
fn say_settled(voice: Option<&Voice>, verdict: HostVerdict) {
    if verdict.settled != Settled::InBalance {
        say!(
            warn,
            voice,
            "totals of a day are not the same on both sides, or cannot be compared: `iso8583d clearing reconciliations` has them",
            code = %verdict.code,
            settled = verdict.settled.word()
        );
    }
}

impl Narrator {
    pub(super) fn new(meter: Meter, links: &[Link]) -> Self {
        Self { meter, links: HashMap::new() }.with(links)
    }

    /// One that knows these links, too.
    pub(super) fn with(&self, links: &[Link]) -> Self {
        let mut all = self.links.clone();
        for Link { id, name, .. } in links {
            let voice = || Arc::new(Voice::new(name.clone(), self.meter.link(name)));
            all.entry(*id).or_insert_with(voice);
        }
        Self { meter: self.meter.clone(), links: all }
    }

    pub(super) fn tell(&self, notes: &[Note]) {
        for note in notes {
            self.count(note);
            self.say(note);
        }
    }

    /// A frame is no message of its link's dialect.
    pub(super) fn undecodable(&self, session: &Session<Mark>, fault: &DecodeError) {
        session.meter().undecodable();
        let voice = self.links.get(&session.link()).map(Arc::as_ref);
        say!(warn, voice, "a frame is no message of this link's dialect: another `dialect`, or a `tpdu` or `length` that is not as its peer's; `iso8583d doctor` tells from a sample of it",
            session = session.id(), peer = %session.peer(), element = fault.element, offset = fault.offset, %fault);
    }

    /// A frame is on the list of those that broke the switch.
    pub(super) fn quarantined(&self, session: &Session<Mark>) {
        session.meter().undecodable();
        let voice = self.links.get(&session.link()).map(Arc::as_ref);
        say!(error, voice, "a frame was dropped: it is on the list of those that broke the switch, in the state directory's `quarantine`",
            session = session.id(), peer = %session.peer());
    }

    fn count(&self, note: &Note) {
        let meter = &self.meter;
        match note {
            Note::Forwarded { .. } => meter.forwarded(),
            Note::Answered { verdict, ms, .. } => {
                let verdict = match verdict {
                    Verdict::Approved => meter::Verdict::Approved,
                    Verdict::Declined => meter::Verdict::Declined,
                    Verdict::Mismatched => meter::Verdict::Mismatched,
                };
                meter.answered(verdict, Duration::from_millis(*ms));
            }
            Note::StoodIn { .. } => meter.stood_in(),
            Note::LateDecline { .. } => meter.declined_late(),
            Note::Rerouted { .. } => meter.rerouted(),
            Note::Declined { code, .. } => meter.declined(*code),
            Note::Refused { .. } => meter.declined(ResponseCode::FORMAT),
            Note::Foreign { .. } => meter.declined(ResponseCode::NOT_PERMITTED),
            Note::OtherContent { .. } => meter.declined(ResponseCode::DUPLICATE),
            Note::Overload { .. } => meter.overloaded(),
            Note::Limited { by, .. } => meter.limited(*by == Limit::Merchant),
            Note::CutOff { link, .. } => self.cut_off(*link, true),
            Note::AnswersAgain { link } => self.cut_off(*link, false),
            Note::TimedOut { .. } => meter.timed_out(),
            Note::Late { .. } => meter.late(),
            Note::Unmatched { .. } => meter.unmatched(),
            Note::Replayed { .. } => meter.replayed(),
            Note::Withheld { .. } => meter.withheld(),
            Note::Owed { .. } => meter.reversal_owed(),
            Note::OwedClosed { .. } => meter.owed_closed(),
            Note::Dead { .. } => meter.owed_dead(),
            Note::ClockBehind { ms } => meter.wall_behind(Duration::from_millis(*ms)),
            _ => {}
        }
    }

    fn cut_off(&self, link: LinkId, is: bool) {
        if let Some(voice) = self.links.get(&link) {
            voice.meter.cut_off(is);
        }
    }

    fn say(&self, note: &Note) {
        let voice = |link: &LinkId| self.links.get(link).map(Arc::as_ref);
        match note {
            Note::Declined { asker, of, code, why } => {
                say!(info, voice(asker), "a request was declined here", %of, %code, why = self.reason(why));
            }
            Note::Refused { asker, of, why } => {
                say!(warn, voice(asker), "a message was refused as it is", %of, why = self.reason(why));
            }
            Note::Undone { asker, known: false, of: Some(of), .. } => {
                say!(
                    warn,
                    voice(asker),
                    "a reversal of what was never seen under the key that its element 90 names: it is answered 25, and the original is declined if it comes",
                    %of
                );
            }
            Note::OtherContent { asker, of } => {
                say!(warn, voice(asker), "audit: a message has the key of an earlier one and other content; it was answered 94", %of);
            }
            Note::Reconciled { asker: link, verdict }
            | Note::TotalsAnswered { issuer: link, verdict } => say_settled(voice(link), *verdict),
            Note::Withheld { link, elements } => {
                say!(
                    warn,
                    voice(link),
                    "the card's number stands in an element that may be stored: it is not written down. A request went on with it, an advice goes to its issuer without it. Let the dialect say `sensitive` for it",
                    ?elements
                );
            }
            Note::Foreign { session, asker, element } => {
                say!(
                    warn,
                    voice(asker),
                    "audit: a message was declined with 58: that element is not of a terminal or a merchant that the certificate of its session stands for. Does the list of this link's clients have it?",
                    session = session.0,
                    %element
                );
            }
            Note::Overload { asker } => {
                say!(
                    warn,
                    voice(asker),
                    "a limit is reached (the line below says which): raise it, or find out what is slow or away"
                );
            }
            Note::SignedOn { session, link } => {
                say!(info, voice(link), "signed on: ready for requests", session = session.0);
            }
            Note::SignedOff { session, link } => {
                say!(info, voice(link), "signed off", session = session.0);
            }
            Note::Silent { session, link } => {
                say!(
                    warn,
                    voice(link),
                    "the peer does not answer network management",
                    session = session.0
                );
            }
            Note::ClockBehind { ms } => {
                tracing::error!(ms, "the wall clock is behind the last record: set it right");
            }
            Note::Requeued { .. } | Note::WrittenOff { .. } => self.say_ordered(note),
            Note::Carried { open } => {
                tracing::debug!(open, "everything open was written down again");
            }
            _ => self.say_of_issuer(note),
        }
    }

    /// What an operator ordered is never left out of the log.
    fn say_ordered(&self, note: &Note) {
        match note {
            Note::Requeued { issuer, txn, owing, by } => {
                let (issuer, owing, by) = (self.name(*issuer), owing.word(), by.as_str());
                let txn = txn.0;
                tracing::warn!(
                    txn,
                    owing,
                    issuer,
                    by,
                    "audit: an operator has a dead letter sent again"
                );
            }
            Note::WrittenOff { issuer, about, owing, ruling } => {
                let issuer = issuer.map_or("none", |issuer| self.name(issuer));
                let (number, owing) = (about.0, owing.map_or("orphan", Owing::word));
                let (by, reason) = (ruling.by.as_str(), ruling.why.as_str());
                tracing::warn!(
                    number,
                    owing,
                    issuer,
                    by,
                    reason,
                    "audit: an operator wrote an entry of `ctl owed` off"
                );
            }
            _ => {}
        }
    }

    /// Why something was refused, in a sentence.
    fn reason(&self, why: &Why) -> String {
        match why {
            Why::Said(said) => (*said).to_owned(),
            Why::Element { element, why } => format!("element {element}: {why}"),
            Why::Unsayable { issuer, fault } => {
                format!(
                    "the dialect of {} cannot say one of its elements: {fault}",
                    self.name(*issuer)
                )
            }
        }
    }

    /// What comes nearest to what a response answers.
    fn nearest(&self, nearest: &Nearest) -> String {
        let Nearest { txn, link, mti, trace, .. } = nearest;
        format!("transaction {}: {mti} to {} with {}", txn.0, self.name(*link), pair(*trace))
    }

    fn name(&self, link: LinkId) -> &str {
        self.links.get(&link).map_or("a link that is gone", |voice| &voice.name)
    }

    fn say_stood_in(&self, asker: Option<&Voice>, issuer: LinkId, txn: TxnId) {
        let (issuer, txn) = (self.name(issuer), txn.0);
        say!(info, asker, "a request was approved in its issuer's place", issuer, txn);
    }

    fn say_late_decline(issuer: Option<&Voice>, txn: TxnId) {
        say!(
            warn,
            issuer,
            "an issuer declined late what was approved in its place: the approval stands, and `iso8583d why` tells of it",
            txn = txn.0
        );
    }

    fn say_of_issuer(&self, note: &Note) {
        let voice = |link: &LinkId| self.links.get(link).map(Arc::as_ref);
        match note {
            Note::StoodIn { asker, issuer, txn } => {
                self.say_stood_in(voice(asker), *issuer, *txn);
            }
            Note::TimedOut { issuer, txn } => {
                say!(warn, voice(issuer), "no answer in time", txn = txn.0);
            }
            Note::Withdrawn { issuer } => {
                say!(
                    warn,
                    voice(issuer),
                    "a request never left for its issuer: declined, and nothing is owed"
                );
            }
            Note::Rerouted { from, to } => {
                let to = self.name(*to);
                say!(warn, voice(from), "a request never left for its issuer: sent elsewhere", to);
            }
            Note::TooLong { link } => {
                say!(
                    error,
                    voice(link),
                    "a message is longer than this link's frames, and was not sent as it was: raise frame_len_max"
                );
            }
            Note::Undelivered { issuer, txn } => {
                say!(
                    warn,
                    voice(issuer),
                    "an approval reached nobody: a reversal is owed",
                    txn = txn.0
                );
            }
            Note::Dead { issuer, owing, code, txn } => {
                let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
                say!(
                    error,
                    voice(issuer),
                    "an owed message was given up: see `iso8583d ctl owed`",
                    ?owing,
                    code,
                    txn = txn.0
                );
            }
            Note::OwedClosed { issuer, owing, provisional, txn } => {
                let txn = txn.0;
                say!(info, voice(issuer), "an owed message was settled", ?owing, provisional, txn);
            }
            _ => self.say_of_answer(note),
        }
    }

    /// Answers that come late, fit nothing, or fit and say something else.
    fn say_of_answer(&self, note: &Note) {
        let voice = |link: &LinkId| self.links.get(link).map(Arc::as_ref);
        match note {
            Note::Late { issuer, approved, txn, .. } => {
                let txn = txn.0;
                say!(
                    warn,
                    voice(issuer),
                    "an answer came after its request was over",
                    approved,
                    txn
                );
            }
            Note::LateDecline { issuer, txn } => Self::say_late_decline(voice(issuer), *txn),
            Note::Mismatched { issuer, element, txn } => {
                say!(
                    warn,
                    voice(issuer),
                    "audit: an answer does not echo its request: declined, and a reversal is owed. If this network does not echo that element, take it out of the dialect's `echo`",
                    element,
                    txn = txn.0
                );
            }
            Note::Misacknowledged { issuer, element, txn } => {
                say!(
                    warn,
                    voice(issuer),
                    "audit: an acknowledgement does not echo what it answers: it closes nothing, and ours goes again. If this network does not echo that element, take it out of the dialect's `echo`",
                    %element,
                    txn = txn.0
                );
            }
            Note::Unmatched { link, mti, trace, why, nearest, pending } => {
                let pair =
                    trace.as_ref().map_or_else(|| "unreadable".to_owned(), |trace| pair(*trace));
                let (nearest, differs) = nearest.map_or_else(
                    || ("none".to_owned(), "none is alike"),
                    |nearest| (self.nearest(&nearest), nearest.differs.word()),
                );
                say!(warn, voice(link), "a response that nothing waits for", %mti, pair, why, nearest, differs, pending);
            }
            Note::Orphan { link, at } => {
                say!(
                    error,
                    voice(link),
                    "an approval of which nothing is known, not even by the books: see `iso8583d ctl owed`",
                    number = at.0
                );
            }
            _ => self.say_of_day(note),
        }
    }

    /// What becomes of days, and of links that are cut off.
    fn say_of_day(&self, note: &Note) {
        let voice = |link: &LinkId| self.links.get(link).map(Arc::as_ref);
        match note {
            Note::DayOpened { date, ends } => {
                tracing::info!(%date, %ends, "a business day opens; the one that ends is cut when nothing of it is in flight");
            }
            Note::CutOverHeard { link, date, fresh } => {
                say!(
                    info,
                    voice(link),
                    "the peer says that the business day ends (fresh), or says it again",
                    %date,
                    fresh
                );
            }
            Note::CutOverTold { link, date } => {
                say!(info, voice(link), "the peer knows that the business day ended", %date);
            }
            Note::CutOverUnheard { link, date, times } => {
                say!(
                    error,
                    voice(link),
                    "the peer was told that the business day ended, and does not accept it: it is told no more",
                    %date,
                    times
                );
            }
            Note::DayCut { date } => tracing::info!(%date, "a business day is cut"),
            Note::CutOff { link, missed } => {
                say!(
                    error,
                    voice(link),
                    "the link is cut off: none of its last requests was answered in time. Requests go elsewhere or are declined, and what is owed waits",
                    missed
                );
            }
            Note::OnTrial { link } => {
                say!(info, voice(link), "the link was cut off, and may try one request at a time");
            }
            Note::AnswersAgain { link } => {
                say!(info, voice(link), "the link answers again, and is cut off no more");
            }
            _ => {}
        }
    }
}

/// Elements 7 and 11, which are no secret.
fn pair(trace: Trace) -> String {
    if trace.transmission.0 == 0 {
        // Its network does not echo element 7.
        return format!("11={}", trace.stan);
    }
    format!("7={} 11={}", trace.transmission.ascii().escape_ascii(), trace.stan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{EncodeError, Fault};
    use crate::iso::ElementNo;

    #[test]
    fn a_refusal_names_the_element_and_what_is_wrong_with_it() {
        let bank = LinkId::of_name("bank");
        let meter = Meter::new();
        let voice = Voice::new("bank".to_owned(), meter.link("bank"));
        let narrator = Narrator { meter, links: HashMap::from([(bank, Arc::new(voice))]) };
        let fault =
            EncodeError { element: ElementNo::of(48), fault: Fault::TooLong { len: 9, max: 3 } };
        let why = Why::Unsayable { issuer: bank, fault };
        let said =
            "the dialect of bank cannot say one of its elements: element 48: length 9 exceeds 3";
        assert_eq!(narrator.reason(&why), said);
        assert_eq!(narrator.reason(&Why::Said("no")), "no");
    }
}
