//! One issuer's file in one currency: header, lines, trailer, and the sums of what went in; knows no
//! disk and no positions.

use std::collections::BTreeMap;
use std::fmt;

use super::frame::Framer;
use super::line::{FUNCTION, NUMBER, PRIVATE};
use super::text::decimal;
use super::{ClearingError, Digits, Line, Settings, ipm};
use crate::iso::{BusinessDate, Currency, Elements, NotOne};
use crate::record::LinkId;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its name among all files.
    pub id: FileId,
    /// Whose claims it holds.
    pub issuer: LinkId,
    /// In which currency.
    pub currency: Currency,
}

/// What names a file for ever, 25 digits: type, date, processor, and its number within the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId([u8; 25]);

impl FileId {
    /// Of the file with this number within the day, 1 to 99,999, which no other file of that day has.
    pub fn new(
        settings: &Settings,
        date: BusinessDate,
        sequence: u32,
    ) -> Result<Self, ClearingError> {
        if !(1..=99_999).contains(&sequence) {
            return Err(ClearingError::Sequence { sequence });
        }
        let number = format!("{sequence:05}");
        let [file_type, processor] =
            [&settings.file_type.as_bytes()[..], &settings.processor.as_bytes()[..]];
        let parts = [file_type, &date.yymmdd()[..], processor, number.as_bytes()];
        let mut id = [b'0'; 25];
        id.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
        Ok(Self(id))
    }

    /// From its 25 digits.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        Digits::<25>::new(text).map(|digits| Self(*digits.as_bytes()))
    }

    /// The digits.
    pub const fn as_bytes(&self) -> &[u8; 25] {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

/// A file that is being written. Push lines in, take bytes out as they become ready: memory stays
/// bounded by what the caller leaves in it. Same lines and settings in, same bytes out.
#[derive(Debug)]
pub struct File<'a> {
    settings: &'a Settings,
    head: Head,
    framer: Framer,
    scratch: Vec<u8>,
    totals: Totals,
}

/// What a file says of itself, and its sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// The file's id, 25 digits: type, date, processor, sequence.
    pub file_id: String,
    /// How many records it has, header and trailer included.
    pub records: u32,
    /// The sum of every element 4, whatever its currency and direction.
    pub checksum: u64,
    /// The sums by currency.
    pub sums: BTreeMap<Currency, Sums>,
}

/// What was claimed and taken back in one currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Purchases, claimed.
    pub purchases: Sum,
    /// Refunds, given.
    pub refunds: Sum,
    /// Purchases of an earlier day, taken back.
    pub purchases_reversed: Sum,
    /// Refunds of an earlier day, taken back.
    pub refunds_reversed: Sum,
}

/// How many, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many lines.
    pub count: u64,
    /// Minor units, never negative.
    pub minor: i64,
}

impl Sums {
    /// Counts lines in: refunds or purchases, claimed or taken back. None when a sum does not fit 64 bits.
    pub(super) fn add(&mut self, way: (bool, bool), sum: Sum) -> Option<()> {
        self.of(way).add(sum)
    }

    /// Counts another's sums in; none when a sum does not fit 64 bits.
    pub(super) fn merge(&mut self, other: &Self) -> Option<()> {
        self.purchases.add(other.purchases)?;
        self.refunds.add(other.refunds)?;
        self.purchases_reversed.add(other.purchases_reversed)?;
        self.refunds_reversed.add(other.refunds_reversed)
    }

    /// What merchants get and issuers owe for it, minor units; none when it does not fit 64 bits.
    pub fn net(&self) -> Option<i64> {
        self.purchases
            .minor
            .checked_sub(self.refunds.minor)?
            .checked_sub(self.purchases_reversed.minor)?
            .checked_add(self.refunds_reversed.minor)
    }

    const fn of(&mut self, way: (bool, bool)) -> &mut Sum {
        match way {
            (false, false) => &mut self.purchases,
            (true, false) => &mut self.refunds,
            (false, true) => &mut self.purchases_reversed,
            (true, true) => &mut self.refunds_reversed,
        }
    }
}

