//! Merchants' files against real books: what is taken, what is not, and that nothing counts twice.

mod names;
mod repeats;
mod shop;
mod uploads;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::record::TxnId;
use shop::{PAN, Shop, Written, capture, file, lines, one, states};

/// Records of every kind; one names a transaction of another merchant.
fn of_all_kinds(own: &str, other: &str) -> Vec<Written<'static>> {
    vec![
        capture("c-1", 1, 600, &[("final", "N"), ("stan", "000001")]),
        capture("c-2", 1, 400, &[]),
        capture("c-3", 1, 1, &[]),
        capture("c-4", 2, 1001, &[]),
        capture("c-5", 3, 1000, &[]),
        one("capture", "c-6", 1000, &[("orig_ref", other)]),
        one("capture", "c-7", 1000, &[("pan_token", "541333******4111"), ("auth_code", "A00004")]),
        capture("c-8", 5, 1000, &[]),
        capture("c-9", 6, 1000, &[]),
        capture("c-10", 7, 1000, &[]),
        capture("c-11", 8, 1000, &[]),
        capture("c-12", 9, 1000, &[]),
        capture("c-13", 9, 1000, &[("stan", "000090")]),
        capture("c-14", 11, 1000, &[]),
        capture("c-15", 10, 1000, &[("currency", "840")]),
        capture("c-16", 77, 1000, &[]),
        capture("c-17", 10, 1000, &[("merchant_id", "OTHER")]),
        capture("c-18", 10, 1000, &[("exp", "0")]),
        one("capture", "c-19", 1000, &[]),
        capture("c-1", 1, 600, &[("final", "N"), ("stan", "000001")]),
        capture("c-1", 1, 601, &[("final", "N"), ("stan", "000001")]),
        one("refund", "r-1", 300, &[("orig_ref", "c-1")]),
        one("refund", "r-2", 701, &[("orig_ref", own)]),
        one("refund", "r-3", 700, &[("orig_ref", own)]),
        one("refund", "r-4", 1, &[("orig_ref", "c-99")]),
        one("refund", "r-5", 1000, &[("terminal_id", "TERM0001"), ("rrn", "000000000012")]),
        one("refund", "r-6", 500, &[("terminal_id", "TERM0001"), ("rrn", "000000000007")]),
        capture("c-20", 12, 1000, &[]),
    ]
}

/// What becomes of each.
const EXPECTED: [(&str, &str, &str); 28] = [
    ("c-1", "accepted", ""),
    ("c-2", "accepted", ""),
    ("c-3", "rejected", "ALREADY_FINAL"),
    ("c-4", "rejected", "OVER_AMOUNT"),
    // By these names it is nobody's of this merchant.
    ("c-5", "pending", "UNMATCHED"),
    ("c-6", "rejected", "FOREIGN"),
    ("c-7", "accepted", ""),
    ("c-8", "rejected", "DECLINED"),
    ("c-9", "rejected", "REVERSED"),
    ("c-10", "rejected", "ALREADY_CAPTURED"),
    ("c-11", "pending", "IN_FLIGHT"),
    ("c-12", "rejected", "AMBIGUOUS"),
    ("c-13", "accepted", ""),
    ("c-14", "rejected", "ALREADY_CAPTURED"),
    ("c-15", "rejected", "CURRENCY"),
    ("c-16", "pending", "UNMATCHED"),
    ("c-17", "rejected", "WRONG_MERCHANT"),
    ("c-18", "rejected", "BAD_FIELD"),
    ("c-19", "rejected", "UNMATCHED"),
    ("c-1", "duplicate", ""),
    ("c-1", "rejected", "DUP_REF"),
    ("r-1", "accepted", ""),
    ("r-2", "rejected", "REFUND_OVER_CAPTURED"),
    ("r-3", "accepted", ""),
    ("r-4", "rejected", "UNLINKED_REFUND"),
    ("r-5", "accepted", ""),
    ("r-6", "accepted", ""),
    ("c-20", "rejected", "WRONG_OP"),
];

