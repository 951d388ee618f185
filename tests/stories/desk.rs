//! A desk to play stories on: one engine, two shops, two banks, a journal in memory, books that answer when told to.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use iso8583d::codec::{self, Draft, Message};
use iso8583d::dialect::Dialect;
use iso8583d::framing::{Fixed, Head};
use iso8583d::iso::{BusinessDate, ElementNo, Elements, Mono, Mti, Now, ResponseCode, Wall};
use iso8583d::mapping::Tongue;
use iso8583d::record::{LinkId, Lsn, Record, Standing, TxnId, decode_all, encode};
use iso8583d::route::{CardRange, Rule, Table};
use iso8583d::seal::Keys;
use iso8583d::switch::{
    Action, AnswerOn, Arrival, BatchQuestion, BreakerSettings, DaySettings, Duplicate, Effects,
    Engine, HostQuestion, Input, LinkSettings, Mark, NetworkSettings, Note, Order, OrderId,
    OrderResult, OwedSettings, Permit, Question, Rate, SessionId, Settings, TotalsAnswer,
    TotalsQuestion, Undelivered, Unreadable,
};
use iso8583d::tranlog::{self, Ask, Found};

/// A message on the desk: who it was for, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) session: u64,
    pub(super) mti: u16,
    pub(super) elements: Elements,
    pub(super) mark: Mark,
}

impl Seen {
    /// The text of an element; empty when it is absent.
    pub(super) fn text(&self, no: u8) -> String {
        let value = self.elements.get(ElementNo::new(no).unwrap()).unwrap_or_default();
        String::from_utf8(value.to_vec()).unwrap()
    }

    /// Element 39.
    pub(super) fn code(&self) -> String {
        self.text(39)
    }
}

pub(super) const SHOP: u64 = 1;
pub(super) const SHOP_AGAIN: u64 = 2;
pub(super) const BANK: u64 = 11;
pub(super) const BANK_AGAIN: u64 = 12;
pub(super) const OTHER_BANK: u64 = 21;

pub(super) struct Desk {
    pub(super) settings: Settings,
    pub(super) engine: Engine,
    pub(super) now: Now,
    pub(super) records: Vec<(Lsn, Record)>,
    pub(super) seen: Vec<Seen>,
    pub(super) questions: Vec<Question>,
    /// What the ledger is asked.
    pub(super) batches: Vec<BatchQuestion>,
    pub(super) reconciliations: Vec<HostQuestion>,
    pub(super) totals: Vec<TotalsQuestion>,
    pub(super) answers: Vec<TotalsAnswer>,
    pub(super) done: Vec<OrderResult>,
    /// Sessions that the engine ended.
    pub(super) closed: Vec<u64>,
    pub(super) doors: Vec<(LinkId, bool)>,
    /// Links that begin anew.
    pub(super) reopened: Vec<LinkId>,
    pub(super) notes: Vec<Note>,
    /// Days that were cut and whose files are wanted.
    pub(super) cut: Vec<BusinessDate>,
    keys: Arc<Keys>,
    links: BTreeMap<u64, LinkId>,
}

pub(super) fn shop() -> LinkId {
    LinkId::of_name("shop")
}

pub(super) fn bank() -> LinkId {
    LinkId::of_name("bank")
}

pub(super) fn other_bank() -> LinkId {
    LinkId::of_name("other-bank")
}

fn dialect(link: LinkId) -> Arc<Dialect> {
    let name = if link == shop() { "iso87-ascii" } else { "iso87-bcd" };
    Arc::new(Dialect::shipped(name).unwrap())
}

fn link(name: &str, asks: bool) -> LinkSettings {
    LinkSettings {
        id: LinkId::of_name(name),
        name: name.to_owned(),
        tongue: Tongue::plain(dialect(LinkId::of_name(name))),
        head: Head::NONE,
        frame_len_max: 8192,
        delimiter: Fixed::NONE,
        asks,
        answers: !asks,
        network: NetworkSettings::default(),
        timeout_ms: 15_000,
        settle_ms: 60_000,
        in_flight_max: 100,
        rate: Rate::default(),
        merchant_rate: Rate::default(),
        breaker: BreakerSettings::default(),
        answer_on: AnswerOn::Link,
        owed: OwedSettings {
            in_flight_max: 8,
            repeat_ms: 10_000,
            attempts_max: 3,
            age_ms_max: 86_400_000,
            advices_max: 10_000,
        },
        stamps_date: false,
        batches: None,
        reconciliation: None,
    }
}

