//! Which business date a moment of the wall belongs to, and when it ends. Integers only; knows no time zones but an offset.

use crate::dialect::{Content, Dialect, Length};
use crate::iso::{BusinessDate, ElementNo, Wall};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
const NOON: i64 = DAY / 2;
const MINUTE: i64 = 60_000;

/// Whether a network has element 15 as a date MMDD.
pub fn has_date(dialect: &Dialect) -> bool {
    dialect.row(ElementNo::SETTLEMENT_DATE).is_some_and(|row| {
        (row.content, row.length, row.max) == (Content::Digits, Length::Fixed, 4)
    })
}

/// When a business day ends by the clock.
///
/// A business day bears the date of the noon that lies in it: one that ends at 23:00 ends in the evening of its own date, one
/// that ends at 02:00 in the night after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DaySettings {
    /// Milliseconds after midnight at which a day ends; none when no clock ends it.
    pub cut_at_ms: Option<u32>,
    /// How far the clocks where that is said are ahead of UTC, minutes.
    pub utc_offset_min: i32,
}

/// The business day, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayView {
    /// The date in force.
    pub date: BusinessDate,
    /// The date that ended and is cut when nothing of it is in flight any more.
    pub closing: Option<BusinessDate>,
    /// The last one that was cut; day 0 before the first.
    pub cut: BusinessDate,
    /// When the clock ends the date in force; none when no clock does.
    pub ends_at: Option<Wall>,
}

impl DaySettings {
    /// The date on the calendar.
    pub fn calendar(self, wall: Wall) -> BusinessDate {
        self.date(wall, 0)
    }

    /// The date in force as far as the clock knows; that of the calendar when no clock ends a day.
    pub fn by_clock(self, wall: Wall) -> BusinessDate {
        self.date(wall, self.shift())
    }

    /// The date that opens when a day ends at this very moment: that of the next noon.
    pub fn by_noon(self, wall: Wall) -> BusinessDate {
        self.date(wall, NOON)
    }

    /// When the clock ends a day; never without a clock.
    pub fn ends_at(self, date: BusinessDate) -> Option<Wall> {
        self.cut_at_ms?;
        let local = (i64::from(date.0) + 1).saturating_mul(DAY).saturating_sub(self.shift());
        let utc = local.saturating_sub(self.offset());
        Some(Wall(u64::try_from(utc).unwrap_or(0)))
    }

    fn offset(self) -> i64 {
        i64::from(self.utc_offset_min).saturating_mul(MINUTE)
    }

    /// What is added to the local time so that its midnight is the end of a day.
    fn shift(self) -> i64 {
        match self.cut_at_ms.map(i64::from) {
            None => 0,
            Some(at) if at < NOON => -at,
            Some(at) => DAY.saturating_sub(at),
        }
    }

    fn date(self, wall: Wall, shift: i64) -> BusinessDate {
        let utc = i64::try_from(wall.0).unwrap_or(i64::MAX);
        let days = utc.saturating_add(self.offset()).saturating_add(shift).div_euclid(DAY);
        BusinessDate(u32::try_from(days.max(0)).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment in UTC.
    fn at(date: &str, hour: u64, minute: u64) -> Wall {
        let date = BusinessDate::from_text(date).unwrap();
        Wall(u64::from(date.0) * 86_400_000 + (hour * 60 + minute) * 60_000)
    }

    #[test]
    fn a_day_bears_the_date_of_its_noon() {
        let hour = 3_600_000;
        for (cut_at, offset, wall, date) in [
            (Some(23 * hour), 0, at("2026-11-23", 22, 59), "2026-11-23"),
            (Some(23 * hour), 0, at("2026-11-23", 23, 0), "2026-11-24"),
            (Some(23 * hour), 60, at("2026-11-23", 21, 59), "2026-11-23"),
            (Some(23 * hour), 60, at("2026-11-23", 22, 0), "2026-11-24"),
            (Some(23 * hour), -300, at("2026-11-24", 3, 59), "2026-11-23"),
            (Some(23 * hour), -300, at("2026-11-24", 4, 0), "2026-11-24"),
            (Some(2 * hour), 0, at("2026-11-24", 1, 59), "2026-11-23"),
            (Some(2 * hour), 0, at("2026-11-24", 2, 0), "2026-11-24"),
            (Some(0), 0, at("2026-11-24", 0, 0), "2026-11-24"),
            (Some(12 * hour), 0, at("2026-11-24", 12, 0), "2026-11-25"),
            (None, 0, at("2026-11-23", 23, 59), "2026-11-23"),
            (None, 60, at("2026-11-23", 23, 0), "2026-11-24"),
        ] {
            let day = DaySettings { cut_at_ms: cut_at, utc_offset_min: offset };
            let found = day.by_clock(wall);
            assert_eq!(found.to_string(), date, "{cut_at:?} {offset} {wall}");
            if let Some(end) = day.ends_at(found) {
                assert!(wall < end && end.0 - wall.0 <= 86_400_000, "{end}");
                assert_eq!(day.by_clock(end), found.next());
                assert_eq!(day.by_clock(Wall(end.0 - 1)), found);
            }
        }
        let day = DaySettings { cut_at_ms: None, utc_offset_min: 60 };
        for (wall, date) in [
            (at("2026-11-23", 22, 0), "2026-11-24"),
            (at("2026-11-24", 1, 0), "2026-11-24"),
            (at("2026-11-24", 10, 59), "2026-11-24"),
            (at("2026-11-24", 11, 0), "2026-11-25"),
        ] {
            assert_eq!(day.by_noon(wall).to_string(), date, "{wall}");
        }
        assert_eq!(DaySettings { utc_offset_min: -600, ..day }.calendar(Wall(0)), BusinessDate(0));
    }
}
