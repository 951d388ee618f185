//! The business day: ended by the clock, by a message or by an operator, once each, and never opened again.

use iso8583d::iso::{BusinessDate, ElementNo, Wall};
use iso8583d::record::{Outcome, Record};
use iso8583d::switch::{CutOver, DaySettings, Note, Order, OrderResult, Settings};

use crate::desk::{
    BANK, BANK_AGAIN, Desk, OTHER_BANK, SHOP, Seen, elements, only, other_bank, purchase, settings,
};
use crate::txn_of;

const HOUR: u64 = 3_600_000;

/// 23 November 2026, the day on which the desk opens, at 18:34.
fn monday() -> BusinessDate {
    BusinessDate::from_text("2026-11-23").unwrap()
}

/// A desk where the day ends at 23:00, five seconds before that.
fn at_eleven() -> Desk {
    let day = DaySettings { cut_at_ms: Some(82_800_000), utc_offset_min: 0 };
    let mut desk = Desk::with(Settings { day, ..settings() });
    desk.passes(4 * HOUR + 25 * 60_000 + 55_000);
    desk
}

/// The dates that were opened, and those that were cut, in order.
fn dates(desk: &Desk) -> (Vec<BusinessDate>, Vec<BusinessDate>) {
    let (mut opened, mut cut) = (Vec::new(), Vec::new());
    for (_, record) in &desk.records {
        match record {
            Record::Opened { date, .. } => opened.push(*date),
            Record::Cut { date, .. } => cut.push(*date),
            _ => {}
        }
    }
    (opened, cut)
}

#[test]
fn rule_12_the_clock_ends_a_day_and_what_is_in_flight_keeps_its_date() {
    let mut desk = at_eleven();
    let before = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert!(desk.passes(4_999).is_empty());
    assert_eq!(desk.engine.tranlog().date(), monday());
    // Nothing comes in: the switch opens the day by itself.
    desk.passes(1);
    let log = desk.engine.tranlog();
    assert_eq!((log.date(), log.closing()), (monday().next(), Some(monday())));
    let after = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    desk.bank_answers(&after, "00", &[]);
    assert!(desk.cut.is_empty(), "one of the old day is in flight");
    desk.bank_answers(&before, "00", &[]);
    assert_eq!(desk.cut, [monday()], "its files are wanted, and nobody had to order them");
    let standings = desk.standings();
    assert_eq!(standings[&txn_of(&before)].date(), Some(monday()));
    assert_eq!(standings[&txn_of(&after)].date(), Some(monday().next()));
    assert!(standings.values().all(iso8583d::record::Standing::stands_approved));
    desk.passes(23 * HOUR);
    assert_eq!(dates(&desk).1, [monday()], "the next day is as long as any other");
    desk.passes(HOUR);
    assert_eq!(dates(&desk).1, [monday(), monday().next()]);
}

#[test]
fn rule_12_what_never_is_answered_does_not_keep_a_day_open() {
    let mut desk = at_eleven();
    let before = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.passes(5_000);
    desk.passes(10_000);
    assert_eq!(desk.cut, [monday()]);
    assert_eq!(desk.standings()[&txn_of(&before)].date(), Some(monday()));
}

#[test]
fn rule_12_a_clock_that_steps_back_opens_no_day_again() {
    let mut desk = at_eleven();
    desk.passes(5_000);
    assert_eq!(dates(&desk), (vec![monday(), monday().next()], vec![monday()]));
    for step in [2 * HOUR, 30 * HOUR] {
        desk.now.wall = Wall(desk.now.wall.0 - step);
        let asked =
            only(&desk.shop_sends(SHOP, 200, &purchase(u32::try_from(step / HOUR).unwrap())));
        assert_eq!(desk.standings()[&txn_of(&asked)].date(), Some(monday().next()));
        desk.bank_answers(&asked, "00", &[]);
        desk.crashes_after(desk.records.len());
        assert_eq!(desk.engine.tranlog().date(), monday().next(), "nor does a restart");
    }
    // The hour comes again, and means nothing.
    desk.passes(34 * HOUR);
    assert_eq!(dates(&desk), (vec![monday(), monday().next()], vec![monday()]));
    desk.passes(24 * HOUR);
    assert_eq!(dates(&desk).1, [monday(), monday().next()]);
}

#[test]
fn rule_12_a_switch_that_was_down_at_the_hour_ends_the_day_at_its_start() {
    let mut desk = at_eleven();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    desk.now.wall = Wall(desk.now.wall.0 + 72 * HOUR);
    desk.crashes_after(desk.records.len());
    let thursday = BusinessDate(monday().0 + 3);
    assert_eq!(desk.engine.tranlog().date(), thursday, "one cut, and the date that it is");
    assert_eq!(desk.cut, [monday()]);
    let standing = desk.standings()[&txn_of(&asked)].clone();
    assert!(matches!(standing.outcome, Outcome::Over { .. }));
    assert_eq!(standing.date(), Some(monday()));
}

