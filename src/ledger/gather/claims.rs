//! What merchants claimed, presented to the issuers of its authorizations; and what they took back since.

use rusqlite::{OptionalExtension as _, Row, params};

use super::refunds::{Refund, Wanted};
use super::{Claimed, Gathering, New, undone};
use crate::clearing::claim::Op;
use crate::clearing::{Capture, ClearingError, Terms};
use crate::iso::{Amount, Currency};
use crate::ledger::ahead::{Scout, ahead};
use crate::ledger::chain;
use crate::ledger::claims::{UNDONE, are_any_related, completions, not_to_cut};
use crate::ledger::cut::CutError;
use crate::ledger::fate::{self, Decision};
use crate::ledger::tables::day;
use crate::record::{LinkId, Standing, TxnId};

/// A claim that no cut has taken.
struct Ready {
    claim: i64,
    /// None where it is no word that is known here.
    op: Option<Op>,
    txn: Option<i64>,
    original: Option<i64>,
    amount: i64,
    /// None where it is no currency.
    currency: Option<Currency>,
    merchant: String,
    terminal: Option<String>,
    mcc: Option<String>,
    local: Option<String>,
    entry: Option<String>,
    is_final: bool,
    /// Whether there may be an earlier claim of the same authorization.
    may_have_earlier: bool,
}

/// A claim, and what it is about.
struct Looked {
    ready: Ready,
    /// Whether money goes to the card.
    refund: bool,
    authorized: Option<Authorized>,
}

/// What the books have of what is claimed.
struct Authorized {
    standing: Standing,
    left: chain::Left,
    is_completed: bool,
    /// What it would say in a file; none in a currency that is none.
    capture: Option<Result<Capture, ClearingError>>,
}

/// So many claims that a cut cannot present are told one by one, and the others as one.
const REFUSED_MAX: u32 = if cfg!(test) { 3 } else { 10_000 };

impl Scout {
    /// Reads the claims that no cut has taken, up to one, with what is known of their authorizations; page by page, as long as
    /// somebody wants them.
    fn claims(
        &self,
        (last, at_once): (i64, u32),
        give: &mut dyn FnMut(Vec<Looked>) -> bool,
    ) -> Result<(), CutError> {
        let mut after = 0;
        loop {
            let still = self.still()?;
            let related = are_any_related(&self.connection)?;
            let page = self.claims_after(after, last, at_once)?;
            let Some(one) = page.last() else { return Ok(()) };
            after = one.claim;
            // With room for all: they are large, and would be moved each time there is too little.
            let mut all = Vec::with_capacity(page.len());
            for ready in page {
                all.push(self.look(ready, related)?);
            }
            drop(still);
            if !give(all) {
                return Ok(());
            }
        }
    }

