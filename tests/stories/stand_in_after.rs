//! Stories of stand-in after a time-out: what was sent is undone, the approval in its issuer's place is told, and the issuer hears of
//! both, in this order. So it books the payment once.

use iso8583d::iso::{ElementNo, Elements};
use iso8583d::record::{Closing, DebtState, Outcome, Record, Standing, Unanswered};
use iso8583d::switch::{Input, LateApproval, Settings, StandIn};

use super::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, SHOP_AGAIN, Seen, bank, only, purchase, reversal,
    settings,
};

pub(super) fn limits() -> StandIn {
    StandIn {
        currency: *b"978",
        amount_max: 1_500,
        count_max: 2,
        total_max: 2_500,
        kinds: vec![*b"00"],
        while_down: true,
        after_timeout: true,
        late: LateApproval::Reverse,
    }
}

fn with(limits: StandIn) -> Desk {
    Desk::with(Settings { stand_in: vec![Some(limits)], ..settings() })
}

/// The shop asks, and the time of the bank passes; gives what was sent, and what follows.
fn unanswered(desk: &mut Desk, asked: &Elements) -> (Seen, Vec<Seen>) {
    let sent = only(&desk.shop_sends(SHOP, 200, asked));
    assert_eq!(sent.mti, 200);
    (sent, desk.passes(15_000))
}

fn told(follows: &[Seen]) -> Seen {
    let to_shop = |seen: &&Seen| [SHOP, SHOP_AGAIN].contains(&seen.session);
    only(&follows.iter().filter(to_shop).cloned().collect::<Vec<_>>())
}

fn to_bank(follows: &[Seen]) -> Vec<Seen> {
    follows.iter().filter(|seen| ![SHOP, SHOP_AGAIN].contains(&seen.session)).cloned().collect()
}

/// What was sent, and what was approved in its place.
fn both(desk: &Desk) -> (Standing, Standing) {
    let all: Vec<_> =
        desk.standings().into_values().filter(|standing| standing.sent().is_some()).collect();
    assert_eq!(all.len(), 2, "{all:?}");
    (all[0].clone(), all[1].clone())
}

#[test]
fn what_is_not_answered_in_time_is_approved_and_what_was_sent_is_undone_first() {
    let mut desk = with(limits());
    let (sent, follows) = unanswered(&mut desk, &purchase(1));
    let approval = told(&follows);
    assert_eq!((approval.mti, approval.code()), (210, "00".into()));
    assert_eq!(approval.text(38).len(), 6, "a number of ours");
    assert_eq!((approval.text(7), approval.text(11)), ("1123183400".into(), "000001".into()));
    let undone = only(&to_bank(&follows));
    assert_eq!(undone.mti, 420, "first the reversal of what was sent, alone");
    assert_eq!(undone.session, sent.session);
    assert!(undone.text(90).starts_with(&format!("0200{}{}", sent.text(11), sent.text(7))));
    let advice = only(&desk.bank_answers(&undone, "25", &[]));
    assert_eq!(advice.mti, 220, "then the advice of what stands");
    assert_eq!((advice.text(38), advice.text(39)), (approval.text(38), "00".into()));
    for (no, value) in [
        (2, "4111111111111111"),
        (4, "000000001000"),
        (37, "632718000001"),
        (42, "MERCHANT0000001"),
    ] {
        assert_eq!(advice.text(no), value, "DE {no}");
    }
    assert!(desk.bank_answers(&advice, "00", &[]).is_empty());
    // When its network can hold the request no longer, it is undone once more, to be sure.
    let once_more = only(&desk.passes(60_000));
    assert_eq!((once_more.mti, once_more.text(90)), (420, undone.text(90)));
    desk.bank_answers(&once_more, "25", &[]);
    assert!(desk.passes(600_000).is_empty());
    let (attempt, stands) = both(&desk);
    assert!(matches!(attempt.outcome, Outcome::Over { why: Unanswered::StoodIn, .. }));
    assert!(!attempt.stands_approved() && !attempt.is_open());
    assert!(stands.stood_in() && stands.stands_approved() && !stands.is_open());
    assert_eq!(stands.sent().unwrap().key, attempt.sent().unwrap().key);
}

#[test]
fn a_late_approval_is_undone_and_what_was_told_stands() {
    let mut desk = with(limits());
    let (sent, follows) = unanswered(&mut desk, &purchase(1));
    let first = only(&to_bank(&follows));
    let approval = told(&follows);
    let second = only(&desk.bank_answers(&sent, "00", &[(38, "LATE01")]));
    assert_eq!((second.mti, second.text(90)), (420, first.text(90)), "under a fresh pair");
    assert_ne!(second.text(11), first.text(11));
    let advice = only(&desk.bank_answers(&second, "00", &[]));
    assert_eq!((advice.mti, advice.text(38)), (220, approval.text(38)));
    desk.bank_answers(&advice, "00", &[]);
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((again.code(), again.text(38)), ("00".into(), approval.text(38)));
    // Whatever it says, and however late.
    assert!(desk.bank_answers(&sent, "51", &[]).is_empty());
    let third = only(&desk.bank_answers(&sent, "00", &[(38, "LATE02")]));
    assert_eq!((third.mti, third.text(90)), (420, first.text(90)));
    assert!(both(&desk).1.stands_approved());
}

