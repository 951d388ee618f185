//! A file of answers, read once from its beginning to its end: each logical file of it is taken whole, or not at all.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::exceptions::{self, Trouble};
use super::{AnswerSettings, Moment, matching, verdicts};
use crate::clearing::answers::{Reader, Step};
use crate::clearing::{BadIpm, Charset, IpmRecord, Unframer, guess, read, rewrite};
use crate::ledger::{Fate, Inbox, Ledger, LedgerError};
use crate::record::LinkId;
use crate::seal::{Keys, Tag};

/// What came of a file of answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TakeReport {
    /// Its logical files that were taken, now or before.
    pub files: Vec<FileReport>,
    /// Why others were not.
    pub refused: Vec<String>,
    /// Beyond what is listed.
    pub more: u64,
}

/// What came of a logical file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileReport {
    /// Its number in the ledger.
    pub answer: i64,
    /// Its id.
    pub file_id: String,
    /// It was taken before, and nothing has changed.
    pub again: bool,
    /// Its records, header and trailer included.
    pub records: u64,
    /// What its records say, how often.
    pub said: BTreeMap<&'static str, u64>,
    /// Records that cannot be read: the first ones.
    pub quarantined: Vec<Quarantined>,
    /// How many there are of those.
    pub unreadable: u64,
    /// How many exceptions are open about it.
    pub exceptions: u64,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Which record of its logical file.
    pub place: u64,
    /// Where in the file its length stands.
    pub start: u64,
    /// Its bytes.
    pub length: u64,
    /// What is wrong.
    pub fault: String,
}

/// So much is read at once, and is looked at for what the file is.
const PIECE: usize = 1 << 16;

/// So many of each list are told.
const TOLD_MAX: usize = 1_000;

/// With more exceptions than this, a logical file is not meant for us, or not to help.
const EXCEPTIONS_MAX: u64 = 10_000;

impl Ledger {
    /// Takes a file out of an issuer's inbox, and puts it away. Taken again, in whatever form, it changes nothing.
    pub fn take_answers(
        &mut self,
        (issuer, name): (LinkId, &str),
        inbox: &Inbox,
        settings: &AnswerSettings,
        moment: Moment,
    ) -> Result<TakeReport, LedgerError> {
        let mut file = inbox.file(name)?;
        let mut taking = Taking {
            connection: &self.connection,
            keys: self.books.keys(),
            who: (issuer, name),
            settings,
            moment,
            open: None,
            stray: Tag::default(),
            told: 0,
            report: TakeReport::default(),
        };
        let done = taking.all(&mut file);
        let report = taking.report;
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        done?;
        let fate = if report.files.is_empty() { Fate::Refused } else { Fate::Done };
        inbox.put_away(name, fate)?;
        Ok(report)
    }
}

/// A file that is being taken.
struct Taking<'a> {
    connection: &'a Connection,
    keys: &'a Keys,
    who: (LinkId, &'a str),
    settings: &'a AnswerSettings,
    moment: Moment,
    open: Option<Open>,
    /// The keyed hash of what belongs to no logical file.
    stray: Tag,
    /// So many records that cannot be read are in the report.
    told: usize,
    report: TakeReport,
}

/// A logical file that is being taken.
struct Open {
    report: FileReport,
    /// Keyed hash of its records.
    digest: Tag,
    /// It was taken before, and had this one.
    before: Option<Vec<u8>>,
}

/// A record as it lies in the file.
#[derive(Clone, Copy)]
struct Met<'a> {
    start: u64,
    bytes: &'a [u8],
}

