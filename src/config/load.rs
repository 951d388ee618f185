//! What a link may cost others: how much it may ask, and when it is cut off because nobody answers there.

use super::read::{Limit, Section};
use crate::switch::{BreakerSettings, Rate};

/// How many new requests a second a link may ask; as many as come, unless it says so.
pub(super) fn rate(section: &Section<'_>) -> Rate {
    let per_second = section.number_u32("rate_max", RATE_MAX);
    let burst = section.number_u32("burst", RATE_MAX);
    alone(section, ("rate_max", per_second), "burst");
    of(per_second, burst)
}

/// How many each of its merchants may.
pub(super) fn merchant_rate(section: &Section<'_>) -> Rate {
    let per_second = section.number_u32("merchant_rate_max", RATE_MAX);
    let burst = section.number_u32("merchant_burst", RATE_MAX);
    alone(section, ("merchant_rate_max", per_second), "merchant_burst");
    of(per_second, burst)
}

/// A burst that nobody names is what comes in a second.
fn of(per_second: u32, burst: u32) -> Rate {
    Rate { per_second, burst: if burst == 0 { per_second } else { burst } }
}

/// A burst of what is not limited.
fn alone(section: &Section<'_>, (key, per_second): (&str, u32), burst: &'static str) {
    let span = section.has(burst).filter(|_| per_second == 0);
    if let Some(span) = span.filter(|_| section.number_u32(burst, RATE_MAX) > 0) {
        let fault = section.faults().at(span, format!("`{burst}` says nothing without `{key}`"));
        let fault = fault.label("of what is not limited any number comes at once");
        section.faults().tell(fault.help(format!("a line like {key} = 100, or none of the two")));
    }
}

/// When a link is cut off, and how often it is probed then.
pub(super) fn breaker(section: &Section<'_>) -> BreakerSettings {
    BreakerSettings {
        timeouts: section.number_u32("breaker_timeouts", BREAKER_TIMEOUTS),
        probe_ms: section.number("breaker_probe_ms", BREAKER_PROBE_MS),
    }
}

/// Keys that do nothing on a link that never asks.
pub(super) fn useless_to_issuers(section: &Section<'_>) {
    for key in ["rate_max", "burst", "merchant_rate_max", "merchant_burst"] {
        if let Some(span) = section.has(key) {
            let title = format!("`{key}` is for links that ask");
            let fault = section.faults().at(span, title).label("this link only answers");
            section.faults().tell(fault.help("remove this line, or give the link another role"));
        }
    }
}

/// 0 is no limit.
const RATE_MAX: Limit = Limit::new(0, 0, 1_000_000);
/// 0 is never. An issuer that answers one in twenty is not cut off; one that is gone costs twenty askers their time-out.
const BREAKER_TIMEOUTS: Limit = Limit::new(20, 0, 1_000_000);
const BREAKER_PROBE_MS: Limit = Limit::new(5_000, 50, 3_600_000);
