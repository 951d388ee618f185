//! `clearing`: from what merchants claim to what issuers owe, through the running daemon.

use std::fs::File;
use std::io;
use std::path::Path;

use clap::Subcommand;

use super::control::ask_daemon;
use super::home::Home;
use super::{Failure, say};
use crate::clearing::Form;
use crate::daemon::control;
use crate::ledger::Kind;

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
    /// Pay merchants what they have at a cut: files for the bank; again, the same files
    PayOut {
        /// The day, as YYYY-MM-DD
        #[arg(long)]
        date: String,
        /// The cycle; 0 is the day's own end
        #[arg(long, default_value_t = 0)]
        cycle: u32,
        #[command(flatten)]
        home: Home,
    },
    /// Book what an issuer paid; again under the same reference, nothing is booked
    Funds {
        /// The name of its link
        issuer: String,
        /// How much, with the decimals of the currency: 1234.00; less than nothing was paid to it
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// Three digits or letters: 978, EUR
        currency: String,
        /// What the bank's statement calls it
        #[arg(long)]
        reference: String,
        /// On which day, as YYYY-MM-DD
        #[arg(long)]
        date: String,
        #[command(flatten)]
        home: Home,
    },
    /// Print a report of a day; it stays in `reports` of the state directory
    Report {
        /// Which
        #[arg(value_parser = words(&Kind::ALL))]
        kind: String,
        /// The day, as YYYY-MM-DD
        #[arg(long)]
        date: String,
        /// Of one cycle of it alone; 0 is what came with its end
        #[arg(long)]
        cycle: Option<u32>,
        /// How it is written
        #[arg(long, default_value = "csv", value_parser = words(&Form::ALL))]
        format: String,
        /// Of one merchant alone, element 42
        #[arg(long)]
        merchant: Option<String>,
        /// Of one issuer alone, the name of its link
        #[arg(long)]
        issuer: Option<String>,
        #[command(flatten)]
        home: Home,
    },
}

/// The words that an argument may be.
fn words<T>(all: &[(&'static str, T)]) -> clap::builder::PossibleValuesParser {
    all.iter().map(|(word, _)| *word).collect::<Vec<_>>().into()
}

impl Clearing {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cut { date, home } => {
                ask_daemon(home, &control::Command::Cut { date: date.clone() })
            }
            Self::Status { home } => ask_daemon(home, &control::Command::Status),
            Self::PayOut { date, cycle, home } => {
                let (date, cycle) = (date.clone(), *cycle);
                ask_daemon(home, &control::Command::PayOut { date, cycle })
            }
            Self::Funds { issuer, amount, currency, reference, date, home } => {
                let [issuer, amount, currency, reference, date] =
                    [issuer, amount, currency, reference, date].map(String::clone);
                let funds = control::Command::Funds { issuer, amount, currency, reference, date };
                ask_daemon(home, &funds)
            }
            Self::Report { kind, date, cycle, format, merchant, issuer, home } => {
                let [kind, date, format] = [kind, date, format].map(String::clone);
                let (cycle, merchant, issuer) = (*cycle, merchant.clone(), issuer.clone());
                let report =
                    control::Command::Report { kind, date, cycle, format, merchant, issuer };
                print_report(home, &report)
            }
        }
    }
}

/// The daemon writes a report into a file, however long it is; here it is printed.
fn print_report(home: &Home, report: &control::Command) -> Result<(), Failure> {
    let lines = control::ask(&home.state()?, report)?;
    let path = lines.last().and_then(|last| last.get("path")?.as_str()).unwrap_or_default();
    let mut file = File::open(Path::new(path)).map_err(Failure::io(path))?;
    io::copy(&mut file, &mut io::stdout().lock()).map_err(Failure::io("stdout"))?;
    say(path);
    Ok(())
}
