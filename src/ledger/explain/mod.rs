//! The life of one thing in clearing, told from the ledger and the books: what claimed it, who approved it, in which file it went out,
//! what was said of it, and where its money is. Changes nothing.

mod recon;
mod tell;
mod wanted;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Ledger, LedgerError};
use crate::iso::{Amount, Currency};
use crate::record::LinkId;

pub use wanted::{NotWanted, Wanted};

/// One step of a life.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// When, milliseconds since 1970; none where only the order is known.
    pub at: Option<i64>,
    /// What kind of row tells of it: `claim`, `authorization`, `item`, `file`, `said`, `event`, `posting`, `payout`, `exception`,
    /// `reconciliation`, `class`, `cause`.
    pub what: &'static str,
    /// Its number there.
    pub number: Option<i64>,
    /// For people.
    pub said: String,
    /// What it has, for programs.
    pub facts: Map<String, Value>,
}

/// So many steps are told of what may have as many as it likes.
const STEPS_MAX: usize = 2_000;

impl Ledger {
    /// The life of what is wanted, in order; none when there is no such thing. Names are those of links in clearing.
    pub fn explain(
        &self,
        wanted: &Wanted,
        names: &BTreeMap<LinkId, String>,
    ) -> Result<Option<Vec<Step>>, LedgerError> {
        let mut teller = tell::Teller { ledger: self, names, steps: Vec::new(), told: Vec::new() };
        let found = teller.tell(wanted)?;
        let mut steps = teller.steps;
        steps.truncate(STEPS_MAX);
        Ok(found.then_some(steps))
    }
}

/// An amount as people read it, `12.50 978`; in minor units where the currency is none.
fn money(minor: i64, currency: &str) -> String {
    match Currency::from_ascii(currency.as_bytes()) {
        Ok(currency) => Amount { minor, currency }.to_string(),
        Err(_) => format!("{minor} minor units of currency {currency}"),
    }
}

#[cfg(test)]
mod tests;
