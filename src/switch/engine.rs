//! The engine itself: one door for inputs, one for records, and what it keeps between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::iso::{BusinessDate, Mono, Now, Wall};
use crate::record::{LinkId, Lsn, Record, TxnId};
use crate::seal::Keys;
use crate::tranlog::{self, Spread, Tranlog};

use super::authorize::Waiting;
use super::batch::Batches;
use super::buckets::Buckets;
use super::cutover::Cutover;
use super::day::DayView;
use super::docket::Docket;
use super::effect::{Effects, Note};
use super::input::Input;
use super::inquiry::Inquiries;
use super::owed::Post;
use super::peers::{LinkView, Peers};
use super::repeat::Held;
use super::settings::{LinkSettings, Settings};
use super::share::Turns;
use super::timers::{Timer, Timers};
use super::totals::Sendings;

/// The middle of the house: a deterministic state machine.
#[derive(Debug)]
pub struct Engine {
    /// The moment of the input being handled.
    pub(super) now: Now,
    pub(super) settings: Settings,
    pub(super) keys: Arc<Keys>,
    pub(super) log: Tranlog,
    pub(super) peers: Peers,
    pub(super) turns: Turns,
    pub(super) buckets: Buckets,
    pub(super) timers: Timers,
    /// Who waits for which answer. Never iterated.
    pub(super) waiting: HashMap<TxnId, Waiting, Spread>,
    /// Approvals on their way to an asker: how many copies, none of them begun. Never iterated.
    pub(super) untold: HashMap<TxnId, u32, Spread>,
    pub(super) held: Held,
    pub(super) inquiries: Inquiries,
    pub(super) post: Post,
    pub(super) cutover: Cutover,
    pub(super) docket: Docket,
    pub(super) batches: Batches,
    pub(super) sendings: Sendings,
    pub(super) disk_low: bool,
    pub(super) draining: bool,
    /// Of every link that was ever known here, whether its network echoes element 7.
    pub(super) timing: BTreeMap<LinkId, bool>,
    carried_on: BusinessDate,
    /// How many records the last carry took.
    carry_took: u64,
}

impl Engine {
    /// An engine that knows nothing yet: replay the journal into it, then give it `Input::Start`.
    pub fn new(settings: Settings, keys: Arc<Keys>) -> Self {
        let timed = |link: &LinkSettings| (link.id, link.dialect().echoes_transmission());
        let timing = settings.links.iter().map(timed).collect();
        let untimed = settings.links.iter().filter(|link| !link.dialect().echoes_transmission());
        let log = Tranlog::new(tranlog::Settings {
            window_ms: settings.window_ms,
            entries_max: settings.entries_max,
            untimed: untimed.map(|link| link.id).collect::<BTreeSet<_>>(),
        });
        Self {
            now: Now { mono: Mono(0), wall: Wall(0) },
            keys,
            log,
            peers: Peers::new(settings.links.clone()),
            turns: Turns::default(),
            buckets: Buckets::default(),
            timers: Timers::default(),
            waiting: HashMap::default(),
            untold: HashMap::default(),
            held: Held::new(settings.window_ms, settings.entries_max),
            inquiries: Inquiries::default(),
            post: Post::default(),
            cutover: Cutover::default(),
            docket: Docket::default(),
            batches: Batches::default(),
            sendings: Sendings::default(),
            disk_low: false,
            draining: false,
            timing,
            carried_on: BusinessDate(0),
            carry_took: 0,
            settings,
        }
    }

    /// The first record of the replay stands at this position; with nothing to replay, the next record will.
    pub fn begin_at(&mut self, next: Lsn) {
        self.log.begin_at(next);
    }

    /// A record of the journal, in order.
    pub fn replay(&mut self, record: &Record) {
        self.log.apply(record);
    }

    /// Handles one input. What it brings about is appended to `fx`.
    pub fn handle(&mut self, now: Now, input: Input, fx: &mut Effects) {
        self.now = now;
        if !matches!(input, Input::Start) {
            self.day_by_clock(fx);
        }
        match input {
            Input::Arrived(arrival) => self.arrived(arrival, fx),
            Input::Tick => {}
            Input::Begun { marks } => self.begun(&marks, fx),
            Input::Start => self.start(fx),
            Input::Up { session, link, permit } => self.session_up(session, (link, permit), fx),
            Input::Lost { session } => self.session_lost(session, fx),
            Input::Drained { session, never_begun } => {
                self.session_drained(session, never_begun, fx);
            }
            Input::Unreadable(unreadable) => self.unreadable(&unreadable, fx),
            Input::LookedUp { question, found } => self.looked_up(question, found, fx),
            Input::BatchAnswered { id, verdict } => self.batch_answered(id, &verdict, fx),
            Input::Reconciled { id, verdict } => self.reconciled(id, verdict, fx),
            Input::TotalsOwed { link, owed } => self.totals_owed(link, owed, fx),
            Input::Ordered { id, order } => self.ordered(id, order, fx),
            Input::Disk { low } => self.disk_low = low,
            Input::Reload { id, change } => self.reload(id, *change, fx),
            Input::Reopened { link } => self.reopened(link),
            Input::Drain => self.drain(),
        }
        self.fire(fx);
        self.cut_if_quiet(fx);
        self.sign_off_if_quiet(fx);
        self.part_if_quiet(fx);
        let (tail, inquiries, untold) = (self.log.tail(), &mut self.inquiries, &self.untold);
        // An approval on its way may turn out to reach nobody, and is then reversed.
        let needed = |txn| untold.contains_key(&txn);
        self.log.forget(self.now.wall, needed, |txn| inquiries.moved(txn, tail));
        self.carry_if_due(fx);
    }

