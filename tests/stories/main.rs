//! The rules that money depends on, as stories: each is the shortest one behind a sentence of the rules.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod batches;
mod day;
mod desk;
mod docket;
mod hosts;
mod increments;
mod kinds;
mod links;
mod load;
mod many;
mod mapping;
mod originals;
mod partial;
mod permits;
mod reload;
mod reroute;
mod room;
mod routes;
mod stand_in;
mod stand_in_after;
mod stand_in_matched;
mod strays;
mod tills;

use desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, Seen, bank, only, other_bank, purchase,
    reversal, settings, shop,
};
use iso8583d::iso::{ElementNo, Mono};
use iso8583d::record::{Approval, Closing, DebtState, Outcome, TxnId, Unanswered};
use iso8583d::switch::{Duplicate, Input, Mark, Note, OrderResult, Undelivered};

fn the_only_standing(desk: &Desk) -> iso8583d::record::Standing {
    let mut all: Vec<_> =
        desk.standings().into_values().filter(|standing| standing.sent().is_some()).collect();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn txn_of(seen: &Seen) -> TxnId {
    match seen.mark {
        Mark::Request(txn) | Mark::Approval(txn) | Mark::Owed(txn, ..) => txn,
        Mark::Plain => TxnId::default(),
    }
}

#[test]
fn a_purchase_goes_to_its_issuer_and_comes_back() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(501)));
    assert_eq!((asked.session, asked.mti), (BANK, 200));
    assert_eq!(asked.text(2), "4111111111111111");
    assert_ne!((asked.text(7), asked.text(11)), ("1123183400".into(), "000501".into()));
    let told = only(&desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]));
    assert_eq!((told.session, told.mti, told.code()), (SHOP, 210, "00".into()));
    for (no, value) in [
        (7, "1123183400"),
        (11, "000501"),
        (37, "632718000501"),
        (38, "A1B2C3"),
        (4, "000000001000"),
        // What its network does not repeat by itself, but the issuer did.
        (18, "5411"),
        (22, "051"),
    ] {
        assert_eq!(told.text(no), value, "DE {no}");
    }
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(501)));
    assert_eq!(again.elements, told.elements, "and a repeat hears the same");
    assert!(the_only_standing(&desk).stands_approved());
}

#[test]
fn rule_2_repeats_hear_the_outcome_as_it_stands() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)).is_empty(), "in flight, a copy waits");
    let told = desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
    assert_eq!(
        told.iter().map(|seen| (seen.session, seen.code())).collect::<Vec<_>>(),
        [(SHOP, "00".to_owned()), (SHOP_AGAIN, "00".to_owned())]
    );
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((again.mti, again.code(), again.text(38)), (210, "00".into(), "A1B2C3".into()));
    let same_without_digit = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(same_without_digit.code(), "00");
    let mut other = purchase(1);
    other.set(ElementNo::AMOUNT, b"000000009999");
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &other)).code(), "94");
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 2));
    assert!(undone.iter().any(|seen| seen.mti == 430 && seen.code() == "00"));
    assert!(
        undone
            .iter()
            .any(|seen| seen.mti == 420 && seen.session == BANK || seen.session == BANK_AGAIN)
    );
    assert_eq!(
        only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(),
        "91",
        "reversed: a decline for ever"
    );
}

#[test]
fn rule_2_duplicates_may_be_refused() {
    let mut desk =
        Desk::with(iso8583d::switch::Settings { duplicate: Duplicate::Refuse, ..settings() });
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[]);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).code(), "94");
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(), "00");
}

#[test]
fn rule_1_a_request_without_a_date_or_with_two_cards_is_refused() {
    let mut desk = Desk::new();
    let mut undated = purchase(1);
    for no in [7, 12] {
        undated.remove(ElementNo::of(no));
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &undated)).code(), "30");
    let mut two = purchase(2);
    two.set(ElementNo::TRACK2, b"4222222222222222=29122010000");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &two)).code(), "30");
    assert!(desk.standings().is_empty());
}

