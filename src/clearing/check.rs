//! Whether a clearing file is one as a whole: headers and trailers, numbers, sums, and what a presentment must have. For
//! files of others, and for ours in the hands of others; knows no disk.

use std::collections::BTreeSet;

use super::ipm::IpmRecord;
use crate::iso::{ElementNo, Pan, has_check_digit};

/// Looks at the records of a file, one after the other.
#[derive(Debug, Default)]
pub struct Checker {
    open: Option<Open>,
    ids: BTreeSet<Vec<u8>>,
    references: BTreeSet<Vec<u8>>,
    files: u64,
    uncompared: u64,
}

/// A logical file whose trailer has not come.
#[derive(Debug)]
struct Open {
    id: Vec<u8>,
    last: u64,
    records: u64,
    sum: u64,
}

/// So many reference numbers are kept for finding one that comes twice; those beyond are counted.
const REFERENCES_MAX: usize = 4_000_000;

/// Elements without which nobody takes a presentment.
const NEEDED: [u8; 10] = [2, 3, 4, 12, 24, 26, 31, 42, 43, 49];

impl Checker {
    /// The next record; `fault` is told each thing that is wrong with it, without any value of a secret.
    pub fn record(&mut self, record: &IpmRecord, mut fault: impl FnMut(String)) {
        let function = record.elements.get(ElementNo::of(24)).unwrap_or_default();
        let control = |code: &[u8]| record.mti == *b"1644" && function == code;
        let number = number(record.elements.get(ElementNo::of(71)));
        if control(b"697") {
            self.begin(record, number, &mut fault);
        }
        let Some(open) = &mut self.open else {
            return fault(
                "it is in no logical file: a header, 1644 with function code 697, comes first"
                    .to_owned(),
            );
        };
        match number {
            None => fault("it has no message number in element 71".to_owned()),
            Some(number) if number <= open.last => {
                fault(format!(
                    "its message number, {number}, does not ascend: the one before is {}",
                    open.last
                ));
            }
            Some(number) => open.last = number,
        }
        open.records += 1;
        open.sum = open.sum.saturating_add(amount(record).unwrap_or(0));
        if record.mti == *b"1240" {
            self.presentment(record, &mut fault);
        }
        if control(b"695") {
            self.trailer(record, &mut fault);
        }
    }

