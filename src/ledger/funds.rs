//! What issuers paid: booked once for each of their references.

use rusqlite::OptionalExtension as _;

use super::settlement::{currency, date_of, day_of, link, rank};
use super::{Ledger, LedgerError};
use crate::iso::{Amount, BusinessDate, Wall};
use crate::record::LinkId;

/// Money that came, or went where it is less than nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fund {
    /// From whom.
    pub issuer: LinkId,
    /// How much.
    pub amount: Amount,
    /// On which day.
    pub day: BusinessDate,
    /// What the bank's statement calls it: once for each issuer.
    pub reference: String,
}

/// What is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// The number of its row.
    pub fund: i64,
    /// When it was booked.
    pub received: Wall,
    /// Whether that was before.
    pub before: bool,
}

/// What can be booked at once, minor units.
const FUND_MAX: u64 = 999_999_999_999_999;
/// What all funds of a currency may come to, in or out.
const FUNDS_MAX: f64 = 1e18;

impl Ledger {
    /// Books it. Again it is the same; another amount, currency or day under one reference is refused.
    pub fn book_funds(&mut self, fund: &Fund, now: Wall) -> Result<Booked, LedgerError> {
        let refused = |why: &str| Err(LedgerError::Refused(why.to_owned()));
        if fund.amount.minor == 0 {
            return refused("nothing was paid: the amount is 0");
        }
        let reference = fund.reference.trim();
        if reference.is_empty() || reference.len() > 140 || reference.contains(char::is_control) {
            return refused("the reference is one line of 1 to 140 characters");
        }
        let whole = self.connection.unchecked_transaction()?;
        let known = "SELECT fund, issuer, currency, amount, day, received FROM funds WHERE issuer = ? AND reference = ?";
        let known = whole
            .prepare_cached(known)?
            .query_row((fund.issuer.0, reference), |row| {
                let was: (i64, i64, String, i64, i64, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
                Ok(was)
            })
            .optional()?;
        if let Some((number, issuer, money, minor, day, received)) = known {
            let amount = Amount { minor, currency: currency(&money)? };
            let was = (link(issuer), amount, date_of(day)?);
            if was != (fund.issuer, fund.amount, fund.day) {
                return refused(&format!(
                    "{reference:?} was booked before, with {amount} on {}: it is another payment, or that one was wrong; \
                     put a wrong one right with the opposite amount under a reference of its own",
                    was.2
                ));
            }
            let received = Wall(u64::try_from(received).unwrap_or_default());
            return Ok(Booked { fund: number, received, before: true });
        }
        // What no sum could hold any more would keep every day from closing.
        let all = "SELECT total(abs(amount)) FROM funds WHERE currency = ?";
        let money = fund.amount.currency.to_string();
        let all: f64 = whole.prepare_cached(all)?.query_row([money], |row| row.get(0))?;
        if fund.amount.minor.unsigned_abs() > FUND_MAX || all > FUNDS_MAX {
            return refused(
                "that is more than can be booked: an amount has up to fifteen digits of minor units",
            );
        }
        let paid: i64 = whole
            .prepare_cached("SELECT ifnull(max(rank), 0) FROM settlements")?
            .query_row([], |row| row.get(0))?;
        let open = rank(fund.day, 0) > paid;
        let booked = if open { fund.day } else { date_of(paid / 1_000)?.next() };
        let add = "INSERT INTO funds (issuer, currency, amount, day, booked, reference, received) VALUES (?, ?, ?, ?, ?, ?, ?)";
        whole.prepare_cached(add)?.execute((
            fund.issuer.0,
            fund.amount.currency.to_string(),
            fund.amount.minor,
            day_of(fund.day),
            day_of(booked),
            reference,
            now.0.cast_signed(),
        ))?;
        let number = whole.last_insert_rowid();
        whole.commit()?;
        Ok(Booked { fund: number, received: now, before: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso::Currency;
    use crate::ledger::settlement::tests::{DAY, open};
    use crate::ledger::settlement::whole_day;

    #[test]
    fn a_payment_is_booked_once_and_never_otherwise() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        let currency = Currency::new(978).unwrap();
        let fund = Fund {
            issuer: LinkId(u32::MAX),
            amount: Amount { minor: 9_970, currency },
            day: DAY,
            reference: "STMT-1 ".to_owned(),
        };
        let first = ledger.book_funds(&fund, Wall(5)).unwrap();
        assert_eq!(first, Booked { fund: 1, received: Wall(5), before: false });
        drop(ledger);
        let mut ledger = open(place.path());
        let again = ledger.book_funds(&fund, Wall(9)).unwrap();
        assert_eq!(again, Booked { before: true, ..first });
        let other = Fund { amount: Amount { minor: 9_971, currency }, ..fund.clone() };
        let refused = ledger.book_funds(&other, Wall(9)).unwrap_err().to_string();
        assert!(
            refused.starts_with("\"STMT-1\" was booked before, with 99.70 978 on 2026-11-23"),
            "{refused}"
        );
        for wrong in [
            Fund { amount: Amount { minor: 0, currency }, ..fund.clone() },
            Fund { reference: " ".to_owned(), ..fund.clone() },
            Fund { reference: "a\nb".to_owned(), ..fund.clone() },
        ] {
            assert!(matches!(ledger.book_funds(&wrong, Wall(9)), Err(LedgerError::Refused(_))));
        }
        // The opposite puts it right, and another issuer may call its payment the same.
        let minor = -9_970;
        let (amount, reference) = (Amount { minor, currency }, "STMT-1 back".to_owned());
        ledger.book_funds(&Fund { amount, reference, ..fund.clone() }, Wall(9)).unwrap();
        ledger.book_funds(&Fund { issuer: LinkId(2), ..fund }, Wall(9)).unwrap();
        let sql = "SELECT account, party, sum(debit), sum(credit) FROM postings GROUP BY 1, 2 ORDER BY 1, 2 DESC";
        let mut ask = ledger.connection.prepare(sql).unwrap();
        let rows =
            ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let booked: Vec<(String, String, i64, i64)> = rows.unwrap().map(Result::unwrap).collect();
        let row = |account: &str, party: &str, debit, credit| {
            (account.to_owned(), party.to_owned(), debit, credit)
        };
        assert_eq!(
            booked,
            [
                row("issuer_receivable", "4294967295", 9_970, 9_970),
                row("issuer_receivable", "2", 0, 9_970),
                row("nostro", "", 19_940, 9_970),
            ]
        );
        ledger.close(whole_day(DAY)).unwrap();
        drop(ask);
        // Of a day that merchants were paid for nothing changes any more.
        let settle = "INSERT INTO settlements VALUES (20261123, 0, 20261123999, 1)";
        ledger.connection.execute(settle, ()).unwrap();
        let late = Fund {
            issuer: LinkId(2),
            amount: Amount { minor: 1, currency },
            day: DAY,
            reference: "late".to_owned(),
        };
        ledger.book_funds(&late, Wall(9)).unwrap();
        let booked = "SELECT booked FROM funds WHERE reference = 'late'";
        let booked = ledger.connection.query_row(booked, [], |row| row.get::<_, i64>(0));
        assert_eq!(booked, Ok(20_261_124));
    }

    #[test]
    fn what_no_sum_could_hold_is_not_booked() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        let currency = Currency::new(978).unwrap();
        let mut books = |minor: i64, reference: &str| {
            let (amount, reference) = (Amount { minor, currency }, reference.to_owned());
            ledger.book_funds(&Fund { issuer: LinkId(1), amount, day: DAY, reference }, Wall(9))
        };
        for minor in [i64::MIN, i64::MAX, 1_000_000_000_000_000, -1_000_000_000_000_000] {
            assert!(matches!(books(minor, "much"), Err(LedgerError::Refused(_))), "{minor}");
        }
        for number in 0..1_002 {
            let booked = books(999_999_999_999_999, &number.to_string());
            assert_eq!(booked.is_ok(), number < 1_001, "{number}: {booked:?}");
        }
        ledger.close(whole_day(DAY)).unwrap();
    }
}
