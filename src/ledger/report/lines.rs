//! Line by line: what was claimed with its fees, and what went out to issuers.

use super::{Ask, Out, day, exponent, minor, time};
use crate::clearing::{Cell, Column};
use crate::iso::Pan;
use crate::ledger::settlement::{LAST, WITHIN, currency, day_of};
use crate::ledger::{Ledger, LedgerError};

pub(super) const DETAILS: &[Column] = &[
    "item",
    "kind",
    "about",
    "merchant",
    "terminal",
    "card",
    "rrn",
    "approval",
    "arn",
    "mcc",
    "issuer",
    "currency",
    "exponent",
    "gross",
    "discount",
    "interchange",
    "scheme",
    "net",
    "cycle",
    "file",
    "number",
    "state",
    "reason",
    "transaction",
    "claim",
    "fees",
];

pub(super) const FILES: &[Column] = &[
    "day", "cycle", "issuer", "currency", "exponent", "sequence", "file_id", "name", "format",
    "records", "checksum", "items", "amount", "state", "written", "answered",
];

impl Ledger {
    /// `gross` is what the merchant gets of a line, `net` what is left of it after the discount; what waits in suspense is nobody's.
    pub(super) fn details(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let (from, to) = ask.span();
        let sql = format!(
            "SELECT item, kind, about, merchant, terminal, card, rrn, approval, reference, mcc, issuer, currency,
                CASE WHEN kind IN ('again', 'rejection') THEN 0 ELSE gross END, discount, interchange, scheme, cycle,
                (SELECT name FROM files WHERE files.file = signed.file), number, state, reason, txn, claim, exact
            FROM signed WHERE {WITHIN} AND (?3 IS NULL OR rtrim(merchant) = ?3) AND (?4 IS NULL OR issuer = ?4) ORDER BY item"
        );
        let mut ask_rows = self.connection.prepare_cached(&sql)?;
        let mut rows = ask_rows.query((from, to, &ask.merchant, ask.issuer_number()))?;
        while let Some(row) = rows.next()? {
            let number: String = row.get(11)?;
            let money = currency(&number)?;
            let text = |at| Ok::<Cell, LedgerError>(row.get::<_, Option<String>>(at)?.into());
            let whole = |at| Ok::<Cell, LedgerError>(row.get::<_, Option<i64>>(at)?.into());
            let amount = |at| Ok::<Cell, LedgerError>(minor(row.get(at)?, money));
            let (gross, discount): (i64, i64) = (row.get(12)?, row.get(13)?);
            out.row(&[
                whole(0)?,
                text(1)?,
                whole(2)?,
                text(3)?,
                text(4)?,
                masked(row.get(5)?).into(),
                text(6)?,
                text(7)?,
                text(8)?,
                text(9)?,
                ask.issuer_name(row.get(10)?).as_str().into(),
                number.as_str().into(),
                exponent(money),
                amount(12)?,
                amount(13)?,
                amount(14)?,
                amount(15)?,
                Cell::Minor(i128::from(gross) - i128::from(discount), money),
                whole(16)?,
                text(17)?,
                whole(18)?,
                text(19)?,
                text(20)?,
                whole(21)?,
                whole(22)?,
                text(23)?,
            ])?;
        }
        Ok(())
    }

    pub(super) fn file_log(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        let sql = "SELECT day, cycle, issuer, currency, sequence, file_id, name, format, records, checksum,
                (SELECT count(*) FROM items WHERE items.file = files.file),
                (SELECT ifnull(sum(amount), 0) FROM items WHERE items.file = files.file), state, written, answered
            FROM files WHERE day = ?1 AND (?2 IS NULL OR issuer = ?2) AND (?4 IS NULL OR cycle = ?4)
            ORDER BY CASE cycle WHEN 0 THEN ?3 ELSE cycle END, sequence";
        let mut ask_rows = self.connection.prepare_cached(sql)?;
        let mut rows = ask_rows.query((day_of(ask.day), ask.issuer_number(), LAST, ask.cycle))?;
        while let Some(row) = rows.next()? {
            let number: String = row.get(3)?;
            // A file may hold several currencies: then its sums have none.
            let money = currency(&number).ok();
            let text = |at| Ok::<Cell, LedgerError>(row.get::<_, Option<String>>(at)?.into());
            let whole = |at| Ok::<Cell, LedgerError>(row.get::<_, Option<i64>>(at)?.into());
            let sum = |at| {
                let sum: Option<i64> = row.get(at)?;
                let cell =
                    sum.map(|sum| money.map_or(Cell::Number(sum), |money| minor(sum, money)));
                Ok::<Cell, LedgerError>(cell.unwrap_or(Cell::Nothing))
            };
            out.row(&[
                day(row.get(0)?)?,
                whole(1)?,
                ask.issuer_name(row.get(2)?).as_str().into(),
                number.as_str().into(),
                money.map_or(Cell::Nothing, exponent),
                whole(4)?,
                text(5)?,
                text(6)?,
                text(7)?,
                whole(8)?,
                sum(9)?,
                whole(10)?,
                sum(11)?,
                text(12)?,
                time(row.get(13)?),
                time(row.get(14)?),
            ])?;
        }
        Ok(())
    }
}

/// A card as rows have it is masked; should one ever not be, it is masked here.
fn masked(card: Option<String>) -> Option<String> {
    let card = card?;
    let clear = Pan::new(card.as_bytes()).ok();
    Some(clear.map_or(card, |pan| pan.masked().to_string()))
}
