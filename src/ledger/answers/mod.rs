//! Issuers' answers: taken from an inbox, each logical file in one transaction, and followed as far as they fit what was sent. Must
//! not know how records are written: `clearing` reads them.

mod exceptions;
mod lists;
mod matching;
mod orders;
mod take;
mod verdicts;

use std::collections::BTreeMap;

use crate::clearing::answers::Layout;
use crate::iso::{BusinessDate, Wall};

pub use lists::{Charged, Exception};
pub use orders::{OfFile, Ordered, Represent};
pub use take::{FileReport, Quarantined, TakeReport};

/// How answers are read, and how long charge-backs may be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerSettings {
    /// Where issuers put what is not settled.
    pub layout: Layout,
    /// Whether our files are meant: a test that comes as an answer is refused then, and the other way round.
    pub production: bool,
    /// Days by reason code.
    pub due_days: BTreeMap<String, u32>,
    /// Days for every other reason.
    pub default_days: u32,
    /// The most records of a logical file.
    pub records_max: u64,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self {
            layout: Layout::default(),
            production: false,
            due_days: BTreeMap::new(),
            default_days: 45,
            records_max: 1_000_000,
        }
    }
}

/// When something is done: on the wall, and the business day in force.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For people.
    pub now: Wall,
    /// For due dates.
    pub day: BusinessDate,
}

impl Moment {
    const fn at(self) -> i64 {
        self.now.0.cast_signed()
    }
}

/// A day as the tables have it, 20261123.
fn day_number(day: BusinessDate) -> i64 {
    let (year, month, day) = day.parts();
    i64::from(year) * 10_000 + i64::from(month) * 100 + i64::from(day)
}

/// A day of the tables as people read it.
pub fn day_text(day: i64) -> String {
    format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100)
}

impl AnswerSettings {
    /// The last day on which a charge-back for a reason may be answered.
    fn due(&self, reason: Option<&str>, day: BusinessDate) -> i64 {
        let days =
            reason.and_then(|reason| self.due_days.get(reason)).unwrap_or(&self.default_days);
        day_number(BusinessDate(day.0.saturating_add(*days)))
    }
}

#[cfg(test)]
mod tests;
