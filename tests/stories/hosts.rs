//! Hosts that say what their day comes to: from the message through engine, journal, books and ledger to the answer.

use std::sync::Arc;

use iso8583d::books::Books;
use iso8583d::clearing::HostProfile;
use iso8583d::dialect::Dialect;
use iso8583d::iso::{Currency, ElementNo, Elements, Mti, Wall};
use iso8583d::journal::{self, Commit, Journal, Reader};
use iso8583d::ledger::{Ledger, Wanted};
use iso8583d::mapping::{self, Tongue};
use iso8583d::record::{Lsn, encode};
use iso8583d::seal::Keys;
use iso8583d::switch::{Input, Note, OwedTotals, Rate, Settings, TotalsAnswer, Why};

use super::desk::{BANK, Desk, SHOP, Seen, elements, only, purchase, reversal, settings, shop};

fn profile() -> HostProfile {
    HostProfile::usual(None)
}

/// The desk, and behind it what a daemon has there.
struct Town {
    desk: Desk,
    journal: Journal,
    reader: Reader,
    books: Books,
    ledger: Ledger,
    written: usize,
    /// How many days of the next totals cannot be added up.
    fails: usize,
    home: tempfile::TempDir,
}

impl Town {
    fn new() -> Self {
        Self::with(profile())
    }

    fn with(profile: HostProfile) -> Self {
        let mut with = settings();
        with.links[0].reconciliation = Some(Arc::new(profile));
        Self::of(with)
    }

    fn of(with: Settings) -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings =
            journal::Settings { directory: home.path().join("journal"), retention_days: 7 };
        let (journal, _) = Journal::open(&settings).unwrap();
        let books = Books::open(home.path(), keys()).unwrap();
        let reader = Reader::open(&settings.directory);
        let ledger = Ledger::open(home.path(), keys()).unwrap();
        Self { desk: Desk::with(with), journal, reader, books, ledger, written: 0, fails: 0, home }
    }

    /// The journal gets what happened, and the books follow.
    fn follow(&mut self) {
        let first = self.journal.next();
        let mut blob = Vec::new();
        let fresh = &self.desk.records[self.written..];
        for (lsn, record) in (first.0..).map(Lsn).zip(fresh) {
            assert_eq!(lsn, record.0);
            encode(&record.1, lsn, &keys(), &mut blob);
        }
        let count = u32::try_from(fresh.len()).unwrap();
        if count > 0 {
            let commit = Commit { first, count, carry: false, day: 20_780, blob };
            self.journal.commit(&commit).unwrap();
            self.books.follow(&mut self.reader).unwrap();
        }
        self.written = self.desk.records.len();
    }

    /// The shop is paid, and heard it.
    fn pays(&mut self, stan: u32, changes: &[(u8, &str)]) -> Seen {
        let mut asked = purchase(stan);
        for (no, value) in changes {
            asked.set(ElementNo::of(*no), value.as_bytes());
        }
        let mti = if changes.iter().any(|(no, _)| *no == 38) { 220 } else { 200 };
        let seen = self.desk.shop_sends(SHOP, mti, &asked);
        let sent = seen.iter().find(|seen| seen.session == BANK).unwrap().clone();
        self.desk.bank_answers(&sent, "00", &[]);
        sent
    }

    fn reverses(&mut self, stan: u32, own: u32) {
        let seen = self.desk.shop_sends(SHOP, 420, &reversal(stan, own));
        assert!(seen.iter().any(|seen| seen.mti == 430 && seen.code() == "00"));
    }

    /// The shop's host says what its day comes to; gives the answer once the ledger has looked.
    fn says(&mut self, mti: u16, totals: &Elements) -> Seen {
        let seen = self.desk.shop_sends(SHOP, mti, totals);
        if let Some(refused) = seen.first() {
            return refused.clone();
        }
        let question = self.desk.reconciliations.remove(0);
        // As the daemon does: the books follow at least as far as the engine wants.
        if self.books.position() < question.from {
            self.follow();
        }
        let now = Wall(1_795_458_840_000);
        let verdict =
            self.ledger.reconcile(shop(), &question.claim, &question.profile, now).unwrap();
        self.desk.seen.clear();
        self.desk.handle(Input::Reconciled { id: question.id, verdict });
        only(&self.desk.seen)
    }

    fn hears(&mut self, mti: u16, totals: &Elements) -> (String, String) {
        let told = self.says(mti, totals);
        (told.code(), told.text(66))
    }

    /// Open exceptions: what they say.
    fn exceptions(&self) -> Vec<String> {
        let ledger = rusqlite::Connection::open(self.home.path().join("clearing.db")).unwrap();
        let sql = "SELECT detail FROM exceptions WHERE closed IS NULL AND kind = 'reconciliation_differs'";
        let mut ask = ledger.prepare(sql).unwrap();
        ask.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// What a person is told of a reconciliation.
    fn explained(&self, number: i64) -> Vec<String> {
        let names = std::collections::BTreeMap::new();
        let steps = self.ledger.explain(&Wanted::Reconciliation(number), &names).unwrap();
        steps.unwrap().into_iter().map(|step| step.said).collect()
    }
}

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new(&[3; 32]))
}

