//! One connection of the load generator: as many requests as are due, one write; as many answers as
//! are there, one read. Knows no process.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::framing::Frame;
use crate::iso::Transmission;
use crate::sim::line::Line;
use crate::sim::{SimError, clock};

use super::cut::Phases;
use super::tally::Tally;
use super::template::{Fit, Patch, Template};

/// When requests go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Closed loop: an answer makes room for the next request.
    InFlight(u32),
    /// Open loop: so many a second over all connections, whether answers come or not.
    PerSecond(u32),
}

/// When what happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) begin: Instant,
    /// From here on it is measured.
    pub(super) measured: Instant,
    /// Until here requests are sent and measured.
    pub(super) end: Instant,
    /// Until here answers are awaited.
    pub(super) given_up: Instant,
    pub(super) pace: Pace,
    pub(super) connections: u32,
}

/// A request's place while it waits, and after.
#[derive(Clone, Copy)]
struct Slot {
    state: State,
    patch: Patch,
    due: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Waiting,
    Answered,
}

/// A connection at work.
pub(super) struct Connection {
    line: Line,
    template: Template,
    schedule: Schedule,
    /// Where the cut is, if the day is cut meanwhile.
    phases: Option<Phases>,
    /// Which of the connections it is, from 0 on.
    number: u32,
    /// By trace number; a place is taken again only when its request has been answered.
    slots: Vec<Slot>,
    waiting: u32,
    /// Requests that became due so far.
    begun: u64,
    stan: u32,
    transmission: Transmission,
    tally: Tally,
    measured: u64,
}

impl Schedule {
    /// When the request with this number is due: they are spread evenly over the connections.
    fn due(&self, number: u32, begun: u64) -> Option<Instant> {
        let Pace::PerSecond(rate) = self.pace else { return None };
        self.due_of(rate, begun * u64::from(self.connections) + u64::from(number))
    }

    fn due_of(&self, rate: u32, count: u64) -> Option<Instant> {
        let rate = u64::from(rate.max(1));
        let whole = Duration::from_secs(count / rate);
        let due = self.begin + whole + Duration::from_nanos(count % rate * 1_000_000_000 / rate);
        (due < self.end).then_some(due)
    }
}

/// Wakes each connection when it has something due, more finely than timers of the runtime could. Returns at the end.
pub(super) fn pace(schedule: &Schedule, bells: &[Arc<Notify>]) {
    let Pace::PerSecond(rate) = schedule.pace else { return };
    let mut ring = bells.iter().cycle();
    let mut count = 0;
    while let (Some(due), Some(bell)) = (schedule.due_of(rate, count), ring.next()) {
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        bell.notify_one();
        count += 1;
    }
}

impl Connection {
    pub(super) fn new(
        line: Line,
        template: Template,
        (schedule, phases): (Schedule, Option<Phases>),
        number: u32,
    ) -> Result<Self, SimError> {
        let tally = Tally::new(phases.is_some())?;
        let places = match schedule.pace {
            Pace::InFlight(depth) => 4 * depth.max(1).next_power_of_two(),
            // Ten seconds of answers that do not come.
            Pace::PerSecond(rate) => (10 * rate / schedule.connections.max(1)).next_power_of_two(),
        };
        let free = Slot { state: State::Free, patch: Patch::default(), due: schedule.begin };
        let places = usize::try_from(places.clamp(1024, 1 << 19)).unwrap_or(1024);
        Ok(Self {
            line,
            template,
            schedule,
            phases,
            number,
            slots: vec![free; places],
            waiting: 0,
            begun: 0,
            stan: 0,
            transmission: clock::wall().transmission(),
            tally,
            measured: 0,
        })
    }

