//! The deterministic simulator: one seed in, one verdict out. The real framing, codec and engine, and a world
//! around them in which networks reorder and break, issuers are late and wrong, askers repeat themselves, and the
//! process dies. No runtime, no clock, no randomness but the seed's.

mod asker;
mod audit;
mod batches;
mod calendar;
mod disk;
mod follow;
mod host;
mod increments;
mod issuer;
mod ledgers;
mod links;
mod load;
mod lowering;
mod mix;
mod net;
mod operator;
mod originals;
mod reached;
mod reconcile;
mod reload;
mod rng;
mod stand_in;
mod story;
mod stranger;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::codec::Message;
use crate::framing::Frame;
use crate::iso::{BusinessDate, Mti, Stan};
use crate::planted::{self, Bug};
use crate::record::{LinkId, Record, Trace, TxnId};
use crate::seal::Tag;
use crate::switch::{Input, LinkOrder, PetitionId, QuestionId, SignOn};
use crate::tranlog::{self, Found};

use asker::Purchase;
use audit::Heard;
use batches::Batches;
use calendar::Calendar;
use disk::Disk;
use follow::Follower;
use host::Host;
use issuer::{Issuer, Says};
use links::Wishes;
use load::Load;
use lowering::Lowering;
use mix::{ASKERS, Dialects, Mix};
use net::{Conn, ConnId, End};
use operator::Operator;
use reload::Reloads;
use rng::Rng;
use story::{PurchaseId, Story};

pub use reached::{Rare, Reached};

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// The first seed.
    pub seed: u64,
    /// How many seeds, one after the other.
    pub count: u64,
    /// How many purchases in each.
    pub txns: u32,
    /// Whether to tell the story of a purchase though nothing is wrong; 0 is all of them.
    pub explain: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, count: 1, txns: 200, explain: None }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many purchases were made.
    pub txns: u64,
    /// How many events happened.
    pub events: u64,
    /// How much time passed in the worlds, milliseconds.
    pub simulated_ms: u64,
    /// Two equal runs have the same.
    pub hash: u64,
    /// Rare states, counted.
    pub reached: Reached,
    /// What was wrong, in the first seed in which anything was.
    pub failure: Option<Failure>,
}

/// A rule that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was wrong.
    pub fault: String,
    /// What led to it, masked.
    pub story: Vec<String>,
}

/// Runs worlds until one of them breaks a rule. Writes what people want to read.
pub fn run(options: &Options, out: &mut dyn io::Write) -> io::Result<Verdict> {
    let verdict = judge(options);
    let dialects = options.explain.and_then(|_| Dialects::new());
    if let (Some(about), Some(dialects)) = (options.explain, dialects) {
        let seed = verdict.failure.as_ref().map_or(options.seed, |failure| failure.seed);
        let mut world = World::new(seed, options.txns, &dialects, true);
        world.outcome();
        for line in world.story.about((about != 0).then_some(about)) {
            writeln!(out, "{line}")?;
        }
    }
    if let Some(failure) = &verdict.failure {
        let told = if options.explain.is_some() { &[] } else { failure.story.as_slice() };
        for line in told {
            writeln!(out, "{line}")?;
        }
        let (seed, txns) = (failure.seed, options.txns);
        writeln!(out, "seed {seed}: {}", failure.fault)?;
        writeln!(out, "again: iso8583d sim world --seed {seed} --count 1 --txns {txns}")?;
    }
    writeln!(
        out,
        "{} seeds, {} purchases, {} events, {} simulated minutes, {} crashes, hash {:016x}",
        verdict.seeds,
        verdict.txns,
        verdict.events,
        verdict.simulated_ms / 60_000,
        verdict.reached.times(Rare::Crash),
        verdict.hash
    )?;
    Ok(verdict)
}

/// Runs worlds until one of them breaks a rule, and says nothing.
pub fn judge(options: &Options) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(dialects) = Dialects::new() else {
        let fault = "the shipped dialects do not parse".to_owned();
        verdict.failure = Some(Failure { seed: options.seed, fault, story: Vec::new() });
        return verdict;
    };
    for seed in (options.seed..).take(usize::try_from(options.count).unwrap_or(usize::MAX)) {
        let mut world = World::new(seed, options.txns, &dialects, false);
        let fault = world.outcome();
        verdict.seeds += 1;
        verdict.txns += u64::from(world.begun);
        verdict.events += world.seq;
        verdict.simulated_ms += world.time;
        verdict.hash = verdict.hash.rotate_left(1) ^ world.story.hash();
        verdict.reached.absorb(&world.reached);
        if let Some((about, fault)) = fault {
            // The same again, with somebody who listens.
            let mut again = World::new(seed, options.txns, &dialects, true);
            again.outcome();
            verdict.failure = Some(Failure { seed, fault, story: again.story.about(about) });
            return verdict;
        }
    }
    verdict
}

