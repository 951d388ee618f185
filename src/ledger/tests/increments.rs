//! What becomes of an authorization that was raised: presented up to the sum, and one line of the proof.

use super::reports::{line, proof};
use super::*;

/// An authorization of 10.00 and one of 5.00 that raises it.
fn stay(world: &mut World) -> (TxnId, TxnId) {
    let first = world.approved(HOLD);
    let raised = world.approved(Ask { amount: 500, completes: Some(first), ..HOLD });
    (first, raised)
}

#[test]
fn a_stay_is_presented_up_to_its_sum_and_is_one_line_of_the_proof() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (first, _) = stay(&mut world);
    assert_eq!(proof(&mut world), [line("open", "1500", "0"), line("authorized", "1500", "0")]);
    world.claims(Claim::of(first, 1_500));
    let said = [line("captured", "1500", "1500"), line("authorized", "1500", "1500")];
    assert_eq!(proof(&mut world), said);
    let date = world.day_ends();
    let report = world.cut(Asked::End(date)).unwrap().unwrap();
    assert_eq!(report.files.len(), 1);
    assert_eq!(
        world.asks::<i64>("SELECT sum(amount) FROM items WHERE kind = 'presentment'"),
        1_500
    );
}

#[test]
fn what_was_undone_of_a_stay_after_its_claim_is_not_presented() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (first, raised) = stay(&mut world);
    world.claims(Claim::of(first, 1_500));
    world.is_reversed(raised);
    // And one that stays within what is left: the first was lowered, and nothing else.
    let (other, _) = stay(&mut world);
    world.is_lowered(other, 600);
    world.claims(Claim::of(other, 1_100));
    let date = world.day_ends();
    world.cut(Asked::End(date)).unwrap().unwrap();
    let refused: i64 = world.asks("SELECT count(*) FROM claims WHERE reason = 'OVER_AMOUNT'");
    let presented: i64 = world.asks("SELECT sum(amount) FROM items WHERE kind = 'presentment'");
    assert_eq!((refused, presented), (1, 1_100));
}

#[test]
fn a_completion_completes_all_of_it() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let (first, _) = stay(&mut world);
    let (mti, amount, completes) = (220, 1_400, Some(first));
    let number = world.journal.next();
    let completion = world.sent(Ask { mti, amount, completes, ..SALE });
    assert_eq!(world.happens(&Record::Stored(Arc::new(completion))), TxnId(number.0));
    let said = [line("completed", "1500", "1400"), line("authorized", "1500", "1400")];
    assert_eq!(proof(&mut world), said);
    assert_eq!(
        world.ledger.books.standing(first).unwrap().unwrap().completed_by,
        Some(TxnId(number.0))
    );
}
