//! `why`: the life of one transaction, for people or as JSON lines. Needs no daemon and no key.

use std::io::{self, BufWriter, Write};

use clap::Args;
use serde_json::{Map, Value, json};

use super::home::Home;
use super::{Failure, say};
use crate::books::why::{Archive, Found, Life, Listed, Now, Step, Stray, Wanted};
use crate::ledger::Shelf;
use crate::record::TxnId;

/// Tell the life of a transaction.
#[derive(Args)]
pub(super) struct Why {
    /// A transaction's number, or conditions: stan= de7= rrn= approval= terminal= merchant= card= amount= date= link=
    #[arg(required = true, value_name = "KEY")]
    key: Vec<String>,
    #[command(flatten)]
    home: Home,
    /// A JSON object a line, for programs
    #[arg(long)]
    json: bool,
}

impl Why {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let wanted = Wanted::parse(&self.key);
        let wanted = wanted.map_err(|fault| Failure::Usage(fault.to_string()))?;
        let state = self.home.state()?;
        let mut archive = Archive::open(&state)?;
        if let Some(shelf) = Shelf::open(&state)? {
            archive = archive.with_filing(Box::new(shelf));
        }
        let found = archive.find(&wanted)?;
        let Some(txn) = one(&found) else {
            return self.list(&archive, &wanted, &found);
        };
        let life = archive.life(txn)?;
        let Some(life) = life else { return Err(nothing(&archive, &wanted)?) };
        if life.is_partial {
            say("note: the journal no longer has all of this: what the books keep of it is told");
        }
        self.tell(&life, &found.strays).map_err(Failure::io("stdout"))
    }

    fn tell(&self, life: &Life, strays: &[Stray]) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            for step in &life.steps {
                writeln!(out, "{}", json_of_step(step))?;
            }
            for stray in strays {
                writeln!(out, "{}", json_of_stray(stray))?;
            }
            for standing in &life.now {
                writeln!(out, "{}", json_of_now(standing))?;
            }
        } else {
            for step in &life.steps {
                write_step(&mut out, step)?;
            }
            for stray in strays {
                write_stray(&mut out, stray)?;
            }
            for standing in &life.now {
                write_now(&mut out, standing)?;
            }
        }
        out.flush()
    }

    /// None was found, or several that have nothing to do with one another.
    fn list(&self, archive: &Archive, wanted: &Wanted, found: &Found) -> Result<(), Failure> {
        if found.transactions.is_empty() && found.strays.is_empty() {
            return Err(nothing(archive, wanted)?);
        }
        self.write_list(found).map_err(Failure::io("stdout"))?;
        if !found.transactions.is_empty() {
            let count = found.transactions.len();
            let newest = if found.more { "the newest of more" } else { "all" };
            say(&format!(
                "{count} transactions, {newest}: name one by its number (iso8583d why NUMBER), or add conditions, such as date=, link=, terminal= or amount="
            ));
        }
        Ok(())
    }

    fn write_list(&self, found: &Found) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        for listed in &found.transactions {
            if self.json {
                writeln!(out, "{}", json_of_listed(listed))?;
            } else {
                write_listed(&mut out, listed)?;
            }
        }
        for stray in &found.strays {
            if self.json {
                writeln!(out, "{}", json_of_stray(stray))?;
            } else {
                write_stray(&mut out, stray)?;
            }
        }
        out.flush()
    }
}

/// The one that is meant: the only one, or the only one to which all others belong.
fn one(found: &Found) -> Option<TxnId> {
    let all = &found.transactions;
    if found.more {
        return None;
    }
    let belongs = |to: &Listed| {
        let related = |one: &Listed| {
            one.txn == to.txn || one.related.contains(&to.txn) || to.related.contains(&one.txn)
        };
        all.iter().all(related)
    };
    all.iter().find(|listed| belongs(listed)).map(|listed| listed.txn)
}

fn nothing(archive: &Archive, wanted: &Wanted) -> Result<Failure, Failure> {
    let text = format!(
        "no transaction meets what was asked for ({}): {}\nhelp: a decline of what was never sent on is in the log alone; elements 7 and 11 are looked for as the asker and as the issuer had them",
        wanted.named(),
        archive.reach()?
    );
    Ok(Failure::Found(text))
}