#[test]
fn every_record_of_a_file_ends_in_one_state_and_the_sums_close() {
    let mut shop = Shop::new();
    let first = shop.approved(1, 100, &[]);
    for stan in [2, 4, 10] {
        shop.approved(stan, 100, &[]);
    }
    shop.approved(3, 100, &[(42, "OTHER          ")]);
    let declined = shop.asked(5, 100, &[]);
    shop.answered(declined, 5, "05");
    let reversed = shop.approved(6, 100, &[]);
    shop.reversed(reversed);
    shop.approved(7, 200, &[]);
    shop.asked(8, 100, &[]);
    // Two terminals' worth of one name, told apart by the trace number alone.
    shop.approved(9, 100, &[(37, "000000000009")]);
    shop.approved(90, 100, &[(37, "000000000009")]);
    let completed = shop.approved(11, 100, &[]);
    shop.asked(u32::try_from(completed.0).unwrap(), 220, &[(37, "000000000099")]);
    shop.approved(12, 100, &[(3, "200000")]);
    shop.follow();
    let foreign = shop.ledger.books.standing(TxnId(first.0 + 8)).unwrap().unwrap();
    let other = format!("txn:{}", foreign.id.0);
    let own = format!("txn:{}", first.0);
    let records = of_all_kinds(&own, &other);
    let taken = shop.submit("day.csv", &file("F1", &records));
    let seen = states(&taken);
    for (seen, (reference, state, reason)) in seen.iter().zip(EXPECTED) {
        assert_eq!((&*seen.0, &*seen.1, &*seen.2), (reference, state, reason));
    }
    assert_eq!(seen.len(), EXPECTED.len());
    let sum: i64 = records.iter().map(|(_, _, amount, _)| amount).sum();
    closes(&taken, records.len(), sum);
    let about = &lines(&taken)[0];
    assert_eq!(
        (&about["state"], &about["file_id"], &about["merchant_id"]),
        (&"taken".into(), &"F1".into(), &"SHOP".into())
    );
    assert_eq!(about["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(shop.sum("SELECT count(*) FROM exceptions WHERE kind = 'ambiguous'"), 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&taken.result.with_extension("result.csv")), 0o600);
}

/// Counts and sums of all states are those of the file.
fn closes(taken: &Taken, records: usize, sum: i64) {
    let lines = lines(taken);
    let total = lines.iter().find(|line| line["type"] == "total").unwrap();
    assert_eq!((&total["count"], &total["amount"]), (&records.into(), &sum.into()));
    let of = |kind: &str, key: &str| -> i64 {
        let one = |line: &Value| line[key].as_i64().unwrap();
        lines.iter().filter(|line| line["type"] == kind).map(one).sum()
    };
    assert_eq!((of("sum", "amount"), of("record", "amount")), (sum, sum));
    let count = i64::try_from(records).unwrap();
    assert_eq!(
        (of("sum", "count"), lines.iter().filter(|line| line["type"] == "record").count()),
        (count, records)
    );
}

#[test]
fn a_file_counts_once_and_another_one_of_its_id_not_at_all() {
    let mut shop = Shop::with_approved(3);
    let text = file("F1", &[capture("c-1", 1, 1000, &[]), capture("c-2", 2, 500, &[])]);
    let first = shop.submit("day.csv", &text);
    assert!(first.refused.is_none() && !first.again);
    assert!(shop.home.path().join("captures/done/day.csv").exists());
    let page = |taken: &Taken| fs::read(format!("{}.jsonl", taken.result.display())).unwrap();
    shop.at.0 += 60_000;
    let again = shop.submit("day.csv", &text);
    assert!(again.again && again.refused.is_none());
    assert_eq!(
        (page(&again), again.counts.clone(), shop.count()),
        (page(&first), first.counts.clone(), 2)
    );
    let other = shop.submit("other.csv", &file("F1", &[capture("c-3", 3, 1000, &[])]));
    assert!(other.refused.as_deref().unwrap().contains("an id of its own"), "{other:?}");
    assert!(shop.home.path().join("captures/refused/other.csv").exists());
    assert_eq!(lines(&other)[0]["state"], "refused");
    // The same records in another file are the same captures.
    let anew = shop.submit(
        "anew.csv",
        &file("F2", &[capture("c-1", 1, 1000, &[]), capture("c-2", 2, 500, &[])]),
    );
    let states: Vec<_> = states(&anew).into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states, ["duplicate", "duplicate"]);
    assert_eq!(shop.sum("SELECT sum(amount) FROM claims WHERE state = 'accepted'"), 1500);
}

/// The process ended when the claims were durable and the result was not: in the way of the result lies a directory.
#[test]
fn a_file_that_was_taken_and_not_answered_is_answered_by_the_next_process() {
    let mut shop = Shop::new();
    shop.approved(1, 100, &[]);
    shop.follow();
    let text = file("F1", &[capture("c-1", 1, 1000, &[])]);
    let hidden = shop.home.path().join("captures/done/.day.csv.result.csv.part");
    fs::create_dir(&hidden).unwrap();
    let path = shop.home.path().join("captures/day.csv");
    fs::write(&path, &text).unwrap();
    let taken = shop.ledger.take_captures("day.csv", &shop.inbox, &shop.settings, shop.at);
    assert!(matches!(taken, Err(LedgerError::Io { what: "create", .. })), "{taken:?}");
    assert!(path.exists());
    assert_eq!(shop.sum("SELECT count(*) FROM claims WHERE state = 'accepted'"), 1);
    fs::remove_dir(&hidden).unwrap();
    shop.anew();
    let taken = shop.ledger.take_captures("day.csv", &shop.inbox, &shop.settings, shop.at).unwrap();
    assert!(taken.again && taken.refused.is_none() && !path.exists());
    assert_eq!(states(&taken), [("c-1".into(), "accepted".into(), String::new())]);
    assert_eq!((shop.count(), shop.sum("SELECT count(*) FROM submissions")), (1, 1));
}

#[test]
fn a_bad_file_blocks_all_of_it_and_its_id_is_free_afterwards() {
    let mut shop = Shop::new();
    shop.approved(1, 100, &[]);
    shop.follow();
    let right =
        file("F1", &[capture("c-1", 1, 600, &[("final", "N")]), capture("c-2", 1, 400, &[])]);
    for (at, wrong) in [
        right.replace(",1000,,,,,,,,", ",1001,,,,,,,,"),
        right.lines().take(3).collect::<Vec<_>>().join("\n"),
        right.replace("c-2", PAN),
        right.replace("T,4", "T,5"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_ne!(wrong, right);
        let taken = shop.submit(&format!("bad{at}.csv"), &wrong);
        assert!(taken.refused.is_some(), "{at}");
        assert_eq!((taken.file.as_deref(), taken.merchant.as_deref()), (Some("F1"), Some("SHOP")));
        assert_eq!((shop.count(), lines(&taken).len()), (0, 1));
        assert_eq!(shop.sum("SELECT count(*) FROM submissions WHERE state = 'rejected'"), 1);
    }
    let taken = shop.submit("good.csv", &right);
    assert_eq!((taken.refused, shop.count()), (None, 2));
    assert_eq!(
        shop.sum("SELECT count(*) FROM submissions WHERE state = 'accepted' AND fault IS NULL"),
        1
    );
}

#[test]
fn what_waits_is_looked_at_again_until_it_is_too_old() {
    let mut shop = Shop::new();
    let asked = shop.asked(1, 100, &[]);
    let declined = shop.asked(2, 100, &[]);
    shop.follow();
    let records = [
        capture("c-1", 1, 1000, &[]),
        capture("c-2", 2, 1000, &[]),
        capture("c-3", 3, 1000, &[]),
        capture("c-4", 4, 1000, &[]),
        // By the number that the issuer gives it in its answer.
        one("capture", "c-5", 1000, &[("pan_token", "541333******4111"), ("auth_code", "A00005")]),
        one("refund", "r-1", 500, &[("orig_ref", "c-1")]),
        one("reversal", "v-4", 1000, &[("orig_ref", "c-4")]),
    ];
    let taken = shop.submit("day.csv", &file("F1", &records));
    let now = |shop: &Shop| -> Vec<String> {
        let mut ask = shop
            .ledger
            .connection
            .prepare("SELECT state || ' ' || ifnull(reason, '') FROM claims ORDER BY claim")
            .unwrap();
        let states = ask.query_map([], |row| row.get(0)).unwrap();
        states.collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(states(&taken).len(), 7);
    assert_eq!(
        now(&shop),
        [
            "pending IN_FLIGHT",
            "pending IN_FLIGHT",
            "pending UNMATCHED",
            "rejected VOIDED",
            "pending UNMATCHED",
            "pending UNLINKED_REFUND",
            "accepted "
        ]
    );
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 0);
    shop.answered(asked, 1, "00");
    shop.answered(declined, 2, "05");
    shop.approved(4, 100, &[]);
    shop.approved(5, 100, &[]);
    shop.follow();
    shop.at.0 += shop.settings.pending_ms;
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 4);
    assert_eq!(
        now(&shop),
        [
            "accepted ",
            "rejected DECLINED",
            "pending UNMATCHED",
            "rejected VOIDED",
            "accepted ",
            "accepted ",
            "accepted "
        ]
    );
    shop.at.0 += 1;
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 1);
    assert_eq!(now(&shop)[2], "rejected UNMATCHED");
    // The reference of what was rejected is free.
    let again = shop.submit(
        "again.csv",
        &file("F2", &[capture("c-2", 5, 1, &[]), capture("c-3", 4, 1000, &[])]),
    );
    assert_eq!(states(&again)[1].1, "accepted");
    assert_eq!(states(&again)[0].2, "ALREADY_FINAL");
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 0);
}

