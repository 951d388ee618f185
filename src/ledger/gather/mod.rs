//! What a cut takes: items that wait, members of the day, claims of merchants. Each gets its file, number and reference.
//!
//! It is done in steps, each a transaction of its own: no step is so large that those who pay wait for its way to its place. What
//! was killed in between goes on where it was.

mod claims;
mod members;
mod refunds;
mod rows;
mod undone;

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::ahead::Backfill;
use super::cut::{CutError, Cycle, Order, Outgoing, Step};
use super::draft::{Drafted, Drafting};
use super::files::first_turn;
use super::tables::{HELD_IN_WORDS, day};
use super::{Ledger, pricing};
use crate::books::View;
use crate::clearing::{Capture, ClearingError, FileId, Head, Line, Reference};
use crate::iso::{Currency, ElementNo, Wall};
use crate::record::{LinkId, Standing};
use rows::{Item, Rows};

/// A cut while it is gathered.
pub(super) struct Gathering<'a, 'o> {
    ledger: &'a Ledger,
    rows: Rows<'a>,
    books: &'a View,
    outgoing: &'o Outgoing,
    /// Who brings what is committed to its place meanwhile.
    backfill: Option<Backfill>,
    /// Who writes the files meanwhile.
    drafting: Option<Drafting<'o>>,
    cycle: Cycle,
    now: Wall,
    /// Claims that came later wait for the next cut.
    last_claim: i64,
    files: BTreeMap<(LinkId, Currency), Place>,
    last_item: i64,
    any: bool,
    /// The step that is done now; none after a fault.
    step: Option<Transaction<'a>>,
    /// What was done in it.
    done: usize,
    /// How many claims it could not present, as far as that is told.
    refused: u32,
    /// Whether it goes on with what a process began that ended: then some of it may be done.
    resumed: bool,
    /// Hears of each step that is committed.
    watch: &'a mut dyn FnMut(Step),
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
    claim: Option<Claimed>,
    capture: Capture,
    standing: &'a Standing,
    /// That of what it is about; a fresh one for what is claimed for the first time.
    reference: Option<String>,
    /// What its merchant says of how the card was read.
    entry: Option<&'a str>,
}

/// A claim that is presented.
#[derive(Clone, Copy)]
struct Claimed {
    claim: i64,
    /// Whether it is the last of its authorization.
    is_final: bool,
    /// Whether there may be an earlier one of that.
    may_have_earlier: bool,
}

/// How many rows are held in memory at once.
const BATCH: u32 = 512;

