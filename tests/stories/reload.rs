//! Other settings while it runs: what stays as it is, what goes on with other limits, what begins anew, and what is not taken away.

use std::collections::BTreeSet;
use std::sync::Arc;

use iso8583d::dialect::Dialect;
use iso8583d::mapping::Tongue;
use iso8583d::record::{Approval, LinkId, Lsn, Outcome};
use iso8583d::route::{CardRange, Rule, Table};
use iso8583d::switch::{
    Change, Input, LinkOrder, LinkState, LinkView, NotReloaded, Order, OrderId, OrderResult, Owes,
    Settings, SignOn,
};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, Seen, bank, only, other_bank, purchase, reversal,
    settings, shop,
};

/// The configuration is read again, with these settings and these links anew; gives what is sent because of it.
fn reload_anew(desk: &mut Desk, settings: &Settings, anew: &[LinkId]) -> (OrderResult, Vec<Seen>) {
    desk.seen.clear();
    let listed = desk.engine.tail();
    let anew: BTreeSet<LinkId> = anew.iter().copied().collect();
    let change = Change { settings: settings.clone(), same_routes: false, anew, listed };
    desk.handle(Input::Reload { id: OrderId(3), change: Box::new(change) });
    (desk.done.pop().unwrap(), desk.seen.clone())
}

fn reload(desk: &mut Desk, settings: &Settings) -> OrderResult {
    reload_anew(desk, settings, &[]).0
}

/// The usual settings without the first bank: its cards go to the other one.
fn without_bank() -> Settings {
    let mut settings = settings();
    settings.links.retain(|link| link.id != bank());
    settings.routes = to(&[other_bank()]);
    settings
}

fn to(links: &[LinkId]) -> Table {
    let cards = vec![CardRange::parse("4").unwrap(), CardRange::parse("5").unwrap()];
    Table::new(&[Rule { cards, to: links.to_vec(), ..Rule::default() }])
}

/// What keeps links from being taken away; nothing where nothing does.
fn refused(result: OrderResult) -> Vec<Owes> {
    match result {
        OrderResult::NotReloaded(NotReloaded::Owes(owes)) => owes,
        _ => Vec::new(),
    }
}

fn view(desk: &Desk, link: LinkId) -> Option<LinkView> {
    desk.engine.links().into_iter().find(|view| view.id == link)
}

#[test]
fn what_did_not_change_keeps_its_sessions_and_what_is_in_flight() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let before = desk.engine.links();
    let mut changed = settings();
    changed.links[2].timeout_ms = 20_000;
    assert_eq!(reload(&mut desk, &changed), OrderResult::Reloaded);
    assert_eq!(desk.engine.links(), before);
    assert!(desk.closed.is_empty() && desk.doors.is_empty() && desk.reopened.is_empty());
    let told = only(&desk.bank_answers(&asked, "00", &[]));
    assert_eq!((told.session, told.code()), (SHOP, "00".into()));
}

#[test]
fn limits_and_routes_change_while_sessions_stand() {
    let mut desk = Desk::new();
    let first = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let mut changed = settings();
    changed.links[1].timeout_ms = 5_000;
    changed.links[1].in_flight_max = 2;
    changed.links[0].network.echo_after_ms = 30_000;
    assert_eq!(reload(&mut desk, &changed), OrderResult::Reloaded);
    let second = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    let third = only(&desk.shop_sends(SHOP, 200, &purchase(3)));
    assert!(first.session < OTHER_BANK && second.session < OTHER_BANK);
    assert_eq!(third.session, OTHER_BANK, "there is room for two");
    // Who was asked before has the time that it was given then.
    let told = desk.passes(5_000);
    assert_eq!(told.iter().filter(|seen| seen.session == SHOP && seen.code() == "91").count(), 1);
    assert_eq!(told.iter().find(|seen| seen.session == SHOP).unwrap().text(11), "000002");
    assert!(!desk.bank_answers(&first, "00", &[]).is_empty());
    // Nobody had asked a session for an echo before.
    assert!(desk.passes(25_000).iter().any(|seen| seen.mti == 800 && seen.session == SHOP));
    changed.routes = to(&[other_bank()]);
    assert_eq!(reload(&mut desk, &changed), OrderResult::Reloaded);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(4))).session, OTHER_BANK);
}

