//! The journal's thread: what is queued becomes durable in one commit, and then leaves. Must not know what a record means,
//! but for carries.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::bureau::Bureau;
use super::clerk::Clerk;
use super::core::{Core, Queue};
use super::days::Days;
use super::orders::Orders;
use super::reload::Reopenings;
use crate::clearing::{BatchVerdict, HostVerdict, Settled};
use crate::iso::{Class, ResponseCode};
use crate::journal::{Commit, Journal, JournalError};
use crate::link::{Links, Session};
use crate::meter::Meter;
use crate::record::{self, Lsn, Record};
use crate::seal::Keys;
use crate::switch::{
    Action, Effects, Input, Mark, OwedTotals, SessionId, TotalsAnswer, TotalsQuestion,
};

/// Everything that the journal's thread needs.
pub(super) struct Release {
    pub(super) core: Arc<Core>,
    pub(super) links: Arc<Links<Core>>,
    pub(super) journal: Journal,
    pub(super) keys: Arc<Keys>,
    pub(super) meter: Meter,
    pub(super) clerk: Clerk,
    pub(super) bureau: Bureau,
    pub(super) orders: Arc<Orders>,
    pub(super) days: Arc<Days>,
    pub(super) reopenings: Arc<Reopenings>,
    /// The last durable record.
    pub(super) durable: Arc<AtomicU64>,
}

/// Sessions that something was posted to, to be woken once.
type Posted = HashMap<u64, Arc<Session<Mark>>>;

impl Release {
    /// Until the house closes. After an error nothing leaves any more.
    pub(super) fn run(mut self) -> Result<(), JournalError> {
        let mut queue = Queue::default();
        let mut commit = Commit::default();
        let mut posted = Posted::new();
        while self.core.take(&mut queue) {
            self.write(&mut queue, &mut commit)?;
            let Effects { actions, spare, .. } = &mut queue.effects;
            for action in actions.drain(..) {
                self.act(action, (&mut posted, spare));
            }
            for (_, session) in posted.drain() {
                session.wake();
            }
            for session in queue.fences.drain(..) {
                self.drained(&session);
            }
            queue.bytes = 0;
        }
        Ok(())
    }

    /// Makes the records durable. They are when this returns without an error.
    fn write(&mut self, queue: &mut Queue, commit: &mut Commit) -> Result<(), JournalError> {
        let records = &mut queue.effects.records;
        if records.is_empty() {
            return Ok(());
        }
        let began = Instant::now();
        commit.first = self.journal.next();
        commit.count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        commit.carry = false;
        commit.day = queue.wall.date().0;
        commit.blob.clear();
        for (lsn, record) in (commit.first.0..).map(Lsn).zip(records.iter()) {
            // The records of one input are in one queue: where a carry begins, it ends too.
            commit.carry |= matches!(record, Record::CarryEnds { .. });
            record::encode(record, lsn, &self.keys, &mut commit.blob);
        }
        self.journal.followed(self.clerk.followed());
        self.journal.commit(commit)?;
        if let Some(fault) = self.journal.take_postponed() {
            self.meter.file_postponed();
            tracing::error!(%fault, "the journal's next file was not begun; the old one goes on, and the next carry tries again");
        }
        self.durable.store(commit.last().0, Ordering::Release);
        self.meter.committed(commit.count, commit.blob.len(), began.elapsed());
        records.clear();
        if commit.blob.capacity() > BLOB_BYTES_KEPT {
            commit.blob = Vec::new();
        }
        Ok(())
    }