/// Whatever a dialect says of an element, a card's number in it is passed on and never written down in clear.
#[test]
fn a_card_number_in_any_element_goes_on_and_is_not_written_down() {
    let mut desk = Desk::new();
    let mut request = purchase(1);
    request.set(ElementNo::of(43), b"SHOP 4111111111111111     WIEN        AT");
    let asked = only(&desk.shop_sends(SHOP, 200, &request));
    assert_eq!(asked.text(43), "SHOP 4111111111111111     WIEN        AT");
    let told = desk.bank_answers(&asked, "00", &[(38, "A1B2C3"), (44, "SEE4111111111111111")]);
    assert_eq!(only(&told).text(44), "SEE4111111111111111");
    let standing = the_only_standing(&desk);
    let sent = standing.sent().unwrap().elements.clone();
    assert!(sent.get(ElementNo::of(43)).is_none() && sent.get(ElementNo::of(42)).is_some());
    let Outcome::Answered { added, .. } = &standing.outcome else { panic!("{standing:?}") };
    assert!(added.get(ElementNo::of(44)).is_none() && added.get(ElementNo::of(38)).is_some());
    let told_of = |number| {
        let number = ElementNo::of(number);
        let is =
            |note: &Note| matches!(note, Note::Withheld { elements, .. } if elements.has(number));
        desk.notes.iter().any(is)
    };
    assert!(told_of(43) && told_of(44), "{:?}", desk.notes);
}

/// A network may bring an answer twice. What it adds is the same, even where the request said it already.
#[test]
fn rule_8_the_answer_that_stands_may_come_again() {
    let mut request = purchase(1);
    request.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    for request in [purchase(1), request] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &request));
        desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
        assert!(desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]).is_empty());
        assert!(the_only_standing(&desk).stands_approved());
    }
}

#[test]
fn rule_4_an_answer_that_does_not_fit_is_96_and_reversed() {
    for changes in
        [&[(4, "000000009999")][..], &[(49, "840")], &[(3, "200000")], &[(2, "4222222222222222")]]
    {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        let follows = desk.bank_answers(&asked, "00", changes);
        assert!(follows.iter().any(|seen| seen.mti == 210 && seen.code() == "96"), "{changes:?}");
        assert!(follows.iter().any(|seen| seen.mti == 420), "{changes:?}");
    }
}

#[test]
fn rule_4_an_answer_on_another_link_or_with_an_incomplete_key_touches_nothing() {
    let mut desk = Desk::new();
    // The other bank has been asked as well, so that an answer on its link could be one; not under this pair.
    let mut elsewhere = purchase(8);
    elsewhere.set(ElementNo::PAN, b"5111111111111118");
    for before in [elsewhere, purchase(9)] {
        let asked = only(&desk.shop_sends(SHOP, 200, &before));
        desk.bank_answers(&asked, "05", &[]);
    }
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.bank_answers_on(OTHER_BANK, &asked, "00", &[]).is_empty());
    assert!(desk.bank_answers(&asked, "00", &[(11, "")]).is_empty());
    assert_eq!(desk.standings()[&txn_of(&asked)].outcome, Outcome::InFlight);
    assert_eq!(
        only(&desk.bank_answers_on(BANK_AGAIN, &asked, "00", &[])).code(),
        "00",
        "any session of the link"
    );
}

#[test]
fn rule_5_an_unreadable_code_counts_as_approved_for_reversals() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let follows = desk.bank_answers(&asked, "", &[]);
    assert!(follows.iter().any(|seen| seen.mti == 210 && seen.code() == "96"));
    assert!(follows.iter().any(|seen| seen.mti == 420));
}

#[test]
fn rule_6_a_time_out_is_91_and_one_reversal_with_its_original_data() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let follows = desk.passes(15_000);
    let told = follows.iter().find(|seen| seen.mti == 210).unwrap();
    assert_eq!((told.session, told.code()), (SHOP, "91".into()));
    let reversals: Vec<_> = follows.iter().filter(|seen| seen.mti == 420).collect();
    assert_eq!(reversals.len(), 1);
    assert_eq!(reversals[0].session, asked.session, "on the session of its request");
    let original = format!("0200{}{}{:0>11}{:0>11}", asked.text(11), asked.text(7), "123456", "");
    assert_eq!(reversals[0].text(90), original);
    assert_ne!((reversals[0].text(7), reversals[0].text(11)), (asked.text(7), asked.text(11)));
    let again = only(&desk.passes(10_000));
    assert_eq!(
        (again.mti, again.text(7), again.text(11)),
        (421, reversals[0].text(7), reversals[0].text(11))
    );
}

