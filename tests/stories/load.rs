//! Fair under load: who asks too much is declined, and an issuer that answers nothing costs nobody else's time.

use iso8583d::iso::ElementNo;
use iso8583d::record::Owing;
use iso8583d::switch::{
    BreakerSettings, Limit, LinkOrder, LinkState, Mark, NetworkSettings, Note, Order, Rate,
    SessionState, Settings, SignOn,
};

use crate::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, Seen, bank, elements, only, purchase, reversal,
    settings, shop,
};
use crate::reroute::staying;

/// A desk whose shop may ask so much.
fn limited(rate: Rate, merchant_rate: Rate) -> Desk {
    let mut with = settings();
    (with.links[0].rate, with.links[0].merchant_rate) = (rate, merchant_rate);
    Desk::with(with)
}

#[test]
fn a_link_that_asks_too_much_a_second_is_declined_until_time_has_passed() {
    let mut desk = limited(Rate { per_second: 10, burst: 3 }, Rate::default());
    let first = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    for stan in 2..=3 {
        assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(stan))).mti, 200);
    }
    let written = desk.records.len();
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(4))).code(), "96");
    assert_eq!(desk.records.len(), written, "counted and told, not journaled");
    assert!(desk.notes.contains(&Note::Limited { asker: shop(), by: Limit::Link }));
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &purchase(4))).code(), "96", "a decline is held");
    // What is no new request is never limited.
    assert!(desk.shop_sends(SHOP, 201, &purchase(2)).is_empty(), "a copy waits with its original");
    assert_eq!(only(&desk.bank_answers(&first, "00", &[])).code(), "00");
    assert_eq!(only(&desk.shop_sends(SHOP, 201, &purchase(1))).code(), "00");
    let undone = desk.shop_sends(SHOP, 420, &reversal(1, 9));
    assert!(undone.iter().any(|seen| seen.mti == 430 && seen.code() == "00"));
    let mut advice = purchase(5);
    advice.set(ElementNo::of(38), b"A1B2C3");
    assert_eq!(desk.shop_sends(SHOP, 220, &advice)[0].code(), "00");
    desk.passes(99);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(6))).code(), "96");
    desk.passes(1);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(7))).mti, 200);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(8))).code(), "96");
}

#[test]
fn one_merchant_that_asks_too_much_takes_nothing_from_the_others() {
    let mut desk = limited(Rate { per_second: 10, burst: 4 }, Rate { per_second: 1, burst: 2 });
    let of = |merchant: &str, stan| {
        let mut purchase = purchase(stan);
        purchase.set(ElementNo::MERCHANT, format!("{merchant:<15}").as_bytes());
        purchase
    };
    for stan in 1..=2 {
        assert_eq!(only(&desk.shop_sends(SHOP, 200, &of("LOUD", stan))).mti, 200);
    }
    for stan in 3..=9 {
        assert_eq!(only(&desk.shop_sends(SHOP, 200, &of("LOUD", stan))).code(), "96");
    }
    assert!(desk.notes.contains(&Note::Limited { asker: shop(), by: Limit::Merchant }));
    for stan in 10..=11 {
        assert_eq!(only(&desk.shop_sends(SHOP, 200, &of("QUIET", stan))).mti, 200);
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &of("THIRD", 12))).code(), "96", "their link's");
    desk.passes(1_000);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &of("LOUD", 13))).mti, 200);
}

/// A desk whose first bank is cut off after three time-outs; it uses network management, or not. Cards that begin with 4 may
/// go to the other bank when the first has none.
fn breaking(managed: bool) -> Desk {
    breaking_with(settings(), managed)
}

fn breaking_with(mut with: Settings, managed: bool) -> Desk {
    let link = &mut with.links[1];
    link.breaker = BreakerSettings { timeouts: 3, probe_ms: 5_000 };
    if managed {
        link.network = NetworkSettings { sign_on: SignOn::Await, ..NetworkSettings::default() };
    }
    let mut desk = Desk::with(with);
    if managed {
        for session in [BANK, BANK_AGAIN] {
            bank_signs_on(&mut desk, session);
        }
    }
    desk
}

fn bank_signs_on(desk: &mut Desk, session: u64) {
    let signs = elements(&[(7, "1123183400"), (11, "000001"), (70, "001")]);
    assert_eq!(desk.shop_sends(session, 800, &signs)[0].code(), "00");
}

fn state(desk: &Desk) -> LinkState {
    desk.engine.links().into_iter().find(|view| view.id == bank()).unwrap().state
}

