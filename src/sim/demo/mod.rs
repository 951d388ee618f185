//! The demonstration: a switch, two banks and six shops on one machine, told in plain words, with
//! everything that may go wrong going wrong once. Knows the switch by its command line and its sockets.

pub mod day;
mod pay;
mod settle;
mod town;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::SimError;
use super::load::grouped;
use super::stop::Stop;
use super::street::Heard;

use town::Town;

/// How the demonstration runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program of the switch: this one.
    pub program: PathBuf,
    /// Below which directory everything lies.
    pub parent: PathBuf,
    /// When it ends by itself; without, at Ctrl-C.
    pub seconds: Option<u32>,
    /// Whether the live line may be drawn over: `out` is a terminal.
    pub overdraws: bool,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The banks' ledgers, the files and the positions agree, and nothing is owed.
    pub balanced: bool,
    /// Milliseconds from the start to the first approved payment.
    pub first_ms: u64,
}

/// The shortest demonstration that shows everything.
const SECONDS_MIN: u32 = 8;
/// How long the acts take when nobody says how long it all may.
const SECONDS_USUAL: u32 = 24;
/// Kept back for closing the day.
const SECONDS_CLOSING: u32 = 3;

/// Runs it; says what happens on `out`.
pub fn run(settings: &Settings, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| SimError::System { what: "a runtime", source })?;
    runtime
        .block_on(play(settings, &mut Voice { out, overdraws: settings.overdraws, drawn: false }))
}

async fn play(settings: &Settings, voice: &mut Voice<'_>) -> Result<Verdict, SimError> {
    let begun = Instant::now();
    let stop = Stop::listen()?;
    voice.say(
        "A switch, two banks and six shops, on this machine only. Nothing was configured by hand.",
    )?;
    let mut town = Town::build(settings).await?;
    voice.say(format_args!("Everything lies in {}", town.switch.directory().display()))?;
    voice.say(
        "The north bank speaks iso87-ascii, the south bank iso87-bcd; the shops speak both.",
    )?;
    town.first_payment().await?;
    let first_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    voice.say(format_args!("The first payment was approved {} after the start.", Ms(first_ms)))?;
    let acts = settings
        .seconds
        .map_or(SECONDS_USUAL, |seconds| seconds.max(SECONDS_MIN).saturating_sub(SECONDS_CLOSING));
    // Ten acts of the same length; shops trade through all of them.
    let act = Duration::from_millis(u64::from(acts) * 100);
    let mut stage = Stage { town, voice, act, last: (Instant::now(), 0), stop, interrupted: false };
    stage.perform(settings.seconds.is_none()).await?;
    let Stage { town, voice, .. } = stage;
    let balanced = town.close_the_day(voice).await?;
    Ok(Verdict { balanced, first_ms })
}

struct Stage<'a, 'b> {
    town: Town,
    voice: &'a mut Voice<'b>,
    act: Duration,
    /// When the live line was last drawn, and how many sales there were.
    last: (Instant, u64),
    stop: Stop,
    interrupted: bool,
}

impl Stage<'_, '_> {
    async fn perform(&mut self, stays: bool) -> Result<(), SimError> {
        self.trade(2).await?;
        self.voice.say("Now the south bank becomes slow: the switch waits, then declines, and takes back what it asked for.")?;
        self.town.south.mood().delay(town::TIMEOUT.saturating_mul(2));
        self.trade(2).await?;
        self.town.south.mood().delay(Duration::ZERO);
        self.voice
            .say("The south bank is quick again. Now the north bank dies: its connections end.")?;
        self.town.north.mood().dead(true);
        self.trade(2).await?;
        self.town.north.mood().dead(false);
        self.voice.say("The north bank is back. What it is owed goes there by itself.")?;
        self.trade(1).await?;
        if !self.interrupted {
            self.pull_the_plug().await?;
        }
        self.trade(3).await?;
        if stays && !self.interrupted {
            self.voice.say("That was everything. The shops go on until you press Ctrl-C; then the day is closed.")?;
            while !self.interrupted {
                self.trade(1).await?;
            }
        }
        Ok(())
    }

    async fn pull_the_plug(&mut self) -> Result<(), SimError> {
        self.voice.say("Now the switch itself is killed, in the middle of its work (SIGKILL).")?;
        let before = self.town.street.heard();
        self.town.switch.kill()?;
        let killed = Instant::now();
        self.town.switch.start()?;
        self.town.first_payment().await?;
        let ms = u64::try_from(killed.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.voice.say(format_args!(
            "It was started again and approved a payment {} after it was killed.",
            Ms(ms)
        ))?;
        if let Some(words) = self.town.last_words()? {
            self.voice.say(words)?;
        }
        // The shops notice the lost connection, dial again and ask for their last answer once more.
        self.trade(1).await?;
        let after = self.town.street.heard();
        self.voice.say(format_args!(
            "{} shops asked again for their last answer: {} heard the same words, {} others.",
            after.same_words + after.other_words - before.same_words - before.other_words,
            after.same_words - before.same_words,
            after.other_words - before.other_words,
        ))
    }

    /// So many acts of trading, with the live line.
    async fn trade(&mut self, acts: u32) -> Result<(), SimError> {
        let until = Instant::now() + self.act * acts;
        while Instant::now() < until && !self.interrupted {
            let next = (self.last.0 + Duration::from_secs(1)).min(until);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.stop.told() => {
                    self.interrupted = true;
                    self.voice.say("Told to end: the shops close.")?;
                }
            }
            if Duration::from_secs(1) <= self.last.0.elapsed() {
                self.draw()?;
            }
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), SimError> {
        let heard = self.town.street.heard();
        let sales = sales(&heard);
        let ms = u64::try_from(self.last.0.elapsed().as_millis()).unwrap_or(1).max(1);
        let rate = (sales - self.last.1) * 1000 / ms;
        self.last = (Instant::now(), sales);
        self.voice.live(format_args!(
            "{:>6}/s   approved {}   declined {}   time-outs {}   reversals {}",
            grouped(rate),
            grouped(heard.approved),
            grouped(heard.declined + heard.refused),
            grouped(heard.unanswered),
            grouped(self.town.reversals()),
        ))
    }
}

/// Sales that were answered, whatever the answer.
const fn sales(heard: &Heard) -> u64 {
    heard.approved + heard.declined + heard.unanswered + heard.refused
}

/// What speaks: sentences that stay, and one line that lives.
pub(super) struct Voice<'a> {
    out: &'a mut dyn Write,
    overdraws: bool,
    drawn: bool,
}

impl Voice<'_> {
    /// A sentence.
    pub(super) fn say(&mut self, what: impl fmt::Display) -> Result<(), SimError> {
        let clear = if self.drawn { "\r\x1b[K" } else { "" };
        self.drawn = false;
        writeln!(self.out, "{clear}{what}").and_then(|()| self.out.flush()).map_err(spoken)
    }

    /// The live line: drawn over the last one where that can be.
    fn live(&mut self, what: impl fmt::Display) -> Result<(), SimError> {
        if !self.overdraws {
            return self.say(what);
        }
        self.drawn = true;
        write!(self.out, "\r\x1b[K{what}").and_then(|()| self.out.flush()).map_err(spoken)
    }
}

fn spoken(source: io::Error) -> SimError {
    SimError::System { what: "standard output", source }
}

/// Milliseconds as people say them: `0.41 s`.
pub(super) struct Ms(pub(super) u64);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02} s", self.0 / 1000, self.0 % 1000 / 10)
    }
}