#[test]
fn claims_are_taken_back_and_replaced_before_they_are_presented_or_answered_afterwards() {
    let mut shop = Shop::with_approved(5);
    let records: Vec<_> = ["c-1", "c-2", "c-3", "c-4"]
        .into_iter()
        .zip(1..)
        .map(|(reference, stan)| capture(reference, stan, 900, &[]))
        .collect();
    shop.submit("one.csv", &file("F1", &records));
    // The fourth is presented; the others wait.
    shop.ledger
        .connection
        .execute(
            "DELETE FROM to_cut WHERE claim = (SELECT claim FROM claims WHERE reference = 'c-4')",
            [],
        )
        .unwrap();
    let records = [
        one("reversal", "v-1", 900, &[("orig_ref", "c-1")]),
        one("reversal", "v-2", 900, &[("orig_ref", "c-1")]),
        one("adjust", "a-1", 1000, &[("orig_ref", "c-2"), ("tip", "100")]),
        one("adjust", "a-2", 1001, &[("orig_ref", "c-2")]),
        one("adjust", "a-3", 950, &[("orig_ref", "c-2")]),
        one("reversal", "v-3", 899, &[("orig_ref", "c-3")]),
        one("adjust", "a-4", 950, &[("orig_ref", "c-4")]),
        one("reversal", "v-4", 900, &[("orig_ref", "c-4")]),
        one("reversal", "v-5", 900, &[("orig_ref", "c-4")]),
        one("reversal", "v-6", 900, &[("orig_ref", "c-9")]),
        one("reversal", "v-7", 900, &[("orig_ref", "v-4")]),
        one("refund", "r-1", 1, &[("orig_ref", "c-1")]),
        one("refund", "r-2", 951, &[("orig_ref", "c-2")]),
        one("refund", "r-3", 950, &[("orig_ref", "c-2")]),
        one("reversal", "v-8", 950, &[("orig_ref", "c-2")]),
        one("refund", "r-4", 1, &[("orig_ref", "c-4")]),
        // The first was taken back: its authorization is free again.
        capture("c-5", 1, 1000, &[]),
    ];
    let taken = shop.submit("two.csv", &file("F2", &records));
    let seen: Vec<_> =
        states(&taken).into_iter().map(|(_, state, reason)| (state, reason)).collect();
    let expected = [
        ("accepted", ""),
        ("rejected", "ALREADY_REVERSED"),
        ("accepted", ""),
        ("rejected", "OVER_AMOUNT"),
        ("accepted", ""),
        ("rejected", "AMOUNT_DIFFERS"),
        ("rejected", "ALREADY_PRESENTED"),
        ("accepted", ""),
        ("rejected", "ALREADY_REVERSED"),
        ("rejected", "NO_ORIGINAL"),
        ("rejected", "WRONG_OP"),
        ("rejected", "ALREADY_REVERSED"),
        ("rejected", "REFUND_OVER_CAPTURED"),
        ("accepted", ""),
        ("rejected", "REFUND_OVER_CAPTURED"),
        ("rejected", "ALREADY_REVERSED"),
        ("accepted", ""),
    ];
    for (at, (seen, (state, reason))) in seen.iter().zip(expected).enumerate() {
        assert_eq!((&*seen.0, &*seen.1), (state, reason), "{:?}", records[at]);
    }
    // What goes out at the next cut: the replacement, the refund, the third as it was, the opposite of the fourth, the fifth.
    let sql = "SELECT group_concat(reference) FROM (SELECT reference FROM to_cut JOIN claims USING (claim)
        WHERE voided IS NULL AND state IN ('accepted', 'warned') ORDER BY claim)";
    let waiting: String = shop.ledger.connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(waiting, "c-3,a-3,v-4,r-3,c-5");
}

