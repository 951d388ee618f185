//! What becomes of one claim: what it names is looked up in books and ledger, and the rules say the rest. Writes one row.

use std::cell::RefCell;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::LedgerError;
use super::names::{Finder, Named, txn_of};
use super::rows::{Row, Rows, STANDS, is_to_cut, not_to_cut, to_cut};
use super::tally::Tallies;
use super::uploads;
use crate::clearing::claim::{
    self, Claim, Misfit, Note, Op, Past, Reason, Rules, Said, Tally, Used, Verdict,
};
use crate::iso::Wall;
use crate::record::TxnId;

/// What becomes of a refund that names nothing that was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// It is rejected at once.
    Reject,
    /// It waits for its capture, as captures wait for their authorization.
    Wait,
}

/// What claims are matched with.
pub(super) struct Matcher<'a, 'c> {
    pub(super) connection: &'a Connection,
    pub(super) finder: Finder<'a>,
    pub(super) rules: &'a Rules,
    pub(super) unlinked: Unlinked,
    /// When the file came: what is too old is too old then.
    pub(super) at: Wall,
    /// When this is.
    pub(super) now: Wall,
    /// What was claimed so far.
    pub(super) tallies: &'a RefCell<Tallies>,
    /// What waits for its place in the table.
    pub(super) rows: &'a Rows<'c>,
}

/// What became of a claim, and what else that changes.
pub(super) struct Matched {
    pub(super) verdict: Verdict,
    pub(super) txn: Option<TxnId>,
    pub(super) original: Option<i64>,
    /// What that is, where all of it is taken back.
    pub(super) takes_back: Option<Op>,
    /// An earlier claim is not presented: this one takes it back, or stands in its place.
    voids: Option<Earlier>,
    /// Whether it is taken for the first of its authorization: who writes its row finds out.
    is_assumed: bool,
}

/// A claim, and what was seen of it ahead.
pub(super) struct Seen {
    pub(super) claim: Box<Claim>,
    /// What makes two of one reference the same.
    pub(super) digest: [u8; 16],
    /// What it names in the books.
    pub(super) named: Option<Named>,
}

/// An earlier claim of the same merchant.
#[derive(Clone)]
struct Earlier {
    claim: i64,
    op: Op,
    amount: i64,
    currency: String,
    is_pending: bool,
    txn: Option<TxnId>,
    voided: Option<i64>,
    is_presented: bool,
    last: bool,
}

impl Earlier {
    /// As it counts.
    const fn past(&self) -> Past {
        Past { op: self.op, takes_back: None, amount: self.amount, last: self.last }
    }
}

impl Matched {
    pub(super) const fn only(verdict: Verdict) -> Self {
        let (txn, original, takes_back, voids) = (None, None, None, None);
        Self { verdict, txn, original, takes_back, voids, is_assumed: false }
    }

    fn rejected(note: Note) -> Self {
        Self::only(Verdict::Rejected(note))
    }
}

impl Matcher<'_, '_> {
    /// Takes one record of a file in.
    pub(super) fn take(&self, submission: i64, seen: Seen) -> Result<(), LedgerError> {
        let Seen { claim, digest, named } = seen;
        if self.rows.has_reference(&claim.reference) {
            self.lay_down()?;
        }
        let matched = match self.says_nothing(&claim) {
            Some(matched) => matched,
            None => self.judge(&claim, named)?,
        };
        let mut row = Row { submission, claim, digest, matched };
        // So it is with nearly all. It counts, and changes nothing else.
        if row.matched.is_assumed {
            self.recount(&row.claim, &row.matched);
            return if self.rows.put(row) { self.lay_down() } else { Ok(()) };
        }
        self.lay_down()?;
        if let Some(repeated) = self.repeats(&row.claim, &row.digest)? {
            row.matched = repeated;
        }
        let id = self.rows.insert(self.finder.merchant, &row)?;
        self.follow_up(id, &row.claim, &row.matched)
    }

