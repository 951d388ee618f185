//! What routing costs with a million card ranges: a look-up among cards at random, and reading, checking and sorting the file.
//!
//! `cargo bench --bench route`; what the table takes in memory is told as well.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]
#![expect(clippy::print_stdout, reason = "figures are for people")]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use iso8583d::config;
use iso8583d::iso::Class;
use iso8583d::route::{Facts, Table};

const RANGES: u64 = 1_000_000;

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONFIG: &str = r#"
[daemon]
state = "state"
key = "file:pan.key"

[links.shops]
role = "asker"
listen = "127.0.0.1:0"
dialect = "iso87-bcd"

[links.bank]
role = "issuer"
dial = ["127.0.0.1:9"]
dialect = "iso87-ascii"

[links.other-bank]
role = "issuer"
dial = ["127.0.0.1:9"]
dialect = "iso87-ascii"

[[routes]]
bins = "cards.csv"
mcc = "6011"
to = ["other-bank"]

[[routes]]
bins = "cards.csv"
to = ["bank"]

[[routes]]
bin = ["3", "4", "5", "6"]
to = ["other-bank"]
"#;

/// A configuration whose file has ranges of nine digits with gaps between them, as networks have them.
fn configuration(home: &tempfile::TempDir) -> PathBuf {
    let key = home.path().join("pan.key");
    fs::write(&key, "5a".repeat(32)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut cards = String::from("first,last\n");
    for number in 0..RANGES / 2 {
        let first = 300_000_000 + number * 600;
        writeln!(cards, "{first},{}\n{},{}", first + 199, first + 200, first + 299).unwrap();
    }
    fs::write(home.path().join("cards.csv"), cards).unwrap();
    let path = home.path().join("iso8583d.toml");
    fs::write(&path, CONFIG).unwrap();
    path
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Cards at random, most of them in a range.
fn cards() -> Vec<String> {
    let mut seed = 88_172_645_463_325_252_u64;
    let mut card = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        format!("{}", 3_000_000_000_000_000 + seed % 3_000_000_000_000_000)
    };
    (0..1 << 16).map(|_| card()).collect()
}

fn route(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    let path = configuration(&home);
    let load = || config::load(&path).unwrap_or_else(|report| panic_with(&report.to_string()));
    criterion.bench_function("read, check and sort two million ranges of two rules", |bench| {
        bench.iter(|| load().engine());
    });
    let config = load();
    let before = resident_kib();
    let table = Table::new(&config.routes);
    println!("the table takes {} KiB", resident_kib().saturating_sub(before));
    drop(config);
    let cards = cards();
    let values: [&[u8]; 7] = [b"000000", b"000000001000", b"5411", b"051", b"1", b"S", b"978"];
    let mut at = 0;
    criterion.bench_function("look a card up among them", |bench| {
        bench.iter(|| {
            at = (at + 1) % cards.len();
            let pan = cards.get(at).map(String::as_bytes);
            let facts = Facts::new(Class::Financial, pan, values);
            black_box(table.pick(&facts).map(|picked| picked.rule))
        });
    });
}

#[expect(clippy::panic, reason = "a measurement that cannot go on should stop")]
fn panic_with(report: &str) -> ! {
    panic!("{report}")
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = route
}
criterion_main!(benches);