    /// After the last record: what is missing.
    pub fn end(&self) -> Option<&'static str> {
        match (&self.open, self.files) {
            (Some(_), _) => {
                Some("the last logical file has no trailer, 1644 with function code 695")
            }
            (None, 0) => Some("there is no header, 1644 with function code 697"),
            (None, _) => None,
        }
    }

    /// How many logical files there were.
    pub const fn files(&self) -> u64 {
        self.files
    }

    /// How many reference numbers were not compared with one another, since there were too many.
    pub const fn uncompared(&self) -> u64 {
        self.uncompared
    }

    fn begin(&mut self, record: &IpmRecord, number: Option<u64>, fault: &mut impl FnMut(String)) {
        if self.open.is_some() {
            fault("a header within a logical file: the trailer of that is missing".to_owned());
        }
        let id = record.part(105).unwrap_or_default().to_vec();
        if id.len() != 25 || !id.iter().all(u8::is_ascii_digit) {
            fault("its file id, subelement 0105, is not 25 digits".to_owned());
        } else if !self.ids.insert(id.clone()) {
            fault("its file id, subelement 0105, was used before".to_owned());
        }
        if number.is_some_and(|number| number != 1) {
            fault("the message number of a header is 1".to_owned());
        }
        self.files += 1;
        self.open = Some(Open { id, last: 0, records: 0, sum: 0 });
    }

    fn trailer(&mut self, record: &IpmRecord, fault: &mut impl FnMut(String)) {
        let Some(open) = self.open.take() else { return };
        if record.part(105) != Some(&open.id) {
            fault("its file id, subelement 0105, is not that of the header".to_owned());
        }
        match number(record.part(301)) {
            None => fault("it has no amount checksum, subelement 0301".to_owned()),
            // Nothing but zeros says that it is not to be checked.
            Some(sum) if sum != 0 && sum != open.sum => {
                fault(format!(
                    "its amount checksum, subelement 0301, is {sum}; the amounts add up to {}",
                    open.sum
                ));
            }
            Some(_) => {}
        }
        match number(record.part(306)) {
            None => fault("it has no message count, subelement 0306".to_owned()),
            Some(count) if count != open.records => {
                fault(format!(
                    "its message count, subelement 0306, is {count}; there are {}",
                    open.records
                ));
            }
            Some(_) => {}
        }
    }

    fn presentment(&mut self, record: &IpmRecord, fault: &mut impl FnMut(String)) {
        let get = |no: u8| record.elements.get(ElementNo::of(no));
        for no in NEEDED.into_iter().filter(|no| get(*no).is_none()) {
            fault(format!("element {no} is missing"));
        }
        if get(2).is_some_and(|card| Pan::new(card).is_err()) {
            fault("element 2 is no card number of 8 to 19 digits".to_owned());
        }
        for no in [3, 4, 26, 49] {
            if get(no).is_some_and(|value| !value.iter().all(u8::is_ascii_digit)) {
                fault(format!("element {no} is not digits alone"));
            }
        }
        if get(12).is_some_and(|time| !is_time(time)) {
            fault("element 12 is no time as YYMMDDhhmmss".to_owned());
        }
        let listed = record.part(148).unwrap_or_default();
        let currency = get(49).unwrap_or_default();
        if !currency.is_empty() && !listed.chunks(4).any(|one| one.starts_with(currency)) {
            fault("the currency of element 49 has no exponent in subelement 0148".to_owned());
        }
        if let Some(reference) = get(31) {
            self.reference(reference, fault);
        }
    }

    fn reference(&mut self, reference: &[u8], fault: &mut impl FnMut(String)) {
        let digits = reference.len() == 23 && reference.iter().all(u8::is_ascii_digit);
        if !digits || !has_check_digit(reference) {
            fault("the reference number in element 31 is not 23 digits of which the last fits the others".to_owned());
        } else if REFERENCES_MAX <= self.references.len() {
            self.uncompared += 1;
        } else if !self.references.insert(reference.to_vec()) {
            fault("the reference number in element 31 was used before".to_owned());
        }
    }
}

