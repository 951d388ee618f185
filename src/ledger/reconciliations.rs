//! Hosts that reconcile: what a host says that its day comes to, held against the books. Each answer is written before it is given, so
//! that a repeat hears the same. Knows no messages.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::tables::day;
use super::{Ledger, LedgerError};
use crate::books::{Deed, View};
use crate::clearing::{
    HostClaim, HostProfile, HostVerdict, Settled, Share, Tally, TallyClass, Total,
};
use crate::iso::{Currency, ResponseCode, Wall};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn};

/// 77: nothing can be compared.
const NO_TOTALS: ResponseCode = ResponseCode::of(*b"77");

/// A reconciliation for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReconciliationLine {
    /// Its number, for `clearing explain recon:N`.
    pub reconciliation: i64,
    /// Whose.
    pub link: String,
    /// Of which day, 20261123.
    pub day: i64,
    /// ISO 4217, three digits.
    pub currency: String,
    /// The number that its host gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// When, milliseconds since 1970.
    pub at: i64,
    /// What its host heard: element 39.
    pub code: String,
    /// `in_balance` or `out_of_balance`.
    pub settled: String,
    /// What differs; all classes are told by `clearing explain`.
    pub differs: Vec<ClassLine>,
    /// The exception that tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<i64>,
}

/// One class of totals: theirs and ours.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ClassLine {
    /// Which.
    pub class: String,
    /// How many its host has.
    pub count: i64,
    /// And how much, minor units.
    pub amount: i64,
    /// How many are here.
    pub own_count: i64,
    /// And how much, minor units.
    pub own_amount: i64,
}

impl ClassLine {
    /// Whether the two sides are not alike.
    pub const fn differs(&self) -> bool {
        self.count != self.own_count || self.amount != self.own_amount
    }
}

impl Ledger {
    /// What a host hears that says what its day comes to. Durable when it is given.
    pub fn reconcile(
        &mut self,
        link: LinkId,
        claim: &HostClaim,
        profile: &HostProfile,
        now: Wall,
    ) -> Result<HostVerdict, LedgerError> {
        let told = told(&self.connection, link, claim)?;
        if let Some(told) = told.filter(|_| !planted::is(Bug::ReconciliationRepeated)) {
            return Ok(told);
        }
        let error = |code, expected| HostVerdict { code, settled: Settled::Error, expected };
        let next = self.next_number(link, profile)?;
        let wrong = next.filter(|next| claim.number.is_some_and(|number| number != *next));
        if wrong.is_some() && !planted::is(Bug::ReconciliationNumberIgnored) {
            return Ok(error(profile.wrong_number, wrong));
        }
        let found = tally(&self.books, (link, profile), claim)?;
        let Some((own, lsn)) = found else { return Ok(error(NO_TOTALS, None)) };
        let differences = claim.differences(&own);
        let verdict = if differences.is_empty() {
            let code = ResponseCode::APPROVED;
            HostVerdict { code, settled: Settled::InBalance, expected: None }
        } else {
            let code = profile.differs;
            HostVerdict { code, settled: Settled::OutOfBalance, expected: None }
        };
        let name = self.books.link_name(link)?.unwrap_or_else(|| format!("{:08x}", link.0));
        let whole = self.connection.transaction()?;
        let desk = Desk { connection: &whole, link, name: &name, claim, now };
        let number = desk.enter(&own, lsn, verdict)?;
        if differences.is_empty() {
            desk.settle()?;
        } else if !planted::is(Bug::ReconciliationUnexplained) {
            desk.except(number, &differences)?;
        }
        whole.commit()?;
        Ok(verdict)
    }

