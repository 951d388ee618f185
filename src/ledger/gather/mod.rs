//! What a cut takes: items that wait, members of the day, claims of merchants. Each gets its file, number and reference.

mod undone;

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::claims::{UNDONE, completions};
use super::cut::{CutError, Cycle, Order, Outgoing};
use super::fate::{self, Decision, Fate};
use super::tables::day;
use super::{Ledger, chain};
use crate::books::{Member, View};
use crate::clearing::{Capture, ClearingError, FileId, Kind, Part, Reference, Terms};
use crate::iso::{Amount, Currency, ElementNo, Wall};
use crate::record::{LinkId, Lsn, Standing, TxnId};

/// A cut while it is begun, within one transaction.
pub(super) struct Gathering<'a> {
    connection: &'a Connection,
    books: &'a View,
    outgoing: &'a Outgoing,
    cycle: Cycle,
    now: Wall,
    files: BTreeMap<(LinkId, Currency), Place>,
    last_item: i64,
    any: bool,
}

/// Whether a refund may go out.
enum Refund {
    /// In this cut.
    Now,
    /// Not before what it gives back was taken.
    Later,
    /// Not at all, for such a reason.
    Never(&'static str),
}

/// The last place in a file that is taken. The header has the first.
#[derive(Clone, Copy)]
struct Place {
    file: i64,
    number: i64,
}

/// A new item.
struct New<'a> {
    kind: &'static str,
    about: Option<i64>,
    claim: Option<i64>,
    capture: &'a Capture,
    standing: &'a Standing,
    /// That of what it is about; a fresh one for what is claimed for the first time.
    reference: Option<String>,
}

/// A claim that no cut has taken.
struct Ready {
    claim: i64,
    op: String,
    txn: Option<i64>,
    original: Option<i64>,
    amount: i64,
    currency: String,
    merchant: String,
    terminal: Option<String>,
    mcc: Option<String>,
    local: Option<String>,
}

/// How many rows are held in memory at once.
const BATCH: i64 = 512;

impl<'a> Gathering<'a> {
    pub(super) fn new(
        ledger: &'a Ledger,
        cycle: Cycle,
        order: &'a Order,
    ) -> Result<Self, CutError> {
        let connection = &ledger.connection;
        let last = connection.query_row("SELECT max(item) FROM items", [], |row| row.get(0))?;
        Ok(Self {
            connection,
            books: &ledger.books,
            outgoing: &order.outgoing,
            cycle,
            now: order.now,
            files: BTreeMap::new(),
            last_item: Option::unwrap_or_default(last),
            any: false,
        })
    }

    /// Whether there was anything.
    pub(super) const fn any(&self) -> bool {
        self.any
    }

    /// The cut itself: up to which record of the journal, and which claim.
    pub(super) fn end(&self, lsn: Lsn) -> Result<(), CutError> {
        self.connection.execute(
            "INSERT INTO cuts VALUES (?, ?, ?, ?, (SELECT ifnull(max(claim), 0) FROM claims), 'begun', NULL)",
            (day(self.cycle.date), self.cycle.number, lsn.0.cast_signed(), self.now.0.cast_signed()),
        )?;
        Ok(())
    }

    /// Items that came since the last cut. Those that claim something of an issuer go into its file.
    pub(super) fn waiting(&mut self) -> Result<(), CutError> {
        let mut after = 0;
        loop {
            let batch = self.waiting_after(after)?;
            for (item, ..) in &batch {
                after = *item;
            }
            if batch.is_empty() {
                return Ok(());
            }
            for (item, claims, issuer, currency) in batch {
                self.any = true;
                let (day, cycle) = (day(self.cycle.date), self.cycle.number);
                if !claims {
                    let sql = "UPDATE items SET day = ?, cycle = ? WHERE item = ?";
                    self.connection.prepare_cached(sql)?.execute((day, cycle, item))?;
                    continue;
                }
                let currency = Currency::from_ascii(currency.as_bytes())
                    .or(Err(ClearingError::Overflow { what: "currency" }))?;
                let (issuer, fresh) = (LinkId(issuer), self.fresh(LinkId(issuer), item));
                let place = self.place(issuer, currency)?;
                // It keeps the reference of what it presents once more.
                let sql = "UPDATE items SET day = ?1, cycle = ?2, file = ?3, number = ?4, state = 'presented',
                        reference = coalesce(reference,
                            (SELECT first.reference FROM items AS first WHERE first.item = items.about),
                            (SELECT first.reference FROM items AS first JOIN items AS back ON back.about = first.item
                                WHERE back.item = items.about), ?5)
                    WHERE item = ?6";
                let values = params![day, cycle, place.file, place.number, fresh.to_string(), item];
                self.connection.prepare_cached(sql)?.execute(values)?;
            }
        }
    }