/// Totals of a day: debits, their reversals, and credits; each how many and how much.
fn totals(stan: u32, day: &str, [debits, reversals, credits]: [(u64, i64); 3]) -> Elements {
    let net = credits.1 + reversals.1 - debits.1;
    elements(&[
        (7, "1123230000"),
        (11, &format!("{stan:06}")),
        (15, day),
        (50, "978"),
        (74, &format!("{:010}", credits.0)),
        (76, &format!("{:010}", debits.0)),
        (77, &format!("{:010}", reversals.0)),
        (86, &format!("{:016}", credits.1)),
        (88, &format!("{:016}", debits.1)),
        (89, &format!("{:016}", reversals.1)),
        (97, &format!("{}{:016}", if net < 0 { 'D' } else { 'C' }, net.abs())),
        (99, "123456"),
    ])
}

const NONE: (u64, i64) = (0, 0);

fn heard(code: &str, settled: &str) -> (String, String) {
    (code.to_owned(), settled.to_owned())
}

#[test]
fn totals_of_a_day_wait_for_books_that_have_what_their_host_was_told() {
    let mut town = Town::new();
    town.pays(1, &[]);
    town.follow();
    town.pays(2, &[]);
    // The books lack the second one as the totals come.
    let told = town.says(500, &totals(901, "1123", [(2, 2_000), NONE, NONE]));
    assert_eq!((told.mti, told.session), (510, SHOP));
    assert_eq!((told.code(), told.text(66)), heard("00", "1"));
    let texts = [7, 11, 15, 50, 97, 99].map(|no| told.text(no));
    assert_eq!(texts, ["1123230000", "000901", "1123", "978", "D0000000000002000", "123456"]);
    // The journal has nothing of it, and the ledger's answer is told once.
    assert_eq!(town.desk.records.len(), town.written);
}

#[test]
fn counts_and_amounts_are_compared_class_by_class() {
    let mut town = Town::new();
    town.pays(1, &[]);
    town.pays(2, &[(4, "000000000500")]);
    town.pays(3, &[(3, "200000"), (4, "000000000300")]);
    town.pays(4, &[(49, "840")]);
    let declined = only(&town.desk.shop_sends(SHOP, 200, &purchase(5)));
    town.desk.bank_answers(&declined, "51", &[]);
    let open = only(&town.desk.shop_sends(SHOP, 200, &purchase(6)));
    // An amount is wrong though every count is right; then the other way round; then a class.
    let mut stan = 900;
    for (said, expected) in [
        ([(2, 1_400), NONE, (1, 300)], heard("95", "2")),
        ([(3, 1_500), NONE, (1, 300)], heard("95", "2")),
        ([(2, 1_500), NONE, NONE], heard("95", "2")),
        ([(2, 1_500), (1, 100), (1, 300)], heard("95", "2")),
        ([(2, 1_500), NONE, (1, 300)], heard("00", "1")),
    ] {
        stan += 1;
        assert_eq!(town.hears(520, &totals(stan, "1123", said)), expected, "{said:?}");
    }
    // What has no amount is compared where it is said, and an advice counts as what it advises.
    town.desk.bank_answers(&open, "00", &[]);
    town.pays(7, &[(38, "A1B2C3")]);
    let day = [(4, 3_500), NONE, (1, 300)];
    let mut counted = totals(910, "1123", day);
    counted.set(ElementNo::of(81), b"0000000001");
    assert_eq!(town.hears(500, &counted), heard("95", "2"));
    let asked = only(&town.desk.shop_sends(SHOP, 100, &purchase(8)));
    town.desk.bank_answers(&asked, "00", &[]);
    counted.set(ElementNo::STAN, b"000911");
    assert_eq!(town.hears(500, &counted), heard("00", "1"));
    // The other currency is another reconciliation.
    let mut dollars = totals(912, "1123", [(1, 1_000), NONE, NONE]);
    dollars.set(ElementNo::of(50), b"840");
    assert_eq!(town.hears(500, &dollars), heard("00", "1"));
}

