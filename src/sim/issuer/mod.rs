//! A simulated issuer: answers what the switch asks by a few rules, and keeps its own ledger, which
//! is the truth that an auditor goes by. Knows nothing of who asked the switch.

mod accounts;
mod rules;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::codec::{Draft, Message};
use crate::framing::{Frame, Head};
use crate::iso::{Class, ElementNo, ElementSet, Elements, Function};

use super::line::Line;
use super::log::Log;
use super::{Peer, Place, SimError};

pub use accounts::{Accounts, Effect, Word};
pub use rules::{Conduct, Rules};

/// What an issuer is.
pub struct Settings {
    /// What its ledger calls it.
    pub name: String,
    /// How it speaks and where it meets the switch.
    pub peer: Peer,
    /// How it decides.
    pub rules: Rules,
    /// Where it writes its ledger.
    pub ledger: Option<Log>,
    /// Whether it keeps books at all. Without, it approves every message and forgets it: for load.
    pub remembers: bool,
    /// Whether it signs on itself when a session begins.
    pub signs_on: bool,
}

/// An issuer at work; ends when dropped.
pub struct Issuer {
    shared: Arc<Shared>,
    address: Option<SocketAddr>,
    end: CancellationToken,
    tasks: TaskTracker,
}

/// What may be provoked while it works.
#[derive(Default)]
pub struct Mood {
    delay_ms: AtomicU64,
    dead: AtomicBool,
    changed: Notify,
}

/// What an issuer counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages received.
    pub received: u64,
    /// Frames that were no message of its dialect.
    pub unreadable: u64,
    /// Reversals that had an effect, or were for something never seen.
    pub reversals: u64,
    /// Financial messages that stand approved.
    pub standing: usize,
    /// Their sums in minor units by currency, refunds taken off.
    pub sums: BTreeMap<String, i64>,
}

struct Shared {
    settings: Settings,
    accounts: Mutex<Accounts>,
    mood: Mood,
    received: AtomicU64,
    unreadable: AtomicU64,
    reversals: AtomicU64,
    sessions: AtomicU64,
    met: Notify,
}

/// An answer that waits for its time: in order of time, then of arrival.
type Later = BinaryHeap<Reverse<(Instant, u64, BytesMut)>>;

impl Mood {
    /// Answers this much later than the rules say.
    pub fn delay(&self, by: Duration) {
        self.delay_ms.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Dead, it hangs up and refuses every connection; alive again, it accepts them.
    pub fn dead(&self, dead: bool) {
        self.dead.store(dead, Ordering::Relaxed);
        self.changed.notify_waiters();
    }
}

impl Issuer {
    /// Binds or dials, and works until it is dropped.
    pub async fn open(settings: Settings) -> Result<Self, SimError> {
        let place = settings.peer.place.clone();
        let shared = Arc::new(Shared {
            settings,
            accounts: Mutex::new(Accounts::default()),
            mood: Mood::default(),
            received: AtomicU64::new(0),
            unreadable: AtomicU64::new(0),
            reversals: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            met: Notify::new(),
        });
        let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut address = None;
        match place {
            Place::Listen(at) => {
                let refused = |source| SimError::Socket { place: at.to_string(), source };
                let listener = TcpListener::bind(at).await.map_err(refused)?;
                address = Some(listener.local_addr().map_err(refused)?);
                let work = listen(listener, Arc::clone(&shared), tasks.clone(), end.clone());
                tasks.spawn(end.clone().run_until_cancelled_owned(work));
            }
            Place::Dial(_) => {
                let work = dial(Arc::clone(&shared));
                tasks.spawn(end.clone().run_until_cancelled_owned(work));
            }
        }
        Ok(Self { shared, address, end, tasks })
    }

    /// Where it listens; none when it dials.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// How it may be provoked.
    pub fn mood(&self) -> &Mood {
        &self.shared.mood
    }

    /// Waits until the switch has met it.
    pub async fn met(&self, patience: Duration) -> Result<(), SimError> {
        let meeting = async {
            loop {
                let met = self.shared.met.notified();
                if 0 < self.shared.sessions.load(Ordering::Relaxed) {
                    return;
                }
                met.await;
            }
        };
        tokio::time::timeout(patience, meeting).await.map_err(|_elapsed| {
            let place = format!("{:?}", self.shared.settings.peer.place);
            SimError::Nobody { place, seconds: patience.as_secs() }
        })
    }

    /// What it counted so far.
    pub fn totals(&self) -> Totals {
        let accounts = self.shared.accounts();
        Totals {
            received: self.shared.received.load(Ordering::Relaxed),
            unreadable: self.shared.unreadable.load(Ordering::Relaxed),
            reversals: self.shared.reversals.load(Ordering::Relaxed),
            standing: accounts.standing(),
            sums: accounts.sums(),
        }
    }

