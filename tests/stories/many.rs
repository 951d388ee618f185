//! Stories that need many messages: what is given up together, and what the books have no room for.

use iso8583d::iso::ElementNo;
use iso8583d::record::{Closing, DebtState, Record};
use iso8583d::switch::Settings;

use super::desk::{BANK, BANK_AGAIN, Desk, SHOP, bank, only, purchase, settings};

/// Each closes one after the other: with the stack of a thread there is no room for one within the other.
#[test]
fn rule_9_all_that_grew_too_old_while_its_issuer_was_away_is_given_up_at_once() {
    const ADVICES: u32 = 4_000;
    let mut settings = settings();
    for link in &mut settings.links {
        link.owed.age_ms_max = 1000;
    }
    let mut desk = Desk::with(Settings { carry_every: 1_000_000, ..settings });
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    for stan in 1..=ADVICES {
        let mut advice = purchase(stan);
        advice.set(ElementNo::PAN, format!("4{stan:015}").as_bytes());
        assert_eq!(only(&desk.shop_sends(SHOP, 220, &advice)).code(), "00");
    }
    desk.passes(2000);
    desk.up(BANK, bank());
    let dead = |record: &Record| matches!(record, Record::Closed { closing: Closing::Dead, .. });
    let given_up = desk.records.iter().filter(|(_, record)| dead(record)).count();
    assert_eq!(u32::try_from(given_up), Ok(ADVICES));
    let state = DebtState::Closed(Closing::Dead);
    assert!(
        desk.standings().values().all(|standing| standing.advice.as_ref().unwrap().state == state)
    );
}

/// An issuer says its approval once: it is on the list, whatever else waits.
#[test]
fn rule_4_an_approval_that_cannot_be_looked_up_is_on_the_operators_list() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let orphans = |desk: &Desk| {
        let orphan = |record: &Record| matches!(record, Record::Unmatched { orphan: true, .. });
        desk.records.iter().filter(|(_, record)| orphan(record)).count()
    };
    let mut sent = 0;
    while orphans(&desk) == 0 {
        sent += 1;
        assert!(sent <= 20_000, "the books are asked without end");
        desk.bank_answers(&asked, "00", &[(11, &format!("{:06}", 500_000 + sent))]);
    }
    assert_eq!(desk.questions.len(), sent - 1, "the last one was not asked for");
}

/// Ten thousand messages of the longest kind are more than memory is meant for.
#[test]
fn messages_that_wait_for_the_books_are_bounded_in_bytes_too() {
    let mut desk = Desk::new();
    let mut asked = 0;
    loop {
        asked += 1;
        assert!(asked < 5_000, "memory fills");
        let mut long = purchase(asked);
        for no in [46, 47, 48, 56, 57, 58, 59, 60] {
            long.set(ElementNo::of(no), &[b'x'; 990]);
        }
        let told = desk.shop_sends(SHOP, 201, &long);
        if let Some(told) = told.first() {
            assert_eq!(told.code(), "96");
            break;
        }
    }
    assert_eq!(desk.questions.len(), usize::try_from(asked).unwrap() - 1);
    for _ in 0..2 {
        desk.books_answer();
    }
    assert!(desk.shop_sends(SHOP, 201, &purchase(9_000)).is_empty(), "what is answered makes room");
}