fn number(digits: Option<&[u8]>) -> Option<u64> {
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn amount(record: &IpmRecord) -> Option<u64> {
    number(record.elements.get(ElementNo::AMOUNT))
}

/// A day that its month has, and a time of that day.
fn is_time(text: &[u8]) -> bool {
    let two = |at: usize| {
        let pair = text.get(at..at + 2).filter(|pair| pair.iter().all(u8::is_ascii_digit))?;
        Some(pair.iter().fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (two(0), two(2), two(4)) else { return false };
    let (Some(hour), Some(minute), Some(second)) = (two(6), two(8), two(10)) else { return false };
    let days = match month {
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    text.len() == 12
        && (1..=12).contains(&month)
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::ipm::subelements;
    use crate::iso::Elements;

    fn record(mti: [u8; 4], values: &[(u8, &[u8])]) -> IpmRecord {
        let mut elements = Elements::default();
        for (no, value) in values {
            elements.set(ElementNo::of(*no), value);
        }
        IpmRecord { mti, elements }
    }

    const ID: &[u8] = b"0022611220000001234500001";

    fn control(function: &[u8], parts: &[(u16, &[u8])], number: &[u8]) -> IpmRecord {
        record(*b"1644", &[(24, function), (48, &subelements(parts)), (71, number)])
    }

    /// A header, two presentments of 10.00 and 2.50, and a trailer.
    fn good() -> Vec<IpmRecord> {
        let presentment = |amount: &[u8], reference: &[u8], number: &[u8]| {
            let exponent = subelements(&[(148, b"9782")]);
            record(
                *b"1240",
                &[
                    (2, b"5413330000000001"),
                    (3, b"000000"),
                    (4, amount),
                    (12, b"261122134510"),
                    (24, b"200"),
                    (26, b"5411"),
                    (31, reference),
                    (42, b"MERCH0000000001"),
                    (43, b"A\\ \\B\\             ZZZ"),
                    (48, &exponent),
                    (49, b"978"),
                    (71, number),
                ],
            )
        };
        vec![
            control(b"697", &[(105, ID), (122, b"T")], b"00000001"),
            presentment(b"000000001000", b"29999996326000000000016", b"00000002"),
            presentment(b"000000000250", b"29999996326000000000024", b"00000003"),
            control(
                b"695",
                &[(105, ID), (301, b"0000000000001250"), (306, b"00000004")],
                b"00000004",
            ),
        ]
    }

    fn faults(records: &[IpmRecord]) -> Vec<String> {
        let mut checker = Checker::default();
        let mut faults = Vec::new();
        for record in records {
            checker.record(record, |fault| faults.push(fault));
        }
        faults.extend(checker.end().map(str::to_owned));
        faults
    }

    #[test]
    fn a_good_file_has_no_fault() {
        assert_eq!(faults(&good()), Vec::<String>::new());
        let mut unsummed = good();
        unsummed[3] = control(
            b"695",
            &[(105, ID), (301, b"0000000000000000"), (306, b"00000004")],
            b"00000004",
        );
        assert_eq!(faults(&unsummed), Vec::<String>::new(), "zeros: not to be checked");
    }

    /// Each thing that can be wrong, alone.
    #[test]
    fn each_fault_is_told() {
        let set = |at: usize, no: u8, value: &[u8]| {
            let mut records = good();
            records[at].elements.set(ElementNo::of(no), value);
            records
        };
        let trailer = |parts: &[(u16, &[u8])]| set(3, 48, &subelements(parts));
        let without = |at: usize| {
            let mut records = good();
            records.remove(at);
            records
        };
        for (records, told) in [
            (set(0, 71, b"00000002"), "the message number of a header is 1"),
            (
                set(0, 48, &subelements(&[(105, b"1")])),
                "file id, subelement 0105, is not 25 digits",
            ),
            (set(2, 71, b"00000002"), "does not ascend"),
            (set(1, 2, b"5413"), "no card number"),
            (set(1, 12, b"260230134510"), "no time"),
            (set(1, 26, b"    "), "element 26 is not digits"),
            (set(1, 31, b"29999996326000000000017"), "the last fits"),
            (set(2, 31, b"29999996326000000000016"), "used before"),
            (set(1, 49, b"840"), "no exponent"),
            (set(1, 4, b"000000001001"), "the amounts add up to 1251"),
            (
                trailer(&[(105, b"9022611220000001234500001"), (301, b"0"), (306, b"4")]),
                "not that of the header",
            ),
            (
                trailer(&[(105, ID), (301, b"1251"), (306, b"4")]),
                "checksum, subelement 0301, is 1251",
            ),
            (
                trailer(&[(105, ID), (301, b"0"), (306, b"3")]),
                "count, subelement 0306, is 3; there are 4",
            ),
            (trailer(&[(105, ID)]), "no amount checksum"),
            (without(3), "no trailer"),
            (without(0), "it is in no logical file"),
            (Vec::new(), "there is no header"),
            ([good(), good()].concat(), "was used before"),
        ] {
            let faults = faults(&records);
            assert!(faults.iter().any(|fault| fault.contains(told)), "{told}: {faults:?}");
        }
        let mut bare = good();
        bare[1] = record(*b"1240", &[(71, b"00000002")]);
        assert_eq!(faults(&bare).iter().filter(|fault| fault.contains("is missing")).count(), 10);
    }
}
