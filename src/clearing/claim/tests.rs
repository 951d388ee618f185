//! Files of claims: both forms say the same, faults say where, and no bytes make it panic. Verdicts by table.

use proptest::prelude::*;

use super::*;
use crate::iso::Wall;
use crate::record::TxnId;

const LIMITS: Limits = Limits { bytes_max: 1 << 20, records_max: 1000, live: false };

/// All records of a file, fed in pieces of a length.
fn read(bytes: &[u8], piece: usize) -> Result<Vec<Line>, FileFault> {
    let mut intake = Intake::new(LIMITS);
    let mut lines = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        intake.feed(piece);
        while let Some(line) = intake.next_record()? {
            lines.push(line);
        }
    }
    intake.close();
    while let Some(line) = intake.next_record()? {
        lines.push(line);
    }
    Ok(lines)
}

/// A file of the facts: a capture and a refund.
const WHOLE: &str = "\
type,seq,merchant_id,terminal_id,op,capture_ref,orig_ref,rrn,stan,auth_code,pan_token,amount,currency,exp,local_dt,mcc,final,tip,entry,orig_amount
H,1,,,,F20261122-0007,,,,,,,,,2026-11-22T23:05:00Z,,,,,
D,2,MERCH0000000001,TERM0001,capture,c-778,,632613000123,000123,A1B2C3,tok_9f,1000,978,2,2026-11-22T13:45:10,5411,Y,0,chip,
D,3,MERCH0000000001,TERM0001,refund,r-11,c-512,632600009911,,,\"tok \"\"77\"\"\",250,978,2,2026-11-22T15:01:00+01:00,5411,N,50,ecom,250
T,4,,,,F20261122-0007,,,,,,1250,,,,,,,,
";

fn claims(lines: Vec<Line>) -> Vec<Claim> {
    let claim = |line| if let Line::Claim(claim) = line { Some(*claim) } else { None };
    lines.into_iter().filter_map(claim).collect()
}

#[test]
fn a_whole_file_in_pieces_of_any_length() {
    let lines = read(WHOLE.as_bytes(), usize::MAX).unwrap();
    for piece in [1, 2, 7, 100] {
        assert_eq!(read(WHOLE.as_bytes(), piece).unwrap(), lines);
        let crlf = format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"));
        assert_eq!(read(crlf.as_bytes(), piece).unwrap(), lines);
    }
    let without_an_end = WHOLE.trim_end();
    assert_eq!(read(without_an_end.as_bytes(), 64).unwrap(), lines);
    assert_eq!(lines[0], Line::Head(Head { file: "F20261122-0007".to_owned(), merchant: None }));
    assert_eq!(lines[3], Line::Tail(Tail { records: 4, amount: 1250 }));
    let claims = claims(lines);
    assert_eq!((claims[0].line, claims[1].line), (3, 4));
    let said = claims[0].said.clone().unwrap();
    assert_eq!(
        (said.op, said.last, said.day.unwrap().to_string()),
        (Op::Capture, true, "2026-11-22".to_owned())
    );
    assert_eq!(claims[1].token.as_deref(), Some("tok \"77\""));
    let said = claims[1].said.clone().unwrap();
    assert_eq!(
        (said.op, said.last, said.tip, said.original_amount),
        (Op::Refund, false, 50, Some(250))
    );
}

/// The file with one record's field changed.
fn with(seq: usize, column: &str, value: &str) -> String {
    let at = COLUMNS.iter().position(|known| *known == column).unwrap();
    let mut lines: Vec<String> = WHOLE.lines().map(str::to_owned).collect();
    let mut cells: Vec<&str> = lines[seq].split(',').collect();
    cells[at] = value;
    lines[seq] = cells.join(",");
    lines.join("\n")
}

