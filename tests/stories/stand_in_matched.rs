//! Stories of stand-in after a time-out at an issuer that matches: nothing is reversed, the advice names what was sent, and whatever
//! the issuer says of that, it is one payment.

use std::sync::Arc;

use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, Elements};
use iso8583d::mapping::{self, Tongue};
use iso8583d::record::{Approval, Closing, DebtState, Outcome, Owing, Record, Remark, Standing};
use iso8583d::route::Table;
use iso8583d::switch::{
    Change, Input, LateApproval, Note, Order, OrderId, OrderResult, Settings, StandIn,
};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, Seen, bank, only, purchase, reversal,
    rule, settings,
};
use super::the_only_standing;

fn limits() -> StandIn {
    StandIn { late: LateApproval::Match, ..super::stand_in_after::limits() }
}

fn matches() -> Settings {
    Settings { stand_in: vec![Some(limits())], ..settings() }
}

/// The shop asks, and the time of the bank passes; gives what was sent, what the shop hears, and what goes to the bank.
fn unanswered(desk: &mut Desk, mti: u16, asked: &Elements) -> (Seen, Seen, Seen) {
    let sent = only(&desk.shop_sends(SHOP, mti, asked));
    let (told, to_bank): (Vec<_>, Vec<_>) = desk
        .passes(15_000)
        .into_iter()
        .partition(|seen| [SHOP, SHOP_AGAIN].contains(&seen.session));
    (sent, only(&told), only(&to_bank))
}

fn approved(desk: &mut Desk) -> (Seen, Seen, Seen) {
    let (sent, told, advice) = unanswered(desk, 200, &purchase(1));
    assert_eq!((sent.mti, told.code(), advice.mti), (200, "00".into(), 220));
    (sent, told, advice)
}

/// How element 90 begins that names a message.
fn named(sent: &Seen) -> String {
    format!("{:04}{}{}", sent.mti, sent.text(11), sent.text(7))
}

fn names(seen: &Seen, sent: &Seen) -> bool {
    seen.text(90).starts_with(&named(sent))
}

fn reversal_of(desk: &Desk) -> Option<DebtState> {
    the_only_standing(desk).reversal.map(|debt| debt.state)
}

fn late_declines(desk: &Desk) -> usize {
    desk.notes.iter().filter(|note| matches!(note, Note::LateDecline { .. })).count()
}

#[test]
fn what_its_issuer_matches_is_approved_and_nothing_is_reversed() {
    let mut desk = Desk::with(matches());
    let (sent, told, advice) = approved(&mut desk);
    assert_eq!((told.text(7), told.text(11)), ("1123183400".into(), "000001".into()));
    assert!(names(&advice, &sent), "{}", advice.text(90));
    assert_eq!((advice.session, advice.text(37)), (sent.session, sent.text(37)));
    assert_ne!(advice.text(11), sent.text(11), "under a pair of its own");
    assert_eq!((advice.text(38), advice.text(39)), (told.text(38), "00".into()));
    assert!(desk.bank_answers(&advice, "00", &[]).is_empty());
    assert!(desk.passes(600_000).is_empty(), "nothing is reversed, now or later");
    let standing = the_only_standing(&desk);
    assert!(standing.stood_in() && standing.stands_approved() && !standing.is_open());
    let again = only(&desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)));
    assert_eq!(again.elements, told.elements);
    // Within the same limits, and both kinds together.
    let (_, told, advice) = unanswered(&mut desk, 200, &purchase(2));
    assert_eq!(told.code(), "00");
    desk.bank_answers(&advice, "00", &[]);
    let (_, told, undone) = unanswered(&mut desk, 200, &purchase(3));
    assert_eq!((told.code(), undone.mti), ("91".into(), 420));
}

