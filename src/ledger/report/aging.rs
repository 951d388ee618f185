//! What waits for somebody, the oldest first: claims, chargebacks, suspense, exceptions, and authorizations that nobody claimed.

use super::proof::{Way, sum};
use super::{Ask, Out, day, days_before, exponent, minor, time};
use crate::clearing::{Cell, Column};
use crate::ledger::settlement::{currency, day_of};
use crate::ledger::{Ledger, LedgerError};

pub(super) const COLUMNS: &[Column] = &[
    "what", "number", "since", "due", "merchant", "issuer", "currency", "exponent", "amount",
    "reason", "detail", "flow",
];

/// Each with the columns `number, since (ms), since (day), due, merchant, issuer, currency, amount, reason, detail, whether money flows to
/// the card`.
const WAITING: &[(&str, &str)] = &[
    (
        "claim without authorization",
        "SELECT claim, received, NULL, NULL, claims.merchant, NULL, currency, amount, reason, claims.reference, op = 'refund'
        FROM claims JOIN submissions ON submissions.submission = claims.submission WHERE claims.state = 'pending' ORDER BY claim",
    ),
    (
        "chargeback",
        "SELECT item, NULL, day, due, merchant, issuer, currency, amount, reason, reference, 1 FROM items
        WHERE kind = 'chargeback' AND NOT EXISTS (SELECT 1 FROM items later WHERE later.about IN (items.item, items.about)
            AND later.kind = 'representment' AND later.item > items.item)
        ORDER BY ifnull(due, 99999999), item",
    ),
    (
        "in suspense",
        "SELECT item, NULL, day, NULL, merchant, issuer, currency, amount, reason, reference,
            refund <> EXISTS (SELECT 1 FROM items AS of WHERE of.item = items.about AND of.kind IN ('opposite', 'lowered'))
        FROM items WHERE kind = 'rejection' AND NOT EXISTS (SELECT 1 FROM items later WHERE later.about IN (items.item, items.about)
            AND later.kind IN ('again', 'given_up') AND later.item > items.item)
        ORDER BY item",
    ),
    (
        "for the next cut",
        "SELECT item, NULL, NULL, NULL, merchant, issuer, currency, amount, reason, kind, refund FROM items WHERE day IS NULL ORDER BY item",
    ),
    (
        "exception",
        "SELECT exception, opened, NULL, NULL, NULL, NULL, currency, amount, kind, detail, NULL FROM exceptions
        WHERE closed IS NULL ORDER BY opened, exception",
    ),
];

impl Ledger {
    /// As things stand now; the day is that up to which authorizations are looked at.
    pub(super) fn aging(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        for (what, sql) in WAITING {
            let mut ask_rows = self.connection.prepare_cached(sql)?;
            let mut rows = ask_rows.query([])?;
            while let Some(row) = rows.next()? {
                let (merchant, issuer): (Option<String>, Option<i64>) = (row.get(4)?, row.get(5)?);
                let of_merchant = ask.merchant.as_ref().is_none_or(|wanted| {
                    merchant.as_ref().is_some_and(|merchant| merchant.trim_end() == wanted)
                });
                let of_issuer = ask.issuer_number().is_none_or(|wanted| issuer == Some(wanted));
                if !of_merchant || !of_issuer {
                    continue;
                }
                let at: Option<i64> = row.get(1)?;
                let since = if at.is_some() { time(at) } else { day(row.get(2)?)? };
                let number: Option<String> = row.get(6)?;
                let money = number.as_deref().and_then(|number| currency(number).ok());
                let amount: Option<i64> = row.get(7)?;
                out.row(&[
                    (*what).into(),
                    Cell::Number(row.get(0)?),
                    since,
                    day(row.get(3)?)?,
                    merchant.into(),
                    issuer.map(|issuer| ask.issuer_name(issuer)).into(),
                    number.into(),
                    money.map_or(Cell::Nothing, exponent),
                    match (amount, money) {
                        (Some(amount), Some(money)) => minor(amount, money),
                        (amount, _) => amount.into(),
                    },
                    row.get::<_, Option<String>>(8)?.into(),
                    row.get::<_, Option<String>>(9)?.into(),
                    row.get::<_, Option<bool>>(10)?
                        .map_or(Cell::Nothing, |pays_card| Way::of(pays_card).word().into()),
                ])?;
            }
        }
        if ask.merchant.is_none() && ask.issuer.is_none() {
            self.unclaimed(ask, out)?;
        }
        Ok(())
    }

    /// Authorizations of the last days that nobody claimed, by day.
    fn unclaimed(&self, ask: &Ask, out: &mut Out) -> Result<(), LedgerError> {
        for back in (0..=ask.authorization_days).rev() {
            let date = days_before(ask.day, back);
            for ((money, way), fates) in self.fates(date, ask)? {
                for fate in fates.iter().filter(|fate| fate.word == "open" && fate.count > 0) {
                    out.row(&[
                        "authorizations without claim".into(),
                        fate.count.into(),
                        day(Some(day_of(date)))?,
                        day(Some(day_of(crate::iso::BusinessDate(
                            date.0 + ask.authorization_days,
                        ))))?,
                        Cell::Nothing,
                        Cell::Nothing,
                        money.map(|money| money.to_string()).into(),
                        money.map_or(Cell::Nothing, exponent),
                        sum(fate.amount, money),
                        Cell::Nothing,
                        Cell::Nothing,
                        way.word().into(),
                    ])?;
                }
            }
        }
        Ok(())
    }
}