#[test]
fn a_link_that_owes_or_is_asked_is_not_taken_away() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let owes = refused(reload(&mut desk, &without_bank()));
    assert_eq!(owes, [Owes { link: bank(), in_flight: 1, ..Owes::default() }]);
    // Nothing has changed: not the routes either.
    let second = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    assert!(second.session < OTHER_BANK);
    desk.bank_answers(&second, "51", &[]);
    let told = desk.passes(15_000);
    let undo = told.iter().find(|seen| seen.mti == 420).unwrap().clone();
    let owes = refused(reload(&mut desk, &without_bank()));
    assert_eq!(owes, [Owes { link: bank(), reversals: 1, ..Owes::default() }]);
    // It may have been approved all the same: that is asked once more.
    desk.bank_answers(&undo, "00", &[]);
    let owes = refused(reload(&mut desk, &without_bank()));
    assert_eq!(owes, [Owes { link: bank(), unconfirmed: 1, ..Owes::default() }]);
    let again = only(&desk.passes(60_000));
    desk.bank_answers(&again, "00", &[]);
    desk.closed.clear();
    assert_eq!(reload(&mut desk, &without_bank()), OrderResult::Reloaded);
    assert_eq!(desk.closed, [BANK, BANK_AGAIN]);
    assert_eq!(desk.doors, [(bank(), false)]);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(3))).session, OTHER_BANK);
    // Its sessions end, and somebody who came just then does not stay.
    desk.down(BANK, Vec::new());
    assert!(view(&desk, bank()).is_some());
    desk.up(31, bank());
    assert_eq!(desk.closed.last(), Some(&31));
    desk.down(31, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    assert_eq!(view(&desk, bank()), None);
    desk.up(32, bank());
    assert_eq!(desk.closed.last(), Some(&32));
    let stray = desk.bank_answers_on(32, &asked, "00", &[]);
    assert!(stray.is_empty());
}

#[test]
fn an_asker_with_a_request_in_flight_is_not_taken_away() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let mut without_shop = settings();
    without_shop.links.retain(|link| link.id != shop());
    let owes = refused(reload(&mut desk, &without_shop));
    assert_eq!(owes, [Owes { link: shop(), asking: 1, ..Owes::default() }]);
    desk.bank_answers(&asked, "00", &[]);
    assert_eq!(reload(&mut desk, &without_shop), OrderResult::Reloaded);
    // What is asked while the sessions end is declined, in words that the asker knows.
    let declined = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    assert_eq!((declined.session, declined.code()), (SHOP, "91".into()));
}

/// A dead letter that was listed after the books had been looked through is not overlooked.
#[test]
fn what_came_on_the_list_meanwhile_keeps_a_link() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[]);
    let undo = desk.shop_sends(SHOP, 420, &reversal(1, 2));
    let undo =
        undo.iter().find(|seen| seen.session < OTHER_BANK && seen.mti == 420 && seen.session > 2);
    let looked_at = desk.engine.tail();
    desk.bank_answers(&undo.unwrap().clone(), "57", &[]);
    let change = |listed: Lsn| {
        let change =
            Change { settings: without_bank(), same_routes: false, anew: BTreeSet::new(), listed };
        Input::Reload { id: OrderId(3), change: Box::new(change) }
    };
    desk.handle(change(looked_at));
    let owes = refused(desk.done.pop().unwrap());
    assert_eq!(owes, [Owes { link: bank(), listed: true, ..Owes::default() }]);
    // Whoever looks again sees it, and says so.
    desk.handle(change(desk.engine.tail()));
    assert_eq!(desk.done.pop(), Some(OrderResult::Reloaded));
}

#[test]
fn a_link_begins_anew_when_nothing_is_in_flight() {
    let mut settings = settings();
    settings.links[1].network.sign_on = SignOn::Send;
    let mut desk = Desk::with(settings.clone());
    let signing: Vec<Seen> = desk.seen.iter().filter(|seen| seen.mti == 800).cloned().collect();
    for asked in &signing {
        desk.bank_answers(asked, "00", &[]);
    }
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let mut changed = settings;
    changed.links[1].tongue = Tongue::plain(Arc::new(Dialect::shipped("iso87-ebcdic").unwrap()));
    let (result, said) = reload_anew(&mut desk, &changed, &[bank()]);
    assert_eq!(result, OrderResult::Reloaded);
    assert!(said.is_empty() && desk.closed.is_empty(), "something is in flight");
    assert_eq!(view(&desk, bank()).unwrap().state, LinkState::Draining);
    // Another reload waits for that, and nothing new goes there.
    let again = reload(&mut desk, &changed);
    assert_eq!(again, OrderResult::NotReloaded(NotReloaded::Parting(bank())));
    let elsewhere = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    assert_eq!(elsewhere.session, OTHER_BANK);
    // The answer comes in the words of its session; then both are signed off, and end.
    let told = desk.bank_answers(&asked, "00", &[]);
    let said: Vec<_> = told.iter().map(|seen| (seen.mti, seen.text(70))).collect();
    assert_eq!(said, [(210, String::new()), (800, "002".into()), (800, "002".into())]);
    assert_eq!(desk.closed, [BANK, BANK_AGAIN]);
    desk.down(BANK, Vec::new());
    assert!(desk.reopened.is_empty());
    desk.down(BANK_AGAIN, Vec::new());
    assert_eq!(desk.reopened, [bank()]);
    assert_eq!(desk.doors, [(bank(), false), (bank(), true)]);
    // From here on its peers speak otherwise.
    desk.settings = changed.clone();
    desk.seen.clear();
    desk.up(31, bank());
    let signing = only(&desk.seen.clone());
    assert_eq!((signing.session, signing.text(70)), (31, "001".into()));
    desk.bank_answers(&signing, "00", &[]);
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(3)));
    assert_eq!(asked.session, 31);
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
    assert_eq!(reload(&mut desk, &changed), OrderResult::Reloaded);
}