    /// Brings what waits into its table. What turns out to repeat something is a repetition, and what is not the first of its
    /// authorization though it was taken for that is judged once more.
    pub(super) fn lay_down(&self) -> Result<(), LedgerError> {
        for mut row in self.rows.lay_down(self.finder.merchant)? {
            self.forget(&row.matched);
            row.matched = match self.repeats(&row.claim, &row.digest)? {
                Some(repeated) => repeated,
                // Not a guess again: they are doubted now.
                None if row.matched.is_assumed => {
                    self.judge(&row.claim, self.finder.look(&row.claim)?)?
                }
                None => row.matched,
            };
            let id = self.rows.insert(self.finder.merchant, &row)?;
            self.follow_up(id, &row.claim, &row.matched)?;
        }
        Ok(())
    }

    /// Writes what waits, and gives the ledger that has it now.
    fn laid_down(&self) -> Result<&Connection, LedgerError> {
        self.lay_down()?;
        Ok(self.connection)
    }

    /// Looks at a claim once more that waited; with `last` for the last time. Gives whether anything became of it.
    pub(super) fn retry(&self, id: i64, claim: &Claim, last: bool) -> Result<bool, LedgerError> {
        let mut matched = self.judge(claim, self.finder.look(claim)?)?;
        if let Verdict::Pending(mut note) = matched.verdict {
            if !last {
                return Ok(false);
            }
            if note.reason == Reason::InFlight {
                note.reason = Reason::Unmatched;
            }
            matched.verdict = Verdict::Rejected(note);
        }
        let (state, note) = told(&matched.verdict);
        let txn = matched.txn.map(|txn| txn.0.cast_signed());
        let sql = "SELECT txn FROM claims WHERE claim = ?";
        let left: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
        let sql = "UPDATE claims SET state = ?, reason = ?, field = ?, expected = ?, got = ?, txn = ?, original = ?,
                opens = NULL
            WHERE claim = ?";
        self.connection.prepare_cached(sql)?.execute(params![
            state,
            note.map(|note| note.reason.word()),
            note.map(|note| note.field),
            note.map(|note| &note.expected),
            note.map(|note| &note.got),
            txn,
            matched.original,
            id,
        ])?;
        for named in [left, txn].into_iter().flatten() {
            self.open(named, id)?;
        }
        if is_to_cut(&matched.verdict) {
            to_cut(self.connection, id)?;
        }
        self.event(id, state, note.map(|note| note.reason.word()))?;
        self.follow_up(id, claim, &matched)?;
        Ok(true)
    }

    /// Somebody opens an authorization: rather any other than the one that waited, before which others may have been presented.
    fn open(&self, txn: i64, waited: i64) -> Result<(), LedgerError> {
        let sql = "UPDATE claims SET opens = 1
            WHERE claim = (SELECT claim FROM claims WHERE txn = ?1 ORDER BY claim = ?2, claim LIMIT 1)
            AND NOT EXISTS (SELECT 1 FROM claims WHERE txn = ?1 AND opens = 1)";
        self.connection.prepare_cached(sql)?.execute((txn, waited))?;
        Ok(())
    }

    /// Another merchant's record, or fields that say nothing.
    fn says_nothing(&self, claim: &Claim) -> Option<Matched> {
        let note = |reason, field, expected: &str, got: &str| {
            Matched::rejected(Note::new(reason, field, expected, got))
        };
        let expected = self.finder.merchant;
        if let Some(merchant) = claim.merchant.as_deref().filter(|its| *its != expected) {
            return Some(note(Reason::WrongMerchant, "merchant_id", expected, merchant));
        }
        let Err(Misfit { field, expected, got }) = &claim.said else { return None };
        Some(note(Reason::BadField, field, expected, got))
    }

    /// What has the reference of a claim that stands repeats it, or is another one under the same name; but what is no record of this
    /// merchant is that first. Nothing waits.
    fn repeats(&self, claim: &Claim, digest: &[u8; 16]) -> Result<Option<Matched>, LedgerError> {
        if self.says_nothing(claim).is_some() {
            return Ok(None);
        }
        let mut ask = self.connection.prepare_cached(STANDS)?;
        let found = ask.query_row((self.finder.merchant, &claim.reference), |row| {
            Ok((row.get::<_, i64>(0)?, row.get_ref(1)?.as_blob()? == digest))
        });
        let Some((first, same)) = found.optional()? else { return Ok(None) };
        if !same {
            let expected = "a name that no other record has";
            let note = Note::new(Reason::DupRef, "capture_ref", expected, &claim.reference);
            return Ok(Some(Matched::rejected(note)));
        }
        let matched = Matched::rejected(Note::new(Reason::Duplicate, "capture_ref", "", ""));
        Ok(Some(Matched { original: Some(first), ..matched }))
    }

