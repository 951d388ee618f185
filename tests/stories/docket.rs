//! Stories of the operator's list: dead letters sent again or written off, and approvals of what was never sent.

use iso8583d::iso::{ElementNo, Elements};
use iso8583d::record::{
    Closing, Debt, DebtState, Lsn, Owing, Reason, Record, Remark, Ruling, TxnId,
};
use iso8583d::switch::{Denied, Note, Order, OrderResult, Settings};

use super::desk::{
    BANK, BANK_AGAIN, Desk, SHOP, Seen, elements, only, purchase, reversal, settings,
};
use super::{the_only_standing, txn_of};

const DEAD: DebtState = DebtState::Closed(Closing::Dead);
const WRITTEN_OFF: DebtState = DebtState::Closed(Closing::WrittenOff);

fn requeue(txn: TxnId, owing: Option<Owing>) -> Order {
    Order::Requeue { txn, owing, by: Remark::name("anna").unwrap() }
}

fn write_off(about: u64, owing: Option<Owing>) -> Order {
    let (by, why) = (Remark::name("anna").unwrap(), Remark::reason("paid by hand").unwrap());
    Order::WriteOff { about: Lsn(about), owing, ruling: Ruling { by, why } }
}

fn denied(desk: &Desk) -> Denied {
    let denied = |result: &OrderResult| match result {
        OrderResult::Denied(denied) => Some(*denied),
        _ => None,
    };
    desk.done.last().and_then(denied).unwrap()
}

/// A purchase that was never answered, and whose reversal the bank refuses for good: which transaction, what the bank saw
/// of it, and of its reversal.
fn dead_reversal(desk: &mut Desk, stan: u32) -> (TxnId, Seen, Seen) {
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
    let follows = desk.passes(15_000);
    let first = follows.into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&first, "30", &[]);
    let txn = txn_of(&asked);
    assert_eq!(debt(desk, txn, Owing::Reversal).state, DEAD);
    (txn, asked, first)
}

fn advice() -> Elements {
    let mut advice = purchase(1);
    advice.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    advice
}

/// An advice that the bank never answers: which transaction, and what the bank saw.
fn dead_advice(desk: &mut Desk) -> (TxnId, Seen) {
    let sent = desk.shop_sends(SHOP, 220, &advice())[1].clone();
    desk.passes(60_000);
    let txn = txn_of(&sent);
    assert_eq!(debt(desk, txn, Owing::Advice).state, DEAD);
    (txn, sent)
}

/// The shop's reversal of that advice.
fn undo() -> Elements {
    let mut undo = reversal(1, 2);
    let named = String::from_utf8(undo.get(ElementNo::ORIGINAL).unwrap().to_vec()).unwrap();
    undo.set(ElementNo::ORIGINAL, named.replacen("0200", "0220", 1).as_bytes());
    undo
}

fn debt(desk: &Desk, txn: TxnId, owing: Owing) -> Debt {
    let standing = desk.standings()[&txn].clone();
    match owing {
        Owing::Advice => standing.advice.unwrap(),
        Owing::Reversal => standing.reversal.unwrap(),
    }
}

