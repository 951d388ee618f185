//! The wall clock and the business day: who may end it, and whether each date that opens was due. Written from the rules, on
//! a stream of chances of its own.

use std::collections::BTreeSet;

use crate::codec::Message;
use crate::iso::{BusinessDate, ElementNo, Elements, Wall};
use crate::record::{Outcome, Record, Standing};
use crate::switch::{CutOver, DaySettings};

use super::follow::Past;
use super::mix::ASKERS;
use super::reached::Rare;
use super::rng::Rng;
use super::story::{self, PurchaseId, text};
use super::{Event, World, mti_of};

/// In worlds with a calendar it is 20:00 in the evening before the first day in UTC.
const OFFSET_MIN: i32 = -240;
const EVENING_MS: u64 = 72_000_000;
const DAY_MS: u64 = 86_400_000;

/// Who ends the day, and what was said.
#[derive(Debug)]
pub(super) struct Calendar {
    rng: Rng,
    /// How far the clocks are behind UTC, milliseconds.
    behind_ms: u64,
    /// When the clock ends a day, milliseconds after midnight.
    cut_at_ms: Option<u64>,
    /// The date that peers named last.
    said: BusinessDate,
    named: BTreeSet<BusinessDate>,
    /// Whether a peer said that the day ends without a date.
    unnamed: bool,
    /// The dates whose cut an operator ordered.
    ordered: BTreeSet<BusinessDate>,
    stan: u32,
}

impl Calendar {
    /// Nobody ends a day yet.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed ^ 0x6361_6c65_6e64_6172),
            behind_ms: 0,
            cut_at_ms: None,
            said: BusinessDate::default(),
            named: BTreeSet::new(),
            unnamed: false,
            ordered: BTreeSet::new(),
            stan: 0,
        }
    }

    /// The date on the calendar, and the milliseconds since its midnight.
    fn local(&self, at: Wall) -> (u32, u64) {
        let local = at.0.saturating_sub(self.behind_ms);
        (u32::try_from(local / DAY_MS).unwrap_or(u32::MAX), local % DAY_MS)
    }

    /// That date, or the next when it is this late.
    fn after(&self, at: Wall, hour_ms: u64) -> BusinessDate {
        let (date, ms) = self.local(at);
        BusinessDate(date + u32::from(ms >= hour_ms))
    }
}

impl World {
    /// In a third of all worlds the clock ends a day, in another one peers do, and some want to hear of it.
    pub(super) fn furnish_calendar(&mut self) {
        let lasts = self.mix.asking.gap_ms * u64::from(self.mix.txns) / 2;
        let rng = &mut self.calendar.rng;
        let (by_clock, by_message) = (rng.chance(333), rng.chance(333));
        if !by_clock && !by_message {
            return;
        }
        let cut_at_ms = by_clock.then(|| EVENING_MS + rng.below(lasts + 1));
        let plans = self.mix.plans.len();
        let enders: Vec<usize> = (0..plans).filter(|_| by_message && rng.chance(400)).collect();
        for (place, plan) in self.mix.plans.iter_mut().enumerate() {
            plan.settings.network.cut_over = if enders.contains(&place) {
                CutOver::Accept
            } else if rng.chance(400) {
                CutOver::Send
            } else {
                CutOver::None
            };
            plan.settings.stamps_date = rng.chance(300);
        }
        let says: Vec<(u64, usize)> =
            (0..4).filter_map(|_| Some((rng.below(lasts + 1), rng.pick(&enders)?))).collect();
        self.calendar.behind_ms = u64::from(OFFSET_MIN.unsigned_abs()) * 60_000;
        self.calendar.cut_at_ms = cut_at_ms;
        self.mix.settings.day = DaySettings {
            cut_at_ms: cut_at_ms.and_then(|ms| u32::try_from(ms).ok()),
            utc_offset_min: OFFSET_MIN,
        };
        let now = self.now().wall;
        self.calendar.said = BusinessDate(self.calendar.local(now).0);
        for (at, link) in says {
            self.later(at, Event::CutOver { link });
        }
    }

