//! The breaker of an issuer's link: so many time-outs in a row cut it off, and a probe finds out when its issuer is there again.
//!
//! Cut off, it gets nothing: requests go to the next link of their route or are declined at once, what is owed waits. An echo
//! that is answered says that the peer lives, not that it authorizes: so one request at a time is on trial, and only an answer
//! to a request, in time, lets all through again. Acknowledgements count for nothing: who stores advices may not authorize.

use crate::planted::{self, Bug};
use crate::record::{LinkId, TxnId};

use super::effect::{Effects, Note};
use super::engine::Engine;
use super::settings::{LinkSettings, SignOn};
use super::timers::{Timer, TimerId};

/// When a link is cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BreakerSettings {
    /// After how many time-outs without an answer in time between them; 0 is never.
    pub timeouts: u32,
    /// How often a link that is cut off is probed, milliseconds.
    pub probe_ms: u64,
}

/// How a link's breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Everything goes.
    Closed,
    /// Nothing goes: it is cut off.
    Open,
    /// One request at a time, and one owed message.
    OnTrial,
}

/// The same, with what it needs to go on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Switch {
    /// So many time-outs in a row.
    Closed { missed: u32 },
    /// It is probed when the timer fires.
    Open { timer: TimerId },
    /// The request that is on trial, if there is one.
    OnTrial { request: Option<TxnId> },
}

impl Switch {
    pub(super) const NEW: Self = Self::Closed { missed: 0 };

    pub(super) const fn view(self) -> Breaker {
        match self {
            Self::Closed { .. } => Breaker::Closed,
            Self::Open { .. } => Breaker::Open,
            Self::OnTrial { .. } => Breaker::OnTrial,
        }
    }

    /// Whether a request may go now.
    pub(super) fn takes_requests(self) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Open { .. } => false,
            Self::OnTrial { request } => request.is_none() || planted::is(Bug::TrialOfMany),
        }
    }

    /// How many owed messages may be on their way now.
    pub(super) const fn owed_max(self) -> u32 {
        match self {
            Self::Closed { .. } => u32::MAX,
            Self::Open { .. } => 0,
            Self::OnTrial { .. } => 1,
        }
    }
}

/// Whether an echo test tells anything of a peer: where nobody uses network management, no answer means nothing.
const fn has_echo(link: &LinkSettings) -> bool {
    link.network.echo_after_ms > 0 || !matches!(link.network.sign_on, SignOn::None)
}

impl Engine {
    /// A request of a link was not answered in time.
    pub(super) fn breaker_missed(&mut self, issuer: LinkId, txn: TxnId, fx: &mut Effects) {
        let Some(link) = self.peers.link_mut(issuer) else { return };
        let limit = link.settings.breaker.timeouts;
        let missed = match &mut link.breaker {
            Switch::Closed { missed } => {
                *missed = missed.saturating_add(1);
                *missed
            }
            // Its trial failed; the others left before it was cut off.
            Switch::OnTrial { request } if *request == Some(txn) => 1,
            Switch::OnTrial { .. } | Switch::Open { .. } => return,
        };
        let on_trial = matches!(link.breaker, Switch::OnTrial { .. });
        if limit == 0 || missed < limit && !on_trial || planted::is(Bug::BreakerNeverOpens) {
            return;
        }
        fx.notes.push(Note::CutOff { link: issuer, missed });
        self.cut_off(issuer);
        if !on_trial && !planted::is(Bug::BreakerNotProbed) {
            self.ask_echo(issuer, fx);
        }
    }

    fn cut_off(&mut self, link: LinkId) {
        let Some(probe_ms) = self.peers.settings(link).map(|link| link.breaker.probe_ms) else {
            return;
        };
        let timer = self.timers.set(self.now.mono.plus(probe_ms), Timer::Probe(link));
        if let Some(link) = self.peers.link_mut(link) {
            link.breaker = Switch::Open { timer };
        }
    }

    /// It is time to see whether a link that is cut off has an issuer again.
    pub(super) fn probe(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(state) = self.peers.link(link) else { return };
        if planted::is(Bug::BreakerNotProbed) || state.breaker.view() != Breaker::Open {
            return;
        }
        if has_echo(&state.settings) {
            self.cut_off(link);
            self.ask_echo(link, fx);
        } else {
            self.on_trial(link, fx);
        }
    }

    /// Asks for an echo on a session that waits for no other answer; one that does is a probe itself.
    fn ask_echo(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(settings) = self.peers.settings(link).filter(|link| has_echo(link)) else {
            return;
        };
        let code = settings.network.codes.echo;
        let sessions = self.peers.of_link(link);
        let idle = |id: &&super::input::SessionId| {
            self.peers.is_ready(**id)
                && self.peers.session(**id).is_some_and(|session| session.asked.is_none())
        };
        if let Some(session) = sessions.iter().find(idle).copied() {
            self.ask_network_of(session, (code, None), fx);
        }
    }

    /// The peer of a link lives: it answered an echo test, or signed on. One request at a time may show what it does.
    pub(super) fn on_trial(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(state) = self.peers.link_mut(link) else { return };
        let Switch::Open { timer } = state.breaker else { return };
        state.breaker = Switch::OnTrial { request: None };
        self.timers.cancel(timer);
        fx.notes.push(Note::OnTrial { link });
        self.pump(link, fx);
    }

    /// A request left for a link.
    pub(super) fn breaker_tried(&mut self, link: LinkId, txn: TxnId) {
        if let Some(state) = self.peers.link_mut(link)
            && let Switch::OnTrial { request } = &mut state.breaker
        {
            *request = Some(txn);
        }
    }

    /// A request waits no more, for whatever reason.
    pub(super) fn breaker_over(&mut self, link: LinkId, txn: TxnId) {
        if let Some(state) = self.peers.link_mut(link)
            && let Switch::OnTrial { request } = &mut state.breaker
            && *request == Some(txn)
        {
            *request = None;
        }
    }

    /// An issuer answered a request in time.
    pub(super) fn breaker_answered(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(state) = self.peers.link_mut(link) else { return };
        if let Switch::Closed { missed } = &mut state.breaker {
            *missed = 0;
            return;
        }
        if planted::is(Bug::BreakerNeverCloses) {
            return;
        }
        let before = std::mem::replace(&mut state.breaker, Switch::NEW);
        if let Switch::Open { timer } = before {
            self.timers.cancel(timer);
        }
        fx.notes.push(Note::AnswersAgain { link });
        self.pump(link, fx);
    }
}
