//! At the tills: purchases, authorizations, completions and what is taken back. Each is told with its place in the books.

use serde_json::Value;

use crate::iso::{Amount, Currency, ElementNo, Elements, Mti};
use crate::sim::SimError;
use crate::sim::pos::meaning;
use crate::sim::terminal::{FINANCIAL, Outcome, REVERSAL, masked};

use super::Play;
use super::cast::{PATIENCE, Trade};

const AUTHORIZATION: Mti = Mti::of(100);
const COMPLETION: Mti = Mti::of(220);

/// What was asked at a till, and approved.
pub(super) struct Paid {
    trade: &'static Trade,
    mti: Mti,
    elements: Elements,
    approval: Option<String>,
    pub(super) money: Money,
    /// Element 37.
    pub(super) rrn: String,
    /// Its number in the books.
    number: Option<u64>,
}

/// So much of a currency.
#[derive(Clone, Copy)]
pub(super) struct Money {
    pub(super) minor: u64,
    pub(super) currency: [u8; 3],
}

/// Euros have two decimals.
pub(super) const fn euros(minor: u64) -> Money {
    Money { minor, currency: *b"978" }
}

/// Yen have none.
pub(super) const fn yen(minor: u64) -> Money {
    Money { minor, currency: *b"392" }
}

/// Dinars have three.
pub(super) const fn dinars(minor: u64) -> Money {
    Money { minor, currency: *b"414" }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minor = i64::try_from(self.minor).unwrap_or(i64::MAX);
        match Currency::from_ascii(&self.currency) {
            Ok(currency) => write!(f, "{}", Worth(Amount { minor, currency })),
            Err(_) => write!(f, "{minor}"),
        }
    }
}

/// An amount with the letters of its currency.
pub(super) struct Worth(pub(super) Amount);

impl std::fmt::Display for Worth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Amount { minor, currency } = self.0;
        let letters = crate::clearing::letters(currency).unwrap_or_default();
        write!(f, "{} {letters}", crate::clearing::decimal(minor.into(), currency))
    }
}

impl Play<'_, '_> {
    /// A purchase that clears by itself.
    pub(super) async fn buys(
        &mut self,
        trade: &'static Trade,
        card: &str,
        money: Money,
    ) -> Result<Paid, SimError> {
        self.pays(trade, (FINANCIAL, b"000000", "is bought for"), (card, money)).await
    }

    /// Money that goes back to a card, at once.
    pub(super) async fn gives_back(
        &mut self,
        trade: &'static Trade,
        card: &str,
        money: Money,
    ) -> Result<Paid, SimError> {
        self.pays(trade, (FINANCIAL, b"200000", "is given back"), (card, money)).await
    }

    /// Only asked for: it clears when it is captured or completed.
    pub(super) async fn authorizes(
        &mut self,
        trade: &'static Trade,
        card: &str,
        money: Money,
    ) -> Result<Paid, SimError> {
        self.pays(trade, (AUTHORIZATION, b"000000", "is authorized"), (card, money)).await
    }

    async fn pays(
        &mut self,
        trade: &'static Trade,
        (mti, code, what): (Mti, &[u8; 6], &str),
        (card, money): (&str, Money),
    ) -> Result<Paid, SimError> {
        let mut elements = self.cast.till(trade).sale(code, card, money.minor, &money.currency);
        elements.set(ElementNo::MERCHANT_TYPE, trade.category);
        self.asks(trade, (mti, elements), what, (money, None)).await
    }

    /// An authorization is completed, for what it came to.
    pub(super) async fn completes(&mut self, of: &Paid, money: Money) -> Result<Paid, SimError> {
        // It names what it completes as a reversal does.
        let mut elements = self.cast.till(of.trade).reversal(&of.elements, of.mti);
        elements.set(ElementNo::AMOUNT, format!("{:012}", money.minor).as_bytes());
        if let Some(approval) = &of.approval {
            elements.set(ElementNo::APPROVAL_CODE, approval.as_bytes());
        }
        self.asks(of.trade, (COMPLETION, elements), "is completed with", (money, None)).await
    }

    /// All of it is taken back.
    pub(super) async fn takes_back(&mut self, paid: &Paid, why: &str) -> Result<(), SimError> {
        let undo = self.cast.till(paid.trade).reversal(&paid.elements, paid.mti);
        self.asks(paid.trade, (REVERSAL, undo), why, (paid.money, Some(paid))).await.map(drop)
    }

    /// Asks, tells, and notes a fault when the answer is not the one that its amount makes its bank give.
    async fn asks(
        &mut self,
        trade: &'static Trade,
        (mti, elements): (Mti, Elements),
        what: &str,
        (money, of): (Money, Option<&Paid>),
    ) -> Result<Paid, SimError> {
        let outcome = self.cast.till(trade).ask(mti, &elements, PATIENCE).await?;
        let (heard, approval, approved) = match outcome {
            Outcome::Answered(answer) => {
                let heard = meaning(answer.code, answer.approval.as_deref());
                let approved = answer.approved() && answer.altered.is_empty();
                (heard, answer.approval, approved)
            }
            Outcome::Silence => ("no answer".to_owned(), None, false),
            Outcome::Lost => ("the connection ended".to_owned(), None, false),
        };
        let declines = money.minor % 100 == 51;
        if approved == declines {
            self.faults.push(format!("{mti} {what} {money}: {heard}"));
        }
        let text = |no| String::from_utf8_lossy(elements.get(no).unwrap_or_default()).into_owned();
        let (rrn, card) = (text(ElementNo::RRN), masked(&elements));
        let number = match of {
            Some(of) => of.number,
            None => self.number(&rrn, money)?,
        };
        let id = number.map_or_else(String::new, |txn| format!("txn:{txn}"));
        self.voice.say(format_args!(
            "  {mti}  {:<12} {:<32} {card}  {heard:<28} {id}",
            trade.name,
            format!("{what} {money}"),
        ))?;
        self.told.push(id);
        Ok(Paid { trade, mti, elements, approval, money, rrn, number })
    }

    /// The number in the books of what has this reference number and amount.
    fn number(&self, rrn: &str, money: Money) -> Result<Option<u64>, SimError> {
        let [rrn, amount] = [format!("rrn={rrn}"), format!("amount={}", money.minor)];
        let lines = self.cast.switch.ask(&["why", "--json", &rrn, &amount])?;
        Ok(lines.iter().filter_map(|line| line.get("txn").and_then(Value::as_u64)).max())
    }
}