/// So many requests go to the bank, and are not answered; gives what was sent when the last one was over.
fn unanswered(desk: &mut Desk, stans: std::ops::RangeInclusive<u32>) -> Vec<Seen> {
    for stan in stans {
        let seen = desk.shop_sends(SHOP, 200, &purchase(stan));
        assert!([BANK, BANK_AGAIN].contains(&only(&seen).session), "{stan}");
    }
    desk.passes(15_000)
}

fn is_owed(seen: &Seen) -> bool {
    matches!(seen.mark, Mark::Owed(_, Owing::Reversal, _))
}

#[test]
fn an_issuer_that_answers_nothing_is_cut_off_and_tried_with_one_request_at_a_time() {
    let mut desk = breaking(false);
    unanswered(&mut desk, 1..=2);
    assert_eq!(state(&desk), LinkState::Sessions(SessionState::SignedOn));
    unanswered(&mut desk, 3..=3);
    assert_eq!(state(&desk), LinkState::CutOff);
    assert!(desk.notes.contains(&Note::CutOff { link: bank(), missed: 3 }));
    // Requests go to the next link of their route; with none they are declined at once.
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(4))).session, OTHER_BANK);
    desk.down(OTHER_BANK, Vec::new());
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(5))).code(), "91");
    // Nobody uses network management there: after a while one request shows what its issuer does.
    desk.passes(4_999);
    assert_eq!(state(&desk), LinkState::CutOff);
    desk.passes(1);
    assert_eq!(state(&desk), LinkState::OnTrial);
    assert!([BANK, BANK_AGAIN].contains(&only(&desk.shop_sends(SHOP, 200, &purchase(6))).session));
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(7))).code(), "91", "one at a time");
    desk.passes(15_000);
    assert_eq!(state(&desk), LinkState::CutOff, "it was not answered");
    desk.passes(5_000);
    let trial = only(&desk.shop_sends(SHOP, 200, &purchase(8)));
    let seen = desk.bank_answers(&trial, "05", &[]);
    assert!(seen.iter().any(|seen| seen.mti == 210 && seen.code() == "05"));
    assert_eq!(state(&desk), LinkState::Sessions(SessionState::SignedOn), "a decline answers");
    for stan in 9..=12 {
        assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(stan))).mti, 200);
    }
}

#[test]
fn an_answer_between_them_and_nothing_else_keeps_time_outs_from_adding_up() {
    let mut desk = breaking(false);
    unanswered(&mut desk, 1..=2);
    let answered = only(&desk.shop_sends(SHOP, 200, &purchase(3)));
    desk.bank_answers(&answered, "00", &[]);
    unanswered(&mut desk, 4..=5);
    assert_eq!(state(&desk), LinkState::Sessions(SessionState::SignedOn));
    // A late answer, and an acknowledgement, come from somebody who stores, and maybe from nobody who decides.
    let mut desk = breaking(false);
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    let seen = desk.passes(15_000);
    let owed = seen.iter().find(|seen| is_owed(seen)).unwrap().clone();
    desk.bank_answers(&asked, "05", &[]);
    desk.bank_answers(&owed, "00", &[]);
    unanswered(&mut desk, 2..=3);
    assert_eq!(state(&desk), LinkState::CutOff);
    desk.bank_answers(&asked, "05", &[]);
    assert_eq!(state(&desk), LinkState::CutOff);
}

#[test]
fn what_is_owed_waits_while_a_link_is_cut_off_and_goes_one_by_one_on_trial() {
    let mut desk = breaking(false);
    for stan in 1..=3 {
        let mut purchase = purchase(stan);
        let card = format!("411111111111{stan:04}");
        purchase.set(ElementNo::PAN, card.as_bytes());
        desk.shop_sends(SHOP, 200, &purchase);
    }
    let seen = desk.passes(15_000);
    // The time-outs are one by one: two reversals left before the third request was over.
    assert_eq!(seen.iter().filter(|seen| is_owed(seen)).count(), 2);
    assert!(desk.passes(4_999).is_empty(), "cut off");
    let seen = desk.passes(1);
    assert!(seen.is_empty(), "two are on their way already: {seen:?}");
    assert_eq!(state(&desk), LinkState::OnTrial);
    let mut sent = 0;
    for _ in 0..100 {
        let owed: Vec<_> = desk.passes(1_000).into_iter().filter(is_owed).collect();
        assert!(owed.len() < 2, "one at a time");
        for owed in &owed {
            sent += 1;
            let more = desk.bank_answers(owed, "00", &[]);
            assert!(more.len() < 2);
            for more in more.iter().filter(|seen| is_owed(seen)) {
                sent += 1;
                desk.bank_answers(more, "00", &[]);
            }
        }
    }
    assert!(3 <= sent, "{sent}");
    assert_eq!(state(&desk), LinkState::OnTrial, "whoever stores has decided nothing");
}

