//! Merchants' files: the inbox is looked at by the clock, and by order; what waits in the ledger is looked at again. Must not know
//! what a claim says.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::bureau::Bureau;
use super::control::Desk;
use super::core::Core;
use crate::iso::looks_like_a_card;
use crate::ledger::{CaptureSettings, Inbox, Ledger, LedgerError, Taken};
use crate::record::Lsn;

/// Where merchants' files come in, and how they are taken.
#[derive(Clone)]
pub(super) struct CapturesDesk {
    pub(super) inbox: PathBuf,
    pub(super) settings: CaptureSettings,
}

/// What looks after merchants' files.
pub(super) struct Captures {
    core: Arc<Core>,
    bureau: Bureau,
    desk: Mutex<CapturesDesk>,
    /// Whether the ledger's thread has yet to come to it.
    asked: AtomicBool,
    /// When the inbox is looked at again, after it could not be.
    due: Mutex<Instant>,
    /// When what waits is looked at again.
    retry_due: Mutex<Instant>,
    /// What became of the last files, for who asks about one that was just taken by the clock.
    recent: Mutex<VecDeque<(String, Value)>>,
}

/// After how long what failed is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// What waits takes at most one part in so many of the ledger's time.
const RETRY_SHARE: u32 = 20;

/// And at most so much while it knows less than the books: what waits can be looked at only when it has got there.
const INDEX_SHARE: u32 = 4;

/// Of so many files it is remembered what became of them.
const RECENT_MAX: usize = 64;

impl Captures {
    pub(super) fn new(core: Arc<Core>, bureau: Bureau, desk: CapturesDesk) -> Arc<Self> {
        let desk = Mutex::new(desk);
        let [due, retry_due] = [(); 2].map(|()| Mutex::new(Instant::now()));
        let (asked, recent) = (AtomicBool::new(false), Mutex::default());
        Arc::new(Self { core, bureau, desk, asked, due, retry_due, recent })
    }

    /// Files are taken otherwise from now on.
    pub(super) fn set_desk(&self, desk: CapturesDesk) {
        *lock(&self.desk) = desk;
    }

    pub(super) fn inbox(&self) -> PathBuf {
        lock(&self.desk).inbox.clone()
    }

    /// Has what is in the inbox taken, and what waits looked at again.
    pub(super) fn look(self: &Arc<Self>) {
        if Instant::now() < *lock(&self.due) || self.asked.swap(true, Ordering::AcqRel) {
            return;
        }
        // An errand that holds a door to the thread that has yet to do it would keep that thread for ever.
        let captures = Arc::downgrade(self);
        self.bureau.errand(Lsn(0), move |ledger| {
            let Some(captures) = captures.upgrade() else { return };
            let waiting = Inbox::open(&captures.inbox()).and_then(|inbox| inbox.waiting());
            let names = waiting.unwrap_or_else(|fault| captures.failed(&fault));
            captures.go_on(ledger, names.into());
        });
    }

