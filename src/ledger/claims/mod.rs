//! Merchants' files taken in: each as a whole or not at all, once, with a result beside it. Reads no clock.

mod indexing;
mod matching;
mod names;
mod reading;
mod results;
mod rows;
mod tally;
mod uploads;

use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::Digest as _;

use super::ahead::far_ahead;
use super::{Fate, Inbox, Ledger, LedgerError, Round, tables};
use crate::books::View;
use crate::clearing::claim::{Claim, Head, Limits, Misfit, Rules};
use crate::iso::Wall;

pub(super) use indexing::{UNDONE, UNTOLD, are_any_related, completions, increments};
use matching::Matcher;
pub use matching::Unlinked;
use names::Finder;
use reading::{Looking, ReadLine, Reading, SeenLine};
use rows::Rows;
pub(super) use rows::not_to_cut;
use tally::Tallies;
pub(super) use uploads::{OfBatch, claim_uploads};

/// How merchants' files are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureSettings {
    /// How large a file may be.
    pub limits: Limits,
    /// What claims are judged by.
    pub rules: Rules,
    /// For how long a claim waits for what it names.
    pub pending_ms: u64,
    /// What becomes of refunds of what nobody captured.
    pub unlinked: Unlinked,
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The merchant, as far as the file says.
    pub merchant: Option<String>,
    /// The file's id, as far as it says.
    pub file: Option<String>,
    /// Why all of it was refused.
    pub refused: Option<String>,
    /// Whether it was taken before: nothing has changed.
    pub again: bool,
    /// How many records are in which state, and their sums by currency.
    pub counts: Vec<Counted>,
    /// Where the results are: the same name with `.csv` and with `.jsonl`.
    pub result: PathBuf,
}

/// Records of one state and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// accepted, warned, rejected, pending or duplicate.
    pub state: String,
    /// ISO 4217, three digits; whatever a record says that was rejected for it.
    pub currency: String,
    /// How many.
    pub count: i64,
    /// Minor units.
    pub amount: i64,
}

/// A file that was read to its end, or to where it was refused.
struct Read {
    digest: [u8; 32],
    merchant: Option<String>,
    file: Option<String>,
    outcome: Result<Accepted, String>,
    /// What was written of it just now, where that was counted.
    counted: Option<Vec<Counted>>,
}

/// A file that is in the ledger.
#[derive(Clone, Copy)]
struct Accepted {
    submission: i64,
    again: bool,
}

/// A larger file has results that are written in parts.
const LARGE_BYTES: u64 = 1 << 20;

/// So many claims that wait are looked at in one transaction.
const RETRY_PAGE: u32 = 1_000;

impl Ledger {
    /// Takes a file out of the inbox: all of its records get their state, or it is refused as a whole. Taken again it gives the
    /// same result and changes nothing, whenever the process ended before.
    pub fn take_captures(
        &mut self,
        name: &str,
        inbox: &Inbox,
        settings: &CaptureSettings,
        now: Wall,
    ) -> Result<Taken, LedgerError> {
        self.index()?;
        let mut file = inbox.file(name)?;
        let is_large = file.metadata().is_ok_and(|about| about.len() > LARGE_BYTES);
        let mut take = || self.read_captures(name, &mut file, settings, now);
        // What is committed of a large one goes to its place while its results are written.
        let read =
            if is_large { tables::without_checkpoints(&self.connection, take)? } else { take()? };
        if let Err(why) = &read.outcome {
            self.refuse(&read, why, now)?;
        }
        self.is_fresh |= read.outcome.is_ok();
        let fate = if read.outcome.is_ok() { Fate::Done } else { Fate::Refused };
        let (counts, result) = self.write_results(name, (inbox, fate), &read, now)?;
        inbox.put_away(name, fate)?;
        let Read { merchant, file, outcome, .. } = read;
        let again = outcome.as_ref().is_ok_and(|accepted| accepted.again);
        Ok(Taken { merchant, file, refused: outcome.err(), again, counts, result })
    }

    /// Looks at a part of what waits once more, the next one each time: for the last time where it has waited for long enough. Gives
    /// of how many something became. While the ledger knows less than the books it comes closer to them instead: what waits may be there.
    pub fn retry_captures(
        &mut self,
        settings: &CaptureSettings,
        now: Wall,
    ) -> Result<u64, LedgerError> {
        self.retry_page(settings, now, RETRY_PAGE)
    }

