//! What happened to every transaction, and what is owed: a fold over records; knows no links and no disks.
#![deny(clippy::wildcard_enum_match_arm, reason = "a new record must be thought about here")]

mod ask;
mod fold;
mod marks;
mod pairs;
mod shelf;
mod spent;
mod spread;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::iso::{BusinessDate, Class, Mti, Stan, Wall};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Lsn, Opening, Owing, Record, Standing, Trace, TxnId};
use crate::seal::Tag;

pub use ask::{Ask, Found};
pub use fold::{fold, opened};
use marks::{About, Marks, at};
use pairs::{Pair, Pairs};
pub use shelf::Shelf;
pub use spent::Spent;
pub use spread::{Fold, Spread};

/// What a response on an issuer's link answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A request, 0100 or 0200.
    Request,
    /// An owed message.
    Owed(Owing),
}

/// How much is remembered of what is over.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a closed transaction stays in memory, milliseconds.
    pub window_ms: u64,
    /// How many transactions stay in memory, the open ones beyond it not counted.
    pub entries_max: usize,
    /// Links whose network does not echo element 7: there element 11 alone must tell.
    pub untimed: BTreeSet<LinkId>,
}

/// Every transaction in memory, by id, by asker's key and by issuer's trace; and the counters of the journal.
#[derive(Debug)]
pub struct Tranlog {
    settings: Settings,
    entries: Shelf<Known>,
    /// The duplicate window.
    keys: HashMap<Tag, TxnId, Spread>,
    traces: Pairs,
    /// In the order in which they came into memory, for leaving it again.
    order: VecDeque<(Wall, TxnId)>,
    /// The open ones, in order.
    open: BTreeSet<TxnId>,
    issued: BTreeMap<LinkId, Trace>,
    in_flight: BTreeMap<BusinessDate, u32>,
    /// Unmatched approvals that the books are asked about.
    unresolved: BTreeMap<(LinkId, u8, Trace), Mti>,
    /// What was approved in issuers' places today.
    purse: spent::Purse,
    date: BusinessDate,
    cut: BusinessDate,
    closing: Option<BusinessDate>,
    tail: Lsn,
    last_at: Wall,
    carry_began: Lsn,
}

#[derive(Debug)]
struct Known {
    standing: Standing,
    /// The record from which on recovery can build it.
    anchor: Lsn,
}

