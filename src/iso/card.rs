//! Card data that masks itself: a PAN in clear needs `expose`, a track is never shown.

use std::fmt;

use zeroize::Zeroize;

use super::NotOne;

/// A primary account number, 8 to 19 digits. Shows itself masked; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Pan {
    digits: [u8; 19],
    len: u8,
}

/// What may be shown of a PAN: first six and last four of fourteen or more digits, else the last
/// four (PCI DSS 4.0.1, 3.4.1 and FAQ 1091).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MaskedPan {
    text: [u8; 19],
    len: u8,
}

/// Track 2, up to 37 characters with `=` between PAN and expiry. Never shown, never stored.
pub struct Track2<'a>(&'a [u8]);

impl Pan {
    /// From 8 to 19 ASCII digits.
    pub fn new(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a PAN of 8 to 19 digits" };
        if !(8..=19).contains(&text.len()) || !text.iter().all(u8::is_ascii_digit) {
            return Err(fault);
        }
        let mut digits = [0; 19];
        digits.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Ok(Self { digits, len: u8::try_from(text.len()).or(Err(fault))? })
    }

    /// The digits in clear. Every use of this is a decision about a secret.
    pub fn expose(&self) -> &[u8] {
        self.digits.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether the number stands within a text, its digits in a row or in groups.
    pub fn stands_in(&self, text: &[u8]) -> bool {
        holds(text, self.expose()) || self.stands_in_groups(text)
    }

    /// Whether it does with blanks, points, strokes or slashes between its digits.
    fn stands_in_groups(&self, text: &[u8]) -> bool {
        let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits < self.expose().len() {
            return false;
        }
        let between = |byte: &u8| b" -./".contains(byte);
        let first = self.expose().first();
        text.iter().enumerate().filter(|(_, byte)| Some(*byte) == first).any(|(at, _)| {
            let here = text.get(at..).unwrap_or_default().iter().filter(|byte| !between(byte));
            here.take(self.expose().len()).eq(self.expose())
        })
    }

    /// Whether the number stands within bytes that may hold two digits each; of an odd number, all digits but the last, or
    /// but the first.
    pub fn stands_packed_in(&self, bytes: &[u8]) -> bool {
        let digits = self.expose();
        let but_the_first = digits.get(digits.len() % 2..).unwrap_or_default();
        self.stands_in(bytes)
            || [digits, but_the_first].into_iter().any(|digits| {
                let mut packed = [0; 9];
                let pairs = digits.as_chunks::<2>().0;
                for (place, [high, low]) in packed.iter_mut().zip(pairs) {
                    *place = (high - b'0') << 4 | (low - b'0');
                }
                holds(bytes, packed.get(..pairs.len()).unwrap_or_default())
            })
    }

    /// What may be shown.
    pub fn masked(&self) -> MaskedPan {
        let shown_front = if 14 <= self.len { 6 } else { 0 };
        let shown_back = usize::from(self.len) - 4;
        let mut text = [b'*'; 19];
        for (at, (to, from)) in text.iter_mut().zip(self.expose()).enumerate() {
            if at < shown_front || shown_back <= at {
                *to = *from;
            }
        }
        MaskedPan { text, len: self.len }
    }
}

/// Whether a text of people's own holds what may be a card number: thirteen digits or more in a row, or so many in groups
/// as cards have them, or in others whose check digit is right.
pub fn looks_like_a_card(text: &str) -> bool {
    any_row(text, |groups| {
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        let in_groups = matches!(*lengths, [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3] | [4, 6, 4..=5]);
        in_groups || matches!(*lengths, [13..=usize::MAX]) || is_card(groups)
    })
}

/// Whether a text holds 13 to 19 digits in a row, or in groups, of which the last is the check digit of the others. What stands
/// before them makes no card less of one.
pub fn has_card(text: &str) -> bool {
    // No card has less.
    13 <= text.len() && any_row(text, is_card)
}

fn is_card(groups: &[&[u8]]) -> bool {
    let count: usize = groups.iter().map(|group| group.len()).sum();
    (13..=19).contains(&count) && has_check_digit(&groups.concat())
}

/// Whether groups of digits that follow each other, with nothing but blanks and the like between them, are what is looked for.
fn any_row(text: &str, is: impl Fn(&[&[u8]]) -> bool) -> bool {
    const GROUPS_MAX: usize = 19;
    let mut row: Vec<&[u8]> = Vec::new();
    for part in
        text.as_bytes().chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit())
    {
        if !part.first().is_some_and(u8::is_ascii_digit) {
            if !part.iter().all(|byte| b" -./".contains(byte)) {
                row.clear();
            }
            continue;
        }
        row.push(part);
        if row.len() > GROUPS_MAX {
            row.remove(0);
        }
        if (0..row.len()).any(|from| is(row.get(from..).unwrap_or_default())) {
            return true;
        }
    }
    false
}

/// Whether the last of these digits is the one that Luhn's formula makes of the others (ISO/IEC 7812-1, annex B).
pub fn has_check_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0') % 10) << (at % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Whether bytes stand within others. They are four at least, and the first four are enough to tell most places.
fn holds(bytes: &[u8], sought: &[u8]) -> bool {
    let begin = sought.first_chunk::<4>();
    let fits = |window: &[u8]| window.first_chunk() == begin && window == sought;
    !sought.is_empty() && bytes.windows(sought.len()).any(fits)
}