#[test]
fn a_repeat_hears_the_same_whatever_came_since() {
    let mut town = Town::new();
    town.pays(1, &[]);
    let first = totals(901, "1123", [(1, 1_000), NONE, NONE]);
    assert_eq!(town.hears(500, &first), heard("00", "1"));
    town.pays(2, &[]);
    town.follow();
    assert_eq!(town.hears(501, &first), heard("00", "1"), "its answer was lost");
    assert_eq!(town.hears(500, &first), heard("00", "1"), "the same once more");
    let lines = town.ledger.reconciliations(10).unwrap();
    assert_eq!(lines.len(), 1, "no second effect");
    // Another message under its name changes nothing either.
    assert_eq!(town.hears(500, &totals(901, "1123", [(2, 2_000), NONE, NONE])), heard("94", "3"));
    assert_eq!(town.ledger.reconciliations(10).unwrap(), lines);
    assert_eq!(town.hears(500, &totals(902, "1123", [(1, 1_000), NONE, NONE])), heard("95", "2"));
}

#[test]
fn a_difference_is_for_a_person_with_each_class_and_closes_when_the_totals_agree() {
    let mut town = Town::new();
    town.pays(1, &[]);
    town.pays(2, &[(4, "000000000500")]);
    let open = only(&town.desk.shop_sends(SHOP, 200, &purchase(3)));
    let mut said = totals(901, "1123", [(1, 1_000), NONE, NONE]);
    assert_eq!(town.hears(500, &said), heard("95", "2"));
    let listed = town.exceptions();
    assert_eq!(listed.len(), 1);
    let class = "debits: theirs 1 of 10.00 978, ours 2 of 15.00 978, difference -1 and -5.00 978";
    assert!(listed[0].contains(class), "{listed:?}");
    let told = town.explained(1).join("\n");
    assert!(told.contains(class), "{told}");
    assert!(told.contains("its answer is still waited for"), "{told}");
    assert!(told.contains("without it the two sides agree on debits"), "{told}");
    // The same difference once more is the same matter; agreement closes it.
    said.set(ElementNo::STAN, b"000902");
    assert_eq!(town.hears(500, &said), heard("95", "2"));
    assert_eq!(town.exceptions().len(), 1);
    town.desk.bank_answers(&open, "05", &[]);
    let right = totals(903, "1123", [(2, 1_500), NONE, NONE]);
    assert_eq!(town.hears(500, &right), heard("00", "1"));
    assert_eq!(town.exceptions(), Vec::<String>::new());
    let lines = town.ledger.reconciliations(10).unwrap();
    let settled: Vec<_> = lines.iter().map(|line| line.settled.as_str()).collect();
    assert_eq!(settled, ["in_balance", "out_of_balance", "out_of_balance"]);
    assert_eq!((lines[1].differs[0].class.as_str(), lines[1].differs[0].own_count), ("debits", 2));
}

#[test]
fn a_reversal_counts_on_its_own_day() {
    let mut town = Town::new();
    town.pays(1, &[]);
    town.pays(2, &[]);
    town.pays(3, &[]);
    town.reverses(1, 701);
    // What nobody can have heard, and the switch took back, is in no totals.
    let lost = only(&town.desk.shop_sends(SHOP, 200, &purchase(4)));
    let told = only(&town.desk.bank_answers(&lost, "00", &[]));
    town.desk.down(SHOP, vec![told.mark]);
    town.desk.up(SHOP, shop());
    // Its host reverses that, too, and has neither of the two.
    town.reverses(4, 704);
    let first = [(3, 3_000), (1, 1_000), NONE];
    assert_eq!(town.hears(500, &totals(901, "1123", first)), heard("00", "1"));
    town.desk.orders_cut();
    town.reverses(2, 702);
    let mut lowers = reversal(3, 703);
    lowers.set(ElementNo::of(95), format!("{:012}{:030}", 400, 0).as_bytes());
    town.desk.shop_sends(SHOP, 420, &lowers);
    town.pays(5, &[]);
    assert_eq!(town.hears(500, &totals(902, "1123", first)), heard("00", "1"), "it was cut so");
    let second = [(1, 1_000), (2, 1_600), NONE];
    assert_eq!(town.hears(500, &totals(903, "1124", second)), heard("00", "1"));
    // A day that the books know nothing of, and one that has not begun.
    assert_eq!(town.hears(500, &totals(904, "1101", [NONE; 3])), heard("77", "3"));
    assert_eq!(town.says(500, &totals(905, "1125", [NONE; 3])).code(), "30");
}

