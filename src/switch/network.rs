//! Network management, 0800: sign-on, sign-off and echo, theirs and ours. Never journaled; closed at a restart.

use std::sync::Arc;

use crate::codec::Draft;
use crate::iso::{BusinessDate, ElementNo, Elements, Mono, Mti, ResponseCode, Stan};
use crate::planted::{self, Bug};
use crate::record::LinkId;

use super::authorize::code_of;
use super::day;
use super::effect::{Action, Effects, Mark, Note};
use super::engine::Engine;
use super::input::{Arrival, LinkOrder, OrderResult, SessionId};
use super::peers::{GONE, NetworkAsked, Service, SessionState};
use super::permit::Permit;
use super::settings::{NetworkCodes, SignOn};
use super::timers::Timer;

/// After how many unanswered messages in a row a session counts as dead.
const MISSED_MAX: u32 = 3;
/// Why a session ends that nobody wants.
const OUT_OF_SERVICE: &str = "an operator took its link out of service";

impl Engine {
    /// A session stands: it is ready at once, or somebody signs on.
    pub(super) fn session_up(
        &mut self,
        session: SessionId,
        (link, permit): (LinkId, Option<Arc<Permit>>),
        fx: &mut Effects,
    ) {
        self.peers.up(session, (link, permit), self.now.mono);
        let Some(state) = self.peers.link(link) else {
            // It came as a reload took its link away.
            fx.actions.push(Action::Close { session, why: GONE });
            return;
        };
        let network = state.settings.network;
        if let Some(why) = state.parting.why() {
            fx.actions.push(Action::Close { session, why });
            return;
        }
        if state.service == Service::None {
            fx.actions.push(Action::Close { session, why: OUT_OF_SERVICE });
        } else if self.peers.is_ready(session) {
            self.became_ready(session, link, fx);
        } else if network.sign_on == SignOn::Send && state.service == Service::Full {
            return self.sign_on(session, fx);
        }
        if network.echo_after_ms > 0 {
            self.watch(session, self.now.mono.plus(network.echo_after_ms));
        }
    }

    fn became_ready(&mut self, session: SessionId, link: LinkId, fx: &mut Effects) {
        fx.notes.push(Note::SignedOn { session, link });
        self.pump(link, fx);
        self.on_trial(link, fx);
        self.tell_cut_over(link, fx);
    }

    fn sign_on(&mut self, session: SessionId, fx: &mut Effects) {
        self.peers.set_state(session, SessionState::SigningOn);
        let link = self.peers.session(session).and_then(|session| self.peers.link(session.link));
        let Some(codes) = link.map(|link| link.settings.network.codes) else { return };
        self.ask_network(session, codes.sign_on, fx);
    }

    /// The peer signed on, or accepted that we do.
    fn signed_on(&mut self, session: SessionId, link: LinkId, fx: &mut Effects) {
        if self.peers.set_state(session, SessionState::SignedOn) {
            self.became_ready(session, link, fx);
        }
    }

    fn suspended(&mut self, session: SessionId, link: LinkId, fx: &mut Effects) {
        if self.peers.set_state(session, SessionState::Suspended) {
            fx.notes.push(Note::SignedOff { session, link });
        }
    }

    /// The peer wants something of the link.
    pub(super) fn network_asked(&mut self, arrival: &Arrival, fx: &mut Effects) {
        let (session, link) = (arrival.session, arrival.link);
        fx.notes.push(Note::Network { link, class: arrival.mti().class() });
        let Some(code) = arrival.get(ElementNo::NETWORK_CODE) else {
            return self.refuse(arrival, ResponseCode::FORMAT, "it has no element 70", fx);
        };
        let code: [u8; 3] = (*code).try_into().unwrap_or_default();
        let Some(codes) = self.peers.settings(link).map(|link| link.network.codes) else { return };
        let codes = if planted::is(Bug::UsualCodesOnly) { NetworkCodes::USUAL } else { codes };
        if code == codes.cut_over {
            if let Err((code, why)) = self.cut_over_asked(arrival, fx) {
                return self.refuse(arrival, code, why, fx);
            }
        } else if ![codes.sign_on, codes.sign_off, codes.echo].contains(&code)
            && !planted::is(Bug::KeyExchangeAccepted)
        {
            let why = "element 70 is none of the link's codes for sign-on, sign-off, echo test and cut-over";
            return self.refuse(arrival, ResponseCode::INVALID, why, fx);
        }
        let mut added = Elements::default();
        added.set(ElementNo::RESPONSE_CODE, ResponseCode::APPROVED.as_bytes());
        // An 0810 repeats 7, 11 and 70, whatever else the network repeats.
        for no in [ElementNo::TRANSMISSION, ElementNo::STAN, ElementNo::NETWORK_CODE] {
            if let Some(value) = arrival.get(no) {
                added.set(no, &value);
            }
        }
        self.tell(arrival, &added, Mark::Plain, fx);
        if code == codes.sign_on {
            self.signed_on(session, link, fx);
        } else if code == codes.sign_off && !planted::is(Bug::SignedOffServed) {
            self.suspended(session, link, fx);
        }
    }

