//! What could be paid twice, or taken twice, when two things are true of one payment.

use super::*;

/// What each account has, over all parties: debits less credits.
pub(super) fn balances(world: &World) -> BTreeMap<String, i64> {
    let sql = "SELECT account, sum(debit) - sum(credit) FROM postings GROUP BY account";
    let mut ask = world.ledger.connection.prepare(sql).unwrap();
    let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).filter(|(_, sum)| *sum != 0).collect()
}

/// Its issuer does not take an item.
pub(super) fn is_rejected(world: &World, item: i64) {
    let sql = "UPDATE items SET state = 'rejected' WHERE item = ?";
    world.ledger.connection.execute(sql, [item]).unwrap();
    let sql = "INSERT INTO items (kind, about, txn, issuer, merchant, amount, currency, refund, state)
        SELECT 'rejection', item, txn, issuer, merchant, amount, currency, refund, 'accepted' FROM items WHERE item = ?";
    world.ledger.connection.execute(sql, [item]).unwrap();
}

pub(super) fn cut_day(world: &mut World) -> CutReport {
    let date = world.day_ends();
    world.cut(Asked::End(date)).unwrap().unwrap()
}

pub(super) fn kinds(world: &World) -> Vec<String> {
    let mut ask = world.ledger.connection.prepare("SELECT kind FROM items ORDER BY item").unwrap();
    ask.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_was_rejected_and_then_reversed_costs_its_merchant_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(SALE);
    cut_day(&mut world);
    is_rejected(&world, 1);
    world.is_reversed(txn);
    let second = cut_day(&mut world);
    // Its issuer never took it: it hears nothing of the reversal.
    assert_eq!(second.files.len(), 0);
    assert_eq!(kinds(&world), ["presentment", "rejection", "given_up"]);
    assert_eq!(balances(&world), BTreeMap::new());
    let by = record::Remark::name("anna").unwrap();
    let moment = Moment { now: AT, day: world.today };
    let again = world.ledger.give_up(1, &by, moment).unwrap().unwrap();
    assert!(again.again, "once");
}

#[test]
fn what_was_given_up_and_then_reversed_costs_its_merchant_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(SALE);
    cut_day(&mut world);
    is_rejected(&world, 1);
    let by = record::Remark::name("anna").unwrap();
    let moment = Moment { now: AT, day: world.today };
    world.ledger.give_up(1, &by, moment).unwrap().unwrap();
    world.is_reversed(txn);
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "rejection", "given_up"]);
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn an_authorization_is_claimed_or_completed_and_presented_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    // Completed after its claim was accepted: the completion is presented.
    let first = world.approved(HOLD);
    world.claims(Claim::of(first, 1_000));
    world.approved(Ask { mti: 220, completes: Some(first), ..SALE });
    // Completed after its claim was presented: the completion is held for a person.
    let second = world.approved(HOLD);
    cut_day(&mut world);
    world.claims(Claim::of(second, 1_000));
    let date = world.today;
    world.cut(Asked::Now(date)).unwrap().unwrap();
    world.approved(Ask { mti: 220, completes: Some(second), ..SALE });
    cut_day(&mut world);
    let claims: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'ALREADY_CAPTURED'");
    let held: String = world.asks("SELECT fault FROM held");
    assert_eq!((claims, kinds(&world).len()), (1, 2));
    assert!(held.contains("it would be paid twice"), "{held}");
}

#[test]
fn a_refund_gives_back_only_what_was_taken() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let claim = world.claims(Claim::of(txn, 1_000));
    world.claims(Claim { op: "refund", original: Some(claim), ..Claim::of(txn, 400) });
    world.is_reversed(txn);
    let report = cut_day(&mut world);
    assert_eq!((report.files.len(), kinds(&world).len()), (0, 0));
    let refused: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'REVERSED'");
    assert_eq!((refused, report.exceptions), (2, 2));
    // Their merchant heard that they are accepted: somebody has to see it, and once is enough.
    let detail: String =
        world.asks("SELECT detail FROM exceptions WHERE kind = 'not_presented' AND amount = 400");
    let cut = report.cycle;
    assert_eq!(
        detail,
        format!(
            "refund r1 of SHOP 7 was accepted, and the cut of {cut} cannot present it: REVERSED"
        )
    );
    assert_eq!(cut_day(&mut world).exceptions, 2);
}

