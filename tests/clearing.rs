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

use iso8583d::books::{Books, CutError, Each, Frozen, Hash, Order, write_files};
use iso8583d::clearing::{
    Capture, Charset, ClearingError, Digits, Kind, Settings, claims, records, unblock,
};
use iso8583d::iso::{BusinessDate, ElementNo, Elements, Mti, Pan, Stan, Wall};
use iso8583d::journal::{self, Commit, Journal, Reader};
use iso8583d::record::{
    self, Approval, Card, LinkId, Lsn, Opening, Outcome, Reason, Record, Secret, Sent, Standing,
    Trace, TxnId, Unanswered, Verdict,
};
use iso8583d::seal::{Keys, SealError, Tag};
use iso8583d::tools::ipm;

/// A transaction of the day, and what became of capturing it.
type Tried = (TxnId, Result<Capture, ClearingError>);

/// Books that hold one day in memory.
struct Shelf {
    date: BusinessDate,
    captures: BTreeMap<LinkId, Vec<Tried>>,
    digests: BTreeMap<String, Hash>,
    /// What is in the directory when the digests are remembered: before that nothing may be visible.
    watched: Option<PathBuf>,
    seen: Vec<String>,
}

impl Frozen for Shelf {
    fn is_cut(&self, date: BusinessDate) -> Result<bool, CutError> {
        Ok(date == self.date)
    }

    fn issuers(&self, _: BusinessDate) -> Result<Vec<LinkId>, CutError> {
        Ok(self.captures.keys().copied().collect())
    }

    fn captures(&self, _: BusinessDate, issuer: LinkId, each: Each<'_>) -> Result<(), CutError> {
        self.captures[&issuer].iter().try_for_each(|(txn, capture)| each(*txn, capture.clone()))
    }

    fn sequence(&mut self, _: BusinessDate, issuer: LinkId) -> Result<u32, CutError> {
        let at = self.captures.keys().position(|known| *known == issuer).unwrap();
        Ok(u32::try_from(at).unwrap() + 1)
    }

    fn remember(
        &mut self,
        _: BusinessDate,
        files: &[(String, Hash)],
    ) -> Result<Option<String>, CutError> {
        if let Some(directory) = &self.watched {
            self.seen = listed(directory);
        }
        let differs = |(name, digest): &&(String, Hash)| {
            self.digests.get(name).is_some_and(|known| known != digest)
        };
        if let Some((name, _)) = files.iter().find(differs) {
            return Ok(Some(name.clone()));
        }
        self.digests.extend(files.iter().cloned());
        Ok(None)
    }
}

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
    let at = Wall(1_795_458_840_000 + id);
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
    }
}

/// A day of this many captures, each fortieth of them the opposite of an earlier one.
fn shelf(count: u64) -> Shelf {
    let keys = Keys::new(&[7; 32]);
    let mut captures: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for id in 1..=count {
        let kind = if id.is_multiple_of(40) { Kind::Opposite } else { Kind::Presentment };
        let standing = standing(id * 3);
        assert!(claims(&standing));
        let issuer = standing.sent().unwrap().issuer;
        let capture = Capture::of(&standing, kind, &keys);
        captures.entry(issuer).or_default().push((standing.id, capture));
    }
    Shelf { date: date(), captures, digests: BTreeMap::new(), watched: None, seen: Vec::new() }
}

