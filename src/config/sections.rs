//! The parts of a configuration that are one table each.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::read::{Limit, Section};
use super::{Daemon, Rules, Window, key};
use crate::books;
use crate::iso::ResponseCode;
use crate::journal;
use crate::seal::Keys;
use crate::switch::{Duplicate, Undelivered};

/// `[daemon]`, without the key. None when it has no state directory.
pub(super) fn daemon(section: &Section<'_>, home: &Path) -> Option<Daemon> {
    let state = state(section, home);
    let console = console(section);
    let queue_bytes_max = section.number_usize("queue_bytes_max", QUEUE_BYTES_MAX);
    Some(Daemon {
        workers: section.number_usize("workers", WORKERS),
        console,
        drain_ms_max: section.number("drain_ms_max", DRAIN_MS_MAX),
        disk_reserve_bytes: reserve(section, queue_bytes_max),
        in_flight_max: section.number_u32("in_flight_max", IN_FLIGHT_MAX),
        queue_bytes_max,
        state: state?,
    })
}

/// The reserve is what answers and reversals are written into when nothing new is taken any more. It has to hold what the
/// switch may write of its own accord then: both write-ahead logs, their copy into the files, and the last commit.
fn reserve(section: &Section<'_>, queue_bytes_max: usize) -> u64 {
    let reserve = section.number("disk_reserve_mib", DISK_RESERVE_MIB);
    let logs = journal::WAL_BYTES + books::WAL_BYTES + books::BATCH_WAL_BYTES;
    let queue = u64::try_from(queue_bytes_max).unwrap_or(u64::MAX);
    let least = logs.saturating_mul(2).saturating_add(queue).div_ceil(1 << 20);
    if reserve < least {
        let span = section.has("disk_reserve_mib").or_else(|| section.has("queue_bytes_max"));
        let title = "`disk_reserve_mib` is less than what journal and books may still write";
        let fault = section.faults().at(span.unwrap_or_else(|| section.span()), title);
        let label = format!(
            "{reserve} MiB, and write-ahead logs, their copies and `queue_bytes_max` take {least}"
        );
        section.faults().tell(fault.label(label).help(format!("disk_reserve_mib = {least}")));
    }
    reserve << 20
}

pub(super) fn state(section: &Section<'_>, home: &Path) -> Option<PathBuf> {
    let Some(text) = section.text("state") else {
        if section.has("state").is_none() {
            section.missing("state", "state = \"/var/lib/iso8583d\"");
        }
        return None;
    };
    let path = home.join(text.value);
    if text.value.is_empty() || (path.exists() && !path.is_dir()) {
        let fault = section.faults().at(text.span, "`state` is not a directory");
        section.faults().tell(fault.label("the directory of the journal, the books and the lock"));
        return None;
    }
    Some(path)
}

/// The operator's window shows itself to this machine only, unless somebody means it otherwise.
fn console(section: &Section<'_>) -> Option<SocketAddr> {
    let anywhere = section.flag("console_anywhere", false);
    let address = section.word("console", |text| match text {
        "off" => Ok(None),
        _ => text
            .parse::<SocketAddr>()
            .map(Some)
            .or(Err("an IP address and a port, like 127.0.0.1:9583, or \"off\"")),
    });
    let Some(address) = address else { return CONSOLE.parse().ok() };
    if let Some(open) = address.value
        && !open.ip().is_loopback()
        && !anywhere
    {
        let fault =
            section.faults().at(address.span, "the console would be open to other machines");
        let fault = fault.label("not a loopback address");
        section.faults().tell(fault.help("127.0.0.1, or if it is meant: console_anywhere = true"));
    }
    address.value
}

/// The keys that `[daemon]` names.
pub(super) fn keys(section: &Section<'_>, home: &Path) -> Option<Arc<Keys>> {
    let Some(text) = section.text("key") else {
        if section.has("key").is_none() {
            section.missing("key", "key = \"credential:pan-key\"");
        }
        return None;
    };
    match key::load(text.value, home) {
        Ok(keys) => Some(Arc::new(keys)),
        Err(fault) => {
            let told = section.faults().at(text.span, "there is no key to seal cards with");
            section.faults().tell(told.label(fault.to_string()).help(fault.fix()));
            None
        }
    }
}

/// `[journal]`: its files, and how often everything open is written down again.
pub(super) fn journal(section: &Section<'_>, state: &Path) -> (journal::Settings, u64) {
    let retention_days = section.number_u32("retention_days", RETENTION_DAYS);
    let carry_every = section.number("carry_every", CARRY_EVERY);
    (journal::Settings { directory: state.join("journal"), retention_days }, carry_every)
}

/// `[window]`: how much of the past is held in memory.
pub(super) fn window(section: &Section<'_>) -> Window {
    Window {
        ms: section.number("minutes", WINDOW_MINUTES) * 60_000,
        entries_max: section.number_usize("entries_max", WINDOW_ENTRIES_MAX),
    }
}

/// `[rules]`: choices.
pub(super) fn rules(section: &Section<'_>) -> Rules {
    let code = section.word("timeout_code", |text| {
        let code = ResponseCode::new(text.as_bytes()).map_err(|fault| fault.to_string())?;
        if APPROVALS.contains(&text) {
            return Err(format!("{code} is an approval: who hears it is told that it was paid"));
        }
        Ok(code)
    });
    Rules {
        duplicate: section.choice("duplicate", DUPLICATES).unwrap_or(Duplicate::Replay),
        undelivered: section.choice("undelivered", UNDELIVERED).unwrap_or(Undelivered::Leave),
        timeout_code: code.map_or(ResponseCode::UNAVAILABLE, |code| code.value),
    }
}

/// Codes that networks read as approvals.
const APPROVALS: [&str; 5] = ["00", "08", "10", "11", "16"];
const CONSOLE: &str = "127.0.0.1:9583";
const DUPLICATES: &[(&str, Duplicate)] =
    &[("replay", Duplicate::Replay), ("94", Duplicate::Refuse)];
const UNDELIVERED: &[(&str, Undelivered)] =
    &[("leave", Undelivered::Leave), ("reverse", Undelivered::Reverse)];

const WORKERS: Limit = Limit::new(2, 1, 64);
const DRAIN_MS_MAX: Limit = Limit::new(20_000, 0, 600_000);
const DISK_RESERVE_MIB: Limit = Limit::new(256, 1, 1 << 20);
const IN_FLIGHT_MAX: Limit = Limit::new(65_536, 1, 1_000_000);
const QUEUE_BYTES_MAX: Limit = Limit::new(64 << 20, 1 << 20, 4 << 30);
const RETENTION_DAYS: Limit = Limit::new(35, 1, 3650);
const CARRY_EVERY: Limit = Limit::new(250_000, 100, 100_000_000);
const WINDOW_MINUTES: Limit = Limit::new(10, 1, 1440);
const WINDOW_ENTRIES_MAX: Limit = Limit::new(250_000, 100, 10_000_000);
