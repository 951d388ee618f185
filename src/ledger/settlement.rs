//! Who owes whom by the ledger's double entry: days, positions, and the sums that must close before anything leaves.

use std::collections::BTreeMap;

use super::{Ledger, LedgerError};
use crate::iso::{BusinessDate, Currency};
use crate::record::LinkId;

/// Whose position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Issuer,
    Merchant,
    Network,
    /// Whoever runs the switch: what is left of the fees.
    Acquirer,
    /// What issuers rejected, until it is presented again or given up.
    Suspense,
}

/// One position, minor units; what the party gets is positive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) party: Party,
    /// A merchant, or an issuer's number; nothing for the others.
    pub(super) name: String,
    pub(super) currency: Currency,
    pub(super) gross: i64,
    pub(super) fees: i64,
}

impl Party {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Merchant => "merchant",
            Self::Network => "network",
            Self::Acquirer => "acquirer",
            Self::Suspense => "suspense",
        }
    }

    fn of(account: &str) -> Option<Self> {
        Some(match account {
            "issuer_receivable" => Self::Issuer,
            "merchant_payable" => Self::Merchant,
            "scheme_payable" => Self::Network,
            "acquirer" => Self::Acquirer,
            "suspense" => Self::Suspense,
            _ => return None,
        })
    }
}

/// A day as rows have it: 20261123.
pub(super) fn day_of(date: BusinessDate) -> i64 {
    let (year, month, day) = date.parts();
    i64::from(year * 10_000 + month * 100 + day)
}