#[test]
fn a_late_approval_is_matched_and_owes_nothing() {
    // Before the advice is acknowledged, and after.
    for acknowledged in [false, true] {
        let mut desk = Desk::with(matches());
        let (sent, told, advice) = approved(&mut desk);
        if acknowledged {
            desk.bank_answers(&advice, "00", &[]);
        }
        // Even under our own approval code.
        for code in ["LATE01".to_owned(), told.text(38)] {
            assert!(desk.bank_answers(&sent, "00", &[(38, &code)]).is_empty());
        }
        let standing = the_only_standing(&desk);
        assert_eq!((standing.heard, standing.reversal.clone()), (Approval::Approved, None));
        let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
        assert_eq!((again.code(), again.text(38)), ("00".into(), told.text(38)));
        // For less, it is approved for all by the advice; for something else, somebody has to look.
        assert!(desk.bank_answers(&sent, "10", &[(4, "000000000500")]).is_empty());
        desk.bank_answers(&sent, "00", &[(4, "000000009900")]);
        assert!(matches!(desk.records.last(), Some((_, Record::Unmatched { orphan: true, .. }))));
        assert!(the_only_standing(&desk).stands_approved());
    }
}

#[test]
fn a_late_decline_leaves_what_was_told_and_is_shown() {
    let mut desk = Desk::with(matches());
    let (sent, told, advice) = approved(&mut desk);
    assert!(desk.bank_answers(&sent, "51", &[]).is_empty());
    assert_eq!(late_declines(&desk), 1);
    let standing = the_only_standing(&desk);
    assert_eq!((standing.heard, standing.stands_approved()), (Approval::Declined, true));
    let written = desk.records.len();
    assert!(desk.bank_answers(&sent, "51", &[]).is_empty());
    assert_eq!((late_declines(&desk), desk.records.len()), (1, written), "a copy is nothing new");
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((again.code(), again.text(38)), ("00".into(), told.text(38)));
    assert!(desk.bank_answers(&advice, "00", &[]).is_empty(), "and its issuer has the advice");
    assert!(desk.passes(600_000).is_empty());
    // One that does not repeat the amount is shown as well, though it is written down of nothing.
    let mut desk = Desk::with(matches());
    let (sent, _, _) = approved(&mut desk);
    assert!(desk.bank_answers(&sent, "51", &[(4, "000000000000")]).is_empty());
    assert_eq!((late_declines(&desk), the_only_standing(&desk).heard), (1, Approval::Never));
}

#[test]
fn an_askers_reversal_names_what_was_sent() {
    let mut desk = Desk::with(matches());
    let (sent, _, advice) = approved(&mut desk);
    assert_eq!(only(&desk.shop_sends(SHOP, 400, &reversal(1, 9))).code(), "00");
    assert_ne!(only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(), "00");
    let undone = only(&desk.bank_answers(&advice, "00", &[]));
    assert_eq!((undone.mti, names(&undone, &sent)), (420, true), "{}", undone.text(90));
    assert_eq!(undone.text(37), sent.text(37));
    assert!(desk.bank_answers(&undone, "00", &[]).is_empty());
    assert_eq!(reversal_of(&desk), Some(DebtState::Closed(Closing::Final)));
    // Now nothing stands for it, so that it owes what every late approval owes.
    let again = only(&desk.bank_answers(&sent, "00", &[(38, "LATE01")]));
    assert_eq!((again.mti, names(&again, &sent)), (420, true));
    assert_ne!(again.text(11), undone.text(11), "under a fresh pair");
    desk.bank_answers(&again, "00", &[]);
    // What it had spent is there again: the card has both of its requests.
    for stan in 2..=3 {
        assert_eq!(unanswered(&mut desk, 200, &purchase(stan)).1.code(), "00");
    }
}