    /// So many of them; the next call goes on behind those.
    fn retry_page(
        &mut self,
        settings: &CaptureSettings,
        now: Wall,
        page: u32,
    ) -> Result<u64, LedgerError> {
        self.knows_less = self.index_on()?;
        if self.knows_less {
            return Ok(0);
        }
        let round = match self.round {
            Some(round) => round,
            None => Round { after: 0, all: std::mem::take(&mut self.is_fresh) },
        };
        let before = now.0.saturating_sub(settings.pending_ms).cast_signed();
        let sql = "SELECT claims.claim FROM claims JOIN submissions USING (submission)
            WHERE claims.state = 'pending' AND claim > ?1 AND (?2 OR received < ?3) ORDER BY 1 LIMIT ?4";
        let mut ask = self.connection.prepare_cached(sql)?;
        let waiting = ask.query_map((round.after, round.all, before, page), |row| row.get(0))?;
        let waiting = waiting.collect::<Result<Vec<i64>, _>>()?;
        drop(ask);
        let is_full = u32::try_from(waiting.len()).is_ok_and(|count| count >= page);
        let last = waiting.last().copied().filter(|_| is_full);
        let next = last.map(|after| Round { after, ..round });
        if waiting.is_empty() {
            self.round = next;
            return Ok(0);
        }
        let whole = self.connection.unchecked_transaction()?;
        let tallies = RefCell::new(Tallies::doubting());
        let (mut became, rows) = (0, Rows::new(&self.connection)?);
        for id in waiting {
            let connection = &self.connection;
            let Some((merchant, at, claim)) = pending(connection, id)? else { continue };
            let matcher = Matcher {
                connection,
                finder: Finder {
                    connection,
                    books: &self.books,
                    merchant: &merchant,
                    related: true,
                },
                rules: &settings.rules,
                unlinked: settings.unlinked,
                at: Wall(at.cast_unsigned()),
                now,
                tallies: &tallies,
                rows: &rows,
            };
            became += u64::from(matcher.retry(id, &claim, at < before)?);
        }
        whole.commit()?;
        self.round = next;
        Ok(became)
    }

    /// All of the file in one transaction; of a file that is refused nothing is left.
    fn read_captures(
        &self,
        name: &str,
        file: &mut File,
        settings: &CaptureSettings,
        now: Wall,
    ) -> Result<Read, LedgerError> {
        let whole = self.connection.unchecked_transaction()?;
        let mut hand = Hand {
            connection: &self.connection,
            books: &self.books,
            settings,
            now,
            head: None,
            merchant: None,
            entry: None,
            tallies: RefCell::default(),
            rows: Rows::new(&self.connection)?,
        };
        let keys = Arc::clone(self.books.keys());
        let mut reading = Reading::new(keys, settings.limits);
        let read = |give: &mut dyn FnMut(Vec<ReadLine>) -> bool| reading.read(name, file, give);
        let mut looking = Looking::new(self.scout_keeping(reading::NAMES_KIB)?);
        let look = move |lines| looking.look(lines);
        far_ahead(read, look, |lines| lines.into_iter().try_for_each(|line| hand.line(line)))?;
        let Reading { digest, fault, .. } = reading;
        let digest: [u8; 32] = digest.finalize().into();
        let outcome = match fault {
            Some(fault) => Err(fault.to_string()),
            None => hand.end(&digest)?,
        };
        let Hand { head, merchant, rows, .. } = hand;
        let is_new = outcome.as_ref().is_ok_and(|accepted| !accepted.again);
        let counted = rows.counted().filter(|_| is_new);
        if is_new {
            whole.commit()?;
        } else {
            whole.rollback()?;
        }
        let file = head.map(|head| head.file);
        Ok(Read { digest, merchant, file, outcome, counted })
    }

    /// Remembers that a file was refused. Its id is free: who put it right sends it again under the same one.
    fn refuse(&self, read: &Read, why: &str, now: Wall) -> Result<(), LedgerError> {
        let Some(file) = &read.file else { return Ok(()) };
        let merchant = read.merchant.as_deref().unwrap_or_default();
        let sql = "INSERT INTO submissions (merchant, reference, digest, received, finished, state, fault)
            VALUES (?1, ?2, ?3, ?4, ?4, 'rejected', ?5)
            ON CONFLICT (merchant, reference) DO UPDATE
                SET digest = excluded.digest, received = excluded.received, finished = excluded.finished, fault = excluded.fault
                WHERE state = 'rejected' AND digest <> excluded.digest";
        let now = now.0.cast_signed();
        self.connection.execute(sql, params![merchant, file, read.digest, now, why])?;
        Ok(())
    }
}

/// A file while it is read.
struct Hand<'a> {
    connection: &'a Connection,
    books: &'a View,
    settings: &'a CaptureSettings,
    now: Wall,
    head: Option<Head>,
    merchant: Option<String>,
    entry: Option<Entry>,
    tallies: RefCell<Tallies>,
    rows: Rows<'a>,
}

/// What the ledger has under the file's id.
enum Entry {
    /// Nothing before: the records belong here.
    New(i64),
    /// A file that was taken.
    Known { submission: i64, digest: Vec<u8> },
}