    fn act(&self, action: Action, (posted, spare): (&mut Posted, &mut Vec<Vec<u8>>)) {
        match action {
            Action::Send { session, head, body, mark } => {
                let session = match posted.entry(session.0) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => match self.links.session(session.0) {
                        Some(session) => place.insert(session),
                        // It was drained, and the engine knows: nothing hangs on this message.
                        None => return,
                    },
                };
                session.post(head, &body, Some(mark).filter(|mark| *mark != Mark::Plain));
                session.meter().sent(class(&body));
                Effects::give_back(spare, body);
            }
            Action::Ask(question) => {
                let core = Arc::clone(&self.core);
                self.clerk.look_up(question, move |found| {
                    core.handle(Input::LookedUp { question: question.id, found });
                });
            }
            Action::Batch(question) => {
                let core = Arc::clone(&self.core);
                self.bureau.errand(question.from, move |ledger| {
                    let now = core.clock().now().wall;
                    let verdict = ledger.batch(question.link, &question.petition, &question.profile, now).unwrap_or_else(|fault| {
                        tracing::error!(%fault, "a batch cannot be compared: its terminal hears 96, and asks again");
                        BatchVerdict { code: ResponseCode::MALFUNCTION, text: None }
                    });
                    core.handle(Input::BatchAnswered { id: question.id, verdict });
                });
            }
            Action::Reconcile(question) => {
                let core = Arc::clone(&self.core);
                self.bureau.errand(question.from, move |ledger| {
                    let now = core.clock().now().wall;
                    let verdict = ledger.reconcile(question.link, &question.claim, &question.profile, now).unwrap_or_else(|fault| {
                        tracing::error!(%fault, "totals cannot be compared: their host hears 96, and asks again");
                        HostVerdict { code: ResponseCode::MALFUNCTION, settled: Settled::Error, expected: None }
                    });
                    core.handle(Input::Reconciled { id: question.id, verdict });
                });
            }
            Action::Totals(question) => self.totals(question),
            Action::TotalsAnswered(answer) => {
                let core = Arc::clone(&self.core);
                self.bureau.errand(Lsn(0), move |ledger| {
                    let now = core.clock().now().wall;
                    let TotalsAnswer { link, totals, verdict } = answer;
                    if let Err(fault) = ledger.totals_answered(link, totals, verdict, now) {
                        tracing::error!(%fault, totals, "an issuer's answer to totals was not written down: they stay owed, and go again after a start");
                    }
                });
            }
            Action::Doors { link, open } => self.links.set_doors(link, open),
            Action::Reopen { link } => self.reopenings.reopen(link),
            Action::Close { session, why } => {
                if let Some(session) = self.links.session(session.0) {
                    session.end(why);
                }
            }
            Action::DayCut { date, at } => self.days.cut(date, at),
            Action::Done { id, result } => self.orders.done(id, result),
        }
    }

    /// What a day came to with an issuer is added up, and goes out once it is written down as owed.
    fn totals(&self, question: TotalsQuestion) {
        let core = Arc::clone(&self.core);
        self.bureau.errand(question.from, move |ledger| {
            let TotalsQuestion { link, date, profile, .. } = question;
            let Some(mti) = profile.send else { return };
            match ledger.owe_totals(link, date, &profile, core.clock().now().wall) {
                Ok(owing) => {
                    for (date, fault) in owing.failed {
                        tracing::error!(%fault, %date, "the totals of a day for an issuer cannot be added up: they are tried again when the next day is cut, and after a start");
                    }
                    let owed = owing.all.into_iter().map(|one| OwedTotals {
                        totals: one.totals,
                        again: one.again,
                        mti,
                        elements: one.elements,
                    });
                    core.handle(Input::TotalsOwed { link, owed: owed.collect() });
                }
                Err(fault) => {
                    tracing::error!(%fault, %date, "what is owed to an issuer of totals cannot be read: it is tried again when the next day is cut, and after a start");
                }
            }
        });
    }

    /// Everything made for the session before it ended has been posted to it: what is still there never left.
    fn drained(&self, session: &Session<Mark>) {
        self.core.tell_begun();
        let never_begun = session.never_begun();
        self.core.handle(Input::Drained { session: SessionId(session.id()), never_begun });
        self.links.forget(session.id());
    }
}

/// A blob of more than this is given back after its commit.
const BLOB_BYTES_KEPT: usize = 16 << 20;

/// The class of an encoded message, for counting: its second digit, in whatever characters.
fn class(body: &[u8]) -> Class {
    let digit = match body {
        [first, ..] if *first < 0x30 => first & 0x0F,
        [_, second, ..] => second & 0x0F,
        _ => 0,
    };
    match digit {
        1 => Class::Authorization,
        2 => Class::Financial,
        4 => Class::Reversal,
        8 => Class::Network,
        other => Class::Other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_in_any_characters() {
        for (body, expected) in [
            (&b"0200"[..], Class::Financial),
            (b"\x04\x20", Class::Reversal),
            (b"\xF0\xF1\xF0\xF0", Class::Authorization),
            (b"1804", Class::Network),
            (b"\x06\x00", Class::Other(6)),
            (b"", Class::Other(0)),
        ] {
            assert_eq!(class(body), expected);
        }
    }
}