#[test]
fn trace_1_a_25_crosses_the_late_approval() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let follows = desk.passes(15_000);
    let first = follows.iter().find(|seen| seen.mti == 420).unwrap().clone();
    let second = only(&desk.bank_answers(&asked, "00", &[]));
    assert_eq!(second.mti, 420, "a late approval is never told, and opens the reversal again");
    assert_ne!(
        (first.text(7), first.text(11)),
        (second.text(7), second.text(11)),
        "under a fresh pair"
    );
    assert_eq!(first.text(90), second.text(90));
    desk.bank_answers(&first, "25", &[]);
    let debt = the_only_standing(&desk).reversal.unwrap();
    assert_eq!(debt.state, DebtState::Open, "an answer to the old pair closes nothing");
    desk.bank_answers(&second, "00", &[]);
    assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Closed(Closing::Final));
}

#[test]
fn trace_2_a_first_acknowledgement_of_the_never_answered_is_provisional() {
    let mut desk = Desk::new();
    desk.shop_sends(SHOP, 200, &purchase(1));
    let first = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&first, "25", &[]);
    assert_eq!(
        the_only_standing(&desk).reversal.unwrap().state,
        DebtState::Closed(Closing::Provisional)
    );
    let once_more = only(&desk.passes(60_000));
    assert_eq!(once_more.mti, 420);
    assert_ne!(once_more.text(11), first.text(11));
    desk.bank_answers(&once_more, "25", &[]);
    assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Closed(Closing::Final));
    assert!(desk.passes(200_000).is_empty());
}

#[test]
fn trace_3_a_refused_acknowledgement_is_not_taken() {
    for (code, state) in [
        ("30", DebtState::Closed(Closing::Dead)),
        ("25", DebtState::Closed(Closing::Dead)),
        ("96", DebtState::Open),
        ("00", DebtState::Closed(Closing::Final)),
    ] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        desk.bank_answers(&asked, "00", &[]);
        let owed = desk
            .shop_sends(SHOP, 420, &reversal(1, 2))
            .into_iter()
            .find(|seen| seen.mti == 420)
            .unwrap();
        desk.bank_answers(&owed, code, &[]);
        assert_eq!(the_only_standing(&desk).reversal.unwrap().state, state, "{code}");
        if code == "96" {
            assert_eq!(only(&desk.passes(10_000)).mti, 421, "a retry code goes again");
        }
    }
}

#[test]
fn trace_4_what_was_never_begun_is_declined_and_owes_nothing() {
    let mut desk = Desk::with(reroute::staying());
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.handle(Input::Lost { session: iso8583d::switch::SessionId(asked.session) });
    assert_eq!(the_only_standing(&desk).outcome, Outcome::InFlight, "until it is known what left");
    desk.seen.clear();
    desk.down(asked.session, vec![asked.mark]);
    assert_eq!(only(&desk.seen).code(), "91");
    let standing = the_only_standing(&desk);
    assert!(matches!(standing.outcome, Outcome::Over { why: Unanswered::NeverBegun, .. }));
    assert!(standing.reversal.is_none());
    assert!(desk.passes(100_000).is_empty());
}

#[test]
fn rule_6_what_was_begun_waits_for_its_deadline() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.down(asked.session, Vec::new());
    assert_eq!(the_only_standing(&desk).outcome, Outcome::InFlight);
    assert!(desk.passes(15_000).iter().any(|seen| seen.mti == 420));
}

#[test]
fn trace_5_a_late_approval_after_memory_has_let_go_is_looked_up() {
    let mut desk =
        Desk::with(iso8583d::switch::Settings { window_ms: 1000, entries_max: 0, ..settings() });
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let owed = desk.passes(15_000).into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&owed, "25", &[]);
    let owed = only(&desk.passes(60_000));
    desk.bank_answers(&owed, "25", &[]);
    desk.passes(700_000);
    desk.shop_sends(SHOP, 200, &purchase(2));
    assert!(desk.engine.tranlog().standing(txn_of(&asked)).is_none(), "memory has let go");
    assert!(desk.bank_answers(&asked, "00", &[]).is_empty());
    let reopened = only(&desk.books_answer());
    assert_eq!(reopened.mti, 420);
    assert!(reopened.text(90).contains(&asked.text(11)));
    desk.crashes_after(desk.records.len());
    assert_eq!(desk.standings()[&txn_of(&asked)].heard, Approval::Approved);
}

