//! What the operator's window shows of the house.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::board::Board;
use super::clerk::Clerk;
use super::core::Core;
use super::listing::Entry;
use super::state::State;
use crate::config::Daemon;
use crate::console::{Lack, View};
use crate::link::Links;
use crate::meter::Rendering;

/// What is known about how the house is.
pub(super) struct Sight {
    state: State,
    journal_gets_on: AtomicBool,
    disk_is_low: AtomicBool,
    draining: AtomicBool,
    /// Below so many free bytes new requests are declined.
    disk_reserve_bytes: AtomicU64,
    /// How long a stop waits for what is in flight, milliseconds.
    drain_ms_max: AtomicU64,
}

impl Sight {
    pub(super) fn new(state: State, limits: &Daemon) -> Self {
        let sight = Self {
            disk_reserve_bytes: AtomicU64::new(0),
            drain_ms_max: AtomicU64::new(0),
            state,
            journal_gets_on: AtomicBool::new(true),
            disk_is_low: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        };
        sight.set_limits(limits);
        sight
    }

    pub(super) fn set_limits(&self, limits: &Daemon) {
        self.disk_reserve_bytes.store(limits.disk_reserve_bytes, Ordering::Relaxed);
        self.drain_ms_max.store(limits.drain_ms_max, Ordering::Relaxed);
    }

    pub(super) fn disk_reserve_bytes(&self) -> u64 {
        self.disk_reserve_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn drain_ms_max(&self) -> u64 {
        self.drain_ms_max.load(Ordering::Relaxed)
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn journal_gets_on(&self, gets_on: bool) {
        self.journal_gets_on.store(gets_on, Ordering::Relaxed);
    }

    pub(super) fn disk_low(&self, low: bool) {
        self.disk_is_low.store(low, Ordering::Relaxed);
    }

    pub(super) fn disk_is_low(&self) -> bool {
        self.disk_is_low.load(Ordering::Relaxed)
    }

    pub(super) fn drains(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// The window.
pub(super) struct Glass {
    pub(super) sight: Arc<Sight>,
    pub(super) links: Arc<Links<Core>>,
    pub(super) clerk: Clerk,
    pub(super) board: Arc<Board>,
    pub(super) rendering: Option<Rendering>,
}

impl View for Glass {
    fn alive(&self) -> bool {
        self.sight.journal_gets_on.load(Ordering::Relaxed)
    }

    fn lacking(&self) -> Vec<Lack> {
        let mut lacking = Vec::new();
        let mut lacks = |what, why: String| lacking.push(Lack { what, why });
        if self.sight.draining.load(Ordering::Relaxed) {
            lacks("drain", "the switch is about to stop".to_owned());
        }
        if !self.alive() {
            lacks("journal", "a commit takes more than a second".to_owned());
        }
        if self.sight.disk_is_low() {
            lacks("disk", "less is free than disk_reserve_mib".to_owned());
        }
        if self.clerk.is_failing() {
            lacks("books", "they do not follow the journal: see the log".to_owned());
        }
        let sessions = self.links.snapshot();
        let has_session = |link: &Entry| sessions.iter().any(|session| session.link == link.name);
        let links = self.board.entries();
        let mut issuers = links.iter().filter(|link| link.answers()).peekable();
        if issuers.peek().is_some() && !issuers.any(has_session) {
            lacks("issuers", "no issuer's link has a session".to_owned());
        }
        lacking
    }

    fn metrics(&self) -> String {
        self.rendering.as_ref().map_or_else(String::new, Rendering::render)
    }
}
