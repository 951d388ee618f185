//! By what merchants may name transactions: keyed hashes, made of the books as they grow. Judges no claim.

use rusqlite::Connection;

use super::super::{Ledger, LedgerError};
use crate::books::View;
use crate::clearing::claim::{Authorization, Claim, Said, Stands};
use crate::record::{Lsn, Opening, Standing, TxnId};
use crate::seal::Keys;

/// How many transactions are indexed in one step.
const STEP: u32 = if cfg!(test) { 3 } else { 20_000 };

/// Under this key are the transactions that were in flight: their answers may give them more names.
const IN_FLIGHT: i64 = 0;

/// Under this one those that a reversal named, in full or in part, until a cut has looked at them.
pub(in crate::ledger) const UNDONE: i64 = -1;

/// Under this one approved authorizations of which nobody knows yet whether they were heard: the switch may reverse them by itself.
pub(in crate::ledger) const UNTOLD: i64 = -2;

impl Ledger {
    /// Indexes what the books have as it begins, and the ledger does not know yet.
    pub fn index(&mut self) -> Result<(), LedgerError> {
        // While payments come in there would always be more.
        let goal = self.books.position()?;
        self.index_seen()?;
        while self.index_step(goal)? {}
        Ok(())
    }

    /// One step of the same, for who comes back for more. Says whether there is more.
    pub(super) fn index_on(&mut self) -> Result<bool, LedgerError> {
        let goal = self.books.position()?;
        self.index_seen()?;
        self.index_step(goal)
    }

    /// Those that are indexed, and under other names by now.
    fn index_seen(&mut self) -> Result<(), LedgerError> {
        self.is_fresh |= self.index_names()?;
        self.is_fresh |= self.index_answered()?;
        Ok(())
    }

    /// So many that are not yet. Says whether there are more, as far as the books had got at `goal`.
    fn index_step(&mut self, goal: Lsn) -> Result<bool, LedgerError> {
        let sql = "SELECT indexed FROM state";
        let after: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        let mut last = after;
        let mut entries = Vec::new();
        let count =
            self.books.standings_after(TxnId(after.cast_unsigned()), STEP, &mut |standing| {
                last = standing.id.0.cast_signed();
                if let Opening::Reversal(undo) = &standing.opening {
                    entries.extend(undo.original.map(|txn| (UNDONE, txn.0.cast_signed())));
                }
                enter(&standing, self.books.keys(), &mut entries);
            })?;
        if count == 0 {
            return Ok(false);
        }
        let whole = self.connection.unchecked_transaction()?;
        insert(&whole, entries)?;
        let sql = "UPDATE state SET indexed = ?1, named = iif(named = indexed, ?1, named)";
        whole.execute(sql, [last])?;
        whole.commit()?;
        self.is_fresh = true;
        Ok(count == STEP && last < goal.0.cast_signed())
    }

    /// The names of those that a program indexed which hashed them otherwise. Gives whether there were any.
    fn index_names(&self) -> Result<bool, LedgerError> {
        let mut any = false;
        loop {
            let sql = "SELECT named, indexed FROM state";
            let (after, indexed): (i64, i64) =
                self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if after >= indexed {
                return Ok(any);
            }
            let (mut last, mut entries) = (after, Vec::new());
            self.books.standings_after(TxnId(after.cast_unsigned()), STEP, &mut |standing| {
                last = standing.id.0.cast_signed();
                if last <= indexed {
                    enter(&standing, self.books.keys(), &mut entries);
                }
            })?;
            // Books that are built anew may not have the others yet: they are entered when those have.
            if last == after {
                return Ok(any);
            }
            any = true;
            entries.retain(|(key, _)| is_name(*key));
            let whole = self.connection.unchecked_transaction()?;
            insert(&whole, entries)?;
            whole.execute("UPDATE state SET named = ?", [last.min(indexed)])?;
            whole.commit()?;
        }
    }

