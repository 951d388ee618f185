//! Issuers' answers with the real binary: taken from a command and from the inbox, and the way of a presentment that was rejected or charged back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Program;

use iso8583d::clearing::answers::{Answers, ChargeBack, Form, Line};
use iso8583d::clearing::{Charset, Digits, IpmRecord, read, records, unblock};
use iso8583d::daemon::control::Command;
use iso8583d::iso::BusinessDate;
use serde_json::Value;

use super::pays;
use super::street::{Peer, Street, no_of};

/// The lines of a command, and what it says beside them.
fn run(street: &Street, arguments: &[&str]) -> (Vec<Value>, String) {
    let (out, said) = street.command(arguments);
    let line = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{out}{said}"));
    (out.lines().map(line).collect(), said)
}

/// A file of one logical file.
fn answer(sequence: u32, write: impl FnOnce(&mut Answers)) -> Vec<u8> {
    let form = Form { charset: Charset::Cp500, blocked: true, ..Form::default() };
    let mut answers = Answers::new(form);
    answers.begin(&Digits::new(&format!("00126112400000012345{sequence:05}")).unwrap()).unwrap();
    write(&mut answers);
    answers.end().unwrap();
    answers.finish()
}

fn receive(street: &Street, name: &str, bytes: &[u8]) -> Vec<Value> {
    let file = street.path(name);
    fs::write(&file, bytes).unwrap();
    let (lines, said) =
        run(street, &["clearing", "receive", file.to_str().unwrap(), "--issuer", "bank"]);
    assert!(!lines.is_empty(), "{said}");
    lines
}

#[test]
fn answers_come_by_command_or_by_the_inbox_and_what_fits_nothing_is_listed() {
    let mut street = Street::new("");
    street.start();
    let unknown = b"0022611230000000000100001";
    let bytes = answer(1, |answers| {
        answers.reject((unknown, 2), b"D0004000519000", None).unwrap();
        answers.text(b"about card 5413330000004111").unwrap();
        answers.bytes(b"\xf1\xf4\xf4\xf2 5413330000004111").unwrap();
    });
    let lines = receive(&street, "day.ipm", &bytes);
    assert_eq!(
        (&lines[0]["records"], &lines[0]["exceptions"]),
        (&5.into(), &2.into()),
        "{lines:?}"
    );
    assert_eq!(lines[0]["quarantined"][0]["record"], 4);
    assert_eq!(lines[0]["said"]["text"], 1);
    // Once more, and by the inbox.
    assert_eq!(receive(&street, "day.ipm", &bytes)[0]["taken_before"], true);
    let inbox = street.state().join("answers/bank");
    let other = answer(2, |answers| answers.reject_file(unknown, b"P0301000519000").unwrap());
    fs::write(inbox.join(".two.part"), other).unwrap();
    fs::rename(inbox.join(".two.part"), inbox.join("two.ipm")).unwrap();
    fs::write(inbox.join("letter.txt"), "dear colleagues").unwrap();
    street.wait(|_| {
        (inbox.join("done/two.ipm").exists() && inbox.join("refused/letter.txt").exists())
            .then_some(())
    });
    let (lines, _) = run(&street, &["clearing", "exceptions"]);
    let mut kinds: Vec<_> = lines.iter().filter_map(|line| line["kind"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["quarantined", "refused", "unmatched", "unmatched"]);
    assert_eq!(lines.last().unwrap()["open"], 4);
    let number = lines[0]["exception"].to_string();
    let close = ["clearing", "close", &number, "--reason", "a trial", "--by", "anna"];
    assert_eq!(run(&street, &close).0[0]["before"], false);
    assert_eq!(run(&street, &close).0[0]["before"], true);
    let (told, _) = street.command(&["clearing", "explain", &format!("exception:{number}")]);
    assert!(told.contains("closed by anna: a trial") && told.contains("file day.ipm"), "{told}");
    for (wrong, why) in [
        (&["clearing", "represent", "99"][..], "there is no item 99"),
        (&["clearing", "give-up", "99"], "there is no item 99"),
        (&["clearing", "explain", "5413330000004111"], "this names nothing"),
        (&["clearing", "explain", "99"], "knows nothing of that"),
        (&["clearing", "receive", "no-such-file", "--issuer", "bank"], "no-such-file"),
        (&["clearing", "receive", "day.ipm", "--issuer", "banc"], "--issuer is one of: bank"),
        (&["clearing", "close", "99", "--reason", "card 5413330000004111"], "card number"),
    ] {
        let (lines, said) = street.command(wrong);
        assert!(lines.is_empty() && said.contains(why), "{wrong:?}: {lines}{said}");
    }
    street.signal("-TERM");
    let (code, said) = street.ended();
    assert_eq!(code, Some(0), "{said}");
    let audited: Vec<_> = said.lines().filter(|line| line.contains("audit: ")).collect();
    let [closed, again] = audited[..] else { panic!("{audited:#?}") };
    assert!(closed.contains("an operator closes an exception") && closed.contains("before=false"));
    assert!(again.contains("before=true"), "{again}");
    assert_eq!(said.matches("there is no item 99").count(), 2, "refused orders are told: {said}");
    assert!(!said.contains("5413330000004111"), "no card in the log");
}

/// What nothing is made of is no success, and what is not there is nothing that was refused.
#[test]
fn exit_codes_tell_what_was_refused_from_what_could_not_be_read() {
    let mut street = Street::new("");
    street.start();
    let code = |arguments: &[&str], file: &str| {
        let program = Program::new(env!("CARGO_BIN_EXE_iso8583d"))
            .args(arguments)
            .arg(street.path(file))
            .arg("--state")
            .arg(street.state())
            .output()
            .unwrap();
        let out = String::from_utf8(program.stdout).unwrap();
        (program.status.code(), out, String::from_utf8(program.stderr).unwrap())
    };
    let receive = ["clearing", "receive", "--issuer", "bank"];
    for arguments in [&receive[..], &["clearing", "submit"]] {
        let (failed, out, said) = code(arguments, "no-such-file");
        assert_eq!((failed, &*out), (Some(1), ""), "{said}");
        assert!(said.contains("no-such-file"), "{said}");
    }
    fs::write(street.path("letter.txt"), "dear colleagues").unwrap();
    let (refused, out, said) = code(&receive, "letter.txt");
    assert_eq!(refused, Some(65), "{out}{said}");
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["ok"], &last["refused"]), (&Value::Bool(false), &1.into()), "{out}");
    assert!(said.contains("1 of 1 logical files are bad"), "{said}");
    let good = answer(1, |answers| answers.text(b"nothing to add").unwrap());
    fs::write(street.path("good.ipm"), &good).unwrap();
    let (taken, out, said) = code(&receive, "good.ipm");
    assert_eq!(taken, Some(0), "{out}{said}");
    assert!(out.contains("\"ok\":true"), "{out}");
}

