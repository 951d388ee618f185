//! `[clearing.captures]`: merchants' files, and what their claims are judged by.

use std::path::{Path, PathBuf};

use super::apart::Place;
use super::read::{Limit, Section};
use crate::clearing::claim::{Late, Limits, Rules, Span, Tolerance, Validity};
use crate::iso::Currency;
use crate::ledger::{CaptureSettings, Unlinked};

/// `[clearing.captures]`: how merchants' files are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captures {
    /// Where the files come in.
    pub inbox: PathBuf,
    /// What becomes of them.
    pub settings: CaptureSettings,
}

/// `[clearing.captures]`, and where it says which directory is the inbox; `live` is what `production` says.
pub(super) fn read(
    section: &Section<'_>,
    home: &Path,
    (state, live): (&Path, bool),
) -> (Captures, Place) {
    let inbox = section.text("inbox").filter(|text| !text.value.is_empty());
    let span = inbox.as_ref().map(|text| text.span.clone());
    let inbox = inbox.map_or_else(|| state.join("captures"), |text| home.join(text.value));
    let limits = Limits {
        bytes_max: section.number("file_mib_max", FILE_MIB_MAX) << 20,
        records_max: section.number("records_max", RECORDS_MAX),
        live,
    };
    let rules = Rules {
        days: section.number_u32("validity_days", VALIDITY_DAYS),
        validity: validity(section),
        late: section.choice("late", LATE).unwrap_or(Late::Reject),
        tolerance: section.array_sections("tolerance").iter().map(tolerance).collect(),
    };
    let settings = CaptureSettings {
        limits,
        rules,
        pending_ms: section.number("pending_hours", PENDING_HOURS) * 3_600_000,
        unlinked: section.choice("unlinked_refund", UNLINKED).unwrap_or(Unlinked::Reject),
    };
    section.unknown();
    let place = Place { what: "the inbox of captures", path: inbox.clone(), span };
    (Captures { inbox, settings }, place)
}

/// Rooms, cars and ships are booked for longer; who says otherwise says all of it.
fn validity(section: &Section<'_>) -> Vec<Validity> {
    if section.has("validity").is_none() {
        let mccs = vec![(3351, 3999), (4411, 4411), (7011, 7011), (7512, 7513)];
        return vec![Validity { mccs, days: 30 }];
    }
    let sections = section.array_sections("validity");
    let one = |section: &Section<'_>| {
        let mccs = categories(section);
        if section.has("days").is_none() {
            section.missing("days", "days = 30");
        }
        let days = section.number_u32("days", VALIDITY_DAYS);
        section.unknown();
        Validity { mccs, days }
    };
    sections.iter().map(one).collect()
}

fn tolerance(section: &Section<'_>) -> Tolerance {
    let mccs = categories(section);
    let percent = section.number_u32("percent", PERCENT);
    let amount = section.has("amount");
    let least = i64::try_from(section.number("amount", AMOUNT)).unwrap_or(i64::MAX);
    let currency = section.word("currency", |text| Currency::from_ascii(text.as_bytes()));
    if amount.is_some() != section.has("currency").is_some() {
        let span = amount.clone().unwrap_or_else(|| section.span());
        let title = "`amount` and `currency` of a tolerance go together";
        let fault = section.faults().at(span, title);
        section.faults().tell(fault.help("amount = 7500 and currency = \"840\", or neither"));
    }
    section.unknown();
    let at_least = currency.filter(|_| amount.is_some()).map(|currency| (least, currency.value));
    Tolerance { mccs, percent, at_least }
}

/// Categories like `4121`, or from one to another, `3501-3999`.
fn categories(section: &Section<'_>) -> Vec<Span> {
    let mut spans = Vec::new();
    for text in section.texts("mcc") {
        let number = |text: &str| {
            let fits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| text.parse::<u16>().ok()).flatten()
        };
        let (from, to) = text.value.split_once('-').unwrap_or((text.value, text.value));
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => spans.push((from, to)),
            _ => {
                let fault = section.faults().at(text.span, "`mcc` is no merchant category");
                section.faults().tell(fault.label("four digits, or two of them like 3501-3999"));
            }
        }
    }
    spans
}

const LATE: &[(&str, Late)] = &[("reject", Late::Reject), ("warn", Late::Warn)];
const UNLINKED: &[(&str, Unlinked)] = &[("reject", Unlinked::Reject), ("wait", Unlinked::Wait)];

const FILE_MIB_MAX: Limit = Limit::new(1024, 1, 1 << 16);
/// The largest amounts of so many records still add up to 64 bits.
const RECORDS_MAX: Limit = Limit::new(2_000_000, 2, 9_000_000);
const VALIDITY_DAYS: Limit = Limit::new(7, 0, 3650);
const PENDING_HOURS: Limit = Limit::new(72, 0, 8760);
const PERCENT: Limit = Limit::new(0, 0, 1000);
const AMOUNT: Limit = Limit::new(0, 0, 999_999_999_999);