fn order(directory: &Path, settings: Settings) -> Order {
    let names = [BANK_A, BANK_B].map(|name| (LinkId::of_name(name), name.to_owned()));
    Order { date: date(), settings, directory: directory.to_owned(), names: names.into() }
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

const FILES: [&str; 4] = [
    "clearing-bank-a-2026-11-23.ipm",
    "clearing-bank-b-2026-11-23.ipm",
    "positions-2026-11-23.csv",
    "positions-2026-11-23.json",
];

#[test]
fn a_day_in_all_four_forms() {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clearing");
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
        let order = order(&directory, settings);
        let report = write_files(&mut shelf(1200), &order).unwrap();
        assert_eq!(listed(&directory), FILES);
        for name in FILES {
            let mode = fs::metadata(directory.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let mut presented = 0;
        for filed in &report.files {
            let file = fs::read(directory.join(&filed.name)).unwrap();
            let data = if blocked { unblock(&file).unwrap() } else { file };
            let records = records(&data).unwrap().len();
            assert_eq!(u32::try_from(records).unwrap(), filed.totals.records);
            presented += records - 2;
        }
        assert_eq!(presented, 1200);
        for filed in &report.files {
            every_form_of(&fs::read(directory.join(&filed.name)).unwrap(), (charset, blocked));
        }
        // Again, from books that forgot nothing: the same bytes.
        let before = contents(&directory);
        write_files(&mut shelf(1200), &order).unwrap();
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
        let capture = Capture::of(&partial, Kind::Presentment, &Keys::new(&[7; 32])).unwrap();
        assert_eq!(capture.amount().minor, claimed);
    }
}

#[test]
fn nothing_is_visible_before_everything_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let order = order(directory.path(), Settings::default());
    // What a crash left, of another day even, and what is not ours.
    for name in
        [".clearing-bank-a-2026-11-22.ipm.part", ".positions-2026-11-22.csv.part", "readme.txt"]
    {
        fs::write(directory.path().join(name), "half").unwrap();
    }
    let mut shelf = shelf(60);
    shelf.watched = Some(directory.path().to_owned());
    write_files(&mut shelf, &order).unwrap();
    let hidden = FILES.map(|name| format!(".{name}.part"));
    assert_eq!(shelf.seen, [hidden.as_slice(), &["readme.txt".to_owned()]].concat());
    assert_eq!(listed(directory.path()), [FILES.as_slice(), &["readme.txt"]].concat());
}

#[test]
fn a_day_that_fails_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let order = order(directory.path(), Settings::default());
    let txn = TxnId(5000);
    let source = SealError::Forged;
    let mut shelf = shelf(60);
    let last = shelf.captures.values_mut().last().unwrap();
    last.push((txn, Err(ClearingError::Card { txn, source })));
    let failed = write_files(&mut shelf, &order).unwrap_err();
    assert!(matches!(failed, CutError::Clearing(ClearingError::Card { .. })));
    assert!(listed(directory.path()).is_empty() && shelf.digests.is_empty());

    let tomorrow = Order { date: date().next(), ..order };
    let failed = write_files(&mut shelf, &tomorrow).unwrap_err();
    assert!(matches!(failed, CutError::NotCut { .. }));
}

#[test]
fn what_cannot_be_presented_is_held_and_told() {
    let directory = tempfile::tempdir().unwrap();
    let order = order(directory.path(), Settings::default());
    let txn = TxnId(5000);
    let mut shelf = shelf(60);
    let last = shelf.captures.values_mut().last().unwrap();
    last.push((txn, Err(ClearingError::Missing { txn, element: 49 })));
    let report = write_files(&mut shelf, &order).unwrap();
    let [held] = report.balanced.held() else { panic!("{:?}", report.balanced.held()) };
    assert_eq!(
        (held.transaction, held.fault.as_str()),
        (5000, "transaction 5000: element 49 is missing")
    );
    let json = fs::read_to_string(directory.path().join(FILES[3])).unwrap();
    assert!(json.contains("element 49 is missing"));
}

#[test]
fn other_settings_do_not_replace_a_day_that_left() {
    let directory = tempfile::tempdir().unwrap();
    let order = order(directory.path(), Settings::default());
    let mut shelf = shelf(60);
    write_files(&mut shelf, &order).unwrap();
    let before = contents(directory.path());
    let settings = Settings { charset: Charset::Cp500, ..Settings::default() };
    let failed = write_files(&mut shelf, &Order { settings, ..order.clone() }).unwrap_err();
    assert!(matches!(failed, CutError::Differs { name } if name.starts_with("clearing-bank-")));
    assert_eq!(contents(directory.path()), before);
    // A file that was lost comes back as it was.
    fs::remove_file(directory.path().join(FILES[0])).unwrap();
    write_files(&mut shelf, &order).unwrap();
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn issuers_have_names_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut order = order(directory.path(), Settings::default());
    order.names.insert(LinkId::of_name(BANK_B), BANK_A.to_owned());
    assert!(matches!(write_files(&mut shelf(60), &order), Err(CutError::SameName { .. })));
    order.names.insert(LinkId::of_name(BANK_B), "../bank".to_owned());
    let report = write_files(&mut shelf(60), &order).unwrap();
    let unnamed = format!("link-{:08x}", LinkId::of_name(BANK_B).0);
    assert!(report.files.iter().any(|filed| filed.issuer == unnamed));
    assert_eq!(listed(directory.path()).len(), 4);
}

