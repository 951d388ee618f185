//! Where everything stands: how many claims, files and items are in which state. Writes nothing.

use super::{Ledger, LedgerError};

/// One count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Of what: `claims`, `files` or `items`.
    pub what: &'static str,
    /// Of which kind: what records of merchants do, `capture` or `refund`; what items are, `presentment` or `chargeback`. None of files.
    pub kind: Option<String>,
    /// Whether they are refunds, or items about one.
    pub refund: bool,
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
            (
                "claims",
                "SELECT op, op = 'refund', state, currency, count(*), sum(amount) FROM claims GROUP BY 1, 2, 3, 4",
            ),
            ("files", "SELECT NULL, 0, state, NULL, count(*), NULL FROM files GROUP BY 3"),
            (
                "items",
                "SELECT kind, refund, state, currency, count(*), sum(amount) FROM items GROUP BY 1, 2, 3, 4",
            ),
        ] {
            let mut ask = self.connection.prepare_cached(sql)?;
            let rows = ask.query_map([], |row| {
                Ok(Count {
                    what,
                    kind: row.get(0)?,
                    refund: row.get(1)?,
                    state: row.get(2)?,
                    currency: row.get(3)?,
                    count: row.get(4)?,
                    amount: row.get(5)?,
                })
            })?;
            for count in rows {
                counts.push(count?);
            }
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::books::Books;
    use crate::seal::Keys;

    #[test]
    fn what_is_there_is_counted_by_state_and_survives_another_opening() {
        let place = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::new(&[7; 32]));
        drop(Books::open(place.path(), Arc::clone(&keys)).unwrap());
        let ledger = Ledger::open(place.path(), Arc::clone(&keys)).unwrap();
        assert_eq!(ledger.status().unwrap(), []);
        let insert = "INSERT INTO items (kind, issuer, merchant, amount, currency, refund, state)
            VALUES ('presentment', 1, 'SHOP', ?, ?, ?, 'waiting')";
        for (amount, currency, refund) in
            [(1_000, "978", false), (250, "978", false), (40, "978", true), (7, "392", false)]
        {
            ledger.connection.execute(insert, (amount, currency, refund)).unwrap();
        }
        let claim = "INSERT INTO claims (submission, seq, place, merchant, op, reference, amount, currency, final, tip, digest, state)
            VALUES (1, 2, 2, 'SHOP', 'refund', 'r-1', 5, '978', 1, 0, x'00', 'accepted')";
        ledger.connection.execute(claim, []).unwrap();
        drop(ledger);
        let counts = Ledger::open(place.path(), keys).unwrap().status().unwrap();
        let of = |currency: &str, refund, count, amount| Count {
            what: "items",
            kind: Some("presentment".to_owned()),
            refund,
            state: "waiting".to_owned(),
            currency: Some(currency.to_owned()),
            count,
            amount: Some(amount),
        };
        let (what, kind, state) = ("claims", Some("refund".to_owned()), "accepted".to_owned());
        let claim = Count { what, kind, state, ..of("978", true, 1, 5) };
        let items = [of("392", false, 1, 7), of("978", false, 2, 1_250), of("978", true, 1, 40)];
        assert_eq!(counts, [claim].into_iter().chain(items).collect::<Vec<_>>());
    }
}
