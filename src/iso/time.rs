//! The two clocks, apart: monotonic for time-outs, wall for what people read.

use std::fmt;

use super::NotOne;

/// Milliseconds on a clock that never goes back and dies at a reboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mono(pub u64);

/// Milliseconds since 1970-01-01T00:00:00Z on the wall; may jump either way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wall(pub u64);

/// What an input is handled at.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For time-outs.
    pub mono: Mono,
    /// For elements 7, 12 and 13, and for records.
    pub wall: Wall,
}

/// Element 7, seconds since 1970 in UTC; on a wire it is `MMDDhhmmss`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transmission(pub u32);

/// A day of business, as days since 1970-01-01.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BusinessDate(pub u32);

impl Mono {
    /// This many milliseconds later.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl Wall {
    /// The day in UTC.
    pub fn date(self) -> BusinessDate {
        BusinessDate(u32::try_from(self.0 / 86_400_000).unwrap_or(u32::MAX))
    }

    /// The second in UTC.
    pub fn transmission(self) -> Transmission {
        Transmission(u32::try_from(self.0 / 1000).unwrap_or(u32::MAX))
    }
}

impl Transmission {
    /// From `MMDDhhmmss`, which names no year: the moment nearest to `near` that it may mean.
    pub fn from_ascii(text: &[u8], near: Self) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a date and time MMDDhhmmss" };
        if text.len() != 10 || !text.iter().all(u8::is_ascii_digit) {
            return Err(fault);
        }
        let mut pairs = text
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')));
        let mut next = || pairs.next().unwrap_or_default();
        let (month, day, hour, minute, second) = (next(), next(), next(), next(), next());
        if !(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return Err(fault);
        }
        let of_day = hour * 3600 + minute * 60 + second;
        let (year, _, _) = civil(near.0 / 86_400);
        (year.saturating_sub(1).max(1970)..=year + 1)
            .filter_map(|year| days(year, month, day).checked_mul(86_400)?.checked_add(of_day))
            .min_by_key(|seconds| seconds.abs_diff(near.0))
            .map(Self)
            .ok_or(fault)
    }

    /// `MMDDhhmmss` in ASCII.
    pub fn ascii(self) -> [u8; 10] {
        let (_, month, day) = civil(self.0 / 86_400);
        let second = self.0 % 86_400;
        let mut text = [b'0'; 10];
        for (pair, value) in
            text.chunks_mut(2).zip([month, day, second / 3600, second / 60 % 60, second % 60])
        {
            two_digits(pair, value);
        }
        text
    }
}

impl BusinessDate {
    /// From `YYYY-MM-DD`, 1970 to 9999.
    pub fn from_text(text: &str) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a date like 2026-11-23" };
        let number = |from: usize, to: usize| {
            let digits =
                text.get(from..to).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<u32>().ok()).ok_or(fault)
        };
        if text.len() != 10 || text.get(4..5) != Some("-") || text.get(7..8) != Some("-") {
            return Err(fault);
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        if year < 1970 || !(1..=12).contains(&month) || day == 0 {
            return Err(fault);
        }
        let date = Self(days(year, month, day));
        // The 31st of a shorter month lands in the next one.
        if civil(date.0) == (year, month, day) { Ok(date) } else { Err(fault) }
    }

    /// From `MMDD`, which names no year: the day nearest to `near` that it may mean.
    pub fn from_mmdd(text: &[u8], near: Self) -> Result<Self, NotOne> {
        let fault = NotOne { expected: "a date MMDD" };
        let digits: &[u8; 4] = text.try_into().or(Err(fault))?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(fault);
        }
        let [month, day] = [0, 2].map(|from| {
            digits
                .iter()
                .skip(from)
                .take(2)
                .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        });
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(fault);
        }
        let (year, _, _) = civil(near.0);
        (year.saturating_sub(1).max(1970)..=year + 1)
            .map(|year| Self(days(year, month, day)))
            // The 31st of a shorter month lands in the next one.
            .filter(|date| date.mmdd() == *digits)
            .min_by_key(|date| date.0.abs_diff(near.0))
            .ok_or(fault)
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Year (four digits), month, day.
    pub fn parts(self) -> (u32, u32, u32) {
        civil(self.0)
    }

    /// `MMDD` in ASCII, as element 15 has it in 1987.
    pub fn mmdd(self) -> [u8; 4] {
        let (_, month, day) = civil(self.0);
        let mut text = [b'0'; 4];
        for (pair, value) in text.chunks_mut(2).zip([month, day]) {
            two_digits(pair, value);
        }
        text
    }

    /// `YYMMDD` in ASCII.
    pub fn yymmdd(self) -> [u8; 6] {
        let (year, month, day) = civil(self.0);
        let mut text = [b'0'; 6];
        for (pair, value) in text.chunks_mut(2).zip([year % 100, month, day]) {
            two_digits(pair, value);
        }
        text
    }

    /// The last digit of the year and the day within it, `YDDD`, as an ARN has them.
    pub fn yddd(self) -> [u8; 4] {
        let (year, _, _) = civil(self.0);
        let day = self.0 - days(year, 1, 1) + 1;
        let mut text = [b'0'; 4];
        for (digit, value) in text.iter_mut().zip([year % 10, day / 100, day / 10 % 10, day % 10]) {
            *digit += u8::try_from(value).unwrap_or(0);
        }
        text
    }
}

