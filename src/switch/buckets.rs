//! Token buckets: how many new requests a second a link, or a merchant of it, may ask. Integers and the monotonic clock only.

use std::collections::BTreeMap;

use crate::iso::{ElementNo, Mono, ResponseCode};
use crate::planted::{self, Bug};
use crate::record::LinkId;

use super::authorize::Refusal;
use super::effect::{Effects, Note, Why};
use super::engine::Engine;
use super::input::Arrival;

/// How many requests, and how many at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// New requests a second; 0 is as many as come.
    pub per_second: u32,
    /// How many may come at once after a pause.
    pub burst: u32,
}

/// Whose limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The link's.
    Link,
    /// One merchant's.
    Merchant,
}

/// Element 42, filled with blanks.
type Merchant = [u8; 15];

/// How many merchants each of the two halves of the memory holds: both together are a few megabytes.
const HALF: usize = 32_768;

/// Every bucket that was drawn from. One that is not here is full.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    links: BTreeMap<LinkId, Bucket>,
    /// Merchants that were heard of lately. When there are many, those heard of longer ago are forgotten, and their buckets
    /// are full again.
    lately: BTreeMap<(LinkId, Merchant), Bucket>,
    before: BTreeMap<(LinkId, Merchant), Bucket>,
}

/// One bucket, in thousandths of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    level: u64,
    at: Mono,
}

impl Bucket {
    const ONE: u64 = 1_000;

    fn full(rate: Rate, now: Mono) -> Self {
        Self { level: u64::from(rate.burst.max(1)) * Self::ONE, at: now }
    }

    /// As full as it is now: a request a second is a thousandth of one a millisecond.
    fn filled(self, rate: Rate, now: Mono) -> Self {
        let gained = now.0.saturating_sub(self.at.0).saturating_mul(u64::from(rate.per_second));
        let level = self.level.saturating_add(gained).min(Self::full(rate, now).level);
        Self { level, at: now }
    }

    /// With one request less; none when it holds no whole one.
    fn drawn(self) -> Option<Self> {
        Some(Self { level: self.level.checked_sub(Self::ONE)?, ..self })
    }
}

impl Buckets {
    /// Takes one request out of the link's bucket and the merchant's, or out of neither.
    fn draw(
        &mut self,
        link: LinkId,
        (rate, of_merchant): (Rate, Rate),
        merchant: Option<Merchant>,
        now: Mono,
    ) -> Result<(), Limit> {
        let of_link = (rate.per_second > 0).then(|| {
            let bucket = self.links.get(&link).copied();
            bucket.unwrap_or_else(|| Bucket::full(rate, now)).filled(rate, now)
        });
        let merchant = merchant.filter(|_| of_merchant.per_second > 0).map(|id| {
            let key = (link, id);
            let bucket = self.lately.get(&key).or_else(|| self.before.get(&key)).copied();
            let bucket = bucket.unwrap_or_else(|| Bucket::full(of_merchant, now));
            (key, bucket.filled(of_merchant, now))
        });
        let of_link = of_link.map(|bucket| bucket.drawn().ok_or(Limit::Link)).transpose()?;
        if let Some((key, bucket)) = merchant {
            let bucket = bucket.drawn().ok_or(Limit::Merchant)?;
            self.put(key, bucket);
        }
        self.links.extend(of_link.map(|bucket| (link, bucket)));
        Ok(())
    }

    fn put(&mut self, key: (LinkId, Merchant), bucket: Bucket) {
        if self.lately.len() >= HALF && !self.lately.contains_key(&key) {
            self.before = std::mem::take(&mut self.lately);
        }
        self.lately.insert(key, bucket);
    }
}

impl Engine {
    /// Whether a link, and a merchant of it, may ask something new now.
    pub(super) fn within_rate(
        &mut self,
        arrival: &Arrival,
        fx: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(link) = self.peers.settings(arrival.link) else { return Ok(()) };
        let rates = (link.rate, link.merchant_rate);
        if rates.0.per_second == 0 && rates.1.per_second == 0 {
            return Ok(());
        }
        let merchant = arrival.get(ElementNo::MERCHANT).map(|id| {
            let mut merchant = [b' '; 15];
            merchant.iter_mut().zip(id.iter()).for_each(|(to, from)| *to = *from);
            merchant
        });
        let drawn = self.buckets.draw(arrival.link, rates, merchant, self.now.mono);
        let Err(by) = drawn else { return Ok(()) };
        if planted::is(Bug::RateIgnored) {
            return Ok(());
        }
        fx.notes.push(Note::Limited { asker: arrival.link, by });
        let why = match by {
            Limit::Link => "its link asks more a second than its rate_max",
            Limit::Merchant => "its merchant asks more a second than its link's merchant_rate_max",
        };
        Err((ResponseCode::MALFUNCTION, Why::Said(why)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkId = LinkId(7);

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second, burst }
    }

    fn merchant(number: usize) -> Merchant {
        let mut id = [b' '; 15];
        id.iter_mut().zip(format!("SHOP{number}").bytes()).for_each(|(to, from)| *to = from);
        id
    }

    #[test]
    fn a_bucket_fills_with_time_and_holds_a_burst() {
        let mut buckets = Buckets::default();
        let rates = (rate(100, 3), Rate::default());
        let mut may = |ms| buckets.draw(LINK, rates, None, Mono(ms)).is_ok();
        assert_eq!([may(5), may(5), may(5), may(5)], [true, true, true, false]);
        // Ten milliseconds each.
        assert_eq!(
            [may(14), may(15), may(15), may(24), may(25)],
            [false, true, false, false, true]
        );
        assert_eq!([may(10_000), may(10_000), may(10_000), may(10_000)], [true, true, true, false]);
        assert!(may(u64::MAX));
        let mut slow = Buckets::default();
        let mut may = |ms| slow.draw(LINK, (rate(1, 0), Rate::default()), None, Mono(ms)).is_ok();
        assert_eq!([may(0), may(999), may(1000), may(1500)], [true, false, true, false]);
    }

    #[test]
    fn merchants_have_their_own_and_take_nothing_of_the_links_when_theirs_is_empty() {
        let mut buckets = Buckets::default();
        let rates = (rate(1, 3), rate(1, 1));
        let mut may = |number| buckets.draw(LINK, rates, Some(merchant(number)), Mono(0));
        assert_eq!(may(1), Ok(()));
        assert_eq!([may(1), may(1), may(1)], [Err(Limit::Merchant); 3]);
        assert_eq!([may(2), may(3)], [Ok(()); 2], "two are left in the link's");
        assert_eq!(may(4), Err(Limit::Link));
        // Without element 42, and on another link.
        assert_eq!(buckets.draw(LINK, rates, None, Mono(1000)), Ok(()));
        assert_eq!(buckets.draw(LinkId(8), rates, Some(merchant(1)), Mono(1000)), Ok(()));
    }

    #[test]
    fn so_many_merchants_are_remembered_those_heard_of_last() {
        let mut buckets = Buckets::default();
        let rates = (Rate::default(), rate(1, 1));
        let mut may = |number| buckets.draw(LINK, rates, Some(merchant(number)), Mono(0)).is_ok();
        assert!((0..HALF).all(&mut may));
        assert!(!may(0), "all of them are known");
        assert!((HALF..2 * HALF).all(&mut may));
        assert!(!may(1) && !may(HALF));
        assert!(may(2 * HALF));
        assert!(may(0), "the first half is forgotten");
        assert!(!may(HALF + 1) && !may(2 * HALF));
        assert!(buckets.lately.len() + buckets.before.len() <= 2 * HALF);
    }
}