/// Of 10.00 that were charged back 6.00 were presented a second time: so much may be given back, and no more.
#[test]
fn what_was_presented_a_second_time_may_be_refunded() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(SALE);
    cut_day(&mut world);
    let follows = |world: &World, kind: &str, about: i64, amount: i64| {
        let sql = "INSERT INTO items (kind, about, txn, issuer, merchant, amount, currency, refund, state, due)
            SELECT ?, ?, txn, issuer, merchant, ?, currency, refund, 'waiting', 20261231 FROM items WHERE item = 1";
        world.ledger.connection.execute(sql, (kind, about, amount)).unwrap();
        world.ledger.connection.last_insert_rowid()
    };
    let back = follows(&world, "chargeback", 1, 1_000);
    world.claims(Claim { op: "refund", ..Claim::of(txn, 100) });
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM claims WHERE reason = 'TAKEN_BACK'"), 1);
    let again = follows(&world, "representment", back, 600);
    world.claims(Claim { op: "refund", ..Claim::of(txn, 500) });
    cut_day(&mut world);
    world.claims(Claim { op: "refund", ..Claim::of(txn, 101) });
    cut_day(&mut world);
    let sql = "SELECT count(*) FROM claims WHERE reason = 'REFUND_OVER_CAPTURED'";
    assert_eq!(world.asks::<i64>(sql), 1);
    assert_eq!(world.asks::<i64>("SELECT amount FROM items WHERE refund = 1"), 500);
    // Its issuer did not take that: the card has its money.
    is_rejected(&world, again);
    world.claims(Claim { op: "refund", ..Claim::of(txn, 100) });
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM claims WHERE reason = 'TAKEN_BACK'"), 2);
}

/// However many there are, the list stays one that a person can read.
#[test]
fn of_many_that_a_cut_cannot_present_some_are_told_one_by_one() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    for _ in 0..6 {
        world.claims(Claim::of(txn, 100));
    }
    world.is_reversed(txn);
    let report = cut_day(&mut world);
    let one_by_one: i64 = world.asks("SELECT count(*) FROM exceptions WHERE claim IS NOT NULL");
    assert_eq!((one_by_one, report.exceptions), (3, 4));
}

/// Of two captures of one authorization one was taken back: it is not refunded out of the other.
#[test]
fn what_was_taken_back_is_not_refunded_by_its_name() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    let [first, second] = [500, 500].map(|amount| world.claims(Claim::of(txn, amount)));
    cut_day(&mut world);
    world.claims(Claim { op: "reversal", original: Some(first), ..Claim::of(txn, 500) });
    cut_day(&mut world);
    let refund = |original, amount| Claim { op: "refund", original, ..Claim::of(txn, amount) };
    world.claims(refund(Some(first), 500));
    cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM claims WHERE reason = 'TAKEN_BACK'"), 1);
    world.claims(refund(Some(second), 501));
    world.claims(refund(Some(second), 500));
    cut_day(&mut world);
    let told: String = world.asks(
        "SELECT expected || ', got ' || got FROM claims WHERE reason = 'REFUND_OVER_CAPTURED'",
    );
    assert_eq!(told, "at most 500, got 501");
    assert_eq!(
        world
            .asks::<i64>("SELECT sum(amount) FROM items WHERE kind = 'presentment' AND refund = 1"),
        500
    );
}

