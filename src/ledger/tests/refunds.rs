//! What may be given back to a card: no more than its merchant has, of that what the refund names, and each only once.

use super::twice::{cut_day, is_rejected};
use super::*;
use crate::ledger::gather::Gathering;

fn refund(txn: TxnId, amount: i64, original: Option<i64>) -> Claim<'static> {
    Claim { op: "refund", original, ..Claim::of(txn, amount) }
}

/// Something that followed an item by hand.
fn follows(world: &World, kind: &str, about: i64, amount: i64) -> i64 {
    let sql = "INSERT INTO items (kind, about, txn, issuer, merchant, amount, currency, refund, state)
        SELECT ?, item, txn, issuer, merchant, ?, currency, refund, 'accepted' FROM items WHERE item = ?";
    world.ledger.connection.execute(sql, (kind, amount, about)).unwrap();
    world.ledger.connection.last_insert_rowid()
}

fn paid(world: &World) -> i64 {
    let sql = "SELECT ifnull(sum(amount), 0) FROM items WHERE kind = 'presentment' AND refund = 1";
    world.asks(sql)
}

/// The reasons of what was refused, in the order of the claims.
fn refused(world: &World) -> Vec<String> {
    let sql = "SELECT reason FROM claims WHERE state = 'rejected' ORDER BY claim";
    let mut ask = world.ledger.connection.prepare(sql).unwrap();
    ask.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn completes(world: &mut World, of: TxnId, code: &'static str, amount: u64) -> TxnId {
    let completion = world.sent(Ask { mti: 220, code, amount, completes: Some(of), ..SALE });
    world.happens(&Record::Stored(Arc::new(completion)))
}

const BACK: Ask<'_> = Ask { code: "200000", ..HOLD };

/// Whichever comes first, the claim or the completion.
#[test]
fn a_refund_that_was_authorized_is_claimed_or_completed() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (first, second) = (world.approved(BACK), world.approved(BACK));
    world.claims(refund(first, 1_000, None));
    completes(&mut world, first, "200000", 1_000);
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (1_000, vec!["ALREADY_CAPTURED".to_owned()]));
    world.claims(refund(second, 1_000, None));
    world.cut(Asked::Now(world.today)).unwrap().unwrap();
    completes(&mut world, second, "200000", 1_000);
    cut_day(&mut world);
    assert_eq!((paid(&world), world.asks::<i64>("SELECT count(*) FROM held")), (2_000, 1));
}

#[test]
fn a_refund_that_was_lowered_pays_no_more_than_is_left() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let back = world.approved(BACK);
    world.claims(refund(back, 1_000, None));
    world.is_lowered(back, 600);
    cut_day(&mut world);
    world.claims(refund(back, 600, None));
    cut_day(&mut world);
    world.claims(refund(back, 1, None));
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (600, vec!["OVER_AMOUNT".to_owned(); 2]));
}

/// Whichever of the two refunds comes first.
#[test]
fn a_refund_with_an_authorization_of_its_own_pays_no_purchase_back_twice() {
    for own_first in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let mut world = World::new(home.path());
        let (bought, back) = (world.approved(HOLD), world.approved(BACK));
        let sold = world.claims(Claim::of(bought, 1_000));
        cut_day(&mut world);
        for own in [own_first, !own_first] {
            world.claims(refund(if own { back } else { bought }, 1_000, Some(sold)));
        }
        cut_day(&mut world);
        assert_eq!(
            (paid(&world), refused(&world)),
            (1_000, vec!["REFUND_OVER_CAPTURED".to_owned()])
        );
    }
}

/// Of two captures one is in suspense: what gives that back waits until somebody decides, and is not paid out of the other.
#[test]
fn a_refund_waits_for_the_capture_that_it_names() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let [first, _] = [500, 500].map(|amount| world.claims(Claim::of(txn, amount)));
    cut_day(&mut world);
    is_rejected(&world, 1);
    world.claims(refund(txn, 500, Some(first)));
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world).len()), (0, 0));
    follows(&world, "given_up", 1, 500);
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (0, vec!["TAKEN_BACK".to_owned()]));
}

#[test]
fn a_capture_is_given_back_once_whatever_else_was_captured() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let [first, _] = [500, 500].map(|amount| world.claims(Claim::of(txn, amount)));
    cut_day(&mut world);
    for _ in 0..2 {
        world.claims(refund(txn, 500, Some(first)));
    }
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (500, vec!["REFUND_OVER_CAPTURED".to_owned()]));
}

