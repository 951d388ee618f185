//! The auditor: issuers' ledgers, askers' log and the journal's export, laid side by side. Knows
//! nothing of the switch's code.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use iso8583d::iso::Wall;
use iso8583d::record::LinkId;
use serde_json::Value;

/// What everybody wrote.
pub(crate) struct Evidence {
    ledger: Vec<Value>,
    askers: Vec<Value>,
    journal: BTreeMap<u64, Txn>,
    /// By issuer's link, MTI class and trace.
    by_trace: HashMap<String, u64>,
    orphans: BTreeSet<String>,
    killed_at: Vec<String>,
    complaints: u64,
    /// What issuers pay by the positions of all days, by issuer and currency.
    cleared: BTreeMap<(String, String), i64>,
}

/// What the auditor found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) faults: Vec<String>,
    pub(crate) different_words: u64,
    approvals: usize,
    standing: usize,
    reversed: usize,
    owed: usize,
    told: usize,
    cleared: i64,
    /// Kills that met each state.
    unanswered: usize,
    untold: usize,
    reversal_in_flight: usize,
}

/// A transaction as the journal tells it.
#[derive(Default)]
struct Txn {
    mti: String,
    rrn: String,
    sent_at: String,
    /// How and when the issuer's answer was taken, its code and approval number.
    answered: Option<(String, String, String, String)>,
    over: Option<String>,
    late: bool,
    /// Since when, and since when no more.
    reversals: Vec<(String, Option<(String, String)>)>,
}

/// Text under a key; empty when there is none.
fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn element(value: &Value, number: &str) -> String {
    value.get("elements").map(|elements| text(elements, number)).unwrap_or_default()
}

/// Where a message stands at its issuer: link, MTI class, elements 7 and 11.
fn trace(link: &str, mti: &str, de7: &str, stan: &str) -> String {
    format!("{link} {} {de7} {stan}", mti.get(1..2).unwrap_or_default())
}

fn link_of(name: &str) -> String {
    format!("{:08x}", LinkId::of_name(name).0)
}

impl Evidence {
    pub(crate) fn read(
        ledgers: &[&str],
        askers: &str,
        export: &str,
        killed_at: &[Wall],
        complaints: u64,
    ) -> Self {
        let lines = |text: &str| -> Vec<Value> {
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let mut evidence = Self {
            ledger: ledgers.iter().flat_map(|ledger| lines(ledger)).collect(),
            askers: lines(askers),
            journal: BTreeMap::new(),
            by_trace: HashMap::new(),
            orphans: BTreeSet::new(),
            killed_at: killed_at.iter().map(Wall::to_string).collect(),
            complaints,
            cleared: BTreeMap::new(),
        };
        for record in lines(export) {
            evidence.fold(&record);
        }
        evidence
    }

    /// With the positions of the days that were cut.
    pub(crate) fn with_days(mut self, days: &[String]) -> Self {
        for day in days {
            let day: Value = serde_json::from_str(day).unwrap();
            assert_eq!(day["held"].as_array().map(Vec::len), Some(0), "every approval clears");
            for line in day["positions"].as_array().unwrap() {
                if text(line, "party") == "issuer" {
                    let key = (text(line, "name"), text(line, "currency"));
                    *self.cleared.entry(key).or_default() -= line["net"].as_i64().unwrap();
                }
            }
        }
        self
    }

    fn fold(&mut self, record: &Value) {
        let kind = text(record, "kind");
        if kind == "unmatched" && record.get("orphan") == Some(&Value::Bool(true)) {
            let mti = text(record, "mti");
            let (de7, stan) = (text(record, "de7"), text(record, "stan"));
            self.orphans.insert(trace(&text(record, "link"), &mti, &de7, &stan));
        }
        let Some(txn) = record.get("txn").and_then(Value::as_u64) else { return };
        let at = text(record, "at");
        match kind.as_str() {
            "sent" | "stored" => {
                let (de7, stan) = (text(record, "de7"), text(record, "stan"));
                let at_issuer = trace(&text(record, "issuer"), &text(record, "mti"), &de7, &stan);
                let twice = self.by_trace.insert(at_issuer.clone(), txn);
                assert!(twice.is_none(), "the trace {at_issuer} recurs");
                let (rrn, mti) = (element(record, "37"), text(record, "mti"));
                self.journal.insert(txn, Txn { rrn, mti, sent_at: at, ..Txn::default() });
            }
            "rerouted" => {
                // Nothing is known by its first pair any more.
                self.by_trace.retain(|_, of| *of != txn);
                let mti = self.journal.get(&txn).map(|entry| entry.mti.clone()).unwrap_or_default();
                let (de7, stan) = (text(record, "de7"), text(record, "stan"));
                self.by_trace.insert(trace(&text(record, "issuer"), &mti, &de7, &stan), txn);
            }
            "answered" => self.change(txn, |entry| {
                let words = (element(record, "39"), element(record, "38"));
                entry.answered = Some((text(record, "outcome"), at, words.0, words.1));
            }),
            "over" => self.change(txn, |entry| entry.over = Some(text(record, "outcome"))),
            "late" => self.change(txn, |entry| entry.late = true),
            "owed" => self.change(txn, |entry| entry.reversals.push((at, None))),
            "closed" if text(record, "owing") == "reversal" => self.change(txn, |entry| {
                if let Some((_, closed)) = entry.reversals.last_mut() {
                    *closed = Some((at, text(record, "closing")));
                }
            }),
            _ => {}
        }
    }

    fn change(&mut self, txn: u64, change: impl FnOnce(&mut Txn)) {
        change(self.journal.entry(txn).or_default());
    }

    /// When a sale was first asked, and when it was first answered.
    fn heard(&self) -> HashMap<String, (String, Option<String>)> {
        let mut heard: HashMap<String, (String, Option<String>)> = HashMap::new();
        for line in self.askers.iter().filter(|line| text(line, "mti").starts_with("02")) {
            let entry = heard.entry(text(line, "rrn")).or_insert_with(|| (text(line, "at"), None));
            if text(line, "what") == "told" && entry.1.is_none() {
                entry.1 = Some(text(line, "at"));
            }
        }
        heard
    }
}

impl Txn {
    fn approved(&self) -> bool {
        self.answered.as_ref().is_some_and(|(verdict, ..)| verdict == "approved")
    }

