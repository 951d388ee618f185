//! A cut whose process is killed after any step is finished to the same bytes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::*;
use crate::ledger::cut::{Begun, Step};

/// A day with two issuers, two currencies, claims, and what an earlier day claimed taken back.
fn a_day(home: &Path) -> (World, BusinessDate) {
    let mut world = World::new(home);
    let regretted = world.approved(SALE);
    let [undone, lowered] = [(); 2].map(|()| world.approved(HOLD));
    world.claims(Claim::of(undone, 900));
    world.claims(Claim::of(lowered, 900));
    let first = world.day_ends();
    world.cut(Asked::End(first)).unwrap();
    world.is_reversed(regretted);
    world.is_undone(undone);
    world.is_lowered(lowered, 300);
    for number in 0..12 {
        let ask = if number % 3 == 0 { HOLD } else { SALE };
        let currency = if number % 5 == 0 { "392" } else { "978" };
        let txn = world.approved(Ask { bank: number % 2, currency, ..ask });
        if number % 3 == 0 {
            world.claims(Claim { currency, ..Claim::of(txn, 700) });
        }
    }
    let second = world.day_ends();
    (world, second)
}

/// All that the ledger knows, but for when.
fn known(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for table in ["cuts", "files", "items", "claims", "held", "events"] {
        let mut ask = world.ledger.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = ask.column_count();
        let rows = ask.query_map([], |row| {
            let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at).unwrap());
            Ok(format!("{table}: {:?}", values.collect::<Vec<_>>()))
        });
        all.extend(rows.unwrap().map(Result::unwrap));
    }
    all
}

#[test]
fn killed_after_any_step_it_is_finished_to_the_same_bytes() {
    let home = tempfile::tempdir().unwrap();
    let (mut whole, date) = a_day(home.path());
    whole.ledger.step = 3;
    let before: Vec<_> = whole.seen().into_keys().collect();
    whole.cut(Asked::End(date)).unwrap();
    let (written, remembered) = (whole.seen(), known(&whole));
    assert_eq!(written.len(), before.len() + 6, "four files and two positions");
    let mut reached = Vec::new();
    loop {
        let home = tempfile::tempdir().unwrap();
        let (mut world, date) = a_day(home.path());
        let order = world.order(Asked::End(date));
        world.ledger.step = 3;
        let lives = reached.len();
        let mut steps = Vec::new();
        let killed = catch_unwind(AssertUnwindSafe(|| {
            world.ledger.cut_watched(&order, &mut |step| {
                steps.push(step);
                if steps.len() > lives {
                    resume_unwind(Box::new("killed"));
                }
            })
        }));
        if let Ok(done) = killed {
            done.unwrap().unwrap();
            assert_eq!(steps, reached);
            break;
        }
        reached = steps;
        // Nothing is half there, and before all of it was remembered nothing is there at all.
        let seen = world.seen();
        assert!(seen.iter().all(|(name, bytes)| written[name] == *bytes));
        if !reached.contains(&Step::Remembered) {
            assert!(seen.keys().eq(&before), "{reached:?}");
        }
        world.restarts();
        world.ledger.step = 3;
        let unfinished = world.ledger.unfinished().unwrap();
        let expected: &[Asked] =
            if reached.contains(&Step::Shown) { &[] } else { &[Asked::End(date)] };
        assert_eq!(unfinished, expected, "{reached:?}");
        world.cut(Asked::End(date)).unwrap();
        assert_eq!(world.seen(), written, "{reached:?}");
        assert_eq!(known(&world), remembered, "{reached:?}");
        let hidden = fs::read_dir(home.path().join("clearing")).unwrap();
        let hidden = hidden
            .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.'));
        assert_eq!(hidden.count(), 0);
    }
    for step in
        [Step::Gathered, Step::Begun, Step::Hidden, Step::Remembered, Step::Named, Step::Shown]
    {
        assert!(reached.contains(&step), "{step:?}");
    }
}

/// A file that does not hold what the ledger says does not leave.
#[test]
fn totals_that_differ_keep_every_file_back() {
    let home = tempfile::tempdir().unwrap();
    let (mut world, date) = a_day(home.path());
    let order = world.order(Asked::End(date));
    let before = world.seen();
    let begun = world.ledger.begin(&order, &mut |_| ()).unwrap().unwrap();
    let files = begun.draft.expect("its files are written meanwhile").files;
    assert_eq!(files.len(), 4);
    let last = "WHERE item = (SELECT max(item) FROM items)";
    for (spoil, mend) in [
        ("number = number + 1", "number = number - 1"),
        ("txn = txn + 1000000", "txn = txn - 1000000"),
        ("reference = '1' || reference", "reference = substr(reference, 2)"),
    ] {
        let change = |set: &str| {
            let sql = format!("UPDATE items SET {set} {last}");
            world.ledger.connection.execute(&sql, []).unwrap();
        };
        change(spoil);
        let refused =
            world.ledger.write(Begun::only(order.asked.cycle().unwrap()), &order, &mut |_| ());
        assert!(matches!(refused, Err(CutError::Disagrees { .. })), "{spoil}");
        assert_eq!(world.seen(), before, "{spoil}");
        change(mend);
    }
    world.cut(Asked::End(date)).unwrap();
    assert_eq!(world.seen().len(), before.len() + 6);
}
