//! What is in the files of a cut, and what is not.

use super::*;
use crate::clearing::{Digits, Format};

const DAY: &str = "2026-11-23";

#[test]
fn a_day_has_a_file_for_each_issuer_and_currency() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let asked = [
        SALE,
        Ask { bank: 1, ..SALE },
        Ask { currency: "392", ..SALE },
        Ask { code: "200000", amount: 30, ..SALE },
        HOLD,
        SALE,
    ];
    let txns = asked.map(|ask| world.approved(ask));
    world.is_reversed(txns[5]);
    let refused = world.cut(Asked::End(world.today)).unwrap_err();
    assert!(matches!(refused, CutError::NotCut { .. }), "nothing is written of a day that is open");
    let date = world.day_ends();
    let report = world.cut(Asked::End(date)).unwrap().unwrap();
    let names: Vec<_> = report.files.iter().map(|file| file.name.clone()).collect();
    let file = |bank: &str, currency: &str| format!("clearing-{bank}-{currency}-{DAY}.ipm");
    let [euros, other, yen] = [file("bank-a", "978"), file("bank-b", "978"), file("bank-a", "392")];
    assert_eq!(names, [euros.clone(), other.clone(), yen.clone()]);
    let amounts = |name: &str| -> Vec<_> {
        world.lines(name).into_iter().map(|line| (line.code, line.amount)).collect()
    };
    assert_eq!(amounts(&euros), [("000000".to_owned(), 1_000), ("200000".to_owned(), 30)]);
    assert_eq!((amounts(&other).len(), amounts(&yen).len()), (1, 1));
    assert!(world.lines(&other).iter().all(|line| line.card.starts_with("54133301")));
    // File, report and ledger say the same.
    let checksum: i64 = world.asks("SELECT sum(checksum) FROM files");
    assert_eq!(checksum, 3_030);
    let sequences: String = world.asks("SELECT group_concat(sequence) FROM files");
    assert_eq!(sequences, "1,2,3");
    let json: serde_json::Value =
        serde_json::from_slice(&world.seen()[&format!("positions-{DAY}.json")]).unwrap();
    assert_eq!(json["files"].as_array().unwrap().len(), 3);
    let net: i64 = json["positions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["net"].as_i64().unwrap())
        .sum();
    assert_eq!(net, 0);
    // Again: the same, and nothing new.
    let before = world.seen();
    world.restarts();
    world.cut(Asked::End(date)).unwrap();
    assert_eq!(world.seen(), before);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items"), 4);
    // A file that was lost comes back as it was.
    fs::remove_file(home.path().join("clearing").join(&euros)).unwrap();
    world.cut(Asked::End(date)).unwrap();
    assert_eq!(world.seen(), before);
}

#[test]
fn what_is_reversed_later_is_taken_back_under_its_reference() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let [kept, regretted] = [SALE, SALE].map(|ask| world.approved(ask));
    let first = world.day_ends();
    world.cut(Asked::End(first)).unwrap();
    let presented = world.lines(&format!("clearing-bank-a-978-{first}.ipm"));
    world.is_reversed(regretted);
    let second = world.day_ends();
    world.cut(Asked::End(second)).unwrap();
    let [back] = &world.lines(&format!("clearing-bank-a-978-{second}.ipm"))[..] else { panic!() };
    assert_eq!((&back.reference, back.back.as_deref()), (&presented[1].reference, Some("R261123")));
    assert!(presented[0].card.ends_with(&format!("{:08}", kept.0)));
    // The day of the reference is that of its file, and its number the item's.
    assert_eq!(presented[0].reference.get(7..22), Some("632700000000001"));
    let about: i64 = world.asks("SELECT about FROM items WHERE kind = 'opposite'");
    assert_eq!(about, 2);
}