/// Its name stays that of the capture, its amount is what the adjustment says.
#[test]
fn what_was_adjusted_is_given_back_as_it_was_presented() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let first = world.claims(Claim::of(txn, 500));
    world.claims(Claim::of(txn, 500));
    let by = world.claims(Claim { op: "adjust", original: Some(first), ..Claim::of(txn, 400) });
    let connection = &world.ledger.connection;
    connection.execute("UPDATE claims SET voided = ? WHERE claim = ?", (by, first)).unwrap();
    connection.execute("DELETE FROM to_cut WHERE claim = ?", [first]).unwrap();
    cut_day(&mut world);
    world.claims(refund(txn, 401, Some(first)));
    world.claims(refund(txn, 100, Some(first)));
    world.claims(refund(txn, 300, Some(by)));
    world.claims(refund(txn, 1, Some(first)));
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (400, vec!["REFUND_OVER_CAPTURED".to_owned(); 2]));
}

/// It was lowered before it was captured, so that nothing of it is too much: a charge-back of a part leaves the rest.
#[test]
fn what_is_left_of_what_was_charged_back_may_be_refunded() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.is_lowered(txn, 600);
    world.claims(Claim::of(txn, 600));
    cut_day(&mut world);
    follows(&world, "chargeback", 1, 200);
    world.claims(refund(txn, 400, None));
    world.claims(refund(txn, 1, None));
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (400, vec!["REFUND_OVER_CAPTURED".to_owned()]));
}

/// What is presented in the place of an authorization is what is given back, and once; what was accepted before it, of what is not presented now,
/// is told.
#[test]
fn what_was_completed_is_given_back_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let held = world.approved(HOLD);
    world.claims(Claim::of(held, 1_000));
    world.claims(refund(held, 300, None));
    let completion = completes(&mut world, held, "000000", 800);
    cut_day(&mut world);
    let said = ["ALREADY_CAPTURED", "NOT_PRESENTED"].map(str::to_owned);
    assert_eq!((paid(&world), refused(&world)), (0, said.to_vec()));
    world.claims(refund(completion, 801, None));
    world.claims(refund(completion, 800, None));
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world).len()), (800, 3));
    world.is_undone(completion);
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE kind = 'opposite'"), 0);
}

/// It was refunded by an authorization of its own, which names it, or by its transaction's number.
#[test]
fn what_was_refunded_is_not_taken_back_as_well() {
    for own in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let mut world = World::new(home.path());
        let (bought, back) = (world.approved(HOLD), world.approved(BACK));
        let sold = world.claims(Claim::of(bought, 1_000));
        cut_day(&mut world);
        world.claims(refund(if own { back } else { bought }, 1_000, Some(sold)));
        let original = Some(sold);
        world.claims(Claim { op: "reversal", original, ..Claim::of(bought, 1_000) });
        cut_day(&mut world);
        assert_eq!(
            (paid(&world), refused(&world)),
            (1_000, vec!["REFUND_OVER_CAPTURED".to_owned()])
        );
        assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE kind = 'opposite'"), 0);
    }
}

/// A sale was charged back in part and lowered: what is too much is held, and no refund goes out of what a person decides about.
#[test]
fn what_is_held_since_it_was_lowered_is_not_refunded() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let sold = world.approved(SALE);
    cut_day(&mut world);
    follows(&world, "chargeback", 1, 500);
    world.is_lowered(sold, 600);
    world.claims(refund(sold, 500, None));
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM held WHERE kind = 'lowered'"), 1);
    assert_eq!((paid(&world), refused(&world)), (0, vec!["TAKEN_BACK".to_owned()]));
}

/// No claim is held against what its merchant gave up; a completion of it is for a person, since some of it may have been refunded.
#[test]
fn what_was_given_up_counts_no_more() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (completed, lowered) = (world.approved(HOLD), world.approved(HOLD));
    world.claims(Claim::of(completed, 1_000));
    world.claims(Claim { is_final: false, ..Claim::of(lowered, 600) });
    cut_day(&mut world);
    for (item, amount) in [(1, 1_000), (2, 600)] {
        is_rejected(&world, item);
        follows(&world, "given_up", item, amount);
    }
    completes(&mut world, completed, "000000", 800);
    world.claims(Claim::of(lowered, 400));
    world.is_lowered(lowered, 600);
    cut_day(&mut world);
    let sql = "SELECT group_concat(amount) FROM (SELECT amount FROM items WHERE kind = 'presentment' ORDER BY item)";
    assert_eq!(world.asks::<String>(sql), "1000,600,400");
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM held"), 1);
}

/// Of two captures the one that was refunded is not taken back out of the other.
#[test]
fn what_was_refunded_by_its_name_is_not_taken_back() {
    for own in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let mut world = World::new(home.path());
        let (txn, back) = (world.approved(HOLD), world.approved(BACK));
        let [first, second] = [500, 500].map(|amount| world.claims(Claim::of(txn, amount)));
        cut_day(&mut world);
        world.claims(refund(if own { back } else { txn }, 500, Some(first)));
        cut_day(&mut world);
        for original in [first, second] {
            let original = Some(original);
            world.claims(Claim { op: "reversal", original, ..Claim::of(txn, 500) });
        }
        cut_day(&mut world);
        assert_eq!(refused(&world), ["REFUND_OVER_CAPTURED"]);
        assert_eq!(world.asks::<i64>("SELECT about FROM items WHERE kind = 'opposite'"), 2);
    }
}

