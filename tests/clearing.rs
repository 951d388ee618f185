//! A cut day on disk: the files in all four forms, the positions, the same bytes again, and nothing half-written.
//!
//! The files stay in cargo's directory for temporary files, so that `tests/peers/cardutil_check.py` can read them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use iso8583d::books::Books;
use iso8583d::clearing::claim::{Late, Limits, Rules};
use iso8583d::clearing::{
    self, Capture, Charset, Digits, FeeTable, Part, Settings, records, unblock,
};
use iso8583d::iso::{BusinessDate, ElementNo, Elements, Mti, Pan, Stan, Wall};
use iso8583d::journal::{self, Commit, Journal, Reader};
use iso8583d::ledger::{
    Asked, CaptureSettings, CutError, Inbox, Ledger, Order, Outgoing, Unlinked,
};
use iso8583d::record::{
    self, Approval, Card, LinkId, Lsn, Opening, Outcome, Reason, Record, Secret, Sent, Standing,
    Trace, TxnId, Unanswered, Verdict,
};
use iso8583d::seal::{Keys, Tag};
use iso8583d::tools::ipm;

/// 2026-11-23T18:34:00Z.
const AT: Wall = Wall(1_795_458_840_000);

const BANK_A: &str = "bank-a";
const BANK_B: &str = "bank-b";

fn date() -> BusinessDate {
    BusinessDate::from_text("2026-11-23").unwrap()
}

/// A 0200 with the elements of an ordinary terminal, different for each number.
fn sent(id: u64) -> Sent {
    let merchants = ["GROCER 1", "HOTEL \"X\", NICE", "=CAF\u{c9} [3]", "FUEL 4"];
    let merchant = merchants[usize::try_from(id % 4).unwrap()];
    let code = if id.is_multiple_of(10) { "200000" } else { "000000" };
    let currency = ["978", "840", "392", "414"][usize::try_from(id % 5 % 4).unwrap()];
    let pan = Pan::new(format!("541333{:010}", id * 7919).as_bytes()).unwrap();
    let mut elements = Elements::default();
    let latin = |text: &str| text.chars().map(|c| u8::try_from(c).unwrap()).collect::<Vec<_>>();
    for (no, value) in [
        (3, code.to_owned()),
        (4, format!("{:012}", id * 37 % 100_000)),
        (12, format!("{:02}{:02}{:02}", id % 24, id % 60, id % 59)),
        (13, "1123".to_owned()),
        (14, "2912".to_owned()),
        (18, "5411".to_owned()),
        (32, "12345678901".to_owned()),
        (37, format!("632718{id:06}")),
        (41, format!("T{id:07}")),
        (42, format!("{merchant:15}")),
        (
            43,
            format!(
                "{merchant:22} {:13} {}",
                "N\u{ee}mes",
                if id.is_multiple_of(3) { "FRA" } else { "FR " }
            ),
        ),
        (49, currency.to_owned()),
    ] {
        elements.set(ElementNo::of(no), &latin(&value));
    }
    let at = Wall(AT.0 + id);
    let card = Card { masked: pan.masked(), token: Tag(id.into()), secret: Secret::Clear(pan) };
    Sent {
        asker: LinkId::of_name("shop"),
        key: Tag(id.into()),
        content: Tag(id.into()),
        mti: Mti::new(200).unwrap(),
        issuer: LinkId::of_name(if id.is_multiple_of(6) { BANK_B } else { BANK_A }),
        trace: Trace::default(),
        date: date(),
        at,
        card: Some(card),
        elements,
        completes: None,
        named: None,
        declined: false,
    }
}

/// An issuer's answer of this code.
fn answer(id: u64, code: &[u8]) -> Arc<Elements> {
    let mut added = Elements::default();
    added.set(ElementNo::APPROVAL_CODE, format!("A{id:05}").as_bytes());
    added.set(ElementNo::RESPONSE_CODE, code);
    Arc::new(added)
}

