//! What load counts and how it is shown; knows no socket.

use std::collections::BTreeMap;
use std::io::{self, Write};

use hdrhistogram::Histogram;
use serde_json::json;

use crate::iso::ResponseCode;
use crate::sim::SimError;

use super::cut::{Around, CutReport, Phase};

/// What one connection counted.
pub(super) struct Tally {
    /// Microseconds from when a request was due, of those due while it was measured.
    pub(super) latency: Histogram<u64>,
    /// The same around a cut, where there is one.
    pub(super) around: Option<Around>,
    pub(super) counts: Counts,
}

/// What happened to requests, from the first to the last, warming up included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent.
    pub sent: u64,
    /// Answers by code.
    pub answers: BTreeMap<String, u64>,
    /// Answers that lack or alter what they should repeat.
    pub altered: u64,
    /// Answers to nothing that was asked.
    pub unknown: u64,
    /// Second answers to one request.
    pub double: u64,
    /// Frames that are no message of the dialect.
    pub unreadable: u64,
    /// Requests without an answer.
    pub lost: u64,
    /// Connections that ended before their time.
    pub hung_up: u64,
}

/// What a run of load found.
pub struct Report {
    /// What was done, for people.
    pub shape: String,
    /// Milliseconds that were measured.
    pub measured_ms: u64,
    /// Answers within them.
    pub answered: u64,
    /// CPU milliseconds of the switch's process within them.
    pub cpu_ms: Option<u64>,
    /// Milliseconds from the start of the switch to its first approved payment, when we started it.
    pub first_ms: Option<u64>,
    /// What happened to requests.
    pub counts: Counts,
    /// The cut of the day meanwhile, if that was wanted.
    pub cut: Option<CutReport>,
    pub(super) latency: Histogram<u64>,
}

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Tally {
    pub(super) fn new(cuts: bool) -> Result<Self, SimError> {
        let around = cuts.then(Around::new).transpose()?;
        Ok(Self { latency: histogram()?, around, counts: Counts::default() })
    }

    /// One more answer, so many microseconds after its request was due.
    pub(super) fn latency(&mut self, phase: Option<Phase>, us: u64) {
        self.latency.saturating_record(us);
        if let Some((around, phase)) = self.around.as_mut().zip(phase) {
            around.record(phase, us);
        }
    }
}

/// A microsecond to two minutes, three digits.
pub(super) fn histogram() -> Result<Histogram<u64>, SimError> {
    Histogram::new_with_bounds(1, 120_000_000, 3)
        .map_err(|error| SimError::System { what: "a histogram", source: io::Error::other(error) })
}

impl Counts {
    /// One more answer with this code.
    pub(super) fn answered(&mut self, code: Option<ResponseCode>) {
        if code == Some(ResponseCode::APPROVED)
            && let Some(count) = self.answers.get_mut("00")
        {
            *count += 1;
            return;
        }
        let name = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        *self.answers.entry(name).or_default() += 1;
    }

    /// Adds another connection's.
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.altered += other.altered;
        self.unknown += other.unknown;
        self.double += other.double;
        self.unreadable += other.unreadable;
        self.lost += other.lost;
        self.hung_up += other.hung_up;
        for (code, count) in &other.answers {
            *self.answers.entry(code.clone()).or_default() += count;
        }
    }

    /// Whether every request got one answer, and a right one.
    pub const fn clean(&self) -> bool {
        self.altered + self.unknown + self.double + self.unreadable + self.lost + self.hung_up == 0
    }
}

impl Report {
    /// Answers a second.
    pub fn rate(&self) -> u64 {
        self.answered * 1000 / self.measured_ms.max(1)
    }

    /// Hundredths of a microsecond of the switch's CPU for one transaction.
    pub fn cpu_centimicros(&self) -> Option<u64> {
        self.cpu_ms.map(|ms| ms * 100_000 / self.answered.max(1))
    }

