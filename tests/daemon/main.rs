//! The real binary on loopback: what its peers and its operator see of it, through deaths and restarts.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

mod answers;
mod batches;
mod captures;
mod cuts;
mod day;
mod dead_letters;
mod doctor;
mod framings;
mod load;
mod merchant;
#[path = "../../src/link/papers.rs"]
mod papers;
mod reconciliation;
mod reload;
mod settlement;
mod street;
mod tls;
mod why;

use iso8583d::daemon::control::{Command, LinkOrder};
use iso8583d::dialect::Dialect;
use iso8583d::framing::{Head, Tpdu};
use iso8583d::iso::{BusinessDate, Elements};
use iso8583d::journal::{Commit, Reader};
use iso8583d::record::{self, Lsn, Record};

use street::{Peer, Street, no_of, purchase, text};

/// A reversal names what it reverses: MTI and trace number.
fn original(reversal: &Elements) -> (String, String) {
    let named = text(reversal, 90);
    (named.get(..4).unwrap().to_owned(), named.get(4..10).unwrap().to_owned())
}

/// A purchase that its issuer approves.
fn pays(asker: &mut Peer, issuer: &mut Peer, stan: u32) {
    asker.send(200, &purchase(stan));
    let (_, asked) = issuer.heard();
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&asker.heard().1, 39), "00");
}

#[test]
fn a_purchase_through_two_dialects_and_its_repeat() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mut pos, mut host) = (street.asker("pos"), street.asker("host"));
    pos.send(200, &purchase(1));
    let (mti, asked) = issuer.heard();
    assert_eq!(mti, 200);
    for no in [2, 3, 4, 12, 13, 14, 41, 42, 43, 49] {
        assert_eq!(text(&asked, no), text(&purchase(1), no), "element {no}");
    }
    // Elements 7 and 11 are ours on this side, and the terminal's own on the other.
    assert_ne!(text(&asked, 7), text(&purchase(1), 7));
    issuer.answer(210, &asked, "00");
    let (answer, head) = pos.hear().unwrap();
    let answered = answer.elements(answer.present());
    assert_eq!(answer.mti().number(), 210);
    assert_eq!(head, Head::tpdu(Tpdu::from_text("6000000001").unwrap()));
    for (no, value) in [(11, "000001"), (7, "1123184000"), (38, "A1B2C3"), (39, "00")] {
        assert_eq!(text(&answered, no), value, "element {no}");
    }
    pos.send(201, &purchase(1));
    let (mti, again) = pos.heard();
    assert_eq!((mti, text(&again, 38), text(&again, 39)), (210, "A1B2C3".into(), "00".into()));
    host.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    issuer.answer(210, &asked, "51");
    let (_, declined) = host.heard();
    assert_eq!((text(&declined, 11), text(&declined, 39)), ("000001".into(), "51".into()));
    host.send(800, &{
        let mut echo = Elements::default();
        for (no, value) in [(7, "1123184000"), (11, "000009"), (70, "301")] {
            echo.set(no_of(no), value.as_bytes());
        }
        echo
    });
    let (mti, echo) = host.heard();
    assert_eq!((mti, text(&echo, 39), text(&echo, 70)), (810, "00".into(), "301".into()));
    let page = Street::console(&street.console_address(), "/metrics");
    assert!(page.contains("iso8583d_switch_answers_total{verdict=\"approved\"} 1"), "{page}");
    assert!(Street::console(&street.console_address(), "/readyz").contains("\"ready\":true"));
}

