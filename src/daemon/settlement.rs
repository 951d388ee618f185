//! What operators ask of settlement: payouts, funds that came, and reports.

use serde_json::{Value, json};

use super::control::Desk;
use crate::clearing::{self, Form};
use crate::iso::{Amount, BusinessDate, has_card};
use crate::ledger::{Ask, Fund, Held, Kind, Ledger, PaidFile, PaidOut, PayOut};
use crate::record::LinkId;

/// A report as somebody asks for it.
pub(super) struct Wanted<'a> {
    pub(super) kind: &'a str,
    pub(super) date: Option<&'a str>,
    pub(super) cycle: Option<u32>,
    pub(super) format: &'a str,
    pub(super) merchant: Option<String>,
    pub(super) issuer: Option<&'a str>,
}

impl Desk {
    pub(super) async fn pay_out(&self, date: &str, cycle: u32) -> Result<Vec<Value>, String> {
        let day = day(date)?;
        let (settling, fees) = self.days.settling();
        let now = self.core.clock().now().wall;
        let paid = self
            .ask_ledger(move |ledger| {
                let order = PayOut { day, cycle, settling: &settling, fees: &fees };
                ledger.pay_out(&order, now)
            })
            .await?;
        tracing::info!(%day, cycle, files = paid.files.len(), before = paid.before, "merchants are paid");
        Ok(told(day, cycle, &paid))
    }

    pub(super) async fn book_funds(
        &self,
        (issuer, amount, currency): (&str, &str, &str),
        (reference, date): (String, &str),
    ) -> Result<Vec<Value>, String> {
        let money = clearing::currency(currency).map_err(|fault| fault.to_string())?;
        let amount = clearing::from_decimal(amount, money)?;
        if has_card(&reference) {
            return Err(String::from(
                "the reference has a card number in it, which nothing here may keep",
            ));
        }
        let fund = Fund { issuer: self.issuer(issuer)?, amount, day: day(date)?, reference };
        let now = self.core.clock().now().wall;
        let (name, of) = (issuer.to_owned(), fund.clone());
        let booked = self.ask_ledger(move |ledger| ledger.book_funds(&of, now)).await?;
        tracing::info!(issuer = name, amount = %fund.amount, "audit: funds of an issuer are booked");
        Ok(vec![json!({
            "ok": true, "fund": booked.fund, "issuer": name, "amount": fund.amount.minor,
            "currency": money.to_string(), "date": fund.day.to_string(), "reference": fund.reference.trim(),
            "booked": booked.received.to_string(), "before": booked.before,
        })])
    }

    pub(super) async fn report(&self, wanted: Wanted<'_>) -> Result<Vec<Value>, String> {
        let kind = chosen("report", wanted.kind, &Kind::ALL)?;
        let form = chosen("format", wanted.format, &Form::ALL)?;
        let issuer = wanted.issuer.map(|name| self.issuer(name)).transpose()?;
        let today = self.core.day().date;
        let of_day = wanted.date.map_or(Ok(today), day)?;
        let ask = Ask {
            kind,
            day: of_day,
            cycle: wanted.cycle,
            merchant: wanted.merchant.map(|merchant| merchant.trim_end().to_owned()),
            issuer,
            form,
            names: self.days.issuer_names(),
            today,
            authorization_days: self.days.settling().0.authorization_days,
        };
        let directory = self.days.reports();
        let write = move |ledger: &mut Ledger| {
            ledger.index()?;
            ledger.report(&ask, &directory)
        };
        let written = self.ask_ledger(write).await?;
        Ok(vec![json!({
            "ok": true, "report": wanted.kind, "date": of_day.to_string(), "path": written.path.display().to_string(),
            "rows": written.rows,
        })])
    }

    /// A link by its name, or by the one that it has in clearing.
    fn issuer(&self, name: &str) -> Result<LinkId, String> {
        let names = self.days.issuer_names();
        let own = Some(LinkId::of_name(name)).filter(|link| names.contains_key(link));
        let other = || names.iter().find(|(_, other)| *other == name).map(|(link, _)| *link);
        own.or_else(other).ok_or_else(|| {
            let names: Vec<&str> = names.values().map(String::as_str).collect();
            format!("there is no link {name:?}; there are: {}", names.join(", "))
        })
    }
}

fn day(text: &str) -> Result<BusinessDate, String> {
    BusinessDate::from_text(text).map_err(|fault| fault.to_string())
}

fn chosen<T: Copy>(what: &str, word: &str, all: &[(&str, T)]) -> Result<T, String> {
    let found = all.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|(word, _)| *word).collect();
        format!("there is no {what} {word:?}; there are: {}", words.join(", "))
    })
}

/// A line for each file, and for what was not paid.
fn told(day: BusinessDate, cycle: u32, paid: &PaidOut) -> Vec<Value> {
    let mut lines = Vec::new();
    for PaidFile { name, currency, value, count, amount } in &paid.files {
        lines.push(json!({
            "file": name, "currency": currency.to_string(), "value_date": value.to_string(), "payments": count,
            "amount": amount, "sum": Amount { minor: *amount, currency: *currency }.to_string(),
        }));
    }
    for Held { merchant, currency, amount, why } in &paid.held {
        lines.push(json!({
            "not_paid": merchant, "currency": currency.to_string(), "amount": amount, "why": why,
        }));
    }
    let shown = u64::try_from(paid.held.len()).unwrap_or(u64::MAX);
    lines.push(json!({
        "ok": true, "date": day.to_string(), "cycle": cycle, "made": paid.made.to_string(), "before": paid.before,
        "files": paid.files.len(), "not_paid": paid.held_total, "not_shown": paid.held_total.saturating_sub(shown),
    }));
    lines
}
