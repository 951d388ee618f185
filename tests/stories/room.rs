//! Stories of too little room: frames that are too short, a disk that fills, more owed than may be, and what grows too old.

use iso8583d::iso::{ElementNo, Elements};
use iso8583d::record::{Closing, DebtState, Outcome, Reason};
use iso8583d::switch::{Input, Note, Settings};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, bank, only, purchase, reversal, settings,
};
use super::{the_only_standing, txn_of};

/// The usual settings, with frames of a link, by its place, that hold no more than this.
fn short_frames(link: usize, frame_len_max: usize) -> Settings {
    let mut settings = settings();
    settings.links[link].frame_len_max = frame_len_max;
    settings
}

fn advice(stan: u32) -> Elements {
    let mut advice = purchase(stan);
    advice.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    advice.set(ElementNo::PAN, format!("4{stan:015}").as_bytes());
    advice
}

const SHOPS: usize = 0;
const BANKS: usize = 1;

/// The answer is never cut to fit: nobody was told, so it is undone at once, and everybody hears the same.
#[test]
fn rule_7_an_approval_longer_than_its_askers_frames_is_reversed_at_once() {
    let mut desk = Desk::with(short_frames(SHOPS, 250));
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)).is_empty());
    let more = "x".repeat(120);
    let follows = desk.bank_answers(&asked, "00", &[(38, "A1B2C3"), (54, &more)]);
    let mut heard: Vec<_> =
        follows.iter().map(|seen| (seen.session, seen.mti, seen.code())).collect();
    heard.sort_unstable();
    assert_eq!(
        heard,
        [
            (SHOP, 210, "91".to_owned()),
            (SHOP_AGAIN, 210, "91".to_owned()),
            (BANK, 420, String::new())
        ]
    );
    let standing = the_only_standing(&desk);
    assert_eq!(standing.reversal.map(|debt| debt.reason), Some(Reason::Undelivered));
    assert!(desk.notes.iter().any(|note| matches!(note, Note::TooLong { .. })));
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!(again.code(), "91", "one word for one message");
}

#[test]
fn a_decline_longer_than_its_askers_frames_is_told_by_its_code_alone() {
    let mut desk = Desk::with(short_frames(SHOPS, 250));
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let more = "x".repeat(120);
    let told = only(&desk.bank_answers(&asked, "51", &[(54, &more)]));
    assert_eq!(
        (told.code(), told.text(54), told.text(11)),
        ("51".into(), String::new(), "000001".into())
    );
    assert!(the_only_standing(&desk).reversal.is_none());
}

#[test]
fn a_request_longer_than_its_issuers_frames_is_refused_and_nothing_is_owed() {
    let mut desk = Desk::with(short_frames(BANKS, 100));
    let mut long = purchase(1);
    long.set(ElementNo::new(54).unwrap(), &[b'x'; 120]);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &long)).code(), "30");
    assert_eq!(
        only(&desk.shop_sends(SHOP, 220, &long)).code(),
        "30",
        "an advice while its sender listens"
    );
    assert!(desk.standings().is_empty());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).mti, 200, "what fits goes");
}

/// Element 90 makes a reversal longer than what it reverses. Nobody can send it: people have to see to it.
#[test]
fn rule_9_a_reversal_longer_than_its_issuers_frames_is_a_dead_letter_at_once() {
    let mut desk = Desk::with(short_frames(BANKS, 110));
    only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let follows = desk.passes(15_000);
    assert_eq!((only(&follows).mti, only(&follows).code()), (210, "91".into()));
    let debt = the_only_standing(&desk).reversal.unwrap();
    assert_eq!(debt.state, DebtState::Closed(Closing::Dead));
}

/// The card is element 2 of the request: an answer without it may be anybody's.
#[test]
fn rule_4_an_answer_without_the_card_is_96_and_reversed() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let follows = desk.bank_answers(&asked, "00", &[(2, "")]);
    assert!(follows.iter().any(|seen| seen.mti == 210 && seen.code() == "96"));
    assert!(follows.iter().any(|seen| seen.mti == 420));
}

#[test]
fn rule_4_a_request_by_track_alone_needs_no_card_in_its_answer() {
    for (named, code) in [("", "00"), ("4111111111111111", "00"), ("4222222222222222", "96")] {
        let mut desk = Desk::new();
        let mut by_track = purchase(1);
        by_track.remove(ElementNo::PAN);
        by_track.set(ElementNo::TRACK2, b"4111111111111111=29122010000");
        let asked = only(&desk.shop_sends(SHOP, 200, &by_track));
        let follows = desk.bank_answers(&asked, "00", &[(2, named)]);
        let told = follows.iter().find(|seen| seen.mti == 210).unwrap();
        assert_eq!(told.code(), code, "{named}");
    }
}

/// Its sender stores it and says it until it is taken.
#[test]
fn rule_2_an_advice_declined_for_lack_of_room_is_taken_when_there_is_room() {
    let mut desk = Desk::new();
    desk.handle(Input::Disk { low: true });
    assert_eq!(only(&desk.shop_sends(SHOP, 220, &advice(1))).code(), "96");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).code(), "96");
    desk.handle(Input::Disk { low: false });
    assert!(desk.shop_sends(SHOP, 221, &advice(1)).is_empty(), "the books are asked");
    let taken = desk.books_answer();
    assert_eq!((taken[0].mti, taken[0].code()), (230, "00".into()));
    assert_eq!(taken[1].mti, 220);
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(2)));
    assert_eq!(again.code(), "96", "a request has one word");
    let mut lost = advice(3);
    lost.set(ElementNo::PAN, b"9999991111111111");
    for _ in 0..2 {
        assert_eq!(
            only(&desk.shop_sends(SHOP, 220, &lost)).code(),
            "92",
            "and so has what has no route"
        );
    }
}

