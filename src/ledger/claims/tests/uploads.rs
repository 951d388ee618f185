//! What a terminal uploads of its authorizations: claimed once its batch is closed, by the rules for merchants' files.

use super::shop::{PAN, Shop, capture, file, states};
use crate::clearing::{BatchAsk, BatchProfile, BatchTotals, Petition, Total, Upload};
use crate::iso::{Amount, Currency, Mti, Pan};
use crate::record::LinkId;
use crate::seal::Tag;

fn euro() -> Currency {
    Currency::new(978).unwrap()
}

impl Shop {
    fn asks(&mut self, ask: BatchAsk) -> String {
        self.follow();
        let (terminal, merchant) = ("TERM0001".to_owned(), "SHOP".to_owned());
        let petition = Petition { terminal, merchant, ask };
        let profile = BatchProfile::usual(euro());
        self.ledger.batch(LinkId(1), &petition, &profile, self.at).unwrap().code.to_string()
    }

    fn uploads(&mut self, stan: u32, minor: i64, rrn: Option<u32>) -> String {
        let upload = Upload {
            mti: Mti::of(100),
            stan: format!("{stan:06}"),
            rrn: rrn.map(|rrn| format!("{rrn:012}")),
            amount: Amount { minor, currency: euro() },
            refund: false,
            approval: None,
            card: None,
            tip: 0,
        };
        self.asks(BatchAsk::Upload(Box::new(upload)))
    }

    fn settles(&mut self, number: u32, count: u64, minor: i64) -> String {
        self.asks(BatchAsk::Settle { number, totals: sales(count, minor), currency: euro() })
    }

    fn closes(&mut self, number: u32, count: u64, minor: i64) -> String {
        self.asks(BatchAsk::Close { number, totals: sales(count, minor), currency: euro() })
    }