    /// One table for people.
    pub fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.shape)?;
        writeln!(out, "  transactions/s     {}", grouped(self.rate()))?;
        if let Some(cpu) = self.cpu_centimicros() {
            let (whole, rest) = (cpu / 100, cpu % 100);
            writeln!(out, "  CPU of the switch  {whole}.{rest:02} us a transaction")?;
        }
        writeln!(out, "  latency, ms       {}", quantiles(&self.latency))?;
        if let Some(CutReport { ms, presentments, around }) = &self.cut {
            let count = grouped(*presentments);
            writeln!(out, "  a day was cut      {count} presentments in {ms} ms")?;
            writeln!(out, "    before, ms      {}", quantiles(&around.before))?;
            writeln!(out, "    meanwhile, ms   {}", quantiles(&around.during))?;
        }
        if let Some(ms) = self.first_ms {
            writeln!(out, "  first approval     {ms} ms after the switch was started")?;
        }
        writeln!(out, "  sent               {}", grouped(self.counts.sent))?;
        for (code, count) in &self.counts.answers {
            writeln!(out, "  answered {code:<4}      {}", grouped(*count))?;
        }
        let counts = &self.counts;
        writeln!(
            out,
            "  wrong              altered {}, unknown {}, double {}, unreadable {}, lost {}, hung up {}",
            counts.altered,
            counts.unknown,
            counts.double,
            counts.unreadable,
            counts.lost,
            counts.hung_up
        )
    }

    /// One JSON object for machines.
    pub fn json(&self) -> String {
        let cut = self.cut.as_ref().map(|CutReport { ms, presentments, around }| {
            let (before, during) = (named(&around.before), named(&around.during));
            json!({ "ms": ms, "presentments": presentments, "before_us": before, "during_us": during })
        });
        let counts = &self.counts;
        json!({
            "shape": self.shape,
            "measured_ms": self.measured_ms,
            "answered": self.answered,
            "per_second": self.rate(),
            "switch_cpu_ms": self.cpu_ms,
            "first_approval_ms": self.first_ms,
            "latency_us": named(&self.latency),
            "cut": cut,
            "sent": counts.sent,
            "answers": counts.answers,
            "altered": counts.altered,
            "unknown": counts.unknown,
            "double": counts.double,
            "unreadable": counts.unreadable,
            "lost": counts.lost,
            "hung_up": counts.hung_up,
        })
        .to_string()
    }
}

/// Quantiles for people, milliseconds.
fn quantiles(latency: &Histogram<u64>) -> String {
    let shown = QUANTILES.iter().map(|(name, quantile)| {
        let us = latency.value_at_quantile(*quantile);
        format!(" {name} {}.{:03}", us / 1000, us % 1000)
    });
    shown.collect()
}

/// Quantiles for machines, microseconds.
fn named(latency: &Histogram<u64>) -> BTreeMap<&'static str, u64> {
    QUANTILES.iter().map(|(name, at)| (*name, latency.value_at_quantile(*at))).collect()
}

/// A number with a comma before each three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + 6);
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_object_agree() {
        let mut tally = Tally::new(false).unwrap();
        for us in [900, 1000, 1100] {
            tally.latency.record(us).unwrap();
            tally.counts.answered(Some(ResponseCode::APPROVED));
        }
        tally.counts.answered(None);
        tally.counts.sent = 4;
        assert!(tally.counts.clean());
        let mut counts = Counts { lost: 1, ..Counts::default() };
        counts.add(&tally.counts);
        assert!(!counts.clean());
        let report = Report {
            shape: "closed loop".to_owned(),
            measured_ms: 2000,
            answered: 1_234_567,
            cpu_ms: Some(6172),
            first_ms: None,
            counts,
            cut: None,
            latency: tally.latency,
        };
        let mut text = Vec::new();
        report.table(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for part in ["617,283", "4.99 us", "p50 1.000", "answered 00        3", "lost 1"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(report.json().contains("\"per_second\":617283"));
    }
}