    fn stands(&self) -> bool {
        self.approved() && self.reversals.is_empty()
    }

    /// A reversal that is not settled for good is on the list of what is owed.
    fn listed(&self) -> bool {
        self.reversals.last().is_some_and(|(_, closed)| {
            closed.as_ref().is_none_or(|(_, closing)| closing != "final")
        })
    }
}

/// Lays everything side by side.
pub(crate) fn judge(evidence: &Evidence) -> Findings {
    let mut findings = Findings { different_words: evidence.complaints, ..Findings::default() };
    let words = askers_words(evidence, &mut findings);
    issuers_approvals(evidence, &words, &mut findings);
    money(evidence, &mut findings);
    kills_met(evidence, &mut findings);
    findings
}

/// What an asker was told about a sale, and whether it asked for its reversal.
#[derive(Default)]
struct Words {
    told: Vec<(String, String)>,
    undone: bool,
    amount: String,
}

/// No sale is answered in two ways; each approval told is one of an issuer.
fn askers_words(evidence: &Evidence, findings: &mut Findings) -> HashMap<String, Words> {
    let mut words: HashMap<String, Words> = HashMap::new();
    for line in &evidence.askers {
        let sale = words.entry(text(line, "rrn")).or_default();
        let mti = text(line, "mti");
        if mti.starts_with("04") {
            sale.undone = true;
            continue;
        }
        sale.amount = text(line, "amount");
        if text(line, "what") != "told" {
            continue;
        }
        let now = (text(line, "code"), text(line, "approval"));
        if !sale.undone && sale.told.last().is_some_and(|before| *before != now) {
            let rrn = text(line, "rrn");
            findings.fault(format_args!("{rrn} was told {:?}, then {now:?}", sale.told));
        }
        sale.told.push(now);
    }
    let approved: BTreeSet<(String, String)> = evidence
        .ledger
        .iter()
        .filter(|line| text(line, "effect") == "approved")
        .map(|line| (text(line, "rrn"), text(line, "approval")))
        .collect();
    for (rrn, sale) in &words {
        for (_, approval) in sale.told.iter().filter(|(code, _)| code == "00") {
            findings.told += 1;
            if !approved.contains(&(rrn.clone(), approval.clone())) {
                findings.fault(format_args!("{rrn} was told approved, which no issuer did"));
            }
        }
    }
    words
}

/// Each approval stands in the journal, is reversed, or is owed; and its asker knows the same.
fn issuers_approvals(evidence: &Evidence, words: &HashMap<String, Words>, findings: &mut Findings) {
    let mut reversed = BTreeSet::new();
    for line in evidence.ledger.iter().filter(|line| text(line, "effect") == "reversed") {
        let original = text(line, "original");
        let at = |from: usize, to: usize| original.get(from..to).unwrap_or_default().to_owned();
        let link = link_of(&text(line, "issuer"));
        reversed.insert(trace(&link, &at(0, 4), &at(10, 20), &at(4, 10)));
    }
    let none = Words::default();
    for line in evidence.ledger.iter().filter(|line| text(line, "effect") == "approved") {
        findings.approvals += 1;
        let (rrn, link) = (text(line, "rrn"), link_of(&text(line, "issuer")));
        let (de7, stan) = (text(line, "transmission"), text(line, "stan"));
        let at_issuer = trace(&link, &text(line, "mti"), &de7, &stan);
        let Some(txn) = evidence.by_trace.get(&at_issuer) else {
            findings.fault(format_args!("{rrn}: approved, and the journal never sent {at_issuer}"));
            continue;
        };
        let Some(entry) = evidence.journal.get(txn) else { continue };
        let sale = words.get(&rrn).unwrap_or(&none);
        if entry.rrn != rrn {
            findings.fault(format_args!("{rrn}: the journal calls it {}", entry.rrn));
        }
        if !sale.amount.is_empty() && sale.amount != text(line, "amount") {
            findings.fault(format_args!("{rrn}: the amount changed on its way"));
        }
        let told_yes = sale.told.first().is_some_and(|(code, _)| code == "00");
        let told_no = sale.told.first().is_some_and(|(code, _)| code != "00");
        if reversed.contains(&at_issuer) {
            findings.reversed += 1;
            if told_yes && !sale.undone {
                findings.fault(format_args!("{rrn}: told approved, then reversed unasked"));
            }
            if entry.stands() {
                findings.fault(format_args!("{rrn}: reversed, and stands in the journal"));
            }
        } else if entry.stands() {
            findings.standing += 1;
            if told_no {
                findings.fault(format_args!("{rrn}: stands approved, and its asker was declined"));
            }
        } else if entry.listed() || evidence.orphans.contains(&at_issuer) {
            findings.owed += 1;
        } else {
            findings.fault(format_args!(
                "{rrn}: approved; not standing, not reversed, not owed (over {:?}, late {})",
                entry.over, entry.late
            ));
        }
    }
}

/// What the days' positions say is what the issuers' ledgers say, to the last unit.
fn money(evidence: &Evidence, findings: &mut Findings) {
    let mut ledgers: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut booked = HashMap::new();
    for line in &evidence.ledger {
        let (effect, issuer) = (text(line, "effect"), text(line, "issuer"));
        let key = (issuer.clone(), text(line, "currency"));
        if effect == "approved" {
            let amount: i64 = text(line, "amount").parse().unwrap_or(0);
            let refund = text(line, "processing_code").starts_with('2');
            let amount = if refund { -amount } else { amount };
            let name = text(line, "mti") + &text(line, "stan") + &text(line, "transmission");
            booked.insert((issuer, name), amount);
            *ledgers.entry(key).or_default() += amount;
        } else if effect == "reversed" {
            let name = text(line, "original").get(..20).unwrap_or_default().to_owned();
            *ledgers.entry(key).or_default() -= booked.remove(&(issuer, name)).unwrap_or(0);
        }
    }
    findings.cleared = evidence.cleared.values().sum();
    if !evidence.cleared.is_empty() && ledgers != evidence.cleared {
        let cleared = &evidence.cleared;
        findings.fault(format_args!("the ledgers say {ledgers:?}, the positions {cleared:?}"));
    }
}

/// What the kills met: these are the moments that the whole test is for.
fn kills_met(evidence: &Evidence, findings: &mut Findings) {
    let heard = evidence.heard();
    for entry in evidence.journal.values() {
        let told = heard.get(&entry.rrn).and_then(|(_, told)| told.clone());
        for kill in &evidence.killed_at {
            let before = |at: &String| at < kill;
            let after = |at: Option<&String>| at.is_none_or(|at| kill < at);
            let answered = entry.answered.as_ref().map(|(_, at, ..)| at);
            if answered.is_some_and(before) && before(&entry.sent_at) && after(told.as_ref()) {
                findings.untold += 1;
            }
            findings.reversal_in_flight += entry
                .reversals
                .iter()
                .filter(|(since, until)| before(since) && after(until.as_ref().map(|(at, _)| at)))
                .count();
        }
        findings.unanswered += usize::from(entry.over.as_deref() == Some("restart"));
    }
}

impl Findings {
    fn fault(&mut self, what: impl fmt::Display) {
        self.faults.push(what.to_string());
    }

