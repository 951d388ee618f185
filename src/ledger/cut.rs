//! The cut: what was approved, claimed and waiting up to a moment gets its file, its number and its reference, once, in steps;
//! its files are written meanwhile, or from that afterwards, however often it takes, to the same bytes. Writes no bytes itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::thread;

use rusqlite::OptionalExtension as _;

use super::draft::{Draft, Drafting};
use super::gather::Gathering;
use super::settlement::rank;
use super::tables::{self, date, day};
use super::{Ledger, LedgerError};
use crate::books::BooksError;
use crate::clearing::{Balanced, ClearingError, FeeTable, Filed, Settings};
use crate::iso::{BusinessDate, Wall};
use crate::record::{LinkId, Lsn};

/// A moment at which what was waiting was gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cycle {
    /// The day that it belongs to.
    pub date: BusinessDate,
    /// 0 is the day's own end; others come before it.
    pub number: u32,
}

/// Which cut is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The end of a day that is cut in the books.
    End(BusinessDate),
    /// What has been waiting until now, in a cycle of the day in force.
    Now(BusinessDate),
    /// One that was begun.
    Again(Cycle),
}

/// Where files go, and how they are written.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where they go.
    pub directory: PathBuf,
    /// How they are written.
    pub settings: Settings,
    /// How those of some issuers are.
    pub by_issuer: BTreeMap<LinkId, Settings>,
    /// What lines cost.
    pub fees: FeeTable,
    /// The names that issuers have in file names and positions.
    pub names: BTreeMap<LinkId, String>,
}

/// A cut that is ordered.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which.
    pub asked: Asked,
    /// When.
    pub now: Wall,
    /// How its files are written.
    pub outgoing: Outgoing,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct CutReport {
    /// Which cut.
    pub cycle: Cycle,
    /// Where the files are.
    pub directory: PathBuf,
    /// The clearing files.
    pub files: Vec<Filed>,
    /// The names of the positions, as CSV and as JSON.
    pub positions: [String; 2],
    /// The positions.
    pub balanced: Balanced,
    /// How many exceptions are open now, those of this cut among them.
    pub exceptions: u64,
}

/// A cut of which it is settled what it claims of whom.
#[must_use = "its hidden files hold cards"]
pub(super) struct Begun<'a> {
    pub(super) cycle: Cycle,
    /// Its files, where they were written meanwhile: not those of a cut that goes on after a process ended, nor where that was given up.
    pub(super) draft: Option<Draft<'a>>,
}

impl Begun<'_> {
    /// Its files are to be written from the ledger.
    pub(super) const fn only(cycle: Cycle) -> Self {
        Self { cycle, draft: None }
    }
}

/// How far a cut is. Each but the first is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Some more of what it claims is committed. A plug that is pulled may undo that: then it is gathered again.
    Gathered,
    /// What it claims, and in which files, is settled.
    Begun,
    /// One more file is written under its hidden name.
    Hidden,
    /// Numbers and digests of all are remembered.
    Remembered,
    /// One more file has its name.
    Named,
    /// All have, and that is remembered.
    Shown,
}

/// Why a cut's files are not there.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The day is still open, or the books have not followed that far.
    #[error(
        "{date} is not among the days that the books have cut: `iso8583d ctl day` tells the day in force and the last one that was cut; if it was cut just now, wait a \
         second for them to follow"
    )]
    NotCut {
        /// The day.
        date: BusinessDate,
    },
    /// The day has ended: nothing is added to it.
    #[error("{date} has ended while this was asked: ask again, for the day in force")]
    Ended {
        /// The day.
        date: BusinessDate,
    },
    /// The day was written by a program that kept no ledger.
    #[error(
        "{date} was written by an earlier version of this program, and is not written again: its files are those that it made"
    )]
    Earlier {
        /// The day.
        date: BusinessDate,
    },
    /// The day was cut before this ledger was begun.
    #[error(
        "{date} was cut before clearing.db was begun: it does not know what was presented of that day, and presents nothing of it once more. A copy \
         of clearing.db that was made since then does"
    )]
    Before {
        /// The day.
        date: BusinessDate,
    },
    /// No such cycle was begun.
    #[error("{cycle} was never begun: `clearing cut --now` begins a cycle")]
    NotBegun {
        /// Which.
        cycle: Cycle,
    },
    /// Ledger, books or disk refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// What was claimed makes no files and positions.
    #[error(transparent)]
    Clearing(#[from] ClearingError),
    /// The cut was written before, with other contents.
    #[error(
        "{name} was made with other contents before: the clearing settings changed since; \
         set them back, or send the file that was made"
    )]
    Differs {
        /// The file's name.
        name: String,
    },
    /// A file is not what the ledger says of it.
    #[error("{name} does not hold what the ledger says: no file leaves")]
    Disagrees {
        /// The file's name.
        name: String,
    },
    /// Two issuers would write one file.
    #[error("two issuers are both called {name} in clearing: give each its own name")]
    SameName {
        /// The name.
        name: String,
    },
}

