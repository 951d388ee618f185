//! Connections that carry bytes: late, in pieces, in order, and not at all once they break. Knows no message.

use std::cmp::Reverse;
use std::collections::VecDeque;

use bytes::BytesMut;
use tokio_util::codec::Decoder as _;

use crate::framing::{Frame, Framing};
use crate::switch::{Input, Mark, SessionId};

use super::reached::Rare;
use super::{Event, World};
use crate::planted::{self, Bug};

/// A connection by its place in the world's list.
pub(super) type ConnId = usize;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The daemon's.
    Switch,
    /// The asker's or issuer's.
    Peer,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Pipe {
    /// What travels, in order.
    segments: VecDeque<Vec<u8>>,
    /// When the last of it arrives: nothing overtakes within a connection.
    last_at: u64,
    /// What has arrived and is no whole frame yet.
    buffer: BytesMut,
    framing: Framing,
}

/// Whether a peer has signed off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// It has not.
    No,
    /// It said so, and has not read the answer.
    Said,
    /// It has read that this was taken.
    Taken,
}

/// A connection of a link.
#[expect(clippy::struct_excessive_bools, reason = "each end and each stage has its own")]
#[derive(Debug)]
pub(super) struct Conn {
    /// Whose, by its place among the plans.
    pub(super) link: usize,
    /// Which of the link's connections it replaces.
    pub(super) slot: usize,
    /// What the engine calls it.
    pub(super) session: SessionId,
    /// Whether the daemon still takes it for standing.
    pub(super) switch_up: bool,
    /// Whether the peer still takes it for standing.
    pub(super) peer_up: bool,
    /// Nothing that is written now arrives.
    pub(super) broken: bool,
    to_peer: Pipe,
    to_switch: Pipe,
    /// Released, and not begun.
    pub(super) outbox: VecDeque<(Mark, Vec<u8>)>,
    /// Whether the writer is on its way.
    writing: bool,
    /// What was never begun when it ended at the daemon.
    pub(super) never_begun: Vec<Mark>,
    /// Whether its peer wants nothing new.
    pub(super) off: Off,
}

impl Pipe {
    fn new(framing: &Framing) -> Self {
        Self {
            segments: VecDeque::new(),
            last_at: 0,
            buffer: BytesMut::new(),
            framing: framing.clone(),
        }
    }

    /// The next segment arrives: the frames that are whole now; none when the stream cannot be cut.
    fn arrive(&mut self) -> Option<Vec<Frame>> {
        if let Some(segment) = self.segments.pop_front() {
            self.buffer.extend_from_slice(&segment);
        }
        let mut frames = Vec::new();
        while let Some(frame) = self.framing.decode(&mut self.buffer).ok()? {
            frames.push(frame);
        }
        Some(frames)
    }
}

impl Conn {
    /// What travels towards an end.
    fn towards(&mut self, end: End) -> &mut Pipe {
        match end {
            End::Switch => &mut self.to_switch,
            End::Peer => &mut self.to_peer,
        }
    }

    /// Whether an end takes the connection for standing.
    pub(super) const fn stands_at(&self, end: End) -> bool {
        match end {
            End::Switch => self.switch_up,
            End::Peer => self.peer_up,
        }
    }
}

impl World {
    /// A peer connects, or tries to.
    pub(super) fn dial(&mut self, link: usize, slot: usize) {
        let shut = self.outage_until.get(link).is_some_and(|until| self.time < *until);
        let Some(plan) = self.mix.plans.get(link) else { return };
        if self.host.engine.is_none() || shut || self.is_shut(plan.settings.id) {
            let wait = 100 + self.rng.below(400);
            self.later(wait, Event::Dial { link, slot });
            return;
        }
        let id = self.conns.len();
        let session = if planted::is(Bug::SessionIdReused) {
            SessionId(u64::try_from(link * 8 + slot).unwrap_or(0))
        } else {
            SessionId(u64::try_from(id).unwrap_or(0) + 1)
        };
        self.latest.insert((link, slot), id);
        self.conns.push(Conn {
            link,
            slot,
            session,
            switch_up: true,
            peer_up: true,
            broken: false,
            to_peer: Pipe::new(&plan.framing),
            to_switch: Pipe::new(&plan.framing),
            outbox: VecDeque::new(),
            writing: false,
            never_begun: Vec::new(),
            off: Off::No,
        });
        let link_id = plan.settings.id;
        self.host.sessions.insert(session, id);
        if self.mix.network.life_ms > 0 {
            let life = self.rng.around(self.mix.network.life_ms);
            self.later(life, Event::Break { conn: id });
        }
        let permit = self.permit_of(slot);
        self.feed(Input::Up { session, link: link_id, permit });
        self.connected(id);
    }

