//! Load: terminals as many and as fast as wanted, every answer checked, latency from when each
//! request was due. Knows the switch by its sockets and its process number.

mod connection;
mod cut;
pub mod pending;
mod tally;
mod template;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::dialect::Dialect;
use crate::framing::{self, Length};
use crate::iso::Wall;
use crate::link::Tls;
use crate::mapping::Tongue;

use super::child::{Link, LinkPlace, Plan, Switch, free_port};
use super::issuer::{self, Issuer, Rules};
use super::line::Line;
use super::process::cpu_ms;
use super::purchase::{Sale, Shop, card};
use super::stop::Stop;
use super::terminal::{FINANCIAL, Outcome, Terminal};
use super::{Peer, Place, SimError};

use connection::{Connection, Schedule};
use cut::{Around, Cutter};
use template::Template;

pub use connection::Pace;
pub use cut::CutReport;
pub use tally::{Counts, Report, grouped};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many connections ask, 1 or more.
    pub connections: u32,
    /// How fast.
    pub pace: Pace,
    /// Seconds before anything is measured.
    pub warm_up: u32,
    /// Seconds that are measured.
    pub seconds: u32,
    /// After how many of them a switch of our own cuts the day; none for not at all.
    pub cut_after: Option<u32>,
    /// How long an answer is awaited at the end before it is lost.
    pub patience: Duration,
    /// How the asking side writes.
    pub asker: Arc<Dialect>,
    /// How the asking side cuts its stream.
    pub asker_framing: framing::Settings,
    /// How the answering side writes.
    pub issuer: Arc<Dialect>,
    /// How the answering side cuts its stream.
    pub issuer_framing: framing::Settings,
    /// The cards' first six digits.
    pub prefix: String,
    /// How the asking side encrypts; none for in the clear. A switch of our own does not.
    pub tls: Option<Tls>,
    /// Who is loaded.
    pub target: Target,
}

/// Who is loaded.
#[derive(Clone, Debug)]
pub enum Target {
    /// A switch of our own on temporary state, with an issuer beside it.
    Own {
        /// The program to start.
        program: PathBuf,
        /// Its worker threads.
        workers: u32,
        /// Below which directory its state lies.
        parent: PathBuf,
        /// Whether that is kept afterwards.
        keep: bool,
    },
    /// The issuer itself, no switch between: what the generator costs.
    Direct,
    /// A switch that is running.
    Running {
        /// Where it listens for askers.
        connect: String,
        /// Where its issuer is to be; none when it has one.
        issuer: Option<Place>,
        /// Its process, for CPU time.
        pid: Option<u32>,
    },
}

/// Loads the target and reports.
pub fn run(settings: &Settings) -> Result<Report, SimError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| SimError::System { what: "a runtime", source })?;
    runtime.block_on(async {
        let mut stop = Stop::listen()?;
        tokio::select! {
            report = load(settings) => report,
            // What was started ends with it.
            () = stop.told() => Err(SimError::Interrupted),
        }
    })
}

async fn load(settings: &Settings) -> Result<Report, SimError> {
    match &settings.target {
        Target::Direct => {
            let issuer = Issuer::open(settings.issuer_at(loopback())).await?;
            let to = issuer.address().map(|at| at.to_string()).unwrap_or_default();
            settings.drive(&to, None, None).await
        }
        Target::Running { connect, issuer, pid } => {
            let issuer = match issuer {
                None => None,
                Some(place) => Some(Issuer::open(settings.issuer_at(place.clone())).await?),
            };
            if let Some(issuer) = &issuer {
                issuer.met(Duration::from_secs(30)).await?;
            }
            settings.drive(connect, *pid, None).await
        }
        Target::Own { program, workers, parent, keep } => {
            let issuer = Issuer::open(settings.issuer_at(loopback())).await?;
            let to = issuer.address().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            let at = free_port()?;
            let plan = settings.plan(at, to, *workers);
            let begun = Instant::now();
            let mut switch = Switch::prepare(program.clone(), parent)?;
            switch.keep(*keep);
            switch.configure(&plan)?;
            switch.start()?;
            let first = settings.first_approval(&mut switch, at).await?;
            let cutter = settings.cut_after.map(|after| Cutter::of(&switch, after));
            let mut report = settings.drive(&at.to_string(), switch.pid(), cutter).await?;
            report.first_ms =
                u64::try_from(first.saturating_duration_since(begun).as_millis()).ok();
            switch.stop()?;
            Ok(report)
        }
    }
}

