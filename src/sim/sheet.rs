//! The reliability sheet: worlds from seeds on so many cores for so long, and what was done to them and what they met, as
//! Markdown. Counts, and judges nothing itself.

use std::io::{self, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use super::load::grouped;
use super::process::cpu_ms;
use super::world::{self, Failure, Options, Rare, Verdict};
use crate::planted::Bug;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The first seed; those that follow are run in their order.
    pub seed: u64,
    /// How long.
    pub until: Until,
    /// How many threads run worlds, 1 or more.
    pub cores: usize,
    /// How many purchases in each world.
    pub txns: u32,
    /// A mistake to be made in all of them; none for an honest sheet.
    pub bug: Option<Bug>,
}

/// When it is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so many seeds.
    Seeds(u64),
    /// After so many minutes; a world that has begun goes to its end.
    Minutes(u64),
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Sheet {
    /// The first seed.
    pub first: u64,
    /// How many purchases were in each world.
    txns: u32,
    /// How many threads there were.
    cores: usize,
    /// The mistake that was made in all worlds; none in an honest sheet.
    bug: Option<Bug>,
    /// The sum of all worlds.
    pub sum: Verdict,
    /// How long it took, milliseconds.
    wall_ms: u64,
    /// Processor time, milliseconds; none where the system does not say.
    cpu_ms: Option<u64>,
    /// Every seed in which a rule did not hold.
    pub failures: Vec<Failure>,
    /// Each mistake that the simulator must find, and what found it; none in a build that cannot make any.
    pub mistakes: Option<Vec<Found>>,
}

/// A mistake, and the seed that shows it, if one does within the budget.
pub type Found = (Bug, Option<Failure>);

/// How many seeds may pass before a mistake is found.
pub const MISTAKE_SEEDS: u64 = 400;

/// How many seeds a thread takes at a time: the dialects are read once for all of them.
const BATCH: u64 = 8;

/// Runs worlds, and in a build that can make mistakes looks for each of them.
pub fn run(settings: &Settings) -> Sheet {
    let begun = Instant::now();
    let cpu_before = cpu_ms(std::process::id());
    let count = match settings.until {
        Until::Seeds(count) => count,
        Until::Minutes(_) => u64::MAX - settings.seed,
    };
    let enough = AtomicBool::new(false);
    let taken = AtomicU64::new(0);
    let sheet = Mutex::new(Sheet {
        first: settings.seed,
        txns: settings.txns,
        cores: settings.cores,
        bug: settings.bug,
        ..Sheet::default()
    });
    let work = || {
        world::plant(settings.bug);
        while !enough.load(Ordering::Relaxed) {
            let at = taken.fetch_add(BATCH, Ordering::Relaxed);
            if count <= at {
                return;
            }
            let verdicts = batch(settings, settings.seed + at, BATCH.min(count - at));
            if let Ok(mut sheet) = sheet.lock() {
                for verdict in verdicts {
                    sheet.absorb(verdict);
                }
            }
            if let Until::Minutes(minutes) = settings.until
                && Duration::from_mins(minutes) <= begun.elapsed()
            {
                enough.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..settings.cores.max(1) {
            scope.spawn(work);
        }
    });
    let mut sheet = sheet.into_inner().unwrap_or_default();
    sheet.failures.sort_by_key(|failure| failure.seed);
    sheet.wall_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    sheet.cpu_ms =
        cpu_before.and_then(|before| Some(cpu_ms(std::process::id())?.saturating_sub(before)));
    // A mistake that is made in all worlds leaves no honest one to compare with.
    sheet.mistakes = settings.bug.is_none().then(|| find_mistakes(settings.cores)).flatten();
    sheet
}

/// Seeds one after the other, whatever breaks in one of them.
fn batch(settings: &Settings, first: u64, count: u64) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let (mut seed, end) = (first, first + count);
    while seed < end {
        let options = Options { seed, count: end - seed, txns: settings.txns, explain: None };
        let verdict = world::judge(&options);
        seed += verdict.seeds.max(1);
        verdicts.push(verdict);
    }
    verdicts
}

