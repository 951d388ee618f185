//! The business day: ended by the clock, by a message or by an operator, once each, and never opened again.

use iso8583d::iso::{BusinessDate, Wall};
use iso8583d::record::{Outcome, Record};
use iso8583d::switch::{DaySettings, Order, OrderResult, Settings};

use crate::desk::{Desk, SHOP, only, purchase, settings};
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
        let asked = only(&desk.shop_sends(SHOP, 200, &purchase(u32::try_from(step / HOUR).unwrap())));
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
