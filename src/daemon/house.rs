//! The house: opened in order, from the journal up to the listeners; closed in the opposite one.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::DaemonError;
use super::board::Board;
use super::bureau::Bureau;
use super::captures::{Captures, CapturesDesk};
use super::clerk::Clerk;
use super::clock::Clock;
use super::control::{self, Desk};
use super::core::Core;
use super::cycles::Hours;
use super::days::{Days, Doors, Paying};
use super::directory::Directory;
use super::listing::Entry;
use super::mailroom::{MailDesk, Mailroom};
use super::narrator::Narrator;
use super::orders::Orders;
use super::quarantine::Quarantine;
use super::release::Release;
use super::reload::{self, Reloader, Reopenings, Running};
use super::state::State;
use super::ticker::Ticker;
use super::view::{Glass, Sight};
use crate::books::Books;
use crate::config::{Config, Link, Place};
use crate::console;
use crate::dialect::Dialect;
use crate::iso::BusinessDate;
use crate::journal::{Journal, JournalError, Recovery};
use crate::ledger::{Beside, Ledger, Outgoing};
use crate::link::{self, Links, Way};
use crate::meter::{self, Meter, Rendering};
use crate::record::{self, Lsn};
use crate::switch::{Engine, Input};

/// A running switch.
pub struct House {
    core: Arc<Core>,
    links: Arc<Links<Core>>,
    sight: Arc<Sight>,
    tasks: TaskTracker,
    /// Ends what runs by the clock, and the doors for people.
    closing: CancellationToken,
    failure: oneshot::Receiver<Result<(), JournalError>>,
    listening: Vec<(String, SocketAddr)>,
    reloader: Arc<Reloader>,
}

/// A peer that takes nothing of what is sent to it for this long is gone.
const STALL_MS_MAX: u64 = 10_000;

/// How long a closing house waits for its sessions to write what is left.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What recovery built, before anything is started.
struct Foundation {
    core: Arc<Core>,
    journal: Journal,
    books: Books,
    ledger: Ledger,
    durable: Arc<AtomicU64>,
    meter: Meter,
    rendering: Option<Rendering>,
}

impl House {
    /// Opens everything: when this returns, listeners are bound and requests are served.
    pub async fn open(config: Config) -> Result<Self, DaemonError> {
        let state = State::take(&config.daemon.state)?;
        let window = Window::bind(&config).await?;
        let foundation = found(&config, &state)?;
        let (core, durable) = (Arc::clone(&foundation.core), Arc::clone(&foundation.durable));
        let (meter, rendering) = (foundation.meter.clone(), foundation.rendering.clone());
        let tasks = TaskTracker::new();
        let closing = CancellationToken::new();
        let links = Links::new(Arc::clone(&core), tasks.clone());
        let sight = Arc::new(Sight::new(state, &config.daemon));
        let reopenings = Arc::new(Reopenings::new(Arc::clone(&core), Arc::clone(&links)));
        let Threads { clerk, orders, days, bureau, failure } =
            start_threads(&config, foundation, (&links, &reopenings))?;
        let captures = Captures::new(Arc::clone(&core), bureau.clone(), captures_desk(&config));
        let mail = Mailroom::new(bureau.clone(), Arc::clone(&core), MailDesk::new(&config));
        core.handle(Input::Start);
        let ticker = Ticker {
            core: Arc::clone(&core),
            sight: Arc::clone(&sight),
            meter: meter.clone(),
            days: Arc::clone(&days),
            captures: Arc::clone(&captures),
            mail: Arc::clone(&mail),
            durable: Arc::clone(&durable),
        };
        ticker.look_around();
        spawn(&tasks, &closing, ticker.run());
        let listening = open_links(&links, &config.links)?;
        let board = Arc::new(Board::new(config.links.iter().map(entry).collect()));
        let reloader = Arc::new(Reloader {
            core: Arc::clone(&core),
            links: Arc::clone(&links),
            clerk: clerk.clone(),
            orders: Arc::clone(&orders),
            days: Arc::clone(&days),
            captures: Arc::clone(&captures),
            mail: Arc::clone(&mail),
            durable: Arc::clone(&durable),
            sight: Arc::clone(&sight),
            board: Arc::clone(&board),
            reopenings,
            meter,
            turn: Semaphore::new(1),
            running: Mutex::new(Arc::new(Running::new(config))),
        });
        let desk = Desk {
            core: Arc::clone(&core),
            links: Arc::clone(&links),
            clerk: clerk.clone(),
            orders,
            durable,
            board: Arc::clone(&board),
            reloader: Arc::clone(&reloader),
            console: window.as_ref().map(|window| window.address),
            days,
            bureau,
            captures,
            mail,
        };
        let socket = control::bind(sight.state())?;
        spawn(&tasks, &closing, control::serve(Arc::new(desk), socket, tasks.clone()));
        if let Some(window) = window {
            let (sight, links) = (Arc::clone(&sight), Arc::clone(&links));
            let glass = Glass { sight, links, clerk, board, rendering };
            window.open(glass, &tasks, &closing);
        }
        Ok(Self { core, links, sight, tasks, closing, failure, listening, reloader })
    }

