//! Simulated peers: terminals that ask, issuers that answer, load that counts. Knows no room that
//! serves the switch itself: it meets the switch on a socket, as everybody does.

pub mod child;
pub mod clock;
pub mod demo;
pub mod idle;
pub mod issuer;
mod line;
pub mod load;
pub mod log;
pub mod pos;
mod process;
pub mod purchase;
pub mod sheet;
mod stop;
pub mod street;
pub mod terminal;
pub mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::codec::EncodeError;
use crate::dialect::Version;
use crate::framing::{self, FrameError};
use crate::link::Tls;
use crate::mapping::Tongue;
use crate::switch::NetworkCodes;

/// How a simulated peer speaks, and where it meets the switch.
#[derive(Clone, Debug)]
pub struct Peer {
    /// How it writes messages, on its side of the link.
    pub tongue: Tongue,
    /// How it cuts its stream.
    pub framing: framing::Settings,
    /// Who dials whom.
    pub place: Place,
    /// How it encrypts; none for in the clear.
    pub tls: Option<Tls>,
}

impl Peer {
    /// What it says for sign-on, sign-off and echo test.
    pub fn codes(&self) -> NetworkCodes {
        match self.tongue.wire().version() {
            Version::Of1987 => NetworkCodes::USUAL,
            Version::Of1993 | Version::Of2003 => NetworkCodes::USUAL_1993,
        }
    }
}

/// Who dials whom.
#[derive(Clone, Debug)]
pub enum Place {
    /// The switch dials us here; port 0 is any free one.
    Listen(SocketAddr),
    /// We dial the switch: host and port.
    Dial(String),
}

/// Why a simulated peer cannot go on. Carries no message.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// A socket failed.
    #[error("{place}: {source}")]
    Socket {
        /// Which address.
        place: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// There was no handshake.
    #[error("no TLS with {place}: {why}")]
    Tls {
        /// With whom.
        place: String,
        /// Why not.
        why: String,
    },
    /// The switch sent something that is no frame.
    #[error("the switch's stream cannot be cut: {0}")]
    Frame(#[from] FrameError),
    /// A message of ours cannot be written in this dialect.
    #[error("the dialect cannot say this: {0}")]
    Encode(#[from] EncodeError),
    /// A file failed.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The system refuses what a process may expect of it.
    #[error("{what}: {source}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The switch's process ended before it was ready, or never became ready.
    #[error("the switch is not ready after {seconds} s; its log is {}", log.display())]
    NotReady {
        /// How long we waited.
        seconds: u64,
        /// Where it says why.
        log: PathBuf,
    },
    /// A rule for a simulated issuer that is none.
    #[error(
        "{rule:?} is no rule: write ENDING=approve, ENDING=decline:CODE, ENDING=delay:MS or ENDING=silent, like 51=decline:51"
    )]
    Rule {
        /// What was given.
        rule: String,
    },
    /// The dialect lacks what load needs.
    #[error("element {element} cannot be patched in this dialect")]
    Template {
        /// Which element.
        element: u8,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Nobody came.
    #[error("nobody connected to {place} within {seconds} s")]
    Nobody {
        /// Where we listened.
        place: String,
        /// How long.
        seconds: u64,
    },
}

impl Place {
    /// Dials, trying again for as long as `patience`: the switch may just be starting.
    async fn dial(&self, patience: Duration) -> Result<TcpStream, SimError> {
        let to = match self {
            Self::Dial(to) => to.clone(),
            Self::Listen(address) => address.to_string(),
        };
        let until = tokio::time::Instant::now() + patience;
        loop {
            match TcpStream::connect(&to).await {
                Ok(stream) => return Ok(stream),
                Err(source) if until <= tokio::time::Instant::now() => {
                    return Err(SimError::Socket { place: to, source });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}
