//! Stories of partial reversals: an approval that stands, for less than was approved. One original has one of them, whoever asks.

use std::sync::Arc;

use iso8583d::clearing::{self, Capture, Part};
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements};
use iso8583d::mapping::{self, Tongue};
use iso8583d::record::{Closing, DebtState, LinkId, Owing, Reason, Remark, TxnId};
use iso8583d::seal::Keys;
use iso8583d::switch::{
    Change, Input, LateApproval, Note, Order, OrderId, OrderResult, Settings, StandIn, Undelivered,
};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, Seen, bank, elements, only, purchase,
    reversal, settings, shop,
};
use super::the_only_standing;

/// Element 95 that leaves so much.
fn left(amount: u64) -> String {
    format!("{amount:012}{:030}", 0)
}

/// The shop wants 10.00 to be so much.
fn lowering(stan: u32, own: u32, amount: u64) -> Elements {
    let mut lowering = reversal(stan, own);
    lowering.set(ElementNo::of(95), left(amount).as_bytes());
    lowering
}

/// A purchase that the bank approved and the shop heard; gives it as the bank saw it.
fn approved(desk: &mut Desk, stan: u32) -> Seen {
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
    let told = only(&desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]));
    desk.handle(Input::Begun { marks: vec![told.mark] });
    asked
}

/// What the shop is told, and what goes to the bank.
fn told_and_sent(seen: &[Seen]) -> (String, Option<Seen>) {
    let told = seen.iter().find(|seen| [SHOP, SHOP_AGAIN].contains(&seen.session)).unwrap();
    let sent = seen.iter().find(|seen| ![SHOP, SHOP_AGAIN].contains(&seen.session));
    (told.code(), sent.cloned())
}

/// Lowers the first purchase to 4.00; gives what goes to the bank.
fn lowered(desk: &mut Desk) -> Seen {
    let (told, sent) = told_and_sent(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 400)));
    assert_eq!(told, "00");
    sent.unwrap()
}

#[test]
fn a_purchase_is_lowered_and_stays_approved() {
    let mut desk = Desk::new();
    let asked = approved(&mut desk, 1);
    let sent = lowered(&mut desk);
    assert!([BANK, BANK_AGAIN].contains(&sent.session) && sent.mti == 420);
    assert_eq!((sent.text(4), sent.text(95)), ("000000001000".into(), left(400)));
    let original = format!("0200{}{}", asked.text(11), asked.text(7));
    assert!(sent.text(90).starts_with(&original), "element 90 as the issuer knows it");
    let again = only(&desk.passes(10_000));
    assert_eq!((again.mti, again.text(11), again.text(95)), (421, sent.text(11), left(400)));
    desk.bank_answers(&again, "00", &[]);
    assert!(desk.passes(60_000).is_empty());
    let standing = the_only_standing(&desk);
    assert!(standing.stands_approved() && !standing.is_open());
    assert_eq!((standing.lowered, standing.granted()), (Some(400), Some(1000)));
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((again.code(), again.text(38)), ("00".into(), "A1B2C3".into()));
    // It clears for what is left.
    let keys = Keys::new(&[3; 32]);
    let capture = Capture::of(&standing, Part::Standing, &keys).unwrap();
    assert!(clearing::claims(&standing));
    assert_eq!(capture.amount().minor, 400);
}

#[test]
fn one_original_has_one_reversal_and_its_repeat_hears_the_same() {
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    let sent = lowered(&mut desk);
    let records = desk.records.len();
    for (session, mti) in [(SHOP, 421), (SHOP_AGAIN, 420)] {
        let told = only(&desk.shop_sends(session, mti, &lowering(1, 2, 400)));
        assert_eq!(told.code(), "00", "{mti}");
    }
    assert_eq!(desk.records.len(), records, "and nothing is booked twice");
    // Another amount under the same trace number, another one, and all of it.
    assert_eq!(only(&desk.shop_sends(SHOP, 421, &lowering(1, 2, 300))).code(), "94");
    for undo in [lowering(1, 3, 300), lowering(1, 4, 400)] {
        assert!(desk.shop_sends(SHOP, 420, &undo).is_empty(), "the books are asked for its key");
        assert_eq!(only(&desk.books_answer()).code(), "94");
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &reversal(1, 5))).code(), "94");
    let audits = desk.notes.iter().filter(|note| matches!(note, Note::OtherContent { .. }));
    assert_eq!(audits.count(), 4);
    desk.bank_answers(&sent, "00", &[]);
    assert_eq!(the_only_standing(&desk).lowered, Some(400));
}