    /// Where each listening link listens.
    pub fn listening(&self) -> &[(String, SocketAddr)] {
        &self.listening
    }

    /// Returns when the journal can no longer be written: nothing leaves any more.
    pub async fn failed(&mut self) -> DaemonError {
        match (&mut self.failure).await {
            Ok(Err(fault)) => fault.into(),
            Ok(Ok(())) | Err(_) => DaemonError::Lost,
        }
    }

    /// Closes the house: nothing new is begun, what is in flight is waited for, and what is written is durable.
    pub async fn drain(mut self) -> Result<(), DaemonError> {
        let began = Instant::now();
        self.links.close_doors();
        self.core.handle(Input::Drain);
        // Whoever sees this can rely on it.
        self.sight.drains();
        let patience = Duration::from_millis(self.sight.drain_ms_max());
        while self.core.pulse().in_flight > 0 && began.elapsed() < patience {
            tokio::select! {
                fault = self.failed() => return Err(fault),
                () = sleep(Duration::from_millis(10)) => {}
            }
        }
        let in_flight = self.core.pulse().in_flight;
        self.settle().await;
        self.part(patience.saturating_sub(began.elapsed())).await;
        self.links.end_all("the switch stops");
        let last_words = Instant::now();
        while self.links.sessions_open() > 0 && last_words.elapsed() < LAST_WORDS {
            sleep(Duration::from_millis(5)).await;
        }
        self.settle().await;
        self.closing.cancel();
        self.tasks.close();
        // A task that does not end holds nothing that is not durable.
        let _ended = timeout(LAST_WORDS, self.tasks.wait()).await;
        self.core.tell_begun();
        self.core.end();
        let journal = (&mut self.failure).await.unwrap_or(Ok(()));
        drop(State::clear(&State::socket(self.sight.state().directory())));
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if in_flight == 0 {
            tracing::info!(ms, "stopped, and nothing is in flight");
        } else {
            tracing::warn!(
                ms,
                in_flight,
                "stopped; what is in flight is reversed at the next start"
            );
        }
        Ok(journal?)
    }