/// The day of such a number.
pub(super) fn date_of(day: i64) -> Result<BusinessDate, LedgerError> {
    let text = format!("{:04}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100);
    BusinessDate::from_text(&text).or_else(|_| strange("day", &day.to_string()))
}

/// Where a cut stands among all cuts: cycle 0 is the last of its day.
pub(super) fn rank(day: BusinessDate, cycle: u32) -> i64 {
    day_of(day) * 1_000 + if cycle == 0 { LAST } else { i64::from(cycle) }
}

/// The rank of a day's own end within it.
pub(super) const LAST: i64 = 999;

/// The currency of a row.
pub(super) fn currency(number: &str) -> Result<Currency, LedgerError> {
    Currency::from_ascii(number.as_bytes()).or_else(|_| strange("currency", number))
}

/// The link of a row.
pub(super) fn link(number: i64) -> LinkId {
    LinkId(u32::try_from(number).unwrap_or_default())
}

fn strange<T>(what: &str, value: &str) -> Result<T, LedgerError> {
    Err(LedgerError::Unbalanced(format!("{value:?} in clearing.db is no {what}")))
}

/// From which rank on, exclusively, to which.
pub(super) type Span = (i64, i64);

/// All of a day.
pub(super) fn whole_day(day: BusinessDate) -> Span {
    (day_of(day) * 1_000, day_of(day) * 1_000 + LAST)
}

/// All of a day, or one cycle of it.
pub(super) fn span(day: BusinessDate, cycle: Option<u32>) -> Span {
    cycle.map_or_else(|| whole_day(day), |cycle| (rank(day, cycle) - 1, rank(day, cycle)))
}

/// The condition that rows are of a span, for `day` and `rank`; the first lets the index be used.
pub(super) const WITHIN: &str = "day BETWEEN ?1 / 1000 AND ?2 / 1000 AND rank > ?1 AND rank <= ?2";

impl Ledger {
    /// Whether the sums of a span close: all items have their fees, debits are credits in each currency, positions add up to
    /// nothing, and files hold what the items say. An error when not.
    pub(super) fn close(&self, span: Span) -> Result<(), LedgerError> {
        self.are_known(span)?;
        let sql = format!(
            "SELECT currency, sum(debit), sum(credit) FROM postings WHERE {WITHIN} GROUP BY currency"
        );
        let mut ask = self.connection.prepare_cached(&sql)?;
        let mut rows = ask.query(span)?;
        while let Some(row) = rows.next()? {
            let (currency, debit, credit): (String, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            if debit != credit {
                return Err(LedgerError::Unbalanced(format!(
                    "in currency {currency} debits are {debit} and credits {credit}"
                )));
            }
        }
        self.positions(span, &mut |_| Ok(()))?;
        self.files_hold(span)
    }

    /// All items of the span have fees, and are of kinds that the views know.
    fn are_known(&self, span: Span) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT count(*) FILTER (WHERE exact IS NULL), min(item) FILTER (WHERE kind NOT IN ('presentment', 'again', 'representment',
                'opposite', 'lowered', 'rejection', 'given_up', 'chargeback')) FROM signed WHERE {WITHIN}"
        );
        let mut ask = self.connection.prepare_cached(&sql)?;
        let (unpriced, strange): (i64, Option<i64>) =
            ask.query_row(span, |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let Some(item) = strange {
            return Err(LedgerError::Unbalanced(format!("item {item} is of no kind")));
        }
        if unpriced > 0 {
            return Err(LedgerError::Refused(format!(
                "{unpriced} items have no fees: their cut is not finished; have it made again with `iso8583d clearing cut`"
            )));
        }
        Ok(())
    }

    /// The sum of each file is that of its items.
    fn files_hold(&self, (from, to): Span) -> Result<(), LedgerError> {
        let sql = "SELECT name, checksum, (SELECT ifnull(sum(amount), 0) FROM items WHERE items.file = files.file) AS held
            FROM files WHERE day BETWEEN ?1 / 1000 AND ?2 / 1000 AND checksum IS NOT NULL AND checksum <> held LIMIT 1";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query((from, to))?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let (name, checksum, held): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Err(LedgerError::Unbalanced(format!("{name} says {checksum}, and its items are {held}")))
    }

    /// Each position of the span by party, name and currency. An error when they do not add up to nothing in each currency.
    pub(super) fn positions(
        &self,
        span: Span,
        each: &mut dyn FnMut(Position) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let sql = format!(
            "SELECT CASE WHEN account IN ('fee_income', 'interchange_expense', 'scheme_expense') THEN 'acquirer' ELSE account END,
                party, currency,
                sum(CASE part WHEN 'gross' THEN credit - debit ELSE 0 END),
                sum(CASE part WHEN 'gross' THEN 0 ELSE credit - debit END)
            FROM postings WHERE source = 'item' AND {WITHIN} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        );
        let mut ask = self.connection.prepare_cached(&sql)?;
        let mut rows = ask.query(span)?;
        let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let account: String = row.get(0)?;
            let Some(party) = Party::of(&account) else {
                return Err(LedgerError::Unbalanced(format!("no party has account {account}")));
            };
            let number: String = row.get(2)?;
            let position = Position {
                party,
                name: row.get(1)?,
                currency: currency(&number)?,
                gross: row.get(3)?,
                fees: row.get(4)?,
            };
            let net = i128::from(position.gross) + i128::from(position.fees);
            *sums.entry(position.currency).or_default() += net;
            each(position)?;
        }
        match sums.into_iter().find(|(_, sum)| *sum != 0) {
            None => Ok(()),
            Some((currency, sum)) => Err(LedgerError::Unbalanced(format!(
                "positions in currency {currency} add up to {sum} instead of 0"
            ))),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::books::Books;
    use crate::clearing::{Charge, FeeTable, Fees, Rounding, Rule, Tariff};
    use crate::seal::Keys;

    pub(in crate::ledger) const DAY: BusinessDate = BusinessDate(20_780);

    /// A ledger with nothing in it, beside books with nothing in them.
    pub(in crate::ledger) fn open(place: &Path) -> Ledger {
        let keys = Arc::new(Keys::new(&[7; 32]));
        drop(Books::open(place, Arc::clone(&keys)).unwrap());
        Ledger::open(place, keys).unwrap()
    }

    /// What tests say of an item; it is for the merchant `SHOP` and issuer 1 unless somebody changes that.
    #[derive(Clone, Copy)]
    pub(in crate::ledger) struct Put<'a> {
        pub(in crate::ledger) kind: &'a str,
        pub(in crate::ledger) about: Option<i64>,
        pub(in crate::ledger) merchant: &'a str,
        pub(in crate::ledger) amount: i64,
        pub(in crate::ledger) currency: &'a str,
        pub(in crate::ledger) refund: bool,
        pub(in crate::ledger) cut: (BusinessDate, u32),
    }

    pub(in crate::ledger) const PURCHASE: Put<'_> = Put {
        kind: "presentment",
        about: None,
        merchant: "SHOP",
        amount: 10_000,
        currency: "978",
        refund: false,
        cut: (DAY, 0),
    };

    pub(in crate::ledger) fn put(ledger: &Ledger, put: Put<'_>) -> i64 {
        let (day, cycle) = put.cut;
        let add = "INSERT INTO items (kind, about, issuer, merchant, card, mcc, amount, currency, refund, day, cycle, state)
            VALUES (?, ?, 1, ?, '541333******4111', '5411', ?, ?, ?, ?, ?, 'presented')";
        ledger
            .connection
            .execute(
                add,
                (
                    put.kind,
                    put.about,
                    put.merchant,
                    put.amount,
                    put.currency,
                    put.refund,
                    day_of(day),
                    cycle,
                ),
            )
            .unwrap();
        ledger.connection.last_insert_rowid()
    }

    pub(in crate::ledger) fn rule(name: &str, charge: Charge, rate_ppm: u32, fixed: i64) -> Rule {
        Rule {
            name: name.to_owned(),
            charge,
            merchants: Vec::new(),
            issuers: Vec::new(),
            mccs: Vec::new(),
            currency: None,
            entries: Vec::new(),
            refund: false,
            tariff: Tariff { rate_ppm, fixed, min: None, max: None },
        }
    }

    /// Two per cent and ten units from the merchant, of which 0.3 per cent are the issuer's, and five units the network's.
    pub(in crate::ledger) fn table() -> FeeTable {
        FeeTable {
            rules: vec![
                rule("retail", Charge::Discount, 20_000, 10),
                rule("debit", Charge::Interchange, 3_000, 0),
                rule("network", Charge::Scheme, 0, 5),
            ],
            rounding: Rounding::HalfEven,
            refund_returns: vec![Charge::Interchange],
            chargeback_returns: vec![Charge::Interchange],
        }
    }

    pub(in crate::ledger) fn fees(ledger: &Ledger, item: i64) -> Fees {
        let sql = "SELECT discount, interchange, scheme FROM items WHERE item = ?";
        ledger
            .connection
            .query_row(sql, [item], |row| {
                Ok(Fees { discount: row.get(0)?, interchange: row.get(1)?, scheme: row.get(2)? })
            })
            .unwrap()
    }

    /// Account, party, debit and credit of each posting of an item or a payout, without the small parts.
    fn posted(ledger: &Ledger, source: &str, number: i64) -> Vec<(String, String, i64, i64)> {
        let sql =
            "SELECT account, party, debit, credit FROM postings WHERE source = ? AND number = ?
            ORDER BY part = 'gross' DESC, part, credit > 0, account";
        let mut ask = ledger.connection.prepare(sql).unwrap();
        let rows = ask.query_map((source, number), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    #[test]
    fn every_kind_is_booked_on_its_accounts() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        let bought = put(&ledger, PURCHASE);
        let about = |kind, about| put(&ledger, Put { kind, about: Some(about), ..PURCHASE });
        let rejection = about("rejection", bought);
        let again = about("again", bought);
        let second = about("rejection", again);
        let given_up = about("given_up", again);
        let other = put(&ledger, PURCHASE);
        let lowered =
            put(&ledger, Put { kind: "lowered", about: Some(other), amount: 4_000, ..PURCHASE });
        let chargeback =
            put(&ledger, Put { kind: "chargeback", about: Some(other), amount: 3_000, ..PURCHASE });
        let represented = put(
            &ledger,
            Put { kind: "representment", about: Some(chargeback), amount: 3_000, ..PURCHASE },
        );
        let third = put(&ledger, PURCHASE);
        let opposite = put(&ledger, Put { kind: "opposite", about: Some(third), ..PURCHASE });
        let refund = put(&ledger, Put { refund: true, ..PURCHASE });
        assert_eq!(ledger.price(DAY, 0, &table()).unwrap(), 12);
        assert_eq!(ledger.price(DAY, 0, &table()).unwrap(), 0, "once");
        let to = |account: &str, party: &str, debit, credit| {
            (account.to_owned(), party.to_owned(), debit, credit)
        };
        let gross =
            |item: i64| posted(&ledger, "item", item).into_iter().take(2).collect::<Vec<_>>();
        let (issuer, shop, suspense) = (
            |debit, credit| to("issuer_receivable", "1", debit, credit),
            |debit, credit| to("merchant_payable", "SHOP", debit, credit),
            |debit, credit| to("suspense", "", debit, credit),
        );
        assert_eq!(
            posted(&ledger, "item", bought),
            [
                issuer(10_000, 0),
                shop(0, 10_000),
                shop(210, 0),
                to("fee_income", "", 0, 210),
                to("interchange_expense", "", 30, 0),
                issuer(0, 30),
                to("scheme_expense", "", 5, 0),
                to("scheme_payable", "", 0, 5),
            ]
        );
        assert_eq!(gross(rejection), [suspense(10_000, 0), issuer(0, 10_000)]);
        assert_eq!(gross(again), [issuer(10_000, 0), suspense(0, 10_000)]);
        assert_eq!(gross(second), gross(rejection));
        assert_eq!(gross(given_up), [shop(10_000, 0), suspense(0, 10_000)]);
        assert_eq!(gross(lowered), [shop(4_000, 0), issuer(0, 4_000)]);
        assert_eq!(gross(chargeback), [shop(3_000, 0), issuer(0, 3_000)]);
        assert_eq!(gross(represented), [issuer(3_000, 0), shop(0, 3_000)]);
        assert_eq!(gross(opposite), [shop(10_000, 0), issuer(0, 10_000)]);
        assert_eq!(gross(refund), [shop(10_000, 0), issuer(0, 10_000)]);
        let fees = |item| {
            let Fees { discount, interchange, scheme } = fees(&ledger, item);
            (discount, interchange, scheme)
        };
        assert_eq!(fees(rejection), (0, -30, -5));
        assert_eq!(fees(again), (0, 30, 5));
        assert_eq!(fees(second), (0, -30, -5));
        assert_eq!(fees(given_up), (-210, 0, 0));
        // Of 60.00 it is 1.30 and 0.18.
        assert_eq!(fees(lowered), (-80, -12, 0));
        assert_eq!(fees(chargeback), (0, -9, 0));
        assert_eq!(fees(represented), (0, 9, 0));
        assert_eq!(fees(opposite), (-210, -30, -5));
        assert_eq!(fees(refund), (0, -30, 0));
        ledger.close(whole_day(DAY)).unwrap();
    }

    #[test]
    fn what_does_not_close_is_told() {
        let place = tempfile::tempdir().unwrap();
        let mut ledger = open(place.path());
        put(&ledger, PURCHASE);
        let refused = ledger.close(whole_day(DAY)).unwrap_err().to_string();
        assert!(refused.starts_with("1 items have no fees"), "{refused}");
        ledger.price(DAY, 0, &table()).unwrap();
        ledger.close(whole_day(DAY)).unwrap();
        ledger
            .connection
            .execute_batch(
                "INSERT INTO files (file, day, cycle, issuer, currency, sequence, file_id, name, party, format, records, checksum, state)
                VALUES (1, 20261123, 0, 1, '978', 1, 'id', 'a.ipm', 'bank', 'ipm', 3, 10001, 'written'); UPDATE items SET file = 1",
            )
            .unwrap();
        let refused = ledger.close(whole_day(DAY)).unwrap_err().to_string();
        assert!(refused.ends_with("a.ipm says 10001, and its items are 10000"), "{refused}");
        ledger.connection.execute("UPDATE files SET checksum = 10000", ()).unwrap();
        ledger.close(whole_day(DAY)).unwrap();
        ledger.connection.execute("UPDATE items SET kind = 'gift'", ()).unwrap();
        let refused = ledger.close(whole_day(DAY)).unwrap_err().to_string();
        assert!(refused.ends_with("item 1 is of no kind"), "{refused}");
    }

    /// One thing after the other, at random.
    #[derive(Clone, Debug)]
    struct Deed {
        what: u8,
        target: usize,
        amount: i64,
        currency: usize,
        refund: bool,
        late: bool,
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let deed =
            (0_u8..10, 0_usize..1_000, 1_i64..5_000_000, 0_usize..4, any::<bool>(), any::<bool>());
        let deed = deed.prop_map(|(what, target, amount, currency, refund, late)| Deed {
            what,
            target,
            amount,
            currency,
            refund,
            late,
        });
        proptest::collection::vec(deed, 1..60)
    }

    const CURRENCIES: [&str; 4] = ["392", "978", "414", "927"];

    /// A presentment, and what became of it.
    #[derive(Clone, Debug)]
    struct Life {
        first: i64,
        merchant: &'static str,
        currency: &'static str,
        sign: i64,
        amount: i64,
        left: i64,
        /// The item that is before the issuer now; none while it is in suspense, or over.
        stands: Option<i64>,
        rejected: Option<i64>,
        charged_back: Option<(i64, i64)>,
        again: bool,
        lowered: bool,
        over: Option<Over>,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Over {
        Undone,
        GivenUp,
    }

    type Cut = (BusinessDate, u32);

    fn begin(ledger: &Ledger, deed: &Deed, cut: Cut) -> Life {
        let merchant = ["SHOP", "CAF\u{c9}"][deed.target % 2];
        let (currency, amount, refund) = (CURRENCIES[deed.currency], deed.amount, deed.refund);
        let first = put(ledger, Put { merchant, amount, currency, refund, cut, ..PURCHASE });
        Life {
            first,
            merchant,
            currency,
            sign: if refund { -1 } else { 1 },
            amount,
            left: amount,
            stands: Some(first),
            rejected: None,
            charged_back: None,
            again: false,
            lowered: false,
            over: None,
        }
    }

    impl Life {
        /// What can happen to it, happens; gives what its merchant gets of it, and what its issuer owes, a refund apart.
        fn go_on(&mut self, ledger: &Ledger, deed: &Deed, cut: Cut) -> (i64, i64) {
            let (merchant, currency, refund) = (self.merchant, self.currency, self.sign < 0);
            let item = |kind, about, amount| {
                let about = Some(about);
                put(ledger, Put { kind, about, merchant, amount, currency, refund, cut })
            };
            let (part, all) = (1 + deed.amount % self.left.max(1), self.left);
            match (deed.what, self.stands, self.rejected, self.charged_back) {
                (3, Some(_), _, None) if part < all && !self.again => {
                    item("lowered", self.first, part);
                    (self.left, self.lowered) = (all - part, true);
                    (-part, -part)
                }
                (4, Some(_), _, None) if !self.again => {
                    item("opposite", self.first, all);
                    (self.stands, self.over) = (None, Some(Over::Undone));
                    (-all, -all)
                }
                (5, Some(at), _, None) if !self.lowered => {
                    item("rejection", at, all);
                    (self.stands, self.rejected) = (None, Some(at));
                    (0, -all)
                }
                (6, None, Some(at), _) if !self.again => {
                    let again = item("again", at, all);
                    (self.stands, self.rejected, self.again) = (Some(again), None, true);
                    (0, all)
                }
                (7, None, Some(at), _) => {
                    item("given_up", at, all);
                    (self.rejected, self.over) = (None, Some(Over::GivenUp));
                    (-all, 0)
                }
                (8, Some(at), _, None) => {
                    self.charged_back = Some((item("chargeback", at, part), part));
                    (-part, -part)
                }
                (9, _, _, Some((chargeback, part))) => {
                    item("representment", chargeback, part);
                    (self.charged_back, self.stands) = (None, None);
                    (part, part)
                }
                _ => (0, 0),
            }
        }
    }

    /// What the merchants get and the issuer owes by the formulas that people settle by, fees apart.
    #[derive(Default)]
    struct Model {
        merchants: BTreeMap<(String, String), i64>,
        issuer: BTreeMap<String, i64>,
    }

    fn carry_out(ledger: &Ledger, deeds: &[Deed]) -> (Vec<Life>, Model) {
        let (mut lives, mut model): (Vec<Life>, Model) = (Vec::new(), Model::default());
        let mut date = DAY;
        for deed in deeds {
            if deed.late {
                date = date.next();
            }
            let cut = (date, u32::try_from(deed.target % 3).unwrap());
            let at = deed.target % lives.len().max(1);
            let next = lives.len();
            let known = lives.get_mut(at).filter(|_| deed.what > 2);
            let moved = known.map(|life| (at, life.go_on(ledger, deed, cut)));
            let (at, (merchant, issuer)) = moved.unwrap_or((next, (deed.amount, deed.amount)));
            if at == next {
                lives.push(begin(ledger, deed, cut));
            }
            let life = &lives[at];
            let key = (life.merchant.to_owned(), life.currency.to_owned());
            *model.merchants.entry(key).or_default() += life.sign * merchant;
            *model.issuer.entry(life.currency.to_owned()).or_default() += life.sign * issuer;
        }
        (lives, model)
    }

    fn unbalanced(ledger: &Ledger) -> i64 {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM postings GROUP BY source, number, currency HAVING sum(debit) <> sum(credit))";
        ledger.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        /// Whatever happens to items: each entry is in balance, all positions add up to nothing on each day and in each currency,
        /// parties have what the formulas say, and what is undone has cost nothing.
        #[test]
        fn positions_of_anything_add_up_to_nothing(
            deeds in deeds(),
            rate in 0..100_000_u32,
            fixed in 0..50_i64,
            returns in proptest::sample::subsequence(Charge::ALL.to_vec(), 0..=3),
            mode in proptest::sample::select(Rounding::ALL.to_vec()),
        ) {
            let place = tempfile::tempdir().unwrap();
            let mut ledger = open(place.path());
            let (lives, model) = carry_out(&ledger, &deeds);
            let mut table = table();
            (table.rounding, table.refund_returns) = (mode, returns.clone());
            table.chargeback_returns = returns;
            table.rules[0].tariff = Tariff { rate_ppm: rate, fixed, min: Some(fixed / 2), max: Some(90_000) };
            table.rules[1].tariff.rate_ppm = rate / 7;
            let last = BusinessDate(DAY.0 + 100);
            ledger.price(last, 0, &table).unwrap();
            prop_assert_eq!(unbalanced(&ledger), 0);
            let all = (0, rank(last, 0));
            ledger.close(all).unwrap();
            for day in 0..100 {
                ledger.close(whole_day(BusinessDate(DAY.0 + day))).unwrap();
            }
            let (mut merchants, mut issuer) = (BTreeMap::new(), BTreeMap::new());
            ledger.positions(all, &mut |position| {
                let number = position.currency.to_string();
                match position.party {
                    Party::Merchant => drop(merchants.insert((position.name, number), position.gross)),
                    Party::Issuer => drop(issuer.insert(number, -position.gross)),
                    _ => {}
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(&merchants, &model.merchants);
            prop_assert_eq!(&issuer, &model.issuer);
            // The fees that were booked are those of the lines.
            let sql = "SELECT ifnull(sum(discount), 0) - (SELECT ifnull(sum(credit) - sum(debit), 0) FROM postings WHERE account = 'fee_income') FROM items";
            prop_assert_eq!(ledger.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
            for life in lives {
                let sum = |kinds: &str, about: &str| {
                    let sql = format!("SELECT ifnull(sum(discount), 0), ifnull(sum(interchange), 0), ifnull(sum(scheme), 0) FROM items WHERE item = ?1 OR (kind IN ({kinds}) AND about {about})");
                    ledger.connection.query_row(&sql, [life.first], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))).unwrap()
                };
                if life.over == Some(Over::Undone) {
                    prop_assert_eq!(sum("'lowered', 'opposite'", "= ?1"), (0, 0, 0), "{:?}", life);
                }
                if life.over == Some(Over::GivenUp) {
                    let chain = "IN (SELECT ?1 UNION SELECT item FROM items WHERE kind = 'again' AND about = ?1)";
                    prop_assert_eq!(sum("'rejection', 'again', 'given_up'", chain), (0, 0, 0), "{:?}", life);
                }
                prop_assert!(life.left <= life.amount);
            }
        }
    }
}
