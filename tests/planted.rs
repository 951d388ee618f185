//! Every rule that money depends on has a mistake that breaks it; the simulator must find each within its budget of
//! seeds. Run with `--features planted`.
#![cfg(feature = "planted")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use iso8583d::planted::Bug;
use iso8583d::sim::world::{self, Options};

/// How many seeds may pass before a mistake is found.
const SEEDS: u64 = 400;

#[test]
fn every_planted_mistake_is_found() {
    let next = AtomicUsize::new(0);
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let missed = thread::scope(|scope| {
        let work = || {
            let mut missed = Vec::new();
            while let Some(bug) = Bug::SIMULATED.get(next.fetch_add(1, Ordering::Relaxed)) {
                world::plant(Some(*bug));
                let verdict =
                    world::judge(&Options { seed: 1, count: SEEDS, ..Options::default() });
                match verdict.failure {
                    Some(failure) => {
                        println!("{bug:?}: seed {}: {}", failure.seed, failure.fault);
                    }
                    None => missed.push(*bug),
                }
            }
            missed
        };
        #[expect(clippy::needless_collect, reason = "all start before the first is waited for")]
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}
