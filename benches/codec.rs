//! What reading and writing costs, beside a hand-written walk over the same bytes that only notes offsets.
//!
//! `cargo bench --bench codec`; the README's figures are the ratios to `walk`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a benchmark that cannot go on should stop"
)]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use iso8583d::codec::{Draft, Message, decode};
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, ElementSet, Elements, Mti};

/// The 0200 of 19 elements that the project's figures are about.
const SALE: [(u8, &[u8]); 19] = [
    (2, b"5413330000004111"),
    (3, b"000000"),
    (4, b"000000001000"),
    (7, b"1123183400"),
    (11, b"000123"),
    (12, b"183400"),
    (13, b"1123"),
    (14, b"2912"),
    (18, b"5411"),
    (22, b"051"),
    (25, b"00"),
    (32, b"12345678901"),
    (35, b"5413330000004111=29122010000012345678"),
    (37, b"632718000123"),
    (41, b"TERM0001"),
    (42, b"MERCHANT0000001"),
    (43, b"A SHOP WITH A NAME       A TOWN       DE"),
    (49, b"978"),
    (52, b"\x01\x23\x45\x67\x89\xAB\xCD\xEF"),
];

fn sale() -> Elements {
    let mut own = Elements::default();
    for (no, value) in SALE {
        own.set(ElementNo::new(no).unwrap(), value);
    }
    own
}

fn written(dialect: &Dialect) -> Bytes {
    let mut out = Vec::new();
    let own = sale();
    Draft { mti: Mti::new(200).unwrap(), own: &own, copied: None }
        .encode(dialect, &mut out)
        .unwrap();
    // Static bytes: counting the references to a connection's buffer is not the codec's work.
    Bytes::from_static(out.leak())
}

/// How a walk by hand finds the end of an element: fixed bytes, or a length of so many bytes before it.
#[derive(Clone, Copy)]
enum Step {
    Absent,
    Fixed(u8),
    PackedLl,
    PackedLll,
    AsciiLl,
    AsciiLll,
}

/// The table of the walk by hand, as somebody would write it for this one network.
fn steps(dialect: &Dialect) -> [Step; 129] {
    use iso8583d::dialect::{Coding, Content, Length};
    let mut steps = [Step::Absent; 129];
    for no in dialect.defined().iter() {
        let row = dialect.row(no).unwrap();
        let packed = matches!(row.coding, Coding::Bcd(_));
        let max = usize::from(row.max);
        steps[usize::from(no.get())] = match row.length {
            Length::Fixed if row.content == Content::Signed && packed => {
                Step::Fixed((1 + max / 2) as u8)
            }
            Length::Fixed if packed => Step::Fixed(max.div_ceil(2) as u8),
            Length::Fixed if matches!(row.coding, Coding::Hex(_)) => Step::Fixed((2 * max) as u8),
            Length::Fixed | Length::Rest | Length::Until(_) => Step::Fixed(max as u8),
            Length::Prefixed { width: 2, .. } if dialect.name() == "iso87-ascii" => Step::AsciiLl,
            Length::Prefixed { .. } if dialect.name() == "iso87-ascii" => Step::AsciiLll,
            Length::Prefixed { .. } if packed => Step::PackedLl,
            Length::Prefixed { .. } => Step::PackedLll,
        };
    }
    steps
}

/// Notes where each element begins, and checks nothing but the end of the bytes.
fn walk(
    steps: &[Step; 129],
    body: &[u8],
    mut at: usize,
    bits: u64,
    offsets: &mut [u16; 129],
) -> usize {
    let mut rest = bits;
    while rest != 0 {
        let no = rest.leading_zeros() as usize + 1;
        rest &= !(1 << (64 - no));
        offsets[no] = at as u16;
        let digit = |at: usize| usize::from(body[at] & 15);
        let pair = |at: usize| usize::from(body[at] >> 4) * 10 + usize::from(body[at] & 15);
        at += match steps[no] {
            Step::Absent => 0,
            Step::Fixed(len) => usize::from(len),
            Step::PackedLl => 1 + pair(at).div_ceil(2),
            Step::PackedLll => 2 + pair(at) * 100 + pair(at + 1),
            Step::AsciiLl => 2 + digit(at) * 10 + digit(at + 1),
            Step::AsciiLll => 3 + digit(at) * 100 + digit(at + 1) * 10 + digit(at + 2),
        };
    }
    at
}

fn bench(criterion: &mut Criterion) {
    let dialects =
        ["iso87-bcd", "iso87-ascii"].map(|name| Arc::new(Dialect::shipped(name).unwrap()));
    for (dialect, other) in [(&dialects[0], &dialects[1]), (&dialects[1], &dialects[0])] {
        let body = written(dialect);
        let name = dialect.name();
        let message = decode(dialect, body.clone()).unwrap();
        let mut group = criterion.benchmark_group("codec");
        let steps = steps(dialect);
        group.bench_function(BenchmarkId::new("walk", name), |bencher| {
            let mut offsets = [0; 129];
            bencher.iter(|| {
                let body = black_box(&body[..]);
                let (bits, at) = if name == "iso87-ascii" {
                    let text = std::str::from_utf8(&body[4..20]).unwrap();
                    (u64::from_str_radix(text, 16).unwrap(), 20)
                } else {
                    (u64::from_be_bytes(body[2..10].try_into().unwrap()), 10)
                };
                let end = walk(&steps, body, at, bits, &mut offsets);
                assert_eq!(end, body.len());
                black_box(&offsets);
            });
        });
        group.bench_function(BenchmarkId::new("decode", name), |bencher| {
            bencher.iter(|| assert!(black_box(&decode(dialect, black_box(&body).clone())).is_ok()));
        });
        group.bench_function(BenchmarkId::new("elements", name), |bencher| {
            bencher.iter(|| black_box(&message).elements(dialect.keeps()));
        });
        encode(&mut group, name, &message, dialect, other);
        group.finish();
    }
}

fn encode(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    name: &str,
    message: &Message,
    dialect: &Dialect,
    other: &Dialect,
) {
    let mut own = Elements::default();
    own.set(ElementNo::TRANSMISSION, b"1123183401");
    own.set(ElementNo::STAN, b"000777");
    let all = ElementSet::ALL;
    let draft = Draft { mti: message.mti(), own: &own, copied: Some((message, all)) };
    let mut out = Vec::with_capacity(512);
    for (kind, to) in [("encode copied", dialect), ("encode recoded", other)] {
        group.bench_function(BenchmarkId::new(kind, name), |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(&draft).encode(to, &mut out).unwrap();
                black_box(&out);
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