#[test]
fn claims_become_records_of_their_authorizations_issuer() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let hold = world.approved(Ask { amount: 5_000, ..HOLD });
    let other = world.approved(Ask { bank: 1, ..HOLD });
    let given = world.approved(Ask { bank: 1, code: "200000", ..HOLD });
    let reversed = world.approved(HOLD);
    let claims = [
        Claim { is_final: false, ..Claim::of(hold, 2_000) },
        Claim::of(hold, 3_000),
        Claim::of(other, 900),
        Claim { op: "refund", ..Claim::of(given, 100) },
        Claim::of(reversed, 1_000),
        Claim { txn: None, ..Claim::of(hold, 1) },
    ]
    .map(|claim| world.claims(claim));
    world.is_reversed(reversed);
    let report = world.cut(Asked::Now(world.today)).unwrap().unwrap();
    assert_eq!((report.cycle.number, report.files.len()), (1, 2));
    let lines = world.lines(&format!("clearing-bank-a-978-{DAY}-1.ipm"));
    let codes: Vec<_> =
        lines.iter().map(|line| (line.amount, &*line.function, &*line.reason)).collect();
    assert_eq!(codes, [(2_000, "200", "1403"), (3_000, "200", "1404")]);
    assert!(lines.iter().all(|line| line.merchant == "SHOP 7"));
    let lines = world.lines(&format!("clearing-bank-b-978-{DAY}-1.ipm"));
    let codes: Vec<_> =
        lines.iter().map(|line| (line.amount, &*line.code, &*line.reason)).collect();
    assert_eq!(codes, [(900, "000000", ""), (100, "200000", "")]);
    let state = |world: &World, claim: i64| -> String {
        world.asks(&format!(
            "SELECT state || ' ' || ifnull(reason, (SELECT cycle FROM items WHERE items.claim = claims.claim)) FROM claims WHERE claim = {claim}"
        ))
    };
    let states: Vec<_> = claims.iter().map(|claim| state(&world, *claim)).collect();
    let (taken, refused) = ("accepted 1", ["rejected REVERSED", "rejected NO_AUTHORIZATION"]);
    assert_eq!(states, [&[taken; 4][..], &refused].concat());
    // Nothing is left for another cycle.
    assert!(world.cut(Asked::Now(world.today)).unwrap().is_none());
    // One is taken back; a second time there is nothing to take back, nor of what was never presented.
    let back = |original| Claim {
        op: "reversal",
        original: Some(original),
        txn: None,
        ..Claim::of(hold, 900)
    };
    let backs = [claims[2], claims[2], claims[4]].map(|original| world.claims(back(original)));
    let date = world.day_ends();
    assert!(matches!(world.cut(Asked::Now(date)), Err(CutError::Ended { .. })));
    world.cut(Asked::End(date)).unwrap();
    let [line] = &world.lines(&format!("clearing-bank-b-978-{DAY}.ipm"))[..] else { panic!() };
    assert_eq!((line.amount, line.back.as_deref()), (900, Some("R261123")));
    assert_eq!(line.reference, lines[0].reference);
    let states: Vec<_> = backs.iter().map(|claim| state(&world, *claim)).collect();
    assert_eq!(states, ["accepted 0", "rejected TAKEN_BACK", "rejected NOT_PRESENTED"]);
    // Numbers of files go on through the day.
    let sequences: String = world.asks("SELECT group_concat(sequence) FROM files");
    assert_eq!(sequences, "1,2,3");
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM events WHERE kind = 'rejected'"), 4);
}

/// An adjustment of a refund pays the card, as what it adjusts.
#[test]
fn what_is_adjusted_flows_as_before() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let hold = world.approved(HOLD);
    let sale = world.claims(Claim::of(hold, 900));
    world.claims(Claim { op: "adjust", original: Some(sale), ..Claim::of(hold, 950) });
    let refund = world.claims(Claim { op: "refund", ..Claim::of(hold, 100) });
    let first = world.claims(Claim { op: "adjust", original: Some(refund), ..Claim::of(hold, 70) });
    world.claims(Claim { op: "adjust", original: Some(first), ..Claim::of(hold, 60) });
    for (voided, by) in [(refund, first), (first, first + 1), (sale, sale + 1)] {
        let sql = "UPDATE claims SET voided = ? WHERE claim = ?";
        world.ledger.connection.execute(sql, (by, voided)).unwrap();
        let sql = "DELETE FROM to_cut WHERE claim = ?";
        world.ledger.connection.execute(sql, [voided]).unwrap();
    }
    world.cut(Asked::Now(world.today)).unwrap().unwrap();
    let lines = world.lines(&format!("clearing-bank-a-978-{DAY}-1.ipm"));
    let lines: Vec<_> = lines.iter().map(|line| (line.amount, &*line.code)).collect();
    assert_eq!(lines, [(950, "000000"), (60, "200000")]);
}

