//! What follows from what was said: states of items and files, and the items that rejections and charge-backs make. All of it is
//! derived anew from everything that was ever said, so that the order in which answers come changes nothing.

use std::cell::RefCell;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};

use super::exceptions::{self, Trouble};
use super::matching::event;
use super::{AnswerSettings, Moment, day_text};
use crate::clearing::answers::{
    self, FileWord, ItemVerdict, ItemWord, Key, Presented, Sent, Stand, Turn,
};
use crate::ledger::LedgerError;
use crate::record::LinkId;

/// With what it is done.
struct Desk<'a> {
    connection: &'a Connection,
    settings: &'a AnswerSettings,
    moment: Moment,
    at: i64,
    /// How many exceptions each answer has of records that want too much.
    over: RefCell<BTreeMap<i64, u64>>,
}

/// So many of one answer are told one by one; the rest is told as one.
const OVER_MAX: u64 = 10_000;

/// Everything that an answer says something of stands as all answers together say.
pub(super) fn follow(
    connection: &Connection,
    answer: i64,
    settings: &AnswerSettings,
    moment: Moment,
) -> Result<(), LedgerError> {
    let desk = Desk { connection, settings, moment, at: moment.at(), over: RefCell::default() };
    let items = "SELECT DISTINCT item FROM said
        WHERE answer = ?1 AND kind IN ('rejects', 'charges_back') AND item > ?2 ORDER BY item LIMIT 1000";
    desk.each(items, answer, |item| desk.item(item))?;
    let files = "SELECT file FROM (
            SELECT file FROM said WHERE answer = ?1 AND kind IN ('rejects_file', 'totals')
            UNION SELECT i.file FROM said s JOIN items i ON i.item = s.item
                WHERE s.answer = ?1 AND s.kind = 'rejects')
        WHERE file > ?2 ORDER BY file LIMIT 1000";
    desk.each(files, answer, |file| desk.file(file))
}

/// What was said of an item, and where.
struct SaidOf {
    key: Key,
    word: ItemWord,
    answer: i64,
    issuer: LinkId,
    said: i64,
    reason: Option<String>,
    currency: Option<String>,
    made: Option<Made>,
}

/// The charge-back that came of it.
#[derive(Clone, Copy)]
struct Made {
    item: i64,
    /// It is in a position.
    cut: bool,
    /// Somebody answered it.
    answered: bool,
    withdrawn: bool,
}

