//! One line of a file: what is claimed of an issuer or taken back, and under which reference; knows no file.

use super::text::decimal;
use super::{Capture, ClearingError, Country, Digits, Settings, ipm};
use crate::iso::{BusinessDate, ElementNo, Elements, NotOne};

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which transaction, for how much.
    pub capture: Capture,
    /// What is said of it.
    pub turn: Turn,
    /// Under which reference.
    pub reference: Reference,
}

/// What a line says of its claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is claimed, all of it.
    First,
    /// It is one of several claims of one authorization.
    Share {
        /// Whether no more follow.
        last: bool,
    },
    /// It was claimed before, and all or a part of it is taken back.
    Back {
        /// The day whose file claimed it.
        presented: BusinessDate,
    },
    /// It was charged back, and is claimed once more.
    Second {
        /// Whether for less than was charged back.
        partial: bool,
        /// Why.
        reason: Option<Digits<4>>,
    },
}

/// By what all parties name a claim (element 31): a format digit, the acquirer, a day, a number and a check digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference([u8; 23]);

impl Turn {
    /// Whether the money flows back.
    pub const fn is_back(self) -> bool {
        matches!(self, Self::Back { .. })
    }

    /// Function code (element 24) and reason (element 25).
    const fn codes(self, settings: &Settings) -> (&'static [u8; 3], Option<Digits<4>>) {
        match self {
            Self::First | Self::Back { .. } => (b"200", None),
            Self::Share { last: false } => (b"200", Some(settings.share_more)),
            Self::Share { last: true } => (b"200", Some(settings.share_last)),
            Self::Second { partial: false, reason } => (b"205", reason),
            Self::Second { partial: true, reason } => (b"282", reason),
        }
    }
}

impl Reference {
    /// Of a number that never recurs: of more than eleven digits the last.
    pub fn new(acquirer: &Digits<6>, date: BusinessDate, number: u64) -> Self {
        let mut text = [b'0'; 23];
        let parts = [&b"2"[..], acquirer.as_bytes(), &date.yddd(), &decimal::<11>(number)];
        text.iter_mut().zip(parts.into_iter().flatten()).for_each(|(to, from)| *to = *from);
        let check = luhn(text.get(..22).unwrap_or_default());
        let [.., last] = &mut text;
        *last = check;
        Self(text)
    }