/// Something that happens in a world.
#[derive(Debug)]
enum Event {
    Segment { conn: ConnId, to: End },
    Write { conn: ConnId },
    Break { conn: ConnId },
    Ended { conn: ConnId, end: End },
    Dial { link: usize, slot: usize },
    Outage { link: usize },
    Purchase { link: usize },
    Ask { id: PurchaseId },
    Remember { id: PurchaseId },
    Lower { id: PurchaseId },
    Complete { id: PurchaseId },
    Decide { conn: ConnId, issuer: usize, message: Box<Message> },
    Say(Box<Says>),
    Committed { life: u32 },
    Tick { life: u32 },
    Begun { life: u32 },
    Follow,
    LookedUp { life: u32, question: QuestionId, found: Found },
    BatchSaid { life: u32, id: PetitionId },
    Files { date: BusinessDate },
    Crash { life: u32 },
    Boot,
    Stop,
    Wall,
    Full { low: bool },
    Cut,
    CutOver { link: usize },
    Operate { link: usize, order: LinkOrder },
    SignOff { conn: ConnId },
    SignOn { conn: ConnId },
    Rule,
    Reload,
    Strange { link: usize },
    Watch,
}

/// An event and its moment; earlier ones first, those of one moment in the order of their making.
#[derive(Debug)]
struct Due {
    at: u64,
    seq: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// What is wrong, and with which purchase.
type Fault = (Option<PurchaseId>, String);

/// Everything there is.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a small fact of its own about the world"
)]
#[derive(Debug)]
struct World {
    mix: Mix,
    rng: Rng,
    lowering: Lowering,
    batches: Batches,
    time: u64,
    seq: u64,
    events: BinaryHeap<Reverse<Due>>,
    host: Host,
    disk: Disk,
    truth: Follower,
    books: Follower,
    following: bool,
    wishes: Wishes,
    operator: Operator,
    reloads: Reloads,
    calendar: Calendar,
    load: Load,
    untimed: BTreeSet<LinkId>,
    /// The keys of everything that was ever opened, durable or not.
    known_keys: BTreeSet<Tag>,
    conns: Vec<Conn>,
    /// The latest connection of each slot of each link.
    latest: BTreeMap<(usize, usize), ConnId>,
    /// Until when nobody reaches a link, by its place among the plans.
    outage_until: Vec<u64>,
    purchases: Vec<Purchase>,
    begun: u32,
    last_purchase_at: u64,
    issuers: Vec<Issuer>,
    story: Story,
    story_on: bool,
    /// The purchase that a record's transaction belongs to, for the story.
    subjects: BTreeMap<TxnId, PurchaseId>,
    /// Approvals that reached the switch, and in which process.
    heard: Vec<Heard>,
    /// The process in which each request was answered.
    answered_in: BTreeMap<TxnId, u32>,
    /// Approvals of which a copy was begun.
    begun_approvals: BTreeSet<TxnId>,
    reached: Reached,
    fault: Option<Fault>,
    healed: bool,
    healed_at: u64,
    /// For how many looks in a row nothing was open.
    calm: u32,
    /// How many cuts were ordered after everything had come to rest.
    last_cuts: u32,
    quiet: bool,
}

impl World {
    fn new(seed: u64, txns: u32, dialects: &Dialects, story_on: bool) -> Self {
        let mut rng = Rng::new(seed);
        let mix = Mix::draw(&mut rng, txns, dialects).in_editions(seed, dialects).standing_in(seed);
        let untimed: BTreeSet<LinkId> = mix
            .plans
            .iter()
            .filter(|plan| !plan.settings.dialect().echoes_transmission())
            .map(|plan| plan.settings.id)
            .collect();
        let settings = tranlog::Settings {
            window_ms: mix.settings.window_ms,
            entries_max: mix.settings.entries_max,
            untimed: untimed.clone(),
        };
        Self {
            host: Host::new(&settings),
            outage_until: vec![0; mix.plans.len()],
            issuers: mix.issuers().map(|(link, _)| Issuer::new(link)).collect(),
            mix,
            rng,
            lowering: Lowering::new(seed),
            batches: Batches::new(seed),
            time: 0,
            seq: 0,
            events: BinaryHeap::new(),
            disk: Disk::default(),
            truth: Follower::default(),
            books: Follower::default(),
            following: false,
            wishes: Wishes::new(seed),
            operator: Operator::new(seed),
            reloads: Reloads::new(seed),
            calendar: Calendar::new(seed),
            load: Load::new(seed),
            untimed,
            known_keys: BTreeSet::new(),
            conns: Vec::new(),
            latest: BTreeMap::new(),
            purchases: Vec::new(),
            begun: 0,
            last_purchase_at: 0,
            story: Story::new(story_on),
            story_on,
            subjects: BTreeMap::new(),
            heard: Vec::new(),
            answered_in: BTreeMap::new(),
            begun_approvals: BTreeSet::new(),
            reached: Reached::default(),
            fault: None,
            healed: false,
            healed_at: 0,
            calm: 0,
            last_cuts: 0,
            quiet: false,
        }
    }

