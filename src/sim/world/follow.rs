//! What follows from the durable records: every transaction's standing, what was cut, what an operator sees.
//!
//! One of these is the truth of the audit, at the last durable record; one is the books, some way behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::iso::{BusinessDate, Class, ElementNo};
use crate::planted::{self, Bug};
use crate::record::{
    Debt, LinkId, Lsn, Opening, Outcome, Owing, Reason, Record, Standing, Trace, TxnId,
};
use crate::seal::Tag;
use crate::tranlog::{self, Ask, Found};

use super::increments::wrongly_raised;
use super::issuer::{self, Key};
use super::originals::wrongly_tied;
use super::story::{self, PurchaseId};

/// A line of a day's clearing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// For how much, in minor units.
    pub(super) amount: i64,
    /// The day whose file it is in.
    pub(super) date: BusinessDate,
    /// What it clears.
    pub(super) txn: TxnId,
    /// Whether it takes an earlier line back.
    pub(super) opposite: bool,
}

/// A transaction, and what the audit asks about its past.
#[derive(Clone, Debug)]
pub(super) struct Past {
    /// How it stands.
    pub(super) standing: Standing,
    /// Why its first reversal was owed.
    pub(super) first_reason: Option<Reason>,
    /// The position of the record under which each pair of its debts is owed.
    pub(super) owed_at: Vec<(Trace, Lsn)>,
}

/// The sum of the durable records up to a position.
#[derive(Debug, Default)]
pub(super) struct Follower {
    /// The next commit to follow.
    pub(super) next: usize,
    /// The last record that was followed.
    pub(super) position: Lsn,
    /// Every transaction that ever was.
    pub(super) pasts: BTreeMap<TxnId, Past>,
    keys: HashMap<Tag, TxnId>,
    /// Every pair that was ever given, with what it was given for.
    pairs: HashMap<(LinkId, u8, Trace), TxnId>,
    /// Those that were given to requests which went elsewhere.
    spent: BTreeSet<(LinkId, u8, Trace)>,
    /// The first, as the pairs look on a wire: element 7 has no year there.
    wire: HashMap<(LinkId, Key), TxnId>,
    /// The latest transaction of each pair, element 11 alone.
    stans: HashMap<(LinkId, u8, u32), TxnId>,
    /// The transactions of a purchase.
    purchases: HashMap<PurchaseId, Vec<TxnId>>,
    /// The transactions that went elsewhere than they first were sent.
    pub(super) rerouted: BTreeSet<TxnId>,
    /// Unmatched approvals that nobody knows.
    pub(super) orphans: BTreeSet<(LinkId, Option<Trace>)>,
    /// The records that put those on the list, and whether an operator wrote them off.
    pub(super) listed: BTreeMap<Lsn, bool>,
    /// The debts that an operator had sent again.
    pub(super) requeued: BTreeSet<(TxnId, Owing)>,
    /// The debts that an operator wrote off.
    pub(super) written_off: BTreeSet<(TxnId, Owing)>,
    /// The lines of all days.
    pub(super) lines: Vec<Line>,
    /// Reversals of cleared transactions that wait for the next cut, and for how much.
    opposites: Vec<(TxnId, i64)>,
    /// How often something was lowered after it had cleared.
    pub(super) lowered_late: u64,
    /// The last date that was cut.
    pub(super) cut: BusinessDate,
    /// The first thing that cannot be.
    pub(super) broken: Option<(Option<PurchaseId>, String)>,
}

impl Follower {
    /// What the next cut takes back of a transaction.
    pub(super) fn to_take_back(&self, txn: TxnId) -> i64 {
        self.opposites.iter().filter(|(of, _)| *of == txn).map(|(_, amount)| amount).sum()
    }