    /// From the first request to the last answer. Gives the tally and how many answers were measured.
    pub(super) async fn work(mut self, bell: Arc<Notify>) -> Result<(Tally, u64), SimError> {
        let mut frames = Vec::new();
        loop {
            let now = Instant::now();
            if now < self.schedule.end {
                self.ask(now);
                if self.line.flush().await.is_err() {
                    self.tally.counts.hung_up += 1;
                    break;
                }
            } else if self.waiting == 0 {
                break;
            }
            let until =
                if now < self.schedule.end { self.schedule.end } else { self.schedule.given_up };
            tokio::select! {
                read = self.line.read(&mut frames) => {
                    if !matches!(read, Ok(true)) {
                        self.tally.counts.hung_up += 1;
                        break;
                    }
                    self.hear(&mut frames);
                }
                () = bell.notified() => {}
                () = tokio::time::sleep_until(until) => {
                    if until == self.schedule.given_up {
                        break;
                    }
                }
            }
        }
        self.tally.counts.lost += u64::from(self.waiting);
        Ok((self.tally, self.measured))
    }

    /// Puts what is due into the outgoing bytes.
    fn ask(&mut self, now: Instant) {
        // Within one second a trace number is not used twice, so the clock is read only between seconds.
        self.transmission = clock::wall().transmission();
        loop {
            let due = match self.schedule.pace {
                Pace::InFlight(depth) => (self.waiting < depth).then_some(now),
                Pace::PerSecond(_) => {
                    self.schedule.due(self.number, self.begun).filter(|due| *due <= now)
                }
            };
            let Some(due) = due else { return };
            if !self.ask_one(due) {
                return;
            }
        }
    }

    /// One request; false when every place is taken.
    fn ask_one(&mut self, due: Instant) -> bool {
        for _ in 0..self.slots.len() {
            self.stan = self.stan % 999_999 + 1;
            let patch = Patch {
                stan: self.stan,
                transmission: self.transmission,
                card: self.stan.wrapping_mul(7919) % 100_000,
            };
            let at = place(self.stan, self.slots.len());
            let Some(slot) = self.slots.get_mut(at) else { return false };
            if slot.state == State::Waiting {
                continue;
            }
            *slot = Slot { state: State::Waiting, patch, due };
            self.waiting += 1;
            self.begun += 1;
            self.tally.counts.sent += 1;
            self.template.patch(&patch);
            self.line.outgoing().extend_from_slice(self.template.frame());
            return true;
        }
        false
    }

    /// Checks a batch of answers, every one.
    fn hear(&mut self, frames: &mut Vec<Frame>) {
        let now = Instant::now();
        let measuring = self.schedule.measured <= now && now < self.schedule.end;
        for frame in frames.drain(..) {
            let Some(answer) = self.template.answer(&frame.body) else {
                self.tally.counts.unreadable += 1;
                continue;
            };
            let stan = self.template.stan_of(&answer).unwrap_or(0);
            let at = place(stan, self.slots.len());
            let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.patch.stan == stan) else {
                self.tally.counts.unknown += 1;
                continue;
            };
            match slot.state {
                State::Free => self.tally.counts.unknown += 1,
                State::Answered => self.tally.counts.double += 1,
                State::Waiting => {
                    slot.state = State::Answered;
                    self.waiting -= 1;
                    self.measured += u64::from(measuring);
                    if self.schedule.measured <= slot.due {
                        let us = now.saturating_duration_since(slot.due).as_micros();
                        let phase = self.phases.as_ref().map(Phases::now);
                        self.tally.latency(phase, u64::try_from(us).unwrap_or(u64::MAX));
                    }
                    self.template.patch(&slot.patch);
                    match self.template.fit(&answer) {
                        Fit::Fits(code) => self.tally.counts.answered(code),
                        Fit::Altered(_) => self.tally.counts.altered += 1,
                    }
                }
            }
        }
    }
}

/// The place of a trace number; the number of places is a power of two.
fn place(stan: u32, places: usize) -> usize {
    usize::try_from(stan).unwrap_or(0) & (places - 1)
}