impl Desk<'_> {
    /// Does something with each of a list that may be long; the list is asked for in parts.
    fn each(
        &self,
        sql: &str,
        about: i64,
        mut work: impl FnMut(i64) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        let mut last = 0_i64;
        loop {
            let mut ask = self.connection.prepare_cached(sql)?;
            let part: Vec<i64> =
                ask.query_map(params![about, last], |row| row.get(0))?.collect::<Result<_, _>>()?;
            drop(ask);
            let Some(end) = part.last() else { return Ok(()) };
            last = *end;
            for one in part {
                work(one)?;
            }
        }
    }

    fn item(&self, item: i64) -> Result<(), LedgerError> {
        let said = self.said_of(item)?;
        let mut ask = self.connection.prepare_cached(
            "SELECT i.state, i.amount, f.state,
                 (SELECT coalesce(sum(b.amount), 0) FROM items b WHERE b.about IN (i.item, i.about) AND b.kind IN ('opposite', 'lowered')),
                 EXISTS (SELECT 1 FROM said s WHERE s.file = i.file AND s.kind = 'rejects_file')
             FROM items i LEFT JOIN files f USING (file) WHERE i.item = ?",
        )?;
        let (state, mut presented) = ask.query_row([item], |row| {
            let presented = Presented {
                amount: row.get(1)?,
                file_accepted: row.get::<_, Option<String>>(2)?.as_deref() == Some("accepted"),
                taken_back: row.get(3)?,
                file_rejected: row.get(4)?,
                ..Presented::default()
            };
            Ok((row.get::<_, String>(0)?, presented))
        })?;
        presented.settled = said
            .iter()
            .filter(|said| {
                said.made.is_some_and(|made| !made.withdrawn && (made.cut || made.answered))
            })
            .map(|said| said.key.clone())
            .collect();
        let words = said.iter().map(|said| (said.key.clone(), said.word.clone())).collect();
        let verdict = answers::item(&presented, &words);
        if verdict.rejected {
            self.reject(item, &said)?;
        }
        for said in &said {
            self.carry_out(item, said, &verdict)?;
        }
        let now = word(verdict.stand, "presented");
        if now != state {
            self.connection
                .prepare_cached("UPDATE items SET state = ? WHERE item = ?")?
                .execute(params![now, item])?;
            event(self.connection, (Some(item), None), now, "", self.at)?;
        }
        Ok(())
    }

    fn said_of(&self, item: i64) -> Result<Vec<SaidOf>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT a.file_id, s.number, s.kind, coalesce(s.amount, 0), s.answer, a.issuer, s.said, s.reason, s.currency,
                 c.item, c.day IS NOT NULL, EXISTS (SELECT 1 FROM items r WHERE r.about = c.item), c.amount = 0
             FROM said s JOIN answers a USING (answer) LEFT JOIN items c ON c.item = s.made
             WHERE s.item = ? AND s.kind IN ('rejects', 'charges_back')",
        )?;
        let rows = ask.query_map([item], |row| {
            let charges = row.get::<_, String>(2)? == "charges_back";
            let made = match row.get::<_, Option<i64>>(9)? {
                None => None,
                Some(item) => Some(Made {
                    item,
                    cut: row.get(10)?,
                    answered: row.get(11)?,
                    withdrawn: row.get(12)?,
                }),
            };
            Ok(SaidOf {
                key: (row.get(0)?, row.get(1)?),
                word: if charges { ItemWord::ChargesBack(row.get(3)?) } else { ItemWord::Rejects },
                answer: row.get(4)?,
                issuer: LinkId(row.get(5)?),
                said: row.get(6)?,
                reason: row.get(7)?,
                currency: row.get(8)?,
                made,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was rejected waits in suspense: an item of its own, once.
    fn reject(&self, item: i64, said: &[SaidOf]) -> Result<(), LedgerError> {
        let mut reasons: Vec<_> = said
            .iter()
            .filter(|said| said.word == ItemWord::Rejects)
            .map(|said| (&said.key, &said.reason))
            .collect();
        reasons.sort_unstable();
        let reason = reasons.first().and_then(|(_, reason)| reason.as_deref());
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO items (kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc,
                 amount, currency, refund, reference, state, reason)
             SELECT 'rejection', item, txn, issuer, merchant, terminal, card, rrn, approval, mcc,
                 amount, currency, refund, reference, 'accepted', ?2
             FROM items WHERE item = ?1 ON CONFLICT DO NOTHING",
        )?;
        if insert.execute(params![item, reason])? == 0 {
            // Of several reasons the first one counts, whichever came first.
            self.connection
                .prepare_cached(
                    "UPDATE items SET reason = ?2 WHERE about = ?1 AND kind = 'rejection'",
                )?
                .execute(params![item, reason])?;
        }
        Ok(())
    }

    /// One record about an item, as the verdict has it.
    fn carry_out(
        &self,
        item: i64,
        said: &SaidOf,
        verdict: &ItemVerdict,
    ) -> Result<(), LedgerError> {
        let place = i64::from(said.key.1);
        // The fold gives them in order.
        let at = verdict.refused.binary_search_by(|(key, _)| key.cmp(&said.key)).ok();
        match at.and_then(|at| verdict.refused.get(at)) {
            None => exceptions::settle_record(self.connection, (said.answer, place), self.at)?,
            Some((_, why)) => {
                let amount = match said.word {
                    ItemWord::ChargesBack(amount) => Some(amount),
                    ItemWord::Rejects => None,
                };
                let of = (said.answer, said.issuer);
                let trouble = if self.is_over(said.answer, place)? {
                    let why = format!(
                        "more than {OVER_MAX} of its records want too much: these are the rest"
                    );
                    Trouble { place: Some(0), ..Trouble::of("over_claimed", of, why) }
                } else {
                    Trouble {
                        item: Some(item),
                        place: Some(place),
                        amount,
                        currency: said.currency.as_deref(),
                        ..Trouble::of("over_claimed", of, why.clone())
                    }
                };
                exceptions::open(self.connection, &trouble, self.at)?;
            }
        }
        let ItemWord::ChargesBack(amount) = said.word else { return Ok(()) };
        let wanted = verdict.charged_back.contains(&said.key);
        match (wanted, said.made) {
            (true, None) => self.charge_back(item, said, amount),
            // One that a cut met while it was withdrawn counts there as nothing for ever.
            (true, Some(made)) if made.withdrawn && made.cut => {
                self.charge_back(item, said, amount)
            }
            (true, Some(made)) if made.withdrawn => self.restore(made.item, amount),
            (false, Some(made)) if !made.withdrawn => self.withdraw(item, made.item),
            _ => Ok(()),
        }
    }

    /// Whether an answer has as many exceptions as are told one by one. Counts the next one, unless it is there.
    fn is_over(&self, answer: i64, place: i64) -> Result<bool, LedgerError> {
        let sql =
            "SELECT 1 FROM exceptions WHERE answer = ? AND kind = 'over_claimed' AND place = ?";
        if self.connection.prepare_cached(sql)?.exists((answer, place))? {
            return Ok(false);
        }
        let mut over = self.over.borrow_mut();
        let count = match over.entry(answer) {
            Entry::Occupied(count) => count.into_mut(),
            Entry::Vacant(place) => {
                let sql =
                    "SELECT count(*) FROM exceptions WHERE answer = ? AND kind = 'over_claimed'";
                let mut ask = self.connection.prepare_cached(sql)?;
                place.insert(
                    ask.query_row([answer], |row| row.get::<_, i64>(0).map(i64::cast_unsigned))?,
                )
            }
        };
        *count += 1;
        Ok(*count > OVER_MAX)
    }

    fn charge_back(&self, item: i64, said: &SaidOf, amount: i64) -> Result<(), LedgerError> {
        let due = self.settings.due(said.reason.as_deref(), self.moment.day);
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO items (kind, about, txn, issuer, merchant, terminal, card, rrn, approval, mcc,
                 amount, currency, refund, reference, state, reason, due)
             SELECT 'chargeback', item, txn, issuer, merchant, terminal, card, rrn, approval, mcc,
                 ?2, currency, refund, reference, 'accepted', ?3, ?4
             FROM items WHERE item = ?1",
        )?;
        insert.execute(params![item, amount, said.reason, due])?;
        let made = self.connection.last_insert_rowid();
        self.connection
            .prepare_cached("UPDATE said SET made = ? WHERE said = ?")?
            .execute(params![made, said.said])?;
        let reason = said.reason.as_deref().unwrap_or("-");
        let detail = format!("for {amount}, reason {reason}, to be answered by {}", day_text(due));
        event(self.connection, (Some(made), None), "charged_back", &detail, self.at)
    }

    /// It waits for no cut yet, and what came since leaves nothing of it.
    fn withdraw(&self, item: i64, made: i64) -> Result<(), LedgerError> {
        self.connection
            .prepare_cached(
                "UPDATE items SET amount = 0, state = 'rejected' WHERE item = ? AND day IS NULL",
            )?
            .execute([made])?;
        let detail = format!("what was said of item {item} since leaves nothing of it");
        event(self.connection, (Some(made), None), "withdrawn", &detail, self.at)
    }

    fn restore(&self, made: i64, amount: i64) -> Result<(), LedgerError> {
        self.connection
            .prepare_cached("UPDATE items SET amount = ?, state = 'accepted' WHERE item = ?")?
            .execute(params![amount, made])?;
        let detail = format!("for {amount}, since there is enough left");
        event(self.connection, (Some(made), None), "charged_back", &detail, self.at)
    }

    fn file(&self, file: i64) -> Result<(), LedgerError> {
        let (before, issuer): (String, u32) = self.connection.query_row(
            "SELECT state, issuer FROM files WHERE file = ?",
            [file],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let layout = self.settings.layout;
        let verdict = answers::file(&self.words_of(file)?, &self.sent(file)?, &layout);
        let now = word(verdict.stand, "written");
        match &verdict.differs {
            None => exceptions::settle_file(self.connection, file, self.at)?,
            Some(text) => {
                let trouble = Trouble {
                    answer: None,
                    file: Some(file),
                    ..Trouble::of("totals_differ", (0, LinkId(issuer)), text.clone())
                };
                exceptions::open(self.connection, &trouble, self.at)?;
            }
        }
        if now == before || now == "written" && before == "begun" {
            return Ok(());
        }
        let answered = (now != "written").then_some(self.at);
        self.connection.execute(
            "UPDATE files SET state = ?, answered = ? WHERE file = ?",
            params![now, answered, file],
        )?;
        event(self.connection, (None, Some(file)), now, "", self.at)?;
        let turn = |from: &str, to: &str| {
            let update = "UPDATE items SET state = ? WHERE file = ? AND state = ?";
            self.connection.execute(update, params![to, file, from])
        };
        match verdict.stand {
            Stand::Accepted => {
                turn("presented", "accepted")?;
            }
            Stand::Rejected => {
                let items =
                    "SELECT item FROM items WHERE file = ?1 AND item > ?2 ORDER BY item LIMIT 1000";
                self.each(items, file, |item| self.item(item))?;
            }
            Stand::Sent | Stand::ChargedBack => {
                turn("accepted", "presented")?;
            }
        }
        Ok(())
    }

    fn words_of(&self, file: i64) -> Result<BTreeSet<FileWord>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT DISTINCT kind, CASE kind WHEN 'totals' THEN detail END FROM said
             WHERE file = ? AND kind IN ('rejects_file', 'totals') LIMIT 10000",
        )?;
        let rows = ask.query_map([file], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?))
        })?;
        let mut words = BTreeSet::new();
        for row in rows {
            let (kind, detail) = row?;
            if kind == "rejects_file" {
                words.insert(FileWord::Rejects);
            } else if let Some(line) = detail.and_then(|text| serde_json::from_str(&text).ok()) {
                words.insert(FileWord::Totals(line));
            }
        }
        Ok(words)
    }

    /// What a file held and was not rejected message by message.
    fn sent(&self, file: i64) -> Result<Vec<Sent>, LedgerError> {
        let mut ask = self.connection.prepare_cached(
            "SELECT kind, refund, currency, count(*), sum(amount) FROM items i
             WHERE file = ? AND NOT EXISTS (SELECT 1 FROM items r WHERE r.about = i.item AND r.kind = 'rejection')
             GROUP BY 1, 2, 3",
        )?;
        let rows = ask.query_map([file], |row| {
            let kind: String = row.get(0)?;
            Ok(Sent {
                turn: if kind == "representment" { Turn::Second } else { Turn::First },
                takes_back: matches!(kind.as_str(), "opposite" | "lowered"),
                refund: row.get(1)?,
                currency: row.get(2)?,
                count: row.get(3)?,
                amount: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// A stand as the tables have it.
const fn word(stand: Stand, sent: &'static str) -> &'static str {
    match stand {
        Stand::Sent => sent,
        Stand::Accepted => "accepted",
        Stand::Rejected => "rejected",
        Stand::ChargedBack => "charged_back",
    }
}
