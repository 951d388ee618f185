//! Requests that wait, as many as wanted, at issuers that read and never answer: what each of them costs in memory, and that every
//! one is declined once and reversed once. Knows the switch by its sockets, its process number and its commands.

mod asker;
mod ledger;
mod report;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dialect::Dialect;
use crate::framing;
use crate::mapping::Tongue;
use crate::sim::child::{Link, LinkPlace, Plan, Switch, free_port};
use crate::sim::line::Line;
use crate::sim::process::{peak_kib, resident_kib};
use crate::sim::purchase::{Sale, Shop, card};
use crate::sim::stop::Stop;
use crate::sim::{Peer, Place, SimError, clock};

use super::tally::Counts;
use super::template::Template;
use asker::Asker;
use ledger::{Ledger, Silent};

pub use report::Report;

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many requests wait at once, 1 to 900,000: each has a card of its own.
    pub requests: u32,
    /// Over how many links, 1 to 100.
    pub links: u32,
    /// How long the switch waits for an answer: all must be asked within. It waits as long again before it confirms reversals.
    pub timeout: Duration,
    /// How everybody writes.
    pub dialect: Arc<Dialect>,
    /// The program to start.
    pub program: PathBuf,
    /// Its worker threads.
    pub workers: u32,
    /// Below which directory its state lies.
    pub parent: PathBuf,
    /// Whether that is kept afterwards.
    pub keep: bool,
}

/// How long the switch may take for something, besides the time that it is told to wait.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long it may take to be ready.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
/// How often is looked whether something has come to its end.
const LOOK: Duration = Duration::from_millis(20);

/// Fills the switch with requests that nobody answers, and lets it empty itself.
pub fn run(settings: &Settings) -> Result<Report, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| SimError::System { what: "a runtime", source })?;
    runtime.block_on(async {
        let mut stop = Stop::listen()?;
        tokio::select! {
            report = settings.fill_and_empty() => report,
            () = stop.told() => Err(SimError::Interrupted),
        }
    })
}

/// The switch, its issuers, and what was heard of it.
struct Town {
    switch: Switch,
    /// Where it listens.
    at: String,
    issuers: Vec<Silent>,
    /// How many answers came.
    heard: Arc<AtomicU64>,
    end: CancellationToken,
    askers: JoinSet<Result<Counts, SimError>>,
}

impl Settings {
    async fn fill_and_empty(&self) -> Result<Report, SimError> {
        let mut town = self.town().await?;
        let mut report = Report::of(self);
        let requests = u64::from(self.requests);
        report.before_kib = town.switch.pid().and_then(resident_kib);
        let begun = Instant::now();
        self.ask(&mut town).await?;
        // What is answered before the last one waits is answered too soon.
        town.wait(PATIENCE, |town| requests <= town.waiting() || 0 < town.heard()).await;
        report.pending = town.waiting().saturating_sub(town.heard());
        report.asked = begun.elapsed();
        report.pending_kib = town.switch.pid().and_then(resident_kib);
        let limit = self.timeout + PATIENCE;
        town.wait(limit, |town| 0 < town.heard()).await;
        let first = Instant::now();
        town.wait(limit, |town| requests <= town.heard()).await;
        report.declined = first.elapsed();
        town.wait(PATIENCE, |town| requests <= town.sum(|ledger| ledger.reversed)).await;
        report.reversed = first.elapsed();
        town.wait(limit, |town| requests <= town.sum(|ledger| ledger.confirmed)).await;
        report.peak_kib = town.switch.pid().and_then(peak_kib);
        let until = Instant::now() + PATIENCE;
        report.owed = town.switch.debts()?;
        while report.owed != 0 && Instant::now() < until {
            tokio::time::sleep(10 * LOOK).await;
            report.owed = town.switch.debts()?;
        }
        report.filed = filed(&town.switch)?;
        town.end.cancel();
        while let Some(done) = town.askers.join_next().await {
            let lost = |source| SimError::System { what: "a connection's task", source };
            report.counts.add(&done.map_err(|error| lost(std::io::Error::other(error)))??);
        }
        report.read(&town);
        town.switch.stop()?;
        Ok(report)
    }

    /// Opens the issuers and starts the switch; done when it has met all of them.
    async fn town(&self) -> Result<Town, SimError> {
        let tasks = TaskTracker::new();
        let mut issuers = Vec::new();
        for _ in 0..self.links {
            issuers.push(Silent::open(self.peer(String::new()), &tasks).await?);
        }
        let at = free_port()?;
        let mut switch = Switch::prepare(self.program.clone(), &self.parent)?;
        switch.keep(self.keep);
        switch.configure(&self.plan(at, &issuers))?;
        switch.start()?;
        let (at, heard) = (at.to_string(), Arc::new(AtomicU64::new(0)));
        let (end, askers) = (CancellationToken::new(), JoinSet::new());
        let mut town = Town { switch, at, issuers, heard, end, askers };
        let met = |town: &Town| town.issuers.iter().all(|issuer| 0 < issuer.ledger().sessions);
        if !town.wait(STARTS_WITHIN, met).await {
            // Its log says why.
            town.switch.keep(true);
            let (seconds, log) = (STARTS_WITHIN.as_secs(), town.switch.log());
            return Err(SimError::NotReady { seconds, log });
        }
        // What an issuer has accepted its switch may not have heard of.
        tokio::time::sleep(10 * LOOK).await;
        Ok(town)
    }