    /// How often kills met a request unanswered, an answer untold and a reversal in flight, and what stands.
    pub(crate) const fn met(&self) -> [usize; 4] {
        [self.unanswered, self.untold, self.reversal_in_flight, self.standing]
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} approvals of issuers: {} stand, {} reversed, {} owed or listed; {} told approved",
            self.approvals, self.standing, self.reversed, self.owed, self.told
        )?;
        writeln!(
            f,
            "kills met {} requests unanswered, {} answers untold, {} reversals in flight",
            self.unanswered, self.untold, self.reversal_in_flight
        )?;
        writeln!(
            f,
            "two days were cut, one under a kill: issuers pay {} minor units",
            self.cleared
        )?;
        for fault in self.faults.iter().take(20) {
            writeln!(f, "  {fault}")?;
        }
        Ok(())
    }
}

#[test]
fn the_auditor_finds_what_is_wrong() {
    let ledger = r#"{"issuer":"alpha","effect":"approved","mti":"0200","transmission":"1123190000","stan":"000001","rrn":"000100000001","amount":"000000001000","approval":"000001","original":null,"at":"2026-11-23T19:00:00.100Z"}"#;
    let asked = |what: &str, code: &str, approval: &str| {
        format!(
            r#"{{"what":"{what}","mti":"0200","rrn":"000100000001","amount":"000000001000","code":{code},"approval":{approval},"at":"2026-11-23T19:00:00.200Z"}}"#
        )
    };
    let link = link_of("alpha");
    let sent = format!(
        r#"{{"lsn":1,"kind":"sent","txn":1,"mti":"0200","issuer":"{link}","de7":"1123190000","stan":"000001","at":"2026-11-23T19:00:00.000Z","elements":{{"37":"000100000001"}}}}"#
    );
    let answered = r#"{"lsn":2,"kind":"answered","txn":1,"at":"2026-11-23T19:00:00.150Z","outcome":"approved","elements":{"38":"000001","39":"00"}}"#;
    let over =
        r#"{"lsn":2,"kind":"over","txn":1,"at":"2026-11-23T19:00:00.150Z","outcome":"restart"}"#;
    let owed = r#"{"lsn":3,"kind":"owed","txn":1,"at":"2026-11-23T19:00:00.150Z","de7":"1123190000","stan":"000002"}"#;
    let closed = r#"{"lsn":4,"kind":"closed","txn":1,"owing":"reversal","closing":"final","at":"2026-11-23T19:00:00.160Z"}"#;
    let yes = asked("told", "\"00\"", "\"000001\"");
    let no = asked("told", "\"91\"", "null");
    let kill = [Wall(1_795_460_400_170)];
    for (ledger, askers, export, faults) in [
        (ledger, yes.clone(), format!("{sent}\n{answered}"), 0),
        (ledger, format!("{yes}\n{no}"), format!("{sent}\n{answered}"), 1),
        (ledger, no.clone(), format!("{sent}\n{answered}"), 1),
        (ledger, no.clone(), format!("{sent}\n{over}"), 1),
        (ledger, no.clone(), format!("{sent}\n{over}\n{owed}"), 0),
        (ledger, no, format!("{sent}\n{over}\n{owed}\n{closed}"), 1),
        (ledger, yes.clone(), String::new(), 1),
        ("", yes, format!("{sent}\n{answered}"), 1),
    ] {
        let findings = judge(&Evidence::read(&[ledger], &askers, &export, &kill, 0));
        assert_eq!(findings.faults.len(), faults, "{:?}", findings.faults);
    }
}
