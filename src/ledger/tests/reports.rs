//! Reports of a day. In its proof each approval is in one line, and what is said to be claimed is what its merchant gets.

use super::twice::{cut_day, is_rejected};
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

/// The proof of the day in force as lines of what became, how many, authorized and claimed.
pub(super) fn proof(world: &mut World) -> Vec<[String; 4]> {
    proof_of(world, world.today)
}

fn proof_of(world: &mut World, day: BusinessDate) -> Vec<[String; 4]> {
    let text = report(world, Kind::Proof, day);
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
    let (bought, sold) = (world.approved(HOLD), world.approved(SALE));
    world.claims(Claim::of(bought, 1_000));
    let date = cut_day(&mut world).cycle.date;
    for txn in [bought, sold] {
        world.claims(Claim { op: "refund", ..Claim::of(txn, 400) });
    }
    let said = [("captured", 2, 2_000, 2_000), ("authorized", 2, 2_000, 2_000)];
    assert_eq!(proof_of(&mut world, date), lines(&said));
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE refund = 1"), 2);
    assert_eq!(proof_of(&mut world, date), lines(&said));
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

/// By its merchant or by its asker: until the next cut it stands with its issuer.
#[test]
fn what_was_taken_back_is_claimed_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [by_merchant, by_asker, sold] = [HOLD, HOLD, SALE].map(|ask| world.approved(ask));
    let first = world.claims(Claim::of(by_merchant, 1_000));
    world.claims(Claim::of(by_asker, 1_000));
    let date = cut_day(&mut world).cycle.date;
    let back = Claim { op: "reversal", original: Some(first), ..Claim::of(by_merchant, 1_000) };
    world.claims(back);
    world.is_undone(by_asker);
    world.is_undone(sold);
    let said = [
        ("captured", 1, 1_000, 1_000),
        ("reversed", 2, 2_000, 2_000),
        ("authorized", 3, 3_000, 3_000),
    ];
    assert_eq!(proof_of(&mut world, date), lines(&said));
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE kind = 'opposite'"), 3);
    // What its merchant called the last of it and took back is over, too.
    let said = [("reversed", 3, 3_000, 0), ("authorized", 3, 3_000, 0)];
    assert_eq!(proof_of(&mut world, date), lines(&said));
}

/// Of 10.00 that were refunded with 4.00 and reversed 6.00 are taken back: the card has the others already.
#[test]
fn what_was_refunded_of_what_was_reversed_stays_claimed() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (held, sold) = (world.approved(HOLD), world.approved(SALE));
    world.claims(Claim::of(held, 1_000));
    let date = cut_day(&mut world).cycle.date;
    for txn in [held, sold] {
        world.claims(Claim { op: "refund", ..Claim::of(txn, 400) });
    }
    cut_day(&mut world);
    world.is_undone(held);
    world.is_undone(sold);
    cut_day(&mut world);
    let said = [("reversed", 2, 2_000, 800), ("authorized", 2, 2_000, 800)];
    assert_eq!(proof_of(&mut world, date), lines(&said));
}