#[test]
fn a_wrong_number_is_refused_and_the_right_one_comes_back() {
    let mut town = Town::with(HostProfile { number: Some(ElementNo::of(60)), ..profile() });
    let numbered = |stan, number: &str, said| {
        let mut totals = totals(stan, "1123", [said, NONE, NONE]);
        totals.set(ElementNo::of(60), number.as_bytes());
        totals
    };
    town.pays(1, &[]);
    // The first may be any; it goes on only when the totals agree.
    assert_eq!(town.says(500, &numbered(901, "999", (1, 999))).code(), "95");
    let wrong = town.says(500, &numbered(902, "001", (1, 1_000)));
    assert_eq!(
        (wrong.code(), wrong.text(66), wrong.text(60)),
        ("80".into(), "3".into(), "999".into())
    );
    assert_eq!(town.says(500, &numbered(903, "999", (1, 1_000))).code(), "00");
    assert_eq!(town.says(501, &numbered(903, "999", (1, 1_000))).code(), "00", "a repeat");
    let wrong = town.says(500, &numbered(904, "999", (1, 1_000)));
    assert_eq!((wrong.code(), wrong.text(60)), ("80".into(), "001".into()));
    assert_eq!(town.says(500, &numbered(905, "001", (1, 1_000))).code(), "00");
}

#[test]
fn totals_that_do_not_add_up_are_refused_with_their_element() {
    let mut town = Town::new();
    let mut torn = totals(901, "1123", [NONE; 3]);
    torn.set(ElementNo::of(97), b"C0000000000000001");
    assert_eq!(town.says(500, &torn).code(), "30");
    assert!(
        matches!(
            town.desk.notes.last(),
            Some(Note::Refused { why: Why::Element { element: 97, .. }, .. })
        ),
        "{:?}",
        town.desk.notes
    );
    for (no, value) in [(97, ""), (50, "XXX"), (50, ""), (15, "")] {
        let mut torn = totals(901, "1123", [NONE; 3]);
        if value.is_empty() {
            torn.remove(ElementNo::of(no));
        } else if no != 50 {
            torn.set(ElementNo::of(no), value.as_bytes());
        } else {
            torn.set(ElementNo::of(no), b"000");
        }
        assert_eq!(town.says(500, &torn).code(), "30", "{no}");
        let why = town.desk.notes.last().unwrap();
        let named = matches!(why, Note::Refused { why: Why::Element { element, .. }, .. } if *element == no);
        assert!(named, "{no}: {why:?}");
    }
    assert_eq!(town.desk.reconciliations, []);
    // A link without a reconciliation takes no totals, and a full disk none now.
    assert_eq!(
        only(&Desk::new().shop_sends(SHOP, 500, &totals(901, "1123", [NONE; 3]))).code(),
        "30"
    );
    town.desk.handle(Input::Disk { low: true });
    assert_eq!(town.says(500, &totals(902, "1123", [NONE; 3])).code(), "96");
}