/// The clearing files of a directory that were not seen before.
fn fresh(directory: &Path, seen: &mut Vec<PathBuf>) -> Vec<IpmRecord> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "ipm") && !seen.contains(&path) {
            let data = unblock(&fs::read(&path).unwrap()).unwrap();
            all.extend(
                records(&data).unwrap().iter().map(|one| read(one, Charset::Latin1).unwrap()),
            );
            seen.push(path);
        }
    }
    all
}

fn get(record: &IpmRecord, no: u8) -> String {
    record.elements.get(no_of(no)).unwrap_or_default().escape_ascii().to_string()
}

fn presentments(all: &[IpmRecord]) -> Vec<&IpmRecord> {
    all.iter().filter(|record| record.mti == *b"1240").collect()
}

/// What the bank says of a day of four purchases: one rejected, one charged back, the rest as they were sent.
fn of_day(all: &[IpmRecord]) -> Vec<u8> {
    let file_id = all[0].part(105).unwrap().to_vec();
    let presented = presentments(all);
    let amounts: Vec<i64> =
        presented.iter().map(|record| get(record, 4).parse().unwrap()).collect();
    let taken: i64 = amounts[1..].iter().sum();
    answer(1, |answers| {
        let line = Line {
            function: Some("1240200".to_owned()),
            currency: "978".to_owned(),
            debits: Some(0),
            credits: Some(taken),
            net: Some(taken),
            count: Some(3),
            ..Line::default()
        };
        answers.totals(&file_id, &line).unwrap();
        let number = get(presented[0], 71).parse().unwrap();
        answers.reject((&file_id, number), b"D0004000519000", Some(presented[0])).unwrap();
        let charged = presented[1];
        let element = |no| charged.elements.get(no_of(no)).unwrap();
        let wanted = ChargeBack {
            function: b"450",
            card: element(2),
            reference: element(31),
            amount: u64::try_from(amounts[1]).unwrap(),
            currency: element(49),
            reason: b"4807",
        };
        answers.charge_back(wanted).unwrap();
    })
}