#[test]
fn what_waits_goes_with_the_next_cut() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let hold = world.approved(Ask { amount: 5_000, ..HOLD });
    world.claims(Claim::of(hold, 3_000));
    world.approved(SALE);
    let first = world.day_ends();
    world.cut(Asked::End(first)).unwrap();
    let presented = world.lines(&format!("clearing-bank-a-978-{first}.ipm"));
    // The sale was rejected and goes again; the claim was charged back, and a part of it is claimed once more.
    let bank = LinkId::of_name(BANKS[0]).0;
    let insert = |kind: &str, about: i64, amount: i64, reason: Option<&str>| {
        let sql = "INSERT INTO items (kind, about, issuer, merchant, amount, currency, refund, state, reason)
            VALUES (?, ?, ?, 'SHOP 7', ?, '978', 0, 'waiting', ?)";
        world.ledger.connection.execute(sql, (kind, about, bank, amount, reason)).unwrap();
        world.ledger.connection.last_insert_rowid()
    };
    insert("rejection", 1, 1_000, None);
    insert("again", 1, 1_000, None);
    let charged = insert("chargeback", 2, 3_000, Some("4853"));
    insert("representment", charged, 2_500, None);
    let second = world.day_ends();
    world.cut(Asked::End(second)).unwrap();
    let lines = world.lines(&format!("clearing-bank-a-978-{second}.ipm"));
    let codes: Vec<_> =
        lines.iter().map(|line| (line.amount, &*line.function, &*line.reason)).collect();
    assert_eq!(codes, [(1_000, "200", ""), (2_500, "282", "4853")]);
    let references: Vec<_> = lines.iter().map(|line| &line.reference).collect();
    assert_eq!(references, [&presented[0].reference, &presented[1].reference]);
    assert_eq!(lines[1].merchant, "SHOP 7");
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items WHERE day IS NULL"), 0);
    assert_eq!(
        world.asks::<i64>("SELECT count(*) FROM items WHERE file IS NULL AND state = 'waiting'"),
        2
    );
}

#[test]
fn each_issuer_gets_its_own_form() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    for bank in [0, 1] {
        world.approved(Ask { bank, ..SALE });
    }
    let date = world.day_ends();
    let mut order = world.order(Asked::End(date));
    let csv = Settings { format: Format::Csv, ..order.outgoing.settings.clone() };
    order.outgoing.by_issuer.insert(LinkId::of_name(BANKS[1]), csv);
    world.ledger.cut(&order).unwrap();
    let seen = world.seen();
    let text = String::from_utf8(seen[&format!("clearing-bank-b-978-{DAY}.csv")].clone()).unwrap();
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(world.lines(&format!("clearing-bank-a-978-{DAY}.ipm")).len(), 1);
    // What was begun as CSV stays CSV, under its name.
    let other = world.cut(Asked::End(date)).unwrap().unwrap();
    assert_eq!(other.files[1].name, format!("clearing-bank-b-978-{DAY}.csv"));
    assert_eq!(world.seen(), seen);
    // Other settings do not replace a day that left.
    order.outgoing.settings.acquirer_bin = Digits::new("271828").unwrap();
    let fault = world.ledger.cut(&order).unwrap_err();
    assert!(matches!(fault, CutError::Differs { name } if name.starts_with("clearing-bank-a-")));
    assert_eq!(world.seen(), seen);
}

