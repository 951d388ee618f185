//! One issuer's file of one day: header, presentments, trailer, and the sums of what went in; knows no
//! disk and no positions.

use std::collections::BTreeMap;

use super::frame::Framer;
use super::{Capture, ClearingError, Country, Kind, Settings, ipm};
use crate::iso::{BusinessDate, Currency, ElementNo, Elements};
use crate::record::{LinkId, TxnId};

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The day that was cut.
    pub date: BusinessDate,
    /// The file's number within the day, 1 to 99,999, never used for another file of that day.
    pub sequence: u32,
    /// Whose captures it holds.
    pub issuer: LinkId,
}

/// A file that is being written. Push captures in, take bytes out as they become ready: memory stays
/// bounded by what the caller leaves in it. Same captures and settings in, same bytes out.
#[derive(Debug)]
pub struct File<'a> {
    settings: &'a Settings,
    head: Head,
    framer: Framer,
    scratch: Vec<u8>,
    last: Option<TxnId>,
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
    /// How many captures.
    pub count: u64,
    /// Minor units, never negative.
    pub minor: i64,
}

impl Sums {
    /// Counts a capture in; none when a sum does not fit 64 bits.
    pub(super) fn add(&mut self, capture: &Capture) -> Option<()> {
        self.of(capture.kind, capture.refund).add(Sum { count: 1, minor: capture.amount.minor })
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

    const fn of(&mut self, kind: Kind, refund: bool) -> &mut Sum {
        match (kind, refund) {
            (Kind::Presentment, false) => &mut self.purchases,
            (Kind::Presentment, true) => &mut self.refunds,
            (Kind::Opposite, false) => &mut self.purchases_reversed,
            (Kind::Opposite, true) => &mut self.refunds_reversed,
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

impl<'a> File<'a> {
    /// Begins with the header.
    pub fn begin(settings: &'a Settings, head: Head) -> Result<Self, ClearingError> {
        if !(1..=99_999).contains(&head.sequence) {
            return Err(ClearingError::Sequence { sequence: head.sequence });
        }
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let file_id = format!(
            "{}{}{}{:05}",
            text(settings.file_type.as_bytes()),
            text(&head.date.yymmdd()),
            text(settings.processor.as_bytes()),
            head.sequence
        );
        let totals = Totals { file_id, records: 0, checksum: 0, sums: BTreeMap::new() };
        let framer = Framer::new(settings.blocked);
        let mut file = Self { settings, head, framer, scratch: Vec::new(), last: None, totals };
        let mode: &[u8] = if settings.production { b"P" } else { b"T" };
        let parts = ipm::subelements(&[(105, file.totals.file_id.as_bytes()), (122, mode)]);
        file.control(*b"697", &parts)?;
        Ok(file)
    }

    /// Adds a capture; transactions ascend.
    pub fn add(&mut self, capture: &Capture) -> Result<(), ClearingError> {
        let txn = capture.txn;
        if capture.issuer != self.head.issuer {
            return Err(ClearingError::OtherIssuer { txn });
        }
        if let Some(last) = self.last.filter(|last| txn <= *last) {
            return Err(ClearingError::Order { txn, last });
        }
        self.last = Some(txn);
        let minor = u64::try_from(capture.amount.minor)
            .or(Err(ClearingError::Overflow { what: "amount" }))?;
        self.totals.checksum = (self.totals.checksum)
            .checked_add(minor)
            .filter(|sum| *sum <= CHECKSUM_MAX)
            .ok_or(ClearingError::Overflow { what: "amount checksum" })?;
        let sums = self.totals.sums.entry(capture.amount.currency).or_default();
        sums.add(capture).ok_or(ClearingError::Overflow { what: "sum" })?;
        self.record(*b"1240", presentment(self.settings, capture))
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
        let checksum = format!("{:016}", self.totals.checksum);
        let count = format!("{:08}", self.totals.records.saturating_add(1));
        let parts = ipm::subelements(&[
            (105, self.totals.file_id.as_bytes()),
            (301, checksum.as_bytes()),
            (306, count.as_bytes()),
        ]);
        self.control(*b"695", &parts)?;
        self.framer.end();
        Ok((self.framer.take(), self.totals))
    }

    fn control(&mut self, function: [u8; 3], parts: &[u8]) -> Result<(), ClearingError> {
        let mut elements = Elements::with_capacity(128);
        elements.set(FUNCTION, &function);
        elements.set(PRIVATE, parts);
        self.record(*b"1644", elements)
    }

    /// Numbers a record and puts it into the file.
    fn record(&mut self, mti: [u8; 4], mut elements: Elements) -> Result<(), ClearingError> {
        let number = self.totals.records + 1;
        if number > RECORDS_MAX {
            return Err(ClearingError::Overflow { what: "message count" });
        }
        elements.set(NUMBER, format!("{number:08}").as_bytes());
        self.scratch.clear();
        ipm::write(mti, &elements, self.settings.charset, &mut self.scratch)
            .map_err(|no| ClearingError::Unwritable { number, element: no.get() })?;
        if !self.framer.record(&self.scratch) {
            return Err(ClearingError::Unwritable { number, element: 0 });
        }
        self.totals.records = number;
        Ok(())
    }
}

/// The elements of a presentment, all but its number.
fn presentment(settings: &Settings, capture: &Capture) -> Elements {
    let mut record = Elements::with_capacity(384);
    record.set(ElementNo::PAN, capture.pan.expose());
    record.set(ElementNo::PROCESSING_CODE, &capture.processing_code);
    record.set(ElementNo::AMOUNT, format!("{:012}", capture.amount.minor).as_bytes());
    record.set(ElementNo::LOCAL_TIME, &capture.local);
    for (no, fits) in COPIED {
        if let Some(value) = capture.elements.get(no).filter(|value| fits(value)) {
            record.set(no, value);
        }
    }
    record.set(FUNCTION, b"200");
    let category = capture.elements.get(ElementNo::MERCHANT_TYPE);
    let category = category.filter(|value| value.len() == 4 && digits(value));
    record.set(CATEGORY, category.unwrap_or(settings.merchant_type.as_bytes()));
    record.set(REFERENCE, &reference(settings, capture));
    let terminal = capture.elements.get(ElementNo::TERMINAL).map_or(&b""[..], <[u8]>::trim_ascii);
    record.set(ElementNo::TERMINAL, &padded::<8>(terminal));
    record.set(ElementNo::MERCHANT, &padded::<15>(capture.merchant()));
    record.set(ElementNo::MERCHANT_NAME, &place(settings, capture));
    let currency = capture.amount.currency;
    let exponent = format!("{currency}{}", currency.exponent());
    let original = [b"R", capture.date.yymmdd().as_slice()].concat();
    let parts: &[(u16, &[u8])] = match capture.kind {
        Kind::Presentment => &[(148, exponent.as_bytes())],
        Kind::Opposite => &[(25, &original), (148, exponent.as_bytes())],
    };
    record.set(PRIVATE, &ipm::subelements(parts));
    record.set(ElementNo::CURRENCY, currency.to_string().as_bytes());
    record.set(ORIGINATOR, settings.acquirer_bin.as_bytes());
    record
}

/// The reference by which all parties name a claim: a format digit, the acquirer, the day, a number and a
/// check digit. The number is the transaction's own, so that no counter is needed and none recurs within
/// its day; a claim taken back has the reference of the claim.
fn reference(settings: &Settings, capture: &Capture) -> [u8; 23] {
    let mut text = [b'0'; 23];
    let number = format!("{:011}", capture.txn.0 % 100_000_000_000);
    let parts =
        [&b"2"[..], settings.acquirer_bin.as_bytes(), &capture.date.yddd()[..], number.as_bytes()];
    text.iter_mut().zip(parts.concat()).for_each(|(to, from)| *to = from);
    let check = luhn(text.get(..22).unwrap_or_default());
    let [.., last] = &mut text;
    *last = check;
    text
}

/// The digit that makes a number pass Luhn's test (ISO/IEC 7812-1, annex B).
fn luhn(digits: &[u8]) -> u8 {
    let doubled = |digit: u8| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum = digits.iter().rev().enumerate().fold(0_u8, |sum, (at, digit)| {
        let digit = digit.wrapping_sub(b'0') % 10;
        (sum + if at % 2 == 0 { doubled(digit) } else { digit }) % 10
    });
    b'0' + (10 - sum) % 10
}

/// Who and where the merchant is: `name\\street\\city\\`, then postcode, state and country.
///
/// In 1987 element 43 is 40 characters: a name of 22, a city of 13 from the 24th on, a country at the
/// end. What already has the later form is kept in it. No part is empty, or readers find none of them.
fn place(settings: &Settings, capture: &Capture) -> Vec<u8> {
    let value = capture.elements.get(ElementNo::MERCHANT_NAME).unwrap_or_default();
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'\\').collect();
    let (name, street, city, tail) = match (parts.as_slice(), value.len()) {
        (&[name, street, city, tail], _) if tail.len() == 16 => (name, street, city, tail),
        (_, 40) => {
            let (name, rest) = value.split_at(23);
            let (city, tail) = rest.split_at(13);
            (name, &b""[..], city, tail)
        }
        _ => (value, &b""[..], &b""[..], &b""[..]),
    };
    let name = if name.trim_ascii().is_empty() { capture.merchant() } else { name };
    let mut text = Vec::with_capacity(99);
    for (part, max) in [(name, 22), (street, 48), (city, 13)] {
        let part = part.trim_ascii();
        let part = part.get(..part.len().min(max)).unwrap_or_default();
        text.extend(part.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }));
        if part.is_empty() {
            text.push(b' ');
        }
        text.push(b'\\');
    }
    let (rest, country) = tail.split_first_chunk::<13>().unwrap_or((&[b' '; 13], tail));
    let country = Country::new(country.trim_ascii()).unwrap_or(settings.country);
    text.extend_from_slice(rest);
    text.extend_from_slice(country.as_bytes());
    text
}

/// A text at the left of its place, the rest spaces; what is too long is cut.
fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut place = [b' '; N];
    place.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    place
}

