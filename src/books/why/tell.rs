//! A life in words: the records of a transaction and of its relatives, as messages with what was decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Archive;
use super::follow::{self, Family};
use super::stand::{Filed, Now, lowered_by};
use super::step::{self, Step};
use super::words::{
    answer_in_words, closed_in_words, late_in_words, late_of_matched_in_words, matched_in_words,
    over_in_words, owed_in_words, requeued_in_words, told_in_words,
};
use crate::books::{BooksError, orders};
use crate::iso::{Elements, Mti, Wall};
use crate::record::{
    Closing, Debt, DebtState, LinkId, Lsn, Opening, Outcome, Owing, Reason, Record, Remark, Ruling,
    Sent, Standing, Trace, TxnId, Unanswered, Undo, Verdict,
};

/// All that happened to a transaction and to those that are related to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What was asked for.
    pub txn: TxnId,
    /// Step by step.
    pub steps: Vec<Step>,
    /// How each of them stands now.
    pub now: Vec<Now>,
    /// Whether the journal lacks records that it once had: then the books tell what they keep of them.
    pub is_partial: bool,
}

/// The switch itself, in a step.
const SWITCH: &str = "switch";

/// Puts records into words.
struct Teller<'a> {
    archive: &'a Archive,
    family: &'a Family,
    /// Steps by the record that tells of them, or would.
    steps: Vec<(Lsn, Step)>,
    /// Of what it has told so far, what a reversal undoes in full.
    undone: BTreeSet<TxnId>,
}

impl Archive {
    /// The life of a transaction; none when there is no such transaction.
    pub fn life(&self, txn: TxnId) -> Result<Option<Life>, BooksError> {
        let mut family = self.family(txn)?;
        let records = self.records(&mut family)?;
        if !family.rows.contains_key(&txn) {
            return Ok(None);
        }
        self.find_cuts(&mut family)?;
        let mut teller =
            Teller { archive: self, family: &family, steps: Vec::new(), undone: BTreeSet::new() };
        let gone = teller.gone(&records)?;
        for (lsn, record) in &gone {
            teller.tell((*lsn, false), record, &[]);
        }
        for (at, (lsn, record)) in records.iter().enumerate() {
            let rest = records.get(at + 1..).unwrap_or_default();
            teller.tell((*lsn, true), record, rest);
        }
        teller.tell_cuts()?;
        let mut steps = teller.steps;
        steps.sort_by_key(|(lsn, _)| *lsn);
        let mut steps: Vec<Step> = steps.into_iter().map(|(_, step)| step).collect();
        let first = steps.iter().find_map(|step| step.at);
        for step in &mut steps {
            step.ms = step.at.zip(first).map(|(at, first)| at.0.saturating_sub(first.0));
        }
        Ok(Some(Life { txn, steps, now: self.now(&family)?, is_partial: !gone.is_empty() }))
    }
}

