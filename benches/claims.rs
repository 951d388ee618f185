//! What a merchant's file costs, from his inbox to the issuers' outbox: authorizations in the books, indexed by what merchants know of them;
//! a file that captures each, matched, written down and answered with a result; and a cycle that splits them by issuer and writes the
//! files. Each step is durable.
//!
//! `cargo bench --bench claims`, or with a number of records behind `--`.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "figures are for people")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use iso8583d::books::Books;
use iso8583d::clearing::claim::{Late, Limits, Rules};
use iso8583d::clearing::{self, FeeTable};
use iso8583d::iso::{BusinessDate, ElementNo, Elements, Mti, Pan, Wall};
use iso8583d::journal::{Commit, Journal, Reader, Settings};
use iso8583d::ledger::{Asked, CaptureSettings, Inbox, Ledger, Order, Outgoing, Unlinked};
use iso8583d::record::{self, Card, LinkId, Lsn, Record, Secret, Sent, Trace, TxnId, Verdict};
use iso8583d::seal::{Keys, Tag};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AT: Wall = Wall(1_795_459_600_000);
const ISSUERS: [&str; 3] = ["bank-a", "bank-b", "bank-c"];

fn main() {
    let asked = std::env::args().find_map(|text| text.parse().ok());
    // Whole windows of `captured`.
    let records = asked.unwrap_or(200_000_u32).div_ceil(10_000) * 10_000;
    let home = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::new(&[7; 32]));
    let directory = home.path().join("journal");
    authorize(&Settings { directory: directory.clone(), retention_days: 100 }, &keys, records);
    let mut books = Books::open(home.path(), Arc::clone(&keys)).unwrap();
    let mut reader = Reader::open(&directory);
    while books.follow(&mut reader).unwrap().records > 0 {}
    let mut ledger = Ledger::open(home.path(), keys).unwrap();
    let tell = |what: &str, began: Instant| {
        let took = began.elapsed();
        let each = took.as_nanos() / u128::from(records);
        println!("{what}: {records} in {} ms, {each} ns each", took.as_millis());
    };
    let began = Instant::now();
    ledger.index().unwrap();
    tell("indexed", began);
    let inbox = Inbox::open(&home.path().join("captures")).unwrap();
    fs::write(home.path().join("captures/day.csv"), file(records)).unwrap();
    let rules = Rules { days: 7, validity: Vec::new(), late: Late::Reject, tolerance: Vec::new() };
    let limits = Limits { bytes_max: u64::MAX, records_max: u64::MAX, live: false };
    let settings = CaptureSettings { limits, rules, pending_ms: 0, unlinked: Unlinked::Reject };
    let whole = Instant::now();
    let began = whole;
    let taken = ledger.take_captures("day.csv", &inbox, &settings, AT).unwrap();
    tell("matched, written down and answered", began);
    for one in taken.counts {
        println!("{} {}: {}, {}", one.state, one.currency, one.count, one.amount);
    }
    let outgoing = Outgoing {
        directory: home.path().join("clearing"),
        settings: clearing::Settings::default(),
        by_issuer: BTreeMap::new(),
        fees: FeeTable::default(),
        names: ISSUERS.map(|name| (LinkId::of_name(name), name.to_owned())).into(),
    };
    let order = Order { asked: Asked::Now(AT.date()), now: AT, outgoing };
    let began = Instant::now();
    let report = ledger.cut(&order).unwrap().unwrap();
    tell("split and written", began);
    tell("all of it but the index", whole);
    let presented: u64 = report.files.iter().map(|file| u64::from(file.totals.records) - 2).sum();
    println!("{presented} in {} files", report.files.len());
    assert_eq!(presented, u64::from(records));
}