impl Settings {
    fn issuer_at(&self, place: Place) -> issuer::Settings {
        issuer::Settings {
            name: "issuer".to_owned(),
            peer: Peer {
                tongue: Tongue::plain(Arc::clone(&self.issuer)),
                framing: self.issuer_framing,
                place,
                tls: None,
            },
            rules: Rules::approve_all(),
            ledger: None,
            remembers: false,
            signs_on: false,
        }
    }

    fn peer(&self, connect: &str) -> Peer {
        // Straight to the issuer, its own language is spoken.
        let (dialect, framing) = match self.target {
            Target::Direct => (&self.issuer, self.issuer_framing),
            Target::Own { .. } | Target::Running { .. } => (&self.asker, self.asker_framing),
        };
        let tongue = Tongue::plain(Arc::clone(dialect));
        let place = Place::Dial(connect.to_owned());
        Peer { tongue, framing, place, tls: self.tls.clone() }
    }

    fn plan(&self, at: SocketAddr, issuer: SocketAddr, workers: u32) -> Plan {
        let in_flight = match self.pace {
            Pace::InFlight(depth) => depth.saturating_mul(self.connections).max(1000),
            Pace::PerSecond(rate) => rate.max(1000),
        };
        let link = |name: &str, role, place, dialect: &Dialect, length: Length| Link {
            name: name.to_owned(),
            role,
            place,
            dialect: dialect.name().to_owned(),
            length: length.name(),
            more: format!("in_flight_max = {in_flight}\n"),
        };
        let sessions = self.connections.min(8);
        let asker = LinkPlace::Listens(at);
        let dials = LinkPlace::Dials(issuer, sessions);
        Plan {
            links: vec![
                link("shops", "asker", asker, &self.asker, self.asker_framing.length),
                link("bank", "issuer", dials, &self.issuer, self.issuer_framing.length),
            ],
            routes: vec![(self.prefix.clone(), vec!["bank".to_owned()])],
            workers,
            more: String::new(),
        }
    }

