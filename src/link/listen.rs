//! A listener: survives every error of accepting; knows no frames.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use super::door::Current;
use super::socket::{self, Place};
use super::tls::Unsecured;
use super::{Link, Upstairs, Way, talk};
use crate::meter::Refusal;

/// How many connections may wait to be accepted: a whole estate of terminals calls again at once.
const BACKLOG: u32 = 4096;

/// How long accepting pauses when the system has no descriptor or no memory left.
const PAUSE: Duration = Duration::from_millis(100);

/// Binds an address.
pub(super) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts for as long as the door is there; each who comes, with the settings of that moment.
pub(super) async fn accept<U: Upstairs>(
    (current, listener): (Arc<Current<U>>, Arc<TcpListener>),
    tasks: CancellationToken,
) {
    let accepting = async {
        loop {
            let link = current.get();
            if !has_room(&listener) {
                link.meter.accept_failed();
                if let Some(kept) = link.hush.may_say() {
                    tracing::warn!(
                        link = link.settings.name,
                        kept,
                        "few file descriptors are left: no connection is accepted until some are free; raise LimitNOFILE, or lower sessions_max"
                    );
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            match listener.accept().await {
                Ok((stream, peer)) => admit(&current.get(), stream, peer),
                Err(fault) => {
                    link.meter.accept_failed();
                    if let Some(kept) = link.hush.may_say() {
                        tracing::warn!(link = link.settings.name, %fault, kept, "a connection was not accepted; the listener goes on");
                    }
                    if !of_one_connection(&fault) {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        }
    };
    tasks.run_until_cancelled(accepting).await;
}

/// Whether a peer may have one more descriptor. The last ones are for the journal, the books, peers that are dialled and the
/// operator: without them a crowd of idle peers would end the switch at midnight, when the journal begins a file.
fn has_room(listener: &TcpListener) -> bool {
    let Some(limit) = getrlimit(Resource::Nofile).current else { return true };
    let most = limit - RESERVE.min(limit / 4);
    // The lowest number that is free is about how many are open.
    let free = rustix::io::fcntl_dupfd_cloexec(listener, 0);
    free.is_ok_and(|free| u64::try_from(free.as_raw_fd()).is_ok_and(|free| free < most))
}

/// How many descriptors peers that come to us do not get; a quarter where there are few.
const RESERVE: u64 = 64;

/// Whether an error is about the one connection that was to be accepted.
fn of_one_connection(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn admit<U: Upstairs>(link: &Arc<Link<U>>, stream: TcpStream, peer: SocketAddr) {
    if !*link.doors.borrow() {
        link.meter.refused(Refusal::OutOfService);
        if let Some(kept) = link.hush.may_say() {
            tracing::warn!(link = link.settings.name, %peer, kept, "a connection was closed: an operator took the link out of service");
        }
        return;
    }
    let limit = match link.settings.way {
        Way::Listen { sessions_max, .. } => sessions_max,
        Way::Dial { sessions, .. } => sessions,
    };
    // One task of a link admits, so that nobody else can take the last place meanwhile.
    if limit <= link.open.load(Ordering::Relaxed) {
        link.meter.refused(Refusal::Sessions);
        if let Some(kept) = link.hush.may_say() {
            tracing::warn!(link = link.settings.name, %peer, limit, kept, "a connection was closed: the link has as many sessions as it may; raise sessions_max");
        }
        return;
    }
    let place = Place::take(link);
    link.links.tasks.spawn(welcome(Arc::clone(link), (stream, peer), place));
}

/// Makes a session of a connection, unless its handshake fails.
async fn welcome<U: Upstairs>(
    link: Arc<Link<U>>,
    (stream, peer): (TcpStream, SocketAddr),
    place: Place<U>,
) {
    let over = link.over.clone();
    match over.run_until_cancelled(socket::meet(&link, stream, "")).await {
        None => {}
        Some(Ok(peer)) => talk::hold(link, (peer, place)).await,
        Some(Err(Unsecured { why, fix })) => {
            link.meter.refused(Refusal::Handshake);
            if let Some(kept) = link.hush.may_say() {
                tracing::warn!(link = link.settings.name, %peer, why, fix, kept, "a connection was closed before it was a session");
            }
        }
    }
}
