//! Batches of terminals against books that are filled by hand.

use std::sync::Arc;

use rusqlite::Connection;

use iso8583d::books::Books;
use iso8583d::clearing::{BatchAsk, BatchProfile, BatchTotals, Mismatch, Petition, Total, Upload};
use iso8583d::iso::{Amount, Currency, Mti, Wall};
use iso8583d::ledger::Ledger;
use iso8583d::record::LinkId;
use iso8583d::seal::Keys;

const LINK: LinkId = LinkId(7);

struct Till {
    ledger: Ledger,
    books: Connection,
    mismatch: Mismatch,
    place: tempfile::TempDir,
    keys: Arc<Keys>,
}

impl Till {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::new(&[7; 32]));
        drop(Books::open(place.path(), Arc::clone(&keys)).unwrap());
        let books = Connection::open(place.path().join("books.db")).unwrap();
        let ledger = Ledger::open(place.path(), Arc::clone(&keys)).unwrap();
        Self { ledger, books, mismatch: Mismatch::Refuse, place, keys }
    }

    /// The process ends, and another one begins.
    fn again(&mut self) {
        self.ledger = Ledger::open(self.place.path(), Arc::clone(&self.keys)).unwrap();
    }

    /// A transaction of the terminal; none for an amount while it is in flight.
    fn pays(&self, txn: i64, terminal: &str, code: &str, amount: i64) {
        self.put(txn, terminal, code, (amount, "approved", Some(20_261_129)));
    }

    fn put(
        &self,
        txn: i64,
        terminal: &str,
        code: &str,
        (amount, outcome, captured): (i64, &str, Option<i64>),
    ) {
        self.books
            .execute(
                "INSERT INTO transactions (txn, opening, asker, mti, processing_code, stan, rrn, terminal, merchant, amount, currency,
                    at, outcome, heard, told, captured, standing)
                VALUES (?1, 'request', 7, '0200', ?2, printf('%06d', ?1), printf('%012d', ?1), ?3, 'SHOP           ', ?4, '978', 0, ?5, 'approved', 1, ?6, x'')",
                (txn, code, terminal, amount, outcome, captured),
            )
            .unwrap();
    }

    fn profile(&self) -> BatchProfile {
        BatchProfile { mismatch: self.mismatch, ..BatchProfile::usual(euro()) }
    }

    fn asks(&mut self, terminal: &str, ask: BatchAsk) -> String {
        let petition = Petition { terminal: terminal.to_owned(), merchant: "SHOP".to_owned(), ask };
        let profile = self.profile();
        self.ledger.batch(LINK, &petition, &profile, Wall(1)).unwrap().code.to_string()
    }

    fn settles(&mut self, number: u32, sales: (u64, i64), refunds: (u64, i64)) -> String {
        let totals = totals(sales, refunds);
        self.asks("T1", BatchAsk::Settle { number, totals, currency: euro() })
    }

    fn closes(&mut self, number: u32, sales: (u64, i64), refunds: (u64, i64)) -> String {
        let totals = totals(sales, refunds);
        self.asks("T1", BatchAsk::Close { number, totals, currency: euro() })
    }

    fn uploads(&mut self, stan: u32, minor: i64, refund: bool) -> String {
        let upload = Upload {
            mti: Mti::of(200),
            stan: format!("{stan:06}"),
            rrn: None,
            amount: Amount { minor, currency: euro() },
            refund,
            approval: None,
            card: None,
            tip: 0,
        };
        self.asks("T1", BatchAsk::Upload(Box::new(upload)))
    }

    /// What people are to look at.
    fn exceptions(&self) -> Vec<(String, Option<i64>)> {
        let ledger = Connection::open(self.place.path().join("clearing.db")).unwrap();
        let mut ask =
            ledger.prepare("SELECT kind, amount FROM exceptions ORDER BY kind, exception").unwrap();
        ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }
}

fn euro() -> Currency {
    Currency::new(978).unwrap()
}

fn totals(sales: (u64, i64), refunds: (u64, i64)) -> BatchTotals {
    let total = |(count, minor)| Total { count, minor };
    BatchTotals { sales: total(sales), refunds: total(refunds) }
}

#[test]
fn equal_totals_close_a_batch_and_a_repeat_hears_the_same() {
    let mut till = Till::new();
    till.pays(1, "T1", "000000", 1_000);
    till.pays(2, "T1", "200000", 300);
    till.pays(3, "T2", "000000", 5_000);
    till.put(4, "T1", "000000", (700, "declined", None));
    assert_eq!(till.settles(41, (1, 1_000), (1, 300)), "00");
    till.again();
    assert_eq!(till.settles(41, (1, 1_000), (1, 300)), "00", "the answer was lost");
    assert_eq!(till.settles(41, (2, 1_000), (1, 300)), "77", "another batch under its number");
    // The next one has what came since, and only the next number is one.
    till.pays(5, "T1", "000000", 50);
    assert_eq!(till.settles(43, (1, 50), (0, 0)), "80");
    assert_eq!(till.settles(40, (1, 50), (0, 0)), "80");
    assert_eq!(till.settles(42, (1, 50), (0, 0)), "00");
    assert_eq!(till.settles(43, (0, 0), (0, 0)), "00", "an empty one");
    assert_eq!(till.exceptions(), []);
}