/// An operator takes the issuer's link out of service and puts it back: its peer is signed off, hung up on and called again.
#[test]
fn a_link_is_taken_out_of_service_and_put_back() {
    let mut street = Street::new("sign_on = \"send\"\n");
    let bank = street.bank();
    street.start();
    let signs = |peer: &mut Peer, code: &str| {
        let (mti, asked) = peer.heard();
        assert_eq!((mti, text(&asked, 70)), (800, code.to_owned()));
        peer.answer(810, &asked, "00");
    };
    let state = |street: &Street, order| {
        let name = "bank".to_owned();
        let lines = street.ask(&Command::Link { name, order }).unwrap();
        lines[0]["state"].as_str().unwrap().to_owned()
    };
    let mut issuer = street.issuer(&bank);
    signs(&mut issuer, "001");
    let mut pos = street.asker("pos");
    street.wait(|street| {
        let lines = street.ask(&Command::Links).ok()?;
        lines
            .iter()
            .any(|line| line["link"] == "bank" && line["state"] == "signed on")
            .then_some(())
    });
    pays(&mut pos, &mut issuer, 1);
    assert_eq!(state(&street, LinkOrder::Drain), "draining");
    signs(&mut issuer, "002");
    pos.send(200, &purchase(2));
    assert_eq!(text(&pos.heard().1, 39), "91");
    assert_eq!(state(&street, LinkOrder::Down), "down");
    assert!(issuer.hear().is_none(), "hung up on");
    // A link that is down since nobody comes looks the same, but for the order.
    let lines = street.ask(&Command::Links).unwrap();
    let ordered = |link| &lines.iter().find(|line| line["link"] == link).unwrap()["ordered"];
    assert_eq!((ordered("bank"), ordered("host")), (&"down".into(), &serde_json::Value::Null));
    // Nobody is connected yet, or just now.
    assert!(["down", "signing on"].contains(&state(&street, LinkOrder::Up).as_str()));
    let mut issuer = street.issuer(&bank);
    signs(&mut issuer, "001");
    street.wait(|street| {
        let lines = street.ask(&Command::Links).ok()?;
        lines
            .iter()
            .any(|line| line["link"] == "bank" && line["state"] == "signed on")
            .then_some(())
    });
    pays(&mut pos, &mut issuer, 3);
    assert!(street.ask(&Command::Link { name: "banc".to_owned(), order: LinkOrder::Up }).is_err());
}

#[test]
fn a_link_speaks_a_dialect_made_of_a_packager_file() {
    let link =
        "\n[links.mine]\nrole = \"asker\"\nlisten = \"127.0.0.1:0\"\ndialect = \"./mine.dialect\"";
    let mut street = Street::with("", link);
    street.import("jpos", "packed.jpos.xml", "mine.dialect");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    // What the peer speaks was written by hand.
    let packed = include_str!("../dialects/pyiso8583-bcd-right0.dialect");
    let mut asker = street.asker_speaking("mine", Dialect::parse(packed).unwrap());
    pays(&mut asker, &mut issuer, 1);
    asker.send(200, &purchase(2));
    let (_, asked) = issuer.heard();
    for no in [2, 3, 4, 22, 32, 43, 49] {
        assert_eq!(text(&asked, no), text(&purchase(2), no), "element {no}");
    }
    issuer.answer(210, &asked, "51");
    let (mti, answered) = asker.heard();
    assert_eq!((mti, text(&answered, 39), text(&answered, 49)), (210, "51".into(), "978".into()));
}

#[test]
fn garbage_on_one_link_disturbs_no_other() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut host = street.asker("host");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xFF\xFF\x60", b"\0\x03abc", b"\0\x20\x60\0"] {
        let mut pos = street.asker("pos");
        pos.send_bytes(bytes);
        assert!(pos.hear().is_none(), "the connection is closed");
        pays(&mut host, &mut issuer, u32::from(bytes[1]));
    }
    // A request whose MTI can be read is told that it is wrong; a frame without one is passed over.
    let mut pos = street.asker("pos");
    pos.send_body(b"zz");
    pos.send_body(b"\x02\x00\xFF");
    let (mti, refused) = pos.heard();
    assert_eq!((mti, text(&refused, 39)), (210, "30".into()));
    // A response that nobody asked for, and one that is none of this link's business.
    pos.send(210, &purchase(5));
    issuer.answer(210, &purchase(77), "00");
    pays(&mut pos, &mut issuer, 6);
    // The second approves, and nothing is known of it: an operator has to see it.
    street.wait(|street| street.lists().contains(&"orphan".to_owned()).then_some(()));
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "looks like ASCII text",
        "session down",
        "no message of this link's dialect",
        "a response that nothing waits for",
        // What came under the pair of nothing that was sent is told with what was pending.
        "pair=\"7=1123184000 11=000077\"",
        "differs=\"none is alike\" pending=",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    assert!(!said.contains("541333000000"), "no card in the log");
}