    /// From its 23 digits.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        Digits::<23>::new(text).map(|digits| Self(*digits.as_bytes()))
    }

    /// The digits.
    pub const fn as_bytes(&self) -> &[u8; 23] {
        &self.0
    }

    /// The last eleven digits of the number that it was made of.
    pub fn number(&self) -> u64 {
        let digits = self.0.iter().skip(11).take(11);
        digits.fold(0, |number, digit| number * 10 + u64::from(digit.wrapping_sub(b'0')))
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl Line {
    /// Its amount, as files have it.
    pub(super) fn minor(&self) -> Result<u64, ClearingError> {
        u64::try_from(self.capture.amount.minor).or(Err(ClearingError::Overflow { what: "amount" }))
    }

    /// The elements of its record, with its number in the file. They are set as they ascend, which costs least.
    pub(super) fn record(&self, number: u32, settings: &Settings) -> Elements {
        let capture = &self.capture;
        let mut record = Elements::with_capacity(384);
        let copy = |record: &mut Elements, copied: &[(ElementNo, Fits)]| {
            for (no, fits) in copied {
                if let Some(value) = capture.elements.get(*no).filter(|value| fits(value)) {
                    record.set(*no, value);
                }
            }
        };
        record.set(ElementNo::PAN, capture.pan.expose());
        record.set(ElementNo::PROCESSING_CODE, &capture.processing_code);
        let minor = u64::try_from(capture.amount.minor).unwrap_or(0);
        record.set(ElementNo::AMOUNT, &decimal::<12>(minor));
        record.set(ElementNo::LOCAL_TIME, &capture.local);
        copy(&mut record, &COPIED_BEFORE);
        let (function, reason) = self.turn.codes(settings);
        record.set(FUNCTION, function);
        if let Some(reason) = reason {
            record.set(REASON, reason.as_bytes());
        }
        record.set(CATEGORY, self.category(settings));
        record.set(REFERENCE, self.reference.as_bytes());
        copy(&mut record, &COPIED_BEHIND);
        record.set(ElementNo::TERMINAL, &padded::<8>(self.terminal()));
        record.set(ElementNo::MERCHANT, &padded::<15>(capture.merchant()));
        record.set(ElementNo::MERCHANT_NAME, &place(settings, capture));
        let currency = capture.amount.currency;
        let code = decimal::<3>(currency.number().into());
        let exponent =
            decimal::<4>(u64::from(currency.number()) * 10 + u64::from(currency.exponent()));
        let parts = match self.turn {
            Turn::Back { presented } => {
                let original = [b"R", presented.yymmdd().as_slice()].concat();
                ipm::subelements(&[(25, &original), (148, &exponent)])
            }
            _ => ipm::subelements(&[(148, &exponent)]),
        };
        record.set(PRIVATE, &parts);
        record.set(ElementNo::CURRENCY, &code);
        record.set(NUMBER, &decimal::<8>(number.into()));
        record.set(ORIGINATOR, settings.acquirer_bin.as_bytes());
        record
    }

    /// The merchant's category, four digits.
    fn category<'a>(&'a self, settings: &'a Settings) -> &'a [u8] {
        let category = self.capture.elements.get(ElementNo::MERCHANT_TYPE);
        let category = category.filter(|value| value.len() == 4 && digits(value));
        category.unwrap_or(settings.merchant_type.as_bytes())
    }

    fn terminal(&self) -> &[u8] {
        self.capture.elements.get(ElementNo::TERMINAL).map_or(&b""[..], <[u8]>::trim_ascii)
    }
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

/// Elements that a presentment takes as they are, where they fit: those before the function code.
const COPIED_BEFORE: [(ElementNo, Fits); 3] = [
    (ElementNo::of(14), |expiry| expiry.len() == 4 && digits(expiry)),
    // Twelve characters from 1993 on; the three digits of 1987 say too little for them.
    (ElementNo::of(22), |point_of_service| point_of_service.len() == 12),
    (ElementNo::of(23), |card_sequence| card_sequence.len() == 3 && digits(card_sequence)),
];
/// And those behind the reference.
const COPIED_BEHIND: [(ElementNo, Fits); 5] = [
    (ElementNo::ACQUIRER, |acquirer| (1..=11).contains(&acquirer.len()) && digits(acquirer)),
    (ElementNo::FORWARDER, |forwarder| (1..=11).contains(&forwarder.len()) && digits(forwarder)),
    (ElementNo::RRN, |reference| reference.len() == 12),
    (ElementNo::APPROVAL_CODE, |code| code.len() == 6 && !code.trim_ascii().is_empty()),
    (ElementNo::of(40), |service_code| service_code.len() == 3 && digits(service_code)),
];
/// 24, function code.
pub(super) const FUNCTION: ElementNo = ElementNo::of(24);
/// 25, message reason code.
const REASON: ElementNo = ElementNo::of(25);
/// 26, card acceptor business code.
const CATEGORY: ElementNo = ElementNo::of(26);
/// 31, acquirer reference data.
const REFERENCE: ElementNo = ElementNo::of(31);
/// 48, private data subelements.
pub(super) const PRIVATE: ElementNo = ElementNo::of(48);
/// 71, message number.
pub(super) const NUMBER: ElementNo = ElementNo::of(71);
/// 94, transaction originator institution.
const ORIGINATOR: ElementNo = ElementNo::of(94);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::Part;
    use crate::clearing::capture::tests::standing;
    use crate::seal::Keys;

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
            let standing = standing(1, 200, &[(43, value)]);
            let capture = Capture::of(&standing, Part::Standing, &Keys::new(&[7; 32])).unwrap();
            let written = super::place(&Settings::default(), &capture);
            assert_eq!(std::str::from_utf8(&written).unwrap(), place, "{value}");
        }
    }
}
