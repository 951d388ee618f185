//! A merchant's day through the real switch: paid at the till, captured by file, a refund, a cut, an issuer that says no and a card
//! holder who does, a payout; and every number told.

use std::fs;
use std::path::Path;

use iso8583d::clearing::answers::{Answers, ChargeBack, Form};
use iso8583d::clearing::{Charset, Digits, IpmRecord, read, records, unblock};
use iso8583d::iso::BusinessDate;
use serde_json::Value;

use super::pays;
use super::street::{Peer, Street, no_of, purchase, text};

const SETTLEMENT: &str = r#"
[clearing.settlement]
name = "Acquirer"
iban = "DE89370400440532013000"

[[clearing.settlement.merchants]]
id = "MERCHANT0000001"
name = "Corner Shop"
iban = "GB82WEST12345698765432"

[[clearing.fees]]
name = "retail"
kind = "discount"
rate_ppm = 20_000
fixed = 10

[[clearing.fees]]
name = "domestic"
kind = "interchange"
rate_ppm = 3_000
"#;

/// An authorization that its issuer approves.
fn authorizes(pos: &mut Peer, issuer: &mut Peer, stan: u32) {
    let mut asked = purchase(stan);
    asked.set(no_of(37), format!("{stan:012}").as_bytes());
    pos.send(100, &asked);
    let (_, heard) = issuer.heard();
    issuer.answer(110, &heard, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
}

/// Runs a command of `clearing`; its lines.
fn clearing(street: &Street, arguments: &[&str]) -> Vec<Value> {
    let all: Vec<&str> = std::iter::once("clearing").chain(arguments.iter().copied()).collect();
    let (out, said) = street.command(&all);
    assert!(!out.is_empty(), "{arguments:?}: {said}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The report of positions: party, and what it is owed, positive, or owes.
fn positions(street: &Street, date: &str) -> Vec<(String, i64)> {
    let (out, said) =
        street.command(&["clearing", "report", "positions", "--date", date, "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{said}"));
    let rows = report["rows"].as_array().unwrap_or_else(|| panic!("{out}"));
    let row = |row: &Value| {
        let party = [&row["party"], &row["name"]].map(|text| text.as_str().unwrap_or_default());
        (party.join(" ").trim().to_owned(), row["net"].as_i64().unwrap())
    };
    rows.iter().map(row).collect()
}

fn presented(directory: &Path) -> Vec<IpmRecord> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "ipm") {
            let data = unblock(&fs::read(&path).unwrap()).unwrap();
            let records = records(&data).unwrap();
            all.extend(records.iter().map(|one| read(one, Charset::Latin1).unwrap()));
        }
    }
    all.retain(|record| record.mti == *b"1240");
    all
}

fn get(record: &IpmRecord, no: u8) -> Vec<u8> {
    record.elements.get(no_of(no)).unwrap().to_vec()
}

