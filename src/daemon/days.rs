//! Cuts whose files nobody waits for: they are written by the ledger's thread, and tried again until they are there. Must not
//! know why a day ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bureau::Bureau;
use super::clerk::Clerk;
use super::clock::Clock;
use super::cycles::{Cycles, Hours};
use crate::clearing::FeeTable;
use crate::iso::BusinessDate;
use crate::ledger::{Asked, CutError, CutReport, Cycle, Order, Outgoing, Settling};
use crate::meter::Meter;
use crate::record::{LinkId, Lsn};

/// How merchants are paid, and where reports go.
pub(super) struct Paying {
    pub(super) settling: Arc<Settling>,
    pub(super) reports: PathBuf,
}

/// After how long files that could not be written are tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// The cuts whose files are not there yet.
pub(super) struct Days {
    doors: Doors,
    outgoing: Mutex<Outgoing>,
    paying: Mutex<Paying>,
    cycles: Mutex<Cycles>,
    clock: Clock,
    meter: Meter,
    waiting: Mutex<BTreeMap<Cycle, Waiting>>,
}

/// Who keeps the books, and who the ledger.
pub(super) struct Doors {
    pub(super) clerk: Clerk,
    pub(super) bureau: Bureau,
}

/// A cut whose files are not there yet.
struct Waiting {
    /// The books must have followed so far.
    from: Lsn,
    /// When it is tried again; none while it is being tried.
    due: Option<Instant>,
    /// Why it failed the last time.
    fault: Option<String>,
}

impl Days {
    pub(super) fn new(
        doors: Doors,
        (outgoing, paying, hours): (Outgoing, Paying, Hours),
        clock: Clock,
        meter: Meter,
    ) -> Arc<Self> {
        let (outgoing, paying) = (Mutex::new(outgoing), Mutex::new(paying));
        let cycles = Mutex::new(Cycles::new(hours, clock.now().wall));
        Arc::new(Self { doors, outgoing, paying, cycles, clock, meter, waiting: Mutex::default() })
    }

    /// What the ledger needs for a cut.
    pub(super) fn order(&self, asked: Asked) -> Order {
        Order { asked, now: self.clock.now().wall, outgoing: self.outgoing().clone() }
    }

    /// How merchants are paid, and what lines cost.
    pub(super) fn settling(&self) -> (Arc<Settling>, Arc<FeeTable>) {
        let fees = Arc::new(self.outgoing().fees.clone());
        (Arc::clone(&self.paying().settling), fees)
    }

    /// The names that issuers have in clearing.
    pub(super) fn issuer_names(&self) -> BTreeMap<LinkId, String> {
        self.outgoing().names.clone()
    }

    /// Where reports go.
    pub(super) fn reports(&self) -> PathBuf {
        self.paying().reports.clone()
    }

    /// Files are written otherwise from now on. A link that is gone keeps its name: what it approved today is cleared tonight.
    pub(super) fn set_outgoing(&self, outgoing: Outgoing) {
        let mut now = self.outgoing();
        let mut names = std::mem::take(&mut now.names);
        // Unless another link has that name by now: two issuers never share a file.
        names.retain(|_, name| !outgoing.names.values().any(|other| other == name));
        names.extend(outgoing.names);
        *now = Outgoing { names, ..outgoing };
    }

    /// Merchants are paid otherwise from now on.
    pub(super) fn set_paying(&self, paying: Paying) {
        *self.paying() = paying;
    }

    /// Cycles are due at other hours from now on.
    pub(super) fn set_hours(&self, hours: Hours) {
        self.cycles().set(hours);
    }

    fn cycles(&self) -> MutexGuard<'_, Cycles> {
        self.cycles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paying(&self) -> MutexGuard<'_, Paying> {
        self.paying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A day was cut by the record at this position: its files are wanted.
    pub(super) fn cut(self: &Arc<Self>, date: BusinessDate, from: Lsn) {
        self.want(Cycle { date, number: 0 }, from);
    }

    /// Has a cycle of the day in force cut when the clock says so.
    pub(super) fn by_clock(self: &Arc<Self>, date: BusinessDate, from: Lsn) {
        if self.cycles().due(self.clock.now().wall) {
            self.cycle(date, from);
        }
    }