impl From<rusqlite::Error> for CutError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Ledger(source.into())
    }
}

impl From<BooksError> for CutError {
    fn from(source: BooksError) -> Self {
        Self::Ledger(source.into())
    }
}

/// `2026-11-23`, or `2026-11-23-2` for the second cycle within it: as file names have it.
impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 => write!(f, "{}", self.date),
            number => write!(f, "{}-{number}", self.date),
        }
    }
}

impl Asked {
    /// The cycle that is meant, where it is known before.
    pub const fn cycle(self) -> Option<Cycle> {
        match self {
            Self::End(date) => Some(Cycle { date, number: 0 }),
            Self::Again(cycle) => Some(cycle),
            Self::Now(_) => None,
        }
    }
}

impl From<Cycle> for Asked {
    fn from(cycle: Cycle) -> Self {
        if cycle.number == 0 { Self::End(cycle.date) } else { Self::Again(cycle) }
    }
}

impl Outgoing {
    /// How an issuer's files are written.
    pub(super) fn settings(&self, issuer: LinkId) -> &Settings {
        self.by_issuer.get(&issuer).unwrap_or(&self.settings)
    }

    /// Whether the files of a cycle lie there.
    fn has(&self, cycle: Cycle) -> bool {
        self.directory.join(format!("positions-{cycle}.json")).exists()
    }

    /// The name that an issuer has in file names: letters, digits, `-`, `_` and `.`.
    pub(super) fn party(&self, issuer: LinkId) -> String {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let name = self.names.get(&issuer);
        let name = name.filter(|name| !name.is_empty() && name.bytes().all(safe));
        // A link that the configuration no longer has keeps its number.
        name.map_or_else(|| format!("link-{:08x}", issuer.0), String::clone)
    }
}

impl Ledger {
    /// Cuts, and writes the files. None when nothing was waiting for a cycle within the day.
    pub fn cut(&mut self, order: &Order) -> Result<Option<CutReport>, CutError> {
        self.cut_watched(order, &mut |_| ())
    }

