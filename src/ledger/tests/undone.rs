//! Authorizations that were claimed and presented, and reversed or lowered after that.

use super::twice::{balances, cut_day, is_rejected, kinds};
use super::*;
use crate::clearing::{Charge, Rule, Tariff};
use crate::ledger::cut::Begun;

/// A merchant's claim that is presented within the day.
fn presents(world: &mut World, claims: &[Claim<'_>]) -> Vec<i64> {
    let made = claims.iter().map(|claim| world.claims(*claim)).collect();
    let date = world.today;
    world.cut(Asked::Now(date)).unwrap().unwrap();
    made
}

/// Kind and amount of each item, and what it is about.
fn items(world: &World) -> Vec<(String, i64, Option<i64>)> {
    let sql = "SELECT kind, amount, about FROM items ORDER BY item";
    let mut ask = world.ledger.connection.prepare(sql).unwrap();
    let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn item(kind: &str, amount: i64, about: Option<i64>) -> (String, i64, Option<i64>) {
    (kind.to_owned(), amount, about)
}

/// What is owed to merchants; the books of account close.
fn owed(world: &World) -> i64 {
    let all = balances(world);
    assert_eq!(all.values().sum::<i64>(), 0, "{all:?}");
    -all.get("merchant_payable").copied().unwrap_or(0)
}

#[test]
fn what_was_claimed_and_then_reversed_is_taken_back_under_its_reference() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let claim = world.claims(Claim::of(txn, 900));
    let first = cut_day(&mut world);
    world.is_undone(txn);
    let second = cut_day(&mut world);
    let [presented, back] =
        [&first, &second].map(|report| world.lines(&report.files[0].name).remove(0));
    assert_eq!((back.amount, &*back.merchant), (900, "SHOP 7"));
    assert_eq!(back.reference, presented.reference);
    assert_eq!(back.back.as_deref(), Some("R261123"));
    assert_eq!((presented.back, back.function.as_str()), (None, "200"));
    assert_eq!(items(&world), [item("presentment", 900, None), item("opposite", 900, Some(1))]);
    assert_eq!(balances(&world), BTreeMap::new());
    let told: i64 = world.asks(&format!(
        "SELECT count(*) FROM events WHERE claim = {claim} AND kind = 'taken_back'"
    ));
    assert_eq!(told, 1);
    // Whatever is repeated, and whoever asks again.
    world.is_undone(txn);
    world.claims(Claim { op: "reversal", original: Some(claim), ..Claim::of(txn, 900) });
    let third = cut_day(&mut world);
    assert_eq!((third.files.len(), kinds(&world).len()), (0, 2));
    let refused: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'TAKEN_BACK'");
    assert_eq!(refused, 1);
}

/// A file names no reference twice: what is left of what is lowered just now is taken back by the next cut.
#[test]
fn what_is_lowered_and_reversed_at_once_is_taken_back_in_two_cuts() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let claim = world.claims(Claim::of(txn, 900));
    cut_day(&mut world);
    world.is_lowered(txn, 300);
    world.claims(Claim { op: "reversal", original: Some(claim), ..Claim::of(txn, 900) });
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "lowered"]);
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "lowered", "opposite"]);
    let amounts: String =
        world.asks("SELECT group_concat(amount) FROM (SELECT amount FROM items ORDER BY item)");
    assert_eq!(amounts, "900,600,300");
}

#[test]
fn a_reversal_of_the_switch_itself_counts_too() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [heard, unheard] = [(); 2].map(|()| world.approved(HOLD));
    presents(&mut world, &[Claim::of(heard, 900), Claim::of(unheard, 800)]);
    world.happens(&Record::Told { txns: vec![heard] });
    cut_day(&mut world);
    assert_eq!(kinds(&world).len(), 2, "nothing is known of the second yet");
    world.is_reversed(unheard);
    cut_day(&mut world);
    assert_eq!(items(&world)[2..], [item("opposite", 800, Some(2))]);
    let waiting: i64 = world.asks("SELECT count(*) FROM keys WHERE key IN (-1, -2)");
    assert_eq!(waiting, 0);
}