/// Its peer writes otherwise than the configuration says: it takes the sign-on for garbage and hangs up.
#[test]
fn a_peer_that_hangs_up_on_the_first_word_is_told_with_what_to_compare() {
    let mut street = Street::new("sign_on = \"send\"\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    issuer.heard();
    drop(issuer);
    // It is dialled again when the first session is over.
    let _again = street.issuer(&bank);
    street.signal("-TERM");
    let (_, said) = street.ended();
    assert!(said.contains("compare `length`, `tpdu` and `dialect`"), "{said}");
}

#[test]
fn an_issuer_dies_and_is_told_when_it_is_back() {
    let mut street = Street::new("timeout_ms = 300\nsettle_ms = 400\nowed_repeat_ms = 300");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    drop(bank);
    issuer.hang_up();
    assert_eq!(text(&pos.heard().1, 39), "91");
    // It is down now: the next one is declined at once, and nothing is owed for that.
    pos.send(200, &purchase(2));
    assert_eq!(text(&pos.heard().1, 39), "91");
    assert_eq!(street.lists(), ["owed"]);
    let bank = street.bank();
    let mut issuer = street.issuer(&bank);
    let (mti, reversal) = issuer.heard();
    assert!([420, 421].contains(&mti));
    assert_eq!(original(&reversal), ("0200".into(), text(&asked, 11)));
    issuer.answer(430, &reversal, "00");
    // Nobody heard an answer to the request: after the settling time the reversal goes once more, under a fresh number.
    let (_, again) = issuer.heard();
    assert_eq!(original(&again), original(&reversal));
    assert_ne!(text(&again, 11), text(&reversal, 11));
    issuer.answer(430, &again, "00");
    street.wait(|street| street.lists().is_empty().then_some(()));
}

#[test]
fn what_is_owed_survives_the_plug() {
    let mut street = Street::new("timeout_ms = 2000\nsettle_ms = 2000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    let (_, answered) = issuer.heard();
    issuer.answer(210, &answered, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
    pos.send(200, &purchase(2));
    let (_, unanswered) = issuer.heard();
    street.signal("-KILL");
    let (code, _) = street.ended();
    assert_eq!(code, None);
    drop((pos, issuer));
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mti, reversal) = issuer.heard();
    assert!([420, 421].contains(&mti));
    assert_eq!(original(&reversal), ("0200".into(), text(&unanswered, 11)));
    // The one that was answered is told again in the same words; the other one is declined.
    let mut pos = street.asker("pos");
    pos.send(201, &purchase(1));
    let (_, again) = pos.heard();
    assert_eq!((text(&again, 38), text(&again, 39)), ("A1B2C3".into(), "00".into()));
    pos.send(201, &purchase(2));
    assert_eq!(text(&pos.heard().1, 39), "91");
    // Killed again before the issuer could answer: the reversal comes again, as a repeat, under its number.
    street.signal("-KILL");
    street.ended();
    drop((pos, issuer));
    street.start();
    let mut issuer = street.issuer(&bank);
    let (mti, again) = issuer.heard();
    assert_eq!((mti, text(&again, 11)), (421, text(&reversal, 11)));
}

#[test]
fn two_daemons_on_one_directory() {
    let mut street = Street::new("");
    street.start();
    let second = street.spawn().wait_with_output().unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use by another iso8583d (process "), "{said}");
    assert!(street.ask(&Command::Links).is_ok(), "the first one goes on");
}

#[test]
fn a_stop_waits_for_what_is_in_flight() {
    let mut street = Street::new("timeout_ms = 20000\nsettle_ms = 20000");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    let (_, asked) = issuer.heard();
    street.signal("-HUP");
    street.signal("-TERM");
    let console = street.console_address();
    street.wait(|_| Street::console(&console, "/readyz").contains("\"drain\"").then_some(()));
    pos.send(200, &purchase(2));
    assert_eq!(text(&pos.heard().1, 39), "91");
    issuer.answer(210, &asked, "00");
    assert_eq!(text(&pos.heard().1, 39), "00");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    // Whichever of the two signals was heard first: a reload keeps no switch from stopping.
    let reloads = ["nothing is different", "its configuration is not read again"];
    assert!(reloads.iter().any(|told| said.contains(told)), "{said}");
    assert!(pos.hear().is_none() && issuer.hear().is_none());
    assert!(!street.state().join("control.sock").exists());
}

#[test]
fn a_day_is_cut_twice_and_has_the_same_files() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    for stan in 1..=5 {
        pos.send(200, &purchase(stan));
        let (_, asked) = issuer.heard();
        issuer.answer(210, &asked, if stan == 3 { "05" } else { "00" });
        pos.heard();
    }
    let tomorrow = Command::Cut { date: "2999-01-01".to_owned() };
    assert!(street.ask(&tomorrow).unwrap_err().to_string().contains("has not begun"));
    let bad = Command::Cut { date: "yesterday".to_owned() };
    assert!(street.ask(&bad).is_err());
    let date = street.today();
    assert!(BusinessDate::from_text(&date).is_ok());
    let cut = Command::Cut { date };
    let first = street.ask(&cut).unwrap();
    let directory = street.state().join("clearing");
    let read = || {
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path();
        let mut paths: Vec<_> = std::fs::read_dir(&directory).unwrap().map(name).collect();
        paths.sort();
        paths.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let files = read();
    assert_eq!(files.len(), 3, "a clearing file and two positions");
    assert_eq!(first[0]["positions"]["positions"][0]["purchases"], 4);
    pos.send(200, &purchase(9));
    let (_, asked) = issuer.heard();
    issuer.answer(210, &asked, "00");
    pos.heard();
    assert_eq!(street.ask(&cut).unwrap(), first);
    assert_eq!(read(), files);
}

#[test]
fn a_disk_that_is_nearly_full() {
    let mut street = Street::with("disk_reserve_mib = 1048576", "");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pos.send(200, &purchase(1));
    assert_eq!(text(&pos.heard().1, 39), "96");
    // Of a reversal of what was never seen nothing is written down: its sender says it again.
    let mut reversal = purchase(2);
    let named = format!("0200000001{}{:0>11}{:0>11}", "1123184000", "12345678901", "0");
    reversal.set(no_of(90), named.as_bytes());
    pos.send(420, &reversal);
    assert_eq!(text(&pos.heard().1, 39), "96", "its original was never seen");
    assert!(Street::console(&street.console_address(), "/readyz").contains("\"disk\""));
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    assert!(issuer.hear().is_none(), "nothing was asked of the issuer");
}

/// A crowd takes every descriptor that the process may have. Who was there before goes on, and who waits at the door comes
/// in when the crowd has gone.
#[test]
fn a_listener_survives_a_lack_of_descriptors() {
    const DESCRIPTORS: usize = 64;
    let mut street = Street::new("");
    let bank = street.bank();
    street.start_limited(&format!("ulimit -n {DESCRIPTORS}"));
    let mut issuer = street.issuer(&bank);
    let door = street.door("pos");
    let mut pos = Street::asker_at(&door, "pos");
    pays(&mut pos, &mut issuer, 1);
    let crowd: Vec<_> = (0..2 * DESCRIPTORS).map(|_| Street::asker_at(&door, "pos")).collect();
    let mut late = Street::asker_at(&door, "pos");
    // A quarter of them is not for peers; the books open and close a file now and then.
    let crowded = DESCRIPTORS - DESCRIPTORS / 4;
    street.wait(|street| (crowded <= street.descriptors() + 4).then_some(()));
    pays(&mut pos, &mut issuer, 2);
    // Whoever runs the switch is heard meanwhile, and a day is cut.
    street.ask(&Command::Links).unwrap();
    street.ask(&Command::Cut { date: street.today() }).unwrap();
    // Those who read for a cut leave some of theirs open for the next one.
    assert!(street.descriptors() <= crowded + 8, "{}", street.descriptors());
    drop(crowd);
    pays(&mut late, &mut issuer, 3);
    pays(&mut pos, &mut issuer, 4);
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("few file descriptors are left: no connection is accepted"), "{said}");
    assert!(said.contains("file descriptors, and may have 64"), "the start says so: {said}");
}

/// Of a command without an end so much is read, and no more.
#[test]
fn a_command_without_an_end_is_refused() {
    let mut street = Street::new("");
    let _bank = street.bank();
    street.start();
    let path = street.state().join("control.sock");
    let mut caller = std::os::unix::net::UnixStream::connect(path).unwrap();
    caller.set_read_timeout(Some(std::time::Duration::from_secs(8))).unwrap();
    // No line ever ends, and the caller stays.
    std::io::Write::write_all(&mut caller, &[b'x'; 4096]).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut caller, &mut answer).unwrap();
    assert!(answer.contains("not a command"), "{answer}");
}

/// The usual soft limit is not the end of it.
#[test]
fn the_soft_limit_of_descriptors_is_raised() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start_limited("ulimit -S -n 64");
    let mut issuer = street.issuer(&bank);
    let door = street.door("pos");
    let mut crowd: Vec<_> = (0..128).map(|_| Street::asker_at(&door, "pos")).collect();
    pays(crowd.last_mut().unwrap(), &mut issuer, 1);
    assert!(128 < street.descriptors());
    // In a core there would be cards.
    let limits = street.limits();
    let cores = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(cores.split_whitespace().filter(|word| *word == "0").count(), 2, "{cores}");
}

