//! The books against a model: random stories, followed in steps of every size, with restarts in between.

mod days;
mod groups;
mod lives;
mod rulings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clearing::{Capture, Kind, claims};
use crate::iso::{Class, ElementNo, Elements, Mti, Pan, ResponseCode, Transmission, Wall};
use crate::journal::{Commit, Journal, Reader, Settings};
use crate::record::{
    self, Card, Closing, DebtState, LinkId, Opening, Outcome, Owing, Reason, Record, Secret, Sent,
    Standing, Trace, Unanswered, Undo, Verdict,
};
use crate::seal::Tag;
use crate::tranlog::{self, Ask, Found, Tranlog};

const DAY: u32 = 20_780;

/// A journal that grows at random, and what the books should say of it.
struct Story {
    journal: Journal,
    keys: Arc<Keys>,
    log: Tranlog,
    random: u64,
    next: Lsn,
    commit: Commit,
    at: Wall,
    date: BusinessDate,
    standings: BTreeMap<TxnId, Standing>,
    /// The pairs of requests that went elsewhere.
    spent: Vec<(LinkId, Class, Trace)>,
    /// For how much each is claimed.
    claimed: BTreeMap<TxnId, u64>,
    taken_back: BTreeSet<TxnId>,
    clearings: BTreeMap<BusinessDate, Vec<(TxnId, Kind, u64)>>,
    orphans: Vec<Lsn>,
}

impl Story {
    fn new(directory: &Path, seed: u64) -> Self {
        let settings = Settings { directory: directory.join("journal"), retention_days: 100 };
        let window = tranlog::Settings {
            window_ms: u64::MAX,
            entries_max: usize::MAX,
            untimed: BTreeSet::new(),
        };
        let mut story = Self {
            journal: Journal::open(&settings).unwrap().0,
            keys: Arc::new(Keys::new(&[7; 32])),
            log: Tranlog::new(window),
            random: seed * 2 + 1,
            next: Lsn(1),
            commit: Commit { first: Lsn(1), day: DAY, ..Commit::default() },
            at: Wall(u64::from(DAY) * 86_400_000),
            date: BusinessDate(DAY),
            standings: BTreeMap::new(),
            spent: Vec::new(),
            claimed: BTreeMap::new(),
            taken_back: BTreeSet::new(),
            clearings: BTreeMap::new(),
            orphans: Vec::new(),
        };
        story.carry();
        let date = story.date;
        story.push(&Record::Opened { date, at: story.at });
        story
    }

