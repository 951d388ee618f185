//! Which transactions somebody means: conditions, looked for in the books and in what the journal has beyond them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::Archive;
use super::wanted::Wanted;
use crate::books::columns::ms;
use crate::books::traces::{STRETCH, pair};
use crate::books::{BooksError, rows, tables};
use crate::iso::{BusinessDate, ElementNo, Mti, Stan, Transmission, Wall};
use crate::record::{LinkId, Lsn, Opening, Record, Standing, Trace, TxnId};
use crate::tranlog;

/// How many are listed, the newest; whoever finds more narrows the search.
const LISTED_MAX: usize = 20;

/// How many rows one question looks through: a question that lasts keeps the daemon from shortening its log.
const ROWS_AT_ONCE: i64 = 50_000;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest of the transactions, in order.
    pub transactions: Vec<Listed>,
    /// Whether there are more.
    pub more: bool,
    /// Approvals under that pair of which nothing is known: on the operator's list.
    pub strays: Vec<Stray>,
}

/// A transaction in a list. Its card is masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Which.
    pub txn: TxnId,
    /// When it began.
    pub at: Wall,
    /// What it is.
    pub mti: Mti,
    /// Who asked.
    pub asker: String,
    /// Who was asked, unless it is a reversal.
    pub issuer: Option<String>,
    /// Element 2, masked, and 4, 49, 11, 37 and 41 of the asker.
    pub elements: Vec<(u8, String)>,
    /// What its asker heard.
    pub outcome: &'static str,
    /// What it reverses or completes, or what reverses it.
    pub related: Vec<TxnId>,
}

/// An approval that answers nothing we know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// The record that tells of it.
    pub lsn: Lsn,
    /// When it came.
    pub at: Wall,
    /// Which link brought it.
    pub link: String,
    /// Its MTI.
    pub mti: String,
    /// Its elements 7 and 11.
    pub pair: (String, String),
    /// Who wrote it off, and why; none while it is on the list.
    pub written_off: Option<(String, String)>,
}

/// The newest transactions that were found, so many of them.
#[derive(Default)]
struct Newest {
    txns: BTreeSet<TxnId>,
    more: bool,
}

impl Newest {
    fn put(&mut self, txn: TxnId) {
        self.txns.insert(txn);
        if LISTED_MAX < self.txns.len() {
            self.txns.pop_first();
            self.more = true;
        }
    }

    /// Whether nothing older is of any use.
    fn is_full(&self) -> bool {
        self.more
    }
}

impl Archive {
    /// The transactions that meet all conditions.
    pub fn find(&self, wanted: &Wanted) -> Result<Found, BooksError> {
        let mut newest = Newest::default();
        self.find_beyond(wanted, &mut newest)?;
        if let Some(books) = &self.books {
            if let Some(txn) = wanted.txn {
                newest.put(txn);
            } else {
                let within = within(books, wanted)?;
                find_by_row(books, wanted, within, &mut newest)?;
                find_by_pair(books, wanted, within, &mut newest)?;
            }
        }
        let found = self.rows(&newest.txns)?;
        // What was found by a pair that was replaced since does not show it any more.
        let is_met = |standing: &&Standing| match wanted.txn {
            Some(_) => wanted.is_met_by(standing),
            None => wanted.is_met_but_for_pair(standing),
        };
        let standings = found.rows.values().map(|row| &row.standing);
        let transactions = standings.filter(is_met).map(|standing| self.listed(standing)).collect();
        Ok(Found { transactions, more: newest.more, strays: self.strays(wanted)? })
    }

    /// Looks through what the journal has beyond the books: nearly nothing, or all of it when there are none.
    fn find_beyond(&self, wanted: &Wanted, newest: &mut Newest) -> Result<(), BooksError> {
        let position = self.state()?.position;
        // What is in flight may yet say what is wanted; everything else is looked at once.
        let mut waiting: BTreeMap<TxnId, Standing> = BTreeMap::new();
        self.scan(Lsn(position.0.saturating_add(1)), |lsn, record| {
            let opened = tranlog::opened(TxnId(lsn.0), record);
            for txn in record.changes() {
                let Some(mut standing) = waiting.remove(&txn) else { continue };
                tranlog::fold(&mut standing, lsn, record);
                if wanted.is_met_by(&standing) {
                    newest.put(txn);
                } else if standing.is_open() {
                    waiting.insert(txn, standing);
                }
            }
            if let Record::Owed { txn, trace, .. } | Record::Requeued { txn, trace, .. } = record
                && wanted.has_pair()
                && wanted.is_pair(*trace)
            {
                newest.put(*txn);
            }
            if let Some(standing) = opened {
                if wanted.is_met_by(&standing) {
                    newest.put(standing.id);
                } else if standing.is_open() {
                    waiting.insert(standing.id, standing);
                }
            }
            true
        })
    }

