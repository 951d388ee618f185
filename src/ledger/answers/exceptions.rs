//! What fits nowhere: entered once, taken off again when what comes later settles it.

use rusqlite::{Connection, params};

use crate::ledger::LedgerError;
use crate::record::LinkId;

/// Something for a person to look at.
#[derive(Clone, Debug)]
pub(super) struct Trouble<'a> {
    pub(super) kind: &'static str,
    pub(super) issuer: LinkId,
    pub(super) answer: Option<i64>,
    pub(super) item: Option<i64>,
    pub(super) file: Option<i64>,
    /// The record's number.
    pub(super) place: Option<i64>,
    /// Where it lies, and how long it is.
    pub(super) lies: Option<(i64, i64)>,
    pub(super) digest: Option<&'a [u8]>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Option<&'a str>,
    pub(super) detail: String,
}

impl Trouble<'_> {
    pub(super) const fn of(
        kind: &'static str,
        (answer, issuer): (i64, LinkId),
        detail: String,
    ) -> Self {
        Self {
            kind,
            issuer,
            answer: Some(answer),
            item: None,
            file: None,
            place: None,
            lies: None,
            digest: None,
            amount: None,
            currency: None,
            detail,
        }
    }
}

/// Who closes what is settled by what came later.
pub(super) const SWITCH: &str = "switch";

/// Enters it, unless it is there. One that was only closed since it seemed settled is open again.
pub(super) fn open(
    connection: &Connection,
    trouble: &Trouble<'_>,
    at: i64,
) -> Result<(), LedgerError> {
    let Trouble { kind, answer, item, file, place, lies, digest, amount, currency, .. } = trouble;
    let mut insert = connection.prepare_cached(
        "INSERT INTO exceptions
             (opened, kind, item, file, answer, issuer, place, start, length, digest, amount, currency, detail)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )?;
    let new = insert.execute(params![
        at,
        kind,
        item,
        file,
        answer,
        trouble.issuer.0,
        place,
        lies.map(|(start, _)| start),
        lies.map(|(_, length)| length),
        digest,
        amount,
        currency,
        trouble.detail
    ])?;
    if new == 0 {
        let mut reopen = connection.prepare_cached(
            "UPDATE exceptions SET detail = ?1,
                 closed_by = CASE closed_by WHEN 'switch' THEN NULL ELSE closed_by END,
                 closed_why = CASE closed_by WHEN 'switch' THEN NULL ELSE closed_why END,
                 closed = CASE closed_by WHEN 'switch' THEN NULL ELSE closed END
             WHERE kind = ?2 AND CASE ?2 WHEN 'totals_differ' THEN file = ?3
                 WHEN 'refused' THEN issuer = ?4 AND digest = ?5 ELSE answer = ?6 AND place = ?7 END",
        )?;
        reopen.execute(params![
            trouble.detail,
            kind,
            file,
            trouble.issuer.0,
            digest,
            answer,
            place
        ])?;
    }
    Ok(())
}

/// What a record of an item had for trouble is settled.
pub(super) fn settle_record(
    connection: &Connection,
    (answer, place): (i64, i64),
    at: i64,
) -> Result<(), LedgerError> {
    let mut close = connection.prepare_cached(
        "UPDATE exceptions SET closed = ?, closed_by = ?, closed_why = 'what was said since settles it'
         WHERE answer = ? AND kind = 'over_claimed' AND place = ? AND closed IS NULL",
    )?;
    close.execute(params![at, SWITCH, answer, place])?;
    Ok(())
}

/// The totals of a file differ no more.
pub(super) fn settle_file(connection: &Connection, file: i64, at: i64) -> Result<(), LedgerError> {
    let mut close = connection.prepare_cached(
        "UPDATE exceptions SET closed = ?, closed_by = ?, closed_why = 'the totals agree by now'
         WHERE file = ? AND kind = 'totals_differ' AND closed IS NULL",
    )?;
    close.execute(params![at, SWITCH, file])?;
    Ok(())
}
