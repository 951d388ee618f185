//! Other settings while the engine runs: links that come, go, change where they stand, or begin anew; routes and limits.
//!
//! All of it or nothing. A link that owes, or on which something is in flight, is not taken away. One whose peers would have
//! to speak otherwise than they do (its dialect, its framing, its address, who signs on) gets nothing new, ends what is in
//! flight, signs off, and loses its sessions; it has its new settings when the last of them is over, so that no message is
//! ever read or written by settings that its session did not begin with. Nothing here is written down: what was decided
//! about money is in the records, whatever the settings were.

use std::collections::{BTreeMap, BTreeSet};

use crate::planted::{self, Bug};
use crate::record::{
    Closing, DebtState, LinkId, Lsn, Outcome, Owing, Record, Standing, Trace, TxnId,
};

use super::effect::{Action, Effects};
use super::engine::Engine;
use super::input::{OrderId, OrderResult};
use super::peers::{Parting, Service, Stage};
use super::settings::Settings;
use super::share::Turns;

/// What a reload changes.
#[derive(Debug)]
pub struct Change {
    /// Everything, as it is to be.
    pub settings: Settings,
    /// Whether the routes, and what goes with them, are those that hold already: `settings` need not have them then.
    pub same_routes: bool,
    /// Links that begin anew, since sessions that stand could not go on with their new settings.
    pub anew: BTreeSet<LinkId>,
    /// Nothing that was written down up to here is on the operator's list for a link that goes.
    pub listed: Lsn,
}

/// Why nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReloaded {
    /// Links that would go, or would be asked no more, owe, or have something in flight.
    Owes(Vec<Owes>),
    /// An earlier reload still ends the sessions of this link.
    Parting(LinkId),
    /// The network of this link echoed element 7 and is to do so no more, or the other way round: what was sent is found by it.
    Timing(LinkId),
    /// The process is about to end.
    Draining,
}

/// What keeps a link from being taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owes {
    /// Which link.
    pub link: LinkId,
    /// Requests on their way to it.
    pub in_flight: u32,
    /// Requests of its own that wait for an answer.
    pub asking: u32,
    /// Reversals that it has not acknowledged.
    pub reversals: u32,
    /// Advices that it has not acknowledged.
    pub advices: u32,
    /// Reversals that are asked once more before they count as settled.
    pub unconfirmed: u32,
    /// Approvals about which the books are being asked.
    pub looked_up: u32,
    /// Something was put on the operator's list while it was being looked through.
    pub listed: bool,
}

impl Owes {
    fn anything(&self) -> bool {
        *self != Self { link: self.link, ..Self::default() }
    }
}

impl Engine {
    /// Everything is as the change says, or nothing is.
    pub(super) fn reload(&mut self, id: OrderId, mut change: Change, fx: &mut Effects) {
        if let Err(why) = self.may_reload(&change) {
            let result = OrderResult::NotReloaded(why);
            return fx.actions.push(Action::Done { id, result });
        }
        for link in self.leaving(&change.settings) {
            self.take_away(link, fx);
        }
        let links: Vec<LinkId> = change.settings.links.iter().map(|link| link.id).collect();
        for settings in &change.settings.links {
            let link = settings.id;
            self.timing.insert(link, settings.dialect().echoes_transmission());
            if self.peers.link(link).is_none() {
                self.log.add_link(link, settings.dialect().echoes_transmission());
                self.peers.add(settings.clone());
                self.await_settling_of(link);
            } else if change.anew.contains(&link) {
                let next = Box::new(settings.clone());
                self.peers.part(link, Parting::Anew { next, stage: Stage::Ending });
            } else if let Some(state) = self.peers.link_mut(link) {
                state.settings = settings.clone();
            }
        }
        if change.same_routes {
            std::mem::swap(&mut self.settings.routes, &mut change.settings.routes);
            std::mem::swap(&mut self.settings.stand_in, &mut change.settings.stand_in);
        } else {
            // Whose turn it is goes by the rules' places.
            self.turns = Turns::default();
        }
        self.settings = change.settings;
        for link in links {
            self.settle_in(link, fx);
        }
        fx.actions.push(Action::Done { id, result: OrderResult::Reloaded });
    }