/// An answer to the old key is an answer to a letter that is dead: it closes nothing that is sent again.
#[test]
fn rule_9_a_dead_reversal_goes_again_under_a_fresh_key() {
    let mut desk = Desk::new();
    let (txn, asked, first) = dead_reversal(&mut desk, 1);
    let again = only(&desk.orders(requeue(txn, None)));
    assert_eq!(desk.done, [OrderResult::Requeued { owing: Owing::Reversal }]);
    assert_eq!((again.mti, again.text(90)), (420, first.text(90)), "new, of the same original");
    assert_ne!((again.text(7), again.text(11)), (first.text(7), first.text(11)));
    assert_eq!(again.text(90).get(4..10), Some(&*asked.text(11)));
    let now = debt(&desk, txn, Owing::Reversal);
    assert_eq!((now.state, now.requeued, now.code), (DebtState::Open, true, None));
    assert_eq!(now.reason, Reason::Unanswered, "why it is owed is as before");
    assert!(desk.bank_answers(&first, "00", &[]).is_empty());
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, DebtState::Open, "the old key is dead");
    // The request was never answered: the first acknowledgement may have overtaken it, as ever.
    desk.bank_answers(&again, "00", &[]);
    let provisional = DebtState::Closed(Closing::Provisional);
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, provisional);
    let last = only(&desk.passes(60_000));
    desk.bank_answers(&last, "00", &[]);
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, DebtState::Closed(Closing::Final));
    let told = |note: &&Note| matches!(note, Note::Requeued { by, .. } if by.as_str() == "anna");
    assert_eq!(desk.notes.iter().filter(told).count(), 1, "one line of audit");
}

#[test]
fn rule_9_attempts_and_age_of_what_is_sent_again_begin_anew() {
    let mut with = settings();
    with.links[1].owed.age_ms_max = 100_000;
    let mut desk = Desk::with(with);
    let (txn, sent) = dead_advice(&mut desk);
    desk.passes(90_000);
    let again = only(&desk.orders(requeue(txn, None)));
    assert_eq!((again.mti, again.text(11)), (221, sent.text(11)));
    let more: Vec<u16> = desk.passes(60_000).iter().map(|seen| seen.mti).collect();
    assert_eq!(more, [221, 221], "three attempts once more");
    assert_eq!(debt(&desk, txn, Owing::Advice).state, DEAD);
    // Given up again it may be sent again.
    only(&desk.orders(requeue(txn, None)));
    for session in [BANK, BANK_AGAIN] {
        desk.down(session, Vec::new());
    }
    desk.passes(95_000);
    assert_eq!(debt(&desk, txn, Owing::Advice).state, DebtState::Open, "not too old");
    desk.passes(70_000);
    assert_eq!(debt(&desk, txn, Owing::Advice).state, DEAD);
}

/// Whoever booked it knows it by its pair: as new it might be booked twice. Its reversal names that pair, too.
#[test]
fn rule_9_a_dead_advice_goes_again_under_its_own_key_as_a_repeat() {
    let mut desk = Desk::new();
    let (txn, sent) = dead_advice(&mut desk);
    let again = only(&desk.orders(requeue(txn, None)));
    assert_eq!(again.mti, 221);
    for no in [2, 3, 4, 7, 11, 38, 49] {
        assert_eq!(again.text(no), sent.text(no), "element {no}");
    }
    // Its reversal waits until it is settled: one lane a card.
    assert!(desk.shop_sends(SHOP, 420, &undo()).iter().all(|seen| seen.mti == 430));
    let owed = only(&desk.bank_answers(&again, "00", &[]));
    assert_eq!((owed.mti, owed.text(90).get(4..10)), (420, Some(&*again.text(11))));
    desk.bank_answers(&owed, "00", &[]);
    assert_eq!(debt(&desk, txn, Owing::Advice).state, DebtState::Closed(Closing::Final));
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, DebtState::Closed(Closing::Final));
}

/// Booked after its reversal it would stay booked.
#[test]
fn rule_9_a_dead_advice_that_was_reversed_is_not_sent_again() {
    let mut desk = Desk::new();
    let (txn, sent) = dead_advice(&mut desk);
    let owed = desk.shop_sends(SHOP, 420, &undo()).into_iter().find(|seen| seen.mti == 420);
    assert!(desk.orders(requeue(txn, None)).is_empty());
    assert_eq!(denied(&desk), Denied::Which, "two debts, and one of them is meant");
    assert!(desk.orders(requeue(txn, Some(Owing::Advice))).is_empty());
    assert_eq!(denied(&desk), Denied::Reversed);
    desk.bank_answers(&owed.unwrap(), "25", &[]);
    assert!(desk.orders(requeue(txn, Some(Owing::Advice))).is_empty());
    assert_eq!(denied(&desk), Denied::Reversed, "the more so when the reversal is settled");
    // Written off it is off the list; booked after all, its reversal is opened again all the same.
    desk.orders(write_off(txn.0, Some(Owing::Advice)));
    assert_eq!(debt(&desk, txn, Owing::Advice).state, WRITTEN_OFF);
    let reopened = only(&desk.bank_answers(&sent, "00", &[]));
    assert_eq!(reopened.mti, 420);
}