#[test]
fn rule_4_an_approval_that_nobody_knows_is_on_the_operators_list() {
    let mut desk = Desk::new();
    let mut asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    asked.elements.set(ElementNo::STAN, b"555555");
    desk.bank_answers(&asked, "00", &[]);
    desk.books_answer();
    let orphans = desk.records.iter().filter(|(_, record)| {
        matches!(record, iso8583d::record::Record::Unmatched { orphan: true, .. })
    });
    assert_eq!(orphans.count(), 1);
}

#[test]
fn rule_4_an_approval_whose_look_up_a_crash_cut_short_is_on_the_operators_list() {
    let mut desk = Desk::new();
    let mut asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    asked.elements.set(ElementNo::STAN, b"555555");
    desk.bank_answers(&asked, "00", &[]);
    assert_eq!(desk.questions.len(), 1);
    let orphans = |desk: &Desk| {
        let is_orphan = |record: &iso8583d::record::Record| {
            matches!(record, iso8583d::record::Record::Unmatched { orphan: true, .. })
        };
        desk.records.iter().filter(|(_, record)| is_orphan(record)).count()
    };
    assert_eq!(orphans(&desk), 0);
    desk.crashes_after(desk.records.len());
    assert_eq!(orphans(&desk), 1);
    desk.crashes_after(desk.records.len());
    assert_eq!(orphans(&desk), 1, "once is enough");
}

#[test]
fn trace_6_a_reversal_overtakes_its_original() {
    let mut desk = Desk::new();
    assert!(desk.shop_sends(SHOP_AGAIN, 420, &reversal(1, 2)).is_empty(), "the books are asked");
    assert!(
        desk.shop_sends(SHOP, 200, &purchase(1)).is_empty(),
        "a key that is looked up is in the window"
    );
    let told = desk.books_answer();
    assert_eq!(
        told.iter().map(|seen| (seen.mti, seen.code())).collect::<Vec<_>>(),
        [(430, "25".to_owned()), (210, "91".to_owned())]
    );
    desk.crashes_after(desk.records.len());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).code(), "91", "for ever");
    assert_eq!(only(&desk.shop_sends(SHOP, 421, &reversal(1, 2))).code(), "25");
    assert_eq!(only(&desk.shop_sends(SHOP, 420, &reversal(1, 3))).code(), "25", "whoever asks");
}

/// Those who build element 90 often know no more than the trace: zeros in the place of the acquirer leave it out.
#[test]
fn a_reversal_finds_its_original_whatever_its_element_90_says_of_the_acquirer() {
    for (acquirer, code) in [("00000123456", "00"), ("00000000000", "00"), ("00000999999", "25")] {
        let mut desk = Desk::new();
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
        let mut reversal = reversal(1, 2);
        let original = format!("02000000011123183400{acquirer}00000000000");
        reversal.set(ElementNo::ORIGINAL, original.as_bytes());
        let mut seen = desk.shop_sends(SHOP, 420, &reversal);
        if code == "25" {
            seen = desk.books_answer();
        }
        let told = seen.iter().find(|seen| seen.mti == 430).map(Seen::code);
        assert_eq!(told.as_deref(), Some(code), "{acquirer}");
        assert_eq!(seen.iter().any(|seen| seen.mti == 420), code == "00", "{acquirer}");
    }
}

#[test]
fn trace_7_a_decline_of_what_was_never_forwarded_is_held() {
    let mut desk = Desk::new();
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(1))).code(), "91");
    desk.up(13, bank());
    assert_eq!(
        only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(),
        "91",
        "and not a new request"
    );
    assert!(desk.standings().is_empty(), "counted, not journaled");
}

#[test]
fn trace_8_the_look_up_race() {
    let mut desk = Desk::new();
    assert!(desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)).is_empty());
    assert!(desk.shop_sends(SHOP, 200, &purchase(1)).is_empty());
    let asked = only(&desk.books_answer());
    assert_eq!(
        (asked.mti, desk.standings().len()),
        (200, 1),
        "sent once, without the repeat digit"
    );
    assert_eq!(desk.bank_answers(&asked, "00", &[]).len(), 2, "and both are told");
}