    /// Takes the next record.
    pub(super) fn follow(&mut self, lsn: Lsn, record: &Record) {
        self.position = lsn;
        match record {
            Record::Lowered { undo, amount, trace } => {
                if let Some(standing) = tranlog::opened(TxnId(lsn.0), record) {
                    self.open(standing);
                }
                if let Some(original) = undo.original {
                    self.lower(original, lsn, *trace, *amount);
                    self.change(original, lsn, record);
                }
            }
            Record::Sent(_)
            | Record::Stored(_)
            | Record::StoodIn { .. }
            | Record::StoodInAfter { .. }
            | Record::Undone(_) => {
                if let Record::StoodInAfter { attempt, .. } = record {
                    self.give_way(*attempt);
                    self.change(*attempt, lsn, record);
                }
                if let Some(standing) = tranlog::opened(TxnId(lsn.0), record) {
                    self.open(standing);
                }
                if let Record::Undone(_) | Record::Stored(_) = record {
                    record.changes().into_iter().for_each(|txn| self.change(txn, lsn, record));
                }
            }
            Record::Rerouted { txn, issuer, trace, .. } => {
                self.reroute(*txn, (*issuer, *trace));
                self.change(*txn, lsn, record);
            }
            Record::StoodInMatched { txn, trace, .. } => {
                self.advise(*txn, lsn, *trace);
                self.change(*txn, lsn, record);
            }
            Record::Answered { txn, .. }
            | Record::Over { txn, .. }
            | Record::Late { txn, .. }
            | Record::Closed { txn, .. } => self.change(*txn, lsn, record),
            Record::Owed { txn, trace, reason, .. } => {
                self.owe(*txn, lsn, *trace, *reason);
                self.change(*txn, lsn, record);
            }
            Record::Requeued { txn, owing, trace, .. } => {
                self.requeue(*txn, lsn, *owing, *trace);
                self.requeued.insert((*txn, *owing));
                self.change(*txn, lsn, record);
            }
            Record::WrittenOff { txn, owing, .. } => {
                self.written_off.insert((*txn, *owing));
                self.change(*txn, lsn, record);
            }
            Record::OrphanWrittenOff { orphan, .. } => {
                if self.listed.insert(*orphan, true) != Some(false) {
                    self.break_rule(None, "an orphan is written off that is not listed".to_owned());
                }
            }
            Record::Told { txns } => txns.iter().for_each(|txn| self.change(*txn, lsn, record)),
            Record::Unmatched { link, trace, orphan: true, .. } => {
                self.orphans.insert((*link, *trace));
                self.listed.insert(lsn, false);
            }
            Record::Cut { date, .. } => self.freeze(*date),
            Record::Restored(standing) | Record::Carried(standing) => self.compare(standing),
            Record::Unmatched { .. }
            | Record::Opened { .. }
            | Record::Spent { .. }
            | Record::CarryBegins { .. }
            | Record::CarryEnds { .. } => {}
        }
    }

    /// What an engine may ask.
    pub(super) fn look_up(&self, ask: &Ask, untimed: &BTreeSet<LinkId>) -> Found {
        let known = |txn: &TxnId| self.standing(*txn).cloned().into();
        if let Ask::Record(lsn) = ask
            && let Some(written_off) = self.listed.get(lsn).copied()
        {
            return Found::Orphan { written_off };
        }
        let txn = match ask {
            Ask::Record(lsn) => return known(&TxnId(lsn.0)),
            Ask::Key(key) => self.keys.get(key),
            Ask::Trace { link, class, trace } if untimed.contains(link) => {
                self.stans.get(&(*link, class.digit(), trace.stan.get()))
            }
            Ask::Trace { link, class, trace } => self.pairs.get(&(*link, class.digit(), *trace)),
        };
        txn.map_or(Found::Nothing, known)
    }

    /// How a transaction stands.
    pub(super) fn standing(&self, txn: TxnId) -> Option<&Standing> {
        self.pasts.get(&txn).map(|past| &past.standing)
    }

    /// The transaction to which a pair was given.
    pub(super) fn of_pair(&self, link: LinkId, key: Key) -> Option<&Past> {
        self.pasts.get(self.wire.get(&(link, key))?)
    }