#[test]
fn what_cannot_be_counted_refuses_the_file_and_says_where() {
    let (header, rest) = WHOLE.split_once('\n').unwrap();
    let lines: Vec<&str> = WHOLE.lines().collect();
    for (file, said) in [
        (
            String::new(),
            "line 1, type: expected a trailer, T, as the last record, got the end of the file",
        ),
        (rest.to_owned(), "line 1: expected a header row"),
        (format!("{header}\n"), "line 2, type: expected a trailer"),
        (format!("{}\n{rest}", header.replace("mcc", "mccc")), "each once, got mccc"),
        (format!("{}\n{rest}", header.replace("mcc", "stan")), "each once, got stan"),
        (format!("{}\n{rest}", header.replace("amount,", "tip,")), "line 1: expected a header row"),
        (lines[..4].join("\n"), "expected a trailer, T, as the last record"),
        ([lines[0], lines[2]].join("\n"), "line 2, seq: expected 1: records are numbered"),
        (format!("{WHOLE}D,5"), "line 6: expected as many fields as columns"),
        (
            format!("{WHOLE}D,5,,,,,,,,,,,,,,,,,,"),
            "line 6, type: expected nothing behind the trailer",
        ),
        (with(1, "type", "X"), "line 2, type: expected H as the first record, got X"),
        (with(1, "capture_ref", ""), "line 2, capture_ref: expected the file's id"),
        (with(1, "op", "live"), "line 2, op: expected test, or nothing"),
        (with(2, "type", "H"), "line 3, type: expected D, or T as the last record, got H"),
        (with(2, "seq", "4"), "line 3, seq: expected 2: records are numbered from 1 on, got 4"),
        (with(2, "amount", "-1"), "line 3, amount: expected up to twelve digits"),
        (with(2, "amount", "1000000000000"), "line 3, amount: expected up to twelve digits"),
        (
            with(2, "amount", "5413330000004112"),
            "line 3, amount: expected up to twelve digits of minor units",
        ),
        (
            with(2, "amount", "1001"),
            "line 5, amount: expected 1251, the sum of all amounts, got 1250",
        ),
        (with(2, "pan_token", "4111111111111111"), "line 3, pan_token: expected no card number"),
        (
            with(2, "capture_ref", "no 4111-1111 1111 1111 of mine"),
            "line 3, capture_ref: expected no card",
        ),
        (with(2, "tip", "4111111111111111"), "line 3, tip: expected no card number"),
        (with(2, "local_dt", "4111111111111111"), "line 3, local_dt: expected no card number"),
        (with(2, "mcc", "\"5"), "line 3: expected"),
        (with(2, "mcc", "5\"5\""), "line 3: expected quotes only around a whole field"),
        (with(2, "mcc", "\"5\"5"), "line 3: expected a comma behind the quote"),
        (with(4, "seq", "5"), "line 5, seq: expected 4"),
        (
            with(4, "capture_ref", "F2"),
            "line 5, capture_ref: expected the file's id, as in the header, got F2",
        ),
        (with(4, "amount", ""), "line 5, amount: expected 1250"),
        (format!("{header}\n\"{}", "x,".repeat(9000)), "line 2: expected a record of no more than"),
    ] {
        let fault = read(file.as_bytes(), 4096).unwrap_err().to_string();
        assert!(fault.starts_with(said) || fault.contains(said), "{fault}\n{said}");
        assert!(!fault.contains("1111") && !fault.contains("4112"), "{fault}");
    }
    let latin =
        WHOLE.replace("tok_9f", "caf\u{e9}").chars().map(|char| char as u8).collect::<Vec<_>>();
    assert_eq!(
        read(&latin, 9).unwrap_err().to_string(),
        "line 3: expected UTF-8, got bytes that are none"
    );
    let small = Limits { records_max: 3, ..LIMITS };
    let mut intake = Intake::new(small);
    intake.feed(WHOLE.as_bytes());
    let fault = std::iter::repeat_with(|| intake.next_record()).find_map(Result::err).unwrap();
    assert_eq!(fault.to_string(), "line 5: expected no more than 3 records");
    let mut intake = Intake::new(Limits { bytes_max: 100, ..LIMITS });
    intake.feed(WHOLE.as_bytes());
    assert!(intake.next_record().is_err());
}