/// A journal of approved 0100s.
fn authorize(settings: &Settings, keys: &Keys, records: u32) {
    let mut journal = Journal::open(settings).unwrap().0;
    let mut next = Lsn(1);
    let mut commit = Commit { first: next, day: AT.date().0, carry: true, ..Commit::default() };
    let mut push = |record: &Record, commit: &mut Commit| {
        record::encode(record, next, keys, &mut commit.blob);
        commit.count += 1;
        next = Lsn(next.0 + 1);
        next
    };
    push(&Record::Opened { date: AT.date(), at: AT }, &mut commit);
    for number in 0..records {
        let after = push(&Record::Sent(Arc::new(sent(number))), &mut commit);
        let mut added = Elements::default();
        added.set(ElementNo::APPROVAL_CODE, format!("A{:05}", number % 100_000).as_bytes());
        added.set(ElementNo::RESPONSE_CODE, b"00");
        let txn = TxnId(after.0 - 1);
        let answered =
            Record::Answered { txn, at: AT, verdict: Verdict::Approved, added: Arc::new(added) };
        push(&answered, &mut commit);
        let first = push(&Record::Told { txns: vec![txn] }, &mut commit);
        if number % 500 == 499 || number + 1 == records {
            let next = Commit { first, day: AT.date().0, ..Commit::default() };
            journal.commit(&std::mem::replace(&mut commit, next)).unwrap();
        }
    }
}

fn sent(number: u32) -> Sent {
    let pan = Pan::new(format!("54133300{number:08}").as_bytes()).unwrap();
    let scattered = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut elements = Elements::default();
    for (no, value) in [
        (3, "000000"),
        (4, "000000001000"),
        (11, &*format!("{:06}", number % 1_000_000)),
        (12, "183400"),
        (13, "1123"),
        (18, "5411"),
        (22, "051"),
        (25, "00"),
        (32, "12345678901"),
        (37, &format!("{number:012}")),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (43, "A SHOP WITH A NAME       A TOWN       DE"),
        (49, "978"),
    ] {
        elements.set(ElementNo::of(no), value.as_bytes());
    }
    Sent {
        asker: LinkId(1),
        key: Tag(scattered),
        content: Tag(scattered ^ 1),
        mti: Mti::new(100).unwrap(),
        issuer: LinkId::of_name(
            ISSUERS.iter().cycle().nth(usize::try_from(number % 3).unwrap()).unwrap(),
        ),
        trace: Trace::default(),
        date: BusinessDate(AT.date().0),
        at: AT,
        card: Some(Card {
            masked: pan.masked(),
            token: Tag(scattered ^ 2),
            secret: Secret::Clear(pan),
        }),
        elements,
        completes: None,
        named: None,
        declined: false,
    }
}

/// Which authorization is captured after so many others. Goods leave within hours of their order, and some much later: nine of ten
/// are captured within ten thousand of their turn, and one of ten at any time.
fn captured(at: u32, records: u32) -> u32 {
    const WINDOW: u32 = 10_000;
    let (ten, of_ten) = (at / 10, at % 10);
    if of_ten == 9 {
        let tens = u64::from(records / 10);
        return u32::try_from(u64::from(ten) * 7_919 % tens).unwrap() * 10 + 9;
    }
    let (window, within) = (at / WINDOW * WINDOW, at % WINDOW);
    let turn = (within / 10 * 9 + of_ten) * 7_919 % (WINDOW / 10 * 9);
    window + turn / 9 * 10 + turn % 9
}

/// A capture of each.
fn file(records: u32) -> String {
    let mut text = String::from(
        "type,seq,merchant_id,terminal_id,op,capture_ref,rrn,stan,auth_code,amount,currency,exp,local_dt,mcc,final\n\
         H,1,MERCHANT0000001,,,F1,,,,,,,,,\n",
    );
    for at in 0..records {
        let number = captured(at, records);
        writeln!(
            text,
            "D,{},,TERM0001,capture,order-{number},{number:012},{:06},A{:05},1000,978,2,2026-11-23T18:34:00,5411,Y",
            at + 2,
            number % 1_000_000,
            number % 100_000
        )
        .unwrap();
    }
    let (count, sum) = (records + 2, u64::from(records) * 1000);
    writeln!(text, "T,{count},,,,F1,,,,{sum},,,,,").unwrap();
    text
}
