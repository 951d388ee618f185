//! Merchants' files with the real binary: authorizations over the wire, a file handed in, its result; once more, and after a kill.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::street::{Peer, Street, no_of, purchase, text};

const COLUMNS: &str =
    "type,seq,merchant_id,terminal_id,op,capture_ref,orig_ref,rrn,amount,currency,exp,final";

/// An authorization that its issuer answers so.
fn authorizes(asker: &mut Peer, issuer: &mut Peer, (stan, merchant): (u32, &str), code: &str) {
    let mut asked = purchase(stan);
    asked.set(no_of(37), format!("{stan:012}").as_bytes());
    asked.set(no_of(42), format!("{merchant:15}").as_bytes());
    asker.send(100, &asked);
    let (_, heard) = issuer.heard();
    issuer.answer(110, &heard, code);
    assert_eq!(text(&asker.heard().1, 39), code);
}

/// A file of the first shop: operation, reference, original, retrieval reference, amount, whether it is the last.
fn file(id: &str, records: &[(&str, &str, &str, u32, u64, &str)]) -> String {
    let mut text = format!("{COLUMNS}\nH,1,MERCHANT0000001,,,{id},,,,,,\n");
    for (at, (op, reference, original, rrn, amount, last)) in records.iter().enumerate() {
        let rrn = if *rrn == 0 { String::new() } else { format!("{rrn:012}") };
        let line = format!(
            "D,{},,TERM0001,{op},{reference},{original},{rrn},{amount},978,2,{last}\n",
            at + 2
        );
        text.push_str(&line);
    }
    let sum: u64 = records.iter().map(|record| record.4).sum();
    format!("{text}T,{},,,,{id},,,{sum},,,\n", records.len() + 2)
}

/// `clearing submit`: exit code, and the lines of the result.
fn submit(street: &Street, name: &str) -> (Option<i32>, Vec<Value>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_iso8583d"))
        .args(["clearing", "submit", "--json"])
        .arg(street.path(name))
        .arg("--state")
        .arg(street.state())
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let lines = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
}

fn records(lines: &[Value]) -> Vec<String> {
    let records = lines.iter().filter(|line| line["type"] == "record");
    records
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("capture_ref"), text("state"), text("reason"))
                .trim()
                .to_owned()
        })
        .collect()
}

/// What was accepted, minor units, as `clearing status` says.
fn accepted(street: &Street) -> i64 {
    let (out, _) = street.command(&["clearing", "status"]);
    let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let claims = lines.filter(|line| line["of"] == "claims" && line["state"] == "accepted");
    claims.map(|line| line["amount"].as_i64().unwrap()).sum()
}

fn refuses_others_and_finds_what_is_there(street: &Street) {
    // Another file of that id is refused, and so is one with a card number, of which nothing is left anywhere.
    street.keep("other.csv", &file("F1", &[("capture", "new", "", 4, 1250, "Y")]));
    let (code, lines, said) = submit(street, "other.csv");
    assert_eq!((code, lines.len(), &lines[0]["state"]), (Some(1), 1, &"refused".into()), "{said}");
    street.keep("card.csv", &file("F2", &[("capture", "4111111111111111", "", 4, 1250, "Y")]));
    let (code, _, said) = submit(street, "card.csv");
    assert_eq!(code, Some(1));
    assert!(said.contains("line 3, capture_ref: expected no card number in clear"), "{said}");
    assert_eq!(accepted(street), 1250 + 1000 + 375 + 250);
    // Who puts a file into the inbox need not ask: it is found there.
    let inbox = street.state().join("captures");
    fs::write(inbox.join(".found.csv"), file("F3", &[("capture", "found", "", 4, 1250, "Y")]))
        .unwrap();
    fs::rename(inbox.join(".found.csv"), inbox.join("found.csv")).unwrap();
    street.wait(|_| inbox.join("done/found.csv.result.jsonl").exists().then_some(()));
    street.wait(|street| (accepted(street) == 1250 + 1000 + 375 + 250 + 1250).then_some(()));
}

/// The files themselves are their senders' words; what is made here tells no card, and is its owner's alone.
fn tells_no_card(inbox: &Path) {
    for shelf in ["done", "refused"] {
        for entry in fs::read_dir(inbox.join(shelf)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_str().unwrap().contains(".result.") {
                let page = fs::read_to_string(&path).unwrap();
                assert!(!page.contains("4111111111111111"), "{}", path.display());
                let mode = fs::metadata(&path).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
    }
}

#[test]
fn a_merchants_file_is_matched_and_told_and_counts_once() {
    let mut street = Street::new("");
    street.add("\n[[clearing.captures.tolerance]]\nmcc = \"5411\"\npercent = 10\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    for stan in [1, 2, 3, 4] {
        authorizes(&mut pos, &mut issuer, (stan, "MERCHANT0000001"), "00");
    }
    authorizes(&mut pos, &mut issuer, (5, "MERCHANT0000002"), "00");
    authorizes(&mut pos, &mut issuer, (6, "MERCHANT0000001"), "51");
    let all = [
        ("capture", "good", "", 1, 1250, "Y"),
        ("capture", "part-1", "", 2, 1000, "N"),
        ("capture", "part-2", "", 2, 375, "Y"),
        ("capture", "over", "", 3, 1376, "Y"),
        ("capture", "foreign", "", 5, 1250, "Y"),
        ("capture", "declined", "", 6, 1250, "Y"),
        ("capture", "good", "", 1, 1250, "Y"),
        ("refund", "back", "good", 0, 250, "Y"),
        ("refund", "too-much", "good", 0, 1001, "Y"),
    ];
    street.keep("day.csv", &file("F1", &all));
    let (code, lines, said) = submit(&street, "day.csv");
    let expected = [
        "good accepted",
        "part-1 accepted",
        "part-2 accepted",
        "over rejected OVER_AMOUNT",
        "foreign pending UNMATCHED",
        "declined rejected DECLINED",
        "good duplicate",
        "back accepted",
        "too-much rejected REFUND_OVER_CAPTURED",
    ];
    assert_eq!(records(&lines), expected, "{said}");
    assert_eq!(code, Some(65), "{said}");
    assert!(said.contains("3 of 9 records are bad"), "{said}");
    let total = lines.iter().find(|line| line["type"] == "total").unwrap();
    assert_eq!(
        (&total["count"], &total["amount"]),
        (&9.into(), &all.iter().map(|one| one.4).sum::<u64>().into())
    );
    // Again, and from the next process: the same.
    let again = submit(&street, "day.csv");
    assert_eq!((&again.1, again.0), (&lines, Some(65)));
    assert!(again.2.contains("taken before"), "{}", again.2);
    street.signal("-KILL");
    street.ended();
    street.start();
    assert_eq!(submit(&street, "day.csv").1, lines);
    assert_eq!(accepted(&street), 1250 + 1000 + 375 + 250);
    refuses_others_and_finds_what_is_there(&street);
    tells_no_card(&street.state().join("captures"));
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0));
    assert!(!said.contains("4111111111111111"), "{said}");
    let database = fs::read(street.state().join("clearing.db")).unwrap();
    assert!(!database.windows(16).any(|bytes| bytes == b"4111111111111111"));
}
