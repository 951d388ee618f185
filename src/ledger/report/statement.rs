//! What a merchant has to get, or an issuer owes: opening and movements are closing, or there is no statement.

use super::{Ask, Out, exponent, minor};
use crate::clearing::{Cell, Column};
use crate::iso::Currency;
use crate::ledger::settlement::currency;
use crate::ledger::{Ledger, LedgerError};

pub(super) const MERCHANT: &[Column] =
    &["merchant", "currency", "exponent", "line", "count", "amount"];

pub(super) const ISSUER: &[Column] = &["issuer", "currency", "exponent", "line", "count", "amount"];

/// Whose accounts are told, and where what was left at payouts was written down.
pub(super) struct Side {
    account: &'static str,
    left: &'static str,
    party: &'static str,
    amount: &'static str,
    is_issuer: bool,
}

/// Of merchants: what they have to get.
pub(super) const OF_MERCHANT: Side = Side {
    account: "merchant_payable",
    left: "balances",
    party: "merchant",
    amount: "credit - debit",
    is_issuer: false,
};

/// Of issuers: what they owe.
pub(super) const OF_ISSUER: Side = Side {
    account: "issuer_receivable",
    left: "receivables",
    party: "issuer",
    amount: "debit - credit",
    is_issuer: true,
};

/// One account in one currency while its lines are read.
struct Account {
    party: String,
    currency: Currency,
    sum: i64,
}

impl Side {
    /// Each line of each account, the opening first. Parameters: the last payout before the span, the span, and whose.
    fn lines(&self) -> String {
        let Self { account, left, party, amount, .. } = self;
        format!(
            "SELECT currency, party, line, count(*), sum(amount) FROM (
                SELECT currency, {party} AS party, 0 AS place, 'opening' AS line, amount FROM {left} WHERE rank = ?1
                UNION ALL
                SELECT currency, party,
                    CASE WHEN rank <= ?2 THEN 0 WHEN source <> 'item' THEN 9 WHEN part <> 'gross' THEN 8 ELSE 1 END,
                    CASE WHEN rank <= ?2 THEN 'opening' WHEN part <> 'gross' THEN part
                        WHEN event = 'presentment' AND {amount} < 0 THEN 'refund' ELSE event END,
                    {amount}
                FROM postings WHERE account = '{account}' AND day BETWEEN ?1 / 1000 AND ?3 / 1000 AND rank > ?1 AND rank <= ?3
            ) WHERE (?4 IS NULL OR rtrim(party) = ?4) GROUP BY currency, party, place, line ORDER BY currency, party, place, line"
        )
    }

    fn cells(
        &self,
        ask: &Ask,
        account: &Account,
        (line, count, amount): (&str, i64, i64),
    ) -> [Cell; 6] {
        let Account { party, currency, .. } = account;
        let name = if self.is_issuer {
            ask.issuer_name(party.parse().unwrap_or_default())
        } else {
            party.clone()
        };
        let count = if matches!(line, "opening" | "closing") { None } else { Some(count) };
        [
            Cell::Text(name),
            currency.to_string().as_str().into(),
            exponent(*currency),
            line.into(),
            count.into(),
            minor(amount, *currency),
        ]
    }
}

impl Ledger {
    pub(super) fn statement(
        &self,
        ask: &Ask,
        side: &Side,
        out: &mut Out,
    ) -> Result<(), LedgerError> {
        let (from, to) = ask.span();
        let settled = self.last_settlement(0, from)?;
        // Where merchants were paid at the end of the span, what was left was written down.
        let checked = self.last_settlement(from, to)?.filter(|rank| *rank == to);
        let whose = if side.is_issuer {
            ask.issuer_number().map(|issuer| issuer.to_string())
        } else {
            ask.merchant.clone()
        };
        let mut ask_rows = self.connection.prepare_cached(&side.lines())?;
        let mut rows = ask_rows.query((settled.unwrap_or(0), from, to, whose))?;
        let mut account: Option<Account> = None;
        while let Some(row) = rows.next()? {
            let (number, party, line): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let (count, amount): (i64, i64) = (row.get(3)?, row.get(4)?);
            let currency = currency(&number)?;
            let same = |account: &Account| account.party == party && account.currency == currency;
            let mut now = match account.take() {
                Some(account) if same(&account) => account,
                before => {
                    self.end_statement(ask, (side, before), (checked, &mut *out))?;
                    let fresh = Account { party, currency, sum: 0 };
                    if line != "opening" {
                        out.row(&side.cells(ask, &fresh, ("opening", 0, 0)))?;
                    }
                    fresh
                }
            };
            now.sum = now.sum.checked_add(amount).ok_or_else(|| overflow(&now.party))?;
            out.row(&side.cells(ask, &now, (&line, count, amount)))?;
            account = Some(now);
        }
        self.end_statement(ask, (side, account), (checked, out))
    }

    fn end_statement(
        &self,
        ask: &Ask,
        (side, account): (&Side, Option<Account>),
        (checked, out): (Option<i64>, &mut Out),
    ) -> Result<(), LedgerError> {
        let Some(account) = account else { return Ok(()) };
        let Account { party, currency, sum } = &account;
        if let Some(rank) = checked {
            let sql = format!(
                "SELECT ifnull((SELECT amount FROM {} WHERE rank = ? AND currency = ? AND {} = ?), 0)",
                side.left, side.party
            );
            let mut ask = self.connection.prepare_cached(&sql)?;
            let left: i64 = ask.query_row((rank, currency.to_string(), party), |row| row.get(0))?;
            if left != *sum {
                return Err(LedgerError::Unbalanced(format!(
                    "opening and movements of {party} are {sum} in currency {currency}, and {left} was left at the payout"
                )));
            }
        }
        out.row(&side.cells(ask, &account, ("closing", 0, *sum)))
    }

    /// The last moment of a span at which merchants were paid.
    fn last_settlement(&self, from: i64, to: i64) -> Result<Option<i64>, LedgerError> {
        let sql = "SELECT max(rank) FROM settlements WHERE rank > ? AND rank <= ?";
        Ok(self.connection.prepare_cached(sql)?.query_row([from, to], |row| row.get(0))?)
    }
}

fn overflow(party: &str) -> LedgerError {
    LedgerError::Unbalanced(format!("the sum of {party} overflows"))
}
