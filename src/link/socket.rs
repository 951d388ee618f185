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
use super::{Link, Upstairs};

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
    prepare(&stream, link.settings.stall_ms_max).map_err(of_socket)?;
    let Some(tls) = &link.settings.tls else {
        let (stream, names, places) = (Stream::Clear(stream), String::new(), Vec::new());
        return Ok(Peer { stream, address, names, places, version: "no" });
    };
    let Secured { stream, peer_names, places, version } = tls.shake(stream, host).await?;
    Ok(Peer { stream: Stream::Tls(stream), address, names: peer_names, places, version })
}

/// No waiting for more bytes before sending; and a peer that vanished without a word is noticed by the kernel.
fn prepare(stream: &TcpStream, stall_ms_max: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(30))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(stall_ms_max).unwrap_or(u32::MAX))?;
    Ok(())
}
