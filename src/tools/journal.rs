//! The bodies of `journal verify|cat|export`: a journal as text. Shows no card in clear, and needs no key.

use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::iso::{ElementNo, ElementSet, Elements, Wall};
use crate::journal::{self, JournalError, Reader};
use crate::record::{
    self, BadRecord, Card, Debt, LinkId, Lsn, Opening, Outcome, Record, Sent, Standing, Trace,
    TxnId, Undo,
};
use crate::seal::Tag;

/// How much is read at once.
const STEP_BYTES: usize = 4 << 20;

/// Never shown, whatever a dialect keeps: PAN, tracks, PIN.
const SECRET: ElementSet = ElementSet::of(&[2, 34, 35, 36, 45, 52]);

/// Why a journal could not be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The journal is unusable.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A record in it is.
    #[error(transparent)]
    Record(#[from] BadRecord),
    /// Nobody reads the text.
    #[error("cannot write the output: {0}")]
    Output(#[from] std::io::Error),
}

/// One line on what a journal holds; an error with file and position when it is damaged.
pub fn verify(directory: &Path, out: &mut impl Write) -> Result<(), ShowError> {
    let found = journal::verify(directory)?;
    writeln!(
        out,
        "in order: {} files, lsn {} to {}, {} records in {} commits, {} bytes, {} carries",
        found.files,
        found.first.0,
        found.last.0,
        found.records,
        found.commits,
        found.bytes,
        found.carries
    )?;
    Ok(())
}

/// A line for people per record, from a position on.
pub fn cat(directory: &Path, from: Lsn, out: &mut impl Write) -> Result<(), ShowError> {
    each(directory, from, |lsn, record| writeln!(out, "{}", line(lsn, record)))
}

/// A JSON object for programs per record and line, from a position on. Names and words do not change.
pub fn export(directory: &Path, from: Lsn, out: &mut impl Write) -> Result<(), ShowError> {
    each(directory, from, |lsn, record| writeln!(out, "{}", Value::Object(object(lsn, record))))
}

fn each(
    directory: &Path,
    from: Lsn,
    mut show: impl FnMut(Lsn, &Record) -> std::io::Result<()>,
) -> Result<(), ShowError> {
    let mut reader = Reader::open(directory);
    let Some((oldest, newest)) = reader.oldest()?.zip(reader.newest()?) else { return Ok(()) };
    let from = from.max(oldest);
    let mut last = Lsn(from.0.saturating_sub(1));
    // What a running daemon adds meanwhile is not waited for.
    while last < newest {
        let commits = reader.after(last, STEP_BYTES)?;
        let Some(end) = commits.last().map(journal::Commit::last) else { return Ok(()) };
        for commit in commits {
            let records = record::decode_all(&commit.blob, commit.first)?;
            for (lsn, record) in
                (commit.first.0..).map(Lsn).zip(&records).skip_while(|(lsn, _)| *lsn < from)
            {
                show(lsn, record)?;
            }
        }
        last = end;
    }
    Ok(())
}

/// A record as a JSON object.
pub fn object(lsn: Lsn, record: &Record) -> Map<String, Value> {
    let mut to = Map::new();
    to.insert("lsn".to_owned(), lsn.0.into());
    to.insert("kind".to_owned(), record.word().into());
    let mut set = |name: &str, value: Value| drop(to.insert(name.to_owned(), value));
    match record {
        Record::Sent(_)
        | Record::Stored(_)
        | Record::StoodIn { .. }
        | Record::StoodInAfter { .. }
        | Record::Undone(_)
        | Record::Lowered { .. } => opening_fields(lsn, record, &mut set),
        Record::Spent { cards } => set("cards", cards.len().into()),
        Record::Rerouted { .. } => reroute_fields(record, &mut set),
        Record::StoodInMatched { txn, at, trace, added } => {
            about(*txn, *at, &mut set);
            trace_fields(*trace, &mut set);
            set("added", elements(added));
        }
        Record::Answered { txn, at, verdict, added } => {
            about(*txn, *at, &mut set);
            set("outcome", verdict.word().into());
            set("elements", elements(added));
        }
        Record::Told { txns } => set("txns", txns.iter().map(|txn| txn.0).collect()),
        Record::Over { txn, at, why } => {
            about(*txn, *at, &mut set);
            set("outcome", why.word().into());
        }
        Record::Late { txn, at, approved } => {
            about(*txn, *at, &mut set);
            set("approved", (*approved).into());
        }
        Record::Owed { txn, at, trace, reason } => {
            about(*txn, *at, &mut set);
            trace_fields(*trace, &mut set);
            set("reason", reason.word().into());
        }
        Record::Closed { txn, at, owing, trace, closing, code } => {
            about(*txn, *at, &mut set);
            set("owing", owing.word().into());
            trace_fields(*trace, &mut set);
            set("closing", closing.word().into());
            set("code", code.map(|code| code.to_string()).into());
        }
        Record::Requeued { .. } | Record::WrittenOff { .. } | Record::OrphanWrittenOff { .. } => {
            order_fields(record, &mut set);
        }
        Record::Unmatched { link, at, mti, trace, approved, orphan } => {
            set("link", link_id(*link));
            set("at", at.to_string().into());
            set("mti", mti.to_string().into());
            if let Some(trace) = trace {
                trace_fields(*trace, &mut set);
            }
            set("approved", (*approved).into());
            set("orphan", (*orphan).into());
        }
        Record::Restored(standing) | Record::Carried(standing) => {
            standing_fields(standing, &mut set);
        }
        Record::Opened { date, at } | Record::Cut { date, at } => {
            set("date", date.to_string().into());
            set("at", at.to_string().into());
        }
        Record::CarryBegins { .. } => carry_fields(record, &mut set),
        Record::CarryEnds { open } => set("open", (*open).into()),
    }
    to
}

fn reroute_fields(record: &Record, set: &mut impl FnMut(&str, Value)) {
    let Record::Rerouted { txn, at, issuer, trace } = record else { return };
    about(*txn, *at, set);
    set("issuer", link_id(*issuer));
    trace_fields(*trace, set);
}

/// What opens a transaction.
fn opening_fields(lsn: Lsn, record: &Record, set: &mut impl FnMut(&str, Value)) {
    set("txn", lsn.0.into());
    match record {
        Record::Sent(sent) | Record::Stored(sent) => sent_fields(sent, set),
        Record::StoodIn { sent, added } => {
            sent_fields(sent, set);
            set("added", elements(added));
        }
        Record::StoodInAfter { attempt, sent, added } => {
            set("attempt", attempt.0.into());
            sent_fields(sent, set);
            set("added", elements(added));
        }
        Record::Undone(undo) => undo_fields(undo, set),
        Record::Lowered { undo, amount, trace } => {
            undo_fields(undo, set);
            set("amount", (*amount).into());
            trace_fields(*trace, set);
        }
        _ => {}
    }
}

/// What an operator ordered.
fn order_fields(record: &Record, set: &mut impl FnMut(&str, Value)) {
    let (by, why) = match record {
        Record::Requeued { txn, at, owing, trace, by } => {
            about(*txn, *at, set);
            set("owing", owing.word().into());
            trace_fields(*trace, set);
            (by, None)
        }
        Record::WrittenOff { txn, at, owing, trace, ruling } => {
            about(*txn, *at, set);
            set("owing", owing.word().into());
            trace_fields(*trace, set);
            (&ruling.by, Some(&ruling.why))
        }
        Record::OrphanWrittenOff { orphan, at, ruling } => {
            set("listed_by", orphan.0.into());
            set("at", at.to_string().into());
            (&ruling.by, Some(&ruling.why))
        }
        _ => return,
    };
    set("by", by.as_str().into());
    if let Some(why) = why {
        set("why", why.as_str().into());
    }
}

fn carry_fields(record: &Record, set: &mut impl FnMut(&str, Value)) {
    let Record::CarryBegins { at, date, cut, closing, traces, open } = record else { return };
    set("at", at.to_string().into());
    set("date", date.to_string().into());
    set("cut", cut.to_string().into());
    set("closing", closing.map(|date| date.to_string()).into());
    let of_link = |(link, trace): &(LinkId, Trace)| {
        let mut one = Map::new();
        one.insert("link".to_owned(), link_id(*link));
        trace_fields(*trace, &mut |name, value| drop(one.insert(name.to_owned(), value)));
        Value::Object(one)
    };
    set("traces", traces.iter().map(of_link).collect());
    set("open", (*open).into());
}

fn about(txn: TxnId, at: Wall, set: &mut impl FnMut(&str, Value)) {
    set("txn", txn.0.into());
    set("at", at.to_string().into());
}

fn sent_fields(sent: &Sent, set: &mut impl FnMut(&str, Value)) {
    set("asker", link_id(sent.asker));
    set("key", tag(sent.key));
    set("content", tag(sent.content));
    set("mti", sent.mti.to_string().into());
    set("issuer", link_id(sent.issuer));
    trace_fields(sent.trace, set);
    set("date", sent.date.to_string().into());
    set("at", sent.at.to_string().into());
    set("card", sent.card.as_ref().map(card).into());
    set("completes", sent.completes.map(|txn| txn.0).into());
    set("named", sent.named.map(tag).into());
    set("declined", sent.declined.into());
    set("elements", elements(&sent.elements));
}

fn undo_fields(undo: &Undo, set: &mut impl FnMut(&str, Value)) {
    set("asker", link_id(undo.asker));
    set("key", tag(undo.key));
    set("content", tag(undo.content));
    set("mti", undo.mti.to_string().into());
    set("original_key", tag(undo.original_key));
    set("original", undo.original.map(|txn| txn.0).into());
    set("of_advice", undo.of_advice.into());
    set("says_all", undo.says_all.into());
    set("code", undo.code.to_string().into());
    set("at", undo.at.to_string().into());
}

fn standing_fields(standing: &Standing, set: &mut impl FnMut(&str, Value)) {
    set("txn", standing.id.0.into());
    set("opening", standing.opening.word().into());
    match &standing.opening {
        Opening::Request(sent) | Opening::Advice(sent) => sent_fields(sent, set),
        Opening::Reversal(undo) => undo_fields(undo, set),
    }
    set("outcome", standing.outcome.word().into());
    match &standing.outcome {
        Outcome::Answered { added, at, .. } => {
            set("added", elements(added));
            set("outcome_at", at.to_string().into());
        }
        Outcome::Over { at, .. } => set("outcome_at", at.to_string().into()),
        Outcome::InFlight | Outcome::Stored => {}
    }
    set("heard", standing.heard.word().into());
    set("told", standing.told.into());
    set("approved", standing.stands_approved().into());
    set("advice", standing.advice.as_ref().map(debt).into());
    set("reversal", standing.reversal.as_ref().map(debt).into());
    set("undone_by", standing.undone_by.map(|txn| txn.0).into());
    set("lowered", standing.lowered.into());
}

fn debt(debt: &Debt) -> Value {
    let mut to = Map::new();
    let mut set = |name: &str, value: Value| drop(to.insert(name.to_owned(), value));
    trace_fields(debt.trace, &mut set);
    set("since", debt.since.to_string().into());
    set("reason", debt.reason.word().into());
    set("state", debt.state.word().into());
    set("code", debt.code.map(|code| code.to_string()).into());
    set("requeued", debt.requeued.into());
    Value::Object(to)
}

fn trace_fields(trace: Trace, set: &mut impl FnMut(&str, Value)) {
    set("de7", trace.transmission.ascii().escape_ascii().to_string().into());
    set("stan", trace.stan.to_string().into());
}

fn card(card: &Card) -> Value {
    json!({ "masked": card.masked.as_bytes().escape_ascii().to_string(), "token": tag(card.token) })
}

/// By number. Text as text (bytes above ASCII are latin-1), what is no text as `{"hex": "..."}`.
fn elements(elements: &Elements) -> Value {
    let shown = elements.iter().filter(|(no, _)| !SECRET.has(*no));
    Value::Object(shown.map(|(no, value)| (no.to_string(), text_or_hex(value))).collect())
}

fn text_or_hex(value: &[u8]) -> Value {
    if value.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xa0..)) {
        return value.iter().map(|byte| char::from(*byte)).collect::<String>().into();
    }
    let digit =
        |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?').to_ascii_uppercase();
    let hex: String = value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    json!({ "hex": hex })
}

