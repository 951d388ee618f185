//! The end of the demonstration's day: what is owed is waited for, the day is cut, and the banks' own
//! ledgers are held against the files and the positions. Tells what it finds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::clearing;
use crate::sim::SimError;
use crate::sim::child::Switch;
use crate::sim::issuer::Totals;
use crate::sim::load::grouped;

use super::town::Town;
use super::{Voice, pay};

/// How long the switch may take to deliver what it owes, once everybody is well.
const SETTLED_WITHIN: Duration = Duration::from_secs(15);

impl Town {
    /// Closes the shops, cuts the day and compares. True when everything agrees and nothing is owed.
    pub(super) async fn close_the_day(mut self, voice: &mut Voice<'_>) -> Result<bool, SimError> {
        voice.say("The shops close, and the switch delivers what it still owes.")?;
        let heard = self.street.close().await;
        let until = Instant::now() + SETTLED_WITHIN;
        let mut owed = self.switch.debts()?;
        while owed != 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
            owed = self.switch.debts()?;
        }
        let date = crate::sim::clock::wall().date().to_string();
        self.switch.ask(&["clearing", "cut", "--date", &date])?;
        voice.say(format_args!("The day {date} is cut."))?;
        let directory = self.switch.state().join("clearing");
        let day = Day::read(&directory, &date)?;
        let mut balanced = heard.other_words == 0 && heard.altered == 0 && heard.given_up == 0;
        for (bank, totals) in [("north", self.north.totals()), ("south", self.south.totals())] {
            balanced &= day.compare(bank, &totals, voice)?;
        }
        balanced &= owed == 0;
        balanced &= pay::pay_shops(&self.switch, &date, voice)?;
        voice.say(match owed {
            0 => "  nothing is owed to anybody".to_owned(),
            count => format!("  {count} debts are still open"),
        })?;
        voice.say(if balanced {
            "The books balance: the banks' own ledgers, the clearing files and the positions agree."
        } else {
            "THE BOOKS DO NOT BALANCE."
        })?;
        self.switch.stop()?;
        farewell(&self.switch, &directory, voice)?;
        Ok(balanced)
    }
}

fn farewell(switch: &Switch, directory: &Path, voice: &mut Voice<'_>) -> Result<(), SimError> {
    let home = switch.directory().display();
    let program = switch.program().display();
    voice.say(format_args!("\nClearing files and positions:  {}", directory.display()))?;
    voice.say(format_args!("What each bank and shop swears: {home}/*.jsonl"))?;
    voice.say(format_args!("Payments to the shops, for a bank: {home}/state/payouts"))?;
    voice.say("\nThree things to try next:")?;
    voice.say(format_args!("  {program} journal cat --state {home}/state | less"))?;
    voice.say("      every step of every payment, as it was written down before it was done")?;
    voice.say(format_args!("  {program} check {home}/iso8583d.toml"))?;
    voice
        .say("      the configuration of this switch; change it, and hear what is wrong with it")?;
    voice.say(format_args!("  {program} sim load"))?;
    voice.say("      how many payments a second this machine carries")
}

/// A day as it lies on disk.
struct Day {
    directory: PathBuf,
    positions: Value,
}

impl Day {
    fn read(directory: &Path, date: &str) -> Result<Self, SimError> {
        let path = directory.join(format!("positions-{date}.json"));
        let fault = |source| SimError::File { path: path.clone(), source };
        let text = fs::read(&path).map_err(fault)?;
        let positions = serde_json::from_slice(&text).map_err(|error| fault(error.into()))?;
        Ok(Self { directory: directory.to_owned(), positions })
    }

    /// Holds a bank's ledger against the positions and its file.
    fn compare(
        &self,
        bank: &str,
        totals: &Totals,
        voice: &mut Voice<'_>,
    ) -> Result<bool, SimError> {
        let (count, sum) = self.filed(bank)?;
        let held = self.positions.get("held").and_then(Value::as_array).map_or(0, Vec::len);
        let mut balanced =
            held == 0 && count == totals.standing && sum == totals.sums.values().sum::<i64>();
        voice.say(format_args!(
            "  {bank} bank: {} payments stand in its ledger, {} in its clearing file",
            grouped(u64::try_from(totals.standing).unwrap_or(u64::MAX)),
            grouped(u64::try_from(count).unwrap_or(u64::MAX)),
        ))?;
        for (currency, ledger) in &totals.sums {
            let position = -self.position(bank, currency);
            balanced &= position == *ledger;
            voice.say(format_args!(
                "    currency {currency}: its ledger says {}, the positions {}",
                Money(*ledger),
                Money(position)
            ))?;
        }
        Ok(balanced)
    }

    /// What the bank gets by the positions: minor units, below zero when it pays.
    fn position(&self, bank: &str, currency: &str) -> i64 {
        let lines = self.positions.get("positions").and_then(Value::as_array);
        lines
            .into_iter()
            .flatten()
            .filter(|line| {
                let is = |key, value: &str| line.get(key).and_then(Value::as_str) == Some(value);
                is("party", "issuer") && is("name", bank) && is("currency", currency)
            })
            .filter_map(|line| line.get("net")?.as_i64())
            .sum()
    }

    /// How many presentments the bank's file has, and their sum in minor units, refunds taken off.
    fn filed(&self, bank: &str) -> Result<(usize, i64), SimError> {
        let files = self.positions.get("files").and_then(Value::as_array);
        let (mut count, mut sum) = (0, 0);
        for file in files.into_iter().flatten() {
            let text = |key| file.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("issuer") != bank {
                continue;
            }
            let path = self.directory.join(text("name"));
            let fault = |source| SimError::File { path: path.clone(), source };
            let bytes = fs::read(&path).map_err(fault)?;
            let unfit = |error| fault(std::io::Error::other(error));
            let bytes = clearing::unblock(&bytes).map_err(unfit)?;
            for record in clearing::records(&bytes).map_err(unfit)? {
                if let Some(amount) = presented(record) {
                    count += 1;
                    sum += amount;
                }
            }
        }
        Ok((count, sum))
    }
}

/// The amount of a presentment in minor units, below zero for a refund; none for other records.
///
/// 1240, a bitmap of 16 bytes, then elements 2 (two digits of length), 3 (six digits) and 4 (twelve).
fn presented(record: &[u8]) -> Option<i64> {
    let elements = record.strip_prefix(b"1240")?.get(16..)?;
    let (len, rest) = elements.split_first_chunk::<2>()?;
    let rest = rest.get(usize::try_from(digits(len)?).ok()?..)?;
    let (code, rest) = rest.split_first_chunk::<6>()?;
    let amount = digits(rest.get(..12)?)?;
    Some(if code.starts_with(b"2") { -amount } else { amount })
}

fn digits(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Minor units of a currency with two decimals, as people write them.
pub(super) struct Money(pub(super) i64);

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, minor) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:02}", grouped(minor / 100), minor % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentments_are_read_from_the_file_itself() {
        let record = |code: &str| {
            let mut record = b"1240".to_vec();
            record.extend_from_slice(&[0; 16]);
            record.extend_from_slice(format!("165413330000004110{code}000000001250").as_bytes());
            record
        };
        for (code, amount) in [("000000", Some(1250)), ("200000", Some(-1250))] {
            assert_eq!(presented(&record(code)), amount);
        }
        assert_eq!(presented(b"1644"), None);
        assert_eq!(presented(&record("000000")[..30]), None);
        assert_eq!(Money(-123_456).to_string(), "-1,234.56");
    }
}
