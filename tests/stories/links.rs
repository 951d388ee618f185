//! How links stand: who signs on, who signs off, what an operator wants, and what then goes where.

use iso8583d::iso::{ElementNo, Elements};
use iso8583d::switch::{
    Input, LinkOrder, LinkState, LinkView, NetworkCodes, NetworkSettings, Order, OrderId,
    OrderResult, SessionState, Settings, SignOn,
};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, Seen, bank, only, other_bank, purchase, reversal,
    settings, shop,
};

/// The usual desk, with other network management at the first bank.
fn desk_with(change: impl FnOnce(&mut NetworkSettings)) -> Desk {
    let mut settings = settings();
    change(&mut settings.links[1].network);
    Desk::with(settings)
}

fn network(stan: u32, code: &str) -> Elements {
    let mut elements = Elements::default();
    for (no, value) in [(7, "1123183400"), (11, &format!("{stan:06}")), (70, code)] {
        elements.set(ElementNo::of(no), value.as_bytes());
    }
    elements
}

fn view(desk: &Desk) -> LinkView {
    desk.engine.links().into_iter().find(|view| view.id == bank()).unwrap()
}

fn orders(desk: &mut Desk, order: LinkOrder) -> Vec<Seen> {
    desk.seen.clear();
    desk.handle(Input::Ordered { id: OrderId(9), order: Order::Link(bank(), order) });
    assert!(matches!(desk.done.last(), Some(OrderResult::Link(of)) if of.id == bank()));
    desk.seen.clone()
}

/// A purchase of a card whose first bank is the one, and whose second bank is the other.
fn goes_to(desk: &mut Desk, stan: u32) -> u64 {
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
    if asked.mti == 200 {
        let session = asked.session;
        desk.bank_answers(&asked, "00", &[]);
        session
    } else {
        assert_eq!(asked.code(), "91");
        SHOP
    }
}

#[test]
fn a_link_that_we_sign_on_is_open_when_that_is_accepted() {
    let mut desk = desk_with(|network| network.sign_on = SignOn::Send);
    let signing = |desk: &Desk, session| {
        let asked = desk.seen.iter().rev().find(|seen| seen.session == session).unwrap();
        assert_eq!((asked.mti, asked.text(70)), (800, "001".into()));
        asked.clone()
    };
    let first = signing(&desk, BANK);
    assert_eq!(view(&desk).state, LinkState::Sessions(SessionState::SigningOn));
    assert_eq!(goes_to(&mut desk, 1), OTHER_BANK, "the next issuer of the route");
    // Refused, it goes again after a while; accepted, the session is open, and the other one still is not.
    desk.bank_answers(&first, "91", &[]);
    assert_eq!(goes_to(&mut desk, 2), OTHER_BANK);
    let again = desk.passes(10_000);
    assert_eq!(again.iter().filter(|seen| seen.text(70) == "001").count(), 2);
    let again = again.into_iter().find(|seen| seen.session == BANK).unwrap();
    desk.bank_answers(&again, "00", &[]);
    assert_eq!(view(&desk).state, LinkState::Sessions(SessionState::SignedOn));
    assert_eq!(goes_to(&mut desk, 3), BANK);
    assert_eq!(goes_to(&mut desk, 4), BANK);
    // An answer to a sign-on of long ago signs nobody on.
    desk.arrives(BANK, 800, &network(7, "002"));
    desk.bank_answers(&again, "00", &[]);
    assert_eq!(goes_to(&mut desk, 5), OTHER_BANK);
}

#[test]
fn what_a_peer_signs_off_gets_nothing_until_it_signs_on() {
    let mut desk = desk_with(|_| {});
    desk.down(BANK_AGAIN, Vec::new());
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(asked.session, BANK);
    let told = only(&desk.shop_sends(BANK, 800, &network(1, "002")));
    assert_eq!((told.mti, told.code(), told.text(70)), (810, "00".into(), "002".into()));
    assert_eq!(view(&desk).state, LinkState::Sessions(SessionState::Suspended));
    // What is in flight is still answered, and what is owed waits.
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 2));
    assert_eq!(undone.iter().map(|seen| seen.mti).collect::<Vec<_>>(), [430]);
    assert_eq!(goes_to(&mut desk, 3), OTHER_BANK);
    // An echo test is answered all the same.
    assert_eq!(only(&desk.shop_sends(BANK, 800, &network(2, "301"))).code(), "00");
    assert_eq!(goes_to(&mut desk, 4), OTHER_BANK);
    let back = desk.shop_sends(BANK, 800, &network(3, "001"));
    assert_eq!(back.iter().map(|seen| seen.mti).collect::<Vec<_>>(), [810, 420]);
    assert_eq!(goes_to(&mut desk, 5), BANK);
}

