//! `why` beside a running switch, after its end, and without its books: what an engineer hears of one transaction.

use std::process::Command as Program;

use iso8583d::daemon::control::Command;
use serde_json::Value;

use super::street::{Street, no_of, purchase, text};
use super::{original, pays};

/// What `why` says of this street's directory: exit code, stdout, stderr.
fn why(street: &Street, key: &[&str]) -> (i32, String, String) {
    let mut program = Program::new(env!("CARGO_BIN_EXE_iso8583d"));
    let output = program.arg("why").args(key).arg("--state").arg(street.state()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    for secret in ["5413330000004111", "0000004111", "5a5a5a5a"] {
        assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
    }
    (output.status.code().unwrap(), out, err)
}

/// What `why` says when all of it is there: what a running switch writes lazily takes a moment.
fn tells(street: &Street, key: &[&str], wanted: &[&str]) -> String {
    let mut last = String::new();
    for _ in 0..100 {
        let (code, out, err) = why(street, key);
        last = format!("{code}\n{out}\n{err}");
        if code == 0 && in_order(&out, wanted) {
            return out;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{key:?}: {wanted:?} is not, in that order, in\n{last}");
}

/// Whether all of these stand in a text, one after the other.
fn in_order(text: &str, wanted: &[&str]) -> bool {
    let mut rest = text;
    wanted.iter().all(|wanted| match rest.split_once(wanted) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

const APPROVED: &[&str] = &[
    "+0 ms  pos -> switch  0200 2=541333******4111 3=000000 4=000000001250 7=1123184000 11=000001",
    "41=TERM0001 42=MERCHANT0000001 49=978",
    "a request, never seen before",
    "switch -> bank  0200 7=",
    "sent on under elements 7 and 11 of our own, for the business day ",
    "bank -> switch  0210 7=",
    "38=A1B2C3 39=00",
    "approved with 00 after ",
    "pos  0210 7=1123184000 11=000001 38=A1B2C3 39=00",
    "00 to the asker: the answer of its issuer",
    "handed to a connection of the asker",
    ": approved with 00; captured, ",
];

#[test]
fn an_approved_purchase_is_found_by_any_key_and_told_into_its_clearing() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mut pos, mut host) = (street.asker("pos"), street.asker("host"));
    pos.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
    pays(&mut host, &mut issuer, 1);
    let open = [APPROVED, &["to be in the clearing of ", "; open: the day ", " is not cut yet"]];
    tells(&street, &["stan=000001", "link=pos"], &open.concat());
    // Issuers complain with the pair that they saw.
    let (de7, stan) = (format!("de7={}", text(&asked, 7)), format!("stan={}", text(&asked, 11)));
    let by_pair = tells(&street, &[&de7, &stan, "link=pos"], APPROVED);
    assert_eq!(tells(&street, &[&stan, &de7, "terminal=TERM0001", "link=pos"], APPROVED), by_pair);
    // Two shops have the same numbers: both are listed, a line each.
    let (code, listed, said) = why(&street, &["rrn=000000000001", "amount=1250"]);
    assert_eq!((code, listed.lines().count()), (0, 2), "{listed}{said}");
    assert!(in_order(&listed, &["0200 pos -> bank 2=541333******4111", "0200 host -> bank"]));
    assert!(said.contains("2 transactions, all: name one by its number"), "{said}");
    let number = listed.split_whitespace().next().unwrap();
    assert_eq!(tells(&street, &[number], APPROVED), by_pair);
    let date = street.today();
    street.ask(&Command::Cut { date: date.clone() }).unwrap();
    let file = format!("file clearing-bank-978-{date}.ipm");
    let cut = format!("cut into the day {date}, {file}");
    let now = format!("; captured, in the clearing of {date}, {file}; nothing is open");
    let steps = &APPROVED[..11];
    let cut = [steps, &["switch -> clearing", &cut, ": approved with 00", &now]].concat();
    let told = tells(&street, &["approval=A1B2C3", "link=pos", &format!("date={date}")], &cut);
    // The same when the switch is down; and without books the journal tells what it has.
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    assert_eq!(why(&street, &[number]).1, told);
    let (_, lines, _) = why(&street, &["--json", number]);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 7, "six steps, and how it stands: {lines:?}");
    assert_eq!(
        (&lines[0]["from"], &lines[0]["elements"]["2"]),
        (&"pos".into(), &"541333******4111".into())
    );
    assert_eq!((&lines[6]["state"], &lines[6]["date"]), (&"cleared".into(), &date.into()));
    for file in ["books.db", "books.db-wal", "books.db-shm"] {
        drop(std::fs::remove_file(street.state().join(file)));
    }
    let (code, without, said) = why(&street, &[&stan, &de7, "link=pos"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        in_order(&without, &["11=000001", "approved with 00", "cut into the day", "captured, in"]),
        "{without}"
    );
}

#[test]
fn an_unanswered_purchase_its_late_approval_and_both_reversals_are_told() {
    let mut street = Street::new("timeout_ms = 300\nsettle_ms = 60000\nowed_repeat_ms = 20000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    assert_eq!(text(&pos.heard().1, 39), "91");
    let (_, first) = issuer.heard();
    let over = [
        "sent on under",
        "switch -> pos  0210 7=1123184000 11=000001",
        "91 (or the `timeout_code` of the configuration) to the asker: bank did not answer in 0.3 s",
        "switch -> bank  0420 7=",
        "a reversal is owed: the request was sent, and not answered",
    ];
    let owed = [
        ": declined: its issuer did not answer in time; a reversal is owed to its issuer",
        "open: the reversal is owed to bank since ",
    ];
    tells(&street, &["stan=1"], &[&over[..], &owed].concat());
    issuer.answer(430, &first, "00");
    let acknowledged = ["bank -> switch  0430 7=", " 39=00", "it goes once more later"];
    tells(&street, &["stan=1"], &[&over[..], &acknowledged].concat());
    issuer.answer(210, &asked, "00");
    let (_, second) = issuer.heard();
    assert_eq!(original(&second), original(&first));
    issuer.answer(430, &second, "00");
    let late = [
        "bank -> switch  0210",
        "a late approval, or what may be one: it is never told",
        "a late approval is reversed, under a fresh key",
        "reversal acknowledged 00: settled",
        "reversed, acknowledged with 00; nothing is open",
    ];
    let all = [&over[..], &acknowledged, &late].concat();
    let told = tells(&street, &["stan=1"], &all);
    // The issuer may complain about any of the pairs that it saw, or about one of its numbers alone.
    for seen in [&asked, &first, &second] {
        let (de7, stan) = (format!("de7={}", text(seen, 7)), format!("stan={}", text(seen, 11)));
        assert_eq!(tells(&street, &[&de7, &stan], &all), told);
    }
}

#[test]
fn a_reversal_leads_to_its_original_and_back() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let mut reversal = purchase(2);
    let named = format!("0200000001{}{:0>11}{:0>11}", "1123184000", "12345678901", "0");
    reversal.set(no_of(90), named.as_bytes());
    pos.send(400, &reversal);
    assert_eq!(text(&pos.heard().1, 39), "00");
    let (_, owed) = issuer.heard();
    issuer.answer(430, &owed, "00");
    let told = tells(
        &street,
        &["stan=1", "terminal=TERM0001"],
        &[
            "approved with 00",
            "pos -> switch  0400",
            "a reversal of transaction ",
            "switch -> pos  0410 39=00",
            "a reversal is owed: the asker wants it undone",
            "reversal acknowledged 00: settled",
            ": approved with 00; reversed, acknowledged with 00; nothing is open",
            ": it reverses transaction ",
        ],
    );
    let number = told.split("transaction ").last().unwrap();
    let original: String = number.chars().take_while(char::is_ascii_digit).collect();
    let reversal = told.lines().last().unwrap().split([' ', ':']).nth(1).unwrap();
    assert_ne!(original, reversal);
    assert_eq!(why(&street, &[reversal]).1, told);
    assert_eq!(why(&street, &[&original]).1, told);
    // An approval that answers nothing is no transaction, and found all the same.
    issuer.answer(210, &purchase(77), "00");
    street.wait(|street| street.lists().contains(&"orphan".to_owned()).then_some(()));
    let (code, stray, _) = why(&street, &["stan=77"]);
    assert_eq!(code, 0);
    assert!(
        stray.contains(
            "bank -> switch  0210 7=1123184000 11=000077: an approval of which nothing is known"
        ),
        "{stray}"
    );
    let (code, out, said) = why(&street, &["stan=4711", "terminal=TERM0001"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        in_order(
            &said,
            &[
                "no transaction meets what was asked for (stan, terminal)",
                "the books have transactions from ",
                ", the journal records 1 to ",
                " on\n"
            ]
        ),
        "{said}"
    );
    assert_eq!(why(&street, &["5413330000004111x"]).0, 2);
}

/// The issuer answers after its time, and matches: one transaction, one line in the clearing, and nothing reversed.
#[test]
fn what_its_issuer_matches_is_told_as_one_payment() {
    let mut street = Street::new("timeout_ms = 300");
    street.add(
        r#"
[routes.stand_in]
on = ["down", "timeout"]
late_approval = "match"
currency = "978"
amount_max = 5_000
count_max = 3
total_max = 10_000
"#,
    );
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    let told = pos.heard().1;
    assert_eq!(text(&told, 39), "00");
    let (mti, advice) = issuer.heard();
    let named = format!("0200{}{}", text(&asked, 11), text(&asked, 7));
    assert!(mti == 220 && text(&advice, 90).starts_with(&named), "{mti} {}", text(&advice, 90));
    issuer.answer(210, &asked, "51");
    issuer.answer(230, &advice, "00");
    let wanted = [
        "a request, never seen before",
        "bank did not answer in 0.3 s: approved in its place",
        "switch -> bank  0220 7=",
        "it names the request, and its issuer books both as one",
        "a late decline: its asker was told an approval",
        "advice acknowledged 00: settled",
        ": approved with 00 in its issuer's place, and its issuer has the advice of it; captured, ",
    ];
    let told = tells(&street, &["stan=000001", "link=pos"], &wanted);
    assert!(!told.contains("reversal"), "{told}");
    let date = street.today();
    street.ask(&Command::Cut { date: date.clone() }).unwrap();
    let now = format!("; captured, in the clearing of {date}, file clearing-bank-978-{date}.ipm");
    let told = tells(&street, &["stan=000001", "link=pos"], &[&now]);
    assert_eq!(told.matches("cut into the day").count(), 1);
    let metrics = Street::console(&street.console_address(), "/metrics");
    for counted in ["switch_stand_in_approvals_total 1", "switch_stand_in_late_declines_total 1"] {
        assert!(metrics.contains(counted), "{counted}: {metrics}");
    }
}

/// What is sent on nowhere is in no journal: the log alone says which message it was, by what its terminal knows of it.
#[test]
fn the_log_names_what_was_declined_without_being_sent_on() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let _issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    let mut unknown = purchase(7);
    unknown.set(no_of(2), b"340000000000009");
    pos.send(200, &unknown);
    assert_eq!(text(&pos.heard().1, 39), "92");
    // A host that writes a part of the card where its reference should be: the log must not.
    let mut careless = purchase(8);
    careless.set(no_of(2), b"340000000009");
    careless.set(no_of(37), b"340000000009");
    pos.send(200, &careless);
    assert_eq!(text(&pos.heard().1, 39), "92");
    // What is routine keeps no trouble out of the log: more of it than has room there.
    for stan in 20..32 {
        let mut unknown = purchase(stan);
        unknown.set(no_of(2), b"340000000000009");
        pos.send(200, &unknown);
        assert_eq!(text(&pos.heard().1, 39), "92");
    }
    // The key of the first, and another amount.
    unknown.set(no_of(4), b"000000000001");
    pos.send(200, &unknown);
    assert_eq!(text(&pos.heard().1, 39), "94");
    // A reversal whose original nobody here has seen.
    let mut undo = purchase(33);
    undo.set(no_of(90), b"020000003411231834000000000000000000000000");
    pos.send(400, &undo);
    assert_eq!(text(&pos.heard().1, 39), "25");
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "a request was declined here link=\"pos\" of=0200 11=000007 37=000000000001 41=TERM0001 code=92",
        "a request was declined here link=\"pos\" of=0200 11=000008 41=TERM0001 code=92",
        "it was answered 94 link=\"pos\" of=0200 11=000007 37=000000000001 41=TERM0001",
        "declined if it comes link=\"pos\" of=0400 11=000033 37=000000000001 41=TERM0001",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!said.contains("340000000009"), "{said}");
}

/// An approval that no cut can present is in no file: nobody is told that it was cleared, nor an amount that nobody said.
#[test]
fn what_a_cut_holds_is_not_told_as_cleared() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    for (stan, lacks) in [(1, 4), (2, 49)] {
        let mut asked = purchase(stan);
        asked.remove(no_of(lacks));
        pos.send(200, &asked);
        let (_, heard) = issuer.heard();
        issuer.answer(210, &heard, "00");
        assert_eq!(text(&pos.heard().1, 39), "00");
    }
    let date = street.today();
    street.ask(&Command::Cut { date: date.clone() }).unwrap();
    let explained = |number: &str| street.command(&["clearing", "explain", number]).0;
    let held = format!("captured, held at the cut of {date}, and in no file: ");
    for (stan, says, invents) in [
        ("stan=000001", "0200 without an amount, card", "0.00"),
        ("stan=000002", "0200 for 1250 minor units, without a currency, card", "of currency"),
    ] {
        let told = tells(&street, &[stan, "link=pos"], &["and held: ", &held, "; open: "]);
        assert!(!told.contains("nothing is open"), "{told}");
        let number = told.rsplit_once("explain ").unwrap().1.split('`').next().unwrap();
        let of = explained(number);
        assert!(in_order(&of, &[says, "exception ", ", held: presentment of ", "; open"]), "{of}");
        assert!(!of.contains(invents), "{of}");
    }
    // Once somebody has seen to it nothing is open, and it is in no file all the same.
    let (listed, _) = street.command(&["clearing", "exceptions"]);
    let first: Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    let exception = first["exception"].to_string();
    street.command(&["clearing", "close", &exception, "--reason", "agreed with the bank"]);
    tells(&street, &["stan=000001", "link=pos"], &[&held, "; nothing is open"]);
    street.signal("-TERM");
    let (_, said) = street.ended();
    let warned = said.lines().find(|line| line.contains("exceptions are open")).unwrap();
    assert!(warned.contains(" WARN ") && warned.contains("exceptions=2"), "{warned}");
}
