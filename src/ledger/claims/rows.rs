//! The row that a claim is, with what became of it. Decides nothing.

use rusqlite::{Connection, params};

use super::super::LedgerError;
use super::matching::{Matched, told};
use crate::clearing::claim::{Claim, Verdict};
use crate::seal::Keys;

/// What makes two records of one reference the same.
pub(super) fn digest(keys: &Keys, claim: &Claim) -> [u8; 16] {
    let (texts, numbers) = claim.content();
    let numbers = numbers.map(i64::to_be_bytes);
    let mut parts: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
    parts.extend(numbers.iter().map(<[u8; 8]>::as_slice));
    keys.tag("claim", &parts).0.to_be_bytes()
}

/// A claim with what became of it: its row.
pub(super) fn insert(
    connection: &Connection,
    (submission, merchant): (i64, &str),
    (claim, digest): (&Claim, &[u8; 16]),
    matched: &Matched,
) -> Result<i64, LedgerError> {
    let (state, note) = told(&matched.verdict);
    let said = claim.said.as_ref().ok();
    let sql = "INSERT INTO claims (submission, seq, place, merchant, terminal, op, reference, original_reference,
                original_amount, rrn, stan, approval, token, amount, currency, local, mcc, final, tip, entry, digest,
                state, reason, field, expected, got, txn, original)
            VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    connection.prepare_cached(sql)?.execute(params![
        submission,
        claim.seq.cast_signed(),
        claim.line.cast_signed(),
        claim.merchant.as_deref().unwrap_or(merchant),
        claim.terminal,
        claim.op,
        claim.reference,
        claim.original,
        said.and_then(|said| said.original_amount),
        claim.rrn,
        claim.stan,
        claim.approval,
        claim.token,
        claim.amount,
        claim.currency,
        claim.local,
        claim.mcc,
        said.is_none_or(|said| said.last),
        said.map_or(0, |said| said.tip),
        claim.entry,
        digest,
        state,
        note.map(|note| note.reason.word()),
        note.map(|note| note.field),
        note.map(|note| &note.expected),
        note.map(|note| &note.got),
        matched.txn.map(|txn| txn.0.cast_signed()),
        matched.original,
    ])?;
    let id = connection.last_insert_rowid();
    if is_to_cut(&matched.verdict) {
        to_cut(connection, id)?;
    }
    Ok(id)
}

/// Whether a cut is to take it.
pub(super) const fn is_to_cut(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accepted | Verdict::Warned(_))
}

/// A cut is to take this claim.
pub(super) fn to_cut(connection: &Connection, claim: i64) -> Result<(), LedgerError> {
    connection.prepare_cached("INSERT INTO to_cut VALUES (?)")?.execute([claim])?;
    Ok(())
}

/// No cut takes this claim any more.
pub(in crate::ledger) fn not_to_cut(
    connection: &Connection,
    claim: i64,
) -> Result<(), LedgerError> {
    connection.prepare_cached("DELETE FROM to_cut WHERE claim = ?")?.execute([claim])?;
    Ok(())
}