    /// The peer answers a network management message of ours.
    pub(super) fn network_answered(&mut self, arrival: &Arrival, fx: &mut Effects) {
        let (session, link) = (arrival.session, arrival.link);
        let stan = arrival.get(ElementNo::STAN).and_then(|stan| Stan::from_ascii(&stan).ok());
        let named = arrival.present().has(ElementNo::TERMINAL);
        let stan = stan.filter(|_| named || !planted::is(Bug::NetworkAnswerNeedsTerminal));
        let Some(codes) = self.peers.settings(link).map(|link| link.network.codes) else { return };
        let Some(state) = self.peers.session_mut(session) else { return };
        let asked = state.asked.filter(|asked| Some(asked.stan) == stan.map(Stan::get));
        let Some(asked) = asked else {
            let why =
                "no network management message of ours waits for its element 11 on this session";
            let (mti, nearest) = (arrival.mti(), None);
            fx.notes.push(Note::Unmatched { link, mti, trace: None, why, nearest, pending: 0 });
            return;
        };
        state.asked = None;
        state.missed = 0;
        let signing_on = state.state == SessionState::SigningOn;
        let accepted = code_of(arrival) == Some(ResponseCode::APPROVED);
        if asked.code == codes.echo {
            self.on_trial(link, fx);
        }
        if asked.code == codes.cut_over && accepted {
            self.cut_over_heard(session, link, fx);
        }
        // Who signed off meanwhile, or was signed off, is not signed on by an old answer.
        if asked.code == codes.sign_on && accepted && signing_on {
            self.signed_on(session, link, fx);
        }
    }

    /// A session's timer: its sign-on or echo went unanswered, or it was idle long enough for an echo test.
    pub(super) fn session_due(&mut self, id: SessionId, fx: &mut Effects) {
        let now = self.now.mono;
        let Some(session) = self.peers.session_mut(id).filter(|session| !session.lost) else {
            return;
        };
        let (link, state) = (session.link, session.state);
        session.timer = None;
        let asked = session.asked.take();
        session.missed += u32::from(asked.is_some());
        let given_up = session.missed >= MISSED_MAX && !planted::is(Bug::MissedEchoesIgnored);
        let idle_ms = now.0.saturating_sub(session.heard_at.0);
        if asked.is_some() {
            fx.notes.push(Note::Silent { session: id, link });
        }
        let Some(network) = self.peers.settings(link).map(|settings| settings.network) else {
            return;
        };
        let (codes, echo_after_ms) = (network.codes, network.echo_after_ms);
        match asked.map(|asked| asked.code) {
            Some(code) if code == codes.echo && given_up => {
                fx.actions
                    .push(Action::Close { session: id, why: "its peer answers no echo test" });
            }
            Some(code) if code == codes.echo => self.ask_network(id, code, fx),
            _ if state == SessionState::SigningOn => self.ask_network(id, codes.sign_on, fx),
            _ if echo_after_ms > 0 && idle_ms >= echo_after_ms => {
                self.ask_network(id, codes.echo, fx);
            }
            _ if echo_after_ms > 0 => {
                let rest = echo_after_ms.saturating_sub(idle_ms);
                self.watch(id, now.plus(rest));
            }
            _ => {}
        }
    }

    fn ask_network(&mut self, id: SessionId, code: [u8; 3], fx: &mut Effects) {
        self.ask_network_of(id, (code, None), fx);
    }

