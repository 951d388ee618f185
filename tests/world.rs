//! The simulator on a fixed budget: fresh seeds, seeds that once failed, and the rare states that must be met.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use iso8583d::sim::world::{self, Options, Reached};

/// Seeds that once broke a rule, one a line, with what they broke.
const ONCE_FAILED: &str = include_str!("world_seeds.txt");
/// How many fresh seeds.
const FRESH: u64 = 500;
/// Where they begin.
const FIRST: u64 = 1_000_000;

fn seeds() -> Vec<u64> {
    let once_failed = ONCE_FAILED
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|seed| !seed.is_empty())
        .filter_map(|seed| seed.parse().ok());
    once_failed.chain(FIRST..FIRST + FRESH).collect()
}

#[test]
fn no_seed_breaks_a_rule_and_every_rare_state_is_met() {
    let (seeds, next) = (seeds(), AtomicU64::new(0));
    let reached = Mutex::new(Reached::default());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    let Some(seed) = seeds.get(at) else { return };
                    let verdict = world::judge(&Options { seed: *seed, ..Options::default() });
                    if let Some(failure) = verdict.failure {
                        let story = failure.story.join("\n");
                        panic!(
                            "{story}\n{}\nagain: iso8583d sim world --seed {seed} --count 1",
                            failure.fault
                        );
                    }
                    reached.lock().unwrap().absorb(&verdict.reached);
                }
            });
        }
    });
    let reached = reached.into_inner().unwrap();
    println!("{reached}");
    assert!(reached.missing().is_empty(), "never met: {:?}", reached.missing());
}

#[test]
fn one_seed_has_one_course() {
    for seed in 1..20 {
        let options = Options { seed, ..Options::default() };
        assert_eq!(world::judge(&options).hash, world::judge(&options).hash, "seed {seed}");
    }
}