    fn may_reload(&self, change: &Change) -> Result<(), NotReloaded> {
        if self.draining {
            return Err(NotReloaded::Draining);
        }
        if let Some(link) = self.peers.parting().first() {
            return Err(NotReloaded::Parting(*link));
        }
        let otherwise = |link: LinkId, echoes: bool| {
            self.timing.get(&link).is_some_and(|before| *before != echoes)
        };
        let mut links = change.settings.links.iter();
        // What was sent on a link that this process did not know is in memory by whole pairs.
        let unknown = |link: LinkId, echoes: bool| {
            !echoes
                && !self.timing.contains_key(&link)
                && self.log.last_trace(link) != Trace::default()
        };
        let wrong = |link: LinkId, echoes: bool| otherwise(link, echoes) || unknown(link, echoes);
        if let Some(link) = links.find(|link| wrong(link.id, link.dialect().echoes_transmission()))
        {
            return Err(NotReloaded::Timing(link.id));
        }
        let owing = self.owed_by_leaving(change);
        if owing.is_empty() || planted::is(Bug::ReloadForgetsWhatIsOwed) {
            Ok(())
        } else {
            Err(NotReloaded::Owes(owing))
        }
    }

    /// The links that go.
    fn leaving(&self, settings: &Settings) -> Vec<LinkId> {
        let stays: BTreeSet<LinkId> = settings.links.iter().map(|link| link.id).collect();
        self.peers.ids().filter(|link| !stays.contains(link)).collect()
    }

    /// What is owed to links that go, or that are to be asked no more, and what is in flight on them.
    fn owed_by_leaving(&self, change: &Change) -> Vec<Owes> {
        let mute = change.settings.links.iter().filter(|link| !link.answers).map(|link| link.id);
        let mute = mute.filter(|link| self.peers.settings(*link).is_some_and(|now| now.answers));
        let leaving = self.leaving(&change.settings).into_iter().chain(mute);
        let mut owing: BTreeMap<LinkId, Owes> = leaving
            .filter_map(|id| {
                let link = self.peers.link(id)?;
                let (in_flight, asking) = (link.in_flight, link.asking);
                let listed = change.listed < link.listed;
                Some((id, Owes { link: id, in_flight, asking, listed, ..Owes::default() }))
            })
            .collect();
        if owing.is_empty() {
            return Vec::new();
        }
        for standing in self.log.open() {
            if let Some(owes) = issuer(standing).and_then(|link| owing.get_mut(&link)) {
                count(standing, owes);
            }
        }
        for record in self.log.unresolved(self.now.wall, false) {
            if let Record::Unmatched { link, .. } = record
                && let Some(owes) = owing.get_mut(&link)
            {
                owes.looked_up += 1;
            }
        }
        owing.into_values().filter(Owes::anything).collect()
    }

    /// A link goes: we sign off, and its sessions end.
    fn take_away(&mut self, link: LinkId, fx: &mut Effects) {
        self.forget_cut_over(link);
        self.peers.part(link, Parting::Gone);
        self.end_sessions(link, fx);
    }

    fn end_sessions(&mut self, link: LinkId, fx: &mut Effects) {
        let Some(why) = self.peers.link(link).and_then(|link| link.parting.why()) else { return };
        fx.actions.push(Action::Doors { link, open: false });
        self.sign_off(link, fx);
        for session in self.peers.of_link(link) {
            fx.actions.push(Action::Close { session, why });
        }
    }

    /// What goes by a link's settings goes by the new ones from now on.
    fn settle_in(&mut self, link: LinkId, fx: &mut Effects) {
        self.look_after_age(link);
        let idle = self.peers.settings(link).map_or(0, |link| link.network.echo_after_ms);
        if idle > 0 {
            for session in self.peers.of_link(link) {
                if self.peers.session(session).is_some_and(|session| session.timer.is_none()) {
                    self.watch(session, self.now.mono.plus(idle));
                }
            }
        }
        self.pump(link, fx);
    }

