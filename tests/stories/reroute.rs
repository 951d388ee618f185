//! Stories of requests of which no byte left before their session ended: they go elsewhere, once to each link, and as if they had
//! gone there at first.

use iso8583d::iso::ElementNo;
use iso8583d::record::{DebtState, Outcome, Record, Unanswered};
use iso8583d::route::{Rule, Table};
use iso8583d::switch::{Input, Mark, Note, SessionId, Settings};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, Seen, bank, only, other_bank, purchase,
    reversal, rule, settings,
};
use super::{the_only_standing, txn_of};

/// Settings in which a request stays where it was sent.
pub(super) fn staying() -> Settings {
    let stays = |rule: Rule| Rule { stays: true, ..rule };
    let rules = [rule("4", &["bank", "other-bank"]), rule("5", &["other-bank"])].map(stays);
    Settings { routes: Table::new(&rules), ..settings() }
}

/// A desk whose bank has one session.
fn with_one_session() -> Desk {
    let mut desk = Desk::new();
    desk.down(BANK_AGAIN, Vec::new());
    desk
}

/// The session that carried a message ends, and nothing of the message was begun; gives what follows.
fn never_begun(desk: &mut Desk, asked: &Seen) -> Vec<Seen> {
    desk.seen.clear();
    desk.down(asked.session, vec![asked.mark]);
    desk.seen.clone()
}

fn pair(seen: &Seen) -> (String, String) {
    (seen.text(7), seen.text(11))
}

#[test]
fn a_request_that_never_left_goes_to_the_next_link_and_is_approved_there() {
    let mut desk = with_one_session();
    let mut request = purchase(1);
    request.set(ElementNo::of(35), b"4111111111111111=29122010000");
    let asked = only(&desk.shop_sends(SHOP, 200, &request));
    assert_eq!(asked.session, BANK);
    let again = only(&never_begun(&mut desk, &asked));
    assert_eq!((again.session, again.mti), (OTHER_BANK, 200));
    for no in [2, 3, 4, 18, 22, 35, 37, 41, 42, 49] {
        assert_eq!(again.text(no), asked.text(no), "DE {no}: all that its asker said");
    }
    assert!(desk.notes.contains(&Note::Rerouted { from: bank(), to: other_bank() }));
    let told = only(&desk.bank_answers(&again, "00", &[(38, "A1B2C3")]));
    assert_eq!((told.session, told.code(), told.text(38)), (SHOP, "00".into(), "A1B2C3".into()));
    assert_eq!((told.text(7), told.text(11)), ("1123183400".into(), "000001".into()));
    let standing = the_only_standing(&desk);
    assert!(standing.stands_approved());
    assert_eq!(standing.sent().unwrap().issuer, other_bank(), "who approved is who pays");
    // What undoes it goes where it went, and names it as it is known there.
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 2));
    let owed = undone.iter().find(|seen| seen.mti == 420).unwrap();
    assert_eq!(owed.session, OTHER_BANK);
    let named = format!("0200{}{}", again.text(11), again.text(7));
    assert!(owed.text(90).starts_with(&named), "{}", owed.text(90));
}

#[test]
fn another_session_of_the_same_link_is_preferred() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let again = only(&never_begun(&mut desk, &asked));
    assert!([BANK, BANK_AGAIN].contains(&again.session) && again.session != asked.session);
    assert_ne!(pair(&again), pair(&asked), "under a fresh pair all the same");
    // The link had its second turn: the next one is another's.
    let last = only(&never_begun(&mut desk, &again));
    assert_eq!(last.session, OTHER_BANK);
    assert_eq!(only(&desk.bank_answers(&last, "00", &[])).code(), "00");
}

/// No link gets it twice: it ends, whatever comes and goes.
#[test]
fn a_request_that_never_leaves_at_all_is_declined_and_owes_nothing() {
    let mut desk = Desk::new();
    let mut asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let mut went = vec![asked.session];
    for session in 31..60 {
        desk.up(session, if session % 2 == 0 { bank() } else { other_bank() });
        let follows = only(&never_begun(&mut desk, &asked));
        if follows.mti == 210 {
            assert_eq!((follows.session, follows.code()), (SHOP, "91".into()));
            break;
        }
        went.push(follows.session);
        asked = follows;
    }
    assert_eq!(went.len(), 3, "once at first, and once more to each link: {went:?}");
    let standing = the_only_standing(&desk);
    assert!(matches!(standing.outcome, Outcome::Over { why: Unanswered::NeverBegun, .. }));
    assert!(standing.reversal.is_none());
    assert!(desk.passes(100_000).is_empty());
    // Its places are free again.
    let views = desk.engine.links();
    assert!(views.iter().all(|link| link.in_flight == 0 && link.asking == 0), "{views:?}");
}