    /// Runs to the end; a broken invariant inside the engine is a fault like any other.
    fn outcome(&mut self) -> Option<Fault> {
        let lived = catch_unwind(AssertUnwindSafe(|| self.live()));
        if let Err(cause) = lived {
            let text = cause
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            self.fault = Some((None, format!("the engine stopped: {}", text.unwrap_or_default())));
        }
        self.fault.take()
    }

    fn live(&mut self) {
        self.furnish();
        while self.fault.is_none() && !self.quiet {
            let Some(Reverse(due)) = self.events.pop() else { break };
            self.time = due.at;
            self.happen(due.event);
        }
        if self.fault.is_none() {
            self.audit_end();
        }
    }

    /// The first events.
    fn furnish(&mut self) {
        self.furnish_calendar();
        self.furnish_load();
        if !self.mix.stans.is_empty() {
            self.found_journal();
        }
        self.later(0, Event::Boot);
        for link in 0..self.mix.plans.len() {
            for slot in 0..self.mix.plans.get(link).map_or(0, |plan| plan.sessions) {
                self.later(5, Event::Dial { link, slot });
            }
            if link < ASKERS {
                self.later(50, Event::Purchase { link });
            } else if self.mix.issuing.outage_ms > 0 {
                let first = self.rng.around(self.mix.issuing.outage_ms);
                self.later(first, Event::Outage { link });
            }
        }
        let lasts = self.mix.asking.gap_ms * u64::from(self.mix.txns) / 2;
        for _ in 0..self.mix.machine.cuts {
            let at = self.rng.below(lasts + 1);
            self.later(at, Event::Cut);
        }
        self.furnish_wishes(lasts);
        if self.mix.machine.wall_ms > 0 {
            self.later(self.mix.machine.wall_ms, Event::Wall);
        }
        if self.mix.machine.full_ms > 0 {
            self.later(self.mix.machine.full_ms, Event::Full { low: true });
        }
        if self.rng.chance(self.mix.machine.clean) {
            let at = self.rng.below(lasts + 1);
            self.later(at, Event::Stop);
        }
        self.later(1_000, Event::Watch);
    }