    /// The transactions that were opened for a purchase, its asker's reversals apart, and what gave way to another apart.
    pub(super) fn of_purchase(&self, purchase: PurchaseId) -> impl Iterator<Item = &Past> {
        let txns = self.purchases.get(&purchase).map(Vec::as_slice).unwrap_or_default();
        let all = txns.iter().filter_map(|txn| self.pasts.get(txn));
        all.filter(|past| !past.standing.gave_way())
    }

    /// The transaction to which an element 11 was given last, where element 7 is not repeated.
    pub(super) fn of_stan(&self, link: LinkId, (class, _, stan): Key) -> Option<&Past> {
        self.pasts.get(self.stans.get(&(link, class, stan))?)
    }

    /// One of the latest pairs that a link was given for a class of messages, so many back from the last.
    pub(super) fn recent_pair(&self, link: LinkId, class: Class, back: usize) -> Option<Trace> {
        let pair = |past: &Past| {
            let sent = past.standing.sent().filter(|sent| sent.issuer == link)?;
            match class {
                Class::Reversal => past.standing.reversal.as_ref().map(|debt| debt.trace),
                _ => (sent.mti.class() == class).then_some(sent.trace),
            }
        };
        self.pasts.values().rev().filter_map(pair).nth(back)
    }

    /// The purchase of a transaction.
    pub(super) fn purchase(&self, txn: TxnId) -> Option<PurchaseId> {
        purchase_of(self.standing(txn)?)
    }

    /// The membership of a day, by the books as they stand: what a planted mistake does in place of `freeze`.
    pub(super) fn freeze_late(&mut self, date: BusinessDate) {
        let members = self.members(|of| of == date);
        self.write_lines(date, members);
    }

    /// A day is cut by this very record: what stands is what clears.
    fn freeze(&mut self, date: BusinessDate) {
        let from = self.cut;
        self.cut = date;
        if planted::is(Bug::CutFromLaggingBooks) {
            return;
        }
        let members = self.members(|of| from < of && of <= date);
        self.write_lines(date, members);
    }

    fn write_lines(&mut self, date: BusinessDate, members: Vec<(TxnId, i64)>) {
        let line = |opposite| move |(txn, amount)| Line { amount, date, txn, opposite };
        self.lines.extend(members.into_iter().map(line(false)));
        self.lines.extend(std::mem::take(&mut self.opposites).into_iter().map(line(true)));
    }

    fn members(&self, of: impl Fn(BusinessDate) -> bool) -> Vec<(TxnId, i64)> {
        let clears = |standing: &Standing| {
            is_financial(standing) && standing.stands_approved() && standing.date().is_some_and(&of)
        };
        let claimed = self.pasts.iter().filter(|(_, past)| clears(&past.standing));
        claimed.map(|(txn, past)| (*txn, approved_amount(&past.standing).unwrap_or(0))).collect()
    }

    /// A partial reversal: of an approval that stands, once, and to less than was approved.
    fn lower(&mut self, txn: TxnId, lsn: Lsn, trace: Trace, left: u64) {
        let purchase = self.purchase(txn);
        let Some(past) = self.pasts.get_mut(&txn) else { return };
        let Some(sent) = past.standing.sent().cloned() else { return };
        let before = approved_amount(&past.standing).unwrap_or(0);
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        past.owed_at.push((trace, lsn));
        let wrong = if past.standing.lowered.is_some() {
            Some("lowered for the second time".to_owned())
        } else if !past.standing.stands_approved() {
            Some("lowered though it does not stand".to_owned())
        } else {
            (left <= 0 || before <= left).then(|| format!("lowered from {before} to {left}"))
        };
        if is_financial(&past.standing) && sent.date <= self.cut {
            self.opposites.push((txn, before - left));
            self.lowered_late += 1;
        }
        if let Some(wrong) = wrong {
            self.break_rule(purchase, wrong);
        }
        self.pair((sent.issuer, Class::Reversal, trace), txn, purchase);
    }

