//! The files and positions of a cut that was begun: written under hidden names where that was not done meanwhile, held against the ledger, remembered, and then shown,
//! all of them or none. Decides nothing of what is claimed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::ahead::{HANDS, Scout, side_by_side};
use super::cut::{Begun, CutError, CutReport, Cycle, Order, Outgoing, Step};
use super::draft::{Drafted, Script, WAYS, WrittenFile};
use super::outbox::{Hash, Outbox, Part};
use super::tables::{date, day};
use super::{Ledger, LedgerError};
use crate::books::View;
use crate::clearing::{
    Balanced, Capture, Digits, FileId, Filed, Format, Head, Held, Line, Positions, Reference,
    Settings, Terms, Totals, Turn,
};
use crate::iso::{Amount, Currency, Wall};
use crate::record::{LinkId, TxnId};

/// A file as its row has it.
struct Listed {
    file: i64,
    issuer: LinkId,
    currency: Currency,
    id: FileId,
    name: String,
    party: String,
    format: Format,
    digest: Option<Hash>,
}

/// An item of a file, with what it is about, and the claim that it comes from.
struct Entry {
    number: i64,
    kind: String,
    amount: i64,
    refund: bool,
    reference: String,
    merchant: String,
    terminal: Option<String>,
    mcc: Option<String>,
    reason: Option<String>,
    txn: Option<i64>,
    about_day: Option<i64>,
    about_amount: Option<i64>,
    about_reason: Option<String>,
    claim: Option<i64>,
    local: Option<String>,
    is_final: Option<bool>,
    /// Whether the same authorization was claimed before.
    later: bool,
}

/// A file that was written, and its digest.
type Done = (Listed, Filed, Hash);

