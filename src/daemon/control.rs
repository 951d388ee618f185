//! Commands to the running daemon: a unix socket in its state directory, one JSON line in, JSON lines out.
//!
//! The last line of an answer is `{"ok":true, ...}` or `{"ok":false,"error":"..."}`.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader as Lines};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::board::Board;
use super::bureau::Bureau;
use super::captures::Captures;
use super::clerk::Clerk;
use super::core::Core;
use super::days::Days;
use super::listing;
use super::mailroom::Mailroom;
use super::orders::Orders;
use super::reload::{self, Refused, Reloader};
use super::settlement::Wanted;
use super::state::{State, StateError};
use crate::books::{Books, BooksError};
use crate::link::Links;
use crate::record::{Lsn, Owing, Remark, Ruling, TxnId};
use crate::switch::{self, Input, Order, OrderResult};

/// What may be asked of a running daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// Read the configuration again.
    Reload {
        /// The file, where somebody names it: it has to be the daemon's own.
        #[serde(default)]
        file: Option<PathBuf>,
    },
    /// The links and their sessions.
    Links,
    /// Something is wanted of a link.
    Link {
        /// Its name.
        name: String,
        /// What.
        order: LinkOrder,
    },
    /// What is owed, given up or unknown.
    Owed {
        /// How much of each list is wanted.
        #[serde(default = "lines_max")]
        limit: u32,
    },
    /// The business day: the date in force, the last that was cut, and what is not written yet.
    Day,
    /// End a day, and write its files.
    Cut {
        /// The day, like `2026-11-23`.
        date: String,
    },
    /// How many claims, files and items are in which state.
    Status,
    /// Send a dead letter again.
    Requeue {
        /// Of which transaction.
        txn: u64,
        /// `advice` or `reversal`, where it has both.
        #[serde(default)]
        owing: Option<Debt>,
        /// Who orders it; the caller's user where nobody is named.
        #[serde(default)]
        by: Option<String>,
    },
    /// Take a dead letter, or an orphan, off the list.
    WriteOff {
        /// The transaction, or the `lsn` of the orphan.
        about: u64,
        /// `advice` or `reversal`, where it has both.
        #[serde(default)]
        owing: Option<Debt>,
        /// Why.
        reason: String,
        /// Who orders it; the caller's user where nobody is named.
        #[serde(default)]
        by: Option<String>,
    },
    /// The batches of terminals.
    Batches {
        /// How many are wanted.
        #[serde(default = "lines_max")]
        limit: u32,
    },
    /// What hosts said that their days come to.
    Reconciliations {
        /// How many are wanted.
        #[serde(default = "lines_max")]
        limit: u32,
    },
    /// Where an issuer's answers are put.
    Inbox {
        /// Its name in clearing; not needed where there is one alone.
        #[serde(default)]
        issuer: Option<String>,
    },
    /// Take a file of answers that is there.
    Receive {
        /// Whose.
        issuer: String,
        /// Its name in the inbox.
        name: String,
    },
    /// Present a rejected item, or one that was charged back, once more.
    Represent {
        /// The rejected item, or the charge-back, or `file:NAME` for all of a file.
        id: String,
        /// Minor units, where it is less than all of a charge-back.
        #[serde(default)]
        amount: Option<i64>,
        /// Why, as a code of four digits.
        #[serde(default)]
        reason: Option<String>,
        /// Who orders it; the caller's user where nobody is named.
        #[serde(default)]
        by: Option<String>,
    },
    /// Give a rejected item up, at its merchant's cost.
    GiveUp {
        /// Which, or `file:NAME` for all of a file.
        id: String,
        /// Who orders it; the caller's user where nobody is named.
        #[serde(default)]
        by: Option<String>,
    },
    /// What fits nowhere in clearing.
    Exceptions {
        /// How many are wanted.
        #[serde(default = "lines_max")]
        limit: u32,
    },
    /// Cut what has been waiting until now, within the day in force.
    CutNow,
    /// Take a merchant's file out of the inbox, and wait for the result.
    Submit {
        /// Its name there; without one it is told where the inbox is.
        #[serde(default)]
        name: Option<String>,
    },
    /// Take an exception off the list.
    CloseException {
        /// Which.
        exception: i64,
        /// Why.
        reason: String,
        /// Who orders it; the caller's user where nobody is named.
        #[serde(default)]
        by: Option<String>,
    },
    /// Charge-backs, with the day by which each is to be answered.
    Chargebacks {
        /// How many are wanted.
        #[serde(default = "lines_max")]
        limit: u32,
    },
    /// The life of one thing in clearing.
    Explain {
        /// What: a number, a file's name, a reference.
        id: String,
    },
    /// Pay merchants what they have at a cut.
    PayOut {
        /// The day.
        date: String,
        /// The cycle; 0 is the day's own end.
        #[serde(default)]
        cycle: u32,
    },
    /// An issuer paid.
    Funds {
        /// The name of its link.
        issuer: String,
        /// How much, with the decimals of the currency.
        amount: String,
        /// Three digits or letters.
        currency: String,
        /// What the bank's statement calls it.
        reference: String,
        /// On which day.
        date: String,
    },
    /// Write a report.
    Report {
        /// Which.
        kind: String,
        /// Of which day; the one in force where none is said.
        #[serde(default)]
        date: Option<String>,
        /// Of one cycle of it alone.
        #[serde(default)]
        cycle: Option<u32>,
        /// `csv`, `json` or `html`.
        format: String,
        /// Of one merchant alone.
        #[serde(default)]
        merchant: Option<String>,
        /// Of one issuer alone.
        #[serde(default)]
        issuer: Option<String>,
    },
}

