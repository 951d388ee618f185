//! A journal whose files were cut or changed anywhere gives a prefix of what was committed, or is refused.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use iso8583d::journal::{Commit, Journal, JournalError, Reader, Settings};
use iso8583d::record::Lsn;

/// The bytes of a WAL's own header, of a frame's header, and of a page (`SQLite`'s file format, sections 4.1 and 1.3).
const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 8192;

/// How many of the commits a clean close put into the database file; the others are in the WAL.
const CHECKPOINTED: usize = 4;

struct Specimen {
    _scratch: tempfile::TempDir,
    commits: Vec<Commit>,
    name: String,
    database: Vec<u8>,
    wal: Vec<u8>,
    trial: PathBuf,
}

impl Specimen {
    /// Fourteen commits of 20 bytes to 30 KiB, so that some lie in one page and some in four.
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let settings = Settings { directory: scratch.path().join("journal"), retention_days: 7 };
        let sizes = [20, 9000, 300, 100, 30_000, 20, 20, 8100, 500, 17_000, 60, 60, 2000, 20];
        let mut first = 1;
        let mut commits = Vec::new();
        for (at, size) in sizes.into_iter().enumerate() {
            let count = u32::try_from(at % 3 + 1).unwrap();
            let blob =
                (0..size).map(|byte| u8::try_from((byte * 7 + at * 31) % 256).unwrap()).collect();
            commits.push(Commit { first: Lsn(first), count, carry: at == 0, day: 20_780, blob });
            first += u64::from(count);
        }
        let (mut journal, _) = Journal::open(&settings).unwrap();
        for commit in &commits[..CHECKPOINTED] {
            journal.commit(commit).unwrap();
        }
        drop(journal);
        let (mut journal, _) = Journal::open(&settings).unwrap();
        for commit in &commits[CHECKPOINTED..] {
            journal.commit(commit).unwrap();
        }
        // As a pulled plug leaves it: nothing was closed.
        let mut files: Vec<_> =
            fs::read_dir(&settings.directory).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let name = files[0].file_name().unwrap().to_str().unwrap().to_owned();
        let database = fs::read(&files[0]).unwrap();
        let wal = fs::read(settings.directory.join(format!("{name}-wal"))).unwrap();
        assert_eq!((wal.len() - WAL_HEADER) % (FRAME_HEADER + PAGE), 0);
        let trial = scratch.path().join("trial");
        Self { commits, name, database, wal, trial, _scratch: scratch }
    }

    /// Opens a journal of these files; the number of commits that came back, or none when it is refused.
    fn open(&self, database: &[u8], wal: &[u8], what: &str) -> Option<usize> {
        if self.trial.exists() {
            fs::remove_dir_all(&self.trial).unwrap();
        }
        fs::create_dir(&self.trial).unwrap();
        fs::write(self.trial.join(&self.name), database).unwrap();
        fs::write(self.trial.join(format!("{}-wal", self.name)), wal).unwrap();
        // Somebody who only reads sees the same, before anybody has recovered anything.
        let alone = read(&self.trial).ok();
        let settings = Settings { directory: self.trial.clone(), retention_days: 7 };
        let (mut journal, recovery) = Journal::open(&settings).ok()?;
        let kept = recovery.commits.len();
        assert_eq!(recovery.commits, self.commits[..kept], "{what}");
        assert_eq!(alone, Some(recovery.commits.clone()), "{what}");
        let next = Lsn(recovery.commits.last().map_or(1, |commit| commit.last().0 + 1));
        assert_eq!(recovery.next, next, "{what}");
        // It goes on from there, and what goes on is read back.
        let more = Commit { first: next, count: 1, carry: true, day: 20_780, blob: vec![7; 100] };
        if journal.commit(&more).is_ok() {
            let again = read(&self.trial).ok()?;
            assert_eq!(again.last(), Some(&more), "{what}");
        }
        Some(kept)
    }
}

fn read(directory: &Path) -> Result<Vec<Commit>, JournalError> {
    Reader::open(directory).after(Lsn(0), usize::MAX)
}

#[test]
fn a_wal_cut_anywhere_gives_a_prefix() {
    let specimen = Specimen::new();
    let mut last = CHECKPOINTED;
    let frames = (specimen.wal.len() - WAL_HEADER) / (FRAME_HEADER + PAGE);
    let boundaries = (0..=frames).map(|frame| WAL_HEADER + frame * (FRAME_HEADER + PAGE));
    let cuts = boundaries
        .flat_map(|at| [at - 1, at, at + 1, at + FRAME_HEADER, at + FRAME_HEADER + PAGE / 2]);
    for cut in [0, 1].into_iter().chain(cuts).filter(|cut| *cut <= specimen.wal.len()) {
        let what = format!("cut at {cut}");
        let kept = specimen.open(&specimen.database, &specimen.wal[..cut], &what).unwrap();
        assert!(last <= kept, "{what}: a longer rest of the file gives less");
        last = kept;
    }
    assert_eq!(last, specimen.commits.len());
}

#[test]
fn a_flipped_frame_gives_a_prefix() {
    let specimen = Specimen::new();
    let frame = FRAME_HEADER + PAGE;
    let offsets = (WAL_HEADER..specimen.wal.len()).step_by(frame).flat_map(|at| {
        [0, 3, 7, 9, 17, FRAME_HEADER, FRAME_HEADER + 5, FRAME_HEADER + PAGE / 2, frame - 1]
            .map(|byte| at + byte)
    });
    for (turn, offset) in (0..WAL_HEADER).chain(offsets).enumerate() {
        let mut wal = specimen.wal.clone();
        wal[offset] ^= 1 << (turn % 8);
        if let Some(kept) = specimen.open(&specimen.database, &wal, &format!("byte {offset}")) {
            let kept_all = kept == specimen.commits.len();
            assert!(CHECKPOINTED <= kept && (offset < WAL_HEADER || !kept_all), "byte {offset}");
        }
    }
}

#[test]
fn a_flipped_page_gives_a_prefix_or_a_refusal() {
    let specimen = Specimen::new();
    let mut refused = 0;
    // Headers of the file and of its pages densely, the rest here and there.
    let pages = (0..specimen.database.len()).step_by(PAGE).flat_map(|page| page..page + 12);
    let offsets = (0..100).chain((100..specimen.database.len()).step_by(97)).chain(pages);
    for (turn, offset) in offsets.enumerate() {
        let mut database = specimen.database.clone();
        database[offset] ^= 1 << (turn % 8);
        refused += u32::from(specimen.open(&database, &[], &format!("byte {offset}")).is_none());
    }
    assert!(refused > 0);
}