/// A rule for cards that begin so, with these links in order.
pub(super) fn rule(cards: &str, to: &[&str]) -> Rule {
    Rule {
        cards: vec![CardRange::parse(cards).unwrap()],
        to: to.iter().map(|name| LinkId::of_name(name)).collect(),
        ..Rule::default()
    }
}

pub(super) fn settings() -> Settings {
    Settings {
        links: vec![link("shop", true), link("bank", false), link("other-bank", false)],
        routes: Table::new(&[rule("4", &["bank", "other-bank"]), rule("5", &["other-bank"])]),
        window_ms: 600_000,
        entries_max: 1000,
        duplicate: Duplicate::Replay,
        undelivered: Undelivered::Leave,
        timeout_code: ResponseCode::UNAVAILABLE,
        carry_every: 10_000,
        in_flight_max: 100,
        day: DaySettings::default(),
        stand_in: Vec::new(),
    }
}

impl Desk {
    /// A desk with the usual settings, everybody connected.
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        let keys = Arc::new(Keys::new(&[3; 32]));
        let engine = Engine::new(settings.clone(), Arc::clone(&keys));
        let now = Now { mono: Mono(1000), wall: Wall(1_795_458_840_000) };
        let mut desk = Self {
            settings,
            engine,
            now,
            records: Vec::new(),
            seen: Vec::new(),
            questions: Vec::new(),
            batches: Vec::new(),
            reconciliations: Vec::new(),
            totals: Vec::new(),
            answers: Vec::new(),
            done: Vec::new(),
            closed: Vec::new(),
            doors: Vec::new(),
            reopened: Vec::new(),
            notes: Vec::new(),
            cut: Vec::new(),
            keys,
            links: BTreeMap::new(),
        };
        desk.engine.begin_at(Lsn(1));
        desk.handle(Input::Start);
        desk.connect_all();
        desk
    }

    fn connect_all(&mut self) {
        for (session, link) in [
            (SHOP, shop()),
            (SHOP_AGAIN, shop()),
            (BANK, bank()),
            (BANK_AGAIN, bank()),
            (OTHER_BANK, other_bank()),
        ] {
            self.up(session, link);
        }
    }

    pub(super) fn up(&mut self, session: u64, link: LinkId) {
        self.up_permitted(session, link, None);
    }

    /// A session that may not ask for everything.
    pub(super) fn up_permitted(&mut self, session: u64, link: LinkId, permit: Option<Arc<Permit>>) {
        self.links.insert(session, link);
        self.handle(Input::Up { session: SessionId(session), link, permit });
    }

    /// A session ends; these messages were never begun.
    pub(super) fn down(&mut self, session: u64, never_begun: Vec<Mark>) {
        self.handle(Input::Lost { session: SessionId(session) });
        self.handle(Input::Drained { session: SessionId(session), never_begun });
    }

    pub(super) fn handle(&mut self, input: Input) {
        let mut fx = Effects::default();
        self.engine.handle(self.now, input, &mut fx);
        let first = self.records.len() as u64 + 1;
        for (record, lsn) in fx.records.into_iter().zip(first..) {
            // Everything goes through bytes, as on a disk.
            let mut bytes = Vec::new();
            encode(&record, Lsn(lsn), &self.keys, &mut bytes);
            let read = decode_all(&bytes, Lsn(lsn)).unwrap().remove(0);
            self.records.push((Lsn(lsn), read));
        }
        assert_eq!(self.engine.tail(), Lsn(self.records.len() as u64));
        self.notes.append(&mut fx.notes);
        let mut reopened = Vec::new();
        for action in fx.actions {
            match action {
                Action::Send { session, body, mark, .. } => {
                    let message = self.decode(session.0, body);
                    let elements = message.elements(message.present());
                    self.seen.push(Seen {
                        session: session.0,
                        mti: message.mti().number(),
                        elements,
                        mark,
                    });
                }
                Action::Ask(question) => self.questions.push(question),
                Action::Batch(question) => self.batches.push(question),
                Action::Reconcile(question) => self.reconciliations.push(question),
                Action::Totals(question) => self.totals.push(question),
                Action::TotalsAnswered(answer) => self.answers.push(answer),
                Action::Done { result, .. } => self.done.push(result),
                Action::Close { session, .. } => self.closed.push(session.0),
                Action::DayCut { date, .. } => self.cut.push(date),
                Action::Reopen { link } => {
                    self.reopened.push(link);
                    reopened.push(link);
                }
                Action::Doors { link, open } => self.doors.push((link, open)),
            }
        }
        // As the shell does, once it has given the link its new settings.
        for link in reopened {
            self.handle(Input::Reopened { link });
        }
    }

    /// What a peer reads on its wire.
    fn decode(&self, session: u64, body: Vec<u8>) -> Message {
        codec::decode(self.tongue(session).wire(), Bytes::from(body)).unwrap()
    }

    fn tongue(&self, session: u64) -> &Tongue {
        let is_its = |link: &&LinkSettings| link.id == self.links[&session];
        &self.settings.links.iter().find(is_its).unwrap().tongue
    }

    /// A message comes in on a session.
    pub(super) fn arrives(&mut self, session: u64, mti: u16, elements: &Elements) {
        let link = self.links[&session];
        let mut body = Vec::new();
        let draft = Draft { mti: Mti::new(mti).unwrap(), own: elements, copied: None };
        draft.encode(self.tongue(session).wire(), &mut body).unwrap();
        let input = match self.tongue(session).read(Bytes::from(body)) {
            Ok(message) => {
                let session = SessionId(session);
                let arrival = Arrival::new(session, link, Head::NONE, message, &self.keys);
                Input::Arrived(Box::new(arrival))
            }
            Err(fault) => Input::Unreadable(Box::new(Unreadable {
                session: SessionId(session),
                head: Head::NONE,
                mti: fault.mti,
                salvaged: fault.salvaged.elements,
            })),
        };
        self.handle(input);
    }

    /// The shop sends a message; gives what the engine sends because of it.
    pub(super) fn shop_sends(&mut self, session: u64, mti: u16, elements: &Elements) -> Vec<Seen> {
        self.seen.clear();
        self.arrives(session, mti, elements);
        self.seen.clone()
    }

    /// A bank answers a message that it saw, with a code and maybe other elements; gives what follows.
    pub(super) fn bank_answers(
        &mut self,
        seen: &Seen,
        code: &str,
        changes: &[(u8, &str)],
    ) -> Vec<Seen> {
        self.bank_answers_on(seen.session, seen, code, changes)
    }

    pub(super) fn bank_answers_on(
        &mut self,
        session: u64,
        seen: &Seen,
        code: &str,
        changes: &[(u8, &str)],
    ) -> Vec<Seen> {
        let mti = Mti::new(seen.mti).unwrap().response().unwrap();
        self.bank_sends((session, mti.number()), seen, code, changes)
    }

    /// As an answer to a message that it saw, a bank sends one of this MTI.
    pub(super) fn bank_sends(
        &mut self,
        (session, mti): (u64, u16),
        seen: &Seen,
        code: &str,
        changes: &[(u8, &str)],
    ) -> Vec<Seen> {
        self.seen.clear();
        let mut elements = seen.elements.clone();
        for gone in [35, 90] {
            elements.remove(ElementNo::new(gone).unwrap());
        }
        if !code.is_empty() {
            elements.set(ElementNo::RESPONSE_CODE, code.as_bytes());
        }
        for (no, value) in changes {
            let no = ElementNo::new(*no).unwrap();
            if value.is_empty() { elements.remove(no) } else { elements.set(no, value.as_bytes()) }
        }
        self.arrives(session, mti, &elements);
        self.seen.clone()
    }

    /// Time passes; gives what is sent because of it.
    pub(super) fn passes(&mut self, ms: u64) -> Vec<Seen> {
        self.seen.clear();
        let until = self.now.mono.plus(ms);
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= until) {
            self.to(due);
            self.handle(Input::Tick);
        }
        self.to(until);
        self.handle(Input::Tick);
        self.seen.clone()
    }

    fn to(&mut self, mono: Mono) {
        let ms = mono.0.saturating_sub(self.now.mono.0);
        self.now = Now { mono: self.now.mono.plus(ms), wall: Wall(self.now.wall.0 + ms) };
    }

    /// Power fails after this many records are durable, and comes back; sessions must be connected anew.
    pub(super) fn crashes_after(&mut self, records: usize) -> Vec<Seen> {
        self.records.truncate(records);
        self.seen.clear();
        self.questions.clear();
        self.batches.clear();
        self.reconciliations.clear();
        self.totals.clear();
        self.answers.clear();
        self.links.clear();
        self.now.mono = Mono(5);
        self.engine = Engine::new(self.settings.clone(), Arc::clone(&self.keys));
        self.engine.begin_at(Lsn(1));
        for (_, record) in &self.records {
            self.engine.replay(record);
        }
        self.handle(Input::Start);
        self.connect_all();
        self.seen.clone()
    }

    /// The books answer the oldest question; gives what follows.
    pub(super) fn books_answer(&mut self) -> Vec<Seen> {
        self.seen.clear();
        let question = self.questions.remove(0);
        let found = self.look_up(question.ask);
        self.handle(Input::LookedUp { question: question.id, found });
        self.seen.clone()
    }

    /// How every transaction stands, by the journal alone.
    pub(super) fn standings(&self) -> BTreeMap<TxnId, Standing> {
        let mut all: BTreeMap<TxnId, Standing> = BTreeMap::new();
        for (lsn, record) in &self.records {
            if let Some(standing) = tranlog::opened(TxnId(lsn.0), record) {
                all.insert(standing.id, standing);
            }
            for txn in record.changes() {
                tranlog::fold(all.get_mut(&txn).unwrap(), *lsn, record);
            }
        }
        all
    }

    fn look_up(&self, ask: Ask) -> Found {
        let is_of = |lsn: Lsn, record: &Record| matches!(record, Record::OrphanWrittenOff { orphan, .. } if *orphan == lsn);
        if let Ask::Record(lsn) = ask
            && let Some((_, Record::Unmatched { orphan: true, .. })) =
                self.records.iter().find(|(at, _)| *at == lsn)
        {
            let written_off = self.records.iter().any(|(_, record)| is_of(lsn, record));
            return Found::Orphan { written_off };
        }
        let found =
            self.standings().into_values().rev().find(|standing| match (ask, standing.sent()) {
                (Ask::Record(lsn), _) => standing.id.0 == lsn.0,
                (Ask::Key(key), Some(sent)) => sent.key == key,
                (Ask::Trace { link, trace, class }, Some(sent)) => {
                    sent.issuer == link && sent.trace == trace && sent.mti.class() == class
                }
                (Ask::Key(key), None) => match &standing.opening {
                    iso8583d::record::Opening::Reversal(undo) => {
                        undo.key == key || (undo.original.is_none() && undo.original_key == key)
                    }
                    _ => false,
                },
                (Ask::Trace { .. }, None) => false,
            });
        found.into()
    }

    /// An operator orders something; gives what is sent because of it.
    pub(super) fn orders(&mut self, order: Order) -> Vec<Seen> {
        self.seen.clear();
        self.handle(Input::Ordered { id: OrderId(7), order });
        self.seen.clone()
    }

    pub(super) fn orders_cut(&mut self) {
        let date = self.engine.tranlog().date();
        self.handle(Input::Ordered { id: OrderId(1), order: Order::Cut(date) });
    }

    pub(super) fn unreadable(&mut self, session: u64, mti: Option<u16>) -> Vec<Seen> {
        self.seen.clear();
        let mti = mti.map(|mti| Mti::new(mti).unwrap());
        let mut salvaged = Elements::default();
        salvaged.set(ElementNo::STAN, b"000009");
        let frame = Unreadable { session: SessionId(session), head: Head::NONE, mti, salvaged };
        self.handle(Input::Unreadable(Box::new(frame)));
        self.seen.clone()
    }
}

