//! An issuer's answer, record by record: logical files with their headers and trailers, and what each record in them says.

use std::collections::BTreeSet;

use super::totals::Line;
use super::{Layout, Said, Word, digits, fit_to_show, number};
use crate::clearing::ipm::{BadIpm, IpmRecord};
use crate::iso::{ElementNo, Pan};

/// Reads answers. What a logical file says holds when its end has come, and not before.
#[derive(Debug)]
pub struct Reader {
    layout: Layout,
    /// Whether the files are meant; none where it is not looked at.
    production: Option<bool>,
    open: Option<Open>,
    /// What is left of a logical file that was refused is passed over.
    passing: bool,
    /// There was a record, whatever it was.
    begun: bool,
    ids: BTreeSet<String>,
}

/// A logical file whose trailer has not come.
#[derive(Debug)]
struct Open {
    head: Head,
    last: u32,
    records: u64,
    bad: u64,
    sum: u64,
    /// A rejection; the message that was rejected may follow it.
    pending: Option<Said>,
    /// What follows belongs to a rejection.
    copied: bool,
}

/// The header of a logical file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its id, 25 digits.
    pub file_id: String,
}

/// What came of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A logical file begins.
    Begins(Head),
    /// Something is said of what we sent.
    Said(Box<Said>),
    /// A record of a kind that says nothing that can be followed, and why.
    Unfit {
        /// Its number.
        number: u32,
        /// Why.
        fault: String,
    },
    /// A record that is none, within a logical file.
    Unreadable(BadIpm),
    /// The logical file is whole: so many records, header and trailer included.
    Ends {
        /// How many.
        records: u64,
    },
    /// Nothing of the logical file may be followed, and why.
    Refused(String),
}

/// So many logical files may be in one.
const FILES_MAX: usize = 100_000;

impl Reader {
    /// For the answers of an issuer.
    pub const fn new(layout: Layout, production: Option<bool>) -> Self {
        let ids = BTreeSet::new();
        Self { layout, production, open: None, passing: false, begun: false, ids }
    }

    /// The next record, or what was found in its place.
    pub fn record(&mut self, found: Result<&IpmRecord, BadIpm>, tell: &mut impl FnMut(Step)) {
        self.begun = true;
        let record = match found {
            Ok(record) => record,
            Err(bad) => return self.unreadable(bad, tell),
        };
        let function = record.elements.get(ElementNo::of(24)).unwrap_or_default();
        let control = |code: &[u8]| record.mti == *b"1644" && function == code;
        if control(b"697") {
            return self.begins(record, tell);
        }
        if self.passing {
            self.passing = !control(b"695");
            return;
        }
        let Some(open) = &mut self.open else {
            self.passing = !control(b"695");
            let text = "records outside of a logical file: a header, 1644 with function code 697, comes first";
            return tell(Step::Refused(text.to_owned()));
        };
        open.records += 1;
        let amount: Option<u64> = number(record.elements.get(ElementNo::AMOUNT));
        open.sum = open.sum.saturating_add(amount.unwrap_or(0));
        // A message that is given back may keep the number that it had.
        let copy = open.pending.is_some() && record.mti == *b"1240"
            || open.copied && record.mti == *b"1644" && function == b"696";
        if copy {
            if let Some(said) = open.pending.take() {
                tell(Step::Said(Box::new(completed(said, record))));
                open.copied = true;
            }
            return;
        }
        open.tell_pending(tell);
        match number(record.elements.get(ElementNo::of(71))) {
            Some(number) if number > open.last => open.last = number,
            Some(number) => {
                let text = format!(
                    "message number {number} does not ascend: the one before is {}",
                    open.last
                );
                return self.refuse(text, control(b"695"), tell);
            }
            None => {
                let text =
                    format!("a record behind message {} has no number in element 71", open.last);
                return self.refuse(text, control(b"695"), tell);
            }
        }
        if control(b"695") {
            return self.ends(record, tell);
        }
        match said(record, open.last, &self.layout) {
            Ok(Some(said)) if said.word == Word::Rejects => open.pending = Some(said),
            Ok(Some(said)) => tell(Step::Said(Box::new(said))),
            Ok(None) => {}
            Err(fault) => tell(Step::Unfit { number: open.last, fault }),
        }
    }

    /// What is left of the logical file is of no interest.
    pub fn pass(&mut self) {
        self.open = None;
        self.passing = true;
    }