impl<'a, 'o> Gathering<'a, 'o> {
    /// Begins a cut, or goes on with one.
    pub(super) fn new(
        ledger: &'a Ledger,
        cycle: Cycle,
        order: &'o Order,
        watch: &'a mut dyn FnMut(Step),
    ) -> Result<Self, CutError> {
        let connection = &ledger.connection;
        let sql = "SELECT ifnull(max(item), 0) FROM items";
        let last = connection.query_row(sql, [], |row| row.get::<_, i64>(0))?;
        let before = ledger.origin()?.items;
        let step = Some(connection.unchecked_transaction()?);
        let (date, number) = (day(cycle.date), cycle.number);
        let begun = connection.execute(
            "INSERT OR IGNORE INTO cuts (day, cycle, lsn, at, last_claim, state)
                VALUES (?, ?, 0, ?, (SELECT ifnull(max(claim), 0) FROM claims), 'gathering')",
            (date, number, order.now.0.cast_signed()),
        )?;
        let resumed = begun == 0;
        let sql = "SELECT last_claim, EXISTS (SELECT 1 FROM items WHERE items.day = cuts.day AND items.cycle = cuts.cycle)
                OR EXISTS (SELECT 1 FROM held WHERE held.day = cuts.day AND held.cycle = cuts.cycle), at
            FROM cuts WHERE day = ? AND cycle = ?";
        let (last_claim, any, since): (i64, bool, i64) =
            connection.query_row(sql, (date, number), |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
        // A cut that was begun may have come no further than to what it cannot present.
        let sql = "SELECT count(*) FROM exceptions WHERE opened >= ? AND kind = 'not_presented' AND instr(detail, ?) > 0";
        let named = format!("the cut of {cycle} cannot ");
        let count = || connection.query_row(sql, (since, named), |row| row.get(0));
        let refused = if resumed { count()? } else { 0 };
        Ok(Self {
            ledger,
            rows: Rows::new(connection, before)?,
            books: &ledger.books,
            outgoing: &order.outgoing,
            backfill: None,
            drafting: None,
            cycle,
            now: order.now,
            last_claim,
            files: BTreeMap::new(),
            last_item: last.max(before),
            any: any || refused > 0,
            step,
            done: 0,
            refused,
            resumed,
            watch,
        })
    }

    /// Whether a process began it that ended.
    pub(super) const fn resumed(&self) -> bool {
        self.resumed
    }

    /// Hands each line on to who writes the files.
    pub(super) fn drafting(self, drafting: Drafting<'o>) -> Self {
        Self { drafting: Some(drafting), ..self }
    }

    /// Everything that the cut takes. Gives whether there was anything.
    pub(super) fn gather(self) -> Result<bool, CutError> {
        let ledger = self.ledger;
        ledger.backfilling(|backfill| Self { backfill, ..self }.gather_all())
    }

    fn gather_all(mut self) -> Result<bool, CutError> {
        self.waiting()?;
        if self.cycle.number == 0 {
            self.members()?;
        }
        self.undone()?;
        self.claims()?;
        self.rows.laid_down()?;
        self.step.take().map_or(Ok(()), Transaction::commit)?;
        self.drafting.take().into_iter().for_each(Drafting::end);
        Ok(self.any)
    }

    /// So many more things are done: a step of enough of them is committed.
    fn next(&mut self, count: usize) -> Result<(), CutError> {
        self.done += count;
        self.draft(Drafting::hand_on);
        if self.done < self.ledger.step {
            return Ok(());
        }
        let connection = self.rows.laid_down()?;
        self.step.take().map_or(Ok(()), Transaction::commit)?;
        self.backfill.as_mut().map_or(Ok(()), |backfill| backfill.step(connection))?;
        (self.watch)(Step::Gathered);
        self.step = Some(connection.unchecked_transaction()?);
        self.done = 0;
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
                    self.rows.laid_down()?.prepare_cached(sql)?.execute((day, cycle, item))?;
                    self.next(1)?;
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
                self.rows.laid_down()?.prepare_cached(sql)?.execute(values)?;
                self.draft_row(item, issuer, currency)?;
                self.next(1)?;
            }
        }
    }

    /// How many rows are read at once: no more than a step may have.
    fn page(&self) -> u32 {
        u32::try_from(self.ledger.step).map_or(BATCH, |step| step.min(BATCH))
    }

    fn waiting_after(&self, after: i64) -> Result<Vec<(i64, bool, u32, String)>, CutError> {
        let sql = "SELECT item, kind IN ('presentment', 'opposite', 'lowered', 'again', 'representment'), issuer, currency
            FROM items WHERE day IS NULL AND item > ? ORDER BY item LIMIT ?";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        let rows = ask.query_map((after, self.page()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn hold(&self, standing: &Standing, kind: &str, fault: &ClearingError) -> Result<(), CutError> {
        let issuer = standing.sent().map_or_else(LinkId::default, |sent| sent.issuer);
        let (day, cycle) = (day(self.cycle.date), self.cycle.number);
        let (txn, party) = (standing.id.0.cast_signed(), self.outgoing.party(issuer));
        let (connection, fault) = (self.rows.laid_down()?, fault.to_string());
        connection
            .prepare_cached("INSERT INTO held VALUES (?, ?, ?, ?, ?, ?)")?
            .execute((day, cycle, txn, kind, party, &fault))?;
        // What an earlier cut told of it is still open.
        let sql = format!(
            "INSERT OR IGNORE INTO exceptions (opened, kind, issuer, detail) SELECT ?, 'held', ?, {HELD_IN_WORDS}
            FROM held WHERE day = ? AND cycle = ? AND txn = ? AND kind = ?"
        );
        let values = (self.now.0.cast_signed(), issuer.0, day, cycle, txn, kind);
        connection.prepare_cached(&sql)?.execute(values)?;
        Ok(())
    }

    fn put(&mut self, new: New<'_>) -> Result<(), CutError> {
        let (capture, issuer) = (&new.capture, new.capture.issuer());
        let amount = capture.amount();
        let item = self.next_item();
        let place = self.place(issuer, amount.currency)?;
        let fresh = self.fresh(issuer, item);
        let reference = new.reference.unwrap_or_else(|| fresh.to_string());
        let sent = new.standing.sent();
        let card = sent.and_then(|sent| sent.card.as_ref());
        let card = card.and_then(|card| std::str::from_utf8(card.masked.as_bytes()).ok());
        let card = card.map(str::to_owned);
        let merchant = capture.merchant_text();
        // What takes something back follows what that was charged; what no rule fits is told when the rest is priced.
        let fees = &self.outgoing.fees;
        let priced = (new.about.is_none() && new.kind == "presentment")
            .then(|| pricing::first((capture, &merchant), new.standing, new.entry, fees));
        let (fees, exact) = priced.and_then(Result::ok).unzip();
        let is_later = self.was_presented(new.claim, new.standing)?;
        let row = Item {
            id: item,
            kind: new.kind,
            about: new.about,
            txn: new.standing.id.0.cast_signed(),
            claim: new.claim.map(|claimed| claimed.claim),
            issuer: issuer.0,
            merchant: merchant.clone(),
            terminal: capture.text(ElementNo::TERMINAL),
            card,
            rrn: capture.text(ElementNo::RRN),
            approval: capture.text(ElementNo::APPROVAL_CODE),
            mcc: capture.text(ElementNo::MERCHANT_TYPE),
            amount: amount.minor,
            currency: amount.currency.to_string(),
            refund: capture.is_refund(),
            fees: fees.unwrap_or_default(),
            exact,
            day: day(self.cycle.date),
            cycle: self.cycle.number,
            file: place.file,
            number: place.number,
            reference,
        };
        self.rows.put(row)?;
        if new.about.is_some() || new.kind != "presentment" {
            return self.draft_row(item, issuer, amount.currency);
        }
        let refund = capture.is_refund();
        let turn = first_turn((refund, is_later), new.claim.map(|claimed| claimed.is_final));
        let line = Line { capture: new.capture, turn, reference: fresh };
        let Place { file, number } = place;
        let way = (refund, false);
        let line = Drafted { file, number, merchant, way, amount: amount.minor, line };
        self.draft(|drafting| {
            drafting.line(line);
            true
        });
        Ok(())
    }

    /// Whether something of the same authorization was presented before what is the last claim of it.
    fn was_presented(
        &self,
        claimed: Option<Claimed>,
        standing: &Standing,
    ) -> Result<bool, CutError> {
        let wanted = |it: &Claimed| self.drafting.is_some() && it.is_final && it.may_have_earlier;
        if !claimed.as_ref().is_some_and(wanted) {
            return Ok(false);
        }
        let sql = "SELECT EXISTS (SELECT 1 FROM claims JOIN items USING (claim)
            WHERE claims.txn = ? AND kind = 'presentment' AND refund = 0)";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        Ok(ask.query_row([standing.id.0.cast_signed()], |row| row.get(0))?)
    }

    /// Something for who writes the files. Once he cannot, they are written from the ledger.
    fn draft(&mut self, hand: impl FnOnce(&mut Drafting<'o>) -> bool) {
        if !self.drafting.as_mut().is_none_or(hand) {
            self.drafting = None;
        }
    }

    /// The line of an item that has just got its place in a file.
    fn draft_row(&mut self, item: i64, issuer: LinkId, currency: Currency) -> Result<(), CutError> {
        if self.drafting.is_none() {
            return Ok(());
        }
        self.rows.laid_down()?;
        let settings = self.outgoing.settings(issuer);
        // What it lacks is told by who writes the files from the ledger.
        let line = self.ledger.drafted_row(item, currency, settings).ok().flatten();
        self.draft(|drafting| line.map(|line| drafting.line(line)).is_some());
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
            None => match self.opened(issuer, currency)? {
                Some(place) => place,
                None => Place { file: self.open(issuer, currency)?, number: 1 },
            },
        };
        place.number += 1;
        self.files.insert((issuer, currency), place);
        Ok(place)
    }

    /// The file that an earlier step opened.
    fn opened(&self, issuer: LinkId, currency: Currency) -> Result<Option<Place>, CutError> {
        let sql =
            "SELECT file, ifnull((SELECT max(number) FROM items WHERE items.file = files.file), 1)
            FROM files WHERE day = ? AND cycle = ? AND issuer = ? AND currency = ?";
        let (day, cycle) = (day(self.cycle.date), self.cycle.number);
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        let found = ask.query_row(params![day, cycle, issuer.0, currency.to_string()], |row| {
            Ok(Place { file: row.get(0)?, number: row.get(1)? })
        });
        Ok(found.optional()?)
    }

    /// A file's row is there before the file is: its number within the day never recurs.
    fn open(&mut self, issuer: LinkId, currency: Currency) -> Result<i64, CutError> {
        let (date, number) = (self.cycle.date, self.cycle.number);
        let party = self.outgoing.party(issuer);
        let sql = "SELECT EXISTS (SELECT 1 FROM files WHERE day = ? AND party = ? AND issuer <> ?)";
        let values = (day(date), &party, issuer.0);
        if self.rows.laid_down()?.query_row(sql, values, |row| row.get(0))? {
            return Err(CutError::SameName { name: party });
        }
        let sql = "SELECT ifnull(max(sequence), 0) FROM files WHERE day = ?";
        let last: u32 = self.rows.laid_down()?.query_row(sql, [day(date)], |row| row.get(0))?;
        let sequence = last.max(self.ledger.origin()?.files(date)).saturating_add(1);
        let settings = self.outgoing.settings(issuer);
        let id = FileId::new(settings, date, sequence)?;
        let format = settings.format;
        let name = format!("clearing-{party}-{currency}-{}.{}", self.cycle, format.word());
        let head = Head { id, issuer, currency };
        let currency = currency.to_string();
        self.rows.laid_down()?.execute(
            "INSERT INTO files (day, cycle, issuer, currency, sequence, file_id, name, party, format, state)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'begun')",
            params![day(date), number, issuer.0, currency, sequence, id.to_string(), &name, party, format.word()],
        )?;
        let file = self.rows.laid_down()?.last_insert_rowid();
        self.rows.laid_down()?.execute(
            "INSERT INTO events (at, file, kind) VALUES (?, ?, 'begun')",
            (self.now.0.cast_signed(), file),
        )?;
        self.draft(|drafting| drafting.opens((file, &name), (settings, head)));
        Ok(file)
    }
}
