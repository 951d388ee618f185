//! The configuration, read again while the switch runs: checked as at a start, compared with what holds, and then carried out
//! as a whole, or not at all. Must not decide what a link owes: the engine and the books say that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::board::Board;
use super::captures::Captures;
use super::clerk::Clerk;
use super::core::Core;
use super::days::Days;
use super::directory::Numbers;
use super::house::{captures_desk, entry, hours, of_link, outgoing, paying};
use super::mailroom::{MailDesk, Mailroom};
use super::orders::Orders;
use super::view::Sight;
use super::{descriptors, tell_stale};
use crate::books::BooksError;
use crate::config::{self, Config, Difference, Fate, Link, Report};
use crate::link::{self, Bound, Links};
use crate::meter::Meter;
use crate::record::{LinkId, Lsn};
use crate::switch::{Change, Input, NotReloaded, OrderResult, Owes};

/// Everything that a reload is carried out with.
pub(super) struct Reloader {
    pub(super) core: Arc<Core>,
    pub(super) links: Arc<Links<Core>>,
    pub(super) clerk: Clerk,
    pub(super) orders: Arc<Orders>,
    pub(super) days: Arc<Days>,
    pub(super) captures: Arc<Captures>,
    pub(super) mail: Arc<Mailroom>,
    pub(super) durable: Arc<AtomicU64>,
    pub(super) sight: Arc<Sight>,
    pub(super) board: Arc<Board>,
    pub(super) reopenings: Arc<Reopenings>,
    pub(super) meter: Meter,
    /// One reload at a time.
    pub(super) turn: Semaphore,
    pub(super) running: Mutex<Arc<Running>>,
}

/// What holds now.
pub(super) struct Running {
    config: Config,
    numbers: BTreeMap<LinkId, Numbers>,
    reloads: u64,
}

impl Running {
    pub(super) const fn new(config: Config) -> Self {
        Self { config, numbers: BTreeMap::new(), reloads: 0 }
    }
}

/// Why nothing has changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The configuration has faults, or what only a restart can change.
    #[error("{0}")]
    Faults(Report),
    /// It cannot be carried out now.
    #[error("{0}")]
    Not(String),
}

/// Links that begin anew when their last session is over.
pub(super) struct Reopenings {
    core: Arc<Core>,
    links: Arc<Links<Core>>,
    waiting: Mutex<BTreeMap<LinkId, Reopening>>,
}

/// With what a link begins anew.
struct Reopening {
    link: Link,
    numbers: Numbers,
    bound: Option<Bound>,
}

impl Reopenings {
    pub(super) fn new(core: Arc<Core>, links: Arc<Links<Core>>) -> Self {
        Self { core, links, waiting: Mutex::default() }
    }

