//! What clearing costs: records of a file written and read, in processor time, and whole cuts of transactions and of merchants' claims, with the
//! most memory that they took.
//!
//! `cargo bench --bench clearing -- [--count N] [--python PYTHON]`: a cut of N transactions and one of N claims, 1,000,000 without the
//! option. With a Python that has cardutil 0.7.3, it reads and writes some of the same file in the same run.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "figures are for people")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use iso8583d::books::Books;
use iso8583d::clearing::{
    self, Capture, Charset, FeeTable, File, FileId, Head, Line, Part, Reference, Settings, Turn,
    records,
};
use iso8583d::iso::{BusinessDate, Currency, ElementNo, Elements, Mti, Pan, Wall};
use iso8583d::journal::{self, Commit, Journal, Reader};
use iso8583d::ledger::{Asked, CutReport, Ledger, Order, Outgoing};
use iso8583d::record::{
    self, Approval, Card, LinkId, Lsn, Opening, Outcome, Record, Secret, Sent, Standing, Trace,
    TxnId, Verdict,
};
use iso8583d::seal::{Keys, Tag};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// 2026-11-23T18:34:00Z.
const AT: Wall = Wall(1_795_458_840_000);
const RECORDS: u64 = 200_000;
const ISSUERS: [&str; 3] = ["bank-a", "bank-b", "bank-c"];
/// How many transactions become one commit of the journal.
const COMMIT: u64 = 1_000;

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&[7; 32]))
}

fn sent(number: u64, mti: u16) -> Sent {
    let pan = Pan::new(format!("541333{number:010}").as_bytes()).unwrap();
    let mut elements = Elements::with_capacity(192);
    for (no, value) in [
        (3, "000000".to_owned()),
        (4, format!("{:012}", number % 90_000 + 100)),
        (12, "193400".to_owned()),
        (13, "1123".to_owned()),
        (14, "2912".to_owned()),
        (18, "5411".to_owned()),
        (32, "12345678901".to_owned()),
        (37, format!("{:012}", number % 1_000_000_000_000)),
        (41, "TERM0001".to_owned()),
        (42, format!("SHOP {:<10}", number % 5_000)),
        (43, format!("{:22} {:13} FRA", "A SHOP WITH A NAME", "A TOWN")),
        (49, if number.is_multiple_of(10) { "840" } else { "978" }.to_owned()),
    ] {
        elements.set(ElementNo::of(no), value.as_bytes());
    }
    let issuer = ISSUERS.iter().cycle().nth(usize::try_from(number % 3).unwrap()).unwrap();
    Sent {
        asker: LinkId::of_name("shop"),
        key: Tag(number.into()),
        content: Tag(number.into()),
        mti: Mti::new(mti).unwrap(),
        issuer: LinkId::of_name(issuer),
        trace: Trace::default(),
        date: AT.date(),
        at: AT,
        card: Some(Card {
            masked: pan.masked(),
            token: Tag(number.into()),
            secret: Secret::Clear(pan),
        }),
        elements,
        completes: None,
        named: None,
        declined: false,
    }
}

fn answer() -> Arc<Elements> {
    let mut added = Elements::default();
    added.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
    added.set(ElementNo::RESPONSE_CODE, b"00");
    Arc::new(added)
}

/// How much processor time something took in this thread, seconds.
fn worked<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
    };
    let begun = now();
    let done = work();
    (done, now().saturating_sub(begun).as_secs_f64())
}

/// The same, the median of three times: memory that is used for the first time costs more than what is done with it.
fn median<T>(mut work: impl FnMut() -> T) -> (T, f64) {
    let mut times = [(); 3].map(|()| worked(&mut work));
    times.sort_by(|one, other| one.1.total_cmp(&other.1));
    let [_, middle, _] = times;
    middle
}