#[test]
fn all_who_wait_hear_it_and_so_does_every_repeat() {
    let mut desk = with(limits());
    only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.shop_sends(SHOP_AGAIN, 201, &purchase(1)).is_empty());
    let follows = desk.passes(15_000);
    let heard: Vec<_> = follows.iter().filter(|seen| seen.mti == 210).cloned().collect();
    assert_eq!(heard.iter().map(|seen| seen.session).collect::<Vec<_>>(), [SHOP, SHOP_AGAIN]);
    assert!(heard.iter().all(|seen| seen.code() == "00" && seen.text(38) == heard[0].text(38)));
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!(again.elements, heard[0].elements);
    let mut other = purchase(1);
    other.set(ElementNo::AMOUNT, b"000000001001");
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &other)).code(), "94");
}

#[test]
fn an_askers_reversal_undoes_the_approval_and_leaves_what_was_sent_alone() {
    let mut desk = with(limits());
    let (sent, follows) = unanswered(&mut desk, &purchase(1));
    let undone = only(&to_bank(&follows));
    assert_eq!(only(&desk.shop_sends(SHOP, 400, &reversal(1, 9))).code(), "00");
    assert_ne!(only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(), "00");
    // In order: what was sent, the advice, and what takes that back.
    let mut seen = vec![undone];
    let mut heard = Vec::new();
    while let Some(next) = seen.first().cloned() {
        heard.push((next.mti, next.text(90).chars().take(10).collect::<String>()));
        seen = to_bank(&desk.bank_answers(&next, "00", &[]));
    }
    let (_, stands) = both(&desk);
    let number = format!("{:06}", stands.sent().unwrap().trace.stan.get());
    let expected = [
        (420, format!("0200{}", sent.text(11))),
        (220, String::new()),
        (420, format!("0220{number}")),
    ];
    assert_eq!(heard, expected);
    // What it had spent is there again: the card has both of its requests.
    for stan in 2..=3 {
        assert_eq!(told(&unanswered(&mut desk, &purchase(stan)).1).code(), "00");
    }
}

#[test]
fn limits_hold_over_both_kinds_and_what_they_do_not_allow_is_a_time_out_as_ever() {
    let mut desk = with(limits());
    assert_eq!(told(&unanswered(&mut desk, &purchase(1)).1).code(), "00");
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).code(), "00");
    desk.up(31, bank());
    let (sent, follows) = unanswered(&mut desk, &purchase(3));
    assert_eq!((sent.session, told(&follows).code()), (31, "91".into()));
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(3)));
    assert_eq!(again.code(), "91");
    for (no, value) in
        [(4, "000000001501"), (3, "200000"), (49, "840"), (52, "12345678"), (14, "2610")]
    {
        let mut desk = with(limits());
        let mut asked = purchase(1);
        asked.set(ElementNo::of(no), value.as_bytes());
        let (_, follows) = unanswered(&mut desk, &asked);
        assert_eq!(told(&follows).code(), "91", "DE {no} {value}");
        assert_eq!(only(&to_bank(&follows)).mti, 420);
    }
}

#[test]
fn only_on_what_the_route_says() {
    let mut desk = with(StandIn { after_timeout: false, ..limits() });
    assert_eq!(told(&unanswered(&mut desk, &purchase(1)).1).code(), "91");
    let mut desk = with(StandIn { while_down: false, ..limits() });
    assert_eq!(told(&unanswered(&mut desk, &purchase(1)).1).code(), "00");
    for session in [BANK, BANK_AGAIN, OTHER_BANK] {
        desk.down(session, Vec::new());
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(2))).code(), "91");
}

#[test]
fn where_nobody_waits_or_nothing_new_is_taken_nothing_is_approved() {
    let mut desk = with(limits());
    desk.shop_sends(SHOP, 200, &purchase(1));
    desk.down(SHOP, Vec::new());
    assert_eq!(only(&desk.passes(15_000)).mti, 420);
    for input in [Input::Drain, Input::Disk { low: true }] {
        let mut desk = with(limits());
        desk.shop_sends(SHOP, 200, &purchase(1));
        desk.handle(input);
        assert_eq!(told(&desk.passes(15_000)).code(), "91");
    }
    // An approval of which no copy is begun is reversed, behind its advice.
    let mut desk = with(limits());
    let (_, follows) = unanswered(&mut desk, &purchase(1));
    desk.down(SHOP, vec![told(&follows).mark]);
    let (_, stands) = both(&desk);
    assert!(!stands.stands_approved());
    let advice = only(&desk.bank_answers(&only(&to_bank(&follows)), "00", &[]));
    assert_eq!(advice.mti, 220);
    assert_eq!(only(&desk.bank_answers(&advice, "00", &[])).mti, 420);
}

