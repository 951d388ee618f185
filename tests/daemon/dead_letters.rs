//! What an operator does about dead letters, with the real binary: sent again, written off, refused; and where it stays.

use iso8583d::daemon::control::Command;
use serde_json::Value;

use super::original;
use super::street::{Peer, Street, purchase, text};

/// A purchase that nobody answers, and whose reversal its issuer refuses for good: what the issuer saw of the reversal.
fn dead_reversal(pos: &mut Peer, issuer: &mut Peer, stan: u32) -> iso8583d::iso::Elements {
    pos.send(200, &purchase(stan));
    issuer.heard();
    assert_eq!(text(&pos.heard().1, 39), "91");
    let (mti, reversal) = issuer.heard();
    assert_eq!(mti, 420);
    issuer.answer(430, &reversal, "30");
    reversal
}

/// The lines of `ctl owed` on one of its lists.
fn listed(street: &Street, list: &str) -> Vec<Value> {
    let lines = street.ask(&Command::Owed { limit: 100 }).unwrap();
    lines.into_iter().filter(|line| line["list"] == list).collect()
}

/// The only line of an answer.
fn answer(street: &Street, arguments: &[&str]) -> Value {
    let (out, err) = street.command(arguments);
    assert_eq!(out.lines().count(), 1, "{out}{err}");
    serde_json::from_str(&out).unwrap()
}

/// What must not be is told, and nothing happens.
fn refused(street: &Street, txn: &str) {
    for (arguments, said) in [
        (
            &["ctl", "requeue", "99999999"][..],
            "neither a transaction nor an orphan has this number",
        ),
        (
            &["ctl", "requeue", "5413330000004111x"],
            "N is the number that `iso8583d ctl owed` shows",
        ),
        (&["ctl", "requeue", txn, "--owing", "advice"], "was never owed an advice for it"),
        (&["ctl", "write-off", txn, "--reason", " "], "--reason: it is empty"),
        (
            &["ctl", "write-off", txn, "--reason", "card 5413330000004111"],
            "looks like a card number",
        ),
        (
            &["ctl", "write-off", txn, "--reason", "a", "--by", "a\u{1b}b"],
            "--by: it holds a line break",
        ),
        (&["ctl", "requeue", txn, "--by", "5413 3300 0000 4111"], "looks like a card number"),
    ] {
        let (out, err) = street.command(arguments);
        assert!(out.is_empty() && err.contains(said), "{arguments:?}: {out}{err}");
        assert!(!err.contains("4111"), "{err}");
    }
}

/// What was ordered is told by `why`, by the journal and by the books.
fn stays(street: &Street, txn: &str) {
    let (life, _) = street.command(&["why", txn]);
    for said in [
        "sent again until it is acknowledged, ordered by anna: under a fresh key",
        "operator -> switch",
        "reversal written off by uid ",
        ": paid by hand, ticket 4711",
        "its reversal was given up, and written off by an operator; nothing is open",
    ] {
        assert!(life.contains(said), "{said} is not in\n{life}");
    }
    let (records, _) = street.command(&["journal", "cat"]);
    for said in ["requeued ", "by=\"anna\"", "written_off ", "why=\"paid by hand, ticket 4711\""] {
        assert!(records.contains(said), "{said} is not in\n{records}");
    }
    let books = rusqlite::Connection::open(street.state().join("books.db")).unwrap();
    let orders: Vec<(String, String)> = books
        .prepare("SELECT kind, who FROM orders ORDER BY lsn")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(orders.len(), 2, "no order has a second effect: {orders:?}");
    assert_eq!(orders[0], ("requeued".to_owned(), "anna".to_owned()));
}