/// How long something took, and the most memory of the process meanwhile, MiB.
fn measured<T>(work: impl FnOnce() -> T) -> (T, f64, u64) {
    // The highest mark begins anew where the system allows that.
    drop(fs::write("/proc/self/clear_refs", "5"));
    let begun = Instant::now();
    let done = work();
    let seconds = begun.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = mark.trim().trim_end_matches(" kB").trim().parse().unwrap();
    (done, seconds, kib / 1024)
}

fn a_second(count: u64, seconds: f64) -> String {
    let count = f64::from(u32::try_from(count).unwrap());
    #[expect(clippy::float_arithmetic, reason = "a figure for people, not money")]
    let rate = count / seconds;
    format!("{rate:.0} a second")
}

/// Records written and read, cards opened before.
fn tell_records() {
    let settings = Settings::default();
    let (issuer, currency) = (LinkId::of_name("bank-a"), Currency::new(978).unwrap());
    let id = FileId::new(&settings, AT.date(), 1).unwrap();
    let line = |number: u64| {
        let standing = Standing {
            id: TxnId(number),
            opening: Opening::Request(Arc::new(sent(number * 3, 200))),
            outcome: Outcome::Answered { verdict: Verdict::Approved, added: answer(), at: AT },
            heard: Approval::Approved,
            told: true,
            advice: None,
            reversal: None,
            undone_by: None,
            lowered: None,
            completed_by: None,
        };
        let capture = Capture::of(&standing, Part::Standing, &keys()).unwrap();
        let reference = Reference::new(&settings.acquirer_bin, AT.date(), number);
        Line { capture, turn: Turn::First, reference }
    };
    // Every thirtieth is in the other currency.
    let lines: Vec<Line> = (1..=1_000).filter(|number| number % 10 != 0).map(line).collect();
    for charset in [Charset::Latin1, Charset::Cp500] {
        let settings = Settings { charset, blocked: false, ..settings.clone() };
        let mut bytes = Vec::new();
        let ((), seconds) = median(|| {
            bytes.clear();
            let mut file = File::begin(&settings, Head { id, issuer, currency }).unwrap();
            for line in lines.iter().cycle().take(usize::try_from(RECORDS).unwrap()) {
                file.add(line).unwrap();
                bytes.append(&mut file.take());
            }
            bytes.append(&mut file.end().unwrap().0);
        });
        println!("{charset:?}: {} records written, {}", RECORDS, a_second(RECORDS, seconds));
        let (count, seconds) = median(|| {
            let records = records(&bytes).unwrap();
            records.iter().filter(|record| clearing::read(record, charset).is_ok()).count()
        });
        assert_eq!(count, usize::try_from(RECORDS).unwrap() + 2);
        println!("{charset:?}: {} records read, {}", RECORDS, a_second(RECORDS, seconds));
    }
}

/// A state directory whose books have so many approved transactions, all of them with their issuers' answers.
fn books(home: &Path, count: u64, mti: u16) {
    let settings = journal::Settings { directory: home.join("journal"), retention_days: 7 };
    let (mut journal, _) = Journal::open(&settings).unwrap();
    let mut books = Books::open(home, keys()).unwrap();
    let mut reader = Reader::open(&settings.directory);
    let mut number = 0;
    while number < count {
        let first = journal.next();
        let mut commit = Commit { first, day: AT.date().0, ..Commit::default() };
        let mut lsn = first;
        let mut push = |record: &Record| {
            record::encode(record, lsn, &keys(), &mut commit.blob);
            commit.count += 1;
            lsn = Lsn(lsn.0 + 1);
            TxnId(lsn.0 - 1)
        };
        for _ in 0..COMMIT.min(count - number) {
            number += 1;
            let txn = push(&Record::Sent(Arc::new(sent(number, mti))));
            let (verdict, added) = (Verdict::Approved, answer());
            push(&Record::Answered { txn, at: AT, verdict, added });
        }
        if number == count {
            push(&Record::Cut { date: AT.date(), at: AT });
        }
        journal.commit(&commit).unwrap();
        while books.follow(&mut reader).unwrap().records > 0 {}
    }
}

