//! What values say, where ISO 8583 or the dialect gives them a sense: types, amounts, dates, codes.

use std::ops::Range;

use crate::dialect::{Dialect, Version};
use crate::iso::{Amount, Class, Currency, ElementNo, Elements, Function, Mti, ResponseCode};

/// A message by what its elements say.
pub(super) struct Sense<'a> {
    pub(super) dialect: &'a Dialect,
    pub(super) mti: Mti,
    pub(super) elements: &'a Elements,
}

impl Sense<'_> {
    /// What an element says in words; none when it has no sense beyond its value, or is absent.
    pub(super) fn of(&self, no: ElementNo) -> Option<String> {
        let value = self.elements.get(no)?;
        match (no.get(), value.len()) {
            (3, 6) => processing(value),
            (4, 12) => self.amount(value, 49),
            (5, 12) => self.amount(value, 50),
            (6, 12) => self.amount(value, 51),
            (28 | 30, 9) => self.signed(value, 49),
            (29 | 31, 9) => self.signed(value, 50),
            (22, 3) => entry_mode(value),
            (39, 2..=4) => self.response(value),
            (49..=51, 3) => decimals(value),
            (70, 3) => network(value),
            (90, 42) => original(value),
            (number, len) => moment(value, layout(number, len, self.mti)?),
        }
    }

    /// With as many decimals as the currency has that another element names.
    fn amount(&self, digits: &[u8], currency: u8) -> Option<String> {
        let currency = self.elements.get(ElementNo::new(currency).ok()?)?;
        let amount = Amount::from_ascii(digits, Currency::from_ascii(currency).ok()?).ok()?;
        Some(amount.to_string())
    }

    fn signed(&self, value: &[u8], currency: u8) -> Option<String> {
        let (sign, digits) = value.split_first()?;
        let sign = if *sign == b'C' { "credit" } else { "debit" };
        Some(format!("{sign} of {}", self.amount(digits, currency)?))
    }

    /// What a response code does, by the lists of the dialect.
    fn response(&self, value: &[u8]) -> Option<String> {
        let code = ResponseCode::new(value).ok()?;
        let settles = self.mti.is_response()
            && (self.mti.function() == Function::AdviceResponse
                || self.mti.class() == Class::Reversal);
        let said = match () {
            () if settles && self.dialect.accepts(code) => "accepts",
            () if settles && self.dialect.retries(code) => "refuses, it goes again",
            () if settles => "refuses",
            () if self.dialect.approves(code) => "approves",
            () => "declines",
        };
        Some(said.to_owned())
    }
}

/// Whether an MTI is of the edition of the standard that a dialect is of.
pub(super) fn is_edition(mti: Mti, dialect: &Dialect) -> bool {
    mti.version() == edition(dialect).0
}

/// The first digit of the MTIs that a dialect's messages have, and its edition.
pub(super) fn edition(dialect: &Dialect) -> (u8, &'static str) {
    match dialect.version() {
        Version::Of1987 => (0, "1987"),
        Version::Of1993 => (1, "1993"),
        Version::Of2003 => (2, "2003"),
    }
}

/// What the four digits of an MTI say (ISO 8583, message type indicator).
pub(super) fn mti(mti: Mti) -> String {
    let [version, class, function, origin] = mti.ascii();
    let version = match version {
        b'0' => "ISO 8583:1987",
        b'1' => "ISO 8583:1993",
        b'2' => "ISO 8583:2003",
        b'8' => "national version",
        b'9' => "private version",
        _ => "reserved version",
    };
    let class = match class {
        b'1' => "authorization",
        b'2' => "financial",
        b'3' => "file action",
        b'4' => "reversal or chargeback",
        b'5' => "reconciliation",
        b'6' => "administrative",
        b'7' => "fee collection",
        b'8' => "network management",
        _ => "reserved class",
    };
    let function = match function {
        b'0' => "request",
        b'1' => "request response",
        b'2' => "advice",
        b'3' => "advice response",
        b'4' => "notification",
        b'5' => "notification acknowledgement",
        b'6' => "instruction",
        b'7' => "instruction acknowledgement",
        _ => "reserved function",
    };
    let origin = match origin {
        b'0' => "from the acquirer",
        b'1' => "from the acquirer, repeated",
        b'2' => "from the issuer",
        b'3' => "from the issuer, repeated",
        b'4' => "from another party",
        b'5' => "from another party, repeated",
        _ => "reserved origin",
    };
    format!("{version}, {class}, {function}, {origin}")
}

