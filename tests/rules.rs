//! Every rule of the field has a scenario, or says that it is not built: `tests/rules.md` against the tests there are.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all functions below a directory that are marked as tests.
fn tests_below(directory: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("vectors") {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for piece in text.split("#[test]").skip(1) {
                let name = piece.split_once("fn ").and_then(|(_, rest)| rest.split('(').next());
                names.extend(name.map(str::to_owned));
            }
        }
    }
}

/// Each row's number, what it says, and its scenario.
fn rows(text: &str) -> Vec<[&str; 3]> {
    let is_rule = |line: &&str| {
        let number = line.strip_prefix("| ").and_then(|rest| rest.chars().next());
        number.is_some_and(|first| first.is_ascii_digit())
    };
    let cells = |line| {
        let mut cells = str::trim_matches(line, '|').split('|').map(str::trim);
        [cells.next(), cells.next(), cells.next()].map(Option::unwrap_or_default)
    };
    text.lines().filter(is_rule).map(cells).collect()
}

/// What is wrong with the rules of a page, given the tests there are.
fn faults(text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for [number, rule, scenario] in rows(text) {
        if rule.is_empty() || !seen.insert(number) {
            faults.push(format!("rule {number} is empty, or there twice"));
        }
        let not_built = scenario.strip_prefix("not built: ").is_some_and(|why| !why.is_empty());
        let named: Vec<_> = scenario.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !not_built {
            faults.push(format!("rule {number} has no scenario"));
        }
        let missing = named.iter().filter(|name| !tests.contains(**name));
        faults.extend(
            missing.map(|name| format!("rule {number} names `{name}`, and there is no such test")),
        );
    }
    faults
}

#[test]
fn every_rule_has_a_scenario() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for directory in ["src", "tests"] {
        tests_below(&root.join(directory), &mut tests);
    }
    let text = fs::read_to_string(root.join("tests/rules.md")).unwrap();
    assert!(50 < rows(&text).len(), "the page is not read");
    assert_eq!(faults(&text, &tests), Vec::<String>::new());
}

#[test]
fn a_rule_without_a_scenario_is_found() {
    let tests = BTreeSet::from(["told".to_owned()]);
    let page = "| 1.1 | one | `told` |\n| 1.2 | two | |\n| 1.3 | three | `untold` |\n| 1.3 | four | not built: nothing |\n";
    let said = [
        "rule 1.2 has no scenario",
        "rule 1.3 names `untold`, and there is no such test",
        "rule 1.3 is empty, or there twice",
    ];
    assert_eq!(faults(page, &tests), said);
}