impl Teller<'_> {
    fn standing(&self, txn: TxnId) -> Option<&Standing> {
        self.family.rows.get(&txn).map(|row| &row.standing)
    }

    /// What the books keep of records that the journal no longer has.
    fn gone(&self, records: &[(Lsn, Record)]) -> Result<Vec<(Lsn, Record)>, BooksError> {
        let mut gone = Vec::new();
        for (txn, row) in &self.family.rows {
            let (standing, lsn) = (&row.standing, Lsn(txn.0));
            if records.iter().any(|(at, _)| *at == lsn) {
                continue;
            }
            gone.push((
                lsn,
                match (&standing.opening, &standing.outcome) {
                    (Opening::Request(sent), _) => Record::Sent(Arc::clone(sent)),
                    (Opening::Advice(sent), Outcome::Answered { added, .. }) => {
                        let (sent, added) = (Arc::clone(sent), Arc::clone(added));
                        Record::StoodIn { sent, added }
                    }
                    (Opening::Advice(sent), _) => Record::Stored(Arc::clone(sent)),
                    (Opening::Reversal(undo), _) => Record::Undone(Arc::clone(undo)),
                },
            ));
            let is_end = |record: &Record| matches!(record, Record::Answered { txn: of, .. } | Record::StoodInMatched { txn: of, .. } | Record::Over { txn: of, .. } if of == txn);
            // The record that opened it says what was decided, too.
            let unsent = |standing: &Standing| standing.stood_in() && !standing.is_matched();
            match &standing.outcome {
                _ if unsent(standing) || records.iter().any(|(_, record)| is_end(record)) => {}
                Outcome::Answered { added, at, .. } if standing.is_matched() => {
                    let trace = standing.advice.as_ref().map(|debt| debt.trace).unwrap_or_default();
                    let (txn, at, added) = (*txn, *at, Arc::clone(added));
                    gone.push((lsn, Record::StoodInMatched { txn, at, trace, added }));
                }
                Outcome::Answered { verdict, added, at } => {
                    let (txn, at, verdict, added) = (*txn, *at, *verdict, Arc::clone(added));
                    gone.push((lsn, Record::Answered { txn, at, verdict, added }));
                }
                Outcome::Over { why, at } => {
                    gone.push((lsn, Record::Over { txn: *txn, at: *at, why: *why }));
                }
                Outcome::InFlight | Outcome::Stored => {}
            }
            let debts = [(Owing::Advice, &standing.advice), (Owing::Reversal, &standing.reversal)];
            for (owing, debt) in debts {
                let Some(debt) = debt else { continue };
                gone.extend(gone_debt((*txn, owing), debt, records).map(|record| (lsn, record)));
                gone.extend(self.gone_ruling((*txn, owing), debt, records)?);
            }
        }
        Ok(gone)
    }

    /// What the books keep of an operator's word on a debt, when its record is gone.
    fn gone_ruling(
        &self,
        (txn, owing): (TxnId, Owing),
        debt: &Debt,
        records: &[(Lsn, Record)],
    ) -> Result<Option<(Lsn, Record)>, BooksError> {
        let is_it = |(_, record): &(Lsn, Record)| matches!(record, Record::WrittenOff { txn: of, owing: which, .. } if (*of, *which) == (txn, owing));
        let Some(books) = &self.archive.books else { return Ok(None) };
        if debt.state != DebtState::Closed(Closing::WrittenOff) || records.iter().any(is_it) {
            return Ok(None);
        }
        let ordered = orders::ordered(books, "written_off", Lsn(txn.0), Some(owing))?;
        Ok(ordered.and_then(|ordered| {
            let by = Remark::name(&ordered.who).ok()?;
            let why = Remark::reason(&ordered.reason?).ok()?;
            let (at, trace, ruling) = (ordered.at, debt.trace, Box::new(Ruling { by, why }));
            Some((ordered.lsn, Record::WrittenOff { txn, at, owing, trace, ruling }))
        }))
    }

    fn tell(&mut self, (lsn, in_journal): (Lsn, bool), record: &Record, rest: &[(Lsn, Record)]) {
        let before = self.steps.len();
        match record {
            Record::Sent(sent) => self.requested(lsn, sent),
            Record::Stored(sent) => self.stored(lsn, sent),
            Record::StoodIn { sent, added } => self.stood_in(lsn, (sent, added), None),
            Record::StoodInAfter { attempt, sent, added } => {
                self.stood_in(lsn, (sent, added), Some(*attempt));
            }
            Record::Undone(undo) => self.undone(lsn, undo),
            Record::Lowered { undo, trace, .. } => self.lowered(lsn, undo, *trace),
            Record::Unmatched { .. } => self.unmatched(lsn, record),
            Record::Restored(standing) => {
                self.put(
                    (lsn, standing.id),
                    ("books", SWITCH),
                    (None, Vec::new()),
                    "brought back from the books, because a message about it came".to_owned(),
                );
            }
            _ => {
                for txn in record.changes() {
                    if let Some(sent) = self.standing(txn).and_then(Standing::sent).map(Arc::clone)
                    {
                        self.happened((lsn, txn), &sent, record, rest);
                    }
                }
            }
        }
        let at = follow::at(record);
        for (_, step) in self.steps.iter_mut().skip(before) {
            step.kind = record.word();
            (step.at, step.lsn) = (at, in_journal.then_some(lsn));
            // The books keep since when something was owed, and not when it was settled.
            if !in_journal && matches!(record, Record::Closed { .. }) {
                step.at = None;
            }
        }
    }

    fn put(
        &mut self,
        (lsn, txn): (Lsn, TxnId),
        (from, to): (&str, &str),
        (mti, elements): (Option<Mti>, Vec<(u8, String)>),
        said: String,
    ) {
        let (from, to) = (from.to_owned(), to.to_owned());
        let step =
            Step { at: None, ms: None, lsn: None, txn, kind: "", from, to, mti, elements, said };
        self.steps.push((lsn, step));
    }

    fn name(&self, link: LinkId) -> String {
        self.archive.name(link)
    }

    fn requested(&mut self, lsn: Lsn, sent: &Sent) {
        let (txn, asker, issuer) = (TxnId(lsn.0), self.name(sent.asker), self.name(sent.issuer));
        let said = if sent.mti.is_repeat() {
            "a request, marked as a repeat of one that was never seen: taken as new"
        } else {
            "a request, never seen before"
        };
        let said = match sent.raises() {
            Some(txn) => format!("{said}; it raises transaction {}", txn.0),
            None => said.to_owned(),
        };
        self.put((lsn, txn), (&asker, SWITCH), (Some(sent.mti), step::asked(sent)), said);
        let said = format!(
            "sent on under elements 7 and 11 of our own, for the business day {}",
            sent.date
        );
        let pair = step::of_pair(sent.trace);
        self.put((lsn, txn), (SWITCH, &issuer), (Some(sent.mti.plain()), pair), said);
    }

    fn stored(&mut self, lsn: Lsn, sent: &Sent) {
        let (txn, asker, issuer) = (TxnId(lsn.0), self.name(sent.asker), self.name(sent.issuer));
        let said = match (sent.completed(), sent.raises()) {
            (Some(txn), _) => format!("an advice that completes transaction {}", txn.0),
            (None, Some(txn)) => format!("an advice of what raises transaction {}", txn.0),
            (None, None) => "an advice".to_owned(),
        };
        self.put((lsn, txn), (&asker, SWITCH), (Some(sent.mti), step::asked(sent)), said);
        let mut answer = step::repeated(sent);
        answer.push((39, "00".to_owned()));
        let said = "00 to the asker: it is stored, and owed to its issuer from now on".to_owned();
        self.put((lsn, txn), (SWITCH, &asker), (sent.mti.response(), answer), said);
        let said = format!(
            "sent until it is acknowledged, under elements 7 and 11 of our own, for the business day {}",
            sent.date
        );
        let pair = step::of_pair(sent.trace);
        self.put((lsn, txn), (SWITCH, &issuer), (Some(sent.mti.plain()), pair), said);
    }

    fn stood_in(&mut self, lsn: Lsn, (sent, added): (&Sent, &Elements), attempt: Option<TxnId>) {
        let (txn, asker, issuer) = (TxnId(lsn.0), self.name(sent.asker), self.name(sent.issuer));
        if let Some(attempt) = attempt {
            let said = format!(
                "{issuer} did not answer transaction {} in time: that is undone, and its request is this one from now on",
                attempt.0
            );
            self.put((lsn, txn), (SWITCH, SWITCH), (None, Vec::new()), said);
        } else {
            let said = format!("a request, and {issuer} was away");
            self.put((lsn, txn), (&asker, SWITCH), (Some(sent.mti), step::asked(sent)), said);
        }
        let mut answer = step::repeated(sent);
        answer.extend(step::added(added));
        let said = "approved in its issuer's place, within the limits of its route".to_owned();
        self.put((lsn, txn), (SWITCH, &asker), (sent.mti.response(), answer), said);
        let said = format!(
            "an advice of it, sent until it is acknowledged, under elements 7 and 11 of our own, for the business day {}",
            sent.date
        );
        let pair = step::of_pair(sent.trace);
        self.put((lsn, txn), (SWITCH, &issuer), (Some(sent.advice_mti()), pair), said);
    }

    fn undone(&mut self, lsn: Lsn, undo: &Undo) {
        let (txn, asker) = (TxnId(lsn.0), self.name(undo.asker));
        let left = undo.original.and_then(|original| lowered_by(self.family, txn, original));
        let (asked, told) = match undo.original {
            Some(original) if left.is_some() => (
                format!("a partial reversal of transaction {}", original.0),
                format!(
                    "{} to the asker: it stands for {} from now on",
                    undo.code,
                    left.unwrap_or_default()
                ),
            ),
            Some(original) => (
                format!("a reversal of transaction {}", original.0),
                format!("{} to the asker: it is undone from now on", undo.code),
            ),
            None => (
                "a reversal of what was never seen under the key that its element 90 names"
                    .to_owned(),
                format!("{} to the asker: should the original come, it is declined", undo.code),
            ),
        };
        self.put((lsn, txn), (&asker, SWITCH), (Some(undo.mti), Vec::new()), asked);
        let code = vec![(39, undo.code.to_string())];
        self.put((lsn, txn), (SWITCH, &asker), (undo.mti.response(), code), told);
    }

    fn lowered(&mut self, lsn: Lsn, undo: &Undo, trace: Trace) {
        self.undone(lsn, undo);
        let Some(original) = undo.original else { return };
        let Some(sent) = self.standing(original).and_then(Standing::sent).map(Arc::clone) else {
            return;
        };
        let (mti, issuer) = (owed_mti(&sent, Owing::Reversal), self.name(sent.issuer));
        let said = owed_in_words(Reason::Lowered).to_owned();
        self.put((lsn, original), (SWITCH, &issuer), (mti, step::of_pair(trace)), said);
    }

    fn unmatched(&mut self, lsn: Lsn, record: &Record) {
        let Record::Unmatched { link, mti, trace: Some(trace), approved, orphan, .. } = record
        else {
            return;
        };
        let of = |standing: &&Standing| standing.sent().is_some_and(|sent| sent.issuer == *link);
        // A request may have gone elsewhere from the link that brings it.
        let mut standings = self.family.rows.values().map(|row| &row.standing);
        let first = standings.clone().next();
        let Some(txn) = standings.find(of).or(first).map(|standing| standing.id) else { return };
        let said = match (approved, orphan) {
            (_, true) => {
                "an approval under this pair that is not its answer: on the operator's list"
            }
            (true, false) => {
                "a response that nothing waited for, and maybe an approval: the books were asked"
            }
            (false, false) => "a response that nothing waited for: it changes nothing",
        };
        let name = self.name(*link);
        self.put((lsn, txn), (&name, SWITCH), (Some(*mti), step::of_pair(*trace)), said.to_owned());
    }

    /// What happened to a request or an advice.
    fn happened(
        &mut self,
        (lsn, txn): (Lsn, TxnId),
        sent: &Sent,
        record: &Record,
        rest: &[(Lsn, Record)],
    ) {
        let (asker, issuer) = (self.name(sent.asker), self.name(sent.issuer));
        let (to_asker, from_issuer) = ((SWITCH, &*asker), (&*issuer, SWITCH));
        match record {
            Record::Rerouted { issuer, trace, .. } => {
                self.rerouted((lsn, txn), sent, (*issuer, *trace));
            }
            Record::Answered { at, verdict, added, .. } => {
                let mut elements = step::of_pair(sent.trace);
                let added = step::added(added);
                elements.extend(added.iter().filter(|(no, _)| ![7, 11].contains(no)).cloned());
                let said = answer_in_words(*verdict, &added, at.0.saturating_sub(sent.at.0));
                let mti = sent.mti.plain().response();
                self.put((lsn, txn), from_issuer, (mti, elements), said);
                let mut told = step::repeated(sent);
                told.extend(told_of(*verdict, &added));
                let said = told_in_words(*verdict, &told, is_undelivered(txn, *at, rest));
                self.put((lsn, txn), to_asker, (sent.mti.response(), told), said);
            }
            Record::Told { .. } => {
                let said = "the answer was handed to a connection of the asker".to_owned();
                self.put((lsn, txn), to_asker, (sent.mti.response(), Vec::new()), said);
            }
            Record::StoodInMatched { .. } => self.matched((lsn, txn), sent, record),
            Record::Over { at, why, .. } => self.over((lsn, txn), sent, (*why, *at)),
            Record::Late { approved, .. } => self.late((lsn, txn), sent, *approved),
            Record::Owed { trace, reason, .. } => {
                if *reason != Reason::Lowered {
                    self.undone.insert(txn);
                }
                let mti = owed_mti(sent, Owing::Reversal);
                let said = owed_in_words(*reason).to_owned();
                self.put((lsn, txn), (SWITCH, &issuer), (mti, step::of_pair(*trace)), said);
            }
            Record::Closed { owing, trace, closing, code, .. } => {
                let mti = owed_mti(sent, *owing).and_then(Mti::response);
                let mut elements = step::of_pair(*trace);
                elements.extend(code.map(|code| (39, code.to_string())));
                let said =
                    closed_in_words(*owing, *closing, elements.get(2).map(|(_, code)| &**code));
                // What was given up had no answer.
                let mti = mti.filter(|_| code.is_some());
                let way = if code.is_some() { from_issuer } else { (SWITCH, SWITCH) };
                self.put((lsn, txn), way, (mti, elements), said);
            }
            Record::Requeued { .. } | Record::WrittenOff { .. } => {
                self.ordered((lsn, txn), sent, record);
            }
            Record::Undone(_)
            | Record::Lowered { .. }
            | Record::Sent(_)
            | Record::Stored(_)
            | Record::StoodIn { .. }
            | Record::StoodInAfter { .. }
            | Record::Spent { .. }
            | Record::OrphanWrittenOff { .. }
            | Record::Unmatched { .. }
            | Record::Restored(_)
            | Record::Opened { .. }
            | Record::Cut { .. }
            | Record::CarryBegins { .. }
            | Record::Carried(_)
            | Record::CarryEnds { .. } => {}
        }
    }

    /// An answer after the end. What its issuer matches is reversed like any other once it is undone.
    fn late(&mut self, id: (Lsn, TxnId), sent: &Sent, approved: bool) {
        let matched = self.standing(id.1).is_some_and(Standing::is_matched);
        let as_one = matched && !self.undone.contains(&id.1);
        let said = if as_one { late_of_matched_in_words } else { late_in_words }(approved);
        let (issuer, mti) = (self.name(sent.issuer), sent.mti.plain().response());
        self.put(id, (&issuer, SWITCH), (mti, Vec::new()), said.to_owned());
    }

    fn rerouted(&mut self, id: (Lsn, TxnId), sent: &Sent, (issuer, trace): (LinkId, Trace)) {
        let issuer = self.name(issuer);
        let said = format!(
            "not a byte of it had left when its session ended: sent to {issuer}, under fresh elements 7 and 11"
        );
        let pair = step::of_pair(trace);
        self.put(id, (SWITCH, &issuer), (Some(sent.mti.plain()), pair), said);
    }

    /// Approved in its issuer's place, by an advice that names it.
    fn matched(&mut self, (lsn, txn): (Lsn, TxnId), sent: &Sent, record: &Record) {
        let Record::StoodInMatched { at, trace, added, .. } = record else { return };
        let (asker, issuer) = (self.name(sent.asker), self.name(sent.issuer));
        let mut answer = step::repeated(sent);
        answer.extend(step::added(added));
        let said = matched_in_words(&issuer, at.0.saturating_sub(sent.at.0));
        self.put((lsn, txn), (SWITCH, &asker), (sent.mti.response(), answer), said);
        let said = "an advice of it, sent until it is acknowledged: it names the request, and its issuer books both as one".to_owned();
        let pair = step::of_pair(*trace);
        self.put((lsn, txn), (SWITCH, &issuer), (Some(sent.advice_mti()), pair), said);
    }

    fn over(&mut self, (lsn, txn): (Lsn, TxnId), sent: &Sent, (why, at): (Unanswered, Wall)) {
        let (asker, issuer) = (self.name(sent.asker), self.name(sent.issuer));
        // Its asker hears of what is approved in its place.
        let gave_way = self.standing(txn).is_some_and(Standing::gave_way);
        let why = if gave_way { Unanswered::StoodIn } else { why };
        let said = over_in_words(why, &issuer, at.0.saturating_sub(sent.at.0));
        let told = (sent.mti.response(), step::repeated(sent));
        self.put((lsn, txn), (SWITCH, &asker), told, said);
    }

    /// What an operator ordered about a dead letter.
    fn ordered(&mut self, (lsn, txn): (Lsn, TxnId), sent: &Sent, record: &Record) {
        match record {
            Record::Requeued { owing, trace, by, .. } => {
                let (issuer, mti) = (self.name(sent.issuer), owed_mti(sent, *owing));
                // An advice may have reached its issuer before.
                let mti = mti.map(|mti| if *owing == Owing::Advice { mti.repeated() } else { mti });
                let said = requeued_in_words(*owing, by.as_str());
                self.put((lsn, txn), (SWITCH, &issuer), (mti, step::of_pair(*trace)), said);
            }
            Record::WrittenOff { owing, ruling, .. } => {
                let (what, by, why) = (owing.word(), &ruling.by, &ruling.why);
                let said = format!("{what} written off by {by}: {why}");
                self.put((lsn, txn), ("operator", SWITCH), (None, Vec::new()), said);
            }
            _ => {}
        }
    }

    /// When the days were cut in which they clear.
    fn tell_cuts(&mut self) -> Result<(), BooksError> {
        for row in self.family.rows.values() {
            let Some(issuer) = row.standing.sent().map(|sent| sent.issuer) else { continue };
            for (day, kind, what) in [
                (row.captured, "presentment", "cut"),
                (
                    row.difference_day(),
                    "lowered",
                    "the difference taken back, but for what was refunded: cut",
                ),
                (row.opposed, "opposite", "taken back, but for what was refunded: cut"),
            ] {
                let Some((day, (lsn, at))) =
                    day.and_then(|day| Some((day, *self.family.cuts.get(&day)?)))
                else {
                    continue;
                };
                let said = match self.archive.filed((row.standing.id, issuer), day, kind)? {
                    Filed::In(file) => format!("{what} into the day {day}{file}"),
                    Filed::Held { fault, .. } => {
                        format!("{what} into the day {day}, and held: {fault}")
                    }
                    Filed::Unknown => format!("{what} into the day {day}"),
                };
                self.put((lsn, row.standing.id), (SWITCH, "clearing"), (None, Vec::new()), said);
                if let Some((_, step)) = self.steps.last_mut() {
                    (step.at, step.lsn, step.kind) = (Some(at), Some(lsn), "cut");
                }
            }
        }
        Ok(())
    }
}

