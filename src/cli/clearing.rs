//! `clearing`: from what merchants claim to what issuers owe, through the running daemon.

use clap::Subcommand;

use super::Failure;
use super::control::ask_daemon;
use super::home::Home;
use crate::daemon::control;

/// Clear a day.
#[derive(Subcommand)]
pub(super) enum Clearing {
    /// Cut a day, or what waits now, and write its files and positions; a day again, the same files
    Cut {
        /// The day that ends, as YYYY-MM-DD
        #[arg(long, required_unless_present = "now")]
        date: Option<String>,
        /// What merchants have claimed until now, in a cycle of the day in force
        #[arg(long, conflicts_with = "date")]
        now: bool,
        #[command(flatten)]
        home: Home,
    },
    /// The batches of terminals: what each came to, and whether it is closed
    Batches {
        /// How many to show, open ones first
        #[arg(long, default_value_t = control::LINES_MAX)]
        limit: u32,
        #[command(flatten)]
        home: Home,
    },
    /// How many claims, files and items are in which state
    Status {
        #[command(flatten)]
        home: Home,
    },
}

impl Clearing {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cut { date, home, .. } => {
                let cut = |date: &String| control::Command::Cut { date: date.clone() };
                ask_daemon(home, &date.as_ref().map_or(control::Command::CutNow, cut))
            }
            Self::Batches { limit, home } => {
                ask_daemon(home, &control::Command::Batches { limit: *limit })
            }
            Self::Status { home } => ask_daemon(home, &control::Command::Status),
        }
    }
}
