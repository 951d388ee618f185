//! The TPDU: five bytes that say where a message goes to and comes from.

use std::fmt;

use super::fixed::unhex;
use crate::iso::NotOne;

/// A transport protocol data unit header: an id (mostly 60), two bytes of destination, two of source.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tpdu([u8; Self::LEN]);

impl Tpdu {
    /// Bytes of a TPDU.
    pub const LEN: usize = 5;

    /// From its bytes; any five are one.
    pub const fn new(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// From ten digits or letters A to F, e.g. `6000010002`: id 60, destination 0001, source 0002.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        let mut bytes = [0; Self::LEN];
        let whole = unhex(text, &mut bytes) == Some(Self::LEN);
        whole.then_some(Self(bytes)).ok_or(NotOne { expected: "a TPDU of ten hexadecimal digits" })
    }

    /// The five bytes.
    pub const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The five bytes.
    pub(super) const fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }

    /// The TPDU of the answer: destination and source swapped, the id kept.
    #[must_use]
    pub const fn reply(self) -> Self {
        let [id, to_high, to_low, from_high, from_low] = self.0;
        Self([id, from_high, from_low, to_high, to_low])
    }
}

impl fmt::Display for Tpdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Tpdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_there_and_back() {
        let tpdu = Tpdu::from_text("60000a0002").unwrap();
        assert_eq!(
            (tpdu.to_string().as_str(), tpdu.as_bytes()),
            ("60000A0002", &b"\x60\0\x0A\0\x02"[..])
        );
        assert_eq!(tpdu.reply().to_string(), "600002000A");
        for bad in ["6000010", "60000100022", "600001000G", "+000010002"] {
            assert!(Tpdu::from_text(bad).is_err(), "{bad}");
        }
    }
}