    fn judge(&self, claim: &Claim, named: Option<Named>) -> Result<Matched, LedgerError> {
        let named = named.unwrap_or(Named::Nothing);
        // What says nothing was rejected before.
        let Ok(said) = &claim.said else {
            let note = Note::new(Reason::BadField, "op", "", "");
            return Ok(Matched::rejected(note));
        };
        match said.op {
            Op::Capture => self.capture(claim, said, named),
            Op::Refund => self.refund(claim, said, named),
            Op::Reversal => self.reversal(claim, said),
            Op::Adjust => self.adjust(claim, said),
        }
    }

    fn capture(&self, claim: &Claim, said: &Said, named: Named) -> Result<Matched, LedgerError> {
        let it = match named {
            Named::One(it) => it,
            other => return Ok(Self::unnamed(&other, Reason::Unmatched)),
        };
        let judged = |tally: &Tally| {
            let verdict = claim::capture((claim, said), &it, tally.used(), self.rules, self.at);
            Matched { txn: Some(it.txn), ..Matched::only(verdict) }
        };
        // Nearly every claim is the first of its authorization, and is written as such: what is not comes back.
        if self.tallies.borrow_mut().take_for_first(it.txn) {
            let matched = judged(&Tally::default());
            if is_to_cut(&matched.verdict) {
                self.tallies.borrow_mut().keep(it.txn, Tally::default());
                return Ok(Matched { is_assumed: true, ..matched });
            }
        }
        Ok(judged(&self.tally_of(it.txn)?))
    }

    /// A refund may have an authorization of its own, name a capture, or name what was bought.
    fn refund(&self, claim: &Claim, said: &Said, named: Named) -> Result<Matched, LedgerError> {
        let original = match &claim.original {
            Some(name) if txn_of(name).is_none() => self.earlier(name)?,
            _ => None,
        };
        match (named, original) {
            (Named::One(it), original) if it.refund => {
                let used = self.used(it.txn, None)?;
                let verdict = claim::capture((claim, said), &it, used, self.rules, self.at);
                let original = original.map(|original| original.claim);
                Ok(Matched { txn: Some(it.txn), original, ..Matched::only(verdict) })
            }
            (_, Some(original)) => self.refund_of(claim, said, &original),
            (Named::One(it), None) => {
                let verdict = claim::refund((claim, said), &it, self.used(it.txn, None)?);
                Ok(Matched { txn: Some(it.txn), ..Matched::only(verdict) })
            }
            (other, None) => {
                let matched = Self::unnamed(&other, Reason::UnlinkedRefund);
                Ok(match matched.verdict {
                    Verdict::Pending(note) if self.unlinked == Unlinked::Reject => {
                        Matched::rejected(note)
                    }
                    verdict => Matched::only(verdict),
                })
            }
        }
    }

    fn refund_of(
        &self,
        claim: &Claim,
        said: &Said,
        original: &Earlier,
    ) -> Result<Matched, LedgerError> {
        let given = claim.original.as_deref().unwrap_or_default();
        let note = |reason, expected: &str| Note::new(reason, "orig_ref", expected, given);
        let matched = |verdict| Matched {
            txn: original.txn,
            original: Some(original.claim),
            ..Matched::only(verdict)
        };
        if !matches!(original.op, Op::Capture | Op::Adjust) {
            return Ok(matched(Verdict::Rejected(note(Reason::WrongOp, "a capture"))));
        }
        if original.voided.is_some() || self.is_reversed(original.claim)? {
            let note = note(Reason::AlreadyReversed, "a capture that was not taken back");
            return Ok(matched(Verdict::Rejected(note)));
        }
        let Some(it) = self.finder.claimed(original.txn)?.filter(|_| !original.is_pending) else {
            let note = note(Reason::UnlinkedRefund, "a capture that has its authorization");
            return Ok(matched(Verdict::Pending(note)));
        };
        let used = self.used(it.txn, None)?;
        Ok(matched(claim::refund((claim, said), &it, used)))
    }

