//! `[clearing]`: how claims become files and positions.

use std::path::{Path, PathBuf};

use super::read::Section;
use super::settlement;
use crate::clearing::{self, Charset, Country, Digits, FeeTable};
use crate::ledger::Settling;

/// `[clearing]`: the day's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// Where the files go.
    pub directory: PathBuf,
    /// What is in them.
    pub settings: clearing::Settings,
    /// How merchants are paid.
    pub settling: Settling,
    /// What lines cost.
    pub fees: FeeTable,
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
        charset: section.choice("charset", CHARSETS).unwrap_or(standard.charset),
        blocked: section.flag("blocked", standard.blocked),
        processor: digits(section, "processor", standard.processor),
        acquirer_bin: digits(section, "acquirer_bin", standard.acquirer_bin),
        file_type: digits(section, "file_type", standard.file_type),
        merchant_type: digits(section, "merchant_type", standard.merchant_type),
        country: country.map_or(standard.country, |country| country.value),
        production: section.flag("production", standard.production),
    };
    let directory = directory.map_or_else(|| state.join("clearing"), |text| home.join(text.value));
    let (settling, fees) = settlement::read(section, (home, state), links);
    Clearing { directory, settings, settling, fees }
}

fn digits<const N: usize>(
    section: &Section<'_>,
    key: &'static str,
    standard: Digits<N>,
) -> Digits<N> {
    let read =
        |text: &str| Digits::new(text).map_err(|fault| format!("{fault}: exactly {N}, in quotes"));
    section.word(key, read).map_or(standard, |digits| digits.value)
}

const CHARSETS: &[(&str, Charset)] = &[("latin-1", Charset::Latin1), ("cp500", Charset::Cp500)];
