//! Who owes whom how much for one day: a line per issuer, merchant and currency, that add up to nothing;
//! knows no fees and no accounts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::file::{Sums, Totals};
use super::{Capture, Charset, ClearingError};
use crate::iso::{BusinessDate, Currency};

/// The positions of a day while its captures are counted in.
#[derive(Clone, Debug)]
pub struct Positions {
    date: BusinessDate,
    charset: Charset,
    lines: BTreeMap<(Party, String, Currency), Sums>,
}

/// A file of the day, as the reports name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The issuer's name, as given to `Positions::add`.
    pub issuer: String,
    /// The file's name.
    pub name: String,
    /// What went into it.
    pub totals: Totals,
}

/// A capture that no file holds, because it cannot be presented. The operator must see to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Which transaction: the position of its first record in the journal.
    pub transaction: u64,
    /// Its issuer's name.
    pub issuer: String,
    /// Why.
    pub fault: String,
}

/// A day's positions, equal to its files and in balance: only these can be written.
#[derive(Clone, Debug)]
pub struct Balanced {
    date: BusinessDate,
    lines: Vec<Line>,
    files: Vec<FileLine>,
    held: Vec<Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Party {
    Issuer,
    Merchant,
    Total,
}

/// A line of the report. Amounts are minor units; `net` is what the party gets.
#[derive(Clone, Debug, Serialize)]
struct Line {
    party: Party,
    name: String,
    currency: String,
    exponent: u8,
    purchases: u64,
    purchases_amount: i64,
    refunds: u64,
    refunds_amount: i64,
    purchases_reversed: u64,
    purchases_reversed_amount: i64,
    refunds_reversed: u64,
    refunds_reversed_amount: i64,
    net: i64,
}

#[derive(Clone, Debug, Serialize)]
struct FileLine {
    name: String,
    issuer: String,
    file_id: String,
    records: u32,
    amount_checksum: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    date: String,
    files: &'a [FileLine],
    positions: &'a [Line],
    held: &'a [Held],
}

impl Positions {
    /// Nothing was captured. Names of merchants are shown as a file in this set shows them.
    pub const fn new(date: BusinessDate, charset: Charset) -> Self {
        Self { date, charset, lines: BTreeMap::new() }
    }

    /// Counts a capture in, for its issuer and for its merchant.
    pub fn add(&mut self, issuer: &str, capture: &Capture) -> Result<(), ClearingError> {
        let merchant = self.charset.shown(capture.merchant());
        for (party, name) in [(Party::Issuer, issuer.to_owned()), (Party::Merchant, merchant)] {
            let sums = self.lines.entry((party, name, capture.amount.currency)).or_default();
            sums.add(capture).ok_or(ClearingError::Overflow { what: "sum" })?;
        }
        Ok(())
    }

    /// The positions, if they are what the files say and add up to nothing in each currency.
    pub fn balance(self, files: &[Filed], held: Vec<Held>) -> Result<Balanced, ClearingError> {
        self.equal(files)?;
        let mut lines = Vec::with_capacity(self.lines.len());
        let mut nets: BTreeMap<Currency, i64> = BTreeMap::new();
        let mut totals: BTreeMap<Currency, Sums> = BTreeMap::new();
        let overflow = ClearingError::Overflow { what: "sum" };
        for ((party, name, currency), sums) in self.lines {
            let gets = sums.net().ok_or_else(|| overflow.clone())?;
            let net = if party == Party::Issuer { -gets } else { gets };
            let sum = nets.entry(currency).or_default();
            *sum = sum.checked_add(net).ok_or_else(|| overflow.clone())?;
            if party == Party::Issuer {
                totals.entry(currency).or_default().merge(&sums).ok_or_else(|| overflow.clone())?;
            }
            lines.push(Line::new(party, name, currency, &sums, net));
        }
        for (currency, sums) in totals {
            let net = nets.remove(&currency).unwrap_or_default();
            if net != 0 {
                return Err(ClearingError::Unbalanced { currency, net });
            }
            lines.push(Line::new(Party::Total, String::new(), currency, &sums, net));
        }
        if let Some((currency, net)) = nets.into_iter().next() {
            return Err(ClearingError::Unbalanced { currency, net });
        }
        let files = files.iter().map(FileLine::from).collect();
        Ok(Balanced { date: self.date, lines, files, held })
    }