#[test]
fn what_says_nothing_costs_its_record() {
    for (column, value, expected) in [
        ("op", "void", "capture, refund, reversal or adjust"),
        ("capture_ref", "", "the merchant's own name for the record"),
        ("currency", "EUR", "three digits of ISO 4217"),
        ("currency", "000", "three digits of ISO 4217"),
        ("exp", "3", "2 for this currency"),
        ("exp", "x", "2 for this currency"),
        ("local_dt", "22.11.2026", "a date and time like 2026-11-22T13:45:10"),
        ("local_dt", "2026-02-30T13:45:10", "a date and time like 2026-11-22T13:45:10"),
        ("local_dt", "2026-11-22T24:00:00", "a date and time like 2026-11-22T13:45:10"),
        ("mcc", "541", "four digits"),
        ("final", "no", "Y or N"),
        ("tip", "1.5", "up to twelve digits of minor units"),
        ("tip", "1001", "no more than the amount"),
        ("orig_amount", "ten", "up to twelve digits of minor units"),
        ("rrn", &"x".repeat(65), "at most 64 bytes, and no characters that cannot be seen"),
        ("capture_ref", "c-\u{200b}1", "at most 64 bytes, and no characters that cannot be seen"),
    ] {
        let file = with(2, column, value);
        let claims = claims(read(file.as_bytes(), 4096).unwrap());
        let misfit = claims[0].said.clone().unwrap_err();
        assert_eq!((misfit.field, misfit.expected), (column, expected));
        assert!(claims[1].said.is_ok());
    }
    let nothing = with(2, "amount", "0").replace("1250,,", "250,,");
    let misfit = claims(read(nothing.as_bytes(), 4096).unwrap())[0].said.clone().unwrap_err();
    assert_eq!((misfit.field, misfit.expected), ("amount", "more than nothing"));
}

#[test]
fn json_lines_have_the_same_fields_and_a_control() {
    let file = |control: &str| {
        format!(
            "{}\n{}\n{}\n{}\n",
            r#"{"type":"H","seq":1,"capture_ref":"F1","merchant_id":"M"}"#,
            r#"{"type":"D","seq":2,"op":"capture","capture_ref":"c-1","amount":1000,"currency":"978","exp":2,"final":false}"#,
            r#"{"type":"D","seq":"3","op":"refund","capture_ref":"r-1","amount":"250","currency":"978","rrn":null}"#,
            format_args!(r#"{{"type":"T","seq":4,"capture_ref":"F1","amount":1250{control}}}"#),
        )
    };
    let lines = read(file("").as_bytes(), 5).unwrap();
    let all = claims(lines);
    assert!(!all[0].said.as_ref().unwrap().last);
    assert_eq!((all[1].amount, &all[1].rrn), (250, &None));
    let right = r#","control":{"978":{"captures":{"n":1,"amt":1000},"refunds":{"n":1,"amt":250}}}"#;
    assert!(read(file(right).as_bytes(), 5).is_ok());
    for wrong in
        [right.replace("1000", "999"), right.replace("978", "840"), r#","control":{}"#.to_owned()]
    {
        let fault = read(file(&wrong).as_bytes(), 5).unwrap_err().to_string();
        assert!(fault.starts_with("line 4, control: expected the counts and sums"), "{fault}");
    }
    for spoilt in [
        file("").replace("\"exp\":2", "\"exp\":2.0"),
        file("").replace("\"exp\":2", "\"op\":\"refund\""),
        file("").replace("\"exp\":2", "\"expo\":2"),
        file("").replace("\"exp\":2", "\"exp\":[2]"),
        file("").replace("\"exp\":2}", "\"exp\":2"),
    ] {
        if spoilt == file("") {
            continue;
        }
        let fault = read(spoilt.as_bytes(), 5).unwrap_err().to_string();
        assert!(fault.starts_with("line 2: expected one JSON object"), "{fault}");
    }
}

/// A file in both forms.
fn both(records: &[Vec<String>]) -> (String, String) {
    let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
    let sum: i64 = records.iter().map(|cells| cells[11].parse::<i64>().unwrap()).sum();
    let count = records.len() + 2;
    let mut all = vec![edge("H", 1, "")];
    all.extend(records.iter().cloned());
    all.push(edge("T", count, &sum.to_string()));
    let mut csv = COLUMNS.join(",");
    let mut json = String::new();
    for (at, cells) in all.iter_mut().enumerate() {
        cells[1] = (at + 1).to_string();
        csv.push('\n');
        csv.push_str(&cells.iter().map(quoted).collect::<Vec<_>>().join(","));
        let object: serde_json::Map<_, _> = COLUMNS
            .iter()
            .zip(cells.iter())
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(column, cell)| ((*column).to_owned(), cell.clone().into()))
            .collect();
        json.push_str(&serde_json::Value::Object(object).to_string());
        json.push('\n');
    }
    (csv, json)
}

fn edge(kind: &str, seq: usize, amount: &str) -> Vec<String> {
    let mut cells = vec![String::new(); COLUMNS.len()];
    (cells[0], cells[1], cells[5], cells[11]) =
        (kind.to_owned(), seq.to_string(), "F".to_owned(), amount.to_owned());
    cells
}

fn record() -> impl Strategy<Value = Vec<String>> {
    let text = "[a-z \",;\u{e9}#]{0,12}";
    (
        proptest::collection::vec(text, COLUMNS.len()),
        0..1_000_000_u32,
        proptest::sample::select(vec!["capture", "refund", "void", ""]),
        proptest::sample::select(vec!["978", "392", "xx", ""]),
        proptest::sample::select(vec!["Y", "N", "", "z"]),
    )
        .prop_map(|(mut cells, amount, op, currency, last)| {
            for (at, value) in [
                (0, "D"),
                (4, op),
                (12, currency),
                (13, ""),
                (14, ""),
                (15, ""),
                (16, last),
                (17, ""),
                (19, ""),
            ] {
                cells[at] = value.to_owned();
            }
            cells[11] = amount.to_string();
            cells
        })
}

proptest! {
    #[test]
    fn both_forms_say_the_same(records in proptest::collection::vec(record(), 0..8), piece in 1..200_usize) {
        let (csv, json) = both(&records);
        // Where a record begins is what the forms may differ in.
        let claims = |text: &str| -> Vec<Claim> {
            let claims = claims(read(text.as_bytes(), piece).unwrap());
            claims.into_iter().map(|claim| Claim { line: 0, ..claim }).collect()
        };
        let all = claims(&csv);
        prop_assert_eq!(all.len(), records.len());
        prop_assert_eq!(all, claims(&json));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1..64_usize) {
        prop_assert!(read(&bytes, piece).is_err());
        fuzz_claims(&bytes);
    }

    #[test]
    fn a_file_with_a_byte_changed_is_read_or_refused(at in 0..WHOLE.len(), byte in any::<u8>(), piece in 1..64_usize) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        bytes[at] = byte;
        fuzz_claims(&[&[u8::try_from(piece).unwrap()], bytes.as_slice()].concat());
        if let Ok(lines) = read(&bytes, piece) {
            prop_assert_eq!(lines.len(), 4);
        }
    }
}