impl Taking<'_> {
    fn all(&mut self, file: &mut std::fs::File) -> Result<(), LedgerError> {
        let mut piece = Vec::with_capacity(PIECE);
        self.next_piece(file, &mut piece)?;
        let (charset, blocked) = guess(&piece, piece.len() < PIECE);
        let mut reader = Reader::new(self.settings.layout, Some(self.settings.production));
        let Some(charset) = charset else {
            let fault = "it is no clearing file: a length of four bytes and then four digits, in latin-1 or EBCDIC, are expected at its beginning";
            return self.refused(fault);
        };
        let mut unframer = Unframer::new(blocked);
        let mut fault = None;
        while fault.is_none() && !piece.is_empty() {
            unframer.push(&piece);
            fault = loop {
                match unframer.record() {
                    Ok(Some((start, bytes))) => {
                        self.record(&mut reader, Met { start, bytes }, charset)?;
                    }
                    Ok(None) => break None,
                    Err(fault) => break Some(fault),
                }
            };
            self.next_piece(file, &mut piece)?;
        }
        let fault = fault.or_else(|| unframer.end().err()).map(|fault| fault.to_string());
        let mut steps = Vec::new();
        reader.end(fault, &mut |step| steps.push(step));
        for step in steps {
            self.step(step, Met { start: 0, bytes: &[] })?;
        }
        Ok(())
    }

    fn next_piece(&self, file: &mut std::fs::File, piece: &mut Vec<u8>) -> Result<(), LedgerError> {
        piece.clear();
        let read = file.take(PIECE as u64).read_to_end(piece);
        let path = || PathBuf::from(self.who.1);
        read.map_err(|source| LedgerError::Io { what: "read", path: path(), source })?;
        Ok(())
    }

    fn record(
        &mut self,
        reader: &mut Reader,
        met: Met<'_>,
        charset: Charset,
    ) -> Result<(), LedgerError> {
        let found = read(met.bytes, charset);
        let mut steps = Vec::new();
        reader.record(found.as_ref().map_err(|bad| *bad), &mut |step| steps.push(step));
        // A header is part of what it begins.
        let begins = steps.iter().any(|step| matches!(step, Step::Begins(_)));
        if !begins {
            self.hash(found.as_ref(), met);
        }
        for step in steps {
            let now = matches!(step, Step::Begins(_));
            self.step(step, met)?;
            if now {
                self.hash(found.as_ref(), met);
            }
        }
        let settings = self.settings;
        let beyond = self.open.as_ref().and_then(|open| {
            let many = open.report.records > settings.records_max;
            let odd = open.report.exceptions > EXCEPTIONS_MAX;
            let records_max = settings.records_max;
            many.then(|| format!("it has more than {records_max} records, `records_max`")).or_else(
                || odd.then(|| format!("more than {EXCEPTIONS_MAX} of its records fit nothing")),
            )
        });
        if let Some(fault) = beyond {
            reader.pass();
            self.refused(&fault)?;
        }
        Ok(())
    }

    /// The digest is that of decoded records: another character set, or blocks, make no other file.
    fn hash(&mut self, found: Result<&IpmRecord, &BadIpm>, met: Met<'_>) {
        let mut plain = Vec::new();
        let written =
            found.is_ok_and(|record| rewrite(record, Charset::Latin1, &mut plain).is_ok());
        let bytes = if written { &plain } else { met.bytes };
        let digest = match &mut self.open {
            Some(open) => {
                open.report.records += 1;
                &mut open.digest
            }
            None => &mut self.stray,
        };
        *digest = self.keys.tag("answer", &[&digest.0.to_be_bytes(), bytes]);
    }

    fn step(&mut self, step: Step, met: Met<'_>) -> Result<(), LedgerError> {
        match step {
            Step::Begins(head) => self.begins(head.file_id),
            Step::Refused(fault) => self.refused(&fault),
            Step::Ends { .. } => self.ends(),
            Step::Said(said) => {
                let Some(open) = self.open_now() else { return Ok(()) };
                *open.report.said.entry(said.word.word()).or_default() += 1;
                let answer = open.report.answer;
                let (issuer, at) = (self.who.0, self.moment.at());
                let odd = matching::enter(self.connection, (answer, issuer), &said, at)?;
                self.odd(odd);
                Ok(())
            }
            Step::Unfit { number, fault } => {
                let Some(open) = self.open_now() else { return Ok(()) };
                let trouble = Trouble {
                    place: Some(i64::from(number)),
                    ..Trouble::of("unfit", (open.report.answer, self.who.0), fault)
                };
                exceptions::open(self.connection, &trouble, self.moment.at())?;
                self.odd(true);
                Ok(())
            }
            Step::Unreadable(bad) => self.unreadable(bad, met),
        }
    }

    fn open_now(&mut self) -> Option<&mut Open> {
        // One that was taken before is only compared.
        self.open.as_mut().filter(|open| open.before.is_none())
    }

    fn odd(&mut self, odd: bool) {
        if let Some(open) = &mut self.open {
            open.report.exceptions += u64::from(odd);
        }
    }

    fn begins(&mut self, file_id: String) -> Result<(), LedgerError> {
        let (issuer, name) = self.who;
        let known = self
            .connection
            .query_row(
                "SELECT answer, digest FROM answers WHERE issuer = ? AND file_id = ?",
                params![issuer.0, file_id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        let (answer, before) = if let Some((answer, digest)) = known {
            (answer, Some(digest))
        } else {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.connection.execute(
                "INSERT INTO answers (name, file_id, digest, issuer, received, records, quarantined)
                 VALUES (?, ?, x'', ?, ?, 0, 0)",
                params![shown(name), file_id, issuer.0, self.moment.at()],
            )?;
            (self.connection.last_insert_rowid(), None)
        };
        let report =
            FileReport { answer, file_id, again: before.is_some(), ..FileReport::default() };
        self.open = Some(Open { report, digest: Tag::default(), before });
        Ok(())
    }

    fn unreadable(&mut self, bad: BadIpm, met: Met<'_>) -> Result<(), LedgerError> {
        let (connection, keys, issuer, at) =
            (self.connection, self.keys, self.who.0, self.moment.at());
        let open = self.open.as_mut().filter(|open| open.before.is_none());
        let Some(open) = open else { return Ok(()) };
        let length = u64::try_from(met.bytes.len()).unwrap_or(u64::MAX);
        // It was counted when it was hashed.
        let place = open.report.records;
        let digest = keys.tag("quarantined", &[met.bytes]).0.to_be_bytes();
        let trouble = Trouble {
            place: Some(place.cast_signed()),
            lies: Some((met.start.cast_signed(), length.cast_signed())),
            digest: Some(&digest),
            ..Trouble::of("quarantined", (open.report.answer, issuer), bad.to_string())
        };
        exceptions::open(connection, &trouble, at)?;
        open.report.unreadable += 1;
        open.report.exceptions += 1;
        if self.told < TOLD_MAX {
            self.told += 1;
            let (start, fault) = (met.start, bad.to_string());
            open.report.quarantined.push(Quarantined { place, start, length, fault });
        }
        Ok(())
    }

    fn ends(&mut self) -> Result<(), LedgerError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let digest = open.digest.0.to_be_bytes();
        let answer = open.report.answer;
        if let Some(before) = &open.before {
            if *before != digest {
                let id = &open.report.file_id;
                let fault = format!(
                    "file id {id} was used before, answer {answer}, with other records: a file id is never used again"
                );
                self.open = Some(open);
                return self.refused(&fault);
            }
        } else {
            let (records, unreadable) =
                (open.report.records.cast_signed(), open.report.unreadable.cast_signed());
            self.connection.execute(
                "UPDATE answers SET digest = ?, records = ?, quarantined = ? WHERE answer = ?",
                params![digest, records, unreadable, answer],
            )?;
            verdicts::follow(self.connection, answer, self.settings, self.moment)?;
            self.connection.execute_batch("COMMIT")?;
        }
        // Among them what wants too much of what is there.
        let sql = "SELECT count(*) FROM exceptions WHERE answer = ? AND closed IS NULL";
        let all: i64 = self.connection.query_row(sql, [answer], |row| row.get(0))?;
        open.report.exceptions = all.cast_unsigned();
        if self.report.files.len() < TOLD_MAX {
            self.report.files.push(open.report);
        } else {
            self.report.more += 1;
        }
        Ok(())
    }

    /// Nothing of what is open stays, but that it came is on the list.
    fn refused(&mut self, fault: &str) -> Result<(), LedgerError> {
        let (issuer, name) = self.who;
        let open = self.open.take();
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        let id = open.as_ref().map_or("", |open| open.report.file_id.as_str());
        let which = if id.is_empty() { String::new() } else { format!("logical file {id}: ") };
        if TOLD_MAX <= self.report.refused.len() {
            self.report.more += 1;
            return Ok(());
        }
        let digest = open.as_ref().map_or(self.stray, |open| open.digest).0.to_be_bytes();
        // The same again is the same entry of the list.
        let digest = self.keys.tag("refused", &[id.as_bytes(), &digest, fault.as_bytes()]);
        let digest = digest.0.to_be_bytes();
        let trouble = Trouble {
            digest: Some(&digest),
            answer: None,
            ..Trouble::of("refused", (0, issuer), format!("{}: {which}{fault}", shown(name)))
        };
        exceptions::open(self.connection, &trouble, self.moment.at())?;
        self.report.refused.push(format!("{which}{fault}"));
        Ok(())
    }
}

/// A name that somebody else chose.
fn shown(name: &str) -> String {
    crate::clearing::answers::fit_to_show(name.as_bytes())
}
