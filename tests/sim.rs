//! The simulated peers from the command line, as a newcomer meets them: the demonstration, a terminal,
//! load. Every run goes through the real binary as a process of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use assert_cmd::Command;
use iso8583d::dialect::Dialect;
use iso8583d::framing;
use iso8583d::mapping::Tongue;
use iso8583d::sim::child::{Link, LinkPlace, Plan, Switch, free_port};
use iso8583d::sim::issuer::{self, Issuer, Rules};
use iso8583d::sim::{Peer, Place};
use serde_json::Value;

/// Runs the binary and gives what it printed; fails with what it said.
fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_iso8583d")).args(arguments).output().unwrap();
    let (out, said) = (output.stdout, String::from_utf8_lossy(&output.stderr).into_owned());
    let out = String::from_utf8(out).unwrap();
    assert!(output.status.success(), "{arguments:?}\n{out}\n{said}");
    out
}

#[test]
fn the_demonstration_ends_by_itself_with_books_that_balance() {
    let place = tempfile::tempdir().unwrap();
    let told = run(&["demo", "--seconds", "8", "--state-below", place.path().to_str().unwrap()]);
    for part in [
        "The first payment was approved",
        "the south bank becomes slow",
        "the north bank dies",
        "It was started again and approved a payment",
        " 0 others",
        "is cut",
        "nothing is owed to anybody",
        "shops are paid",
        "fees taken off, add up to 0.00",
        "The books balance",
        "Clearing files and positions:",
        "Three things to try next",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
}

/// How the day's cards begin; longer than what a reference of a 334th day may have, a 4 and ten zeros.
const CARDS: [&str; 2] = ["54133300", "400000000000"];

#[test]
fn the_merchants_day_comes_as_it_is_told() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("day");
    let keep = ["demo", "day", "--keep", home.to_str().unwrap()];
    let told = run(&keep);
    for part in [
        "completed with 64.00 EUR",
        "rejected OVER_AMOUNT (expected at most 5000, got 5500)",
        "charged_back: the presentment with reference",
        "opposite      WEBSHOP-BERLIN1  -20.00 EUR",
        "representment WEBSHOP-BERLIN1   15.00 EUR",
        "12.191 KWD",
        "booked: merchant payable of WEBSHOP-BERLIN1 debited 25.00 978 (gross)",
        "All of it balances",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
    // What its peers swear is there, and shows no card.
    for name in ["tills", "north-ledger", "south-ledger", "operator"] {
        let log = std::fs::read_to_string(home.join(format!("{name}.jsonl"))).unwrap();
        assert!(log.lines().count() > 4, "{name}: {log}");
        assert!(!CARDS.iter().any(|card| log.contains(card)), "{name}: {log}");
    }
    assert!(!CARDS.iter().any(|card| told.contains(card)), "{told}");
    assert!(!is_anybody_at(place.path()), "the switch has ended");
    // Another day does not begin among these files.
    let again = Command::new(env!("CARGO_BIN_EXE_iso8583d")).args(keep).output().unwrap();
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("directory not empty"), "{said}");
}

