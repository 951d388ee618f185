//! What people decide about rejections, charge-backs and exceptions: each once, and only where it can be.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::matching::event;
use super::{Moment, day_number, day_text};
use crate::ledger::{Ledger, LedgerError};
use crate::record::Remark;

/// Something that is presented once more.
#[derive(Clone, Debug, Default)]
pub struct Represent {
    /// What was rejected, or the charge-back.
    pub item: i64,
    /// Of a charge-back less than all of it; minor units.
    pub amount: Option<i64>,
    /// Of a charge-back: why, as a code of four digits.
    pub reason: Option<String>,
}

/// What came of an order. Given again, it is the same, and nothing has happened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The item that was made, or the exception that was closed.
    pub number: i64,
    /// What was done.
    pub done: &'static str,
    /// It was done before.
    pub again: bool,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, three digits.
    pub currency: String,
}

/// What was decided about a file's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfFile {
    /// What was done.
    pub done: &'static str,
    /// With how many, this time.
    pub decided: u64,
    /// How many are rejected, and still undecided.
    pub left: u64,
}

/// An item about which something is ordered.
struct Row {
    kind: String,
    state: String,
    amount: i64,
    currency: String,
    due: Option<i64>,
    about: Option<i64>,
}

impl Ledger {
    /// Has a rejected presentment, or one that was charged back, presented once more, by the next cut. Why not, where it cannot be.
    pub fn represent(
        &mut self,
        order: &Represent,
        by: &Remark,
        moment: Moment,
    ) -> Result<Result<Ordered, String>, LedgerError> {
        let transaction = self.connection.transaction()?;
        let Some(row) = row(&transaction, order.item)? else { return Ok(Err(unknown(order.item))) };
        let planned = if row.kind == "chargeback" {
            of_charge_back(&transaction, order, &row, moment)?
        } else {
            of_rejected(&transaction, order, &row)?
        };
        let (kind, amount) = match planned {
            Ok(planned) => planned,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(before) = made(&transaction, order.item, kind)? {
            let same = before.1 == amount;
            let why = format!(
                "item {} was presented once more before, as item {} for {}",
                order.item, before.0, before.1
            );
            return Ok(if same {
                Ok(done(before.0, kind, true, (amount, &row)))
            } else {
                Err(why)
            });
        }
        let number =
            insert(&transaction, order.item, (kind, "waiting"), (amount, order.reason.as_deref()))?;
        event(&transaction, (Some(number), None), "ordered", &format!("by {by}"), moment.at())?;
        transaction.commit()?;
        Ok(Ok(done(number, kind, false, (amount, &row))))
    }

    /// Takes what was rejected out of suspense, at its merchant's cost.
    pub fn give_up(
        &mut self,
        item: i64,
        by: &Remark,
        moment: Moment,
    ) -> Result<Result<Ordered, String>, LedgerError> {
        let transaction = self.connection.transaction()?;
        let Some(row) = row(&transaction, item)? else { return Ok(Err(unknown(item))) };
        if let Some((number, amount)) = made(&transaction, item, "given_up")? {
            return Ok(Ok(done(number, "given_up", true, (amount, &row))));
        }
        if let Err(why) = in_suspense(&transaction, item, &row)? {
            return Ok(Err(why));
        }
        if let Some((again, _)) = made(&transaction, item, "again")? {
            return Ok(Err(format!("item {item} was presented once more, as item {again}")));
        }
        let root = row.about.filter(|_| row.kind == "again").unwrap_or(item);
        for (about, kind) in
            [item, root].into_iter().flat_map(|about| [(about, "opposite"), (about, "lowered")])
        {
            if let Some((back, _)) = made(&transaction, about, kind)? {
                return Ok(Err(format!(
                    "item {item} was taken back by item {back}: its merchant has paid for it"
                )));
            }
        }
        let number = insert(&transaction, item, ("given_up", "accepted"), (row.amount, None))?;
        event(&transaction, (Some(number), None), "ordered", &format!("by {by}"), moment.at())?;
        transaction.commit()?;
        Ok(Ok(done(number, "given_up", false, (row.amount, &row))))
    }

    /// Decides about everything of a file that was rejected and is not decided: it is presented once more, or given up.
    pub fn decide_file(
        &mut self,
        (name, give_up): (&str, bool),
        by: &Remark,
        moment: Moment,
    ) -> Result<Result<OfFile, String>, LedgerError> {
        let transaction = self.connection.transaction()?;
        let sql = "SELECT file FROM files WHERE name = ?1 OR file_id = ?1";
        let file: Option<i64> = transaction.query_row(sql, [name], |row| row.get(0)).optional()?;
        let Some(file) = file else { return Ok(Err("there is no such file".to_owned())) };
        let (kind, state) = if give_up { ("given_up", "accepted") } else { ("again", "waiting") };
        // What was presented more than once is only given up.
        let kinds =
            if give_up { "'presentment', 'again', 'representment'" } else { "'presentment'" };
        let insert = format!(
            "INSERT INTO items (kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc,
                 amount, currency, refund, state)
             SELECT ?2, item, txn, issuer, merchant, terminal, card, rrn, approval, mcc, amount, currency, refund, ?3
             FROM items i WHERE file = ?1 AND state = 'rejected' AND kind IN ({kinds})
                 AND EXISTS (SELECT 1 FROM items r WHERE r.about = i.item AND r.kind = 'rejection')
                 AND NOT EXISTS (SELECT 1 FROM items o WHERE o.about = i.item AND o.kind IN ('again', 'given_up'))
                 AND NOT EXISTS (SELECT 1 FROM items o WHERE o.about IN (i.item, i.about) AND o.kind IN ('opposite', 'lowered'))
                 AND (?2 <> 'again' OR NOT EXISTS (SELECT 1 FROM held h WHERE h.txn = i.txn AND h.kind = 'lowered'))
             ORDER BY item"
        );
        let decided = transaction.execute(&insert, params![file, kind, state])?;
        let left = "SELECT count(*) FROM items i WHERE file = ? AND state = 'rejected'
            AND NOT EXISTS (SELECT 1 FROM items o WHERE o.about = i.item AND o.kind IN ('again', 'given_up'))";
        let left: i64 = transaction.query_row(left, [file], |row| row.get(0))?;
        let done = if give_up { "given up" } else { "to be presented once more" };
        if decided > 0 {
            event(
                &transaction,
                (None, Some(file)),
                "ordered",
                &format!("{decided} items are {done}, by {by}"),
                moment.at(),
            )?;
        }
        transaction.commit()?;
        Ok(Ok(OfFile {
            done: kind,
            decided: u64::try_from(decided).unwrap_or(u64::MAX),
            left: left.cast_unsigned(),
        }))
    }