/// The first is taken back: until that is done, and not for ever, the second waits.
#[test]
fn a_refund_waits_for_the_one_that_is_taken_back_before_it() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.claims(Claim::of(txn, 500));
    cut_day(&mut world);
    let first = world.claims(refund(txn, 500, None));
    world.claims(refund(txn, 500, None));
    world.claims(Claim { op: "reversal", original: Some(first), ..Claim::of(txn, 500) });
    cut_day(&mut world);
    cut_day(&mut world);
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world).len()), (1_000, 0));
    let kinds = "SELECT count(*) FROM items WHERE kind = 'opposite' AND refund = 1";
    assert_eq!(world.asks::<i64>(kinds), 1);
}

/// What is in suspense may come back, and so may a refund that its issuer did not take: what takes a capture back waits for that.
#[test]
fn what_takes_a_capture_back_waits_for_what_is_in_suspense() {
    for refund_is_rejected in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let mut world = World::new(home.path());
        let txn = world.approved(HOLD);
        let [first, _] = [500, 500].map(|amount| world.claims(Claim::of(txn, amount)));
        cut_day(&mut world);
        world.claims(refund(txn, 500, None));
        cut_day(&mut world);
        let suspended = if refund_is_rejected { 3 } else { 2 };
        is_rejected(&world, suspended);
        if refund_is_rejected {
            // And the other capture does not cover it.
            is_rejected(&world, 2);
            follows(&world, "given_up", 2, 500);
        }
        world.claims(Claim { op: "reversal", original: Some(first), ..Claim::of(txn, 500) });
        cut_day(&mut world);
        let backs = "SELECT count(*) FROM items WHERE kind = 'opposite'";
        assert_eq!((world.asks::<i64>(backs), refused(&world).len()), (0, 0));
        follows(&world, "given_up", suspended, 500);
        cut_day(&mut world);
        let seen = (world.asks::<i64>(backs), refused(&world));
        let over = vec!["REFUND_OVER_CAPTURED".to_owned()];
        assert_eq!(seen, if refund_is_rejected { (1, Vec::new()) } else { (0, over) });
    }
}

/// Nothing was ever approved of the capture that it names: it waits as long as that does.
#[test]
fn a_refund_of_a_capture_that_found_nothing_does_not_wait_longer() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let back = world.approved(BACK);
    let lost = world.claims(Claim { txn: None, ..Claim::of(back, 500) });
    let connection = &world.ledger.connection;
    connection.execute("DELETE FROM to_cut", []).unwrap();
    connection.execute("UPDATE claims SET state = 'pending'", []).unwrap();
    world.claims(refund(back, 500, Some(lost)));
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world).len()), (0, 0));
    let sql = "UPDATE claims SET state = 'rejected', reason = 'UNMATCHED' WHERE claim = ?";
    world.ledger.connection.execute(sql, [lost]).unwrap();
    cut_day(&mut world);
    let said = ["UNMATCHED", "NOT_PRESENTED"].map(str::to_owned);
    assert_eq!((paid(&world), refused(&world)), (0, said.to_vec()));
}

/// The amounts say nothing about each other.
#[test]
fn a_refund_in_another_currency_than_what_it_names_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (bought, back) = (world.approved(HOLD), world.approved(Ask { currency: "392", ..BACK }));
    let sold = world.claims(Claim::of(bought, 1_000));
    cut_day(&mut world);
    world.claims(Claim { currency: "392", ..refund(back, 900, Some(sold)) });
    cut_day(&mut world);
    assert_eq!((paid(&world), refused(&world)), (0, vec!["CURRENCY".to_owned()]));
}

/// Nothing else of the authorization waits that it might give back.
#[test]
fn a_refund_of_what_is_never_presented_does_not_wait() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.is_lowered(txn, 600);
    world.claims(Claim::of(txn, 1_000));
    world.claims(refund(txn, 400, None));
    cut_day(&mut world);
    let said = ["OVER_AMOUNT", "NOT_PRESENTED"].map(str::to_owned);
    assert_eq!((paid(&world), refused(&world)), (0, said.to_vec()));
}

/// What a cut could not present and what it holds is on the list once, also where the process ends within it, and the cut stays one.
#[test]
fn a_cut_of_nothing_but_refusals_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.claims(Claim::of(txn, 1_000));
    world.is_reversed(txn);
    let order = world.order(Asked::Now(world.today));
    // The last step is committed, and nothing behind it is done.
    let cycle = Cycle { date: world.today, number: 1 };
    Gathering::new(&world.ledger, cycle, &order, &mut |_| ()).unwrap().gather().unwrap();
    world.restarts();
    let report = world.cut(Asked::Again(cycle)).unwrap().unwrap();
    assert_eq!((report.cycle, report.exceptions, report.files.len()), (cycle, 1, 0));
}
