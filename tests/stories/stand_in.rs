//! Stories of stand-in: small requests approved while nobody can ask their issuer, and what the issuer hears of them afterwards.

use iso8583d::iso::{ElementNo, Elements};
use iso8583d::record::{Closing, DebtState, Record};
use iso8583d::switch::{LateApproval, Settings, StandIn};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, Seen, bank, only, purchase, reversal,
    settings,
};

fn limits() -> StandIn {
    StandIn {
        currency: *b"978",
        amount_max: 1_500,
        count_max: 3,
        total_max: 3_500,
        kinds: vec![*b"00"],
        while_down: true,
        after_timeout: false,
        late: LateApproval::Reverse,
    }
}

fn stands_in() -> Settings {
    Settings { stand_in: vec![Some(limits()), None], ..settings() }
}

/// A desk whose banks have gone.
fn alone() -> Desk {
    let mut desk = Desk::with(stands_in());
    go(&mut desk);
    desk
}

fn go(desk: &mut Desk) {
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
}

fn of(stan: u32, amount: &str) -> Elements {
    let mut asked = purchase(stan);
    asked.set(ElementNo::AMOUNT, amount.as_bytes());
    asked
}

/// What the shop hears.
fn hears(desk: &mut Desk, asked: &Elements) -> String {
    let told = only(&desk.shop_sends(SHOP, 200, asked));
    assert_eq!((told.session, told.mti), (SHOP, 210));
    told.code()
}

/// The bank comes back, and is told what it missed.
fn comes_back(desk: &mut Desk) -> Vec<Seen> {
    desk.seen.clear();
    desk.up(31, bank());
    desk.seen.clone()
}

#[test]
fn while_its_issuer_is_away_a_request_is_approved_and_the_issuer_hears_of_it_later() {
    let mut desk = alone();
    let told = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!((told.session, told.mti, told.code().as_str()), (SHOP, 210, "00"));
    assert_eq!(told.text(38).len(), 6, "an approval code of ours");
    let again = only(&desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)));
    assert_eq!(again.elements, told.elements, "and a repeat hears the same");
    let advice = only(&comes_back(&mut desk));
    assert_eq!((advice.session, advice.mti), (31, 220));
    for (no, value) in
        [(2, "4111111111111111"), (4, "000000001000"), (39, "00"), (37, "632718000001")]
    {
        assert_eq!(advice.text(no), value, "DE {no}");
    }
    assert_eq!(advice.text(38), told.text(38));
    let unanswered = only(&desk.passes(10_000));
    assert_eq!(unanswered.mti, 221);
    desk.bank_answers(&unanswered, "00", &[]);
    assert!(desk.passes(600_000).is_empty());
    let standing = desk.standings().into_values().next().unwrap();
    assert!(standing.stood_in() && standing.stands_approved() && !standing.is_open());
    // An authorization is told as one.
    let mut desk = alone();
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &purchase(1))).mti, 110);
    assert_eq!(only(&comes_back(&mut desk)).mti, 120);
}

#[test]
fn while_an_issuer_of_the_route_is_there_nobody_stands_in_for_it() {
    let mut desk = Desk::with(stands_in());
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).session, OTHER_BANK);
    // A route without limits is declined.
    let mut desk = alone();
    let mut asked = purchase(2);
    asked.set(ElementNo::PAN, b"5111111111111118");
    assert_eq!(hears(&mut desk, &asked), "91");
}

#[test]
fn what_is_not_approved_in_an_issuers_place() {
    for (no, value, code) in [
        (4, "000000001501", "61"),
        (4, "000000000000", "91"),
        (3, "200000", "91"),
        (3, "010000", "91"),
        (49, "840", "91"),
        (52, "12345678", "91"),
        (14, "2610", "54"),
        (14, "2611", "00"),
    ] {
        let mut desk = alone();
        let mut asked = purchase(1);
        asked.set(ElementNo::of(no), value.as_bytes());
        assert_eq!(hears(&mut desk, &asked), code, "DE {no} {value}");
        let again = only(&desk.shop_sends(SHOP, 201, &asked));
        assert_eq!(again.code(), code, "and a repeat hears the same");
    }
}

