//! A merchant's file on its way in: read and digested on one thread, and on another held against books and ledger for what its
//! records name. Judges nothing and writes nothing.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::super::LedgerError;
use super::super::ahead::Scout;
use super::indexing::are_any_related;
use super::matching::Seen;
use super::names::Finder;
use super::rows::digest;
use crate::clearing::claim::{FileFault, Head, Intake, Limits, Line};
use crate::seal::Keys;

/// How much of the ledger is kept in memory while names are looked for all over it.
pub(super) const NAMES_KIB: i64 = 65_536;

/// How much of a file is read at once.
const PIECE: usize = 65_536;

/// A line of a file, with what was seen of it ahead.
pub(super) enum SeenLine {
    Head(Head),
    Claim(Seen),
    Tail,
}

/// A line of a file; with what makes two claims of one reference the same.
pub(super) type ReadLine = (Line, Option<[u8; 16]>);

/// A file on its way in, on a thread that reads ahead.
pub(super) struct Reading {
    keys: Arc<Keys>,
    intake: Intake,
    /// How long a file may be.
    bytes_max: u64,
    pub(super) digest: Sha256,
    /// Why all of the file is refused.
    pub(super) fault: Option<FileFault>,
}

/// What its claims name, on another one.
pub(super) struct Looking {
    scout: Scout,
    /// Whose file it is: the header's, or the first record's.
    merchant: Option<String>,
}

impl Reading {
    pub(super) fn new(keys: Arc<Keys>, limits: Limits) -> Self {
        let bytes_max = limits.bytes_max;
        Self { keys, intake: Intake::new(limits), bytes_max, digest: Sha256::new(), fault: None }
    }

    /// All of it, as far as somebody wants it. What follows a fault is in the digest alone, and nothing beyond the limit is read.
    pub(super) fn read(
        &mut self,
        name: &str,
        file: &mut File,
        give: &mut dyn FnMut(Vec<ReadLine>) -> bool,
    ) -> Result<(), LedgerError> {
        let mut piece = vec![0; PIECE];
        let mut room = self.bytes_max;
        loop {
            let count = file.read(&mut piece).map_err(|source| LedgerError::Io {
                what: "read",
                path: name.into(),
                source,
            })?;
            let bytes = piece.get(..count).unwrap_or_default();
            self.digest.update(bytes);
            if self.fault.is_none() && !give(self.lines(bytes)) {
                return Ok(());
            }
            let left = room.checked_sub(u64::try_from(count).unwrap_or(u64::MAX));
            match left {
                Some(left) if count > 0 => room = left,
                _ => return Ok(()),
            }
        }
    }

    /// The lines that end in what comes next of the file; nothing is its end.
    fn lines(&mut self, bytes: &[u8]) -> Vec<ReadLine> {
        if bytes.is_empty() {
            self.intake.close();
        } else {
            self.intake.feed(bytes);
        }
        let mut lines = Vec::new();
        loop {
            match self.intake.next_record() {
                Ok(Some(line)) => {
                    let digest = match &line {
                        Line::Claim(claim) => Some(digest(&self.keys, claim)),
                        Line::Head(_) | Line::Tail(_) => None,
                    };
                    lines.push((line, digest));
                }
                Ok(None) => return lines,
                Err(fault) => {
                    self.fault = Some(fault);
                    return lines;
                }
            }
        }
    }
}

impl Looking {
    pub(super) const fn new(scout: Scout) -> Self {
        Self { scout, merchant: None }
    }

    pub(super) fn look(&mut self, lines: Vec<ReadLine>) -> Result<Vec<SeenLine>, LedgerError> {
        let Self { scout: Scout { connection, books }, merchant } = self;
        let _still = (books.still()?, connection.unchecked_transaction()?);
        let related = are_any_related(connection)?;
        let look = |(line, digest): ReadLine| {
            Ok(match line {
                Line::Head(head) => {
                    merchant.clone_from(&head.merchant);
                    SeenLine::Head(head)
                }
                Line::Claim(claim) => {
                    let first = || claim.merchant.clone().unwrap_or_default();
                    let merchant = merchant.get_or_insert_with(first);
                    let named = Finder { connection, books, merchant, related }.look(&claim)?;
                    SeenLine::Claim(Seen { digest: digest.unwrap_or_default(), claim, named })
                }
                Line::Tail(_) => SeenLine::Tail,
            })
        };
        lines.into_iter().map(look).collect()
    }
}