/// A purchase at the shop: card of the bank, 10.00 EUR, with a trace number of the shop's own.
pub(super) fn purchase(stan: u32) -> Elements {
    elements(&[
        (2, "4111111111111111"),
        (3, "000000"),
        (4, "000000001000"),
        (7, "1123183400"),
        (11, &format!("{stan:06}")),
        (12, "183400"),
        (13, "1123"),
        (18, "5411"),
        (22, "051"),
        (32, "123456"),
        (37, &format!("632718{stan:06}")),
        (41, "TERM0001"),
        (42, "MERCHANT0000001"),
        (49, "978"),
    ])
}

/// The shop's reversal of a purchase, with its own trace number.
pub(super) fn reversal(stan: u32, own: u32) -> Elements {
    let mut reversal = purchase(stan);
    reversal.set(ElementNo::STAN, format!("{own:06}").as_bytes());
    reversal.set(ElementNo::TRANSMISSION, b"1123183430");
    let original = format!("0200{stan:06}1123183400{:0>11}{:0>11}", "123456", "");
    reversal.set(ElementNo::ORIGINAL, original.as_bytes());
    reversal
}

pub(super) fn elements(values: &[(u8, &str)]) -> Elements {
    let mut elements = Elements::default();
    for (no, value) in values {
        elements.set(ElementNo::new(*no).unwrap(), value.as_bytes());
    }
    elements
}

/// The only message among these.
pub(super) fn only(seen: &[Seen]) -> Seen {
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen[0].clone()
}