#[test]
fn of_several_claims_what_exceeds_is_taken_back_the_latest_first() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    presents(&mut world, &[Claim::of(txn, 600), Claim::of(txn, 400)]);
    world.is_lowered(txn, 500);
    let second = cut_day(&mut world);
    let expected = [item("opposite", 400, Some(2)), item("lowered", 100, Some(1))];
    assert_eq!(items(&world)[2..], expected);
    assert_eq!(owed(&world), 500);
    let lines = world.lines(&second.files[0].name);
    assert!(lines.iter().all(|line| line.back.is_some() && line.merchant == "SHOP 7"));
    // No more can be claimed; and all of it is reversed in the end.
    world.claims(Claim::of(txn, 1));
    world.is_undone(txn);
    cut_day(&mut world);
    assert_eq!(items(&world)[4..], [item("opposite", 500, Some(1))]);
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn what_a_partial_reversal_leaves_may_be_claimed() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    presents(&mut world, &[Claim::of(txn, 300)]);
    world.is_lowered(txn, 500);
    world.claims(Claim::of(txn, 200));
    world.claims(Claim::of(txn, 1));
    cut_day(&mut world);
    assert_eq!((owed(&world), kinds(&world)), (500, vec!["presentment".to_owned(); 2]));
    let refused: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'OVER_AMOUNT'");
    assert_eq!(refused, 1);
}

#[test]
fn what_its_merchant_takes_back_after_it_was_lowered_is_what_is_left() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let claims = presents(&mut world, &[Claim::of(txn, 1_000)]);
    world.is_lowered(txn, 600);
    cut_day(&mut world);
    let original = Some(claims[0]);
    world.claims(Claim { op: "reversal", original, ..Claim::of(txn, 1_000) });
    cut_day(&mut world);
    let expected = [item("lowered", 400, Some(1)), item("opposite", 600, Some(1))];
    assert_eq!(items(&world)[1..], expected);
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn what_was_refunded_is_not_paid_to_the_card_twice() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let claim = presents(&mut world, &[Claim::of(txn, 1_000)])[0];
    let refund = Claim { op: "refund", original: Some(claim), ..Claim::of(txn, 400) };
    let refunded = presents(&mut world, &[refund])[0];
    world.is_undone(txn);
    world.claims(Claim { amount: 100, ..refund });
    cut_day(&mut world);
    let expected = [item("lowered", 600, Some(1))];
    assert_eq!((&items(&world)[2..], owed(&world)), (&expected[..], 0));
    let refused: i64 =
        world.asks("SELECT count(*) FROM claims WHERE reason = 'REFUND_OVER_CAPTURED'");
    assert_eq!(refused, 1);
    // The refund is taken back: so is what it had kept.
    world.claims(Claim { op: "reversal", original: Some(refunded), ..Claim::of(txn, 400) });
    cut_day(&mut world);
    cut_day(&mut world);
    let expected = [item("opposite", 400, Some(2)), item("opposite", 400, Some(1))];
    assert_eq!((&items(&world)[3..], owed(&world)), (&expected[..], 0));
}

