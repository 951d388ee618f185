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
}

impl Filing for Shelf {
    fn file_of(&self, txn: TxnId, what: &str) -> Option<String> {
        // Whoever asks is told what journal and books know, in any case.
        self.ask(txn, what).ok().flatten()
    }
}
