//! The ledger's thread: what takes minutes there holds up neither a session nor a look-up in the books.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

use crate::ledger::{Ledger, LedgerError};
use crate::record::Lsn;

/// The door to the ledger's thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Bureau {
    errands: Sender<Errand>,
}

/// Something to be done with the ledger when the books have followed far enough.
struct Errand {
    from: Lsn,
    work: Box<dyn FnOnce(&mut Ledger) + Send>,
}

/// What is said when an invariant of the ledger does not hold.
const BROKEN: &str = "a broken invariant in the ledger stops the switch; journal, books and ledger are intact. Please report the lines above";

/// How often it is looked whether the books have followed, while somebody waits for that.
const PAUSE: Duration = Duration::from_millis(20);

impl Bureau {
    /// Starts the thread. It ends when every door to it is gone.
    pub(super) fn start(ledger: Ledger) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            go_last();
            if catch_unwind(AssertUnwindSafe(|| run(ledger, &receiver))).is_err() {
                tracing::error!("{BROKEN}");
                process::abort();
            }
        })?;
        Ok(Self { errands: sender })
    }

    /// Does something with the ledger when the books have followed up to `from`.
    pub(super) fn errand(&self, from: Lsn, work: impl FnOnce(&mut Ledger) + Send + 'static) {
        // The thread only ends when the house closes: then nobody waits for an answer either.
        drop(self.errands.send(Errand { from, work: Box::new(work) }));
    }

    /// The same, and gives what came of it; none when the house closes meanwhile.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        from: Lsn,
        work: impl FnOnce(&mut Ledger) -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.errand(from, move |ledger| drop(sender.send(work(ledger))));
        receiver.await.ok()
    }
}

/// Those who pay wait for the other threads, and nobody at a terminal waits for this one.
fn go_last() {
    const BEHIND_OTHERS: i32 = 10;
    if let Err(fault) = setpriority_process(None, BEHIND_OTHERS) {
        tracing::debug!(%fault, "the ledger's thread has the priority of all");
    }
}

fn run(mut ledger: Ledger, doors: &Receiver<Errand>) {
    let mut errands: VecDeque<Errand> = VecDeque::new();
    loop {
        let came = if errands.is_empty() {
            doors.recv().map_err(RecvTimeoutError::from)
        } else {
            doors.recv_timeout(PAUSE)
        };
        match came {
            Ok(errand) => errands.push_back(errand),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        errands.extend(doors.try_iter());
        match followed(&ledger) {
            Ok(position) => {
                for errand in std::mem::take(&mut errands) {
                    if position < errand.from {
                        errands.push_back(errand);
                    } else {
                        (errand.work)(&mut ledger);
                    }
                }
            }
            Err(fault) => {
                tracing::error!(%fault, "the ledger cannot read the books; what is asked of it waits");
                thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

fn followed(ledger: &Ledger) -> Result<Lsn, LedgerError> {
    Ok(ledger.books().position()?)
}