#[test]
fn dead_letters_are_sent_again_or_written_off() {
    let mut street = Street::new("timeout_ms = 300\nsettle_ms = 400\nowed_repeat_ms = 60000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    let first = dead_reversal(&mut pos, &mut issuer, 1);
    let dead = street.wait(|street| listed(street, "dead-letter").pop());
    let txn = dead["txn"].to_string();
    assert_eq!((&dead["owing"], &dead["code"]), (&"reversal".into(), &"30".into()));
    refused(&street, &txn);
    // Sent again: under a fresh pair, of the same original; twice is once.
    let order = ["ctl", "requeue", &txn, "--by", "anna"];
    let told = answer(&street, &order);
    assert_eq!((&told["done"], &told["by"]), (&"requeued".into(), &"anna".into()));
    assert_eq!(answer(&street, &order), told);
    let (mti, again) = issuer.heard();
    assert_eq!((mti, original(&again)), (420, original(&first)));
    assert_ne!((text(&again, 7), text(&again, 11)), (text(&first, 7), text(&first, 11)));
    let going = listed(&street, "owed").pop().unwrap();
    assert_eq!((&going["requeued"], &going["reason"]), (&true.into(), &"unanswered".into()));
    let (_, err) = street.command(&["ctl", "write-off", &txn, "--reason", "no"]);
    assert!(err.contains("its reversal is still going"), "{err}");
    // Refused once more, it is written off: off the list, and nowhere forgotten.
    issuer.answer(430, &again, "30");
    street.wait(|street| (listed(street, "dead-letter").len() == 1).then_some(()));
    let order = ["ctl", "write-off", &txn, "--reason", "paid by hand, ticket 4711"];
    let told = answer(&street, &order);
    assert_eq!(
        (&told["done"], &told["reason"]),
        (&"written_off".into(), &"paid by hand, ticket 4711".into())
    );
    assert!(told["by"].as_str().unwrap().starts_with("uid "), "{told}");
    assert_eq!(answer(&street, &order), told);
    assert_eq!(street.lists(), [""; 0]);
    // The same after a restart, and the books say so to whoever asks.
    street.signal("-KILL");
    street.ended();
    street.start();
    assert_eq!(answer(&street, &order), told);
    let (_, err) = street.command(&["ctl", "requeue", &txn]);
    assert!(err.contains("its reversal was written off"), "{err}");
    stays(&street, &txn);
}

#[test]
fn orders_are_in_the_log_and_orphans_are_written_off() {
    let mut street = Street::new("timeout_ms = 300\nsettle_ms = 60000\nowed_repeat_ms = 60000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    dead_reversal(&mut pos, &mut issuer, 1);
    issuer.answer(210, &purchase(77), "00");
    let (orphan, dead) = street.wait(|street| {
        Some((listed(street, "orphan").pop()?, listed(street, "dead-letter").pop()?))
    });
    let (orphan, txn) = (orphan["lsn"].to_string(), dead["txn"].to_string());
    // What an earlier process gave up is watched, too.
    street.signal("-KILL");
    street.ended();
    street.start();
    street.wait(|street| {
        let page = Street::console(&street.console_address(), "/metrics");
        let counted = ["iso8583d_switch_dead_letters_open 1\n", "iso8583d_switch_orphans_open 1\n"];
        counted.iter().all(|line| page.contains(line)).then_some(())
    });
    let (_, err) = street.command(&["ctl", "requeue", &orphan]);
    assert!(err.contains("there is nothing to send again"), "{err}");
    let order = ["ctl", "write-off", &orphan, "--reason", "test of the bank", "--by", "anna"];
    let told = answer(&street, &order);
    assert_eq!((&told["lsn"].to_string(), &told["owing"]), (&orphan, &Value::Null));
    assert_eq!(answer(&street, &order), told);
    answer(&street, &["ctl", "write-off", &txn, "--reason", "paid", "--by", "bob"]);
    assert_eq!(street.lists(), [""; 0]);
    let (stray, _) = street.command(&["why", "stan=77"]);
    assert!(stray.contains("nothing is known, written off by anna: test of the bank"), "{stray}");
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    let audit: Vec<&str> =
        said.lines().filter(|line| line.contains("audit: an operator")).collect();
    assert_eq!(audit.len(), 2, "one line an order: {said}");
    for (line, who) in audit.iter().zip(["anna", "bob"]) {
        assert!(line.contains(&format!("by=\"{who}\"")) && line.contains("reason="), "{line}");
    }
}
