//! What clears: the captures of a day that was cut, and what is remembered of the files that hold them. Writes no files.

use rusqlite::{OptionalExtension as _, params};

use super::{Books, BooksError, CutError, Each, Frozen, Hash, rows, tables};
use crate::clearing::{Capture, Kind, Part};
use crate::iso::{BusinessDate, Wall};
use crate::record::{LinkId, Lsn, TxnId};

/// A day that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The day.
    pub date: BusinessDate,
    /// The day that was cut before it; day 0 for the first. What is captured after that day, up to this one, clears.
    pub previous: BusinessDate,
    /// The record that cut it.
    pub lsn: Lsn,
    /// When.
    pub at: Wall,
}

impl Books {
    /// A day's cut; none when the books do not know of one.
    pub fn cut_of(&self, date: BusinessDate) -> Result<Option<Cut>, BooksError> {
        let mut ask =
            self.connection.prepare_cached("SELECT previous, lsn, at FROM cuts WHERE date = ?")?;
        let cut = ask.query_row([tables::day(date)], |row| {
            Ok(Cut {
                date,
                previous: tables::date(row.get(0)?).unwrap_or_default(),
                lsn: Lsn(row.get::<_, i64>(1)?.cast_unsigned()),
                at: Wall(row.get::<_, i64>(2)?.cast_unsigned()),
            })
        });
        Ok(cut.optional()?)
    }

    /// The days that were cut and whose files nobody remembers, after the first whose files somebody does. Books that were built
    /// anew remember none, and what was written before is not written again; but where only one day was ever cut, it is that.
    pub(super) fn unwritten(&self) -> Result<Vec<BusinessDate>, BooksError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT date FROM cuts WHERE date NOT IN (SELECT date FROM files)
                AND (date > (SELECT min(date) FROM files)
                    OR previous = 0 AND (SELECT count(*) FROM cuts) = 1)
                ORDER BY date",
        )?;
        let days = ask.query_map([], |row| row.get(0).map(tables::date))?;
        Ok(days.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Gathers the members of a cut day by issuer: the day's rows are looked at once, however many issuers there are.
    fn gather(&self, date: BusinessDate) -> Result<(), BooksError> {
        if self.gathered.replace(None) != Some(date) {
            self.connection.execute_batch(MEMBERS)?;
            self.connection
                .prepare_cached(
                    "INSERT INTO members SELECT issuer, txn,
                            CASE kind WHEN 'presentment' THEN 0 WHEN 'lowered' THEN 1 ELSE 2 END
                        FROM captures WHERE date = ? ORDER BY 1, 2, 3",
                )?
                .execute([tables::day(date)])?;
        }
        self.gathered.set(self.cut_of(date)?.map(|cut| cut.date));
        Ok(())
    }

    fn issuers_of(&self, date: BusinessDate) -> Result<Vec<LinkId>, BooksError> {
        self.gather(date)?;
        let mut ask = self
            .connection
            .prepare_cached("SELECT DISTINCT issuer FROM members ORDER BY issuer")?;
        let issuers = ask.query_map([], |row| row.get(0).map(LinkId))?;
        Ok(issuers.collect::<Result<_, _>>()?)
    }

    fn sequence_of(&self, date: BusinessDate, issuer: LinkId) -> Result<Option<u32>, BooksError> {
        let mut ask = self
            .connection
            .prepare_cached("SELECT sequence FROM sequences WHERE date = ? AND issuer = ?")?;
        Ok(ask.query_row(params![tables::day(date), issuer.0], |row| row.get(0)).optional()?)
    }

    /// Numbers the issuers of a day in their order, so that books that were built again give the same numbers.
    fn number_files(&self, date: BusinessDate, issuer: LinkId) -> Result<(), BooksError> {
        let whole = self.connection.unchecked_transaction()?;
        let mut insert = self.connection.prepare_cached(
            "INSERT OR IGNORE INTO sequences (date, issuer, sequence)
                VALUES (?1, ?2, 1 + ifnull((SELECT max(sequence) FROM sequences WHERE date = ?1), 0))",
        )?;
        for issuer in self.issuers_of(date)?.into_iter().chain([issuer]) {
            insert.execute(params![tables::day(date), issuer.0])?;
        }
        whole.commit()?;
        self.make_durable()
    }

    /// A file's digest is as before, or new.
    fn is_same(&self, date: BusinessDate, name: &str, digest: &Hash) -> Result<bool, BooksError> {
        let mut ask = self
            .connection
            .prepare_cached("SELECT digest FROM files WHERE date = ? AND name = ?")?;
        let found = ask.query_row(params![tables::day(date), name], |row| row.get::<_, Vec<u8>>(0));
        Ok(found.optional()?.is_none_or(|found| found == digest))
    }

    fn try_remember(
        &self,
        date: BusinessDate,
        files: &[(String, Hash)],
    ) -> Result<Option<String>, BooksError> {
        for (name, digest) in files {
            if !self.is_same(date, name, digest)? {
                return Ok(Some(name.clone()));
            }
        }
        let whole = self.connection.unchecked_transaction()?;
        let mut insert =
            self.connection.prepare_cached("INSERT OR IGNORE INTO files VALUES (?, ?, ?)")?;
        for (name, digest) in files {
            insert.execute(params![tables::day(date), name, digest])?;
        }
        whole.commit()?;
        self.make_durable()?;
        Ok(None)
    }

    /// What was committed survives a power cut from here on. Rows of the journal need no such thing: they are followed again.
    fn make_durable(&self) -> Result<(), BooksError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))?)
    }
}