    fn reversal(&self, claim: &Claim, said: &Said) -> Result<Matched, LedgerError> {
        let Some(original) = self.taken_back(claim)? else { return Ok(Self::no_original(claim)) };
        let used = match original.txn.filter(|_| !original.is_pending) {
            Some(txn) => self.used(txn, None)?,
            // Nothing is refunded of what waits.
            None => Used { captured: original.amount, ..Used::default() },
        };
        let about = (original.op, original.amount, original.currency.as_str());
        let verdict = claim::reversal((claim, said), about, used);
        let reversed = original.voided.is_some() || self.is_reversed(original.claim)?;
        let verdict = if reversed { Self::already(claim) } else { verdict };
        let accepted = verdict == Verdict::Accepted;
        Ok(Matched {
            verdict,
            txn: original.txn,
            original: Some(original.claim),
            takes_back: Some(original.op),
            voids: (accepted && !original.is_presented).then_some(original),
            is_assumed: false,
        })
    }

    fn adjust(&self, claim: &Claim, said: &Said) -> Result<Matched, LedgerError> {
        let Some(original) = self.taken_back(claim)? else { return Ok(Self::no_original(claim)) };
        let given = claim.original.as_deref().unwrap_or_default();
        let note = |reason, expected: &str| Note::new(reason, "orig_ref", expected, given);
        let matched = |verdict| Matched {
            txn: original.txn,
            original: Some(original.claim),
            ..Matched::only(verdict)
        };
        if !matches!(original.op, Op::Capture | Op::Adjust) {
            return Ok(matched(Verdict::Rejected(note(Reason::WrongOp, "a capture"))));
        }
        if original.voided.is_some() {
            return Ok(matched(Self::already(claim)));
        }
        if original.is_presented {
            let note = note(Reason::AlreadyPresented, "a capture that was not presented yet");
            return Ok(matched(Verdict::Rejected(note)));
        }
        let Some(it) = self.finder.claimed(original.txn)?.filter(|_| !original.is_pending) else {
            let note = note(Reason::NoOriginal, "a capture that has its authorization");
            return Ok(matched(Verdict::Pending(note)));
        };
        let used = self.used(it.txn, Some(&original))?;
        let verdict = claim::adjust((claim, said), &it, used, self.rules);
        let voids = (verdict == Verdict::Accepted).then(|| original.clone());
        Ok(Matched { voids, ..matched(verdict) })
    }

    fn already(claim: &Claim) -> Verdict {
        let given = claim.original.as_deref().unwrap_or_default();
        let expected = "a claim that was not taken back";
        Verdict::Rejected(Note::new(Reason::AlreadyReversed, "orig_ref", expected, given))
    }

    fn no_original(claim: &Claim) -> Matched {
        let given = claim.original.as_deref().unwrap_or_default();
        let expected = "the capture_ref of a record that was accepted";
        Matched::rejected(Note::new(Reason::NoOriginal, "orig_ref", expected, given))
    }

    /// What becomes of a claim that names not exactly one transaction.
    fn unnamed(named: &Named, reason: Reason) -> Matched {
        match named {
            Named::Several(count) => {
                let expected =
                    "names of one transaction: its stan, local_dt, or orig_ref txn:NUMBER";
                let got = format!("{count} transactions");
                Matched::rejected(Note::new(Reason::Ambiguous, "rrn", expected, got))
            }
            Named::Foreign(txn) => {
                let note =
                    Note::new(Reason::Foreign, "orig_ref", "a transaction of this merchant", "");
                Matched { txn: Some(*txn), ..Matched::rejected(note) }
            }
            Named::Nothing => {
                let expected = "orig_ref txn:NUMBER, or rrn, or pan_token and auth_code";
                Matched::rejected(Note::new(reason, "rrn", expected, ""))
            }
            Named::None | Named::One(_) => {
                let expected = "names of an authorization that is known here";
                Matched::only(Verdict::Pending(Note::new(reason, "rrn", expected, "")))
            }
        }
    }

    /// What was claimed of a transaction, but for one claim that is to be replaced.
    fn used(&self, txn: TxnId, but: Option<&Earlier>) -> Result<Used, LedgerError> {
        let mut tally = self.tally_of(txn)?;
        if let Some(replaced) = but {
            tally.count(replaced.past(), -1);
        }
        Ok(tally.used())
    }

