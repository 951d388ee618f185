//! Response codes, trace numbers and references.

use std::fmt;

use super::NotOne;

/// Element 39: two characters in 1987, three or four digits later. 1 to 4 letters or digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseCode([u8; 4]);

/// Element 11, the systems trace audit number: 0 to 999,999 (twelve digits come with 2003).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stan(u32);

/// Element 37, the retrieval reference number: 12 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rrn([u8; 12]);

impl ResponseCode {
    /// 00, approved.
    pub const APPROVED: Self = Self(*b"00\0\0");
    /// 10, approved for a lower amount.
    pub const PARTIAL: Self = Self(*b"10\0\0");
    /// 12, invalid transaction: nobody here does this.
    pub const INVALID: Self = Self(*b"12\0\0");
    /// 13, invalid amount.
    pub const INVALID_AMOUNT: Self = Self(*b"13\0\0");
    /// 25, original not found.
    pub const NOT_FOUND: Self = Self(*b"25\0\0");
    /// 30, format error.
    pub const FORMAT: Self = Self(*b"30\0\0");
    /// 58, transaction not permitted to terminal.
    pub const NOT_PERMITTED: Self = Self(*b"58\0\0");
    /// 91, issuer or switch inoperative.
    pub const UNAVAILABLE: Self = Self(*b"91\0\0");
    /// 92, no route to this card's issuer.
    pub const NO_ROUTE: Self = Self(*b"92\0\0");
    /// 94, duplicate transmission.
    pub const DUPLICATE: Self = Self(*b"94\0\0");
    /// 90, cut-off in progress.
    pub const CUT_OVER: Self = Self(*b"90\0\0");
    /// 96, system malfunction.
    pub const MALFUNCTION: Self = Self(*b"96\0\0");

    /// For codes of two characters that stand in the source.
    pub const fn of(code: [u8; 2]) -> Self {
        let [first, second] = code;
        Self([first, second, 0, 0])
    }

    /// From 1 to 4 ASCII letters or digits.
    pub fn new(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a response code of 1 to 4 letters or digits" };
        if text.is_empty() || text.len() > 4 || !text.iter().all(u8::is_ascii_alphanumeric) {
            return Err(fault);
        }
        let mut code = [0; 4];
        code.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Ok(Self(code))
    }

    /// The characters, 1 to 4.
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(4);
        self.0.get(..len).unwrap_or_default()
    }
}

impl Stan {
    /// The largest, 999,999.
    pub const MAX: u32 = 999_999;

    /// From 0 to 999,999.
    pub const fn new(number: u32) -> Result<Self, NotOne> {
        if number <= Self::MAX {
            Ok(Self(number))
        } else {
            Err(NotOne { expected: "a STAN of six digits" })
        }
    }

    /// From six ASCII digits.
    pub fn from_ascii(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a STAN of six digits" };
        let digits: [u8; 6] = text.try_into().or(Err(fault))?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(fault);
        }
        Ok(Self(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))))
    }

    /// The number, 0 to 999,999.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Six ASCII digits.
    pub fn ascii(self) -> [u8; 6] {
        let mut rest = self.0;
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        digits
    }
}

impl Rrn {
    /// From 12 bytes of text.
    pub fn new(text: &[u8]) -> Result<Self, NotOne> {
        text.try_into().map(Self).or(Err(NotOne { expected: "an RRN of 12 characters" }))
    }

    /// The 12 characters.
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or("?"))
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Stan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}", self.0)
    }
}

impl fmt::Display for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Rrn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_traces() {
        assert_eq!(ResponseCode::new(b"00").unwrap(), ResponseCode::APPROVED);
        assert_eq!(ResponseCode::new(b"9107").unwrap().to_string(), "9107");
        assert!(ResponseCode::new(b"").is_err() && ResponseCode::new(b"0 ").is_err());
        let stan = Stan::from_ascii(b"000123").unwrap();
        assert_eq!((stan.get(), &stan.ascii()), (123, b"000123"));
    }
}
