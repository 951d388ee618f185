//! The journal's disk: commits that are durable, one that is on its way, and what a crash leaves of it.

use crate::planted::{self, Bug};
use crate::record::{self, Lsn, Record};
use crate::seal::Keys;
use crate::switch::Input;

use super::reached::Rare;
use super::{Event, World};

/// A commit as it lies on the disk.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    /// The position of its first record.
    pub(super) first: Lsn,
    /// How many records it has.
    pub(super) count: u64,
    /// Whether a complete carry is in it.
    pub(super) carry: bool,
    /// The records as bytes.
    blob: Vec<u8>,
    sum: u32,
}

/// What a crash left of the commit that was on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// There was none.
    Nothing,
    /// All of it: it is durable, though nobody was told.
    Whole,
    /// Some of it: recovery has to refuse it.
    Torn,
    /// None of it.
    Lost,
}

/// The journal's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    commits: Vec<Commit>,
    /// Appended, and on its way to no commit.
    staged: Vec<Record>,
    /// How many of the staged records each input made.
    inputs: Vec<usize>,
    flying: Option<(Commit, Vec<Record>, Vec<usize>)>,
    /// Bytes of a commit that was cut off by a crash.
    torn: Option<Vec<u8>>,
    durable: u64,
}

impl Commit {
    fn of(records: &[Record], first: Lsn, keys: &Keys) -> Self {
        let mut blob = Vec::with_capacity(records.len() * 256);
        for (record, lsn) in records.iter().zip(first.0..) {
            record::encode(record, Lsn(lsn), keys, &mut blob);
        }
        let carry = records.iter().any(|record| matches!(record, Record::CarryEnds { .. }));
        let count = u64::try_from(records.len()).unwrap_or(0);
        Self { first, count, carry, sum: crc32fast::hash(&blob), blob }
    }

    /// Its records, if its bytes are what was written.
    pub(super) fn records(&self) -> Option<Vec<Record>> {
        if crc32fast::hash(&self.blob) != self.sum {
            return None;
        }
        record::decode_all(&self.blob, self.first).ok()
    }

    /// The position of its last record.
    pub(super) const fn last(&self) -> Lsn {
        Lsn((self.first.0 + self.count).saturating_sub(1))
    }
}

impl Disk {
    /// The position of the last durable record.
    pub(super) const fn durable(&self) -> Lsn {
        Lsn(self.durable)
    }

    /// The durable commits from this place on.
    pub(super) fn commits(&self, from: usize) -> &[Commit] {
        self.commits.get(from..).unwrap_or_default()
    }

    /// Whether everything appended is durable.
    pub(super) const fn quiet(&self) -> bool {
        self.staged.is_empty() && self.flying.is_none()
    }

    /// Puts records on the disk that stand there before the first process begins.
    pub(super) fn found(&mut self, records: &[Record], keys: &Keys) {
        let commit = Commit::of(records, Lsn(self.durable + 1), keys);
        self.land(commit);
    }

    /// The records of one input.
    pub(super) fn append(&mut self, records: &mut Vec<Record>) {
        if !records.is_empty() {
            self.inputs.push(records.len());
            self.staged.append(records);
        }
    }

    /// Sends what was appended on its way, when nothing else is.
    pub(super) fn begin(&mut self, keys: &Keys) -> bool {
        if self.flying.is_some() || self.staged.is_empty() {
            return false;
        }
        let records = std::mem::take(&mut self.staged);
        let inputs = std::mem::take(&mut self.inputs);
        let commit = Commit::of(&records, Lsn(self.durable + 1), keys);
        self.flying = Some((commit, records, inputs));
        true
    }

    /// The commit on its way has arrived.
    pub(super) fn arrive(&mut self) -> bool {
        let Some((commit, ..)) = self.flying.take() else { return false };
        self.land(commit);
        true
    }

    /// The machine stops. `fate` decides what is left of the commit on its way, `part` of which part.
    pub(super) fn crash(&mut self, fate: Left, part: usize, keys: &Keys) -> Left {
        self.staged.clear();
        self.inputs.clear();
        let Some((commit, records, inputs)) = self.flying.take() else { return Left::Nothing };
        if planted::is(Bug::TornInput) {
            // The records of one input apart: as if each of them had a commit of its own.
            let kept = part % (records.len() + 1);
            let whole: usize = inputs
                .iter()
                .scan(0, |sum, input| {
                    *sum += input;
                    Some(*sum)
                })
                .filter(|sum| *sum <= kept)
                .last()
                .unwrap_or(0);
            if let Some(records) = records.get(..kept).filter(|kept| !kept.is_empty()) {
                self.land(Commit::of(records, commit.first, keys));
            }
            return if whole == kept { Left::Lost } else { Left::Torn };
        }
        match fate {
            Left::Whole => self.land(commit),
            Left::Torn => {
                let kept = part % commit.blob.len().max(1);
                self.torn = Some(commit.blob.get(..kept).unwrap_or_default().to_vec());
                let torn = Commit { blob: self.torn.take().unwrap_or_default(), ..commit };
                // What a half-written row must be: refused whole.
                if torn.records().is_some() {
                    return Left::Nothing;
                }
            }
            Left::Lost | Left::Nothing => {}
        }
        fate
    }

    /// Where recovery begins: the last but one commit with a complete carry, else the first commit.
    pub(super) fn recovery(&self) -> usize {
        let carries = self.commits.iter().enumerate().rev().filter(|(_, commit)| commit.carry);
        carries.map(|(place, _)| place).nth(1).unwrap_or(0)
    }

    fn land(&mut self, commit: Commit) {
        self.durable = commit.last().0;
        self.commits.push(commit);
    }
}

impl World {
    /// It is nearly full for a while, or has room again.
    pub(super) fn fill_disk(&mut self, low: bool) {
        let wait =
            if low { self.rng.below(3_000) } else { self.rng.around(self.mix.machine.full_ms) };
        let low = low && !self.healed;
        if low {
            self.reached.count(Rare::DiskLow);
        }
        self.feed(Input::Disk { low });
        if low || self.mix.machine.full_ms > 0 {
            self.later(wait, Event::Full { low: !low });
        }
    }
}
