//! Where everything stands: how many claims, files and items are in which state. Writes nothing.

use super::{Ledger, LedgerError};

/// One count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of what: `claims`, `files` or `items`.
    pub what: &'static str,
    /// In which state.
    pub state: String,
    /// In which currency, ISO 4217, three digits; none where several are mixed, as in files.
    pub currency: Option<String>,
    /// How many.
    pub count: i64,
    /// Minor units of the currency.
    pub amount: Option<i64>,
}

impl Ledger {
    /// All counts, claims first.
    pub fn status(&self) -> Result<Vec<Count>, LedgerError> {
        let mut counts = Vec::new();
        for (what, sql) in [
            ("claims", "SELECT state, currency, count(*), sum(amount) FROM claims GROUP BY 1, 2"),
            ("files", "SELECT state, NULL, count(*), NULL FROM files GROUP BY 1"),
            ("items", "SELECT state, currency, count(*), sum(amount) FROM items GROUP BY 1, 2"),
        ] {
            let mut ask = self.connection.prepare_cached(sql)?;
            let rows = ask.query_map([], |row| {
                Ok(Count {
                    what,
                    state: row.get(0)?,
                    currency: row.get(1)?,
                    count: row.get(2)?,
                    amount: row.get(3)?,
                })
            })?;
            for count in rows {
                counts.push(count?);
            }
        }
        Ok(counts)
    }
}
