//! What each item costs its merchant, and who gets it: filled in once, when its cut is made, and never again.

use rusqlite::OptionalExtension as _;

use super::settlement::{currency, link, rank};
use super::{Ledger, LedgerError};
use crate::clearing::{Capture, Charge, ClearingError, Exact, Fare, FeeTable, Fees};
use crate::iso::{BusinessDate, Currency, ElementNo};
use crate::record::{Sent, Standing, TxnId};

/// So many items are priced in one transaction.
const PAGE: i64 = 1_000;

/// An item, as far as its fees depend on it.
#[derive(Clone, Debug)]
struct Item {
    id: i64,
    kind: String,
    about: Option<i64>,
    txn: Option<i64>,
    claim: Option<i64>,
    issuer: i64,
    merchant: String,
    mcc: Option<String>,
    amount: i64,
    currency: Currency,
    refund: bool,
    fees: Fees,
    exact: Option<String>,
}

/// What a capture costs that is presented for the first time, and by which rules.
pub(super) fn first(
    (capture, merchant): (&Capture, &str),
    standing: &Standing,
    entry: Option<&str>,
    table: &FeeTable,
) -> Result<(Fees, String), ClearingError> {
    let sent = standing.sent().filter(|_| table.asks_entry());
    let entry = entry.map(str::to_owned).or_else(|| read_by(sent?));
    let (amount, mcc) = (capture.amount(), capture.text(ElementNo::MERCHANT_TYPE));
    let priced = table.price(&Fare {
        issuer: capture.issuer(),
        merchant,
        mcc: mcc.as_deref(),
        entry: entry.as_deref(),
        amount: amount.minor,
        currency: amount.currency,
        refund: capture.is_refund(),
        takes_back: false,
    })?;
    Ok((priced.fees, priced.exact.to_string()))
}

/// How the card was read: element 22.
fn read_by(sent: &Sent) -> Option<String> {
    let mode = sent.elements.get(ElementNo::of(22))?;
    Some(String::from_utf8_lossy(mode).into_owned())
}

const COLUMNS: &str = "item, kind, about, txn, claim, issuer, merchant, mcc, amount, currency, refund, discount, interchange, scheme, exact";

impl Ledger {
    /// Fills in the fees of all items up to a cut that have none, by the rules as they are now. Gives how many these were; again,
    /// none. An item that takes another back, or presents it once more, follows what that one was charged.
    pub fn price(
        &mut self,
        day: BusinessDate,
        cycle: u32,
        table: &FeeTable,
    ) -> Result<u64, LedgerError> {
        let (mut priced, mut after) = (0, 0);
        loop {
            let page = self.unpriced(rank(day, cycle), after)?;
            let Some(last) = page.last().map(|item| item.id) else { return Ok(priced) };
            after = last;
            let whole = self.connection.unchecked_transaction()?;
            for item in &page {
                let (fees, exact) = self.fees_of(item, table)?;
                let set = "UPDATE items SET discount = ?, interchange = ?, scheme = ?, exact = ? WHERE item = ? AND exact IS NULL";
                let mut set = self.connection.prepare_cached(set)?;
                set.execute((fees.discount, fees.interchange, fees.scheme, exact, item.id))?;
                priced += 1;
            }
            whole.commit()?;
        }
    }