    fn waiting_after(&self, after: i64) -> Result<Vec<(i64, bool, u32, String)>, CutError> {
        let sql = "SELECT item, kind IN ('presentment', 'opposite', 'lowered', 'again', 'representment'), issuer, currency
            FROM items WHERE day IS NULL AND item > ? ORDER BY item LIMIT ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let rows = ask.query_map((after, BATCH), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the books have of the day.
    pub(super) fn members(&mut self) -> Result<(), CutError> {
        let (books, date) = (self.books, self.cycle.date);
        books.members(date, |member| self.member(&member))
    }

    fn member(&mut self, member: &Member) -> Result<(), CutError> {
        let standing = &member.standing;
        let kind = match (member.kind, member.part) {
            (Kind::Presentment, _) => "presentment",
            (Kind::Opposite, Part::Difference) => "lowered",
            (Kind::Opposite, _) => "opposite",
        };
        let capture = match Capture::of(standing, member.part, self.books.keys()) {
            Ok(capture) => capture,
            // The wrong key would hold back everything: that is for the operator to put right first.
            Err(fault @ ClearingError::Card { .. }) => return Err(fault.into()),
            Err(fault) => return self.hold(standing, kind, &fault),
        };
        if member.kind == Kind::Presentment && self.was_claimed(standing)? {
            return self.hold(standing, kind, &ClearingError::Claimed { txn: standing.id });
        }
        let (mut about, mut reference) = (None, None);
        if member.kind == Kind::Opposite {
            if self.was_held(standing)? {
                // It never left: nothing is taken back.
                return Ok(());
            }
            if self.takes_back_the_rest(standing)? {
                self.any = true;
                return Ok(());
            }
            let fate = fate::of_member(self.connection, standing.id.0.cast_signed())?;
            if fate.as_ref().is_some_and(|fate| fate.opposed) {
                return Ok(());
            }
            match fate.as_ref().map(|fate| (fate.rejected, fate.charged_back)) {
                Some((Some(Decision::None), _)) if kind == "opposite" => {
                    return self.give_up(fate.map_or(0, |fate| fate.live));
                }
                // Its merchant has paid for it already.
                Some((Some(Decision::GivenUp), _)) if kind == "opposite" => return Ok(()),
                Some((Some(_), _)) => {
                    let fault = ClearingError::Rejected { txn: standing.id };
                    return self.hold_once(standing, kind, &fault);
                }
                Some((None, true)) => {
                    let fault = ClearingError::ChargedBack { txn: standing.id };
                    return self.hold_once(standing, kind, &fault);
                }
                Some((None, false)) | None => {}
            }
            (about, reference) =
                fate.map_or((None, None), |fate| (Some(fate.item), fate.reference));
            // Claimed by a program that kept no ledger: under its transaction's own number.
            let acquirer = &self.outgoing.settings(capture.issuer()).acquirer_bin;
            let earlier = || Reference::new(acquirer, capture.date(), standing.id.0).to_string();
            reference = reference.or_else(|| Some(earlier()));
        }
        let claim = None;
        self.put(&New { kind, about, claim, capture: &capture, standing, reference })
    }

    /// Whether a transaction was held when it was to be presented.
    fn was_held(&self, standing: &Standing) -> Result<bool, CutError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM held WHERE txn = ? AND kind = 'presentment')";
        let mut ask = self.connection.prepare_cached(sql)?;
        Ok(ask.query_row([standing.id.0.cast_signed()], |row| row.get(0))?)
    }