    /// Asks until a payment is approved: the switch has begun and has met its issuer.
    async fn first_approval(
        &self,
        switch: &mut Switch,
        at: SocketAddr,
    ) -> Result<Instant, SimError> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let until = Instant::now() + PATIENCE;
        let mut terminal = Terminal::new(self.peer(&at.to_string()), 9999, None);
        let pan = self.card()?;
        while Instant::now() < until && !switch.ended() {
            if !terminal.connected() && terminal.connect(Duration::ZERO).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
            let sale = terminal.sale(b"000000", &pan, 100, b"978");
            match terminal.ask(FINANCIAL, &sale, Duration::from_secs(1)).await? {
                Outcome::Answered(answer) if answer.approved() => return Ok(Instant::now()),
                Outcome::Answered(_) | Outcome::Silence | Outcome::Lost => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
        // Its log says why.
        switch.keep(true);
        Err(SimError::NotReady { seconds: PATIENCE.as_secs(), log: switch.log() })
    }

    fn card(&self) -> Result<String, SimError> {
        card(&self.prefix, 0).map_err(|error| SimError::System {
            what: "a card",
            source: std::io::Error::other(error),
        })
    }

    /// All connections at once, from the first request to the last answer.
    async fn drive(
        &self,
        connect: &str,
        pid: Option<u32>,
        cutter: Option<Cutter>,
    ) -> Result<Report, SimError> {
        let peer = self.peer(connect);
        let pan = self.card()?;
        let mut lines = Vec::new();
        for _ in 0..self.connections {
            let stream = peer.place.dial(Duration::from_secs(2)).await?;
            lines.push(Line::meet(stream, peer.clone()).await?);
        }
        let schedule = self.schedule();
        let mut tasks = JoinSet::new();
        let mut bells = Vec::new();
        for (number, line) in (0..).zip(lines) {
            // A few unlike runs on one switch must not ask the same twice: the wall's second is in each request.
            let sale = Shop::numbered(number).sale(&Sale {
                pan: pan.as_bytes(),
                processing_code: b"000000",
                amount: 1000,
                currency: b"978",
                stan: 0,
                rrn: u64::from(number) * 100_000_000,
                at: Wall(super::clock::wall().0),
            });
            let template = Template::new(peer.tongue.wire(), peer.framing, &sale)?;
            let bell = Arc::new(Notify::new());
            bells.push(Arc::clone(&bell));
            let phases = cutter.as_ref().map(|cutter| cutter.phases.clone());
            let connection = Connection::new(line, template, (schedule, phases), number)?;
            tasks.spawn(connection.work(bell));
        }
        let pacer = std::thread::spawn(move || connection::pace(&schedule, &bells));
        let from = schedule.measured;
        let cut = cutter.map(|cutter| std::thread::spawn(move || cutter.work(from)));
        tokio::time::sleep_until(schedule.measured).await;
        let before = pid.and_then(cpu_ms);
        tokio::time::sleep_until(schedule.end).await;
        let cpu_ms = before.and_then(|before| Some(pid.and_then(cpu_ms)?.saturating_sub(before)));
        let mut report = Report {
            shape: self.shape(),
            measured_ms: u64::from(self.seconds) * 1000,
            answered: 0,
            cpu_ms,
            first_ms: None,
            counts: Counts::default(),
            latency: tally::histogram()?,
            cut: None,
        };
        let mut around = Around::new()?;
        while let Some(done) = tasks.join_next().await {
            let lost = |source| SimError::System { what: "a connection's task", source };
            let (tally, measured) = done.map_err(|error| lost(std::io::Error::other(error)))??;
            report.answered += measured;
            report.counts.add(&tally.counts);
            report.latency += tally.latency;
            if let Some(own) = &tally.around {
                around.add(own);
            }
        }
        // It has nothing left to wake and ends by itself.
        drop(pacer.join());
        if let Some(done) = cut.and_then(|cut| cut.join().ok()) {
            let (ms, presentments) = done?;
            report.cut = Some(CutReport { ms, presentments, around });
        }
        Ok(report)
    }

    fn schedule(&self) -> Schedule {
        // A moment for every task to be there.
        let begin = Instant::now() + Duration::from_millis(50);
        let measured = begin + Duration::from_secs(self.warm_up.into());
        let end = measured + Duration::from_secs(self.seconds.into());
        Schedule {
            begin,
            measured,
            end,
            given_up: end + self.patience,
            pace: self.pace,
            connections: self.connections,
        }
    }

    fn shape(&self) -> String {
        let pace = match self.pace {
            Pace::InFlight(depth) => {
                format!("closed loop, {} connections x {depth} in flight", self.connections)
            }
            Pace::PerSecond(rate) => {
                format!(
                    "open loop, {}/s over {} connections",
                    grouped(rate.into()),
                    self.connections
                )
            }
        };
        let way = match &self.target {
            Target::Direct => format!("straight to the issuer, no switch ({})", self.issuer.name()),
            Target::Own { .. } => format!(
                "through a switch on fresh state, {} to {}",
                self.asker.name(),
                self.issuer.name()
            ),
            Target::Running { connect, .. } => format!("through the switch at {connect}"),
        };
        format!(
            "{pace}, {way}; {} s after {} s of warming up, requests of 19 elements",
            self.seconds, self.warm_up
        )
    }
}

const fn loopback() -> Place {
    Place::Listen(SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn straight_to_the_issuer_every_answer_fits() {
        for (name, pace) in
            [("iso87-bcd", Pace::InFlight(16)), ("iso87-ascii", Pace::PerSecond(2000))]
        {
            let dialect = Arc::new(Dialect::shipped(name).unwrap());
            let settings = Settings {
                connections: 2,
                pace,
                warm_up: 0,
                seconds: 1,
                cut_after: None,
                patience: Duration::from_secs(5),
                asker: Arc::clone(&dialect),
                asker_framing: framing::Settings::default(),
                issuer: dialect,
                issuer_framing: framing::Settings::default(),
                prefix: "541333".to_owned(),
                tls: None,
                target: Target::Direct,
            };
            let report = run(&settings).unwrap();
            assert!(report.counts.clean(), "{name} {:?}", report.counts);
            assert!(0 < report.answered);
            assert_eq!(report.counts.answers.get("00"), Some(&report.counts.sent));
        }
    }
}