/// An approved 0200.
fn standing(id: u64) -> Standing {
    let sent = sent(id);
    let (at, verdict, added) = (sent.at, Verdict::Approved, answer(id, b"00"));
    Standing {
        id: TxnId(id),
        opening: Opening::Request(Arc::new(sent)),
        outcome: Outcome::Answered { verdict, added, at },
        heard: Approval::Approved,
        told: true,
        advice: None,
        reversal: None,
        undone_by: None,
        lowered: None,
        completed_by: None,
    }
}

fn order(directory: &Path, date: BusinessDate, settings: Settings) -> Order {
    let names = [BANK_A, BANK_B].map(|name| (LinkId::of_name(name), name.to_owned()));
    let (directory, by_issuer) = (directory.to_owned(), BTreeMap::new());
    let outgoing =
        Outgoing { directory, settings, by_issuer, fees: FeeTable::default(), names: names.into() };
    Order { asked: Asked::End(date), now: AT, outgoing }
}

/// The names in a directory, sorted.
fn listed(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Every file of a directory with its contents.
fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let names = listed(directory).into_iter();
    names.map(|name| (name.clone(), fs::read(directory.join(name)).unwrap())).collect()
}

/// Of each bank, in each of four currencies.
fn files_of(date: BusinessDate) -> Vec<String> {
    let file = |bank: &'static str| {
        let name = move |currency| format!("clearing-{bank}-{currency}-{date}.ipm");
        ["392", "414", "840", "978"].map(name)
    };
    let positions = ["csv", "json"].map(|kind| format!("positions-{date}.{kind}"));
    [&file(BANK_A)[..], &file(BANK_B)[..], &positions[..]].concat()
}