/// Two lines: who said what to whom, and what was decided.
fn write_step(out: &mut impl Write, step: &Step) -> io::Result<()> {
    let at = step.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let ms = step.ms.map_or_else(String::new, |ms| format!("+{ms} ms"));
    write!(out, "{at:<24} {ms:>12}  {} -> {}", step.from, step.to)?;
    if let Some(mti) = step.mti {
        write!(out, "  {mti}")?;
    }
    for (no, value) in &step.elements {
        write!(out, " {no}={value}")?;
    }
    writeln!(out, "\n{:39}{}", "", step.said)
}

fn write_now(out: &mut impl Write, now: &Now) -> io::Result<()> {
    write!(out, "transaction {}: {}", now.txn.0, now.said)?;
    if now.open.is_empty() {
        writeln!(out, "; nothing is open")
    } else {
        writeln!(out, "; open: {}", now.open.join(", "))
    }
}

fn write_listed(out: &mut impl Write, listed: &Listed) -> io::Result<()> {
    let Listed { txn, at, mti, asker, issuer, elements, outcome, related } = listed;
    let issuer = issuer.as_ref().map_or_else(String::new, |issuer| format!(" -> {issuer}"));
    write!(out, "{:>10} {at} {mti} {asker}{issuer}", txn.0)?;
    for (no, value) in elements {
        write!(out, " {no}={value}")?;
    }
    write!(out, " {outcome}")?;
    for other in related {
        write!(out, " (see {})", other.0)?;
    }
    writeln!(out)
}

fn write_stray(out: &mut impl Write, stray: &Stray) -> io::Result<()> {
    let Stray { lsn, at, link, mti, pair: (transmission, stan), written_off } = stray;
    let listed = match written_off {
        None => "on the operator's list".to_owned(),
        Some((who, reason)) => format!("written off by {who}: {reason}"),
    };
    writeln!(
        out,
        "record {} of {at}: {link} -> switch  {mti} 7={transmission} 11={stan}: an approval of which nothing is known, {listed}",
        lsn.0
    )
}

fn json_of_step(step: &Step) -> Value {
    json!({
        "txn": step.txn.0,
        "lsn": step.lsn.map(|lsn| lsn.0),
        "kind": step.kind,
        "at": step.at.map(|at| at.to_string()),
        "ms": step.ms,
        "from": step.from,
        "to": step.to,
        "mti": step.mti.map(|mti| mti.to_string()),
        "elements": json_of_elements(&step.elements),
        "said": step.said,
    })
}

fn json_of_now(now: &Now) -> Value {
    json!({
        "txn": now.txn.0,
        "kind": "now",
        "state": now.state,
        "date": now.date.map(|date| date.to_string()),
        "said": now.said,
        "open": now.open,
    })
}

fn json_of_listed(listed: &Listed) -> Value {
    json!({
        "txn": listed.txn.0,
        "kind": "found",
        "at": listed.at.to_string(),
        "mti": listed.mti.to_string(),
        "asker": listed.asker,
        "issuer": listed.issuer,
        "elements": json_of_elements(&listed.elements),
        "outcome": listed.outcome,
        "related": listed.related.iter().map(|txn| txn.0).collect::<Vec<_>>(),
    })
}

fn json_of_stray(stray: &Stray) -> Value {
    let (transmission, stan) = &stray.pair;
    let written_off =
        stray.written_off.as_ref().map(|(who, reason)| json!({ "by": who, "reason": reason }));
    json!({
        "kind": "orphan",
        "lsn": stray.lsn.0,
        "at": stray.at.to_string(),
        "link": stray.link,
        "mti": stray.mti,
        "elements": { "7": transmission, "11": stan },
        "written_off": written_off,
    })
}

/// By number.
fn json_of_elements(elements: &[(u8, String)]) -> Map<String, Value> {
    elements.iter().map(|(no, value)| (no.to_string(), Value::from(value.as_str()))).collect()
}