fn two_digits(pair: &mut [u8], value: u32) {
    for (digit, value) in pair.iter_mut().zip([value / 10 % 10, value % 10]) {
        *digit = b'0' + u8::try_from(value).unwrap_or(0);
    }
}

/// Year, month and day of a number of days since 1970 (proleptic Gregorian, years counted from March).
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days.saturating_add(719_468);
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u32::from(month <= 2), month, day)
}

/// Days since 1970 of a date from 1970 on.
fn days(year: u32, month: u32, day: u32) -> u32 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

impl fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for BusinessDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `2026-11-23T18:34:00.123Z`.
impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 % 86_400_000;
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}.{:03}Z", self.date(), ms % 1000)
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Transmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ascii().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_there_and_back() {
        let mut last = (1969, 12, 31);
        for day in 0..60_000 {
            let parts = civil(day);
            assert!(last < parts);
            assert_eq!(days(parts.0, parts.1, parts.2), day);
            last = parts;
        }
    }

    #[test]
    fn dates_as_networks_write_them() {
        let date = BusinessDate::from_text("2026-11-23").unwrap();
        assert_eq!((&date.mmdd(), &date.yymmdd(), &date.yddd()), (b"1123", b"261123", b"6327"));
        assert_eq!(date.to_string(), "2026-11-23");
        let wall = Wall(u64::from(date.0) * 86_400_000 + 66_840_123);
        assert_eq!(wall.to_string(), "2026-11-23T18:34:00.123Z");
        assert_eq!(&wall.transmission().ascii(), b"1123183400");
        for (text, near, meant) in [
            ("1123183400", "2026-11-23", "2026-11-23"),
            ("1231235959", "2027-01-01", "2026-12-31"),
            ("0101000001", "2026-12-31", "2027-01-01"),
        ] {
            let near = Transmission(BusinessDate::from_text(near).unwrap().0 * 86_400);
            let read = Transmission::from_ascii(text.as_bytes(), near).unwrap();
            assert_eq!(BusinessDate(read.0 / 86_400).to_string(), meant);
            assert_eq!(read.ascii(), text.as_bytes());
        }
        assert!(Transmission::from_ascii(b"1323183400", Transmission(0)).is_err());
        for (text, near, meant) in [
            ("1124", "2026-11-23", "2026-11-24"),
            ("0101", "2026-12-31", "2027-01-01"),
            ("1231", "2027-01-01", "2026-12-31"),
            ("0229", "2027-03-01", "2028-02-29"),
        ] {
            let near = BusinessDate::from_text(near).unwrap();
            let read = BusinessDate::from_mmdd(text.as_bytes(), near).unwrap();
            assert_eq!(read.to_string(), meant);
        }
        for bad in ["1131", "0000", "1301", "112", "11-3", ""] {
            assert!(BusinessDate::from_mmdd(bad.as_bytes(), date).is_err(), "{bad}");
        }
        for bad in ["2026-02-29", "2026-13-01", "26-11-23", "2026-11-2x", "2026-1-023", ""] {
            assert!(BusinessDate::from_text(bad).is_err(), "{bad}");
        }
    }
}