    /// A journal in which trace numbers are about to run out.
    fn found_journal(&mut self) {
        let now = self.now();
        let trace = |stan: &u32| Trace {
            transmission: now.wall.transmission(),
            stan: Stan::new(*stan).unwrap_or_default(),
        };
        let links = self.mix.issuers().map(|(_, plan)| plan.settings.id);
        let traces = links.zip(self.mix.stans.iter().map(trace)).collect();
        let carry = [
            Record::CarryBegins {
                at: now.wall,
                date: self.mix.settings.day.by_clock(now.wall),
                cut: BusinessDate::default(),
                closing: None,
                traces,
                open: 0,
            },
            Record::CarryEnds { open: 0 },
        ];
        self.disk.found(&carry, &self.host.keys);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Segment { conn, to } => self.segment(conn, to),
            Event::Write { conn } => self.write(conn),
            Event::Break { conn } => {
                if !self.healed {
                    self.break_conn(conn);
                }
            }
            Event::Ended { conn, end } => self.ended(conn, end),
            Event::Dial { link, slot } => self.dial(link, slot),
            Event::Outage { link } => self.outage(link),
            Event::Purchase { link } => self.purchase(link),
            Event::Ask { id } => self.ask_again(id),
            Event::Remember { id } => self.remember(id),
            Event::Lower { id } => self.wants_less(id),
            Event::Complete { id } => self.complete(id),
            Event::Decide { conn, issuer, message } => self.decide(conn, issuer, &message),
            Event::Say(says) => self.issuer_says(&says),
            Event::Committed { life } => self.committed(life),
            Event::Tick { life } => self.tick(life),
            Event::Begun { life } => self.report_begun(life),
            Event::Follow => self.follow(),
            Event::LookedUp { life, question, found } => self.looked_up(life, question, found),
            Event::BatchSaid { life, id } => self.batch_said(life, id),
            Event::Files { date } => self.write_files(date),
            Event::Crash { life } => {
                if life == self.host.life && !self.healed {
                    self.crash();
                }
            }
            Event::Boot => self.boot(),
            Event::Stop => self.stop(),
            Event::Wall => self.move_wall(),
            Event::Full { low } => self.fill_disk(low),
            Event::Cut => self.order_cut(),
            Event::CutOver { link } => self.peer_ends_day(link),
            Event::Operate { link, order } => self.operate(link, order),
            Event::SignOff { conn } => self.sign_off(conn),
            Event::SignOn { conn } => self.sign_on(conn),
            Event::Rule => self.rule(),
            Event::Reload => self.reload(),
            Event::Strange { link } => self.strange(link),
            Event::Watch => self.watch(),
        }
    }

    /// A connection stands: its peer may have something to say first.
    fn connected(&mut self, id: ConnId) {
        let Some(link) = self.conns.get(id).map(|conn| conn.link) else { return };
        let awaits = |plan: &mix::Plan| plan.settings.network.sign_on == SignOn::Await;
        if self.mix.plans.get(link).is_some_and(awaits) {
            self.sign_on(id);
            self.plan_sign_off(id, link);
        }
    }

    /// A frame reaches a peer.
    fn peer_reads(&mut self, id: ConnId, frame: Frame) {
        let Some(link) = self.conns.get(id).map(|conn| conn.link) else { return };
        let Some(plan) = self.mix.plans.get(link) else { return };
        if frame.head != plan.framing.head() && frame.head != plan.framing.head().reply() {
            return self.blame(None, || "a frame has another link's head".to_owned());
        }
        self.story.mix(self.time, &frame.body);
        let Ok(message) = plan.tongue.read(frame.body) else {
            return self
                .blame(None, || "the engine wrote what its peer's dialect cannot read".to_owned());
        };
        if self.story_on {
            let (about, shown) = (story::purchase_of(&message), story::Shown(&message).to_string());
            let who = if link < ASKERS { "asker" } else { "issuer" };
            self.story.tell(self.time, about, || format!("{who} reads on {id}: {shown}"));
        }
        if link < ASKERS {
            self.asker_reads(id, &message);
        } else {
            self.issuer_reads(id, link - ASKERS, message);
        }
    }

    fn stop(&mut self) {
        if self.healed || self.host.engine.is_none() {
            return;
        }
        if !self.host.stopping {
            self.host.stopping = true;
            self.feed(Input::Drain);
        }
        self.stop_if_quiet();
    }

    /// Heals the world when everything was asked, and ends it when everything has come to rest.
    fn watch(&mut self) {
        if self.healed {
            self.rest();
        } else if self.begun >= self.mix.txns && self.faults_had_time() {
            self.healed = true;
            self.healed_at = self.time;
            self.mix.heal();
            self.outage_until.fill(0);
            self.story.tell(self.time, None, || "HEALED: no faults from here on".to_owned());
            self.feed(Input::Disk { low: false });
        }
        self.later(1_000, Event::Watch);
    }

    fn later(&mut self, wait: u64, event: Event) {
        self.at(self.time + wait, event);
    }

    fn at(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.events.push(Reverse(Due { at, seq: self.seq, event }));
    }

    /// Something is wrong.
    fn blame(&mut self, about: Option<PurchaseId>, what: impl FnOnce() -> String) {
        if self.fault.is_some()
            || about.and_then(|id| self.purchase_ref(id)).is_some_and(|it| it.stale)
        {
            return;
        }
        let what = what();
        self.story.tell(self.time, about, || format!("WRONG: {what}"));
        self.fault = Some((about, what));
    }
}

/// An MTI that stands in the source.
fn mti_of(digits: u16) -> Option<Mti> {
    Mti::new(digits).ok()
}

/// Plants a mistake in whatever this thread simulates from now on; says whether this build can.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) -> bool {
    planted::plant(bug);
    true
}

/// Plants a mistake in whatever this thread simulates from now on; says whether this build can.
#[cfg(not(feature = "planted"))]
pub fn plant(bug: Option<Bug>) -> bool {
    bug.is_none_or(planted::is)
}
