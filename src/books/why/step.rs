//! One step of a life: who said what to whom, when, and what was decided. Shows no card in clear.

use crate::books::columns;
use crate::iso::{ElementNo, Elements, Mti, Wall};
use crate::record::{Lsn, Sent, Trace, TxnId};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When; none where only the order is known.
    pub at: Option<Wall>,
    /// Milliseconds since the first step.
    pub ms: Option<u64>,
    /// The record that tells of it; none when the journal no longer has it and the books tell.
    pub lsn: Option<Lsn>,
    /// Whose step it is.
    pub txn: TxnId,
    /// What kind of record tells of it.
    pub kind: &'static str,
    /// From whom: a link's name, or `switch`.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The message, where there is one.
    pub mti: Option<Mti>,
    /// Its elements that matter, as far as they are known; the card is masked.
    pub elements: Vec<(u8, String)>,
    /// What was decided, and why.
    pub said: String,
}

/// What matters of a message, without card and pair.
const SHOWN: [u8; 9] = [3, 4, 7, 11, 37, 38, 41, 42, 49];

/// Element 2, masked.
pub(super) fn card(sent: &Sent) -> Option<(u8, String)> {
    let card = sent.card.as_ref()?;
    Some((2, card.masked.as_bytes().escape_ascii().to_string()))
}

/// What matters of a message as its asker said it.
pub(super) fn asked(sent: &Sent) -> Vec<(u8, String)> {
    let mut elements: Vec<_> = card(sent).into_iter().collect();
    elements.extend(SHOWN.iter().filter_map(|no| shown(&sent.elements, *no)));
    elements
}

/// Who asked and when, as an answer repeats it: elements 7 and 11.
pub(super) fn repeated(sent: &Sent) -> Vec<(u8, String)> {
    [7, 11].iter().filter_map(|no| shown(&sent.elements, *no)).collect()
}

/// What matters of what an answer adds, and its code.
pub(super) fn added(added: &Elements) -> Vec<(u8, String)> {
    let numbers = SHOWN.iter().chain(&[39]);
    let mut elements: Vec<_> = numbers.filter_map(|no| shown(added, *no)).collect();
    elements.sort_unstable();
    elements
}

/// Elements 7 and 11 as we gave them.
pub(super) fn pair(trace: Trace) -> (String, String) {
    (trace.transmission.ascii().escape_ascii().to_string(), trace.stan.to_string())
}

/// The same, as elements.
pub(super) fn of_pair(trace: Trace) -> Vec<(u8, String)> {
    let (transmission, stan) = pair(trace);
    vec![(7, transmission), (11, stan)]
}

/// A value as text; what a terminal might obey is a dot.
pub(super) fn shown(elements: &Elements, no: u8) -> Option<(u8, String)> {
    let text = columns::text(elements, ElementNo::new(no).ok()?)?;
    let visible = |char: char| if char.is_control() { '.' } else { char };
    Some((no, text.chars().map(visible).collect()))
}