    /// What was claimed of a transaction.
    fn tally_of(&self, txn: TxnId) -> Result<Tally, LedgerError> {
        // What turns out to repeat something does not count.
        if self.rows.has_txn(txn) {
            self.lay_down()?;
        }
        let known = self.tallies.borrow().of(txn);
        if let Some(tally) = known {
            debug_assert_eq!(tally.used(), self.tally(txn)?.used(), "{txn:?}");
            return Ok(tally);
        }
        let tally = self.tally(txn)?;
        self.tallies.borrow_mut().keep(txn, tally);
        Ok(tally)
    }

    /// The same, from the claims themselves.
    fn tally(&self, txn: TxnId) -> Result<Tally, LedgerError> {
        let sql = "SELECT one.op, original.op, one.amount, one.final FROM claims AS one
            LEFT JOIN claims AS original ON original.claim = one.original
            WHERE one.txn = ? AND one.state IN ('accepted', 'warned') AND one.voided IS NULL";
        let mut ask = self.connection.prepare_cached(sql)?;
        let mut rows = ask.query([txn.0.cast_signed()])?;
        let mut tally = Tally::default();
        while let Some(row) = rows.next()? {
            let Some(op) = Op::of(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) else {
                continue;
            };
            let original: Option<String> = if op == Op::Reversal { row.get(1)? } else { None };
            let takes_back = original.as_deref().and_then(Op::of);
            tally.count(Past { op, takes_back, amount: row.get(2)?, last: row.get(3)? }, 1);
        }
        Ok(tally)
    }

    /// An earlier claim by its name; what replaced it, in its place.
    fn earlier(&self, name: &str) -> Result<Option<Earlier>, LedgerError> {
        let sql = format!(
            "{EARLIER} WHERE merchant = ? AND reference = ? AND state NOT IN ('rejected', 'duplicate')
            ORDER BY claim LIMIT 1"
        );
        let mut ask = self.laid_down()?.prepare_cached(&sql)?;
        let mut found = ask.query_row((self.finder.merchant, name), earlier).optional()?.flatten();
        let mut ask = self.connection.prepare_cached(&format!("{EARLIER} WHERE claim = ?"))?;
        while let Some(voided) = found.as_ref().and_then(|found| found.voided) {
            match ask.query_row([voided], earlier).optional()?.flatten() {
                Some(later) if later.op == Op::Adjust => found = Some(later),
                _ => break,
            }
        }
        Ok(found)
    }

    fn taken_back(&self, claim: &Claim) -> Result<Option<Earlier>, LedgerError> {
        claim.original.as_deref().map_or(Ok(None), |name| self.earlier(name))
    }

    fn is_reversed(&self, claim: i64) -> Result<bool, LedgerError> {
        let sql = "SELECT 1 FROM claims WHERE original = ? AND op = 'reversal' AND state IN ('accepted', 'warned')";
        Ok(self.laid_down()?.prepare_cached(sql)?.exists([claim])?)
    }

    /// What else a claim changes, once it has its row.
    fn follow_up(&self, id: i64, claim: &Claim, matched: &Matched) -> Result<(), LedgerError> {
        self.recount(claim, matched);
        if let Some(earlier) = &matched.voids {
            let sql = "UPDATE claims SET voided = ?1 WHERE claim = ?2";
            let mut void = self.connection.prepare_cached(sql)?;
            void.execute((id, earlier.claim))?;
            not_to_cut(self.connection, earlier.claim)?;
            if claim.said.as_ref().is_ok_and(|said| said.op == Op::Reversal) {
                // Both are over: nothing goes to an issuer.
                void.execute((id, id))?;
                not_to_cut(self.connection, id)?;
            }
            if earlier.is_pending {
                self.rows.miscount();
                let sql = "UPDATE claims SET state = 'rejected', reason = ?, field = 'orig_ref', expected = NULL
                    WHERE claim = ?";
                self.connection
                    .prepare_cached(sql)?
                    .execute((Reason::Voided.word(), earlier.claim))?;
            }
            self.event(earlier.claim, "voided", Some(&format!("claim {id}")))?;
        }
        if let Verdict::Rejected(note) = &matched.verdict {
            self.tell(id, claim, note)?;
        }
        Ok(())
    }