#[test]
fn a_link_with_network_management_is_probed_by_echo() {
    let mut desk = breaking(true);
    let seen = unanswered(&mut desk, 1..=3);
    assert_eq!(state(&desk), LinkState::CutOff);
    let echo = seen.iter().find(|seen| seen.mti == 800).unwrap().clone();
    assert_eq!(echo.text(70), "301", "at once");
    let again = desk.passes(5_000);
    assert!(again.iter().any(|seen| seen.mti == 800), "on the other session: {again:?}");
    assert_eq!(state(&desk), LinkState::CutOff);
    desk.bank_answers(&echo, "00", &[]);
    assert_eq!(state(&desk), LinkState::OnTrial, "it lives, which is not yet to authorize");
    let trial = only(&desk.shop_sends(SHOP, 200, &purchase(4)));
    assert!([BANK, BANK_AGAIN].contains(&trial.session));
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(5))).session, OTHER_BANK);
    desk.bank_answers(&trial, "00", &[]);
    assert_eq!(state(&desk), LinkState::Sessions(SessionState::SignedOn));
    assert!(desk.notes.contains(&Note::AnswersAgain { link: bank() }));
}

#[test]
fn a_link_that_was_cut_off_is_on_trial_when_somebody_signs_on_or_it_is_put_back() {
    for operator in [false, true] {
        let mut desk = breaking(true);
        unanswered(&mut desk, 1..=3);
        assert_eq!(state(&desk), LinkState::CutOff);
        if operator {
            desk.orders(Order::Link(bank(), LinkOrder::Drain));
            desk.orders(Order::Link(bank(), LinkOrder::Up));
        } else {
            desk.up(13, bank());
            bank_signs_on(&mut desk, 13);
        }
        assert_eq!(state(&desk), LinkState::OnTrial);
    }
    // And the process that comes back has nothing against anybody.
    let mut desk = breaking(false);
    unanswered(&mut desk, 1..=3);
    desk.crashes_after(desk.records.len());
    assert_eq!(state(&desk), LinkState::Sessions(SessionState::SignedOn));
}

#[test]
fn a_trial_that_never_left_is_none() {
    let mut desk = breaking_with(staying(), false);
    unanswered(&mut desk, 1..=3);
    desk.down(OTHER_BANK, Vec::new());
    desk.passes(5_000);
    let trial = only(&desk.shop_sends(SHOP, 200, &purchase(4)));
    desk.seen.clear();
    desk.down(trial.session, vec![trial.mark]);
    assert_eq!(desk.seen.last().unwrap().code(), "91");
    assert_eq!(state(&desk), LinkState::OnTrial);
    let other = only(&desk.shop_sends(SHOP, 200, &purchase(5)));
    assert_eq!(other.mti, 200);
    // Nor is one that its asker takes back: the next may be it.
    let undone = desk.shop_sends(SHOP, 420, &reversal(5, 9));
    assert!(undone.iter().any(|seen| seen.mti == 430));
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(6))).mti, 200);
}

/// Another session of the link that is on trial gets it in place of the first, and no other request besides.
#[test]
fn a_trial_that_goes_on_elsewhere_is_one_there() {
    let mut desk = breaking(false);
    unanswered(&mut desk, 1..=3);
    desk.down(OTHER_BANK, Vec::new());
    desk.passes(5_000);
    let trial = only(&desk.shop_sends(SHOP, 200, &purchase(4)));
    desk.seen.clear();
    desk.down(trial.session, vec![trial.mark]);
    let again = only(&desk.seen);
    assert!(again.mti == 200 && again.session != trial.session);
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(5))).code(), "91");
    desk.bank_answers(&again, "00", &[]);
    assert_eq!(state(&desk), LinkState::Sessions(SessionState::SignedOn));
}

/// One issuer has as many requests in flight as it may, and reads nothing: whoever asks another does not notice.
#[test]
fn a_slow_issuer_takes_no_place_of_another() {
    let mut with = settings();
    with.links[1].in_flight_max = 5;
    let mut desk = Desk::with(with);
    desk.down(OTHER_BANK, Vec::new());
    for stan in 1..=5 {
        assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(stan))).mti, 200);
    }
    assert_eq!(only(&desk.shop_sends(SHOP, 200, &purchase(6))).code(), "96", "an explicit no");
    desk.up(22, crate::desk::other_bank());
    for stan in 7..=90 {
        let mut other = purchase(stan);
        other.set(ElementNo::PAN, b"5111111111111118");
        let asked = only(&desk.shop_sends(SHOP, 200, &other));
        assert_eq!(asked.session, 22);
        assert_eq!(only(&desk.bank_answers(&asked, "00", &[])).code(), "00");
    }
}
