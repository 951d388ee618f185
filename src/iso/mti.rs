//! The message type indicator: version, class, function, origin.

use std::fmt;

use super::NotOne;

/// Four digits that say what a message is, e.g. `0200`. Any four digits: real networks use reserved ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mti(u16);

/// The second digit: what a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// 1: may this card pay?
    Authorization,
    /// 2: it pays.
    Financial,
    /// 4: undo it.
    Reversal,
    /// 8: about the link itself.
    Network,
    /// Any other digit, 0 to 9.
    Other(u8),
}

/// The third digit: who expects what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// 0: a question.
    Request,
    /// 1: its answer.
    RequestResponse,
    /// 2: a fact that was already decided.
    Advice,
    /// 3: "I have stored it".
    AdviceResponse,
    /// Any other digit, 4 to 9.
    Other(u8),
}

impl Mti {
    /// From its four digits as a number, 0 to 9999.
    pub const fn new(digits: u16) -> Result<Self, NotOne> {
        if digits <= 9999 {
            Ok(Self(digits))
        } else {
            Err(NotOne { expected: "an MTI of four digits" })
        }
    }

    /// For MTIs that stand in the source: evaluated in a `const`, more than four digits do not compile.
    pub const fn of(digits: u16) -> Self {
        assert!(digits <= 9999, "an MTI of four digits");
        Self(digits)
    }

    /// From four ASCII digits.
    pub fn from_ascii(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "an MTI of four digits" };
        let digits: [u8; 4] = text.try_into().or(Err(fault))?;
        let mut value = 0_u16;
        for digit in digits {
            if !digit.is_ascii_digit() {
                return Err(fault);
            }
            value = value * 10 + u16::from(digit - b'0');
        }
        Ok(Self(value))
    }

    /// The four digits as ASCII.
    pub fn ascii(self) -> [u8; 4] {
        [3, 2, 1, 0].map(|place| b'0' + self.digit(place))
    }

    /// The four digits as a number, 0 to 9999.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The first digit: 0 is 1987, 1 is 1993, 2 is 2003.
    pub fn version(self) -> u8 {
        self.digit(3)
    }

    /// The second digit.
    pub fn class(self) -> Class {
        match self.digit(2) {
            1 => Class::Authorization,
            2 => Class::Financial,
            4 => Class::Reversal,
            8 => Class::Network,
            other => Class::Other(other),
        }
    }

    /// The third digit.
    pub fn function(self) -> Function {
        match self.digit(1) {
            0 => Function::Request,
            1 => Function::RequestResponse,
            2 => Function::Advice,
            3 => Function::AdviceResponse,
            other => Function::Other(other),
        }
    }

    /// Whether the sender says that he has sent it before: an odd last digit, 1, 3 or 5.
    pub fn is_repeat(self) -> bool {
        matches!(self.digit(0), 1 | 3 | 5)
    }

    /// Who sent it first, as the last digit without the repeat: 0 is the acquirer, 2 the issuer, 4 another.
    pub fn origin(self) -> u8 {
        self.plain().digit(0)
    }

    /// Whether it is an answer: an odd third digit. An answer is never answered.
    pub fn is_response(self) -> bool {
        self.digit(1) % 2 == 1
    }

    /// The same message, marked as a repeat: 0420 becomes 0421.
    #[must_use]
    pub fn repeated(self) -> Self {
        if matches!(self.digit(0), 0 | 2 | 4) { Self(self.0 + 1) } else { self }
    }

    /// The same message, not marked as a repeat: 0421 becomes 0420.
    #[must_use]
    pub fn plain(self) -> Self {
        if self.is_repeat() { Self(self.0 - 1) } else { self }
    }

    /// The MTI that answers this one: function + 1, the repeat digit dropped; none for an answer.
    ///
    /// 0200 and 0201 give 0210, 0420 gives 0430 (ISO 8583, message function).
    pub fn response(self) -> Option<Self> {
        if self.is_response() {
            return None;
        }
        Some(Self(self.plain().0 + 10))
    }

    fn digit(self, place: u32) -> u8 {
        u8::try_from(self.0 / 10_u16.pow(place) % 10).unwrap_or(0)
    }
}

impl Class {
    /// The digit, 0 to 9.
    pub fn digit(self) -> u8 {
        match self {
            Self::Authorization => 1,
            Self::Financial => 2,
            Self::Reversal => 4,
            Self::Network => 8,
            Self::Other(digit) => digit,
        }
    }
}

impl fmt::Display for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl fmt::Debug for Mti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_and_repeats() {
        for (asked, answered, again) in [
            (100, Some(110), 101),
            (201, Some(210), 201),
            (120, Some(130), 121),
            (401, Some(410), 401),
            (420, Some(430), 421),
            (202, Some(212), 203),
            (800, Some(810), 801),
            (205, Some(214), 205),
            (206, Some(216), 206),
            (209, Some(219), 209),
            (210, None, 211),
        ] {
            let mti = Mti::new(asked).unwrap();
            assert_eq!(mti.response().map(Mti::number), answered, "{mti}");
            assert_eq!(mti.repeated().number(), again, "{mti}");
        }
    }

    #[test]
    fn digits_only() {
        assert_eq!(Mti::from_ascii(b"0421").unwrap().number(), 421);
        for bad in [&b"02A0"[..], b"020", b"02000", b""] {
            assert!(Mti::from_ascii(bad).is_err());
        }
    }
}