    fn claims_after(&self, after: i64, last: i64, at_once: u32) -> Result<Vec<Ready>, CutError> {
        let sql = "SELECT claim, op, txn, original, amount, currency, merchant, terminal, mcc, local, entry, final, opens IS NULL
            FROM to_cut JOIN claims USING (claim) WHERE claim > ? AND claim <= ? ORDER BY claim LIMIT ?";
        let mut ask = self.connection.prepare_cached(sql)?;
        let rows = ask.query_map((after, last, at_once), Ready::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// With nothing to be asked of what completes or raises an authorization where nothing does.
    fn look(&self, ready: Ready, related: bool) -> Result<Looked, CutError> {
        let txn = ready.txn.filter(|_| ready.op != Some(Op::Reversal));
        let standing = match txn {
            Some(txn) => self.books.standing(TxnId(txn.cast_unsigned()))?,
            None => None,
        };
        let refund = self.pays_card(&ready)?;
        let Some(standing) = standing else {
            return Ok(Looked { ready, refund, authorized: None });
        };
        let left = if related {
            chain::left(&self.connection, &self.books, &standing)?
        } else {
            chain::Left::alone(&standing)
        };
        let is_completed = related && self.is_completed(standing.id)?;
        let capture = ready.currency.map(|currency| {
            let terms = Terms {
                amount: Amount { minor: ready.amount, currency },
                refund,
                merchant: &ready.merchant,
                terminal: ready.terminal.as_deref(),
                mcc: ready.mcc.as_deref(),
                local: ready.local.as_deref(),
            };
            Capture::claimed(&standing, &terms, self.books.keys())
        });
        let authorized = Some(Authorized { standing, left, is_completed, capture });
        Ok(Looked { ready, refund, authorized })
    }

    /// Whether an authorization was completed by an advice that stands: then that is presented.
    fn is_completed(&self, txn: TxnId) -> Result<bool, CutError> {
        for completion in completions(&self.connection, txn)? {
            let standing = self.books.standing(completion)?;
            if standing.is_some_and(|standing| standing.stands_approved()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether money goes to the card: what is adjusted flows as what it adjusts.
    fn pays_card(&self, ready: &Ready) -> Result<bool, CutError> {
        let (mut op, mut original) = (ready.op, ready.original);
        while let Some(claim) = original.filter(|_| op == Some(Op::Adjust)) {
            let sql = "SELECT op, original FROM claims WHERE claim = ?";
            let mut ask = self.connection.prepare_cached(sql)?;
            let found = ask.query_row([claim], |row| {
                Ok((Op::of(row.get_ref(0)?.as_str()?), row.get::<_, Option<i64>>(1)?))
            });
            let found = found.optional()?;
            // Claims name what came before them.
            let found = found.filter(|(_, before)| before.is_none_or(|before| before < claim));
            let Some(found) = found else { break };
            (op, original) = found;
        }
        Ok(op == Some(Op::Refund))
    }
}

impl Gathering<'_, '_> {
    /// What merchants claimed and no cut has taken.
    pub(super) fn claims(&mut self) -> Result<(), CutError> {
        let scout = self.ledger.scout()?;
        let last = (self.last_claim, self.page());
        let read = move |give: &mut dyn FnMut(Vec<Looked>) -> bool| scout.claims(last, give);
        ahead(read, |page| {
            let count = page.len();
            let mut taken = Vec::with_capacity(count);
            for looked in page {
                let claim = looked.ready.claim;
                let goes = if looked.ready.op == Some(Op::Reversal) {
                    self.take_back(&looked.ready)?
                } else {
                    self.present(looked)?
                };
                taken.extend(goes.then_some(claim));
            }
            self.taken(count, &taken)?;
            self.next(count)
        })
    }

    /// Those of a page that this cut has taken. Mostly they are all of it, and so all that lie between the first and the last.
    fn taken(&self, count: usize, taken: &[i64]) -> Result<(), CutError> {
        // Items need not be in their table for that.
        let claims = &self.ledger.connection;
        if let [first, .., last] = taken
            && taken.len() == count
        {
            let sql = "DELETE FROM to_cut WHERE claim BETWEEN ? AND ?";
            claims.prepare_cached(sql)?.execute((first, last))?;
            return Ok(());
        }
        for claim in taken {
            not_to_cut(claims, *claim)?;
        }
        Ok(())
    }

    /// A claim becomes an item of the issuer that its authorization was sent to. Gives whether this cut takes it.
    fn present(&mut self, looked: Looked) -> Result<bool, CutError> {
        let Looked { ready, refund, authorized } = looked;
        let (ready, Some(authorized)) = (&ready, authorized) else {
            return self.refuse(&ready, "NO_AUTHORIZATION");
        };
        let Authorized { standing, left, is_completed, capture } = authorized;
        let standing = &standing;
        // Much may have happened after it was claimed.
        let is_of_purchase = refund && !undone::is_refund(standing);
        if !is_of_purchase {
            if !left.stands {
                return self.refuse(ready, "REVERSED");
            }
            if is_completed {
                return self.refuse(ready, "ALREADY_CAPTURED");
            }
            if let Some(left) = self.left_to_present((standing, refund), left.at_most)?
                && i128::from(ready.amount) > left
            {
                return self.refuse_over(ready, "OVER_AMOUNT", left);
            }
        }
        if refund {
            // An adjustment of a refund names that refund.
            let names = ready.original.filter(|_| ready.op == Some(Op::Refund));
            let wanted = Wanted { amount: ready.amount, currency: ready.currency, names };
            let of = is_of_purchase.then_some((standing, &left));
            match self.may_refund(wanted, of)? {
                Refund::Now => {}
                Refund::Later => return Ok(false),
                Refund::Never(reason) => return self.refuse(ready, reason),
                Refund::Over(left) => {
                    return self.refuse_over(ready, "REFUND_OVER_CAPTURED", left);
                }
            }
        }
        let capture = match capture {
            None => return self.refuse(ready, "CURRENCY"),
            Some(Ok(capture)) => capture,
            Some(Err(fault @ ClearingError::Card { .. })) => return Err(fault.into()),
            Some(Err(_)) => return self.refuse(ready, "UNPRESENTABLE"),
        };
        let Ready { claim, is_final, may_have_earlier, .. } = *ready;
        let claimed = Claimed { claim, is_final, may_have_earlier };
        let (claim, entry) = (Some(claimed), ready.entry.as_deref());
        let (kind, about, reference) = ("presentment", None, None);
        self.put(New { kind, about, claim, capture, standing, reference, entry })?;
        Ok(true)
    }

    /// How much more may be presented, of purchases or of what pays the card, of what reversals have left of it and of what raised it, minor
    /// units; none where they left all.
    fn left_to_present(
        &self,
        (standing, pays_card): (&Standing, bool),
        left: Option<u64>,
    ) -> Result<Option<i128>, CutError> {
        let Some(left) = left else { return Ok(None) };
        let sql = format!(
            "SELECT ifnull(sum(amount - (SELECT ifnull(sum(l.amount), 0) FROM items AS l
                WHERE l.about = p.item AND l.kind = 'lowered')), 0)
            FROM items AS p WHERE item IN (SELECT item FROM of_txn WHERE txn = ?) AND kind = 'presentment' AND refund = ?
            AND NOT EXISTS (SELECT 1 FROM items AS o WHERE o.kind IN ('opposite', 'given_up')
                AND o.about IN {})",
            fate::PRESENTED
        );
        let mut ask = self.rows.laid_down()?.prepare_cached(&sql)?;
        let values = (standing.id.0.cast_signed(), pays_card);
        let before: i64 = ask.query_row(values, |row| row.get(0))?;
        Ok(Some((i128::from(left) - i128::from(before)).max(0)))
    }

    /// What was presented is taken back, all of it. Gives whether this cut takes the claim that says so.
    fn take_back(&mut self, ready: &Ready) -> Result<bool, CutError> {
        if self.voids(ready)? {
            return Ok(true);
        }
        let (day, cycle) = (day(self.cycle.date), self.cycle.number);
        let Some(fate) = fate::of_claim(self.rows.laid_down()?, ready.original)? else {
            return self.refuse(ready, "NOT_PRESENTED");
        };
        match fate.rejected {
            _ if fate.opposed || fate.charged_back => return self.refuse(ready, "TAKEN_BACK"),
            Some(Decision::GivenUp) => return self.refuse(ready, "TAKEN_BACK"),
            Some(Decision::None) => {
                self.give_up(fate.live)?;
                return Ok(true);
            }
            // It is being presented just now: it is taken back by the next cut.
            None if fate.cut == (Some(day), Some(i64::from(cycle))) => return Ok(false),
            // So is what is left of what is lowered just now.
            None if fate::is_lowered_by(self.rows.laid_down()?, &fate, (day, cycle))? => {
                return Ok(false);
            }
            None => {}
        }
        match self.may_take_back(&fate)? {
            Refund::Now => {}
            Refund::Later => return Ok(false),
            Refund::Never(reason) => return self.refuse(ready, reason),
            Refund::Over(_) => return self.refuse(ready, "REFUND_OVER_CAPTURED"),
        }
        let about = fate.item;
        let sql = "SELECT issuer, currency FROM items WHERE item = ?";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        let found = ask.query_row([about], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        let (issuer, currency) = found.map(|(issuer, currency)| (LinkId(issuer), currency))?;
        let Ok(currency) = Currency::from_ascii(currency.as_bytes()) else {
            return self.refuse(ready, "CURRENCY");
        };
        let (place, item) = (self.place(issuer, currency)?, self.next_item());
        let sql = "INSERT INTO items (item, kind, about, txn, claim, issuer, merchant, terminal, card, rrn, approval, mcc, amount,
                currency, refund, day, cycle, file, number, reference, state)
            SELECT ?1, 'opposite', item, txn, ?2, issuer, merchant, terminal, card, rrn, approval, mcc,
                amount - (SELECT ifnull(sum(l.amount), 0) FROM items AS l WHERE l.about = ?7 AND l.kind = 'lowered'),
                currency, refund, ?3, ?4, ?5, ?6, reference, 'presented' FROM items WHERE item = ?7";
        let values = params![item, ready.claim, day, cycle, place.file, place.number, about];
        self.rows.laid_down()?.prepare_cached(sql)?.execute(values)?;
        self.draft_row(item, issuer, currency)?;
        // A refund kept as much of what it gave back from being taken back with its authorization.
        let sql = "INSERT OR IGNORE INTO keys SELECT ?1, txn FROM items WHERE item = ?2 AND refund = 1 AND txn IS NOT NULL";
        self.rows.laid_down()?.prepare_cached(sql)?.execute((UNDONE, about))?;
        Ok(true)
    }

    /// Whether it took its original back before that was presented: then it has done its work.
    fn voids(&self, ready: &Ready) -> Result<bool, CutError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM claims WHERE claim = ? AND voided = ?)";
        let mut ask = self.rows.laid_down()?.prepare_cached(sql)?;
        Ok(ask.query_row((ready.original, ready.claim), |row| row.get(0))?)
    }

