//! Which sessions stand, whose they are, and which of them are ready for money.

use std::collections::BTreeMap;

use crate::iso::Mono;
use crate::record::LinkId;

use super::input::SessionId;
use super::settings::{LinkSettings, SignOn};

/// A link and its living sessions.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: LinkSettings,
    /// Ready for financial messages, in the order in which they became so.
    ready: Vec<SessionId>,
    turn: usize,
    /// Requests on their way to it.
    pub(super) in_flight: u32,
    /// Requests of its own that wait for an answer.
    pub(super) asking: u32,
    /// The last trace number of a network management message of ours.
    pub(super) network_stan: u32,
}

/// A living session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: LinkId,
    pub(super) ready: bool,
    /// Lost, but not drained: nothing may be sent there.
    pub(super) lost: bool,
    pub(super) heard_at: Mono,
    /// Our network management message that waits for its answer: trace number, code, and how often it went unanswered.
    pub(super) asked: Option<NetworkAsked>,
    pub(super) missed: u32,
}

/// A network management message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetworkAsked {
    pub(super) stan: u32,
    pub(super) code: [u8; 3],
}

/// All links and all sessions.
#[derive(Debug)]
pub(super) struct Peers {
    links: BTreeMap<LinkId, Link>,
    sessions: BTreeMap<SessionId, Session>,
}

impl Peers {
    pub(super) fn new(links: Vec<LinkSettings>) -> Self {
        let link = |settings: LinkSettings| {
            let (ready, turn) = (Vec::new(), 0);
            let link = Link { settings, ready, turn, in_flight: 0, asking: 0, network_stan: 0 };
            (link.settings.id, link)
        };
        Self { links: links.into_iter().map(link).collect(), sessions: BTreeMap::new() }
    }

    pub(super) fn link(&self, link: LinkId) -> Option<&Link> {
        self.links.get(&link)
    }

    pub(super) fn link_mut(&mut self, link: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&link)
    }

    pub(super) fn settings(&self, link: LinkId) -> Option<&LinkSettings> {
        self.links.get(&link).map(|link| &link.settings)
    }

    pub(super) fn session(&self, session: SessionId) -> Option<&Session> {
        self.sessions.get(&session)
    }

    pub(super) fn session_mut(&mut self, session: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&session)
    }

    /// Whether something sent there may arrive.
    pub(super) fn lives(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| !session.lost)
    }

    /// Whether it lives and may carry financial messages.
    pub(super) fn is_ready(&self, session: SessionId) -> bool {
        self.sessions.get(&session).is_some_and(|session| session.ready && !session.lost)
    }

    pub(super) fn up(&mut self, session: SessionId, link: LinkId, now: Mono) {
        let fresh =
            Session { link, ready: false, lost: false, heard_at: now, asked: None, missed: 0 };
        self.sessions.insert(session, fresh);
        if self.settings(link).is_some_and(|link| link.sign_on == SignOn::None) {
            self.set_ready(session, true);
        }
    }

    pub(super) fn lost(&mut self, session: SessionId) {
        self.set_ready(session, false);
        if let Some(session) = self.sessions.get_mut(&session) {
            session.lost = true;
        }
    }

    pub(super) fn drained(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// Changes readiness; says whether that was a change.
    pub(super) fn set_ready(&mut self, id: SessionId, ready: bool) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        if session.ready == ready {
            return false;
        }
        session.ready = ready;
        if let Some(link) = self.links.get_mut(&session.link) {
            link.ready.retain(|other| *other != id);
            if ready {
                link.ready.push(id);
            }
        }
        true
    }

    /// A ready session of a link, each in its turn.
    pub(super) fn pick(&mut self, link: LinkId) -> Option<SessionId> {
        let link = self.links.get_mut(&link)?;
        let at = link.turn.checked_rem(link.ready.len())?;
        link.turn = link.turn.wrapping_add(1);
        link.ready.get(at).copied()
    }

    /// Whether a link has a ready session, and room for a request.
    pub(super) fn can_take(&self, link: LinkId) -> bool {
        let has_room = |link: &Link| link.in_flight < link.settings.in_flight_max;
        self.links.get(&link).is_some_and(|link| !link.ready.is_empty() && has_room(link))
    }

    /// Whether a link has a ready session.
    pub(super) fn reachable(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| !link.ready.is_empty())
    }
}
