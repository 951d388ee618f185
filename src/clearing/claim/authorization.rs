//! A transaction as a claim may name it, and how it stands. Decides nothing.

use super::super::capture::local;
use crate::clearing::Flow;
use crate::clearing::text::of_latin1;
use crate::iso::{BusinessDate, Class, Currency, ElementNo, Elements, Wall};
use crate::record::{Outcome, Standing, TxnId};

/// A transaction that a claim may be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Which.
    pub txn: TxnId,
    /// How it stands.
    pub stands: Stands,
    /// Whether the switch presents it by itself: it is financial, and nobody has to claim it.
    pub single: bool,
    /// Whether it pays the card.
    pub refund: bool,
    /// Element 42.
    pub merchant: String,
    /// Element 41.
    pub terminal: String,
    /// Element 37: as it was asked, and as the answer has it.
    pub rrns: [String; 2],
    /// Element 11, of the asker.
    pub stan: String,
    /// Element 38.
    pub approval: String,
    /// The card, masked.
    pub card: String,
    /// For how much it stands.
    pub amount: i64,
    /// What was approved at first.
    pub granted: i64,
    /// Whether it may be claimed for more than it stands for.
    pub over: Over,
    /// Element 49.
    pub currency: Option<Currency>,
    /// The day where the card was used.
    pub day: Option<BusinessDate>,
    /// When it was asked.
    pub at: Wall,
    /// Element 18.
    pub mcc: String,
    /// The authorization that it completes.
    pub completes: Option<TxnId>,
    /// The first authorization, of one that raises it.
    pub raises: Option<TxnId>,
    /// Whether something that would raise it is not answered yet.
    pub waits: bool,
}

/// How an authorization stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It is not answered yet.
    InFlight,
    /// It is approved, and nothing undoes it.
    Approved,
    /// It was declined, or nobody approved it in time.
    Declined,
    /// It was approved, and is undone.
    Reversed,
}

/// Whether more may be claimed of an authorization than it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// By as much as is usual in its merchant's category.
    Tolerated,
    /// Not at all: a part of it, or of what raised it, was taken back, and nothing was left beside that.
    Never,
}

impl Authorization {
    /// Of a transaction; none where it is a reversal, or moves no money.
    pub fn of(standing: &Standing) -> Option<Self> {
        let sent = standing.sent()?;
        let elements = &sent.elements;
        let flow = elements.get(ElementNo::PROCESSING_CODE).and_then(Flow::of);
        if flow == Some(Flow::None) {
            return None;
        }
        let none = Elements::default();
        let added = match &standing.outcome {
            Outcome::Answered { added, .. } => added,
            Outcome::InFlight | Outcome::Over { .. } | Outcome::Stored => &none,
        };
        let either = |no| match text(added, no) {
            found if found.is_empty() => text(elements, no),
            found => found,
        };
        let granted = standing.granted().and_then(|amount| i64::try_from(amount).ok()).unwrap_or(0);
        let lowered = standing.lowered.and_then(|amount| i64::try_from(amount).ok());
        let when = local(elements, sent.at);
        Some(Self {
            txn: standing.id,
            stands: stands(standing),
            single: sent.mti.class() == Class::Financial,
            refund: flow == Some(Flow::Refund),
            merchant: text(elements, ElementNo::MERCHANT),
            terminal: text(elements, ElementNo::TERMINAL),
            rrns: [text(elements, ElementNo::RRN), text(added, ElementNo::RRN)],
            stan: text(elements, ElementNo::STAN),
            approval: either(ElementNo::APPROVAL_CODE),
            card: sent
                .card
                .as_ref()
                .map(|card| text_of(card.masked.as_bytes()))
                .unwrap_or_default(),
            amount: lowered.unwrap_or(granted),
            granted,
            over: if lowered.is_some() { Over::Never } else { Over::Tolerated },
            currency: elements
                .get(ElementNo::CURRENCY)
                .and_then(|currency| Currency::from_ascii(currency).ok()),
            day: day(&when),
            at: sent.at,
            mcc: text(elements, ElementNo::of(18)),
            completes: sent.completed(),
            raises: sent.raises(),
            waits: false,
        })
    }
}

fn stands(standing: &Standing) -> Stands {
    if standing.outcome == Outcome::InFlight {
        return Stands::InFlight;
    }
    match (standing.was_approved(), standing.is_undone()) {
        (false, _) => Stands::Declined,
        (true, true) => Stands::Reversed,
        (true, false) => Stands::Approved,
    }
}

fn text(elements: &Elements, no: ElementNo) -> String {
    elements.get(no).map(text_of).unwrap_or_default()
}

/// As the books show it: without blanks around it.
fn text_of(value: &[u8]) -> String {
    of_latin1(value.trim_ascii())
}

/// The day of `YYMMDDhhmmss`, in this century.
fn day(when: &[u8; 12]) -> Option<BusinessDate> {
    let (yymmdd, _) = when.split_at_checked(6)?;
    let text = std::str::from_utf8(yymmdd).ok()?;
    let (year, rest) = text.split_at_checked(2)?;
    let (month, day) = rest.split_at_checked(2)?;
    BusinessDate::from_text(&format!("20{year}-{month}-{day}")).ok()
}