#[test]
fn rule_2_an_advice_declined_by_a_switch_that_stops_is_not_declined_for_good() {
    let mut desk = Desk::new();
    desk.handle(Input::Drain);
    for _ in 0..2 {
        assert_eq!(only(&desk.shop_sends(SHOP, 220, &advice(1))).code(), "91");
    }
    let fresh = |note: &&Note| matches!(note, Note::Declined { .. });
    assert_eq!(desk.notes.iter().filter(fresh).count(), 2, "each is a decline of its own");
}

#[test]
fn rule_9_so_many_advices_may_be_owed_and_no_more() {
    let mut with = settings();
    with.links[BANKS].owed.advices_max = 2;
    let mut desk = Desk::with(with);
    let in_flight = only(&desk.shop_sends(SHOP, 200, &purchase(9)));
    for session in [BANK, BANK_AGAIN] {
        desk.down(session, Vec::new());
    }
    for stan in [1, 2] {
        assert_eq!(only(&desk.shop_sends(SHOP, 220, &advice(stan))).code(), "00");
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 220, &advice(3))).code(), "96");
    desk.passes(15_000);
    let reversal = desk.standings()[&txn_of(&in_flight)].reversal.clone();
    assert_eq!(reversal.unwrap().state, DebtState::Open, "a reversal is owed whatever else is");
    desk.crashes_after(desk.records.len());
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    assert_eq!(only(&desk.shop_sends(SHOP, 220, &advice(3))).code(), "96", "after a restart too");
    desk.up(13, bank());
    let owed = desk.passes(10_000);
    let owed = owed.iter().find(|seen| seen.mti == 221).unwrap().clone();
    desk.bank_answers(&owed, "00", &[]);
    assert_eq!(desk.shop_sends(SHOP, 220, &advice(3))[0].code(), "00", "there is room again");
}

#[test]
fn rule_9_what_is_owed_grows_too_old_though_its_issuer_is_away() {
    let mut with = settings();
    with.links[BANKS].owed.age_ms_max = 100_000;
    let mut desk = Desk::with(with);
    for session in [BANK, BANK_AGAIN] {
        desk.down(session, Vec::new());
    }
    desk.shop_sends(SHOP, 220, &advice(1));
    desk.passes(60_000);
    desk.shop_sends(SHOP, 220, &advice(2));
    let states = |desk: &Desk| -> Vec<DebtState> {
        desk.standings().into_values().map(|standing| standing.advice.unwrap().state).collect()
    };
    desk.passes(39_000);
    assert_eq!(states(&desk), [DebtState::Open, DebtState::Open]);
    desk.passes(22_000);
    assert_eq!(states(&desk), [DebtState::Closed(Closing::Dead), DebtState::Open]);
    desk.crashes_after(desk.records.len());
    desk.down(BANK, Vec::new());
    desk.down(BANK_AGAIN, Vec::new());
    desk.passes(61_000);
    assert_eq!(states(&desk), [DebtState::Closed(Closing::Dead); 2], "after a restart too");
    assert!(desk.engine.next_deadline().is_none(), "with nothing owed nothing is looked after");
}

/// What is on its way may still be answered: it is not given up while its answer is waited for.
#[test]
fn rule_9_what_is_on_its_way_is_not_too_old() {
    let mut with = settings();
    with.links[BANKS].owed.age_ms_max = 5_000;
    let mut desk = Desk::with(with);
    let sent = desk.shop_sends(SHOP, 220, &advice(1))[1].clone();
    desk.passes(9_000);
    desk.bank_answers(&sent, "00", &[]);
    let debt = the_only_standing(&desk).advice.unwrap();
    assert_eq!(debt.state, DebtState::Closed(Closing::Final));
}

/// Anybody can make up originals, as fast as the link is; each would be a record.
#[test]
fn rule_14_below_the_reserve_only_reversals_of_known_originals_are_written() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.bank_answers(&asked, "00", &[]);
    desk.handle(Input::Disk { low: true });
    let written = desk.records.len();
    assert!(desk.shop_sends(SHOP, 420, &reversal(7, 8)).is_empty(), "the books are asked");
    assert_eq!(only(&desk.books_answer()).code(), "96");
    assert_eq!(desk.records.len(), written);
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 3));
    assert!(undone.iter().any(|seen| seen.mti == 420), "what is known is undone");
    desk.handle(Input::Disk { low: false });
    desk.shop_sends(SHOP, 421, &reversal(7, 8));
    assert_eq!(only(&desk.books_answer()).code(), "25", "the decline was not for ever");
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(7))).code(), "91");
    let known = desk.standings()[&txn_of(&asked)].clone();
    assert!(matches!(known.outcome, Outcome::Answered { .. }) && known.reversal.is_some());
    assert!(desk.seen.iter().all(|seen| seen.session != OTHER_BANK));
}
