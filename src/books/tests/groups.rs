//! Rows that are written several at once, and the same ones each by itself.

use std::path::Path;

use super::{DAY, Story, clear_less, dump, follow_all, open};
use crate::books::follow::BACK_MAX;
use crate::books::rows::{GROUP, Row};
use crate::iso::BusinessDate;
use crate::record::{Outcome, Record, Standing};

/// What the tables hold when they hold these rows only, so many written at once.
fn written(directory: &Path, rows: &[Row], at_once: usize) -> Vec<String> {
    let scratch = tempfile::tempdir_in(directory).unwrap();
    let (books, _) = open(scratch.path(), "books");
    for some in rows.chunks(at_once) {
        // One that is alone is written by the general statement, and finds nothing bound of the one before.
        let mut pens = books.pens(some.iter().filter(|row| row.is_ordinary()).count()).unwrap();
        for row in some {
            row.clone().write(&mut pens).unwrap();
        }
        pens.lay_down();
    }
    dump(&books)
}

#[test]
fn rows_are_the_same_in_groups_and_one_by_one() {
    let scratch = tempfile::tempdir().unwrap();
    let mut story = Story::new(scratch.path(), 5);
    story.run(|| ());
    let row = |standing| {
        let mut row = Row::new(clear_less(standing));
        row.capture(BusinessDate(DAY + 1));
        row
    };
    let rows: Vec<Row> = story.standings.values().map(row).collect();
    let alone = written(scratch.path(), &rows, 1);
    let ordinary = rows.iter().filter(|row| row.is_ordinary()).count();
    assert!(ordinary > 20 && rows.len() > 100 + ordinary && alone.len() > rows.len());
    assert!(written(scratch.path(), &rows, rows.len()) == alone);
    // Some whole groups, and what fills none.
    for count in [GROUP - 1, GROUP, GROUP + 1, 2 * GROUP + 1] {
        assert!(written(scratch.path(), &rows, count) == alone, "{count} at once");
    }
}

#[test]
fn batches_of_every_size_are_in_the_books() {
    let scratch = tempfile::tempdir().unwrap();
    let mut story = Story::new(scratch.path(), 7);
    let (mut books, mut reader) = open(scratch.path(), "step by step");
    for count in 1..=3 * GROUP + 1 {
        for _ in 0..count {
            let sent = story.sent();
            story.push(&Record::Sent(sent));
        }
        // Every other one is over before it is written; of those of the batches before, some are written again.
        let in_flight = |one: &&Standing| one.outcome == Outcome::InFlight;
        let mut txns = Vec::new();
        txns.extend(story.standings.values().filter(in_flight).map(|one| one.id).step_by(2));
        for txn in txns {
            story.answer(txn);
            story.push(&Record::Told { txns: vec![txn] });
        }
        story.durable();
        follow_all(&mut books, &mut reader);
    }
    story.check(&books);
    let (mut again, mut reader) = open(scratch.path(), "at once");
    follow_all(&mut again, &mut reader);
    assert!(dump(&again) == dump(&books));
}

/// Built without them, everything is right and slow: a build from another directory does not see the repository's settings.
#[test]
fn sqlite_is_built_as_it_is_measured() {
    let scratch = tempfile::tempdir().unwrap();
    let (books, _) = open(scratch.path(), "books");
    let mut ask = books.connection.prepare("PRAGMA compile_options").unwrap();
    let options = ask.query_map([], |row| row.get(0)).unwrap();
    let options: Vec<String> = options.collect::<Result<_, _>>().unwrap();
    for expected in ["STMTJRNL_SPILL=1048576", "DEFAULT_MEMSTATUS=0", "DEFAULT_LOOKASIDE=1200,100"]
    {
        assert!(
            options.iter().any(|option| option == expected),
            "{expected} is not among {options:?}"
        );
    }
}

/// Each of them may have a page of its own: too many of those at once are more than the disk has in reserve.
#[test]
fn rows_that_are_read_back_end_a_batch() {
    let scratch = tempfile::tempdir().unwrap();
    let mut story = Story::new(scratch.path(), 9);
    let (mut books, mut reader) = open(scratch.path(), "back");
    for _ in 0..3 * BACK_MAX {
        let sent = story.sent();
        story.push(&Record::Sent(sent));
    }
    story.durable();
    follow_all(&mut books, &mut reader);
    drop((books, reader));
    let (mut books, mut reader) = open(scratch.path(), "back");
    let in_flight = |one: &&Standing| one.outcome == Outcome::InFlight;
    let txns: Vec<_> = story.standings.values().filter(in_flight).map(|one| one.id).collect();
    assert_eq!(txns.len(), 3 * BACK_MAX);
    for txn in txns {
        story.answer(txn);
        story.durable();
    }
    let mut batches = 0;
    while books.follow(&mut reader).unwrap().records > 0 {
        batches += 1;
    }
    assert_eq!(batches, 3);
    story.check(&books);
}
