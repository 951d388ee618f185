//! The issuer for a message: one of its route, ready and with room for a request; the first of it for what can wait.

use crate::iso::ResponseCode;
use crate::planted::{self, Bug};
use crate::record::LinkId;
use crate::route::{Picked, Table};

use super::authorize::Refusal;
use super::effect::Why;
use super::engine::Engine;
use super::input::Arrival;
use super::peers::Link;
use super::stand_in::StandIn;

impl Engine {
    /// Whether a link may ask more at once: one that never stops must not take the places of all others.
    pub(super) fn share(&self, asker: LinkId) -> Result<(), Refusal> {
        let full = |link: &Link| link.settings.in_flight_max <= link.asking;
        if self.peers.link(asker).is_some_and(full) {
            return Err((
                ResponseCode::MALFUNCTION,
                Why::Said("as many requests as its own link allows are in flight"),
            ));
        }
        Ok(())
    }

    /// The issuer for a request: one that is up and has room. Says whether the request may be needed once more as it came.
    pub(super) fn issuer_now(&mut self, arrival: &Arrival) -> Result<(LinkId, bool), Refusal> {
        let Self { settings, peers, turns, .. } = self;
        let picked = routed(&settings.routes, arrival)?;
        if !picked.to.iter().any(|link| peers.reachable(*link)) {
            let cut_off = picked.to.iter().any(|link| peers.is_up(*link));
            let why = if cut_off {
                "its issuer's link is cut off: none of the last requests there was answered"
            } else {
                "no issuer of this card is up"
            };
            return Err((ResponseCode::UNAVAILABLE, Why::Said(why)));
        }
        let next = turns.next(&picked, |link| peers.can_take(link)).ok_or((
            ResponseCode::MALFUNCTION,
            Why::Said("as many requests as its issuer's link allows are in flight"),
        ))?;
        let stands_in = |limits: &StandIn| limits.after_timeout;
        let limits = settings.stand_in.get(picked.rule).and_then(Option::as_ref);
        Ok((next, !picked.stays || limits.is_some_and(stands_in)))
    }

    /// The link for a request that never left the one where it is: that one, when another of its sessions is ready, else
    /// another of its route, where it may go `elsewhere`. None twice.
    pub(super) fn issuer_again(
        &mut self,
        arrival: &Arrival,
        (is_at, again): (LinkId, &[LinkId]),
        elsewhere: bool,
    ) -> Option<LinkId> {
        let Self { settings, peers, turns, .. } = self;
        let picked = routed(&settings.routes, arrival).ok().filter(|picked| !picked.stays)?;
        let can = |link| peers.can_take(link) && !again.contains(&link);
        if picked.to.contains(&is_at) && can(is_at) {
            return Some(is_at);
        }
        if !elsewhere {
            return None;
        }
        turns.next(&picked, can)
    }

    /// The issuer for what can wait: the first, up or not.
    pub(super) fn issuer_in_time(&self, arrival: &Arrival) -> Result<LinkId, Refusal> {
        routed(&self.settings.routes, arrival)?.to.first().copied().ok_or(NO_ROUTE)
    }
}

const NO_ROUTE: Refusal =
    (ResponseCode::NO_ROUTE, Why::Said("no route leads to an issuer of this card and message"));

/// The rule for a message.
pub(super) fn routed<'t>(routes: &'t Table, arrival: &Arrival) -> Result<Picked<'t>, Refusal> {
    let picked = arrival.with_facts(routes.needs(), |facts| routes.pick(facts));
    let (mut code, why) = NO_ROUTE;
    if planted::is(Bug::NoRouteIsAway) {
        code = ResponseCode::UNAVAILABLE;
    }
    picked.filter(|picked| !picked.to.is_empty()).ok_or((code, why))
}
