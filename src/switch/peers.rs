//! Which sessions stand, whose they are, what they and their operator have said, and which of them are open for money.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::iso::Mono;
use crate::planted::{self, Bug};
use crate::record::LinkId;

use super::breaker::{Breaker, Switch};
use super::input::SessionId;
use super::permit::Permit;
use super::settings::{LinkSettings, SignOn};
use super::timers::TimerId;

/// A link and its living sessions.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: LinkSettings,
    /// What its operator wants of it.
    pub(super) service: Service,
    /// Ready for financial messages, in the order in which they became so.
    ready: Vec<SessionId>,
    turn: usize,
    /// Since when it is that session's turn; none before the first.
    turn_at: Option<Mono>,
    /// Requests on their way to it.
    pub(super) in_flight: u32,
    /// Requests of its own that wait for an answer.
    pub(super) asking: u32,
    /// The last trace number of a network management message of ours.
    pub(super) network_stan: u32,
    /// Whether it is cut off, since its issuer does not answer.
    pub(super) breaker: Switch,
}

/// A living session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: LinkId,
    /// What may be asked there; none for everything.
    pub(super) permit: Option<Arc<Permit>>,
    pub(super) state: SessionState,
    /// Among those of its link that are ready.
    ready: bool,
    /// Lost, but not drained: nothing may be sent there.
    pub(super) lost: bool,
    pub(super) heard_at: Mono,
    /// Its one timer.
    pub(super) timer: Option<TimerId>,
    /// Our network management message that waits for its answer.
    pub(super) asked: Option<NetworkAsked>,
    /// How many of them went unanswered in a row.
    pub(super) missed: u32,
}

/// A network management message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NetworkAsked {
    pub(super) stan: u32,
    pub(super) code: [u8; 3],
}

/// What an operator wants of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Everything.
    Full,
    /// Nothing new; `signed_off` once nothing is in flight any more and that was said.
    Draining { signed_off: bool },
    /// Nothing at all.
    None,
}

/// How a session stands with its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionState {
    /// Somebody signed off.
    Suspended,
    /// Connected; the peer has yet to sign on.
    Connected,
    /// We sign on, and have no yes yet.
    SigningOn,
    /// Open for financial messages.
    SignedOn,
}

/// How a link is: its operator's word, or else the best of its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Without a session, or taken out of service.
    Down,
    /// Its best session is so.
    Sessions(SessionState),
    /// Its operator wants nothing new there.
    Draining,
    /// Signed on, and its issuer answers no requests: it gets none.
    CutOff,
    /// It was cut off, and gets one request at a time.
    OnTrial,
}

/// One link, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// Which.
    pub id: LinkId,
    /// How it is.
    pub state: LinkState,
    /// Whether it is cut off, up or not.
    pub breaker: Breaker,
    /// Requests on their way to it.
    pub in_flight: u32,
    /// Requests of its own that wait for an answer.
    pub asking: u32,
    /// Its living sessions, in the order of their coming.
    pub sessions: Vec<(SessionId, SessionState)>,
}

impl SessionState {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Connected => "connected",
            Self::SigningOn => "signing on",
            Self::SignedOn => "signed on",
        }
    }
}

impl LinkState {
    /// For people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Sessions(state) => state.word(),
            Self::Draining => "draining",
            Self::CutOff => "cut off",
            Self::OnTrial => "on trial",
        }
    }
}

/// All links and all sessions.
#[derive(Debug)]
pub(super) struct Peers {
    links: BTreeMap<LinkId, Link>,
    sessions: BTreeMap<SessionId, Session>,
    /// Links that are drained and not yet signed off: few, and looked at often.
    draining: Vec<LinkId>,
}