    /// The last reconciliations, at most so many, those out of balance first whose exception is open.
    pub fn reconciliations(&self, at_most: u32) -> Result<Vec<ReconciliationLine>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT reconciliation, link, day, r.currency, number, at, code, settled, r.exception
                FROM reconciliations r LEFT JOIN exceptions e ON e.exception = r.exception AND e.closed IS NULL
                ORDER BY e.exception IS NULL, reconciliation DESC LIMIT ?",
        )?;
        let found = ask.query_map([at_most], |row| {
            let line = ReconciliationLine {
                reconciliation: row.get(0)?,
                link: String::new(),
                day: row.get(2)?,
                currency: row.get(3)?,
                number: row.get(4)?,
                at: row.get(5)?,
                code: row.get(6)?,
                settled: row.get(7)?,
                differs: Vec::new(),
                exception: row.get(8)?,
            };
            Ok((LinkId(row.get(1)?), line))
        })?;
        let mut lines = Vec::new();
        for found in found {
            let (link, mut line) = found?;
            let name = self.books.link_name(link)?;
            line.link = name.unwrap_or_else(|| format!("{:08x}", link.0));
            line.differs = self.classes(line.reconciliation)?;
            line.differs.retain(ClassLine::differs);
            lines.push(line);
        }
        Ok(lines)
    }

    /// The classes of a reconciliation, in the order of their elements.
    pub(super) fn classes(&self, reconciliation: i64) -> Result<Vec<ClassLine>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT class, count, amount, own_count, own_amount FROM reconciled WHERE reconciliation = ?",
        )?;
        let lines = ask.query_map([reconciliation], |row| {
            Ok(ClassLine {
                class: row.get(0)?,
                count: row.get(1)?,
                amount: row.get(2)?,
                own_count: row.get(3)?,
                own_amount: row.get(4)?,
            })
        })?;
        let mut lines: Vec<ClassLine> = lines.collect::<Result<_, _>>()?;
        lines.sort_by_key(|line| TallyClass::of_word(&line.class));
        Ok(lines)
    }

    /// The number that the next reconciliation has; none before the first, and where there are no numbers.
    fn next_number(&self, link: LinkId, profile: &HostProfile) -> Result<Option<u32>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT number, settled FROM reconciliations WHERE link = ? AND number IS NOT NULL ORDER BY reconciliation DESC LIMIT 1",
        )?;
        let last =
            ask.query_row([link.0], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?)));
        let last = last.optional()?.filter(|_| profile.number.is_some());
        Ok(last.map(|(number, settled)| match Settled::of_word(&settled) {
            Some(Settled::InBalance) => profile.after(number),
            _ => number,
        }))
    }
}

/// What was told to this message before; 94 to another one under its name.
fn told(
    connection: &Connection,
    link: LinkId,
    claim: &HostClaim,
) -> Result<Option<HostVerdict>, LedgerError> {
    let mut ask = connection.prepare_cached(
        "SELECT said, code, settled FROM reconciliations WHERE link = ? AND key = ?",
    )?;
    let found = ask.query_row(params![link.0, claim.key], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    });
    let Some((said, code, settled)) = found.optional()? else { return Ok(None) };
    let (code, settled) = if said == claim.text {
        let code = ResponseCode::new(code.as_bytes()).unwrap_or(ResponseCode::MALFUNCTION);
        (code, Settled::of_word(&settled).unwrap_or(Settled::Error))
    } else {
        (ResponseCode::DUPLICATE, Settled::Error)
    };
    Ok(Some(HostVerdict { code, settled, expected: None }))
}

/// What the day comes to here, and with books of which record; none when they do not have all of it.
fn tally(
    books: &View,
    (link, profile): (LinkId, &HostProfile),
    claim: &HostClaim,
) -> Result<Option<(Tally, Lsn)>, LedgerError> {
    let (mut own, mut fits) = (Tally::default(), true);
    let mut count = |share: Option<Share>| {
        let is_its = |share: &Share| share.is_in(claim.currency, profile.currency);
        if let Some(share) = share.filter(is_its) {
            fits &= own.count(share).is_some();
        }
    };
    let on_original_day = planted::is(Bug::ReversalOnOriginalDay);
    let lsn = books.deeds(link, claim.date, &mut |deed| match deed {
        Deed::Asked(standing) => {
            count(Share::of(&standing));
            if on_original_day && standing.undone_by.is_some() {
                count(Share::of_reversal(&standing));
            }
        }
        Deed::Reversed { original, .. } if !on_original_day => count(Share::of_reversal(&original)),
        Deed::Reversed { .. } | Deed::Beside(_) => {}
    })?;
    if !fits {
        return Err(LedgerError::Refused("the totals of a day do not fit".to_owned()));
    }
    Ok(lsn.map(|lsn| (own, lsn)))
}

