//! The rows of what a cut presents, written some at a time: one statement opens what it writes into once for all of them. Whoever
//! reads the ledger meanwhile finds all of them there. Decides nothing.

use std::cell::RefCell;

use rusqlite::Connection;

use crate::books::Pen;
use crate::clearing::Fees;
use crate::ledger::LedgerError;

/// An item on its way into the table.
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) kind: &'static str,
    pub(super) about: Option<i64>,
    pub(super) txn: i64,
    pub(super) claim: Option<i64>,
    pub(super) issuer: u32,
    pub(super) merchant: String,
    pub(super) terminal: Option<String>,
    pub(super) card: Option<String>,
    pub(super) rrn: Option<String>,
    pub(super) approval: Option<String>,
    pub(super) mcc: Option<String>,
    /// Minor units.
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) refund: bool,
    pub(super) fees: Fees,
    pub(super) exact: Option<String>,
    pub(super) day: i64,
    pub(super) cycle: u32,
    pub(super) file: i64,
    pub(super) number: i64,
    pub(super) reference: String,
}

/// The ledger, and rows that it does not have yet.
pub(super) struct Rows<'a> {
    connection: &'a Connection,
    waiting: RefCell<Waiting<'a>>,
}

struct Waiting<'a> {
    items: Vec<Item>,
    /// Numbers up to this one are another ledger's. `SQLite` knows that once there is an item.
    before: i64,
    /// Writes `GROUP` rows at once.
    group: Pen<'a>,
    /// Writes one.
    one: Pen<'a>,
}

/// How many rows one statement writes.
const GROUP: usize = if cfg!(test) { 3 } else { 16 };

/// All columns but the number, in the order of the table. `SQLite` gives the next one, as is done here: where it is told one, it keeps
/// each page that it changes, to undo the statement if that is no number.
const COLUMNS: &str = "kind, about, txn, claim, issuer, merchant, terminal, card, rrn, approval, mcc, amount, currency, refund,
    discount, interchange, scheme, exact, day, cycle, file, number, reference, state";

const ROW: &str =
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'presented')";

impl<'a> Rows<'a> {
    /// Items are numbered from behind `before` on.
    pub(super) fn new(connection: &'a Connection, before: i64) -> rusqlite::Result<Self> {
        // What cannot be written undoes all that its step did, so that nothing need be kept to undo it alone.
        let insert = |rows| {
            let values = [ROW].repeat(rows).join(", ");
            format!("INSERT OR ROLLBACK INTO items ({COLUMNS}) VALUES {values}")
        };
        let (group, one) =
            (Pen::new(connection, &insert(GROUP))?, Pen::new(connection, &insert(1))?);
        let items = Vec::with_capacity(GROUP);
        Ok(Self { connection, waiting: RefCell::new(Waiting { items, before, group, one }) })
    }

    /// Puts an item into the table, with those that came before it or with those that come after.
    pub(super) fn put(&self, item: Item) -> Result<(), LedgerError> {
        let mut waiting = self.waiting.borrow_mut();
        waiting.items.push(item);
        if waiting.items.len() < GROUP {
            return Ok(());
        }
        let Waiting { items, before, group, .. } = &mut *waiting;
        self.write((items, *before), group)
    }

    /// Writes what waits, and gives the ledger that has it now.
    pub(super) fn laid_down(&self) -> Result<&'a Connection, LedgerError> {
        let Waiting { items, before, one, .. } = &mut *self.waiting.borrow_mut();
        self.write((items, *before), one)?;
        Ok(self.connection)
    }

    fn write(
        &self,
        (items, before): (&mut Vec<Item>, i64),
        pen: &mut Pen<'_>,
    ) -> Result<(), LedgerError> {
        let Some(last) = items.last().map(|item| item.id) else { return Ok(()) };
        items.drain(..).try_for_each(|item| item.write(pen))?;
        match self.connection.last_insert_rowid() {
            id if id == last => Ok(()),
            // The first ones of the table: all others follow them.
            id if id == last - before => {
                let sql = "UPDATE items SET item = item + ?1 WHERE item <= ?2";
                self.connection.execute(sql, (before, id))?;
                Ok(())
            }
            id => Err(LedgerError::Unbalanced(format!("item {last} has the number {id}"))),
        }
    }
}

impl Item {
    fn write(&self, pen: &mut Pen<'_>) -> rusqlite::Result<()> {
        let Fees { discount, interchange, scheme } = self.fees;
        pen.word(Some(self.kind.as_bytes()))?;
        pen.number(self.about)?.fresh(self.txn)?.fresh(self.claim)?;
        pen.number(Some(self.issuer.into()))?.word(Some(self.merchant.as_bytes()))?;
        pen.word(self.terminal.as_deref().map(str::as_bytes))?.fresh(&self.card)?;
        pen.fresh(&self.rrn)?
            .fresh(&self.approval)?
            .word(self.mcc.as_deref().map(str::as_bytes))?;
        pen.number(Some(self.amount))?.word(Some(self.currency.as_bytes()))?;
        pen.number(Some(self.refund.into()))?;
        pen.number(Some(discount))?.number(Some(interchange))?.number(Some(scheme))?;
        pen.word(self.exact.as_deref().map(str::as_bytes))?;
        pen.number(Some(self.day))?.number(Some(self.cycle.into()))?;
        pen.number(Some(self.file))?.fresh(self.number)?.fresh(&self.reference)?;
        pen.write()
    }
}