    /// Its issuer did not take it, and it was reversed since: it leaves suspense at its merchant's cost, and its issuer hears nothing.
    fn give_up(&mut self, about: i64) -> Result<(), CutError> {
        let (item, day, cycle) = (self.next_item(), day(self.cycle.date), self.cycle.number);
        let sql = "INSERT INTO items (item, kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc, amount, currency,
                refund, day, cycle, state)
            SELECT ?1, 'given_up', item, txn, issuer, merchant, terminal, card, rrn, approval, mcc, amount, currency,
                refund, ?2, ?3, 'accepted' FROM items WHERE item = ?4";
        self.connection.prepare_cached(sql)?.execute((item, day, cycle, about))?;
        Ok(())
    }

    /// Whether an advice completes an authorization that its merchant claimed, and that was presented so.
    fn was_claimed(&self, standing: &Standing) -> Result<bool, CutError> {
        let Some(completes) = standing.sent().and_then(|sent| sent.completed()) else {
            return Ok(false);
        };
        let claimed = fate::of_purchase(self.connection, completes.0.cast_signed())?;
        Ok(claimed.iter().any(|fate| !fate.opposed))
    }

    /// Whether an authorization was completed by an advice that stands: then that is presented.
    fn is_completed(&self, txn: TxnId) -> Result<bool, CutError> {
        for completion in completions(self.connection, txn)? {
            let standing = self.books.standing(completion)?;
            if standing.is_some_and(|standing| standing.stands_approved()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a refund gives back must have been taken, and not be given back already.
    fn may_refund(&self, ready: &Ready, standing: &Standing) -> Result<Refund, CutError> {
        if undone::is_refund(standing) {
            let stands = standing.stands_approved();
            return Ok(if stands { Refund::Now } else { Refund::Never("REVERSED") });
        }
        let fates = fate::of_purchase(self.connection, standing.id.0.cast_signed())?;
        let is_good = |fate: &Fate| !fate.opposed && !fate.charged_back && fate.rejected.is_none();
        let may_be = |fate: &Fate| !fate.opposed && fate.rejected == Some(Decision::None);
        Ok(if fates.iter().any(is_good) {
            let mut left = -fate::refunded(self.connection, standing.id.0.cast_signed())?;
            for fate in fates.iter().filter(|fate| is_good(fate)) {
                left += i128::from(fate::left(self.connection, fate)?);
            }
            if i128::from(ready.amount) <= left {
                Refund::Now
            } else if fates.iter().any(may_be) {
                Refund::Later
            } else {
                Refund::Never("REFUND_OVER_CAPTURED")
            }
        } else if fates.iter().any(may_be) || fates.is_empty() && standing.stands_approved() {
            Refund::Later
        } else {
            Refund::Never(if fates.is_empty() { "REVERSED" } else { "TAKEN_BACK" })
        })
    }

    /// Whether more would be presented than reversals have left of it and of what raised it.
    fn exceeds_what_is_left(
        &self,
        ready: &Ready,
        standing: &Standing,
        left: Option<u64>,
    ) -> Result<bool, CutError> {
        let Some(left) = left else { return Ok(false) };
        let sql = "SELECT ifnull(sum(amount - (SELECT ifnull(sum(l.amount), 0) FROM items AS l
                WHERE l.about = p.item AND l.kind = 'lowered')), 0)
            FROM items AS p WHERE txn = ? AND kind = 'presentment' AND refund = 0
            AND NOT EXISTS (SELECT 1 FROM items AS o WHERE o.about = p.item AND o.kind = 'opposite')";
        let mut ask = self.connection.prepare_cached(sql)?;
        let before: i64 = ask.query_row([standing.id.0.cast_signed()], |row| row.get(0))?;
        Ok(i128::from(before) + i128::from(ready.amount) > i128::from(left))
    }

    fn hold(&self, standing: &Standing, kind: &str, fault: &ClearingError) -> Result<(), CutError> {
        let issuer = standing.sent().map_or_else(LinkId::default, |sent| sent.issuer);
        let (day, cycle) = (day(self.cycle.date), self.cycle.number);
        let (txn, party) = (standing.id.0.cast_signed(), self.outgoing.party(issuer));
        self.connection.prepare_cached("INSERT INTO held VALUES (?, ?, ?, ?, ?, ?)")?.execute((
            day,
            cycle,
            txn,
            kind,
            party,
            fault.to_string(),
        ))?;
        Ok(())
    }

    /// What merchants claimed and no cut has taken.
    pub(super) fn claims(&mut self) -> Result<(), CutError> {
        let mut after = 0;
        loop {
            let batch = self.claims_after(after)?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = last.claim;
            for ready in &batch {
                if ready.op == "reversal" { self.take_back(ready)? } else { self.present(ready)? }
            }
        }
    }

    fn claims_after(&self, after: i64) -> Result<Vec<Ready>, CutError> {
        let sql = "SELECT claim, op, txn, original, amount, currency, merchant, terminal, mcc, local FROM claims
            WHERE day IS NULL AND voided IS NULL AND state IN ('accepted', 'warned') AND claim > ? ORDER BY claim LIMIT ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let rows = ask.query_map((after, BATCH), Ready::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A claim becomes an item of the issuer that its authorization was sent to.
    fn present(&mut self, ready: &Ready) -> Result<(), CutError> {
        let Some(txn) = ready.txn else { return self.refuse(ready, "NO_AUTHORIZATION") };
        let Some(standing) = self.books.standing(TxnId(txn.cast_unsigned()))? else {
            return self.refuse(ready, "NO_AUTHORIZATION");
        };
        let refund = self.pays_card(ready)?;
        let left = chain::left(self.connection, self.books, &standing)?;
        // Much may have happened after it was claimed.
        if refund {
            match self.may_refund(ready, &standing)? {
                Refund::Now => {}
                Refund::Later => return Ok(()),
                Refund::Never(reason) => return self.refuse(ready, reason),
            }
        } else if !left.stands {
            return self.refuse(ready, "REVERSED");
        } else if self.is_completed(standing.id)? {
            return self.refuse(ready, "ALREADY_CAPTURED");
        } else if self.exceeds_what_is_left(ready, &standing, left.at_most)? {
            return self.refuse(ready, "OVER_AMOUNT");
        }
        let Ok(currency) = Currency::from_ascii(ready.currency.as_bytes()) else {
            return self.refuse(ready, "CURRENCY");
        };
        let terms = Terms {
            amount: Amount { minor: ready.amount, currency },
            refund,
            merchant: &ready.merchant,
            terminal: ready.terminal.as_deref(),
            mcc: ready.mcc.as_deref(),
            local: ready.local.as_deref(),
        };
        let capture = match Capture::claimed(&standing, &terms, self.books.keys()) {
            Ok(capture) => capture,
            Err(fault @ ClearingError::Card { .. }) => return Err(fault.into()),
            Err(_) => return self.refuse(ready, "UNPRESENTABLE"),
        };
        let (capture, standing, claim) = (&capture, &standing, Some(ready.claim));
        let (kind, about, reference) = ("presentment", None, None);
        self.put(&New { kind, about, claim, capture, standing, reference })?;
        self.taken(ready)
    }

    /// What was presented is taken back, all of it.
    fn take_back(&mut self, ready: &Ready) -> Result<(), CutError> {
        if self.voids(ready)? {
            return self.taken(ready);
        }
        let (day, cycle) = (day(self.cycle.date), self.cycle.number);
        let Some(fate) = fate::of_claim(self.connection, ready.original)? else {
            return self.refuse(ready, "NOT_PRESENTED");
        };
        match fate.rejected {
            _ if fate.opposed || fate.charged_back => return self.refuse(ready, "TAKEN_BACK"),
            Some(Decision::GivenUp) => return self.refuse(ready, "TAKEN_BACK"),
            Some(Decision::None) => {
                self.give_up(fate.live)?;
                return self.taken(ready);
            }
            // It is being presented just now: it is taken back by the next cut.
            None if fate.cut == (Some(day), Some(i64::from(cycle))) => return Ok(()),
            None => {}
        }
        let about = fate.item;
        let sql = "SELECT issuer, currency FROM items WHERE item = ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let found = ask.query_row([about], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        let (issuer, currency) = found.map(|(issuer, currency)| (LinkId(issuer), currency))?;
        let Ok(currency) = Currency::from_ascii(currency.as_bytes()) else {
            return self.refuse(ready, "CURRENCY");
        };
        let (place, item) = (self.place(issuer, currency)?, self.next_item());
        let sql = "INSERT INTO items (item, kind, about, txn, claim, issuer, merchant, terminal, card, rrn, approval, mcc, amount,
                currency, refund, day, cycle, file, number, reference, state)
            SELECT ?1, 'opposite', item, txn, ?2, issuer, merchant, terminal, card, rrn, approval, mcc,
                amount - (SELECT ifnull(sum(l.amount), 0) FROM items AS l WHERE l.about = ?7 AND l.kind = 'lowered'),
                currency, refund, ?3, ?4, ?5, ?6, reference, 'presented' FROM items WHERE item = ?7";
        let values = params![item, ready.claim, day, cycle, place.file, place.number, about];
        self.connection.prepare_cached(sql)?.execute(values)?;
        // A refund kept as much of what it gave back from being taken back with its authorization.
        let sql = "INSERT OR IGNORE INTO keys SELECT ?1, txn FROM items WHERE item = ?2 AND refund = 1 AND txn IS NOT NULL";
        self.connection.prepare_cached(sql)?.execute((UNDONE, about))?;
        self.taken(ready)
    }

    /// Whether it took its original back before that was presented: then it has done its work.
    fn voids(&self, ready: &Ready) -> Result<bool, CutError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM claims WHERE claim = ? AND voided = ?)";
        let mut ask = self.connection.prepare_cached(sql)?;
        Ok(ask.query_row((ready.original, ready.claim), |row| row.get(0))?)
    }

    /// Whether money goes to the card: what is adjusted flows as what it adjusts.
    fn pays_card(&self, ready: &Ready) -> Result<bool, CutError> {
        let (mut op, mut original) = (ready.op.clone(), ready.original);
        while let Some(claim) = original.filter(|_| op == "adjust") {
            let sql = "SELECT op, original FROM claims WHERE claim = ?";
            let mut ask = self.connection.prepare_cached(sql)?;
            let found = ask.query_row([claim], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
            });
            let found = found.optional()?;
            // Claims name what came before them.
            let found = found.filter(|(_, before)| before.is_none_or(|before| before < claim));
            let Some(found) = found else { break };
            (op, original) = found;
        }
        Ok(op == "refund")
    }

    fn taken(&self, ready: &Ready) -> Result<(), CutError> {
        let sql = "UPDATE claims SET day = ?, cycle = ? WHERE claim = ?";
        let values = (day(self.cycle.date), self.cycle.number, ready.claim);
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    /// A claim that cannot be presented any more is rejected, and that is told.
    fn refuse(&self, ready: &Ready, reason: &str) -> Result<(), CutError> {
        self.connection
            .prepare_cached("UPDATE claims SET state = 'rejected', reason = ? WHERE claim = ?")?
            .execute((reason, ready.claim))?;
        self.connection
            .prepare_cached(
                "INSERT INTO events (at, claim, kind, detail) VALUES (?, ?, 'rejected', ?)",
            )?
            .execute((self.now.0.cast_signed(), ready.claim, reason))?;
        Ok(())
    }

    fn put(&mut self, new: &New<'_>) -> Result<(), CutError> {
        let (capture, issuer) = (new.capture, new.capture.issuer());
        let amount = capture.amount();
        let item = self.next_item();
        let place = self.place(issuer, amount.currency)?;
        let reference = match &new.reference {
            Some(reference) => reference.clone(),
            None => self.fresh(issuer, item).to_string(),
        };
        let sent = new.standing.sent();
        let card = sent.and_then(|sent| sent.card.as_ref());
        let card = card.and_then(|card| std::str::from_utf8(card.masked.as_bytes()).ok());
        let sql = "INSERT INTO items (item, kind, about, txn, claim, issuer, merchant, terminal, card, rrn, approval, mcc, amount,
                currency, refund, day, cycle, file, number, reference, state)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'presented')";
        self.connection.prepare_cached(sql)?.execute(params![
            item,
            new.kind,
            new.about,
            new.standing.id.0.cast_signed(),
            new.claim,
            issuer.0,
            capture.merchant_text(),
            capture.text(ElementNo::TERMINAL),
            card,
            capture.text(ElementNo::RRN),
            capture.text(ElementNo::APPROVAL_CODE),
            capture.text(ElementNo::MERCHANT_TYPE),
            amount.minor,
            amount.currency.to_string(),
            capture.is_refund(),
            day(self.cycle.date),
            self.cycle.number,
            place.file,
            place.number,
            reference,
        ])?;
        Ok(())
    }

    /// Items are numbered without end: so no reference recurs.
    const fn next_item(&mut self) -> i64 {
        self.last_item = self.last_item.saturating_add(1);
        self.any = true;
        self.last_item
    }

    fn fresh(&self, issuer: LinkId, item: i64) -> Reference {
        let acquirer = &self.outgoing.settings(issuer).acquirer_bin;
        Reference::new(acquirer, self.cycle.date, item.cast_unsigned())
    }

    /// The next place in the file of an issuer and a currency.
    fn place(&mut self, issuer: LinkId, currency: Currency) -> Result<Place, CutError> {
        let mut place = match self.files.get(&(issuer, currency)) {
            Some(place) => *place,
            None => Place { file: self.open(issuer, currency)?, number: 1 },
        };
        place.number += 1;
        self.files.insert((issuer, currency), place);
        Ok(place)
    }

    /// A file's row is there before the file is: its number within the day never recurs.
    fn open(&self, issuer: LinkId, currency: Currency) -> Result<i64, CutError> {
        let (date, number) = (self.cycle.date, self.cycle.number);
        let party = self.outgoing.party(issuer);
        let sql = "SELECT EXISTS (SELECT 1 FROM files WHERE day = ? AND party = ? AND issuer <> ?)";
        let values = (day(date), &party, issuer.0);
        if self.connection.query_row(sql, values, |row| row.get(0))? {
            return Err(CutError::SameName { name: party });
        }
        let sql = "SELECT ifnull(max(sequence), 0) + 1 FROM files WHERE day = ?";
        let sequence: u32 = self.connection.query_row(sql, [day(date)], |row| row.get(0))?;
        let settings = self.outgoing.settings(issuer);
        let id = FileId::new(settings, date, sequence)?;
        let format = settings.format;
        let name = format!("clearing-{party}-{currency}-{}.{}", self.cycle, format.word());
        let currency = currency.to_string();
        self.connection.execute(
            "INSERT INTO files (day, cycle, issuer, currency, sequence, file_id, name, party, format, state)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'begun')",
            params![day(date), number, issuer.0, currency, sequence, id.to_string(), name, party, format.word()],
        )?;
        let file = self.connection.last_insert_rowid();
        self.connection.execute(
            "INSERT INTO events (at, file, kind) VALUES (?, ?, 'begun')",
            (self.now.0.cast_signed(), file),
        )?;
        Ok(file)
    }
}

impl Ready {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            claim: row.get(0)?,
            op: row.get(1)?,
            txn: row.get(2)?,
            original: row.get(3)?,
            amount: row.get(4)?,
            currency: row.get(5)?,
            merchant: row.get(6)?,
            terminal: row.get(7)?,
            mcc: row.get(8)?,
            local: row.get(9)?,
        })
    }
}