#[test]
fn a_card_has_its_limits_for_each_day() {
    let mut desk = alone();
    assert_eq!(hears(&mut desk, &of(1, "000000001500")), "00");
    assert_eq!(hears(&mut desk, &of(2, "000000001500")), "00");
    assert_eq!(hears(&mut desk, &of(3, "000000000501")), "61", "more than the day's total");
    assert_eq!(hears(&mut desk, &of(4, "000000000500")), "00", "just the day's total");
    assert_eq!(hears(&mut desk, &of(5, "000000000001")), "65", "one more than the day's count");
    let mut other = of(6, "000000001500");
    other.set(ElementNo::PAN, b"4222222222222220");
    assert_eq!(hears(&mut desk, &other), "00", "another card");
    // The power fails: what was approved is not forgotten, whether recovery begins at the beginning or at a carry.
    let records = desk.records.len();
    desk.crashes_after(records);
    go(&mut desk);
    assert_eq!(hears(&mut desk, &of(7, "000000000001")), "65");
    let carried = desk.records.iter().any(|(_, record)| matches!(record, Record::Spent { .. }));
    assert!(carried);
    // The next day is another one.
    desk.orders_cut();
    assert_eq!(hears(&mut desk, &of(8, "000000001500")), "00");
}

#[test]
fn a_reversal_gives_back_what_was_spent_and_follows_the_advice() {
    let mut desk = alone();
    for stan in 1..=2 {
        assert_eq!(hears(&mut desk, &of(stan, "000000001500")), "00");
    }
    assert_eq!(hears(&mut desk, &of(3, "000000001500")), "61");
    let mut undo = reversal(1, 9);
    undo.set(ElementNo::AMOUNT, b"000000001500");
    let told = only(&desk.shop_sends(SHOP, 400, &undo));
    assert_eq!((told.mti, told.code().as_str()), (410, "00"));
    let late = only(&desk.shop_sends(SHOP, 201, &of(1, "000000001500")));
    assert_ne!(late.code(), "00", "what is taken back is declined for ever");
    assert_eq!(hears(&mut desk, &of(4, "000000001500")), "00", "there is room again");
    // The issuer hears first of what was approved, then that it was taken back.
    let (mut heard, mut named) = (Vec::new(), Vec::new());
    let mut seen = comes_back(&mut desk);
    while let Some(first) = seen.first().cloned() {
        heard.push((first.mti, first.text(11)));
        named.extend(Some(first.text(90)).filter(|_| first.mti == 420));
        seen = desk.bank_answers(&first, "00", &[]);
        seen.retain(|seen| seen.session == 31);
    }
    let kinds: Vec<u16> = heard.iter().map(|(mti, _)| *mti).collect();
    assert_eq!(kinds, [220, 220, 420, 220]);
    assert!(named.iter().all(|original| original.starts_with("0220")), "as it knows the original");
    assert!(desk.standings().values().all(|standing| !standing.is_open()));
}

/// An advice that the issuer refuses is for the operator, like any other.
#[test]
fn an_issuer_that_refuses_the_advice() {
    let mut desk = alone();
    assert_eq!(hears(&mut desk, &purchase(1)), "00");
    let advice = only(&comes_back(&mut desk));
    desk.bank_answers(&advice, "05", &[]);
    let standing = desk.standings().into_values().next().unwrap();
    let state = standing.advice.as_ref().map(|debt| debt.state);
    assert_eq!(state, Some(DebtState::Closed(Closing::Dead)));
    assert!(standing.stands_approved(), "what was told stands");
}

/// The asker has gone before it could hear: the advice is followed by a reversal.
#[test]
fn an_approval_in_an_issuers_place_that_nobody_hears_is_reversed() {
    let mut desk = alone();
    let told = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.down(SHOP, vec![told.mark]);
    let mut seen = comes_back(&mut desk);
    let advice = only(&seen);
    assert_eq!(advice.mti, 220);
    seen = desk.bank_answers(&advice, "00", &[]);
    assert_eq!(only(&seen).mti, 420);
}