impl Sum {
    fn add(&mut self, other: Self) -> Option<()> {
        self.count = self.count.checked_add(other.count)?;
        self.minor = self.minor.checked_add(other.minor)?;
        Some(())
    }
}

impl Totals {
    /// Counts a line in, all but its record.
    pub(super) fn add(&mut self, line: &Line) -> Result<(), ClearingError> {
        let (minor, amount) = (line.minor()?, line.capture.amount);
        self.checksum = (self.checksum)
            .checked_add(minor)
            .filter(|sum| *sum <= CHECKSUM_MAX)
            .ok_or(ClearingError::Overflow { what: "amount checksum" })?;
        let sums = self.sums.entry(amount.currency).or_default();
        let one = Sum { count: 1, minor: amount.minor };
        let added = sums.add((line.capture.refund, line.turn.is_back()), one);
        added.ok_or(ClearingError::Overflow { what: "sum" })
    }
}

impl<'a> File<'a> {
    /// Begins with the header.
    pub fn begin(settings: &'a Settings, head: Head) -> Result<Self, ClearingError> {
        let file_id = head.id.to_string();
        let totals = Totals { file_id, records: 0, checksum: 0, sums: BTreeMap::new() };
        let framer = Framer::new(settings.blocked);
        let mut file = Self { settings, head, framer, scratch: Vec::new(), totals };
        let mode: &[u8] = if settings.production { b"P" } else { b"T" };
        let parts = ipm::subelements(&[(105, file.totals.file_id.as_bytes()), (122, mode)]);
        file.control(*b"697", &parts)?;
        Ok(file)
    }

    /// Adds a line, and gives its number in the file.
    pub fn add(&mut self, line: &Line) -> Result<u32, ClearingError> {
        let capture = &line.capture;
        if capture.issuer != self.head.issuer || capture.amount.currency != self.head.currency {
            return Err(ClearingError::OtherFile { txn: capture.txn });
        }
        self.totals.add(line)?;
        let number = self.next()?;
        self.record(*b"1240", number, &line.record(number, self.settings))?;
        Ok(number)
    }

    /// How many bytes are ready to be taken.
    pub const fn ready_len(&self) -> usize {
        self.framer.ready_len()
    }

    /// The bytes that are ready, each once.
    pub fn take(&mut self) -> Vec<u8> {
        self.framer.take()
    }

    /// Ends with the trailer: the last bytes, and what went in.
    pub fn end(mut self) -> Result<(Vec<u8>, Totals), ClearingError> {
        let checksum = decimal::<16>(self.totals.checksum);
        let count = decimal::<8>(self.next()?.into());
        let parts = ipm::subelements(&[
            (105, self.totals.file_id.as_bytes()),
            (301, &checksum),
            (306, &count),
        ]);
        self.control(*b"695", &parts)?;
        self.framer.end();
        Ok((self.framer.take(), self.totals))
    }

    fn control(&mut self, function: [u8; 3], parts: &[u8]) -> Result<(), ClearingError> {
        let number = self.next()?;
        let mut elements = Elements::with_capacity(128);
        elements.set(FUNCTION, &function);
        elements.set(PRIVATE, parts);
        elements.set(NUMBER, &decimal::<8>(number.into()));
        self.record(*b"1644", number, &elements)
    }

    /// The number of the next record.
    fn next(&self) -> Result<u32, ClearingError> {
        let number = self.totals.records.checked_add(1).filter(|number| *number <= RECORDS_MAX);
        number.ok_or(ClearingError::Overflow { what: "message count" })
    }

    /// Puts a record into the file, under its number.
    fn record(
        &mut self,
        mti: [u8; 4],
        number: u32,
        elements: &Elements,
    ) -> Result<(), ClearingError> {
        self.scratch.clear();
        ipm::write(mti, elements, self.settings.charset, &mut self.scratch)
            .map_err(|no| ClearingError::Unwritable { number, element: no.get() })?;
        if !self.framer.record(&self.scratch) {
            return Err(ClearingError::Unwritable { number, element: 0 });
        }
        self.totals.records = number;
        Ok(())
    }
}

