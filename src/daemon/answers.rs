//! What operators ask of answers: taking a file, presenting once more, giving up, closing exceptions, lists, and lives of things.

use serde_json::{Value, json};

use super::control::{Command, Desk, name};
use super::mailroom::{MailDesk, tell};
use crate::iso::Wall;
use crate::ledger::{
    Charged, Exception, FileReport, Ledger, OfFile, Ordered, Represent, Step, TakeReport, Wanted,
    day_text,
};
use crate::record::{LinkId, Remark};

impl Desk {
    /// Carries out a command about answers.
    pub(super) async fn answers(&self, command: Command, user: &str) -> Result<Vec<Value>, String> {
        match command {
            Command::Inbox { issuer } => {
                let desk = self.mail.desk();
                let (issuer, name) = which(&desk, issuer.as_deref())?;
                desk.inbox(issuer).map_err(|fault| fault.to_string())?;
                let directory = desk.directory.join(&name);
                Ok(vec![json!({ "ok": true, "issuer": name, "directory": directory })])
            }
            Command::Receive { issuer, name } => self.receive(&issuer, name).await,
            Command::Represent { id, amount, reason, by } => {
                let reason = reason.as_deref().map(code).transpose()?;
                self.decide(&id, Some((amount, reason)), name((by, user))?).await
            }
            Command::GiveUp { id, by } => self.decide(&id, None, name((by, user))?).await,
            Command::CloseException { exception, reason, by } => {
                let by = name((by, user))?;
                let why = Remark::reason(&reason).map_err(|fault| format!("--reason: {fault}"))?;
                let moment = self.mail.moment();
                let (said, who) = (why.clone(), by.clone());
                let work = move |ledger: &mut Ledger| {
                    ledger.close_exception(exception, (&said, &who), moment)
                };
                match self.ask_ledger(work).await.flatten() {
                    Ok(done) => {
                        tracing::info!(exception, %by, %why, before = done.again, "audit: an operator closes an exception");
                        Ok(vec![ordered(&done)])
                    }
                    Err(fault) => {
                        tracing::info!(exception, %by, fault, "an operator's order to close an exception is refused");
                        Err(fault)
                    }
                }
            }
            Command::Exceptions { limit } => {
                let (desk, moment) = (self.mail.desk(), self.mail.moment());
                let (list, all) =
                    self.ask_ledger(move |ledger| ledger.exceptions(limit, moment)).await?;
                Ok(listed(list.iter().map(|one| exception(one, &desk)), all, all))
            }
            Command::Chargebacks { limit } => {
                let (desk, moment) = (self.mail.desk(), self.mail.moment());
                let (list, [all, open]) =
                    self.ask_ledger(move |ledger| ledger.chargebacks(limit, moment)).await?;
                Ok(listed(list.iter().map(|one| charged(one, &desk)), all, open))
            }
            Command::Explain { id } => self.explain(&id).await,
            _ => Err("not a command about answers".to_owned()),
        }
    }

    /// Takes a file that a command put into an issuer's inbox.
    async fn receive(&self, issuer: &str, file: String) -> Result<Vec<Value>, String> {
        let desk = self.mail.desk();
        let (issuer, name) = which(&desk, Some(issuer))?;
        let moment = self.mail.moment();
        let inbox = desk.inbox(issuer).map_err(|fault| fault.to_string())?;
        let settings = desk.settings.clone();
        let source = file.clone();
        let report = self
            .ask_ledger(move |ledger| {
                ledger.take_answers((issuer, &source), &inbox, &settings, moment)
            })
            .await?;
        tell(&name, &file, &report);
        Ok(received(&name, &report))
    }

    /// Has something presented once more, or given up.
    async fn decide(
        &self,
        id: &str,
        again: Option<(Option<i64>, Option<String>)>,
        by: Remark,
    ) -> Result<Vec<Value>, String> {
        let moment = self.mail.moment();
        let what = if again.is_some() { "presented once more" } else { "given up" };
        match (Wanted::parse(id), again) {
            (Ok(Wanted::Item(item)), again) => {
                let who = by.clone();
                let work = move |ledger: &mut Ledger| match again {
                    Some((amount, reason)) => {
                        ledger.represent(&Represent { item, amount, reason }, &who, moment)
                    }
                    None => ledger.give_up(item, &who, moment),
                };
                match self.ask_ledger(work).await.flatten() {
                    Ok(done) => {
                        tracing::info!(item, %by, before = done.again, "audit: an operator has an item {what}");
                        Ok(vec![ordered(&done)])
                    }
                    Err(fault) => {
                        tracing::info!(item, %by, fault, "an operator's order to have an item {what} is refused");
                        Err(fault)
                    }
                }
            }
            (Ok(Wanted::File(_)), Some((Some(_), _) | (_, Some(_)))) => {
                Err("--amount and --reason are for a charge-back alone".to_owned())
            }
            (Ok(Wanted::File(file)), again) => {
                let (who, named) = (by.clone(), file.clone());
                let work = move |ledger: &mut Ledger| {
                    ledger.decide_file((&named, again.is_none()), &who, moment)
                };
                match self.ask_ledger(work).await.flatten() {
                    Ok(done) => {
                        let items = done.decided;
                        tracing::info!(file, items, %by, "audit: an operator has all that was rejected of a file {what}");
                        Ok(vec![of_file(done)])
                    }
                    Err(fault) => {
                        tracing::info!(%by, fault, "an operator's order to have all that was rejected of a file {what} is refused");
                        Err(fault)
                    }
                }
            }
            _ => Err("name an item by its number, or all of a file by file:NAME".to_owned()),
        }
    }