/// Books that contradict the journal: without their thread look-ups would wait for ever.
#[test]
fn a_broken_invariant_in_the_books_stops_the_switch() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    pays(&mut pos, &mut issuer, 1);
    // The list is made when the books have followed.
    assert!(street.lists().is_empty());
    street.signal("-TERM");
    assert_eq!(street.ended().0, Some(0));
    // The books are told to read again what they have read: an answer to what is answered.
    let reader = Reader::open(&street.state().join("journal"));
    let commits = reader_all(reader);
    let is_answer = |(_, record): &&(Lsn, Record)| matches!(record, Record::Answered { .. });
    let answered = commits.iter().find(is_answer).unwrap().0;
    let books = street.state().join("books.db");
    let wrong = rusqlite::Connection::open(&books).unwrap();
    let before = i64::try_from(answered.0).unwrap() - 1;
    wrong.execute("UPDATE state SET position = ?", [before]).unwrap();
    wrong.close().unwrap();
    let (code, said) = street.start_and_end();
    assert_eq!(code, None, "it is killed by a signal of its own: {said}");
    assert!(said.contains("a broken invariant in the books stops the switch"), "{said}");
    let (_, verified) = street.command(&["journal", "verify"]);
    assert!(!verified.contains("error"), "{verified}");
    std::fs::remove_file(&books).unwrap();
    street.start();
    let mut pos = street.asker("pos");
    pos.send(201, &purchase(1));
    assert_eq!(text(&pos.heard().1, 39), "00", "the journal is intact");
}

