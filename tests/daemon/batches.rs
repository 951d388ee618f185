//! The end of a terminal's batch over its own connection: totals that agree, totals that do not, an upload, a death in between.

use iso8583d::iso::Elements;

use super::pays;
use super::street::{Peer, Street, no_of, purchase, text};

/// Totals of a batch of the terminal that pays.
fn totals(code: &str, stan: u32, (number, text): (u32, &str)) -> Elements {
    let mut elements = own(stan);
    elements.set(no_of(3), code.as_bytes());
    elements.set(no_of(60), format!("{number:06}").as_bytes());
    elements.set(no_of(63), text.as_bytes());
    elements
}

/// The terminal and the merchant of a purchase, under another trace number.
fn own(stan: u32) -> Elements {
    let mut elements = Elements::default();
    let purchase = purchase(1);
    for no in [41, 42] {
        elements.set(no_of(no), purchase.get(no_of(no)).unwrap());
    }
    elements.set(no_of(11), format!("{stan:06}").as_bytes());
    elements
}

fn uploaded(stan: u32, original: u32) -> Elements {
    let bought = purchase(original);
    let mut elements = own(stan);
    for no in [3, 4, 49] {
        elements.set(no_of(no), bought.get(no_of(no)).unwrap());
    }
    elements.set(no_of(60), format!("0200{original:06}            ").as_bytes());
    elements
}

fn hears(pos: &mut Peer, mti: u16, elements: &Elements) -> (u16, String, String) {
    pos.send(mti, elements);
    let (mti, told) = pos.heard();
    (mti, text(&told, 39), text(&told, 63))
}

fn amount(stan: u32) -> u64 {
    let amount = purchase(stan);
    String::from_utf8(amount.get(no_of(4)).unwrap().to_vec()).unwrap().parse().unwrap()
}

#[test]
fn a_terminal_closes_its_batch_and_a_death_in_between_changes_nothing() {
    let mut street = Street::new("");
    let lines = "\n[links.pos.batches]\ncurrency = \"978\"\nsays = true\n";
    street.configure(|text| text.replace("\n[links.host]", &format!("{lines}\n[links.host]")));
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    for stan in 1..=3 {
        pays(&mut pos, &mut issuer, stan);
    }
    let three = amount(1) + amount(2) + amount(3);
    let right = format!("003{three:012}000000000000000");
    let heard = hears(&mut pos, 500, &totals("920000", 101, (7, &right)));
    assert_eq!(heard, (510, "00".into(), "GB00007ACCEPTED".into()));
    // The next batch: the terminal lost one of two, and uploads what it has; the switch dies on the way.
    pays(&mut pos, &mut issuer, 4);
    pays(&mut pos, &mut issuer, 5);
    let wrong = format!("001{:012}000000000000000", amount(4));
    let heard = hears(&mut pos, 500, &totals("920000", 102, (8, &wrong)));
    assert_eq!(heard, (510, "95".into(), "RB00008DIFFERENT COUNTS OR AMOUNTS".into()));
    assert_eq!(hears(&mut pos, 320, &uploaded(103, 4)).1, "00");
    street.signal("-KILL");
    street.ended();
    street.start();
    let mut pos = street.asker("pos");
    assert_eq!(
        hears(&mut pos, 501, &totals("920000", 102, (7, &right))).1,
        "80",
        "another number while it uploads"
    );
    assert_eq!(hears(&mut pos, 321, &uploaded(103, 4)).1, "00");
    let closed = totals("960000", 104, (8, &wrong));
    assert_eq!(hears(&mut pos, 500, &closed).1, "00");
    assert_eq!(hears(&mut pos, 501, &closed).1, "00");
    // The other link has no batches.
    let mut host = street.asker("host");
    assert_eq!(hears(&mut host, 500, &closed).1, "30");
    let (listed, _) = street.command(&["clearing", "batches"]);
    assert!(listed.contains("\"number\":8"), "{listed}");
    assert!(listed.contains("\"state\":\"closed\""), "{listed}");
}

#[test]
fn a_profile_that_cannot_be_is_told() {
    let street = Street::new("");
    let with = |lines: &str| {
        street.configure(|text| {
            let (before, after) = text.split_once("\n[links.host]").unwrap();
            let before = before.split("\n[links.pos.batches]").next().unwrap();
            format!("{before}\n[links.pos.batches]\n{lines}\n[links.host]{after}")
        });
        street.check()
    };
    assert_eq!(with("currency = \"978\"\n").0, Some(0));
    for (lines, told) in [
        ("", "currency = \"978\""),
        ("currency = \"9\"\n", "three digits"),
        ("currency = \"978\"\nfields = [\"sales 3 12\"]\n", "sales count 3 amount 12"),
        ("currency = \"978\"\nsettle = \"960000\"\n", "same code"),
        ("currency = \"978\"\nmismatch = \"host\"\n", "refuse"),
        ("currency = \"978\"\nnumbers = 62\n", "did you mean"),
    ] {
        let (code, said) = with(lines);
        assert_eq!(code, Some(78), "{lines}: {said}");
        assert!(said.contains(told), "{lines}: {said}");
    }
}