impl<'a> Hand<'a> {
    fn line(&mut self, line: SeenLine) -> Result<(), LedgerError> {
        match line {
            SeenLine::Head(head) => {
                self.merchant.clone_from(&head.merchant);
                self.head = Some(head);
            }
            SeenLine::Claim(seen) => {
                if self.merchant.is_none() {
                    self.merchant = Some(seen.claim.merchant.clone().unwrap_or_default());
                }
                self.begin()?;
                let (Some(merchant), Some(Entry::New(submission))) = (&self.merchant, &self.entry)
                else {
                    return Ok(());
                };
                self.matcher(merchant).take(*submission, seen)?;
            }
            SeenLine::Tail => self.begin()?,
        }
        Ok(())
    }

    fn matcher<'h>(&'h self, merchant: &'h str) -> Matcher<'h, 'a> {
        Matcher {
            connection: self.connection,
            finder: Finder {
                connection: self.connection,
                books: self.books,
                merchant,
                related: true,
            },
            rules: &self.settings.rules,
            unlinked: self.settings.unlinked,
            at: self.now,
            now: self.now,
            tallies: &self.tallies,
            rows: &self.rows,
        }
    }

    /// Whose file it is, and which, is known.
    fn begin(&mut self) -> Result<(), LedgerError> {
        if self.entry.is_some() {
            return Ok(());
        }
        let merchant = self.merchant.as_deref().unwrap_or_default();
        let file = self.head.as_ref().map_or("", |head| head.file.as_str());
        let sql = "SELECT submission, digest, state FROM submissions WHERE merchant = ? AND reference = ?";
        let found = self.connection.query_row(sql, (merchant, file), |row| {
            let refused = row.get_ref(2)?.as_str()? == "rejected";
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?, refused))
        });
        let now = self.now.0.cast_signed();
        self.entry = Some(match found.optional()? {
            Some((submission, digest, false)) => Entry::Known { submission, digest },
            Some((submission, _, true)) => {
                let sql = "UPDATE submissions SET state = 'received', received = ?, finished = NULL, fault = NULL
                    WHERE submission = ?";
                self.connection.execute(sql, (now, submission))?;
                Entry::New(submission)
            }
            None => {
                let sql = "INSERT INTO submissions (merchant, reference, digest, received, state)
                    VALUES (?, ?, x'', ?, 'received')";
                self.connection.execute(sql, (merchant, file, now))?;
                Entry::New(self.connection.last_insert_rowid())
            }
        });
        Ok(())
    }

    /// The file is whole.
    fn end(&self, digest: &[u8; 32]) -> Result<Result<Accepted, String>, LedgerError> {
        match &self.entry {
            Some(Entry::New(submission)) => {
                let merchant = self.merchant.as_deref().unwrap_or_default();
                self.matcher(merchant).lay_down()?;
                let sql = "UPDATE submissions SET digest = ?, finished = ?, state = 'accepted', first = ?, last = ? WHERE submission = ?";
                let now = self.now.0.cast_signed();
                let (first, last) = self.rows.range().unzip();
                self.connection.execute(sql, params![digest, now, first, last, submission])?;
                Ok(Ok(Accepted { submission: *submission, again: false }))
            }
            Some(Entry::Known { submission, digest: before }) if before == digest => {
                Ok(Ok(Accepted { submission: *submission, again: true }))
            }
            Some(Entry::Known { .. }) | None => {
                Ok(Err("a file of this merchant with this id was taken before, and was another one: give each file an id of its own".to_owned()))
            }
        }
    }
}

/// A claim that waits: whose it is, when its file came, and what it says.
fn pending(connection: &Connection, id: i64) -> Result<Option<(String, i64, Claim)>, LedgerError> {
    let sql = "SELECT claims.merchant, received, seq, place, terminal, op, claims.reference, original_reference, rrn, stan,
            approval, token, amount, currency, local, mcc, entry, final, tip, original_amount
        FROM claims JOIN submissions USING (submission) WHERE claim = ? AND claims.state = 'pending'";
    let mut ask = connection.prepare_cached(sql)?;
    let found = ask.query_row([id], |row| {
        let number = |at| row.get(at).map(i64::cast_unsigned);
        let claim = Claim {
            seq: number(2)?,
            line: number(3)?,
            merchant: None,
            terminal: row.get(4)?,
            op: row.get(5)?,
            reference: row.get(6)?,
            original: row.get(7)?,
            rrn: row.get(8)?,
            stan: row.get(9)?,
            approval: row.get(10)?,
            token: row.get(11)?,
            amount: row.get(12)?,
            currency: row.get(13)?,
            local: row.get(14)?,
            mcc: row.get(15)?,
            entry: row.get(16)?,
            said: Err(Misfit { field: "op", expected: "", got: String::new() }),
        };
        let claim = claim.again((row.get(17)?, row.get(18)?), row.get(19)?);
        Ok((row.get(0)?, row.get(1)?, claim))
    });
    Ok(found.optional()?)
}

#[cfg(test)]
mod tests;