#[test]
fn the_same_order_twice_has_one_effect_and_one_answer() {
    let mut desk = Desk::new();
    let (txn, ..) = dead_reversal(&mut desk, 1);
    let (other, ..) = dead_reversal(&mut desk, 2);
    only(&desk.orders(requeue(txn, None)));
    let written = desk.records.len();
    assert!(desk.orders(requeue(txn, None)).is_empty());
    assert_eq!(desk.done[0], desk.done[1]);
    assert_eq!(desk.records.len(), written);
    desk.orders(write_off(other.0, Some(Owing::Reversal)));
    let written = desk.records.len();
    desk.orders(write_off(other.0, None));
    assert_eq!(desk.done[2], OrderResult::WrittenOff { owing: Some(Owing::Reversal) });
    assert_eq!(desk.done[2], desk.done[3]);
    assert_eq!(desk.records.len(), written);
    desk.orders(requeue(other, None));
    assert_eq!(denied(&desk), Denied::WrittenOff(Owing::Reversal));
}

#[test]
fn what_is_no_dead_letter_is_left_alone_and_told_why() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let txn = txn_of(&asked);
    let both = |desk: &mut Desk, txn: TxnId| {
        let written = desk.records.len();
        desk.orders(requeue(txn, None));
        let first = denied(desk);
        desk.orders(write_off(txn.0, None));
        assert_eq!(denied(desk), first);
        assert_eq!(desk.records.len(), written, "nothing is written down");
        first
    };
    assert_eq!(both(&mut desk, txn), Denied::NeverOwed(None));
    let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    assert_eq!(both(&mut desk, txn), Denied::StillGoing(Owing::Reversal));
    desk.bank_answers(&owed, "00", &[]);
    assert_eq!(both(&mut desk, txn), Denied::Unconfirmed(Owing::Reversal));
    let last = only(&desk.passes(60_000));
    desk.bank_answers(&last, "00", &[]);
    assert_eq!(both(&mut desk, txn), Denied::Settled(Owing::Reversal));
    desk.orders(requeue(txn, Some(Owing::Advice)));
    assert_eq!(denied(&desk), Denied::NeverOwed(Some(Owing::Advice)));
    desk.shop_sends(SHOP, 420, &reversal(1, 9));
    let undo = *desk.standings().keys().last().unwrap();
    assert_eq!(both(&mut desk, undo), Denied::IsReversal(Some(txn)));
    for unknown in [0, desk.records.len() as u64 + 1, u64::MAX] {
        assert_eq!(both(&mut desk, TxnId(unknown)), Denied::Unknown);
    }
    // A record that opens nothing: the books are asked, and know nothing by that number.
    desk.orders(requeue(TxnId(1), None));
    desk.books_answer();
    assert_eq!(denied(&desk), Denied::Unknown);
}

/// The usual settings, with memory for one closed transaction.
fn forgetful() -> Settings {
    Settings { entries_max: 1, ..settings() }
}

