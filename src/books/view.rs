//! The books for those who only read them: a connection of its own, so that a long look holds up neither the follower nor a
//! look-up of the engine. Writes nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::{BooksError, rows, tables};
use crate::record::{Lsn, Standing, TxnId};
use crate::seal::Keys;

/// The books as they are at each look. What the follower commits meanwhile is seen by the next statement.
pub struct View {
    connection: Connection,
    keys: Arc<Keys>,
}

impl View {
    /// Opens the books of a directory for reading; they have to be there.
    pub fn open(directory: &Path, keys: Arc<Keys>) -> Result<Self, BooksError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(directory.join("books.db"), flags)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Self { connection, keys })
    }

    /// The last record that is in the books.
    pub fn position(&self) -> Result<Lsn, BooksError> {
        Ok(tables::state(&self.connection)?.position)
    }

    /// How a transaction stands; none when the books do not have it.
    pub fn standing(&self, txn: TxnId) -> Result<Option<Standing>, BooksError> {
        Ok(rows::row(&self.connection, txn)?.map(|row| row.standing))
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What opens cards.
    pub const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }
}
