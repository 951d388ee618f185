//! Cycles within the day with the real binary: what merchants claimed goes to its issuer when an operator says so, and once.

use std::fs;

use serde_json::Value;

use super::pays;
use super::street::{Peer, Street, purchase, text};

/// An authorization that its issuer approves; gives its number.
fn authorized(street: &Street, asker: &mut Peer, issuer: &mut Peer, stan: u32) -> i64 {
    asker.send(100, &purchase(stan));
    let (_, asked) = issuer.heard();
    issuer.answer(110, &asked, "00");
    assert_eq!(text(&asker.heard().1, 39), "00");
    street.wait(|street| {
        let books = rusqlite::Connection::open(street.state().join("books.db")).unwrap();
        let sql =
            "SELECT txn FROM transactions WHERE mti = '0100' AND stan = ? AND outcome = 'approved'";
        books.query_row(sql, [format!("{stan:06}")], |row| row.get(0)).ok()
    })
}

/// A claim on it, as a merchant's file leaves it when it is accepted.
fn claims(street: &Street, txn: i64, amount: i64) {
    let ledger = rusqlite::Connection::open(street.state().join("clearing.db")).unwrap();
    let sql = "INSERT INTO claims (submission, seq, place, merchant, op, reference, amount, currency, final, tip, digest, state, txn)
        VALUES (1, 1, 1, 'SHOP 7', 'capture', 'c-' || ?2, ?1, '978', 1, 0, x'', 'accepted', ?2)";
    ledger.execute(sql, (amount, txn)).unwrap();
    ledger.execute("INSERT INTO to_cut VALUES (last_insert_rowid())", []).unwrap();
}

fn cut_now(street: &Street) -> Value {
    let (out, err) = street.command(&["clearing", "cut", "--now"]);
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"))
}

fn names(street: &Street) -> Vec<String> {
    let entries = fs::read_dir(street.state().join("clearing")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_merchants_claimed_goes_to_its_issuer_within_the_day() {
    let mut street = Street::new("clearing_charset = \"cp500\"\nclearing_blocks = \"no\"\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let txn = authorized(&street, &mut pos, &mut issuer, 2);
    let none = cut_now(&street);
    assert_eq!((&none["ok"], &none["cycle"]), (&Value::Bool(true), &Value::Null));
    claims(&street, txn, 900);
    let date = street.today();
    let first = cut_now(&street);
    assert_eq!((&first["date"], &first["cycle"]), (&date.clone().into(), &1.into()));
    let cycle = [
        format!("clearing-bank-978-{date}-1.ipm"),
        format!("positions-{date}-1.csv"),
        format!("positions-{date}-1.json"),
    ];
    assert_eq!(names(&street), cycle);
    // The claim alone: the sale that clears by itself belongs to the day's end.
    let file = street.state().join("clearing").join(&cycle[0]);
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_iso8583d"));
    let shown = program.args(["ipm", "cat"]).arg(&file).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(
        (shown.lines().count(), shown.matches("\"000000000900\"").count()),
        (3, 1),
        "{shown}"
    );
    assert_eq!(cut_now(&street)["cycle"], Value::Null, "it is presented once");
    // Another process knows that, too.
    street.signal("-KILL");
    street.ended();
    street.start();
    assert_eq!(cut_now(&street)["cycle"], Value::Null);
    let (out, err) = street.command(&["clearing", "cut", "--date", &date]);
    let end: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!(end["positions"]["positions"][0]["purchases_amount"], 1_250, "{end}");
    assert_eq!(names(&street).len(), 6);
    let ids: Vec<&Value> = [&first, &end].map(|cut| &cut["files"][0]["id"]).into();
    assert_ne!(ids[0], ids[1]);
    let (_, err) = street.command(&["clearing", "cut"]);
    assert!(err.contains("--date"), "{err}");
}

/// A ledger that was begun anew knows of nothing that was presented: it presents nothing of that again by itself, and what it writes
/// has other numbers.
#[test]
fn a_ledger_that_was_begun_anew_presents_nothing_again() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let txn = authorized(&street, &mut pos, &mut issuer, 2);
    claims(&street, txn, 900);
    cut_now(&street);
    let (out, err) = street.command(&["clearing", "cut", "--date", &street.today()]);
    assert!(out.contains("\"ok\":true"), "{out}{err}");
    // The next day has a cycle before the ledger is lost, and one after it.
    let txn = authorized(&street, &mut pos, &mut issuer, 3);
    claims(&street, txn, 800);
    let before = cut_now(&street);
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    fs::rename(street.state().join("clearing"), street.path("sent")).unwrap();
    for file in ["clearing.db", "clearing.db-wal", "clearing.db-shm"] {
        drop(fs::remove_file(street.state().join(file)));
    }
    fs::write(street.state().join("clearing.db"), "").unwrap();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    let txn = authorized(&street, &mut pos, &mut issuer, 4);
    claims(&street, txn, 700);
    // What it would write by itself it writes before it takes this.
    let since = cut_now(&street);
    assert_eq!(names(&street).len(), 3, "{:?}", names(&street));
    assert_eq!((&since["date"], &since["cycle"]), (&before["date"], &before["cycle"]));
    assert_ne!(since["files"][0]["id"], before["files"][0]["id"]);
    let ledger = rusqlite::Connection::open(street.state().join("clearing.db")).unwrap();
    let sql = "SELECT count(*), min(item) > 1 FROM items";
    let counted = ledger.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)));
    assert_eq!(counted.unwrap(), (1, true));
}
