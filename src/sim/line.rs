//! One connection of a simulated peer: a read gives all frames that are there, a write sends all
//! that were put. Knows no rules.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::codec::Decoder;

use crate::codec::{Draft, Message};
use crate::dialect::Dialect;
use crate::framing::{Frame, Framing, Head};
use crate::link::{Duplex, host_of};

use super::{Peer, Place, SimError};

/// How much is asked of the socket at once: about 200 messages.
const READ_LEN: usize = 64 * 1024;

/// A connection.
pub(super) struct Line {
    stream: Wire,
    peer: Peer,
    framing: Framing,
    incoming: BytesMut,
    outgoing: BytesMut,
    body: Vec<u8>,
}

/// What it goes over.
enum Wire {
    Clear(TcpStream),
    Tls(Box<dyn Duplex>),
}

impl Line {
    /// Over a stream that stands, in the clear.
    pub(super) fn new(stream: TcpStream, peer: Peer) -> Result<Self, SimError> {
        let refused = |source| SimError::Socket { place: "TCP_NODELAY".to_owned(), source };
        stream.set_nodelay(true).map_err(refused)?;
        Ok(Self::over(Wire::Clear(stream), peer))
    }

    /// Over a stream that stands, after the handshake, where its peer has one.
    pub(super) async fn meet(stream: TcpStream, peer: Peer) -> Result<Self, SimError> {
        let Some(tls) = peer.tls.clone() else { return Self::new(stream, peer) };
        let Self { stream, peer, .. } = Self::new(stream, peer)?;
        let Wire::Clear(stream) = stream else { return Ok(Self::over(stream, peer)) };
        let place = match &peer.place {
            Place::Dial(to) => to.clone(),
            Place::Listen(address) => address.to_string(),
        };
        let met = tls.encrypt(stream, host_of(&place)).await;
        let stream = met.map_err(|why| SimError::Tls { place, why })?;
        Ok(Self::over(Wire::Tls(stream), peer))
    }

    fn over(stream: Wire, peer: Peer) -> Self {
        let framing =
            Framing::new(peer.framing).measured_by(Arc::<Dialect>::clone(peer.tongue.wire()));
        let (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        Self { stream, peer, framing, incoming, outgoing, body: Vec::new() }
    }

    /// Waits until the socket has something and adds all whole frames; false at the stream's end.
    ///
    /// Safe to be dropped while it waits: nothing is lost.
    pub(super) async fn read(&mut self, frames: &mut Vec<Frame>) -> Result<bool, SimError> {
        self.incoming.reserve(READ_LEN);
        let lost = |source| SimError::Socket { place: "reading".to_owned(), source };
        let read = match &mut self.stream {
            Wire::Clear(stream) => stream.read_buf(&mut self.incoming).await,
            Wire::Tls(stream) => stream.read_buf(&mut self.incoming).await,
        };
        if read.map_err(lost)? == 0 {
            return Ok(false);
        }
        while let Some(frame) = self.framing.decode(&mut self.incoming)? {
            frames.push(frame);
        }
        Ok(true)
    }

    /// The message in a frame; none when it is not one of the dialect.
    pub(super) fn message(&self, frame: &Frame) -> Option<Message> {
        self.peer.tongue.read(frame.body.clone()).ok()
    }

    /// The head of messages that we begin.
    pub(super) const fn head(&self) -> Head {
        self.framing.head()
    }

    /// Writes a message into the outgoing bytes.
    pub(super) fn put(&mut self, head: Head, draft: &Draft<'_>) -> Result<(), SimError> {
        self.body.clear();
        self.peer.tongue.write(draft, super::clock::wall(), &mut self.body)?;
        self.framing.put(head, &self.body, &mut self.outgoing)?;
        Ok(())
    }

    /// Writes a message apart, for later.
    pub(super) fn prepare(&mut self, head: Head, draft: &Draft<'_>) -> Result<BytesMut, SimError> {
        let kept = self.outgoing.len();
        self.put(head, draft)?;
        Ok(self.outgoing.split_off(kept))
    }

    /// The outgoing bytes themselves: whole frames only.
    pub(super) const fn outgoing(&mut self) -> &mut BytesMut {
        &mut self.outgoing
    }

    /// Sends the outgoing bytes.
    pub(super) async fn flush(&mut self) -> Result<(), SimError> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let sent = match &mut self.stream {
            Wire::Clear(stream) => stream.write_all(&self.outgoing).await,
            Wire::Tls(stream) => send(stream, &self.outgoing).await,
        };
        self.outgoing.clear();
        sent.map_err(|source| SimError::Socket { place: "writing".to_owned(), source })
    }
}

/// Sends bytes, and whatever TLS keeps of them.
async fn send(stream: &mut Box<dyn Duplex>, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}
