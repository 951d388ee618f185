//! The shell around the engine, as the daemon keeps it: records to the disk, effects when they are durable,
//! sessions that end in two steps, crashes and recoveries. Knows no peer's mind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;

use crate::framing::Frame;
use crate::iso::{self, BusinessDate, Mono, Now, Wall};
use crate::planted::{self, Bug};
use crate::record::{self, Lsn};
use crate::seal::{Keys, Tag};
use crate::switch::{
    Action, Arrival, Effects, Engine, Input, Mark, Order, OrderId, OrderResult, Question,
    QuestionId, SessionId, Unreadable,
};
use crate::tranlog::{self, Ask, Found, Spent, Tranlog};

use super::disk::Left;
use super::net::ConnId;
use super::reached::Rare;
use super::stand_in;
use super::story;
use super::{Event, World};

/// Milliseconds of the wall at which a world begins: 2026-11-23T00:00:00Z.
const WALL: u64 = 1_795_392_000_000;

/// What waits for its records to be durable.
#[derive(Debug)]
enum Held {
    /// An effect.
    Act(Action),
    /// Everything made for a lost session has been released before this.
    Fence(ConnId),
}

/// The process and what it holds; most of it dies in a crash.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a small fact of its own about the shell"
)]
#[derive(Debug)]
pub(super) struct Host {
    /// The engine; none while the process is down.
    pub(super) engine: Option<Engine>,
    /// How many processes there have been before.
    pub(super) life: u32,
    mono_from: u64,
    /// How far the wall is from where it should be.
    pub(super) wall_ahead: u64,
    /// How often it jumped: it may jump back to where it was.
    pub(super) wall_steps: u64,
    held: VecDeque<(Lsn, Held)>,
    /// Which connection a session is.
    pub(super) sessions: BTreeMap<SessionId, ConnId>,
    /// Approvals that were handed to a socket, and not reported.
    pub(super) begun: Vec<Mark>,
    pub(super) begun_due: bool,
    tick_at: Option<u64>,
    pub(super) keys: Arc<Keys>,
    /// Every durable record, applied in order by one process that never died.
    shadow: Tranlog,
    pub(super) questions: Vec<Question>,
    commits: u32,
    crash_when_durable: bool,
    crashes: u32,
    pub(super) orders: u64,
    /// Cuts that were carried out.
    pub(super) cuts_done: u64,
    /// Whether the last order is still open.
    pub(super) ordering: bool,
    /// The process is to end when nothing is in flight.
    pub(super) stopping: bool,
    /// Declines by the switch itself, counted over all lives.
    pub(super) declines: u64,
    handled: u64,
    /// Memory of bodies that have left, as the daemon gives it back.
    spare: Vec<Vec<u8>>,
}

impl Host {
    /// No process yet.
    pub(super) fn new(settings: &tranlog::Settings) -> Self {
        let forgets_nothing = tranlog::Settings {
            window_ms: u64::MAX,
            entries_max: usize::MAX,
            untimed: settings.untimed.clone(),
        };
        Self {
            engine: None,
            life: 0,
            mono_from: 0,
            wall_ahead: 1_000_000_000,
            wall_steps: 0,
            held: VecDeque::new(),
            sessions: BTreeMap::new(),
            begun: Vec::new(),
            begun_due: false,
            tick_at: None,
            keys: Arc::new(Keys::new(&[42; 32])),
            shadow: Tranlog::new(forgets_nothing),
            questions: Vec::new(),
            commits: 0,
            crash_when_durable: false,
            crashes: 0,
            orders: 0,
            cuts_done: 0,
            ordering: false,
            stopping: false,
            declines: 0,
            handled: 0,
            spare: Vec::new(),
        }
    }
}

impl Host {
    /// A number for an order.
    pub(super) const fn next_order(&mut self) -> OrderId {
        self.orders += 1;
        OrderId(self.orders)
    }

    /// The business date as far as it is durable.
    pub(super) const fn shadow_date(&self) -> BusinessDate {
        self.shadow.date()
    }

