//! `clearing`: from what merchants claim to what issuers owe, through the running daemon.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value;

use super::answers;
use super::control::ask_daemon;
use super::home::Home;
use super::{Failure, say};
use crate::clearing::Form;
use crate::daemon::caller;
use crate::daemon::control::{self, Command};
use crate::ledger::{Inbox, Kind};

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
    /// What hosts said that their days come to, and whether that is ours; those that differ first
    Reconciliations {
        /// How many to show
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
    /// Hand in a merchant's file of captures and refunds, and show what became of each record; exit code 1 when all of it was
    /// refused, 65 when any record was
    Submit {
        /// The file, capture-1 as CSV or as JSON Lines
        file: PathBuf,
        /// The result as JSON Lines instead of CSV
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        home: Home,
    },
    /// Take a file of answers: rejections, totals and charge-backs of an issuer; exit code 65 when any logical file of it was refused
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
        /// The day, as YYYY-MM-DD; the one in force without it
        #[arg(long)]
        date: Option<String>,
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
            Self::Cut { date, home, .. } => {
                let cut = |date: &String| Command::Cut { date: date.clone() };
                ask_daemon(home, &date.as_ref().map_or(Command::CutNow, cut))
            }
            Self::Batches { limit, home } => ask_daemon(home, &Command::Batches { limit: *limit }),
            Self::Reconciliations { limit, home } => {
                ask_daemon(home, &Command::Reconciliations { limit: *limit })
            }
            Self::Status { home } => ask_daemon(home, &Command::Status),
            Self::Submit { file, json, home } => submit(file, *json, home),
            Self::Receive(receive) => receive.run(),
            Self::Represent(represent) => represent.run(),
            Self::GiveUp(give_up) => give_up.run(),
            Self::Exceptions(listed) => listed.exceptions(),
            Self::Close(close) => close.run(),
            Self::Chargebacks(listed) => listed.chargebacks(),
            Self::Explain(explain) => explain.run(),
            Self::PayOut { date, cycle, home } => {
                let (date, cycle) = (date.clone(), *cycle);
                ask_daemon(home, &Command::PayOut { date, cycle })
            }
            Self::Funds { issuer, amount, currency, reference, date, home } => {
                let [issuer, amount, currency, reference, date] =
                    [issuer, amount, currency, reference, date].map(String::clone);
                let funds = Command::Funds { issuer, amount, currency, reference, date };
                ask_daemon(home, &funds)
            }
            Self::Report { kind, date, cycle, format, merchant, issuer, home } => {
                let [kind, format] = [kind, format].map(String::clone);
                let (date, cycle) = (date.clone(), *cycle);
                let (merchant, issuer) = (merchant.clone(), issuer.clone());
                let report = Command::Report { kind, date, cycle, format, merchant, issuer };
                print_report(home, &report)
            }
        }
    }
}

/// The file goes through the inbox as others do: a copy of it, whole, and the daemon is told its name.
fn submit(file: &Path, json: bool, home: &Home) -> Result<(), Failure> {
    let state = home.state()?;
    let asked = |command| -> Result<Value, Failure> {
        Ok(caller::ask(&state, &command)?.pop().unwrap_or_default())
    };
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let inbox = asked(Command::Submit { name: None })?;
    let inbox = Inbox::open(Path::new(&text(&inbox, "inbox")));
    let put = inbox.and_then(|inbox| inbox.put(file));
    let answer = asked(Command::Submit { name: Some(put?) })?;
    let result = format!("{}.{}", text(&answer, "result"), if json { "jsonl" } else { "csv" });
    let mut page = File::open(&result).map_err(Failure::io(&result))?;
    io::copy(&mut page, &mut io::stdout().lock()).map_err(Failure::io("stdout"))?;
    if text(&answer, "state") == "refused" {
        return Err(Failure::Found(format!(
            "all of the file is refused: {}",
            text(&answer, "fault")
        )));
    }
    if answer.get("again") == Some(&Value::Bool(true)) {
        say("the file was taken before; this is what became of it");
    }
    let counts = answer.get("counts").and_then(Value::as_array);
    let count = |state: Option<&str>| -> u64 {
        let of = |one: &&Value| state.is_none_or(|state| text(one, "state") == state);
        counts.into_iter().flatten().filter(of).filter_map(|one| one.get("count")?.as_u64()).sum()
    };
    match count(Some("rejected")) {
        0 => Ok(()),
        bad => Err(Failure::Data { bad, all: count(None), what: "records" }),
    }
}

/// The daemon writes a report into a file, however long it is; here it is printed.
fn print_report(home: &Home, report: &Command) -> Result<(), Failure> {
    let lines = caller::ask(&home.state()?, report)?;
    let path = lines.last().and_then(|last| last.get("path")?.as_str()).unwrap_or_default();
    let mut file = File::open(Path::new(path)).map_err(Failure::io(path))?;
    io::copy(&mut file, &mut io::stdout().lock()).map_err(Failure::io("stdout"))?;
    say(path);
    Ok(())
}