/// Transaction type and the accounts that it takes from and gives to.
fn processing(value: &[u8]) -> Option<String> {
    let [kind, from, to] = [0..2, 2..4, 4..6].map(|place| part(value, place));
    let kind = match kind? {
        "00" => "goods and services",
        "01" => "cash",
        "02" => "adjustment, debit",
        "09" => "goods and services with cash back",
        "20" => "refund",
        "21" => "deposit",
        "22" => "adjustment, credit",
        "30" => "available funds inquiry",
        "31" => "balance inquiry",
        "40" => "transfer between accounts",
        other => &format!("type {other}"),
    };
    let account = |code: &str| match code {
        "00" => String::from("default account"),
        "10" => String::from("savings account"),
        "20" => String::from("cheque account"),
        "30" => String::from("credit account"),
        "40" => String::from("universal account"),
        "50" => String::from("investment account"),
        other => format!("account type {other}"),
    };
    Some(format!("{kind}, from {}, to {}", account(from?), account(to?)))
}

/// How the card was read, and whether a PIN can be entered there.
fn entry_mode(value: &[u8]) -> Option<String> {
    let how = match part(value, 0..2)? {
        "00" => "entry mode not specified",
        "01" => "card number keyed",
        "02" => "magnetic stripe",
        "03" => "bar code",
        "04" => "optical reading",
        "05" => "chip",
        other => &format!("entry mode {other}"),
    };
    let pin = match part(value, 2..3)? {
        "0" => "PIN entry not specified",
        "1" => "PIN can be entered",
        "2" => "no PIN can be entered",
        other => &format!("PIN capability {other}"),
    };
    Some(format!("{how}, {pin}"))
}

fn decimals(value: &[u8]) -> Option<String> {
    let currency = Currency::from_ascii(value).ok()?;
    Some(match currency.exponent() {
        0 => String::from("no decimals"),
        some => format!("{some} decimals"),
    })
}

/// What networks agree on most; the standard leaves it to them.
fn network(value: &[u8]) -> Option<String> {
    let said = match value {
        b"001" => "sign-on",
        b"002" => "sign-off",
        b"101" => "key change",
        b"201" => "cutover",
        b"301" => "echo",
        _ => return None,
    };
    Some(said.to_owned())
}

/// MTI, trace number, transmission and institutions of the message that is meant.
fn original(value: &[u8]) -> Option<String> {
    let [of, trace] = [0..4, 4..10].map(|place| part(value, place));
    let when = moment(value.get(10..20)?, "MDhms")?;
    let institution = |place: Range<usize>| {
        let digits = part(value, place)?.trim_start_matches('0');
        Some(if digits.is_empty() { "none" } else { digits })
    };
    let (acquirer, forwarder) = (institution(20..31)?, institution(31..42)?);
    let (of, trace) = (of?, trace?);
    Some(format!("{of}, trace {trace}, {when}, acquirer {acquirer}, forwarder {forwarder}"))
}

/// The parts of a date or a time: century, year, month, day, hour, minute, second, two digits each.
///
/// Later editions use some numbers otherwise, with other lengths where they can be told apart.
fn layout(number: u8, len: usize, mti: Mti) -> Option<&'static str> {
    let is_1987 = mti.version() == 0;
    Some(match (number, len) {
        (7, 10) => "MDhmsZ",
        (12, 6) => "hms",
        (12, 12) => "YMDhms",
        (12, 14) => "CYMDhms",
        (13, 4) if !is_1987 => "YM",
        (13 | 15..=17, 4) => "MD",
        (14, 4) => "YM",
        (15 | 73, 6) => "YMD",
        (15, 8) => "CYMD",
        (28, 6) if !is_1987 => "YMD",
        _ => return None,
    })
}

/// Whether an element that is a date or a time is one that there is; none when it is neither.
pub(super) fn is_moment(no: ElementNo, value: &[u8], mti: Mti) -> Option<bool> {
    let told = moment(value, layout(no.get(), value.len(), mti)?);
    Some(told.is_some_and(|told| !told.starts_with("no such")))
}

