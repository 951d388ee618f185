//! A day that is cut while payments go on: when that is, and what it costs them. Knows the switch by its command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::Value;
use tokio::time::Instant;

use crate::sim::child::Switch;
use crate::sim::{SimError, clock};

use super::tally;

/// Whether the cut has begun, and whether it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Before,
    During,
    After,
}

/// The phase, as every connection sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Phases(Arc<AtomicU8>);

impl Phases {
    pub(super) fn now(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Before,
            1 => Phase::During,
            _ => Phase::After,
        }
    }

    fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Latency before and during the cut, in microseconds from when each request was due.
pub(super) struct Around {
    pub(super) before: Histogram<u64>,
    pub(super) during: Histogram<u64>,
}

impl Around {
    pub(super) fn new() -> Result<Self, SimError> {
        Ok(Self { before: tally::histogram()?, during: tally::histogram()? })
    }

    pub(super) fn record(&mut self, phase: Phase, us: u64) {
        match phase {
            Phase::Before => self.before.saturating_record(us),
            Phase::During => self.during.saturating_record(us),
            Phase::After => {}
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.before += &other.before;
        self.during += &other.during;
    }
}

/// What a cut was, and what it cost.
pub struct CutReport {
    /// Milliseconds from the order to the last file.
    pub ms: u64,
    /// Presentments in its files.
    pub presentments: u64,
    pub(super) around: Around,
}

/// Who orders the cut.
pub(super) struct Cutter {
    program: PathBuf,
    arguments: Vec<OsString>,
    /// After how long.
    after: Duration,
    pub(super) phases: Phases,
}

impl Cutter {
    /// Of today, at that switch.
    pub(super) fn of(switch: &Switch, after: u32) -> Self {
        let date = clock::wall().date().to_string();
        let words = ["clearing", "cut", "--date", &date, "--state"];
        let mut arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        arguments.push(switch.state().into_os_string());
        let program = switch.program().to_owned();
        let after = Duration::from_secs(after.into());
        Self { program, arguments, after, phases: Phases::default() }
    }

    /// Waits, has the day cut, and says how many milliseconds that took and how many presentments came of it.
    pub(super) fn work(&self, from: Instant) -> Result<(u64, u64), SimError> {
        std::thread::sleep((from + self.after).saturating_duration_since(Instant::now()));
        self.phases.next();
        let begun = Instant::now();
        let done = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| SimError::System { what: "having the day cut", source });
        let took = begun.elapsed();
        self.phases.next();
        let done = done?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
            let source = std::io::Error::other(said);
            return Err(SimError::System { what: "having the day cut", source });
        }
        Ok((millis(took), presentments(&String::from_utf8_lossy(&done.stdout))))
    }
}

/// The records of the files, their headers and trailers taken off.
fn presentments(lines: &str) -> u64 {
    let lines = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let files = |line: Value| line.get("files").and_then(Value::as_array).cloned();
    let files = lines.filter_map(files).flatten();
    let records = files.filter_map(|file| file.get("records").and_then(Value::as_u64));
    records.map(|records| records.saturating_sub(2)).sum()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_counts_where_the_cut_is() {
        let (phases, mut around) = (Phases::default(), Around::new().unwrap());
        for us in [10, 2000, 30] {
            around.record(phases.now(), us);
            phases.next();
        }
        assert_eq!((around.before.len(), around.before.max()), (1, 10));
        assert_eq!(around.during.len(), 1);
        assert!(2000 <= around.during.max());
    }

    #[test]
    fn presentments_are_records_without_header_and_trailer() {
        let lines = r#"{"ok":true,"files":[{"name":"a","records":12},{"name":"b","records":2}]}"#;
        assert_eq!(presentments(lines), 10);
    }
}