/// The first authorization has 10.00, two increments 5.00 and 3.00; another was declined, one reversed, one is on its way.
fn stay(shop: &mut Shop) -> TxnId {
    let first = shop.approved(1, 100, &[]);
    shop.raised(2, first, 500);
    shop.raised(3, first, 300);
    let declined = shop.asked_of(4, 100, (&[], Some(first)));
    shop.answered(declined, 4, "05");
    let reversed = shop.raised(5, first, 900);
    shop.reversed(reversed);
    first
}

#[test]
fn claims_are_held_against_the_sum_of_an_authorization_and_what_raised_it() {
    let mut shop = Shop::new();
    let first = stay(&mut shop);
    shop.follow();
    let by_number = format!("txn:{}", first.0);
    let records = [
        // By the name of an increment, of the first, of one that does not stand, and by its number.
        capture("c-1", 2, 900, &[("final", "N")]),
        capture("c-2", 1, 901, &[("final", "N")]),
        capture("c-3", 1, 700, &[("final", "N"), ("orig_amount", "1800")]),
        capture("c-4", 5, 201, &[("final", "N")]),
        one("capture", "c-5", 150, &[("orig_ref", &by_number), ("final", "N")]),
        one("adjust", "a-1", 751, &[("orig_ref", "c-3")]),
        one("adjust", "a-2", 750, &[("orig_ref", "c-3"), ("final", "N")]),
        one("refund", "r-1", 1_801, &[("orig_ref", &by_number)]),
        one("refund", "r-2", 1_800, &[("orig_ref", &by_number)]),
        capture("c-6", 3, 1, &[]),
    ];
    let taken = shop.submit("stay.csv", &file("F1", &records));
    let seen: Vec<_> = states(&taken).into_iter().map(|(_, state, why)| (state, why)).collect();
    let expected = [
        ("accepted", ""),
        ("rejected", "OVER_AMOUNT"),
        ("accepted", ""),
        ("rejected", "OVER_AMOUNT"),
        ("accepted", ""),
        ("rejected", "OVER_AMOUNT"),
        ("accepted", ""),
        ("rejected", "REFUND_OVER_CAPTURED"),
        ("accepted", ""),
        ("rejected", "OVER_AMOUNT"),
    ];
    for ((seen, (state, reason)), record) in seen.iter().zip(expected).zip(&records) {
        assert_eq!((&*seen.0, &*seen.1), (state, reason), "{record:?}");
    }
    let about = "SELECT sum(txn) / count(*) FROM claims WHERE state = 'accepted'";
    assert_eq!(shop.sum(about), first.0.cast_signed(), "all of them are about the first");
    assert_eq!(shop.sum("SELECT count(DISTINCT txn) FROM claims WHERE state = 'accepted'"), 1);
}

