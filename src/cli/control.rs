//! `ctl`: questions to the running daemon, and its answers as JSON lines.

use std::io::{self, Write as _};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::home::Home;
use super::{Failure, say};
use crate::daemon::{caller, control};

/// Ask the running daemon.
#[derive(Subcommand)]
pub(super) enum Ctl {
    /// Have the configuration read again: all of it is taken, or nothing, and every fault is told (exit code 78)
    Reload(Ask),
    /// Links and their sessions
    Links(Ask),
    /// The business day: the date in force, the one that closes, the last that was cut, days without their files
    Day(Ask),
    /// Take a link out of service, put it back, or test it; holds until the daemon stops
    Link {
        /// Its name
        name: String,
        /// What is wanted
        #[arg(value_enum)]
        order: Wanted,
        #[command(flatten)]
        home: Home,
    },
    /// What is owed to issuers, and what an operator has to look at
    Owed {
        /// How much of each list to show
        #[arg(long, default_value_t = control::LINES_MAX)]
        limit: u32,
        #[command(flatten)]
        home: Home,
    },
    /// Send a dead letter again, as `ctl owed` lists it
    Requeue {
        /// Its number: `txn` in `ctl owed`
        #[arg(value_name = "N")]
        number: String,
        #[command(flatten)]
        ruling: RuledBy,
        #[command(flatten)]
        home: Home,
    },
    /// Take a dead letter or an orphan off the list for good; it stays in journal and books
    WriteOff {
        /// Its number: `txn` of a dead letter, `lsn` of an orphan
        #[arg(value_name = "N")]
        number: String,
        /// Why, in one line for those who ask later
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        ruling: RuledBy,
        #[command(flatten)]
        home: Home,
    },
}

/// What is ordered about, and by whom.
#[derive(Args)]
pub(super) struct RuledBy {
    /// Which message, where both an advice and a reversal were owed
    #[arg(long, value_enum)]
    owing: Option<Owing>,
    /// Who orders it [default: the number of your user]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
}

/// Which of a transaction's debts.
#[derive(Clone, Copy, ValueEnum)]
enum Owing {
    Advice,
    Reversal,
}

impl RuledBy {
    fn owing(&self) -> Option<control::Debt> {
        self.owing.map(|owing| match owing {
            Owing::Advice => control::Debt::Advice,
            Owing::Reversal => control::Debt::Reversal,
        })
    }
}

/// What may be wanted of a link.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Wanted {
    /// In service: connected, signed on, open
    Up,
    /// Nothing new; what is in flight is answered, then we sign off
    Drain,
    /// Signed off and disconnected, at once
    Down,
    /// An echo test on each of its sessions
    Echo,
}

impl From<Wanted> for control::LinkOrder {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Up => Self::Up,
            Wanted::Drain => Self::Drain,
            Wanted::Down => Self::Down,
            Wanted::Echo => Self::Echo,
        }
    }
}

/// Which daemon.
#[derive(Args)]
pub(super) struct Ask {
    #[command(flatten)]
    home: Home,
}

impl Ctl {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Reload(ask) => {
                ask_daemon(&ask.home, &control::Command::Reload { file: ask.home.file() })
            }
            Self::Links(ask) => ask_daemon(&ask.home, &control::Command::Links),
            Self::Day(ask) => ask_daemon(&ask.home, &control::Command::Day),
            Self::Link { name, order, home } => {
                let (name, order) = (name.clone(), (*order).into());
                ask_daemon(home, &control::Command::Link { name, order })
            }
            Self::Owed { limit, home } => {
                ask_daemon(home, &control::Command::Owed { limit: *limit })
            }
            Self::Requeue { number, ruling, home } => {
                let (txn, owing) = (number_of(number)?, ruling.owing());
                let by = ruling.by.clone();
                ask_daemon(home, &control::Command::Requeue { txn, owing, by })
            }
            Self::WriteOff { number, reason, ruling, home } => {
                let (about, owing) = (number_of(number)?, ruling.owing());
                let (reason, by) = (reason.clone(), ruling.by.clone());
                ask_daemon(home, &control::Command::WriteOff { about, owing, reason, by })
            }
        }
    }
}

/// The number of an entry; an error repeats nothing of what may be a card number.
fn number_of(text: &str) -> Result<u64, Failure> {
    let wants = "N is the number that `iso8583d ctl owed` shows as `txn`, or `lsn` of an orphan: digits alone";
    let Ok(number) = text.parse() else { return Err(Failure::Usage(wants.to_owned())) };
    Ok(number)
}

/// Prints the lines of the daemon's answer, one JSON object each.
pub(super) fn ask_daemon(home: &Home, question: &control::Command) -> Result<(), Failure> {
    show(&caller::ask(&home.state()?, question)?)
}

/// Prints them, and what they say to people.
pub(super) fn show(lines: &[Value]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{line}").map_err(Failure::io("stdout"))?;
    }
    if let Some(said) = lines.last().and_then(|last| last.get("said")?.as_str()) {
        say(said);
    }
    let more = lines.last().and_then(|last| last.get("not_shown")?.as_u64()).unwrap_or(0);
    if more > 0 {
        say(&format!("{more} more are not shown: ask with a larger --limit"));
    }
    Ok(())
}