impl Drop for Pan {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl MaskedPan {
    /// The text, 8 to 19 characters of digits and `*`.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Back from its text; digits only where a mask leaves them.
    pub fn from_bytes(text: &[u8]) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a masked PAN" };
        if !(8..=19).contains(&text.len()) {
            return Err(fault);
        }
        let front = if 14 <= text.len() { 6 } else { 0 };
        let (first, rest) = text.split_at_checked(front).ok_or(fault)?;
        let (hidden, last) = rest.split_last_chunk::<4>().ok_or(fault)?;
        let shown = first.iter().chain(last).all(u8::is_ascii_digit);
        if !shown || hidden.iter().any(|byte| *byte != b'*') {
            return Err(fault);
        }
        let mut masked = Self { text: [b'*'; 19], len: u8::try_from(text.len()).or(Err(fault))? };
        masked.text.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        Ok(masked)
    }
}

impl<'a> Track2<'a> {
    /// From up to 37 characters that hold a separator (`=` or `D`).
    pub fn new(text: &'a [u8]) -> Result<Self, NotOne> {
        if text.len() <= 37 && text.iter().any(|byte| matches!(byte, b'=' | b'D')) {
            Ok(Self(text))
        } else {
            Err(NotOne { expected: "track 2 data of up to 37 characters with a separator" })
        }
    }

    /// The PAN before the separator.
    pub fn pan(&self) -> Result<Pan, NotOne> {
        Pan::new(self.0.split(|byte| matches!(byte, b'=' | b'D')).next().unwrap_or_default())
    }
}

impl fmt::Display for MaskedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.as_bytes()).unwrap_or("****"))
    }
}

impl fmt::Debug for MaskedPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.masked(), f)
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.masked(), f)
    }
}

impl fmt::Debug for Track2<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_wherever_it_stands() {
        let pan = Pan::new(b"4111111111111112").unwrap();
        for (value, stands, packed) in [
            (&b"4111111111111112"[..], true, true),
            (b"ORDER 4111111111111112 OF TODAY", true, true),
            (b"CARD 4111 1111 1111 1112 X", true, true),
            (b"4111-1111.1111/1112", true, true),
            (b"4111 1111 1111 1113", false, false),
            (b"4111 1111 1111 and 1112", false, false),
            (b"411111111111111", false, false),
            (b"4111111111111111", false, false),
            (b"\x01\x41\x11\x11\x11\x11\x11\x11\x12\xFF", false, true),
            (b"", false, false),
        ] {
            assert_eq!((pan.stands_in(value), pan.stands_packed_in(value)), (stands, packed));
        }
        let odd = Pan::new(b"4111111111111111113").unwrap();
        assert!(odd.stands_packed_in(b"\x04\x11\x11\x11\x11\x11\x11\x11\x11\x13"));
        assert!(odd.stands_packed_in(b"\x5A\x0A\x41\x11\x11\x11\x11\x11\x11\x11\x11\x3F"));
    }

    #[test]
    fn what_looks_like_a_card() {
        for (text, looks) in [
            ("5413330000004111", true),
            ("card=5413330000004112;", true),
            ("x4111 1111 1111 1111x", true),
            ("4111-1111.1111/1111", true),
            ("see 17, 4111 1111 1111 1111", true),
            ("00004111111111111111", true),
            ("4111 1111 1111 1112", true),
            ("3782 822463 10005", true),
            ("41 11 11 11 11 11 11 11", true),
            ("41 11 11 11 11 11 11 12", false),
            ("632718000001", false),
            ("632718000001 on 2026-11-23 18:34", false),
            ("4111, 1111, 1111, 1111", false),
            ("", false),
            ("541333******4111", false),
        ] {
            assert_eq!(looks_like_a_card(text), looks, "{text}");
        }
        // With the check digit of one.
        for (text, has) in [
            ("x4111111111111111", true),
            ("a 4111 1111 1111 1111", true),
            ("4111 1111 1111 1112", false),
            ("20261130000123", false),
            ("2026-1130-0001-12", false),
            ("DE2026113000000471", false),
        ] {
            assert_eq!(has_card(text), has, "{text}");
        }
    }

    #[test]
    fn a_pan_masks_itself() {
        for (digits, shown) in [
            ("5413330000004111", "541333******4111"),
            ("541333000000411", "541333*****0411"),
            ("54133300004111", "541333****4111"),
            ("5413330000411", "*********0411"),
            ("12345678", "****5678"),
        ] {
            let pan = Pan::new(digits.as_bytes()).unwrap();
            assert_eq!(format!("{pan} {pan:?}"), format!("{shown} {shown}"));
            assert_eq!(MaskedPan::from_bytes(shown.as_bytes()).unwrap(), pan.masked());
            assert!(MaskedPan::from_bytes(digits.as_bytes()).is_err());
        }
        for bad in ["1234567", "12345678901234567890", "541333000000411X"] {
            assert!(Pan::new(bad.as_bytes()).is_err());
        }
    }

    #[test]
    fn a_track_gives_its_pan_and_nothing_else() {
        let track = Track2::new(b"5413330000004111=29122010000").unwrap();
        assert_eq!(track.pan().unwrap().expose(), b"5413330000004111");
        assert_eq!(format!("{track:?}"), "…");
        assert!(Track2::new(b"5413330000004111").is_err());
    }
}
