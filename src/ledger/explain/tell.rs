//! Rows made into steps: each with what it has, and a sentence.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Params, params};
use serde_json::{Map, Value};

use super::{STEPS_MAX, Step, Wanted, money};
use crate::clearing::{Reference, visible};
use crate::iso::{ElementNo, Wall};
use crate::ledger::answers::day_text;
use crate::ledger::tables::{CLAIMS_OF_REFERENCE, HELD_IN_WORDS, ITEMS_OF_REFERENCE};
use crate::ledger::{Ledger, LedgerError};
use crate::record::{LinkId, Outcome, Standing, TxnId, Verdict};

/// Somebody who tells.
pub(super) struct Teller<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) names: &'a BTreeMap<LinkId, String>,
    pub(super) steps: Vec<Step>,
    /// Claims, transactions, files and payouts that were told, each once.
    pub(super) told: Vec<(&'static str, i64)>,
}

/// A row: the names of its columns and what stands there.
type Facts = Map<String, Value>;

impl Teller<'_> {
    /// Tells, and whether there was anything.
    pub(super) fn tell(&mut self, wanted: &Wanted) -> Result<bool, LedgerError> {
        match wanted {
            Wanted::Item(item) => self.lives("SELECT item FROM items WHERE item = ?", [item])?,
            Wanted::Txn(txn) => {
                self.authorization(*txn)?;
                self.claims("txn = ?", [txn])?;
                self.lives("SELECT item FROM of_txn WHERE txn = ? ORDER BY item", [txn])?;
            }
            Wanted::Claim(claim) => {
                self.claims("claim = ?", [claim])?;
                self.lives("SELECT item FROM items WHERE claim = ? ORDER BY item", [claim])?;
            }
            Wanted::Merchant { merchant, reference } => {
                let own = params![merchant, reference];
                self.claims(&format!("claim IN ({CLAIMS_OF_REFERENCE})"), own)?;
                let items = format!(
                    "SELECT item FROM items WHERE claim IN ({CLAIMS_OF_REFERENCE}) ORDER BY item"
                );
                self.lives(&items, own)?;
            }
            Wanted::Reference(reference) => {
                let items = format!(
                    "SELECT item FROM items WHERE item IN ({ITEMS_OF_REFERENCE}) AND reference = ?2 ORDER BY item"
                );
                let number = Reference::from_text(reference).map_or(0, |one| one.number());
                self.lives(&items, params![number.cast_signed(), reference])?;
            }
            Wanted::File(name) => self.whole_file(name)?,
            Wanted::Exception(exception) => self.exception(*exception)?,
            Wanted::Reconciliation(number) => self.reconciliation(*number)?,
        }
        Ok(!self.steps.is_empty())
    }

    pub(super) fn rows(&self, sql: &str, values: impl Params) -> Result<Vec<Facts>, LedgerError> {
        let mut ask = self.ledger.connection.prepare_cached(sql)?;
        let names: Vec<String> = ask.column_names().map(str::to_owned).collect();
        let rows = ask.query_map(values, |row| {
            let mut facts = Facts::new();
            for (at, name) in names.iter().enumerate() {
                let value = match row.get_ref(at)? {
                    ValueRef::Integer(number) => Value::from(number),
                    ValueRef::Text(text) => Value::from(String::from_utf8_lossy(text).into_owned()),
                    // Hashes are for machines that have the key.
                    ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => continue,
                };
                facts.insert(name.clone(), value);
            }
            Ok(facts)
        })?;
        Ok(rows.take(STEPS_MAX).collect::<Result<_, _>>()?)
    }

    pub(super) fn push(
        &mut self,
        what: &'static str,
        facts: Facts,
        (at, said): (Option<&str>, String),
    ) {
        let at = at.and_then(|column| number(&facts, column));
        let number = number(&facts, if what == "authorization" { "txn" } else { what });
        let said = visible(&said).into_owned();
        self.steps.push(Step { at, what, number, said, facts });
    }

    /// Whether something was not told before.
    fn once(&mut self, what: &'static str, number: i64) -> bool {
        let new = !self.told.contains(&(what, number)) && self.steps.len() < STEPS_MAX;
        if new {
            self.told.push((what, number));
        }
        new
    }

    fn issuer(&self, facts: &Facts) -> String {
        let link = number(facts, "issuer").and_then(|link| u32::try_from(link).ok()).map(LinkId);
        let name = link.and_then(|link| self.names.get(&link).cloned());
        name.unwrap_or_else(|| link.map_or_else(String::new, |link| format!("link {:08x}", link.0)))
    }

    /// Everything that some items belong to, from the first of each on.
    fn lives(&mut self, sql: &str, values: impl Params) -> Result<(), LedgerError> {
        for found in self.rows(sql, values)? {
            let Some(item) = number(&found, "item") else { continue };
            if self.steps.len() >= STEPS_MAX {
                return Ok(());
            }
            if self.told.contains(&("item", item)) {
                continue;
            }
            // Up to what it all began with, and down again to all that followed from that.
            let family = "WITH RECURSIVE up(item, about) AS (
                    SELECT item, about FROM items WHERE item = ?
                    UNION SELECT i.item, i.about FROM items i JOIN up ON i.item = up.about),
                down(item) AS (
                    SELECT item FROM up WHERE about IS NULL
                    UNION SELECT i.item FROM items i JOIN down ON i.about = down.item)
                SELECT i.*, at FROM items i JOIN down USING (item) LEFT JOIN cuts USING (day, cycle) ORDER BY i.item";
            for facts in self.rows(family, [item])? {
                self.item(facts)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, facts: Facts) -> Result<(), LedgerError> {
        let Some(item) = number(&facts, "item") else { return Ok(()) };
        if !self.once("item", item) {
            return Ok(());
        }
        if let Some(claim) = number(&facts, "claim") {
            self.claims("claim = ?", [claim])?;
        }
        if let Some(txn) = number(&facts, "txn") {
            self.authorization(txn)?;
        }
        let file = number(&facts, "file");
        // What was given back of it belongs to its life: who is charged back has to know.
        let purchase = number(&facts, "txn").filter(|_| number(&facts, "refund") == Some(0));
        let payout = ["day", "cycle"].map(|column| number(&facts, column));
        let (merchant, currency) = (text(&facts, "merchant"), text(&facts, "currency"));
        let said = self.of_item(&facts);
        self.push("item", facts, (Some("at"), said));
        if let Some(file) = file.filter(|file| self.once("file", *file)) {
            self.file(file)?;
        }
        self.said("WHERE s.item = ? ORDER BY s.said", item)?;
        self.events("SELECT * FROM events WHERE item = ? ORDER BY event", item)?;
        for facts in
            self.rows("SELECT * FROM exceptions WHERE item = ? ORDER BY exception", [item])?
        {
            self.push_exception(facts);
        }
        self.postings(item)?;
        if let Some(txn) = purchase.filter(|txn| self.once("refunds", *txn)) {
            let refunds = "claim IN (SELECT claim FROM claims WHERE txn = ?1 AND op = 'refund'
                UNION SELECT r.claim FROM claims AS c JOIN claims AS r ON r.original = c.claim WHERE c.txn = ?1 AND r.op = 'refund')";
            self.claims(refunds, [txn])?;
            self.lives(&format!("SELECT item FROM items WHERE {refunds} ORDER BY item"), [txn])?;
        }
        if let [Some(day), Some(cycle)] = payout {
            let sql = "SELECT payout, day, cycle, merchant, currency, payouts.amount, payouts.value_day, reference, made, name AS file
                FROM payouts LEFT JOIN payments USING (day, cycle, currency)
                WHERE day = ? AND cycle = ? AND merchant = ? AND currency = ?";
            for facts in self.rows(sql, params![day, cycle, merchant, currency])? {
                self.payout(facts);
            }
        }
        Ok(())
    }

    fn of_item(&self, facts: &Facts) -> String {
        let of = |column| text(facts, column);
        let amount = money(number(facts, "amount").unwrap_or(0), &of("currency"));
        let kind = match of("kind").as_str() {
            "presentment" => "presented",
            "again" => "presented once more",
            "representment" => "presented a second time after its charge-back",
            "opposite" => "taken back, all of it",
            "lowered" => "taken back, a part of it",
            "rejection" => "rejected: it waits in suspense",
            "given_up" => "given up, at its merchant's cost",
            "chargeback" => "charged back",
            other => return format!("{other} {amount}"),
        };
        let mut said = format!(
            "item {}: {}{amount} of {} at {} {kind}",
            of("item"),
            if number(facts, "refund") == Some(1) { "a refund of " } else { "" },
            self.issuer(facts),
            of("merchant")
        );
        let mut add = |text: String| {
            said.push_str("; ");
            said.push_str(&text);
        };
        if let Some(about) = number(facts, "about") {
            add(format!("about item {about}"));
        }
        match (number(facts, "day"), number(facts, "cycle")) {
            (Some(day), Some(0)) => add(format!("in the position of {}", day_text(day))),
            (Some(day), Some(cycle)) => {
                add(format!("in the position of {}, cycle {cycle}", day_text(day)));
            }
            _ => add("it waits for the next cut".to_owned()),
        }
        for (column, name) in [
            ("number", "message"),
            ("reference", "reference"),
            ("reason", "reason"),
            ("exact", "fees before rounding"),
        ] {
            if facts.contains_key(column) {
                add(format!("{name} {}", of(column)));
            }
        }
        let fees =
            ["discount", "interchange", "scheme"].map(|column| number(facts, column).unwrap_or(0));
        if fees != [0; 3] {
            let [discount, interchange, scheme] = fees.map(|fee| money(fee, &of("currency")));
            add(format!(
                "the merchant pays {discount}, of which {interchange} to the issuer and {scheme} to the network"
            ));
        }
        if let Some(due) = number(facts, "due") {
            add(format!("to be answered by {}", day_text(due)));
        }
        add(format!("now {}", of("state").replace('_', " ")));
        said
    }

    /// Claims of which a condition holds, each behind the authorization that it names.
    fn claims(&mut self, condition: &str, values: impl Params) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT claims.*, received FROM claims LEFT JOIN submissions USING (submission)
            WHERE claims.claim IN (SELECT claim FROM claims WHERE {condition}) ORDER BY claim"
        );
        for facts in self.rows(&sql, values)? {
            let Some(claim) = number(&facts, "claim").filter(|claim| self.once("claim", *claim))
            else {
                continue;
            };
            if let Some(txn) = number(&facts, "txn") {
                self.authorization(txn)?;
            }
            let of = |column| text(&facts, column);
            let amount = money(number(&facts, "amount").unwrap_or(0), &of("currency"));
            let mut said = format!(
                "claim {claim}: {} of {amount} by {}, reference {}, is {}",
                of("op"),
                of("merchant"),
                of("reference"),
                of("state")
            );
            for (column, name) in [
                ("reason", ""),
                ("field", ", field "),
                ("expected", ", expected "),
                ("got", ", got "),
            ] {
                if !of(column).is_empty() {
                    said.push_str(if column == "reason" { ": " } else { name });
                    said.push_str(&of(column));
                }
            }
            if let Some(original) = number(&facts, "original") {
                write!(said, "; about claim {original}").ok();
            }
            self.push("claim", facts, (Some("received"), said));
            self.events("SELECT * FROM events WHERE claim = ? ORDER BY event", claim)?;
            for facts in
                self.rows("SELECT * FROM exceptions WHERE claim = ? ORDER BY exception", [claim])?
            {
                self.push_exception(facts);
            }
        }
        Ok(())
    }

    /// What the books know of it; the whole story is told by `why`.
    fn authorization(&mut self, txn: i64) -> Result<(), LedgerError> {
        if !self.once("txn", txn) {
            return Ok(());
        }
        let Some(standing) = self.ledger.books().standing(TxnId(txn.cast_unsigned()))? else {
            return Ok(());
        };
        let Some(sent) = standing.sent() else { return Ok(()) };
        let mut facts = Facts::new();
        facts.insert("txn".to_owned(), Value::from(txn));
        facts.insert("at".to_owned(), Value::from(sent.at.0));
        facts.insert("mti".to_owned(), Value::from(sent.mti.to_string()));
        facts.insert("date".to_owned(), Value::from(sent.date.to_string()));
        facts.insert("issuer".to_owned(), Value::from(sent.issuer.0));
        if let Some(card) = &sent.card {
            facts.insert("card".to_owned(), Value::from(card.masked.to_string()));
        }
        let became = became(&standing);
        let (outcome, added) = match &standing.outcome {
            Outcome::InFlight => ("in flight", None),
            Outcome::Answered { verdict: Verdict::Approved, added, .. } => {
                ("approved", Some(added))
            }
            Outcome::Answered { added, .. } => ("declined", Some(added)),
            Outcome::Over { .. } => ("over without an answer", None),
            Outcome::Stored => ("stored", None),
        };
        for (no, name) in [
            (ElementNo::AMOUNT, "amount"),
            (ElementNo::CURRENCY, "currency"),
            (ElementNo::TERMINAL, "terminal"),
            (ElementNo::MERCHANT, "merchant"),
            (ElementNo::RRN, "rrn"),
            (ElementNo::APPROVAL_CODE, "approval"),
        ] {
            let value = added.and_then(|added| added.get(no)).or_else(|| sent.elements.get(no));
            if let Some(value) = value {
                let value = value.escape_ascii().to_string();
                facts.insert(name.to_owned(), Value::from(value.trim_end().to_owned()));
            }
        }
        facts.insert("outcome".to_owned(), Value::from(outcome));
        let of = |column| text(&facts, column);
        let amount = asked(&of("amount"), &of("currency"));
        let said = format!(
            "transaction {txn}: {} {amount}, card {}, asked of {}, {outcome}, approval code {}{became}; `iso8583d why {txn}` tells all of it",
            sent.mti,
            or_none(&of("card")),
            self.issuer(&facts),
            or_none(&of("approval"))
        );
        self.push("authorization", facts, (Some("at"), said));
        let sql = format!(
            "SELECT * FROM exceptions WHERE kind = 'held' AND detail IN (SELECT {HELD_IN_WORDS} FROM held WHERE txn = ?)
            ORDER BY exception"
        );
        for facts in self.rows(&sql, [txn])? {
            self.push_exception(facts);
        }
        Ok(())
    }

    fn file(&mut self, file: i64) -> Result<(), LedgerError> {
        for facts in self.rows("SELECT * FROM files WHERE file = ?", [file])? {
            let of = |column| text(&facts, column);
            let day = day_text(number(&facts, "day").unwrap_or(0));
            let mut said = format!(
                "file {} (id {}) of {day}, cycle {}, to {}",
                of("name"),
                of("file_id"),
                of("cycle"),
                self.issuer(&facts)
            );
            if let (Some(records), Some(checksum)) =
                (number(&facts, "records"), number(&facts, "checksum"))
            {
                write!(said, ", {records} records, amounts add up to {checksum}").ok();
            }
            write!(said, "; now {}", of("state")).ok();
            self.push("file", facts, (Some("written"), said));
        }
        Ok(())
    }

    fn whole_file(&mut self, name: &str) -> Result<(), LedgerError> {
        let sql = "SELECT file FROM files WHERE name = ?1 OR file_id = ?1";
        let file = self.ledger.connection.query_row(sql, [name], |row| row.get(0)).optional()?;
        let Some(file): Option<i64> = file else { return Ok(()) };
        self.file(file)?;
        let sums = "SELECT kind, refund, state, currency, count(*) AS count, sum(amount) AS amount FROM items WHERE file = ? GROUP BY 1, 2, 3, 4";
        for facts in self.rows(sums, [file])? {
            let of = |column| text(&facts, column);
            let amount = money(number(&facts, "amount").unwrap_or(0), &of("currency"));
            let said = format!(
                "{} items of kind {}{} in it, {amount}, are {}",
                of("count"),
                of("kind"),
                if number(&facts, "refund") == Some(1) { " of refunds" } else { "" },
                of("state").replace('_', " ")
            );
            self.push("items", facts, (None, said));
        }
        self.said("WHERE s.file = ?1 OR s.item IN (SELECT item FROM items WHERE file = ?1) ORDER BY s.said", file)?;
        self.events("SELECT * FROM events WHERE file = ? ORDER BY event", file)?;
        for facts in
            self.rows("SELECT * FROM exceptions WHERE file = ? ORDER BY exception", [file])?
        {
            self.push_exception(facts);
        }
        Ok(())
    }

    fn said(&mut self, condition: &str, about: i64) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT s.said, s.answer, a.name, a.file_id, a.received, s.number, s.kind, s.function, s.item, s.about_file, s.about_number,
                 s.reason, s.amount, s.currency, s.detail, s.made
             FROM said s JOIN answers a USING (answer) {condition}"
        );
        for facts in self.rows(&sql, [about])? {
            let of = |column| text(&facts, column);
            let what = match of("kind").as_str() {
                "rejects_file" => "none of the file was taken".to_owned(),
                "rejects" => format!("message {} was not taken", of("about_number")),
                "totals" => format!("so much was taken: {}", of("detail")),
                "charges_back" => {
                    let amount = money(number(&facts, "amount").unwrap_or(0), &of("currency"));
                    let made = if facts.contains_key("made") {
                        format!(", which made item {}", of("made"))
                    } else {
                        String::new()
                    };
                    format!("{amount} is charged back{made}")
                }
                "asks" => "what the cardholder signed is asked for".to_owned(),
                other => other.replace('_', " "),
            };
            let mut said = format!(
                "the issuer said ({}, message {} of file {}): {what}",
                of("function"),
                of("number"),
                of("file_id")
            );
            for (column, name) in [("reason", ", reason "), ("detail", ", ")] {
                if facts.contains_key(column) && of("kind") != "totals" {
                    said.push_str(name);
                    said.push_str(&of(column));
                }
            }
            self.push("said", facts, (Some("received"), said));
        }
        Ok(())
    }

    fn events(&mut self, sql: &str, about: i64) -> Result<(), LedgerError> {
        for facts in self.rows(sql, [about])? {
            let detail = text(&facts, "detail");
            let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
            let said = format!("{}{detail}", text(&facts, "kind").replace('_', " "));
            self.push("event", facts, (Some("at"), said));
        }
        Ok(())
    }

    fn exception(&mut self, exception: i64) -> Result<(), LedgerError> {
        for facts in self.rows("SELECT * FROM exceptions WHERE exception = ?", [exception])? {
            let (item, file) = (number(&facts, "item"), number(&facts, "file"));
            let (claim, answer) = (number(&facts, "claim"), number(&facts, "answer"));
            self.push_exception(facts);
            self.claims("claim = ?", [claim])?;
            for facts in self.rows("SELECT answer, name, file_id, issuer, received, records, quarantined FROM answers WHERE answer = ?", [answer])? {
                let of = |column| text(&facts, column);
                let said = format!("answer {}: file {} (id {}) from {}, {} records", of("answer"), of("name"), of("file_id"), self.issuer(&facts), of("records"));
                self.push("answer", facts, (Some("received"), said));
            }
            if let Some(file) = file.filter(|file| self.once("file", *file)) {
                self.file(file)?;
            }
            self.lives("SELECT item FROM items WHERE item = ?", [item])?;
        }
        Ok(())
    }

    pub(super) fn push_exception(&mut self, facts: Facts) {
        let Some(exception) =
            number(&facts, "exception").filter(|one| self.once("exception", *one))
        else {
            return;
        };
        let of = |column| text(&facts, column);
        let closed = if facts.contains_key("closed") {
            format!("closed by {}: {}", of("closed_by"), of("closed_why"))
        } else {
            "open".to_owned()
        };
        let said = format!(
            "exception {exception}, {}: {}; {closed}",
            of("kind").replace('_', " "),
            of("detail")
        );
        self.push("exception", facts, (Some("opened"), said));
    }

    /// Where the money of an item is.
    fn postings(&mut self, item: i64) -> Result<(), LedgerError> {
        let sql = "SELECT * FROM postings WHERE source = 'item' AND number = ? AND (debit <> 0 OR credit <> 0)";
        for facts in self.rows(sql, [item])? {
            let of = |column| text(&facts, column);
            let sums = [("debit", "debited"), ("credit", "credited")].map(|(column, name)| {
                let sum = number(&facts, column).filter(|sum| *sum != 0);
                sum.map(|sum| format!("{name} {}", money(sum, &of("currency"))))
            });
            let sums: Vec<String> = sums.into_iter().flatten().collect();
            let party = if facts.contains_key("party") && !of("party").is_empty() {
                format!(" of {}", self.party(&of("party")))
            } else {
                String::new()
            };
            let said = format!(
                "booked: {}{party} {} ({})",
                of("account").replace('_', " "),
                sums.join(", "),
                of("part")
            );
            self.push("posting", facts, (None, said));
        }
        Ok(())
    }

    /// A merchant, or an issuer by its number.
    fn party(&self, party: &str) -> String {
        let link = party.parse().ok().map(LinkId);
        link.and_then(|link| self.names.get(&link).cloned()).unwrap_or_else(|| party.to_owned())
    }

    fn payout(&mut self, facts: Facts) {
        let Some(payout) = number(&facts, "payout").filter(|one| self.once("payout", *one)) else {
            return;
        };
        let of = |column| text(&facts, column);
        let amount = money(number(&facts, "amount").unwrap_or(0), &of("currency"));
        let day = day_text(number(&facts, "value_day").unwrap_or(0));
        let said = format!(
            "payout {payout}: {amount} to {}, reference {}, value {day}, in {}",
            of("merchant"),
            of("reference"),
            of("file")
        );
        self.push("payout", facts, (Some("made"), said));
    }
}

