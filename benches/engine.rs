//! What one payment costs in the engine: a request and its answer, decoded, hashed and handled, with nothing of sockets
//! and disks around it, and a full duplicate window.
//!
//! `cargo bench --bench engine`; 512 payments are in flight, as with the figures of the README.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should stop")]

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use iso8583d::codec::{self, Draft};
use iso8583d::dialect::Dialect;
use iso8583d::framing::{Fixed, Head};
use iso8583d::iso::{ElementNo, Elements, Mono, Mti, Now, ResponseCode, Wall};
use iso8583d::mapping::Tongue;
use iso8583d::record::LinkId;
use iso8583d::route::{CardRange, Rule, Table};
use iso8583d::seal::Keys;
use iso8583d::switch::{
    Action, AnswerOn, Arrival, BreakerSettings, DaySettings, Duplicate, Effects, Engine, Input,
    LinkSettings, Mark, NetworkSettings, OwedSettings, Rate, SessionId, Settings, Undelivered,
};
use rustix::time::{ClockId, clock_gettime};

/// Payments in flight at once.
const BATCH: u32 = 512;

const SHOP: SessionId = SessionId(1);
const BANK: SessionId = SessionId(2);

/// As in the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Street {
    engine: Engine,
    keys: Arc<Keys>,
    shop: Arc<Dialect>,
    bank: Arc<Dialect>,
    now: Now,
    number: u32,
    effects: Effects,
}

fn link(name: &str, asks: bool, dialect: &Arc<Dialect>) -> LinkSettings {
    LinkSettings {
        id: LinkId::of_name(name),
        name: name.to_owned(),
        tongue: Tongue::plain(Arc::clone(dialect)),
        head: Head::NONE,
        frame_len_max: 8192,
        delimiter: Fixed::NONE,
        asks,
        answers: !asks,
        network: NetworkSettings::default(),
        timeout_ms: 15_000,
        settle_ms: 60_000,
        in_flight_max: 10_000,
        rate: Rate::default(),
        merchant_rate: Rate::default(),
        breaker: BreakerSettings { timeouts: 20, probe_ms: 5_000 },
        stamps_date: false,
        batches: None,
        reconciliation: None,
        answer_on: AnswerOn::Link,
        owed: OwedSettings {
            in_flight_max: 8,
            advices_max: 1000,
            repeat_ms: 10_000,
            attempts_max: 3,
            age_ms_max: 86_400_000,
        },
    }
}

impl Street {
    fn new(shop: &str, bank: &str) -> Self {
        let dialect = |name| Arc::new(Dialect::shipped(name).unwrap());
        let (shop, name) = (dialect(shop), shop);
        // Two links of one dialect share it, as they do where a configuration names it twice.
        let bank = if bank == name { Arc::clone(&shop) } else { dialect(bank) };
        let rule = Rule {
            cards: vec![CardRange::parse("541333").unwrap()],
            to: vec![LinkId::of_name("bank")],
            ..Rule::default()
        };
        let settings = Settings {
            links: vec![link("shop", true, &shop), link("bank", false, &bank)],
            routes: Table::new(&[rule]),
            window_ms: 600_000,
            entries_max: 250_000,
            duplicate: Duplicate::Replay,
            undelivered: Undelivered::Leave,
            timeout_code: ResponseCode::UNAVAILABLE,
            carry_every: 100_000,
            in_flight_max: 10_000,
            day: DaySettings::default(),
            stand_in: Vec::new(),
        };
        let keys = Arc::new(Keys::new(&[7; 32]));
        let engine = Engine::new(settings, Arc::clone(&keys));
        let now = Now { mono: Mono(1000), wall: Wall(1_795_459_600_000) };
        let mut street =
            Self { engine, keys, shop, bank, now, number: 0, effects: Effects::default() };
        street.handle(Input::Start);
        for (session, link) in [(SHOP, "shop"), (BANK, "bank")] {
            street.handle(Input::Up { session, link: LinkId::of_name(link), permit: None });
        }
        street
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(self.now, input, &mut self.effects);
    }

