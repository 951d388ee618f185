//! Reads a whole journal: checksums, gaps, and that every record decodes.

use std::path::Path;

use super::reader::Reader;
use super::{JournalError, file};
use crate::record::{self, Lsn, Record};

/// How much is read at once.
const STEP_BYTES: usize = 4 << 20;

/// What a journal that is in order holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many files.
    pub files: usize,
    /// How many commits.
    pub commits: u64,
    /// How many records.
    pub records: u64,
    /// How many bytes of records.
    pub bytes: u64,
    /// How many carries.
    pub carries: u64,
    /// The first position; 0 in an empty journal.
    pub first: Lsn,
    /// The last position; 0 in an empty journal.
    pub last: Lsn,
}

/// Reads everything, and says what there is; or the first thing that is wrong.
pub fn verify(directory: &Path) -> Result<Summary, JournalError> {
    let names = file::list(directory)?;
    let mut summary = Summary { files: names.len(), ..Summary::default() };
    let mut reader = Reader::open(directory);
    let Some((oldest, newest)) = reader.oldest()?.zip(reader.newest()?) else { return Ok(summary) };
    let mut last = Lsn(oldest.0.saturating_sub(1));
    // What a running daemon adds meanwhile is not waited for.
    while last < newest {
        let commits = reader.after(last, STEP_BYTES)?;
        let Some(end) = commits.last().map(super::Commit::last) else { return Ok(summary) };
        for commit in &commits {
            let holder = names.iter().rev().find(|name| name.first <= commit.first);
            let damaged = |lsn, what| JournalError::Damaged {
                file: holder.map(|name| name.text()).unwrap_or_default(),
                lsn,
                what,
            };
            let records = record::decode_all(&commit.blob, commit.first)
                .map_err(|bad| damaged(bad.lsn, "a record in it does not decode"))?;
            if usize::try_from(commit.count) != Ok(records.len()) {
                return Err(damaged(
                    commit.first,
                    "it holds another number of records than it says",
                ));
            }
            let carry = records.iter().any(|record| matches!(record, Record::CarryEnds { .. }));
            if carry != commit.carry {
                return Err(damaged(commit.first, "it is wrong about holding a carry"));
            }
            summary.commits += 1;
            summary.records += u64::from(commit.count);
            summary.bytes += u64::try_from(commit.blob.len()).unwrap_or(u64::MAX);
            summary.carries += u64::from(carry);
        }
        if summary.first == Lsn(0) {
            summary.first = oldest;
        }
        (summary.last, last) = (end, end);
    }
    Ok(summary)
}
