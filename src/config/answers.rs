//! `[clearing.answers]`: where issuers' answers come in, and how they are read.

use std::path::{Path, PathBuf};

use super::apart::Place;
use super::read::{Limit, Section};
use crate::clearing::answers::Layout;
use crate::ledger::AnswerSettings;

/// `[clearing.answers]`: what issuers send back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// In it, a directory for each issuer.
    pub inbox: PathBuf,
    /// How answers are read.
    pub settings: AnswerSettings,
}

/// Private data subelements have four digits.
const fn part(default: u16) -> Limit {
    Limit::new(default as u64, 1, 9_999)
}

const DUE_DAYS: Limit = Limit::new(45, 0, 9_999);
const RECORDS_MAX: Limit = Limit::new(1_000_000, 2, 99_999_999);

/// `[clearing.answers]`.
pub(super) fn read(
    section: &Section<'_>,
    (home, state): (&Path, &Path),
    production: bool,
) -> (Answers, Place) {
    let standard = Layout::default();
    let number =
        |key, default| u16::try_from(section.number(key, part(default))).unwrap_or(default);
    let layout = Layout {
        errors: number("error_part", standard.errors),
        number: number("message_part", standard.number),
        file: number("file_part", standard.file),
        reconciled: number("totals_part", standard.reconciled),
        purchases_are_credits: section.choice("purchases", SIDES).unwrap_or(true),
    };
    let due_days = section.numbers_by_number("due_days", DUE_DAYS);
    let due_days = due_days
        .into_iter()
        .map(|(reason, days)| {
            (format!("{reason:04}"), u32::try_from(days.value).unwrap_or(u32::MAX))
        })
        .collect();
    let default_days = section.number_u32("default_days", DUE_DAYS);
    let records_max = section.number("records_max", RECORDS_MAX);
    let inbox = section.text("inbox").filter(|text| !text.value.is_empty());
    let span = inbox.as_ref().map(|text| text.span.clone());
    let inbox = inbox.map_or_else(|| state.join("answers"), |text| home.join(text.value));
    let place = Place { what: "the inbox of answers", path: inbox.clone(), span };
    let settings = AnswerSettings { layout, production, due_days, default_days, records_max };
    (Answers { inbox, settings }, place)
}

const SIDES: &[(&str, bool)] = &[("credits", true), ("debits", false)];
