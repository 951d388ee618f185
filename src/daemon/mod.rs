//! The shell: opens the house, carries out the engine's effects, closes it. Must not decide anything about money.

mod answers;
mod board;
mod bureau;
pub mod caller;
mod captures;
mod clearing;
mod clerk;
mod clock;
pub mod control;
mod core;
mod cycles;
mod days;
pub mod descriptors;
mod directory;
mod house;
mod listing;
mod mailroom;
mod narrator;
mod orders;
mod quarantine;
mod release;
mod reload;
mod settlement;
mod state;
mod ticker;
mod view;

use std::pin::pin;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::books::BooksError;
use crate::config::Config;
use crate::console::ConsoleError;
use crate::iso::BusinessDate;
use crate::journal::JournalError;
use crate::ledger::LedgerError;
use crate::link::LinkError;
use crate::record::BadRecord;
use crate::systemd;

pub use house::House;
pub use state::{State, StateError};

/// A start in which tables are brought up may take so long: a minute or so for tens of millions of claims.
const UPGRADE: Duration = Duration::from_mins(30);

/// Why the daemon does not run, or runs no more.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The state directory is not ours.
    #[error(transparent)]
    State(#[from] StateError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal's records cannot be read.
    #[error("{0}; see `iso8583d journal verify`")]
    Record(#[from] BadRecord),
    /// The books cannot be opened.
    #[error(transparent)]
    Books(#[from] BooksError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The journal is older than what was made of it.
    #[error(
        "the journal ends at record {end}, and {file} has seen record {seen}: it is an older copy, or the end of it is missing. What comes now would be \
         taken for what was seen. Put back the journal that belongs to it{}",
        if *.file == "books.db" { "; or, where the journal is the right one, remove books.db, which follows it anew" } else { ", or an older copy of the whole state directory" }
    )]
    Older {
        /// The last record of the journal.
        end: u64,
        /// Which has seen more.
        file: &'static str,
        /// The last record that it has seen.
        seen: u64,
    },
    /// There is no ledger, and there was one.
    #[error(
        "clearing.db is not in the state directory, and the days up to {cut} were cut: what merchants handed in, what was presented and what issuers said \
         of it is in no other file. Put it back from a copy. If it is lost for good, make an empty one with `touch clearing.db`; it knows of nothing \
         before, and cuts no earlier day again"
    )]
    NoLedger {
        /// The last day that was cut.
        cut: BusinessDate,
    },
    /// A link cannot be opened.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// There is no window.
    #[error(transparent)]
    Console(#[from] ConsoleError),
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The journal's thread ended though nothing had told it to.
    #[error("the journal's thread is gone; nothing more leaves")]
    Lost,
}

impl DaemonError {
    /// What the process says to its parent: 74 when the journal cannot be used, or not with what lies beside it, 78 with the key of another journal, else 1.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Journal(_)
            | Self::Record(_)
            | Self::Lost
            | Self::Older { .. }
            | Self::Books(BooksError::Full(_))
            | Self::Ledger(LedgerError::Full(_) | LedgerError::Books(BooksError::Full(_)))
            | Self::NoLedger { .. } => 74,
            Self::State(StateError::OtherKey { .. }) => 78,
            Self::State(_)
            | Self::Books(_)
            | Self::Ledger(_)
            | Self::Link(_)
            | Self::Console(_)
            | Self::System { .. } => 1,
        }
    }
}

/// Runs the switch until it is told to stop. What it has to say goes to stderr.
pub fn run(config: Config) -> Result<(), DaemonError> {
    let log =
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).with_target(false);
    // A second subscriber in one process is the first one's business.
    log.finish().try_init().ok();
    tell_stale(&config);
    serve(config)
}

/// What does not hold today, and keeps nothing from running.
fn tell_stale(config: &Config) {
    for fault in &config.stale {
        let (file, line) = (fault.file(), fault.place().0);
        tracing::error!(file, line, why = fault.detail(), fix = fault.fix(), "{}", fault.title());
    }
}

fn serve(config: Config) -> Result<(), DaemonError> {
    let system = |doing| move |source| DaemonError::System { doing, source };
    if let Err(fault) = descriptors::forbid_cores() {
        tracing::warn!(%fault, "a core may be written of this process, with cards in it: set LimitCORE=0");
    }
    if let Err(fault) = descriptors::raise() {
        tracing::warn!(%fault, "the limit on file descriptors stays as it is");
    }
    if let Some(short) = descriptors::shortage(&config) {
        tracing::warn!("{short}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.daemon.workers)
        .thread_name("session")
        .enable_all()
        .build()
        .map_err(system("start the threads of the sessions"))?;
    let ran = runtime.block_on(async {
        let mut signals = Signals::new().map_err(system("listen to signals"))?;
        // Tables of an earlier version may have to be brought up first.
        tell(systemd::patience(UPGRADE));
        let mut house = House::open(config).await?;
        tell(systemd::ready());
        loop {
            tokio::select! {
                fault = house.failed() => return Err(fault),
                signal = signals.next() => match signal {
                    Told::Stop => break,
                    Told::Reload => house.spawn(reload(house.reload())),
                },
            }
        }
        tell(systemd::stopping());
        tracing::info!("stopping: new requests are declined, what is in flight is waited for; a second signal stops at once");
        let mut drain = pin!(house.drain());
        loop {
            tokio::select! {
                drained = &mut drain => return drained,
                signal = signals.next() => match signal {
                    Told::Stop => {
                        tracing::warn!("stopped at once; what was in flight is reversed at the next start");
                        return Ok(());
                    }
                    Told::Reload => tracing::warn!("the switch stops: its configuration is not read again"),
                },
            }
        }
    });
    runtime.shutdown_background();
    ran
}

/// The signals that the daemon listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// What the process is told next.
    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hang_up.recv() => Told::Reload,
        }
    }
}

/// What a signal means.
enum Told {
    /// The process is to end.
    Stop,
    /// The configuration is to be read again.
    Reload,
}

/// A reload, with the service manager knowing of it.
async fn reload(reloaded: impl Future<Output = String>) {
    tell(systemd::reloading());
    let said = reloaded.await;
    tell(systemd::status(&said));
    tell(systemd::ready());
}

/// The service manager's deafness is no reason to stop.
fn tell(told: std::io::Result<()>) {
    if let Err(fault) = told {
        tracing::warn!(%fault, "the service manager was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moving the books away, as for other troubles, would lose what is older than the journal.
    #[test]
    fn a_full_disk_at_the_start_is_the_disks_trouble() {
        let full = || rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(13), None);
        let faults: [DaemonError; 3] = [
            BooksError::from(full()).into(),
            LedgerError::from(full()).into(),
            LedgerError::from(BooksError::from(full())).into(),
        ];
        for fault in faults {
            assert_eq!(fault.exit_code(), 74);
            assert!(fault.to_string().contains("make room"), "{fault}");
        }
    }
}