fn authorization() -> Authorization {
    Authorization {
        txn: TxnId(7),
        stands: Stands::Approved,
        single: false,
        refund: false,
        merchant: "M".to_owned(),
        terminal: "T1".to_owned(),
        rrns: ["000000000001".to_owned(), String::new()],
        stan: "000123".to_owned(),
        approval: "A1B2C3".to_owned(),
        card: "541333******4111".to_owned(),
        amount: 1000,
        granted: 1000,
        over: Over::Tolerated,
        currency: Currency::new(978).ok(),
        day: BusinessDate::from_text("2026-11-22").ok(),
        at: Wall(1_795_340_700_000), // 2026-11-22T09:45:00Z
        mcc: "5812".to_owned(),
        completes: None,
        raises: None,
        waits: false,
    }
}

fn claim(change: impl FnOnce(&mut Claim, &mut Said)) -> (Claim, Said) {
    let mut claim = claims(read(WHOLE.as_bytes(), 4096).unwrap()).swap_remove(0);
    let mut said = claim.said.clone().unwrap();
    (claim.mcc, claim.rrn) = (None, Some("000000000001".to_owned()));
    change(&mut claim, &mut said);
    (claim, said)
}

fn rules() -> Rules {
    let tolerance = |mccs: Vec<Span>, percent, at_least| Tolerance { mccs, percent, at_least };
    Rules {
        days: 7,
        validity: vec![Validity { mccs: vec![(7011, 7011)], days: 30 }],
        late: Late::Reject,
        tolerance: vec![
            tolerance(vec![(5812, 5814)], 20, None),
            tolerance(vec![(7512, 7513)], 15, Currency::new(978).ok().map(|eur| (7500, eur))),
        ],
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted => "accepted",
        Verdict::Warned(note) | Verdict::Rejected(note) | Verdict::Pending(note) => {
            note.reason.word()
        }
    }
}

