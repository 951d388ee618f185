//! In the offices: merchants' files are handed in, and the operator cuts, pays and reports. Every order is written down before
//! it is given.

use std::ffi::OsString;

use serde::Serialize;
use serde_json::Value;

use crate::iso::{Amount, Currency};
use crate::sim::SimError;
use crate::sim::clock::wall;

use super::Play;
use super::cast::{self, Trade};
use super::till::{Money, Paid, Worth};

/// A record of a merchant's file.
pub(super) struct Record<'a> {
    /// `capture` or `refund`.
    pub(super) op: &'static str,
    /// The merchant's own name for it.
    pub(super) reference: &'static str,
    /// Of a refund, the name of what it gives back.
    pub(super) original: &'static str,
    /// What was authorized.
    pub(super) paid: Option<&'a Paid>,
    pub(super) money: Money,
    pub(super) tip: u64,
    /// Whether more captures follow.
    pub(super) more: bool,
    /// What becomes of it.
    pub(super) comes: &'static str,
}

impl<'a> Record<'a> {
    /// A capture that is accepted, the only one of what was authorized.
    pub(super) const fn capture(reference: &'static str, paid: &'a Paid, money: Money) -> Self {
        let (op, comes, original) = ("capture", "accepted", "");
        Self { op, reference, original, paid: Some(paid), money, tip: 0, more: false, comes }
    }

    /// A refund of what was captured.
    pub(super) const fn refund(
        reference: &'static str,
        original: &'static str,
        money: Money,
    ) -> Self {
        let (op, comes) = ("refund", "accepted");
        Self { op, reference, original, paid: None, money, tip: 0, more: false, comes }
    }
}

/// A line of the operator's own log.
#[derive(Serialize)]
struct Order<'a> {
    /// `submit`, `cut`, `receive`, `represent` or `pay_out`.
    what: &'a str,
    /// The day, the file or the item that it is about.
    about: &'a str,
    /// The merchant or issuer whose file it is, or which presentment: `again` or `representment`.
    of: &'a str,
    /// Element 37 of what is presented once more.
    rrn: &'a str,
    /// Minor units of what is presented once more.
    amount: u64,
    at: String,
}

impl Play<'_, '_> {
    /// Writes an order down.
    pub(super) fn orders(
        &self,
        (what, about, of): (&str, &str, &str),
        (rrn, amount): (&str, u64),
    ) -> Result<(), SimError> {
        self.cast.orders.write(&[Order { what, about, of, rrn, amount, at: wall().to_string() }])
    }

    /// A command of ours that answers in lines; its exit code is for the caller.
    pub(super) fn command(
        &self,
        arguments: &[&str],
    ) -> Result<(Option<i32>, Vec<Value>), SimError> {
        let mut all: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        all.extend([OsString::from("--state"), self.cast.switch.state().into_os_string()]);
        let output = self.cast.switch.command(&all)?;
        let lines = String::from_utf8_lossy(&output.stdout);
        let lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok((output.status.code(), lines))
    }

