//! `ctl` and `clearing`: questions to the running daemon, and its answers as JSON lines.

use std::io::{self, Write as _};

use clap::{Args, Subcommand};

use super::home::Home;
use super::{Failure, say};
use crate::daemon::control;

/// Ask the running daemon.
#[derive(Subcommand)]
pub(super) enum Ctl {
    /// Links and their sessions
    Links(Ask),
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