    /// Those that were in flight when they were seen last. Gives whether any of them no longer is.
    fn index_answered(&self) -> Result<bool, LedgerError> {
        let waiting = transactions(&self.connection, IN_FLIGHT, u32::MAX)?;
        let (mut entries, mut done) = (Vec::new(), Vec::new());
        for txn in waiting {
            // Books that are built anew may not have it yet.
            let Some(standing) = self.books.standing(txn)? else { continue };
            match Authorization::of(&standing) {
                Some(one) if one.stands == Stands::InFlight => continue,
                _ => enter(&standing, self.books.keys(), &mut entries),
            }
            done.push(txn);
        }
        if done.is_empty() {
            return Ok(false);
        }
        let whole = self.connection.unchecked_transaction()?;
        insert(&whole, entries)?;
        for txn in &done {
            let sql = "DELETE FROM keys WHERE key = ? AND txn = ?";
            whole.prepare_cached(sql)?.execute((IN_FLIGHT, txn.0.cast_signed()))?;
        }
        whole.commit()?;
        Ok(true)
    }
}

/// The names of one transaction.
fn enter(standing: &Standing, keys: &Keys, entries: &mut Vec<(i64, i64)>) {
    let Some(one) = Authorization::of(standing) else { return };
    let txn = one.txn.0.cast_signed();
    match one.stands {
        Stands::InFlight => entries.push((IN_FLIGHT, txn)),
        Stands::Approved if !one.single && !standing.told => entries.push((UNTOLD, txn)),
        Stands::Approved | Stands::Declined | Stands::Reversed => {}
    }
    let [asked, answered] = &one.rrns;
    for rrn in [Some(asked), Some(answered).filter(|rrn| *rrn != asked)].into_iter().flatten() {
        if !rrn.is_empty() {
            entries.push((by_rrn(keys, [&one.merchant, &one.terminal, rrn]), txn));
        }
    }
    if let Some(currency) = one.currency.filter(|_| !one.approval.is_empty()) {
        let names = [&one.merchant, &one.card, &one.approval, &currency.to_string()];
        entries.push((by_card(keys, names.map(String::as_str)), txn));
    }
    if let Some(completed) = one.completes {
        entries.push((by_completed(completed), txn));
    }
    if let Some(first) = one.raises {
        entries.push((by_raised(first), txn));
    }
}

fn insert(connection: &Connection, mut entries: Vec<(i64, i64)>) -> Result<(), LedgerError> {
    // One walk through the table instead of a search for each.
    entries.sort_unstable();
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO keys VALUES (?, ?)")?;
    for entry in entries {
        insert.execute(entry)?;
    }
    Ok(())
}

fn transactions(connection: &Connection, key: i64, limit: u32) -> Result<Vec<TxnId>, LedgerError> {
    let sql = "SELECT txn FROM keys WHERE key = ? ORDER BY txn LIMIT ?";
    let mut ask = connection.prepare_cached(sql)?;
    let found =
        ask.query_map((key, limit), |row| Ok(TxnId(row.get::<_, i64>(0)?.cast_unsigned())))?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// So many transactions of one name are looked at; who has more of them names none.
const NAMED_MAX: u32 = 64;

/// So many increments of one authorization count: a year has fewer days than that.
const INCREMENTS_MAX: u32 = 1_000;

/// The transactions that have the names of a claim; none where it names nothing. Others may share the hash.
pub(super) fn named(
    connection: &Connection,
    books: &View,
    (claim, said, merchant): (&Claim, &Said, &str),
) -> Result<Option<Vec<TxnId>>, LedgerError> {
    let keys = books.keys();
    let key = match (&claim.rrn, &claim.token, &claim.approval) {
        (Some(rrn), _, _) => {
            let terminal = claim.terminal.as_deref().unwrap_or_default();
            by_rrn(keys, [merchant, terminal, rrn])
        }
        (None, Some(card), Some(approval)) => {
            by_card(keys, [merchant, card, approval, &said.currency.to_string()])
        }
        _ => return Ok(None),
    };
    transactions(connection, key, NAMED_MAX + 1).map(Some)
}

/// Whether so many were found that there may be more.
pub(super) fn are_too_many(found: &[TxnId]) -> bool {
    found.len() > usize::try_from(NAMED_MAX).unwrap_or(usize::MAX)
}

/// Whether any transaction that is known here completes another, or raises one: else none need be asked which.
pub(in crate::ledger) fn are_any_related(connection: &Connection) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM keys WHERE key < ?";
    Ok(connection.prepare_cached(sql)?.exists([UNTOLD])?)
}