    fn open(&mut self, standing: Standing) {
        let txn = standing.id;
        let purchase = purchase_of(&standing);
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                self.name(sent.key, txn, purchase);
                let class = sent.mti.class();
                self.pair((sent.issuer, class, sent.trace), txn, purchase);
                if let Some(purchase) = purchase {
                    self.purchases.entry(purchase).or_default().push(txn);
                }
                let first = sent.raises().and_then(|first| self.pasts.get(&first));
                if let Some(wrong) = wrongly_raised(&standing, first) {
                    self.break_rule(purchase, wrong.to_owned());
                }
                let first = sent.completes.and_then(|first| self.pasts.get(&first));
                if let Some(wrong) = wrongly_tied(&standing, first) {
                    self.break_rule(purchase, wrong.to_owned());
                }
                if sent.date <= self.cut {
                    self.break_rule(
                        purchase,
                        format!("{} is stamped with a date that was cut", sent.mti),
                    );
                }
            }
            Opening::Reversal(undo) => {
                // A reversal may come again when its own key has left memory; it hears the same, which its asker checks.
                self.keys.insert(undo.key, txn);
                if undo.original.is_none() {
                    self.keys.insert(undo.original_key, txn);
                }
            }
        }
        let owed_at = standing.advice.iter().map(|debt| (debt.trace, Lsn(txn.0))).collect();
        self.pasts.insert(txn, Past { standing, first_reason: None, owed_at });
    }

    /// What was sent leaves its asker's key to what is approved in its issuer's place; its reversal is owed before that.
    fn give_way(&mut self, attempt: TxnId) {
        let Some(past) = self.pasts.get(&attempt) else { return };
        let purchase = purchase_of(&past.standing);
        let owed = past.standing.reversal.is_some();
        if let Some(sent) = past.standing.sent() {
            self.keys.remove(&sent.key);
        }
        if !owed && !planted::is(Bug::StandInAndAttemptBothStand) {
            let what = "approved in an issuer's place, and what was sent there is not undone";
            self.break_rule(purchase, what.to_owned());
        }
    }

    /// An advice is owed of a request, under a pair of its own.
    fn advise(&mut self, txn: TxnId, lsn: Lsn, trace: Trace) {
        let purchase = self.purchase(txn);
        let Some(past) = self.pasts.get_mut(&txn) else { return };
        let Some(sent) = past.standing.sent().cloned() else { return };
        past.owed_at.push((trace, lsn));
        self.pair((sent.issuer, sent.mti.class(), trace), txn, purchase);
    }

    /// A request goes elsewhere: the pair that it was given first is spent, and names nothing any more.
    fn reroute(&mut self, txn: TxnId, (issuer, trace): (LinkId, Trace)) {
        let purchase = self.purchase(txn);
        let Some(sent) = self.standing(txn).and_then(Standing::sent).cloned() else { return };
        let class = sent.mti.class();
        self.spent.insert((sent.issuer, class.digit(), sent.trace));
        self.pairs.remove(&(sent.issuer, class.digit(), sent.trace));
        self.wire.remove(&(sent.issuer, wire_key(class, sent.trace)));
        self.rerouted.insert(txn);
        self.pair((issuer, class, trace), txn, purchase);
    }

    fn owe(&mut self, txn: TxnId, lsn: Lsn, trace: Trace, reason: Reason) {
        let purchase = self.purchase(txn);
        let Some(past) = self.pasts.get_mut(&txn) else { return };
        let Some(sent) = past.standing.sent().cloned() else { return };
        let again = past.standing.reversal.is_some();
        let cleared = is_financial(&past.standing)
            && past.standing.stands_approved()
            && reason != Reason::Lowered
            && sent.date <= self.cut;
        let stood_for = approved_amount(&past.standing).unwrap_or(0);
        let lowers = past.standing.reversal.as_ref().is_some_and(Debt::lowers);
        let as_lowered = lowers && reason == Reason::Lowered;
        past.first_reason = past.first_reason.or(Some(reason));
        past.owed_at.push((trace, lsn));
        if cleared {
            self.opposites.push((txn, stood_for));
        }
        if again
            && !as_lowered
            && !matches!(reason, Reason::Late | Reason::Mismatched | Reason::Settle)
        {
            self.break_rule(purchase, format!("a second reversal is owed, because {reason:?}"));
        }
        self.pair((sent.issuer, Class::Reversal, trace), txn, purchase);
    }

    /// A dead letter goes again: an advice only while nothing undoes it, a reversal under a fresh pair.
    fn requeue(&mut self, txn: TxnId, lsn: Lsn, owing: Owing, trace: Trace) {
        let purchase = self.purchase(txn);
        let Some(past) = self.pasts.get_mut(&txn) else { return };
        past.owed_at.push((trace, lsn));
        let undone = past.standing.is_undone();
        let Some(issuer) = past.standing.sent().map(|sent| sent.issuer) else { return };
        match owing {
            Owing::Reversal => self.pair((issuer, Class::Reversal, trace), txn, purchase),
            Owing::Advice if undone => {
                self.break_rule(purchase, "an advice that was reversed is sent again".to_owned());
            }
            Owing::Advice => {}
        }
    }

    fn change(&mut self, txn: TxnId, lsn: Lsn, record: &Record) {
        match self.pasts.get_mut(&txn) {
            Some(past) => tranlog::fold(&mut past.standing, lsn, record),
            None => {
                self.break_rule(None, format!("a record about #{}, which no record opened", txn.0));
            }
        }
    }

    /// What is carried or restored is what its records sum up to.
    fn compare(&mut self, standing: &Standing) {
        let purchase = purchase_of(standing);
        match self.pasts.get(&standing.id) {
            Some(past) if past.standing == *standing => {}
            Some(_) => self.break_rule(
                purchase,
                format!("#{} is written down again in another state", standing.id.0),
            ),
            None => self.break_rule(
                purchase,
                format!("#{} is carried, and no record opened it", standing.id.0),
            ),
        }
    }

    fn name(&mut self, key: Tag, txn: TxnId, purchase: Option<PurchaseId>) {
        if self.keys.insert(key, txn).is_some() {
            self.break_rule(purchase, "one asker's key opened two transactions".to_owned());
        }
    }

    fn pair(
        &mut self,
        (link, class, trace): (LinkId, Class, Trace),
        txn: TxnId,
        purchase: Option<PurchaseId>,
    ) {
        self.stans.insert((link, class.digit(), trace.stan.get()), txn);
        self.wire.insert((link, wire_key(class, trace)), txn);
        let pair = (link, class.digit(), trace);
        if self.pairs.insert(pair, txn).is_some() || self.spent.contains(&pair) {
            self.break_rule(purchase, format!("elements 7 and 11 recur: {trace:?}"));
        }
    }

    fn break_rule(&mut self, purchase: Option<PurchaseId>, what: String) {
        if self.broken.is_none() {
            self.broken = Some((purchase, what));
        }
    }
}