    /// After the last record, or where the file cannot be cut into records any further.
    pub fn end(&mut self, fault: Option<String>, tell: &mut impl FnMut(Step)) {
        let open = self.open.take().is_some();
        let text = match (fault, open, !self.begun) {
            (Some(fault), _, _) => fault,
            (None, true, _) => "it has no trailer, 1644 with function code 695".to_owned(),
            (None, false, true) => "there is no header, 1644 with function code 697".to_owned(),
            (None, false, false) => return,
        };
        tell(Step::Refused(text));
    }

    fn unreadable(&mut self, bad: BadIpm, tell: &mut impl FnMut(Step)) {
        if self.passing {
            return;
        }
        let Some(open) = &mut self.open else {
            self.passing = true;
            let text = format!(
                "where a header should be, 1644 with function code 697, there is no record: {bad}"
            );
            return tell(Step::Refused(text));
        };
        open.records += 1;
        open.bad += 1;
        open.tell_pending(tell);
        tell(Step::Unreadable(bad));
    }

    fn refuse(&mut self, text: String, over: bool, tell: &mut impl FnMut(Step)) {
        self.open = None;
        self.passing = !over;
        tell(Step::Refused(text));
    }

    fn begins(&mut self, record: &IpmRecord, tell: &mut impl FnMut(Step)) {
        if self.open.take().is_some() {
            tell(Step::Refused(
                "it has no trailer, 1644 with function code 695, before the next header".to_owned(),
            ));
        }
        self.passing = true;
        let Some(file_id) = digits(record.part(105), 25) else {
            return tell(Step::Refused(
                "the file id of its header, subelement 0105, is not 25 digits".to_owned(),
            ));
        };
        let Some(first) = number::<u32>(record.elements.get(ElementNo::of(71))) else {
            return tell(Step::Refused(
                "its header has no message number in element 71".to_owned(),
            ));
        };
        let meant = match record.part(122) {
            Some(b"P") => Some(true),
            Some(b"T") => Some(false),
            _ => None,
        };
        if let (Some(meant), Some(ours)) = (meant, self.production)
            && meant != ours
        {
            let kind = |production| if production { "production (P)" } else { "a test (T)" };
            let text = format!(
                "its header says {}, subelement 0122, and our files are for {}",
                kind(meant),
                kind(ours)
            );
            return tell(Step::Refused(text));
        }
        if self.ids.len() >= FILES_MAX || !self.ids.insert(file_id.clone()) {
            return tell(Step::Refused(format!("file id {file_id} stands in it before")));
        }
        self.passing = false;
        let head = Head { file_id };
        tell(Step::Begins(head.clone()));
        let (pending, copied) = (None, false);
        self.open = Some(Open { head, last: first, records: 1, bad: 0, sum: 0, pending, copied });
    }

    fn ends(&mut self, record: &IpmRecord, tell: &mut impl FnMut(Step)) {
        let Some(open) = self.open.take() else { return };
        let fault = match (number::<u64>(record.part(301)), number::<u64>(record.part(306))) {
            _ if record.part(105) != Some(open.head.file_id.as_bytes()) => {
                "the file id of its trailer, subelement 0105, is not that of its header".to_owned()
            }
            (None, _) => "its trailer has no amount checksum, subelement 0301".to_owned(),
            (_, None) => "its trailer has no message count, subelement 0306".to_owned(),
            // Nothing but zeros: not to be checked. What an unreadable record held is not known.
            (Some(sum), _) if sum != 0 && (sum < open.sum || open.bad == 0 && sum != open.sum) => {
                format!(
                    "its trailer's amount checksum, subelement 0301, is {sum}; the amounts add up to {}",
                    open.sum
                )
            }
            (_, Some(count)) if count != open.records => {
                format!(
                    "its trailer's message count, subelement 0306, is {count}; there are {}",
                    open.records
                )
            }
            _ => return tell(Step::Ends { records: open.records }),
        };
        tell(Step::Refused(fault));
    }
}

impl Open {
    fn tell_pending(&mut self, tell: &mut impl FnMut(Step)) {
        self.copied = false;
        if let Some(said) = self.pending.take() {
            tell(Step::Said(Box::new(said)));
        }
    }
}

