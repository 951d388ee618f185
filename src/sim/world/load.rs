//! Limits on askers, and breakers of issuers' links: who has them, and whether they hold. Written from the rules, on a stream
//! of chances of its own.

use std::collections::{BTreeMap, VecDeque};

use crate::record::{LinkId, Outcome, TxnId};
use crate::switch::{
    Action, Breaker, BreakerSettings, Effects, LinkState, LinkView, Mark, Note, Rate,
};

use super::World;
use super::mix::ASKERS;
use super::rng::Rng;

/// For so long it is counted what an asker was let through, milliseconds.
const LOOK_MS: u64 = 2_000;

/// What is known of limits and breakers, without asking the engine.
#[derive(Debug)]
pub(super) struct Load {
    rng: Rng,
    /// Whether any link has a breaker.
    breaks: bool,
    /// When requests of a link were let through, in the process that lives.
    let_through: BTreeMap<LinkId, VecDeque<u64>>,
    /// Time-outs of a link in a row.
    missed: BTreeMap<LinkId, u32>,
    /// The last request that left on a link while it was on trial.
    trial: BTreeMap<LinkId, TxnId>,
}

impl Load {
    /// Nobody is limited yet.
    pub(super) fn new(seed: u64) -> Self {
        let (let_through, missed, trial) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { rng: Rng::new(seed ^ 0x6c6f_6164), breaks: false, let_through, missed, trial }
    }

    /// A link begins anew, with a breaker of its own.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.missed.remove(&link);
        self.trial.remove(&link);
    }

    /// A process ended: the next one knows nothing of this.
    pub(super) fn forget(&mut self) {
        self.let_through.clear();
        self.missed.clear();
        self.trial.clear();
    }
}

impl World {
    /// In a quarter of all worlds askers are limited, in two fifths issuers' links have breakers.
    pub(super) fn furnish_load(&mut self) {
        let rng = &mut self.load.rng;
        let (limits, breaks) = (rng.chance(250), rng.chance(400));
        self.load.breaks = breaks;
        for (place, plan) in self.mix.plans.iter_mut().enumerate() {
            if place < ASKERS && limits {
                let mut rate = || Rate {
                    per_second: u32::try_from(rng.pick(&[0, 1, 5, 20]).unwrap_or(0)).unwrap_or(0),
                    burst: u32::try_from(rng.pick(&[1, 3, 20]).unwrap_or(1)).unwrap_or(1),
                };
                (plan.settings.rate, plan.settings.merchant_rate) = (rate(), rate());
            } else if ASKERS <= place && breaks {
                plan.settings.breaker = BreakerSettings {
                    timeouts: u32::try_from(rng.pick(&[0, 1, 2, 4]).unwrap_or(0)).unwrap_or(0),
                    probe_ms: rng.between((200, 4_000)),
                };
            }
        }
    }

    /// How the breakers stand, where there are any.
    pub(super) fn breakers(&self) -> BTreeMap<LinkId, Breaker> {
        let engine = self.host.engine.as_ref().filter(|_| self.load.breaks);
        let views = engine.map(crate::switch::Engine::links).unwrap_or_default();
        views.into_iter().map(|view| (view.id, view.breaker)).collect()
    }

    /// What one input brought about, with the breakers as they stood before.
    pub(super) fn check_load(&mut self, before: &BTreeMap<LinkId, Breaker>, fx: &Effects) {
        for note in &fx.notes {
            if let Note::Forwarded { asker, .. } = note {
                self.check_rate(*asker);
            }
        }
        if self.load.breaks {
            let now = self.breakers();
            // What left in an earlier trial is none of the next one's.
            self.load.trial.retain(|link, _| now.get(link) == Some(&Breaker::OnTrial));
            self.check_breakers(&now, fx);
            for action in &fx.actions {
                self.check_cut_off((before, &now), action, fx);
            }
        }
    }