/// Which debt of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Debt {
    /// The advice itself.
    Advice,
    /// The reversal.
    Reversal,
}

impl From<Debt> for Owing {
    fn from(debt: Debt) -> Self {
        match debt {
            Debt::Advice => Self::Advice,
            Debt::Reversal => Self::Reversal,
        }
    }
}

/// What may be wanted of a link. It holds until the next order, or until the daemon stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkOrder {
    /// In service.
    Up,
    /// Nothing new; what is in flight is answered.
    Drain,
    /// Out of service, at once.
    Down,
    /// An echo test on each session.
    Echo,
}

impl From<LinkOrder> for switch::LinkOrder {
    fn from(order: LinkOrder) -> Self {
        match order {
            LinkOrder::Up => Self::Up,
            LinkOrder::Drain => Self::Drain,
            LinkOrder::Down => Self::Down,
            LinkOrder::Echo => Self::Echo,
        }
    }
}

/// How many lines of each list are shown unless somebody wants more.
pub const LINES_MAX: u32 = 1000;

const fn lines_max() -> u32 {
    LINES_MAX
}

/// What commands are carried out with.
pub(super) struct Desk {
    pub(super) core: Arc<Core>,
    pub(super) links: Arc<Links<Core>>,
    pub(super) clerk: Clerk,
    pub(super) orders: Arc<Orders>,
    pub(super) durable: Arc<AtomicU64>,
    pub(super) board: Arc<Board>,
    pub(super) reloader: Arc<Reloader>,
    /// Where the operator's window is.
    pub(super) console: Option<SocketAddr>,
    pub(super) days: Arc<Days>,
    pub(super) bureau: Bureau,
    pub(super) captures: Arc<Captures>,
    pub(super) mail: Arc<Mailroom>,
}

/// Opens the socket; what an earlier process left of it goes.
pub(super) fn bind(state: &State) -> Result<UnixListener, StateError> {
    let path = State::socket(state.directory());
    State::clear(&path)?;
    let fault = |source| StateError::Io { doing: "listen on", path: path.clone(), source };
    let listener = UnixListener::bind(&path).map_err(fault)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(fault)?;
    Ok(listener)
}

