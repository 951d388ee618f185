//! `sim`: simulated terminals and issuers, and load.

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::papers::Papers;
use super::peer::{Speech, spoken};
use super::{Failure, say};
use crate::daemon::descriptors::raise;
use crate::framing;
use crate::planted::Bug;
use crate::sim::issuer::{self, Issuer, Rules};
use crate::sim::load::{self, Pace, Target, pending};
use crate::sim::log::Log;
use crate::sim::sheet::{self, Until};
use crate::sim::{Peer, Place, SimError, demo, idle, pos, world};

/// Play peers of a switch, and load one.
#[derive(Subcommand)]
pub(super) enum Sim {
    /// A terminal: a purchase, its repeat, a refund, a reversal and an echo, told in plain words
    Pos(Pos),
    /// An issuer that answers by a few rules until Ctrl-C
    Issuer(IssuerOptions),
    /// Terminals that only stand there, as many as wanted: what holding them costs
    Idle(Idle),
    /// Terminals as many and as fast as wanted; every answer is checked
    Load(Load),
    /// Requests that wait, as many as wanted, at issuers that never answer: memory of each, and each reversed once
    Pending(Pending),
    /// Whole worlds from seeds: peers, faults, crashes and an audit; says what broke, and how to see it again
    World(World),
}

/// Worlds.
#[derive(Args)]
pub(super) struct World {
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds, one after the other
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// How many purchases in each
    #[arg(long, default_value_t = world::Options::default().txns)]
    txns: u32,
    /// Tell the story of a purchase though nothing is wrong; 0 is all of them
    #[arg(long)]
    explain: Option<u32>,
    /// Plant a mistake of this name first, to see it found; only in builds with the feature `planted`
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// The reliability sheet, as Markdown: what was done to the worlds, and what they met
    #[arg(long, conflicts_with = "explain")]
    sheet: bool,
    /// For the sheet: so many minutes instead of so many seeds
    #[arg(long, requires = "sheet", conflicts_with = "count", value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: Option<u64>,
    /// For the sheet: how many threads run worlds
    #[arg(long, requires = "sheet", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    cores: u32,
}

/// A demonstration.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Demo {
    #[command(subcommand)]
    act: Option<Act>,
    /// End after so many seconds; without, at Ctrl-C
    #[arg(long)]
    seconds: Option<u32>,
    /// Below which directory everything lies; the system's own for temporary files without this
    #[arg(long)]
    state_below: Option<PathBuf>,
}

/// Another demonstration.
#[derive(Subcommand)]
enum Act {
    /// A day of two merchants from the till to the payout: tips, parts, refunds, mistakes, a charge-back; it ends by itself
    Day {
        /// In which directory everything lies; it is made, or empty
        #[arg(long, value_name = "DIRECTORY")]
        keep: Option<PathBuf>,
        /// Below which directory it lies in one of its own; the system's own for temporary files without this
        #[arg(long, conflicts_with = "keep")]
        state_below: Option<PathBuf>,
    },
}

/// A terminal.
#[derive(Args)]
pub(super) struct Pos {
    /// Where the switch listens for askers, host:port
    #[arg(long)]
    connect: String,
    #[command(flatten)]
    speech: Speech,
    #[command(flatten)]
    papers: Papers,
    /// How the card number begins, up to nine digits
    #[arg(long, default_value = "541333")]
    card: String,
    /// The purchase in minor units
    #[arg(long, default_value_t = 1250)]
    amount: u64,
    /// Lower the purchase to so much afterwards, in minor units: a partial reversal
    #[arg(long, value_name = "AMOUNT")]
    partial: Option<u64>,
    /// Its currency, ISO 4217 as three digits
    #[arg(long, default_value = "978", value_parser = currency)]
    currency: [u8; 3],
    /// How long an answer is awaited, in seconds
    #[arg(long, default_value_t = 30)]
    patience: u64,
}