/// What goes to an issuer because it is owed.
fn owed_mti(sent: &Sent, owing: Owing) -> Option<Mti> {
    match owing {
        Owing::Advice => Some(sent.advice_mti()),
        Owing::Reversal => Mti::new(u16::from(sent.mti.version()) * 1000 + 420).ok(),
    }
}

/// What the books keep of a debt whose records are gone.
fn gone_debt(
    (txn, owing): (TxnId, Owing),
    debt: &Debt,
    records: &[(Lsn, Record)],
) -> impl Iterator<Item = Record> {
    let is_owed = |record: &Record| match record {
        Record::Owed { txn: of, trace, .. } | Record::Requeued { txn: of, trace, .. } => {
            *of == txn && *trace == debt.trace
        }
        Record::Lowered { undo, trace, .. } => undo.original == Some(txn) && *trace == debt.trace,
        _ => false,
    };
    let is_closed = |record: &Record| matches!(record, Record::Closed { txn: of, trace, .. } if *of == txn && *trace == debt.trace);
    let (at, trace, reason, code) = (debt.since, debt.trace, debt.reason, debt.code);
    let owed = (owing == Owing::Reversal && !records.iter().any(|(_, record)| is_owed(record)))
        .then_some(Record::Owed { txn, at, trace, reason });
    let closed = match debt.state {
        DebtState::Closed(closing) if !records.iter().any(|(_, record)| is_closed(record)) => {
            Some(Record::Closed { txn, at, owing, trace, closing, code })
        }
        DebtState::Closed(_) | DebtState::Open => None,
    };
    owed.into_iter().chain(closed)
}

/// Whether an approval found nobody as it came.
fn is_undelivered(txn: TxnId, at: Wall, rest: &[(Lsn, Record)]) -> bool {
    let is_it = |(_, record): &(Lsn, Record)| matches!(record, Record::Owed { txn: of, at: then, reason: Reason::Undelivered, .. } if *of == txn && *then == at);
    rest.iter().take(8).any(is_it)
}

/// Elements 38 and 39 as the asker hears them.
fn told_of(verdict: Verdict, added: &[(u8, String)]) -> Vec<(u8, String)> {
    match verdict {
        Verdict::Mismatched => vec![(39, "96".to_owned())],
        Verdict::Approved | Verdict::Declined => {
            added.iter().filter(|(no, _)| [38, 39].contains(no)).cloned().collect()
        }
    }
}
