//! What people decide about rejections, charge-backs and exceptions.

use super::*;
use crate::record::Remark;

fn remark(text: &str) -> Remark {
    Remark::name(text).unwrap()
}

#[test]
fn what_was_rejected_is_presented_once_more_or_given_up() {
    let mut desk = Desk::new();
    desk.take(&answer(1, 0, |answers| {
        rejects(answers, 2);
        rejects(answers, 3);
    }));
    let by = remark("anna");
    let of = |item| Represent { item, ..Represent::default() };
    let moment = Desk::moment();
    let made = desk.ledger.represent(&of(1), &by, moment).unwrap().unwrap();
    assert_eq!((made.done, made.again, made.amount), ("again", false, 1_000));
    let again = desk.ledger.represent(&of(1), &by, moment).unwrap().unwrap();
    assert_eq!((again.number, again.again), (made.number, true));
    let given = desk.ledger.give_up(2, &by, moment).unwrap().unwrap();
    assert_eq!(
        (given.done, desk.ledger.give_up(2, &by, moment).unwrap().unwrap().number),
        ("given_up", given.number)
    );
    assert_eq!(
        desk.rows("SELECT kind, about, amount, state, day FROM items WHERE kind IN ('again', 'given_up') ORDER BY 1"),
        ["again 1 1000 waiting -", "given_up 2 2000 accepted -"]
    );
    let rejection =
        desk.rows("SELECT item FROM items WHERE kind = 'rejection' LIMIT 1")[0].parse().unwrap();
    for (item, why) in [
        (2, "was given up"),
        (3, "was not rejected"),
        (99, "no item"),
        (rejection, "is a rejection"),
        (made.number, "was not rejected"),
    ] {
        let refused = desk.ledger.represent(&of(item), &by, moment).unwrap().unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    assert!(desk.ledger.give_up(1, &by, moment).unwrap().unwrap_err().contains("once more"));
    // It goes out again and is rejected again: now there is only giving up.
    desk.execute(&format!("UPDATE items SET state = 'presented', day = 20261124, cycle = 0, file = 1, number = 9, reference = '{}' WHERE item = {}", reference(1), made.number));
    desk.take(&answer(2, 0, |answers| rejects(answers, 9)));
    let refused = desk.ledger.represent(&of(made.number), &by, moment).unwrap().unwrap_err();
    assert!(refused.contains("more than once"), "{refused}");
    assert!(desk.ledger.give_up(made.number, &by, moment).unwrap().is_ok());
}

#[test]
fn a_charge_back_is_answered_once_and_in_time() {
    let mut desk = Desk::new();
    desk.take(&answer(1, 0, |answers| {
        charges(answers, 1, 1_000);
        charges(answers, 2, 900);
    }));
    let by = remark("anna");
    let moment = Desk::moment();
    let (list, counts) = desk.ledger.chargebacks(10, moment).unwrap();
    assert_eq!((list.len(), counts, list[0].due, list[0].state), (2, [2, 2], 20_261_204, "open"));
    let [first, second] = [list[0].item, list[1].item];
    let more = Represent { item: second, amount: Some(901), reason: None };
    assert!(
        desk.ledger.represent(&more, &by, moment).unwrap().unwrap_err().contains("from 1 to 900")
    );
    let part = Represent { item: second, amount: Some(400), reason: Some("2001".to_owned()) };
    let made = desk.ledger.represent(&part, &by, moment).unwrap().unwrap();
    assert!(desk.ledger.represent(&part, &by, moment).unwrap().unwrap().again);
    // One of them is answered.
    assert_eq!(desk.ledger.chargebacks(10, moment).unwrap().1, [2, 1]);
    let other = Represent { amount: Some(500), ..part };
    assert!(desk.ledger.represent(&other, &by, moment).unwrap().unwrap_err().contains("as item"));
    let late = Moment { day: BusinessDate::from_text("2026-12-05").unwrap(), ..moment };
    let refused = desk
        .ledger
        .represent(&Represent { item: first, ..Represent::default() }, &by, late)
        .unwrap();
    assert!(refused.unwrap_err().contains("2026-12-04"));
    let states: Vec<_> = desk
        .ledger
        .chargebacks(10, late)
        .unwrap()
        .0
        .iter()
        .map(|one| (one.item, one.state))
        .collect();
    assert_eq!(states, [(first, "late"), (second, "answered")]);
    // The second presentment goes out, and is charged back in its turn: no third one follows.
    desk.execute(&format!("UPDATE items SET state = 'presented', day = 20261124, cycle = 0, file = 1, number = 9, reference = '{}' WHERE item = {}", reference(2), made.number));
    desk.take(&answer(2, 0, |answers| {
        let reference = reference(2);
        answers
            .charge_back(ChargeBack {
                function: b"451",
                card: CARD,
                reference: reference.as_bytes(),
                amount: 400,
                currency: b"978",
                reason: b"4807",
            })
            .unwrap();
    }));
    let last = desk.rows(&format!(
        "SELECT item FROM items WHERE kind = 'chargeback' AND about = {}",
        made.number
    ));
    let item = last[0].parse().unwrap();
    let refused =
        desk.ledger.represent(&Represent { item, ..Represent::default() }, &by, moment).unwrap();
    assert!(refused.unwrap_err().contains("arbitration"));
    // What was answered stays, though its presentment is rejected after all.
    desk.take(&answer(3, 0, |answers| rejects(answers, 3)));
    assert_eq!(
        (desk.states()[1].as_str(), desk.open()),
        ("2 charged_back", vec!["over_claimed 2 2 - 0012611240000001234500003".to_owned()])
    );
}

#[test]
fn a_file_that_was_rejected_is_decided_about_as_a_whole() {
    let mut desk = Desk::new();
    desk.take(&answer(1, 0, |answers| {
        answers.reject_file(OURS.as_bytes(), b"P0301000519000").unwrap();
    }));
    let (by, moment) = (remark("anna"), Desk::moment());
    desk.ledger.give_up(6, &by, moment).unwrap().unwrap();
    let mut decide =
        |name: &str, give_up| desk.ledger.decide_file((name, give_up), &by, moment).unwrap();
    assert!(decide("f9", false).is_err());
    let done = OfFile { done: "again", decided: 5, left: 0 };
    assert_eq!(decide("f1", false), Ok(done));
    assert_eq!(decide(OURS, false), Ok(OfFile { decided: 0, ..done }));
    assert_eq!(decide("f1", true), Ok(OfFile { done: "given_up", decided: 0, left: 0 }));
    assert_eq!(desk.rows("SELECT kind, count(*), sum(amount) FROM items WHERE kind IN ('again', 'given_up') GROUP BY 1"), ["again 5 15000", "given_up 1 500"]);
}

#[test]
fn an_exception_is_closed_once_with_a_reason() {
    let mut desk = Desk::new();
    desk.take(&answer(1, 0, |answers| rejects(answers, 99)));
    let (why, by) = (Remark::reason("they sent it twice").unwrap(), remark("anna"));
    let closed = desk.ledger.close_exception(1, (&why, &by), Desk::moment()).unwrap().unwrap();
    assert!(!closed.again);
    assert!(desk.ledger.close_exception(1, (&why, &by), Desk::moment()).unwrap().unwrap().again);
    assert!(desk.ledger.close_exception(2, (&why, &by), Desk::moment()).unwrap().is_err());
    assert_eq!(desk.ledger.exceptions(10, Desk::moment()).unwrap(), (vec![], 0));
    assert_eq!(
        desk.rows("SELECT kind, answer, detail FROM events WHERE kind = 'exception_closed'"),
        ["exception_closed 1 exception 1, by anna: they sent it twice"]
    );
}