    /// A claim that cannot be presented any more is rejected. Its merchant heard that it is accepted: so a person has to see it.
    fn refuse(&mut self, ready: &Ready, reason: &str) -> Result<bool, CutError> {
        // A cut that has only this to tell is one, too.
        self.any = true;
        let (connection, at) = (self.rows.laid_down()?, self.now.0.cast_signed());
        let sql = "UPDATE claims SET state = 'rejected', reason = ? WHERE claim = ?";
        connection.prepare_cached(sql)?.execute((reason, ready.claim))?;
        not_to_cut(connection, ready.claim)?;
        let sql = "INSERT INTO events (at, claim, kind, detail) VALUES (?, ?, 'rejected', ?)";
        connection.prepare_cached(sql)?.execute((at, ready.claim, reason))?;
        let cycle = self.cycle.to_string();
        if self.refused < REFUSED_MAX {
            let sql = "INSERT INTO exceptions (opened, kind, claim, amount, currency, detail)
                SELECT ?1, 'not_presented', claim, amount, currency,
                    op || ' ' || reference || ' of ' || rtrim(merchant) || ' was accepted, and the cut of ' || ?2 || ' cannot present it: ' || ?3
                FROM claims WHERE claim = ?4";
            connection.prepare_cached(sql)?.execute((at, cycle, reason, ready.claim))?;
        } else if self.refused == REFUSED_MAX {
            let sql =
                "INSERT INTO exceptions (opened, kind, detail) VALUES (?, 'not_presented', ?)";
            let detail = format!(
                "the cut of {cycle} cannot present more than {REFUSED_MAX} records that were accepted: their files, handed in again, tell all of them"
            );
            connection.execute(sql, (at, detail))?;
        }
        self.refused += 1;
        Ok(false)
    }

    /// The same, of one that wants more than is left.
    fn refuse_over(&mut self, ready: &Ready, reason: &str, left: i128) -> Result<bool, CutError> {
        let sql = "UPDATE claims SET field = 'amount', expected = ?, got = amount WHERE claim = ?";
        let mut tell = self.rows.laid_down()?.prepare_cached(sql)?;
        tell.execute((format!("at most {left}"), ready.claim))?;
        drop(tell);
        self.refuse(ready, reason)
    }
}

impl Ready {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            claim: row.get(0)?,
            op: Op::of(row.get_ref(1)?.as_str()?),
            txn: row.get(2)?,
            original: row.get(3)?,
            amount: row.get(4)?,
            currency: Currency::from_ascii(row.get_ref(5)?.as_bytes()?).ok(),
            merchant: row.get(6)?,
            terminal: row.get(7)?,
            mcc: row.get(8)?,
            local: row.get(9)?,
            entry: row.get(10)?,
            is_final: row.get(11)?,
            may_have_earlier: row.get(12)?,
        })
    }
}