impl Peers {
    pub(super) fn new(links: Vec<LinkSettings>) -> Self {
        let link = |settings: LinkSettings| {
            let (service, ready, turn, turn_at) = (Service::Full, Vec::new(), 0, None);
            let (in_flight, asking, network_stan, breaker) = (0, 0, 0, Switch::NEW);
            let id = settings.id;
            let link = Link {
                settings,
                service,
                ready,
                turn,
                turn_at,
                in_flight,
                asking,
                network_stan,
                breaker,
            };
            (id, link)
        };
        let links = links.into_iter().map(link).collect();
        Self { links, sessions: BTreeMap::new(), draining: Vec::new() }
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

    /// Why nothing new is taken from a session that lives; none when it is.
    pub(super) fn closed_to(&self, session: SessionId) -> Option<&'static str> {
        let session = self.sessions.get(&session).filter(|session| !session.lost)?;
        match self.link(session.link)?.service {
            _ if session.ready => None,
            Service::Full => Some("its session is not signed on"),
            Service::Draining { .. } => Some("an operator drains its link"),
            Service::None => Some("an operator took its link out of service"),
        }
    }

    /// A session has begun, connected and no more; with a shared state and a link that is signed on, signed on as well.
    pub(super) fn up(
        &mut self,
        id: SessionId,
        (link, permit): (LinkId, Option<Arc<Permit>>),
        now: Mono,
    ) {
        let signed_on = self.links.get(&link).is_some_and(|link| {
            let network = link.settings.network;
            network.sign_on == SignOn::None || network.shared && !link.ready.is_empty()
        });
        // While a link is drained none of its sessions is ready, and yet they may be signed on.
        let shared = self.settings(link).is_some_and(|settings| settings.network.shared);
        let signed_on = signed_on || shared && self.any_signed_on(link);
        let state = SessionState::Connected;
        let (ready, lost, asked) = (false, false, None);
        let (heard_at, timer) = (now, None);
        let missed = 0;
        let fresh = Session { link, permit, state, ready, lost, heard_at, timer, asked, missed };
        self.sessions.insert(id, fresh);
        if signed_on {
            self.set_state_of_one(id, SessionState::SignedOn);
        }
    }