/// Eight hex digits: the number of the link's name.
fn link_id(link: LinkId) -> Value {
    format!("{:08x}", link.0).into()
}

fn tag(tag: Tag) -> Value {
    format!("{:032x}", tag.0).into()
}

/// `      17 2026-11-23T18:34:00.123Z sent       txn=17 mti=0200 ...`, without what only programs read.
fn line(lsn: Lsn, record: &Record) -> String {
    const ORDER: [&str; 23] = [
        "txn",
        "txns",
        "opening",
        "mti",
        "card",
        "asker",
        "issuer",
        "link",
        "de7",
        "stan",
        "outcome",
        "owing",
        "reason",
        "closing",
        "code",
        "approved",
        "orphan",
        "original",
        "date",
        "advice",
        "reversal",
        "listed_by",
        "open",
    ];
    // An operator's own words come last, and in quotes.
    const QUOTED: [&str; 2] = ["by", "why"];
    let fields = object(lsn, record);
    let at = fields.get("at").and_then(Value::as_str).unwrap_or("-");
    let mut text = format!("{:>10} {at:<24} {:<12}", lsn.0, record.word());
    let mut put = |name: &str, value: &str| {
        text.push(' ');
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    };
    for name in ORDER {
        match fields.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(value)) => put(name, value),
            Some(Value::Object(value)) => {
                let word = ["masked", "state"].iter().find_map(|field| value.get(*field)?.as_str());
                put(name, word.unwrap_or("-"));
            }
            Some(value) => put(name, &value.to_string()),
        }
    }
    for no in [
        ElementNo::PROCESSING_CODE,
        ElementNo::AMOUNT,
        ElementNo::CURRENCY,
        ElementNo::RRN,
        ElementNo::APPROVAL_CODE,
        ElementNo::RESPONSE_CODE,
        ElementNo::TERMINAL,
    ] {
        for part in ["elements", "added"] {
            if let Some(value) =
                fields.get(part).and_then(|part| part.get(no.to_string())?.as_str())
            {
                put(&format!("de{no}"), value.trim_end());
            }
        }
    }
    for name in QUOTED {
        if let Some(value) = fields.get(name).and_then(Value::as_str) {
            put(name, &format!("{value:?}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::iso::{BusinessDate, Mti, Pan, Stan, Transmission};
    use crate::journal::{Commit, Journal, Settings};
    use crate::record::{Secret, Verdict};
    use crate::seal::Keys;

    /// A purchase that was approved, as two commits of a journal.
    fn journal(directory: &Path) {
        let keys = Keys::new(&[7; 32]);
        let pan = Pan::new(b"5413330000004111").unwrap();
        let mut kept = Elements::default();
        for (no, value) in [
            (4, &b"000000001234"[..]),
            (35, b"5413330000004111=2512"),
            (43, b"Caf\xe9"),
            (49, b"978"),
            (55, &[0x9f, 1]),
        ] {
            kept.set(ElementNo::of(no), value);
        }
        let mut added = Elements::default();
        added.set(ElementNo::RESPONSE_CODE, b"00");
        let at = Wall(1_795_459_600_123);
        let sent = Sent {
            asker: LinkId(1),
            key: Tag(0xabc),
            content: Tag(1),
            mti: Mti::new(200).unwrap(),
            issuer: LinkId(2),
            trace: Trace {
                transmission: Transmission(1_795_459_600),
                stan: Stan::new(17).unwrap(),
            },
            date: BusinessDate(20_780),
            at,
            card: Some(Card { masked: pan.masked(), token: Tag(5), secret: Secret::Clear(pan) }),
            elements: kept,
            completes: None,
            named: None,
            declined: false,
        };
        let txn = TxnId(1);
        let answered =
            Record::Answered { txn, at, verdict: Verdict::Approved, added: Arc::new(added) };
        let commits =
            [vec![Record::Sent(Arc::new(sent)), answered], vec![Record::Told { txns: vec![txn] }]];
        let settings = Settings { directory: directory.to_owned(), retention_days: 1 };
        let (mut journal, _) = Journal::open(&settings).unwrap();
        let mut next = 1;
        for records in commits {
            let mut commit = Commit { first: Lsn(next), day: 20_780, ..Commit::default() };
            for record in records {
                record::encode(&record, Lsn(next), &keys, &mut commit.blob);
                commit.count += 1;
                next += 1;
            }
            journal.commit(&commit).unwrap();
        }
    }

    #[test]
    fn an_export_has_a_line_a_record_and_no_secret() {
        let scratch = tempfile::tempdir().unwrap();
        journal(scratch.path());
        let mut out = Vec::new();
        export(scratch.path(), Lsn(0), &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(!out.contains("0000004111"), "{out}");
        let lines: Vec<Value> =
            out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        let sent = &lines[0];
        assert_eq!(
            [
                &sent["kind"],
                &sent["mti"],
                &sent["stan"],
                &sent["card"]["masked"],
                &sent["elements"]["4"]
            ],
            ["sent", "0200", "000017", "541333******4111", "000000001234"]
        );
        assert_eq!(
            (&sent["elements"]["43"], &sent["elements"]["55"]["hex"]),
            (&json!("Café"), &json!("9F01"))
        );
        assert_eq!(sent["elements"].get("35"), None);
        assert_eq!(
            (&lines[1]["outcome"], &lines[1]["elements"]["39"]),
            (&json!("approved"), &json!("00"))
        );
        assert_eq!(lines[2]["txns"], json!([1]));
    }

    #[test]
    fn people_read_from_anywhere() {
        let scratch = tempfile::tempdir().unwrap();
        journal(scratch.path());
        for (from, lines) in [(0, 3), (1, 3), (2, 2), (3, 1), (4, 0)] {
            let mut out = Vec::new();
            cat(scratch.path(), Lsn(from), &mut out).unwrap();
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out.lines().count(), lines, "{out}");
            assert!(!out.contains("0000004111"), "{out}");
        }
        let mut out = Vec::new();
        verify(scratch.path(), &mut out).unwrap();
        assert!(out.starts_with(b"in order: 1 files, lsn 1 to 3, 3 records in 2 commits"));
    }
}
