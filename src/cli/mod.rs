//! The command line: argv in, exit code out. It parses, calls the room that owns the command, and prints.
//!
//! stdout is data, stderr is talk. Exit codes: 0 done, 1 failed, 2 wrong usage, 65 bad data, 74 journal unusable,
//! 78 bad configuration.

mod answers;
mod clearing;
mod control;
mod dialect;
mod diff;
mod doctor;
mod home;
mod ipm;
mod journal;
mod map;
mod messages;
mod papers;
mod peer;
mod route;
mod sim;
mod why;

use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::books::BooksError;
use crate::config::{self, Report};
use crate::daemon::caller::ControlError;
use crate::daemon::{self, DaemonError};
use crate::ledger::LedgerError;
use crate::sim::SimError;
use crate::tools::journal::ShowError;

/// An ISO 8583 message switch that runs from one configuration file.
#[derive(Parser)]
#[command(name = "iso8583d", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 65 bad data, 74 journal unusable, 78 bad configuration.";

#[derive(Subcommand)]
enum Command {
    /// Run the switch until it is told to stop
    Run {
        /// The configuration
        config: PathBuf,
    },
    /// Look a configuration through, tell everything that is wrong with it, and start nothing
    Check {
        /// The configuration
        config: PathBuf,
    },
    /// Tell where a message goes by a configuration, and why: every route that is tried, and its links
    Route(route::Route),
    /// Show a message of one link as another would be told it, element by element
    Map(map::Map),
    /// Watch a switch at work: two banks, a few shops, and every accident once; needs no configuration
    Demo(sim::Demo),
    /// Show messages: hexadecimal digits, base64, dumps, plain bytes or a capture in, a JSON object a message out
    Decode(messages::Decode),
    /// Compare two messages element by element; exit code 0 when they are alike, 1 when not
    Diff(diff::Diff),
    /// Find the framing and the dialect of captured bytes: lines for the configuration of a link out, with the evidence
    Doctor(doctor::Doctor),
    /// Write messages: a JSON object in, a line of hexadecimal digits out
    Encode(messages::Encode),
    /// Look dialects through, show them, and make them of other products' packager files
    #[command(subcommand)]
    Dialect(dialect::Dialect),
    /// Play peers of a switch, and load one
    #[command(subcommand)]
    Sim(sim::Sim),
    /// Look into the journal of a state directory
    #[command(subcommand)]
    Journal(journal::Journal),
    /// Look into clearing files, and make others of them
    #[command(subcommand)]
    Ipm(ipm::Ipm),
    /// Tell the life of one transaction: every message, when, what was decided and why, and how it stands now
    Why(why::Why),
    /// Clear a day, through the running daemon
    #[command(subcommand)]
    Clearing(clearing::Clearing),
    /// Ask the running daemon
    #[command(subcommand)]
    Ctl(control::Ctl),
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The configuration, or a dialect, has faults.
    #[error("{0}")]
    Faults(Report),
    /// Parts of the input that are no messages were told one by one.
    #[error("{bad} of {all} {what} are bad")]
    Data { bad: u64, all: u64, what: &'static str },
    /// An input that could not be read to its end.
    #[error("{0}")]
    Input(String),
    /// What was given as a dialect, or to make one of, has faults.
    #[error("{0}")]
    Dialect(Report),
    /// The daemon, which has told its story.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The journal, or its text.
    #[error(transparent)]
    Journal(#[from] ShowError),
    /// The journal or the books, as `why` reads them.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The ledger of a state directory cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A simulated peer.
    #[error(transparent)]
    Sim(#[from] SimError),
    /// The daemon did not answer, or would not.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// What ran found what should not be; it has told what.
    #[error("{0}")]
    Found(String),
    /// Two messages differ; what was asked for is on stdout.
    #[error("the messages differ")]
    Differ,
    /// A file or a stream.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are answers; anything else is wrong usage. Nobody may be left to read either.
            drop(usage.print());
            return ExitCode::from(if usage.use_stderr() { 2 } else { 0 });
        }
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

impl Command {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Run { config } => {
                let config = config::load(&config).map_err(Failure::Faults)?;
                Ok(daemon::run(config)?)
            }
            Self::Check { config } => check(&config),
            Self::Route(route) => route.run(),
            Self::Map(map) => map.run(),
            Self::Demo(demo) => demo.run(),
            Self::Decode(decode) => decode.run(),
            Self::Diff(diff) => diff.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Encode(encode) => encode.run(),
            Self::Dialect(dialect) => dialect.run(),
            Self::Sim(sim) => sim.run(),
            Self::Journal(journal) => journal.run(),
            Self::Ipm(ipm) => ipm.run(),
            Self::Why(why) => why.run(),
            Self::Clearing(clearing) => clearing.run(),
            Self::Ctl(ctl) => ctl.run(),
        }
    }
}

fn check(path: &std::path::Path) -> Result<(), Failure> {
    let config = config::load(path).map_err(Failure::Faults)?;
    if !config.stale.is_empty() {
        return Err(Failure::Faults(Report::new(config.stale)));
    }
    say(&format!(
        "{} is good: {}, {}, state in {}",
        path.display(),
        counted(config.links.len(), "link"),
        counted(config.routes.len(), "route"),
        config.daemon.state.display()
    ));
    for gap in config.gaps() {
        say(&format!("warning: {gap}"));
    }
    if let Some(short) = daemon::descriptors::shortage(&config) {
        say(&format!("note: {short}"));
    }
    Ok(())
}

/// Whether a stream shows colours: a terminal does, unless whoever sits before it wants none (<https://no-color.org>).
fn colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Failure {
    /// A stream that has a name.
    fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    /// Says why on stderr, and gives the exit code.
    fn tell(&self) -> ExitCode {
        if self.is_closed_pipe() {
            // Whoever read the data has seen enough of it.
            return ExitCode::SUCCESS;
        }
        match self {
            Self::Differ => {}
            Self::Faults(report) | Self::Dialect(report) => {
                say(&report.draw(colours(&io::stderr())));
            }
            Self::Control(ControlError::Configuration(report)) => say(report),
            other => say(&format!("error: {other}")),
        }
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Faults(_) | Self::Control(ControlError::Configuration(_)) => 78,
            Self::Data { .. } | Self::Input(_) | Self::Dialect(_) => 65,
            Self::Daemon(fault) => fault.exit_code(),
            Self::Journal(ShowError::Journal(_) | ShowError::Record(_))
            | Self::Books(BooksError::Journal(_) | BooksError::Record(_)) => 74,
            Self::Journal(ShowError::Output(_))
            | Self::Books(_)
            | Self::Ledger(_)
            | Self::Sim(_)
            | Self::Control(_)
            | Self::Found(_)
            | Self::Differ
            | Self::Io { .. } => 1,
        }
    }

    fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Journal(ShowError::Output(source))
            | Self::Sim(SimError::System { what: "standard output", source })
            | Self::Io { source, .. } => source.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        }
    }
}

/// `1 link`, `2 links`.
fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// One paragraph for people.
fn say(text: &str) {
    if writeln!(io::stderr().lock(), "{text}").is_err() {
        // Nobody listens, and there is nowhere else to say it.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_who_have_seen_enough_are_no_fault() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let sim = |what| Failure::Sim(SimError::System { what, source: broken() });
        assert!(sim("standard output").is_closed_pipe());
        assert!(!sim("a runtime").is_closed_pipe());
        assert!(Failure::io("stdout")(broken()).is_closed_pipe());
    }
}
