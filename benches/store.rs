//! What being durable and keeping books costs: a journal of transactions, each sent, answered and told, in commits of
//! five hundred, and the follower that turns it into rows.
//!
//! `cargo bench --bench store`; a figure divided by the number of transactions is the cost of one. What the follower
//! costs is also told in processor time and in bytes handed to the disk: those hold on a busy machine, too. With
//! `-- --once 30000` so many transactions are followed once and nothing is measured: `callgrind` counts the instructions.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "figures are for people")]

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use iso8583d::books::Books;
use iso8583d::iso::{BusinessDate, ElementNo, Elements, Mti, Pan, Stan, Transmission, Wall};
use iso8583d::journal::{Commit, Journal, Reader, Settings};
use iso8583d::record::{self, Card, LinkId, Lsn, Record, Secret, Sent, Trace, TxnId, Verdict};
use iso8583d::seal::{Keys, Tag};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRANSACTIONS: u64 = 200_000;
const AT: Wall = Wall(1_795_459_600_000);

fn elements(values: &[(u8, &[u8])]) -> Elements {
    let mut elements = Elements::with_capacity(192);
    for (no, value) in values {
        elements.set(ElementNo::new(*no).unwrap(), value);
    }
    elements
}

/// The 0200 of the project's figures, without what is not kept.
fn sent(number: u64) -> Record {
    let pan = Pan::new(format!("54133300{:08}", number % 100_000_000).as_bytes()).unwrap();
    let scattered = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let stan = format!("{:06}", number % 1_000_000);
    Record::Sent(Arc::new(Sent {
        asker: LinkId(1),
        key: Tag(scattered),
        content: Tag(scattered ^ 1),
        mti: Mti::new(200).unwrap(),
        issuer: LinkId(2),
        trace: Trace {
            transmission: Transmission(1_795_459_600 + u32::try_from(number / 100_000).unwrap()),
            stan: Stan::new(u32::try_from(number % 1_000_000).unwrap()).unwrap(),
        },
        date: BusinessDate(20_780),
        at: Wall(AT.0 + number / 100),
        card: Some(Card {
            masked: pan.masked(),
            token: Tag(scattered ^ 2),
            secret: Secret::Clear(pan),
        }),
        elements: elements(&[
            (3, b"000000"),
            (4, b"000000001000"),
            (7, b"1123183400"),
            (11, stan.as_bytes()),
            (12, b"183400"),
            (13, b"1123"),
            (18, b"5411"),
            (22, b"051"),
            (25, b"00"),
            (32, b"12345678901"),
            (37, b"632718000123"),
            (41, b"TERM0001"),
            (42, b"MERCHANT0000001"),
            (43, b"A SHOP WITH A NAME       A TOWN       DE"),
            (49, b"978"),
        ]),
        completes: None,
        named: None,
        declined: false,
    }))
}

/// Commits as a switch with some hundred requests in flight makes them.
fn commits(keys: &Keys, transactions: u64) -> Vec<Commit> {
    let mut commits = Vec::new();
    let mut next = Lsn(1);
    let mut in_flight: Vec<TxnId> = Vec::new();
    let mut answered: Vec<TxnId> = Vec::new();
    for block in 0..=transactions / 250 {
        let mut commit =
            Commit { first: next, carry: block == 0, day: 20_780, ..Commit::default() };
        let mut push = |record: &Record| {
            record::encode(record, next, keys, &mut commit.blob);
            commit.count += 1;
            next = Lsn(next.0 + 1);
            TxnId(next.0 - 1)
        };
        push(&Record::Told { txns: std::mem::take(&mut answered) });
        for txn in std::mem::take(&mut in_flight) {
            let added = Arc::new(elements(&[(38, b"A1B2C3"), (39, b"00")]));
            push(&Record::Answered { txn, at: AT, verdict: Verdict::Approved, added });
            answered.push(txn);
        }
        if block < transactions / 250 {
            in_flight.extend((0..250).map(|number| push(&sent(block * 250 + number))));
        }
        commits.push(commit);
    }
    commits
}

fn write(directory: &Path, commits: &[Commit]) {
    let settings = Settings { directory: directory.to_owned(), retention_days: 7 };
    let (mut journal, _) = Journal::open(&settings).unwrap();
    for commit in commits {
        journal.commit(commit).unwrap();
    }
}

/// Follows a whole journal with new books.
#[inline(never)]
fn follow(journal: &Path, directory: &Path, keys: &Arc<Keys>) {
    let mut books = Books::open(directory, Arc::clone(keys)).unwrap();
    let mut reader = Reader::open(journal);
    while books.follow(&mut reader).unwrap().records > 0 {}
}

/// Nanoseconds of processor time and bytes written by this thread so far.
fn spent() -> [u64; 2] {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/thread-self/{name}")).unwrap();
    let first = |text: &str| text.split_whitespace().next().unwrap().parse().unwrap();
    [first(&read("schedstat")), first(read("io").split_once("wchar:").unwrap().1)]
}

/// The least of some runs, since whatever else goes on can only add to it. In the first half the books take the memory that
/// they keep from then on, so that the second half is what counts.
fn tell_cost(journal: &Path, keys: &Arc<Keys>) {
    let run = |_| {
        let scratch = tempfile::tempdir().unwrap();
        let mut books = Books::open(scratch.path(), Arc::clone(keys)).unwrap();
        let mut reader = Reader::open(journal);
        while books.position().0 < TRANSACTIONS {
            books.follow(&mut reader).unwrap();
        }
        let (begun, [cpu_before, bytes_before]) = (books.position().0, spent());
        while books.follow(&mut reader).unwrap().records > 0 {}
        let [cpu, bytes] = spent();
        // Nearly all records are those that open a transaction, and their answers.
        let transactions = (books.position().0 - begun) / 2;
        ((cpu - cpu_before) / transactions, (bytes - bytes_before) / transactions)
    };
    let (cpu, bytes) = (0..7).map(run).min().unwrap();
    println!("follower, a transaction: {cpu} ns of CPU, {bytes} bytes written");
}

fn store(criterion: &mut Criterion) {
    let keys = Arc::new(Keys::new(&[7; 32]));
    let commits = commits(&keys, TRANSACTIONS);
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).throughput(Throughput::Elements(TRANSACTIONS));
    group.bench_function("journal", |bencher| {
        bencher.iter_batched_ref(
            || tempfile::tempdir().unwrap(),
            |scratch| write(scratch.path(), &commits),
            BatchSize::PerIteration,
        );
    });
    let journal = tempfile::tempdir().unwrap();
    write(journal.path(), &commits);
    group.bench_function("follow", |bencher| {
        bencher.iter_batched_ref(
            || tempfile::tempdir().unwrap(),
            |scratch| follow(journal.path(), scratch.path(), &keys),
            BatchSize::PerIteration,
        );
    });
    group.finish();
    tell_cost(journal.path(), &keys);
}

/// For `valgrind --tool=callgrind --toggle-collect='store::follow'`.
fn once(transactions: u64) {
    let keys = Arc::new(Keys::new(&[7; 32]));
    let (journal, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(journal.path(), &commits(&keys, transactions));
    follow(journal.path(), scratch.path(), &keys);
}

criterion_group!(benches, store);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--once").skip(1);
    if let Some(transactions) = arguments.next() {
        return once(transactions.parse().unwrap());
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
