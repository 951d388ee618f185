//! What became of what was presented: whether its issuer took it, and what was taken back since. Writes nothing.

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};

use super::LedgerError;

/// What became of a presentment.
pub(super) struct Fate {
    /// The presentment itself.
    pub(super) item: i64,
    /// It, or what presents it once more.
    pub(super) live: i64,
    /// Its reference.
    pub(super) reference: Option<String>,
    /// The claim that it comes from.
    pub(super) claim: Option<i64>,
    /// Its issuer did not take it, and it was not presented again, or not taken again: what was decided since.
    pub(super) rejected: Option<Decision>,
    /// Its card's holder has the money back, or some of it.
    pub(super) charged_back: bool,
    /// All of it was taken back.
    pub(super) opposed: bool,
    /// The cut that presented it.
    pub(super) cut: (Option<i64>, Option<i64>),
}

/// What becomes of what was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Nobody has said.
    None,
    /// Its merchant bears the cost.
    GivenUp,
}

const FATE: &str = "SELECT p.item, ifnull(a.item, p.item), p.reference, ifnull(a.state, p.state) = 'rejected',
        EXISTS (SELECT 1 FROM items AS o WHERE o.about IN (p.item, a.item) AND o.kind = 'given_up'),
        EXISTS (SELECT 1 FROM items AS o WHERE o.about IN (p.item, a.item) AND o.kind = 'chargeback' AND o.amount > 0),
        EXISTS (SELECT 1 FROM items AS o WHERE o.about IN (p.item, a.item) AND o.kind = 'opposite'),
        p.day, p.cycle, p.claim
    FROM items AS p LEFT JOIN items AS a ON a.about = p.item AND a.kind = 'again'
    WHERE p.kind = 'presentment' AND ";

/// What is about a transaction, in whatever way.
const OF_TXN: &str = "p.item IN (SELECT item FROM of_txn WHERE txn = ?)";

/// Of what the books have of a transaction, that nobody has to claim.
pub(super) fn of_member(connection: &Connection, txn: i64) -> Result<Option<Fate>, LedgerError> {
    one(connection, "p.txn = ? AND p.claim IS NULL", txn)
}

/// Whether a refund of that was ever presented, whatever became of it since.
pub(super) fn was_refunded(connection: &Connection, txn: i64) -> Result<bool, LedgerError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM items AS p WHERE {REFUND_OF})");
    Ok(connection.prepare_cached(&sql)?.query_row([txn], |row| row.get(0))?)
}

/// Of a claim.
pub(super) fn of_claim(
    connection: &Connection,
    claim: Option<i64>,
) -> Result<Option<Fate>, LedgerError> {
    one(connection, "p.claim = ?", claim)
}

