//! Where the dialects along a route do not fit: elements that an asker may say and an issuer's network cannot.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::{Config, Link};
use crate::dialect::{Content, Row};
use crate::iso::{ElementNo, ElementSet, Elements, ResponseCode};
use crate::record::LinkId;
use crate::switch::CutOver;

/// How many pairs of links are told: whoever reads them begins with the first ones.
const TOLD_MAX: usize = 50;

/// What no request has that is sent on as it came: 7 and 11, which the switch gives itself; what is for answers and
/// reversals; and what is for settlement, file updates and network management.
const NOT_SENT_ON: ElementSet = ElementSet::of(&[
    7, 11, 39, 66, 69, 70, 71, 72, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89,
    90, 91, 92, 93, 94, 95, 96, 97, 99, 101,
]);

impl Config {
    /// Limits for a day, and nothing that ends one but an operator's order.
    fn endless(&self) -> Option<String> {
        let stands_in = self.stand_in.iter().any(Option::is_some);
        let by_message = |link: &Link| link.network.cut_over == CutOver::Accept;
        let ends = self.day.cut_at_ms.is_some() || self.links.iter().any(by_message);
        (stands_in && !ends).then(|| {
            String::from(
                "a route stands in for its issuers within limits for a business day, and neither a clock nor a peer ends one: say `cut_at` in [day], or end each with `iso8583d clearing cut`",
            )
        })
    }

    /// A sentence for each pair of an asker and an issuer whose dialects do not fit, in the order of their names: requests
    /// that have what is named there are declined with 30.
    pub fn gaps(&self) -> Vec<String> {
        let issuers = self.named();
        let issuers = || self.links.iter().filter(|link| issuers.contains(&link.id));
        let askers = self.links.iter().filter(|link| link.asks);
        let pairs = askers.flat_map(|asker| issuers().map(move |issuer| (asker, issuer)));
        let unlike = pairs.filter(|(asker, issuer)| {
            asker.id != issuer.id && !Arc::ptr_eq(asker.tongue.house(), issuer.tongue.house())
        });
        let told = |(asker, issuer)| [gap(asker, issuer), unheard(asker, issuer)];
        let others = self.endless().into_iter().chain(self.unrouted());
        unlike.flat_map(told).flatten().chain(others).take(TOLD_MAX).collect()
    }

    /// The links that routes name.
    fn named(&self) -> BTreeSet<LinkId> {
        self.routes.iter().flat_map(|rule| &rule.to).copied().collect()
    }

    /// Issuers that no route names.
    fn unrouted(&self) -> impl Iterator<Item = String> {
        let named = self.named();
        let issuers = self.links.iter().filter(|link| link.answers && !link.asks);
        let unnamed = issuers.filter(move |link| !named.contains(&link.id));
        unnamed.map(|link| {
            format!(
                "link {:?} is in the `to` of no route: no request is ever sent there",
                link.name
            )
        })
    }
}

/// Approvals of an issuer that its asker's network would take for declines.
fn unheard(asker: &Link, issuer: &Link) -> Option<String> {
    let heard = |code: &&ResponseCode| {
        let mut added = Elements::default();
        added.set(ElementNo::RESPONSE_CODE, code.as_bytes());
        asker.tongue.tells_approval(&added)
    };
    let codes = issuer.tongue.house().approve_codes().iter();
    let unheard: Vec<_> = codes.filter(|code| !heard(code)).map(ToString::to_string).collect();
    (!unheard.is_empty()).then(|| {
        format!(
            "link {:?} has no word for approvals of link {:?} with {}: they are reversed, unless `codes` of {:?} pairs them",
            asker.name,
            issuer.name,
            unheard.join(", "),
            asker.name
        )
    })
}

fn gap(asker: &Link, issuer: &Link) -> Option<String> {
    let (from, to) = (asker.tongue.house(), issuer.tongue.house());
    // What only the asker's edition of the standard says is left out where the other one is spoken.
    let not_sent = NOT_SENT_ON.or(asker.tongue.aside()).or(issuer.tongue.dropped());
    let missing = from.defined().minus(to.defined()).minus(not_sent);
    let both = from.defined().and(to.defined()).minus(not_sent);
    let shorter: Vec<String> = both
        .iter()
        .filter_map(|no| {
            let (longest, room) = shorter(from.row(no)?, to.row(no)?)?;
            Some(format!("{no} ({room} instead of {longest})"))
        })
        .collect();
    let mut text = String::new();
    if !missing.is_empty() {
        write!(text, " does not have {}", listed(missing)).ok()?;
    }
    if !shorter.is_empty() {
        let and = if text.is_empty() { "" } else { ", and" };
        write!(text, "{and} has no room for all of {}", shorter.join(", ")).ok()?;
    }
    if text.is_empty() {
        return None;
    }
    let (from, to) = (from.name(), to.name());
    Some(format!(
        "link {:?} may ask link {:?} what that cannot be told: {to}{text}, unlike {from}; such requests are declined with 30",
        asker.name, issuer.name
    ))
}

/// The longest value of both, where the second has less room; none where they count different things.
fn shorter(from: &Row, to: &Row) -> Option<(u16, u16)> {
    let is_binary = |row: &Row| row.content == Content::Bytes;
    (is_binary(from) == is_binary(to) && to.max < from.max).then_some((from.max, to.max))
}

/// `48, 60-63`
fn listed(set: ElementSet) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for no in set.iter().map(ElementNo::get) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == no => *last = no,
            _ => runs.push((no, no)),
        }
    }
    let run = |(first, last): &(u8, u8)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_in_a_row_are_told_as_one() {
        let set = |numbers| listed(ElementSet::of(numbers));
        assert_eq!(set(&[5]), "5");
        assert_eq!(set(&[2, 3, 48, 60, 61, 62, 63]), "2, 3, 48, 60-63");
    }
}