/// A pair as an issuer sees it.
pub(super) fn wire_key(class: Class, trace: Trace) -> Key {
    let transmission = issuer::digits(&trace.transmission.ascii()).unwrap_or(0);
    (class.digit(), transmission, trace.stan.get())
}

/// Whether it moves money by itself: class 2.
pub(super) fn is_financial(standing: &Standing) -> bool {
    standing.sent().is_some_and(|sent| sent.mti.class() == Class::Financial)
}

/// The purchase that a standing is about.
pub(super) fn purchase_of(standing: &Standing) -> Option<PurchaseId> {
    story::number(standing.sent()?.elements.get(ElementNo::RRN)?)
}

/// What is approved, in minor units: what a partial reversal left, or the answer's amount where it has one.
pub(super) fn approved_amount(standing: &Standing) -> Option<i64> {
    if let Some(left) = standing.lowered {
        return i64::try_from(left).ok();
    }
    let asked = standing.sent()?.elements.get(ElementNo::AMOUNT);
    let answered = match &standing.outcome {
        Outcome::Answered { added, .. } => added.get(ElementNo::AMOUNT),
        Outcome::InFlight | Outcome::Over { .. } | Outcome::Stored => None,
    };
    std::str::from_utf8(answered.or(asked)?).ok()?.parse().ok()
}