    /// A request was let through: not more than the bucket holds and gains.
    fn check_rate(&mut self, asker: LinkId) {
        let Some(plan) = self.mix.plans.iter().find(|plan| plan.settings.id == asker) else {
            return;
        };
        let rate = plan.settings.rate;
        let times = self.load.let_through.entry(asker).or_default();
        times.push_back(self.time);
        while times.front().is_some_and(|at| at + LOOK_MS < self.time) {
            times.pop_front();
        }
        let count = u64::try_from(times.len()).unwrap_or(u64::MAX);
        let most = u64::from(rate.burst) + u64::from(rate.per_second) * LOOK_MS / 1_000;
        if rate.per_second > 0 && most < count {
            self.blame(None, || format!("{count} requests in two seconds, and {most} may be"));
        }
    }

    /// So many time-outs in a row open a breaker, an answer in time closes it.
    fn check_breakers(&mut self, now: &BTreeMap<LinkId, Breaker>, fx: &Effects) {
        let mut heard = Vec::new();
        for note in &fx.notes {
            match note {
                Note::TimedOut { issuer, .. } => {
                    *self.load.missed.entry(*issuer).or_default() += 1;
                    heard.push(*issuer);
                }
                Note::Answered { issuer, .. } => {
                    self.load.missed.insert(*issuer, 0);
                    heard.push(*issuer);
                }
                _ => {}
            }
        }
        for link in heard {
            let missed = self.load.missed.get(&link).copied().unwrap_or(0);
            let limit = self
                .mix
                .plans
                .iter()
                .find(|plan| plan.settings.id == link)
                .map_or(0, |plan| plan.settings.breaker.timeouts);
            let closed = now.get(&link) == Some(&Breaker::Closed);
            if missed == 0 && !closed {
                self.blame(None, || "a link is cut off though it answers".to_owned());
            } else if limit > 0 && limit <= missed && closed {
                self.blame(None, || format!("{missed} time-outs in a row, and no breaker opens"));
            }
        }
    }

    /// Nothing goes to a link that is cut off, and one request at a time to one on trial.
    fn check_cut_off(
        &mut self,
        (before, now): (&BTreeMap<LinkId, Breaker>, &BTreeMap<LinkId, Breaker>),
        action: &Action,
        fx: &Effects,
    ) {
        let Action::Send { session, mark, .. } = action else { return };
        let conn = self.host.sessions.get(session).and_then(|conn| self.conns.get(*conn));
        let plan = conn.and_then(|conn| self.mix.plans.get(conn.link));
        let Some(link) = plan.map(|plan| plan.settings.id) else { return };
        // It may be let go and cut off again within one input.
        let let_go = |note: &Note| match note {
            Note::OnTrial { link: other } | Note::AnswersAgain { link: other } => *other == link,
            _ => false,
        };
        if fx.notes.iter().any(let_go) {
            return;
        }
        let stays =
            |breaker| before.get(&link) == Some(&breaker) && now.get(&link) == Some(&breaker);
        let (open, on_trial) = (stays(Breaker::Open), stays(Breaker::OnTrial));
        match *mark {
            Mark::Request(_) | Mark::Owed(..) if open => {
                self.blame(None, || "a link that is cut off gets a message".to_owned());
            }
            Mark::Request(txn) if on_trial => {
                let last = self.load.trial.insert(link, txn).filter(|last| *last != txn);
                let log = self.host.engine.as_ref().map(crate::switch::Engine::tranlog);
                let waits = last
                    .and_then(|last| log?.standing(last))
                    // What was re-routed from here waits for another link.
                    .filter(|standing| standing.sent().is_some_and(|sent| sent.issuer == link))
                    .is_some_and(|standing| standing.outcome == Outcome::InFlight);
                if waits {
                    self.blame(None, || "a link on trial gets two requests at once".to_owned());
                }
            }
            _ => {}
        }
    }

    /// At rest no link is cut off for want of a probe.
    pub(super) fn check_probed(&mut self) {
        let engine = self.host.engine.as_ref().filter(|_| self.load.breaks);
        let views = engine.map(crate::switch::Engine::links).unwrap_or_default();
        if views.iter().any(|view: &LinkView| view.state == LinkState::CutOff) {
            self.blame(None, || "a link is still cut off though its issuer is there".to_owned());
        }
    }
}
