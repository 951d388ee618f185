//! Every rule of the field has a scenario, or says that it is not built: `tests/rules.md` against the tests there are. With
//! `--features planted`, each scenario is told once more with its rule switched off, and must fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use iso8583d::planted::Bug;

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

/// Each row's number, what it says, its scenario, and what switches it off.
fn rows(text: &str) -> Vec<[&str; 4]> {
    let is_rule = |line: &&str| {
        let number = line.strip_prefix("| ").and_then(|rest| rest.chars().next());
        number.is_some_and(|first| first.is_ascii_digit())
    };
    let cells = |line| {
        let mut cells = str::trim_matches(line, '|').split('|').map(str::trim);
        [(); 4].map(|()| cells.next().unwrap_or_default())
    };
    text.lines().filter(is_rule).map(cells).collect()
}

/// The names that a cell has between backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// What switches a rule off.
fn switch(cell: &str) -> Option<Bug> {
    names(cell).first().copied().and_then(Bug::named)
}

/// What is wrong with the rules of a page, given the tests there are.
fn faults(text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for [number, rule, scenario, off] in rows(text) {
        if rule.is_empty() || !seen.insert(number) {
            faults.push(format!("rule {number} is empty, or there twice"));
        }
        let not_built = scenario.strip_prefix("not built: ").is_some_and(|why| !why.is_empty());
        let named = names(scenario);
        if named.is_empty() && !not_built {
            faults.push(format!("rule {number} has no scenario"));
        }
        if !not_built && switch(off).is_none() {
            faults.push(format!("nothing switches rule {number} off"));
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
    let named: Vec<_> = rows(&text).into_iter().filter_map(|[.., off]| switch(off)).collect();
    let idle: Vec<_> = Bug::TOLD.iter().filter(|bug| !named.contains(bug)).collect();
    assert!(idle.is_empty(), "no rule is switched off by {idle:?}");
}

#[test]
fn every_property_of_clearing_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = BTreeSet::new();
    for directory in ["src", "tests"] {
        tests_below(&root.join(directory), &mut tests);
    }
    let text = fs::read_to_string(root.join("tests/properties.md")).unwrap();
    let rows = rows(&text);
    let numbers: Vec<String> = (1..=22).map(|number: u8| number.to_string()).collect();
    assert_eq!(rows.iter().map(|[number, ..]| *number).collect::<Vec<_>>(), numbers);
    for [number, property, shown, _] in rows {
        // Scripts and commands stand beside tests, with a space, a slash or a dot in them.
        let named: Vec<_> =
            names(shown).into_iter().filter(|name| !name.contains([' ', '/', '.'])).collect();
        assert!(!property.is_empty() && !named.is_empty(), "property {number} has no test");
        let missing: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
        assert!(missing.is_empty(), "property {number} names {missing:?}: there is no such test");
    }
}

#[test]
fn a_rule_without_a_scenario_is_found() {
    let tests = BTreeSet::from(["told".to_owned()]);
    let page = "| 1.1 | one | `told` | `NoSettle` |\n| 1.2 | two | | `NoSettle` |\n| 1.3 | three | `untold` | `NoSuch` |\n| 1.3 | four | not built: nothing | |\n";
    let said = [
        "rule 1.2 has no scenario",
        "nothing switches rule 1.3 off",
        "rule 1.3 names `untold`, and there is no such test",
        "rule 1.3 is empty, or there twice",
    ];
    assert_eq!(faults(page, &tests), said);
}

#[cfg(feature = "planted")]
mod switched_off {
    //! The test binaries run as they are, and once more for each rule, with what switches it off named in their environment.

    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use iso8583d::planted::Bug;

    use super::{names, rows, switch};

    /// How many tests passed, and how many failed.
    type Result = (usize, usize);

    /// Where each test is: its binary, and its whole name there.
    type Places = BTreeMap<String, (PathBuf, String)>;

    /// The test binaries in which scenarios are: built with the feature, unless they are already.
    fn binaries() -> Vec<PathBuf> {
        // The one that runs this: another one might build with another compiler.
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap());
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "test",
            "--no-run",
            "--locked",
            "--features=planted",
            "--test=stories",
            "--test=clearing",
            "--message-format=json",
        ]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        // What cargo tells a test about its package would make it build some dependencies anew.
        for (name, _) in std::env::vars_os() {
            let about = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];
            if name.to_str().is_some_and(|name| about.iter().any(|about| name.starts_with(about))) {
                cargo.env_remove(name);
            }
        }
        let built = cargo.output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let artifact = |line: &str| {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            message.get("executable")?.as_str().map(PathBuf::from)
        };
        String::from_utf8(built.stdout).unwrap().lines().filter_map(artifact).collect()
    }

    fn places() -> Places {
        let mut places = Places::new();
        for binary in binaries() {
            let listed = Command::new(&binary).args(["--list", "--format=terse"]).output().unwrap();
            for line in String::from_utf8(listed.stdout).unwrap().lines() {
                let Some(whole) = line.strip_suffix(": test") else { continue };
                let name = whole.rsplit("::").next().unwrap_or(whole);
                places.insert(name.to_owned(), (binary.clone(), whole.to_owned()));
            }
        }
        places
    }

    /// Runs one test, maybe with a mistake made from its beginning.
    fn run(places: &Places, name: &str, bug: Option<Bug>) -> Result {
        let Some((binary, whole)) = places.get(name) else { return (0, 0) };
        let mut test = Command::new(binary);
        test.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--exact", whole]);
        match bug {
            Some(bug) => test.env("ISO8583D_PLANTED", bug.name()),
            None => test.env_remove("ISO8583D_PLANTED"),
        };
        let said = String::from_utf8_lossy(&test.output().unwrap().stdout).into_owned();
        let result = said.lines().find(|line| line.starts_with("test result: "));
        let count = |what: &str| {
            let before = result?.split_once(what)?.0;
            before.trim_end().rsplit(' ').next()?.parse().ok()
        };
        (count(" passed").unwrap_or(0), count(" failed").unwrap_or(0))
    }

    /// What is wrong with the switches of a page.
    fn faults(page: &str, places: &Places) -> Vec<String> {
        let mut as_it_is = BTreeMap::new();
        let mut faults = Vec::new();
        for [number, _, scenario, off] in rows(page) {
            let (named, Some(bug)) = (names(scenario), switch(off)) else { continue };
            for name in &named {
                let result = *as_it_is.entry(*name).or_insert_with(|| run(places, name, None));
                if result != (1, 0) {
                    faults.push(format!("rule {number}: `{name}` does not pass: {result:?}"));
                }
            }
            let first = named.first().copied().unwrap_or_default();
            match run(places, first, Some(bug)) {
                (0, 1) => {}
                (1, 0) => faults.push(format!("rule {number}: `{first}` passes with {bug:?}")),
                other => {
                    faults.push(format!(
                        "rule {number}: `{first}` with {bug:?} did not run: {other:?}"
                    ));
                }
            }
        }
        faults
    }

    #[test]
    fn every_scenario_fails_when_its_rule_is_switched_off() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = fs::read_to_string(root.join("tests/rules.md")).unwrap();
        let found = faults(&page, &places());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_scenario_that_does_not_notice_is_found() {
        let page = "| 1 | told | `trace_1_a_25_crosses_the_late_approval` | `LateApprovalIgnored` |\n\
                    | 2 | another rule's switch | `network_management_is_answered` | `StandInUnlimited` |\n\
                    | 3 | nowhere | `no_such_scenario` | `NoSettle` |\n\
                    | 4 | not built | not built: nothing | |\n";
        let said = [
            "rule 2: `network_management_is_answered` passes with StandInUnlimited",
            "rule 3: `no_such_scenario` does not pass: (0, 0)",
            "rule 3: `no_such_scenario` with NoSettle did not run: (0, 0)",
        ];
        assert_eq!(faults(page, &places()), said);
    }
}
