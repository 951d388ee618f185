//! What commands answer, as JSON for people and programs: links, debts, a day's cut. Cards masked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::books::{Books, BooksError, Ordered};
use crate::iso::{BusinessDate, ElementNo, Wall};
use crate::ledger::{Count, CutReport, Cycle};
use crate::link::Snapshot;
use crate::record::{Closing, Debt, DebtState, LinkId, Lsn, Outcome, Owing, Standing};
use crate::switch::{DayView, LinkOrder, LinkView};

/// One link.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: LinkId,
    pub(super) name: String,
    pub(super) role: &'static str,
    pub(super) dialect: String,
}

impl Entry {
    /// Whether it answers requests.
    pub(super) fn answers(&self) -> bool {
        self.role != "asker"
    }
}

/// The names of links, by number.
#[derive(Clone, Debug)]
pub(super) struct Names(BTreeMap<LinkId, String>);

impl Names {
    pub(super) fn new(roster: &[Entry]) -> Self {
        Self(roster.iter().map(|entry| (entry.id, entry.name.clone())).collect())
    }

    fn of(&self, link: LinkId) -> Value {
        // A link that the configuration no longer has is shown by its number.
        self.0.get(&link).map_or_else(|| json!(link.0), |name| json!(name))
    }
}

/// A link as its operator sees it: how it stands, and each session with its peer.
pub(super) fn link(
    (entry, listens): (&Entry, Option<SocketAddr>),
    views: &[LinkView],
    sessions: &[Snapshot],
) -> Value {
    let view = views.iter().find(|view| view.id == entry.id);
    let state_of = |session: u64| {
        let all = &view?.sessions;
        let at = all.binary_search_by_key(&session, |(id, _)| id.0).ok()?;
        all.get(at).map(|(_, state)| state.word())
    };
    let own = sessions.iter().filter(|session| session.link == entry.name);
    let sessions: Vec<Value> = own
        .map(|session| {
            json!({
                "session": session.id,
                "peer": session.peer.to_string(),
                "names": session.names,
                "state": state_of(session.id),
                "outbox_bytes": session.outbox_bytes,
            })
        })
        .collect();
    json!({
        "link": entry.name,
        "state": view.map(|view| view.state.word()),
        "ordered": view.and_then(|view| view.ordered).map(LinkOrder::word),
        "in_flight": view.map(|view| view.in_flight),
        "asking": view.map(|view| view.asking),
        "role": entry.role,
        "dialect": entry.dialect,
        "listen": listens.map(|address| address.to_string()),
        "sessions": sessions,
    })
}

/// An approval that nobody is known to have heard is shown when it is this old.
const UNTOLD_MS: u64 = 5000;

/// Everything that an operator may have to see to, so many of each list, and how many more there are.
pub(super) fn owed(
    books: &Books,
    names: &Names,
    now: Wall,
    limit: u32,
) -> Result<Vec<Value>, BooksError> {
    let mut lines = Vec::new();
    let mut counts = [0_u64; 3];
    for standing in books.owed(limit)? {
        counts[0] += 1;
        let debts = [("advice", &standing.advice), ("reversal", &standing.reversal)];
        for (owing, debt) in debts {
            if let Some(debt) = debt.as_ref().filter(|debt| is_open(debt)) {
                let mut line = about(&standing, names);
                line.insert("list".to_owned(), json!(state(debt)));
                line.insert("owing".to_owned(), json!(owing));
                line.insert(
                    "reason".to_owned(),
                    json!(format!("{:?}", debt.reason).to_lowercase()),
                );
                if debt.lowers() {
                    line.insert("lowers_to".to_owned(), json!(standing.lowered));
                }
                line.insert("since".to_owned(), json!(debt.since.to_string()));
                line.insert("stan".to_owned(), json!(debt.trace.stan.to_string()));
                line.insert("code".to_owned(), json!(debt.code.map(|code| code.to_string())));
                line.insert("requeued".to_owned(), json!(debt.requeued));
                lines.push(Value::Object(line));
            }
        }
    }
    let before = Wall(now.0.saturating_sub(UNTOLD_MS));
    for standing in books.delivery_unknown(before, limit)? {
        counts[1] += 1;
        let mut line = about(&standing, names);
        line.insert("list".to_owned(), json!("delivery-unknown"));
        lines.push(Value::Object(line));
    }
    for orphan in books.orphans(limit)? {
        counts[2] += 1;
        lines.push(json!({
            "list": "orphan",
            "lsn": orphan.lsn.0,
            "issuer": names.of(orphan.link),
            "at": orphan.at.to_string(),
            "mti": orphan.mti.to_string(),
            "stan": orphan.trace.map(|trace| trace.stan.to_string()),
        }));
    }
    let [owed, delivery_unknown, orphans] = counts;
    let all = books.totals(before)?;
    let more = all.owed.saturating_sub(owed)
        + all.delivery_unknown.saturating_sub(delivery_unknown)
        + all.orphans.saturating_sub(orphans);
    lines.push(json!({
        "ok": true, "owed": all.owed, "delivery_unknown": all.delivery_unknown,
        "orphans": all.orphans, "not_shown": more,
    }));
    Ok(lines)
}

const fn is_open(debt: &Debt) -> bool {
    !matches!(debt.state, DebtState::Closed(Closing::Final | Closing::WrittenOff))
}

