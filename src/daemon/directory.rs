//! What sessions and notes are looked up in: how each link's peers speak, what its clients may ask, what it is called. Exchanged
//! as a whole when the configuration is read again.

use std::collections::HashMap;
use std::sync::Arc;

use super::narrator::Narrator;
use crate::config::Link;
use crate::mapping::Tongue;
use crate::record::LinkId;
use crate::switch::Grant;

/// The directory.
#[derive(Clone)]
pub(super) struct Directory {
    pub(super) narrator: Arc<Narrator>,
    links: HashMap<LinkId, Known>,
    /// What each client of a list may ask, in its order. Lists that hold no more are kept for the sessions that came by them.
    lists: HashMap<(LinkId, u64), Arc<[Grant]>>,
}

/// How the peers of a link speak.
#[derive(Clone)]
struct Known {
    edition: u64,
    tongue: Tongue,
}

/// Which editions of a link's settings and of its list of clients hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) edition: u64,
    pub(super) list: u64,
}

impl Directory {
    pub(super) fn new(narrator: Narrator, links: &[Link]) -> Self {
        let (narrator, numbers) = (Arc::new(narrator), Numbers::default());
        let mut directory = Self { narrator, links: HashMap::new(), lists: HashMap::new() };
        for link in links {
            directory.list(link, numbers);
            directory.speak(link, numbers);
        }
        directory
    }

    /// How the peers of a link speak from now on.
    pub(super) fn speak(&mut self, link: &Link, numbers: Numbers) {
        let known = Known { edition: numbers.edition, tongue: link.tongue.clone() };
        self.links.insert(link.id, known);
    }

    /// What the clients of a link may ask who come by this list.
    pub(super) fn list(&mut self, link: &Link, numbers: Numbers) {
        let grants = link.clients.iter().map(|client| client.grant.clone()).collect();
        self.lists.insert((link.id, numbers.list), grants);
    }

    /// How the peers of a link speak; nothing for a session that began with an edition that holds no more.
    pub(super) fn tongue(&self, link: LinkId, edition: u64) -> Option<&Tongue> {
        self.links.get(&link).filter(|known| known.edition == edition).map(|known| &known.tongue)
    }

    /// What the clients of a list may ask.
    pub(super) fn grants(&self, link: LinkId, list: u64) -> &[Grant] {
        self.lists.get(&(link, list)).map(|grants| &**grants).unwrap_or_default()
    }
}