/// An issuer.
#[derive(Args)]
pub(super) struct IssuerOptions {
    /// Where it waits for the switch
    #[arg(long, required_unless_present = "dial", conflicts_with = "dial")]
    listen: Option<SocketAddr>,
    /// Where it dials the switch, host:port
    #[arg(long)]
    dial: Option<String>,
    #[command(flatten)]
    speech: Speech,
    #[command(flatten)]
    papers: Papers,
    /// What its ledger calls it
    #[arg(long, default_value = "issuer")]
    name: String,
    /// Conduct by the amount's last two digits: 51=decline:51, 68=delay:20000, 91=silent, 05=approve
    #[arg(long = "rule")]
    rules: Vec<String>,
    /// Approve everything, but for rules that are given
    #[arg(long)]
    approve_all: bool,
    /// Where it writes its ledger, as JSON lines
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// It signs on itself
    #[arg(long)]
    sign_on: bool,
}

/// Idle terminals.
#[derive(Args)]
pub(super) struct Idle {
    /// Where the switch listens for askers, host:port
    #[arg(long)]
    connect: String,
    #[command(flatten)]
    papers: Papers,
    /// How many there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    connections: u32,
    /// How many of them send a byte a second
    #[arg(long, default_value_t = 0)]
    slow: u32,
    /// Which byte, two hexadecimal digits: two of 00 are a keep-alive where the length is binary-2
    #[arg(long, default_value = "00", value_parser = byte)]
    byte: u8,
    /// For how many seconds all of them are held
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// The switch's process, for its memory
    #[arg(long)]
    pid: Option<u32>,
}

/// Load.
#[derive(Args)]
pub(super) struct Load {
    /// How many connections ask
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=65_000))]
    connections: u32,
    /// Closed loop: so many unanswered on each connection
    #[arg(long, default_value_t = 64, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    in_flight: u32,
    /// Open loop: so many a second in all, whether answers come or not
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Seconds before
    #[arg(long, default_value_t = 2)]
    warm_up: u32,
    /// Have the day cut after so many of them, and tell the latency before and meanwhile
    #[arg(long, value_name = "SECONDS", conflicts_with_all = ["direct", "connect"])]
    cut: Option<u32>,
    /// How the asking side writes
    #[arg(long, default_value = "iso87-ascii")]
    asker: String,
    /// How the answering side writes
    #[arg(long, default_value = "iso87-ascii")]
    issuer: String,
    /// How the card numbers begin
    #[arg(long, default_value = "541333")]
    card: String,
    /// Straight to the issuer, no switch between: what the generator itself costs
    #[arg(long, conflicts_with_all = ["connect", "issuer_listen", "pid"])]
    direct: bool,
    /// A switch that is running, host:port; without, one is started on temporary state
    #[arg(long)]
    connect: Option<String>,
    #[command(flatten)]
    papers: Papers,
    /// Where that switch expects its issuer; without, it has one
    #[arg(long, requires = "connect")]
    issuer_listen: Option<SocketAddr>,
    /// Its process, for CPU time
    #[arg(long, requires = "connect")]
    pid: Option<u32>,
    /// Threads of the switch that is started
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Below which directory its state lies
    #[arg(long)]
    state_below: Option<PathBuf>,
    /// Keep its state
    #[arg(long)]
    keep: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// Pending requests.
#[derive(Args)]
pub(super) struct Pending {
    /// How many wait at once
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(1..=900_000))]
    requests: u32,
    /// Over how many issuer links
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    links: u32,
    /// Seconds until they time out, and as many again until each reversal is confirmed
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// How everybody writes
    #[arg(long, default_value = "iso87-ascii")]
    dialect: String,
    /// Threads of the switch that is started
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Below which directory its state lies
    #[arg(long)]
    state_below: Option<PathBuf>,
    /// Keep its state
    #[arg(long)]
    keep: bool,
}

impl Sim {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Pos(options) => options.run(),
            Self::Issuer(options) => options.run(),
            Self::Idle(options) => options.run(),
            Self::Load(options) => options.run(),
            Self::Pending(options) => options.run(),
            Self::World(options) => options.run(),
        }
    }
}

