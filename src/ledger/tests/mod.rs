//! What the ledger promises: stories in a small world, with journal, books and ledger in one directory.

mod cuts;
mod histories;
mod increments;
mod refunds;
mod reports;
mod steps;
mod twice;
mod undone;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::books::Books;
use crate::clearing::{Charset, Checker, FeeTable, IpmRecord, Settings, read, records};
use crate::iso::{BusinessDate, ElementNo, Elements, Mti, Pan, ResponseCode, Stan, Wall};
use crate::journal::{self, Commit, Journal, Reader};
use crate::record::{
    self, Card, LinkId, Lsn, Reason, Record, Secret, Sent, Trace, TxnId, Undo, Verdict,
};
use crate::seal::Tag;

/// 2026-11-23T18:34:00Z.
const AT: Wall = Wall(1_795_458_840_000);

const BANKS: [&str; 2] = ["bank-a", "bank-b"];

/// Journal, books and ledger of one state directory.
struct World {
    home: PathBuf,
    journal: Journal,
    reader: Reader,
    books: Books,
    ledger: Ledger,
    today: BusinessDate,
    fees: FeeTable,
}

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&[7; 32]))
}

/// What a request says.
#[derive(Clone, Copy)]
struct Ask<'a> {
    bank: usize,
    mti: u16,
    code: &'a str,
    amount: u64,
    currency: &'a str,
    completes: Option<TxnId>,
}

const SALE: Ask<'_> =
    Ask { bank: 0, mti: 200, code: "000000", amount: 1_000, currency: "978", completes: None };
const HOLD: Ask<'_> = Ask { mti: 100, ..SALE };

impl World {
    fn new(home: &Path) -> Self {
        let settings = journal::Settings { directory: home.join("journal"), retention_days: 7 };
        let (journal, _) = Journal::open(&settings).unwrap();
        let reader = Reader::open(&settings.directory);
        let books = Books::open(home, keys()).unwrap();
        let ledger = Ledger::open(home, keys()).unwrap();
        let (home, today, fees) = (home.to_owned(), AT.date(), FeeTable::default());
        let world = Self { home, journal, reader, books, ledger, today, fees };
        world.ledger.is_beside(world.beside(AT)).unwrap();
        world
    }

    /// The ledger of another process.
    fn restarts(&mut self) {
        self.ledger = Ledger::open(&self.home, keys()).unwrap();
        assert!(!self.ledger.is_beside(self.beside(AT)).unwrap());
    }

    fn beside(&self, now: Wall) -> Beside {
        Beside { end: Lsn(self.journal.next().0 - 1), day: self.today, now }
    }

    /// Somebody lost the ledger, and another one is begun.
    fn loses_its_ledger(&mut self, now: Wall) {
        for file in ["clearing.db", "clearing.db-wal", "clearing.db-shm"] {
            drop(fs::remove_file(self.home.join(file)));
        }
        self.ledger = Ledger::open(&self.home, keys()).unwrap();
        assert!(self.ledger.is_beside(self.beside(now)).unwrap());
    }

    fn happens(&mut self, record: &Record) -> TxnId {
        let first = self.journal.next();
        let mut blob = Vec::new();
        record::encode(record, first, &keys(), &mut blob);
        let commit = Commit { first, count: 1, carry: false, day: AT.date().0, blob };
        self.journal.commit(&commit).unwrap();
        self.books.follow(&mut self.reader).unwrap();
        TxnId(first.0)
    }

    /// A request that its issuer approves. Cards tell whose they are.
    fn approved(&mut self, ask: Ask<'_>) -> TxnId {
        let sent = self.sent(ask);
        let txn = self.happens(&Record::Sent(Arc::new(sent)));
        let mut added = Elements::default();
        added.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
        added.set(ElementNo::RESPONSE_CODE, b"00");
        let verdict = Verdict::Approved;
        self.happens(&Record::Answered { txn, at: AT, verdict, added: Arc::new(added) });
        txn
    }

    /// What it is written down as.
    fn sent(&self, ask: Ask<'_>) -> Sent {
        let number = self.journal.next().0;
        let card = format!("5413330{}{number:08}", ask.bank);
        let pan = Pan::new(card.as_bytes()).unwrap();
        let mut elements = Elements::default();
        for (no, value) in [
            (3, ask.code.to_owned()),
            (4, format!("{:012}", ask.amount)),
            (12, "193400".to_owned()),
            (13, "1123".to_owned()),
            (18, "5411".to_owned()),
            (37, format!("632718{number:06}")),
            (41, "TERM0001".to_owned()),
            (42, format!("SHOP {:10}", number % 3)),
            (43, format!("{:22} {:13} FRA", "CORNER SHOP", "NIMES")),
            (49, ask.currency.to_owned()),
        ] {
            elements.set(ElementNo::of(no), value.as_bytes());
        }
        Sent {
            asker: LinkId::of_name("shop"),
            key: Tag(number.into()),
            content: Tag(number.into()),
            mti: Mti::new(ask.mti).unwrap(),
            issuer: LinkId::of_name(BANKS[ask.bank]),
            trace: Trace::default(),
            date: self.today,
            at: AT,
            card: Some(Card { masked: pan.masked(), token: Tag(1), secret: Secret::Clear(pan) }),
            elements,
            completes: ask.completes,
            named: None,
            declined: false,
        }
    }

    fn is_reversed(&mut self, txn: TxnId) {
        let stan = Stan::new(u32::try_from(txn.0).unwrap()).unwrap();
        let trace = Trace { stan, ..Trace::default() };
        self.happens(&Record::Owed { txn, at: AT, trace, reason: Reason::Undelivered });
    }