    /// Takes the next file, and has the others taken behind whatever else is asked of the ledger meanwhile.
    fn go_on(self: &Arc<Self>, ledger: &mut Ledger, mut names: VecDeque<String>) {
        let Some(name) = names.pop_front() else {
            if let Err(fault) = self.retry(ledger) {
                self.failed(&fault);
            }
            self.asked.store(false, Ordering::Release);
            return;
        };
        // One that cannot be taken holds up no other.
        match Inbox::open(&self.inbox()).and_then(|inbox| self.take(ledger, &inbox, &name)) {
            Ok(_) => {}
            // Who handed it in had it taken.
            Err(LedgerError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(fault) => drop(self.failed(&fault)),
        }
        let captures = Arc::downgrade(self);
        self.bureau.errand(Lsn(0), move |ledger| {
            if let Some(captures) = captures.upgrade() {
                captures.go_on(ledger, names);
            }
        });
    }

    /// It is tried again later; until then there is nothing to take.
    fn failed(&self, fault: &LedgerError) -> Vec<String> {
        tracing::error!(%fault, "merchants' files cannot be taken; they are tried again in a minute");
        *lock(&self.due) = Instant::now() + AGAIN;
        Vec::new()
    }

    /// Looks again at what waits.
    fn retry(&self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        let settings = lock(&self.desk).settings.clone();
        let began = Instant::now();
        if began < *lock(&self.retry_due) {
            return Ok(());
        }
        let now = self.core.clock().now().wall;
        let became = ledger.retry_captures(&settings, now)?;
        // However much waits, the ledger has time for other things.
        let share = if ledger.knows_less() { INDEX_SHARE } else { RETRY_SHARE };
        *lock(&self.retry_due) = began + began.elapsed() * share;
        if became > 0 {
            tracing::info!(became, "claims that waited do so no more");
        }
        Ok(())
    }

    /// Takes one file, and says what became of it.
    fn take(&self, ledger: &mut Ledger, inbox: &Inbox, name: &str) -> Result<Value, LedgerError> {
        let settings = lock(&self.desk).settings.clone();
        let now = self.core.clock().now().wall;
        let taken = ledger.take_captures(name, inbox, &settings, now)?;
        tell(name, &taken);
        let value = listed(name, &taken);
        let mut recent = lock(&self.recent);
        recent.truncate(RECENT_MAX - 1);
        recent.push_front((name.to_owned(), value.clone()));
        Ok(value)
    }

    /// Takes a file that somebody put in, unless the clock did so before.
    fn submitted(&self, ledger: &mut Ledger, name: &str) -> Result<Value, LedgerError> {
        let inbox = Inbox::open(&self.inbox())?;
        let taken = self.take(ledger, &inbox, name);
        match &taken {
            Err(LedgerError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                let recent = lock(&self.recent);
                let found = recent.iter().find(|(known, _)| known == name);
                found.map_or(taken, |(_, value)| Ok(value.clone()))
            }
            _ => taken,
        }
    }
}

impl Desk {
    /// Where merchants' files go; or takes the one of that name from there.
    pub(super) async fn submit(&self, name: Option<String>) -> Result<Vec<Value>, String> {
        let Some(name) = name else {
            return Ok(vec![json!({ "ok": true, "inbox": self.captures.inbox() })]);
        };
        let captures = Arc::downgrade(&self.captures);
        let value = self
            .ask_ledger(move |ledger| {
                captures.upgrade().map(|captures| captures.submitted(ledger, &name)).transpose()
            })
            .await?;
        value.map(|value| vec![value]).ok_or_else(|| "the switch stops".to_owned())
    }
}

fn tell(name: &str, taken: &Taken) {
    let name = if looks_like_a_card(name) { "(a name like a card number)" } else { name };
    let of = |state: &str| -> i64 {
        taken.counts.iter().filter(|one| one.state == state).map(|one| one.count).sum()
    };
    if let Some(fault) = &taken.refused {
        tracing::warn!(name, fault, "a merchant's file is refused; nothing of it was taken");
        return;
    }
    tracing::info!(
        name,
        again = taken.again,
        accepted = of("accepted"),
        warned = of("warned"),
        pending = of("pending"),
        rejected = of("rejected"),
        duplicate = of("duplicate"),
        "a merchant's file is taken"
    );
}

fn listed(name: &str, taken: &Taken) -> Value {
    let counts: Vec<Value> = taken
        .counts
        .iter()
        .map(|one| {
            json!({
                "state": one.state,
                "currency": one.currency,
                "count": one.count,
                "amount": one.amount,
            })
        })
        .collect();
    json!({
        "ok": true,
        "file": name,
        "merchant": taken.merchant,
        "file_id": taken.file,
        "state": if taken.refused.is_some() { "refused" } else { "taken" },
        "fault": taken.refused,
        "again": taken.again,
        "counts": counts,
        "result": taken.result,
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a dead thread left is whole: each is exchanged at once.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