impl World {
    fn run(self) -> Result<(), Failure> {
        let Self { seed, count, txns, explain, bug, sheet, minutes, cores } = self;
        let bug = bug.as_deref().map(plant).transpose()?;
        if sheet {
            let until = minutes.map_or(Until::Seeds(count), Until::Minutes);
            let cores = usize::try_from(cores).unwrap_or(1);
            let sheet = sheet::run(&sheet::Settings { seed, until, cores, txns, bug });
            sheet.markdown(&mut io::stdout().lock()).map_err(Failure::io("stdout"))?;
            let broken = "a rule did not hold, or a planted mistake was not found";
            return if sheet.clean() { Ok(()) } else { Err(Failure::Found(broken.to_owned())) };
        }
        let options = world::Options { seed, count, txns, explain };
        let verdict =
            world::run(&options, &mut io::stdout().lock()).map_err(Failure::io("stdout"))?;
        let broken =
            verdict.failure.map(|failure| format!("seed {}: {}", failure.seed, failure.fault));
        broken.map_or(Ok(()), |broken| Err(Failure::Found(broken)))
    }
}

/// Plants a mistake, and says which.
fn plant(name: &str) -> Result<Bug, Failure> {
    Bug::named(name).filter(|bug| world::plant(Some(*bug))).ok_or_else(|| {
        Failure::Found(format!(
            "no mistake {name} can be planted here: a build with `--features planted` knows {}",
            Bug::all().map(Bug::name).collect::<Vec<_>>().join(" ")
        ))
    })
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        if let Some(Act::Day { keep, state_below }) = self.act {
            let parent = state_below.unwrap_or_else(std::env::temp_dir);
            let settings = demo::day::Settings { program: own_path()?, parent, keep };
            let balances = demo::day::run(&settings, &mut io::stdout().lock())?;
            let broken = || Failure::Found(String::from("the merchants' day does not balance"));
            return if balances { Ok(()) } else { Err(broken()) };
        }
        let settings = demo::Settings {
            program: own_path()?,
            parent: self.state_below.unwrap_or_else(std::env::temp_dir),
            seconds: self.seconds,
            overdraws: io::stdout().is_terminal(),
        };
        let verdict = demo::run(&settings, &mut io::stdout().lock())?;
        if verdict.balanced {
            Ok(())
        } else {
            Err(Failure::Found(String::from("the books do not balance")))
        }
    }
}

/// This very program, to be started again beside itself.
fn own_path() -> Result<PathBuf, SimError> {
    let fault = |source| SimError::System { what: "this program's own path", source };
    std::env::current_exe().map_err(fault)
}

impl Pos {
    fn run(self) -> Result<(), Failure> {
        let peer = Peer {
            tongue: self.speech.tongue()?,
            framing: self.speech.framing()?,
            place: Place::Dial(self.connect),
            tls: self.papers.dialling()?,
        };
        let settings = pos::Settings {
            peer,
            prefix: self.card,
            amount: self.amount,
            partial: self.partial,
            currency: self.currency,
            patience: Duration::from_secs(self.patience),
        };
        let verdict = pos::run(&settings, &mut io::stdout().lock())?;
        if verdict.answered < verdict.asked || verdict.altered > 0 {
            let pos::Verdict { asked, answered, altered } = verdict;
            let text = format!(
                "{answered} of {asked} questions were answered, {altered} with altered elements"
            );
            return Err(Failure::Found(text));
        }
        Ok(())
    }
}

impl IssuerOptions {
    fn run(self) -> Result<(), Failure> {
        let mut rules = if self.approve_all { Rules::approve_all() } else { Rules::usual() };
        self.rules.iter().try_for_each(|rule| rules.add(rule))?;
        let place = match (self.listen, self.dial) {
            (Some(address), _) => Place::Listen(address),
            (None, dial) => Place::Dial(dial.unwrap_or_default()),
        };
        let settings = issuer::Settings {
            name: self.name,
            peer: Peer {
                tongue: self.speech.tongue()?,
                framing: self.speech.framing()?,
                tls: match place {
                    Place::Listen(_) => self.papers.listening()?,
                    Place::Dial(_) => self.papers.dialling()?,
                },
                place,
            },
            rules,
            ledger: self.ledger.as_deref().map(Log::open).transpose()?,
            remembers: true,
            signs_on: self.sign_on,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::io("a runtime"))?;
        runtime.block_on(answer(settings))
    }
}

