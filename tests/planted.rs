//! Every rule that money depends on has a mistake that breaks it; the simulator must find each within its budget of
//! seeds. Run with `--features planted`.
#![cfg(feature = "planted")]

use std::thread;

use assert_cmd::Command;
use iso8583d::planted::Bug;
use iso8583d::sim::sheet::{self, MISTAKE_SEEDS};

#[test]
fn every_planted_mistake_is_found() {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let found = sheet::find_mistakes(workers).unwrap();
    for (bug, failure) in &found {
        if let Some(failure) = failure {
            println!("{bug:?}: seed {}: {}", failure.seed, failure.fault);
        }
    }
    let missed: Vec<Bug> =
        found.iter().filter(|(_, found)| found.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "not found within {MISTAKE_SEEDS} seeds: {missed:?}");
    assert_eq!(found.len(), Bug::SIMULATED.len());
}

/// A sheet is no sheet when a rule does not hold: it says in which seed, and how to see that again, and the command fails.
#[test]
fn a_sheet_of_a_switch_with_a_mistake_says_so() {
    let bug = ["--bug", "TimeOutOwesNothing"];
    let sheet = ["sim", "world", "--sheet", "--count", "20", "--cores", "2"];
    let output = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
        .args([&sheet[..], &bug].concat())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let again = told.lines().find_map(|line| line.strip_prefix("again: `iso8583d "));
    let again = again.and_then(|line| line.strip_suffix('`')).unwrap_or_else(|| panic!("{told}"));
    let output = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
        .args(again.split(' ').chain(bug))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{again}");
}