#[test]
fn rule_12_a_clock_that_jumps_over_days_opens_the_last_of_them_at_its_next_look() {
    let mut desk = at_eleven();
    desk.now.wall = Wall(desk.now.wall.0 + 71 * HOUR);
    desk.passes(60_000);
    assert_eq!(dates(&desk), (vec![monday(), BusinessDate(monday().0 + 3)], vec![monday()]));
}

#[test]
fn rule_12_a_day_that_an_operator_ended_is_not_ended_again_by_the_clock() {
    let mut desk = at_eleven();
    desk.orders(Order::Cut(monday()));
    assert!(matches!(desk.done[..], [OrderResult::Cut { .. }]));
    assert!(desk.cut.is_empty(), "whoever ordered it has the files written");
    desk.passes(HOUR);
    assert_eq!(dates(&desk), (vec![monday(), monday().next()], vec![monday()]));
    let day = desk.engine.day();
    assert_eq!((day.date, day.closing, day.cut), (monday().next(), None, monday()));
    assert_eq!(day.ends_at.unwrap().to_string(), "2026-11-24T23:00:00.000Z");
}

/// A desk where a bank ends the day, and the other one hears of it.
fn told_by_the_bank() -> Desk {
    let mut with = settings();
    with.links[1].network.cut_over = CutOver::Accept;
    with.links[2].network.cut_over = CutOver::Send;
    Desk::with(with)
}

/// A bank says that the day ends, and which one opens unless that is empty; gives the code that it hears, and what else is sent.
fn bank_says(desk: &mut Desk, session: u64, stan: &str, opens: &str) -> (String, Vec<Seen>) {
    let mut said = elements(&[(7, "1123183400"), (11, stan), (70, "201")]);
    if !opens.is_empty() {
        said.set(ElementNo::SETTLEMENT_DATE, opens.as_bytes());
    }
    let mut seen = desk.shop_sends(session, 800, &said);
    let at = seen.iter().position(|seen| seen.mti == 810).unwrap();
    let told = seen.remove(at);
    assert_eq!((told.session, told.text(70), told.text(11)), (session, "201".into(), stan.into()));
    (told.code(), seen)
}

#[test]
fn rule_12_a_message_ends_the_day_once_however_often_it_comes() {
    for opens in ["1124", ""] {
        let mut desk = told_by_the_bank();
        let before = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
        assert_eq!(bank_says(&mut desk, BANK, "000007", opens).0, "00");
        let log = desk.engine.tranlog();
        assert_eq!((log.date(), log.closing()), (monday().next(), Some(monday())));
        let after = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
        // The same again, from another session, and long after.
        assert_eq!(bank_says(&mut desk, BANK, "000007", opens), ("00".into(), vec![]));
        assert_eq!(bank_says(&mut desk, BANK_AGAIN, "000008", opens), ("00".into(), vec![]));
        desk.bank_answers(&before, "00", &[]);
        desk.bank_answers(&after, "00", &[]);
        assert_eq!(bank_says(&mut desk, BANK, "000009", opens).0, "00");
        desk.crashes_after(desk.records.len());
        desk.passes(9 * HOUR);
        assert_eq!(bank_says(&mut desk, BANK, "000010", opens).0, "00", "nor after a restart");
        assert_eq!(dates(&desk), (vec![monday(), monday().next()], vec![monday()]), "{opens:?}");
        assert_eq!(desk.standings()[&txn_of(&before)].date(), Some(monday()));
        assert_eq!(desk.standings()[&txn_of(&after)].date(), Some(monday().next()));
        desk.passes(15 * HOUR);
        let opens = if opens.is_empty() { "" } else { "1125" };
        assert_eq!(bank_says(&mut desk, BANK, "000011", opens).0, "00");
        assert_eq!(dates(&desk).1, [monday(), monday().next()], "a day later it ends the next");
    }
}

#[test]
fn rule_12_a_message_may_name_a_date_behind_a_holiday_and_no_date_that_is_none() {
    let mut desk = told_by_the_bank();
    for none in ["1324", "1131", "0301", "1209"] {
        assert_eq!(bank_says(&mut desk, BANK, "000007", none).0, "30", "{none}");
    }
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(bank_says(&mut desk, BANK, "000007", "1127").0, "00");
    assert_eq!(desk.engine.tranlog().date(), BusinessDate(monday().0 + 4));
    assert_eq!(bank_says(&mut desk, BANK, "000008", "1128").0, "90", "one day after the other");
    assert_eq!(bank_says(&mut desk, BANK, "000009", "1123"), ("00".into(), vec![]), "long ago");
    desk.bank_answers(&asked, "00", &[]);
    assert_eq!(desk.cut, [monday()]);
}