    /// Takes an exception off the list.
    pub fn close_exception(
        &mut self,
        exception: i64,
        (why, by): (&Remark, &Remark),
        moment: Moment,
    ) -> Result<Result<Ordered, String>, LedgerError> {
        let transaction = self.connection.transaction()?;
        let found = transaction
            .query_row(
                "SELECT closed, amount, currency, item, file, answer, claim FROM exceptions WHERE exception = ?",
                [exception],
                |row| {
                    Ok((
                        row.get::<_, Option<i64>>(0)?,
                        (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<String>>(2)?),
                        [3, 4, 5, 6].map(|at| row.get::<_, Option<i64>>(at)),
                    ))
                },
            )
            .optional()?;
        let Some((closed, (amount, currency), about)) = found else {
            return Ok(Err(format!(
                "there is no exception {exception}: `iso8583d clearing exceptions` lists them"
            )));
        };
        let ordered = Ordered {
            number: exception,
            done: "closed",
            again: closed.is_some(),
            amount: amount.unwrap_or(0),
            currency: currency.unwrap_or_default(),
        };
        if closed.is_none() {
            transaction.execute(
                "UPDATE exceptions SET closed = ?, closed_by = ?, closed_why = ? WHERE exception = ?",
                params![moment.at(), by.as_str(), why.as_str(), exception],
            )?;
            let [item, file, answer, claim] = about;
            transaction.execute(
                "INSERT INTO events (at, item, file, answer, claim, kind, detail) VALUES (?, ?, ?, ?, ?, 'exception_closed', ?)",
                params![moment.at(), item?, file?, answer?, claim?, format!("exception {exception}, by {by}: {why}")],
            )?;
            transaction.commit()?;
        }
        Ok(Ok(ordered))
    }
}

fn unknown(item: i64) -> String {
    format!("there is no item {item}")
}

fn done(number: i64, done: &'static str, again: bool, (amount, row): (i64, &Row)) -> Ordered {
    Ordered { number, done, again, amount, currency: row.currency.clone() }
}

fn row(connection: &Connection, item: i64) -> Result<Option<Row>, LedgerError> {
    let row = connection
        .query_row(
            "SELECT kind, state, amount, currency, due, about FROM items WHERE item = ?",
            [item],
            |row| {
                Ok(Row {
                    kind: row.get(0)?,
                    state: row.get(1)?,
                    amount: row.get(2)?,
                    currency: row.get(3)?,
                    due: row.get(4)?,
                    about: row.get(5)?,
                })
            },
        )
        .optional()?;
    Ok(row)
}