    /// Messages come in on a session, all of them in one piece of memory, as from a socket.
    fn arrive(&mut self, session: SessionId, bodies: &[Vec<u8>]) {
        let (link, dialect) =
            if session == SHOP { ("shop", &self.shop) } else { ("bank", &self.bank) };
        let mut piece = BytesMut::with_capacity(bodies.iter().map(Vec::len).sum());
        for body in bodies {
            piece.extend_from_slice(body);
        }
        let arrivals: Vec<_> = bodies
            .iter()
            .map(|body| {
                let body: Bytes = piece.split_to(body.len()).freeze();
                let message = codec::decode(dialect, body).unwrap();
                let link = LinkId::of_name(link);
                Box::new(Arrival::new(session, link, Head::NONE, message, &self.keys))
            })
            .collect();
        for arrival in arrivals {
            self.handle(Input::Arrived(arrival));
        }
    }

    /// The messages that are to leave, and forgets everything else.
    fn released(&mut self) -> Vec<(Vec<u8>, Mark)> {
        let mut effects = std::mem::take(&mut self.effects);
        let sent = effects.actions.drain(..).filter_map(|action| match action {
            Action::Send { body, mark, .. } => Some((body, mark)),
            _ => None,
        });
        sent.collect()
    }

    fn requests(&mut self) -> Vec<Vec<u8>> {
        let request = |number: u32| {
            let text = format!("{:06}", number % 1_000_000);
            let pan = format!("541333{:06}4111", number % 100_000);
            let mut own = Elements::default();
            for (no, value) in [
                (2, pan.as_str()),
                (3, "000000"),
                (4, "000000001000"),
                (7, "1123183400"),
                (11, &text),
                (12, "183400"),
                (13, "1123"),
                (14, "2912"),
                (18, "5411"),
                (22, "051"),
                (25, "00"),
                (32, "12345678901"),
                (35, &format!("{pan}=2912201000001234567")),
                (37, &format!("632718{text}")),
                (41, &format!("T{:07}", number / 1_000_000)),
                (42, "MERCHANT0000001"),
                (43, "CORNER SHOP            BERLIN       DEDE"),
                (49, "978"),
                (60, "0000000001"),
            ] {
                own.set(ElementNo::of(no), value.as_bytes());
            }
            let mut body = Vec::new();
            let draft = Draft { mti: Mti::new(200).unwrap(), own: &own, copied: None };
            draft.encode(&self.shop, &mut body).unwrap();
            body
        };
        let first = self.number;
        self.number += BATCH;
        (first..first + BATCH).map(request).collect()
    }

    fn answers(&self, requests: &[(Vec<u8>, Mark)]) -> Vec<Vec<u8>> {
        let answer = |(body, _): &(Vec<u8>, Mark)| {
            let message = codec::decode(&self.bank, Bytes::copy_from_slice(body)).unwrap();
            let mut own = Elements::default();
            own.set(ElementNo::APPROVAL_CODE, b"A1B2C3");
            own.set(ElementNo::RESPONSE_CODE, b"00");
            let mut out = Vec::new();
            let copied = Some((&message, self.bank.echo()));
            let draft = Draft { mti: message.mti().response().unwrap(), own: &own, copied };
            draft.encode(&self.bank, &mut out).unwrap();
            out
        };
        requests.iter().map(answer).collect()
    }

    /// Both messages of a batch of payments; gives the processor time that the engine and what comes before it took.
    fn pay(&mut self) -> Duration {
        let requests = self.requests();
        let began = spent();
        self.arrive(SHOP, &requests);
        let forwarded = self.released();
        let mut took = spent().saturating_sub(began);
        assert_eq!(forwarded.len(), requests.len());
        let answers = self.answers(&forwarded);
        self.now.mono.0 += 5;
        self.now.wall.0 += 5;
        let began = spent();
        self.arrive(BANK, &answers);
        let told = self.released();
        let marks = told.iter().map(|(_, mark)| *mark).collect();
        self.handle(Input::Begun { marks });
        self.effects = Effects::default();
        took += spent().saturating_sub(began);
        assert_eq!(told.len(), requests.len());
        took
    }
}

/// The processor time of this thread: what others do on the machine does not count.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    for (shop, bank) in [("iso87-ascii", "iso87-ascii"), ("iso87-bcd", "iso87-ascii")] {
        let mut street = Street::new(shop, bank);
        while street.number < 400_000 {
            street.pay();
        }
        group.bench_function(format!("{shop} to {bank}"), |bencher| {
            bencher.iter_custom(|batches| (0..batches).map(|_| street.pay()).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
