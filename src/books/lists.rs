//! Questions to the books: the engine's look-ups and the operator's lists.

use rusqlite::{Params, params};

use super::columns::ms;
use super::{Books, BooksError, rows};
use crate::iso::{Mti, Stan, Transmission, Wall};
use crate::record::{LinkId, Lsn, Standing, Trace, TxnId};
use crate::tranlog::{Ask, Found};

/// An approval that answers nothing we know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The record that tells of it.
    pub lsn: Lsn,
    /// Which link brought it.
    pub link: LinkId,
    /// When.
    pub at: Wall,
    /// Its MTI.
    pub mti: Mti,
    /// Its elements 7 and 11, where it had them.
    pub trace: Option<Trace>,
}

/// How long the operator's lists are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Of what is owed, given up or unconfirmed.
    pub owed: u64,
    /// Of approvals that nobody is known to have heard.
    pub delivery_unknown: u64,
    /// Of approvals that answer nothing we know of.
    pub orphans: u64,
}

impl Books {
    /// What the engine wants to know. Right up to `position`: the caller sees to it that this is far enough.
    pub fn lookup(&self, ask: &Ask) -> Result<Found, BooksError> {
        Ok(match ask {
            Ask::Key(key) => self.by_key(*key)?.into(),
            Ask::Trace { link, class, trace } => self.by_trace(*link, *class, *trace)?.into(),
            Ask::Record(lsn) => match self.standing(TxnId(lsn.0))? {
                Some(standing) => Some(standing).into(),
                None => self.orphan_of(*lsn)?,
            },
        })
    }

    /// How a transaction stands; none when it is not in the books.
    pub fn standing(&self, txn: TxnId) -> Result<Option<Standing>, BooksError> {
        let found = self.standings(
            "SELECT txn, standing FROM transactions WHERE txn = ?",
            [txn.0.cast_signed()],
        )?;
        Ok(found.into_iter().next())
    }

    /// What is owed to issuers, given up or unconfirmed, the oldest first.
    pub fn owed(&self, limit: u32) -> Result<Vec<Standing>, BooksError> {
        let sql = "SELECT txn, standing FROM transactions WHERE owes IS NOT NULL ORDER BY owes, txn LIMIT ?";
        self.standings(sql, [limit])
    }

    /// Approvals that stand and of which nobody knows whether their asker heard them, answered before a time.
    pub fn delivery_unknown(&self, before: Wall, limit: u32) -> Result<Vec<Standing>, BooksError> {
        let sql =
            "SELECT txn, standing FROM transactions WHERE untold < ? ORDER BY untold, txn LIMIT ?";
        self.standings(sql, params![ms(before), limit])
    }

    /// Approvals that answer nothing we know of, the oldest first.
    pub fn orphans(&self, limit: u32) -> Result<Vec<Orphan>, BooksError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT lsn, link, at, mti, transmission, stan FROM orphans
                WHERE written_off IS NULL ORDER BY lsn LIMIT ?",
        )?;
        let mut rows = ask.query([limit])?;
        let mut orphans = Vec::new();
        while let Some(row) = rows.next()? {
            let lsn = Lsn(row.get::<_, i64>(0)?.cast_unsigned());
            let stan = row.get::<_, Option<u32>>(5)?.and_then(|stan| Stan::new(stan).ok());
            let transmission = row.get::<_, Option<u32>>(4)?.map(Transmission);
            let trace =
                transmission.zip(stan).map(|(transmission, stan)| Trace { transmission, stan });
            let bad = crate::record::BadRecord { lsn, what: "an MTI in the list of orphans" };
            let mti = Mti::from_ascii(row.get_ref(3)?.as_bytes().or(Err(bad))?).or(Err(bad))?;
            let at = Wall(row.get::<_, i64>(2)?.cast_unsigned());
            orphans.push(Orphan { lsn, link: LinkId(row.get(1)?), at, mti, trace });
        }
        Ok(orphans)
    }

    /// How long the lists are, with delivery unknown of what was answered before a time.
    pub fn totals(&self, before: Wall) -> Result<Totals, BooksError> {
        let count = |sql, params: &[&dyn rusqlite::ToSql]| -> Result<u64, BooksError> {
            let count: i64 =
                self.connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        Ok(Totals {
            owed: count("SELECT count(*) FROM transactions WHERE owes IS NOT NULL", &[])?,
            delivery_unknown: count(
                "SELECT count(*) FROM transactions WHERE untold < ?",
                &[&ms(before)],
            )?,
            orphans: count("SELECT count(*) FROM orphans WHERE written_off IS NULL", &[])?,
        })
    }

    /// How many transactions have a dead letter, and how many approvals answer nothing we know of, that nobody has decided about.
    pub fn undecided(&self) -> Result<[u64; 2], BooksError> {
        let count = |sql| -> Result<u64, BooksError> {
            let count: i64 =
                self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        Ok([
            count(
                "SELECT count(*) FROM transactions WHERE owes IS NOT NULL AND 'dead' IN (advice, reversal)",
            )?,
            count("SELECT count(*) FROM orphans WHERE written_off IS NULL")?,
        ])
    }

    /// What of a link is on the operator's list: debts that are open, given up or unconfirmed, and orphans.
    pub fn listed_of(&self, link: LinkId) -> Result<(u64, u64), BooksError> {
        let count = |sql| -> Result<u64, BooksError> {
            let count: i64 =
                self.connection.prepare_cached(sql)?.query_row([link.0], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        Ok((
            count("SELECT count(*) FROM transactions WHERE owes IS NOT NULL AND issuer = ?")?,
            count("SELECT count(*) FROM orphans WHERE written_off IS NULL AND link = ?")?,
        ))
    }

    /// Gives the numbers of links their names, for the views that people read.
    pub fn name_links(&mut self, links: &[&str]) -> Result<(), BooksError> {
        for name in links {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO links (link, name) VALUES (?, ?)")?
                .execute(params![LinkId::of_name(name).0, name])?;
        }
        Ok(())
    }

    pub(super) fn standings(
        &self,
        sql: &str,
        params: impl Params,
    ) -> Result<Vec<Standing>, BooksError> {
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query(params)?;
        let mut standings = Vec::new();
        while let Some(row) = rows.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            standings.push(rows::standing(txn, blob)?);
        }
        Ok(standings)
    }
}
