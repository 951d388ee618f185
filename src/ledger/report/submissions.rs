//! What became of the records of merchants' files: each is in one state, and the states add up to the file.

use super::{Ask, Out, exponent, minor, time};
use crate::books::Cut;
use crate::clearing::{Cell, Column};
use crate::ledger::settlement::currency;
use crate::ledger::{Ledger, LedgerError};

pub(super) const COLUMNS: &[Column] = &[
    "submission",
    "merchant",
    "reference",
    "received",
    "state",
    "currency",
    "exponent",
    "accepted",
    "accepted_amount",
    "warned",
    "warned_amount",
    "rejected",
    "rejected_amount",
    "duplicate",
    "duplicate_amount",
    "pending",
    "pending_amount",
    "records",
    "amount",
    "fault",
];

/// In the order of the columns.
const STATES: [&str; 5] = ["accepted", "warned", "rejected", "duplicate", "pending"];

impl Ledger {
    /// Of the files that were received on the business day. One that was refused as a whole has a line without records.
    pub(super) fn submissions(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let Some((after, until)) = self.received_on(ask)? else { return Ok(()) };
        let sum = |state: &str| {
            let filter = format!("FILTER (WHERE claims.state = '{state}')");
            format!("count(*) {filter}, ifnull(sum(amount) {filter}, 0)")
        };
        let sums = STATES.map(sum).join(", ");
        let sql = format!(
            "SELECT submissions.submission, submissions.merchant, submissions.reference, received,
                CASE submissions.state WHEN 'accepted' THEN 'taken' WHEN 'rejected' THEN 'refused' ELSE submissions.state END, fault, currency,
                count(claim), ifnull(sum(amount), 0), {sums}
            FROM submissions LEFT JOIN claims ON claim BETWEEN first AND last
            WHERE received > ?1 AND received <= ?2 AND (?3 IS NULL OR rtrim(submissions.merchant) = ?3)
            GROUP BY submissions.submission, currency ORDER BY submissions.submission, currency"
        );
        let mut ask_rows = self.connection.prepare_cached(&sql)?;
        let mut rows = ask_rows.query((after, until, &ask.merchant))?;
        while let Some(row) = rows.next()? {
            let number: Option<String> = row.get(6)?;
            let money = number.as_deref().and_then(|number| currency(number).ok());
            let reference: String = row.get(2)?;
            let (records, amount): (i64, i64) = (row.get(7)?, row.get(8)?);
            let mut cells = vec![
                Cell::Number(row.get(0)?),
                row.get::<_, Option<String>>(1)?.into(),
                reference.as_str().into(),
                time(row.get(3)?),
                row.get::<_, Option<String>>(4)?.into(),
                number.into(),
                money.map_or(Cell::Nothing, exponent),
            ];
            let sum = |amount| money.map_or(Cell::Number(amount), |money| minor(amount, money));
            let (mut counted, mut summed) = (0_i64, 0_i128);
            for at in 0..STATES.len() {
                let (count, of_state): (i64, i64) = (row.get(9 + 2 * at)?, row.get(10 + 2 * at)?);
                (counted, summed) = (counted + count, summed + i128::from(of_state));
                cells.extend([count.into(), sum(of_state)]);
            }
            if (counted, summed) != (records, i128::from(amount)) && records > 0 {
                return Err(LedgerError::Unbalanced(format!(
                    "of file {reference:?} {} of its records are in no state that is known",
                    records - counted
                )));
            }
            cells.extend([records.into(), sum(amount)]);
            cells.push(row.get::<_, Option<String>>(5)?.into());
            out.row(&cells)?;
        }
        Ok(())
    }

    /// After which moment and until which one a business day lasted, milliseconds since 1970: from one cut to the next, without end where
    /// its own is still to come. None of a day that never was.
    fn received_on(&self, ask: &Ask) -> Result<Option<(i64, i64)>, LedgerError> {
        let cuts = self.books.cuts()?;
        let at = |cut: &Cut| cut.at.0.cast_signed();
        let after = cuts.iter().rfind(|cut| cut.date < ask.day).map_or(i64::MIN, at);
        let own = cuts.iter().find(|cut| cut.date >= ask.day);
        Ok(match own {
            Some(cut) => (cut.date == ask.day).then(|| (after, at(cut))),
            None => (ask.day <= ask.today).then_some((after, i64::MAX)),
        })
    }
}
