//! Who owes whom how much for one day: a line per issuer, merchant and currency, that add up to nothing;
//! knows no fees and no accounts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::file::{Sum, Sums, Totals};
use super::text::csv_cell;
use super::{Charset, ClearingError, text};
use crate::iso::{BusinessDate, Currency};

/// The positions of a day while its captures are counted in.
#[derive(Clone, Debug)]
pub struct Positions {
    date: BusinessDate,
    cycle: Option<u32>,
    charset: Charset,
    lines: BTreeMap<(Party, String, Currency), Sums>,
}

/// A file of the day, as the reports name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The issuer's name, as given to `Positions::add`. It may have a file for each currency.
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
    cycle: Option<u32>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    cycle: Option<u32>,
    files: &'a [FileLine],
    positions: &'a [Line],
    held: &'a [Held],
}

impl Positions {
    /// Nothing was captured. Names of merchants are shown as a file in this set shows them; a cycle within the day has a number.
    pub const fn new(date: BusinessDate, cycle: Option<u32>, charset: Charset) -> Self {
        Self { date, cycle, charset, lines: BTreeMap::new() }
    }

    /// Counts lines in, for their issuer and for their merchant: refunds or purchases, claimed or taken back.
    pub fn add(
        &mut self,
        (issuer, merchant): (&str, &str),
        currency: Currency,
        way: (bool, bool),
        sum: Sum,
    ) -> Result<(), ClearingError> {
        let merchant = self.charset.shown(&text::latin1(merchant));
        for (party, name) in [(Party::Issuer, issuer.to_owned()), (Party::Merchant, merchant)] {
            let sums = self.lines.entry((party, name, currency)).or_default();
            sums.add(way, sum).ok_or(ClearingError::Overflow { what: "sum" })?;
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
        Ok(Balanced { date: self.date, cycle: self.cycle, lines, files, held })
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
        let (date, cycle) = (self.date.to_string(), self.cycle);
        let report = Report { date, cycle, files, positions, held };
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
            csv_cell(&self.name),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A currency, whether it pays the card, whether it is taken back, the merchant, minor units.
    type Counted<'a> = (u16, bool, bool, &'a str, i64);

    fn day(lines: &[Counted<'_>]) -> (Positions, Vec<Filed>) {
        let mut positions = Positions::new(BusinessDate(20_780), None, Charset::Latin1);
        let mut filed: BTreeMap<Currency, Sums> = BTreeMap::new();
        for (currency, refund, back, merchant, minor) in lines {
            let (currency, sum) =
                (Currency::new(*currency).unwrap(), Sum { count: 1, minor: *minor });
            positions.add(("bank", merchant), currency, (*refund, *back), sum).unwrap();
            filed.entry(currency).or_default().add((*refund, *back), sum).unwrap();
        }
        let checksum = Cell::new(0);
        let files = filed.into_iter().map(|(currency, sums)| {
            let of = [sums.purchases, sums.refunds, sums.purchases_reversed, sums.refunds_reversed];
            checksum.set(of.iter().map(|sum| sum.minor.unsigned_abs()).sum());
            let records = 2 + u32::try_from(of.iter().map(|sum| sum.count).sum::<u64>()).unwrap();
            let sums = [(currency, sums)].into();
            let file_id = format!("{currency:>25}");
            let totals = Totals { file_id, records, checksum: checksum.get(), sums };
            Filed { issuer: "bank".to_owned(), name: format!("bank-{currency}.ipm"), totals }
        });
        let files = files.collect();
        (positions, files)
    }

    #[test]
    fn both_sides_of_every_capture() {
        let (positions, filed) = day(&[
            (978, false, false, "MERCHANT 7", 1000),
            (978, false, false, "A,\"B\"", 300),
            (978, true, false, "MERCHANT 7", 50),
            (978, false, true, "MERCHANT 7", 7),
            (414, true, true, "MERCHANT 7", 2),
        ]);
        let held = Held { transaction: 6, issuer: "bank".to_owned(), fault: "none".to_owned() };
        let balanced = positions.balance(&filed, vec![held]).unwrap();
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
        assert_eq!(json["files"][0]["amount_checksum"], 2);
        assert_eq!(json["files"][1]["amount_checksum"], 1357);
        assert_eq!(json["held"][0]["transaction"], 6);
    }

    #[test]
    fn a_file_that_differs_is_caught() {
        let lines = [(978, false, false, "SHOP", 1000), (978, false, false, "SHOP", 1000)];
        let (positions, filed) = day(&lines);
        let (_, other) = day(lines.split_at(1).0);
        let unequal = |party: &str| ClearingError::Unequal {
            party: party.to_owned(),
            currency: Currency::new(978).unwrap(),
        };
        let balance = |files: &[Filed]| positions.clone().balance(files, Vec::new()).map(|_| ());
        assert_eq!(balance(&filed), Ok(()));
        assert_eq!(balance(&other), Err(unequal("bank")));
        assert_eq!(balance(&[]), Err(unequal("bank")));
        let stranger = Filed { issuer: "stranger".to_owned(), ..filed[0].clone() };
        assert_eq!(balance(&[filed, vec![stranger]].concat()), Err(unequal("stranger")));
    }

    #[test]
    fn a_lost_half_is_caught() {
        let (mut positions, filed) = day(&[(978, false, false, "SHOP", 1000)]);
        positions.lines.retain(|(party, ..), _| *party == Party::Issuer);
        let currency = Currency::new(978).unwrap();
        let unbalanced = ClearingError::Unbalanced { currency, net: -1000 };
        assert_eq!(positions.balance(&filed, Vec::new()).unwrap_err(), unbalanced);
    }
}