#[test]
fn a_claim_waits_for_an_increment_that_is_not_answered_yet() {
    let mut shop = Shop::new();
    let first = shop.approved(1, 100, &[]);
    let on_its_way = shop.asked_of(2, 100, (&[(4, "000000000500")], Some(first)));
    shop.follow();
    let records = [capture("c-1", 1, 900, &[("final", "N")]), capture("c-2", 1, 600, &[])];
    let taken = shop.submit("stay.csv", &file("F1", &records));
    let reasons: Vec<_> = states(&taken).into_iter().map(|(_, state, why)| (state, why)).collect();
    assert_eq!(reasons[0], ("accepted".into(), String::new()), "what is authorized already");
    assert_eq!(reasons[1], ("pending".into(), "IN_FLIGHT".into()));
    shop.answered(on_its_way, 2, "00");
    shop.follow();
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 1);
    assert_eq!(shop.sum("SELECT sum(amount) FROM claims WHERE state = 'accepted'"), 1_500);
}

/// Of the first authorization alone, while its increments stand, nothing more may be claimed than those.
#[test]
fn what_is_undone_of_a_chain_is_not_in_its_sum() {
    let mut shop = Shop::new();
    let first = stay(&mut shop);
    shop.reversed(first);
    shop.follow();
    let records = [capture("c-1", 1, 801, &[("final", "N")]), capture("c-2", 1, 800, &[])];
    let taken = shop.submit("stay.csv", &file("F1", &records));
    let told: Vec<_> = states(&taken).into_iter().map(|(_, state, why)| (state, why)).collect();
    let expected = [("rejected".into(), "OVER_AMOUNT".into()), ("accepted".into(), String::new())];
    assert_eq!(told, expected);
}

