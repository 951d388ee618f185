//! What a claim names: the authorization, by its names or its number, as ledger and books have it. Judges nothing and writes nothing.

use rusqlite::Connection;

use super::super::{LedgerError, chain};
use super::indexing;
use crate::books::View;
use crate::clearing::claim::{self, Authorization, Claim, Op, Said, Stands};
use crate::record::TxnId;

/// Who looks names up for one merchant.
#[derive(Clone, Copy)]
pub(super) struct Finder<'a> {
    pub(super) connection: &'a Connection,
    pub(super) books: &'a View,
    /// Whose claims they are.
    pub(super) merchant: &'a str,
    /// Whether anything completes or raises an authorization at all.
    pub(super) related: bool,
}

/// What a claim names in the books.
pub(super) enum Named {
    /// Nothing that is known.
    None,
    /// It does not say.
    Nothing,
    One(Box<Authorization>),
    Several(usize),
    Foreign(TxnId),
}

impl Finder<'_> {
    /// What the claim names, of those that may name something in the books.
    pub(super) fn look(&self, claim: &Claim) -> Result<Option<Named>, LedgerError> {
        let said = claim.said.as_ref().ok();
        let said = said.filter(|said| matches!(said.op, Op::Capture | Op::Refund));
        said.map(|said| self.named(claim, said)).transpose()
    }

    pub(super) fn named(&self, claim: &Claim, said: &Said) -> Result<Named, LedgerError> {
        if let Some(txn) = claim.original.as_deref().and_then(txn_of) {
            return Ok(match self.authorization(Some(txn))? {
                None => Named::None,
                Some(it) if it.merchant != self.merchant => Named::Foreign(txn),
                Some(it) => self.completed(self.whole(it)?)?,
            });
        }
        let names = (claim, said, self.merchant);
        let Some(found) = indexing::named(self.connection, self.books, names)? else {
            return Ok(Named::Nothing);
        };
        if indexing::are_too_many(&found) {
            return Ok(Named::Several(found.len()));
        }
        let mut named = Vec::with_capacity(found.len());
        for txn in found {
            let it = self.authorization(Some(txn))?;
            let it = it.filter(|it| claim::names_it(claim, said, self.merchant, it));
            let it = it.map(|it| self.whole(it)).transpose()?;
            // Whichever of them it names, it is about all of them.
            let is_new =
                |it: &Authorization| named.iter().all(|other: &Authorization| other.txn != it.txn);
            let fresh = it.filter(is_new);
            named.extend(fresh);
        }
        match claim::choose(named) {
            Ok(None) => Ok(Named::None),
            Ok(Some(it)) => self.completed(it),
            Err(several) => Ok(Named::Several(several)),
        }
    }

    /// What an advice completed is presented as that advice says.
    fn completed(&self, it: Authorization) -> Result<Named, LedgerError> {
        let completions =
            if self.related { indexing::completions(self.connection, it.txn)? } else { Vec::new() };
        for txn in completions {
            if let Some(completion) = self.authorization(Some(txn))?
                && completion.stands == Stands::Approved
            {
                return Ok(Named::One(Box::new(completion)));
            }
        }
        Ok(Named::One(Box::new(it)))
    }

    /// An authorization with its increments.
    fn whole(&self, it: Authorization) -> Result<Authorization, LedgerError> {
        if !self.related && it.raises.is_none() {
            return Ok(it);
        }
        chain::whole(self.connection, self.books, it)
    }

    /// The same, of what an earlier claim was about.
    pub(super) fn claimed(&self, txn: Option<TxnId>) -> Result<Option<Authorization>, LedgerError> {
        self.authorization(txn)?.map(|it| self.whole(it)).transpose()
    }

    fn authorization(&self, txn: Option<TxnId>) -> Result<Option<Authorization>, LedgerError> {
        let Some(txn) = txn else { return Ok(None) };
        Ok(self.books.standing(txn)?.as_ref().and_then(Authorization::of))
    }
}

/// A transaction's number, as `orig_ref` names it.
pub(super) fn txn_of(name: &str) -> Option<TxnId> {
    name.strip_prefix("txn:")?.parse().ok().map(TxnId)
}