    /// What is to be asked once more of a link that was not known: its network may still hold the request.
    fn await_settling_of(&mut self, link: LinkId) {
        let provisional = |standing: &Standing| {
            let debt = standing.reversal.as_ref()?;
            let waits = debt.state == DebtState::Closed(Closing::Provisional);
            (waits && issuer(standing) == Some(link)).then_some((standing.id, debt.trace))
        };
        let waiting: Vec<(TxnId, Trace)> = self.log.open().filter_map(provisional).collect();
        for (txn, trace) in waiting {
            self.await_settling(txn, link, trace);
        }
    }

    /// Ends the sessions of links on which nothing is in flight any more, and lets go of links that have none left.
    pub(super) fn part_if_quiet(&mut self, fx: &mut Effects) {
        if self.peers.parting().is_empty() {
            return;
        }
        for id in self.peers.parting().to_vec() {
            let Some(link) = self.peers.link_mut(id) else { continue };
            let quiet = link.in_flight == 0 && link.asking == 0;
            if let Parting::Anew { stage, .. } = &mut link.parting
                && *stage == Stage::Ending
                && quiet
            {
                *stage = Stage::Closed;
                self.end_sessions(id, fx);
            }
            if self.peers.is_empty(id) {
                self.part_empty(id, fx);
            }
        }
    }

    /// The sessions of a link are over: it is gone, or the shell gives it its new settings, and then it opens with them.
    fn part_empty(&mut self, id: LinkId, fx: &mut Effects) {
        let Some(link) = self.peers.link_mut(id) else { return };
        let open = link.service != Service::None;
        match &mut link.parting {
            Parting::Anew { stage: Stage::Ending | Stage::Empty, .. } => {}
            Parting::Anew { stage: stage @ Stage::Closed, .. } => {
                *stage = Stage::Empty;
                fx.actions.push(Action::Reopen { link: id });
            }
            Parting::Anew { stage: Stage::Reopened, .. } => {
                self.peers.parted(id);
                fx.actions.push(Action::Doors { link: id, open });
            }
            Parting::Gone | Parting::Stays => self.peers.parted(id),
        }
    }

    /// No session of a link begins with its old settings any more. One that did since the last was over has been told to end.
    pub(super) fn reopened(&mut self, link: LinkId) {
        if let Some(state) = self.peers.link_mut(link)
            && let Parting::Anew { stage, .. } = &mut state.parting
        {
            *stage = Stage::Reopened;
        }
    }

    /// Remembers what was put on the operator's list, so that a link is not taken away for want of having looked.
    pub(super) fn note_listed(&mut self, record: &Record, lsn: Lsn) {
        let link = match record {
            Record::Closed { txn, closing: Closing::Dead, .. } => self.issuer_of(*txn),
            Record::Unmatched { link, orphan: true, .. } => Some(*link),
            _ => None,
        };
        if let Some(link) = link.and_then(|link| self.peers.link_mut(link)) {
            link.listed = lsn;
        }
    }
}

fn issuer(standing: &Standing) -> Option<LinkId> {
    standing.sent().map(|sent| sent.issuer)
}

fn count(standing: &Standing, owes: &mut Owes) {
    owes.advices += u32::from(standing.open_debt(Owing::Advice).is_some());
    owes.reversals += u32::from(standing.open_debt(Owing::Reversal).is_some());
    let provisional = DebtState::Closed(Closing::Provisional);
    let reversal = standing.reversal.as_ref().map(|debt| debt.state);
    owes.unconfirmed += u32::from(reversal == Some(provisional));
    // Counted by its link as well, unless the process has begun since: then nobody waits for it.
    if standing.outcome == Outcome::InFlight {
        owes.in_flight = owes.in_flight.max(1);
    }
}