    /// A merchant hands a file in, and hears what became of each record.
    pub(super) fn submits(
        &mut self,
        trade: &Trade,
        id: &str,
        records: &[Record<'_>],
    ) -> Result<(), SimError> {
        let name = format!("merchants/{id}.csv");
        let path = self.cast.place(&name);
        cast::write(&path, capture_file(trade, id, records).as_bytes())?;
        self.orders(("submit", &name, trade.merchant), ("", 0))?;
        let shown = path.display().to_string();
        let (code, lines) = self.command(&["clearing", "submit", "--json", &shown])?;
        let bad = records.iter().filter(|record| record.comes.starts_with("rejected")).count();
        if code != Some(if bad == 0 { 0 } else { 65 }) {
            self.faults.push(format!("{name} was handed in with exit code {code:?}"));
        }
        let told: Vec<&Value> = lines
            .iter()
            .filter(|line| line.get("type").and_then(Value::as_str) == Some("record"))
            .collect();
        self.voice.say(format_args!("  {name} of {}:", trade.name))?;
        for (at, record) in records.iter().enumerate() {
            let text = |key| {
                let value = told.get(at).and_then(|line| line.get(key)?.as_str());
                value.unwrap_or_default()
            };
            let came = format!("{} {}", text("state"), text("reason")).trim_end().to_owned();
            if came != record.comes {
                self.faults.push(format!("{name} {}: {came:?}", record.reference));
            }
            let why = match text("expected") {
                "" => String::new(),
                expected => format!(" (expected {expected}, got {})", text("got")),
            };
            self.voice.say(format_args!(
                "    {:<8} {:<10} {:>12}  {came}{why}  ref:{}/{}",
                record.op,
                record.reference,
                record.money.to_string(),
                trade.merchant,
                record.reference
            ))?;
            self.told.push(format!("ref:{}/{}", trade.merchant, record.reference));
        }
        Ok(())
    }

    /// The day ends: its files and positions. Tells each line of it.
    pub(super) fn cuts(&mut self) -> Result<(), SimError> {
        let date = self.date.to_string();
        self.orders(("cut", &date, ""), ("", 0))?;
        let cut = self.cast.switch.ask(&["clearing", "cut", "--date", &date])?;
        let files = cut.first().and_then(|cut| cut.get("files")?.as_array()).cloned();
        self.voice.say(format_args!("The day {date} is cut:"))?;
        for file in files.iter().flatten() {
            let text = |key| file.get(key).and_then(Value::as_str).unwrap_or_default();
            let number = |key| file.get(key).and_then(Value::as_u64).unwrap_or_default();
            self.voice.say(format_args!(
                "  {:<32} {} records, sum {}  file:{}",
                text("name"),
                number("records"),
                number("checksum"),
                text("id")
            ))?;
            self.told.push(format!("file:{}", text("id")));
        }
        let rows = self.report("details", &date)?;
        for row in &rows {
            let number = |key| row.get(key).and_then(Value::as_i64).unwrap_or_default();
            let text = |key| row.get(key).and_then(Value::as_str).unwrap_or_default();
            let Ok(currency) = Currency::from_ascii(text("currency").as_bytes()) else { continue };
            let worth = |key| Worth(Amount { minor: number(key), currency }).to_string();
            self.voice.say(format_args!(
                "  {:<13} {:<15} {:>11}  discount {:>9}  interchange {:>9}  scheme {:>9}  {:<5} item:{}",
                text("kind"),
                text("merchant"),
                worth("gross"),
                worth("discount"),
                worth("interchange"),
                worth("scheme"),
                text("issuer"),
                number("item")
            ))?;
            self.told.push(format!("item:{}", number("item")));
        }
        self.rows = rows;
        Ok(())
    }

    /// The merchants are paid what they have; each must be what its day is told to come to.
    pub(super) fn pays_out(&mut self, expected: &[(&Trade, Money)]) -> Result<(), SimError> {
        let date = self.date.to_string();
        self.orders(("pay_out", &date, ""), ("", 0))?;
        let lines = self.cast.switch.ask(&["clearing", "pay-out", "--date", &date])?;
        for line in &lines {
            let text = |key| line.get(key).and_then(Value::as_str).unwrap_or_default();
            if let Some(count) = line.get("payments") {
                let (file, sum, value) = (text("file"), text("sum"), text("value_date"));
                self.voice.say(format_args!(
                    "  {file}.xml: {count} payments, {sum}, worth something on {value}"
                ))?;
            } else if line.get("ok").is_none() {
                self.faults.push(format!("not paid: {line}"));
            }
        }
        let rows = self.report("merchant", &date)?;
        for (trade, money) in expected {
            let is = |row: &&Value, key: &str, value: &[u8]| {
                row.get(key).and_then(Value::as_str).map(str::as_bytes) == Some(value)
            };
            let paid = rows.iter().find(|row| {
                is(row, "merchant", trade.merchant.as_bytes())
                    && is(row, "currency", &money.currency)
                    && row.to_string().contains("\"payout\"")
            });
            let minor = paid.and_then(|row| row.get("amount")?.as_i64()).unwrap_or_default();
            if u64::try_from(-minor) != Ok(money.minor) {
                self.faults.push(format!("{} gets {minor} on {date}, not {money}", trade.name));
            }
            self.voice.say(format_args!("    {:<13} {money}", trade.name))?;
        }
        Ok(())
    }

    /// The rows of a report, which stays where reports lie.
    pub(super) fn report(&self, kind: &str, date: &str) -> Result<Vec<Value>, SimError> {
        let asked = ["clearing", "report", kind, "--date", date, "--format", "json", "--state"];
        let mut asked: Vec<OsString> = asked.iter().map(OsString::from).collect();
        asked.push(self.cast.switch.state().into_os_string());
        let output = self.cast.switch.command(&asked)?;
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(report.get("rows").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// What `clearing explain` tells of one thing; a fault when it is nothing.
    fn explained(&mut self, id: &str) -> Result<String, SimError> {
        let mut asked: Vec<OsString> =
            ["clearing", "explain", id, "--state"].iter().map(OsString::from).collect();
        asked.push(self.cast.switch.state().into_os_string());
        let output = self.cast.switch.command(&asked)?;
        if output.stdout.is_empty() || !output.status.success() {
            self.faults.push(format!("{id:?} is not explained"));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same, on the page.
    pub(super) fn explains(&mut self, id: &str) -> Result<(), SimError> {
        self.voice.say(format_args!("\n$ iso8583d clearing explain {id}"))?;
        for line in self.explained(id)?.lines() {
            self.voice.say(format_args!("  {line}"))?;
        }
        Ok(())
    }

    /// Whatever stood at the end of a line is explained.
    pub(super) fn all_explained(&mut self) -> Result<(), SimError> {
        for id in std::mem::take(&mut self.told) {
            self.explained(&id)?;
        }
        Ok(())
    }
}

/// A file as a merchant writes it: capture-1 in CSV.
fn capture_file(trade: &Trade, id: &str, records: &[Record<'_>]) -> String {
    let mut text = format!(
        "type,seq,merchant_id,terminal_id,op,capture_ref,orig_ref,rrn,amount,currency,mcc,final,tip\n\
         H,1,{},,,{id},,,,,,,\n",
        trade.merchant
    );
    let mut sum = 0;
    for (seq, record) in (2..).zip(records) {
        let Record { op, reference, original, paid, money, tip, more, .. } = record;
        let rrn = paid.map_or("", |paid| &paid.rrn);
        let currency = String::from_utf8_lossy(&money.currency);
        let category = String::from_utf8_lossy(trade.category);
        let last = if *more { "N" } else { "Y" };
        let line = format!(
            "D,{seq},,{},{op},{reference},{original},{rrn},{},{currency},{category},{last},{tip}\n",
            trade.terminal, money.minor
        );
        text.push_str(&line);
        sum += money.minor;
    }
    format!("{text}T,{},,,,{id},,,{sum},,,,\n", records.len() + 2)
}
