//! Days that were cut without anybody waiting for it: their files are written by the books' thread, and tried again until
//! they are there. Must not know why a day ended.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clerk::Clerk;
use crate::books::{self, CutError, CutReport};
use crate::clearing::{self, FeeTable};
use crate::iso::BusinessDate;
use crate::ledger::Settling;
use crate::meter::Meter;
use crate::record::{LinkId, Lsn};

/// How a day's files are written.
pub(super) struct ClearingDesk {
    pub(super) directory: PathBuf,
    pub(super) settings: clearing::Settings,
    pub(super) settling: Arc<Settling>,
    pub(super) fees: Arc<FeeTable>,
    /// Where reports go.
    pub(super) reports: PathBuf,
    pub(super) names: BTreeMap<LinkId, String>,
}

/// After how long files that could not be written are tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// The days whose files are not there yet.
pub(super) struct Days {
    clerk: Clerk,
    desk: Mutex<ClearingDesk>,
    meter: Meter,
    waiting: Mutex<BTreeMap<BusinessDate, Waiting>>,
}

/// A day whose files are not there yet.
struct Waiting {
    /// The books must have followed so far.
    from: Lsn,
    /// When it is tried again; none while it is being tried.
    due: Option<Instant>,
    /// Why it failed the last time.
    fault: Option<String>,
}

impl Days {
    pub(super) fn new(clerk: Clerk, desk: ClearingDesk, meter: Meter) -> Arc<Self> {
        Arc::new(Self { clerk, desk: Mutex::new(desk), meter, waiting: Mutex::default() })
    }

    /// What the books need to write a day's files.
    pub(super) fn order(&self, date: BusinessDate) -> books::Order {
        let desk = self.desk();
        books::Order {
            date,
            settings: desk.settings.clone(),
            directory: desk.directory.clone(),
            names: desk.names.clone(),
        }
    }

    /// How merchants are paid, and what lines cost.
    pub(super) fn settling(&self) -> (Arc<Settling>, Arc<FeeTable>) {
        let desk = self.desk();
        (Arc::clone(&desk.settling), Arc::clone(&desk.fees))
    }

    /// The names that issuers have in clearing.
    pub(super) fn issuer_names(&self) -> BTreeMap<LinkId, String> {
        self.desk().names.clone()
    }

    /// Where reports go.
    pub(super) fn reports(&self) -> PathBuf {
        self.desk().reports.clone()
    }

    /// Files are written otherwise from now on. A link that is gone keeps its name: what it approved today is cleared tonight.
    pub(super) fn set_desk(&self, desk: ClearingDesk) {
        let mut now = self.desk();
        let mut names = std::mem::take(&mut now.names);
        // Unless another link has that name by now: two issuers never share a file.
        names.retain(|_, name| !desk.names.values().any(|other| other == name));
        names.extend(desk.names);
        *now = ClearingDesk { names, ..desk };
    }

    fn desk(&self) -> MutexGuard<'_, ClearingDesk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A day was cut by the record at this position: its files are wanted.
    pub(super) fn cut(self: &Arc<Self>, date: BusinessDate, from: Lsn) {
        self.waiting().insert(date, Waiting { from, due: Some(Instant::now()), fault: None });
        self.look();
    }

    /// After a start: days that were cut by a process that ended before it wrote their files.
    pub(super) fn find(self: &Arc<Self>, from: Lsn) {
        // An errand that holds a door to the thread that has yet to do it would keep that thread for ever.
        let days = Arc::downgrade(self);
        self.clerk.errand(from, move |books| {
            let Some(days) = days.upgrade() else { return Ok(()) };
            let directory = days.desk().directory.clone();
            for date in books::unwritten(books, &directory)? {
                tracing::warn!(%date, "the day is cut, and its files were not written: they are now");
                days.cut(date, from);
            }
            Ok(())
        });
    }

    /// Has what is due written.
    pub(super) fn look(self: &Arc<Self>) {
        let now = Instant::now();
        let mut waiting = self.waiting();
        for (date, day) in waiting.iter_mut().filter(|(_, day)| day.due.is_some_and(|at| at <= now))
        {
            day.due = None;
            let (days, order, date) = (Arc::downgrade(self), self.order(*date), *date);
            self.clerk.errand(day.from, move |books| {
                let Some(days) = days.upgrade() else { return Ok(()) };
                days.tried(date, books::write_files(books, &order));
                Ok(())
            });
        }
        self.meter.days_unwritten(waiting.len());
    }

    fn tried(&self, date: BusinessDate, result: Result<CutReport, CutError>) {
        match result {
            Ok(report) => self.written(&report),
            Err(fault) => {
                tracing::error!(%date, %fault, "the day is cut, and its files cannot be written; they are tried again each minute: see `iso8583d ctl day`");
                if let Some(day) = self.waiting().get_mut(&date) {
                    (day.due, day.fault) = (Some(Instant::now() + AGAIN), Some(fault.to_string()));
                }
            }
        }
    }

    /// The files of a day are there.
    pub(super) fn written(&self, report: &CutReport) {
        let (date, files) = (report.date, report.files.len());
        tracing::info!(%date, files, "the day is cut and its files are written");
        let mut waiting = self.waiting();
        waiting.remove(&date);
        self.meter.days_unwritten(waiting.len());
    }

    /// The days whose files are not there yet, each with the reason if there is one.
    pub(super) fn unwritten(&self) -> Vec<(BusinessDate, Option<String>)> {
        self.waiting().iter().map(|(date, day)| (*date, day.fault.clone())).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<BusinessDate, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