    pub(super) fn lost(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.lost = true;
            self.settle(id);
        }
    }

    pub(super) fn drained(&mut self, session: SessionId) {
        self.sessions.remove(&session);
    }

    /// What was said of signing on or off, on one session or, where they share it, for all. Says whether it became ready,
    /// or ceased to be.
    pub(super) fn set_state(&mut self, id: SessionId, state: SessionState) -> bool {
        let Some(link) = self.sessions.get(&id).map(|session| session.link) else { return false };
        let shared = self.settings(link).is_some_and(|settings| settings.network.shared);
        if !shared || planted::is(Bug::StateUnshared) {
            return self.set_state_of_one(id, state);
        }
        // A sign-on under way says nothing of the others; and where this one is so already, so are all.
        let is_so = self.sessions.get(&id).is_some_and(|session| session.state == state);
        if is_so || state == SessionState::SigningOn {
            return self.set_state_of_one(id, state);
        }
        let was_ready = self.is_ready(id);
        for other in self.of_link(link) {
            if let Some(session) = self.sessions.get_mut(&other) {
                session.state = state;
            }
        }
        self.gather(link);
        self.is_ready(id) != was_ready
    }

    /// Whether a living session of a link is signed on, in service or not.
    fn any_signed_on(&self, link: LinkId) -> bool {
        let mut own = self.sessions.values().filter(|session| session.link == link);
        own.any(|session| !session.lost && session.state == SessionState::SignedOn)
    }

    /// Finds anew which sessions of a link are ready, in one pass: a link may have very many.
    fn gather(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let in_service = state.service == Service::Full || planted::is(Bug::DrainedServed);
        let before: BTreeSet<SessionId> = state.ready.iter().copied().collect();
        let mut fresh = Vec::new();
        for (id, session) in self.sessions.iter_mut().filter(|(_, session)| session.link == link) {
            let signed_on = session.state == SessionState::SignedOn && !session.lost;
            session.ready = in_service && signed_on;
            if session.ready && !before.contains(id) {
                fresh.push(*id);
            }
        }
        let sessions = &self.sessions;
        state.ready.retain(|id| sessions.get(id).is_some_and(|session| session.ready));
        state.ready.append(&mut fresh);
    }

    fn set_state_of_one(&mut self, id: SessionId, state: SessionState) -> bool {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.state = state;
        }
        self.settle(id)
    }

    /// What its operator wants of a link from now on.
    pub(super) fn serve(&mut self, link: LinkId, service: Service) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.service = service;
        self.draining.retain(|other| *other != link);
        if service == (Service::Draining { signed_off: false }) {
            self.draining.push(link);
        }
        self.gather(link);
    }

    /// Puts a session among those that are ready, or takes it out; says whether that was a change.
    fn settle(&mut self, id: SessionId) -> bool {
        let Some(session) = self.sessions.get_mut(&id) else { return false };
        let Some(link) = self.links.get_mut(&session.link) else { return false };
        let in_service = link.service == Service::Full || planted::is(Bug::DrainedServed);
        let ready = in_service && session.state == SessionState::SignedOn && !session.lost;
        if session.ready == ready {
            return false;
        }
        session.ready = ready;
        link.ready.retain(|other| *other != id);
        if ready {
            link.ready.push(id);
        }
        true
    }

    /// The living sessions of a link, in the order of their coming.
    pub(super) fn of_link(&self, link: LinkId) -> Vec<SessionId> {
        let own = self.sessions.iter().filter(|(_, session)| session.link == link && !session.lost);
        own.map(|(id, _)| *id).collect()
    }

    /// The links that are drained, have nothing in flight and have not been signed off.
    pub(super) fn to_sign_off(&self) -> Option<LinkId> {
        let quiet = |link: &&LinkId| {
            self.link(**link).is_some_and(|link| link.in_flight == 0 && link.asking == 0)
        };
        self.draining.iter().find(quiet).copied()
    }

    /// A ready session of a link, each in its turn. A turn lasts for a millisecond: what comes together leaves together,
    /// and is written, read and answered at once.
    pub(super) fn pick(&mut self, link: LinkId, now: Mono) -> Option<SessionId> {
        let link = self.links.get_mut(&link)?;
        if link.turn_at.replace(now).is_some_and(|at| at != now) {
            link.turn = link.turn.wrapping_add(1);
        }
        let at = link.turn.checked_rem(link.ready.len())?;
        link.ready.get(at).copied()
    }

    /// Whether a link has a ready session, and room for a request.
    pub(super) fn can_take(&self, link: LinkId) -> bool {
        let has_room = |link: &Link| {
            link.in_flight < link.settings.in_flight_max || planted::is(Bug::LinkUnlimited)
        };
        self.reachable(link) && self.links.get(&link).is_some_and(has_room)
    }

    /// Whether a link has a ready session, and is not cut off.
    pub(super) fn reachable(&self, link: LinkId) -> bool {
        let takes = |link: &Link| link.breaker.takes_requests();
        self.links.get(&link).is_some_and(|link| !link.ready.is_empty() && takes(link))
    }

    /// Whether a link has a ready session, cut off or not.
    pub(super) fn is_up(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|link| !link.ready.is_empty())
    }

    /// How many owed messages may be on their way on a link; its own limit apart.
    pub(super) fn owed_room(&self, link: LinkId) -> u32 {
        let up = self.links.get(&link).filter(|link| !link.ready.is_empty());
        if planted::is(Bug::OwedThoughCutOff) {
            return up.map_or(0, |_| u32::MAX);
        }
        up.map_or(0, |link| link.breaker.owed_max())
    }

    /// How a link is.
    pub(super) fn view(&self, id: LinkId) -> Option<LinkView> {
        let link = self.links.get(&id)?;
        let state = |session| Some((session, self.sessions.get(&session)?.state));
        let sessions: Vec<_> = self.of_link(id).into_iter().filter_map(state).collect();
        let best = sessions.iter().map(|(_, state)| *state).max();
        let state = match link.service {
            Service::None => LinkState::Down,
            Service::Draining { .. } if best.is_some() => LinkState::Draining,
            _ if best == Some(SessionState::SignedOn) => match link.breaker.view() {
                Breaker::Closed => LinkState::Sessions(SessionState::SignedOn),
                Breaker::Open => LinkState::CutOff,
                Breaker::OnTrial => LinkState::OnTrial,
            },
            _ => best.map_or(LinkState::Down, LinkState::Sessions),
        };
        let (breaker, in_flight, asking) = (link.breaker.view(), link.in_flight, link.asking);
        Some(LinkView { id, state, breaker, in_flight, asking, sessions })
    }

    /// How every link is.
    pub(super) fn views(&self) -> Vec<LinkView> {
        self.links.keys().filter_map(|link| self.view(*link)).collect()
    }
}