#[test]
fn trace_10_a_day_is_cut_when_nothing_of_it_is_in_flight() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let day = desk.engine.tranlog().date();
    desk.orders_cut();
    assert!(desk.done.is_empty());
    let next = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    desk.bank_answers(&asked, "00", &[]);
    assert!(matches!(desk.done[..], [OrderResult::Cut { .. }]));
    let standings = desk.standings();
    assert_eq!(standings[&txn_of(&asked)].date(), Some(day));
    assert_eq!(standings[&txn_of(&next)].date(), Some(day.next()));
    desk.handle(Input::Ordered {
        id: iso8583d::switch::OrderId(2),
        order: iso8583d::switch::Order::Cut(day),
    });
    assert_eq!(desk.done[1], OrderResult::AlreadyCut);
}

#[test]
fn trace_11_a_dead_advice_that_is_booked_late_is_reversed_again() {
    let mut desk = Desk::new();
    let mut advice = purchase(1);
    advice.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    let follows = desk.shop_sends(SHOP, 220, &advice);
    assert_eq!(
        follows.iter().map(|seen| (seen.mti, seen.code())).collect::<Vec<_>>(),
        [(230, "00".to_owned()), (220, String::new())]
    );
    let sent = follows[1].clone();
    let again: Vec<u16> = desk.passes(60_000).iter().map(|seen| seen.mti).collect();
    assert_eq!(again, [221, 221], "bounded in attempts");
    assert_eq!(the_only_standing(&desk).advice.unwrap().state, DebtState::Closed(Closing::Dead));
    let mut undo = reversal(1, 2);
    undo.set(
        ElementNo::ORIGINAL,
        undo.get(ElementNo::ORIGINAL).unwrap().to_vec().replacing(b"0200", b"0220").as_slice(),
    );
    let owed = desk.shop_sends(SHOP, 420, &undo).into_iter().find(|seen| seen.mti == 420).unwrap();
    desk.bank_answers(&owed, "25", &[]);
    assert_eq!(the_only_standing(&desk).reversal.unwrap().state, DebtState::Closed(Closing::Final));
    let reopened = only(&desk.bank_answers(&sent, "00", &[]));
    assert_eq!(reopened.mti, 420);
    assert_ne!(reopened.text(11), owed.text(11));
}

#[test]
fn trace_12_told_on_one_session_is_told() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.shop_sends(SHOP_AGAIN, 201, &purchase(1));
    let copies = desk.bank_answers(&asked, "00", &[]);
    desk.down(SHOP_AGAIN, vec![copies[1].mark]);
    assert!(the_only_standing(&desk).stands_approved(), "the other copy may have been heard");
    desk.down(SHOP, vec![copies[0].mark]);
    assert!(the_only_standing(&desk).reversal.is_some(), "now nobody heard it");
}

#[test]
fn rule_7_an_approval_without_a_living_asker_is_reversed() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.down(SHOP, Vec::new());
    let follows = desk.bank_answers(&asked, "00", &[]);
    assert_eq!(only(&follows).mti, 420);
    assert_eq!(only(&desk.shop_sends(SHOP_AGAIN, 201, &purchase(1))).code(), "91");
}

#[test]
fn trace_13_the_pair_never_recurs() {
    let mut desk = Desk::new();
    let mut pairs = std::collections::BTreeSet::new();
    for stan in 1..=300 {
        desk.now.wall.0 -= 40;
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
        let pair = (asked.text(7), asked.text(11));
        assert!(pairs.last() < Some(&pair), "time goes back, and element 7 does not");
        pairs.insert(pair);
        desk.bank_answers(&asked, "05", &[]);
        if stan % 100 == 0 {
            desk.crashes_after(desk.records.len());
        }
    }
}

#[test]
fn rule_10_after_a_restart_the_unanswered_is_reversed_and_the_owed_goes_again_as_a_repeat() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let answered = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    desk.bank_answers(&answered, "00", &[]);
    desk.shop_sends(SHOP, 220, &purchase(3));
    let follows = desk.crashes_after(desk.records.len());
    let advice = only(&follows);
    assert_eq!(advice.mti, 221);
    assert_eq!(only(&desk.bank_answers(&advice, "00", &[])).mti, 420, "one card, in order");
    let told = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!(told.code(), "91");
    assert_eq!(
        only(&desk.shop_sends(SHOP, 201, &purchase(2))).code(),
        "00",
        "answered stays answered"
    );
    let late = desk.bank_answers(&asked, "00", &[]);
    assert!(late.iter().all(|seen| seen.mti != 210));
}