/// A host of 1993 names the day in its 28, its number in its 29, and hears an action code.
#[test]
fn a_host_of_1993_hears_whether_its_totals_are_ours() {
    let mut with = settings();
    let wire = Arc::new(Dialect::shipped("iso93-ascii").unwrap());
    let aside = |no| mapping::house_element(&wire, ElementNo::of(no));
    with.links[0].reconciliation = Some(Arc::new(HostProfile {
        currency: Some(Currency::new(978).unwrap()),
        day: aside(28),
        number: Some(aside(29)),
        settlement: None,
        ..profile()
    }));
    with.links[0].tongue = Tongue::new(Arc::clone(&wire), mapping::Settings::default()).unwrap();
    let mut town = Town::of(with);
    let totals = |stan: &str, number: &str, net: &str| {
        elements(&[
            (11, stan),
            (12, "261123230000"),
            (28, "261123"),
            (29, number),
            (50, "978"),
            (76, "0000000001"),
            (88, &format!("000000{}", net.get(7..).unwrap())),
            (97, net),
        ])
    };
    let none = elements(&[
        (11, "000900"),
        (12, "261123230000"),
        (28, "261123"),
        (29, "007"),
        (50, "978"),
        (97, "C0000000000000000"),
    ]);
    let told = town.says(1500, &none);
    assert_eq!((told.mti, told.code(), told.text(29)), (1510, "500".into(), "007".into()));
    let told = town.says(1520, &totals("000901", "008", "D0000000000001000"));
    assert_eq!((told.mti, told.code(), told.text(28)), (1530, "501".into(), "261123".into()));
    let told = town.says(1520, &totals("000902", "009", "D0000000000001000"));
    assert_eq!((told.text(29), told.text(66)), ("008".into(), String::new()));
}

#[test]
fn only_the_first_reversal_of_a_payment_counts() {
    let mut town = Town::new();
    town.pays(1, &[]);
    town.pays(2, &[]);
    town.reverses(1, 701);
    town.desk.passes(1000);
    town.reverses(1, 702);
    let first = [(2, 2_000), (1, 1_000), NONE];
    assert_eq!(town.hears(500, &totals(901, "1123", first)), heard("00", "1"));
    town.desk.orders_cut();
    town.reverses(1, 703);
    assert_eq!(town.hears(500, &totals(902, "1123", first)), heard("00", "1"), "it stays there");
    assert_eq!(town.hears(500, &totals(903, "1124", [NONE; 3])), heard("00", "1"));
}

#[test]
fn one_message_of_a_link_is_compared_at_a_time() {
    let mut with = settings();
    with.links[0].reconciliation = Some(Arc::new(profile()));
    with.links[0].rate = Rate { per_second: 1, burst: 3 };
    let mut town = Town::of(with);
    let said = |stan| totals(stan, "1123", [NONE; 3]);
    assert_eq!(town.desk.shop_sends(SHOP, 500, &said(901)), []);
    let next = only(&town.desk.shop_sends(SHOP, 500, &said(902)));
    assert_eq!((next.mti, next.code()), (510, "96".into()));
    assert!(town.desk.notes.iter().any(|note| matches!(note, Note::Overload { .. })));
    // Answered, the next one is compared; and the link asks no more than it may.
    let question = town.desk.reconciliations.remove(0);
    assert_eq!(town.desk.reconciliations, []);
    town.follow();
    let now = Wall(1_795_458_840_000);
    let verdict = town.ledger.reconcile(shop(), &question.claim, &question.profile, now).unwrap();
    town.desk.seen.clear();
    town.desk.handle(Input::Reconciled { id: question.id, verdict });
    assert_eq!(only(&town.desk.seen).code(), "00");
    assert_eq!(town.hears(500, &said(902)), heard("00", "1"));
    assert_eq!(town.says(500, &said(903)).code(), "96");
    assert!(town.desk.notes.iter().any(|note| matches!(note, Note::Limited { .. })));
    town.desk.passes(3000);
    assert_eq!(town.hears(500, &said(903)), heard("00", "1"));
}

/// A town whose bank wants our totals.
fn telling() -> Town {
    let mut with = settings();
    with.links[1].reconciliation = Some(Arc::new(HostProfile {
        currency: Some(Currency::new(978).unwrap()),
        send: Some(Mti::of(520)),
        ..profile()
    }));
    Town::of(with)
}

impl Town {
    /// As the daemon does when a day was cut, or it begins: the ledger is asked, and what it owes goes out.
    fn owes(&mut self) -> Vec<Seen> {
        let question = self.desk.totals.remove(0);
        assert!(self.desk.totals.is_empty());
        self.follow();
        let now = Wall(1_795_458_840_000);
        let owing =
            self.ledger.owe_totals(question.link, question.date, &question.profile, now).unwrap();
        assert_eq!(owing.failed.len(), self.fails);
        let owed = owing.all.into_iter().map(|one| OwedTotals {
            totals: one.totals,
            again: one.again,
            mti: question.profile.send.unwrap(),
            elements: one.elements,
        });
        self.desk.seen.clear();
        self.desk.handle(Input::TotalsOwed { link: question.link, owed: owed.collect() });
        self.desk.seen.clone()
    }

