//! Stories of where a request goes: by what it says besides its card, and among the ready links of its route.

use iso8583d::iso::{Currency, ElementNo};
use iso8583d::record::LinkId;
use iso8583d::route::{CardRange, Conditions, Rule, Share, Table};
use iso8583d::switch::Settings;

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, bank, only, other_bank, purchase, settings,
};

fn rule(when: Conditions, to: &[LinkId], share: Share) -> Rule {
    let cards = vec![CardRange::parse("4").unwrap()];
    Rule { cards, when, to: to.to_vec(), share, stays: false }
}

fn desk_with(rules: &[Rule]) -> Desk {
    Desk::with(Settings { routes: Table::new(rules), ..settings() })
}

fn shared(share: Share) -> Desk {
    desk_with(&[rule(Conditions::default(), &[bank(), other_bank()], share)])
}

/// Where so many purchases go: 1 for the bank, 2 for the other one, 0 for a decline; each is answered.
fn where_they_go(desk: &mut Desk, stans: std::ops::Range<u32>) -> Vec<u8> {
    let mut went = Vec::new();
    for stan in stans {
        let seen = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
        went.push(match seen.session {
            BANK | BANK_AGAIN => 1,
            OTHER_BANK => 2,
            _ => 0,
        });
        if seen.mti == 200 {
            desk.bank_answers(&seen, "00", &[]);
        }
    }
    went
}

/// All of them must hold; the message that has one thing otherwise goes where the rest goes.
#[test]
fn routing_looks_at_what_a_message_says() {
    let when = Conditions {
        processing_code: b"00".to_vec(),
        amount: Some((1_000, 2_000)),
        merchant_types: vec![(5400, 5499)],
        entry_modes: vec![*b"05"],
        acquirers: vec![b"123456".to_vec()],
        merchants: vec![b"MERCHANT0000001".to_vec()],
        currencies: vec![Currency::new(978).unwrap()],
        ..Conditions::default()
    };
    let all = rule(Conditions::default(), &[bank()], Share::First);
    let mut desk = desk_with(&[rule(when, &[other_bank()], Share::First), all]);
    let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(sent.session, OTHER_BANK);
    for (stan, (no, value)) in (2..).zip([
        (3, "200000"),
        (4, "000000000999"),
        (4, "000000002001"),
        (18, "5500"),
        (22, "011"),
        (32, "123457"),
        (42, "MERCHANT0000002"),
        (49, "840"),
    ]) {
        let mut other = purchase(stan);
        other.set(ElementNo::new(no).unwrap(), value.as_bytes());
        let sent = only(&desk.shop_sends(SHOP, 200, &other));
        assert!([BANK, BANK_AGAIN].contains(&sent.session), "DE {no} {value}");
    }
    let mut without = purchase(20);
    without.remove(ElementNo::of(18));
    assert_ne!(only(&desk.shop_sends(SHOP, 200, &without)).session, OTHER_BANK);
}

#[test]
fn routing_in_turns_passes_over_links_that_are_down() {
    let mut desk = shared(Share::Turns);
    assert_eq!(where_they_go(&mut desk, 0..4), [1, 2, 1, 2]);
    desk.down(OTHER_BANK, Vec::new());
    assert_eq!(where_they_go(&mut desk, 4..7), [1, 1, 1]);
    desk.up(OTHER_BANK, other_bank());
    assert_eq!(where_they_go(&mut desk, 7..11), [1, 2, 1, 2]);
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    desk.down(OTHER_BANK, Vec::new());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(20))).code(), "91");
}

#[test]
fn routing_by_weights_keeps_their_proportion() {
    let mut desk = shared(Share::Weights(vec![3, 1]));
    assert_eq!(where_they_go(&mut desk, 0..8), [1, 1, 2, 1, 1, 1, 2, 1]);
}

/// A link without room is passed over like one that is down; without any room the request is declined for lack of it.
#[test]
fn routing_passes_over_links_without_room() {
    let mut with = settings();
    let rule = rule(Conditions::default(), &[bank(), other_bank()], Share::First);
    with.routes = Table::new(&[rule]);
    with.links.iter_mut().for_each(|link| link.in_flight_max = 2);
    with.links[0].in_flight_max = 100;
    let mut desk = Desk::with(with);
    let mut sessions = Vec::new();
    for stan in 0..4 {
        sessions.push(only(&desk.shop_sends(SHOP, 200, &purchase(stan))).session);
    }
    assert!(sessions[..2].iter().all(|session| [BANK, BANK_AGAIN].contains(session)));
    assert_eq!(sessions[2..], [OTHER_BANK; 2]);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(9))).code(), "96");
}