/// Dead letters are closed, and leave memory: the books know them, and orders wait for one another.
#[test]
fn a_dead_letter_that_left_memory_is_looked_up() {
    let mut desk = Desk::with(forgetful());
    let (txn, _, first) = dead_reversal(&mut desk, 1);
    for stan in 2..6 {
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
        desk.bank_answers(&asked, "05", &[]);
    }
    assert!(desk.engine.tranlog().standing(txn).is_none(), "it has left memory");
    for _ in 0..2 {
        assert!(desk.orders(requeue(txn, None)).is_empty());
    }
    desk.orders(write_off(txn.0, None));
    assert!(desk.done.is_empty());
    assert_eq!(desk.questions.len(), 1, "one after the other");
    let again = only(&desk.books_answer());
    assert_eq!((again.mti, again.text(90)), (420, first.text(90)));
    assert!(desk.questions.is_empty(), "the next find it in memory");
    let requeued = OrderResult::Requeued { owing: Owing::Reversal };
    assert_eq!(desk.done[..2], [requeued.clone(), requeued]);
    assert_eq!(denied(&desk), Denied::StillGoing(Owing::Reversal));
    // Recovery has it all, also from a carry after the dead letter.
    let seen = desk.crashes_after(desk.records.len());
    let repeat = only(&seen);
    assert_eq!((repeat.mti, repeat.text(11)), (421, again.text(11)));
}

/// What the books said may be older than what came and went meanwhile.
#[test]
fn a_dead_letter_that_changes_during_its_look_up_is_looked_up_again() {
    let mut desk = Desk::with(forgetful());
    let (txn, ..) = dead_reversal(&mut desk, 1);
    let push_out = |desk: &mut Desk, from: u32| {
        for stan in from..from + 4 {
            let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
            desk.bank_answers(&asked, "05", &[]);
        }
    };
    push_out(&mut desk, 2);
    desk.orders(write_off(txn.0, None));
    let old = desk.standings()[&txn].clone();
    let question = desk.questions.remove(0);
    // Its asker says it again: it comes back from the books, and leaves again.
    desk.shop_sends(SHOP, 201, &purchase(1));
    desk.books_answer();
    push_out(&mut desk, 10);
    assert!(desk.engine.tranlog().standing(txn).is_none());
    let found = Some(old).into();
    desk.handle(iso8583d::switch::Input::LookedUp { question: question.id, found });
    assert!(desk.done.is_empty(), "that answer is not believed");
    desk.books_answer();
    assert_eq!(desk.done, [OrderResult::WrittenOff { owing: Some(Owing::Reversal) }]);
}

#[test]
fn orders_that_wait_are_bounded() {
    let mut desk = Desk::with(forgetful());
    let (txn, ..) = dead_reversal(&mut desk, 1);
    for stan in 2..6 {
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
        desk.bank_answers(&asked, "05", &[]);
    }
    for _ in 0..64 {
        desk.orders(requeue(txn, None));
    }
    assert!(desk.done.is_empty());
    desk.orders(requeue(txn, None));
    assert_eq!(denied(&desk), Denied::Busy);
    desk.books_answer();
    assert_eq!(desk.done.len(), 65);
}

/// A write-off says that nothing is to be done. A late approval says that something is, and is not lost.
#[test]
fn rule_8_a_late_approval_opens_a_reversal_that_was_written_off() {
    let mut desk = Desk::new();
    let (txn, asked, first) = dead_reversal(&mut desk, 1);
    desk.orders(write_off(txn.0, None));
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, WRITTEN_OFF);
    assert!(desk.passes(300_000).is_empty(), "it is not sent any more");
    assert!(desk.bank_answers(&first, "00", &[]).is_empty(), "an old answer changes nothing");
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, WRITTEN_OFF);
    let reopened = only(&desk.bank_answers(&asked, "00", &[]));
    assert_eq!(reopened.mti, 420);
    let now = debt(&desk, txn, Owing::Reversal);
    assert_eq!((now.state, now.requeued), (DebtState::Open, false));
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!(again.code(), "91", "what its asker hears does not change");
}