    /// A claim that waited to be written may repeat something, or not be the first: what was counted with it is counted anew.
    fn forget(&self, matched: &Matched) {
        let mut tallies = self.tallies.borrow_mut();
        tallies.doubt();
        matched.txn.into_iter().for_each(|txn| tallies.forget(txn));
    }

    /// What counts of its authorization, with it and without what it voids.
    fn recount(&self, claim: &Claim, matched: &Matched) {
        let mut tallies = self.tallies.borrow_mut();
        let voids = matched.voids.as_ref();
        if let Some((earlier, txn)) =
            voids.filter(|it| !it.is_pending).and_then(|it| Some((it, it.txn?)))
        {
            tallies.goes(txn, earlier.past());
        }
        let Ok(said) = &claim.said else { return };
        let counts = matches!(matched.verdict, Verdict::Accepted | Verdict::Warned(_));
        // What takes something back before that is presented is void with it.
        let is_void = voids.is_some() && said.op == Op::Reversal;
        if let Some(txn) = matched.txn.filter(|_| counts && !is_void) {
            let (op, takes_back, amount) = (said.op, matched.takes_back, claim.amount);
            tallies.comes(txn, Past { op, takes_back, amount, last: said.last });
        }
    }

    /// What a person has to see of a claim that is rejected.
    fn tell(&self, id: i64, claim: &Claim, note: &Note) -> Result<(), LedgerError> {
        let merchant = self.finder.merchant;
        let (kind, detail) = if uploads::is_uploaded(claim) {
            let why = note.reason.word();
            let what = format!("{} of {merchant}: its terminal has it, and it", claim.reference);
            ("uploaded_unknown", format!("{what} cannot be claimed: {why}"))
        } else if note.reason == Reason::Ambiguous {
            ("ambiguous", format!("a claim of {merchant} names {}", note.got))
        } else {
            return Ok(());
        };
        let sql = "INSERT OR IGNORE INTO exceptions (opened, kind, claim, amount, currency, detail)
            VALUES (?, ?, ?, ?, ?, ?)";
        let (opened, amount) = (self.now.0.cast_signed(), claim.amount);
        let values = params![opened, kind, id, amount, claim.currency, detail];
        self.connection.prepare_cached(sql)?.execute(values)?;
        Ok(())
    }

    fn event(&self, claim: i64, kind: &str, detail: Option<&str>) -> Result<(), LedgerError> {
        let sql = "INSERT INTO events (at, claim, kind, detail) VALUES (?, ?, ?, ?)";
        let at = self.now.0.cast_signed();
        self.connection.prepare_cached(sql)?.execute(params![at, claim, kind, detail])?;
        Ok(())
    }
}

/// Claims as they are looked at by those that name them.
const EARLIER: &str = "SELECT claim, op, amount, currency, state, txn, voided, final,
        state IN ('accepted', 'warned') AND voided IS NULL AND NOT EXISTS (SELECT 1 FROM to_cut WHERE to_cut.claim = claims.claim)
    FROM claims";

fn earlier(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Earlier>> {
    let Some(op) = Op::of(row.get_ref(1)?.as_str()?) else { return Ok(None) };
    Ok(Some(Earlier {
        claim: row.get(0)?,
        op,
        amount: row.get(2)?,
        currency: row.get(3)?,
        is_pending: row.get_ref(4)?.as_str()? == "pending",
        txn: row.get::<_, Option<i64>>(5)?.map(|txn| TxnId(txn.cast_unsigned())),
        voided: row.get(6)?,
        last: row.get(7)?,
        is_presented: row.get(8)?,
    }))
}

/// The state of a claim, and what is said of it.
pub(super) fn told(verdict: &Verdict) -> (&'static str, Option<&Note>) {
    match verdict {
        Verdict::Accepted => ("accepted", None),
        Verdict::Warned(note) => ("warned", Some(note)),
        Verdict::Pending(note) => ("pending", Some(note)),
        Verdict::Rejected(note) if note.reason == Reason::Duplicate => ("duplicate", None),
        Verdict::Rejected(note) => ("rejected", Some(note)),
    }
}
