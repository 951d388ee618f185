//! Business days by currency: when money that is settled on a day is worth something; knows no clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::iso::{BusinessDate, Currency};

/// Days on which no bank works, and how many on which one does lie between a settlement and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// How many business days after the settlement date money is worth something.
    pub value_days: u32,
    /// Days of the week on which nobody works; never all of them.
    pub weekend: BTreeSet<Weekday>,
    /// Days on which nobody works, by currency.
    pub holidays: BTreeMap<Currency, BTreeSet<BusinessDate>>,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weekday {
    /// The first, as ISO 8601 counts.
    Monday,
    /// The second.
    Tuesday,
    /// The third.
    Wednesday,
    /// The fourth.
    Thursday,
    /// The fifth.
    Friday,
    /// The sixth.
    Saturday,
    /// The seventh.
    Sunday,
}

impl Weekday {
    /// All of them, with their names.
    pub const ALL: [(&str, Self); 7] = [
        ("monday", Self::Monday),
        ("tuesday", Self::Tuesday),
        ("wednesday", Self::Wednesday),
        ("thursday", Self::Thursday),
        ("friday", Self::Friday),
        ("saturday", Self::Saturday),
        ("sunday", Self::Sunday),
    ];

    /// That of a date.
    pub const fn of(date: BusinessDate) -> Self {
        // 1970-01-01 was a Thursday.
        match date.0 % 7 {
            0 => Self::Thursday,
            1 => Self::Friday,
            2 => Self::Saturday,
            3 => Self::Sunday,
            4 => Self::Monday,
            5 => Self::Tuesday,
            _ => Self::Wednesday,
        }
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            value_days: 1,
            weekend: [Weekday::Saturday, Weekday::Sunday].into(),
            holidays: BTreeMap::new(),
        }
    }
}

impl Calendar {
    /// Whether banks work on a day in a currency.
    pub fn is_business_day(&self, date: BusinessDate, currency: Currency) -> bool {
        let holiday = self.holidays.get(&currency).is_some_and(|days| days.contains(&date));
        !holiday && !self.weekend.contains(&Weekday::of(date))
    }

    /// The value date of a settlement date: so many business days after it. Where that is none, the settlement date itself or the
    /// first business day after it.
    pub fn value_date(&self, settled: BusinessDate, currency: Currency) -> BusinessDate {
        let mut date = settled;
        let mut left = self.value_days;
        loop {
            if left == 0 && self.is_business_day(date, currency) {
                return date;
            }
            date = date.next();
            if left > 0 && self.is_business_day(date, currency) {
                left -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> BusinessDate {
        BusinessDate::from_text(text).unwrap()
    }

    #[test]
    fn value_dates_roll_over_weekends_and_holidays_of_the_currency() {
        let (euro, dinar) = (Currency::new(978).unwrap(), Currency::new(414).unwrap());
        let mut calendar = Calendar::default();
        calendar.holidays.insert(euro, [date("2026-12-25"), date("2027-01-01")].into());
        let value = |calendar: &Calendar, day: &str, currency| {
            calendar.value_date(date(day), currency).to_string()
        };
        assert_eq!(Weekday::of(date("2026-11-23")), Weekday::Monday);
        assert_eq!(value(&calendar, "2026-11-23", euro), "2026-11-24");
        assert_eq!(value(&calendar, "2026-11-27", euro), "2026-11-30");
        assert_eq!(value(&calendar, "2026-11-28", euro), "2026-11-30");
        assert_eq!(value(&calendar, "2026-12-24", euro), "2026-12-28");
        assert_eq!(value(&calendar, "2026-12-24", dinar), "2026-12-25");
        calendar.value_days = 0;
        assert_eq!(value(&calendar, "2026-12-24", euro), "2026-12-24");
        assert_eq!(value(&calendar, "2026-12-25", euro), "2026-12-28");
        calendar.value_days = 3;
        assert_eq!(value(&calendar, "2026-12-24", euro), "2026-12-30");
        calendar.weekend = [Weekday::Friday, Weekday::Saturday].into();
        calendar.value_days = 1;
        assert_eq!(value(&calendar, "2026-12-24", dinar), "2026-12-27");
    }
}