#[test]
fn a_link_that_does_not_end_the_day_is_told_so() {
    let mut desk = told_by_the_bank();
    for session in [SHOP, OTHER_BANK] {
        assert_eq!(bank_says(&mut desk, session, "000007", "1124").0, "12");
    }
    assert_eq!(desk.engine.tranlog().date(), monday());
}

#[test]
fn a_peer_is_told_that_the_day_ended_until_it_says_that_it_knows() {
    let mut desk = told_by_the_bank();
    let told = only(&bank_says(&mut desk, BANK, "000007", "1124").1);
    assert_eq!((told.session, told.mti, told.text(70)), (OTHER_BANK, 800, "201".into()));
    assert_eq!(told.text(15), "1124", "the date that opens");
    let again = only(&desk.passes(10_000));
    assert_eq!((again.text(70), again.text(15)), ("201".into(), "1124".into()));
    assert_ne!(again.text(11), told.text(11));
    // A peer that says no is asked again; one that says yes is left alone.
    assert!(desk.bank_answers(&again, "96", &[(15, "")]).is_empty());
    let last = only(&desk.passes(10_000));
    desk.bank_answers(&last, "00", &[(15, "")]);
    assert!(desk.passes(100_000).is_empty());
    let known = Note::CutOverTold { link: other_bank(), date: monday().next() };
    assert!(desk.notes.contains(&known));
}

#[test]
fn a_peer_that_never_answers_is_told_a_few_times_and_one_that_is_away_when_it_comes() {
    let mut desk = told_by_the_bank();
    bank_says(&mut desk, BANK, "000007", "1124");
    assert_eq!(desk.passes(300_000).len(), 4, "five in all");
    let given_up = Note::CutOverUnheard { link: other_bank(), date: monday().next(), times: 5 };
    assert!(desk.notes.contains(&given_up));
    desk.down(OTHER_BANK, Vec::new());
    assert!(bank_says(&mut desk, BANK, "000008", "1125").1.is_empty());
    desk.passes(HOUR);
    desk.seen.clear();
    desk.up(22, other_bank());
    assert_eq!(only(&desk.seen).text(15), "1125");
}

/// A desk whose first bank and whose shop get element 15.
fn stamped() -> Desk {
    let mut with = settings();
    with.links[0].stamps_date = true;
    with.links[1].stamps_date = true;
    Desk::with(with)
}

#[test]
fn element_15_is_the_date_on_which_a_message_was_accepted_unless_somebody_said_one() {
    let mut desk = stamped();
    let asked = only(&desk.shop_sends(SHOP, 200, &purchase(1)));
    assert_eq!(asked.text(15), "1123");
    let late = only(&desk.shop_sends(SHOP, 200, &purchase(2)));
    desk.orders_cut();
    let told = only(&desk.bank_answers(&asked, "00", &[(15, "")]));
    assert_eq!((told.code(), told.text(15)), ("00".into(), "1123".into()), "not today's date");
    let repeat = only(&desk.shop_sends(SHOP, 201, &purchase(1)));
    assert_eq!(repeat.elements, told.elements, "and a repeat hears the same");
    let told = only(&desk.bank_answers(&late, "05", &[(15, "1130")]));
    assert_eq!(told.text(15), "1130", "what the issuer says is what it says");
    let mut says = purchase(3);
    says.set(ElementNo::SETTLEMENT_DATE, b"1201");
    let asked = only(&desk.shop_sends(SHOP, 200, &says));
    assert_eq!(asked.text(15), "1201", "so with the asker");
    let seen = desk.passes(15_000);
    let told = seen.iter().find(|seen| seen.mti == 210).unwrap();
    assert_eq!((told.code(), told.text(15)), ("91".into(), "1124".into()));
    let advice = desk.shop_sends(SHOP, 220, &purchase(4));
    let dates: Vec<_> = advice.iter().map(|seen| (seen.mti, seen.text(15))).collect();
    assert_eq!(dates, [(230, "1124".to_owned())], "the lane waits for the reversal of its card");
    let other = only(&desk.shop_sends(
        SHOP,
        200,
        &elements(&[
            (2, "5111111111111118"),
            (3, "000000"),
            (4, "000000001000"),
            (7, "1123183400"),
            (11, "000009"),
            (41, "TERM0001"),
            (49, "978"),
        ]),
    ));
    assert_eq!((other.session, other.text(15)), (OTHER_BANK, String::new()), "its link passes");
}

#[test]
fn an_advice_keeps_the_date_on_which_it_was_stored() {
    let mut desk = stamped();
    let first = desk.shop_sends(SHOP, 220, &purchase(1));
    desk.orders_cut();
    desk.crashes_after(desk.records.len());
    let again = desk.passes(10_000);
    let dates: Vec<_> = first.iter().chain(&again).map(|seen| (seen.mti, seen.text(15))).collect();
    let date = "1123".to_owned();
    assert_eq!(dates, [(230, date.clone()), (220, date.clone()), (221, date)]);
}
