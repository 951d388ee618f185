//! Sums of a day: positions, debits and credits, fees. Each ends with a total that is counted apart.

use std::collections::BTreeMap;

use super::{Ask, Out, exponent, minor};
use crate::clearing::{Cell, Column};
use crate::iso::Currency;
use crate::ledger::settlement::{Party, WITHIN, currency};
use crate::ledger::{Ledger, LedgerError};

pub(super) const POSITIONS: &[Column] =
    &["party", "name", "currency", "exponent", "gross", "fees", "net"];

pub(super) const TRIAL: &[Column] =
    &["account", "currency", "exponent", "debit", "credit", "balance"];

pub(super) const FEES: &[Column] = &[
    "merchant",
    "issuer",
    "currency",
    "exponent",
    "count",
    "gross",
    "discount",
    "interchange",
    "scheme",
    "margin",
];

impl Ledger {
    /// What each party gets; less than nothing is owed by it. The total is nothing.
    pub(super) fn position_lines(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let mut totals: BTreeMap<Currency, [i128; 2]> = BTreeMap::new();
        let issuer = ask.issuer_number().map(|issuer| issuer.to_string());
        let write = |out: &mut Out, party: &str, name: &str, currency, [gross, fees]: [i128; 2]| {
            out.row(&[
                party.into(),
                name.into(),
                Currency::to_string(&currency).as_str().into(),
                exponent(currency),
                Cell::Minor(gross, currency),
                Cell::Minor(fees, currency),
                Cell::Minor(gross + fees, currency),
            ])
        };
        self.positions(ask.span(), &mut |position| {
            let sums = [position.gross.into(), position.fees.into()];
            for (total, sum) in totals.entry(position.currency).or_default().iter_mut().zip(sums) {
                *total += sum;
            }
            let other = |party: Party, wanted: &Option<String>, name: &str| {
                wanted.as_ref().is_some_and(|wanted| position.party != party || wanted != name)
            };
            if other(Party::Issuer, &issuer, &position.name)
                || other(Party::Merchant, &ask.merchant, position.name.trim_end())
            {
                return Ok(());
            }
            let name = match position.party {
                Party::Issuer => ask.issuer_name(position.name.parse().unwrap_or_default()),
                _ => position.name,
            };
            write(out, position.party.word(), &name, position.currency, sums)
        })?;
        if issuer.is_none() && ask.merchant.is_none() {
            for (currency, sums) in totals {
                write(out, "total", "", currency, sums)?;
            }
        }
        Ok(())
    }

    /// What was booked on each account on the day.
    pub(super) fn trial(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT account, currency, sum(debit), sum(credit) FROM postings WHERE {WITHIN} GROUP BY currency, account
            ORDER BY currency, account"
        );
        let mut ask_rows = self.connection.prepare_cached(&sql)?;
        let mut rows = ask_rows.query(ask.span())?;
        let mut totals: BTreeMap<Currency, [i128; 2]> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let (account, number): (String, String) = (row.get(0)?, row.get(1)?);
            let money = currency(&number)?;
            let sums: [i64; 2] = [row.get(2)?, row.get(3)?];
            for (total, sum) in totals.entry(money).or_default().iter_mut().zip(sums) {
                *total += i128::from(sum);
            }
            out.row(&booked(&account, money, sums.map(i128::from)))?;
        }
        for (money, sums) in totals {
            out.row(&booked("total", money, sums))?;
        }
        Ok(())
    }

    /// Fees by merchant and issuer. The lines add up to what was booked, or there is no report.
    pub(super) fn fee_lines(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let (from, to) = ask.span();
        let filter = "(?3 IS NULL OR rtrim(merchant) = ?3) AND (?4 IS NULL OR issuer = ?4)";
        let sql = format!(
            "SELECT merchant, issuer, currency, count(*), sum(CASE WHEN kind IN ('again', 'rejection') THEN 0 ELSE gross END),
                sum(discount), sum(interchange), sum(scheme)
            FROM signed WHERE {WITHIN} AND {filter} GROUP BY currency, merchant, issuer ORDER BY currency, merchant, issuer"
        );
        let mut ask_rows = self.connection.prepare_cached(&sql)?;
        let mut rows = ask_rows.query((from, to, &ask.merchant, ask.issuer_number()))?;
        let mut totals: BTreeMap<Currency, [i64; 5]> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let number: String = row.get(2)?;
            let money = currency(&number)?;
            let sums: [i64; 5] = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?];
            for (total, sum) in totals.entry(money).or_default().iter_mut().zip(sums) {
                let added = total.checked_add(sum);
                *total = added
                    .ok_or_else(|| LedgerError::Unbalanced("a sum of fees overflows".to_owned()))?;
            }
            let merchant: String = row.get(0)?;
            out.row(&paid(&merchant, &ask.issuer_name(row.get(1)?), money, sums))?;
        }
        for (money, sums) in &totals {
            out.row(&paid("total", "", *money, *sums))?;
        }
        if ask.merchant.is_none() && ask.issuer.is_none() {
            self.booked_fees(ask, &totals)?;
        }
        Ok(())
    }

    /// The accounts of fees hold what the lines say.
    fn booked_fees(
        &self,
        ask: &Ask,
        totals: &BTreeMap<Currency, [i64; 5]>,
    ) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT ifnull(sum(CASE account WHEN 'fee_income' THEN credit - debit END), 0),
                ifnull(sum(CASE account WHEN 'interchange_expense' THEN debit - credit END), 0),
                ifnull(sum(CASE account WHEN 'scheme_expense' THEN debit - credit END), 0)
            FROM postings WHERE {WITHIN} AND currency = ?3"
        );
        let mut ask_sums = self.connection.prepare_cached(&sql)?;
        let (from, to) = ask.span();
        for (money, [_, _, lines @ ..]) in totals {
            let booked: [i64; 3] = ask_sums.query_row((from, to, money.to_string()), |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?])
            })?;
            if booked != *lines {
                return Err(LedgerError::Unbalanced(format!(
                    "the lines have fees of {lines:?} in currency {money}, and the accounts {booked:?}"
                )));
            }
        }
        Ok(())
    }
}

fn booked(account: &str, currency: Currency, [debit, credit]: [i128; 2]) -> [Cell; 6] {
    [
        account.into(),
        currency.to_string().as_str().into(),
        exponent(currency),
        Cell::Minor(debit, currency),
        Cell::Minor(credit, currency),
        Cell::Minor(debit - credit, currency),
    ]
}

fn paid(merchant: &str, issuer: &str, currency: Currency, sums: [i64; 5]) -> [Cell; 10] {
    let [count, gross, discount, interchange, scheme] = sums;
    let margin = i128::from(discount) - i128::from(interchange) - i128::from(scheme);
    [
        merchant.into(),
        issuer.into(),
        currency.to_string().as_str().into(),
        exponent(currency),
        count.into(),
        minor(gross, currency),
        minor(discount, currency),
        minor(interchange, currency),
        minor(scheme, currency),
        Cell::Minor(margin, currency),
    ]
}
