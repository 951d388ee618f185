//! The real binary under load: an issuer that reads nothing slows nobody else, one that answers nothing is cut off and found
//! again, and who asks too much is told so.

use iso8583d::daemon::control::Command;
use iso8583d::dialect::Dialect;
use iso8583d::iso::Elements;
use std::time::Duration;
use tokio::time::Instant;

use super::pays;
use super::street::{Peer, Street, no_of, purchase, text};

/// A second issuer, which comes to us, and its cards.
const OTHER: &str = r#"
[links.other]
role = "issuer"
listen = "127.0.0.1:0"
dialect = "iso87-ascii"

[[routes]]
bin = "511111"
to = ["other"]
"#;

fn ascii() -> Dialect {
    Dialect::shipped("iso87-ascii").unwrap()
}

fn others_purchase(stan: u32) -> Elements {
    let mut purchase = purchase(stan);
    purchase.set(no_of(2), b"5111111111111118");
    purchase
}

/// What `ctl links` says of a link.
fn link(street: &Street, name: &str) -> serde_json::Value {
    let lines = street.ask(&Command::Links).unwrap();
    lines.into_iter().find(|line| line["link"] == name).unwrap()
}

fn stands(street: &Street, name: &str, state: &str) {
    street.wait(|street| (link(street, name)["state"] == state).then_some(()));
}

#[test]
fn an_issuer_that_reads_nothing_slows_nobody_else() {
    const PLACES: u32 = 200;
    let more =
        format!("in_flight_max = {PLACES}\nbreaker_timeouts = 0\ntimeout_ms = 25000\n{OTHER}");
    let mut street = Street::new(&more);
    let bank = street.bank();
    street.start();
    let _silent = street.issuer(&bank);
    let mut other = street.asker_speaking("other", ascii());
    stands(&street, "other", "signed on");
    let (mut pos, mut host) = (street.asker("pos"), street.asker("host"));
    let began = Instant::now();
    for stan in 1..=PLACES + 100 {
        pos.send(200, &purchase(stan));
    }
    for _ in 0..100 {
        assert_eq!(text(&pos.heard().1, 39), "96", "one too many, and told so at once");
    }
    assert_eq!(link(&street, "bank")["in_flight"], PLACES);
    // The same askers with cards of another issuer, on the same connections.
    for stan in 1001..=1100 {
        for asker in [&mut pos, &mut host] {
            asker.send(200, &others_purchase(stan));
            let (_, asked) = other.heard();
            other.answer(210, &asked, "00");
            let (_, told) = asker.heard();
            assert_eq!((text(&told, 11), text(&told, 39)), (format!("{stan:06}"), "00".into()));
        }
    }
    assert!(began.elapsed() < Duration::from_secs(25), "not one deadline was waited for");
    assert_eq!(link(&street, "bank")["in_flight"], PLACES);
}

#[test]
fn an_issuer_that_answers_nothing_is_cut_off_until_it_answers_again() {
    let mut street = Street::new(
        "timeout_ms = 200\nsettle_ms = 60000\nowed_repeat_ms = 60000\nbreaker_timeouts = 2\nbreaker_probe_ms = 2000\n",
    );
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    for stan in 1..=2 {
        pos.send(200, &purchase(stan));
        assert_eq!(text(&pos.heard().1, 39), "91");
    }
    assert_eq!(link(&street, "bank")["state"], "cut off");
    let console = street.console_address();
    let open = "iso8583d_link_breaker_open{link=\"bank\"}";
    // Counted just after it is so.
    let measured = |street: &Street, value: &str| {
        let line = format!("{open} {value}");
        street.wait(|_| Street::console(&console, "/metrics").contains(&line).then_some(()));
    };
    measured(&street, "1");
    pos.send(200, &purchase(3));
    assert_eq!(text(&pos.heard().1, 39), "91");
    stands(&street, "bank", "on trial");
    pos.send(200, &purchase(4));
    let tried = hears_request(&mut issuer, 3);
    issuer.answer(210, &tried, "00");
    let (_, told) = pos.heard();
    assert_eq!((text(&told, 11), text(&told, 39)), ("000004".into(), "00".into()));
    assert_eq!(link(&street, "bank")["state"], "signed on");
    measured(&street, "0");
    street.signal("-KILL");
    let (_, said) = street.ended();
    for line in ["the link is cut off", "may try one request at a time", "answers again"] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
}

/// The last of so many requests; reversals between them are passed over.
fn hears_request(issuer: &mut Peer, requests: u32) -> Elements {
    let mut left = requests;
    loop {
        let (mti, asked) = issuer.heard();
        left -= u32::from(mti == 200);
        if left == 0 {
            return asked;
        }
    }
}

#[test]
fn a_link_that_asks_too_much_a_second_is_told_so() {
    let mut street = Street::new(
        "\n[links.eager]\nrole = \"asker\"\nlisten = \"127.0.0.1:0\"\ndialect = \"iso87-ascii\"\nrate_max = 1\nburst = 2\n",
    );
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mut eager, mut pos) = (street.asker_speaking("eager", ascii()), street.asker("pos"));
    eager.send(200, &purchase(1));
    eager.send(200, &purchase(2));
    eager.send(200, &purchase(3));
    assert_eq!(text(&eager.heard().1, 39), "96");
    let page = Street::console(&street.console_address(), "/metrics");
    assert!(page.contains("iso8583d_switch_rate_declines_total{by=\"link\"} 1"), "{page}");
    for _ in 0..2 {
        let (_, asked) = issuer.heard();
        issuer.answer(210, &asked, "00");
        assert_eq!(text(&eager.heard().1, 39), "00");
    }
    pays(&mut pos, &mut issuer, 4);
}
