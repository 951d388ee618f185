//! What was approved on a day.

use super::*;

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
                assert!(approved.stands <= approved.amount);
                open += u32::from(!approved.clears && approved.stands > 0);
            }
            told += seen.len();
        }
        assert!(told > 10 && open > 0, "{told} {open}");
    }
}