/// What the rule is there for: without it a stay could not be claimed for what was authorized of it.
#[cfg(feature = "planted")]
#[test]
fn a_ledger_that_forgets_increments_refuses_the_sum() {
    use crate::planted::{Bug, plant};
    let mut shop = Shop::new();
    stay(&mut shop);
    shop.follow();
    plant(Some(Bug::IncrementForgotten));
    let taken = shop.submit("stay.csv", &file("F1", &[capture("c-1", 1, 1_800, &[])]));
    plant(None);
    assert_eq!(states(&taken)[0].2, "OVER_AMOUNT");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Any files, some of them twice, in any order, against authorizations of every kind: what is accepted is never more than what
    /// was authorized, refunds never more than captures, nothing of what does not stand, and every record is in one state.
    #[test]
    fn never_more_than_was_authorized(
        files in proptest::collection::vec(
            proptest::collection::vec((0..4_usize, 0..12_u32, 1..1200_i64, 1..10_u32, any::<bool>()), 1..12),
            1..5,
        ),
        repeats in proptest::collection::vec(0..4_usize, 0..4),
    ) {
        let mut shop = Shop::new();
        for stan in 1..5 {
            shop.approved(stan, 100, &[]);
        }
        let declined = shop.asked(5, 100, &[]);
        shop.answered(declined, 5, "05");
        let reversed = shop.approved(6, 100, &[]);
        shop.reversed(reversed);
        shop.approved(7, 200, &[]);
        // Two of them are answered later.
        let mut waiting = vec![(9, shop.asked(9, 100, &[])), (8, shop.asked(8, 100, &[]))];
        shop.follow();
        let mut texts = Vec::new();
        for (number, records) in files.iter().enumerate() {
            let names: Vec<_> = records.iter().map(|record| (format!("c-{}", record.1), format!("c-{}", record.3))).collect();
            let written: Vec<_> = records.iter().zip(&names).map(|((op, _, amount, stan, last), (name, original))| {
                let last = if *last { "Y" } else { "N" };
                match op {
                    0 => capture(name, *stan, *amount, &[("final", last)]),
                    1 => one("refund", name, *amount, &[("orig_ref", original)]),
                    2 => one("reversal", name, *amount, &[("orig_ref", original)]),
                    _ => one("adjust", name, *amount, &[("orig_ref", original), ("final", last)]),
                }
            }).collect();
            let sum: i64 = written.iter().map(|record| record.2).sum();
            let text = file(&format!("F{number}"), &written);
            let taken = shop.submit("day.csv", &text);
            prop_assert!(taken.refused.is_none());
            closes(&taken, written.len(), sum);
            texts.push(text);
            if let Some((stan, txn)) = waiting.pop() {
                shop.answered(txn, stan, "00");
                shop.follow();
            }
            if number % 2 == 1 {
                shop.ledger.retry_captures(&shop.settings, shop.at).unwrap();
            }
        }
        let everything = |shop: &Shop| {
            shop.sum("SELECT ifnull(sum(claim * 31 + ifnull(voided, 0) * 17 + length(state)), 0) + 1000003 * count(*) FROM claims")
        };
        let before = everything(&shop);
        for repeat in repeats {
            if let Some(text) = texts.get(repeat) {
                let taken = shop.submit("again.csv", text);
                prop_assert!(taken.again && taken.refused.is_none());
            }
        }
        prop_assert_eq!(everything(&shop), before);
        let over = "SELECT count(*) FROM (SELECT txn,
                sum(CASE WHEN op IN ('capture', 'adjust') THEN amount ELSE 0 END) AS captured,
                sum(CASE WHEN op = 'refund' THEN amount ELSE 0 END) AS refunded
            FROM claims WHERE state IN ('accepted', 'warned') AND voided IS NULL GROUP BY txn)
            WHERE captured > 1000 OR refunded > captured";
        prop_assert_eq!(shop.sum(over), 0);
        let opened = "SELECT count(*) FROM (SELECT 1 FROM claims WHERE txn IS NOT NULL GROUP BY txn HAVING ifnull(sum(opens), 0) <> 1)";
        prop_assert_eq!(shop.sum(opened), 0, "one claim of each authorization opens it");
        let standing = "SELECT count(*) FROM claims WHERE state IN ('accepted', 'warned') AND rrn IN ('000000000005', '000000000006', '000000000007')";
        prop_assert_eq!(shop.sum(standing), 0);
        let states = "SELECT count(*) FROM claims WHERE state NOT IN ('accepted', 'warned', 'rejected', 'pending', 'duplicate')";
        prop_assert_eq!(shop.sum(states), 0);
        let twice = "SELECT count(*) FROM (SELECT 1 FROM claims WHERE state IN ('accepted', 'warned', 'pending') GROUP BY merchant, reference HAVING count(*) > 1)";
        prop_assert_eq!(shop.sum(twice), 0);
    }
}

