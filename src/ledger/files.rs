//! The files and positions of a cut that was begun: written under hidden names, held against the ledger, remembered, and then shown,
//! all of them or none. Decides nothing of what is claimed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::Ledger;
use super::ahead::{HANDS, Scout, side_by_side};
use super::cut::{CutError, CutReport, Cycle, Order, Outgoing, Step};
use super::outbox::{Hash, Outbox, Part};
use super::tables::{date, day};
use crate::books::View;
use crate::clearing::{
    Balanced, Capture, ClearingError, Digits, FileId, Filed, Format, Head, Held, Line, Positions,
    Reference, Settings, Sheet, Sum, Terms, Totals, Turn,
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
    number: u32,
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
    /// Writes the files of a cut that was begun. Run again, it makes the same bytes; interrupted, it leaves whole files or none.
    /// Each step is told when it is on the disk.
    pub(super) fn write(
        &self,
        cycle: Cycle,
        order: &Order,
        watch: &mut dyn FnMut(Step),
    ) -> Result<CutReport, CutError> {
        let outgoing = &order.outgoing;
        watch(Step::Begun);
        let mut outbox = Outbox::open(&outgoing.directory)?;
        let mut hide = || self.hide(cycle, outgoing, &mut outbox, watch);
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
        let directory = outgoing.directory.clone();
        Ok(CutReport { cycle, directory, files, positions, balanced })
    }

    /// Everything under hidden names, equal to the ledger and in balance.
    fn hide(
        &self,
        cycle: Cycle,
        outgoing: &Outgoing,
        outbox: &mut Outbox<'_>,
        watch: &mut dyn FnMut(Step),
    ) -> Result<Hidden, CutError> {
        let within = (cycle.number > 0).then_some(cycle.number);
        let mut positions = Positions::new(cycle.date, within, outgoing.settings.charset);
        let listed = self.listed(cycle)?;
        let jobs = listed.into_iter().enumerate().map(|(at, listed)| {
            let path = outbox.named(&listed.name);
            (at, listed, path)
        });
        let mut files: BTreeMap<usize, Done> = BTreeMap::new();
        let jobs: Vec<_> = jobs.collect();
        let scouts = (0..jobs.len().min(HANDS)).map(|_| self.scout());
        let scouts = scouts.collect::<Result<_, _>>()?;
        let write = |scout: &Scout, (at, listed, path): (usize, Listed, PathBuf)| {
            let done = scout.file(&listed, outgoing.settings(listed.issuer), &path)?;
            Ok((at, listed, done))
        };
        side_by_side(scouts, jobs, write, |(at, listed, written)| {
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
        })?;
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
        let mut part = Part::create(path)?;
        let head = Head { id: listed.id, issuer: listed.issuer, currency: listed.currency };
        let mut sheet = Sheet::begin(settings, listed.format, head)?;
        let mut merchants: BTreeMap<String, [Sum; WAYS.len()]> = BTreeMap::new();
        let mut ask = self.connection.prepare_cached(ENTRIES)?;
        let mut rows = ask.query([listed.file])?;
        let mut still = self.books.still()?;
        while let Some(row) = rows.next()? {
            let entry = Entry::read(row)?;
            // So that the follower's own file does not grow meanwhile.
            if entry.number % STILL_LINES == 0 {
                drop(still);
                still = self.books.still()?;
            }
            if !merchants.contains_key(&entry.merchant) {
                merchants.insert(entry.merchant.clone(), <[Sum; WAYS.len()]>::default());
            }
            let ways = merchants.get_mut(&entry.merchant);
            let ways = ways.into_iter().flat_map(|sums| sums.iter_mut().zip(WAYS));
            for (sum, _) in ways.filter(|(_, way)| *way == (entry.refund, entry.is_back())) {
                let overflow = ClearingError::Overflow { what: "sum" };
                let minor = sum.minor.checked_add(entry.amount).ok_or(overflow)?;
                *sum = Sum { count: sum.count + 1, minor };
            }
            let line = entry.line(&self.books, listed, settings)?;
            if sheet.add(&line)? != entry.number {
                return Err(CutError::Disagrees { name: listed.name.clone() });
            }
            if sheet.ready_len() >= WRITE_LEN {
                part.write(&sheet.take())?;
            }
        }
        let (last, totals) = sheet.end()?;
        part.write(&last)?;
        Ok(WrittenFile { totals, digest: part.end()?, merchants })
    }
}

/// Whether money goes to the card, and whether a claim is taken back.
const WAYS: [(bool, bool); 4] = [(false, false), (false, true), (true, false), (true, true)];

/// What went into a file.
struct WrittenFile {
    totals: Totals,
    digest: Hash,
    /// Of each merchant, in the order of `WAYS`.
    merchants: BTreeMap<String, [Sum; WAYS.len()]>,
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
    fn line(&self, books: &View, file: &Listed, settings: &Settings) -> Result<Line, CutError> {
        let disagrees = || CutError::Disagrees { name: file.name.clone() };
        let txn = TxnId(self.txn.ok_or_else(disagrees)?.cast_unsigned());
        let standing = books.standing(txn)?.ok_or_else(disagrees)?;
        let capture = if self.claim.is_some() {
            let terms = Terms {
                amount: Amount { minor: self.amount, currency: file.currency },
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
        let reference = Reference::from_text(&self.reference).ok().ok_or_else(disagrees)?;
        Ok(Line { capture, turn, reference })
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
            _ if self.refund => Turn::First,
            _ => match self.is_final {
                Some(false) => Turn::Share { last: false },
                Some(true) if self.later => Turn::Share { last: true },
                _ => Turn::First,
            },
        }
    }
}

/// The items of a file in their order. What takes something back, or presents it once more, has the details of the claim that it
/// is about.
const ENTRIES: &str = "SELECT i.number, i.kind, i.amount, i.refund, i.reference, i.merchant, i.terminal, i.mcc, i.reason,
        coalesce(i.txn, a.txn, p.txn), a.day, a.amount, a.reason, c.claim, c.local, c.final,
        c.final AND (SELECT count(*) FROM (SELECT 1 FROM items AS any WHERE any.txn = i.txn LIMIT 2)) > 1 AND EXISTS (SELECT 1 FROM items AS before
            WHERE before.txn = i.txn AND before.kind = 'presentment' AND before.refund = 0 AND before.claim IS NOT NULL
                AND before.item < CASE i.kind WHEN 'presentment' THEN i.item ELSE i.about END)
    FROM items AS i
        LEFT JOIN items AS a ON a.item = i.about
        LEFT JOIN items AS p ON p.item = a.about
        LEFT JOIN claims AS c ON c.claim = CASE i.kind WHEN 'presentment' THEN i.claim ELSE coalesce(p.claim, a.claim, i.claim) END
    WHERE i.file = ? ORDER BY i.number";

/// For so many lines the books are looked at as of one moment.
const STILL_LINES: u32 = 512;

/// How many bytes are gathered for one write.
const WRITE_LEN: usize = 256 * 1024;