#[test]
fn a_repeat_of_it_that_memory_forgot_hears_the_same() {
    let mut desk = Desk::with(Settings { window_ms: 1000, ..settings() });
    approved(&mut desk, 1);
    let sent = lowered(&mut desk);
    desk.bank_answers(&sent, "00", &[]);
    desk.passes(700_000);
    desk.shop_sends(SHOP, 200, &purchase(7));
    assert!(desk.shop_sends(SHOP, 421, &lowering(1, 2, 400)).is_empty(), "the books are asked");
    assert!(desk.books_answer().is_empty(), "for its original, and then for itself");
    assert_eq!(only(&desk.books_answer()).code(), "00");
    // And an original that memory forgot is lowered.
    let mut desk = Desk::with(Settings { window_ms: 1000, ..settings() });
    approved(&mut desk, 1);
    desk.passes(700_000);
    desk.shop_sends(SHOP, 200, &purchase(7));
    assert!(desk.shop_sends(SHOP, 420, &lowering(1, 2, 400)).is_empty());
    let (told, sent) = told_and_sent(&desk.books_answer());
    assert_eq!((told.as_str(), sent.unwrap().text(95)), ("00", left(400)));
}

/// Nobody knows yet what it would be lowered from: its sender says it again, and is heard.
#[test]
fn what_is_in_flight_is_lowered_later() {
    for mti in [400, 420] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let records = desk.records.len();
        assert_eq!(only(&desk.shop_sends(SHOP, mti, &lowering(1, 2, 400))).code(), "96");
        assert_eq!(desk.records.len(), records, "it changes nothing");
        assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
        let (told, sent) = told_and_sent(&desk.shop_sends(SHOP, mti + 1, &lowering(1, 2, 400)));
        assert_eq!((told.as_str(), sent.unwrap().mti), ("00", 420), "{mti}");
    }
}

#[test]
fn what_does_not_stand_is_not_lowered() {
    // Never seen: should it come, it is what it would have been.
    let mut desk = Desk::new();
    assert!(desk.shop_sends(SHOP, 420, &lowering(1, 2, 400)).is_empty(), "the books are asked");
    assert_eq!(only(&desk.books_answer()).code(), "25");
    assert_eq!(only(&desk.shop_sends(SHOP, 421, &lowering(1, 2, 400))).code(), "25");
    assert!(desk.standings().is_empty());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).session, BANK);
    // Declined.
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "05", &[]);
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 400))).code(), "25");
    // Out of time: a reversal is owed.
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 200, &purchase(1));
    desk.passes(15_000);
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 400))).code(), "25");
    assert_eq!(the_only_standing(&desk).lowered, None);
    // Reversed.
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    desk.shop_sends(SHOP, 420, &reversal(1, 2));
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &lowering(1, 3, 400))).code(), "25");
    assert!(!the_only_standing(&desk).stands_approved());
}

#[test]
fn an_amount_that_lowers_nothing_changes_nothing() {
    for (changes, code) in [
        (&[(95, left(1000))][..], "13"),
        (&[(95, left(1001))], "13"),
        (&[(95, format!("00000000040X{:030}", 0))], "30"),
        (&[(95, left(400)), (49, "840".into())], "94"),
        (&[(95, left(400)), (4, "000000002000".into())], "94"),
    ] {
        let mut desk = Desk::new();
        approved(&mut desk, 1);
        let records = desk.records.len();
        let mut undo = reversal(1, 2);
        for (no, value) in changes {
            undo.set(ElementNo::of(*no), value.as_bytes());
        }
        assert_eq!(only(&desk.shop_sends(SHOP, 420, &undo)).code(), code, "{changes:?}");
        assert_eq!(only(&desk.shop_sends(SHOP, 421, &undo)).code(), code, "{changes:?}");
        assert_eq!(desk.records.len(), records);
        assert!(the_only_standing(&desk).stands_approved());
    }
    // Of a partial approval, what was granted counts.
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "10", &[(4, "000000000600")]);
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 700))).code(), "13");
    let (told, _) = told_and_sent(&desk.shop_sends(SHOP, 420, &lowering(1, 3, 500)));
    assert_eq!(told, "00");
    // Nothing but zeros is all of it.
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    let (told, sent) = told_and_sent(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 0)));
    assert_eq!((told.as_str(), sent.unwrap().text(95).as_str()), ("00", ""));
    assert!(!the_only_standing(&desk).stands_approved());
}

