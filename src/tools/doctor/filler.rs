//! Card numbers of odd length that were read with the wrong half byte: which filler of element 2 they have instead.

use std::sync::Arc;

use bytes::Bytes;

use super::trial::{self, Trial};
use super::{MESSAGES_MAX, Suspect};
use crate::dialect::{Coding, Dialect, Filler};
use crate::iso::ElementNo;
use crate::tools::sheet::{Columns, Sheet};

/// A row of element 2 by which more card numbers are some.
pub(super) struct Cure {
    /// The row as a dialect file has it.
    pub(super) row: String,
    /// Its coding alone.
    pub(super) coding: String,
    /// How many card numbers pass Luhn's check with it, and how many there are.
    pub(super) passed: (usize, usize),
}

/// The filler with which most card numbers pass, where it is not the one of the dialect.
pub(super) fn cure(best: &Trial, suspect: &Suspect, pieces: &[Bytes]) -> Option<Cure> {
    let (passed, all) = best.signs.cards();
    if !best.fits() || passed == all {
        return None;
    }
    let fillers = [Filler::LeftZero, Filler::RightZero, Filler::RightF, Filler::LeftF];
    let mut cures = Vec::new();
    for filler in fillers {
        let Some((dialect, cure)) = with_filler(&suspect.dialect, filler) else { continue };
        let cut = trial::cut(&best.way, &dialect, pieces, MESSAGES_MAX);
        let trial = cut.read(best.way, best.suspect, &dialect);
        let cards = trial.signs.cards();
        // Cards that somebody made up pass by chance, one of ten.
        let is_sure = passed + 2 <= cards.0 && 9 * all <= 10 * cards.0;
        if best.read <= trial.read && is_sure && cards.1 == all {
            cures.push(Cure { passed: cards, ..cure });
        }
    }
    // The first of those that are alike.
    cures.into_iter().rev().max_by_key(|cure| cure.passed)
}

/// The dialect with another filler in card numbers, if they are packed.
fn with_filler(dialect: &Dialect, filler: Filler) -> Option<(Arc<Dialect>, Cure)> {
    let mut sheet = Sheet::of(dialect);
    let (_, row) = sheet.rows.iter_mut().find(|(no, _)| *no == ElementNo::PAN)?;
    if !matches!(row.coding, Coding::Bcd(known) if known != filler) {
        return None;
    }
    row.coding = Coding::Bcd(filler);
    let Columns { content, length, coding, class, name } = Columns::of(row);
    let cure = Cure {
        row: format!("    2  {content:<9} {length:<13} {coding:<8} {class:<10} {name}"),
        coding,
        passed: (0, 0),
    };
    let dialect = Dialect::parse(&sheet.to_string()).ok()?;
    Some((Arc::new(dialect), cure))
}