    fn pick(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 11).unwrap() % below
    }

    fn one(&mut self, wanted: impl Fn(&Standing) -> bool) -> Option<TxnId> {
        let all: Vec<_> =
            self.standings.values().filter(|standing| wanted(standing)).map(|one| one.id).collect();
        if all.is_empty() { None } else { Some(all[self.pick(all.len())]) }
    }

    fn push(&mut self, record: &Record) {
        let lsn = self.next;
        if record.opens() {
            self.standings.insert(TxnId(lsn.0), tranlog::opened(TxnId(lsn.0), record).unwrap());
        }
        for txn in record.changes() {
            tranlog::fold(self.standings.get_mut(&txn).unwrap(), lsn, record);
        }
        self.log.apply(record);
        record::encode(record, lsn, &self.keys, &mut self.commit.blob);
        self.commit.count += 1;
        self.next = Lsn(lsn.0 + 1);
        self.at.0 += 7;
    }

    fn durable(&mut self) {
        if self.commit.count > 0 {
            let next = Commit { first: self.next, day: self.at.date().0, ..Commit::default() };
            let commit = std::mem::replace(&mut self.commit, next);
            self.journal.commit(&commit).unwrap();
        }
    }

    fn carry(&mut self) {
        self.durable();
        for record in self.log.carry(self.at) {
            self.push(&record);
        }
        self.commit.carry = true;
        self.commit.day = self.at.date().0;
        self.durable();
    }

    fn owe(&mut self, txn: TxnId, reason: Reason) {
        let issuer = self.standings[&txn].sent().unwrap().issuer;
        let trace = self.log.fresh_trace(issuer, Class::Reversal, self.at).unwrap();
        self.push(&Record::Owed { txn, at: self.at, trace, reason });
    }

    fn sent(&mut self) -> Arc<Sent> {
        let pan = Pan::new(format!("54133300000{:05}", self.pick(100_000)).as_bytes()).unwrap();
        let class = [Class::Financial, Class::Financial, Class::Authorization][self.pick(3)];
        let issuer = LinkId([11, 22, u32::MAX][self.pick(3)]);
        let mut elements = Elements::default();
        let code = ["000000", "200000", "310000", "010000"][self.pick(4)];
        let amount = format!("{:012}", self.pick(1_000_000));
        for (no, value) in
            [(3, code), (4, &amount), (37, "123456789012"), (41, "T1  "), (42, "SHOP"), (49, "978")]
        {
            elements.set(ElementNo::of(no), value.as_bytes());
        }
        Arc::new(Sent {
            asker: LinkId(5),
            key: Tag(u128::from(self.next.0) * 0x9e37_79b9_7f4a_7c15_f39c_0c1d),
            content: Tag(1),
            mti: Mti::new(if class == Class::Financial { 200 } else { 100 }).unwrap(),
            issuer,
            trace: self.log.fresh_trace(issuer, class, self.at).unwrap(),
            date: self.date,
            at: self.at,
            card: Some(Card { masked: pan.masked(), token: Tag(9), secret: Secret::Clear(pan) }),
            elements,
            completes: None,
            named: None,
            declined: false,
        })
    }

    fn answer(&mut self, txn: TxnId) {
        let verdict =
            [Verdict::Approved, Verdict::Approved, Verdict::Declined, Verdict::Mismatched]
                [self.pick(4)];
        let mut added = Elements::default();
        let code: &[u8] = match verdict {
            Verdict::Approved if self.pick(5) == 0 => {
                added.set(ElementNo::AMOUNT, b"000000000077");
                b"10"
            }
            Verdict::Approved => b"00",
            Verdict::Declined => b"05",
            Verdict::Mismatched => b"??",
        };
        added.set(ElementNo::RESPONSE_CODE, code);
        self.push(&Record::Answered { txn, at: self.at, verdict, added: Arc::new(added) });
        if verdict == Verdict::Mismatched {
            self.owe(txn, Reason::Mismatched);
        }
    }

    fn reroute(&mut self, txn: TxnId) {
        let sent = Arc::clone(self.standings[&txn].sent().unwrap());
        let issuer = LinkId([11, 22, u32::MAX][self.pick(3)]);
        let trace = self.log.fresh_trace(issuer, sent.mti.class(), self.at).unwrap();
        self.spent.push((sent.issuer, sent.mti.class(), sent.trace));
        self.push(&Record::Rerouted { txn, at: self.at, issuer, trace });
    }

    /// Its deadline passes: it is reversed, or approved in its issuer's place by an advice that names it.
    fn end(&mut self, txn: TxnId) {
        if self.pick(3) == 0 {
            let sent = Arc::clone(self.standings[&txn].sent().unwrap());
            let trace = self.log.fresh_trace(sent.issuer, sent.mti.class(), self.at).unwrap();
            let mut added = Elements::default();
            added.set(ElementNo::APPROVAL_CODE, &trace.stan.ascii());
            added.set(ElementNo::RESPONSE_CODE, b"00");
            let added = Arc::new(added);
            return self.push(&Record::StoodInMatched { txn, at: self.at, trace, added });
        }
        self.push(&Record::Over { txn, at: self.at, why: Unanswered::Deadline });
        self.owe(txn, Reason::Unanswered);
    }

    fn undo(&mut self) {
        let original = if self.pick(4) == 0 {
            None
        } else {
            self.one(|one| one.sent().is_some() && one.undone_by.is_none())
        };
        let key = Tag(u128::from(self.next.0) << 70 | 1);
        let original_key = match original {
            Some(txn) => self.standings[&txn].sent().unwrap().key,
            None => Tag(u128::from(self.next.0) << 71 | 2),
        };
        self.push(&Record::Undone(Arc::new(Undo {
            asker: LinkId(5),
            key,
            content: Tag(2),
            mti: Mti::new(420).unwrap(),
            original_key,
            original,
            of_advice: false,
            says_all: true,
            code: ResponseCode::APPROVED,
            at: self.at,
        })));
        let Some(txn) = original else { return };
        if self.standings[&txn].outcome == Outcome::InFlight {
            self.push(&Record::Over { txn, at: self.at, why: Unanswered::Reversed });
        }
        if self.standings[&txn].reversal.is_none() {
            self.owe(txn, Reason::Asked);
        }
    }

    /// An approval is lowered, or one that was lowered is undone by a late one.
    fn lower(&mut self) {
        let late = self.pick(3) == 0;
        let Some(txn) = self.one(|one| {
            let fits = one.granted().is_some_and(|granted| granted > 1);
            one.stands_approved() && one.lowered.is_some() == late && fits
        }) else {
            return;
        };
        if late {
            return self.owe(txn, Reason::Late);
        }
        let standing = &self.standings[&txn];
        let (sent, granted) = (Arc::clone(standing.sent().unwrap()), standing.granted().unwrap());
        let undo = Undo {
            asker: LinkId(5),
            key: Tag(u128::from(self.next.0) << 70 | 3),
            content: Tag(2),
            mti: Mti::new(420).unwrap(),
            original_key: sent.key,
            original: Some(txn),
            of_advice: false,
            says_all: true,
            code: ResponseCode::APPROVED,
            at: self.at,
        };
        let below = usize::try_from(granted).unwrap() - 1;
        let amount = u64::try_from(1 + self.pick(below)).unwrap();
        let trace = self.log.fresh_trace(sent.issuer, Class::Reversal, self.at).unwrap();
        self.push(&Record::Lowered { undo: Arc::new(undo), amount, trace });
    }

    /// Something that can happen, happens.
    fn step(&mut self) {
        let in_flight = |one: &Standing| one.outcome == Outcome::InFlight;
        match self.pick(19) {
            0..=3 => {
                let sent = self.sent();
                self.push(&Record::Sent(sent));
            }
            4..=6 => drop(self.one(in_flight).map(|txn| self.answer(txn))),
            7 => drop(self.one(in_flight).map(|txn| self.end(txn))),
            8 | 9 => {
                let untold =
                    |one: &Standing| matches!(one.outcome, Outcome::Answered { .. }) && !one.told;
                let txns = self.one(untold).into_iter().collect();
                self.push(&Record::Told { txns });
            }
            10 => {
                if let Some(txn) = self.one(|one| matches!(one.outcome, Outcome::Over { .. })) {
                    let approved = self.pick(2) == 0;
                    self.push(&Record::Late { txn, at: self.at, approved });
                    if approved {
                        self.owe(txn, Reason::Late);
                    }
                }
            }
            11 | 12 => self.close(),
            13 => self.undo(),
            16 => self.rule(),
            17 => drop(self.one(in_flight).map(|txn| self.reroute(txn))),
            18 => self.lower(),
            14 => {
                let mut sent = (*self.sent()).clone();
                let class = sent.mti.class();
                sent.mti = Mti::new(if class == Class::Financial { 221 } else { 120 }).unwrap();
                if self.pick(4) == 0 {
                    // What was dated before the last cut clears with the next one.
                    sent.date.0 -= 4;
                }
                if self.pick(4) == 0 {
                    // No pair is given like this; the books need not believe it.
                    sent.trace.transmission.0 = u32::try_from(self.next.0).unwrap();
                }
                self.push(&Record::Stored(Arc::new(sent)));
            }
            _ => {
                let orphan = self.pick(2) == 0;
                if orphan {
                    self.orphans.push(self.next);
                }
                let (link, mti) = (LinkId(22), Mti::new(210).unwrap());
                self.push(&Record::Unmatched {
                    link,
                    at: self.at,
                    mti,
                    trace: None,
                    approved: true,
                    orphan,
                });
            }
        }
        if self.pick(3) == 0 {
            self.durable();
        }
    }

    fn close(&mut self) {
        let owing = [Owing::Advice, Owing::Reversal][self.pick(2)];
        let Some(txn) = self.one(|one| one.open_debt(owing).is_some()) else { return };
        let trace = self.standings[&txn].open_debt(owing).unwrap().trace;
        let closing =
            [Closing::Final, Closing::Final, Closing::Provisional, Closing::Dead][self.pick(4)];
        let code = (closing != Closing::Dead).then_some(ResponseCode::APPROVED);
        self.push(&Record::Closed { txn, at: self.at, owing, trace, closing, code });
    }

    /// The day ends: nothing of it is in flight, and what stands clears.
    fn cut(&mut self) {
        let date = self.date;
        self.date = BusinessDate(date.0 + 1 + u32::try_from(self.pick(3)).unwrap());
        self.push(&Record::Opened { date: self.date, at: self.at });
        let sent = self.sent();
        self.push(&Record::Sent(sent));
        while let Some(txn) =
            self.one(|one| one.outcome == Outcome::InFlight && one.date() == Some(date))
        {
            self.end(txn);
        }
        let mut clearing = Vec::new();
        for standing in self.standings.values() {
            let txn = standing.id;
            let amount = standing.lowered.or_else(|| standing.granted()).unwrap_or(0);
            if let Some(claimed) = self.claimed.get_mut(&txn) {
                let before = std::mem::replace(claimed, amount);
                if !claims(standing) && self.taken_back.insert(txn) {
                    // Lowered just before or not: all that is still claimed, at once.
                    clearing.push((txn, Kind::Opposite, before));
                } else if amount < before {
                    clearing.push((txn, Kind::Opposite, before - amount));
                }
            } else if claims(standing) && standing.date() <= Some(date) {
                self.claimed.insert(txn, amount);
                clearing.push((txn, Kind::Presentment, amount));
            }
        }
        clearing.sort_unstable();
        self.clearings.insert(date, clearing);
        self.push(&Record::Cut { date, at: self.at });
        if self.pick(2) == 0 {
            self.step();
        }
        self.durable();
    }

    /// Some days.
    fn run(&mut self, mut pause: impl FnMut()) {
        for turn in 1..=600_u32 {
            self.step();
            pause();
            if turn % 100 == 0 {
                self.carry();
            }
            if turn % 150 == 0 {
                self.cut();
                self.at.0 += 86_400_000;
                pause();
            }
        }
        self.durable();
        pause();
    }

    /// The books say what the model says.
    fn check(&self, books: &Books) {
        assert_eq!(books.position().0 + 1, self.next.0);
        for standing in self.standings.values() {
            assert_eq!(books.standing(standing.id).unwrap().as_ref(), Some(&clear_less(standing)));
            let keys = match &standing.opening {
                Opening::Request(sent) | Opening::Advice(sent) => vec![sent.key],
                // Half of each of these keys is the same.
                Opening::Reversal(undo) if undo.original.is_none() => {
                    vec![undo.key, undo.original_key]
                }
                Opening::Reversal(undo) => vec![undo.key],
            };
            for key in keys {
                let found = books.lookup(&Ask::Key(key)).unwrap().standing().map(|one| one.id);
                assert_eq!(found, Some(standing.id));
            }
            let Some(sent) = standing.sent() else { continue };
            let reversal = standing.reversal.as_ref().map(|debt| (Class::Reversal, debt.trace));
            // What is matched has a pair of its own for the advice.
            let advice = standing.advice.as_ref().map(|debt| (sent.mti.class(), debt.trace));
            let pairs = [(sent.mti.class(), sent.trace)].into_iter().chain(reversal).chain(advice);
            for (class, trace) in pairs {
                let found = books.lookup(&Ask::Trace { link: sent.issuer, class, trace }).unwrap();
                assert_eq!(found.standing().map(|one| one.id), Some(standing.id));
            }
        }
        for (link, class, trace) in self.spent.iter().copied() {
            assert_eq!(books.lookup(&Ask::Trace { link, class, trace }).unwrap(), Found::Nothing);
        }
        check_nowhere(books);
        for (date, clearing) in &self.clearings {
            let mut found = Vec::new();
            captures::members(&books.connection, *date, |member| {
                let capture = Capture::of(&member.standing, member.part, &self.keys).unwrap();
                let amount = u64::try_from(capture.amount().minor).unwrap();
                found.push((member.standing.id, member.kind, amount));
                Ok::<_, BooksError>(true)
            })
            .unwrap();
            // A day claims or takes back each transaction once.
            assert_eq!(found.iter().map(|one| one.0).collect::<BTreeSet<_>>().len(), found.len());
            found.sort_unstable();
            assert!(found.iter().eq(clearing), "{date}");
        }
        let ids = |standings: Vec<Standing>| -> BTreeSet<_> {
            standings.iter().map(|one| one.id).collect()
        };
        let model = |wanted: &dyn Fn(&Standing) -> bool| -> BTreeSet<_> {
            self.standings.values().filter(|one| wanted(one)).map(|one| one.id).collect()
        };
        let listed = |one: &Standing| {
            let settled =
                |state| matches!(state, DebtState::Closed(Closing::Final | Closing::WrittenOff));
            [&one.advice, &one.reversal].into_iter().flatten().any(|debt| !settled(debt.state))
        };
        assert_eq!(ids(books.owed(u32::MAX).unwrap()), model(&listed));
        let unknown = |one: &Standing| {
            let approved =
                matches!(&one.outcome, Outcome::Answered { verdict: Verdict::Approved, .. });
            approved && !one.told && !one.is_undone()
        };
        assert_eq!(
            ids(books.delivery_unknown(Wall(u64::MAX >> 1), u32::MAX).unwrap()),
            model(&unknown)
        );
        let orphans: Vec<_> =
            books.orphans(u32::MAX).unwrap().iter().map(|orphan| orphan.lsn).collect();
        assert_eq!(orphans, self.orphans);
    }
}