    /// The same; each step is told when it is done.
    pub(super) fn cut_watched(
        &mut self,
        order: &Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<Option<CutReport>, CutError> {
        // Which advice completes which authorization.
        self.index()?;
        let Some(begun) = self.begin(order, watch)? else { return Ok(None) };
        let (date, number) = (begun.cycle.date, begun.cycle.number);
        if let Err(fault) = self.price(date, number, &order.outgoing.fees) {
            begun.draft.into_iter().for_each(Draft::give_up);
            return Err(fault.into());
        }
        self.write(begun, order, watch).map(Some)
    }

    /// Settles what a cut claims of whom, in which file, under which number and reference; once. What was settled before stays as
    /// it is, and what was being settled when the process ended goes on first.
    pub(super) fn begin<'a>(
        &self,
        order: &'a Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<Option<Begun<'a>>, CutError> {
        match order.asked {
            Asked::End(date) => self.begin_end(date, order, watch).map(Some),
            Asked::Now(date) => self.begin_cycle(date, order, watch),
            Asked::Again(cycle) => match self.state_of(cycle)?.as_deref() {
                Some("gathering") => {
                    self.settle_before(cycle, order, watch)?;
                    // Of a cycle that comes to nothing nothing is left.
                    Ok(self.gather(cycle, order, watch)?.then_some(Begun::only(cycle)))
                }
                Some(_) => Ok(Some(Begun::only(cycle))),
                None => Err(CutError::NotBegun { cycle }),
            },
        }
    }

    /// What a cut takes back was claimed by one before it: those are settled first that were being settled when the process ended,
    /// and the days that nobody began.
    fn settle_before(
        &self,
        cycle: Cycle,
        order: &Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<(), CutError> {
        let place = |cycle: &Cycle| rank(cycle.date, cycle.number);
        let mut cycles = self.cycles("SELECT day, cycle FROM cuts WHERE state = 'gathering'")?;
        cycles.extend(self.unbegun()?.into_iter().map(|date| Cycle { date, number: 0 }));
        cycles.sort_by_key(place);
        for before in cycles.into_iter().filter(|before| place(before) < place(&cycle)) {
            self.gather(before, order, watch)?;
        }
        Ok(())
    }

    /// Cuts whose files are not all there: those that were begun, and days that the books know and nobody began.
    pub fn unfinished(&self) -> Result<Vec<Asked>, LedgerError> {
        let sql = "SELECT day, cycle FROM cuts WHERE state IN ('gathering', 'begun') ORDER BY day, cycle = 0, cycle";
        let mut asked: Vec<Asked> = self.cycles(sql)?.into_iter().map(Asked::from).collect();
        asked.extend(self.unbegun()?.into_iter().map(Asked::End));
        Ok(asked)
    }

    /// The latest cut, and when it was made.
    pub fn last_cut(&self) -> Result<Option<(Cycle, Wall)>, LedgerError> {
        let sql = "SELECT day, cycle, at FROM cuts WHERE state <> 'earlier' ORDER BY day DESC, cycle = 0 DESC, cycle DESC LIMIT 1";
        let mut ask = self.connection.prepare_cached(sql)?;
        let found = ask.query_row([], |row| {
            let (date, at) = (date(row.get(0)?), row.get::<_, i64>(2)?);
            let number = row.get(1)?;
            Ok(date.map(|date| (Cycle { date, number }, Wall(at.cast_unsigned()))))
        });
        Ok(found.optional()?.flatten())
    }

    fn cycles(&self, sql: &str) -> Result<Vec<Cycle>, LedgerError> {
        let mut ask = self.connection.prepare_cached(sql)?;
        let found = ask.query_map([], |row| Ok((date(row.get(0)?), row.get(1)?)))?;
        let mut cycles = Vec::new();
        for cycle in found {
            let (date, number) = cycle?;
            cycles.extend(date.map(|date| Cycle { date, number }));
        }
        Ok(cycles)
    }

    /// Days whose files were written by a program that kept no ledger are never written again.
    pub(super) fn take_over(&self) -> Result<(), LedgerError> {
        for date in self.books.earlier()? {
            let cut = self.books.cut_of(date)?;
            let (lsn, at) = cut.map_or((Lsn(0), Wall(0)), |cut| (cut.lsn, cut.at));
            self.connection.execute(
                "INSERT OR IGNORE INTO cuts (day, cycle, lsn, at, last_claim, state) VALUES (?, 0, ?, ?, 0, 'earlier')",
                (day(date), lsn.0.cast_signed(), at.0.cast_signed()),
            )?;
        }
        Ok(())
    }

    /// The days that were cut since this ledger was begun and that nobody began. A ledger that was begun anew knows of none before,
    /// and what was written then is not written again.
    fn unbegun(&self) -> Result<Vec<BusinessDate>, LedgerError> {
        let mut ask = self.connection.prepare_cached("SELECT day FROM cuts WHERE cycle = 0")?;
        let known = ask.query_map([], |row| row.get(0).map(date))?;
        let known: BTreeSet<BusinessDate> =
            known.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let (cuts, since) = (self.books.cuts()?, self.origin()?.lsn);
        let wanted = cuts.into_iter().filter(|cut| cut.lsn > since && !known.contains(&cut.date));
        Ok(wanted.map(|cut| cut.date).collect())
    }

    fn begin_end<'a>(
        &self,
        date: BusinessDate,
        order: &'a Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<Begun<'a>, CutError> {
        let cycle = Cycle { date, number: 0 };
        match self.state_of(cycle)?.as_deref() {
            Some("earlier") => return Err(CutError::Earlier { date }),
            None => match self.books.cut_of(date)? {
                None => return Err(CutError::NotCut { date }),
                Some(cut) if cut.lsn <= self.origin()?.lsn => {
                    return Err(CutError::Before { date });
                }
                Some(_) => {}
            },
            Some("gathering") => {}
            Some(_) => return Ok(Begun::only(cycle)),
        }
        self.settle_before(cycle, order, watch)?;
        let (_, draft) = self.gather_drafting(cycle, order, watch)?;
        Ok(Begun { cycle, draft })
    }

    /// Gives whether there was anything.
    fn gather(
        &self,
        cycle: Cycle,
        order: &Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<bool, CutError> {
        let lsn = self.lsn(cycle)?;
        let gather = || Gathering::new(self, cycle, order, watch)?.gather();
        let any = tables::loosely(&self.connection, gather)?;
        self.conclude(cycle, lsn, any)
    }

    /// The same, and its files are written meanwhile; but not those of a cut that a process began that ended.
    fn gather_drafting<'a>(
        &self,
        cycle: Cycle,
        order: &'a Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<(bool, Option<Draft<'a>>), CutError> {
        let lsn = self.lsn(cycle)?;
        let gather = || {
            let gathering = Gathering::new(self, cycle, order, watch)?;
            if gathering.resumed() {
                return Ok((gathering.gather()?, None));
            }
            thread::scope(|scope| {
                // Without a thread that writes meanwhile the files are written from the ledger.
                let Ok((drafting, scribe)) = Drafting::begin(scope, &order.outgoing) else {
                    return Ok((gathering.gather()?, None));
                };
                let any = gathering.drafting(drafting).gather()?;
                Ok::<_, CutError>((any, scribe.end()))
            })
        };
        let (any, draft) = tables::loosely(&self.connection, gather)?;
        match self.conclude(cycle, lsn, any) {
            Ok(is_cut) => Ok((is_cut, draft)),
            Err(fault) => {
                draft.into_iter().for_each(Draft::give_up);
                Err(fault)
            }
        }
    }

    /// All is gathered, up to some record of the journal. Of nothing a day's end is made, and no cycle within it: gives whether the
    /// cut is one.
    fn conclude(&self, cycle: Cycle, lsn: Lsn, any: bool) -> Result<bool, CutError> {
        let (date, is_cut) = (day(cycle.date), any || cycle.number == 0);
        if is_cut {
            let sql = "UPDATE cuts SET state = 'begun', lsn = ? WHERE day = ? AND cycle = ?";
            self.connection.execute(sql, (lsn.0.cast_signed(), date, cycle.number))?;
        } else {
            let sql = "DELETE FROM cuts WHERE day = ? AND cycle = ?";
            self.connection.execute(sql, (date, cycle.number))?;
        }
        Ok(is_cut)
    }

    /// Up to which record of the journal a cut reaches.
    fn lsn(&self, cycle: Cycle) -> Result<Lsn, CutError> {
        let date = cycle.date;
        Ok(match cycle.number {
            0 => self.books.cut_of(date)?.ok_or(CutError::NotCut { date })?.lsn,
            _ => self.books.position()?,
        })
    }

    fn begin_cycle<'a>(
        &self,
        date: BusinessDate,
        order: &'a Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<Option<Begun<'a>>, CutError> {
        let end = Cycle { date, number: 0 };
        if self.state_of(end)?.is_some() || self.books.cut_of(date)?.is_some() {
            return Err(CutError::Ended { date });
        }
        self.settle_before(end, order, watch)?;
        // One that was begun and not finished is what is wanted first.
        let sql =
            "SELECT max(cycle), min(iif(state = 'begun', cycle, NULL)) FROM cuts WHERE day = ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let (last, begun): (Option<u32>, Option<u32>) =
            ask.query_row([day(date)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let Some(number) = begun {
            return Ok(Some(Begun::only(Cycle { date, number })));
        }
        let mut cycle = Cycle { date, number: last.map_or(1, |last| last.saturating_add(1)) };
        // A ledger that was begun anew does not write over what the one before it left there.
        while self.origin()?.is_late(date) && order.outgoing.has(cycle) {
            cycle.number = cycle.number.saturating_add(1);
        }
        let (any, draft) = self.gather_drafting(cycle, order, watch)?;
        Ok(any.then_some(Begun { cycle, draft }))
    }

    fn state_of(&self, cycle: Cycle) -> Result<Option<String>, LedgerError> {
        let sql = "SELECT state FROM cuts WHERE day = ? AND cycle = ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let state = ask.query_row((day(cycle.date), cycle.number), |row| row.get(0));
        Ok(state.optional()?)
    }
}