#[test]
fn captures_are_judged() {
    type Change = fn(&mut Claim, &mut Said, &mut Authorization, &mut Used);
    let cases: &[(Change, &str)] = &[
        (|_, _, _, _| {}, "accepted"),
        (|_, _, it, _| it.stands = Stands::InFlight, "IN_FLIGHT"),
        (|_, _, it, _| it.stands = Stands::Declined, "DECLINED"),
        (|_, _, it, _| it.stands = Stands::Reversed, "REVERSED"),
        (|_, said, _, _| said.currency = Currency::new(840).unwrap(), "CURRENCY"),
        (|_, _, it, _| it.currency = None, "CURRENCY"),
        (|_, _, it, _| it.single = true, "ALREADY_CAPTURED"),
        (|_, _, it, _| it.refund = true, "WRONG_OP"),
        (|_, _, _, used| used.last = true, "ALREADY_FINAL"),
        // A fifth more in restaurants, and not a cent more than that.
        (|claim, _, _, _| claim.amount = 1200, "accepted"),
        (|claim, _, _, _| claim.amount = 1201, "OVER_AMOUNT"),
        // What was lowered stands for so much and no more.
        (|_, _, it, _| it.over = Over::Never, "accepted"),
        (|claim, _, it, _| (claim.amount, it.over) = (1001, Over::Never), "OVER_AMOUNT"),
        (|_, _, _, used| used.captured = 200, "accepted"),
        (|_, _, _, used| used.captured = 201, "OVER_AMOUNT"),
        (|claim, _, it, _| (claim.amount, it.amount) = (601, 500), "OVER_AMOUNT"),
        (|claim, _, it, _| (claim.amount, it.mcc) = (1001, "5411".to_owned()), "OVER_AMOUNT"),
        (|claim, _, it, _| (claim.amount, it.mcc) = (8500, "7512".to_owned()), "accepted"),
        (|claim, _, it, _| (claim.amount, it.mcc) = (8501, "7512".to_owned()), "OVER_AMOUNT"),
        // What the authorization says of its category counts, and else what the record says.
        (
            |claim, _, it, _| {
                (claim.amount, claim.mcc, it.mcc) = (1200, Some("5812".into()), "5411".into());
            },
            "OVER_AMOUNT",
        ),
        (
            |claim, _, it, _| {
                (claim.amount, claim.mcc, it.mcc) = (1200, Some("5812".into()), String::new());
            },
            "accepted",
        ),
        (|claim, _, _, _| claim.mcc = Some("5411".into()), "MCC_DIFFERS"),
        (|_, said, _, _| said.original_amount = Some(999), "AMOUNT_DIFFERS"),
        (|_, _, it, _| it.at = Wall(it.at.0 - 7 * 86_400_000), "accepted"),
        (|_, _, it, _| it.at = Wall(it.at.0 - 7 * 86_400_000 - 1), "AUTH_EXPIRED"),
        (
            |claim, _, it, _| {
                (claim.amount, it.mcc) = (1000, "7011".to_owned());
                it.at = Wall(it.at.0 - 30 * 86_400_000);
            },
            "accepted",
        ),
    ];
    let at = authorization().at;
    for (number, (change, expected)) in cases.iter().enumerate() {
        let (mut claim, mut said) = claim(|_, _| {});
        let (mut it, mut used) = (authorization(), Used::default());
        change(&mut claim, &mut said, &mut it, &mut used);
        let verdict = capture((&claim, &said), &it, used, &rules(), at);
        assert_eq!(word(&verdict), *expected, "case {number}: {verdict:?}");
    }
    let warns = Rules { late: Late::Warn, ..rules() };
    let (claim, said) = claim(|_, _| {});
    let late = Wall(at.0 + 8 * 86_400_000);
    let verdict = capture((&claim, &said), &authorization(), Used::default(), &warns, late);
    assert_eq!(word(&verdict), "LATE");
}

#[test]
fn refunds_and_reversals_are_bounded_by_what_they_are_of() {
    let used = |captured, refunded| Used { captured, refunded, last: true };
    let (claim, said) = claim(|claim, said| (claim.amount, said.op) = (250, Op::Refund));
    for (captured, refunded, expected) in [
        (1000, 0, "accepted"),
        (1000, 750, "accepted"),
        (1000, 751, "REFUND_OVER_CAPTURED"),
        (0, 0, "REFUND_OVER_CAPTURED"),
    ] {
        let verdict = refund((&claim, &said), &authorization(), used(captured, refunded));
        assert_eq!(word(&verdict), expected);
    }
    // What the switch presents by itself is captured as it stands.
    let single = Authorization { single: true, amount: 300, ..authorization() };
    assert_eq!(word(&refund((&claim, &said), &single, used(0, 50))), "accepted");
    assert_eq!(word(&refund((&claim, &said), &single, used(0, 51))), "REFUND_OVER_CAPTURED");
    for (op, amount, currency, used, expected) in [
        (Op::Capture, 250, "978", used(250, 0), "accepted"),
        (Op::Capture, 250, "978", used(250, 1), "REFUND_OVER_CAPTURED"),
        (Op::Refund, 250, "978", used(250, 250), "accepted"),
        (Op::Capture, 251, "978", used(251, 0), "AMOUNT_DIFFERS"),
        (Op::Capture, 250, "840", used(250, 0), "CURRENCY"),
        (Op::Reversal, 250, "978", used(250, 0), "WRONG_OP"),
    ] {
        assert_eq!(word(&reversal((&claim, &said), (op, amount, currency), used)), expected);
    }
    // In place of another capture: 950 of 1200 are claimed by others.
    let adjusted = adjust((&claim, &said), &authorization(), used(950, 0), &rules());
    assert_eq!(word(&adjusted), "accepted");
    assert_eq!(
        word(&adjust((&claim, &said), &authorization(), used(951, 0), &rules())),
        "OVER_AMOUNT"
    );
    assert_eq!(
        word(&adjust((&claim, &said), &authorization(), used(0, 251), &rules())),
        "REFUND_OVER_CAPTURED"
    );
}