    /// Waits until peers have answered that we sign off, a little.
    async fn part(&self, patience: Duration) {
        let (began, patience) = (Instant::now(), patience.min(LAST_WORDS));
        while self.core.farewells() > 0 && began.elapsed() < patience {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Has something done that the end of the house waits for, a little.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Reads the configuration again; what came of it is in the log, and given back in a line.
    pub fn reload(&self) -> impl Future<Output = String> + Send + use<> {
        let reloader = Arc::clone(&self.reloader);
        async move {
            match reloader.reload(None).await {
                Ok(said) => reload::log(&said).to_owned(),
                Err(refused) => {
                    reload::log_refused(&refused);
                    "running; the configuration was read again and not taken: see the log"
                        .to_owned()
                }
            }
        }
    }

    /// Waits until what is queued has been written, a little.
    async fn settle(&self) {
        for _ in 0..200 {
            if self.core.pulse().idle {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The operator's window, before anybody looks through it.
struct Window {
    listener: TcpListener,
    address: SocketAddr,
}

impl Window {
    async fn bind(config: &Config) -> Result<Option<Self>, DaemonError> {
        let Some(address) = config.daemon.console else { return Ok(None) };
        let listener = console::bind(address).await?;
        let address = listener.local_addr().unwrap_or(address);
        Ok(Some(Self { listener, address }))
    }

    fn open(self, glass: Glass, tasks: &TaskTracker, closing: &CancellationToken) {
        let stop = closing.clone().cancelled_owned();
        tracing::info!(address = %self.address, "the operator's window: /livez /readyz /metrics");
        tasks.spawn(async move {
            if let Err(fault) = console::serve(self.listener, Arc::new(glass), stop).await {
                tracing::error!(%fault, "the operator's window is shut");
            }
        });
    }
}

/// The doors to the threads beside the sessions.
struct Threads {
    clerk: Clerk,
    orders: Arc<Orders>,
    days: Arc<Days>,
    bureau: Bureau,
    /// How the journal's thread ended.
    failure: oneshot::Receiver<Result<(), JournalError>>,
}

fn start_threads(
    config: &Config,
    foundation: Foundation,
    (links, reopenings): (&Arc<Links<Core>>, &Arc<Reopenings>),
) -> Result<Threads, DaemonError> {
    let system = |doing| move |source| DaemonError::System { doing, source };
    let Foundation { core, journal, books, ledger, durable, meter, .. } = foundation;
    let directory = &config.journal.directory;
    let clerk = Clerk::start(books, directory, Arc::clone(&durable), meter.clone())
        .map_err(system("start the books' thread"))?;
    let bureau = Bureau::start(ledger).map_err(system("start the ledger's thread"))?;
    let orders = Arc::new(Orders::default());
    let doors = Doors { clerk: clerk.clone(), bureau: bureau.clone() };
    let terms = (outgoing(config), paying(config), hours(config));
    let days = Days::new(doors, terms, core.clock(), meter.clone());
    days.find(Lsn(durable.load(Ordering::Acquire)));
    let release = Release {
        core,
        links: Arc::clone(links),
        journal,
        keys: Arc::clone(&config.keys),
        meter,
        clerk: clerk.clone(),
        bureau: bureau.clone(),
        orders: Arc::clone(&orders),
        days: Arc::clone(&days),
        reopenings: Arc::clone(reopenings),
        durable,
    };
    let (failed, failure) = oneshot::channel();
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            go_first();
            drop(failed.send(release.run()));
        })
        .map_err(system("start the journal's thread"))?;
    Ok(Threads { clerk, orders, days, bureau, failure })
}

/// How merchants are paid, and where reports go.
pub(super) fn paying(config: &Config) -> Paying {
    Paying {
        settling: Arc::new(config.clearing.settling.clone()),
        reports: config.daemon.state.join("reports"),
    }
}

/// Where files go, and how they are written.
pub(super) fn outgoing(config: &Config) -> Outgoing {
    let clearing = &config.clearing;
    let issuers = || config.links.iter().filter(|link| link.answers);
    let form = |link: &Link| Some((link.id, link.files.settings(&clearing.settings)?));
    Outgoing {
        directory: clearing.directory.clone(),
        settings: clearing.settings.clone(),
        by_issuer: issuers().filter_map(form).collect(),
        fees: clearing.fees.clone(),
        names: config.links.iter().map(|link| (link.id, link.clearing.clone())).collect(),
    }
}

pub(super) fn hours(config: &Config) -> Hours {
    Hours { at_ms: config.clearing.cycles_at_ms.clone(), utc_offset_min: config.day.utc_offset_min }
}

pub(super) fn captures_desk(config: &Config) -> CapturesDesk {
    let captures = &config.clearing.captures;
    CapturesDesk { inbox: captures.inbox.clone(), settings: captures.settings.clone() }
}

/// Everything waits for the journal's thread, so it does not wait for the others, where the system allows that.
fn go_first() {
    const BEFORE_OTHERS: i32 = -10;
    if let Err(fault) = setpriority_process(None, BEFORE_OTHERS) {
        tracing::debug!(%fault, "the journal's thread has the priority of all: LimitNICE=-10 would let it go first");
    }
}

/// Journal and engine, as the last process left them.
fn found(config: &Config, state: &State) -> Result<Foundation, DaemonError> {
    let clock = Clock::start();
    // In a second house of one process the first one counts.
    let rendering = meter::install().ok();
    let meter = Meter::new();
    state.belongs_to(&config.keys)?;
    let (journal, recovery) = Journal::open(&config.journal)?;
    let mut engine = Engine::new(config.engine(), Arc::clone(&config.keys));
    let records = replay(&mut engine, &recovery)?;
    let mut books = Books::open(state.directory(), Arc::clone(&config.keys))?;
    let beside = Beside {
        end: Lsn(recovery.next.0.saturating_sub(1)),
        day: engine.tranlog().date(),
        now: clock.now().wall,
    };
    let ledger = ledger_of(state, config, (engine.tranlog().cut(), beside))?;
    no_older(beside.end, ("books.db", books.position()))?;
    let names: Vec<&str> = config.links.iter().map(|link| link.name.as_str()).collect();
    books.name_links(&names)?;
    let quarantine =
        Quarantine::open(state.quarantine(), Arc::clone(&config.keys)).map_err(|source| {
            DaemonError::System { doing: "read the list of refused frames", source }
        })?;
    let log = engine.tranlog();
    tracing::info!(
        ms = clock.ms(),
        records,
        next = recovery.next.0,
        in_memory = log.len(),
        open = log.open_total(),
        in_flight = log.in_flight_total(),
        day = %log.date(),
        refused_frames = quarantine.len(),
        "recovered"
    );
    let narrator = Narrator::new(meter.clone(), &config.links);
    let durable = Arc::new(AtomicU64::new(recovery.next.0.saturating_sub(1)));
    let core = Arc::new(Core::new(
        engine,
        (Arc::clone(&config.keys), quarantine),
        Directory::new(narrator, &config.links),
        clock,
        config.daemon.queue_bytes_max,
    ));
    Ok(Foundation { core, journal, books, ledger, durable, meter, rendering })
}

/// The ledger beside a journal in which days were cut up to `cut`.
fn ledger_of(
    state: &State,
    config: &Config,
    (cut, beside): (BusinessDate, Beside),
) -> Result<Ledger, DaemonError> {
    if cut != BusinessDate::default() && !Ledger::is_in(state.directory()) {
        return Err(DaemonError::NoLedger { cut });
    }
    let ledger = Ledger::open(state.directory(), Arc::clone(&config.keys))?;
    no_older(beside.end, ("clearing.db", ledger.seen()?))?;
    if ledger.is_beside(beside)? {
        tracing::warn!(
            cut = %cut,
            "clearing.db is begun anew: what merchants handed in and what was presented before is not known, and no day that was cut before is \
             presented again"
        );
    }
    Ok(ledger)
}

/// A journal that ends before what was made of it is another one: its next records would have the positions of others.
fn no_older(end: Lsn, (file, seen): (&'static str, Lsn)) -> Result<(), DaemonError> {
    if end < seen {
        return Err(DaemonError::Older { end: end.0, file, seen: seen.0 });
    }
    Ok(())
}

/// Applies what the journal has; bytes become records on a second thread meanwhile.
fn replay(engine: &mut Engine, recovery: &Recovery) -> Result<usize, DaemonError> {
    engine.begin_at(recovery.commits.first().map_or(recovery.next, |first| first.first));
    let (sender, receiver) = mpsc::sync_channel(COMMITS_AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || {
            for commit in &recovery.commits {
                let records = record::decode_all(&commit.blob, commit.first);
                // After a fault nobody listens any more.
                if sender.send(records).is_err() {
                    return;
                }
            }
        });
        let mut replayed = 0;
        for records in receiver {
            let records = records?;
            replayed += records.len();
            for record in &records {
                engine.replay(record);
            }
        }
        Ok(replayed)
    })
}

/// How far reading is ahead of applying.
const COMMITS_AHEAD: usize = 64;

/// Spawns something that ends when the house closes.
fn spawn(
    tasks: &TaskTracker,
    closing: &CancellationToken,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let closing = closing.clone();
    tasks.spawn(async move {
        closing.run_until_cancelled(work).await;
    });
}

fn open_links(
    links: &Arc<Links<Core>>,
    all: &[Link],
) -> Result<Vec<(String, SocketAddr)>, DaemonError> {
    let mut listening = Vec::new();
    for link in all {
        let address = links.open(of_link(link))?;
        listening.extend(address.map(|address| (link.name.clone(), address)));
    }
    Ok(listening)
}

pub(super) fn of_link(link: &Link) -> link::Settings {
    let way = match &link.place {
        Place::Listen { address, sessions_max } => {
            Way::Listen { address: *address, sessions_max: *sessions_max }
        }
        Place::Dial { peers, sessions } => {
            Way::Dial { addresses: peers.clone(), sessions: *sessions }
        }
    };
    link::Settings {
        name: link.name.clone(),
        id: link.id,
        way,
        framing: link.framing,
        measure: Arc::<Dialect>::clone(link.tongue.wire()),
        outbox_bytes_max: link.outbox_bytes_max,
        idle_ms_max: (link.idle_ms_max > 0).then_some(link.idle_ms_max),
        frame_ms_max: link.frame_ms_max,
        stall_ms_max: STALL_MS_MAX,
        tls: link.tls.clone(),
        edition: 0,
        list: 0,
    }
}

pub(super) fn entry(link: &Link) -> Entry {
    let role = match (link.asks, link.answers) {
        (true, true) => "both",
        (true, false) => "asker",
        (false, _) => "issuer",
    };
    let dialect = link.tongue.wire().name().to_owned();
    Entry { id: link.id, name: link.name.clone(), role, dialect }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use bytes::BytesMut;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::codec::{self, Draft};
    use crate::config;
    use crate::dialect::Dialect;
    use crate::framing::{Framing, Head};
    use crate::iso::{ElementNo, Elements, Mti, ResponseCode};
    use crate::journal::Reader;
    use crate::record::{Record, Unanswered};

    const CONFIG: &str = r#"
[daemon]
state = "state"
key = "file:pan.key"

[links.shop]
role = "asker"
listen = "127.0.0.1:0"
dialect = "iso87-ascii"

[links.bank]
role = "issuer"
listen = "127.0.0.1:0"
dialect = "iso87-ascii"

[[routes]]
bin = "541333"
to = ["bank"]
"#;

    fn configured(home: &std::path::Path) -> Config {
        let key = home.join("pan.key");
        fs::write(&key, "5a".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let path = home.join("c.toml");
        fs::write(&path, CONFIG).unwrap();
        config::load(&path).unwrap_or_else(|report| panic!("{report}"))
    }

    fn purchase() -> BytesMut {
        let mut elements = Elements::default();
        for (no, value) in [
            (2, "5413330000004111"),
            (3, "000000"),
            (4, "000000001250"),
            (7, "1123184000"),
            (11, "000001"),
            (49, "978"),
        ] {
            elements.set(ElementNo::new(no).unwrap(), value.as_bytes());
        }
        let mti = Mti::from_ascii(b"0200").unwrap();
        let dialect = Dialect::shipped("iso87-ascii").unwrap();
        let mut body = Vec::new();
        Draft { mti, own: &elements, copied: None }.encode(&dialect, &mut body).unwrap();
        let mut frame = BytesMut::new();
        Framing::new(crate::framing::Settings::default())
            .put(Head::NONE, &body, &mut frame)
            .unwrap();
        frame
    }

    async fn until(mut done: impl FnMut() -> bool) {
        for _ in 0..4000 {
            if done() {
                return;
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("waited for too long");
    }

    /// The request is queued while its issuer's session dies: it is released to a session that is gone.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_request_released_to_a_dead_session_never_began() {
        let home = tempfile::tempdir().unwrap();
        let config = configured(home.path());
        let state = State::take(&config.daemon.state).unwrap();
        let Foundation { core, journal, books, ledger, durable, meter, .. } =
            found(&config, &state).unwrap();
        let links = Links::new(Arc::clone(&core), TaskTracker::new());
        core.handle(Input::Start);
        let listening = open_links(&links, &config.links).unwrap();
        let of = |name: &str| listening.iter().find(|(link, _)| link == name).unwrap().1;
        let bank = TcpStream::connect(of("bank")).await.unwrap();
        let mut shop = TcpStream::connect(of("shop")).await.unwrap();
        until(|| links.sessions_open() == 2).await;
        // Nothing leaves yet: the journal's thread has not begun.
        shop.write_all(&purchase()).await.unwrap();
        until(|| core.pulse().in_flight == 1).await;
        drop(bank);
        until(|| links.sessions_open() == 1).await;
        let directory = &config.journal.directory;
        let clerk = Clerk::start(books, directory, Arc::clone(&durable), meter.clone()).unwrap();
        let bureau = Bureau::start(ledger).unwrap();
        let doors = Doors { clerk: clerk.clone(), bureau: bureau.clone() };
        let release = Release {
            core: Arc::clone(&core),
            links: Arc::clone(&links),
            journal,
            keys: Arc::clone(&config.keys),
            days: Days::new(
                doors,
                (outgoing(&config), paying(&config), hours(&config)),
                core.clock(),
                meter.clone(),
            ),
            meter: meter.clone(),
            clerk,
            bureau,
            orders: Arc::new(Orders::default()),
            reopenings: Arc::new(Reopenings::new(Arc::clone(&core), Arc::clone(&links))),
            durable,
        };
        let releasing = thread::spawn(move || release.run());
        let mut heard = vec![0; usize::from(shop.read_u16().await.unwrap())];
        shop.read_exact(&mut heard).await.unwrap();
        let dialect = Arc::new(Dialect::shipped("iso87-ascii").unwrap());
        let answer = codec::decode(&dialect, heard.into()).unwrap();
        let code = answer.elements(answer.present());
        let code = code.get(ElementNo::RESPONSE_CODE).unwrap();
        assert_eq!(ResponseCode::new(code).unwrap(), ResponseCode::UNAVAILABLE);
        core.end();
        releasing.join().unwrap().unwrap();
        let mut records = Vec::new();
        for commit in Reader::open(directory).after(Lsn(0), usize::MAX).unwrap() {
            records.extend(record::decode_all(&commit.blob, commit.first).unwrap());
        }
        let over =
            |record: &Record| matches!(record, Record::Over { why: Unanswered::NeverBegun, .. });
        assert_eq!(records.iter().filter(|record| over(record)).count(), 1);
        assert!(!records.iter().any(|record| matches!(record, Record::Owed { .. })));
    }
}