/// A terminal that is closed, or whoever started it: the switch that it started ends with it.
#[test]
fn a_demonstration_that_is_told_to_end_leaves_no_switch_behind() {
    let place = tempfile::tempdir().unwrap();
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::HUP] {
        let mut demo = std::process::Command::new(env!("CARGO_BIN_EXE_iso8583d"))
            .args(["demo", "--state-below", place.path().to_str().unwrap()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(demo.stdout.take().unwrap()).lines();
        assert!(told.any(|line| line.unwrap().contains("The first payment was approved")));
        assert!(is_anybody_at(place.path()), "the switch is a process of its own");
        rustix::process::kill_process(rustix::process::Pid::from_child(&demo), signal).unwrap();
        let rest: Vec<String> = told.map(Result::unwrap).collect();
        assert!(demo.wait().unwrap().success(), "{signal:?}\n{rest:#?}");
        assert!(rest.iter().any(|line| line.contains("The books balance")), "{rest:#?}");
        assert!(!is_anybody_at(place.path()), "{signal:?}");
    }
}

/// Whether a process that runs a switch was given a configuration below this directory.
fn is_anybody_at(place: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap();
    let commands =
        processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    let place = place.to_str().unwrap();
    commands.into_iter().any(|command| {
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("\0run\0") && command.contains(place)
    })
}

#[test]
fn load_checks_every_answer_in_closed_and_open_loop() {
    let place = tempfile::tempdir().unwrap();
    let below = place.path().to_str().unwrap();
    let usual =
        ["sim", "load", "--json", "--seconds", "1", "--warm-up", "0", "--state-below", below];
    for more in [
        &["--connections", "2", "--in-flight", "8", "--asker", "iso87-bcd"][..],
        &[
            "--connections",
            "2",
            "--in-flight",
            "8",
            "--asker",
            "iso87-ebcdic",
            "--issuer",
            "iso87-bcd",
        ],
        &["--connections", "3", "--rate", "300", "--issuer", "iso87-bcd"],
        &["--connections", "2", "--in-flight", "8", "--direct"],
    ] {
        let report: Value = serde_json::from_str(&run(&[&usual[..], more].concat())).unwrap();
        let count = |key: &str| report[key].as_u64().unwrap();
        assert!(0 < count("sent"), "{report}");
        assert_eq!(report["answers"]["00"].as_u64(), Some(count("sent")), "{report}");
        for fault in ["altered", "unknown", "double", "unreadable", "lost", "hung_up"] {
            assert_eq!(count(fault), 0, "{report}");
        }
        assert_eq!(report["first_approval_ms"].is_null(), more.contains(&"--direct"), "{report}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "its state is taken away");
}

/// With issuers that answer nothing, every request is declined once and reversed once, and nothing is left.
#[test]
fn requests_that_nobody_answers_are_declined_and_reversed_once() {
    let place = tempfile::tempdir().unwrap();
    let told = run(&[
        "sim",
        "pending",
        "--requests",
        "2000",
        "--links",
        "10",
        "--timeout",
        "5",
        "--state-below",
        place.path().to_str().unwrap(),
    ]);
    for part in [
        "pending at once    2,000,",
        "bytes a pending request",
        "declined with 91   2,000,",
        "reversed           2,000,",
        "confirmed          2,000,",
        "owed at the end    0",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
}

/// In a build with planted mistakes the sheet looks for them as well; `planted` has that.
#[cfg(not(feature = "planted"))]
#[test]
fn a_reliability_sheet_says_what_was_run_and_what_it_met() {
    let seeds = ["--seed", "3000001", "--count", "10", "--cores", "2", "--txns", "100"];
    let told = run(&[&["sim", "world", "--sheet"][..], &seeds].concat());
    let cell = |name: &str| {
        let row = told.lines().find_map(|line| line.strip_prefix(&format!("| {name} | ")));
        row.and_then(|row| row.strip_suffix(" |")).unwrap_or_else(|| panic!("{name}: {told}"))
    };
    assert_eq!(cell("seeds"), "3,000,001 to 3,000,010");
    assert_eq!(cell("transactions"), "1,000");
    assert_eq!(cell("seeds that broke a rule"), "0");
    for name in
        ["connection broken", "answer duplicated", "answer overtook an earlier one", "crash"]
    {
        assert!(cell(name) != "0", "{name}: {told}");
    }
    assert!(cell("planted mistakes found").contains("--features planted"), "{told}");
}

#[test]
fn a_terminal_tells_in_plain_words_what_it_hears() {
    let place = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let issuer = runtime.block_on(Issuer::open(bank())).unwrap();
    let at = free_port().unwrap();
    let mut switch = begin(place.path(), at, issuer.address().unwrap());
    runtime.block_on(issuer.met(Duration::from_secs(10))).unwrap();
    let to = at.to_string();
    let told = run(&["sim", "pos", "--connect", &to, "--dialect", "iso87-bcd"]);
    for part in [
        "0800  the terminal signs on: accepted",
        "0200  the terminal pays 12.50 in currency 978: approved, number 000001",
        "0201  the terminal asks the same again, as a repeat: approved, number 000001",
        "gives back 12.50",
        "takes that one back: accepted",
        "asks whether anybody is there: accepted",
    ] {
        assert!(told.contains(part), "{part:?} is missing in\n{told}");
    }
    // Another amount, and trace numbers of its own although it is the same terminal in the same second.
    let declined =
        run(&["sim", "pos", "--connect", &to, "--dialect", "iso87-bcd", "--amount", "1251"]);
    assert!(declined.contains("51, not enough money"), "{declined}");
    switch.stop().unwrap();
    assert_eq!(issuer.totals().unreadable, 0);
}

fn bank() -> issuer::Settings {
    issuer::Settings {
        name: "bank".to_owned(),
        peer: Peer {
            tongue: Tongue::plain(Arc::new(Dialect::shipped("iso87-ascii").unwrap())),
            framing: framing::Settings::default(),
            place: Place::Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            tls: None,
        },
        rules: Rules::usual(),
        ledger: None,
        remembers: true,
        signs_on: false,
    }
}

fn begin(place: &Path, at: SocketAddr, bank: SocketAddr) -> Switch {
    let link = |name: &str, role, place, dialect: &str| Link {
        name: name.to_owned(),
        role,
        place,
        dialect: dialect.to_owned(),
        length: "binary-2",
        more: String::new(),
    };
    let plan = Plan {
        links: vec![
            link("shops", "asker", LinkPlace::Listens(at), "iso87-bcd"),
            link("bank", "issuer", LinkPlace::Dials(bank, 1), "iso87-ascii"),
        ],
        routes: vec![("541333".to_owned(), vec!["bank".to_owned()])],
        workers: 2,
        more: String::new(),
    };
    let mut switch = Switch::prepare(env!("CARGO_BIN_EXE_iso8583d").into(), place).unwrap();
    switch.configure(&plan).unwrap();
    switch.start().unwrap();
    switch
}
