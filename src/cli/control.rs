//! `ctl` and `clearing`: one JSON line to the running daemon's socket, JSON lines back.

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::home::Home;

/// Ask the running daemon.
#[derive(Subcommand)]
pub(super) enum Ctl {
    /// Links and their sessions
    Links(Ask),
    /// What is owed to issuers, and what an operator has to look at
    Owed(Ask),
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
            Self::Links(ask) => ask_daemon(&ask.home, &json!({ "ask": "links" })),
            Self::Owed(ask) => ask_daemon(&ask.home, &json!({ "ask": "owed" })),
        }
    }
}

impl Clearing {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Cut { date, home } => ask_daemon(home, &json!({ "ask": "cut", "date": date })),
        }
    }
}

/// Sends a question and prints the answer's lines; one with an `error` is the last.
fn ask_daemon(home: &Home, question: &Value) -> Result<(), Failure> {
    let path = home.state()?.join("control.sock");
    let name = path.display().to_string();
    let mut socket = UnixStream::connect(&path)
        .map_err(Failure::io(format!("no daemon answers at {name}: is it running?")))?;
    writeln!(socket, "{question}").map_err(Failure::io(name.clone()))?;
    socket.shutdown(Shutdown::Write).map_err(Failure::io(name.clone()))?;
    let mut out = io::stdout().lock();
    let mut lines = 0_u64;
    for line in BufReader::new(socket).lines() {
        let line = line.map_err(Failure::io(name.clone()))?;
        lines += 1;
        let answer: Value = serde_json::from_str(&line).map_err(|fault| {
            Failure::Found(format!("{name} does not speak our language: {fault}"))
        })?;
        if let Some(fault) = answer.get("error") {
            let text = fault.as_str().map_or_else(|| fault.to_string(), str::to_owned);
            return Err(Failure::Found(text));
        }
        writeln!(out, "{line}").map_err(Failure::io("stdout"))?;
    }
    if lines == 0 {
        return Err(Failure::Found(format!("{name} hung up without an answer")));
    }
    Ok(())
}
