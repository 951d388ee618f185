//! What routing costs with a million card ranges: a look-up among cards at random, and reading, checking and sorting the file.
//!
//! `cargo bench --bench route`; processor time, so that other work on the machine counts as little as it can.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use iso8583d::config;
use iso8583d::iso::Class;
use iso8583d::route::{Facts, Table};
use rustix::time::{ClockId, clock_gettime};

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

/// Cards at random, most of them in a range.
fn cards() -> Vec<[u8; 16]> {
    let mut seed = 88_172_645_463_325_252_u64;
    let mut card = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let digits = (3_000_000_000_000_000 + seed % 300_000_000_000_000).to_string();
        digits.as_bytes().try_into().unwrap()
    };
    (0..1 << 16).map(|_| card()).collect()
}

fn route(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    let path = configuration(&home);
    let load = || config::load(&path).unwrap_or_else(|report| panic_with(&report.to_string()));
    criterion.bench_function("read, check and sort a million ranges", |bench| {
        bench.iter_custom(|times| {
            let before = spent();
            (0..times).for_each(|_| drop(black_box(load().engine())));
            spent().checked_sub(before).unwrap()
        });
    });
    let table = Table::new(&load().routes);
    let cards = cards();
    let values: [&[u8]; 7] = [b"000000", b"000000001000", b"5411", b"051", b"1", b"S", b"978"];
    criterion.bench_function("look a card up among them", |bench| {
        bench.iter_custom(|times| {
            let mut cards = cards.iter().cycle();
            let before = spent();
            for _ in 0..times {
                let pan = cards.next().map(<[u8; 16]>::as_slice);
                let facts = Facts::new(Class::Financial, pan, values);
                black_box(table.pick(&facts).map(|picked| picked.rule));
            }
            spent().checked_sub(before).unwrap()
        });
    });
}

/// The processor time of this thread: what others do on the machine does not count.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
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
