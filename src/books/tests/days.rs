//! Which days are cut without their files, as a process finds out that comes after one that died.

use std::fs;

use super::*;
use crate::books::cut::HIDDEN;

/// Something happens, and the day is cut.
fn a_day(story: &mut Story) -> BusinessDate {
    for _ in 0..40 {
        story.step();
    }
    let date = story.date;
    story.cut();
    story.at.0 += 86_400_000;
    date
}

#[test]
fn days_without_their_files() {
    let scratch = tempfile::tempdir().unwrap();
    let clearing = scratch.path().join("clearing");
    let mut story = Story::new(scratch.path(), 5);
    let (mut books, mut reader) = open(scratch.path(), "books");
    let write = |books: &mut Books, date| {
        let (directory, names) = (clearing.clone(), BTreeMap::new());
        let settings = crate::clearing::Settings::default();
        write_files(books, &Order { date, settings, directory, names }).unwrap();
    };
    let find = |books: &Books| unwritten(books, &clearing).unwrap();
    assert!(find(&books).is_empty(), "nothing is cut");
    let first = a_day(&mut story);
    follow_all(&mut books, &mut reader);
    assert_eq!(find(&books), [first]);
    write(&mut books, first);
    assert!(find(&books).is_empty());
    let (second, third) = (a_day(&mut story), a_day(&mut story));
    follow_all(&mut books, &mut reader);
    assert_eq!(find(&books), [second, third]);
    write(&mut books, third);
    assert_eq!(find(&books), [second], "an older one is not forgotten");
    write(&mut books, second);
    assert!(find(&books).is_empty());
    // The process died before all names were given: what is remembered lies under a hidden one.
    let shown = clearing.join(format!("positions-{second}.json"));
    let whole = fs::read(&shown).unwrap();
    fs::rename(&shown, clearing.join(format!(".positions-{second}.json{HIDDEN}"))).unwrap();
    assert_eq!(find(&books), [second]);
    write(&mut books, second);
    assert_eq!(fs::read(&shown).unwrap(), whole);
    assert!(find(&books).is_empty());
    // Somebody took the files away, and later the books were built anew: nothing is written again.
    fs::remove_dir_all(&clearing).unwrap();
    assert!(find(&books).is_empty());
    let (mut anew, mut reader) = open(scratch.path(), "anew");
    follow_all(&mut anew, &mut reader);
    assert!(anew.cut_of(third).unwrap().is_some() && find(&anew).is_empty());
}

/// Every approval of a day is told, whenever it was stored, and what stands of it.
#[test]
fn what_was_approved_on_a_day() {
    for seed in 0..6 {
        let scratch = tempfile::tempdir().unwrap();
        let mut story = Story::new(scratch.path(), seed);
        let (mut books, mut reader) = open(scratch.path(), "books");
        let mut dates = BTreeSet::new();
        for _ in 0..5 {
            dates.insert(a_day(&mut story));
        }
        dates.insert(story.date);
        story.durable();
        follow_all(&mut books, &mut reader);
        let view = View::open(&scratch.path().join("books"), Arc::clone(&story.keys)).unwrap();
        dates.extend(story.standings.values().filter_map(Standing::date));
        let (mut told, mut open) = (0, 0);
        for date in dates {
            let mut seen = BTreeMap::new();
            view.approvals(date, &mut |approved| {
                seen.insert(approved.txn, approved);
            })
            .unwrap();
            let mut expected = BTreeMap::new();
            for (txn, standing) in
                story.standings.iter().filter(|(_, one)| one.date() == Some(date))
            {
                let yes = match &standing.outcome {
                    Outcome::Answered { verdict, .. } => *verdict == Verdict::Approved,
                    Outcome::Stored => standing.advice.is_some(),
                    Outcome::InFlight | Outcome::Over { .. } => false,
                };
                let sent = standing.sent().unwrap();
                let inquiry = sent.elements.get(ElementNo::of(3)) == Some(b"310000");
                if yes && !inquiry {
                    let left = standing.lowered.or_else(|| standing.granted()).unwrap();
                    let undone = standing.reversal.as_ref().is_some_and(|debt| !debt.lowers());
                    expected.insert(*txn, if undone { 0 } else { i64::try_from(left).unwrap() });
                }
            }
            let stands: BTreeMap<_, _> = seen.iter().map(|(txn, one)| (*txn, one.stands)).collect();
            assert_eq!(stands, expected, "{date}");
            for (txn, approved) in &seen {
                assert_eq!(approved.clears, claims(&story.standings[txn]));
                assert!(approved.stands <= approved.amount && !approved.completed);
                open += u32::from(!approved.clears && approved.stands > 0);
            }
            told += seen.len();
        }
        assert!(told > 10 && open > 0, "{told} {open}");
    }
}
