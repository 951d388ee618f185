//! The real binary, killed again and again under load; then an auditor who reads only what the peers
//! wrote themselves and what `journal export` says.
//!
//! `cargo test --test killed` kills it 20 times. Longer:
//! `KILLS=100 cargo test --release --test killed -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(clippy::indexing_slicing, reason = "the same")]
#![expect(clippy::print_stdout, reason = "the numbers are what a longer run is for")]
#![expect(clippy::disallowed_methods, reason = "a longer run is asked for in the environment")]

mod audit;

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use iso8583d::dialect::Dialect;
use iso8583d::framing;
use iso8583d::iso::{BusinessDate, Wall};
use iso8583d::mapping::Tongue;
use iso8583d::sim::child::{Link, LinkPlace, Plan, Switch, free_port};
use iso8583d::sim::clock;
use iso8583d::sim::issuer::{self, Issuer, Rules};
use iso8583d::sim::log::Log;
use iso8583d::sim::street::{Dice, Habits, Street};
use iso8583d::sim::terminal::Terminal;
use iso8583d::sim::{Peer, Place};
use tokio::time::Instant;

use audit::Evidence;

/// How long the switch waits for an issuer here.
const TIMEOUT_MS: u64 = 300;
/// Later than that: an answer that comes too late.
const LATE_MS: u64 = 450;

/// A kill meets what it meets: so often it may be tried until every state was met.
const TRIES: usize = 10;

#[test]
fn killed_at_random_nothing_is_lost() {
    let kills = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut met = [0; 4];
    for _ in 0..TRIES {
        let place = tempfile::tempdir().unwrap();
        let (evidence, slowest) = runtime.block_on(rounds(place.path(), kills));
        let findings = audit::judge(&evidence);
        println!("{kills} kills, slowest restart {} ms\n{findings}", slowest.as_millis());
        if !findings.faults.is_empty() {
            let kept = place.keep();
            panic!("{} faults; everything is in {}", findings.faults.len(), kept.display());
        }
        assert!(findings.different_words == 0, "some heard other words");
        met.iter_mut().zip(findings.met()).for_each(|(sum, met)| *sum += met);
        if !met.contains(&0) {
            return;
        }
    }
    panic!("a state was never met by a kill, so nothing is proved about it: {met:?}");
}

/// Kills and restarts, lets everything settle, and collects what everybody wrote.
async fn rounds(place: &Path, kills: u32) -> (Evidence, Duration) {
    let mut switch = Switch::prepare(env!("CARGO_BIN_EXE_iso8583d").into(), place).unwrap();
    let at = [free_port().unwrap(), free_port().unwrap()];
    let alpha = bank("alpha", "iso87-ascii", switch.directory()).await;
    let beta = bank("beta", "iso87-bcd", switch.directory()).await;
    switch.configure(&plan(at, [alpha.address().unwrap(), beta.address().unwrap()])).unwrap();
    switch.start().unwrap();
    let log = Arc::new(Log::open(&switch.directory().join("askers.jsonl")).unwrap());
    let terminals = (1..=16).map(|number| {
        let at = at[usize::from(number % 2 == 0)];
        let name = if number % 2 == 0 { "iso87-ascii-binary-bitmap" } else { "iso87-bcd" };
        Terminal::new(peer(name, Place::Dial(at.to_string())), number, Some(Arc::clone(&log)))
    });
    let seed = clock::wall().0;
    println!("seed {seed}");
    // A decline of what was never forwarded does not outlive a kill: nobody asks before both issuers are there.
    ready(&mut switch, at[0]).await;
    signed_on(&switch, ["alpha", "beta"]).await;
    let street = Street::open(terminals.collect(), &habits(seed));
    let mut dice = Dice::new(seed);
    let mut killed_at: Vec<Wall> = Vec::new();
    let mut slowest = Duration::ZERO;
    let today = clock::wall().date();
    for round in 0..kills {
        // Mostly in the middle of the work, now and then while it has hardly begun again.
        let wait = if dice.chance(150) { dice.below(60) } else { 150 + dice.below(700) };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        assert!(
            !switch.ended(),
            "the switch ended by itself before kill {round}: {}",
            said(&switch)
        );
        // Once, the day is being cut when the plug is pulled.
        let cutting = (round == kills / 2).then(|| begin_cut(&switch, today));
        if cutting.is_some() {
            tokio::time::sleep(Duration::from_millis(dice.below(40))).await;
        }
        killed_at.push(clock::wall());
        switch.kill().unwrap();
        if let Some(mut cutting) = cutting {
            cutting.wait().unwrap();
        }
        let begun = Instant::now();
        switch.start().unwrap();
        if !dice.chance(100) {
            ready(&mut switch, at[0]).await;
            slowest = slowest.max(begun.elapsed());
        }
    }
    ready(&mut switch, at[0]).await;
    let heard = street.close().await;
    println!("{heard:?}");
    settle(&switch).await;
    let days = [today, today.next()].map(|day| cut(&switch, day));
    switch.stop().unwrap();
    let export = output(&switch, &["journal", "export"]);
    let read = |name: &str| fs::read_to_string(switch.directory().join(name)).unwrap();
    let evidence = Evidence::read(
        &[&read("alpha-ledger.jsonl"), &read("beta-ledger.jsonl")],
        &read("askers.jsonl"),
        &export,
        &killed_at,
        heard.other_words + heard.altered + heard.given_up,
    )
    .with_days(&days);
    (evidence, slowest)
}

