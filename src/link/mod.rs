//! Peers' sockets: listening, dialling, sessions, outboxes, limits; must not know what a message means.
//!
//! A session is one task and one socket: it reads what is there, cuts all frames and hands them upstairs in one call;
//! what is to be sent lies in the session's outbox and leaves with one write a wake. No task, timer or channel a message.

mod dial;
mod door;
mod hint;
mod hush;
mod listen;
mod outbox;
#[cfg(test)]
pub(crate) mod papers;
mod session;
mod socket;
mod talk;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use door::Door;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::framing::{self, Frame, Measure};
use crate::meter::LinkMeter;
use crate::record::LinkId;

pub use door::Bound;
pub use hush::Hush;
pub use session::{Session, Snapshot};
pub use tls::{
    Certificates, Duplex, Name, Part, PemFault, PrivateKey, RevocationLists, Terms, Tls, TlsFault,
    Trust, Version, host_of, server_name,
};

/// How a link meets its peers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, for people.
    pub name: String,
    /// Its number, for everybody else.
    pub id: LinkId,
    /// Who calls whom.
    pub way: Way,
    /// Where its messages end.
    pub framing: framing::Settings,
    /// Who finds that out by reading them, where nothing else says so.
    pub measure: Arc<dyn Measure>,
    /// How much may wait for one peer to read it.
    pub outbox_bytes_max: usize,
    /// A session that says nothing for this long ends; none for never.
    pub idle_ms_max: Option<u64>,
    /// A frame that has begun must end within this time.
    pub frame_ms_max: u64,
    /// A peer that takes none of what waits for it for this long is gone.
    pub stall_ms_max: u64,
    /// How its sessions are encrypted; none for in the clear.
    pub tls: Option<Tls>,
    /// Sessions that stand go on while this stays the same, whatever else changes.
    pub edition: u64,
    /// The number of the list of clients that `tls` goes by: places are places in that list.
    pub list: u64,
}

/// Who calls whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The peers call us.
    Listen {
        /// Where; port 0 takes any that is free.
        address: SocketAddr,
        /// How many sessions there may be at once.
        sessions_max: usize,
    },
    /// We call the peer.
    Dial {
        /// `host:port`, in turn until one answers.
        addresses: Vec<String>,
        /// How many sessions are wanted.
        sessions: usize,
    },
}

/// Who lives above the links and knows what messages mean. Calls come from many tasks at once and must not block for long.
pub trait Upstairs: Send + Sync + Sized + 'static {
    /// What tells messages on their way out apart.
    type Mark: Copy + Send + 'static;

    /// A session stands. The first call about it.
    fn up(&self, session: &Arc<Session<Self::Mark>>);

    /// Frames came in, in order. They are to be taken out of the vector.
    fn frames(&self, session: &Arc<Session<Self::Mark>>, frames: &mut Vec<Frame>);

    /// The first byte of each of these messages was handed to a socket. They are to be taken out of the vector.
    fn begun(&self, marks: &mut Vec<Self::Mark>);

    /// A session has ended: nothing comes from it and nothing leaves any more. What is posted to it now is kept as
    /// never begun.
    fn down(&self, session: &Arc<Session<Self::Mark>>);

    /// Returns when there is room for more frames; reading waits for it.
    fn room(&self) -> impl Future<Output = ()> + Send;
}

/// Every link and every living session.
pub struct Links<U: Upstairs> {
    upstairs: Arc<U>,
    sessions: DashMap<u64, Arc<Session<U::Mark>>>,
    /// The number of the next session: never one that was used.
    next: AtomicU64,
    open: AtomicUsize,
    tasks: TaskTracker,
    /// Where they run: a link may be opened anew by a thread of another kind.
    runtime: Handle,
    /// No more sessions from now on.
    closing: CancellationToken,
    /// Where peers of a link come in, or are dialled.
    doors: DashMap<LinkId, Door<U>>,
}

/// One link as its tasks see it.
struct Link<U: Upstairs> {
    links: Arc<Links<U>>,
    settings: Settings,
    meter: LinkMeter,
    hush: Hush,
    /// For those who come: a peer that calls again and again drowns nothing that matters more.
    comings: Hush,
    /// Sessions of this link that stand, with whatever settings.
    open: Arc<AtomicUsize>,
    /// Whether its peers may come and are dialled.
    doors: watch::Receiver<bool>,
    /// Ends when sessions may stand with these settings no more.
    over: CancellationToken,
}

/// Why a link cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Its address cannot be had.
    #[error(
        "link `{link}` cannot listen on {address}: {source}; is another process on that port, or is the address not of this machine?"
    )]
    Listen {
        /// Which link.
        link: String,
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl<U: Upstairs> Links<U> {
    /// No links yet. Their tasks run on `tasks`, so that whoever closes it can wait for them; within the runtime of the caller.
    pub fn new(upstairs: Arc<U>, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            upstairs,
            sessions: DashMap::new(),
            next: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            tasks,
            runtime: Handle::current(),
            closing: CancellationToken::new(),
            doors: DashMap::new(),
        })
    }

    /// A session, until it is forgotten.
    pub fn session(&self, id: u64) -> Option<Arc<Session<U::Mark>>> {
        self.sessions.get(&id).map(|session| Arc::clone(&session))
    }

    /// Lets go of a session that is down, when nothing is posted to it any more.
    pub fn forget(&self, id: u64) {
        self.sessions.remove(&id);
    }

    /// The sessions that stand, for people, in the order of their coming.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let mut all: Vec<_> =
            self.sessions.iter().filter_map(|session| session.snapshot()).collect();
        all.sort_unstable_by_key(|session| session.id);
        all
    }

    /// How many sessions stand.
    pub fn sessions_open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// No new sessions from now on: nothing is accepted and nothing is dialled.
    pub fn close_doors(&self) {
        self.closing.cancel();
    }

    /// Ends every session, each when what waits for its peer has been written.
    pub fn end_all(&self, why: &'static str) {
        self.close_doors();
        for session in &self.sessions {
            session.end(why);
        }
    }
}

impl<U: Upstairs> Link<U> {
    fn upstairs(&self) -> &U {
        &self.links.upstairs
    }
}

#[cfg(test)]
mod tests;