    /// When `handle` wants to be called again, if nothing else comes.
    pub fn next_deadline(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// The position of the last record.
    pub const fn tail(&self) -> Lsn {
        self.log.tail()
    }

    /// How every link is, in the order of their numbers.
    pub fn links(&self) -> Vec<LinkView> {
        self.peers.views()
    }

    /// How the business day is.
    pub fn day(&self) -> DayView {
        let (date, closing, cut) = (self.log.date(), self.log.closing(), self.log.cut());
        DayView { date, closing, cut, ends_at: self.settings.day.ends_at(date) }
    }

    /// As the process ends: how many peers have yet to answer that we sign off.
    pub fn farewells(&self) -> usize {
        if self.draining { self.peers.farewells() } else { 0 }
    }

    /// What happened to every transaction.
    pub const fn tranlog(&self) -> &Tranlog {
        &self.log
    }

    /// The one place where a record is made: applied at once, and appended for the journal.
    pub(super) fn append(&mut self, record: Record, fx: &mut Effects) -> Lsn {
        if let Some(txn) = subject(&record)
            && self.log.must_restore(txn)
            && let Some(standing) = self.log.standing(txn)
        {
            // Recovery may begin after the records of this transaction: write down how it stands.
            let restored = Record::Restored(Box::new(standing.clone()));
            self.log.apply(&restored);
            fx.records.push(restored);
        }
        let lsn = self.log.apply(&record);
        self.note_listed(&record, lsn);
        fx.records.push(record);
        lsn
    }

    fn fire(&mut self, fx: &mut Effects) {
        while let Some(timer) = self.timers.pop(self.now.mono) {
            match timer {
                Timer::Deadline(txn) => self.timed_out(txn, fx),
                Timer::Resend(txn, owing) => self.unacknowledged(txn, owing, fx),
                Timer::Settle(txn, trace) => self.settled(txn, trace, fx),
                Timer::Age(link) => self.aged(link, fx),
                Timer::Day => self.day_due(fx),
                Timer::CutOver(link) => self.cut_over_unheard(link, fx),
                Timer::Probe(link) => self.probe(link, fx),
                Timer::Totals(number) => self.send_totals(number, fx),
                Timer::Session(session) => self.session_due(session, fx),
            }
        }
    }

    fn carry_if_due(&mut self, fx: &mut Effects) {
        let began = self.log.carry_began();
        let written = self.log.tail().0.saturating_sub(began.0);
        // The first file begins with a carry; so does the file of each new day. What is carried never outweighs
        // what happens: with more open than `carry_every`, each record would bring about the next carry.
        if began != Lsn(0)
            && written
                < self.carry_took.saturating_add(self.settings.carry_every.max(self.carry_took))
            && self.now.wall.date() <= self.carried_on
        {
            return;
        }
        self.carry(fx);
    }

    /// Writes down everything open, so that recovery may begin here.
    pub(super) fn carry(&mut self, fx: &mut Effects) {
        self.carried_on = self.carried_on.max(self.now.wall.date());
        let records = self.log.carry(self.now.wall);
        let open = u32::try_from(records.len().saturating_sub(2)).unwrap_or(u32::MAX);
        self.carry_took = u64::from(open) + 2;
        for record in records {
            self.log.apply(&record);
            fx.records.push(record);
        }
        fx.notes.push(Note::Carried { open });
    }
}

/// The transaction that a record changes, for the kinds that change one that may have left recovery's reach.
fn subject(record: &Record) -> Option<TxnId> {
    match record {
        Record::Rerouted { txn, .. }
        | Record::StoodInMatched { txn, .. }
        | Record::Answered { txn, .. }
        | Record::Over { txn, .. }
        | Record::Late { txn, .. }
        | Record::Owed { txn, .. }
        | Record::Closed { txn, .. }
        | Record::Requeued { txn, .. }
        | Record::WrittenOff { txn, .. } => Some(*txn),
        Record::StoodInAfter { attempt, .. } => Some(*attempt),
        Record::Undone(undo) | Record::Lowered { undo, .. } => undo.original,
        Record::Stored(sent) => sent.completed(),
        _ => None,
    }
}
