//! Network management, 0800: sign-on, sign-off and echo, theirs and ours. Never journaled; closed at a restart.

use crate::codec::Draft;
use crate::iso::{ElementNo, Elements, Mti, ResponseCode, Stan};
use crate::record::LinkId;

use super::authorize::code_of;
use super::effect::{Action, Effects, Mark, Note};
use super::engine::Engine;
use super::input::{Arrival, SessionId};
use super::peers::NetworkAsked;
use super::settings::SignOn;
use super::timers::Timer;

/// Element 70: sign-on.
const SIGN_ON: [u8; 3] = *b"001";
/// Element 70: sign-off.
const SIGN_OFF: [u8; 3] = *b"002";
/// Element 70: echo test.
const ECHO: [u8; 3] = *b"301";
/// How long the answer to a network management message is waited for, milliseconds.
const NETWORK_TIMEOUT_MS: u64 = 10_000;
/// After how many unanswered messages in a row a session counts as dead.
const MISSED_MAX: u32 = 3;

impl Engine {
    /// A session stands: it is ready at once, or somebody signs on.
    pub(super) fn session_up(&mut self, session: SessionId, link: LinkId, fx: &mut Effects) {
        self.peers.up(session, link, self.now.mono);
        let Some(settings) = self.peers.settings(link) else { return };
        let (sign_on, echo_after_ms) = (settings.sign_on, settings.echo_after_ms);
        match sign_on {
            SignOn::None => self.ready(session, link, fx),
            SignOn::Send => self.ask_network(session, SIGN_ON, fx),
            SignOn::Await => {}
        }
        if sign_on != SignOn::Send && echo_after_ms > 0 {
            self.timers.set(self.now.mono.plus(echo_after_ms), Timer::Session(session));
        }
    }

    fn ready(&mut self, session: SessionId, link: LinkId, fx: &mut Effects) {
        self.peers.set_ready(session, true);
        fx.notes.push(Note::SignedOn { session, link });
        self.pump(link, fx);
    }

    /// The peer wants something of the link.
    pub(super) fn network_asked(&mut self, arrival: &Arrival, fx: &mut Effects) {
        let (session, link) = (arrival.session, arrival.link);
        fx.notes.push(Note::Network { link, class: arrival.mti().class() });
        let Some(code) = arrival.get(ElementNo::NETWORK_CODE) else {
            return self.refuse(arrival, ResponseCode::FORMAT, "it has no element 70", fx);
        };
        let code: [u8; 3] = (*code).try_into().unwrap_or_default();
        match code {
            SIGN_ON | SIGN_OFF | ECHO => {}
            _ => {
                return self.refuse(
                    arrival,
                    ResponseCode::INVALID,
                    "element 70 is none of 001, 002 and 301",
                    fx,
                );
            }
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
        match code {
            SIGN_ON => self.ready(session, link, fx),
            SIGN_OFF if self.peers.set_ready(session, false) => {
                fx.notes.push(Note::SignedOff { session, link });
            }
            _ => {}
        }
    }

    /// The peer answers a network management message of ours.
    pub(super) fn network_answered(&mut self, arrival: &Arrival, fx: &mut Effects) {
        let (session, link) = (arrival.session, arrival.link);
        let stan = arrival.get(ElementNo::STAN).and_then(|stan| Stan::from_ascii(&stan).ok());
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
        let accepted = code_of(arrival) == Some(ResponseCode::APPROVED);
        if asked.code == SIGN_ON && accepted {
            self.ready(session, link, fx);
        }
    }

    /// A session's timer: its sign-on or echo went unanswered, or it was idle long enough for an echo test.
    pub(super) fn session_due(&mut self, id: SessionId, fx: &mut Effects) {
        let Some(session) = self.peers.session_mut(id).filter(|session| !session.lost) else {
            return;
        };
        let link = session.link;
        if let Some(asked) = session.asked.take() {
            session.missed += 1;
            let given_up = session.missed >= MISSED_MAX;
            fx.notes.push(Note::Silent { session: id, link });
            if given_up && asked.code == ECHO {
                fx.actions
                    .push(Action::Close { session: id, why: "its peer answers no echo test" });
                return;
            }
            return self.ask_network(id, asked.code, fx);
        }
        let (ready, idle_ms) = (session.ready, self.now.mono.0.saturating_sub(session.heard_at.0));
        let Some(settings) = self.peers.settings(link) else { return };
        let (echo_after_ms, sign_on) = (settings.echo_after_ms, settings.sign_on);
        if !ready && sign_on == SignOn::Send {
            self.ask_network(id, SIGN_ON, fx);
        } else if echo_after_ms > 0 && idle_ms >= echo_after_ms {
            self.ask_network(id, ECHO, fx);
        } else if echo_after_ms > 0 {
            self.timers.set(self.now.mono.plus(echo_after_ms - idle_ms), Timer::Session(id));
        }
    }

    fn ask_network(&mut self, id: SessionId, code: [u8; 3], fx: &mut Effects) {
        let Some(link) = self.peers.session(id).map(|session| session.link) else { return };
        let Some(link) = self.peers.link_mut(link) else { return };
        link.network_stan = link.network_stan % Stan::MAX + 1;
        let Ok(stan) = Stan::new(link.network_stan) else { return };
        let mut own = Elements::default();
        own.set(ElementNo::TRANSMISSION, &self.now.wall.transmission().ascii());
        own.set(ElementNo::STAN, &stan.ascii());
        own.set(ElementNo::NETWORK_CODE, &code);
        let (head, dialect) = (link.settings.head, &link.settings.dialect);
        let mut body = Vec::with_capacity(64);
        let Ok(mti) = Mti::new(800) else { return };
        if (Draft { mti, own: &own, copied: None }).encode(dialect, &mut body).is_err() {
            // A dialect without element 70 has no network management.
            return;
        }
        fx.actions.push(Action::Send { session: id, head, body, mark: Mark::Plain });
        if let Some(session) = self.peers.session_mut(id) {
            session.asked = Some(NetworkAsked { stan: stan.get(), code });
        }
        self.timers.set(self.now.mono.plus(NETWORK_TIMEOUT_MS), Timer::Session(id));
    }
}