/// What the eight digits of element 71 hold.
const RECORDS_MAX: u32 = 99_999_999;
/// What the sixteen digits of the checksum hold.
const CHECKSUM_MAX: u64 = 9_999_999_999_999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::capture::tests::standing;
    use crate::clearing::{Capture, Charset, Part, Reference, Turn, records, unblock};
    use crate::record::TxnId;
    use crate::seal::Keys;

    const DAY: BusinessDate = BusinessDate(20_780);

    fn head() -> Head {
        let id = FileId::new(&Settings::default(), DAY, 7).unwrap();
        Head { id, issuer: LinkId(2), currency: Currency::new(978).unwrap() }
    }

    fn line(id: u64, turn: Turn, changes: &[(u8, &str)]) -> Line {
        let standing = standing(id, 200, changes);
        let capture = Capture::of(&standing, Part::Standing, &Keys::new(&[7; 32])).unwrap();
        let reference = Reference::new(&Settings::default().acquirer_bin, DAY, id);
        Line { capture, turn, reference }
    }

    /// A plain file of these lines as text, one line a record, bitmaps left out.
    fn written(lines: &[Line]) -> (Vec<String>, Totals) {
        let settings = Settings { blocked: false, ..Settings::default() };
        let mut file = File::begin(&settings, head()).unwrap();
        let mut bytes = file.take();
        for (line, number) in lines.iter().zip(2..) {
            assert_eq!(file.add(line), Ok(number));
            bytes.extend(file.take());
        }
        let (rest, totals) = file.end().unwrap();
        bytes.extend(rest);
        let lines = records(&bytes).unwrap().into_iter();
        let lines =
            lines.map(|record| [&record[..4], &record[20..]].concat().escape_ascii().to_string());
        (lines.collect(), totals)
    }

    #[test]
    fn header_presentments_and_trailer() {
        let details =
            [(14, "2912"), (32, "123456"), (37, "632718000001"), (38, "A1B2C3"), (41, "TERM0001")];
        let refund = [(3, "200000"), (4, "000000000250"), (18, "5411")];
        let (lines, totals) = written(&[
            line(5, Turn::First, &details),
            line(6, Turn::First, &refund),
            line(
                9,
                Turn::Back { presented: DAY },
                &[(43, "CORNER SHOP 12         BASEL         CHE")],
            ),
        ]);
        let [header, sale, back, opposite, trailer] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!(header, "1644697040010502500226112300000000001000070122001T00000001");
        for (line, parts) in [
            (
                sale,
                [
                    "1240165413330000004111000000000000001000261123193400",
                    "29122005999232999999632700000000005606123456632718000001A1B2C3TERM0001",
                    "MERCHANT 7     31MERCHANT 7\\\\ \\\\ \\\\             ZZZ",
                    "011014800497829780000000206999999",
                ],
            ),
            (
                back,
                [
                    "1240165413330000004111200000000000000250261123193400",
                    "20054112329999996327000000000064        ",
                    "MERCHANT 7     31MERCHANT 7\\\\ \\\\ \\\\             ZZZ",
                    "011014800497829780000000306999999",
                ],
            ),
            (
                opposite,
                [
                    "1240165413330000004111000000000000001000261123193400",
                    "20059992329999996327000000000098        ",
                    "MERCHANT 7     39CORNER SHOP 12\\\\ \\\\BASEL\\\\             CHE",
                    "0250025007R261123014800497829780000000406999999",
                ],
            ),
        ] {
            assert_eq!(line, &parts.concat());
        }
        let sums = "030101600000000000022500306008 00000005".replace(' ', "");
        assert_eq!(trailer, &format!("16446950700105025{}{sums}00000005", totals.file_id));
        assert_eq!((totals.records, totals.checksum), (5, 2250));
        let sum = |count, minor| Sum { count, minor };
        let euros = Sums {
            purchases: sum(1, 1000),
            refunds: sum(1, 250),
            purchases_reversed: sum(1, 1000),
            ..Sums::default()
        };
        assert_eq!(totals.sums, [(head().currency, euros)].into());
        assert_eq!(euros.net(), Some(-250));
    }

    /// What is claimed in parts, or once more, says so in elements 24 and 25.
    #[test]
    fn shares_and_second_presentments() {
        let second = |partial, reason| Turn::Second { partial, reason };
        let reason = Some(Digits::new("2713").unwrap());
        for (turn, codes) in [
            (Turn::First, "2005999"),
            (Turn::Share { last: false }, "20014035999"),
            (Turn::Share { last: true }, "20014045999"),
            (second(false, None), "2055999"),
            (second(false, reason), "20527135999"),
            (second(true, reason), "28227135999"),
        ] {
            let (lines, totals) = written(&[line(5, turn, &[])]);
            let begins = format!("1240165413330000004111000000000000001000261123193400{codes}23");
            assert!(lines[1].starts_with(&begins), "{turn:?}: {}", lines[1]);
            assert_eq!(totals.sums[&head().currency].purchases, Sum { count: 1, minor: 1000 });
        }
    }

    #[test]
    fn an_empty_day_is_a_header_and_a_trailer() {
        let (lines, totals) = written(&[]);
        assert_eq!((lines.len(), totals.records, totals.checksum), (2, 2, 0));
    }

    #[test]
    fn every_form_has_the_same_records() {
        let lines: Vec<_> =
            (1..=40).map(|id| line(id, Turn::First, &[(43, "Caf\u{e9} [1]")])).collect();
        for (charset, blocked) in [
            (Charset::Latin1, false),
            (Charset::Latin1, true),
            (Charset::Cp500, false),
            (Charset::Cp500, true),
        ] {
            let settings = Settings { charset, blocked, ..Settings::default() };
            // Taken record by record or all at once: the same bytes.
            let [often, once] = [true, false].map(|often| {
                let mut file = File::begin(&settings, head()).unwrap();
                let mut bytes = Vec::new();
                for line in &lines {
                    file.add(line).unwrap();
                    if often {
                        bytes.extend(file.take());
                    }
                }
                let (rest, _) = file.end().unwrap();
                bytes.extend(rest);
                bytes
            });
            assert_eq!(often, once);
            let data = if blocked { unblock(&once).unwrap() } else { once };
            assert_eq!(records(&data).unwrap().len(), 42);
        }
    }

    #[test]
    fn a_file_refuses_what_is_not_its() {
        let settings = Settings::default();
        for sequence in [0, 100_000] {
            let none = FileId::new(&settings, DAY, sequence);
            assert_eq!(none, Err(ClearingError::Sequence { sequence }));
        }
        let id = FileId::new(&settings, DAY, 7).unwrap();
        assert_eq!(FileId::from_text(&id.to_string()), Ok(id));
        assert!(FileId::from_text("7").is_err());
        let yen = Currency::new(392).unwrap();
        for other in [Head { issuer: LinkId(3), ..head() }, Head { currency: yen, ..head() }] {
            let mut file = File::begin(&settings, other).unwrap();
            let added = file.add(&line(6, Turn::First, &[]));
            assert_eq!(added, Err(ClearingError::OtherFile { txn: TxnId(6) }));
        }
    }

    #[test]
    fn the_checksum_does_not_run_over() {
        let settings = Settings::default();
        let mut file = File::begin(&settings, head()).unwrap();
        let mut added = Ok(());
        let mut id = 0;
        while added.is_ok() {
            id += 1;
            added = file.add(&line(id, Turn::First, &[(4, "999999999999")])).map(drop);
            file.take();
        }
        let overflow = ClearingError::Overflow { what: "amount checksum" };
        assert_eq!((id, added), (10_001, Err(overflow)));
    }
}
