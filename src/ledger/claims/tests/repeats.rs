//! Records that repeat others, among those that are written together with them.

use super::*;

/// Claims are written some at a time; among them what repeats an earlier record, or has its name, stands where it stands in its file.
#[test]
fn what_repeats_an_earlier_record_in_the_midst_of_others_is_none_of_its_own() {
    let mut shop = Shop::with_approved(9);
    let names = ["c-1", "c-2", "c-3", "c-4", "c-5", "c-6", "c-7", "c-8", "c-9"];
    let shares: &[(&str, &str)] = &[("final", "N")];
    let of = |stan: usize| capture(names[stan - 1], u32::try_from(stan).unwrap(), 400, shares);
    shop.submit("first.csv", &file("F1", &[of(2), of(7)]));
    let mut records: Vec<_> = (1..10).map(of).collect();
    records[6] = capture("c-7", 7, 401, &[]);
    // Within one file, next to each other and far from it.
    records.extend([of(9), of(1), capture("d-3", 3, 500, &[]), capture("d-4", 4, 2000, &[])]);
    let taken = shop.submit("second.csv", &file("F2", &records));
    let seen = states(&taken);
    let expected = [
        "accepted",
        "duplicate",
        "accepted",
        "accepted",
        "accepted",
        "accepted",
        "rejected",
        "accepted",
        "accepted",
        "duplicate",
        "duplicate",
        "accepted",
        "rejected",
    ];
    let states: Vec<_> = seen.iter().map(|(_, state, _)| &**state).collect();
    assert_eq!(states, expected);
    assert_eq!((&*seen[6].2, &*seen[12].2), ("DUP_REF", "OVER_AMOUNT"));
    closes(&taken, records.len(), records.iter().map(|(_, _, amount, _)| amount).sum());
    let in_order = "SELECT count(*) FROM claims JOIN submissions USING (submission) WHERE claim = first + seq - 2";
    assert_eq!(shop.sum(in_order), 15);
    assert_eq!(
        shop.sum("SELECT count(*) FROM to_cut JOIN claims USING (claim) WHERE state = 'accepted'"),
        10
    );
    assert_eq!(shop.sum("SELECT count(*) FROM to_cut"), 10);
    // Of the second claim of the third authorization it is known that there is a first; that of the fourth was too much.
    assert_eq!(
        shop.sum("SELECT count(*) FROM claims WHERE state = 'accepted' AND opens IS NULL"),
        1
    );
}

/// A claim is taken for the first of its authorization until its row meets another: in this file or an earlier one, next to it or far
/// away, counted or not.
#[test]
fn what_is_not_the_first_of_its_authorization_is_judged_by_all_that_came_before() {
    let mut shop = Shop::with_approved(9);
    let shares: &[(&str, &str)] = &[("final", "N")];
    let names: Vec<String> = (0..40).map(|number| format!("c-{number}")).collect();
    let mut free = names.iter().map(String::as_str);
    let mut of = |stan, amount, more| capture(free.next().unwrap(), stan, amount, more);
    // Two that are over before they are claimed again, and one that is too much at once.
    let earlier = [of(1, 1000, &[]), of(2, 600, shares), of(3, 2000, &[])];
    shop.submit("first.csv", &file("F1", &earlier));
    let records = [
        (of(4, 500, shares), "accepted", ""),
        (of(1, 1, &[]), "rejected", "ALREADY_FINAL"),
        (of(2, 401, &[]), "rejected", "OVER_AMOUNT"),
        (of(3, 1000, &[]), "accepted", ""),
        (of(5, 1000, shares), "accepted", ""),
        (of(6, 1000, &[]), "accepted", ""),
        (of(7, 1000, &[]), "accepted", ""),
        (of(4, 501, &[]), "rejected", "OVER_AMOUNT"),
        (of(8, 1000, &[]), "accepted", ""),
        (of(9, 1000, &[]), "accepted", ""),
        (of(2, 400, &[]), "accepted", ""),
        (of(4, 500, &[]), "accepted", ""),
        (of(4, 1, &[]), "rejected", "ALREADY_FINAL"),
    ];
    let written: Vec<_> = records.iter().map(|(record, ..)| record.clone()).collect();
    let seen = states(&shop.submit("second.csv", &file("F2", &written)));
    for (seen, (record, state, reason)) in seen.iter().zip(&records) {
        assert_eq!((&*seen.0, &*seen.1, &*seen.2), (record.1, *state, *reason));
    }
    assert_eq!(seen.len(), records.len());
    assert_eq!(shop.sum("SELECT sum(opens) FROM claims"), 9);
}