    /// Sends a network management message of ours, with a date in element 15 where its network has one.
    pub(super) fn ask_network_of(
        &mut self,
        id: SessionId,
        (code, date): ([u8; 3], Option<BusinessDate>),
        fx: &mut Effects,
    ) {
        let Some(link) = self.peers.session(id).map(|session| session.link) else { return };
        let Some(link) = self.peers.link_mut(link) else { return };
        link.network_stan = link.network_stan % Stan::MAX + 1;
        let Ok(stan) = Stan::new(link.network_stan) else { return };
        let mut own = Elements::default();
        own.set(ElementNo::TRANSMISSION, &self.now.wall.transmission().ascii());
        own.set(ElementNo::STAN, &stan.ascii());
        own.set(ElementNo::NETWORK_CODE, &code);
        if let Some(date) = date.filter(|_| day::has_date(link.settings.dialect())) {
            own.set(ElementNo::SETTLEMENT_DATE, &date.mmdd());
        }
        let head = link.settings.head;
        let mut body = Vec::with_capacity(64);
        let Ok(mti) = Mti::new(800) else { return };
        let draft = Draft { mti, own: &own, copied: None };
        if link.settings.tongue.write(&draft, self.now.wall, &mut body).is_err() {
            // A dialect without element 70 has no network management.
            return;
        }
        let until = self.now.mono.plus(link.settings.network.timeout_ms);
        fx.actions.push(Action::Send { session: id, head, body, mark: Mark::Plain });
        if let Some(session) = self.peers.session_mut(id) {
            session.asked = Some(NetworkAsked { stan: stan.get(), code });
        }
        self.watch(id, until);
    }

    /// Sets a session's one timer.
    pub(super) fn watch(&mut self, id: SessionId, at: Mono) {
        let Some(session) = self.peers.session_mut(id) else { return };
        if let Some(timer) = session.timer.replace(self.timers.set(at, Timer::Session(id))) {
            self.timers.cancel(timer);
        }
    }

    /// An operator wants a link in service, out of it, or to show that it answers.
    pub(super) fn link_ordered(
        &mut self,
        link: LinkId,
        order: LinkOrder,
        fx: &mut Effects,
    ) -> OrderResult {
        match order {
            LinkOrder::Up => self.take_up(link, fx),
            LinkOrder::Drain if self.out_of_service(link) => {}
            LinkOrder::Drain => self.peers.serve(link, Service::Draining { signed_off: false }),
            LinkOrder::Down => self.take_down(link, fx),
            LinkOrder::Echo => {
                let code = self.peers.settings(link).map(|settings| settings.network.codes.echo);
                for session in self.peers.of_link(link) {
                    // One that has yet to answer another message is tested by that.
                    let idle = self.peers.session(session).is_some_and(|it| it.asked.is_none());
                    if let Some(code) = code.filter(|_| idle) {
                        self.ask_network(session, code, fx);
                    }
                }
            }
        }
        self.peers.view(link).map_or(OrderResult::NoLink, OrderResult::Link)
    }

    fn out_of_service(&self, link: LinkId) -> bool {
        self.peers.link(link).is_some_and(|link| link.service == Service::None)
    }

    fn take_up(&mut self, link: LinkId, fx: &mut Effects) {
        if self.out_of_service(link) {
            fx.actions.push(Action::Doors { link, open: true });
        }
        self.peers.serve(link, Service::Full);
        let sends =
            self.peers.settings(link).is_some_and(|link| link.network.sign_on == SignOn::Send);
        for session in self.peers.of_link(link) {
            if self.peers.is_ready(session) {
                self.became_ready(session, link, fx);
            } else if sends {
                self.sign_on(session, fx);
            }
        }
    }

    fn take_down(&mut self, link: LinkId, fx: &mut Effects) {
        self.peers.serve(link, Service::None);
        fx.actions.push(Action::Doors { link, open: false });
        self.sign_off(link, fx);
        for session in self.peers.of_link(link) {
            fx.actions.push(Action::Close { session, why: OUT_OF_SERVICE });
        }
    }

    /// The process is to end: nothing new from now on, and where we sign on, we sign off once nothing is in flight.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        let sends = |link: &LinkId| {
            let link = self.peers.link(*link).filter(|link| link.service == Service::Full);
            link.is_some_and(|link| link.settings.network.sign_on == SignOn::Send)
        };
        let links: Vec<LinkId> = self.peers.ids().filter(sends).collect();
        for link in links {
            self.peers.serve(link, Service::Draining { signed_off: false });
        }
    }

    /// Says to the peer of a drained link that nothing more comes, when nothing more is in flight.
    pub(super) fn sign_off_if_quiet(&mut self, fx: &mut Effects) {
        while let Some(link) = self.peers.to_sign_off() {
            self.peers.serve(link, Service::Draining { signed_off: true });
            self.sign_off(link, fx);
        }
    }

    /// Where we sign on, we sign off.
    pub(super) fn sign_off(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(network) = self.peers.settings(link).map(|link| link.network) else { return };
        if network.sign_on != SignOn::Send {
            return;
        }
        for session in self.peers.of_link(link) {
            let state = self.peers.session(session).map(|session| session.state);
            if state != Some(SessionState::Suspended) {
                self.ask_network(session, network.codes.sign_off, fx);
                self.suspended(session, link, fx);
            }
        }
    }
}