/// What never was is not found, also where half of a key, or all that lies around a pair, is there.
fn check_nowhere(books: &Books) {
    for nowhere in [Tag(1), Tag(2), Tag(3)] {
        assert_eq!(books.lookup(&Ask::Key(nowhere)).unwrap(), Found::Nothing);
    }
    for link in [LinkId(11), LinkId(33)] {
        let trace = Trace { transmission: Transmission(u32::MAX), ..Trace::default() };
        for trace in [trace, Trace::default()] {
            let ask = Ask::Trace { link, class: Class::Financial, trace };
            assert_eq!(books.lookup(&ask).unwrap(), Found::Nothing);
        }
    }
}

/// The standing as it is read back: its card sealed.
fn clear_less(standing: &Standing) -> Standing {
    let keys = Keys::new(&[7; 32]);
    let lsn = Lsn(standing.id.0);
    let mut bytes = Vec::new();
    record::encode(&Record::Carried(Box::new(standing.clone())), lsn, &keys, &mut bytes);
    let (Record::Carried(read), _) = record::decode(&bytes, lsn).unwrap() else {
        panic!("another kind")
    };
    *read
}

fn open(directory: &Path, name: &str) -> (Books, Reader) {
    let books = Books::open(&directory.join(name), Arc::new(Keys::new(&[7; 32]))).unwrap();
    (books, Reader::open(&directory.join("journal")))
}