impl Frozen for Books {
    fn is_cut(&self, date: BusinessDate) -> Result<bool, CutError> {
        Ok(self.cut_of(date)?.is_some())
    }

    fn issuers(&self, date: BusinessDate) -> Result<Vec<LinkId>, CutError> {
        Ok(self.issuers_of(date)?)
    }

    fn captures(&self, date: BusinessDate, issuer: LinkId, each: Each<'_>) -> Result<(), CutError> {
        self.gather(date)?;
        let sql =
            "SELECT members.txn, opposite, standing, ifnull(lowered > captured, 0), ifnull(lowered = opposed, 0) FROM members
                CROSS JOIN transactions ON transactions.txn = members.txn
            WHERE members.issuer = ? ORDER BY members.txn, opposite";
        let mut ask = self.connection.prepare_cached(sql).map_err(BooksError::from)?;
        let mut rows = ask.query([issuer.0]).map_err(BooksError::from)?;
        while let Some(row) = rows.next().map_err(BooksError::from)? {
            let read = || -> Result<_, BooksError> {
                let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
                // What was lowered after it was claimed had been claimed for all that was approved.
                let kind = match row.get::<_, u8>(1)? {
                    0 if row.get(3)? => (Kind::Presentment, Part::Approved),
                    0 => (Kind::Presentment, Part::Standing),
                    1 => (Kind::Opposite, Part::Difference),
                    _ if row.get(3)? && row.get(4)? => (Kind::Opposite, Part::Approved),
                    _ => (Kind::Opposite, Part::Standing),
                };
                let blob = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
                Ok((txn, kind, rows::standing(txn, blob)?))
            };
            let (txn, kind, standing) = read()?;
            each(txn, Capture::of_part(&standing, kind, &self.keys))?;
        }
        Ok(())
    }

    fn sequence(&mut self, date: BusinessDate, issuer: LinkId) -> Result<u32, CutError> {
        if let Some(sequence) = self.sequence_of(date, issuer)? {
            return Ok(sequence);
        }
        self.number_files(date, issuer)?;
        self.sequence_of(date, issuer)?.ok_or(CutError::NotCut { date })
    }

    fn remember(
        &mut self,
        date: BusinessDate,
        files: &[(String, Hash)],
    ) -> Result<Option<String>, CutError> {
        Ok(self.try_remember(date, files)?)
    }
}

/// The members of one cut day, for as long as its files are made.
const MEMBERS: &str = "
CREATE TEMP TABLE IF NOT EXISTS members (
    issuer INTEGER, txn INTEGER, opposite INTEGER, PRIMARY KEY (issuer, txn, opposite)
) STRICT, WITHOUT ROWID;
DELETE FROM members;
";