impl Tranlog {
    /// Nothing has happened.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            entries: Shelf::default(),
            keys: HashMap::default(),
            traces: Pairs::default(),
            order: VecDeque::new(),
            open: BTreeSet::new(),
            issued: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            purse: spent::Purse::default(),
            date: BusinessDate::default(),
            cut: BusinessDate::default(),
            closing: None,
            tail: Lsn(0),
            last_at: Wall(0),
            carry_began: Lsn(0),
        }
    }

    /// A link that was not known before, and whether its network echoes element 7.
    pub fn add_link(&mut self, link: LinkId, echoes_transmission: bool) {
        if !echoes_transmission {
            self.settings.untimed.insert(link);
        }
    }

    /// Recovery reads its first record at this position: the next one that is applied.
    pub fn begin_at(&mut self, next: Lsn) {
        self.tail = Lsn(next.0.saturating_sub(1));
    }

    /// The one place where state changes: live when a record is appended, and at recovery. Gives its position.
    pub fn apply(&mut self, record: &Record) -> Lsn {
        self.tail = Lsn(self.tail.0 + 1);
        let id = TxnId(self.tail.0);
        match record {
            Record::Sent(_)
            | Record::Stored(_)
            | Record::StoodIn { .. }
            | Record::StoodInAfter { .. }
            | Record::Undone(_)
            | Record::Lowered { .. } => {
                if let Some(standing) = opened(id, record) {
                    self.admit(standing, true);
                }
                if let Record::StoodIn { sent, .. } | Record::StoodInAfter { sent, .. } = record {
                    self.purse.add(sent);
                }
                record.changes().into_iter().for_each(|txn| self.change(txn, record));
            }
            Record::Rerouted { txn, .. }
            | Record::StoodInMatched { txn, .. }
            | Record::Answered { txn, .. }
            | Record::Over { txn, .. }
            | Record::Late { txn, .. }
            | Record::Owed { txn, .. }
            | Record::Closed { txn, .. }
            | Record::Requeued { txn, .. }
            | Record::WrittenOff { txn, .. } => self.change(*txn, record),
            Record::OrphanWrittenOff { at, .. } => self.seen(*at),
            Record::Told { txns } => txns.iter().for_each(|txn| self.change(*txn, record)),
            Record::Unmatched { link, at, mti, trace, approved, orphan } => {
                self.seen(*at);
                if let Some(trace) =
                    trace.filter(|_| *approved && !planted::is(Bug::UnmatchedNotLookedUp))
                {
                    let key = self.trace_key(*link, mti.class(), trace);
                    if *orphan {
                        self.unresolved.remove(&key);
                    } else {
                        self.unresolved.insert(key, *mti);
                    }
                }
            }
            Record::Restored(standing) => self.admit((**standing).clone(), false),
            Record::Carried(standing) => self.admit((**standing).clone(), true),
            Record::Opened { date, at } => {
                self.closing = (self.date != BusinessDate::default()).then_some(self.date);
                self.date = *date;
                self.purse.clear();
                self.seen(*at);
            }
            Record::Cut { date, at } => {
                let waiting = self.in_flight.get(date).copied().unwrap_or(0);
                assert!(
                    waiting == 0 || planted::is(Bug::CutInFlight),
                    "{date} was cut while {waiting} transactions of it were in flight"
                );
                self.cut = *date;
                self.closing = None;
                self.seen(*at);
            }
            Record::CarryBegins { at, date, cut, closing, traces, .. } => {
                self.carry_began = self.tail;
                (self.date, self.cut, self.closing) = (*date, *cut, *closing);
                self.issued = traces.iter().copied().collect();
                self.purse.clear();
                self.seen(*at);
            }
            Record::Spent { cards } => self.purse.restore(cards),
            Record::CarryEnds { .. } => {}
        }
        self.tail
    }

    /// The records that let recovery begin with them: the counters and everything open.
    pub fn carry(&self, at: Wall) -> Vec<Record> {
        let open = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        let begins = Record::CarryBegins {
            at,
            date: self.date,
            cut: self.cut,
            closing: self.closing,
            traces: self.issued.iter().map(|(link, trace)| (*link, *trace)).collect(),
            open,
        };
        let cards = self.purse.carried();
        let spent = (!cards.is_empty()).then_some(Record::Spent { cards });
        std::iter::once(begins)
            .chain(spent)
            .chain(self.unresolved(at, false))
            .chain(self.open().map(|standing| Record::Carried(Box::new(standing.clone()))))
            .chain(std::iter::once(Record::CarryEnds { open }))
            .collect()
    }

    /// The unmatched approvals that the books were asked about without an answer, as records; as orphans when nobody
    /// will hear that answer any more.
    pub fn unresolved(&self, at: Wall, orphan: bool) -> impl Iterator<Item = Record> {
        self.unresolved.iter().map(move |((link, _, trace), mti)| Record::Unmatched {
            link: *link,
            at,
            mti: *mti,
            trace: Some(*trace),
            approved: true,
            orphan,
        })
    }

    /// How a transaction stands, if it is in memory.
    pub fn standing(&self, txn: TxnId) -> Option<&Standing> {
        self.entries.get(txn).map(|entry| &entry.standing)
    }

    /// Whether recovery would not know this transaction unless it is restored before its next record.
    pub fn must_restore(&self, txn: TxnId) -> bool {
        self.entries.get(txn).is_some_and(|entry| entry.anchor < self.carry_began)
    }

    /// The transaction that an asker's key names, if the window has it.
    pub fn by_key(&self, key: Tag) -> Option<TxnId> {
        self.keys.get(&key).copied()
    }

    /// What a response of this class with this pair answers on this link, if memory has it.
    pub fn by_trace(&self, link: LinkId, class: Class, trace: Trace) -> Option<(TxnId, Asked)> {
        self.traces.get(self.trace_key(link, class, trace))
    }

    /// The pair that was given last on a link.
    pub fn last_trace(&self, link: LinkId) -> Trace {
        self.issued.get(&link).copied().unwrap_or_default()
    }

    /// A pair that was never given on this link before; none when every trace number is taken.
    pub fn fresh_trace(&self, link: LinkId, class: Class, wall: Wall) -> Option<Trace> {
        let last = self.issued.get(&link).copied().unwrap_or_default();
        if planted::is(Bug::TraceRecurs) {
            let stan = Stan::new(last.stan.get() % Stan::MAX + 1).ok()?;
            return Some(Trace { transmission: wall.transmission(), stan });
        }
        let mut trace =
            Trace { transmission: last.transmission.max(wall.transmission()), stan: last.stan };
        // With element 7 a pair that is later than the last one was never given.
        let timed = !self.settings.untimed.contains(&link);
        for _ in 0..=self.traces.len() {
            if trace.stan.get() == Stan::MAX {
                trace.transmission.0 = trace.transmission.0.max(last.transmission.0 + 1);
                trace.stan = Stan::new(1).ok()?;
            } else {
                trace.stan = Stan::new(trace.stan.get() + 1).ok()?;
            }
            if timed || self.by_trace(link, class, trace).is_none() {
                return Some(trace);
            }
        }
        // A reversal is owed whatever else waits: it takes a number that an older one may hold.
        (class == Class::Reversal).then_some(trace)
    }

    /// Lets go of what is closed and old, or too much, and not needed; says of which.
    pub fn forget(
        &mut self,
        wall: Wall,
        needed: impl Fn(TxnId) -> bool,
        mut gone: impl FnMut(TxnId),
    ) {
        // The open ones stay anyhow: counted, each call would look through all of them in vain.
        let closed = self.order.len().saturating_sub(self.open.len());
        let excess = closed.saturating_sub(self.settings.entries_max);
        let oldest = Wall(wall.0.saturating_sub(self.settings.window_ms));
        for looked_at in 0.. {
            let Some((since, txn)) = self.order.front().copied() else { return };
            if looked_at >= excess && since > oldest {
                return;
            }
            self.order.pop_front();
            if self.open.contains(&txn) || needed(txn) {
                // It is looked at again after a whole window.
                self.order.push_back((wall, txn));
            } else {
                self.evict(txn);
                gone(txn);
            }
            if looked_at >= excess.max(Self::FORGET_MAX) {
                return;
            }
        }
    }

    /// The open transactions, in order.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Standing> {
        self.open.iter().filter_map(|txn| self.standing(*txn))
    }

    /// How many are open.
    pub fn open_total(&self) -> usize {
        self.open.len()
    }

    /// Every transaction in memory, in order.
    pub fn in_memory(&self) -> Vec<&Standing> {
        let mut all: Vec<_> = self.entries.values().map(|entry| &entry.standing).collect();
        all.sort_unstable_by_key(|standing| standing.id);
        all
    }

    /// How many transactions are in memory.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in memory.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// How many requests of a day are in flight.
    pub fn in_flight(&self, date: BusinessDate) -> u32 {
        self.in_flight.get(&date).copied().unwrap_or(0)
    }

    /// How many requests are in flight.
    pub fn in_flight_total(&self) -> u32 {
        self.in_flight.values().sum()
    }

    /// What was approved in issuers' places for a card on the day in force.
    pub fn spent(&self, card: Tag, currency: [u8; 3]) -> Spent {
        self.purse.of(card, currency)
    }

    /// For how many cards, each currency by itself, something was approved so.
    pub fn cards_spent(&self) -> usize {
        self.purse.len()
    }

    /// The day in force; day 0 before the first.
    pub const fn date(&self) -> BusinessDate {
        self.date
    }

    /// The last day that was cut; day 0 before the first.
    pub const fn cut(&self) -> BusinessDate {
        self.cut
    }

    /// The day that is to be cut when nothing of it is in flight any more.
    pub const fn closing(&self) -> Option<BusinessDate> {
        self.closing
    }

    /// The position of the last record.
    pub const fn tail(&self) -> Lsn {
        self.tail
    }

    /// The position at which the last carry began.
    pub const fn carry_began(&self) -> Lsn {
        self.carry_began
    }

    /// The latest wall time in a record.
    pub const fn last_at(&self) -> Wall {
        self.last_at
    }

    /// On a link without element 7 its numbers may have been given again: what comes back from the books takes none over.
    fn admit(&mut self, standing: Standing, takes_over: bool) {
        let id = standing.id;
        if let Some(entry) = self.entries.get_mut(id) {
            // A carry, or a restoring, of what memory knows: recovery may begin later from now on.
            // Whoever wrote either down may have been an older program, that did not remember completions.
            let known = standing.completed_by.or(entry.standing.completed_by);
            entry.standing.completed_by = known;
            assert!(
                entry.standing == Standing { completed_by: known, ..standing.clone() },
                "the carried state of {id:?} is not the state in memory"
            );
            entry.anchor = self.tail;
            self.resolve(&standing);
            return;
        }
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                // What is restored may be older than what has its key by now; and what gave way has lost it for good.
                let leaves = planted::is(Bug::StandInLeavesTheKey);
                let is_newer = |holder: &TxnId| *holder < id && !(leaves && standing.stood_in());
                if (!standing.gave_way() || leaves) && self.keys.get(&sent.key).is_none_or(is_newer)
                {
                    self.keys.insert(sent.key, id);
                }
                self.seen(sent.at);
            }
            Opening::Reversal(undo) => {
                self.keys.insert(undo.key, id);
                if undo.original.is_none() {
                    self.keys.insert(undo.original_key, id);
                }
                self.seen(undo.at);
            }
        }
        self.order.push_back((self.last_at, id));
        let (now, about) = (standing.marks(), standing.about());
        self.entries.insert(id, Known { standing, anchor: self.tail });
        self.index(id, about, (Marks::default(), now), takes_over);
    }

    fn change(&mut self, txn: TxnId, record: &Record) {
        let Some(entry) = self.entries.get_mut(txn) else { return };
        let (before, went_to) = (entry.standing.marks(), entry.standing.about());
        let gives_back = matches!(record, Record::Owed { .. } | Record::Lowered { .. })
            && entry.standing.stood_in()
            && !entry.standing.is_undone();
        let held = gives_back.then(|| held_of(&entry.standing));
        fold(&mut entry.standing, self.tail, record);
        if let (Some(held), Some(sent)) = (held, entry.standing.sent()) {
            // A partial reversal gives back a part, and is no request less.
            let back = held.saturating_sub(held_of(&entry.standing));
            self.purse.release(sent, (back, entry.standing.is_undone()), self.date);
        }
        if let (Record::StoodInMatched { .. }, Some(sent)) = (record, entry.standing.sent()) {
            self.purse.add(sent);
        }
        let (now, about) = (entry.standing.marks(), entry.standing.about());
        if let Some(at) = at(record) {
            self.seen(at);
        }
        if matches!(record, Record::Rerouted { .. }) {
            // Nothing is known by the pair of the link that it left.
            let left = Marks { request: None, ..before };
            self.index(txn, went_to, (before, left), true);
            return self.index(txn, about, (left, now), true);
        }
        self.index(txn, about, (before, now), true);
    }

    /// Brings the indexes up to a changed standing.
    fn index(
        &mut self,
        txn: TxnId,
        about: Option<About>,
        (was, now): (Marks, Marks),
        takes_over: bool,
    ) {
        if was.open != now.open {
            if now.open {
                self.open.insert(txn);
            } else {
                self.open.remove(&txn);
            }
        }
        let Some(About { issuer, class, date }) = about else { return };
        if was.in_flight != now.in_flight {
            let count = self.in_flight.entry(date).or_default();
            *count = if now.in_flight { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.in_flight.remove(&date);
            }
        }
        for (owing, class, old, new) in [
            (None, class, was.request, now.request),
            (Some(Owing::Advice), class, was.advice, now.advice),
            (Some(Owing::Reversal), Class::Reversal, was.reversal, now.reversal),
        ] {
            if old == new {
                continue;
            }
            if let Some(old) = old {
                self.let_go_of(txn, issuer, class, old);
            }
            if let Some(new) = new {
                let key = self.trace_key(issuer, class, new);
                if !takes_over && self.traces.get(key).is_some() {
                    continue;
                }
                self.traces.insert(key, (txn, owing.map_or(Asked::Request, Asked::Owed)));
                if !self.unresolved.is_empty() {
                    self.unresolved.remove(&key);
                }
                self.issued(issuer, new);
            }
        }
    }

    /// What is in memory is matched again: nothing of it is unresolved.
    fn resolve(&mut self, standing: &Standing) {
        let Some(sent) = standing.sent() else { return };
        let (issuer, class, marks) = (sent.issuer, sent.mti.class(), standing.marks());
        for (class, trace) in
            [(class, marks.request), (class, marks.advice), (Class::Reversal, marks.reversal)]
        {
            if let Some(trace) = trace {
                let key = self.trace_key(issuer, class, trace);
                self.unresolved.remove(&key);
            }
        }
    }

    /// Remembers the latest pair of a link; what is carried or restored may be older.
    fn issued(&mut self, link: LinkId, trace: Trace) {
        let last = self.issued.entry(link).or_default();
        if *last < trace || planted::is(Bug::TraceRecurs) {
            *last = trace;
        }
    }

    fn evict(&mut self, txn: TxnId) {
        let Some(known) = self.entries.remove(txn) else { return };
        let standing = &known.standing;
        match &standing.opening {
            Opening::Request(sent) | Opening::Advice(sent) => {
                if let Entry::Occupied(holder) = self.keys.entry(sent.key)
                    && *holder.get() == txn
                {
                    holder.remove();
                }
                let marks = standing.marks();
                for (class, trace) in [
                    (sent.mti.class(), marks.request),
                    (sent.mti.class(), marks.advice),
                    (Class::Reversal, marks.reversal),
                ] {
                    if let Some(trace) = trace {
                        self.let_go_of(txn, sent.issuer, class, trace);
                    }
                }
            }
            Opening::Reversal(undo) => {
                self.keys.remove(&undo.key);
                if undo.original.is_none() && self.keys.get(&undo.original_key) == Some(&txn) {
                    self.keys.remove(&undo.original_key);
                }
            }
        }
    }

    /// On a link without element 7 a reversal may have taken an older one's number: that stays with it.
    fn let_go_of(&mut self, txn: TxnId, link: LinkId, class: Class, trace: Trace) {
        let key = self.trace_key(link, class, trace);
        self.traces.remove(key, txn);
    }

    fn trace_key(&self, link: LinkId, class: Class, trace: Trace) -> Pair {
        let told = if self.settings.untimed.contains(&link) {
            Trace { stan: trace.stan, ..Trace::default() }
        } else {
            trace
        };
        (link, class.digit(), told)
    }

    fn seen(&mut self, at: Wall) {
        self.last_at = self.last_at.max(at);
    }

    /// How many entries one call lets go of because of their age.
    const FORGET_MAX: usize = 64;
}

/// What a transaction holds of its card's money, in minor units, once it is approved.
fn held_of(standing: &Standing) -> u64 {
    if standing.is_undone() {
        return 0;
    }
    standing.lowered.or_else(|| standing.granted()).unwrap_or(0)
}