    /// Each issuer's lines are its files' sums, and no issuer has lines without a file.
    fn equal(&self, files: &[Filed]) -> Result<(), ClearingError> {
        let mut filed: BTreeMap<(&str, Currency), Sums> = BTreeMap::new();
        for file in files {
            for (currency, sums) in &file.totals.sums {
                let sum = filed.entry((&file.issuer, *currency)).or_default();
                sum.merge(sums).ok_or(ClearingError::Overflow { what: "sum" })?;
            }
        }
        let unequal =
            |party: &str, currency| ClearingError::Unequal { party: party.to_owned(), currency };
        for ((party, name, currency), sums) in &self.lines {
            if *party == Party::Issuer && filed.remove(&(name.as_str(), *currency)) != Some(*sums) {
                return Err(unequal(name, *currency));
            }
        }
        filed.into_keys().next().map_or(Ok(()), |(issuer, currency)| Err(unequal(issuer, currency)))
    }
}

impl Balanced {
    /// Comma-separated values with a head line; amounts in minor units, a text in quotes where it must be.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "date,party,name,currency,exponent,purchases,purchases_amount,refunds,refunds_amount,\
             purchases_reversed,purchases_reversed_amount,refunds_reversed,refunds_reversed_amount,net\n",
        );
        for line in &self.lines {
            text.push_str(&line.csv(self.date));
        }
        text
    }

    /// The same as JSON, with the day's files and with what they do not hold.
    pub fn json(&self) -> String {
        let (positions, files, held) = (&self.lines, &self.files, &self.held);
        let report = Report { date: self.date.to_string(), files, positions, held };
        // Strings and numbers under fixed names: nothing here can fail to be written.
        let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What the files do not hold.
    pub fn held(&self) -> &[Held] {
        &self.held
    }

    /// What issuers owe for the day, by currency: the number of captures, and minor units.
    pub fn owed(&self) -> impl Iterator<Item = (&str, u64, i64)> {
        self.lines.iter().filter(|line| line.party == Party::Total).map(|line| {
            let captures =
                line.purchases + line.refunds + line.purchases_reversed + line.refunds_reversed;
            let owed = line.purchases_amount - line.refunds_amount - line.purchases_reversed_amount
                + line.refunds_reversed_amount;
            (line.currency.as_str(), captures, owed)
        })
    }
}

impl Line {
    fn new(party: Party, name: String, currency: Currency, sums: &Sums, net: i64) -> Self {
        Self {
            party,
            name,
            currency: currency.to_string(),
            exponent: currency.exponent(),
            purchases: sums.purchases.count,
            purchases_amount: sums.purchases.minor,
            refunds: sums.refunds.count,
            refunds_amount: sums.refunds.minor,
            purchases_reversed: sums.purchases_reversed.count,
            purchases_reversed_amount: sums.purchases_reversed.minor,
            refunds_reversed: sums.refunds_reversed.count,
            refunds_reversed_amount: sums.refunds_reversed.minor,
            net,
        }
    }

    fn csv(&self, date: BusinessDate) -> String {
        let party = match self.party {
            Party::Issuer => "issuer",
            Party::Merchant => "merchant",
            Party::Total => "total",
        };
        format!(
            "{date},{party},{},{},{},{},{},{},{},{},{},{},{},{}\n",
            quoted(&self.name),
            self.currency,
            self.exponent,
            self.purchases,
            self.purchases_amount,
            self.refunds,
            self.refunds_amount,
            self.purchases_reversed,
            self.purchases_reversed_amount,
            self.refunds_reversed,
            self.refunds_reversed_amount,
            self.net
        )
    }
}

impl From<&Filed> for FileLine {
    fn from(filed: &Filed) -> Self {
        Self {
            name: filed.name.clone(),
            issuer: filed.issuer.clone(),
            file_id: filed.totals.file_id.clone(),
            records: filed.totals.records,
            amount_checksum: filed.totals.checksum,
        }
    }
}