    /// Hangs up everywhere and waits until all is quiet.
    pub async fn close(self) {
        self.end.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn listen(
    listener: TcpListener,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    end: CancellationToken,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say: it goes away when others end.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if !shared.mood.dead.load(Ordering::Relaxed) {
            let work = session(Arc::clone(&shared), stream);
            tasks.spawn(end.clone().run_until_cancelled_owned(work));
        }
    }
}

async fn dial(shared: Arc<Shared>) {
    loop {
        if !shared.mood.dead.load(Ordering::Relaxed)
            && let Ok(stream) = shared.settings.peer.place.dial(Duration::ZERO).await
        {
            session(Arc::clone(&shared), stream).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A connection from its beginning to its end, whatever ends it: the switch notices and comes back.
async fn session(shared: Arc<Shared>, stream: TcpStream) {
    let Ok(line) = Line::meet(stream, shared.settings.peer.clone()).await else { return };
    shared.sessions.fetch_add(1, Ordering::Relaxed);
    shared.met.notify_waiters();
    let mut session = Session { shared: Arc::clone(&shared), line, later: Later::new(), count: 0 };
    // A session's end is its peer's business; what was not answered is settled by the switch.
    drop(session.work().await);
    shared.sessions.fetch_sub(1, Ordering::Relaxed);
}

struct Session {
    shared: Arc<Shared>,
    line: Line,
    later: Later,
    count: u64,
}

impl Session {
    async fn work(&mut self) -> Result<(), SimError> {
        let mut frames = Vec::new();
        let shared = Arc::clone(&self.shared);
        if shared.settings.signs_on {
            let at = super::clock::wall();
            let own = super::purchase::Shop::network(&shared.settings.peer.codes().sign_on, 1, at);
            let head = self.line.head();
            self.line
                .put(head, &Draft { mti: super::terminal::NETWORK, own: &own, copied: None })?;
        }
        loop {
            self.line.flush().await?;
            let changed = shared.mood.changed.notified();
            if shared.mood.dead.load(Ordering::Relaxed) {
                return Ok(());
            }
            let due = self.later.peek().map(|Reverse((due, _, _))| *due);
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = changed => {}
                () = wait => self.release(),
                read = self.line.read(&mut frames) => {
                    if !read? {
                        return Ok(());
                    }
                    self.answer(&mut frames)?;
                }
            }
        }
    }

    /// Moves what is due into the outgoing bytes.
    fn release(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((due, _, _))) = self.later.peek()
            && *due <= now
            && let Some(Reverse((_, _, bytes))) = self.later.pop()
        {
            self.line.outgoing().extend_from_slice(&bytes);
        }
    }

    /// Answers a batch: ledger first, then the socket.
    fn answer(&mut self, frames: &mut Vec<Frame>) -> Result<(), SimError> {
        let mut effects = Vec::new();
        let count = u64::try_from(frames.len()).unwrap_or(u64::MAX);
        self.shared.received.fetch_add(count, Ordering::Relaxed);
        for frame in frames.drain(..) {
            let Some(message) = self.line.message(&frame) else {
                self.shared.unreadable.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if !message.mti().is_response() {
                self.answer_one(frame.head.reply(), &message, &mut effects)?;
            }
        }
        match &self.shared.settings.ledger {
            Some(ledger) => ledger.write(&effects),
            None => Ok(()),
        }
    }

    fn answer_one(
        &mut self,
        head: Head,
        message: &Message,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SimError> {
        let (own, after) = self.shared.decide(message, effects);
        let Some(mti) = message.mti().response() else { return Ok(()) };
        let echo = message.dialect().echo().or(ALWAYS_ECHOED).and(message.present());
        let draft = Draft { mti, own: &own, copied: Some((message, echo)) };
        match after {
            None => Ok(()),
            Some(Duration::ZERO) => self.line.put(head, &draft),
            Some(after) => {
                let bytes = self.line.prepare(head, &draft)?;
                self.count += 1;
                self.later.push(Reverse((Instant::now() + after, self.count, bytes)));
                Ok(())
            }
        }
    }
}

/// What every answer repeats, whatever the dialect's list says: it is matched by these.
const ALWAYS_ECHOED: ElementSet = ElementSet::of(&[7, 11, 70]);

impl Shared {
    /// What the answer adds, and after how long it goes; never, when there is no time.
    fn decide(&self, message: &Message, effects: &mut Vec<Effect>) -> (Elements, Option<Duration>) {
        let mut own = Elements::with_capacity(32);
        let delay = Duration::from_millis(self.mood.delay_ms.load(Ordering::Relaxed));
        if message.mti().class() == Class::Network {
            own.set(ElementNo::RESPONSE_CODE, b"00");
            return (own, Some(Duration::ZERO));
        }
        if !self.settings.remembers {
            own.set(ElementNo::APPROVAL_CODE, b"123456");
            own.set(ElementNo::RESPONSE_CODE, b"00");
            return (own, Some(delay));
        }
        let elements = message.elements(message.present());
        let mut decline = None;
        let mut after = Some(delay);
        // Rules are for questions; what was decided elsewhere is taken as it is.
        if message.mti().function() == Function::Request && message.mti().class() != Class::Reversal
        {
            match self.settings.rules.conduct(accounts::amount(&elements)) {
                Conduct::Approve => {}
                Conduct::Decline(code) => decline = Some(code),
                Conduct::Delay(by) => after = Some(delay + by),
                Conduct::Silent => after = None,
            }
        }
        let decline = decline.as_ref().map(crate::iso::ResponseCode::as_bytes);
        let (word, effect) =
            self.accounts().take(&self.settings.name, message.mti(), &elements, decline);
        if matches!(effect.effect, "reversed" | "unknown") {
            self.reversals.fetch_add(1, Ordering::Relaxed);
        }
        effects.push(effect);
        if let Some(approval) = word.approval {
            own.set(ElementNo::APPROVAL_CODE, approval.as_bytes());
        }
        own.set(ElementNo::RESPONSE_CODE, &word.code);
        (own, after)
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