#[test]
fn issuers_have_names_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    for bank in [0, 1] {
        world.approved(Ask { bank, ..SALE });
    }
    let date = world.day_ends();
    let mut order = world.order(Asked::End(date));
    let issuer = LinkId::of_name(BANKS[1]);
    order.outgoing.names.insert(issuer, BANKS[0].to_owned());
    assert!(matches!(world.ledger.cut(&order), Err(CutError::SameName { .. })));
    // Nothing of it stays.
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM items"), 0);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM cuts"), 0);
    order.outgoing.names.insert(issuer, "../bank".to_owned());
    let report = world.ledger.cut(&order).unwrap().unwrap();
    assert_eq!(report.files[1].issuer, format!("link-{:08x}", issuer.0));
}

#[test]
fn what_cannot_be_presented_is_held_and_told() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    world.approved(SALE);
    let held = world.approved(Ask { currency: "99X", ..SALE });
    let date = world.day_ends();
    let report = world.cut(Asked::End(date)).unwrap().unwrap();
    let [told] = report.balanced.held() else { panic!("{:?}", report.balanced.held()) };
    assert_eq!((told.transaction, &*told.issuer), (held.0, BANKS[0]));
    assert!(told.fault.contains("element 49"), "{}", told.fault);
    let before = world.seen();
    world.cut(Asked::End(date)).unwrap();
    assert_eq!(world.seen(), before);
    // Without the right key nothing is written, rather than a file without its presentments.
    world.approved(SALE);
    let next = world.day_ends();
    world.ledger = Ledger::open(home.path(), Arc::new(Keys::new(&[8; 32]))).unwrap();
    assert!(matches!(world.cut(Asked::End(next)), Err(CutError::Clearing(_))));
    assert_eq!(world.seen(), before);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM cuts"), 1);
}

/// Which days are cut without their files, as a process finds out that comes after one that died.
#[test]
fn days_without_their_files() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let a_day = |world: &mut World| {
        world.approved(SALE);
        world.day_ends()
    };
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    let first = a_day(&mut world);
    assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(first)]);
    world.cut(Asked::End(first)).unwrap();
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    let (second, third) = (a_day(&mut world), a_day(&mut world));
    assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(second), Asked::End(third)]);
    world.cut(Asked::End(third)).unwrap();
    // What the older one claims is settled with it, since the newer may take it back.
    assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(second)]);
    assert_eq!(world.asks::<i64>("SELECT count(*) FROM cuts"), 3);
    world.cut(Asked::End(second)).unwrap();
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    // Somebody took the files away, and later the ledger was begun anew: nothing is written again.
    fs::remove_dir_all(home.path().join("clearing")).unwrap();
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    world.loses_its_ledger(AT);
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    assert!(
        matches!(world.cut(Asked::End(third)), Err(CutError::Before { date }) if date == third)
    );
    // What is cut since is missing, the first as well as all others.
    let days = [a_day(&mut world), a_day(&mut world)].map(Asked::End);
    assert_eq!(world.ledger.unfinished().unwrap(), days);
    world.restarts();
    assert_eq!(world.ledger.unfinished().unwrap(), days);
}

