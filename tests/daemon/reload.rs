//! The configuration read again by the real binary: what lives on, what is refused, and what serves whoever comes next.

use std::fmt::Write as _;
use std::net::TcpListener;

use iso8583d::daemon::caller::{self, ControlError};
use iso8583d::daemon::control::Command;
use serde_json::Value;

use super::papers::Authority;
use super::street::{Peer, Street, purchase, text};
use super::{pays, tls};

const RELOAD: Command = Command::Reload { file: None };

fn reloads(street: &Street) -> Value {
    street.ask(&RELOAD).unwrap().pop().unwrap()
}

fn names(said: &Value, key: &str) -> Vec<String> {
    let names = said[key].as_array().unwrap();
    names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// The sessions of a link: their numbers.
fn sessions(street: &Street, link: &str) -> Vec<u64> {
    let lines = street.ask(&Command::Links).unwrap();
    let line = lines.iter().find(|line| line["link"] == link).unwrap();
    let sessions = line["sessions"].as_array().unwrap();
    sessions.iter().map(|session| session["session"].as_u64().unwrap()).collect()
}

fn another_issuer(port: u16) -> String {
    format!(
        r#"
[links.other]
role = "issuer"
dial = ["127.0.0.1:{port}"]
dialect = "iso87-ascii-binary-bitmap"

[[routes]]
bin = "5413330"
to = ["other"]
"#
    )
}

#[test]
fn a_bad_file_changes_nothing_and_every_fault_is_told() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let before = sessions(&street, "pos");
    street.configure(|text| {
        text.replace("role = \"issuer\"", "role = \"issuer\"\ntimeout_ms = 1")
            .replace("to = [\"bank\"]", "to = [\"bnak\"]")
    });
    let Err(ControlError::Configuration(told)) = street.ask(&RELOAD) else { panic!("taken") };
    for part in ["`timeout_ms`", "c.toml:", "bnak", "^", "2 faults"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (out, said) = street.command(&["ctl", "reload"]);
    assert!(out.is_empty() && said.contains("bnak"), "{said}");
    street.signal("-HUP");
    pays(&mut pos, &mut issuer, 2);
    assert_eq!(sessions(&street, "pos"), before);
    street.signal("-TERM");
    let (code, log) = street.ended();
    assert_eq!(code, Some(0));
    assert!(log.contains("not taken"), "{log}");
}

#[test]
fn what_did_not_change_lives_on_and_a_new_link_answers() {
    let mut street = Street::new("timeout_ms = 15000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let before = (sessions(&street, "pos"), sessions(&street, "bank"));
    // A request is in flight while it happens.
    pos.send(200, &purchase(2));
    let (_, asked) = issuer.heard();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    street.configure(|text| text.replace("timeout_ms = 15000", "timeout_ms = 14000"));
    street.add(&another_issuer(other.local_addr().unwrap().port()));
    let said = reloads(&street);
    assert_eq!(
        (names(&said, "added"), names(&said, "changed")),
        (vec!["other".into()], vec!["bank".into()])
    );
    assert_eq!(
        (names(&said, "kept"), &said["routes"]),
        (vec!["host".into(), "pos".into()], &Value::Bool(true))
    );
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
    let (socket, _) = other.accept().unwrap();
    let mut newcomer = Peer::plain(socket);
    street.wait(|street| (!sessions(street, "other").is_empty()).then_some(()));
    pays(&mut pos, &mut newcomer, 3);
    assert_eq!((sessions(&street, "pos"), sessions(&street, "bank")), before);
    // Again, by the signal: nothing is different.
    assert_eq!(reloads(&street)["said"], "nothing is different: nothing has changed");
    street.configure(|text| text.replace("bin = \"5413330\"", "bin = \"5413339\""));
    street.signal("-HUP");
    street.wait(|street| {
        let same = reloads(street)["said"] == "nothing is different: nothing has changed";
        same.then_some(())
    });
    pays(&mut pos, &mut issuer, 4);
    street.signal("-TERM");
    let (code, log) = street.ended();
    assert_eq!(code, Some(0));
    assert!(log.contains("reloaded: "), "{log}");
}

#[test]
fn a_link_that_owes_is_not_removed_nor_renamed() {
    let mut street = Street::new("timeout_ms = 100\nsettle_ms = 1500\nowed_repeat_ms = 20000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    issuer.heard();
    assert_eq!(text(&pos.heard().1, 39), "91");
    let whole = std::fs::read_to_string(street.path("c.toml")).unwrap();
    street.configure(|text| {
        text.replace("links.bank", "links.bench").replace("to = [\"bank\"]", "to = [\"bench\"]")
    });
    let Err(ControlError::Refused(told)) = street.ask(&RELOAD) else { panic!("taken") };
    assert!(told.contains("link `bank`: 1 "), "{told}");
    // Acknowledged, and once more when the request is surely over: then it may go.
    let (mti, undo) = issuer.heard();
    assert_eq!(mti, 420);
    issuer.answer(430, &undo, "00");
    street.wait(|street| (street.lists() == ["unconfirmed"]).then_some(()));
    let Err(ControlError::Refused(told)) = street.ask(&RELOAD) else { panic!("taken") };
    assert!(told.contains("link `bank`: 1 "), "{told}");
    let (mti, undo) = issuer.heard();
    assert_eq!(mti, 420);
    issuer.answer(430, &undo, "00");
    street.wait(|street| street.lists().is_empty().then_some(()));
    let said = reloads(&street);
    assert_eq!(
        (names(&said, "added"), names(&said, "removed")),
        (vec!["bench".into()], vec!["bank".into()])
    );
    let (socket, _) = bank.accept().unwrap();
    let mut issuer = Peer::plain(socket);
    street.wait(|street| (!sessions(street, "bench").is_empty()).then_some(()));
    pays(&mut pos, &mut issuer, 2);
    // And back: the numbers of names stay theirs.
    street.configure(|_| whole);
    assert_eq!(names(&reloads(&street), "added"), ["bank"]);
}

#[test]
fn a_dead_letter_keeps_its_link() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    let mut advice = purchase(2);
    advice.set(super::no_of(39), b"00");
    pos.send(220, &advice);
    assert_eq!(text(&pos.heard().1, 39), "00");
    let (_, owed) = issuer.heard();
    issuer.answer(230, &owed, "57");
    street.wait(|street| (street.lists() == ["dead-letter"]).then_some(()));
    street.configure(|text| {
        let (before, _) = text.split_once("[links.bank]").unwrap();
        before.to_owned()
    });
    street.add("\n[links.else]\nrole = \"issuer\"\ndial = [\"127.0.0.1:9\"]\ndialect = \"iso87-ascii\"\n\n[[routes]]\nbin = \"541333\"\nto = [\"else\"]\n");
    let Err(ControlError::Refused(told)) = street.ask(&RELOAD) else { panic!("taken") };
    assert!(told.contains("link `bank`: 1 on the list of `ctl owed`"), "{told}");
    pays(&mut pos, &mut issuer, 3);
}

#[test]
fn a_link_is_closed_and_opened_anew_with_another_dialect() {
    let mut street = Street::new("sign_on = \"send\"");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mti, signing) = issuer.heard();
    assert_eq!((mti, text(&signing, 70)), (800, "001".into()));
    issuer.answer(810, &signing, "00");
    street.wait(|street| {
        let lines = street.ask(&Command::Links).unwrap();
        lines
            .iter()
            .any(|line| line["link"] == "bank" && line["state"] == "signed on")
            .then_some(())
    });
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    street.configure(|text| text.replace("iso87-ascii-binary-bitmap", "iso87-ascii"));
    assert_eq!(names(&reloads(&street), "anew"), ["bank"]);
    // The same again is no change; another one has to wait.
    assert_eq!(reloads(&street)["said"], "nothing is different: nothing has changed");
    street.configure(|text| text.replace("frame_ms_max = 500", "frame_ms_max = 600"));
    let Err(ControlError::Refused(told)) = street.ask(&RELOAD) else { panic!("taken") };
    assert!(told.contains("earlier reload"), "{told}");
    finish(&mut street, &bank, (&mut pos, issuer), &asked);
}

/// What is in flight ends in the old words, and everything after that is said in the new ones.
fn finish(
    street: &mut Street,
    bank: &TcpListener,
    (pos, mut issuer): (&mut Peer, Peer),
    asked: &iso8583d::iso::Elements,
) {
    issuer.answer(210, asked, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
    let (mti, farewell) = issuer.heard();
    assert_eq!((mti, text(&farewell, 70)), (800, "002".into()));
    assert!(issuer.hear().is_none(), "and then the line is closed");
    let (socket, _) = bank.accept().unwrap();
    let mut issuer = Peer::ascii(socket);
    let (mti, signing) = issuer.heard();
    assert_eq!((mti, text(&signing, 70)), (800, "001".into()));
    issuer.answer(810, &signing, "00");
    street.wait(|street| {
        let lines = street.ask(&Command::Links).unwrap();
        lines
            .iter()
            .any(|line| line["link"] == "bank" && line["state"] == "signed on")
            .then_some(())
    });
    pays(pos, &mut issuer, 2);
    assert_eq!(names(&reloads(street), "changed"), ["pos"]);
    // As the switch stops it signs off, and waits for the answer a little.
    street.signal("-TERM");
    let (mti, farewell) = issuer.heard();
    assert_eq!((mti, text(&farewell, 70)), (800, "002".into()));
    issuer.answer(810, &farewell, "00");
    assert!(issuer.hear().is_none());
    assert_eq!(street.ended().0, Some(0));
}

#[test]
fn what_only_a_restart_changes_is_named() {
    let mut street = Street::new("");
    street.start();
    street.configure(|text| {
        text.replace("[daemon]", "[window]\nminutes = 11\n\n[daemon]\nworkers = 3")
    });
    let Err(ControlError::Configuration(told)) = street.ask(&RELOAD) else { panic!("taken") };
    for part in ["`workers` of [daemon]", "`minutes` of [window]", "needs a restart", "2 faults"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let other = Command::Reload { file: Some("/nowhere.toml".into()) };
    let Err(ControlError::Refused(told)) = street.ask(&other) else { panic!("taken") };
    assert!(told.contains("/nowhere.toml"), "{told}");
    let page = Street::console(&street.console_address(), "/metrics");
    assert!(page.contains("iso8583d_config_refused_total 2\n"), "{page}");
}

#[test]
fn a_renewed_certificate_serves_whoever_comes_and_drops_nobody() {
    let ca = Authority::new("shops");
    let mut street = tls::street(&ca, "");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let door = street.door("pos");
    let shop = ca.signs("shop-1.example", 11);
    let mut first = tls::terminal(&door, &ca, &shop);
    pays(&mut first, &mut issuer, 1);
    let before = sessions(&street, "pos");
    // Another CA signs what the link shows from now on, and a shop is taken back.
    let other = Authority::new("other");
    let server = other.signs("switch.example", 21);
    street.keep("server.pem", &server.certificate);
    street.keep("server.key", &server.key);
    street.keep("crl.pem", &ca.revokes(11, 2100));
    let said = reloads(&street);
    assert_eq!(names(&said, "certificates"), ["pos"]);
    assert_eq!((names(&said, "changed"), names(&said, "anew")), (vec!["pos".into()], vec![]));
    pays(&mut first, &mut issuer, 2);
    assert_eq!(sessions(&street, "pos"), before);
    let shop_2 = ca.signs("shop-2.example", 12);
    let mut second = tls::terminal(&door, &other, &shop_2);
    let mut own = purchase(3);
    own.set(super::no_of(41), b"TERM0002");
    second.send(200, &own);
    let (_, asked) = issuer.heard();
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&second.heard().1, 39), "00");
    assert!(tls::is_turned_away(&door, &other, &shop), "its certificate is on the list");
}

/// A million ranges are exchanged for others while peers are served.
#[test]
fn a_million_ranges_are_exchanged_at_once() {
    let ranges = |last: char| {
        let mut text = String::with_capacity(10_000_000);
        for range in 0..1_000_000 {
            writeln!(text, "4{range:06}").unwrap();
        }
        text.push_str(if last == 'a' { "541333000000\n" } else { "999\n" });
        text
    };
    let mut street = Street::new("");
    street.keep("cards.csv", &ranges('b'));
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    street.add(&another_issuer(port).replace("bin = \"5413330\"", "bins = \"cards.csv\""));
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut newcomer = Peer::plain(other.accept().unwrap().0);
    street.wait(|street| (!sessions(street, "other").is_empty()).then_some(()));
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    street.keep("cards.csv", &ranges('a'));
    let state = street.state();
    let reloading = std::thread::spawn(move || caller::ask(&state, &RELOAD));
    // Whatever holds, an asker is answered meanwhile.
    let mut echo = iso8583d::iso::Elements::default();
    let mut asked = 0;
    while !reloading.is_finished() {
        asked += 1;
        for (no, value) in [(7, "1123184000"), (11, "000009"), (70, "301")] {
            echo.set(super::no_of(no), value.as_bytes());
        }
        pos.send(800, &echo);
        assert_eq!(text(&pos.heard().1, 39), "00");
    }
    assert!(asked > 0);
    let said = reloading.join().unwrap().unwrap().pop().unwrap();
    assert_eq!((names(&said, "kept").len(), &said["routes"]), (4, &Value::Bool(true)));
    pays(&mut pos, &mut newcomer, 2);
}