/// A date, a time or both. `Z` is not in the digits: it says that they are in UTC.
fn moment(digits: &[u8], parts: &str) -> Option<String> {
    let value = |which: char| {
        let at = 2 * parts.find(which)?;
        part(digits, at..at + 2)?.parse::<usize>().ok()
    };
    let time = match (value('h'), value('m'), value('s')) {
        (Some(0..=23), Some(0..=59), Some(0..=59)) => {
            let at = 2 * parts.find('h')?;
            let [h, m, s] = [at, at + 2, at + 4].map(|at| part(digits, at..at + 2));
            Some(format!("{}:{}:{}", h?, m?, s?))
        }
        (None, ..) => None,
        _ => return Some(String::from("no such time")),
    };
    let date = match (value('M'), value('D')) {
        (None, _) => None,
        (Some(month), day) => match month.checked_sub(1).and_then(|month| MONTHS.get(month)) {
            Some((name, days)) if day.is_none_or(|day| (1..=*days).contains(&day)) => {
                let day = day.map_or_else(String::new, |day| format!("{day} "));
                Some(format!("{day}{name}{}", year(digits, parts)))
            }
            _ => return Some(String::from("no such date")),
        },
    };
    let zone = parts.ends_with('Z').then(|| String::from("UTC"));
    Some([date, time, zone].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// ` of 2026`, or ` of year 26` where nobody says which century.
fn year(digits: &[u8], parts: &str) -> String {
    let year = match parts.find('Y') {
        Some(0) => part(digits, 0..2).map(|year| format!(" of year {year}")),
        Some(_) => part(digits, 0..4).map(|year| format!(" of {year}")),
        None => None,
    };
    year.unwrap_or_default()
}

/// Each month and its longest.
const MONTHS: [(&str, usize); 12] = [
    ("January", 31),
    ("February", 29),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
];

/// Some digits of a value; none when they are not there, or no letters and digits.
fn part(value: &[u8], place: Range<usize>) -> Option<&str> {
    let some = value.get(place).filter(|some| some.iter().all(u8::is_ascii_alphanumeric))?;
    std::str::from_utf8(some).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(dialect: &Dialect, of: u16, elements: &[(u8, &str)]) -> Option<String> {
        let mut own = Elements::default();
        for (no, value) in elements {
            own.set(ElementNo::of(*no), value.as_bytes());
        }
        let (no, _) = elements[0];
        Sense { dialect, mti: Mti::of(of), elements: &own }.of(ElementNo::of(no))
    }

    #[test]
    fn values_are_told_in_words() {
        let dialect = Dialect::shipped("iso87-bcd").unwrap();
        for (mti, elements, wanted) in [
            (
                200,
                &[(3, "000000")][..],
                "goods and services, from default account, to default account",
            ),
            (
                200,
                &[(3, "401020")],
                "transfer between accounts, from savings account, to cheque account",
            ),
            (200, &[(3, "77A000")], "type 77, from account type A0, to default account"),
            (200, &[(4, "000000001234"), (49, "978")], "12.34 978"),
            (200, &[(4, "000000001234"), (49, "392")], "1234 392"),
            (200, &[(5, "000000001234"), (50, "414")], "1.234 414"),
            (200, &[(28, "C00000012"), (49, "978")], "credit of 0.12 978"),
            (200, &[(31, "D00000012"), (50, "392")], "debit of 12 392"),
            (200, &[(7, "1123183400")], "23 November 18:34:00 UTC"),
            (200, &[(7, "1323183400")], "no such date"),
            (200, &[(7, "1123186000")], "no such time"),
            (200, &[(12, "183400")], "18:34:00"),
            (200, &[(13, "0229")], "29 February"),
            (200, &[(13, "0230")], "no such date"),
            (200, &[(13, "1100")], "no such date"),
            (200, &[(14, "2912")], "December of year 29"),
            (1200, &[(12, "261123183400")], "23 November of year 26 18:34:00"),
            (1200, &[(13, "2611")], "November of year 26"),
            (2200, &[(15, "20261123")], "23 November of 2026"),
            (200, &[(22, "051")], "chip, PIN can be entered"),
            (200, &[(22, "902")], "entry mode 90, no PIN can be entered"),
            (210, &[(39, "00")], "approves"),
            (210, &[(39, "10")], "approves"),
            (210, &[(39, "51")], "declines"),
            (220, &[(39, "10")], "approves"),
            (230, &[(39, "00")], "accepts"),
            (230, &[(39, "10")], "refuses"),
            (430, &[(39, "96")], "refuses, it goes again"),
            (410, &[(39, "00")], "accepts"),
            (420, &[(39, "68")], "declines"),
            (200, &[(49, "978")], "2 decimals"),
            (200, &[(50, "392")], "no decimals"),
            (800, &[(70, "301")], "echo"),
            (
                420,
                &[(90, "020000012311231834000001234567800000000000")],
                "0200, trace 000123, 23 November 18:34:00, acquirer 12345678, forwarder none",
            ),
        ] {
            assert_eq!(said(&dialect, mti, elements).as_deref(), Some(wanted), "{elements:?}");
        }
        for (mti, elements) in [
            (200, &[(4, "000000001234")][..]),
            (200, &[(4, "000000001234"), (49, "000")]),
            (200, &[(28, "C00000012")]),
            (200, &[(11, "000123")]),
            (200, &[(28, "261123")]),
            (1200, &[(22, "051051051051")]),
            (800, &[(70, "999")]),
        ] {
            assert_eq!(said(&dialect, mti, elements), None, "{elements:?}");
        }
    }

    #[test]
    fn every_digit_of_an_mti_is_spelled_out() {
        for (digits, told) in [
            (200, "ISO 8583:1987, financial, request, from the acquirer"),
            (1421, "ISO 8583:1993, reversal or chargeback, advice, from the acquirer, repeated"),
            (2814, "ISO 8583:2003, network management, request response, from another party"),
            (132, "ISO 8583:1987, authorization, advice response, from the issuer"),
            (7999, "reserved version, reserved class, reserved function, reserved origin"),
        ] {
            assert_eq!(mti(Mti::of(digits)), told);
        }
    }
}