#[test]
fn the_number_after_the_last_is_one() {
    let mut till = Till::new();
    assert_eq!(till.settles(999_999, (0, 0), (0, 0)), "00");
    assert_eq!(till.settles(1, (0, 0), (0, 0)), "00");
}

#[test]
fn what_is_in_flight_is_in_the_next_batch() {
    let mut till = Till::new();
    till.put(1, "T1", "000000", (900, "in_flight", None));
    till.pays(2, "T1", "000000", 100);
    assert_eq!(till.settles(1, (1, 100), (0, 0)), "00");
    till.books
        .execute(
            "UPDATE transactions SET outcome = 'approved', captured = 20261129 WHERE txn = 1",
            [],
        )
        .unwrap();
    assert_eq!(till.settles(2, (1, 900), (0, 0)), "00");
}

#[test]
fn what_differs_is_uploaded_and_each_difference_is_for_a_person() {
    let mut till = Till::new();
    till.pays(1, "T1", "000000", 1_000);
    till.pays(2, "T1", "000000", 2_000);
    till.pays(3, "T1", "000000", 3_000);
    let said = ((3, 7_150), (0, 0));
    assert_eq!(till.settles(9, said.0, said.1), "95");
    assert_eq!(till.settles(9, said.0, said.1), "95", "its answer was lost");
    // Interrupted, and begun again from the first.
    assert_eq!(till.uploads(1, 1_000, false), "00");
    till.again();
    for _ in 0..2 {
        assert_eq!(till.uploads(1, 1_000, false), "00");
        assert_eq!(till.uploads(2, 2_150, false), "00");
    }
    assert_eq!(till.closes(9, said.0, said.1), "77", "one is missing yet");
    assert_eq!(till.uploads(8, 4_000, false), "00");
    assert_eq!(till.closes(9, said.0, said.1), "00");
    assert_eq!(till.closes(9, said.0, said.1), "00", "its answer was lost");
    assert_eq!(till.uploads(8, 4_000, false), "00", "a copy that came late");
    assert_eq!(till.uploads(8, 4_001, false), "80");
    let listed = till.exceptions();
    let listed: Vec<_> = listed.iter().map(|(kind, amount)| (kind.as_str(), *amount)).collect();
    assert_eq!(
        listed,
        [
            ("amount_differs", Some(2_150)),
            ("batch_differs", None),
            ("not_uploaded", Some(3_000)),
            ("uploaded_unknown", Some(4_000)),
        ]
    );
    // None of them comes back in the next.
    assert_eq!(till.settles(10, (0, 0), (0, 0)), "00");
}

#[test]
fn the_profile_says_who_is_believed() {
    let mut till = Till::new();
    till.mismatch = Mismatch::Terminal;
    till.pays(1, "T1", "000000", 1_000);
    assert_eq!(till.settles(1, (2, 1_500), (0, 0)), "95");
    assert_eq!(till.uploads(1, 1_000, false), "00");
    assert_eq!(till.closes(1, (2, 1_500), (0, 0)), "00");
    let listed = till.exceptions();
    assert_eq!(listed, [("batch_differs".to_owned(), None)]);
}

#[test]
fn nobody_uploads_without_a_batch() {
    let mut till = Till::new();
    assert_eq!(till.uploads(1, 1_000, false), "80");
    assert_eq!(till.settles(5, (0, 0), (0, 0)), "00");
    assert_eq!(till.uploads(1, 1_000, false), "80");
}

mod any_order {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Interrupted anywhere and begun again, with any copies: the same batch in the end.
        #[test]
        fn interruptions_and_copies_change_nothing(
            amounts in proptest::collection::vec(1_i64..1_000_000, 1..8),
            lost in 0_usize..8,
            starts in proptest::collection::vec(0_usize..8, 0..3),
        ) {
            let mut till = Till::new();
            for (txn, amount) in (1..).zip(&amounts) {
                if usize::try_from(txn).unwrap() != lost {
                    till.pays(txn, "T1", "000000", *amount);
                }
            }
            let sales = (u64::try_from(amounts.len()).unwrap(), amounts.iter().sum());
            let first = till.settles(3, sales, (0, 0));
            prop_assert_eq!(first == "00", !(1..=amounts.len()).contains(&lost));
            for upto in starts.iter().chain([&usize::MAX]) {
                if first == "00" {
                    break;
                }
                prop_assert_eq!(till.settles(3, sales, (0, 0)), "95");
                for (stan, amount) in (1..).zip(&amounts).take(*upto) {
                    prop_assert_eq!(till.uploads(stan, *amount, false), "00");
                }
                till.again();
            }
            prop_assert_eq!(till.closes(3, sales, (0, 0)), "00");
            prop_assert_eq!(till.closes(3, sales, (0, 0)), "00");
            prop_assert_eq!(till.settles(4, (0, 0), (0, 0)), "00");
            prop_assert_eq!(till.exceptions().len(), usize::from(first != "00"));
        }
    }
}
