//! Which sessions stand, whose they are, what they and their operator have said, and which of them are open for money.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::iso::Mono;
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn};

use super::breaker::{Breaker, Switch};
use super::input::{LinkOrder, SessionId};
use super::permit::Permit;
use super::settings::{LinkSettings, SignOn};
use super::timers::TimerId;

/// A link and its living sessions.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: LinkSettings,
    /// What its operator wants of it.
    pub(super) service: Service,
    /// Whether a reload wants it to end, or to begin anew.
    pub(super) parting: Parting,
    /// The last record that put something about it on the operator's list.
    pub(super) listed: Lsn,
    /// Sessions that are not drained yet.
    sessions: usize,
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

impl Link {
    fn new(settings: LinkSettings) -> Self {
        Self {
            settings,
            service: Service::Full,
            parting: Parting::Stays,
            listed: Lsn(0),
            sessions: 0,
            ready: Vec::new(),
            turn: 0,
            turn_at: None,
            in_flight: 0,
            asking: 0,
            network_stan: 0,
            breaker: Switch::NEW,
        }
    }

    /// Whether its sessions may be ready.
    fn in_service(&self) -> bool {
        let stays = matches!(self.parting, Parting::Stays);
        self.service == Service::Full && stays || planted::is(Bug::DrainedServed)
    }
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
    /// Among those of its link: not when it came before its link did.
    counted: bool,
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

/// What a reload wants of a link.
#[derive(Debug)]
pub(super) enum Parting {
    /// Nothing.
    Stays,
    /// It begins anew with these settings.
    Anew {
        /// With what.
        next: Box<LinkSettings>,
        /// How far that is.
        stage: Stage,
    },
    /// It is gone, as soon as its sessions are.
    Gone,
}

/// How far a link is that begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// What is in flight on it ends.
    Ending,
    /// Its sessions are told to end.
    Closed,
    /// They have, and the shell is to give it its new settings.
    Empty,
    /// The shell has done so: no session begins with the old ones any more.
    Reopened,
}

impl Parting {
    /// Why its sessions end; none when they stay.
    pub(super) const fn why(&self) -> Option<&'static str> {
        match self {
            Self::Stays => None,
            Self::Anew { .. } => Some(ANEW),
            Self::Gone => Some(GONE),
        }
    }
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
    /// What an operator ordered and has not taken back: to drain it, or down.
    pub ordered: Option<LinkOrder>,
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

/// Why nothing new is taken of a link that a reload has taken away, or begins anew.
pub(super) const GONE: &str = "the configuration has its link no more";
pub(super) const ANEW: &str = "its link is closed and opened anew with other settings";

/// All links and all sessions.
#[derive(Debug)]
pub(super) struct Peers {
    links: BTreeMap<LinkId, Link>,
    sessions: BTreeMap<SessionId, Session>,
    /// Links that are drained and not yet signed off: few, and looked at often.
    draining: Vec<LinkId>,
    /// Links that a reload ends or begins anew: the same.
    parting: Vec<LinkId>,
}

impl Peers {
    pub(super) fn new(links: Vec<LinkSettings>) -> Self {
        let links = links.into_iter().map(|link| (link.id, Link::new(link))).collect();
        Self { links, sessions: BTreeMap::new(), draining: Vec::new(), parting: Vec::new() }
    }

    /// A link that was not there before.
    pub(super) fn add(&mut self, settings: LinkSettings) {
        self.links.insert(settings.id, Link::new(settings));
    }

    /// What a reload wants of a link from now on.
    pub(super) fn part(&mut self, link: LinkId, parting: Parting) {
        let Some(state) = self.links.get_mut(&link) else { return };
        if !self.parting.contains(&link) {
            self.parting.push(link);
        }
        state.parting = parting;
        self.gather(link);
    }

    /// The links that a reload ends or begins anew, in the order in which it wanted that.
    pub(super) fn parting(&self) -> &[LinkId] {
        &self.parting
    }

    /// Whether no session of a link is left, lost ones included.
    pub(super) fn is_empty(&self, link: LinkId) -> bool {
        self.links.get(&link).is_none_or(|link| link.sessions == 0)
    }

    /// The sessions of a link are over: it is gone, or has its new settings.
    pub(super) fn parted(&mut self, link: LinkId) {
        self.parting.retain(|other| *other != link);
        let Some(state) = self.links.get_mut(&link) else { return };
        match std::mem::replace(&mut state.parting, Parting::Stays) {
            Parting::Stays => {}
            Parting::Anew { next, .. } => state.settings = *next,
            Parting::Gone => {
                self.links.remove(&link);
                self.draining.retain(|other| *other != link);
            }
        }
    }

    /// How many sessions wait for the answer to a sign-off of ours.
    pub(super) fn farewells(&self) -> usize {
        let waits = |session: &&Session| {
            let code =
                self.links.get(&session.link).map(|link| link.settings.network.codes.sign_off);
            !session.lost && session.asked.is_some_and(|asked| Some(asked.code) == code)
        };
        self.sessions.values().filter(waits).count()
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
        let Some(link) = self.link(session.link) else { return Some(GONE) };
        match link.service {
            _ if session.ready => None,
            _ if link.parting.why().is_some() => link.parting.why(),
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
        let own = self.links.get_mut(&link);
        let counted = own.is_some();
        if let Some(own) = own {
            own.sessions += 1;
        }
        let fresh =
            Session { link, permit, state, ready, counted, lost, heard_at, timer, asked, missed };
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
        let Some(gone) = self.sessions.remove(&session).filter(|gone| gone.counted) else { return };
        if let Some(link) = self.links.get_mut(&gone.link) {
            link.sessions = link.sessions.saturating_sub(1);
        }
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
        let in_service = state.in_service();
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
        let ready = link.in_service() && session.state == SessionState::SignedOn && !session.lost;
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

    /// What comes next goes to the link's next session, in the same millisecond too: so a backlog is spread.
    pub(super) fn turn(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(&link) {
            link.turn = link.turn.wrapping_add(1);
        }
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
            _ if best.is_some() && !matches!(link.parting, Parting::Stays) => LinkState::Draining,
            Service::Draining { .. } if best.is_some() => LinkState::Draining,
            _ if best == Some(SessionState::SignedOn) => match link.breaker.view() {
                Breaker::Closed => LinkState::Sessions(SessionState::SignedOn),
                Breaker::Open => LinkState::CutOff,
                Breaker::OnTrial => LinkState::OnTrial,
            },
            _ => best.map_or(LinkState::Down, LinkState::Sessions),
        };
        let ordered = match link.service {
            Service::Full => None,
            Service::Draining { .. } => Some(LinkOrder::Drain),
            Service::None => Some(LinkOrder::Down),
        };
        let (breaker, in_flight, asking) = (link.breaker.view(), link.in_flight, link.asking);
        Some(LinkView { id, state, ordered, breaker, in_flight, asking, sessions })
    }

    /// The links, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = LinkId> {
        self.links.keys().copied()
    }

    /// How every link is.
    pub(super) fn views(&self) -> Vec<LinkView> {
        self.links.keys().filter_map(|link| self.view(*link)).collect()
    }
}