    /// What a card has spent of what is approved in issuers' places, as far as it is durable.
    pub(super) fn shadow_spent(&self, (card, currency): (u128, [u8; 3])) -> Spent {
        self.shadow.spent(Tag(card), currency)
    }

    /// How many effects wait for their records.
    pub(super) fn waiting(&self) -> usize {
        self.held.len()
    }
}

impl World {
    /// Both clocks.
    pub(super) fn now(&self) -> Now {
        // `wall_ahead` is a billion when the wall is right, so that it can also be behind.
        let wall = (WALL + self.time + self.host.wall_ahead).saturating_sub(1_000_000_000);
        Now { mono: Mono(self.time + self.host.mono_from), wall: Wall(wall) }
    }

    /// Gives the engine an input and carries out what may leave.
    pub(super) fn feed(&mut self, input: Input) {
        self.step(input);
        self.release();
        self.begin_commit();
        self.rearm();
    }

    fn step(&mut self, input: Input) {
        let (now, breakers) = (self.now(), self.breakers());
        let Some(engine) = self.host.engine.as_mut() else { return };
        let spare = std::mem::take(&mut self.host.spare);
        let mut fx = Effects { spare, ..Effects::default() };
        let date = engine.tranlog().date();
        engine.handle(now, input, &mut fx);
        let tail = engine.tail();
        for note in &fx.notes {
            self.count_note(note);
        }
        if self.story_on {
            self.tell_records(&fx.records, tail);
        }
        for record in &fx.records {
            self.note_record(record);
            self.check_opened(date, record);
        }
        for action in &fx.actions {
            self.check_made(action, &fx.records);
        }
        self.check_room(&fx);
        self.check_load(&breakers, &fx);
        self.disk.append(&mut fx.records);
        self.host.spare = std::mem::take(&mut fx.spare);
        self.host.handled += 1;
        for action in fx.actions {
            let after = if planted::is(Bug::EffectBeforeDurable) { Lsn(0) } else { tail };
            self.host.held.push_back((after, Held::Act(action)));
        }
        if self.host.handled.is_multiple_of(64) {
            self.check_bounds();
        }
    }

    /// Carries out what is durable, in order.
    fn release(&mut self) {
        while let Some((after, _)) = self.host.held.front() {
            if *after > self.disk.durable() {
                return;
            }
            match self.host.held.pop_front() {
                Some((_, Held::Act(action))) => self.act(action),
                Some((_, Held::Fence(id))) => {
                    let Some(conn) = self.conns.get_mut(id) else { continue };
                    let never_begun = std::mem::take(&mut conn.never_begun);
                    if !never_begun.is_empty() {
                        self.reached.count(Rare::NeverBegun);
                    }
                    let session = conn.session;
                    self.step(Input::Drained { session, never_begun });
                }
                None => return,
            }
        }
    }

