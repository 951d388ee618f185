//! Money: integers of minor units with their currency; no float anywhere.

use std::fmt;

use super::NotOne;

/// A currency by its ISO 4217 number, 1 to 999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(u16);

/// Minor units of a currency; negative means that they flow the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Minor units: cents where the exponent is 2, whole units where it is 0.
    pub minor: i64,
    /// Whose units.
    pub currency: Currency,
}

impl Currency {
    /// From its number, 1 to 999.
    pub const fn new(number: u16) -> Result<Self, NotOne> {
        if matches!(number, 1..=999) {
            Ok(Self(number))
        } else {
            Err(NotOne { expected: "a currency number from 001 to 999" })
        }
    }

    /// From three ASCII digits.
    pub fn from_ascii(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a currency of three digits" };
        let digits: [u8; 3] = text.try_into().or(Err(fault))?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(fault);
        }
        Self::new(digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
    }

    /// The ISO 4217 number, 1 to 999.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// How many decimals its minor unit has, 0 to 4 (ISO 4217; unlisted currencies have two).
    pub const fn exponent(self) -> u8 {
        match self.0 {
            108 | 152 | 174 | 262 | 324 | 352 | 392 | 410 | 548 | 600 | 646 | 704 | 800 | 940
            | 950 | 952 | 953 => 0,
            48 | 368 | 400 | 414 | 434 | 512 | 788 => 3,
            927 | 990 => 4,
            _ => 2,
        }
    }
}

impl Amount {
    /// From the digits of element 4 (up to 18) and the currency of element 49.
    pub fn from_ascii(digits: &[u8], currency: Currency) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "an amount of 1 to 18 digits" };
        if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(fault);
        }
        let minor = digits.iter().fold(0, |minor, digit| minor * 10 + i64::from(digit - b'0'));
        Ok(Self { minor, currency })
    }

    /// The sum, unless currencies differ or it does not fit 64 bits.
    pub fn plus(self, other: Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| self.minor.checked_add(other.minor))
            .flatten()
            .map(|minor| Self { minor, currency: self.currency })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}", self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `-12.34 978`: as many decimals as the currency has.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.minor < 0 { "-" } else { "" };
        let unit = 10_u64.pow(u32::from(self.currency.exponent()));
        let minor = self.minor.unsigned_abs();
        match self.currency.exponent() {
            0 => write!(f, "{sign}{minor} {}", self.currency),
            places => write!(
                f,
                "{sign}{}.{:0width$} {}",
                minor / unit,
                minor % unit,
                self.currency,
                width = usize::from(places)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_show_their_decimals() {
        for (digits, currency, shown) in [
            ("000000001234", "978", "12.34 978"),
            ("5", "392", "5 392"),
            ("1000005", "414", "1000.005 414"),
        ] {
            let currency = Currency::from_ascii(currency.as_bytes()).unwrap();
            let amount = Amount::from_ascii(digits.as_bytes(), currency).unwrap();
            assert_eq!(amount.to_string(), shown);
        }
        assert!(Currency::from_ascii(b"EUR").is_err());
    }
}
