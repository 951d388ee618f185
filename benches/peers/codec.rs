//! What reading and writing one message costs: ours, a walk by hand that only notes offsets, a copy of the bytes, and
//! other crates where they can read it. Prints the tables of the README.
//!
//! `cargo bench --manifest-path benches/peers/Cargo.toml`

mod messages;
mod others;
mod walk;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iso8583d::codec::{Draft, decode};
use iso8583d::dialect::Dialect;
use iso8583d::iso::{ElementNo, ElementSet, Elements};

use messages::Sample;

/// Something that is repeated so many times at a go.
pub type Repeated<'a> = Box<dyn FnMut(u32) + 'a>;

/// A table's line: one message in one dialect, and whoever can read or write it.
struct Line<'a> {
    title: String,
    contests: Vec<(&'static str, Repeated<'a>)>,
}

const READING: [&str; 6] = [
    "walk by hand",
    "decode, contents unchecked",
    "decode, every check",
    "iso_8583_rs 0.2.2, every check",
    "iso8583_rs 0.1.10",
    "iso8583-core 0.1.0",
];

const WRITING: [&str; 6] = [
    "copy of the bytes",
    "encode, five elements changed",
    "encode for another dialect",
    "iso_8583_rs 0.2.2, all elements",
    "iso8583_rs 0.1.10, all elements",
    "iso8583-core 0.1.0, all elements",
];

fn main() {
    let samples = messages::samples();
    println!(
        "Nanoseconds for one message, the median of {ROUNDS} rounds in which all take turns.\n"
    );
    table("elements read", &READING, samples.iter().map(reading).collect());
    table("elements written", &WRITING, samples.iter().map(writing).collect());
}

/// The same work over and over.
fn repeat<'a, T>(mut once: impl FnMut() -> T + 'a) -> Repeated<'a> {
    Box::new(move |times| {
        for _ in 0..times {
            black_box(once());
        }
    })
}

fn reading(sample: &Sample) -> Line<'_> {
    let Sample { dialect, body, .. } = sample;
    let unchecked = messages::unchecked(dialect);
    let mut by_hand = walk::Walk::of(dialect);
    let mut contests: Vec<(_, Repeated<'_>)> = vec![
        (READING[0], repeat(move || _ = black_box(by_hand.over(black_box(body))))),
        (READING[1], decoding(unchecked, sample)),
        (READING[2], decoding(Arc::clone(dialect), sample)),
    ];
    contests.extend(READING[3..].iter().zip(others::reading(sample)).filter_map(named));
    Line { title: sample.title(), contests }
}

fn decoding(dialect: Arc<Dialect>, sample: &Sample) -> Repeated<'_> {
    repeat(move || assert!(black_box(&decode(&dialect, black_box(&sample.body).clone())).is_ok()))
}

fn named<'a>(
    (name, other): (&&'static str, Option<Repeated<'a>>),
) -> Option<(&'static str, Repeated<'a>)> {
    Some((name, other?))
}

fn writing(sample: &Sample) -> Line<'_> {
    let message = Arc::new(decode(&sample.dialect, sample.body.clone()).unwrap());
    let mut own = Elements::default();
    // As between an asker and an issuer: our own trace and time, our own code, and what the answer says.
    for (no, value) in
        [(7, "1123183401"), (11, "000777"), (33, "00000000001"), (37, "632718000124"), (49, "840")]
    {
        own.set(ElementNo::of(no), value.as_bytes());
    }
    let mut contests: Vec<(_, Repeated<'_>)> = vec![(WRITING[0], copying(sample))];
    for (name, to) in [(WRITING[1], &sample.dialect), (WRITING[2], &sample.other)] {
        let (message, own) = (Arc::clone(&message), own.clone());
        let mut out = Vec::with_capacity(4096);
        contests.push((
            name,
            repeat(move || {
                let copied = Some((&*message, ElementSet::ALL));
                out.clear();
                black_box(Draft { mti: message.mti(), own: &own, copied })
                    .encode(to, &mut out)
                    .unwrap();
                black_box(&out);
            }),
        ));
    }
    contests.extend(WRITING[3..].iter().zip(others::writing(sample)).filter_map(named));
    Line { title: sample.title(), contests }
}

fn copying(sample: &Sample) -> Repeated<'_> {
    let mut out = Vec::with_capacity(4096);
    repeat(move || {
        out.clear();
        out.extend_from_slice(black_box(&sample.body));
        black_box(&out);
    })
}

/// How often all contests take their turns.
const ROUNDS: usize = 301;

/// How long one turn is: far longer than looking at a clock, far shorter than what else a machine does.
const TURN: Duration = Duration::from_micros(200);

/// Measures all lines, in each of which the contests take turns, and prints them.
fn table(title: &str, names: &[&'static str], lines: Vec<Line<'_>>) {
    println!("| {title} | {} |", names.join(" | "));
    println!("|---|{}", "---:|".repeat(names.len()));
    for mut line in lines {
        print!("| {} |", line.title);
        let medians = measured(&mut line);
        for name in names {
            match medians.iter().find(|(measured, _)| measured == name) {
                Some((_, nanos)) => print!(" {nanos:.0} |"),
                None => print!(" - |"),
            }
        }
        println!();
    }
    println!();
}

fn measured<'n>(line: &mut Line<'n>) -> Vec<(&'n str, f64)> {
    let times: Vec<u32> = line.contests.iter_mut().map(|(_, work)| times(work)).collect();
    let mut nanos = vec![Vec::with_capacity(ROUNDS); times.len()];
    for _ in 0..ROUNDS {
        for (((_, work), times), nanos) in line.contests.iter_mut().zip(&times).zip(&mut nanos) {
            nanos.push(took(work, *times).as_secs_f64() * 1e9 / f64::from(*times));
        }
    }
    let median = |nanos: &mut Vec<f64>| {
        nanos.sort_by(f64::total_cmp);
        nanos[ROUNDS / 2]
    };
    line.contests.iter().map(|(name, _)| *name).zip(nanos.iter_mut().map(median)).collect()
}

/// How many times the work fits into a turn.
fn times(work: &mut Repeated<'_>) -> u32 {
    let mut times = 1;
    while took(work, times) < TURN {
        times *= 2;
    }
    times
}

fn took(work: &mut Repeated<'_>, times: u32) -> Duration {
    let began = Instant::now();
    work(times);
    began.elapsed()
}
