//! A switch with a merchant, books and a ledger, to hand files in to.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::super::{CaptureSettings, Taken, Unlinked};
use crate::books::Books;
use crate::clearing::claim::{COLUMNS, Late, Limits, Rules};
use crate::iso::{BusinessDate, ElementNo, Elements, Mti, Pan, Wall};
use crate::journal::{Commit, Journal, Reader, Settings};
use crate::ledger::{Inbox, Ledger};
use crate::record::{self, Card, LinkId, Lsn, Reason, Record, Secret, Sent, Trace, TxnId, Verdict};
use crate::seal::{Keys, Tag};

const DAY: u32 = 20_779;
pub(super) const PAN: &str = "5413330089604111";

/// A switch with a merchant or two, and its ledger.
pub(super) struct Shop {
    pub(super) home: tempfile::TempDir,
    keys: Arc<Keys>,
    journal: Journal,
    reader: Reader,
    books: Books,
    commit: Commit,
    next: Lsn,
    pub(super) at: Wall,
    pub(super) ledger: Ledger,
    pub(super) inbox: Inbox,
    pub(super) settings: CaptureSettings,
}

impl Shop {
    pub(super) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::new(&[7; 32]));
        let directory = home.path().join("journal");
        let settings = Settings { directory: directory.clone(), retention_days: 100 };
        let journal = Journal::open(&settings).unwrap().0;
        let books = Books::open(home.path(), Arc::clone(&keys)).unwrap();
        let ledger = Ledger::open(home.path(), Arc::clone(&keys)).unwrap();
        let inbox = Inbox::open(&home.path().join("captures")).unwrap();
        let settings = CaptureSettings {
            limits: Limits { bytes_max: 1 << 20, records_max: 1000, live: false },
            rules: Rules {
                days: 7,
                validity: Vec::new(),
                late: Late::Reject,
                tolerance: Vec::new(),
            },
            pending_ms: 3_600_000,
            unlinked: Unlinked::Reject,
        };
        let at = Wall(u64::from(DAY) * 86_400_000 + 36_000_000);
        let commit = Commit { first: Lsn(1), day: DAY, carry: true, ..Commit::default() };
        let reader = Reader::open(&directory);
        let next = Lsn(1);
        let mut shop =
            Self { home, keys, journal, reader, books, commit, next, at, ledger, inbox, settings };
        shop.push(&Record::Opened { date: BusinessDate(DAY), at });
        shop
    }

    /// Another process has the ledger.
    pub(super) fn anew(&mut self) {
        self.ledger = Ledger::open(self.home.path(), Arc::clone(&self.keys)).unwrap();
    }

    pub(super) fn push(&mut self, record: &Record) -> TxnId {
        let lsn = self.next;
        record::encode(record, lsn, &self.keys, &mut self.commit.blob);
        self.commit.count += 1;
        self.next = Lsn(lsn.0 + 1);
        TxnId(lsn.0)
    }

    /// With so many authorizations of trace numbers from 1 on.
    pub(super) fn with_approved(count: u32) -> Self {
        let mut shop = Self::new();
        for stan in 1..=count {
            shop.approved(stan, 100, &[]);
        }
        shop.follow();
        shop
    }

    /// The books know all of it.
    pub(super) fn follow(&mut self) {
        if self.commit.count > 0 {
            let next = Commit { first: self.next, day: DAY, ..Commit::default() };
            let commit = std::mem::replace(&mut self.commit, next);
            self.journal.commit(&commit).unwrap();
        }
        while self.books.follow(&mut self.reader).unwrap().records > 0 {}
    }

    pub(super) fn asked(&mut self, stan: u32, mti: u16, changes: &[(u8, &str)]) -> TxnId {
        let completes = (mti == 220).then_some(TxnId(u64::from(stan)));
        self.asked_of(stan, mti, (changes, completes))
    }

    /// One that names another transaction: what it completes, or raises.
    pub(super) fn asked_of(
        &mut self,
        stan: u32,
        mti: u16,
        (changes, completes): (&[(u8, &str)], Option<TxnId>),
    ) -> TxnId {
        let pan = Pan::new(PAN.as_bytes()).unwrap();
        let mut elements = Elements::default();
        for (no, value) in [
            (3, "000000"),
            (4, "000000001000"),
            (11, &*format!("{stan:06}")),
            (12, "100000"),
            (13, "1122"),
            (37, &format!("{stan:012}")),
            (41, "TERM0001"),
            (42, "SHOP           "),
            (49, "978"),
        ]
        .iter()
        .chain(changes)
        {
            elements.set(ElementNo::of(*no), value.as_bytes());
        }
        let sent = Arc::new(Sent {
            asker: LinkId(1),
            key: Tag(self.next.0.into()),
            content: Tag(1),
            mti: Mti::new(mti).unwrap(),
            issuer: LinkId(2),
            trace: Trace::default(),
            date: BusinessDate(DAY),
            at: self.at,
            card: Some(Card { masked: pan.masked(), token: Tag(3), secret: Secret::Clear(pan) }),
            elements,
            completes,
            named: None,
            declined: false,
        });
        let record = if mti == 220 { Record::Stored(sent) } else { Record::Sent(sent) };
        self.push(&record)
    }

    pub(super) fn answered(&mut self, txn: TxnId, stan: u32, code: &str) {
        let mut added = Elements::default();
        added.set(ElementNo::RESPONSE_CODE, code.as_bytes());
        let verdict = if code == "00" { Verdict::Approved } else { Verdict::Declined };
        if code == "00" {
            added.set(ElementNo::APPROVAL_CODE, format!("A{stan:05}").as_bytes());
        }
        self.push(&Record::Answered { txn, at: self.at, verdict, added: Arc::new(added) });
    }

    /// An approved request of 10.00.
    pub(super) fn approved(&mut self, stan: u32, mti: u16, changes: &[(u8, &str)]) -> TxnId {
        let txn = self.asked(stan, mti, changes);
        self.answered(txn, stan, "00");
        txn
    }

    /// An approved request for so much that raises another.
    pub(super) fn raised(&mut self, stan: u32, first: TxnId, amount: u64) -> TxnId {
        let amount = format!("{amount:012}");
        let txn = self.asked_of(stan, 100, (&[(4, &amount)], Some(first)));
        self.answered(txn, stan, "00");
        txn
    }

    pub(super) fn reversed(&mut self, txn: TxnId) {
        let (at, trace) = (self.at, Trace::default());
        self.push(&Record::Owed { txn, at, trace, reason: Reason::Asked });
    }

    pub(super) fn submit(&mut self, name: &str, text: &str) -> Taken {
        fs::write(self.home.path().join("captures").join(name), text).unwrap();
        self.ledger.take_captures(name, &self.inbox, &self.settings, self.at).unwrap()
    }

    pub(super) fn sum(&self, sql: &str) -> i64 {
        self.ledger.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(super) fn count(&self) -> i64 {
        self.sum("SELECT count(*) FROM claims")
    }
}

