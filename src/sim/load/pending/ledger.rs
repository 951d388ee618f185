//! An issuer that reads everything, acknowledges reversals, and answers no request; it notes how often each was reversed.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::codec::{Draft, Message};
use crate::framing::Frame;
use crate::iso::{Class, ElementNo, Elements, Function};
use crate::sim::line::Line;
use crate::sim::{Peer, Place, SimError};

/// Elements 11 and 7, as they stand in element 90.
type Pair = [u8; 16];

/// The reversals of one request.
#[derive(Default)]
struct Reversals {
    /// The pair of the first, and of the one that came after `settle`.
    first: Option<Pair>,
    confirmed: Option<Pair>,
}

/// What an issuer has read.
#[derive(Default)]
pub(super) struct Ledger {
    requests: HashMap<Pair, Reversals>,
    /// How many sessions stand.
    pub(super) sessions: u32,
    /// Requests that were reversed.
    pub(super) reversed: u64,
    /// Those that were reversed once more under a fresh pair.
    pub(super) confirmed: u64,
    /// Requests that came twice under one pair.
    pub(super) twice: u64,
    /// Reversals that are one too many: a repeat, a third one, or a second one under the same pair.
    pub(super) too_many: u64,
    /// Reversals of nothing that was asked here.
    pub(super) strange: u64,
    /// Frames that are no message, and messages that are neither request nor reversal.
    pub(super) unreadable: u64,
}

/// An issuer at work; it ends when this is dropped.
pub(super) struct Silent {
    address: SocketAddr,
    ledger: Arc<Mutex<Ledger>>,
    _end: DropGuard,
}

impl Ledger {
    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        u64::try_from(self.requests.len()).unwrap_or(u64::MAX)
    }

    /// Whether this message is acknowledged.
    fn read(&mut self, message: &Message) -> bool {
        match (message.mti().class(), message.mti().function(), pair_of(message)) {
            (Class::Financial, Function::Request, Some(pair)) => {
                let known = self.requests.insert(pair, Reversals::default()).is_some();
                self.twice += u64::from(known);
                false
            }
            (Class::Reversal, Function::Advice, Some(pair)) => {
                self.reverse(message, pair);
                true
            }
            _ => {
                self.unreadable += 1;
                false
            }
        }
    }

    fn reverse(&mut self, message: &Message, pair: Pair) {
        let original = message.get(ElementNo::ORIGINAL);
        let named = original.as_deref().and_then(|original| original.get(4..20));
        let known = named.and_then(|named| self.requests.get_mut(named));
        let Some(reversals) = known else {
            self.strange += 1;
            return;
        };
        // It is acknowledged as soon as it is read: there is nothing that would have to be repeated.
        let repeat = message.mti().is_repeat();
        match (reversals.first, reversals.confirmed) {
            (None, _) if !repeat => {
                reversals.first = Some(pair);
                self.reversed += 1;
            }
            (Some(first), None) if !repeat && first != pair => {
                reversals.confirmed = Some(pair);
                self.confirmed += 1;
            }
            _ => self.too_many += 1,
        }
    }
}

fn pair_of(message: &Message) -> Option<Pair> {
    let mut pair = [0; 16];
    let (stan, transmission) = pair.split_at_mut(6);
    for (place, no) in [(stan, ElementNo::STAN), (transmission, ElementNo::TRANSMISSION)] {
        let value = message.get(no)?;
        if value.len() != place.len() {
            return None;
        }
        place.copy_from_slice(&value);
    }
    Some(pair)
}

impl Silent {
    /// Listens on a free port of this machine; `peer` says how it writes.
    pub(super) async fn open(mut peer: Peer, tasks: &TaskTracker) -> Result<Self, SimError> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let refused = |source| SimError::Socket { place: at.to_string(), source };
        let listener = TcpListener::bind(at).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        peer.place = Place::Listen(address);
        let (ledger, end) = (Arc::new(Mutex::new(Ledger::default())), CancellationToken::new());
        let work = listen(listener, peer, Arc::clone(&ledger), (tasks.clone(), end.clone()));
        tasks.spawn(end.clone().run_until_cancelled_owned(work));
        Ok(Self { address, ledger, _end: end.drop_guard() })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn shared(&self) -> Arc<Mutex<Ledger>> {
        Arc::clone(&self.ledger)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

/// The ledger, whoever left it.
pub(super) fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(
    listener: TcpListener,
    peer: Peer,
    ledger: Arc<Mutex<Ledger>>,
    (tasks, end): (TaskTracker, CancellationToken),
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let work = session(stream, peer.clone(), Arc::clone(&ledger));
        tasks.spawn(end.clone().run_until_cancelled_owned(work));
    }
}

async fn session(stream: TcpStream, peer: Peer, ledger: Arc<Mutex<Ledger>>) {
    let Ok(mut line) = Line::new(stream, peer) else { return };
    lock(&ledger).sessions += 1;
    let mut frames = Vec::new();
    while matches!(line.read(&mut frames).await, Ok(true)) {
        if answer(&mut line, &mut frames, &ledger).is_err() || line.flush().await.is_err() {
            break;
        }
    }
    lock(&ledger).sessions -= 1;
}

/// Notes a batch, and puts what is to be acknowledged into the outgoing bytes.
fn answer(
    line: &mut Line,
    frames: &mut Vec<Frame>,
    ledger: &Mutex<Ledger>,
) -> Result<(), SimError> {
    let mut accepted = Elements::default();
    accepted.set(ElementNo::RESPONSE_CODE, b"00");
    for frame in frames.drain(..) {
        let Some(message) = line.message(&frame) else {
            lock(ledger).unreadable += 1;
            continue;
        };
        let acknowledged = lock(ledger).read(&message);
        let Some(mti) = message.mti().response().filter(|_| acknowledged) else { continue };
        let echo = message.dialect().echo().and(message.present());
        let draft = Draft { mti, own: &accepted, copied: Some((&message, echo)) };
        line.put(frame.head.reply(), &draft)?;
    }
    Ok(())
}