/// A text as one value of a line (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clearing::capture::tests::standing;
    use crate::clearing::{File, Head, Kind, Settings};
    use crate::seal::Keys;

    type Changes<'a> = &'a [(u8, &'a str)];

    fn day(captures: &[(Kind, Changes<'_>)]) -> (Positions, Filed) {
        let (settings, date) = (Settings::default(), BusinessDate(20_780));
        let keys = Keys::new(&[7; 32]);
        let mut positions = Positions::new(date, settings.charset);
        let issuer = crate::record::LinkId(2);
        let mut file = File::begin(&settings, Head { date, sequence: 1, issuer }).unwrap();
        for (id, (kind, changes)) in (1..).zip(captures) {
            let capture = Capture::of(&standing(id, 200, changes), *kind, &keys).unwrap();
            positions.add("bank", &capture).unwrap();
            file.add(&capture).unwrap();
        }
        let (_, totals) = file.end().unwrap();
        (positions, Filed { issuer: "bank".to_owned(), name: "bank.ipm".to_owned(), totals })
    }

    #[test]
    fn both_sides_of_every_capture() {
        let (positions, filed) = day(&[
            (Kind::Presentment, &[(4, "1000")]),
            (Kind::Presentment, &[(4, "300"), (42, "A,\"B\"")]),
            (Kind::Presentment, &[(3, "200000"), (4, "50")]),
            (Kind::Opposite, &[(4, "7")]),
            (Kind::Opposite, &[(3, "200000"), (4, "2"), (49, "414")]),
        ]);
        let held = Held { transaction: 6, issuer: "bank".to_owned(), fault: "none".to_owned() };
        let balanced = positions.balance(&[filed], vec![held]).unwrap();
        let lines = balanced.csv();
        let lines: Vec<_> = lines.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "2026-11-23,issuer,bank,414,3,0,0,0,0,0,0,1,2,-2",
                "2026-11-23,issuer,bank,978,2,2,1300,1,50,1,7,0,0,-1243",
                "2026-11-23,merchant,\"A,\"\"B\"\"\",978,2,1,300,0,0,0,0,0,0,300",
                "2026-11-23,merchant,MERCHANT 7,414,3,0,0,0,0,0,0,1,2,2",
                "2026-11-23,merchant,MERCHANT 7,978,2,1,1000,1,50,1,7,0,0,943",
                "2026-11-23,total,,414,3,0,0,0,0,0,0,1,2,0",
                "2026-11-23,total,,978,2,2,1300,1,50,1,7,0,0,0",
            ]
        );
        assert_eq!(balanced.owed().collect::<Vec<_>>(), [("414", 1, 2), ("978", 4, 1243)]);
        let json: serde_json::Value = serde_json::from_str(&balanced.json()).unwrap();
        assert_eq!(json["positions"].as_array().unwrap().len(), 7);
        assert_eq!(json["positions"][1]["net"], -1243);
        assert_eq!(json["files"][0]["amount_checksum"], 1359);
        assert_eq!(json["held"][0]["transaction"], 6);
    }

    #[test]
    fn a_file_that_differs_is_caught() {
        let captures: [(Kind, Changes<'_>); 2] =
            [(Kind::Presentment, &[]), (Kind::Presentment, &[])];
        let (positions, filed) = day(&captures);
        let (_, other) = day(captures.split_at(1).0);
        let unequal = |party: &str| ClearingError::Unequal {
            party: party.to_owned(),
            currency: Currency::new(978).unwrap(),
        };
        let balance = |files: &[Filed]| positions.clone().balance(files, Vec::new()).map(|_| ());
        assert_eq!(balance(std::slice::from_ref(&filed)), Ok(()));
        assert_eq!(balance(&[other]), Err(unequal("bank")));
        assert_eq!(balance(&[]), Err(unequal("bank")));
        let stranger = Filed { issuer: "stranger".to_owned(), ..filed.clone() };
        assert_eq!(balance(&[filed, stranger]), Err(unequal("stranger")));
    }

    #[test]
    fn a_lost_half_is_caught() {
        let (mut positions, filed) = day(&[(Kind::Presentment, &[])]);
        positions.lines.retain(|(party, ..), _| *party == Party::Issuer);
        let currency = Currency::new(978).unwrap();
        let unbalanced = ClearingError::Unbalanced { currency, net: -1000 };
        assert_eq!(positions.balance(&[filed], Vec::new()).unwrap_err(), unbalanced);
    }
}
