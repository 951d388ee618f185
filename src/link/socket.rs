//! A peer's socket before it is a session: what the kernel is told of it, its handshake, and the place that it takes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::tls::{Secured, Unsecured};
use super::{Link, Settings, Upstairs, Way};

/// A peer that may speak.
pub(super) struct Peer {
    pub(super) stream: Stream,
    pub(super) address: SocketAddr,
    /// The names in its certificate, for people; empty when it showed none.
    pub(super) names: String,
    /// The places of those in the list of the link's clients.
    pub(super) places: Vec<usize>,
    /// The version of TLS, or `no`.
    pub(super) version: &'static str,
}

/// What a peer speaks over.
pub(super) enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A place among a link's sessions, from before the handshake to the end; given back when it is dropped.
pub(super) struct Place<U: Upstairs>(Arc<Link<U>>);

impl<U: Upstairs> Place<U> {
    pub(super) fn take(link: &Arc<Link<U>>) -> Self {
        link.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(link))
    }
}

impl<U: Upstairs> Drop for Place<U> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Makes a peer of a connection: with a handshake, where the link has them. `host` is what was dialled.
pub(super) async fn meet<U: Upstairs>(
    link: &Link<U>,
    stream: TcpStream,
    host: &str,
) -> Result<Peer, Unsecured> {
    let of_socket = |fault: io::Error| Unsecured { why: fault.to_string(), fix: "" };
    let address = stream.peer_addr().map_err(of_socket)?;
    prepare(&stream, unheard_ms_max(&link.settings)).map_err(of_socket)?;
    let Some(tls) = &link.settings.tls else {
        let (stream, names, places) = (Stream::Clear(stream), String::new(), Vec::new());
        return Ok(Peer { stream, address, names, places, version: "no" });
    };
    let Secured { stream, peer_names, places, version } = tls.shake(stream, host).await?;
    Ok(Peer { stream: Stream::Tls(stream), address, names: peer_names, places, version })
}

/// How long a silent peer is left in peace, how often it is asked then whether it is there, and how many times.
const KEEP_IDLE: Duration = Duration::from_secs(30);
const KEEP_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_COUNT: u32 = 3;

/// After how long without a sign the kernel gives a peer up. It goes by this for its keep-alives too: with less than all of
/// them take, one that is lost on its way would end the session of a terminal that is merely idle. Whom we dial is worth
/// dialling again.
fn unheard_ms_max(settings: &Settings) -> u32 {
    let stall = u32::try_from(settings.stall_ms_max).unwrap_or(u32::MAX);
    let keep_alives = KEEP_IDLE + KEEP_INTERVAL * KEEP_COUNT;
    match settings.way {
        Way::Dial { .. } => stall,
        Way::Listen { .. } => stall.max(u32::try_from(keep_alives.as_millis()).unwrap_or(u32::MAX)),
    }
}

/// No waiting for more bytes before sending; and a peer that vanished without a word is noticed by the kernel.
fn prepare(stream: &TcpStream, unheard_ms_max: u32) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEP_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEP_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEP_COUNT)?;
    sockopt::set_tcp_user_timeout(stream, unheard_ms_max)?;
    Ok(())
}