/// What a cut is not going to present is not claimed, and what it presents is: the proof before it says what the one behind it says.
#[test]
fn what_waits_is_claimed_as_far_as_the_cut_presents_it() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txns = [(); 5].map(|()| world.approved(HOLD));
    let [adjusted, lowered, shared, undone, completed] = txns;
    let first = world.claims(Claim::of(adjusted, 1_000));
    let by =
        world.claims(Claim { op: "adjust", original: Some(first), ..Claim::of(adjusted, 700) });
    world
        .ledger
        .connection
        .execute("UPDATE claims SET voided = ? WHERE claim = ?", (by, first))
        .unwrap();
    world.ledger.connection.execute("DELETE FROM to_cut WHERE claim = ?", [first]).unwrap();
    world.claims(Claim::of(lowered, 1_000));
    world.is_lowered(lowered, 600);
    for _ in 0..2 {
        world.claims(Claim::of(shared, 500));
    }
    world.is_lowered(shared, 600);
    world.claims(Claim::of(undone, 1_000));
    world.is_undone(undone);
    world.claims(Claim::of(completed, 900));
    let completion = world.sent(Ask { mti: 220, amount: 800, completes: Some(completed), ..SALE });
    world.happens(&Record::Stored(Arc::new(completion)));
    let said = [
        ("captured", 2, 2_000, 1_200),
        ("completed", 1, 1_000, 800),
        ("open", 1, 1_000, 0),
        ("reversed", 1, 1_000, 0),
        ("authorized", 5, 5_000, 2_000),
    ];
    assert_eq!(proof(&mut world), lines(&said));
    let date = cut_day(&mut world).cycle.date;
    assert_eq!(
        world.asks::<i64>("SELECT sum(amount) FROM items WHERE kind = 'presentment'"),
        2_000
    );
    assert_eq!(proof_of(&mut world, date), lines(&said));
}

/// Then the completion is held, for a person.
#[test]
fn what_was_presented_before_it_was_completed_is_claimed_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let held = world.approved(HOLD);
    world.claims(Claim::of(held, 1_000));
    world.cut(Asked::Now(world.today)).unwrap().unwrap();
    let completion = world.sent(Ask { mti: 220, amount: 800, completes: Some(held), ..SALE });
    world.happens(&Record::Stored(Arc::new(completion)));
    // One in another currency is a line of its own.
    let completes = Some(world.approved(HOLD));
    let other = Ask { mti: 220, amount: 7, currency: "840", completes, ..SALE };
    let other = world.sent(other);
    world.happens(&Record::Stored(Arc::new(other)));
    let said = [
        ("captured", 1, 7, 7),
        ("authorized", 1, 7, 7),
        ("completed", 1, 1_000, 1_000),
        ("open", 1, 1_000, 0),
        ("authorized", 2, 2_000, 1_000),
    ];
    assert_eq!(proof(&mut world), lines(&said));
    let date = cut_day(&mut world).cycle.date;
    assert_eq!(proof_of(&mut world, date), lines(&said));
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

/// Who is charged back has to know what was given back, and that a sale was reversed.
#[test]
fn the_life_of_a_purchase_has_its_refunds_and_its_reversal() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let sold = world.approved(SALE);
    cut_day(&mut world);
    let told = |world: &World, wanted: &str| {
        let wanted = Wanted::parse(wanted).unwrap();
        let steps = world.ledger.explain(&wanted, &BTreeMap::new()).unwrap().unwrap();
        steps.into_iter().map(|step| step.said).collect::<Vec<_>>().join("\n")
    };
    let before = told(&world, "item:1");
    assert!(!before.contains("refund") && !before.contains("reversed since"), "{before}");
    world.claims(Claim { op: "refund", ..Claim::of(sold, 400) });
    cut_day(&mut world);
    world.is_undone(sold);
    let all = told(&world, "item:1");
    for said in ["refund of 4.00 978 by SHOP 7", "item 2: a refund of 4.00 978", "reversed since"] {
        assert!(all.contains(said), "{said} is not in {all}");
    }
    assert!(told(&world, "claim:1").contains("for 10.00 978, card 541333"));
}

/// A rejected opposite is money of the card.
#[test]
fn what_is_in_suspense_says_which_way_its_money_goes() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let sold = world.approved(SALE);
    world.approved(SALE);
    let date = cut_day(&mut world).cycle.date;
    world.is_undone(sold);
    cut_day(&mut world);
    for item in [2, 3] {
        is_rejected(&world, item);
    }
    let aging = report(&mut world, Kind::Aging, date);
    let flow = |line: &str| line.rsplit(',').next().unwrap().to_owned();
    let suspense = aging.lines().filter(|line| line.starts_with("in suspense"));
    assert_eq!(suspense.map(flow).collect::<Vec<_>>(), ["purchase", "refund"], "{aging}");
}