/// The bank's network knows no replacement amounts.
fn without_replacements() -> Settings {
    let mut settings = settings();
    let whole = Dialect::shipped_text("iso87-ascii").unwrap().replace("\n   95 ", "\n#  95 ");
    let short = Dialect::parse(whole.split_once("\nparts  95").unwrap().0);
    for link in settings.links.iter_mut().filter(|link| link.id == bank()) {
        link.tongue = Tongue::plain(Arc::new(short.clone().unwrap()));
    }
    settings
}

/// It was accepted while the network could say it, and goes when it cannot: without element 95 it would undo all.
#[test]
fn what_its_network_can_say_no_more_is_for_the_operator() {
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    for session in [BANK, BANK_AGAIN] {
        desk.down(session, Vec::new());
    }
    let (told, sent) = told_and_sent(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 400)));
    assert!(told == "00" && sent.is_none());
    let (settings, listed) = (without_replacements(), desk.engine.tail());
    let anew = std::iter::once(bank()).collect();
    let change = Change { settings: settings.clone(), same_routes: false, anew, listed };
    desk.handle(Input::Reload { id: OrderId(3), change: Box::new(change) });
    desk.settings = settings;
    desk.seen.clear();
    desk.up(31, bank());
    assert!(desk.seen.iter().all(|seen| seen.mti != 420));
    let standing = the_only_standing(&desk);
    assert_eq!(standing.reversal.unwrap().state, DebtState::Closed(Closing::Dead));
    assert_eq!(standing.lowered, Some(400));
}

/// What its issuer's network cannot say would undo all of it there.
#[test]
fn an_issuer_whose_network_knows_no_replacement_amounts_is_not_asked() {
    let mut desk = Desk::with(without_replacements());
    approved(&mut desk, 1);
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 400))).code(), "12");
    assert_eq!(the_only_standing(&desk).lowered, None);
}

#[test]
fn a_refused_one_is_for_the_operator_and_the_lowered_amount_stands() {
    for code in ["12", "25"] {
        let mut desk = Desk::new();
        approved(&mut desk, 1);
        let sent = lowered(&mut desk);
        desk.bank_answers(&sent, code, &[]);
        let standing = the_only_standing(&desk);
        let debt = standing.reversal.clone().unwrap();
        assert_eq!((debt.state, debt.reason), (DebtState::Closed(Closing::Dead), Reason::Lowered));
        assert!(standing.stands_approved() && standing.lowered == Some(400));
        let by = Remark::name("anna").unwrap();
        let order = Order::Requeue { txn: standing.id, owing: Some(Owing::Reversal), by };
        let again = only(&desk.orders(order));
        assert_eq!((again.mti, again.text(95)), (420, left(400)));
        assert_ne!(again.text(11), sent.text(11), "under a fresh pair");
        desk.bank_answers(&again, "00", &[]);
        assert!(!the_only_standing(&desk).is_open());
    }
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    let sent = lowered(&mut desk);
    desk.bank_answers(&sent, "96", &[]);
    assert_eq!(only(&desk.passes(10_000)).mti, 421, "a retry code goes again");
}

/// Whoever wants less has heard that it was approved.
#[test]
fn what_was_lowered_was_heard() {
    let mut desk = Desk::with(Settings { undelivered: Undelivered::Reverse, ..settings() });
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let told = only(&desk.bank_answers(&asked, "00", &[]));
    desk.shop_sends(SHOP_AGAIN, 420, &lowering(1, 2, 400));
    desk.down(SHOP, vec![told.mark]);
    assert!(the_only_standing(&desk).stands_approved(), "though no byte of that copy left");
    let records = desk.records.len();
    let again = only(&desk.crashes_after(records));
    assert_eq!((again.mti, again.text(95)), (421, left(400)));
    assert!(the_only_standing(&desk).stands_approved());
}

#[test]
fn a_crash_between_leaves_all_of_it_or_nothing_of_it() {
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    let before = desk.records.len();
    lowered(&mut desk);
    let after = desk.records.len();
    assert_eq!(after, before + 1, "one record says it all");
    let again = only(&desk.crashes_after(after));
    assert_eq!((again.mti, again.text(95)), (421, left(400)));
    assert_eq!(only(&desk.shop_sends(SHOP, 421, &lowering(1, 2, 400))).code(), "00");
    let mut desk = Desk::new();
    approved(&mut desk, 1);
    lowered(&mut desk);
    assert!(desk.crashes_after(before).is_empty(), "nobody was told, and nothing is owed");
    assert_eq!(the_only_standing(&desk).lowered, None);
    let (told, _) = told_and_sent(&desk.shop_sends(SHOP, 421, &lowering(1, 2, 400)));
    assert_eq!(told, "00", "its asker says it again");
}