#[test]
fn from_the_till_to_the_payout() {
    let mut street = Street::new("");
    street.add(SETTLEMENT);
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    // 12.50 at once; two authorizations of 12.50, of which one is captured in full and one for 5.00; 2.50 given back.
    pays(&mut pos, &mut issuer, 1);
    authorizes(&mut pos, &mut issuer, 2);
    authorizes(&mut pos, &mut issuer, 3);
    let file = "type,seq,merchant_id,terminal_id,op,capture_ref,orig_ref,rrn,amount,currency,exp,final\n\
        H,1,MERCHANT0000001,,,day-1,,,,,,\n\
        D,2,,TERM0001,capture,c-2,,000000000002,1250,978,2,Y\n\
        D,3,,TERM0001,capture,c-3,,000000000003,500,978,2,Y\n\
        D,4,,TERM0001,refund,r-2,c-2,000000000002,250,978,2,Y\n\
        T,5,,,,day-1,,,2000,,,\n";
    fs::write(street.path("day-1.csv"), file).unwrap();
    let (out, said) =
        street.command(&["clearing", "submit", street.path("day-1.csv").to_str().unwrap()]);
    assert_eq!(out.matches("record,,,,,accepted").count(), 3, "{out}{said}");
    let date = street.today();
    clearing(&street, &["cut", "--date", &date]);
    let sent = presented(&street.state().join("clearing"));
    let amounts: Vec<i64> = sent
        .iter()
        .map(|record| String::from_utf8(get(record, 4)).unwrap().parse().unwrap())
        .collect();
    assert_eq!(amounts, [1_250, 1_250, 500, 250]);
    // Discounts of 35, 35, 20 and nothing for the refund; interchange of 4, 4, 2 (rounded half to even).
    let paid = clearing(&street, &["pay-out", "--date", &date]);
    let net = 1_250 + 1_250 + 500 - 250 - 35 - 35 - 20;
    assert_eq!(paid[0]["amount"], net, "{paid:?}");
    let sum: i64 = positions(&street, &date).iter().map(|(_, net)| net).sum();
    assert_eq!(sum, 0);
    // The next day: the issuer does not take the second, and the holder of the first card wants his money back.
    let file_id = {
        let lines = clearing(&street, &["explain", "item:1", "--json"]);
        let file = lines.iter().find(|line| line["what"] == "file").unwrap();
        file["facts"]["file_id"].as_str().unwrap().to_owned()
    };
    let mut answers =
        Answers::new(Form { charset: Charset::Latin1, blocked: true, ..Form::default() });
    answers.begin(&Digits::new("0012611240000001234500001").unwrap()).unwrap();
    answers.reject((file_id.as_bytes(), 3), b"D0004000519000", None).unwrap();
    let (card, reference) = (get(&sent[0], 2), get(&sent[0], 31));
    let charge_back = ChargeBack {
        function: b"450",
        card: &card,
        reference: &reference,
        amount: 1_250,
        currency: b"978",
        reason: b"4853",
    };
    answers.charge_back(charge_back).unwrap();
    answers.end().unwrap();
    fs::write(street.path("answer.ipm"), answers.finish()).unwrap();
    let path = street.path("answer.ipm");
    let taken = clearing(&street, &["receive", path.to_str().unwrap(), "--issuer", "bank"]);
    assert_eq!(taken[0]["exceptions"], 0, "{taken:?}");
    let tomorrow = BusinessDate::from_text(&date).unwrap().next().to_string();
    clearing(&street, &["cut", "--date", &tomorrow]);
    let sum: i64 = positions(&street, &tomorrow).iter().map(|(_, net)| net).sum();
    assert_eq!(sum, 0);
    let (told, _) = street.command(&["clearing", "explain", "item:1"]);
    for part in ["is charged back", "booked: issuer receivable of bank", "payout 1", "fees"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(!told.contains("5413330000004111"), "{told}");
}

#[test]
fn what_was_captured_and_then_reversed_is_taken_back_by_the_next_cut() {
    let mut street = Street::new("");
    street.add(SETTLEMENT);
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    authorizes(&mut pos, &mut issuer, 2);
    let file = "type,seq,merchant_id,terminal_id,op,capture_ref,rrn,amount,currency,exp,final\n\
        H,1,MERCHANT0000001,,,day-1,,,,,\n\
        D,2,,TERM0001,capture,c-2,000000000002,1000,978,2,Y\n\
        T,3,,,,day-1,,1000,,,\n";
    fs::write(street.path("day-1.csv"), file).unwrap();
    let path = street.path("day-1.csv");
    let (out, said) = street.command(&["clearing", "submit", path.to_str().unwrap()]);
    assert_eq!(out.matches("record,,,,,accepted").count(), 1, "{out}{said}");
    let date = street.today();
    clearing(&street, &["cut", "--date", &date]);
    let first = presented(&street.state().join("clearing"));
    assert_eq!((first.len(), get(&first[0], 4)), (1, b"000000001000".to_vec()));
    // Its terminal takes the authorization back; the switch dies before the day ends.
    let mut reversal = purchase(3);
    let named = format!("0100000002{}{:0>11}{:0>11}", "1123184000", "12345678901", "0");
    reversal.set(no_of(90), named.as_bytes());
    pos.send(420, &reversal);
    assert_eq!(text(&pos.heard().1, 39), "00");
    let (mti, owed) = issuer.heard();
    assert_eq!(mti, 420);
    issuer.answer(430, &owed, "00");
    street.signal("-KILL");
    street.ended();
    street.start();
    let tomorrow = BusinessDate::from_text(&date).unwrap().next().to_string();
    clearing(&street, &["cut", "--date", &tomorrow]);
    let mut all = presented(&street.state().join("clearing"));
    all.retain(|record| record.part(25).is_some());
    let [back] = &all[..] else { panic!("{} records take back", all.len()) };
    for no in [2, 4, 31, 38, 41, 42] {
        assert_eq!(get(back, no), get(&first[0], no), "element {no}");
    }
    // Nobody owes anybody anything any more, fees included.
    let nets: Vec<_> = positions(&street, &tomorrow)
        .into_iter()
        .filter(|(party, _)| !party.contains("total"))
        .collect();
    let before = positions(&street, &date);
    for (party, net) in nets {
        let was = before.iter().find(|(name, _)| *name == party);
        assert_eq!(was.map(|(_, was)| was + net), Some(0), "{party}");
    }
    let (told, _) = street.command(&["clearing", "explain", "ref:MERCHANT0000001/c-2"]);
    assert!(told.contains("its authorization was reversed"), "{told}");
}