    /// The bank has answered: so it is written down.
    fn answered(&mut self) {
        let TotalsAnswer { link, totals, verdict } = self.desk.answers.remove(0);
        self.ledger.totals_answered(link, totals, verdict, Wall(1_795_458_850_000)).unwrap();
    }
}

#[test]
fn our_totals_go_to_an_issuer_after_the_cut_until_it_answers() {
    let mut town = telling();
    town.pays(1, &[]);
    town.pays(2, &[]);
    town.pays(3, &[(3, "200000"), (4, "000000000300")]);
    town.reverses(1, 701);
    let undo = town.desk.seen.iter().find(|seen| seen.mti == 420).unwrap().clone();
    town.desk.bank_answers(&undo, "00", &[]);
    assert_eq!(town.desk.totals, []);
    town.desk.orders_cut();
    let said = only(&town.owes());
    assert_eq!((said.session, said.mti), (BANK, 520));
    let texts = [15, 50, 74, 76, 77, 86, 88, 89, 97].map(|no| said.text(no));
    let expected = [
        "1123",
        "978",
        "0000000001",
        "0000000002",
        "0000000001",
        "0000000000000300",
        "0000000000002000",
        "0000000000001000",
        "D0000000000000700",
    ];
    assert_eq!(texts, expected);
    // Nobody answers: the same goes again as a repeat, also from another process, under the same pair.
    let again = only(&town.desk.passes(10_000));
    assert_eq!((again.mti, &again.elements), (521, &said.elements));
    let records = town.desk.records.len();
    town.desk.crashes_after(records);
    let again = only(&town.owes());
    assert_eq!((again.mti, &again.elements), (521, &said.elements));
    // What is no answer to them, and what wants them again, changes nothing.
    town.desk.bank_answers(&again, "00", &[(11, "999999")]);
    town.desk.bank_answers(&again, "96", &[]);
    assert_eq!(town.desk.answers, []);
    assert_eq!(only(&town.desk.passes(10_000)).mti, 521);
    town.desk.bank_answers(&again, "95", &[(66, "2")]);
    town.answered();
    let listed = town.exceptions();
    assert!(listed.len() == 1 && listed[0].contains("debits: 2 of 20.00 978"), "{listed:?}");
    // It is answered: nothing goes again, and a second answer is nobody's.
    assert_eq!(town.desk.passes(60_000), []);
    town.desk.bank_answers(&again, "00", &[(66, "1")]);
    assert_eq!(town.desk.answers, []);
    town.desk.crashes_after(town.desk.records.len());
    assert_eq!(town.owes(), []);
    let lines = town.ledger.totals(10).unwrap();
    assert_eq!((lines.len(), lines[0].state.as_str()), (1, "out_of_balance"));
}

#[test]
fn an_issuer_that_has_the_same_ends_it() {
    let mut town = telling();
    town.pays(1, &[]);
    // Its approval came too late: the issuer has it, and its reversal.
    let late = only(&town.desk.shop_sends(SHOP, 200, &purchase(2)));
    town.desk.passes(15_000);
    town.desk.bank_answers(&late, "00", &[]);
    town.desk.orders_cut();
    let said = only(&town.owes());
    let texts = [76, 77, 97].map(|no| said.text(no));
    assert_eq!(texts, ["0000000002", "0000000001", "D0000000000001000"]);
    town.desk.bank_answers(&said, "00", &[(66, "1")]);
    town.answered();
    assert_eq!(town.exceptions(), Vec::<String>::new());
    assert_eq!(town.ledger.totals(10).unwrap()[0].state, "in_balance");
}