/// After the cut the claim for all of it is made; the next day takes the difference back.
#[test]
fn what_was_lowered_after_the_cut_gives_the_difference_back() {
    let mut desk = Desk::new();
    let asked = approved(&mut desk, 1);
    desk.orders_cut();
    assert!(matches!(desk.done[..], [OrderResult::Cut { .. }]));
    lowered(&mut desk);
    let (standing, keys) = (the_only_standing(&desk), Keys::new(&[3; 32]));
    assert_eq!(standing.id, super::txn_of(&asked));
    let amount = |part| Capture::of(&standing, part, &keys).unwrap().amount().minor;
    assert_eq!(amount(Part::Approved), 1000);
    assert_eq!(amount(Part::Difference), 600);
}

fn of_1993(link: LinkId, dialect: &str) -> Desk {
    let mut settings = settings();
    let wire = Arc::new(Dialect::shipped(dialect).unwrap());
    let mut links = settings.links.iter_mut();
    links.find(|other| other.id == link).unwrap().tongue =
        Tongue::new(wire, mapping::Settings::default()).unwrap();
    Desk::with(settings)
}

#[test]
fn a_terminal_of_1987_lowers_at_an_issuer_of_1993() {
    let mut desk = of_1993(bank(), "iso93-ascii");
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "000", &[(38, "A1B2C3")]);
    let sent = lowered(&mut desk);
    assert_eq!(sent.mti, 1420);
    for (no, value) in [
        (4, "000000000400"),
        (24, "401"),
        (25, "4004"),
        (30, "000000001000000000000000"),
        (90, ""),
        (95, ""),
    ] {
        assert_eq!(sent.text(no), value, "DE {no}");
    }
    assert!(sent.text(56).starts_with(&format!("1200{}", asked.text(11))));
    // It repeats the amount that it was told.
    assert!(desk.bank_answers(&sent, "400", &[]).is_empty());
    assert!(!the_only_standing(&desk).is_open());
}

#[test]
fn a_terminal_of_1993_lowers_at_an_issuer_of_1987() {
    let mut desk = of_1993(shop(), "iso93-bcd");
    let pay = elements(&[
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1123173400"),
        (11, "000001"),
        (12, "261123183400"),
        (24, "200"),
        (32, "123456"),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (49, "978"),
    ]);
    let asked = only(&desk.shop_sends(SHOP, 1200, &pay));
    desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
    let mut undo = pay;
    for (no, value) in [
        (4, "000000001000"),
        (7, "1123173500"),
        (11, "000002"),
        (24, "401"),
        (25, "4004"),
        (30, "000000001000000000000000"),
        (56, "120000000126112318340006123456"),
    ] {
        undo.set(ElementNo::of(no), value.as_bytes());
    }
    let told = only(&desk.shop_sends(SHOP, 1420, &undo));
    assert_eq!(told.code(), "110", "nothing to lower");
    undo.set(ElementNo::AMOUNT, b"000000000400");
    undo.set(ElementNo::STAN, b"000003");
    let seen = desk.shop_sends(SHOP, 1420, &undo);
    let (told, sent) = told_and_sent(&seen);
    let sent = sent.unwrap();
    assert_eq!((told.as_str(), sent.mti), ("400", 420));
    assert_eq!((sent.text(4), sent.text(95)), ("000000001000".into(), left(400)));
    let answer = seen.iter().find(|seen| seen.session == SHOP).unwrap();
    assert_eq!(answer.text(4), "000000000400", "its own words");
    assert_eq!(only(&desk.shop_sends(SHOP, 1421, &undo)).code(), "400");
}

fn alone() -> Desk {
    let limits = StandIn {
        while_down: true,
        after_timeout: false,
        late: LateApproval::Reverse,
        currency: *b"978",
        amount_max: 1_500,
        count_max: 3,
        total_max: 1_500,
        kinds: vec![*b"00"],
    };
    let mut desk = Desk::with(Settings { stand_in: vec![Some(limits), None], ..settings() });
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
    desk
}