/// The issuer took neither: whether it will yet have what was sent is as open as after any time-out.
#[test]
fn the_reversal_of_what_was_not_taken_goes_twice() {
    let mut desk = Desk::with(matches());
    let (sent, _, advice) = approved(&mut desk);
    assert!(desk.bank_answers(&advice, "12", &[]).is_empty());
    assert!(the_only_standing(&desk).stands_approved(), "what was told stands");
    let follows = desk.shop_sends(SHOP, 400, &reversal(1, 9));
    let first = follows.into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&first, "25", &[]);
    assert_eq!(reversal_of(&desk), Some(DebtState::Closed(Closing::Provisional)));
    let second = only(&desk.passes(60_000));
    assert_eq!((second.mti, names(&second, &sent)), (420, true));
    desk.bank_answers(&second, "25", &[]);
    assert!(desk.passes(600_000).is_empty() && !the_only_standing(&desk).is_open());
    // An issuer that has the advice and denies what it names does not match: somebody has to talk to it.
    let mut desk = Desk::with(matches());
    let (_, _, advice) = approved(&mut desk);
    desk.shop_sends(SHOP, 400, &reversal(1, 9));
    let undone = only(&desk.bank_answers(&advice, "00", &[]));
    desk.bank_answers(&undone, "25", &[]);
    assert_eq!(reversal_of(&desk), Some(DebtState::Closed(Closing::Dead)));
}

#[test]
fn a_matched_advice_that_was_given_up_names_it_again() {
    let mut desk = Desk::with(matches());
    let (sent, _, advice) = approved(&mut desk);
    desk.bank_answers(&advice, "12", &[]);
    // It approved late what it was sent: that is the one payment, and nothing is reversed.
    assert!(desk.bank_answers(&sent, "00", &[]).is_empty());
    let standing: Standing = the_only_standing(&desk);
    assert!(standing.stands_approved() && standing.heard == Approval::Approved);
    let by = Remark::name("anna").unwrap();
    let order = Order::Requeue { txn: standing.id, owing: Some(Owing::Advice), by };
    let again = only(&desk.orders(order));
    assert_eq!((again.mti, again.text(11)), (221, advice.text(11)), "under its own pair");
    assert!(names(&again, &sent));
    desk.bank_answers(&again, "00", &[]);
    assert!(!the_only_standing(&desk).is_open());
}

#[test]
fn what_is_matched_is_lowered_and_never_by_all() {
    let mut desk = Desk::with(matches());
    let (sent, _, advice) = approved(&mut desk);
    let mut less = reversal(1, 9);
    less.set(ElementNo::of(95), format!("{:012}{:030}", 400, 0).as_bytes());
    assert_eq!(only(&desk.shop_sends(SHOP, 400, &less)).code(), "00");
    let lowered = only(&desk.bank_answers(&advice, "12", &[]));
    assert!(lowered.mti == 420 && lowered.text(95).starts_with("000000000400"));
    assert!(names(&lowered, &sent));
    desk.bank_answers(&lowered, "00", &[]);
    assert!(desk.passes(60_000).is_empty(), "what stands is not reversed to be sure");
    // It is approved late for all of it.
    let again = only(&desk.bank_answers(&sent, "00", &[]));
    assert_eq!((again.mti, again.text(95)), (420, lowered.text(95)));
    desk.bank_answers(&again, "00", &[]);
    assert!(desk.bank_answers(&sent, "00", &[]).is_empty(), "a copy is nothing new");
    let standing = the_only_standing(&desk);
    assert_eq!((standing.lowered, standing.stands_approved()), (Some(400), true));
}

#[test]
fn what_cannot_be_matched_is_a_time_out_as_ever() {
    let mut nameless = purchase(1);
    nameless.remove(ElementNo::RRN);
    let mut naming = purchase(1);
    naming.set(ElementNo::ORIGINAL, reversal(7, 8).get(ElementNo::ORIGINAL).unwrap());
    for asked in [nameless, naming] {
        let mut desk = Desk::with(matches());
        let (sent, told, undone) = unanswered(&mut desk, 200, &asked);
        assert_eq!((told.code(), undone.mti), ("91".into(), 420));
        assert!(names(&undone, &sent));
    }
    // A card has its limits for each day, and this one is over.
    let mut desk = Desk::with(matches());
    only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.orders_cut();
    let follows = desk.passes(15_000);
    assert!(follows.iter().any(|seen| seen.session == SHOP && seen.code() == "91"));
    // Nobody waits for it any more.
    let mut desk = Desk::with(matches());
    desk.shop_sends(SHOP, 200, &purchase(1));
    desk.down(SHOP, Vec::new());
    assert_eq!(only(&desk.passes(15_000)).mti, 420);
}

