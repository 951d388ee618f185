//! What issuers and the operator want of links: signed off and on again, drained, out of service and back.

use std::collections::BTreeSet;

use crate::codec::Message;
use crate::iso::{Class, ElementNo, Elements};
use crate::record::LinkId;
use crate::switch::{Input, LinkOrder, Mark, NetworkCodes, Order, OrderId, SignOn};

use super::mix::ASKERS;
use super::net::{ConnId, Off};
use super::reached::Rare;
use super::rng::Rng;
use super::stranger::Strangers;
use super::{Event, World, mti_of};

/// Who wants nothing new for a while.
#[derive(Debug)]
pub(super) struct Wishes {
    /// Chance of its own: seeds of before these wishes go on as they did where nobody has one.
    rng: Rng,
    /// Links of which the operator wants nothing new, by their places among the plans.
    idle: BTreeSet<usize>,
    /// Links whose doors are shut: nobody comes, and nobody is dialled.
    shut: BTreeSet<LinkId>,
    /// Who asks for what is not theirs.
    pub(super) strangers: Strangers,
}

impl Wishes {
    /// Nobody wants anything yet.
    pub(super) fn new(seed: u64) -> Self {
        let (idle, shut) = (BTreeSet::new(), BTreeSet::new());
        Self { rng: Rng::new(!seed), idle, shut, strangers: Strangers::new(seed) }
    }
}

impl World {
    /// In a third of all worlds the operator takes links out of service and back, in another one peers sign off and on.
    pub(super) fn furnish_wishes(&mut self, lasts: u64) {
        let operated = self.wishes.rng.chance(333);
        let shared = self.wishes.rng.chance(300);
        for (place, plan) in self.mix.plans.iter_mut().enumerate() {
            plan.settings.network.shared = shared && place >= ASKERS;
        }
        self.mix.settings.links = self.mix.plans.iter().map(|plan| plan.settings.clone()).collect();
        let links = if operated { self.mix.plans.len() } else { 0 };
        for link in 0..links {
            let at = self.wishes.rng.below(lasts + 1);
            let orders = [LinkOrder::Drain, LinkOrder::Down, LinkOrder::Echo];
            let order = self.wishes.rng.pick(&orders).unwrap_or(LinkOrder::Drain);
            self.later(at, Event::Operate { link, order });
        }
        self.later_rule();
        self.later_reload();
        self.furnish_strangers();
    }

    /// A whole link goes away for a while.
    pub(super) fn outage(&mut self, link: usize) {
        if self.healed || self.mix.issuing.outage_ms == 0 {
            return;
        }
        let lasts = self.rng.between((200, 6_000));
        self.reached.count(Rare::Outage);
        if let Some(until) = self.outage_until.get_mut(link) {
            *until = self.time + lasts;
        }
        self.story.tell(self.time, None, || format!("link {link} is out for {lasts} ms"));
        for id in 0..self.conns.len() {
            if self.conns.get(id).is_some_and(|conn| conn.link == link && !conn.broken) {
                self.break_conn(id);
            }
        }
        let next = lasts + self.rng.around(self.mix.issuing.outage_ms);
        self.later(next, Event::Outage { link });
    }

    /// The operator gives an order, and takes it back after a while.
    pub(super) fn operate(&mut self, link: usize, order: LinkOrder) {
        if self.host.engine.is_none() || self.healed && order != LinkOrder::Up {
            // A process that comes back has every link in service.
            return;
        }
        if self.reloads.moves(link) {
            if order == LinkOrder::Up && !self.reloads.is_away(link) {
                // Its going may be refused, and then it is still out of service.
                self.later(200, Event::Operate { link, order });
            } else {
                // And so is a link that comes back.
                self.wishes.idle.remove(&link);
            }
            return;
        }
        let Some(id) = self.mix.plans.get(link).map(|plan| plan.settings.id) else { return };
        self.story.tell(self.time, None, || format!("link {link}: {order:?} ordered"));
        self.host.orders += 1;
        self.wishes.idle.remove(&link);
        self.feed(Input::Ordered { id: OrderId(self.host.orders), order: Order::Link(id, order) });
        if matches!(order, LinkOrder::Drain | LinkOrder::Down) && self.host.engine.is_some() {
            self.reached.count(Rare::TakenOut);
            self.wishes.idle.insert(link);
            let back = 200 + self.wishes.rng.below(4_000);
            self.later(back, Event::Operate { link, order: LinkOrder::Up });
        }
    }

    /// The process has come back: what an operator wanted of the one before is forgotten.
    pub(super) fn forget_orders(&mut self) {
        self.wishes.idle.clear();
        self.reloads.forget();
        self.wishes.shut.clear();
    }

    /// A link that was taken away is back: what an operator wanted of it before is forgotten.
    pub(super) fn back_in_service(&mut self, place: usize, link: LinkId) {
        self.wishes.idle.remove(&place);
        self.wishes.shut.remove(&link);
    }

