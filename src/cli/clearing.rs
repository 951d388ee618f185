//! `clearing`: from what merchants claim to what issuers owe, through the running daemon.

use clap::Subcommand;

use super::Failure;
use super::control::ask_daemon;
use super::home::Home;
use crate::daemon::control;

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
    /// How many claims, files and items are in which state
    Status {
        #[command(flatten)]
        home: Home,
    },
}

impl Clearing {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cut { date, home } => {
                ask_daemon(home, &control::Command::Cut { date: date.clone() })
            }
            Self::Status { home } => ask_daemon(home, &control::Command::Status),
        }
    }
}