fn digits(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit)
}

/// Whether a value is one that its place may hold.
type Fits = fn(&[u8]) -> bool;

/// Elements that a presentment takes as they are, where they fit.
const COPIED: [(ElementNo, Fits); 8] = [
    (ElementNo::of(14), |expiry| expiry.len() == 4 && digits(expiry)),
    // Twelve characters from 1993 on; the three digits of 1987 say too little for them.
    (ElementNo::of(22), |point_of_service| point_of_service.len() == 12),
    (ElementNo::of(23), |card_sequence| card_sequence.len() == 3 && digits(card_sequence)),
    (ElementNo::ACQUIRER, |acquirer| (1..=11).contains(&acquirer.len()) && digits(acquirer)),
    (ElementNo::FORWARDER, |forwarder| (1..=11).contains(&forwarder.len()) && digits(forwarder)),
    (ElementNo::RRN, |reference| reference.len() == 12),
    (ElementNo::APPROVAL_CODE, |code| code.len() == 6 && !code.trim_ascii().is_empty()),
    (ElementNo::of(40), |service_code| service_code.len() == 3 && digits(service_code)),
];
/// 24, function code.
const FUNCTION: ElementNo = ElementNo::of(24);
/// 26, card acceptor business code.
const CATEGORY: ElementNo = ElementNo::of(26);
/// 31, acquirer reference data.
const REFERENCE: ElementNo = ElementNo::of(31);
/// 48, private data subelements.
const PRIVATE: ElementNo = ElementNo::of(48);
/// 71, message number.
const NUMBER: ElementNo = ElementNo::of(71);
/// 94, transaction originator institution.
const ORIGINATOR: ElementNo = ElementNo::of(94);
/// What the eight digits of element 71 hold.
const RECORDS_MAX: u32 = 99_999_999;
/// What the sixteen digits of the checksum hold.
const CHECKSUM_MAX: u64 = 9_999_999_999_999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::capture::tests::standing;
    use crate::clearing::{Charset, records, unblock};
    use crate::seal::Keys;

    const HEAD: Head = Head { date: BusinessDate(20_780), sequence: 7, issuer: LinkId(2) };

    fn capture(id: u64, kind: Kind, changes: &[(u8, &str)]) -> Capture {
        Capture::of(&standing(id, 200, changes), kind, &Keys::new(&[7; 32])).unwrap()
    }

    /// A plain file of these captures as text, one line a record, bitmaps left out.
    fn written(captures: &[Capture]) -> (Vec<String>, Totals) {
        let settings = Settings { blocked: false, ..Settings::default() };
        let mut file = File::begin(&settings, HEAD).unwrap();
        let mut bytes = file.take();
        for capture in captures {
            file.add(capture).unwrap();
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
        let refund = [(3, "200000"), (4, "000000000250"), (18, "5411"), (49, "392")];
        let (lines, totals) = written(&[
            capture(5, Kind::Presentment, &details),
            capture(6, Kind::Presentment, &refund),
            capture(9, Kind::Opposite, &[(43, "CORNER SHOP 12         BASEL         CHE")]),
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
                    "011014800439203920000000306999999",
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
        let euros =
            Sums { purchases: sum(1, 1000), purchases_reversed: sum(1, 1000), ..Sums::default() };
        let yen = Sums { refunds: sum(1, 250), ..Sums::default() };
        let currency = |number| Currency::new(number).unwrap();
        assert_eq!(totals.sums, [(currency(392), yen), (currency(978), euros)].into());
        assert_eq!((euros.net(), yen.net()), (Some(0), Some(-250)));
    }

    #[test]
    fn an_empty_day_is_a_header_and_a_trailer() {
        let (lines, totals) = written(&[]);
        assert_eq!((lines.len(), totals.records, totals.checksum), (2, 2, 0));
    }

    #[test]
    fn every_form_has_the_same_records() {
        let captures: Vec<_> =
            (1..=40).map(|id| capture(id, Kind::Presentment, &[(43, "Caf\u{e9} [1]")])).collect();
        for (charset, blocked) in [
            (Charset::Latin1, false),
            (Charset::Latin1, true),
            (Charset::Cp500, false),
            (Charset::Cp500, true),
        ] {
            let settings = Settings { charset, blocked, ..Settings::default() };
            // Taken record by record or all at once: the same bytes.
            let [often, once] = [true, false].map(|often| {
                let mut file = File::begin(&settings, HEAD).unwrap();
                let mut bytes = Vec::new();
                for capture in &captures {
                    file.add(capture).unwrap();
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
            let begun = File::begin(&settings, Head { sequence, ..HEAD });
            assert_eq!(begun.unwrap_err(), ClearingError::Sequence { sequence });
        }
        let mut file = File::begin(&settings, HEAD).unwrap();
        file.add(&capture(5, Kind::Presentment, &[])).unwrap();
        for txn in [4, 5] {
            let added = file.add(&capture(txn, Kind::Presentment, &[]));
            assert_eq!(added, Err(ClearingError::Order { txn: TxnId(txn), last: TxnId(5) }));
        }
        let mut other = File::begin(&settings, Head { issuer: LinkId(3), ..HEAD }).unwrap();
        let added = other.add(&capture(6, Kind::Presentment, &[]));
        assert_eq!(added, Err(ClearingError::OtherIssuer { txn: TxnId(6) }));
    }

    #[test]
    fn the_checksum_does_not_run_over() {
        let settings = Settings::default();
        let mut file = File::begin(&settings, HEAD).unwrap();
        let mut added = Ok(());
        let mut id = 0;
        while added.is_ok() {
            id += 1;
            added = file.add(&capture(id, Kind::Presentment, &[(4, "999999999999")]));
            file.take();
        }
        let overflow = ClearingError::Overflow { what: "amount checksum" };
        assert_eq!((id, added), (10_001, Err(overflow)));
    }

    #[test]
    fn luhn_digits() {
        for (digits, check) in
            [("411111111111111", b'1'), ("7992739871", b'3'), ("0", b'0'), ("", b'0'), ("9", b'1')]
        {
            assert_eq!(luhn(digits.as_bytes()), check, "{digits}");
        }
    }

    #[test]
    fn places_have_no_empty_part() {
        for (value, place) in [
            ("", r"MERCHANT 7\ \ \             ZZZ"),
            (
                "CORNER SHOP 12         BASEL         CHE",
                r"CORNER SHOP 12\ \BASEL\             CHE",
            ),
            (
                "CORNER SHOP 12           NEW YORK     US",
                r"CORNER SHOP 12\ \NEW YORK\             ZZZ",
            ),
            ("                       BASEL            ", r"MERCHANT 7\ \BASEL\             ZZZ"),
            (r"A\B", r"A/B\ \ \             ZZZ"),
            (
                r"SHOP\HIGH STREET 1\BASEL\4051         CHE",
                r"SHOP\HIGH STREET 1\BASEL\4051         CHE",
            ),
            (r"SHOP\\BASEL\4051         ch ", r"SHOP\ \BASEL\4051         ZZZ"),
            ("A NAME OF MUCH MORE THAN TWENTY-TWO", r"A NAME OF MUCH MORE TH\ \ \             ZZZ"),
        ] {
            let capture = capture(1, Kind::Presentment, &[(43, value)]);
            let written = super::place(&Settings::default(), &capture);
            assert_eq!(std::str::from_utf8(&written).unwrap(), place, "{value}");
        }
    }
}
