//! `clearing receive|represent|give-up|exceptions|close|chargebacks|explain`: what issuers sent back, and what is decided about it.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::control::{ask_daemon, show};
use super::home::Home;
use super::{Failure, say};
use crate::daemon::caller;
use crate::daemon::control::{self, Command};
use crate::ledger::Inbox;

/// A file of answers.
#[derive(Args)]
pub(super) struct Receive {
    /// The file; a copy of it is taken
    file: PathBuf,
    /// From which issuer, by its name in clearing; not needed where there is only one
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    #[command(flatten)]
    home: Home,
}

/// What is presented once more.
#[derive(Args)]
pub(super) struct Represent {
    #[arg(
        value_name = "ITEM",
        help = "The number of the rejected item or of the charge-back, or file:NAME for all that was rejected of a file"
    )]
    id: String,
    /// Of a charge-back only so much, in minor units of its currency
    #[arg(long, value_name = "MINOR")]
    amount: Option<i64>,
    /// The reason that the second presentment has, four digits
    #[arg(long, value_name = "CODE")]
    reason: Option<String>,
    #[command(flatten)]
    who: Who,
}

/// What is given up.
#[derive(Args)]
pub(super) struct GiveUp {
    #[arg(
        value_name = "ITEM",
        help = "The number of the rejected item, or file:NAME for all that was rejected of a file"
    )]
    id: String,
    #[command(flatten)]
    who: Who,
}

/// What is taken off the list.
#[derive(Args)]
pub(super) struct Close {
    /// Its number, as `clearing exceptions` shows it
    exception: i64,
    /// Why, in one line for those who ask later
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    who: Who,
}

/// Who decides, of which switch.
#[derive(Args)]
struct Who {
    /// Who orders it [default: the number of your user]
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    #[command(flatten)]
    home: Home,
}

/// A list.
#[derive(Args)]
pub(super) struct Listed {
    /// How many to show
    #[arg(long, default_value_t = control::LINES_MAX)]
    limit: u32,
    #[command(flatten)]
    home: Home,
}

/// What is explained.
#[derive(Args)]
pub(super) struct Explain {
    #[arg(
        help = "item:N or N, claim:N, txn:N, exception:N, recon:N, file:NAME or file:ID, a reference of 23 digits, or ref:MERCHANT/REFERENCE"
    )]
    id: String,
    /// A JSON object a line, for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    home: Home,
}

impl Receive {
    /// The file is put into the inbox that the daemon names, and the daemon told its name: what it is made of never crosses the
    /// socket.
    pub(super) fn run(&self) -> Result<(), Failure> {
        let asked = Command::Inbox { issuer: self.issuer.clone() };
        let lines = caller::ask(&self.home.state()?, &asked)?;
        let text =
            |key: &str| lines.last().and_then(|line| line.get(key)?.as_str()).unwrap_or_default();
        let (issuer, directory) = (text("issuer").to_owned(), text("directory"));
        let put = Inbox::open(Path::new(directory)).and_then(|inbox| inbox.put(&self.file));
        let asked = Command::Receive { issuer, name: put? };
        let mut lines = caller::ask(&self.home.state()?, &asked)?;
        let last = lines.last_mut().and_then(Value::as_object_mut);
        let count =
            |key| last.as_ref().and_then(|last| last.get(key)?.as_u64()).unwrap_or_default();
        let (refused, taken) = (count("refused"), count("files"));
        if let Some(last) = last.filter(|_| refused > 0) {
            // What the daemon did it did; of what it was given, not all is good.
            last.insert("ok".to_owned(), Value::Bool(false));
        }
        show(&lines)?;
        if refused > 0 {
            let all = refused.saturating_add(taken);
            return Err(Failure::Data { bad: refused, all, what: "logical files" });
        }
        Ok(())
    }
}

impl Represent {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let Self { id, amount, reason, who } = self;
        let (id, amount, reason, by) = (id.clone(), *amount, reason.clone(), who.by.clone());
        ask_daemon(&who.home, &Command::Represent { id, amount, reason, by })
    }
}

impl GiveUp {
    pub(super) fn run(&self) -> Result<(), Failure> {
        ask_daemon(
            &self.who.home,
            &Command::GiveUp { id: self.id.clone(), by: self.who.by.clone() },
        )
    }
}

impl Close {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (exception, reason, by) = (self.exception, self.reason.clone(), self.who.by.clone());
        ask_daemon(&self.who.home, &Command::CloseException { exception, reason, by })
    }
}

impl Listed {
    pub(super) fn exceptions(&self) -> Result<(), Failure> {
        ask_daemon(&self.home, &Command::Exceptions { limit: self.limit })
    }

    pub(super) fn chargebacks(&self) -> Result<(), Failure> {
        ask_daemon(&self.home, &Command::Chargebacks { limit: self.limit })
    }
}

impl Explain {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let asked = Command::Explain { id: self.id.clone() };
        if self.json {
            return ask_daemon(&self.home, &asked);
        }
        let lines = caller::ask(&self.home.state()?, &asked)?;
        let mut out = BufWriter::new(io::stdout().lock());
        for line in &lines {
            let text = |key: &str| line.get(key).and_then(Value::as_str);
            let Some(said) = text("said") else { continue };
            writeln!(out, "{:<24}  {said}", text("at").unwrap_or("-"))
                .map_err(Failure::io("stdout"))?;
        }
        out.flush().map_err(Failure::io("stdout"))?;
        say("`--json` has every column of these rows");
        Ok(())
    }
}
