//! What waits for one peer: bytes in one piece, and where each message begins in them; knows no sockets.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::framing::{FrameError, Framing, Head};

/// What waits for one peer. Not to be shown: it is full of secrets.
pub(super) struct Outbox<M> {
    waiting: BytesMut,
    /// The messages that may matter at the end, with the place in the stream at which each begins.
    marks: VecDeque<(u64, M)>,
    /// Messages that came when nothing could leave any more.
    never: Vec<M>,
    /// Bytes that were ever put in.
    queued: u64,
    /// Bytes that a socket has taken.
    written: u64,
    bytes_max: u64,
    state: State,
}

/// How far an outbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// What is in it still leaves, and then the session ends.
    Ending(&'static str),
    /// The session ends at once: its peer does not read.
    Lost(&'static str),
    /// Nothing leaves any more.
    Closed,
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Put {
    /// It waits.
    Waits,
    /// Nothing leaves here any more.
    Closed,
    /// There is too much already: the peer does not read. The session has to end.
    Full,
    /// It does not fit into a frame of this link.
    Unframed(FrameError),
}

impl<M: Copy> Outbox<M> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            waiting: BytesMut::new(),
            marks: VecDeque::new(),
            never: Vec::new(),
            queued: 0,
            written: 0,
            bytes_max: u64::try_from(bytes_max).unwrap_or(u64::MAX),
            state: State::Open,
        }
    }

    /// Puts a message in, or remembers that it never leaves.
    pub(super) fn put(
        &mut self,
        framing: &Framing,
        head: Head,
        body: &[u8],
        mark: Option<M>,
    ) -> Put {
        let begins = self.queued;
        let put = self.add(|waiting| framing.put(head, body, waiting));
        if matches!(put, Put::Waits) {
            self.marks.extend(mark.map(|mark| (begins, mark)));
        } else {
            self.never.extend(mark);
        }
        put
    }

    /// Puts bytes in that are no message.
    pub(super) fn put_bytes(&mut self, bytes: &[u8]) -> Put {
        self.add(|waiting| {
            waiting.extend_from_slice(bytes);
            Ok(())
        })
    }

    /// Lets something be added to what waits, if anything may.
    #[inline]
    fn add(&mut self, add: impl FnOnce(&mut BytesMut) -> Result<(), FrameError>) -> Put {
        if self.state != State::Open {
            return Put::Closed;
        }
        if self.bytes_max < self.bytes() {
            return Put::Full;
        }
        let before = self.waiting.len();
        if let Err(fault) = add(&mut self.waiting) {
            return Put::Unframed(fault);
        }
        let added = self.waiting.len().saturating_sub(before);
        self.queued += u64::try_from(added).unwrap_or(u64::MAX);
        Put::Waits
    }

    /// Bytes that no socket has taken.
    pub(super) const fn bytes(&self) -> u64 {
        self.queued.saturating_sub(self.written)
    }

    /// Whether anything waits that the writer has not fetched.
    pub(super) fn fetch(&mut self, into: &mut BytesMut) {
        if into.is_empty() && !self.waiting.is_empty() {
            into.clear();
            std::mem::swap(into, &mut self.waiting);
        }
    }

    /// A socket took this many of the fetched bytes. The messages of which that is the first are added to `begun`.
    pub(super) fn wrote(&mut self, bytes: usize, begun: &mut Vec<M>) {
        self.written += u64::try_from(bytes).unwrap_or(u64::MAX);
        while let Some((begins, mark)) = self.marks.front()
            && *begins < self.written
        {
            begun.push(*mark);
            self.marks.pop_front();
        }
    }

    /// The session is to end when what is in here has left.
    pub(super) fn end(&mut self, why: &'static str) {
        if self.state == State::Open {
            self.state = State::Ending(why);
        }
    }

    /// The session is to end at once.
    pub(super) fn lose(&mut self, why: &'static str) {
        if self.state != State::Closed {
            self.state = State::Lost(why);
        }
    }

    /// Why the session is to end and whether what is in here still leaves, if it is to end.
    pub(super) const fn ending(&self) -> Option<(&'static str, bool)> {
        match self.state {
            State::Ending(why) => Some((why, true)),
            State::Lost(why) => Some((why, false)),
            State::Open | State::Closed => None,
        }
    }

    /// Nothing leaves any more.
    pub(super) fn close(&mut self) {
        self.state = State::Closed;
        self.waiting = BytesMut::new();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Of a closed one: the messages of which no socket took a byte.
    pub(super) fn never_begun(&mut self) -> Vec<M> {
        let mut never: Vec<M> = self.marks.drain(..).map(|(_, mark)| mark).collect();
        never.append(&mut self.never);
        never
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::Settings;

    fn outbox(bytes_max: usize) -> (Outbox<u8>, Framing) {
        let settings = Settings { frame_len_max: 100, ..Settings::default() };
        (Outbox::new(bytes_max), Framing::new(settings))
    }

    /// A socket may take any part of two messages of five bytes each.
    #[test]
    fn begun_is_what_a_socket_took_a_byte_of() {
        for (taken, begun, never) in [
            (0, &[][..], &[1, 2][..]),
            (1, &[1], &[2]),
            (5, &[1], &[2]),
            (6, &[1, 2], &[]),
            (10, &[1, 2], &[]),
        ] {
            let (mut outbox, framing) = outbox(1000);
            outbox.put(&framing, Head::NONE, b"abc", Some(1));
            outbox.put(&framing, Head::NONE, b"def", Some(2));
            let mut fetched = BytesMut::new();
            outbox.fetch(&mut fetched);
            assert_eq!(&fetched[..], b"\0\x03abc\0\x03def");
            let mut told = Vec::new();
            outbox.wrote(taken, &mut told);
            outbox.close();
            assert_eq!((&told[..], &outbox.never_begun()[..]), (begun, never), "{taken} bytes");
        }
    }

    /// A keep-alive between two messages leaves between them, and is none of them.
    #[test]
    fn bytes_that_are_no_message() {
        let (mut outbox, framing) = outbox(1000);
        outbox.put(&framing, Head::NONE, b"abc", Some(1));
        outbox.put_bytes(b"\0\0");
        outbox.put(&framing, Head::NONE, b"def", Some(2));
        let mut fetched = BytesMut::new();
        outbox.fetch(&mut fetched);
        assert_eq!(&fetched[..], b"\0\x03abc\0\0\0\x03def");
        let mut begun = Vec::new();
        outbox.wrote(7, &mut begun);
        assert_eq!(begun, [1]);
        outbox.wrote(1, &mut begun);
        assert_eq!(begun, [1, 2]);
        outbox.close();
        assert!(matches!(outbox.put_bytes(b"\0\0"), Put::Closed));
        assert_eq!((outbox.bytes(), outbox.never_begun()), (4, vec![]));
    }

    #[test]
    fn what_comes_too_late_never_begins() {
        let (mut ending, framing) = outbox(1000);
        ending.put(&framing, Head::NONE, b"abc", Some(1));
        ending.end("because");
        assert!(matches!(ending.put(&framing, Head::NONE, b"def", Some(2)), Put::Closed));
        assert_eq!(ending.ending(), Some(("because", true)));
        let mut begun = Vec::new();
        ending.wrote(5, &mut begun);
        ending.close();
        assert!(matches!(ending.put(&framing, Head::NONE, b"ghi", Some(3)), Put::Closed));
        assert_eq!((begun, ending.never_begun()), (vec![1], vec![2, 3]));
    }

    #[test]
    fn bounded() {
        let (mut outbox, framing) = outbox(8);
        assert!(matches!(outbox.put(&framing, Head::NONE, &[0; 9], Some(1)), Put::Waits));
        assert!(matches!(outbox.put(&framing, Head::NONE, b"a", Some(2)), Put::Full));
        let mut fetched = BytesMut::new();
        outbox.fetch(&mut fetched);
        assert!(matches!(outbox.put(&framing, Head::NONE, b"a", Some(3)), Put::Full));
        outbox.wrote(11, &mut Vec::new());
        assert!(matches!(outbox.put(&framing, Head::NONE, b"a", Some(4)), Put::Waits));
        assert!(matches!(outbox.put(&framing, Head::NONE, &[0; 101], Some(5)), Put::Unframed(_)));
        assert_eq!(outbox.never_begun(), [4, 2, 3, 5]);
    }
}
