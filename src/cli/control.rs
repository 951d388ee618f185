//! `ctl` and `clearing`: questions to the running daemon, and its answers as JSON lines.

use std::io::{self, Write as _};

use clap::{Args, Subcommand, ValueEnum};

use super::home::Home;
use super::{Failure, say};
use crate::daemon::control;

/// Ask the running daemon.
#[derive(Subcommand)]
pub(super) enum Ctl {
    /// Links and their sessions
    Links(Ask),
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
}

/// Clear a day.
#[derive(Subcommand)]
pub(super) enum Clearing {
    /// Cut a day and write its files and positions; again, the same files
    Cut {
        /// The day, as YYYY-MM-DD
        #[arg(long)]
        date: String,
        #[command(flatten)]
        home: Home,
    },
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
            Self::Links(ask) => ask_daemon(&ask.home, &control::Command::Links),
            Self::Link { name, order, home } => {
                let (name, order) = (name.clone(), (*order).into());
                ask_daemon(home, &control::Command::Link { name, order })
            }
            Self::Owed { limit, home } => {
                ask_daemon(home, &control::Command::Owed { limit: *limit })
            }
        }
    }
}

impl Clearing {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cut { date, home } => {
                ask_daemon(home, &control::Command::Cut { date: date.clone() })
            }
        }
    }
}

/// Prints the lines of the daemon's answer, one JSON object each.
fn ask_daemon(home: &Home, question: &control::Command) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let lines = control::ask(&home.state()?, question)?;
    for line in &lines {
        writeln!(out, "{line}").map_err(Failure::io("stdout"))?;
    }
    let more = lines.last().and_then(|last| last.get("not_shown")?.as_u64()).unwrap_or(0);
    if more > 0 {
        say(&format!("{more} more are not shown: ask with a larger --limit"));
    }
    Ok(())
}
