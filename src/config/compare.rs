//! Two readings of a configuration: what is different, what becomes of each link, and what only a restart can change.
//!
//! Alike is what has the same value: a dialect whose text says the same in other words is the same dialect, and certificates
//! are what is in their files.

use std::path::Path;

use super::read::Section;
use super::report::{Faults, Report};
use super::{Config, Link, Place, open, table};

/// What becomes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not there yet.
    Added,
    /// It is there no more.
    Removed,
    /// Nothing about it is different.
    Kept,
    /// It has other settings, and its sessions go on.
    Changed,
    /// Its sessions cannot go on with what it is to be: they end, and others begin.
    Anew,
}

/// What is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What becomes of each link, in the order of their names.
    pub links: Vec<(String, Fate)>,
    /// Links whose certificates, keys or lists are others.
    pub certificates: Vec<String>,
    /// Whether requests may go elsewhere.
    pub routes: bool,
    /// Whatever else is different, `section.key`.
    pub others: Vec<&'static str>,
}

impl Difference {
    /// Between what holds and what is to hold.
    pub fn new(now: &Config, next: &Config) -> Self {
        let find = |config: &Config, name: &str| {
            config.links.iter().find(|link| link.name == name).cloned()
        };
        let mut names: Vec<&String> =
            now.links.iter().chain(&next.links).map(|link| &link.name).collect();
        names.sort_unstable();
        names.dedup();
        let (mut links, mut certificates) = (Vec::new(), Vec::new());
        for name in names {
            let (before, after) = (find(now, name), find(next, name));
            let fate = match (&before, &after) {
                (Some(before), Some(after)) => fate(before, after),
                (None, _) => Fate::Added,
                (_, None) => Fate::Removed,
            };
            let tls = |link: Option<Link>| link.and_then(|link| link.tls);
            if matches!(fate, Fate::Changed | Fate::Anew) && tls(before) != tls(after) {
                certificates.push(name.clone());
            }
            links.push((name.clone(), fate));
        }
        let routes = now.routes != next.routes || now.stand_in != next.stand_in;
        Self { links, certificates, routes, others: others(now, next) }
    }

    /// The names of the links of which this becomes.
    pub fn of(&self, fate: Fate) -> Vec<&str> {
        let of = self.links.iter().filter(|(_, its)| *its == fate);
        of.map(|(name, _)| name.as_str()).collect()
    }

    /// What becomes of a link.
    pub fn fate(&self, name: &str) -> Fate {
        let its = self.links.iter().find(|(other, _)| other == name);
        its.map_or(Fate::Kept, |(_, fate)| *fate)
    }

    /// Whether nothing is different.
    pub fn is_nothing(&self) -> bool {
        let kept = self.links.iter().all(|(_, fate)| *fate == Fate::Kept);
        kept && !self.routes && self.others.is_empty()
    }
}

fn fate(now: &Link, next: &Link) -> Fate {
    if now == next {
        return Fate::Kept;
    }
    let network = |link: &Link| (link.network.sign_on, link.network.shared, link.network.codes);
    let goes_on = (now.asks, now.answers) == (next.asks, next.answers)
        && same_place(&now.place, &next.place)
        && now.tls.is_some() == next.tls.is_some()
        && now.tongue == next.tongue
        && now.framing == next.framing
        && network(now) == network(next);
    if goes_on { Fate::Changed } else { Fate::Anew }
}

/// Whether sessions that stand came in where the others will. How many may come is no place.
fn same_place(now: &Place, next: &Place) -> bool {
    match (now, next) {
        (Place::Listen { address: now, .. }, Place::Listen { address: next, .. }) => now == next,
        _ => now == next,
    }
}

/// What is different and can be changed while the switch runs, links and routes apart.
fn others(now: &Config, next: &Config) -> Vec<&'static str> {
    let (old, new) = (&now.daemon, &next.daemon);
    let (cleared, clears) = (&now.clearing, &next.clearing);
    [
        ("daemon.drain_ms_max", old.drain_ms_max != new.drain_ms_max),
        ("daemon.disk_reserve_mib", old.disk_reserve_bytes != new.disk_reserve_bytes),
        ("daemon.in_flight_max", old.in_flight_max != new.in_flight_max),
        ("daemon.queue_bytes_max", old.queue_bytes_max != new.queue_bytes_max),
        ("journal.carry_every", now.carry_every != next.carry_every),
        ("clearing", cleared != clears),
        ("rules.duplicate", now.rules.duplicate != next.rules.duplicate),
        ("rules.undelivered", now.rules.undelivered != next.rules.undelivered),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}

/// What is different and cannot be changed while the switch runs: each key with its place, or nothing.
pub fn needs_restart(now: &Config, next: &Config) -> Option<Report> {
    let (old, new) = (&now.daemon, &next.daemon);
    let day = |config: &Config| config.day;
    let fixed = [
        ("daemon", "state", old.state != new.state),
        ("daemon", "key", now.keys.id() != next.keys.id()),
        ("daemon", "workers", old.workers != new.workers),
        ("daemon", "console", old.console != new.console),
        ("journal", "retention_days", now.journal.retention_days != next.journal.retention_days),
        ("day", "cut_at", day(now) != day(next)),
        // A request that nobody answered is over by this word, which no record has.
        ("rules", "timeout_code", now.rules.timeout_code != next.rules.timeout_code),
        ("window", "minutes", now.window.ms != next.window.ms),
        ("window", "entries_max", now.window.entries_max != next.window.entries_max),
    ];
    let differs: Vec<_> = fixed
        .into_iter()
        .filter_map(|(section, key, differs)| differs.then_some((section, key)))
        .collect();
    (!differs.is_empty()).then(|| told(&next.file, &differs))
}

fn told(file: &Path, keys: &[(&'static str, &'static str)]) -> Report {
    let (name, text) = match open(file) {
        Ok(read) => read,
        Err(report) => return report,
    };
    let faults = Faults::new(name, text);
    let table = table(&faults);
    let root = Section::root(&faults, table.get_ref());
    for (section, key) in keys {
        let within = root.section(section);
        // Of the day it may be the other of its two keys.
        let span =
            within.has(key).or_else(|| (*section == "day").then(|| within.has("utc_offset"))?);
        let title = format!("`{key}` of [{section}] cannot be changed while the switch runs");
        let fault = faults.at(span.unwrap_or_else(|| within.span()), title);
        let fault = fault.label("this is not what the running switch was started with");
        faults.tell(fault.help("needs a restart; or put it back as it was, and reload the rest"));
    }
    drop(table);
    Report::new(faults.into_list())
}
