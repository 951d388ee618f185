//! A connection that asks so many times and hears every answer, to the end of the run; knows no process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::framing::Frame;
use crate::iso::Transmission;
use crate::sim::line::Line;
use crate::sim::load::tally::Counts;
use crate::sim::load::template::{Fit, Patch, Template};
use crate::sim::{SimError, clock};

use super::ledger::{Ledger, lock};

/// So many requests of a connection may be on their way to the issuer: what waits in queues is no pending request yet.
const AHEAD: u64 = 512;
/// How often a connection looks whether its issuer has read more.
const LOOK: Duration = Duration::from_millis(2);

/// A connection at work.
pub(super) struct Asker {
    pub(super) line: Line,
    pub(super) template: Template,
    /// How many requests it has.
    pub(super) requests: u32,
    /// Where they go.
    pub(super) ledger: Arc<Mutex<Ledger>>,
    /// Answers that all connections heard.
    pub(super) heard: Arc<AtomicU64>,
    /// The run is over.
    pub(super) end: CancellationToken,
}

/// A request: when it was asked, and whether it was answered. Its trace number is its place, from 1 on.
struct Asked {
    transmission: Transmission,
    answered: bool,
}

impl Asker {
    /// Asks, and listens until the end of the run.
    pub(super) async fn work(mut self) -> Result<Counts, SimError> {
        let mut counts = Counts::default();
        let mut asked = Vec::with_capacity(usize::try_from(self.requests).unwrap_or(0));
        let mut frames = Vec::new();
        loop {
            let asks = counts.sent < u64::from(self.requests);
            if asks {
                self.ask(&mut asked, &mut counts);
                if self.line.flush().await.is_err() {
                    counts.hung_up += 1;
                    break;
                }
            }
            tokio::select! {
                () = self.end.cancelled() => break,
                () = tokio::time::sleep(LOOK), if asks => {}
                read = self.line.read(&mut frames) => {
                    if !matches!(read, Ok(true)) {
                        counts.hung_up += 1;
                        break;
                    }
                    self.hear(&mut frames, &mut asked, &mut counts);
                }
            }
        }
        let lost = asked.iter().filter(|asked| !asked.answered).count();
        counts.lost = u64::try_from(lost).unwrap_or(u64::MAX);
        Ok(counts)
    }

    fn ask(&mut self, asked: &mut Vec<Asked>, counts: &mut Counts) {
        let until = u64::from(self.requests).min(lock(&self.ledger).requests() + AHEAD);
        let transmission = clock::wall().transmission();
        while counts.sent < until {
            counts.sent += 1;
            asked.push(Asked { transmission, answered: false });
            self.template.patch(&patch(counts.sent, transmission));
            self.line.outgoing().extend_from_slice(self.template.frame());
        }
    }

    fn hear(&mut self, frames: &mut Vec<Frame>, asked: &mut [Asked], counts: &mut Counts) {
        for frame in frames.drain(..) {
            self.heard.fetch_add(1, Ordering::Relaxed);
            let Some(answer) = self.template.answer(&frame.body) else {
                counts.unreadable += 1;
                continue;
            };
            let stan = self.template.stan_of(&answer).unwrap_or(0);
            let place = usize::try_from(stan).ok().and_then(|stan| stan.checked_sub(1));
            match place.and_then(|place| asked.get_mut(place)) {
                None => counts.unknown += 1,
                Some(asked) if asked.answered => counts.double += 1,
                Some(asked) => {
                    asked.answered = true;
                    self.template.patch(&patch(u64::from(stan), asked.transmission));
                    match self.template.fit(&answer) {
                        Fit::Fits(code) => counts.answered(code),
                        Fit::Altered(_) => counts.altered += 1,
                    }
                }
            }
        }
    }
}

/// Each request has a card of its own: reversals of one card would wait for one another.
fn patch(number: u64, transmission: Transmission) -> Patch {
    let stan = u32::try_from(number).unwrap_or(0);
    Patch { stan, transmission, card: stan }
}