    fn listed(&self, standing: &Standing) -> Listed {
        let mut related: Vec<TxnId> = standing.undone_by.into_iter().collect();
        let (asker, issuer, mti, at) = match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                related.extend(sent.completes);
                (sent.asker, Some(self.name(sent.issuer)), sent.mti, sent.at)
            }
            Opening::Reversal(undo) => {
                related.extend(undo.original);
                (undo.asker, None, undo.mti, undo.at)
            }
        };
        let mut elements = Vec::new();
        if let Some(sent) = standing.sent() {
            elements.extend(super::step::card(sent));
            for no in [
                ElementNo::AMOUNT,
                ElementNo::CURRENCY,
                ElementNo::STAN,
                ElementNo::RRN,
                ElementNo::TERMINAL,
            ] {
                elements.extend(super::step::shown(&sent.elements, no.get()));
            }
        }
        let outcome = standing.outcome.word();
        Listed {
            txn: standing.id,
            at,
            mti,
            asker: self.name(asker),
            issuer,
            elements,
            outcome,
            related,
        }
    }

    /// Approvals on the operator's list under the pair that is wanted.
    fn strays(&self, wanted: &Wanted) -> Result<Vec<Stray>, BooksError> {
        let Some(books) = self.books.as_ref().filter(|_| wanted.has_pair()) else {
            return Ok(Vec::new());
        };
        let mut ask = books.prepare_cached(
            "SELECT orphans.lsn, orphans.at, link, mti, transmission, stan, who, reason FROM orphans
                LEFT JOIN orders ON orders.lsn = written_off
                WHERE transmission IS NOT NULL AND stan IS NOT NULL AND (?1 IS NULL OR stan = ?1)
                ORDER BY orphans.lsn DESC",
        )?;
        let mut rows = ask.query([wanted.stan.map(Stan::get)])?;
        let mut strays = Vec::new();
        while let Some(row) = rows.next()?.filter(|_| strays.len() < LISTED_MAX) {
            let Ok(stan) = Stan::new(row.get(5)?) else { continue };
            let trace = Trace { transmission: Transmission(row.get(4)?), stan };
            let (at, link) = (Wall(row.get::<_, i64>(1)?.cast_unsigned()), LinkId(row.get(2)?));
            let is_there = wanted.link.is_none_or(|wanted| wanted == link)
                && wanted.date.is_none_or(|date| date == at.date());
            if is_there && wanted.is_pair(trace) {
                let pair = super::step::pair(trace);
                let (lsn, link) = (Lsn(row.get::<_, i64>(0)?.cast_unsigned()), self.name(link));
                let who: Option<String> = row.get(6)?;
                let reason: Option<String> = row.get(7)?;
                let written_off = who.zip(reason);
                strays.push(Stray { lsn, at, link, mti: row.get(3)?, pair, written_off });
            }
        }
        strays.reverse();
        Ok(strays)
    }
}

/// Looks through the rows that may be meant, the newest first.
fn find_by_row(
    books: &Connection,
    wanted: &Wanted,
    (first, end): (i64, i64),
    newest: &mut Newest,
) -> Result<(), BooksError> {
    let (conditions, values) = conditions(wanted);
    let sql = format!(
        "SELECT txn, standing FROM transactions WHERE txn >= ? AND txn < ?{conditions} ORDER BY txn DESC"
    );
    let mut ask = books.prepare_cached(&sql)?;
    let mut end = end;
    while first < end && !newest.is_full() {
        let from = first.max(end.saturating_sub(ROWS_AT_ONCE));
        let bounds = [Value::Integer(from), Value::Integer(end)];
        let mut rows = ask.query(params_from_iter(bounds.iter().chain(&values)))?;
        while let Some(row) = rows.next()? {
            let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
            let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            if wanted.is_met_by(&rows::standing(txn, blob)?) {
                newest.put(txn);
                if newest.is_full() {
                    break;
                }
            }
        }
        end = from;
    }
    Ok(())
}

/// What columns can tell of the conditions, for SQL; the standing tells the rest.
fn conditions(wanted: &Wanted) -> (String, Vec<Value>) {
    let mut sql = String::new();
    let mut values = Vec::new();
    let mut and = |condition: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.push(value);
    };
    let text = |text: &String| Value::Text(text.clone());
    if let Some(stan) = wanted.stan {
        and("stan = ?", Value::Text(stan.to_string()));
    }
    // An issuer may have given it.
    if let Some(rrn) = &wanted.rrn {
        and("(rrn IS NULL OR rrn = ?)", text(rrn));
    }
    if let Some(approval) = &wanted.approval {
        and("(approval IS NULL AND opening = 'advice' OR approval = ?)", text(approval));
    }
    if let Some(terminal) = &wanted.terminal {
        and("terminal = ?", text(terminal));
    }
    if let Some(merchant) = &wanted.merchant {
        and("merchant = ?", text(merchant));
    }
    if let Some(card) = &wanted.card {
        and("card = ?", text(card));
    }
    if let Some(amount) = wanted.amount {
        and("amount = ?", Value::Integer(amount));
    }
    if let Some(link) = wanted.link {
        and("? IN (asker, issuer)", Value::Integer(link.0.into()));
    }
    (sql, values)
}