    /// Begins to ask, on a connection for each link.
    async fn ask(&self, town: &mut Town) -> Result<(), SimError> {
        let peer = self.peer(town.at.clone());
        let mut askers = Vec::new();
        for (number, issuer) in (0..self.links).zip(&town.issuers) {
            let fault = |source| SimError::System { what: "a card", source };
            let pan =
                card(&prefix(number), 0).map_err(|error| fault(std::io::Error::other(error)))?;
            let sale = Shop::numbered(number).sale(&Sale {
                pan: pan.as_bytes(),
                processing_code: b"000000",
                amount: 1000,
                currency: b"978",
                stan: 0,
                rrn: u64::from(number) * 1_000_000,
                at: clock::wall(),
            });
            let stream = peer.place.dial(Duration::from_secs(2)).await?;
            askers.push(Asker {
                line: Line::new(stream, peer.clone())?,
                template: Template::new(peer.tongue.wire(), peer.framing, &sale)?,
                // The first ones take what does not go evenly.
                requests: (self.requests + self.links - 1 - number) / self.links,
                ledger: issuer.shared(),
                heard: Arc::clone(&town.heard),
                end: town.end.clone(),
            });
        }
        for asker in askers {
            town.askers.spawn(asker.work());
        }
        Ok(())
    }

    fn peer(&self, to: String) -> Peer {
        let tongue = Tongue::plain(Arc::clone(&self.dialect));
        Peer { tongue, framing: framing::Settings::default(), place: Place::Dial(to), tls: None }
    }

    fn plan(&self, at: SocketAddr, issuers: &[Silent]) -> Plan {
        let framing = framing::Settings::default();
        let link = |name: String, role, place, more: String| Link {
            name,
            role,
            place,
            dialect: self.dialect.name().to_owned(),
            length: framing.length.name(),
            // All of them are declined within seconds, and nobody here is to be hung up on for that.
            more: format!(
                "in_flight_max = {}\noutbox_bytes_max = 268_435_456\n{more}",
                self.requests
            ),
        };
        let ms = self.timeout.as_millis();
        // Nothing is cut off, and nothing is repeated in a run.
        let waits = format!(
            "timeout_ms = {ms}\nsettle_ms = {ms}\nbreaker_timeouts = 0\nowed_repeat_ms = 3_600_000\n\
             owed_in_flight_max = 4096\n"
        );
        let shops = LinkPlace::Listens(at);
        let mut links = vec![link("shops".to_owned(), "asker", shops, String::new())];
        let mut routes = Vec::new();
        for (number, issuer) in (0..).zip(issuers) {
            let (name, dials) = (format!("bank-{number}"), LinkPlace::Dials(issuer.address(), 1));
            links.push(link(name.clone(), "issuer", dials, waits.clone()));
            routes.push((prefix(number), vec![name]));
        }
        let more = format!("in_flight_max = {}\n", self.requests);
        Plan { links, routes, workers: self.workers, more }
    }
}

/// How the cards of a link begin, 0 to 99.
fn prefix(number: u32) -> String {
    format!("5413{number:02}")
}

impl Town {
    /// Waits until it is so, at most for so long; says whether it is.
    async fn wait(&mut self, patience: Duration, is_so: impl Fn(&Self) -> bool) -> bool {
        let until = Instant::now() + patience;
        while !is_so(self) {
            if until <= Instant::now() || self.switch.ended() {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// How many answers were heard.
    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// How many requests have come to their issuers.
    fn waiting(&self) -> u64 {
        self.sum(Ledger::requests)
    }

    fn sum(&self, of: impl Fn(&Ledger) -> u64) -> u64 {
        self.issuers.iter().map(|issuer| of(&issuer.ledger())).sum()
    }
}

/// Cuts the day, and gives how many files and positions there are: where nothing was approved there are none.
fn filed(switch: &Switch) -> Result<usize, SimError> {
    let date = clock::wall().date().to_string();
    switch.ask(&["clearing", "cut", "--date", &date])?;
    let path = switch.state().join("clearing").join(format!("positions-{date}.json"));
    let fault = |source| SimError::File { path: path.clone(), source };
    let text = std::fs::read(&path).map_err(fault)?;
    let day: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| fault(error.into()))?;
    let count = |key| day.get(key).and_then(serde_json::Value::as_array).map_or(1, Vec::len);
    Ok(["files", "positions", "held"].map(count).iter().sum())
}