#[test]
fn names_fit_or_they_do_not() {
    type Change = fn(&mut Claim, &mut Said, &mut Authorization);
    let cases: &[(Change, bool)] = &[
        (|_, _, _| {}, true),
        (|claim, _, _| claim.stan = None, true),
        (|claim, _, _| claim.stan = Some("000124".into()), false),
        (|claim, _, _| claim.terminal = Some("T2".into()), false),
        (|claim, _, _| claim.terminal = None, false),
        (|_, _, it| it.merchant = "N".into(), false),
        (|claim, _, _| claim.rrn = Some("000000000002".into()), false),
        (|claim, _, it| (claim.rrn, it.rrns[1]) = (Some("2".into()), "2".into()), true),
        (|claim, _, _| claim.rrn = None, true),
        (|claim, _, _| (claim.rrn, claim.approval) = (None, Some("A1B2C4".into())), false),
        (|claim, _, it| (claim.rrn, it.card) = (None, "541333******4112".into()), false),
        (|claim, _, it| (claim.rrn, it.currency) = (None, Currency::new(840).ok()), false),
        (
            |claim, said, _| {
                (claim.rrn, said.day) = (None, BusinessDate::from_text("2026-11-24").ok());
            },
            true,
        ),
        (
            |claim, said, _| {
                (claim.rrn, said.day) = (None, BusinessDate::from_text("2026-11-25").ok());
            },
            false,
        ),
        (
            |claim, said, _| {
                (claim.rrn, said.day) = (None, BusinessDate::from_text("2026-11-19").ok());
            },
            false,
        ),
        (|_, said, _| said.day = BusinessDate::from_text("2027-11-22").ok(), false),
    ];
    for (number, (change, fits)) in cases.iter().enumerate() {
        let (mut claim, mut said) = claim(|claim, _| {
            (claim.terminal, claim.token) = (Some("T1".into()), Some("541333******4111".into()));
        });
        let mut it = authorization();
        change(&mut claim, &mut said, &mut it);
        assert_eq!(names_it(&claim, &said, "M", &it), *fits, "case {number}");
    }
}

#[test]
fn of_several_the_one_that_stands_is_meant_and_never_a_guess() {
    use Stands::{Approved, Declined, InFlight, Reversed};
    let one = |txn, stands| Authorization { txn: TxnId(txn), stands, ..authorization() };
    let chosen = |named: &[(u64, Stands)]| {
        let named = named.iter().map(|(txn, stands)| one(*txn, *stands)).collect();
        choose(named).map(|it| it.map(|it| it.txn.0))
    };
    assert_eq!(chosen(&[]), Ok(None));
    assert_eq!(chosen(&[(1, Declined), (2, Approved), (3, Reversed)]), Ok(Some(2)));
    assert_eq!(chosen(&[(1, Declined), (2, Reversed)]), Ok(Some(2)));
    assert_eq!(chosen(&[(1, Declined), (2, InFlight)]), Ok(Some(2)));
    assert_eq!(chosen(&[(1, Approved), (2, Approved)]), Err(2));
    assert_eq!(chosen(&[(1, Approved), (2, InFlight)]), Err(2));
    let completion = Authorization { completes: Some(TxnId(1)), single: true, ..one(2, Approved) };
    assert_eq!(
        choose(vec![one(1, Approved), completion]).map(|it| it.map(|it| it.txn.0)),
        Ok(Some(2))
    );
}
