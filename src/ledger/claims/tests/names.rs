//! Names of authorizations that a program of another time hashed otherwise.

use super::*;

/// What the ledger knows: the last transaction, and the last one whose names it has.
fn known(shop: &Shop) -> (i64, i64) {
    let sql = "SELECT indexed, named FROM state";
    shop.ledger.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[test]
fn names_are_entered_anew_and_nothing_else() {
    let mut shop = Shop::new();
    for stan in 1..10 {
        shop.approved(stan, 100, &[]);
    }
    shop.asked(10, 100, &[]);
    let first = shop.approved(11, 100, &[]);
    shop.reversed(first);
    shop.follow();
    shop.ledger.index().unwrap();
    let keys = "SELECT sum(key % 1000003 * txn) FROM keys";
    let (before, known_before) = (shop.sum(keys), known(&shop));
    assert_eq!(known_before.0, known_before.1);
    let scattered = "DELETE FROM keys WHERE key > 0; UPDATE state SET named = 0";
    shop.ledger.connection.execute_batch(scattered).unwrap();
    shop.approved(12, 100, &[]);
    shop.follow();
    let card = &[("pan_token", "541333******4111"), ("auth_code", "A00005")];
    let records = [
        capture("c-1", 1, 1000, &[]),
        one("capture", "c-5", 1000, card),
        capture("c-12", 12, 1000, &[]),
    ];
    let seen = states(&shop.submit("day.csv", &file("F1", &records)));
    assert!(seen.iter().all(|(_, state, _)| state == "accepted"), "{seen:?}");
    let (indexed, named) = known(&shop);
    assert!(indexed == named && indexed > known_before.0);
    let last = format!("{keys} WHERE txn <= {}", known_before.0);
    assert_eq!(shop.sum(&last), before);
}

/// Books that are built anew after an upgrade have only some of the transactions: the names of the others follow with them.
#[test]
fn names_wait_for_books_that_are_behind() {
    let mut shop = Shop::with_approved(4);
    let later = "UPDATE state SET indexed = 1000000, named = 0";
    shop.ledger.connection.execute_batch(later).unwrap();
    shop.ledger.index().unwrap();
    let (_, some) = known(&shop);
    let last = shop.approved(5, 100, &[]);
    shop.follow();
    shop.ledger.index().unwrap();
    let (indexed, named) = known(&shop);
    assert!(0 < some && some < named && named < indexed, "{some} {named} {indexed}");
    assert_eq!(named, last.0.cast_signed());
}