/// An issuer of 1993 says by its action code whether it has the same, and hears the same moment each time.
#[test]
fn an_issuer_of_1993_agrees_with_500() {
    for (code, state, open) in [("500", "in_balance", 0), ("501", "out_of_balance", 1)] {
        let mut with = settings();
        let wire = Arc::new(Dialect::shipped("iso93-ascii").unwrap());
        with.links[1].reconciliation = Some(Arc::new(HostProfile {
            currency: Some(Currency::new(978).unwrap()),
            day: mapping::house_element(&wire, ElementNo::of(28)),
            settlement: None,
            send: Some(Mti::of(520)),
            ..profile()
        }));
        with.links[1].tongue = Tongue::new(wire, mapping::Settings::default()).unwrap();
        let mut town = Town::of(with);
        let sent = only(&town.desk.shop_sends(SHOP, 200, &purchase(1)));
        town.desk.bank_answers(&sent, "000", &[]);
        town.desk.orders_cut();
        let said = only(&town.owes());
        assert_eq!((said.mti, said.text(28)), (1520, "261123".into()));
        assert_eq!((said.text(76), said.text(88)), ("0000000001".into(), format!("{:016}", 1000)));
        let again = only(&town.desk.passes(10_000));
        assert_eq!((again.mti, &again.elements), (1521, &said.elements));
        assert_eq!(again.text(12).get(2..), Some(&*again.text(7)));
        town.desk.bank_answers(&again, code, &[]);
        town.answered();
        assert_eq!(town.ledger.totals(10).unwrap()[0].state, state);
        assert_eq!(town.exceptions().len(), open, "{:?}", town.exceptions());
    }
}

#[test]
fn what_was_taken_back_here_is_reversed_once_at_its_issuer() {
    let mut town = telling();
    let late = only(&town.desk.shop_sends(SHOP, 200, &purchase(1)));
    town.desk.passes(15_000);
    town.desk.bank_answers(&late, "00", &[]);
    town.desk.orders_cut();
    let counted = |said: &Seen| [76, 77].map(|no| said.text(no).parse::<u64>().unwrap());
    let said = only(&town.owes());
    assert_eq!(counted(&said), [1, 1]);
    town.desk.bank_answers(&said, "00", &[(66, "1")]);
    town.answered();
    // On the next day its host reverses it, too.
    town.reverses(1, 701);
    town.desk.orders_cut();
    assert_eq!(counted(&only(&town.owes())), [0, 0]);
}

#[test]
fn an_advice_counts_on_its_day_though_its_issuer_takes_it_later() {
    let mut town = telling();
    let mut advice = purchase(1);
    advice.set(ElementNo::of(38), b"A1B2C3");
    let seen = town.desk.shop_sends(SHOP, 220, &advice);
    let sent = seen.iter().find(|seen| seen.session == BANK).unwrap().clone();
    town.desk.orders_cut();
    let counted = |said: &Seen| [76, 77].map(|no| said.text(no).parse::<u64>().unwrap());
    let said = only(&town.owes());
    assert_eq!(counted(&said), [1, 0]);
    town.desk.bank_answers(&said, "00", &[(66, "1")]);
    town.answered();
    town.desk.bank_answers(&sent, "00", &[]);
    let mut undo = reversal(1, 701);
    let original = format!("0220{:06}1123183400{:0>11}{:0>11}", 1, "123456", "");
    undo.set(ElementNo::ORIGINAL, original.as_bytes());
    let seen = town.desk.shop_sends(SHOP, 420, &undo);
    assert!(seen.iter().any(|seen| seen.mti == 430 && seen.code() == "00"), "{seen:?}");
    town.desk.orders_cut();
    assert_eq!(counted(&only(&town.owes())), [0, 1]);
}

#[test]
fn a_day_that_could_not_be_added_up_is_said_with_the_next_one() {
    let mut town = telling();
    town.pays(1, &[]);
    town.desk.orders_cut();
    let first = only(&town.owes());
    town.pays(2, &[]);
    town.pays(3, &[]);
    town.desk.orders_cut();
    // The ledger fails just then: what is owed goes out all the same.
    let ledger = rusqlite::Connection::open(town.home.path().join("clearing.db")).unwrap();
    let broken = "CREATE TRIGGER full BEFORE INSERT ON totals BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    ledger.execute_batch(broken).unwrap();
    town.fails = 1;
    town.desk.crashes_after(town.desk.records.len());
    let again = only(&town.owes());
    assert_eq!((again.mti, &again.elements), (521, &first.elements));
    town.desk.bank_answers(&again, "00", &[(66, "1")]);
    town.answered();
    ledger.execute_batch("DROP TRIGGER full").unwrap();
    town.fails = 0;
    town.pays(4, &[]);
    town.desk.orders_cut();
    let said = town.owes();
    let days: Vec<_> = said.iter().map(|said| (said.text(15), said.text(76))).collect();
    let day = |day: &str, count: u64| (day.to_owned(), format!("{count:010}"));
    assert_eq!(days, [day("1124", 2), day("1125", 1)]);
}
