//! What is known of each transaction, by its id. Ids are positions in the journal and ascend, so that a place in a row
//! finds most of them without hashing, and what came together lies together.

use std::collections::{HashMap, VecDeque};

use super::spread::Spread;
use crate::record::TxnId;

/// Values by transaction.
#[derive(Debug)]
pub struct Shelf<T> {
    /// The transaction of the first place; it never goes back.
    first: u64,
    row: VecDeque<Option<Box<T>>>,
    /// How many places are taken.
    taken: usize,
    /// Those from before the row: few, or the row would reach back to them.
    older: HashMap<TxnId, Box<T>, Spread>,
}

/// A row may have so many empty places for each that is taken, and so many besides.
const EMPTY_MAX: usize = 8;
const EMPTY_MORE: usize = 4096;

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { first: 0, row: VecDeque::new(), taken: 0, older: HashMap::default() }
    }
}

impl<T> Shelf<T> {
    /// The value of a transaction.
    pub fn get(&self, txn: TxnId) -> Option<&T> {
        match self.place(txn) {
            Some(place) => self.row.get(place)?.as_deref(),
            None => self.older.get(&txn).map(Box::as_ref),
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, txn: TxnId) -> Option<&mut T> {
        match self.place(txn) {
            Some(place) => self.row.get_mut(place)?.as_deref_mut(),
            None => self.older.get_mut(&txn).map(Box::as_mut),
        }
    }

    /// Puts a value where none is.
    pub fn insert(&mut self, txn: TxnId, value: T) {
        let value = Box::new(value);
        let Some(place) = self.room_for(txn) else {
            self.older.insert(txn, value);
            return;
        };
        if let Some(empty) = self.row.get_mut(place) {
            *empty = Some(value);
            self.taken += 1;
        }
        while self.row.len() > EMPTY_MAX * self.taken + EMPTY_MORE {
            self.shorten();
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, txn: TxnId) -> Option<Box<T>> {
        let Some(place) = self.place(txn) else { return self.older.remove(&txn) };
        let value = self.row.get_mut(place)?.take();
        self.taken -= usize::from(value.is_some());
        while let Some(None) = self.row.front() {
            self.shorten();
        }
        value
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.taken + self.older.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.row.iter().filter_map(Option::as_deref).chain(self.older.values().map(Box::as_ref))
    }

    /// Where in the row a transaction is or would be; none from before the row.
    fn place(&self, txn: TxnId) -> Option<usize> {
        usize::try_from(txn.0.checked_sub(self.first)?).ok()
    }

    /// A place for a transaction, with empty ones up to it; none from before the row.
    fn room_for(&mut self, txn: TxnId) -> Option<usize> {
        if self.row.is_empty() {
            // Never back: what the row has left behind is among the older ones.
            self.first = self.first.max(txn.0);
        }
        let mut place = self.place(txn)?;
        if place > self.row.len() + EMPTY_MORE {
            // After a gap like this a row begins anew.
            while !self.row.is_empty() {
                self.shorten();
            }
            (self.first, place) = (txn.0, 0);
        }
        while self.row.len() <= place {
            self.row.push_back(None);
        }
        Some(place)
    }

    /// The row begins one place later; what stood there is an older one from now on.
    fn shorten(&mut self) {
        if let Some(Some(value)) = self.row.pop_front() {
            self.taken -= 1;
            self.older.insert(TxnId(self.first), value);
        }
        self.first += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn agrees(shelf: &Shelf<u64>, model: &BTreeMap<u64, u64>) {
        assert_eq!(shelf.len(), model.len());
        let mut values: Vec<u64> = shelf.values().copied().collect();
        values.sort_unstable();
        let mut expected: Vec<u64> = model.values().copied().collect();
        expected.sort_unstable();
        assert_eq!(values, expected);
    }

    proptest! {
        /// A shelf is a map, whatever the order, the gaps and what stays for long.
        #[test]
        fn a_shelf_is_a_map(steps in prop::collection::vec((0_u8..10, 1_u64..20_000), 1..400)) {
            let (mut shelf, mut model) = (Shelf::default(), BTreeMap::new());
            let mut newest = 1_000_000_u64;
            for (kind, by) in steps {
                match kind {
                    0..6 => newest += 1 + by % 5,
                    6 => newest += by,
                    _ => {}
                }
                // Mostly the newest; now and then one that comes back from long ago.
                let id = if kind == 9 { newest - by.min(newest) } else { newest };
                if kind == 7 {
                    let old = model.range(id.saturating_sub(by)..).next().map(|(id, _)| *id);
                    if let Some(old) = old {
                        prop_assert_eq!(shelf.remove(TxnId(old)).map(|value| *value), model.remove(&old));
                    }
                } else if model.insert(id, id * 3).is_none() {
                    shelf.insert(TxnId(id), id * 3);
                }
                prop_assert_eq!(shelf.get(TxnId(id)).copied(), model.get(&id).copied());
                prop_assert_eq!(shelf.get_mut(TxnId(id + 1)).copied(), model.get(&(id + 1)).copied());
            }
            agrees(&shelf, &model);
            prop_assert!(shelf.row.len() <= EMPTY_MAX * shelf.taken + 2 * EMPTY_MORE + 1);
            while let Some((id, value)) = model.pop_first() {
                prop_assert_eq!(shelf.remove(TxnId(id)).map(|value| *value), Some(value));
            }
            agrees(&shelf, &model);
            prop_assert!(shelf.row.is_empty());
        }
    }

    #[test]
    fn one_that_stays_does_not_hold_the_row() {
        let mut shelf = Shelf::default();
        shelf.insert(TxnId(5), 5);
        for id in 6..1_000_000 {
            shelf.insert(TxnId(id), id);
            if id > 10 {
                assert_eq!(shelf.remove(TxnId(id - 4)).as_deref(), Some(&(id - 4)));
            }
        }
        assert_eq!(shelf.get(TxnId(5)), Some(&5));
        assert!(shelf.row.len() < 2 * EMPTY_MORE);
    }
}
