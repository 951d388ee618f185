//! Which file a transaction went to its issuer in, for those who only read: beside a running daemon, or without one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use super::{LedgerError, tables};
use crate::books::why::Filing;
use crate::record::TxnId;

/// The files that the ledger knows, and what is in them.
pub struct Shelf {
    connection: Connection,
}

impl Shelf {
    /// Of a state directory; none where there is no ledger.
    pub fn open(state: &Path) -> Result<Option<Self>, LedgerError> {
        let path = state.join("clearing.db");
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "trusted_schema", false)?;
        tables::is_known(&connection)?;
        Ok(Some(Self { connection }))
    }

    fn ask(&self, txn: TxnId, what: &str) -> rusqlite::Result<Option<String>> {
        let sql = "SELECT name FROM items CROSS JOIN files ON files.file = items.file
            WHERE txn = ? AND kind = ? AND claim IS NULL AND files.state <> 'begun'";
        let mut ask = self.connection.prepare_cached(sql)?;
        ask.query_row((txn.0.cast_signed(), what), |row| row.get(0)).optional()
    }

    /// Held by the last cut that tried.
    fn ask_held(&self, txn: TxnId, what: &str) -> rusqlite::Result<Option<(String, bool)>> {
        let sql = format!(
            "SELECT fault, EXISTS (SELECT 1 FROM exceptions WHERE kind = 'held' AND closed IS NULL AND detail = {})
            FROM held WHERE txn = ? AND held.kind = ? ORDER BY day DESC, cycle = 0 DESC, cycle DESC LIMIT 1",
            tables::HELD_IN_WORDS
        );
        let mut ask = self.connection.prepare_cached(&sql)?;
        let both = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        ask.query_row((txn.0.cast_signed(), what), both).optional()
    }
}

impl Filing for Shelf {
    fn held_of(&self, txn: TxnId, what: &str) -> Option<(String, bool)> {
        self.ask_held(txn, what).ok().flatten()
    }

    fn file_of(&self, txn: TxnId, what: &str) -> Option<String> {
        // Whoever asks is told what journal and books know, in any case.
        self.ask(txn, what).ok().flatten()
    }
}