#[test]
fn what_comes_together_goes_to_one_session_and_the_next_to_the_next() {
    let mut desk = Desk::new();
    assert_eq!([1, 2, 3].map(|stan| goes_to(&mut desk, stan)), [BANK; 3]);
    desk.passes(1);
    assert_eq!([4, 5].map(|stan| goes_to(&mut desk, stan)), [BANK_AGAIN; 2]);
    desk.passes(1);
    assert_eq!(goes_to(&mut desk, 6), BANK);
}

#[test]
fn sessions_of_a_link_may_share_what_was_said() {
    let mut desk = desk_with(|network| {
        (network.sign_on, network.shared) = (SignOn::Await, true);
    });
    assert_eq!(view(&desk).state, LinkState::Sessions(SessionState::Connected));
    assert_eq!(goes_to(&mut desk, 1), OTHER_BANK);
    desk.arrives(BANK, 800, &network(1, "001"));
    assert_eq!(goes_to(&mut desk, 2), BANK);
    desk.passes(1);
    assert_eq!(goes_to(&mut desk, 3), BANK_AGAIN);
    // Whoever comes later finds it signed on; one sign-off is for all.
    desk.down(BANK, Vec::new());
    desk.up(13, bank());
    assert_eq!(
        view(&desk).sessions.iter().filter(|(_, s)| *s == SessionState::SignedOn).count(),
        2
    );
    desk.arrives(13, 800, &network(2, "002"));
    assert_eq!(goes_to(&mut desk, 4), OTHER_BANK);
    // So does who comes while an operator drains it.
    desk.arrives(13, 800, &network(5, "001"));
    orders(&mut desk, LinkOrder::Drain);
    desk.up(14, bank());
    orders(&mut desk, LinkOrder::Up);
    assert!(view(&desk).sessions.iter().all(|(_, state)| *state == SessionState::SignedOn));
    assert_ne!(goes_to(&mut desk, 6), OTHER_BANK);
}

#[test]
fn the_codes_of_network_management_are_the_links_own() {
    let codes =
        NetworkCodes { sign_on: *b"061", sign_off: *b"062", echo: *b"270", ..NetworkCodes::USUAL };
    let mut desk = desk_with(|network| {
        (network.codes, network.sign_on, network.echo_after_ms) = (codes, SignOn::Await, 5_000);
    });
    assert_eq!(only(&desk.shop_sends(BANK, 800, &network(1, "001"))).code(), "12");
    assert_eq!(goes_to(&mut desk, 1), OTHER_BANK);
    assert_eq!(only(&desk.shop_sends(BANK, 800, &network(2, "061"))).code(), "00");
    assert_eq!(goes_to(&mut desk, 2), BANK);
    let echoes = desk.passes(6_000);
    assert!(!echoes.is_empty() && echoes.iter().all(|seen| seen.text(70) == "270"));
}

#[test]
fn a_drained_link_ends_what_it_began_and_signs_off() {
    let mut desk = desk_with(|network| network.sign_on = SignOn::Send);
    for session in [BANK, BANK_AGAIN] {
        let asked = desk.seen.iter().find(|seen| seen.session == session).unwrap().clone();
        let keep = desk.seen.clone();
        desk.bank_answers(&asked, "00", &[]);
        desk.seen = keep;
    }
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(asked.session, BANK);
    assert!(orders(&mut desk, LinkOrder::Drain).is_empty(), "something is in flight");
    assert_eq!((view(&desk).state, view(&desk).in_flight), (LinkState::Draining, 1));
    assert_eq!(goes_to(&mut desk, 2), OTHER_BANK);
    let told = desk.bank_answers(&asked, "00", &[]);
    let said: Vec<_> = told.iter().map(|seen| (seen.mti, seen.text(70))).collect();
    assert_eq!(
        said,
        [(210, String::new()), (800, "002".into()), (800, "002".into())],
        "the answer, and then both sessions are signed off"
    );
    assert_eq!(goes_to(&mut desk, 3), OTHER_BANK);
    // In service again, it signs on anew.
    let signing = orders(&mut desk, LinkOrder::Up);
    assert_eq!(signing.iter().filter(|seen| seen.text(70) == "001").count(), 2);
    assert_eq!(goes_to(&mut desk, 4), OTHER_BANK);
    desk.bank_answers(&signing[0], "00", &[]);
    assert_eq!(goes_to(&mut desk, 5), BANK);
}

