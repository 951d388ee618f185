//! A host says over its own connection what its day comes to: it is told whether that is ours, also after a death in between, and a
//! person is told what differs.

use iso8583d::iso::Elements;

use super::pays;
use super::street::{Peer, Street, no_of, purchase, text};

/// What a day of payments comes to.
fn totals(stan: u32, day: &str, amounts: &[u64]) -> Elements {
    let mut elements = Elements::default();
    let sum: u64 = amounts.iter().sum();
    for (no, value) in [
        (7, "1123235900".to_owned()),
        (11, format!("{stan:06}")),
        (15, day.to_owned()),
        (50, "978".to_owned()),
        (76, format!("{:010}", amounts.len())),
        (88, format!("{sum:016}")),
        (97, format!("D{sum:016}")),
    ] {
        elements.set(no_of(no), value.as_bytes());
    }
    elements
}

fn hears(host: &mut Peer, mti: u16, elements: &Elements) -> (u16, String, String) {
    host.send(mti, elements);
    let (mti, told) = host.heard();
    (mti, text(&told, 39), text(&told, 66))
}

fn amount(stan: u32) -> u64 {
    let amount = purchase(stan);
    String::from_utf8(amount.get(no_of(4)).unwrap().to_vec()).unwrap().parse().unwrap()
}

fn answer(mti: u16, code: &str, settled: &str) -> (u16, String, String) {
    (mti, code.into(), settled.into())
}

#[test]
fn a_host_reconciles_its_day_and_a_death_in_between_changes_nothing() {
    let mut street = Street::new("");
    street.configure(|text| {
        text.replace(
            "\n[links.host]",
            "\n[links.pos.reconciliation]\ncurrency = \"978\"\n\n[links.host]",
        )
    });
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut host = street.asker("pos");
    let (listed, _) = street.command(&["ctl", "day"]);
    let date = listed.split("\"date\":\"").nth(1).unwrap().split('"').next().unwrap();
    let day = [5..7, 8..10].map(|part| date.get(part).unwrap()).concat();
    pays(&mut host, &mut issuer, 1);
    pays(&mut host, &mut issuer, 2);
    let both = [amount(1), amount(2)];
    // Out of balance first: the host lacks one.
    let short = totals(901, &day, &both[..1]);
    assert_eq!(hears(&mut host, 500, &short), answer(510, "95", "2"));
    street.signal("-KILL");
    street.ended();
    street.start();
    let mut host = street.asker("pos");
    assert_eq!(hears(&mut host, 501, &short), answer(510, "95", "2"), "its answer was lost");
    let (exceptions, _) = street.command(&["clearing", "exceptions"]);
    assert!(exceptions.contains("reconciliation_differs"), "{exceptions}");
    let told = format!("difference -1 and -{}.{:02}", both[1] / 100, both[1] % 100);
    let (explained, _) = street.command(&["clearing", "explain", "recon:1"]);
    assert!(explained.contains(&told), "{told}: {explained}");
    assert!(explained.contains("without it the two sides agree on debits"), "{explained}");
    // Then the whole day, as an advice.
    assert_eq!(hears(&mut host, 520, &totals(902, &day, &both)), answer(530, "00", "1"));
    assert_eq!(hears(&mut host, 521, &totals(902, &day, &both)), answer(530, "00", "1"));
    let (exceptions, _) = street.command(&["clearing", "exceptions"]);
    assert!(!exceptions.contains("reconciliation_differs"), "{exceptions}");
    let (listed, _) = street.command(&["clearing", "reconciliations"]);
    assert_eq!(listed.matches("\"reconciliation\":").count(), 2, "{listed}");
    assert!(listed.contains("\"in_balance\"") && listed.contains("\"link\":\"pos\""), "{listed}");
    // What does not add up says why in the log, and the other link reconciles nothing.
    let mut torn = totals(903, &day, &both);
    torn.set(no_of(97), b"C0000000000000001");
    assert_eq!(hears(&mut host, 500, &torn).1, "30");
    let mut other = street.asker("host");
    assert_eq!(hears(&mut other, 500, &totals(904, &day, &both)).1, "30");
}

#[test]
fn an_issuer_hears_what_its_day_came_to_until_it_answers() {
    let mut street = Street::new("owed_repeat_ms = 1000");
    street.configure(|text| {
        let lines = "\n[links.bank.reconciliation]\nsend = \"0520\"\ncurrency = \"978\"\n";
        text.replace("\n[[routes]]", &format!("{lines}\n[[routes]]"))
    });
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    pays(&mut pos, &mut issuer, 2);
    let (listed, _) = street.command(&["ctl", "day"]);
    let date = listed.split("\"date\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    street.command(&["clearing", "cut", "--date", &date]);
    let (mti, said) = issuer.heard();
    assert_eq!((mti, text(&said, 76)), (520, "0000000002".to_owned()));
    assert_eq!(text(&said, 97), format!("D{:016}", amount(1) + amount(2)));
    // It dies before it is answered: another process says the same, as a repeat.
    street.signal("-KILL");
    street.ended();
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mti, again) = issuer.heard();
    assert_eq!(mti, 521);
    for no in [7, 11, 15, 76, 88, 97] {
        assert_eq!(text(&again, no), text(&said, no), "element {no}");
    }
    issuer.answer(530, &again, "95");
    let mut listed = String::new();
    for _ in 0..500 {
        (listed, _) = street.command(&["clearing", "reconciliations"]);
        if listed.contains("\"out_of_balance\"") {
            break;
        }
    }
    assert!(listed.contains("\"out_of_balance\""), "{listed}");
    let (exceptions, _) = street.command(&["clearing", "exceptions"]);
    assert!(exceptions.contains("reconciliation_differs"), "{exceptions}");
}

#[test]
fn a_reconciliation_that_cannot_be_is_told() {
    let street = Street::new("");
    let with = |lines: &str| {
        street.configure(|text| {
            let (before, after) = text.split_once("\n[links.host]").unwrap();
            let before = before.split("\n[links.pos.reconciliation]").next().unwrap();
            format!("{before}\n[links.pos.reconciliation]\n{lines}\n[links.host]{after}")
        });
        street.check()
    };
    assert_eq!(with("").0, Some(0));
    assert_eq!(with("number = 60\nnumber_max = 9999\nnet = \"debits-less-credits\"\n").0, Some(0));
    for (lines, told) in [
        ("currency = \"9\"\n", "three digits"),
        ("number = 15\n", "same element"),
        ("net = \"credits\"\n", "credits-less-debits"),
        ("differs = \"9\"\n", "two letters or digits"),
        ("send = \"0520\"\n", "links that answer"),
        ("numbers = 62\n", "did you mean"),
    ] {
        let (code, said) = with(lines);
        assert_eq!(code, Some(78), "{lines}: {said}");
        assert!(said.contains(told), "{lines}: {said}");
    }
}
