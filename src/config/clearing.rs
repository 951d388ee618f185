//! `[clearing]`: how claims become files and positions.

use std::path::{Path, PathBuf};

use super::answers::{self, Answers};
use super::apart::{self, Place};
use super::captures::{self, Captures};
use super::day::hour_ms;
use super::read::Section;
use super::settlement;
use crate::clearing::{self, Charset, Country, Digits, FeeTable, Format};
use crate::ledger::Settling;

/// `[clearing]`: the day's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// Where the files go.
    pub directory: PathBuf,
    /// Milliseconds after midnight at which cycles are cut, where `utc_offset` of `[day]` says that is.
    pub cycles_at_ms: Vec<u32>,
    /// What is in them.
    pub settings: clearing::Settings,
    /// Merchants' files.
    pub captures: Captures,
    /// What issuers send back.
    pub answers: Answers,
    /// How merchants are paid.
    pub settling: Settling,
    /// What lines cost.
    pub fees: FeeTable,
}

/// What one issuer's files have otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    format: Option<Format>,
    charset: Option<Charset>,
    blocked: Option<bool>,
}

impl Form {
    /// How its files are written; none when as all others.
    pub fn settings(&self, of_all: &clearing::Settings) -> Option<clearing::Settings> {
        let settings = clearing::Settings {
            format: self.format.unwrap_or(of_all.format),
            charset: self.charset.unwrap_or(of_all.charset),
            blocked: self.blocked.unwrap_or(of_all.blocked),
            ..of_all.clone()
        };
        (settings != *of_all).then_some(settings)
    }
}

/// The keys of a link about its files.
pub(super) fn form(section: &Section<'_>) -> Form {
    Form {
        format: section.choice("clearing_format", FORMATS),
        charset: section.choice("clearing_charset", CHARSETS),
        blocked: section.choice("clearing_blocks", BLOCKS),
    }
}

/// `[clearing]`: the day's files.
pub(super) fn read(
    section: &Section<'_>,
    (home, state): (&Path, &Path),
    links: &[&str],
) -> Clearing {
    let standard = clearing::Settings::default();
    let directory = section.text("directory").filter(|text| !text.value.is_empty());
    let country = section.word("country", |text| Country::new(text.as_bytes()));
    let settings = clearing::Settings {
        format: section.choice("format", FORMATS).unwrap_or(standard.format),
        charset: section.choice("charset", CHARSETS).unwrap_or(standard.charset),
        blocked: section.flag("blocked", standard.blocked),
        processor: digits(section, "processor", standard.processor),
        acquirer_bin: digits(section, "acquirer_bin", standard.acquirer_bin),
        file_type: digits(section, "file_type", standard.file_type),
        merchant_type: digits(section, "merchant_type", standard.merchant_type),
        country: country.map_or(standard.country, |country| country.value),
        share_more: digits(section, "share_more", standard.share_more),
        share_last: digits(section, "share_last", standard.share_last),
        second_reason: read_digits(section, "second_reason"),
        production: section.flag("production", standard.production),
    };
    let outbox = directory.as_ref().map(|text| text.span.clone());
    let directory = directory.map_or_else(|| state.join("clearing"), |text| home.join(text.value));
    let cycles_at_ms = cycles(section);
    let within = section.section("captures");
    let (captures, from_shops) = captures::read(&within, home, (state, settings.production));
    let within = section.section("answers");
    let (answers, from_issuers) = answers::read(&within, (home, state), settings.production);
    within.end();
    let (settling, fees) = settlement::read(section, (home, state), links);
    let place = |what, path: &Path, span| Place { what, path: path.to_owned(), span };
    let others = [
        place("the directory of clearing files", &directory, outbox),
        place("the directory of payouts", &settling.directory, None),
        place("the directory of reports", &state.join("reports"), None),
        place("the directory of the journal", &state.join("journal"), None),
    ];
    let around = [
        place("the directory of the configuration", home, None),
        place("the state directory", state, None),
    ];
    apart::inboxes(section, &[from_shops, from_issuers], &around, &others);
    Clearing { directory, cycles_at_ms, settings, captures, answers, settling, fees }
}

/// When cycles are cut by the clock.
fn cycles(section: &Section<'_>) -> Vec<u32> {
    const FAULT: &str = "hours and minutes like \"14:00\", from 00:00 to 23:59";
    section.words("cycles", |text| hour_ms(text).ok_or(FAULT))
}

fn digits<const N: usize>(
    section: &Section<'_>,
    key: &'static str,
    standard: Digits<N>,
) -> Digits<N> {
    read_digits(section, key).unwrap_or(standard)
}

fn read_digits<const N: usize>(section: &Section<'_>, key: &'static str) -> Option<Digits<N>> {
    let read =
        |text: &str| Digits::new(text).map_err(|fault| format!("{fault}: exactly {N}, in quotes"));
    section.word(key, read).map(|digits| digits.value)
}

const CHARSETS: &[(&str, Charset)] = &[("latin-1", Charset::Latin1), ("cp500", Charset::Cp500)];
const FORMATS: &[(&str, Format)] = &[("ipm", Format::Ipm), ("csv", Format::Csv)];
const BLOCKS: &[(&str, bool)] = &[("yes", true), ("no", false)];