/// The result's lines of records: reference, state, reason.
pub(super) fn states(taken: &Taken) -> Vec<(String, String, String)> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    let of = |line: &Value| (text(line, "capture_ref"), text(line, "state"), text(line, "reason"));
    lines(taken).iter().filter(|line| line["type"] == "record").map(of).collect()
}

/// A result as JSON; that the CSV has the same lines, and that no part of either is left, is looked at, too.
pub(super) fn lines(taken: &Taken) -> Vec<Value> {
    let page = |kind: &str| {
        fs::read_to_string(PathBuf::from(format!("{}.{kind}", taken.result.display()))).unwrap()
    };
    let (json, csv) = (page("jsonl"), page("csv"));
    assert_eq!(json.lines().count() + 1, csv.lines().count());
    assert!(!json.contains(PAN) && !csv.contains(PAN));
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, row) in lines.iter().zip(csv.lines().skip(1)) {
        let cells: Vec<_> = row.split(',').collect();
        // The first column, the state, the number in the file.
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let seq = line["seq"].as_u64().map(|seq| seq.to_string()).unwrap_or_default();
        assert_eq!((cells[0], cells[5], cells[9]), (&*text("type"), &*text("state"), &*seq));
    }
    let shelf = fs::read_dir(taken.result.parent().unwrap()).unwrap();
    let hidden = |name: &str| name.starts_with('.') && name.contains(".result.");
    assert!(!shelf.into_iter().any(|entry| hidden(entry.unwrap().file_name().to_str().unwrap())));
    lines
}

/// A record: operation, reference, amount, and other columns by name.
pub(super) type Written<'a> = (&'a str, &'a str, i64, Vec<(&'a str, String)>);

pub(super) fn one<'a>(
    op: &'a str,
    reference: &'a str,
    amount: i64,
    others: &[(&'a str, &str)],
) -> Written<'a> {
    let others = others.iter().map(|(column, value)| (*column, (*value).to_owned()));
    (op, reference, amount, others.collect())
}

/// A capture that names its authorization by terminal and retrieval reference.
pub(super) fn capture<'a>(
    reference: &'a str,
    stan: u32,
    amount: i64,
    more: &[(&'a str, &str)],
) -> Written<'a> {
    let rrn = format!("{stan:012}");
    let mut all = vec![("terminal_id", "TERM0001"), ("rrn", &*rrn)];
    all.extend(more);
    one("capture", reference, amount, &all)
}

pub(super) fn file(id: &str, records: &[Written<'_>]) -> String {
    let row = |cells: &[(&str, String)]| {
        let cell = |column: &&str| {
            cells.iter().find(|(name, _)| name == column).map_or("", |(_, value)| value.as_str())
        };
        COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",")
    };
    let text = |text: &str| text.to_owned();
    let mut lines = vec![
        COLUMNS.join(","),
        row(&[
            ("type", text("H")),
            ("seq", text("1")),
            ("merchant_id", text("SHOP")),
            ("capture_ref", text(id)),
        ]),
    ];
    let mut sum = 0;
    for (at, (op, reference, amount, others)) in records.iter().enumerate() {
        sum += amount;
        let mut cells = vec![
            ("type", text("D")),
            ("seq", (at + 2).to_string()),
            ("op", text(op)),
            ("capture_ref", text(reference)),
            ("amount", amount.to_string()),
        ];
        cells.extend(others.iter().cloned());
        if !others.iter().any(|(column, _)| *column == "currency") {
            cells.push(("currency", text("978")));
        }
        lines.push(row(&cells));
    }
    let count = (records.len() + 2).to_string();
    lines.push(row(&[
        ("type", text("T")),
        ("seq", count),
        ("capture_ref", text(id)),
        ("amount", sum.to_string()),
    ]));
    lines.join("\r\n")
}