    /// Its asker takes it back, and its issuer is owed that.
    fn is_undone(&mut self, txn: TxnId) {
        self.happens(&Record::Undone(Self::undo(txn)));
        let reason = Reason::Asked;
        self.happens(&Record::Owed { txn, at: AT, trace: Trace::default(), reason });
    }

    /// A partial reversal leaves so much.
    fn is_lowered(&mut self, txn: TxnId, amount: u64) {
        let undo = Self::undo(txn);
        self.happens(&Record::Lowered { undo, amount, trace: Trace::default() });
    }

    fn undo(txn: TxnId) -> Arc<Undo> {
        Arc::new(Undo {
            asker: LinkId::of_name("shop"),
            key: Tag(u128::MAX),
            content: Tag(u128::MAX),
            mti: Mti::new(400).unwrap(),
            original_key: Tag(txn.0.into()),
            original: Some(txn),
            of_advice: false,
            says_all: true,
            at: AT,
            code: ResponseCode::APPROVED,
        })
    }

    /// The day ends in the journal, and the next begins.
    fn day_ends(&mut self) -> BusinessDate {
        let date = self.today;
        self.happens(&Record::Cut { date, at: AT });
        self.today = date.next();
        date
    }

    /// A merchant's claim that was accepted.
    fn claims(&self, claim: Claim<'_>) -> i64 {
        let sql = "INSERT INTO claims (submission, seq, place, merchant, terminal, op, reference, amount, currency, local, mcc,
                final, tip, digest, state, txn, original)
            VALUES (1, 1, 1, 'SHOP 7', 'TERM0007', ?, 'r' || (SELECT count(*) FROM claims), ?, ?, '2026-11-22T13:45:10', '5812', ?, 0, x'', 'accepted', ?, ?)";
        let txn = claim.txn.map(|txn| txn.0.cast_signed());
        let values = (claim.op, claim.amount, claim.currency, claim.is_final, txn, claim.original);
        self.ledger.connection.execute(sql, values).unwrap();
        let id = self.ledger.connection.last_insert_rowid();
        self.ledger.connection.execute("INSERT INTO to_cut VALUES (?)", [id]).unwrap();
        id
    }

    fn outgoing(&self) -> Outgoing {
        let names = BANKS.map(|name| (LinkId::of_name(name), name.to_owned())).into();
        let settings = Settings { blocked: false, ..Settings::default() };
        let directory = self.home.join("clearing");
        Outgoing { directory, settings, by_issuer: BTreeMap::new(), fees: self.fees.clone(), names }
    }

    fn order(&self, asked: Asked) -> Order {
        Order { asked, now: AT, outgoing: self.outgoing() }
    }

    fn cut(&mut self, asked: Asked) -> Result<Option<CutReport>, CutError> {
        let report = self.ledger.cut(&self.order(asked))?;
        if let Some(report) = &report {
            self.is_as_its_rows_say(report.cycle);
        }
        Ok(report)
    }

    /// What was written while a cut was gathered is what is written from its rows.
    fn is_as_its_rows_say(&mut self, cycle: Cycle) {
        let seen = self.seen();
        self.ledger.cut(&self.order(Asked::Again(cycle))).unwrap();
        assert!(self.seen() == seen, "{cycle} was written otherwise");
    }

    /// Every file that can be seen, with its contents.
    fn seen(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.home.join("clearing")).into_iter().flatten();
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
        };
        entries.map(file).filter(|(name, _)| !name.starts_with('.')).collect()
    }

    /// The presentments of a file; the whole is in order.
    fn lines(&self, name: &str) -> Vec<Said> {
        let bytes = fs::read(self.home.join("clearing").join(name)).unwrap();
        said(&bytes)
    }

    /// A number that the ledger knows.
    fn asks<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.ledger.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

/// A claim as a test makes it.
#[derive(Clone, Copy)]
struct Claim<'a> {
    op: &'a str,
    amount: i64,
    currency: &'a str,
    is_final: bool,
    txn: Option<TxnId>,
    original: Option<i64>,
}

impl Claim<'_> {
    const fn of(txn: TxnId, amount: i64) -> Self {
        let (op, currency, is_final) = ("capture", "978", true);
        Self { op, amount, currency, is_final, txn: Some(txn), original: None }
    }
}

/// What a record of a file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    card: String,
    code: String,
    amount: i64,
    function: String,
    reason: String,
    reference: String,
    merchant: String,
    back: Option<String>,
}

fn said(bytes: &[u8]) -> Vec<Said> {
    let mut checker = Checker::default();
    let mut lines = Vec::new();
    for bytes in records(bytes).unwrap() {
        let record = read(bytes, Charset::Latin1).unwrap();
        checker.record(&record, |fault| panic!("{fault}"));
        if record.mti == *b"1240" {
            lines.push(Said::of(&record));
        }
    }
    assert_eq!((checker.end(), checker.files()), (None, 1));
    lines
}

impl Said {
    fn of(record: &IpmRecord) -> Self {
        let text = |bytes: Option<&[u8]>| bytes.unwrap_or_default().escape_ascii().to_string();
        let get = |no| text(record.elements.get(ElementNo::of(no)));
        Self {
            card: get(2),
            code: get(3),
            amount: get(4).parse().unwrap(),
            function: get(24),
            reason: get(25),
            reference: get(31),
            merchant: get(42).trim_end().to_owned(),
            back: record.part(25).map(|part| text(Some(part))),
        }
    }
}