/// Makes each mistake that the simulator must find, until a seed shows it; none in a build that cannot make any.
pub fn find_mistakes(cores: usize) -> Option<Vec<Found>> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let search = || {
        while let Some(bug) = Bug::SIMULATED.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !world::plant(Some(*bug)) {
                return;
            }
            let options = Options { seed: 1, count: MISTAKE_SEEDS, ..Options::default() };
            let failure = world::judge(&options).failure;
            if let Ok(mut found) = found.lock() {
                found.push((*bug, failure));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores.max(1) {
            scope.spawn(search);
        }
    });
    found.into_inner().ok().filter(|found| !found.is_empty())
}

impl Sheet {
    fn absorb(&mut self, verdict: Verdict) {
        self.sum.seeds += verdict.seeds;
        self.sum.txns += verdict.txns;
        self.sum.events += verdict.events;
        self.sum.simulated_ms += verdict.simulated_ms;
        self.sum.reached.absorb(&verdict.reached);
        self.failures.extend(verdict.failure);
    }

    /// Whether every rule held in every world, and no mistake went unnoticed.
    pub fn clean(&self) -> bool {
        let unnoticed = |found: &Vec<Found>| found.iter().any(|(_, failure)| failure.is_none());
        self.failures.is_empty() && !self.mistakes.as_ref().is_some_and(unnoticed)
    }

    /// The sheet, as Markdown.
    pub fn markdown(&self, out: &mut dyn Write) -> io::Result<()> {
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        let (sum, last) = (&self.sum, (self.first + self.sum.seeds).saturating_sub(1));
        let threads = if self.cores == 1 { "thread" } else { "threads" };
        let seconds = self.wall_ms.div_ceil(1000);
        writeln!(out, "| {build} build, {} {threads}, {seconds} s | |\n|---|---:|", self.cores)?;
        writeln!(out, "| seeds | {} to {} |", grouped(self.first), grouped(last))?;
        writeln!(out, "| simulated hours | {} |", grouped(sum.simulated_ms / 3_600_000))?;
        writeln!(out, "| transactions | {} |", grouped(sum.txns))?;
        if let Some(cpu_ms) = self.cpu_ms {
            let rate = sum.txns.saturating_mul(3_600_000) / cpu_ms.max(1);
            writeln!(out, "| transactions in an hour of one core | {} |", grouped(rate))?;
        }
        writeln!(out, "| crashes | {} |", grouped(sum.reached.times(Rare::Crash)))?;
        let (faults, states): (Vec<_>, Vec<_>) = Rare::ALL.iter().partition(|rare| rare.is_fault());
        let met = |all: &[Rare]| all.iter().filter(|rare| sum.reached.times(**rare) > 0).count();
        writeln!(out, "| kinds of faults | {} of {} |", met(&faults), faults.len())?;
        writeln!(out, "| rare states | {} of {} |", met(&states), states.len())?;
        writeln!(out, "| planted mistakes found | {} |", self.mistakes_text())?;
        writeln!(out, "| seeds that broke a rule | {} |", self.failures.len())?;
        for (title, all) in [("fault", faults), ("rare state", states)] {
            writeln!(out, "\n| {title} | times |\n|---|---:|")?;
            for rare in all {
                writeln!(out, "| {} | {} |", rare.text(), grouped(sum.reached.times(rare)))?;
            }
        }
        self.tell_failures(out)
    }

    fn mistakes_text(&self) -> String {
        let all = Bug::SIMULATED.len();
        match (&self.mistakes, self.bug) {
            (_, Some(bug)) => format!("not looked for: {} was made in all worlds", bug.name()),
            (Some(found), None) => {
                let seen = found.iter().filter(|(_, failure)| failure.is_some()).count();
                format!("{seen} of {all}")
            }
            (None, None) => {
                format!("none of {all} can be made in this build; see `--features planted`")
            }
        }
    }

    fn tell_failures(&self, out: &mut dyn Write) -> io::Result<()> {
        let missed = self.mistakes.iter().flatten().filter(|(_, failure)| failure.is_none());
        for (bug, _) in missed {
            writeln!(out, "\n{}: not found within {MISTAKE_SEEDS} seeds", bug.name())?;
        }
        for Failure { seed, fault, .. } in &self.failures {
            writeln!(out, "\nseed {seed}: {fault}")?;
            let txns = self.txns;
            writeln!(out, "again: `iso8583d sim world --seed {seed} --count 1 --txns {txns}`")?;
        }
        Ok(())
    }
}