pub(super) fn number(facts: &Facts, column: &str) -> Option<i64> {
    facts.get(column)?.as_i64()
}

/// What stands in a column, for a sentence.
pub(super) fn text(facts: &Facts, column: &str) -> String {
    match facts.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What became of an approval since, for a sentence.
fn became(standing: &Standing) -> String {
    let mut became = String::new();
    if standing.is_undone() {
        became.push_str("; reversed since");
    } else if let Some(left) = standing.lowered {
        write!(became, "; lowered to {left} minor units since").ok();
    }
    if let Some(by) = standing.completed_by {
        write!(became, "; completed by transaction {}", by.0).ok();
    }
    became
}

/// For how much a message was, where it says so.
fn asked(amount: &str, currency: &str) -> String {
    match amount.parse() {
        Ok(minor) if currency.is_empty() => {
            format!("for {minor} minor units, without a currency")
        }
        Ok(minor) => format!("for {}", money(minor, currency)),
        Err(_) if amount.is_empty() => "without an amount".to_owned(),
        Err(_) => "for what is no amount".to_owned(),
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// When a step was, for people.
impl Step {
    /// `2026-11-23T18:34:00.123Z`, or a dash.
    pub fn when(&self) -> String {
        self.at.map_or_else(|| "-".to_owned(), |at| Wall(at.cast_unsigned()).to_string())
    }
}