/// Of everything that was presented of a transaction, but for what paid the card.
pub(super) fn of_purchase(connection: &Connection, txn: i64) -> Result<Vec<Fate>, LedgerError> {
    let mut ask =
        connection.prepare_cached(&format!("{FATE} {OF_TXN} AND p.refund = 0 ORDER BY p.item"))?;
    let found = ask.query_map([txn], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Of the claims of an authorization, those that were presented last first; of purchases, or of what paid the card.
pub(super) fn of_claims(
    connection: &Connection,
    txn: i64,
    pays_card: bool,
) -> Result<Vec<Fate>, LedgerError> {
    let which = "p.claim IS NOT NULL AND p.refund = ? ORDER BY p.item DESC";
    let mut ask = connection.prepare_cached(&format!("{FATE} {OF_TXN} AND {which}"))?;
    let found = ask.query_map((txn, pays_card), read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Whether a cut takes something of a presentment back already: a file names no reference twice.
pub(super) fn is_lowered_by(
    connection: &Connection,
    fate: &Fate,
    (day, cycle): (i64, u32),
) -> Result<bool, LedgerError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM items WHERE about = ? AND kind = 'lowered' AND day = ? AND cycle = ?)";
    let mut ask = connection.prepare_cached(sql)?;
    Ok(ask.query_row((fate.item, day, cycle), |row| row.get(0))?)
}

/// How much of a presentment its merchant still has: less what was lowered, and what was charged back and not
/// presented again, or not taken again.
pub(super) fn left(connection: &Connection, fate: &Fate) -> Result<i64, LedgerError> {
    if fate.opposed || fate.rejected == Some(Decision::GivenUp) {
        return Ok(0);
    }
    let sql = "WITH RECURSIVE family(item, kind, state, amount) AS (
            SELECT item, kind, state, amount FROM items WHERE item = ?
            UNION ALL SELECT i.item, i.kind, i.state, i.amount FROM items AS i JOIN family ON i.about = family.item)
        SELECT ifnull(sum(CASE WHEN kind = 'presentment' OR (kind = 'representment' AND state <> 'rejected') THEN amount
            WHEN kind IN ('lowered', 'chargeback') THEN -amount ELSE 0 END), 0) FROM family";
    let mut ask = connection.prepare_cached(sql)?;
    let left: i64 = ask.query_row([fate.item], |row| row.get(0))?;
    Ok(left.max(0))
}

/// The items of a presentment `p`: it, and what presents it once more.
pub(super) const PRESENTED: &str = "(SELECT p.item UNION SELECT a.item FROM items AS a WHERE a.about = p.item AND a.kind = 'again')";

/// What was presented as a refund of a transaction: under its own number, or by a claim that names one of its claims.
const REFUND_OF: &str = "p.kind = 'presentment' AND p.refund = 1
        AND p.item IN (SELECT item FROM of_txn WHERE txn = ?1
            UNION SELECT i.item FROM claims AS c JOIN claims AS r ON r.original = c.claim JOIN items AS i ON i.claim = r.claim
                WHERE c.txn = ?1)";

/// How much of an authorization, or of a sale, was given back to its card by refunds.
pub(super) fn refunded(connection: &Connection, txn: i64) -> Result<i128, LedgerError> {
    let sql = format!(
        "SELECT p.amount - (SELECT ifnull(sum(l.amount), 0) FROM items AS l WHERE l.about = p.item AND l.kind = 'lowered')
        FROM items AS p WHERE {REFUND_OF}
        AND NOT EXISTS (SELECT 1 FROM items AS o WHERE o.kind IN ('opposite', 'given_up')
            AND o.about IN {PRESENTED})"
    );
    let mut ask = connection.prepare_cached(&sql)?;
    let amounts = ask.query_map([txn], |row| row.get::<_, i64>(0))?;
    let mut sum = 0_i128;
    for amount in amounts {
        sum += i128::from(amount?);
    }
    Ok(sum)
}

/// Whether some of what was given back may come back yet: its issuer did not take it and nobody has decided, or its merchant takes it back.
pub(super) fn may_return_refund(connection: &Connection, txn: i64) -> Result<bool, LedgerError> {
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM items AS p LEFT JOIN items AS a ON a.about = p.item AND a.kind = 'again'
            WHERE {REFUND_OF}
            AND (ifnull(a.state, p.state) = 'rejected' OR EXISTS (SELECT 1 FROM claims AS back JOIN to_cut USING (claim)
                WHERE back.original = p.claim AND back.op = 'reversal'))
            AND NOT EXISTS (SELECT 1 FROM items AS o WHERE o.kind IN ('opposite', 'given_up') AND o.about IN (p.item, a.item)))"
    );
    Ok(connection.prepare_cached(&sql)?.query_row([txn], |row| row.get(0))?)
}

fn one(
    connection: &Connection,
    which: &str,
    value: impl ToSql,
) -> Result<Option<Fate>, LedgerError> {
    let mut ask = connection.prepare_cached(&format!("{FATE} {which} ORDER BY p.item LIMIT 1"))?;
    Ok(ask.query_row([value], read).optional()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Fate> {
    let decision = if row.get(4)? { Decision::GivenUp } else { Decision::None };
    let rejected: bool = row.get(3)?;
    Ok(Fate {
        item: row.get(0)?,
        live: row.get(1)?,
        reference: row.get(2)?,
        rejected: Some(decision).filter(|_| rejected),
        charged_back: row.get(5)?,
        opposed: row.get(6)?,
        cut: (row.get(7)?, row.get(8)?),
        claim: row.get(9)?,
    })
}
