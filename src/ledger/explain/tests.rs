//! Lives of things whose rows were written by hand.

use std::sync::Arc;

use super::*;
use crate::books::Books;
use crate::seal::Keys;

fn ledger(place: &std::path::Path) -> Ledger {
    let keys = Arc::new(Keys::new(&[7; 32]));
    drop(Books::open(place, Arc::clone(&keys)).unwrap());
    let ledger = Ledger::open(place, keys).unwrap();
    ledger
        .connection
        .execute_batch(
            "INSERT INTO submissions (submission, merchant, reference, digest, received, state) VALUES (1, 'SHOP', 'f', x'', 5, 'accepted');
             INSERT INTO claims (claim, submission, seq, place, merchant, op, reference, amount, currency, final, tip, digest, state, txn)
                 VALUES (4, 1, 1, 2, 'SHOP', 'capture', 'order/77', 1000, '978', 1, 0, x'', 'accepted', 9);
             INSERT INTO files (file, day, cycle, issuer, currency, sequence, file_id, name, party, format, records, checksum, written, state)
                 VALUES (1, 20261123, 0, 2, '978', 1, '0022611230000000000100001', 'clearing-bank.ipm', 'bank', 'ipm', 3, 1000, 7, 'accepted');
             INSERT INTO items (item, kind, about, txn, claim, issuer, merchant, amount, currency, refund, day, cycle, file, number, reference, state, discount)
                 VALUES (10, 'presentment', NULL, 9, 4, 2, 'SHOP', 1000, '978', 0, 20261123, 0, 1, 2, '29999996327000000000106', 'charged_back', 20);
             INSERT INTO answers VALUES (1, 'day.ipm', '0012611240000001234500001', x'', 2, 8, 3, 0);
             INSERT INTO items (item, kind, about, txn, issuer, merchant, amount, currency, refund, reference, state, reason, due)
                 VALUES (11, 'chargeback', 10, 9, 2, 'SHOP', 1000, '978', 0, '29999996327000000000106', 'accepted', '4807', 20261204);
             INSERT INTO said (said, answer, number, kind, item, reference, function, reason, amount, currency, made)
                 VALUES (1, 1, 2, 'charges_back', 10, '29999996327000000000106', '1442/450', '4807', 1000, '978', 11);
             INSERT INTO events (at, item, kind, detail) VALUES (9, 11, 'charged_back', 'for 1000');
             INSERT INTO exceptions (exception, opened, kind, item, answer, place, detail) VALUES (3, 9, 'over_claimed', 10, 1, 3, 'too much');
             INSERT INTO exceptions (exception, opened, kind, claim, detail) VALUES (5, 9, 'not_presented', 4, 'capture order/77');
             INSERT INTO payouts (payout, day, cycle, merchant, currency, amount, value_day, reference, creditor, account_kind, account, made)
                 VALUES (1, 20261123, 0, 'SHOP', '978', 980, 20261125, 'P1', 'Shop', 'other', '1', 11);
             INSERT INTO payments (day, cycle, currency, message, value_day, count, amount, debtor, account_kind, account, name)
                 VALUES (20261123, 0, '978', 'M1', 20261125, 1, 980, 'Us', 'other', '2', 'payouts-2026-11-23-0-978');",
        )
        .unwrap();
    ledger
}

#[test]
fn one_life_whatever_it_is_found_by() {
    let place = tempfile::tempdir().unwrap();
    let ledger = ledger(place.path());
    let names = [(LinkId(2), "bank".to_owned())].into();
    let life = |text: &str| ledger.explain(&Wanted::parse(text).unwrap(), &names).unwrap();
    let told: Vec<String> = life("10").unwrap().iter().map(|step| step.said.clone()).collect();
    for said in [
        "claim 4: capture of 10.00 978 by SHOP, reference order/77, is accepted",
        "exception 5, not presented: capture order/77; open",
        "item 10: 10.00 978 of bank at SHOP presented; in the position of 2026-11-23; message 2",
        "file clearing-bank.ipm (id 0022611230000000000100001) of 2026-11-23, cycle 0, to bank, 3 records",
        "(1442/450, message 2 of file 0012611240000001234500001): 10.00 978 is charged back, which made item 11, reason 4807",
        "item 11: 10.00 978 of bank at SHOP charged back; about item 10; it waits for the next cut",
        "to be answered by 2026-12-04",
        "payout 1: 9.80 978 to SHOP, reference P1, value 2026-11-25, in payouts-2026-11-23-0-978",
        "exception 3, over claimed: too much; open",
    ] {
        assert!(told.iter().any(|told| told.contains(said)), "{said} is not in {told:#?}");
    }
    for other in ["item:11", "29999996327000000000106", "claim:4", "ref:SHOP/order/77", "txn:9"] {
        let mut again: Vec<String> =
            life(other).unwrap().iter().map(|step| step.said.clone()).collect();
        let mut all = told.clone();
        again.sort();
        all.sort();
        assert_eq!(again, all, "{other}");
    }
    let file = life("file:clearing-bank.ipm").unwrap();
    assert_eq!(life("file:0022611230000000000100001").unwrap(), file);
    assert_eq!(file.iter().map(|step| step.what).collect::<Vec<_>>(), ["file", "items", "said"]);
    assert_eq!(life("exception:3").unwrap()[0].what, "exception");
    let of_claim = life("exception:5").unwrap();
    assert_eq!(of_claim.iter().map(|step| step.what).collect::<Vec<_>>(), ["exception", "claim"]);
    for nothing in
        ["12", "claim:9", "txn:8", "file:x", "ref:SHOP/x", "exception:9", "29999996327000000000057"]
    {
        assert_eq!(life(nothing), None, "{nothing}");
    }
    for none in ["", "x", "item:x", "5413330000004111", "ref:SHOP", "card:1"] {
        assert_eq!(Wanted::parse(none), Err(NotWanted), "{none}");
    }
}