/// Ends the day in force, and gives what is in the new files.
fn cut(street: &Street, day: BusinessDate, seen: &mut Vec<PathBuf>) -> Vec<IpmRecord> {
    street.ask(&Command::Cut { date: day.to_string() }).unwrap();
    fresh(&street.state().join("clearing"), seen)
}

#[test]
fn what_was_rejected_or_charged_back_is_presented_once_more_by_the_next_cut() {
    let mut street = Street::new("cut_over = \"accept\"\n");
    let bank = street.bank();
    street.start();
    let mut issuer = street.issuer(&bank);
    let mut pos = street.asker("pos");
    (1..=4).for_each(|stan| pays(&mut pos, &mut issuer, stan));
    let today = BusinessDate::from_text(&street.today()).unwrap();
    let mut seen = Vec::new();
    let all = cut(&street, today, &mut seen);
    let (presented, bytes) = (presentments(&all), of_day(&all));
    assert_eq!(presented.len(), 4);
    let lines = receive(&street, "answer.ipm", &bytes);
    assert_eq!(lines[0]["exceptions"], 0, "{lines:?}");
    assert_eq!(run(&street, &["clearing", "exceptions"]).0[0]["open"], 0);
    let (lines, _) = run(&street, &["clearing", "status"]);
    let state = |lines: &[Value], of: &str, state: &str| {
        lines
            .iter()
            .filter(|line| line["of"] == of && line["state"] == state)
            .filter_map(|line| line["count"].as_i64())
            .sum::<i64>()
    };
    // The rejection and the charge-back are items themselves.
    assert_eq!(state(&lines, "items", "accepted"), 4, "{lines:?}");
    assert_eq!(
        (state(&lines, "items", "rejected"), state(&lines, "items", "charged_back")),
        (1, 1)
    );
    assert_eq!(state(&lines, "files", "accepted"), 1);
    let (lines, _) = run(&street, &["clearing", "chargebacks"]);
    let charged = lines[0]["item"].to_string();
    assert_eq!((&lines[0]["reason"], &lines[0]["state"]), (&"4807".into(), &"open".into()));
    // The life of what was rejected, by its reference, names its number.
    let (lines, _) = run(&street, &["clearing", "explain", &get(presented[0], 31), "--json"]);
    let item = lines.iter().find(|line| line["what"] == "item").unwrap()["number"].to_string();
    let whats: Vec<_> = lines.iter().filter_map(|line| line["what"].as_str()).collect();
    for what in ["authorization", "item", "file", "said"] {
        assert!(whats.contains(&what), "{what} is not in {whats:?}");
    }
    let represent =
        |number: &str| run(&street, &["clearing", "represent", number, "--by", "anna"]).0;
    assert_eq!(
        (&represent(&item)[0]["done"], &represent(&item)[0]["before"]),
        (&"again".into(), &true.into())
    );
    assert_eq!(represent(&charged)[0]["done"], "representment");
    let (lines, said) = street.command(&["clearing", "give-up", &item]);
    assert!(lines.is_empty() && said.contains("was presented once more"), "{lines}{said}");
    ends_the_day(&street, &mut issuer, today);
    let next = cut(&street, today.next(), &mut seen);
    let mut functions: Vec<_> =
        presentments(&next).iter().map(|record| (get(record, 24), get(record, 31))).collect();
    functions.sort();
    let reference = |at: usize| get(presented[at], 31);
    assert_eq!(functions, [("200".to_owned(), reference(0)), ("205".to_owned(), reference(1))]);
    // The same answer again changes nothing, and what the bank never was sent is not its to reject.
    assert_eq!(receive(&street, "answer.ipm", &bytes)[0]["taken_before"], true);
    let (told, _) = street.command(&["clearing", "explain", &item]);
    assert!(
        told.contains("presented once more") && !told.contains(&get(presented[0], 2)),
        "{told}"
    );
}

/// The issuer says that the day after the next one opens, so that the next one can be cut.
fn ends_the_day(street: &Street, issuer: &mut Peer, cut: BusinessDate) {
    super::day::ends_the_day(issuer, 1, cut.next().next());
    street.wait(|street| {
        let (out, _) = street.command(&["ctl", "day"]);
        let seen: Value = serde_json::from_str(&out).ok()?;
        (seen["date"] == cut.next().next().to_string()).then_some(())
    });
}
