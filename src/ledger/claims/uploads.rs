//! What a terminal uploads of its authorizations: claims like those of merchants' files, which wait until they are matched and
//! judged by the same rules. Judges none.

use rusqlite::{Connection, OptionalExtension as _};

use super::super::LedgerError;
use super::super::batches::Uploaded;
use super::matching::Matched;
use super::rows::{Row, Rows, STANDS, digest};
use crate::clearing::claim::{Claim, Misfit, Note, Op, Reason, Verdict};
use crate::iso::Wall;
use crate::record::TxnId;
use crate::seal::Keys;

/// The batch that is closed.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct OfBatch<'a> {
    /// Its row.
    pub(in crate::ledger) id: i64,
    pub(in crate::ledger) number: u32,
    pub(in crate::ledger) terminal: &'a str,
    pub(in crate::ledger) merchant: &'a str,
    pub(in crate::ledger) now: Wall,
}

/// Claims of a terminal stand on no line of any file.
const NO_LINE: u64 = 0;

/// Takes note of what a terminal uploaded of authorizations, with their transactions where these are known. Once: a batch is closed
/// once.
pub(in crate::ledger) fn claim_uploads(
    connection: &Connection,
    keys: &Keys,
    of: OfBatch<'_>,
    uploads: &[(&Uploaded, Option<TxnId>)],
) -> Result<(), LedgerError> {
    if uploads.is_empty() {
        return Ok(());
    }
    let (submission, name) = submission_of(connection, of)?;
    let now = of.now.0.cast_signed();
    let rows = Rows::new(connection)?;
    for (seq, (upload, txn)) in (1..).zip(uploads) {
        let mut claim = Box::new(claim_of(seq, of, upload, *txn));
        // Batches and traces are numbered anew some day; no two claims that stand have one name.
        while connection.prepare_cached(STANDS)?.exists((of.merchant, &claim.reference))? {
            claim.reference = format!("{}/{}", claim.reference, of.id);
        }
        let note = Note::new(Reason::Unmatched, "rrn", "an authorization of this terminal", "");
        let matched = Matched::only(Verdict::Pending(note));
        let digest = digest(keys, &claim);
        let id = rows.insert(of.merchant, &Row { submission, claim, digest, matched })?;
        let sql = "INSERT INTO events (at, claim, kind, detail) VALUES (?, ?, 'uploaded', ?)";
        connection.prepare_cached(sql)?.execute((now, id, &name))?;
    }
    let sql = "UPDATE submissions SET first = ?, last = ? WHERE submission = ?";
    let (first, last) = rows.range().unzip();
    connection.prepare_cached(sql)?.execute((first, last, submission))?;
    Ok(())
}

/// What a batch is among its merchant's files, and its name there.
fn submission_of(connection: &Connection, of: OfBatch<'_>) -> Result<(i64, String), LedgerError> {
    let mut name = format!("batch {:06} of {}, {}", of.number, of.terminal, of.id);
    let now = of.now.0.cast_signed();
    loop {
        let sql = "INSERT INTO submissions (merchant, reference, digest, received, finished, state)
            VALUES (?, ?, x'', ?, ?, 'accepted') ON CONFLICT DO NOTHING";
        connection.execute(sql, (of.merchant, &name, now, now))?;
        let sql = "SELECT submission FROM submissions WHERE merchant = ? AND reference = ? AND digest = x''";
        let own = connection.query_row(sql, (of.merchant, &name), |row| row.get(0)).optional()?;
        if let Some(submission) = own {
            return Ok((submission, name));
        }
        // A file that its merchant named so stays what it is.
        name.push('*');
    }
}

fn claim_of(seq: u64, of: OfBatch<'_>, upload: &Uploaded, txn: Option<TxnId>) -> Claim {
    let op = if upload.refund { Op::Refund } else { Op::Capture };
    let claim = Claim {
        seq,
        line: NO_LINE,
        merchant: None,
        terminal: Some(of.terminal.to_owned()),
        op: op.word().to_owned(),
        reference: format!("{}/{:06}/{}{}", of.terminal, of.number, upload.mti, upload.stan),
        original: txn.map(|txn| format!("txn:{}", txn.0)),
        rrn: upload.rrn.clone(),
        stan: Some(upload.stan.clone()),
        approval: upload.approval.clone(),
        token: upload.card.clone(),
        amount: upload.amount,
        currency: upload.currency.clone(),
        local: None,
        mcc: None,
        entry: None,
        said: Err(Misfit { field: "op", expected: "", got: String::new() }),
    };
    claim.again((true, upload.tip), None)
}

/// Whether a terminal uploaded it: then a person is told what becomes of it, if nothing does.
pub(super) const fn is_uploaded(claim: &Claim) -> bool {
    claim.line == NO_LINE
}