/// Each authorization is claimed once, as accepted claims are.
fn claims(home: &Path, count: u64) {
    drop(Ledger::open(home, keys()).unwrap());
    let ledger = rusqlite::Connection::open(home.join("clearing.db")).unwrap();
    ledger
        .execute(
            "WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
            INSERT INTO claims (submission, seq, place, merchant, terminal, op, reference, amount, currency, local, mcc, final,
                tip, digest, state, txn)
            SELECT 1, number, number, 'SHOP ' || number % 5000, 'TERM0001', 'capture', 'c-' || number, 100 + number % 90000,
                CASE number % 10 WHEN 0 THEN '840' ELSE '978' END, '2026-11-23T19:34:00', '5411', 1, 0, x'', 'accepted', 2 * number - 1
            FROM numbers",
            [count.cast_signed()],
        )
        .unwrap();
    ledger.execute("INSERT INTO to_cut SELECT claim FROM claims", []).unwrap();
}

fn cut(home: &Path) -> (CutReport, f64, u64) {
    let names = ISSUERS.map(|name| (LinkId::of_name(name), name.to_owned())).into();
    let (directory, by_issuer) = (home.join("clearing"), BTreeMap::new());
    let outgoing = Outgoing {
        directory,
        settings: Settings::default(),
        by_issuer,
        fees: FeeTable::default(),
        names,
    };
    let order = Order { asked: Asked::End(day()), now: AT, outgoing };
    let mut ledger = Ledger::open(home, keys()).unwrap();
    let (report, seconds, mib) = measured(|| ledger.cut(&order).unwrap().unwrap());
    (report, seconds, mib)
}

fn day() -> BusinessDate {
    AT.date()
}

/// A cut of transactions that clear by themselves, or of merchants' claims; gives one of its files.
fn tell_cut(home: &Path, count: u64, claimed: bool) -> PathBuf {
    let what = if claimed { "claims" } else { "transactions" };
    books(home, count, if claimed { 100 } else { 200 });
    if claimed {
        claims(home, count);
    }
    let (report, seconds, mib) = cut(home);
    let presented: u64 = report.files.iter().map(|file| u64::from(file.totals.records) - 2).sum();
    assert_eq!(presented, count);
    let files = report.files.len();
    println!(
        "{count} {what} cut into {files} files in {seconds:.1} s, {}, at most {mib} MiB",
        a_second(count, seconds)
    );
    report.directory.join(&report.files.first().unwrap().name)
}

/// The same file in cardutil.
fn tell_cardutil(python: &str, file: &Path) {
    let done = Command::new(python).arg("-c").arg(CARDUTIL).arg(file).output().unwrap();
    let (said, told) =
        (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert!(done.status.success(), "{told}");
    print!("{said}");
}

/// It draws every message for a debug log that nobody reads, which takes most of its time: so it does without.
const CARDUTIL: &str = "
import io, itertools, sys, time
import cardutil.iso8583
from cardutil import mciipm
cardutil.iso8583.hexdump = lambda *_args, **_kwargs: ''
begun = time.process_time()
with open(sys.argv[1], 'rb') as file:
    records = list(itertools.islice(mciipm.IpmReader(file, encoding='latin1', blocked=True), 50000))
spent = time.process_time() - begun
print(f'cardutil: {len(records)} records read, {len(records) / spent:.0f} a second')
begun = time.process_time()
with mciipm.IpmWriter(io.BytesIO(), encoding='latin1', blocked=True) as writer:
    for record in records:
        writer.write(record)
spent = time.process_time() - begun
print(f'cardutil: {len(records)} records written, {len(records) / spent:.0f} a second')
";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut count, mut python) = (1_000_000, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--count" => count = arguments.next().unwrap().replace('_', "").parse().unwrap(),
            "--python" => python = arguments.next(),
            // What cargo itself says.
            _ => {}
        }
    }
    tell_records();
    for claimed in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let file = tell_cut(home.path(), count, claimed);
        if let Some(python) = python.as_deref().filter(|_| !claimed) {
            tell_cardutil(python, &file);
        }
    }
}
