//! Our own totals of a day for issuers that want them: added up once after the cut, owed until they are answered. Knows no messages
//! but their elements.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, params};

use super::tables::{date, day};
use super::{ClassLine, Ledger, LedgerError};
use crate::books::Deed;
use crate::clearing::{
    HostProfile, HostVerdict, Settled, Share, Tally, TallyClass, Total, taken_back_here,
};
use crate::iso::{Amount, BusinessDate, Currency, ElementNo, Elements, Wall};
use crate::record::LinkId;

/// Totals that are owed to an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owing {
    /// Their number.
    pub totals: u64,
    /// Whether they may have been said before.
    pub again: bool,
    /// All that they say.
    pub elements: Elements,
}

/// What is owed to an issuer, and the days that it could not be said of.
#[derive(Debug, Default)]
pub struct Owings {
    /// All that is owed, oldest first.
    pub all: Vec<Owing>,
    /// Which days could not be added up, and why.
    pub failed: Vec<(BusinessDate, LedgerError)>,
}

/// Totals that we said, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TotalsLine {
    /// Their number.
    pub totals: i64,
    /// To whom.
    pub link: String,
    /// Of which day, 20261123.
    pub day: i64,
    /// ISO 4217, three digits.
    pub currency: String,
    /// `owed`, `in_balance`, `out_of_balance` or `error`.
    pub state: String,
    /// Element 39 of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What they say.
    pub classes: Vec<ClassLine>,
}

impl Ledger {
    /// What the days up to one that was cut came to with an issuer, written down as owed once for each currency; and all that is
    /// owed to it. A day that failed is tried again with the next one.
    pub fn owe_totals(
        &mut self,
        link: LinkId,
        cut: BusinessDate,
        profile: &HostProfile,
        now: Wall,
    ) -> Result<Owings, LedgerError> {
        let mut failed = Vec::new();
        for date in self.days_to_add_up(link, cut)? {
            let Err(fault) = self.add_up(link, date, profile, now) else { continue };
            // What cannot be added up at all does not keep the later days back; what only fails now comes before them.
            let never = matches!(fault, LedgerError::Refused(_));
            failed.push((date, fault));
            if !never {
                break;
            }
        }
        let all = self.owing(link, profile)?;
        Ok(Owings { all, failed })
    }

    /// The days that were cut since the last whose totals were kept; of a link that has none yet only this one.
    fn days_to_add_up(
        &self,
        link: LinkId,
        cut: BusinessDate,
    ) -> Result<Vec<BusinessDate>, LedgerError> {
        let mut ask =
            self.connection.prepare_cached("SELECT max(day) FROM totals WHERE link = ?")?;
        let last: Option<i64> = ask.query_row([link.0], |row| row.get(0))?;
        let missed = |date: BusinessDate| last.is_some_and(|last| last < day(date)) && date < cut;
        let cuts = self.books.cuts()?.into_iter().map(|cut| cut.date);
        let mut days: Vec<_> = cuts.filter(|date| missed(*date)).collect();
        if last.is_none_or(|last| last < day(cut)) {
            days.push(cut);
        }
        Ok(days)
    }

