//! The threads beside the ledger's own: what is read ahead of it, piece by piece, while it decides and writes; what it committed, brought
//! to its place; and jobs that need nothing of each other. Decides nothing.

use std::panic::resume_unwind;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction};

use super::{Ledger, LedgerError, tables};
use crate::books::{Still, View};
use crate::planted;

/// Ledger and books for a thread that only reads: each look sees what was committed by then.
pub(super) struct Scout {
    pub(super) connection: Connection,
    pub(super) books: View,
}

/// How much of the ledger each keeps in memory that reads in order.
const CACHE_KIB: i64 = 16_384;

/// So many pieces lie ready while one is worked on.
const READY: usize = 8;

/// So many jobs are worked on at once.
pub(super) const HANDS: usize = 2;

impl Scout {
    /// Ledger and books as they are now, until this is let go of.
    pub(super) fn still(&self) -> Result<(Still<'_>, Transaction<'_>), LedgerError> {
        Ok((self.books.still()?, self.connection.unchecked_transaction()?))
    }
}

impl Ledger {
    /// A second pair of eyes.
    pub(super) fn scout(&self) -> Result<Scout, LedgerError> {
        self.scout_keeping(CACHE_KIB)
    }

    /// One that keeps so much of the ledger in memory.
    pub(super) fn scout_keeping(&self, kib: i64) -> Result<Scout, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.directory.join(super::FILE), flags)?;
        connection.busy_timeout(tables::PATIENCE)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", -kib)?;
        let books = View::open(&self.directory, Arc::clone(self.books.keys()))?;
        Ok(Scout { connection, books })
    }
}

/// Has what is committed in steps brought to its place by a thread beside.
pub(super) struct Backfill {
    asks: SyncSender<()>,
    /// Steps since the thread was asked.
    steps: u32,
    /// Steps since everything was in its place.
    since_all: u32,
}

/// After so many steps the thread is asked: some mebibytes, behind which the journal's commits wait.
const BACKFILL_STEPS: u32 = if cfg!(test) { 2 } else { 4 };

/// After so many, who commits does it himself, after each step until everything is in its place: the log begins anew then.
const BACKFILL_ALL: u32 = if cfg!(test) { 5 } else { 48 };

/// After so many he waits for those who read, who keep it from that.
const BACKFILL_MAX: u32 = if cfg!(test) { 7 } else { 192 };

impl Backfill {
    /// One more step is committed.
    pub(super) fn step(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.steps += 1;
        self.since_all += 1;
        if self.since_all >= BACKFILL_ALL {
            let done = if self.since_all.is_multiple_of(BACKFILL_MAX) {
                tables::restart(connection)?
            } else {
                tables::checkpoint(connection)?
            };
            if done {
                self.since_all = 0;
            }
        } else if self.steps >= BACKFILL_STEPS && self.asks.try_send(()).is_ok() {
            self.steps = 0;
        }
        Ok(())
    }
}

impl Ledger {
    /// Does something that commits in steps, which a thread beside brings to their place meanwhile.
    pub(super) fn backfilling<T, E: From<LedgerError> + From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(Option<Backfill>) -> Result<T, E>,
    ) -> Result<T, E> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let beside = Connection::open_with_flags(self.directory.join(super::FILE), flags)?;
        thread::scope(|scope| {
            let (asks, asked) = mpsc::sync_channel(1);
            let fills = move || {
                // What fails here is lost to nobody: it stays in the log, and the ledger's own thread brings it to its place later.
                asked.iter().all(|()| tables::checkpoint(&beside).is_ok())
            };
            // Where there is no thread to be had, each commit brings what there is to its place.
            if start(scope, "ledger backfill", fills).is_err() {
                return work(None);
            }
            let work = || work(Some(Backfill { asks, steps: 0, since_all: 0 }));
            tables::without_checkpoints(&self.connection, work)
        })
    }
}

/// Starts a thread beside the ledger's own.
pub(super) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, LedgerError> {
    let plant = planted::handed();
    let works = move || {
        plant();
        work()
    };
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn_scoped(scope, works).map_err(LedgerError::thread)
}

/// Waits for its end.
pub(super) fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Gives each piece that one thread reads to this one, in order. The first fault of either ends both.
pub(super) fn ahead<T: Send, E: Send + From<LedgerError>>(
    read: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<(), E> + Send,
    write: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(READY);
        let reads = move || read(&mut |piece| sender.send(piece).is_ok());
        let reader = start(scope, "ledger looks", reads)?;
        let written = receiver.iter().try_for_each(write);
        // Who still reads need not go on.
        drop(receiver);
        let read = joined(reader);
        written.and(read)
    })
}

/// The same with a look at each piece between, on a thread of its own.
pub(super) fn far_ahead<R: Send, T: Send, E: Send + From<LedgerError>>(
    read: impl FnOnce(&mut dyn FnMut(R) -> bool) -> Result<(), E> + Send,
    mut look: impl FnMut(R) -> Result<T, E> + Send,
    write: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(READY);
        let reads = move || read(&mut |piece| sender.send(piece).is_ok());
        let reader = start(scope, "ledger reads", reads)?;
        let looks = move |give: &mut dyn FnMut(T) -> bool| {
            for piece in receiver {
                if !give(look(piece)?) {
                    break;
                }
            }
            Ok(())
        };
        let written = ahead(looks, write);
        let read = joined(reader);
        written.and(read)
    })
}

/// Does one thing on a thread of its own, and another one on this one meanwhile.
pub(super) fn beside<T: Send>(
    work: impl FnOnce() -> Result<T, LedgerError> + Send,
    meanwhile: impl FnOnce() -> Result<(), LedgerError>,
) -> Result<T, LedgerError> {
    thread::scope(|scope| {
        let other = start(scope, "ledger beside", work)?;
        let done = meanwhile();
        let other = joined(other);
        done.and(other)
    })
}

/// Does jobs on a thread for each scout; gives what came of each to this thread, in whatever order. The first fault ends all.
pub(super) fn side_by_side<J: Send, T: Send, E: Send + From<LedgerError>>(
    scouts: Vec<Scout>,
    jobs: Vec<J>,
    work: impl Fn(&Scout, J) -> Result<T, E> + Sync,
    mut done: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(READY);
        for scout in scouts {
            let (sender, work, next) = (sender.clone(), &work, &next);
            let works = move || {
                while let Some(job) = next() {
                    if sender.send(work(&scout, job)).is_err() {
                        break;
                    }
                }
            };
            start(scope, "ledger hand", works)?;
        }
        drop(sender);
        receiver.iter().try_for_each(|one| done(one?))
    })
}