/// The card may spend the difference again, and the issuer hears of the payment first.
#[test]
fn what_was_approved_in_an_issuers_place_is_lowered() {
    let mut desk = alone();
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).code(), "00");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(5))).code(), "61");
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &lowering(1, 2, 400))).code(), "00");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(6))).code(), "00");
    let sent = desk.standings().into_values().next().unwrap();
    let purse = |desk: &Desk| {
        let card = sent.sent().unwrap().card.as_ref().unwrap().token;
        desk.engine.tranlog().spent(card, *b"978")
    };
    assert_eq!((purse(&desk).count, purse(&desk).total), (2, 1_400));
    let records = desk.records.len();
    let first = desk.crashes_after(records);
    assert_eq!((purse(&desk).count, purse(&desk).total), (2, 1_400), "and after a crash");
    let advice = only(&first);
    assert_eq!((advice.mti, advice.text(4)), (221, "000000001000".into()));
    let next = only(&desk.bank_answers(&advice, "00", &[]));
    assert_eq!((next.mti, next.text(95)), (421, left(400)));
    let original = format!("0220{}{}", advice.text(11), advice.text(7));
    assert!(next.text(90).starts_with(&original));
}

/// A dead advice that is sent again is booked for all of it: the partial reversal goes again behind it.
#[test]
fn a_dead_advice_goes_again_with_its_partial_reversal_behind_it() {
    let mut desk = Desk::new();
    let advice = desk.shop_sends(SHOP, 220, &purchase(1));
    let advice = advice.into_iter().find(|seen| seen.session != SHOP).unwrap();
    let mut undo = lowering(1, 2, 400);
    undo.set(ElementNo::ORIGINAL, b"022000000111231834000000012345600000000000");
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &undo)).code(), "00");
    let partial = only(&desk.bank_answers(&advice, "12", &[]));
    assert_eq!((partial.mti, partial.text(95)), (420, left(400)), "refused: it was never booked");
    let txn: TxnId = the_only_standing(&desk).id;
    let by = || Remark::name("anna").unwrap();
    let requeue = || Order::Requeue { txn, owing: Some(Owing::Advice), by: by() };
    assert!(desk.orders(requeue()).is_empty());
    assert!(matches!(desk.done.last(), Some(OrderResult::Denied(_))), "it would be overtaken");
    desk.bank_answers(&partial, "25", &[]);
    let again = only(&desk.orders(requeue()));
    assert_eq!(again.mti, 221);
    let behind = only(&desk.bank_answers(&again, "00", &[]));
    assert_eq!((behind.mti, behind.text(95)), (420, left(400)));
    assert_ne!(behind.text(11), partial.text(11));
    desk.bank_answers(&behind, "00", &[]);
    let standing = the_only_standing(&desk);
    assert!(standing.stands_approved() && !standing.is_open());
    // Booked after all, though it had been given up.
    let mut desk = Desk::new();
    let advice = desk.shop_sends(SHOP, 220, &purchase(1));
    let advice = advice.into_iter().find(|seen| seen.session != SHOP).unwrap();
    desk.passes(60_000);
    let (_, partial) = told_and_sent(&desk.shop_sends(SHOP, 420, &undo));
    desk.bank_answers(&partial.unwrap(), "00", &[]);
    let behind = only(&desk.bank_answers(&advice, "00", &[]));
    assert_eq!((behind.mti, behind.text(95)), (420, left(400)));
    assert!(the_only_standing(&desk).stands_approved());
}

/// An authorization that was lowered is completed like any other.
#[test]
fn an_authorization_that_was_lowered_is_completed() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
    let mut undo = lowering(1, 2, 400);
    let own = "010000000111231834000000012345600000000000";
    undo.set(ElementNo::ORIGINAL, own.as_bytes());
    let (told, partial) = told_and_sent(&desk.shop_sends(SHOP, 420, &undo));
    let partial = partial.unwrap();
    assert_eq!(told, "00");
    let mut completion = purchase(3);
    completion.set(ElementNo::AMOUNT, b"000000000400");
    completion.set(ElementNo::ORIGINAL, own.as_bytes());
    assert_eq!(only(&desk.shop_sends(SHOP, 220, &completion)).code(), "00");
    let sent = only(&desk.bank_answers(&partial, "00", &[]));
    assert_eq!(
        (sent.mti, sent.text(4)),
        (220, "000000000400".into()),
        "behind it, for what is left"
    );
    assert!(sent.text(90).starts_with(&format!("0100{}", asked.text(11))));
}
