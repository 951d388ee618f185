//! The banks' own clearing: each reads the files that it was sent, says what it took of them, sends back what it did not take and
//! what its cardholders dispute. Knows its files, and nothing of the switch's books.

use std::fs;

use serde::Serialize;
use serde_json::Value;

use crate::clearing::answers::{Answers, ChargeBack, Form, Line};
use crate::clearing::{Charset, Digits, IpmRecord, read, records, unblock};
use crate::iso::ElementNo;
use crate::sim::SimError;
use crate::sim::clock::wall;

use super::Play;
use super::cast::{self, Bank, Cast, PATIENCE};

/// What a bank does not leave as it was sent.
pub(super) struct Objection<'a> {
    /// Element 37 of the presentment.
    pub(super) rrn: &'a str,
    /// The reason of a charge-back; without one the presentment is not taken at all.
    pub(super) reason: Option<&'static [u8; 4]>,
}

/// A line that a bank adds to its ledger for each objection.
#[derive(Serialize)]
struct Noted<'a> {
    issuer: &'a str,
    /// `rejected` or `charged_back`.
    effect: &'a str,
    rrn: &'a str,
    terminal: String,
    merchant: String,
    card: String,
    amount: u64,
    currency: String,
    at: String,
}

/// A file that a bank was sent.
struct Received {
    id: Vec<u8>,
    currency: String,
    presented: Vec<IpmRecord>,
}