fn follow_all(books: &mut Books, reader: &mut Reader) {
    while books.follow(reader).unwrap().records > 0 {}
}

/// Every row of every table that does not depend on how the journal came in batches.
fn dump(books: &Books) -> Vec<String> {
    let mut rows = Vec::new();
    for table in [
        "state",
        "transactions",
        "traces",
        "orphans",
        "(SELECT date, previous, lsn, at FROM cuts)",
        "captures",
        "batches",
        "positions",
    ] {
        let mut ask = books.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = ask.column_count();
        let mut found = ask.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values: Vec<_> =
                (0..columns).map(|at| format!("{:?}", row.get_ref(at).unwrap())).collect();
            rows.push(format!("{table} {}", values.join("|")));
        }
    }
    rows
}

#[test]
fn the_books_say_what_happened_however_they_follow() {
    let mut kinds = Vec::new();
    for seed in 1..=3 {
        let scratch = tempfile::tempdir().unwrap();
        let mut story = Story::new(scratch.path(), seed);
        let (mut step, mut reader) = open(scratch.path(), "step by step");
        let mut turn = 0;
        story.run(|| {
            // As the daemon follows: at any moment, now and then after a restart.
            turn += 1;
            if turn % 3 == 0 {
                step.follow(&mut reader).unwrap();
            }
            if turn % 50 == 0 {
                (step, reader) = open(scratch.path(), "step by step");
            }
        });
        follow_all(&mut step, &mut reader);
        story.check(&step);
        let books = dump(&step);
        kinds.extend(story.clearings.values().flatten().map(|(_, kind, _)| *kind));
        // The file is lost: the journal builds an equal one.
        let (mut again, mut reader) = open(scratch.path(), "again");
        follow_all(&mut again, &mut reader);
        assert!(dump(&again) == books, "seed {seed}");
    }
    let opposites = kinds.iter().filter(|kind| **kind == Kind::Opposite).count();
    assert!(opposites > 5 && kinds.len() > 50 + opposites);
}

