//! Issuers' inboxes: what lies there whole is taken by the ledger's thread, without anybody asking. Must not know what answers say.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bureau::Bureau;
use super::core::Core;
use crate::config::Config;
use crate::iso::BusinessDate;
use crate::ledger::{AnswerSettings, Inbox, Ledger, LedgerError, Moment, TakeReport};
use crate::record::{LinkId, Lsn};

/// Where answers come in, and how they are read.
#[derive(Clone)]
pub(super) struct MailDesk {
    pub(super) directory: PathBuf,
    pub(super) settings: AnswerSettings,
    /// Issuers by their names in clearing: each has a directory of its own, which says whose what lies there is.
    pub(super) issuers: BTreeMap<LinkId, String>,
}

/// What looks after the inboxes.
pub(super) struct Mailroom {
    bureau: Bureau,
    core: Arc<Core>,
    desk: Mutex<MailDesk>,
    busy: AtomicBool,
    next: Mutex<Instant>,
    /// What could not be taken, and when it is tried again.
    held: Mutex<BTreeMap<(LinkId, String), Instant>>,
}

/// How often is looked.
const EVERY: Duration = Duration::from_secs(2);

/// After how long what could not be taken is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// So many files are listed at one look.
const FILES_AT_ONCE: usize = 10;

impl MailDesk {
    pub(super) fn new(config: &Config) -> Self {
        let issuers = config.links.iter().filter(|link| link.answers);
        Self {
            directory: config.clearing.answers.inbox.clone(),
            settings: config.clearing.answers.settings.clone(),
            issuers: issuers.map(|link| (link.id, link.clearing.clone())).collect(),
        }
    }

    pub(super) fn inbox(&self, issuer: LinkId) -> Result<Inbox, LedgerError> {
        let name = self.issuers.get(&issuer).map_or("", String::as_str);
        Inbox::open(&self.directory.join(name))
    }
}

impl Mailroom {
    pub(super) fn new(bureau: Bureau, core: Arc<Core>, desk: MailDesk) -> Arc<Self> {
        Arc::new(Self {
            bureau,
            core,
            desk: Mutex::new(desk),
            busy: AtomicBool::new(false),
            next: Mutex::new(Instant::now()),
            held: Mutex::default(),
        })
    }

    /// Answers are read otherwise from now on. An issuer that is gone keeps its directory: it still owes answers.
    pub(super) fn set_desk(&self, desk: MailDesk) {
        let mut now = lock(&self.desk);
        let mut issuers = std::mem::take(&mut now.issuers);
        // Unless another has its name by now.
        issuers.retain(|_, name| !desk.issuers.values().any(|other| other == name));
        issuers.extend(desk.issuers);
        *now = MailDesk { issuers, ..desk };
    }

    pub(super) fn desk(&self) -> MailDesk {
        lock(&self.desk).clone()
    }

    /// Now, and the day in force.
    pub(super) fn moment(&self) -> Moment {
        let now = self.core.clock().now().wall;
        let day = self.core.day().date;
        // Before the first day begins, that of the calendar.
        Moment { now, day: if day == BusinessDate::default() { now.date() } else { day } }
    }

    /// Has what came in taken, now and then.
    pub(super) fn look(self: &Arc<Self>) {
        let now = Instant::now();
        {
            let mut next = lock(&self.next);
            if now < *next {
                return;
            }
            *next = now + EVERY;
        }
        if self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        // An errand that holds a door to the thread that has yet to do it would keep that thread for ever.
        let room = Arc::downgrade(self);
        self.bureau.errand(Lsn(0), move |ledger| {
            let Some(room) = room.upgrade() else { return };
            let files = room.waiting(now);
            room.go_on(ledger, files, now);
        });
    }

    /// What came in, and whose it is.
    fn waiting(&self, now: Instant) -> VecDeque<(LinkId, String)> {
        let desk = self.desk();
        let mut all = VecDeque::new();
        lock(&self.held).retain(|_, until| now < *until);
        for (issuer, name) in &desk.issuers {
            let files = match desk.inbox(*issuer).and_then(|inbox| inbox.waiting()) {
                Ok(files) => files,
                Err(fault) => {
                    if self.hold((*issuer, String::new()), now) {
                        tracing::error!(issuer = name, %fault, "the inbox for this issuer's answers cannot be read; it is tried again each minute");
                    }
                    continue;
                }
            };
            let files = files.into_iter().map(|file| (*issuer, file));
            all.extend(files.filter(|file| !lock(&self.held).contains_key(file)));
        }
        all.truncate(FILES_AT_ONCE);
        all
    }

    /// Takes the next file, and has the others taken behind whatever else is asked of the ledger meanwhile.
    fn go_on(
        self: &Arc<Self>,
        ledger: &mut Ledger,
        mut files: VecDeque<(LinkId, String)>,
        now: Instant,
    ) {
        let Some((issuer, file)) = files.pop_front() else {
            self.busy.store(false, Ordering::Release);
            return;
        };
        let desk = self.desk();
        let name = desk.issuers.get(&issuer).map_or("", String::as_str);
        let taken = desk.inbox(issuer).and_then(|inbox| {
            ledger.take_answers((issuer, &file), &inbox, &desk.settings, self.moment())
        });
        match taken {
            Ok(report) => tell(name, &file, &report),
            // Who handed it in had it taken.
            Err(LedgerError::Io { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(fault) => {
                self.hold((issuer, file), now);
                tracing::error!(issuer = name, %fault, "a file of answers cannot be taken; it is tried again in a minute");
            }
        }
        let room = Arc::downgrade(self);
        self.bureau.errand(Lsn(0), move |ledger| {
            if let Some(room) = room.upgrade() {
                room.go_on(ledger, files, now);
            }
        });
    }

    /// Whether it was not held before.
    fn hold(&self, what: (LinkId, String), now: Instant) -> bool {
        let mut held = lock(&self.held);
        let new = !held.contains_key(&what);
        held.entry(what).or_insert(now + AGAIN);
        new
    }
}

/// Into the log, what came of a file.
pub(super) fn tell(issuer: &str, file: &str, report: &TakeReport) {
    let name = crate::clearing::answers::fit_to_show(file.as_bytes());
    let exceptions: u64 = report.files.iter().map(|file| file.exceptions).sum();
    let (files, refused) = (report.files.len(), report.refused.len());
    if exceptions == 0 && refused == 0 {
        tracing::info!(issuer, name, files, "answers of an issuer are taken");
    } else {
        tracing::warn!(
            issuer,
            name,
            files,
            refused,
            exceptions,
            "answers of an issuer are taken as far as they can be: see `iso8583d clearing exceptions`"
        );
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