#[test]
fn the_power_fails_before_and_after_a_match() {
    let mut desk = Desk::with(matches());
    desk.shop_sends(SHOP, 200, &purchase(1));
    assert_eq!(only(&desk.crashes_after(desk.records.len())).mti, 420);
    let mut desk = Desk::with(matches());
    let (sent, told, advice) = approved(&mut desk);
    for _ in 0..2 {
        // The second time recovery may begin at the last carry, which has it.
        let again = only(&desk.crashes_after(desk.records.len()));
        assert_eq!((again.mti, again.text(11)), (221, advice.text(11)));
        assert!(names(&again, &sent));
    }
    let repeat = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((repeat.code(), repeat.text(38)), ("00".into(), told.text(38)));
    assert!(desk.bank_answers_on(BANK, &sent, "00", &[]).is_empty(), "known by its pair");
    assert!(desk.bank_answers_on(BANK, &advice, "00", &[]).is_empty());
    let standing = the_only_standing(&desk);
    assert!(standing.stands_approved() && !standing.is_open());
}

/// The request waited for its connection, and nobody sends it any more: the advice says all of it.
#[test]
fn what_never_left_is_known_by_its_advice() {
    let mut desk = Desk::with(matches());
    let (sent, told, advice) = approved(&mut desk);
    desk.seen.clear();
    desk.down(sent.session, vec![sent.mark, advice.mark]);
    let again = only(&desk.seen.clone());
    assert_eq!((again.mti, again.text(11)), (220, advice.text(11)), "it was never begun either");
    assert!(again.session != sent.session && names(&again, &sent));
    desk.bank_answers(&again, "00", &[]);
    let repeat = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((repeat.code(), repeat.text(38)), ("00".into(), told.text(38)));
    assert!(!the_only_standing(&desk).is_open() && desk.passes(600_000).is_empty());
}

/// Each was made under the policy of its time, and stays so.
#[test]
fn another_policy_is_for_what_times_out_from_now_on() {
    let mut desk = Desk::with(matches());
    let (sent, _, advice) = approved(&mut desk);
    reload(&mut desk, |settings| {
        settings.stand_in = vec![Some(StandIn { late: LateApproval::Reverse, ..limits() })];
    });
    assert!(desk.bank_answers(&sent, "00", &[]).is_empty());
    assert!(desk.bank_answers(&advice, "00", &[]).is_empty());
    let (second, told, undone) = unanswered(&mut desk, 200, &purchase(2));
    assert_eq!((told.code(), undone.mti, names(&undone, &second)), ("00".into(), 420, true));
    // And back: what was reversed then is reversed when it is approved late.
    reload(&mut desk, |settings| settings.stand_in = vec![Some(limits())]);
    let again = only(&desk.bank_answers(&second, "00", &[]));
    assert_eq!((again.mti, again.text(90)), (420, undone.text(90)));
}

fn reload(desk: &mut Desk, change: impl FnOnce(&mut Settings)) {
    change(&mut desk.settings);
    let (settings, listed) = (desk.settings.clone(), desk.engine.tail());
    let change = Change { settings, same_routes: false, anew: [].into(), listed };
    desk.handle(Input::Reload { id: OrderId(3), change: Box::new(change) });
    assert_eq!(desk.done.pop(), Some(OrderResult::Reloaded));
}

/// Its route has led elsewhere since it was sent: the policy there is no agreement with who was asked.
#[test]
fn what_another_issuer_was_sent_is_a_time_out_as_ever() {
    let mut desk = Desk::with(matches());
    let sent = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    reload(&mut desk, |settings| settings.routes = Table::new(&[rule("4", &["other-bank"])]));
    let follows = desk.passes(15_000);
    assert!(follows.iter().any(|seen| seen.session == SHOP && seen.code() == "91"), "{follows:?}");
    let undone = follows.iter().find(|seen| seen.session == sent.session).unwrap();
    assert_eq!((undone.mti, names(undone, &sent)), (420, true));
    desk.bank_answers(undone, "00", &[]);
    // Who is asked now has agreed.
    let (sent, told, advice) = unanswered(&mut desk, 200, &purchase(2));
    assert_eq!((told.code(), advice.mti, names(&advice, &sent)), ("00".into(), 220, true));
}