    /// A session has ended at the daemon: the engine hears it at once, and again when nothing is on its way there.
    pub(super) fn lose(&mut self, id: ConnId) {
        let Some(engine) = self.host.engine.as_ref() else { return };
        let Some(conn) = self.conns.get(id) else { return };
        let session = conn.session;
        self.host.held.push_back((engine.tail(), Held::Fence(id)));
        self.feed(Input::Lost { session });
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { session, head, body, mark } => {
                let Some(id) = self.host.sessions.get(&session).copied() else { return };
                let Some(plan) = self.conns.get(id).and_then(|conn| self.mix.plans.get(conn.link))
                else {
                    return;
                };
                let mut frame = BytesMut::new();
                if plan.framing.put(head, &body, &mut frame).is_err() {
                    self.blame(None, || "the engine wrote a frame that does not fit".to_owned());
                    return;
                }
                Effects::give_back(&mut self.host.spare, body);
                self.release_to(id, mark, frame.to_vec());
            }
            Action::Ask(question) => {
                self.host.questions.push(question);
                self.follow_later();
            }
            Action::Batch(question) => self.batch_asked(question),
            Action::Reconcile(question) => self.reconcile_asked(question),
            Action::Doors { link, open } => self.set_doors(link, open),
            Action::Close { session, .. } => {
                if let Some(id) = self.host.sessions.get(&session).copied() {
                    self.break_conn(id);
                }
            }
            Action::DayCut { date, .. } => self.later(50, Event::Files { date }),
            Action::Reopen { .. }
            | Action::Totals(_)
            | Action::TotalsAnswered(_)
            | Action::Done { result: OrderResult::Link(_) | OrderResult::NoLink, .. } => {}
            Action::Done { id, result } => {
                if self.reloaded(id, &result) {
                    return;
                }
                self.story.tell(self.time, None, || format!("order {} done: {result:?}", id.0));
                if self.operator_heard(id, &result) {
                    return;
                }
                self.host.ordering = false;
                if let OrderResult::Cut { .. } = result {
                    self.host.cuts_done += 1;
                    let wait = self.rng.below(self.mix.machine.lag_ms + 50);
                    let date = self.truth.cut;
                    self.later(wait, Event::Files { date });
                }
            }
        }
    }

    /// An operator orders the cut of the day in force.
    pub(super) fn order_cut(&mut self) {
        let Some(engine) = self.host.engine.as_ref() else { return };
        let date = engine.tranlog().date();
        if engine.tranlog().in_flight(date) > 0 {
            self.reached.count(Rare::CutWaited);
        }
        self.host.ordering = true;
        self.note_cut_ordered(date);
        let id = self.host.next_order();
        self.story.tell(self.time, None, || format!("cut of {date} ordered"));
        self.feed(Input::Ordered { id, order: Order::Cut(date) });
    }

    /// Sends what was appended to the disk, and maybe dies on the way.
    fn begin_commit(&mut self) {
        if !self.disk.begin(&self.host.keys) {
            return;
        }
        let machine = &self.mix.machine;
        let mut takes = self.rng.between(machine.sync_ms);
        if self.rng.chance(machine.slow_sync) {
            self.reached.count(Rare::SlowSync);
            takes += self.rng.below(3_000);
        }
        let life = self.host.life;
        self.host.commits += 1;
        let young = life > 0 && self.host.commits <= 2;
        let dies = self.host.crashes < machine.crashes_max
            && (self.rng.below(10_000) < machine.crash
                || young && self.rng.chance(machine.crash_again));
        if dies {
            if young {
                self.reached.count(Rare::CrashInRecovery);
            }
            if self.rng.chance(300) {
                self.host.crash_when_durable = true;
            } else {
                let after = self.rng.below(takes + 1);
                self.later(after, Event::Crash { life });
            }
        }
        self.later(takes, Event::Committed { life });
    }

    /// The commit on its way is durable.
    pub(super) fn committed(&mut self, life: u32) {
        if life != self.host.life || !self.disk.arrive() {
            return;
        }
        self.follow_truth();
        self.follow_later();
        if std::mem::take(&mut self.host.crash_when_durable) {
            self.crash();
            return;
        }
        self.release();
        self.begin_commit();
        self.rearm();
    }

    /// The truth takes what is durable now.
    fn follow_truth(&mut self) {
        let commits = self.disk.commits(self.truth.next).to_vec();
        for commit in commits {
            let Some(records) = commit.records() else {
                self.blame(None, || "a durable commit cannot be read".to_owned());
                return;
            };
            if self.truth.next == 0 {
                self.host.shadow.begin_at(commit.first);
            }
            for (record, lsn) in records.iter().zip(commit.first.0..) {
                self.host.shadow.apply(record);
                self.truth.follow(Lsn(lsn), record);
                self.count_record(record);
                if let Some(txn) = stand_in::subject(lsn, record) {
                    self.check_stand_in(txn, record);
                }
            }
            self.truth.next += 1;
        }
        if let Some((about, what)) = self.truth.broken.take() {
            self.blame(about, || what);
        }
    }

    /// The engine wants to be called again.
    fn rearm(&mut self) {
        let Some(engine) = self.host.engine.as_ref() else { return };
        let Some(Mono(due)) = engine.next_deadline() else { return };
        let at = due.saturating_sub(self.host.mono_from).max(self.time);
        if self.host.tick_at.is_none_or(|set| at < set || set < self.time) {
            let late = self.rng.below(15);
            self.host.tick_at = Some(at);
            let life = self.host.life;
            self.at(at + late, Event::Tick { life });
        }
    }

    /// The ticker fires.
    pub(super) fn tick(&mut self, life: u32) {
        if life == self.host.life {
            self.host.tick_at = None;
            self.feed(Input::Tick);
        }
    }

    /// The shell reports whose bytes were begun.
    pub(super) fn report_begun(&mut self, life: u32) {
        if life == self.host.life {
            self.host.begun_due = false;
            let marks = std::mem::take(&mut self.host.begun);
            self.feed(Input::Begun { marks });
        }
    }

    /// Frames arrive at the daemon on a connection.
    pub(super) fn switch_reads(&mut self, id: ConnId, frames: Vec<Frame>) {
        let Some(conn) = self.conns.get(id) else { return };
        let session = conn.session;
        let Some(plan) = self.mix.plans.get(conn.link) else { return };
        let (link, tongue) = (plan.settings.id, plan.settings.tongue.clone());
        for frame in frames {
            self.story.mix(self.time, &frame.body);
            let input = match tongue.read(frame.body) {
                Ok(message) => {
                    if self.story_on {
                        let (about, shown) =
                            (story::purchase_of(&message), story::Shown(&message).to_string());
                        self.story
                            .tell(self.time, about, || format!("switch reads on {id}: {shown}"));
                    }
                    self.note_heard(link, &message);
                    let arrival = Arrival::new(session, link, frame.head, message, &self.host.keys);
                    if !self.is_strange(id) {
                        self.note_arrival(&arrival);
                    }
                    Input::Arrived(Box::new(arrival))
                }
                Err(fault) => Input::Unreadable(Box::new(Unreadable {
                    session,
                    head: frame.head,
                    mti: fault.mti,
                    salvaged: fault.salvaged.elements,
                })),
            };
            self.feed(input);
        }
    }

    /// The process dies. What is durable stays; what was promised to nobody is gone.
    pub(super) fn crash(&mut self) {
        let fate = self.rng.pick(&[Left::Whole, Left::Torn, Left::Lost]).unwrap_or(Left::Lost);
        let part = self.rng.index(1 << 20);
        let left = self.disk.crash(fate, part, &self.host.keys);
        match left {
            Left::Whole => self.reached.count(Rare::UnacknowledgedSurvived),
            Left::Torn => self.reached.count(Rare::TornTail),
            Left::Lost => self.reached.count(Rare::CommitLost),
            Left::Nothing => {}
        }
        self.reached.count(Rare::Crash);
        self.host.crashes += 1;
        self.story.tell(self.time, None, || format!("CRASH; the commit on its way: {left:?}"));
        self.end_process();
    }

    /// The process is gone; its connections follow, and another process begins.
    fn end_process(&mut self) {
        self.host.engine = None;
        self.host.held.clear();
        self.host.sessions.clear();
        self.host.begun.clear();
        self.host.questions.clear();
        self.batches.forget();
        (self.host.begun_due, self.host.tick_at) = (false, None);
        (self.host.commits, self.host.crash_when_durable) = (0, false);
        (self.host.ordering, self.host.stopping) = (false, false);
        self.operator.waiting.clear();
        self.load.forget();
        self.host.life += 1;
        for id in 0..self.conns.len() {
            let Some(conn) = self.conns.get_mut(id).filter(|conn| conn.switch_up) else { continue };
            conn.switch_up = false;
            conn.outbox.clear();
            self.break_conn(id);
        }
        let down = self.rng.between((20, 3_000));
        self.later(down, Event::Boot);
    }

    /// A process begins: it reads its journal, which is checked against all that ever was durable.
    pub(super) fn boot(&mut self) {
        self.host.mono_from = self.rng.below(1 << 40);
        self.follow_truth();
        let mut engine = Engine::new(self.mix.settings.clone(), Arc::clone(&self.host.keys));
        let from = self.disk.recovery();
        if from > 0 {
            self.reached.count(Rare::RecoveredFromCarry);
        }
        let commits = self.disk.commits(from).to_vec();
        engine.begin_at(commits.first().map_or(Lsn(1), |commit| commit.first));
        for commit in &commits {
            for record in commit.records().unwrap_or_default() {
                engine.replay(&record);
            }
        }
        self.story.tell(self.time, None, || {
            format!(
                "BOOT; the journal ends at {}, recovery began at commit {from}",
                engine.tail().0
            )
        });
        let at = self.now().wall;
        if self.carried(engine.tranlog(), at) != self.carried(&self.host.shadow, at) {
            self.blame(None, || {
                "recovery from the last carries differs from the whole journal".to_owned()
            });
        }
        self.host.engine = Some(engine);
        self.forget_orders();
        self.feed(Input::Start);
        self.audit_ledgers(false);
        self.follow_later();
    }

    /// Stops the process when nothing is in flight and everything is durable; compares what it knew with its journal.
    pub(super) fn stop_if_quiet(&mut self) {
        let Some(engine) = self.host.engine.as_ref() else { return };
        if !self.disk.quiet() || engine.tranlog().in_flight_total() > 0 {
            self.later(50, Event::Stop);
            return;
        }
        let at = self.now().wall;
        if self.carried(engine.tranlog(), at) != self.carried(&self.host.shadow, at) {
            self.blame(None, || {
                "the running process knew something else than its journal".to_owned()
            });
        }
        self.story.tell(self.time, None, || "clean stop".to_owned());
        self.reached.count(Rare::CleanStop);
        self.end_process();
    }

    /// What a log would carry, as bytes.
    fn carried(&self, log: &Tranlog, at: Wall) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in log.carry(at) {
            record::encode(&record, Lsn(0), &self.host.keys, &mut bytes);
        }
        bytes
    }

    /// The books follow some time after the journal.
    pub(super) fn follow_later(&mut self) {
        if !self.following {
            self.following = true;
            let behind = self.rng.below(self.mix.machine.lag_ms + 1);
            self.later(behind, Event::Follow);
        }
    }

    /// The books take what is durable, and answer what they can.
    pub(super) fn follow(&mut self) {
        self.following = false;
        if self.host.engine.is_none() {
            return;
        }
        let commits = self.disk.commits(self.books.next).to_vec();
        for commit in commits {
            for (record, lsn) in commit.records().unwrap_or_default().iter().zip(commit.first.0..) {
                self.books.follow(Lsn(lsn), record);
            }
            self.books.next += 1;
        }
        let position = self.books.position;
        let (ready, rest): (Vec<_>, Vec<_>) =
            self.host.questions.iter().copied().partition(|question| question.from <= position);
        self.compare_batches();
        if !rest.is_empty() || self.batches.wait() {
            self.follow_later();
        }
        let life = self.host.life;
        for question in ready {
            let found = self.books.look_up(&question.ask, &self.untimed);
            let wait = self.rng.below(20);
            let answer = Event::LookedUp { life, question: question.id, found };
            self.later(wait, answer);
        }
    }

    /// The books' answer arrives.
    pub(super) fn looked_up(&mut self, life: u32, question: QuestionId, found: Found) {
        let known = self.host.questions.iter().any(|open| open.id == question);
        if life != self.host.life || !known {
            return;
        }
        self.host.questions.retain(|open| open.id != question);
        let missed = found == Found::Nothing;
        self.reached.count(if missed { Rare::LookUpMissed } else { Rare::LookUpFound });
        self.feed(Input::LookedUp { question, found });
    }

    /// A copy that the rules do not cover: the window has forgotten its key, and it does not say that it is a repeat.
    fn note_arrival(&mut self, arrival: &Arrival) {
        let Some(key) = arrival.key else { return };
        if self.host.questions.iter().any(|question| question.ask == Ask::Key(key)) {
            self.reached.count(Rare::LookUpRaced);
        }
        let Some(engine) = self.host.engine.as_ref() else { return };
        if !arrival.mti().is_repeat()
            && arrival.mti().class() != iso::Class::Reversal
            && engine.tranlog().by_key(key).is_none()
            && self.known_keys.contains(&key)
            && let Some(purchase) = story::purchase_of(&arrival.message)
        {
            self.stale(purchase);
        }
    }
}