impl Ledger {
    /// Writes the files of a cut that was begun, as far as they are not written yet. Run again, it makes the same bytes; interrupted,
    /// it leaves whole files or none. Each step is told when it is on the disk.
    pub(super) fn write(
        &self,
        begun: Begun<'_>,
        order: &Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<CutReport, CutError> {
        let outgoing = &order.outgoing;
        watch(Step::Begun);
        let Begun { cycle, draft } = begun;
        let (mut outbox, drafted) = match draft {
            Some(draft) => (draft.outbox, Some(draft.files)),
            None => (Outbox::open(&outgoing.directory)?, None),
        };
        let hide = || self.hide((cycle, drafted), outgoing, &mut outbox, watch);
        let remembered = hide().and_then(|hidden| {
            self.remember(cycle, &hidden, order.now)?;
            Ok(hidden)
        });
        let hidden = match remembered {
            Ok(hidden) => hidden,
            Err(fault) => {
                outbox.clear();
                return Err(fault);
            }
        };
        watch(Step::Remembered);
        outbox.show(|| watch(Step::Named))?;
        let sql = "UPDATE cuts SET state = 'written' WHERE day = ? AND cycle = ?";
        self.connection.execute(sql, (day(cycle.date), cycle.number))?;
        watch(Step::Shown);
        let files = hidden.files.into_iter().map(|(_, filed, _)| filed).collect();
        let (positions, balanced) = (hidden.reports, hidden.balanced);
        let (directory, exceptions) = (outgoing.directory.clone(), self.exceptions_open()?);
        Ok(CutReport { cycle, directory, files, positions, balanced, exceptions })
    }

    /// Everything under hidden names, equal to the ledger and in balance.
    fn hide(
        &self,
        (cycle, drafted): (Cycle, Option<BTreeMap<i64, WrittenFile>>),
        outgoing: &Outgoing,
        outbox: &mut Outbox<'_>,
        watch: &mut dyn FnMut(Step),
    ) -> Result<Hidden, CutError> {
        let within = (cycle.number > 0).then_some(cycle.number);
        let mut positions = Positions::new(cycle.date, within, outgoing.settings.charset);
        let mut files: BTreeMap<usize, Done> = BTreeMap::new();
        let mut done = |(at, listed, written): (usize, Listed, WrittenFile)| {
            self.agrees(&listed, &written.totals)?;
            for (merchant, ways) in &written.merchants {
                for (way, sum) in WAYS.into_iter().zip(ways) {
                    if sum.count > 0 {
                        positions.add((&listed.party, merchant), listed.currency, way, *sum)?;
                    }
                }
            }
            let (issuer, name) = (listed.party.clone(), listed.name.clone());
            let filed = Filed { issuer, name, totals: written.totals };
            files.insert(at, (listed, filed, written.digest));
            watch(Step::Hidden);
            Ok::<_, CutError>(())
        };
        let listed = self.listed(cycle)?;
        match drafted {
            Some(drafted) => Self::of_draft(listed, drafted)?.try_for_each(done)?,
            None => self.of_rows(listed, outgoing, outbox, &mut done)?,
        }
        let files: Vec<Done> = files.into_values().collect();
        let filed: Vec<Filed> = files.iter().map(|(_, filed, _)| filed.clone()).collect();
        let balanced = positions.balance(&filed, self.held(cycle)?)?;
        let reports = [format!("positions-{cycle}.csv"), format!("positions-{cycle}.json")];
        let mut digest = Sha256::new();
        for (name, text) in reports.iter().zip([balanced.csv(), balanced.json()]) {
            let mut part = Part::create(&outbox.named(name))?;
            part.write(text.as_bytes())?;
            digest.update(part.end()?);
            watch(Step::Hidden);
        }
        Ok(Hidden { files, reports, balanced, digest: digest.finalize().into() })
    }

    /// Files that were written while the cut was gathered.
    fn of_draft(
        listed: Vec<Listed>,
        mut drafted: BTreeMap<i64, WrittenFile>,
    ) -> Result<impl Iterator<Item = (usize, Listed, WrittenFile)> + use<>, CutError> {
        let mut found = Vec::with_capacity(listed.len());
        for (at, listed) in listed.into_iter().enumerate() {
            let disagrees = || CutError::Disagrees { name: listed.name.clone() };
            let written = drafted.remove(&listed.file).ok_or_else(disagrees)?;
            found.push((at, listed, written));
        }
        if !drafted.is_empty() {
            let why = "a file was written that it does not know".to_owned();
            return Err(LedgerError::Unbalanced(why).into());
        }
        Ok(found.into_iter())
    }

    /// Files that are written from their rows.
    fn of_rows(
        &self,
        listed: Vec<Listed>,
        outgoing: &Outgoing,
        outbox: &mut Outbox<'_>,
        done: &mut dyn FnMut((usize, Listed, WrittenFile)) -> Result<(), CutError>,
    ) -> Result<(), CutError> {
        let jobs = listed.into_iter().enumerate().map(|(at, listed)| {
            let path = outbox.named(&listed.name);
            (at, listed, path)
        });
        let jobs: Vec<_> = jobs.collect();
        let scouts = (0..jobs.len().min(HANDS)).map(|_| self.scout());
        let scouts = scouts.collect::<Result<_, _>>()?;
        let write = |scout: &Scout, (at, listed, path): (usize, Listed, PathBuf)| {
            let done = scout.file(&listed, outgoing.settings(listed.issuer), &path)?;
            Ok((at, listed, done))
        };
        side_by_side(scouts, jobs, write, done)
    }

    /// The file says what the ledger says: how many, and how much.
    fn agrees(&self, listed: &Listed, totals: &Totals) -> Result<(), CutError> {
        let sql = "SELECT count(*), ifnull(sum(amount), 0) FROM items WHERE file = ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let (count, sum): (u32, i64) =
            ask.query_row([listed.file], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let same = count.checked_add(2) == Some(totals.records)
            && u64::try_from(sum).is_ok_and(|sum| sum == totals.checksum);
        if same { Ok(()) } else { Err(CutError::Disagrees { name: listed.name.clone() }) }
    }

    fn held(&self, cycle: Cycle) -> Result<Vec<Held>, CutError> {
        let sql = "SELECT txn, party, fault FROM held WHERE day = ? AND cycle = ? ORDER BY party, txn, kind";
        let mut ask = self.connection.prepare_cached(sql)?;
        let held = ask.query_map((day(cycle.date), cycle.number), |row| {
            let transaction = row.get::<_, i64>(0)?.cast_unsigned();
            Ok(Held { transaction, issuer: row.get(1)?, fault: row.get(2)? })
        })?;
        Ok(held.collect::<Result<_, _>>()?)
    }

    /// The files of a cut, in the order of their numbers.
    fn listed(&self, cycle: Cycle) -> Result<Vec<Listed>, CutError> {
        let sql = "SELECT file, issuer, currency, file_id, name, party, format, digest FROM files
            WHERE day = ? AND cycle = ? ORDER BY sequence";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query((day(cycle.date), cycle.number))?;
        let mut files = Vec::new();
        while let Some(row) = rows.next()? {
            files.push(Listed::read(row)?);
        }
        Ok(files)
    }

    /// Remembers what is about to be seen, in one transaction; what was seen before has the same digest.
    fn remember(&self, cycle: Cycle, hidden: &Hidden, now: Wall) -> Result<(), CutError> {
        let differs = |known: &Option<Hash>, digest: &Hash| known.is_some_and(|it| it != *digest);
        let other = hidden.files.iter().find(|(listed, _, digest)| differs(&listed.digest, digest));
        if let Some((listed, ..)) = other {
            return Err(CutError::Differs { name: listed.name.clone() });
        }
        let (day, number) = (day(cycle.date), cycle.number);
        let sql = "SELECT digest FROM cuts WHERE day = ? AND cycle = ?";
        let known = self.connection.query_row(sql, (day, number), |row| row.get(0));
        if differs(&known.optional()?.flatten(), &hidden.digest) {
            let [_, name] = hidden.reports.clone();
            return Err(CutError::Differs { name });
        }
        let whole = self.connection.unchecked_transaction()?;
        for (listed, filed, digest) in &hidden.files {
            let sql = "UPDATE files SET records = ?, checksum = ?, digest = ?, written = ?, state = 'written'
                WHERE file = ? AND state = 'begun'";
            let checksum = filed.totals.checksum.cast_signed();
            let at = now.0.cast_signed();
            let values = params![filed.totals.records, checksum, digest, at, listed.file];
            if self.connection.execute(sql, values)? > 0 {
                let sql = "INSERT INTO events (at, file, kind) VALUES (?, ?, 'written')";
                self.connection.execute(sql, (at, listed.file))?;
            }
        }
        let sql = "UPDATE cuts SET digest = ? WHERE day = ? AND cycle = ?";
        self.connection.execute(sql, (hidden.digest, day, number))?;
        whole.commit()?;
        Ok(())
    }
}

impl Scout {
    /// One file, still hidden: what went into it, its digest, and what the ledger says of its items.
    fn file(
        &self,
        listed: &Listed,
        settings: &Settings,
        path: &Path,
    ) -> Result<WrittenFile, CutError> {
        let head = Head { id: listed.id, issuer: listed.issuer, currency: listed.currency };
        let mut script = Script::begin(settings, listed.format, head, path)?;
        let sql = format!("{ENTRIES} WHERE i.file = ? ORDER BY i.number");
        let mut ask = self.connection.prepare_cached(&sql)?;
        let mut rows = ask.query([listed.file])?;
        let mut still = self.books.still()?;
        while let Some(row) = rows.next()? {
            let entry = Entry::read(row)?;
            // So that the follower's own file does not grow meanwhile.
            if entry.number % STILL_LINES == 0 {
                drop(still);
                still = self.books.still()?;
            }
            let disagrees = || CutError::Disagrees { name: listed.name.clone() };
            let line = entry.line(&self.books, listed.currency, settings)?.ok_or_else(disagrees)?;
            let about = (&*entry.merchant, (entry.refund, entry.is_back()), entry.amount);
            if script.add(about, &line)? != entry.number {
                return Err(disagrees());
            }
        }
        script.end()
    }
}

impl Ledger {
    /// The line that an item is, which has just got its place in a file; none of one whose rows disagree.
    pub(super) fn drafted_row(
        &self,
        item: i64,
        currency: Currency,
        settings: &Settings,
    ) -> Result<Option<Drafted>, CutError> {
        let sql = format!("{ENTRIES} WHERE i.item = ?");
        let mut ask = self.connection.prepare_cached(&sql)?;
        let read = |row: &Row<'_>| Ok((Entry::read(row)?, row.get(17)?));
        let (entry, file): (Entry, i64) = ask.query_row([item], read)?;
        let line = entry.line(&self.books, currency, settings)?;
        let (number, amount, way) = (entry.number, entry.amount, (entry.refund, entry.is_back()));
        let merchant = entry.merchant;
        Ok(line.map(|line| Drafted { file, number, merchant, way, amount, line }))
    }
}

/// What lies under hidden names.
struct Hidden {
    files: Vec<Done>,
    reports: [String; 2],
    balanced: Balanced,
    /// Of the reports.
    digest: Hash,
}

impl Listed {
    fn read(row: &Row<'_>) -> Result<Self, CutError> {
        let (currency, id, format): (String, String, String) =
            (row.get(2)?, row.get(3)?, row.get(6)?);
        let name: String = row.get(4)?;
        let disagrees = || CutError::Disagrees { name: name.clone() };
        Ok(Self {
            file: row.get(0)?,
            issuer: LinkId(row.get(1)?),
            currency: Currency::from_ascii(currency.as_bytes()).ok().ok_or_else(disagrees)?,
            id: FileId::from_text(&id).ok().ok_or_else(disagrees)?,
            party: row.get(5)?,
            format: Format::of_word(&format).ok_or_else(disagrees)?,
            digest: row.get(7)?,
            name,
        })
    }
}

impl Entry {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            kind: row.get(1)?,
            amount: row.get(2)?,
            refund: row.get(3)?,
            reference: row.get(4)?,
            merchant: row.get(5)?,
            terminal: row.get(6)?,
            mcc: row.get(7)?,
            reason: row.get(8)?,
            txn: row.get(9)?,
            about_day: row.get(10)?,
            about_amount: row.get(11)?,
            about_reason: row.get(12)?,
            claim: row.get(13)?,
            local: row.get(14)?,
            is_final: row.get(15)?,
            later: row.get::<_, Option<bool>>(16)?.unwrap_or(false),
        })
    }

    /// The line that it is in its file: what it says itself, and what its authorization says.
    /// None where that is not there.
    fn line(
        &self,
        books: &View,
        currency: Currency,
        settings: &Settings,
    ) -> Result<Option<Line>, CutError> {
        let Some(txn) = self.txn else { return Ok(None) };
        let Some(standing) = books.standing(TxnId(txn.cast_unsigned()))? else { return Ok(None) };
        let capture = if self.claim.is_some() {
            let terms = Terms {
                amount: Amount { minor: self.amount, currency },
                refund: self.refund,
                merchant: &self.merchant,
                terminal: self.terminal.as_deref(),
                mcc: self.mcc.as_deref(),
                local: self.local.as_deref(),
            };
            Capture::claimed(&standing, &terms, books.keys())?
        } else {
            Capture::of_amount(&standing, self.amount, books.keys())?
        };
        let turn = self.turn(&capture, settings);
        let reference = Reference::from_text(&self.reference).ok();
        Ok(reference.map(|reference| Line { capture, turn, reference }))
    }

    fn is_back(&self) -> bool {
        matches!(&*self.kind, "opposite" | "lowered")
    }

    fn turn(&self, capture: &Capture, settings: &Settings) -> Turn {
        match &*self.kind {
            _ if self.is_back() => {
                let presented = self.about_day.and_then(date);
                Turn::Back { presented: presented.unwrap_or_else(|| capture.date()) }
            }
            "representment" => {
                let digits = |reason: &Option<String>| Digits::new(reason.as_deref()?).ok();
                let own = || digits(&self.reason).or_else(|| digits(&self.about_reason));
                Turn::Second {
                    partial: self.about_amount.is_some_and(|charged| self.amount < charged),
                    reason: settings.second_reason.or_else(own),
                }
            }
            _ => first_turn((self.refund, self.later), self.is_final),
        }
    }
}

