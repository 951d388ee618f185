//! The books' thread: follows the journal, and answers what is asked of the books once they have followed far enough.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::books::{Books, BooksError};
use crate::journal::Reader;
use crate::meter::Meter;
use crate::record::Lsn;
use crate::switch::Question;
use crate::tranlog::Found;

/// The door to the books' thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Clerk {
    errands: Sender<Errand>,
    seen: Arc<Seen>,
}

/// What others may know of the thread.
#[derive(Default)]
struct Seen {
    position: AtomicU64,
    failing: AtomicBool,
}

/// Something to be done with the books when they have followed far enough.
struct Errand {
    from: Lsn,
    /// Called again until it says that it is done.
    work: Work,
}

type Work = Box<dyn FnMut(&mut Books) -> Result<(), BooksError> + Send>;

/// What is said when an invariant of the books does not hold.
const BROKEN: &str = "a broken invariant in the books stops the switch; the journal is intact. If it happens at each start, stop, \
    remove books.db and start again: the books follow the journal anew. Please report the lines above";

/// How long the books may be behind when nobody asks. Longer than most transactions take, so that most are written once.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is counted what is on the operator's list.
const COUNT: Duration = Duration::from_secs(10);

/// How many records are worth following at once while a load lasts. Fewer wait: a transaction that is sent, answered and told
/// within a batch is written once.
const BATCH_RECORDS_MIN: u64 = 20_000;

impl Clerk {
    /// Starts the thread. It ends when every door to it is gone.
    pub(super) fn start(
        books: Books,
        journal: &Path,
        durable: Arc<AtomicU64>,
        meter: Meter,
    ) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let seen = Arc::new(Seen::default());
        seen.position.store(books.position().0, Ordering::Release);
        let desk = Desk {
            books,
            reader: Reader::open(journal),
            errands: VecDeque::new(),
            seen: Arc::clone(&seen),
            durable,
            meter,
            count_at: Instant::now(),
        };
        thread::Builder::new().name("books".to_owned()).spawn(move || {
            // Without this thread every look-up would wait for ever, and so would whoever asked.
            if catch_unwind(AssertUnwindSafe(|| desk.run(&receiver))).is_err() {
                tracing::error!("{BROKEN}");
                process::abort();
            }
        })?;
        Ok(Self { errands: sender, seen })
    }

    /// How far the books have followed.
    pub(super) fn followed(&self) -> Lsn {
        Lsn(self.seen.position.load(Ordering::Acquire))
    }

    /// Whether the books do not get on.
    pub(super) fn is_failing(&self) -> bool {
        self.seen.failing.load(Ordering::Relaxed)
    }

    /// Asks what the books know. The engine bounds how many questions there are.
    pub(super) fn look_up(&self, question: Question, answer: impl FnOnce(Found) + Send + 'static) {
        let mut answer = Some(answer);
        self.errand(question.from, move |books| {
            let found = books.lookup(&question.ask)?;
            if let Some(answer) = answer.take() {
                answer(found);
            }
            Ok(())
        });
    }

    /// Does something with the books when they have followed up to `from`; again, if the books could not.
    pub(super) fn errand(
        &self,
        from: Lsn,
        work: impl FnMut(&mut Books) -> Result<(), BooksError> + Send + 'static,
    ) {
        // The thread only ends when the house closes: then nobody waits for an answer either.
        drop(self.errands.send(Errand { from, work: Box::new(work) }));
    }
}

/// The thread's own things.
struct Desk {
    books: Books,
    reader: Reader,
    errands: VecDeque<Errand>,
    seen: Arc<Seen>,
    durable: Arc<AtomicU64>,
    meter: Meter,
    /// When what is on the operator's list is counted again.
    count_at: Instant,
}

impl Desk {
    fn run(mut self, doors: &Receiver<Errand>) {
        let mut open = true;
        while open {
            match doors.recv_timeout(PAUSE) {
                Ok(errand) => self.errands.push_back(errand),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            self.errands.extend(doors.try_iter());
            match self.work() {
                Ok(()) => self.seen.failing.store(false, Ordering::Relaxed),
                Err(fault) => {
                    self.seen.failing.store(true, Ordering::Relaxed);
                    tracing::error!(%fault, "the books do not get on; the switch goes on without them, and look-ups wait");
                    thread::sleep(Duration::from_secs(1));
                }
            }
        }
    }

    /// Follows the journal to its end, and does what was waiting for that.
    fn work(&mut self) -> Result<(), BooksError> {
        loop {
            let progress = self.books.follow(&mut self.reader)?;
            self.seen.position.store(progress.position.0, Ordering::Release);
            let durable = self.durable.load(Ordering::Acquire);
            let behind = durable.saturating_sub(progress.position.0);
            self.meter.books_lag(behind);
            self.run_errands(progress.position)?;
            if progress.records == 0 || (self.errands.is_empty() && behind < BATCH_RECORDS_MIN) {
                return self.count();
            }
        }
    }

    /// Tells how much is on the operator's list: also of what an earlier process gave up.
    fn count(&mut self) -> Result<(), BooksError> {
        if self.count_at <= Instant::now() {
            self.meter.listed(self.books.undecided()?);
            self.count_at = Instant::now() + COUNT;
        }
        Ok(())
    }

    fn run_errands(&mut self, position: Lsn) -> Result<(), BooksError> {
        for _ in 0..self.errands.len() {
            let Some(mut errand) = self.errands.pop_front() else { break };
            let done =
                if position < errand.from { None } else { Some((errand.work)(&mut self.books)) };
            match done {
                Some(Ok(())) => {}
                None => self.errands.push_back(errand),
                Some(Err(fault)) => {
                    self.errands.push_front(errand);
                    return Err(fault);
                }
            }
        }
        Ok(())
    }
}
