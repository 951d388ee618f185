//! What was sent under which pair, by link. Trace numbers ascend, so that a place in a row finds nearly all of them without
//! hashing, and what left together lies together.

use std::collections::{BTreeMap, HashMap};

use super::Asked;
use super::spread::Spread;
use crate::iso::Transmission;
use crate::record::{LinkId, Trace, TxnId};

/// A pair as it is known on a link: with the class of its message, as a digit.
pub(super) type Pair = (LinkId, u8, Trace);

/// What a response with a pair answers.
pub(super) type Holder = (TxnId, Asked);

/// Holders by their pairs.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    links: BTreeMap<LinkId, Row>,
    /// Those whose place another has that was put there after them: their trace number came round again, or stands for
    /// another class.
    older: HashMap<Pair, Holder, Spread>,
    /// How many are in rows.
    placed: usize,
}

/// Of each trace number of a link, the pair that was put there last. A row takes 31 KiB at most, and its pages 24 MiB.
type Row = Vec<Option<Box<Page>>>;

/// Trace numbers side by side.
#[derive(Debug)]
struct Page {
    places: [Option<Place>; PLACES],
    taken: usize,
}

/// The trace number is that of the place.
#[derive(Clone, Copy, Debug)]
struct Place {
    class: u8,
    transmission: Transmission,
    holder: Holder,
}

/// Trace numbers of a page.
const PLACES: usize = 256;

impl Pairs {
    pub(super) fn get(&self, pair: Pair) -> Option<Holder> {
        let (page, at) = place(pair);
        let page = self.links.get(&pair.0).and_then(|row| row.get(page)?.as_ref());
        let here = page.and_then(|page| page.places.get(at)?.filter(|place| place.is(pair)));
        match here {
            Some(place) => Some(place.holder),
            None if self.older.is_empty() => None,
            None => self.older.get(&pair).copied(),
        }
    }

    /// Gives a pair to somebody, whoever had it before.
    pub(super) fn insert(&mut self, pair: Pair, holder: Holder) {
        if !self.older.is_empty() {
            self.older.remove(&pair);
        }
        let (page, at) = place(pair);
        let row = self.links.entry(pair.0).or_default();
        if row.len() <= page {
            row.resize_with(page + 1, || None);
        }
        let Some(page) = row.get_mut(page) else { return };
        let page = page.get_or_insert_with(Page::empty);
        let Some(place) = page.places.get_mut(at) else { return };
        let (_, class, Trace { transmission, .. }) = pair;
        match place.replace(Place { class, transmission, holder }) {
            None => {
                page.taken += 1;
                self.placed += 1;
            }
            Some(before) if before.is(pair) => {}
            Some(before) => {
                let trace = Trace { transmission: before.transmission, ..pair.2 };
                self.older.insert((pair.0, before.class, trace), before.holder);
            }
        }
    }

    /// Takes a pair from somebody, if it is still his.
    pub(super) fn remove(&mut self, pair: Pair, txn: TxnId) {
        let (at_page, at) = place(pair);
        let page = self.links.get_mut(&pair.0).and_then(|row| row.get_mut(at_page));
        if let Some(whole) = page
            && let Some(page) = whole
            && let Some(place) = page.places.get_mut(at)
            && place.is_some_and(|place| place.is(pair))
        {
            if place.is_some_and(|place| place.holder.0 == txn) {
                *place = None;
                page.taken -= 1;
                self.placed -= 1;
                if page.taken == 0 {
                    *whole = None;
                }
            }
        } else if self.older.get(&pair).is_some_and(|(holder, _)| *holder == txn) {
            self.older.remove(&pair);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.placed + self.older.len()
    }
}

impl Page {
    fn empty() -> Box<Self> {
        Box::new(Self { places: [None; PLACES], taken: 0 })
    }
}

impl Place {
    fn is(&self, (_, class, trace): Pair) -> bool {
        (self.class, self.transmission) == (class, trace.transmission)
    }
}

/// The page of a pair, and its place there.
fn place((_, _, trace): Pair) -> (usize, usize) {
    let stan = usize::try_from(trace.stan.get()).unwrap_or(usize::MAX);
    (stan / PLACES, stan % PLACES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::iso::Stan;
    use crate::record::Owing;

    fn pair((link, class, transmission, stan): (u32, u8, u32, u32)) -> Pair {
        let stan = Stan::new(if stan == 7 { Stan::MAX } else { stan * 128 }).unwrap();
        (LinkId(link), class, Trace { transmission: Transmission(transmission), stan })
    }

    proptest! {
        /// They are a map, whatever comes round again.
        #[test]
        fn pairs_are_a_map(steps in prop::collection::vec(
            (0..3_u8, (0..2_u32, 1..3_u8, 0..3_u32, 0..8_u32), 0..4_u64), 1..200,
        )) {
            let (mut pairs, mut model) = (Pairs::default(), HashMap::new());
            for (step, key, txn) in steps {
                let (key, txn) = (pair(key), TxnId(txn));
                if step < 2 {
                    let asked = if step == 0 { Asked::Request } else { Asked::Owed(Owing::Reversal) };
                    pairs.insert(key, (txn, asked));
                    model.insert(key, (txn, asked));
                } else {
                    pairs.remove(key, txn);
                    if model.get(&key).is_some_and(|(holder, _)| *holder == txn) {
                        model.remove(&key);
                    }
                }
                prop_assert_eq!(pairs.get(key), model.get(&key).copied());
                prop_assert_eq!(pairs.len(), model.len());
            }
            for (key, holder) in model {
                prop_assert_eq!(pairs.get(key), Some(holder));
                pairs.remove(key, holder.0);
            }
            prop_assert_eq!(pairs.len(), 0);
            prop_assert!(pairs.links.values().flatten().all(Option::is_none), "no page is left");
        }
    }
}