/// Serves one caller after the other's connection was accepted; callers do not wait for each other.
pub(super) async fn serve(
    desk: Arc<Desk>,
    listener: UnixListener,
    tasks: tokio_util::task::TaskTracker,
) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let desk = Arc::clone(&desk);
                tasks.spawn(async move {
                    // A caller that hangs up does not hear the answer.
                    drop(desk.converse(socket).await);
                });
            }
            Err(fault) => {
                tracing::warn!(%fault, "a command was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// No command is longer; of a line that is, so much is read.
const LINE_BYTES_MAX: u64 = 4096;

/// How long a caller may take to say what he wants.
const SAYING: Duration = Duration::from_secs(10);

impl Desk {
    async fn converse(&self, mut socket: UnixStream) -> io::Result<()> {
        let user =
            socket.peer_cred().map_or_else(|_| "unknown".into(), |peer| peer.uid().to_string());
        let (read, mut write) = socket.split();
        let mut lines = Lines::new(read.take(LINE_BYTES_MAX)).lines();
        // One command a connection: the caller reads to the end.
        let line = tokio::time::timeout(SAYING, lines.next_line()).await;
        let Some(line) = line.map_err(io::Error::from)?? else { return Ok(()) };
        let mut answer = String::new();
        for value in self.carry_out(&line, &user).await {
            answer.push_str(&value.to_string());
            answer.push('\n');
        }
        write.write_all(answer.as_bytes()).await?;
        write.shutdown().await
    }

    async fn carry_out(&self, line: &str, user: &str) -> Vec<Value> {
        let answered = match serde_json::from_str::<Command>(line) {
            Ok(Command::Reload { file }) => return vec![self.reload(file, user).await],
            Ok(Command::Links) => Ok(self.list_links()),
            Ok(Command::Link { name, order }) => self.order_link(&name, order).await,
            Ok(Command::Owed { limit }) => self.list_owed(limit).await,
            Ok(Command::Day) => Ok(vec![listing::day(&self.core.day(), &self.days.unwritten())]),
            Ok(Command::Cut { date }) => self.cut(&date).await,
            Ok(Command::CutNow) => self.cut_now().await,
            Ok(Command::Status) => self.status().await,
            Ok(Command::Batches { limit }) => self.list_batches(limit).await,
            Ok(Command::Reconciliations { limit }) => self.list_reconciliations(limit).await,
            Ok(Command::Requeue { txn, owing, by }) => self.requeue(txn, owing, (by, user)).await,
            Ok(Command::WriteOff { about, owing, reason, by }) => {
                self.write_off((about, owing), &reason, (by, user)).await
            }
            Ok(Command::Submit { name }) => self.submit(name).await,
            Ok(
                command @ (Command::Inbox { .. }
                | Command::Receive { .. }
                | Command::Represent { .. }
                | Command::GiveUp { .. }
                | Command::Exceptions { .. }
                | Command::CloseException { .. }
                | Command::Chargebacks { .. }
                | Command::Explain { .. }),
            ) => self.answers(command, user).await,
            Ok(Command::PayOut { date, cycle }) => self.pay_out(&date, cycle).await,
            Ok(Command::Funds { issuer, amount, currency, reference, date }) => {
                self.book_funds((&issuer, &amount, &currency), (reference, &date)).await
            }
            Ok(Command::Report { kind, date, cycle, format, merchant, issuer }) => {
                let (kind, format) = (&*kind, &*format);
                let (date, issuer) = (date.as_deref(), issuer.as_deref());
                self.report(Wanted { kind, date, cycle, format, merchant, issuer }).await
            }
            Err(fault) => Err(format!("not a command: {fault}")),
        };
        answered.unwrap_or_else(|error| vec![json!({ "ok": false, "error": error })])
    }

    async fn reload(&self, file: Option<PathBuf>, user: &str) -> Value {
        tracing::info!(user, "audit: an operator has the configuration read again");
        match self.reloader.reload(file.as_deref()).await {
            Ok(said) => {
                reload::log(&said);
                said
            }
            Err(refused) => {
                reload::log_refused(&refused);
                let faults = matches!(refused, Refused::Faults(_));
                json!({ "ok": false, "error": refused.to_string(), "faults": faults })
            }
        }
    }

    fn list_links(&self) -> Vec<Value> {
        let (sessions, views) = (self.links.snapshot(), self.core.links());
        let line = |entry: &listing::Entry| {
            listing::link((entry, self.links.listens_at(entry.id)), &views, &sessions)
        };
        let mut lines: Vec<Value> = self.board.entries().iter().map(line).collect();
        lines.push(json!({
            "ok": true,
            "in_flight": self.core.pulse().in_flight,
            "console": self.console.map(|address| address.to_string()),
        }));
        lines
    }

    async fn order_link(&self, name: &str, order: LinkOrder) -> Result<Vec<Value>, String> {
        let roster = self.board.entries();
        let named = roster.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let names: Vec<_> = roster.iter().map(|entry| entry.name.as_str()).collect();
            format!("there is no link {name:?}; there are: {}", names.join(", "))
        })?;
        tracing::info!(link = name, ?order, "audit: an operator's order");
        let result = self.order(Order::Link(named.id, order.into())).await?;
        let OrderResult::Link(view) = result else { return Err("the switch stops".to_owned()) };
        let listens = self.links.listens_at(named.id);
        let mut line = listing::link((named, listens), &[view], &self.links.snapshot());
        if let Some(line) = line.as_object_mut() {
            line.insert("ok".to_owned(), json!(true));
        }
        Ok(vec![line])
    }

    /// Gives the engine an order, and waits until what became of it is durable.
    pub(super) async fn order(&self, order: Order) -> Result<OrderResult, String> {
        let (id, result) = self.orders.give();
        self.core.handle(Input::Ordered { id, order });
        match result.await.map_err(|_closed| "the switch stops")? {
            OrderResult::Denied(denied) => Err(denied.to_string()),
            result => Ok(result),
        }
    }

    async fn list_owed(&self, limit: u32) -> Result<Vec<Value>, String> {
        let names = listing::Names::new(&self.board.entries());
        let now = self.core.clock().now().wall;
        self.ask_books(self.durable(), move |books| listing::owed(books, &names, now, limit))
            .await?
            .map_err(|fault: BooksError| fault.to_string())
    }

    async fn requeue(
        &self,
        txn: u64,
        owing: Option<Debt>,
        who: (Option<String>, &str),
    ) -> Result<Vec<Value>, String> {
        let by = name(who)?;
        let order = Order::Requeue { txn: TxnId(txn), owing: owing.map(Owing::from), by };
        let OrderResult::Requeued { owing } = self.order(order).await? else {
            return Err("the switch answers something else".to_owned());
        };
        self.tell_order(("requeued", "requeued"), Lsn(txn), Some(owing)).await
    }

    async fn write_off(
        &self,
        (about, owing): (u64, Option<Debt>),
        reason: &str,
        who: (Option<String>, &str),
    ) -> Result<Vec<Value>, String> {
        let by = name(who)?;
        let why = Remark::reason(reason).map_err(|fault| format!("--reason: {fault}"))?;
        let (about, owing) = (Lsn(about), owing.map(Owing::from));
        let order = Order::WriteOff { about, owing, ruling: Ruling { by, why } };
        let OrderResult::WrittenOff { owing } = self.order(order).await? else {
            return Err("the switch answers something else".to_owned());
        };
        let kind = if owing.is_some() { "written_off" } else { "orphan_written_off" };
        self.tell_order((kind, "written_off"), about, owing).await
    }

    /// Tells of an order as the books have it: the same, however often it is given.
    async fn tell_order(
        &self,
        (kind, done): (&'static str, &'static str),
        about: Lsn,
        owing: Option<Owing>,
    ) -> Result<Vec<Value>, String> {
        let ordered = self
            .ask_books(self.durable(), move |books| books.ordered(kind, about, owing))
            .await?
            .map_err(|fault| fault.to_string())?;
        Ok(vec![listing::ordered(done, about, owing, ordered.as_ref())])
    }

    pub(super) fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// Has something done on the books' thread, when the books have followed far enough.
    pub(super) async fn ask_books<T: Send + 'static>(
        &self,
        from: Lsn,
        work: impl FnOnce(&mut Books) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (sender, receiver) = oneshot::channel();
        let mut once = Some((work, sender));
        self.clerk.errand(from, move |books| {
            if let Some((work, sender)) = once.take() {
                // Whoever asked may have left.
                drop(sender.send(work(books)));
            }
            Ok(())
        });
        receiver.await.or(Err("the switch stops".to_owned()))
    }
}

/// Who gives an order: the name that is given, or the user who calls.
pub(super) fn name((by, user): (Option<String>, &str)) -> Result<Remark, String> {
    let by = by.unwrap_or_else(|| format!("uid {user}"));
    Remark::name(&by).map_err(|fault| format!("--by: {fault}"))
}