#[test]
fn rule_10_undelivered_may_be_reversed_at_a_restart() {
    let mut desk =
        Desk::with(iso8583d::switch::Settings { undelivered: Undelivered::Reverse, ..settings() });
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let first = only(&desk.bank_answers(&asked, "00", &[]));
    desk.handle(Input::Begun { marks: vec![first.mark] });
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    desk.bank_answers(&asked, "00", &[]);
    let reversals: Vec<_> =
        desk.crashes_after(desk.records.len()).into_iter().filter(|seen| seen.mti == 420).collect();
    assert!(only(&reversals).text(90).contains(&asked.text(11)));
}

#[test]
fn rule_14_below_the_reserve_only_what_is_new_is_declined() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.handle(Input::Disk { low: true });
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).code(), "96");
    assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 3));
    assert!(undone.iter().any(|seen| seen.mti == 420));
}

/// Any peer may send answers that nobody asked for, as fast as it can.
#[test]
fn answers_that_nobody_asked_for_fill_no_disk() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let mut answer = asked.elements.clone();
    answer.set(ElementNo::RESPONSE_CODE, b"00");
    let written = desk.records.len();
    for mti in [110, 210, 230, 430] {
        assert!(desk.shop_sends(SHOP, mti, &answer).is_empty());
    }
    assert_eq!((desk.records.len(), desk.questions.len()), (written, 0), "a shop answers nothing");
    assert_eq!(the_only_standing(&desk).outcome, Outcome::InFlight);
    let unknown = [(11, "999999")];
    desk.bank_answers(&asked, "05", &unknown);
    assert_eq!(desk.records.len(), written + 1, "an issuer's are written down");
    desk.handle(Input::Disk { low: true });
    desk.bank_answers(&asked, "05", &unknown);
    assert_eq!(desk.records.len(), written + 1, "while there is room");
    desk.bank_answers(&asked, "00", &unknown);
    desk.books_answer();
    assert_eq!(desk.records.len(), written + 2, "an approval of nothing known is always listed");
}

#[test]
fn a_link_asks_no_more_at_once_than_it_may() {
    let mut with = settings();
    with.links[0].in_flight_max = 2;
    let mut desk = Desk::with(with);
    let first = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.passes(1);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).session, BANK_AGAIN);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(3))).code(), "96");
    assert_eq!(only(&desk.bank_answers(&first, "00", &[])).code(), "00");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(4))).mti, 200);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(5))).code(), "96");
    desk.passes(15_000);
    assert_eq!(
        only(&desk.shop_sends(SHOP, 200, &purchase(6))).mti,
        200,
        "a time-out makes room too"
    );
}

#[test]
fn routes_decline_what_they_cannot_place() {
    let mut desk = Desk::new();
    let mut nobody = purchase(1);
    nobody.set(ElementNo::PAN, b"9999991111111111");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &nobody)).code(), "92");
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    assert_eq!(
        only(&desk.shop_sends(SHOP, 200, &purchase(2))).session,
        OTHER_BANK,
        "the second choice is up"
    );
    desk.down(OTHER_BANK, Vec::new());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(3))).code(), "91");
}

#[test]
fn an_unreadable_request_is_answered_30_and_an_unknown_type_too() {
    let mut desk = Desk::new();
    let told = only(&desk.unreadable(SHOP, Some(200)));
    assert_eq!((told.mti, told.code(), told.text(11)), (210, "30".into(), "000009".into()));
    assert!(desk.unreadable(SHOP, Some(210)).is_empty());
    assert!(desk.unreadable(SHOP, None).is_empty());
    for unknown in [600, 1200, 2420, 9100, 1800] {
        assert_eq!(only(&desk.shop_sends(SHOP, unknown, &purchase(1))).code(), "30", "{unknown}");
    }
}

#[test]
fn network_management_is_answered() {
    let mut desk = Desk::new();
    for (code, answer) in [("001", "00"), ("301", "00"), ("002", "00"), ("999", "12")] {
        let echo = desk::elements(&[(7, "1123183400"), (11, "000007"), (70, code)]);
        let told = only(&desk.shop_sends(BANK, 800, &echo));
        assert_eq!(
            (told.mti, told.code(), told.text(70), told.text(11)),
            (810, answer.into(), code.into(), "000007".into())
        );
    }
    assert_eq!(
        only(&desk.shop_sends(SHOP, 200, &purchase(1))).session,
        BANK_AGAIN,
        "BANK signed off"
    );
}