    fn cycle(self: &Arc<Self>, date: BusinessDate, from: Lsn) {
        let (days, order) = (Arc::downgrade(self), self.order(Asked::Now(date)));
        self.doors.clerk.errand(from, |_| Ok(()));
        self.doors.bureau.errand(from, move |ledger| {
            let Some(days) = days.upgrade() else { return };
            match ledger.cut(&order) {
                Ok(Some(report)) => days.written(&report),
                Ok(None) => tracing::info!(%date, "a cycle is due, and nothing waits for it"),
                Err(fault) => {
                    tracing::error!(%date, %fault, "a cycle is due and cannot be cut; what waits is in the next one");
                    // One that was begun is written all the same.
                    days.find(from);
                }
            }
        });
    }

    fn want(self: &Arc<Self>, cycle: Cycle, from: Lsn) {
        self.waiting().insert(cycle, Waiting { from, due: Some(Instant::now()), fault: None });
        self.look();
    }

    /// After a start: cuts of a process that ended before it wrote their files.
    pub(super) fn find(self: &Arc<Self>, from: Lsn) {
        // An errand that holds a door to the thread that has yet to do it would keep that thread for ever.
        let days = Arc::downgrade(self);
        self.doors.bureau.errand(from, move |ledger| {
            let Some(days) = days.upgrade() else { return };
            match ledger.unfinished() {
                Ok(unfinished) => {
                    for cycle in unfinished.into_iter().filter_map(Asked::cycle) {
                        tracing::warn!(%cycle, "it is cut, and its files were not written: they are now");
                        days.want(cycle, from);
                    }
                }
                Err(fault) => {
                    tracing::error!(%fault, "it is not known which files were not written");
                }
            }
        });
    }

    /// Has what is due written.
    pub(super) fn look(self: &Arc<Self>) {
        let now = Instant::now();
        let mut waiting = self.waiting();
        for (cycle, cut) in
            waiting.iter_mut().filter(|(_, cut)| cut.due.is_some_and(|at| at <= now))
        {
            cut.due = None;
            let (days, order) = (Arc::downgrade(self), self.order(Asked::from(*cycle)));
            let (cycle, from) = (*cycle, cut.from);
            // Whoever asks the books has them follow at once.
            self.doors.clerk.errand(from, |_| Ok(()));
            self.doors.bureau.errand(from, move |ledger| {
                let Some(days) = days.upgrade() else { return };
                days.tried(cycle, ledger.cut(&order));
            });
        }
        self.meter.days_unwritten(waiting.len());
    }

    fn tried(&self, cycle: Cycle, result: Result<Option<CutReport>, CutError>) {
        match result {
            Ok(Some(report)) => self.written(&report),
            // Only of a cycle that is new nothing comes, and such are not waited for.
            Ok(None) => drop(self.waiting().remove(&cycle)),
            Err(fault) => {
                tracing::error!(%cycle, %fault, "it is cut, and its files cannot be written; they are tried again each minute: see `iso8583d ctl day`");
                if let Some(cut) = self.waiting().get_mut(&cycle) {
                    (cut.due, cut.fault) = (Some(Instant::now() + AGAIN), Some(fault.to_string()));
                }
            }
        }
    }

    /// The files of a cut are there.
    pub(super) fn written(&self, report: &CutReport) {
        let (cycle, files, exceptions) = (report.cycle, report.files.len(), report.exceptions);
        if exceptions == 0 {
            tracing::info!(%cycle, files, exceptions, "it is cut and its files are written");
        } else {
            // Whoever has the clock cut hears of what it could not present here alone.
            tracing::warn!(
                %cycle,
                files,
                exceptions,
                "it is cut and its files are written, and exceptions are open: see `iso8583d clearing exceptions`"
            );
        }
        let mut waiting = self.waiting();
        waiting.remove(&cycle);
        self.meter.days_unwritten(waiting.len());
    }

    /// The cuts whose files are not there yet, each with the reason if there is one.
    pub(super) fn unwritten(&self) -> Vec<(Cycle, Option<String>)> {
        self.waiting().iter().map(|(cycle, cut)| (*cycle, cut.fault.clone())).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Cycle, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
