//! A cut day on disk: the clearing files and the positions of a day, all of them or none, the same bytes
//! each time; knows neither how the books keep captures nor who asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Books, BooksError};
use crate::clearing::{
    Balanced, Capture, ClearingError, File, Filed, Head, Held, Positions, Settings,
};
use crate::iso::BusinessDate;
use crate::record::{LinkId, TxnId};

/// What a cut needs of the books: a day's frozen captures, and a memory of the files that were made.
pub trait Frozen {
    /// Whether the books have reached the record that cut the day. Before that nothing is written.
    fn is_cut(&self, date: BusinessDate) -> Result<bool, CutError>;

    /// The issuers that the day has captures of, ascending.
    fn issuers(&self, date: BusinessDate) -> Result<Vec<LinkId>, CutError>;

    /// Each capture of the day and the issuer, transactions ascending; the first fault of `each` ends it.
    fn captures(&self, date: BusinessDate, issuer: LinkId, each: Each<'_>) -> Result<(), CutError>;

    /// The number of an issuer's file within the day, from 1 on without gaps. The same for ever; durable
    /// when it returns.
    fn sequence(&mut self, date: BusinessDate, issuer: LinkId) -> Result<u32, CutError>;

    /// Remembers the digest of each file, durably, before any of them is visible. Gives the name of one
    /// that was made with another digest before; then nothing is remembered.
    fn remember(
        &mut self,
        date: BusinessDate,
        files: &[(String, Hash)],
    ) -> Result<Option<String>, CutError>;
}

/// SHA-256 of a file's contents.
pub type Hash = [u8; 32];

/// Takes captures one by one; a transaction that cannot be captured comes with its fault.
pub type Each<'a> =
    &'a mut dyn FnMut(TxnId, Result<Capture, ClearingError>) -> Result<(), CutError>;

/// Which day, and how it is written.
#[derive(Clone, Debug)]
pub struct Order {
    /// The day.
    pub date: BusinessDate,
    /// How the files are written.
    pub settings: Settings,
    /// Where they go.
    pub directory: PathBuf,
    /// The names that issuers have in file names and positions.
    pub names: BTreeMap<LinkId, String>,
}

/// What was written.
#[derive(Clone, Debug)]
pub struct CutReport {
    /// The day.
    pub date: BusinessDate,
    /// Where the files are.
    pub directory: PathBuf,
    /// The clearing files.
    pub files: Vec<Filed>,
    /// The names of the positions, as CSV and as JSON.
    pub positions: [String; 2],
    /// The day's positions.
    pub balanced: Balanced,
}

/// Why a day's files are not there.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    /// The day is still open, or the books have not followed that far.
    #[error(
        "{date} is not cut in the books: cut it first, or wait a second for the books to follow"
    )]
    NotCut {
        /// The day.
        date: BusinessDate,
    },
    /// The books could not be read or written.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The captures make no files and positions.
    #[error(transparent)]
    Clearing(#[from] ClearingError),
    /// The disk refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The day was written before, with other contents.
    #[error(
        "{name} was made with other contents before: the clearing settings changed since; \
         set them back, or send the file that was made"
    )]
    Differs {
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

/// Writes the files of a cut day: everything under hidden names first, balanced and remembered, then made
/// visible by renaming. Run again, it makes the same bytes; interrupted, it leaves whole files or none.
pub fn write_files(books: &mut impl Frozen, order: &Order) -> Result<CutReport, CutError> {
    let date = order.date;
    if !books.is_cut(date)? {
        return Err(CutError::NotCut { date });
    }
    prepare(&order.directory)?;
    let mut day = Day {
        order,
        parts: Parts { directory: &order.directory, names: Vec::new() },
        positions: Positions::new(date, order.settings.charset),
        files: Vec::new(),
        held: Vec::new(),
    };
    let mut digests = Vec::new();
    for (issuer, name) in names(order, &books.issuers(date)?)? {
        let head = Head { date, sequence: books.sequence(date, issuer)?, issuer };
        digests.push(day.file(books, head, &name)?);
    }
    let Day { mut parts, positions, files, held, .. } = day;
    let balanced = positions.balance(&files, held)?;
    let reports = [format!("positions-{date}.csv"), format!("positions-{date}.json")];
    for (name, text) in reports.iter().zip([balanced.csv(), balanced.json()]) {
        let mut part = parts.begin(name)?;
        part.write(text.as_bytes())?;
        digests.push((name.clone(), part.end()?));
    }
    if let Some(name) = books.remember(date, &digests)? {
        return Err(CutError::Differs { name });
    }
    parts.show()?;
    let directory = order.directory.clone();
    Ok(CutReport { date, directory, files, positions: reports, balanced })
}

/// The days that were cut and whose files were not written, or not shown, before the process that cut them ended.
pub fn unwritten(books: &Books, directory: &Path) -> Result<Vec<BusinessDate>, BooksError> {
    // The positions come last: where they are, everything is.
    let is_shown = |date: &BusinessDate| directory.join(format!("positions-{date}.json")).exists();
    let mut days: BTreeSet<BusinessDate> =
        books.unwritten()?.into_iter().filter(|date| !is_shown(date)).collect();
    // What was remembered and not yet renamed lies under hidden names.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let hidden = name.to_str().and_then(|name| name.strip_prefix(".positions-"));
        let date = hidden.and_then(|rest| rest.get(..10));
        let date = date.and_then(|date| BusinessDate::from_text(date).ok());
        if let Some(date) = date
            && books.cut_of(date)?.is_some()
        {
            days.insert(date);
        }
    }
    Ok(days.into_iter().collect())
}