/// Totals while they are entered.
struct Desk<'a> {
    connection: &'a Connection,
    link: LinkId,
    name: &'a str,
    claim: &'a HostClaim,
    now: Wall,
}

impl Desk<'_> {
    /// Writes what was said, what was here, and what its host hears.
    fn enter(&self, own: &Tally, lsn: Lsn, verdict: HostVerdict) -> Result<i64, LedgerError> {
        let claim = self.claim;
        self.connection.execute(
            "INSERT INTO reconciliations (link, day, currency, key, said, number, at, lsn, code, settled)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                self.link.0,
                day(claim.date),
                claim.currency.to_string(),
                claim.key,
                claim.text,
                claim.number,
                self.now.0.cast_signed(),
                lsn.0.cast_signed(),
                verdict.code.to_string(),
                verdict.settled.word(),
            ],
        )?;
        let number = self.connection.last_insert_rowid();
        let mut put =
            self.connection.prepare_cached("INSERT INTO reconciled VALUES (?, ?, ?, ?, ?, ?)")?;
        for (class, said) in &claim.said {
            let here = own.of(*class);
            put.execute(params![
                number,
                class.word(),
                said.count.cast_signed(),
                said.minor,
                here.count.cast_signed(),
                here.minor,
            ])?;
        }
        Ok(number)
    }

    /// A difference is for a person: one exception for a day and a currency, with what was said last.
    fn except(
        &self,
        number: i64,
        differences: &[(TallyClass, Total, Total)],
    ) -> Result<(), LedgerError> {
        let mut detail = format!(
            "{} says otherwise what {} comes to in {} (recon:{number})",
            self.name,
            super::day_text(day(self.claim.date)),
            self.claim.currency,
        );
        for (class, said, own) in differences {
            detail.push_str("; ");
            detail.push_str(&difference(*class, (*said, *own), self.claim.currency));
        }
        let at = self.now.0.cast_signed();
        let exception = if let Some(open) = self.open()? {
            let sql = "UPDATE exceptions SET detail = ? WHERE exception = ?";
            self.connection.execute(sql, params![detail, open])?;
            open
        } else {
            self.connection.execute(
                "INSERT INTO exceptions (opened, kind, currency, detail) VALUES (?, 'reconciliation_differs', ?, ?)",
                params![at, self.claim.currency.to_string(), detail],
            )?;
            self.connection.last_insert_rowid()
        };
        let sql = "UPDATE reconciliations SET exception = ? WHERE reconciliation = ?";
        self.connection.execute(sql, params![exception, number])?;
        Ok(())
    }

    /// Nothing differs any more.
    fn settle(&self) -> Result<(), LedgerError> {
        if let Some(open) = self.open()? {
            self.connection.execute(
                "UPDATE exceptions SET closed = ?, closed_by = 'switch', closed_why = 'the totals agree by now' WHERE exception = ?",
                params![self.now.0.cast_signed(), open],
            )?;
        }
        Ok(())
    }

    /// The open exception of the same day and currency.
    fn open(&self) -> Result<Option<i64>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT e.exception FROM reconciliations r JOIN exceptions e ON e.exception = r.exception
                WHERE r.link = ? AND r.day = ? AND r.currency = ? AND e.closed IS NULL ORDER BY e.exception DESC LIMIT 1",
        )?;
        let values = params![self.link.0, day(self.claim.date), self.claim.currency.to_string()];
        Ok(ask.query_row(values, |row| row.get(0)).optional()?)
    }
}

/// One class for people: theirs, ours, and what lies between.
pub(super) fn difference(
    class: TallyClass,
    (said, own): (Total, Total),
    currency: Currency,
) -> String {
    let text = |total: Total| {
        let amount = crate::iso::Amount { minor: total.minor, currency };
        if class.has_amount() {
            format!("{} of {amount}", total.count)
        } else {
            total.count.to_string()
        }
    };
    let count = said.count.cast_signed().saturating_sub(own.count.cast_signed());
    let between = crate::iso::Amount { minor: said.minor.saturating_sub(own.minor), currency };
    let between =
        if class.has_amount() { format!("{count:+} and {between}") } else { format!("{count:+}") };
    let name = class.word().replace('_', " ");
    format!("{name}: theirs {}, ours {}, difference {between}", text(said), text(own))
}