impl Play<'_, '_> {
    /// A bank answers the files of the last day, and the switch takes what it says.
    pub(super) fn answers(
        &mut self,
        pick: fn(&mut Cast) -> &mut Bank,
        day: &str,
        objections: &[Objection<'_>],
    ) -> Result<(), SimError> {
        let directory = self.cast.switch.state().join("clearing");
        let bank = pick(&mut self.cast);
        let (name, charset) = (bank.name, bank.charset);
        bank.files += 1;
        let about = format!("answers/{name}-{}.ipm", bank.files);
        let sequence = format!("001{}00000054321{:05}", short(day), bank.files);
        let mut files = Vec::new();
        for path in listed(&directory, &format!("clearing-{name}-"), day)? {
            files.push(Received::read(&cast::read(&path)?, charset).map_err(unfit)?);
        }
        let form = Form { charset, blocked: true, ..Form::default() };
        let mut answers = Answers::new(form);
        let mut told = Vec::new();
        answers.begin(&Digits::new(&sequence).map_err(unfit)?).map_err(unfit)?;
        for file in &files {
            told.push(file.answer(&mut answers, (name, objections), &bank.log)?);
        }
        answers.end().map_err(unfit)?;
        let path = self.cast.place(&about);
        cast::write(&path, &answers.finish())?;
        self.orders(("receive", &about, name), ("", 0))?;
        let shown = path.display().to_string();
        let lines = self.cast.switch.ask(&["clearing", "receive", &shown, "--issuer", name])?;
        let exceptions = lines.first().and_then(|line| line.get("exceptions")?.as_u64());
        if exceptions != Some(0) {
            self.faults.push(format!("{about}: {lines:?}"));
        }
        self.voice.say(format_args!("  {about}:"))?;
        for line in told.iter().flatten() {
            self.voice.say(format_args!("    {line}"))?;
        }
        Ok(())
    }

    /// Waits until nothing is owed to the banks.
    pub(super) async fn delivers(&mut self) -> Result<(), SimError> {
        let until = tokio::time::Instant::now() + PATIENCE * 3;
        while self.cast.switch.debts()? != 0 {
            if until <= tokio::time::Instant::now() {
                self.faults.push("something is still owed to the banks".to_owned());
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The number of the item of a kind that was presented for this reference number.
    pub(super) fn item(&self, kind: &str, rrn: &str) -> Option<i64> {
        let is = |row: &&Value, key: &str, value: &str| {
            row.get(key).and_then(Value::as_str) == Some(value)
        };
        let found = self.rows.iter().find(|row| is(row, "kind", kind) && is(row, "rrn", rrn));
        found?.get("item")?.as_i64()
    }
}

impl Received {
    fn read(bytes: &[u8], charset: Charset) -> Result<Self, String> {
        let data = unblock(bytes).map_err(|fault| fault.to_string())?;
        let mut file = Self { id: Vec::new(), currency: String::new(), presented: Vec::new() };
        for record in records(&data).map_err(|fault| fault.to_string())? {
            let record = read(record, charset).map_err(|fault| fault.fault.to_owned())?;
            if let Some(id) = record.part(105) {
                file.id = id.to_vec();
            }
            if record.mti == *b"1240" {
                file.currency = text(&record, 49);
                file.presented.push(record);
            }
        }
        Ok(file)
    }

    /// What this bank says of the file: what it did not take, what is charged back, and the sums of all that it took.
    fn answer(
        &self,
        answers: &mut Answers,
        (name, objections): (&str, &[Objection<'_>]),
        log: &crate::sim::log::Log,
    ) -> Result<Vec<String>, SimError> {
        let mut told = Vec::new();
        let (mut credits, mut debits, mut count) = (0, 0, 0);
        for record in &self.presented {
            let amount: i64 = text(record, 4).parse().map_err(unfit)?;
            let rrn = text(record, 37);
            let first = !record.has(25);
            let objection = objections.iter().find(|one| one.rrn == rrn && first);
            if let Some(objection) = objection {
                let effect = if objection.reason.is_some() { "charged_back" } else { "rejected" };
                log.write(&[noted((name, effect), record, amount.unsigned_abs())])?;
                told.push(format!("{effect}: the presentment with reference {rrn}"));
            }
            match objection.map(|objection| objection.reason) {
                Some(None) => {
                    let number = text(record, 71).parse().map_err(unfit)?;
                    let error = b"D0002000519000";
                    answers.reject((&self.id, number), error, Some(record)).map_err(unfit)?;
                    continue;
                }
                Some(Some(reason)) => {
                    let [card, reference, currency] = [2, 31, 49].map(|no| text(record, no));
                    let wanted = ChargeBack {
                        function: b"450",
                        card: card.as_bytes(),
                        reference: reference.as_bytes(),
                        amount: amount.unsigned_abs(),
                        currency: currency.as_bytes(),
                        reason,
                    };
                    answers.charge_back(wanted).map_err(unfit)?;
                }
                None => {}
            }
            count += 1;
            let refund = text(record, 3).starts_with('2');
            let side = if refund == record.has(25) { &mut credits } else { &mut debits };
            *side += amount;
        }
        let line = Line {
            currency: self.currency.clone(),
            debits: Some(debits),
            credits: Some(credits),
            net: Some(credits - debits),
            count: Some(count),
            ..Line::default()
        };
        answers.totals(&self.id, &line).map_err(unfit)?;
        told.push(format!(
            "taken: {count} messages of file {}, net {} in currency {}",
            String::from_utf8_lossy(&self.id),
            credits - debits,
            self.currency
        ));
        Ok(told)
    }
}

trait Parts {
    /// Whether a subelement of private data is there.
    fn has(&self, tag: u16) -> bool;
}

impl Parts for IpmRecord {
    fn has(&self, tag: u16) -> bool {
        self.part(tag).is_some()
    }
}

fn noted<'a>(
    (issuer, effect): (&'a str, &'a str),
    record: &'a IpmRecord,
    amount: u64,
) -> Noted<'a> {
    let rrn = record.elements.get(ElementNo::RRN).unwrap_or_default();
    Noted {
        issuer,
        effect,
        rrn: std::str::from_utf8(rrn).unwrap_or_default(),
        terminal: text(record, 41),
        merchant: text(record, 42).trim_end().to_owned(),
        card: crate::sim::terminal::masked(&record.elements),
        amount,
        currency: text(record, 49),
        at: wall().to_string(),
    }
}

fn text(record: &IpmRecord, no: u8) -> String {
    String::from_utf8_lossy(record.elements.get(ElementNo::of(no)).unwrap_or_default()).into_owned()
}

/// `2026-11-23` as `261123`.
fn short(day: &str) -> String {
    day.chars().filter(char::is_ascii_digit).skip(2).collect()
}

/// The clearing files of a bank and a day, in the order of their names.
fn listed(
    directory: &std::path::Path,
    begins: &str,
    day: &str,
) -> Result<Vec<std::path::PathBuf>, SimError> {
    let fault = |source| SimError::File { path: directory.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(begins) && name.ends_with(&format!("-{day}.ipm")) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn unfit(fault: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SimError {
    SimError::System { what: "a bank's clearing", source: std::io::Error::other(fault) }
}
