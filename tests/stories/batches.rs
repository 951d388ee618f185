//! The end of a terminal's batch: the ledger is asked, with books that have all that the terminal was told, and its answer is told.

use std::sync::Arc;

use iso8583d::clearing::{BatchAsk, BatchProfile, BatchVerdict};
use iso8583d::iso::{Currency, ElementNo, Elements, ResponseCode};
use iso8583d::switch::Input;

use super::desk::{Desk, SHOP, elements, only, purchase, settings, shop};

fn profile() -> Arc<BatchProfile> {
    let euro = Currency::new(978).unwrap();
    Arc::new(BatchProfile { says: true, ..BatchProfile::usual(euro) })
}

/// A desk whose shop closes batches.
fn desk() -> Desk {
    let mut with = settings();
    with.links[0].batches = Some(profile());
    Desk::with(with)
}

fn totals(stan: &str) -> Elements {
    elements(&[
        (3, "920000"),
        (11, stan),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (60, "000007"),
        (63, "001000000001000000000000000000"),
    ])
}

#[test]
fn totals_wait_for_books_that_have_all_that_the_terminal_was_told() {
    let mut desk = desk();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
    let records = desk.records.len();
    assert_eq!(desk.shop_sends(SHOP, 500, &totals("000002")), []);
    let question = desk.batches.remove(0);
    // The answer that the terminal heard stands in the journal at this place or before it.
    let answered = desk.records.iter().map(|(lsn, _)| *lsn).max().unwrap();
    assert_eq!((question.from, question.link), (answered, shop()));
    let BatchAsk::Settle { number: 7, .. } = &question.petition.ask else { panic!("{question:?}") };
    desk.seen.clear();
    let text = Some("GB00007ACCEPTED".to_owned());
    let verdict = BatchVerdict { code: ResponseCode::APPROVED, text };
    desk.handle(Input::BatchAnswered { id: question.id, verdict: verdict.clone() });
    let told = only(&desk.seen);
    assert_eq!((told.mti, told.session, told.code()), (510, SHOP, "00".into()));
    let texts = [3, 11, 41, 63].map(|no| told.text(no));
    assert_eq!(texts, ["920000", "000002", "TERM0001", "GB00007ACCEPTED"]);
    // It is told once, and the journal has nothing of it.
    desk.seen.clear();
    desk.handle(Input::BatchAnswered { id: question.id, verdict });
    assert_eq!((desk.seen.len(), desk.records.len()), (0, records));
}

#[test]
fn who_has_no_batches_or_writes_none_is_refused() {
    let mut plain = Desk::new();
    assert_eq!(only(&plain.shop_sends(SHOP, 500, &totals("000001"))).code(), "30");
    let mut desk = desk();
    let mut torn = totals("000001");
    torn.set(ElementNo::of(63), b"001");
    assert_eq!(only(&desk.shop_sends(SHOP, 500, &torn)).code(), "30");
    let mut other = totals("000001");
    other.set(ElementNo::of(3), b"000000");
    assert_eq!(only(&desk.shop_sends(SHOP, 500, &other)).code(), "30");
    assert_eq!(desk.batches, []);
    // A disk that is nearly full takes nothing more: the terminal asks again later.
    desk.handle(Input::Disk { low: true });
    assert_eq!(only(&desk.shop_sends(SHOP, 500, &totals("000001"))).code(), "96");
}

/// One link does not keep the others out of the room in which petitions wait.
#[test]
fn petitions_of_one_link_leave_room_for_others() {
    let mut desk = desk();
    let mut refused = 0;
    for stan in 1..=2_600 {
        let seen = desk.shop_sends(SHOP, 500, &totals(&format!("{stan:06}")));
        refused += seen.iter().filter(|one| one.code() == "96").count();
    }
    assert_eq!((desk.batches.len(), refused), (2_500, 100));
    // As one is answered, another finds room.
    let (id, text) = (desk.batches.remove(0).id, None);
    desk.handle(Input::BatchAnswered {
        id,
        verdict: BatchVerdict { code: ResponseCode::APPROVED, text },
    });
    desk.seen.clear();
    assert_eq!(desk.shop_sends(SHOP, 500, &totals("002601")), []);
    assert_eq!(desk.batches.len(), 2_500);
}

#[test]
fn an_uploaded_transaction_is_answered_as_the_ledger_says_and_a_lost_session_hears_nothing() {
    let mut desk = desk();
    let uploaded = elements(&[
        (3, "000001"),
        (4, "000000001000"),
        (11, "000009"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (60, "0200000001            "),
    ]);
    assert_eq!(desk.shop_sends(SHOP, 320, &uploaded), []);
    let first = desk.batches.remove(0);
    let BatchAsk::Upload(upload) = &first.petition.ask else { panic!("{first:?}") };
    assert_eq!((upload.stan.as_str(), upload.amount.minor), ("000001", 1000));
    desk.seen.clear();
    let verdict = BatchVerdict { code: ResponseCode::of(*b"80"), text: None };
    desk.handle(Input::BatchAnswered { id: first.id, verdict: verdict.clone() });
    let told = only(&desk.seen);
    assert_eq!((told.mti, told.code(), told.text(11)), (330, "80".into(), "000009".into()));
    desk.shop_sends(SHOP, 321, &uploaded);
    let second = desk.batches.remove(0);
    desk.down(SHOP, Vec::new());
    desk.seen.clear();
    desk.handle(Input::BatchAnswered { id: second.id, verdict });
    assert_eq!(desk.seen, []);
}