    /// All that is owed to an issuer. From here on it may have been heard.
    fn owing(&self, link: LinkId, profile: &HostProfile) -> Result<Vec<Owing>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT totals, day, currency, transmission, said FROM totals WHERE link = ? AND state = 'owed' ORDER BY totals",
        )?;
        let rows = ask.query_map([link.0], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, bool>(4)?,
            ))
        })?;
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        let mut owing = Vec::new();
        for (totals, of, currency, transmission, again) in rows {
            let own = self.tally_of(totals)?;
            let Ok(currency) = Currency::from_ascii(currency.as_bytes()) else { continue };
            let Some(of) = date(of) else { continue };
            let mut elements = profile.say(&own, of, currency);
            elements.set(ElementNo::TRANSMISSION, transmission.as_bytes());
            // A network that says the moment in other elements hears the same one each time.
            if let Some((date, time)) = transmission.split_at_checked(4) {
                elements.set(ElementNo::LOCAL_DATE, date.as_bytes());
                elements.set(ElementNo::LOCAL_TIME, time.as_bytes());
            }
            elements.set(ElementNo::STAN, format!("{:06}", (totals - 1) % 999_999 + 1).as_bytes());
            owing.push(Owing { totals: totals.cast_unsigned(), again, elements });
        }
        self.connection
            .execute("UPDATE totals SET said = 1 WHERE link = ? AND state = 'owed'", [link.0])?;
        Ok(owing)
    }

    /// Adds a day up, in one transaction.
    fn add_up(
        &mut self,
        link: LinkId,
        cut: BusinessDate,
        profile: &HostProfile,
        now: Wall,
    ) -> Result<(), LedgerError> {
        let mut sums: BTreeMap<Currency, Tally> = BTreeMap::new();
        let mut fits = true;
        let mut count = |share: Option<Share>| {
            let Some(share) = share else { return };
            if let Some(currency) = share.currency.or(profile.currency) {
                fits &= sums.entry(currency).or_default().count(share).is_some();
            }
        };
        let lsn = self.books.issuer_deeds(link, cut, &mut |deed| match deed {
            Deed::Asked(standing) => {
                let approved = Share::at_issuer(&standing);
                count(approved);
                // What was taken back here, and not because its asker wanted it, has no moment of its own.
                if taken_back_here(&standing) {
                    count(approved.and_then(|share| share.reversal(None)));
                }
            }
            Deed::Reversed { original, .. } if !taken_back_here(&original) => {
                let approved = Share::at_issuer(&original);
                count(approved.and_then(|share| share.reversal(original.lowered)));
            }
            Deed::Reversed { .. } | Deed::Beside(_) => {}
        })?;
        if !fits {
            return Err(LedgerError::Refused("the totals of a day do not fit".to_owned()));
        }
        let Some(lsn) = lsn else {
            return Err(LedgerError::Refused(format!("the books do not have all of {cut}")));
        };
        if let Some(currency) = profile.currency {
            sums.entry(currency).or_default();
        }
        let whole = self.connection.transaction()?;
        for (currency, own) in sums {
            let transmission = String::from_utf8_lossy(&now.transmission().ascii()).into_owned();
            whole.execute(
                "INSERT INTO totals (link, day, currency, at, lsn, transmission, said, state) VALUES (?, ?, ?, ?, ?, ?, 0, 'owed')",
                params![link.0, day(cut), currency.to_string(), now.0.cast_signed(), lsn.0.cast_signed(), transmission],
            )?;
            let number = whole.last_insert_rowid();
            for class in TallyClass::ALL.into_iter().filter(|class| class.has_amount()) {
                let total = own.of(class);
                whole.execute(
                    "INSERT INTO totals_classes VALUES (?, ?, ?, ?)",
                    params![number, class.word(), total.count.cast_signed(), total.minor],
                )?;
            }
        }
        whole.commit()?;
        Ok(())
    }

    fn tally_of(&self, totals: i64) -> Result<Tally, LedgerError> {
        let mut own = Tally::default();
        for line in self.totals_classes(totals)? {
            if let Some(class) = TallyClass::of_word(&line.class) {
                own.set(
                    class,
                    Total { count: line.own_count.cast_unsigned(), minor: line.own_amount },
                );
            }
        }
        Ok(own)
    }

    fn totals_classes(&self, totals: i64) -> Result<Vec<ClassLine>, LedgerError> {
        let mut ask = self
            .connection
            .prepare_cached("SELECT class, count, amount FROM totals_classes WHERE totals = ?")?;
        let lines = ask.query_map([totals], |row| {
            let (count, amount) = (row.get(1)?, row.get(2)?);
            let class = row.get(0)?;
            Ok(ClassLine { class, count, amount, own_count: count, own_amount: amount })
        })?;
        let mut lines: Vec<ClassLine> = lines.collect::<Result<_, _>>()?;
        lines.sort_by_key(|line| TallyClass::of_word(&line.class));
        Ok(lines)
    }

    /// An issuer has answered: once, whatever comes twice. What it has otherwise is for a person.
    pub fn totals_answered(
        &mut self,
        link: LinkId,
        totals: u64,
        verdict: HostVerdict,
        now: Wall,
    ) -> Result<(), LedgerError> {
        let number = totals.cast_signed();
        let sql =
            "SELECT day, currency FROM totals WHERE totals = ? AND link = ? AND state = 'owed'";
        let found = self.connection.query_row(sql, params![number, link.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        });
        let Some((of, currency)) = found.optional()? else { return Ok(()) };
        let name = self.books.link_name(link)?.unwrap_or_else(|| format!("{:08x}", link.0));
        let classes = self.totals_classes(number)?;
        let whole = self.connection.transaction()?;
        whole.execute(
            "UPDATE totals SET state = ?, code = ?, answered = ? WHERE totals = ?",
            params![verdict.settled.word(), verdict.code.to_string(), now.0.cast_signed(), number],
        )?;
        if verdict.settled != Settled::InBalance {
            let mut detail = format!(
                "{name} answered {} ({}) to our totals of {} in {currency} (totals {number})",
                verdict.code,
                verdict.settled.word().replace('_', " "),
                super::day_text(of),
            );
            for line in classes {
                let amount = match Currency::from_ascii(currency.as_bytes()) {
                    Ok(currency) => Amount { minor: line.own_amount, currency }.to_string(),
                    Err(_) => line.own_amount.to_string(),
                };
                let class = line.class.replace('_', " ");
                let parts = ["; ", &class, ": ", &line.own_count.to_string(), " of ", &amount];
                detail.push_str(&parts.concat());
            }
            whole.execute(
                "INSERT INTO exceptions (opened, kind, issuer, currency, detail) VALUES (?, 'reconciliation_differs', ?, ?, ?)",
                params![now.0.cast_signed(), link.0, currency, detail],
            )?;
        }
        whole.commit()?;
        Ok(())
    }

    /// The last totals that we said, or owe, at most so many; those that are owed first.
    pub fn totals(&self, at_most: u32) -> Result<Vec<TotalsLine>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT totals, link, day, currency, state, code FROM totals ORDER BY state <> 'owed', totals DESC LIMIT ?",
        )?;
        let rows = ask.query_map([at_most], |row| {
            let line = TotalsLine {
                totals: row.get(0)?,
                link: String::new(),
                day: row.get(2)?,
                currency: row.get(3)?,
                state: row.get(4)?,
                code: row.get(5)?,
                classes: Vec::new(),
            };
            Ok((LinkId(row.get(1)?), line))
        })?;
        let mut lines = Vec::new();
        for row in rows {
            let (link, mut line) = row?;
            let name = self.books.link_name(link)?;
            line.link = name.unwrap_or_else(|| format!("{:08x}", link.0));
            line.classes = self.totals_classes(line.totals)?;
            lines.push(line);
        }
        Ok(lines)
    }
}