/// The transactions that complete this one.
pub(in crate::ledger) fn completions(
    connection: &Connection,
    txn: TxnId,
) -> Result<Vec<TxnId>, LedgerError> {
    transactions(connection, by_completed(txn), NAMED_MAX)
}

/// The increments of this authorization.
pub(in crate::ledger) fn increments(
    connection: &Connection,
    first: TxnId,
) -> Result<Vec<TxnId>, LedgerError> {
    transactions(connection, by_raised(first), INCREMENTS_MAX)
}

/// From the top: a bit that is set, 39 of the keyed hash of merchant and leading digits, the last digits, and a sum that tells terminals
/// apart. So reference numbers that follow each other lie together, whatever their terminals: a merchant's file looks for thousands.
fn by_rrn(keys: &Keys, [merchant, terminal, rrn]: [&str; 3]) -> i64 {
    let bytes = rrn.as_bytes();
    let is_number = |tail: &&[u8; TAIL_LEN]| tail.iter().all(u8::is_ascii_digit);
    let (head, tail) = match bytes.split_last_chunk::<TAIL_LEN>() {
        Some((head, tail)) if is_number(&tail) => (head, &tail[..]),
        _ => (bytes, &[][..]),
    };
    let together = hash(keys, "claim by rrn", &[merchant.as_bytes(), head]);
    let digits = tail.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let sum = terminal.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
    let of_terminal = i64::from(sum) & !(-1 << TERMINAL_BITS);
    (1 << 62)
        | (together & (-1 << (TAIL_BITS + TERMINAL_BITS)))
        | (digits << TERMINAL_BITS)
        | of_terminal
}

fn by_card(keys: &Keys, names: [&str; 4]) -> i64 {
    hash(keys, "claim by card", &names.map(str::as_bytes))
}

/// So many digits at the end of a reference number are not hashed, and take so many bits.
const TAIL_LEN: usize = 3;
const TAIL_BITS: u32 = 10;

/// So many bits tell terminals apart. What is found is compared by all of its names.
const TERMINAL_BITS: u32 = 13;

/// Positive; what is looked at is compared with the names themselves.
fn hash(keys: &Keys, name: &'static str, parts: &[&[u8]]) -> i64 {
    let tag = u64::try_from(keys.tag(name, parts).0 >> 65).unwrap_or(0);
    tag.cast_signed().max(1)
}

/// Whether a name has it: all other keys are 0 or less.
const fn is_name(key: i64) -> bool {
    key > 0
}

const fn by_completed(txn: TxnId) -> i64 {
    i64::MIN + txn.0.cast_signed()
}

const fn by_raised(first: TxnId) -> i64 {
    i64::MIN / 2 + first.0.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_numbers_that_follow_each_other_lie_together() {
        let keys = Keys::new(&[7; 32]);
        let of = |terminal, rrn| by_rrn(&keys, ["SHOP", terminal, rrn]);
        let in_a_row =
            [of("T1", "632613000120"), of("T2", "632613000121"), of("T1", "632613000122")];
        assert!(in_a_row.is_sorted() && in_a_row[2] - in_a_row[0] < 3 << TERMINAL_BITS);
        assert_ne!(of("T1", "632613000120"), of("T2", "632613000120"));
        let others =
            [of("T1", "632613001120"), of("T1", "12"), of("T1", "63261300012A"), of("", "")];
        assert!(others.iter().all(|key| is_name(*key) && !in_a_row.contains(key)));
        assert_ne!(by_rrn(&keys, ["OTHER", "T1", "632613000120"]), in_a_row[0]);
    }
}
