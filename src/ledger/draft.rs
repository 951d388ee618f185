//! The files of a cut while they are written, line by line; and the thread that writes them while the cut is gathered, from what is
//! in memory then. The rows of the ledger say the same: what fails here, or dies, is written from them. Decides nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use super::LedgerError;
use super::ahead::{joined, start};
use super::cut::{CutError, Outgoing};
use super::outbox::{Hash, Outbox, Part};
use crate::clearing::{ClearingError, Format, Head, Line, Settings, Sheet, Sum, Totals};

/// Whether money goes to the card, and whether a claim is taken back.
pub(super) const WAYS: [(bool, bool); 4] =
    [(false, false), (false, true), (true, false), (true, true)];

/// What went into a file.
pub(super) struct WrittenFile {
    pub(super) totals: Totals,
    pub(super) digest: Hash,
    /// Of each merchant, in the order of `WAYS`.
    pub(super) merchants: BTreeMap<String, [Sum; WAYS.len()]>,
}

/// A file that is being written, still hidden.
pub(super) struct Script<'a> {
    sheet: Sheet<'a>,
    part: Part,
    merchants: BTreeMap<String, [Sum; WAYS.len()]>,
}

/// One line of a file.
pub(super) struct Drafted {
    pub(super) file: i64,
    /// Which line it has to become.
    pub(super) number: i64,
    pub(super) merchant: String,
    /// One of `WAYS`.
    pub(super) way: (bool, bool),
    /// Minor units.
    pub(super) amount: i64,
    pub(super) line: Line,
}

/// What the thread that writes is told.
enum Job<'a> {
    /// A file begins, under such a name.
    Opens { file: i64, name: String, settings: &'a Settings, head: Head },
    /// So many lines more.
    Lines(Vec<Drafted>),
    /// There is no more: without this what was written is not whole.
    Ends,
}

/// All files of a cut, whole and hidden.
pub(super) struct Draft<'a> {
    pub(super) outbox: Outbox<'a>,
    /// By their numbers in the ledger.
    pub(super) files: BTreeMap<i64, WrittenFile>,
}

/// Who gathers a cut hands its lines on to here.
pub(super) struct Drafting<'a> {
    jobs: SyncSender<Job<'a>>,
    lines: Vec<Drafted>,
}

/// The thread that writes.
pub(super) struct Scribe<'scope, 'a>(ScopedJoinHandle<'scope, Result<Option<Draft<'a>>, CutError>>);

/// How many bytes are gathered for one write.
const WRITE_LEN: usize = 256 * 1024;

/// So many files are written at once at most, with the sums of so many merchants: who has more has them written from the ledger, a few at
/// a time.
const FILES_MAX: usize = 64;
const MERCHANTS_MAX: usize = 200_000;

/// So many jobs lie ready while one is worked on: each has a page of lines.
const JOBS_READY: usize = 4;

impl<'a> Script<'a> {
    pub(super) fn begin(
        settings: &'a Settings,
        format: Format,
        head: Head,
        path: &Path,
    ) -> Result<Self, CutError> {
        let part = Part::create(path)?;
        let sheet = Sheet::begin(settings, format, head)?;
        Ok(Self { sheet, part, merchants: BTreeMap::new() })
    }

    /// Adds a line; gives its number in the file.
    pub(super) fn add(
        &mut self,
        (merchant, way, amount): (&str, (bool, bool), i64),
        line: &Line,
    ) -> Result<i64, CutError> {
        if !self.merchants.contains_key(merchant) {
            self.merchants.insert(merchant.to_owned(), <[Sum; WAYS.len()]>::default());
        }
        let ways = self.merchants.get_mut(merchant);
        let ways = ways.into_iter().flat_map(|sums| sums.iter_mut().zip(WAYS));
        for (sum, _) in ways.filter(|(_, own)| *own == way) {
            let overflow = ClearingError::Overflow { what: "sum" };
            let minor = sum.minor.checked_add(amount).ok_or(overflow)?;
            *sum = Sum { count: sum.count + 1, minor };
        }
        let number = self.sheet.add(line)?;
        if self.sheet.ready_len() >= WRITE_LEN {
            self.part.write(&self.sheet.take())?;
        }
        Ok(number.into())
    }

    /// Ends it, on the disk.
    pub(super) fn end(mut self) -> Result<WrittenFile, CutError> {
        let (last, totals) = self.sheet.end()?;
        self.part.write(&last)?;
        Ok(WrittenFile { totals, digest: self.part.end()?, merchants: self.merchants })
    }
}

