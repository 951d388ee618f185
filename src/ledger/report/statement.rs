//! What a merchant had, what came, what was paid, and what is left: opening and movements are closing, or there is no statement.

use super::{Ask, Out, exponent, minor};
use crate::clearing::{Cell, Column};
use crate::iso::Currency;
use crate::ledger::settlement::{currency, whole_day};
use crate::ledger::{Ledger, LedgerError};

pub(super) const COLUMNS: &[Column] =
    &["merchant", "currency", "exponent", "line", "count", "amount"];

/// The account of one merchant in one currency while its lines are read.
struct Account {
    merchant: String,
    currency: Currency,
    sum: i64,
}

impl Ledger {
    pub(super) fn statement(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let (from, to) = whole_day(ask.day);
        let settled = self.last_settlement(0, from)?;
        // Where merchants were paid at the end of the day, what was left was written down.
        let checked = self.last_settlement(from, to)?.filter(|rank| *rank == to);
        let sql = "SELECT currency, party, line, count(*), sum(amount) FROM (
                SELECT currency, merchant AS party, 0 AS place, 'opening' AS line, amount FROM balances WHERE rank = ?1
                UNION ALL
                SELECT currency, party, CASE WHEN rank <= ?2 THEN 0 WHEN event = 'payout' THEN 9 WHEN part <> 'gross' THEN 8 ELSE 1 END,
                    CASE WHEN rank <= ?2 THEN 'opening' WHEN part <> 'gross' THEN part
                        WHEN event = 'presentment' AND credit < debit THEN 'refund' ELSE event END,
                    credit - debit
                FROM postings WHERE account = 'merchant_payable' AND day BETWEEN ?1 / 1000 AND ?3 / 1000 AND rank > ?1 AND rank <= ?3
            ) WHERE (?4 IS NULL OR rtrim(party) = ?4) GROUP BY currency, party, place, line ORDER BY currency, party, place, line";
        let mut ask_rows = self.connection.prepare_cached(sql)?;
        let mut rows = ask_rows.query((settled.unwrap_or(0), from, to, &ask.merchant))?;
        let mut account: Option<Account> = None;
        while let Some(row) = rows.next()? {
            let (number, merchant, line): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let (count, amount): (i64, i64) = (row.get(3)?, row.get(4)?);
            let money = currency(&number)?;
            let same = account
                .as_ref()
                .is_some_and(|account| account.merchant == merchant && account.currency == money);
            if !same {
                self.end_statement(account.take(), checked, out)?;
                if line != "opening" {
                    out.row(&cells(&merchant, money, ("opening", 0, 0)))?;
                }
            }
            let so_far = account.as_ref().map_or(0, |account| account.sum);
            let sum = so_far.checked_add(amount).ok_or_else(|| overflow(&merchant))?;
            let count = if line == "opening" { 0 } else { count };
            out.row(&cells(&merchant, money, (&line, count, amount)))?;
            account = Some(Account { merchant, currency: money, sum });
        }
        self.end_statement(account, checked, out)
    }

    fn end_statement(
        &self,
        account: Option<Account>,
        checked: Option<i64>,
        out: &mut Out,
    ) -> Result<(), LedgerError> {
        let Some(Account { merchant, currency, sum }) = account else { return Ok(()) };
        if let Some(rank) = checked {
            let sql = "SELECT ifnull((SELECT amount FROM balances WHERE rank = ? AND currency = ? AND merchant = ?), 0)";
            let mut ask = self.connection.prepare_cached(sql)?;
            let left: i64 =
                ask.query_row((rank, currency.to_string(), &merchant), |row| row.get(0))?;
            if left != sum {
                return Err(LedgerError::Unbalanced(format!(
                    "opening and movements of {merchant} are {sum} in currency {currency}, and {left} was left when it was paid"
                )));
            }
        }
        out.row(&cells(&merchant, currency, ("closing", 0, sum)))
    }

    /// The last moment of a span at which merchants were paid.
    fn last_settlement(&self, from: i64, to: i64) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT max(rank) FROM settlements WHERE rank > ? AND rank <= ?";
        Ok(self.connection.prepare_cached(sql)?.query_row([from, to], |row| row.get(0))?)
    }
}

fn cells(merchant: &str, currency: Currency, (line, count, amount): (&str, i64, i64)) -> [Cell; 6] {
    let count = if matches!(line, "opening" | "closing") { None } else { Some(count) };
    [
        merchant.into(),
        currency.to_string().as_str().into(),
        exponent(currency),
        line.into(),
        count.into(),
        minor(amount, currency),
    ]
}

fn overflow(merchant: &str) -> LedgerError {
    LedgerError::Unbalanced(format!("the sum of {merchant} overflows"))
}