    fn unpriced(&self, rank: i64, after: i64) -> Result<Vec<Item>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM items WHERE exact IS NULL AND day IS NOT NULL AND item > ?
                AND day * 1000 + CASE cycle WHEN 0 THEN 999 ELSE cycle END <= ? ORDER BY item LIMIT {PAGE}"
        );
        let mut ask = self.connection.prepare_cached(&sql)?;
        let mut rows = ask.query([after, rank])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(item(row)?);
        }
        Ok(items)
    }

    fn fees_of(&self, item: &Item, table: &FeeTable) -> Result<(Fees, String), LedgerError> {
        let about = match item.about {
            Some(about) => self.item(about)?,
            None => None,
        };
        let of = |what: &str, other: &Item| format!("{what} of item {}", other.id);
        let back = item.kind == "opposite" || item.kind == "lowered";
        Ok(match (item.kind.as_str(), about) {
            ("opposite", Some(about)) => {
                (self.charged(&about, item.id)?.1.turned()?, of("all that was left", &about))
            }
            ("lowered", Some(about)) => (self.lowered(item, &about)?, of("the difference", &about)),
            ("rejection", Some(about)) => {
                let fees = self.charged(&about, item.id)?.1.turned()?;
                // The merchant keeps his money until the item is given up, and pays for it.
                (Fees { discount: 0, ..fees }, of("back", &about))
            }
            ("again", Some(about)) => {
                let root = self.root(about)?;
                let fees = self.charged(&root, item.id)?.1;
                (Fees { discount: 0, ..fees }, of("once more", &root))
            }
            ("given_up", Some(about)) => {
                let root = self.root(about)?;
                let fees = self.charged(&root, item.id)?.1.turned()?;
                (Fees { discount: fees.discount, ..Fees::default() }, of("the discount", &root))
            }
            ("chargeback", Some(about)) => {
                let back = self.charged_back(item, &about, table)?;
                (back, of("a part", &about))
            }
            ("representment", Some(about)) => {
                (self.represented(item, &about, table)?, of("once more", &about))
            }
            _ => {
                let entry = self.entry(item, table)?;
                let line = Fare {
                    issuer: link(item.issuer),
                    merchant: &item.merchant,
                    mcc: item.mcc.as_deref(),
                    entry: entry.as_deref(),
                    amount: item.amount,
                    currency: item.currency,
                    refund: item.refund,
                    takes_back: back,
                };
                let priced = table.price(&line)?;
                (priced.fees, priced.exact.to_string())
            }
        })
    }

    /// What of an item was lowered before another, and what it is charged since.
    fn charged(&self, about: &Item, before: i64) -> Result<(i64, Fees), LedgerError> {
        let (amount, lowered) = self.parts(about.id, "lowered", before)?;
        Ok((amount, about.fees.plus(lowered)?))
    }

    /// What is less to be paid: what was paid so far, but for what the same rules take of what is left.
    fn lowered(&self, item: &Item, about: &Item) -> Result<Fees, LedgerError> {
        let (taken, now) = self.charged(about, item.id)?;
        let left = about.amount - taken - item.amount;
        let exact = about.exact.as_deref().and_then(Exact::from_text);
        let after = match exact {
            _ if left <= 0 => Fees::default(),
            Some(exact) => exact.at(left)?,
            None => {
                about.fees.part((0, left), about.amount, crate::clearing::Rounding::HalfEven)?
            }
        };
        Ok(after.plus(now.turned()?)?)
    }

    /// What a chargeback gives back of the fees of what it charges back, in proportion, and only of those that are given back.
    fn charged_back(
        &self,
        item: &Item,
        about: &Item,
        table: &FeeTable,
    ) -> Result<Fees, LedgerError> {
        let (taken, _) = self.parts(about.id, "chargeback", item.id)?;
        let root = self.root(about.clone())?;
        let part = root.fees.part((taken, item.amount), about.amount, table.rounding)?;
        let gives = |charge| table.chargeback_returns.contains(&charge);
        let back =
            |charge: Charge| if gives(charge) { part.of(charge).checked_neg() } else { Some(0) };
        Ok(Fees::each(back)?)
    }

    /// What a chargeback gave back is charged again, in proportion.
    fn represented(
        &self,
        item: &Item,
        about: &Item,
        table: &FeeTable,
    ) -> Result<Fees, LedgerError> {
        let chargeback = match about.kind.as_str() {
            "chargeback" => Some(about.clone()),
            _ => self.last(about.id, "chargeback", item.id)?,
        };
        let Some(chargeback) = chargeback else { return Ok(Fees::default()) };
        let part = chargeback.fees.turned()?;
        Ok(part.part((0, item.amount), chargeback.amount, table.rounding)?)
    }

    /// What an item that was rejected or presented again stands for: what was presented first.
    fn root(&self, item: Item) -> Result<Item, LedgerError> {
        let mut root = item;
        while matches!(root.kind.as_str(), "again" | "rejection")
            && let Some(about) = root.about
            && let Some(found) = self.item(about)?
        {
            root = found;
        }
        Ok(root)
    }

    fn item(&self, number: i64) -> Result<Option<Item>, LedgerError> {
        let sql = format!("SELECT {COLUMNS} FROM items WHERE item = ?");
        self.one(&sql, [number])
    }

    fn last(&self, about: i64, kind: &str, before: i64) -> Result<Option<Item>, LedgerError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM items WHERE about = ? AND kind = ? AND item < ? ORDER BY item DESC LIMIT 1"
        );
        self.one(&sql, (about, kind, before))
    }

    fn one(&self, sql: &str, values: impl rusqlite::Params) -> Result<Option<Item>, LedgerError> {
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query(values)?;
        rows.next()?.map(item).transpose()
    }

    /// What others of a kind took of an item before another: their amounts and their fees.
    fn parts(&self, about: i64, kind: &str, before: i64) -> Result<(i64, Fees), LedgerError> {
        let sql = "SELECT ifnull(sum(amount), 0), ifnull(sum(discount), 0), ifnull(sum(interchange), 0), ifnull(sum(scheme), 0)
            FROM items WHERE about = ? AND kind = ? AND item < ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        Ok(ask.query_row((about, kind, before), |row| {
            let fees =
                Fees { discount: row.get(1)?, interchange: row.get(2)?, scheme: row.get(3)? };
            Ok((row.get(0)?, fees))
        })?)
    }

    /// Element 22 of what was authorized, or what the merchant's file says of it, if any rule asks for it.
    fn entry(&self, item: &Item, table: &FeeTable) -> Result<Option<String>, LedgerError> {
        if !table.asks_entry() {
            return Ok(None);
        }
        if let Some(claim) = item.claim {
            let mut ask =
                self.connection.prepare_cached("SELECT entry FROM claims WHERE claim = ?")?;
            let entry: Option<Option<String>> =
                ask.query_row([claim], |row| row.get(0)).optional()?;
            if let Some(entry) = entry.flatten() {
                return Ok(Some(entry));
            }
        }
        let Some(txn) = item.txn else { return Ok(None) };
        let standing = self.books.standing(TxnId(txn.cast_unsigned()))?;
        Ok(standing.as_ref().and_then(|standing| standing.sent()).and_then(|sent| read_by(sent)))
    }
}

fn item(row: &rusqlite::Row<'_>) -> Result<Item, LedgerError> {
    let number: String = row.get(9)?;
    Ok(Item {
        id: row.get(0)?,
        kind: row.get(1)?,
        about: row.get(2)?,
        txn: row.get(3)?,
        claim: row.get(4)?,
        issuer: row.get(5)?,
        merchant: row.get(6)?,
        mcc: row.get(7)?,
        amount: row.get(8)?,
        currency: currency(&number)?,
        refund: row.get(10)?,
        fees: Fees { discount: row.get(11)?, interchange: row.get(12)?, scheme: row.get(13)? },
        exact: row.get(14)?,
    })
}