/// 6 to 9 as the last digit say of no origin: nobody knows who would be answered by what.
#[test]
fn a_message_of_no_origin_is_declined() {
    for (mti, answer) in [(206, 216), (209, 219), (229, 239), (427, 437), (808, 818)] {
        let mut desk = Desk::new();
        let told = only(&desk.shop_sends(SHOP, mti, &purchase(1)));
        assert_eq!((told.mti, told.code().as_str()), (answer, "30"), "{mti}");
        assert_eq!(told.session, SHOP);
    }
    for mti in [200, 202, 204] {
        assert_eq!(only(&Desk::new().shop_sends(SHOP, mti, &purchase(1))).session, BANK, "{mti}");
    }
}

#[test]
fn recovery_is_the_same_from_any_carry() {
    let mut desk = Desk::with(iso8583d::switch::Settings { carry_every: 7, ..settings() });
    for stan in 1..60 {
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(stan)));
        match stan % 4 {
            0 => drop(desk.passes(1)),
            1 => {
                desk.bank_answers(&asked, "00", &[]);
                // One that was approved before the last carry is lowered.
                if let Some(older) = stan.checked_sub(20) {
                    let mut lowering = reversal(older, 2000 + stan);
                    lowering.set(ElementNo::of(95), format!("{:012}{:030}", 400, 0).as_bytes());
                    desk.shop_sends(SHOP, 420, &lowering);
                }
            }
            2 => drop(desk.bank_answers(&asked, "00", &[(4, "000000000001")])),
            _ => drop(desk.shop_sends(SHOP, 220, &purchase(1000 + stan))),
        }
    }
    let live = desk.engine.tranlog().carry(desk.now.wall);
    let starts: Vec<usize> = desk
        .records
        .iter()
        .enumerate()
        .filter(|(_, (_, record))| matches!(record, iso8583d::record::Record::CarryBegins { .. }))
        .map(|(at, _)| at)
        .collect();
    assert!(starts.len() > 5);
    for start in starts {
        let mut engine = iso8583d::switch::Engine::new(
            settings(),
            std::sync::Arc::new(iso8583d::seal::Keys::new(&[3; 32])),
        );
        engine.begin_at(desk.records[start].0);
        desk.records[start..].iter().for_each(|(_, record)| engine.replay(record));
        let mut from_here = Vec::new();
        let mut from_live = Vec::new();
        let keys = iso8583d::seal::Keys::new(&[3; 32]);
        for (records, bytes) in [
            (engine.tranlog().carry(desk.now.wall), &mut from_here),
            (live.clone(), &mut from_live),
        ] {
            for record in records {
                iso8583d::record::encode(&record, iso8583d::record::Lsn(0), &keys, bytes);
            }
        }
        assert_eq!(from_here, from_live);
    }
    assert_ne!(desk.now.mono, Mono(0));
    let _ = (shop(), other_bank());
}

/// Replaces the first occurrence, for building element 90.
trait Replacing {
    fn replacing(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replacing for Vec<u8> {
    fn replacing(mut self, from: &[u8], to: &[u8]) -> Vec<u8> {
        if self.starts_with(from) {
            self.splice(..from.len(), to.iter().copied());
        }
        self
    }
}

/// An authorization and its completion: the issuer finds the one by what the other says in element 90, which is of our pair.
#[test]
fn a_completion_names_its_authorization_as_the_issuer_knows_it() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 100, &purchase(501)));
    desk.bank_answers(&asked, "00", &[(38, "A1B2C3")]);
    let mut completion = purchase(2);
    completion.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    let own = "010000050111231834000000012345600000000000";
    completion.set(ElementNo::ORIGINAL, own.as_bytes());
    let seen = desk.shop_sends(SHOP, 220, &completion);
    let told = seen.iter().find(|seen| seen.session == SHOP).unwrap();
    assert_eq!((told.code().as_str(), told.text(90).as_str()), ("00", own), "its own words");
    let sent = seen.iter().find(|seen| seen.session != SHOP).unwrap();
    let original = format!("0100{}{}0000012345600000000000", asked.text(11), asked.text(7));
    assert_eq!((sent.mti, sent.text(90)), (220, original.clone()));
    // The same after a crash, and as a repeat.
    let records = desk.records.len();
    let again = desk.crashes_after(records);
    let again = again.iter().find(|seen| seen.mti == 221).unwrap();
    assert_eq!(again.text(90), original);
}
