//! What operators ordered about dead letters and orphans: who, when and why.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::columns::ms;
use super::{Books, BooksError};
use crate::iso::Wall;
use crate::record::{Lsn, Owing, Record};
use crate::tranlog::Found;

/// An order that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The record that tells of it.
    pub lsn: Lsn,
    /// When.
    pub at: Wall,
    /// Who ordered it.
    pub who: String,
    /// Why; none for what is sent again.
    pub reason: Option<String>,
}

impl Books {
    /// Writes an order down.
    pub(super) fn put_order(&self, lsn: Lsn, record: &Record) -> Result<(), BooksError> {
        let (about, at, owing, who, reason) = match record {
            Record::Requeued { txn, at, owing, by, .. } => (txn.0, at, Some(*owing), by, None),
            Record::WrittenOff { txn, at, owing, ruling, .. } => {
                (txn.0, at, Some(*owing), &ruling.by, Some(&ruling.why))
            }
            Record::OrphanWrittenOff { orphan, at, ruling } => {
                self.connection
                    .prepare_cached(
                        "UPDATE orphans SET written_off = ? WHERE lsn = ? AND written_off IS NULL",
                    )?
                    .execute([lsn.0.cast_signed(), orphan.0.cast_signed()])?;
                (orphan.0, at, None, &ruling.by, Some(&ruling.why))
            }
            _ => return Ok(()),
        };
        self.connection
            .prepare_cached(
                "INSERT INTO orders (lsn, at, kind, about, owing, who, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                lsn.0.cast_signed(),
                ms(*at),
                record.word(),
                about.cast_signed(),
                owing.map(Owing::word),
                who.as_str(),
                reason.map(crate::record::Remark::as_str),
            ])?;
        Ok(())
    }

    /// The last order of a kind about a debt, or about an orphan.
    pub fn ordered(
        &self,
        kind: &str,
        about: Lsn,
        owing: Option<Owing>,
    ) -> Result<Option<Ordered>, BooksError> {
        ordered(&self.connection, kind, about, owing)
    }

    /// The approval that answers nothing and stands on the list because of this record.
    pub(super) fn orphan_of(&self, lsn: Lsn) -> Result<Found, BooksError> {
        let mut ask = self
            .connection
            .prepare_cached("SELECT written_off IS NOT NULL FROM orphans WHERE lsn = ?")?;
        let found = ask.query_row([lsn.0.cast_signed()], |row| row.get(0)).optional()?;
        Ok(found.map_or(Found::Nothing, |written_off| Found::Orphan { written_off }))
    }
}

/// The last order of a kind about a debt, or about an orphan.
pub(super) fn ordered(
    connection: &Connection,
    kind: &str,
    about: Lsn,
    owing: Option<Owing>,
) -> Result<Option<Ordered>, BooksError> {
    let mut ask = connection.prepare_cached(
        "SELECT lsn, at, who, reason FROM orders WHERE about = ? AND kind = ? AND owing IS ?
            ORDER BY lsn DESC LIMIT 1",
    )?;
    let found =
        ask.query_row(params![about.0.cast_signed(), kind, owing.map(Owing::word)], |row| {
            Ok(Ordered {
                lsn: Lsn(row.get::<_, i64>(0)?.cast_unsigned()),
                at: Wall(row.get::<_, i64>(1)?.cast_unsigned()),
                who: row.get(2)?,
                reason: row.get(3)?,
            })
        });
    Ok(found.optional()?)
}
