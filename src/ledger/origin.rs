//! Since when a ledger knows what was presented. What went out before it was begun stands in no other file: so days that were cut
//! before are none that it missed, and numbers that may be taken are not given once more. Must not know why it was begun.

use rusqlite::OptionalExtension as _;

use super::tables::{BEGUN_NOW, date, day};
use super::{Ledger, LedgerError};
use crate::iso::{BusinessDate, Wall};
use crate::record::Lsn;

/// Beside which journal a ledger is opened, and when.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// The last record of the journal; 0 before the first.
    pub end: Lsn,
    /// The day in force.
    pub day: BusinessDate,
    /// The time.
    pub now: Wall,
}

/// Where a ledger began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Origin {
    /// The last record of the journal that was there before it: what that record or an earlier one cut was another ledger's.
    pub(super) lsn: Lsn,
    /// The last day that another ledger may have written files of.
    day: BusinessDate,
    /// Numbers of such a day's files up to this one may be taken.
    files: u32,
    /// Numbers of items up to this one may be taken.
    pub(super) items: i64,
}

/// Far more files than a day has: beyond these the second of the day is where a ledger that was begun anew goes on. A number has five digits.
const FILES_BEFORE: u64 = 10_000;

/// A ledger presents fewer items each second, on average over its life. With that the 11 digits of a reference last for a century.
const ITEMS_PER_SECOND: u64 = 20;

impl Origin {
    /// Beside a journal that is empty there was no other ledger. Otherwise numbers follow the clock, so that a third one has others than the second.
    fn of(beside: Beside) -> Self {
        if beside.end == Lsn(0) {
            return Self::default();
        }
        let seconds = beside.now.0 / 1_000;
        Self {
            lsn: beside.end,
            day: beside.day,
            files: u32::try_from(FILES_BEFORE + seconds % 86_400).unwrap_or(u32::MAX),
            items: seconds.saturating_mul(ITEMS_PER_SECOND).cast_signed(),
        }
    }

    /// Whether another ledger may have written files of a day.
    pub(super) fn is_late(&self, date: BusinessDate) -> bool {
        Lsn(0) < self.lsn && date <= self.day
    }

    /// Numbers of a day's files up to this one may be taken.
    pub(super) fn files(&self, date: BusinessDate) -> u32 {
        if date <= self.day { self.files } else { 0 }
    }
}

impl Ledger {
    /// Remembers beside which journal it was begun, once. Gives whether it was begun just now beside one that knew another ledger.
    pub fn is_beside(&self, beside: Beside) -> Result<bool, LedgerError> {
        let sql = "SELECT lsn FROM origin";
        let known: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0)).optional()?;
        let origin = match known {
            Some(BEGUN_NOW) => Origin::of(beside),
            Some(_) => return Ok(false),
            // A program that did not remember it wrote this ledger.
            None => self.guessed(beside)?,
        };
        self.connection.execute(
            "INSERT OR REPLACE INTO origin VALUES (1, ?, ?, ?, ?)",
            (origin.lsn.0.cast_signed(), day(origin.day), origin.files, origin.items),
        )?;
        Ok(known.is_some() && beside.end > Lsn(0))
    }

    /// That of a ledger whose program did not remember it: what is missing before the first day that it cut was another one's.
    fn guessed(&self, beside: Beside) -> Result<Origin, LedgerError> {
        let sql = "SELECT min(day) FROM cuts WHERE cycle = 0";
        let first: Option<i64> = self.connection.query_row(sql, [], |row| row.get(0))?;
        let cuts = self.books.cuts()?;
        let lsn = match first.and_then(date) {
            // Books that have yet to follow the journal do not know it.
            Some(first) => {
                cuts.iter().find(|cut| cut.date == first).map_or(beside.end, |cut| cut.lsn)
            }
            // It died before it began the only one.
            None if cuts.len() < 2 => Lsn(0),
            None => beside.end,
        };
        Ok(Origin { lsn, ..Origin::default() })
    }

    pub(super) fn origin(&self) -> Result<Origin, LedgerError> {
        let sql = "SELECT lsn, day, files, items FROM origin";
        let mut ask = self.connection.prepare_cached(sql)?;
        let found = ask.query_row([], |row| {
            Ok(Origin {
                lsn: Lsn(row.get::<_, i64>(0)?.max(0).cast_unsigned()),
                day: date(row.get(1)?).unwrap_or_default(),
                files: row.get(2)?,
                items: row.get(3)?,
            })
        });
        Ok(found.optional()?.unwrap_or_default())
    }
}
