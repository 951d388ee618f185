//! What makes it likely that a message was read as it was meant: values that have to be something. Shows none of them.

use crate::codec::Message;
use crate::iso::{ElementNo, Mti};
use crate::tools::meaning;

/// How often each sign was there, of how many times that it could have been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs([(usize, usize); SIGNS.len()]);

/// Each sign as people read it, and how much it weighs.
const SIGNS: [(&str, usize); 7] = [
    ("the MTI is of the dialect's edition of the standard", 4),
    ("element 7 is a date and a time", 3),
    ("elements 12 to 17 are dates and times", 2),
    ("elements 37, 41, 42 and 43 are printable text", 2),
    ("card numbers pass Luhn's check", 1),
    ("elements 49 to 51 are currencies of ISO 4217", 1),
    ("element 3 is a transaction type that is known", 1),
];

/// The places of some.
const EDITION: usize = 0;
const TRANSMISSION: usize = 1;
const CARDS: usize = 4;

impl Signs {
    /// Looks at one message.
    pub(super) fn see(&mut self, message: &Message) {
        let mti = message.mti();
        self.note(EDITION, meaning::is_edition(mti, message.dialect()));
        for (no, value) in message.iter(message.present()) {
            if let Some((sign, good)) = sign(no, &value, mti) {
                self.note(sign, good);
            }
        }
    }

    fn note(&mut self, sign: usize, good: bool) {
        if let Some((seen, all)) = self.0.get_mut(sign) {
            *seen += usize::from(good);
            *all += 1;
        }
    }

    /// How much speaks for it, of a thousand.
    pub(super) fn weight(&self) -> usize {
        let sum = |count: fn(&(usize, usize)) -> usize| -> usize {
            self.0.iter().zip(SIGNS).map(|(sign, (_, weight))| weight * count(sign)).sum()
        };
        (1000 * sum(|(seen, _)| *seen)).checked_div(sum(|(_, all)| *all)).unwrap_or(0)
    }

    /// Whether the edition of the MTI, dates of transmission and card numbers are there as often as not: what reads none of
    /// these reads nothing as it is meant, however much of it.
    pub(super) fn are_sound(&self) -> bool {
        let must = [EDITION, TRANSMISSION, CARDS].iter().filter_map(|sign| self.0.get(*sign));
        must.into_iter().all(|(seen, all)| *all <= 2 * *seen)
    }

    /// How many card numbers pass their check, and how many there are.
    pub(super) fn cards(&self) -> (usize, usize) {
        self.0.get(CARDS).copied().unwrap_or_default()
    }

    /// Each sign that there was, and how often.
    pub(super) fn told(&self) -> impl Iterator<Item = String> {
        self.some(|(_, all)| *all != 0)
    }

    /// Each sign that was missing somewhere.
    pub(super) fn against(&self) -> impl Iterator<Item = String> {
        self.some(|(seen, all)| seen < all)
    }

    fn some(&self, is_meant: fn(&(usize, usize)) -> bool) -> impl Iterator<Item = String> {
        let signs = self.0.iter().zip(SIGNS).filter(move |(sign, _)| is_meant(sign));
        signs.map(|((seen, all), (sign, _))| format!("{sign}: {seen} of {all}"))
    }
}

/// Which sign an element is, and whether it is there.
fn sign(no: ElementNo, value: &[u8], mti: Mti) -> Option<(usize, bool)> {
    Some(match no.get() {
        7 => (TRANSMISSION, meaning::is_moment(no, value, mti).unwrap_or(false)),
        12..=17 => (2, meaning::is_moment(no, value, mti)?),
        37 | 41..=43 => (3, value.iter().all(|byte| matches!(byte, b' '..=b'~'))),
        2 => (CARDS, passes_luhn(value)),
        49..=51 if value.len() == 3 => (5, is_currency(value)),
        3 if value.len() == 6 => (6, is_type(value)),
        _ => return None,
    })
}

/// ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([1, 2].into_iter().cycle())
        .map(|(digit, times)| {
            let value = times * u32::from(digit & 0x0F);
            value / 10 + value % 10
        })
        .sum();
    digits.iter().all(u8::is_ascii_digit) && sum.is_multiple_of(10)
}

fn is_type(value: &[u8]) -> bool {
    let known: [&[u8]; 10] = [b"00", b"01", b"02", b"09", b"20", b"21", b"22", b"30", b"31", b"40"];
    known.iter().any(|kind| value.starts_with(kind))
}

fn is_currency(value: &[u8]) -> bool {
    let number = value.iter().fold(0, |number, digit| number * 10 + u16::from(digit & 0x0F));
    value.iter().all(u8::is_ascii_digit) && CURRENCIES.contains(&number)
}

/// The numbers of ISO 4217 that are in use.
const CURRENCIES: &[u16] = &[
    8, 12, 32, 36, 44, 48, 50, 51, 52, 60, 64, 68, 72, 84, 90, 96, 104, 108, 116, 124, 132, 136,
    144, 152, 156, 170, 174, 188, 191, 192, 203, 208, 214, 222, 230, 232, 238, 242, 262, 270, 292,
    320, 324, 328, 332, 340, 344, 348, 352, 356, 360, 364, 368, 376, 388, 392, 398, 400, 404, 408,
    410, 414, 417, 418, 422, 426, 430, 434, 446, 454, 458, 462, 480, 484, 496, 498, 504, 512, 516,
    524, 532, 533, 548, 554, 558, 566, 578, 586, 590, 598, 600, 604, 608, 634, 643, 646, 654, 682,
    690, 702, 704, 706, 710, 728, 748, 752, 756, 760, 764, 776, 780, 784, 788, 800, 807, 818, 826,
    834, 840, 858, 860, 882, 886, 901, 924, 925, 926, 927, 928, 929, 930, 931, 932, 933, 934, 936,
    938, 940, 941, 943, 944, 946, 947, 948, 949, 950, 951, 952, 953, 967, 968, 969, 970, 971, 972,
    973, 975, 976, 977, 978, 979, 980, 981, 984, 985, 986, 990, 994, 997, 999,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_signs_or_not() {
        let mti = Mti::of(200);
        for (no, value, wanted) in [
            (2, "4000000000000002", Some((4, true))),
            (2, "5413330000004112", Some((4, false))),
            (3, "000000", Some((6, true))),
            (3, "770000", Some((6, false))),
            (7, "1123184000", Some((1, true))),
            (7, "1323184000", Some((1, false))),
            (12, "184000", Some((2, true))),
            (13, "1131", Some((2, false))),
            (41, "TERM0001", Some((3, true))),
            (41, "TERM\u{1}001", Some((3, false))),
            (49, "978", Some((5, true))),
            (49, "979", Some((5, true))),
            (49, "001", Some((5, false))),
            (11, "000001", None),
        ] {
            assert_eq!(sign(ElementNo::of(no), value.as_bytes(), mti), wanted, "{no} {value}");
        }
    }
}
