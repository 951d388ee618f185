//! Answers against the rows of a ledger: taken in any order, in any form, more than once, and from issuers that mean no good.

mod any_order;
mod decisions;

use std::fs;
use std::sync::Arc;

use super::*;
use crate::books::Books;
use crate::clearing::answers::{Answers, ChargeBack, Form, Line};
use crate::clearing::{Charset, Digits};
use crate::ledger::{Inbox, Ledger};
use crate::record::LinkId;
use crate::seal::Keys;

const CARD: &[u8] = b"5413330000004111";
const BANK: LinkId = LinkId(2);
const OTHER: LinkId = LinkId(3);
const OURS: &str = "0022611230000000000100001";
const OF_OTHER: &str = "0022611230000000000100002";

/// A ledger with a file for each of two issuers: five presentments of 1,000, 2,000 ... and a refund of 500 for the bank, one of 777
/// for the other.
struct Desk {
    place: tempfile::TempDir,
    ledger: Ledger,
    settings: AnswerSettings,
    files: u32,
}

fn reference(item: i64) -> String {
    format!("29999996327{item:011}0")
}

impl Desk {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::new(&[7; 32]));
        drop(Books::open(place.path(), Arc::clone(&keys)).unwrap());
        let ledger = Ledger::open(place.path(), keys).unwrap();
        let due_days = [("4807".to_owned(), 10)].into();
        let settings = AnswerSettings { due_days, ..AnswerSettings::default() };
        let desk = Self { place, ledger, settings, files: 0 };
        for (file, issuer, id) in [(1, BANK, OURS), (2, OTHER, OF_OTHER)] {
            desk.execute(&format!(
                "INSERT INTO files (file, day, cycle, issuer, currency, sequence, file_id, name, party, format, state)
                 VALUES ({file}, 20261123, 0, {}, '978', {file}, '{id}', 'f{file}', 'bank', 'ipm', 'written')",
                issuer.0
            ));
        }
        for item in 1..=6_i64 {
            let (refund, amount) = if item == 6 { (1, 500) } else { (0, item * 1_000) };
            desk.item((item, BANK, 1, item + 1), "presentment", (amount, refund));
        }
        desk.item((7, OTHER, 2, 2), "presentment", (777, 0));
        desk
    }

    fn item(
        &self,
        (item, issuer, file, number): (i64, LinkId, i64, i64),
        kind: &str,
        (amount, refund): (i64, i64),
    ) {
        self.execute(&format!(
            "INSERT INTO items (item, kind, txn, issuer, merchant, card, amount, currency, refund, day, cycle, file, number, reference, state)
             VALUES ({item}, '{kind}', {item}, {}, 'SHOP', '541333******4111', {amount}, '978', {refund}, 20261123, 0, {file}, {number}, '{}', 'presented')",
            issuer.0,
            reference(item)
        ));
    }

    fn execute(&self, sql: &str) {
        self.ledger.connection.execute(sql, []).unwrap();
    }

    /// The rows of a question, as text.
    fn rows(&self, sql: &str) -> Vec<String> {
        let mut ask = self.ledger.connection.prepare(sql).unwrap();
        let columns = ask.column_count();
        let rows = ask.query_map([], |row| {
            let texts: Result<Vec<String>, _> = (0..columns)
                .map(|at| {
                    Ok(match row.get_ref(at)? {
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text) => text.escape_ascii().to_string(),
                        _ => "-".to_owned(),
                    })
                })
                .collect();
            texts.map(|texts| texts.join(" "))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn states(&self) -> Vec<String> {
        self.rows("SELECT item, state FROM items WHERE item <= 7 ORDER BY item")
    }

    fn made(&self) -> Vec<String> {
        self.rows("SELECT kind, about, amount, coalesce(reason, '-') FROM items WHERE item > 7 AND amount > 0 ORDER BY 1, 2, 3, 4")
    }

    fn open(&self) -> Vec<String> {
        self.rows(
            "SELECT e.kind, e.place, e.item, e.file, a.file_id FROM exceptions e LEFT JOIN answers a USING (answer)
             WHERE closed IS NULL ORDER BY 1, 2, 3, 4, 5",
        )
    }

    fn moment() -> Moment {
        let day = BusinessDate::from_text("2026-11-24").unwrap();
        Moment { now: Wall(u64::from(day.0) * 86_400_000), day }
    }

    fn take_of(&mut self, issuer: LinkId, bytes: &[u8]) -> TakeReport {
        self.files += 1;
        let source = self.place.path().join(format!("answer{}", self.files));
        fs::write(&source, bytes).unwrap();
        let inbox = Inbox::open(&self.place.path().join("in")).unwrap();
        let name = inbox.put(&source).unwrap();
        self.ledger.take_answers((issuer, &name), &inbox, &self.settings, Self::moment()).unwrap()
    }

    fn take(&mut self, bytes: &[u8]) -> TakeReport {
        self.take_of(BANK, bytes)
    }
}

const FORMS: [(Charset, bool); 4] = [
    (Charset::Latin1, false),
    (Charset::Latin1, true),
    (Charset::Cp500, false),
    (Charset::Cp500, true),
];

/// One logical file with this number, in one of the forms.
fn answer(sequence: u32, form: usize, write: impl FnOnce(&mut Answers)) -> Vec<u8> {
    let (charset, blocked) = FORMS[form % FORMS.len()];
    let mut answers = Answers::new(Form { charset, blocked, ..Form::default() });
    answers.begin(&Digits::new(&format!("00126112400000012345{sequence:05}")).unwrap()).unwrap();
    write(&mut answers);
    answers.end().unwrap();
    answers.finish()
}

fn rejects(answers: &mut Answers, number: u32) {
    answers.reject((OURS.as_bytes(), number), b"D0004000519000", None).unwrap();
}

fn charges(answers: &mut Answers, item: i64, amount: u64) {
    let reference = reference(item);
    let wanted = ChargeBack {
        function: b"450",
        card: CARD,
        reference: reference.as_bytes(),
        amount,
        currency: b"978",
        reason: b"4807",
    };
    answers.charge_back(wanted).unwrap();
}

fn totals(answers: &mut Answers, (purchases, refunds): (i64, i64), count: i64) {
    let line = Line {
        function: Some("1240200".to_owned()),
        currency: "978".to_owned(),
        debits: Some(refunds),
        credits: Some(purchases),
        net: Some(purchases - refunds),
        count: Some(count),
        ..Line::default()
    };
    answers.totals(OURS.as_bytes(), &line).unwrap();
}

#[test]
fn totals_that_agree_accept_a_file_less_what_was_rejected() {
    let mut desk = Desk::new();
    let report = desk.take(&answer(1, 0, |answers| {
        totals(answers, (13_000, 500), 5);
        rejects(answers, 3);
        charges(answers, 4, 1_500);
    }));
    assert_eq!((report.files.len(), report.refused.len(), report.files[0].records), (1, 0, 5));
    assert_eq!(report.files[0].said, [("totals", 1), ("rejects", 1), ("charges_back", 1)].into());
    assert_eq!(
        desk.states(),
        [
            "1 accepted",
            "2 rejected",
            "3 accepted",
            "4 charged_back",
            "5 accepted",
            "6 accepted",
            "7 presented"
        ]
    );
    assert_eq!(desk.made(), ["chargeback 4 1500 4807", "rejection 2 2000 0519"]);
    assert_eq!(desk.rows("SELECT state FROM files ORDER BY file"), ["accepted", "written"]);
    assert_eq!(desk.open(), [""; 0]);
    assert_eq!(desk.rows("SELECT day, due FROM items WHERE kind = 'chargeback'"), ["- 20261204"]);
    // The same, in every form: nothing happens again.
    let before = (desk.rows("SELECT count(*) FROM said"), desk.rows("SELECT count(*) FROM events"));
    for form in 0..4 {
        let again = desk.take(&answer(1, form, |answers| {
            totals(answers, (13_000, 500), 5);
            rejects(answers, 3);
            charges(answers, 4, 1_500);
        }));
        assert!(again.files[0].again && again.files[0].answer == 1 && again.refused.is_empty());
    }
    assert_eq!(
        (desk.rows("SELECT count(*) FROM said"), desk.rows("SELECT count(*) FROM events")),
        before
    );
    // Its file id with other records is refused, and told once.
    for _ in 0..2 {
        let other = desk.take(&answer(1, 0, |answers| rejects(answers, 4)));
        assert!(other.files.is_empty() && other.refused[0].contains("used before"), "{other:?}");
    }
    assert_eq!(desk.open(), ["refused - - - -"]);
    assert_eq!(desk.states()[2], "3 accepted");
}

#[test]
fn totals_that_differ_say_by_how_much_until_they_agree() {
    let mut desk = Desk::new();
    desk.take(&answer(1, 1, |answers| totals(answers, (13_000, 500), 5)));
    assert_eq!(desk.open(), ["totals_differ - - 1 -"]);
    let detail = &desk.rows("SELECT detail FROM exceptions")[0];
    assert!(detail.contains("credits 13000 instead of 15000, -2000"), "{detail}");
    assert_eq!(desk.rows("SELECT state FROM files"), ["written", "written"]);
    // What was missing was rejected, as comes out later.
    desk.take(&answer(2, 2, |answers| rejects(answers, 3)));
    assert_eq!((desk.open(), desk.states()[0].as_str()), (vec![], "1 accepted"));
    assert_eq!(desk.rows("SELECT closed_by FROM exceptions"), ["switch"]);
    // And when one more is rejected, they differ again.
    desk.take(&answer(3, 3, |answers| rejects(answers, 2)));
    assert_eq!(desk.open(), ["totals_differ - - 1 -"]);
    assert_eq!(
        desk.states(),
        [
            "1 rejected",
            "2 rejected",
            "3 presented",
            "4 presented",
            "5 presented",
            "6 presented",
            "7 presented"
        ]
    );
}

#[test]
fn a_record_that_is_none_stops_no_other_and_a_trailer_that_does_not_fit_stops_all() {
    let mut desk = Desk::new();
    let report = desk.take(&answer(1, 0, |answers| {
        rejects(answers, 3);
        answers.bytes(b"1644 5413330000004111").unwrap();
        rejects(answers, 4);
    }));
    let [quarantined] = report.files[0].quarantined.as_slice() else { panic!("{report:?}") };
    assert_eq!((quarantined.place, quarantined.length, report.files[0].unreadable), (3, 21, 1));
    let at = desk.rows("SELECT place, start, length, length(digest) FROM exceptions");
    assert_eq!(at, [format!("3 {} 21 16", quarantined.start)]);
    assert_eq!(desk.made().len(), 2);
    // Nothing is half applied.
    let mut bytes = answer(2, 0, |answers| rejects(answers, 5));
    let at = bytes.windows(7).rposition(|seven| seven == b"0306008").unwrap();
    bytes[at + 14] = b'9';
    let before = desk.rows("SELECT count(*) FROM said UNION ALL SELECT count(*) FROM answers");
    let report = desk.take(&bytes);
    assert!(report.files.is_empty() && report.refused[0].contains("message count"), "{report:?}");
    assert_eq!(
        desk.rows("SELECT count(*) FROM said UNION ALL SELECT count(*) FROM answers"),
        before
    );
    assert_eq!(desk.states()[3], "4 presented");
    // A logical file that is whole counts, whatever comes behind it.
    let mut two = answer(3, 0, |answers| rejects(answers, 5));
    let cut = two.len() - 4;
    two.truncate(cut);
    two.extend(&bytes[..bytes.len() / 2]);
    let report = desk.take(&two);
    assert_eq!((report.files.len(), report.refused.len()), (1, 1), "{report:?}");
    assert_eq!(desk.states()[3], "4 rejected");
    assert!(desk.place.path().join("in/done/answer3").exists());
    assert!(desk.place.path().join("in/refused/answer2").exists());
    // What is no clearing file at all, and nothing.
    for bytes in [&b"hello, this is a letter"[..], b""] {
        assert_eq!(desk.take(bytes).refused.len(), 1);
    }
}

#[test]
fn an_issuer_touches_nothing_of_another() {
    let mut desk = Desk::new();
    let hostile = |answers: &mut Answers| {
        rejects(answers, 3);
        charges(answers, 1, 1_000);
        totals(answers, (15_000, 500), 6);
        answers.reject_file(OURS.as_bytes(), b"P0301000519000").unwrap();
        answers.ask(reference(1).as_bytes(), b"6341").unwrap();
    };
    desk.take_of(OTHER, &answer(1, 0, hostile));
    assert_eq!(desk.open().len(), 5);
    assert!(desk.open().iter().all(|open| open.starts_with("unmatched")), "{:?}", desk.open());
    assert!(
        desk.states().iter().all(|state| state.ends_with("presented")) && desk.made().is_empty()
    );
    assert_eq!(
        desk.rows("SELECT count(*) FROM said WHERE item IS NOT NULL OR file IS NOT NULL"),
        ["0"]
    );
    // Its file id is no other issuer's.
    let report = desk.take(&answer(1, 0, hostile));
    assert!(!report.files[0].again);
    assert_eq!(desk.rows("SELECT state FROM files"), ["rejected", "written"]);
    assert_eq!(desk.made().len(), 6, "all of the file, once");
}

#[test]
fn what_fits_nothing_is_an_exception() {
    let mut desk = Desk::new();
    let report = desk.take(&answer(1, 0, |answers| {
        rejects(answers, 99);
        rejects(answers, 1);
        answers.reject((b"0022611230000000000199999", 2), b"D0004000519000", None).unwrap();
        charges(answers, 40, 10);
        charges(answers, 1, 1_001);
        let (reference, other) = (reference(1), b"4111111111111111");
        let wanted = ChargeBack {
            function: b"450",
            card: other,
            reference: reference.as_bytes(),
            amount: 1,
            currency: b"978",
            reason: b"4807",
        };
        answers.charge_back(wanted).unwrap();
        answers.charge_back(ChargeBack { card: CARD, currency: b"840", ..wanted }).unwrap();
        answers.charge_back(ChargeBack { card: CARD, function: b"451", ..wanted }).unwrap();
        answers.charge_back(ChargeBack { card: CARD, amount: 999_999_999_999, ..wanted }).unwrap();
    }));
    assert_eq!(report.files[0].exceptions, 9);
    let kinds: Vec<String> = desk.rows("SELECT kind, place FROM exceptions ORDER BY place");
    assert_eq!(
        kinds,
        [
            "unmatched 2",
            "unmatched 3",
            "unmatched 4",
            "unmatched 5",
            "over_claimed 6",
            "unmatched 7",
            "unmatched 8",
            "unmatched 9",
            "over_claimed 10",
        ]
    );
    assert_eq!(desk.made(), [""; 0]);
    // Two presentments under one reference, one of them made of its transaction's number: the amount tells them apart, or nothing does.
    desk.item((8, BANK, 1, 8), "presentment", (300, 0));
    desk.execute(&format!(
        "UPDATE items SET reference = '{}', txn = 1 WHERE item = 8",
        reference(1)
    ));
    desk.take(&answer(2, 0, |answers| {
        charges(answers, 1, 300);
        charges(answers, 1, 20);
    }));
    assert_eq!(desk.rows("SELECT about, amount FROM items WHERE kind = 'chargeback'"), ["8 300"]);
    assert_eq!(desk.rows("SELECT place FROM exceptions WHERE kind = 'ambiguous'"), ["3"]);
    let (listed, all) = desk.ledger.exceptions(3, Desk::moment()).unwrap();
    assert_eq!((listed.len(), all), (3, 10));
}

#[test]
fn too_much_of_anything_is_refused_whole() {
    let mut desk = Desk::new();
    desk.settings.records_max = 5;
    let many = answer(1, 0, |answers| (2..8).for_each(|number| rejects(answers, number)));
    let report = desk.take(&many);
    assert!(report.refused[0].contains("records_max") && report.files.is_empty(), "{report:?}");
    assert_eq!(
        (desk.made().len(), desk.rows("SELECT count(*) FROM said")),
        (0, vec!["0".to_owned()])
    );
    desk.settings.records_max = 1_000_000;
    let odd = answer(2, 0, |answers| (0..10_002).for_each(|_| rejects(answers, 99)));
    let report = desk.take(&odd);
    assert!(report.refused[0].contains("fit nothing"), "{report:?}");
    assert_eq!(desk.rows("SELECT kind, count(*) FROM exceptions GROUP BY 1"), ["refused 2"]);
}

#[test]
fn no_card_stands_in_the_ledger() {
    let mut desk = Desk::new();
    desk.take(&answer(1, 0, |answers| {
        answers.text(b"about card 5413330000004111, please").unwrap();
        answers.text(b"or 5413 3300 0000 4111").unwrap();
        answers.bytes(b"1442\xffcard 5413330000004111").unwrap();
        charges(answers, 1, 10);
        charges(answers, 1, 5_000);
    }));
    desk.ledger.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let bytes = fs::read(desk.place.path().join("clearing.db")).unwrap();
    assert!(bytes.windows(6).any(|six| six == b"SHOP54" || six == b"541333"), "masked it is there");
    for clear in [&b"5413330000004111"[..], b"5413 3300 0000 4111"] {
        assert!(!bytes.windows(clear.len()).any(|part| part == clear));
    }
}