/// Where one day was cut, or none, a ledger that was begun anew is not one that died before it began the first.
#[test]
fn what_was_presented_is_not_presented_again_by_a_ledger_that_was_begun_anew() {
    for whole_days in [0, 1] {
        let home = tempfile::tempdir().unwrap();
        let mut world = World::new(home.path());
        for _ in 0..whole_days {
            world.approved(SALE);
            let date = world.day_ends();
            world.cut(Asked::End(date)).unwrap();
        }
        let mut sent = BTreeMap::new();
        let cycle = |world: &mut World, sent: &mut BTreeMap<String, Vec<u8>>, amount| {
            let hold = world.approved(HOLD);
            world.claims(Claim::of(hold, amount));
            let report = world.cut(Asked::Now(world.today)).unwrap().unwrap();
            sent.append(&mut world.seen());
            report.cycle
        };
        cycle(&mut world, &mut sent, 900);
        let before = numbers(&world);
        // What it wrote lies there still: another ledger writes over none of it.
        world.loses_its_ledger(AT);
        assert_eq!(world.ledger.unfinished().unwrap(), []);
        let kept = sent.clone();
        assert_eq!(cycle(&mut world, &mut sent, 800).number, 2);
        assert!(kept.iter().all(|(name, bytes)| sent.get(name) == Some(bytes)));
        let since = numbers(&world);
        fs::remove_dir_all(home.path().join("clearing")).unwrap();
        world.loses_its_ledger(Wall(AT.0 + 1_000));
        cycle(&mut world, &mut sent, 700);
        let sale = world.approved(SALE);
        let date = world.day_ends();
        assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(date)]);
        world.cut(Asked::End(date)).unwrap();
        let last = numbers(&world);
        assert_eq!(world.asks::<i64>("SELECT count(*) FROM items"), 2, "one claim, and {sale:?}");
        let all: Vec<_> = [before, since, last].concat();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "{all:?}");
        // The days that follow are its own from the first file on.
        world.approved(SALE);
        let next = world.day_ends();
        world.cut(Asked::End(next)).unwrap();
        let sql = "SELECT sequence FROM files ORDER BY file DESC LIMIT 1";
        assert_eq!(world.asks::<i64>(sql), 1);
    }
}

/// The ids of all files and the references of all items.
fn numbers(world: &World) -> Vec<String> {
    let sql = "SELECT file_id FROM files UNION ALL SELECT reference FROM items";
    let mut ask = world.ledger.connection.prepare(sql).unwrap();
    ask.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// A program that did not remember where its ledger began left one: what that one missed is written, and nothing before it.
#[test]
fn a_ledger_that_does_not_know_where_it_began() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let forgets = |world: &World| {
        world.ledger.connection.execute("DELETE FROM origin", []).unwrap();
    };
    world.approved(SALE);
    let first = world.day_ends();
    forgets(&world);
    world.restarts();
    assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(first)]);
    world.approved(SALE);
    let second = world.day_ends();
    forgets(&world);
    world.restarts();
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    // As if the ledger had been begun between the two.
    let lsn = world.ledger.books.cut_of(first).unwrap().unwrap().lsn.0;
    world.ledger.connection.execute("UPDATE origin SET lsn = ?", [lsn.cast_signed()]).unwrap();
    world.cut(Asked::End(second)).unwrap();
    forgets(&world);
    world.approved(SALE);
    let third = world.day_ends();
    world.restarts();
    assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(third)]);
}

/// Days that a program without a ledger wrote are not written again under other names.
#[test]
fn days_of_an_earlier_program_stay_as_it_wrote_them() {
    let home = tempfile::tempdir().unwrap();
    let mut world = World::new(home.path());
    let regretted = world.approved(SALE);
    let first = world.day_ends();
    let books = Connection::open(home.path().join("books.db")).unwrap();
    let sql = "INSERT INTO earlier_files VALUES (20261123, 'clearing-bank-a-2026-11-23.ipm')";
    books.execute(sql, []).unwrap();
    world.restarts();
    assert_eq!(world.ledger.unfinished().unwrap(), []);
    assert!(matches!(world.cut(Asked::End(first)), Err(CutError::Earlier { .. })));
    world.is_reversed(regretted);
    let second = world.day_ends();
    assert_eq!(world.ledger.unfinished().unwrap(), [Asked::End(second)]);
    world.cut(Asked::End(second)).unwrap();
    // What it claimed is taken back under the reference that it gave.
    let [line] = &world.lines(&format!("clearing-bank-a-978-{second}.ipm"))[..] else { panic!() };
    let number = format!("{:011}", regretted.0);
    assert_eq!(line.reference.get(11..22), Some(&*number));
    assert_eq!((line.reference.get(7..11), line.back.as_deref()), (Some("6327"), Some("R261123")));
}
