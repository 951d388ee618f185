//! Transactions by their asker's key. Keys are random: in a B-tree each would change a page of its own. So they are
//! gathered as they come, and put into drawers when a whole bucket of them is there.

use rusqlite::{OptionalExtension as _, params};

use super::{Books, BooksError};
use crate::record::{Lsn, Opening, Standing, TxnId};
use crate::seal::Tag;

/// A bucket holds the keys of this many records, as a power of two. A look-up of a key that is nowhere opens one
/// drawer in each bucket, a few microseconds each. Small in tests, so that their stories fill many.
const BUCKET_BITS: u32 = if cfg!(test) { 7 } else { 18 };

/// A bucket has this many drawers, as a power of two: each fills a page or less.
const DRAWER_BITS: u32 = if cfg!(test) { 2 } else { 9 };

/// Half of a key, and whose it is. What is found by it must be asked for its whole key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    half: u64,
    txn: TxnId,
}

/// The keys of a batch, sorted by where they go.
pub(super) struct Sorting {
    /// What stays open.
    fresh: Vec<Entry>,
    /// Whether the bucket that was open before is full, and in its drawers.
    filed: bool,
}

impl Entry {
    pub(super) fn new(key: Tag, txn: TxnId) -> Self {
        Self { half: half(key), txn }
    }

    const fn drawer(self) -> u64 {
        self.txn.0 >> BUCKET_BITS << DRAWER_BITS | self.half >> (u64::BITS - DRAWER_BITS)
    }

    fn pack(entries: &[Self]) -> Vec<u8> {
        entries
            .iter()
            .flat_map(|entry| [entry.half.to_le_bytes(), entry.txn.0.to_le_bytes()])
            .flatten()
            .collect()
    }

    fn unpack(packed: &[u8]) -> impl Iterator<Item = Self> {
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        packed.chunks_exact(16).map(move |entry| {
            let (half, txn) = entry.split_at(8);
            Self { half: word(half), txn: TxnId(word(txn)) }
        })
    }
}

impl Books {
    /// Writes the keys of a batch that ends at `position`. Memory learns of them by `keep_keys`, once they count.
    pub(super) fn write_keys(&self, keys: &[Entry], position: Lsn) -> Result<Sorting, BooksError> {
        let open = bucket(position.0);
        let filed = bucket(self.state.position.0) != open;
        let (fresh, mut full): (Vec<Entry>, Vec<Entry>) =
            keys.iter().copied().partition(|entry| bucket(entry.txn.0) == open);
        if filed {
            full.extend(&self.fresh);
            self.connection.prepare_cached("DELETE FROM fresh_keys")?.execute([])?;
        }
        full.sort_unstable_by_key(|entry| (entry.drawer(), entry.txn));
        let mut file = self.connection.prepare_cached(
            "INSERT INTO keys (drawer, entries) VALUES (?, ?)
                ON CONFLICT DO UPDATE SET entries = CAST(entries || excluded.entries AS BLOB)",
        )?;
        for drawer in full.chunk_by(|one, other| one.drawer() == other.drawer()) {
            let number = drawer.first().map_or(0, |entry| entry.drawer());
            file.execute(params![number.cast_signed(), Entry::pack(drawer)])?;
        }
        if !fresh.is_empty() {
            self.connection
                .prepare_cached("INSERT INTO fresh_keys (entries) VALUES (?)")?
                .execute([Entry::pack(&fresh)])?;
        }
        Ok(Sorting { fresh, filed })
    }

    /// What was written counts.
    pub(super) fn keep_keys(&mut self, sorting: Sorting) {
        if sorting.filed {
            self.fresh.clear();
        }
        self.fresh.extend(sorting.fresh);
    }

    /// The keys of the bucket that is open.
    pub(super) fn fresh_keys(&self) -> Result<Vec<Entry>, BooksError> {
        let mut ask = self.connection.prepare("SELECT entries FROM fresh_keys")?;
        let mut rows = ask.query([])?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            keys.extend(Entry::unpack(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?));
        }
        Ok(keys)
    }

    /// The newest transaction of a key, bucket by bucket from the newest on.
    pub(super) fn by_key(&self, key: Tag) -> Result<Option<Standing>, BooksError> {
        let fresh = self.fresh.iter().copied();
        if let Some(found) = self.named(key, fresh)? {
            return Ok(Some(found));
        }
        let mut ask =
            self.connection.prepare_cached("SELECT entries FROM keys WHERE drawer = ?")?;
        for bucket in (0..=bucket(self.state.position.0)).rev() {
            let drawer = Entry::new(key, TxnId(bucket << BUCKET_BITS)).drawer();
            let entries = ask
                .query_row([drawer.cast_signed()], |row| {
                    Ok(Entry::unpack(row.get_ref(0)?.as_blob()?).collect::<Vec<_>>())
                })
                .optional()?;
            if let Some(found) = self.named(key, entries.into_iter().flatten())? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The newest of these that the whole key names.
    fn named(
        &self,
        key: Tag,
        entries: impl Iterator<Item = Entry>,
    ) -> Result<Option<Standing>, BooksError> {
        let half = half(key);
        let mut alike: Vec<_> =
            entries.filter(|entry| entry.half == half).map(|entry| entry.txn).collect();
        alike.sort_unstable();
        for txn in alike.into_iter().rev() {
            if let Some(standing) = self.standing(txn)?.filter(|standing| names(key, standing)) {
                return Ok(Some(standing));
            }
        }
        Ok(None)
    }
}

/// Whether a transaction is found by this key.
fn names(key: Tag, standing: &Standing) -> bool {
    match &standing.opening {
        Opening::Request(sent) | Opening::Advice(sent) => sent.key == key && !standing.gave_way(),
        // An original that was never seen is found by its key: it never will be approved.
        Opening::Reversal(undo) => {
            undo.key == key || (undo.original.is_none() && undo.original_key == key)
        }
    }
}

fn half(key: Tag) -> u64 {
    u64::try_from(key.0 & u128::from(u64::MAX)).unwrap_or(0)
}

const fn bucket(position: u64) -> u64 {
    position >> BUCKET_BITS
}
