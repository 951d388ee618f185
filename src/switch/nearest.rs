//! What comes nearest to a response that nothing waits for: so that the log can say which part of its key differs.

use crate::iso::{Class, ElementNo, Mti, Stan, Transmission};
use crate::record::{DebtState, LinkId, Outcome, Standing, Trace, TxnId};

use super::engine::Engine;
use super::input::Arrival;

/// Of so many open transactions, the newest, each is looked at: an unmatched response must cost little.
const LOOKED_AT_MAX: usize = 256;

/// A message that an issuer was sent, and that a response nearly answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// Whose.
    pub txn: TxnId,
    /// Where it was sent.
    pub link: LinkId,
    /// What it was.
    pub mti: Mti,
    /// Its elements 7 and 11.
    pub trace: Trace,
    /// What of the response's key is otherwise.
    pub differs: Differs,
}

/// What of a key differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Function, version or origin: a digit of the MTI that is not the class.
    Mti,
    /// The class: the second digit of the MTI.
    Class,
    /// The session, where only that of the request may answer.
    Session,
    /// The link.
    Link,
    /// Element 7.
    Transmission,
    /// Element 11.
    Stan,
}

impl Differs {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mti => "a digit of the MTI other than the second",
            Self::Class => "the class, which is the second digit of the MTI",
            Self::Session => "the session",
            Self::Link => "the link",
            Self::Transmission => "element 7",
            Self::Stan => "element 11",
        }
    }
}

impl Engine {
    /// What comes nearest to a response: under its very pair first, then what is open and differs in one element of it.
    pub(super) fn nearest(&self, arrival: &Arrival, trace: Option<Trace>) -> Option<Nearest> {
        trace.and_then(|trace| self.under_its_pair(arrival, trace)).or_else(|| self.alike(arrival))
    }

    fn under_its_pair(&self, arrival: &Arrival, trace: Trace) -> Option<Nearest> {
        let (link, class) = (arrival.link, arrival.mti().class());
        let of = |link, class, trace, differs| {
            let (txn, _) = self.log.by_trace(link, class, trace)?;
            let mti = sent_as(self.log.standing(txn)?, class)?;
            Some(Nearest { txn, link, mti, trace, differs })
        };
        if let Some(found) = self.log.by_trace(link, class, trace) {
            let is_none = self.no_answer(arrival.mti(), found).is_some();
            return of(link, class, trace, if is_none { Differs::Mti } else { Differs::Session });
        }
        let mut classes = [Class::Authorization, Class::Financial, Class::Reversal].into_iter();
        let others = self.settings.links.iter().filter(|other| other.answers && other.id != link);
        classes.find_map(|class| of(link, class, trace, Differs::Class)).or_else(|| {
            // Element 7 names no year: it is read by what was sent there.
            let there =
                |other| Some(Trace { transmission: self.sent_at(arrival, other)?, ..trace });
            others
                .map(|other| other.id)
                .find_map(|other| of(other, class, there(other)?, Differs::Link))
        })
    }

    /// Element 7 of a response, as a link to which it was sent would have it.
    fn sent_at(&self, arrival: &Arrival, link: LinkId) -> Option<Transmission> {
        let last = self.log.last_trace(link).transmission;
        Transmission::from_ascii(&arrival.get(ElementNo::TRANSMISSION)?, last).ok()
    }

    /// The newest open message of the link and the class that has one of the pair's elements.
    fn alike(&self, arrival: &Arrival) -> Option<Nearest> {
        let (link, class) = (arrival.link, arrival.mti().class());
        let stan = arrival.get(ElementNo::STAN).and_then(|text| Stan::from_ascii(&text).ok());
        let transmission = self.sent_at(arrival, link);
        let newest = self.log.open().rev().take(LOOKED_AT_MAX);
        let sent = newest.flat_map(|standing| open_pairs(standing, link, class));
        let mut by_time = None;
        for (txn, mti, trace) in sent {
            let of = |differs| Some(Nearest { txn, link, mti, trace, differs });
            if stan == Some(trace.stan) {
                return of(Differs::Transmission);
            }
            if transmission == Some(trace.transmission) && by_time.is_none() {
                by_time = of(Differs::Stan);
            }
        }
        by_time
    }
}

/// The pairs under which a transaction has something of this class open on this link.
fn open_pairs(
    standing: &Standing,
    link: LinkId,
    class: Class,
) -> impl Iterator<Item = (TxnId, Mti, Trace)> {
    let sent = standing.sent().filter(|sent| sent.issuer == link);
    let in_flight = standing.outcome == Outcome::InFlight || standing.advice.is_some();
    let own = sent.filter(|sent| in_flight && sent.mti.class() == class).map(|sent| sent.trace);
    let owed = standing.reversal.as_ref().filter(|debt| debt.state == DebtState::Open);
    let owed = owed.filter(|_| sent.is_some() && class == Class::Reversal).map(|debt| debt.trace);
    let (txn, mti) = (standing.id, sent_as(standing, class));
    own.into_iter().chain(owed).filter_map(move |trace| Some((txn, mti?, trace)))
}

/// As what a transaction's message of a class was sent: a reversal is our own.
fn sent_as(standing: &Standing, class: Class) -> Option<Mti> {
    let mti = standing.sent()?.mti.plain();
    if class != Class::Reversal {
        return Some(mti);
    }
    Mti::new(u16::from(mti.version()) * 1000 + 420).ok()
}
