//! What came of requests that nobody answers, for people; knows no socket.

use std::io::{self, Write};
use std::time::Duration;

use crate::sim::load::tally::{Counts, grouped};

use super::{Settings, Town};

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was done, for people.
    shape: String,
    /// How many requests were to wait.
    pub requests: u64,
    /// How many waited when the last of them had come to its issuer and none was answered.
    pub pending: u64,
    /// From the first request until then.
    pub asked: Duration,
    /// From the first answer to the last.
    pub declined: Duration,
    /// From the first answer to the last reversal.
    pub reversed: Duration,
    /// Resident memory of the switch before, KiB; none where the system does not say.
    pub before_kib: Option<u64>,
    /// With all of them pending.
    pub pending_kib: Option<u64>,
    /// The most at any time.
    pub peak_kib: Option<u64>,
    /// What the askers heard.
    pub counts: Counts,
    /// Requests that came to their issuers.
    pub came: u64,
    /// Requests that were reversed.
    pub reversals: u64,
    /// Requests that were reversed once more under a fresh pair, since no issuer ever answered them.
    pub confirmed: u64,
    /// Messages at issuers that should not have come: requests twice, repeats, further reversals, of nothing, or no messages.
    pub strays: u64,
    /// Lines of what is owed, at the end.
    pub owed: usize,
    /// Files and positions of the day.
    pub filed: usize,
}

impl Report {
    pub(super) fn of(settings: &Settings) -> Self {
        let shape = format!(
            "{} requests over {} links that never answer, {} s until they time out, through a switch on fresh state ({})",
            grouped(settings.requests.into()),
            settings.links,
            settings.timeout.as_secs(),
            settings.dialect.name()
        );
        Self { shape, requests: settings.requests.into(), ..Self::default() }
    }

    /// Takes what the issuers noted.
    pub(super) fn read(&mut self, town: &Town) {
        self.came = town.waiting();
        self.reversals = town.sum(|ledger| ledger.reversed);
        self.confirmed = town.sum(|ledger| ledger.confirmed);
        self.strays =
            town.sum(|ledger| ledger.twice + ledger.too_many + ledger.strange + ledger.unreadable);
    }

    /// What each pending request adds to the memory of the switch, bytes.
    pub fn bytes_each(&self) -> Option<u64> {
        let more = self.pending_kib?.saturating_sub(self.before_kib?);
        Some(more * 1024 / self.pending.max(1))
    }

    /// What is not as it must be: nothing, when every request was declined once and reversed once.
    pub fn faults(&self) -> Vec<String> {
        let all = self.requests;
        let declined = self.counts.answers.get("91").copied().unwrap_or(0);
        let mut faults = Vec::new();
        for (what, count, right) in [
            ("requests were pending at once: is the time-out long enough?", self.pending, all),
            ("requests came to their issuer", self.came, all),
            ("requests heard one 91", declined, all),
            ("requests were reversed", self.reversals, all),
            ("reversals were confirmed", self.confirmed, all),
            ("messages came that should not have come", self.strays, 0),
            ("lines of what is owed were left", count(self.owed), 0),
            ("files and positions were made of nothing", count(self.filed), 0),
        ] {
            if count != right {
                faults.push(format!("{} and not {} {what}", grouped(count), grouped(right)));
            }
        }
        if !self.counts.clean() {
            faults.push(format!("not every answer was right: {:?}", self.counts));
        }
        faults
    }

    /// One table for people.
    pub fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        let kib = |kib: Option<u64>| kib.map_or_else(|| "?".to_owned(), grouped);
        let each = self.bytes_each().map_or_else(|| "?".to_owned(), grouped);
        let rate = |count: u64, time: Duration| {
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
            grouped(count.saturating_mul(1000) / ms)
        };
        let declined = self.counts.answers.get("91").copied().unwrap_or(0);
        writeln!(out, "{}", self.shape)?;
        writeln!(
            out,
            "  pending at once    {}, asked at {}/s",
            grouped(self.pending),
            rate(self.pending, self.asked)
        )?;
        writeln!(out, "  memory             {each} bytes a pending request")?;
        writeln!(
            out,
            "  resident, KiB      {} before, {} with all pending, {} at the most",
            kib(self.before_kib),
            kib(self.pending_kib),
            kib(self.peak_kib)
        )?;
        let declines = rate(declined, self.declined);
        writeln!(out, "  declined with 91   {}, at {declines}/s", grouped(declined))?;
        let reversals = rate(self.reversals, self.reversed);
        writeln!(out, "  reversed           {}, at {reversals}/s", grouped(self.reversals))?;
        writeln!(out, "  confirmed          {}, under a fresh pair", grouped(self.confirmed))?;
        writeln!(out, "  owed at the end    {}", self.owed)?;
        for fault in self.faults() {
            writeln!(out, "  WRONG              {fault}")?;
        }
        Ok(())
    }
}

fn count(lines: usize) -> u64 {
    u64::try_from(lines).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_count_is_a_fault() {
        let mut counts = Counts { sent: 10, ..Counts::default() };
        counts.answers.insert("91".to_owned(), 10);
        let right = Report {
            requests: 10,
            pending: 10,
            before_kib: Some(1000),
            pending_kib: Some(1010),
            counts,
            came: 10,
            reversals: 10,
            confirmed: 10,
            ..Report::default()
        };
        assert_eq!((right.faults(), right.bytes_each()), (Vec::new(), Some(1024)));
        let wrong: [fn(&mut Report); _] = [
            |report| report.pending = 9,
            |report| report.came = 11,
            |report| report.counts.answers.clear(),
            |report| report.counts.double = 1,
            |report| report.reversals = 9,
            |report| report.confirmed = 0,
            |report| report.strays = 1,
            |report| report.owed = 1,
            |report| report.filed = 1,
        ];
        for spoil in wrong {
            let mut report = right.clone();
            spoil(&mut report);
            assert_eq!(report.faults().len(), 1, "{report:?}");
        }
    }
}