/// Rule 12 asks whether a reversal was ever owed, not how far it came.
#[test]
fn rule_12_neither_order_changes_what_clears() {
    let clears = |desk: &Desk| iso8583d::clearing::claims(&the_only_standing(desk));
    let mut desk = Desk::new();
    let (txn, _) = dead_advice(&mut desk);
    assert!(clears(&desk), "a dead advice clears: its asker has the money");
    only(&desk.orders(requeue(txn, None)));
    assert!(clears(&desk));
    desk.passes(60_000);
    desk.orders(write_off(txn.0, None));
    assert!(clears(&desk));
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[]);
    let txn = txn_of(&asked);
    let owed = desk.shop_sends(SHOP, 420, &reversal(1, 2)).into_iter().find(|seen| seen.mti == 420);
    desk.bank_answers(&owed.unwrap(), "25", &[]);
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, DEAD, "it denies what it approved");
    assert!(!clears(&desk));
    let again = only(&desk.orders(requeue(txn, None)));
    assert!(!clears(&desk));
    desk.bank_answers(&again, "25", &[]);
    desk.orders(write_off(txn.0, None));
    assert!(!clears(&desk), "whoever was told of the reversal has no claim");
}

#[test]
fn an_approval_of_what_was_never_sent_is_written_off() {
    let mut desk = Desk::new();
    let stray = elements(&[
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1123183400"),
        (11, "004711"),
        (39, "00"),
        (49, "978"),
    ]);
    desk.arrives(BANK, 210, &stray);
    desk.books_answer();
    let is_orphan =
        |(_, record): &&(Lsn, Record)| matches!(record, Record::Unmatched { orphan: true, .. });
    let orphan = desk.records.iter().find(is_orphan).unwrap().0;
    desk.orders(requeue(TxnId(orphan.0), None));
    desk.books_answer();
    assert_eq!(denied(&desk), Denied::IsOrphan);
    desk.orders(write_off(orphan.0, Some(Owing::Advice)));
    desk.books_answer();
    assert_eq!(denied(&desk), Denied::OrphanOwesNothing);
    // Two at once: the second hears what the first has done.
    desk.orders(write_off(orphan.0, None));
    desk.orders(write_off(orphan.0, None));
    desk.books_answer();
    desk.books_answer();
    assert_eq!(
        desk.done[2..],
        [OrderResult::WrittenOff { owing: None }, OrderResult::WrittenOff { owing: None }]
    );
    let ruled = |(_, record): &&(Lsn, Record)| matches!(record, Record::OrphanWrittenOff { .. });
    assert_eq!(desk.records.iter().filter(ruled).count(), 1);
}

#[test]
fn rule_10_what_was_ordered_survives_the_plug() {
    let mut desk = Desk::new();
    let (txn, sent) = dead_advice(&mut desk);
    let (other, ..) = dead_reversal(&mut desk, 5);
    only(&desk.orders(requeue(txn, None)));
    desk.orders(write_off(other.0, None));
    let repeat = only(&desk.crashes_after(desk.records.len()));
    assert_eq!((repeat.mti, repeat.text(11)), (221, sent.text(11)));
    assert_eq!(debt(&desk, other, Owing::Reversal).state, WRITTEN_OFF);
    let written = desk.records.len();
    desk.orders(requeue(txn, None));
    desk.orders(write_off(other.0, None));
    assert_eq!(
        desk.records.len(),
        written,
        "the same orders have no second effect after a restart"
    );
    desk.bank_answers(&repeat, "00", &[]);
    assert_eq!(debt(&desk, txn, Owing::Advice).state, DebtState::Closed(Closing::Final));
    // The order that power cut short was never told: it is as if it had not been given.
    let mut desk = Desk::new();
    let (txn, ..) = dead_reversal(&mut desk, 1);
    let durable = desk.records.len();
    desk.orders(requeue(txn, None));
    assert!(desk.crashes_after(durable).is_empty());
    assert_eq!(debt(&desk, txn, Owing::Reversal).state, DEAD);
}
