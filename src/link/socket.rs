//! What the kernel is told about a peer's socket; knows no sessions.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// No waiting for more bytes before sending; and a peer that vanished without a word is noticed by the kernel.
pub(super) fn prepare(stream: &TcpStream, stall_ms_max: u64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(30))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    sockopt::set_tcp_keepcnt(stream, 3)?;
    sockopt::set_tcp_user_timeout(stream, u32::try_from(stall_ms_max).unwrap_or(u32::MAX))?;
    Ok(())
}