/// A reversal that has no room in the issuer's frames is given up at once, and nobody may approve what it was to undo.
#[test]
fn what_cannot_be_undone_is_not_approved() {
    let (mut approved, mut given_up) = (0, 0);
    for frame_len_max in 60..240 {
        let mut with = settings();
        with.links[1].frame_len_max = frame_len_max;
        with.stand_in = vec![Some(limits())];
        let mut desk = Desk::with(with);
        desk.down(OTHER_BANK, Vec::new());
        if only(&desk.shop_sends(SHOP, 200, &purchase(1))).mti != 200 {
            continue;
        }
        let code = told(&desk.passes(15_000)).code();
        let attempt = desk.standings().into_values().next().unwrap();
        let is_open = attempt.reversal.unwrap().state == DebtState::Open;
        assert_eq!(code == "00", is_open, "{frame_len_max}");
        (approved, given_up) = (approved + u32::from(is_open), given_up + u32::from(!is_open));
    }
    assert!(approved > 0 && given_up > 0, "{approved} {given_up}");
}

#[test]
fn the_power_fails_before_and_after() {
    // Before it was decided: reversed, as any request without an answer; nobody heard anything.
    let mut desk = with(limits());
    desk.shop_sends(SHOP, 200, &purchase(1));
    let follows = desk.crashes_after(desk.records.len());
    assert_eq!(only(&follows).mti, 420);
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(), "91");
    // After: the approval stands under the asker's key, and the issuer hears of both in order.
    let mut desk = with(limits());
    let (sent, follows) = unanswered(&mut desk, &purchase(1));
    let approval = told(&follows);
    let follows = desk.crashes_after(desk.records.len());
    let undone = only(&follows);
    assert_eq!(undone.mti, 421);
    let again = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!((again.code(), again.text(38)), ("00".into(), approval.text(38)));
    let advice = only(&desk.bank_answers(&undone, "25", &[]));
    assert_eq!((advice.mti, advice.text(38)), (221, approval.text(38)));
    assert!(desk.bank_answers(&advice, "00", &[]).is_empty());
    let late = only(&desk.bank_answers_on(BANK, &sent, "00", &[]));
    assert_eq!(late.mti, 420, "what was sent is still known by its own pair");
}

/// What was sent may be open for longer than the approval is remembered: the asker's key does not come back to it.
#[test]
fn what_was_sent_has_lost_its_askers_key_for_good() {
    let mut desk = Desk::with(Settings {
        stand_in: vec![Some(limits())],
        window_ms: 1_000,
        entries_max: 0,
        ..settings()
    });
    let (_, follows) = unanswered(&mut desk, &purchase(1));
    let approval = told(&follows);
    let advice = only(&desk.bank_answers(&only(&to_bank(&follows)), "25", &[]));
    desk.bank_answers(&advice, "00", &[]);
    desk.handle(Input::Begun { marks: vec![approval.mark] });
    desk.passes(5_000);
    let (attempt, stands) = both(&desk);
    assert!(attempt.is_open() && desk.engine.tranlog().standing(attempt.id).is_some());
    for crash in [false, true] {
        if crash {
            // The last carry has what is open, and recovery may begin there.
            desk.crashes_after(desk.records.len());
            let carried = |record: &Record| matches!(record, Record::Carried(standing) if standing.id == attempt.id);
            assert!(desk.records.iter().any(|(_, record)| carried(record)));
        } else {
            assert!(desk.engine.tranlog().standing(stands.id).is_none(), "memory has let go");
        }
        desk.seen.clear();
        desk.shop_sends(SHOP, 201, &purchase(1));
        if !desk.questions.is_empty() {
            desk.books_answer();
        }
        let again = only(&desk.seen);
        assert_eq!((again.code(), again.text(38)), ("00".into(), approval.text(38)), "{crash}");
    }
}

#[test]
fn an_advice_that_is_refused_is_for_the_operator() {
    let mut desk = with(limits());
    let (_, follows) = unanswered(&mut desk, &purchase(1));
    let advice = only(&desk.bank_answers(&only(&to_bank(&follows)), "00", &[]));
    desk.bank_answers(&advice, "05", &[]);
    let (_, stands) = both(&desk);
    let state = stands.advice.as_ref().map(|debt| debt.state);
    assert_eq!(state, Some(DebtState::Closed(Closing::Dead)));
    assert!(stands.stands_approved(), "what was told stands");
}

/// It completes what was sent: in its place nothing else stands that nothing would complete.
#[test]
fn what_a_completion_has_named_is_not_approved_after_its_time() {
    let mut desk = with(limits());
    only(&desk.shop_sends(SHOP, 100, &purchase(1)));
    let mut completes = purchase(2);
    let original = format!("0100{:06}1123183400{:0>11}{:0>11}", 1, "123456", "");
    completes.set(ElementNo::ORIGINAL, original.as_bytes());
    desk.shop_sends(SHOP, 220, &completes);
    let seen = desk.passes(15_000);
    assert_eq!(seen.iter().find(|seen| seen.session == SHOP).unwrap().code(), "91");
}
