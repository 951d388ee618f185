//! Records that repeat others, among those that are written together with them.

use super::*;

/// Claims are written some at a time; among them what repeats an earlier record, or has its name, stands where it stands in its file.
#[test]
fn what_repeats_an_earlier_record_in_the_midst_of_others_is_none_of_its_own() {
    let mut shop = Shop::new();
    for stan in 1..10 {
        shop.approved(stan, 100, &[]);
    }
    shop.follow();
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
    // The second claim of the third authorization knows of the first; that of the fourth was too much.
    assert_eq!(
        shop.sum("SELECT count(*) FROM claims WHERE state = 'accepted' AND NOT first_of_txn"),
        1
    );
}