    /// A peer says that the day ends; or says it again, maybe twice.
    pub(super) fn peer_ends_day(&mut self, link: usize) {
        let Some(code) = self.network_codes(link).map(|codes| codes.cut_over) else { return };
        let standing = self.standing(link);
        let rng = &mut self.calendar.rng;
        let Some(conn) = rng.pick(&standing).filter(|_| !self.healed) else { return };
        let other = rng.pick(&standing).filter(|_| rng.chance(400));
        if rng.chance(600) || self.calendar.named.is_empty() {
            let days = if rng.chance(200) { 3 } else { 1 };
            self.calendar.said = BusinessDate(self.calendar.said.0 + days);
        }
        let date = self.calendar.said;
        let dated = rng.chance(700);
        let (transmission, said) = (self.now().wall.transmission().ascii(), dated.then_some(date));
        let calendar = &mut self.calendar;
        calendar.unnamed |= !dated;
        calendar.named.extend(said);
        for conn in [Some(conn), other].into_iter().flatten() {
            self.calendar.stan += 1;
            let mut own = Elements::default();
            own.set(ElementNo::TRANSMISSION, &transmission);
            own.set(ElementNo::STAN, format!("{:06}", self.calendar.stan + 900_000).as_bytes());
            own.set(ElementNo::NETWORK_CODE, &code);
            if dated {
                own.set(ElementNo::SETTLEMENT_DATE, &date.mmdd());
            }
            self.story.tell(self.time, None, || format!("cut-over said on {conn}: {said:?}"));
            self.say(conn, mti_of(800), &own);
        }
    }

    /// An operator orders the cut of a day.
    pub(super) fn note_cut_ordered(&mut self, date: BusinessDate) {
        self.calendar.ordered.insert(date);
    }

    /// A date opens: later than the one before it, and because somebody who may has ended that.
    pub(super) fn check_opened(&mut self, before: BusinessDate, record: &Record) {
        let Record::Opened { date, at } = record else { return };
        if before == BusinessDate::default() {
            return;
        }
        let (date, calendar) = (*date, &self.calendar);
        let of_calendar = BusinessDate(calendar.local(*at).0);
        let by_clock = calendar.cut_at_ms.is_some_and(|hour| date == calendar.after(*at, hour));
        let by_message = calendar.named.contains(&date)
            || calendar.unnamed && date == calendar.after(*at, DAY_MS / 2);
        let by_order = calendar.ordered.contains(&before)
            && date == BusinessDate(before.0 + 1).max(of_calendar);
        if date <= before {
            self.blame(None, || format!("the business date goes from {before} to {date}"));
        } else if !by_clock && !by_message && !by_order {
            self.blame(None, || format!("{date} opens after {before}, and nobody ended that"));
        } else if by_clock && !by_message && !by_order {
            self.reached.count(Rare::DayByClock);
        } else if by_message && !by_clock && !by_order {
            self.reached.count(Rare::DayByMessage);
        }
    }

    /// What goes to an issuer that wants the date has the one under which it was written down.
    pub(super) fn check_dated(&mut self, issuer: usize, standing: &Standing, message: &Message) {
        let Some(plan) = self.mix.plans.get(issuer + ASKERS) else { return };
        let date = standing.date().filter(|_| plan.settings.stamps_date).map(BusinessDate::mmdd);
        let said = text(message, ElementNo::SETTLEMENT_DATE);
        if said != date.as_ref().map(<[u8; 4]>::as_slice).unwrap_or_default() {
            self.blame(story::purchase_of(message), || {
                format!("element 15 is {}, and not {date:?}", said.escape_ascii())
            });
        }
    }

    /// An approval that is told has the date on which it was accepted, where its asker wants that: issuers here say none.
    pub(super) fn check_told_date(&mut self, id: PurchaseId, message: &Message) {
        let link = self.purchase_ref(id).map(|purchase| purchase.link);
        let Some(plan) = link.and_then(|link| self.mix.plans.get(link)) else { return };
        let stands = |past: &&Past| matches!(past.standing.outcome, Outcome::Answered { .. });
        let date = self.truth.of_purchase(id).filter(stands).find_map(|past| past.standing.date());
        let date = date.filter(|_| plan.settings.stamps_date).map(BusinessDate::mmdd);
        let said = text(message, ElementNo::SETTLEMENT_DATE);
        let approves = matches!(&*text(message, ElementNo::RESPONSE_CODE), b"00" | b"10");
        if let Some(date) = date.filter(|date| approves && said != *date) {
            self.blame(Some(id), || {
                format!("element 15 of an answer is {}, and not {date:?}", said.escape_ascii())
            });
        }
    }

    /// The wall clock jumps.
    pub(super) fn move_wall(&mut self) {
        if self.healed || self.mix.machine.wall_ms == 0 {
            return;
        }
        let step = self.rng.pick(&[700, 3_000, 60_000, 7_200_000]).unwrap_or(700);
        if self.rng.chance(500) {
            self.host.wall_ahead = self.host.wall_ahead.saturating_sub(step);
            self.reached.count(Rare::WallBack);
        } else {
            self.host.wall_ahead += step;
            self.reached.count(Rare::WallAhead);
        }
        self.host.wall_steps += 1;
        let next = self.rng.around(self.mix.machine.wall_ms);
        self.later(next, Event::Wall);
    }
}