/// A shipped dialect with these lines in the place of others.
fn altered(name: &str, changes: &[(&str, &str)]) -> Tongue {
    let mut text = Dialect::shipped_text(name).unwrap().to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    Tongue::new(Arc::new(Dialect::parse(&text).unwrap()), mapping::Settings::default()).unwrap()
}

/// Its issuer has a place for the name, and the name does not fit there.
#[test]
fn what_cannot_be_named_in_full_is_a_time_out_as_ever() {
    let lettered = [("   32  n..11  ", "   32  an..11 ")];
    for (to_bank, acquirer) in [
        (altered("iso87-ascii", &lettered), "ACQ001"),
        (altered("iso93-ascii", &[("   56  n..35 ", "   56  n..25 ")]), "123456"),
    ] {
        let mut settings = matches();
        for link in &mut settings.links {
            let is_bank = link.id == bank();
            link.tongue = if is_bank { to_bank.clone() } else { altered("iso87-ascii", &lettered) };
        }
        let mut desk = Desk::with(settings);
        let mut asked = purchase(1);
        asked.set(ElementNo::ACQUIRER, acquirer.as_bytes());
        let (_, told, undone) = unanswered(&mut desk, 200, &asked);
        assert_eq!((told.code(), undone.mti % 1000), ("91".into(), 420));
        assert!(!the_only_standing(&desk).stood_in());
    }
}

/// Without the reference, too, its issuer would book all of it twice.
#[test]
fn an_advice_that_can_no_longer_say_its_reference_is_given_up() {
    let mut desk = Desk::with(matches());
    approved(&mut desk);
    let shorter = altered("iso87-ascii", &[("   37  an 12 ", "   37  an 11 ")]);
    for link in desk.settings.links.iter_mut().filter(|link| link.id == bank()) {
        link.tongue = shorter.clone();
    }
    let follows = desk.crashes_after(desk.records.len());
    assert!(follows.iter().all(|seen| seen.mti != 221), "{follows:?}");
    let state = the_only_standing(&desk).advice.map(|debt| debt.state);
    assert_eq!(state, Some(DebtState::Closed(Closing::Dead)));
}

/// Without the name its issuer would book all of it twice.
#[test]
fn an_advice_that_can_no_longer_name_it_is_given_up() {
    let mut desk = Desk::with(matches());
    let (_, _, _) = approved(&mut desk);
    let whole = Dialect::shipped_text("iso87-ascii")
        .unwrap()
        .replace("\n   90 ", "\n#  90 ")
        .replace(" 70 90 ", " 70 ");
    let whole = whole.split_once("\nparts").unwrap().0;
    let unnamed = Arc::new(Dialect::parse(whole).unwrap());
    for link in desk.settings.links.iter_mut().filter(|link| link.id == bank()) {
        link.tongue = Tongue::plain(Arc::clone(&unnamed));
    }
    let follows = desk.crashes_after(desk.records.len());
    assert!(follows.iter().all(|seen| seen.mti != 221), "{follows:?}");
    let standing = the_only_standing(&desk);
    let state = standing.advice.as_ref().map(|debt| debt.state);
    assert_eq!((state, standing.stands_approved()), (Some(DebtState::Closed(Closing::Dead)), true));
}