    /// The sessions of a link are over: its new settings hold from now on. Sessions that began with the old ones since end.
    pub(super) fn reopen(&self, link: LinkId) {
        let Some(reopening) = self.waiting().remove(&link) else { return };
        let Reopening { link, numbers, bound } = reopening;
        self.core.change_directory(|directory| directory.speak(&link, numbers));
        tracing::info!(link = link.name, "opened anew with its new settings");
        self.links.renew(settings_of(&link, numbers), bound);
        self.core.handle(Input::Reopened { link: link.id });
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<LinkId, Reopening>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn settings_of(link: &Link, numbers: Numbers) -> link::Settings {
    link::Settings { edition: numbers.edition, list: numbers.list, ..of_link(link) }
}

/// A reload that may be carried out.
struct Plan {
    next: Config,
    difference: Difference,
    numbers: BTreeMap<LinkId, Numbers>,
    /// The addresses of links that listen where they did not.
    bound: BTreeMap<LinkId, Bound>,
}

impl Plan {
    fn of(&self, fate: Fate) -> impl Iterator<Item = &Link> {
        self.next.links.iter().filter(move |link| self.difference.fate(&link.name) == fate)
    }

    fn numbers(&self, link: &Link) -> Numbers {
        self.numbers.get(&link.id).copied().unwrap_or_default()
    }
}

impl Reloader {
    /// Reads the configuration again, of which `file` is the name if somebody gave one; says what has changed, or why nothing has.
    pub(super) async fn reload(&self, file: Option<&Path>) -> Result<Value, Refused> {
        let done = self.try_reload(file).await;
        if done.is_err() {
            self.meter.config_refused();
        }
        done
    }

    async fn try_reload(&self, file: Option<&Path>) -> Result<Value, Refused> {
        let _turn = self.turn.acquire().await.or_else(|_closed| stops())?;
        let running = self.running();
        let own = running.config.file.clone();
        if let Some(other) = file.filter(|file| !is_same(file, &own)) {
            return Err(Refused::Not(format!(
                "the switch on this state directory runs with {}, and not with {}: nothing has changed",
                own.display(),
                other.display()
            )));
        }
        let next = tokio::task::spawn_blocking(move || config::load(&own))
            .await
            .or_else(|_ended| stops())?
            .map_err(Refused::Faults)?;
        if let Some(report) = config::needs_restart(&running.config, &next) {
            return Err(Refused::Faults(report));
        }
        let plan = self.plan(&running, next)?;
        if plan.difference.is_nothing() {
            tell_stale(&plan.next);
            return Ok(told(&plan.difference));
        }
        if let Some(link) = self.reopenings.waiting().keys().next().copied() {
            // What waits there is of a reload that was carried out, and stays.
            let why = NotReloaded::Parting(link);
            return Err(Refused::Not(why_not(&why, &running.config, &plan.next)));
        }
        let listed = self.nothing_listed(&running.config, &plan).await?;
        self.prepare(&plan).await?;
        if let Err(refused) = self.change(&running.config, &plan, listed).await {
            self.reopenings.waiting().clear();
            return Err(refused);
        }
        self.carry_out(&running.config, &plan);
        let said = told(&plan.difference);
        let Plan { next, numbers, .. } = plan;
        let reloads = running.reloads + 1;
        *self.lock() = Arc::new(Running { config: next, numbers, reloads });
        Ok(said)
    }

    fn running(&self) -> Arc<Running> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Running>> {
        // One pointer: what a dead thread left is whole.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of each link, with the addresses that it needs bound.
    fn plan(&self, running: &Running, next: Config) -> Result<Plan, Refused> {
        let difference = Difference::new(&running.config, &next);
        let number = running.reloads + 1;
        let mut numbers = running.numbers.clone();
        let mut bound = BTreeMap::new();
        for link in &next.links {
            let before = running.config.links.iter().find(|before| before.id == link.id);
            let fresh = matches!(difference.fate(&link.name), Fate::Added | Fate::Anew);
            let known = numbers.entry(link.id).or_default();
            if fresh {
                known.edition = number;
            }
            if fresh || before.is_some_and(|before| before.clients != link.clients) {
                known.list = number;
            }
            let listens = before.and_then(|before| before.place.listens_on());
            if fresh && listens != link.place.listens_on() {
                let address = self.bind(running, &difference, link)?;
                bound.extend(address.map(|address| (link.id, address)));
            }
        }
        Ok(Plan { next, difference, numbers, bound })
    }

    /// The address at which a link is to listen: bound now, or taken over from a link that listens there no more.
    fn bind(
        &self,
        running: &Running,
        difference: &Difference,
        link: &Link,
    ) -> Result<Option<Bound>, Refused> {
        let wanted = link.place.listens_on().filter(|address| address.port() != 0);
        let leaves = |before: &&Link| {
            let fate = difference.fate(&before.name);
            matches!(fate, Fate::Removed | Fate::Anew) && before.place.listens_on() == wanted
        };
        let before = running.config.links.iter().find(leaves).filter(|_| wanted.is_some());
        match before.and_then(|before| self.links.bound(before.id)) {
            Some(bound) => Ok(Some(bound)),
            None => Bound::new(&of_link(link))
                .map_err(|fault| Refused::Not(format!("{fault}; nothing has changed"))),
        }
    }

    /// Links that go have nothing on the operator's list; says how far the books had followed.
    async fn nothing_listed(&self, now: &Config, plan: &Plan) -> Result<Lsn, Refused> {
        let (next, difference) = (&plan.next, &plan.difference);
        let from = Lsn(self.durable.load(Ordering::Acquire));
        let asked = |config: &Config, id| {
            config.links.iter().any(|link: &Link| link.id == id && link.answers)
        };
        let gone: Vec<(String, LinkId)> = now
            .links
            .iter()
            .filter(|link| {
                difference.fate(&link.name) == Fate::Removed
                    || link.answers && !asked(next, link.id)
            })
            .map(|link| (link.name.clone(), link.id))
            .collect();
        if gone.is_empty() {
            return Ok(from);
        }
        let (sender, receiver) = oneshot::channel();
        let mut once = Some((gone, sender));
        self.clerk.errand(from, move |books| {
            let Some((gone, sender)) = once.take() else { return Ok(()) };
            let listed: Result<Vec<_>, BooksError> =
                gone.into_iter().map(|(name, link)| Ok((name, books.listed_of(link)?))).collect();
            // Whoever asked may have left.
            drop(sender.send(listed));
            Ok(())
        });
        let listed = from_books(receiver).await?;
        let listed = listed.map_err(|fault| Refused::Not(fault.to_string()))?;
        let owing: Vec<String> = listed
            .into_iter()
            .filter(|(_, counts)| *counts != (0, 0))
            .map(|(name, (debts, orphans))| {
                let parts = [
                    (debts, "on the list of `ctl owed` (owed, unconfirmed, or given up)"),
                    (orphans, "approvals that answer nothing, on the same list"),
                ];
                owing_line(&name, parts)
            })
            .collect();
        if owing.is_empty() { Ok(from) } else { Err(Refused::Not(still_owes(&owing))) }
    }

    /// What may fail, and what does no harm though nothing comes of it.
    async fn prepare(&self, plan: &Plan) -> Result<(), Refused> {
        let names: Vec<String> = plan.of(Fate::Added).map(|link| link.name.clone()).collect();
        if !names.is_empty() {
            let (sender, receiver) = oneshot::channel();
            let mut sender = Some(sender);
            self.clerk.errand(Lsn(0), move |books| {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                books.name_links(&names)?;
                sender.take().map(|sender| sender.send(()));
                Ok(())
            });
            from_books(receiver).await?;
        }
        self.core.change_directory(|directory| {
            directory.narrator = Arc::new(directory.narrator.with(&plan.next.links));
            for link in &plan.next.links {
                directory.list(link, plan.numbers(link));
            }
            for link in plan.of(Fate::Added) {
                directory.speak(link, plan.numbers(link));
            }
        });
        let mut waiting = self.reopenings.waiting();
        for link in plan.of(Fate::Anew) {
            let (numbers, bound) = (plan.numbers(link), plan.bound.get(&link.id).cloned());
            waiting.insert(link.id, Reopening { link: link.clone(), numbers, bound });
        }
        drop(waiting);
        Ok(())
    }

    /// The engine goes by the new settings from now on, or refuses all of them.
    async fn change(&self, now: &Config, plan: &Plan, listed: Lsn) -> Result<(), Refused> {
        let anew: BTreeSet<LinkId> = plan.of(Fate::Anew).map(|link| link.id).collect();
        let same_routes = !plan.difference.routes;
        let change = Change { settings: plan.next.engine(), same_routes, anew, listed };
        let (id, result) = self.orders.give();
        self.core.handle(Input::Reload { id, change: Box::new(change) });
        let result = result.await.or_else(|_closed| stops())?;
        match result {
            OrderResult::Reloaded => Ok(()),
            OrderResult::NotReloaded(why) => Err(Refused::Not(why_not(&why, now, &plan.next))),
            _ => Err(Refused::Not("the switch answers something else".to_owned())),
        }
    }

    /// Everything beside the engine.
    fn carry_out(&self, now: &Config, plan: &Plan) {
        for name in plan.difference.of(Fate::Removed) {
            if let Some(link) = now.links.iter().find(|link| link.name == name) {
                self.links.shut(link.id);
            }
        }
        for link in plan.of(Fate::Added) {
            let settings = settings_of(link, plan.numbers(link));
            self.links.open_at(settings, plan.bound.get(&link.id).cloned());
        }
        for link in plan.of(Fate::Changed) {
            self.links.renew(settings_of(link, plan.numbers(link)), None);
        }
        self.board.set(plan.next.links.iter().map(entry).collect());
        self.days.set_outgoing(outgoing(&plan.next));
        self.days.set_paying(paying(&plan.next));
        self.days.set_hours(hours(&plan.next));
        self.captures.set_desk(captures_desk(&plan.next));
        self.mail.set_desk(MailDesk::new(&plan.next));
        self.sight.set_limits(&plan.next.daemon);
        self.core.set_queue_bytes_max(plan.next.daemon.queue_bytes_max);
        tell_stale(&plan.next);
        if let Some(short) = descriptors::shortage(&plan.next) {
            tracing::warn!("{short}");
        }
    }
}

/// How long the books may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

async fn from_books<T>(answer: oneshot::Receiver<T>) -> Result<T, Refused> {
    match timeout(PATIENCE, answer).await {
        Ok(answer) => answer.or_else(|_closed| stops()),
        Err(_elapsed) => Err(Refused::Not(
            "the books do not answer: nothing has changed; see the log, and /readyz".to_owned(),
        )),
    }
}

fn stops<T>() -> Result<T, Refused> {
    Err(Refused::Not("the switch stops".to_owned()))
}

fn is_same(file: &Path, own: &Path) -> bool {
    match (file.canonicalize(), own.canonicalize()) {
        (Ok(file), Ok(own)) => file == own,
        _ => file == own,
    }
}

fn why_not(why: &NotReloaded, now: &Config, next: &Config) -> String {
    let name = |id: LinkId| {
        let mut links = now.links.iter().chain(&next.links);
        links.find(|link| link.id == id).map_or_else(String::new, |link| link.name.clone())
    };
    match why {
        NotReloaded::Owes(owing) => {
            let lines: Vec<String> =
                owing.iter().map(|owes| owing_line(&name(owes.link), parts_of(owes))).collect();
            still_owes(&lines)
        }
        NotReloaded::Parting(link) => format!(
            "an earlier reload still waits for what is in flight on link `{}`, which it opens anew: nothing has changed; try again when `iso8583d ctl links` does not show it as draining",
            name(*link)
        ),
        NotReloaded::Timing(link) => format!(
            "the dialect of link `{}` says otherwise than before whether its network repeats element 7, and what was sent is found by that: nothing has changed; `dialect` of this link needs a restart",
            name(*link)
        ),
        NotReloaded::Draining => "the switch is about to stop: nothing has changed".to_owned(),
    }
}

fn parts_of(owes: &Owes) -> [(u64, &'static str); 7] {
    [
        (owes.in_flight.into(), "requests in flight to it"),
        (owes.asking.into(), "requests of its own that wait for an answer"),
        (owes.reversals.into(), "reversals owed to it"),
        (owes.advices.into(), "advices owed to it"),
        (owes.unconfirmed.into(), "reversals that are asked once more"),
        (owes.looked_up.into(), "approvals that are being looked up"),
        (owes.listed.into(), "entry that has just come on the list of `ctl owed`"),
    ]
}

fn owing_line<const N: usize>(name: &str, parts: [(u64, &'static str); N]) -> String {
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
    format!("link `{name}`: {}", parts.join(", "))
}

fn still_owes(lines: &[String]) -> String {
    format!(
        "a link that owes, or on which something is in flight, is not taken away or renamed, nor made one that is asked no more: nothing has changed\n{}\nhelp: `iso8583d ctl link NAME drain` lets what is in flight end; what is owed is acknowledged in time, or sent again or written off: `iso8583d ctl owed`, `requeue`, `write-off`",
        lines.join("\n")
    )
}

/// A line of the log about what has changed.
pub(super) fn log(said: &Value) -> &str {
    let said = said.get("said").and_then(Value::as_str).unwrap_or_default();
    tracing::info!("{said}");
    said
}

/// Every fault, or what is owed, in the log.
pub(super) fn log_refused(refused: &Refused) {
    match refused {
        Refused::Not(why) => {
            tracing::error!("the configuration was read again and not taken: {why}");
        }
        Refused::Faults(report) => {
            tracing::error!(
                "the configuration was read again and not taken: nothing has changed\n{report}"
            );
        }
    }
}

/// What has changed, for people and for programs.
fn told(difference: &Difference) -> Value {
    let of = |fate| difference.of(fate);
    json!({
        "ok": true,
        "said": sentence(difference),
        "added": of(Fate::Added),
        "removed": of(Fate::Removed),
        "changed": of(Fate::Changed),
        "anew": of(Fate::Anew),
        "kept": of(Fate::Kept),
        "certificates": difference.certificates,
        "routes": difference.routes,
        "others": difference.others,
    })
}

/// The same in words.
fn sentence(difference: &Difference) -> String {
    if difference.is_nothing() {
        return "nothing is different: nothing has changed".to_owned();
    }
    let mut parts = Vec::new();
    for (fate, what) in [
        (Fate::Added, "added"),
        (Fate::Removed, "removed"),
        (Fate::Changed, "changed, its sessions go on"),
        (Fate::Anew, "closed and opened anew when nothing on it is in flight"),
    ] {
        parts.extend(difference.of(fate).iter().map(|name| format!("link {name} {what}")));
    }
    let kept = difference.of(Fate::Kept).len();
    parts.push(format!(
        "{kept} link{} kept as {}",
        plural(kept),
        if kept == 1 { "it is" } else { "they are" }
    ));
    for name in &difference.certificates {
        parts.push(format!(
            "other certificates, keys or lists on link {name} for whoever comes from now on"
        ));
    }
    if difference.routes {
        parts.push("other routes".to_owned());
    }
    if !difference.others.is_empty() {
        parts.push(format!("also {}", difference.others.join(", ")));
    }
    format!("reloaded: {}", parts.join("; "))
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