/// Two days: of the first every tenth sale is taken back on the second.
#[test]
fn two_days_in_all_four_forms() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clearing");
    let state = tempfile::tempdir().unwrap();
    let mut house = House::new(state.path());
    let (today, tomorrow) = (date(), date().next());
    let mut regretted = Vec::new();
    for id in 1..=900 {
        let txn = house.pays(sent(id), Verdict::Approved, b"00");
        if id.is_multiple_of(10) {
            regretted.push(txn);
        }
    }
    house.is_cut(today);
    for txn in regretted {
        house.is_reversed(txn);
    }
    for id in 901..=1100 {
        house.pays(Sent { date: tomorrow, ..sent(id) }, Verdict::Approved, b"00");
    }
    house.is_cut(tomorrow);
    for (form, charset, blocked) in [
        ("latin-1", Charset::Latin1, false),
        ("latin-1-blocked", Charset::Latin1, true),
        ("cp500", Charset::Cp500, false),
        ("cp500-blocked", Charset::Cp500, true),
    ] {
        let directory = home.join(form);
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        let acquirer_bin = Digits::new("271828").unwrap();
        let settings = Settings { charset, blocked, acquirer_bin, ..Settings::default() };
        let mut ledger = house.ledger(&state.path().join(form));
        let mut presented = 0;
        for date in [today, tomorrow] {
            let report = ledger.cut(&order(&directory, date, settings.clone())).unwrap().unwrap();
            for filed in &report.files {
                let file = fs::read(directory.join(&filed.name)).unwrap();
                every_form_of(&file, (charset, blocked));
                let data = if blocked { unblock(&file).unwrap() } else { file };
                let records = records(&data).unwrap().len();
                assert_eq!(u32::try_from(records).unwrap(), filed.totals.records);
                presented += records - 2;
            }
        }
        assert_eq!(presented, 900 + 90 + 200);
        let mut names = [files_of(today), files_of(tomorrow)].concat();
        names.sort_unstable();
        assert_eq!(listed(&directory), names);
        for name in &names {
            let mode = fs::metadata(directory.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        // Again, from a ledger that forgot nothing: the same bytes.
        let before = contents(&directory);
        ledger.cut(&order(&directory, today, settings)).unwrap();
        assert_eq!(contents(&directory), before);
    }
}

/// A file of ours, as `iso8583d ipm` sees it: in order, and the same bytes after a way through each other form.
fn every_form_of(file: &[u8], form: (Charset, bool)) {
    let none = ipm::Known::default();
    let mut told = Vec::new();
    let seen = ipm::check(&mut &*file, none, &mut told).unwrap();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(told, format!("{} records, 1 logical files in order\n", seen.records));
    let convert = |from: &[u8], form| {
        let mut out = Vec::new();
        let mut told = Vec::new();
        let tell = |fault: &str| told.push(fault.to_owned());
        let found = ipm::convert(&mut &*from, none, form, &mut out, tell).unwrap();
        assert_eq!((found, told), (seen, vec![]));
        out
    };
    for charset in [Charset::Latin1, Charset::Cp500] {
        for blocked in [false, true] {
            let other = convert(file, (charset, blocked));
            assert_eq!(other == file, form == (charset, blocked), "{charset:?} {blocked}");
            assert!(convert(&other, form) == file, "{charset:?} {blocked}");
        }
    }
    let lines = |unmask| {
        let mut lines = Vec::new();
        assert_eq!(ipm::cat(&mut &*file, none, unmask, &mut lines).unwrap(), seen);
        lines
    };
    assert!(convert(&lines(true), form) == file);
    let masked = String::from_utf8(lines(false)).unwrap();
    assert!(masked.lines().all(|line| !holds_a_card(line)), "{masked}");
}

/// Whether a line has a card number of this test in clear.
fn holds_a_card(line: &str) -> bool {
    line.match_indices("541333")
        .any(|(at, _)| line.bytes().skip(at).take(16).filter(u8::is_ascii_digit).count() == 16)
}

/// What was granted is claimed; an amount beside any other code is an echo.
#[test]
fn a_partial_approval_is_presented_for_what_was_granted() {
    for (code, claimed) in [(b"10", 600), (b"00", 31 * 37)] {
        let mut partial = standing(31);
        let mut added = answer(31, code).as_ref().clone();
        added.set(ElementNo::AMOUNT, b"000000000600");
        let (at, verdict) = (sent(31).at, Verdict::Approved);
        partial.outcome = Outcome::Answered { verdict, added: Arc::new(added), at };
        let capture = Capture::of(&partial, Part::Standing, &Keys::new(&[7; 32])).unwrap();
        assert_eq!(capture.amount().minor, claimed);
    }
}

/// A journal and the books that follow it.
struct House {
    home: PathBuf,
    journal: Journal,
    reader: Reader,
    books: Books,
    at: Wall,
}

impl House {
    fn new(home: &Path) -> Self {
        let settings = journal::Settings { directory: home.join("journal"), retention_days: 7 };
        let (journal, _) = Journal::open(&settings).unwrap();
        let books = Books::open(home, Arc::new(Keys::new(&[7; 32]))).unwrap();
        let reader = Reader::open(&settings.directory);
        Self { home: home.to_owned(), journal, reader, books, at: AT }
    }

    /// A ledger in a directory of its own, over books that are built anew there.
    fn ledger(&self, directory: &Path) -> Ledger {
        let keys = Arc::new(Keys::new(&[7; 32]));
        let mut books = Books::open(directory, Arc::clone(&keys)).unwrap();
        let mut reader = self.reader_again();
        while books.follow(&mut reader).unwrap().records > 0 {}
        assert_eq!(books.position(), self.books.position());
        Ledger::open(directory, keys).unwrap()
    }

    fn reader_again(&self) -> Reader {
        Reader::open(&self.home.join("journal"))
    }

    /// Writes records as one commit and lets the books follow; gives the position of the first.
    fn happens(&mut self, records: &[Record]) -> TxnId {
        let first = self.journal.next();
        let mut blob = Vec::new();
        for (lsn, record) in (first.0..).map(Lsn).zip(records) {
            record::encode(record, lsn, &Keys::new(&[7; 32]), &mut blob);
        }
        let count = u32::try_from(records.len()).unwrap();
        let commit = Commit { first, count, carry: false, day: self.at.date().0, blob };
        self.journal.commit(&commit).unwrap();
        self.books.follow(&mut self.reader).unwrap();
        TxnId(first.0)
    }

    /// A request that is answered.
    fn pays(&mut self, sent: Sent, verdict: Verdict, code: &[u8]) -> TxnId {
        let (at, id) = (self.at, self.journal.next().0);
        let txn = self.happens(&[Record::Sent(Arc::new(sent))]);
        self.happens(&[Record::Answered { txn, at, verdict, added: answer(id, code) }]);
        txn
    }

    fn is_reversed(&mut self, txn: TxnId) {
        let (at, reason) = (self.at, Reason::Undelivered);
        let trace =
            Trace { stan: Stan::new(u32::try_from(txn.0).unwrap()).unwrap(), ..Trace::default() };
        self.happens(&[Record::Owed { txn, at, trace, reason }]);
    }

    fn is_cut(&mut self, date: BusinessDate) {
        self.happens(&[Record::Cut { date, at: self.at }]);
    }
}

/// Approval code, reference number, and whether the claim is taken back, of each record of a plain latin-1 file.
fn claimed(file: &[u8]) -> Vec<(String, String, bool)> {
    let read = |record| clearing::read(record, Charset::Latin1).unwrap();
    let presentments =
        records(file).unwrap().into_iter().map(read).filter(|record| record.mti == *b"1240");
    presentments
        .map(|record| {
            let text = |no| {
                let value = record.elements.get(ElementNo::of(no)).unwrap_or_default();
                value.escape_ascii().to_string()
            };
            (text(38), text(31), record.part(25).is_some())
        })
        .collect()
}

/// Without blocks, of an acquirer that is known again.
fn plain() -> Settings {
    let acquirer_bin = Digits::new("271828").unwrap();
    Settings { blocked: false, acquirer_bin, ..Settings::default() }
}

/// A merchant's file with one capture, which names its authorization by terminal and retrieval reference.
fn capture_file(of: &Sent, amount: i64) -> String {
    let text = |no| of.elements.get(ElementNo::of(no)).unwrap().escape_ascii().to_string();
    let row = |cells: &[(&str, String)]| {
        let cell = |column: &&str| {
            cells.iter().find(|(name, _)| name == column).map_or("", |(_, value)| value.as_str())
        };
        clearing::claim::COLUMNS.iter().map(cell).collect::<Vec<_>>().join(",")
    };
    let said = |value: &str| value.to_owned();
    [
        clearing::claim::COLUMNS.join(","),
        row(&[
            ("type", said("H")),
            ("seq", said("1")),
            ("merchant_id", said(text(42).trim_end())),
            ("capture_ref", said("F1")),
        ]),
        row(&[
            ("type", said("D")),
            ("seq", said("2")),
            ("op", said("capture")),
            ("capture_ref", said("stay")),
            ("terminal_id", text(41)),
            ("rrn", text(37)),
            ("amount", amount.to_string()),
            ("currency", text(49)),
        ]),
        row(&[
            ("type", said("T")),
            ("seq", said("3")),
            ("capture_ref", said("F1")),
            ("amount", amount.to_string()),
        ]),
    ]
    .join("\r\n")
}

/// 10.00 that were raised by 5.00: the merchant claims 15.00, by the name of either, and its issuer is presented them once.
#[test]
fn a_stay_is_claimed_for_the_sum_of_its_authorizations() {
    let home = tempfile::tempdir().unwrap();
    let mut house = House::new(home.path());
    let hold = |id, amount: &str, completes| {
        let mut hold = Sent { mti: Mti::new(100).unwrap(), completes, ..sent(id) };
        hold.elements.set(ElementNo::AMOUNT, amount.as_bytes());
        hold.elements.set(ElementNo::of(42), b"HOTEL          ");
        hold.elements.set(ElementNo::of(49), b"978");
        hold
    };
    let first = house.pays(hold(1, "000000001000", None), Verdict::Approved, b"00");
    let raising = hold(2, "000000000500", Some(first));
    house.pays(raising.clone(), Verdict::Approved, b"00");
    let mut ledger = Ledger::open(home.path(), Arc::new(Keys::new(&[7; 32]))).unwrap();
    let captures = home.path().join("captures");
    let inbox = Inbox::open(&captures).unwrap();
    fs::write(captures.join("stay.csv"), capture_file(&raising, 1_500)).unwrap();
    let settings = CaptureSettings {
        limits: Limits { bytes_max: 1 << 20, records_max: 10, live: false },
        rules: Rules { days: 7, validity: Vec::new(), late: Late::Reject, tolerance: Vec::new() },
        pending_ms: 3_600_000,
        unlinked: Unlinked::Reject,
    };
    ledger.take_captures("stay.csv", &inbox, &settings, house.at).unwrap();
    house.is_cut(date());
    let out = home.path().join("clearing");
    ledger.cut(&order(&out, date(), plain())).unwrap();
    let name = format!("clearing-bank-a-978-{}.ipm", date());
    let bytes = fs::read(out.join(name)).unwrap();
    let amounts: Vec<_> = records(&bytes)
        .unwrap()
        .into_iter()
        .map(|record| clearing::read(record, Charset::Latin1).unwrap())
        .filter(|record| record.mti == *b"1240")
        .map(|record| record.elements.get(ElementNo::AMOUNT).unwrap().to_vec())
        .collect();
    assert_eq!(amounts, [b"000000001500".to_vec()]);
}

#[test]
fn from_the_journal_to_the_files_of_two_days() {
    let home = tempfile::tempdir().unwrap();
    let mut house = House::new(home.path());
    let (today, tomorrow) = (date(), date().next());
    let (bank, mti) = (LinkId::of_name(BANK_A), |digits| Mti::new(digits).unwrap());
    let of = |id, date, digits| Sent { date, mti: mti(digits), issuer: bank, ..sent(id) };
    let sale = house.pays(of(1, today, 200), Verdict::Approved, b"00");
    let regretted = house.pays(of(2, today, 200), Verdict::Approved, b"00");
    house.pays(of(3, today, 200), Verdict::Declined, b"05");
    house.pays(of(4, today, 100), Verdict::Approved, b"00");
    let undone = house.pays(of(5, today, 200), Verdict::Approved, b"00");
    house.is_reversed(undone);
    house.happens(&[Record::Stored(Arc::new(of(6, today, 220)))]);
    let unheard = house.happens(&[Record::Sent(Arc::new(of(7, today, 200)))]);
    house.happens(&[Record::Over { txn: unheard, at: house.at, why: Unanswered::Deadline }]);
    house.is_reversed(unheard);
    let later = house.pays(of(8, tomorrow, 200), Verdict::Approved, b"00");
    let settings = plain();
    let out = home.path().join("clearing");
    let mut ledger = Ledger::open(home.path(), Arc::new(Keys::new(&[7; 32]))).unwrap();
    let (first, second) =
        (order(&out, today, settings.clone()), order(&out, tomorrow, settings.clone()));
    let refused = ledger.cut(&first).unwrap_err();
    assert!(matches!(refused, CutError::NotCut { .. }), "nothing is written of a day that is open");
    house.is_cut(today);
    ledger.cut(&first).unwrap();
    let written = contents(&out);
    let claims = |date: BusinessDate| -> Vec<(String, String, bool)> {
        let names = listed(&out);
        let of_day = names.iter().filter(|name| {
            name.starts_with("clearing-bank-a-") && name.ends_with(&format!("-{date}.ipm"))
        });
        of_day.flat_map(|name| claimed(&fs::read(out.join(name)).unwrap())).collect()
    };
    let approvals = |claims: &[(String, String, bool)]| -> Vec<_> {
        let mut approvals: Vec<_> =
            claims.iter().map(|(approval, _, back)| (approval.clone(), *back)).collect();
        approvals.sort_unstable();
        approvals
    };
    // An advice has no approval code of its own.
    let code = |txn: TxnId| format!("A{:05}", txn.0);
    let today_claims = claims(today);
    let mut expected = vec![(code(sale), false), (code(regretted), false), (String::new(), false)];
    expected.sort_unstable();
    assert_eq!(approvals(&today_claims), expected);

    // What comes after the cut changes nothing of the day, and is taken back on the next.
    house.is_reversed(regretted);
    ledger.cut(&first).unwrap();
    assert_eq!(contents(&out), written);
    house.is_cut(tomorrow);
    ledger.cut(&second).unwrap();
    let next = claims(tomorrow);
    let mut expected = vec![(code(regretted), true), (code(later), false)];
    expected.sort_unstable();
    assert_eq!(approvals(&next), expected);
    let reference = |claims: &[(String, String, bool)]| {
        claims.iter().find(|(approval, ..)| *approval == code(regretted)).unwrap().1.clone()
    };
    assert_eq!(
        reference(&next),
        reference(&today_claims),
        "a claim is taken back under its own reference"
    );

    drop((house, ledger));
    made_again(home.path(), &out, &settings);
}

/// What a merchant claims of the number of an authorization, in a file of its own.
fn claims(ledger: &mut Ledger, home: &Path, txn: TxnId, amount: i64) {
    let inbox = Inbox::open(&home.join("captures")).unwrap();
    let id = format!("F{}", txn.0);
    let text = format!(
        "type,seq,merchant_id,op,capture_ref,orig_ref,amount,currency,final\nH,1,GROCER 1,,{id},,,,\n\
         D,2,,capture,c-{id},txn:{},{amount},978,Y\nT,3,,,{id},,{amount},,\n",
        txn.0
    );
    fs::write(home.join("captures").join(&id), text).unwrap();
    let rules = Rules { days: 7, validity: Vec::new(), late: Late::Reject, tolerance: Vec::new() };
    let limits = Limits { bytes_max: 1 << 20, records_max: 100, live: false };
    let settings = CaptureSettings { limits, rules, pending_ms: 0, unlinked: Unlinked::Reject };
    let taken = ledger.take_captures(&id, &inbox, &settings, AT).unwrap();
    assert_eq!(taken.counts[0].state, "accepted", "{taken:?}");
}

#[test]
fn what_was_claimed_of_an_authorization_is_taken_back_when_that_is_undone() {
    let home = tempfile::tempdir().unwrap();
    let mut house = House::new(home.path());
    let (today, tomorrow) = (date(), date().next());
    let bank = LinkId::of_name(BANK_A);
    let hold = |date| Sent { date, mti: Mti::new(100).unwrap(), issuer: bank, ..sent(4) };
    let [undone, stands] = [(); 2].map(|()| house.pays(hold(today), Verdict::Approved, b"00"));
    let mut ledger = Ledger::open(home.path(), Arc::new(Keys::new(&[7; 32]))).unwrap();
    for txn in [undone, stands] {
        claims(&mut ledger, home.path(), txn, 140);
    }
    let out = home.path().join("clearing");
    let mut cut = |house: &mut House, date| {
        house.is_cut(date);
        ledger.cut(&order(&out, date, plain())).unwrap();
        let file = fs::read(out.join(format!("clearing-bank-a-978-{date}.ipm")));
        file.map(|file| claimed(&file)).unwrap_or_default()
    };
    let first = cut(&mut house, today);
    assert_eq!(first.iter().map(|(_, _, back)| *back).collect::<Vec<_>>(), [false, false]);
    house.is_reversed(undone);
    let (approval, reference, _) = first[0].clone();
    assert_eq!(cut(&mut house, tomorrow), [(approval, reference, true)]);
    assert_eq!(cut(&mut house, tomorrow.next()), [], "once");
}

/// Books that are built again from the journal make the same files: with the ledger, and with one that begins anew.
fn made_again(home: &Path, out: &Path, settings: &Settings) {
    let keys = || Arc::new(Keys::new(&[7; 32]));
    let forget = |name: &str| {
        for end in ["", "-wal", "-shm"] {
            drop(fs::remove_file(home.join(format!("{name}{end}"))));
        }
    };
    let write = |directory: &Path| {
        let mut ledger = Ledger::open(home, keys()).unwrap();
        for date in [date(), date().next()] {
            ledger.cut(&order(directory, date, settings.clone())).unwrap();
        }
    };
    let kept = contents(out);
    forget("books.db");
    let mut rebuilt = Books::open(home, keys()).unwrap();
    let mut reader = Reader::open(&home.join("journal"));
    while rebuilt.follow(&mut reader).unwrap().records > 0 {}
    write(out);
    assert_eq!(contents(out), kept);
    forget("clearing.db");
    let again = home.join("again");
    write(&again);
    assert_eq!(contents(&again), kept);
}
