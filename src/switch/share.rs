//! How the ready links of a route share its requests: deterministic, without chance and clock.

use std::collections::BTreeMap;

use crate::record::LinkId;
use crate::route::{Picked, Share};

/// What each link of each route has to its credit. It dies with the process: a choice that was made stands in its record.
#[derive(Debug, Default)]
pub(super) struct Turns {
    credits: BTreeMap<usize, Vec<i64>>,
}

impl Turns {
    /// The next of a route's links that can take a request; none when none can.
    ///
    /// Each that can gains its weight, and the richest goes and pays what all of them gained. So links with the weights 3 and 1 go
    /// in the order first, first, second, first, and a link that was away begins where it left.
    pub(super) fn next(
        &mut self,
        picked: &Picked<'_>,
        can: impl Fn(LinkId) -> bool,
    ) -> Option<LinkId> {
        let weights = match picked.share {
            Share::First => return picked.to.iter().copied().find(|link| can(*link)),
            Share::Turns => &[][..],
            Share::Weights(weights) => weights,
        };
        let credits = self.credits.entry(picked.rule).or_default();
        credits.resize(picked.to.len(), 0);
        let mut gained = 0;
        let mut best: Option<(i64, usize, LinkId)> = None;
        for (at, (link, credit)) in picked.to.iter().zip(credits.iter_mut()).enumerate() {
            if !can(*link) {
                continue;
            }
            let weight = weights.get(at).map_or(1, |weight| i64::from(*weight));
            gained += weight;
            *credit = credit.saturating_add(weight);
            if best.is_none_or(|(most, ..)| most < *credit) {
                best = Some((*credit, at, *link));
            }
        }
        let (_, at, link) = best?;
        if let Some(credit) = credits.get_mut(at) {
            *credit = credit.saturating_sub(gained);
        }
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: [LinkId; 3] = [LinkId(1), LinkId(2), LinkId(3)];

    fn run(turns: &mut Turns, share: &Share, away: Option<u32>, times: usize) -> Vec<u32> {
        let picked = Picked { rule: 0, to: &TO, share, stays: false };
        let next = |_| turns.next(&picked, |link| Some(link.0) != away).map_or(0, |link| link.0);
        (0..times).map(next).collect()
    }

    #[test]
    fn who_is_next() {
        let mut turns = Turns::default();
        assert_eq!(run(&mut turns, &Share::First, None, 3), [1, 1, 1]);
        assert_eq!(run(&mut turns, &Share::First, Some(1), 2), [2, 2]);
        assert_eq!(run(&mut turns, &Share::Turns, None, 6), [1, 2, 3, 1, 2, 3]);
        assert_eq!(run(&mut turns, &Share::Turns, Some(2), 4), [1, 3, 1, 3]);
        assert_eq!(run(&mut turns, &Share::Turns, None, 3), [1, 2, 3], "nobody makes up for it");
        let mut turns = Turns::default();
        let weights = Share::Weights(vec![3, 1, 2]);
        assert_eq!(run(&mut turns, &weights, None, 6), [1, 3, 1, 2, 3, 1]);
        let many = run(&mut turns, &weights, None, 600);
        let count = |link| many.iter().filter(|one| **one == link).count();
        assert_eq!([count(1), count(2), count(3)], [300, 100, 200]);
        let picked = Picked { rule: 0, to: &TO, share: &weights, stays: false };
        assert_eq!(turns.next(&picked, |_| false), None);
    }
}
