//! The engine behind its mutex, and the queue of what it wants done; knows no disk.
//!
//! Sessions read, decode and hash outside of the mutex and hand whole batches in. What comes out is appended to one
//! queue, which the journal's thread swaps out, makes durable and then releases.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LockResult, Mutex, MutexGuard, RwLock};

use bytes::Bytes;
use tokio::sync::Notify;

use super::clock::Clock;
use super::directory::Directory;
use super::quarantine::Quarantine;
use crate::framing::Frame;
use crate::iso::{Mono, Wall};
use crate::link::{Session, Upstairs};
use crate::seal::Keys;
use crate::switch::{
    Action, Arrival, DayView, Effects, Engine, Input, LinkView, Mark, Permit, SessionId, Unreadable,
};

/// The engine, shared.
pub(super) struct Core {
    inner: Mutex<Inner>,
    /// The journal's thread waits here.
    work: Condvar,
    /// More than `queue_bytes_max` waits for a commit: sockets are not read.
    full: AtomicBool,
    room: Notify,
    queue_bytes_max: AtomicUsize,
    /// Answers of which the first byte left, until the engine is told.
    begun: Mutex<Vec<Mark>>,
    directory: RwLock<Arc<Directory>>,
    keys: Arc<Keys>,
    quarantine: Quarantine,
    clock: Clock,
}

struct Inner {
    engine: Engine,
    queue: Queue,
    /// The journal's thread sleeps and has to be woken.
    sleeping: bool,
    /// The journal's thread ends when nothing is left.
    ending: bool,
    /// How often the journal's thread came for work.
    turns: u64,
}

/// What waits for the journal's thread, in the order in which it was made.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) effects: Effects,
    /// Sessions that ended: everything made for them before is in this queue or an earlier one.
    pub(super) fences: Vec<Arc<Session<Mark>>>,
    /// About how much memory it takes.
    pub(super) bytes: usize,
    /// The wall clock as the newest record was made.
    pub(super) wall: Wall,
}

/// How the engine is, for those who watch it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    pub(super) next: Option<Mono>,
    pub(super) in_flight: usize,
    pub(super) open: usize,
    pub(super) queue_bytes: usize,
    /// The journal's thread has nothing to do.
    pub(super) idle: bool,
    pub(super) turns: u64,
}

/// What a record costs in memory while it waits, about.
const RECORD_BYTES: usize = 512;

/// An input, and the frame that it came from, if any.
type Given = (Input, Option<Bytes>);

impl Core {
    pub(super) fn new(
        engine: Engine,
        (keys, quarantine): (Arc<Keys>, Quarantine),
        directory: Directory,
        clock: Clock,
        queue_bytes_max: usize,
    ) -> Self {
        let inner =
            Inner { engine, queue: Queue::default(), sleeping: false, ending: false, turns: 0 };
        Self {
            inner: Mutex::new(inner),
            work: Condvar::new(),
            full: AtomicBool::new(false),
            room: Notify::new(),
            queue_bytes_max: AtomicUsize::new(queue_bytes_max),
            begun: Mutex::new(Vec::new()),
            directory: RwLock::new(Arc::new(directory)),
            keys,
            quarantine,
            clock,
        }
    }

    /// Handles one input.
    pub(super) fn handle(&self, input: Input) {
        self.handle_all(std::iter::once((input, None)), None);
    }

    /// Tells the engine which answers have begun to leave.
    pub(super) fn tell_begun(&self) {
        let mut begun = unpoisoned(self.begun.lock());
        // As many again are to be expected: growing step by step would copy them each time.
        let next = Vec::with_capacity(begun.len());
        let marks = std::mem::replace(&mut *begun, next);
        drop(begun);
        if !marks.is_empty() {
            self.handle(Input::Begun { marks });
        }
    }

    /// Handles a batch under one lock, and then puts up a fence, if any.
    fn handle_all(&self, inputs: impl Iterator<Item = Given>, fence: Option<&Arc<Session<Mark>>>) {
        let mut guard = self.lock();
        // Read under the lock, so that the engine's time never goes back.
        let now = self.clock.now();
        let inner = &mut *guard;
        let effects = &mut inner.queue.effects;
        let (records, actions) = (effects.records.len(), effects.actions.len());
        for (input, frame) in inputs {
            let engine = &mut inner.engine;
            let effects = &mut inner.queue.effects;
            let handled = catch_unwind(AssertUnwindSafe(|| engine.handle(now, input, effects)));
            if handled.is_err() {
                self.broken(frame.as_ref());
            }
        }
        let queue = &mut inner.queue;
        let made = queue.effects.records.len().saturating_sub(records);
        queue.bytes += made.saturating_mul(RECORD_BYTES);
        for action in queue.effects.actions.iter().skip(actions) {
            if let Action::Send { body, .. } = action {
                queue.bytes += body.len() + 64;
            }
        }
        if made > 0 {
            queue.wall = now.wall;
        }
        queue.fences.extend(fence.map(Arc::clone));
        if self.queue_bytes_max.load(Ordering::Relaxed) < queue.bytes {
            self.full.store(true, Ordering::Release);
        }
        // As many again are to be expected: growing step by step would copy them each time.
        let next = Vec::with_capacity(queue.effects.notes.len());
        let notes = std::mem::replace(&mut queue.effects.notes, next);
        let wake = inner.sleeping && !queue.is_empty();
        if wake {
            inner.sleeping = false;
        }
        drop(guard);
        if wake {
            self.work.notify_one();
        }
        if !notes.is_empty() {
            self.directory().narrator.tell(&notes);
        }
    }