/// Looks for the pair as issuers see it: by its own rows, and in the stretches in which it may have been given.
fn find_by_pair(
    books: &Connection,
    wanted: &Wanted,
    (first, end): (i64, i64),
    newest: &mut Newest,
) -> Result<(), BooksError> {
    if !wanted.has_pair() {
        return Ok(());
    }
    let mut ask = books
        .prepare_cached("SELECT pair, txn FROM traces WHERE (?1 IS NULL OR pair % 1000000 = ?1)")?;
    let mut rows = ask.query([wanted.stan.map(Stan::get)])?;
    while let Some(row) = rows.next()? {
        let txn: i64 = row.get(1)?;
        if trace(row.get(0)?).is_some_and(|trace| wanted.is_pair(trace))
            && (first..end).contains(&txn)
        {
            newest.put(TxnId(txn.cast_unsigned()));
        }
    }
    let mut ask =
        books.prepare_cached("SELECT link, pair, txn FROM stretches ORDER BY link, pair DESC")?;
    let mut rows = ask.query([])?;
    let mut later: Option<(u32, i64)> = None;
    while let Some(row) = rows.next()? {
        let (of, from, mark): (u32, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let to = later.filter(|(link, _)| *link == of).map(|(_, pair)| pair);
        later = Some((of, from));
        let may_be = mark < end && first < mark.saturating_add(STRETCH.cast_signed());
        if may_be && may_hold(wanted, from, to) {
            find_in_stretch(books, wanted, (of, mark), newest)?;
        }
    }
    Ok(())
}

fn find_in_stretch(
    books: &Connection,
    wanted: &Wanted,
    (link, mark): (u32, i64),
    newest: &mut Newest,
) -> Result<(), BooksError> {
    let mut ask = books.prepare_cached(
        "SELECT txn, standing FROM transactions WHERE txn >= ? AND txn < ? AND issuer = ?",
    )?;
    let mut rows = ask.query(params![mark, mark.saturating_add(STRETCH.cast_signed()), link])?;
    while let Some(row) = rows.next()? {
        let txn = TxnId(row.get::<_, i64>(0)?.cast_unsigned());
        let blob = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if wanted.is_met_by(&rows::standing(txn, blob)?) {
            newest.put(txn);
        }
    }
    Ok(())
}

/// Whether a stretch that began with one pair, and was followed by one that began with another, may hold the wanted one.
/// Numbers go up by one, and begin again after the last; times never go back.
fn may_hold(wanted: &Wanted, from: i64, to: Option<i64>) -> bool {
    let (Some(from), to) = (trace(from), to.and_then(trace)) else { return false };
    let numbered = |stan: Stan| match to {
        None => true,
        Some(to) if from.stan <= to.stan => (from.stan..=to.stan).contains(&stan),
        Some(to) => from.stan <= stan || stan <= to.stan,
    };
    let timed = |text: &String| {
        let near = |near: Trace| Transmission::from_ascii(text.as_bytes(), near.transmission).ok();
        let within =
            |at: Transmission| from.transmission <= at && to.is_none_or(|to| at <= to.transmission);
        [Some(from), to].into_iter().flatten().filter_map(near).any(within)
    };
    wanted.stan.is_none_or(numbered) && wanted.transmission.as_ref().is_none_or(timed)
}

/// Back from the number of a pair.
fn trace(number: i64) -> Option<Trace> {
    let stan = Stan::new(u32::try_from(number.rem_euclid(1_000_000)).ok()?).ok()?;
    let transmission = Transmission(u32::try_from(number / 1_000_000).ok()?);
    let trace = Trace { transmission, stan };
    (pair(trace) == number).then_some(trace)
}

/// The transactions among which those of the wanted day are: numbers go up with time and with the business day.
fn within(books: &Connection, wanted: &Wanted) -> Result<(i64, i64), BooksError> {
    /// A wall clock may have been set back by so much.
    const SLACK_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 86_400_000;
    let span = "SELECT ifnull(min(txn), 0), ifnull(max(txn), -1) + 1 FROM transactions";
    let (first, end) = books.query_row(span, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(date) = wanted.date else { return Ok((first, end)) };
    let midnight = ms(Wall(u64::from(date.0) * 86_400_000));
    let since = |column, value| first_since(books, (first, end), column, value);
    let from = since("at", midnight - SLACK_MS)?.min(since("date", tables::day(date))?);
    let to = since("at", midnight + DAY_MS + SLACK_MS)?
        .max(since("date", tables::day(BusinessDate(date.0.saturating_add(1))))?);
    Ok((from, to))
}

/// The first transaction whose column, which goes up with the transactions, is a value or more; `end` when none is.
fn first_since(
    books: &Connection,
    (mut low, mut high): (i64, i64),
    column: &'static str,
    value: i64,
) -> Result<i64, BooksError> {
    let sql = format!(
        "SELECT txn, {column} FROM transactions WHERE txn >= ? AND txn < ? AND {column} IS NOT NULL ORDER BY txn LIMIT 1"
    );
    let mut ask = books.prepare_cached(&sql)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let mut rows = ask.query([middle, high])?;
        let row =
            rows.next()?.map(|row| Ok::<(i64, i64), rusqlite::Error>((row.get(0)?, row.get(1)?)));
        match row.transpose()? {
            Some((txn, found)) if found < value => low = txn + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