#[test]
fn an_issuer_of_1993_matches_by_its_own_original_data() {
    let mut settings = matches();
    let wire = Arc::new(Dialect::shipped("iso93-ascii").unwrap());
    let mut links = settings.links.iter_mut();
    links.find(|other| other.id == bank()).unwrap().tongue =
        Tongue::new(wire, mapping::Settings::default()).unwrap();
    let mut desk = Desk::with(settings);
    for (stan, mti) in [(1, 100), (2, 200)] {
        let (sent, told, advice) = unanswered(&mut desk, mti, &purchase(stan));
        assert_eq!((told.code(), advice.mti), ("00".into(), 1020 + mti));
        let original = format!("{}{}26112318340006123456", 1000 + mti, sent.text(11));
        assert_eq!(advice.text(56), original);
        // It raises nothing and completes nothing: it is of the kind of the request.
        assert_eq!((advice.text(24), advice.text(37)), (sent.text(24), sent.text(37)));
        let mut undo = reversal(stan, 9 + stan);
        let data = undo.get(ElementNo::ORIGINAL).unwrap().to_vec();
        undo.set(ElementNo::ORIGINAL, &[format!("{mti:04}").as_bytes(), &data[4..]].concat());
        assert_eq!(only(&desk.shop_sends(SHOP, 400, &undo)).code(), "00");
        let undone = only(&desk.bank_answers(&advice, "000", &[]));
        assert_eq!((undone.mti, undone.text(56)), (1420, original));
        desk.bank_answers(&undone, "400", &[]);
    }
}

/// What raises it names what was sent, as the issuer that matches knows it; and is not approved in its issuer's place itself, since
/// its advice has one element to name another message.
#[test]
fn what_is_matched_is_raised_by_the_name_of_what_was_sent() {
    let mut desk = Desk::with(matches());
    let (sent, told, advice) = unanswered(&mut desk, 100, &purchase(1));
    assert_eq!((told.code(), advice.mti, names(&advice, &sent)), ("00".into(), 120, true));
    desk.bank_answers(&advice, "00", &[]);
    let mut more = purchase(2);
    let original = format!("0100{:06}1123183400{:0>11}{:0>11}", 1, "123456", "");
    more.set(ElementNo::ORIGINAL, original.as_bytes());
    let (raised, told, undone) = unanswered(&mut desk, 100, &more);
    assert!(names(&raised, &sent));
    assert_eq!((told.code(), undone.mti, names(&undone, &raised)), ("91".into(), 420, true));
    let first = desk.standings().into_values().next().unwrap();
    assert!(matches!(first.outcome, Outcome::Answered { .. }) && first.stands_approved());
}

/// Its issuer is away, and would take the advice of what raises for that of the first: it would hold 5.00 and not 15.00.
#[test]
fn what_raises_under_the_reference_of_the_first_is_not_approved() {
    let mut desk = Desk::with(matches());
    let first = only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    desk.bank_answers(&first, "00", &[]);
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
    let raises = |stan: u32, reference: u32| {
        let mut more = purchase(stan);
        let original = format!("0100{:06}1123183400{:0>11}{:0>11}", 1, "123456", "");
        more.set(ElementNo::ORIGINAL, original.as_bytes());
        more.set(ElementNo::AMOUNT, b"000000000500");
        more.set(ElementNo::RRN, purchase(reference).get(ElementNo::RRN).unwrap());
        more
    };
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &raises(2, 1))).code(), "91");
    assert_eq!(desk.standings().len(), 1);
    // Under one of its own it is what it says.
    assert_eq!(only(&desk.shop_sends(SHOP, 100, &raises(3, 3))).code(), "00");
    // What was approved elsewhere is a fact that raises the first; its issuer hears of it by itself, and holds 5.00 more.
    assert_eq!(only(&desk.shop_sends(SHOP, 120, &raises(4, 1))).code(), "00");
    assert_eq!(only(&desk.shop_sends(SHOP, 120, &raises(5, 5))).code(), "00");
    let named: Vec<_> = desk
        .standings()
        .into_values()
        .map(|standing| {
            let sent = standing.sent().unwrap();
            (sent.completes.is_some(), sent.elements.get(ElementNo::ORIGINAL).is_some())
        })
        .collect();
    let (first, unnamed, named_there) = ((false, false), (true, false), (true, true));
    assert_eq!(named, [first, named_there, unnamed, named_there]);
}
