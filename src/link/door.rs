//! Where the peers of a link come in, or are dialled: opened, changed while sessions stand, and shut. Knows no frames.

use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::hush::Hush;
use super::{Link, LinkError, Links, Settings, Upstairs, Way, dial, listen};
use crate::meter::LinkMeter;
use crate::record::LinkId;

/// The door of one link.
pub(super) struct Door<U: Upstairs> {
    /// Whether peers may come and are dialled.
    open: watch::Sender<bool>,
    current: Arc<Current<U>>,
    /// Where it listens: as it was told, and the listener.
    listener: Option<Bound>,
    /// How many tasks dial.
    dialling: usize,
    /// Ends whatever accepts and dials.
    tasks: CancellationToken,
}

/// A link with the settings that hold for whoever comes now.
pub(super) struct Current<U: Upstairs>(Mutex<Arc<Link<U>>>);

impl<U: Upstairs> Current<U> {
    pub(super) fn get(&self) -> Arc<Link<U>> {
        // One pointer: what a dead thread left is whole.
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, link: Arc<Link<U>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }
}

/// An address that is bound, before or after somebody is let in there.
#[derive(Clone, Debug)]
pub struct Bound {
    wanted: SocketAddr,
    listener: Arc<TcpListener>,
}

impl Bound {
    /// Binds the address at which a link listens; nothing for one that dials.
    pub fn new(settings: &Settings) -> Result<Option<Self>, LinkError> {
        let Way::Listen { address, .. } = settings.way else { return Ok(None) };
        let link = settings.name.clone();
        let listener =
            listen::bind(address).map_err(|source| LinkError::Listen { link, address, source })?;
        Ok(Some(Self { wanted: address, listener: Arc::new(listener) }))
    }

    /// Where that is: with the port that was free, where any would do.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.wanted)
    }
}

impl<U: Upstairs> Links<U> {
    /// Opens a link. A listening one is bound when this returns, and its address is given back; a dialling one dials
    /// until it is shut.
    pub fn open(self: &Arc<Self>, settings: Settings) -> Result<Option<SocketAddr>, LinkError> {
        let bound = Bound::new(&settings)?;
        Ok(self.open_at(settings, bound))
    }

    /// Opens a link at an address that is bound already.
    pub fn open_at(
        self: &Arc<Self>,
        settings: Settings,
        bound: Option<Bound>,
    ) -> Option<SocketAddr> {
        let (id, (open, doors)) = (settings.id, watch::channel(true));
        let over = self.closing.child_token();
        let link = self.link(settings, (Arc::default(), doors), over);
        let mut door = Door {
            open,
            current: Arc::new(Current(Mutex::new(link))),
            listener: None,
            dialling: 0,
            tasks: self.closing.child_token(),
        };
        let address = self.furnish(&mut door, bound);
        self.doors.insert(id, door);
        address
    }

    /// Other settings for a link that is open. Sessions that stand go on with theirs, unless the edition is another one: then
    /// they end. An address that is bound takes the place of the one at which it listens.
    pub fn renew(self: &Arc<Self>, settings: Settings, bound: Option<Bound>) -> Option<SocketAddr> {
        let id = settings.id;
        let Some(mut door) = self.doors.get_mut(&id) else { return self.open_at(settings, bound) };
        let before = door.current.get();
        let anew = before.settings.edition != settings.edition;
        let over = if anew { self.closing.child_token() } else { before.over.clone() };
        let listens = matches!(settings.way, Way::Listen { .. });
        let moves = settings.way != before.settings.way && !listens
            || listens != matches!(before.settings.way, Way::Listen { .. });
        let shared = (Arc::clone(&before.open), door.open.subscribe());
        door.current.set(self.link(settings, shared, over));
        if moves || bound.is_some() {
            door.tasks.cancel();
            door.tasks = self.closing.child_token();
            door.listener = None;
            door.dialling = 0;
        }
        let address = self.furnish(&mut door, bound);
        drop(door);
        if anew {
            before.over.cancel();
            self.end_others(id, Some(before.settings.edition));
        }
        address
    }

    /// Shuts a link: nobody comes, nobody is dialled, and sessions that stand end.
    pub fn shut(&self, link: LinkId) {
        let Some((_, door)) = self.doors.remove(&link) else { return };
        door.tasks.cancel();
        door.current.get().over.cancel();
        self.end_others(link, None);
    }

    /// Lets peers of one link come and be dialled, or not. Sessions that stand are not touched.
    pub fn set_doors(&self, link: LinkId, open: bool) {
        if let Some(door) = self.doors.get(&link) {
            door.open.send_replace(open);
        }
    }

    /// The address of a link that listens, for another that is to listen there.
    pub fn bound(&self, link: LinkId) -> Option<Bound> {
        self.doors.get(&link)?.listener.clone()
    }

    /// Where a link listens.
    pub fn listens_at(&self, link: LinkId) -> Option<SocketAddr> {
        self.doors.get(&link)?.listener.as_ref().map(Bound::address)
    }

    /// Ends the sessions of a link: all of them, or those of one edition.
    fn end_others(&self, link: LinkId, edition: Option<u64>) {
        for session in &self.sessions {
            let meant = edition.is_none_or(|edition| session.edition() == edition);
            if session.link() == link && meant {
                session.end("its link has other settings");
            }
        }
    }

    fn link(
        self: &Arc<Self>,
        settings: Settings,
        (open, doors): (Arc<AtomicUsize>, watch::Receiver<bool>),
        over: CancellationToken,
    ) -> Arc<Link<U>> {
        let meter = LinkMeter::new(&settings.name);
        let links = Arc::clone(self);
        let (hush, comings) = (Hush::default(), Hush::default());
        Arc::new(Link { links, settings, meter, hush, comings, open, doors, over })
    }

    /// Whoever accepts or dials, as far as they are not there already.
    fn furnish(&self, door: &mut Door<U>, bound: Option<Bound>) -> Option<SocketAddr> {
        let link = door.current.get();
        if let Way::Dial { sessions, .. } = link.settings.way {
            for place in door.dialling..sessions {
                let task = dial::dial((Arc::clone(&door.current), place), door.tasks.clone());
                self.tasks.spawn_on(task, &self.runtime);
            }
            // Those of higher places end by themselves.
            door.dialling = sessions;
        }
        if let Some(bound) = bound {
            let address = bound.address();
            tracing::info!(link = link.settings.name, %address, "listening");
            let (current, listener) = (Arc::clone(&door.current), Arc::clone(&bound.listener));
            let task = listen::accept((current, listener), door.tasks.clone());
            self.tasks.spawn_on(task, &self.runtime);
            door.listener = Some(bound);
        }
        door.listener.as_ref().map(Bound::address)
    }
}