    /// For the journal's thread: exchanges an empty queue for the full one, waiting while there is nothing. Says no when
    /// the house closes and nothing is left.
    pub(super) fn take(&self, queue: &mut Queue) -> bool {
        let mut inner = self.lock();
        inner.turns += 1;
        while inner.queue.is_empty() {
            if inner.ending {
                return false;
            }
            inner.sleeping = true;
            inner = unpoisoned(self.work.wait(inner));
        }
        inner.sleeping = false;
        std::mem::swap(queue, &mut inner.queue);
        drop(inner);
        if self.full.swap(false, Ordering::AcqRel) {
            self.room.notify_waiters();
        }
        true
    }

    /// Lets the journal's thread end when nothing is left.
    pub(super) fn end(&self) {
        self.lock().ending = true;
        self.work.notify_one();
    }

    pub(super) fn pulse(&self) -> Pulse {
        let inner = self.lock();
        let log = inner.engine.tranlog();
        Pulse {
            next: inner.engine.next_deadline(),
            in_flight: usize::try_from(log.in_flight_total()).unwrap_or(usize::MAX),
            open: log.open_total(),
            queue_bytes: inner.queue.bytes,
            idle: inner.sleeping,
            turns: inner.turns,
        }
    }

    /// How the day is.
    pub(super) fn day(&self) -> DayView {
        self.lock().engine.day()
    }

    /// How every link is.
    pub(super) fn links(&self) -> Vec<LinkView> {
        self.lock().engine.links()
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// What holds now.
    fn directory(&self) -> Arc<Directory> {
        let directory = unpoisoned(self.directory.read());
        Arc::clone(&directory)
    }

    /// Another directory, for whatever comes from now on.
    pub(super) fn change_directory(&self, change: impl FnOnce(&mut Directory)) {
        let mut directory = unpoisoned(self.directory.write());
        let mut changed = Directory::clone(&directory);
        change(&mut changed);
        *directory = Arc::new(changed);
    }

    /// How much may wait for a commit from now on.
    pub(super) fn set_queue_bytes_max(&self, bytes: usize) {
        self.queue_bytes_max.store(bytes, Ordering::Relaxed);
    }

    /// How many peers have yet to answer that we sign off, as the process ends.
    pub(super) fn farewells(&self) -> usize {
        self.lock().engine.farewells()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        unpoisoned(self.inner.lock())
    }

    /// A frame becomes an input; none when it is dropped.
    fn read(&self, directory: &Directory, session: &Session<Mark>, frame: Frame) -> Option<Given> {
        let Frame { head, body } = frame;
        let id = SessionId(session.id());
        if self.quarantine.holds(&body) {
            directory.narrator.quarantined(session);
            return None;
        }
        // A session of other settings than those that hold is about to end: nothing is read by what it did not begin with.
        let tongue = directory.tongue(session.link(), session.edition())?;
        let input = match tongue.read(body.clone()) {
            Ok(message) => {
                session.meter().received(message.mti().class());
                let arrival = Arrival::new(id, session.link(), head, message, &self.keys);
                Input::Arrived(Box::new(arrival))
            }
            Err(fault) => {
                directory.narrator.undecodable(session, &fault);
                let (mti, salvaged) = (fault.mti, fault.salvaged.elements);
                Input::Unreadable(Box::new(Unreadable { session: id, head, mti, salvaged }))
            }
        };
        Some((input, Some(body)))
    }

    /// An invariant does not hold: nothing that this engine says can be trusted any more. The journal is intact, and the
    /// frame is remembered, so that its resend does not do it again.
    fn broken(&self, frame: Option<&Bytes>) -> ! {
        tracing::error!(
            "a broken invariant stops the switch; the journal is intact, and a restart recovers. Please report the lines above"
        );
        if let Some(fault) = frame.and_then(|frame| self.quarantine.add(frame).err()) {
            tracing::error!(%fault, "the frame that did it could not be put on the list of those that are refused");
        }
        std::process::abort()
    }
}

/// What a panicking thread left under a mutex cannot be trusted.
fn unpoisoned<T>(locked: LockResult<T>) -> T {
    locked.unwrap_or_else(|_poisoned| std::process::abort())
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.effects.records.is_empty() && self.effects.actions.is_empty() && self.fences.is_empty()
    }
}

impl Upstairs for Core {
    type Mark = Mark;

    fn up(&self, session: &Arc<Session<Mark>>) {
        let (id, link) = (SessionId(session.id()), session.link());
        let directory = self.directory();
        let grants = directory.grants(link, session.list());
        let permit = Permit::of(session.clients().iter().filter_map(|place| grants.get(*place)));
        self.handle(Input::Up { session: id, link, permit });
    }

    fn frames(&self, session: &Arc<Session<Mark>>, frames: &mut Vec<Frame>) {
        let directory = self.directory();
        let mut inputs: Vec<Given> = Vec::with_capacity(frames.len());
        inputs.extend(frames.drain(..).filter_map(|frame| self.read(&directory, session, frame)));
        if !inputs.is_empty() {
            self.handle_all(inputs.into_iter(), None);
        }
    }

    fn begun(&self, marks: &mut Vec<Mark>) {
        marks.retain(|mark| matches!(mark, Mark::Approval(_)));
        unpoisoned(self.begun.lock()).append(marks);
    }

    fn down(&self, session: &Arc<Session<Mark>>) {
        let lost = Input::Lost { session: SessionId(session.id()) };
        self.handle_all(std::iter::once((lost, None)), Some(session));
    }

    async fn room(&self) {
        while self.full.load(Ordering::Acquire) {
            let notified = self.room.notified();
            // Between the look and the wait the queue may have been taken.
            if self.full.load(Ordering::Acquire) {
                notified.await;
            }
        }
    }
}