/// A claim that waited names something else, or nothing, when it is looked at again: what it leaves is opened by the next one that names it.
#[test]
fn what_a_claim_leaves_is_not_claimed_twice() {
    let mut shop = Shop::new();
    let same = &[(37, "000000000009")];
    let asked = shop.asked(9, 100, same);
    shop.follow();
    let orig = format!("txn:{}", asked.0);
    let of_txn = |name| one("capture", name, 1000, &[("orig_ref", &orig)]);
    shop.submit("first.csv", &file("F1", &[capture("c-1", 9, 1000, &[])]));
    let opened = "SELECT group_concat(reference) FROM claims WHERE opens = 1";
    let opens = |shop: &Shop| -> String {
        shop.ledger.connection.query_row(opened, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(opens(&shop), "c-1");
    shop.answered(asked, 9, "00");
    shop.follow();
    shop.submit("second.csv", &file("F2", &[of_txn("c-2")]));
    assert_eq!(opens(&shop), "c-1");
    shop.approved(90, 100, same);
    shop.follow();
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 1);
    let became = "SELECT count(*) FROM claims WHERE reason = 'AMBIGUOUS' AND txn IS NULL OR reference = 'c-2' AND state = 'accepted'";
    assert_eq!((shop.sum(became), &*opens(&shop)), (2, "c-2"));
    let taken = shop.submit("third.csv", &file("F3", &[of_txn("c-3")]));
    assert_eq!(states(&taken)[0].2, "ALREADY_FINAL");
}

/// What waited may be presented behind what came later: it does not open what that opened.
#[test]
fn what_waited_does_not_open_what_was_claimed_meanwhile() {
    let mut shop = Shop::new();
    shop.submit("first.csv", &file("F1", &[capture("late", 9, 400, &[])]));
    let txn = shop.approved(9, 100, &[]);
    shop.follow();
    let orig = format!("txn:{}", txn.0);
    let share = one("capture", "early", 600, &[("orig_ref", &orig), ("final", "N")]);
    shop.submit("second.csv", &file("F2", &[share]));
    assert_eq!(shop.ledger.retry_captures(&shop.settings, shop.at).unwrap(), 1);
    let accepted = "SELECT count(*) FROM claims WHERE state = 'accepted'";
    let opens = "SELECT count(*) FROM claims WHERE opens = 1 AND reference = 'early'";
    assert_eq!((shop.sum(accepted), shop.sum(opens)), (2, 1));
}

/// A claim that has the name of another one leaves no trace with the authorization that it would have named.
#[test]
fn what_is_not_taken_for_its_name_opens_nothing() {
    let mut shop = Shop::with_approved(2);
    shop.submit("first.csv", &file("F1", &[capture("c-1", 1, 1000, &[])]));
    let records = [capture("c-1", 2, 1200, &[]), capture("c-2", 2, 600, &[("final", "N")])];
    let taken = shop.submit("second.csv", &file("F2", &records));
    let reasons: Vec<_> = states(&taken).into_iter().map(|(_, _, reason)| reason).collect();
    assert_eq!(reasons, ["DUP_REF", ""]);
    let taken = shop.submit("third.csv", &file("F3", &[capture("c-3", 2, 1000, &[])]));
    assert_eq!(states(&taken)[0].2, "OVER_AMOUNT");
}
