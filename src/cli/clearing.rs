//! `clearing`: from what merchants claim to what issuers owe, through the running daemon.

use clap::Subcommand;

use super::Failure;
use super::answers;
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
    /// Take a file of answers: rejections, totals and charge-backs of an issuer
    Receive(answers::Receive),
    /// Present a rejected item, or one that was charged back, once more in the next file
    Represent(answers::Represent),
    /// Give a rejected item up: its merchant bears the cost
    GiveUp(answers::GiveUp),
    /// What fits nowhere: oldest first, with its age in days
    Exceptions(answers::Listed),
    /// Take an exception off the list
    Close(answers::Close),
    /// Charge-backs, with the day by which each is to be answered
    Chargebacks(answers::Listed),
    /// Tell the life of one thing: its claim, authorization, file, what was said of it, and where its money is
    Explain(answers::Explain),
}

impl Clearing {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cut { date, home } => {
                ask_daemon(home, &control::Command::Cut { date: date.clone() })
            }
            Self::Status { home } => ask_daemon(home, &control::Command::Status),
            Self::Receive(receive) => receive.run(),
            Self::Represent(represent) => represent.run(),
            Self::GiveUp(give_up) => give_up.run(),
            Self::Exceptions(listed) => listed.exceptions(),
            Self::Close(close) => close.run(),
            Self::Chargebacks(listed) => listed.chargebacks(),
            Self::Explain(explain) => explain.run(),
        }
    }
}