#[test]
fn a_refund_that_was_authorized_and_presented_is_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(Ask { code: "200000", ..HOLD });
    presents(&mut world, &[Claim { op: "refund", ..Claim::of(txn, 700) }]);
    assert_eq!(owed(&world), -700);
    world.is_undone(txn);
    let report = cut_day(&mut world);
    let back = world.lines(&report.files[0].name).remove(0);
    assert_eq!((back.code.as_str(), back.back.is_some(), back.amount), ("200000", true, 700));
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn a_claim_that_was_rejected_and_reversed_costs_its_merchant_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [all, part] = [(); 2].map(|()| world.approved(HOLD));
    presents(&mut world, &[Claim::of(all, 1_000), Claim::of(part, 1_000)]);
    is_rejected(&world, 1);
    is_rejected(&world, 2);
    world.is_undone(all);
    world.is_lowered(part, 600);
    let report = cut_day(&mut world);
    // Their issuer never took them, and hears nothing; of the part somebody decides.
    assert_eq!(report.files.len(), 0);
    assert_eq!(items(&world)[4..], [item("given_up", 1_000, Some(1))]);
    let held: String = world.asks("SELECT kind || ': ' || fault FROM held");
    assert!(held.starts_with("lowered: ") && held.contains("rejected it"), "{held}");
    let by = record::Remark::name("anna").unwrap();
    let moment = Moment { now: AT, day: world.today };
    let again = Represent { item: 2, amount: None, reason: None };
    world.ledger.represent(&again, &by, moment).unwrap().unwrap_err();
    world.ledger.give_up(2, &by, moment).unwrap().unwrap();
    cut_day(&mut world);
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn what_was_charged_back_is_not_taken_back_as_well() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [undone, lowered] = [(); 2].map(|()| world.approved(HOLD));
    let claims = [(undone, 600), (undone, 400), (lowered, 600), (lowered, 400)];
    presents(&mut world, &claims.map(|(txn, amount)| Claim::of(txn, amount)));
    // Of each authorization the holder has 400 back already.
    for about in [2, 4] {
        let sql = "INSERT INTO items (kind, about, txn, issuer, merchant, amount, currency, refund, state)
            SELECT 'chargeback', item, txn, issuer, merchant, amount, currency, refund, 'accepted' FROM items WHERE item = ?";
        world.ledger.connection.execute(sql, [about]).unwrap();
    }
    world.is_undone(undone);
    world.is_lowered(lowered, 600);
    cut_day(&mut world);
    assert_eq!(items(&world)[6..], [item("opposite", 600, Some(1))]);
    assert_eq!(owed(&world), 600);
    let held: String = world.asks("SELECT group_concat(txn || kind || fault) FROM held");
    assert!(held.starts_with(&format!("{}opposite", undone.0)), "{held}");
    assert!(held.contains("its card would be paid twice"), "{held}");
}

#[test]
fn what_is_reversed_before_it_is_presented_is_not_presented() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.claims(Claim::of(txn, 900));
    world.is_undone(txn);
    for _ in 0..2 {
        assert_eq!(cut_day(&mut world).files.len(), 0);
    }
    let refused: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'REVERSED'");
    assert_eq!((refused, kinds(&world).len()), (1, 0));
}

#[test]
fn what_is_reversed_between_the_beginning_of_a_cut_and_its_files_is_taken_back_by_the_next() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.claims(Claim::of(txn, 900));
    let date = world.day_ends();
    let order = world.order(Asked::End(date));
    world.ledger.index().unwrap();
    let cycle = world.ledger.begin(&order, &mut |_| ()).unwrap().unwrap().cycle;
    world.is_undone(txn);
    world.restarts();
    world.ledger.write(Begun::only(cycle), &order, &mut |_| ()).unwrap();
    world.cut(Asked::End(date)).unwrap();
    assert_eq!(kinds(&world), ["presentment"]);
    let date = world.today;
    world.cut(Asked::Now(date)).unwrap().unwrap();
    assert_eq!(kinds(&world), ["presentment", "opposite"]);
    assert!(world.cut(Asked::Now(date)).unwrap().is_none(), "once");
}

#[test]
fn its_fees_go_back_with_it() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let charge = |charge, rate_ppm| Rule {
        name: "r".to_owned(),
        charge,
        merchants: vec![],
        issuers: vec![],
        mccs: vec![],
        currency: None,
        entries: vec![],
        refund: false,
        tariff: Tariff { rate_ppm, fixed: 7, ..Tariff::default() },
    };
    world.fees.rules = vec![charge(Charge::Discount, 20_000), charge(Charge::Interchange, 3_000)];
    let txn = world.approved(HOLD);
    presents(&mut world, &[Claim::of(txn, 1_000)]);
    assert_eq!(owed(&world), 1_000 - 27);
    world.is_lowered(txn, 500);
    cut_day(&mut world);
    assert_eq!(owed(&world), 500 - 17, "as if no more had been claimed");
    world.is_undone(txn);
    cut_day(&mut world);
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn what_raised_an_authorization_and_was_undone_is_taken_back_and_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let raised = world.approved(Ask { amount: 500, completes: Some(txn), ..HOLD });
    presents(&mut world, &[Claim::of(txn, 1_500)]);
    world.is_undone(raised);
    cut_day(&mut world);
    assert_eq!(items(&world)[1..], [item("lowered", 500, Some(1))]);
    assert_eq!(owed(&world), 1_000);
    world.is_undone(txn);
    cut_day(&mut world);
    assert_eq!(items(&world)[2..], [item("opposite", 1_000, Some(1))]);
    assert_eq!(owed(&world), 0);
}