impl<'a> Drafting<'a> {
    /// Starts the thread that writes; whoever has the second of these waits for it.
    pub(super) fn begin<'scope>(
        scope: &'scope Scope<'scope, '_>,
        outgoing: &'a Outgoing,
    ) -> Result<(Self, Scribe<'scope, 'a>), LedgerError>
    where
        'a: 'scope,
    {
        let (jobs, orders) = sync_channel(JOBS_READY);
        let thread = start(scope, "ledger scribe", move || Draft::write(outgoing, &orders))?;
        Ok((Self { jobs, lines: Vec::new() }, Scribe(thread)))
    }

    /// A file begins. False when nobody writes any more.
    pub(super) fn opens(
        &self,
        (file, name): (i64, &str),
        (settings, head): (&'a Settings, Head),
    ) -> bool {
        let name = name.to_owned();
        self.jobs.send(Job::Opens { file, name, settings, head }).is_ok()
    }

    /// One line more, of a file that has begun.
    pub(super) fn line(&mut self, line: Drafted) {
        self.lines.push(line);
    }

    /// Hands on what there is.
    pub(super) fn hand_on(&mut self) -> bool {
        self.lines.is_empty() || self.jobs.send(Job::Lines(std::mem::take(&mut self.lines))).is_ok()
    }

    /// That was all. Who lets go of this otherwise wants none of it.
    pub(super) fn end(mut self) {
        if self.hand_on() && self.jobs.send(Job::Ends).is_err() {
            // Its thread has met with a fault, and says so.
        }
    }
}

impl<'a> Scribe<'_, 'a> {
    /// Waits for it. None where something went wrong: the files are written from the ledger then, and what keeps them from that is told.
    pub(super) fn end(self) -> Option<Draft<'a>> {
        joined(self.0).ok().flatten()
    }
}

impl<'a> Draft<'a> {
    /// None where nobody wants it any more.
    fn write(outgoing: &'a Outgoing, jobs: &Receiver<Job<'a>>) -> Result<Option<Self>, CutError> {
        let mut draft = Self { outbox: Outbox::open(&outgoing.directory)?, files: BTreeMap::new() };
        let followed = draft.follow(jobs);
        if matches!(followed, Ok(true)) {
            return Ok(Some(draft));
        }
        draft.give_up();
        followed.map(|_| None)
    }

    /// Takes its files away.
    pub(super) fn give_up(self) {
        self.outbox.clear();
    }

    /// Does what it is told to the end. Whether that was said, and every line has become the one that it has to be.
    fn follow(&mut self, jobs: &Receiver<Job<'a>>) -> Result<bool, CutError> {
        let mut scripts: BTreeMap<i64, Script<'a>> = BTreeMap::new();
        let mut merchants = 0;
        for job in jobs {
            match job {
                Job::Opens { file, name, settings, head } => {
                    if scripts.len() >= FILES_MAX {
                        return Ok(false);
                    }
                    let path = self.outbox.named(&name);
                    scripts.insert(file, Script::begin(settings, settings.format, head, &path)?);
                }
                Job::Lines(lines) => {
                    for one in lines {
                        let Some(script) = scripts.get_mut(&one.file) else { return Ok(false) };
                        let about = (&*one.merchant, one.way, one.amount);
                        let known = script.merchants.len();
                        if script.add(about, &one.line)? != one.number {
                            return Ok(false);
                        }
                        merchants += script.merchants.len() - known;
                        if merchants > MERCHANTS_MAX {
                            return Ok(false);
                        }
                    }
                }
                Job::Ends => {
                    for (file, script) in scripts {
                        self.files.insert(file, script.end()?);
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::clearing::{FeeTable, FileId};
    use crate::iso::{BusinessDate, Currency};
    use crate::record::LinkId;

    /// What lies in the directory after a file was begun there, and its end was told or not; and whether there is a draft.
    fn left(ends: bool) -> (Vec<String>, bool) {
        let home = tempfile::tempdir().unwrap();
        let outgoing = Outgoing {
            directory: home.path().join("clearing"),
            settings: Settings::default(),
            by_issuer: BTreeMap::new(),
            fees: FeeTable::default(),
            names: BTreeMap::new(),
        };
        let id = FileId::new(&outgoing.settings, BusinessDate::from_text("2026-11-23").unwrap(), 1);
        let currency = Currency::from_ascii(b"978").unwrap();
        let head = Head { id: id.unwrap(), issuer: LinkId(1), currency };
        let is_there = thread::scope(|scope| {
            let (drafting, scribe) = Drafting::begin(scope, &outgoing).unwrap();
            assert!(drafting.opens((1, "clearing-bank-978.ipm"), (&outgoing.settings, head)));
            if ends {
                drafting.end();
            } else {
                drop(drafting);
            }
            scribe.end().is_some_and(|draft| draft.files.contains_key(&1))
        });
        let entries = std::fs::read_dir(home.path().join("clearing")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        (names.collect(), is_there)
    }

    #[test]
    fn what_nobody_wants_any_more_leaves_nothing() {
        assert_eq!(left(false), (Vec::new(), false));
        assert_eq!(left(true), (vec![".clearing-bank-978.ipm.part".to_owned()], true));
    }
}