/// What is said of what is presented for the first time: whether it pays the card, whether something of its authorization was presented
/// before, and whether its claim is the last of that.
pub(super) const fn first_turn((refund, later): (bool, bool), is_final: Option<bool>) -> Turn {
    match is_final {
        _ if refund => Turn::First,
        Some(false) => Turn::Share { last: false },
        Some(true) if later => Turn::Share { last: true },
        _ => Turn::First,
    }
}

/// Items of files. What takes something back, or presents it once more, has the details of the claim that it
/// is about.
const ENTRIES: &str = "SELECT i.number, i.kind, i.amount, i.refund, i.reference, i.merchant, i.terminal, i.mcc, i.reason,
        coalesce(i.txn, a.txn, p.txn), a.day, a.amount, a.reason, c.claim, c.local, c.final,
        c.final AND EXISTS (SELECT 1 FROM claims AS other JOIN items AS before ON before.claim = other.claim
            WHERE other.txn = i.txn AND before.kind = 'presentment' AND before.refund = 0
                AND before.item < CASE i.kind WHEN 'presentment' THEN i.item ELSE i.about END), i.file
    FROM items AS i
        LEFT JOIN items AS a ON a.item = i.about
        LEFT JOIN items AS p ON p.item = a.about
        LEFT JOIN claims AS c ON c.claim = CASE i.kind WHEN 'presentment' THEN i.claim ELSE coalesce(p.claim, a.claim, i.claim) END";

/// For so many lines the books are looked at as of one moment.
const STILL_LINES: i64 = 512;
