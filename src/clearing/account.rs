//! Accounts at banks: checked where they are read, so that no payment goes to one that cannot be.

use std::fmt;

use crate::iso::NotOne;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// By its IBAN, without blanks.
    Iban(String),
    /// By another number, up to 34 characters.
    Other(String),
}

/// A bank by its BIC, 8 or 11 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bic(String);

/// Who has an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Up to 70 characters.
    pub name: String,
    /// Where.
    pub account: Account,
    /// At which bank.
    pub bic: Option<Bic>,
}

impl Account {
    /// An IBAN: two letters, two check digits, and up to 30 letters and digits that fit these (ISO 13616).
    pub fn iban(text: &str) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "an IBAN: letters and digits, with check digits that fit" };
        let iban: String = text.chars().filter(|one| *one != ' ').collect();
        let bytes = iban.as_bytes();
        let plain = bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let (Some(country), Some(check)) = (bytes.get(..2), bytes.get(2..4)) else {
            return Err(fault);
        };
        let shaped =
            country.iter().all(u8::is_ascii_uppercase) && check.iter().all(u8::is_ascii_digit);
        if !plain || !shaped || !(15..=34).contains(&bytes.len()) {
            return Err(fault);
        }
        // The first four go behind the rest, letters count from ten, and the number leaves one of 97.
        let turned = bytes.iter().skip(4).chain(bytes.iter().take(4));
        let rest = turned.fold(0_u32, |rest, byte| match byte {
            b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
            letter => (rest * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
        });
        if rest == 1 { Ok(Self::Iban(iban)) } else { Err(fault) }
    }

    /// Another number.
    pub fn other(text: &str) -> Result<Self, NotOne> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-/ .".contains(&byte);
        if (1..=34).contains(&text.len()) && text.bytes().all(fits) && text.trim() == text {
            return Ok(Self::Other(text.to_owned()));
        }
        Err(NotOne { expected: "an account of up to 34 letters, digits, `-`, `/`, `.` and blanks" })
    }

    /// Its kind, as rows have it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Iban(_) => "iban",
            Self::Other(_) => "other",
        }
    }

    /// Its number.
    pub fn number(&self) -> &str {
        match self {
            Self::Iban(number) | Self::Other(number) => number,
        }
    }
}

impl Bic {
    /// Four letters or digits, the country in two letters, and two or five more (ISO 9362).
    pub fn new(text: &str) -> Result<Self, NotOne> {
        let bytes = text.as_bytes();
        let plain = bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let country = bytes.get(4..6).is_some_and(|two| two.iter().all(u8::is_ascii_uppercase));
        if plain && country && matches!(bytes.len(), 8 | 11) {
            return Ok(Self(text.to_owned()));
        }
        Err(NotOne { expected: "a BIC of 8 or 11 upper-case letters and digits" })
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Holder {
    /// A name that fits a payment.
    pub fn name(text: &str) -> Result<String, NotOne> {
        let length = text.chars().count();
        if (1..=70).contains(&length) && !text.chars().any(char::is_control) && text.trim() == text
        {
            return Ok(text.to_owned());
        }
        Err(NotOne { expected: "a name of 1 to 70 characters" })
    }
}

/// Its last four characters, so that it can be told from others.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number();
        let tail: String = number.chars().skip(number.chars().count().saturating_sub(4)).collect();
        write!(f, "...{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_with_other_check_digits_are_none() {
        for (good, bad) in [
            ("DE89 3704 0044 0532 0130 00", "DE88370400440532013000"),
            ("GB82WEST12345698765432", "GB82WEST12345698765423"),
            ("NO9386011117947", "NO93860111179470"),
            ("MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001"),
        ] {
            assert_eq!(Account::iban(good).unwrap().number(), good.replace(' ', ""));
            assert!(Account::iban(bad).is_err(), "{bad}");
        }
        for bad in ["", "DE89", "de89370400440532013000", "8937", "DE8937040044053201300é"] {
            assert!(Account::iban(bad).is_err(), "{bad}");
        }
        assert_eq!(Account::iban("GB82WEST12345698765432").unwrap().to_string(), "...5432");
    }

    #[test]
    fn other_accounts_and_banks() {
        assert_eq!(Account::other("12-345/6").unwrap().kind(), "other");
        for bad in ["", " 1", "<1>", &"1".repeat(35)] {
            assert!(Account::other(bad).is_err(), "{bad}");
        }
        assert_eq!(Bic::new("COBADEFF").unwrap().as_str(), "COBADEFF");
        assert!(Bic::new("COBADEFFXXX").is_ok());
        for bad in ["COBADEF", "cobadeff", "COBA1EFF", "COBADEFFXX"] {
            assert!(Bic::new(bad).is_err(), "{bad}");
        }
        assert!(Holder::name("Caf\u{e9} <Nord>").is_ok());
        for bad in ["", " x", "a\nb", &"x".repeat(71)] {
            assert!(Holder::name(bad).is_err(), "{bad}");
        }
    }
}
