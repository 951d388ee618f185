//! What happened, as lines that people read, and as one number that two equal runs share. Shows no card.

use std::fmt::{self, Write as _};

use crate::codec::Message;
use crate::iso::{ElementNo, ResponseCode};
use crate::record::{Outcome, Record, TxnId};

/// A purchase of the world, by its number; element 37 carries it everywhere.
pub(super) type PurchaseId = u32;

/// The tale of one run.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Lines are kept only where somebody will read them.
    on: bool,
    lines: Vec<(Option<PurchaseId>, String)>,
    hash: u64,
}

impl Story {
    /// Keeps lines, or only the number.
    pub(super) fn new(on: bool) -> Self {
        Self { on, lines: Vec::new(), hash: 0xcbf2_9ce4_8422_2325 }
    }

    /// Adds a line about a purchase, or about everything.
    pub(super) fn tell(
        &mut self,
        at: u64,
        about: Option<PurchaseId>,
        line: impl FnOnce() -> String,
    ) {
        if self.on {
            let mut text = String::new();
            let written = write!(text, "{:>8}.{:03}  {}", at / 1000, at % 1000, line());
            if written.is_ok() {
                self.lines.push((about, text));
            }
        }
    }

    /// Mixes bytes into the number.
    pub(super) fn mix(&mut self, at: u64, bytes: &[u8]) {
        let mut hash = (self.hash ^ at).wrapping_mul(0x0000_0100_0000_01b3);
        for chunk in bytes.chunks(8) {
            let word = chunk.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
            hash = (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.hash = hash;
    }

    /// The number of the run.
    pub(super) const fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines about a purchase and about everything; all of them when no purchase is named.
    pub(super) fn about(&self, purchase: Option<PurchaseId>) -> Vec<String> {
        let mine = |about: &Option<PurchaseId>| {
            purchase.is_none() || about.is_none() || *about == purchase
        };
        self.lines.iter().filter(|(about, _)| mine(about)).map(|(_, line)| line.clone()).collect()
    }
}

/// The purchase that a message is about, by its element 37.
pub(super) fn purchase_of(message: &Message) -> Option<PurchaseId> {
    number(&text(message, ElementNo::RRN))
}

/// The purchase of a reference.
pub(super) fn number(rrn: &[u8]) -> Option<PurchaseId> {
    std::str::from_utf8(rrn).ok()?.parse().ok()
}

/// An element as it is, empty when absent.
pub(super) fn text(message: &Message, no: ElementNo) -> Vec<u8> {
    message.get(no).map_or_else(Vec::new, |value| value.to_vec())
}

/// A message in one line: type, elements 11, 7, 4, 39, 38 and 90.
pub(super) struct Shown<'a>(pub(super) &'a Message);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.mti())?;
        for (name, no) in [
            ("stan", ElementNo::STAN),
            ("de7", ElementNo::TRANSMISSION),
            ("amount", ElementNo::AMOUNT),
            ("code", ElementNo::RESPONSE_CODE),
            ("approval", ElementNo::APPROVAL_CODE),
            ("original", ElementNo::ORIGINAL),
        ] {
            let value = text(self.0, no);
            if !value.is_empty() {
                write!(f, " {name} {}", value.escape_ascii())?;
            }
        }
        Ok(())
    }
}

/// A record in one line.
pub(super) fn record_line(lsn: u64, record: &Record) -> String {
    let about = |txn: &TxnId| format!("#{}", txn.0);
    let body = match record {
        Record::Sent(sent) => {
            format!("Sent {} trace {} {:?}", sent.mti, sent.trace.stan, sent.trace.transmission)
        }
        Record::Stored(sent) => {
            format!("Stored {} trace {} {:?}", sent.mti, sent.trace.stan, sent.trace.transmission)
        }
        Record::StoodIn { sent, .. } => {
            format!("StoodIn {} trace {} {:?}", sent.mti, sent.trace.stan, sent.trace.transmission)
        }
        Record::StoodInAfter { attempt, sent, .. } => {
            let (trace, attempt) = (sent.trace, about(attempt));
            format!("StoodInAfter {attempt} trace {} {:?}", trace.stan, trace.transmission)
        }
        Record::StoodInMatched { txn, trace, .. } => {
            format!("StoodInMatched {} trace {} {:?}", about(txn), trace.stan, trace.transmission)
        }
        Record::Spent { cards } => format!("Spent by {} cards", cards.len()),
        Record::Undone(undo) => {
            format!("Undone {} original {:?} code {}", undo.mti, undo.original, undo.code)
        }
        Record::Rerouted { txn, trace, .. } => {
            format!("Rerouted {} trace {} {:?}", about(txn), trace.stan, trace.transmission)
        }
        Record::Lowered { undo, amount, trace } => {
            format!(
                "Lowered {} original {:?} to {amount} trace {}",
                undo.mti, undo.original, trace.stan
            )
        }
        Record::Answered { txn, verdict, .. } => format!("Answered {} {verdict:?}", about(txn)),
        Record::Told { txns } => {
            format!("Told {}", txns.iter().map(about).collect::<Vec<_>>().join(" "))
        }
        Record::Over { txn, why, .. } => format!("Over {} {why:?}", about(txn)),
        Record::Late { txn, approved, .. } => format!("Late {} approved {approved}", about(txn)),
        Record::Owed { txn, trace, reason, .. } => {
            format!("Owed {} trace {} {:?} {reason:?}", about(txn), trace.stan, trace.transmission)
        }
        Record::Closed { txn, owing, trace, closing, code, .. } => {
            format!("Closed {} {owing:?} trace {} {closing:?} {code:?}", about(txn), trace.stan)
        }
        Record::Requeued { txn, owing, trace, .. } => {
            format!("Requeued {} {owing:?} trace {}", about(txn), trace.stan)
        }
        Record::WrittenOff { txn, owing, .. } => format!("WrittenOff {} {owing:?}", about(txn)),
        Record::OrphanWrittenOff { orphan, .. } => format!("OrphanWrittenOff {}", orphan.0),
        Record::Unmatched { mti, trace, approved, orphan, .. } => {
            format!("Unmatched {mti} {trace:?} approved {approved} orphan {orphan}")
        }
        Record::Restored(standing) => format!("Restored {}", about(&standing.id)),
        Record::Opened { date, .. } => format!("Opened {date}"),
        Record::Cut { date, .. } => format!("Cut {date}"),
        Record::CarryBegins { open, .. } => format!("CarryBegins {open}"),
        Record::Carried(standing) => format!("Carried {}", about(&standing.id)),
        Record::CarryEnds { .. } => "CarryEnds".to_owned(),
    };
    format!("record {lsn} {body}")
}

/// How a request stands, for a fault.
pub(super) fn outcome_line(outcome: &Outcome) -> String {
    match outcome {
        Outcome::InFlight => "in flight".to_owned(),
        Outcome::Answered { verdict, added, .. } => {
            let code =
                added.get(ElementNo::RESPONSE_CODE).and_then(|code| ResponseCode::new(code).ok());
            format!("answered {verdict:?} {code:?}")
        }
        Outcome::Over { why, .. } => format!("over {why:?}"),
        Outcome::Stored => "stored".to_owned(),
    }
}