    /// The engine shuts the doors of a link, or opens them.
    pub(super) fn set_doors(&mut self, link: LinkId, open: bool) {
        if open {
            self.wishes.shut.remove(&link);
        } else {
            self.wishes.shut.insert(link);
        }
    }

    /// Whether nobody comes on a link, and nobody is dialled.
    pub(super) fn is_shut(&self, link: LinkId) -> bool {
        self.wishes.shut.contains(&link)
    }

    /// Nothing new goes where the operator wants nothing new.
    pub(super) fn check_in_service(&mut self, conn: ConnId, mark: Mark) {
        let is_new = matches!(mark, Mark::Request(_) | Mark::Owed(..));
        let link = self.conns.get(conn).map(|conn| conn.link);
        if is_new && link.is_some_and(|link| self.wishes.idle.contains(&link)) {
            self.blame(None, || {
                "a link that its operator takes out of service gets a new message".to_owned()
            });
        }
    }

    /// A peer that signed on may want to sign off. Where sessions share their state another one would sign them all on again.
    pub(super) fn plan_sign_off(&mut self, conn: ConnId, link: usize) {
        let Some(plan) = self.mix.plans.get(link) else { return };
        let network = plan.settings.network;
        if network.sign_on == SignOn::Await && !network.shared && self.wishes.rng.chance(300) {
            let after = self.wishes.rng.below(5_000);
            self.later(after, Event::SignOff { conn });
        }
    }

    /// A peer signs off, and on again after a while.
    pub(super) fn sign_off(&mut self, conn: ConnId) {
        let healed = self.healed;
        let standing = self.conns.get_mut(conn).filter(|conn| conn.peer_up && !healed);
        let Some(state) = standing else { return };
        state.off = Off::Said;
        let link = state.link;
        let Some(codes) = self.network_codes(link) else { return };
        self.network_says(conn, link.saturating_sub(ASKERS), codes.sign_off);
        let back = 500 + self.wishes.rng.below(3_000);
        self.later(back, Event::SignOn { conn });
    }

    /// A peer signs on.
    pub(super) fn sign_on(&mut self, conn: ConnId) {
        let Some(state) = self.conns.get_mut(conn).filter(|conn| conn.peer_up) else { return };
        state.off = Off::No;
        let link = state.link;
        let Some(codes) = self.network_codes(link) else { return };
        self.network_says(conn, link.saturating_sub(ASKERS), codes.sign_on);
    }

    pub(super) fn network_codes(&self, link: usize) -> Option<NetworkCodes> {
        self.mix.plans.get(link).map(|plan| plan.settings.network.codes)
    }

    fn network_says(&mut self, conn: ConnId, issuer: usize, code: [u8; 3]) {
        let Some(issuer) = self.issuers.get_mut(issuer) else { return };
        issuer.network_stan += 1;
        let stan = format!("{:06}", issuer.network_stan);
        let mut own = Elements::default();
        own.set(ElementNo::TRANSMISSION, &self.now().wall.transmission().ascii());
        own.set(ElementNo::STAN, stan.as_bytes());
        own.set(ElementNo::NETWORK_CODE, &code);
        self.say(conn, mti_of(800), &own);
    }

    /// A peer reads the answer to its sign-off: from now on it wants nothing new.
    pub(super) fn sign_off_answered(&mut self, conn: ConnId) {
        if let Some(conn) = self.conns.get_mut(conn).filter(|conn| conn.off == Off::Said) {
            conn.off = Off::Taken;
            self.reached.count(Rare::SignedOff);
        }
    }

    /// A network management message at a peer: answered, or taken as the answer to its own.
    pub(super) fn network_reads(&mut self, conn: ConnId, message: &Message) {
        if message.mti().is_response() {
            let plan = self.conns.get(conn).and_then(|conn| self.mix.plans.get(conn.link));
            let sign_off = plan.map(|plan| plan.settings.network.codes.sign_off);
            if message.get(ElementNo::NETWORK_CODE).as_deref()
                == sign_off.as_ref().map(|code| &code[..])
            {
                self.sign_off_answered(conn);
            }
            return;
        }
        let repeated = [ElementNo::TRANSMISSION, ElementNo::STAN, ElementNo::NETWORK_CODE];
        let mut own = message.elements(repeated.into_iter().collect());
        own.set(ElementNo::RESPONSE_CODE, b"00");
        self.say(conn, message.mti().response(), &own);
    }

    /// Nothing new reaches a peer that was told that it is signed off.
    pub(super) fn check_signed_off(&mut self, conn: ConnId, class: Class) {
        if class != Class::Network
            && self.conns.get(conn).is_some_and(|conn| conn.off == Off::Taken)
        {
            self.blame(None, || "a peer that signed off gets a financial message".to_owned());
        }
    }
}