/// What was made of an item: its number and amount.
fn made(
    connection: &Connection,
    about: i64,
    kind: &str,
) -> Result<Option<(i64, i64)>, LedgerError> {
    let made = connection
        .query_row(
            "SELECT item, amount FROM items WHERE about = ? AND kind = ?",
            params![about, kind],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(made)
}

type Planned = Result<(&'static str, i64), String>;

fn of_charge_back(
    connection: &Connection,
    order: &Represent,
    row: &Row,
    moment: Moment,
) -> Result<Planned, LedgerError> {
    let item = order.item;
    let amount = order.amount.unwrap_or(row.amount);
    // Its amount is nothing when it was withdrawn.
    if row.amount == 0 {
        return Ok(Err(format!(
            "charge-back {item} was withdrawn, and there is nothing to answer"
        )));
    }
    if !(1..=row.amount).contains(&amount) {
        return Ok(Err(format!(
            "{amount} is not from 1 to {}, which was charged back",
            row.amount
        )));
    }
    let arbitration: Option<String> = match row.about {
        None => None,
        Some(about) => self::row(connection, about)?.map(|row| row.kind),
    };
    if arbitration.as_deref() == Some("representment") {
        return Ok(Err(format!(
            "charge-back {item} answers a second presentment: what follows is an arbitration, and no third one"
        )));
    }
    if let Some(due) = row.due.filter(|due| *due < day_number(moment.day))
        && made(connection, item, "representment")?.is_none()
    {
        return Ok(Err(format!("charge-back {item} was to be answered by {}", day_text(due))));
    }
    Ok(Ok(("representment", amount)))
}

fn of_rejected(
    connection: &Connection,
    order: &Represent,
    row: &Row,
) -> Result<Planned, LedgerError> {
    let item = order.item;
    if made(connection, item, "again")?.is_some() {
        return Ok(Ok(("again", order.amount.unwrap_or(row.amount))));
    }
    if let Err(why) = in_suspense(connection, item, row)? {
        return Ok(Err(why));
    }
    if row.kind != "presentment" {
        let why = match row.kind.as_str() {
            "again" | "representment" => {
                "it was presented more than once: `iso8583d clearing give-up` takes it out of suspense"
            }
            _ => "it takes something back: agree with the issuer",
        };
        return Ok(Err(format!("item {item} cannot be presented once more: {why}")));
    }
    if order.amount.is_some_and(|amount| amount != row.amount) {
        return Ok(Err(format!(
            "what was rejected is presented once more for the same amount, {}",
            row.amount
        )));
    }
    if made(connection, item, "given_up")?.is_some() {
        return Ok(Err(format!("item {item} was given up")));
    }
    for kind in ["opposite", "lowered"] {
        if let Some((back, amount)) = made(connection, item, kind)? {
            return Ok(Err(format!(
                "of item {item} {amount} was taken back since, by item {back}: there is nothing to present"
            )));
        }
    }
    let held = "SELECT EXISTS (SELECT 1 FROM held JOIN items USING (txn) WHERE item = ? AND held.kind = 'lowered')";
    if connection.query_row(held, [item], |row| row.get(0))? {
        return Ok(Err(format!(
            "a part of item {item} was taken back since, while it was in suspense: `iso8583d clearing give-up`, and claim what is left"
        )));
    }
    Ok(Ok(("again", row.amount)))
}

/// Whether an item was rejected, and waits for a decision.
fn in_suspense(
    connection: &Connection,
    item: i64,
    row: &Row,
) -> Result<Result<(), String>, LedgerError> {
    if row.kind == "rejection" {
        let about = row.about.map_or_else(String::new, |about| format!(", item {about}"));
        return Ok(Err(format!("item {item} is a rejection: name what was rejected{about}")));
    }
    if row.state != "rejected" || made(connection, item, "rejection")?.is_none() {
        return Ok(Err(format!(
            "item {item}, a {}, was not rejected: it is {}",
            row.kind,
            row.state.replace('_', " ")
        )));
    }
    if matches!(row.kind.as_str(), "opposite" | "lowered") {
        return Ok(Err(format!("item {item} takes something back: agree with the issuer")));
    }
    Ok(Ok(()))
}

fn insert(
    connection: &Connection,
    about: i64,
    (kind, state): (&str, &str),
    (amount, reason): (i64, Option<&str>),
) -> Result<i64, LedgerError> {
    connection.execute(
        "INSERT INTO items (kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc,
             amount, currency, refund, state, reason)
         SELECT ?2, item, txn, issuer, merchant, terminal, card, rrn, approval, mcc, ?4, currency, refund, ?3, ?5
         FROM items WHERE item = ?1",
        params![about, kind, state, amount, reason],
    )?;
    Ok(connection.last_insert_rowid())
}