/// A day while its files are written.
struct Day<'a> {
    order: &'a Order,
    parts: Parts<'a>,
    positions: Positions,
    files: Vec<Filed>,
    held: Vec<Held>,
}

impl Day<'_> {
    /// Writes one issuer's file, still hidden, and gives its name and digest.
    fn file(
        &mut self,
        books: &impl Frozen,
        head: Head,
        issuer: &str,
    ) -> Result<(String, Hash), CutError> {
        let name = format!("clearing-{issuer}-{}.ipm", head.date);
        let mut part = self.parts.begin(&name)?;
        let mut file = File::begin(&self.order.settings, head)?;
        let (positions, held) = (&mut self.positions, &mut self.held);
        books.captures(head.date, head.issuer, &mut |txn, capture| {
            match capture {
                Ok(capture) => {
                    file.add(&capture)?;
                    positions.add(issuer, &capture)?;
                }
                // The wrong key would hold back everything: that is for the operator to put right first.
                Err(fault @ ClearingError::Card { .. }) => return Err(fault.into()),
                Err(fault) => held.push(Held {
                    transaction: txn.0,
                    issuer: issuer.to_owned(),
                    fault: fault.to_string(),
                }),
            }
            if file.ready_len() >= WRITE_LEN { part.write(&file.take()) } else { Ok(()) }
        })?;
        let (last, totals) = file.end()?;
        part.write(&last)?;
        let digest = part.end()?;
        self.files.push(Filed { issuer: issuer.to_owned(), name: name.clone(), totals });
        Ok((name, digest))
    }
}

/// The issuers with the names that they have in file names: letters, digits, `-`, `_` and `.`.
fn names(order: &Order, issuers: &[LinkId]) -> Result<Vec<(LinkId, String)>, CutError> {
    let mut taken = BTreeSet::new();
    issuers
        .iter()
        .map(|issuer| {
            let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let name =
                order.names.get(issuer).filter(|name| !name.is_empty() && name.bytes().all(safe));
            // A link that the configuration no longer has keeps its number.
            let name = name.map_or_else(|| format!("link-{:08x}", issuer.0), String::clone);
            if taken.insert(name.clone()) {
                Ok((*issuer, name))
            } else {
                Err(CutError::SameName { name })
            }
        })
        .collect()
}

/// Makes the directory where it is missing, and removes what a crash left there under hidden names.
fn prepare(directory: &Path) -> Result<(), CutError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|source| disk("make", directory, source))?;
    let entries = fs::read_dir(directory).map_err(|source| disk("read", directory, source))?;
    for entry in entries {
        let path = entry.map_err(|source| disk("read", directory, source))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ours = name.starts_with(".clearing-") || name.starts_with(".positions-");
        if ours && name.ends_with(HIDDEN) {
            fs::remove_file(&path).map_err(|source| disk("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Files under hidden names, which go away again unless they are shown.
struct Parts<'a> {
    directory: &'a Path,
    names: Vec<String>,
}

/// One hidden file. Only its owner reads it: it holds cards.
struct Part {
    path: PathBuf,
    file: fs::File,
    digest: Sha256,
}

impl Parts<'_> {
    fn begin(&mut self, name: &str) -> Result<Part, CutError> {
        let path = self.hidden(name);
        self.names.push(name.to_owned());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|source| disk("create", &path, source))?;
        Ok(Part { path, file, digest: Sha256::new() })
    }

    /// Gives all of them their names, durably: each appears whole. The positions come last.
    fn show(&mut self) -> Result<(), CutError> {
        for name in std::mem::take(&mut self.names) {
            let (from, to) = (self.hidden(&name), self.directory.join(&name));
            fs::rename(&from, &to).map_err(|source| disk("rename to", &to, source))?;
        }
        let directory = fs::File::open(self.directory).and_then(|directory| directory.sync_all());
        directory.map_err(|source| disk("sync", self.directory, source))
    }

    fn hidden(&self, name: &str) -> PathBuf {
        self.directory.join(format!(".{name}{HIDDEN}"))
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            if fs::remove_file(self.hidden(name)).is_err() {
                // The next cut removes it.
            }
        }
    }
}

impl Part {
    fn write(&mut self, bytes: &[u8]) -> Result<(), CutError> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(|source| disk("write", &self.path, source))
    }

    /// Makes the contents durable and gives their digest.
    fn end(self) -> Result<Hash, CutError> {
        self.file.sync_all().map_err(|source| disk("sync", &self.path, source))?;
        Ok(self.digest.finalize().into())
    }
}

fn disk(doing: &'static str, path: &Path, source: io::Error) -> CutError {
    CutError::Disk { doing, path: path.to_owned(), source }
}

/// How many bytes are gathered for one write.
const WRITE_LEN: usize = 256 * 1024;
/// How the hidden names end.
pub(super) const HIDDEN: &str = ".part";
