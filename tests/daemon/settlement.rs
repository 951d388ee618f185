//! Merchants are paid and the day is reported, through the command line and the running switch.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use iso8583d::daemon::control::Command;
use iso8583d::iso::BusinessDate;
use iso8583d::record::LinkId;
use rusqlite::Connection;
use serde_json::Value;

use crate::pays;
use crate::street::Street;

const SETTLEMENT: &str = r#"
[[clearing.fees]]
name = "retail"
kind = "discount"
rate_ppm = 20_000
fixed = 10

[[clearing.fees]]
name = "debit"
kind = "interchange"
issuer = ["bank"]
rate_ppm = 3_000

[clearing.settlement]
name = "Acquirer & Sons"
iban = "DE89370400440532013000"

[[clearing.settlement.merchants]]
id = "MERCHANT0000001"
name = "Shop Seven"
iban = "GB82WEST12345698765432"
"#;

/// What a cut leaves in the ledger: two purchases of the day and a refund, in a cut whose files are written.
fn cut(street: &Street, day: BusinessDate) {
    let (year, month, date) = day.parts();
    let day = year * 10_000 + month * 100 + date;
    let ledger = Connection::open(street.state().join("clearing.db")).unwrap();
    ledger.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let add = "INSERT INTO cuts (day, cycle, lsn, at, last_claim, state) VALUES (?, 0, 1, 1, 0, 'written')";
    ledger.execute(add, [day]).unwrap();
    for (amount, refund) in [(10_000, false), (2_500, false), (1_000, true)] {
        let add = "INSERT INTO items (kind, issuer, merchant, card, amount, currency, refund, day, cycle, state)
            VALUES ('presentment', ?, 'MERCHANT0000001', '541333******4111', ?, '978', ?, ?, 0, 'presented')";
        ledger.execute(add, (LinkId::of_name("bank").0, amount, refund, day)).unwrap();
    }
}

/// Runs a command of `clearing` that has to succeed, and gives what it printed.
fn clearing(street: &Street, arguments: &[&str]) -> String {
    let all: Vec<&str> = std::iter::once("clearing").chain(arguments.iter().copied()).collect();
    let (out, said) = street.command(&all);
    assert!(!out.is_empty(), "{said}");
    out
}

fn last(out: &str) -> Value {
    serde_json::from_str(out.lines().last().unwrap()).unwrap()
}

#[test]
fn a_day_is_paid_out_and_reported() {
    let mut street = Street::new("");
    street.add(SETTLEMENT);
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let today = BusinessDate::from_text(&street.today()).unwrap();
    let date = today.to_string();
    let pay_out = ["pay-out", "--date", &date];
    let (out, said) = street.command(&["clearing", "pay-out", "--date", &date]);
    assert!(out.is_empty() && said.contains("there is no cut"), "{said}");
    cut(&street, today);
    let paid = clearing(&street, &pay_out);
    // 100.00 and 25.00 less 2.10 and 0.60, and 10.00 back.
    let first: Value = serde_json::from_str(paid.lines().next().unwrap()).unwrap();
    assert_eq!((&first["payments"], &first["sum"]), (&1.into(), &"112.30 978".into()));
    assert_eq!((&last(&paid)["files"], &last(&paid)["before"]), (&1.into(), &false.into()));
    let name = first["file"].as_str().unwrap();
    let path = street.state().join("payouts").join(format!("{name}.xml"));
    let xml = fs::read_to_string(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for part in [
        "<CtrlSum>112.30</CtrlSum>",
        "<InstdAmt Ccy=\"EUR\">112.30</InstdAmt>",
        "<Nm>Acquirer &amp; Sons</Nm>",
        "<IBAN>GB82WEST12345698765432</IBAN>",
    ] {
        assert!(xml.contains(part), "{part} is not in {xml}");
    }
    // Another process, with other settings, pays nobody twice and writes the same bytes.
    street.signal("-KILL");
    street.ended();
    fs::remove_file(&path).unwrap();
    street.configure(|text| text.replace("Shop Seven", "Another Name"));
    street.start();
    assert_eq!(last(&clearing(&street, &pay_out))["before"], true);
    assert_eq!(fs::read_to_string(&path).unwrap(), xml);
    funds_are_booked_once(&street, &date);
    what_is_reported(&street, &date);
}

fn funds_are_booked_once(street: &Street, date: &str) {
    let funds = |amount: &str| {
        let asked =
            ["clearing", "funds", "bank", amount, "EUR", "--reference", "S1", "--date", date];
        street.command(&asked)
    };
    assert_eq!(last(&funds("114.65").0)["before"], false);
    assert_eq!(last(&funds("114.65").0)["before"], true);
    for (wrong, why) in [("114.66", "was booked before"), ("11466", "2 decimals, like 1234.00")] {
        let (out, said) = funds(wrong);
        assert!(out.is_empty() && said.contains(why), "{said}");
    }
}

fn what_is_reported(street: &Street, date: &str) {
    let statement = clearing(street, &["report", "merchant", "--date", date]);
    let lines: Vec<&str> = statement.lines().skip(1).collect();
    let line = |line: &str| format!("MERCHANT0000001,978,2,{line}");
    assert_eq!(
        lines,
        [
            "opening,,0",
            "presentment,2,12500",
            "refund,1,-1000",
            "discount,2,-270",
            "payout,1,-11230",
            "closing,,0"
        ]
        .map(line)
    );
    // The issuer keeps 0.30 and 0.08 of what it owes, and gives 0.03 of the refund back.
    let positions = clearing(street, &["report", "positions", "--date", date, "--format", "json"]);
    let positions: Value = serde_json::from_str(&positions).unwrap();
    let rows = positions["rows"].as_array().unwrap();
    let net = |party: &str| rows.iter().find(|row| row["party"] == party).unwrap()["net"].clone();
    assert_eq!(
        ["issuer", "merchant", "acquirer", "total"].map(net),
        [-11_465, 11_230, 235, 0].map(Value::from)
    );
    let trial = clearing(street, &["report", "trial", "--date", date]);
    assert!(trial.contains("issuer_receivable,978,2,12503,1038,11465\r\n"), "{trial}");
    // Merchants were paid for the day when the funds came: they are booked on the next.
    let next = BusinessDate::from_text(date).unwrap().next().to_string();
    let owed = clearing(street, &["report", "issuer", "--issuer", "bank", "--date", &next]);
    let lines: Vec<&str> = owed.lines().skip(1).collect();
    let line = |line: &str| format!("bank,978,2,{line}");
    assert_eq!(lines, ["opening,,11465", "fund,1,-11465", "closing,,0"].map(line));
    // The one purchase of the day clears by itself.
    let proof = clearing(street, &["report", "proof", "--date", date]);
    assert!(proof.contains("captured,purchase,978,2,1,1250,1250,0\r\n"), "{proof}");
    assert!(proof.contains("authorized,purchase,978,2,1,1250,1250,0\r\n"), "{proof}");
    let page = clearing(street, &["report", "details", "--date", date, "--format", "html"]);
    assert!(page.contains("541333******4111") && !page.contains("5413330000004111"), "{page}");
    assert!(street.ask(&Command::Status).is_ok());
}