#[test]
fn an_operators_word_holds_for_a_link_that_begins_anew() {
    let mut desk = Desk::new();
    desk.orders(Order::Link(bank(), LinkOrder::Down));
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    desk.doors.clear();
    let (result, _) = reload_anew(&mut desk, &settings(), &[bank()]);
    assert_eq!(result, OrderResult::Reloaded);
    assert_eq!(desk.reopened, [bank()]);
    assert_eq!(desk.doors.last(), Some(&(bank(), false)));
    desk.up(31, bank());
    assert_eq!(desk.closed.last(), Some(&31));
}

/// What is undone after its link went is owed to that name, and goes when the name is there again.
#[test]
fn what_is_owed_to_a_link_that_went_goes_when_it_comes_back() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[]);
    assert_eq!(reload(&mut desk, &without_bank()), OrderResult::Reloaded);
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    let told = only(&desk.shop_sends(SHOP, 420, &reversal(1, 2)));
    assert_eq!((told.mti, told.code()), (430, "00".into()));
    assert_eq!(reload(&mut desk, &settings()), OrderResult::Reloaded);
    desk.seen.clear();
    desk.up(31, bank());
    let undo = only(&desk.seen.clone());
    assert_eq!((undo.session, undo.mti), (31, 420));
    // Under a pair that was never given before, though the link was away.
    assert_ne!(undo.text(11), asked.text(11));
    desk.bank_answers(&undo, "00", &[]);
    let standing = desk.standings().into_values().next().unwrap();
    assert!(matches!(standing.outcome, Outcome::Answered { .. }));
    assert_eq!(standing.heard, Approval::Approved);
    assert_eq!(reload(&mut desk, &without_bank()), OrderResult::Reloaded);
}

#[test]
fn a_network_that_is_to_echo_otherwise_needs_a_restart() {
    let mut desk = Desk::new();
    let text = Dialect::shipped_text("iso87-bcd").unwrap();
    let echo = text.lines().find(|line| line.starts_with("echo")).unwrap();
    let other = text.replace(echo, &echo.replace(" 7 ", " "));
    let mut changed = settings();
    changed.links[1].tongue = Tongue::plain(Arc::new(Dialect::parse(&other).unwrap()));
    let (result, _) = reload_anew(&mut desk, &changed, &[bank()]);
    assert_eq!(result, OrderResult::NotReloaded(NotReloaded::Timing(bank())));
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).session, BANK);
}

#[test]
fn recovery_knows_what_was_decided_under_either_settings() {
    let mut desk = Desk::new();
    let first = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&first, "00", &[]);
    assert_eq!(reload(&mut desk, &without_bank()), OrderResult::Reloaded);
    let second = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    desk.settings = without_bank();
    let again = desk.crashes_after(usize::MAX);
    let undo = again.iter().find(|seen| seen.mti == 421 || seen.mti == 420).unwrap();
    assert_eq!((undo.session, undo.text(11)), (OTHER_BANK, undo.text(11)));
    assert!(undo.text(90).contains(&second.text(11)));
    let told = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!(told.code(), "00");
}

#[test]
fn as_the_process_ends_we_sign_off_where_nothing_is_in_flight() {
    let mut settings = settings();
    settings.links[1].network.sign_on = SignOn::Send;
    let mut desk = Desk::with(settings);
    let signing: Vec<Seen> = desk.seen.iter().filter(|seen| seen.mti == 800).cloned().collect();
    for asked in &signing {
        desk.bank_answers(asked, "00", &[]);
    }
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.seen.clear();
    desk.handle(Input::Drain);
    assert!(desk.seen.is_empty(), "something is in flight");
    let declined = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    assert_eq!(declined.code(), "91");
    let told = desk.bank_answers(&asked, "00", &[]);
    let said: Vec<_> = told.iter().map(|seen| (seen.mti, seen.text(70))).collect();
    assert_eq!(said, [(210, String::new()), (800, "002".into()), (800, "002".into())]);
    assert_eq!(desk.engine.farewells(), 2);
    for farewell in &told[1..] {
        desk.bank_answers(farewell, "00", &[]);
    }
    assert_eq!(desk.engine.farewells(), 0);
}