#[test]
fn books_that_are_built_late_know_what_is_open() {
    let scratch = tempfile::tempdir().unwrap();
    let mut story = Story::new(scratch.path(), 9);
    story.run(|| ());
    // The oldest file is gone, and with it what was closed in it.
    let journal = scratch.path().join("journal");
    let mut files: Vec<_> =
        std::fs::read_dir(&journal).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "db"));
    files.sort();
    std::fs::remove_file(&files[0]).unwrap();
    let (mut books, mut reader) = open(scratch.path(), "late");
    let since = reader.oldest().unwrap().unwrap();
    assert!(since > Lsn(1));
    follow_all(&mut books, &mut reader);
    for standing in story.standings.values().filter(|one| one.id.0 >= since.0 || one.is_open()) {
        assert_eq!(books.standing(standing.id).unwrap().as_ref(), Some(&clear_less(standing)));
    }
}

#[test]
fn a_step_that_fails_did_not_happen() {
    let scratch = tempfile::tempdir().unwrap();
    let mut story = Story::new(scratch.path(), 3);
    let (mut books, mut reader) = open(scratch.path(), "books");
    story.run(|| ());
    follow_all(&mut books, &mut reader);
    let before = dump(&books);
    story.step();
    // A record about a transaction that never was, in a commit with others that are in order.
    let (txn, at) = (TxnId(story.next.0 + 99), story.at);
    let record = Record::Over { txn, at, why: Unanswered::Deadline };
    record::encode(&record, story.next, &story.keys, &mut story.commit.blob);
    story.commit.count += 1;
    story.next.0 += 1;
    story.durable();
    for _ in 0..2 {
        let refused = books.follow(&mut reader);
        assert!(matches!(refused, Err(BooksError::Unknown { txn: unknown, .. }) if unknown == txn));
        assert!(dump(&books) == before);
    }
}
