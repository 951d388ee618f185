//! What becomes of an authorization that was raised: presented up to the sum, and one line of the proof.

use super::*;
use crate::clearing::Form;

/// An authorization of 10.00 and one of 5.00 that raises it.
fn stay(world: &mut World) -> (TxnId, TxnId) {
    let first = world.approved(HOLD);
    let raised = world.approved(Ask { amount: 500, completes: Some(first), ..HOLD });
    (first, raised)
}

/// The proof of the day as lines of what became, how many, authorized and claimed.
fn proof(world: &mut World) -> Vec<[String; 4]> {
    world.ledger.index().unwrap();
    let ask = report::Ask {
        kind: Kind::Proof,
        day: world.today,
        cycle: None,
        merchant: None,
        issuer: None,
        form: Form::Csv,
        names: BTreeMap::new(),
        today: world.today,
        authorization_days: 7,
    };
    let written = world.ledger.report(&ask, &world.home.join("reports")).unwrap();
    let text = fs::read_to_string(written.path).unwrap();
    let cells = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>();
    let head = text.lines().map(cells).find(|cells| cells.contains(&"became".to_owned())).unwrap();
    let at = |name: &str| head.iter().position(|cell| cell == name).unwrap();
    let columns = [at("became"), at("count"), at("authorized"), at("claimed")];
    let lines = text.lines().map(cells).filter(|cells| {
        cells.get(at("count")).is_some_and(|count| count.parse().is_ok_and(|count: i64| count > 0))
    });
    lines.map(|cells| columns.map(|column| cells[column].clone())).collect()
}

fn line(became: &str, authorized: &str, claimed: &str) -> [String; 4] {
    [became, "1", authorized, claimed].map(str::to_owned)
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
    let said = [
        line("captured", "1400", "1400"),
        line("completed", "1500", "0"),
        ["authorized", "2", "2900", "1400"].map(str::to_owned),
    ];
    assert_eq!(proof(&mut world), said);
    assert_eq!(
        world.ledger.books.standing(first).unwrap().unwrap().completed_by,
        Some(TxnId(number.0))
    );
}