/// A part of a sale was charged back, and then the sale was reversed: what becomes of the rest a person decides, and so nothing of it is refunded.
#[test]
fn what_is_held_for_a_person_is_not_refunded() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (sold, held) = (world.approved(SALE), world.approved(HOLD));
    world.claims(Claim::of(held, 1_000));
    cut_day(&mut world);
    let sql = "INSERT INTO items (kind, about, txn, issuer, merchant, amount, currency, refund, state)
        SELECT 'chargeback', item, txn, issuer, merchant, 400, currency, refund, 'accepted' FROM items";
    world.ledger.connection.execute(sql, []).unwrap();
    for txn in [sold, held] {
        world.claims(Claim { op: "refund", ..Claim::of(txn, 600) });
        world.is_undone(txn);
    }
    let report = cut_day(&mut world);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE refund = 1"), 0);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM held"), 2);
    // Both are on the list, and so are the refunds.
    let kinds: String =
        world.asks("SELECT group_concat(kind) FROM (SELECT kind FROM exceptions ORDER BY kind)");
    assert_eq!((kinds.as_str(), report.exceptions), ("held,held,not_presented,not_presented", 4));
}

#[test]
fn a_refund_waits_for_what_it_gives_back() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let sale = world.approved(SALE);
    world.claims(Claim { op: "refund", ..Claim::of(sale, 400) });
    let date = world.today;
    // The sale is presented by the day's end, not before: and so is what it gives back.
    assert!(world.cut(Asked::Now(date)).unwrap().is_none());
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "presentment"]);
    // It was reversed since: another refund would pay the card twice, and so would all of the sale taken back.
    world.claims(Claim { op: "refund", ..Claim::of(sale, 300) });
    world.is_reversed(sale);
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "presentment", "lowered"]);
    assert_eq!(world.asks::<i64>("SELECT amount FROM items WHERE kind = 'lowered'"), 600);
    let sql = "SELECT count(*) FROM claims WHERE reason = 'REFUND_OVER_CAPTURED'";
    assert_eq!(world.asks::<i64>(sql), 1);
}

#[test]
fn what_was_charged_back_and_then_reversed_is_for_a_person() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(SALE);
    cut_day(&mut world);
    let sql = "INSERT INTO items (kind, about, txn, issuer, merchant, amount, currency, refund, state)
        SELECT 'chargeback', item, txn, issuer, merchant, amount, currency, refund, 'accepted' FROM items WHERE item = 1";
    world.ledger.connection.execute(sql, []).unwrap();
    world.is_reversed(txn);
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "chargeback"]);
    assert_eq!(balances(&world), BTreeMap::new());
    let held: String = world.asks("SELECT fault FROM held");
    assert!(held.contains("its card would be paid twice"), "{held}");
}

#[test]
fn what_was_presented_again_and_rejected_again_leaves_suspense_once() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(SALE);
    cut_day(&mut world);
    is_rejected(&world, 1);
    let by = record::Remark::name("anna").unwrap();
    let moment = Moment { now: AT, day: world.today };
    let again = Represent { item: 1, amount: None, reason: None };
    let again = world.ledger.represent(&again, &by, moment).unwrap().unwrap().number;
    cut_day(&mut world);
    is_rejected(&world, again);
    world.is_reversed(txn);
    cut_day(&mut world);
    assert_eq!(kinds(&world), ["presentment", "rejection", "again", "rejection", "given_up"]);
    assert_eq!(balances(&world), BTreeMap::new());
}

#[test]
fn no_more_is_presented_than_a_partial_reversal_has_left() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let txn = world.approved(HOLD);
    world.claims(Claim::of(txn, 1_000));
    world.is_lowered(txn, 600);
    cut_day(&mut world);
    world.claims(Claim::of(txn, 600));
    cut_day(&mut world);
    let amounts: String = world.asks("SELECT group_concat(amount) FROM items");
    let refused: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'OVER_AMOUNT'");
    assert_eq!((amounts.as_str(), refused), ("600", 1));
}