#[test]
fn what_clears_by_itself_was_refunded_and_reversed_is_not_paid_to_the_card_twice() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [some, all] = [(); 2].map(|()| world.approved(SALE));
    cut_day(&mut world);
    let refund = |txn, amount| Claim { op: "refund", ..Claim::of(txn, amount) };
    let refunded = presents(&mut world, &[refund(some, 400), refund(all, 1_000)]);
    assert_eq!(owed(&world), 600);
    world.is_reversed(some);
    world.is_reversed(all);
    cut_day(&mut world);
    let about: i64 = world.asks(&format!("SELECT item FROM items WHERE txn = {} LIMIT 1", some.0));
    assert_eq!(items(&world)[4..], [item("lowered", 600, Some(about))]);
    assert_eq!(owed(&world), 0);
    // The refund is taken back: so is what it had kept.
    for (txn, refund) in [(some, refunded[0]), (all, refunded[1])] {
        world.claims(Claim { op: "reversal", original: Some(refund), ..Claim::of(txn, 400) });
    }
    cut_day(&mut world);
    cut_day(&mut world);
    let kinds: Vec<_> =
        items(&world)[5..].iter().map(|(kind, amount, _)| (kind.clone(), *amount)).collect();
    let opposite = |amount| ("opposite".to_owned(), amount);
    assert_eq!(kinds, [400, 1_000, 400, 1_000].map(opposite));
    assert_eq!(owed(&world), 0);
}

#[test]
fn a_refund_of_its_own_authorization_that_is_undone_keeps_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [lowered, undone] = [(); 2].map(|()| world.approved(HOLD));
    let backs = [(); 2].map(|()| world.approved(Ask { code: "200000", ..HOLD }));
    let claims = presents(&mut world, &[Claim::of(lowered, 1_000), Claim::of(undone, 1_000)]);
    for (back, claim) in backs.into_iter().zip(claims) {
        let refund = Claim { op: "refund", original: Some(claim), ..Claim::of(back, 1_000) };
        presents(&mut world, &[refund]);
    }
    assert_eq!(owed(&world), 0);
    world.is_lowered(backs[0], 400);
    world.is_undone(lowered);
    world.is_undone(undone);
    cut_day(&mut world);
    world.is_undone(backs[1]);
    cut_day(&mut world);
    cut_day(&mut world);
    let purchases: i64 =
        world.asks("SELECT sum(amount) FROM items WHERE kind <> 'presentment' AND refund = 0");
    let refunds: i64 =
        world.asks("SELECT sum(amount) FROM items WHERE kind <> 'presentment' AND refund = 1");
    assert_eq!((purchases, refunds, owed(&world)), (600 + 1_000, 600 + 1_000, 0));
}

#[test]
fn a_refund_that_its_issuer_did_not_take_keeps_nothing_once_it_is_given_up() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let claim = presents(&mut world, &[Claim::of(txn, 1_000)])[0];
    presents(&mut world, &[Claim { op: "refund", original: Some(claim), ..Claim::of(txn, 300) }]);
    is_rejected(&world, 2);
    world.is_undone(txn);
    cut_day(&mut world);
    let by = record::Remark::name("anna").unwrap();
    let moment = Moment { now: AT, day: world.today };
    world.ledger.give_up(2, &by, moment).unwrap().unwrap();
    cut_day(&mut world);
    cut_day(&mut world);
    let back: i64 = world
        .asks("SELECT sum(amount) FROM items WHERE about = 1 AND kind IN ('lowered', 'opposite')");
    assert_eq!((back, owed(&world)), (1_000, 0));
}