const fn state(debt: &Debt) -> &'static str {
    match debt.state {
        DebtState::Open => "owed",
        DebtState::Closed(Closing::Provisional) => "unconfirmed",
        DebtState::Closed(Closing::Dead) => "dead-letter",
        DebtState::Closed(Closing::Final) => "settled",
        DebtState::Closed(Closing::WrittenOff) => "written-off",
    }
}

fn about(standing: &Standing, names: &Names) -> serde_json::Map<String, Value> {
    let mut line = serde_json::Map::new();
    line.insert("txn".to_owned(), json!(standing.id.0));
    let Some(sent) = standing.sent() else { return line };
    let text = |no| {
        sent.elements.get(no).map(|value| String::from_utf8_lossy(value).trim_end().to_owned())
    };
    line.insert("asker".to_owned(), names.of(sent.asker));
    line.insert("issuer".to_owned(), names.of(sent.issuer));
    line.insert("mti".to_owned(), json!(sent.mti.to_string()));
    line.insert("at".to_owned(), json!(sent.at.to_string()));
    line.insert("date".to_owned(), json!(sent.date.to_string()));
    line.insert("card".to_owned(), json!(sent.card.as_ref().map(|card| card.masked.to_string())));
    line.insert("amount".to_owned(), json!(text(ElementNo::AMOUNT)));
    line.insert("currency".to_owned(), json!(text(ElementNo::CURRENCY)));
    line.insert("terminal".to_owned(), json!(text(ElementNo::TERMINAL)));
    let outcome = match &standing.outcome {
        Outcome::InFlight => "in flight",
        Outcome::Answered { .. } => "answered",
        Outcome::Over { .. } => "over",
        Outcome::Stored => "stored",
    };
    line.insert("outcome".to_owned(), json!(outcome));
    line
}

/// The business day: the date in force, the one that closes, the last cut, and the days that are cut without their files.
pub(super) fn day(day: &DayView, unwritten: &[(Cycle, Option<String>)]) -> Value {
    let known = |date: BusinessDate| (date != BusinessDate::default()).then(|| date.to_string());
    let unwritten: Vec<Value> = unwritten
        .iter()
        .map(|(cycle, fault)| match cycle.number {
            0 => json!({ "date": cycle.date.to_string(), "fault": fault }),
            number => json!({ "date": cycle.date.to_string(), "cycle": number, "fault": fault }),
        })
        .collect();
    json!({
        "ok": true,
        "date": known(day.date),
        "closing": day.closing.map(|date| date.to_string()),
        "last_cut": known(day.cut),
        "ends_at": day.ends_at.map(|at| at.to_string()),
        "unwritten": unwritten,
    })
}

/// A day that was cut, and its files.
pub(super) fn cut(report: &CutReport) -> Value {
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|file| {
            let (totals, id) = (&file.totals, &file.totals.file_id);
            let (records, checksum) = (totals.records, totals.checksum);
            json!({ "issuer": file.issuer, "name": file.name, "id": id, "records": records, "checksum": checksum })
        })
        .collect();
    let positions: Value = serde_json::from_str(&report.balanced.json()).unwrap_or(Value::Null);
    json!({
        "ok": true,
        "date": report.cycle.date.to_string(),
        "cycle": report.cycle.number,
        "directory": report.directory.display().to_string(),
        "files": files,
        "positions_files": report.positions,
        "positions": positions,
        "exceptions": report.exceptions,
    })
}

/// Nothing was waiting for a cycle. Whoever asks again because no answer came sees what was cut last.
pub(super) fn nothing_cut(last: Option<(Cycle, Wall)>, exceptions: u64) -> Value {
    let last = last.map(|(cycle, at)| {
        json!({ "date": cycle.date.to_string(), "cycle": cycle.number, "at": at.to_string() })
    });
    json!({ "ok": true, "cycle": null, "files": [], "last": last, "exceptions": exceptions })
}

/// How many of what are in which state.
pub(super) fn status(counts: &[Count]) -> Vec<Value> {
    let mut lines: Vec<Value> = counts
        .iter()
        .map(|count| {
            let (currency, amount) = (count.currency.as_deref(), count.amount);
            json!({
                "of": count.what, "kind": count.kind, "refund": count.refund, "state": count.state,
                "currency": currency, "count": count.count, "amount": amount,
            })
        })
        .collect();
    lines.push(json!({ "ok": true }));
    lines
}

/// An order about a dead letter or an orphan that was carried out, by this command or an earlier one.
pub(super) fn ordered(
    done: &str,
    about: Lsn,
    owing: Option<Owing>,
    ordered: Option<&Ordered>,
) -> Value {
    let mut line = serde_json::Map::new();
    line.insert("ok".to_owned(), json!(true));
    line.insert(if owing.is_some() { "txn" } else { "lsn" }.to_owned(), json!(about.0));
    line.insert("owing".to_owned(), json!(owing.map(Owing::word)));
    line.insert("done".to_owned(), json!(done));
    if let Some(ordered) = ordered {
        line.insert("at".to_owned(), json!(ordered.at.to_string()));
        line.insert("by".to_owned(), json!(ordered.who));
        line.insert("reason".to_owned(), json!(ordered.reason));
    }
    Value::Object(line)
}