/// What a record says; nothing where it is of no concern to what we sent.
fn said(record: &IpmRecord, number: u32, layout: &Layout) -> Result<Option<Said>, String> {
    let get = |no| record.elements.get(ElementNo::of(no));
    let function = get(24).unwrap_or_default();
    let mut said = plain(record, number);
    let word = match (&record.mti, function) {
        (b"1644", b"699") => Word::RejectsFile,
        (b"1644", b"691") => Word::Rejects,
        (b"1644", b"680" | b"685" | b"688") => Word::Totals,
        (b"1442", b"450" | b"451" | b"453" | b"454") if record.part(25).is_some() => {
            Word::TakesBack
        }
        (b"1442", b"450" | b"451" | b"453" | b"454") => Word::ChargesBack,
        (b"1644", b"603") => Word::Asks,
        (b"1644", b"693") => Word::Text,
        (b"1740" | b"1742", _) => Word::Collects,
        // An addendum says nothing that moves money; a currency update is about rates.
        (b"1644", b"640" | b"696") => return Ok(None),
        (b"1240", _) => {
            return Err(
                "a presentment that follows no rejection: issuers present nothing to us".to_owned()
            );
        }
        _ => return Err(format!("nothing is known of records of type {}", said.function)),
    };
    said.word = word;
    match word {
        Word::RejectsFile | Word::Rejects => {
            said.about_file = digits(record.part(layout.file), 25);
            said.about_number = super::number(record.part(layout.number));
            let (reason, detail) = errors(record.part(layout.errors));
            (said.reason, said.detail) = (said.reason.or(reason), detail.or(said.detail));
        }
        Word::Totals => {
            said.about_file =
                digits(record.part(layout.reconciled).or_else(|| record.part(layout.file)), 25);
            said.line = Some(Line::read(record)?);
        }
        Word::ChargesBack => {
            if said.reference.is_none() {
                return Err(
                    "a charge-back without a reference of 23 digits in element 31".to_owned()
                );
            }
            if said.amount.is_none_or(|amount| amount == 0) || said.currency.is_none() {
                return Err("a charge-back without an amount and a currency in elements 4 and 49"
                    .to_owned());
            }
        }
        Word::TakesBack | Word::Asks | Word::Text | Word::Collects => {}
    }
    Ok(Some(said))
}

/// What all of them may have.
fn plain(record: &IpmRecord, number: u32) -> Said {
    let get = |no| record.elements.get(ElementNo::of(no));
    let code = get(24).map_or_else(|| "-".to_owned(), fit_to_show);
    let detail = get(72).map(fit_to_show).filter(|text| !text.is_empty());
    Said {
        number,
        word: Word::Text,
        function: format!("{}/{code}", record.mti.escape_ascii()),
        about_file: None,
        about_number: None,
        reference: digits(get(31), 23),
        card: get(2).and_then(|card| Pan::new(card).ok()).map(|card| card.masked().to_string()),
        amount: super::number(get(4)),
        currency: digits(get(49), 3),
        reason: digits(get(25), 4),
        detail,
        line: None,
    }
}

/// A rejection, with what the message that it gives back says of itself.
fn completed(said: Said, copy: &IpmRecord) -> Said {
    let of_copy = plain(copy, said.number);
    Said {
        reference: said.reference.or(of_copy.reference),
        card: said.card.or(of_copy.card),
        amount: said.amount.or(of_copy.amount),
        currency: said.currency.or(of_copy.currency),
        ..said
    }
}

/// Sets of fourteen: what is wrong, how bad that is, an error code, a place in it. The first code, and all as a text.
fn errors(value: Option<&[u8]>) -> (Option<String>, Option<String>) {
    let Some(value) = value else { return (None, None) };
    let plain = value.len().is_multiple_of(14) && value.iter().all(u8::is_ascii_alphanumeric);
    if !plain {
        return (None, Some(fit_to_show(value)));
    }
    let text = |set: &[u8], from: usize, to: usize| {
        set.get(from..to).unwrap_or_default().escape_ascii().to_string()
    };
    let told: Vec<String> = value
        .chunks(14)
        .map(|set| {
            let weight = if text(set, 5, 7) == "01" { " (a warning)" } else { "" };
            format!("{}: error {}{weight}", text(set, 0, 5), text(set, 7, 11))
        })
        .collect();
    (value.get(7..11).map(|code| code.escape_ascii().to_string()), Some(told.join(", ")))
}
