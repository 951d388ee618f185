//! The configuration read again while everything else goes on: other time-outs and turns, a link that goes and comes back. On a
//! stream of chances of its own.

use std::collections::BTreeSet;

use crate::record::{Closing, DebtState, LinkId, Outcome, Owing, Standing};
use crate::switch::{
    Change, Input, LateApproval, LinkSettings, NotReloaded, OrderId, OrderResult, Settings,
};

use super::mix::ASKERS;
use super::reached::Rare;
use super::rng::Rng;
use super::{Event, World};

/// Who has the configuration read again.
#[derive(Debug)]
pub(super) struct Reloads {
    rng: Rng,
    /// How often, milliseconds; 0 is never.
    every_ms: u64,
    /// A link that is away, by its place among the plans.
    away: Option<usize>,
    /// The last reload, while it is not carried out.
    waiting: Option<Waiting>,
}

/// A reload on its way.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: OrderId,
    /// The link that goes, and whether it owed anything as that was said.
    goes: Option<(usize, bool)>,
    /// The link that comes back.
    comes: Option<usize>,
}

impl Reloads {
    /// In half of all worlds there are some.
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x7265_6c6f_6164);
        let every_ms = rng.pick(&[0, 0, 400, 2_000]).unwrap_or(0);
        Self { rng, every_ms, away: None, waiting: None }
    }

    /// Whether a link is away, or on its way.
    pub(super) fn moves(&self, link: usize) -> bool {
        let goes = self.waiting.and_then(|waiting| waiting.goes);
        self.away == Some(link) || goes.is_some_and(|(goes, _)| goes == link)
    }

    /// Whether a link is away.
    pub(super) fn is_away(&self, link: usize) -> bool {
        self.away == Some(link)
    }

    /// The process has ended: the next one reads the whole configuration.
    pub(super) fn forget(&mut self) {
        (self.away, self.waiting) = (None, None);
    }
}

impl World {
    /// The next reload, if anybody wants one.
    pub(super) fn later_reload(&mut self) {
        if self.reloads.every_ms > 0 {
            let wait = self.reloads.rng.around(self.reloads.every_ms);
            self.later(wait, Event::Reload);
        }
    }

    /// The configuration is read again.
    pub(super) fn reload(&mut self) {
        self.later_reload();
        let idle = self.reloads.waiting.is_none() && !self.host.stopping;
        if self.host.engine.is_none() || !idle || self.healed && self.reloads.away.is_none() {
            return;
        }
        let back = self.reloads.away.filter(|_| self.healed || self.reloads.rng.chance(500));
        let goes = (self.reloads.away.is_none() && self.reloads.rng.chance(400)).then(|| {
            let issuers = self.mix.plans.len().saturating_sub(ASKERS);
            ASKERS + self.reloads.rng.index(issuers.max(1))
        });
        let away = if back.is_some() { None } else { goes.or(self.reloads.away) };
        let settings = self.reread(away);
        let owes = |place: usize| {
            let id = self.mix.plans.get(place).map(|plan| plan.settings.id);
            (place, id.is_some_and(|id| self.owes(id)))
        };
        let goes = goes.map(owes);
        let id = self.host.next_order();
        self.reloads.waiting = Some(Waiting { id, goes, comes: back });
        self.story.tell(self.time, None, || format!("reload: {goes:?} goes, {back:?} comes"));
        let listed = self.host.engine.as_ref().map(crate::switch::Engine::tail);
        let same_routes = self.reloads.rng.chance(500);
        let change = Change {
            settings,
            same_routes,
            anew: BTreeSet::new(),
            listed: listed.unwrap_or_default(),
        };
        self.feed(Input::Reload { id, change: Box::new(change) });
    }

    /// The settings without a link, and with what does no harm otherwise.
    fn reread(&mut self, away: Option<usize>) -> Settings {
        let mut settings = self.mix.settings.clone();
        let away = away.and_then(|away| self.mix.plans.get(away)).map(|plan| plan.settings.id);
        settings.links.retain(|link| Some(link.id) != away);
        for link in &mut settings.links {
            let LinkSettings { timeout_ms, owed, network, .. } = link;
            *timeout_ms = *timeout_ms * self.reloads.rng.between((80, 100)) / 100;
            owed.repeat_ms = owed.repeat_ms * self.reloads.rng.between((80, 120)) / 100;
            if network.echo_after_ms > 0 {
                network.echo_after_ms += self.reloads.rng.below(500);
            }
        }
        // Each route has what is approved late the other way at times; no draw, so that worlds go on as before.
        for limits in settings.stand_in.iter_mut().flatten().filter(|_| self.time.is_multiple_of(2))
        {
            limits.late = match limits.late {
                LateApproval::Reverse => LateApproval::Match,
                LateApproval::Match => LateApproval::Reverse,
            };
        }
        settings
    }

    /// Whether anything is owed to a link, or in flight to it, as the process knows.
    fn owes(&self, link: LinkId) -> bool {
        let Some(engine) = self.host.engine.as_ref() else { return false };
        let open = |standing: &Standing| {
            let reversal = standing.reversal.as_ref().map(|debt| debt.state);
            standing.outcome == Outcome::InFlight
                || standing.open_debt(Owing::Advice).is_some()
                || standing.open_debt(Owing::Reversal).is_some()
                || reversal == Some(DebtState::Closed(Closing::Provisional))
        };
        let its = |standing: &&Standing| standing.sent().is_some_and(|sent| sent.issuer == link);
        engine.tranlog().open().filter(its).any(open)
    }

    /// A reload is carried out, or refused. Says whether it was one.
    pub(super) fn reloaded(&mut self, id: OrderId, result: &OrderResult) -> bool {
        let Some(waiting) = self.reloads.waiting.filter(|waiting| waiting.id == id) else {
            return matches!(result, OrderResult::Reloaded | OrderResult::NotReloaded(_));
        };
        self.reloads.waiting = None;
        match result {
            OrderResult::Reloaded => {}
            OrderResult::NotReloaded(NotReloaded::Owes(_)) => {
                self.reached.count(Rare::ReloadRefused);
                return true;
            }
            _ => return true,
        }
        self.reached.count(Rare::Reloaded);
        if let Some((place, owed)) = waiting.goes {
            self.reloads.away = Some(place);
            if owed {
                self.blame(None, || "a link that owes was taken away".to_owned());
            }
        }
        if let Some(place) = waiting.comes {
            self.reloads.away = None;
            self.reached.count(Rare::LinkBack);
            let link = self.mix.plans.get(place).map(|plan| plan.settings.id);
            if let Some(link) = link {
                self.load.forget_link(link);
                self.back_in_service(place, link);
            }
        }
        true
    }
}