#[test]
fn a_link_out_of_service_is_left_alone_and_what_is_owed_is_kept() {
    let mut desk = desk_with(|_| {});
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    orders(&mut desk, LinkOrder::Down);
    assert_eq!(desk.closed, [BANK, BANK_AGAIN]);
    assert_eq!(desk.doors, [(bank(), false)]);
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    assert_eq!(view(&desk).state, LinkState::Down);
    // Nobody answers any more: declined, and the reversal waits for the link.
    let told = desk.passes(15_000);
    assert_eq!(
        told.iter().map(|seen| (seen.mti, seen.code())).collect::<Vec<_>>(),
        [(210, "91".into())]
    );
    // Who comes all the same is hung up on.
    desk.up(13, bank());
    assert_eq!(desk.closed, [BANK, BANK_AGAIN, 13]);
    desk.down(13, Vec::new());
    orders(&mut desk, LinkOrder::Up);
    assert_eq!(desk.doors, [(bank(), false), (bank(), true)]);
    desk.seen.clear();
    desk.up(14, bank());
    let owed = only(&desk.seen);
    assert_eq!((owed.session, owed.mti), (14, 420));
    assert_eq!(owed.text(90).get(4..10), Some(asked.text(11).as_str()));
}

/// New requests of a link that is drained are declined; copies of what was asked before hear what they must.
#[test]
fn an_asker_that_is_drained_hears_the_end_of_what_it_asked() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.handle(Input::Ordered { id: OrderId(1), order: Order::Link(shop(), LinkOrder::Drain) });
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).code(), "91");
    assert!(desk.shop_sends(SHOP, 201, &purchase(1)).is_empty(), "a copy waits");
    let told = desk.bank_answers(&asked, "00", &[]);
    assert_eq!(told.iter().map(Seen::code).collect::<Vec<_>>(), ["00", "00"]);
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 3));
    let taken = undone.iter().any(|seen| seen.mti == 430 && seen.code() == "00");
    assert!(taken, "what undoes is never refused");
    desk.handle(Input::Ordered { id: OrderId(2), order: Order::Link(shop(), LinkOrder::Up) });
    assert!([BANK, BANK_AGAIN].contains(&goes_to(&mut desk, 4)));
}

#[test]
fn a_session_that_has_yet_to_sign_on_asks_nothing() {
    let mut settings = settings();
    settings.links[0].network.sign_on = SignOn::Await;
    let mut desk = Desk::with(Settings { ..settings });
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).code(), "91");
    desk.arrives(SHOP, 800, &network(2, "001"));
    assert_eq!(goes_to(&mut desk, 3), BANK);
    assert_eq!(other_bank(), desk.engine.links().iter().find(|l| l.id == other_bank()).unwrap().id);
}

#[test]
fn three_missed_echo_tests_end_a_session_and_an_order_makes_one() {
    let mut desk = desk_with(|_| {});
    let echoes = orders(&mut desk, LinkOrder::Echo);
    assert_eq!(
        echoes.iter().map(|seen| (seen.session, seen.text(70))).collect::<Vec<_>>(),
        [(BANK, "301".into()), (BANK_AGAIN, "301".into())]
    );
    desk.bank_answers(&echoes[0], "00", &[]);
    // Who has yet to answer one is not asked again, and goes on missing it.
    let again = only(&orders(&mut desk, LinkOrder::Echo));
    assert_eq!(again.session, BANK);
    desk.bank_answers(&again, "00", &[]);
    desk.passes(10_000);
    desk.passes(10_000);
    assert!(desk.closed.is_empty());
    desk.passes(10_000);
    assert_eq!(desk.closed, [BANK_AGAIN]);
}