#[test]
fn what_was_begun_goes_nowhere_else() {
    let mut desk = with_one_session();
    desk.shop_sends(SHOP, 200, &purchase(1));
    desk.seen.clear();
    desk.down(BANK, Vec::new());
    assert!(desk.seen.is_empty());
    assert!(desk.passes(15_000).iter().any(|seen| seen.mti == 210 && seen.code() == "91"));
    assert!(the_only_standing(&desk).reversal.is_some(), "it may have been approved");
}

#[test]
fn a_request_that_goes_on_keeps_its_deadline() {
    // Its asker waits since it came.
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.passes(9_000);
    never_begun(&mut desk, &asked);
    assert!(desk.passes(5_999).is_empty());
    let follows = desk.passes(1);
    assert!(follows.iter().any(|seen| seen.mti == 210 && seen.code() == "91"), "{follows:?}");
    let owed = follows.iter().find(|seen| seen.mti == 420).unwrap();
    assert_eq!(owed.session, OTHER_BANK, "undone where it went");
    // A link that gives less time gives that.
    let mut with = settings();
    with.links[2].timeout_ms = 2_000;
    let mut desk = Desk::with(with);
    desk.down(BANK_AGAIN, Vec::new());
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    never_begun(&mut desk, &asked);
    assert!(desk.passes(1_999).is_empty());
    assert!(desk.passes(1).iter().any(|seen| seen.mti == 210));
    // Whose time is up by then goes nowhere.
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.handle(Input::Lost { session: SessionId(asked.session) });
    desk.now.mono = desk.now.mono.plus(15_000);
    assert_eq!(only(&never_begun(&mut desk, &asked)).code(), "91");
}

#[test]
fn a_response_under_the_old_pair_answers_nothing() {
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let again = only(&never_begun(&mut desk, &asked));
    desk.up(31, bank());
    // Nobody can have heard that pair: an approval under it is for people to look at.
    assert!(desk.bank_answers_on(31, &asked, "00", &[]).is_empty());
    assert!(desk.books_answer().is_empty());
    let orphaned = |record: &Record| matches!(record, Record::Unmatched { orphan: true, .. });
    assert!(desk.records.iter().any(|(_, record)| orphaned(record)));
    assert_eq!(only(&desk.bank_answers(&again, "00", &[])).code(), "00", "and changes nothing");
    assert!(the_only_standing(&desk).stands_approved());
}

#[test]
fn a_copy_waits_for_the_answer_from_where_the_request_went() {
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)).is_empty());
    let again = only(&never_begun(&mut desk, &asked));
    for _ in 0..9 {
        assert!(desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)).is_empty());
    }
    let told = desk.bank_answers(&again, "00", &[]);
    assert!(told.len() > 1 && told.iter().all(|seen| seen.mti == 210 && seen.code() == "00"));
}

#[test]
fn nobody_is_asked_for_whom_nobody_waits() {
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.down(SHOP, Vec::new());
    assert!(never_begun(&mut desk, &asked).is_empty());
    assert!(matches!(
        the_only_standing(&desk).outcome,
        Outcome::Over { why: Unanswered::NeverBegun, .. }
    ));
    // Nor while the switch is about to stop.
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.handle(Input::Drain);
    assert_eq!(only(&never_begun(&mut desk, &asked)).code(), "91");
}

#[test]
fn the_power_fails_after_a_request_went_on() {
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let again = only(&never_begun(&mut desk, &asked));
    let follows = desk.crashes_after(desk.records.len());
    let owed = only(&follows);
    assert_eq!(
        (owed.session, owed.mti),
        (OTHER_BANK, 420),
        "undone where it went, and nowhere else"
    );
    assert!(owed.text(90).starts_with(&format!("0200{}{}", again.text(11), again.text(7))));
    let late = only(&desk.bank_answers_on(OTHER_BANK, &again, "00", &[]));
    assert_eq!(late.mti, 420, "it is known by its new pair");
    let open = the_only_standing(&desk).reversal.map(|debt| debt.state);
    assert_eq!(open, Some(DebtState::Open));
    // Before that record was durable nothing had left for the other bank.
    let mut desk = with_one_session();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let durable = desk.records.len();
    never_begun(&mut desk, &asked);
    let owed = only(&desk.crashes_after(durable));
    assert!([BANK, BANK_AGAIN].contains(&owed.session));
}

/// What a link told of late is of the first session only: a request that goes on is not taken back by it once more.
#[test]
fn the_end_of_the_first_session_takes_nothing_back_twice() {
    let mut desk = Desk::new();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let again = only(&never_begun(&mut desk, &asked));
    desk.seen.clear();
    desk.down(asked.session, vec![Mark::Request(txn_of(&asked))]);
    assert!(desk.seen.is_empty());
    assert_eq!(only(&desk.bank_answers(&again, "00", &[])).code(), "00");
}

#[test]
fn a_link_that_cannot_be_told_of_it_is_passed_over() {
    let mut with = settings();
    with.links[2].frame_len_max = 40;
    let mut desk = Desk::with(with);
    desk.down(BANK_AGAIN, Vec::new());
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(only(&never_begun(&mut desk, &asked)).code(), "91");
    assert!(the_only_standing(&desk).reversal.is_none());
}