    /// Bytes are handed to the network by one end, for the other.
    pub(super) fn transmit(&mut self, id: ConnId, to: End, bytes: &[u8]) {
        let network = &self.mix.network;
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.broken || bytes.is_empty() {
            return;
        }
        let mut rest = bytes;
        let mut pieces = Vec::new();
        while rest.len() > 1 && pieces.len() < 3 && self.rng.chance(network.torn) {
            let (piece, tail) = rest.split_at(1 + self.rng.index(rest.len() - 1));
            pieces.push(piece.to_vec());
            rest = tail;
        }
        pieces.push(rest.to_vec());
        self.reached.add(Rare::SegmentSplit, u64::from(pieces.len() > 1));
        let pipe = conn.towards(to);
        let mut arrivals = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let mut travel = self.rng.between(network.latency_ms);
            if self.rng.chance(network.spike) {
                self.reached.count(Rare::SegmentDelayed);
                travel += self.rng.below(network.spike_ms);
            }
            pipe.last_at = pipe.last_at.max(self.time + travel);
            pipe.segments.push_back(piece);
            arrivals.push(pipe.last_at);
        }
        for at in arrivals {
            self.at(at, Event::Segment { conn: id, to });
        }
    }

    /// A segment arrives at an end.
    pub(super) fn segment(&mut self, id: ConnId, to: End) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.stands_at(to) {
            return;
        }
        match (conn.towards(to).arrive(), to) {
            (Some(frames), End::Switch) => self.switch_reads(id, frames),
            (Some(frames), End::Peer) => {
                for frame in frames {
                    self.peer_reads(id, frame);
                }
            }
            (None, _) => {
                self.blame(None, || "a stream of whole frames could not be cut".to_owned());
            }
        }
    }

    /// A connection breaks: of what travels, each direction delivers a first part, its last segment maybe in part.
    pub(super) fn break_conn(&mut self, id: ConnId) {
        let unnoticed = self.mix.network.unnoticed_ms;
        let Some(conn) = self.conns.get_mut(id) else { return };
        if conn.broken {
            return;
        }
        conn.broken = true;
        self.reached.count(Rare::Broken);
        for end in [End::Switch, End::Peer] {
            let pipe = conn.towards(end);
            let kept = self.rng.index(pipe.segments.len() + 1);
            let lost = pipe.segments.len().saturating_sub(kept);
            self.reached.add(Rare::SegmentLost, u64::try_from(lost).unwrap_or(0));
            pipe.segments.truncate(kept);
            if self.rng.chance(300)
                && let Some(last) = pipe.segments.back_mut()
            {
                let len = self.rng.index(last.len() + 1);
                last.truncate(len);
            }
        }
        for end in [End::Switch, End::Peer] {
            let noticed = self.rng.below(unnoticed + 1);
            self.later(noticed, Event::Ended { conn: id, end });
        }
    }

    /// An end sees that its connection is gone.
    pub(super) fn ended(&mut self, id: ConnId, end: End) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.stands_at(end) {
            return;
        }
        conn.broken = true;
        if !conn.towards(end).buffer.is_empty() {
            self.reached.count(Rare::HalfFrame);
        }
        match end {
            End::Switch => {
                self.story.tell(self.time, None, || format!("connection {id} ends at the switch"));
                conn.switch_up = false;
                let unsent: Vec<Mark> = conn.outbox.drain(..).map(|(mark, _)| mark).collect();
                conn.never_begun.extend(unsent);
                self.lose(id);
            }
            End::Peer => {
                conn.peer_up = false;
                let (link, slot) = (conn.link, conn.slot);
                let wait = 10 + self.rng.below(self.mix.network.redial_ms);
                self.later(wait, Event::Dial { link, slot });
            }
        }
    }

    /// A message was released for a connection: it waits for the writer, unless the connection is gone.
    pub(super) fn release_to(&mut self, id: ConnId, mark: Mark, frame: Vec<u8>) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        if !conn.switch_up {
            conn.never_begun.push(mark);
            return;
        }
        conn.outbox.push_back((mark, frame));
        if !conn.writing {
            conn.writing = true;
            let stalled = self.rng.chance(self.mix.network.stall);
            self.reached.add(Rare::WriterStalled, u64::from(stalled));
            let wait = if stalled { self.rng.below(self.mix.network.stall_ms) } else { 0 };
            self.later(wait, Event::Write { conn: id });
        }
    }

    /// The writer hands everything that waits to the socket, in one go.
    pub(super) fn write(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(id) else { return };
        conn.writing = false;
        if !conn.switch_up {
            return;
        }
        let mut bytes = Vec::new();
        for (mark, frame) in conn.outbox.drain(..) {
            if let Mark::Approval(txn) = mark {
                self.begun_approvals.insert(txn);
                self.host.begun.push(mark);
            }
            bytes.extend_from_slice(&frame);
        }
        if !self.host.begun.is_empty() && !self.host.begun_due {
            self.host.begun_due = true;
            self.later(20, Event::Begun { life: self.host.life });
        }
        self.transmit(id, End::Peer, &bytes);
    }

    /// A peer writes a message.
    pub(super) fn peer_writes(&mut self, id: ConnId, body: &[u8]) {
        let Some(conn) = self.conns.get(id) else { return };
        let Some(plan) = self.mix.plans.get(conn.link) else { return };
        let mut bytes = BytesMut::new();
        if plan.framing.put(plan.framing.head(), body, &mut bytes).is_ok() {
            self.transmit(id, End::Switch, &bytes);
        }
    }

    /// The connections of a link that a peer takes for standing, and that may carry financial messages.
    pub(super) fn standing(&self, link: usize) -> Vec<ConnId> {
        let mine = |conn: &Conn| conn.peer_up && !conn.is_strange();
        // Only the latest of a slot can stand: it is dialled again when its peer saw the end. That may be long ago, and other links
        // may have had any number of connections since.
        let latest = self.latest.range((link, 0)..(link + 1, 0)).map(|(_, id)| *id);
        let mut standing: Vec<ConnId> =
            latest.filter(|id| self.conns.get(*id).is_some_and(mine)).collect();
        standing.sort_unstable_by_key(|id| Reverse(*id));
        standing
    }
}