fn reader_all(mut reader: Reader) -> Vec<(Lsn, Record)> {
    let commits = reader.after(Lsn(0), usize::MAX).unwrap();
    let records = |commit: &Commit| {
        let records = record::decode_all(&commit.blob, commit.first).unwrap();
        (commit.first.0..).map(Lsn).zip(records).collect::<Vec<_>>()
    };
    commits.iter().flat_map(records).collect()
}

#[test]
fn the_list_of_what_is_owed_says_how_much_it_leaves_out() {
    let mut street = Street::new("timeout_ms = 100\nsettle_ms = 60000");
    let bank = street.bank();
    street.start();
    let _silent = street.issuer(&bank);
    let mut pos = street.asker("pos");
    for stan in 1..=3 {
        pos.send(200, &purchase(stan));
        assert_eq!(text(&pos.heard().1, 39), "91");
    }
    street.wait(|street| (street.lists().len() == 3).then_some(()));
    let lines = street.ask(&Command::Owed { limit: 2 }).unwrap();
    let last = lines.last().unwrap();
    assert_eq!((lines.len(), &last["owed"], &last["not_shown"]), (3, &3.into(), &1.into()));
    let (shown, said) = street.command(&["ctl", "owed", "--limit", "2"]);
    assert_eq!(shown.lines().count(), 3);
    assert!(said.contains("1 more are not shown: ask with a larger --limit"), "{said}");
    let (_, said) = street.command(&["ctl", "owed"]);
    assert!(said.is_empty(), "{said}");
}

#[test]
fn a_disk_that_is_full() {
    let mut street = Street::new("");
    let bank = street.bank();
    street.start_on_small_disk();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    let mut told = Vec::new();
    let unanswered = loop {
        let stan = u32::try_from(told.len()).unwrap() + 1;
        pos.send(200, &purchase(stan));
        let Some((asked, _)) = issuer.hear() else { break None };
        issuer.answer(210, &asked.elements(asked.present()), "00");
        let Some((answer, _)) = pos.hear() else { break Some(stan) };
        let answer = answer.elements(answer.present());
        assert_eq!(text(&answer, 39), "00");
        told.push(stan);
    };
    let (code, said) = street.ended();
    assert_eq!(code, Some(74), "{said}");
    assert!(!told.is_empty());
    // With room again: what was told stands, and of what was not told either the answer stands, or it is undone.
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    if let Some(stan) = unanswered {
        pos.send(201, &purchase(stan));
        if text(&pos.heard().1, 39) != "00" {
            let (mti, reversal) = issuer.heard();
            assert!([420, 421].contains(&mti));
            issuer.answer(430, &reversal, "00");
        }
    }
    for stan in told {
        pos.send(201, &purchase(stan));
        assert_eq!(text(&pos.heard().1, 39), "00", "{stan}");
    }
}
