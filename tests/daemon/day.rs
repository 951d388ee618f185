//! The business day with the real binary: a peer ends it, its files are written without an order, now or at the next start.

use std::fs;
use std::path::Path;

use iso8583d::daemon::control::Command;
use iso8583d::iso::{BusinessDate, Elements};
use serde_json::Value;

use super::pays;
use super::street::{Peer, Street, no_of, purchase, text};

/// `ctl day`.
fn day(street: &Street) -> Value {
    let (out, err) = street.command(&["ctl", "day"]);
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"))
}

/// The issuer says which date opens, and hears that this is so.
pub(crate) fn ends_the_day(issuer: &mut Peer, stan: u32, opens: BusinessDate) {
    let (stan, opens) = (format!("{stan:06}"), opens.mmdd());
    let mut said = Elements::default();
    for (no, value) in [(7, &b"1123184000"[..]), (11, stan.as_bytes()), (15, &opens), (70, b"201")]
    {
        said.set(no_of(no), value);
    }
    issuer.send(800, &said);
    let (mti, told) = issuer.heard();
    assert_eq!((mti, text(&told, 39), text(&told, 11)), (810, "00".into(), stan));
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    };
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(file).collect();
    files.sort();
    files
}

#[test]
fn a_peer_ends_the_day_and_its_files_are_written_without_an_order() {
    let mut street = Street::new("cut_over = \"accept\"\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let today = BusinessDate::from_text(&street.today()).unwrap();
    let tomorrow = today.next();
    pos.send(200, &purchase(2));
    let (_, asked) = issuer.heard();
    ends_the_day(&mut issuer, 1, tomorrow);
    ends_the_day(&mut issuer, 2, tomorrow);
    pays(&mut pos, &mut issuer, 3);
    let seen = day(&street);
    let expected = (tomorrow.to_string(), today.to_string());
    assert_eq!((&seen["date"], &seen["closing"]), (&expected.0.into(), &expected.1.into()));
    assert_eq!((&seen["last_cut"], &seen["ends_at"]), (&Value::Null, &Value::Null));
    // The one that waited has its answer: nothing of the old day is in flight any more.
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
    let directory = street.state().join("clearing");
    street.wait(|street| {
        let seen = day(street);
        let cut = seen["last_cut"] == today.to_string() && seen["closing"].is_null();
        (cut && seen["unwritten"].as_array()?.is_empty() && directory.exists()).then_some(())
    });
    let written = files(&directory);
    let names: Vec<_> = written.iter().map(|(name, _)| name.clone()).collect();
    let name = |what: &str, kind: &str| format!("{what}-{today}.{kind}");
    assert_eq!(
        names,
        [name("clearing-bank-978", "ipm"), name("positions", "csv"), name("positions", "json")]
    );
    // The order for the same day finds it cut, and writes the same bytes.
    let lines = street.ask(&Command::Cut { date: today.to_string() }).unwrap();
    assert_eq!(lines[0]["positions"]["positions"][0]["purchases"], 2);
    assert_eq!(files(&directory), written);
    let page = Street::console(&street.console_address(), "/metrics");
    assert!(page.contains("iso8583d_books_unwritten_days 0"), "{page}");
}

#[test]
fn files_that_could_not_be_written_are_written_by_order_or_by_the_next_process() {
    let mut street = Street::new("cut_over = \"accept\"\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let today = BusinessDate::from_text(&street.today()).unwrap();
    let (tomorrow, directory) = (today.next(), street.state().join("clearing"));
    fs::write(&directory, "in the way").unwrap();
    ends_the_day(&mut issuer, 1, tomorrow);
    let fault = fault_of(&street, today);
    assert!(fault.contains("clearing"), "{fault}");
    // An order does not wait until they are tried again.
    let cut = Command::Cut { date: today.to_string() };
    assert!(street.ask(&cut).is_err());
    fs::remove_file(&directory).unwrap();
    street.ask(&cut).unwrap();
    assert_eq!(day(&street)["unwritten"], Value::Array(Vec::new()));
    let first = files(&directory);
    assert_eq!(first.len(), 3);
    // Of the next day nothing is there when the process ends.
    pays(&mut pos, &mut issuer, 2);
    let aside = street.state().join("aside");
    fs::rename(&directory, &aside).unwrap();
    fs::write(&directory, "in the way").unwrap();
    ends_the_day(&mut issuer, 2, tomorrow.next());
    fault_of(&street, tomorrow);
    street.signal("-KILL");
    let (_, said) = street.ended();
    assert!(said.contains("its files cannot be written"), "{said}");
    fs::remove_file(&directory).unwrap();
    street.start();
    street.wait(|_| directory.join(format!("positions-{tomorrow}.json")).exists().then_some(()));
    assert_eq!(files(&directory).len(), 3, "those of the first day are not written again");
    let seen = street.wait(|street| {
        let seen = day(street);
        seen["unwritten"].as_array()?.is_empty().then_some(seen)
    });
    assert_eq!(seen["date"], tomorrow.next().to_string(), "and no other day was ended");
    // Books that are built anew know of no files, and make none that were made before.
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    fs::remove_file(street.state().join("books.db")).unwrap();
    fs::rename(&directory, street.state().join("sent")).unwrap();
    street.start();
    // The list is made when the books have followed, and what is to be written was asked before.
    assert!(street.lists().is_empty());
    assert_eq!(day(&street)["unwritten"], Value::Array(Vec::new()));
    assert!(!directory.exists());
    street.ask(&Command::Cut { date: tomorrow.to_string() }).unwrap();
    assert_eq!(files(&directory), files(&street.state().join("sent")), "by order, the same bytes");
}

/// Why the files of a day are not there, once that is known.
fn fault_of(street: &Street, date: BusinessDate) -> String {
    street.wait(|street| {
        let seen = day(street);
        let unwritten = seen["unwritten"].as_array()?.first()?.clone();
        assert_eq!(unwritten["date"], date.to_string());
        unwritten["fault"].as_str().map(str::to_owned)
    })
}

/// It was down at the hour: where the switch stands it is half past twelve, and the day ended at noon.
#[test]
fn a_switch_that_was_down_at_the_hour_ends_the_day_at_its_start() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let today = BusinessDate::from_text(&street.today()).unwrap();
    let (out, _) = street.command(&["journal", "cat"]);
    assert!(!out.contains("cut "), "{out}");
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    drop((pos, issuer));
    // The middle of the day in UTC is at most half a day from anywhere.
    let minutes = noon_and_a_half();
    let sign = if minutes < 0 { '-' } else { '+' };
    let offset = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
    street.add(&format!("\n[day]\ncut_at = \"12:00\"\nutc_offset = \"{offset}\"\n"));
    street.start();
    let directory = street.state().join("clearing");
    street.wait(|_| directory.join(format!("positions-{today}.json")).exists().then_some(()));
    let seen = day(&street);
    assert_eq!((&seen["date"], &seen["closing"]), (&today.next().to_string().into(), &Value::Null));
    assert_eq!(seen["last_cut"], today.to_string());
    let ends_at = seen["ends_at"].as_str().unwrap();
    assert!(ends_at.ends_with(":00.000Z"), "{ends_at}");
    // And no second time.
    street.signal("-KILL");
    street.ended();
    street.start();
    assert_eq!(day(&street)["date"], today.next().to_string());
}

/// How far ahead of UTC it is half past twelve now, minutes.
fn noon_and_a_half() -> i64 {
    let now = std::process::Command::new("date").args(["-u", "+%H %M"]).output().unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    let (hour, minute) = now.trim().split_once(' ').unwrap();
    let [hour, minute] = [hour, minute].map(|digits| digits.parse::<i64>().unwrap());
    12 * 60 + 30 - (hour * 60 + minute)
}

/// What was copied at different moments does not belong together: new payments would have the positions of others, and never clear.
#[test]
fn a_journal_older_than_what_was_made_of_it_is_refused() {
    let mut street = Street::new("cut_over = \"accept\"\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    let (journal, copy) = (street.state().join("journal"), street.path("copy"));
    copied(&journal, &copy);
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 2);
    let today = BusinessDate::from_text(&street.today()).unwrap();
    street.ask(&Command::Cut { date: today.to_string() }).unwrap();
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    let newest = street.path("newest");
    copied(&journal, &newest);
    // The ledger knows of the cut, and the books of all.
    copied(&copy, &journal);
    let (code, said) = street.start_and_end();
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("clearing.db has seen record"), "{said}");
    let ledger = street.state().join("clearing.db");
    let aside = street.path("clearing.db");
    fs::rename(&ledger, &aside).unwrap();
    let (code, said) = street.start_and_end();
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("remove books.db"), "{said}");
    // With the journal that belongs to them nothing is amiss; but the ledger must be there.
    copied(&newest, &journal);
    for leftover in ["clearing.db", "clearing.db-wal", "clearing.db-shm"] {
        drop(fs::remove_file(street.state().join(leftover)));
    }
    let (code, said) = street.start_and_end();
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains(&format!("the days up to {today} were cut")), "{said}");
    fs::rename(&aside, &ledger).unwrap();
    street.start();
}

/// Files of a directory, and no others.
fn copied(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
