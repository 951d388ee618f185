//! The lives of a story, and finding them: by the journal alone, by books that are behind, and by books that are level.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::Story;
use crate::books::{Books, why};
use crate::journal::Reader;
use crate::record::{DebtState, TxnId};

/// Every life of a story that the books followed for so many steps only.
fn lives(directory: &Path, followed: usize) -> (Story, BTreeMap<TxnId, why::Life>) {
    let mut story = Story::new(directory, 3);
    let mut books = Books::open(directory, Arc::clone(&story.keys)).unwrap();
    let mut reader = Reader::open(&directory.join("journal"));
    let mut turn = 0;
    story.run(|| {
        turn += 1;
        if turn <= followed {
            books.follow(&mut reader).unwrap();
        }
    });
    drop(books);
    if followed == 0 {
        std::fs::remove_file(directory.join("books.db")).unwrap();
    }
    let archive = why::Archive::open(directory).unwrap();
    let life = |txn: &TxnId| (*txn, archive.life(*txn).unwrap().unwrap());
    // Each is read out of the whole journal.
    let lives = story.standings.keys().step_by(4).map(life).collect();
    (story, lives)
}

#[test]
fn a_life_is_the_same_from_the_journal_and_from_the_books() {
    let scratch = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [alone, behind, level] = &scratch;
    let (_, lives_alone) = lives(alone.path(), 0);
    let (_, lives_behind) = lives(behind.path(), 250);
    let (story, lives_level) = lives(level.path(), usize::MAX);
    for (txn, life) in &lives_level {
        assert_eq!((&lives_alone[txn], &lives_behind[txn]), (life, life));
    }
    for (txn, life) in &lives_level {
        let now = life.now.iter().find(|now| now.txn == *txn).unwrap();
        let clears = story.claimed.contains_key(txn) && !story.taken_back.contains(txn);
        assert_eq!(now.state == "cleared", clears, "{life:?}");
        let owed = |state| matches!(state, DebtState::Open);
        let standing = &story.standings[txn];
        let reversal = standing.reversal.as_ref().map(|debt| debt.state);
        assert_eq!(now.said.contains("a reversal is owed"), reversal.is_some_and(owed));
        if let Some(original) = standing.undone_by {
            assert!(life.steps.iter().any(|step| step.txn == original), "its reversal is told");
        }
    }
}

#[test]
fn transactions_are_found_by_what_people_have_in_hand() {
    for followed in [0, 250, usize::MAX] {
        let scratch = tempfile::tempdir().unwrap();
        let (story, _) = lives(scratch.path(), followed);
        let archive = why::Archive::open(scratch.path()).unwrap();
        let find = |words: &[String]| {
            let found = archive.find(&why::Wanted::parse(words).unwrap()).unwrap();
            let txns: Vec<TxnId> = found.transactions.iter().map(|one| one.txn).collect();
            (txns, found.more)
        };
        for (txn, standing) in story.standings.iter().step_by(4) {
            assert_eq!(find(&[txn.0.to_string()]), (vec![*txn], false));
            let Some(sent) = standing.sent() else { continue };
            // Any pair that its issuer sees, with or without element 7, narrowed by the day or not.
            let reversal = standing.reversal.as_ref().map(|debt| debt.trace);
            for trace in [Some(sent.trace), reversal].into_iter().flatten() {
                let (stan, date) =
                    (format!("stan={}", trace.stan), format!("date={}", sent.at.date()));
                let de7 = format!("de7={}", trace.transmission.ascii().escape_ascii());
                for words in
                    [vec![&stan, &de7], vec![&stan, &de7, &date], vec![&stan, &date], vec![&stan]]
                {
                    let words: Vec<String> = words.into_iter().cloned().collect();
                    let (txns, more) = find(&words);
                    assert!(txns.contains(txn) && !more, "{followed} {txn:?} {words:?}: {txns:?}");
                }
            }
        }
        // The newest of many, and that there are more.
        let (all, more) = find(&["terminal=T1".to_owned(), "rrn=123456789012".to_owned()]);
        let sent = story.standings.values().filter(|one| one.sent().is_some());
        let newest: BTreeSet<TxnId> = sent.map(|one| one.id).collect();
        assert!(more && all.iter().eq(newest.iter().skip(newest.len() - all.len())), "{all:?}");
        assert_eq!(find(&["terminal=T2".to_owned()]), (vec![], false));
    }
}

#[test]
fn of_what_the_journal_no_longer_has_the_books_tell() {
    let scratch = tempfile::tempdir().unwrap();
    let (story, before) = lives(scratch.path(), usize::MAX);
    let mut files: Vec<_> = std::fs::read_dir(scratch.path().join("journal")).unwrap().collect();
    files.sort_by_key(|file| file.as_ref().unwrap().file_name());
    let names = |day: &str| {
        let of = |file: &std::io::Result<std::fs::DirEntry>| {
            file.as_ref().unwrap().file_name().to_str().unwrap().contains(day)
        };
        files
            .iter()
            .filter(|file| of(file))
            .map(|file| file.as_ref().unwrap().path())
            .collect::<Vec<_>>()
    };
    drop(story);
    let first = files.first().unwrap().as_ref().unwrap().file_name();
    let day = first.to_str().unwrap().get(..16).unwrap();
    let removed = names(day);
    assert!(removed.len() < files.len(), "the story has several days");
    for path in removed {
        std::fs::remove_file(path).unwrap();
    }
    let archive = why::Archive::open(scratch.path()).unwrap();
    let mut partial = 0;
    for (txn, life) in &before {
        let after = archive.life(*txn).unwrap().unwrap();
        assert_eq!(after.now, life.now);
        let opening = after.steps.iter().find(|step| step.txn == *txn).unwrap();
        let told = life.steps.iter().find(|step| step.txn == *txn).unwrap();
        assert_eq!((opening.at, &opening.said), (told.at, &told.said));
        partial += u32::from(after.is_partial);
    }
    assert!(10 < partial, "{partial}");
}