/// Has a day cut by a process that nobody waits for.
fn begin_cut(switch: &Switch, day: BusinessDate) -> Child {
    Command::new(switch.program())
        .args(["clearing", "cut", "--date", &day.to_string(), "--state"])
        .arg(switch.directory().join("state"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Has a day cut, and gives its positions.
fn cut(switch: &Switch, day: BusinessDate) -> String {
    let day = day.to_string();
    output(switch, &["clearing", "cut", "--date", &day]);
    let name = format!("state/clearing/positions-{day}.json");
    fs::read_to_string(switch.directory().join(name)).unwrap()
}

/// Waits until somebody listens.
async fn ready(switch: &mut Switch, at: SocketAddr) {
    let until = Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(at).await.is_err() {
        assert!(!switch.ended(), "the switch ended by itself: {}", said(switch));
        assert!(Instant::now() < until, "the switch is not ready: {}", said(switch));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until the switch has said of these links that requests may go there.
async fn signed_on(switch: &Switch, links: [&str; 2]) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let log = fs::read_to_string(switch.log()).unwrap_or_default();
        let says = |link| {
            let of = format!("link=\"{link}\"");
            log.lines().any(|line| line.contains("signed on") && line.contains(&of))
        };
        if links.into_iter().all(says) {
            return;
        }
        assert!(Instant::now() < until, "no issuer signs on: {}", said(switch));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until nothing is owed any more, or no longer: what is then still owed must be on the list.
async fn settle(switch: &Switch) {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        let owed = output(switch, &["ctl", "owed"]);
        if !owed.lines().any(|line| {
            line.contains("\"owed\"") && line.contains("\"list\"")
                || line.contains("\"unconfirmed\"")
        }) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn output(switch: &Switch, command: &[&str]) -> String {
    let mut arguments: Vec<OsString> = command.iter().map(OsString::from).collect();
    arguments.extend(["--state".into(), switch.directory().join("state").into_os_string()]);
    let output = switch.command(&arguments).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The end of what the switch said.
fn said(switch: &Switch) -> String {
    let log = fs::read_to_string(switch.log()).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

async fn bank(name: &str, dialect: &str, directory: &Path) -> Issuer {
    let mut rules = Rules::usual();
    rules.add(&format!("68=delay:{LATE_MS}")).unwrap();
    let place = Place::Listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let ledger = Log::open(&directory.join(format!("{name}-ledger.jsonl"))).unwrap();
    let settings = issuer::Settings {
        name: name.to_owned(),
        peer: peer(dialect, place),
        rules,
        ledger: Some(ledger),
        remembers: true,
        signs_on: false,
    };
    Issuer::open(settings).await.unwrap()
}

fn peer(dialect: &str, place: Place) -> Peer {
    let dialect = Arc::new(Dialect::shipped(dialect).unwrap());
    let tongue = Tongue::plain(dialect);
    Peer { tongue, framing: framing::Settings::default(), place, tls: None }
}

fn plan(at: [SocketAddr; 2], banks: [SocketAddr; 2]) -> Plan {
    let issuing = format!(
        "sign_on = \"send\"\ntimeout_ms = {TIMEOUT_MS}\nsettle_ms = {}\nowed_repeat_ms = 200\n",
        2 * TIMEOUT_MS
    );
    let link = |name: &str, role, place, dialect: &str, more: &str| Link {
        name: name.to_owned(),
        role,
        place,
        dialect: dialect.to_owned(),
        length: "binary-2",
        more: more.to_owned(),
    };
    let dials = |to| LinkPlace::Dials(to, 2);
    let [odd, even] = at.map(LinkPlace::Listens);
    Plan {
        links: vec![
            link("odd", "asker", odd, "iso87-bcd", ""),
            link("even", "asker", even, "iso87-ascii-binary-bitmap", ""),
            link("alpha", "issuer", dials(banks[0]), "iso87-ascii", &issuing),
            link("beta", "issuer", dials(banks[1]), "iso87-bcd", &issuing),
        ],
        routes: [("541333", "alpha"), ("400000", "beta")]
            .map(|(bin, to)| (bin.to_owned(), vec![to.to_owned()]))
            .to_vec(),
        workers: 2,
        more: "[journal]\ncarry_every = 2000\n".to_owned(),
    }
}

fn habits(seed: u64) -> Habits {
    Habits {
        prefixes: vec!["541333".to_owned(), "400000".to_owned()],
        endings: vec![(51, 60), (5, 40), (68, 15), (91, 10)],
        refunds: 80,
        reversals: 120,
        dollars: 150,
        pause: Duration::from_millis(4),
        patience: Duration::from_millis(1500),
        seed,
    }
}