    async fn explain(&self, id: &str) -> Result<Vec<Value>, String> {
        let wanted = Wanted::parse(id).map_err(|fault| fault.to_string())?;
        let names = self.mail.desk().issuers;
        let steps = self.ask_ledger(move |ledger| ledger.explain(&wanted, &names)).await?;
        let Some(steps) = steps else {
            return Err("clearing knows nothing of that: `iso8583d clearing status` tells what there is, and `iso8583d why` looks through transactions".to_owned());
        };
        let mut lines: Vec<Value> = steps.iter().map(step).collect();
        lines.push(json!({ "ok": true, "steps": steps.len() }));
        Ok(lines)
    }
}

/// The issuer of a name in clearing; the only one, where nobody names one.
fn which(desk: &MailDesk, named: Option<&str>) -> Result<(LinkId, String), String> {
    let mut all = desk.issuers.iter();
    let found = match named {
        Some(named) => all.find(|(_, name)| *name == named),
        None => all.next().filter(|_| desk.issuers.len() == 1),
    };
    let found = found.map(|(issuer, name)| (*issuer, name.clone()));
    found.ok_or_else(|| {
        let names: Vec<&str> = desk.issuers.values().map(String::as_str).collect();
        format!("from which issuer? --issuer is one of: {}", names.join(", "))
    })
}

/// A reason as records have it.
fn code(text: &str) -> Result<String, String> {
    let fits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { Ok(text.to_owned()) } else { Err("--reason: a code of four digits".to_owned()) }
}

fn listed(lines: impl Iterator<Item = Value>, all: u64, open: u64) -> Vec<Value> {
    let mut lines: Vec<Value> = lines.collect();
    let shown = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    lines.push(json!({ "ok": true, "open": open, "not_shown": all.saturating_sub(shown) }));
    lines
}

fn issuer(link: LinkId, desk: &MailDesk) -> Value {
    // One that the configuration no longer has is shown by its number.
    desk.issuers.get(&link).map_or_else(|| json!(link.0), |name| json!(name))
}

fn exception(one: &Exception, desk: &MailDesk) -> Value {
    let mut line = json!({
        "exception": one.exception,
        "kind": one.kind,
        "opened": Wall(one.opened.cast_unsigned()).to_string(),
        "days": one.days,
        "issuer": one.issuer.map(|link| issuer(link, desk)),
        "amount": one.amount,
        "currency": one.currency,
        "detail": one.detail,
    });
    if let Some(line) = line.as_object_mut() {
        line.extend(one.about.iter().map(|(name, number)| ((*name).to_owned(), json!(number))));
    }
    line
}

fn charged(one: &Charged, desk: &MailDesk) -> Value {
    json!({
        "item": one.item,
        "about": one.about,
        "issuer": issuer(one.issuer, desk),
        "merchant": one.merchant,
        "card": one.card,
        "reference": one.reference,
        "amount": one.amount,
        "currency": one.currency,
        "reason": one.reason,
        "due": day_text(one.due),
        "state": one.state,
        "answered_by": one.answered_by,
    })
}

fn ordered(done: &Ordered) -> Value {
    let number = if done.done == "closed" { "exception" } else { "item" };
    let mut line = json!({ "ok": true, "done": done.done, "before": done.again });
    if let Some(line) = line.as_object_mut() {
        line.insert(number.to_owned(), json!(done.number));
        if number == "item" {
            line.insert("amount".to_owned(), json!(done.amount));
            line.insert("currency".to_owned(), json!(done.currency));
        }
    }
    line
}

fn of_file(done: OfFile) -> Value {
    json!({ "ok": true, "done": done.done, "items": done.decided, "undecided": done.left })
}

fn received(issuer: &str, report: &TakeReport) -> Vec<Value> {
    let mut lines: Vec<Value> = report.files.iter().map(logical_file).collect();
    lines.extend(report.refused.iter().map(|fault| json!({ "refused": fault })));
    lines.push(json!({
        "ok": true,
        "issuer": issuer,
        "files": report.files.len(),
        "refused": report.refused.len(),
        "not_shown": report.more,
    }));
    lines
}

fn logical_file(file: &FileReport) -> Value {
    let quarantined: Vec<Value> = file
        .quarantined
        .iter()
        .map(|one| json!({ "record": one.place, "byte": one.start, "length": one.length, "fault": one.fault }))
        .collect();
    json!({
        "answer": file.answer,
        "file_id": file.file_id,
        "taken_before": file.again,
        "records": file.records,
        "said": file.said,
        "quarantined": quarantined,
        "unreadable": file.unreadable,
        "exceptions": file.exceptions,
    })
}

fn step(step: &Step) -> Value {
    json!({
        "at": step.at.map(|_| step.when()),
        "what": step.what,
        "number": step.number,
        "said": step.said,
        "facts": step.facts,
    })
}