/// A journal and the books that follow it.
struct House {
    journal: Journal,
    reader: Reader,
    books: Books,
    at: Wall,
}

impl House {
    fn new(home: &Path) -> Self {
        let settings = journal::Settings { directory: home.join("journal"), retention_days: 7 };
        let (journal, _) = Journal::open(&settings).unwrap();
        let books = Books::open(&home.join("books"), Arc::new(Keys::new(&[7; 32]))).unwrap();
        Self {
            journal,
            reader: Reader::open(&settings.directory),
            books,
            at: Wall(1_795_458_840_000),
        }
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

/// The reference numbers of a plain latin-1 file, and whether each claim is taken back.
fn claimed(file: &[u8]) -> Vec<(String, bool)> {
    let presentments =
        records(file).unwrap().into_iter().filter(|record| record.starts_with(b"1240"));
    presentments
        .map(|record| {
            let text = record.escape_ascii().to_string();
            let (_, reference) = text.split_once("232271828").unwrap();
            (format!("2271828{}", reference.get(..16).unwrap()), text.contains("0025007R"))
        })
        .collect()
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
    let completion = house.happens(&[Record::Stored(Arc::new(of(6, today, 220)))]);
    let unheard = house.happens(&[Record::Sent(Arc::new(of(7, today, 200)))]);
    house.happens(&[Record::Over { txn: unheard, at: house.at, why: Unanswered::Deadline }]);
    house.is_reversed(unheard);
    let later = house.pays(of(8, tomorrow, 200), Verdict::Approved, b"00");
    let settings = Settings {
        blocked: false,
        acquirer_bin: Digits::new("271828").unwrap(),
        ..Settings::default()
    };
    let out = home.path().join("clearing");
    let first = order(&out, settings);
    let refused = write_files(&mut house.books, &first).unwrap_err();
    assert!(matches!(refused, CutError::NotCut { .. }), "nothing is written of a day that is open");
    house.is_cut(today);
    write_files(&mut house.books, &first).unwrap();
    let written = contents(&out);
    let file = |name: &str| fs::read(out.join(name)).unwrap();
    let numbers = |claims: Vec<(String, bool)>| -> Vec<_> {
        claims
            .into_iter()
            .map(|(text, back)| (text.get(11..22).unwrap().parse::<u64>().unwrap(), back))
            .collect()
    };
    let claims = claimed(&file("clearing-bank-a-2026-11-23.ipm"));
    let expected = [(sale.0, false), (regretted.0, false), (completion.0, false)];
    assert_eq!(numbers(claims.clone()), expected);

    // What comes after the cut changes nothing of the day, and is taken back on the next.
    house.is_reversed(regretted);
    write_files(&mut house.books, &first).unwrap();
    assert_eq!(contents(&out), written);
    house.is_cut(tomorrow);
    let second = Order { date: tomorrow, ..first.clone() };
    write_files(&mut house.books, &second).unwrap();
    let next = claimed(&file("clearing-bank-a-2026-11-24.ipm"));
    assert_eq!(numbers(next.clone()), [(regretted.0, true), (later.0, false)]);
    assert_eq!(next[0].0, claims[1].0, "a claim is taken back under its own reference");

    // Books that are built again from the journal make the same files.
    let again = home.path().join("again");
    let mut rebuilt = Books::open(&again, Arc::new(Keys::new(&[7; 32]))).unwrap();
    rebuilt.follow(&mut Reader::open(&home.path().join("journal"))).unwrap();
    for order in [&first, &second] {
        let directory = again.join("clearing");
        write_files(&mut rebuilt, &Order { directory, ..order.clone() }).unwrap();
    }
    assert_eq!(contents(&again.join("clearing")), contents(&out));

    // Without the right key nothing is written, rather than a file without its presentments.
    drop(rebuilt);
    let mut locked = Books::open(&again, Arc::new(Keys::new(&[8; 32]))).unwrap();
    let refused = write_files(&mut locked, &Order { directory: home.path().join("none"), ..first });
    assert!(matches!(refused, Err(CutError::Clearing(ClearingError::Card { .. }))));
    assert!(listed(&home.path().join("none")).is_empty());
}