/// However much waits, each transaction has a part of it, and nothing is looked at twice or left out.
#[test]
fn what_waits_is_looked_at_page_by_page() {
    let mut shop = Shop::new();
    let records: Vec<_> = (1..=7).map(|stan| (format!("c-{stan}"), stan)).collect();
    let records: Vec<_> =
        records.iter().map(|(name, stan)| capture(name, *stan, 1_000, &[])).collect();
    shop.submit("a.csv", &file("F1", &records));
    for stan in 1..=6 {
        shop.approved(stan, 100, &[]);
    }
    shop.follow();
    shop.ledger.index().unwrap();
    let page = |shop: &mut Shop| shop.ledger.retry_page(&shop.settings, shop.at, 3).unwrap();
    assert_eq!([(); 4].map(|()| page(&mut shop)), [3, 3, 0, 0]);
    assert_eq!(shop.sum("SELECT count(*) FROM claims WHERE state = 'accepted'"), 6);
    // What came while a round was under way is found by the next.
    shop.approved(7, 100, &[]);
    shop.follow();
    assert_eq!((page(&mut shop), page(&mut shop)), (1, 0));
}

/// The ledger comes closer to the books in steps of three here: until it has what they have, nothing that waits is given up.
#[test]
fn what_waits_is_not_given_up_while_the_ledger_knows_less_than_the_books() {
    let mut shop = Shop::new();
    shop.submit("a.csv", &file("F1", &[capture("c-1", 7, 1_000, &[])]));
    for stan in 1..=7 {
        shop.approved(stan, 100, &[]);
    }
    shop.follow();
    shop.at.0 += shop.settings.pending_ms + 1;
    let looks = [(); 4].map(|()| shop.ledger.retry_captures(&shop.settings, shop.at).unwrap());
    assert_eq!(looks, [0, 0, 1, 0]);
    assert_eq!(shop.sum("SELECT count(*) FROM claims WHERE state = 'accepted'"), 1);
}