/// Answers until Ctrl-C, and says what it counted.
async fn answer(settings: issuer::Settings) -> Result<(), Failure> {
    let issuer = Issuer::open(settings).await?;
    match issuer.address() {
        Some(address) => say(&format!("an issuer listens on {address}; Ctrl-C ends it")),
        None => say("an issuer dials the switch; Ctrl-C ends it"),
    }
    tokio::signal::ctrl_c().await.map_err(Failure::io("Ctrl-C"))?;
    let totals = issuer.totals();
    say(&format!(
        "{} messages, {} unreadable, {} stand approved",
        totals.received, totals.unreadable, totals.standing
    ));
    for (currency, sum) in &totals.sums {
        say(&format!("currency {currency}: {sum} in minor units"));
    }
    issuer.close().await;
    Ok(())
}

impl Idle {
    fn run(self) -> Result<(), Failure> {
        raise().map_err(Failure::io("the limit on file descriptors"))?;
        let settings = idle::Settings {
            connect: self.connect,
            tls: self.papers.dialling()?,
            connections: self.connections,
            slow: self.slow,
            byte: self.byte,
            seconds: self.seconds,
            pid: self.pid,
        };
        let idle::Verdict { met, ended } = idle::run(&settings, &mut io::stdout().lock())?;
        if ended == 0 {
            return Ok(());
        }
        Err(Failure::Found(format!("{ended} of {met} were not held")))
    }
}

impl Load {
    fn run(self) -> Result<(), Failure> {
        let json = self.json;
        let report = load::run(&self.settings()?)?;
        let mut out = io::stdout().lock();
        let shown = if json {
            io::Write::write_all(&mut out, format!("{}\n", report.json()).as_bytes())
        } else {
            report.table(&mut out)
        };
        shown.map_err(Failure::io("stdout"))?;
        if report.counts.clean() {
            Ok(())
        } else {
            Err(Failure::Found(String::from("not every request got one right answer")))
        }
    }

    fn settings(self) -> Result<load::Settings, Failure> {
        let tls = self.papers.dialling()?;
        if tls.is_some() && self.connect.is_none() {
            let own = "--tls-ca is for a switch that is running: --connect says where";
            return Err(Failure::Usage(own.to_owned()));
        }
        let target = if self.direct {
            Target::Direct
        } else if let Some(connect) = self.connect {
            Target::Running {
                connect,
                issuer: self.issuer_listen.map(Place::Listen),
                pid: self.pid,
            }
        } else {
            Target::Own {
                program: own_path()?,
                workers: self.workers,
                parent: self.state_below.unwrap_or_else(std::env::temp_dir),
                keep: self.keep,
            }
        };
        Ok(load::Settings {
            connections: self.connections,
            pace: self.rate.map_or(Pace::InFlight(self.in_flight), Pace::PerSecond),
            warm_up: self.warm_up,
            seconds: self.seconds,
            cut_after: self.cut,
            patience: Duration::from_secs(30),
            asker: spoken(&self.asker)?,
            asker_framing: framing::Settings::default(),
            issuer: spoken(&self.issuer)?,
            issuer_framing: framing::Settings::default(),
            prefix: self.card,
            tls,
            target,
        })
    }
}

impl Pending {
    fn run(self) -> Result<(), Failure> {
        let settings = pending::Settings {
            requests: self.requests,
            links: self.links,
            timeout: Duration::from_secs(self.timeout),
            dialect: spoken(&self.dialect)?,
            program: own_path()?,
            workers: self.workers,
            parent: self.state_below.unwrap_or_else(std::env::temp_dir),
            keep: self.keep,
        };
        let report = pending::run(&settings)?;
        report.table(&mut io::stdout().lock()).map_err(Failure::io("stdout"))?;
        match report.faults().first() {
            None => Ok(()),
            Some(fault) => Err(Failure::Found(fault.clone())),
        }
    }
}

fn byte(text: &str) -> Result<u8, &'static str> {
    let digits = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(text, 16).ok().filter(|_| digits).ok_or("two hexadecimal digits, like 00")
}

fn currency(text: &str) -> Result<[u8; 3], &'static str> {
    let digits = <[u8; 3]>::try_from(text.as_bytes()).ok();
    digits.filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or("three digits, like 978")
}
