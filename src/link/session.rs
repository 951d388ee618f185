//! One connection as the rest of the house sees it: a number, a peer, an outbox; knows no tasks.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;

use super::Settings;
use super::outbox::{Outbox, Put};
use crate::framing::{Framing, Head};
use crate::meter::LinkMeter;
use crate::record::LinkId;

/// One connection. Its number is never used again while the process lives.
pub struct Session<M> {
    id: u64,
    link: LinkId,
    edition: u64,
    list: u64,
    name: String,
    peer: SocketAddr,
    names: String,
    places: Vec<usize>,
    framing: Framing,
    outbox: Mutex<Outbox<M>>,
    wake: Notify,
    meter: LinkMeter,
}

/// A session that stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its number.
    pub id: u64,
    /// The name of its link.
    pub link: String,
    /// The other end.
    pub peer: SocketAddr,
    /// The names in its certificate, for people; empty when it showed none.
    pub names: String,
    /// Bytes that wait for the peer to take them.
    pub outbox_bytes: u64,
}

impl<M: Copy> Session<M> {
    pub(super) fn new(
        id: u64,
        settings: &Settings,
        (peer, names, places): (SocketAddr, String, Vec<usize>),
        meter: LinkMeter,
    ) -> Self {
        Self {
            id,
            link: settings.id,
            edition: settings.edition,
            list: settings.list,
            name: settings.name.clone(),
            peer,
            names,
            places,
            framing: Framing::new(settings.framing),
            outbox: Mutex::new(Outbox::new(settings.outbox_bytes_max)),
            wake: Notify::new(),
            meter,
        }
    }

    /// Its number.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Its link.
    pub const fn link(&self) -> LinkId {
        self.link
    }

    /// The edition of its link's settings with which it began.
    pub const fn edition(&self) -> u64 {
        self.edition
    }

    /// The number of the list that [`Session::clients`] has places in.
    pub const fn list(&self) -> u64 {
        self.list
    }

    /// Its link's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The other end.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whom its certificate names: places in the list of its link's clients, in their order. Empty where there is no list.
    pub fn clients(&self) -> &[usize] {
        &self.places
    }

    /// What its link counts.
    pub const fn meter(&self) -> &LinkMeter {
        &self.meter
    }

    /// Puts a message into the outbox; [`Session::wake`] lets it leave. What cannot leave is told by
    /// [`Session::never_begun`].
    pub fn post(&self, head: Head, body: &[u8], mark: Option<M>) {
        let mut outbox = self.outbox();
        let put = outbox.put(&self.framing, head, body, mark);
        if matches!(put, Put::Full) {
            outbox.lose(UNREAD);
        }
        drop(outbox);
        match put {
            Put::Waits | Put::Closed => {}
            Put::Full => {
                self.meter.outbox_overflowed();
                self.wake();
            }
            Put::Unframed(fault) => {
                tracing::error!(link = self.name, peer = %self.peer, %fault, "a message was not sent: it does not go into the frames of its link");
            }
        }
    }

    /// Sends a keep-alive back.
    pub(super) fn echo(&self, keep_alive: &[u8]) {
        let full = {
            let mut outbox = self.outbox();
            let full = matches!(outbox.put_bytes(keep_alive), Put::Full);
            if full {
                outbox.lose(UNREAD);
            }
            full
        };
        if full {
            self.meter.outbox_overflowed();
        }
    }

    /// Lets what was posted leave.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends the session when what was posted before has left.
    pub fn end(&self, why: &'static str) {
        self.outbox().end(why);
        self.wake();
    }

    /// Once it is down: the messages of which no byte was handed to the socket. Each is told once.
    pub fn never_begun(&self) -> Vec<M> {
        self.outbox().never_begun()
    }

    /// What people may see of it; nothing when it is down.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let outbox = self.outbox();
        (!outbox.is_closed()).then(|| Snapshot {
            id: self.id,
            link: self.name.clone(),
            peer: self.peer,
            names: self.names.clone(),
            outbox_bytes: outbox.bytes(),
        })
    }

    /// Waits until something was posted, or the session is to end.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Fetches what is to be written, when there is nothing left of the last time. Says why the
    /// session is to end, and whether what was posted still leaves.
    pub(super) fn fetch(&self, into: &mut BytesMut) -> Option<(&'static str, bool)> {
        let mut outbox = self.outbox();
        outbox.fetch(into);
        outbox.ending()
    }

    pub(super) fn wrote(&self, bytes: usize, begun: &mut Vec<M>) {
        self.outbox().wrote(bytes, begun);
    }

    pub(super) fn close(&self) {
        self.outbox().close();
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox<M>> {
        // Nothing in an outbox panics halfway: what a dead thread left is whole.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a session ends whose outbox is full.
const UNREAD: &str = "its peer does not read: the outbox is full";

impl<M> fmt::Debug for Session<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} of {}, {})", self.id, self.name, self.peer)
    }
}