    /// What became of the claims: reference, state, reason.
    fn claims(&self) -> Vec<(String, String, Option<String>)> {
        let sql = "SELECT reference, state, reason FROM claims ORDER BY claim";
        let mut ask = self.ledger.connection.prepare(sql).unwrap();
        let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn retry(&mut self) -> u64 {
        self.ledger.retry_captures(&self.settings, self.at).unwrap()
    }

    fn exceptions(&self) -> Vec<(String, i64)> {
        let sql = "SELECT detail, amount FROM exceptions WHERE kind = 'uploaded_unknown' ORDER BY exception";
        let mut ask = self.ledger.connection.prepare(sql).unwrap();
        let rows = ask.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

fn sales(count: u64, minor: i64) -> BatchTotals {
    BatchTotals { sales: Total { count, minor }, ..BatchTotals::default() }
}

fn is(reference: &str, state: &str, reason: Option<&str>) -> (String, String, Option<String>) {
    (reference.to_owned(), state.to_owned(), reason.map(str::to_owned))
}

/// Its merchant may call a file as the switch calls a batch.
#[test]
fn a_file_with_the_name_of_a_batch_stays_a_file() {
    let names = "SELECT group_concat(reference || ': ' || (last - first + 1), ', ' ORDER BY submission) FROM submissions";
    let closed = |shop: &mut Shop| {
        shop.approved(1, 100, &[]);
        shop.approved(3, 100, &[]);
        assert_eq!(shop.settles(7, 1, 500), "95");
        assert_eq!(shop.uploads(1, 500, None), "00");
        assert_eq!(shop.closes(7, 1, 500), "00");
    };
    let told = |shop: &Shop| -> String {
        shop.ledger.connection.query_row(names, [], |row| row.get(0)).unwrap()
    };
    let mut shop = Shop::new();
    closed(&mut shop);
    let (name, _) =
        told(&shop).rsplit_once(": ").map(|(name, n)| (name.to_owned(), n.to_owned())).unwrap();
    let mut shop = Shop::new();
    let quoted = format!("\"{name}\"");
    shop.submit("a.csv", &file(&quoted, &[capture("c-3", 3, 400, &[])]));
    closed(&mut shop);
    assert_eq!(told(&shop), format!("{name}: 1, {name}*: 1"));
}

#[test]
fn an_uploaded_authorization_is_claimed_once_its_batch_is_closed() {
    let mut shop = Shop::new();
    shop.approved(1, 100, &[]);
    shop.approved(2, 200, &[]);
    assert_eq!(shop.settles(7, 2, 1_900), "95");
    assert_eq!(shop.uploads(1, 900, None), "00");
    assert_eq!((shop.retry(), shop.count()), (0, 0), "not before");
    // The sale is uploaded, too, and clears by itself.
    let sale = Upload {
        mti: Mti::of(200),
        stan: "000002".to_owned(),
        rrn: None,
        amount: Amount { minor: 1_000, currency: euro() },
        refund: false,
        approval: None,
        card: None,
        tip: 0,
    };
    assert_eq!(shop.asks(BatchAsk::Upload(Box::new(sale))), "00");
    assert_eq!(shop.closes(7, 2, 1_900), "00");
    shop.anew();
    assert_eq!(shop.closes(7, 2, 1_900), "00", "its answer was lost");
    assert_eq!(shop.uploads(1, 900, None), "00", "a copy that came late");
    assert_eq!(shop.retry(), 1);
    assert_eq!(shop.claims(), [is("TERM0001/000007/0100000001", "accepted", None)]);
    assert_eq!((shop.retry(), shop.exceptions().len()), (0, 0));
    // It is its merchant's to take back; and no file claims more of it.
    let back = super::one("reversal", "x", 900, &[("orig_ref", "TERM0001/000007/0100000001")]);
    let taken = shop.submit("a.csv", &file("F1", &[capture("c", 1, 100, &[]), back]));
    let found = states(&taken).into_iter().map(|(name, state, why)| is(&name, &state, Some(&why)));
    let expected = [is("c", "rejected", Some("ALREADY_FINAL")), is("x", "accepted", Some(""))];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn what_cannot_be_claimed_is_for_a_person() {
    let mut shop = Shop::new();
    shop.approved(1, 100, &[]);
    let declined = shop.asked(2, 100, &[]);
    shop.answered(declined, 2, "51");
    let reversed = shop.approved(3, 100, &[]);
    shop.reversed(reversed);
    // Its file was faster.
    shop.approved(4, 100, &[]);
    shop.follow();
    shop.submit("a.csv", &file("F1", &[capture("c", 4, 1_000, &[])]));
    assert_eq!(shop.settles(7, 6, 6_001), "95");
    for (stan, minor) in [(1, 1_001), (2, 1_000), (3, 1_000), (4, 1_000), (5, 1_000)] {
        assert_eq!(shop.uploads(stan, minor, Some(stan)), "00");
    }
    // It names nothing that could ever be found.
    assert_eq!(shop.uploads(6, 1_000, None), "00");
    assert_eq!(shop.closes(7, 6, 6_001), "00");
    assert_eq!(shop.exceptions().len(), 1);
    assert_eq!(shop.retry(), 4);
    let reasons: Vec<_> =
        shop.claims().into_iter().skip(1).map(|(_, state, why)| (state, why)).collect();
    let expected = ["OVER_AMOUNT", "DECLINED", "REVERSED", "ALREADY_FINAL", "UNMATCHED"];
    assert_eq!(reasons.iter().filter_map(|(_, why)| why.as_deref()).collect::<Vec<_>>(), expected);
    assert_eq!(reasons.last().unwrap().0, "pending", "its authorization may come yet");
    shop.at.0 += shop.settings.pending_ms + 1;
    assert_eq!((shop.retry(), shop.retry()), (1, 0));
    let told = shop.exceptions();
    assert_eq!(told.len(), 6, "{told:?}");
    assert!(
        told.iter().any(|(detail, amount)| *amount == 1_001
            && detail.starts_with("TERM0001/000007/0100000001 of SHOP: ")
            && detail.ends_with("cannot be claimed: OVER_AMOUNT")),
        "{told:?}"
    );
}

#[test]
fn an_authorization_of_an_earlier_batch_is_found_by_its_names() {
    let mut shop = Shop::new();
    shop.approved(1, 100, &[]);
    shop.approved(2, 100, &[]);
    assert_eq!(shop.settles(7, 0, 0), "00");
    assert_eq!(shop.settles(8, 2, 2_000), "95");
    assert_eq!(shop.uploads(1, 1_000, Some(1)), "00");
    let pan = Pan::new(PAN.as_bytes()).unwrap();
    let by_card = Upload {
        mti: Mti::of(100),
        stan: "000002".to_owned(),
        rrn: None,
        amount: Amount { minor: 1_000, currency: euro() },
        refund: false,
        approval: Some("A00002".to_owned()),
        card: Some((pan.masked(), Tag(3))),
        tip: 0,
    };
    assert_eq!(shop.asks(BatchAsk::Upload(Box::new(by_card))), "00");
    assert_eq!(shop.closes(8, 2, 2_000), "00");
    assert_eq!(shop.retry(), 2);
    let states: Vec<_> = shop.claims().into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states, ["accepted", "accepted"]);
}
