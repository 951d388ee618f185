//! Reports of a day. In its proof each approval is in one line, and what is said to be claimed is what its merchant gets.

use super::*;
use crate::clearing::Form;

/// A report of a day.
fn report(world: &mut World, kind: Kind, day: BusinessDate) -> String {
    world.ledger.index().unwrap();
    let ask = report::Ask {
        kind,
        day,
        cycle: None,
        merchant: None,
        issuer: None,
        form: Form::Csv,
        names: BTreeMap::new(),
        today: world.today,
        authorization_days: 7,
    };
    let written = world.ledger.report(&ask, &world.home.join("reports")).unwrap();
    fs::read_to_string(written.path).unwrap()
}

/// The proof of the day as lines of what became, how many, authorized and claimed.
pub(super) fn proof(world: &mut World) -> Vec<[String; 4]> {
    let text = report(world, Kind::Proof, world.today);
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let head = text.lines().map(cells).find(|cells| cells.contains(&"became".to_owned())).unwrap();
    let at = |name: &str| head.iter().position(|cell| cell == name).unwrap();
    let columns = [at("became"), at("count"), at("authorized"), at("claimed")];
    let lines = text.lines().map(cells).filter(|cells| {
        cells.get(at("count")).is_some_and(|count| count.parse().is_ok_and(|count: i64| count > 0))
    });
    lines.map(|cells| columns.map(|column| cells[column].clone())).collect()
}

pub(super) fn line(became: &str, authorized: &str, claimed: &str) -> [String; 4] {
    [became, "1", authorized, claimed].map(str::to_owned)
}

/// Of several lines of the proof.
fn lines(of: &[(&str, i64, i64, i64)]) -> Vec<[String; 4]> {
    of.iter()
        .map(|(became, count, authorized, claimed)| {
            [(*became).to_owned(), count.to_string(), authorized.to_string(), claimed.to_string()]
        })
        .collect()
}

#[test]
fn a_refund_claims_nothing_of_what_it_gives_back() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let bought = world.approved(HOLD);
    let sold = world.approved(SALE);
    world.claims(Claim::of(bought, 1_000));
    let date = world.day_ends();
    world.cut(Asked::End(date)).unwrap().unwrap();
    for txn in [bought, sold] {
        world.claims(Claim { op: "refund", ..Claim::of(txn, 400) });
    }
    world.today = date;
    let amount = i64::try_from(SALE.amount).unwrap();
    let said = [
        ("captured", 2, 1_000 + amount, 1_000 + amount),
        ("authorized", 2, 1_000 + amount, 1_000 + amount),
    ];
    assert_eq!(proof(&mut world), lines(&said));
}

#[test]
fn a_refund_with_an_authorization_of_its_own_is_told_by_itself() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let back = world.approved(Ask { code: "200000", ..HOLD });
    world.approved(Ask { code: "200000", ..HOLD });
    world.claims(Claim { op: "refund", ..Claim::of(back, 900) });
    world.approved(HOLD);
    let said = [
        ("open", 1, 1_000, 0),
        ("authorized", 1, 1_000, 0),
        ("captured", 1, 1_000, 900),
        ("open", 1, 1_000, 0),
        ("authorized", 2, 2_000, 900),
    ];
    assert_eq!(proof(&mut world), lines(&said));
}

/// Before its cut and after it, by its merchant or by its asker.
#[test]
fn what_was_taken_back_is_claimed_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txns = [HOLD, HOLD, SALE].map(|ask| world.approved(Ask { amount: 1_000, ..ask }));
    let [by_merchant, by_asker, sold] = txns;
    let first = world.claims(Claim::of(by_merchant, 1_000));
    world.claims(Claim::of(by_asker, 1_000));
    let date = world.day_ends();
    world.cut(Asked::End(date)).unwrap().unwrap();
    let original = Some(first);
    let back = Claim { op: "reversal", original, ..Claim::of(by_merchant, 1_000) };
    world.claims(back);
    world.is_undone(by_asker);
    world.is_undone(sold);
    let (next, said) = (
        world.today,
        [("open", 1, 1_000, 0), ("reversed", 2, 2_000, 0), ("authorized", 3, 3_000, 0)],
    );
    world.today = date;
    assert_eq!(proof(&mut world), lines(&said));
    world.today = next;
    let next = world.day_ends();
    world.cut(Asked::End(next)).unwrap().unwrap();
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE kind = 'opposite'"), 3);
    world.today = date;
    assert_eq!(proof(&mut world), lines(&said));
}

#[test]
fn what_an_adjustment_says_counts_and_what_is_lowered_has_no_more_than_is_left() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (adjusted, lowered) = (world.approved(HOLD), world.approved(HOLD));
    let first = world.claims(Claim::of(adjusted, 1_000));
    let by =
        world.claims(Claim { op: "adjust", original: Some(first), ..Claim::of(adjusted, 700) });
    let sql = "UPDATE claims SET voided = ? WHERE claim = ?";
    world.ledger.connection.execute(sql, (by, first)).unwrap();
    world.claims(Claim::of(lowered, 1_000));
    world.is_lowered(lowered, 600);
    let said = [("captured", 2, 2_000, 1_300), ("authorized", 2, 2_000, 1_300)];
    assert_eq!(proof(&mut world), lines(&said));
}

/// What completes an authorization of another day is in the line of that day; what completes nothing that was approved has its own.
#[test]
fn a_completion_is_in_the_line_of_what_it_completes() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let held = world.approved(HOLD);
    let first_day = world.day_ends();
    let completes = |world: &mut World, completes| {
        let completion = world.sent(Ask { mti: 220, amount: 800, completes, ..SALE });
        world.happens(&Record::Stored(Arc::new(completion)))
    };
    completes(&mut world, Some(held));
    completes(&mut world, None);
    assert_eq!(proof(&mut world), lines(&[("captured", 1, 800, 800), ("authorized", 1, 800, 800)]));
    let undone = completes(&mut world, Some(held));
    world.is_undone(undone);
    let said = [("captured", 1, 800, 800), ("reversed", 1, 800, 0), ("authorized", 2, 1_600, 800)];
    assert_eq!(proof(&mut world), lines(&said));
    world.today = first_day;
    assert_eq!(
        proof(&mut world),
        lines(&[("completed", 1, 1_000, 800), ("authorized", 1, 1_000, 800)])
    );
}

/// A day lasts from one cut to the next, whatever the clock says of it.
#[test]
fn files_of_merchants_are_told_on_the_business_day_on_which_they_came() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let sql = "INSERT INTO submissions (merchant, reference, digest, received, state) VALUES ('SHOP', ?, x'', ?, 'accepted')";
    for (file, after_ms) in [("before", 0), ("behind", 1)] {
        let received = AT.0.cast_signed() + after_ms;
        world.ledger.connection.execute(sql, (file, received)).unwrap();
    }
    let (mut on, before) = (BTreeMap::new(), BusinessDate(world.today.0 - 1));
    let date = world.day_ends();
    for day in [before, date, date.next(), date.next().next()] {
        let text = report(&mut world, Kind::Submissions, day);
        let files = ["before", "behind"].map(|file| text.contains(file));
        on.insert(day, files);
    }
    let none = [false; 2];
    assert_eq!(on.into_values().collect::<Vec<_>>(), [none, [true, false], [false, true], none]);
}
